//! `bizra roadmap status`, `next` and `graph`: what users see, on wide and narrow terminals, in other formats and by
//! refusal.

use serde_json::Value;

use crate::harness::TestEnv;

const PLAN: &str = r#"bizra: roadmap/v1
id: small
title: A small plan
timezone: UTC
vocab: {status: {pending: {class: todo}, active: {class: doing}, blocked: {class: blocked}, done: {class: done}}}
people: [{id: ana}, {id: bo}]
phases:
  - id: first
    gate:
      criteria:
        - {id: base, covers: [BASE], evidence: {file: {path: docs/base.md}}}
        - {id: told, covers: [TOLD], evidence: {file: {path: docs/told.md}}}
    packages:
      - {id: BASE, name: The base, priority: P1, hours: 4, category: code, status: done, owners: [ana]}
      - {id: TOLD, name: Only told, priority: P2, hours: 0.1, category: code, status: done, owners: [bo]}
      - {id: ROOF, name: The roof, priority: P2, hours: 8.2, needs: [BASE], owners: [ana, bo], status: active}
      - {id: PAINT, name: "Paint | it \"الرسالة\" 🎨", priority: P1, hours: 2, needs: [TOLD], category: look}
  - id: second
    packages:
      - {id: PARTY, name: end, hours: 1, needs: [ROOF, PAINT]}
      - {id: SONG, name: Song, priority: P0, status: blocked, status_note: nobody can sing}
      - {id: CAKE, name: Cake, priority: P3, hours: 1}
blockers: [{name: Oven, text: it is broken, blocks: [CAKE]}]
"#;

fn env() -> TestEnv {
    with(TestEnv::new())
}

fn with(env: TestEnv) -> TestEnv {
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", PLAN);
    env.write("docs/base.md", "base");
    env
}

