//! `kernel-selftest/v0.1`: the verifier of kernels was tried on kernels that are known to be wrong, and on honest ones.

use super::super::Hash;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::Predicate;

const MAX_KERNELS: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTrial {
    /// Each with seeds of its own; the counts are of all together.
    pub runs: u64,
    /// SHA-256 of the seed, which was fixed before the first kernel ran.
    pub committed: Hash,
    pub seed: [u8; 8],
    pub wrong: u64,
    pub refused: u64,
    pub honest: u64,
    pub accepted: u64,
    /// The fingerprint of the machine.
    pub machine: String,
    pub cpu: String,
    /// What became of each in the last run, and in any other where it was missed.
    pub kernels: Vec<Tried>,
}

/// One kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub name: String,
    pub op: String,
    pub honest: bool,
    pub outcome: String,
    /// Which check refused it.
    pub check: Option<String>,
}

impl KernelTrial {
    pub fn passed(&self) -> bool {
        self.wrong > 0 && self.honest > 0 && self.refused == self.wrong && self.accepted == self.honest
    }
}

fn word(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.len() <= most && !text.contains(char::is_control)
}

impl Predicate for KernelTrial {
    const TYPE: &'static str = "urn:bizra:predicate:kernel-selftest:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/kernel-selftest-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        if self.runs == 0 {
            return refuse("runs", "at least 1");
        }
        if self.refused > self.wrong || self.accepted > self.honest {
            return refuse("refused", "no more are treated as they should than there are");
        }
        if [self.runs, self.wrong, self.honest].iter().any(|n| *n > json::MAX_INTEGER as u64) {
            return refuse("runs", "a count is too large");
        }
        if !word(&self.machine, 256) || !word(&self.cpu, 256) {
            return refuse("machine", "expected 1 to 256 bytes without control characters");
        }
        if self.kernels.is_empty() || self.kernels.len() > MAX_KERNELS {
            return refuse("kernels", "1 to 512 of them");
        }
        for one in &self.kernels {
            let short = word(&one.name, 128) && word(&one.op, 32) && one.check.as_ref().is_none_or(|c| word(c, 64));
            if !short || !super::kernel_verification::OUTCOMES.contains(&one.outcome.as_str()) {
                return refuse("kernels", "expected a name, an operation, an outcome and perhaps a check");
            }
        }
        let missed = |one: &Tried| one.outcome != if one.honest { "verified" } else { "refused" };
        if self.passed() == self.kernels.iter().any(missed) {
            return refuse("kernels", "the counts say otherwise than the kernels");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        let one = |tried: &Tried| {
            Object::new()
                .with("check", tried.check.clone())
                .with("honest", tried.honest)
                .with("name", tried.name.as_str())
                .with("op", tried.op.as_str())
                .with("outcome", tried.outcome.as_str())
                .into()
        };
        Object::new()
            .with("accepted", count(self.accepted))
            .with("committed", hex::encode(&self.committed))
            .with("cpu", self.cpu.as_str())
            .with("honest", count(self.honest))
            .with("kernels", Value::Array(self.kernels.iter().map(one).collect()))
            .with("machine", self.machine.as_str())
            .with("refused", count(self.refused))
            .with("runs", count(self.runs))
            .with("seed", hex::encode(&self.seed))
            .with("wrong", count(self.wrong))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut kernels = Vec::new();
        for (path, value) in fields.array("kernels")? {
            let mut fields = Fields::of(path, value)?;
            kernels.push(Tried {
                name: fields.string("name")?.into(),
                op: fields.string("op")?.into(),
                honest: fields.boolean("honest")?,
                outcome: fields.string("outcome")?.into(),
                check: fields.nullable_string("check")?.map(str::to_owned),
            });
            fields.finish()?;
        }
        Ok(Self {
            runs: fields.count("runs")?,
            committed: fields.hex("committed")?,
            seed: fields.hex("seed")?,
            wrong: fields.count("wrong")?,
            refused: fields.count("refused")?,
            honest: fields.count("honest")?,
            accepted: fields.count("accepted")?,
            machine: fields.string("machine")?.into(),
            cpu: fields.string("cpu")?.into(),
            kernels,
        })
    }
}
