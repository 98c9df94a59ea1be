//! `bizra session`: what is kept of prompts that were read before.

use super::infer::kept::{build, sessions};
use super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::sys::sessions::{Listed, check_name};
use crate::view::session::{Entry, List, Removed, Says, Shown};

/// Prompts that were read before, kept by `infer --session NAME` so that they are not read again
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra infer -m model.gguf -f book.txt 'Who is the hero?' --session book
  bizra infer -m model.gguf -f book.txt 'Where does it end?' --session book
  bizra session list
  bizra session rm book"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show all sessions: model, tokens, size
    #[command(after_help = "\
Examples:
  bizra session list
  bizra session list --json | jq '.result.bytes'")]
    List,
    /// Check one session to its last byte, and show what it was computed by
    #[command(after_help = "\
Examples:
  bizra session show book
  bizra session show book --json")]
    Show { name: String },
    /// Remove sessions; the next run reads its whole prompt again
    #[command(after_help = "\
Examples:
  bizra session rm book notes
  bizra session rm --all")]
    Rm {
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// Every session there is
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let sessions = sessions(&session.env.vars)?;
    let none = |name: &str| Error::invalid(format!("there is no session `{name}`")).hint("bizra session list");
    match &args.command {
        Command::List => {
            let folder = sessions.folder().display().to_string();
            let entries = sessions.list()?.into_iter().map(entry).collect();
            Ok(Outcome::yes(List { entries, folder }))
        }
        Command::Show { name } => {
            check_name(name)?;
            let listed = sessions.look(name).ok_or_else(|| none(name))?;
            // Told only where all of it is what it claims to be.
            sessions.open(name)?.ok_or_else(|| none(name))?;
            Ok(Outcome::yes(Shown { entry: entry(listed), path: sessions.path(name) }))
        }
        Command::Rm { names, all } => {
            names.iter().try_for_each(|name| check_name(name))?;
            let names = match all {
                true => sessions.list()?.into_iter().map(|listed| listed.name).collect(),
                false => names.clone(),
            };
            if let Some(missing) = names.iter().find(|name| !sessions.path(name).exists()) {
                return Err(none(missing));
            }
            for name in &names {
                sessions.remove(name)?;
            }
            Ok(Outcome::yes(Removed { names }))
        }
    }
}

fn entry(listed: Listed) -> Entry {
    let says = listed.says.map(|(origin, tokens)| Says {
        current: origin.build == build(),
        model: origin.name,
        sha256: origin.model,
        kv: origin.kv,
        build: origin.build,
        tokens,
    });
    Entry { name: listed.name, bytes: listed.bytes, used: listed.used, says }
}
