//! `bizra.lock` at the root of the repository, and what a model's name means beside it: where the lock names a commit of a
//! repository, the name stands for that one, and only the bytes that were reviewed are run.

use std::path::{Path, PathBuf};

use crate::cli::Session;
use crate::cli::infer::answer::digest_memory;
use crate::error::{Error, Exit, Place, Result};
use crate::model::{Lock, Locked, Name};
use crate::receipts::hex;
use crate::sys::files::{self, Access};
use crate::sys::models::{self, Opened};

const FILE: &str = "bizra.lock";

/// What a model's name led to.
pub(in crate::cli) struct Found {
    pub(in crate::cli) path: PathBuf,
    /// What the lock says of its files; empty where it says nothing.
    locked: Vec<Locked>,
}

impl Session {
    fn lock_path(&self) -> PathBuf {
        let root = self.setup.repository.as_ref().ok().and_then(|found| found.as_ref()?.work_dir.clone());
        root.unwrap_or_else(|| self.env.cwd.clone()).join(FILE)
    }

    /// The lock in force, and where it lies; none where there is no file.
    pub(super) fn lock(&self) -> Result<(PathBuf, Option<Lock>)> {
        let path = self.lock_path();
        let Some(bytes) = files::read_if_there(&path)? else { return Ok((path, None)) };
        let text = String::from_utf8_lossy(&bytes);
        let lock = Lock::parse(&text).map_err(|fault| {
            Error::invalid(fault.reason.clone())
                .at(Place::in_text(&path, &text, fault.offset))
                .hint("`bizra model pull --lock` writes it; it is not made to be edited")
        })?;
        Ok((path, Some(lock)))
    }

    /// A model by path, else by name in the cache, at the commit of the lock where it has one.
    pub(in crate::cli) fn find_model(&self, name: &str) -> Result<Found> {
        if let Some(path) = models::at_path(&self.env, name) {
            return Ok(Found { path, locked: Vec::new() });
        }
        let Ok(parsed) = Name::parse(name) else {
            return Err(Error::reading(Path::new(name), &std::io::ErrorKind::NotFound.into()));
        };
        let (lock_path, lock) = self.lock()?;
        let pinned = lock.as_ref().and_then(|lock| lock.revision(parsed.repo));
        let asked = parsed.revision.or(pinned);
        let path = models::cached(&self.env, &parsed, asked).map_err(|error| {
            let by_lock = pinned.filter(|_| parsed.revision.is_none());
            match by_lock {
                Some(pinned) => error
                    .because(format!("{} names commit {pinned}", lock_path.display()))
                    .hint(format!("bizra model pull {name} --locked")),
                None => error,
            }
        })?;
        let locked = lock.iter().flat_map(|lock| lock.of(parsed.repo)).filter(|l| Some(l.revision.as_str()) == asked);
        Ok(Found { path, locked: locked.cloned().collect() })
    }
}

impl Found {
    /// Opens it, and where it is locked hashes it first: what was not reviewed is not run.
    pub(in crate::cli) fn open(&self, session: &Session) -> Result<Opened> {
        let opened = Opened::open(&self.path)?;
        if self.locked.is_empty() {
            return Ok(opened);
        }
        for (file, hash) in opened.file_digests(digest_memory(&session.env).as_deref()) {
            let path = |locked: &Locked| locked.file == file || locked.file.ends_with(&format!("/{file}"));
            if let Some(locked) = self.locked.iter().find(|locked| path(locked)) {
                differs(locked, &hex::encode(&hash))?;
            }
        }
        Ok(opened)
    }
}

/// Refuses a file that is not the one that was reviewed.
pub(super) fn differs(locked: &Locked, sha256: &str) -> Result<()> {
    if locked.sha256 == sha256 {
        return Ok(());
    }
    Err(Error::new(Exit::Integrity, format!("{}/{} is not the file that {FILE} names", locked.repo, locked.file))
        .because(format!("reviewed: sha256 {}, at commit {}", locked.sha256, locked.revision))
        .because(format!("here:     sha256 {sha256}"))
        .hint(format!("bizra model verify {}", locked.repo))
        .hint(format!("if the new one has been reviewed: bizra model pull {} --lock", locked.repo)))
}

/// Writes what was reviewed into the lock; returns whether anything changed.
pub(super) fn write(path: &Path, lock: Option<Lock>, reviewed: Vec<Locked>) -> Result<bool> {
    let before = lock.unwrap_or_default();
    let mut after = before.clone();
    after.put(reviewed);
    if path.is_file() && after == before {
        return Ok(false);
    }
    files::replace(path, after.render().as_bytes(), Access::Everyone)?;
    Ok(true)
}
