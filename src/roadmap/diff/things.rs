//! The things of a plan that have a life of their own: they are followed by their ids, wherever they stand.

use std::collections::{HashMap, HashSet};

use super::fields::{name, shown, value};
use crate::plan::tree::{self, NodeId, Tree};
use unicode_normalization::UnicodeNormalization;

#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) kind: &'static str,
    pub(super) id: String,
    /// What it is part of, as people say it.
    pub(super) within: Option<String>,
    pub(super) node: NodeId,
    /// Fields that are followed as things, or elsewhere.
    pub(super) skip: &'static [&'static str],
}

/// Sections that are lists of things, and what one of them is called.
const LISTS: &[(&str, &str, &[&str])] = &[
    ("facts", "fact", &[]),
    ("checks", "check", &[]),
    ("people", "person", &[]),
    ("teams", "team", &[]),
    ("categories", "category", &[]),
    ("items", "item", &[]),
    ("days", "day", &[]),
    ("metrics", "metric", &[]),
    ("risks", "risk", &[]),
    ("blockers", "blocker", &[]),
    ("horizons", "horizon", &["criteria"]),
    ("inventories", "inventory", &[]),
    ("tables", "table", &[]),
    ("lists", "list", &[]),
    ("definition_of_done", "criterion", &[]),
];

const OF_THE_PLAN: &[&str] = &[
    "phases",
    "tiers",
    "go_no_go",
    "facts",
    "checks",
    "people",
    "teams",
    "categories",
    "items",
    "days",
    "metrics",
    "risks",
    "blockers",
    "horizons",
    "inventories",
    "tables",
    "lists",
    "definition_of_done",
];

impl Thing {
    /// `package GEN-1`; nothing for the plan itself.
    pub(super) fn name(&self) -> String {
        if self.kind == "plan" { String::new() } else { format!("{} {}", self.kind, self.id).trim_end().to_owned() }
    }

    /// Whether others refer to it by its id.
    pub(super) fn can_be_renamed(&self) -> bool {
        matches!(self.kind, "package" | "item" | "criterion" | "phase" | "tier" | "person" | "metric")
    }

    /// What it says of itself, beside its id.
    pub(super) fn summary(&self, tree: &Tree) -> Option<String> {
        let fields = ["name", "title", "text", "hours", "estimate", "priority", "status", "lead", "owners"];
        let said = fields.iter().filter_map(|key| Some((*key, shown(tree, value(tree, self.node, key)?))));
        let said: Vec<String> = said
            .map(|(key, text)| match key {
                "hours" => format!("{text} h"),
                "name" | "title" | "text" => text,
                _ => format!("{key} {text}"),
            })
            .collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}

pub(super) fn of(tree: &Tree) -> Vec<Thing> {
    let mut things = Vec::new();
    let Some(root) = tree.root() else { return things };
    let thing = |kind, node, within: Option<String>, skip: &'static [&'static str]| {
        let id: String = name(tree, node).nfc().collect();
        Thing { kind, id, within, node, skip }
    };
    let list =
        |node: NodeId, key: &str| value(tree, node, key).map(|list| tree.items(list).to_vec()).unwrap_or_default();
    for (key, kind) in [("phases", "phase"), ("tiers", "tier")] {
        for phase in list(root, key) {
            let id = name(tree, phase);
            things.push(thing(kind, phase, None, &["packages", "gate"]));
            for package in list(phase, "packages") {
                things.push(thing("package", package, Some(format!("{kind} {id}")), &[]));
            }
            if let Some(gate) = value(tree, phase, "gate").filter(|gate| tree.kind(*gate) == tree::Kind::Map) {
                let within = None;
                things.push(Thing { kind: "gate", id: id.nfc().collect(), within, node: gate, skip: &["criteria"] });
                let criteria = list(gate, "criteria").into_iter();
                things.extend(criteria.map(|c| thing("criterion", c, Some(format!("the gate of {id}")), &[])));
            }
        }
    }
    for (key, kind, skip) in LISTS {
        for entry in list(root, key) {
            let within = (*kind == "criterion").then(|| "the definition of done".to_owned());
            things.push(thing(kind, entry, within, skip));
            if *kind == "horizon" {
                let within = format!("horizon {}", name(tree, entry));
                let criteria = list(entry, "criteria").into_iter();
                things.extend(criteria.map(|c| thing("criterion", c, Some(within.clone()), &[])));
            }
        }
    }
    if let Some(decision) = value(tree, root, "go_no_go").filter(|node| tree.kind(*node) == tree::Kind::Map) {
        things.push(Thing { kind: "go/no-go", id: String::new(), within: None, node: decision, skip: &["criteria"] });
        let criteria = list(decision, "criteria").into_iter();
        things.extend(criteria.map(|c| thing("criterion", c, Some("the go/no-go".to_owned()), &[])));
    }
    things.push(Thing { kind: "plan", id: String::new(), within: None, node: root, skip: OF_THE_PLAN });
    numbered(&mut things);
    things
}

