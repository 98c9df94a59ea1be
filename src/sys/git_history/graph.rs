//! All commits that some tips lead to, with their parents and dates, remembered beside the ledger.
//!
//! A commit never changes, so what was read once holds for ever; only what is new is read again. What git itself may
//! change under the same id (replacements) is part of what the file was made with, and shallow clones are not remembered.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use git2::{ObjectType, Oid, Repository};
use sha2::{Digest as _, Sha256};

use super::super::files::{self, Access};
use super::{cache, raw};

const HEADER: &[u8] = b"bizra-history/v1\n";
/// As many commits are read before the repository is opened anew.
const AT_ONCE: usize = 8192;
/// The date of a commit that has none that can be read.
const UNDATED: i64 = i64::MIN;
/// The date of a commit that is not there.
const ABSENT: i64 = i64::MIN + 1;

#[derive(Default)]
pub(super) struct Graph {
    ids: Vec<Oid>,
    times: Vec<i64>,
    /// Where each commit's parents begin in `parents`; one more than there are commits.
    starts: Vec<u32>,
    parents: Vec<u32>,
    numbers: HashMap<Oid, u32>,
}

/// What is reached, by the numbers of commits.
pub(super) struct Reached(Vec<bool>);

/// Where graphs come from.
pub(super) struct Graphs<'a> {
    /// Opens the repository anew.
    pub(super) open: &'a dyn Fn() -> Option<Repository>,
    pub(super) replaced: &'a HashMap<Oid, Oid>,
    pub(super) shallow: &'a HashSet<Oid>,
    pub(super) folder: &'a Path,
}

impl Graphs<'_> {
    /// The graph that holds these tips, from memory as far as that goes.
    pub(super) fn reaching(&self, tips: impl Iterator<Item = Oid>) -> Graph {
        let path = cache(self.folder);
        let made_with = self.made_with();
        let remembers = self.shallow.is_empty();
        let known = remembers.then(|| files::read_if_there(&path).ok().flatten()).flatten();
        let mut graph = known.and_then(|bytes| Graph::read(&bytes, &made_with)).unwrap_or_default();
        let before = graph.ids.len();
        self.extend(&mut graph, tips);
        if remembers && graph.ids.len() > before && graph.missing() == 0 {
            // A repository that can't be written is still read; the next run reads it again.
            let folder = path.parent().unwrap_or(self.folder);
            let _ = std::fs::create_dir_all(folder);
            let _ = files::replace(&path, &graph.written(&made_with), Access::Everyone);
        }
        graph
    }

    fn made_with(&self) -> [u8; 32] {
        let mut pairs: Vec<(&Oid, &Oid)> = self.replaced.iter().collect();
        pairs.sort();
        let mut hash = Sha256::new();
        for (of, by) in pairs {
            hash.update(of.as_bytes());
            hash.update(by.as_bytes());
        }
        hash.finalize().into()
    }

    /// Adds what is not there yet, each commit after a way to it was found.
    fn extend(&self, graph: &mut Graph, tips: impl Iterator<Item = Oid>) {
        let mut fresh: Vec<Oid> = Vec::new();
        for tip in tips {
            graph.number(tip, &mut fresh);
        }
        let mut repository = None;
        let mut at = 0;
        while at < fresh.len() {
            // Every object that was read stays in memory as long as the repository is open.
            if at % AT_ONCE == 0 {
                repository = (self.open)();
            }
            let oid = fresh[at];
            at += 1;
            let (parents, time) = self.look_up(repository.as_ref(), oid);
            graph.times.push(time);
            for parent in parents {
                let number = graph.number(parent, &mut fresh);
                graph.parents.push(number);
            }
            graph.starts.push(u32::try_from(graph.parents.len()).unwrap_or(u32::MAX));
        }
    }

    fn look_up(&self, repository: Option<&Repository>, oid: Oid) -> (Vec<Oid>, i64) {
        let Some(odb) = repository.and_then(|repository| repository.odb().ok()) else { return (Vec::new(), ABSENT) };
        let object = odb.read(*self.replaced.get(&oid).unwrap_or(&oid));
        let Some(object) = object.ok().filter(|object| object.kind() == ObjectType::Commit) else {
            return (Vec::new(), ABSENT);
        };
        let commit = raw::Commit::read(object.data());
        let time = commit.time().filter(|time| *time > ABSENT).unwrap_or(UNDATED);
        let parents = if self.shallow.contains(&oid) { Vec::new() } else { commit.parents };
        (parents, time)
    }
}

impl Graph {
    /// The number of a commit, which is given out in the order of `fresh`.
    fn number(&mut self, oid: Oid, fresh: &mut Vec<Oid>) -> u32 {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(oid).or_insert_with(|| {
            self.ids.push(oid);
            fresh.push(oid);
            next
        })
    }

