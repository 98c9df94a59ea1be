//! `bizra model cache`: packed weights that are kept.

use crate::cli::infer::model::packed_folder;
use crate::cli::{Outcome, Session};
use crate::config::parse_size;
use crate::error::{Error, Result};
use crate::sys::packed::{self, PackedCache};
use crate::view::model::{Cached, Entry};

/// Weights as they were packed for this processor's instructions, kept so that a model starts sooner
///
/// The setting `packed-cache` says how many bytes they may take; what was not used for longest goes first. 0 keeps none.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra model cache list
  bizra model cache clear
  BIZRA_PACKED_CACHE=20GiB bizra infer -m model.gguf 'Name three primes.'"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(clap::Subcommand)]
enum CacheCommand {
    /// Show what is kept, the latest used first
    #[command(after_help = "\
Examples:
  bizra model cache list
  bizra model cache list --json | jq '.result.bytes'")]
    List,
    /// Remove all of it; the next runs pack again
    #[command(after_help = "\
Examples:
  bizra model cache clear
  bizra model cache clear --quiet")]
    Clear,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Outcome> {
    let folder = packed_folder(&session.env).ok_or_else(|| {
        Error::cannot("no folder for what can be made again is known").hint("set HOME or XDG_CACHE_HOME")
    })?;
    let limit = session.config.get("packed-cache").and_then(parse_size).unwrap_or(0);
    let kept = PackedCache::at(folder, limit);
    let (entries, cleared) = match args.command {
        CacheCommand::List => (kept.list()?, false),
        CacheCommand::Clear => (kept.clear()?, true),
    };
    let entry = |packed::Entry { model, layout, bytes, current }| Entry { model, layout, bytes, current };
    let entries = entries.into_iter().map(entry).collect();
    Ok(Outcome::yes(Cached { entries, folder: kept.folder().display().to_string(), limit, cleared }))
}
