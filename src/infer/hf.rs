//! Hugging Face folders: which files hold the weights, and the tensors under their GGUF names. The caller maps the
//! files. Nothing is permuted or added: [`ModelConfig`] says how these weights differ from a GGUF file's (rope layout
//! `Half`, Gemma's norms less one).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;

use super::config::{ConfigError, ModelConfig};
use super::safetensors::{self, SafetensorsError};
use super::weights::{Tensor, Weights};
use super::{json, shown};

/// A file of weights by its name in the folder.
#[derive(Clone, Copy, Debug)]
pub struct Shard<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HfError {
    Config(ConfigError),
    Shard {
        file: String,
        fault: SafetensorsError,
    },
    Index {
        offset: usize,
        reason: String,
    },
    IndexEntry {
        tensor: String,
        reason: &'static str,
    },
    /// The index and the files disagree about where a tensor is.
    Misplaced {
        tensor: String,
        file: String,
    },
    Absent {
        tensor: String,
        file: String,
    },
    Name {
        tensor: String,
    },
    Twice {
        tensor: String,
    },
}

impl fmt::Display for HfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(fault) => fault.fmt(f),
            Self::Shard { file, fault } => write!(f, "{}: {fault}", shown(file)),
            Self::Index { offset, reason } => write!(f, "model.safetensors.index.json, byte {offset}: {reason}"),
            Self::IndexEntry { tensor, reason } => {
                write!(f, "model.safetensors.index.json, tensor {}: {reason}", shown(tensor))
            }
            Self::Misplaced { tensor, file } => {
                write!(f, "tensor {} lies in {}, where the index does not put it", shown(tensor), shown(file))
            }
            Self::Absent { tensor, file } => {
                write!(f, "tensor {} is not in {}, where the index puts it", shown(tensor), shown(file))
            }
            Self::Name { tensor } => write!(f, "tensor {} has no place in this architecture", shown(tensor)),
            Self::Twice { tensor } => write!(f, "tensor {} is there twice", shown(tensor)),
        }
    }
}

impl std::error::Error for HfError {}

/// The files that `model.safetensors.index.json` names, sorted; none leads out of the folder.
pub fn shard_names(index: &[u8]) -> Result<Vec<String>, HfError> {
    Ok(read_index(index)?.into_iter().map(|(_, file)| file).collect::<BTreeSet<_>>().into_iter().collect())
}

fn read_index(index: &[u8]) -> Result<Vec<(String, String)>, HfError> {
    let index = json::parse(index).map_err(|e| HfError::Index { offset: e.offset, reason: e.reason })?;
    let map = index.get("weight_map").and_then(Json::as_object);
    let map = map.ok_or_else(|| HfError::Index { offset: 0, reason: "there is no object weight_map".to_owned() })?;
    map.iter()
        .map(|(tensor, file)| {
            let bad = |reason| HfError::IndexEntry { tensor: tensor.clone(), reason };
            let file = file.as_str().ok_or_else(|| bad("the file is no string"))?;
            let plain =
                file.ends_with(".safetensors") && !file.starts_with('.') && !file.contains(['/', '\\', '\0', ':']);
            if plain {
                Ok((tensor.clone(), file.to_owned()))
            } else {
                Err(bad("the file is no plain .safetensors name"))
            }
        })
        .collect()
}

/// The model of a folder: its `config.json`, its index where it has one, and all files of weights.
pub fn open<'a>(
    config: &[u8],
    index: Option<&[u8]>,
    shards: &[Shard<'a>],
) -> Result<(ModelConfig, Weights<'a>), HfError> {
    let mut placed = index.map(read_index).transpose()?.map(|pairs| pairs.into_iter().collect::<BTreeSet<_>>());
    let mut tensors = Vec::new();
    for shard in shards {
        let fault = |fault| HfError::Shard { file: shard.name.to_owned(), fault };
        for entry in safetensors::parse(shard.bytes).map_err(fault)? {
            if let Some(placed) = &mut placed
                && !placed.remove(&(entry.name.clone(), shard.name.to_owned()))
            {
                return Err(HfError::Misplaced { tensor: entry.name, file: shard.name.to_owned() });
            }
            let name = match gguf_name(&entry.name) {
                Name::Known(name) => Cow::Owned(name),
                Name::Unneeded => continue,
                Name::Unknown => return Err(HfError::Name { tensor: entry.name }),
            };
            let safetensors::Entry { dims, dtype, offset, data, .. } = entry;
            tensors.push(Tensor { name, dims, dtype, offset, data });
        }
    }
    if let Some((tensor, file)) = placed.and_then(|left| left.into_iter().next()) {
        return Err(HfError::Absent { tensor, file });
    }
    let weights = Weights::new(tensors).map_err(|twice| HfError::Twice { tensor: twice.name.into_owned() })?;
    let config = ModelConfig::from_hf(config, |name| weights.get(name).is_some()).map_err(HfError::Config)?;
    let (norm, post_norm) = ("ffn_norm", "post_attention_norm");
    // Gemma's norm after attention has the name that other families give the one before the feed-forward.
    if !config.post_norms {
        return Ok((config, weights));
    }
    let renamed = weights.iter().map(|tensor| {
        let renamed = match tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, rest)) if rest.starts_with(norm) => {
                Cow::Owned(format!("blk.{layer}.{}", rest.replacen(norm, post_norm, 1)))
            }
            Some((layer, rest)) if rest.starts_with("pre_ffn_norm") => {
                Cow::Owned(format!("blk.{layer}.{}", rest.replacen("pre_ffn_norm", norm, 1)))
            }
            _ => tensor.name.clone(),
        };
        Tensor { name: renamed, ..tensor.clone() }
    });
    let weights = Weights::new(renamed).map_err(|twice| HfError::Twice { tensor: twice.name.into_owned() })?;
    Ok((config, weights))
}

