//! `embedding/v0.1`: texts became vectors. Both are held by commitments, whose salts stay with the user.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::statement::Subject;
use super::Predicate;

const POOLINGS: [&str; 2] = ["cls", "mean"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    pub model: EmbeddingModel,
    pub texts: u64,
    /// Of all texts, whatever was read of them.
    pub tokens: u64,
    /// How many texts were cut.
    pub truncated: u64,
    /// Tokens that the model reads of a text.
    pub limit: u64,
    /// To each text's length in bytes (eight bytes, little-endian) and the text, in their order.
    pub texts_commitment: Hash,
    /// To the numbers as f32, little-endian.
    pub vectors_commitment: Hash,
    pub pooling: String,
    pub normalised: bool,
    pub batch: u64,
    /// Milliseconds.
    pub load: Decimal,
    pub embed: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingModel {
    pub name: String,
    pub sha256: Hash,
    pub bytes: u64,
    pub dimensions: u64,
}

impl Embedding {
    pub fn subjects(&self) -> Vec<Subject> {
        vec![Subject::sha256(format!("model:{}", self.model.name), self.model.sha256)]
    }
}

impl Predicate for Embedding {
    const TYPE: &'static str = "urn:bizra:predicate:embedding:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/embedding-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        let name = &self.model.name;
        if name.is_empty() || name.len() > 256 || name.contains(char::is_control) {
            return refuse("model.name", "expected 1 to 256 bytes without control characters");
        }
        if self.texts == 0 || self.batch == 0 || self.model.dimensions == 0 {
            return refuse("texts", "texts, batch and dimensions count from 1");
        }
        if self.truncated > self.texts {
            return refuse("truncated", "more than there are texts");
        }
        if !POOLINGS.contains(&self.pooling.as_str()) {
            return refuse("pooling", "expected cls or mean");
        }
        if self.load.is_negative() || self.embed.is_negative() {
            return refuse("timings", "no time is negative");
        }
        let counts = [self.texts, self.tokens, self.limit, self.batch, self.model.bytes, self.model.dimensions];
        if counts.iter().any(|count| json::integer(*count).is_none()) {
            return refuse("texts", "a count is beyond 2^53 - 1");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        let model = Object::new()
            .with("bytes", count(self.model.bytes))
            .with("dimensions", count(self.model.dimensions))
            .with("name", self.model.name.as_str())
            .with("sha256", hex::encode(&self.model.sha256));
        let timings = Object::new().with("embedMs", self.embed.as_str()).with("loadMs", self.load.as_str());
        Object::new()
            .with("batch", count(self.batch))
            .with("limit", count(self.limit))
            .with("model", model)
            .with("normalised", self.normalised)
            .with("pooling", self.pooling.as_str())
            .with("texts", count(self.texts))
            .with("textsCommitment", hex::encode(&self.texts_commitment))
            .with("timings", timings)
            .with("tokens", count(self.tokens))
            .with("truncated", count(self.truncated))
            .with("vectorsCommitment", hex::encode(&self.vectors_commitment))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut model = fields.object("model")?;
        let read_model = EmbeddingModel {
            name: model.string("name")?.to_owned(),
            sha256: model.hex("sha256")?,
            bytes: model.count("bytes")?,
            dimensions: model.count("dimensions")?,
        };
        model.finish()?;
        let mut timings = fields.object("timings")?;
        let (load, embed) = (timings.parsed("loadMs", str::parse)?, timings.parsed("embedMs", str::parse)?);
        timings.finish()?;
        Ok(Embedding {
            model: read_model,
            texts: fields.count("texts")?,
            tokens: fields.count("tokens")?,
            truncated: fields.count("truncated")?,
            limit: fields.count("limit")?,
            texts_commitment: fields.hex("textsCommitment")?,
            vectors_commitment: fields.hex("vectorsCommitment")?,
            pooling: fields.string("pooling")?.to_owned(),
            normalised: fields.boolean("normalised")?,
            batch: fields.count("batch")?,
            load,
            embed,
        })
    }
}
