//! The shapes, and which formats a file's tensors have: as llama.cpp mixes them.

use bizra::infer::dtype::DType;

pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(super) arch: &'static str,
    pub(crate) dim: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) ffn: usize,
    pub(crate) vocab: usize,
    /// The embedding is the output too.
    pub(crate) tied: bool,
    /// On q, k and v.
    pub(super) biases: bool,
    /// Longer than TinyLlama's own, so that long contexts can be measured.
    pub(super) context: usize,
    pub(super) rope_base: f32,
    pub(super) epsilon: f32,
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "tinyllama-1.1b",
        arch: "llama",
        dim: 2048,
        layers: 22,
        heads: 32,
        kv_heads: 4,
        head_dim: 64,
        ffn: 5632,
        vocab: 32_000,
        tied: false,
        biases: false,
        context: 16_384,
        rope_base: 1e4,
        epsilon: 1e-5,
    },
    Shape {
        name: "qwen2.5-1.5b",
        arch: "qwen2",
        dim: 1536,
        layers: 28,
        heads: 12,
        kv_heads: 2,
        head_dim: 128,
        ffn: 8960,
        vocab: 151_936,
        tied: true,
        biases: true,
        context: 32_768,
        rope_base: 1e6,
        epsilon: 1e-6,
    },
];

/// Words of one token each.
const WORDS: [&str; 16] =
    ["bar", "cod", "dim", "elm", "fig", "gem", "hat", "ink", "jam", "kit", "lap", "map", "nut", "oak", "pin", "rib"];

impl Shape {
    /// A prompt of sixteen tokens.
    pub(crate) fn prompt(&self) -> String {
        // The first of them is put in front by the tokenizer.
        let begins = self.arch == "llama";
        WORDS[usize::from(begins)..].join(" ")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mix {
    Q4_0,
    Q4KM,
    Q8_0,
}

impl Mix {
    pub(crate) const ALL: [Mix; 3] = [Mix::Q4_0, Mix::Q4KM, Mix::Q8_0];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mix::Q4_0 => "q4_0",
            Mix::Q4KM => "q4_k_m",
            Mix::Q8_0 => "q8_0",
        }
    }

    /// `general.file_type`, as llama.cpp numbers them.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Mix::Q4_0 => 2,
            Mix::Q8_0 => 7,
            Mix::Q4KM => 15,
        }
    }

    pub(super) fn dtype(self, name: &str, shape: &Shape, layer: usize) -> DType {
        let output = if shape.tied { "token_embd.weight" } else { "output.weight" };
        let more_bits = name == output
            || self == Mix::Q4KM
                && (name.ends_with("attn_v.weight") || name.ends_with("ffn_down.weight"))
                && deserves_more_bits(layer, shape.layers);
        match self {
            Mix::Q8_0 => DType::Q8_0,
            _ if more_bits => DType::Q6K,
            Mix::Q4_0 => DType::Q4_0,
            Mix::Q4KM => DType::Q4K,
        }
    }
}

/// The first and last eighth of the layers, and every third between them.
fn deserves_more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_that_of_llama_cpp() {
        let more: Vec<usize> = (0..22).filter(|layer| deserves_more_bits(*layer, 22)).collect();
        assert_eq!(more, [0, 1, 4, 7, 10, 13, 16, 19, 20, 21]);
        let of = |mix: Mix, name: &str, shape: usize, layer| mix.dtype(name, &SHAPES[shape], layer);
        assert_eq!(of(Mix::Q4KM, "blk.0.ffn_down.weight", 0, 0), DType::Q6K);
        assert_eq!(of(Mix::Q4KM, "blk.2.ffn_down.weight", 0, 2), DType::Q4K);
        assert_eq!(of(Mix::Q4KM, "blk.0.attn_k.weight", 0, 0), DType::Q4K);
        assert_eq!(of(Mix::Q4_0, "blk.0.attn_v.weight", 0, 0), DType::Q4_0);
        assert_eq!(of(Mix::Q4_0, "output.weight", 0, 0), DType::Q6K);
        assert_eq!(of(Mix::Q4_0, "token_embd.weight", 0, 0), DType::Q4_0);
        assert_eq!(of(Mix::Q4_0, "token_embd.weight", 1, 0), DType::Q6K);
        assert_eq!(of(Mix::Q8_0, "output.weight", 0, 0), DType::Q8_0);
    }
}
