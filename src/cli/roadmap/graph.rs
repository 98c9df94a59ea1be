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
    /// The plan file [default: the only one in roadmap/ and sprints/]
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
    let files: Vec<PathBuf> = args.file.iter().cloned().collect();
    let loaded = super::load_all(&files, session)?;
    let [plan] = &loaded[..] else {
        let paths: Vec<String> = loaded.iter().map(|l| l.source.path.display().to_string()).collect();
        return Err(Error::usage("there are several plans, and a graph is of one")
            .hint(format!("name one: bizra roadmap graph {}", paths.first().map_or("", String::as_str)))
            .because(paths.join(", ")));
    };
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
