//! A log's tree as a list of paths: what belongs there, and how many entries the files speak of.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::finding::{Code, Finding};
use super::super::log::{CHECKPOINT, FRONTIER, HEADER};
use super::super::tiles::{WIDTH, entries_path, full_tiles, tail_path, tile_path};
use super::source::{FILE_MODE, FOLDER_MODE, Fault, Node, ObjectName, Source};

/// Tile levels that 64-bit sizes can have.
const LEVELS: u32 = 8;
/// No log grows to 2^48 bundles, and below it no number overflows.
const LAST_INDEX: u64 = 1 << 48;
/// Folders such as `x281` on the way to the last of them.
const MOST_THOUSANDS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Checkpoint,
    Frontier,
    Tail(u64),
    Bundle(u64),
    Tile(u32, u64),
}

/// What belongs into the tree at `path`.
fn place(path: &str) -> Option<Place> {
    match path {
        HEADER => return Some(Place::Header),
        CHECKPOINT => return Some(Place::Checkpoint),
        FRONTIER => return Some(Place::Frontier),
        _ => {}
    }
    if let Some(name) = path.strip_prefix("tail/") {
        let slot = u64::from_str_radix(name.strip_suffix(".json")?, 16).ok()?;
        return (slot < WIDTH - 1 && tail_path(slot) == path).then_some(Place::Tail(slot));
    }
    let (kind, digits) = path.strip_prefix("tile/")?.split_once('/')?;
    let mut index = 0u64;
    for part in digits.split('/') {
        let part = part.strip_prefix('x').unwrap_or(part);
        let number = part.parse::<u64>().ok().filter(|number| *number < 1000)?;
        index = index.checked_mul(1000)?.checked_add(number)?;
    }
    if index >= LAST_INDEX {
        return None;
    }
    // Printing it again refuses every other spelling.
    if kind == "entries" {
        return (entries_path(index) == path).then_some(Place::Bundle(index));
    }
    let level = kind.parse().ok().filter(|level| *level < LEVELS)?;
    (tile_path(level, index) == path).then_some(Place::Tile(level, index))
}

/// Whether files of a log can lie below `path`.
fn is_folder(path: &str) -> bool {
    let mut parts = path.split('/');
    match (parts.next(), parts.next()) {
        (Some("tail" | "tile"), None) => return true,
        (Some("tile"), Some("entries")) => {}
        (Some("tile"), Some(level)) if level.len() == 1 && level.parse().is_ok_and(|level: u32| level < LEVELS) => {}
        _ => return false,
    }
    let thousands: Vec<&str> = parts.collect();
    let is_thousand = |part: &&str| {
        part.strip_prefix('x').is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    thousands.len() <= MOST_THOUSANDS && thousands.iter().all(is_thousand)
}

/// The files of one log, by what they are.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) header: Option<ObjectName>,
    pub(super) checkpoint: Option<ObjectName>,
    pub(super) frontier: Option<ObjectName>,
    tail: BTreeMap<u64, ObjectName>,
    bundles: BTreeMap<u64, ObjectName>,
    tiles: BTreeMap<(u32, u64), ObjectName>,
    /// A folder could not be read, so absence proves nothing.
    pub(super) incomplete: bool,
}

/// Where entries lie: a bundle, a file of the tail, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) is_tail: bool,
    pub(super) object: Option<ObjectName>,
    /// The tile that holds a bundle's leaf hashes.
    pub(super) tile: Option<ObjectName>,
}

impl Chunk {
    pub(super) fn path(&self) -> String {
        if self.is_tail { tail_path(self.first) } else { entries_path(self.first / WIDTH) }
    }
}

