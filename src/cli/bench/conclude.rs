//! What follows from the runs: comparisons, claims, receipts, the answer.

use super::Demand;
use super::against::Peer;
use super::job::Measured;
use super::receipt::{Conclusion, decimal, predicate, rounded};
use crate::bench::claim::{Decision, Evidence, Verdict as Found};
use crate::bench::compare::{self, Pairing, Report};
use crate::bench::noise::warnings;
use crate::bench::result::{Measurement, Run};
use crate::cli::book::Prepared;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::receipts::envelope::{self, ReceiptId};
use crate::receipts::predicates::Predicate as _;
use crate::receipts::predicates::benchmark::{Against, Claim, Comparison, Verdict};
use crate::receipts::statement::Draft;
use crate::view::bench::{Bench, Decided, Measured as Shown};
use crate::view::bench_formats::Format;

/// A run beside what it was compared with.
struct Judged {
    run: Run,
    report: Option<Report>,
    /// Whether both said the same tokens; none where a side tells none.
    same_output: Option<bool>,
    decided: Vec<Decided>,
}

pub(super) fn conclude(
    session: &mut Session,
    mut prepared: Option<Prepared>,
    measured: Measured,
    peer: Option<&Peer>,
    demands: &[Demand],
    format: Option<Format>,
) -> Result<Outcome> {
    let mut runs = measured.runs.into_iter().map(rounded).collect::<Result<Vec<_>>>()?;
    let other = (runs.len() > measured.asked).then(|| runs.remove(measured.asked));
    let (theirs, pairing) = match peer {
        Some(Peer::Receipt { run, .. }) => (Some(run.as_ref()), Pairing::Apart),
        _ => (other.as_ref(), Pairing::Rounds),
    };
    let mut judged = Vec::new();
    for run in runs {
        let report = match theirs {
            Some(theirs) => Some(compare::runs(&run, theirs, pairing).map_err(|why| {
                Error::new(Exit::Undecided, why.to_string()).hint("measure both with the same -p, -n, -d and -b")
            })?),
            None => None,
        };
        let decided = demands.iter().map(|demand| decide(demand, &run, report.as_ref())).collect();
        let both = theirs
            .is_some_and(|theirs| theirs.outputs.iter().any(|o| run.outputs.iter().any(|p| p.setting == o.setting)));
        let same_output = report.as_ref().filter(|_| both).map(|report| report.other_tokens.is_empty());
        judged.push(Judged { run, report, same_output, decided });
    }
    let reasons = reasons(&judged, demands, theirs);
    let told = warnings(&measured.noise);
    told.iter().for_each(|warning| session.ui.warn(warning));
    for judged in &judged {
        warn(session, judged);
    }
    let peer_receipt = match (peer, &other) {
        (Some(Peer::Receipt { id, .. }), _) => Some(*id),
        (_, Some(other)) => record(session, &mut prepared, other, &Conclusion::default())?,
        _ => None,
    };
    let mut shown = Vec::new();
    for judged in judged {
        let conclusion = conclusion(&judged, demands.is_empty(), peer_receipt, pairing)?;
        let receipt = record(session, &mut prepared, &judged.run, &conclusion)?;
        shown.push(Shown { receipt, ..shown_of(judged) });
    }
    let receipt = shown.first().and_then(|shown| shown.receipt).map(|id| id.to_string());
    let against = theirs.cloned().map(|run| Shown { run, receipt: peer_receipt, report: None, decided: Vec::new() });
    let mut outcome = Outcome::because(Bench { runs: shown, against, pairing, warnings: told, format }, reasons);
    outcome.receipt = receipt;
    Ok(outcome)
}

fn shown_of(judged: Judged) -> Shown {
    Shown { run: judged.run, receipt: None, report: judged.report, decided: judged.decided }
}

fn values(run: &Run) -> Vec<Evidence> {
    let evidence = |one: &Measurement| {
        let estimate = one.estimate().ok()?;
        let (id, setting) = (one.id.clone(), one.setting.clone());
        Some(Evidence { id, setting, value: estimate.median, interval: estimate.interval })
    };
    run.measurements.iter().filter_map(evidence).collect()
}

