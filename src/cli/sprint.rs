//! `bizra sprint`: where a sprint stands, by evidence.

mod choose;
mod standup;

use std::path::PathBuf;

use super::lint::{self, Scope};
use super::{Outcome, Session};
use crate::error::Result;

/// Check sprints, and say where they stand by what is proven
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra sprint lint                             Check every sprint of the repository
  bizra sprint lint sprints/flywheel.yaml       Check one
  bizra sprint standup                          What today brought, as Markdown"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Lint(LintArgs),
    Standup(standup::Args),
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
        Command::Lint(args) => lint::run(&args.files, Scope::Sprints, &args.flags, session),
        Command::Standup(args) => standup::run(args, session),
    }
}
