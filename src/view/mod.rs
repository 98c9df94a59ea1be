//! How reports look: for people as a page, for programs as JSON.
//!
//! A file here has the name of the command whose report it shows. JSON is a promise to scripts, so it is written out
//! here by hand and not derived from domain types, which may change.

pub(crate) mod attest;
pub(crate) mod attest_tests;
pub(crate) mod batch;
pub(crate) mod bench;
pub(crate) mod bench_formats;
pub(crate) mod bench_history;
mod bench_plot;
pub(crate) mod bench_replay;
pub(crate) mod bench_report;
pub(crate) mod chart;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod embed;
pub(crate) mod entropy;
pub(crate) mod entropy_report;
pub(crate) mod escape;
pub(crate) mod infer;
pub(crate) mod init;
pub(crate) mod kernel;
pub(crate) mod kernel_claims;
pub(crate) mod kernel_selftest;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod quantize;
pub(crate) mod receipts;
pub(crate) mod receipts_audit;
pub(crate) mod receipts_proof;
pub(crate) mod replay;
pub(crate) mod roadmap;
pub(crate) mod session;
pub(crate) mod sheet;
pub(crate) mod sprint;
pub(crate) mod standup;
pub(crate) mod tokens;
pub(crate) mod trust;

use serde_json::{Map, Value, json};

use crate::about;
use crate::error::Error;
use crate::ui::Page;

pub(crate) trait View {
    fn page(&self) -> Page;
    fn json(&self) -> Value;
}

/// A text that another program reads.
pub(crate) struct Script {
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl View for Script {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.verbatim(self.text.clone());
        page
    }

    fn json(&self) -> Value {
        json!({ "kind": self.kind, "text": self.text })
    }
}

/// What `bizra --version` tells, for programs.
pub(crate) fn version() -> Value {
    json!({
        "version": about::VERSION,
        "commit": about::full_commit(),
        "target": about::TARGET,
        "features": about::FEATURES,
        "instruction_sets": about::instruction_sets(),
    })
}

/// `reasons` of the JSON document.
pub(crate) fn reasons(errors: &[Error]) -> Value {
    errors.iter().map(reason).collect()
}

fn reason(error: &Error) -> Value {
    let mut reason = Map::new();
    reason.insert("code".into(), error.exit.code().into());
    reason.insert("word".into(), error.exit.word().into());
    reason.insert("message".into(), error.message.clone().into());
    if let Some(place) = &error.place {
        reason.insert("file".into(), place.file.to_string_lossy().into());
        if let Some((line, column)) = place.at {
            reason.insert("line".into(), line.into());
            reason.insert("column".into(), column.into());
        }
    }
    if !error.causes.is_empty() {
        reason.insert("causes".into(), error.causes.clone().into());
    }
    if !error.hints.is_empty() {
        reason.insert("hints".into(), error.hints.clone().into());
    }
    Value::Object(reason)
}

/// As many digits of an id as a table has room for; commands take them for the whole.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
