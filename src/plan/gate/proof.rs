//! Whether work is shown to be done: by its own evidence, else by the criteria that cover it, and never by its status.
//!
//! An item is also shown by its parts, where criteria cover each of them. What neither brings evidence nor is covered is
//! pending, since nothing could show it.

use std::collections::{BTreeMap, HashMap};

use super::judge::{Court, combined};
use super::{Inputs, Judged, Matter, Rule, flaw_of_evidence, refuse};
use crate::error::Error;
use crate::plan::names;
use crate::plan::schema::{Criterion, Item, Plan};
use crate::plan::source::Source;

/// By id.
pub type Proofs<'p> = BTreeMap<&'p str, Judged>;

/// Every package and item of a plan.
pub fn of_work<'p>(plan: &'p Plan, source: &Source, inputs: &Inputs<'_>) -> Result<Proofs<'p>, Error> {
    let mut proofs = BTreeMap::new();
    let mut bench = Bench::of(plan, source, inputs);
    for package in plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages) {
        proofs.insert(package.id.value.0.as_str(), bench.of_matter(&Matter::from(package))?);
    }
    for item in &plan.items {
        proofs.insert(item.id.value.0.as_str(), bench.of_item(item)?);
    }
    Ok(proofs)
}

/// Everything that work can need: packages and items, parts of items, and tasks that have an id.
pub fn of_all<'p>(plan: &'p Plan, source: &Source, inputs: &Inputs<'_>) -> Result<Proofs<'p>, Error> {
    let mut proofs = of_work(plan, source, inputs)?;
    let mut bench = Bench::of(plan, source, inputs);
    for item in &plan.items {
        for part in &item.parts {
            let own = bench.by_criteria(&part.id.value.0)?;
            let whole = || proofs.get(item.id.value.0.as_str()).cloned().unwrap_or_else(|| unshown(&part.id.value.0));
            let judged = own.unwrap_or_else(whole);
            proofs.insert(part.id.value.0.as_str(), judged);
        }
    }
    for id in names::tasks(plan).filter_map(|task| task.id.as_ref()) {
        let judged = bench.by_criteria(&id.value.0)?.unwrap_or_else(|| unshown(&id.value.0));
        proofs.insert(id.value.0.as_str(), judged);
    }
    Ok(proofs)
}

/// Criteria and the work they cover, each judged once.
struct Bench<'a> {
    plan: &'a Plan,
    source: &'a Source,
    inputs: &'a Inputs<'a>,
    covering: HashMap<&'a str, Vec<(&'a [Criterion], &'a Criterion)>>,
    judged: HashMap<*const Criterion, Judged>,
}

impl<'a> Bench<'a> {
    fn of(plan: &'a Plan, source: &'a Source, inputs: &'a Inputs<'a>) -> Self {
        let mut covering: HashMap<&str, Vec<_>> = HashMap::new();
        for list in names::criteria_lists(plan) {
            for criterion in list {
                for covered in &criterion.covers {
                    covering.entry(covered.value.0.as_str()).or_default().push((list, criterion));
                }
            }
        }
        Bench { plan, source, inputs, covering, judged: HashMap::new() }
    }

    fn court(&self, beside: &'a [Criterion]) -> Court<'a> {
        Court { plan: self.plan, source: self.source, beside, inputs: self.inputs }
    }

    fn of_matter(&mut self, work: &Matter<'a>) -> Result<Judged, Error> {
        match work.evidence {
            Some(evidence) => {
                refuse(flaw_of_evidence(evidence), self.source)?;
                self.court(&[]).judge(work, 0)
            }
            None => Ok(self.by_criteria(&work.id.0)?.unwrap_or_else(|| unshown(&work.id.0))),
        }
    }

    fn of_item(&mut self, item: &'a Item) -> Result<Judged, Error> {
        if item.evidence.is_some() || item.parts.is_empty() {
            return self.of_matter(&Matter::from(item));
        }
        let mut parts = Vec::new();
        for part in &item.parts {
            parts.push(self.by_criteria(&part.id.value.0)?);
        }
        let whole = self.by_criteria(&item.id.value.0)?;
        if parts.iter().all(Option::is_none) {
            return Ok(whole.unwrap_or_else(|| unshown(&item.id.value.0)));
        }
        // Criteria of the whole speak for parts that have none of their own, and for nothing that a part's refute.
        let rest = item.parts.iter().zip(parts).filter_map(|(part, judged)| match (judged, &whole) {
            (None, Some(_)) => None,
            (judged, _) => Some(judged.unwrap_or_else(|| unshown(&part.id.value.0))),
        });
        Ok(combined(
            "the criteria that cover it and its parts",
            Rule::All,
            whole.clone().into_iter().chain(rest).collect(),
        ))
    }

    /// All criteria that cover work of this id; none where none does.
    fn by_criteria(&mut self, id: &str) -> Result<Option<Judged>, Error> {
        let Some(covering) = self.covering.get(id).cloned() else { return Ok(None) };
        let mut parts = Vec::with_capacity(covering.len());
        for (list, criterion) in covering {
            let judged = match self.judged.get(&std::ptr::from_ref(criterion)) {
                Some(known) => known.clone(),
                None => {
                    if let Some(evidence) = &criterion.evidence {
                        refuse(flaw_of_evidence(evidence), self.source)?;
                    }
                    let judged = self.court(list).judge(&Matter::from(criterion), 0)?;
                    self.judged.insert(criterion, judged.clone());
                    judged
                }
            };
            parts.push(judged);
        }
        Ok(Some(combined("the criteria that cover it", Rule::All, parts)))
    }
}

/// What is said of work that nothing could show.
pub fn unshown(id: &str) -> Judged {
    Judged::missing("evidence", "neither evidence of its own nor a criterion that covers it")
        .next(format!("say in the plan what would show `{id}`: `evidence: …`"))
}
