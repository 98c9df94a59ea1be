//! What a pull brought.

use serde_json::{Value, json};

use super::size;
use crate::receipts::{Hash, hex};
use crate::ui::{Align, Grid, Line, Page, Tone};
use crate::view::{View, short};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Downloaded,
    Resumed,
    Awaited,
    Here,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            How::Downloaded => "downloaded",
            How::Resumed => "resumed",
            How::Awaited => "awaited",
            How::Here => "here",
        }
    }
}

pub(crate) struct PulledFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: Hash,
    pub(crate) how: How,
}

pub(crate) struct Pulled {
    pub(crate) repo: String,
    pub(crate) revision: String,
    pub(crate) commit: String,
    pub(crate) files: Vec<PulledFile>,
    /// What `-m` would be given.
    pub(crate) path: String,
}

pub(crate) struct Pulls {
    pub(crate) models: Vec<Pulled>,
    pub(crate) cache: String,
    pub(crate) offline: bool,
}

impl View for Pulls {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for model in &self.models {
            let at = if model.revision == model.commit { String::new() } else { format!(" {},", model.revision) };
            page.line(
                Line::new()
                    .toned(Tone::Strong, &model.repo)
                    .text(format!("{at} commit {}", short(&model.commit)))
                    .hanging(2),
            );
            let mut grid =
                Grid::new([("file", Align::Left), ("size", Align::Right), ("sha256", Align::Left), ("", Align::Left)]);
            for file in &model.files {
                grid.row([&file.path, &size(file.bytes), short(&hex::encode(&file.sha256)), file.how.word()]);
            }
            page.grid(grid);
            page.line(Line::new().toned(Tone::Dim, "in ").text(&model.path).hanging(2));
        }
        page
    }

    fn json(&self) -> Value {
        let file = |file: &PulledFile| {
            json!({
                "file": file.path,
                "bytes": file.bytes,
                "sha256": hex::encode(&file.sha256),
                "how": file.how.word(),
            })
        };
        let model = |model: &Pulled| {
            json!({
                "repo": model.repo,
                "revision": model.revision,
                "commit": model.commit,
                "path": model.path,
                "files": model.files.iter().map(file).collect::<Vec<_>>(),
            })
        };
        json!({
            "cache": self.cache,
            "offline": self.offline,
            "models": self.models.iter().map(model).collect::<Vec<_>>(),
        })
    }
}
