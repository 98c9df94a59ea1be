//! `bizra tokens`.

use serde_json::{Value, json};

use crate::harness::TestEnv;

fn scene() -> TestEnv {
    let env = TestEnv::new().var("BIZRA_MODEL", "tiny.gguf");
    env.fixture("tiny.gguf");
    env
}

fn result(env: &TestEnv, args: &[&str], input: &[u8]) -> Value {
    let ran = env.run_with(&[&["tokens", "--json"], args].concat(), input);
    assert_eq!(ran.code, 0, "{ran}");
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    document["result"].clone()
}

#[test]
fn a_text_is_shown_piece_by_piece() {
    insta::assert_snapshot!(scene().run(&["tokens", "the gate opens é"]));
}

#[test]
fn counts_and_ids_stand_alone_for_scripts() {
    let env = scene();
    assert_eq!(env.run(&["tokens", "--count", "é."]).stdout, "5\n");
    assert_eq!(env.run(&["tokens", "--ids", "é."]).stdout, "1 287 200 174 286\n");
    assert_eq!(env.run(&["tokens", "--ids", "--no-special", "é."]).stdout, "287 200 174 286\n");
    assert_eq!(env.run(&["tokens", "--ids", "--count", "x"]).code, 2);
    assert_eq!(env.run_with(&["tokens", "--ids"], "é.".as_bytes()).stdout, "1 287 200 174 286\n");
    assert_eq!(env.run_with(&["tokens", "--ids", "-"], "é.".as_bytes()).stdout, "1 287 200 174 286\n");
    assert_eq!(env.run(&["tokens", "--ids", ""]).stdout, "1\n");
}

#[test]
fn control_tokens_are_words_unless_asked_for() {
    let env = scene();
    let ids = |args: &[&str]| result(&env, args, b"")["ids"].clone();
    assert_eq!(ids(&["--parse-special", "--no-special", "</s>"]), json!([2]));
    assert_ne!(ids(&["--no-special", "</s>"]), json!([2]));
}

#[test]
fn the_document_has_ids_pieces_and_bytes() {
    let document = result(&scene(), &["-"], "the é".as_bytes());
    assert_eq!(document["count"], document["ids"].as_array().expect("a list").len());
    assert_eq!(document["text_bytes"], 6);
    assert_eq!(document["tokenizer"], "llama");
    let bytes: Vec<u64> = document["pieces"]
        .as_array()
        .expect("a list")
        .iter()
        .skip(1)
        .flat_map(|piece| piece["bytes"].as_array().expect("bytes").iter().map(|b| b.as_u64().expect("a byte")))
        .collect();
    assert_eq!(bytes, " the é".bytes().map(u64::from).collect::<Vec<_>>(), "the model puts a blank before");
}

#[test]
fn what_is_no_text_or_no_model_is_refused() {
    let env = scene();
    let ran = env.run_with(&["tokens"], b"ab\xffc");
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("byte 2 is no valid UTF-8"), "{ran}");
    assert_eq!(env.run(&["tokens", "-m", "none.gguf", "x"]).code, 3);
    assert_eq!(TestEnv::new().run(&["tokens", "x"]).code, 0, "without a model the one inside the program reads it");
}
