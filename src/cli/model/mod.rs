//! `bizra model`: models brought here, looked at, checked and removed, and what is kept of them.

mod browse;
mod cache;
mod locked;
mod pull;
mod quantize;
mod show;
mod watch;

use super::{Outcome, Session};
use crate::error::Result;

/// The models of this machine: bring, list, show, verify, remove
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra model pull owner/name-GGUF:Q4_K_M     Bring a model, checked by its hash
  bizra model list                            What is here
  bizra model show model.gguf                 What it is, and what memory it needs
  bizra model verify                          Is all of it still what was announced?
  bizra model quantize a.gguf b.gguf --to q8_0    Fewer bits a weight"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(clap::Subcommand)]
enum ModelCommand {
    Pull(pull::Args),
    List(browse::ListArgs),
    Show(show::Args),
    Verify(browse::VerifyArgs),
    Rm(browse::RmArgs),
    Quantize(quantize::Args),
    Cache(cache::Args),
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        ModelCommand::Pull(args) => pull::run(args, session),
        ModelCommand::List(args) => browse::list(args, session),
        ModelCommand::Show(args) => show::run(args, session),
        ModelCommand::Verify(args) => browse::verify(args, session),
        ModelCommand::Rm(args) => browse::rm(args, session),
        ModelCommand::Quantize(args) => quantize::run(args, session),
        ModelCommand::Cache(args) => cache::run(args, session),
    }
}
