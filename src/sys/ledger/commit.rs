//! Taking what is synced into git: one commit for everything that waits, and a pack for every 256 entries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use git2::{ObjectType, Oid};

use crate::receipts::checkpoint::Checkpoint;
use crate::receipts::log::{CHECKPOINT, FRONTIER, TAIL, grow};
use crate::receipts::merkle::Frontier;
use crate::receipts::tiles::{Files, WIDTH};

use super::append::pending;
use super::error::LedgerError;
use super::files::Synced;
use super::lock::Patience;
use super::store::{CommitObject, Object, Store, TreeEntry};
use super::wal::{HEADER_BYTES, WalHeader, scan};
use super::{Writer, ref_name};

const SIZE: &str = "Bizra-Size";
const WAL: &str = "Bizra-Wal";
/// A ref's lock is git's own protocol; nothing of ours holds it longer than a rename takes.
const REF_LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// The end of a commit message: the log's size, and how far into which write-ahead log the commit reaches.
pub(super) fn trailer(size: u64, wal: Option<(u64, u64)>) -> String {
    let wal = wal.map_or(String::new(), |(base, offset)| format!("{WAL}: {base}+{offset}\n"));
    format!("{SIZE}: {size}\n{wal}")
}

/// The log's newest commit.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    pub(super) oid: Oid,
    pub(super) tree: Oid,
    pub(super) frontier: Frontier,
    /// Base and offset from the commit's trailer.
    wal: Option<(u64, u64)>,
}

impl Tip {
    pub(super) fn read(store: &Store, oid: Oid) -> Result<Self, LedgerError> {
        let commit = store.commit(oid)?;
        let frontier = Frontier::decode(store.blob_at(commit.tree, FRONTIER)?.data())?;
        if commit.trailer(SIZE).is_none_or(|size| size != frontier.size().to_string()) {
            let reason = format!("its {SIZE} trailer is not {}, its frontier's size", frontier.size());
            return Err(LedgerError::Commit { oid, reason });
        }
        let wal = commit.trailer(WAL).and_then(|text| {
            let (base, offset) = text.split_once('+')?;
            Some((base.parse().ok()?, offset.parse().ok()?))
        });
        Ok(Self { oid, tree: commit.tree, frontier, wal })
    }

    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Where the records begin that this commit lacks.
    pub(super) fn wal_offset(&self, header: &WalHeader) -> u64 {
        match self.wal {
            Some((base, offset)) if base == header.base && self.oid != header.commit => offset,
            _ => HEADER_BYTES,
        }
    }
}

type Folder = Rc<HashMap<Vec<u8>, TreeEntry>>;

/// A commit's tree, by path, with its folders parsed once.
pub(super) struct TreeFiles<'a> {
    store: &'a Store,
    tree: Oid,
    folders: RefCell<HashMap<Oid, Folder>>,
}

impl<'a> TreeFiles<'a> {
    pub(super) fn new(store: &'a Store, tree: Oid) -> Self {
        Self { store, tree, folders: RefCell::default() }
    }

    fn folder(&self, oid: Oid) -> Result<Folder, LedgerError> {
        if let Some(folder) = self.folders.borrow().get(&oid) {
            return Ok(folder.clone());
        }
        let entries = self.store.tree(oid)?.into_iter().map(|entry| (entry.name.clone(), entry));
        let folder: Folder = Rc::new(entries.collect());
        self.folders.borrow_mut().insert(oid, folder.clone());
        Ok(folder)
    }

    pub(super) fn blob(&self, path: &str) -> Result<Object<'a>, LedgerError> {
        let missing = || LedgerError::PathMissing { path: path.to_owned() };
        let mut here = self.tree;
        for part in path.split('/') {
            here = self.folder_entry(here, part)?.ok_or_else(missing)?;
        }
        self.store.read(here, ObjectType::Blob)
    }

    fn folder_entry(&self, folder: Oid, name: &str) -> Result<Option<Oid>, LedgerError> {
        Ok(self.folder(folder)?.get(name.as_bytes()).map(|entry| entry.oid))
    }
}

impl Files for TreeFiles<'_> {
    type Error = LedgerError;

    fn read(&self, path: &str) -> Result<Vec<u8>, LedgerError> {
        Ok(self.blob(path)?.data().to_vec())
    }
}

