//! `kernel-verification/v0.1`: kernels were tried against references, and what came of it.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::Predicate;
use super::kernel_claim::{self, Claim};

const MAX_KERNELS: usize = 128;
const MAX_FAILURES: usize = 3;
const MAX_LIST: usize = 16;
const MOST: u64 = json::MAX_INTEGER as u64;

pub const OUTCOMES: [&str; 4] = ["verified", "refused", "skipped", "undecided"];
pub const LEVELS: [&str; 5] = ["parsed", "compiled", "ran-emulated", "ran-on-device", "skipped"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelVerification {
    /// `quick` or `full`.
    pub effort: String,
    pub correctness: bool,
    pub determinism: bool,
    /// SHA-256 of the seed, which was fixed before the first kernel ran.
    pub committed: Hash,
    pub seed: [u8; 8],
    pub self_test: SelfTest,
    pub cpu: String,
    pub system: String,
    /// The highest instruction level.
    pub isa: String,
    pub not_contained: Vec<String>,
    pub kernels: Vec<Verified>,
    /// What kernels claim of their speed, where that was decided.
    pub claims: Vec<Claim>,
}

/// The verifier's own trial: how many wrong kernels it refused, and how many honest ones it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// The receipt of that trial, where it was another run.
    pub receipt: Option<Hash>,
    pub refused: u64,
    pub wrong: u64,
    pub accepted: u64,
    pub honest: u64,
}

impl SelfTest {
    pub fn passed(&self) -> bool {
        self.wrong > 0 && self.honest > 0 && self.refused == self.wrong && self.accepted == self.honest
    }
}

/// One kernel on one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub id: String,
    pub op: String,
    pub backend: String,
    pub outcome: String,
    pub level: String,
    /// The device, the emulator, or why it was skipped.
    pub on: Option<String>,
    pub manifest: Hash,
    /// Of the library, of the source with what it includes, or of the program whose own kernel it is.
    pub code: Option<Hash>,
    /// What compilers and translators made of the source.
    pub made: Vec<Made>,
    pub cases: u64,
    pub counted: u64,
    pub repeated: u64,
    /// Covered by the cases that count, of so many; receipts that were made before that was told count what was planned.
    pub edges: u64,
    pub edges_possible: Option<u64>,
    pub probes: u64,
    pub pairs: u64,
    pub pairs_possible: Option<u64>,
    pub random_shapes: u64,
    /// The worst error over its bound.
    pub worst: Decimal,
    /// Errors over those of a plain kernel with the same contract, at worst.
    pub against_plain: Decimal,
    pub failures: Vec<Failure>,
}

/// Something that was made of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Such as `cubin for sm_90` or `MSL`.
    pub what: String,
    /// By what program, with its version.
    pub by: String,
    pub sha256: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub case: String,
    pub stage: String,
    pub message: String,
}

impl KernelVerification {
    pub fn verdict(&self) -> &'static str {
        let any = |outcome: &str| self.kernels.iter().any(|k| k.outcome == outcome);
        match () {
            () if any("refused") => "refused",
            () if self.kernels.iter().all(|k| k.outcome == "verified") => "verified",
            () => "undecided",
        }
    }
}

pub(super) fn word(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.len() <= most && !text.contains(char::is_control)
}

