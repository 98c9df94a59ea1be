//! The grammar of claims, and refusals that point at the place.
//!
//! ```text
//! claim   = term { "and" term }
//! term    = name [ "[" setting { "," setting } "]" ] sign number unit
//! sign    = "<" | "<=" | ">" | ">="
//! unit    = "x" | a unit of the metric's dimension
//! setting = key "=" value | a setting as tables show it: p512, n128, d0, b1, t2, f16
//! ```

use super::super::result::{METRICS, Metric, Setting};
use super::{Bound, Claim, ClaimError, Term, metric_named, short_name, unit};
use crate::claims::{Reader, nearest};

/// What people call a metric elsewhere.
const CALLED: &[(&str, &str)] = &[
    ("ttft", "first_token"),
    ("time_to_first_token", "first_token"),
    ("itl", "between_tokens.p50"),
    ("inter_token_latency", "between_tokens.p50"),
    ("tpot", "between_tokens.p50"),
    ("tg", "decode"),
    ("generation", "decode"),
    ("speed", "decode"),
    ("pp", "prefill"),
    ("prompt", "prefill"),
    ("load", "load.warm"),
    ("memory", "memory.peak"),
    ("ram", "memory.peak"),
    ("rss", "memory.peak"),
    ("between_tokens", "between_tokens.p50"),
];

const KEYS: [&str; 6] = ["prompt", "generated", "depth", "batch", "threads", "kv"];

const AS_IN: &str = "as in 'decode >= 35 tok/s'";
const AS_IN_SETTINGS: &str = "write settings as in decode[threads=2, prompt=512]";

pub(super) fn claim(text: &str) -> Result<Claim, ClaimError> {
    let mut reader = Reader::new(text);
    let mut terms = Vec::new();
    loop {
        terms.push(term(&mut reader)?);
        if reader.is_over() {
            return Ok(Claim { terms, text: text.to_owned() });
        }
        let start = reader.here();
        let word = reader.word(|c| !c.is_whitespace());
        if !word.eq_ignore_ascii_case("and") {
            let hint = if word == "or" || word == "||" {
                "give each alternative as a claim of its own"
            } else {
                "join terms with `and`, as in 'decode >= 35 tok/s and first_token <= 300 ms'"
            };
            return Err(reader.refuse(start, format!("`{word}` stands where the claim should end"), hint));
        }
    }
}

/// A figure without a bound: a name, and perhaps the settings that are meant.
pub(super) fn figure(text: &str) -> Result<(&'static Metric, Setting), ClaimError> {
    let mut reader = Reader::new(text);
    let metric = name(&mut reader)?;
    let setting = if reader.takes("[") { settings(&mut reader)? } else { Setting::default() };
    if reader.is_over() {
        return Ok((metric, setting));
    }
    Err(reader.misplaced("the figure should end", "as in decode[threads=2, prompt=512]"))
}

fn term(reader: &mut Reader<'_>) -> Result<Term, ClaimError> {
    let start = reader.here();
    let metric = name(reader)?;
    let setting = if reader.takes("[") { settings(reader)? } else { Setting::default() };
    let sign = reader.sign(AS_IN)?;
    let bound = bound(reader, metric)?;
    Ok(Term { metric, setting, sign, bound, text: reader.since(start).to_owned() })
}

