//! An index of the ledger's receipts, so that a gate finds the few it needs without reading them all.
//!
//! It is only a way to places: what decides is read from the log and verified. But who could change it could hide a
//! receipt, so it is not kept with the ledger, which others may write, but in the user's own cache: one file per log,
//! grown by what is new. Its beginning must be the log's: the Merkle root of what was indexed has to be the root that
//! the log's own tiles have at that size. What does not fit (another root, damage) is made again. All of it has to be
//! what the log's checkpoint was signed over, and each place knows the hash of what has to be found there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use super::ledger::{Ledger, Snapshot};
use crate::error::Result;
use crate::plan::gate::About;
use crate::receipts::json::Value;
use crate::receipts::log::LogId;
use crate::receipts::merkle::{Frontier, leaf_hash};
use crate::receipts::predicates;
use crate::receipts::receipt::Content;
use crate::receipts::tiles::TreeNodes;
use crate::receipts::{Hash, hex};

const HEADER: &str = "bizra-index/v4";

/// Half of a receipt's hash as a leaf of the log, which is more than anyone can find another receipt for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf(u128);

impl Leaf {
    pub fn of(envelope: &[u8]) -> Self {
        Self::of_hash(&leaf_hash(envelope))
    }

    fn of_hash(hash: &Hash) -> Self {
        let (half, _) = hash.split_at(16);
        Self(half.try_into().map_or(0, u128::from_be_bytes))
    }
}

/// One receipt: where it lies and what it can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    index: u64,
    leaf: Leaf,
    /// Milliseconds since 1970, never less than those of an earlier entry: a log's own order outranks clocks.
    time: i64,
    /// `benchmark/v0.1`; empty for what can't be read.
    kind: String,
    keys: Vec<u64>,
    commits: Vec<String>,
}

/// Where a receipt lies: which log, which entry, and what has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub log: LogId,
    pub index: u64,
    pub leaf: Leaf,
}

/// All logs of a ledger, newest receipt first.
#[derive(Debug, Default)]
pub struct Index {
    places: Vec<Place>,
    /// Of each place, in `kinds`.
    kind_of: Vec<usize>,
    kinds: Vec<Kind>,
    /// Sorted, since a map of that many keys takes longer to make than a gate takes to decide.
    by_key: Vec<(u64, u32)>,
}

#[derive(Debug)]
struct Kind {
    /// `benchmark/v0.1`; empty for what can't be read.
    name: String,
    places: Vec<u32>,
    commits: BTreeSet<String>,
}

impl Kind {
    fn is(&self, predicate: &str) -> bool {
        let word = self.name.split('/').next();
        !self.name.is_empty() && (predicate == "*" || predicate == self.name || Some(predicate) == word)
    }
}

