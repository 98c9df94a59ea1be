//! Mending what a crash or a power loss has left, when a log is opened for writing.
//!
//! Three things can stand behind a log: its tip, the packed commit that the write-ahead log begins on, and the records
//! since then. Any two that fit together are enough to lose nothing that was acknowledged.

use std::fs;
use std::path::PathBuf;

use git2::Oid;

use crate::receipts::checkpoint::Checkpoint;
use crate::receipts::log::{CHECKPOINT, HEADER, LogHeader, TAIL};

use super::commit::Tip;
use super::error::LedgerError;
use super::store::Store;
use super::wal::{Damage, HEADER_BYTES, WalHeader, scan};
use super::{Writer, ref_name};

/// What [`super::Ledger::repair`] found and did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// The bytes cut from the write-ahead log's end: never acknowledged.
    pub torn: Option<Damage>,
    /// Damage within the write-ahead log; a copy of the file is kept.
    pub corrupt: Vec<Damage>,
    /// The tip could not be read, and was built again from the write-ahead log. Why.
    pub rebuilt: Option<String>,
    /// Damaged loose objects that were moved aside.
    pub moved: Vec<PathBuf>,
    /// Receipts that were acknowledged and are gone, with the place of the damage. Only a repair goes on without them.
    pub lost: Option<String>,
    pub stale_ref_lock: bool,
    /// The write-ahead log was missing or did not fit, and was begun anew.
    pub new_wal: bool,
    /// Entries in git when all was done.
    pub size: u64,
}

