//! A kernel's whole trial: its plan, the cases one after the other, the repeats, and what is to be told of it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::case::{Case, Data};
use super::gpu::Ready;
use super::manifest::Manifest;
use super::op;
use super::plan::{Coverage, Effort, plan_unless};
use super::promise::Promise;
use super::run::{Broken, Containment, Level, Runner, Target};
use super::verify::{self, Failure, Loaded, Verdict};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub effort: Effort,
    pub correctness: bool,
    pub determinism: bool,
    /// One case instead of a plan.
    pub only: Option<Case>,
    /// Part of a shape, such as `K=4096`: other cases are left out.
    pub shape: Option<String>,
    /// Bytes that a case may take; larger ones are left out.
    pub memory: u64,
    /// From the run's secret.
    pub seed: u64,
    pub most_threads: u32,
    /// By the clock that is handed in.
    pub until: Option<Duration>,
    /// After so many failures nothing more is tried.
    pub enough: usize,
}

/// A kernel on one backend.
#[derive(Clone, Debug)]
pub struct Subject<'m> {
    pub manifest: &'m Manifest,
    pub backend: &'static str,
    pub target: Target,
    /// Entries that promise the same bits.
    pub same_bits: Vec<Target>,
    pub workspace: usize,
    /// What was run, should it run: named with the device or emulator.
    pub level: Level,
}

#[derive(Clone, Debug)]
pub struct Failed {
    pub case: Case,
    pub stage: &'static str,
    pub failure: Failure,
}

/// Something that was made of a source, by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub what: String,
    pub by: String,
    pub sha256: [u8; 32],
}

#[derive(Clone, Debug)]
pub struct Report {
    pub id: String,
    pub op: &'static str,
    /// What of its sizes and layouts the verdict is about.
    pub domain: String,
    pub backend: &'static str,
    pub level: Level,
    /// What the cases that count cover.
    pub coverage: Coverage,
    pub planned: usize,
    /// Cases that were run, and those of them that count.
    pub ran: usize,
    pub counted: usize,
    /// Cases that would have taken a trivial answer: which, and how many.
    pub powerless: Vec<(&'static str, usize)>,
    pub repeated: usize,
    pub failures: Vec<Failed>,
    /// The worst error over its bound, and the case.
    pub worst: f64,
    pub worst_case: Option<Case>,
    pub against_plain: f64,
    pub containment: Containment,
    /// What was made of a source on the way.
    pub made: Vec<Made>,
    /// Steps that were left out, and why.
    pub left_out: Vec<String>,
    /// Cases that this machine's memory has no room for: the least of them, and the bytes that it would take.
    pub too_large: Option<(Case, u64)>,
    /// Whether all that was planned was run.
    pub complete: bool,
    pub seconds: f64,
}

/// The answer to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Verified,
    Refused,
    /// Nothing was run, for want of a device or the like.
    Skipped,
    /// Time or memory did not suffice, or nothing that was run says anything.
    Undecided,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::Refused => "refused",
            Outcome::Skipped => "skipped",
            Outcome::Undecided => "undecided",
        }
    }
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        match &self.level {
            _ if !self.failures.is_empty() => Outcome::Refused,
            Level::Skipped { .. } => Outcome::Skipped,
            _ if !self.complete || self.too_large.is_some() || self.says_nothing() => Outcome::Undecided,
            _ => Outcome::Verified,
        }
    }

    /// Whether no case could have refused the kernel. Repeats say nothing of what is right.
    pub fn says_nothing(&self) -> bool {
        let cases = if self.ran > 0 { self.counted } else { self.repeated };
        cases == 0
    }

    pub fn skipped(manifest: &Manifest, backend: &'static str, reason: String) -> Report {
        Report {
            id: manifest.id().to_owned(),
            op: manifest.op().word(),
            domain: manifest.domain.to_string(),
            backend,
            level: Level::Skipped { reason },
            coverage: Coverage::default(),
            planned: 0,
            ran: 0,
            counted: 0,
            powerless: Vec::new(),
            repeated: 0,
            failures: Vec::new(),
            worst: 0.0,
            worst_case: None,
            against_plain: 0.0,
            containment: Containment::default(),
            made: Vec::new(),
            left_out: Vec::new(),
            too_large: None,
            complete: true,
            seconds: 0.0,
        }
    }
}

