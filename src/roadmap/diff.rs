//! What changed in a plan between two versions of it: the scope apart from the progress.
//!
//! Scope is what was promised: work, hours, order, people, dates, criteria and their evidence. Progress is what is said
//! to have happened since: statuses, ticks, current values, percentages. Every field is one of the two, so that nothing
//! changes unseen. Evidence that asks for less than it did is marked, as is a gate that lost a criterion.

mod fields;
mod strength;
#[cfg(test)]
mod tests;
mod things;

use std::collections::{HashMap, HashSet};

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::evidence::Evidence;
use crate::plan::schema::{Class, Criterion, Gate, Policy};
use crate::plan::tree::Tree;
use fields::Pair;
use strength::Strength;
use things::Thing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Added,
    Removed,
    Renamed,
    Moved,
    Changed,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Renamed => "renamed",
            Kind::Moved => "moved",
            Kind::Changed => "changed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: Kind,
    /// `package GEN-1`; empty for the plan itself.
    pub what: String,
    /// The field, for what is not the thing as a whole.
    pub field: Option<String>,
    /// What a thing that came or went is or was part of.
    pub within: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Why less has to be shown than before.
    pub weaker: Option<String>,
}

impl Change {
    fn field(kind: Kind, field: &str, before: Option<String>, after: Option<String>) -> Self {
        Change { kind, what: String::new(), field: Some(field.to_owned()), within: None, before, after, weaker: None }
    }

    fn whole(kind: Kind, what: String, before: Option<String>, after: Option<String>) -> Self {
        Change { kind, what, field: None, within: None, before, after, weaker: None }
    }

    fn weaker(mut self, why: impl Into<String>) -> Self {
        self.weaker = Some(why.into());
        self
    }
}

/// A few numbers of a plan, to be shown beside those of its other version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub work: usize,
    pub done: usize,
    pub criteria: usize,
    pub hours: Decimal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    pub scope: Vec<Change>,
    pub progress: Vec<Change>,
    pub before: Size,
    pub after: Size,
}

/// One version of a plan.
pub struct Version<'a> {
    pub linted: &'a Linted<'a>,
    pub tree: &'a Tree,
}

impl Version<'_> {
    pub fn size(&self) -> Size {
        let items = self.linted.plan.items.iter();
        let ids: Vec<_> = self.linted.packages().map(|p| &p.id).chain(items.map(|i| &i.id)).collect();
        let done = ids.iter().filter(|id| self.linted.class_of(&id.value.0) == Some(Class::Done)).count();
        let of_packages = self.linted.packages().filter_map(|p| {
            let likely = p.estimate.as_ref().map(|e| e.likely);
            likely.or(p.hours).map(|h| h.value.0)
        });
        let budgets = self.linted.plan.items.iter().flat_map(|i| &i.effort);
        let of_items = budgets.filter_map(|b| b.hours.map(|h| h.value.0));
        Size {
            work: ids.len(),
            done,
            criteria: self.linted.criteria().count(),
            hours: Decimal::sum(of_packages.chain(of_items)).unwrap_or_default(),
        }
    }
}

/// Fields that tell how far things are, not what they are.
const PROGRESS: &[&str] = &[
    "status",
    "status_note",
    "done",
    "ticked",
    "current",
    "current_phase",
    "here",
    "progress",
    "counts",
    "passed",
    "measured",
    "state",
    "notes",
    "journey",
    "generated",
    "exported",
];

fn is_progress(change: &Change) -> bool {
    let Some(field) = &change.field else { return false };
    if field.starts_with("vocab") {
        return false;
    }
    // Names of entries stand in brackets and may be anything.
    let mut depth = 0usize;
    let bare: String = field
        .chars()
        .filter(|c| {
            depth = if *c == '[' { depth + 1 } else { depth };
            let outside = depth == 0;
            depth = if *c == ']' { depth.saturating_sub(1) } else { depth };
            outside
        })
        .collect();
    bare.split('.').any(|key| PROGRESS.contains(&key.trim_end_matches(" (order)")))
}

