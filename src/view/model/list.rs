//! What the cache of models holds, how it was verified, what was removed.

use serde_json::{Value, json};

use super::size;
use crate::model::{Digest, Held, Snapshot};
use crate::receipts::{Hash, hex};
use crate::ui::{Align, Grid, Line, Page, Tone};
use crate::view::{View, short};

/// All that is here of one repository.
pub(crate) struct Repository {
    pub(crate) repo: String,
    pub(crate) snapshots: Vec<Snapshot>,
    /// On disk, each file once.
    pub(crate) bytes: u64,
    /// Of downloads that were cut.
    pub(crate) unfinished: u64,
}

pub(crate) struct Listed {
    pub(crate) models: Vec<Repository>,
    pub(crate) cache: String,
}

/// The files that models are of; where there are none, all.
fn weights(snapshot: &Snapshot) -> Vec<&Held> {
    let is_weight = |held: &&Held| {
        let path = held.path.to_ascii_lowercase();
        path.ends_with(".gguf") || path.ends_with(".safetensors")
    };
    let weights: Vec<&Held> = snapshot.files.iter().filter(is_weight).collect();
    if weights.is_empty() { snapshot.files.iter().collect() } else { weights }
}

impl View for Listed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut grid = Grid::new([
            ("model", Align::Left),
            ("file", Align::Left),
            ("size", Align::Right),
            ("revision", Align::Left),
        ]);
        for model in &self.models {
            for snapshot in &model.snapshots {
                let commit = short(&snapshot.commit);
                let revision = [&snapshot.refs[..], &[commit.to_owned()]].concat().join(", ");
                for held in weights(snapshot) {
                    let bytes = held.size.map_or_else(|| "missing".to_owned(), size);
                    grid.row([&model.repo, &held.path, &bytes, &revision]);
                }
            }
            if model.unfinished > 0 {
                grid.row([model.repo.as_str(), "not finished", &size(model.unfinished), ""]);
            }
        }
        if !grid.is_empty() {
            page.grid(grid);
        }
        let bytes = self.models.iter().map(|model| model.bytes).sum();
        let count = self.models.len();
        let models = if count == 1 { "model" } else { "models" };
        page.text(format!("{count} {models}, {}, in {}", size(bytes), self.cache));
        page
    }

    fn json(&self) -> Value {
        let file = |held: &Held| {
            let sha256 = match &held.digest {
                Some(Digest::Sha256(hex)) => Some(hex),
                _ => None,
            };
            json!({ "file": held.path, "bytes": held.size, "sha256": sha256, "path": held.at.to_string_lossy() })
        };
        let snapshot = |snapshot: &Snapshot| {
            json!({
                "commit": snapshot.commit,
                "refs": snapshot.refs,
                "files": snapshot.files.iter().map(file).collect::<Vec<_>>(),
            })
        };
        let model = |model: &Repository| {
            json!({
                "repo": model.repo,
                "bytes": model.bytes,
                "unfinished_bytes": model.unfinished,
                "revisions": model.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
            })
        };
        json!({ "cache": self.cache, "models": self.models.iter().map(model).collect::<Vec<_>>() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sound,
    Damaged,
    /// Not what bizra.lock names.
    Unreviewed,
    Missing,
    Unknown,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Sound => "sound",
            Verdict::Damaged => "damaged",
            Verdict::Unreviewed => "not reviewed",
            Verdict::Missing => "missing",
            Verdict::Unknown => "unknown",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Verdict::Sound => Tone::Good,
            Verdict::Unknown => Tone::Dim,
            _ => Tone::Bad,
        }
    }
}

pub(crate) struct VerifiedFile {
    pub(crate) repo: String,
    pub(crate) commit: String,
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<Hash>,
    pub(crate) verdict: Verdict,
}

pub(crate) struct Verified {
    pub(crate) files: Vec<VerifiedFile>,
    pub(crate) cache: String,
}

impl View for Verified {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for file in &self.files {
            let sha256 = file.sha256.map(|hash| format!("  sha256 {}", short(&hex::encode(&hash)))).unwrap_or_default();
            page.line(
                Line::new()
                    .column(file.verdict.tone(), file.verdict.word(), 12)
                    .text(format!("{}@{}/{}", file.repo, short(&file.commit), file.path))
                    .toned(Tone::Dim, sha256)
                    .hanging(13),
            );
        }
        let sound = self.files.iter().filter(|file| file.verdict == Verdict::Sound).count();
        page.text(format!("{sound} of {} sound, in {}", self.files.len(), self.cache));
        page
    }

    fn json(&self) -> Value {
        let file = |file: &VerifiedFile| {
            json!({
                "repo": file.repo,
                "commit": file.commit,
                "file": file.path,
                "bytes": file.bytes,
                "sha256": file.sha256.map(|hash| hex::encode(&hash)),
                "verdict": file.verdict.word(),
            })
        };
        json!({ "cache": self.cache, "files": self.files.iter().map(file).collect::<Vec<_>>() })
    }
}

pub(crate) struct Removed {
    pub(crate) name: String,
    pub(crate) files: Vec<String>,
    pub(crate) freed: u64,
    pub(crate) cache: String,
}

impl View for Removed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(format!("{} removed, {} freed, from {}", self.name, size(self.freed), self.cache));
        page
    }

    fn json(&self) -> Value {
        json!({ "cache": self.cache, "removed": self.name, "files": self.files, "freed_bytes": self.freed })
    }
}