/// What has no id of its own may have the name of another: the second one is told apart.
fn numbered(things: &mut [Thing]) {
    let mut seen: HashMap<(&'static str, String), usize> = HashMap::new();
    for thing in things {
        let times = seen.entry((thing.kind, thing.id.clone())).or_default();
        *times += 1;
        if *times > 1 {
            thing.id = format!("{} ({times})", thing.id);
        }
    }
}

/// New ids by the kind and the old id. That a thing was renamed is evident where one thing went, one came, and the two are
/// called the same, or have all but the id in common.
pub(super) type Renamed = HashMap<(&'static str, String), String>;

pub(super) fn renamed(before: (&Tree, &[Thing]), after: (&Tree, &[Thing])) -> Renamed {
    let ids = |things: &[Thing]| -> HashSet<(&'static str, String)> {
        things.iter().map(|thing| (thing.kind, thing.id.clone())).collect()
    };
    let went = by_look(before, &ids(after.1));
    let came = by_look(after, &ids(before.1));
    let alone = went.iter().filter_map(|(look, things)| match (&things[..], came.get(look).map(Vec::as_slice)) {
        ([old], Some([new])) => Some(((old.kind, old.id.clone()), new.id.clone())),
        _ => None,
    });
    alone.collect()
}

/// Things that the other version lacks, by what they look like without their ids.
fn by_look<'a>(
    (tree, things): (&Tree, &'a [Thing]),
    others: &HashSet<(&'static str, String)>,
) -> HashMap<(&'static str, String), Vec<&'a Thing>> {
    let mut looks: HashMap<_, Vec<&Thing>> = HashMap::new();
    for thing in things.iter().filter(|t| t.can_be_renamed() && !others.contains(&(t.kind, t.id.clone()))) {
        let look = look(tree, thing);
        if !look.is_empty() {
            looks.entry((thing.kind, look)).or_default().push(thing);
        }
    }
    looks
}

fn look(tree: &Tree, thing: &Thing) -> String {
    if let Some(called) = ["name", "title", "text", "role"].iter().find_map(|key| value(tree, thing.node, key)) {
        return shown(tree, called);
    }
    let packages = value(tree, thing.node, "packages").map(|list| tree.items(list)).unwrap_or_default();
    if !packages.is_empty() {
        return packages.iter().map(|package| name(tree, *package)).collect::<Vec<_>>().join(", ");
    }
    let rest = tree.entries(thing.node).filter(|(key, _)| tree.text(*key) != "id");
    rest.map(|(key, node)| format!("{}: {}", tree.text(key), shown(tree, node))).collect::<Vec<_>>().join(", ")
}

/// A place with the new name of what it is named after.
pub(super) fn renamed_within(within: &str, renamed: &HashMap<String, String>) -> String {
    let (before, id) = within.rsplit_once(' ').unwrap_or(("", within));
    match renamed.get(id) {
        Some(new) => format!("{before} {new}"),
        None => within.to_owned(),
    }
}
