//! `bizra kernel selftest`: whether the verifier refuses what is wrong and accepts what is right.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::super::evidence::judge;
use super::super::{Outcome, Session};
use super::{cpu, speed};
use crate::error::{Error, Exit, Result};
use crate::kernel::plan::Effort;
use crate::kernel::report::Wanted;
use crate::kernel::run::Broken;
use crate::kernel::selftest::{self, Score, Trial, Tried};
use crate::kernel::timing::Verdict;
use crate::plan::gate::About;
use crate::receipts::predicates::{KernelSelfTest, KernelTrial, TriedKernel};
use crate::receipts::statement::{Draft, Subject};
use crate::receipts::{Hash, hex};
use crate::sys::{files, kernels, machine};
use crate::ui::Unit;
use crate::view::kernel::say_failure;
use crate::view::kernel_selftest::SelfTested;

/// How long one call may take: some of these kernels never return.
const PATIENCE: Duration = Duration::from_secs(5);
/// A self-test speaks for a program on a host for so long.
const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);
const PREDICATE: &str = "kernel-selftest/v0.1";

/// Try the verifier on kernels that are known to be wrong, and on honest ones
///
/// Wrong, cheating and over-claiming kernels have to be refused, honest ones with unusual arithmetic accepted: 0. When one
/// is missed, the verifier is not to be trusted: 5. `kernel verify` signs nothing without a self-test of the same program
/// on the same host that is younger than a day; this leaves its receipt.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel selftest
  bizra kernel selftest --runs 20 --no-receipt
  bizra kernel selftest product-reversed --seed 5be1d7c94b0a3f26
  bizra kernel selftest --json | jq '.result.score'")]
pub(super) struct Args {
    /// How often, each time with seeds of its own
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1000))]
    runs: u64,
    /// The seed of a run that was, in 16 digits, to try the same cases again; leaves no receipt
    #[arg(long, value_name = "SEED", value_parser = seed)]
    seed: Option<[u8; 8]>,
    /// Only kernels whose name fits, also with * and ?; leaves no receipt
    #[arg(value_name = "KERNEL")]
    glob: Option<String>,
}

fn seed(text: &str) -> std::result::Result<[u8; 8], String> {
    hex::decode(text).ok_or_else(|| "a seed has 16 digits from 0 to f, as the end of a run tells it".to_owned())
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let read = |text: &str| {
        kernels::read(text.as_bytes(), Path::new("selftest.kernel.yaml"), Path::new("."))
            .map(|known| known.manifest)
            .map_err(|problems| problems.into_iter().next().unwrap_or_else(|| Error::new(Exit::Bug, "no manifest")))
    };
    let mut trials = selftest::trials(read)?;
    if let Some(glob) = &args.glob {
        trials.retain(|one| crate::plan::gate::glob::fits(glob, one.specimen.entry.name));
        if trials.is_empty() {
            return Err(Error::usage(format!("no kernel of the self-test fits `{glob}`"))
                .hint("`bizra kernel selftest` names them all"));
        }
    }
    let seed: [u8; 8] = match args.seed {
        Some(again) => again,
        None => session.random()?,
    };
    let program = session.env.program.clone();
    let mut all: Vec<Tried> = Vec::new();
    for run in 0..args.runs {
        let digest = Sha256::new().chain_update(seed).chain_update(run.to_le_bytes()).finalize();
        let own = digest.first_chunk().copied().map_or(0, u64::from_le_bytes);
        all.extend(tried(session, &trials, own, program.as_deref(), (run, args.runs))?);
    }
    let score = Score::of(&all);
    let mut reasons = Vec::new();
    for missed in all.iter().filter(|one| !one.as_expected()) {
        let name = missed.specimen.entry.name;
        let why = match (&missed.refused, &missed.case) {
            (Some((check, why)), Some(case)) => format!(": {check}: {why} ({case})"),
            (Some((check, why)), None) => format!(": {check}: {why}"),
            (None, _) => String::new(),
        };
        let message = match missed.specimen.honest {
            true => format!("{name} is honest and was {}{why}", missed.outcome.word()),
            false => format!("{name} {} and was {}", missed.specimen.does, missed.outcome.word()),
        };
        let runs = if args.runs > 1 { format!(" --runs {}", args.runs) } else { String::new() };
        let again = format!("bizra kernel selftest {name}{runs} --seed {}", hex::encode(&seed));
        reasons.push(Error::new(Exit::Integrity, message).hint(again));
    }
    let whole = args.glob.is_none() && args.seed.is_none();
    let receipt = match (&program, whole && !session.config.switch("no-receipt")) {
        (Some(program), true) => {
            session.record(&draft(program, &all, score, seed, args.runs)?)?.map(|id| id.to_string())
        }
        _ => None,
    };
    let answer = SelfTested { tried: all, score, runs: args.runs, seed };
    Ok(Outcome { receipt, ..Outcome::because(answer, reasons) })
}

