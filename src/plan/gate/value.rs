//! Values inside a receipt: found by a dotted path, compared exactly, unit for unit.

use std::cmp::Ordering;

use crate::plan::decimal::Decimal as Wanted;
use crate::plan::schema::Comparison;
use crate::receipts::statement::{Decimal, Object, Value};

/// What stands at a path, and the unit that the receipt gives for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `Err` is what stands there instead of a number.
    pub(super) number: Result<Decimal, String>,
    pub(super) unit: Option<String>,
}

/// The value at `path`, whose parts are members and, in arrays, numbers. An object `{value, unit}` stands for its value;
/// else the unit is the nearest `unit` beside the path.
pub(super) fn at(body: &Object, path: &str) -> Option<Found> {
    let mut parts = path.split('.');
    let mut unit = string(body, "unit");
    let mut here = body.get(parts.next()?)?;
    for part in parts {
        match here {
            Value::Object(object) => {
                unit = string(object, "unit").or(unit);
                here = object.get(part)?;
            }
            Value::Array(items) => here = items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        }
    }
    if let Value::Object(object) = here
        && let Some(value) = object.get("value")
    {
        unit = string(object, "unit").or(unit);
        here = value;
    }
    let number = match here {
        Value::Integer(n) => n.to_string().parse().map_err(|_| n.to_string()),
        Value::String(text) => text.parse().map_err(|_| format!("“{}”", text.chars().take(40).collect::<String>())),
        other => Err(other.kind().to_owned()),
    };
    Some(Found { number, unit: unit.map(str::to_owned) })
}

fn string<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    match object.get(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn text<'a>(body: &'a Object, key: &str) -> Option<&'a str> {
    string(body, key)
}

/// Whether the unit that is asked for is the receipt's. Where it gives none, a part of the path may: `decode.tok_s` is
/// in tok/s, `total_ms` in ms.
pub(super) fn unit_fits(wanted: Option<&str>, found: &Found, path: &str) -> bool {
    match (wanted, found.unit.as_deref()) {
        (None, None) => true,
        (Some(wanted), Some(unit)) => wanted == unit,
        (None, Some(_)) => false,
        (Some(wanted), None) => {
            let word = match wanted {
                "%" => "percent".to_owned(),
                other => other.replace('/', "_"),
            };
            let named = |part: &str| part == word || part.strip_suffix(word.as_str()).is_some_and(|p| p.ends_with('_'));
            path.split('.').any(named)
        }
    }
}

pub(super) fn holds(found: &Decimal, op: Comparison, wanted: Wanted) -> bool {
    let Some(order) = compare(found, wanted) else { return false };
    match op {
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::AtLeast => order.is_ge(),
        Comparison::More => order.is_gt(),
    }
}

pub(super) fn compare(found: &Decimal, wanted: Wanted) -> Option<Ordering> {
    let wanted: Decimal = wanted.to_string().parse().ok()?;
    Some(found.compare(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Object {
        let interval = Object::new().with("lower", "35.00000000000000000001").with("upper", "NaN");
        let decode = Object::new().with("tok_s", Object::new().with("ci95", interval));
        let size = Object::new().with("unit", "MiB").with("value", 12u32);
        let runs = Value::Array(vec![Object::new().with("seconds", "0.5").with("unit", "s").into()]);
        Object::new().with("decode", decode).with("size", size).with("runs", runs).with("ok", true)
    }

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).unwrap()
    }

    #[test]
    fn paths_and_units() {
        let body = body();
        let lower = at(&body, "decode.tok_s.ci95.lower").unwrap();
        assert!(unit_fits(Some("tok/s"), &lower, "decode.tok_s.ci95.lower"));
        assert!(!unit_fits(Some("ms"), &lower, "decode.tok_s.ci95.lower"));
        assert!(unit_fits(None, &lower, "decode.tok_s.ci95.lower"));
        let size = at(&body, "size").unwrap();
        assert_eq!(size, Found { number: "12".parse().map_err(|_| String::new()), unit: Some("MiB".into()) });
        assert!(!unit_fits(None, &size, "size"), "a number with a unit is no bare number");
        assert!(!unit_fits(Some("MB"), &size, "size"));
        assert_eq!(at(&body, "runs.0.seconds").unwrap().unit.as_deref(), Some("s"));
        for missing in ["decode.p50", "size.none", "runs.1.seconds", "runs.x", "ok.deep", "", "decode..tok_s"] {
            assert_eq!(at(&body, missing), None, "{missing}");
        }
        assert!(at(&body, "decode.tok_s.ci95.upper").unwrap().number.is_err());
        assert!(at(&body, "ok").unwrap().number.is_err());
    }

    #[test]
    fn comparisons_are_exact() {
        let number: Decimal = "35.00000000000000000001".parse().unwrap();
        assert!(holds(&number, Comparison::More, wanted("35")));
        assert!(!holds(&number, Comparison::AtMost, wanted("35.00")));
        let third: Decimal = "0.30".parse().unwrap();
        assert!(holds(&third, Comparison::Equal, wanted("0.3")));
        assert!(!holds(&third, Comparison::NotEqual, wanted("0.3")));
        assert!(holds(&"-1.5".parse().unwrap(), Comparison::Less, wanted("-1.49")));
        assert!(holds(&third, Comparison::AtLeast, wanted("0.3")) && !holds(&third, Comparison::Less, wanted("0.3")));
    }
}
