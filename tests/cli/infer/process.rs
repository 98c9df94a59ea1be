//! What only a real process shows: streams that close, stay silent or fill up, signals, a model that changes.
#![cfg(unix)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::files::with_context;
use super::scene;
use crate::harness::TestEnv;

/// A scene with a model whose answers never end.
fn endless() -> TestEnv {
    let env = scene().var("BIZRA_MODEL", "endless.gguf");
    env.write("endless.gguf", with_context(200_000));
    env
}

const ENDLESS: [&str; 4] = ["infer", "the gate", "--ctx", "200000"];

fn newest(env: &TestEnv) -> Value {
    let listed = env.process(&["receipts", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let id = listed["result"]["receipts"][0]["id"].as_str().expect("an id").to_owned();
    let shown = env.process(&["receipts", "show", &id, "--json"]);
    serde_json::from_str::<Value>(&shown.stdout).expect("JSON")["result"].clone()
}

/// Starts it, and waits until it has said something.
fn speaking(mut command: Command) -> (Child, Vec<u8>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut said = vec![0; 64];
    child.stdout.as_mut().expect("piped").read_exact(&mut said).expect("it speaks");
    (child, said)
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success(), "it was still running");
}

fn ended(child: Child, mut said: Vec<u8>) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("it ends");
    said.extend(output.stdout);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&said), text(&output.stderr))
}

#[test]
fn closed_and_silent_inputs_are_not_waited_for() {
    let env = scene();
    assert_eq!(env.shell("infer the -n 4", "<&-").code, 0);
    assert_eq!(env.shell("infer -n 4", "<&-").code, 2, "nothing was asked");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let output = env.command(&["infer", "the", "-n", "4"]).stdin(reader).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(0));
    drop(writer);
}

#[test]
fn a_prompt_may_come_in_pieces() {
    let env = scene();
    let mut command = env.command(&["infer", "-n", "6"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    for piece in ["the ", "gate"] {
        input.write_all(piece.as_bytes()).expect("it reads");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    drop(input);
    let (code, said, _) = ended(child, Vec::new());
    assert_eq!((code, said), (Some(0), env.process(&["infer", "-n", "6", "the gate"]).stdout));
}

#[test]
fn ctrl_c_keeps_what_was_said_and_the_receipt_says_so() {
    let env = endless();
    let (child, said) = speaking(env.command(&[&ENDLESS[..], &["--record-text"]].concat()));
    interrupt(&child);
    let (code, said, told) = ended(child, said);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("the answer was cut short, and the receipt says so"), "{told}");
    let receipt = newest(&env);
    assert_eq!(receipt["predicate"]["finish"], "interrupted", "{receipt}");
    let id = receipt["id"].as_str().expect("an id");
    assert!(told.contains(id), "{told}");
    assert!(said.ends_with('\n') && receipt["predicate"]["output"]["tokens"].as_u64() > Some(8));

    let replayed = env.process(&["receipts", "replay", id]);
    assert_eq!(replayed.code, 0, "the tokens until then are the same: {replayed}");
}

#[test]
fn a_document_is_one_document_when_interrupted_too() {
    let env = endless();
    let mut command = env.command(&[&ENDLESS[..], &["--json", "--no-receipt"]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    interrupt(&child);
    let (code, said, told) = ended(child, Vec::new());
    assert_eq!(code, Some(130), "{told}");
    let document: Value = serde_json::from_str(&said).expect("one document");
    assert_eq!((&document["exit"], &document["result"]["finish"]), (&130.into(), &"interrupted".into()));
    assert!(!told.contains("receipt"), "{told}");
}

#[test]
fn a_reader_who_leaves_ends_the_run_and_the_receipt_says_so() {
    let env = endless();
    let ran = env.process_unread(&ENDLESS);
    assert_eq!(ran.code, 141, "{ran}");
    assert_eq!(newest(&env)["predicate"]["finish"], "interrupted");
    let piped = env.shell("infer 'the gate' --ctx 200000", "| head -c 5");
    assert_eq!(piped.stdout.len(), 5, "{piped}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let env = scene();
    let full = env.shell("infer 'the gate' -n 4", ">/dev/full");
    assert_eq!(full.code, 6, "{full}");
    assert!(full.stderr.contains("no space is left"), "{full}");
}

#[test]
fn an_answer_of_a_model_that_changed_meanwhile_is_void() {
    let env = endless();
    let (child, said) = speaking(env.command(&ENDLESS));
    let path = env.work().join("endless.gguf");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the model");
    file.write_all(b"more").expect("written");
    interrupt(&child);
    let (code, _, told) = ended(child, said);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("changed while it was in use"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_of_a_model_that_was_cut_short_is_void() {
    let env = endless();
    let (child, said) = speaking(env.command(&ENDLESS));
    let model = std::fs::OpenOptions::new().write(true).open(env.work().join("endless.gguf")).expect("the model");
    model.set_len(4096).expect("cut");
    let (code, _, told) = ended(child, said);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("cut short while it was in use"), "{told}");
}
