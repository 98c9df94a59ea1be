//! `bizra sprint`: which sprint is meant, what its reports say, and the way from no-go to go.

use crate::harness::TestEnv;
use crate::said::{json, told};

const SMALL: &str = "\
bizra: sprint/v1
id: small
title: \"A small \\u202Esprint\"
timezone: America/New_York
calendar: {start: 2026-01-30, target: 2026-02-03, workdays: [monday, tuesday, wednesday, thursday, friday]}
people: [{id: ada}, {id: bob, capacity: 4}]
items:
  - {id: A1, name: 'Write | it', lead: ada, window: 1-1, effort: [{hours: 6, for: all}], evidence: {file: {path: docs/a.md}}}
  - {id: A2, name: Check it, lead: ada, window: 2-3, effort: [{hours: 2, for: all}], needs: [{item: A1}], evidence: {file: {path: docs/b.md}}}
days:
  - {n: 1, work: [{who: [ada], hours: 6, item: A1, text: write}], progress: [{item: A1, percent: 100}]}
  - {n: 2, work: [{who: [bob], hours: 5, item: A2, text: check}], progress: [{item: A2, percent: 50}], counts: {complete: 1}}
metrics: [{id: speed, name: Speed, target: {value: 35, unit: tok/s}, current: {value: 8.63, unit: tok/s}}]
risks: [{name: Late, level: HIGH, mitigation: Begin, affects: [A2]}, {name: Odd}]
blockers: [{name: No key, blocks: [A2]}]
approvals:
  average: {value: 9, of: 10}
  members:
    - {who: ann, role: review, min: {value: 9, of: 10}}
    - {who: eve, role: tests, min: {value: 8, of: 10}}
go_no_go: {day: 3, criteria: [{id: written, covers: [A1], evidence: {file: {path: docs/a.md}}}]}
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("sprints/small.yaml", SMALL.replace("who: ann", "who: ada").replace("who: eve", "who: bob"));
    env
}

fn other(id: &str, start: &str, target: &str) -> String {
    format!("bizra: sprint/v1\nid: {id}\ntitle: T\ntimezone: UTC\ncalendar: {{start: {start}, target: {target}}}\n")
}

#[test]
fn the_sprint_is_the_named_the_active_or_the_only_one() {
    let env = env();
    let day =
        |args: &[&str]| json(&env.run(&[&["sprint", "status", "--json"], args].concat()))["result"]["sprint"].clone();
    assert_eq!(day(&[])["id"], "small");
    assert_eq!(day(&["--now", "2030-01-01"])["id"], "small", "the only one");
    env.write("sprints/later.yaml", other("later", "2026-03-01", "2026-03-05"));
    assert_eq!(day(&["--now", "2026-03-02"])["id"], "later");
    assert_eq!(day(&["--now", "2026-03-02", "--sprint", "small"])["position"], "after");
    assert_eq!(day(&["--sprint", "sprints/later.yaml"])["position"], "before");
    let none = env.run(&["sprint", "status", "--now", "2027-01-01"]);
    assert!(none.code == 2 && none.stderr.contains("later (2026-03-01 to 2026-03-05), small ("), "{none}");

    env.write("sprints/over.yaml", other("over", "2026-02-02", "2026-02-20"));
    let two = env.run(&["sprint", "next", "--now", "2026-02-02T12:00:00Z"]);
    assert!(two.code == 2 && two.stderr.contains("2 sprints are active on 2026-02-02 and overlap"), "{two}");
    assert!(two.stderr.contains("over (") && two.stderr.contains("small ("), "{two}");
    let one = env.run(&["sprint", "status", "--sprint", "small"]);
    assert!(one.code == 0 && one.stderr.contains("small and over overlap from 2026-02-02 to 2026-02-03"), "{one}");

    let near = env.run(&["sprint", "status", "--sprint", "smal"]);
    assert!(near.code == 2 && near.stderr.contains("did you mean `small`?"), "{near}");
    assert_eq!(env.run(&["sprint", "status", "--sprint", "sprints/nothing.yaml"]).code, 3);
    env.write("sprints/broken.yaml", "bizra: sprint/v1\nid: [\n");
    let broken = env.run(&["sprint", "status"]);
    assert!(broken.code == 3 && broken.stderr.contains("sprints/broken.yaml"), "it may be the active one: {broken}");
    let named = env.run(&["sprint", "status", "--sprint", "small"]);
    assert!(named.code == 0 && named.stderr.contains("another sprint can't be read"), "{named}");
}

