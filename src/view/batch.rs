//! The answers of a batch, a line each, and what came of the whole.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::infer::Answer;
use super::{View, reasons};
use crate::error::{Error, Exit, Place};
use crate::receipts::{Hash, hex};
use crate::ui::Page;

/// What a line of the output says beside the answer.
pub(crate) struct Record<'r> {
    /// Of the input, from 1.
    pub(crate) line: usize,
    pub(crate) id: &'r Value,
    /// SHA-256 of the input's line.
    pub(crate) input: Hash,
    pub(crate) settings: &'r str,
}

impl Record<'_> {
    pub(crate) fn answered(&self, answer: &Answer, cut: Option<Error>, receipt: Option<&str>) -> Value {
        let exit = Exit::decide(cut.iter().map(|cut| cut.exit));
        self.with(exit, cut.as_slice(), receipt, answer.json())
    }

    pub(crate) fn refused(&self, error: &Error) -> Value {
        self.with(error.exit, std::slice::from_ref(error), None, Value::Null)
    }

    fn with(&self, exit: Exit, why: &[Error], receipt: Option<&str>, result: Value) -> Value {
        json!({
            "line": self.line,
            "id": self.id,
            "exit": exit.code(),
            "reasons": reasons(why),
            "receipt": receipt,
            "result": result,
            "input": hex::encode(&self.input),
            "settings": self.settings,
        })
    }
}

pub(crate) struct Summary {
    pub(crate) lines: usize,
    /// Those of an earlier run included.
    pub(crate) answered: usize,
    pub(crate) resumed: usize,
    /// Numbers of lines.
    pub(crate) refused: Vec<usize>,
    /// None where the answers went to stdout.
    pub(crate) output: Option<String>,
    pub(crate) model: String,
    pub(crate) digest: Option<Hash>,
    pub(crate) prompt_tokens: usize,
    pub(crate) generated_tokens: usize,
    pub(crate) took: Duration,
    pub(crate) parallel: usize,
}

impl Summary {
    pub(crate) fn line(&self) -> String {
        let place = self.output.as_ref().map_or(String::new(), |path| format!(" in {path}"));
        let before = if self.resumed > 0 { format!(", {} of them before", self.resumed) } else { String::new() };
        let seconds = self.took.as_secs_f64();
        let speed = if self.generated_tokens > 0 && seconds > 0.0 {
            format!("; {} tokens in {seconds:.1} s", self.generated_tokens)
        } else {
            String::new()
        };
        format!("{} of {} lines answered{place}{before}{speed}", self.answered, self.lines)
    }

    pub(crate) fn refusal(&self, file: &Path) -> Error {
        const SHOWN: usize = 10;
        let mut refused = self.refused.clone();
        refused.sort_unstable();
        let mut numbers: Vec<String> = refused.iter().take(SHOWN).map(usize::to_string).collect();
        if refused.len() > SHOWN {
            numbers.push("…".into());
        }
        let (what, has) = if refused.len() == 1 { ("line", "has") } else { ("lines", "have") };
        Error::invalid(format!("{} {what} {has} no answer: {}", refused.len(), numbers.join(", ")))
            .at(Place::file(file))
            .hint("why stands in the output's `reasons`; mended lines are asked again with --resume")
    }
}

impl View for Summary {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.output.is_some() {
            page.text(self.line());
        }
        page
    }

    fn json(&self) -> Value {
        json!({
            "lines": self.lines,
            "answered": self.answered,
            "resumed": self.resumed,
            "refused": self.refused,
            "output": self.output,
            "model": { "name": self.model, "sha256": self.digest.map(|digest| hex::encode(&digest)) },
            "usage": { "prompt_tokens": self.prompt_tokens, "generated_tokens": self.generated_tokens },
            "seconds": self.took.as_secs_f64(),
            "parallel": self.parallel,
        })
    }
}
