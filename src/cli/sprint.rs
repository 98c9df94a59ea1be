//! `bizra sprint`: where a sprint stands, by evidence.

mod choose;
mod entropy;
mod gonogo;
mod report;
mod standup;

use std::path::PathBuf;

use super::lint::{self, Scope};
use super::{Outcome, Session};
use crate::error::Result;

/// Check sprints, and say where they stand by what is proven
///
/// Commands about one sprint take the one that --sprint names, else the one that is active today (by its own zone and
/// calendar, and --now), else the only one.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra sprint status                           Where are we, by claim and by proof?
  bizra sprint standup                          What did today bring?
  bizra sprint next --who nova                  What should nova do now?
  bizra sprint day 4                            What does the plan say about day 4?
  bizra sprint gonogo --explain                 May it ship?
  bizra sprint lint                             What contradicts itself in the sprints?"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Day(report::DayArgs),
    Gonogo(gonogo::Args),
    Lint(LintArgs),
    Metrics(report::MetricsArgs),
    Next(report::NextArgs),
    Risks(report::RisksArgs),
    Standup(standup::Args),
    Status(report::StatusArgs),
}

/// Find what contradicts itself in sprints
///
/// The rules, exceptions and answers are those of `bizra roadmap lint`; only sprints are looked at.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint lint                             Every sprint in sprints/
  bizra sprint lint --format github             Annotations for a pull request
  bizra sprint lint --strict                    Warnings fail as well")]
struct LintArgs {
    /// Sprint files [default: all in sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    flags: lint::Flags,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        Command::Day(args) => report::day(args, session),
        Command::Gonogo(args) => gonogo::run(args, session),
        Command::Lint(args) => lint::run(&args.files, Scope::Sprints, &args.flags, session),
        Command::Metrics(args) => report::metrics(args, session),
        Command::Next(args) => report::next(args, session),
        Command::Risks(args) => report::risks(args, session),
        Command::Standup(args) => standup::run(args, session),
        Command::Status(args) => report::status(args, session),
    }
}
