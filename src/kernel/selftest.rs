//! The verifier's trial of itself: kernels that are known to be wrong have to be refused, honest ones accepted.
//!
//! A trial is a kernel behind the same interface, with a manifest as its author would write it; nothing here tells the
//! pipeline how it is wrong. What a kernel claims of its speed is decided too, once its answers have passed.

use std::time::Duration;

use bizra_kernels::selftest::{Specimen, specimens};

use super::case::Case;
use super::manifest::Manifest;
use super::op::Op;
use super::report::{Outcome, Subject, Wanted, trial};
use super::run::{Broken, Level, Runner, Target};
use super::verify::Failure;

/// A kernel of the trial.
pub struct Trial {
    pub specimen: &'static Specimen,
    pub manifest: Manifest,
    /// Its place among all: with a run's seed it makes the kernel's own, whichever others are tried.
    pub number: u64,
}

/// The manifest of a kernel, as its author would write it: shapes small enough for many kernels in a minute, and edges
/// among them.
pub fn manifest_of(specimen: &Specimen) -> String {
    let name = specimen.entry.name;
    let domain = match specimen.op {
        Op::Matmul => "M: [1, 16, 33, 48], N: [1, 16, 17, 33, 37, 48, 64], K: [1, 7, 16, 33, 64, 257, 512, 1000, 4096]",
        Op::Attention => {
            "B: [1, 3], S: [1, 9, 33, 65], past: [0, 70, 200, 513], Hkv: [1, 2], group: [1, 3], D: [8, 64], \
             causal: [true, false], window: [0, 5], softcap: [0, 30], pad: [0, 7]"
        }
        Op::Softmax => "R: [1, 3, 16, 97], N: [1, 2, 33, 64, 65, 257, 1000, 1024]",
        Op::RmsNorm | Op::LayerNorm => "R: [1, 3, 16], N: [1, 2, 33, 64, 65, 257, 1000]",
        Op::Rope => {
            "S: [1, 5, 17], H: [1, 3], D: [8, 64], turned: [0, 8], first: [0, 1000], base: [10000, 500000], \
             halves: [true, false]"
        }
        Op::Gated => "R: [1, 7], N: [1, 33, 256, 1000], activation: [0, 1, 2]",
        Op::Argmax => "R: [1, 5, 33], N: [1, 2, 33, 257, 1000]",
        Op::TopK => "R: [1, 5, 33], N: [1, 2, 33, 257, 1000], k: [1, 3, 8]",
        Op::Sample => "R: [1, 5], N: [2, 7, 33, 65537], temperature: [50, 100, 200]",
    };
    let special = if specimen.op == Op::Softmax { ", special: {masked_row: nan}" } else { "" };
    let claims = match specimen.claim {
        None => String::new(),
        Some(grammar) => format!(
            "baselines: [{{id: product-plain}}]\nclaims: [{{id: speed, text: \"what it says of its speed\", grammar: \
             \"{grammar}\", on: \"M=16,N=64,K=512\"}}]\n"
        ),
    };
    let workspace = specimen.workspace;
    format!(
        "bizra: kernel/v1\nid: {name}\nop: {op}\ntargets: {{cpu: {{entry: {name}, workspace: {workspace}}}}}\n\
         contract: {{in: f32, out: f32, accumulate: f32, deterministic: bitwise{special}}}\n\
         domain: {{{domain}}}\n{claims}",
        op = specimen.op.word()
    )
}

/// All kernels of the trial; `read` reads a manifest.
pub fn trials<E>(read: impl Fn(&str) -> Result<Manifest, E>) -> Result<Vec<Trial>, E> {
    let one = |(number, specimen)| Ok(Trial { specimen, manifest: read(&manifest_of(specimen))?, number });
    (0..).zip(specimens()).map(one).collect()
}

