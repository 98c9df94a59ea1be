//! `bizra roadmap gate`: does the evidence open the gate?

use std::path::{Path, PathBuf};

use super::super::decision::{self, Flags, Read, Sight};
use super::super::evidence::Moment;
use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::plan::gate::{self, Decision};
use crate::view::roadmap::gate::{Gated, headline};

/// Decide whether a phase's gate opens, by evidence and never by ticks
///
/// Each criterion ends as met, failed, pending (missing, expired, stale, foreign) or untrusted, with what was compared,
/// from which receipt, and the next step. Answers 0 when the gates are open, 1 when one failed, 4 when evidence is
/// missing, 5 when it hangs on evidence that nobody trusted stands behind. A yes and a no become receipts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap gate genesis                    May the phase be closed?
  bizra roadmap gate --explain                  Every gate, with the evidence behind each criterion
  bizra roadmap gate genesis --at v1.2          As of a revision's files
  bizra roadmap gate --format github            Annotations for a pull request")]
pub(super) struct Args {
    /// The phase [default: every phase that has a gate]
    #[arg(value_name = "PHASE")]
    phase: Option<String>,
    /// The plan file [default: all in roadmap/]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let mut reasons = decision::index_faults(&args.flags, session)?;
    let sight = Sight::of(&args.flags, session)?;
    let read = read_plans(args, session, &sight)?;
    let chosen = choose(args.phase.as_deref(), &read)?;
    let moment = Moment::of(session);
    let decided = decision::take(session, &args.flags, &sight, moment, chosen, |read, phase, inputs| {
        let plan = &read.loaded.plan;
        let phase = plan.phases.iter().chain(&plan.tiers).nth(*phase).expect("invariant: it was counted in this plan");
        gate::decide(plan, &read.loaded.source, phase, inputs)
    })?;
    reasons.extend(decided.iter().filter_map(|d| decision::reason(&d.decision, closed(&d.decision))));
    let receipt = decided.iter().rev().find_map(|d| d.receipt.clone());
    let (explain, format, now) = (args.flags.explain, args.flags.format(), moment.now.to_string());
    let view = Gated { decided, explain, format, now, rev: sight.rev, headline };
    Ok(Outcome { receipt, ..Outcome::because(view, reasons) })
}

fn closed(decision: &Decision) -> String {
    let (met, all) = (decision.count("met"), decision.criteria.len());
    let word = decision.outcome.word();
    format!("the gate of {} is closed ({word}): {met} of {all} criteria are met", decision.phase)
}

fn read_plans(args: &Args, session: &Session, sight: &Sight) -> Result<Vec<Read>> {
    let paths = match &args.file {
        Some(file) => vec![inside(&sight.root, &session.env.cwd, file)],
        None => {
            let names = sight.files.names_in("roadmap")?;
            names.into_iter().filter(|n| n.ends_with(".yaml") || n.ends_with(".yml")).collect()
        }
    };
    if paths.is_empty() {
        return Err(Error::invalid("there is no plan in roadmap/").hint(
            "`bizra init` writes a first one, `bizra roadmap import FILE.md` takes one over; or name one with --file",
        ));
    }
    paths.into_iter().map(|path| sight.read(path)).collect()
}

/// A path that was typed in `cwd`, from the root.
fn inside(root: &Path, cwd: &Path, file: &Path) -> String {
    let full = cwd.join(file);
    full.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/")
}

/// The phases to decide, as numbers within their plans. Asking for nothing is never a yes.
fn choose<'a>(wanted: Option<&str>, read: &'a [Read]) -> Result<Vec<(&'a Read, usize)>> {
    let mut all = Vec::new();
    let mut names = Vec::new();
    for plan in read {
        for (number, phase) in plan.loaded.plan.phases.iter().chain(&plan.loaded.plan.tiers).enumerate() {
            let id = phase.id.value.0.as_str();
            names.push(id);
            if wanted.map_or(phase.gate.is_some(), |wanted| wanted == id) {
                all.push((plan, number));
            }
        }
    }
    match (wanted, all.len()) {
        (Some(wanted), 0) => {
            let error = Error::usage(format!("there is no phase `{wanted}`"));
            Err(match crate::error::nearest(wanted, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("phases: {}", names.join(", "))),
            })
        }
        (Some(wanted), 2..) => {
            let paths: Vec<&str> = all.iter().map(|(plan, _)| plan.path.as_str()).collect();
            Err(Error::usage(format!("several plans have a phase `{wanted}`"))
                .hint(format!("name one with --file: {}", paths.join(", "))))
        }
        (None, 0) => Err(Error::invalid("no phase has a gate, so there is nothing to decide")
            .hint("add `gate: {criteria: […]}` to a phase")),
        _ => Ok(all),
    }
}
