//! Models of random weights in single precision: the metadata and tensors of each architecture, small, with the
//! vocabulary of another file.

use bizra::infer::dtype::DType;
use bizra::infer::gguf::write::{Put, Writer};
use bizra::infer::gguf::{Gguf, Value};

use crate::tools::Outcome;

const DIM: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const FFN: usize = 96;
const TRAINED: u32 = 1024;

/// What sets a model apart; the rest is the same for all.
pub(super) struct Model {
    pub(super) name: &'static str,
    arch: &'static str,
    /// As in `ggml-vocab-NAME.gguf`.
    pub(super) vocabulary: &'static str,
    layers: usize,
    head_dim: usize,
    tied: bool,
    /// Positions that both programs are given.
    pub(super) context: usize,
    /// Keys under the architecture's name.
    keys: &'static [(&'static str, Put<'static>)],
    rope: Factors,
}

enum Factors {
    None,
    /// `rope_freqs.weight`, as Llama 3 has it.
    All,
    /// Lists for short and for long contexts.
    ShortAndLong,
}

const LLAMA: Model = Model {
    name: "llama",
    arch: "llama",
    vocabulary: "llama-spm",
    layers: 2,
    head_dim: 16,
    tied: false,
    context: 512,
    keys: &[],
    rope: Factors::None,
};

const QWEN2: Model = Model {
    name: "qwen2",
    arch: "qwen2",
    vocabulary: "qwen2",
    tied: true,
    keys: &[("rope.freq_base", Put::F32(1e6))],
    ..LLAMA
};

/// Six layers with a window of 16, then one without.
const GEMMA3: Model = Model {
    name: "gemma3",
    arch: "gemma3",
    layers: 7,
    head_dim: 32,
    tied: true,
    keys: &[("attention.sliding_window", Put::U32(16)), ("rope.freq_base", Put::F32(1e6))],
    ..LLAMA
};

const PHI3: Model = Model { name: "phi3", arch: "phi3", ..LLAMA };

const LONG_ROPE: &[(&str, Put)] =
    &[("rope.scaling.original_context_length", Put::U32(256)), ("rope.scaling.attn_factor", Put::F32(1.19))];

const YARN: &[(&str, Put)] = &[
    ("rope.scaling.type", Put::Str("yarn")),
    ("rope.scaling.factor", Put::F32(4.0)),
    ("rope.scaling.original_context_length", Put::U32(256)),
];

pub(super) const MODELS: &[Model] = &[
    LLAMA,
    Model {
        name: "llama 3, rope factors",
        vocabulary: "llama-bpe",
        tied: true,
        keys: &[("rope.freq_base", Put::F32(5e5))],
        rope: Factors::All,
        ..LLAMA
    },
    Model {
        name: "llama, linear rope",
        keys: &[("rope.scaling.type", Put::Str("linear")), ("rope.scaling.factor", Put::F32(4.0))],
        ..LLAMA
    },
    Model { name: "llama, yarn", keys: YARN, ..LLAMA },
    // llama.cpp ignores the window of this architecture, so it is as wide as what is asked.
    Model { name: "mistral", head_dim: 32, keys: &[("attention.sliding_window", Put::U32(512))], ..LLAMA },
    QWEN2,
    Model { name: "qwen2, yarn", tied: false, keys: YARN, ..QWEN2 },
    Model { name: "qwen3", arch: "qwen3", head_dim: 32, ..QWEN2 },
    GEMMA3,
    Model {
        name: "gemma3, linear rope, softcap",
        keys: &[
            ("attention.sliding_window", Put::U32(16)),
            ("rope.freq_base", Put::F32(1e6)),
            ("rope.scaling.type", Put::Str("linear")),
            ("rope.scaling.factor", Put::F32(8.0)),
            ("final_logit_softcapping", Put::F32(30.0)),
        ],
        ..GEMMA3
    },
    PHI3,
    Model { name: "phi3, long rope, short", keys: LONG_ROPE, rope: Factors::ShortAndLong, context: 256, ..PHI3 },
    Model { name: "phi3, long rope, long", keys: LONG_ROPE, rope: Factors::ShortAndLong, ..PHI3 },
];

