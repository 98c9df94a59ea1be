//! `entropy/v0.1`, `entropy-baseline/v0.1`, `entropy-scope/v0.1`: uncertainty measured, and what it is measured against.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::stamp::Time;
use super::super::statement::Subject;
use super::Predicate;

const MAX_INTO: usize = 64;

fn word(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 200 && !text.contains(char::is_control)
}

fn refuse(field: &str, reason: &str) -> Result<(), ShapeError> {
    Err(ShapeError::new(format!("predicate.{field}"), reason))
}

const NO_WORD: &str = "expected 1 to 200 characters without control characters";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntropyBaseline {
    pub epoch: u64,
    pub reason: String,
    pub claims: u64,
}

impl Predicate for EntropyBaseline {
    const TYPE: &'static str = "urn:bizra:predicate:entropy-baseline:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/entropy-baseline-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        if self.epoch == 0 || self.epoch > json::MAX_INTEGER as u64 {
            return refuse("epoch", "epochs are counted from 1");
        }
        if self.claims > json::MAX_INTEGER as u64 {
            return refuse("claims", "too many");
        }
        if word(&self.reason) { Ok(()) } else { refuse("reason", NO_WORD) }
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        Object::new()
            .with("claims", count(self.claims))
            .with("epoch", count(self.epoch))
            .with("reason", self.reason.as_str())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let reason = fields.string("reason")?.to_owned();
        Ok(Self { epoch: fields.count("epoch")?, reason, claims: fields.count("claims")? })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntropyScope {
    pub baseline: Hash,
    pub claim: String,
    pub into: Vec<String>,
    pub reason: String,
}

impl EntropyScope {
    pub fn subject(&self) -> Subject {
        Subject::of_bytes(format!("claim:{}", self.claim), self.claim.as_bytes())
    }
}

impl Predicate for EntropyScope {
    const TYPE: &'static str = "urn:bizra:predicate:entropy-scope:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/entropy-scope-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        if !word(&self.claim) {
            return refuse("claim", NO_WORD);
        }
        if !word(&self.reason) {
            return refuse("reason", NO_WORD);
        }
        if self.into.len() > MAX_INTO || !self.into.iter().all(|claim| word(claim)) {
            return refuse("into", "expected at most 64 claims");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        Object::new()
            .with("baseline", hex::encode(&self.baseline))
            .with("claim", self.claim.as_str())
            .with("into", self.into.clone())
            .with("reason", self.reason.as_str())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Self {
            baseline: fields.hex("baseline")?,
            claim: fields.string("claim")?.to_owned(),
            into: fields.strings("into")?.into_iter().map(str::to_owned).collect(),
            reason: fields.string("reason")?.to_owned(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entropy {
    pub baseline: Option<Hash>,
    pub h: Decimal,
    pub p: Decimal,
    pub v: Decimal,
    pub ceiling: Decimal,
    pub delta: Option<Decimal>,
    /// The commit that was compared with.
    pub since: Option<String>,
    pub scatter: Option<Decimal>,
    pub now: Time,
    pub now_given: bool,
}

#[cfg(test)]
impl Entropy {
    /// For tests here and elsewhere.
    pub(crate) fn example() -> Self {
        let bits = |text: &str| text.parse().expect("a decimal");
        Entropy {
            baseline: Some([6; 32]),
            h: bits("39.87"),
            p: bits("30.5"),
            v: bits("9.37"),
            ceiling: bits("50"),
            delta: Some(bits("-1.33")),
            since: Some("b".repeat(40)),
            scatter: Some(bits("2.1")),
            now: "2026-01-31T12:00:00.000Z".parse().expect("a time"),
            now_given: false,
        }
    }
}

impl Predicate for Entropy {
    const TYPE: &'static str = "urn:bizra:predicate:entropy:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/entropy-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let whole = [("h", &self.h), ("p", &self.p), ("v", &self.v), ("ceiling", &self.ceiling)];
        for (field, bits) in whole.into_iter().chain(self.scatter.as_ref().map(|bits| ("scatter", bits))) {
            if bits.is_negative() {
                return refuse(field, "bits are not below zero");
            }
        }
        if self.h.compare(&self.ceiling).is_gt() {
            return refuse("h", "no more can be uncertain than there is");
        }
        if self.delta.is_some() != self.since.is_some() {
            return refuse("since", "a change is a change since a commit");
        }
        if self.since.as_ref().is_some_and(|rev| !matches!(rev.len(), 40 | 64) || !hex::is_hex(rev)) {
            return refuse("since", "expected a full git commit id");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let text = |decimal: &Option<Decimal>| decimal.as_ref().map(|d| d.as_str().to_owned());
        Object::new()
            .with("baseline", self.baseline.map(|digest| hex::encode(&digest)))
            .with("ceiling", self.ceiling.as_str())
            .with("delta", text(&self.delta))
            .with("h", self.h.as_str())
            .with("now", self.now.to_string())
            .with("nowGiven", self.now_given)
            .with("p", self.p.as_str())
            .with("scatter", text(&self.scatter))
            .with("since", self.since.clone())
            .with("v", self.v.as_str())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let baseline = match fields.nullable_string("baseline")? {
            Some(_) => Some(fields.hex("baseline")?),
            None => None,
        };
        let mut nullable = |field| match fields.nullable_string(field)? {
            Some(text) => text.parse().map(Some).map_err(|e| fields.error(field, format!("{e}"))),
            None => Ok::<Option<Decimal>, ShapeError>(None),
        };
        let (delta, scatter) = (nullable("delta")?, nullable("scatter")?);
        Ok(Self {
            baseline,
            h: fields.parsed("h", str::parse)?,
            p: fields.parsed("p", str::parse)?,
            v: fields.parsed("v", str::parse)?,
            ceiling: fields.parsed("ceiling", str::parse)?,
            delta,
            since: fields.nullable_string("since")?.map(str::to_owned),
            scatter,
            now: fields.parsed("now", str::parse)?,
            now_given: fields.boolean("nowGiven")?,
        })
    }
}
