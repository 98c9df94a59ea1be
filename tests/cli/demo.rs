//! `bizra demo`: every step of the loop ends with the code that it is there to show.

use crate::harness::TestEnv;
use crate::said::json;

#[test]
fn each_step_ends_as_the_tutorial_says() {
    let env = TestEnv::new();
    let ran = env.process(&["demo", "--json"]);
    let document = json(&ran);
    let steps = document["result"]["steps"].as_array().expect("steps");
    for step in steps {
        assert_eq!(step["exit"], step["expected"], "{}\n{}", step["command"], step["said"].as_str().unwrap_or(""));
    }
    assert_eq!((ran.code, steps.len() as u64), (0, document["result"]["of"].as_u64().expect("a number")));
    let said = |command: &str| -> String {
        let of = |step: &&serde_json::Value| step["command"].as_str().is_some_and(|c| c.starts_with(command));
        steps.iter().filter(of).filter_map(|step| step["said"].as_str()).collect()
    };
    assert!(said("bizra roadmap gate").contains("gate open, 3 of 3 criteria met"));
    assert!(said("bizra entropy --since").contains("Δ −"), "entropy falls");
    assert!(said("bizra receipts audit").contains("sig-invalid"), "the forgery is named");
    assert!(!env.home().join(".local").exists(), "nothing of the user's is touched");
}

#[test]
fn it_is_a_tutorial_and_leaves_no_folder_behind() {
    let env = TestEnv::new();
    let folder = env.work().join("tmp");
    std::fs::create_dir(&folder).expect("a folder");
    let env = env.var("TMPDIR", &folder.display().to_string());
    let ran = env.process(&["demo"]);
    assert_eq!(ran.code, 0, "{ran}");
    for shown in ["\n$ bizra init\n", "\n$ bizra roadmap gate\n", "steps ended as expected"] {
        assert!(ran.stdout.contains(shown), "{shown}: {ran}");
    }
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 0, "the stage is struck");
    assert_eq!(env.process(&["demo", "--keep", "--quiet"]).code, 0);
    let kept: Vec<_> = std::fs::read_dir(&folder).expect("the folder").flatten().collect();
    assert!(kept.len() == 1 && kept[0].path().join("project/roadmap/first.yaml").is_file(), "{kept:?}");
}
