//! What the gate says: what was asked for, what was found, and what to do next.

use super::*;

/// What was wanted, what was found, and the next step, if any.
fn told(world: &World, evidence: &str) -> [String; 3] {
    let judged = judged(world, evidence);
    [judged.wanted, judged.found, judged.next.unwrap_or_default()]
}

fn file(name: &str, text: &str) -> Subject {
    Subject::of_bytes(name, text.as_bytes())
}

fn about(subjects: &[Subject]) -> Receipt {
    receipt("ci", 5, "trial", subjects, Object::new().with("seconds", "1"))
}

fn forged(ago: i64) -> Receipt {
    Receipt { fault: Some(Fault::Untrusted("forged".into())), ..test_run("eve", ago, "3") }
}

fn measured(by: &str, ago: i64, id: &str, value: &str) -> Receipt {
    receipt(by, ago, "trial", &[], Object::new().with("metrics", Object::new().with(id, value)))
}

const ANY_TRIAL: &str = "{receipt: {predicate: trial}}";
const COMMIT: &str = "cccccccccccccccccccccccccccccccccccccccc";

#[test]
fn a_receipt_is_told_with_what_it_says_and_what_to_run() {
    let one = |seconds| world(vec![test_run("ci", 5, seconds)]);
    let wanted = "receipt trial; seconds < 10";
    let next = "run what leaves receipts of trial";
    assert_eq!(told(&one("3"), TRIAL), [wanted, "seconds is 3 in receipt ci-5 of 2026-03-01 11:55Z", ""]);
    assert_eq!(told(&one("10"), TRIAL), [wanted, "seconds is 10 in receipt ci-5 of 2026-03-01 11:55Z", next]);
    assert_eq!(told(&world(vec![]), TRIAL), [wanted, "no receipt", next]);
    assert_eq!(told(&one("3"), ANY_TRIAL), ["receipt trial", "receipt ci-5 of 2026-03-01 11:55Z", ""]);
    let by = "{receipt: {predicate: trial, subject: {paths: [a.rs, '*.c']}, signed_by: {role: runner}}}";
    let wanted = "receipt trial about a.rs, *.c by runner";
    assert_eq!(told(&one("3"), by), [wanted, "receipt ci-5: ci's key does not have the role runner", next]);
    let nobody = Receipt { signer: None, ..test_run("ci", 5, "3") };
    assert_eq!(told(&world(vec![nobody]), by)[1], "receipt ci-5: no trust policy says who is runner");
    let none = "{receipt: {predicate: trial, subject: {paths: ['x/**', y]}}}";
    let next = "correct the paths in the plan, or commit the files";
    assert_eq!(told(&one("3"), none), ["receipt trial about x/**, y", "no file fits x/**, y", next]);
}

#[test]
fn each_kind_of_receipt_has_the_command_that_leaves_it() {
    for (predicate, next) in [
        ("benchmark", "run `bizra bench MODEL`, such as `bizra bench embedded`"),
        ("benchmark/v0.1", "run `bizra bench MODEL`, such as `bizra bench embedded`"),
        ("kernel-verification", "run `bizra kernel verify`"),
        ("inference", "run `bizra infer`"),
        ("entropy", "run `bizra entropy`"),
        ("gate-decision", "run `bizra roadmap gate`"),
        ("attestation", "run `bizra attest --role ROLE --statement '…'`"),
        ("test-run", "run `bizra attest-tests REPORT`"),
        ("trial", "run what leaves receipts of trial"),
    ] {
        assert_eq!(told(&world(vec![]), &format!("{{receipt: {{predicate: {predicate}}}}}"))[2], next);
    }
}

