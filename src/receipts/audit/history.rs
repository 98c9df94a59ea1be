//! A log's commits: further evidence beside its newest tree. They show growth, or that somebody rewrote it.

use super::super::Hash;
use super::super::checkpoint::{Checkpoint, NoteVerifier};
use super::super::finding::{Code, Finding};
use super::Fork;
use super::source::{Commit, Fault, ObjectName, Source, Wal};

/// The commits that say a size, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    commits: Vec<(u64, ObjectName)>,
    next: usize,
    /// The newest commit, where it says a size.
    tip: Option<(u64, ObjectName)>,
}

impl History {
    pub(super) fn read(
        source: &dyn Source,
        wal: Option<&Wal>,
        say: &mut dyn FnMut(Finding),
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut commits = Vec::new();
        let mut newer: Option<(u64, ObjectName)> = None;
        let mut oldest: Option<Commit> = None;
        let mut tip = None;
        let mut broken = false;
        let mut base = wal.and_then(|wal| wal.base).map(|(commit, _)| commit);
        source.history(&mut |commit| {
            let commit = match commit {
                Ok(commit) => commit,
                Err(fault) => {
                    broken = true;
                    match fault.finding() {
                        Some(finding) => say(finding.at_path("history")),
                        None => faults.push(fault),
                    }
                    return;
                }
            };
            let name = commit.name;
            tip.get_or_insert(name);
            base = base.filter(|base| *base != name);
            if commit.parents.len() > 1 {
                let detail =
                    format!("commit {name} has {} parents; a log only grows by one line", commit.parents.len());
                say(Finding::new(Code::HistoryMerge, detail));
            }
            match (commit.size, newer) {
                (None, _) => {
                    let detail = format!("commit {name} does not say its log's size");
                    say(Finding::new(Code::HistoryInconsistent, detail));
                }
                (Some(size), Some((grown, child))) if size >= grown => {
                    let detail = format!("commit {child} has {grown} entries, its parent {name} has {size}");
                    say(Finding::new(Code::HistoryInconsistent, detail));
                }
                _ => {}
            }
            if let Some(size) = commit.size {
                newer = Some((size, name));
                commits.push((size, name));
            }
            oldest = Some(commit);
        });
        let cut = oldest.as_ref().is_some_and(|commit| source.is_shallow_at(commit.name));
        if let Some(commit) = oldest.filter(|_| !broken) {
            let size = commit.size.unwrap_or_default();
            if cut {
                let detail = format!("this copy's history begins at commit {}, {size} entries in", commit.name);
                say(Finding::new(Code::HistoryShallow, detail));
            } else if size > 0 {
                let detail = format!("the first commit, {}, already has {size} entries", commit.name);
                say(Finding::new(Code::HistoryRewritten, detail));
            }
        }
        if let Some(base) = base.filter(|_| !broken && !cut) {
            let detail = format!("the write-ahead log stands on commit {base}, which the history does not have");
            say(Finding::new(Code::HistoryRewritten, detail));
        }
        let said_by_tip = commits.first().copied().filter(|(_, name)| Some(*name) == tip);
        // The tip's own checkpoint is the log's.
        let mut commits: Vec<_> = commits.into_iter().filter(|(_, name)| Some(*name) != tip).collect();
        commits.reverse();
        commits.sort_by_key(|(size, _)| *size);
        Self { commits, next: 0, tip: said_by_tip }
    }

    /// The newest commit must say the size of its own tree: of its entries, or of its checkpoint where these disagree.
    pub(super) fn check_tip(&self, entries: u64, checkpoint: Option<&Checkpoint>) -> Option<Finding> {
        let (said, name) = self.tip?;
        let holds = said == entries || checkpoint.is_some_and(|checkpoint| checkpoint.size == said);
        (!holds).then(|| {
            let detail = format!("commit {name} says {said} entries, and its tree has {entries}");
            Finding::new(Code::HistoryInconsistent, detail)
        })
    }

    /// The next size at which [`History::check`] wants to know the root.
    pub(super) fn next_size(&self) -> Option<u64> {
        self.commits.get(self.next).map(|(size, _)| *size)
    }

    /// Commits of sizes below `size` are behind what is read.
    pub(super) fn skip_to(&mut self, size: u64) {
        self.next = self.commits.partition_point(|(other, _)| *other < size);
    }

    /// Compares the checkpoints that were committed at `size` with the root that the entries have there.
    pub(super) fn check(
        &mut self,
        size: u64,
        root: &Hash,
        known: &Known<'_>,
        say: &mut dyn FnMut(Finding),
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        while let Some((at, commit)) = self.commits.get(self.next).copied().filter(|(at, _)| *at <= size) {
            self.next += 1;
            if at == size {
                check_commit(commit, size, root, known, say, &mut faults);
            }
        }
        faults
    }
}

/// What commits are compared with.
pub(super) struct Known<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) verifier: Option<&'a NoteVerifier>,
    /// The newest tree's checkpoint, as opened and as written.
    pub(super) current: Option<(&'a Checkpoint, &'a str)>,
    pub(super) forks: &'a std::cell::RefCell<Vec<Fork>>,
}

fn check_commit(
    commit: ObjectName,
    size: u64,
    root: &Hash,
    known: &Known<'_>,
    say: &mut dyn FnMut(Finding),
    faults: &mut Vec<Fault>,
) {
    let mut inconsistent = |detail: String| say(Finding::new(Code::HistoryInconsistent, detail));
    let note = match known.source.checkpoint_at(commit) {
        Ok(Some(note)) => note,
        Ok(None) => return inconsistent(format!("commit {commit} has no checkpoint")),
        Err(fault) => {
            return match fault.finding() {
                Some(finding) => say(finding.at_path("history")),
                None => faults.push(fault),
            };
        }
    };
    let Ok(checkpoint) = Checkpoint::parse_unverified(&note) else {
        return inconsistent(format!("commit {commit} has a checkpoint that cannot be read"));
    };
    if checkpoint.size != size {
        return inconsistent(format!("commit {commit} says {size} entries, its checkpoint {}", checkpoint.size));
    }
    if checkpoint.root == *root {
        return;
    }
    let signed = known.verifier.is_some_and(|verifier| Checkpoint::open(&note, verifier).is_ok());
    match known.current.filter(|(current, _)| signed && current.size == size && current.root != checkpoint.root) {
        Some((current, current_note)) => {
            let notes = [current_note.to_owned(), String::from_utf8_lossy(&note).into_owned()];
            let fork = Fork { size, roots: [current.root, checkpoint.root], notes };
            say(Finding::new(Code::Fork, format!("{fork}, the other in commit {commit}")).at_index(size));
            known.forks.borrow_mut().push(fork);
        }
        None => inconsistent(format!("commit {commit} had another root at {size} entries")),
    }
}
