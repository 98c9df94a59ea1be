//! The grammar of claims, and refusals that point at the place.
//!
//! ```text
//! claim     = ratio | percent | gap | bandwidth
//! ratio     = "ratio" sign number over [ on ]
//!           | "ratio" "in" "[" number "," number "]" over [ on ] "at" condition { "," condition }
//! percent   = "+" number "%" over [ on ]                      as ratio >= 1 + number/100
//! gap       = "gap" "<" number "%" "vs" "receipt:" id [ on ]
//! bandwidth = "fraction_of_bandwidth" sign number [ on ]
//! over      = "over" baseline                                  needless where the manifest has one only
//! on        = "on" ( "all" | file ".yaml" | condition { "," condition } )
//! condition = size ( sign number | "=" number [ ".." number ] | "=" "true" | "=" "false" )
//! sign      = "<" | "<=" | ">" | ">="
//! ```

use std::fmt;

use super::{Claim, Condition, Shapes, Sign, Test, What};

/// What a manifest has that a claim may name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    pub baselines: &'k [&'k str],
    /// The sizes of a shape.
    pub sizes: &'k [&'k str],
}

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

const KINDS: [&str; 4] = ["ratio", "+20%", "gap", "fraction_of_bandwidth"];
const AS_IN: &str = "as in 'ratio >= 2.0 over naive on S>=1024'";
/// More than any kernel gains: a number beyond it is a slip of the pen.
const MOST: f64 = 1e6;

