//! Receipts: lists, single ones, and what became of logs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{View, short};
use crate::receipts::hex;
use crate::receipts::json::Value as Signed;
use crate::receipts::predicates;
use crate::receipts::receipt::{Content, Receipt};
use crate::ui::{Align, Grid, Line, Page, Tone};

/// A subject's name, with the digest that it may end in cut short.
fn brief(name: &str) -> String {
    let start = name.len().saturating_sub(64);
    match name.get(start..) {
        Some(digits) if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("{}{}…", &name[..start], short(digits))
        }
        _ => name.to_owned(),
    }
}

fn kind(content: &Content) -> String {
    let full = &content.statement.predicate_type;
    predicates::name_of(full).unwrap_or_else(|| full.clone())
}

/// What the predicate says, without the stamp.
fn body(content: &Content) -> Value {
    let text = Signed::from(content.statement.body.clone()).to_canonical();
    serde_json::from_str(&text).expect("invariant: canonical JSON is JSON")
}

fn receipt_json(content: &Content) -> Value {
    let statement = &content.statement;
    let stamp = &statement.stamp;
    let subjects: Vec<Value> = statement
        .subjects
        .iter()
        .map(|s| json!({ "name": s.name, "digest": s.digests().collect::<BTreeMap<_, _>>() }))
        .collect();
    json!({
        "id": content.id.to_string(),
        "type": kind(content),
        "time": stamp.time.to_string(),
        "key": content.envelope.keyid.to_string(),
        "ledger": hex::encode(&stamp.ledger),
        "session": {
            "id": hex::encode(&stamp.position.session),
            "seq": stamp.position.seq,
            "prev": stamp.position.prev.map(|id| id.to_string()),
        },
        "tool": {
            "name": stamp.tool.name, "version": stamp.tool.version, "commit": stamp.tool.commit, "build": stamp.tool.build,
        },
        "host": stamp.host,
        "subjects": subjects,
        "predicate": body(content),
    })
}

fn placed_json(receipt: &Receipt) -> Value {
    let mut value = match &receipt.content {
        Ok(content) => receipt_json(content),
        Err(reason) => json!({ "unreadable": reason }),
    };
    value["log"] = receipt.log.to_string().into();
    value["index"] = receipt.index.into();
    value
}

pub(crate) struct Listed {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) page: u64,
    pub(crate) more: bool,
    /// Whether something was left out.
    pub(crate) filtered: bool,
    pub(crate) ledger: PathBuf,
}

impl Listed {
    fn none(&self) -> String {
        if self.filtered { "no receipt fits".into() } else { "no receipt".into() }
    }
}

impl View for Listed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.receipts.is_empty() {
            let which = if self.page > 1 { format!("no receipt on page {}", self.page) } else { self.none() };
            page.text(format!("{which} in {}", self.ledger.display()));
            return page;
        }
        let header = [
            ("receipt", Align::Left),
            ("time", Align::Left),
            ("type", Align::Left),
            ("about", Align::Left),
            ("log", Align::Left),
            ("index", Align::Right),
        ];
        let mut grid = Grid::new(header);
        let mut narrow = Grid::new(header[..4].iter().copied());
        for receipt in &self.receipts {
            let log = receipt.log.to_string();
            let log = short(&log);
            let index = receipt.index.to_string();
            match &receipt.content {
                Ok(content) => {
                    let subjects = &content.statement.subjects;
                    let about = match subjects.as_slice() {
                        [one] => brief(&one.name),
                        [first, rest @ ..] => format!("{} and {} more", brief(&first.name), rest.len()),
                        [] => String::new(),
                    };
                    let time = content.statement.stamp.time.to_string();
                    let id = content.id.to_string();
                    let kind = kind(content);
                    grid.row([short(&id), &time, &kind, &about, log, &index]);
                    let to_the_second = time.get(..19).unwrap_or(&time).replace('T', " ");
                    let without_version = kind.split('/').next().unwrap_or_default();
                    narrow.row([short(&id), &to_the_second, without_version, &about]);
                }
                Err(reason) => {
                    grid.row(["unreadable", "-", "-", reason, log, &index]);
                    narrow.row(["unreadable", "-", "-", reason]);
                }
            }
        }
        let columns = grid.width();
        let [mut wide, mut less] = [Page::new(), Page::new()];
        wide.grid(grid);
        less.grid(narrow);
        page.either(columns, wide, less);
        if self.more {
            page.text(format!("there are more: --page {}", self.page + 1));
        }
        page
    }

    fn json(&self) -> Value {
        json!({
            "receipts": self.receipts.iter().map(placed_json).collect::<Vec<_>>(),
            "page": self.page,
            "more": self.more,
        })
    }
}

