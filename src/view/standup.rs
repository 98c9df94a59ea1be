//! Standups: Markdown as the sprint wants it, the same for browsers and for Slack, and JSON with every link's reason.

mod markup;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::View;
use crate::sprint::standup::link::Reason;
use crate::sprint::standup::{Entropy, Entry, Linked, Mark, Presence, Scope, Section, Standup, Who};
use crate::sprint::timeline::Position;
use crate::ui::Page;
pub(crate) use markup::markdown;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Html,
    Slack,
}

pub(crate) struct Shown {
    pub(crate) standup: Standup,
    pub(crate) presence: Presence,
    pub(crate) shallow: bool,
    /// The Markdown, with what people wrote in its file.
    pub(crate) text: String,
    pub(crate) format: Format,
    /// The window has ended.
    pub(crate) over: bool,
    /// The file that it is kept in, and whether it was written now.
    pub(crate) file: Option<(String, bool)>,
    /// Whether it differs from what is in the file, where that was asked.
    pub(crate) changed: Option<bool>,
    /// Sections that people edited, which stay.
    pub(crate) kept: Vec<String>,
    /// Say nothing where nothing changed.
    pub(crate) silent: bool,
}

impl View for Shown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if !self.silent {
            page.verbatim(match self.format {
                Format::Markdown => self.text.clone(),
                Format::Html => markup::html(&self.standup),
                Format::Slack => markup::slack(&self.standup),
            });
        }
        page
    }

    fn json(&self) -> Value {
        let standup = &self.standup;
        let window = &standup.window;
        json!({
            "sprint": {"id": standup.sprint, "title": standup.title},
            "day": window.day,
            "date": window.date.to_string(),
            "position": position(window.place),
            "window": {
                "zone": standup.zone,
                "from": window.start.to_string(),
                "to": window.end.to_string(),
                "over": self.over,
            },
            "notes": standup.notes,
            "history": {
                "repository": self.presence != Presence::NoRepository,
                "commits": self.presence == Presence::Commits,
                "shallow": self.shallow,
            },
            "sections": standup.sections.iter().map(section).collect::<Vec<_>>(),
            "commits": standup.commits.iter().map(commit).collect::<Vec<_>>(),
            "receipts": standup.receipts.iter().map(|seen| json!({
                "id": seen.id,
                "kind": seen.kind,
                "time": seen.time.to_string(),
                "trusted": seen.trusted,
            })).collect::<Vec<_>>(),
            "scope": standup.scope.as_ref().map(scope),
            "entropy": entropy(&standup.entropy),
            "markdown": self.text,
            "file": self.file.as_ref().map(|(path, _)| path),
            "written": self.file.as_ref().is_some_and(|(_, written)| *written),
            "changed": self.changed,
            "kept": self.kept,
        })
    }
}

fn position(position: Position) -> &'static str {
    match position {
        Position::Undated => "undated",
        Position::Before { .. } => "before",
        Position::Day(_) => "day",
        Position::Between { .. } => "between",
        Position::After { .. } => "after",
    }
}

fn section(section: &Section) -> Value {
    let groups: Vec<Value> = section
        .groups
        .iter()
        .map(|group| {
            json!({
                "label": group.label,
                "entries": group.entries.iter().map(entry).collect::<Vec<_>>(),
                "more": group.more,
            })
        })
        .collect();
    json!({"title": section.title, "kind": section.kind.word(), "groups": groups})
}

fn entry(one: &Entry) -> Value {
    let (item, commit) = match &one.mark {
        Mark::None => (None, None),
        Mark::Work(id) => (Some(id), None),
        Mark::Commit(id) => (None, Some(id)),
    };
    json!({
        "item": item,
        "commit": commit,
        "text": one.text,
        "who": one.who,
        "words": one.words,
        "receipts": one.receipts,
        "under": one.under.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn commit(linked: &Linked) -> Value {
    let who = |who: &Who| json!({"name": who.name, "email": who.email});
    let time = |seconds: i64| Timestamp::from_second(seconds).ok().map(|time| time.to_string());
    let commit = &linked.commit;
    let links: Vec<Value> = linked
        .links
        .iter()
        .map(|link| json!({"item": link.to, "reasons": link.reasons.iter().map(reason).collect::<Vec<_>>()}))
        .collect();
    json!({
        "id": commit.id,
        "subject": commit.subject(),
        "author": who(&commit.author),
        "coauthors": commit.coauthors.iter().map(who).collect::<Vec<_>>(),
        "committed": time(commit.time),
        "authored": commit.authored.and_then(time),
        "merge": commit.is_merge(),
        "copies": commit.copies,
        "links": links,
        "unknown": linked.unknown,
    })
}

fn reason(reason: &Reason) -> Value {
    match reason {
        Reason::Trailer(name) => json!({"by": "trailer", "name": name}),
        Reason::Message(word) => json!({"by": "message", "word": word}),
        Reason::Path { path, glob } => json!({"by": "path", "path": path, "pattern": glob}),
    }
}

fn scope(scope: &Scope) -> Value {
    let changed: Vec<Value> =
        scope.changed.iter().map(|(what, fields)| json!({"what": what, "fields": fields})).collect();
    json!({
        "note": scope.note,
        "added": scope.added,
        "removed": scope.removed,
        "changed": changed,
        "sections": scope.sections,
    })
}

fn entropy(entropy: &Entropy) -> Value {
    match entropy {
        Entropy::NotMeasured { why, next } => json!({"measured": false, "why": why, "next": next}),
        Entropy::Measured(measured) => json!({
            "measured": true,
            "line": measured.line(),
            "receipt": measured.receipt,
            "commit": measured.commit,
            "at": measured.at.to_string(),
            "h_bits": measured.h,
            "p_bits": measured.p,
            "v_bits": measured.v,
            "ceiling_bits": measured.ceiling,
            "delta_bits": measured.change.as_ref().map(|(delta, _)| delta),
            "since": measured.change.as_ref().map(|(_, since)| since),
            "scatter_bits": measured.scatter,
        }),
    }
}