#[test]
fn days_begin_in_the_zone_of_the_sprint() {
    let env = env();
    let day = |now: &str| {
        let said = json(&env.run(&["sprint", "status", "--json", "--now", now]));
        let sprint = &said["result"]["sprint"];
        format!("{} {} {}", sprint["today"].as_str().unwrap(), sprint["position"].as_str().unwrap(), sprint["day"])
    };
    assert_eq!(day("2026-02-02T04:59:59Z"), "2026-02-01 between 1");
    assert_eq!(day("2026-02-02T05:00:00Z"), "2026-02-02 day 2");
    assert_eq!(day("2026-02-02"), "2026-02-02 day 2", "a bare date is one of the sprint's own");
    assert_eq!(day("2026-02-03"), "2026-02-03 day 3");
}

#[test]
fn reports_as_people_see_them() {
    let mut env = env();
    env.write("docs/a.md", "text");
    env.at("2026-02-02T15:00:00Z");
    insta::assert_snapshot!(told(
        &env,
        &[
            &["sprint", "status"],
            &["sprint", "next"],
            &["sprint", "day"],
            &["sprint", "metrics"],
            &["sprint", "risks"],
            &["sprint", "status", "--format", "md"],
        ]
    ));
    for args in [&["sprint", "status"][..], &["sprint", "next"], &["sprint", "day", "1"], &["sprint", "risks"]] {
        for line in env.run(args).stdout.lines() {
            assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line}");
        }
    }
}

#[test]
fn narrow_terminals_can_be_read() {
    let mut env = env().terminal(40).var("NO_COLOR", "1");
    env.at("2026-02-02T15:00:00Z");
    let ran = env.run(&["sprint", "status"]);
    insta::assert_snapshot!(ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 40), "{ran}");
}

#[test]
fn pictures_are_written_and_questions_without_answer_say_so() {
    let env = env();
    assert_eq!(env.run(&["sprint", "status", "--svg", "burn.svg"]).code, 0);
    let svg = std::fs::read_to_string(env.work().join("burn.svg")).expect("it was written");
    assert!(
        svg.starts_with("<svg ") && svg.contains(">proven</text>") && !svg.contains("http://www.w3.org/1999"),
        "{svg}"
    );
    let day = env.run(&["sprint", "day", "9"]);
    assert!(day.code == 2 && day.stderr.contains("its days are 1 to 3"), "{day}");
    let who = env.run(&["sprint", "next", "--who", "abda"]);
    assert!(who.code == 2 && who.stderr.contains("did you mean `ada`?"), "{who}");
    env.write("sprints/small.yaml", "bizra: sprint/v1\nid: bare\ntitle: T\ntimezone: UTC\n");
    for command in ["metrics", "risks", "next"] {
        assert_eq!(env.run(&["sprint", command]).code, 4, "{command}: nothing is no yes");
    }
    assert_eq!(env.run(&["sprint", "gonogo"]).code, 3, "there is nothing to decide");
    assert_eq!(env.run(&["sprint", "status"]).code, 0);
    assert_eq!(env.run(&["sprint", "status", "--svg", "burn.svg"]).code, 4);
}

#[test]
fn lint_looks_at_sprints_only() {
    let env = env();
    env.write("roadmap/broken.yaml", "no plan");
    let ran = env.run(&["sprint", "lint", "--json"]);
    assert_eq!(json(&ran)["result"]["plans"], serde_json::json!(["sprints/small.yaml"]), "{ran}");
    let same = env.run(&["roadmap", "lint", "sprints/small.yaml", "--json"]);
    assert_eq!(json(&ran)["result"], json(&same)["result"]);
    env.write("plan.yaml", "bizra: roadmap/v1\nid: r\ntitle: T\ntimezone: UTC\n");
    let roadmap = env.run(&["sprint", "lint", "plan.yaml"]);
    assert!(roadmap.code == 3 && roadmap.stderr.contains("this is roadmap/v1, and a sprint is needed"), "{roadmap}");
    std::fs::remove_file(env.work().join("sprints/small.yaml")).expect("it was there");
    assert_eq!(env.run(&["sprint", "lint"]).code, 3, "nothing to check is no yes");
}