fn ratios(run: &Run, report: Option<&Report>) -> Vec<Evidence> {
    let compared = report.map_or(&[][..], |report| &report.compared);
    let evidence = |one: &compare::Compared| {
        let comparison = one.comparison.as_ref().ok()?;
        let Measurement { id, setting, .. } = &run.measurements[one.ours];
        Some(Evidence {
            id: id.clone(),
            setting: setting.clone(),
            value: comparison.ratio,
            interval: comparison.interval,
        })
    };
    compared.iter().filter_map(evidence).collect()
}

fn decide(demand: &Demand, run: &Run, report: Option<&Report>) -> Decided {
    let decision = demand.claim.decide(&values(run), &ratios(run, report));
    let verdict = if demand.must_hold { decision.verdict } else { decision.verdict.negated() };
    Decided { text: demand.claim.text.clone(), must_hold: demand.must_hold, verdict, decision }
}

fn reasons(judged: &[Judged], demands: &[Demand], theirs: Option<&Run>) -> Vec<Error> {
    let mut reasons = Vec::new();
    for Judged { run, decided, .. } in judged {
        for one in decided {
            let exit = match one.verdict {
                Found::Supported => continue,
                Found::Refuted => Exit::No,
                Found::Inconclusive => Exit::Undecided,
            };
            let flag = if one.must_hold { "--claim" } else { "--fail-if" };
            let word = match (one.verdict, one.must_hold) {
                (Found::Inconclusive, _) => "can't be decided",
                (_, true) => "is refuted",
                (_, false) => "holds",
            };
            let reason = Error::new(exit, format!("{}: {flag} '{}' {word}", run.subject.name(), one.text));
            reasons.push(because(reason, &one.decision));
        }
    }
    if demands.is_empty() {
        for run in judged.iter().map(|judged| &judged.run).chain(theirs) {
            reasons.extend(too_noisy(run));
        }
    }
    reasons
}

fn because(reason: Error, decision: &Decision) -> Error {
    let told = decision.findings.iter().fold(reason, |reason, finding| {
        let Evidence { id, setting, value, interval } = &finding.evidence;
        let interval = match interval {
            Some(interval) => format!("{:.4} to {:.4}", interval.low, interval.high),
            None => "too few samples for an interval".to_owned(),
        };
        let under = match setting.to_string() {
            under if under.is_empty() => under,
            under => format!(" ({under})"),
        };
        reason.because(format!("{id}{under} is {value:.4}, {interval}: {}", finding.verdict.word()))
    });
    match decision.without_evidence.as_slice() {
        [] => told,
        _ => told
            .because("the run has no such figure, or no ratio of it")
            .hint("`bizra bench --json` lists the figures that a run has"),
    }
}

/// The figures that can't be believed, in one sentence.
fn too_noisy(run: &Run) -> Option<Error> {
    let noisy: Vec<String> =
        run.too_noisy().map(|one| format!("{} by {:.0}%", one.id, one.width().unwrap_or(f64::NAN) * 100.0)).collect();
    let most = 100.0 * run.plan.precision;
    (!noisy.is_empty()).then(|| {
        let message = format!("{} is too noisy: intervals wider than {most}% of their medians", run.subject.name());
        Error::new(Exit::Undecided, message)
            .because(noisy.join(", "))
            .hint("end other work on this machine, give more --rounds, or allow more with --precision")
    })
}

fn warn(session: &mut Session, judged: &Judged) {
    let Judged { run, report, decided, .. } = judged;
    let name = run.subject.name();
    let mut unsettled: Vec<String> =
        run.measurements.iter().filter(|one| !one.settled).map(|one| one.setting.to_string()).collect();
    unsettled.dedup();
    if !unsettled.is_empty() {
        unsettled.retain(|setting| !setting.is_empty());
        let settings = if unsettled.is_empty() { String::new() } else { format!(" ({})", unsettled.join("; ")) };
        session.ui.warn(format!("{name}: the warm-up ended before the figures were stable{settings}"));
    }
    if !decided.is_empty() && run.too_noisy().next().is_some() {
        session.ui.warn(format!("{name}: some figures are noisy; claims are decided on their intervals"));
    }
    for setting in report.iter().flat_map(|report| &report.other_tokens) {
        let setting = setting.to_string();
        session.ui.warn(format!("{name}: other tokens came out than what it is compared with said ({setting})"));
    }
    for remark in &run.remarks {
        session.ui.note(format!("{name}: {remark}"));
    }
}

