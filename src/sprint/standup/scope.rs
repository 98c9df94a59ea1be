//! What of a sprint's file changed in a window: work that came, went or is described differently, and other sections.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::schema::Plan;
use crate::plan::tree::{Kind, NodeId, Tree};

/// A plan with the tree that it was read from.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    pub plan: &'a Plan,
    pub tree: &'a Tree,
}

/// What the sprint's file was when the window began.
pub enum Before<'a> {
    Plan(Version<'a>),
    /// There was none.
    Nothing,
    /// It was no valid plan.
    Invalid,
    /// Nothing tells.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Each with the fields that changed.
    pub changed: Vec<(String, Vec<String>)>,
    /// Sections other than those of the work above.
    pub sections: Vec<String>,
    /// Where it can't be compared: why.
    pub note: Option<String>,
}

impl Scope {
    /// None where nothing changed.
    pub fn between(before: &Before<'_>, now: Version<'_>) -> Option<Scope> {
        let note = |note: &str| Some(Scope { note: Some(note.to_owned()), ..Scope::default() });
        match before {
            Before::Plan(before) => Some(compare(*before, now)).filter(|scope| *scope != Scope::default()),
            Before::Nothing => note("the sprint's file is new in this window"),
            Before::Invalid => note("the sprint's file was no valid plan when this window began"),
            Before::Unknown => None,
        }
    }
}

fn compare(before: Version<'_>, now: Version<'_>) -> Scope {
    let (old, new) = (work(before), work(now));
    let mut scope = Scope::default();
    let named =
        |version: Version<'_>, id: &str| name_of(version.plan, id).map_or(id.to_owned(), |name| format!("{id} {name}"));
    for (id, fields) in &new {
        match old.get(id) {
            None => scope.added.push(named(now, id)),
            Some(before) if before != fields => {
                let keys: BTreeSet<&String> = before.keys().chain(fields.keys()).collect();
                let changed = keys.into_iter().filter(|key| before.get(*key) != fields.get(*key));
                scope.changed.push((named(now, id), changed.cloned().collect()));
            }
            Some(_) => {}
        }
    }
    scope.removed = old.keys().filter(|id| !new.contains_key(*id)).map(|id| named(before, id)).collect();
    let (old, new) = (sections(before), sections(now));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    scope.sections = names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
    scope
}

fn name_of(plan: &Plan, id: &str) -> Option<String> {
    let items = plan.items.iter().map(|i| (&i.id, &i.name));
    let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages).map(|p| (&p.id, &p.name));
    let tasks = super::link::tasks(plan).filter_map(|t| Some((t.id.as_ref()?, &t.text)));
    items.chain(packages).chain(tasks).find(|(of, _)| of.value.0 == id).map(|(_, name)| name.value.clone())
}

/// The fields of everything that has an id or, as tasks of days do, a text of its own.
fn work(version: Version<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let Some(root) = version.tree.root() else { return found };
    for (key, value) in version.tree.entries(root) {
        match version.tree.text(key) {
            "items" => records(version, value, "", &mut found),
            "phases" | "tiers" => nested(version, value, "packages", "", &mut found),
            "days" => nested(version, value, "tasks", "n", &mut found),
            _ => {}
        }
    }
    found
}

type Found = BTreeMap<String, BTreeMap<String, String>>;

fn nested(version: Version<'_>, list: NodeId, inner: &str, number: &str, found: &mut Found) {
    for outer in version.tree.items(list) {
        let of_day = field(version.tree, *outer, number).map_or(String::new(), |n| version.tree.text(n).to_owned());
        if let Some(inner) = field(version.tree, *outer, inner) {
            records(version, inner, &of_day, found);
        }
    }
}