impl Predicate for KernelVerification {
    const TYPE: &'static str = "urn:bizra:predicate:kernel-verification:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/kernel-verification-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        if !["quick", "full"].contains(&self.effort.as_str()) {
            return refuse("effort", "expected quick or full");
        }
        if !self.self_test.passed() {
            return refuse("selfTest", "a verifier that missed one of its own kernels signs nothing");
        }
        if self.self_test.wrong.max(self.self_test.honest) > MOST {
            return refuse("selfTest", "a count is beyond 2^53 - 1");
        }
        for (field, text) in [("cpu", &self.cpu), ("system", &self.system), ("isa", &self.isa)] {
            if !word(text, 256) {
                return refuse(field, "expected 1 to 256 bytes without control characters");
            }
        }
        if self.not_contained.len() > MAX_LIST || !self.not_contained.iter().all(|t| word(t, 256)) {
            return refuse("notContained", "at most 16 short texts");
        }
        if self.kernels.is_empty() || self.kernels.len() > MAX_KERNELS {
            return refuse("kernels", "1 to 128 of them");
        }
        for kernel in &self.kernels {
            if !word(&kernel.id, 200) || !word(&kernel.op, 32) || !word(&kernel.backend, 32) {
                return refuse("kernels", "expected an id, an operation and a backend");
            }
            if !OUTCOMES.contains(&kernel.outcome.as_str()) || !LEVELS.contains(&kernel.level.as_str()) {
                return refuse("kernels", "an outcome or a level that is not known");
            }
            if kernel.on.as_ref().is_some_and(|on| !word(on, 256)) {
                return refuse("kernels", "expected a short name of what it ran on");
            }
            let counts = [kernel.cases, kernel.counted, kernel.repeated, kernel.edges, kernel.probes, kernel.pairs];
            if counts.iter().chain([&kernel.random_shapes]).any(|n| *n > MOST) || kernel.counted > kernel.cases {
                return refuse("kernels", "no more cases count than were run");
            }
            let beyond = |covered: u64, possible: Option<u64>| possible.is_some_and(|n| covered > n || n > MOST);
            if beyond(kernel.edges, kernel.edges_possible) || beyond(kernel.pairs, kernel.pairs_possible) {
                return refuse("kernels", "more is covered than there is");
            }
            let refused = kernel.outcome == "refused";
            if refused == kernel.failures.is_empty() || kernel.failures.len() > MAX_FAILURES {
                return refuse("kernels", "what was refused has 1 to 3 failures, and nothing else has any");
            }
            if kernel.outcome == "verified" && (kernel.level == "skipped" || kernel.counted + kernel.repeated == 0) {
                return refuse("kernels", "nothing was run that could have refused it");
            }
            if kernel.made.len() > MAX_LIST || !kernel.made.iter().all(|m| word(&m.what, 64) && word(&m.by, 64)) {
                return refuse("kernels", "at most 16 things that were made, with their names");
            }
            let short = |f: &Failure| word(&f.case, 512) && word(&f.stage, 32) && word(&f.message, 1024);
            if !kernel.failures.iter().all(short) {
                return refuse("kernels", "failures have a case, a stage and a message");
            }
        }
        kernel_claim::validate(&self.claims)?;
        if let Some(claim) = self.claims.iter().find(|claim| !self.kernels.iter().any(|k| k.id == claim.kernel)) {
            return refuse("claims", &format!("{} is none of the kernels", claim.kernel));
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        let failure = |f: &Failure| {
            Object::new()
                .with("case", f.case.as_str())
                .with("message", f.message.as_str())
                .with("stage", f.stage.as_str())
                .into()
        };
        let made = |m: &Made| {
            Object::new()
                .with("by", m.by.as_str())
                .with("sha256", hex::encode(&m.sha256))
                .with("what", m.what.as_str())
                .into()
        };
        let kernel = |k: &Verified| {
            Object::new()
                .with("againstPlain", k.against_plain.as_str())
                .with("backend", k.backend.as_str())
                .with("cases", count(k.cases))
                .with("code", k.code.map(|h| hex::encode(&h)))
                .with("counted", count(k.counted))
                .with("edges", count(k.edges))
                .with_some("edgesPossible", k.edges_possible.map(count))
                .with("failures", Value::Array(k.failures.iter().map(failure).collect()))
                .with("id", k.id.as_str())
                .with("level", k.level.as_str())
                .with("made", Value::Array(k.made.iter().map(made).collect()))
                .with("manifest", hex::encode(&k.manifest))
                .with("on", k.on.clone())
                .with("op", k.op.as_str())
                .with("outcome", k.outcome.as_str())
                .with("pairs", count(k.pairs))
                .with_some("pairsPossible", k.pairs_possible.map(count))
                .with("probes", count(k.probes))
                .with("randomShapes", count(k.random_shapes))
                .with("repeated", count(k.repeated))
                .with("worst", k.worst.as_str())
                .into()
        };
        let own = &self.self_test;
        let self_test = Object::new()
            .with("accepted", count(own.accepted))
            .with("honest", count(own.honest))
            .with("receipt", own.receipt.map(|h| hex::encode(&h)))
            .with("refused", count(own.refused))
            .with("wrong", count(own.wrong));
        Object::new()
            .with_some("claims", (!self.claims.is_empty()).then(|| kernel_claim::body(&self.claims)))
            .with("committed", hex::encode(&self.committed))
            .with("correctness", self.correctness)
            .with("cpu", self.cpu.as_str())
            .with("determinism", self.determinism)
            .with("effort", self.effort.as_str())
            .with("isa", self.isa.as_str())
            .with("kernels", Value::Array(self.kernels.iter().map(kernel).collect()))
            .with("notContained", self.not_contained.clone())
            .with("seed", hex::encode(&self.seed))
            .with("selfTest", self_test)
            .with("system", self.system.as_str())
            .with("verdict", self.verdict())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let optional = |fields: &mut Fields<'_>, key: &'static str| -> Result<Option<Hash>, ShapeError> {
            match fields.nullable_string(key)? {
                Some(digits) => hex::decode(digits).map(Some).ok_or_else(|| fields.error(key, "expected SHA-256")),
                None => Ok(None),
            }
        };
        let possible = |fields: &mut Fields<'_>, key: &'static str| -> Result<Option<u64>, ShapeError> {
            fields.optional(key).map(|_| fields.count(key)).transpose()
        };
        let mut kernels = Vec::new();
        for (path, value) in fields.array("kernels")? {
            let mut fields = Fields::of(path, value)?;
            let mut failures = Vec::new();
            for (path, value) in fields.array("failures")? {
                let mut fields = Fields::of(path, value)?;
                failures.push(Failure {
                    case: fields.string("case")?.into(),
                    stage: fields.string("stage")?.into(),
                    message: fields.string("message")?.into(),
                });
                fields.finish()?;
            }
            let mut made = Vec::new();
            for (path, value) in fields.array("made")? {
                let mut fields = Fields::of(path, value)?;
                made.push(Made {
                    what: fields.string("what")?.into(),
                    by: fields.string("by")?.into(),
                    sha256: fields.hex("sha256")?,
                });
                fields.finish()?;
            }
            kernels.push(Verified {
                id: fields.string("id")?.into(),
                op: fields.string("op")?.into(),
                backend: fields.string("backend")?.into(),
                outcome: fields.string("outcome")?.into(),
                level: fields.string("level")?.into(),
                on: fields.nullable_string("on")?.map(str::to_owned),
                manifest: fields.hex("manifest")?,
                code: optional(&mut fields, "code")?,
                made,
                cases: fields.count("cases")?,
                counted: fields.count("counted")?,
                repeated: fields.count("repeated")?,
                edges: fields.count("edges")?,
                edges_possible: possible(&mut fields, "edgesPossible")?,
                probes: fields.count("probes")?,
                pairs: fields.count("pairs")?,
                pairs_possible: possible(&mut fields, "pairsPossible")?,
                random_shapes: fields.count("randomShapes")?,
                worst: fields.parsed("worst", str::parse)?,
                against_plain: fields.parsed("againstPlain", str::parse)?,
                failures,
            });
            fields.finish()?;
        }
        let mut own = fields.object("selfTest")?;
        let self_test = SelfTest {
            receipt: optional(&mut own, "receipt")?,
            refused: own.count("refused")?,
            wrong: own.count("wrong")?,
            accepted: own.count("accepted")?,
            honest: own.count("honest")?,
        };
        own.finish()?;
        let read = Self {
            effort: fields.string("effort")?.into(),
            correctness: fields.boolean("correctness")?,
            determinism: fields.boolean("determinism")?,
            committed: fields.hex("committed")?,
            seed: fields.hex("seed")?,
            self_test,
            cpu: fields.string("cpu")?.into(),
            system: fields.string("system")?.into(),
            isa: fields.string("isa")?.into(),
            not_contained: fields.strings("notContained")?.into_iter().map(str::to_owned).collect(),
            kernels,
            claims: kernel_claim::read(fields)?,
        };
        let said = fields.string("verdict")?;
        if said != read.verdict() {
            return Err(fields.error("verdict", "it disagrees with the kernels' outcomes"));
        }
        Ok(read)
    }
}
