//! What is in force, and where each value came from.
//!
//! Flags come first, then `BIZRA_*` variables, then `bizra.toml` at the root of the repository, then the user's own
//! file, then the default. Every setting is a row of [`SETTINGS`]; a file with a key that is no row is refused, and so
//! is a repository's file that sets what a clone must not decide. Reading the files is the caller's work.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::env::Vars;
use crate::error::{Error, Place, Result, nearest};

mod settings;

use settings::NEVER_IN_REPOSITORY;
pub use settings::{Flaw, Kind, SETTINGS, Scope, Setting, parse_size, parse_time};

pub const REPOSITORY_FILE: &str = "bizra.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Variable(String),
    File { path: PathBuf, line: usize, column: usize },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Variable(name) => f.write_str(name),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct InForce {
    pub setting: &'static Setting,
    pub value: Option<String>,
    pub origin: Origin,
}

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
    /// At the root of the repository, so anyone who can push may have written it.
    pub of_repository: bool,
}

/// Every setting with the value in force.
#[derive(Clone, Debug)]
pub struct Config {
    values: Vec<InForce>,
}

impl Config {
    /// `files` from the strongest to the weakest.
    pub fn resolve(flags: &[(&'static str, String)], vars: &Vars, files: &[File]) -> Result<Config> {
        let mut parsed = Vec::new();
        for file in files {
            parsed.push(parse_file(file)?);
        }
        let mut values = Vec::new();
        for setting in SETTINGS {
            values.push(setting_in_force(setting, flags, vars, &parsed)?);
        }
        Ok(Config { values })
    }

    pub fn values(&self) -> &[InForce] {
        &self.values
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|v| v.setting.key == key).and_then(|v| v.value.as_deref())
    }

    pub fn switch(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.iter().find(|v| v.setting.key == key).map(|v| &v.origin)
    }

    /// The zone that days are counted in: the setting, else the machine's own.
    pub fn zone(&self, machine: jiff::tz::TimeZone) -> jiff::tz::TimeZone {
        self.get("tz").and_then(|name| jiff::tz::TimeZone::get(name).ok()).unwrap_or(machine)
    }

    /// The time that decisions are made for, where `--now` names one.
    pub fn now(&self, zone: &jiff::tz::TimeZone) -> Option<jiff::Timestamp> {
        self.get("now").and_then(|value| parse_time(value, zone).ok())
    }
}

fn setting_in_force(
    setting: &'static Setting,
    flags: &[(&'static str, String)],
    vars: &Vars,
    files: &[Vec<FromFile>],
) -> Result<InForce> {
    if let Some((_, value)) = flags.iter().find(|(key, _)| *key == setting.key) {
        setting
            .check(value)
            .map_err(|flaw| flaw.on(|what| Error::usage(format!("--{}: {what}", setting.key)), value))?;
        return Ok(InForce { setting, value: Some(value.clone()), origin: Origin::Flag });
    }
    let name = setting.variable();
    if let Some(raw) = vars.get_os(&name) {
        let value = raw.to_str().ok_or_else(|| Error::usage(format!("the variable {name} is no valid UTF-8")))?;
        let value = match (setting.kind, value) {
            (Kind::Switch, "1") => "true",
            (Kind::Switch, "0") => "false",
            _ => value,
        };
        setting.check(value).map_err(|flaw| flaw.on(|what| Error::usage(format!("{name}: {what}")), value))?;
        return Ok(InForce { setting, value: Some(value.to_owned()), origin: Origin::Variable(name) });
    }
    if let Some(found) = files.iter().flatten().find(|f| f.key == setting.key) {
        return Ok(InForce { setting, value: Some(found.value.clone()), origin: found.origin.clone() });
    }
    Ok(InForce { setting, value: setting.default.map(str::to_owned), origin: Origin::Default })
}

struct FromFile {
    key: &'static str,
    value: String,
    origin: Origin,
}

fn parse_file(file: &File) -> Result<Vec<FromFile>> {
    let at = |offset: usize| Place::in_text(&file.path, &file.text, offset);
    let table = DeTable::parse(&file.text).map_err(|e| {
        Error::invalid(e.message().lines().next().unwrap_or("this is no TOML").to_owned())
            .at(at(e.span().map_or(0, |s| s.start)))
    })?;
    let mut found = Vec::new();
    for (key, value) in table.get_ref().iter() {
        let word = key.get_ref().as_ref();
        if file.of_repository
            && let Some((_, why)) = NEVER_IN_REPOSITORY.iter().find(|(k, _)| *k == word)
        {
            return Err(Error::invalid(format!("`{word}` can't be set here: {why}")).at(at(key.span().start)));
        }
        let Some(setting) = Setting::of(word) else {
            let error = Error::invalid(format!("unknown key `{word}`")).at(at(key.span().start));
            return Err(match nearest(word, SETTINGS.iter().map(|s| s.key)) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint("`bizra config` lists the keys"),
            });
        };
        match setting.scope {
            Scope::NotByRepository(why) if file.of_repository => {
                return Err(Error::invalid(format!("`{word}` can't be set here: {why}"))
                    .at(at(key.span().start))
                    .hint(match setting.kind {
                        Kind::Size => format!("set {} or put it in your own configuration", setting.variable()),
                        _ => {
                            let variable = setting.variable();
                            format!("set {variable} or --{word} for one run, or put it in your own configuration")
                        }
                    }));
            }
            Scope::ThisRun => {
                return Err(Error::invalid(format!("`{word}` holds for one run and can't be set in a file"))
                    .at(at(key.span().start))
                    .hint(format!("use --{word} or {}", setting.variable())));
            }
            Scope::Anywhere | Scope::NotByRepository(_) => {}
        }
        let place = at(value.span().start);
        let text = value_text(setting, value, file, &place)?;
        setting
            .check(&text)
            .map_err(|flaw| flaw.on(|what| Error::invalid(format!("`{word}`: {what}")).at(place.clone()), &text))?;
        let (line, column) = place.at.unwrap_or((1, 1));
        found.push(FromFile {
            key: setting.key,
            value: text,
            origin: Origin::File { path: file.path.clone(), line, column },
        });
    }
    Ok(found)
}

fn value_text(setting: &Setting, value: &Spanned<DeValue<'_>>, file: &File, place: &Place) -> Result<String> {
    let wrong = |wanted: &str| {
        Error::invalid(format!("`{}` is {}, and {wanted} is needed", setting.key, type_word(value.get_ref())))
            .at(place.clone())
    };
    match (setting.kind, value.get_ref()) {
        (Kind::Switch, DeValue::Boolean(b)) => Ok(b.to_string()),
        (Kind::Switch, _) => Err(wrong("true or false")),
        (Kind::Count, DeValue::Integer(n)) => Ok(n.as_str().to_owned()),
        (Kind::Count, _) => Err(wrong("a number")),
        (Kind::Size, DeValue::Integer(n)) => Ok(n.as_str().to_owned()),
        (Kind::Path, DeValue::String(path)) => path_from_file(path, file)
            .map_err(|what| Error::invalid(format!("`{}`: {what}", setting.key)).at(place.clone())),
        (_, DeValue::String(text)) => Ok(text.to_string()),
        (_, _) => Err(wrong("a text in quotes")),
    }
}

/// Paths in a file count from its folder; a repository's own may not leave the repository.
fn path_from_file(path: &str, file: &File) -> std::result::Result<String, String> {
    let base = file.path.parent().unwrap_or(Path::new(""));
    let path = Path::new(path);
    if file.of_repository && path.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("`{}` leads out of the repository, where a clone must not write", path.display()));
    }
    base.join(path).into_os_string().into_string().map_err(|_| "the path is no valid UTF-8".to_owned())
}

