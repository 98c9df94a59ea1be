//! Units of code by blob, kept from one run to the next: the same bytes are split once.
//!
//! One file for all repositories of the user, in the cache folder. It ends with the SHA-256 of what comes before, and
//! whatever does not fit is made again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};
use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use super::git_code::TreeFile;
use crate::entropy::attributes::Said;
use crate::entropy::scope::{self, LeftOut};
use crate::entropy::units::{self, Language, NORMALISER, Unit};
use crate::error::{Error, Result};

const HEADER: &str = "bizra-units/v1";
/// Beyond this, what the last run did not use is dropped.
const MOST_BLOBS: usize = 200_000;

/// What a blob holds, as far as H is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    NoCode,
    LeftOut(LeftOut),
    Units(Vec<Unit>),
}

/// The same bytes are other units under another extension or among tests.
type Key = (Oid, u32);

struct Entry {
    content: Content,
    used: bool,
}

pub struct UnitCache {
    root: PathBuf,
    file: Option<PathBuf>,
    known: HashMap<Key, Entry>,
    grew: bool,
}

impl UnitCache {
    /// For the repository at `root`; `folder` is where caches live, if anywhere.
    pub fn open(root: &Path, folder: Option<PathBuf>) -> UnitCache {
        let file = folder.map(|folder| folder.join("units").join(format!("v1-{NORMALISER}")));
        let kept = file.as_deref().and_then(|file| files::read_if_there(file).ok().flatten());
        let known = kept.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        UnitCache { root: root.to_owned(), file, known, grew: false }
    }

