//! From a syntax tree to units.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use sha2::{Digest as _, Sha256};
use tree_sitter::{Node, Parser, TreeCursor};

use super::binders::{is_identifier, python_parameters};
use super::languages::Grammar;
use super::{Unit, UnitId};

/// Deeper than this nobody writes; what lies below is left out of the tokens, and said by nothing.
const MAX_DEPTH: u32 = 400;
const NAME_LIMIT: usize = 120;

/// The units of a file in a language with a grammar. Text that the grammar can't read counts as the tokens it found.
pub(super) fn units(grammar: &Grammar, source: &[u8], in_tests: bool) -> Vec<Unit> {
    let mut parser = Parser::new();
    if parser.set_language(&grammar.language).is_err() {
        return super::chunks::units(source, in_tests);
    }
    let Some(tree) = parser.parse(source, None) else { return super::chunks::units(source, in_tests) };
    let mut walk = Walk { grammar, source, units: Vec::new() };
    let around = Around { owner: Vec::new(), owner_name: String::new(), test: in_tests };
    walk.members(tree.root_node(), &around, &mut Vec::new(), 0);
    walk.units
}

struct Walk<'a> {
    grammar: &'a Grammar,
    source: &'a [u8],
    units: Vec<Unit>,
}

/// What a unit stands in.
#[derive(Clone)]
struct Around {
    /// The tokens of the class or impl.
    owner: Vec<u8>,
    owner_name: String,
    test: bool,
}

impl<'a> Walk<'a> {
    /// Goes through the children of a file, module or class. What belongs to no unit of its own goes to `rest`.
    fn members(&mut self, node: Node<'a>, around: &Around, rest: &mut Vec<Node<'a>>, depth: u32) {
        let mut attributes: Vec<Node<'a>> = Vec::new();
        let top = around.owner.is_empty();
        let mut cursor = node.walk();
        let children: Vec<Node<'a>> = node.children(&mut cursor).collect();
        for child in children {
            let kind = child.kind();
            let grammar = self.grammar;
            let is = |list: &[&str]| list.contains(&kind);
            if is_comment(&child) || is(grammar.imports) {
                continue;
            }
            if matches!(kind, "attribute_item" | "decorator" | "marker_annotation" | "annotation") {
                attributes.push(child);
                continue;
            }
            let marked = attributes.iter().any(|a| marks_test(&self.source[a.byte_range()]));
            if depth < MAX_DEPTH && is(grammar.functions) {
                let inner = Around { test: around.test || marked || java_test(child, self.source), ..around.clone() };
                self.unit(&attributes, child, &inner);
            } else if depth < MAX_DEPTH && is(grammar.types) && child.child_count() > 0 {
                self.type_unit(&attributes, child, around, marked, depth);
            } else if depth < MAX_DEPTH && is(grammar.wrappers) && child.child_count() > 0 {
                let inner = Around { test: around.test || marked, ..around.clone() };
                self.members(child, &inner, rest, depth + 1);
            } else if top && child.is_named() && child.child_count() > 0 && kind != "mod_item" {
                let inner = Around { test: around.test || marked, ..around.clone() };
                self.unit(&attributes, child, &inner);
            } else if !top {
                rest.extend(attributes.iter().copied());
                rest.push(child);
            }
            attributes.clear();
        }
    }

