//! Each rule of the gate, against a ledger, files and commands made up here.

use std::cell::RefCell;
use std::collections::HashMap;

use super::*;
use crate::receipts::statement::{Object, Subject, Value};

mod approvals;
mod told;

pub(crate) const NOW: &str = "2026-03-01T12:00:00.000Z";

#[derive(Default)]
pub(crate) struct World {
    /// Newest first.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) files: Vec<(&'static str, &'static str)>,
    /// What they are in the last commit, where that is something else.
    head: Option<Vec<(&'static str, &'static str)>>,
    /// What the files were at commits.
    commits: HashMap<String, Vec<(&'static str, &'static str)>>,
    pub(crate) ran: Option<Ran>,
    asked: RefCell<Vec<String>>,
    opened: RefCell<Vec<u32>>,
    pub(crate) no_policy: bool,
    every_key: bool,
}

impl World {
    fn seen(&self, committed: bool) -> &[(&'static str, &'static str)] {
        match &self.head {
            Some(files) if committed => files,
            _ => &self.files,
        }
    }
}

fn sha(bytes: &str) -> String {
    Subject::of_bytes("x", bytes.as_bytes()).digest("sha256").unwrap().to_owned()
}

fn facts(files: &[(&'static str, &'static str)], globs: &[&str]) -> Vec<FileFacts> {
    let fits = |path: &str| globs.iter().any(|g| glob::fits(g, path));
    let fact =
        |(path, text): &(&str, &str)| FileFacts { path: (*path).into(), bytes: text.len() as u64, sha256: sha(text) };
    files.iter().filter(|(path, _)| fits(path)).map(fact).collect()
}

impl Files for World {
    fn matching(&self, globs: &[&str], committed: bool) -> Result<Rc<Vec<FileFacts>>, Error> {
        Ok(Rc::new(facts(self.seen(committed), globs)))
    }

    fn same_at(&self, commit: &str, globs: &[&str], committed: bool) -> Result<Option<bool>, Error> {
        Ok(self.commits.get(commit).map(|files| facts(files, globs) == facts(self.seen(committed), globs)))
    }
}

impl Commands for World {
    fn run(&self, argv: &[&str], _: Duration) -> Result<Ran, Error> {
        self.asked.borrow_mut().push(argv.join(" "));
        Ok(self.ran.clone().unwrap_or(Ran::Refused { why: "commands are not run".into(), next: "run them" }))
    }
}

impl Receipts for World {
    fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32> {
        let fits = |receipt: &Receipt| {
            let statement = &receipt.statement;
            let named = |name: &str| statement.subjects.iter().find(|s| s.name == name);
            (predicate == "*" || statement.predicate_type.split(':').nth(3) == Some(predicate))
                && match about {
                    About::Anything => true,
                    About::Named(name) => named(name).is_some(),
                    About::Exactly(name, digest) => named(name).is_some_and(|s| s.digest("sha256") == Some(digest)),
                    About::Commit(id) => statement.subjects.iter().any(|s| s.digest("gitCommit") == Some(id)),
                    About::Role(role) => statement.body.get("role") == Some(&role.into()),
                    About::Said(role, words) => {
                        statement.body.get("role") == Some(&role.into())
                            && matches!(statement.body.get("statement"), Some(Value::String(s)) if s.trim() == words)
                    }
                    About::Metric(id) => {
                        matches!(statement.body.get("metrics"), Some(Value::Object(m)) if m.get(id).is_some())
                    }
                }
        };
        (0..).zip(&self.receipts).filter(|(_, r)| fits(r)).map(|(at, _)| at).collect()
    }

    fn commits(&self, _: &str) -> Vec<String> {
        let digests = self.receipts.iter().flat_map(|r| &r.statement.subjects).filter_map(|s| s.digest("gitCommit"));
        digests.map(str::to_owned).collect()
    }

    fn open(&self, place: u32) -> Result<Option<Rc<Receipt>>, Error> {
        self.opened.borrow_mut().push(place);
        Ok(self.receipts.get(place as usize).map(|r| Rc::new(r.clone())))
    }
}

