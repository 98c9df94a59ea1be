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
//! on        = "on" ( "all" | file ".txt" | file ".yaml" | condition { "," condition } )
//! condition = size ( sign number | "=" number [ ".." number ] | "=" "true" | "=" "false" )
//! sign      = "<" | "<=" | ">" | ">="
//! ```

use super::{Claim, ClaimError, Condition, Shapes, Sign, Test, What};
use crate::claims::{Reader, nearest};

/// What a manifest has that a claim may name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    pub baselines: &'k [&'k str],
    /// The sizes of a shape.
    pub sizes: &'k [&'k str],
}

const KINDS: [&str; 4] = ["ratio", "+20%", "gap", "fraction_of_bandwidth"];
const AS_IN: &str = "as in 'ratio >= 2.0 over naive on S>=1024'";
/// More than any kernel gains: a number beyond it is a slip of the pen.
const MOST: f64 = 1e6;

pub(super) fn claim(text: &str, known: &Known<'_>) -> Result<Claim, ClaimError> {
    let mut grammar = Grammar { text: Reader::new(text), known };
    let what = grammar.what()?;
    let shapes = if grammar.text.takes_word("on") { grammar.shapes()? } else { Shapes::All };
    let what = grammar.at_peak(what)?;
    let mut reader = grammar.text;
    if reader.is_over() {
        return Ok(Claim { text: text.to_owned(), what, shapes });
    }
    let hint = if reader.rest().starts_with("and") {
        "give each as a claim of its own, with an id of its own"
    } else if reader.rest().starts_with("where") {
        "write the condition after `on`, or under the manifest's key `where`"
    } else {
        AS_IN
    };
    Err(reader.misplaced("the claim should end", hint))
}

/// A claim as far as it was read, and what it may name.
struct Grammar<'t> {
    text: Reader<'t>,
    known: &'t Known<'t>,
}