impl Writer<'_> {
    /// Takes everything acknowledged into git. Returns the log's size there.
    pub fn settle(&mut self) -> Result<u64, LedgerError> {
        // Another writer may have done it while this one synced.
        let files = &self.files;
        let held = files.commit.take(self.ledger.options.patience)?;
        let mut tip = self.read_tip()?;
        self.commit_pending(&mut tip)?;
        self.pack_if_due(&mut tip)?;
        let size = tip.size();
        drop(held);
        self.tip = Some(tip);
        Ok(size)
    }

    /// Settles, then packs and trims the write-ahead log even if fewer than 256 entries wait.
    pub fn flush(&mut self) -> Result<u64, LedgerError> {
        let files = &self.files;
        let held = files.commit.take(self.ledger.options.patience)?;
        let mut tip = self.read_tip()?;
        self.commit_pending(&mut tip)?;
        if self.files.open_wal()?.is_none_or(|(_, header)| header.base != tip.size()) {
            self.pack(&mut tip)?;
        }
        let size = tip.size();
        drop(held);
        self.tip = Some(tip);
        Ok(size)
    }

    pub(super) fn read_tip(&self) -> Result<Tip, LedgerError> {
        let name = ref_name(&self.id);
        let oid = self.store().read_ref(&name)?.ok_or_else(|| LedgerError::LogMissing { id: self.id.clone() })?;
        match &self.tip {
            Some(tip) if tip.oid == oid => Ok(tip.clone()),
            _ => Tip::read(self.store(), oid),
        }
    }

    /// The commit lock is held.
    pub(super) fn commit_pending(&self, tip: &mut Tip) -> Result<(), LedgerError> {
        let path = self.files.wal_path();
        let Some((file, header)) = self.files.open_wal()? else {
            return Err(LedgerError::Wal { path, offset: 0, reason: "its header is missing or damaged".to_owned() });
        };
        let synced = self.files.synced();
        let bound = if synced.base == header.base { synced.offset } else { HEADER_BYTES };
        let from = tip.wal_offset(&header);
        if bound <= from {
            return Ok(());
        }
        let found = scan(&self.files.read_wal(&file, from, bound)?, from);
        let end = found.end;
        let records = pending(found, tip.size(), &path)?;
        let Some(last) = records.last() else { return Ok(()) };

        let mut frontier = tip.frontier.clone();
        let envelopes: Vec<&[u8]> = records.iter().map(|record| record.envelope.as_slice()).collect();
        let mut change = grow(&TreeFiles::new(self.store(), tip.tree), &mut frontier, &envelopes)?;
        let checkpoint = Checkpoint::parse_unverified(&last.checkpoint)?;
        if (checkpoint.size, checkpoint.root) != (frontier.size(), frontier.root()) {
            let reason = format!("the checkpoint of receipt {} is not of the log before it", last.index);
            return Err(LedgerError::Wal { path, offset: end, reason });
        }
        change.files.insert(CHECKPOINT.to_owned(), last.checkpoint.clone());
        let contents: Vec<(&str, &[u8])> =
            change.files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let dropped = change.clears_tail.then_some(TAIL);
        let tree = self.store().update_tree(self.disk(), Some(tip.tree), dropped, &contents)?;
        let first = tip.size();
        let what = if records.len() == 1 { first.to_string() } else { format!("{first}-{}", last.index) };
        let wal = Some((header.base, end));
        let message = format!("append {what}\n\n{}", trailer(frontier.size(), wal));
        let commit = CommitObject { tree, parents: vec![tip.oid], time: last.time, message };
        let oid = self.store().write_commit(self.disk(), &commit)?;
        self.move_ref(oid, false)?;
        *tip = Tip { oid, tree, frontier, wal };
        Ok(())
    }

    /// The commit lock is held, so a ref lock that stays was left by a process that died, or is not ours.
    pub(super) fn move_ref(&self, oid: Oid, sync: bool) -> Result<(), LedgerError> {
        let name = ref_name(&self.id);
        let mut patience = Patience::new(REF_LOCK_PATIENCE);
        loop {
            match self.store().write_ref(self.disk(), &name, oid, sync) {
                Err(LedgerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                    if !patience.pause() {
                        let lock = self.store().ref_lock(&name);
                        std::fs::remove_file(&lock).map_err(LedgerError::io("remove the stale lock", &lock))?;
                        return self.store().write_ref(self.disk(), &name, oid, sync);
                    }
                }
                other => return other,
            }
        }
    }

    fn pack_if_due(&self, tip: &mut Tip) -> Result<(), LedgerError> {
        let base = self.files.open_wal()?.map_or(0, |(_, header)| header.base);
        if tip.size() / WIDTH > base / WIDTH { self.pack(tip) } else { Ok(()) }
    }

    /// Syncs the write-ahead log for everybody, whoever wrote it. The commit lock is held.
    pub(super) fn sync_wal(&self) -> Result<(), LedgerError> {
        let path = self.files.wal_path();
        let _sync = self.files.sync.take(self.patience())?;
        let Some((file, header)) = self.files.open_wal()? else { return Ok(()) };
        let length = {
            let _write = self.files.write.take(self.patience())?;
            file.metadata().map_err(LedgerError::io("read", &path))?.len()
        };
        self.disk().sync(&file).map_err(LedgerError::io("sync", &path))?;
        let discards = self.files.synced().discards;
        self.files.set_synced(Synced { base: header.base, offset: length, discards });
        Ok(())
    }
}
