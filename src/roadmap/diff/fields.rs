//! Two nodes of two trees, field by field: what stands there now and what stood there before.
//!
//! Entries of lists are known by their id, number, name or text, wherever they stand. Neither spaces nor the order of
//! what has no order make a difference, and 4 is 4.0.

use std::collections::HashMap;

use super::{Change, Kind};
use crate::plan::decimal::Decimal;
use crate::plan::tree::{self, NodeId, Tree};

/// What tells the entries of a list apart, best first.
const NAMES: &[&str] =
    &["id", "n", "path", "name", "key", "text", "title", "what", "series", "who", "item", "days", "where"];

/// Lists whose order says nothing.
const UNORDERED: &[&str] =
    &["needs", "owners", "covers", "category", "workdays", "holidays", "affects", "blocks", "after"];

pub(super) struct Pair<'a> {
    pub(super) before: &'a Tree,
    pub(super) after: &'a Tree,
    /// Ids that were renamed: from the old to the new.
    pub(super) renamed: &'a HashMap<String, String>,
}

pub(super) fn value(tree: &Tree, node: NodeId, key: &str) -> Option<NodeId> {
    tree.entries(node).find(|(k, _)| tree.text(*k) == key).map(|(_, value)| value)
}

/// The name by which an entry of a list is known.
pub(super) fn name(tree: &Tree, node: NodeId) -> String {
    match tree.kind(node) {
        tree::Kind::Map => match NAMES.iter().find_map(|key| value(tree, node, key)) {
            Some(named) => shown(tree, named),
            None => shown(tree, node),
        },
        _ => shown(tree, node),
    }
}

