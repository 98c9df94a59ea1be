//! What hashing large files gave, kept for as long as they look as they did.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::super::files::{self, Access};
use super::{Bytes, MappedFile};
use crate::receipts::{Hash, hex};

/// A file as it was when it was looked at: another size, time or inode means that it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) struct Seen {
    pub(super) bytes: u64,
    changed: Option<SystemTime>,
    inode: u64,
}

impl Seen {
    pub(in crate::sys) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Seen { bytes: metadata.len(), changed: metadata.modified().ok(), inode }
    }

    /// What can't change: bytes of the program itself.
    pub(super) fn always(bytes: u64) -> Self {
        Seen { bytes, changed: None, inode: 0 }
    }

    /// Three numbers; none for a file whose time of change can't be told.
    pub(in crate::sys) fn text(&self) -> Option<String> {
        let since = self.changed?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{} {} {}", self.bytes, since.as_nanos(), self.inode))
    }

    pub(in crate::sys) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let bytes = words.next()?.parse().ok()?;
        let nanoseconds: u64 = words.next()?.parse().ok()?;
        let changed = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_nanos(nanoseconds));
        Some(Seen { bytes, changed, inode: words.next()?.parse().ok()? })
    }
}

/// Bytes of a model that are hashed at a time.
const PART: usize = 4 << 20;

/// Digests of large files, by path, with what the file looked like.
#[derive(Default)]
pub(super) struct Remembered(pub(super) Vec<(String, Seen, Hash)>);

const MOST_REMEMBERED: usize = 256;

impl Remembered {
    /// A memory that can't be read is an empty one.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Remembered(text.lines().filter_map(Self::line).collect())
    }

    fn line(line: &str) -> Option<(String, Seen, Hash)> {
        let (hash, rest) = line.split_once(' ')?;
        // Size, time and inode, then a path that may have blanks.
        let (end, _) = rest.match_indices(' ').nth(2)?;
        Some((rest[end + 1..].to_owned(), Seen::parse(&rest[..end])?, hex::decode(hash)?))
    }

    fn name(path: &Path) -> String {
        path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
    }

    fn get(&self, path: &str, now: &Seen) -> Option<Hash> {
        self.0.iter().find(|(other, seen, _)| other == path && seen == now).map(|(_, _, hash)| *hash)
    }

    fn put(&mut self, path: String, now: Seen, hash: Hash) {
        self.0.retain(|(other, _, _)| *other != path);
        self.0.push((path, now, hash));
        let surplus = self.0.len().saturating_sub(MOST_REMEMBERED);
        self.0.drain(..surplus);
    }

    pub(super) fn known(&self, file: &MappedFile) -> Option<Hash> {
        match file.bytes {
            Bytes::Held(_) => None,
            Bytes::Mapped(_) => self.get(&Self::name(&file.path), &file.seen),
        }
    }

    pub(super) fn digest(&mut self, file: &MappedFile) -> Hash {
        if let Some(hash) = self.known(file) {
            return hash;
        }
        let mut hash = Sha256::new();
        for (number, part) in file.bytes.chunks(PART).enumerate() {
            hash.update(part);
            // It stays in the system's cache. Kept by this process too, it would count beside the packed weights.
            file.bytes.release(number * PART..number * PART + part.len());
        }
        let hash: Hash = hash.finalize().into();
        if let Bytes::Mapped(_) = file.bytes {
            self.put(Self::name(&file.path), file.seen, hash);
        }
        hash
    }

    /// Forgetting costs a hash the next time, nothing else.
    pub(super) fn write(&self, path: &Path) {
        let mut text = String::new();
        for (path, seen, hash) in &self.0 {
            if let Some(seen) = seen.text()
                && !path.contains('\n')
            {
                text += &format!("{} {seen} {path}\n", hex::encode(hash));
            }
        }
        if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
            return;
        }
        if let Some(folder) = path.parent() {
            let _ = files::private_folder(folder).and_then(|()| files::replace(path, text.as_bytes(), Access::Owner));
        }
    }
}

/// Remembers what hashing a file gave, so that nothing has to hash it again before it changes.
pub fn remember(memory: &Path, path: &Path, hash: Hash) {
    if let Ok(metadata) = std::fs::metadata(path) {
        let mut known = Remembered::read(memory);
        known.put(Remembered::name(path), Seen::of(&metadata), hash);
        known.write(memory);
    }
}

/// The SHA-256 of a file as it was remembered, where it has not changed since.
pub fn remembered(memory: &Path, path: &Path) -> Option<Hash> {
    let metadata = std::fs::metadata(path).ok()?;
    Remembered::read(memory).get(&Remembered::name(path), &Seen::of(&metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::models::Opened;

    #[test]
    fn digests_are_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, memory) = (folder.path().join("m 1.gguf"), folder.path().join("data/digests"));
        std::fs::write(&path, b"one").expect("written");
        let digest = || Opened::open(&path).expect("opened").digest(Some(&memory));
        let one: Hash = Sha256::digest(b"one").into();
        assert_eq!(digest(), one);
        let text = std::fs::read_to_string(&memory).expect("remembered");
        std::fs::write(&memory, text.replace(&hex::encode(&one), &hex::encode(&[7; 32]))).expect("written");
        assert_eq!(digest(), [7; 32], "it is read from memory");
        std::fs::write(&path, b"two!").expect("changed");
        assert_eq!(digest(), <Hash>::from(Sha256::digest(b"two!")));
    }
}
