//! Findings about plans, schemas, and plans as text.

pub(crate) mod diff;
pub(crate) mod forecast;
pub(crate) mod gate;
pub(crate) mod graph;
pub(crate) mod next;
pub(crate) mod status;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::View;
use crate::plan::finding::{Finding, Rule, Severity};
use crate::plan::lint::{Allowed, Verdict};
use crate::plan::source::{Source, Span};
use crate::ui::clean;
use crate::ui::{Line, Page, Tone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Github,
    Sarif,
}

pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) verdict: Verdict,
}

pub(crate) struct Lint {
    pub(crate) checked: Vec<Checked>,
    /// Files that are no valid plan, as the user would type them.
    pub(crate) unread: Vec<PathBuf>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) format: Format,
}

impl Lint {
    fn all(&self) -> impl Iterator<Item = (&Source, &Finding)> {
        self.checked.iter().flat_map(|c| c.verdict.findings.iter().map(|f| (&c.source, f)))
    }

    fn allowed(&self) -> impl Iterator<Item = (&Source, &Allowed)> {
        self.checked.iter().flat_map(|c| c.verdict.allowed.iter().map(|a| (&c.source, a)))
    }

    fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        self.all().for_each(|(_, f)| counts[f.severity as usize] += 1);
        counts
    }

    fn summary(&self) -> String {
        let [errors, warnings, infos] = self.counts();
        let hidden: usize = self.allowed().map(|(_, a)| a.hidden.len()).sum();
        let plans = self.checked.len();
        let plans = if plans == 1 { "1 plan".to_owned() } else { format!("{plans} plans") };
        let allowed = if hidden > 0 { format!(", {hidden} allowed") } else { String::new() };
        match self.unread.len() {
            0 => format!("{plans}: {errors} errors, {warnings} warnings, {infos} notes{allowed}"),
            unread if self.checked.is_empty() => format!("no plan was checked: {unread} could not be read"),
            unread => format!(
                "{plans}: {errors} errors, {warnings} warnings, {infos} notes{allowed}; {unread} more could not be read"
            ),
        }
    }

    fn table(&self) -> Page {
        let mut page = Page::new();
        for (source, finding) in self.all() {
            let tone = match finding.severity {
                Severity::Error => Tone::Bad,
                Severity::Warning => Tone::Warn,
                Severity::Info => Tone::Dim,
            };
            let head = format!("{} ", finding.code);
            page.line(
                Line::new()
                    .toned(Tone::Strong, format!("{}: ", place(source, finding.span)))
                    .toned(tone, format!("{} ", finding.severity.word()))
                    .toned(tone, head)
                    .text(&finding.message)
                    .hanging(4),
            );
            if let (Some(stated), Some(computed)) = (&finding.stated, &finding.computed) {
                page.line(
                    Line::new()
                        .toned(Tone::Dim, "    stated ")
                        .text(stated)
                        .toned(Tone::Dim, ", follows ")
                        .text(computed)
                        .hanging(8),
                );
            }
            if let Some((span, what)) = &finding.other {
                page.line(
                    Line::new().toned(Tone::Dim, format!("    {}: ", place(source, *span))).text(what).hanging(8),
                );
            }
            page.line(Line::new().toned(Tone::Good, "    fix: ").text(&finding.fix).hanging(8));
        }
        for (source, allowed) in self.allowed().filter(|(_, a)| !a.hidden.is_empty()) {
            page.line(
                Line::new()
                    .toned(Tone::Dim, format!("{}: allowed {}: ", place(source, allowed.span), allowed.code))
                    .text(&allowed.reason)
                    .hanging(4),
            );
        }
        page.text(self.summary());
        page
    }

    /// Workflow commands, which GitHub shows beside the lines of a change.
    fn github(&self) -> String {
        let mut text = String::new();
        for (source, finding) in self.all() {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let (line, column) = source.position(finding.span.start);
            let path = property(&source.path.to_string_lossy());
            let message = data(&sentence(finding));
            text += &format!("::{level} file={path},line={line},col={column},title={}::{message}\n", finding.code);
        }
        text
    }

    fn sarif(&self) -> Value {
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.code.to_string(),
                    "shortDescription": { "text": rule.title },
                    "defaultConfiguration": { "level": level(rule.severity) },
                })
            })
            .collect();
        let result = |source: &Source, finding: &Finding, allowed: Option<&Allowed>| {
            let mut result = json!({
                "ruleId": finding.code.to_string(),
                "level": level(finding.severity),
                "message": { "text": sentence(finding) },
                "locations": [location(source, finding.span, None)],
            });
            if let Some((span, what)) = &finding.other {
                result["relatedLocations"] = json!([location(source, *span, Some(what))]);
            }
            if let Some(allowed) = allowed {
                result["suppressions"] = json!([{ "kind": "inSource", "justification": allowed.reason }]);
            }
            result
        };
        let mut results: Vec<Value> = self.all().map(|(source, finding)| result(source, finding, None)).collect();
        for (source, allowed) in self.allowed() {
            results.extend(allowed.hidden.iter().map(|finding| result(source, finding, Some(allowed))));
        }
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "bizra", "version": crate::about::VERSION, "rules": rules } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }
}