enum Name {
    Known(String),
    /// Derived values and other modalities.
    Unneeded,
    Unknown,
}

fn gguf_name(name: &str) -> Name {
    let name = name.strip_prefix("language_model.").unwrap_or(name);
    let other = ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."];
    if name.ends_with("rotary_emb.inv_freq") || other.iter().any(|prefix| name.starts_with(prefix)) {
        return Name::Unneeded;
    }
    if name == "lm_head.weight" {
        return Name::Known("output.weight".to_owned());
    }
    let Some(inner) = name.strip_prefix("model.") else { return Name::Unknown };
    let inner = inner.strip_prefix("language_model.").unwrap_or(inner);
    match inner {
        "embed_tokens.weight" => return Name::Known("token_embd.weight".to_owned()),
        "norm.weight" => return Name::Known("output_norm.weight".to_owned()),
        _ => {}
    }
    let parts = inner.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    let Some((layer, part)) = parts.filter(|(layer, _)| layer.parse::<u16>().is_ok()) else { return Name::Unknown };
    let Some((module, kind @ ("weight" | "bias"))) = part.rsplit_once('.') else { return Name::Unknown };
    let ours = match module {
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" => "attn_qkv",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" | "mlp.gate_up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        "pre_feedforward_layernorm" => "pre_ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        _ => return Name::Unknown,
    };
    Name::Known(format!("blk.{layer}.{ours}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(tensors: &[(&str, &[u64])]) -> Vec<u8> {
        let (mut fields, mut at) = (Vec::new(), 0);
        for (name, shape) in tensors {
            let end = at + 4 * shape.iter().product::<u64>();
            fields.push(format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{at},{end}]}}"#));
            at = end;
        }
        let header = format!("{{{}}}", fields.join(","));
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend_from_slice(header.as_bytes());
        out.resize(out.len() + at as usize, 0);
        out
    }

    const CONFIG: &str = r#"{"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,"max_position_embeddings":16,"vocab_size":5,"rms_norm_eps":1e-5}"#;

    #[test]
    fn shards_become_one_model_with_gguf_names() {
        let (a, b) = (
            shard(&[("model.embed_tokens.weight", &[5, 8])]),
            shard(&[
                ("model.layers.0.self_attn.q_proj.weight", &[8, 8]),
                ("model.layers.0.self_attn.rotary_emb.inv_freq", &[2]),
            ]),
        );
        let index = r#"{"weight_map":{"model.embed_tokens.weight":"a.safetensors","model.layers.0.self_attn.q_proj.weight":"b.safetensors","model.layers.0.self_attn.rotary_emb.inv_freq":"b.safetensors"}}"#;
        assert_eq!(shard_names(index.as_bytes()).expect("valid"), ["a.safetensors", "b.safetensors"]);
        let shards = [Shard { name: "a.safetensors", bytes: &a }, Shard { name: "b.safetensors", bytes: &b }];
        let (config, weights) = open(CONFIG.as_bytes(), Some(index.as_bytes()), &shards).expect("valid");
        assert!(config.tied && weights.len() == 2);
        assert_eq!(weights.get("token_embd.weight").map(|t| t.dims.as_slice().to_vec()), Some(vec![8, 5]));
        assert!(weights.get("blk.0.attn_q.weight").is_some());
        let swapped = [Shard { name: "b.safetensors", ..shards[0] }, Shard { name: "a.safetensors", ..shards[1] }];
        assert!(matches!(open(CONFIG.as_bytes(), Some(index.as_bytes()), &swapped), Err(HfError::Misplaced { .. })));
        assert!(matches!(open(CONFIG.as_bytes(), Some(index.as_bytes()), &shards[..1]), Err(HfError::Absent { .. })));
        assert!(matches!(open(CONFIG.as_bytes(), None, &[shards[0], shards[0]]), Err(HfError::Twice { .. })));
    }

    #[test]
    fn an_index_cannot_lead_out_of_the_folder() {
        for file in ["../x.safetensors", "/etc/x.safetensors", "a.bin", ".safetensors", "c:x.safetensors"] {
            let index = format!(r#"{{"weight_map":{{"t":"{file}"}}}}"#);
            assert!(matches!(shard_names(index.as_bytes()), Err(HfError::IndexEntry { .. })), "{file}");
        }
    }

    #[test]
    fn gemma_norms_get_their_own_names() {
        let names =
            ["post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm", "input_layernorm"];
        let full: Vec<String> =
            names.iter().map(|name| format!("language_model.model.layers.0.{name}.weight")).collect();
        let bytes = shard(&full.iter().map(|name| (name.as_str(), &[8u64][..])).collect::<Vec<_>>());
        let config =
            r#"{"model_type":"gemma3","text_config":{"hidden_size":8,"num_hidden_layers":1,"intermediate_size":4}}"#;
        let (config, weights) = open(config.as_bytes(), None, &[Shard { name: "m", bytes: &bytes }]).expect("valid");
        assert_eq!((config.norm_offset, config.key_dim), (1.0, 256));
        for name in ["post_attention_norm", "ffn_norm", "post_ffw_norm", "attn_norm"] {
            assert!(weights.get(&format!("blk.0.{name}.weight")).is_some(), "{name}");
        }
    }

    #[test]
    fn strange_tensors_are_refused() {
        let bytes = shard(&[("model.layers.0.block_sparse_moe.gate.weight", &[8])]);
        let fault = open(CONFIG.as_bytes(), None, &[Shard { name: "m", bytes: &bytes }]).expect_err("refused");
        assert!(matches!(fault, HfError::Name { .. }));
    }
}