pub fn diff(before: &Version<'_>, after: &Version<'_>) -> Diff {
    let (old, new) = (things::of(before.tree), things::of(after.tree));
    let renamed = things::renamed((before.tree, &old), (after.tree, &new));
    let references = renamed.iter().map(|((_, old), new)| (old.clone(), new.clone())).collect();
    let pair = Pair { before: before.tree, after: after.tree, renamed: &references };
    let now_called = |thing: &Thing| -> String {
        let kinds: &[&'static str] = if thing.kind == "gate" { &["phase", "tier"] } else { &[thing.kind] };
        let new = kinds.iter().find_map(|kind| renamed.get(&(*kind, thing.id.clone())));
        new.unwrap_or(&thing.id).clone()
    };
    let known: HashMap<(&str, String), &Thing> =
        old.iter().map(|thing| ((thing.kind, now_called(thing)), thing)).collect();
    let mut changes = Vec::new();
    for thing in &new {
        let Some(was) = known.get(&(thing.kind, thing.id.clone())) else {
            let summary = thing.summary(after.tree);
            let added = Change::whole(Kind::Added, thing.name(), None, summary);
            let weaker = one_more(thing, after.linted);
            changes.push(Change { within: thing.within.clone(), weaker, ..added });
            continue;
        };
        changes.extend(renamed_or_moved((was, before.linted), (thing, after.linted), &references));
        let mut skip = thing.skip.to_vec();
        skip.extend((was.id != thing.id).then_some("id"));
        let from = changes.len();
        pair.fields(was.node, thing.node, &skip, "", &mut |change| {
            changes.push(Change { what: thing.name(), ..change });
        });
        mark(&mut changes, from, thing, weaker(before.linted, after.linted, was, thing));
    }
    let is_there: HashSet<(&str, &str)> = new.iter().map(|thing| (thing.kind, thing.id.as_str())).collect();
    for thing in old.iter().filter(|thing| !is_there.contains(&(thing.kind, now_called(thing).as_str()))) {
        let weaker = match thing.kind {
            "gate" => Some("the phase ends without one".to_owned()),
            _ => one_less(thing, before.linted),
        };
        let gone = Change::whole(Kind::Removed, thing.name(), thing.summary(before.tree), None);
        changes.push(Change { within: thing.within.clone(), weaker, ..gone });
    }
    changes.extend(order_of_phases(before.linted, after.linted));
    let (progress, scope) = changes.into_iter().partition(is_progress);
    Diff { scope, progress, before: before.size(), after: after.size() }
}

fn renamed_or_moved(
    (was, before): (&Thing, &Linted<'_>),
    (is, after): (&Thing, &Linted<'_>),
    renamed: &HashMap<String, String>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if was.id != is.id && was.kind != "gate" {
        changes.push(Change::whole(Kind::Renamed, is.name(), Some(was.id.clone()), Some(is.id.clone())));
    }
    if was.within.as_ref().map(|within| things::renamed_within(within, renamed)) != is.within {
        let moved = Change::whole(Kind::Moved, is.name(), was.within.clone(), is.within.clone());
        let weaker = one_less(was, before).or_else(|| one_more(is, after));
        changes.push(Change { weaker, ..moved });
    }
    changes
}

/// Why it is easier without this criterion: where all have to be met, there is one less.
fn one_less(criterion: &Thing, linted: &Linted<'_>) -> Option<String> {
    let place = criterion.within.as_deref().filter(|_| criterion.kind == "criterion")?;
    asks_for_all(linted, place).then(|| format!("{place} asks for one thing less"))
}

/// Why it is easier with this criterion: where some will do, there is one more to choose from.
fn one_more(criterion: &Thing, linted: &Linted<'_>) -> Option<String> {
    let place = criterion.within.as_deref().filter(|_| criterion.kind == "criterion")?;
    (!asks_for_all(linted, place)).then(|| format!("there is one more way through {place}"))
}

fn asks_for_all(linted: &Linted<'_>, place: &str) -> bool {
    let Some(phase) = place.strip_prefix("the gate of ") else { return true };
    let gate = linted.phases().find(|p| p.id.value.0 == phase).and_then(|p| p.gate.as_ref());
    gate.is_none_or(|gate| matches!(gate.policy, None | Some(Policy::All)))
}

fn order_of_phases(before: &Linted<'_>, after: &Linted<'_>) -> Option<Change> {
    let order = |linted: &Linted<'_>, other: &Linted<'_>| -> Vec<String> {
        let others: HashSet<&str> = other.phases().map(|p| p.id.value.0.as_str()).collect();
        linted.phases().map(|p| p.id.value.to_string()).filter(|id| others.contains(id.as_str())).collect()
    };
    let (then, now) = (order(before, after), order(after, before));
    (then != now).then(|| Change::field(Kind::Changed, "order of phases", Some(then.join(", ")), Some(now.join(", "))))
}

/// Puts the reasons on the changes of the fields that they are about, or on one of their own.
fn mark(changes: &mut Vec<Change>, from: usize, thing: &Thing, weaker: Vec<(&'static str, String)>) {
    for (field, why) in weaker {
        let about = |change: &&mut Change| {
            change.field.as_deref().is_some_and(|f| f == field || f.starts_with(&format!("{field}.")))
        };
        match changes[from..].iter_mut().find(about) {
            Some(change) => change.weaker = Some(why),
            None => {
                let change = Change::field(Kind::Changed, field, None, None).weaker(why);
                changes.push(Change { what: thing.name(), ..change });
            }
        }
    }
}

/// The fields that ask for less than they did, and why.
fn weaker(before: &Linted<'_>, after: &Linted<'_>, was: &Thing, is: &Thing) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    match is.kind {
        "criterion" => {
            let find = |linted: &Linted<'_>, id: &str| -> Option<Criterion> {
                linted.criteria().find(|c| c.id.value.0 == id).cloned()
            };
            if let (Some(old), Some(new)) = (find(before, &was.id), find(after, &is.id)) {
                found.extend(less(old.evidence.as_ref(), new.evidence.as_ref()).map(|why| ("evidence", why)));
                let target = match (&old.target, &new.target) {
                    (Some(old), Some(new)) => match strength::of_target(old, new) {
                        Strength::Weaker => Some("the target is easier to reach"),
                        Strength::Other => Some("another target than before"),
                        Strength::Same | Strength::Stronger => None,
                    },
                    (Some(_), None) => Some("the target is gone"),
                    _ => None,
                };
                found.extend(target.map(|why| ("target", why.to_owned())));
            }
        }
        "package" => {
            let of = |linted: &Linted<'_>, id: &str| linted.package(id).and_then(|(_, p)| p.evidence.clone());
            let (old, new) = (of(before, &was.id), of(after, &is.id));
            found.extend(less(old.as_ref(), new.as_ref()).map(|why| ("evidence", why)));
        }
        "item" => {
            let of = |linted: &Linted<'_>, id: &str| linted.item(id).and_then(|i| i.evidence.clone());
            let (old, new) = (of(before, &was.id), of(after, &is.id));
            found.extend(less(old.as_ref(), new.as_ref()).map(|why| ("evidence", why)));
        }
        "gate" => {
            let gate = |linted: &Linted<'_>, id: &str| {
                linted.phases().find(|p| p.id.value.0 == id).and_then(|p| p.gate.clone())
            };
            if let (Some(old), Some(new)) = (gate(before, &was.id), gate(after, &is.id))
                && is_eased(&old, &new)
            {
                found.push(("policy", "fewer criteria have to be met".to_owned()));
            }
        }
        _ => {}
    }
    found
}

fn less(before: Option<&Evidence>, after: Option<&Evidence>) -> Option<String> {
    let why = match (before?, after) {
        (_, None) => "nothing has to be shown any more",
        (before, Some(after)) => match strength::of_evidence(before, after) {
            Strength::Weaker => "asks for less than before",
            Strength::Other => "no longer asks for all it asked for",
            Strength::Same | Strength::Stronger => return None,
        },
    };
    Some(why.to_owned())
}

/// Criteria that go are told one by one; here only the rule over them counts.
fn is_eased(before: &Gate, after: &Gate) -> bool {
    let demanded = |gate: &Gate| match &gate.policy {
        None | Some(Policy::All) => gate.criteria.len(),
        Some(Policy::Any) => 1,
        Some(Policy::AtLeast(n)) => n.value as usize,
    };
    let same_rule = match (&before.policy, &after.policy) {
        (_, None | Some(Policy::All)) | (Some(Policy::Any), Some(Policy::Any)) => true,
        (Some(Policy::AtLeast(old)), Some(Policy::AtLeast(new))) => new.value >= old.value,
        _ => false,
    };
    !same_rule && demanded(after) < demanded(before)
}
