//! The JSON that gets signed: RFC 8785's canonical form, without its floats.
//!
//! Numbers are integers within ±(2^53 − 1), the range that every JSON implementation keeps exactly; anything finer is
//! written as a decimal string. A document has one spelling, so that a signature covers one meaning and one text.

use std::cmp::Ordering;
use std::fmt;

mod parse;
#[cfg(test)]
pub(super) mod tests;

pub use parse::{MAX_DEPTH, locate, parse, parse_canonical};

pub const MAX_INTEGER: i64 = (1 << 53) - 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    /// Within ±[`MAX_INTEGER`].
    Integer(i64),
    String(String),
    Array(Vec<Value>),
    Object(Object),
}

/// Members without duplicates, kept in canonical order: by UTF-16 code units, as RFC 8785 wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Value)>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset of the fault.
    pub offset: usize,
    pub reason: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.reason)
    }
}

impl std::error::Error for JsonError {}

impl Object {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `key` was new. An existing member is left as it is.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> bool {
        let key = key.into();
        match self.0.binary_search_by(|(other, _)| utf16_order(other, &key)) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, (key, value.into()));
                true
            }
        }
    }

    /// `insert` for building an object in one expression.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    pub fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(other, _)| utf16_order(other, key)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.binary_search_by(|(other, _)| utf16_order(other, key)).ok()?;
        Some(self.0.remove(at).1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value {
    pub fn to_canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(true) => text.push_str("true"),
            Self::Bool(false) => text.push_str("false"),
            Self::Integer(number) => text.push_str(&number.to_string()),
            Self::String(string) => write_string(string, text),
            Self::Array(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(object) => {
                text.push('{');
                for (at, (key, value)) in object.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    write_string(key, text);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }

    /// Two spaces a level, one member a line, in canonical order: for files that people review.
    pub fn to_pretty(&self) -> String {
        let mut text = String::new();
        self.write_pretty(0, &mut text);
        text.push('\n');
        text
    }

    fn write_pretty(&self, depth: usize, text: &mut String) {
        let line = |text: &mut String, depth: usize| {
            text.push('\n');
            text.extend(std::iter::repeat_n("  ", depth));
        };
        match self {
            Self::Array(items) if !items.is_empty() => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    line(text, depth + 1);
                    item.write_pretty(depth + 1, text);
                }
                line(text, depth);
                text.push(']');
            }
            Self::Object(object) if !object.is_empty() => {
                text.push('{');
                for (at, (key, value)) in object.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    line(text, depth + 1);
                    write_string(key, text);
                    text.push_str(": ");
                    value.write_pretty(depth + 1, text);
                }
                line(text, depth);
                text.push('}');
            }
            _ => self.write(text),
        }
    }
}

/// Above the surrogates' block, UTF-8 and UTF-16 order differ: U+FB33 comes after U+1F600.
fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    let mut written = 0;
    for (at, byte) in string.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            0x0c => "\\f",
            b'\r' => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        text.push_str(&string[written..at]);
        if short.is_empty() {
            text.push_str("\\u00");
            text.push_str(&super::hex::encode(&[byte]));
        } else {
            text.push_str(short);
        }
        written = at + 1;
    }
    text.push_str(&string[written..]);
    text.push('"');
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `None` beyond ±[`MAX_INTEGER`].
pub fn integer(value: impl TryInto<i64>) -> Option<Value> {
    let value = value.try_into().ok()?;
    (-MAX_INTEGER..=MAX_INTEGER).contains(&value).then_some(Value::Integer(value))
}