fn records(version: Version<'_>, list: NodeId, day: &str, found: &mut Found) {
    for record in version.tree.items(list) {
        let text = |key: &str| field(version.tree, *record, key).map(|node| version.tree.text(node).to_owned());
        let name = match (text("id"), text("text")) {
            (Some(id), _) => id,
            (None, Some(text)) => format!("day {day}: {text}"),
            (None, None) => continue,
        };
        let fields = version.tree.entries(*record);
        let fields = fields.map(|(key, value)| (version.tree.text(key).to_owned(), shown(version.tree, value)));
        found.insert(name, fields.collect());
    }
}

fn field(tree: &Tree, record: NodeId, name: &str) -> Option<NodeId> {
    tree.entries(record).find(|(key, _)| tree.text(*key) == name).map(|(_, value)| value)
}

/// Everything else, by section.
fn sections(version: Version<'_>) -> BTreeMap<String, String> {
    let tree = version.tree;
    let Some(root) = tree.root() else { return BTreeMap::new() };
    let mut sections = BTreeMap::new();
    for (key, value) in tree.entries(root) {
        let name = tree.text(key).to_owned();
        let rest = match name.as_str() {
            "items" => continue,
            "phases" | "tiers" => without(tree, value, "packages"),
            "days" => without(tree, value, "tasks"),
            _ => shown(tree, value),
        };
        sections.insert(name, rest);
    }
    sections
}

fn without(tree: &Tree, list: NodeId, inner: &str) -> String {
    let mut text = String::new();
    for record in tree.items(list) {
        for (key, value) in tree.entries(*record).filter(|(key, _)| tree.text(*key) != inner) {
            text += &format!("{}:{};", tree.text(key), shown(tree, value));
        }
        text.push('\n');
    }
    text
}

/// A node's content, however it was laid out.
fn shown(tree: &Tree, node: NodeId) -> String {
    match tree.kind(node) {
        Kind::Plain => format!("={}", tree.text(node)),
        Kind::Quoted => format!("\"{}", tree.text(node)),
        Kind::List => {
            let items: Vec<String> = tree.items(node).iter().map(|item| shown(tree, *item)).collect();
            format!("[{}]", items.join("\u{1f}"))
        }
        Kind::Map => {
            let mut fields: Vec<String> =
                tree.entries(node).map(|(k, v)| format!("{}:{}", tree.text(k), shown(tree, v))).collect();
            fields.sort();
            format!("{{{}}}", fields.join("\u{1f}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sprint::tests::sprint;

    fn version<'a>(plan: &'a Plan, tree: &'a Tree) -> Version<'a> {
        Version { plan, tree }
    }

    #[test]
    fn what_came_went_and_changed() {
        let old = sprint(
            "items: [{id: A, name: One}, {id: B, name: Two, window: 1-2}]\nmotto: [x]\ndays: [{n: 1, tasks: [{text: t}]}]\n",
        );
        let new = sprint(
            "days: [{n: 1, tasks: [{text: t, done: true}]}]\nmotto: [y]\nitems:\n  - {id: B, window: 1-3, name: Two}\n  - {id: C, name: Three}\n",
        );
        let scope = Scope::between(&Before::Plan(version(&old.plan, &old.tree)), version(&new.plan, &new.tree))
            .expect("it changed");
        assert_eq!((scope.added, scope.removed), (vec!["C Three".to_owned()], vec!["A One".to_owned()]));
        let changed =
            [("B Two", "window"), ("day 1: t", "done")].map(|(of, field)| (of.to_owned(), vec![field.to_owned()]));
        assert_eq!(scope.changed, changed);
        assert_eq!(scope.sections, ["motto"]);
    }

    #[test]
    fn another_layout_of_the_same_plan_is_no_change() {
        let old = sprint("items: [{id: A, name: One}]\n");
        let new = sprint("# words\nitems:\n  - name: One\n    id: A\n");
        assert_eq!(Scope::between(&Before::Plan(version(&old.plan, &old.tree)), version(&new.plan, &new.tree)), None);
        assert!(Scope::between(&Before::Nothing, version(&new.plan, &new.tree)).is_some_and(|s| s.note.is_some()));
    }
}
