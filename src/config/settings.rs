//! What can be set: the table of all settings, and which values each takes.

use crate::error::{Error, nearest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Switch,
    /// How many times a flag was given.
    Count,
    Choice(&'static [&'static str]),
    Text,
    Path,
    Zone,
    Time,
    /// A number of bytes.
    Size,
}

/// Who may set a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Anywhere,
    /// Not the repository's file: a clone must not be able to decide it.
    NotByRepository(&'static str),
    /// Flags and variables alone.
    ThisRun,
}

#[derive(Debug)]
pub struct Setting {
    pub key: &'static str,
    pub kind: Kind,
    pub scope: Scope,
    pub default: Option<&'static str>,
    pub about: &'static str,
}

pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "color",
        kind: Kind::Choice(&["auto", "always", "never"]),
        scope: Scope::NotByRepository("it decides what scripts read"),
        default: Some("auto"),
        about: "when to use colours",
    },
    Setting {
        key: "json",
        kind: Kind::Switch,
        scope: Scope::NotByRepository("it decides what scripts read"),
        default: Some("false"),
        about: "answer with one JSON document",
    },
    Setting {
        key: "ledger",
        kind: Kind::Path,
        scope: Scope::Anywhere,
        default: None,
        about: "the ledger to use instead of the repository's own",
    },
    Setting {
        key: "model",
        kind: Kind::Text,
        scope: Scope::Anywhere,
        default: None,
        about: "the model that infer uses where none is named",
    },
    Setting {
        key: "no-receipt",
        kind: Kind::Switch,
        scope: Scope::NotByRepository("a clone must not be able to switch receipts off"),
        default: Some("false"),
        about: "leave no receipt",
    },
    Setting {
        key: "now",
        kind: Kind::Time,
        scope: Scope::ThisRun,
        default: None,
        about: "decide as if it were this time",
    },
    Setting {
        key: "nvrtc",
        kind: Kind::Path,
        scope: Scope::NotByRepository("a clone must not decide what code is loaded"),
        default: None,
        about: "the file of NVIDIA's run-time compiler, where the system's loader doesn't find it",
    },
    Setting {
        key: "packed-cache",
        kind: Kind::Size,
        scope: Scope::NotByRepository("a clone must not decide what your disk is used for"),
        default: Some("8GiB"),
        about: "bytes that packed weights may take on disk, so that models start sooner; 0 keeps none",
    },
    Setting {
        key: "python",
        kind: Kind::Path,
        scope: Scope::NotByRepository("a clone must not decide what programs run"),
        default: None,
        about: "the Python that has Triton, where it isn't the first python3",
    },
    Setting {
        key: "quiet",
        kind: Kind::Switch,
        scope: Scope::Anywhere,
        default: Some("false"),
        about: "no notes, warnings or progress on stderr",
    },
    Setting {
        key: "repo",
        kind: Kind::Path,
        scope: Scope::ThisRun,
        default: None,
        about: "the repository to work in instead of the one around the current folder",
    },
    Setting {
        key: "tz",
        kind: Kind::Zone,
        scope: Scope::Anywhere,
        default: None,
        about: "the time zone that days are counted in where no plan names one",
    },
    Setting {
        key: "verbose",
        kind: Kind::Count,
        scope: Scope::NotByRepository("it is for the person at the terminal"),
        default: Some("0"),
        about: "more detail on stderr",
    },
];

/// Keys that are no settings and that a repository's file might still try.
pub(super) const NEVER_IN_REPOSITORY: &[(&str, &str)] = &[
    ("keys", "a clone must not be able to choose who signs"),
    ("allow-commands", "a clone must not be able to run commands"),
];

