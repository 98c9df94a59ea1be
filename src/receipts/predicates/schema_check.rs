//! As much of JSON Schema as the schemas in `docs/predicates` use. A keyword that is not known here fails the test.

use fancy_regex::Regex;

use super::super::json::Value;

pub(super) fn valid(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err("is not allowed here".into()),
        Value::Object(schema) => schema,
        other => panic!("a schema is no {}", other.kind()),
    };
    for (keyword, rule) in schema.iter() {
        check(keyword, rule, schema.get("properties"), value).map_err(|error| format!("{keyword}: {error}"))?;
    }
    Ok(())
}

fn check(keyword: &str, rule: &Value, properties: Option<&Value>, value: &Value) -> Result<(), String> {
    let fails = |failed: bool| {
        if failed { Err(format!("{} against {}", value.to_canonical(), rule.to_canonical())) } else { Ok(()) }
    };
    match (keyword, rule, value) {
        ("$schema" | "$id" | "title" | "description", _, _) => Ok(()),
        ("type", Value::String(kind), _) => fails(match (kind.as_str(), value) {
            ("object", Value::Object(_)) | ("string", Value::String(_)) | ("null", Value::Null) => false,
            ("integer", Value::Integer(_)) | ("array", Value::Array(_)) | ("boolean", Value::Bool(_)) => false,
            ("object" | "string" | "null" | "integer" | "array" | "boolean", _) => true,
            (other, _) => panic!("unknown type {other}"),
        }),
        ("const", _, _) => fails(rule != value),
        ("enum", Value::Array(allowed), _) => fails(!allowed.contains(value)),
        ("anyOf", Value::Array(schemas), _) => fails(!schemas.iter().any(|schema| valid(schema, value).is_ok())),
        ("oneOf", Value::Array(schemas), _) => {
            fails(schemas.iter().filter(|schema| valid(schema, value).is_ok()).count() != 1)
        }
        ("required", Value::Array(keys), Value::Object(object)) => {
            fails(keys.iter().any(|key| !matches!(key, Value::String(key) if object.get(key).is_some())))
        }
        ("properties", Value::Object(schemas), Value::Object(object)) => {
            for (key, schema) in schemas.iter() {
                if let Some(member) = object.get(key) {
                    valid(schema, member).map_err(|error| format!("{key}: {error}"))?;
                }
            }
            Ok(())
        }
        ("minProperties", Value::Integer(least), Value::Object(object)) => fails((object.len() as i64) < *least),
        ("additionalProperties", Value::Bool(false), Value::Object(object)) => {
            let Some(Value::Object(known)) = properties else { panic!("no properties beside it") };
            fails(object.iter().any(|(key, _)| known.get(key).is_none()))
        }
        ("pattern", Value::String(pattern), Value::String(text)) => {
            fails(!Regex::new(pattern).unwrap().is_match(text).unwrap())
        }
        ("minLength", Value::Integer(length), Value::String(text)) => fails((text.chars().count() as i64) < *length),
        ("maxLength", Value::Integer(length), Value::String(text)) => fails((text.chars().count() as i64) > *length),
        ("minimum", Value::Integer(least), Value::Integer(number)) => fails(number < least),
        ("maximum", Value::Integer(most), Value::Integer(number)) => fails(number > most),
        ("items", _, Value::Array(items)) => items.iter().try_for_each(|item| valid(rule, item)),
        ("minItems", Value::Integer(least), Value::Array(items)) => fails((items.len() as i64) < *least),
        ("maxItems", Value::Integer(most), Value::Array(items)) => fails((items.len() as i64) > *most),
        ("items" | "minItems" | "maxItems", _, _) => Ok(()),
        ("required" | "properties" | "additionalProperties" | "minProperties", _, _) => Ok(()),
        ("pattern" | "minLength" | "maxLength" | "minimum" | "maximum", _, _) => Ok(()),
        (other, _, _) => panic!("keyword {other} is not known to the schema check"),
    }
}