/// A linear congruence, its high bits: the same weights each time.
struct Random(u64);

impl Random {
    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, count: usize, middle: f32, spread: f32) -> Vec<u8> {
        (0..count).flat_map(|_| (middle + spread * self.float()).to_le_bytes()).collect()
    }
}

struct Draft {
    file: Writer,
    random: Random,
    data: Vec<Vec<u8>>,
}

impl Draft {
    /// Products of normalised rows keep their size.
    fn matrix(&mut self, name: &str, rows: usize, cols: usize) {
        let spread = (3.0 / cols as f32).sqrt();
        self.tensor(name, &[cols as u64, rows as u64], 0.0, spread);
    }

    /// A matrix whose products are far apart.
    fn loud(&mut self, name: &str, rows: usize, cols: usize) {
        self.tensor(name, &[cols as u64, rows as u64], 0.0, 1.0);
    }

    /// What a layer adds outweighs the embedding: with tied weights that alone would repeat the last token.
    fn adding(&mut self, name: &str, rows: usize, cols: usize) {
        let spread = 3.0 * (3.0 / cols as f32).sqrt();
        self.tensor(name, &[cols as u64, rows as u64], 0.0, spread);
    }

    fn adding_norm(&mut self, name: &str, len: usize) {
        self.tensor(name, &[len as u64], 4.0, 2.0);
    }

    fn norm(&mut self, name: &str, len: usize) {
        self.tensor(name, &[len as u64], 1.0, 0.5);
    }

    fn bias(&mut self, name: &str, len: usize) {
        self.tensor(name, &[len as u64], 0.0, 1.0);
    }

    fn factors(&mut self, name: &str, len: usize, middle: f32) {
        self.tensor(name, &[len as u64], middle, middle / 2.0);
    }

    fn tensor(&mut self, name: &str, sizes: &[u64], middle: f32, spread: f32) {
        let count = sizes.iter().product::<u64>() as usize;
        self.data.push(self.random.floats(count, middle, spread));
        let file = std::mem::take(&mut self.file);
        self.file = file.tensor(name, sizes, DType::F32);
    }
}

impl Model {
    /// `vocabulary` is a GGUF file that has one.
    pub(super) fn build(&self, vocabulary: &[u8]) -> Outcome<Vec<u8>> {
        let source = Gguf::parse(vocabulary).map_err(|e| e.to_string())?;
        let tokens = source.get("tokenizer.ggml.tokens").and_then(|value| value.as_array());
        let tokens = tokens.ok_or("the vocabulary has no tokens")?.len();
        let mut draft = Draft { file: self.metadata(&source)?, random: Random(1), data: Vec::new() };
        draft.loud("token_embd.weight", tokens, DIM);
        if !self.tied {
            draft.loud("output.weight", tokens, DIM);
        }
        draft.norm("output_norm.weight", DIM);
        match self.rope {
            Factors::None => {}
            Factors::All => draft.factors("rope_freqs.weight", self.head_dim / 2, 4.0),
            Factors::ShortAndLong => {
                draft.factors("rope_factors_short.weight", self.head_dim / 2, 1.5);
                draft.factors("rope_factors_long.weight", self.head_dim / 2, 6.0);
            }
        }
        (0..self.layers).for_each(|layer| self.block(&mut draft, layer));
        let mut out = Vec::new();
        let Draft { file, mut data, .. } = draft;
        file.write(&mut out, |number| Ok(std::mem::take(&mut data[number]))).map_err(|e| e.to_string())?;
        Ok(out)
    }

