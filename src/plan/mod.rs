//! What plans share: the tree with its spans, the strict schema, the evidence tree, calendar, decimals and findings.
//!
//! A plan is read in two steps. The tree (made by whoever knows the format) becomes a [`schema::Plan`], whose fields
//! are of the right kind; then `resolve` sees that every name that is used exists, once. What comes out can be judged
//! by rules ([`finding`]) without a thought for form, and its gates decided ([`gate`]).

pub mod calendar;
pub mod decimal;
pub mod effort;
pub mod evidence;
pub mod expr;
pub mod finding;
pub mod gate;
pub mod lint;
mod names;
pub mod needs;
pub mod read;
pub mod scalars;
pub mod schedule;
pub mod schema;
pub mod source;
pub mod text;
pub mod tree;

use crate::error::Error;
pub use lint::Linted;
use read::{Field, Reader};
use schema::{Plan, PlanKind};
use source::Source;
use tree::Tree;

/// The plan in a tree, or everything that is wrong with its form.
pub fn read(tree: &Tree, source: &Source) -> Result<Plan, Vec<Error>> {
    let mut reader = Reader::new(tree, source);
    let plan = tree.root().and_then(|root| {
        let plan = Plan::read(root, &mut reader)?;
        foreign_sections(tree, &plan, &mut reader);
        names::resolve(&plan, &mut reader);
        Some(plan)
    });
    let problems = reader.into_problems();
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems),
    }
}

/// The ids that stand in more than one plan: whoever names one in a commit has to mean one thing.
pub fn shared_ids(plans: &[(&Source, &Plan)]) -> Vec<Error> {
    names::across(plans)
}

fn foreign_sections(tree: &Tree, plan: &Plan, reader: &mut Reader<'_>) {
    let (foreign, theirs) = match plan.bizra.value {
        PlanKind::Roadmap => (schema::SPRINT_ONLY, PlanKind::Sprint),
        PlanKind::Sprint => (schema::ROADMAP_ONLY, PlanKind::Roadmap),
    };
    let Some(root) = tree.root() else { return };
    for (key, _) in tree.entries(root) {
        let name = tree.text(key);
        if foreign.contains(&name) {
            let message =
                format!("`{name}` is a section of {}, and this is {}", theirs.word(), plan.bizra.value.word());
            reader.refuse(
                tree.span(key),
                message,
                Some(format!("begin with `bizra: {}`, or remove it", theirs.word())),
            );
        }
    }
}
