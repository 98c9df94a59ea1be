//! What is kept of prompts that were read before.

use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::{View, short};
use crate::ui::{Align, Grid, Page};

pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) used: Option<SystemTime>,
    /// None for what is no session's file.
    pub(crate) says: Option<Says>,
}

/// What a session's file says of itself.
pub(crate) struct Says {
    pub(crate) model: String,
    pub(crate) sha256: String,
    pub(crate) kv: String,
    pub(crate) tokens: usize,
    pub(crate) build: String,
    /// This build made it, so it would be gone on with.
    pub(crate) current: bool,
}

pub(crate) struct List {
    pub(crate) entries: Vec<Entry>,
    pub(crate) folder: String,
}

pub(crate) struct Shown {
    pub(crate) entry: Entry,
    pub(crate) path: PathBuf,
}

pub(crate) struct Removed {
    pub(crate) names: Vec<String>,
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl Entry {
    /// To the second, in UTC.
    fn used(&self) -> Option<String> {
        let used = jiff::Timestamp::try_from(self.used?).ok()?;
        Some(used.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
    }

    fn json(&self) -> Value {
        let mut value = json!({ "name": self.name, "bytes": self.bytes, "used": self.used() });
        if let Some(Says { model, sha256, kv, tokens, build, current }) = &self.says {
            value["tokens"] = (*tokens).into();
            value["model"] = json!({ "name": model, "sha256": sha256 });
            value["kv"] = kv.as_str().into();
            value["build"] = build.as_str().into();
            value["current"] = (*current).into();
        }
        value
    }
}

impl View for List {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if !self.entries.is_empty() {
            let columns = [("session", Align::Left), ("model", Align::Left), ("kv", Align::Left)];
            let numbers = [("tokens", Align::Right), ("size", Align::Right), ("last used", Align::Left)];
            let mut grid = Grid::new(columns.into_iter().chain(numbers));
            for entry in &self.entries {
                let (size, used) = (mebibytes(entry.bytes), entry.used().unwrap_or_default());
                let name = entry.name.as_str();
                match &entry.says {
                    Some(says) => {
                        grid.row([name, &says.model, &says.kv, &says.tokens.to_string(), &size, &used]);
                    }
                    None => grid.row([name, "unreadable", "", "", &size, &used]),
                }
            }
            page.grid(grid);
        }
        let bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        page.text(format!("{} kept, {}, in {}", self.entries.len(), mebibytes(bytes), self.folder));
        page
    }

    fn json(&self) -> Value {
        json!({
            "folder": self.folder,
            "bytes": self.entries.iter().map(|entry| entry.bytes).sum::<u64>(),
            "sessions": self.entries.iter().map(Entry::json).collect::<Vec<_>>(),
        })
    }
}

impl View for Shown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let Some(says) = &self.entry.says else { return page };
        let current = if says.current { "" } else { ", another than this: it would begin anew" };
        let lines = [
            ("model", format!("{} ({})", says.model, short(&says.sha256))),
            ("tokens", says.tokens.to_string()),
            ("kv", says.kv.clone()),
            ("size", mebibytes(self.entry.bytes)),
            ("last used", self.entry.used().unwrap_or_default()),
            ("build", format!("{}{current}", says.build)),
            ("file", self.path.display().to_string()),
        ];
        for (what, text) in lines {
            page.text(format!("{what:10} {text}"));
        }
        page.text("Every byte is as it was kept.");
        page
    }

    fn json(&self) -> Value {
        let mut value = self.entry.json();
        value["file"] = self.path.display().to_string().into();
        value
    }
}

impl View for Removed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(match self.names.len() {
            0 => "there was none".to_owned(),
            _ => format!("removed {}", self.names.join(", ")),
        });
        page
    }

    fn json(&self) -> Value {
        json!({ "removed": self.names })
    }
}