#[test]
fn every_word_of_a_verdict_has_its_meaning() {
    let (met, open, no) = ("met", "pending: missing", "failed");
    let words = [
        (met, &["pass", "passed", "yes", "met", "verified", "open", "Passed"][..]),
        (open, &["inconclusive", "undecided", "indeterminate", "skipped", "pending"]),
        (no, &["fail", "failed", "no", "refused", "closed", "passed?", ""]),
    ];
    for (expected, word) in words.iter().flat_map(|(expected, words)| words.iter().map(move |word| (expected, word))) {
        for member in ["verdict", "decision", "result"] {
            let run = receipt("ci", 5, "trial", &[], Object::new().with(member, *word));
            let judged = ends(&world(vec![run]), ANY_TRIAL, expected);
            let found = match *expected {
                "met" => format!("{word} in receipt ci-5 of 2026-03-01 11:55Z"),
                _ => format!("receipt ci-5 of 2026-03-01 11:55Z says {word}"),
            };
            assert_eq!(judged.found, found);
        }
    }
    let twice = |verdict: &str, result: &str| {
        world(vec![receipt("ci", 5, "trial", &[], Object::new().with("verdict", verdict).with("result", result))])
    };
    ends(&twice("passed", "failed"), ANY_TRIAL, "met");
    ends(&twice("failed", "passed"), ANY_TRIAL, "failed");
}

#[test]
fn a_value_is_told_with_its_unit() {
    let rate = Object::new().with("unit", "tok/s").with("value", "35.0");
    let body = Object::new()
        .with("decode", Object::new().with("tok_s", "3"))
        .with("flag", true)
        .with("plain", 7u32)
        .with("rate", rate)
        .with("worst", "NaN");
    let world = world(vec![receipt("ci", 5, "trial", &[], body)]);
    let found = |conditions: &str| {
        let [wanted, found, _] = told(&world, &format!("{{receipt: {{predicate: trial, where: [{conditions}]}}}}"));
        let tag = " in receipt ci-5 of 2026-03-01 11:55Z";
        (wanted.replacen("receipt trial; ", "", 1), found.strip_suffix(tag).unwrap().to_owned())
    };
    for (condition, wanted, expected) in [
        ("{path: rate, op: '>=', value: 35, unit: tok/s}", "rate >= 35 tok/s", "rate is 35.0 tok/s"),
        ("{path: rate, op: '>=', value: 35, unit: ms}", "rate >= 35 ms", "rate is in tok/s, and ms is asked for"),
        ("{path: rate, op: '>', value: 1}", "rate > 1", "rate is in tok/s, and no unit is asked for"),
        ("{path: plain, op: '!=', value: 1, unit: ms}", "plain != 1 ms", "plain is in no unit, and ms is asked for"),
        ("{path: plain, op: '==', value: 7}", "plain == 7", "plain is 7"),
        ("{path: decode.tok_s, op: '<', value: 4, unit: tok/s}", "decode.tok_s < 4 tok/s", "decode.tok_s is 3 tok/s"),
        ("{path: none, op: '<=', value: 4}", "none <= 4", "none is not there"),
        ("{path: worst, op: '<', value: 4}", "worst < 4", "worst is “NaN”, which is no number"),
        ("{path: flag, op: '<', value: 4}", "flag < 4", "flag is a boolean, which is no number"),
        (
            "{path: plain, op: '<', value: 8}, {path: none, op: '<', value: 4}",
            "plain < 8; none < 4",
            "plain is 7; none is not there",
        ),
    ] {
        assert_eq!(found(condition), (wanted.to_owned(), expected.to_owned()));
    }
}

#[test]
fn ages_are_told_in_the_unit_that_reads_best() {
    for (allowed, minutes, expected) in [
        ("119s", 2, "2 min old, and 119 s is allowed"),
        ("0s", 1, "60 s old, and 0 s is allowed"),
        ("120s", 3, "3 min old, and 2 min is allowed"),
        ("1m", 119, "119 min old, and 60 s is allowed"),
        ("7199s", 120, "2 h old, and 119 min is allowed"),
        ("2h", 180, "3 h old, and 2 h is allowed"),
        ("1d", 2879, "47 h old, and 24 h is allowed"),
        ("172799s", 2880, "2 d old, and 47 h is allowed"),
        ("2d", 4320, "3 d old, and 2 d is allowed"),
    ] {
        let world = world(vec![test_run("ci", minutes, "3")]);
        let judged =
            ends(&world, &format!("{{receipt: {{predicate: trial, max_age: {allowed}}}}}"), "pending: expired");
        assert!(judged.found.starts_with(&format!("receipt ci-{minutes} of ")), "{judged:?}");
        assert_eq!(judged.found.split_once("Z is ").map(|(_, age)| age), Some(expected));
    }
    // Made after the time that is decided for.
    ends(&world(vec![test_run("ci", -5, "3")]), "{receipt: {predicate: trial, max_age: 1m}}", "met");
}

