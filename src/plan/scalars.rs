//! The single values of plans: ids, hours, percentages, dates, zones, ranges of days.

use std::fmt;

use jiff::civil::{Date, Time};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::decimal::Decimal;
use super::read::Scalar;

type Refusal = (String, Option<String>);

/// A name that other parts of a plan refer to, in the one Unicode form (NFC) that equal names share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for Id {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+') || is_mark(c);
        if text.is_empty() || text.len() > 200 || !text.chars().all(fits) {
            let hint = "an id has letters, digits and - _ . / + only, and no spaces";
            return Err(("is no id".into(), Some(hint.into())));
        }
        Ok(Id(text.nfc().collect()))
    }

    fn shape() -> Value {
        json!({ "type": ["string", "number"], "pattern": r"^[\p{L}\p{N}\p{M}._/+-]{1,200}$" })
    }
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

impl Scalar for Decimal {
    fn parse(text: &str, plain: bool) -> Result<Self, Refusal> {
        if !plain {
            return Err(("is text, and a number is needed".into(), Some("remove the quotes".into())));
        }
        Decimal::parse(text).map_err(|why| (why.to_owned(), Some("write digits, and a point where needed".into())))
    }

    fn shape() -> Value {
        json!({ "type": "number" })
    }
}

/// Hours of work: never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours(pub Decimal);

impl Scalar for Hours {
    fn parse(text: &str, plain: bool) -> Result<Self, Refusal> {
        let n = <Decimal as Scalar>::parse(text, plain)?;
        if n.is_negative() { Err(("is less than no hours at all".into(), None)) } else { Ok(Hours(n)) }
    }

    fn shape() -> Value {
        json!({ "type": "number", "minimum": 0 })
    }
}

/// How far something is, from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub Decimal);

impl Percent {
    pub fn is_whole(self) -> bool {
        self.0 == Decimal::from_int(100)
    }
}

impl Scalar for Percent {
    fn parse(text: &str, plain: bool) -> Result<Self, Refusal> {
        let n = <Decimal as Scalar>::parse(text, plain)?;
        if n.is_negative() || n > Decimal::from_int(100) {
            return Err(("is no share between 0 and 100".into(), None));
        }
        Ok(Percent(n))
    }

    fn shape() -> Value {
        json!({ "type": "number", "minimum": 0, "maximum": 100 })
    }
}

impl Scalar for u32 {
    fn parse(text: &str, plain: bool) -> Result<Self, Refusal> {
        let digits = plain && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or(("is no whole number from 0 to 4294967295".into(), None))
    }

    fn shape() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
}

impl Scalar for Date {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let form = text.len() == 10 && text.bytes().filter(|b| *b == b'-').count() == 2;
        text.parse()
            .ok()
            .filter(|_| form)
            .ok_or(("is no date of the calendar".into(), Some("write YEAR-MONTH-DAY, such as 2026-02-15".into())))
    }

    fn shape() -> Value {
        json!({ "type": "string", "format": "date" })
    }
}

impl Scalar for Time {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let form = text.len() == 5 && text.as_bytes()[2] == b':';
        text.parse()
            .ok()
            .filter(|_| form)
            .ok_or(("is no time of day".into(), Some("write HOUR:MINUTE, such as 09:30".into())))
    }

    fn shape() -> Value {
        json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$" })
    }
}

/// A point in time as it was written, once it is known to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant(pub String);

impl Scalar for Instant {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let known = text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok();
        if known { Ok(Instant(text.to_owned())) } else { Err(("is no date and time".into(), None)) }
    }

    fn shape() -> Value {
        json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T" })
    }
}

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub String);

impl Zone {
    pub fn get(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.0).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

impl Scalar for Zone {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        match jiff::tz::TimeZone::get(text) {
            Ok(_) => Ok(Zone(text.to_owned())),
            Err(_) => {
                let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
                let near = crate::error::nearest(text, names.iter().map(String::as_str));
                let hint =
                    near.map_or("write a name such as Asia/Riyadh or UTC".into(), |n| format!("did you mean `{n}`?"));
                Err(("is no time zone of the IANA database".into(), Some(hint)))
            }
        }
    }

    fn shape() -> Value {
        json!({ "type": "string", "description": "An IANA time zone: it decides when a day begins" })
    }
}

/// Days of a sprint, both ends included: `4-7`, or `9` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    pub first: u32,
    pub last: u32,
}

impl DayRange {
    pub fn contains(self, day: u32) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

impl fmt::Display for DayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "day {}", self.first)
        } else {
            write!(f, "days {}-{}", self.first, self.last)
        }
    }
}

impl Scalar for DayRange {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |part: &str| part.trim().parse::<u32>().ok().filter(|n| (1..=10_000).contains(n));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(DayRange { first, last }),
            (Some(_), Some(_)) => Err(("ends before it begins".into(), Some(format!("write {last}-{first}")))),
            _ => Err(("is no range of days".into(), Some("write FIRST-LAST, such as 4-7".into()))),
        }
    }

    fn shape() -> Value {
        json!({ "type": ["string", "integer"], "pattern": r"^\d+(-\d+)?$" })
    }
}

/// A stretch of time counted from the start of a plan: `week 2`, `month 6`, `year 2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relative {
    pub unit: RelativeUnit,
    pub n: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelativeUnit {
    Day,
    Week,
    Month,
    Year,
}

impl Relative {
    /// First and last day of the stretch in whole days from the start, at 30 days a month and 360 a year.
    pub fn days(self) -> (u32, u32) {
        let length = match self.unit {
            RelativeUnit::Day => 1,
            RelativeUnit::Week => 7,
            RelativeUnit::Month => 30,
            RelativeUnit::Year => 360,
        };
        ((self.n - 1) * length + 1, self.n * length)
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            RelativeUnit::Day => "day",
            RelativeUnit::Week => "week",
            RelativeUnit::Month => "month",
            RelativeUnit::Year => "year",
        };
        write!(f, "{unit} {}", self.n)
    }
}

impl Scalar for Relative {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let refusal = || ("is no day, week, month or year".to_owned(), Some("write for example `month 6`".to_owned()));
        let (unit, n) = text.split_once(' ').ok_or_else(refusal)?;
        let unit = match unit {
            "day" => RelativeUnit::Day,
            "week" => RelativeUnit::Week,
            "month" => RelativeUnit::Month,
            "year" => RelativeUnit::Year,
            _ => return Err(refusal()),
        };
        let n = n.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(refusal)?;
        Ok(Relative { unit, n })
    }

    fn shape() -> Value {
        json!({ "type": "string", "pattern": r"^(day|week|month|year) \d+$" })
    }
}

/// A length of time such as `300s`, `7d` or `36h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub std::time::Duration);

impl Scalar for Span {
    fn parse(text: &str, _: bool) -> Result<Self, Refusal> {
        let refusal = || ("is no length of time".to_owned(), Some("write for example 300s, 15m, 36h or 7d".to_owned()));
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refusal)?;
        let seconds = match &text[split..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(refusal()),
        };
        let n: u64 = text[..split].parse().map_err(|_| refusal())?;
        Ok(Span(std::time::Duration::from_secs(n.checked_mul(seconds).ok_or_else(refusal)?)))
    }

    fn shape() -> Value {
        json!({ "type": "string", "pattern": r"^\d+[smhdw]$" })
    }
}
