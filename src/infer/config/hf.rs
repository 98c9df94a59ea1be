//! The configuration in a Hugging Face folder's `config.json`.

use serde_json::{Map, Value as Json};

use super::gguf::pattern;
use super::{
    Activation, Arch, Biases, ConfigError, LongRopeLists, ModelConfig, Rope, RopeLayout, RopeScaling, Window,
    long_rope_magnitude,
};
use crate::infer::json;

impl ModelConfig {
    /// `has` tells which tensors there are, by GGUF name: files without them, not flags, say what a model lacks.
    pub fn from_hf(config: &[u8], has: impl Fn(&str) -> bool) -> Result<Self, ConfigError> {
        let config = json::parse(config).map_err(|e| ConfigError::Json { offset: e.offset, reason: e.reason })?;
        let outer = config.as_object().ok_or_else(|| wrong("config.json", "an object"))?;
        let model_type = text(outer, "model_type")?.ok_or_else(|| missing("model_type"))?;
        let arch = match model_type {
            "llama" | "mistral" => Arch::Llama,
            "qwen2" => Arch::Qwen2,
            "qwen3" => Arch::Qwen3,
            "gemma3" | "gemma3_text" => Arch::Gemma3,
            "phi3" => Arch::Phi3,
            other => return Err(ConfigError::Arch { name: other.to_owned() }),
        };
        let inner = match outer.get("text_config") {
            None => outer,
            Some(text) => text.as_object().ok_or_else(|| wrong("text_config", "an object"))?,
        };
        Fields { fields: inner, outer, arch }.read(has)
    }
}

struct Fields<'j> {
    fields: &'j Map<String, Json>,
    outer: &'j Map<String, Json>,
    arch: Arch,
}

impl<'j> Fields<'j> {
    fn read(&self, has: impl Fn(&str) -> bool) -> Result<ModelConfig, ConfigError> {
        let gemma = self.arch == Arch::Gemma3;
        let activation = self.activation()?;
        let dim = self.count("hidden_size", None)?;
        let layers = self.count("num_hidden_layers", None)?;
        let heads = self.count("num_attention_heads", gemma.then_some(8))?;
        let kv_heads = self.count("num_key_value_heads", Some(if gemma { 4 } else { heads }))?;
        let shared = dim.checked_div(heads).unwrap_or(0);
        let head_dim = self.count("head_dim", Some(if gemma { 256 } else { shared }))?;
        let context = self.count("max_position_embeddings", gemma.then_some(131_072))?;
        let scalar = self.float("query_pre_attn_scalar")?.filter(|_| gemma).unwrap_or(head_dim as f32);
        let tied = flag(self.fields, "tie_word_embeddings")?.or(flag(self.outer, "tie_word_embeddings")?);
        ModelConfig {
            arch: self.arch,
            vocab: self.count("vocab_size", gemma.then_some(262_208))?,
            dim,
            layers,
            heads,
            kv_heads,
            key_dim: head_dim,
            value_dim: head_dim,
            ffn_dim: self.count("intermediate_size", None)?,
            context,
            norm_eps: self.float("rms_norm_eps")?.unwrap_or(1e-6),
            norm_offset: if gemma { 1.0 } else { 0.0 },
            rope: self.rope(head_dim, context)?,
            attention_scale: 1.0 / scalar.sqrt(),
            window: self.window(layers)?,
            attention_softcap: self.float("attn_logit_softcapping")?,
            logit_softcap: self.float("final_logit_softcapping")?,
            embedding_scale: if gemma { (dim as f32).sqrt() } else { 1.0 },
            activation,
            tied: tied.unwrap_or(gemma) || !has("output.weight"),
            biases: Biases {
                qkv: has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"),
                attention_out: has("blk.0.attn_output.bias"),
                ffn: has("blk.0.ffn_down.bias"),
            },
            qk_norm: has("blk.0.attn_q_norm.weight"),
            post_norms: gemma,
            fused: self.arch == Arch::Phi3,
        }
        .validate()
    }

