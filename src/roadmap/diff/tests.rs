use proptest::prelude::*;

use super::strength::{Strength, of_evidence};
use super::*;
use crate::sys::plans::{self, Loaded};

const HEAD: &str = "bizra: roadmap/v1\nid: x\ntitle: X\ntimezone: UTC\n";

fn load(text: &str) -> Loaded {
    let text =
        if text.contains("\nbizra:") || text.starts_with("bizra:") { text.to_owned() } else { format!("{HEAD}{text}") };
    plans::read("plan.yaml".as_ref(), text.as_bytes()).map_err(|e| format!("{e:?}\n{text}")).expect("a plan")
}

fn between(before: &str, after: &str) -> Diff {
    let (old, new) = (load(before), load(after));
    let (before, after) = (Linted::new(&old.plan, &old.source), Linted::new(&new.plan, &new.source));
    diff(&Version { linted: &before, tree: &old.tree }, &Version { linted: &after, tree: &new.tree })
}

fn lines(changes: &[Change]) -> String {
    let line = |c: &Change| {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let weaker = c.weaker.as_ref().map(|why| format!(" WEAKER {why}")).unwrap_or_default();
        let place = c.field.as_ref().or(c.within.as_ref()).cloned().unwrap_or_default();
        format!("{} {} | {place} | {} → {}{weaker}\n", c.kind.word(), c.what, shown(&c.before), shown(&c.after))
    };
    changes.iter().map(line).collect()
}

