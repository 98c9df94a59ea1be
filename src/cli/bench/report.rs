//! `bizra bench report`.

use std::path::PathBuf;

use super::ledger;
use crate::bench::history::{Entry, series};
use crate::bench::result::{Measurement, Run};
use crate::cli::{Outcome, Session};
use crate::error::{Error, Result};
use crate::sys::files::{self, Access};
use crate::view::bench_report::{Report, Written};

/// Write the ledger's benchmarks as a page: HTML with plots, or Markdown
///
/// The page stands alone: no scripts, nothing that is fetched, light or dark as its reader's screen. Each figure's
/// samples are plotted, and each series of which the ledger holds several runs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra bench report -o bench.html                  The newest ten
  bizra bench report 3f2a9c01 -o speed.html         One, by the start of its id
  bizra bench report --last 1 >> $GITHUB_STEP_SUMMARY")]
pub(super) struct Args {
    /// Receipts, by the start of their ids [default: the newest]
    #[arg(value_name = "RECEIPT")]
    receipts: Vec<String>,
    /// The newest so many
    #[arg(long, value_name = "COUNT", default_value_t = 10, conflicts_with = "receipts", value_parser = clap::value_parser!(u64).range(1..))]
    last: u64,
    /// The file to write; .html or .md [default: Markdown on stdout]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let as_html = match &args.output {
        None => false,
        Some(path) => match path.extension().and_then(|ending| ending.to_str()) {
            Some("html" | "htm") => true,
            Some("md" | "markdown") => false,
            _ => {
                return Err(Error::usage(format!("--output {}: what is it to be?", path.display()))
                    .hint("give it the ending .html or .md"));
            }
        },
    };
    let all = ledger::all(session)?;
    let history: Vec<Entry> = all.iter().map(|(entry, _)| entry.clone()).collect();
    let entries = if args.receipts.is_empty() {
        all.into_iter().take(usize::try_from(args.last).unwrap_or(usize::MAX)).collect()
    } else {
        args.receipts.iter().map(|prefix| ledger::one(session, prefix)).collect::<Result<Vec<_>>>()?
    };
    if entries.is_empty() {
        return Err(ledger::nothing("benchmark"));
    }
    let receipts = entries.iter().map(|(entry, _)| entry.receipt.clone()).collect();
    let is_shown = |run: &Run, one: &Measurement| {
        entries.iter().any(|(entry, _)| {
            entry.run.subject == run.subject
                && entry.run.measurements.iter().any(|m| m.id == one.id && m.setting == one.setting)
        })
    };
    let series = series(&history, is_shown);
    let report = Report { entries, series };
    let text = if as_html { report.html() } else { report.markdown() };
    let path = match &args.output {
        Some(path) => {
            files::replace(&files::from(&session.env.cwd, path), text.as_bytes(), Access::Everyone)?;
            Some(path.display().to_string())
        }
        None => None,
    };
    let kind = if as_html { "html" } else { "markdown" };
    Ok(Outcome::yes(Written { kind, text, path, receipts }))
}
