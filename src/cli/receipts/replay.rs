//! `bizra receipts replay`: run again what a receipt says, and compare.

use super::super::{Outcome, Session};
use super::browse::find;
use crate::error::{Error, Exit, Result};
use crate::receipts::predicates::{Attestation, GateDecision, KeyEvent, PolicyEvent, Predicate};
use crate::view::Script;

/// Run again what a receipt says, and say whether the outcome is the same
///
/// Answers 0 when it is identical, 1 when it differs, and 4 when it can't be told here.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts replay 3f2a9c01
  bizra receipts replay 3f2a9c01 --json")]
pub(super) struct Args {
    /// The receipt's id or the start of it
    id: String,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let receipt = find(&session.ledger()?, &args.id)?;
    let content = receipt.content.map_err(|reason| Error::new(Exit::Integrity, reason))?;
    let kind = content.statement.predicate_type.as_str();
    let undecided = |why: &str| Error::new(Exit::Undecided, format!("receipt {} can't be replayed: {why}", content.id));
    if kind == GateDecision::TYPE {
        return match super::super::roadmap::replay(session, &content)? {
            Err(why) => Err(undecided(&why)),
            Ok((true, what)) => Ok(Outcome::yes(Script { kind: "replay".into(), text: format!("identical: {what}\n") })),
            Ok((false, what)) => Err(Error::new(Exit::No, format!("receipt {} says otherwise: {what}", content.id))),
        };
    }
    Err(match kind {
        Attestation::TYPE => undecided("it is a person's word, and nothing was run"),
        KeyEvent::TYPE => undecided("it tells of a change of keys, and nothing was run"),
        PolicyEvent::TYPE => undecided("it tells of a change of the policy, and nothing was run")
            .hint("`bizra trust check` looks at the policy as it stands"),
        other => undecided(&format!("this version does not know the type {other}")),
    })
}
