//! Speeds that programs tell in words: candle's examples, llama.cpp's tools, ollama and whoever writes a number beside
//! `tok/s`.

use super::{DECODE, Output, PREFILL, Reading, Setting, Source};

/// How tokens a second are written, the longest first where one begins another.
const UNITS: [&str; 17] = [
    "tokens per second",
    "token per second",
    "tokens_per_second",
    "tokens_per_sec",
    "tok per second",
    "tokens per sec",
    "tokens/second",
    "token/second",
    "tokens/sec",
    "token/sec",
    "tok/sec",
    "tokens/s",
    "token/s",
    "toks/s",
    "tok/s",
    "t/s",
    "tps",
];

/// Text as it would stand on paper: without terminal sequences, and what was overwritten on a line on lines of its own.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
            }
            '\r' => plain.push('\n'),
            c => plain.push(c),
        }
    }
    plain
}

/// A number above zero, thousands perhaps parted by commas.
pub(super) fn speed(number: &str) -> Option<f64> {
    let number = number.trim();
    let parted = number.split_once(',').is_some_and(|(first, rest)| {
        let whole = rest.split('.').next().unwrap_or_default();
        (1..=3).contains(&first.len()) && whole.split(',').all(|group| group.len() == 3)
    });
    let value: f64 = if parted { number.replace(',', "") } else { number.to_owned() }.parse().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}

/// The last speed of each kind. None where no word for tokens a second stands beside anything.
pub(super) fn speeds(text: &str) -> Option<Result<Output, String>> {
    let (mut prefill, mut decode, mut flaw) = (None, None, None);
    for line in text.lines() {
        // Lower-casing may lengthen a line, so that places in one are none in the other: all is read from the lower.
        let line = line.to_lowercase();
        // The sampler's own speed, where a program tells it, is not the model's.
        if line.contains("sampling time") || line.contains("sample time") {
            continue;
        }
        let is_prompt = ["prompt", "prefill"].iter().any(|word| line.contains(word));
        for found in beside_units(&line) {
            match speed(found) {
                Some(value) if is_prompt => prefill = Some((value, tokens(&line))),
                Some(value) => decode = Some((value, tokens(&line))),
                None => {
                    flaw =
                        Some(format!("a speed is given as `{}`, which is no number above zero", super::cut(found, 40)))
                }
            }
        }
    }
    let reading = |id, value, setting| Reading { id, setting, samples: vec![value] };
    let mut readings = Vec::new();
    if let Some((value, prompt)) = prefill {
        readings.push(reading(PREFILL, value, Setting { prompt, ..Setting::default() }));
    }
    if let Some((value, generated)) = decode {
        readings.push(reading(DECODE, value, Setting { generated, ..Setting::default() }));
    }
    if readings.is_empty() {
        return flaw.map(Err);
    }
    Some(Ok(Output { source: Source::Words, readings }))
}

/// What stands before each unit as a number should, or after it where nothing stands before.
fn beside_units(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((at, unit)) = next_unit(line, from) {
        let after = at + unit.len();
        let before = line[..at].trim_end_matches([' ', '\t']);
        let start = before
            .rfind(|c: char| !is_of_number(c))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let number = before[start..].trim_start_matches(['.', ',', '-']);
        if !number.is_empty() && number.chars().any(|c| c.is_ascii_digit()) || matches!(number, "inf" | "nan") {
            found.push(number);
        } else {
            let rest = line[after..].trim_start_matches([' ', '\t', ':', '=', '"', '\'', '|', ')', '~']);
            let number = &rest[..rest.find(|c| !is_of_number(c)).unwrap_or(rest.len())];
            let number = number.trim_end_matches(['.', ',', '-', 'e']);
            if number.starts_with(|c: char| c.is_ascii_digit()) || matches!(number, "inf" | "nan") {
                found.push(number);
            }
        }
        from = after;
    }
    found
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '-' | '+')
}

/// The next unit that is a word of its own: the `tok/s` of `mtok/s` is none.
fn next_unit(line: &str, from: usize) -> Option<(usize, &'static str)> {
    let is_apart = |at: usize, unit: &str| {
        let before = line[..at].chars().next_back();
        let after = line[at + unit.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphabetic() && c != '_' && c != '/')
            && after.is_none_or(|c| !c.is_alphanumeric() && c != '/')
    };
    let first = |unit: &'static str| {
        let mut places = line[from..].match_indices(unit).map(|(at, _)| from + at);
        places.find(|at| is_apart(*at, unit)).map(|at| (at, unit))
    };
    UNITS.into_iter().filter_map(first).min_by_key(|(at, unit)| (*at, usize::MAX - unit.len()))
}

/// How many tokens the line says it is about: `99 tokens generated`, `/ 127 runs`.
fn tokens(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ':')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.windows(3).chain(words.windows(2)).find_map(|words| {
        let of_tokens =
            matches!(words[1], "tokens" | "token" | "runs") || words[1] == "prompt" && words.get(2) == Some(&"tokens");
        let is_rate = words.get(2).is_some_and(|next| *next == "per");
        if of_tokens && !is_rate { words[0].parse().ok() } else { None }
    })
}
