//! Answers that must have a form: valid whatever the model would rather say, cut or refused otherwise.

use serde_json::Value;

use super::{document, infer, result, scene};
use crate::harness::TestEnv;

const SCHEMA: &str = r#"{"type": "object", "properties": {"open": {"type": "boolean"}, "why": {"type": "string", "maxLength": 12},
  "votes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 3}},
  "required": ["open", "why", "votes"], "additionalProperties": false}"#;

fn with_schema() -> TestEnv {
    let env = scene();
    env.write("s.json", SCHEMA);
    env.write("g.lark", "start: answer (\" \" answer)*\nanswer: \"yes\" | \"no\"\n");
    env
}

/// By hand: whether the schema allows it.
fn valid(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
    let votes = value["votes"].as_array();
    value.as_object().is_some_and(|members| members.len() == 3)
        && value["open"].is_boolean()
        && value["why"].as_str().is_some_and(|why| why.chars().count() <= 12)
        && votes
            .is_some_and(|votes| votes.len() <= 3 && votes.iter().all(|vote| vote.as_u64().is_some_and(|n| n < 100)))
}

#[test]
fn an_answer_satisfies_its_schema_whatever_the_chance() {
    let env = with_schema();
    for seed in 0..24 {
        let seed = seed.to_string();
        let found =
            result(&env, &["the gate", "--schema", "s.json", "-n", "300", "--temperature", "1.5", "--seed", &seed]);
        let text = found["text"].as_str().expect("a text");
        assert!(valid(text), "{text}");
        assert_eq!((&found["finish"], &found["whole"]), (&"eos".into(), &true.into()), "{text}");
    }
    let greedy = infer(&env, &["the gate", "--schema", "s.json", "-n", "300"]);
    assert!(greedy.code == 0 && valid(greedy.stdout.trim()), "{greedy}");
}

#[test]
fn an_answer_that_is_cut_is_the_beginning_of_a_valid_one_and_undecided() {
    let env = with_schema();
    let whole = infer(&env, &["the gate", "--schema", "s.json", "-n", "300"]).stdout;
    assert!(valid(whole.trim()), "{whole}");
    let mut codes = Vec::new();
    for n in ["1", "5", "12", "300"] {
        let ran = infer(&env, &["the gate", "--schema", "s.json", "-n", n]);
        assert!(whole.starts_with(ran.stdout.trim_end_matches('\n')), "{ran}");
        let document = document(&infer(&env, &["the gate", "--schema", "s.json", "-n", n, "--json"]));
        let finish = if ran.code == 0 { "eos" } else { "length" };
        assert_eq!((&document["result"]["finish"], &document["exit"]), (&finish.into(), &ran.code.into()), "{ran}");
        assert_eq!(ran.stderr.contains("it is the beginning of a valid one"), ran.code == 4, "{ran}");
        codes.push(ran.code);
    }
    assert_eq!(codes, [4, 4, 4, 0]);
}

#[test]
fn grammars_lookup_and_batches_go_together() {
    let env = with_schema();
    env.write(
        "in.jsonl",
        "{\"prompt\": \"the gate\"}\n{\"prompt\": \"a\", \"max_tokens\": 2}\n{\"prompt\": \"b\", \"stop\": [\"x\"]}\n",
    );
    let alone = result(&env, &["the gate", "--schema", "s.json", "-n", "300"]);
    let guessed = result(&env, &["the gate", "--schema", "s.json", "-n", "300", "--lookup"]);
    assert_eq!((&alone["text"], &alone["token_ids"]), (&guessed["text"], &guessed["token_ids"]));
    assert!(guessed["lookup"]["passes"].as_u64() > Some(0) && alone["lookup"].is_null());
    let ran = env.run(&["infer", "--batch", "in.jsonl", "--schema", "s.json", "-n", "300"]);
    assert_eq!(ran.code, 3, "one line is wrong, and one was cut: {ran}");
    let records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let codes: Vec<&Value> = records.iter().map(|record| &record["exit"]).collect();
    assert_eq!(codes, [0, 4, 3]);
    assert_eq!(records[0]["result"]["text"], alone["text"]);
}

#[test]
fn a_receipt_names_the_form_and_is_replayed_with_it() {
    let env = with_schema();
    let id = |ran: &crate::harness::Ran| document(ran)["receipt"].as_str().expect("an id").to_owned();
    let run = infer(&env, &["the gate", "--schema", "s.json", "-n", "300", "--record-text", "--json"]);
    let shown = document(&env.run(&["receipts", "show", &id(&run), "--json"]));
    let form = &shown["result"]["predicate"]["parameters"]["form"];
    assert_eq!(form["kind"], "schema", "{shown}");
    assert!(shown["result"].to_string().contains("s.json"), "{shown}");
    let replay = |args: &[&str], code: i32, told: &str| {
        let ran = env.run(&[&["receipts", "replay", &id(&run)], args].concat());
        assert_eq!(ran.code, code, "{ran}");
        assert!(ran.stdout.contains(told) || ran.stderr.contains(told), "{ran}");
    };
    replay(&["--schema", "s.json"], 0, "identical");
    replay(&[], 4, "hint: give it again: --schema FILE");
    replay(&["--grammar", "g.lark"], 4, "is not the receipt's");
    let free = infer(&env, &["the gate", "--record-text", "--json"]);
    let ran = env.run(&["receipts", "replay", &id(&free), "--schema", "s.json"]);
    assert_eq!(ran.code, 4, "{ran}");
}

#[test]
fn forms_that_nothing_can_have_are_refused_with_their_place() {
    let env = with_schema();
    env.write("no.json", r#"{"type": "integer", "minimum": 5, "maximum": 4}"#);
    env.write("half.json", "{\n  \"type\": \n");
    env.write("bad.lark", "start: \"a\"\n\nb: ( \"c\"\n");
    env.write("bytes.lark", b"start: \"\xff\"");
    let refused = |code: i32, args: &[&str], told: &[&str]| {
        let ran = infer(&env, &[&["x"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran}");
        assert!(told.iter().all(|told| ran.stderr.contains(told)), "{told:?}: {ran}");
    };
    refused(3, &["--schema", "no.json"], &["no.json: no answer can satisfy this schema", "because: "]);
    refused(3, &["--schema", "half.json"], &["half.json:3:", "no JSON"]);
    refused(3, &["--grammar", "bad.lark"], &["bad.lark:", "no answer can follow this grammar"]);
    refused(3, &["--grammar", "bytes.lark"], &["UTF-8"]);
    refused(3, &["--schema", "none.json"], &["none.json"]);
    refused(2, &["--schema", "s.json", "--grammar", "g.lark"], &["--grammar"]);
    refused(2, &["--schema", "s.json", "--stop", "x"], &["--stop"]);
}