    fn metadata(&self, source: &Gguf) -> Outcome<Writer> {
        let arch = self.arch;
        let mut file = Writer::new().key("general.architecture", Put::Str(arch));
        for (key, count) in [
            ("context_length", TRAINED),
            ("embedding_length", DIM as u32),
            ("block_count", self.layers as u32),
            ("feed_forward_length", FFN as u32),
            ("attention.head_count", HEADS as u32),
            ("attention.head_count_kv", KV_HEADS as u32),
            ("attention.key_length", self.head_dim as u32),
            ("attention.value_length", self.head_dim as u32),
            ("rope.dimension_count", self.head_dim as u32),
        ] {
            file = file.key(&format!("{arch}.{key}"), Put::U32(count));
        }
        file = file.key(&format!("{arch}.attention.layer_norm_rms_epsilon"), Put::F32(1e-5));
        for (key, value) in self.keys {
            file = file.key(&format!("{arch}.{key}"), *value);
        }
        for (key, value) in source.metadata().iter().filter(|(key, _)| key.starts_with("tokenizer.")) {
            file = copied(file, key, *value)?;
        }
        Ok(file)
    }

    fn block(&self, draft: &mut Draft, layer: usize) {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let (queries, keys) = (HEADS * self.head_dim, KV_HEADS * self.head_dim);
        draft.norm(&name("attn_norm"), DIM);
        draft.norm(&name("ffn_norm"), DIM);
        if self.arch == "phi3" {
            draft.matrix(&name("attn_qkv"), queries + 2 * keys, DIM);
            draft.matrix(&name("ffn_up"), 2 * FFN, DIM);
        } else {
            for (part, rows) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
                draft.matrix(&name(part), rows, DIM);
                if self.arch == "qwen2" {
                    draft.bias(&format!("blk.{layer}.{part}.bias"), rows);
                }
            }
            draft.matrix(&name("ffn_gate"), FFN, DIM);
            draft.matrix(&name("ffn_up"), FFN, DIM);
        }
        draft.adding(&name("attn_output"), DIM, queries);
        draft.adding(&name("ffn_down"), DIM, FFN);
        if matches!(self.arch, "qwen3" | "gemma3") {
            draft.norm(&name("attn_q_norm"), self.head_dim);
            draft.norm(&name("attn_k_norm"), self.head_dim);
        }
        if self.arch == "gemma3" {
            draft.adding_norm(&name("post_attention_norm"), DIM);
            draft.adding_norm(&name("post_ffw_norm"), DIM);
        }
    }
}

fn copied(file: Writer, key: &str, value: Value) -> Outcome<Writer> {
    Ok(match value {
        Value::U32(n) => file.key(key, Put::U32(n)),
        Value::Bool(b) => file.key(key, Put::Bool(b)),
        Value::Str(text) => file.key(key, Put::Str(text)),
        Value::Array(array) => {
            if let Some(strings) = array.strings() {
                file.key(key, Put::Strings(&strings.collect::<Vec<_>>()))
            } else if let Some(integers) = array.integers() {
                file.key(key, Put::Integers(&integers.map(|n| n as i32).collect::<Vec<_>>()))
            } else {
                let floats = array.floats().ok_or_else(|| format!("{key} is an array of another type"))?;
                file.key(key, Put::Floats(&floats.collect::<Vec<_>>()))
            }
        }
        other => return Err(format!("{key} is {}, which the vocabularies had not", other.value_type().name())),
    })
}

#[cfg(test)]
mod tests {
    use bizra::infer::engine::{Engine, Options};

    use super::*;

    #[test]
    fn each_model_is_one_that_bizra_runs() {
        let vocabulary = crate::tools::read_file(&crate::tools::root().join("fixtures/tiny.gguf")).unwrap();
        for model in MODELS {
            let bytes = model.build(&vocabulary).unwrap();
            let options = Options { context: Some(model.context), ..Options::default() };
            let engine = Engine::load(&bytes, &options);
            assert!(engine.is_ok(), "{}: {:?}", model.name, engine.err());
        }
    }
}
