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

/// The one file of the index, which lies in the user's cache and not with the ledger.
fn index(env: &TestEnv) -> std::path::PathBuf {
    let mut found = std::fs::read_dir(env.home().join(".cache/bizra/index")).expect("a folder");
    found.next().expect("a log's index").expect("an entry").path()
}

#[test]
fn a_damaged_index_is_made_again() {
    let env = env();
    env.write("docs/a.md", "text");
    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let gate = || env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string();
    let first = gate();
    let text = std::fs::read_to_string(index(&env)).expect("it was cached");
    for damage in [String::new(), text.replace("attestation", "attestatiom"), text[..text.len() / 2].to_owned()] {
        std::fs::write(index(&env), damage).expect("written");
        assert_eq!(gate(), first);
        assert_eq!(std::fs::read_to_string(index(&env)).expect("made again"), text);
    }
}

#[test]
fn whoever_writes_the_ledgers_folder_hides_no_receipt() {
    let env = env();
    let attest = |words: &str| env.run(&["attest", "--role", "lead", "--statement", words]);
    attest("It holds.");
    env.run(&["roadmap", "gate", "first", "--dry-run"]);
    let logs = env.work().join(".git/bizra/ledger.git/bizra");
    let beside = std::fs::read_dir(logs).expect("a folder").map(|entry| entry.expect("an entry").path());
    for log in beside.filter(|path| path.is_dir()) {
        assert!(!log.join("index").exists(), "an index beside the ledger could be changed by who writes there");
    }
    let small = std::fs::read(index(&env)).expect("it was cached");
    attest("It holds no more.");
    let grown = env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string();
    let large = std::fs::read(index(&env)).expect("it was cached");
    assert!(large.len() > small.len());
    // An older state is a right beginning, and grows to the same.
    std::fs::write(index(&env), &small).expect("written");
    assert_eq!(env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string(), grown);
    assert_eq!(std::fs::read(index(&env)).expect("grown"), large);
    // One of another beginning is not: it says the right size and another root.
    let text = String::from_utf8(small).expect("text");
    let root = text.split(' ').nth(3).expect("a root");
    std::fs::write(index(&env), text.replace(root, &"0".repeat(64))).expect("written");
    assert_eq!(env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string(), grown);
    assert_eq!(std::fs::read(index(&env)).expect("made again"), large);
    // Nor is one of the log's own size, of which nothing more is read.
    let text = String::from_utf8(large.clone()).expect("text");
    let root = text.split(' ').nth(3).expect("a root");
    std::fs::write(index(&env), text.replace(root, &"0".repeat(64))).expect("written");
    assert_eq!(env.run(&["roadmap", "gate", "first", "--dry-run"]).to_string(), grown);
    assert_eq!(std::fs::read(index(&env)).expect("made again"), large);
}

#[test]
fn the_index_can_be_checked_against_the_ledger() {
    use sha2::{Digest as _, Sha256};
    let env = env();
    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let gate = || env.run(&["roadmap", "gate", "first", "--dry-run", "--verify-index"]);
    assert_eq!(gate().code, 5, "the attestation is untrusted, without a policy");
    assert!(!gate().stderr.contains("was not what the ledger holds"));
    // Somebody with the user's rights changes the index and its digest, so that the attestation is never found.
    let text = std::fs::read_to_string(index(&env)).expect("it was cached");
    let (head, body) = text.split_once('\n').expect("a head");
    let body = body.replace("attestation/v0.1", "trial/v0.1");
    let head = head.rsplit_once(' ').expect("a digest").0;
    let digest: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(index(&env), format!("{head} {digest}\n{body}")).expect("written");
    let found = gate();
    assert!(found.code == 5 && found.stderr.contains("was not what the ledger holds"), "{found}");
    assert_eq!(std::fs::read_to_string(index(&env)).expect("made again"), text);
}

#[test]
fn an_index_that_can_t_be_kept_is_no_obstacle() {
    let env = env().without("HOME");
    env.write("docs/a.md", "text");
    assert_eq!(env.run(&["roadmap", "gate", "second", "--dry-run"]).code, 0);
}