fn draft(program: &Path, all: &[Tried], score: Score, seed: [u8; 8], runs: u64) -> Result<Draft> {
    let sha256 = files::sha256(program)?;
    let facts = machine::facts(bizra_kernels::Level::best());
    let kernels = selftest::told(all, runs).map(|one| TriedKernel {
        name: one.specimen.entry.name.to_owned(),
        op: one.specimen.op.word().to_owned(),
        honest: one.specimen.honest,
        outcome: one.outcome.word().to_owned(),
        check: one.refused.as_ref().map(|(check, _)| (*check).to_owned()),
    });
    let trial = KernelTrial {
        runs,
        committed: Sha256::digest(seed).into(),
        seed,
        wrong: score.wrong,
        refused: score.refused,
        honest: score.honest,
        accepted: score.accepted,
        machine: facts.fingerprint,
        cpu: facts.cpu,
        kernels: kernels.collect(),
    };
    Ok(Draft::new(vec![Subject::sha256("program:bizra", sha256)], &trial)?)
}

/// The verifier's last trial of itself by this very program on this host, where it is younger than a day and all went well.
pub(super) fn last(session: &mut Session) -> Result<Option<KernelSelfTest>> {
    let Some(program) = session.env.program.clone() else { return Ok(None) };
    let digest = hex::encode(&files::sha256(&program)?);
    let here = machine::facts(bizra_kernels::Level::best()).fingerprint;
    let now = session.time()?.timestamp();
    judge(session, |inputs| {
        for place in inputs.receipts.find(PREDICATE, About::Anything) {
            let Some(receipt) = inputs.receipts.open(place)? else { continue };
            let age = Duration::try_from(now.duration_since(receipt.time)).unwrap_or_default();
            if age > HOLDS {
                break;
            }
            let same =
                receipt.statement.subjects.iter().any(|subject| subject.digest("sha256") == Some(digest.as_str()));
            let Some(Ok(trial)) = receipt.statement.predicate::<KernelTrial>() else { continue };
            if receipt.fault.is_some() || !same || trial.machine != here {
                continue;
            }
            let id: Option<Hash> = hex::decode(&receipt.id);
            let score = KernelSelfTest {
                receipt: id,
                refused: trial.refused,
                wrong: trial.wrong,
                accepted: trial.accepted,
                honest: trial.honest,
            };
            // The newest one counts: a later miss is not made good by an earlier pass.
            return Ok(score.passed().then_some(score));
        }
        Ok(None)
    })
}

/// One run over all kernels: two at a time where there are two processors, and those that are timed alone, at the end.
fn tried(
    session: &mut Session,
    trials: &[Trial],
    seed: u64,
    program: Option<&Path>,
    (run, runs): (u64, u64),
) -> Result<Vec<Tried>> {
    let clock = &*session.env.clock;
    let wanted = Wanted {
        effort: Effort::Quick,
        correctness: true,
        determinism: true,
        only: None,
        shape: None,
        memory: u64::MAX,
        seed,
        most_threads: 3,
        until: None,
        enough: 1,
    };
    let label = if runs > 1 { format!("self-test {} of {runs}", run + 1) } else { "self-test".to_owned() };
    let mut bar = session.ui.progress(&label, Some(trials.len() as u64), Unit::Items, clock.monotonic());
    let interrupt = &session.env.interrupt;
    let _held = interrupt.defer();
    let mut results: Vec<Option<Result<Tried>>> = trials.iter().map(|_| None).collect();
    let (timed, others): (Vec<usize>, Vec<usize>) =
        (0..trials.len()).partition(|number| trials[*number].specimen.claim.is_some());
    let next = Mutex::new(others.into_iter());
    let (tell, told) = mpsc::channel();
    let secrets = speed::secrets(&*session.env.chance);
    let single = |number: usize| -> Result<Tried> {
        let one = &trials[number];
        let mut claim = |trial: &Trial| {
            speed::of_specimen(trial, program, clock, interrupt, PATIENCE, &secrets).map(|decided| {
                // Only what is supported passes.
                (decided.verdict != Verdict::Supported).then(|| {
                    let (check, why) = decided.why.clone().unwrap_or(("claim", String::new()));
                    (check, if why.is_empty() { speed::in_words(&decided) } else { why })
                })
            })
        };
        let own = Wanted { seed: seed.wrapping_add(one.number), ..wanted.clone() };
        let start = cpu::Start { limit: PATIENCE, ..cpu::Start::new(program, clock, interrupt) };
        let answer = cpu::with_worker(start, |runner| {
            selftest::one(runner, one, &own, &|| clock.monotonic(), &say_failure, &mut claim)
        })?;
        match answer {
            Ok(tried) => Ok(tried),
            Err(Broken::Load(why)) => Err(Error::new(Exit::Bug, why)),
            Err(broken) => Err(Error::cannot(broken.to_string())),
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..bizra_kernels::default_threads().clamp(1, 4) {
            let (tell, next, single) = (tell.clone(), &next, &single);
            scope.spawn(move || {
                loop {
                    let taken = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some(number) = taken.filter(|_| !interrupt.requested()) else { return };
                    drop(tell.send((number, single(number))));
                }
            });
        }
        drop(tell);
        let mut done = 0;
        for (number, result) in told {
            results[number] = Some(result);
            done += 1;
            bar.at(done, clock.monotonic());
        }
    });
    for number in timed {
        if !interrupt.requested() {
            results[number] = Some(single(number));
        }
    }
    if interrupt.requested() {
        return Err(Error::new(Exit::Interrupted, "interrupted while the verifier tried itself"));
    }
    results.into_iter().flatten().collect()
}
