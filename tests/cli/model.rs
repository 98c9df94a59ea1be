//! `bizra model`, and what `infer` keeps of a model.

use std::path::PathBuf;

use bizra::infer::dtype::DType;
use bizra::infer::gguf::write::{Put, Writer};
use serde_json::Value;

use crate::harness::{Ran, TestEnv};
use crate::infer::document;

const USED: &str = "packed weights of an earlier run";
const DIM: u64 = 64;
const FFN: u64 = 90_112;

/// A llama of one layer, wide enough that keeping its packed weights is worth it: 18 MB, all weights alike.
fn model() -> Vec<u8> {
    let bytes: Vec<String> = (0..256).map(|byte| format!("<0x{byte:02X}>")).collect();
    let tokens: Vec<&str> = ["<unk>", "<s>", "</s>"].into_iter().chain(bytes.iter().map(String::as_str)).collect();
    let kinds: Vec<i32> = (0..tokens.len()).map(|id| [2, 3, 3].get(id).copied().unwrap_or(6)).collect();
    let mut file = Writer::new()
        .key("general.architecture", Put::Str("llama"))
        .key("llama.context_length", Put::U32(64))
        .key("llama.embedding_length", Put::U32(DIM as u32))
        .key("llama.block_count", Put::U32(1))
        .key("llama.feed_forward_length", Put::U32(FFN as u32))
        .key("llama.attention.head_count", Put::U32(4))
        .key("llama.attention.layer_norm_rms_epsilon", Put::F32(1e-5))
        .key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.tokens", Put::Strings(&tokens))
        .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
        .key("tokenizer.ggml.scores", Put::Floats(&vec![0.0; tokens.len()]));
    let mut data: Vec<Vec<u8>> = Vec::new();
    for (name, cols, rows) in [
        ("token_embd", DIM, tokens.len() as u64),
        ("output", DIM, tokens.len() as u64),
        ("blk.0.attn_q", DIM, DIM),
        ("blk.0.attn_k", DIM, DIM),
        ("blk.0.attn_v", DIM, DIM),
        ("blk.0.attn_output", DIM, DIM),
        ("blk.0.ffn_gate", DIM, FFN),
        ("blk.0.ffn_up", DIM, FFN),
        ("blk.0.ffn_down", FFN, DIM),
    ] {
        file = file.tensor(&format!("{name}.weight"), &[cols, rows], DType::Q8_0);
        // 2^-9 in half precision, and quanta that repeat after a prime number of them.
        let block = |number: u64| {
            let quanta = (0..32).map(move |i| ((number * 32 + i) % 127) as u8);
            0x1800u16.to_le_bytes().into_iter().chain(quanta)
        };
        data.push((0..cols / 32 * rows).flat_map(block).collect());
    }
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        file = file.tensor(&format!("{name}.weight"), &[DIM], DType::F32);
        data.push((0..DIM).flat_map(|_| 1f32.to_le_bytes()).collect());
    }
    let mut out = Vec::new();
    file.write(&mut out, |number| Ok(std::mem::take(&mut data[number]))).expect("written");
    out
}

fn scene() -> TestEnv {
    let env = TestEnv::new().var("BIZRA_MODEL", "wide.gguf");
    env.git(&["init", "-q"]);
    env.write("wide.gguf", model());
    env
}

fn answer(env: &TestEnv) -> (Value, String) {
    let ran = env.run(&["infer", "--raw", "ab", "-n", "3", "--json", "-v"]);
    assert_eq!(ran.code, 0, "{ran}");
    (document(&ran)["result"]["token_ids"].clone(), ran.stderr)
}

fn list(env: &TestEnv) -> Ran {
    env.run(&["model", "cache", "list", "--json"])
}

fn entries(env: &TestEnv) -> Vec<Value> {
    document(&list(env))["result"]["entries"].as_array().expect("a list").clone()
}

fn only_file(env: &TestEnv) -> PathBuf {
    let folder = env.home().join(".cache/bizra/packed");
    let files = std::fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
    let mut packed = files.filter(|path| path.extension().is_some_and(|e| e == "packed"));
    packed.next().expect("a file")
}

#[test]
fn packed_weights_are_kept_used_mended_and_cleared() {
    let env = scene();
    assert!(entries(&env).is_empty());
    let (first, stderr) = answer(&env);
    assert_eq!(first.as_array().map(Vec::len), Some(3));
    assert!(!stderr.contains(USED), "{stderr}");
    let [entry] = entries(&env).try_into().expect("one is kept");
    assert!(entry["bytes"].as_u64().expect("a number") > 16 << 20, "{entry}");
    let (again, stderr) = answer(&env);
    assert_eq!(again, first);
    assert!(stderr.contains(USED), "{stderr}");

    // Other weights in the middle, in another file of the same name: found out, told, packed again.
    let path = only_file(&env);
    let mut bytes = std::fs::read(&path).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(7);
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, bytes).expect("written");
    let (ids, stderr) = answer(&env);
    assert_eq!(ids, first);
    assert!(stderr.contains("these packed weights are damaged: their hash is another"), "{stderr}");
    assert!(stderr.contains("the weights are packed anew"), "{stderr}");
    assert!(answer(&env).1.contains(USED), "mended");

    let cleared = env.run(&["model", "cache", "clear"]);
    assert_eq!(cleared.code, 0, "{cleared}");
    assert!(cleared.stdout.contains("1 removed, 17.6 MiB, from $HOME/.cache/bizra/packed"), "{cleared}");
    assert!(entries(&env).is_empty());
}

#[test]
fn nothing_is_kept_where_it_is_switched_off_or_there_is_no_room() {
    let mut env = scene();
    for (size, kept) in [("0", 0), ("10MB", 0), ("100MB", 1)] {
        env.set("BIZRA_PACKED_CACHE", size);
        answer(&env);
        assert_eq!(entries(&env).len(), kept, "{size}");
    }
    env.set("BIZRA_PACKED_CACHE", "lots");
    let refused = env.run(&["model", "cache", "list"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("BIZRA_PACKED_CACHE: `lots` is no size: write 0, 500MB or 8GiB"), "{refused}");
}

#[test]
fn a_folder_that_can_not_be_written_is_told_and_the_answer_stays() {
    let env = scene();
    std::fs::write(env.home().join(".cache"), "a file in its place").expect("written");
    let (ids, stderr) = answer(&env);
    assert_eq!(ids.as_array().map(Vec::len), Some(3));
    assert!(stderr.contains("the packed weights can't be kept for the next run"), "{stderr}");
}

#[test]
fn an_empty_cache_says_so() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["model", "cache", "list"]).to_string(), @r"
    exit: 0
    --- stdout
    0 kept, 0.0 MiB of at most 8192.0 MiB, in $HOME/.cache/bizra/packed
    --- stderr
    ");
    let homeless = TestEnv::new().without("HOME").without("USERPROFILE");
    assert_eq!(homeless.run(&["model", "cache", "list"]).code, 6);
}
