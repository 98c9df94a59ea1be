//! One file of a repository into the cache: resumed after a cut, hashed as it comes, and under its own name only when the
//! hash is the announced one. The half file has the name that Hugging Face's tools give it, so that either goes on where
//! the other stopped.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::announce::Extent;
use super::cache::Cache;
use super::http::{Failure, Hub, Reply, cut};
use super::lock::DownloadLock;
use super::{Event, Tell};
use crate::error::{Error, Exit, Result};
use crate::model::Digest;
use crate::receipts::{Hash, hex};
use crate::sys::{files, git};

const GO_ON: &str = "run the command again: it goes on where this one stopped";
const BUFFER: usize = 1 << 18;
/// Files with a git hash are small: larger ones lie in LFS and have a SHA-256.
const LARGEST_GIT_BLOB: u64 = 64 << 20;

/// A file, as it was announced.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub repo: &'a str,
    pub commit: &'a str,
    pub path: &'a str,
    pub size: Option<u64>,
    pub digest: Digest,
}

/// How it came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Downloaded,
    /// After the bytes that an earlier run had left.
    Resumed,
    /// Another process brought it meanwhile.
    Awaited,
}

impl Wanted<'_> {
    /// Whether the file at `at`, with this SHA-256, is the announced one.
    pub fn is_digest(&self, at: &Path, sha256: &Hash) -> Result<bool> {
        Ok(match &self.digest {
            Digest::Sha256(announced) => *announced == hex::encode(sha256),
            Digest::Git(announced) => *announced == git::blob_id(&files::read(at)?),
        })
    }

    fn name(&self) -> String {
        format!("{}/{}", self.repo, self.path)
    }
}

/// Brings the file as a blob into the cache; returns its SHA-256 and size.
pub fn download(hub: &Hub, cache: &Cache, wanted: &Wanted<'_>, tell: &mut Tell<'_>) -> Result<(Fate, Hash, u64)> {
    let blob = cache.blob(wanted.repo, &wanted.digest);
    let half = half_name(&blob);
    let folder = blob.parent().unwrap_or(&blob);
    std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder.display(), &e))?;
    let lock = cache.lock_file(wanted.repo, &wanted.digest);
    let _held = DownloadLock::take(&lock, &half, wanted.path, tell)?;
    if blob.is_file() {
        let (sha256, size) = hash(&blob, wanted.path, tell)?;
        if wanted.is_digest(&blob, &sha256)? {
            return Ok((Fate::Awaited, sha256, size));
        }
        std::fs::remove_file(&blob).map_err(|e| Error::writing(blob.display(), &e))?;
        tell(Event::Afresh { file: wanted.path, reason: "what lies in the cache is damaged" });
    }
    let mut part = Part::open(&half, wanted.path, tell)?;
    let left = part.have;
    if wanted.size.is_some_and(|size| part.have > size) {
        part.empty()?;
    }
    let mut resumed = part.have > 0;
    let mut tries = hub.tries();
    loop {
        if wanted.size.is_none_or(|size| part.have < size) || part.have == 0 {
            let before = part.have;
            if let Err(failure) = fetch(hub, wanted, &mut part, tell) {
                if part.have > before {
                    tries.progressed();
                }
                part.sync()?;
                tries.again(failure, tell)?;
                continue;
            }
        }
        part.sync()?;
        let sha256: Hash = part.hash.clone().finalize().into();
        if wanted.is_digest(&half, &sha256)? {
            std::fs::rename(&half, &blob).map_err(|e| Error::writing(blob.display(), &e))?;
            let fate = if resumed && left > 0 { Fate::Resumed } else { Fate::Downloaded };
            return Ok((fate, sha256, part.have));
        }
        if !std::mem::take(&mut resumed) {
            // Nobody can go on from these bytes.
            let _ = std::fs::remove_file(&half);
            return Err(Error::new(
                Exit::Integrity,
                format!("{}: these are not the bytes that were announced", wanted.name()),
            )
            .because(format!("their SHA-256 is {}", hex::encode(&sha256)))
            .because(format!("announced is {} {}", wanted.digest.kind(), wanted.digest.hex()))
            .hint(
                "nothing of it was kept; try again, and where it stays so, tell those who run the hub or the mirror",
            ));
        }
        part.empty()?;
        tell(Event::Afresh { file: wanted.path, reason: "what an earlier run left was no part of it" });
    }
}

/// As `huggingface_hub` has it.
fn half_name(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".incomplete");
    name.into()
}

/// The SHA-256 and the size of what lies there.
pub fn hash(at: &Path, file: &str, tell: &mut Tell<'_>) -> Result<(Hash, u64)> {
    let mut open = File::open(at).map_err(|e| Error::reading(at, &e))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    read_all(&mut open, at, file, tell, &mut |bytes| {
        hash.update(bytes);
        size += bytes.len() as u64;
        size
    })?;
    Ok((hash.finalize().into(), size))
}

