//! `bizra roadmap` and `bizra schema`.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use crate::harness::{Ran, TestEnv};

const HEAD: &str = "bizra: sprint/v1\nid: x\ntitle: X\ntimezone: UTC\n";

fn lint(text: impl AsRef<[u8]>) -> Ran {
    let env = TestEnv::new();
    env.write("plan.yaml", text);
    env.run(&["roadmap", "lint", "plan.yaml"])
}

fn refused(text: impl AsRef<[u8]>, words: &[&str]) {
    let ran = lint(&text);
    assert_eq!(ran.code, 3, "{}\n{ran}", String::from_utf8_lossy(text.as_ref()));
    for word in words {
        assert!(ran.stderr.contains(word), "no “{word}” in {ran}");
    }
}

#[test]
fn findings_have_both_places_and_both_numbers() {
    let plan = format!(
        "{HEAD}calendar: {{start: 2026-01-29, target: 2026-02-15}}\ndays:\n  - n: 17\n    status: done\n    tasks:\n      - {{text: \"Demo \\u202E day\", done: false}}\n"
    );
    insta::assert_snapshot!(lint(&plan));
    let env = TestEnv::new();
    env.write("plan.yaml", &plan);
    insta::assert_snapshot!(env.run(&["roadmap", "lint", "plan.yaml", "--format", "github"]));
    insta::assert_snapshot!(env.run(&["roadmap", "lint", "plan.yaml", "--json"]));
}

#[test]
fn refusals_name_the_place_and_the_nearest_word() {
    let plan = format!(
        "{HEAD}itms: []\nmetrics: [{{id: m, nam: M, target: {{value: NaN}}}}]\npeople: [{{id: ana, team: red}}]\n"
    );
    insta::assert_snapshot!(lint(plan));
}

#[test]
fn unknown_names_are_told_beside_other_mistakes() {
    let plan = "bizra: roadmap/v1\nid: x\ntitle: X\ntimezone: UTC\nvocab: {category: [red], oops: 1}\nphases:\n  - id: one\n    name: One\n    packages:\n      - {id: P-1, name: y, needs: [P-2, P-9], hours: soon, category: blue}\n      - {id: P-2}\n";
    let ran = lint(plan);
    for told in
        [":10:41: there is no package, item or task `P-9`", ":10:54: `soon`", ":11:9: `name` is missing", "`oops`"]
    {
        assert!(ran.stderr.contains(told), "no “{told}” in {ran}");
    }
    for guessed in ["task `P-2`", "`blue`", "task `P-1`"] {
        assert!(!ran.stderr.contains(guessed), "{guessed} in {ran}");
    }
}

#[test]
fn the_sum_says_how_many_could_not_be_read() {
    let env = TestEnv::new();
    env.write("good.yaml", HEAD);
    env.write("bad.yaml", "bizra: [");
    let ran = env.run(&["roadmap", "lint", "good.yaml", "bad.yaml", "none.yaml"]);
    assert_eq!(ran.stdout, "1 plan: 0 errors, 0 warnings, 0 notes; 2 more could not be read\n");
    let ran = env.run(&["roadmap", "lint", "bad.yaml", "none.yaml"]);
    assert_eq!(ran.stdout, "no plan was checked: 2 could not be read\n");
    let ran = env.run(&["roadmap", "lint", "bad.yaml", "good.yaml", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["result"]["unread"], serde_json::json!(["bad.yaml"]));
    assert_eq!(answer["result"]["plans"], serde_json::json!(["good.yaml"]));
}

#[test]
fn a_dash_is_standard_input() {
    let env = TestEnv::new();
    let ran = env.run_with(&["roadmap", "lint", "-"], HEAD.as_bytes());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 plan: 0 errors, 0 warnings, 0 notes\n"));
    let ran = env.run_with(&["roadmap", "lint", "-"], format!("{HEAD}itms: []\n").as_bytes());
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("standard input:5:1: unknown field `itms`"), "{ran}");
    assert_eq!(env.run_with(&["roadmap", "lint", "-"], b"").code, 3);
    assert!(env.run_with(&["roadmap", "render", "-"], HEAD.as_bytes()).stdout.starts_with("# X"));
}

