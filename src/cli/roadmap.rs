//! `bizra roadmap`: plans that are checked.

mod diff;
mod forecast;
mod gate;
mod graph;
mod next;
mod status;

use std::path::{Path, PathBuf};

use super::lint::{self, Scope};
use super::{Outcome, Session};
use crate::error::{Error, Place, Result};
use crate::roadmap;
use crate::sys::plans::{self, Loaded};
use crate::view::roadmap::Text;

/// Check plans, decide their gates, forecast their end, and turn them into Markdown and back
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra roadmap lint                            Check every plan of the repository
  bizra roadmap lint roadmap/omega.yaml         Check one
  bizra roadmap gate genesis                    Does the evidence open the gate?
  bizra roadmap status                          What is claimed, and what is proven?
  bizra roadmap next                            What to do now
  bizra roadmap forecast                        By when could the rest be done?
  bizra roadmap diff main..HEAD                 What changed in the plans, scope apart from progress?
  bizra roadmap import OLD.md --repair          A first draft of a plan from Markdown
  bizra roadmap render roadmap/omega.yaml       The plan as Markdown"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Diff(diff::Args),
    Forecast(forecast::Args),
    Gate(gate::Args),
    Graph(graph::Args),
    Lint(LintArgs),
    Next(next::Args),
    Status(status::Args),
    Import(ImportArgs),
    Render(RenderArgs),
}

/// Find what contradicts itself in plans
///
/// Every finding has a code (docs/rules/BZnnn.md explains it), both places, both numbers and a way to settle it. An
/// exception is a comment on the line, or the line above: `# bizra: allow BZ301 reason`. The answer is 1 when an error
/// is left, 3 when a file is no valid plan.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap lint                            Every plan in roadmap/ and sprints/
  bizra roadmap lint --format github            Annotations for a pull request
  git show main:roadmap/omega.yaml | bizra roadmap lint -
                                                What another program prints
  bizra roadmap lint --strict                   Warnings fail as well")]
struct LintArgs {
    /// Plan files, or - for standard input [default: all in roadmap/ and sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    flags: lint::Flags,
}

/// Make a first draft of a plan from Markdown
///
/// What the importer recognises becomes fields; the rest becomes tables, lists and prose, so that nothing is lost. A
/// text that was UTF-8 and read as Mac Roman is refused until --repair says to undo that.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap import ROADMAP.md > roadmap/new.yaml
  bizra roadmap import OLD.md --repair --tz Asia/Riyadh > roadmap/old.yaml")]
struct ImportArgs {
    /// The Markdown file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Undo UTF-8 that was read as Mac Roman, and say which lines changed
    #[arg(long)]
    repair: bool,
    /// The id of the new plan [default: from the file's name]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Print a plan as Markdown
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap render roadmap/omega.yaml
  bizra roadmap render sprints/flywheel.yaml > SPRINT.md")]
struct RenderArgs {
    /// The plan file, or - for standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// What to render to
    #[arg(long, value_parser = ["md"], default_value = "md")]
    format: String,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        Command::Diff(args) => diff::run(args, session),
        Command::Forecast(args) => forecast::run(args, session),
        Command::Gate(args) => gate::run(args, session),
        Command::Graph(args) => graph::run(args, session),
        Command::Lint(args) => lint::run(&args.files, Scope::AllPlans, &args.flags, session),
        Command::Next(args) => next::run(args, session),
        Command::Status(args) => status::run(args, session),
        Command::Import(args) => import(args, session),
        Command::Render(args) => render(args, session),
    }
}

/// The plans that were named, else all of the repository, read. The first problem of the first that is no valid plan is
/// told.
fn load_all(files: &[PathBuf], session: &Session) -> Result<Vec<Loaded>> {
    let load = |(shown, path): (PathBuf, PathBuf)| plans::load(&path, &shown).map_err(|mut p| p.swap_remove(0));
    lint::files(files, Scope::AllPlans, session)?.into_iter().map(load).collect()
}

/// The plan of that file, else the only roadmap, or the only plan at all, and its path as the user would type it.
fn one_plan(file: Option<&Path>, command: &str, session: &Session) -> Result<(Loaded, PathBuf)> {
    let named: Vec<PathBuf> = file.iter().map(|file| file.to_path_buf()).collect();
    let mut found = lint::files(&named, Scope::AllPlans, session)?;
    let is_roadmap = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("roadmap"));
    if found.iter().filter(|(_, path)| is_roadmap(path)).count() == 1 {
        found.retain(|(_, path)| is_roadmap(path));
    }
    if let [(first, _), _, ..] = &found[..] {
        let names: Vec<String> = found.iter().map(|(shown, _)| shown.display().to_string()).collect();
        return Err(Error::usage(format!("there are several plans, and a {command} is of one"))
            .hint(format!("name one: bizra roadmap {command} {}", first.display()))
            .because(names.join(", ")));
    }
    let (shown, path) = found.pop().expect("invariant: no file at all is refused");
    let loaded = plans::load(&path, &shown).map_err(|mut problems| problems.swap_remove(0))?;
    Ok((loaded, shown))
}

fn import(args: &ImportArgs, session: &mut Session) -> Result<Outcome> {
    let path = session.env.cwd.join(&args.file);
    let bytes = std::fs::read(&path).map_err(|e| Error::reading(&args.file, &e))?;
    let source = crate::sys::yaml::decode(&args.file, &bytes)?;
    let zone = session.config.get("tz").unwrap_or("UTC").to_owned();
    let stem = args.file.file_stem().and_then(|s| s.to_str()).unwrap_or("plan");
    let id = args.id.clone().unwrap_or_else(|| roadmap::import::slug(stem));
    let mut text = source.text;
    let mut repaired = false;
    if let Some(right) = crate::plan::text::repaired(&text) {
        let changed: Vec<(usize, &str)> = text
            .lines()
            .zip(right.lines())
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(n, (_, b))| (n + 1, b))
            .collect();
        if !args.repair {
            let (line, right) = changed.first().copied().unwrap_or((1, ""));
            let offset = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            return Err(Error::invalid(format!(
                "the text is UTF-8 that was read as Mac Roman, in {} lines",
                changed.len()
            ))
            .at(Place::in_text(&args.file, &text, offset))
            .because(format!("repaired, line {line} is: {right}"))
            .hint("add --repair to undo it"));
        }
        for (line, right) in &changed {
            session.ui.note(format!("repaired {}:{line}: {right}", args.file.display()));
        }
        repaired = true;
        text = right;
    }
    let origin = roadmap::import::Origin { id, zone, path: args.file.display().to_string(), repaired };
    let yaml = roadmap::import::draft(&text, &origin);
    // A draft that we would refuse ourselves must not leave the house.
    plans::read(&args.file, yaml.as_bytes()).map_err(|mut problems| {
        let first = problems.swap_remove(0);
        Error::invalid(format!("{} can't be turned into a plan", args.file.display()))
            .because(first.message)
            .hint("shorten or correct the place that is named, and import again")
    })?;
    Ok(Outcome::yes(Text { kind: "plan", text: yaml }))
}

fn render(args: &RenderArgs, session: &mut Session) -> Result<Outcome> {
    let path = session.env.cwd.join(&args.file);
    let loaded = lint::load(&path, &args.file, session).map_err(|mut problems| problems.swap_remove(0))?;
    Ok(Outcome::yes(Text { kind: "markdown", text: roadmap::render::markdown(&loaded.plan, &loaded.tree) }))
}
