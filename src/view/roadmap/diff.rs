//! What changed in plans: a table, Markdown, JSON.

use serde_json::{Value, json};

use super::super::View;
use super::verbatim;
use crate::roadmap::diff::{Change, Diff, Kind, Size};
use crate::ui::{Line, Page, Tone};
use crate::view::escape;

/// Longer values are cut in tables; JSON has them whole.
const SHOWN: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Markdown,
}

pub(crate) enum What {
    Compared { moved_from: Option<String>, diff: Diff },
    Added(Size),
    Removed(Size),
}

pub(crate) struct Changed {
    pub(crate) path: String,
    pub(crate) plan: String,
    pub(crate) what: What,
}

pub(crate) struct Diffed {
    /// Commits; none for the work tree.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) plans: Vec<Changed>,
    pub(crate) format: Format,
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What the two ends hold.
fn sizes(before: &Size, after: &Size) -> String {
    let mut parts = Vec::new();
    let mut part = |what: &str, before: String, after: String| {
        parts.push(if before == after { format!("{what} {before}") } else { format!("{what} {before} → {after}") });
    };
    part("work", before.work.to_string(), after.work.to_string());
    part("said to be done", before.done.to_string(), after.done.to_string());
    part("hours", before.hours.to_string(), after.hours.to_string());
    part("criteria", before.criteria.to_string(), after.criteria.to_string());
    parts.join(", ")
}

/// The change without its thing: `hours 4 → 6`.
fn told(change: &Change) -> String {
    let values = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} → {}", cut(before), cut(after)),
        (Some(before), None) => cut(before),
        (None, Some(after)) => cut(after),
        (None, None) => String::new(),
    };
    match (change.kind, &change.field) {
        (Kind::Changed, Some(field)) => format!("{field} {values}"),
        (kind, Some(field)) => format!("{field} {}: {values}", kind.word()),
        (kind, None) => {
            let word = if kind == Kind::Removed { "from" } else { "in" };
            let place = change.within.as_ref().map(|place| format!("{word} {place}")).unwrap_or_default();
            let between = if place.is_empty() || values.is_empty() { "" } else { ": " };
            format!("{place}{between}{values}")
        }
    }
}

impl Diffed {
    fn ends(&self) -> String {
        let end = |commit: &Option<String>| match commit {
            Some(commit) => super::super::short(commit).to_owned(),
            None => "work tree".to_owned(),
        };
        format!("{} → {}", end(&self.before), end(&self.after))
    }