#[test]
fn what_a_receipt_does_not_cover_is_named() {
    let two = || vec![file("a.rs", "one"), file("b.rs", "two")];
    let all = "{receipt: {predicate: trial, subject: {paths: ['*.rs']}}}";
    let git = Subject::git("b.rs", "gitBlob", COMMIT).unwrap();
    for (subjects, expected) in [
        (vec![file("a.rs", "one")], "receipt ci-5: it does not cover b.rs"),
        (vec![file("a.rs", "old"), file("b.rs", "two")], "receipt ci-5: a.rs has changed since"),
        (vec![file("a.rs", "one"), git], "receipt ci-5: b.rs has changed since"),
        ([two(), vec![file("c.rs", "gone")]].concat(), "receipt ci-5: c.rs is gone since"),
        (vec![file("b.rs", "two")], "no receipt"),
        ([two(), vec![file("x.c", "other")]].concat(), "receipt ci-5 of 2026-03-01 11:55Z"),
    ] {
        assert_eq!(told(&world(vec![about(&subjects)]), all)[1], expected);
    }
    let run = about(&[Subject::git("source", "gitCommit", COMMIT).unwrap()]);
    let at = |files| World { commits: [(COMMIT.to_owned(), files)].into(), ..world(vec![run.clone()]) };
    let other = || vec![("a.rs", "old"), ("b.rs", "two")];
    for (world, evidence, expected) in [
        (at(other()), all, "receipt ci-5: the files have changed since commit cccccccccccc"),
        (at(other()), ANY_TRIAL, "receipt ci-5: files have changed since commit cccccccccccc"),
        (world(vec![run.clone()]), all, "receipt ci-5: commit cccccccccccc is not in this repository"),
        (world(vec![run.clone()]), ANY_TRIAL, "receipt ci-5: commit cccccccccccc is not in this repository"),
    ] {
        assert_eq!(told(&world, evidence)[1], expected);
    }
}

#[test]
fn what_a_receipt_names_by_itself_must_still_be_so() {
    let commit = || Subject::git("a-commit", "gitCommit", COMMIT).unwrap();
    let same = |receipt| World {
        commits: [(COMMIT.to_owned(), vec![("a.rs", "one"), ("b.rs", "two")])].into(),
        ..world(vec![receipt])
    };
    ends(&same(about(&[commit()])), ANY_TRIAL, "met");
    ends(&same(about(&[commit(), file("a.rs", "one")])), ANY_TRIAL, "met");
    let judged = ends(&same(about(&[commit(), file("a.rs", "old")])), ANY_TRIAL, "pending: stale");
    assert_eq!(judged.found, "receipt ci-5: a.rs has changed since");
    // Neither a pattern nor a path out of the repository names a file in it.
    ends(&world(vec![about(&[file("*.rs", "old"), file("../a.rs", "old")])]), ANY_TRIAL, "met");
}

#[test]
fn files_are_those_of_the_work_tree_unless_the_last_commit_is_asked_for() {
    let run = |text: &str| vec![about(&[file("a.rs", text)])];
    let commit = || vec![about(&[Subject::git("source", "gitCommit", COMMIT).unwrap()])];
    let at = |receipts| World {
        commits: [(COMMIT.to_owned(), vec![("a.rs", "committed")])].into(),
        head: Some(vec![("a.rs", "committed")]),
        ..world(receipts)
    };
    for (place, of_one, of_committed) in [
        ("", "met", "pending: stale"),
        (", at: worktree", "met", "pending: stale"),
        (", at: head", "pending: stale", "met"),
    ] {
        let demand = format!("{{receipt: {{predicate: trial, subject: {{paths: [a.rs]{place}}}}}}}");
        ends(&at(run("one")), &demand, of_one);
        ends(&at(run("committed")), &demand, of_committed);
        ends(&at(commit()), &demand, of_committed);
    }
    ends(&at(vec![]), "{file: {path: a.rs, min_bytes: 4}}", "failed");
}

