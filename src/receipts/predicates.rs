//! Predicates: what a receipt can claim. One file per kind, each with a JSON Schema and a page under `docs/predicates`.
//!
//! A new kind is a struct that implements [`Predicate`] and a line in [`KINDS`].

use super::fields::{Fields, ShapeError};
use super::json::Object;

mod attestation;
pub mod benchmark;
mod embedding;
mod entropy;
mod gate_decision;
mod inference;
mod kernel_claim;
mod kernel_selftest;
mod kernel_verification;
mod key_event;
mod policy_event;
mod quantization;
#[cfg(test)]
mod schema_check;
mod test_run;
#[cfg(test)]
mod tests;

pub use attestation::{Attestation, Score};
pub use benchmark::Benchmark;
pub use embedding::{Embedding, EmbeddingModel};
pub use entropy::{Entropy, EntropyBaseline, EntropyScope};
pub use gate_decision::{DecidedCriterion, GO_NO_GO, GateDecision};
pub use inference::{
    Engine, Finish, Form, FormKind, Inference, Model, Parameters, Text, Timings, digest_of_vocabulary,
};
pub use kernel_claim::{
    Baseline as ClaimBaseline, Claim as KernelClaim, Controls as ClaimControls, Figure as ClaimFigure,
};
pub use kernel_selftest::{KernelTrial, Tried as TriedKernel};
pub use kernel_verification::{
    Failure as KernelFailure, KernelVerification, Made as KernelArtefact, SelfTest as KernelSelfTest,
    Verified as VerifiedKernel,
};
pub use key_event::KeyEvent;
pub use policy_event::{PolicyAction, PolicyEvent};
pub use quantization::{ModelFile, Quantization};
pub use test_run::{MOST_UNITS, TestRun};

/// A typed claim. `read` and `body` are each other's inverse on valid values.
pub trait Predicate: Sized {
    /// `urn:bizra:predicate:NAME:vMAJOR.MINOR`.
    const TYPE: &'static str;
    /// The JSON Schema of the whole predicate, stamp included.
    const SCHEMA: &'static str;

    fn validate(&self) -> Result<(), ShapeError>;
    fn body(&self) -> Object;
    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError>;
}

/// A kind of predicate as the rest of the program meets it: its type, its schema, and its check.
pub struct Kind {
    pub predicate_type: &'static str,
    pub schema: &'static str,
    check: fn(&Object) -> Result<(), ShapeError>,
}

pub const KINDS: &[Kind] = &[
    kind::<Attestation>(),
    kind::<Benchmark>(),
    kind::<Embedding>(),
    kind::<Entropy>(),
    kind::<EntropyBaseline>(),
    kind::<EntropyScope>(),
    kind::<GateDecision>(),
    kind::<Inference>(),
    kind::<KernelTrial>(),
    kind::<KernelVerification>(),
    kind::<KeyEvent>(),
    kind::<PolicyEvent>(),
    kind::<Quantization>(),
    kind::<TestRun>(),
];

const fn kind<P: Predicate>() -> Kind {
    Kind { predicate_type: P::TYPE, schema: P::SCHEMA, check: |body| read::<P>(body).map(|_| ()) }
}

/// `attestation/v0.1` for `urn:bizra:predicate:attestation:v0.1`; `None` for what is no type of ours.
pub fn name_of(predicate_type: &str) -> Option<String> {
    let (name, version) = predicate_type.strip_prefix("urn:bizra:predicate:")?.split_once(':')?;
    let (major, minor) = version.strip_prefix('v')?.split_once('.')?;
    let number = |text: &str| text.parse::<u16>().is_ok_and(|number| number.to_string() == text);
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (word && number(major) && number(minor)).then(|| format!("{name}/{version}"))
}

/// The type that `attestation/v0.1` names.
pub fn type_of(name: &str) -> Option<String> {
    let (word, version) = name.split_once('/')?;
    let predicate_type = format!("urn:bizra:predicate:{word}:{version}");
    name_of(&predicate_type).map(|_| predicate_type)
}

/// Whether a body is valid, as far as its type is known here.
pub(super) fn check(predicate_type: &str, body: &Object) -> Result<(), ShapeError> {
    match KINDS.iter().find(|kind| kind.predicate_type == predicate_type) {
        Some(kind) => (kind.check)(body),
        None => Ok(()),
    }
}

pub(super) fn read<P: Predicate>(body: &Object) -> Result<P, ShapeError> {
    let mut fields = Fields::of_object("predicate", body);
    let predicate = P::read(&mut fields)?;
    fields.finish()?;
    predicate.validate()?;
    Ok(predicate)
}

/// A role: what someone signs as. `lead`, `security-reviewer`.
pub fn check_role(role: &str) -> Result<(), &'static str> {
    let fits = (1..=64).contains(&role.len())
        && role.starts_with(|c: char| c.is_ascii_lowercase())
        && role.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits { Ok(()) } else { Err("expected a role of lower-case letters, digits and hyphens, at most 64") }
}
