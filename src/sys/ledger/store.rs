//! The ledger's bare git repository: objects and refs, without any configuration.
//!
//! Packs are read through libgit2's object database over one folder, which checks every object's hash. Loose objects are
//! ours: libgit2 never returns from reading one that was cut short, and keeps any file that has the right name, damaged
//! or not. We write beside and rename, at a cost that does not grow with the number of packs. Hooks, replace refs, grafts, templates and the user's
//! configuration play no part; a folder with alternates is refused.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use git2::{ErrorCode, ObjectType, Odb, OdbObject, Oid};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::disk::{Disk, sync_folder};
use super::error::LedgerError;

/// Why an object that is nowhere cannot be read.
pub(super) const MISSING: &str = "is missing";

const BLOB: u32 = 0o100_644;
const TREE: u32 = 0o040_000;
/// A full bundle of the longest entries has 16.8 MB.
const MAX_OBJECT_BYTES: usize = 64 << 20;

/// Enough for every object that a ledger writes; the ref store and the object format are git's oldest.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

pub(super) struct Store {
    root: PathBuf,
    odb: Odb<'static>,
    temporary: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.root.display())
    }
}

/// An object whose hash was checked.
pub(super) enum Object<'a> {
    Loose(ObjectType, Vec<u8>),
    Packed(OdbObject<'a>),
}

