//! Models: what was brought, what is here, what one is, what is kept of it.

pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod show;

use serde_json::{Value, json};

use super::{View, short};
use crate::receipts::{Hash, hex};
use crate::ui::{Align, Grid, Page};

/// Packed weights of one model.
pub(crate) struct Entry {
    pub(crate) model: Hash,
    pub(crate) layout: u32,
    pub(crate) bytes: u64,
    /// This version of the program reads it.
    pub(crate) current: bool,
}

/// Packed weights on disk: as they are, or as they were before all were removed.
pub(crate) struct Cached {
    pub(crate) entries: Vec<Entry>,
    pub(crate) folder: String,
    pub(crate) limit: u64,
    pub(crate) cleared: bool,
}

impl Cached {
    fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

/// As people say it.
pub(crate) fn size(bytes: u64) -> String {
    let scaled = |shift: u32, unit: &str| format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => scaled(10, "KiB"),
        0x10_0000..0x4000_0000 => scaled(20, "MiB"),
        _ => scaled(30, "GiB"),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl View for Cached {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if !self.entries.is_empty() {
            let mut grid = Grid::new([("model", Align::Left), ("size", Align::Right), ("layout", Align::Right)]);
            for entry in &self.entries {
                let layout =
                    if entry.current { entry.layout.to_string() } else { format!("{}, not ours", entry.layout) };
                grid.row([short(&hex::encode(&entry.model)), &mebibytes(entry.bytes), &layout]);
            }
            page.grid(grid);
        }
        let (count, bytes) = (self.entries.len(), mebibytes(self.bytes()));
        page.text(match (self.cleared, self.limit) {
            (true, _) => format!("{count} removed, {bytes}, from {}", self.folder),
            (false, 0) => format!("{count} kept, {bytes}, in {}; packed-cache is 0, so none are used", self.folder),
            (false, limit) => format!("{count} kept, {bytes} of at most {}, in {}", mebibytes(limit), self.folder),
        });
        page
    }

    fn json(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "model_sha256": hex::encode(&entry.model),
                    "layout": entry.layout,
                    "bytes": entry.bytes,
                    "current": entry.current,
                })
            })
            .collect();
        json!({
            "folder": self.folder,
            "limit_bytes": self.limit,
            "bytes": self.bytes(),
            "removed": self.cleared,
            "entries": entries,
        })
    }
}
