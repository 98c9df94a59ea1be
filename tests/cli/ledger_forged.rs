//! A ledger that its key did not sign is no evidence: gates and all who count evidence refuse it, as the audit does.

use crate::harness::TestEnv;
use crate::said::json;

const PLAN: &str = "\
bizra: roadmap/v1
id: small
title: A small plan
timezone: UTC
phases:
  - id: first
    gate:
      criteria: [{id: reviewed, evidence: {approval: {role: lead, min_score: 8, of: 10}}}]
";

/// A gate whose newest evidence says no.
fn closed() -> TestEnv {
    let env = TestEnv::new();
    env.write("roadmap/small.yaml", PLAN);
    assert_eq!(env.run(&["init"]).code, 0);
    env.git(&["add", "-A"]);
    env.git(&["-c", "user.name=You", "-c", "user.email=you@example.com", "commit", "-q", "-m", "The plan"]);
    for score in ["9", "2"] {
        let ran = env.run(&["attest", "--role", "lead", "--score", score, "--criterion", "small/reviewed"]);
        assert_eq!(ran.code, 0, "{ran}");
    }
    let gate = env.run(&["roadmap", "gate", "--dry-run"]);
    assert_eq!(gate.code, 1, "{gate}");
    env
}

fn ledger(env: &TestEnv, args: &[&str]) -> String {
    env.git(&[&["--git-dir=.git/bizra/ledger.git"], args].concat()).trim().to_owned()
}

fn log(env: &TestEnv) -> String {
    ledger(env, &["for-each-ref", "--format=%(refname)", "refs/bizra/log"])
}

/// Puts another file's content in the place of one, in a new commit on top of `parent`.
fn replace(env: &TestEnv, path: &str, blob: &str) {
    let name = log(env);
    ledger(env, &["read-tree", &name]);
    ledger(env, &["update-index", "--cacheinfo", &format!("100644,{blob},{path}")]);
    let tree = ledger(env, &["write-tree"]);
    let message = ledger(env, &["log", "-1", "--format=%B", &name]);
    let author = ["-c", "user.name=You", "-c", "user.email=you@example.com"];
    let commit = ["commit-tree", &tree, "-p", &format!("{name}~1"), "-m", &message];
    let commit = env.git(&[&author[..], &["--git-dir=.git/bizra/ledger.git"], &commit].concat());
    ledger(env, &["update-ref", &name, commit.trim()]);
}

fn nothing_takes_it_for_evidence(env: &TestEnv) {
    assert_eq!(env.run(&["receipts", "audit"]).code, 5);
    for command in [
        &["roadmap", "gate"][..],
        &["roadmap", "gate", "--dry-run"],
        &["roadmap", "status"],
        &["roadmap", "next"],
        &["entropy"],
    ] {
        let ran = env.run(command);
        assert_eq!(ran.code, 5, "bizra {}: {ran}", command.join(" "));
        assert!(ran.stderr.contains("bizra receipts audit"), "{ran}");
    }
}

#[test]
fn a_receipt_in_another_ones_place_opens_nothing() {
    for indexed in [true, false] {
        let env = closed();
        if !indexed {
            std::fs::remove_dir_all(env.home().join(".cache")).expect("a cache");
        }
        let blob = ledger(&env, &["rev-parse", &format!("{}:tail/02.json", log(&env))]);
        replace(&env, "tail/03.json", &blob);
        nothing_takes_it_for_evidence(&env);
    }
}

#[test]
fn a_receipt_that_is_none_opens_nothing() {
    let env = closed();
    env.write("none.json", "{}");
    let blob = ledger(&env, &["hash-object", "-w", "none.json"]);
    replace(&env, "tail/03.json", &blob);
    nothing_takes_it_for_evidence(&env);
    let ran = env.run(&["attest", "--role", "lead", "--statement", "one more"]);
    assert_eq!(ran.code, 5, "{ran}");
}

#[test]
fn a_log_that_was_cut_below_its_pin_opens_nothing_and_does_not_grow() {
    let env = closed();
    assert_eq!(env.run(&["receipts", "pin"]).code, 0);
    let name = log(&env);
    ledger(&env, &["update-ref", &name, &format!("{name}~1")]);
    let id = name.rsplit('/').next().expect("an id");
    std::fs::remove_file(env.work().join(".git/bizra/ledger.git/bizra").join(id).join("wal")).expect("it is there");
    nothing_takes_it_for_evidence(&env);
    let pinned = ledger(&env, &["rev-parse", &name]);
    assert_eq!(env.run(&["attest", "--role", "lead", "--statement", "one more"]).code, 5);
    assert_eq!(ledger(&env, &["rev-parse", &name]), pinned);
}

#[test]
fn a_pinned_log_that_is_not_here_is_missing_evidence_and_is_told() {
    let env = closed();
    assert_eq!(env.run(&["receipts", "pin"]).code, 0);
    std::fs::remove_dir_all(env.work().join(".git/bizra")).expect("a ledger");
    let gate = env.run(&["roadmap", "gate", "--json"]);
    assert_eq!(gate.code, 4, "{gate}");
    assert_eq!(json(&gate)["result"]["gates"][0]["outcome"], "pending", "{gate}");
    assert!(gate.stderr.contains("1 pinned log is not here: `bizra receipts fetch"), "{gate}");
}
