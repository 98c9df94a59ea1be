//! What this machine can do.

use serde_json::{Map, Value, json};

use super::View;
use crate::doctor::{Fact, Report, State};
use crate::ui::{Line, Page, Tone};

impl View for Report {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for check in &self.checks {
            let tone = match check.state {
                State::Ok => Tone::Good,
                State::Broken => Tone::Bad,
                State::Missing => Tone::Dim,
            };
            page.line(
                Line::new()
                    .column(tone, check.state.word(), 7)
                    .column(Tone::Strong, check.subject.word(), 10)
                    .text(&check.detail)
                    .hanging(19),
            );
            if let Some(hint) = &check.hint {
                page.line(
                    Line::new().text(" ".repeat(19)).toned(Tone::Dim, "hint: ").toned(Tone::Dim, hint).hanging(19),
                );
            }
        }
        page
    }

    fn json(&self) -> Value {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| {
                let facts: Map<String, Value> =
                    check.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact_value(fact))).collect();
                json!({
                    "subject": check.subject.word(),
                    "state": check.state.word(),
                    "core": check.subject.core(),
                    "required": self.required.contains(&check.subject),
                    "detail": check.detail,
                    "hint": check.hint,
                    "facts": facts,
                })
            })
            .collect();
        json!({ "checks": checks })
    }
}

fn fact_value(fact: &Fact) -> Value {
    match fact {
        Fact::Text(text) => text.as_str().into(),
        Fact::Count(n) => (*n).into(),
        Fact::Measure(x) => ((x * 100.0).round() / 100.0).into(),
        Fact::List(words) => words.clone().into(),
    }
}
