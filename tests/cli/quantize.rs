//! `bizra model quantize`: a small file of f32 weights in fewer bits.

use bizra::infer::dtype::DType;
use bizra::infer::gguf::Gguf;
use bizra::infer::gguf::write::{Put, Writer};
use serde_json::Value;

use crate::harness::TestEnv;

fn file(rows: u64) -> Vec<u8> {
    let writer = Writer::new()
        .key("general.architecture", Put::Str("llama"))
        .tensor("blk.0.ffn_up.weight", &[256, rows], DType::F32)
        .tensor("blk.0.attn_norm.weight", &[256], DType::F32);
    let values = |n: u64| (0..n).flat_map(|i| (((i * 7919 % 1009) as f32 - 504.0) / 700.0).to_le_bytes()).collect();
    let mut bytes = Vec::new();
    writer.write(&mut bytes, |at| Ok(values(if at == 0 { 256 * rows } else { 256 }))).expect("it fits");
    bytes
}

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.write("m.gguf", file(8));
    env
}

#[test]
fn a_file_gets_smaller_and_what_that_costs_is_said() {
    let env = env();
    let ran = env.run(&["model", "quantize", "m.gguf", "q.gguf", "--to", "q4_k"]);
    assert_eq!(ran.code, 0, "{ran}");
    insta::assert_snapshot!(ran.stdout, @r"
    tensor               weights  from  to      error
    blk.0.ffn_up.weight     2048  F32   Q4_K  0.05851
    q.gguf: 0.0 MiB from 0.0 MiB; error 0.05851 of the weights' root mean square; 1 tensors are as they were
    ");
    let made = std::fs::read(env.work().join("q.gguf")).expect("the file");
    let gguf = Gguf::parse(&made).expect("a model file");
    assert_eq!(gguf.tensors().iter().map(|t| t.dtype).collect::<Vec<_>>(), [DType::Q4K, DType::F32]);
    for to in ["q8_0", "q4_0"] {
        let told = env.run(&["model", "quantize", "m.gguf", &format!("{to}.gguf"), "--to", to, "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
        assert_eq!(told["result"]["format"], to.to_uppercase());
        assert_eq!(told["result"]["tensors"][1]["error"], Value::Null);
        assert!(told["receipt"].is_string());
        let (size, digest) = (&told["result"]["made"]["bytes"], &told["result"]["made"]["sha256"]);
        let made = std::fs::read(env.work().join(format!("{to}.gguf"))).expect("the file");
        assert_eq!(size, made.len());
        use sha2::Digest as _;
        assert_eq!(*digest, bizra::receipts::hex::encode(&sha2::Sha256::digest(&made)));
    }
    let listed: Value = serde_json::from_str(&env.run(&["receipts", "list", "--json"]).stdout).expect("JSON");
    let id = listed["result"]["receipts"][0]["id"].as_str().expect("an id").to_owned();
    assert!(env.run(&["receipts", "show", &id]).stdout.contains("quantization"));
    assert_eq!(env.run(&["receipts", "replay", &id]).code, 4);
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}

#[test]
fn nothing_is_lost_by_a_mistake() {
    let env = env();
    let source = std::fs::read(env.work().join("m.gguf")).expect("the file");
    let refused = |args: &[&str], code: i32, word: &str| {
        let ran = env.run(&[&["model", "quantize"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {ran}");
        assert!(ran.stderr.contains(word), "{args:?}: {ran}");
    };
    refused(&["m.gguf", "m.gguf", "--to", "q8_0", "--force"], 2, "same file");
    refused(&["m.gguf", "q.gguf", "--to", "q9_0"], 2, "q4_k");
    refused(&["m.gguf", "q.gguf"], 2, "--to");
    refused(&["none.gguf", "q.gguf", "--to", "q8_0"], 3, "none.gguf");
    refused(&["m.gguf", "no/folder/q.gguf", "--to", "q8_0"], 6, "q.gguf");
    env.write("cut.gguf", &source[..source.len() / 2]);
    refused(&["cut.gguf", "q.gguf", "--to", "q8_0"], 3, "cut.gguf");
    env.write("text.gguf", "no model");
    refused(&["text.gguf", "q.gguf", "--to", "q8_0"], 3, "text.gguf");
    refused(&[".", "q.gguf", "--to", "q8_0"], 3, "folder");
    env.write("old.gguf", "kept");
    refused(&["m.gguf", "old.gguf", "--to", "q8_0"], 2, "--force");
    assert_eq!(std::fs::read(env.work().join("old.gguf")).expect("the file"), b"kept");
    assert_eq!(env.run(&["model", "quantize", "m.gguf", "old.gguf", "--to", "q8_0", "--force"]).code, 0);
    refused(&["old.gguf", "again.gguf", "--to", "q4_0"], 3, "already");
    let mut nan = source.clone();
    let at = nan.len() - 4 * 1000;
    nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    env.write("nan.gguf", &nan);
    refused(&["nan.gguf", "q.gguf", "--to", "q4_0"], 3, "blk.0.ffn_up.weight");
    let mut left: Vec<String> = std::fs::read_dir(env.work())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["cut.gguf", "m.gguf", "nan.gguf", "old.gguf", "text.gguf"], "no half file stays");
    assert_eq!(std::fs::read(env.work().join("m.gguf")).expect("the file"), source);
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_half_file() {
    let env = TestEnv::new();
    env.write("m.gguf", file(400_000));
    let mut command = env.command(&["model", "quantize", "m.gguf", "q.gguf", "--to", "q4_k", "--threads", "1"]);
    let child = command.stderr(std::process::Stdio::piped()).spawn().expect("the binary starts");
    // Once something stands beside the place of the file, the work has begun.
    let beside = || std::fs::read_dir(env.work()).expect("a folder").count() > 1;
    while !beside() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    if beside() {
        // On a busy machine the signal may come when the work is done: then the file is whole.
        let cut = std::fs::read(env.work().join("q.gguf")).expect("what stays is the file itself");
        let whole = env.run(&["model", "quantize", "m.gguf", "q.gguf", "--to", "q4_k", "--force", "--no-receipt"]);
        assert_eq!(whole.code, 0, "{whole}");
        assert!(cut == std::fs::read(env.work().join("q.gguf")).expect("a file"), "a half file stays");
    }
}
