//! How a command ends: the exit codes, and the error that carries a refusal to the user.
//!
//! The one table of codes for all commands is [`Exit`]; `docs/exit-codes.md` is its text for users. An [`Error`] says
//! what failed and where, why, and what to type next. Domains have error types of their own; each is turned into an
//! [`Error`] here, so that the same fault has the same code whichever command meets it.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a command answers to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, verified, gate open, ledger intact.
    Yes = 0,
    /// Wrong result, claim refuted, gate failed, lint errors, regression.
    No = 1,
    /// Unknown flag, bad value, unknown time zone.
    Usage = 2,
    /// A plan, manifest, model, policy, configuration or ledger that is not what it claims to be.
    Invalid = 3,
    /// Evidence missing or expired, measurement inconclusive, skipped for want of a device.
    Undecided = 4,
    /// Forged, tampered, untrusted, self-test missed.
    Integrity = 5,
    /// This machine cannot: no repository, no network, feature not built, disk full.
    Cannot = 6,
    /// A bug in bizra.
    Bug = 101,
    /// Ctrl-C or a request to terminate.
    Interrupted = 130,
    /// The reader of our output went away.
    ClosedPipe = 141,
}

impl Exit {
    pub const ALL: [Exit; 10] = [
        Exit::Yes,
        Exit::No,
        Exit::Usage,
        Exit::Invalid,
        Exit::Undecided,
        Exit::Integrity,
        Exit::Cannot,
        Exit::Bug,
        Exit::Interrupted,
        Exit::ClosedPipe,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    /// The code of that number; what is none of ours is a bug.
    pub fn from_code(code: u8) -> Exit {
        Exit::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Bug)
    }

    /// The word that stands for the code in messages and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Yes => "yes",
            Exit::No => "no",
            Exit::Usage => "usage",
            Exit::Invalid => "invalid-input",
            Exit::Undecided => "undecided",
            Exit::Integrity => "integrity",
            Exit::Cannot => "machine-cannot",
            Exit::Bug => "bug",
            Exit::Interrupted => "interrupted",
            Exit::ClosedPipe => "closed-pipe",
        }
    }

    /// Where several reasons apply, the one that decides: nothing else can be believed before it is mended.
    fn rank(self) -> u8 {
        match self {
            Exit::Yes => 0,
            Exit::Undecided => 1,
            Exit::No => 2,
            Exit::Integrity => 3,
            Exit::Invalid => 4,
            Exit::Cannot => 5,
            Exit::Usage => 6,
            Exit::ClosedPipe => 7,
            Exit::Interrupted => 8,
            Exit::Bug => 9,
        }
    }

    /// The code of a command that met all of these. No reason at all is a yes.
    pub fn decide(all: impl IntoIterator<Item = Exit>) -> Exit {
        all.into_iter().max_by_key(|e| e.rank()).unwrap_or(Exit::Yes)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// A place in a text that the user can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Line and column, both from 1, the column in characters; none where the whole file is meant.
    pub at: Option<(usize, usize)>,
    /// The line itself, to be shown under the message.
    pub excerpt: Option<String>,
}