#[test]
fn tabs_are_named_where_they_stand() {
    let tab = "a tab stands in the indentation";
    refused(format!("{HEAD}items:\n  - id: one\n\tname: One\n"), &["plan.yaml:7:1", tab, "spaces"]);
    refused(format!("{HEAD}items:\n  - id: one\n \t  name: One\n"), &["plan.yaml:7:2", tab, "spaces"]);
    refused(format!("{HEAD}\titems: []\n"), &["plan.yaml:5:1", tab]);
    refused(format!("{HEAD}items: [\n\t{{id: a, name: b}}\n]\n"), &["plan.yaml:6:1", tab]);
    refused(format!("{HEAD}subtitle: |\n  hi\n\thi\n"), &["plan.yaml:7:", "spaces"]);
}

#[test]
fn what_is_no_plan_is_refused_with_its_place() {
    refused(format!("{HEAD}title: Y\n"), &["plan.yaml:5:1", "stands twice"]);
    refused(format!("{HEAD}subtitle: &a x\n"), &["plan.yaml:5:", "anchor"]);
    refused(format!("{HEAD}subtitle: *a\n"), &["plan.yaml:5:"]);
    refused(format!("{HEAD}<<: {{state: x}}\n"), &["plan.yaml:5:1", "merge key"]);
    refused(format!("{HEAD}subtitle: !!binary aGk=\n"), &["plan.yaml:5:", "tag"]);
    refused(format!("{HEAD}---\n{HEAD}"), &["plan.yaml:5:1", "second document"]);
    refused(format!("{HEAD}items:\n\t- {{id: a, name: b}}\n"), &["plan.yaml:6:", "spaces"]);
    refused(b"\xff\xfeb\0i\0".as_slice(), &["UTF-16"]);
    refused(b"bizra: sprint/v1\nid: \xe9\n".as_slice(), &["plan.yaml:2:5", "0xE9", "UTF-8"]);
    refused("", &["holds nothing"]);
    refused("[]", &["plan.yaml:1:1", "map is needed"]);
    refused("bizra: sprint/v2\nid: x\ntitle: X\ntimezone: UTC\n", &["plan.yaml:1:8", "sprint/v1"]);
    refused("bizra: sprint/v1\nid: x\ntitle: X\ntimezone: Asia/Riyad\n", &["plan.yaml:4:11", "Asia/Riyadh"]);
    refused(format!("{HEAD}subtitle: yes\u{7}\n"), &["control character"]);
    refused(format!("{HEAD}title2: 1\n"), &["unknown field `title2`", "`title`"]);
    refused(format!("{HEAD}subtitle: 12\n"), &["is a number", "\"12\""]);
    refused(format!("{HEAD}calendar: {{start: 2026-02-30}}\n"), &["no date"]);
    refused(format!("{HEAD}tiers: []\n"), &["section of roadmap/v1"]);
    refused(format!("{HEAD}phases: [{{id: a, packages: [{{id: p, name: P, hours: -1}}]}}]\n"), &["less than no hours"]);
    refused(format!("{HEAD}phases: [{{id: a, packages: [{{id: p, name: P, status: dome}}]}}]\n"), &["`done`"]);
    refused(
        format!("{HEAD}items: [{{id: a, name: A}}, {{id: b, name: B, needs: [{{item: c}}]}}]\n"),
        &["no package, item or task `c`"],
    );
    refused(format!("{HEAD}definition_of_done: [{{id: a, evidence: {{all: []}}}}]\n"), &["without any evidence"]);
    refused(format!("{HEAD}definition_of_done: [{{id: a, evidence: {{reciept: {{}}}}}}]\n"), &["`receipt`"]);
    // é as one character, and as e with an accent: the same id.
    refused(format!("{HEAD}people: [{{id: \u{e9}}}, {{id: e\u{301}}}]\n"), &["second time"]);
}