    fn parents_of(&self, number: u32) -> &[u32] {
        let at = number as usize;
        &self.parents[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    pub(super) fn parents(&self, oid: Oid) -> usize {
        self.numbers.get(&oid).map_or(0, |number| self.parents_of(*number).len())
    }

    pub(super) fn first_parent(&self, oid: Oid) -> Option<Oid> {
        let parent = self.parents_of(*self.numbers.get(&oid)?).first()?;
        Some(self.ids[*parent as usize])
    }

    pub(super) fn missing(&self) -> usize {
        self.times.iter().filter(|time| **time == ABSENT).count()
    }

    pub(super) fn reached_from(&self, tips: &[Oid]) -> Reached {
        let mut reached = vec![false; self.ids.len()];
        let mut open: Vec<u32> = tips.iter().filter_map(|tip| self.numbers.get(tip).copied()).collect();
        while let Some(number) = open.pop() {
            if !std::mem::replace(&mut reached[number as usize], true) {
                open.extend(self.parents_of(number));
            }
        }
        Reached(reached)
    }

    pub(super) fn is_reached(&self, reached: &Reached, oid: Oid) -> bool {
        self.numbers.get(&oid).is_some_and(|number| reached.0[*number as usize])
    }

    /// Every commit that is reached and there, with its date.
    pub(super) fn dated<'a>(&'a self, reached: &'a Reached) -> impl Iterator<Item = (Oid, Option<i64>)> + 'a {
        let there = (0..self.ids.len()).filter(|n| reached.0[*n] && self.times[*n] != ABSENT);
        there.map(|n| (self.ids[n], Some(self.times[n]).filter(|time| *time != UNDATED)))
    }

    /// The newest commit of a line of first parents that is older than `time`.
    pub(super) fn first_parent_before(&self, tip: Oid, time: i64) -> Option<Oid> {
        let mut number = *self.numbers.get(&tip)?;
        while self.times[number as usize] >= time {
            number = *self.parents_of(number).first()?;
        }
        (self.times[number as usize] != ABSENT).then(|| self.ids[number as usize])
    }

    fn written(&self, made_with: &[u8; 32]) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.ids.len() * 36);
        body.extend_from_slice(made_with);
        body.extend((self.ids.len() as u32).to_le_bytes());
        for (number, oid) in (0u32..).zip(&self.ids) {
            body.extend_from_slice(oid.as_bytes());
            body.extend(self.times[number as usize].to_le_bytes());
            let parents = self.parents_of(number);
            body.extend((parents.len() as u32).to_le_bytes());
            parents.iter().for_each(|parent| body.extend(parent.to_le_bytes()));
        }
        let digest: [u8; 32] = Sha256::digest(&body).into();
        [HEADER, &body, &digest].concat()
    }

    /// None where the file is damaged, or was made with other replacements.
    fn read(bytes: &[u8], made_with: &[u8; 32]) -> Option<Graph> {
        let rest = bytes.strip_prefix(HEADER)?;
        let (body, digest) = rest.split_at_checked(rest.len().checked_sub(32)?)?;
        let actual: [u8; 32] = Sha256::digest(body).into();
        let mut from = Bytes(body);
        if actual != digest || from.take(32)? != made_with {
            return None;
        }
        let count = u32::from_le_bytes(from.array()?);
        let mut graph = Graph::default();
        graph.starts.push(0);
        for number in 0..count {
            let oid = Oid::from_bytes(from.take(20)?).ok()?;
            graph.ids.push(oid);
            graph.times.push(i64::from_le_bytes(from.array()?));
            for _ in 0..u32::from_le_bytes(from.array()?) {
                let parent = u32::from_le_bytes(from.array()?);
                graph.parents.push((parent < count).then_some(parent)?);
            }
            graph.starts.push(u32::try_from(graph.parents.len()).ok()?);
            graph.numbers.insert(oid, number);
        }
        from.0.is_empty().then_some(graph)
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_damage_is_seen() {
        let oid = |n: u8| Oid::from_bytes(&[n; 20]).expect("twenty bytes");
        let mut graph = Graph::default();
        let mut fresh = Vec::new();
        graph.number(oid(1), &mut fresh);
        graph.number(oid(2), &mut fresh);
        graph.times = vec![-7, 1 << 40];
        graph.parents = vec![1];
        graph.starts = vec![0, 1, 1];
        let bytes = graph.written(&[3; 32]);
        let read = Graph::read(&bytes, &[3; 32]).expect("it is whole");
        assert_eq!((read.ids, read.times, read.parents), (graph.ids, graph.times, graph.parents));
        assert!(Graph::read(&bytes, &[4; 32]).is_none(), "other replacements");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Graph::read(&damaged, &[3; 32]).is_none(), "byte {at}");
            assert!(Graph::read(&bytes[..at], &[3; 32]).is_none(), "cut at {at}");
        }
    }
}