fn content_page(content: &Content, page: &mut Page) {
    let statement = &content.statement;
    let stamp = &statement.stamp;
    let mut row = |name: &str, value: &str| {
        page.line(Line::new().column(Tone::Dim, name, 10).text(value).hanging(11));
    };
    row("receipt", &content.id.to_string());
    row("type", &kind(content));
    row("time", &stamp.time.to_string());
    row("key", &content.envelope.keyid.to_string());
    for subject in &statement.subjects {
        let digests: Vec<String> = subject.digests().map(|(name, digits)| format!("{name} {digits}")).collect();
        row("about", &format!("{} ({})", subject.name, digests.join(", ")));
    }
    if let Value::Object(fields) = body(content) {
        for (name, value) in fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            row(&name, &text);
        }
    }
    let prev = stamp.position.prev.map_or("none".to_owned(), |id| id.to_string());
    row(
        "session",
        &format!("{}, its receipt {}, after {prev}", hex::encode(&stamp.position.session), stamp.position.seq),
    );
    row("made by", &format!("{} {} ({}) on {}", stamp.tool.name, stamp.tool.version, stamp.tool.build, stamp.host));
    row("ledger", &hex::encode(&stamp.ledger));
}

pub(crate) struct Shown {
    pub(crate) receipt: Receipt,
    pub(crate) raw: bool,
}

impl View for Shown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.raw {
            page.verbatim(format!("{}\n", String::from_utf8_lossy(&self.receipt.bytes)));
            return page;
        }
        match &self.receipt.content {
            Ok(content) => content_page(content, &mut page),
            Err(reason) => page.text(format!("unreadable: {reason}")),
        }
        page.line(
            Line::new()
                .column(Tone::Dim, "stands", 10)
                .text(format!("at {} of log {}", self.receipt.index, self.receipt.log))
                .hanging(11),
        );
        page
    }

    fn json(&self) -> Value {
        let mut value = placed_json(&self.receipt);
        value["envelope"] = String::from_utf8_lossy(&self.receipt.bytes).into();
        value
    }
}

pub(crate) struct Verified {
    pub(crate) content: Content,
    pub(crate) against: String,
}

impl View for Verified {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Good, "verified").text(format!(" against {}", self.against)).hanging(2));
        content_page(&self.content, &mut page);
        page
    }

    fn json(&self) -> Value {
        let mut value = receipt_json(&self.content);
        value["against"] = self.against.as_str().into();
        value
    }
}

pub(crate) struct Exported {
    pub(crate) log: String,
    pub(crate) receipts: u64,
    /// The envelopes, where the answer is one document; otherwise they have been streamed.
    pub(crate) lines: Option<Vec<String>>,
    pub(crate) written: Option<(PathBuf, u64)>,
}

impl View for Exported {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if let Some((folder, files)) = &self.written {
            page.text(format!("log {}: {} receipts, {files} files in {}", self.log, self.receipts, folder.display()));
        }
        page
    }

    fn json(&self) -> Value {
        let written =
            self.written.as_ref().map(|(folder, files)| json!({ "folder": folder.to_string_lossy(), "files": files }));
        json!({ "log": self.log, "receipts": self.receipts, "envelopes": self.lines, "written": written })
    }
}

pub(crate) struct Imported {
    pub(crate) good: u64,
    pub(crate) refused: u64,
}

impl View for Imported {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(format!("{} verified, {} refused; nothing was taken into the ledger", self.good, self.refused));
        page
    }

    fn json(&self) -> Value {
        json!({ "verified": self.good, "refused": self.refused })
    }
}

pub(crate) struct Pinned {
    pub(crate) path: PathBuf,
    /// Log, size, and whether the pin is new.
    pub(crate) pinned: Vec<(String, u64, bool)>,
}