impl Place {
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Place { file: file.into(), at: None, excerpt: None }
    }

    /// The place of byte `offset` in `text`.
    pub fn in_text(file: impl Into<PathBuf>, text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |i| offset + i);
        let line = text[..start].matches('\n').count() + 1;
        let column = text[start..offset].chars().count() + 1;
        let excerpt = text[start..end].trim_end_matches('\r').to_owned();
        Place { file: file.into(), at: Some((line, column)), excerpt: Some(excerpt) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.at {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Why a command does not answer with yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub exit: Exit,
    pub message: String,
    pub place: Option<Place>,
    pub causes: Vec<String>,
    /// What to do next: each is shown on a line of its own.
    pub hints: Vec<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Error { exit, message: message.into(), place: None, causes: Vec::new(), hints: Vec::new() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Exit::Usage, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(Exit::Invalid, message)
    }

    pub fn cannot(message: impl Into<String>) -> Self {
        Error::new(Exit::Cannot, message)
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A file that the user named could not be had: 3 when it isn't there, 6 when it can't be read.
    pub fn reading(path: &Path, cause: &std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::NotFound => {
                Error::invalid(format!("there is no file {}", path.display())).hint("check the path and its spelling")
            }
            std::io::ErrorKind::IsADirectory => {
                Error::invalid(format!("{} is a folder, and a file is needed here", path.display()))
            }
            std::io::ErrorKind::OutOfMemory => {
                Error::cannot(format!("{} can't be read: there is no memory for it", path.display()))
                    .hint("allow the process more memory, or take a smaller file")
            }
            _ => {
                Error::cannot(format!("{} can't be read", path.display())).because(cause).hint("check its permissions")
            }
        }
    }

    /// Something could not be written: the reader went away, the disk is full, or the place refuses.
    pub fn writing(what: impl fmt::Display, cause: &std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::BrokenPipe => {
                Error::new(Exit::ClosedPipe, format!("{what}: the reader closed the pipe"))
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::cannot(format!("{what} can't be written: no space is left"))
                    .because(cause)
                    .hint("free some space and run the command again")
            }
            _ => Error::cannot(format!("{what} can't be written")).because(cause),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// Each domain's error has its code here and nowhere else.
mod domains {
    use super::{Error, Exit};
    use crate::infer::fault::InferError;
    use crate::model::{ChooseFault, ListingFault, NameFault};
    use crate::receipts::checkpoint::CheckpointError;
    use crate::receipts::fields::ShapeError;
    use crate::receipts::finding::Code;
    use crate::receipts::keys::{KeyError, SignError};
    use crate::receipts::merkle::ProofError;
    use crate::receipts::pin::PinError;
    use crate::receipts::policy::PolicyError;
    use crate::receipts::tiles::TileError;
    use crate::sys::git::GitError;
    use crate::sys::ledger::{Kind, LedgerError};

    impl From<KeyError> for Error {
        fn from(error: KeyError) -> Self {
            let exit = match error {
                KeyError::Weak | KeyError::MixedOrder | KeyError::NonCanonical | KeyError::NotAPoint => Exit::Integrity,
                _ => Exit::Invalid,
            };
            Error::new(exit, error.to_string())
        }
    }

    impl From<SignError> for Error {
        fn from(error: SignError) -> Self {
            let exit = if error == SignError::Wrong { Exit::Integrity } else { Exit::Cannot };
            Error::new(exit, error.to_string())
        }
    }

    impl From<ShapeError> for Error {
        fn from(error: ShapeError) -> Self {
            Error::invalid(error.to_string())
        }
    }

    /// A finding of the audit is an integrity fault; what has no code is a file that is something else.
    fn by_code(code: Option<Code>, message: String) -> Error {
        match code {
            Some(code) => Error::new(Exit::Integrity, format!("{code}: {message}")),
            None => Error::invalid(message),
        }
    }

    impl From<PolicyError> for Error {
        fn from(error: PolicyError) -> Self {
            if let PolicyError::Sign(error) = error {
                return error.into();
            }
            by_code(error.code(), error.to_string())
        }
    }

    impl From<PinError> for Error {
        fn from(error: PinError) -> Self {
            by_code(error.code(), error.to_string())
        }
    }

    impl From<CheckpointError> for Error {
        fn from(error: CheckpointError) -> Self {
            by_code(Some(error.code()), error.to_string())
        }
    }

    impl From<TileError> for Error {
        fn from(error: TileError) -> Self {
            Error::new(Exit::Integrity, error.to_string())
        }
    }

    impl From<ProofError> for Error {
        fn from(error: ProofError) -> Self {
            Error::new(Exit::Integrity, error.to_string())
        }
    }

    impl From<NameFault> for Error {
        fn from(fault: NameFault) -> Self {
            Error::usage(fault.to_string()).hint("write REPO[:QUANT][@REVISION], such as owner/name-GGUF:Q4_K_M@main")
        }
    }

    impl From<ChooseFault> for Error {
        fn from(fault: ChooseFault) -> Self {
            let exit = if matches!(fault, ChooseFault::Several { .. }) { Exit::Usage } else { Exit::Invalid };
            Error::new(exit, fault.to_string()).hint(fault.hint())
        }
    }

    impl From<ListingFault> for Error {
        fn from(fault: ListingFault) -> Self {
            Error::invalid(fault.to_string())
        }
    }

    impl From<InferError> for Error {
        fn from(error: InferError) -> Self {
            let exit = match &error {
                InferError::Sampling { .. }
                | InferError::EmptyPrompt
                | InferError::EmptyStop
                | InferError::ContextOption { .. }
                | InferError::TokenId { .. }
                | InferError::NothingToPick { .. } => Exit::Usage,
                other if other.is_for_want_of_memory() => Exit::Cannot,
                _ => Exit::Invalid,
            };
            Error::new(exit, error.to_string())
        }
    }

    impl From<GitError> for Error {
        fn from(error: GitError) -> Self {
            Error::cannot(error.to_string())
        }
    }

    impl From<LedgerError> for Error {
        fn from(error: LedgerError) -> Self {
            let exit = match error.kind() {
                Kind::Invalid => Exit::Invalid,
                Kind::Integrity => Exit::Integrity,
                Kind::Machine => Exit::Cannot,
                Kind::Caller => Exit::Bug,
            };
            let missing = matches!(error, LedgerError::Missing { .. });
            match error {
                // An append passes its caller's own error through.
                LedgerError::Caller(inner) => match inner.downcast::<Error>() {
                    Ok(error) => *error,
                    Err(other) => Error::cannot(format!("the receipt could not be made: {other}")),
                },
                LedgerError::Io { source, path, .. } => Error::writing(path.display(), &source),
                other if missing => Error::invalid(other.to_string())
                    .hint("the first receipt makes one; `bizra receipts fetch REMOTE` brings one; --ledger PATH names another"),
                other if exit == Exit::Integrity => Error::new(exit, other.to_string())
                    .hint("`bizra receipts audit` says what is wrong, `bizra receipts repair` mends what a crash left"),
                other => Error::new(exit, other.to_string()),
            }
        }
    }
}

/// The candidate that the user most likely meant, if one is near enough to be worth naming.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(word, c), c))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_the_one_promised() {
        let order = [Exit::Usage, Exit::Cannot, Exit::Invalid, Exit::Integrity, Exit::No, Exit::Undecided, Exit::Yes];
        for (i, stronger) in order.iter().enumerate() {
            for weaker in &order[i..] {
                assert_eq!(Exit::decide([*weaker, *stronger]), *stronger, "{stronger:?} over {weaker:?}");
                assert_eq!(Exit::decide([*stronger, *weaker]), *stronger);
            }
        }
        assert_eq!(Exit::decide([]), Exit::Yes);
    }

    #[test]
    fn the_users_table_has_every_code() {
        let table = include_str!("../docs/exit-codes.md");
        for exit in Exit::ALL {
            let row = format!("| {} | `{}` |", exit.code(), exit.word());
            assert!(table.contains(&row), "docs/exit-codes.md has no row `{row}`");
        }
        let rows = table.lines().filter(|l| l.starts_with("| ") && l.contains("| `")).count();
        assert_eq!(rows, Exit::ALL.len(), "docs/exit-codes.md has rows that no code stands behind");
    }

    #[test]
    fn places_count_from_one_in_characters() {
        let text = "a = 1\nسلام = 2\r\nlast";
        let check = |needle: &str, at, excerpt: &str| {
            let place = Place::in_text("f", text, text.find(needle).expect("needle is in the text"));
            assert_eq!((place.at, place.excerpt.as_deref()), (Some(at), Some(excerpt)));
        };
        check("a", (1, 1), "a = 1");
        check("2", (2, 8), "سلام = 2");
        check("last", (3, 1), "last");
        assert_eq!(Place::in_text("f", text, 999).at, Some((3, 5)));
        assert_eq!(Place::in_text("f", "سلام", 1).at, Some((1, 1)), "inside a character counts as its start");
    }

    #[test]
    fn suggestions_name_near_words_only() {
        assert_eq!(nearest("colour", ["color", "tz", "ledger"]), Some("color"));
        assert_eq!(nearest("zzz", ["color", "tz", "ledger"]), None);
    }
}
