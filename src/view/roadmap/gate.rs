//! Decisions about gates: a table, JSON, JUnit, GitHub's annotations, Markdown.

use serde_json::{Value, json};

use super::super::View;
use super::{data, property, verbatim};
use crate::plan::gate::{Criterion, Decision, Judged, Outcome};
use crate::ui::{Line, Page, Tone, clean};
use crate::view::escape;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Junit,
    Github,
    Markdown,
}

pub(crate) struct Decided {
    pub(crate) decision: Decision,
    pub(crate) path: String,
    pub(crate) receipt: Option<String>,
}

pub(crate) struct Gated {
    pub(crate) decided: Vec<Decided>,
    pub(crate) explain: bool,
    pub(crate) format: Format,
    pub(crate) now: String,
    pub(crate) rev: Option<String>,
    /// How a decision is told in one line.
    pub(crate) headline: fn(&Decision) -> String,
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Met => Tone::Good,
        Outcome::Failed | Outcome::Untrusted => Tone::Bad,
        Outcome::Pending(_) => Tone::Warn,
    }
}

pub(crate) fn headline(decision: &Decision) -> String {
    let state = if decision.outcome == Outcome::Met { "open" } else { "closed" };
    let (met, all) = (decision.count("met"), decision.criteria.len());
    format!(
        "{}/{}: gate {state}, {met} of {all} criteria met (policy: {})",
        decision.plan, decision.phase, decision.policy
    )
}

/// What was wanted and found, of the parts that decide.
fn why(judged: &Judged) -> String {
    reasons(judged).join("; ")
}

/// The first few that differ.
pub(in crate::view) fn reasons(judged: &Judged) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for part in judged.deciding() {
        let reason = format!("{}: {}", part.wanted, part.found);
        if reasons.len() < 3 && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

impl Gated {
    fn table(&self) -> Page {
        let mut page = Page::new();
        for Decided { decision, .. } in &self.decided {
            page.line(Line::new().toned(tone(decision.outcome), (self.headline)(decision)).hanging(2));
            for criterion in &decision.criteria {
                self.criterion(criterion, &mut page);
            }
        }
        page
    }

    fn criterion(&self, criterion: &Criterion, page: &mut Page) {
        let judged = &criterion.judged;
        let head = Line::new().text("  ").column(tone(judged.outcome), judged.outcome.words(), 17);
        page.line(head.toned(Tone::Strong, &criterion.id).hanging(20));
        if self.explain {
            explain(judged, 4, page);
        } else if judged.outcome != Outcome::Met {
            for reason in reasons(judged) {
                page.line(Line::new().text("      ").text(reason).hanging(8));
            }
        }
        for warning in &judged.warnings {
            page.line(Line::new().toned(Tone::Warn, format!("      warning: {warning}")).hanging(8));
        }
        if let Some(next) = &judged.next {
            page.line(Line::new().toned(Tone::Dim, "      next: ").text(next).hanging(8));
        }
    }

    fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for Decided { decision, .. } in &self.decided {
            let name = escape::xml(&format!("{}/{}", decision.plan, decision.phase));
            let (all, failed) = (decision.criteria.len(), decision.count("failed"));
            let (errors, skipped) = (decision.count("untrusted"), decision.count("pending"));
            text += &format!(
                "  <testsuite name=\"{name}\" tests=\"{all}\" failures=\"{failed}\" errors=\"{errors}\" skipped=\"{skipped}\">\n"
            );
            for criterion in &decision.criteria {
                let judged = &criterion.judged;
                text += &format!("    <testcase classname=\"{name}\" name=\"{}\"", escape::xml(&criterion.id));
                let message = escape::xml(&format!("{}: {}", judged.outcome.words(), why(judged)));
                text += &match judged.outcome {
                    Outcome::Met => "/>\n".to_owned(),
                    Outcome::Failed => format!("><failure message=\"{message}\"/></testcase>\n"),
                    Outcome::Untrusted => format!("><error message=\"{message}\"/></testcase>\n"),
                    Outcome::Pending(_) => format!("><skipped message=\"{message}\"/></testcase>\n"),
                };
            }
            text += "  </testsuite>\n";
        }
        text + "</testsuites>\n"
    }

    fn github(&self) -> String {
        let mut text = String::new();
        for Decided { decision, path, .. } in &self.decided {
            for criterion in &decision.criteria {
                let level = match criterion.judged.outcome {
                    Outcome::Met => continue,
                    Outcome::Pending(_) => "warning",
                    _ => "error",
                };
                let message =
                    clean::one_line(&format!("{}: {}", criterion.judged.outcome.words(), why(&criterion.judged)))
                        .into_owned();
                let (path, title) = (property(path), property(&criterion.id));
                text += &format!("::{level} file={path},line={},title={title}::{}\n", criterion.line, data(&message));
            }
            text += &format!("::notice title=gate::{}\n", data(&clean::one_line(&(self.headline)(decision))));
        }
        text
    }

    /// For a step summary, a comment, or a page.
    fn markdown(&self) -> String {
        let mut text = String::new();
        for Decided { decision, receipt, .. } in &self.decided {
            text += &format!(
                "### {}\n\n| criterion | outcome | why | next |\n|---|---|---|---|\n",
                escape::markdown(&(self.headline)(decision))
            );
            for criterion in &decision.criteria {
                let judged = &criterion.judged;
                let next = judged.next.as_deref().unwrap_or("");
                text += &format!(
                    "| {} | {} | {} | {} |\n",
                    escape::markdown(&criterion.id),
                    judged.outcome.words(),
                    escape::markdown(&why(judged)),
                    escape::markdown(next)
                );
            }
            if let Some(receipt) = receipt {
                text += &format!("\nreceipt `{receipt}`\n");
            }
            text.push('\n');
        }
        text
    }
}

fn explain(judged: &Judged, depth: usize, page: &mut Page) {
    let mark = format!("{}{} ", " ".repeat(depth), judged.outcome.word());
    page.line(
        Line::new()
            .toned(tone(judged.outcome), mark)
            .text(format!("{}: {}", judged.wanted, judged.found))
            .hanging(depth + 4),
    );
    judged.parts.iter().for_each(|part| explain(part, depth + 2, page));
}

fn judged_json(judged: &Judged) -> Value {
    let mut value = json!({
        "outcome": judged.outcome.word(),
        "detail": judged.outcome.words(),
        "wanted": judged.wanted,
        "found": judged.found,
        "receipts": judged.receipts,
        "next": judged.next,
        "warnings": judged.warnings,
    });
    if !judged.parts.is_empty() {
        value["parts"] = judged.parts.iter().map(judged_json).collect();
    }
    value
}

pub(in crate::view) fn criterion_json(criterion: &Criterion) -> Value {
    let mut value = judged_json(&criterion.judged);
    value["id"] = criterion.id.as_str().into();
    value["line"] = criterion.line.into();
    value["ticked"] = criterion.ticked.into();
    value
}

impl View for Gated {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => self.table(),
            Format::Junit => verbatim(self.junit()),
            Format::Github => verbatim(self.github()),
            Format::Markdown => verbatim(self.markdown()),
        }
    }

    fn json(&self) -> Value {
        let gates: Vec<Value> = self
            .decided
            .iter()
            .map(|d| {
                json!({
                    "plan": d.decision.plan,
                    "file": d.path,
                    "phase": d.decision.phase,
                    "policy": d.decision.policy,
                    "outcome": d.decision.outcome.word(),
                    "receipt": d.receipt,
                    "criteria": d.decision.criteria.iter().map(criterion_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "now": self.now, "rev": self.rev, "gates": gates })
    }
}
