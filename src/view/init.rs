//! What `bizra init` made, and what to type next.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::View;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct Thing {
    made: bool,
    path: String,
    purpose: String,
}

impl Thing {
    pub(crate) fn made(path: impl Into<String>, purpose: impl Into<String>) -> Self {
        Thing { made: true, path: path.into(), purpose: purpose.into() }
    }

    pub(crate) fn kept(path: impl Into<String>, purpose: impl Into<String>) -> Self {
        Thing { made: false, ..Thing::made(path, purpose) }
    }

    fn word(&self) -> &'static str {
        if self.made { "made" } else { "kept" }
    }
}

pub(crate) struct Begun {
    pub(crate) root: PathBuf,
    pub(crate) things: Vec<Thing>,
}

const NEXT: [(&str, &str); 3] = [
    ("bizra roadmap gate", "what the first gate still lacks"),
    ("bizra infer 'What does a gate need to open?'", "an answer, and its receipt"),
    ("bizra sprint standup", "the day, by what really happened"),
];

impl View for Begun {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut grid = Grid::new([("", Align::Left), ("file", Align::Left), ("what it is", Align::Left)]);
        for thing in &self.things {
            grid.row([thing.word(), &thing.path, &thing.purpose]);
        }
        page.grid(grid);
        page.blank();
        page.text("next:");
        for (command, why) in NEXT {
            page.line(Line::new().column(Tone::Strong, format!("  {command}"), 47).text(why).hanging(4));
        }
        page
    }

    fn json(&self) -> Value {
        let things: Vec<Value> =
            self.things.iter().map(|t| json!({ "path": t.path, "made": t.made, "purpose": t.purpose })).collect();
        json!({ "root": self.root.display().to_string(), "files": things, "next": NEXT.map(|(command, _)| command) })
    }
}