#[test]
fn few_of_the_receipts_that_do_not_count_are_named() {
    let warnings = |count: i64| {
        let receipts = (1..=count).map(forged).chain([test_run("ci", 9, "3")]).collect();
        ends(&world(receipts), TRIAL, "met").warnings
    };
    let named: Vec<String> = (1..=3).map(|n| format!("receipt eve-{n} does not count: forged")).collect();
    assert_eq!(warnings(0), <[String; 0]>::default());
    assert_eq!(warnings(2), named[..2]);
    assert_eq!(warnings(3), named);
    for (count, more) in [(4, "1 more receipts do not count"), (6, "3 more receipts do not count")] {
        assert_eq!(warnings(count), [&named[..], &[more.to_owned()]].concat());
    }
    // Where nothing counts, the newest is what was found, and no warning beside it.
    let judged = ends(&world((1..=4).map(forged).collect()), TRIAL, "untrusted");
    assert_eq!(judged.found, "receipt eve-1: forged");
    assert_eq!(judged.warnings, [&named[1..], &["1 more receipts do not count".to_owned()]].concat());
    assert_eq!(judged.receipts, ["eve-1"]);
    // Behind one that counts, nobody asks.
    let by_two = "{receipt: {predicate: trial, signed_by: {role: runner, threshold: 2}}}";
    let runs = vec![test_run("a:runner", 1, "3"), forged(2), test_run("b:runner", 3, "3")];
    assert_eq!(ends(&world(runs), by_two, "met").warnings, <[String; 0]>::default());
}

#[test]
fn the_newest_of_what_does_not_count_decides_and_says_what_to_do() {
    let foreign = Receipt { fault: Some(Fault::Foreign("of another ledger".into())), ..test_run("ci", 1, "3") };
    let stale = || receipt("ci", 1, "trial", &[file("a.rs", "old")], Object::new().with("seconds", "3"));
    let run = "run what leaves receipts of trial";
    let (audit, init) =
        ("`bizra receipts audit` says what is wrong with it", "say in bizra-trust.json who may: `bizra trust init`");
    for (receipts, no_policy, outcome, next) in [
        (vec![forged(1), stale()], false, "untrusted", audit),
        (vec![forged(1), stale()], true, "untrusted", init),
        (vec![stale(), forged(1)], false, "pending: stale", run),
        (vec![stale(), forged(1)], true, "pending: stale", run),
        (vec![foreign.clone(), forged(1)], false, "pending: foreign", run),
        (vec![foreign, forged(1)], true, "pending: foreign", run),
    ] {
        let judged = ends(&World { no_policy, ..world(receipts) }, TRIAL, outcome);
        assert_eq!(judged.next.as_deref(), Some(next));
    }
}

#[test]
fn no_more_receipts_are_read_than_decide() {
    let runs = vec![test_run("a", 1, "3"), test_run("b", 2, "3")];
    let first = world(runs.clone());
    ends(&first, TRIAL, "met");
    assert_eq!(*first.opened.borrow(), [0]);
    // What is about the very bytes is found at once, and nothing by its name only.
    let named = |text: &str, ago| receipt("ci", ago, "trial", &[file("a.rs", text)], Object::new());
    let exact = world(vec![named("old", 1), named("one", 2)]);
    ends(&exact, "{receipt: {predicate: trial, subject: {paths: [a.rs]}}}", "met");
    assert_eq!(*exact.opened.borrow(), [1]);
    let every = World { every_key: true, ..world(runs) };
    ends(&every, TRIAL, "met");
    assert_eq!(*every.opened.borrow(), [0, 1]);
}

