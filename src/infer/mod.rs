//! Running a language model on this machine: its file, its tokenizer, its template, the forward pass, sampling and
//! generation. Pure: the caller maps files and hands over bytes.

pub mod config;
pub mod conformance;
pub mod conformance_lm;
pub mod dtype;
pub mod engine;
pub mod fault;
pub mod forward;
pub mod generate;
pub mod gguf;
pub mod grammar;
pub mod hf;
mod json;
pub mod kv;
pub mod memory;
pub mod model;
pub mod requantize;
pub mod rope;
pub mod safetensors;
pub mod sampler;
pub mod template;
pub mod text;
pub mod tokenizer;
pub mod trial;
pub mod weights;

/// Text from a file as it may stand in a message: quoted, escaped, cut when long.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MOST).flat_map(char::escape_debug).collect();
    format!("`{head}`{}", if chars.next().is_some() { "…" } else { "" })
}
