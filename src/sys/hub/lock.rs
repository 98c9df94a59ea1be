//! One process at a time downloads a blob: an advisory lock in the place and of the kind that `huggingface_hub` takes
//! (`.locks/REPO/BLOB.lock`, `flock`), so that each waits for the other.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::{Event, Tell};
use crate::error::{Error, Result};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A holder whose file hasn't grown for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// Held until dropped; the system lets go when the process ends.
pub(super) struct DownloadLock(#[expect(dead_code, reason = "it is held, not read")] File);

impl DownloadLock {
    /// Waits as long as the file that the holder writes, `growing`, grows.
    pub(super) fn take(path: &Path, growing: &Path, file: &str, tell: &mut Tell<'_>) -> Result<Self> {
        let writing = |e: &std::io::Error| Error::writing(path.display(), e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| writing(&e))?;
        }
        let size = || std::fs::metadata(growing).map_or(0, |m| m.len());
        let (mut have, mut idle) = (size(), Duration::ZERO);
        loop {
            let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let lock = lock.map_err(|e| writing(&e))?;
            match lock.try_lock() {
                // Some tools remove the file when they are done: a lock on a file without a name is none.
                Ok(()) if is_at(&lock, path) => return Ok(DownloadLock(lock)),
                Ok(()) => continue,
                // Some network file systems know no locks: better none than no models.
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => return Ok(DownloadLock(lock)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(writing(&e)),
            }
            tell(Event::Waiting { file, have });
            std::thread::sleep(LOOK_EVERY);
            idle += LOOK_EVERY;
            if size() != have {
                (have, idle) = (size(), Duration::ZERO);
            }
            if idle >= PATIENCE {
                return Err(Error::cannot(format!("another process has been downloading {file} without progress"))
                    .hint(format!("end that process, or remove {}", path.display())));
            }
        }
    }

    /// Whether nobody holds it now.
    pub(super) fn is_free(path: &Path) -> bool {
        File::open(path).map_or(true, |lock| lock.try_lock().is_ok())
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => inode(&held) == inode(&named),
        _ => false,
    }
}

fn inode(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}
