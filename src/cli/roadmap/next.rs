//! `bizra roadmap next`: what to do now, and what the rest waits for.

use std::path::PathBuf;

use super::super::evidence::judge;
use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Result, nearest};
use crate::plan::Linted;
use crate::plan::gate::{self, proof};
use crate::roadmap::next::{self, Next};
use crate::sys::plans::Loaded;
use crate::view::roadmap::next::Steps;

/// Say what to do now, why, and what would unblock the rest
///
/// First what could be begun because all that it needs is proven, by priority, float and the order of the plan; then
/// what could be begun if what is claimed is true; what is called done and not proven; and what is blocked, by what, and
/// which evidence would end that. Answers 4 when nothing can be begun and something is left.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap next                            Of every plan
  bizra roadmap next -n 1 --owner ana           The one thing for ana to do
  bizra roadmap next roadmap/omega.yaml --json")]
pub(super) struct Args {
    /// Plan files [default: all in roadmap/ and sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How many of each list
    #[arg(short = 'n', value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Only work of this person
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let loaded = super::load_all(&args.files, session)?;
    if let Some(owner) = &args.owner {
        known(owner, &loaded)?;
    }
    let all = judge(session, |inputs| {
        let of = |plan: &Loaded| {
            let proofs = proof::of_all(&plan.plan, &plan.source, inputs)?;
            let held = next::held(&plan.plan, |phase| gate::decide(&plan.plan, &plan.source, phase, inputs))?;
            next::of(&Linted::new(&plan.plan, &plan.source), &proofs, &held)
        };
        loaded.iter().map(of).collect::<Result<Vec<_>>>()
    })?;
    let mut next = Next::join(all);
    if next.is_over() && next.proven == 0 {
        return Err(Error::invalid("there is neither a package nor an item to do")
            .hint("add `packages` to a phase, or `items` to a plan"));
    }
    if let Some(owner) = &args.owner {
        next.only_of(owner);
    }
    let stuck = next.ready.is_empty() && next.ready_on_word.is_empty() && !next.is_over();
    let mut reasons = Vec::new();
    if stuck {
        let mut reason = Error::new(Exit::Undecided, "nothing can be begun");
        let proof = next.to_prove.iter().find_map(|s| Some((&s.id, s.proof.next.as_ref()?)));
        let block = || next.blocked.iter().find_map(|s| Some((&s.id, s.blocks.iter().find_map(|b| b.next.as_ref())?)));
        if let Some((id, step)) = proof.or_else(block) {
            reason = reason.hint(format!("{id}: {step}"));
        }
        reasons.push(reason);
    }
    let several_plans = loaded.len() > 1;
    Ok(Outcome::because(Steps { next, most: args.most as usize, several_plans, owner: args.owner.clone() }, reasons))
}

fn known(owner: &str, loaded: &[Loaded]) -> Result<()> {
    let mut people: Vec<&str> = Vec::new();
    for Loaded { plan, .. } in loaded {
        people.extend(plan.people.iter().map(|p| p.id.value.0.as_str()));
    }
    if people.contains(&owner) {
        return Ok(());
    }
    let error = Error::usage(format!("no plan names a person `{owner}`"));
    Err(match nearest(owner, people.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if people.is_empty() => error.hint("list `people` in the plan, and name them as `owners`"),
        None => error.hint(format!("people: {}", people.join(", "))),
    })
}
