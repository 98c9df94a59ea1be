//! Model files: named, missing, damaged, too large.

use super::{document, infer, refused, scene};
use crate::harness::TestEnv;

fn tiny() -> Vec<u8> {
    include_bytes!("../../../fixtures/tiny.gguf").to_vec()
}

fn place_of(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("it is in the file")
}

/// The small model with another text of the same length in the place of `from`.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    let mut bytes = tiny();
    let at = place_of(&bytes, from);
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// The small model, said to have been trained on contexts of this length.
pub(super) fn with_context(length: u32) -> Vec<u8> {
    let mut bytes = tiny();
    let key = "llama.context_length";
    let at = place_of(&bytes, key) + key.len() + 4;
    bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn refused_file(bytes: &[u8], code: i32, told: &str) {
    let env = scene();
    env.write("odd.gguf", bytes);
    refused(&env, code, &["x", "-m", "odd.gguf"], told);
    if code == 3 {
        refused(&env, code, &["x", "-m", "odd.gguf"], "odd.gguf: ");
    }
}

#[test]
fn a_model_that_is_not_there_is_refused() {
    let env = TestEnv::new();
    refused(&env, 3, &["x", "-m", "none.gguf"], "there is no file none.gguf");
}

#[cfg(not(feature = "embedded-model"))]
#[test]
fn without_a_model_inside_one_has_to_be_named() {
    let env = TestEnv::new();
    refused(&env, 6, &["x"], "no model is named, and this bizra was built without one inside");
    refused(&env, 6, &["x", "-m", "embedded"], "--features embedded-model");
}

#[test]
fn the_model_is_named_by_flag_variable_or_configuration() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.fixture("tiny.gguf");
    env.write("bizra.toml", "model = \"tiny.gguf\"\n");
    let by_file = infer(&env, &["x"]);
    assert_eq!(by_file.code, 0, "{by_file}");
    let env = env.var("BIZRA_MODEL", "none.gguf");
    refused(&env, 3, &["x"], "none.gguf");
    assert_eq!(infer(&env, &["x", "-m", "tiny.gguf"]).stdout, by_file.stdout);
}

#[test]
fn names_of_repositories_are_looked_up_in_the_cache() {
    let env = scene().var("HF_HOME", "/nowhere");
    refused(&env, 3, &["x", "-m", "a/b"], "bizra model pull a/b");
    let cache = env.work().join("hf");
    let env = env.var("HF_HOME", &cache.display().to_string());
    let put = |path: &str, bytes: &[u8]| env.write(&format!("hf/hub/models--a--b/{path}"), bytes);
    put("refs/main", b"c1");
    put("snapshots/c1/b-F16.gguf", &tiny());
    assert_eq!(infer(&env, &["x", "-m", "a/b"]).code, 0);
    put("snapshots/c1/b-BF16.gguf", b"other");
    refused(&env, 2, &["x", "-m", "a/b"], "b-BF16.gguf, b-F16.gguf");
    assert_eq!(infer(&env, &["x", "-m", "a/b:f16"]).code, 0, "F16 is no part of BF16");
    refused(&env, 3, &["x", "-m", "a/b:BF16"], "b-BF16.gguf");
    refused(&env, 3, &["x", "-m", "a/b:Q9"], "it has b-BF16.gguf, b-F16.gguf");
    put("snapshots/c2/only.gguf", &tiny());
    assert_eq!(infer(&env, &["x", "-m", "a/b@c2"]).code, 0);
    refused(&env, 3, &["x", "-m", "a/b@c3"], "no revision c3");
    refused(&env, 3, &["x", "-m", "a/c"], "no model a/c");
}

#[test]
fn files_cut_anywhere_are_refused_by_their_offset() {
    let whole = tiny();
    let env = scene();
    let header = place_of(&whole, "token_embd.weight");
    let cuts = (1..24).chain((24..header).step_by(397)).chain((header..whole.len()).step_by(9001));
    for cut in cuts.chain([whole.len() - 1]) {
        env.write("odd.gguf", &whole[..cut]);
        let ran = infer(&env, &["x", "-m", "odd.gguf"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "cut at {cut}: {ran}");
        assert!(ran.stderr.contains("odd.gguf: GGUF, byte "), "cut at {cut}: {ran}");
    }
}

#[test]
fn what_is_no_model_is_refused() {
    refused_file(b"", 3, "byte 0");
    refused_file(b"PK\x03\x04 is a zip", 3, "not with \"GGUF\"");
    let counted = |at: usize| {
        let mut bytes = tiny();
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes
    };
    refused_file(&counted(8), 3, "18446744073709551615 tensors cannot be");
    refused_file(&counted(16), 3, "18446744073709551615 keys cannot be");
    let mut bytes = tiny();
    bytes[4] = 9;
    refused_file(&bytes, 3, "version 9 is not supported");
    let env = scene();
    env.write("folder/readme.txt", "nothing");
    refused(&env, 3, &["x", "-m", "folder"], "it has no config.json");
}

#[test]
fn unknown_parts_are_named_beside_the_known_ones() {
    let arch = renamed("llama", "mamba");
    refused_file(&arch, 3, "mamba");
    refused_file(&arch, 3, "qwen2");
    let mut bytes = tiny();
    let model = "tokenizer.ggml.model";
    let at = place_of(&bytes, model) + model.len() + 12;
    bytes[at..at + 5].copy_from_slice(b"alien");
    refused_file(&bytes, 3, "alien");
    refused_file(&renamed("blk.1.ffn_up", "blk.1.ffn_xy"), 3, "blk.1.ffn_");
}

#[test]
fn a_model_without_a_template_says_what_to_do() {
    let env = scene();
    env.write("plain.gguf", renamed("tokenizer.chat_template", "tokenizer.chat_templatX"));
    refused(&env, 3, &["x", "-m", "plain.gguf"], "--raw");
    refused(&env, 3, &["x", "-m", "plain.gguf"], "--template FILE");
    assert_eq!(infer(&env, &["--raw", "x", "-m", "plain.gguf"]).code, 0);
}

#[test]
fn weights_that_are_no_numbers_end_the_run() {
    let mut bytes = tiny();
    let last = bytes.len() - 64 * 4;
    bytes[last..last + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    refused_file(&bytes, 3, "NaN or infinity in layer 2 of 2");
}

#[test]
fn memory_that_is_not_there_is_told_before_loading() {
    let longest = 1 << 28;
    let needed = longest * (2 * 2 * 2 * 16 * 4);
    if bizra_kernels::os::Memory::read().is_none_or(|memory| memory.available > needed) {
        return; // A machine with so much memory has nothing to refuse.
    }
    let env = scene();
    env.write("long.gguf", with_context(longest as u32));
    let ctx = longest.to_string();
    let ran = infer(&env, &["x", "-m", "long.gguf", "--kv", "f32", "--ctx", &ctx, "--json"]);
    assert_eq!(ran.code, 6, "{ran}");
    let reason = document(&ran)["reasons"][0]["message"].to_string();
    assert!(reason.contains("MiB of memory") && reason.contains("MiB are available"), "{reason}");
    refused(&env, 2, &["x", "--ctx", &ctx], "give 1 to 512");
}
