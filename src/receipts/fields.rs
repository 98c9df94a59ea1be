//! Reading a JSON object field by field, so that what is missing, of the wrong kind or unknown is named by its path.

use std::fmt;

use super::hex;
use super::json::{Object, Value};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// Such as `predicate.session.seq` or `subject[2].name`.
    pub path: String,
    pub reason: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        write!(f, "{path}: {}", self.reason)
    }
}

impl std::error::Error for ShapeError {}

impl ShapeError {
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// An object being read. What [`Fields::finish`] has not seen taken, it refuses.
pub struct Fields<'a> {
    path: String,
    object: &'a Object,
    taken: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    pub fn of(path: impl Into<String>, value: &'a Value) -> Result<Self, ShapeError> {
        match value {
            Value::Object(object) => Ok(Self::of_object(path, object)),
            other => Err(ShapeError::new(path, format!("expected an object, found {}", other.kind()))),
        }
    }

    pub fn of_object(path: impl Into<String>, object: &'a Object) -> Self {
        Self { path: path.into(), object, taken: Vec::with_capacity(object.len()) }
    }

    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn error(&self, key: &str, reason: impl Into<String>) -> ShapeError {
        ShapeError::new(self.path_of(key), reason)
    }

    fn mismatch(&self, key: &str, expected: &str, found: &Value) -> ShapeError {
        self.error(key, format!("expected {expected}, found {}", found.kind()))
    }

    pub fn optional(&mut self, key: &'static str) -> Option<&'a Value> {
        self.taken.push(key);
        self.object.get(key)
    }

    pub fn take(&mut self, key: &'static str) -> Result<&'a Value, ShapeError> {
        self.optional(key).ok_or_else(|| self.error(key, "is missing"))
    }

    pub fn string(&mut self, key: &'static str) -> Result<&'a str, ShapeError> {
        match self.take(key)? {
            Value::String(string) => Ok(string),
            other => Err(self.mismatch(key, "a string", other)),
        }
    }

    pub fn optional_string(&mut self, key: &'static str) -> Result<Option<&'a str>, ShapeError> {
        self.optional(key).map(|_| self.string(key)).transpose()
    }

    /// A string, or `null`.
    pub fn nullable_string(&mut self, key: &'static str) -> Result<Option<&'a str>, ShapeError> {
        match self.take(key)? {
            Value::Null => Ok(None),
            Value::String(string) => Ok(Some(string)),
            other => Err(self.mismatch(key, "a string or null", other)),
        }
    }

    pub fn count(&mut self, key: &'static str) -> Result<u64, ShapeError> {
        match self.take(key)? {
            Value::Integer(number) => u64::try_from(*number).map_err(|_| self.error(key, "is negative")),
            other => Err(self.mismatch(key, "a number", other)),
        }
    }

    /// A count, or `null`.
    pub fn nullable_count(&mut self, key: &'static str) -> Result<Option<u64>, ShapeError> {
        match self.take(key)? {
            Value::Null => Ok(None),
            _ => self.count(key).map(Some),
        }
    }

    pub fn boolean(&mut self, key: &'static str) -> Result<bool, ShapeError> {
        match self.take(key)? {
            Value::Bool(value) => Ok(*value),
            other => Err(self.mismatch(key, "a boolean", other)),
        }
    }

    pub fn hex<const N: usize>(&mut self, key: &'static str) -> Result<[u8; N], ShapeError> {
        let text = self.string(key)?;
        hex::decode(text).ok_or_else(|| self.error(key, format!("expected {} lower-case hexadecimal digits", 2 * N)))
    }

    /// A string of the form that `read` knows.
    pub fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, ShapeError> {
        let text = self.string(key)?;
        read(text).map_err(|error| self.error(key, error.to_string()))
    }

    pub fn object(&mut self, key: &'static str) -> Result<Fields<'a>, ShapeError> {
        let value = self.take(key)?;
        Fields::of(self.path_of(key), value)
    }

    /// The items, each with its path.
    pub fn array(&mut self, key: &'static str) -> Result<Vec<(String, &'a Value)>, ShapeError> {
        match self.take(key)? {
            Value::Array(items) => {
                let path = self.path_of(key);
                Ok(items.iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)).collect())
            }
            other => Err(self.mismatch(key, "an array", other)),
        }
    }

    pub fn strings(&mut self, key: &'static str) -> Result<Vec<&'a str>, ShapeError> {
        let items = self.array(key)?;
        let string = |(path, item): (String, &'a Value)| match item {
            Value::String(string) => Ok(string.as_str()),
            other => Err(ShapeError::new(path, format!("expected a string, found {}", other.kind()))),
        };
        items.into_iter().map(string).collect()
    }

    pub fn finish(self) -> Result<(), ShapeError> {
        match self.object.iter().find(|(key, _)| !self.taken.contains(key)) {
            Some((key, _)) => Err(self.error(key, "is not a field that belongs here")),
            None => Ok(()),
        }
    }
}