#[test]
fn a_mark_and_line_ends_of_windows_are_fine() {
    let plan = format!("\u{feff}{HEAD}subtitle: الرسالة ✅\n").replace('\n', "\r\n");
    assert_eq!(lint(plan).code, 0);
}

#[test]
fn ids_are_given_once_across_files() {
    let env = TestEnv::new();
    env.write(
        "roadmap/a.yaml",
        "bizra: roadmap/v1\nid: a\ntitle: A\ntimezone: UTC\nphases: [{id: p, packages: [{id: P-1, name: X}]}]\n",
    );
    env.write(
        "roadmap/b.yaml",
        "bizra: roadmap/v1\nid: b\ntitle: B\ntimezone: UTC\nphases: [{id: p, packages: [{id: P-1, name: X}]}]\n",
    );
    let ran = env.run(&["roadmap", "lint"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("roadmap/b.yaml:5:") && ran.stderr.contains("roadmap/a.yaml:5:"), "{ran}");
}

#[test]
fn missing_files_and_empty_folders_are_no_yes() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["roadmap", "lint", "nowhere.yaml"]).code, 3);
    assert_eq!(env.run(&["roadmap", "lint"]).code, 3);
}

#[test]
fn exceptions_are_listed_with_their_reason() {
    let ran = lint(format!(
        "{HEAD}journey:\n  # bizra: allow BZ208 the way was counted from its second year\n  percent: 49\n  years: 7\n  month: 31\n"
    ));
    insta::assert_snapshot!(ran);
}