#[test]
fn keys_that_agree_are_counted_and_named() {
    let by = |n: u32| {
        format!(
            "{{receipt: {{predicate: trial, where: [{{path: seconds, op: '<', value: 10}}], signed_by: {{role: runner, threshold: {n}}}}}}}"
        )
    };
    let run = |by: &str, ago, seconds| test_run(&format!("{by}:runner"), ago, seconds);
    let tag = "seconds is 3 in receipt a-1 of 2026-03-01 11:59Z";
    for (runs, n, outcome, found, receipts) in [
        (vec![run("a", 1, "3"), run("b", 2, "3")], 1, "met", tag.to_owned(), vec!["a-1"]),
        (
            vec![run("a", 1, "3"), run("a", 2, "3"), run("b", 3, "3"), run("c", 4, "50")],
            2,
            "met",
            format!("{tag}; 2 of 2 keys"),
            vec!["a-1", "b-3"],
        ),
        (
            vec![run("a", 1, "3"), run("b", 2, "50"), run("b", 3, "3")],
            2,
            "pending: missing",
            format!("{tag}; 1 of 2 keys"),
            vec!["a-1"],
        ),
    ] {
        let judged = ends(&world(runs), &by(n), outcome);
        assert_eq!((judged.found, judged.receipts), (found, receipts.into_iter().map(str::to_owned).collect()));
        if outcome != "met" {
            let next = "let another key of that role run what leaves receipts of trial";
            assert_eq!(judged.next.as_deref(), Some(next));
        }
    }
    let judged = ends(&world(vec![run("a", 1, "50"), run("b", 2, "3")]), &by(2), "failed");
    assert_eq!(judged.found, "seconds is 50 in receipt a-1 of 2026-03-01 11:59Z");
    assert_eq!(judged.next.as_deref(), Some("run what leaves receipts of trial"));
}

#[test]
fn a_second_key_strengthens_evidence_only_where_it_says_the_same() {
    let metric = "{metric: {id: seconds, op: '<', value: 10, max_age: 1h}}";
    let trial = "{receipt: {predicate: trial, where: [{path: seconds, op: '<', value: 10}], max_age: 1h}}";
    let both = |runs: &[(&str, i64, &str)], every_key, outcome: &str, expected: &[&str]| {
        let trials = runs.iter().map(|(by, ago, seconds)| test_run(by, *ago, seconds)).collect();
        let metrics = runs.iter().map(|(by, ago, value)| measured(by, *ago, "seconds", value)).collect();
        for (receipts, evidence) in [(trials, trial), (metrics, metric)] {
            let judged = ends(&World { every_key, ..world(receipts) }, evidence, outcome);
            assert_eq!(judged.receipts, expected, "{evidence}: {judged:#?}");
        }
    };
    let agrees = [("a", 1, "3"), ("a", 2, "4"), ("b", 3, "10"), ("c", 4, "5"), ("d", 5, "6")];
    both(&agrees, true, "met", &["a-1", "c-4"]);
    both(&agrees, false, "met", &["a-1"]);
    both(&[("a", 1, "3"), ("b", 61, "3")], true, "met", &["a-1"]);
    both(&[("a", 1, "3"), ("b", 60, "3")], true, "met", &["a-1", "b-60"]);
    both(&[("a", 1, "30"), ("b", 2, "30"), ("c", 3, "3")], true, "failed", &["a-1"]);
}