impl Index {
    /// Reads what is cached, adds what is new, and writes the cache back where it grew and can be written. Without a
    /// folder for it, everything is read.
    pub fn of(ledger: &Ledger, logs: &[Snapshot<'_>], cache: Option<&Path>) -> Result<Index> {
        let mut all = Vec::new();
        for (number, snapshot) in logs.iter().enumerate() {
            let id = snapshot.log.id();
            let path = cache.map(|cache| path(cache, ledger, id));
            all.extend(
                entries(snapshot, path.as_deref())?.into_iter().map(|entry| (entry.time, number, id.clone(), entry)),
            );
        }
        all.sort_by_key(|row| std::cmp::Reverse((row.0, row.1, row.3.index)));
        Ok(Index::newest_first(all.into_iter().map(|(_, _, log, entry)| (log, entry))))
    }

    fn newest_first(rows: impl Iterator<Item = (LogId, Entry)>) -> Index {
        let mut index = Index::default();
        for (place, (log, entry)) in (0..).zip(rows) {
            index.add(place, log, entry);
        }
        index.by_key.sort_unstable();
        index
    }

    fn add(&mut self, place: u32, log: LogId, entry: Entry) {
        let kind = self.kinds.iter().position(|kind| kind.name == entry.kind).unwrap_or_else(|| {
            self.kinds.push(Kind { name: entry.kind, places: Vec::new(), commits: BTreeSet::new() });
            self.kinds.len() - 1
        });
        self.places.push(Place { log, index: entry.index, leaf: entry.leaf });
        self.kind_of.push(kind);
        self.kinds[kind].places.push(place);
        self.kinds[kind].commits.extend(entry.commits);
        self.by_key.extend(entry.keys.into_iter().map(|key| (key, place)));
    }

    /// Reads every receipt again and compares. What was cached and is not what the ledger holds is removed, and told.
    pub fn verify(ledger: &Ledger, cache: &Path) -> Result<Vec<PathBuf>> {
        let mut wrong = Vec::new();
        for id in ledger.logs()? {
            let path = path(cache, ledger, &id);
            let Some(bytes) = files::read_if_there(&path)? else { continue };
            let true_entries = entries(&ledger.snapshot(&id)?, None)?;
            let agrees = |cached: &Cached| true_entries.starts_with(&cached.entries);
            if !Cached::read(&bytes).is_some_and(|cached| agrees(&cached)) {
                std::fs::remove_file(&path).map_err(|e| crate::error::Error::writing(path.display(), &e))?;
                wrong.push(path);
            }
        }
        Ok(wrong)
    }

    pub fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32> {
        let Some(key) = key(about) else {
            let mut found: Vec<u32> = self.kinds_of(predicate).flat_map(|kind| &kind.places).copied().collect();
            found.sort_unstable();
            return found;
        };
        let from = self.by_key.partition_point(|(other, _)| *other < key);
        let places = self.by_key[from..].iter().take_while(|(other, _)| *other == key).map(|(_, place)| *place);
        let mut found: Vec<u32> =
            places.filter(|place| self.kinds[self.kind_of[*place as usize]].is(predicate)).collect();
        found.dedup();
        found
    }

    fn kinds_of<'a>(&'a self, predicate: &'a str) -> impl Iterator<Item = &'a Kind> {
        self.kinds.iter().filter(move |kind| kind.is(predicate))
    }

    pub fn commits(&self, predicate: &str) -> Vec<String> {
        let all: BTreeSet<&String> = self.kinds_of(predicate).flat_map(|kind| &kind.commits).collect();
        all.into_iter().cloned().collect()
    }

    pub fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(number as usize)
    }

    /// How many entries hold nothing that can be read.
    pub fn unreadable(&self) -> usize {
        self.kinds.iter().filter(|kind| kind.name.is_empty()).map(|kind| kind.places.len()).sum()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

fn key(about: About<'_>) -> Option<u64> {
    let text = match about {
        About::Anything => return None,
        About::Named(name) => format!("name\0{name}"),
        About::Exactly(name, digest) => format!("file\0{name}\0{digest}"),
        About::Commit(id) => format!("commit\0{id}"),
        About::Role(role) => format!("role\0{role}"),
        About::Said(role, statement) => format!("said\0{role}\0{statement}"),
        About::Metric(id) => format!("metric\0{id}"),
    };
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    Some(u64::from_le_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]))
}

fn entry(index: u64, envelope: &[u8], hash: &Hash, before: i64) -> Entry {
    let leaf = Leaf::of_hash(hash);
    let mut made = Entry { index, leaf, time: before, kind: String::new(), keys: Vec::new(), commits: Vec::new() };
    let Ok(content) = Content::read(envelope) else { return made };
    let statement = &content.statement;
    made.time = statement.stamp.time.timestamp().as_millisecond().max(before);
    made.kind = predicates::name_of(&statement.predicate_type).unwrap_or_default();
    let mut found_by = Vec::new();
    for subject in &statement.subjects {
        found_by.push(About::Named(&subject.name));
        found_by.extend(subject.digest("sha256").map(|digest| About::Exactly(&subject.name, digest)));
        if let Some(commit) = subject.digest("gitCommit") {
            found_by.push(About::Commit(commit));
            made.commits.push(commit.to_owned());
        }
    }
    if let Some(Value::String(role)) = statement.body.get("role") {
        found_by.push(About::Role(role));
        if let Some(Value::String(statement)) = statement.body.get("statement") {
            found_by.push(About::Said(role, statement.trim()));
        }
    }
    if let Some(Value::Object(metrics)) = statement.body.get("metrics") {
        found_by.extend(metrics.iter().map(|(id, _)| About::Metric(id)));
    }
    made.keys = found_by.into_iter().filter_map(key).collect();
    made
}

