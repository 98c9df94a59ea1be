//! Approvals: who may give them, after what, and what is said of each.

use super::*;

fn about() -> Subject {
    Subject::of_bytes("a.rs", b"one")
}

/// Evidence that names a file, and an approval of it.
fn with(rest: &str) -> String {
    format!("{{all: [{{file: {{path: a.rs}}}}, {{approval: {{role: review{rest}}}}}]}}")
}

fn approval(world: &World, rest: &str, outcome: &str) -> Judged {
    ends(world, &with(rest), outcome).parts.remove(1)
}

fn said(by: &str, ago: i64, words: Object) -> Receipt {
    receipt(by, ago, "attestation", &[about()], words.with("role", "review"))
}

#[test]
fn an_approval_is_told_with_what_would_give_it() {
    let none = world(vec![]);
    for (rest, wanted, next) in [
        ("", "approval by review", "--statement '…'"),
        (", threshold: 1", "approval by review", "--statement '…'"),
        (", threshold: 2", "2 approvals by review", "--statement '…'"),
        (", min_score: 9", "approval by review, each at least 9 of 10", "--score 9"),
        (", threshold: 3, min_score: 4.5, of: 5", "3 approvals by review, each at least 4.5 of 5", "--score 4.5"),
    ] {
        let judged = approval(&none, rest, "pending: missing");
        assert_eq!((judged.wanted.as_str(), judged.found.as_str()), (wanted, "no receipt"));
        assert_eq!(judged.next, Some(format!("bizra attest --role review {next} --criterion p/c")));
    }
}

#[test]
fn each_word_that_decides_is_told() {
    let bob = || approve("bob:review", 1, "9", about());
    let eve = |score| approve("eve:review", 2, score, about());
    let by_two = ", threshold: 2, min_score: 9";
    for (receipts, rest, outcome, found, ids) in [
        (vec![bob()], "", "met", "bob approves (receipt bob-1)", vec!["bob-1"]),
        (vec![bob()], ", min_score: 9", "met", "bob gives 9 of 10 (receipt bob-1)", vec!["bob-1"]),
        (vec![bob()], by_two, "pending: missing", "bob gives 9 of 10 (receipt bob-1); 1 of 2", vec!["bob-1"]),
        (vec![bob(), eve("8.9")], by_two, "failed", "eve gives 8.9 of 10 (receipt eve-2)", vec!["eve-2"]),
        (
            vec![bob(), eve("10")],
            by_two,
            "met",
            "bob gives 9 of 10 (receipt bob-1); eve gives 10 of 10 (receipt eve-2)",
            vec!["bob-1", "eve-2"],
        ),
        (
            vec![said("bob:review", 1, Object::new().with("statement", "Fine."))],
            ", min_score: 0",
            "failed",
            "bob gives no score (receipt bob-1)",
            vec!["bob-1"],
        ),
    ] {
        let judged = approval(&world(receipts), rest, outcome);
        assert_eq!((judged.found.as_str(), judged.receipts), (found, ids.into_iter().map(str::to_owned).collect()));
    }
    // Met where the newest word is, and not before.
    let judged = approval(&world(vec![bob(), eve("10")]), by_two, "met");
    assert_eq!(judged.time.map(|time| time.to_string()).as_deref(), Some("2026-03-01T11:59:00Z"));
}

#[test]
fn scores_of_other_scales_are_compared_by_their_share() {
    let of = |value: &str, scale: &str| {
        let score = Object::new().with("of", scale).with("value", value);
        world(vec![said("bob:review", 1, Object::new().with("score", score))])
    };
    for (value, scale, asked, outcome) in [
        ("4.5", "5", ", min_score: 9", "met"),
        ("4.49", "5", ", min_score: 9", "failed"),
        ("90", "100", ", min_score: 4.5, of: 5", "met"),
        ("9", "100", ", min_score: 9", "failed"),
        ("0", "10", ", min_score: 0", "met"),
    ] {
        approval(&of(value, scale), asked, outcome);
    }
}

#[test]
fn only_words_about_what_is_there_approve() {
    let any = "{all: [{file: {path: '*.rs'}}, {approval: {role: review}}]}";
    let word = |role: &str| Object::new().with("role", role).with("statement", "Fine.");
    let on = |subjects: &[Subject]| world(vec![receipt("bob:review", 1, "attestation", subjects, word("review"))]);
    let file = |name: &str, text: &str| Subject::of_bytes(name, text.as_bytes());
    for (subjects, found) in [
        (vec![file("a.rs", "one"), file("z.md", "?")], "bob approves (receipt bob-1)"),
        (vec![file("a.rs", "one"), file("b.rs", "old")], "receipt bob-1: b.rs has changed since"),
        (vec![file("c.rs", "gone")], "receipt bob-1: c.rs is gone since"),
        (
            vec![file("criterion:p/c", "another text"), file("a.rs", "one")],
            "receipt bob-1: the criterion has changed since",
        ),
        (vec![file("z.md", "?")], "no receipt"),
    ] {
        assert_eq!(judged(&on(&subjects), any).parts[1].found, found);
    }
    let boss = receipt("bob:review", 1, "attestation", &[about()], word("boss"));
    assert_eq!(judged(&world(vec![boss]), any).parts[1].found, "no receipt", "a word in another role");
    // Found by two of its subjects, it is one word all the same.
    let twice = "{all: [{file: {path: a.rs}}, {file: {path: b.rs}}, {approval: {role: review, threshold: 2}}]}";
    let world = on(&[file("a.rs", "one"), file("b.rs", "two")]);
    ends(&world, twice, "pending: missing");
    assert_eq!(*world.opened.borrow(), [0]);
}

