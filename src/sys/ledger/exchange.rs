//! Logs of other machines: looked at where a fetch has put them, and taken in.

use git2::Oid;

use crate::receipts::log::LogId;

use super::error::LedgerError;
use super::files::{self, LogFiles};
use super::lock::LockFile;
use super::{Ledger, Log, ref_name};

/// Where fetched logs lie before anyone has looked at them.
pub const INCOMING: &str = "refs/bizra/incoming/";

impl Ledger {
    /// The logs that a fetch has brought, with their newest commits.
    pub fn incoming(&self) -> Result<Vec<(LogId, Oid)>, LedgerError> {
        let mut found = Vec::new();
        for name in self.store.refs(INCOMING)? {
            if let Some(id) = name.strip_prefix(INCOMING).and_then(LogId::parse)
                && let Some(commit) = self.store.read_ref(&name)?
            {
                found.push((id, commit));
            }
        }
        Ok(found)
    }

    /// The log as `commit` has it, whatever its ref says.
    pub fn log_at(&self, id: &LogId, commit: Oid) -> Result<Log<'_>, LedgerError> {
        Log::at(self, id, commit)
    }

    /// Whether this machine appends to the log.
    pub fn is_written_here(&self, id: &LogId) -> Result<bool, LedgerError> {
        Ok(LogFiles::folder(self.path(), id).join(files::WAL).exists())
    }

    /// Makes `commit` the newest of a log whose newest is `seen`, which it continues as the caller has found. False, and
    /// nothing done, where the log has moved on since.
    pub fn adopt(&self, id: &LogId, seen: Option<Oid>, commit: Oid) -> Result<bool, LedgerError> {
        let files = LogFiles::open(self.path(), id)?;
        let _held = files.commit.take(self.options.patience)?;
        let name = ref_name(id);
        if self.store.read_ref(&name)? != seen {
            return Ok(false);
        }
        self.store.write_ref(&*self.options.disk, &name, commit, true)?;
        Ok(true)
    }

    /// Does `work` while no other process does such: what is looked up and then made, is made once.
    pub fn alone<T, E: From<LedgerError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let folder = self.path().join("bizra");
        std::fs::create_dir_all(&folder).map_err(LedgerError::io("create", &folder))?;
        let lock = LockFile::open(folder.join("begin"))?;
        let _held = lock.take(self.options.patience)?;
        work()
    }

    /// What was taken in needs no second ref; one that git has packed meanwhile is looked at again next time.
    pub fn forget_incoming(&self, id: &LogId) -> Result<(), LedgerError> {
        let path = self.path().join(format!("{INCOMING}{id}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LedgerError::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}