    fn activation(&self) -> Result<Activation, ConfigError> {
        let (keys, wanted, activation) = if self.arch == Arch::Gemma3 {
            (["hidden_activation", "hidden_act"], "gelu_pytorch_tanh", Activation::Gelu)
        } else {
            (["hidden_act", "hidden_activation"], "silu", Activation::Silu)
        };
        for key in keys {
            if let Some(found) = text(self.fields, key)? {
                if found != wanted {
                    let value = found.to_owned();
                    return Err(ConfigError::Unsupported { key: key.to_owned(), value, supported: wanted });
                }
                break;
            }
        }
        Ok(activation)
    }

    /// Newer files keep everything about rope in `rope_parameters`, by kind of layer where kinds differ.
    fn rope(&self, head_dim: usize, context: usize) -> Result<Rope, ConfigError> {
        let gemma = self.arch == Arch::Gemma3;
        let parameters = object(self.fields, "rope_parameters")?;
        let full = match parameters {
            Some(parameters) => object(parameters, "full_attention")?.or(Some(parameters)),
            None => object(self.fields, "rope_scaling")?,
        };
        let sliding = parameters.map(|parameters| object(parameters, "sliding_attention")).transpose()?.flatten();
        let inside = |from: Option<&Map<String, Json>>| {
            from.map(|from| float(from, "rope_theta")).transpose().map(Option::flatten)
        };
        let base = inside(full)?.or(self.float("rope_theta")?).unwrap_or(if gemma { 1e6 } else { 1e4 });
        let local = inside(sliding)?.or(self.float("rope_local_base_freq")?).unwrap_or(1e4);
        let partial = self.float("partial_rotary_factor")?;
        let dims = partial.map_or(head_dim, |part| (head_dim as f32 * part) as usize);
        Ok(Rope {
            base,
            window_base: gemma.then_some(local),
            dims,
            layout: RopeLayout::Half,
            scaling: full.map_or(Ok(RopeScaling::None), |full| self.scaling(full, context))?,
            factors: false,
        })
    }

