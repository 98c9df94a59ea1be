//! What other programs print, read as figures: llama-bench's tables, and the speeds that any program tells in words.
//!
//! A table is recognised by its columns, so that a new version that adds some is still read. Whatever can't be read is
//! refused with what was seen; nothing is guessed, and a speed of zero, of NaN or without end is none. Leaves out how
//! programs are run.

mod llama_bench;
mod said;

use std::fmt;

use fancy_regex::Regex;

use super::result::Setting;
use super::stats::Sample;

/// As much of an unreadable output as a refusal shows, in characters.
const SHOWN: usize = 300;

/// One figure of a program, in the unit of its metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Of [`super::result::METRICS`].
    pub id: &'static str,
    pub setting: Setting,
    /// One, or as many as the program measured within one call.
    pub samples: Vec<f64>,
}

impl Reading {
    /// The call's one value: the median of its samples.
    pub fn value(&self) -> f64 {
        Sample::new(&self.samples).map_or(f64::NAN, |sample| sample.median())
    }
}

/// How an output was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    LlamaBenchJson,
    LlamaBenchCsv,
    LlamaBenchSql,
    LlamaBenchTable,
    /// Numbers beside `tok/s`, `tokens per second` and the like; `prompt` on the line makes it the prefill.
    Words,
    Pattern,
}

impl Source {
    pub fn word(self) -> &'static str {
        match self {
            Source::LlamaBenchJson => "llama-bench's JSON",
            Source::LlamaBenchCsv => "llama-bench's CSV",
            Source::LlamaBenchSql => "llama-bench's SQL",
            Source::LlamaBenchTable => "llama-bench's table",
            Source::Words => "the last numbers beside tok/s",
            Source::Pattern => "the pattern that was given",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub source: Source,
    /// At least one.
    pub readings: Vec<Reading>,
}

/// An output without a figure: why, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub why: String,
    /// Not cleaned: it is shown as every text of strangers is.
    pub seen: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seen.is_empty() { write!(f, "{}: it printed nothing", self.why) } else { f.write_str(&self.why) }
    }
}

impl std::error::Error for Unreadable {}

/// A regular expression whose first group is the decode speed in tokens a second.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(text).map_err(|error| error.to_string())?;
        match regex.captures_len() {
            2 => Ok(Pattern(regex)),
            1 => Err("it has no group: put the number in round brackets, as in 'speed: ([0-9.]+)'".to_owned()),
            groups => Err(format!("it has {} groups: keep one, and write the others as (?:…)", groups - 1)),
        }
    }
}

/// Reads what a program printed. stdout counts before stderr.
pub fn read(stdout: &[u8], stderr: &[u8], pattern: Option<&Pattern>) -> Result<Output, Unreadable> {
    let texts = [stdout, stderr].map(|bytes| said::plain(&String::from_utf8_lossy(bytes)));
    if let Some(pattern) = pattern {
        return by_pattern(&texts, pattern);
    }
    let mut flaw = None;
    for text in &texts {
        for read in [llama_bench::json, llama_bench::sql, llama_bench::csv, llama_bench::table, said::speeds] {
            match read(text) {
                Some(Ok(output)) => return Ok(output),
                Some(Err(why)) => {
                    flaw.get_or_insert(why);
                }
                None => {}
            }
        }
    }
    let why = flaw.unwrap_or_else(|| "no speed in tokens a second could be read from the output".to_owned());
    Err(Unreadable { why, seen: seen(&texts) })
}

fn by_pattern(texts: &[String; 2], pattern: &Pattern) -> Result<Output, Unreadable> {
    let refuse = |why: String| Err(Unreadable { why, seen: seen(texts) });
    for text in texts {
        let mut last = None;
        for found in pattern.0.captures_iter(text) {
            match found {
                Ok(found) => last = found.get(1).map(|group| group.as_str()).or(last),
                Err(error) => return refuse(format!("the pattern could not be followed to the end: {error}")),
            }
        }
        if let Some(number) = last {
            return match said::speed(number) {
                Some(value) => {
                    let reading = Reading { id: DECODE, setting: Setting::default(), samples: vec![value] };
                    Ok(Output { source: Source::Pattern, readings: vec![reading] })
                }
                None => refuse(format!("the pattern's group is `{}`, no number above zero", cut(number, 40))),
            };
        }
    }
    refuse("the pattern fits nothing in the output".to_owned())
}

const PREFILL: &str = "prefill.tok_s";
const PREFILL_BARE: &str = "prefill.bare_tok_s";
const DECODE: &str = "decode.tok_s";
const DECODE_BARE: &str = "decode.bare_tok_s";

/// The output's end, where programs say what came of it.
fn seen(texts: &[String; 2]) -> String {
    let said = texts.iter().map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or_default();
    let length = said.chars().count();
    if length <= SHOWN {
        return said.to_owned();
    }
    format!("… {}", said.chars().skip(length - SHOWN).collect::<String>())
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
