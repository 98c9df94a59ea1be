use super::super::baseline::{Baseline, Worth};
use super::super::bits::{Standing, Table};
use super::super::claims::{self, Claim, ScopeChange, Weighed};
use super::*;

const HEAD: &str = "bizra: roadmap/v1\nid: p\ntitle: A plan\ntimezone: Etc/UTC\n";

/// A plan of these criteria and packages.
fn plan(criteria: &str, packages: &str) -> Plan {
    let text = format!(
        "{HEAD}phases:\n  - id: first\n    gate:\n      criteria:\n{criteria}\n    packages:\n{packages}\nitems:\n  - {{id: I, name: An item, parts: [{{id: I-a, name: A}}]}}\n"
    );
    let loaded = crate::sys::plans::read("p.yaml".as_ref(), text.as_bytes());
    loaded.unwrap_or_else(|problems| panic!("{problems:?}\n{text}")).plan
}

fn criterion(evidence: &str) -> Asks {
    let plan =
        plan(&format!("        - id: a\n          evidence:\n            {evidence}"), "      - {id: A, name: A}");
    asks(&plan, "p/a")
}

fn asks(plan: &Plan, id: &str) -> Asks {
    claims::listed(plan).find(|(name, ..)| name == id).expect("it is listed").2
}

/// All claims of a plan, each of them shown by whatever it asks for.
fn shown(plan: &Plan) -> Vec<Claim> {
    claims::listed(plan)
        .map(|(id, hours, asks)| {
            let standing = if asks.whole.is_some() { Standing::Machine } else { Standing::Nothing };
            Claim { id, hours, asks, standing, reason: "shown".into(), receipts: vec!["r".into()] }
        })
        .collect()
}

fn lock(plan: &Plan) -> Baseline {
    Baseline::lock(1, "first", "2026-01-31T12:00:00Z".into(), String::new(), Table::default(), &shown(plan))
}

fn scope(claim: &str) -> ScopeChange {
    ScopeChange { claim: claim.into(), into: vec![], receipt: "r".into() }
}

fn weighed(plan: &Plan, baseline: &Baseline, signed: &[&str]) -> Vec<Weighed> {
    let changes: Vec<ScopeChange> = signed.iter().map(|id| scope(id)).collect();
    claims::weighed(&shown(plan), Some(baseline), &changes, &Table::default())
}

/// The claims that count as unproven though a machine showed them.
fn open(all: &[Weighed]) -> Vec<&str> {
    all.iter().filter(|claim| claim.p == 0.5).map(|claim| claim.id.as_str()).collect()
}

fn reason<'w>(all: &'w [Weighed], id: &str) -> &'w str {
    &all.iter().find(|claim| claim.id == id).expect("it counts").reason
}

const CRITERIA: &str = "        - {id: a, covers: [A], evidence: {file: {path: a.md, min_bytes: 40}}}
        - {id: b, covers: [A, B], evidence: {receipt: {predicate: inference}}}
        - {id: c, covers: [I-a], evidence: {approval: {role: lead, after: [a]}}}";
const PACKAGES: &str = "      - {id: A, name: A}\n      - {id: B, name: B}\n      - {id: C, name: C}";

