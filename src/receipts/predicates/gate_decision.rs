//! `gate-decision/v0.1`: a gate of a plan was decided, with yes or with no.
//!
//! A plan may have thousands of criteria and a receipt 64 KiB: all of them are bound by one digest over a text that
//! anyone can write again ([`GateDecision::digest_of`]), and the first are listed.

use sha2::{Digest as _, Sha256};

use super::super::Hash;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::stamp::Time;
use super::Predicate;

const MAX_LISTED: usize = 64;
const MAX_IDS: usize = 4;
/// The policy of a sprint's last decision: what is listed has to hold, all of it.
pub const GO_NO_GO: &str = "go/no-go";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedCriterion {
    pub id: String,
    /// `met`, `failed`, `pending` or `untrusted`.
    pub outcome: String,
    /// The receipts that decided.
    pub receipts: Vec<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateDecision {
    pub plan: String,
    pub phase: String,
    /// `all`, `any`, `2 of 3`, or [`GO_NO_GO`].
    pub policy: String,
    pub passed: bool,
    /// The time that was decided for.
    pub now: Time,
    /// Somebody named that time.
    pub now_given: bool,
    /// The commit whose files were looked at; none for the work tree.
    pub rev: Option<String>,
    /// SHA-256 of the trust policy's message.
    pub trust: Option<Hash>,
    pub criteria: u64,
    pub met: u64,
    /// Commands were allowed to run.
    pub commands: bool,
    pub digest: Hash,
    pub listed: Vec<DecidedCriterion>,
}

impl GateDecision {
    /// SHA-256 over a line per criterion: id, outcome, ids of the receipts that decided, with spaces between.
    pub fn digest_of(criteria: &[DecidedCriterion]) -> Hash {
        let mut hash = Sha256::new();
        for criterion in criteria {
            hash.update(format!("{} {}", criterion.id, criterion.outcome));
            criterion.receipts.iter().for_each(|id| hash.update(format!(" {}", hex::encode(id))));
            hash.update("\n");
        }
        hash.finalize().into()
    }

    /// As many as a receipt has room for.
    pub fn listing(criteria: &[DecidedCriterion]) -> Vec<DecidedCriterion> {
        let short = |c: &DecidedCriterion| DecidedCriterion {
            receipts: c.receipts.iter().take(MAX_IDS).copied().collect(),
            ..c.clone()
        };
        criteria.iter().take(MAX_LISTED).map(short).collect()
    }
}

impl Predicate for GateDecision {
    const TYPE: &'static str = "urn:bizra:predicate:gate-decision:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/gate-decision-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        let short =
            |text: &str, most| !text.trim().is_empty() && text.len() <= most && !text.contains(char::is_control);
        let word = |text| short(text, 200);
        for (field, text) in [("plan", &self.plan), ("phase", &self.phase), ("policy", &self.policy)] {
            if !word(text) {
                return refuse(field, "expected 1 to 200 bytes without control characters");
            }
        }
        if self.criteria == 0 || self.criteria > json::MAX_INTEGER as u64 || self.met > self.criteria {
            return refuse("criteria", "a gate has criteria, and no more are met than there are");
        }
        if self.rev.as_ref().is_some_and(|rev| !matches!(rev.len(), 40 | 64) || !hex::is_hex(rev)) {
            return refuse("rev", "expected a full git commit id");
        }
        if self.listed.len() > MAX_LISTED || self.listed.len() as u64 > self.criteria {
            return refuse("listed", "more than 64, or more than there are");
        }
        for listed in &self.listed {
            if !short(&listed.id, 256) || !["met", "failed", "pending", "untrusted"].contains(&listed.outcome.as_str())
            {
                return refuse("listed", "expected an id and an outcome");
            }
            if listed.receipts.len() > MAX_IDS {
                return refuse("listed", "at most 4 receipts are named");
            }
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let listed = |c: &DecidedCriterion| {
            let receipts: Vec<String> = c.receipts.iter().map(|id| hex::encode(id)).collect();
            Object::new().with("id", c.id.as_str()).with("outcome", c.outcome.as_str()).with("receipts", receipts)
        };
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        Object::new()
            .with("commands", self.commands)
            .with("criteria", count(self.criteria))
            .with("decision", if self.passed { "passed" } else { "failed" })
            .with("digest", hex::encode(&self.digest))
            .with("listed", Value::Array(self.listed.iter().map(|c| listed(c).into()).collect()))
            .with("met", count(self.met))
            .with("now", self.now.to_string())
            .with("nowGiven", self.now_given)
            .with("phase", self.phase.as_str())
            .with("plan", self.plan.as_str())
            .with("policy", self.policy.as_str())
            .with("rev", self.rev.clone())
            .with("trust", self.trust.map(|digest| hex::encode(&digest)))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut listed = Vec::new();
        for (path, value) in fields.array("listed")? {
            let mut fields = Fields::of(path, value)?;
            let mut receipts = Vec::new();
            for id in fields.strings("receipts")? {
                receipts.push(hex::decode(id).ok_or_else(|| fields.error("receipts", "expected receipt ids"))?);
            }
            let read = DecidedCriterion {
                id: fields.string("id")?.into(),
                outcome: fields.string("outcome")?.into(),
                receipts,
            };
            fields.finish()?;
            listed.push(read);
        }
        let passed = fields.parsed("decision", |word| match word {
            "passed" => Ok(true),
            "failed" => Ok(false),
            _ => Err("expected passed or failed"),
        })?;
        let trust = match fields.nullable_string("trust")? {
            Some(_) => Some(fields.hex("trust")?),
            None => None,
        };
        Ok(Self {
            plan: fields.string("plan")?.to_owned(),
            phase: fields.string("phase")?.to_owned(),
            policy: fields.string("policy")?.to_owned(),
            passed,
            now: fields.parsed("now", str::parse)?,
            now_given: fields.boolean("nowGiven")?,
            rev: fields.nullable_string("rev")?.map(str::to_owned),
            trust,
            criteria: fields.count("criteria")?,
            met: fields.count("met")?,
            commands: fields.boolean("commands")?,
            digest: fields.hex("digest")?,
            listed,
        })
    }
}
