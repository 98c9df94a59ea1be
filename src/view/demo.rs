//! What the demo did: shown while it ran, so that here only its end is told; for programs, every step.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::View;
use crate::ui::{Line, Page, Tone};

pub(crate) struct Step {
    pub(crate) why: &'static str,
    pub(crate) command: String,
    /// None where a signal ended it.
    pub(crate) exit: Option<i32>,
    pub(crate) expected: u8,
    pub(crate) seconds: f64,
    pub(crate) said: String,
}

impl Step {
    pub(crate) fn as_expected(&self) -> bool {
        self.exit == Some(self.expected.into())
    }

    pub(crate) fn ended(&self) -> String {
        self.exit.map_or_else(|| "a signal".to_owned(), |code| code.to_string())
    }
}

pub(crate) struct Played {
    pub(crate) steps: Vec<Step>,
    pub(crate) of: usize,
    pub(crate) kept: Option<PathBuf>,
}

impl View for Played {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.blank();
        let seconds: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let good = self.steps.iter().filter(|step| step.as_expected()).count();
        let tone = if good == self.of { Tone::Good } else { Tone::Bad };
        page.line(Line::new().toned(tone, format!("{good} of {} steps ended as expected, in {seconds:.1} s", self.of)));
        match &self.kept {
            Some(folder) => page.text(format!("the folder is kept: {}", folder.display())),
            None => page.text("your own project: bizra init"),
        }
        page
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|s| {
                json!({
                    "why": s.why,
                    "command": s.command,
                    "exit": s.exit,
                    "expected": s.expected,
                    "seconds": (s.seconds * 1000.0).round() / 1000.0,
                    "said": s.said,
                })
            })
            .collect();
        json!({ "steps": steps, "of": self.of, "folder": self.kept.as_ref().map(|f| f.display().to_string()) })
    }
}
