//! `bizra sprint gonogo`: may the sprint be shipped?

use super::super::decision::{self, Flags, Read, Sight};
use super::super::{Outcome, Session};
use super::choose::{Which, choose};
use crate::error::Result;
use crate::sprint::gonogo;
use crate::view::roadmap::gate::Gated;
use crate::view::sprint::gonogo::{GoNoGo, headline, word};

/// Decide the sprint's go/no-go, by evidence and never by ticks
///
/// A go needs every approval of `approvals` with its minimum (and their average), each by another key and by somebody
/// without a part in the work, all work proven, no open blocker, and the evidence of every criterion of `go_no_go`.
/// Approvers sign with `bizra attest --role ROLE --score N --criterion SPRINT/go_no_go`; a change of `go_no_go` or
/// `approvals` makes them sign again. Answers 0 for a go, 1 for a no-go, 4 when evidence is missing, 5 when it hangs on
/// evidence that nobody trusted stands behind. A go and a no-go become receipts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint gonogo                           What is still missing?
  bizra sprint gonogo --sprint phase6 --dry-run
  bizra attest --role code-review --score 9.5 --criterion phase6/go_no_go
  bizra sprint gonogo --explain --format md     With the evidence behind each condition")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let chosen = choose(&args.which, session)?;
    let (head, moment) = (chosen.head(), chosen.moment);
    let mut reasons = decision::index_faults(&args.flags, session)?;
    let sight = Sight::of(&args.flags, session)?;
    let read = match sight.rev {
        Some(_) => sight.read(chosen.path)?,
        None => Read { loaded: chosen.loaded, path: chosen.path, bytes: chosen.bytes },
    };
    let decided = decision::take(session, &args.flags, &sight, moment, vec![(&read, ())], |read, (), inputs| {
        gonogo::decide(&read.loaded.plan, &read.loaded.source, inputs)
    })?;
    reasons.extend(decided.iter().filter_map(|decided| {
        let decision = &decided.decision;
        let (met, all) = (decision.count("met"), decision.criteria.len());
        decision::reason(decision, format!("{}: {}, {met} of {all} conditions hold", decision.plan, word(decision)))
    }));
    let receipt = decided.first().and_then(|d| d.receipt.clone());
    let (explain, format, now) = (args.flags.explain, args.flags.format(), moment.now.to_string());
    let gated = Gated { decided, explain, format, now, rev: sight.rev, headline };
    Ok(Outcome { receipt, ..Outcome::because(GoNoGo { head, gated }, reasons) })
}
