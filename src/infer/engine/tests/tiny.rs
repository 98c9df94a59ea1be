//! Small models of random weights, as GGUF files and as tensors for the reference.

use super::reference::{Matrix, Tensors};
use crate::infer::dtype::DType;
use crate::infer::gguf::write::{Put, Writer};

/// What a random model is to look like; sizes are no multiples of anything on purpose.
#[derive(Clone)]
pub(super) struct Tiny {
    pub arch: &'static str,
    pub dim: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub ffn: usize,
    pub context: usize,
    pub tied: bool,
    pub fused: bool,
    pub qk_norm: bool,
    pub post_norms: bool,
    /// Names of matrices with a bias.
    pub biases: &'static [&'static str],
    /// Further vectors with a range for their values.
    pub extra: Vec<(&'static str, usize, f32, f32)>,
    pub keys: Vec<(&'static str, Key)>,
}

#[derive(Clone)]
pub(super) enum Key {
    Count(u32),
    Float(f32),
    Text(&'static str),
}

pub(super) const LLAMA: Tiny = Tiny {
    arch: "llama",
    dim: 36,
    layers: 2,
    heads: 6,
    kv_heads: 2,
    head_dim: 6,
    ffn: 50,
    context: 300,
    tied: false,
    fused: false,
    qk_norm: false,
    post_norms: false,
    biases: &[],
    extra: Vec::new(),
    keys: Vec::new(),
};

/// Bytes, then some words, so that any text can be said.
pub(super) fn vocabulary() -> Vec<String> {
    let specials = ["<unk>", "<s>", "</s>", "<think>", "</think>"].map(str::to_owned);
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let words = ["▁the", "▁cat", "▁sat", "stop", "▁"].map(str::to_owned);
    specials.into_iter().chain(bytes).chain(words).collect()
}

pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn float(&mut self, from: f32, to: f32) -> f32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        from + (to - from) * ((self.0 >> 40) as f32 / (1u64 << 24) as f32)
    }
}

impl Tiny {
    pub(super) fn vocab(&self) -> usize {
        vocabulary().len()
    }

    /// Name, rows, columns, range of values; one row for vectors.
    fn shapes(&self) -> Vec<(String, usize, usize, f32, f32)> {
        let mut all = Vec::new();
        let mut matrix = |name: String, rows: usize, cols: usize| {
            let most = (3.0 / cols as f32).sqrt();
            all.push((format!("{name}.weight"), rows, cols, -most, most));
            if self.biases.iter().any(|bias| name.ends_with(bias)) {
                all.push((format!("{name}.bias"), 1, rows, -0.5, 0.5));
            }
        };
        matrix("token_embd".into(), self.vocab(), self.dim);
        if !self.tied {
            matrix("output".into(), self.vocab(), self.dim);
        }
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            if self.fused {
                matrix(name("attn_qkv"), queries + 2 * keys, self.dim);
                matrix(name("ffn_up"), 2 * self.ffn, self.dim);
            } else {
                matrix(name("attn_q"), queries, self.dim);
                matrix(name("attn_k"), keys, self.dim);
                matrix(name("attn_v"), keys, self.dim);
                matrix(name("ffn_gate"), self.ffn, self.dim);
                matrix(name("ffn_up"), self.ffn, self.dim);
            }
            matrix(name("attn_output"), self.dim, queries);
            matrix(name("ffn_down"), self.dim, self.ffn);
        }
        let mut vector = |name: String, len: usize| all.push((format!("{name}.weight"), 1, len, 0.6, 1.4));
        vector("output_norm".into(), self.dim);
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            vector(name("attn_norm"), self.dim);
            vector(name("ffn_norm"), self.dim);
            if self.qk_norm {
                vector(name("attn_q_norm"), self.head_dim);
                vector(name("attn_k_norm"), self.head_dim);
            }
            if self.post_norms {
                vector(name("post_attention_norm"), self.dim);
                vector(name("post_ffw_norm"), self.dim);
            }
        }
        all.extend(self.extra.iter().map(|(name, len, from, to)| (name.to_string(), 1, *len, *from, *to)));
        all
    }

    pub(super) fn tensors(&self) -> Tensors {
        let mut random = Random(self.dim as u64 + 77);
        let fill = |(name, rows, cols, from, to): (String, usize, usize, f32, f32)| {
            let values = (0..rows * cols).map(|_| f64::from(random.float(from, to))).collect();
            (name, Matrix { rows, cols, values })
        };
        Tensors(self.shapes().into_iter().map(fill).collect())
    }

    pub(super) fn gguf(&self, tensors: &Tensors) -> Vec<u8> {
        let tokens = vocabulary();
        let texts: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let kinds: Vec<i32> = (0..texts.len() as i32)
            .map(|id| match id {
                0 => 2,
                1 | 2 => 3,
                3 | 4 => 4,
                5..=260 => 6,
                _ => 1,
            })
            .collect();
        let scores: Vec<f32> = (0..texts.len()).map(|id| -(id as f32)).collect();
        let key = |name: &str| format!("{}.{name}", self.arch);
        let mut file = Writer::new()
            .key("general.architecture", Put::Str(self.arch))
            .key("tokenizer.ggml.model", Put::Str("llama"))
            .key("tokenizer.ggml.tokens", Put::Strings(&texts))
            .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
            .key("tokenizer.ggml.scores", Put::Floats(&scores))
            .key("tokenizer.ggml.bos_token_id", Put::U32(1))
            .key("tokenizer.ggml.eos_token_id", Put::U32(2))
            .key(&key("context_length"), Put::U32(self.context as u32))
            .key(&key("embedding_length"), Put::U32(self.dim as u32))
            .key(&key("block_count"), Put::U32(self.layers as u32))
            .key(&key("feed_forward_length"), Put::U32(self.ffn as u32))
            .key(&key("attention.head_count"), Put::U32(self.heads as u32))
            .key(&key("attention.head_count_kv"), Put::U32(self.kv_heads as u32))
            .key(&key("attention.key_length"), Put::U32(self.head_dim as u32))
            .key(&key("attention.value_length"), Put::U32(self.head_dim as u32))
            .key(&key("attention.layer_norm_rms_epsilon"), Put::F32(1e-5));
        for (name, value) in &self.keys {
            file = match value {
                Key::Count(n) => file.key(&key(name), Put::U32(*n)),
                Key::Float(x) => file.key(&key(name), Put::F32(*x)),
                Key::Text(text) => file.key(&key(name), Put::Str(text)),
            };
        }
        let all: Vec<_> = tensors.0.iter().collect();
        for (name, matrix) in &all {
            let whole = [matrix.cols as u64, matrix.rows as u64];
            let dims = if matrix.rows == 1 { &whole[..1] } else { &whole };
            file = file.tensor(name, dims, DType::F32);
        }
        let mut bytes = Vec::new();
        let data = |n: usize| Ok(all[n].1.values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect());
        file.write(&mut bytes, data).unwrap();
        bytes
    }
}