impl Layout {
    pub(super) fn read(source: &dyn Source, say: &mut dyn FnMut(Finding), faults: &mut Vec<Fault>) -> Self {
        let mut layout = Self::default();
        let mut seen = HashSet::new();
        let mut empty = BTreeSet::new();
        // Folders that stand in each other many times over can make a few objects into more paths than can be walked.
        let mut entered = HashSet::new();
        source.walk(&mut |node| {
            let node = match node {
                Ok(node) => node,
                Err(fault) => {
                    layout.incomplete = true;
                    faults.push(fault);
                    return false;
                }
            };
            if let Some((parent, _)) = node.path.rsplit_once('/') {
                empty.remove(parent);
            }
            if !seen.insert(node.path.clone()) {
                let twice = "the tree has this path twice; git shows one of them";
                say(Finding::new(Code::UnexpectedPath, twice).at_path(node.path));
                return false;
            }
            if node.mode != FOLDER_MODE {
                layout.add(&node, say);
                return false;
            }
            let stray = if !is_folder(&node.path) {
                Some("a log's tree has no such folder")
            } else if !entered.insert(node.object) {
                Some("the folder stands at another path too")
            } else {
                None
            };
            match stray {
                Some(detail) => say(Finding::new(Code::UnexpectedPath, detail).at_path(node.path)),
                None => drop(empty.insert(node.path)),
            }
            stray.is_none()
        });
        if !layout.incomplete {
            for path in empty {
                say(Finding::new(Code::UnexpectedPath, "a folder without files").at_path(path));
            }
        }
        layout
    }

    fn add(&mut self, node: &Node, say: &mut dyn FnMut(Finding)) {
        let Some(place) = place(&node.path) else {
            let detail = "a log's tree has no such file";
            return say(Finding::new(Code::UnexpectedPath, detail).at_path(&node.path));
        };
        if node.mode != FILE_MODE {
            let detail = format!("mode {:06o}; a log's files have {FILE_MODE:06o}", node.mode);
            say(Finding::new(Code::BadMode, detail).at_path(&node.path));
        }
        let object = node.object;
        match place {
            Place::Header => self.header = Some(object),
            Place::Checkpoint => self.checkpoint = Some(object),
            Place::Frontier => self.frontier = Some(object),
            Place::Tail(slot) => drop(self.tail.insert(slot, object)),
            Place::Bundle(number) => drop(self.bundles.insert(number, object)),
            Place::Tile(level, number) => drop(self.tiles.insert((level, number), object)),
        }
    }

    /// The number of full bundles that the files speak of.
    fn bundle_count(&self) -> u64 {
        self.bundles.last_key_value().map_or(0, |(number, _)| number + 1)
    }

    /// How many entries the files speak of, holes counted.
    pub(super) fn size(&self) -> u64 {
        let tail = self.tail.last_key_value().map_or(0, |(slot, _)| slot + 1);
        self.bundle_count() * WIDTH + tail
    }

    pub(super) fn tile(&self, level: u32, number: u64) -> Option<ObjectName> {
        self.tiles.get(&(level, number)).copied()
    }

    /// The tile at `path`.
    pub(super) fn tile_at(&self, path: &str) -> Option<ObjectName> {
        match place(path)? {
            Place::Tile(level, number) => self.tile(level, number),
            Place::Tail(slot) => self.tail.get(&slot).copied(),
            _ => None,
        }
    }

    /// Everything in the log's order. A stretch without files is one chunk, however long its forged end makes it.
    pub(super) fn chunks(&self) -> Vec<Chunk> {
        let bundles = self.bundle_count();
        let tiles = self.tiles.range((0, 0)..(0, bundles)).map(|((_, number), _)| *number);
        let known: BTreeSet<u64> = self.bundles.keys().copied().chain(tiles).collect();
        let mut chunks = Vec::with_capacity(known.len() + self.tail.len());
        let mut next = 0;
        for number in known.into_iter().chain([bundles]) {
            if number > next {
                let (first, count) = (next * WIDTH, (number - next) * WIDTH);
                chunks.push(Chunk { first, count, is_tail: false, object: None, tile: None });
            }
            if number < bundles {
                let (object, tile) = (self.bundles.get(&number).copied(), self.tile(0, number));
                chunks.push(Chunk { first: number * WIDTH, count: WIDTH, is_tail: false, object, tile });
            }
            next = number + 1;
        }
        chunks.extend((0..self.size() % WIDTH).map(|slot| {
            let object = self.tail.get(&slot).copied();
            Chunk { first: bundles * WIDTH + slot, count: 1, is_tail: true, object, tile: None }
        }));
        chunks
    }

