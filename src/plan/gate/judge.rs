//! One criterion under judgement: the walk through its evidence, and the leaves that need no receipt.

use jiff::Timestamp;

use super::matter::Matter;
use super::outcome::{Outcome, Pending};
use super::{Inputs, Ran};
use crate::error::Error;
use crate::plan::evidence::{Command, Evidence, File, Node};
use crate::plan::schema::{Criterion, Plan};
use crate::plan::source::Source;

/// How long a command may take where the plan doesn't say.
const DEFAULT_LIMIT: std::time::Duration = std::time::Duration::from_secs(300);
/// Approvals may wait for criteria that hold approvals. Deeper than this nobody means it.
const MAX_WAITING: u32 = 8;
const SHOWN_OUTPUT: usize = 300;

/// How the parts of evidence make the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Leaf,
    All,
    AtLeast(usize),
    Not,
}

impl Rule {
    fn decide(self, parts: &[Outcome]) -> Outcome {
        match self {
            Rule::Leaf | Rule::All => Outcome::all(parts),
            Rule::AtLeast(1) => Outcome::any(parts),
            Rule::AtLeast(n) => Outcome::at_least(n, parts),
            Rule::Not => parts[0].negated(),
        }
    }
}

/// How a piece of evidence ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub outcome: Outcome,
    /// What was asked for.
    pub wanted: String,
    /// What was found instead or indeed.
    pub found: String,
    /// The receipts that decided, by id.
    pub receipts: Vec<String>,
    /// What would bring it further.
    pub next: Option<String>,
    pub warnings: Vec<String>,
    pub rule: Rule,
    pub parts: Vec<Judged>,
    /// When the newest receipt behind it was made.
    pub time: Option<Timestamp>,
}

impl Judged {
    pub fn new(outcome: Outcome, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Judged {
            outcome,
            wanted: wanted.into(),
            found: found.into(),
            receipts: Vec::new(),
            next: None,
            warnings: Vec::new(),
            rule: Rule::Leaf,
            parts: Vec::new(),
            time: None,
        }
    }

    pub fn missing(wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Judged::new(Outcome::Pending(Pending::Missing), wanted, found)
    }

    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    /// The parts that decide: those whose outcome is the whole's, down to the leaves.
    pub fn deciding(&self) -> Vec<&Judged> {
        if self.parts.is_empty() {
            return vec![self];
        }
        let alike = |part: &&Judged| part.outcome.word() == self.outcome.word();
        let some: Vec<&Judged> = self.parts.iter().filter(alike).flat_map(Judged::deciding).collect();
        if some.is_empty() { self.parts.iter().flat_map(Judged::deciding).collect() } else { some }
    }
}

pub(super) struct Court<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: &'a Source,
    /// What approvals may wait for, beside the evidence of their own criterion.
    pub(super) beside: &'a [Criterion],
    pub(super) inputs: &'a Inputs<'a>,
}

impl<'a> Court<'a> {
    /// `waiting` counts the criteria whose approvals wait for this one.
    pub(super) fn judge(&self, matter: &Matter<'a>, waiting: u32) -> Result<Judged, Error> {
        if waiting > MAX_WAITING {
            return Ok(Judged::missing("evidence that rests on something", "the criteria wait for each other")
                .next("remove one of the `after` that lead in a circle"));
        }
        match matter.evidence {
            Some(evidence) => self.evidence(evidence, matter, waiting, false),
            None => {
                let found = if matter.ticked { "a tick, which is no evidence" } else { "nothing" };
                Ok(Judged::missing("evidence", found)
                    .next(format!("say in the plan what would show `{}`: `evidence: …`", matter.id)))
            }
        }
    }

