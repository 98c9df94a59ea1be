//! What an audit found.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::View;
use crate::receipts::audit::{Judged, LogReport, Report};
use crate::receipts::finding::{Finding, Severity};
use crate::receipts::hex;
use crate::ui::{Line, Page, Tone};

pub(crate) struct Audited {
    pub(crate) path: PathBuf,
    pub(crate) report: Report,
    /// In a format of another program, where that was asked for.
    pub(crate) formatted: Option<String>,
}

impl Audited {
    fn judged_by(&self) -> String {
        match &self.report.judged_by {
            Judged::Policy { serial, signer, .. } => format!("policy: version {serial}, signed by {signer}"),
            Judged::OwnKeys => "policy: none; this machine's keys, for its own logs only".into(),
            Judged::Nothing => "policy: refused, so no key was judged".into(),
        }
    }
}

fn finding_line(finding: &Finding) -> Line {
    let tone = match finding.code.severity() {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Info => Tone::Dim,
    };
    let mut line = Line::new().text("  ").toned(tone, finding.code.name());
    if let Some(index) = finding.index {
        line = line.text(format!(" at {index}"));
    }
    if let Some(path) = &finding.path {
        line = line.text(format!(" in {path}"));
    }
    line.text(": ").text(&finding.detail).hanging(6)
}

fn log_line(log: &LogReport) -> Line {
    let bad = log.findings.iter().any(|f| f.code.severity() == Severity::Error);
    let (tone, word) = if bad { (Tone::Bad, "findings") } else { (Tone::Good, "intact") };
    let mut line = Line::new().column(tone, word, 8).text(format!("log {}, {} receipts", log.id, log.entries));
    if log.from > 0 {
        line = line.text(format!(", {} of them after the pin at {}", log.judged, log.from));
    }
    if log.pending > 0 {
        line = line.text(format!(", {} more not in git yet", log.pending));
    }
    line.hanging(9)
}

impl View for Audited {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if let Some(text) = &self.formatted {
            page.verbatim(text.clone());
            return page;
        }
        for log in &self.report.logs {
            page.line(log_line(log));
            for finding in &log.findings {
                page.line(finding_line(finding));
            }
            for (code, count) in &log.omitted {
                page.text(format!("  {code}: {count} more"));
            }
            for fork in &log.forks {
                page.line(Line::new().text("  ").toned(Tone::Bad, fork.to_string()).hanging(6));
                for note in &fork.notes {
                    for part in note.lines() {
                        page.text(format!("      {part}"));
                    }
                }
            }
        }
        for finding in &self.report.findings {
            page.line(finding_line(finding));
        }
        page.text(self.judged_by());
        page
    }

    fn json(&self) -> Value {
        let logs: Vec<Value> = self
            .report
            .logs
            .iter()
            .map(|log| {
                json!({
                    "id": log.id.to_string(),
                    "checkpoint": log.checkpoint.as_ref().map(|c| json!({ "size": c.size, "root": hex::encode(&c.root) })),
                    "from": log.from,
                    "receipts": log.entries,
                    "pending": log.pending,
                    "judged": log.judged,
                    "carried_sessions": log.carried_sessions,
                    "omitted": log.omitted.iter().map(|(code, n)| (code.name().to_owned(), json!(n))).collect::<serde_json::Map<_, _>>(),
                    "forks": log.forks.iter().map(|f| json!({
                        "size": f.size,
                        "roots": f.roots.map(|root| hex::encode(&root)),
                        "notes": f.notes,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        let findings: Vec<Value> = self
            .report
            .all_findings()
            .map(|(log, finding)| {
                json!({
                    "code": finding.code.name(),
                    "severity": finding.code.severity().name(),
                    "log": log.map(ToString::to_string),
                    "index": finding.index,
                    "path": finding.path,
                    "detail": finding.detail,
                })
            })
            .collect();
        let policy = match &self.report.judged_by {
            Judged::Policy { serial, signer, digest } => {
                json!({ "serial": serial, "signed_by": signer.to_string(), "digest": hex::encode(digest) })
            }
            Judged::OwnKeys | Judged::Nothing => Value::Null,
        };
        json!({
            "ledger": self.path.to_string_lossy(),
            "policy": policy,
            "logs": logs,
            "findings": findings,
            "faults": self.report.faults,
            "formatted": self.formatted,
        })
    }
}
