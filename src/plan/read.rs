//! From trees to typed values, strictly: what a field may hold is told by its type, and by nothing else.
//!
//! A [`Field`] reads itself from a node and describes itself as JSON Schema. [`record!`] makes both from one list of
//! fields, so that the schema that editors use can't drift from the reader. All problems of a file are collected.

use serde_json::{Map, Value, json};

use super::source::{At, Source, Span};
use super::tree::{Kind, NodeId, Tree};
use crate::error::{Error, Place, nearest};

/// More refusals than this help nobody.
const MAX_PROBLEMS: usize = 50;

pub struct Reader<'a> {
    pub tree: &'a Tree,
    source: &'a Source,
    problems: Vec<Error>,
}

impl<'a> Reader<'a> {
    pub fn new(tree: &'a Tree, source: &'a Source) -> Self {
        Reader { tree, source, problems: Vec::new() }
    }

    /// Whether something was refused, so that values may be missing from what was read.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub fn into_problems(self) -> Vec<Error> {
        self.problems
    }

    pub fn refuse(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let place = Place::in_text(&self.source.path, &self.source.text, span.start as usize);
        let mut error = Error::invalid(message).at(place);
        error.hints.extend(hint);
        self.problems.push(error);
    }

    /// The values of a map's keys in the order of `keys`. What has no place there is refused, and the rest read on, so
    /// that one run tells all that is wrong.
    pub fn slots<const N: usize>(&mut self, node: NodeId, keys: &[&'static str; N]) -> Option<[Option<NodeId>; N]> {
        let tree = self.tree;
        if tree.kind(node) != Kind::Map {
            let what = self.what(node);
            self.refuse(tree.span(node), format!("{what} stands here, and a map is needed"), Some(keys_hint(keys)));
            return None;
        }
        let mut slots = [None; N];
        for (key, value) in tree.entries(node) {
            let name = tree.text(key);
            match keys.iter().position(|k| *k == name) {
                Some(at) => slots[at] = Some(value),
                // Looking for the nearest word takes its time, and nobody would see it.
                None if self.problems.len() >= MAX_PROBLEMS => {}
                None => {
                    let hint = match nearest(name, keys.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => keys_hint(keys),
                    };
                    self.refuse(tree.span(key), format!("unknown field `{name}`"), Some(hint));
                }
            }
        }
        Some(slots)
    }

    pub fn field<T: Field>(&mut self, of: NodeId, key: &str, node: Option<NodeId>) -> Option<T> {
        match node {
            Some(node) if self.tree.is_null(node) && T::absent().is_none() => {
                self.refuse(self.tree.span(node), format!("`{key}` has no value"), None);
                None
            }
            // What was refused counts as left out from here on: the rest of its record can still be checked.
            Some(node) => T::read(node, self).or_else(T::absent),
            None => T::absent().or_else(|| {
                self.refuse(self.tree.span(of), format!("`{key}` is missing"), Some(format!("add `{key}: …` here")));
                None
            }),
        }
    }

    pub fn position(&self, span: Span) -> (usize, usize) {
        self.source.position(span.start)
    }

    /// What a node is, for people.
    pub fn what(&self, node: NodeId) -> String {
        match self.tree.kind(node) {
            Kind::List => "a list".to_owned(),
            Kind::Map => "a map".to_owned(),
            _ if self.tree.is_null(node) => "nothing".to_owned(),
            _ => format!("`{}`", self.tree.text(node)),
        }
    }

    pub fn at<T>(&self, node: NodeId, value: T) -> At<T> {
        At { value, span: self.tree.span(node) }
    }
}

fn keys_hint(keys: &[&str]) -> String {
    format!("fields here: {}", keys.join(", "))
}

/// What a field of a record may hold.
pub trait Field: Sized {
    /// None when the node holds something else, which has then been refused.
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self>;

    /// The value of a field that isn't there; none where it has to be.
    fn absent() -> Option<Self> {
        None
    }

    fn shape(book: &mut Book) -> Value;
}

/// The definitions of a JSON Schema, each once.
#[derive(Default)]
pub struct Book {
    pub definitions: Map<String, Value>,
}

impl Book {
    pub fn define(&mut self, name: &str, make: impl FnOnce(&mut Book) -> Value) -> Value {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name.to_owned(), Value::Null);
            let made = make(self);
            self.definitions.insert(name.to_owned(), made);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

impl<T: Field> Field for Option<T> {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        if reader.tree.is_null(node) { Some(None) } else { T::read(node, reader).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn shape(book: &mut Book) -> Value {
        T::shape(book)
    }
}

impl<T: Field> Field for Box<T> {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Box::new)
    }

    fn shape(book: &mut Book) -> Value {
        T::shape(book)
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        if tree.is_null(node) {
            return Some(Vec::new());
        }
        if tree.kind(node) != Kind::List {
            let what = reader.what(node);
            reader.refuse(
                tree.span(node),
                format!("{what} stands here, and a list is needed"),
                Some("write `[…]` or `- …`".into()),
            );
            return None;
        }
        let items = tree.items(node);
        let mut all = Vec::with_capacity(items.len());
        // What was refused is left out: that it was is known to the reader.
        for item in items {
            all.extend(T::read(*item, reader));
        }
        Some(all)
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn shape(book: &mut Book) -> Value {
        json!({ "type": "array", "items": T::shape(book) })
    }
}

/// A map from names to values, in the order it is written in.
#[derive(Clone, Debug, Default)]
pub struct Named<T>(pub Vec<(At<String>, T)>);

impl<T> Named<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }
}