/// Two copies of a log may differ in size, so the ledger's place is part of the name.
fn path(cache: &Path, ledger: &Ledger, log: &LogId) -> PathBuf {
    let place = ledger.path().canonicalize().unwrap_or_else(|_| ledger.path().to_owned());
    let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
    cache.join("index").join(format!("{log}-{}", &hex::encode(&digest)[..16]))
}

fn entries(snapshot: &Snapshot<'_>, path: Option<&Path>) -> Result<Vec<Entry>> {
    let log = &snapshot.log;
    let stored = path.and_then(|path| files::read_if_there(path).ok().flatten());
    let cached = stored.and_then(|bytes| Cached::read(&bytes));
    let begun = cached.and_then(|cached| Some((cached.frontier(snapshot)?, cached.entries)));
    let (mut frontier, mut entries) = begun.unwrap_or_default();
    let known = frontier.size();
    let mut time = entries.last().map_or(i64::MIN, |e| e.time);
    for bundle in log.bundles(known..snapshot.checkpoint.size)? {
        for (index, bytes) in bundle?.entries() {
            let bytes = bytes?;
            if index < known {
                continue;
            }
            let hash = leaf_hash(bytes);
            frontier.push(hash);
            let made = entry(index, bytes, &hash, time);
            time = made.time;
            entries.push(made);
        }
    }
    snapshot.signed_over(&frontier)?;
    if let Some(path) = path.filter(|_| frontier.size() > known) {
        // Where the cache can't be written the ledger is still read; the next run reads it again.
        let made = path.parent().map(std::fs::create_dir_all);
        let text = write(log.id(), &frontier, &entries);
        let _ = made.map(|_| files::replace(path, text.as_bytes(), Access::Owner));
    }
    for record in &snapshot.pending {
        let made = entry(record.index, &record.envelope, &leaf_hash(&record.envelope), time);
        time = made.time;
        entries.push(made);
    }
    Ok(entries)
}

struct Cached {
    log: String,
    size: u64,
    root: String,
    entries: Vec<Entry>,
}

impl Cached {
    fn read(bytes: &[u8]) -> Option<Cached> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once('\n')?;
        let mut words = head.split(' ');
        if words.next()? != HEADER {
            return None;
        }
        let (log, size, root) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        if words.next()? != hex::encode(&Sha256::digest(body.as_bytes())) {
            return None;
        }
        let mut entries = Vec::new();
        for (index, line) in (0..).zip(body.lines()) {
            let mut parts = line.split('\t');
            let leaf = Leaf(u128::from_str_radix(parts.next()?, 16).ok()?);
            let (time, kind) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
            let keys =
                parts.next()?.split_whitespace().map(|k| u64::from_str_radix(k, 16).ok()).collect::<Option<_>>()?;
            let commits = parts.next()?.split_whitespace().map(str::to_owned).collect();
            entries.push(Entry { index, leaf, time, kind, keys, commits });
        }
        (entries.len() as u64 == size).then(|| Cached { log: log.into(), size, root: root.into(), entries })
    }

    /// What grows from here, if this was made from the beginning of the log as it is. What can't be read there does not
    /// fit.
    fn frontier(&self, snapshot: &Snapshot<'_>) -> Option<Frontier> {
        let (log, size) = (&snapshot.log, snapshot.checkpoint.size);
        if self.log != log.id().to_string() || self.size > size || self.size == 0 {
            return None;
        }
        let then = if self.size == size {
            Frontier::decode(&log.frontier().ok()?).ok()?
        } else {
            let files = log.files();
            Frontier::of(&TreeNodes { files: &files, size }, self.size).ok()?
        };
        (hex::encode(&then.root()) == self.root).then_some(then)
    }
}