fn result(env: &TestEnv, args: &[&str]) -> Value {
    let ran = env.run(&[args, &["--json"]].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"));
    document["result"].clone()
}

#[test]
fn status_tells_claims_and_proofs_apart() {
    let every = ["roadmap", "status", "--by", "phase", "--by", "category", "--by", "priority", "--by", "owner"];
    insta::assert_snapshot!(env().run(&every));
    insta::assert_snapshot!(with(TestEnv::new().terminal(40)).run(&[&every[..], &["--color", "never"]].concat()));
    insta::assert_snapshot!(env().run(&["roadmap", "status", "--format", "md"]));
    let all = result(&env(), &["roadmap", "status"]);
    let whole = &all["plans"][0]["whole"];
    assert_eq!(whole["all"], serde_json::json!({ "works": 7, "hours": "16.3" }));
    assert_eq!(whole["claimed_unproven"], serde_json::json!({ "works": 1, "hours": "0.1" }));
    assert_eq!(all["plans"][0]["by"]["phase"][0]["gate"]["outcome"], "pending");
    assert_eq!(all["plans"][0]["by"]["owner"][2]["name"], Value::Null);
}

#[test]
fn status_changes_with_evidence_and_never_with_words() {
    let env = env();
    let proven = |env: &TestEnv| result(env, &["roadmap", "status"])["plans"][0]["whole"]["proven"]["hours"].clone();
    assert_eq!(proven(&env), "4");
    env.write("roadmap/small.yaml", PLAN.replace("status: active", "status: done"));
    assert_eq!(proven(&env), "4");
    env.write("docs/told.md", "told");
    assert_eq!(proven(&env), "4.1");
    env.write("docs/base.md", "");
    let whole = result(&env, &["roadmap", "status"])["plans"][0]["whole"].clone();
    assert_eq!((&whole["proven"]["hours"], &whole["claimed_disproved"]["works"]), (&"0.1".into(), &1.into()));
}

#[test]
fn no_line_of_a_view_is_wider_than_the_terminal() {
    use unicode_width::UnicodeWidthStr;
    for width in [40, 80] {
        let env = with(TestEnv::new().terminal(width));
        for command in
            [&["status"][..], &["next"], &["graph"], &["status", "--by", "owner"], &["graph", "--phase", "second"]]
        {
            let ran = env.run(&[&["roadmap"], command, &["--color", "never"]].concat());
            for line in ran.stdout.lines() {
                assert!(line.width() <= width, "{width}: {line:?} of {command:?}");
            }
        }
    }
}

#[test]
fn a_sprint_of_boxes_says_that_ticks_prove_nothing() {
    let env = TestEnv::new();
    env.write(
        "sprints/s.yaml",
        "bizra: sprint/v1\nid: s\ntitle: S\ntimezone: UTC\nphases: [{id: a, days: 1-2}, {id: b, days: '3'}]\ndays:\n  - {n: 1, tasks: [{text: x, done: true}, {text: y, done: false}]}\n  - {n: 3, tasks: [{text: z, done: false}]}\n",
    );
    insta::assert_snapshot!(env.run(&["roadmap", "status"]));
    let next = env.run(&["roadmap", "next"]);
    assert_eq!(next.code, 3, "{next}");
    assert!(next.stderr.contains("neither a package nor an item"), "{next}");
    assert_eq!(env.run(&["roadmap", "graph"]).code, 3);
}

#[test]
fn next_names_what_to_do_and_what_would_unblock_the_rest() {
    let env = env();
    insta::assert_snapshot!(env.run(&["roadmap", "next"]));
    env.write("docs/told.md", "told");
    let next = result(&env, &["roadmap", "next"]);
    let ids = |list: &str| -> Vec<String> {
        let steps = next[list]["steps"].as_array().expect("a list").iter();
        steps.map(|s| s["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids("ready"), ["PAINT", "ROOF"], "P1 goes before the critical P2");
    assert!(ids("ready_on_claims").is_empty() && ids("to_prove").is_empty());
    assert_eq!(ids("blocked"), ["SONG", "CAKE", "PARTY"]);
    assert_eq!(next["proven"], 2);
}

#[test]
fn next_of_a_person_and_of_nobody() {
    let env = env();
    let bo = env.run(&["roadmap", "next", "--owner", "bo", "-n", "1"]);
    assert!(bo.code == 0 && bo.stdout.contains("ROOF") && !bo.stdout.contains("PAINT"), "{bo}");
    let nobody = env.run(&["roadmap", "next", "--owner", "anna"]);
    assert!(nobody.code == 2 && nobody.stderr.contains("did you mean `ana`?"), "{nobody}");
    assert_eq!(env.run(&["roadmap", "next", "-n", "0"]).code, 2);
    let more = env.run(&["roadmap", "next", "-n", "1"]);
    assert!(more.stdout.contains("and 2 more: -n 3"), "{more}");
}

#[test]
fn next_says_when_all_is_proven_and_when_nothing_can_be_begun() {
    let env = TestEnv::new();
    let plan = |packages: &str| {
        format!("bizra: roadmap/v1\nid: p\ntitle: P\ntimezone: UTC\nphases:\n- id: a\n  packages: [{packages}]\n")
    };
    env.write("a.md", "a");
    env.write("roadmap/p.yaml", plan("{id: A, name: A, evidence: {file: {path: a.md}}}"));
    let over = env.run(&["roadmap", "next"]);
    assert!(over.code == 0 && over.stdout.contains("all pieces of work (1) are proven"), "{over}");
    env.write("roadmap/p.yaml", plan("{id: A, name: A, status: blocked}"));
    let stuck = env.run(&["roadmap", "next"]);
    assert!(stuck.code == 4 && stuck.stderr.contains("nothing can be begun"), "{stuck}");
    env.write("roadmap/p.yaml", plan("{id: A, name: A, needs: [B]}, {id: B, name: B, needs: [A]}"));
    let cycle = env.run(&["roadmap", "next"]);
    assert!(cycle.code == 3 && cycle.stderr.contains("A needs itself: A → B → A"), "{cycle}");
    assert!(cycle.stderr.contains("roadmap/p.yaml:7:"), "{cycle}");
}

#[test]
fn parts_and_outside_needs_decide_for_items() {
    let env = TestEnv::new();
    env.write(
        "sprints/s.yaml",
        "bizra: sprint/v1\nid: s\ntitle: S\ntimezone: UTC\nitems:\n  - {id: A, name: A, window: 1-2, parts: [{id: A.1}, {id: A.2}]}\n  - {id: B, name: B, window: 3-3, needs: [{item: A.1}]}\n  - {id: C, name: C, window: 3-4, needs: [{item: A}]}\n  - {id: D, name: D, needs: [{text: a licence}]}\n  - {id: E, name: E, needs: [{text: a room, done: 2026-01-02}]}\ndays: [{n: 1, progress: [{part: A.1, percent: 100}]}]\n",
    );
    let next = result(&env, &["roadmap", "next"]);
    let ids =
        |list: &str| next[list]["steps"].as_array().map(|s| s.iter().map(|s| s["id"].clone()).collect::<Vec<_>>());
    assert_eq!(ids("ready"), Some(vec!["A".into(), "E".into()]));
    assert_eq!(ids("ready_on_claims"), Some(vec!["B".into()]));
    assert_eq!(ids("blocked"), Some(vec!["C".into(), "D".into()]));
}

#[test]
fn graphs_for_people_and_programs() {
    let env = env();
    insta::assert_snapshot!(env.run(&["roadmap", "graph"]));
    insta::assert_snapshot!(env.run(&["roadmap", "graph", "--format", "mermaid"]));
    insta::assert_snapshot!(env.run(&["roadmap", "graph", "--format", "dot", "--phase", "second"]));
    insta::assert_snapshot!(env.run(&["roadmap", "graph", "--critical"]));
    let graph = result(&env, &["roadmap", "graph"]);
    assert_eq!(graph["critical_path"], serde_json::json!(["BASE", "ROOF", "PARTY"]));
    assert_eq!(graph["length_hours"], "13.2");
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(4));
}

#[test]
fn no_word_of_a_plan_is_taken_for_syntax() {
    let env = TestEnv::new();
    env.write(
        "roadmap/p.yaml",
        r##"bizra: roadmap/v1
id: end
title: "end; subgraph x[\"a\"] & <b>"
timezone: UTC
phases:
  - id: end
    name: "subgraph end \"]; click"
    packages:
      - {id: end, name: "end", hours: 1}
      - {id: graph, name: "`m` **b** \\N \\\" -->|x| y; %% #quot; {a} (b) [c] <script>", needs: [end], hours: 2}
      - {id: o---x, name: "A\nclick n0 href \"javascript:1\"", needs: [graph]}
      - {id: مهمة, name: "الرسالة \u202E evil \u001b[2J 👩‍👩‍👧 &amp;", needs: [graph]}
"##,
    );
    let mermaid = env.run(&["roadmap", "graph", "--format", "mermaid"]).stdout;
    for line in mermaid.lines().filter(|l| l.contains("[\"")) {
        let (_, label) = line.split_once("[\"").expect("a label");
        let inside = label.strip_suffix("\"]").unwrap_or_else(|| panic!("{line}"));
        let plain = inside.replace("<br/>", " ");
        assert!(!plain.contains(['"', '`', '[', ']', '<', '>', '&', '|', '{', '*', '(']), "{line}");
    }
    assert_eq!(mermaid.lines().filter(|l| l.trim() == "end").count(), 1, "{mermaid}");
    let dot = env.run(&["roadmap", "graph", "--format", "dot"]).stdout;
    for line in dot.lines().filter(|l| l.contains("label=\"")) {
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "{line}");
        assert!(!bare.contains("\\N"), "{line}");
    }
    for text in [&mermaid, &dot, &env.run(&["roadmap", "graph"]).stdout] {
        assert!(text.contains("الرسالة") && !text.contains(['\u{202e}', '\u{1b}']), "{text}");
    }
}

#[test]
fn graphs_that_can_t_be_drawn_say_why() {
    let env = env();
    env.write("roadmap/other.yaml", "bizra: roadmap/v1\nid: o\ntitle: O\ntimezone: UTC\nphases: [{id: empty}]\n");
    let several = env.run(&["roadmap", "graph"]);
    assert!(several.code == 2 && several.stderr.contains("bizra roadmap graph roadmap/other.yaml"), "{several}");
    assert_eq!(env.run(&["roadmap", "graph", "roadmap/other.yaml"]).code, 3);
    let phase = env.run(&["roadmap", "graph", "roadmap/small.yaml", "--phase", "frist"]);
    assert!(phase.code == 2 && phase.stderr.contains("did you mean `first`?"), "{phase}");
    assert_eq!(env.run(&["roadmap", "graph", "nowhere.yaml"]).code, 3);
}

#[test]
fn a_graph_too_wide_to_draw_is_listed() {
    let env = TestEnv::new();
    let many: String = (0..20).map(|n| format!("  - {{id: S{n}, name: S, hours: 1}}\n")).collect();
    let needs: Vec<String> = (0..20).map(|n| format!("S{n}")).collect();
    env.write(
        "roadmap/p.yaml",
        format!("bizra: roadmap/v1\nid: p\ntitle: P\ntimezone: UTC\nphases:\n- id: a\n  packages:\n{many}  - {{id: T, name: T, needs: [{}]}}\n", needs.join(", ")),
    );
    let ran = env.run(&["roadmap", "graph"]);
    assert!(ran.stdout.contains("needs S0, S1, S2") && !ran.stdout.contains('│'), "{ran}");
}