impl View for Lint {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => self.table(),
            Format::Github => verbatim(self.github()),
            Format::Sarif => verbatim(format!("{:#}\n", self.sarif())),
        }
    }

    fn json(&self) -> Value {
        let finding = |source: &Source, f: &Finding| {
            let mut value = json!({
                "code": f.code.to_string(),
                "severity": f.severity.word(),
                "message": f.message,
                "at": at(source, f.span),
                "stated": f.stated,
                "computed": f.computed,
                "fix": f.fix,
            });
            if let Some((span, what)) = &f.other {
                let mut other = at(source, *span);
                other["what"] = what.as_str().into();
                value["other"] = other;
            }
            value
        };
        let findings: Vec<Value> = self.all().map(|(s, f)| finding(s, f)).collect();
        let allowed: Vec<Value> = self
            .allowed()
            .map(|(s, a)| {
                let hidden: Vec<Value> = a.hidden.iter().map(|f| finding(s, f)).collect();
                json!({ "code": a.code.to_string(), "reason": a.reason, "at": at(s, a.span), "findings": hidden })
            })
            .collect();
        let [errors, warnings, notes] = self.counts();
        let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
        self.all().for_each(|(_, f)| *by_rule.entry(f.code.to_string()).or_default() += 1);
        let plans: Vec<Value> = self.checked.iter().map(|c| c.source.path.to_string_lossy().into()).collect();
        let unread: Vec<Value> = self.unread.iter().map(|path| path.to_string_lossy().into()).collect();
        json!({
            "plans": plans,
            "unread": unread,
            "counts": { "errors": errors, "warnings": warnings, "notes": notes },
            "by_rule": by_rule,
            "findings": findings,
            "allowed": allowed,
        })
    }
}

fn verbatim(text: String) -> Page {
    let mut page = Page::new();
    page.verbatim(text);
    page
}

fn place(source: &Source, span: Span) -> String {
    let (line, column) = source.position(span.start);
    format!("{}:{line}:{column}", source.path.display())
}

fn at(source: &Source, span: Span) -> Value {
    let ((line, column), (end_line, end_column)) = (source.position(span.start), source.position(span.end));
    json!({ "file": source.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn location(source: &Source, span: Span, what: Option<&str>) -> Value {
    let ((line, column), (end_line, end_column)) = (source.position(span.start), source.position(span.end));
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": source.path.to_string_lossy().replace('\\', "/") },
            "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
        }
    });
    if let Some(what) = what {
        location["message"] = json!({ "text": clean::one_line(what) });
    }
    location
}

fn sentence(finding: &Finding) -> String {
    let numbers = match (&finding.stated, &finding.computed) {
        (Some(stated), Some(computed)) => format!(" (stated {stated}, follows {computed})"),
        _ => String::new(),
    };
    clean::one_line(&format!("{}{numbers}. {}.", finding.message, finding.fix)).into_owned()
}

/// As the command's syntax wants it: percent signs, line ends, and in properties also colons and commas.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A plan or Markdown, to be put into a file. Our own form, with what others wrote inside it made safe.
pub(crate) struct Text {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

impl View for Text {
    fn page(&self) -> Page {
        verbatim(clean::lines(&self.text).into_owned())
    }

    fn json(&self) -> Value {
        json!({ "kind": self.kind, "text": self.text })
    }
}

pub(crate) struct Schema {
    pub(crate) kind: &'static str,
    pub(crate) schema: Value,
}

impl View for Schema {
    fn page(&self) -> Page {
        verbatim(format!("{:#}\n", self.schema))
    }

    fn json(&self) -> Value {
        json!({ "kind": self.kind, "schema": self.schema })
    }
}