#[test]
fn metrics_are_told_and_what_a_plan_says_of_them_is_no_evidence() {
    let asks = |id: &str, rest: &str| format!("{{metric: {{id: {id}, op: '>=', value: 9{rest}}}}}");
    for (id, found) in [
        ("speed", "no receipt; the plan says 8.63, which is no evidence"),
        ("cov", "no receipt; the plan says 99, which is no evidence"),
        ("other", "no receipt"),
    ] {
        let [wanted, next] = [format!("metric {id} >= 9"), format!("leave a receipt that measures {id}")];
        assert_eq!(told(&world(vec![]), &asks(id, "")), [wanted.as_str(), found, next.as_str()]);
    }
    let old = receipt(
        "ci",
        1,
        "trial",
        &[file("a.rs", "old")],
        Object::new().with("metrics", Object::new().with("speed", "9")),
    );
    assert_eq!(told(&world(vec![old]), &asks("speed", ""))[1], "receipt ci-1: a.rs has changed since");
    let speed = |value: &str, ago| {
        let value = Object::new().with("unit", "tok/s").with("value", value);
        let metrics = Object::new().with("metrics", Object::new().with("speed", value));
        world(vec![receipt("ci", ago, "trial", &[], metrics)])
    };
    let (wanted, newer) = ("metric speed >= 9 tok/s", "leave a newer receipt that measures speed");
    let asked = asks("speed", ", unit: tok/s, max_age: 2d");
    let at = "in receipt ci-5 of 2026-03-01 11:55Z";
    assert_eq!(told(&speed("9", 5), &asked), [wanted, &format!("speed is 9 tok/s {at}"), ""]);
    assert_eq!(told(&speed("8", 5), &asked), [wanted, &format!("speed is 8 tok/s {at}"), newer]);
    let expired = "it is 3 d old, and 2 d is allowed in receipt ci-4320 of 2026-02-26 12:00Z";
    assert_eq!(told(&speed("9", 4320), &asked), [wanted, expired, newer]);
}

#[test]
fn the_word_of_somebody_is_told_with_who_gave_it() {
    let say = |ago| {
        world(vec![receipt(
            "ada:lead",
            ago,
            "attestation",
            &[],
            Object::new().with("role", "lead").with("statement", "It's so."),
        )])
    };
    let demand = "{attest: {role: lead, statement: \"It's so.\", max_age: 1h}}";
    let wanted = "the word of lead: “It's so.”";
    let next = r"bizra attest --role lead --statement 'It'\''s so.'";
    assert_eq!(told(&world(vec![]), demand), [wanted, "no receipt", next]);
    assert_eq!(told(&say(60), demand), [wanted, "receipt ada-60 by ada", ""]);
    let old = "receipt ada-180 is 3 h old, and 60 min is allowed";
    assert_eq!(told(&say(180), demand), [wanted, old, next]);
    assert_eq!(judged(&say(180), demand).outcome.words(), "pending: expired");
}

#[test]
fn files_and_commands_are_told_as_they_were_found() {
    let digest = sha("one");
    let short = &digest[..12];
    let here = world(vec![]);
    let demand = |rest: &str| format!("{{file: {{path: a.rs{rest}}}}}");
    let met = format!("3 bytes, SHA-256 {short}");
    assert_eq!(told(&here, &demand("")), ["file a.rs", &met, ""]);
    assert_eq!(told(&here, &demand(", min_bytes: 3")), ["file a.rs, at least 3 bytes", &met, ""]);
    let small = ["file a.rs, at least 4 bytes", "a.rs has 3 bytes", "write at least 4 bytes"];
    assert_eq!(told(&here, &demand(", min_bytes: 4")), small);
    let upper = demand(&format!(", sha256: {}", digest.to_uppercase()));
    assert_eq!(told(&here, &upper)[1..], [met.as_str(), ""]);
    let other = told(&here, &demand(&format!(", sha256: {}", sha("two"))));
    let expected = [
        format!("file a.rs, SHA-256 {}", &sha("two")[..12]),
        format!("a.rs has SHA-256 {short}"),
        "restore the file, or correct the plan".to_owned(),
    ];
    assert_eq!(other, expected);
    assert_eq!(told(&here, "{file: {path: c.rs}}"), ["file c.rs", "there is no such file", "write c.rs"]);

    let ran = |ran| World { ran: Some(ran), ..world(vec![]) };
    let ended = |code, output: &str| ran(Ran::Ended { code, output: output.into() });
    let three = "{command: {run: [make, it], exit: 3, timeout: 5s}}";
    let wanted = "`make it` ends with 3 within 5 s";
    let mend = "run `make it` and mend what it says";
    assert_eq!(told(&ended(Some(3), ""), three), [wanted, "it ended with 3", ""]);
    assert_eq!(told(&ended(Some(0), ""), three), [wanted, "it ended with 0", mend]);
    assert_eq!(told(&ended(None, " a\n b "), three), [wanted, "it was ended by a signal: a b", mend]);
    let late = told(&ran(Ran::TimedOut { output: "slow".into() }), three);
    assert_eq!(late, [wanted, "it took longer than 5 s: slow", "make it faster, or allow more time in the plan"]);
    let none = told(&ran(Ran::CannotStart("no such program".into())), three);
    assert_eq!(none, [wanted, "it can't be started: no such program", "install make"]);
    assert_eq!(told(&here, "{command: {run: [make]}}")[0], "`make` ends with 0 within 300 s");
    for (length, more) in [(300, ""), (301, "…")] {
        let found = &told(&ended(Some(0), &"x".repeat(length)), three)[1];
        assert_eq!(*found, format!("it ended with 0: {more}{}", "x".repeat(300)));
    }
}

