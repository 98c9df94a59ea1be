//! What an audit reads, without saying how: one log's tree, objects, history and write-ahead log.

use std::fmt;

use super::super::finding::{Code, Finding};
use super::super::hex;
use super::super::log::LogId;

pub const FOLDER_MODE: u32 = 0o040_000;
pub const FILE_MODE: u32 = 0o100_644;

/// The name of a stored object. Only a key here: nothing rests on its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(pub [u8; 20]);

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectName({self})")
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Missing(String),
    Corrupt(String),
    /// Nothing is wrong with the log, but this machine cannot read it.
    Machine(String),
}

impl Fault {
    /// `None` for a fault of this machine, which is no finding.
    pub fn finding(&self) -> Option<Finding> {
        match self {
            Self::Missing(detail) => Some(Finding::new(Code::ObjectMissing, detail.as_str())),
            Self::Corrupt(detail) => Some(Finding::new(Code::ObjectCorrupt, detail.as_str())),
            Self::Machine(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From the root; bytes that are no UTF-8 are replaced.
    pub path: String,
    pub mode: u32,
    pub object: ObjectName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub name: ObjectName,
    pub parents: Vec<ObjectName>,
    /// The size that the commit says its log has.
    pub size: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    pub offset: u64,
    pub bytes: u64,
    pub reason: &'static str,
}

/// A record of the write-ahead log: one envelope, and a checkpoint where a batch ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub index: u64,
    pub envelope: Vec<u8>,
    pub checkpoint: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wal {
    pub header_damaged: bool,
    /// The commit that it stands on, and how many entries that has.
    pub base: Option<(ObjectName, u64)>,
    /// What the tree does not have yet.
    pub pending: Vec<Record>,
    pub torn: Option<Damage>,
    pub corrupt: Vec<Damage>,
}

/// One log, as it stood at one moment. Read by several threads at once.
pub trait Source: Sync {
    fn id(&self) -> &LogId;

    /// Every entry of the tree, folders first. A folder is gone into where `visit` answers true; one that cannot be read
    /// is a fault, and the rest goes on.
    fn walk(&self, visit: &mut dyn FnMut(Result<Node, Fault>) -> bool);

    fn blob(&self, object: ObjectName) -> Result<Vec<u8>, Fault>;

    /// The tip and its first parents, newest first, until the beginning, a fault, or the cut of a shallow copy.
    fn history(&self, visit: &mut dyn FnMut(Result<Commit, Fault>));

    /// Whether history was cut at `commit` by a shallow copy.
    fn is_shallow_at(&self, commit: ObjectName) -> bool;

    /// The file `checkpoint` of an older commit; `None` when its tree has none.
    fn checkpoint_at(&self, commit: ObjectName) -> Result<Option<Vec<u8>>, Fault>;

    /// The write-ahead log behind a tree of `size` entries; `None` when there is none, as in a copy.
    fn wal(&self, size: u64) -> Result<Option<Wal>, Fault>;
}