impl Grammar<'_> {
    fn what(&mut self) -> Result<What, ClaimError> {
        let start = self.text.here();
        if self.text.takes("+") {
            let percent = self.percent()?;
            return Ok(What::Ratio { sign: Sign::AtLeast, bound: 1.0 + percent / 100.0, baseline: self.over()? });
        }
        match self.text.word(|c| c.is_alphanumeric() || c == '_') {
            "ratio" => self.ratio(),
            "gap" => self.gap(),
            "fraction_of_bandwidth" => {
                let sign = self.text.sign(AS_IN)?;
                let at = self.text.here();
                let share = self.number()?;
                if share > 1.0 {
                    let message = format!("{share} of the bandwidth is more than there is");
                    let hint = "give a share between 0 and 1, as in 'fraction_of_bandwidth >= 0.8'";
                    return Err(self.text.refuse(at, message, hint));
                }
                Ok(What::Bandwidth { sign, share })
            }
            word => {
                let message = match word {
                    "" if self.text.rest().is_empty() => "there is no claim here".to_owned(),
                    "" => format!("{} where a claim begins", self.text.found()),
                    word => format!("`{word}` is nothing that can be claimed"),
                };
                let hint = nearest(word, KINDS).map(|near| format!("did you mean `{near}`?"));
                let kinds = || format!("a claim begins with {}, {AS_IN}", KINDS.join(", "));
                Err(self.text.refuse(start, message, hint.unwrap_or_else(kinds)))
            }
        }
    }

    fn ratio(&mut self) -> Result<What, ClaimError> {
        if !self.text.takes_word("in") {
            return Ok(What::Ratio { sign: self.text.sign(AS_IN)?, bound: self.number()?, baseline: self.over()? });
        }
        self.needs("[", "as in 'ratio in [2, 4] over naive at S=2048'")?;
        let start = self.text.here();
        let least = self.number()?;
        self.needs(",", "as in 'ratio in [2, 4]'")?;
        let reached = self.number()?;
        self.needs("]", "as in 'ratio in [2, 4]'")?;
        if least >= reached {
            let message = format!("the range from {least} to {reached} is empty");
            return Err(self.text.refuse(
                start,
                message,
                "the first number holds everywhere, the second, greater one on a named shape",
            ));
        }
        Ok(What::Between { least, reached, at: Vec::new(), baseline: self.over()? })
    }

    /// Where the upper end of a range is reached stands last.
    fn at_peak(&mut self, mut what: What) -> Result<What, ClaimError> {
        let start = self.text.here();
        let is_there = self.text.takes_word("at");
        match &mut what {
            What::Between { at, .. } if is_there => *at = self.conditions()?,
            What::Between { reached, .. } => {
                let message = format!("the claim doesn't say which shape reaches {reached}");
                return Err(self.text.refuse(start, message, "name it at the end, as in 'at S=2048'"));
            }
            _ if is_there => {
                return Err(self.text.refuse(
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
        let start = self.text.here();
        if self.text.sign(AS_IN)? != Sign::Less {
            return Err(self.text.refuse(start, "a gap is bounded from above", "as in 'gap < 10% vs receipt:ID'"));
        }
        let start = self.text.here();
        let percent = self.percent()?;
        if percent >= 100.0 {
            let message = format!("a gap below {percent}% says nothing: every kernel reaches that");
            return Err(self.text.refuse(start, message, "as in 'gap < 10% vs receipt:ID'"));
        }
        if !self.text.takes_word("vs") {
            return Err(self.text.misplaced("`vs` is needed", "as in 'gap < 10% vs receipt:ID'"));
        }
        self.needs("receipt:", "a gap is to what another device's receipt holds, as in 'gap < 10% vs receipt:ID'")?;
        let receipt = self.text.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if receipt.is_empty() {
            return Err(self.text.misplaced("a receipt's id is needed", "`bizra receipts list` shows them"));
        }
        Ok(What::Gap { below: percent / 100.0, receipt: receipt.to_owned() })
    }

    fn needs(&mut self, sign: &str, hint: &str) -> Result<(), ClaimError> {
        if self.text.takes(sign) { Ok(()) } else { Err(self.text.misplaced(&format!("`{sign}` is needed"), hint)) }
    }

    fn percent(&mut self) -> Result<f64, ClaimError> {
        let start = self.text.here();
        let percent = self.number()?;
        if !self.text.takes("%") {
            return Err(self.text.misplaced("`%` is needed", format!("write {}%", self.text.since(start).trim())));
        }
        Ok(percent)
    }

    fn over(&mut self) -> Result<String, ClaimError> {
        let start = self.text.here();
        let baselines = self.known.baselines;
        let listed = || format!("the manifest's baselines are {}", baselines.join(", "));
        if !self.text.takes_word("over") {
            return match baselines {
                [only] => Ok((*only).to_owned()),
                [] => Err(self.text.refuse(start, "there is no baseline to compare with", "add one under `baselines`")),
                _ => Err(self.text.misplaced("`over` and a baseline are needed", listed())),
            };
        }
        let start = self.text.here();
        let name = self.text.word(|c| !c.is_whitespace() && c != ',');
        if let Some(known) = baselines.iter().find(|known| **known == name) {
            return Ok((*known).to_owned());
        }
        if name.is_empty() {
            return Err(self.text.refuse(start, "the claim ends where a baseline is needed", listed()));
        }
        let pinned = baselines.iter().find(|known| known.split('@').next() == Some(name));
        let hint = match pinned.copied().or_else(|| nearest(name, baselines.iter().copied())) {
            Some(near) => format!("did you mean `{near}`?"),
            None if baselines.is_empty() => "add one under `baselines`".to_owned(),
            None => listed(),
        };
        Err(self.text.refuse(start, format!("there is no baseline `{name}`"), hint))
    }

    fn shapes(&mut self) -> Result<Shapes, ClaimError> {
        if self.text.takes_word("all") {
            return Ok(Shapes::All);
        }
        let start = self.text.here();
        let file = self.text.word(|c| !c.is_whitespace());
        if file.ends_with(".txt") || file.ends_with(".yaml") {
            return Ok(Shapes::File(file.to_owned()));
        }
        self.text.back_to(start);
        Ok(Shapes::Where(self.conditions()?))
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, ClaimError> {
        let mut conditions = vec![self.condition()?];
        while self.text.takes(",") {
            conditions.push(self.condition()?);
        }
        Ok(conditions)
    }

    fn condition(&mut self) -> Result<Condition, ClaimError> {
        let start = self.text.here();
        let name = self.text.word(|c| c.is_alphanumeric() || c == '_');
        let listed = || format!("shapes have {}", self.known.sizes.join(", "));
        if name.is_empty() {
            return Err(self.text.misplaced("a size is needed", listed()));
        }
        if !self.known.sizes.contains(&name) {
            let near = nearest(name, self.known.sizes.iter().copied());
            let hint = near.map_or_else(listed, |near| format!("did you mean `{near}`?"));
            return Err(self.text.refuse(start, format!("shapes have no size `{name}`"), hint));
        }
        let test = if self.text.takes("=") {
            if self.text.takes_word("true") {
                Test::Equal(1)
            } else if self.text.takes_word("false") {
                Test::Equal(0)
            } else {
                let start = self.text.here();
                let low = self.whole()?;
                match self.text.takes("..") {
                    true => {
                        let high = self.whole()?;
                        if low > high {
                            let message = format!("the range from {low} to {high} is empty");
                            return Err(self.text.refuse(start, message, format!("write {high}..{low}")));
                        }
                        Test::Within(low, high)
                    }
                    false => Test::Equal(low),
                }
            }
        } else {
            Test::Is(self.text.sign(AS_IN)?, self.whole()?)
        };
        Ok(Condition { name: name.to_owned(), test })
    }

    fn whole(&mut self) -> Result<u64, ClaimError> {
        let start = self.text.here();
        let digits = self.text.word(|c| c.is_ascii_alphanumeric() || c == '_');
        digits.parse().map_err(|_| {
            let message = match digits {
                "" => format!("{} where a whole number is needed", self.text.found()),
                digits => format!("`{digits}` stands where a whole number is needed"),
            };
            self.text.refuse(start, message, "as in 'S>=1024'")
        })
    }

    fn number(&mut self) -> Result<f64, ClaimError> {
        let start = self.text.here();
        let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let (digits, number) = self.text.number(belongs);
        let Some(number) = number else {
            let hint = if digits.ends_with('x') { "leave the x away: a ratio has no unit" } else { AS_IN };
            return Err(self.text.misplaced("a number is needed", hint));
        };
        if !(number > 0.0 && number < MOST) {
            let message = format!("{digits} is no bound that a figure can have");
            return Err(self.text.refuse(start, message, "give one above zero"));
        }
        Ok(number)
    }
}
