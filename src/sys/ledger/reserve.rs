//! Room for a receipt, taken before its run begins.
//!
//! A command that streams can't withhold its answer until the receipt is durable. So it makes sure first: the ledger
//! can be written, and a file as long as the longest record lies on the medium beside the write-ahead log. The file is
//! given up for the record itself; what a killed process left is given up by the next that takes room.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use crate::receipts::log::LogId;
use crate::receipts::tiles::MAX_ENTRY_BYTES;

use super::Ledger;
use super::error::LedgerError;
use super::files::LogFiles;

const PREFIX: &str = "room-";
/// The longest envelope, its checkpoint and the record around them.
const ROOM: usize = MAX_ENTRY_BYTES + 4096;

/// Held for as long as the run lasts.
#[derive(Debug)]
pub struct Room {
    path: PathBuf,
    _locked: File,
}

impl Drop for Room {
    fn drop(&mut self) {
        // Best effort: what stays is taken away by the next one.
        let _ = fs::remove_file(&self.path);
    }
}

impl Ledger {
    /// `name` tells this run from others.
    pub fn reserve(&self, id: &LogId, name: &str) -> Result<Room, LedgerError> {
        let folder = LogFiles::folder(self.path(), id);
        fs::create_dir_all(&folder).map_err(LedgerError::io("create", &folder))?;
        sweep(&folder);
        let path = folder.join(format!("{PREFIX}{name}"));
        let disk = &*self.options.disk;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(LedgerError::io("take room in", &path))?;
        let locked = file.lock().map_err(LedgerError::io("lock", &path));
        let room = Room { path, _locked: file };
        locked?;
        let written = disk.write(&room._locked, 0, &vec![0; ROOM]).and_then(|()| disk.sync(&room._locked));
        written.map_err(LedgerError::io("take room in", &room.path))?;
        Ok(room)
    }
}

/// Takes away what dead processes left: their files are locked no more.
fn sweep(folder: &std::path::Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
