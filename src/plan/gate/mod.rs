//! Gates: whether what a plan asks for is shown by evidence, and never by a tick.
//!
//! [`decide`] takes a gate and looks through three small windows at the outside: [`Receipts`], [`Files`], [`Commands`].
//! The latest admissible receipt decides; newer ones that are not admissible become warnings, so that a forged receipt
//! can't close a gate. Admissible is what a trusted key signed, in this ledger, about the bytes that are there now.
//! Recording the decision, and asking git, belong to others.

mod approval;
pub mod board;
pub mod glob;
mod judge;
mod matter;
mod outcome;
pub mod proof;
pub mod reading;
mod receipt;
#[cfg(test)]
pub(crate) mod tests;
mod value;

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::Error;
use crate::plan::evidence::{Evidence, Node};
use crate::plan::schema::{self, Gate, Phase, Plan, Policy};
use crate::plan::source::{At, Source, Span};
use crate::receipts::statement::Statement;
pub use judge::{Judged, Rule};
pub use matter::{GO_NO_GO, Matter};
pub use outcome::{Outcome, Pending};

/// A receipt, strictly verified or found wanting.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub id: String,
    pub key: String,
    /// Who the trust policy says this is; none without a policy.
    pub signer: Option<Signer>,
    pub time: Timestamp,
    pub statement: Statement,
    /// Why it can't be relied on.
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub name: String,
    pub roles: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of another ledger.
    Foreign(String),
    Untrusted(String),
}