#[test]
fn bombs_and_depth_are_refused() {
    let mut bomb = String::from(HEAD);
    bomb.push_str("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for n in 0..9 {
        bomb.push_str(&format!("b{n}: &b{n} [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"));
    }
    // An anchor that nothing uses yet, so that no alias is ever expanded.
    let laughs: String = (1..40).map(|n| format!("b{n}: &b{n} [*b{}, *b{}]\n", n - 1, n - 1)).collect();
    let deep = format!("{HEAD}x: {}", "[".repeat(200_000));
    let maps = format!("{HEAD}x: {}", "{a: ".repeat(200_000));
    let blocks: String = (0..5_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let dashes = format!("{HEAD}x:\n  {}1\n", "- ".repeat(100_000));
    let evidence = format!("{HEAD}definition_of_done: [{{id: a, evidence: {}}}]\n", "{not: ".repeat(100_000));
    refused(bomb, &["plan.yaml:5:", "anchor"]);
    refused(format!("{HEAD}b0: &b0 x\n{laughs}"), &["plan.yaml:5:", "anchor"]);
    for text in [deep, maps, format!("{HEAD}{blocks}"), dashes, evidence] {
        refused(text, &["plan.yaml:", "nest"]);
    }
    let wide = format!("{HEAD}subtitle: {}\n", "x".repeat(2_000_000));
    assert_eq!(lint(wide).code, 0);
}

#[test]
fn a_roadmap_comes_back_line_for_line() {
    let markdown = "# A ROADMAP\n\n**Generated:** 2026-01-29T07:37:13+00:00\n**Total Effort:** 9.5 hours\n**Current Phase:** FIRST\n\n## Effort Distribution\n\n### By Phase\n\n| Phase | Hours |\n|-------|-------|\n| first | 5.5 |\n| second | 4 |\n\n### By Category\n\n| Category | Hours |\n|----------|-------|\n| security | 9.5 |\n\n---\n\n## Phase: FIRST\n\n### Gate Criteria\n\n- [ ] it_works\n- [x] it is written\n\n### Work Packages\n\n| ID | Name | Priority | Hours | Status |\n|----|------|----------|-------|--------|\n| F-SEC-001 | Lock: the \\| doors | P1 | 5.5h | ✅ |\n\n---\n\n## Phase: SECOND\n\n### Gate Criteria\n\n- [ ] done\n\n### Work Packages\n\n| ID | Name | Priority | Hours | Status |\n|----|------|----------|-------|--------|\n| S-SEC-001 | Define Ihsān | P2 | 4h | ⏳ |\n\n---\n";
    let env = TestEnv::new();
    env.write("a.md", markdown);
    let yaml = env.run(&["roadmap", "import", "a.md"]);
    assert_eq!(yaml.code, 0, "{yaml}");
    env.write("a.yaml", &yaml.stdout);
    assert_eq!(env.run(&["roadmap", "lint", "a.yaml"]).code, 0, "right sums get no finding");
    let back = env.run(&["roadmap", "render", "a.yaml"]);
    assert_eq!(back.stdout, markdown, "{}", yaml.stdout);
}

#[test]
fn damaged_text_is_refused_until_repair_is_asked_for() {
    let env = TestEnv::new();
    env.write("a.md", "# Plan\n\n- ‚úÖ done\n");
    let ran = env.run(&["roadmap", "import", "a.md"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stderr.contains("a.md:3:1") && ran.stderr.contains("- ✅ done") && ran.stderr.contains("--repair"),
        "{ran}"
    );
    let ran = env.run(&["roadmap", "import", "a.md", "--repair"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("✅ done") && ran.stderr.contains("repaired a.md:3"), "{ran}");
}

#[test]
fn an_unknown_shape_loses_nothing() {
    let markdown = "---\ncategory: Reports\n---\n# T\n\n**Start:** 2026-01-29\n\n| Metric | Target |\n|---|---|\n| الرسالة | 35 tok/s |\n\n## Day 1\n\n- [x] one (8.63 tok/s)\n  - nested: \"quoted\" # not a comment\n- [ ] two\n\n1. first\n2. second\n\n```bash\ncd /tmp | cat\n```\n\nplain *text* & more\n";
    let env = TestEnv::new();
    env.write("a.md", markdown);
    let yaml = env.run(&["roadmap", "import", "a.md"]);
    assert_eq!(yaml.code, 0, "{yaml}");
    env.write("a.yaml", &yaml.stdout);
    let back = env.run(&["roadmap", "render", "a.yaml"]).stdout;
    for line in markdown.lines().filter(|l| !l.starts_with("|---")) {
        assert!(back.contains(line.trim()), "“{line}” is lost:\n{back}");
    }
}

#[test]
fn a_plan_that_lost_a_fact_does_not_conform() {
    let document = "# A sprint\n\n- [x] one (8.63 tok/s)\n\n| Metric | Target |\n|---|---|\n| Speed | 35 |\n";
    let plan = |metric: &str| {
        format!(
            "{HEAD}days: [{{n: 1, tasks: [{{text: one, done: true, note: 8.63 tok/s}}]}}]\nmetrics: [{{id: m, name: Speed, target: {{value: {metric}}}}}]\n"
        )
    };
    let failed = |plan: String| {
        let cases = bizra::sys::plans::conform(document.as_bytes(), plan.as_bytes());
        cases.into_iter().filter(|(_, outcome)| outcome.is_err()).map(|(case, _)| case).collect::<Vec<_>>()
    };
    assert_eq!(failed(plan("35")), Vec::<&str>::new());
    assert_eq!(failed(plan("36")), ["the plan keeps every fact"]);
    assert_eq!(failed(plan("35").replace("true", "false")), ["the plan keeps every fact"]);
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    let env = TestEnv::new();
    for (kind, has, lacks) in [("roadmap", "tiers", "days"), ("sprint", "days", "tiers")] {
        let ran = env.run(&["schema", kind]);
        let schema: Value = serde_json::from_str(&ran.stdout).expect("a JSON Schema");
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["properties"][has].is_object() && schema["properties"][lacks].is_null());
        assert_eq!(schema["required"], serde_json::json!(["bizra", "id", "title", "timezone"]));
        // Every reference leads somewhere.
        let text = ran.stdout.as_str();
        for name in text.split("\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(schema["$defs"][name].is_object(), "no definition of {name}");
        }
        // What the schema offers, the reader takes: an empty value is refused for itself, never as an unknown field.
        for field in schema["properties"].as_object().expect("fields").keys().filter(|k| *k != "bizra") {
            env.write("plan.yaml", format!("bizra: {kind}/v1\n{field}: \n"));
            let ran = env.run(&["roadmap", "lint", "plan.yaml"]);
            assert!(!ran.stderr.contains("unknown field") && !ran.stderr.contains("section of"), "{field}: {ran}");
        }
    }
}

#[test]
fn the_schemas_that_plans_point_editors_to_are_the_ones_printed() {
    for kind in ["roadmap", "sprint"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{kind}.schema.json"));
        let committed = std::fs::read_to_string(path).expect("the schema");
        let printed = TestEnv::new().run(&["schema", kind]).stdout;
        assert_eq!(committed, printed, "run `bizra schema {kind} > docs/schema/{kind}.schema.json`");
    }
}

#[test]
fn large_plans_are_linted_in_a_moment() {
    let mut plan =
        String::from("bizra: roadmap/v1\nid: x\ntitle: X\ntimezone: UTC\nphases:\n  - id: p\n    packages:\n");
    for n in 0..5_000 {
        let need = if n > 0 { format!(", needs: [P-{}]", n - 1) } else { String::new() };
        plan += &format!("      - {{id: P-{n}, name: Package {n}, priority: P1, hours: 0.1, status: pending{need}}}\n");
    }
    plan += "checks: [{id: total, expr: sum(package.hours), equals: 500}]\n";
    assert_eq!(lint(plan).code, 0);
}

#[test]
fn the_plans_of_this_repository_are_valid_and_their_contradictions_are_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let env = TestEnv::new();
    for path in ["roadmap/omega.yaml", "roadmap/stratified.yaml", "sprints/flywheel.yaml", "sprints/phase6.yaml"] {
        env.write(path, std::fs::read(root.join(path)).expect("the plan"));
    }
    let ran = env.run(&["roadmap", "lint", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let findings = document["result"]["findings"].as_array().expect("findings");
    let of = |file: &str| -> Vec<&str> {
        let mut codes: Vec<&str> =
            findings.iter().filter(|f| f["at"]["file"] == file).filter_map(|f| f["code"].as_str()).collect();
        codes.dedup();
        codes
    };
    assert!(!of("roadmap/omega.yaml").iter().any(|c| c.starts_with("BZ2")), "its sums are right");
    let expected = |file: &str, codes: &[&str]| {
        let found = of(file);
        for code in codes {
            assert!(found.contains(code), "{file}: {code} is not among {found:?}");
        }
    };
    expected("sprints/flywheel.yaml", &["BZ101", "BZ104", "BZ208", "BZ302", "BZ406", "BZ603"]);
    expected("roadmap/stratified.yaml", &["BZ102", "BZ103", "BZ105", "BZ305", "BZ308", "BZ407"]);
    expected(
        "sprints/phase6.yaml",
        &[
            "BZ105", "BZ202", "BZ204", "BZ205", "BZ206", "BZ207", "BZ301", "BZ303", "BZ304", "BZ306", "BZ307", "BZ309",
            "BZ401", "BZ402", "BZ404", "BZ405", "BZ501", "BZ502", "BZ503", "BZ504", "BZ505", "BZ506", "BZ507", "BZ508",
            "BZ601", "BZ602", "BZ605", "BZ606", "BZ704", "BZ801", "BZ802",
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = bizra::sys::plans::read(Path::new("x"), &bytes);
    }

    #[test]
    fn no_mutation_of_a_plan_panics(cut in 0usize..6000, byte in any::<u8>(), removed in 0usize..40) {
        let mut bytes = include_bytes!("../../sprints/flywheel.yaml").to_vec();
        let cut = cut % bytes.len();
        let end = (cut + removed).min(bytes.len());
        bytes.splice(cut..end, [byte]);
        if let Ok(loaded) = bizra::sys::plans::read(Path::new("x"), &bytes) {
            let rules: Vec<_> = bizra::roadmap::RULES.iter().chain(bizra::sprint::RULES).copied().collect();
            let linted = bizra::plan::Linted::new(&loaded.plan, &loaded.source);
            bizra::plan::lint::run(&linted, &loaded.tree.comments, &rules);
            bizra::roadmap::render::markdown(&loaded.plan, &loaded.tree);
        }
    }
}
