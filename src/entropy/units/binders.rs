//! Where each language binds names, so that renaming what is bound inside a unit changes nothing.

use std::collections::HashSet;

use tree_sitter::Node;

/// A node that binds the identifiers below one of its fields; without a field, below itself.
pub(super) struct Binder {
    kind: &'static str,
    field: Option<&'static str>,
    /// Patterns name constants and constructors too, and those begin with a capital.
    lower_case_only: bool,
}

const fn field(kind: &'static str, field: &'static str) -> Binder {
    Binder { kind, field: Some(field), lower_case_only: false }
}

const fn whole(kind: &'static str) -> Binder {
    Binder { kind, field: None, lower_case_only: false }
}

const fn pattern(kind: &'static str, field: &'static str) -> Binder {
    Binder { kind, field: Some(field), lower_case_only: true }
}

pub(super) const RUST: &[Binder] = &[
    pattern("parameter", "pattern"),
    pattern("let_declaration", "pattern"),
    pattern("let_condition", "pattern"),
    pattern("for_expression", "pattern"),
    pattern("match_arm", "pattern"),
    Binder { kind: "closure_parameters", field: None, lower_case_only: true },
];

pub(super) const PYTHON: &[Binder] = &[
    field("default_parameter", "name"),
    field("typed_default_parameter", "name"),
    whole("list_splat_pattern"),
    whole("dictionary_splat_pattern"),
    field("assignment", "left"),
    field("named_expression", "name"),
    field("for_statement", "left"),
    field("for_in_clause", "left"),
    whole("as_pattern_target"),
];

pub(super) const JAVASCRIPT: &[Binder] = &[
    whole("formal_parameters"),
    field("arrow_function", "parameter"),
    field("variable_declarator", "name"),
    field("catch_clause", "parameter"),
    field("for_in_statement", "left"),
];

pub(super) const TYPESCRIPT: &[Binder] = &[
    field("required_parameter", "pattern"),
    field("optional_parameter", "pattern"),
    field("arrow_function", "parameter"),
    field("variable_declarator", "name"),
    field("catch_clause", "parameter"),
    field("for_in_statement", "left"),
];

pub(super) const GO: &[Binder] = &[
    field("parameter_declaration", "name"),
    field("variadic_parameter_declaration", "name"),
    field("short_var_declaration", "left"),
    field("var_spec", "name"),
    field("range_clause", "left"),
];

pub(super) const C: &[Binder] = &[
    field("parameter_declaration", "declarator"),
    field("optional_parameter_declaration", "declarator"),
    field("init_declarator", "declarator"),
    field("declaration", "declarator"),
    field("for_range_loop", "declarator"),
];

pub(super) const JAVA: &[Binder] = &[
    field("formal_parameter", "name"),
    field("variable_declarator", "name"),
    field("enhanced_for_statement", "name"),
    field("catch_formal_parameter", "name"),
    field("resource", "name"),
];

impl Binder {
    pub(super) fn binds(&self, kind: &str) -> bool {
        kind == self.kind
    }

    pub(super) fn collect<'s>(&self, node: Node<'_>, source: &'s [u8], names: &mut HashSet<&'s [u8]>) {
        let mut cursor = node.walk();
        let roots: Vec<Node<'_>> = match self.field {
            Some(field) => node.children_by_field_name(field, &mut cursor).collect(),
            None => vec![node],
        };
        for root in roots {
            self.identifiers(root, source, names, true);
        }
    }

    fn identifiers<'s>(&self, node: Node<'_>, source: &'s [u8], names: &mut HashSet<&'s [u8]>, first: bool) {
        if is_identifier(node.kind()) {
            let name = &source[node.byte_range()];
            if !self.lower_case_only || !name.first().is_some_and(u8::is_ascii_uppercase) {
                names.insert(name);
            }
            return;
        }
        // What a pattern computes, or the type or value beside a name, binds nothing.
        let opaque = matches!(
            node.kind(),
            "attribute"
                | "subscript"
                | "call"
                | "scoped_identifier"
                | "field_expression"
                | "type"
                | "block"
                | "array_declarator"
                | "index_expression"
                | "selector_expression"
                | "member_expression"
        );
        if opaque && !first {
            return;
        }
        let mut cursor = node.walk();
        if !cursor.goto_first_child() {
            return;
        }
        loop {
            let skipped = matches!(cursor.field_name(), Some("type" | "value" | "right" | "condition" | "size"))
                || (matches!(node.kind(), "attribute" | "member_expression" | "subscript"));
            if !skipped {
                self.identifiers(cursor.node(), source, names, false);
            }
            if !cursor.goto_next_sibling() {
                return;
            }
        }
    }
}

pub(super) fn is_identifier(kind: &str) -> bool {
    matches!(kind, "identifier" | "shorthand_property_identifier_pattern" | "shorthand_field_identifier")
}

/// Plain parameters of Python stand among others without a node of their own.
pub(super) fn python_parameters<'s>(node: Node<'_>, kind: &str, source: &'s [u8], names: &mut HashSet<&'s [u8]>) {
    if !matches!(kind, "parameters" | "lambda_parameters" | "typed_parameter") {
        return;
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        if child.kind() == "identifier" {
            names.insert(&source[child.byte_range()]);
        }
    }
}
