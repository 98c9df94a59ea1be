//! `bizra doctor`.

use serde_json::Value;

use crate::harness::TestEnv;

fn checks(env: &TestEnv, args: &[&str]) -> (i32, Value) {
    let ran = env.run(&[&["doctor", "--json"], args].concat());
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(document["exit"], ran.code);
    (ran.code, document)
}

fn state<'a>(document: &'a Value, subject: &str) -> &'a Value {
    let checks = document["result"]["checks"].as_array().expect("a list of checks");
    checks.iter().find(|c| c["subject"] == subject).unwrap_or_else(|| panic!("no check `{subject}`"))
}

#[test]
fn a_bare_folder_is_fine_for_core_work() {
    let (code, document) = checks(&TestEnv::new(), &[]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(state(&document, "repository")["state"], "missing");
    assert_eq!(state(&document, "cpu")["state"], "ok");
    assert!(state(&document, "memory")["facts"]["available_bytes"].as_u64().is_some_and(|n| n > 1 << 20));
    assert!(state(&document, "cores")["facts"]["usable"].as_u64().is_some_and(|n| n >= 1));
}

#[test]
fn what_is_required_and_missing_is_undecided() {
    let env = TestEnv::new();
    let (code, document) = checks(&env, &["--require", "repository,cpu"]);
    assert_eq!(code, 4);
    assert_eq!(document["reasons"].as_array().map(Vec::len), Some(1), "only the missing one is a reason");
    env.git(&["init", "-q"]);
    assert_eq!(checks(&env, &["--require", "repository"]).0, 0);
}

#[test]
fn a_broken_configuration_is_told_and_not_obeyed() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("bizra.toml", "colour = 1\n");
    let (code, document) = checks(&env, &[]);
    assert_eq!(code, 6);
    let config = state(&document, "config");
    assert_eq!(config["state"], "broken");
    assert!(config["detail"].as_str().is_some_and(|d| d.contains("bizra.toml:1:1: unknown key `colour`")), "{config}");
}

#[test]
fn the_time_zone_and_time_are_the_ones_asked_for() {
    let (_, document) = checks(&TestEnv::new(), &["--tz", "Asia/Riyadh", "--now", "2026-02-15T09:00"]);
    let zone = state(&document, "timezone");
    assert_eq!(zone["facts"]["zone"], "Asia/Riyadh");
    assert_eq!(zone["facts"]["local_time"], "2026-02-15T09:00:00+03:00");
}

#[test]
fn without_a_home_there_is_no_data_folder_and_a_hint() {
    let env = TestEnv::new().without("HOME").without("USERPROFILE");
    let (code, document) = checks(&env, &[]);
    assert_eq!(code, 0);
    assert_eq!(state(&document, "data")["state"], "missing");
    assert!(state(&document, "data")["hint"].is_string());
}

#[test]
fn linked_work_trees_and_bare_repositories_are_seen() {
    let env = TestEnv::new();
    env.git(&["init", "-q", "--bare", "bare.git"]);
    let (code, document) = checks(&env, &["--repo", "bare.git"]);
    assert_eq!(code, 0);
    assert!(state(&document, "repository")["detail"].as_str().is_some_and(|d| d.contains("bare")), "{document}");
}

#[test]
fn the_page_fits_narrow_terminals() {
    let ran = TestEnv::new().terminal(40).run(&["doctor", "--color", "never"]);
    assert_eq!(ran.code, 0);
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 40, "{line:?}");
    }
}

#[test]
fn bandwidth_is_measured_on_request() {
    let ran = TestEnv::new().process(&["doctor", "--bandwidth", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let facts = &state(&document, "bandwidth")["facts"];
    assert!(facts["all_cores_gb_s"].as_f64().is_some_and(|x| x > 0.1), "{facts}");
}

#[test]
fn the_ledger_is_missing_there_or_broken() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let (code, document) = checks(&env, &[]);
    let ledger = state(&document, "ledger");
    assert_eq!((code, &ledger["state"]), (0, &"missing".into()));
    assert!(ledger["detail"].as_str().is_some_and(|d| d.ends_with(".git/bizra/ledger.git")), "{ledger}");
    assert_eq!(checks(&env, &["--require", "ledger"]).0, 4);

    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let (code, document) = checks(&env, &["--require", "ledger"]);
    let ledger = state(&document, "ledger");
    assert_eq!((code, &ledger["state"]), (0, &"ok".into()));
    assert_eq!((&ledger["facts"]["logs"], &ledger["facts"]["receipts"]), (&1.into(), &2.into()));

    let refs = env.work().join(".git/bizra/ledger.git/refs/bizra/log");
    let log = std::fs::read_dir(refs).expect("a log").next().expect("one").expect("an entry").path();
    std::fs::write(log, "").expect("an empty ref");
    let (code, document) = checks(&env, &[]);
    let ledger = state(&document, "ledger");
    assert_eq!((code, &ledger["state"]), (6, &"broken".into()));
    assert!(ledger["hint"].as_str().is_some_and(|h| h.contains("bizra receipts repair")), "{ledger}");
}

#[test]
fn a_ledger_without_a_possible_place_is_broken() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write(".git/bizra", "a file where the ledger's folder belongs");
    let (code, document) = checks(&env, &[]);
    assert_eq!((code, &state(&document, "ledger")["state"]), (6, &"broken".into()));
    let homeless = TestEnv::new().without("HOME").without("USERPROFILE");
    assert_eq!(state(&checks(&homeless, &[]).1, "ledger")["state"], "missing");
}
