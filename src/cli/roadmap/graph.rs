//! `bizra roadmap graph`: what needs what, and the critical path.

use std::path::PathBuf;

use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::plan::Linted;
use crate::roadmap::graph::{self, Wanted};
use crate::view::roadmap::graph::{Drawn, Format};

/// Draw what needs what, with the critical path and the float of everything beside it
///
/// Times are hours of work from the beginning, as if everybody were at hand: a package takes its hours, an item the days
/// of its window. Float is by how much work can begin later without anything ending later.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap graph                           On the terminal, step by step
  bizra roadmap graph --format mermaid >> PLAN.md
  bizra roadmap graph roadmap/omega.yaml --critical --format dot | dot -Tsvg > critical.svg")]
pub(super) struct Args {
    /// The plan file [default: the only one in roadmap/, or in both folders]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// For whom to draw it
    #[arg(long, value_enum, default_value = "terminal")]
    format: FormatArg,
    /// Only the critical path
    #[arg(long)]
    critical: bool,
    /// Only the packages of this phase, and what they need elsewhere
    #[arg(long, value_name = "PHASE")]
    phase: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Terminal,
    Mermaid,
    Dot,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (plan, _) = super::one_plan(args.file.as_deref(), "graph", session)?;
    let wanted = Wanted { only_critical: args.critical, phase: args.phase.as_deref() };
    let graph = graph::of(&Linted::new(&plan.plan, &plan.source), &wanted)?;
    if graph.nodes.is_empty() {
        return Err(Error::invalid("there is nothing to draw").hint(if args.critical {
            "the critical path has no work here: leave out --critical or --phase"
        } else {
            "the phase has no packages: name another, or leave out --phase"
        }));
    }
    let format = match args.format {
        FormatArg::Terminal => Format::Terminal,
        FormatArg::Mermaid => Format::Mermaid,
        FormatArg::Dot => Format::Dot,
    };
    Ok(Outcome::yes(Drawn { graph, format }))
}
