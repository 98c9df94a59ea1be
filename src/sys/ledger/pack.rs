//! Packing: what was loose since the last pack becomes one synced pack, then the write-ahead log is trimmed.
//!
//! Sixteen small packs of one size become one. Large packs stay as they are: merging compresses everything again, and an
//! append that had to wait for that would wait longer the larger the ledger is.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use git2::{Config, Odb, Oid, Repository};

use super::Writer;
use super::commit::Tip;
use super::disk::sync_folder;
use super::error::LedgerError;
use super::store::{Store, read_folder};
use super::wal::{HEADER_BYTES, WalHeader, scan};

const PACKS_OF_A_SIZE: usize = 16;
/// A pack of 256 receipts with a commit each has 0.4 MB.
const MERGED_UP_TO_BYTES: u64 = 1 << 20;

fn failed(error: &git2::Error) -> LedgerError {
    LedgerError::Pack(error.message().to_owned())
}

impl Writer<'_> {
    /// The commit lock is held.
    pub(super) fn pack(&self, tip: &mut Tip) -> Result<(), LedgerError> {
        let objects = match unpacked(self.store(), tip.oid) {
            Ok(objects) => objects,
            Err(LedgerError::Object { .. }) => {
                // An older commit is damaged; everything since the last pack is still in the write-ahead log.
                self.rebuild(tip)?;
                unpacked(self.store(), tip.oid)?
            }
            Err(error) => return Err(error),
        };
        if !objects.is_empty() {
            self.write_pack(&objects)?;
        }
        self.move_ref(tip.oid, true)?;
        self.trim_wal(tip)?;
        for (oid, _) in &objects {
            let path = self.store().loose_path(*oid);
            // Best effort: a loose copy of a packed object does no harm.
            let _ = fs::remove_file(path);
        }
        self.merge_packs()
    }

    fn write_pack(&self, objects: &[(Oid, String)]) -> Result<(), LedgerError> {
        let folder = self.store().root().join("objects/pack");
        let before: HashSet<_> = read_folder(&folder)?.into_iter().collect();
        let objects_folder = fs::canonicalize(self.store().root().join("objects"))
            .map_err(LedgerError::io("read", self.store().root()))?;
        let text = objects_folder.to_string_lossy();
        let odb = Odb::new().and_then(|odb| odb.add_disk_alternate(&text).map(|()| odb)).map_err(|e| failed(&e))?;
        let repository = Repository::from_odb(odb).map_err(|e| failed(&e))?;
        // An empty configuration stands in for the user's.
        let config = Config::new().map_err(|e| failed(&e))?;
        repository.set_config(&config).map_err(|e| failed(&e))?;
        let mut builder = repository.packbuilder().map_err(|e| failed(&e))?;
        builder.set_threads(1);
        for (oid, name) in objects {
            builder.insert_object(*oid, Some(name.as_str())).map_err(|e| failed(&e))?;
        }
        builder.write(&folder, 0o444).map_err(|e| failed(&e))?;
        for path in read_folder(&folder)?.into_iter().filter(|path| !before.contains(path)) {
            let synced = File::open(&path).and_then(|file| self.disk().sync(&file));
            synced.map_err(LedgerError::io("sync", &path))?;
        }
        sync_folder(self.disk(), &folder).map_err(LedgerError::io("sync", &folder))
    }

    /// Starts a new write-ahead log on the packed tip, with the records that the tip lacks.
    pub(super) fn trim_wal(&self, tip: &Tip) -> Result<(), LedgerError> {
        let _sync = self.files.sync.take(self.patience())?;
        let _write = self.files.write.take(self.patience())?;
        let bytes = self.files.whole_wal()?;
        let found = scan(bytes.get(HEADER_BYTES as usize..).unwrap_or_default(), HEADER_BYTES);
        let behind = found.records.iter().map(|(record, _)| record).skip_while(|record| record.index < tip.size());
        let records: Vec<_> =
            (tip.size()..).zip(behind).take_while(|(index, r)| r.index == *index).map(|(_, r)| r).collect();
        let damaged = WalHeader::decode(&bytes).is_none() || !found.corrupt.is_empty();
        if damaged && !bytes.is_empty() {
            self.files.keep_damaged_wal(self.disk())?;
        }
        let header = WalHeader { log: self.id.clone(), base: tip.size(), commit: tip.oid };
        self.files.replace_wal(self.disk(), &header, &records)
    }

    fn merge_packs(&self) -> Result<(), LedgerError> {
        loop {
            let mut sizes: Vec<Vec<PathBuf>> = Vec::new();
            for path in read_folder(&self.store().root().join("objects/pack"))? {
                if path.extension().is_some_and(|extension| extension == "pack")
                    && path.metadata().is_ok_and(|metadata| metadata.len() <= MERGED_UP_TO_BYTES)
                    && let Some(objects) = object_count(&path)
                {
                    let size = (objects.max(1).ilog2() / 4) as usize;
                    if sizes.len() <= size {
                        sizes.resize_with(size + 1, Vec::new);
                    }
                    sizes[size].push(path);
                }
            }
            let Some(packs) = sizes.into_iter().find(|packs| packs.len() >= PACKS_OF_A_SIZE) else { return Ok(()) };
            let mut objects = Vec::new();
            for pack in &packs {
                let ids = index_ids(&pack.with_extension("idx"))?;
                objects.extend(ids.into_iter().map(|oid| (oid, String::new())));
            }
            self.write_pack(&objects)?;
            for pack in &packs {
                // The index goes last: without it git does not look for the pack.
                for extension in ["rev", "bitmap", "mtimes", "idx", "pack"] {
                    let path = pack.with_extension(extension);
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(LedgerError::io("remove", &path)(error));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

/// What `tip` needs and no pack has, with the path that sorts it next to its like.
fn unpacked(store: &Store, tip: Oid) -> Result<Vec<(Oid, String)>, LedgerError> {
    let mut objects = Vec::new();
    let mut seen = HashSet::new();
    let mut next = Some(tip);
    while let Some(oid) = next.filter(|oid| store.loose_path(*oid).exists()) {
        let commit = store.commit(oid)?;
        objects.push((oid, String::new()));
        next = commit.parents.first().copied();
        let old = next.map(|parent| store.commit(parent)).transpose()?.map(|parent| parent.tree);
        collect(store, commit.tree, old, "", &mut seen, &mut objects)?;
    }
    Ok(objects)
}

fn collect(
    store: &Store,
    tree: Oid,
    old: Option<Oid>,
    path: &str,
    seen: &mut HashSet<Oid>,
    objects: &mut Vec<(Oid, String)>,
) -> Result<(), LedgerError> {
    if Some(tree) == old || !seen.insert(tree) {
        return Ok(());
    }
    objects.push((tree, path.to_owned()));
    let old = old.map_or(Ok(Vec::new()), |old| store.tree(old))?;
    for entry in store.tree(tree)? {
        let before = old.iter().find(|before| before.name == entry.name);
        if before.is_some_and(|before| before.oid == entry.oid) {
            continue;
        }
        let path = format!("{path}/{}", String::from_utf8_lossy(&entry.name));
        if entry.is_tree() {
            let before = before.filter(|before| before.is_tree()).map(|before| before.oid);
            collect(store, entry.oid, before, &path, seen, objects)?;
        } else if seen.insert(entry.oid) {
            store.read(entry.oid, git2::ObjectType::Blob)?;
            objects.push((entry.oid, path));
        }
    }
    Ok(())
}

fn object_count(pack: &Path) -> Option<u32> {
    let mut head = [0; 12];
    File::open(pack).ok()?.read_exact(&mut head).ok()?;
    Some(u32::from_be_bytes([head[8], head[9], head[10], head[11]]))
}

/// The ids in a version 2 pack index: a fan-out of 256 counts, then the ids.
fn index_ids(index: &Path) -> Result<Vec<Oid>, LedgerError> {
    let bytes = fs::read(index).map_err(LedgerError::io("read", index))?;
    let bad = || LedgerError::Pack(format!("{} is no pack index of version 2", index.display()));
    if !bytes.starts_with(b"\xfftOc\0\0\0\x02") {
        return Err(bad());
    }
    let count = bytes.get(8 + 255 * 4..8 + 256 * 4).and_then(|count| count.try_into().ok()).ok_or_else(bad)?;
    let count = u32::from_be_bytes(count) as usize;
    let ids = bytes.get(8 + 1024..8 + 1024 + count * 20).ok_or_else(bad)?;
    ids.chunks_exact(20).map(|id| Oid::from_bytes(id).map_err(|error| failed(&error))).collect()
}
