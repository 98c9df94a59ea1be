//! Every lint rule, by its page: the page's example fires, and the way to settle it is silent.

use std::path::Path;

use serde_json::Value;

use crate::harness::TestEnv;

fn examples(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn found(env: &TestEnv, plan: &str) -> (i32, Value) {
    env.write("plan.yaml", plan);
    let ran = env.run(&["roadmap", "lint", "plan.yaml", "--json"]);
    let document = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert!(ran.code == 0 || ran.code == 1, "{plan}\n{ran}");
    (ran.code, document)
}

#[test]
fn each_page_fires_and_settles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let env = TestEnv::new();
    let mut pages = 0;
    for entry in std::fs::read_dir(folder).expect("the pages") {
        let path = entry.expect("an entry").path();
        let code = path.file_stem().and_then(|s| s.to_str()).expect("a UTF-8 name").to_owned();
        let page = std::fs::read_to_string(&path).expect("a page");
        for heading in ["## What it finds", "## Why it matters", "## Example", "## How to settle it"] {
            assert!(page.contains(heading), "{code} has no “{heading}”");
        }
        let [wrong, right] = examples(&page)[..] else { panic!("{code} needs two examples") };
        let (_, document) = found(&env, wrong);
        let hits: Vec<&Value> = document["result"]["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|f| f["code"] == code.as_str())
            .collect();
        assert!(!hits.is_empty(), "{code} is silent on its own example: {document}");
        for hit in hits {
            assert!(hit["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{code} says no way out");
            let severity = page.lines().find_map(|l| l.strip_prefix("Severity: ")).expect("a severity");
            assert_eq!(hit["severity"], severity, "{code}");
        }
        let (_, document) = found(&env, right);
        assert_eq!(document["result"]["by_rule"][&code], Value::Null, "{code} fires where it is settled: {document}");
        pages += 1;
    }
    env.write("plan.yaml", "bizra: roadmap/v1\nid: x\ntitle: X\ntimezone: UTC\n");
    let ran = env.run(&["roadmap", "lint", "plan.yaml", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&ran.stdout).expect("SARIF is JSON");
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), pages, "every rule has a page, and every page a rule");
}