    /// A class or impl: its members are units that know what they belong to, and what is left is one more.
    fn type_unit(&mut self, attributes: &[Node<'a>], node: Node<'a>, around: &Around, marked: bool, depth: u32) {
        let body = node.child_by_field_name("body");
        let mut header = Tokens::default();
        let mut cursor = node.walk();
        for child in node.children(&mut cursor).filter(|child| Some(*child) != body) {
            header.add(self, child, &Scope::default(), 0);
        }
        let name = node.child_by_field_name("name").or_else(|| node.child_by_field_name("type"));
        let name = name.map(|n| self.text(n)).unwrap_or_default();
        let mut owner = around.owner.clone();
        owner.extend_from_slice(&header.bytes);
        let inner = Around { owner, owner_name: name.clone(), test: around.test || marked };
        let mut rest = Vec::new();
        match body {
            Some(body) => self.members(body, &inner, &mut rest, depth + 1),
            None => rest.push(node),
        }
        let mut tokens = Tokens::default();
        attributes.iter().for_each(|a| tokens.add(self, *a, &Scope::default(), 0));
        tokens.bytes.extend_from_slice(&inner.owner);
        tokens.count += header.count;
        rest.iter().for_each(|n| tokens.add(self, *n, &Scope::default(), 0));
        self.push(tokens, name, lines_of(node), inner.test);
    }

    fn unit(&mut self, attributes: &[Node<'a>], node: Node<'a>, around: &Around) {
        let own_name = if self.grammar.functions.contains(&node.kind()) { function_name(node) } else { None };
        let scope = Scope::of(self, node, own_name);
        let mut tokens = Tokens::default();
        tokens.bytes.extend_from_slice(&around.owner);
        attributes.iter().for_each(|a| tokens.add(self, *a, &scope, 0));
        tokens.add(self, node, &scope, 0);
        let named = own_name.or_else(|| node.child_by_field_name("name"));
        let mut name = named.map(|n| self.text(n)).unwrap_or_default();
        if !around.owner_name.is_empty() && !name.is_empty() {
            name = format!("{}::{name}", around.owner_name);
        }
        let first = attributes.first().copied().unwrap_or(node);
        let lines = (first.start_position().row as u32 + 1)..=(*lines_of(node).end());
        self.push(tokens, name, lines, around.test);
    }

    fn push(&mut self, mut tokens: Tokens, name: String, lines: RangeInclusive<u32>, test: bool) {
        tokens.end();
        if tokens.count > 0 {
            self.units.push(Unit { id: digest(&tokens.bytes), name, tokens: tokens.count, lines, test });
        }
    }

    fn text(&self, node: Node<'_>) -> String {
        let text = String::from_utf8_lossy(&self.source[node.byte_range()]);
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME_LIMIT).collect()
    }
}

/// Names that are bound inside a unit, each to the order in which it first comes up.
#[derive(Default)]
struct Scope<'s> {
    bound: HashSet<&'s [u8]>,
    own_name: Option<&'s [u8]>,
}

impl<'s> Scope<'s> {
    fn of(walk: &Walk<'s>, node: Node<'s>, own_name: Option<Node<'s>>) -> Scope<'s> {
        let own_name = own_name.map(|n| &walk.source[n.byte_range()]);
        let mut scope = Scope { bound: HashSet::new(), own_name };
        let mut cursor = node.walk();
        let mut depth = 0;
        loop {
            let here = cursor.node();
            // Asking for a node's kind measures its name each time.
            let kind = here.kind();
            let binders = walk.grammar.binders.iter().filter(|binder| binder.binds(kind));
            binders.for_each(|binder| binder.collect(here, walk.source, &mut scope.bound));
            if walk.grammar.indented {
                python_parameters(here, kind, walk.source, &mut scope.bound);
            }
            if cursor.goto_first_child() {
                depth += 1;
                continue;
            }
            while !cursor.goto_next_sibling() {
                if depth == 0 {
                    return scope;
                }
                cursor.goto_parent();
                depth -= 1;
            }
            if depth == 0 {
                return scope;
            }
        }
    }
}

/// Normalised tokens, each ended by a NUL.
#[derive(Default)]
struct Tokens<'s> {
    bytes: Vec<u8>,
    count: u32,
    numbers: HashMap<&'s [u8], usize>,
    /// A comma or semicolon that counts only if something other than a closing bracket follows.
    held: Option<&'s [u8]>,
}

impl<'s> Tokens<'s> {
    fn add(&mut self, walk: &Walk<'s>, node: Node<'s>, scope: &Scope<'s>, depth: u32) {
        self.below(walk, &mut node.walk(), node.parent(), scope, depth);
    }

    /// The node that the cursor stands on. A node finds its parent by a search from the root, so it is handed down.
    fn below(
        &mut self,
        walk: &Walk<'s>,
        cursor: &mut TreeCursor<'s>,
        parent: Option<Node<'s>>,
        scope: &Scope<'s>,
        depth: u32,
    ) {
        let node = cursor.node();
        let kind = node.kind();
        if kind.contains("comment") || depth > MAX_DEPTH || walk.grammar.imports.contains(&kind) {
            return;
        }
        if walk.grammar.indented && kind == "expression_statement" && is_doc_string(node) {
            return;
        }
        // A string is one token, whatever its quotes, unless something is computed inside it.
        let atom = node.child_count() == 0 || (is_string(kind) && !has_interpolation(node));
        if atom {
            self.leaf(walk, node, kind, parent, scope);
            return;
        }
        let marked = walk.grammar.indented && kind == "block";
        if marked {
            self.put(b"{", false);
        }
        if cursor.goto_first_child() {
            loop {
                self.below(walk, cursor, Some(node), scope, depth + 1);
                if !cursor.goto_next_sibling() {
                    break;
                }
            }
            cursor.goto_parent();
        }
        if marked {
            self.put(b"}", false);
        }
    }

