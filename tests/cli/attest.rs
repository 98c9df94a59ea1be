//! `bizra attest`.

use crate::harness::TestEnv;
use crate::said::{json, receipt_of, told};

const WORD: &[&str] = &["attest", "--role", "lead", "--statement", "It holds."];

fn repository() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env
}

#[test]
fn the_first_word_makes_a_key_and_says_so_once() {
    insta::assert_snapshot!(told(&repository(), &[WORD, WORD, &["receipts", "list"]]));
}

#[test]
fn subjects_are_named_from_the_repository_and_never_by_the_machine() {
    let env = repository();
    env.write("docs/security.md", "all is well\n");
    env.write("a\\b", "a name with a backslash\n");
    std::fs::write(env.home().join("notes.txt"), "outside\n").expect("written");
    let score = ["attest", "--role", "security-reviewer", "--score", "9.50", "--subject"];
    insta::assert_snapshot!(told(
        &env,
        &[
            &[&score[..], &["docs/security.md"]].concat(),
            &[&score[..], &["docs/../docs/security.md"]].concat(),
            &[&score[..], &["../home/notes.txt", "--subject", "a\\b"]].concat(),
        ]
    ));
    let from_below = env.run_in(env.work().join("docs"), &[&score[..], &["security.md", "--json"]].concat());
    let subjects = &json(&from_below)["result"]["subjects"];
    assert_eq!(subjects[0]["name"], "docs/security.md");
    let digest = "0ac6e4ef2a10d8cd5a2ac0ec15b3b5b8d7b4ff5c4e20a9dd8de8b0dc1e3c9b1a";
    assert_eq!(subjects[0]["sha256"].as_str().map(str::len), Some(digest.len()));
}

#[test]
fn what_can_not_be_said_leaves_nothing() {
    let env = repository();
    std::fs::create_dir(env.work().join("docs")).expect("a folder");
    let attest = |rest: &[&'static str]| [&["attest"], rest].concat();
    insta::assert_snapshot!(told(
        &env,
        &[
            &attest(&["--role", "Lead Reviewer", "--statement", "x"]),
            &attest(&["--role", "lead"]),
            &attest(&["--role", "lead", "--statement", "  "]),
            &attest(&["--role", "lead", "--score", "eleven"]),
            &attest(&["--role", "lead", "--score", "11"]),
            &attest(&["--role", "lead", "--score", "1", "--of", "0"]),
            &attest(&["--role", "lead", "--score", "1", "--subject", "missing.md"]),
            &attest(&["--role", "lead", "--score", "1", "--subject", "docs"]),
            &attest(&["--role", "lead", "--statement", "x", "--no-receipt"]),
        ]
    ));
    assert!(!env.work().join(".git/bizra").exists(), "a refusal makes no ledger");
    assert!(!env.home().join(".local").exists(), "and no key");
}

#[test]
fn a_policy_that_does_not_name_the_key_is_told() {
    let mut env = repository();
    env.run(&["trust", "init"]);
    env.set("HOME", &env.work().join("elsewhere").display().to_string());
    let stranger = env.run(WORD);
    assert_eq!(stranger.code, 0);
    assert!(stranger.stderr.contains("warning: bizra-trust.json does not name the key"), "{stranger}");
    assert_eq!(stranger.stderr.matches("does not name").count(), 1, "once a run: {stranger}");
    env.write("bizra-trust.json", "{");
    let broken = env.run(WORD);
    assert_eq!(broken.code, 0);
    assert!(broken.stderr.contains("the trust policy can't be relied on: bizra-trust.json:1:2"), "{broken}");
}

#[test]
fn the_document_names_the_receipt() {
    let env = repository();
    let ran = env.run(&[WORD, &["--json"]].concat());
    let document = json(&ran);
    assert_eq!(document["schema"], "bizra.attest/v1");
    assert_eq!(document["receipt"], receipt_of(&ran).as_str());
    assert_eq!(document["result"]["index"], 1, "after the log's own beginning");
    assert_eq!(document["result"]["statement"], "It holds.");
    assert!(document["result"]["score"].is_null());
}

#[test]
fn text_of_others_is_cleaned_on_the_way_to_the_reader() {
    let env = repository();
    let ran = env.run(&["attest", "--role", "lead", "--statement", "a\u{1b}[31mred\u{202e}x"]);
    assert_eq!(ran.code, 0);
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{ran}");
    let shown = env.run(&["receipts", "show", &receipt_of(&ran)]);
    assert!(!shown.stdout.contains(['\u{1b}', '\u{202e}']), "{shown}");
}
