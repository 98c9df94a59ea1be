//! `bizra roadmap diff`.

use crate::harness::TestEnv;

const PLAN: &str = "\
bizra: roadmap/v1
id: small
title: A small plan
timezone: UTC
phases:
  - id: first
    gate: {criteria: [{id: fast, evidence: {metric: {id: speed, op: '>=', value: 35}}}]}
    packages:
      - {id: P-1, name: One, hours: 4, status: pending}
      - {id: P-2, name: Two, hours: 8}
";

fn commit(env: &TestEnv) {
    env.git(&["add", "-A"]);
    env.git(&["commit", "-q", "-m", "plan"]);
}

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q", "-b", "main"]);
    env.write("roadmap/small.yaml", PLAN);
    env.write("roadmap/old.yaml", PLAN.replace("id: small", "id: old").replace("P-", "O-"));
    commit(&env);
    let after = PLAN
        .replace("value: 35", "value: 30")
        .replace("status: pending", "status: done")
        .replace("hours: 8}", "hours: 12}\n      - {id: P-3, name: \"*Three* | \\u202E\", hours: 1}");
    env.write("roadmap/small.yaml", after);
    std::fs::remove_file(env.work().join("roadmap/old.yaml")).expect("it was there");
    env.write("sprints/new.yaml", "bizra: sprint/v1\nid: new\ntitle: N\ntimezone: UTC\nitems: [{id: I-1, name: I}]\n");
    env
}

#[test]
fn scope_and_progress_are_told_apart() {
    let env = env();
    insta::assert_snapshot!(env.run(&["roadmap", "diff", "HEAD"]));
    insta::assert_snapshot!(env.run(&["roadmap", "diff", "HEAD", "--format", "md"]));
    insta::assert_snapshot!(env.run(&["roadmap", "diff", "HEAD", "roadmap/small.yaml", "--json"]));
}

#[test]
fn revisions_are_written_as_for_git() {
    let env = env();
    commit(&env);
    let changes = |revisions: &str| {
        let ran = env.run(&["roadmap", "diff", revisions, "roadmap/small.yaml"]);
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout.lines().filter(|line| line.contains("P-") || line.contains("fast")).count()
    };
    assert_eq!(changes("HEAD~1..HEAD"), 4);
    assert_eq!(changes("HEAD~1.."), 4);
    assert_eq!(changes("HEAD~1"), 4);
    assert_eq!(changes("HEAD..HEAD~1"), 4);
    assert_eq!(changes("HEAD"), 0);
    env.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    env.write("roadmap/small.yaml", PLAN.replace("hours: 4", "hours: 5"));
    commit(&env);
    assert_eq!(changes("main..side"), 5);
    assert_eq!(changes("main...side"), 1, "only what happened on the side");
}

#[test]
fn a_plan_that_moved_is_the_same_plan() {
    let env = env();
    commit(&env);
    env.git(&["mv", "roadmap/small.yaml", "roadmap/renamed.yaml"]);
    let ran = env.run(&["roadmap", "diff", "HEAD"]);
    assert!(ran.stdout.contains("roadmap/renamed.yaml, before at roadmap/small.yaml: no change"), "{ran}");
}

#[test]
fn what_can_not_be_compared_is_refused_with_its_place() {
    let env = env();
    commit(&env);
    env.write("roadmap/small.yaml", format!("{PLAN}itms: []\n"));
    let ran = env.run(&["roadmap", "diff", "HEAD"]);
    assert!(ran.code == 3 && ran.stderr.contains("roadmap/small.yaml:11:1"), "{ran}");
    commit(&env);
    let ran = env.run(&["roadmap", "diff", "HEAD~1..HEAD"]);
    assert!(ran.code == 3 && ran.stderr.contains(":roadmap/small.yaml:11:1"), "{ran}");
    for (args, code) in [(["HEAD", "nowhere.yaml"], 3), (["nowhere..HEAD", "roadmap/small.yaml"], 2)] {
        let ran = env.run(&[&["roadmap", "diff"], &args[..]].concat());
        assert_eq!(ran.code, code, "{ran}");
    }
    let bare = TestEnv::new();
    assert_eq!(bare.run(&["roadmap", "diff", "HEAD"]).code, 6);
}