impl Writer<'_> {
    pub(super) fn recover(&mut self) -> Result<Mended, LedgerError> {
        let held = self.files.commit.take(self.ledger.options.patience)?;
        let mut mended = Mended::default();
        let lock = self.store().ref_lock(&ref_name(&self.id));
        if lock.exists() {
            fs::remove_file(&lock).map_err(LedgerError::io("remove the stale lock", &lock))?;
            mended.stale_ref_lock = true;
        }
        let mut tip = self.intact_tip(&mut mended)?;
        self.fit_wal(&mut tip, &mut mended)?;
        self.sync_wal()?;
        self.commit_pending(&mut tip)?;
        mended.size = tip.size();
        drop(held);
        self.tip = Some(tip);
        Ok(mended)
    }

    /// The tip if it can be read whole, else the commit that the write-ahead log stands on.
    fn intact_tip(&self, mended: &mut Mended) -> Result<Tip, LedgerError> {
        let name = ref_name(&self.id);
        let base = self.files.open_wal()?.map(|(_, header)| header);
        let read = || {
            let oid = self.store().read_ref(&name)?;
            let missing = || LedgerError::Ref { name: name.clone(), reason: "is missing".to_owned() };
            checked_tip(self.store(), oid.ok_or_else(missing)?, &self.id)
        };
        let mut found = read();
        if matches!(found, Err(LedgerError::Object { .. })) {
            // The damaged file may hide a packed copy.
            mended.moved.extend(self.move_damaged_aside()?);
            found = read();
        }
        match (found, base) {
            (Ok(tip), None) => Ok(tip),
            (Ok(tip), Some(base)) if base.base <= tip.size() => Ok(tip),
            (Ok(tip), Some(base)) => {
                let reason = format!("it has {} entries; {} were packed", tip.size(), base.base);
                self.restart_from(&base, reason, mended)
            }
            (Err(error @ (LedgerError::Io { .. } | LedgerError::Locked { .. })), _) | (Err(error), None) => Err(error),
            (Err(error), Some(base)) => self.restart_from(&base, error.to_string(), mended),
        }
    }

    fn restart_from(&self, base: &WalHeader, reason: String, mended: &mut Mended) -> Result<Tip, LedgerError> {
        let tip = checked_tip(self.store(), base.commit, &self.id)?;
        self.move_ref(tip.oid, false)?;
        mended.rebuilt = Some(reason);
        Ok(tip)
    }

    /// A write-ahead log that can go on from `tip`.
    fn fit_wal(&self, tip: &mut Tip, mended: &mut Mended) -> Result<(), LedgerError> {
        let fits = {
            let _write = self.files.write.take(self.patience())?;
            let bytes = self.files.whole_wal()?;
            let found = scan(bytes.get(HEADER_BYTES as usize..).unwrap_or_default(), HEADER_BYTES);
            let end = found.end;
            mended.torn = found.torn.clone();
            mended.corrupt = found.corrupt.clone();
            let header = WalHeader::decode(&bytes);
            if found.torn.is_some()
                && let Some((file, _)) = self.files.open_wal()?
            {
                let path = self.files.wal_path();
                self.disk().truncate(&file, end).map_err(LedgerError::io("cut the torn tail of", &path))?;
            }
            let reach = header.as_ref().map_or(0, |header| header.base);
            let reach = found.records.last().map_or(reach, |(record, _)| record.index + 1);
            match super::append::pending(found, tip.size(), &self.files.wal_path()) {
                Ok(_) => {}
                Err(error) if self.signer.is_none() => mended.lost = Some(error.to_string()),
                Err(error) => return Err(error),
            }
            header.is_some_and(|header| header.log == self.id && tip.wal_offset(&header) <= end)
                && reach >= tip.size()
                && mended.corrupt.is_empty()
                && mended.lost.is_none()
        };
        if !fits {
            mended.new_wal = true;
            self.pack(tip)?;
        }
        Ok(())
    }

    /// Builds the log again from the last packed commit. The commit lock is held.
    pub(super) fn rebuild(&self, tip: &mut Tip) -> Result<(), LedgerError> {
        let Some((_, base)) = self.files.open_wal()? else {
            let reason = "has damaged history, and no write-ahead log to build it again from".to_owned();
            return Err(LedgerError::Commit { oid: tip.oid, reason });
        };
        let size = tip.size();
        self.move_damaged_aside()?;
        let mut fresh = checked_tip(self.store(), base.commit, &self.id)?;
        self.sync_wal()?;
        self.commit_pending(&mut fresh)?;
        if fresh.size() < size {
            let reason = format!("the write-ahead log leads to {} entries, the tip has {size}", fresh.size());
            return Err(LedgerError::Commit { oid: tip.oid, reason });
        }
        *tip = fresh;
        Ok(())
    }

    /// Loose objects that do not have their name's hash, or no content at all.
    fn move_damaged_aside(&self) -> Result<Vec<PathBuf>, LedgerError> {
        let folder = self.store().root().join("bizra/damaged");
        let mut moved = Vec::new();
        for (oid, path) in self.store().loose_objects()? {
            if self.store().looks_whole(oid) {
                continue;
            }
            fs::create_dir_all(&folder).map_err(LedgerError::io("create", &folder))?;
            let aside = folder.join(oid.to_string());
            self.disk().rename(&path, &aside).map_err(LedgerError::io("move aside", &path))?;
            moved.push(aside);
        }
        Ok(moved)
    }
}

/// A tip whose objects are there: its history is not walked, and the tail is looked at, not read.
fn checked_tip(store: &Store, oid: Oid, id: &crate::receipts::log::LogId) -> Result<Tip, LedgerError> {
    let tip = Tip::read(store, oid)?;
    if LogHeader::decode(store.blob_at(tip.tree, HEADER)?.data())?.id() != *id {
        return Err(LedgerError::Commit { oid, reason: format!("is of another log than {id}") });
    }
    Checkpoint::parse_unverified(store.blob_at(tip.tree, CHECKPOINT)?.data())?;
    if let Some(tail) = store.find(tip.tree, TAIL)? {
        for entry in store.tree(tail.oid)? {
            if !store.looks_whole(entry.oid) {
                return Err(LedgerError::Object { oid: entry.oid, reason: "is missing or damaged".to_owned() });
            }
        }
    }
    Ok(tip)
}
