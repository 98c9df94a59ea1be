//! The log as a pure state machine: what names it, which files its tree holds, and how an entry changes them.
//!
//! Tree: `log.json`, `checkpoint`, `frontier`, `tail/00.json` to `tail/fe.json`, and full tiles and bundles under
//! `tile/`. Durability, git and locks are `sys::ledger`'s.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::checkpoint::{self, CheckpointError, NoteVerifier};
use super::keys::PublicKey;
use super::merkle::{Frontier, leaf_hash, root_of};
use super::tiles::{
    Files, MAX_ENTRY_BYTES, TileError, WIDTH, bundle, entries_path, full_tile, tail_path, tile, tile_path,
};
use super::{Hash, hex};

pub const HEADER: &str = "log.json";
pub const CHECKPOINT: &str = "checkpoint";
pub const FRONTIER: &str = "frontier";
pub const TAIL: &str = "tail";

const VERSION: &str = "bizra-log/v1";

/// The first 32 hexadecimal digits of the genesis hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    pub fn of(genesis: &Hash) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&genesis[..16]);
        Self(id)
    }

    pub fn of_prefix(prefix: [u8; 16]) -> Self {
        Self(prefix)
    }

    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn origin(&self) -> String {
        checkpoint::origin(&self.to_string())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// `log.json`: whose log this is. Its SHA-256 is the log's genesis, which every receipt names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHeader {
    /// Key id of the receipts' signer, 64 hexadecimal digits.
    pub writer: String,
    /// The log's own key, for checkpoints only.
    pub checkpoint_key: [u8; 32],
    pub nonce: [u8; 16],
    /// RFC 3339 in UTC, as receipts write time.
    pub created: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogError {
    /// `log.json` does not say what a header says.
    Header(String),
    /// It does, but not in the one spelling that has a genesis.
    HeaderSpelling,
    Key(CheckpointError),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(reason) => write!(f, "{HEADER}: {reason}"),
            Self::HeaderSpelling => {
                write!(f, "{HEADER} is not in its canonical spelling (sorted keys, no blanks, one newline at the end)")
            }
            Self::Key(error) => write!(f, "{HEADER}: {error}"),
        }
    }
}

impl std::error::Error for LogError {}

/// Fields in the order of their names, so that serialising sorts them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader<'a> {
    checkpoint_key: Cow<'a, str>,
    created: Cow<'a, str>,
    nonce: Cow<'a, str>,
    version: Cow<'a, str>,
    writer: Cow<'a, str>,
}

impl LogHeader {
    pub fn encode(&self) -> Vec<u8> {
        let raw = RawHeader {
            checkpoint_key: hex::encode(&self.checkpoint_key).into(),
            created: self.created.as_str().into(),
            nonce: hex::encode(&self.nonce).into(),
            version: VERSION.into(),
            writer: self.writer.as_str().into(),
        };
        let mut bytes = serde_json::to_vec(&raw).expect("invariant: strings serialise");
        bytes.push(b'\n');
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let bad = |reason: &str| LogError::Header(reason.to_owned());
        let raw: RawHeader<'_> = serde_json::from_slice(bytes).map_err(|error| LogError::Header(format!("{error}")))?;
        if raw.version != VERSION {
            return Err(LogError::Header(format!("version {:?}, expected {VERSION:?}", raw.version)));
        }
        let header = Self {
            checkpoint_key: hex::decode(&raw.checkpoint_key).ok_or_else(|| bad("checkpoint_key is not 64 digits"))?,
            nonce: hex::decode(&raw.nonce).ok_or_else(|| bad("nonce is not 32 digits"))?,
            writer: raw.writer.into_owned(),
            created: raw.created.into_owned(),
        };
        if hex::decode::<32>(&header.writer).is_none() {
            return Err(bad("writer is not 64 hexadecimal digits"));
        }
        if header.encode() != bytes {
            return Err(LogError::HeaderSpelling);
        }
        Ok(header)
    }

    pub fn genesis(&self) -> Hash {
        Sha256::digest(self.encode()).into()
    }

    pub fn id(&self) -> LogId {
        LogId::of(&self.genesis())
    }

    pub fn verifier(&self) -> Result<NoteVerifier, LogError> {
        let key = PublicKey::from_bytes(&self.checkpoint_key).map_err(|error| LogError::Key(error.into()))?;
        NoteVerifier::new(self.id().origin(), key).map_err(LogError::Key)
    }
}

/// What one batch of entries does to a log's tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The tail that was there before is now in a bundle.
    pub clears_tail: bool,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Appends `entries` to the log that `frontier` describes. The checkpoint is the caller's to add.
pub fn grow<F: Files, E: AsRef<[u8]>>(files: &F, frontier: &mut Frontier, entries: &[E]) -> Result<Change, F::Error> {
    let mut change = Change::default();
    let waiting = frontier.size() % WIDTH;
    let mut tail: Vec<Cow<'_, [u8]>> = Vec::new();
    // The entries that wait are read only when their bundle fills.
    let fills = waiting + entries.len() as u64 >= WIDTH;
    if fills {
        for index in 0..waiting {
            tail.push(files.read(&tail_path(index))?.into());
        }
    }
    let mut unread = if fills { 0 } else { waiting };
    for entry in entries {
        let entry = entry.as_ref();
        if entry.len() > MAX_ENTRY_BYTES {
            return Err(TileError::EntryTooLong { bytes: entry.len() }.into());
        }
        frontier.push(leaf_hash(entry));
        tail.push(entry.into());
        if unread + tail.len() as u64 == WIDTH {
            let number = frontier.size() / WIDTH - 1;
            change.files.insert(entries_path(number), bundle(&tail)?);
            let leaves: Vec<Hash> = tail.iter().map(|entry| leaf_hash(entry)).collect();
            change.files.insert(tile_path(0, number), tile(&leaves));
            fill_upper_tiles(files, &mut change.files, frontier.size())?;
            change.clears_tail |= waiting > 0;
            tail.clear();
            unread = 0;
        }
    }
    let first = frontier.size() - tail.len() as u64;
    let old = if change.clears_tail { 0 } else { waiting };
    for (index, entry) in (first..).zip(tail) {
        if index % WIDTH >= old || fills {
            change.files.insert(tail_path(index), entry.into_owned());
        }
    }
    change.files.insert(FRONTIER.to_owned(), frontier.encode().into_bytes());
    Ok(change)
}

/// A tile above the leaves holds the roots of the 256 tiles below it.
fn fill_upper_tiles<F: Files>(files: &F, made: &mut BTreeMap<String, Vec<u8>>, size: u64) -> Result<(), F::Error> {
    let mut below = size / WIDTH;
    let mut level = 0;
    while below.is_multiple_of(WIDTH) {
        let mut roots = Vec::with_capacity(WIDTH as usize);
        for number in below - WIDTH..below {
            let path = tile_path(level, number);
            let stored = match made.get(&path) {
                Some(bytes) => Cow::Borrowed(bytes),
                None => Cow::Owned(files.read(&path)?),
            };
            roots.push(root_of(full_tile(&path, &stored)?.iter().copied()));
        }
        below /= WIDTH;
        level += 1;
        made.insert(tile_path(level, below - 1), tile(&roots));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