#[test]
fn every_part_of_evidence_counts() {
    let pairs = [
        ("{file: {path: a.md}}", "{receipt: {predicate: inference}}"),
        ("{file: {path: a.md}}", "{file: {path: b.md}}"),
        ("{file: {path: a.md, min_bytes: 40}}", "{file: {path: a.md, min_bytes: 1}}"),
        ("{file: {path: a.md, min_bytes: 40}}", "{file: {path: a.md}}"),
        ("{file: {path: a.md}}", "{file: {path: a.md, sha256: \"00\"}}"),
        ("{receipt: {predicate: inference}}", "{receipt: {predicate: benchmark}}"),
        ("{receipt: {predicate: x, max_age: 1d}}", "{receipt: {predicate: x, max_age: 30d}}"),
        ("{receipt: {predicate: x, subject: {paths: [a, b]}}}", "{receipt: {predicate: x, subject: {paths: [a]}}}"),
        (
            "{receipt: {predicate: x, subject: {paths: [a], at: head}}}",
            "{receipt: {predicate: x, subject: {paths: [a], at: worktree}}}",
        ),
        ("{receipt: {predicate: x, subject: {paths: [a]}}}", "{receipt: {predicate: x}}"),
        (
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 20}]}}",
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 2}]}}",
        ),
        (
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 20}]}}",
            "{receipt: {predicate: x, where: [{path: v, op: \"<=\", value: 20}]}}",
        ),
        (
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 20}]}}",
            "{receipt: {predicate: x, where: [{path: w, op: \">=\", value: 20}]}}",
        ),
        (
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 20, unit: s}]}}",
            "{receipt: {predicate: x, where: [{path: v, op: \">=\", value: 20, unit: ms}]}}",
        ),
        ("{receipt: {predicate: x, signed_by: {role: ci}}}", "{receipt: {predicate: x}}"),
        ("{receipt: {predicate: x, signed_by: {role: ci}}}", "{receipt: {predicate: x, signed_by: {role: dev}}}"),
        (
            "{receipt: {predicate: x, signed_by: {role: ci, threshold: 2}}}",
            "{receipt: {predicate: x, signed_by: {role: ci}}}",
        ),
        ("{command: {run: [cargo, test]}}", "{command: {run: [\"true\"]}}"),
        ("{command: {run: [a, b]}}", "{command: {run: [a b]}}"),
        ("{command: {run: [a]}}", "{command: {run: [a], exit: 1}}"),
        ("{command: {run: [a], timeout: 1m}}", "{command: {run: [a], timeout: 2m}}"),
        ("{metric: {id: m, op: \"<\", value: 1}}", "{metric: {id: n, op: \"<\", value: 1}}"),
        ("{metric: {id: m, op: \"<\", value: 1}}", "{metric: {id: m, op: \">\", value: 1}}"),
        ("{metric: {id: m, op: \"<\", value: 1}}", "{metric: {id: m, op: \"<\", value: 1.5}}"),
        ("{metric: {id: m, op: \"<\", value: 1, unit: s}}", "{metric: {id: m, op: \"<\", value: 1}}"),
        ("{metric: {id: m, op: \"<\", value: 1, max_age: 1d}}", "{metric: {id: m, op: \"<\", value: 1}}"),
        ("{approval: {role: lead}}", "{approval: {role: dev}}"),
        ("{approval: {role: lead, min_score: 8, of: 10}}", "{approval: {role: lead, min_score: 1, of: 10}}"),
        ("{approval: {role: lead, min_score: 8, of: 10}}", "{approval: {role: lead, min_score: 8, of: 100}}"),
        ("{approval: {role: lead, threshold: 2}}", "{approval: {role: lead}}"),
        ("{approval: {role: lead, independent_of: A}}", "{approval: {role: lead}}"),
        ("{approval: {role: lead, after: [a]}}", "{approval: {role: lead}}"),
        ("{attest: {role: lead, statement: It holds.}}", "{attest: {role: dev, statement: It holds.}}"),
        ("{attest: {role: lead, statement: It holds.}}", "{attest: {role: lead, statement: Hello.}}"),
        ("{attest: {role: lead, statement: x, max_age: 1d}}", "{attest: {role: lead, statement: x, max_age: 9d}}"),
        ("{all: [{file: {path: a}}, {file: {path: b}}]}", "{any: [{file: {path: a}}, {file: {path: b}}]}"),
        ("{all: [{file: {path: a}}, {file: {path: b}}]}", "{all: [{file: {path: a}}]}"),
        ("{any: [{file: {path: a}}]}", "{any: [{file: {path: a}}, {file: {path: b}}]}"),
        (
            "{at_least: {n: 2, of: [{file: {path: a}}, {file: {path: b}}]}}",
            "{at_least: {n: 1, of: [{file: {path: a}}, {file: {path: b}}]}}",
        ),
        (
            "{at_least: {n: 1, of: [{file: {path: a}}, {file: {path: b}}]}}",
            "{at_least: {n: 1, of: [{file: {path: a}}, {file: {path: c}}]}}",
        ),
        ("{not: {file: {path: a}}}", "{not: {file: {path: b}}}"),
    ];
    for (before, after) in pairs {
        assert_ne!(criterion(before).whole, criterion(after).whole, "{before} became {after}");
    }
}

