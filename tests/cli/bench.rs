//! `bizra bench`. In this process the clock moves a millisecond a look, so a figure is the same in every round; what
//! depends on real time is left to the real binary.

use serde_json::Value;

use crate::harness::{Ran, TestEnv};
use crate::infer::{document, scene};

const SMALL: [&str; 9] = ["-p", "8", "-n", "4", "-t", "1", "--no-load", "--rounds", "10"];

fn bench(env: &TestEnv, args: &[&str]) -> Ran {
    env.run(&[&["bench", "tiny.gguf"], &SMALL[..], args].concat())
}

fn refused(env: &TestEnv, code: i32, args: &[&str], told: &str) {
    let ran = env.run(&[&["bench"], args].concat());
    assert_eq!(ran.code, code, "{args:?}: {ran}");
    assert!(ran.stdout.is_empty(), "{args:?}: {ran}");
    assert!(ran.stderr.contains(told), "{told:?} is not in: {ran}");
}

/// A program of the work folder.
#[cfg(unix)]
fn program(env: &TestEnv, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    env.write(name, format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(env.work().join(name), mode).expect("made executable");
}

fn figures(result: &Value) -> Vec<String> {
    let all = result["runs"][0]["measurements"].as_array().expect("measurements");
    all.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn figures_have_intervals_samples_limits_and_a_receipt() {
    let env = scene();
    let ran = env.run(&["bench", "-p", "8", "-n", "4", "-t", "1", "--rounds", "10", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let whole = document(&ran);
    assert_eq!(whole["schema"], "bizra.bench/v1");
    let run = &whole["result"]["runs"][0];
    assert_eq!(run["subject"]["name"], "tiny.gguf");
    assert_eq!(run["subject"]["quant"], "Q8_0");
    assert!(include_str!("../../fixtures/SHA256SUMS").contains(run["subject"]["sha256"].as_str().expect("a digest")));
    let ids = figures(&whole["result"]);
    for id in [
        "prefill.tok_s",
        "prefill.bare_tok_s",
        "decode.tok_s",
        "decode.bare_tok_s",
        "first_token.ms",
        "between_tokens.p50_ms",
        "between_tokens.p90_ms",
        "between_tokens.p99_ms",
        "load.warm_ms",
        "memory.peak_mib",
    ] {
        assert!(ids.iter().any(|found| found == id), "{id} is not in {ids:?}");
    }
    let decode = &run["measurements"][ids.iter().position(|id| id == "decode.tok_s").expect("there")];
    assert_eq!(decode["samples"].as_array().map(Vec::len), Some(10));
    assert_eq!(decode["setting"]["prompt"], 8);
    assert!(decode["ci95"]["lower"].as_f64() <= decode["median"].as_f64());
    assert!(decode["limit"]["value"].as_f64() > Some(0.0) && decode["limit"]["share"].is_number());
    assert!(!run["remarks"].as_array().expect("a list").is_empty() || run["energy"].is_array());
    assert_ne!(run["energy"], 0, "what is not known is null");

    let id = whole["receipt"].as_str().expect("a receipt");
    let shown = document(&env.run(&["receipts", "show", id, "--json"]));
    let predicate = &shown["result"]["predicate"];
    assert_eq!(predicate["decode"]["tok_s"]["unit"], "tok/s");
    assert_eq!(predicate["verdict"], Value::Null);
    assert_eq!(predicate["plan"]["rounds"], 10);
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}

#[test]
fn a_sweep_measures_each_with_each() {
    let env = scene();
    let args =
        ["bench", "tiny.gguf", "-p", "4,6", "-n", "2", "-t", "1", "--batch", "1,2", "-d", "0,3", "--kv", "f16,f32"];
    let ran = env.run(&[&args[..], &["--no-load", "--rounds", "40", "--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let result = &document(&ran)["result"];
    let decodes: Vec<&Value> = result["runs"][0]["measurements"]
        .as_array()
        .expect("measurements")
        .iter()
        .filter(|one| one["id"] == "decode.tok_s")
        .map(|one| &one["setting"])
        .collect();
    assert_eq!(decodes.len(), 16);
    let outputs = result["runs"][0]["outputs"].as_array().expect("outputs");
    assert_eq!(outputs.len(), 16);
    // More than one receipt has room for: the parts follow each other, and each is whole.
    assert!(ran.stderr.matches("receipt ").count() > 1, "{}", ran.stderr);
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}

#[test]
fn a_gate_opens_by_the_bound_of_an_interval() {
    let env = scene();
    assert_eq!(bench(&env, &[]).code, 0);
    let plan = |value: &str| {
        format!(
            "bizra: roadmap/v1\nid: p\ntitle: T\ntimezone: UTC\nphases:\n  - id: one\n    gate:\n      criteria:\n        - {{id: fast, covers: [W-1], evidence: {{receipt: {{predicate: benchmark, where: [{{path: decode.tok_s.ci95.lower, op: '>=', value: {value}, unit: tok/s}}]}}}}}}\n    packages:\n      - {{id: W-1, name: Work, owners: [ada]}}\npeople: [{{id: ada}}]\n"
        )
    };
    for (value, code) in [("0.1", 0), ("100000000", 1)] {
        env.write("roadmap/p.yaml", plan(value));
        let ran = env.run(&["roadmap", "gate", "one", "--dry-run"]);
        assert_eq!(ran.code, code, "{ran}");
    }
}

#[test]
fn one_look_at_memory_is_compared_by_nobody() {
    let env = scene();
    let ran = bench(&env, &["--against", "tiny.gguf", "--claim", "memory.peak <= 100x"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stderr.contains("no ratio of it"), "{ran}");
    assert!(ran.stdout.contains("one look on a side has no ratio"), "{ran}");
    refused(&env, 2, &["tiny.gguf", "--against", " "], "--against names nothing");
}

#[test]
fn claims_are_decided_on_bounds() {
    let env = scene();
    let ran = bench(&env, &["--claim", "decode >= 1 tok/s", "--claim", "first_token < 1 h"]);
    assert_eq!(ran.code, 2, "an hour is no unit of this: {ran}");
    let held = bench(&env, &["--claim", "decode >= 1 tok/s"]);
    assert_eq!(held.code, 0, "{held}");
    assert!(held.stdout.contains("ok        claim: decode >= 1 tok/s"), "{held}");
    let failed = bench(&env, &["--claim", "decode >= 1000000 tok/s", "--json"]);
    assert_eq!(failed.code, 1, "{failed}");
    let whole = document(&failed);
    assert_eq!(whole["result"]["runs"][0]["claims"][0]["verdict"], "refuted");
    let id = whole["receipt"].as_str().expect("a no leaves a receipt too");
    let shown = document(&env.run(&["receipts", "show", id, "--json"]));
    assert_eq!(shown["result"]["predicate"]["verdict"], "failed");
    assert_eq!(bench(&env, &["--fail-if", "decode < 1 tok/s"]).code, 0);
    assert_eq!(bench(&env, &["--fail-if", "decode > 1 tok/s"]).code, 1);
}

#[test]
fn a_model_against_itself_is_neither_faster_nor_slower() {
    let env = scene();
    let args = ["--against", "tiny.gguf", "--rounds", "20", "--fail-if", "decode < 0.97x", "--json"];
    let ran = env.run(&[&["bench", "tiny.gguf"], &SMALL[..7], &args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let result = &document(&ran)["result"];
    assert_eq!(result["pairing"], "same rounds");
    for one in result["runs"][0]["measurements"].as_array().expect("measurements") {
        if one["setting"]["prompt"].is_number() {
            assert_eq!(one["compared"]["verdict"], "same", "{one}");
            assert_eq!(one["compared"]["other_tokens"], false);
        }
    }
    assert_eq!(ran.stderr.matches("receipt ").count(), 2, "{ran}");
}

#[test]
fn a_receipt_is_compared_with_and_replayed() {
    let env = scene();
    let first = document(&bench(&env, &["--json"]));
    let id = first["receipt"].as_str().expect("a receipt");
    let again = env.run(&["bench", "tiny.gguf", "--no-load", "--rounds", "20", "--against", &id[..12], "--json"]);
    assert_eq!(again.code, 0, "{again}");
    let whole = document(&again);
    assert_eq!(whole["result"]["pairing"], "different sessions");
    assert_eq!(whole["result"]["runs"][0]["measurements"][0]["setting"]["prompt"], 8, "sizes are the receipt's");
    let newer = whole["receipt"].as_str().expect("a receipt");
    let shown = document(&env.run(&["receipts", "show", newer, "--json"]));
    assert_eq!(shown["result"]["predicate"]["against"]["receipt"], id);
    assert_eq!(shown["result"]["predicate"]["against"]["sameOutput"], true);

    let replayed = env.run(&["receipts", "replay", id, "--json"]);
    assert_eq!(replayed.code, 0, "{replayed}");
    assert_eq!(document(&replayed)["result"]["verdict"], "identical");
    std::fs::remove_file(env.work().join("tiny.gguf")).expect("it was there");
    let gone = env.run(&["receipts", "replay", id, "--json"]);
    assert_eq!((gone.code, &document(&gone)["result"]["verdict"]), (4, &"indeterminate".into()), "{gone}");
}

#[test]
fn what_can_not_be_measured_is_refused_before_it_is_loaded() {
    let env = scene();
    refused(&env, 2, &["tiny.gguf", "-p", "0"], "-p 0");
    refused(&env, 2, &["tiny.gguf", "-n", "16,0"], "-n 0");
    refused(&env, 2, &["tiny.gguf", "--batch", "0"], "-b 0");
    refused(&env, 2, &["tiny.gguf", "-t", "100000"], "100000");
    refused(&env, 2, &["tiny.gguf", "-p", "5000"], "5128 tokens don't fit into the context of 512");
    refused(&env, 2, &["tiny.gguf", "--rounds", "9"], "9");
    refused(&env, 2, &["tiny.gguf", "--precision", "0"], "above 0");
    refused(&env, 2, &["tiny.gguf", "--budget", "soon"], "length of time");
    refused(&env, 2, &["tiny.gguf", "--isa", "mmx"], "--isa");
    refused(&env, 2, &["tiny.gguf", "--claim", "decode >> 35"], "--claim:1:8");
    refused(&env, 2, &["tiny.gguf", "--fail-if", "decode < 0.97x"], "--against");
    refused(&env, 3, &["nothing.gguf"], "there is no file nothing.gguf");
    refused(&env, 3, &["tiny.gguf", "--against", "no-such-thing"], "--against takes");
    refused(&env, 2, &["tiny.gguf", "--against", "a 'b"], "a quote is not closed");
    refused(&env, 3, &["tiny.gguf", "--against", "ffffffffff"], "no receipt begins");
    env.write("broken.gguf", b"GGUF\x03");
    refused(&env, 3, &["broken.gguf"], "broken.gguf");
    let word = env.run(&["attest", "--role", "lead", "--statement", "yes", "--json"]);
    let id = document(&word)["receipt"].as_str().expect("a receipt").to_owned();
    refused(&env, 3, &["tiny.gguf", "--against", &id], "is no benchmark");
    let again = env.run(&["receipts", "list", "--json"]);
    assert!(!again.stdout.contains("benchmark"), "nothing that was refused left a receipt: {again}");
}

#[cfg(unix)]
#[test]
fn a_program_is_measured_in_the_same_rounds() {
    let mut env = scene();
    env.set("PATH", "/usr/bin:/bin");
    program(&env, "peer", "echo 'prompt: 100.5 tok/s'; echo 'decode: 20.25 tok/s'");
    let args = ["--against", "./peer --some 'flag'", "--rounds", "16", "--claim", "decode > 1.5x", "--json"];
    let ran = env.run(&[&["bench", "tiny.gguf"], &SMALL[..7], &args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let result = &document(&ran)["result"];
    assert_eq!(result["against"]["subject"]["argv"], serde_json::json!(["./peer", "--some", "flag"]));
    let theirs = result["against"]["measurements"].as_array().expect("measurements");
    assert!(theirs.iter().any(|one| one["median"] == 20.25 && one["samples"].as_array().map(Vec::len) == Some(16)));
    assert_eq!(ran.stderr.matches("receipt ").count(), 2, "{ran}");

    program(&env, "fails", "echo boom >&2; exit 7");
    refused(&env, 3, &["tiny.gguf", "-t", "1", "--no-load", "--against", "./fails"], "it ended with 7");
    program(&env, "silent", "true");
    refused(&env, 3, &["tiny.gguf", "-t", "1", "--no-load", "--against", "./silent"], "nothing that can be read");
    program(&env, "riddle", "echo the answer is forty-two");
    refused(&env, 3, &["tiny.gguf", "-t", "1", "--no-load", "--against", "./riddle"], "forty-two");
    program(&env, "never", "sleep 600 & wait");
    let endless = ["tiny.gguf", "-t", "1", "--no-load", "--against", "./never", "--command-timeout", "1s"];
    refused(&env, 3, &endless, "did not end within 1 s");
}

#[cfg(unix)]
#[test]
fn a_program_is_not_replayed() {
    let mut env = scene();
    env.set("PATH", "/usr/bin:/bin");
    program(&env, "peer", "echo 'decode: 20.25 tok/s'");
    let ran = bench(&env, &["--against", "./peer", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let id = document(&ran)["result"]["against"]["receipt"].as_str().expect("a receipt").to_owned();
    let replayed = env.run(&["receipts", "replay", &id]);
    assert_eq!(replayed.code, 4, "{replayed}");
    assert!(replayed.stderr.contains("not run unasked"), "{replayed}");
}

#[test]
fn the_real_binary_measures_too() {
    let env = scene();
    let args = ["bench", "-p", "8", "-n", "4", "-t", "1", "--rounds", "10", "--precision", "100", "--budget", "60s"];
    let ran = env.process(&args);
    assert!(ran.code == 0 || ran.code == 4, "{ran}");
    assert!(ran.stdout.contains("decode") && ran.stdout.contains("memory.peak_mib"), "{ran}");
    assert!(ran.stderr.contains("receipt "), "{ran}");
    let hurried = env.process(&["bench", "-p", "100", "-n", "100", "-t", "1", "--batch", "1,2,3,4", "--budget", "1s"]);
    assert!(hurried.code == 4 || hurried.code == 0, "{hurried}");
}
