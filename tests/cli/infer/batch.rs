//! Many prompts: the answers of each alone, in their order, whatever becomes of the others.

use serde_json::{Value, json};

use super::{document, infer, result, scene};
use crate::harness::{Ran, TestEnv};

const LINES: &str = r#"{"id": "one", "prompt": "the gate", "max_tokens": 30}
{"id": 2, "prompt": "numbers that nobody can repeat", "max_tokens": 3}

{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "max_tokens": 5}
{"prompt": "the gate", "system": "be brief", "seed": 7, "temperature": 0.9, "max_tokens": 9, "stop": ["never said"]}
"#;

fn with_lines(lines: &str) -> TestEnv {
    let env = scene();
    env.write("in.jsonl", lines);
    env
}

fn batch(env: &TestEnv, args: &[&str]) -> Ran {
    env.run(&[&["infer", "--batch", "in.jsonl"], args].concat())
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn output(env: &TestEnv) -> String {
    std::fs::read_to_string(env.work().join("out.jsonl")).expect("the output is there")
}

/// What stays the same from run to run.
fn said(record: &Value) -> Value {
    json!([record["line"], record["id"], record["exit"], record["result"]["text"], record["result"]["token_ids"]])
}

#[test]
fn each_line_gets_the_answer_it_gets_alone() {
    let env = with_lines(LINES);
    env.write("talk.json", r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#);
    let alone = [
        result(&env, &["the gate", "-n", "30"]),
        result(&env, &["numbers that nobody can repeat", "-n", "3"]),
        result(&env, &["--messages", "talk.json", "-n", "5"]),
        result(&env, &["the gate", "--system", "be brief", "--seed", "7", "--temperature", "0.9", "-n", "9"]),
    ];
    for args in [&[][..], &["--parallel", "1"], &["--parallel", "3", "--lookup"]] {
        let ran = batch(&env, args);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stderr.contains("4 of 4 lines answered") && !ran.stderr.contains("receipt "), "{ran}");
        let records = records(&ran.stdout);
        let place = |record: &Value| (record["line"].clone(), record["id"].clone(), record["exit"].clone());
        let places: Vec<_> = records.iter().map(place).collect();
        let place = |line: u32, id: Value| (json!(line), id, json!(0));
        let expected = [(1, json!("one")), (2, json!(2)), (4, Value::Null), (5, Value::Null)];
        assert_eq!(places, expected.map(|(line, id)| place(line, id)), "{ran}");
        for (record, alone) in records.iter().zip(&alone) {
            for key in ["text", "token_ids", "finish", "model"] {
                assert_eq!(record["result"][key], alone[key], "{args:?}: {record}");
            }
        }
    }
}

#[test]
fn every_answer_has_a_receipt_that_can_be_replayed() {
    let env = with_lines(LINES);
    let ran = batch(&env, &["--record-text"]);
    let ids: Vec<String> =
        records(&ran.stdout).iter().map(|record| record["receipt"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        let replayed = env.run(&["receipts", "replay", id]);
        assert_eq!(replayed.code, 0, "{replayed}");
    }
    let listed = document(&env.run(&["receipts", "list", "--json"]));
    assert!(ids.iter().all(|id| listed.to_string().contains(id.as_str())));
    let none = batch(&env, &["--no-receipt"]);
    assert!(records(&none.stdout).iter().all(|record| record["receipt"].is_null()), "{none}");
}

#[test]
fn a_line_that_can_not_be_answered_says_why_and_the_others_go_on() {
    let long = "the gate ".repeat(40);
    let lines = format!(
        "{}\n{{\"prompt\": \"a\", \"max_tokens\": 2}}\n{}\n{}\n{}\n{}\n{}\n",
        r#"{"prompt": "#,
        r#"{"id": 7, "prompt": " "}"#,
        format_args!("{{\"prompt\": \"{long}\"}}"),
        r#"{"promt": "a"}"#,
        r#"{"prompt": "a", "temperature": -1}"#,
        r#"{"prompt": "b", "max_tokens": 2}"#,
    );
    let env = with_lines(&lines);
    let ran = batch(&env, &["--ctx", "128"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("in.jsonl: 5 lines have no answer: 1, 3, 4, 5, 6"), "{ran}");
    let records = records(&ran.stdout);
    let told: Vec<String> = records
        .iter()
        .map(|record| {
            let reason = &record["reasons"][0];
            let place = format!("{}:{}:{}", reason["file"], reason["line"], reason["column"]);
            format!("{} {} {} {}", record["line"], record["exit"], place, reason["message"])
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    1 3 "in.jsonl":1:10 "EOF while parsing a value"
    2 0 null:null:null null
    3 3 "in.jsonl":3:1 "the prompt is empty"
    4 3 "in.jsonl":4:1 "the prompt has 381 tokens, and the context of 128 holds at most 127 of a prompt"
    5 3 "in.jsonl":5:8 "unknown field `promt`, expected one of `id`, `prompt`, `messages`, `system`, `max_tokens`, `temperature`, `seed`, `stop`"
    6 3 "in.jsonl":6:1 "temperature -1 cannot be used; give 0 or above"
    7 0 null:null:null null
    "#);
    assert_eq!(records[2]["id"], 7);
    assert!(records.iter().all(|record| record["result"].is_null() == (record["exit"] != 0)));
}

#[test]
fn a_cut_run_is_taken_up_where_it_ended() {
    let env = with_lines(LINES);
    let whole = batch(&env, &["--output", "out.jsonl"]);
    assert_eq!(whole.code, 0, "{whole}");
    assert!(whole.stdout.contains("4 of 4 lines answered in out.jsonl"), "{whole}");
    let text = output(&env);
    assert_eq!(batch(&env, &["--output", "out.jsonl"]).code, 2, "nothing is written over");
    let expected: Vec<Value> = records(&text).iter().map(said).collect();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for cut in [0, 5, ends[0], ends[0] + 9, ends[2], text.len()] {
        env.write("out.jsonl", &text[..cut]);
        let ran = batch(&env, &["--output", "out.jsonl", "--resume", "--json"]);
        assert_eq!(ran.code, 0, "{ran}");
        let told = &document(&ran)["result"];
        let before = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!((&told["answered"], &told["resumed"]), (&4.into(), &before.into()), "{cut}");
        let again = output(&env);
        assert_eq!(records(&again).iter().map(said).collect::<Vec<_>>(), expected, "{cut}");
        assert!(again.starts_with(&text[..ends.get(before.wrapping_sub(1)).copied().unwrap_or(0)]), "{cut}");
    }
    // A gap, as a run leaves that was cut while a long answer was in the making.
    let gap = [&text[..ends[0]], &text[ends[1]..]].concat();
    env.write("out.jsonl", &gap);
    assert_eq!(batch(&env, &["--output", "out.jsonl", "--resume"]).code, 0);
    let filled = output(&env);
    assert_eq!(records(&filled).iter().map(said).collect::<Vec<_>>(), expected);
    assert!(filled.ends_with(&text[ends[1]..]), "what was answered is not asked again");
}

#[test]
fn answers_to_other_questions_are_not_gone_on_with() {
    let env = with_lines(LINES);
    assert_eq!(batch(&env, &["--output", "out.jsonl"]).code, 0);
    let text = output(&env);
    let refused = |args: &[&str], told: &str| {
        let ran = batch(&env, &[&["--output", "out.jsonl", "--resume"], args].concat());
        assert_eq!(ran.code, 3, "{told}: {ran}");
        assert!(ran.stderr.contains(told), "{told}: {ran}");
        assert_eq!(output(&env).len() >= text.len() - 1, !told.contains("no answer of"), "{told}");
    };
    refused(&["--temperature", "0.5"], "out.jsonl:1:1: line 1 was answered under other options");
    refused(&["-n", "4"], "other options");
    env.write("in.jsonl", LINES.replace("numbers", "letters"));
    refused(&[], "out.jsonl:2:1: this answers another line 2 than the batch has now");
    env.write("in.jsonl", LINES);
    env.write("out.jsonl", text.replace("\"sha256\":\"", "\"sha256\":\"0"));
    refused(&[], "line 1 was answered by another model");
    env.write("out.jsonl", format!("{text}{}\n", text.lines().next().expect("a line")));
    refused(&[], "line 1 is answered twice");
    env.write("out.jsonl", "not\n");
    refused(&[], "out.jsonl:1:1: this is no answer of a batch");
}

#[test]
fn lines_that_were_refused_are_asked_again() {
    let bad = LINES.replace("\"max_tokens\": 3}", "\"max_tokens\": }");
    let env = with_lines(&bad);
    assert_eq!(batch(&env, &["--output", "out.jsonl"]).code, 3);
    assert_eq!(records(&output(&env))[1]["exit"], 3);
    env.write("in.jsonl", LINES);
    let ran = batch(&env, &["--output", "out.jsonl", "--resume", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(document(&ran)["result"]["resumed"], 3);
    let codes: Vec<Value> = records(&output(&env)).iter().map(|record| record["exit"].clone()).collect();
    assert_eq!(codes, [0, 0, 0, 0]);
}

#[test]
fn what_is_no_batch_is_refused() {
    let env = with_lines(" \n\n");
    let refused = |code: i32, args: &[&str], told: &str| {
        let ran = infer(&env, args);
        assert_eq!(ran.code, code, "{args:?}: {ran}");
        assert!(ran.stderr.contains(told), "{args:?}: {ran}");
    };
    refused(3, &["--batch", "in.jsonl"], "in.jsonl: there is no prompt in it");
    refused(3, &["--batch", "none.jsonl"], "none.jsonl");
    refused(2, &["--batch", "in.jsonl", "a prompt"], "--batch");
    refused(2, &["--batch", "in.jsonl", "--resume"], "--output");
    refused(2, &["x", "--output", "out.jsonl"], "--batch");
    refused(2, &["--batch", "in.jsonl", "--parallel", "0"], "--parallel");
    refused(2, &["x", "--parallel", "3"], "--batch");
    let ran = env.run_with(&["infer", "--batch", "-", "-n", "2"], b"{\"prompt\": \"a\"}\n");
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{ran}");
}

#[cfg(unix)]
mod as_a_process {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn ctrl_c_keeps_what_is_done() {
        let lines: String =
            (0..400).map(|n| format!("{{\"prompt\": \"the gate {n}\", \"max_tokens\": 400}}\n")).collect();
        let env = with_lines(&lines);
        let mut command = env.command(&["infer", "--batch", "in.jsonl", "--output", "out.jsonl", "--no-receipt"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let path = env.work().join("out.jsonl");
        while std::fs::metadata(&path).map_or(0, |found| found.len()) < 10 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        let ended = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(130), "{told}");
        assert!(told.contains("the batch was cut short") && told.contains("--resume"), "{told}");
        let done = records(&output(&env));
        assert!(!done.is_empty() && done.len() < 400, "{}", done.len());
        assert!(done.iter().all(|record| record["exit"] == 0 && record["result"]["text"].is_string()));
        assert!(done.is_sorted_by_key(|record| record["line"].as_u64()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn full_disks_and_closed_pipes_end_it() {
        let env = with_lines(LINES);
        let full = env.shell("infer --batch in.jsonl", ">/dev/full");
        assert_eq!(full.code, 6, "{full}");
        assert_eq!(env.process_unread(&["infer", "--batch", "in.jsonl"]).code, 141);
    }
}
