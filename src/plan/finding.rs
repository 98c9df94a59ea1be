//! What lint says: a rule, where, what is there against what would be right, and how to settle it.

use std::fmt;

use super::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Follows from the fields alone: it can't be true.
    Error,
    /// Can be meant, and then deserves a word.
    Warning,
    /// A guess, or something that is missing.
    Info,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// The number of a rule: `BZ301`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BZ{:03}", self.0)
    }
}

impl Code {
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.strip_prefix("BZ").filter(|d| d.len() == 3)?;
        digits.parse().ok().map(Code)
    }
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub span: Span,
    /// The other place that it contradicts, and what stands there.
    pub other: Option<(Span, String)>,
    /// What is stated, against what follows from the rest.
    pub stated: Option<String>,
    pub computed: Option<String>,
    pub fix: String,
}

/// A check of one plan.
#[derive(Clone, Copy)]
pub struct Rule {
    pub code: Code,
    pub severity: Severity,
    pub title: &'static str,
    pub check: fn(&super::Linted<'_>, &mut Report),
}

/// Collects what the rules find; the rule at work is filled in.
pub struct Report {
    pub findings: Vec<Finding>,
    pub rule: (Code, Severity),
}

impl Report {
    pub fn find(&mut self, span: Span, message: impl Into<String>) -> Found<'_> {
        self.findings.push(Finding {
            code: self.rule.0,
            severity: self.rule.1,
            message: message.into(),
            span,
            other: None,
            stated: None,
            computed: None,
            fix: String::new(),
        });
        Found(self.findings.last_mut().expect("invariant: one was just pushed"))
    }
}

pub struct Found<'a>(&'a mut Finding);

impl Found<'_> {
    #[must_use]
    pub fn against(self, span: Span, what: impl Into<String>) -> Self {
        self.0.other = Some((span, what.into()));
        self
    }

    #[must_use]
    pub fn numbers(self, stated: impl fmt::Display, computed: impl fmt::Display) -> Self {
        self.0.stated = Some(stated.to_string());
        self.0.computed = Some(computed.to_string());
        self
    }

    pub fn fix(self, fix: impl Into<String>) {
        self.0.fix = fix.into();
    }
}
