//! Whether work is shown to be done: by its own evidence, else by the criteria that cover it, and never by its status.

use std::collections::{BTreeMap, HashMap};

use super::judge::{Court, combined};
use super::{Inputs, Judged, Matter, Rule, check_evidence};
use crate::error::Error;
use crate::plan::names;
use crate::plan::schema::{Criterion, Plan};
use crate::plan::source::Source;

/// Every package and item of a plan by id, judged. What neither brings evidence nor is covered by a criterion is
/// pending, since nothing could show it.
pub fn of_work<'a>(
    plan: &'a Plan,
    source: &'a Source,
    inputs: &'a Inputs<'a>,
) -> Result<BTreeMap<&'a str, Judged>, Error> {
    let mut covering: HashMap<&str, Vec<(&[Criterion], &Criterion)>> = HashMap::new();
    for list in names::criteria_lists(plan) {
        for criterion in list {
            for covered in &criterion.covers {
                covering.entry(covered.value.0.as_str()).or_default().push((list, criterion));
            }
        }
    }
    let mut judged_criteria: HashMap<*const Criterion, Judged> = HashMap::new();
    let mut proofs = BTreeMap::new();
    let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages).map(Matter::from);
    for work in packages.chain(plan.items.iter().map(Matter::from)) {
        let id = work.id.0.as_str();
        let court = |beside| Court { plan, source, beside, inputs };
        if let Some(evidence) = work.evidence {
            check_evidence(evidence, source)?;
            proofs.insert(id, court(&[]).judge(&work, 0)?);
            continue;
        }
        let mut parts = Vec::new();
        for (list, criterion) in covering.get(id).into_iter().flatten() {
            let part = match judged_criteria.get(&std::ptr::from_ref(*criterion)) {
                Some(known) => known.clone(),
                None => {
                    if let Some(evidence) = &criterion.evidence {
                        check_evidence(evidence, source)?;
                    }
                    let judged = court(list).judge(&Matter::from(*criterion), 0)?;
                    judged_criteria.insert(*criterion, judged.clone());
                    judged
                }
            };
            parts.push(part);
        }
        let judged = if parts.is_empty() {
            Judged::missing("evidence", "neither evidence of its own nor a criterion that covers it")
                .next(format!("say in the plan what would show `{id}`: `evidence: …`"))
        } else {
            combined("the criteria that cover it", Rule::All, parts)
        };
        proofs.insert(id, judged);
    }
    Ok(proofs)
}