fn write(log: &LogId, frontier: &Frontier, entries: &[Entry]) -> String {
    let mut body = String::new();
    for entry in entries {
        let keys: Vec<String> = entry.keys.iter().map(|k| format!("{k:x}")).collect();
        let (leaf, time, kind) = (entry.leaf.0, entry.time, &entry.kind);
        let _ = writeln!(body, "{leaf:x}\t{time}\t{kind}\t{}\t{}", keys.join(" "), entry.commits.join(" "));
    }
    let digest = hex::encode(&Sha256::digest(body.as_bytes()));
    let (size, root) = (frontier.size(), hex::encode(&frontier.root()));
    format!("{HEADER} {log} {size} {root} {digest}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_by_kind_and_key_newest_first() {
        let of = |kind: &str, about: &[About<'_>], commits: &[&str]| Entry {
            index: 0,
            leaf: Leaf::default(),
            time: 0,
            kind: kind.into(),
            keys: about.iter().filter_map(|about| key(*about)).collect(),
            commits: commits.iter().map(|c| (*c).to_owned()).collect(),
        };
        let (a, b) = (About::Named("a"), About::Said("lead", "a"));
        let rows = [
            of("trial/v0.2", &[a], &["c2"]),
            of("word/v0.1", &[a, b, a], &[]),
            of("", &[], &[]),
            of("trial/v0.1", &[a], &["c1", "c2"]),
            of("trial/v0.2", &[], &[]),
        ];
        let index = Index::newest_first(rows.into_iter().map(|entry| (LogId::of_prefix([7; 16]), entry)));
        for (predicate, about, expected) in [
            ("trial", About::Anything, &[0, 3, 4][..]),
            ("trial/v0.2", About::Anything, &[0, 4]),
            ("*", About::Anything, &[0, 1, 3, 4]),
            ("tria", About::Anything, &[]),
            ("", About::Anything, &[]),
            ("trial", a, &[0, 3]),
            ("trial/v0.1", a, &[3]),
            ("*", a, &[0, 1, 3]),
            ("*", b, &[1]),
            ("trial", b, &[]),
            ("word", About::Said("lea", "da"), &[]),
            ("*", About::Role("lead"), &[]),
        ] {
            assert_eq!(index.find(predicate, about), expected, "{predicate} {about:?}");
        }
        assert_eq!((index.commits("trial"), index.commits("word")), (vec!["c1".to_owned(), "c2".to_owned()], vec![]));
        assert_eq!((index.unreadable(), index.len()), (1, 5));
    }

    #[test]
    fn the_cache_reads_back_and_damage_is_seen() {
        let log = LogId::of_prefix([7; 16]);
        let keys = [About::Named("a"), About::Exactly("a", "00"), About::Role("lead")].map(|a| key(a).unwrap_or(0));
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
        let leaf = Leaf::of(b"a");
        let made = Entry {
            index: 0,
            leaf,
            time: 5,
            kind: "trial/v0.1".into(),
            keys: keys.to_vec(),
            commits: vec!["c".into()],
        };
        let unreadable =
            Entry { index: 1, leaf: Leaf::of(b"b"), time: 5, kind: String::new(), keys: vec![], commits: vec![] };
        let mut frontier = Frontier::default();
        [b"a", b"b"].into_iter().for_each(|envelope| frontier.push(leaf_hash(envelope)));
        let root = hex::encode(&frontier.root());
        let text = write(&log, &frontier, &[made.clone(), unreadable.clone()]);
        let read = Cached::read(text.as_bytes()).expect("it is whole");
        assert_eq!((read.entries, read.size, read.root.as_str()), (vec![made, unreadable], 2, root.as_str()));
        assert!(Cached::read(text.replace("trial", "trail").as_bytes()).is_none());
        assert!(Cached::read(text.replacen(" 2 ", " 3 ", 1).as_bytes()).is_none());
        assert!(Cached::read(b"").is_none());
    }
}