impl View for Pinned {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for (log, size, added) in &self.pinned {
            let what = if *added { "pinned at" } else { "was pinned already at" };
            page.text(format!("log {log} {what} {size} receipts"));
        }
        page.text(format!("{}: commit it, so that it is reviewed and kept", self.path.display()));
        page
    }

    fn json(&self) -> Value {
        let logs: Vec<Value> =
            self.pinned.iter().map(|(log, size, added)| json!({ "log": log, "size": size, "added": added })).collect();
        json!({ "path": self.path.to_string_lossy(), "logs": logs })
    }
}

/// What became of a log in an exchange.
pub(crate) struct Fate {
    pub(crate) log: String,
    pub(crate) size: u64,
    pub(crate) what: &'static str,
}

pub(crate) struct Exchanged {
    pub(crate) remote: String,
    pub(crate) fates: Vec<Fate>,
}

impl View for Exchanged {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for fate in &self.fates {
            page.text(format!("log {}: {}, {} receipts", fate.log, fate.what, fate.size));
        }
        page
    }

    fn json(&self) -> Value {
        let logs: Vec<Value> =
            self.fates.iter().map(|f| json!({ "log": f.log, "size": f.size, "fate": f.what })).collect();
        json!({ "remote": self.remote, "logs": logs })
    }
}

pub(crate) struct RepairedLog {
    pub(crate) log: String,
    pub(crate) receipts: u64,
    /// What was done, a sentence each; nothing where nothing had to be.
    pub(crate) done: Vec<String>,
}

pub(crate) struct Repaired {
    pub(crate) logs: Vec<RepairedLog>,
}

impl View for Repaired {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for log in &self.logs {
            let state = if log.done.is_empty() { "nothing to mend" } else { "mended" };
            page.text(format!("log {}: {state}, {} receipts", log.log, log.receipts));
            for sentence in &log.done {
                page.line(Line::new().text("  ").text(sentence).hanging(4));
            }
        }
        if self.logs.is_empty() {
            page.text("the ledger has no log yet");
        }
        page
    }

    fn json(&self) -> Value {
        let logs: Vec<Value> =
            self.logs.iter().map(|l| json!({ "log": l.log, "receipts": l.receipts, "done": l.done })).collect();
        json!({ "logs": logs })
    }
}

pub(crate) struct LogCount {
    pub(crate) id: String,
    pub(crate) own: bool,
    pub(crate) writer: String,
    pub(crate) receipts: u64,
    pub(crate) pending: u64,
    pub(crate) envelope_bytes: u64,
    pub(crate) types: BTreeMap<String, u64>,
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
}

pub(crate) struct Counted {
    pub(crate) path: PathBuf,
    pub(crate) disk_bytes: u64,
    pub(crate) logs: Vec<LogCount>,
}

impl View for Counted {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(format!("{}, {} bytes on disk", self.path.display(), self.disk_bytes));
        if self.logs.is_empty() {
            page.text("the ledger has no log yet");
        }
        for log in &self.logs {
            page.blank();
            let whose = if log.own { "this machine's" } else { "another machine's" };
            page.text(format!("log {} ({whose}), written by key {}", log.id, log.writer));
            let mut line = format!("{} receipts, {} bytes of envelopes", log.receipts, log.envelope_bytes);
            if log.pending > 0 {
                line += &format!("; {} more are durable and not in git yet", log.pending);
            }
            page.text(line);
            if let (Some(first), Some(last)) = (&log.first, &log.last) {
                page.text(format!("from {first} to {last}"));
            }
            let mut grid = Grid::new([("type", Align::Left), ("receipts", Align::Right)]);
            for (name, count) in &log.types {
                grid.row([name.as_str(), &count.to_string()]);
            }
            if !grid.is_empty() {
                page.grid(grid);
            }
        }
        page
    }

    fn json(&self) -> Value {
        let logs: Vec<Value> = self
            .logs
            .iter()
            .map(|l| {
                json!({
                    "id": l.id, "own": l.own, "writer": l.writer, "receipts": l.receipts, "pending": l.pending,
                    "envelope_bytes": l.envelope_bytes, "types": l.types, "first": l.first, "last": l.last,
                })
            })
            .collect();
        json!({ "path": self.path.to_string_lossy(), "disk_bytes": self.disk_bytes, "logs": logs })
    }
}