impl Report {
    /// A report of what was made ready, before anything has run.
    pub fn ready(manifest: &Manifest, backend: &'static str, ready: &Ready) -> Report {
        let race = |(case, said): &(Case, String)| {
            let failure = Failure::Broken(Broken::Faulted(format!("the thread sanitizer saw a race: {said}")));
            Failed { case: case.clone(), stage: "races", failure }
        };
        let made = |artefact: &super::gpu::Artefact| Made {
            what: artefact.what.clone(),
            by: artefact.by.clone(),
            sha256: Sha256::digest(&artefact.bytes).into(),
        };
        Report {
            level: ready.level.clone(),
            made: ready.artefacts.iter().map(made).collect(),
            left_out: ready.left_out.clone(),
            failures: ready.races.iter().take(ENOUGH_FAILURES).map(race).collect(),
            ..Report::skipped(manifest, backend, String::new())
        }
    }

    /// With what came of its making.
    #[must_use]
    pub fn made(self, ready: Report) -> Report {
        let Report { made, left_out, .. } = ready;
        Report { made, left_out, ..self }
    }
}

/// More failures of one kernel than this tell nothing new.
pub const ENOUGH_FAILURES: usize = 3;

/// Tries a kernel. `said` hears how many cases are done, of how many.
pub fn trial(
    runner: &mut dyn Runner,
    subject: &Subject<'_>,
    wanted: &Wanted,
    clock: &dyn Fn() -> Duration,
    said: &mut dyn FnMut(usize, usize),
) -> Result<Report, Broken> {
    let began = clock();
    let promise = Promise::of(subject.manifest);
    let stop = || runner.is_stopped();
    let plan = plan_unless(&stop, subject.manifest, &promise, wanted.effort, wanted.seed, wanted.most_threads);
    let mut report =
        Report { level: subject.level.clone(), ..Report::skipped(subject.manifest, subject.backend, String::new()) };
    let mut cases = match &wanted.only {
        Some(case) => vec![case.clone()],
        None => plan.cases.clone(),
    };
    if let Some(part) = &wanted.shape {
        cases.retain(|case| part.split(',').all(|p| format!(",{},", full_text(case)).contains(&format!(",{p},"))));
    }
    let bytes = |case: &Case| op::memory(&case.shape, promise.types(case.weights));
    let too_large = |case: &Case| bytes(case) > wanted.memory;
    report.too_large = cases
        .iter()
        .filter(|case| too_large(case))
        .min_by_key(|case| bytes(case))
        .map(|case| (case.clone(), bytes(case)));
    cases.retain(|case| !too_large(case));
    report.planned = cases.len();
    let mut good: Vec<&Case> = Vec::new();
    let repeated = if wanted.determinism { to_repeat(&cases, wanted) } else { Vec::new() };
    let all = if wanted.correctness { cases.len() } else { 0 } + repeated.len();
    let mut loaded = None;
    let mut previous = Vec::new();
    let mut done = 0;
    let mut step = |report: &mut Report| {
        done += 1;
        said(done, all);
        report.goes_on(wanted.enough)
    };
    let late = |report: &mut Report| {
        let late = wanted.until.is_some_and(|until| clock() >= until);
        report.complete &= !late;
        late
    };
    if wanted.correctness {
        for case in &cases {
            if late(&mut report) {
                break;
            }
            let mut verdict = match load(runner, subject, &promise, &mut loaded)? {
                Ok((own, _)) => verify::case(runner, &own, case, &mut previous),
                Err(failure) => Verdict::Failed(failure),
            };
            report.containment = runner.containment();
            // Once is enough: who leaves threads behind does so from the first call on, or at the latest by the repeats.
            if report.ran == 0 && !matches!(verdict, Verdict::Failed(_)) {
                verdict = at_rest(runner, verdict);
            }
            if matches!(verdict, Verdict::Passed(_)) {
                good.push(case);
            }
            if verdict.ran_out() && late(&mut report) {
                break;
            }
            report.take(case, "correctness", verdict, &mut loaded)?;
            if !step(&mut report) {
                break;
            }
        }
    }
    for case in &repeated {
        // A case that was refused alone would be refused again.
        let known = wanted.only.is_some() && !report.failures.is_empty();
        if known || !report.goes_on(wanted.enough) || late(&mut report) {
            break;
        }
        let times = if wanted.effort == Effort::Quick { 21 } else { 60 };
        let times = op::repeats(&case.shape, promise.types(case.weights), times);
        let mut verdict = match load(runner, subject, &promise, &mut loaded)? {
            Ok((own, others)) => verify::repeats(runner, &own, &others, case, wanted.most_threads, times),
            Err(failure) => Verdict::Failed(failure),
        };
        report.containment = runner.containment();
        if !matches!(verdict, Verdict::Failed(_)) {
            verdict = at_rest(runner, verdict);
        }
        if verdict.ran_out() && late(&mut report) {
            break;
        }
        report.take(case, "determinism", verdict, &mut loaded)?;
        step(&mut report);
    }
    // Only what could have refused the kernel covers anything.
    report.coverage = plan.covered(good);
    report.seconds = clock().saturating_sub(began).as_secs_f64();
    Ok(report)
}

