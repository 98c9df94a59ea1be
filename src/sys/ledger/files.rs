//! One log's own folder: its write-ahead log, its locks, and how far it is synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::receipts::log::LogId;

use super::disk::{Disk, sync_folder};
use super::error::LedgerError;
use super::lock::LockFile;
use super::store::read_small;
use super::wal::{HEADER_BYTES, Record, WalHeader};

pub(super) const WAL: &str = "wal";
const STATE_OFFSET: u64 = 16;

/// How far the write-ahead log is synced. Lives in the page cache for other processes; lost with the machine's power,
/// when nobody waits for it any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Synced {
    /// Of the write-ahead log that `offset` is about.
    pub(super) base: u64,
    pub(super) offset: u64,
    /// How often unsynced records were thrown away after a failed sync.
    pub(super) discards: u64,
}

impl Synced {
    fn check(self) -> u64 {
        [self.base, self.offset, self.discards]
            .iter()
            .fold(0x9e37_79b9_7f4a_7c15, |sum: u64, value| (sum ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(23))
    }
}

#[derive(Debug)]
pub(super) struct LogFiles {
    folder: PathBuf,
    pub(super) commit: LockFile,
    pub(super) sync: LockFile,
    pub(super) write: LockFile,
    state: File,
}

impl LogFiles {
    pub(super) fn folder(root: &Path, id: &LogId) -> PathBuf {
        root.join("bizra").join(id.to_string())
    }

    /// The logs that have a write-ahead log of their own below `root`.
    pub(super) fn with_wal(root: &Path) -> Result<Vec<LogId>, LedgerError> {
        let folder = root.join("bizra");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LedgerError::io("read", &folder)(error)),
        };
        let names = entries.flatten().filter_map(|entry| LogId::parse(entry.file_name().to_str()?));
        Ok(names.filter(|id| Self::folder(root, id).join(WAL).exists()).collect())
    }

    pub(super) fn open(root: &Path, id: &LogId) -> Result<Self, LedgerError> {
        let folder = Self::folder(root, id);
        fs::create_dir_all(&folder).map_err(LedgerError::io("create", &folder))?;
        let lock = |name: &str| LockFile::open(folder.join(name));
        let (commit, sync, write) = (lock("commit")?, lock("sync")?, lock("write")?);
        let path = folder.join("sync");
        let state = OpenOptions::new().read(true).write(true).open(&path).map_err(LedgerError::io("open", &path))?;
        Ok(Self { folder, commit, sync, write, state })
    }

    pub(super) fn wal_path(&self) -> PathBuf {
        self.folder.join(WAL)
    }

    /// Zero when nothing valid is there: then nothing is known to be synced.
    pub(super) fn synced(&self) -> Synced {
        // Another process may be writing it just now.
        (0..8).find_map(|_| self.read_synced()).unwrap_or_default()
    }

    fn read_synced(&self) -> Option<Synced> {
        let mut bytes = [0; 32];
        let mut file = &self.state;
        file.seek(SeekFrom::Start(STATE_OFFSET)).and_then(|_| file.read_exact(&mut bytes)).ok()?;
        let number = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let synced = Synced { base: number(0), offset: number(8), discards: number(16) };
        (synced.check() == number(24)).then_some(synced)
    }

    /// Only while holding the sync lock. A failure makes others sync once more, so it is no error.
    pub(super) fn set_synced(&self, synced: Synced) {
        let mut bytes = [0; 32];
        for (place, value) in
            bytes.chunks_exact_mut(8).zip([synced.base, synced.offset, synced.discards, synced.check()])
        {
            place.copy_from_slice(&value.to_le_bytes());
        }
        let mut file = &self.state;
        let _ = file.seek(SeekFrom::Start(STATE_OFFSET)).and_then(|_| file.write_all(&bytes));
    }

    /// The open write-ahead log and its header; `None` when it is missing or its header is damaged.
    pub(super) fn open_wal(&self) -> Result<Option<(File, WalHeader)>, LedgerError> {
        let path = self.wal_path();
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::io("open", &path)(error)),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        (&mut file).take(HEADER_BYTES).read_to_end(&mut bytes).map_err(LedgerError::io("read", &path))?;
        Ok(WalHeader::decode(&bytes).map(|header| (file, header)))
    }

    pub(super) fn read_wal(&self, mut file: &File, from: u64, to: u64) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = Vec::with_capacity(to.saturating_sub(from) as usize);
        file.seek(SeekFrom::Start(from))
            .and_then(|_| file.take(to.saturating_sub(from)).read_to_end(&mut bytes))
            .map_err(LedgerError::io("read", &self.wal_path()))?;
        Ok(bytes)
    }

    /// Everything in the file, header included; empty when it is missing.
    pub(super) fn whole_wal(&self) -> Result<Vec<u8>, LedgerError> {
        Ok(read_small(&self.wal_path())?.unwrap_or_default())
    }

    /// Puts a new write-ahead log in the old one's place. The caller holds the commit lock, and the sync and write
    /// locks too where writers may be at work.
    pub(super) fn replace_wal(
        &self,
        disk: &dyn Disk,
        header: &WalHeader,
        records: &[&Record],
    ) -> Result<(), LedgerError> {
        let mut bytes = header.encode();
        for record in records {
            record.encode(&mut bytes);
        }
        let (path, beside) = (self.wal_path(), self.folder.join("wal.new"));
        let written = (|| {
            let file = File::create(&beside)?;
            disk.write(&file, 0, &bytes)?;
            disk.sync(&file)?;
            disk.rename(&beside, &path)?;
            sync_folder(disk, &self.folder)
        })();
        written.map_err(|error| {
            // Best effort: the next replacement truncates it.
            let _ = fs::remove_file(&beside);
            LedgerError::io("write", &path)(error)
        })?;
        let discards = self.synced().discards;
        self.set_synced(Synced { base: header.base, offset: bytes.len() as u64, discards });
        Ok(())
    }

    /// Keeps a damaged write-ahead log as evidence, under a name of its own.
    pub(super) fn keep_damaged_wal(&self, disk: &dyn Disk) -> Result<PathBuf, LedgerError> {
        let path = self.wal_path();
        let kept = (0..).map(|n| self.folder.join(format!("wal.damaged-{n}"))).find(|path| !path.exists());
        let kept = kept.expect("invariant: an endless sequence has a free name");
        // A copy, so that a crash before the replacement still finds the original.
        fs::copy(&path, &kept).map_err(LedgerError::io("copy", &path))?;
        let file = File::open(&kept).map_err(LedgerError::io("open", &kept))?;
        disk.sync(&file).map_err(LedgerError::io("sync", &kept))?;
        Ok(kept)
    }
}
