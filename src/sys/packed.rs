//! Packed weights kept in files, so that the next start maps them instead of packing again.
//!
//! A file is named after the SHA-256 of the model's file and the layout's number, so nothing that was made of other
//! bytes, or by a version that lays them out otherwise, is ever found. It ends with the SHA-256 of all that is before.
//! That hash is compared when a file is met that isn't on the list of those that were compared before, or whose size,
//! time or inode are no longer those of the list; a file on the list is trusted, as the hashes of models are. Its
//! header and length are looked at every time.
//!
//! The list is in the order of use, the latest first: what was not used for longest goes when room is needed. Nothing
//! here is needed for an answer: whoever asks gets an error to tell of, and packs as before.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bizra_kernels::os::Mapped;
use bizra_kernels::{Matrix, Packed};
use sha2::{Digest as _, Sha256};

use super::files;
use super::models::Seen;
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::{Hash, hex};

/// Models whose packed weights are smaller are packed in no time.
const WORTH_KEEPING: u64 = 16 << 20;

const MAGIC: &[u8; 16] = b"bizra packed 1\n\0";
const LIST: &str = "checked";
const ENDING: &str = "packed";
/// Bytes of the header before the table, and of a row of the table.
const HEAD: usize = 16 + 32 + 4 + 4 + 8;
const ROW: usize = 24;
/// Matrices begin at multiples of this: whole pages.
const ALIGNMENT: u64 = 4096;
/// More matrices than any model has.
const MOST_ROWS: usize = 1 << 20;

/// The folder of such files, and how many bytes they may have together; with none it is off.
#[derive(Clone, Debug)]
pub struct PackedCache {
    folder: PathBuf,
    limit: u64,
}

/// Packed matrices of one model.
pub struct Kept {
    file: Arc<Mapped>,
    /// Where each begins, by its offset in the model's file.
    starts: HashMap<u64, usize>,
}

impl Kept {
    /// The matrix as it was packed, if it is here.
    pub fn matrix(&self, offset: u64, matrix: &Matrix) -> Option<Packed> {
        let start = *self.starts.get(&offset)?;
        Packed::from_mapped(matrix.format(), matrix.rows(), matrix.cols(), Arc::clone(&self.file), start).ok()
    }
}

/// One file of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub model: Hash,
    pub layout: u32,
    pub bytes: u64,
    /// This version of the program reads it; another may have written the others.
    pub current: bool,
}