pub(super) fn claim(text: &str, known: &Known<'_>) -> Result<Claim, ClaimError> {
    let mut reader = Reader { text, at: 0, known };
    reader.blanks();
    let start = reader.at;
    let what = if reader.takes("+") {
        let percent = reader.percent()?;
        What::Ratio { sign: Sign::AtLeast, bound: 1.0 + percent / 100.0, baseline: reader.over()? }
    } else {
        match reader.word(|c| c.is_alphanumeric() || c == '_') {
            "ratio" => reader.ratio()?,
            "gap" => reader.gap()?,
            "fraction_of_bandwidth" => {
                let sign = reader.sign()?;
                let at = reader.here();
                let share = reader.number()?;
                if share > 1.0 {
                    let message = format!("{share} of the bandwidth is more than there is");
                    return Err(reader.refuse(
                        at,
                        message,
                        "give a share between 0 and 1, as in 'fraction_of_bandwidth >= 0.8'",
                    ));
                }
                What::Bandwidth { sign, share }
            }
            word => {
                reader.at = start;
                let message = match word {
                    "" if reader.rest().is_empty() => "there is no claim here".to_owned(),
                    "" => format!("{} where a claim begins", reader.found()),
                    word => format!("`{word}` is nothing that can be claimed"),
                };
                let hint = nearest(word, KINDS).map(|near| format!("did you mean `{near}`?"));
                let kinds = || format!("a claim begins with {}, {AS_IN}", KINDS.join(", "));
                return Err(reader.refuse(start, message, hint.unwrap_or_else(kinds)));
            }
        }
    };
    let shapes = if reader.takes_word("on") { reader.shapes()? } else { Shapes::All };
    let what = reader.at_peak(what)?;
    reader.blanks();
    if reader.rest().is_empty() {
        return Ok(Claim { text: text.to_owned(), what, shapes });
    }
    let message = format!("{} where the claim should end", reader.found());
    let hint = if reader.rest().starts_with("and") {
        "give each as a claim of its own, with an id of its own".to_owned()
    } else if reader.rest().starts_with("where") {
        "write the condition after `on`, or under the manifest's key `where`".to_owned()
    } else {
        AS_IN.to_owned()
    };
    Err(reader.refuse(reader.at, message, hint))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    known: &'t Known<'t>,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Where the next word stands.
    fn here(&mut self) -> usize {
        self.blanks();
        self.at
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        self.blanks();
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

    fn takes_word(&mut self, wanted: &str) -> bool {
        let start = self.here();
        let is_there = self.word(|c| c.is_alphanumeric() || c == '_') == wanted;
        if !is_there {
            self.at = start;
        }
        is_there
    }

    /// What stands here, for a message.
    fn found(&self) -> String {
        let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(24).collect();
        if word.is_empty() { "the claim ends".to_owned() } else { format!("`{word}` stands") }
    }

    fn refuse(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) -> ClaimError {
        ClaimError { text: self.text.to_owned(), offset, message: message.into(), hint: hint.into() }
    }

    fn ratio(&mut self) -> Result<What, ClaimError> {
        if !self.takes_word("in") {
            return Ok(What::Ratio { sign: self.sign()?, bound: self.number()?, baseline: self.over()? });
        }
        self.needs("[", "as in 'ratio in [2, 4] over naive at S=2048'")?;
        let start = self.here();
        let least = self.number()?;
        self.needs(",", "as in 'ratio in [2, 4]'")?;
        let reached = self.number()?;
        self.needs("]", "as in 'ratio in [2, 4]'")?;
        if least >= reached {
            let message = format!("the range from {least} to {reached} is empty");
            return Err(self.refuse(
                start,
                message,
                "the first number holds everywhere, the second, greater one on a named shape",
            ));
        }
        Ok(What::Between { least, reached, at: Vec::new(), baseline: self.over()? })
    }

    /// Where the upper end of a range is reached stands last.
    fn at_peak(&mut self, mut what: What) -> Result<What, ClaimError> {
        let start = self.here();
        let is_there = self.takes_word("at");
        match &mut what {
            What::Between { at, .. } if is_there => *at = self.conditions()?,
            What::Between { reached, .. } => {
                let message = format!("the claim doesn't say which shape reaches {reached}");
                return Err(self.refuse(start, message, "name it at the end, as in 'at S=2048'"));
            }
            _ if is_there => {
                return Err(self.refuse(
                    start,
                    "`at` belongs to a range",
                    "write `on` for the shapes of the whole claim",
                ));
            }
            _ => {}
        }
        Ok(what)
    }

    fn gap(&mut self) -> Result<What, ClaimError> {
        let start = self.here();
        if self.sign()? != Sign::Less {
            return Err(self.refuse(start, "a gap is bounded from above", "as in 'gap < 10% vs receipt:ID'"));
        }
        let start = self.here();
        let percent = self.percent()?;
        if percent >= 100.0 {
            let message = format!("a gap below {percent}% says nothing: every kernel reaches that");
            return Err(self.refuse(start, message, "as in 'gap < 10% vs receipt:ID'"));
        }
        if !self.takes_word("vs") {
            let message = format!("{} where `vs` is needed", self.found());
            return Err(self.refuse(self.at, message, "as in 'gap < 10% vs receipt:ID'"));
        }
        self.needs("receipt:", "a gap is to what another device's receipt holds, as in 'gap < 10% vs receipt:ID'")?;
        let receipt = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if receipt.is_empty() {
            let message = format!("{} where a receipt's id is needed", self.found());
            return Err(self.refuse(self.at, message, "`bizra receipts list` shows them"));
        }
        Ok(What::Gap { below: percent / 100.0, receipt: receipt.to_owned() })
    }

    fn needs(&mut self, sign: &str, hint: &str) -> Result<(), ClaimError> {
        if self.takes(sign) {
            return Ok(());
        }
        let message = format!("{} where `{sign}` is needed", self.found());
        Err(self.refuse(self.at, message, hint))
    }

    fn percent(&mut self) -> Result<f64, ClaimError> {
        let start = self.here();
        let percent = self.number()?;
        if !self.takes("%") {
            let message = format!("{} where `%` is needed", self.found());
            let hint = format!("write {}%", &self.text[start..self.at].trim());
            return Err(self.refuse(self.at, message, hint));
        }
        Ok(percent)
    }

    fn over(&mut self) -> Result<String, ClaimError> {
        let start = self.here();
        let baselines = self.known.baselines;
        let listed = || format!("the manifest's baselines are {}", baselines.join(", "));
        if !self.takes_word("over") {
            return match baselines {
                [only] => Ok((*only).to_owned()),
                [] => Err(self.refuse(start, "there is no baseline to compare with", "add one under `baselines`")),
                _ => {
                    let message = format!("{} where `over` and a baseline are needed", self.found());
                    Err(self.refuse(start, message, listed()))
                }
            };
        }
        let start = self.here();
        let name = self.word(|c| !c.is_whitespace() && c != ',');
        if let Some(known) = baselines.iter().find(|known| **known == name) {
            return Ok((*known).to_owned());
        }
        if name.is_empty() {
            return Err(self.refuse(start, "the claim ends where a baseline is needed", listed()));
        }
        let pinned = baselines.iter().find(|known| known.split('@').next() == Some(name));
        let hint = match pinned.copied().or_else(|| nearest(name, baselines.iter().copied())) {
            Some(near) => format!("did you mean `{near}`?"),
            None if baselines.is_empty() => "add one under `baselines`".to_owned(),
            None => listed(),
        };
        Err(self.refuse(start, format!("there is no baseline `{name}`"), hint))
    }

    fn shapes(&mut self) -> Result<Shapes, ClaimError> {
        if self.takes_word("all") {
            return Ok(Shapes::All);
        }
        let start = self.here();
        let file = self.word(|c| !c.is_whitespace());
        if file.ends_with(".yaml") {
            return Ok(Shapes::File(file.to_owned()));
        }
        self.at = start;
        Ok(Shapes::Where(self.conditions()?))
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, ClaimError> {
        let mut conditions = vec![self.condition()?];
        while self.takes(",") {
            conditions.push(self.condition()?);
        }
        Ok(conditions)
    }

    fn condition(&mut self) -> Result<Condition, ClaimError> {
        let start = self.here();
        let name = self.word(|c| c.is_alphanumeric() || c == '_');
        let listed = || format!("shapes have {}", self.known.sizes.join(", "));
        if name.is_empty() {
            let message = format!("{} where a size is needed", self.found());
            return Err(self.refuse(start, message, listed()));
        }
        if !self.known.sizes.contains(&name) {
            let near = nearest(name, self.known.sizes.iter().copied());
            let hint = near.map_or_else(listed, |near| format!("did you mean `{near}`?"));
            return Err(self.refuse(start, format!("shapes have no size `{name}`"), hint));
        }
        let test = if self.takes("=") {
            if self.takes_word("true") {
                Test::Equal(1)
            } else if self.takes_word("false") {
                Test::Equal(0)
            } else {
                let start = self.here();
                let low = self.whole()?;
                match self.takes("..") {
                    true => {
                        let high = self.whole()?;
                        if low > high {
                            let message = format!("the range from {low} to {high} is empty");
                            return Err(self.refuse(start, message, format!("write {high}..{low}")));
                        }
                        Test::Within(low, high)
                    }
                    false => Test::Equal(low),
                }
            }
        } else {
            Test::Is(self.sign()?, self.whole()?)
        };
        Ok(Condition { name: name.to_owned(), test })
    }

    fn whole(&mut self) -> Result<u64, ClaimError> {
        let start = self.here();
        let digits = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        digits.parse().map_err(|_| {
            let message = match digits {
                "" => format!("{} where a whole number is needed", self.found()),
                digits => format!("`{digits}` stands where a whole number is needed"),
            };
            self.refuse(start, message, "as in 'S>=1024'")
        })
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
        let message = format!("{} where <, <=, > or >= is needed", self.found());
        let hint = if self.rest().starts_with(['=', '!', '~']) {
            "a measured figure equals nothing exactly: give a bound with <= or >="
        } else {
            AS_IN
        };
        Err(self.refuse(self.at, message, hint))
    }

    fn number(&mut self) -> Result<f64, ClaimError> {
        let start = self.here();
        let digits = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_'));
        let number = match digits.parse::<f64>() {
            Ok(number) if digits.ends_with(|c: char| c.is_ascii_digit()) => number,
            _ => {
                self.at = start;
                let message = format!("{} where a number is needed", self.found());
                let hint = if digits.ends_with('x') { "leave the x away: a ratio has no unit" } else { AS_IN };
                return Err(self.refuse(start, message, hint));
            }
        };
        if !(number > 0.0 && number < MOST) {
            return Err(self.refuse(
                start,
                format!("{digits} is no bound that a figure can have"),
                "give one above zero",
            ));
        }
        Ok(number)
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
