//! A text as a model reads it.

use serde_json::{Value, json};

use super::View;
use crate::ui::{Align, Grid, Page};

pub(crate) struct Piece {
    pub(crate) id: u32,
    /// As the vocabulary writes it.
    pub(crate) spelling: String,
    /// What it stands for.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Pieces {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) tokenizer: String,
    /// Of the text.
    pub(crate) bytes: usize,
    pub(crate) count: bool,
    pub(crate) ids: bool,
}

impl View for Pieces {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.count {
            page.text(self.pieces.len().to_string());
        } else if self.ids {
            let ids: Vec<String> = self.pieces.iter().map(|p| p.id.to_string()).collect();
            page.verbatim(format!("{}\n", ids.join(" ")));
        } else {
            let mut grid = Grid::new([("id", Align::Right), ("token", Align::Left), ("text", Align::Left)]);
            for piece in &self.pieces {
                let text = String::from_utf8_lossy(&piece.bytes);
                grid.row([&piece.id.to_string(), &piece.spelling, &format!("{text:?}")]);
            }
            page.grid(grid);
            page.text(format!("{} tokens for {} bytes ({})", self.pieces.len(), self.bytes, self.tokenizer));
        }
        page
    }

    fn json(&self) -> Value {
        let pieces: Vec<Value> =
            self.pieces.iter().map(|p| json!({ "id": p.id, "token": p.spelling, "bytes": p.bytes })).collect();
        json!({
            "count": self.pieces.len(),
            "ids": self.pieces.iter().map(|p| p.id).collect::<Vec<_>>(),
            "pieces": pieces,
            "text_bytes": self.bytes,
            "tokenizer": self.tokenizer,
        })
    }
}
