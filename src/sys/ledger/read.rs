//! Reading a log, for audit and for everyone else: headers, entries, the raw tree, history, the write-ahead log's state.
//!
//! Nothing is written and no lock is taken, so a ledger on a read-only medium can be read. What is found is not judged.

use std::ops::Range;

use git2::{ObjectType, Oid};

use crate::receipts::log::{CHECKPOINT, FRONTIER, HEADER, LogHeader, LogId};
use crate::receipts::tiles::{Files, WIDTH, bundle_entries, entries_path, tail_path};

use super::commit::TreeFiles;
use super::error::LedgerError;
use super::files::{LogFiles, WAL};
use super::store::{CommitObject, Object, TreeEntry, read_small};
use super::wal::{Damage, HEADER_BYTES, Record, WalHeader, scan};
use super::{Ledger, ref_name};

/// One log as of the commit that was its tip when it was opened.
#[derive(Debug, Clone)]
pub struct Log<'a> {
    pub(super) ledger: &'a Ledger,
    id: LogId,
    tip: Oid,
    pub(super) tree: Oid,
}

/// Up to 256 entries that lie together.
pub struct Bundle<'a> {
    pub first: u64,
    /// The path in the tree that holds them.
    pub path: String,
    content: Object<'a>,
    is_tail: bool,
}

impl Bundle<'_> {
    /// The entries that have their place in it.
    pub fn range(&self) -> Range<u64> {
        self.first..self.first + if self.is_tail { 1 } else { WIDTH }
    }

    /// Each entry, or why the bundle has no more. Borrowed from the object as git has it.
    pub fn entries(&self) -> impl Iterator<Item = (u64, Result<&[u8], LedgerError>)> {
        let tail = self.is_tail.then(|| Ok(self.content.data()));
        let rest = if self.is_tail { &[] } else { self.content.data() };
        let entries = bundle_entries(rest).map(|entry| entry.map_err(LedgerError::Tile));
        (self.first..).zip(tail.into_iter().chain(entries))
    }

    pub fn bytes(&self) -> &[u8] {
        self.content.data()
    }
}

impl std::fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundle({} from {})", self.path, self.first)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEntry {
    /// From the root, folders included; bytes that are no UTF-8 are replaced.
    pub path: String,
    pub entry: TreeEntry,
}

/// What the write-ahead log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalState {
    pub present: bool,
    /// The header cannot be read, or is another log's.
    pub header_damaged: bool,
    /// Entries in the commit that it begins on.
    pub base: u64,
    pub base_commit: Option<Oid>,
    /// Whole records that the tip does not have yet.
    pub pending: Vec<Record>,
    pub torn: Option<Damage>,
    pub corrupt: Vec<Damage>,
}

impl<'a> Log<'a> {
    pub(super) fn open(ledger: &'a Ledger, id: &LogId) -> Result<Self, LedgerError> {
        let tip = ledger.store.read_ref(&ref_name(id))?.ok_or_else(|| LedgerError::LogMissing { id: id.clone() })?;
        Self::at(ledger, id, tip)
    }

    pub(super) fn at(ledger: &'a Ledger, id: &LogId, tip: Oid) -> Result<Self, LedgerError> {
        Ok(Self { ledger, id: id.clone(), tip, tree: ledger.store.commit(tip)?.tree })
    }

    /// The same log as an older commit has it.
    pub fn at_commit(&self, commit: Oid) -> Result<Self, LedgerError> {
        Self::at(self.ledger, &self.id, commit)
    }

    pub fn id(&self) -> &LogId {
        &self.id
    }

    pub fn tip(&self) -> Oid {
        self.tip
    }

    pub fn header(&self) -> Result<LogHeader, LedgerError> {
        Ok(LogHeader::decode(&self.file(HEADER)?)?)
    }

    /// The signed note, as it is.
    pub fn checkpoint(&self) -> Result<Vec<u8>, LedgerError> {
        self.file(CHECKPOINT)
    }

    pub fn frontier(&self) -> Result<Vec<u8>, LedgerError> {
        self.file(FRONTIER)
    }

    /// Any file of the log's tree.
    pub fn file(&self, path: &str) -> Result<Vec<u8>, LedgerError> {
        Ok(self.ledger.store.blob_at(self.tree, path)?.data().to_vec())
    }