impl Setting {
    pub(super) fn of(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|s| s.key == key)
    }

    /// `BIZRA_NO_RECEIPT` for `no-receipt`.
    pub fn variable(&self) -> String {
        format!("BIZRA_{}", self.key.replace('-', "_").to_ascii_uppercase())
    }

    /// Says what is wrong with a value of this setting.
    pub(super) fn check(&self, value: &str) -> Result<(), Flaw> {
        match self.kind {
            Kind::Switch if matches!(value, "true" | "false") => Ok(()),
            Kind::Switch => Err(Flaw::new("is neither true nor false")),
            Kind::Count if value.parse::<u8>().is_ok() => Ok(()),
            Kind::Count => Err(Flaw::new("is no number from 0 to 255")),
            Kind::Choice(words) if words.contains(&value) => Ok(()),
            Kind::Choice(words) => Err(Flaw {
                what: format!("is none of {}", words.join(", ")),
                meant: nearest(value, words.iter().copied()).map(str::to_owned),
            }),
            Kind::Text if value.is_empty() => Err(Flaw::new("is empty")),
            Kind::Text => Ok(()),
            Kind::Path if value.is_empty() => Err(Flaw::new("is empty, and a path is needed")),
            Kind::Path => Ok(()),
            Kind::Zone => match jiff::tz::TimeZone::get(value) {
                Ok(_) => Ok(()),
                Err(_) => Err(Flaw {
                    what: "is no known time zone: write one as Asia/Riyadh or UTC".into(),
                    meant: nearest_zone(value),
                }),
            },
            Kind::Size if parse_size(value).is_some() => Ok(()),
            Kind::Size => Err(Flaw::new("is no size: write 0, 500MB or 8GiB")),
            Kind::Time => parse_time(value, &jiff::tz::TimeZone::UTC).map(drop),
        }
    }
}

/// What is wrong with a value, to be told with the place that it came from.
#[derive(Debug)]
pub struct Flaw {
    what: String,
    meant: Option<String>,
}

impl Flaw {
    fn new(what: impl Into<String>) -> Self {
        Flaw { what: what.into(), meant: None }
    }

    /// The error that tells the flaw of `value`; `error` adds what had it.
    pub fn on(self, error: impl FnOnce(String) -> Error, value: &str) -> Error {
        let error = error(format!("`{value}` {}", self.what));
        match self.meant {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error,
        }
    }
}

fn nearest_zone(value: &str) -> Option<String> {
    let names: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let wanted = city(value);
    names
        .iter()
        .find(|n| city(n) == wanted)
        .cloned()
        .or_else(|| nearest(value, names.iter().map(String::as_str)).map(str::to_owned))
}

/// Bytes as people write them: a whole number, and a unit in thousands or, with an i, in steps of 1,024.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| all_digits)?.checked_mul(unit)
}

/// A time as people write it: a timestamp with an offset, or a civil date or time in `zone`.
pub fn parse_time(value: &str, zone: &jiff::tz::TimeZone) -> Result<jiff::Timestamp, Flaw> {
    if let Ok(stamp) = value.parse::<jiff::Timestamp>() {
        return Ok(stamp);
    }
    let civil = value
        .parse::<jiff::civil::DateTime>()
        .map_err(|_| Flaw::new("is no time: write 2026-02-15, 2026-02-15T09:00 or 2026-02-15T09:00:00+03:00"))?;
    zone.to_timestamp(civil).map_err(|_| Flaw::new("is outside the years that can be counted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_zone() {
        let zone = jiff::tz::TimeZone::get("Asia/Riyadh").expect("bundled");
        let check = |text: &str, utc: &str| {
            assert_eq!(parse_time(text, &zone).expect(text).to_string(), utc, "{text}");
        };
        check("2026-02-15", "2026-02-14T21:00:00Z");
        check("2026-02-15T09:00", "2026-02-15T06:00:00Z");
        check("2026-02-15T09:00:00+01:00", "2026-02-15T08:00:00Z");
        check("2026-02-15T09:00:00Z", "2026-02-15T09:00:00Z");
        assert!(parse_time("2026-02-30", &zone).is_err());
    }
}
