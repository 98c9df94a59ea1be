//! A run of tests that was attested.

use serde_json::{Value, json};

use super::View;
use crate::receipts::predicates::TestRun;
use crate::ui::{Line, Page, Tone};

pub(crate) struct Ran {
    pub(crate) run: TestRun,
    /// Files of the report that are not in the repository.
    pub(crate) unmatched: Vec<String>,
    pub(crate) files: usize,
    pub(crate) receipts: Vec<String>,
}

impl View for Ran {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let run = &self.run;
        let tone = if run.all_passed() { Tone::Good } else { Tone::Bad };
        page.line(
            Line::new()
                .toned(tone, if run.all_passed() { "passed" } else { "failed" })
                .text(format!(": {} tests passed, {} failed, {} skipped", run.passed, run.failed, run.skipped)),
        );
        page.line(
            Line::new()
                .text(format!(
                    "  {} units of code in {} files ran, resting on {} units of test code",
                    run.units.len(),
                    self.files,
                    run.tests.len()
                ))
                .hanging(4),
        );
        if let Some(killed) = run.killed {
            page.text(format!("  {}.{} % of planted faults were found", killed / 10, killed % 10));
        }
        if !self.unmatched.is_empty() {
            let first = self.unmatched.first().map_or("", String::as_str);
            page.line(
                Line::new()
                    .toned(
                        Tone::Warn,
                        format!("  {} files of the report are not tracked here: {first}", self.unmatched.len()),
                    )
                    .hanging(4),
            );
        }
        page
    }

    fn json(&self) -> Value {
        json!({
            "verdict": if self.run.all_passed() { "passed" } else { "failed" },
            "passed": self.run.passed,
            "failed": self.run.failed,
            "skipped": self.run.skipped,
            "units": self.run.units.len(),
            "test_units": self.run.tests.len(),
            "files": self.files,
            "unmatched": self.unmatched,
            "killed_thousandths": self.run.killed,
            "receipts": self.receipts,
        })
    }
}
