//! Which work that is said to be done evidence shows to be done: its own, or the gates' criteria that cover it.

use std::collections::HashSet;

use super::judge::Court;
use super::{Inputs, Outcome, check};
use crate::error::Error;
use crate::plan::Linted;
use crate::plan::schema::{Class, Criterion, Gate};

/// Work without evidence of its own is shown by every criterion that covers it, and there has to be one.
pub fn proven(linted: &Linted<'_>, inputs: &Inputs<'_>) -> Result<HashSet<String>, Error> {
    let packages = linted.packages().map(|p| (&p.id, p.span, &p.evidence));
    let items = linted.plan.items.iter().map(|i| (&i.id, i.span, &i.evidence));
    let is_done = |id: &str| linted.class_of(id) == Some(Class::Done);
    let (own, covered): (Vec<_>, Vec<_>) =
        packages.chain(items).filter(|(id, ..)| is_done(&id.value.0)).partition(|(_, _, evidence)| evidence.is_some());

    let criteria = own.into_iter().map(|(id, span, evidence)| Criterion {
        span,
        id: id.clone(),
        text: None,
        ticked: None,
        covers: Vec::new(),
        metric: None,
        target: None,
        evidence: evidence.clone(),
    });
    let of_the_work = Gate { span: linted.plan.span, policy: None, criteria: criteria.collect() };
    let mut proven = HashSet::new();
    let mut doubtful = HashSet::new();
    let covered: HashSet<&str> = covered.into_iter().map(|(id, ..)| id.value.0.as_str()).collect();
    let gates = linted.phases().filter_map(|p| p.gate.as_ref()).map(|gate| (gate, false));
    for (gate, is_own) in gates.chain([(&of_the_work, true)]) {
        let court = Court { plan: linted.plan, source: linted.source, gate, inputs };
        for criterion in &gate.criteria {
            let shows: Vec<&str> = match is_own {
                true => vec![criterion.id.value.0.as_str()],
                false => criterion.covers.iter().map(|w| w.value.0.as_str()).filter(|w| covered.contains(w)).collect(),
            };
            if shows.is_empty() {
                continue;
            }
            check(gate, linted.source)?;
            let met = court.criterion(criterion, 0)?.outcome == Outcome::Met;
            let judged = if met { &mut proven } else { &mut doubtful };
            judged.extend(shows.into_iter().map(str::to_owned));
        }
    }
    Ok(proven.difference(&doubtful).cloned().collect())
}