    fn scaling(&self, scaling: &Map<String, Json>, context: usize) -> Result<RopeScaling, ConfigError> {
        let kind = text(scaling, "rope_type")?.or(text(scaling, "type")?).unwrap_or("default");
        let needed = |key: &str| float(scaling, key)?.ok_or_else(|| missing(key));
        let original = match scaling.get("original_max_position_embeddings") {
            Some(value) => Some(usize_of("original_max_position_embeddings", value)?),
            None => self.optional("original_max_position_embeddings")?,
        };
        match kind {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear { factor: needed("factor")? }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: needed("factor")?,
                low_freq_factor: needed("low_freq_factor")?,
                high_freq_factor: needed("high_freq_factor")?,
                original_context: original.ok_or_else(|| missing("original_max_position_embeddings"))?,
            }),
            "yarn" => {
                let factor = needed("factor")?;
                // Where a file gives the whole magnitude, what YaRN's formula adds is taken out of it.
                let magnitude = float(scaling, "attention_factor")?;
                Ok(RopeScaling::Yarn {
                    factor,
                    original_context: original.unwrap_or(context),
                    ext_factor: 1.0,
                    attn_factor: magnitude.map_or(1.0, |whole| whole / (1.0 + 0.1 * factor.ln())),
                    beta_fast: float(scaling, "beta_fast")?.unwrap_or(32.0),
                    beta_slow: float(scaling, "beta_slow")?.unwrap_or(1.0),
                })
            }
            "longrope" | "su" => {
                let original = original.ok_or_else(|| missing("original_max_position_embeddings"))?;
                let magnitude = float(scaling, "attention_factor")?;
                Ok(RopeScaling::LongRope {
                    original_context: original,
                    attn_factor: magnitude.unwrap_or_else(|| long_rope_magnitude(context, original)),
                    lists: LongRopeLists::Given {
                        short: floats(scaling, "short_factor")?,
                        long: floats(scaling, "long_factor")?,
                    },
                })
            }
            other => Err(ConfigError::Unsupported {
                key: "rope_type".to_owned(),
                value: other.to_owned(),
                supported: "default, linear, llama3, yarn, longrope",
            }),
        }
    }

    fn window(&self, layers: usize) -> Result<Option<Window>, ConfigError> {
        let gemma = self.arch == Arch::Gemma3;
        let used = match self.arch {
            Arch::Qwen2 | Arch::Qwen3 => flag(self.fields, "use_sliding_window")?.unwrap_or(false),
            _ => true,
        };
        let size = self.optional("sliding_window")?.or(gemma.then_some(4096)).filter(|_| used);
        let Some(size) = size else { return Ok(None) };
        let layers = match (self.fields.get("layer_types"), self.arch) {
            (Some(Json::Array(types)), _) => types.iter().map(|kind| kind == "sliding_attention").collect(),
            (_, Arch::Gemma3) => pattern(layers, Some(self.count("sliding_window_pattern", Some(6))?)),
            (_, Arch::Qwen2 | Arch::Qwen3) => {
                let first = self.count("max_window_layers", Some(28))?;
                pattern(layers, None).iter().enumerate().map(|(layer, _)| layer >= first).collect()
            }
            _ => pattern(layers, None),
        };
        Ok(Some(Window { size, layers }))
    }

    fn optional(&self, key: &str) -> Result<Option<usize>, ConfigError> {
        present(self.fields, key).map(|value| usize_of(key, value)).transpose()
    }

    fn count(&self, key: &str, usual: Option<usize>) -> Result<usize, ConfigError> {
        self.optional(key)?.or(usual).ok_or_else(|| missing(key))
    }

    fn float(&self, key: &str) -> Result<Option<f32>, ConfigError> {
        float(self.fields, key)
    }
}

fn present<'j>(fields: &'j Map<String, Json>, key: &str) -> Option<&'j Json> {
    fields.get(key).filter(|value| !value.is_null())
}

fn usize_of(key: &str, value: &Json) -> Result<usize, ConfigError> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| wrong(key, "a count"))
}

fn float(fields: &Map<String, Json>, key: &str) -> Result<Option<f32>, ConfigError> {
    present(fields, key).map(|value| value.as_f64().map(|x| x as f32).ok_or_else(|| wrong(key, "a number"))).transpose()
}

fn floats(fields: &Map<String, Json>, key: &str) -> Result<Vec<f32>, ConfigError> {
    let items = present(fields, key).ok_or_else(|| missing(key))?;
    let items = items.as_array().ok_or_else(|| wrong(key, "a list of numbers"))?;
    items.iter().map(|x| x.as_f64().map(|x| x as f32).ok_or_else(|| wrong(key, "a list of numbers"))).collect()
}

fn text<'j>(fields: &'j Map<String, Json>, key: &str) -> Result<Option<&'j str>, ConfigError> {
    present(fields, key).map(|value| value.as_str().ok_or_else(|| wrong(key, "a string"))).transpose()
}

fn flag(fields: &Map<String, Json>, key: &str) -> Result<Option<bool>, ConfigError> {
    present(fields, key).map(|value| value.as_bool().ok_or_else(|| wrong(key, "true or false"))).transpose()
}

fn object<'j>(fields: &'j Map<String, Json>, key: &str) -> Result<Option<&'j Map<String, Json>>, ConfigError> {
    present(fields, key).map(|value| value.as_object().ok_or_else(|| wrong(key, "an object"))).transpose()
}

fn missing(key: &str) -> ConfigError {
    ConfigError::Missing { key: key.to_owned() }
}

fn wrong(key: &str, needed: &'static str) -> ConfigError {
    ConfigError::Type { key: key.to_owned(), needed }
}