/// A receipt made `ago` minutes before now by `by`, whose roles stand behind a colon.
pub(crate) fn receipt(by: &str, ago: i64, kind: &str, subjects: &[Subject], body: Object) -> Receipt {
    let time = NOW.parse::<Timestamp>().unwrap() - jiff::SignedDuration::from_mins(ago);
    let session = Object::new().with("id", "0".repeat(32)).with("prev", Value::Null).with("seq", 0u32);
    let tool = Object::new().with("build", "b").with("commit", Value::Null).with("name", "bizra").with("version", "0");
    let mut predicate = body
        .with("host", "h")
        .with("ledger", "0".repeat(64))
        .with("nonce", "0".repeat(32))
        .with("session", session)
        .with("time", time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
    predicate.insert("tool", tool);
    let subject = |s: &Subject| {
        let digest = s.digests().fold(Object::new(), |object, (algorithm, digits)| object.with(algorithm, digits));
        Value::from(Object::new().with("digest", digest).with("name", s.name.as_str()))
    };
    let default = [Subject::of_bytes("statement", b"")];
    let subjects = if subjects.is_empty() { &default[..] } else { subjects };
    let statement = Object::new()
        .with("_type", "https://in-toto.io/Statement/v1")
        .with("predicate", predicate)
        .with("predicateType", format!("urn:bizra:predicate:{kind}:v0.1"))
        .with("subject", Value::Array(subjects.iter().map(subject).collect()));
    let statement = Statement::parse(Value::from(statement).to_canonical().as_bytes()).unwrap();
    let (name, roles) = by.split_once(':').unwrap_or((by, ""));
    let roles = roles.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
    let signer = Some(Signer { name: name.into(), roles });
    Receipt { id: format!("{name}-{ago}"), key: name.into(), signer, time, statement, fault: None }
}

fn test_run(by: &str, ago: i64, seconds: &str) -> Receipt {
    receipt(by, ago, "trial", &[Subject::of_bytes("a.rs", b"one")], Object::new().with("seconds", seconds))
}

pub(crate) fn approve(by: &str, ago: i64, score: &str, subject: Subject) -> Receipt {
    let score = Object::new().with("of", "10").with("value", score);
    receipt(by, ago, "attestation", &[subject], Object::new().with("role", "review").with("score", score))
}

fn plan(criteria: &str) -> (Plan, Source) {
    let text = format!(
        "bizra: roadmap/v1\nid: p\ntitle: T\ntimezone: UTC\nphases:\n  - id: one\n    gate:\n      criteria:\n{criteria}    packages:\n      - {{id: W-1, name: Work, owners: [ada]}}\npeople: [{{id: ada}}]\nmetrics: [{{id: cov, name: C, current: {{value: 99, unit: '%'}}}}, {{id: speed, name: S, current: {{value: 8.63, unit: tok/s}}}}]\n"
    );
    let loaded = crate::sys::plans::read("p.yaml".as_ref(), text.as_bytes());
    let loaded = loaded.unwrap_or_else(|e| panic!("{e:?} in\n{text}"));
    (loaded.plan, loaded.source)
}

fn decided(world: &World, criteria: &str) -> Result<Decision, Error> {
    let (plan, source) = plan(criteria);
    let inputs = Inputs {
        receipts: world,
        files: world,
        commands: world,
        now: NOW.parse().unwrap(),
        has_policy: !world.no_policy,
        every_key: world.every_key,
    };
    decide(&plan, &source, &plan.phases[0], &inputs)
}

fn judged(world: &World, evidence: &str) -> Judged {
    let decision = decided(world, &format!("        - {{id: c, covers: [W-1], evidence: {evidence}}}\n"));
    decision.unwrap().criteria.remove(0).judged
}

fn ends(world: &World, evidence: &str, expected: &str) -> Judged {
    let judged = judged(world, evidence);
    assert_eq!(judged.outcome.words(), expected, "{evidence}: {judged:#?}");
    assert_eq!(judged.next.is_none(), judged.outcome == Outcome::Met, "what is not met has a next step: {judged:#?}");
    judged
}

pub(crate) fn world(receipts: Vec<Receipt>) -> World {
    World { receipts, files: vec![("a.rs", "one"), ("b.rs", "two")], ..World::default() }
}

const TRIAL: &str = "{receipt: {predicate: trial, where: [{path: seconds, op: '<', value: 10}]}}";

#[test]
fn a_tick_opens_nothing() {
    let decision = decided(&world(vec![]), "        - {id: c, ticked: true}\n").unwrap();
    assert_eq!(decision.outcome.words(), "pending: missing");
    assert!(decision.criteria[0].judged.found.contains("no evidence"));
}

#[test]
fn the_latest_admissible_receipt_decides() {
    ends(&world(vec![]), TRIAL, "pending: missing");
    ends(&world(vec![test_run("ci", 5, "3")]), TRIAL, "met");
    ends(&world(vec![test_run("ci", 5, "10")]), TRIAL, "failed");
    ends(&world(vec![test_run("ci", 1, "30"), test_run("ci", 5, "3")]), TRIAL, "failed");
    ends(&world(vec![test_run("ci", 1, "3"), test_run("ci", 5, "30")]), TRIAL, "met");
}

#[test]
fn a_forged_receipt_neither_opens_nor_closes() {
    let forged = |seconds| {
        let fault = Some(Fault::Untrusted("the signature does not hold".into()));
        Receipt { fault, ..test_run("eve", 1, seconds) }
    };
    ends(&world(vec![forged("3")]), TRIAL, "untrusted");
    let judged = ends(&world(vec![forged("99"), test_run("ci", 5, "3")]), TRIAL, "met");
    assert!(judged.warnings[0].contains("eve-1 does not count"), "{judged:?}");
    let foreign = Receipt { fault: Some(Fault::Foreign("of another ledger".into())), ..test_run("ci", 1, "3") };
    ends(&world(vec![foreign]), TRIAL, "pending: foreign");
}

#[test]
fn evidence_is_bound_to_bytes() {
    let about = "{receipt: {predicate: trial, subject: {paths: ['*.rs']}}}";
    let run = |subjects: &[Subject]| receipt("ci", 5, "trial", subjects, Object::new().with("seconds", "1"));
    let file = |name: &str, text: &str| Subject::of_bytes(name, text.as_bytes());
    ends(&world(vec![run(&[file("a.rs", "one"), file("b.rs", "two")])]), about, "met");
    ends(&world(vec![run(&[file("a.rs", "old"), file("b.rs", "two")])]), about, "pending: stale");
    ends(&world(vec![run(&[file("a.rs", "one")])]), about, "pending: stale");
    ends(&world(vec![run(&[file("a.rs", "one"), file("b.rs", "two"), file("gone.rs", "x")])]), about, "pending: stale");
    ends(&world(vec![run(&[file("README", "x")])]), about, "pending: missing");
    let newer_about_old_bytes =
        vec![run(&[file("a.rs", "old"), file("b.rs", "two")]), run(&[file("a.rs", "one"), file("b.rs", "two")])];
    ends(&world(newer_about_old_bytes), about, "met");
    ends(&world(vec![run(&[])]), "{receipt: {predicate: trial, subject: {paths: ['none/**']}}}", "pending: missing");
    // Without a subject in the plan, what the receipt names must still be what it was.
    ends(&world(vec![run(&[file("a.rs", "old")])]), "{receipt: {predicate: trial}}", "pending: stale");
    ends(&world(vec![run(&[file("a.rs", "one"), file("model", "x")])]), "{receipt: {predicate: trial}}", "met");
}

#[test]
fn commits_stand_for_the_files_in_them() {
    let commit = "c".repeat(40);
    let about = "{receipt: {predicate: trial, subject: {paths: ['*.rs'], at: head}}}";
    let run = receipt("ci", 5, "trial", &[Subject::git("source", "gitCommit", &commit).unwrap()], Object::new());
    let at = |files: Vec<(&'static str, &'static str)>| World {
        commits: [(commit.clone(), files)].into(),
        ..world(vec![run.clone()])
    };
    ends(&at(vec![("a.rs", "one"), ("b.rs", "two"), ("README", "changed")]), about, "met");
    ends(&at(vec![("a.rs", "one")]), about, "pending: stale");
    ends(&world(vec![run.clone()]), about, "pending: foreign");
    ends(&world(vec![run.clone()]), "{receipt: {predicate: trial}}", "pending: foreign");
}

#[test]
fn old_evidence_expires() {
    let fresh = "{receipt: {predicate: trial, max_age: 1h}}";
    ends(&world(vec![test_run("ci", 60, "1")]), fresh, "met");
    ends(&world(vec![test_run("ci", 61, "1")]), fresh, "pending: expired");
}

#[test]
fn roles_need_a_policy_and_keys_count_once() {
    let by = |n: u32| format!("{{receipt: {{predicate: trial, signed_by: {{role: runner, threshold: {n}}}}}}}");
    let runs = vec![test_run("a:runner", 1, "1"), test_run("a:runner", 2, "1"), test_run("b:runner", 3, "1")];
    ends(&world(vec![test_run("a", 1, "1")]), &by(1), "pending: missing");
    ends(&world(runs.clone()), &by(2), "met");
    ends(&world(runs[..2].to_vec()), &by(2), "pending: missing");
    ends(&world(runs.clone()), &by(3), "pending: missing");
    let nobody = Receipt { signer: None, ..test_run("a", 1, "1") };
    ends(&World { no_policy: true, ..world(vec![nobody]) }, &by(1), "untrusted");
    // The newest decides, whoever stood behind it before.
    let with = "{receipt: {predicate: trial, where: [{path: seconds, op: '<', value: 10}], signed_by: {role: runner, threshold: 2}}}";
    let mut worse = runs;
    worse.insert(0, test_run("c:runner", 0, "50"));
    ends(&world(worse), with, "failed");
}

#[test]
fn values_are_compared_as_they_are() {
    let with = |condition: &str| format!("{{receipt: {{predicate: trial, where: [{condition}]}}}}");
    let body =
        Object::new().with("worst", "NaN").with("rate", Object::new().with("unit", "tok/s").with("value", "35.0"));
    let world = world(vec![receipt("ci", 1, "trial", &[], body)]);
    ends(&world, &with("{path: rate, op: '>=', value: 35, unit: tok/s}"), "met");
    ends(&world, &with("{path: rate, op: '>', value: 35, unit: tok/s}"), "failed");
    ends(&world, &with("{path: rate, op: '>=', value: 35, unit: ms}"), "pending: missing");
    ends(&world, &with("{path: rate, op: '>=', value: 35}"), "pending: missing");
    ends(&world, &with("{path: worst, op: '!=', value: 1}"), "failed");
    ends(&world, &with("{path: none, op: '>=', value: 0}"), "pending: missing");
}

#[test]
fn a_receipt_that_says_no_is_no_evidence_for_yes() {
    for (word, expected) in [
        ("passed", "met"),
        ("failed", "failed"),
        ("FAILED", "failed"),
        ("skipped", "pending: missing"),
        ("who knows", "failed"),
    ] {
        let run = receipt("ci", 1, "trial", &[], Object::new().with("verdict", word));
        ends(&world(vec![run]), "{receipt: {predicate: trial}}", expected);
    }
}

#[test]
fn trees_combine() {
    let world = world(vec![test_run("ci", 1, "3")]);
    let (met, failed, missing) = ("{file: {path: a.rs}}", "{file: {path: a.rs, min_bytes: 9}}", "{file: {path: none}}");
    ends(&world, &format!("{{all: [{met}, {TRIAL}]}}"), "met");
    ends(&world, &format!("{{all: [{met}, {missing}]}}"), "pending: missing");
    ends(&world, &format!("{{any: [{failed}, {missing}, {met}]}}"), "met");
    ends(&world, &format!("{{at_least: {{n: 2, of: [{met}, {failed}, {missing}]}}}}"), "pending: missing");
    let absent = ends(&world, &format!("{{not: {missing}}}"), "met");
    assert_eq!((absent.parts[0].found.as_str(), &absent.next), ("there is no such file", &None));
    ends(&world, &format!("{{not: {{not: {missing}}}}}"), "pending: missing");
    ends(&world, &format!("{{not: {{any: [{missing}, {failed}]}}}}"), "met");
    ends(&world, "{not: {receipt: {predicate: unheard-of}}}", "pending: missing");
    ends(&world, &format!("{{all: [{{not: {failed}}}, {met}]}}"), "met");
    let judged = ends(&world, &format!("{{not: {{any: [{TRIAL}]}}}}"), "failed").deciding().len();
    assert_eq!(judged, 1);
}

#[test]
fn files_are_looked_at() {
    let world = world(vec![]);
    ends(&world, &format!("{{file: {{path: a.rs, sha256: {}}}}}", sha("one")), "met");
    ends(&world, &format!("{{file: {{path: a.rs, sha256: {}}}}}", sha("two")), "failed");
    ends(&world, "{file: {path: a.rs, min_bytes: 4}}", "failed");
    let empty = World { files: vec![("e", "")], ..World::default() };
    ends(&empty, "{file: {path: e}}", "failed");
    ends(&empty, "{not: {file: {path: e}}}", "failed");
    ends(&empty, "{not: {file: {path: e, min_bytes: 1}}}", "met");
    let refused = decided(&world, "        - {id: c, evidence: {file: {path: ../x}}}\n").unwrap_err();
    assert_eq!(refused.exit, crate::error::Exit::Invalid);
}

#[test]
fn commands_run_only_when_allowed() {
    let command = "{command: {run: [cargo, test], exit: 0, timeout: 5s}}";
    let ended = |code| Some(Ran::Ended { code, output: "boom".into() });
    ends(&world(vec![]), command, "pending: missing");
    ends(&World { ran: ended(Some(0)), ..world(vec![]) }, command, "met");
    let judged = ends(&World { ran: ended(Some(101)), ..world(vec![]) }, command, "failed");
    assert_eq!(judged.found, "it ended with 101: boom");
    ends(&World { ran: ended(None), ..world(vec![]) }, command, "failed");
    ends(&World { ran: Some(Ran::TimedOut { output: String::new() }), ..world(vec![]) }, command, "failed");
    ends(
        &World { ran: Some(Ran::CannotStart("no such program".into())), ..world(vec![]) },
        command,
        "pending: missing",
    );
}

#[test]
fn metrics_come_from_receipts() {
    let metric = "{metric: {id: coverage, op: '>=', value: 100, unit: '%', max_age: 1d}}";
    let run = |ago, value: &str| {
        let coverage = Object::new().with("unit", "%").with("value", value);
        receipt("ci", ago, "trial", &[], Object::new().with("metrics", Object::new().with("coverage", coverage)))
    };
    ends(&world(vec![]), metric, "pending: missing");
    ends(&world(vec![run(1, "100.0")]), metric, "met");
    ends(&world(vec![run(1, "99.9"), run(9, "100")]), metric, "failed");
    ends(&world(vec![run(1441, "100")]), metric, "pending: expired");
    let measured = crate::receipts::predicates::Entropy::example();
    let delta = receipt("ci", 1, "entropy", &[], crate::receipts::predicates::Predicate::body(&measured));
    ends(&world(vec![delta]), "{metric: {id: entropy.delta, op: '<', value: 0}}", "met");
}

#[test]
fn words_count_for_the_role_they_are_given_in() {
    let demand = "{attest: {role: lead, statement: It holds.}}";
    let say = |by: &str, role: &str, words: &str| {
        receipt(by, 1, "attestation", &[], Object::new().with("role", role).with("statement", words))
    };
    ends(&world(vec![say("ada:lead", "lead", "It holds.")]), demand, "met");
    ends(&world(vec![say("ada:lead", "lead", "It holds, mostly.")]), demand, "pending: missing");
    ends(&world(vec![say("bob", "lead", "It holds.")]), demand, "pending: missing");
    ends(&world(vec![say("ada:lead", "boss", "It holds.")]), demand, "pending: missing");
    let spaced = [" It holds.\n", "It holds."];
    for (said, asked) in [(spaced[0], spaced[1]), (spaced[1], spaced[0])] {
        let demand = format!("{{attest: {{role: lead, statement: {asked:?}}}}}");
        ends(&world(vec![say("ada:lead", "lead", said)]), &demand, "met");
    }
    let others = (0..9).map(|n| say("ada:lead", "lead", &format!("Something else, {n}.")));
    let many = world(others.chain([say("ada:lead", "lead", "It holds.")]).collect());
    ends(&many, demand, "met");
    assert_eq!(*many.opened.borrow(), [9], "other words need not be read");
}

const DOC: &str = "all: [{file: {path: a.rs}}, {approval: {role: review, min_score: 9, of: 10";

#[test]
fn approvals_are_about_this_criterion() {
    let demand = format!("{{{DOC}}}}}]}}");
    let about = |text: &str| Subject::of_bytes("a.rs", text.as_bytes());
    ends(&world(vec![approve("bob:review", 1, "9", about("one"))]), &demand, "met");
    ends(&world(vec![approve("bob:review", 1, "8.9", about("one"))]), &demand, "failed");
    ends(&world(vec![approve("bob:review", 1, "10", about("old"))]), &demand, "pending: stale");
    ends(&world(vec![approve("bob:review", 1, "10", Subject::of_bytes("b.rs", b"two"))]), &demand, "pending: missing");
    ends(&world(vec![approve("bob", 1, "10", about("one"))]), &demand, "pending: missing");
    // A second word replaces the first, and one person's no is a no.
    ends(
        &world(vec![approve("bob:review", 1, "9", about("one")), approve("bob:review", 2, "1", about("one"))]),
        &demand,
        "met",
    );
    ends(
        &world(vec![approve("bob:review", 1, "9", about("one")), approve("eve:review", 2, "1", about("one"))]),
        &demand,
        "failed",
    );
    let criterion = |text: &[u8]| approve("bob:review", 1, "9", Subject::of_bytes("criterion:p/c", text));
    let (plan, source) = plan(&format!("        - {{id: c, covers: [W-1], evidence: {demand}}}\n"));
    let own = Matter::from(&plan.phases[0].gate.as_ref().unwrap().criteria[0]).text(&source);
    assert!(own.starts_with(b"{id: c,") && own.ends_with(b"of: 10"), "{:?}", String::from_utf8_lossy(&own));
    ends(&world(vec![criterion(&own)]), &demand, "met");
    ends(&world(vec![criterion(b"another text")]), &demand, "pending: stale");
}

#[test]
fn approvals_are_found_whatever_the_evidence_names() {
    let approval = "{approval: {role: review, min_score: 9, of: 10}}";
    let ones = || vec![approve("bob:review", 1, "9", Subject::of_bytes("a.rs", b"one"))];
    let twos = || vec![approve("bob:review", 1, "9", Subject::of_bytes("b.rs", b"two"))];
    let trial = |paths: &str| format!("{{receipt: {{predicate: trial, subject: {{paths: [{paths}]}}}}}}");
    for (beside, by_one, by_two) in [
        ("{file: {path: a.rs}}", "met", "pending: missing"),
        ("{file: {path: 'a.*'}}", "met", "pending: missing"),
        ("{file: {path: '**'}}", "met", "met"),
        (&trial("a.rs, b.rs"), "met", "met"),
        (&trial("b.rs, '?.md'"), "pending: missing", "met"),
        ("{all: [{file: {path: 'x/**'}}, {not: {file: {path: b.rs}}}]}", "pending: missing", "met"),
    ] {
        let evidence = format!("{{any: [{{all: [{beside}, {{not: {beside}}}]}}, {approval}]}}");
        ends(&world(ones()), &evidence, by_one);
        ends(&world(twos()), &evidence, by_two);
    }
    // The newest of a key counts, by whichever way it is found.
    let (plan, source) = plan(
        "        - {id: c, covers: [W-1], evidence: {all: [{file: {path: a.rs}}, {approval: {role: review, min_score: 9, of: 10}}]}}\n",
    );
    let own = Matter::from(&plan.phases[0].gate.as_ref().unwrap().criteria[0]).text(&source);
    let of_text = |ago, score| approve("bob:review", ago, score, Subject::of_bytes("criterion:p/c", &own));
    let of_file = |ago, score| approve("bob:review", ago, score, Subject::of_bytes("a.rs", b"one"));
    let demand = "{all: [{file: {path: a.rs}}, {approval: {role: review, min_score: 9, of: 10}}]}";
    ends(&world(vec![of_file(1, "9"), of_text(2, "1")]), demand, "met");
    ends(&world(vec![of_text(1, "1"), of_file(2, "9")]), demand, "failed");

    let mut elsewhere: Vec<Receipt> =
        (0..9).map(|n| approve("bob:review", n, "9", Subject::of_bytes(format!("{n}.rs"), b"n"))).collect();
    elsewhere.extend(ones());
    let many = world(elsewhere);
    ends(&many, demand, "met");
    assert_eq!(*many.opened.borrow(), [9], "words about something else need not be read");
}

#[test]
fn a_foreign_receipt_about_something_else_says_nothing() {
    let foreign = |subject| Receipt {
        fault: Some(Fault::Foreign("of another ledger".into())),
        ..approve("bob:review", 1, "9", subject)
    };
    let demand = "{all: [{file: {path: '*.rs'}}, {approval: {role: review}}]}";
    ends(&world(vec![foreign(Subject::of_bytes("README", b"x"))]), demand, "pending: missing");
    ends(&world(vec![foreign(Subject::of_bytes("a.rs", b"one"))]), demand, "pending: foreign");
}

#[test]
fn approvals_come_from_others_and_in_order() {
    let about = || Subject::of_bytes("a.rs", b"one");
    let independent = format!("{{{DOC}, independent_of: owners}}}}]}}");
    ends(&world(vec![approve("Ada:review", 1, "10", about())]), &independent, "pending: missing");
    ends(&world(vec![approve("Bob:review", 1, "10", about())]), &independent, "met");
    let two = format!("{{{DOC}, threshold: 2}}}}]}}");
    ends(
        &world(vec![approve("bob:review", 1, "9", about()), approve("bob:review", 2, "9", about())]),
        &two,
        "pending: missing",
    );
    ends(&world(vec![approve("bob:review", 1, "9", about()), approve("ida:review", 2, "9", about())]), &two, "met");

    let coverage = receipt("ci", 30, "trial", &[], Object::new().with("metrics", Object::new().with("cov", "100")));
    let after = "{all: [{metric: {id: cov, op: '>=', value: 100}}, {file: {path: a.rs}}, {approval: {role: review, after: [cov]}}]}";
    ends(&world(vec![approve("bob:review", 10, "9", about()), coverage.clone()]), after, "met");
    ends(&world(vec![coverage, approve("bob:review", 40, "9", about())]), after, "pending: stale");
    ends(&world(vec![approve("bob:review", 10, "9", about())]), after, "pending: missing");
}

#[test]
fn the_policy_of_a_gate_and_what_is_no_gate() {
    let world = world(vec![]);
    let criteria =
        "        - {id: a, evidence: {file: {path: a.rs}}}\n        - {id: b, evidence: {file: {path: none}}}\n";
    assert_eq!(decided(&world, criteria).unwrap().outcome.words(), "pending: missing");
    let (mut plan, source) = plan(criteria);
    let inputs = Inputs {
        receipts: &world,
        files: &world,
        commands: &world,
        now: NOW.parse().unwrap(),
        has_policy: true,
        every_key: false,
    };
    plan.phases[0].gate.as_mut().unwrap().policy = Some(Policy::Any);
    assert_eq!(decide(&plan, &source, &plan.phases[0], &inputs).unwrap().outcome, Outcome::Met);
    plan.phases[0].gate.as_mut().unwrap().criteria.clear();
    let refused = decide(&plan, &source, &plan.phases[0], &inputs).unwrap_err();
    assert_eq!(refused.exit, crate::error::Exit::Invalid);
    plan.phases[0].gate = None;
    assert_eq!(decide(&plan, &source, &plan.phases[0], &inputs).unwrap_err().exit, crate::error::Exit::Invalid);
}

fn proofs(world: &World, text: &str) -> Result<Vec<String>, Error> {
    let text = format!("bizra: roadmap/v1\nid: p\ntitle: T\ntimezone: UTC\n{text}");
    let loaded = crate::sys::plans::read("p.yaml".as_ref(), text.as_bytes());
    let loaded = loaded.unwrap_or_else(|e| panic!("{e:?} in\n{text}"));
    let inputs = Inputs {
        receipts: world,
        files: world,
        commands: world,
        now: NOW.parse().unwrap(),
        has_policy: true,
        every_key: false,
    };
    let proofs = proof::of_all(&loaded.plan, &loaded.source, &inputs)?;
    let work = proof::of_work(&loaded.plan, &loaded.source, &inputs)?;
    assert!(work.iter().all(|(id, judged)| proofs.get(id) == Some(judged)), "one question, one answer");
    for judged in proofs.values() {
        assert_eq!(judged.next.is_none(), judged.outcome == Outcome::Met, "{judged:#?}");
    }
    Ok(proofs.into_iter().map(|(id, judged)| format!("{id} {}", judged.outcome.words())).collect())
}

#[test]
fn work_is_proven_by_its_own_evidence_else_by_all_that_covers_it() {
    let (here, gone, small) = ("{file: {path: a.rs}}", "{file: {path: none}}", "{file: {path: a.rs, min_bytes: 9}}");
    let plan = format!(
        "phases:
  - id: one
    packages:
      - {{id: OWN, name: N, evidence: {here}}}
      - {{id: OWN-NOT, name: N, status: done, evidence: {gone}}}
      - {{id: COVERED, name: N}}
      - {{id: TWICE, name: N}}
      - {{id: REFUTED, name: N, status: done}}
      - {{id: ALONE, name: N, status: done}}
    gate:
      criteria:
        - {{id: c1, covers: [COVERED, TWICE, OWN-NOT], evidence: {here}}}
        - {{id: c2, covers: [REFUTED], evidence: {small}}}
horizons: [{{id: h, name: H, criteria: [{{id: c3, covers: [TWICE, OWN], ticked: true}}]}}]
"
    );
    assert_eq!(
        proofs(&world(vec![]), &plan).unwrap(),
        [
            "ALONE pending: missing",
            "COVERED met",
            "OWN met",
            "OWN-NOT pending: missing",
            "REFUTED failed",
            "TWICE pending: missing"
        ]
    );
}

#[test]
fn parts_prove_their_item_and_an_item_its_parts() {
    let plan = |covers: &str| {
        format!(
            "items:
  - {{id: A, name: A, parts: [{{id: A.1}}, {{id: A.2}}]}}
lists: [{{id: l, entries: [{{id: T, text: T, done: true}}]}}]
definition_of_done:
{covers}"
        )
    };
    let criterion = |id: &str, covers: &str, path: &str| {
        format!("  - {{id: {id}, covers: [{covers}], evidence: {{file: {{path: {path}}}}}}}\n")
    };
    let check = |criteria: &[String], expected: [&str; 4]| {
        let short = |line: String| line.replace("pending: missing", "pending");
        let found: Vec<String> =
            proofs(&world(vec![]), &plan(&criteria.concat())).unwrap().into_iter().map(short).collect();
        assert_eq!(found, expected, "{criteria:?}");
    };
    let [met, none] = ["a.rs", "none"];
    check(&[criterion("c", "A", met)], ["A met", "A.1 met", "A.2 met", "T pending"]);
    check(&[criterion("c", "A.1", met)], ["A pending", "A.1 met", "A.2 pending", "T pending"]);
    check(&[criterion("c", "A.1, A.2", met)], ["A met", "A.1 met", "A.2 met", "T pending"]);
    check(
        &[criterion("c", "A", met), criterion("d", "A.1", none)],
        ["A pending", "A.1 pending", "A.2 pending", "T pending"],
    );
    check(&[criterion("c", "T", met)], ["A pending", "A.1 pending", "A.2 pending", "T met"]);
}

#[test]
fn approvals_of_packages_are_about_their_text_and_by_others() {
    let package = "{id: W, name: Work, owners: [ada], evidence: {approval: {role: review, independent_of: owners}}}";
    let plan = format!("people: [{{id: ada}}]\nphases:\n- id: one\n  packages:\n  - {package}\n");
    let about = |text: &str| Subject::of_bytes("package:p/W", text.as_bytes());
    let text = package.strip_suffix('}').unwrap();
    let read = |by: &str, text: &str| proofs(&world(vec![approve(by, 1, "9", about(text))]), &plan).unwrap().remove(0);
    let (own, source) = {
        let loaded = crate::sys::plans::read(
            "p.yaml".as_ref(),
            format!("bizra: roadmap/v1\nid: p\ntitle: T\ntimezone: UTC\n{plan}").as_bytes(),
        )
        .unwrap_or_else(|e| panic!("{e:?}"));
        (loaded.plan, loaded.source)
    };
    let matter = Matter::from(&own.phases[0].packages[0]);
    let exact = String::from_utf8(matter.text(&source).to_vec()).unwrap();
    assert!(text.starts_with(exact.trim_end_matches('}')), "{exact}");
    assert_eq!(read("bob:review", &exact), "W met");
    assert_eq!(read("ada:review", &exact), "W pending: missing");
    assert_eq!(read("bob:review", "another text"), "W pending: stale");
}

#[test]
fn evidence_that_can_t_be_judged_is_refused_wherever_it_stands() {
    let climbs = "{file: {path: ../x}}";
    for plan in [
        format!("phases: [{{id: one, packages: [{{id: W, name: N, evidence: {climbs}}}]}}]\n"),
        format!("items: [{{id: W, name: N}}]\ndefinition_of_done: [{{id: c, covers: [W], evidence: {climbs}}}]\n"),
    ] {
        assert_eq!(proofs(&world(vec![]), &plan).unwrap_err().exit, crate::error::Exit::Invalid);
    }
}

#[test]
fn a_benchmark_opens_a_gate_by_the_bound_of_its_interval() {
    use crate::receipts::predicates::benchmark::Verdict;
    use crate::receipts::predicates::{Benchmark, Predicate as _};
    let world = |verdict: Option<Verdict>| {
        let claims = vec![];
        let body = Benchmark { verdict, claims, ..Benchmark::example() }.body();
        world(vec![receipt("ci", 1, "benchmark", &[], body)])
    };
    let with = |path: &str, value: &str, unit: &str| {
        format!(
            "{{receipt: {{predicate: benchmark, where: [{{path: {path}, op: '>=', value: {value}, unit: {unit}}}]}}}}"
        )
    };
    let lower = "decode.tok_s.ci95.lower";
    ends(&world(None), &with(lower, "35", "tok/s"), "met");
    ends(&world(Some(Verdict::Passed)), &with(lower, "35.1", "tok/s"), "met");
    ends(&world(None), &with(lower, "35.2", "tok/s"), "failed");
    ends(&world(None), &with(lower, "35", "ms"), "pending: missing");
    ends(&world(None), &with("prefill.tok_s.median", "1", "tok/s"), "pending: missing");
    ends(&world(None), &with("measurements.0.median", "35.5", "tok/s"), "met");
    ends(&world(Some(Verdict::Inconclusive)), &with(lower, "35", "tok/s"), "pending: missing");
    ends(&world(Some(Verdict::Failed)), &with(lower, "35", "tok/s"), "failed");
    let metric = "{metric: {id: benchmark.decode.tok_s.median, op: '>=', value: 35, unit: tok/s}}";
    ends(&world(None), metric, "met");
}
