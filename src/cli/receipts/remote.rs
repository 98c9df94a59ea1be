//! `bizra receipts push` and `fetch`: logs to and from a remote, through the user's own git.
//!
//! Each log is a branch of its own there, `bizra-ledger/LOG`, and only ever grows, so pushes never merge. A log that
//! comes back as something else than a continuation is a fork: both sides are kept and told, none is resolved.

use std::path::Path;

use super::super::{Outcome, Session};
use super::pin::continues;
use crate::error::{Error, Exit, Result};
use crate::receipts::checkpoint::Checkpoint;
use crate::receipts::hex;
use crate::receipts::log::LogId;
use crate::receipts::merkle::Frontier;
use crate::sys::exchange::{self, Way};
use crate::sys::ledger::{CommitId, Ledger, LedgerError, Log};
use crate::view::receipts::{Exchanged, Fate};

/// Give this machine's logs to a remote
///
/// The remote's server should refuse forced pushes to bizra-ledger/*, so that nobody can shorten a log there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts push origin
  bizra receipts push ../backup.git --all")]
pub(super) struct PushArgs {
    /// A remote of the repository, a path or an address
    remote: String,
    /// Other machines' logs too
    #[arg(long)]
    all: bool,
}

/// Bring other machines' logs from a remote
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts fetch origin
  bizra receipts fetch origin && bizra receipts audit")]
pub(super) struct FetchArgs {
    /// A remote of the repository, a path or an address
    remote: String,
}

pub(super) fn push(args: &PushArgs, session: &mut Session) -> Result<Outcome> {
    let ledger = session.ledger()?;
    let own = session.own_keys()?;
    let mut logs = Vec::new();
    for id in ledger.logs()? {
        let writer = ledger.log(&id)?.header()?.writer;
        if own.iter().any(|k| k.id().to_string() == writer) {
            // What is durable and not in git yet goes along.
            ledger.repair(&id)?;
            logs.push(id);
        } else if args.all {
            logs.push(id);
        }
    }
    if logs.is_empty() {
        return Err(Error::invalid("the ledger has no log of this machine to push")
            .hint("--all pushes other machines' logs too"));
    }
    let address = exchange::address(&session.env, git_dir(session)?, &args.remote, Way::Push)?;
    exchange::push(&session.env, ledger.path(), &address, &logs)?;
    let mut fates = Vec::new();
    for id in logs {
        fates.push(Fate { size: ledger.log(&id)?.size()?, log: id.to_string(), what: "pushed" });
    }
    Ok(Outcome::yes(Exchanged { remote: args.remote.clone(), fates }))
}

pub(super) fn fetch(args: &FetchArgs, session: &mut Session) -> Result<Outcome> {
    let path = session.ledger_path()?;
    let address = exchange::address(&session.env, git_dir(session)?, &args.remote, Way::Fetch)?;
    let ledger = Ledger::open(&path, true)?;
    exchange::fetch(&session.env, ledger.path(), &address)?;
    let mut fates = Vec::new();
    let mut reasons = Vec::new();
    for (id, commit) in ledger.incoming()? {
        match take_in(&ledger, &id, commit) {
            Ok((what, size)) => {
                ledger.forget_incoming(&id)?;
                fates.push(Fate { log: id.to_string(), size, what });
            }
            Err(refusal) => reasons.push(refusal),
        }
    }
    if fates.is_empty() && reasons.is_empty() {
        session.ui.warn(format!("{} has no bizra-ledger/ branch", args.remote));
    }
    Ok(Outcome::because(Exchanged { remote: args.remote.clone(), fates }, reasons))
}

fn git_dir(session: &Session) -> Result<Option<&Path>> {
    match &session.setup.repository {
        Ok(found) => Ok(found.as_ref().map(|found| found.common_dir.as_path())),
        Err(error) => Err(error.clone()),
    }
}

/// Looks at the log that came in until it is in, or there is a reason why not.
fn take_in(ledger: &Ledger, id: &LogId, commit: CommitId) -> Result<(&'static str, u64)> {
    let theirs = ledger.log_at(id, commit)?;
    loop {
        let ours = ledger.logs()?.contains(id).then(|| ledger.log(id)).transpose()?;
        let (what, size) = judge(ledger, id, ours.as_ref(), &theirs)?;
        let wanted = what == NEW || what == GROWN;
        if !wanted || ledger.adopt(id, ours.map(|log| log.tip()), commit)? {
            return Ok((what, size));
        }
    }
}

const NEW: &str = "new";
const GROWN: &str = "grown";
const SAME: &str = "same";
const BEHIND: &str = "behind ours";

/// What a log that came in is to the one that is here.
fn judge(ledger: &Ledger, id: &LogId, ours: Option<&Log<'_>>, theirs: &Log<'_>) -> Result<(&'static str, u64)> {
    let new = sound(id, theirs)?;
    let Some(ours) = ours else {
        if ledger.is_written_here(id)? {
            return Err(Error::new(
                Exit::Integrity,
                format!("log {id} is written on this machine, and its ref is gone"),
            )
            .hint("`bizra receipts repair` brings it back from the write-ahead log"));
        }
        return Ok((NEW, new.size));
    };
    let old = sound(id, ours)?;
    let (short, long, longer) = if old.size <= new.size { (&old, &new, theirs) } else { (&new, &old, ours) };
    let same_beginning =
        if short.size == long.size { short.root == long.root } else { continues(longer, short, long)? };
    if !same_beginning {
        return Err(fork(id, &old, &new));
    }
    if new.size <= old.size {
        return Ok((if new.size == old.size { SAME } else { BEHIND }, new.size));
    }
    if ledger.is_written_here(id)? {
        return Err(Error::new(
            Exit::Integrity,
            format!("log {id} is written on this machine, and the remote has {} receipts where this ledger has {}", new.size, old.size),
        )
        .hint("the same key writes elsewhere, or this ledger was restored from a copy: `bizra keys rotate` begins a new log"));
    }
    Ok((GROWN, new.size))
}

/// The log's checkpoint, where header, signature and frontier fit it. Its receipts are the audit's to check.
fn sound(id: &LogId, log: &Log<'_>) -> Result<Checkpoint> {
    let damaged = |what: String| Error::new(Exit::Integrity, format!("log {id}: {what}"));
    let header = log.header().map_err(|e| damaged(format!("ledger-id-mismatch: {e}")))?;
    if header.id() != *id {
        return Err(damaged(format!("ledger-id-mismatch: its log.json is that of log {}", header.id())));
    }
    let verifier = header.verifier().map_err(LedgerError::from)?;
    let checkpoint =
        Checkpoint::open(&log.checkpoint()?, &verifier).map_err(|e| damaged(format!("{}: {e}", e.code())))?;
    let frontier = Frontier::decode(&log.frontier()?).map_err(|e| damaged(format!("frontier-mismatch: {e}")))?;
    if frontier.size() != checkpoint.size || frontier.root() != checkpoint.root {
        return Err(damaged("root-mismatch: the frontier is not the checkpoint's".into()));
    }
    Ok(checkpoint)
}

fn fork(id: &LogId, ours: &Checkpoint, theirs: &Checkpoint) -> Error {
    let side = |name: &str, c: &Checkpoint| format!("{name}: size {} root {}", c.size, hex::encode(&c.root));
    Error::new(Exit::Integrity, format!("fork: log {id} has two histories, both signed by its key"))
        .because(side("here", ours))
        .because(side("there", theirs))
        .hint(format!("both are kept, the other one as refs/bizra/incoming/{id} of the ledger; stop trusting the key: bizra trust revoke"))
}
