//! A ledger on disk: a bare git repository that holds a log per writer key, each with a write-ahead log in front.
//!
//! ```text
//! <ledger.git>/refs/bizra/log/<log-id>      the log's newest commit
//! <ledger.git>/bizra/<log-id>/wal           the write-ahead log
//! <ledger.git>/bizra/<log-id>/{write,sync,commit}   locks; `sync` also holds how far the log is synced
//! ```
//!
//! An append writes a record and syncs it once; then it is acknowledged. [`Writer::settle`] takes everything synced into
//! git, as one commit, and packs every 256 entries. Locks are taken in the order commit, sync, write.
//! What an envelope says is the caller's, through a callback that runs under the log's lock; so is the time.

mod append;
pub mod audit;
mod commit;
mod disk;
mod error;
mod exchange;
mod files;
mod lock;
mod pack;
mod read;
mod recover;
mod reserve;
mod snapshot;
mod store;
mod wal;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use git2::Oid;

use crate::receipts::checkpoint::{Checkpoint, NoteSigner};
use crate::receipts::log::{CHECKPOINT, FRONTIER, HEADER, LogHeader, LogId};
use crate::receipts::merkle::Frontier;

/// A commit of a log.
pub use git2::Oid as CommitId;

pub use append::{Appended, BatchMaker, CallerError, Position};
pub use disk::{Disk, RealDisk};
pub use error::{Kind, LedgerError};
pub use read::{Bundle, Log, PathEntry, WalState};
pub use recover::Mended;
pub use reserve::Room;
pub use snapshot::Snapshot;
pub use store::{CommitObject, TreeEntry};
pub use wal::{Damage, Record, Scan, scan};

use append::Head;
use commit::Tip;
use files::LogFiles;
use store::Store;
use wal::WalHeader;

const REFS: &str = "refs/bizra/log/";
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn ref_name(id: &LogId) -> String {
    format!("{REFS}{id}")
}

/// How a ledger does its work; the default is right but for tests.
#[derive(Debug, Clone)]
pub struct Options {
    pub disk: Arc<dyn Disk>,
    /// How long to wait for another process' lock.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { disk: Arc::new(RealDisk), patience: LONGEST_WAIT }
    }
}

#[derive(Debug)]
pub struct Ledger {
    store: Store,
    options: Options,
}

impl Ledger {
    /// Nothing is written unless the ledger is missing and `create` says to make it.
    pub fn open(path: &Path, create: bool) -> Result<Self, LedgerError> {
        Self::open_with(path, create, Options::default())
    }

    pub fn open_with(path: &Path, create: bool, options: Options) -> Result<Self, LedgerError> {
        if create && !path.exists() {
            Store::create(path, &*options.disk)?;
        }
        Ok(Self { store: Store::open(path)?, options })
    }

    pub fn path(&self) -> &Path {
        self.store.root()
    }

    /// Sorted by id. A ref whose name is no log's is not a log; [`Ledger::stray_refs`] names it.
    pub fn logs(&self) -> Result<Vec<LogId>, LedgerError> {
        let names = self.store.refs(REFS)?;
        Ok(names.iter().filter_map(|name| LogId::parse(name.strip_prefix(REFS)?)).collect())
    }

    /// Refs that a ledger has no use for: replace refs, and names below `refs/bizra/log/` that are no log's.
    pub fn stray_refs(&self) -> Result<Vec<String>, LedgerError> {
        let mut names = self.store.refs("refs/replace/")?;
        let is_log = |name: &String| name.strip_prefix(REFS).and_then(LogId::parse).is_some();
        names.extend(self.store.refs(REFS)?.into_iter().filter(|name| !is_log(name)));
        Ok(names)
    }

    /// Logs that were written here and whose ref is gone: their write-ahead logs remain. [`Ledger::repair`] brings them back.
    pub fn lost_logs(&self) -> Result<Vec<LogId>, LedgerError> {
        // A new log's ref comes before its write-ahead log, so that read in this order none counts as lost.
        let mut lost = LogFiles::with_wal(self.path())?;
        let there = self.logs()?;
        lost.retain(|id| !there.contains(id));
        lost.sort_unstable();
        Ok(lost)
    }