const PLAN: &str = "\
people: [{id: ana}, {id: ben}]
phases:
  - id: one
    gate:
      criteria:
        - {id: fast, covers: [P-1], evidence: {metric: {id: speed, op: \">=\", value: 35}}}
        - {id: safe, ticked: false, evidence: {attest: {role: lead, statement: It holds.}}}
    packages:
      - {id: P-1, name: First, hours: 4, status: pending, owners: [ana, ben]}
      - {id: P-2, name: Second, hours: 8, needs: [P-1]}
  - id: two
    packages:
      - {id: P-3, name: Third, hours: 2}
metrics: [{id: m, name: Speed, target: {value: 35}, current: {value: 8}}]
";

fn changed(from: &[(&str, &str)]) -> Diff {
    let mut after = PLAN.to_owned();
    for (old, new) in from {
        assert!(after.contains(old), "{old}");
        after = after.replace(old, new);
    }
    between(PLAN, &after)
}

#[test]
fn how_it_is_written_makes_no_difference() {
    let other = "\
phases:
- packages:
  - owners: [ben, ana]   # a comment
    hours: 4.0
    id: \"P-1\"
    name: 'First'
    status: pending
    needs: []
  - {name: Second, id: P-2, needs: [P-1], hours: 8}
  id: one
  gate: {criteria: [{id: fast, covers: [P-1], evidence: {metric: {id: speed, op: '>=', value: 35}}}, {id: safe, ticked: false, evidence: {attest: {role: lead, statement: It holds.}}}]}
- {id: two, packages: [{id: P-3, name: Third, hours: 2}]}
people: [{id: ana}, {id: ben}]
metrics: [{id: m, name: Speed, target: {value: 35}, current: {value: 8}}]
";
    let told = between(PLAN, other);
    assert_eq!((lines(&told.scope).as_str(), told.progress), ("added package P-1 | needs | - → []\n", vec![]));
    assert_eq!(told.before, told.after);
}

#[test]
fn scope_is_told_apart_from_progress() {
    let told = changed(&[
        ("status: pending", "status: active"),
        ("value: 8}", "value: 21}"),
        ("ticked: false", "ticked: true"),
    ]);
    assert_eq!(told.scope, []);
    insta::assert_snapshot!(lines(&told.progress), @r"
    changed package P-1 | status | pending → active
    changed criterion safe | ticked | false → true
    changed metric m | current.value | 8 → 21
    ");
    let told = changed(&[
        ("hours: 4", "hours: 6"),
        ("[ana, ben]", "[ana]"),
        ("target: {value: 35}", "target: {value: 40}"),
        ("needs: [P-1]", "needs: []"),
    ]);
    assert_eq!(told.progress, []);
    insta::assert_snapshot!(lines(&told.scope), @r"
    changed package P-1 | hours | 4 → 6
    removed package P-1 | owners[ben] | ben → -
    removed package P-2 | needs[P-1] | P-1 → -
    changed metric m | target.value | 35 → 40
    ");
    assert_eq!((told.before.hours.to_string(), told.after.hours.to_string()), ("14".into(), "16".into()));
}

#[test]
fn work_is_followed_when_it_comes_goes_moves_or_is_renamed() {
    let third = "      - {id: P-3, name: Third, hours: 2}\n";
    let told = changed(&[
        (third, "      - {id: P-9, name: Ninth, hours: 1}\n"),
        (
            "      - {id: P-2, name: Second, hours: 8, needs: [P-1]}\n",
            "      - {id: Q-2, name: Second, hours: 8, needs: [Q-1]}\n      - {id: P-3, name: Third, hours: 2}\n",
        ),
        ("id: P-1,", "id: Q-1,"),
        ("[P-1]", "[Q-1]"),
        ("id: ben", "id: zed"),
        ("[ana, ben]", "[ana]"),
    ]);
    insta::assert_snapshot!(lines(&told.scope), @r"
    renamed package Q-1 |  | P-1 → Q-1
    removed package Q-1 | owners[ben] | ben → -
    renamed package Q-2 |  | P-2 → Q-2
    moved package P-3 |  | phase two → phase one
    added package P-9 | phase two | - → Ninth, 1 h
    added person zed |  | - → -
    removed person ben |  | - → -
    ");
    assert_eq!(told.progress, []);
    let told = changed(&[("  - id: one\n", "  - id: first\n")]);
    insta::assert_snapshot!(lines(&told.scope), @"renamed phase first |  | one → first");
}

#[test]
fn less_to_show_is_marked() {
    let weaker = |from: &[(&str, &str)]| {
        let told = changed(from);
        lines(&told.scope)
    };
    insta::assert_snapshot!(weaker(&[("value: 35}}", "value: 30}}")]), @"changed criterion fast | evidence.metric.value | 35 → 30 WEAKER asks for less than before");
    insta::assert_snapshot!(weaker(&[(", evidence: {attest: {role: lead, statement: It holds.}}", "")]), @"removed criterion safe | evidence | {attest: {role: lead, statement: It holds.}} → - WEAKER nothing has to be shown any more");
    insta::assert_snapshot!(weaker(&[("        - {id: safe, ticked: false, evidence: {attest: {role: lead, statement: It holds.}}}\n", "")]), @"removed criterion safe | the gate of one | - → - WEAKER the gate of one asks for one thing less");
    insta::assert_snapshot!(weaker(&[("    gate:\n", "    gate:\n      policy: any\n")]), @"added gate one | policy | - → any WEAKER fewer criteria have to be met");
    insta::assert_snapshot!(weaker(&[("{metric: {id: speed, op: \">=\", value: 35}}", "{attest: {role: lead, statement: Fast.}}")]), @r"
    removed criterion fast | evidence.metric | {id: speed, op: >=, value: 35} → - WEAKER no longer asks for all it asked for
    added criterion fast | evidence.attest | - → {role: lead, statement: Fast.}
    ");
    assert!(!weaker(&[("value: 35}}", "value: 40}}")]).contains("WEAKER"), "more is asked for");
    let gone = between(
        PLAN,
        &PLAN
            .replace("    gate:\n      criteria:\n", "")
            .lines()
            .filter(|l| !l.starts_with("        - "))
            .map(|l| format!("{l}\n"))
            .collect::<String>(),
    );
    assert!(lines(&gone.scope).contains("removed gate one |  | - → - WEAKER the phase ends without one\n"));

    // Where any criterion will do, it is the other way round.
    let any = PLAN.replace("    gate:\n", "    gate:\n      policy: any\n");
    let without = any.lines().filter(|l| !l.contains("id: safe")).map(|l| format!("{l}\n")).collect::<String>();
    assert_eq!(lines(&between(&any, &without).scope), "removed criterion safe | the gate of one | - → -\n");
    assert_eq!(
        lines(&between(&without, &any).scope),
        "added criterion safe | the gate of one | - → - WEAKER there is one more way through the gate of one\n"
    );
}

#[test]
fn every_field_of_the_committed_plans_is_seen_when_it_changes() {
    for path in ["roadmap/omega.yaml", "sprints/phase6.yaml", "sprints/flywheel.yaml", "roadmap/stratified.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(path).expect("the plan");
        let whole = load(&text);
        let linted = Linted::new(&whole.plan, &whole.source);
        let mut tried = 0;
        // One digit at a time, wherever the plan stays a plan.
        let digits: Vec<usize> =
            text.char_indices().filter(|(_, c)| matches!(c, '1'..='8')).map(|(at, _)| at).collect();
        for at in digits.iter().step_by(digits.len() / 25 + 1) {
            let mut other = text.clone().into_bytes();
            other[*at] += 1;
            let Ok(new) = plans::read("plan.yaml".as_ref(), &other) else { continue };
            let in_a_comment = new.tree.comments.iter().any(|c| (c.span.start..c.span.end).contains(&(*at as u32)));
            if in_a_comment {
                continue;
            }
            let after = Linted::new(&new.plan, &new.source);
            let told =
                diff(&Version { linted: &linted, tree: &whole.tree }, &Version { linted: &after, tree: &new.tree });
            assert!(
                !told.scope.is_empty() || !told.progress.is_empty(),
                "byte {at} of {}",
                text.lines().next().unwrap_or("")
            );
            tried += 1;
        }
        assert!(tried >= 5, "{tried}");
    }
}

fn evidence(text: &str) -> Evidence {
    let loaded = load(&format!("definition_of_done: [{{id: c, evidence: {text}}}]\n"));
    loaded.plan.definition_of_done[0].evidence.clone().expect("evidence")
}

fn strength(before: &str, after: &str) -> Strength {
    of_evidence(&evidence(before), &evidence(after))
}

/// The second asks for less than the first; the other way round it asks for more.
fn weaker(more: &str, less: &str) {
    assert_eq!(strength(more, less), Strength::Weaker, "{more} → {less}");
    assert_eq!(strength(less, more), Strength::Stronger, "{less} → {more}");
    assert_eq!(strength(more, more), Strength::Same, "{more}");
    let not = |text: &str| format!("{{not: {text}}}");
    assert_eq!(strength(&not(more), &not(less)), Strength::Stronger, "not {more} → not {less}");
}

fn other(one: &str, two: &str) {
    assert_eq!(strength(one, two), Strength::Other, "{one} → {two}");
}

#[test]
fn each_demand_has_a_weaker_form() {
    let metric = |op: &str, value: &str| format!("{{metric: {{id: m, op: \"{op}\", value: {value}}}}}");
    weaker(&metric(">=", "35"), &metric(">=", "34.9"));
    weaker(&metric(">", "35"), &metric(">=", "35"));
    weaker(&metric("<=", "35"), &metric("<=", "36"));
    weaker(&metric("==", "35"), &metric(">=", "35"));
    weaker(&metric(">", "35"), &metric("!=", "35"));
    other(&metric(">=", "35"), &metric("<=", "35"));
    other(&metric(">=", "35"), "{metric: {id: n, op: \">=\", value: 35}}");
    other(&metric(">=", "35"), "{metric: {id: m, op: \">=\", value: 35, unit: ms}}");
    weaker("{file: {path: a, min_bytes: 9}}", "{file: {path: a}}");
    weaker("{file: {path: a, sha256: ff}}", "{file: {path: a}}");
    other("{file: {path: a}}", "{file: {path: b}}");
    weaker("{attest: {role: r, statement: s, max_age: 7d}}", "{attest: {role: r, statement: s, max_age: 8d}}");
    weaker("{attest: {role: r, statement: s, max_age: 7d}}", "{attest: {role: r, statement: s}}");
    weaker(
        "{approval: {role: r, min_score: 9, of: 10, threshold: 2, independent_of: owners, after: [c]}}",
        "{approval: {role: r, min_score: 4, of: 5}}",
    );
    assert_eq!(
        strength("{approval: {role: r, min_score: 9, of: 10}}", "{approval: {role: r, min_score: 4.5, of: 5}}"),
        Strength::Same
    );
    let receipt = |rest: &str| format!("{{receipt: {{predicate: benchmark{rest}}}}}");
    weaker(&receipt(", signed_by: {role: r, threshold: 2}"), &receipt(", signed_by: {role: r}"));
    weaker(&receipt(", subject: {paths: [a, b]}"), &receipt(", subject: {paths: [b]}"));
    weaker(&receipt(", subject: {paths: [a]}"), &receipt(""));
    weaker(
        &receipt(", where: [{path: x, op: \">=\", value: 2}, {path: y, op: \"<\", value: 1}]"),
        &receipt(", where: [{path: x, op: \">=\", value: 1}]"),
    );
    other(&receipt(", subject: {paths: [a], at: head}"), &receipt(", subject: {paths: [a], at: worktree}"));
    other("{command: {run: [a]}}", "{command: {run: [a, b]}}");
    other(&receipt(""), "{attest: {role: r, statement: s}}");
}

#[test]
fn trees_are_compared_by_what_follows_from_them() {
    let (a, b, c) = ("{file: {path: a}}", "{file: {path: b}}", "{file: {path: c}}");
    let all = |of: &[&str]| format!("{{all: [{}]}}", of.join(", "));
    let any = |of: &[&str]| format!("{{any: [{}]}}", of.join(", "));
    let some = |n: usize, of: &[&str]| format!("{{at_least: {{n: {n}, of: [{}]}}}}", of.join(", "));
    weaker(&all(&[a, b]), a);
    weaker(a, &any(&[a, b]));
    weaker(&all(&[a, b]), &any(&[a, b]));
    weaker(&all(&[a, b, c]), &some(2, &[a, b, c]));
    weaker(&some(2, &[a, b, c]), &any(&[a, b, c]));
    weaker(&some(2, &[a, b]), &some(2, &[a, b, c]));
    weaker(&all(&[a, &any(&[b, c])]), &any(&[c, b]));
    weaker(&all(&[a, "{file: {path: b, min_bytes: 2}}"]), &all(&[b, a]));
    assert_eq!(strength(&all(&[a, b]), &all(&[b, a])), Strength::Same);
    assert_eq!(strength(&all(&[a, b]), &some(2, &[a, b])), Strength::Same);
    assert_eq!(strength(&any(&[a, b]), &some(1, &[b, a])), Strength::Same);
    assert_eq!(strength(a, &all(&[&any(&[a])])), Strength::Same);
    other(&all(&[a, b]), &all(&[a, c]));
    other(&any(&[a, b]), &any(&[a, c]));
    other(&some(2, &[a, b, c]), a);
}

/// Trees over four files, and whether a set of files meets one.
fn any_tree() -> impl Strategy<Value = String> {
    let leaf = (0..4usize).prop_map(|n| format!("{{file: {{path: f{n}}}}}"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list().prop_map(|of| format!("{{all: [{}]}}", of.join(", "))),
            list().prop_map(|of| format!("{{any: [{}]}}", of.join(", "))),
            list().prop_map(|of| format!("{{at_least: {{n: {}, of: [{}]}}}}", of.len().div_ceil(2), of.join(", "))),
            inner.clone().prop_map(|one| format!("{{not: {one}}}")),
        ]
    })
}

fn is_met(evidence: &Evidence, files: u32) -> bool {
    use crate::plan::evidence::Node;
    match &evidence.node {
        Node::All(of) => of.iter().all(|e| is_met(e, files)),
        Node::Any(of) => of.iter().any(|e| is_met(e, files)),
        Node::AtLeast(some) => some.of.iter().filter(|e| is_met(e, files)).count() >= some.n.value as usize,
        Node::Not(of) => !is_met(of, files),
        Node::File(file) => files >> (file.path.value.as_bytes()[1] - b'0') & 1 == 1,
        _ => unreachable!("the trees hold nothing else"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_called_stronger_or_the_same_really_is(one in any_tree(), two in any_tree()) {
        let (before, after) = (evidence(&one), evidence(&two));
        let told = of_evidence(&before, &after);
        for files in 0..16 {
            let (then, now) = (is_met(&before, files), is_met(&after, files));
            if matches!(told, Strength::Same | Strength::Stronger) {
                prop_assert!(!now || then, "{one} → {two} is no {told:?}: {files:04b}");
            }
            if matches!(told, Strength::Same | Strength::Weaker) {
                prop_assert!(!then || now, "{one} → {two} is no {told:?}: {files:04b}");
            }
        }
        prop_assert_eq!(of_evidence(&before, &before), Strength::Same);
    }
}
