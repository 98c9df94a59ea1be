//! What can go wrong with a ledger, and of which kind it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Oid;

use crate::receipts::checkpoint::CheckpointError;
use crate::receipts::log::{LogError, LogId};
use crate::receipts::merkle::{FrontierError, ProofError};
use crate::receipts::tiles::TileError;

/// What an error means for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not there, or not a ledger: 3.
    Invalid,
    /// It is one, and its content was changed or lost: 5.
    Integrity,
    /// This machine cannot: 6.
    Machine,
    /// The caller's own error, passed through an append.
    Caller,
}

#[derive(Debug)]
pub enum LedgerError {
    Missing {
        path: PathBuf,
    },
    NotALedger {
        path: PathBuf,
        reason: String,
    },
    LogMissing {
        id: LogId,
    },
    LogExists {
        id: LogId,
    },
    /// The signer is another log's.
    Signer {
        expected: String,
        found: String,
    },
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    Locked {
        path: PathBuf,
        holder: Option<u32>,
        waited: Duration,
    },
    /// Another process synced for all that waited, and failed.
    SyncLost {
        path: PathBuf,
    },
    Object {
        oid: Oid,
        reason: String,
    },
    PathMissing {
        path: String,
    },
    Ref {
        name: String,
        reason: String,
    },
    Commit {
        oid: Oid,
        reason: String,
    },
    Wal {
        path: PathBuf,
        offset: u64,
        reason: String,
    },
    /// What is there is not what the log's key signed.
    Broken {
        id: LogId,
        reason: String,
    },
    Header(LogError),
    Frontier(FrontierError),
    Tile(TileError),
    Checkpoint(CheckpointError),
    Pack(String),
    EmptyBatch,
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl LedgerError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::NotALedger { .. } | Self::LogMissing { .. } | Self::LogExists { .. } => {
                Kind::Invalid
            }
            Self::Io { .. } | Self::Locked { .. } | Self::SyncLost { .. } | Self::Pack(_) => Kind::Machine,
            Self::Signer { .. } | Self::EmptyBatch | Self::Caller(_) => Kind::Caller,
            Self::Object { .. }
            | Self::PathMissing { .. }
            | Self::Ref { .. }
            | Self::Commit { .. }
            | Self::Wal { .. }
            | Self::Broken { .. }
            | Self::Header(_)
            | Self::Frontier(_)
            | Self::Tile(_)
            | Self::Checkpoint(_) => Kind::Integrity,
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{}: no ledger here", path.display()),
            Self::NotALedger { path, reason } => write!(f, "{}: not a ledger: {reason}", path.display()),
            Self::LogMissing { id } => write!(f, "the ledger has no log {id}"),
            Self::LogExists { id } => write!(f, "the ledger already has log {id}"),
            Self::Signer { expected, found } => write!(f, "log {expected} cannot be signed by the key of {found}"),
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Locked { path, holder: Some(pid), waited } => {
                write!(f, "{}: process {pid} has held this lock for more than {waited:.0?}", path.display())
            }
            Self::Locked { path, holder: None, waited } => {
                write!(f, "{}: another process has held this lock for more than {waited:.0?}", path.display())
            }
            Self::SyncLost { path } => write!(
                f,
                "{}: another process failed to make this receipt durable; it may not be in the ledger",
                path.display()
            ),
            Self::Object { oid, reason } => write!(f, "object {oid}: {reason}"),
            Self::PathMissing { path } => write!(f, "the log's tree has no {path}"),
            Self::Ref { name, reason } => write!(f, "{name}: {reason}"),
            Self::Commit { oid, reason } => write!(f, "commit {oid}: {reason}"),
            Self::Wal { path, offset, reason } => write!(f, "{} at byte {offset}: {reason}", path.display()),
            Self::Broken { id, reason } => write!(f, "log {id}: {reason}"),
            Self::Header(error) => error.fmt(f),
            Self::Frontier(error) => error.fmt(f),
            Self::Tile(error) => error.fmt(f),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Pack(reason) => write!(f, "cannot pack the ledger: {reason}"),
            Self::EmptyBatch => f.write_str("nothing to append"),
            Self::Caller(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Caller(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for LedgerError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
from!(Header(LogError), Frontier(FrontierError), Tile(TileError), Checkpoint(CheckpointError));

impl From<ProofError> for LedgerError {
    fn from(error: ProofError) -> Self {
        Self::Tile(error.into())
    }
}
