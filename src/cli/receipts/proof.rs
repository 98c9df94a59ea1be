//! `bizra receipts proof`: that a receipt stands in a log, or that a log only grew, for those who have neither.

use super::super::{Outcome, Session};
use super::browse::{find, find_log};
use crate::error::{Error, Result};
use crate::receipts::proof::{Consistency, Inclusion};
use crate::receipts::tiles::TreeNodes;
use crate::sys::ledger::{Ledger, LedgerError};
use crate::view::receipts_proof::{Grown, Included};

/// Prove that a receipt stands in its log, or that a log of N receipts is the beginning of one of M
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts proof 3f2a9c01 > receipt.proof         As C2SP's tlog-proof
  bizra receipts proof --from 100 --to 250              The log only grew between these sizes")]
pub(super) struct Args {
    /// The receipt's id or the start of it
    #[arg(required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    id: Option<String>,
    /// The smaller size
    #[arg(long, value_name = "N", requires = "to")]
    from: Option<u64>,
    /// The larger size
    #[arg(long, value_name = "M", requires = "from")]
    to: Option<u64>,
    /// The log, by the start of its id [default: the receipt's, or the only one]
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let ledger = session.ledger()?;
    match (&args.id, args.from, args.to) {
        (Some(id), _, _) => inclusion(&ledger, id),
        (None, Some(from), Some(to)) => consistency(&ledger, args.log.as_deref(), from, to),
        _ => Err(Error::usage("name a receipt, or two sizes with --from and --to")),
    }
}

fn checkpoint_text(note: Vec<u8>) -> Result<String> {
    String::from_utf8(note).map_err(|_| Error::invalid("the log's checkpoint is no text"))
}

fn inclusion(ledger: &Ledger, id: &str) -> Result<Outcome> {
    let receipt = find(ledger, id)?;
    let log = ledger.log(&receipt.log)?;
    let size = log.size()?;
    if receipt.index >= size {
        return Err(Error::cannot("the receipt is durable, and git has not taken it yet").hint("bizra receipts repair"));
    }
    let tree = log.files();
    let nodes = TreeNodes { files: &tree, size };
    let proof = Inclusion::make(&nodes, receipt.index, size, checkpoint_text(log.checkpoint()?)?)?;
    let verifier = log.header()?.verifier().map_err(LedgerError::from)?;
    // A proof that does not hold is worse than none.
    proof.verify(&receipt.bytes, &verifier).map_err(|e| {
        Error::new(crate::error::Exit::Integrity, format!("the proof does not hold: {e}")).hint("bizra receipts audit")
    })?;
    Ok(Outcome::yes(Included { proof, verifier: verifier.to_string(), log: receipt.log.to_string() }))
}

fn consistency(ledger: &Ledger, log: Option<&str>, from: u64, to: u64) -> Result<Outcome> {
    let id = match log {
        Some(prefix) => find_log(ledger, prefix)?,
        None => match ledger.logs()?.as_slice() {
            [only] => only.clone(),
            [] => return Err(Error::invalid("the ledger has no log yet")),
            several => {
                return Err(Error::usage(format!("the ledger has {} logs", several.len()))
                    .hint("name one with --log; `bizra receipts stats` lists them"));
            }
        },
    };
    let log = ledger.log(&id)?;
    let size = log.size()?;
    if from == 0 || from > to || to > size {
        return Err(Error::usage(format!("no proof leads from {from} to {to}: the log has {size} receipts"))
            .hint("1 <= --from <= --to <= the log's size"));
    }
    let tree = log.files();
    let checkpoint = if to == size { Some(checkpoint_text(log.checkpoint()?)?) } else { None };
    let proof = Consistency::make(&TreeNodes { files: &tree, size }, from, to, checkpoint)?;
    let verifier = log.header()?.verifier().map_err(LedgerError::from)?;
    Ok(Outcome::yes(Grown { proof, verifier: verifier.to_string(), log: id.to_string() }))
}