impl PackedCache {
    pub fn at(folder: PathBuf, limit: u64) -> Self {
        PackedCache { folder, limit }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    fn path(&self, model: &Hash) -> PathBuf {
        self.folder.join(name_of(model, Packed::LAYOUT))
    }

    /// What was kept of the model. A file that is not what it claims to be is removed, and the error says so.
    pub fn find(&self, model: &Hash) -> Result<Option<Kept>> {
        if self.limit == 0 {
            return Ok(None);
        }
        // Somebody may have lowered the limit.
        self.make_room(0);
        let path = self.path(model);
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::invalid("packed weights are a file, and this is none").at(Place::file(&path)));
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::reading(&path, &e)),
        };
        match self.open(&path, &file, model) {
            Ok(kept) => Ok(Some(kept)),
            Err(e) => {
                if e.exit == Exit::Invalid {
                    // Otherwise every start would stumble over it; what can't be removed is told of again.
                    let _ = fs::remove_file(&path);
                }
                Err(e)
            }
        }
    }

    fn open(&self, path: &Path, file: &File, model: &Hash) -> Result<Kept> {
        let wrong =
            |what: &str| Error::invalid(format!("these packed weights are damaged: {what}")).at(Place::file(path));
        let unreadable = |e: io::Error| Error::reading(path, &e);
        let seen = Seen::of(&file.metadata().map_err(unreadable)?);
        let bytes = Mapped::of(file).map_err(unreadable)?;
        let starts = parse(&bytes, model).map_err(wrong)?;
        let mut list = List::read(&self.folder);
        let name = name_of(model, Packed::LAYOUT);
        if !list.knows(&name, &seen) {
            let (content, end) = bytes.split_at(bytes.len() - 32);
            if *Sha256::digest(content) != *end {
                return Err(wrong("their hash is another"));
            }
        }
        if list.used(name, seen) {
            list.write(&self.folder);
        }
        Ok(Kept { file: Arc::new(bytes), starts })
    }

    /// Whether keeping a model with such matrices would change anything: they are worth it, fit, and aren't here yet.
    pub fn wants<'p>(&self, model: &Hash, matrices: impl Iterator<Item = (u64, &'p Packed)>) -> bool {
        let bytes: u64 = matrices.map(|(_, packed)| packed.as_bytes().len() as u64).sum();
        (WORTH_KEEPING..=self.limit).contains(&bytes) && !self.path(model).exists()
    }

    /// Writes a model's packed matrices, each with its offset in the model's file, after making room. False where it
    /// is kept already, is larger than the cache may be, or `stop` said so before all was written.
    pub fn keep<'p>(
        &self,
        model: &Hash,
        matrices: impl Iterator<Item = (u64, &'p Packed)>,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let path = self.path(model);
        if self.limit == 0 || path.exists() {
            return Ok(false);
        }
        let matrices: Vec<(u64, &[u8])> = matrices.map(|(offset, packed)| (offset, packed.as_bytes())).collect();
        let plan = Plan::of(&matrices);
        if matrices.is_empty() || plan.total > self.limit {
            return Ok(false);
        }
        files::private_folder(&self.folder)?;
        self.make_room(plan.total);
        let beside = self.folder.join(format!(".{}.new", std::process::id()));
        let written = write(&beside, model, &matrices, &plan, stop).and_then(|()| fs::rename(&beside, &path));
        if let Err(e) = written {
            // Best effort: the error that matters is the one being returned.
            let _ = fs::remove_file(&beside);
            return if stop() { Ok(false) } else { Err(Error::writing(path.display(), &e)) };
        }
        if let Ok(metadata) = fs::metadata(&path) {
            let mut list = List::read(&self.folder);
            list.used(name_of(model, Packed::LAYOUT), Seen::of(&metadata));
            list.write(&self.folder);
        }
        Ok(true)
    }

    /// Removes what ended processes left half written, and what was not used for longest until `bytes` more fit. What
    /// can't be removed stays.
    fn make_room(&self, bytes: u64) {
        for half in self.halves().into_iter().filter(|half| is_abandoned(half)) {
            let _ = fs::remove_file(half);
        }
        let list = List::read(&self.folder);
        let mut files = self.files().unwrap_or_default();
        // Files that the list doesn't know were never used here.
        files.sort_by_key(|(name, _)| list.0.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX));
        let mut total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        while total.saturating_add(bytes) > self.limit
            && let Some((name, bytes)) = files.pop()
        {
            let _ = fs::remove_file(self.folder.join(name));
            total -= bytes;
        }
    }

    /// Names and sizes of the files that are ours.
    fn files(&self) -> Result<Vec<(String, u64)>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::reading(&self.folder, &e)),
        };
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if parse_name(&name).is_some()
                && let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                files.push((name, metadata.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Files that are being written, or were when their process ended.
    fn halves(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("new"))).collect()
    }

    /// What is kept, the latest used first.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let list = List::read(&self.folder);
        let mut files = self.files()?;
        files.sort_by_key(|(name, _)| list.0.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX));
        let entry = |(name, bytes): (String, u64)| {
            let (model, layout) = parse_name(&name)?;
            Some(Entry { model, layout, bytes, current: layout == Packed::LAYOUT })
        };
        Ok(files.into_iter().filter_map(entry).collect())
    }

    /// Removes all of it, halves of files that were being written included, and says what was removed.
    pub fn clear(&self) -> Result<Vec<Entry>> {
        let entries = self.list()?;
        for entry in &entries {
            let path = self.folder.join(name_of(&entry.model, entry.layout));
            fs::remove_file(&path).map_err(|e| Error::writing(path.display(), &e))?;
        }
        let list = self.folder.join(LIST);
        for path in self.halves().into_iter().chain(list.exists().then_some(list)) {
            fs::remove_file(&path).map_err(|e| Error::writing(path.display(), &e))?;
        }
        Ok(entries)
    }
}

/// Whether nobody writes this half any more: the process that it is named after is gone. Where that can't be known, nobody
/// takes an hour for it.
fn is_abandoned(half: &Path) -> bool {
    let name = half.file_name().unwrap_or_default().to_string_lossy();
    let process = name.trim_start_matches('.').trim_end_matches(".new");
    if Path::new("/proc/self").exists() {
        return !Path::new("/proc").join(process).exists();
    }
    let age = fs::metadata(half).and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age.as_secs() > 3600)
}

fn name_of(model: &Hash, layout: u32) -> String {
    format!("{}-{layout}.{ENDING}", hex::encode(model))
}

fn parse_name(name: &str) -> Option<(Hash, u32)> {
    let (model, layout) = name.strip_suffix(ENDING)?.strip_suffix('.')?.split_once('-')?;
    let found = (hex::decode(model)?, layout.parse().ok()?);
    (name_of(&found.0, found.1) == name).then_some(found)
}

/// Where everything goes in a file.
struct Plan {
    starts: Vec<u64>,
    total: u64,
}

impl Plan {
    fn of(matrices: &[(u64, &[u8])]) -> Plan {
        let mut at = (HEAD + ROW * matrices.len()) as u64;
        let starts = matrices
            .iter()
            .map(|(_, bytes)| {
                let start = at.next_multiple_of(ALIGNMENT);
                at = start + bytes.len() as u64;
                start
            })
            .collect();
        Plan { starts, total: at + 32 }
    }
}

/// Bytes that are written at a time, each block where its size divides the position: the system then keeps the file in
/// pages of that size, and the first pass over the weights takes two thirds of the time.
const BLOCK: usize = 2 << 20;

