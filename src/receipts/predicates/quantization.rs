//! `quantization/v0.1`: a model file was made from another with fewer bits, and what that cost in accuracy.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::statement::Subject;
use super::Predicate;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantization {
    pub source: ModelFile,
    pub made: ModelFile,
    /// As GGUF calls it: `Q8_0`.
    pub format: String,
    /// Tensors that were quantised, and those that were taken over as they were.
    pub quantised: u64,
    pub kept: u64,
    /// Root mean square error over the root mean square of the weights: of all quantised tensors together, and of the worst.
    pub error: Decimal,
    pub worst: Decimal,
    pub worst_tensor: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    pub name: String,
    pub sha256: Hash,
    pub bytes: u64,
}

impl Quantization {
    pub fn subjects(&self) -> Vec<Subject> {
        let subject = |file: &ModelFile| Subject::sha256(format!("model:{}", file.name), file.sha256);
        // Two files of one name differ by their digests alone, and a receipt names each subject once.
        match self.source.name == self.made.name {
            true => vec![subject(&self.made)],
            false => vec![subject(&self.source), subject(&self.made)],
        }
    }
}

fn word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.contains(char::is_control)
}

impl ModelFile {
    fn body(&self) -> Object {
        Object::new()
            .with("bytes", json::integer(self.bytes).unwrap_or(Value::Null))
            .with("name", self.name.as_str())
            .with("sha256", hex::encode(&self.sha256))
    }

    fn read(mut fields: Fields<'_>) -> Result<Self, ShapeError> {
        let file = ModelFile {
            name: fields.string("name")?.to_owned(),
            sha256: fields.hex("sha256")?,
            bytes: fields.count("bytes")?,
        };
        fields.finish()?;
        Ok(file)
    }
}

impl Predicate for Quantization {
    const TYPE: &'static str = "urn:bizra:predicate:quantization:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/quantization-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        let words = [
            ("source.name", &self.source.name),
            ("made.name", &self.made.name),
            ("format", &self.format),
            ("worstTensor", &self.worst_tensor),
        ];
        for (field, text) in words {
            if !word(text) {
                return refuse(field, "expected 1 to 256 bytes without control characters");
            }
        }
        if self.quantised == 0 {
            return refuse("quantised", "no tensor was quantised");
        }
        if self.error.is_negative() || self.worst.is_negative() {
            return refuse("error", "no error is negative");
        }
        let counts = [self.source.bytes, self.made.bytes, self.quantised, self.kept];
        if counts.iter().any(|count| json::integer(*count).is_none()) {
            return refuse("quantised", "a count is beyond 2^53 - 1");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        Object::new()
            .with("error", self.error.as_str())
            .with("format", self.format.as_str())
            .with("kept", count(self.kept))
            .with("made", self.made.body())
            .with("quantised", count(self.quantised))
            .with("source", self.source.body())
            .with("worst", self.worst.as_str())
            .with("worstTensor", self.worst_tensor.as_str())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Quantization {
            source: ModelFile::read(fields.object("source")?)?,
            made: ModelFile::read(fields.object("made")?)?,
            format: fields.string("format")?.to_owned(),
            quantised: fields.count("quantised")?,
            kept: fields.count("kept")?,
            error: fields.parsed("error", str::parse)?,
            worst: fields.parsed("worst", str::parse)?,
            worst_tensor: fields.string("worstTensor")?.to_owned(),
        })
    }
}
