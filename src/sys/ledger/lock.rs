//! Advisory locks between processes, with a bounded wait and the holder's process id for the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::LedgerError;

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// Pauses that grow, until their sum reaches a limit. No clock is read.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { left: limit, pause: FIRST_PAUSE }
    }

    /// False when there is none left.
    pub(super) fn pause(&mut self) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let pause = self.pause.min(self.left);
        std::thread::sleep(pause);
        self.left -= pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        true
    }
}

#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    file: File,
}

/// Held until dropped; the operating system lets go when the process ends.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a LockFile);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and closing the file lets go as well.
        let _ = self.0.file.unlock();
    }
}

impl LockFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, LedgerError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LedgerError::io("open the lock", &path))?;
        Ok(Self { path, file })
    }

    pub(super) fn try_take(&self) -> Result<Option<Held<'_>>, LedgerError> {
        match self.file.try_lock() {
            Ok(()) => {
                self.name_holder();
                Ok(Some(Held(self)))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => {
                Err(LedgerError::Io { action: "take the lock", path: self.path.clone(), source })
            }
        }
    }

    pub(super) fn take(&self, limit: Duration) -> Result<Held<'_>, LedgerError> {
        let mut patience = Patience::new(limit);
        loop {
            if let Some(held) = self.try_take()? {
                return Ok(held);
            }
            if !patience.pause() {
                return Err(self.refusal(limit));
            }
        }
    }

    pub(super) fn refusal(&self, waited: Duration) -> LedgerError {
        LedgerError::Locked { path: self.path.clone(), holder: holder(&self.path), waited }
    }

    /// For messages only, so a full disk must not stop us.
    fn name_holder(&self) {
        let mut file = &self.file;
        let _ = file.rewind().and_then(|()| write!(file, "{:<10}", std::process::id()));
    }
}

fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(10).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