    /// Entries that no file holds, and tiles of the wrong number.
    pub(super) fn judge(&self, say: &mut dyn FnMut(Finding)) {
        if self.incomplete {
            return;
        }
        let bundles = self.bundle_count();
        let first_kept = self.bundles.first_key_value().map_or(bundles, |(number, _)| *number);
        let is_pruned = first_kept > 0 && (0..first_kept).all(|number| self.tile(0, number).is_some());
        if is_pruned {
            let end = first_kept * WIDTH;
            let detail =
                format!("receipts 0 to {} were removed, and their hashes kept: they cannot be judged", end - 1);
            say(Finding::new(Code::PrunedNotAllowed, detail).at_index(0).at_path(entries_path(0)));
        }
        let start = if is_pruned { first_kept } else { 0 };
        // Walking the files, not the numbers, keeps a forged name such as x999/999 cheap.
        for (gap, end) in gaps(self.bundles.keys().copied(), start, bundles) {
            let detail = format!("no bundle holds receipts {} to {}", gap * WIDTH, end * WIDTH - 1);
            say(Finding::new(Code::Gap, detail).at_index(gap * WIDTH).at_path(entries_path(gap)));
        }
        let base = bundles * WIDTH;
        for (gap, end) in gaps(self.tail.keys().copied(), 0, self.size() % WIDTH) {
            let (first, last) = (base + gap, base + end - 1);
            let detail = format!("the tail lacks receipts {first} to {last}");
            say(Finding::new(Code::Gap, detail).at_index(first).at_path(tail_path(first)));
        }
        for level in 0..LEVELS {
            let expected = full_tiles(self.size(), level);
            let there = || self.tiles.range((level, 0)..=(level, u64::MAX)).map(|((_, number), _)| *number);
            for (gap, _) in gaps(there().take_while(|number| *number < expected), 0, expected) {
                say(Finding::new(Code::TileMismatch, "the tile is missing").at_path(tile_path(level, gap)));
            }
            for number in there().filter(|number| *number >= expected) {
                let detail = format!("a tile beyond the log's {} entries", self.size());
                say(Finding::new(Code::UnexpectedPath, detail).at_path(tile_path(level, number)));
            }
        }
    }
}

/// The ranges within `start..end` that `there`, in order, does not cover.
fn gaps(there: impl Iterator<Item = u64>, start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut next = start;
    for number in there.chain([end]) {
        if number > next {
            gaps.push((next, number));
        }
        next = number.saturating_add(1).max(next);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spellings_of_a_log_belong() {
        assert_eq!(place("log.json"), Some(Place::Header));
        assert_eq!(place("tail/fe.json"), Some(Place::Tail(254)));
        assert_eq!(place("tile/entries/x001/000"), Some(Place::Bundle(1000)));
        assert_eq!(place("tile/1/x001/x234/067"), Some(Place::Tile(1, 1_234_067)));
        for path in [
            "README",
            "tail/ff.json",
            "tail/FE.json",
            "tail/1.json",
            "tail/00",
            "tile/entries/1",
            "tile/entries/x000/001",
            "tile/entries/001.p/7",
            "tile/8/000",
            "tile/00/000",
            "tile/+0/000",
            "tile/0/+01",
            "tile/0",
            "tile/0/",
            "tile/entries/1000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }

    #[test]
    fn only_folders_of_a_log_are_entered() {
        for path in ["tail", "tile", "tile/entries", "tile/7", "tile/0/x001", "tile/entries/x281/x474/x976/x710"] {
            assert!(is_folder(path), "{path}");
        }
        for path in ["", "docs", "tail/00", "tile/8", "tile/+1", "tile/0/001", "tile/0/x1", "tile/0/x00a"] {
            assert!(!is_folder(path), "{path}");
        }
        assert!(!is_folder("tile/0/x000/x000/x000/x000/x000"));
    }

    #[test]
    fn gaps_are_what_is_not_there() {
        assert_eq!(gaps([0, 1, 4].into_iter(), 0, 7), [(2, 4), (5, 7)]);
        assert_eq!(gaps([].into_iter(), 0, 0), []);
        assert_eq!(gaps([3].into_iter(), 3, 4), []);
    }
}