/// A second person on this machine: another home, so another key.
fn as_somebody_else(env: &mut TestEnv) -> String {
    let home = env.work().join(".git/elsewhere");
    std::fs::create_dir_all(&home).expect("a home");
    env.set("HOME", &home.display().to_string());
    env.run(&["keys", "init"]);
    env.run(&["keys", "show", "--openssh"]).stdout.trim().to_owned()
}

#[test]
fn from_no_go_to_go() {
    let mut env = env();
    env.write("sprints/small.yaml", SMALL);
    let gonogo = |env: &TestEnv, more: &[&str]| env.run(&[&["sprint", "gonogo"], more].concat());
    let ran = gonogo(&env, &[]);
    assert_eq!(ran.code, 3, "ann and eve are nobody: {ran}");
    env.write("sprints/small.yaml", SMALL.replace("{id: ada}, ", "{id: ada}, {id: ann}, {id: eve}, "));
    env.write("docs/a.md", "text");
    let no = gonogo(&env, &["--json"]);
    assert_eq!(no.code, 1, "a blocker is open: {no}");
    assert_eq!(json(&no)["result"]["decision"], "no-go");
    assert!(json(&no)["receipt"].is_string(), "a no-go is a receipt: {no}");

    env.write("docs/b.md", "text");
    let ran = gonogo(&env, &["--explain"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stdout.contains("bizra attest --role review --score 9 --criterion small/go_no_go"), "{ran}");
    assert_eq!(
        env.run(&["receipts", "list", "--json"]).stdout.matches("gate-decision").count(),
        1,
        "nothing was decided"
    );

    let first_home = env.home().display().to_string();
    let theirs = as_somebody_else(&mut env);
    env.set("HOME", &first_home);
    env.run(&["trust", "init", "--name", "ann", "--role", "review", "--role", "tests"]);
    assert_eq!(env.run(&["trust", "add", &theirs, "--name", "eve", "--role", "tests"]).code, 0);
    let attest = |env: &TestEnv, role: &str, score: &str| {
        let ran = env.run(&["attest", "--role", role, "--score", score, "--criterion", "small/go_no_go"]);
        assert_eq!(ran.code, 0, "{ran}");
    };
    attest(&env, "review", "9.5");
    attest(&env, "tests", "9.5");
    let one_key = gonogo(&env, &[]);
    assert!(one_key.code == 4 && one_key.stdout.contains("already speaks for another role"), "{one_key}");

    as_somebody_else(&mut env);
    attest(&env, "tests", "8");
    env.set("HOME", &first_home);
    let low = gonogo(&env, &["--dry-run"]);
    assert_eq!(low.code, 1, "{low}");
    let go = gonogo(&env, &["--json"]);
    assert_eq!(go.code, 1, "the average of 9.5 and 8 is below 9: {go}");
    as_somebody_else(&mut env);
    attest(&env, "tests", "9");
    env.set("HOME", &first_home);
    let go = gonogo(&env, &["--json"]);
    assert_eq!(go.code, 0, "{go}");
    let id = json(&go)["receipt"].as_str().expect("a go is a receipt").to_owned();
    let again = env.run(&["receipts", "replay", &id]);
    assert!(again.code == 0 && again.stdout.contains("the go/no-go of small is met"), "{again}");

    let plan = std::fs::read_to_string(env.work().join("sprints/small.yaml")).expect("the plan");
    env.write("sprints/small.yaml", plan.replace("role: tests, min: {value: 8", "role: tests, min: {value: 7"));
    let stale = gonogo(&env, &["--format", "md"]);
    assert!(stale.code == 4 && stale.stdout.contains("pending: stale"), "what they approved has changed: {stale}");
    assert_eq!(env.run(&["receipts", "replay", &id]).code, 4, "and so has the plan that was decided");
    let junit = gonogo(&env, &["--format", "junit", "--dry-run"]);
    assert!(junit.stdout.contains("<testsuite name=\"small/go_no_go\""), "{junit}");
    let github = gonogo(&env, &["--format", "github", "--dry-run"]);
    assert!(github.stdout.contains("::notice title=gate::small: undecided"), "{github}");
}
