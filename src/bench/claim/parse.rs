//! The grammar of claims, and refusals that point at the place.
//!
//! ```text
//! claim   = term { "and" term }
//! term    = name [ "[" setting { "," setting } "]" ] sign number unit
//! sign    = "<" | "<=" | ">" | ">="
//! unit    = "x" | a unit of the metric's dimension
//! setting = key "=" value | a setting as tables show it: p512, n128, d0, b1, t2, f16
//! ```

use std::fmt;

use super::super::result::{METRICS, Metric, Setting};
use super::{Bound, Claim, Sign, Term, metric_named, short_name, unit};

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

/// A claim that can't be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimError {
    pub text: String,
    /// In bytes.
    pub offset: usize,
    pub message: String,
    pub hint: String,
}

impl ClaimError {
    /// Of the place, in characters and from 1.
    pub fn column(&self) -> usize {
        self.text[..self.offset].chars().count() + 1
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column(), self.message)
    }
}

impl std::error::Error for ClaimError {}

pub(super) fn claim(text: &str) -> Result<Claim, ClaimError> {
    let mut reader = Reader { text, at: 0 };
    let mut terms = Vec::new();
    loop {
        terms.push(reader.term()?);
        reader.blanks();
        if reader.rest().is_empty() {
            return Ok(Claim { terms, text: text.to_owned() });
        }
        let start = reader.at;
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
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    let metric = reader.name()?;
    let setting = if reader.takes("[") { reader.settings()? } else { Setting::default() };
    reader.blanks();
    if reader.rest().is_empty() {
        return Ok((metric, setting));
    }
    let message = format!("{} where the figure should end", reader.here());
    Err(reader.refuse(reader.at, message, "as in decode[threads=2, prompt=512]"))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.blanks();
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    /// What stands here, for a message.
    fn here(&self) -> String {
        let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(24).collect();
        if word.is_empty() { "the claim ends".to_owned() } else { format!("`{word}` stands") }
    }

    fn refuse(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) -> ClaimError {
        ClaimError { text: self.text.to_owned(), offset, message: message.into(), hint: hint.into() }
    }

    fn term(&mut self) -> Result<Term, ClaimError> {
        self.blanks();
        let start = self.at;
        let metric = self.name()?;
        let setting = if self.takes("[") { self.settings()? } else { Setting::default() };
        let sign = self.sign()?;
        let bound = self.bound(metric)?;
        Ok(Term { metric, setting, sign, bound, text: self.text[start..self.at].to_owned() })
    }

    fn name(&mut self) -> Result<&'static Metric, ClaimError> {
        let start = self.at;
        let word = self.word(|c| c.is_alphanumeric() || "_-./".contains(c));
        if word.is_empty() {
            let names: Vec<&str> = METRICS.iter().map(short_name).collect();
            let message = format!("{} where the name of a figure is needed", self.here());
            return Err(self.refuse(start, message, format!("there are {}", names.join(", "))));
        }
        let name = word.to_ascii_lowercase().replace('-', "_");
        if let Some(metric) = metric_named(&name) {
            return Ok(metric);
        }
        let meant = CALLED.iter().find(|(called, _)| *called == name).map(|(_, ours)| *ours);
        let near = || nearest(&name, METRICS.iter().map(short_name));
        let hint = match meant.or_else(near) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", METRICS.iter().map(short_name).collect::<Vec<_>>().join(", ")),
        };
        Err(self.refuse(start, format!("there is no figure `{word}`"), hint))
    }

    fn settings(&mut self) -> Result<Setting, ClaimError> {
        let mut setting = Setting::default();
        loop {
            self.blanks();
            self.setting(&mut setting)?;
            if self.takes("]") {
                return Ok(setting);
            }
            // Tables part settings with blanks.
            if !self.takes(",") && !self.rest().starts_with(|c: char| c.is_alphanumeric()) {
                let message = format!("{} where `,` or `]` is needed", self.here());
                return Err(self.refuse(self.at, message, "write settings as in decode[threads=2, prompt=512]"));
            }
        }
    }

    fn setting(&mut self, into: &mut Setting) -> Result<(), ClaimError> {
        let start = self.at;
        let word = self.word(|c| c.is_alphanumeric() || c == '_');
        let signs = [("p", "prompt"), ("n", "generated"), ("d", "depth"), ("b", "batch"), ("t", "threads")];
        let (key, value, at) = if self.takes("=") {
            self.blanks();
            let at = self.at;
            (word, self.word(|c| c.is_alphanumeric() || "_.-".contains(c)), at)
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
            return Err(self.refuse(start, format!("there is no setting `{key}`"), hint));
        }
        if value.is_empty() {
            let message = format!("{} where a setting's value is needed", self.here());
            return Err(self.refuse(at, message, "write settings as in decode[threads=2, prompt=512]"));
        }
        if key == "kv" {
            return self.once(start, key, &mut into.kv, value.to_owned());
        }
        let Ok(count) = value.parse::<u64>() else {
            return Err(self.refuse(at, format!("{key} is `{value}`, and a whole number is needed"), "such as 512"));
        };
        let slot = match key {
            "prompt" => &mut into.prompt,
            "generated" => &mut into.generated,
            "depth" => &mut into.depth,
            "batch" => &mut into.batch,
            _ => &mut into.threads,
        };
        self.once(start, key, slot, count)
    }

    fn once<T>(&self, start: usize, key: &str, slot: &mut Option<T>, value: T) -> Result<(), ClaimError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.refuse(start, format!("{key} is given twice"), "a figure has each setting once")),
        }
    }

    fn sign(&mut self) -> Result<Sign, ClaimError> {
        self.blanks();
        if let Some((word, sign)) = Sign::ALL.into_iter().find(|(word, _)| self.rest().starts_with(word)) {
            self.at += word.len();
            if !self.rest().starts_with(['<', '>', '=']) {
                return Ok(sign);
            }
            self.at -= word.len();
        }
        let message = format!("{} where <, <=, > or >= is needed", self.here());
        let hint = if self.rest().starts_with(['=', '!', '~']) {
            "a measured figure equals nothing exactly: give a bound with <= or >=".to_owned()
        } else {
            "as in 'decode >= 35 tok/s'".to_owned()
        };
        Err(self.refuse(self.at, message, hint))
    }

    fn bound(&mut self, metric: &Metric) -> Result<Bound, ClaimError> {
        self.blanks();
        let start = self.at;
        let digits = self.word(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_' | ','));
        let number: f64 = match digits.parse() {
            Ok(number) if digits.ends_with(|c: char| c.is_ascii_digit()) => number,
            _ => {
                self.at = start;
                let message = format!("{} where a number is needed", self.here());
                let hint = if digits.contains(',') {
                    "write decimals with a point, and thousands without a sign"
                } else {
                    "as in 'decode >= 35 tok/s' or 'decode >= 0.97x'"
                };
                return Err(self.refuse(start, message, hint));
            }
        };
        if number < 0.0 || digits.starts_with('-') || !number.is_finite() {
            return Err(self.refuse(
                start,
                format!("{digits} is no value that a figure can have"),
                "give one above zero",
            ));
        }
        self.blanks();
        let at = self.at;
        let word = self.word(|c| !c.is_whitespace());
        if matches!(word, "x" | "×") {
            if number == 0.0 {
                return Err(self.refuse(start, "a ratio is above zero", "as in 'decode >= 0.97x'"));
            }
            return Ok(Bound::Ratio(number));
        }
        let (name, own) = (short_name(metric), metric.unit);
        let fitting =
            format!("`{name}` is measured in {own}: give {}, or `x` for a ratio", unit::relatives(own).join(", "));
        if word.is_empty() || word.eq_ignore_ascii_case("and") {
            return Err(self.refuse(at, format!("{digits} has no unit"), fitting));
        }
        match unit::factor(word, own) {
            Some(factor) => Ok(Bound::Value(number * factor)),
            None => Err(self.refuse(at, format!("`{word}` is no unit of `{name}`"), fitting)),
        }
    }
}

/// The one candidate within two changes of a letter, if any.
fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