fn conclusion(judged: &Judged, unasked: bool, peer: Option<ReceiptId>, pairing: Pairing) -> Result<Conclusion> {
    let mut claims = Vec::new();
    for one in &judged.decided {
        let text = if one.must_hold { one.text.clone() } else { format!("not: {}", one.text) };
        let verdict = match one.verdict {
            Found::Supported => Verdict::Passed,
            Found::Refuted => Verdict::Failed,
            Found::Inconclusive => Verdict::Inconclusive,
        };
        claims.push(Claim { text, verdict });
    }
    let any = |verdict| claims.iter().any(|claim| claim.verdict == verdict);
    let noisy = unasked && judged.run.too_noisy().next().is_some();
    let verdict = match () {
        () if any(Verdict::Failed) => Some(Verdict::Failed),
        () if any(Verdict::Inconclusive) || noisy => Some(Verdict::Inconclusive),
        () if claims.is_empty() => None,
        () => Some(Verdict::Passed),
    };
    let against = match (&judged.report, peer) {
        (Some(report), Some(receipt)) => Some(Against {
            receipt: receipt.0,
            same_session: pairing == Pairing::Rounds,
            same_output: judged.same_output,
            comparisons: comparisons(report)?,
        }),
        _ => None,
    };
    Ok(Conclusion { against, claims, verdict })
}

fn comparisons(report: &Report) -> Result<Vec<Comparison>> {
    let mut comparisons = Vec::new();
    for compared in &report.compared {
        let Ok(comparison) = &compared.comparison else { continue };
        let bounds = comparison.interval.map(|i| Ok::<_, Error>((decimal(i.low)?, decimal(i.high)?)));
        comparisons.push(Comparison {
            measurement: compared.ours as u64,
            ratio: decimal(comparison.ratio)?,
            interval: bounds.transpose()?,
            p: decimal(comparison.rank_sum.p)?,
            word: comparison.verdict.word().to_owned(),
        });
    }
    Ok(comparisons)
}

/// What a receipt leaves to its envelope and stamp.
const ROOM: usize = envelope::MAX_BYTES / 4 * 3 - 2048;

/// Leaves the run's receipt, or several where one has no room for all settings; the first is the run's.
fn record(
    session: &mut Session,
    prepared: &mut Option<Prepared>,
    run: &Run,
    conclusion: &Conclusion,
) -> Result<Option<ReceiptId>> {
    let mut first = None;
    for (part, conclusion) in parts(run.clone(), conclusion.clone())? {
        let claim = predicate(&part, conclusion)?;
        let draft = Draft::new(claim.subjects(), &claim)?;
        let id = match prepared.take() {
            Some(prepared) => Some(session.record_prepared(prepared, &draft)?.id),
            None => session.record(&draft)?,
        };
        first = first.or(id);
    }
    Ok(first)
}

/// The run in parts that fit a receipt each.
fn parts(run: Run, conclusion: Conclusion) -> Result<Vec<(Run, Conclusion)>> {
    let body = predicate(&run, conclusion.clone())?.body();
    let bytes = crate::receipts::statement::Value::Object(body).to_canonical().len();
    let half = run.measurements.len() / 2;
    if bytes <= ROOM || half == 0 {
        return Ok(vec![(run, conclusion)]);
    }
    // A cut between two settings, as near to the middle as there is one.
    let cuts = (1..run.measurements.len())
        .filter(|at| run.measurements[*at].setting != run.measurements[at - 1].setting)
        .min_by_key(|at| at.abs_diff(half));
    let at = cuts.unwrap_or(half);
    let (mut head, mut tail) = (run.clone(), run);
    head.measurements.truncate(at);
    tail.measurements.drain(..at);
    let share = |range: std::ops::Range<usize>| {
        let mut share = conclusion.clone();
        if let Some(against) = &mut share.against {
            against.comparisons.retain(|one| range.contains(&(one.measurement as usize)));
            against.comparisons.iter_mut().for_each(|one| one.measurement -= range.start as u64);
        }
        share
    };
    let (left, right) = (share(0..at), share(at..usize::MAX));
    Ok([parts(head, left)?, parts(tail, right)?].concat())
}
