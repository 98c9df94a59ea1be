//! What claims are written with, whatever they are about: a reader that knows its place, refusals that point at it, signs
//! and verdicts.
//!
//! The grammars themselves stand with what they speak of: runs of models in [`crate::bench`], kernels in [`crate::kernel`].

use std::fmt;

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

/// How a figure is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Sign {
    /// The longer ones first, since the shorter ones begin them.
    const WRITTEN: [(&'static str, Sign); 6] = [
        ("<=", Sign::AtMost),
        (">=", Sign::AtLeast),
        ("≤", Sign::AtMost),
        ("≥", Sign::AtLeast),
        ("<", Sign::Less),
        (">", Sign::More),
    ];

    pub fn text(self) -> &'static str {
        match self {
            Sign::Less => "<",
            Sign::AtMost => "<=",
            Sign::More => ">",
            Sign::AtLeast => ">=",
        }
    }

    pub fn holds<T: PartialOrd>(self, value: T, bound: T) -> bool {
        match self {
            Sign::Less => value < bound,
            Sign::AtMost => value <= bound,
            Sign::More => value > bound,
            Sign::AtLeast => value >= bound,
        }
    }

    pub fn is_lower(self) -> bool {
        matches!(self, Sign::More | Sign::AtLeast)
    }

    /// The verdict on a figure that is known to lie about here: what holds at the end that is most at risk is supported,
    /// what doesn't at the other end is refuted.
    pub fn judge(self, at_risk: f64, at_best: f64, bound: f64) -> Verdict {
        if self.holds(at_risk, bound) {
            Verdict::Supported
        } else if self.holds(at_best, bound) {
            Verdict::Inconclusive
        } else {
            Verdict::Refuted
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Supported,
    Refuted,
    Inconclusive,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Refuted => "refuted",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// Of the opposite claim.
    #[must_use]
    pub fn negated(self) -> Verdict {
        match self {
            Verdict::Supported => Verdict::Refuted,
            Verdict::Refuted => Verdict::Supported,
            Verdict::Inconclusive => Verdict::Inconclusive,
        }
    }

    /// All must be supported; one that is refuted settles it. Of none, nothing is known.
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let both = |all, one| match (all, one) {
            (Verdict::Refuted, _) | (_, Verdict::Refuted) => Verdict::Refuted,
            (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
            _ => Verdict::Supported,
        };
        verdicts.into_iter().reduce(both).unwrap_or(Verdict::Inconclusive)
    }
}

/// The text of a claim, and how far it was read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Reader { text, at: 0 }
    }

    pub fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// What was read since that place.
    pub fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    /// Where the next word stands.
    pub fn here(&mut self) -> usize {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at
    }

    /// Reads again from a place that [`Reader::here`] told.
    pub fn back_to(&mut self, start: usize) {
        self.at = start;
    }

    pub fn is_over(&mut self) -> bool {
        self.here();
        self.rest().is_empty()
    }

    pub fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        self.here();
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    pub fn takes(&mut self, sign: &str) -> bool {
        self.here();
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    pub fn takes_word(&mut self, wanted: &str) -> bool {
        let start = self.here();
        let is_there = self.word(|c| c.is_alphanumeric() || c == '_') == wanted;
        if !is_there {
            self.at = start;
        }
        is_there
    }

    /// What stands here, for a message.
    pub fn found(&self) -> String {
        let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(24).collect();
        if word.is_empty() { "the claim ends".to_owned() } else { format!("`{word}` stands") }
    }

    pub fn refuse(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) -> ClaimError {
        ClaimError { text: self.text.to_owned(), offset, message: message.into(), hint: hint.into() }
    }

    /// Refuses what stands here, in a place for something else: `a number is needed`.
    pub fn misplaced(&self, place: &str, hint: impl Into<String>) -> ClaimError {
        self.refuse(self.at, format!("{} where {place}", self.found()), hint)
    }

    /// A sign; `as_in` is a claim with one.
    pub fn sign(&mut self, as_in: &str) -> Result<Sign, ClaimError> {
        let start = self.here();
        if let Some((word, sign)) = Sign::WRITTEN.into_iter().find(|(word, _)| self.rest().starts_with(word)) {
            self.at += word.len();
            if !self.rest().starts_with(['<', '>', '=']) {
                return Ok(sign);
            }
            self.at = start;
        }
        let hint = match self.rest().starts_with(['=', '!', '~']) {
            true => "a measured figure equals nothing exactly: give a bound with <= or >=",
            false => as_in,
        };
        Err(self.misplaced("<, <=, > or >= is needed", hint))
    }

    /// A number from characters that belong to one, as it was written and as it is; none where that is no number, and
    /// nothing is read then.
    pub fn number(&mut self, belongs: impl Fn(char) -> bool) -> (&'t str, Option<f64>) {
        let start = self.here();
        let digits = self.word(belongs);
        let number = digits.parse().ok().filter(|_| digits.ends_with(|c: char| c.is_ascii_digit()));
        if number.is_none() {
            self.at = start;
        }
        (digits, number)
    }
}

/// The one candidate within two changes of a letter, if any.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_at_risk_decides() {
        use Verdict::{Inconclusive, Refuted, Supported};
        for (sign, at_risk, at_best, verdict) in [
            (Sign::AtLeast, 2.0, 3.0, Supported),
            (Sign::More, 2.0, 3.0, Inconclusive),
            (Sign::More, 1.0, 2.0, Refuted),
            (Sign::AtMost, 2.0, 1.0, Supported),
            (Sign::Less, 2.0, 1.0, Inconclusive),
            (Sign::Less, 3.0, 2.0, Refuted),
            (Sign::AtLeast, f64::NAN, f64::NAN, Refuted),
        ] {
            assert_eq!(sign.judge(at_risk, at_best, 2.0), verdict, "{sign:?} {at_risk}..{at_best}");
        }
    }

    #[test]
    fn of_no_verdicts_nothing_is_known() {
        use Verdict::{Inconclusive, Refuted, Supported};
        assert_eq!(Verdict::all([]), Inconclusive);
        assert_eq!(Verdict::all([Supported, Supported]), Supported);
        assert_eq!(Verdict::all([Supported, Inconclusive]), Inconclusive);
        assert_eq!(Verdict::all([Inconclusive, Refuted, Supported]), Refuted);
        assert_eq!([Supported, Refuted, Inconclusive].map(Verdict::negated), [Refuted, Supported, Inconclusive]);
    }

    #[test]
    fn signs_are_read_whole() {
        for (text, sign) in [("<", Sign::Less), (" <= 1", Sign::AtMost), ("≥1", Sign::AtLeast), (">1", Sign::More)] {
            assert_eq!(Reader::new(text).sign("").map_err(|e| e.message), Ok(sign), "{text}");
        }
        for text in ["=", "=>", "<<", ">==", "", "x"] {
            let mut reader = Reader::new(text);
            assert!(reader.sign("as in x").is_err() && reader.rest() == text, "{text}");
        }
    }
}
