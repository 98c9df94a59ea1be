//! `bizra roadmap forecast`.

use crate::harness::TestEnv;

const PLAN: &str = "\
bizra: sprint/v1
id: small
title: A small plan
timezone: Asia/Riyadh
calendar: {workdays: [sunday, monday, tuesday, wednesday, thursday], holidays: [2026-02-02], target: 2026-02-05}
people: [{id: ana, capacity: 6}, {id: ben}]
phases:
  - id: first
    gate: {criteria: [{id: written, covers: [P-3], evidence: {file: {path: docs/a.md}}}]}
    packages:
      - {id: P-1, name: One, owners: [ana], estimate: {low: 4, likely: 6, high: 20}}
      - {id: P-2, name: Two, hours: 5, owners: [ben]}
      - {id: P-3, name: Three, hours: 9, owners: [ben], status: done}
  - id: second
    packages:
      - {id: P-4, name: \"Four \\u202E\", hours: 8, needs: [P-2]}
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("sprints/small.yaml", PLAN);
    env
}

#[test]
fn dates_spread_and_assumptions_are_told() {
    insta::assert_snapshot!(env().run(&["roadmap", "forecast", "--runs", "1000"]));
}

#[test]
fn json_says_the_same_and_the_same_inputs_the_same_bytes() {
    let env = env();
    let ran = env.run(&["roadmap", "forecast", "--runs", "300", "--seed", "7", "--json"]);
    insta::assert_snapshot!(ran);
    let again = env.run(&["roadmap", "forecast", "--runs", "300", "--seed", "7", "--json"]);
    assert_eq!(ran.stdout, again.stdout);
    let other = env.run(&["roadmap", "forecast", "--runs", "300", "--seed", "8", "--json"]);
    assert_ne!(ran.stdout, other.stdout);
}

#[test]
fn evidence_turns_a_claim_into_proof() {
    let env = env();
    let claimed = env.run(&["roadmap", "forecast", "--runs", "10"]);
    assert!(claimed.stdout.contains("0 proven, 1 only claimed") && claimed.stdout.contains("done again"), "{claimed}");
    env.write("docs/a.md", "text");
    let proven = env.run(&["roadmap", "forecast", "--runs", "10"]);
    assert!(proven.stdout.contains("1 proven, 0 only claimed") && !proven.stdout.contains("done again"), "{proven}");
}

#[test]
fn today_is_the_plans_and_may_be_given() {
    let from = |env: &TestEnv, args: &[&str]| {
        let ran = env.run(&[&["roadmap", "forecast", "--runs", "10", "--json"], args].concat());
        let said: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one document");
        said["result"]["from"].as_str().unwrap_or_default().to_owned()
    };
    let mut env = env();
    assert_eq!(from(&env, &[]), "2026-02-01");
    env.at("2026-02-01T21:30:00Z");
    assert_eq!(from(&env, &[]), "2026-02-02", "it is past midnight in Riyadh");
    assert_eq!(from(&env, &["--now", "2026-03-01T00:00:00Z"]), "2026-03-01");
    assert_eq!(from(&env, &["--from", "2026-04-01"]), "2026-04-01");
    env.write("sprints/small.yaml", PLAN.replace("{workdays", "{start: 2026-03-15, workdays"));
    assert_eq!(from(&env, &[]), "2026-03-15", "it has not begun");
}

#[test]
fn refusals_say_what_to_type_next() {
    let env = env();
    let ran = env.run(&["roadmap", "forecast", "--people", "3"]);
    assert!(ran.code == 2 && ran.stderr.contains("names its people"), "{ran}");
    for wrong in [
        ["--runs", "0"],
        ["--spread", "120-200"],
        ["--spread", "80"],
        ["--from", "2026-02-30"],
        ["--assume-hours", "-1"],
    ] {
        let ran = env.run(&[&["roadmap", "forecast"], &wrong[..]].concat());
        assert_eq!(ran.code, 2, "{ran}");
    }
    env.write("sprints/small.yaml", PLAN.replace("hours: 5, ", ""));
    insta::assert_snapshot!(env.run(&["roadmap", "forecast", "--json"]));
    env.write("sprints/other.yaml", PLAN.replace("id: small", "id: other"));
    let ran = env.run(&["roadmap", "forecast"]);
    assert!(ran.code == 2 && ran.stderr.contains("sprints/other.yaml, sprints/small.yaml"), "{ran}");
    assert_eq!(env.run(&["roadmap", "forecast", "nowhere.yaml"]).code, 3);
}