/// What a receipt is looked for by, beside its predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    Anything,
    /// A subject of this name.
    Named(&'a str),
    /// A subject of this name and SHA-256.
    Exactly(&'a str, &'a str),
    /// A subject that is this git commit.
    Commit(&'a str),
    /// An attestation in this role.
    Role(&'a str),
    /// An attestation in this role of this statement, without spaces around it.
    Said(&'a str, &'a str),
    /// A member of its `metrics`.
    Metric(&'a str),
}

/// The ledger as the gate sees it.
pub trait Receipts {
    /// The receipts of a predicate (`benchmark`, `benchmark/v0.1`, `*` for any), newest first. A smaller number is newer.
    fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32>;
    /// The commits that receipts of this predicate have as subjects.
    fn commits(&self, predicate: &str) -> Vec<String>;
    /// Reads and verifies one. None for what is no receipt at all, or past the time that is looked from.
    fn open(&self, place: u32) -> Result<Option<Rc<Receipt>>, Error>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The repository's files.
pub trait Files {
    /// Those that fit one of the patterns, sorted by path. `committed` asks for the last commit where the gate looks at
    /// the work tree.
    fn matching(&self, globs: &[&str], committed: bool) -> Result<Rc<Vec<FileFacts>>, Error>;
    /// Whether the files that fit were the same at `commit`; none when the repository doesn't know it.
    fn same_at(&self, commit: &str, globs: &[&str], committed: bool) -> Result<Option<bool>, Error>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Commands are not to be run.
    Refused {
        why: String,
        next: &'static str,
    },
    CannotStart(String),
    TimedOut {
        output: String,
    },
    Ended {
        code: Option<i32>,
        output: String,
    },
}

pub trait Commands {
    fn run(&self, argv: &[&str], limit: Duration) -> Result<Ran, Error>;
}

pub struct Inputs<'a> {
    pub receipts: &'a dyn Receipts,
    pub files: &'a dyn Files,
    pub commands: &'a dyn Commands,
    pub now: Timestamp,
    /// Without one no key has a role.
    pub has_policy: bool,
    /// Look for a second key that says the same, where one is enough: it makes no gate open, but evidence stronger.
    pub every_key: bool,
}

/// One criterion, judged.
#[derive(Clone, Debug)]
pub struct Criterion {
    pub id: String,
    pub text: Option<String>,
    /// Line of the plan, for those who annotate it.
    pub line: usize,
    pub ticked: bool,
    pub judged: Judged,
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub plan: String,
    pub phase: String,
    /// `all`, `any`, or `2 of 3`.
    pub policy: String,
    pub outcome: Outcome,
    pub criteria: Vec<Criterion>,
}

impl Decision {
    pub fn count(&self, word: &str) -> usize {
        self.criteria.iter().filter(|c| c.judged.outcome.word() == word).count()
    }
}

/// Decides the gate of one phase. Refuses a gate that would open without anybody showing anything.
pub fn decide(plan: &Plan, source: &Source, phase: &Phase, inputs: &Inputs<'_>) -> Result<Decision, Error> {
    let Some(gate) = &phase.gate else {
        return Err(Error::invalid(format!("the phase `{}` has no gate", phase.id.value))
            .at(source_place(source, phase.id.span))
            .hint("add `gate: {criteria: […]}` to it, or name another phase"));
    };
    refuse(flaw_of_policy(gate), source)?;
    let (criteria, outcomes) = judge_all(plan, source, &gate.criteria, gate.span, inputs)?;
    let (policy, outcome) = match &gate.policy {
        None | Some(Policy::All) => ("all".to_owned(), Outcome::all(&outcomes)),
        Some(Policy::Any) => ("any".to_owned(), Outcome::any(&outcomes)),
        Some(Policy::AtLeast(n)) => {
            let wanted = n.value as usize;
            (format!("{wanted} of {}", outcomes.len()), Outcome::at_least(wanted, &outcomes))
        }
    };
    Ok(Decision { plan: plan.id.value.to_string(), phase: phase.id.value.to_string(), policy, outcome, criteria })
}

/// Decides a list of criteria that must all hold, called `name`: a go/no-go, a definition of done.
pub fn decide_all(
    plan: &Plan,
    source: &Source,
    name: &str,
    criteria: &[schema::Criterion],
    span: Span,
    inputs: &Inputs<'_>,
) -> Result<Decision, Error> {
    let (criteria, outcomes) = judge_all(plan, source, criteria, span, inputs)?;
    let outcome = Outcome::all(&outcomes);
    Ok(Decision { plan: plan.id.value.to_string(), phase: name.into(), policy: "all".into(), outcome, criteria })
}

/// Every criterion of a plan by id, judged.
pub fn criteria<'a>(plan: &'a Plan, source: &Source, inputs: &Inputs<'_>) -> Result<Vec<(&'a str, Judged)>, Error> {
    let mut judged = Vec::new();
    for list in crate::plan::names::criteria_lists(plan).filter(|list| !list.is_empty()) {
        let (decided, _) = judge_all(plan, source, list, list[0].span, inputs)?;
        judged.extend(list.iter().map(|c| c.id.value.0.as_str()).zip(decided.into_iter().map(|d| d.judged)));
    }
    Ok(judged)
}

fn judge_all(
    plan: &Plan,
    source: &Source,
    listed: &[schema::Criterion],
    span: Span,
    inputs: &Inputs<'_>,
) -> Result<(Vec<Criterion>, Vec<Outcome>), Error> {
    if listed.is_empty() {
        return Err(Error::invalid("a gate without criteria would open on nothing")
            .at(source_place(source, span))
            .hint("list what has to be shown"));
    }
    for evidence in listed.iter().filter_map(|c| c.evidence.as_ref()) {
        refuse(flaw_of_evidence(evidence), source)?;
    }
    let court = judge::Court { plan, source, beside: listed, inputs };
    let mut criteria = Vec::with_capacity(listed.len());
    for criterion in listed {
        criteria.push(Criterion {
            id: criterion.id.value.to_string(),
            text: criterion.text.as_ref().map(|t| t.value.clone()),
            line: source.position(criterion.id.span.start).0,
            ticked: criterion.ticked.as_ref().is_some_and(|t| t.value),
            judged: court.judge(&criterion.into(), 0)?,
        });
    }
    let outcomes = criteria.iter().map(|c| c.judged.outcome).collect();
    Ok((criteria, outcomes))
}

fn source_place(source: &Source, span: Span) -> crate::error::Place {
    crate::error::Place::in_text(&source.path, &source.text, span.start as usize)
}

/// What a schema lets through and a gate can't decide.
pub struct Flaw {
    pub span: Span,
    pub message: String,
    pub fix: &'static str,
}

fn flaw(span: Span, message: impl Into<String>, fix: &'static str) -> Option<Flaw> {
    Some(Flaw { span, message: message.into(), fix })
}

fn refuse(flaw: Option<Flaw>, source: &Source) -> Result<(), Error> {
    match flaw {
        Some(flaw) => Err(Error::invalid(flaw.message).at(source_place(source, flaw.span)).hint(flaw.fix)),
        None => Ok(()),
    }
}

pub fn flaw_of_policy(gate: &Gate) -> Option<Flaw> {
    if gate.criteria.is_empty() {
        return flaw(gate.span, "a gate without criteria would open on nothing", "list what has to be shown");
    }
    match &gate.policy {
        Some(Policy::AtLeast(n)) if n.value == 0 || n.value as usize > gate.criteria.len() => {
            let message = format!("{} of {} criteria can't be asked for", n.value, gate.criteria.len());
            flaw(n.span, message, "write a number from 1 to the number of criteria")
        }
        _ => None,
    }
}

/// The first one.
pub fn flaw_of_evidence(evidence: &Evidence) -> Option<Flaw> {
    let mut found = None;
    evidence.walk(&mut |node| {
        if found.is_none() {
            found = flaw_of_node(node);
        }
    });
    found
}

fn flaw_of_node(evidence: &Evidence) -> Option<Flaw> {
    let nobody = |threshold: Option<&At<u32>>, who: &str| {
        let none = threshold.filter(|threshold| threshold.value == 0)?;
        flaw(none.span, format!("no {who} at all would do"), "ask for one or more")
    };
    let paths: Vec<_> = match &evidence.node {
        Node::All(parts) | Node::Any(parts) if parts.is_empty() => {
            return flaw(evidence.span, "an empty list would hold without any evidence", "list what has to hold");
        }
        Node::AtLeast(some) if some.n.value == 0 || some.n.value as usize > some.of.len() => {
            let message = format!("{} of {} can't be asked for", some.n.value, some.of.len());
            return flaw(some.n.span, message, "write a number from 1 to the length of `of`");
        }
        Node::Receipt(receipt) => {
            if let Some(subject) = &receipt.subject {
                if subject.paths.is_empty() {
                    return flaw(subject.span, "a subject without paths binds to nothing", "add `paths: [\"…\"]`");
                }
                if let Some(at) = &subject.at
                    && !matches!(at.value.as_str(), "head" | "worktree")
                {
                    let message = format!("`{}` is no place to take files from", at.value);
                    return flaw(at.span, message, "write head or worktree");
                }
            }
            let threshold = receipt.signed_by.as_ref().and_then(|signers| signers.threshold.as_ref());
            if let Some(flaw) = nobody(threshold, "signature") {
                return Some(flaw);
            }
            receipt.subject.iter().flat_map(|s| &s.paths).collect()
        }
        Node::Approval(approval) => return nobody(approval.threshold.as_ref(), "approval"),
        Node::File(file) => vec![&file.path],
        _ => Vec::new(),
    };
    paths.into_iter().find_map(|path| {
        let reason = glob::fault(&path.value)?;
        flaw(path.span, format!("`{}` {reason}", path.value), "name it from the repository's root")
    })
}