#[test]
fn whoever_has_a_part_in_the_work_does_not_count() {
    let both = || world(vec![approve("Ada:review", 1, "9", about()), approve("bob:review", 2, "9", about())]);
    let warning = |name: &str, ago: u8| {
        vec![format!("{name} owns the work, so this approval does not count (receipt {name}-{ago})")]
    };
    let judged = approval(&both(), ", independent_of: owners", "met");
    assert_eq!((judged.found.as_str(), judged.warnings), ("bob approves (receipt bob-2)", warning("Ada", 1)));
    let judged = approval(&both(), ", independent_of: bob", "met");
    assert_eq!((judged.found.as_str(), judged.warnings), ("Ada approves (receipt Ada-1)", warning("bob", 2)));
    let judged = approval(&both(), "", "met");
    assert_eq!((judged.receipts.len(), judged.warnings.len()), (2, 0));
    let judged = approval(&both(), ", independent_of: owners, threshold: 2", "pending: missing");
    assert_eq!(judged.found, "bob approves (receipt bob-2); 1 of 2");

    let uncovered = format!("        - {{id: c, evidence: {}}}\n", with(", independent_of: owners"));
    let judged = decided(&both(), &uncovered).unwrap().criteria.remove(0).judged.parts.remove(1);
    assert_eq!(judged.outcome.words(), "pending: missing");
    assert_eq!(judged.found, "nobody is named as owner, so independence can't be told");
}

#[test]
fn an_approval_comes_after_what_it_rests_on() {
    let measured =
        |id: &str, ago| receipt("ci", ago, "trial", &[], Object::new().with("metrics", Object::new().with(id, "9")));
    let evidence = |after: &str| {
        format!(
            "{{all: [{{metric: {{id: m, op: '>', value: 1}}}}, {{metric: {{id: n, op: '>', value: 1}}}}, {{file: {{path: a.rs}}}}, {{approval: {{role: review, after: [{after}]}}}}]}}"
        )
    };
    let at = |ago| {
        let mut receipts = vec![measured("m", 30), measured("n", 20), approve("bob:review", ago, "9", about())];
        receipts.sort_by_key(|receipt| std::cmp::Reverse(receipt.time));
        world(receipts)
    };
    for (after, ago, outcome) in [
        ("m", 29, "met"),
        ("m", 30, "met"),
        ("m", 31, "pending: stale"),
        ("m, n", 20, "met"),
        ("m, n", 21, "pending: stale"),
        ("n, m", 21, "pending: stale"),
    ] {
        ends(&at(ago), &evidence(after), outcome);
    }
    let late = judged(&at(31), &evidence("m")).parts.remove(3);
    assert_eq!(late.found, "receipt bob-31: it was given before its evidence of 2026-03-01 11:30Z");
    let early = judged(&world(vec![]), &evidence("n")).parts.remove(3);
    assert_eq!(early.found, "it waits for n, which is pending: missing");
    assert_eq!(early.next.as_deref(), Some("leave a receipt that measures n"));
    let lost = judged(&at(1), &evidence("x")).parts.remove(3);
    assert_eq!(lost.found, "`x` is no metric or criterion of this gate");
    assert_eq!(lost.next.as_deref(), Some("correct `after` in the plan"));
    assert_eq!(lost.outcome.words(), "pending: missing");
}

#[test]
fn approvals_wait_for_criteria_but_not_in_a_circle() {
    let bob = || vec![approve("bob:review", 1, "9", about())];
    let criterion = |n: usize, after: &str| {
        let evidence = with(&format!(", after: [{after}]"));
        format!("        - {{id: c{n}, covers: [W-1], evidence: {evidence}}}\n")
    };
    // The first waits for the second, and so on to one that waits for nothing.
    let chain = |length: usize| -> String {
        let waiting: String = (0..length).map(|n| criterion(n, &format!("c{}", n + 1))).collect();
        waiting + &criterion(length, "")
    };
    let first = |criteria: &str| decided(&world(bob()), criteria).unwrap().criteria.remove(0).judged;
    assert_eq!(first(&chain(1)).outcome.words(), "met");
    assert_eq!(first(&chain(8)).outcome.words(), "met");
    assert_eq!(first(&chain(9)).outcome.words(), "pending: missing");
    let circle = first(&(criterion(0, "c1") + &criterion(1, "c0")));
    assert_eq!(circle.outcome.words(), "pending: missing");
    let found = &circle.parts[1].found;
    assert_eq!(found, "it waits for c1, which is pending: missing");
    assert_eq!(circle.parts[1].next.as_deref(), Some("remove one of the `after` that lead in a circle"));
}