/// What became of a kernel.
#[derive(Clone, Debug)]
pub struct Tried {
    pub specimen: &'static Specimen,
    pub outcome: Outcome,
    /// The check that refused it, and why.
    pub refused: Option<(&'static str, String)>,
    /// The case that it was refused in; none of a claim.
    pub case: Option<Case>,
    pub cases: usize,
    pub seconds: f64,
}

impl Tried {
    pub fn as_expected(&self) -> bool {
        match self.specimen.honest {
            true => self.outcome == Outcome::Verified,
            false => self.outcome == Outcome::Refused,
        }
    }
}

/// How many of each kind were there, and were treated as they should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub wrong: u64,
    pub refused: u64,
    pub honest: u64,
    pub accepted: u64,
}

impl Score {
    pub fn of(tried: &[Tried]) -> Score {
        let count = |honest: bool, met: bool| {
            tried.iter().filter(|one| one.specimen.honest == honest && (!met || one.as_expected())).count() as u64
        };
        Score {
            wrong: count(false, false),
            refused: count(false, true),
            honest: count(true, false),
            accepted: count(true, true),
        }
    }

    pub fn passed(&self) -> bool {
        self.wrong > 0 && self.honest > 0 && self.refused == self.wrong && self.accepted == self.honest
    }
}

/// Of several runs: the kernels of the last one, and those of others that were missed.
pub fn told(tried: &[Tried], runs: u64) -> impl Iterator<Item = &Tried> {
    let before = tried.len() - tried.len() / runs.max(1) as usize;
    tried.iter().enumerate().filter(move |(at, one)| *at >= before || !one.as_expected()).map(|(_, one)| one)
}

/// What is said of a failure in a table.
pub type Say<'s> = &'s (dyn Fn(&Failure) -> String + Sync);

/// Decides what a specimen says of its speed: the check that refused it and why, where one did.
pub type Claim<'c> = dyn FnMut(&Trial) -> Result<Option<(&'static str, String)>, String> + 'c;

/// Puts one kernel through the pipeline. `claim` decides what it says of its speed: why that is refused, where it is.
pub fn one(
    runner: &mut dyn Runner,
    trial_of: &Trial,
    wanted: &Wanted,
    clock: &dyn Fn() -> Duration,
    say: Say<'_>,
    claim: &mut Claim<'_>,
) -> Result<Tried, Broken> {
    let specimen = trial_of.specimen;
    let subject = Subject {
        manifest: &trial_of.manifest,
        backend: "cpu",
        target: Target::Builtin(specimen.entry.name.to_owned()),
        same_bits: Vec::new(),
        workspace: usize::try_from(specimen.workspace).unwrap_or(0),
        level: Level::RanOnDevice { device: "cpu".into() },
    };
    let report = trial(runner, &subject, wanted, clock, &mut |_, _| {})?;
    let mut outcome = report.outcome();
    let mut refused = report.failures.first().map(|failed| (failed.failure.check(), say(&failed.failure)));
    let case = report.failures.first().map(|failed| failed.case.clone());
    if outcome == Outcome::Verified && specimen.claim.is_some() {
        refused = claim(trial_of).map_err(Broken::Machine)?;
        if refused.is_some() {
            outcome = Outcome::Refused;
        }
    }
    Ok(Tried { specimen, outcome, refused, case, cases: report.ran + report.repeated, seconds: report.seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_counts_what_was_done_to_each_kind() {
        let tried = |honest: bool, outcome: Outcome| Tried {
            specimen: specimens().find(|one| one.honest == honest).expect("both kinds are there"),
            outcome,
            refused: None,
            case: None,
            cases: 1,
            seconds: 0.0,
        };
        let good = [tried(true, Outcome::Verified), tried(false, Outcome::Refused)];
        assert_eq!(Score::of(&good), Score { wrong: 1, refused: 1, honest: 1, accepted: 1 });
        assert!(Score::of(&good).passed());
        for missed in [
            tried(true, Outcome::Refused),
            tried(true, Outcome::Undecided),
            tried(false, Outcome::Verified),
            tried(false, Outcome::Undecided),
            tried(false, Outcome::Skipped),
        ] {
            let all = [good[0].clone(), good[1].clone(), missed];
            assert!(!Score::of(&all).passed());
        }
        assert!(!Score::of(&good[..1]).passed() && !Score::of(&good[1..]).passed() && !Score::of(&[]).passed());
    }
}
