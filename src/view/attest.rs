//! A person's signed word.

use serde_json::{Value, json};

use super::View;
use crate::receipts::predicates::Attestation;
use crate::receipts::statement::Subject;
use crate::ui::{Line, Page, Tone};

pub(crate) struct Attested {
    pub(crate) id: String,
    pub(crate) recorded_in: String,
    pub(crate) index: u64,
    pub(crate) key: String,
    pub(crate) word: Attestation,
    pub(crate) subjects: Vec<Subject>,
}

impl View for Attested {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut line = Line::new().toned(Tone::Strong, &self.word.role);
        if let Some(score) = &self.word.score {
            line = line.text(format!(" gives {} of {}", score.value.as_str(), score.of.as_str()));
        }
        if let Some(statement) = &self.word.statement {
            line = line.text(": ").text(statement);
        }
        page.line(line.hanging(2));
        for subject in &self.subjects {
            let digest = subject.digest("sha256").unwrap_or_default();
            page.line(
                Line::new()
                    .text(format!("  {} ", subject.name))
                    .toned(Tone::Dim, format!("sha256 {digest}"))
                    .hanging(4),
            );
        }
        page.line(Line::new().text(format!("  receipt {}", self.id)).hanging(4));
        page
    }

    fn json(&self) -> Value {
        let subjects: Vec<Value> =
            self.subjects.iter().map(|s| json!({ "name": s.name, "sha256": s.digest("sha256") })).collect();
        json!({
            "role": self.word.role,
            "statement": self.word.statement,
            "score": self.word.score.as_ref().map(|s| json!({ "value": s.value.as_str(), "of": s.of.as_str() })),
            "subjects": subjects,
            "key": self.key,
            "log": self.recorded_in,
            "index": self.index,
        })
    }
}
