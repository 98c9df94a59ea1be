//! `bizra roadmap gate`: from a closed gate over evidence to an open one, and what can't be talked into opening.

use crate::harness::TestEnv;

const PLAN: &str = "\
bizra: roadmap/v1
id: small
title: A small plan
timezone: UTC
phases:
  - id: first
    gate:
      criteria:
        - {id: written, evidence: {file: {path: docs/a.md, min_bytes: 4}}}
        - {id: promised, evidence: {attest: {role: lead, statement: It holds.}}}
        - {id: ticked_only, ticked: true}
  - id: second
    gate:
      criteria: [{id: done, evidence: {file: {path: docs/a.md}}}]
  - id: third
    gate:
      criteria: [{id: builds, evidence: {command: {run: ['true']}}}, {id: fails, evidence: {not: {command: {run: ['false']}}}}]
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", PLAN);
    env
}

#[test]
fn a_gate_opens_on_evidence_and_leaves_a_receipt() {
    let env = env();
    let ran = env.run(&["roadmap", "gate", "second"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stdout.contains("pending: missing") && ran.stderr.contains("write docs/a.md"), "{ran}");
    assert!(!ran.stderr.contains("receipt"), "nothing was decided: {ran}");

    env.write("docs/a.md", "text");
    let ran = env.run(&["roadmap", "gate", "second", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one document");
    let id = said["receipt"].as_str().expect("a receipt").to_owned();
    assert_eq!(said["result"]["gates"][0]["outcome"], "met");
    assert_eq!(env.run(&["receipts", "replay", &id]).code, 0);

    env.write("docs/a.md", "");
    let no = env.run(&["roadmap", "gate", "second", "--json"]);
    assert_eq!(no.code, 1, "an empty file shows nothing: {no}");
    let said: serde_json::Value = serde_json::from_str(&no.stdout).expect("one document");
    assert!(said["receipt"].is_string(), "a no is a receipt as well: {no}");
    assert_eq!(env.run(&["receipts", "replay", &id]).code, 4, "the work tree has changed");

    let dry = env.run(&["roadmap", "gate", "second", "--dry-run", "--json"]);
    assert!(
        dry.code == 1 && dry.stdout.contains("\"receipt\": null") || dry.stdout.contains("\"receipt\":null"),
        "{dry}"
    );
}

#[test]
fn criteria_end_apart_and_ticks_open_nothing() {
    let env = env();
    env.write("docs/a.md", "text");
    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let ran = env.run(&["roadmap", "gate", "first", "--explain"]);
    assert_eq!(ran.code, 5, "without a policy nobody is lead: {ran}");
    for part in
        ["met               written", "untrusted         promised", "pending: missing  ticked_only", "no evidence"]
    {
        assert!(ran.stdout.contains(part), "{part}: {ran}");
    }
}

#[test]
fn commands_run_only_from_a_protected_plan() {
    let env = env();
    let gate = |more: &[&str]| env.run(&[&["roadmap", "gate", "third"], more].concat());
    assert_eq!(gate(&[]).code, 4);
    let ran = gate(&["--allow-commands"]);
    assert!(ran.code == 4 && ran.stdout.contains("no default branch"), "{ran}");
    env.git(&["add", "."]);
    env.git(&["commit", "-q", "-m", "plan"]);
    assert_eq!(gate(&["--allow-commands"]).code, 0, "{}", gate(&["--allow-commands"]));
    env.write("roadmap/small.yaml", format!("{PLAN}# changed\n"));
    let ran = gate(&["--allow-commands"]);
    assert!(ran.code == 4 && ran.stdout.contains("differs from main's"), "{ran}");
    assert_eq!(gate(&["--allow-commands", "--force-commands"]).code, 0);
    assert_eq!(gate(&["--allow-commands", "--at", "HEAD"]).code, 4);
}

#[test]
fn revisions_and_formats() {
    let env = env();
    env.write("docs/a.md", "text");
    env.git(&["add", "."]);
    env.git(&["commit", "-q", "-m", "text"]);
    std::fs::remove_file(env.work().join("docs/a.md")).expect("it was there");
    assert_eq!(env.run(&["roadmap", "gate", "second"]).code, 4);
    let ran = env.run(&["roadmap", "gate", "second", "--at", "HEAD"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(env.run(&["roadmap", "gate", "second", "--at", "nothing"]).code, 2);
    let junit = env.run(&["roadmap", "gate", "second", "--format", "junit"]);
    assert!(junit.code == 4 && junit.stdout.contains("<skipped message=\"pending: missing"), "{junit}");
    let github = env.run(&["roadmap", "gate", "second", "--format", "github"]);
    assert!(github.stdout.starts_with("::warning file=roadmap/small.yaml,line=14,title=done::"), "{github}");
    let markdown = env.run(&["roadmap", "gate", "second", "--format", "md"]);
    assert!(markdown.stdout.contains("| done | pending: missing |"), "{markdown}");
}

#[test]
fn what_is_no_gate_is_refused() {
    let env = env();
    let ran = env.run(&["roadmap", "gate", "secnd"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `second`?"), "{ran}");
    env.write("roadmap/small.yaml", PLAN.replace("[{id: done, evidence: {file: {path: docs/a.md}}}]", "[]"));
    let ran = env.run(&["roadmap", "gate", "second"]);
    assert!(ran.code == 3 && ran.stderr.contains("without criteria"), "{ran}");
    env.write("roadmap/small.yaml", "bizra: roadmap/v1\nid: x\ntitle: T\ntimezone: UTC\n");
    assert_eq!(env.run(&["roadmap", "gate"]).code, 3, "nothing to decide is never a yes");
}

#[test]
fn a_damaged_index_is_made_again() {
    let env = env();
    env.write("docs/a.md", "text");
    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let gate = || env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string();
    let first = gate();
    let logs = env.work().join(".git/bizra/ledger.git/bizra");
    let mut inside = std::fs::read_dir(logs).expect("a folder").map(|entry| entry.expect("an entry").path());
    let log = inside.find(|path| path.is_dir()).expect("a log");
    let index = std::fs::read_to_string(log.join("index")).expect("it was cached");
    for damage in [String::new(), index.replace("attestation", "attestatiom"), index[..index.len() / 2].to_owned()] {
        std::fs::write(log.join("index"), damage).expect("written");
        assert_eq!(gate(), first);
        assert_eq!(std::fs::read_to_string(log.join("index")).expect("made again"), index);
    }
}
