//! The configuration in a GGUF file's metadata, whose keys begin with the architecture's name.

use super::{
    Activation, Arch, Biases, ConfigError, LongRopeLists, ModelConfig, Rope, RopeLayout, RopeScaling, Window,
    long_rope_magnitude,
};
use crate::infer::gguf::{Gguf, Value};

impl ModelConfig {
    pub fn from_gguf(file: &Gguf<'_>) -> Result<Self, ConfigError> {
        let name = file.get("general.architecture").ok_or_else(|| missing("general.architecture"))?;
        let name = name.as_str().ok_or_else(|| wrong("general.architecture", "a string"))?;
        let arch = Arch::ALL.into_iter().find(|arch| arch.name() == name);
        let arch = arch.ok_or_else(|| ConfigError::Arch { name: name.to_owned() })?;
        let keys = Keys { file, arch };
        if let Some(experts) = keys.count("expert_count")?.filter(|&experts| experts > 0) {
            let key = keys.full("expert_count");
            return Err(ConfigError::Unsupported {
                key,
                value: experts.to_string(),
                supported: "models without experts",
            });
        }

        let dim = keys.needed("embedding_length")?;
        let layers = keys.needed("block_count")?;
        let heads = keys.needed("attention.head_count")?;
        let kv_heads = keys.count("attention.head_count_kv")?.unwrap_or(heads);
        let shared = dim.checked_div(heads).unwrap_or(0);
        let key_dim = keys.count("attention.key_length")?.unwrap_or(shared);
        let value_dim = keys.count("attention.value_length")?.unwrap_or(shared);
        let context = keys.needed("context_length")?;
        let gemma = arch == Arch::Gemma3;
        let has = |name: &str| file.tensor(name).is_some();
        let layout = if arch == Arch::Llama { RopeLayout::Interleaved } else { RopeLayout::Half };
        let usual_scale = match (arch, layers) {
            // Gemma 3 27B scales by its embedding, as its own configuration says and its GGUF files don't.
            (Arch::Gemma3, 62) => dim as f32 / heads.max(1) as f32,
            _ => key_dim as f32,
        };
        Self {
            arch,
            vocab: keys.vocab()?,
            dim,
            layers,
            heads,
            kv_heads,
            key_dim,
            value_dim,
            ffn_dim: keys.needed("feed_forward_length")?,
            context,
            norm_eps: keys
                .float("attention.layer_norm_rms_epsilon")?
                .ok_or_else(|| missing(&keys.full("attention.layer_norm_rms_epsilon")))?,
            norm_offset: 0.0,
            rope: Rope {
                base: keys.float("rope.freq_base")?.unwrap_or(10_000.0),
                window_base: gemma.then_some(keys.float("rope.freq_base_swa")?.unwrap_or(10_000.0)),
                dims: keys.count("rope.dimension_count")?.unwrap_or(key_dim),
                layout,
                scaling: keys.scaling(context)?,
                factors: has("rope_freqs.weight"),
            },
            attention_scale: keys.float("attention.scale")?.unwrap_or(1.0 / usual_scale.sqrt()),
            window: keys.window(layers)?,
            attention_softcap: keys.float("attn_logit_softcapping")?,
            logit_softcap: keys.float("final_logit_softcapping")?,
            embedding_scale: if gemma { (dim as f32).sqrt() } else { 1.0 },
            activation: if gemma { Activation::Gelu } else { Activation::Silu },
            tied: !has("output.weight"),
            biases: Biases {
                qkv: has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"),
                attention_out: has("blk.0.attn_output.bias"),
                ffn: has("blk.0.ffn_down.bias"),
            },
            qk_norm: has("blk.0.attn_q_norm.weight"),
            post_norms: gemma,
            fused: arch == Arch::Phi3,
        }
        .validate()
    }
}

struct Keys<'f, 'a> {
    file: &'f Gguf<'a>,
    arch: Arch,
}