/// Hands all of a file on piece by piece, to who counts the bytes.
fn read_all(
    open: &mut File,
    at: &Path,
    file: &str,
    tell: &mut Tell<'_>,
    each: &mut dyn FnMut(&[u8]) -> u64,
) -> Result<()> {
    let unreadable = |e: io::Error| Error::reading(at, &e);
    tell(Event::Check { file, total: open.metadata().map_err(unreadable)?.len() });
    let mut buffer = vec![0; BUFFER];
    loop {
        match open.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => tell(Event::At(each(&buffer[..read]))),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
        }
    }
}

/// A file that grows, hashed as it does.
struct Part<'a> {
    path: &'a Path,
    file: File,
    hash: Sha256,
    have: u64,
}

impl<'a> Part<'a> {
    /// Takes what an earlier run left into the hash.
    fn open(path: &'a Path, name: &str, tell: &mut Tell<'_>) -> Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(|e| Error::writing(path.display(), &e))?;
        let (mut hash, mut have) = (Sha256::new(), 0);
        read_all(&mut file, path, name, tell, &mut |bytes| {
            hash.update(bytes);
            have += bytes.len() as u64;
            have
        })?;
        Ok(Part { path, file, hash, have })
    }

    fn empty(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|e| Error::writing(self.path.display(), &e))?;
        (self.hash, self.have) = (Sha256::new(), 0);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::writing(self.path.display(), &e))?;
        self.hash.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::writing(self.path.display(), &e))
    }
}

/// Asks for what is missing, and writes it as it comes.
fn fetch(hub: &Hub, wanted: &Wanted<'_>, part: &mut Part<'_>, tell: &mut Tell<'_>) -> Result<(), Failure> {
    let reply = match hub.file(wanted.repo, wanted.commit, wanted.path, part.have) {
        Ok(reply) => reply,
        Err(failure) => {
            // Bytes that the server has none after are no part of this file.
            if matches!(failure, Failure::Beyond(_)) {
                part.empty().map_err(Failure::Final)?;
            }
            return Err(failure);
        }
    };
    let size = check(wanted, &reply)?;
    let extent = Extent::of(reply.status, &reply.headers);
    match extent {
        Some(extent) if extent.start == part.have => {}
        // It sends all of it, whatever was asked for.
        Some(Extent { start: 0, .. }) => part.empty().map_err(Failure::Final)?,
        _ => {
            part.empty().map_err(Failure::Final)?;
            return Err(Failure::passing(Error::cannot(format!(
                "{} sends another part than was asked for",
                reply.from
            ))));
        }
    }
    tell(Event::Begin { file: wanted.path, have: part.have, total: size });
    let mut body = reply.body.into_reader();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failure::passing(cut(&reply.from, &e).hint(GO_ON))),
        };
        if size.is_some_and(|size| part.have + read as u64 > size) {
            part.empty().map_err(Failure::Final)?;
            return Err(Failure::Final(
                Error::new(Exit::Integrity, format!("{}: {} sends more than was announced", wanted.name(), reply.from))
                    .because(format!("announced are {} bytes", size.unwrap_or_default())),
            ));
        }
        part.push(&buffer[..read]).map_err(Failure::Final)?;
        tell(Event::At(part.have));
    }
    match size {
        Some(size) if part.have < size => Err(Failure::passing(
            Error::cannot(format!("the connection to {} was cut", reply.from))
                .because(format!("{} of {size} bytes came", part.have))
                .hint(GO_ON),
        )),
        _ => Ok(()),
    }
}

/// Holds the answer against what was announced; returns the whole file's size, where anyone tells it.
fn check(wanted: &Wanted<'_>, reply: &Reply) -> Result<Option<u64>, Failure> {
    let lie = |what: &str, there: &dyn std::fmt::Display, here: &dyn std::fmt::Display| {
        let told = format!("{}: the {what} that is announced is not the one that is sent", wanted.name());
        let error =
            Error::new(Exit::Integrity, told).because(format!("announced: {there}; sent by {}: {here}", reply.from));
        Err(Failure::Final(error))
    };
    // Only a hash of the same kind can disagree; mirrors have ETags of their own.
    if let Some(said) = &reply.announced.digest
        && said.kind() == wanted.digest.kind()
        && *said != wanted.digest
    {
        return lie("hash", &wanted.digest.hex(), &said.hex());
    }
    let whole = Extent::of(reply.status, &reply.headers).and_then(|extent| extent.whole);
    let mut size = wanted.size;
    for said in [reply.announced.size, whole].into_iter().flatten() {
        match size {
            Some(size) if size != said => return lie("size", &size, &said),
            _ => size = Some(said),
        }
    }
    if matches!(wanted.digest, Digest::Git(_)) && size.is_none_or(|size| size > LARGEST_GIT_BLOB) {
        let told = format!("{}: it is larger than 64 MiB and has no SHA-256 to be checked by", wanted.name());
        return Err(Failure::Final(Error::invalid(told)));
    }
    Ok(size)
}
