//! A report for machines that have a format of their own: SARIF 2.1.0, and GitHub's annotations.

use serde_json::{Value, json};

use super::super::finding::{Code, Finding, Severity};
use super::super::log::LogId;
use super::Report;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One SARIF document, whatever was found.
pub fn sarif(report: &Report, version: &str) -> String {
    let mut codes: Vec<Code> = report.all_findings().map(|(_, finding)| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = report.all_findings().map(|(log, finding)| result(&codes, log, finding)).collect();
    let exit = report.exit();
    let faults: Vec<Value> =
        report.faults.iter().map(|fault| json!({"level": "error", "message": {"text": plain(fault)}})).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "bizra", "semanticVersion": version, "rules": rules}},
            "invocations": [{
                "executionSuccessful": report.faults.is_empty(),
                "exitCode": exit,
                "toolExecutionNotifications": faults,
            }],
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(code: Code) -> Value {
    json!({"id": code.name(), "defaultConfiguration": {"level": level(code.severity())}})
}

fn result(codes: &[Code], log: Option<&LogId>, finding: &Finding) -> Value {
    let mut place = json!({});
    if let Some(path) = &finding.path {
        place["physicalLocation"] = json!({"artifactLocation": {"uri": uri(path)}});
    }
    if let Some(log) = log {
        let name = finding.index.map_or_else(|| log.to_string(), |index| format!("{log}/{index}"));
        place["logicalLocations"] = json!([{"fullyQualifiedName": name}]);
    }
    json!({
        "ruleId": finding.code.name(),
        "ruleIndex": codes.binary_search(&finding.code).unwrap_or_default(),
        "level": level(finding.code.severity()),
        "message": {"text": plain(&finding.detail)},
        "locations": [place],
        "properties": {"code": finding.code.name(), "index": finding.index, "path": finding.path.as_deref().map(plain)},
    })
}

/// A relative URI reference of any text.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// One workflow command a line: an annotation each.
pub fn github(report: &Report) -> String {
    let mut text = String::new();
    for (log, finding) in report.all_findings() {
        let level = match finding.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let file = finding.path.as_deref().map_or(String::new(), |path| format!(",file={}", property(&plain(path))));
        let title = property(&format!("receipts audit: {}", finding.code));
        let log = log.map_or(String::new(), |log| format!("log {log}: "));
        let message = data(&plain(&format!("{log}{finding}")));
        text.push_str(&format!("::{level} title={title}{file}::{message}\n"));
    }
    for fault in &report.faults {
        text.push_str(&format!("::error title=receipts audit::{}\n", data(&plain(fault))));
    }
    text
}

/// Without control characters and direction overrides: paths of a manipulated tree are not our text.
fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::Judged;
    use super::*;

    fn report(findings: Vec<Finding>) -> Report {
        Report { judged_by: Judged::OwnKeys, logs: Vec::new(), findings, faults: Vec::new(), require_history: false }
    }

    #[test]
    fn annotations_cannot_be_broken_out_of() {
        let hostile = Finding::new(Code::UnexpectedPath, "100% odd").at_path("a:b,c\n::error::x\u{202e}\u{1b}[31m");
        let text = github(&report(vec![hostile, Finding::new(Code::TimeRegress, "late").at_index(7)]));
        assert_eq!(
            text,
            "::error title=receipts audit%3A unexpected-path,file=a%3Ab%2Cc\u{fffd}%3A%3Aerror%3A%3Ax\u{fffd}\u{fffd}[31m\
             ::unexpected-path in a:b,c\u{fffd}::error::x\u{fffd}\u{fffd}[31m: 100%25 odd\n\
             ::warning title=receipts audit%3A time-regress::time-regress at 7: late\n"
        );
    }

    #[test]
    fn sarif_names_rule_level_and_place() {
        let finding = Finding::new(Code::Gap, "a \"quoted\" hole").at_index(4).at_path("tail/ü.json");
        let document: Value = serde_json::from_str(&sarif(&report(vec![finding]), "0.1.0")).unwrap();
        let result = &document["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "gap");
        assert_eq!(result["level"], "error");
        assert_eq!(result["message"]["text"], "a \"quoted\" hole");
        assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "tail/%C3%BC.json");
        assert_eq!(document["runs"][0]["invocations"][0]["exitCode"], 5);
        let empty: Value = serde_json::from_str(&sarif(&report(Vec::new()), "0.1.0")).unwrap();
        assert_eq!(empty["runs"][0]["results"], json!([]));
    }
}
