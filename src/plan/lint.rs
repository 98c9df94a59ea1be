//! Runs rules over a plan, and honours `# bizra: allow BZ301 reason`.
//!
//! An exception counts for the line it ends, or for the line below it. It needs a reason, is listed with what it hid,
//! and is itself a finding when it hides nothing.

use std::collections::{HashMap, HashSet};

use super::finding::{Code, Finding, Report, Rule, Severity};
use super::names;
use super::schema::{Class, Criterion, Day, Item, Package, Phase, Plan, Progress, Task};
use super::source::{Source, Span};
use super::tree::Comment;

pub const ALLOW_RULE: Code = Code(2);

/// A plan under lint, and the ways through it that rules share.
pub struct Linted<'a> {
    pub plan: &'a Plan,
    pub source: &'a Source,
    items: HashMap<&'a str, &'a Item>,
    packages: HashMap<&'a str, (usize, &'a Package)>,
}

/// An exception that was made, and how many findings it hid.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub code: Code,
    pub reason: String,
    pub span: Span,
    pub hidden: Vec<Finding>,
}

#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub findings: Vec<Finding>,
    pub allowed: Vec<Allowed>,
}

impl<'a> Linted<'a> {
    pub fn new(plan: &'a Plan, source: &'a Source) -> Self {
        let mut items = HashMap::new();
        for item in &plan.items {
            items.insert(item.id.value.0.as_str(), item);
            items.extend(item.parts.iter().map(|part| (part.id.value.0.as_str(), item)));
        }
        let packages = plan
            .phases
            .iter()
            .chain(&plan.tiers)
            .enumerate()
            .flat_map(|(n, phase)| phase.packages.iter().map(move |p| (p.id.value.0.as_str(), (n, p))))
            .collect();
        Linted { plan, source, items, packages }
    }

    pub fn phases(&self) -> impl Iterator<Item = &'a Phase> + use<'a> {
        self.plan.phases.iter().chain(&self.plan.tiers)
    }

    pub fn packages(&self) -> impl Iterator<Item = &'a Package> + use<'a> {
        self.phases().flat_map(|p| &p.packages)
    }

    pub fn tasks(&self) -> impl Iterator<Item = &'a Task> + use<'a> {
        names::tasks(self.plan)
    }

    pub fn criteria(&self) -> impl Iterator<Item = &'a Criterion> + use<'a> {
        names::criteria(self.plan)
    }

    /// The item of this id, or the one that has a part of this id.
    pub fn item(&self, id: &str) -> Option<&'a Item> {
        self.items.get(id).copied()
    }

    /// The package of this id, and the number of its phase.
    pub fn package(&self, id: &str) -> Option<(usize, &'a Package)> {
        self.packages.get(id).copied()
    }

    /// The first day on which an item, and each of its parts, is reported at 100 %.
    pub fn completion(&self, item: &Item) -> Option<u32> {
        let first = |hit: &dyn Fn(&Progress) -> bool| {
            let whole = |day: &&Day| day.progress.iter().any(|p| p.percent.value.is_whole() && hit(p));
            self.plan.days.iter().filter(whole).map(|d| d.n.value).min()
        };
        let whole = first(&|p| p.part.is_none() && p.item.as_ref().is_some_and(|i| i.value == item.id.value));
        if whole.is_some() || item.parts.is_empty() {
            return whole;
        }
        let parts = item.parts.iter().map(|part| first(&|p| p.part.as_ref().is_some_and(|i| i.value == part.id.value)));
        parts.collect::<Option<Vec<u32>>>()?.into_iter().max()
    }

    pub fn class(&self, status: &str) -> Class {
        match self.plan.vocab.as_ref().and_then(|v| v.status.get(status)) {
            Some(known) => known.class.value,
            None => match status {
                "done" => Class::Done,
                "active" => Class::Doing,
                "blocked" => Class::Blocked,
                _ => Class::Todo,
            },
        }
    }

    /// The status of a package or item, where it has one.
    pub fn class_of(&self, id: &str) -> Option<Class> {
        let status = match self.package(id) {
            Some((_, package)) => package.status.as_ref(),
            None => self.item(id).and_then(|item| item.status.as_ref()),
        };
        status.map(|s| self.class(&s.value))
    }
}

/// What the rules say about one plan, in the order of its lines.
pub fn run(linted: &Linted<'_>, comments: &[Comment], rules: &[Rule]) -> Verdict {
    let mut report = Report { findings: Vec::new(), rule: (Code(0), Severity::Error) };
    for rule in rules {
        report.rule = (rule.code, rule.severity);
        (rule.check)(linted, &mut report);
    }
    let mut verdict = except(report, linted.source, comments, rules);
    verdict.findings.sort_by_key(|f| (f.span.start, f.code));
    verdict
}

fn except(mut report: Report, source: &Source, comments: &[Comment], rules: &[Rule]) -> Verdict {
    report.rule = (ALLOW_RULE, Severity::Error);
    let known: HashSet<Code> = rules.iter().map(|r| r.code).collect();
    let mut allowed: Vec<(usize, Allowed)> = Vec::new();
    for comment in comments {
        let Some(rest) = comment.text.trim_start_matches('#').trim().strip_prefix("bizra:") else { continue };
        let (word, rest) = split_word(rest);
        if word != "allow" {
            let found = report.find(comment.span, format!("`bizra: {word}` is no instruction"));
            found.fix("write `# bizra: allow BZ301 reason`, or drop `bizra:`");
            continue;
        }
        let (code, reason) = split_word(rest);
        match Code::parse(code).filter(|code| known.contains(code)) {
            None => report
                .find(comment.span, format!("there is no rule `{code}` to make an exception from"))
                .fix("name a rule that lint prints, such as BZ301"),
            Some(code) if reason.is_empty() => report
                .find(comment.span, format!("the exception from {code} gives no reason"))
                .fix(format!("say why: `# bizra: allow {code} reason`")),
            Some(code) => {
                let line = source.position(comment.span.start).0;
                let reason = reason.to_owned();
                allowed.push((line, Allowed { code, reason, span: comment.span, hidden: Vec::new() }));
            }
        }
    }
    let mut kept = Vec::with_capacity(report.findings.len());
    if allowed.is_empty() {
        kept = std::mem::take(&mut report.findings);
    }
    for finding in report.findings.drain(..) {
        let line = source.position(finding.span.start).0;
        let exception = allowed.iter_mut().find(|(at, a)| a.code == finding.code && (*at == line || *at + 1 == line));
        match exception {
            Some((_, exception)) => exception.hidden.push(finding),
            None => kept.push(finding),
        }
    }
    report.findings = kept;
    for (_, unused) in allowed.iter().filter(|(_, a)| a.hidden.is_empty()) {
        let found = report.find(unused.span, format!("the exception from {} hides nothing", unused.code));
        found.fix("remove it, or put it on the line of the finding or the one above");
    }
    Verdict { findings: report.findings, allowed: allowed.into_iter().map(|(_, a)| a).collect() }
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}
