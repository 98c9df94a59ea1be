//! Rules about whether work, criteria and evidence belong together (BZ7xx).

use std::collections::HashSet;

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::evidence::Node;
use crate::plan::finding::Report;
use crate::plan::gate;
use crate::plan::schema::{Comparison, Criterion, Quantity};
use crate::plan::source::{At, Span};

/// Whether the plan says at all which work its criteria rest on; where it doesn't, nothing can be missing.
fn linked(linted: &Linted<'_>) -> bool {
    linted.criteria().any(|c| !c.covers.is_empty())
}

pub(super) fn uncovered_criteria(linted: &Linted<'_>, report: &mut Report) {
    if !linked(linted) {
        return;
    }
    for criterion in linted.criteria().filter(|c| c.covers.is_empty()) {
        report
            .find(criterion.id.span, format!("no package or item leads to {}", criterion.id.value))
            .fix("name the work in `covers`, or plan it");
    }
}

pub(super) fn unneeded_work(linted: &Linted<'_>, report: &mut Report) {
    if !linked(linted) {
        return;
    }
    let covered: HashSet<&str> = linted.criteria().flat_map(|c| &c.covers).map(|id| id.value.0.as_str()).collect();
    for package in linted.packages().filter(|p| !covered.contains(p.id.value.0.as_str())) {
        report
            .find(package.id.span, format!("no criterion needs {}", package.id.value))
            .fix("name it in the `covers` of a criterion, or leave the work out");
    }
}

pub(super) fn no_evidence(linted: &Linted<'_>, report: &mut Report) {
    let plan = linted.plan;
    let mut say = |what: String, span: Span, criteria: &[Criterion]| {
        let bare: Vec<&str> = criteria.iter().filter(|c| c.evidence.is_none()).map(|c| c.id.value.0.as_str()).collect();
        if !bare.is_empty() {
            report
                .find(span, format!("{what}: nothing is asked to show {}", bare.join(", ")))
                .numbers(
                    format!("{} criteria", criteria.len()),
                    format!("{} with evidence", criteria.len() - bare.len()),
                )
                .fix("add `evidence` to each: a receipt, a file, a metric, an approval");
        }
    };
    for phase in linted.phases() {
        if let Some(gate) = &phase.gate {
            say(format!("the gate of {}", phase.id.value), phase.id.span, &gate.criteria);
        }
    }
    if let Some(go) = &plan.go_no_go {
        say("go/no-go".into(), go.day.span, &go.criteria);
    }
    for horizon in &plan.horizons {
        say(horizon.name.value.clone(), horizon.id.span, &horizon.criteria);
    }
    if let Some(first) = plan.definition_of_done.first() {
        say("the definition of done".into(), first.id.span, &plan.definition_of_done);
    }
}

pub(super) fn weak_average(linted: &Linted<'_>, report: &mut Report) {
    let Some(approvals) = &linted.plan.approvals else { return };
    let Some(average) = &approvals.average else { return };
    let scores: Vec<Decimal> = approvals.members.iter().map(|m| m.min.value.value).collect();
    let count = Decimal::from_int(i64::try_from(scores.len()).unwrap_or(i64::MAX));
    let (Some(sum), Some(all)) = (Decimal::sum(scores), average.value.value.mul(count)) else { return };
    if all < sum
        && let Some(implied) = sum.div(count, 2)
    {
        report
            .find(average.span, format!("an average of {} asks for less than the minimums do", average.value.value))
            .against(approvals.members[0].span, "the minimums begin here")
            .numbers(average.value.value, format!("{implied} follows from the minimums"))
            .fix("drop the average: the minimums decide, and an average would hide one that is missed");
    }
}

pub(super) fn undecidable(linted: &Linted<'_>, report: &mut Report) {
    let policies = linted.phases().flat_map(|phase| &phase.gate).filter_map(gate::flaw_of_policy);
    let evidence = linted.criteria().flat_map(|criterion| &criterion.evidence).filter_map(gate::flaw_of_evidence);
    for flaw in policies.chain(evidence) {
        report.find(flaw.span, flaw.message).fix(flaw.fix);
    }
}

pub(super) fn weak_evidence(linted: &Linted<'_>, report: &mut Report) {
    for criterion in linted.criteria() {
        let Some(evidence) = &criterion.evidence else { continue };
        let by_metric = || {
            let id = criterion.metric.as_ref()?;
            linted.plan.metrics.iter().find(|m| m.id.value == id.value)?.target.as_ref()
        };
        let Some(target) = criterion.target.as_ref().or_else(by_metric) else { continue };
        evidence.walk(&mut |node| match &node.node {
            Node::Metric(demand) => {
                compare(criterion, target, &demand.op, &demand.value, demand.unit.as_ref(), report);
            }
            Node::Receipt(receipt) => {
                for condition in &receipt.r#where {
                    compare(criterion, target, &condition.op, &condition.value, condition.unit.as_ref(), report);
                }
            }
            _ => {}
        });
    }
}

fn compare(
    criterion: &Criterion,
    target: &Quantity,
    op: &At<Comparison>,
    value: &At<Decimal>,
    unit: Option<&At<String>>,
    report: &mut Report,
) {
    let same_unit = target.unit.as_ref().map(|u| &u.value) == unit.map(|u| &u.value);
    let weaker = match op.value {
        Comparison::AtLeast | Comparison::More => {
            !matches!(target.op.map(|o| o.value), Some(Comparison::Less | Comparison::AtMost))
                && value.value < target.value.value
        }
        Comparison::AtMost | Comparison::Less => {
            matches!(target.op.map(|o| o.value), Some(Comparison::Less | Comparison::AtMost))
                && value.value > target.value.value
        }
        Comparison::Equal | Comparison::NotEqual => false,
    };
    if same_unit && weaker {
        report
            .find(
                value.span,
                format!("the evidence for {} asks for {} {}", criterion.id.value, op.value.word(), value.value),
            )
            .against(target.value.span, format!("the target is {}", target.value.value))
            .numbers(value.value, target.value.value)
            .fix("ask the evidence for what the target says");
    }
}