    /// For reading; writes nothing and takes no lock.
    pub fn log(&self, id: &LogId) -> Result<Log<'_>, LedgerError> {
        Log::open(self, id)
    }

    /// Makes an empty log and its first, signed checkpoint. `time` is in seconds since 1970.
    pub fn create_log(&self, header: &LogHeader, signer: &NoteSigner, time: i64) -> Result<LogId, LedgerError> {
        let id = header.id();
        let disk = &*self.options.disk;
        let files = LogFiles::open(self.path(), &id)?;
        let _held = files.commit.take(self.options.patience)?;
        if self.store.read_ref(&ref_name(&id))?.is_some() {
            return Err(LedgerError::LogExists { id });
        }
        let frontier = Frontier::default();
        let checkpoint = sign(&id, &frontier, signer)?;
        let (header, text) = (header.encode(), frontier.encode());
        let contents: [(&str, &[u8]); 3] =
            [(CHECKPOINT, checkpoint.as_bytes()), (FRONTIER, text.as_bytes()), (HEADER, &header)];
        let tree = self.store.update_tree(disk, None, None, &contents)?;
        let message = format!("begin {id}\n\n{}", commit::trailer(0, None));
        let commit = CommitObject { tree, parents: Vec::new(), time, message };
        let oid = self.store.write_commit(disk, &commit)?;
        let mut made: Vec<Oid> = self.store.tree(tree)?.into_iter().map(|entry| entry.oid).collect();
        made.extend([tree, oid]);
        self.store.sync_loose(disk, &made)?;
        self.store.write_ref(disk, &ref_name(&id), oid, true)?;
        files.replace_wal(disk, &WalHeader { log: id.clone(), base: 0, commit: oid }, &[])?;
        Ok(id)
    }

    /// Opens a log for appending, after mending what a crash has left.
    pub fn writer<'a>(&'a self, id: &LogId, signer: &'a NoteSigner) -> Result<Writer<'a>, LedgerError> {
        if signer.name() != id.origin() {
            return Err(LedgerError::Signer { expected: id.origin(), found: signer.name().to_owned() });
        }
        let mut writer = self.mender(id)?;
        writer.signer = Some(signer);
        writer.recover()?;
        Ok(writer)
    }

    /// Mends a log without its key: everything acknowledged carries the checkpoint that it needs.
    pub fn repair(&self, id: &LogId) -> Result<Mended, LedgerError> {
        self.mender(id)?.recover()
    }

    fn mender(&self, id: &LogId) -> Result<Writer<'_>, LedgerError> {
        if self.store.read_ref(&ref_name(id)).is_ok_and(|tip| tip.is_none())
            && !LogFiles::folder(self.path(), id).join(files::WAL).exists()
        {
            return Err(LedgerError::LogMissing { id: id.clone() });
        }
        Ok(Writer {
            ledger: self,
            id: id.clone(),
            files: LogFiles::open(self.path(), id)?,
            signer: None,
            genesis: None,
            head: None,
            tip: None,
        })
    }
}

fn sign(id: &LogId, frontier: &Frontier, signer: &NoteSigner) -> Result<String, LedgerError> {
    let checkpoint = Checkpoint { origin: id.origin(), size: frontier.size(), root: frontier.root() };
    Ok(checkpoint.sign(signer)?)
}

/// One log, open for appending.
#[derive(Debug)]
pub struct Writer<'a> {
    ledger: &'a Ledger,
    id: LogId,
    files: LogFiles,
    signer: Option<&'a NoteSigner>,
    genesis: Option<crate::receipts::Hash>,
    head: Option<Head>,
    tip: Option<Tip>,
}

impl<'a> Writer<'a> {
    pub fn id(&self) -> &LogId {
        &self.id
    }

    fn disk(&self) -> &'a dyn Disk {
        &*self.ledger.options.disk
    }

    fn patience(&self) -> Duration {
        self.ledger.options.patience
    }

    fn store(&self) -> &'a Store {
        &self.ledger.store
    }
}

#[cfg(test)]
mod tests;