#[test]
fn how_evidence_is_spelled_does_not_count() {
    let flow = criterion("{receipt: {predicate: inference, where: [{path: v, op: \">=\", value: 20}], max_age: 1d}}");
    let block = "receipt: # a comment
              max_age: 24h
              predicate: 'inference'
              where:
                - {value: 20.0, path: v, op: '>='}";
    assert!(flow.whole.is_some());
    assert_eq!(flow, criterion(block));
}

/// Digests stand in signed files: another form of what is digested would open every claim of every baseline.
#[test]
fn digests_are_what_they_were() {
    let of = |text: &str| -> Option<Digest> { Some(Sha256::digest(text).into()) };
    let file = criterion("{file: {path: a.md, min_bytes: 40}}");
    assert_eq!(file.whole, of(r#"["evidence",["file","a.md",40,null]]"#));
    assert_eq!(file.kind, of("file"));
    let plan = plan(CRITERIA, PACKAGES);
    assert_eq!(asks(&plan, "p/A").whole, of(r#"["covered",[["A",["a","b"]]]]"#));
    assert_eq!(asks(&plan, "p/I").whole, of(r#"["covered",[["I",[]],["I-a",["c"]]]]"#));
    assert_eq!(asks(&plan, "p/C"), Asks::default());
}

#[test]
fn work_falls_back_with_the_criteria_that_it_rests_on() {
    let baseline = lock(&plan(CRITERIA, PACKAGES));
    let same = weighed(&plan(CRITERIA, PACKAGES), &baseline, &[]);
    assert_eq!(open(&same), ["p/C"], "nothing could ever show it");
    let fewer = plan(&CRITERIA.replace("min_bytes: 40", "min_bytes: 1"), PACKAGES);
    let all = weighed(&fewer, &baseline, &[]);
    assert_eq!(open(&all), ["p/A", "p/C", "p/I", "p/a", "p/c"], "an approval that waited for it rests on it too");
    let told = "it rests on p/a, which asks for other evidence than the baseline locked: bizra entropy scope p/a";
    assert_eq!((reason(&all, "p/A"), reason(&all, "p/I")), (told, told));
    let orphans: Vec<&str> = all.iter().filter(|c| c.orphan).map(|c| c.id.as_str()).collect();
    assert_eq!(orphans, ["p/a"], "one word answers for it");
    assert!(all.iter().filter(|c| c.p == 0.5 && c.id != "p/C").all(|c| c.receipts.is_empty()));
    assert_eq!(open(&weighed(&fewer, &baseline, &["p/a"])), ["p/C"]);
    assert_eq!(open(&weighed(&fewer, &lock(&fewer), &[])), ["p/C"], "a new baseline");
}

#[test]
fn work_keeps_the_criteria_that_cover_it() {
    let baseline = lock(&plan(CRITERIA, PACKAGES));
    let other = "other criteria cover it than the baseline locked: bizra entropy scope p/A";
    let dropped = plan(&CRITERIA.replace("covers: [A, B]", "covers: [B]"), PACKAGES);
    let all = weighed(&dropped, &baseline, &[]);
    assert_eq!((open(&all), reason(&all, "p/A")), (vec!["p/A", "p/C"], other));
    assert_eq!(open(&weighed(&dropped, &baseline, &["p/A"])), ["p/C"]);
    let easier = format!("{CRITERIA}\n        - {{id: d, covers: [A, C], evidence: {{file: {{path: d}}}}}}");
    let all = weighed(&plan(&easier, PACKAGES), &baseline, &[]);
    assert_eq!(open(&all), ["p/A", "p/C"], "what is new shows nothing of what was locked");
    let own = PACKAGES.replace("name: A}", "name: A, evidence: {file: {path: d}}}");
    let own = own.replace("name: C}", "name: C, evidence: {file: {path: d}}}");
    let all = weighed(&plan(CRITERIA, &own), &baseline, &[]);
    assert_eq!(open(&all), ["p/A", "p/C"]);
    assert_eq!(reason(&all, "p/C"), "it asks for evidence where the baseline locked none: bizra entropy scope p/C");
    assert_eq!(open(&weighed(&plan(CRITERIA, &own), &baseline, &["p/A", "p/C"])), [""; 0]);
    let bare = plan(&CRITERIA.replace(", evidence: {file: {path: a.md, min_bytes: 40}}", ""), PACKAGES);
    assert!(reason(&weighed(&bare, &baseline, &[]), "p/a").starts_with("it no longer asks for"));
}

#[test]
fn a_circle_of_approvals_ends() {
    let circle = "        - {id: a, covers: [A], evidence: {approval: {role: lead, after: [b]}}}
        - {id: b, evidence: {approval: {role: lead, after: [a]}}}
        - {id: c, covers: [A], evidence: {file: {path: x}}}";
    let baseline = lock(&plan(circle, PACKAGES));
    let all = weighed(&plan(&circle.replace("path: x", "path: y"), PACKAGES), &baseline, &[]);
    assert_eq!(open(&all)[..2], ["p/A", "p/B"]);
}

/// What was signed before all of the evidence was locked is read as it was written, and holds to what it said.
#[test]
fn older_baselines_stay_what_they_are() {
    let kind = |word: &str| -> String { Sha256::digest(word).iter().map(|b| format!("{b:02x}")).collect() };
    let claims: Vec<String> = [("A", None), ("B", None), ("C", None), ("I", None)]
        .into_iter()
        .chain([("a", Some("file")), ("b", Some("receipt")), ("c", Some("approval"))])
        .map(|(id, asks)| {
            let asks = asks.map(|word| format!(r#","asks":"{}""#, kind(word))).unwrap_or_default();
            format!(r#"{{"id":"p/{id}","weight":"1"{asks}}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"epoch":1,"reason":"first","time":"2026-01-31T12:00:00Z","commit":"00","table":{{"owner":850,"independent":950,"machine":980,"reproduced":990}},"mean":"1","claims":[{}]}}"#,
        claims.join(",")
    );
    let old: Baseline = serde_json::from_str(&text).expect("an older baseline");
    assert_eq!((old.text(), old.fault()), (text, None));
    assert_eq!(old.table, Worth { owner: 850, independent: 950, machine: 980, reproduced: 990 });
    let then = plan(CRITERIA, PACKAGES);
    assert_eq!(open(&weighed(&then, &old, &[])), ["p/C"]);
    let softer = plan(&CRITERIA.replace("min_bytes: 40", "min_bytes: 1"), PACKAGES);
    assert_eq!(open(&weighed(&softer, &old, &[])), ["p/C"], "it locked the kind alone");
    let kinds = plan(&CRITERIA.replace("{receipt: {predicate: inference}}", "{file: {path: x}}"), PACKAGES);
    assert_eq!(open(&weighed(&kinds, &old, &[])), ["p/A", "p/B", "p/C", "p/b"]);
    let strange = format!("{CRITERIA}\n        - {{id: d, covers: [B], evidence: {{file: {{path: d}}}}}}");
    let all = weighed(&plan(&strange, PACKAGES), &old, &[]);
    assert_eq!(open(&all), ["p/B", "p/C"]);
    assert_eq!(reason(&all, "p/B"), "it rests on p/d, which the baseline did not lock: bizra entropy scope p/B");

    let asked = |plan: &Plan| claims::listed(plan).map(|(id, _, asks)| (id, asks)).collect();
    let mut completed = old.clone();
    completed.complete(&asked(&then));
    assert_eq!(open(&weighed(&then, &completed, &[])), ["p/C"]);
    assert_eq!(open(&weighed(&softer, &completed, &[])), ["p/A", "p/C", "p/I", "p/a", "p/c"]);
    let mut other = old.clone();
    other.complete(&HashMap::new());
    assert_eq!(other, old, "a commit that holds other claims says nothing of it");
}