/// Writes and hashes as it goes.
struct Hashed<W> {
    to: W,
    block: Vec<u8>,
    hash: Sha256,
    at: u64,
}

impl<W: Write> Hashed<W> {
    fn new(to: W) -> Self {
        Hashed { to, block: Vec::with_capacity(BLOCK), hash: Sha256::new(), at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.buffer(bytes)
    }

    fn buffer(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            if self.block.len() == BLOCK {
                self.to.write_all(&self.block)?;
                self.block.clear();
            }
            bytes = later;
        }
        Ok(())
    }

    fn pad_to(&mut self, position: u64) -> io::Result<()> {
        const ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
        while self.at < position {
            let some = (position - self.at).min(ALIGNMENT) as usize;
            self.put(&ZEROS[..some])?;
        }
        Ok(())
    }

    /// The hash comes last, and is of what is before it.
    fn end(mut self) -> io::Result<W> {
        let hash = std::mem::take(&mut self.hash).finalize();
        self.buffer(&hash)?;
        self.to.write_all(&self.block)?;
        Ok(self.to)
    }
}

fn write(path: &Path, model: &Hash, matrices: &[(u64, &[u8])], plan: &Plan, stop: &dyn Fn() -> bool) -> io::Result<()> {
    // A half that another process of this number left behind.
    let _ = fs::remove_file(path);
    let file = files::create(path, files::Access::Owner)?;
    let mut out = Hashed::new(file);
    out.put(MAGIC)?;
    out.put(model)?;
    out.put(&Packed::LAYOUT.to_le_bytes())?;
    out.put(&(matrices.len() as u32).to_le_bytes())?;
    out.put(&plan.total.to_le_bytes())?;
    for ((offset, bytes), start) in matrices.iter().zip(&plan.starts) {
        out.put(&offset.to_le_bytes())?;
        out.put(&start.to_le_bytes())?;
        out.put(&(bytes.len() as u64).to_le_bytes())?;
    }
    for ((_, bytes), start) in matrices.iter().zip(&plan.starts) {
        out.pad_to(*start)?;
        for part in bytes.chunks(BLOCK) {
            if stop() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            out.put(part)?;
        }
    }
    out.end()?.sync_all()
}

/// The starts of matrices by their offset in the model's file, or what is wrong.
fn parse(bytes: &[u8], model: &Hash) -> std::result::Result<HashMap<u64, usize>, &'static str> {
    let head = bytes.get(..HEAD).ok_or("the header is cut")?;
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("invariant: eight bytes"));
    let (layout, rows) = (number(48) as u32, (number(48) >> 32) as usize);
    if head[..16] != *MAGIC || head[16..48] != *model || layout != Packed::LAYOUT {
        return Err("the header is another's");
    }
    if number(56) != bytes.len() as u64 {
        return Err("the length is another");
    }
    if rows > MOST_ROWS {
        return Err("the header tells of too many matrices");
    }
    let table = bytes.get(HEAD..HEAD + rows * ROW).ok_or("the table is cut")?;
    let mut starts = HashMap::with_capacity(rows);
    for row in table.chunks_exact(ROW) {
        let number = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("invariant: eight bytes"));
        let (offset, start, len) = (number(0), number(8), number(16));
        let end = start.checked_add(len).filter(|end| *end <= bytes.len() as u64 - 32);
        let (Ok(start), Some(_)) = (usize::try_from(start), end) else { return Err("a matrix lies outside") };
        starts.insert(offset, start);
    }
    Ok(starts)
}

/// Files whose hash was compared, with what they looked like then, the latest used first.
struct List(Vec<(String, Seen)>);

impl List {
    /// A list that can't be read is an empty one: then hashes are compared again.
    fn read(folder: &Path) -> List {
        let text = fs::read_to_string(folder.join(LIST)).unwrap_or_default();
        let line = |line: &str| {
            let (name, seen) = line.split_once(' ')?;
            Some((name.to_owned(), Seen::parse(seen)?))
        };
        List(text.lines().filter_map(line).collect())
    }

    fn knows(&self, name: &str, seen: &Seen) -> bool {
        self.0.iter().any(|(known, before)| known == name && before == seen)
    }

    /// Puts a file first; says whether that changed anything.
    fn used(&mut self, name: String, seen: Seen) -> bool {
        if self.0.first().is_some_and(|(first, before)| *first == name && *before == seen) {
            return false;
        }
        self.0.retain(|(known, _)| *known != name);
        self.0.insert(0, (name, seen));
        true
    }

    /// Where it can't be written, hashes are compared again.
    fn write(&self, folder: &Path) {
        let there = |name: &String| folder.join(name).exists();
        let lines = self.0.iter().filter(|(name, _)| there(name));
        let text: String = lines.filter_map(|(name, seen)| Some(format!("{name} {}\n", seen.text()?))).collect();
        let _ = files::replace(&folder.join(LIST), text.as_bytes(), files::Access::Owner);
    }
}

#[cfg(test)]
mod tests;
