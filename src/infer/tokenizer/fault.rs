//! Why a tokenizer was refused, or a text could not be encoded.

use std::fmt;

use super::pre;
use crate::infer::shown;

#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerError {
    /// A key that is needed is not there.
    Missing {
        key: &'static str,
    },
    /// A key has another type than it must have.
    KeyType {
        key: &'static str,
        needed: &'static str,
    },
    Model {
        model: String,
    },
    Pre {
        pre: String,
    },
    MissingPre,
    Empty,
    Length {
        key: &'static str,
        len: usize,
        tokens: usize,
    },
    Score {
        id: usize,
    },
    DuplicateToken {
        text: String,
        first: u32,
        second: u32,
    },
    Role {
        key: String,
        id: u64,
        tokens: usize,
    },
    AddWithout {
        key: &'static str,
        role: &'static str,
    },
    Pattern {
        pattern: String,
        reason: String,
    },
    Json {
        offset: usize,
        reason: String,
    },
    JsonPart {
        part: String,
        found: String,
    },
    NoToken {
        byte: u8,
    },
    NoSuchId {
        id: u32,
        len: usize,
    },
    TooLarge,
}

impl fmt::Display for TokenizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "tokenizer: the key `{key}` is missing"),
            Self::KeyType { key, needed } => write!(f, "tokenizer: the key `{key}` must be {needed}"),
            Self::Model { model } => {
                write!(f, "tokenizer: model {} is not supported; supported are `llama` (SentencePiece), ", shown(model))?;
                f.write_str("`gpt2` and `gemma4` (byte-pair encoding)")
            }
            Self::Pre { pre } => {
                write!(f, "tokenizer: pre-tokenizer {} is unknown; known are ", shown(pre))?;
                for (i, name) in pre::names().enumerate() {
                    write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::MissingPre => f.write_str(
                "tokenizer: the key `tokenizer.ggml.pre` is missing, so the words cannot be cut as the model learnt them; \
                 convert the model again with a current converter",
            ),
            Self::Empty => f.write_str("tokenizer: the vocabulary is empty"),
            Self::Length { key, len, tokens } => write!(f, "tokenizer: `{key}` has {len} items for {tokens} tokens"),
            Self::Score { id } => write!(f, "tokenizer: the score of token {id} is not a number"),
            Self::DuplicateToken { text, first, second } => {
                write!(f, "tokenizer: token {} stands at both {first} and {second}", shown(text))
            }
            Self::Role { key, id, tokens } => {
                write!(f, "tokenizer: {} is {id}, but the vocabulary has {tokens} tokens", shown(key))
            }
            Self::AddWithout { key, role } => write!(f, "tokenizer: `{key}` is true, but there is no {role} token"),
            Self::Pattern { pattern, reason } => write!(f, "tokenizer: pattern {}: {reason}", shown(pattern)),
            Self::Json { offset, reason } => write!(f, "tokenizer.json, byte {offset}: {reason}"),
            Self::JsonPart { part, found } => {
                write!(f, "tokenizer.json: {part} {} is not supported", shown(found))
            }
            Self::NoToken { byte } => {
                write!(f, "tokenizer: byte 0x{byte:02X} has no token, and the vocabulary has no unknown token")
            }
            Self::NoSuchId { id, len } => write!(f, "tokenizer: id {id} is outside the vocabulary of {len} tokens"),
            Self::TooLarge => f.write_str("tokenizer: a text or vocabulary of 4 GiB or more is not supported"),
        }
    }
}

impl std::error::Error for TokenizerError {}
