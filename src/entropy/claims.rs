//! The claims of the plans: packages and criteria, what each weighs, and how sure the evidence makes of it.

use std::collections::{HashMap, HashSet};

use super::asks::{Asks, Covering};
use super::baseline::{Baseline, Locked};
use super::bits::{Standing, Table};
use crate::plan::gate::{Judged, Matter, Outcome, Rule};
use crate::plan::schema::Plan;

/// One claim as a plan makes it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `plan/ID`.
    pub id: String,
    pub hours: Option<f64>,
    pub asks: Asks,
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
    /// It left the plan or asks for other evidence, and nobody signed for that.
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

/// The claims as they count: with the weights that the baseline locked, with what left the plan without a word, and open
/// where what they rest on is not what was locked.
pub fn weighed(claims: &[Claim], baseline: Option<&Baseline>, changes: &[ScopeChange], table: &Table) -> Vec<Weighed> {
    let mean = baseline.map_or_else(|| mean_hours(claims), |b| b.mean_hours());
    let locks = Locks {
        whole: baseline.is_some_and(|b| b.whole),
        locked: baseline.iter().flat_map(|b| &b.claims).map(|lock| (lock.id.as_str(), lock)).collect(),
        released: changes.iter().map(|change| change.claim.as_str()).collect(),
        claims: claims.iter().map(|claim| (claim.id.as_str(), claim)).collect(),
    };
    let mut all: Vec<Weighed> = claims.iter().map(|claim| locks.weighed(claim, mean, table)).collect();
    for lock in baseline.iter().flat_map(|b| &b.claims) {
        let id = lock.id.as_str();
        if !locks.claims.contains_key(id) && !locks.released.contains(id) {
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

/// What the baseline holds claims to, and who answered for what left it.
struct Locks<'a> {
    whole: bool,
    locked: HashMap<&'a str, &'a Locked>,
    released: HashSet<&'a str>,
    claims: HashMap<&'a str, &'a Claim>,
}

impl Locks<'_> {
    fn weighed(&self, claim: &Claim, mean: f64, table: &Table) -> Weighed {
        let lock = self.locked.get(claim.id.as_str());
        let mut weighed = Weighed {
            id: claim.id.clone(),
            weight: lock.map_or_else(|| weight(claim, mean), |lock| lock.weight()),
            p: table.worth(claim.standing),
            reason: claim.reason.clone(),
            receipts: claim.receipts.clone(),
            orphan: false,
        };
        let own = self.change(claim);
        weighed.orphan = own.is_some();
        if let Some(reason) = own.or_else(|| self.beneath(claim)) {
            weighed.p = 0.5;
            weighed.receipts.clear();
            weighed.reason = reason;
        }
        weighed
    }

    /// Why what the claim itself asks for is not what was locked, unless somebody signed for that.
    fn change(&self, claim: &Claim) -> Option<String> {
        let id = claim.id.as_str();
        let lock = self.locked.get(id).filter(|_| !self.released.contains(id))?;
        let own = claim.asks.kind.is_some();
        let changed = match self.whole {
            true => lock.asks != claim.asks.whole,
            false => lock.asks != claim.asks.kind,
        };
        let what = match (lock.asks, claim.asks.whole) {
            _ if !changed => return None,
            (None, _) if own => "it asks for evidence where the baseline locked none",
            (_, Some(_)) if !own => "other criteria cover it than the baseline locked",
            (_, None) => "it no longer asks for the evidence that the baseline locked",
            _ => "it asks for other evidence than the baseline locked",
        };
        Some(format!("{what}: bizra entropy scope {id}"))
    }

    /// The same of the criteria that it rests on, and of those that they rest on.
    fn beneath(&self, claim: &Claim) -> Option<String> {
        let mut ways: Vec<&str> = claim.asks.rests.iter().rev().map(String::as_str).collect();
        let mut seen = HashSet::new();
        while let Some(id) = ways.pop() {
            let Some(under) = self.claims.get(id).filter(|_| seen.insert(id)) else { continue };
            if self.change(under).is_some() {
                return Some(format!(
                    "it rests on {id}, which asks for other evidence than the baseline locked: bizra entropy scope {id}"
                ));
            }
            ways.extend(under.asks.rests.iter().rev().map(String::as_str));
        }
        // An older baseline did not lock which criteria cover work, but it knew the criteria.
        let held = self.locked.contains_key(claim.id.as_str()) && !self.released.contains(claim.id.as_str());
        let stranger = claim.asks.rests.iter().find(|id| held && !self.locked.contains_key(id.as_str()))?;
        Some(format!("it rests on {stranger}, which the baseline did not lock: bizra entropy scope {}", claim.id))
    }
}

/// The packages, items and criteria of a plan, with what each rests on.
pub fn listed(plan: &Plan) -> impl Iterator<Item = (String, Option<f64>, Asks)> {
    let id = |local: &crate::plan::scalars::Id| format!("{}/{local}", plan.id.value);
    let covering = Covering::of(plan);
    let mut all = Vec::new();
    for package in plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages) {
        let hours = package.hours.as_ref().and_then(|h| h.value.0.to_string().parse().ok());
        let asks = covering.work(&package.id.value.0, &[], package.evidence.as_ref());
        all.push((id(&package.id.value), hours, asks));
    }
    for item in &plan.items {
        let hours = item.effort.iter().filter_map(|b| b.hours.as_ref()?.value.0.to_string().parse::<f64>().ok());
        let hours: f64 = hours.sum();
        let parts: Vec<&str> = item.parts.iter().map(|part| part.id.value.0.as_str()).collect();
        let asks = covering.work(&item.id.value.0, &parts, item.evidence.as_ref());
        all.push((id(&item.id.value), (hours > 0.0).then_some(hours), asks));
    }
    for criterion in Matter::criteria(plan) {
        all.push((id(&criterion.id.value), None, covering.criterion(criterion)));
    }
    all.into_iter()
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
