//! What a claim rests on, in a form that two plans can be compared by: the evidence as it is meant, whatever its
//! spelling, and the criteria that cover work.
//!
//! The digests made here stand in signed baselines. What is digested keeps its form: another one is a new kind of lock.

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::plan::decimal::Decimal;
use crate::plan::evidence::{
    Approval, AtLeast, Attest, Command, Condition, Evidence, File, MetricDemand, Node, Receipt, Signers, Subject,
};
use crate::plan::gate::Matter;
use crate::plan::scalars::Span;
use crate::plan::schema::{Criterion, Plan};
use crate::plan::source::At;

type Digest = [u8; 32];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Of all that the evidence says, or of which criteria cover the work. `None` where nothing could show it.
    pub whole: Option<Digest>,
    /// Of the evidence's kind (`file`, `receipt`): all that older baselines locked, and only of a claim's own evidence.
    pub kind: Option<Digest>,
    /// The criteria whose evidence it rests on, as `plan/ID`: those that cover it, or that its approvals wait for.
    pub rests: Vec<String>,
}

/// The criteria of a plan by what they cover.
pub(super) struct Covering<'p> {
    plan: &'p str,
    by: HashMap<&'p str, Vec<&'p str>>,
}

impl<'p> Covering<'p> {
    pub(super) fn of(plan: &'p Plan) -> Covering<'p> {
        let mut by: HashMap<&str, Vec<&str>> = HashMap::new();
        for criterion in Matter::criteria(plan) {
            for covered in &criterion.covers {
                by.entry(covered.value.0.as_str()).or_default().push(criterion.id.value.0.as_str());
            }
        }
        by.values_mut().for_each(|ids| ids.sort_unstable());
        Covering { plan: &plan.id.value.0, by }
    }

    pub(super) fn criterion(&self, criterion: &Criterion) -> Asks {
        criterion.evidence.as_ref().map_or_else(Asks::default, |evidence| self.own(evidence))
    }

    /// Of a package, or of an item with its parts. Criteria say nothing of work that brings evidence of its own.
    pub(super) fn work(&self, id: &str, parts: &[&str], evidence: Option<&Evidence>) -> Asks {
        if let Some(evidence) = evidence {
            return self.own(evidence);
        }
        let mut names = vec![id];
        names.extend(parts);
        let covered: Vec<(&str, &[&str])> =
            names.iter().map(|name| (*name, self.by.get(name).map(Vec::as_slice).unwrap_or_default())).collect();
        let mut rests: Vec<&str> = covered.iter().flat_map(|(_, by)| by.iter().copied()).collect();
        if rests.is_empty() {
            return Asks::default();
        }
        rests.sort_unstable();
        rests.dedup();
        Asks { whole: Some(digest(&json!(["covered", covered]))), kind: None, rests: self.named(&rests) }
    }

    fn own(&self, evidence: &Evidence) -> Asks {
        let mut awaited = Vec::new();
        evidence.walk(&mut |part| {
            if let Node::Approval(approval) = &part.node {
                awaited.extend(approval.after.iter().map(|id| id.value.0.as_str()));
            }
        });
        let meant = meant(evidence);
        let kind = meant[0].as_str().map(|word| Sha256::digest(word).into());
        Asks { whole: Some(digest(&json!(["evidence", meant]))), kind, rests: self.named(&awaited) }
    }

    fn named(&self, ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| format!("{}/{id}", self.plan)).collect()
    }
}

fn digest(meant: &Value) -> Digest {
    Sha256::digest(meant.to_string()).into()
}

/// In lists alone, whose order is the same in every build. Each field is named, so that a new one can't be forgotten.
fn meant(evidence: &Evidence) -> Value {
    let several = |parts: &[Evidence]| parts.iter().map(meant).collect::<Value>();
    match &evidence.node {
        Node::All(parts) => json!(["all", several(parts)]),
        Node::Any(parts) => json!(["any", several(parts)]),
        Node::AtLeast(AtLeast { span: _, n, of }) => json!(["at_least", n.value, several(of)]),
        Node::Not(inner) => json!(["not", meant(inner)]),
        Node::Receipt(Receipt { span: _, predicate, subject, r#where, signed_by, max_age }) => {
            let subject = subject.as_ref().map(|Subject { span: _, paths, at }| json!([texts(paths), text(at)]));
            let conditions: Value = r#where
                .iter()
                .map(|Condition { span: _, path, op, value, unit }| {
                    json!([path.value, op.value.word(), value.value.to_string(), text(unit)])
                })
                .collect();
            let signers =
                signed_by.as_ref().map(|Signers { span: _, role, threshold }| json!([role.value.0, plain(threshold)]));
            json!(["receipt", predicate.value, subject, conditions, signers, seconds(max_age)])
        }
        Node::Command(Command { span: _, run, exit, timeout }) => {
            json!(["command", texts(run), plain(exit), seconds(timeout)])
        }
        Node::File(File { span: _, path, min_bytes, sha256 }) => {
            json!(["file", path.value, plain(min_bytes), text(sha256).map(str::to_ascii_lowercase)])
        }
        Node::Metric(MetricDemand { span: _, id, op, value, unit, max_age }) => {
            json!(["metric", id.value.0, op.value.word(), value.value.to_string(), text(unit), seconds(max_age)])
        }
        Node::Approval(Approval { span: _, role, min_score, of, threshold, independent_of, after }) => {
            let after: Value = after.iter().map(|id| Value::from(id.value.0.as_str())).collect();
            let apart = independent_of.as_ref().map(|id| id.value.0.as_str());
            json!(["approval", role.value.0, score(min_score), score(of), plain(threshold), apart, after])
        }
        Node::Attest(Attest { span: _, role, statement, max_age }) => {
            json!(["attest", role.value.0, statement.value, seconds(max_age)])
        }
    }
}

fn plain(number: &Option<At<u32>>) -> Option<u32> {
    number.as_ref().map(|n| n.value)
}

fn score(score: &Option<At<Decimal>>) -> Option<String> {
    score.as_ref().map(|s| s.value.to_string())
}

fn text(text: &Option<At<String>>) -> Option<&str> {
    text.as_ref().map(|t| t.value.as_str())
}

fn texts(texts: &[At<String>]) -> Value {
    texts.iter().map(|t| Value::from(t.value.as_str())).collect()
}

fn seconds(span: &Option<At<Span>>) -> Option<u64> {
    span.as_ref().map(|s| s.value.0.as_secs())
}

#[cfg(test)]
mod tests;