    /// The tree as what makes proofs and partial tiles wants it.
    pub fn files(&self) -> impl Files<Error = LedgerError> + 'a {
        TreeFiles::new(&self.ledger.store, self.tree)
    }

    /// How many entries the frontier says there are.
    pub fn size(&self) -> Result<u64, LedgerError> {
        Ok(crate::receipts::merkle::Frontier::decode(&self.frontier()?)?.size())
    }

    pub fn entry(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        let size = self.size()?;
        if index >= size {
            return Err(LedgerError::PathMissing { path: format!("entry {index} (it has {size})") });
        }
        if index >= size - size % WIDTH {
            return self.file(&tail_path(index));
        }
        let path = entries_path(index / WIDTH);
        let content = self.ledger.store.blob_at(self.tree, &path)?;
        match bundle_entries(content.data()).nth((index % WIDTH) as usize) {
            Some(entry) => Ok(entry?.to_vec()),
            None => Err(LedgerError::PathMissing { path: format!("entry {index} in {path}") }),
        }
    }

    pub(super) fn last_envelope(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        match self.size()? {
            0 => Ok(None),
            size => self.entry(size - 1).map(Some),
        }
    }

    /// The bundles that hold `range`, whole, one at a time; entries of the tail come one by one. Memory stays flat, and
    /// ranges can be read side by side, each with a reader of its own.
    pub fn bundles(
        &self,
        range: Range<u64>,
    ) -> Result<impl Iterator<Item = Result<Bundle<'a>, LedgerError>> + use<'a>, LedgerError> {
        let size = self.size()?;
        let files = TreeFiles::new(&self.ledger.store, self.tree);
        let bundled = size - size % WIDTH;
        let end = range.end.min(size);
        let first = range.start.min(end);
        let full = (first / WIDTH..end.min(bundled).div_ceil(WIDTH))
            .map(|number| (number * WIDTH, entries_path(number), false));
        let tail = (first.max(bundled)..end).map(|index| (index, tail_path(index), true));
        Ok(full.chain(tail).map(move |(first, path, is_tail)| {
            let content = files.blob(&path)?;
            Ok(Bundle { first, path, content, is_tail })
        }))
    }

    /// Every entry of the tip's tree, folders first.
    pub fn walk_tree(&self, visit: &mut dyn FnMut(PathEntry)) -> Result<(), LedgerError> {
        self.walk(self.tree, "", visit)
    }

    fn walk(&self, tree: Oid, prefix: &str, visit: &mut dyn FnMut(PathEntry)) -> Result<(), LedgerError> {
        for entry in self.ledger.store.tree(tree)? {
            let path = format!("{prefix}{}", String::from_utf8_lossy(&entry.name));
            let below = entry.is_tree().then_some(entry.oid);
            let inner = format!("{path}/");
            visit(PathEntry { path, entry });
            if let Some(below) = below {
                self.walk(below, &inner, visit)?;
            }
        }
        Ok(())
    }

    pub fn blob(&self, oid: Oid) -> Result<Vec<u8>, LedgerError> {
        Ok(self.ledger.store.read(oid, ObjectType::Blob)?.data().to_vec())
    }

    /// The tip and its first parents, newest first. Ends after an error, and where a shallow history is cut.
    pub fn history(&self) -> impl Iterator<Item = Result<(Oid, CommitObject), LedgerError>> + use<'a> {
        let store = &self.ledger.store;
        let mut next = Some(self.tip);
        std::iter::from_fn(move || {
            let oid = next.take()?;
            let commit = store.commit(oid);
            next = commit.as_ref().ok().and_then(|commit| commit.parents.first().copied());
            Some(commit.map(|commit| (oid, commit)))
        })
    }

    /// The commits whose parents git was told not to have.
    pub fn shallow(&self) -> Result<Vec<Oid>, LedgerError> {
        let bytes = read_small(&self.ledger.path().join("shallow"))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| Oid::from_str(line).ok()).collect())
    }

    pub fn wal(&self) -> Result<WalState, LedgerError> {
        self.wal_behind(self.size()?)
    }

    /// [`Log::wal`] for a tree that is known to hold `size` entries, whatever its frontier says.
    pub fn wal_behind(&self, size: u64) -> Result<WalState, LedgerError> {
        let path = LogFiles::folder(self.ledger.path(), &self.id).join(WAL);
        let Some(bytes) = read_small(&path)? else { return Ok(WalState::default()) };
        let header = WalHeader::decode(&bytes).filter(|header| header.log == self.id);
        let found = scan(bytes.get(HEADER_BYTES as usize..).unwrap_or_default(), HEADER_BYTES);
        Ok(WalState {
            present: true,
            header_damaged: header.is_none(),
            base: header.as_ref().map_or(0, |header| header.base),
            base_commit: header.map(|header| header.commit),
            pending: found.records.into_iter().map(|(record, _)| record).filter(|r| r.index >= size).collect(),
            torn: found.torn,
            corrupt: found.corrupt,
        })
    }
}
