//! `bizra receipts pin`: remember how far each log has come.

use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::receipts::checkpoint::Checkpoint;
use crate::receipts::merkle::{prove_consistency, verify_consistency};
use crate::receipts::pin::FILE_NAME;
use crate::receipts::tiles::TreeNodes;
use crate::sys::files::{self, Access};
use crate::sys::ledger::Log;
use crate::view::receipts::Pinned;

/// Write each log's checkpoint into bizra.pin, where it only grows
///
/// A ledger that was cut short is perfect in itself: only a pin tells. Commit the file, so that it is reviewed and kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts pin && git add bizra.pin
  bizra receipts audit --require-pin          Now a shorter ledger is found out")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, session: &mut Session) -> Result<Outcome> {
    let ledger = session.ledger()?;
    let mut pins = session.pins()?;
    let mut pinned = Vec::new();
    for id in ledger.logs()? {
        let log = ledger.log(&id)?;
        let verifier = log.header()?.verifier().map_err(crate::sys::ledger::LedgerError::from)?;
        let note = log.checkpoint()?;
        let current = Checkpoint::open(&note, &verifier)?;
        let mut unproven = Ok(());
        let added = pins.add(&verifier, &note, |old| {
            continues(&log, old, &current).unwrap_or_else(|error| {
                unproven = Err(error);
                false
            })
        });
        unproven?;
        let added = added?;
        pinned.push((id.to_string(), current.size, added));
    }
    if pinned.is_empty() {
        return Err(Error::invalid("the ledger has no log to pin yet"));
    }
    let path = session.root().join(FILE_NAME);
    if pinned.iter().any(|(_, _, added)| *added) {
        files::replace(&path, pins.to_string().as_bytes(), Access::Everyone)?;
    }
    Ok(Outcome::yes(Pinned { path, pinned }))
}

/// Whether the log as of `current` begins with what `old` was.
pub(super) fn continues(log: &Log<'_>, old: &Checkpoint, current: &Checkpoint) -> Result<bool> {
    if old.size == 0 {
        return Ok(old.root == crate::receipts::merkle::empty_root());
    }
    let tree = log.files();
    let proof = prove_consistency(&TreeNodes { files: &tree, size: current.size }, old.size, current.size)?;
    Ok(verify_consistency(&proof, old.size, &old.root, current.size, &current.root).is_ok())
}
