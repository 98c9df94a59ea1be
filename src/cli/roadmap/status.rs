//! `bizra roadmap status`: how far the plans are, by what is claimed and by what is proven.

use std::path::PathBuf;

use super::super::evidence::judge;
use super::super::page_format::PageFormat;
use super::super::{Outcome, Session};
use crate::error::Result;
use crate::plan::Linted;
use crate::plan::gate::proof;
use crate::roadmap::progress::{self, By};
use crate::view::roadmap::status::Status;

/// Show how far the plans are: what is claimed against what is proven
///
/// Claimed is what a plan calls done. Proven is what evidence shows: the work's own, else that of every criterion that
/// covers it. Gates are decided as `bizra roadmap gate` decides them, without commands and without a receipt.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap status                          Every plan, phase by phase
  bizra roadmap status --by priority --by owner
  bizra roadmap status roadmap/omega.yaml --format md")]
pub(super) struct Args {
    /// Plan files [default: all in roadmap/ and sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// What to sum by; may be given several times
    #[arg(long, value_enum, default_value = "phase")]
    by: Vec<ByArg>,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: PageFormat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ByArg {
    Phase,
    Category,
    Priority,
    Owner,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let loaded = super::load_all(&args.files, session)?;
    let plans = judge(session, |inputs| {
        let of = |plan: &crate::sys::plans::Loaded| {
            let proofs = proof::of_work(&plan.plan, &plan.source, inputs)?;
            progress::of(&Linted::new(&plan.plan, &plan.source), &proofs, inputs)
        };
        loaded.iter().map(of).collect::<Result<Vec<_>>>()
    })?;
    let by = |by: &ByArg| match by {
        ByArg::Phase => By::Phase,
        ByArg::Category => By::Category,
        ByArg::Priority => By::Priority,
        ByArg::Owner => By::Owner,
    };
    Ok(Outcome::yes(Status { plans, by: args.by.iter().map(by).collect(), markdown: args.format == PageFormat::Md }))
}