    /// `negated` is what stands below a `not`: there a file that isn't there is all that is asked for.
    fn evidence(&self, evidence: &'a Evidence, of: &Matter<'a>, waiting: u32, negated: bool) -> Result<Judged, Error> {
        let several = |parts: &'a [Evidence]| -> Result<Vec<Judged>, Error> {
            parts.iter().map(|part| self.evidence(part, of, waiting, negated)).collect()
        };
        match &evidence.node {
            Node::All(parts) => Ok(combined("all", Rule::All, several(parts)?)),
            Node::Any(parts) => Ok(combined("any", Rule::AtLeast(1), several(parts)?)),
            Node::AtLeast(some) => {
                let n = some.n.value as usize;
                let name = format!("at least {n} of {}", some.of.len());
                Ok(combined(&name, Rule::AtLeast(n), several(&some.of)?))
            }
            Node::Not(inner) => Ok(combined("not", Rule::Not, vec![self.evidence(inner, of, waiting, !negated)?])),
            Node::Receipt(demand) => self.receipt(demand),
            Node::Metric(demand) => self.metric(demand),
            Node::Approval(demand) => self.approval(demand, of, waiting),
            Node::Attest(demand) => self.attest(demand),
            Node::File(demand) => self.file(demand, negated),
            Node::Command(demand) => self.command(demand),
        }
    }

    fn file(&self, demand: &File, negated: bool) -> Result<Judged, Error> {
        let path = demand.path.value.as_str();
        let mut wanted = format!("file {path}");
        if let Some(least) = &demand.min_bytes {
            wanted += &format!(", at least {} bytes", least.value);
        }
        if let Some(digest) = &demand.sha256 {
            wanted += &format!(", SHA-256 {}", short(&digest.value));
        }
        let files = self.inputs.files.matching(&[path], false)?;
        let Some(first) = files.first() else {
            let none = "there is no such file";
            return Ok(match negated {
                true => Judged::new(Outcome::Failed, wanted, none),
                false => Judged::missing(wanted, none).next(format!("write {path}")),
            });
        };
        // An empty file shows nothing, and yet it is there.
        let least = demand.min_bytes.as_ref().map_or(u64::from(!negated), |b| u64::from(b.value));
        if let Some(small) = files.iter().find(|f| f.bytes < least) {
            let found = format!("{} has {} bytes", small.path, small.bytes);
            return Ok(Judged::new(Outcome::Failed, wanted, found).next(format!("write at least {least} bytes")));
        }
        if let Some(digest) = &demand.sha256
            && let Some(other) = files.iter().find(|f| !f.sha256.eq_ignore_ascii_case(&digest.value))
        {
            let found = format!("{} has SHA-256 {}", other.path, short(&other.sha256));
            return Ok(Judged::new(Outcome::Failed, wanted, found).next("restore the file, or correct the plan"));
        }
        Ok(Judged::new(Outcome::Met, wanted, format!("{} bytes, SHA-256 {}", first.bytes, short(&first.sha256))))
    }

    fn command(&self, demand: &Command) -> Result<Judged, Error> {
        let argv: Vec<&str> = demand.run.iter().map(|word| word.value.as_str()).collect();
        let expected = demand.exit.as_ref().map_or(0, |e| e.value);
        let limit = demand.timeout.as_ref().map_or(DEFAULT_LIMIT, |t| t.value.0);
        let wanted = format!("`{}` ends with {expected} within {} s", argv.join(" "), limit.as_secs());
        Ok(match self.inputs.commands.run(&argv, limit)? {
            Ran::Refused { why, next } => Judged::missing(wanted, why).next(next),
            Ran::CannotStart(why) => {
                Judged::missing(wanted, format!("it can't be started: {why}")).next(format!("install {}", argv[0]))
            }
            Ran::TimedOut { output } => {
                let found = format!("it took longer than {} s{}", limit.as_secs(), tail(&output));
                Judged::new(Outcome::Failed, wanted, found).next("make it faster, or allow more time in the plan")
            }
            Ran::Ended { code: Some(code), .. } if i64::from(code) == i64::from(expected) => {
                Judged::new(Outcome::Met, wanted, format!("it ended with {code}"))
            }
            Ran::Ended { code, output } => {
                let end = code.map_or("was ended by a signal".to_owned(), |c| format!("ended with {c}"));
                Judged::new(Outcome::Failed, wanted, format!("it {end}{}", tail(&output)))
                    .next(format!("run `{}` and mend what it says", argv.join(" ")))
            }
        })
    }
}

pub(super) fn combined(name: &str, rule: Rule, parts: Vec<Judged>) -> Judged {
    let outcomes: Vec<Outcome> = parts.iter().map(|p| p.outcome).collect();
    let count = |word| outcomes.iter().filter(|o| o.word() == word).count();
    let words = ["met", "failed", "pending", "untrusted"];
    let found: Vec<String> =
        words.iter().map(|w| (w, count(*w))).filter(|(_, n)| *n > 0).map(|(w, n)| format!("{n} {w}")).collect();
    let mut judged = Judged::new(rule.decide(&outcomes), name, found.join(", "));
    judged.rule = rule;
    judged.time = parts.iter().filter_map(|p| p.time).max();
    for part in &parts {
        judged.warnings.extend(part.warnings.iter().cloned());
        for id in &part.receipts {
            if !judged.receipts.contains(id) {
                judged.receipts.push(id.clone());
            }
        }
    }
    let alike = parts.iter().filter(|p| p.outcome.word() == judged.outcome.word());
    let step = alike.filter_map(|p| p.next.clone()).next();
    judged.next = match judged.outcome {
        Outcome::Met => None,
        _ => step.or_else(|| Some("change what is shown, or what the plan asks for".to_owned())),
    };
    judged.parts = parts;
    judged
}

pub(super) fn short(digits: &str) -> &str {
    digits.get(..12).unwrap_or(digits)
}

/// The end of what a command said.
fn tail(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() {
        return String::new();
    }
    let skip = output.chars().count().saturating_sub(SHOWN_OUTPUT);
    let end: String = output.chars().skip(skip).collect();
    format!(": {}{}", if skip > 0 { "…" } else { "" }, end.split_whitespace().collect::<Vec<_>>().join(" "))
}
