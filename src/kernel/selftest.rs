//! The verifier's trial of itself: kernels that are known to be wrong have to be refused, honest ones accepted.
//!
//! A trial is a kernel behind the same interface with the manifest it comes with; nothing here knows how it is wrong.

use std::time::Duration;

use super::manifest::Manifest;
use super::report::{Outcome, Report, Subject, Wanted, trial};
use super::run::{Broken, Level, Runner, Target};

/// What has to become of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    Refused,
    Accepted,
}

/// A kernel of the trial.
pub struct Trial {
    /// Its name in the list that the child knows.
    pub entry: String,
    pub manifest: Manifest,
    pub expectation: Expectation,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Tried {
    pub entry: String,
    pub expectation: Expectation,
    /// None where it could not even be loaded.
    pub report: Option<Report>,
    pub broken: Option<Broken>,
}

impl Tried {
    pub fn as_expected(&self) -> bool {
        let outcome = self.report.as_ref().map(Report::outcome);
        match self.expectation {
            Expectation::Refused => outcome == Some(Outcome::Refused),
            Expectation::Accepted => outcome == Some(Outcome::Verified),
        }
    }
}

/// Runs the correctness pipeline over all of them.
pub fn run(
    runner: &mut dyn Runner,
    trials: &[Trial],
    wanted: &Wanted,
    clock: &dyn Fn() -> Duration,
    said: &mut dyn FnMut(usize, usize),
) -> Vec<Tried> {
    let mut all = Vec::with_capacity(trials.len());
    for (number, one) in trials.iter().enumerate() {
        let subject = Subject {
            manifest: &one.manifest,
            backend: "cpu",
            target: Target::Builtin(one.entry.clone()),
            same_bits: Vec::new(),
            workspace: 0,
            level: Level::RanOnDevice { device: "cpu".into() },
        };
        let (report, broken) = match trial(runner, &subject, wanted, clock, &mut |_, _| {}) {
            Ok(report) => (Some(report), None),
            Err(broken) => (None, Some(broken)),
        };
        all.push(Tried { entry: one.entry.clone(), expectation: one.expectation, report, broken });
        said(number + 1, trials.len());
    }
    all
}