fn type_word(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    fn repository(text: &str) -> File {
        File { path: "p/bizra.toml".into(), text: text.into(), of_repository: true }
    }

    fn user(text: &str) -> File {
        File { path: "c/config.toml".into(), text: text.into(), of_repository: false }
    }

    #[test]
    fn the_stronger_source_wins_and_is_named() {
        let vars: Vars = [("BIZRA_COLOR", "always"), ("BIZRA_NO_RECEIPT", "1")].into_iter().collect();
        let files =
            [repository("tz = 'Asia/Riyadh'\nquiet = true"), user("color = 'never'\ntz = 'UTC'\nquiet = false")];
        let config = Config::resolve(&[("quiet", "false".into())], &vars, &files).expect("all sources are right");
        let check = |key: &str, value: &str, origin: &str| {
            assert_eq!(config.get(key), Some(value), "{key}");
            assert_eq!(config.origin(key).map(ToString::to_string).as_deref(), Some(origin), "{key}");
        };
        check("quiet", "false", "flag");
        check("color", "always", "BIZRA_COLOR");
        check("no-receipt", "true", "BIZRA_NO_RECEIPT");
        check("tz", "Asia/Riyadh", "p/bizra.toml:1:6");
        check("verbose", "0", "default");
        assert_eq!(config.get("ledger"), None);
    }

    #[test]
    fn files_are_refused_with_place_and_hint() {
        let check = |file: File, message: &str, hint: Option<&str>| {
            let error = Config::resolve(&[], &Vars::default(), &[file]).expect_err(message);
            assert_eq!(error.exit, Exit::Invalid, "{error}");
            assert_eq!(error.to_string(), message);
            assert_eq!(error.hints.first().map(String::as_str), hint);
        };
        check(repository("colour = 'never'"), "p/bizra.toml:1:1: unknown key `colour`", Some("did you mean `color`?"));
        check(repository("\n  quiet = 3"), "p/bizra.toml:2:11: `quiet` is a number, and true or false is needed", None);
        check(
            user("color = 'alwys'"),
            "c/config.toml:1:9: `color`: `alwys` is none of auto, always, never",
            Some("did you mean `always`?"),
        );
        check(
            repository("tz = 'Asia/Ryadh'"),
            "p/bizra.toml:1:6: `tz`: `Asia/Ryadh` is no known time zone: write one as Asia/Riyadh or UTC",
            Some("did you mean `Asia/Riyadh`?"),
        );
        check(
            repository("ledger = '../elsewhere'"),
            "p/bizra.toml:1:10: `ledger`: `../elsewhere` leads out of the repository, where a clone must not write",
            None,
        );
        check(
            repository("keys = 1"),
            "p/bizra.toml:1:1: `keys` can't be set here: a clone must not be able to choose who signs",
            None,
        );
        check(
            repository("no-receipt = true"),
            "p/bizra.toml:1:1: `no-receipt` can't be set here: a clone must not be able to switch receipts off",
            Some("set BIZRA_NO_RECEIPT or --no-receipt for one run, or put it in your own configuration"),
        );
        check(
            user("now = '2026-01-01'"),
            "c/config.toml:1:1: `now` holds for one run and can't be set in a file",
            Some("use --now or BIZRA_NOW"),
        );
        let twice =
            Config::resolve(&[], &Vars::default(), &[user("quiet = true\nquiet = true")]).expect_err("duplicate");
        assert_eq!((twice.exit, twice.place.and_then(|p| p.at)), (Exit::Invalid, Some((2, 1))));
    }

    #[test]
    fn flags_and_variables_are_usage_errors() {
        let flag = Config::resolve(&[("tz", "Riyadh".into())], &Vars::default(), &[]).expect_err("no zone");
        assert_eq!(
            (flag.exit, flag.to_string().as_str()),
            (Exit::Usage, "--tz: `Riyadh` is no known time zone: write one as Asia/Riyadh or UTC")
        );
        assert_eq!(flag.hints, ["did you mean `Asia/Riyadh`?"]);
        let vars: Vars = [("BIZRA_NOW", "tomorrow")].into_iter().collect();
        let variable = Config::resolve(&[], &vars, &[]).expect_err("no time");
        assert_eq!(variable.exit, Exit::Usage);
        assert!(variable.to_string().starts_with("BIZRA_NOW: `tomorrow` is no time"), "{variable}");
    }

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in
            [("0", 0), ("12", 12), ("3b", 3), ("500MB", 500_000_000), ("8GiB", 8 << 30), ("1kib", 1024)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in
            ["", "GB", "-1", "+1", "1.5GB", "1 GB", "8G", "99999999999999999999", "18446744073709551615KiB", "１"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
        let of = |file| Config::resolve(&[], &Vars::default(), &[file]);
        assert_eq!(of(user("packed-cache = 1000")).expect("right").get("packed-cache"), Some("1000"));
        assert_eq!(
            of(user("packed-cache = '8G'")).expect_err("no unit").to_string(),
            "c/config.toml:1:16: `packed-cache`: `8G` is no size: write 0, 500MB or 8GiB"
        );
        let clone = of(repository("packed-cache = '1TB'")).expect_err("a clone's");
        assert_eq!(clone.hints, ["set BIZRA_PACKED_CACHE or put it in your own configuration"]);
    }

    #[test]
    fn a_repository_ledger_counts_from_the_file() {
        let config = Config::resolve(&[], &Vars::default(), &[repository("ledger = 'var/ledger.git'")]).expect("right");
        assert_eq!(config.get("ledger").map(Path::new), Some(Path::new("p/var/ledger.git")));
    }
}
