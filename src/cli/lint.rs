//! Lint, for each command that has plans to check.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::plan::finding::{Rule, Severity};
use crate::plan::lint::{self, Linted};
use crate::plan::schema::PlanKind;
use crate::roadmap;
use crate::sprint;
use crate::sys::plans::{self, Loaded};
use crate::sys::yaml;
use crate::view::roadmap::{Checked, Format, Lint};

#[derive(clap::Args)]
pub(super) struct Flags {
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

/// The plans that a lint is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    AllPlans,
    Sprints,
}

impl Scope {
    fn folders(self) -> &'static [&'static str] {
        match self {
            Scope::AllPlans => &plans::FOLDERS,
            Scope::Sprints => &[plans::SPRINTS],
        }
    }

    fn holds(self, kind: PlanKind) -> bool {
        self == Scope::AllPlans || kind == PlanKind::Sprint
    }
}

/// Checks the plans that were named, or else all that are meant.
pub(super) fn run(named: &[PathBuf], scope: Scope, flags: &Flags, session: &mut Session) -> Result<Outcome> {
    let files = files(named, scope, session)?;
    let mut reasons = Vec::new();
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut unread = Vec::new();
    for (shown, path) in files {
        match load(&path, &shown, session) {
            Ok(plan) if scope.holds(plan.plan.bizra.value) => loaded.push(plan),
            Ok(_) if named.is_empty() => {}
            Ok(plan) => reasons.push(no_sprint(&plan)),
            Err(problems) => {
                reasons.extend(problems);
                unread.push(shown);
            }
        }
    }
    if loaded.is_empty() && reasons.is_empty() {
        return Err(nothing_to_check(scope));
    }
    let pairs: Vec<_> = loaded.iter().map(|l| (&l.source, &l.plan)).collect();
    reasons.extend(crate::plan::shared_ids(&pairs));
    let rules = rules();
    let mut checked = Vec::new();
    for plan in loaded {
        let mut verdict = lint::run(&Linted::new(&plan.plan, &plan.source), &plan.tree.comments, &rules);
        if flags.no_info {
            verdict.findings.retain(|f| f.severity != Severity::Info);
        }
        checked.push(Checked { source: plan.source, verdict });
    }
    let count = |severity| checked.iter().flat_map(|c| &c.verdict.findings).filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors > 0 {
        reasons.push(Error::new(Exit::No, format!("lint found {}", plural(errors, "error"))));
    }
    if flags.strict && warnings > 0 {
        reasons
            .push(Error::new(Exit::No, format!("lint found {}, and --strict was given", plural(warnings, "warning"))));
    }
    Ok(Outcome::because(Lint { checked, unread, rules, format: flags.format.into() }, reasons))
}

/// The plan of a file, or of standard input where `-` was named.
pub(super) fn load(path: &Path, shown: &Path, session: &mut Session) -> Result<Loaded, Vec<Error>> {
    if shown.as_os_str() != "-" {
        return plans::load(path, shown);
    }
    let mut bytes = Vec::new();
    (&mut session.env.stdin.source)
        .take(yaml::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| vec![Error::cannot("standard input can't be read").because(e)])?;
    plans::read(Path::new("standard input"), &bytes)
}

/// The files that were named, else all that are meant: as the user would type them, and where they are.
pub(super) fn files(named: &[PathBuf], scope: Scope, session: &Session) -> Result<Vec<(PathBuf, PathBuf)>> {
    let cwd = &session.env.cwd;
    if !named.is_empty() {
        return Ok(named.iter().map(|path| (path.clone(), cwd.join(path))).collect());
    }
    let found = plans::find_in(&root(session)?, scope.folders())?;
    if found.is_empty() {
        return Err(nothing_to_check(scope));
    }
    Ok(found.into_iter().map(|path| (shown(&path, cwd), path)).collect())
}

/// All rules, in the order of their codes.
fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = roadmap::RULES.iter().chain(sprint::RULES).copied().collect();
    rules.sort_by_key(|rule| rule.code);
    rules
}

fn root(session: &Session) -> Result<PathBuf> {
    match &session.setup.repository {
        Ok(_) => Ok(session.root()),
        Err(error) => Err(error.clone()),
    }
}

/// The path as the user would type it.
pub(super) fn shown(path: &Path, cwd: &Path) -> PathBuf {
    path.strip_prefix(cwd).unwrap_or(path).to_owned()
}

fn nothing_to_check(scope: Scope) -> Error {
    let folders = scope.folders().join("/ or ") + "/";
    match scope {
        Scope::AllPlans => Error::invalid(format!("there is no plan in {folders}"))
            .hint("`bizra init` writes a first one, `bizra roadmap import FILE.md` takes one over; or name a file"),
        Scope::Sprints => Error::invalid(format!("there is no sprint in {folders}"))
            .hint("`bizra init` writes a first one, `bizra schema sprint` says what it may hold; or name a file"),
    }
}

/// The refusal of a plan where a sprint is needed.
pub(super) fn no_sprint(plan: &Loaded) -> Error {
    let kind = &plan.plan.bizra;
    let place = crate::error::Place::in_text(&plan.source.path, &plan.source.text, kind.span.start as usize);
    Error::invalid(format!("this is {}, and a sprint is needed", kind.value.word()))
        .at(place)
        .hint("`bizra roadmap` looks after roadmaps; a sprint begins with `bizra: sprint/v1`")
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("one {what}") } else { format!("{n} {what}s") }
}
