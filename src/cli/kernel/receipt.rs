//! What a run leaves in the ledger, and on what condition: nothing is signed by a verifier that was not just tried.

use sha2::{Digest as _, Sha256};

use super::super::bench::receipt::decimal;
use super::choose::Known;
use crate::bench::result::Machine;
use crate::error::Result;
use crate::kernel::plan::Effort;
use crate::kernel::report::Report;
use crate::kernel::run::Level;
use crate::kernel::speed::Figure;
use crate::receipts::decimal::Decimal;
use crate::receipts::hex;
use crate::receipts::predicates::{
    ClaimBaseline, ClaimControls, ClaimFigure, KernelArtefact, KernelClaim, KernelFailure, KernelSelfTest,
    KernelVerification, VerifiedKernel,
};
use crate::receipts::statement::{Draft, Subject};
use crate::view::kernel::say;
use crate::view::kernel_claims::Claimed;

/// A run, to be told.
pub(super) struct Told<'a> {
    pub(super) jobs: &'a [(&'a Known, Option<[u8; 32]>)],
    pub(super) reports: &'a [Report],
    pub(super) machine: &'a Machine,
    pub(super) effort: Effort,
    /// Correctness, determinism.
    pub(super) stages: (bool, bool),
    pub(super) seed: [u8; 8],
    pub(super) claims: &'a [Claimed],
    /// SHA-256 of this program, which has the baselines.
    pub(super) program: Option<[u8; 32]>,
}

fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A claim with all that was measured for it.
fn claim((kernel, decided): &Claimed, program: Option<[u8; 32]>) -> Result<KernelClaim> {
    let line = |text: &str, most| cut(&crate::ui::clean::one_line(text), most);
    let figure = |figure: &Figure| -> Result<ClaimFigure> {
        let number = |x: f64| if x.is_finite() { decimal(x).map(Some) } else { Ok(None) };
        let of_logs = |logs: &[f64]| logs.iter().map(|log| decimal(log.exp())).collect::<Result<Vec<Decimal>>>();
        let baselines = figure.baselines.iter().map(|(name, ratio, low, high)| {
            let name = name.clone();
            Ok(ClaimBaseline { name, ratio: decimal(*ratio)?, low: decimal(*low)?, high: decimal(*high)? })
        });
        Ok(ClaimFigure {
            shape: figure.timed.to_string(),
            asked: format!("{} {}", figure.sign.text(), figure.bound),
            verdict: figure.verdict.word().to_owned(),
            estimate: number(figure.estimate)?,
            low: number(figure.lower)?,
            high: number(figure.upper)?,
            samples: of_logs(&figure.logs)?,
            seconds: number(figure.kernel_seconds)?,
            roof: of_logs(&figure.roof_logs)?,
            baselines: baselines.collect::<Result<_>>()?,
        })
    };
    let controls = decided.controls.as_ref().map(|found| -> Result<ClaimControls> {
        Ok(ClaimControls {
            processes: found.processes.len() as u64,
            low: decimal(found.same.lower(0.025).exp())?,
            high: decimal(found.same.upper(0.025).exp())?,
            delayed: decimal(found.delayed.mean.exp())?,
        })
    });
    Ok(KernelClaim {
        kernel: kernel.clone(),
        id: decided.id.clone(),
        text: line(&decided.text, 512),
        grammar: line(&decided.grammar, 512),
        verdict: decided.verdict.word().to_owned(),
        check: decided.why.as_ref().map(|(check, _)| (*check).to_owned()),
        why: decided.why.as_ref().map(|(_, why)| line(why, 1024)),
        threads: u64::from(decided.threads),
        cold: decided.cold,
        program: program.unwrap_or_default(),
        committed: decided.secret.commitment(),
        secret: hex::decode(&decided.secret.reveal()).unwrap_or_default(),
        controls: controls.transpose()?,
        figures: decided.figures.iter().map(figure).collect::<Result<_>>()?,
    })
}

/// The receipt of a run.
pub(super) fn draft(told: &Told<'_>, self_test: KernelSelfTest) -> Result<Draft> {
    let mut subjects: Vec<Subject> = Vec::new();
    let mut kernels = Vec::new();
    let mut not_contained: Vec<String> = Vec::new();
    for ((known, code), report) in told.jobs.iter().zip(told.reports) {
        let name = format!("manifest:{}", report.id);
        let subject = Subject::sha256(name, known.sha256);
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
        for what in report.containment.missing() {
            if !matches!(report.level, Level::Skipped { .. }) && !not_contained.iter().any(|known| known == what) {
                not_contained.push(what.to_owned());
            }
        }
        kernels.push(VerifiedKernel {
            id: report.id.clone(),
            op: report.op.to_owned(),
            backend: report.backend.to_owned(),
            outcome: report.outcome().word().to_owned(),
            level: report.level.word().to_owned(),
            on: match &report.level {
                Level::RanOnDevice { device } => Some(cut(device, 256)),
                Level::RanEmulated { emulator } => Some(cut(emulator, 256)),
                Level::Skipped { reason } => Some(cut(reason, 256)),
                _ => None,
            },
            manifest: known.sha256,
            code: *code,
            made: report
                .made
                .iter()
                .map(|m| KernelArtefact { what: cut(&m.what, 64), by: cut(&m.by, 64), sha256: m.sha256 })
                .collect(),
            cases: report.ran as u64,
            counted: report.counted as u64,
            repeated: report.repeated as u64,
            edges: report.coverage.edges as u64,
            edges_possible: Some(report.coverage.edges_possible as u64),
            probes: report.coverage.probes as u64,
            pairs: report.coverage.pairs as u64,
            pairs_possible: Some(report.coverage.pairs_possible as u64),
            random_shapes: report.coverage.random_shapes as u64,
            worst: decimal(report.worst)?,
            against_plain: decimal(report.against_plain)?,
            failures: report
                .failures
                .iter()
                .map(|failed| KernelFailure {
                    case: cut(&failed.case.to_string(), 512),
                    stage: failed.stage.to_owned(),
                    message: cut(&crate::ui::clean::one_line(&say(failed)), 1024),
                })
                .collect(),
        });
    }
    let predicate = KernelVerification {
        effort: told.effort.word().to_owned(),
        correctness: told.stages.0,
        determinism: told.stages.1,
        committed: Sha256::digest(told.seed).into(),
        seed: told.seed,
        self_test,
        cpu: told.machine.cpu.clone(),
        system: told.machine.system.clone(),
        isa: told.machine.level.clone(),
        not_contained,
        kernels,
        claims: told.claims.iter().map(|claimed| claim(claimed, told.program)).collect::<Result<_>>()?,
    };
    Ok(Draft::new(subjects, &predicate)?)
}
