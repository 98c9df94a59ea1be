//! What a model is made of: one description for all architectures, from GGUF metadata or from `config.json`.
//! Every number is checked here, so that whoever builds the model may rely on it. Leaves out the weights.

mod gguf;
mod hf;
#[cfg(test)]
mod tests;

use std::fmt;

use super::shown;

/// The model families that bizra runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// Llama 1 to 3, TinyLlama, SmolLM, Mistral.
    Llama,
    /// Qwen 2 and 2.5.
    Qwen2,
    Qwen3,
    Gemma3,
    Phi3,
}

impl Arch {
    pub const ALL: [Arch; 5] = [Arch::Llama, Arch::Qwen2, Arch::Qwen3, Arch::Gemma3, Arch::Phi3];

    /// As `general.architecture` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Llama => "llama",
            Arch::Qwen2 => "qwen2",
            Arch::Qwen3 => "qwen3",
            Arch::Gemma3 => "gemma3",
            Arch::Phi3 => "phi3",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub arch: Arch,
    /// Rows of the embedding, so logits; a tokenizer may know fewer.
    pub vocab: usize,
    pub dim: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub key_dim: usize,
    pub value_dim: usize,
    pub ffn_dim: usize,
    /// Positions that the model was trained for.
    pub context: usize,
    pub norm_eps: f32,
    /// Added to every norm weight: Gemma's own files store them less one, its GGUF files do not.
    pub norm_offset: f32,
    pub rope: Rope,
    /// Factor of the attention scores.
    pub attention_scale: f32,
    /// Attention to recent positions only, in some layers or all.
    pub window: Option<Window>,
    /// `cap * tanh(x / cap)` of the attention scores, and of the logits.
    pub attention_softcap: Option<f32>,
    pub logit_softcap: Option<f32>,
    /// Factor of the embeddings.
    pub embedding_scale: f32,
    pub activation: Activation,
    /// The output matrix is the embedding.
    pub tied: bool,
    pub biases: Biases,
    /// Queries and keys are normalised per head.
    pub qk_norm: bool,
    /// Norms after attention and feed-forward too.
    pub post_norms: bool,
    /// One matrix each for q, k, v and for gate, up.
    pub fused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Silu,
    /// By tanh.
    Gelu,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Biases {
    pub qkv: bool,
    pub attention_out: bool,
    pub ffn: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub base: f32,
    /// The base in layers with a window, where it is another; those layers are not scaled.
    pub window_base: Option<f32>,
    /// Elements of each head that turn; even.
    pub dims: usize,
    pub layout: RopeLayout,
    pub scaling: RopeScaling,
    /// The tensor `rope_freqs.weight` divides each frequency.
    pub factors: bool,
}

/// Which elements of a head turn together. GGUF files of Llama hold q and k with rows permuted, so that neighbours
/// pair up; Hugging Face's hold them as trained, halves paired. Nothing is permuted here: the layout says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// 0 with 1, 2 with 3, …
    Interleaved,
    /// 0 with n/2, 1 with n/2 + 1, …
    Half,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    /// Positions divided by `factor`.
    Linear {
        factor: f32,
    },
    /// Low frequencies divided by `factor`, high ones kept, those between blended.
    Llama3 {
        factor: f32,
        low_freq_factor: f32,
        high_freq_factor: f32,
        original_context: usize,
    },
    /// YaRN (Peng et al.). The magnitude is `attn_factor * (1 + 0.1 ln factor)`.
    Yarn {
        factor: f32,
        original_context: usize,
        ext_factor: f32,
        attn_factor: f32,
        beta_fast: f32,
        beta_slow: f32,
    },
    /// A divisor for each frequency, one list up to `original_context` positions and one beyond; magnitude
    /// `attn_factor`.
    LongRope {
        original_context: usize,
        attn_factor: f32,
        lists: LongRopeLists,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum LongRopeLists {
    /// In the tensors `rope_factors_short.weight` and `rope_factors_long.weight`.
    Tensors,
    Given {
        short: Vec<f32>,
        long: Vec<f32>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Positions that are seen, the own one included.
    pub size: usize,
    /// Which layers have it.
    pub layers: Vec<bool>,
}

impl ModelConfig {
    /// How many positions this layer sees; `None` for all.
    pub fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.as_ref().filter(|window| window.layers.get(layer) == Some(&true)).map(|window| window.size)
    }

    fn validate(self) -> Result<Self, ConfigError> {
        for (field, value, most) in [
            ("vocabulary size", self.vocab, 1 << 24),
            ("embedding length", self.dim, 1 << 20),
            ("layer count", self.layers, 1 << 12),
            ("head count", self.heads, 1 << 12),
            ("key/value head count", self.kv_heads, 1 << 12),
            ("key length", self.key_dim, 1 << 14),
            ("value length", self.value_dim, 1 << 14),
            ("feed-forward length", self.ffn_dim, 1 << 22),
            ("context length", self.context, 1 << 28),
        ] {
            if value == 0 || value > most {
                return Err(ConfigError::Range { field, value: value.to_string(), range: format!("1 to {most}") });
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(ConfigError::Heads { heads: self.heads, kv_heads: self.kv_heads });
        }
        if !self.rope.dims.is_multiple_of(2) || self.rope.dims == 0 || self.rope.dims > self.key_dim {
            let range = format!("an even number up to the key length {}", self.key_dim);
            return Err(ConfigError::Range { field: "rope dimension count", value: self.rope.dims.to_string(), range });
        }
        let above = |least: f32| move |x: f32| x.is_finite() && x > least;
        let positive = above(0.0);
        let mut floats: Vec<(&'static str, f32, bool, &str)> = vec![
            ("norm epsilon", self.norm_eps, positive(self.norm_eps) && self.norm_eps < 1.0, "above 0 and below 1"),
            ("rope base", self.rope.base, above(1.0)(self.rope.base), "above 1"),
            ("attention scale", self.attention_scale, positive(self.attention_scale), "above 0"),
            ("embedding scale", self.embedding_scale, positive(self.embedding_scale), "above 0"),
        ];
        if let Some(base) = self.rope.window_base {
            floats.push(("rope base of windows", base, above(1.0)(base), "above 1"));
        }
        for (field, cap) in [("attention softcap", self.attention_softcap), ("logit softcap", self.logit_softcap)] {
            floats.extend(cap.map(|cap| (field, cap, positive(cap), "above 0")));
        }
        self.rope.scaling.floats(&mut floats);
        if let Some(&(field, value, _, range)) = floats.iter().find(|(_, _, good, _)| !good) {
            return Err(ConfigError::Range { field, value: value.to_string(), range: range.to_owned() });
        }
        if let RopeScaling::LongRope { lists: LongRopeLists::Given { short, long }, .. } = &self.rope.scaling {
            for list in [short, long] {
                if list.len() != self.rope.dims / 2 || !list.iter().all(|&x| positive(x)) {
                    let range = format!("{} positive numbers", self.rope.dims / 2);
                    let value = format!("a list of {}", list.len());
                    return Err(ConfigError::Range { field: "long rope factors", value, range });
                }
            }
        }
        if let Some(window) = &self.window
            && (window.size == 0 || window.layers.len() != self.layers)
        {
            let value = format!("{} in {} layers", window.size, window.layers.len());
            return Err(ConfigError::Range {
                field: "window",
                value,
                range: format!("1 or more, in {} layers", self.layers),
            });
        }
        Ok(self)
    }
}

impl RopeScaling {
    fn floats(&self, out: &mut Vec<(&'static str, f32, bool, &'static str)>) {
        let at_least_one = |x: f32| x.is_finite() && x >= 1.0;
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let original = |context: usize| ("original context length", context as f32, context > 0, "above 0");
        match *self {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => out.push(("rope factor", factor, positive(factor), "above 0")),
            RopeScaling::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_context } => {
                out.push(("rope factor", factor, at_least_one(factor), "1 or more"));
                out.push(("low_freq_factor", low, positive(low), "above 0"));
                out.push(("high_freq_factor", high, high.is_finite() && high > low, "above low_freq_factor"));
                out.push(original(original_context));
            }
            RopeScaling::Yarn { factor, original_context, ext_factor, attn_factor, beta_fast, beta_slow } => {
                out.push(("rope factor", factor, at_least_one(factor), "1 or more"));
                out.push(("yarn ext_factor", ext_factor, ext_factor.is_finite() && ext_factor >= 0.0, "0 or more"));
                out.push(("yarn attn_factor", attn_factor, positive(attn_factor), "above 0"));
                out.push(("yarn beta_slow", beta_slow, positive(beta_slow), "above 0"));
                out.push((
                    "yarn beta_fast",
                    beta_fast,
                    beta_fast.is_finite() && beta_fast > beta_slow,
                    "above beta_slow",
                ));
                out.push(original(original_context));
            }
            RopeScaling::LongRope { original_context, attn_factor, .. } => {
                out.push(("rope attn_factor", attn_factor, positive(attn_factor), "above 0"));
                out.push(original(original_context));
            }
        }
    }
}

/// The magnitude that long rope has when a file names none.
fn long_rope_magnitude(context: usize, original: usize) -> f32 {
    if context <= original || original < 2 {
        return 1.0;
    }
    let (context, original) = (context as f64, original as f64);
    (1.0 + (context / original).ln() / original.ln()).sqrt() as f32
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    Missing { key: String },
    Type { key: String, needed: &'static str },
    Arch { name: String },
    Unsupported { key: String, value: String, supported: &'static str },
    Range { field: &'static str, value: String, range: String },
    Heads { heads: usize, kv_heads: usize },
    Json { offset: usize, reason: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "model configuration: {} is missing", shown(key)),
            Self::Type { key, needed } => write!(f, "model configuration: {} must be {needed}", shown(key)),
            Self::Arch { name } => {
                write!(f, "model architecture {} is not supported; supported are ", shown(name))?;
                for (i, arch) in Arch::ALL.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, arch.name())?;
                }
                Ok(())
            }
            Self::Unsupported { key, value, supported } => {
                write!(f, "model configuration: {} is {}; supported: {supported}", shown(key), shown(value))
            }
            Self::Range { field, value, range } => {
                write!(f, "model configuration: the {field} is {value}, not {range}")
            }
            Self::Heads { heads, kv_heads } => {
                write!(f, "model configuration: {heads} heads cannot share {kv_heads} key/value heads evenly")
            }
            Self::Json { offset, reason } => write!(f, "config.json, byte {offset}: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}
