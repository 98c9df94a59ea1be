//! A benchmark measured again: does the machine still do what the receipt says?
//!
//! Medians are never the same twice, so intervals are compared: where they overlap, nothing speaks against the receipt.
//! Tokens are compared as they are.

use bizra_kernels::Level;

use super::job::Job;
use super::model::Candidate;
use super::receipt::{rounded, run_of};
use super::settings::Case;
use crate::bench::compare::{self, Pairing};
use crate::bench::result::{Run, Subject, metric_of};
use crate::cli::infer::model::cell_of;
use crate::cli::infer::replay::find_model;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::infer::trial::Sizes;
use crate::receipts::predicates::Benchmark;
use crate::receipts::predicates::benchmark::Measured;
use crate::sys::machine;
use crate::sys::models::Wanted;
use crate::view::bench_replay::{Again, Figure};
use crate::view::replay::Verdict;

pub(in crate::cli) fn replay(
    session: &mut Session,
    id: &str,
    benchmark: &Benchmark,
    model: Option<&str>,
) -> Result<Outcome> {
    match run(session, id, benchmark, model) {
        Err(error) if error.exit == Exit::Undecided => {
            let report = Again { id: id.to_owned(), verdict: Verdict::Indeterminate, figures: Vec::new() };
            Ok(Outcome::because(report, vec![error]))
        }
        ended => ended,
    }
}

fn undecided(why: impl Into<String>) -> Error {
    Error::new(Exit::Undecided, why)
}

fn run(session: &mut Session, id: &str, benchmark: &Benchmark, model: Option<&str>) -> Result<Outcome> {
    let before = run_of(benchmark)?;
    let here = machine::fingerprint();
    if before.machine.fingerprint != here {
        return Err(undecided("it was measured on other hardware, so its figures say nothing about this machine")
            .because(format!("its fingerprint is {}, and here it is {here}", before.machine.fingerprint)));
    }
    let Measured::Model { name, sha256, bytes, .. } = &benchmark.subject else {
        let Subject::Command(command) = &before.subject else { return Err(undecided("nothing was run")) };
        return Err(undecided("it tells of a program, and a receipt's programs are not run unasked")
            .hint(format!("bizra bench MODEL --against '{}'", command.argv.join(" "))));
    };
    let opened = find_model(session, &Wanted { name, sha256: *sha256, bytes: *bytes }, model)?;
    let level = Level::parse(&before.machine.level)
        .map_err(|_| undecided(format!("it ran on {}, which this processor lacks", before.machine.level)))?;
    let cases = cases(&before)?;
    let candidate = Candidate::of(opened, None)?;
    let load = before.measurements.iter().any(|one| one.id.starts_with("load."));
    let job = Job::again(candidate, cases, level, &before.plan, load);
    let _held = session.env.interrupt.defer();
    let measured = job.measure(session)?;
    let Some(after) = measured.runs.into_iter().next() else { return Err(undecided("nothing was measured")) };
    let after = rounded(after)?;
    judge(id, &before, &after)
}

/// Every setting of the receipt that says how a model was run.
fn cases(run: &Run) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for setting in run.measurements.iter().map(|one| &one.setting) {
        let count = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        let (Some(prompt), Some(generated)) = (count(setting.prompt), count(setting.generated)) else { continue };
        let (Some(depth), Some(batch), Some(threads)) =
            (count(setting.depth), count(setting.batch), count(setting.threads))
        else {
            continue;
        };
        let Some(cell) = setting.kv.as_deref().and_then(cell_of) else {
            return Err(undecided(format!("this version can't keep keys and values as under {setting}")));
        };
        if prompt == 0 || generated == 0 || batch == 0 || threads == 0 || threads > bizra_kernels::default_threads() {
            return Err(undecided(format!("this machine can't measure under {setting}")));
        }
        let case = Case { sizes: Sizes { prompt, generated, depth, batch }, threads, cell };
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    if cases.is_empty() {
        return Err(undecided("the receipt has no figure of a model that can be measured again"));
    }
    Ok(cases)
}

fn judge(id: &str, before: &Run, after: &Run) -> Result<Outcome> {
    let report = compare::runs(after, before, Pairing::Apart).map_err(|why| undecided(why.to_string()))?;
    let mut figures = Vec::new();
    for compared in &report.compared {
        let (now, then) = (&after.measurements[compared.ours], &before.measurements[compared.theirs]);
        let intervals = |one: &crate::bench::result::Measurement| one.estimate().ok().and_then(|e| e.interval);
        let overlap = intervals(now).zip(intervals(then)).map(|(a, b)| a.low <= b.high && b.low <= a.high);
        let median = |one: &crate::bench::result::Measurement| one.estimate().map_or(f64::NAN, |e| e.median);
        figures.push(Figure {
            id: now.id.clone(),
            setting: now.setting.clone(),
            unit: now.unit.clone(),
            recorded: median(then),
            replayed: median(now),
            overlap,
            decides: metric_of(&now.id).is_some_and(|metric| metric.decides),
        });
    }
    let apart: Vec<String> = figures
        .iter()
        .filter(|figure| figure.decides && figure.overlap == Some(false))
        .map(|figure| {
            format!("{} ({}) is {:.4}, and was {:.4}", figure.id, figure.setting, figure.replayed, figure.recorded)
        })
        .collect();
    let noisy = after.too_noisy().next().is_some() || before.too_noisy().next().is_some();
    let (verdict, reason) = if !report.other_tokens.is_empty() {
        (Verdict::Different, Some(Error::new(Exit::No, "other tokens came out than the receipt says")))
    } else if noisy {
        let why = "the machine is, or was, too noisy for figures to be compared";
        (Verdict::Indeterminate, Some(undecided(why).hint("end other work on this machine and replay again")))
    } else if !apart.is_empty() {
        let reason = Error::new(Exit::No, "the figures lie outside of the receipt's intervals");
        (Verdict::Different, Some(apart.into_iter().fold(reason, Error::because)))
    } else if figures.iter().any(|figure| figure.decides && figure.overlap == Some(true)) {
        (Verdict::Identical, None)
    } else {
        (Verdict::Indeterminate, Some(undecided("no figure has an interval that could be compared")))
    };
    let report = Again { id: id.to_owned(), verdict, figures };
    Ok(Outcome::because(report, reason.into_iter().collect()))
}
