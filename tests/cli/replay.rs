//! `bizra receipts replay` of inferences.

use serde_json::Value;

use crate::harness::{Ran, TestEnv};
use crate::infer::{document, scene};

/// A run, and the id of its receipt.
fn receipt(env: &TestEnv, args: &[&str]) -> String {
    let ran = env.process(&[&["infer", "-n24", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    document(&ran)["receipt"].as_str().expect("an id").to_owned()
}

fn replay(env: &TestEnv, id: &str, args: &[&str]) -> Ran {
    env.process(&[&["receipts", "replay", id], args].concat())
}

fn verdict(env: &TestEnv, id: &str, args: &[&str]) -> (i32, String) {
    let ran = replay(env, id, &[args, &["--json"]].concat());
    let document = document(&ran);
    (ran.code, document["result"]["verdict"].as_str().unwrap_or_else(|| panic!("no verdict: {ran}")).to_owned())
}

const SAME: (i32, &str) = (0, "identical");
const UNTOLD: (i32, &str) = (4, "indeterminate");

fn is(found: (i32, String), expected: (i32, &str)) {
    assert_eq!((found.0, found.1.as_str()), expected);
}

/// Changes what is kept for a run.
fn tamper(env: &TestEnv, change: impl Fn(&mut Value)) {
    let folder = env.home().join(".local/share/bizra/texts");
    for entry in std::fs::read_dir(folder).expect("the vault").flatten() {
        let mut kept: Value = serde_json::from_slice(&std::fs::read(entry.path()).expect("a file")).expect("JSON");
        change(&mut kept);
        std::fs::write(entry.path(), kept.to_string()).expect("written");
    }
}

#[test]
fn a_recorded_run_gives_the_same_again() {
    let env = scene();
    let sampled = ["--temperature", "1.1", "--top-k", "20", "--repeat-penalty", "1.2", "--logit-bias", "270=-inf"];
    let id = receipt(&env, &[&["the gate", "--record-text", "--seed", "11", "--threads", "2"], &sampled[..]].concat());
    let ran = replay(&env, &id[..12], &[]);
    assert_eq!((ran.code, ran.stdout), (0, format!("identical: 24 tokens, as receipt {id} says\n")), "{}", ran.stderr);
    assert_eq!(env.process(&["receipts", "list", "--json"]).stdout.matches("\"inference").count(), 1, "it leaves none");
}

#[test]
fn texts_that_were_not_kept_are_given_again() {
    let env = scene();
    env.write("notes.txt", "the key");
    env.write("t.jinja", "{{ strftime_now('%H:%M:%S') }} {{ messages[-1].content }}");
    let args = ["-f", "notes.txt", "--system", "be brief", "opens"];
    let id = receipt(&env, &args);
    is(verdict(&env, &id, &[]), UNTOLD);
    is(verdict(&env, &id, &["-f", "notes.txt", "--system", "be brief", "--prompt", "opens"]), SAME);
    is(verdict(&env, &id, &["-f", "notes.txt", "--prompt", "opens"]), UNTOLD);
    is(verdict(&env, &id, &["-f", "notes.txt", "--system", "be brief", "--prompt", "closes"]), UNTOLD);

    let raw = receipt(&env, &["--raw", "the log", "--stop", "never"]);
    is(verdict(&env, &raw, &["--prompt", "the log"]), SAME);
    let timed = receipt(&env, &["the log", "--template", "t.jinja"]);
    is(verdict(&env, &timed, &["--prompt", "the log"]), UNTOLD);
    is(verdict(&env, &timed, &["--prompt", "the log", "--template", "t.jinja"]), SAME);
    let long = "the gate ".repeat(20);
    let cut = receipt(&env, &["--raw", &long, "--ctx", "32", "--truncate"]);
    is(verdict(&env, &cut, &["--prompt", &long]), SAME);
    env.write("talk.json", r#"[{"role":"user","content":"a"}]"#);
    let talk = receipt(&env, &["--messages", "talk.json"]);
    is(verdict(&env, &talk, &["--messages", "talk.json"]), SAME);
}

/// A receipt that names one model and holds the answer of another: its maker's memory of digests was changed.
fn false_receipt(env: &TestEnv, args: &[&str]) -> String {
    let mut other = std::fs::read(env.work().join("tiny.gguf")).expect("the model");
    // The norms stand at the end: every other weight of theirs.
    let norms = other.len() - 5 * 64 * 4;
    other[norms..].chunks_exact_mut(8).for_each(|pair| pair[..4].copy_from_slice(&(-2f32).to_le_bytes()));
    env.write("other.gguf", &other);
    let digest = |model: &str| {
        let ran = env.process(&["infer", "-n1", "--json", "-m", model, "--no-receipt", "the"]);
        document(&ran)["result"]["model"]["sha256"].as_str().expect("a digest").to_owned()
    };
    let (tiny, wrong) = (digest("tiny.gguf"), digest("other.gguf"));
    let memory = env.home().join(".local/share/bizra/model-digests");
    let text = std::fs::read_to_string(&memory).expect("remembered");
    std::fs::write(&memory, text.replace(&wrong, &tiny)).expect("written");
    receipt(env, &[args, &["-m", "other.gguf"]].concat())
}

#[test]
fn a_false_claim_is_refuted_at_its_first_token() {
    let env = scene();
    let id = false_receipt(&env, &["the gate", "--record-text"]);
    let ran = replay(&env, &id, &["--json"]);
    assert_eq!(ran.code, 1, "{ran}");
    let result = &document(&ran)["result"];
    assert_eq!(result["verdict"], "different");
    let difference = &result["first_difference"];
    assert_ne!(difference["recorded"], difference["replayed"]);
    assert!(ran.stderr.contains("no: token "), "{ran}");
    let lied = replay(&env, &id, &["-m", "other.gguf"]);
    assert_eq!(lied.code, 4, "a replay hashes for itself: {lied}");

    let untold = false_receipt(&env, &["the gate"]);
    let ran = replay(&env, &untold, &["--prompt", "the gate"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("where it differs can't be told"), "{ran}");
}

#[test]
fn without_salts_nothing_can_be_told() {
    let env = scene();
    let id = receipt(&env, &["the gate"]);
    std::fs::remove_dir_all(env.home().join(".local/share/bizra/texts")).expect("erased");
    is(verdict(&env, &id, &["--prompt", "the gate"]), UNTOLD);
}

#[test]
fn the_model_is_found_by_its_bytes() {
    let env = scene();
    let id = receipt(&env, &["the gate", "--record-text"]);
    std::fs::rename(env.work().join("tiny.gguf"), env.work().join("moved.gguf")).expect("moved");
    is(verdict(&env, &id, &[]), UNTOLD);
    is(verdict(&env, &id, &["-m", "moved.gguf"]), SAME);
    let mut other = std::fs::read(env.work().join("moved.gguf")).expect("the model");
    let last = other.len() - 1;
    other[last] ^= 1;
    env.write("moved.gguf", &other);
    env.write("tiny.gguf", &other);
    is(verdict(&env, &id, &[]), UNTOLD);
    let named = replay(&env, &id, &["-m", "moved.gguf"]);
    assert_eq!(named.code, 4);
    assert!(named.stderr.contains("is another model"), "{named}");
    assert_eq!(replay(&env, &id, &["-m", "none.gguf"]).code, 3);
    env.write("tiny.gguf", b"");
    env.fixture("tiny.gguf");
    is(verdict(&env, &id, &[]), SAME);
}

#[test]
fn kept_texts_that_were_tampered_with_are_no_evidence() {
    let env = scene();
    let id = receipt(&env, &["the gate", "--record-text"]);
    let original = std::cell::RefCell::new(Value::Null);
    tamper(&env, |kept| *original.borrow_mut() = kept.clone());
    let restore = || tamper(&env, |kept| *kept = original.borrow().clone());
    for (path, told) in [("prompt", "prompt kept"), ("output", "answer kept")] {
        tamper(&env, |kept| kept["texts"][path] = "forged".into());
        let ran = replay(&env, &id, &[]);
        assert_eq!(ran.code, 5, "{ran}");
        assert!(ran.stderr.contains(told), "{ran}");
        restore();
    }
    tamper(&env, |kept| kept["texts"]["output_tokens"][0] = 5.into());
    assert_eq!(replay(&env, &id, &[]).code, 5);
    restore();
    tamper(&env, |kept| kept["prompt_salt"] = "00".repeat(32).into());
    assert_eq!(replay(&env, &id, &[]).code, 5);
    tamper(&env, |kept| kept["prompt_salt"] = "zz".into());
    assert_eq!(replay(&env, &id, &[]).code, 3);
    restore();
    is(verdict(&env, &id, &[]), SAME);
}

#[test]
fn what_was_not_run_can_not_be_run_again() {
    let env = scene();
    let id = receipt(&env, &["the gate"]);
    assert_eq!(replay(&env, "00000000", &[]).code, 3);
    assert_eq!(replay(&env, "0", &[]).code, 2);
    assert_eq!(replay(&env, &id, &["--prompt", "x", "--messages", "y"]).code, 2);
}
