//! `bizra roadmap`: plans that are checked.

mod diff;
mod forecast;
mod gate;

pub(super) use gate::replay;

use std::path::{Path, PathBuf};

use super::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::plan::finding::{Rule, Severity};
use crate::plan::lint::{self, Linted};
use crate::roadmap;
use crate::sprint;
use crate::sys::plans::{self, Loaded};
use crate::view::roadmap::{Checked, Format, Lint, Text};

/// Check plans, decide their gates, forecast their end, and turn them into Markdown and back
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bizra roadmap lint                            Check every plan of the repository
  bizra roadmap lint roadmap/omega.yaml         Check one
  bizra roadmap gate genesis                    Does the evidence open the gate?
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
    Lint(LintArgs),
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
  bizra roadmap lint --strict                   Warnings fail as well")]
struct LintArgs {
    /// Plan files [default: all in roadmap/ and sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "table")]
    format: FormatArg,
    /// Let warnings fail as errors do
    #[arg(long)]
    strict: bool,
    /// Leave out what only informs
    #[arg(long)]
    no_info: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Table,
    Github,
    Sarif,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Table => Format::Table,
            FormatArg::Github => Format::Github,
            FormatArg::Sarif => Format::Sarif,
        }
    }
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
    /// The plan file
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
        Command::Lint(args) => lint(args, session),
        Command::Import(args) => import(args, session),
        Command::Render(args) => render(args, session),
    }
}

/// All rules, in the order of their codes.
fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = roadmap::RULES.iter().chain(sprint::RULES).copied().collect();
    rules.sort_by_key(|rule| rule.code);
    rules
}

fn root(session: &Session) -> Result<PathBuf> {
    match &session.setup.repository {
        Ok(Some(place)) => Ok(place.work_dir.clone().unwrap_or_else(|| session.env.cwd.clone())),
        Ok(None) => Ok(session.env.cwd.clone()),
        Err(error) => Err(error.clone()),
    }
}

/// The plan of that file, or the only one of the repository, and its path as the user would type it.
fn one_plan(file: Option<&Path>, session: &Session) -> Result<(Loaded, PathBuf)> {
    let cwd = &session.env.cwd;
    let path = match file {
        Some(file) => cwd.join(file),
        None => {
            let mut found = plans::find(&root(session)?)?;
            if found.len() > 1 {
                let names: Vec<String> = found.iter().map(|path| shown(path, cwd).display().to_string()).collect();
                return Err(Error::usage("there are several plans").hint(format!("name one: {}", names.join(", "))));
            }
            found.pop().ok_or_else(no_plan)?
        }
    };
    let shown = shown(&path, cwd);
    let loaded = plans::load(&path, &shown).map_err(|mut problems| problems.swap_remove(0))?;
    Ok((loaded, shown))
}

fn no_plan() -> Error {
    Error::invalid(format!("there is no plan in {}", plans::FOLDERS.join("/ or ") + "/"))
        .hint("name a file, or import one: `bizra roadmap import FILE.md`")
}

/// The path as the user would type it.
fn shown(path: &Path, cwd: &Path) -> PathBuf {
    path.strip_prefix(cwd).unwrap_or(path).to_owned()
}

fn lint(args: &LintArgs, session: &mut Session) -> Result<Outcome> {
    let cwd = session.env.cwd.clone();
    let files = if args.files.is_empty() {
        let root = root(session)?;
        let found = plans::find(&root)?;
        if found.is_empty() {
            return Err(no_plan());
        }
        found.into_iter().map(|path| (shown(&path, &cwd), path)).collect()
    } else {
        args.files.iter().map(|path| (path.clone(), cwd.join(path))).collect::<Vec<_>>()
    };
    let mut reasons = Vec::new();
    let mut loaded: Vec<Loaded> = Vec::new();
    for (shown, path) in &files {
        match plans::load(path, shown) {
            Ok(plan) => loaded.push(plan),
            Err(problems) => reasons.extend(problems),
        }
    }
    let pairs: Vec<_> = loaded.iter().map(|l| (&l.source, &l.plan)).collect();
    reasons.extend(crate::plan::shared_ids(&pairs));
    let rules = rules();
    let mut checked = Vec::new();
    for plan in loaded {
        let mut verdict = lint::run(&Linted::new(&plan.plan, &plan.source), &plan.tree.comments, &rules);
        if args.no_info {
            verdict.findings.retain(|f| f.severity != Severity::Info);
        }
        checked.push(Checked { source: plan.source, verdict });
    }
    let count = |severity| checked.iter().flat_map(|c| &c.verdict.findings).filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors > 0 {
        reasons.push(Error::new(Exit::No, format!("lint found {}", plural(errors, "error"))));
    }
    if args.strict && warnings > 0 {
        reasons
            .push(Error::new(Exit::No, format!("lint found {}, and --strict was given", plural(warnings, "warning"))));
    }
    Ok(Outcome::because(Lint { checked, rules, format: args.format.into() }, reasons))
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("one {what}") } else { format!("{n} {what}s") }
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
    let loaded = plans::load(&path, &args.file).map_err(|mut problems| problems.swap_remove(0))?;
    Ok(Outcome::yes(Text { kind: "markdown", text: roadmap::render::markdown(&loaded.plan, &loaded.tree) }))
}