    fn leaf(&mut self, walk: &Walk<'s>, node: Node<'s>, kind: &str, parent: Option<Node<'s>>, scope: &Scope<'s>) {
        let text: &'s [u8] = &walk.source[node.byte_range()];
        let text = text.trim_ascii();
        if text.is_empty() || (walk.grammar.optional_semicolons && text == b";") {
            return;
        }
        match text {
            b"," => self.held = Some(text),
            b")" | b"]" | b"}" | b">" => {
                self.held = None;
                self.put(text, true);
            }
            _ if scope.own_name == Some(text) && names_something(kind) => self.put(b"\x01self", true),
            _ if is_identifier(kind) && scope.bound.contains(text) && !is_member(walk.grammar, node, parent) => {
                let next = self.numbers.len();
                let number = *self.numbers.entry(text).or_insert(next);
                self.put(format!("\x01{number}").as_bytes(), true);
            }
            _ if kind == "string" => self.put(&one_kind_of_quotes(text), true),
            _ => self.put(text, true),
        }
    }

    fn put(&mut self, text: &[u8], counts: bool) {
        self.end();
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.count += u32::from(counts);
    }

    fn end(&mut self) {
        if let Some(held) = self.held.take() {
            self.bytes.extend_from_slice(held);
            self.bytes.push(0);
            self.count += 1;
        }
    }
}

fn names_something(kind: &str) -> bool {
    kind.ends_with("identifier") || kind == "word"
}

fn is_member(grammar: &Grammar, node: Node<'_>, parent: Option<Node<'_>>) -> bool {
    let Some(parent) = parent else { return false };
    let above = parent.kind();
    if above == "shorthand_field_initializer" {
        return true;
    }
    grammar.members.iter().any(|(kind, field)| above == *kind && parent.child_by_field_name(field) == Some(node))
}

fn is_comment(node: &Node<'_>) -> bool {
    node.kind().contains("comment")
}

fn is_string(kind: &str) -> bool {
    matches!(
        kind,
        "string"
            | "string_literal"
            | "raw_string_literal"
            | "interpreted_string_literal"
            | "char_literal"
            | "character_literal"
            | "raw_string"
    )
}

fn has_interpolation(node: Node<'_>) -> bool {
    let mut cursor = node.walk();
    node.children(&mut cursor).any(|child| {
        matches!(child.kind(), "interpolation" | "template_substitution" | "expansion" | "simple_expansion")
            || child.kind() == "command_substitution"
            || child.kind() == "string_interpolation"
    })
}

/// `'a'` is `"a"` where no quote stands inside.
fn one_kind_of_quotes(text: &[u8]) -> Vec<u8> {
    match text {
        [b'\'', inner @ .., b'\''] if !inner.contains(&b'"') && !inner.contains(&b'\\') => {
            [b"\"", inner, b"\""].concat()
        }
        _ => text.to_vec(),
    }
}

fn is_doc_string(node: Node<'_>) -> bool {
    node.kind() == "expression_statement"
        && node.named_child_count() == 1
        && node.named_child(0).is_some_and(|child| child.kind() == "string")
        && node.prev_named_sibling().is_none_or(|before| is_comment(&before))
        && node.parent().is_some_and(|parent| matches!(parent.kind(), "block" | "module"))
}

fn marks_test(attribute: &[u8]) -> bool {
    let text: String = String::from_utf8_lossy(attribute).split_whitespace().collect();
    let inner = text.trim_start_matches(['#', '[', '!', '@']).trim_end_matches([']', ')']);
    inner == "test"
        || inner.ends_with("::test")
        || inner.starts_with("cfg(test")
        || inner.starts_with("test(")
        || inner.contains("::test(")
        || matches!(inner, "Test" | "ParameterizedTest" | "RepeatedTest" | "rstest" | "fixture" | "pytest.fixture")
}

/// Java's annotations stand inside the method.
fn java_test(node: Node<'_>, source: &[u8]) -> bool {
    let Some(modifiers) = node.child(0).filter(|child| child.kind() == "modifiers") else { return false };
    let mut cursor = modifiers.walk();
    modifiers
        .children(&mut cursor)
        .any(|child| child.kind().contains("annotation") && marks_test(&source[child.byte_range()]))
}

/// Where a function's name stands; C hides it behind declarators.
fn function_name(node: Node<'_>) -> Option<Node<'_>> {
    if let Some(name) = node.child_by_field_name("name") {
        return Some(name);
    }
    let mut here = node.child_by_field_name("declarator")?;
    while let Some(inner) = here.child_by_field_name("declarator") {
        here = inner;
    }
    Some(here)
}

fn lines_of(node: Node<'_>) -> RangeInclusive<u32> {
    (node.start_position().row as u32 + 1)..=(node.end_position().row as u32 + 1)
}

pub(super) fn digest(bytes: &[u8]) -> UnitId {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut id = UnitId::default();
    id.copy_from_slice(&digest[..12]);
    id
}
