//! `bizra roadmap diff`: what changed in the plans between two revisions?

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::evidence::files_of;
use super::super::page_format::PageFormat;
use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::plan::lint::Linted;
use crate::roadmap::diff::{self, Version};
use crate::sys::git_files::RepositoryFiles;
use crate::sys::plans::{self, FOLDERS, Loaded};
use crate::view::roadmap::diff::{Changed, Diffed, Format, What};

/// Show what changed in plans between two revisions, the scope apart from the progress
///
/// Scope is work, hours, needs, owners, dates, criteria and evidence; progress is statuses, ticks, current values and
/// percentages. Renamed and moved work is said to be that. Evidence that asks for less than before is marked `weaker`.
/// Spaces, comments and the order of fields make no difference. The answer is 0 whether something changed or not, and 3
/// when a plan can't be read at one of the two.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap diff v1.0..HEAD                      Every plan of the two revisions
  bizra roadmap diff HEAD                            The work tree against the last commit
  bizra roadmap diff main...HEAD roadmap/omega.yaml  One plan, since the branch left main
  bizra roadmap diff main..HEAD --format md          For a pull request")]
pub(super) struct Args {
    /// Two revisions (A..B, A...B from where they parted), or one to compare with the work tree
    #[arg(value_name = "REV1..REV2")]
    revisions: String,
    /// Plan files [default: all in roadmap/ and sprints/]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How to print the changes
    #[arg(long, value_enum, default_value = "table")]
    format: PageFormat,
}

/// The plans as they stand at one end.
struct Side {
    files: RepositoryFiles,
    /// The commit; none for the work tree.
    commit: Option<String>,
}

impl Side {
    fn plan(&self, path: &str) -> Result<Option<Loaded>> {
        let Some(bytes) = self.files.bytes(path)? else { return Ok(None) };
        let shown = match &self.commit {
            Some(commit) => format!("{}:{path}", commit.get(..12).unwrap_or(commit)),
            None => path.to_owned(),
        };
        plans::read(shown.as_ref(), &bytes).map(Some).map_err(|mut problems| problems.swap_remove(0))
    }

    fn paths(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for folder in FOLDERS {
            let names = self.files.names_in(folder)?;
            paths.extend(names.into_iter().filter(|name| name.ends_with(".yaml") || name.ends_with(".yml")));
        }
        Ok(paths)
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (before, after) = sides(&args.revisions, session)?;
    let root = session.root();
    let paths: BTreeSet<String> = match args.files.is_empty() {
        true => before.paths()?.into_iter().chain(after.paths()?).collect(),
        false => {
            let inside = |file: &PathBuf| {
                let full = session.env.cwd.join(file);
                full.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/")
            };
            args.files.iter().map(inside).collect()
        }
    };
    let mut plans = Vec::new();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for path in paths {
        match (before.plan(&path)?, after.plan(&path)?) {
            (Some(old), Some(new)) => plans.push(compared(path.clone(), path, &old, &new)),
            (Some(old), None) => gone.push((path, old)),
            (None, Some(new)) => come.push((path, new)),
            (None, None) => {
                return Err(Error::invalid(format!("there is no file {path} at either end"))
                    .hint("check the path and its spelling"));
            }
        }
    }
    for (path, new) in come {
        let moved = gone.iter().position(|(_, old)| old.plan.id.value == new.plan.id.value);
        plans.push(match moved {
            Some(at) => {
                let (was, old) = gone.swap_remove(at);
                compared(was, path, &old, &new)
            }
            None => Changed { path, plan: new.plan.id.value.to_string(), what: What::Added(size(&new)) },
        });
    }
    let removed = gone.into_iter().map(|(path, old)| {
        let plan = old.plan.id.value.to_string();
        Changed { path, plan, what: What::Removed(size(&old)) }
    });
    plans.extend(removed);
    if plans.is_empty() {
        return Err(
            Error::invalid(format!("there is no plan in {}/ at either end", FOLDERS.join("/ or "))).hint("name a file")
        );
    }
    plans.sort_by(|a, b| a.path.cmp(&b.path));
    let format = match args.format {
        PageFormat::Table => Format::Table,
        PageFormat::Md => Format::Markdown,
    };
    Ok(Outcome::yes(Diffed { before: before.commit, after: after.commit, plans, format }))
}

fn sides(revisions: &str, session: &Session) -> Result<(Side, Side)> {
    let side = |rev: Option<&str>| -> Result<Side> {
        let (mut files, _) = files_of(session)?;
        let commit = rev.map(|rev| files.at(rev)).transpose()?;
        Ok(Side { files, commit })
    };
    let or_head = |rev: &str| if rev.is_empty() { "HEAD".to_owned() } else { rev.to_owned() };
    if let Some((one, other)) = revisions.split_once("...") {
        let (one, other) = (or_head(one), or_head(other));
        let (files, _) = files_of(session)?;
        return Ok((side(Some(&files.common(&one, &other)?))?, side(Some(&other))?));
    }
    match revisions.split_once("..") {
        Some((one, other)) => Ok((side(Some(&or_head(one)))?, side(Some(&or_head(other)))?)),
        None => Ok((side(Some(revisions))?, side(None)?)),
    }
}

fn compared(was: String, path: String, old: &Loaded, new: &Loaded) -> Changed {
    let (before, after) = (Linted::new(&old.plan, &old.source), Linted::new(&new.plan, &new.source));
    let version = |linted, tree| Version { linted, tree };
    let diff = diff::diff(&version(&before, &old.tree), &version(&after, &new.tree));
    let moved_from = (was != path).then_some(was);
    Changed { path, plan: new.plan.id.value.to_string(), what: What::Compared { moved_from, diff } }
}

fn size(loaded: &Loaded) -> diff::Size {
    let linted = Linted::new(&loaded.plan, &loaded.source);
    Version { linted: &linted, tree: &loaded.tree }.size()
}
