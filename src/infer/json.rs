//! JSON files from strangers: duplicate keys are refused, faults carry their byte.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonFault {
    pub(crate) offset: usize,
    pub(crate) reason: String,
}

/// The whole document; nesting is limited by the parser to 128.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonFault> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    value.map_err(|e| JsonFault { offset: offset(bytes, e.line(), e.column()), reason: e.to_string() })
}

fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let before =
        bytes.split_inclusive(|&byte| byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    (before + column.saturating_sub(1)).min(bytes.len())
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(b.into())
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(x.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {} stands twice", super::shown(&key))));
            }
            let value = fields.next_value_seed(Strict)?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_values_and_order() {
        let text = r#"{"b": [1, -2, 1.5, null, true, "x"], "a": {}}"#;
        assert_eq!(parse(text.as_bytes()).map(|v| v.to_string()), Ok(text.replace(": ", ":").replace(", ", ",")));
    }

    #[test]
    fn duplicates_and_garbage_are_refused_with_their_place() {
        let fault = parse(b"{\"a\": 1,\n \"a\": 2}").expect_err("twice");
        assert!(fault.reason.contains("`a` stands twice") && (10..=14).contains(&fault.offset), "{fault:?}");
        assert_eq!(parse(b"{} x").expect_err("trailing").offset, 3);
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(b"\"\xff\"").is_err());
    }
}
