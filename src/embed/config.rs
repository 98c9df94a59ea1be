//! What a folder says about its model: shape, pooling, and how long a text may be.

use candle_transformers::models::bert::{Config, HiddenAct, PositionEmbeddingType};
use serde_json::Value;

use super::EmbedError;

/// Beyond this no encoder is, and a hostile file could ask for any amount of memory.
const MOST: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    Mean,
    /// The vector of the first token, `[CLS]`.
    Cls,
}

impl Pooling {
    pub fn name(self) -> &'static str {
        match self {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
        }
    }

    /// One vector from those of a text's tokens.
    pub(super) fn pool(self, rows: &[f32], width: usize) -> Vec<f32> {
        match self {
            Pooling::Cls => rows[..width].to_vec(),
            Pooling::Mean => {
                let mut sums = vec![0.0_f64; width];
                for row in rows.chunks_exact(width) {
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
                }
                let count = (rows.len() / width) as f64;
                sums.into_iter().map(|sum| (sum / count) as f32).collect()
            }
        }
    }
}

fn object(name: &'static str, bytes: &[u8]) -> Result<Value, EmbedError> {
    let fault = |reason: String| EmbedError::File { name, reason };
    let value: Value = serde_json::from_slice(bytes).map_err(|e| fault(format!("it is no JSON: {e}")))?;
    if value.is_object() { Ok(value) } else { Err(fault("it holds no object".into())) }
}

fn count(name: &'static str, value: &Value, key: &str) -> Result<Option<usize>, EmbedError> {
    match &value[key] {
        Value::Null => Ok(None),
        found => match found.as_u64().filter(|n| *n <= MOST) {
            Some(n) => Ok(Some(n as usize)),
            None => Err(EmbedError::File { name, reason: format!("{key} is {found}; expected a count up to {MOST}") }),
        },
    }
}

const CONFIG: &str = "config.json";

pub(super) fn read(bytes: &[u8]) -> Result<Config, EmbedError> {
    let value = object(CONFIG, bytes)?;
    let fault = |reason: String| EmbedError::File { name: CONFIG, reason };
    match value["model_type"].as_str() {
        Some("bert") | None => {}
        Some(other) => return Err(EmbedError::Kind { found: other.chars().take(40).collect() }),
    }
    let needed = |key: &str| match count(CONFIG, &value, key)? {
        Some(n) if n > 0 => Ok(n),
        _ => Err(fault(format!("{key} is missing or zero"))),
    };
    let hidden_act = match value["hidden_act"].as_str() {
        Some("gelu") | None => HiddenAct::Gelu,
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => HiddenAct::GeluApproximate,
        Some("relu") => HiddenAct::Relu,
        Some(other) => return Err(fault(format!("hidden_act is `{other}`; known are gelu, gelu_new and relu"))),
    };
    if let Some(other) = value["position_embedding_type"].as_str().filter(|kind| *kind != "absolute") {
        return Err(fault(format!("position_embedding_type is `{other}`; known is absolute")));
    }
    let layer_norm_eps = match &value["layer_norm_eps"] {
        Value::Null => 1e-12,
        found => found
            .as_f64()
            .filter(|eps| (0.0..1.0).contains(eps))
            .ok_or_else(|| fault(format!("layer_norm_eps is {found}")))?,
    };
    let config = Config {
        vocab_size: needed("vocab_size")?,
        hidden_size: needed("hidden_size")?,
        num_hidden_layers: needed("num_hidden_layers")?,
        num_attention_heads: needed("num_attention_heads")?,
        intermediate_size: needed("intermediate_size")?,
        max_position_embeddings: needed("max_position_embeddings")?,
        type_vocab_size: count(CONFIG, &value, "type_vocab_size")?.unwrap_or(2),
        pad_token_id: count(CONFIG, &value, "pad_token_id")?.unwrap_or(0),
        hidden_act,
        layer_norm_eps,
        hidden_dropout_prob: 0.0,
        initializer_range: 0.0,
        position_embedding_type: PositionEmbeddingType::Absolute,
        use_cache: false,
        classifier_dropout: None,
        model_type: Some("bert".into()),
    };
    if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
        return Err(fault(format!(
            "hidden_size {} is no multiple of num_attention_heads {}",
            config.hidden_size, config.num_attention_heads
        )));
    }
    if config.pad_token_id >= config.vocab_size {
        return Err(fault(format!(
            "pad_token_id {} lies beyond vocab_size {}",
            config.pad_token_id, config.vocab_size
        )));
    }
    Ok(config)
}

pub(super) fn pooling(bytes: Option<&[u8]>) -> Result<Pooling, EmbedError> {
    const NAME: &str = "1_Pooling/config.json";
    let Some(bytes) = bytes else { return Ok(Pooling::Mean) };
    let value = object(NAME, bytes)?;
    let on = |key: &str| value[key].as_bool() == Some(true);
    let others: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, set)| key.starts_with("pooling_mode_") && set.as_bool() == Some(true))
        .map(|(key, _)| key.as_str())
        .collect();
    match others.as_slice() {
        [] => Ok(Pooling::Mean),
        [_] if on("pooling_mode_mean_tokens") => Ok(Pooling::Mean),
        [_] if on("pooling_mode_cls_token") => Ok(Pooling::Cls),
        modes => Err(EmbedError::File {
            name: NAME,
            reason: format!("it asks for {}; known are the mean and the first token", modes.join(" and ")),
        }),
    }
}

pub(super) fn limit(bytes: Option<&[u8]>, config: &Config) -> Result<usize, EmbedError> {
    const NAME: &str = "sentence_bert_config.json";
    let said = match bytes {
        Some(bytes) => count(NAME, &object(NAME, bytes)?, "max_seq_length")?,
        None => None,
    };
    let limit = said.unwrap_or(usize::MAX).min(config.max_position_embeddings);
    // The tokens around a text leave room for one of its own.
    if limit < 3 {
        return Err(EmbedError::File { name: CONFIG, reason: format!("a text of {limit} tokens has no room") });
    }
    Ok(limit)
}
