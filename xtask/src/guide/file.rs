//! The model's file: vocabulary, chat template and weights as GGUF, matrices in Q8_0.

use std::collections::BTreeMap;

use bizra::infer::dtype::DType;
use bizra::infer::gguf::write::{Put, Writer};
use half::f16;

use super::bpe::Vocabulary;
use crate::tools::Outcome;

/// The markers are in upper case and questions are lowered, so that no question can hold one.
pub(super) const USER: &str = "<|USER|>";
pub(super) const GUIDE: &str = "<|BIZRA|>";
pub(super) const END: &str = "<|END|>";

/// The last thing that was asked, lowered; a model as small as this one keeps no conversation.
pub(super) const TEMPLATE: &str = "{% set asked = messages | selectattr('role', 'equalto', 'user') | list %}\
{% if asked %}{{ '<|USER|> ' + (asked | last).content | trim | lower + '<|BIZRA|>' }}\
{% else %}{{ raise_exception('there is nothing that a user asked') }}{% endif %}";

/// What the template makes of a question.
pub(super) fn prompt(question: &str) -> String {
    format!("{USER} {}{GUIDE}", question.trim().to_lowercase())
}

#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) dim: usize,
    pub(super) layers: usize,
    pub(super) ffn: usize,
    pub(super) head: usize,
    pub(super) context: u32,
    pub(super) rope_base: f32,
    pub(super) eps: f32,
}

/// Everything but tensors.
fn begin(shape: Shape, vocabulary: &Vocabulary) -> Writer {
    let tokens: Vec<&str> = vocabulary.tokens.iter().map(String::as_str).chain([USER, GUIDE, END]).collect();
    let merges: Vec<&str> = vocabulary.merges.iter().map(String::as_str).collect();
    let normal = vocabulary.tokens.len();
    let kinds: Vec<i32> = (0..tokens.len()).map(|id| if id < normal { 1 } else { 3 }).collect();
    Writer::new()
        .key("general.architecture", Put::Str("llama"))
        .key("general.name", Put::Str("bizra guide"))
        .key("general.description", Put::Str("Answers questions about bizra, and says so when it doesn't know"))
        .key("general.license", Put::Str("MIT OR Apache-2.0"))
        .key("general.file_type", Put::U32(7))
        .key("llama.context_length", Put::U32(shape.context))
        .key("llama.embedding_length", Put::U32(shape.dim as u32))
        .key("llama.block_count", Put::U32(shape.layers as u32))
        .key("llama.feed_forward_length", Put::U32(shape.ffn as u32))
        .key("llama.attention.head_count", Put::U32((shape.dim / shape.head) as u32))
        .key("llama.attention.head_count_kv", Put::U32((shape.dim / shape.head) as u32))
        .key("llama.attention.layer_norm_rms_epsilon", Put::F32(shape.eps))
        .key("llama.rope.dimension_count", Put::U32(shape.head as u32))
        .key("llama.rope.freq_base", Put::F32(shape.rope_base))
        .key("llama.vocab_size", Put::U32(tokens.len() as u32))
        .key("tokenizer.ggml.model", Put::Str("gpt2"))
        .key("tokenizer.ggml.pre", Put::Str("gpt-2"))
        .key("tokenizer.ggml.tokens", Put::Strings(&tokens))
        .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
        .key("tokenizer.ggml.merges", Put::Strings(&merges))
        .key("tokenizer.ggml.eos_token_id", Put::U32(normal as u32 + 2))
        .key("tokenizer.ggml.add_bos_token", Put::Bool(false))
        .key("tokenizer.chat_template", Put::Str(TEMPLATE))
}

/// A file with the vocabulary alone, for the engine's own tokenizer to read.
pub(super) fn vocabulary_only(shape: Shape, vocabulary: &Vocabulary) -> Vec<u8> {
    begin(shape, vocabulary).header()
}

pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) values: Vec<f32>,
}

impl Matrix {
    /// Blocks of 32 values: a scale in half precision, then a byte for each.
    fn q8_0(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.values.len() / 32 * 34);
        for block in self.values.chunks_exact(32) {
            let scale = block.iter().fold(0f32, |most, x| most.max(x.abs())) / 127.0;
            let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
            out.extend(f16::from_f32(scale).to_le_bytes());
            out.extend(block.iter().map(|x| (x * inverse).round() as i8 as u8));
        }
        out
    }

    /// From `[in, out]`, of which the columns `from..from + rows` become rows.
    fn columns(of: &Matrix, from: usize, rows: usize) -> Matrix {
        let values = (from..from + rows).flat_map(|col| (0..of.rows).map(move |row| of.values[row * of.cols + col]));
        Matrix { rows, cols: of.rows, values: values.collect() }
    }
}

/// The trainer's weights by name, as `xtask/train` calls them.
pub(super) fn model(shape: Shape, vocabulary: &Vocabulary, weights: &BTreeMap<String, Matrix>) -> Outcome<Vec<u8>> {
    let of = |name: &str| weights.get(name).ok_or(format!("the trained weights have no `{name}`"));
    let (dim, ffn) = (shape.dim, shape.ffn);
    let mut tensors: Vec<(String, Vec<u64>, DType, Vec<u8>)> = Vec::new();
    let matrix = |name: String, matrix: &Matrix| {
        (name, vec![matrix.cols as u64, matrix.rows as u64], DType::Q8_0, matrix.q8_0())
    };
    let norm = |name: String, values: &Matrix| {
        let bytes = values.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        (name, vec![dim as u64], DType::F32, bytes)
    };
    tensors.push(matrix("token_embd.weight".into(), of("embed")?));
    tensors.push(norm("output_norm.weight".into(), of("norm")?));
    for layer in 0..shape.layers {
        let of = |name: &str| of(&format!("{layer:02}.{name}"));
        let named = |name: &str| format!("blk.{layer}.{name}.weight");
        tensors.push(norm(named("attn_norm"), of("norm1")?));
        tensors.push(norm(named("ffn_norm"), of("norm2")?));
        let (qkv, gate_up) = (of("qkv")?, of("gate_up")?);
        for (number, name) in ["attn_q", "attn_k", "attn_v"].into_iter().enumerate() {
            tensors.push(matrix(named(name), &Matrix::columns(qkv, number * dim, dim)));
        }
        tensors.push(matrix(named("attn_output"), &Matrix::columns(of("out")?, 0, dim)));
        tensors.push(matrix(named("ffn_gate"), &Matrix::columns(gate_up, 0, ffn)));
        tensors.push(matrix(named("ffn_up"), &Matrix::columns(gate_up, ffn, ffn)));
        tensors.push(matrix(named("ffn_down"), &Matrix::columns(of("down")?, 0, dim)));
    }
    let mut file = begin(shape, vocabulary);
    for (name, dims, dtype, _) in &tensors {
        file = file.tensor(name, dims, *dtype);
    }
    let mut out = Vec::new();
    file.write(&mut out, |number| Ok(std::mem::take(&mut tensors[number].3))).map_err(|e| e.to_string())?;
    Ok(out)
}