#[test]
fn a_tree_counts_its_parts_and_passes_on_what_they_found() {
    let world = world(vec![forged(1), test_run("ci", 5, "3"), test_run("ci", 9, "3")]);
    let all = format!("{{all: [{TRIAL}, {{file: {{path: a.rs, min_bytes: 9}}}}, {TRIAL}, {{file: {{path: none}}}}]}}");
    let judged = ends(&world, &all, "failed");
    assert_eq!([judged.wanted.as_str(), &judged.found], ["all", "2 met, 1 failed, 1 pending"]);
    assert_eq!(judged.receipts, ["ci-5"]);
    assert_eq!(judged.warnings.len(), 2);
    assert_eq!(judged.next.as_deref(), Some("write at least 9 bytes"));
    let deciding = judged.deciding();
    assert_eq!(deciding.iter().map(|part| part.found.as_str()).collect::<Vec<_>>(), ["a.rs has 3 bytes"]);
    let two = "{at_least: {n: 2, of: [{file: {path: a.rs}}, {file: {path: b.rs}}]}}";
    assert_eq!(told(&world, two), ["at least 2 of 2", "2 met", ""]);
    let not = "{not: {file: {path: a.rs}}}";
    assert_eq!(told(&world, not), ["not", "1 met", "change what is shown, or what the plan asks for"]);
}

#[test]
fn a_gate_asks_for_one_to_all_of_its_criteria() {
    let criteria = |n: usize| {
        format!(
            "        - {{id: a, evidence: {{file: {{path: a.rs}}}}}}\n        - {{id: b, evidence: {{file: {{path: none}}}}}}\n      policy: {{at_least: {n}}}\n"
        )
    };
    let here = world(vec![]);
    for (n, policy, outcome) in [(1, "1 of 2", "met"), (2, "2 of 2", "pending: missing")] {
        let decision = decided(&here, &criteria(n)).unwrap();
        assert_eq!((decision.policy.as_str(), decision.outcome.words()), (policy, outcome));
        assert_eq!((decision.count("met"), decision.count("pending"), decision.count("failed")), (1, 1, 0));
    }
    for n in [0, 3] {
        assert_eq!(decided(&here, &criteria(n)).unwrap_err().message, format!("{n} of 2 criteria can't be asked for"));
    }
}

#[test]
fn demands_that_bind_to_nothing_are_refused() {
    for (evidence, message) in [
        ("{receipt: {predicate: t, subject: {paths: []}}}", "a subject without paths binds to nothing"),
        ("{receipt: {predicate: t, subject: {paths: [a], at: tip}}}", "`tip` is no place to take files from"),
        ("{receipt: {predicate: t, signed_by: {role: r, threshold: 0}}}", "no signature at all would do"),
        ("{approval: {role: r, threshold: 0}}", "no approval at all would do"),
        (
            "{receipt: {predicate: t, subject: {paths: [a, /b]}}}",
            "`/b` is no path from the repository's root, with / between its parts",
        ),
        ("{all: [{file: {path: a}}, {file: {path: a//b}}]}", "`a//b` has an empty part, `.` or `..`"),
    ] {
        let refused = decided(&world(vec![]), &format!("        - {{id: c, evidence: {evidence}}}\n")).unwrap_err();
        assert_eq!(refused.message, message);
    }
}
