//! `bizra bench history`.

use super::ledger;
use crate::bench::claim::{figure, is_about};
use crate::bench::history::{Entry, series};
use crate::bench::result::{Run, Subject};
use crate::cli::{Outcome, Session};
use crate::error::{Error, Place, Result};
use crate::view::bench_history::History;

/// Show a figure over the ledger's benchmarks, with the places where its level changed
///
/// Machines, models and settings are separate series. A change is marked where hardly any shuffle of the runs divides
/// them as well (p at most 0.01), and the levels lie at least 1% apart.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra bench history                               A line for each figure
  bizra bench history decode                        Each run's decode speed
  bizra bench history 'decode[t2]' --model tiny     With two threads, of models of that name")]
pub(super) struct Args {
    /// The figure, as claims name it: decode, first_token, 'prefill[p512, t2]' [default: all, a line each]
    #[arg(value_name = "METRIC")]
    metric: Option<String>,
    /// Only subjects whose name holds this, or whose digest begins so
    #[arg(long, value_name = "NAME|DIGEST")]
    model: Option<String>,
    /// How many runs to list
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    last: u64,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let wanted = args.metric.as_ref().map(|text| {
        figure(text).map_err(|fault| {
            Error::usage(fault.message).at(Place::in_text("METRIC", text, fault.offset)).hint(fault.hint)
        })
    });
    let wanted = wanted.transpose()?;
    let entries: Vec<Entry> = ledger::all(session)?.into_iter().map(|(entry, _)| entry).collect();
    if entries.is_empty() {
        return Err(ledger::nothing("benchmark"));
    }
    let series = series(&entries, |run, one| {
        let figure =
            wanted.as_ref().is_none_or(|(metric, setting)| metric.id == one.id && is_about(setting, &one.setting));
        figure && args.model.as_ref().is_none_or(|model| is_named(run, model))
    });
    if series.is_empty() {
        let figure = args.metric.as_ref().map(|metric| format!(" with {metric}")).unwrap_or_default();
        let model = args.model.as_ref().map(|model| format!(" of {model}")).unwrap_or_default();
        return Err(ledger::nothing(&format!("benchmark{model}{figure}")));
    }
    let listed = args.metric.as_ref().map(|_| usize::try_from(args.last).unwrap_or(usize::MAX));
    Ok(Outcome::yes(History { series, listed }))
}

fn is_named(run: &Run, wanted: &str) -> bool {
    let digest = match &run.subject {
        Subject::Model(model) => &model.sha256,
        Subject::Command(command) => &command.sha256,
    };
    run.subject.name().contains(wanted) || (wanted.len() >= 6 && digest.starts_with(wanted))
}