impl<T: Field> Field for Named<T> {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        if tree.kind(node) != Kind::Map {
            let what = reader.what(node);
            reader.refuse(tree.span(node), format!("{what} stands here, and a map is needed"), None);
            return None;
        }
        let mut all = Vec::new();
        let mut fine = true;
        for (key, value) in tree.entries(node) {
            let name = reader.at(key, tree.text(key).to_owned());
            match reader.field(node, &name.value, Some(value)) {
                Some(value) => all.push((name, value)),
                None => fine = false,
            }
        }
        fine.then_some(Named(all))
    }

    fn absent() -> Option<Self> {
        Some(Named(Vec::new()))
    }

    fn shape(book: &mut Book) -> Value {
        json!({ "type": "object", "additionalProperties": T::shape(book) })
    }
}

/// A single value.
pub trait Scalar: Sized {
    /// `plain` when it is written without quotes. The error completes the sentence “`VALUE` …”, and may have a hint.
    fn parse(text: &str, plain: bool) -> Result<Self, (String, Option<String>)>;

    fn shape() -> Value;
}

impl<T: Scalar> Field for At<T> {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        let plain = match tree.kind(node) {
            Kind::Plain => true,
            Kind::Quoted => false,
            Kind::List | Kind::Map => {
                let what = reader.what(node);
                reader.refuse(tree.span(node), format!("{what} stands here, and a single value is needed"), None);
                return None;
            }
        };
        let text = tree.text(node);
        match T::parse(text, plain) {
            Ok(value) => Some(reader.at(node, value)),
            Err((message, hint)) => {
                reader.refuse(tree.span(node), format!("`{text}` {message}"), hint);
                None
            }
        }
    }

    fn shape(_: &mut Book) -> Value {
        T::shape()
    }
}

impl Scalar for String {
    fn parse(text: &str, plain: bool) -> Result<Self, (String, Option<String>)> {
        let other = match text {
            _ if !plain => None,
            "true" | "false" | "True" | "False" | "TRUE" | "FALSE" => Some("is a yes or no"),
            _ if text.parse::<f64>().is_ok() || text.starts_with("0x") => Some("is a number"),
            _ => None,
        };
        match other {
            Some(what) => Err((format!("{what}, and text is needed"), Some(format!("write \"{text}\"")))),
            None => Ok(text.to_owned()),
        }
    }

    fn shape() -> Value {
        json!({ "type": "string" })
    }
}

impl Scalar for bool {
    fn parse(text: &str, plain: bool) -> Result<Self, (String, Option<String>)> {
        match text {
            "true" if plain => Ok(true),
            "false" if plain => Ok(false),
            _ => Err(("is neither true nor false".into(), None)),
        }
    }

    fn shape() -> Value {
        json!({ "type": "boolean" })
    }
}

/// Makes a struct with a span, its [`Field`] reading and its JSON Schema from one list of fields.
macro_rules! record {
    ($(#[doc = $about:literal])* $name:ident { $( $(#[doc = $doc:literal])* $field:ident: $type:ty ),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub struct $name {
            pub span: $crate::plan::source::Span,
            $( $(#[doc = $doc])* pub $field: $type, )*
        }

        impl $crate::plan::read::Field for $name {
            fn read(
                node: $crate::plan::tree::NodeId,
                reader: &mut $crate::plan::read::Reader<'_>,
            ) -> Option<Self> {
                let keys = [$( $crate::plan::read::bare(stringify!($field)) ),*];
                let mut slots = reader.slots(node, &keys)?.into_iter();
                $( let $field = reader.field::<$type>(
                    node,
                    $crate::plan::read::bare(stringify!($field)),
                    slots.next().flatten(),
                ); )*
                Some($name { span: reader.tree.span(node), $( $field: $field? ),* })
            }

            fn shape(book: &mut $crate::plan::read::Book) -> serde_json::Value {
                book.define(stringify!($name), |book| {
                    $crate::plan::read::object(
                        concat!($($about),*),
                        vec![$( (
                            $crate::plan::read::bare(stringify!($field)),
                            <$type as $crate::plan::read::Field>::shape(book),
                            <$type as $crate::plan::read::Field>::absent().is_none(),
                            concat!($($doc),*),
                        ) ),*],
                    )
                })
            }
        }
    };
}

/// Makes an enum of words, as [`Scalar`] with suggestions.
macro_rules! words {
    ($(#[doc = $about:literal])* $name:ident { $( $(#[doc = $doc:literal])* $variant:ident = $word:literal ),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $( $(#[doc = $doc])* $variant ),* }

        impl $name {
            pub fn word(self) -> &'static str {
                match self { $( $name::$variant => $word ),* }
            }
        }

        impl $crate::plan::read::Scalar for $name {
            fn parse(text: &str, _: bool) -> Result<Self, (String, Option<String>)> {
                match text {
                    $( $word => Ok($name::$variant), )*
                    _ => Err($crate::plan::read::unknown_word(text, &[$( $word ),*])),
                }
            }

            fn shape() -> serde_json::Value {
                serde_json::json!({ "enum": [$( $word ),*] })
            }
        }
    };
}

pub(crate) use {record, words};

/// The key of a field whose name is a word of Rust.
pub fn bare(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

pub fn unknown_word(text: &str, words: &[&str]) -> (String, Option<String>) {
    let hint = match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of: {}", words.join(", ")),
    };
    ("is not known here".to_owned(), Some(hint))
}

pub fn object(about: &str, fields: Vec<(&'static str, Value, bool, &'static str)>) -> Value {
    let required: Vec<&str> = fields.iter().filter(|(_, _, required, _)| *required).map(|(key, ..)| *key).collect();
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(key, mut shape, _, doc)| {
            if let (Some(shape), false) = (shape.as_object_mut(), doc.is_empty()) {
                shape.insert("description".into(), doc.trim().into());
            }
            (key.to_owned(), shape)
        })
        .collect();
    json!({
        "type": "object",
        "description": about.trim(),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