    /// Splits what is not known yet, on every core.
    pub fn learn<'p>(&mut self, files: impl Iterator<Item = &'p TreeFile>, threads: usize) -> Result<()> {
        let mut wanted: HashMap<Key, &TreeFile> = HashMap::new();
        for file in files {
            let key = (file.oid, hint(&file.path, file.said));
            match self.known.get_mut(&key) {
                Some(entry) => entry.used = true,
                None => {
                    wanted.entry(key).or_insert(file);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut wanted: Vec<(Key, &TreeFile)> = wanted.into_iter().collect();
        wanted.sort_unstable_by_key(|(key, _)| *key);
        let share = wanted.len().div_ceil(threads.max(1));
        let root = &self.root;
        let learned: Vec<Result<Vec<(Key, Content)>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = wanted.chunks(share).map(|part| scope.spawn(move || split_all(root, part))).collect();
            let joined = workers.into_iter().map(|w| w.join());
            joined.map(|w| w.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for part in learned {
            self.known.extend(part?.into_iter().map(|(key, content)| (key, Entry { content, used: true })));
        }
        self.grew = true;
        Ok(())
    }

    /// What was learned about a file.
    pub fn content(&self, file: &TreeFile) -> &Content {
        self.known.get(&(file.oid, hint(&file.path, file.said))).map_or(&Content::NoCode, |entry| &entry.content)
    }

    /// A cache that can't be written costs time and nothing else.
    pub fn keep(&self) {
        let (Some(file), true) = (&self.file, self.grew) else { return };
        let all = self.known.len() <= MOST_BLOBS;
        let entries = self.known.iter().filter(|(_, entry)| all || entry.used);
        if file.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok()) {
            let _ = files::replace(file, &encode(entries.map(|(key, entry)| (*key, &entry.content))), Access::Everyone);
        }
    }
}

fn hint(path: &str, said: Said) -> u32 {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    let marks = if said.generated == Some(false) { "\0marks of generated code are overruled" } else { "" };
    let digest = Sha256::digest(format!("{extension}\0{}{marks}", units::is_test_path(path)));
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn split_all(root: &Path, wanted: &[(Key, &TreeFile)]) -> Result<Vec<(Key, Content)>> {
    let fault = |e: &git2::Error| Error::cannot("the repository can't be read").because(e.message());
    let repository = Repository::open(root).map_err(|e| fault(&e))?;
    let odb = repository.odb().map_err(|e| fault(&e))?;
    let mut learned = Vec::with_capacity(wanted.len());
    for (key, file) in wanted {
        let (size, kind) = odb.read_header(key.0).map_err(|e| fault(&e))?;
        let content = if kind != ObjectType::Blob {
            Content::NoCode
        } else if size as u64 > scope::LARGEST {
            // Too large to be worth a look for a first line.
            match Language::of(&file.path, b"") {
                Some(_) => Content::LeftOut(LeftOut::TooLarge),
                None => Content::NoCode,
            }
        } else {
            let blob = repository.find_blob(key.0).map_err(|e| fault(&e))?;
            split(&file.path, blob.content(), file.said)
        };
        learned.push((*key, content));
    }
    Ok(learned)
}

/// The units of a file that is at hand.
pub fn split(path: &str, bytes: &[u8], said: Said) -> Content {
    match scope::by_content(path, bytes, said) {
        None => Content::NoCode,
        Some(Err(why)) => Content::LeftOut(why),
        Some(Ok(language)) => Content::Units(units::of(language, path, bytes)),
    }
}

const LEFT_OUT: [LeftOut; 7] = [
    LeftOut::Vendored,
    LeftOut::Generated,
    LeftOut::TooLarge,
    LeftOut::Binary,
    LeftOut::LfsPointer,
    LeftOut::SymbolicLink,
    LeftOut::Submodule,
];
const NO_CODE: u8 = 254;
const UNITS: u8 = 255;

fn encode<'c>(entries: impl Iterator<Item = (Key, &'c Content)>) -> Vec<u8> {
    let mut bytes = format!("{HEADER} {NORMALISER}\n").into_bytes();
    for ((oid, hint), content) in entries {
        bytes.extend_from_slice(oid.as_bytes());
        bytes.extend_from_slice(&hint.to_le_bytes());
        match content {
            Content::NoCode => bytes.push(NO_CODE),
            Content::LeftOut(why) => {
                bytes.push(LEFT_OUT.iter().position(|other| other == why).unwrap_or_default() as u8);
            }
            Content::Units(units) => {
                bytes.push(UNITS);
                bytes.extend_from_slice(&(units.len() as u32).to_le_bytes());
                units.iter().for_each(|unit| encode_unit(unit, &mut bytes));
            }
        }
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn encode_unit(unit: &Unit, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&unit.id);
    for number in [unit.tokens, *unit.lines.start(), *unit.lines.end()] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.push(u8::from(unit.test));
    bytes.extend_from_slice(&(unit.name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(unit.name.as_bytes());
}

fn decode(bytes: &[u8]) -> Option<HashMap<Key, Entry>> {
    let (body, digest) = bytes.split_last_chunk::<32>()?;
    if <[u8; 32]>::from(Sha256::digest(body)) != *digest {
        return None;
    }
    let mut rest = body.strip_prefix(format!("{HEADER} {NORMALISER}\n").as_bytes())?;
    let mut known = HashMap::new();
    while !rest.is_empty() {
        let oid = Oid::from_bytes(&take::<20>(&mut rest)?).ok()?;
        let hint = u32::from_le_bytes(take(&mut rest)?);
        let [tag] = take::<1>(&mut rest)?;
        let content = match tag {
            NO_CODE => Content::NoCode,
            UNITS => {
                let count = u32::from_le_bytes(take(&mut rest)?);
                let units: Option<Vec<Unit>> = (0..count).map(|_| decode_unit(&mut rest)).collect();
                Content::Units(units?)
            }
            other => Content::LeftOut(*LEFT_OUT.get(usize::from(other))?),
        };
        known.insert((oid, hint), Entry { content, used: false });
    }
    Some(known)
}

fn decode_unit(rest: &mut &[u8]) -> Option<Unit> {
    let id = take(rest)?;
    let mut number = || take(rest).map(u32::from_le_bytes);
    let (tokens, first, last) = (number()?, number()?, number()?);
    let [test] = take::<1>(rest)?;
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Unit { id, name: std::str::from_utf8(name).ok()?.to_owned(), tokens, lines: first..=last, test: test == 1 })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_reads_back_and_damage_is_seen() {
        let oid = Oid::from_bytes(&[7; 20]).unwrap();
        let units = units::of(Language::Rust, "a.rs", b"fn a() { b() }\n#[test]\nfn c() {}\n");
        assert_eq!(units.len(), 2);
        let contents = [Content::NoCode, Content::LeftOut(LeftOut::Generated), Content::Units(units)];
        let bytes = encode(contents.iter().enumerate().map(|(n, content)| ((oid, n as u32), content)));
        let read = decode(&bytes).unwrap();
        for (n, content) in contents.iter().enumerate() {
            assert_eq!(read[&(oid, n as u32)].content, *content);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_none(), "byte {at}");
            assert!(decode(&bytes[..at]).is_none());
        }
    }

    #[test]
    fn paths_that_read_differently_are_kept_apart() {
        let plain = |path: &str| hint(path, Said::default());
        assert_eq!(plain("a/b.rs"), plain("c.RS"));
        assert_ne!(plain("a/b.rs"), plain("a/b.py"));
        assert_ne!(plain("a/b.rs"), plain("tests/b.rs"));
        let said = Said { generated: Some(false), vendored: None };
        assert_ne!(plain("a/b.rs"), hint("a/b.rs", said));
    }
}