/// The verdict, if the kernel rests now that it has returned.
fn at_rest(runner: &mut dyn Runner, verdict: Verdict) -> Verdict {
    match runner.rests() {
        Ok(()) => verdict,
        Err(broken) => Verdict::Failed(Failure::Broken(broken)),
    }
}

/// A shape with all its sizes, also those that are usually left out.
fn full_text(case: &Case) -> String {
    let all = op::dims(case.op()).iter().zip(&case.shape.values);
    all.map(|(dim, value)| format!("{}={value}", dim.name)).collect::<Vec<_>>().join(",")
}

/// The heaviest cases with numbers that tell errors apart. A sum of few terms has the same bits in any order, so those with
/// many zeros come last.
fn to_repeat(cases: &[Case], wanted: &Wanted) -> Vec<Case> {
    if wanted.only.is_some() {
        return cases.to_vec();
    }
    let plain = |case: &&Case| case.data.is_statistical() || matches!(case.data, Data::Ties | Data::Permutation);
    let few_terms = |case: &Case| matches!(case.data, Data::Sparse | Data::Needle);
    let mut all: Vec<Case> = cases.iter().filter(plain).cloned().collect();
    all.sort_by_key(|case| (few_terms(case), std::cmp::Reverse(op::work(&case.shape))));
    all.truncate(wanted.effort.repeated());
    all
}

type Both = (Loaded, Vec<Loaded>);

/// Loads the kernel and its companions, where they aren't. A library runs code of its own as it is loaded, which may go
/// wrong as any call may.
fn load(
    runner: &mut dyn Runner,
    subject: &Subject<'_>,
    promise: &Promise,
    loaded: &mut Option<Both>,
) -> Result<Result<Both, Failure>, Broken> {
    if let Some(both) = loaded {
        return Ok(Ok(both.clone()));
    }
    let mut one = |target: &Target| -> Result<Loaded, Broken> {
        let kernel = runner.load(target)?;
        Ok(Loaded { kernel, promise: promise.clone(), workspace: subject.workspace })
    };
    let mut both = || Ok((one(&subject.target)?, subject.same_bits.iter().map(&mut one).collect::<Result<_, _>>()?));
    match both() {
        Ok(both) => Ok(Ok(loaded.insert(both).clone())),
        Err(broken @ Broken::Load(_)) => Err(broken),
        Err(broken) if !broken.is_of_kernel() => Err(broken),
        Err(broken) => Ok(Err(Failure::Loading(broken))),
    }
}

impl Report {
    /// Whether more failures would tell more. A call that doesn't return costs a minute, and the next would as well; what
    /// can't be loaded can't be the next time.
    fn goes_on(&self, enough: usize) -> bool {
        let hopeless =
            |failed: &Failed| matches!(failed.failure, Failure::Broken(Broken::TimedOut(_)) | Failure::Loading(_));
        self.failures.len() < enough && !self.failures.iter().any(hopeless)
    }

    fn take(
        &mut self,
        case: &Case,
        stage: &'static str,
        verdict: Verdict,
        loaded: &mut Option<Both>,
    ) -> Result<(), Broken> {
        if stage == "correctness" && !matches!(verdict, Verdict::Failed(Failure::Loading(_))) {
            self.ran += 1;
        }
        match verdict {
            Verdict::Passed(measure) if stage == "correctness" => {
                self.counted += 1;
                if measure.worst > self.worst {
                    self.worst = measure.worst;
                    self.worst_case = Some(case.clone());
                }
                self.against_plain = self.against_plain.max(measure.against_plain.unwrap_or(0.0));
            }
            Verdict::Passed(_) => self.repeated += 1,
            Verdict::NoPower(_) if stage != "correctness" => {}
            Verdict::NoPower(answer) => match self.powerless.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, count)) => *count += 1,
                None => self.powerless.push((answer, 1)),
            },
            Verdict::Skipped(reason) => self.level = Level::Skipped { reason },
            Verdict::Failed(Failure::Broken(broken)) if !broken.is_of_kernel() => return Err(broken),
            Verdict::Failed(failure) => {
                if matches!(failure, Failure::Broken(_)) {
                    *loaded = None;
                }
                self.failures.push(Failed { case: case.clone(), stage, failure });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