impl Keys<'_, '_> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.arch.name())
    }

    /// A count; also an array of equal ones, one for each layer.
    fn count(&self, key: &str) -> Result<Option<usize>, ConfigError> {
        let key = self.full(key);
        let Some(value) = self.file.get(&key) else { return Ok(None) };
        let single = match value {
            Value::Array(array) => {
                let mut items = array.integers().ok_or_else(|| wrong(&key, "a count"))?;
                let first = items.next().ok_or_else(|| wrong(&key, "a count"))?;
                if items.any(|item| item != first) {
                    return Err(wrong(&key, "the same for every layer"));
                }
                usize::try_from(first).ok()
            }
            value => value.as_u64().and_then(|count| usize::try_from(count).ok()),
        };
        single.map(Some).ok_or_else(|| wrong(&key, "a count"))
    }

    fn needed(&self, key: &str) -> Result<usize, ConfigError> {
        self.count(key)?.ok_or_else(|| missing(&self.full(key)))
    }

    fn float(&self, key: &str) -> Result<Option<f32>, ConfigError> {
        let key = self.full(key);
        self.file.get(&key).map(|value| value.as_f32().ok_or_else(|| wrong(&key, "a float"))).transpose()
    }

    fn vocab(&self) -> Result<usize, ConfigError> {
        if let Some(embedding) = self.file.tensor("token_embd.weight") {
            return Ok(embedding.dims.rows().and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0));
        }
        let tokens = self.file.get("tokenizer.ggml.tokens").and_then(|value| value.as_array());
        tokens.map(|tokens| tokens.len()).ok_or_else(|| missing("token_embd.weight"))
    }

    fn scaling(&self, context: usize) -> Result<RopeScaling, ConfigError> {
        let key = self.full("rope.scaling.type");
        let kind = match self.file.get(&key) {
            None => None,
            Some(value) => Some(value.as_str().ok_or_else(|| wrong(&key, "a string"))?),
        };
        let factor = self.float("rope.scaling.factor")?.or(self.float("rope.scale_linear")?);
        // Zero is how some converters write that nothing is scaled.
        let factor = factor.filter(|&factor| factor != 0.0);
        let original = self.count("rope.scaling.original_context_length")?.unwrap_or(context);
        let attn_factor = self.float("rope.scaling.attn_factor")?;
        let long = self.file.tensor("rope_factors_long.weight").is_some();
        match kind {
            Some("longrope") => Ok(self.long_rope(context, original, attn_factor)),
            None if long => Ok(self.long_rope(context, original, attn_factor)),
            Some("none") => Ok(RopeScaling::None),
            None | Some("linear") => {
                let factor = factor.unwrap_or(1.0);
                Ok(if factor == 1.0 { RopeScaling::None } else { RopeScaling::Linear { factor } })
            }
            Some("yarn") => Ok(RopeScaling::Yarn {
                factor: factor.ok_or_else(|| missing(&self.full("rope.scaling.factor")))?,
                original_context: original,
                ext_factor: self.float("rope.scaling.yarn_ext_factor")?.unwrap_or(1.0),
                attn_factor: self.float("rope.scaling.yarn_attn_factor")?.or(attn_factor).unwrap_or(1.0),
                beta_fast: self.float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                beta_slow: self.float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            }),
            Some(other) => Err(ConfigError::Unsupported {
                key,
                value: other.to_owned(),
                supported: "none, linear, yarn, longrope",
            }),
        }
    }

    fn long_rope(&self, context: usize, original: usize, attn_factor: Option<f32>) -> RopeScaling {
        RopeScaling::LongRope {
            original_context: original,
            attn_factor: attn_factor.unwrap_or_else(|| long_rope_magnitude(context, original)),
            lists: LongRopeLists::Tensors,
        }
    }

    fn window(&self, layers: usize) -> Result<Option<Window>, ConfigError> {
        let Some(size) = self.count("attention.sliding_window")?.filter(|&size| size > 0) else { return Ok(None) };
        let key = self.full("attention.sliding_window_pattern");
        let every = match self.file.get(&key) {
            Some(Value::Array(array)) => {
                let flags = array.flags().ok_or_else(|| wrong(&key, "a count or a list of booleans"))?;
                return Ok(Some(Window { size, layers: flags.collect() }));
            }
            Some(value) => Some(value.as_u64().ok_or_else(|| wrong(&key, "a count or a list of booleans"))? as usize),
            None if self.arch == Arch::Gemma3 => Some(6),
            None => None,
        };
        Ok(Some(Window { size, layers: pattern(layers, every) }))
    }
}

/// Every `every`th layer sees everything; `None` or zero: none does.
pub(super) fn pattern(layers: usize, every: Option<usize>) -> Vec<bool> {
    // A hostile layer count is refused later; until then nothing of its size is allocated.
    let layers = layers.min(1 << 13);
    (0..layers).map(|layer| every.is_none_or(|every| every == 0 || !(layer + 1).is_multiple_of(every))).collect()
}

fn missing(key: &str) -> ConfigError {
    ConfigError::Missing { key: key.to_owned() }
}

fn wrong(key: &str, needed: &'static str) -> ConfigError {
    ConfigError::Type { key: key.to_owned(), needed }
}