impl Object<'_> {
    fn kind(&self) -> ObjectType {
        match self {
            Self::Loose(kind, _) => *kind,
            Self::Packed(object) => object.kind(),
        }
    }

    pub(super) fn data(&self) -> &[u8] {
        match self {
            Self::Loose(_, bytes) => bytes,
            Self::Packed(object) => object.data(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    pub mode: u32,
    pub name: Vec<u8>,
    pub oid: Oid,
}

impl TreeEntry {
    pub fn is_tree(&self) -> bool {
        self.mode == TREE
    }

    pub fn is_blob(&self) -> bool {
        self.mode == BLOB
    }
}

/// A commit as its bytes have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitObject {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    /// Seconds since 1970.
    pub time: i64,
    pub message: String,
}

impl CommitObject {
    fn encode(&self) -> Vec<u8> {
        let mut text = format!("tree {}\n", self.tree);
        for parent in &self.parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        for role in ["author", "committer"] {
            text.push_str(&format!("{role} bizra <ledger@bizra.invalid> {} +0000\n", self.time));
        }
        text.push('\n');
        text.push_str(&self.message);
        text.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, message) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let tree = Oid::from_str(lines.next()?.strip_prefix("tree ")?).ok()?;
        let (mut parents, mut time) = (Vec::new(), None);
        for line in lines {
            if let Some(parent) = line.strip_prefix("parent ") {
                parents.push(Oid::from_str(parent).ok()?);
            } else if let Some(committer) = line.strip_prefix("committer ") {
                time = committer.rsplit(' ').nth(1)?.parse().ok();
            }
        }
        Some(Self { tree, parents, time: time?, message: message.to_owned() })
    }

    /// The value of a `Name: value` line at the end of the message.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.message.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Store {
    pub(super) fn create(root: &Path, disk: &dyn Disk) -> Result<(), LedgerError> {
        let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(LedgerError::io("create", parent))?;
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let fresh = parent.join(format!(".{name}.new-{}", std::process::id()));
        let made =
            build(&fresh, disk).and_then(|()| disk.rename(&fresh, root)).and_then(|()| sync_folder(disk, parent));
        if let Err(error) = made {
            // Best effort: the error to tell is the one above.
            let _ = fs::remove_dir_all(&fresh);
            if !is_ledger_shaped(root) {
                return Err(LedgerError::io("create", root)(error));
            }
        }
        Ok(())
    }

    pub(super) fn open(root: &Path) -> Result<Self, LedgerError> {
        if !root.exists() {
            return Err(LedgerError::Missing { path: root.to_path_buf() });
        }
        let refuse = |reason: &str| LedgerError::NotALedger { path: root.to_path_buf(), reason: reason.to_owned() };
        if !is_ledger_shaped(root) {
            return Err(refuse("it is no bare git repository (objects, refs and HEAD are expected)"));
        }
        if root.join("objects/info/alternates").exists() {
            return Err(refuse(
                "its objects lie elsewhere (objects/info/alternates); run `git repack -a -d` in it and delete that file",
            ));
        }
        if root.join("reftable").exists() {
            return Err(refuse("its refs are in a reftable; run `git refs migrate --ref-format=files` in it"));
        }
        let config = root.join("config");
        if let Ok(text) = fs::read_to_string(&config)
            && text.to_ascii_lowercase().split_whitespace().collect::<String>().contains("objectformat=sha256")
        {
            return Err(refuse("its objects are SHA-256; a ledger's are SHA-1 (its Merkle tree is SHA-256)"));
        }
        // A folder that denies listing would look like one without packs.
        fs::read_dir(root.join("objects")).map_err(LedgerError::io("read", &root.join("objects")))?;
        let absolute = fs::canonicalize(root.join("objects")).map_err(LedgerError::io("read", root))?;
        let objects = absolute.to_str().ok_or_else(|| refuse("its path is not UTF-8"))?;
        let odb = Odb::new().and_then(|odb| odb.add_disk_alternate(objects).map(|()| odb));
        let odb = odb.map_err(|error| refuse(error.message()))?;
        Ok(Self { root: root.to_path_buf(), odb, temporary: AtomicU64::new(0) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn read(&self, oid: Oid, kind: ObjectType) -> Result<Object<'_>, LedgerError> {
        let object = match self.read_loose(oid)? {
            Some(object) => object,
            None => self.read_packed(oid)?,
        };
        if object.kind() != kind {
            return Err(LedgerError::Object { oid, reason: format!("is a {}, expected a {kind}", object.kind()) });
        }
        Ok(object)
    }

    /// Another process may pack a loose object, or put a new pack in the place of several, while we look.
    fn read_packed(&self, oid: Oid) -> Result<Object<'_>, LedgerError> {
        match self.odb.read(oid) {
            Ok(object) => Ok(Object::Packed(object)),
            Err(_) => {
                self.odb.refresh().map_err(|error| object_error(oid, &error))?;
                self.odb.read(oid).map(Object::Packed).map_err(|error| object_error(oid, &error))
            }
        }
    }

    /// `None` when there is no such file.
    pub(super) fn read_loose(&self, oid: Oid) -> Result<Option<Object<'static>>, LedgerError> {
        let Some(stream) = read_small(&self.loose_path(oid))? else { return Ok(None) };
        let bad = |reason: &str| LedgerError::Object { oid, reason: format!("is damaged: {reason}") };
        let mut bytes =
            decompress_to_vec_zlib_with_limit(&stream, MAX_OBJECT_BYTES).map_err(|error| bad(&format!("{error}")))?;
        let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| bad("it has no header"))?;
        let header = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("its header is not text"))?;
        let (kind, length) = header.split_once(' ').ok_or_else(|| bad("its header has no length"))?;
        let kind = ObjectType::from_str(kind).ok_or_else(|| bad("its header names no type"))?;
        if length.parse() != Ok(bytes.len() - end - 1) {
            return Err(bad("its length is not what its header says"));
        }
        bytes.drain(..=end);
        if Oid::hash_object(kind, &bytes).ok() != Some(oid) {
            return Err(bad("its content has another hash"));
        }
        Ok(Some(Object::Loose(kind, bytes)))
    }

    /// Whether a loose object is as it should be, and a packed one is there; the latter is checked when it is read.
    pub(super) fn looks_whole(&self, oid: Oid) -> bool {
        match self.read_loose(oid) {
            Ok(None) => self.odb.read_header(oid).is_ok(),
            other => other.is_ok(),
        }
    }

    pub(super) fn commit(&self, oid: Oid) -> Result<CommitObject, LedgerError> {
        let object = self.read(oid, ObjectType::Commit)?;
        CommitObject::decode(object.data())
            .ok_or_else(|| LedgerError::Object { oid, reason: "is no commit that git would write".to_owned() })
    }

    pub(super) fn tree(&self, oid: Oid) -> Result<Vec<TreeEntry>, LedgerError> {
        let object = self.read(oid, ObjectType::Tree)?;
        parse_tree(object.data())
            .ok_or_else(|| LedgerError::Object { oid, reason: "is no tree that git would write".to_owned() })
    }

    pub(super) fn find(&self, tree: Oid, path: &str) -> Result<Option<TreeEntry>, LedgerError> {
        let mut here = tree;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let Some(entry) = self.tree(here)?.into_iter().find(|entry| entry.name == part.as_bytes()) else {
                return Ok(None);
            };
            match (parts.peek().is_some(), entry.is_tree()) {
                (false, _) => return Ok(Some(entry)),
                (true, true) => here = entry.oid,
                (true, false) => return Ok(None),
            }
        }
        Ok(None)
    }

    pub(super) fn blob_at(&self, tree: Oid, path: &str) -> Result<Object<'_>, LedgerError> {
        let entry = self.find(tree, path)?.ok_or_else(|| LedgerError::PathMissing { path: path.to_owned() })?;
        self.read(entry.oid, ObjectType::Blob)
    }

    pub(super) fn write_blob(&self, disk: &dyn Disk, bytes: &[u8]) -> Result<Oid, LedgerError> {
        self.write(disk, ObjectType::Blob, bytes, false)
    }

    pub(super) fn write_commit(&self, disk: &dyn Disk, commit: &CommitObject) -> Result<Oid, LedgerError> {
        self.write(disk, ObjectType::Commit, &commit.encode(), false)
    }

    fn write_tree(&self, disk: &dyn Disk, entries: &mut [TreeEntry]) -> Result<Oid, LedgerError> {
        // git sorts a folder as if its name ended in a slash.
        let key = |entry: &TreeEntry| {
            let mut name = entry.name.clone();
            if entry.is_tree() {
                name.push(b'/');
            }
            name
        };
        entries.sort_by_key(key);
        let mut bytes = Vec::with_capacity(entries.len() * 40);
        for entry in entries {
            bytes.extend(format!("{:o} ", entry.mode).bytes());
            bytes.extend(&entry.name);
            bytes.push(0);
            bytes.extend(entry.oid.as_bytes());
        }
        self.write(disk, ObjectType::Tree, &bytes, false)
    }

    /// The tree `old` with `files` (sorted by path) put in; `dropped` names an entry of it that is left out.
    pub(super) fn update_tree(
        &self,
        disk: &dyn Disk,
        old: Option<Oid>,
        dropped: Option<&str>,
        files: &[(&str, &[u8])],
    ) -> Result<Oid, LedgerError> {
        let mut entries = old.map_or(Ok(Vec::new()), |old| self.tree(old))?;
        entries.retain(|entry| dropped.is_none_or(|name| entry.name != name.as_bytes()));
        let mut rest = files;
        while let Some((path, content)) = rest.first() {
            let (name, entry, taken) = match path.split_once('/') {
                None => (*path, (BLOB, self.write_blob(disk, content)?), 1),
                Some((folder, _)) => {
                    let inside = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
                    let count = rest.iter().take_while(|(path, _)| inside(path)).count();
                    let below: Vec<_> =
                        rest[..count].iter().map(|(path, content)| (&path[folder.len() + 1..], *content)).collect();
                    let old = entries.iter().find(|entry| entry.is_tree() && entry.name == folder.as_bytes());
                    (folder, (TREE, self.update_tree(disk, old.map(|entry| entry.oid), None, &below)?), count)
                }
            };
            entries.retain(|entry| entry.name != name.as_bytes());
            entries.push(TreeEntry { mode: entry.0, name: name.as_bytes().to_vec(), oid: entry.1 });
            rest = &rest[taken..];
        }
        self.write_tree(disk, &mut entries)
    }

    fn write(&self, disk: &dyn Disk, kind: ObjectType, bytes: &[u8], sync: bool) -> Result<Oid, LedgerError> {
        let oid = Oid::hash_object(kind, bytes).map_err(|error| LedgerError::Pack(error.message().to_owned()))?;
        let path = self.loose_path(oid);
        let folder = path.parent().unwrap_or(&self.root);
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let beside = folder.join(format!("tmp_obj_{}_{number}", std::process::id()));
        let written = (|| {
            let file = match File::create(&beside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(folder)?;
                    File::create(&beside)
                }
                other => other,
            }?;
            let header = format!("{kind} {}\0", bytes.len());
            disk.write(&file, 0, &stored_zlib(&[header.as_bytes(), bytes].concat()))?;
            if sync {
                disk.sync(&file)?;
            }
            disk.rename(&beside, &path)
        })();
        written.map_err(|error| {
            // Best effort: the error to tell is the one above.
            let _ = fs::remove_file(&beside);
            LedgerError::io("write the object", &path)(error)
        })?;
        Ok(oid)
    }

    pub(super) fn loose_path(&self, oid: Oid) -> PathBuf {
        let digits = oid.to_string();
        self.root.join("objects").join(&digits[..2]).join(&digits[2..])
    }

    /// Every loose object's id and file.
    pub(super) fn loose_objects(&self) -> Result<Vec<(Oid, PathBuf)>, LedgerError> {
        let objects = self.root.join("objects");
        let mut found = Vec::new();
        for folder in read_folder(&objects)? {
            let prefix = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if prefix.len() != 2 {
                continue;
            }
            for file in read_folder(&folder)? {
                let rest = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if rest.len() == 38
                    && let Ok(oid) = Oid::from_str(&format!("{prefix}{rest}"))
                {
                    found.push((oid, file));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Makes loose objects survive a power loss, for the few that no write-ahead log stands behind.
    pub(super) fn sync_loose(&self, disk: &dyn Disk, oids: &[Oid]) -> Result<(), LedgerError> {
        for oid in oids {
            let path = self.loose_path(*oid);
            let synced = File::open(&path).and_then(|file| {
                disk.sync(&file)?;
                sync_folder(disk, path.parent().unwrap_or(&self.root))
            });
            synced.map_err(LedgerError::io("sync", &path))?;
        }
        sync_folder(disk, &self.root.join("objects")).map_err(LedgerError::io("sync", &self.root))
    }

    /// What a ref names: its own file first, then `packed-refs`.
    pub(super) fn read_ref(&self, name: &str) -> Result<Option<Oid>, LedgerError> {
        let bad = |reason: &str| LedgerError::Ref { name: name.to_owned(), reason: reason.to_owned() };
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| bad("is not text"))?;
                return Oid::from_str(text.trim_end())
                    .ok()
                    .filter(|_| text.trim_end().len() == 40)
                    .map(Some)
                    .ok_or_else(|| bad("does not hold an object's name"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(LedgerError::io("read", &path)(error)),
        }
        Ok(self.packed_refs()?.into_iter().find(|(packed, _)| packed == name).map(|(_, oid)| oid))
    }

    fn packed_refs(&self) -> Result<Vec<(String, Oid)>, LedgerError> {
        let path = self.root.join("packed-refs");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LedgerError::io("read", &path)(error)),
        };
        let line = |line: &str| Some((line.get(41..)?.to_owned(), Oid::from_str(line.get(..40)?).ok()?));
        Ok(text.lines().filter(|line| !line.starts_with(['#', '^'])).filter_map(line).collect())
    }

    /// Names below `prefix`, which ends in a slash.
    pub(super) fn refs(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        let mut names: Vec<_> =
            self.packed_refs()?.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix)).collect();
        let mut folders = vec![prefix.to_owned()];
        while let Some(prefix) = folders.pop() {
            let folder = self.root.join(&prefix);
            if !folder.is_dir() {
                continue;
            }
            for file in read_folder(&folder)? {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                if file.is_dir() && !file.is_symlink() {
                    folders.push(format!("{prefix}{name}/"));
                } else if !name.ends_with(".lock") && file.is_file() {
                    names.push(format!("{prefix}{name}"));
                }
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(super) fn ref_lock(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.lock"))
    }

    /// git's own protocol: the new value is written to the lock, which becomes the ref.
    pub(super) fn write_ref(&self, disk: &dyn Disk, name: &str, oid: Oid, sync: bool) -> Result<(), LedgerError> {
        let (path, lock) = (self.root.join(name), self.ref_lock(name));
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(LedgerError::io("create", folder))?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&lock)
            .map_err(LedgerError::io("create the ref's lock", &lock))?;
        let written = (|| {
            disk.write(&file, 0, format!("{oid}\n").as_bytes())?;
            if sync {
                disk.sync(&file)?;
            }
            disk.rename(&lock, &path)?;
            if sync { sync_folder(disk, folder) } else { Ok(()) }
        })();
        written.map_err(|error| {
            // Best effort: a lock that stays is removed by the next writer, which holds the ledger's lock.
            let _ = fs::remove_file(&lock);
            LedgerError::io("write the ref", &path)(error)
        })
    }
}

fn object_error(oid: Oid, error: &git2::Error) -> LedgerError {
    let reason = match error.code() {
        ErrorCode::NotFound => MISSING.to_owned(),
        _ => format!("is damaged: {}", error.message()),
    };
    LedgerError::Object { oid, reason }
}

pub(super) fn read_folder(folder: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(LedgerError::io("read", folder))? {
        paths.push(entry.map_err(LedgerError::io("read", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn is_ledger_shaped(root: &Path) -> bool {
    root.join("objects").is_dir() && root.join("refs").is_dir() && root.join("HEAD").is_file()
}

fn build(root: &Path, disk: &dyn Disk) -> io::Result<()> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "bizra"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (name, content) in [("HEAD", "ref: refs/heads/main\n"), ("config", CONFIG)] {
        let file = File::create(root.join(name))?;
        disk.write(&file, 0, content.as_bytes())?;
        disk.sync(&file)?;
    }
    sync_folder(disk, root)
}

pub(super) fn parse_tree(mut bytes: &[u8]) -> Option<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let end = bytes.iter().position(|byte| *byte == 0).filter(|end| *end > space)?;
        let mode = u32::from_str_radix(std::str::from_utf8(&bytes[..space]).ok()?, 8).ok()?;
        let oid = Oid::from_bytes(bytes.get(end + 1..end + 21)?).ok()?;
        entries.push(TreeEntry { mode, name: bytes[space + 1..end].to_vec(), oid });
        bytes = &bytes[end + 21..];
    }
    Some(entries)
}

/// A zlib stream without compression: loose objects live for at most 256 receipts, then a pack compresses them.
fn stored_zlib(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(bytes.len() + bytes.len() / 65_535 * 5 + 11);
    stream.extend([0x78, 0x01]);
    let mut blocks = bytes.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (mut low, mut high) = (1u32, 0u32);
    // 5,552 bytes are as many as the sums hold before they must be reduced.
    for run in bytes.chunks(5552) {
        for byte in run {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65_521;
        high %= 65_521;
    }
    stream.extend((high << 16 | low).to_be_bytes());
    stream
}

/// Reads a whole small file; `None` when it isn't there.
pub(super) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerError::io("read", path)(error)),
    }
}
