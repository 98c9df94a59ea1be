//! `attestation/v0.1`: a person's signed word, such as an approval or a score.

use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::json::Object;
use super::super::statement::Subject;
use super::{Predicate, check_role};

const MAX_STATEMENT_BYTES: usize = 16_384;

/// `value` out of `of`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    pub value: Decimal,
    pub of: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// What the person speaks as. Whether the key may is the trust policy's to say.
    pub role: String,
    pub statement: Option<String>,
    pub score: Option<Score>,
}

impl Attestation {
    /// The subject of an attestation that names no file: its own words.
    pub fn own_subject(&self) -> Subject {
        Subject::of_bytes("statement", self.statement.as_deref().unwrap_or_default().as_bytes())
    }
}

impl Predicate for Attestation {
    const TYPE: &'static str = "urn:bizra:predicate:attestation:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/attestation-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        if let Err(reason) = check_role(&self.role) {
            return refuse("role", reason);
        }
        if self.statement.is_none() && self.score.is_none() {
            return refuse("statement", "an attestation says something: a statement, a score or both");
        }
        if let Some(statement) = &self.statement
            && (statement.trim().is_empty() || statement.len() > MAX_STATEMENT_BYTES)
        {
            return refuse("statement", "expected 1 to 16384 bytes that are not all white space");
        }
        if let Some(Score { value, of }) = &self.score {
            if of.is_negative() || of.is_zero() {
                return refuse("score.of", "the best possible score is above zero");
            }
            if value.is_negative() || value.compare(of).is_gt() {
                return refuse("score.value", "a score lies between 0 and the best possible one");
            }
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let score = self
            .score
            .as_ref()
            .map(|score| Object::new().with("of", score.of.as_str()).with("value", score.value.as_str()));
        Object::new()
            .with("role", self.role.as_str())
            .with_some("score", score)
            .with_some("statement", self.statement.as_deref())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let score = match fields.optional("score") {
            None => None,
            Some(_) => {
                let mut score = fields.object("score")?;
                let read = Score { value: score.parsed("value", str::parse)?, of: score.parsed("of", str::parse)? };
                score.finish()?;
                Some(read)
            }
        };
        Ok(Self {
            role: fields.string("role")?.to_owned(),
            statement: fields.optional_string("statement")?.map(str::to_owned),
            score,
        })
    }
}