fn name(reader: &mut Reader<'_>) -> Result<&'static Metric, ClaimError> {
    let start = reader.here();
    let word = reader.word(|c| c.is_alphanumeric() || "_-./".contains(c));
    let all = || format!("there are {}", METRICS.iter().map(short_name).collect::<Vec<_>>().join(", "));
    if word.is_empty() {
        return Err(reader.misplaced("the name of a figure is needed", all()));
    }
    let name = word.to_ascii_lowercase().replace('-', "_");
    if let Some(metric) = metric_named(&name) {
        return Ok(metric);
    }
    let meant = CALLED.iter().find(|(called, _)| *called == name).map(|(_, ours)| *ours);
    let near = meant.or_else(|| nearest(&name, METRICS.iter().map(short_name)));
    let hint = near.map_or_else(all, |near| format!("did you mean `{near}`?"));
    Err(reader.refuse(start, format!("there is no figure `{word}`"), hint))
}

fn settings(reader: &mut Reader<'_>) -> Result<Setting, ClaimError> {
    let mut all = Setting::default();
    loop {
        setting(reader, &mut all)?;
        if reader.takes("]") {
            return Ok(all);
        }
        // Tables part settings with blanks.
        if !reader.takes(",") && !reader.rest().starts_with(|c: char| c.is_alphanumeric()) {
            return Err(reader.misplaced("`,` or `]` is needed", AS_IN_SETTINGS));
        }
    }
}

fn setting(reader: &mut Reader<'_>, into: &mut Setting) -> Result<(), ClaimError> {
    let start = reader.here();
    let word = reader.word(|c| c.is_alphanumeric() || c == '_');
    let signs = [("p", "prompt"), ("n", "generated"), ("d", "depth"), ("b", "batch"), ("t", "threads")];
    let (key, value, at) = if reader.takes("=") {
        let at = reader.here();
        (word, reader.word(|c| c.is_alphanumeric() || "_.-".contains(c)), at)
    } else {
        let shown = signs.iter().find_map(|(sign, key)| {
            let count = word.strip_prefix(sign)?;
            count.starts_with(|c: char| c.is_ascii_digit()).then_some((*key, count, start + sign.len()))
        });
        shown.unwrap_or(("kv", word, start))
    };
    let key = signs.iter().find(|(sign, _)| *sign == key).map_or(key, |(_, key)| key);
    if !KEYS.contains(&key) {
        let hint = match nearest(key, KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", KEYS.join(", ")),
        };
        return Err(reader.refuse(start, format!("there is no setting `{key}`"), hint));
    }
    if value.is_empty() {
        return Err(reader.misplaced("a setting's value is needed", AS_IN_SETTINGS));
    }
    let twice = |given: bool| match given {
        false => Ok(()),
        true => Err(reader.refuse(start, format!("{key} is given twice"), "a figure has each setting once")),
    };
    if key == "kv" {
        return twice(into.kv.replace(value.to_owned()).is_some());
    }
    let Ok(count) = value.parse::<u64>() else {
        return Err(reader.refuse(at, format!("{key} is `{value}`, and a whole number is needed"), "such as 512"));
    };
    let slot = match key {
        "prompt" => &mut into.prompt,
        "generated" => &mut into.generated,
        "depth" => &mut into.depth,
        "batch" => &mut into.batch,
        _ => &mut into.threads,
    };
    twice(slot.replace(count).is_some())
}

fn bound(reader: &mut Reader<'_>, metric: &Metric) -> Result<Bound, ClaimError> {
    let start = reader.here();
    let (digits, number) = reader.number(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_' | ','));
    let Some(number) = number else {
        let hint = match digits.contains(',') {
            true => "write decimals with a point, and thousands without a sign",
            false => "as in 'decode >= 35 tok/s' or 'decode >= 0.97x'",
        };
        return Err(reader.misplaced("a number is needed", hint));
    };
    if number < 0.0 || digits.starts_with('-') || !number.is_finite() {
        return Err(reader.refuse(
            start,
            format!("{digits} is no value that a figure can have"),
            "give one above zero",
        ));
    }
    let at = reader.here();
    let word = reader.word(|c| !c.is_whitespace());
    if matches!(word, "x" | "×") {
        if number == 0.0 {
            return Err(reader.refuse(start, "a ratio is above zero", "as in 'decode >= 0.97x'"));
        }
        return Ok(Bound::Ratio(number));
    }
    let (name, own) = (short_name(metric), metric.unit);
    let fitting =
        format!("`{name}` is measured in {own}: give {}, or `x` for a ratio", unit::relatives(own).join(", "));
    if word.is_empty() || word.eq_ignore_ascii_case("and") {
        return Err(reader.refuse(at, format!("{digits} has no unit"), fitting));
    }
    match unit::factor(word, own) {
        Some(factor) => Ok(Bound::Value(number * factor)),
        None => Err(reader.refuse(at, format!("`{word}` is no unit of `{name}`"), fitting)),
    }
}