    fn table(&self) -> Page {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Dim, self.ends()));
        for plan in &self.plans {
            let head = Line::new().toned(Tone::Strong, &plan.path);
            let (moved_from, diff) = match &plan.what {
                What::Compared { moved_from, diff } => (moved_from, diff),
                What::Added(size) => {
                    page.line(head.toned(Tone::Good, " added: ").text(sizes(size, size)));
                    continue;
                }
                What::Removed(size) => {
                    page.line(head.toned(Tone::Bad, " removed: ").text(sizes(size, size)));
                    continue;
                }
            };
            let head = match moved_from {
                Some(from) => head.text(format!(", before at {from}")),
                None => head,
            };
            if diff.scope.is_empty() && diff.progress.is_empty() {
                page.line(head.text(": no change"));
                continue;
            }
            page.line(head.text(": ").text(sizes(&diff.before, &diff.after)).hanging(4));
            for (title, changes) in [("scope", &diff.scope), ("progress", &diff.progress)] {
                if !changes.is_empty() {
                    page.line(Line::new().text(format!("  {title}: {}", count(changes.len(), "change"))));
                }
                for change in changes {
                    let (tone, word) = match change.kind {
                        _ if change.weaker.is_some() => (Tone::Bad, "weaker"),
                        Kind::Added => (Tone::Good, "added"),
                        Kind::Removed => (Tone::Bad, "removed"),
                        kind => (Tone::Plain, kind.word()),
                    };
                    // A field that came or went is a change of its thing.
                    let (tone, word) = match (&change.field, &change.weaker) {
                        (Some(_), None) => (Tone::Plain, "changed"),
                        _ => (tone, word),
                    };
                    let name = if change.what.is_empty() { "the plan" } else { &change.what };
                    let mut line = Line::new().text("    ").column(tone, word, 8).toned(Tone::Strong, name);
                    let said = match (change.kind, &change.field, &change.weaker) {
                        (Kind::Removed, None, Some(_)) => format!("removed {}", told(change)),
                        (Kind::Moved, None, Some(_)) => format!("moved {}", told(change)),
                        _ => told(change),
                    };
                    line = line.text("  ").text(said);
                    if let Some(why) = &change.weaker {
                        line = line.toned(Tone::Warn, format!(" ({why})"));
                    }
                    page.line(line.hanging(14));
                }
            }
        }
        page
    }

    /// For a comment or a page.
    fn markdown(&self) -> String {
        let mut text = format!("Plans, {}\n", self.ends());
        for plan in &self.plans {
            let path = escape::markdown(&plan.path);
            let diff = match &plan.what {
                What::Compared { diff, .. } => diff,
                What::Added(size) => {
                    text += &format!("\n### {path}\n\nadded: {}\n", sizes(size, size));
                    continue;
                }
                What::Removed(size) => {
                    text += &format!("\n### {path}\n\nremoved: {}\n", sizes(size, size));
                    continue;
                }
            };
            text += &format!("\n### {path}\n\n");
            if let What::Compared { moved_from: Some(from), .. } = &plan.what {
                text += &format!("before at {}\n\n", escape::markdown(from));
            }
            if diff.scope.is_empty() && diff.progress.is_empty() {
                text += "no change\n";
                continue;
            }
            text += &format!("{}\n", sizes(&diff.before, &diff.after));
            for (title, changes) in [("Scope", &diff.scope), ("Progress", &diff.progress)] {
                if changes.is_empty() {
                    continue;
                }
                text += &format!("\n| {title} | | |\n|---|---|---|\n");
                for change in changes {
                    let word = if change.field.is_some() { Kind::Changed } else { change.kind }.word();
                    let name = if change.what.is_empty() { "the plan" } else { &change.what };
                    let why = change
                        .weaker
                        .as_ref()
                        .map(|why| format!(" (**weaker**: {})", escape::markdown(why)))
                        .unwrap_or_default();
                    text += &format!(
                        "| {word} | {} | {}{why} |\n",
                        escape::markdown(name),
                        escape::markdown(&told(change))
                    );
                }
            }
        }
        text
    }
}

fn size(size: &Size) -> Value {
    json!({ "work": size.work, "done": size.done, "criteria": size.criteria, "hours": size.hours.to_string() })
}

fn change(change: &Change) -> Value {
    let (what, id) = change.what.split_once(' ').unwrap_or((&change.what, ""));
    json!({
        "change": change.kind.word(),
        "what": if what.is_empty() { "plan" } else { what },
        "id": id,
        "field": change.field,
        "within": change.within,
        "before": change.before,
        "after": change.after,
        "weaker": change.weaker,
    })
}

impl View for Diffed {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => self.table(),
            Format::Markdown => verbatim(self.markdown()),
        }
    }

    fn json(&self) -> Value {
        let plan = |plan: &Changed| match &plan.what {
            What::Added(all) => json!({ "file": plan.path, "plan": plan.plan, "change": "added", "after": size(all) }),
            What::Removed(all) => {
                json!({ "file": plan.path, "plan": plan.plan, "change": "removed", "before": size(all) })
            }
            What::Compared { moved_from, diff } => {
                let same = diff.scope.is_empty() && diff.progress.is_empty();
                let weaker = diff.scope.iter().chain(&diff.progress).filter(|c| c.weaker.is_some()).count();
                json!({
                    "file": plan.path,
                    "plan": plan.plan,
                    "change": if same { "none" } else { "changed" },
                    "moved_from": moved_from,
                    "before": size(&diff.before),
                    "after": size(&diff.after),
                    "weaker": weaker,
                    "scope": diff.scope.iter().map(change).collect::<Vec<_>>(),
                    "progress": diff.progress.iter().map(change).collect::<Vec<_>>(),
                })
            }
        };
        json!({ "before": self.before, "after": self.after, "plans": self.plans.iter().map(plan).collect::<Vec<_>>() })
    }
}