/// As one would write it on a line.
pub(super) fn shown(tree: &Tree, node: NodeId) -> String {
    match tree.kind(node) {
        tree::Kind::Plain | tree::Kind::Quoted => tree.text(node).to_owned(),
        tree::Kind::List => {
            let items: Vec<String> = tree.items(node).iter().map(|item| shown(tree, *item)).collect();
            format!("[{}]", items.join(", "))
        }
        tree::Kind::Map => {
            let fields: Vec<String> =
                tree.entries(node).map(|(key, value)| format!("{}: {}", tree.text(key), shown(tree, value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

impl Pair<'_> {
    /// Compares the fields of two maps, but for those in `skip`, and tells each difference.
    pub(super) fn fields(
        &self,
        before: NodeId,
        after: NodeId,
        skip: &[&str],
        path: &str,
        tell: &mut dyn FnMut(Change),
    ) {
        let skipped = |tree: &Tree, key: NodeId| skip.contains(&tree.text(key));
        for (key, old) in self.before.entries(before).filter(|(key, _)| !skipped(self.before, *key)) {
            let field = join(path, self.before.text(key));
            match value(self.after, after, self.before.text(key)) {
                Some(new) => self.nodes(old, new, &field, tell),
                None if self.before.is_null(old) => {}
                None => tell(Change::field(Kind::Removed, &field, Some(shown(self.before, old)), None)),
            }
        }
        for (key, new) in self.after.entries(after).filter(|(key, _)| !skipped(self.after, *key)) {
            if value(self.before, before, self.after.text(key)).is_none() && !self.after.is_null(new) {
                let field = join(path, self.after.text(key));
                tell(Change::field(Kind::Added, &field, None, Some(shown(self.after, new))));
            }
        }
    }

    fn nodes(&self, before: NodeId, after: NodeId, path: &str, tell: &mut dyn FnMut(Change)) {
        if self.same(before, after, path) {
            return;
        }
        match (self.before.kind(before), self.after.kind(after)) {
            (tree::Kind::Map, tree::Kind::Map) => self.fields(before, after, &[], path, tell),
            (tree::Kind::List, tree::Kind::List) => self.lists(before, after, path, tell),
            _ => {
                let (old, new) = (shown(self.before, before), shown(self.after, after));
                tell(Change::field(Kind::Changed, path, Some(old), Some(new)));
            }
        }
    }

    fn lists(&self, before: NodeId, after: NodeId, path: &str, tell: &mut dyn FnMut(Change)) {
        let old = named(self.before, before, |name| self.renamed.get(&name).cloned().unwrap_or(name));
        let new = named(self.after, after, |name| name);
        let known: HashMap<&(String, usize), NodeId> = new.iter().map(|(name, node)| (name, *node)).collect();
        let gone: Vec<_> = old.iter().filter(|(name, _)| !known.contains_key(name)).collect();
        let kept: HashMap<&(String, usize), NodeId> = old.iter().map(|(name, node)| (name, *node)).collect();
        for (name, node) in &gone {
            let entry = format!("{path}[{}]", name.0);
            tell(Change::field(Kind::Removed, &entry, Some(shown(self.before, *node)), None));
        }
        for (name, node) in &new {
            let entry = format!("{path}[{}]", name.0);
            match kept.get(name) {
                Some(old) => self.nodes(*old, *node, &entry, tell),
                None => tell(Change::field(Kind::Added, &entry, None, Some(shown(self.after, *node)))),
            }
        }
        let order = |all: &[((String, usize), NodeId)], other: &HashMap<&(String, usize), NodeId>| -> Vec<String> {
            all.iter().filter(|(name, _)| other.contains_key(name)).map(|(name, _)| name.0.clone()).collect()
        };
        let (then, now) = (order(&old, &known), order(&new, &kept));
        if then != now && !UNORDERED.contains(&last(path)) {
            let field = format!("{path} (order)");
            tell(Change::field(Kind::Changed, &field, Some(then.join(", ")), Some(now.join(", "))));
        }
    }

    fn same(&self, before: NodeId, after: NodeId, path: &str) -> bool {
        match (self.before.kind(before), self.after.kind(after)) {
            (tree::Kind::Map, tree::Kind::Map) => {
                let (mut old, mut new) = (self.before.entries(before).count(), self.after.entries(after).count());
                let all = self.before.entries(before).all(|(key, value_before)| {
                    let key = self.before.text(key);
                    match value(self.after, after, key) {
                        Some(value_after) => self.same(value_before, value_after, key),
                        None => {
                            old -= 1;
                            self.before.is_null(value_before)
                        }
                    }
                });
                let absent = |key: NodeId| value(self.before, before, self.after.text(key)).is_none();
                new -= self.after.entries(after).filter(|(k, v)| self.after.is_null(*v) && absent(*k)).count();
                all && old == new
            }
            (tree::Kind::List, tree::Kind::List) => {
                let (old, new) = (self.before.items(before), self.after.items(after));
                if old.len() != new.len() {
                    return false;
                }
                if UNORDERED.contains(&last(path)) {
                    let renamed = |name: String| self.renamed.get(&name).cloned().unwrap_or(name);
                    let mut old: Vec<String> = old.iter().map(|n| renamed(shown(self.before, *n))).collect();
                    let mut new: Vec<String> = new.iter().map(|n| shown(self.after, *n)).collect();
                    old.sort_unstable();
                    new.sort_unstable();
                    return old == new;
                }
                old.iter().zip(new).all(|(old, new)| self.same(*old, *new, path))
            }
            (tree::Kind::Plain | tree::Kind::Quoted, tree::Kind::Plain | tree::Kind::Quoted) => {
                let (old, new) = (self.before.text(before), self.after.text(after));
                let plain =
                    self.before.kind(before) == self.after.kind(after) && self.after.kind(after) == tree::Kind::Plain;
                let equal = || Decimal::parse(old).ok().zip(Decimal::parse(new).ok()).is_some_and(|(a, b)| a == b);
                old == new || self.renamed.get(old).is_some_and(|name| name == new) || (plain && equal())
            }
            _ => self.before.is_null(before) && self.after.is_null(after),
        }
    }
}

/// The entries of a list by their names, and by how often the name stood there before.
fn named(tree: &Tree, list: NodeId, rename: impl Fn(String) -> String) -> Vec<((String, usize), NodeId)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let entries = tree.items(list).iter().map(|item| {
        let name = rename(name(tree, *item));
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        ((name, *times), *item)
    });
    entries.collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
