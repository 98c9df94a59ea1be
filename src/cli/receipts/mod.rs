//! `bizra receipts`: looking into the ledger, checking it, and exchanging it.

mod audit;
mod browse;
mod export;
mod list;
mod pin;
mod proof;
mod remote;
mod replay;
mod show;
mod upkeep;
mod verify;

use super::{Outcome, Session};
use crate::error::Result;
pub(super) use browse::{NewestFirst, find as find_receipt};

/// Look into the ledger of signed receipts, check it, exchange it
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts list                            The newest receipts
  bizra receipts show 3f2a9c01                   One of them, by the start of its id
  bizra receipts audit                           Is the ledger intact?
  bizra receipts pin                             Remember how long the logs are, in bizra.pin
  bizra receipts push origin                     Give the logs to a remote")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Audit(audit::Args),
    List(list::Args),
    Show(show::Args),
    Verify(verify::Args),
    Export(export::Args),
    Import(export::ImportArgs),
    Pin(pin::Args),
    Proof(proof::Args),
    Push(remote::PushArgs),
    Fetch(remote::FetchArgs),
    Replay(replay::Args),
    /// Mend what a crash left in the ledger
    #[command(after_help = "\
Examples:
  bizra receipts repair                                What was mended, and what is lost
  bizra receipts repair && bizra receipts audit        Mend, then check everything")]
    Repair,
    /// Count the receipts by type and key, and the bytes that they take
    #[command(after_help = "\
Examples:
  bizra receipts stats                                 The repository's own ledger
  bizra receipts stats --ledger ../backup.git --json   Another one, for a script")]
    Stats,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        Command::Audit(args) => audit::run(args, session),
        Command::List(args) => list::run(args, session),
        Command::Show(args) => show::run(args, session),
        Command::Verify(args) => verify::run(args, session),
        Command::Export(args) => export::run(args, session),
        Command::Import(args) => export::import(args, session),
        Command::Pin(args) => pin::run(args, session),
        Command::Proof(args) => proof::run(args, session),
        Command::Push(args) => remote::push(args, session),
        Command::Fetch(args) => remote::fetch(args, session),
        Command::Replay(args) => replay::run(args, session),
        Command::Repair => upkeep::repair(session),
        Command::Stats => upkeep::stats(session),
    }
}
