//! A model by its own words, and the memory that it needs.

use serde_json::{Value, json};

use super::size;
use crate::receipts::{Hash, hex};
use crate::ui::{Line, Page, Tone};
use crate::view::View;

pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
}

pub(crate) struct Template {
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
}

/// In bytes.
pub(crate) struct Memory {
    /// The positions that it is for.
    pub(crate) context: usize,
    pub(crate) weights: u64,
    pub(crate) cache: u64,
    pub(crate) activations: u64,
    pub(crate) total: u64,
    /// None where the system doesn't tell.
    pub(crate) available: Option<u64>,
}

pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) format: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<Hash>,
    /// What its makers call it.
    pub(crate) title: Option<String>,
    pub(crate) arch: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) parameters: Option<u64>,
    pub(crate) formats: Vec<Format>,
    pub(crate) vocabulary: Option<usize>,
    pub(crate) tokenizer: Option<String>,
    pub(crate) trained_context: Option<usize>,
    pub(crate) layers: Option<usize>,
    pub(crate) template: Option<Template>,
    pub(crate) memory: Option<Memory>,
    /// Why it can't be run.
    pub(crate) refused: Option<String>,
}

/// 1.1 B, 135 M, 26 k.
fn count(number: u64) -> String {
    let scaled = |unit: f64, sign: &str| format!("{:.1} {sign}", number as f64 / unit);
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "B"),
    }
}

impl Shown {
    fn quantisation(&self) -> String {
        let all: u64 = self.formats.iter().map(|format| format.bytes).sum();
        let share = |format: &Format| {
            let percent = format.bytes as f64 * 100.0 / all.max(1) as f64;
            format!("{} {percent:.1}%", format.name)
        };
        self.formats.iter().map(share).collect::<Vec<_>>().join(", ")
    }
}

impl View for Shown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut row = |what: &str, text: Option<String>| {
            if let Some(text) = text {
                page.line(Line::new().column(Tone::Dim, what, 12).text(text).hanging(13));
            }
        };
        let whole = |number: Option<usize>| number.map(|n| n.to_string());
        row("model", Some(self.title.clone().unwrap_or_else(|| self.name.clone())));
        row("file", Some(self.path.clone()));
        row("format", Some(format!("{}, {}", self.format, size(self.bytes))));
        row("sha256", self.sha256.map(|hash| hex::encode(&hash)));
        row("architecture", self.arch.clone());
        row("parameters", self.parameters.map(count));
        row("weights", (!self.formats.is_empty()).then(|| self.quantisation()));
        row("layers", whole(self.layers));
        row("context", self.trained_context.map(|n| format!("trained for {n} tokens")));
        row(
            "vocabulary",
            self.vocabulary.map(|n| format!("{n} tokens ({})", self.tokenizer.clone().unwrap_or_default())),
        );
        let no_template = (self.refused.is_none()).then(|| "none: use --raw or --template".to_owned());
        row("template", self.template.as_ref().map(|t| format!("{} bytes", t.bytes)).or(no_template));
        row("licence", Some(self.licence.clone().unwrap_or_else(|| "not stated".to_owned())));
        if let Some(memory) = &self.memory {
            let parts = format!(
                "{} for {} tokens: {} weights, {} keys and values, {} buffers",
                size(memory.total),
                memory.context,
                size(memory.weights),
                size(memory.cache),
                size(memory.activations)
            );
            row("memory", Some(parts));
            let verdict = |available: u64| if available >= memory.total { "yes" } else { "no" };
            let fits = |available| format!("{}, {} are available", verdict(available), size(available));
            row("fits here", memory.available.map(fits));
        }
        row("can be run", self.refused.as_ref().map(|reason| format!("no: {reason}")));
        page
    }

    fn json(&self) -> Value {
        let memory = self.memory.as_ref().map(|memory| {
            json!({
                "context": memory.context,
                "weights_bytes": memory.weights,
                "cache_bytes": memory.cache,
                "activations_bytes": memory.activations,
                "total_bytes": memory.total,
                "available_bytes": memory.available,
            })
        });
        let format = |format: &Format| json!({ "format": format.name, "bytes": format.bytes });
        json!({
            "name": self.name,
            "path": self.path,
            "format": self.format,
            "bytes": self.bytes,
            "sha256": self.sha256.map(|hash| hex::encode(&hash)),
            "title": self.title,
            "arch": self.arch,
            "parameters": self.parameters,
            "weights": self.formats.iter().map(format).collect::<Vec<_>>(),
            "layers": self.layers,
            "trained_context": self.trained_context,
            "vocabulary": self.vocabulary,
            "tokenizer": self.tokenizer,
            "template": self.template.as_ref().map(|t| json!({ "sha256": t.sha256, "bytes": t.bytes })),
            "licence": self.licence,
            "memory": memory,
            "refused": self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_as_people_say_them() {
        let shown = [0, 999, 26_000, 135_000_000, 1_100_048_384].map(count);
        assert_eq!(shown, ["0", "999", "26.0 k", "135.0 M", "1.1 B"]);
    }
}
