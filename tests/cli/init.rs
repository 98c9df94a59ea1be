//! `bizra init`: from an empty folder to the first gate, and once more over what is there.

use crate::harness::TestEnv;
use crate::said::{json, told};

#[test]
fn an_empty_folder_becomes_a_project_whose_gate_says_what_is_missing() {
    let env = TestEnv::new();
    insta::assert_snapshot!(told(&env, &[&["init"], &["init"]]));
    for (command, code) in [
        (&["roadmap", "lint"][..], 0),
        (&["roadmap", "gate"], 4),
        (&["roadmap", "next"], 0),
        (&["roadmap", "forecast"], 0),
        (&["roadmap", "graph"], 0),
        (&["sprint", "standup"], 0),
        (&["sprint", "status"], 0),
        (&["sprint", "lint"], 0),
        (&["trust", "check"], 0),
        (&["receipts", "audit"], 0),
    ] {
        let ran = env.run(command);
        assert_eq!(ran.code, code, "bizra {}: {ran}", command.join(" "));
    }
}

#[test]
fn the_gate_of_the_first_plan_opens_on_what_it_asks_for() {
    let env = TestEnv::new();
    env.fixture("tiny.gguf");
    assert_eq!(env.run(&["init"]).code, 0);
    env.write("README.md", "# A project\n\nIt shows that a gate opens on evidence.\n");
    assert_eq!(env.run(&["infer", "-m", "tiny.gguf", "-n", "4", "Hello"]).code, 0);
    assert_eq!(env.run(&["roadmap", "gate"]).code, 4);
    assert_eq!(env.run(&["attest", "--role", "lead", "--score", "9", "--criterion", "first/reviewed"]).code, 0);
    let gate = env.run(&["roadmap", "gate"]);
    assert_eq!(gate.code, 0, "{gate}");
}

#[test]
fn what_stands_where_a_file_belongs_and_is_none_is_refused_before_anything_is_made() {
    for path in ["ci/bizra.sh", "bizra-trust.json", "sprints/sprint-1.yaml"] {
        let env = TestEnv::new();
        std::fs::create_dir_all(env.work().join(path)).expect("a folder");
        let ran = env.run(&["init"]);
        assert_eq!((ran.code, ran.stderr.contains(path)), (3, true), "{ran}");
        assert!(!env.work().join(".git").exists() && !env.work().join("roadmap").exists(), "{path}");
    }
    let env = TestEnv::new();
    env.write("roadmap", "no folder\n");
    let ran = env.run(&["init"]);
    assert_eq!((ran.code, ran.stderr.contains("roadmap: it is in the way of a folder")), (3, true), "{ran}");
    assert!(!env.work().join(".git").exists());
    #[cfg(unix)]
    {
        let env = TestEnv::new();
        let link = env.work().join("bizra-trust.json");
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        assert_eq!(env.run(&["init"]).code, 3);
        assert!(link.symlink_metadata().expect("it stays").is_symlink());
    }
}

#[test]
fn what_is_there_is_kept_byte_for_byte() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let plan = "bizra: roadmap/v1\nid: mine\ntitle: Mine\ntimezone: UTC\n";
    env.write("roadmap/mine.yml", plan);
    env.write("ci/bizra.sh", "exit 0\n");
    let below = env.work().join("src");
    std::fs::create_dir(&below).expect("a folder");
    let ran = env.run_in(below, &["init", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let document = json(&ran);
    let made: Vec<&str> = document["result"]["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter(|file| file["made"] == true)
        .filter_map(|file| file["path"].as_str())
        .collect();
    assert_eq!(made, ["sprints/sprint-1.yaml", "bizra-trust.json"]);
    let read = |path: &str| std::fs::read_to_string(env.work().join(path)).expect("a file");
    assert_eq!((read("roadmap/mine.yml").as_str(), read("ci/bizra.sh").as_str()), (plan, "exit 0\n"));
    assert!(!env.work().join("roadmap/first.yaml").exists(), "a project with a plan gets no other");
    assert!(document["receipt"].is_string(), "making a policy is a claim");
}

#[test]
fn days_are_those_of_the_zone() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["init", "--tz", "Pacific/Kiritimati", "--now", "2026-02-01T20:00:00Z"]).code, 0);
    let sprint = std::fs::read_to_string(env.work().join("sprints/sprint-1.yaml")).expect("the sprint");
    assert!(sprint.contains("timezone: Pacific/Kiritimati"), "{sprint}");
    assert!(sprint.contains("{start: 2026-02-02, target: 2026-02-08}"), "{sprint}");
}

#[test]
fn where_it_can_not_begin_it_says_why() {
    let bare = TestEnv::new();
    bare.git(&["init", "-q", "--bare"]);
    let homeless = TestEnv::new().without("HOME").without("USERPROFILE");
    let blocked = TestEnv::new();
    blocked.write("roadmap", "a file where a folder is needed\n");
    let said = [&bare, &homeless, &blocked].map(|env| told(env, &[&["init"]]));
    assert!(!homeless.work().join("roadmap").exists(), "who can't sign gets no half project");
    insta::assert_snapshot!(said.join("\n"));
}
