//! `bizra receipts show`.

use super::super::{Outcome, Session};
use super::browse::find;
use crate::error::Result;
use crate::view::receipts::Shown;

/// Show one receipt
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts show 3f2a9c01            By the start of its id
  bizra receipts show 3f2a9c01 --raw      The signed envelope as it stands in the log")]
pub(super) struct Args {
    /// The receipt's id or the start of it
    id: String,
    /// The signed envelope, byte for byte
    #[arg(long)]
    raw: bool,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let receipt = find(&session.ledger()?, &args.id)?;
    Ok(Outcome::yes(Shown { receipt, raw: args.raw }))
}
