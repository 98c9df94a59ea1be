//! The claims of the plans: packages and criteria, what each weighs, and how sure the evidence makes of it.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::baseline::{Baseline, Locked};
use super::bits::{Standing, Table};
use crate::plan::gate::{Judged, Outcome, Rule};
use crate::plan::schema::Plan;
use crate::plan::source::{Source, Span};

/// One claim as a plan makes it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `plan/ID`.
    pub id: String,
    pub hours: Option<f64>,
    /// Of the evidence that the plan asks for, if it asks for any.
    pub asks: Option<[u8; 32]>,
    pub standing: Standing,
    /// Why it stands like that, for people.
    pub reason: String,
    pub receipts: Vec<String>,
}

/// A claim with its weight: what P adds up.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    pub id: String,
    pub weight: f64,
    pub p: f64,
    pub reason: String,
    pub receipts: Vec<String>,
    pub orphan: bool,
}

/// Someone's signed word that a locked claim has left the plan, or asks for other evidence now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeChange {
    pub claim: String,
    /// What stands in its place; none where it was dropped.
    pub into: Vec<String>,
    pub receipt: String,
}

/// What a plan asks for, by the bytes of the evidence without their white space.
pub fn asks(source: &Source, evidence: Span) -> [u8; 32] {
    let text = source.text.get(evidence.start as usize..evidence.end as usize).unwrap_or_default();
    let bare: String = text.split_whitespace().collect();
    Sha256::digest(bare.as_bytes()).into()
}

/// How strong the evidence behind a verdict is: of several that are all needed the weakest, of alternatives the best.
pub fn standing(judged: &Judged, of_receipts: &dyn Fn(&[String]) -> Standing) -> Standing {
    if judged.outcome != Outcome::Met {
        return Standing::Nothing;
    }
    let parts = || judged.parts.iter().map(|part| standing(part, of_receipts));
    match judged.rule {
        Rule::Leaf if judged.receipts.is_empty() => Standing::Machine,
        Rule::Leaf => of_receipts(&judged.receipts),
        Rule::All => parts().min().unwrap_or(Standing::Nothing),
        Rule::AtLeast(n) => {
            let mut sorted: Vec<Standing> = parts().collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            n.checked_sub(1).and_then(|last| sorted.get(last).copied()).unwrap_or(Standing::Nothing)
        }
        // That something does not hold was found out by looking.
        Rule::Not => Standing::Machine,
    }
}

/// The mean of the hours that packages give; 1 where none gives any.
pub fn mean_hours<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> f64 {
    let hours: Vec<f64> = claims.into_iter().filter_map(|c| c.hours).filter(|h| *h > 0.0).collect();
    if hours.is_empty() { 1.0 } else { hours.iter().sum::<f64>() / hours.len() as f64 }
}

/// The weight of a claim: its hours in units of the mean, and 1 for what has none.
pub fn weight(claim: &Claim, mean_hours: f64) -> f64 {
    claim.hours.map_or(1.0, |hours| hours / mean_hours)
}

/// The claims as they count: with the weights that the baseline locked, and with what left the plan without a word.
pub fn weighed(claims: &[Claim], baseline: Option<&Baseline>, changes: &[ScopeChange], table: &Table) -> Vec<Weighed> {
    let mean = baseline.map_or_else(|| mean_hours(claims), |b| b.mean_hours());
    let locked: HashMap<&str, &Locked> =
        baseline.iter().flat_map(|b| &b.claims).map(|lock| (lock.id.as_str(), lock)).collect();
    let released: HashMap<&str, &ScopeChange> = changes.iter().map(|c| (c.claim.as_str(), c)).collect();
    let mut all: Vec<Weighed> = claims.iter().map(|claim| one(claim, mean, &locked, &released, table)).collect();
    let there: HashMap<&str, ()> = claims.iter().map(|c| (c.id.as_str(), ())).collect();
    for lock in baseline.iter().flat_map(|b| &b.claims) {
        if !there.contains_key(lock.id.as_str()) && !released.contains_key(lock.id.as_str()) {
            all.push(Weighed {
                id: lock.id.clone(),
                weight: lock.weight(),
                p: 0.5,
                reason: format!("it left the plan and nobody signed for that: bizra entropy scope {}", lock.id),
                receipts: Vec::new(),
                orphan: true,
            });
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn one(
    claim: &Claim,
    mean: f64,
    locked: &HashMap<&str, &Locked>,
    released: &HashMap<&str, &ScopeChange>,
    table: &Table,
) -> Weighed {
    let lock = locked.get(claim.id.as_str());
    let mut weighed = Weighed {
        id: claim.id.clone(),
        weight: lock.map_or_else(|| weight(claim, mean), |lock| lock.weight()),
        p: table.worth(claim.standing),
        reason: claim.reason.clone(),
        receipts: claim.receipts.clone(),
        orphan: false,
    };
    let changed = lock.is_some_and(|lock| lock.asks.is_some() && lock.asks != claim.asks);
    if changed && !released.contains_key(claim.id.as_str()) {
        weighed.p = 0.5;
        weighed.receipts.clear();
        weighed.reason =
            format!("it asks for other evidence than the baseline locked: bizra entropy scope {}", claim.id);
    }
    weighed
}

/// The packages, items and criteria of a plan, with the place of the evidence that each asks for.
pub fn listed(plan: &Plan) -> impl Iterator<Item = (String, Option<f64>, Option<Span>)> {
    let id = |local: &crate::plan::scalars::Id| format!("{}/{local}", plan.id.value);
    let phases = || plan.phases.iter().chain(&plan.tiers);
    let packages = phases().flat_map(|p| &p.packages).map(move |p| {
        let hours = p.hours.as_ref().and_then(|h| h.value.0.to_string().parse().ok());
        (id(&p.id.value), hours, p.evidence.as_ref().map(|e| e.span))
    });
    let items = plan.items.iter().map(move |i| {
        let hours = i.effort.iter().filter_map(|b| b.hours.as_ref()?.value.0.to_string().parse::<f64>().ok());
        let hours: f64 = hours.sum();
        (id(&i.id.value), (hours > 0.0).then_some(hours), i.evidence.as_ref().map(|e| e.span))
    });
    let criteria = crate::plan::gate::Matter::criteria(plan)
        .map(move |c| (id(&c.id.value), None, c.evidence.as_ref().map(|e| e.span)));
    packages.chain(items).chain(criteria)
}

/// The claims of each phase of a plan; both as `plan/ID`.
pub fn by_phase(plan: &Plan) -> impl Iterator<Item = (String, Vec<String>)> {
    let id = |local: &crate::plan::scalars::Id| format!("{}/{local}", plan.id.value);
    plan.phases.iter().chain(&plan.tiers).map(move |phase| {
        let criteria = phase.gate.iter().flat_map(|gate| &gate.criteria).map(|c| id(&c.id.value));
        let packages = phase.packages.iter().map(|p| id(&p.id.value));
        (id(&phase.id.value), packages.chain(criteria).collect())
    })
}
