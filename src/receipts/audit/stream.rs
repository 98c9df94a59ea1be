//! Reading all entries: chunks side by side on several threads, their results in the log's order.
//!
//! Thread `n` of `t` takes the chunks `n`, `n + t`, … and hands each over a short queue, so memory does not grow with the
//! log and what is found does not depend on the number of threads.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use super::super::Hash;
use super::super::finding::{Code, Finding};
use super::super::log::LogId;
use super::super::merkle::leaf_hash;
use super::super::policy::Trust;
use super::super::tiles::{WIDTH, bundle_entries, full_tile, tile_path};
use super::layout::Chunk;
use super::receipt::{Judge, Link};
use super::source::{Fault, Source};

const QUEUE: usize = 4;

/// What one chunk held.
pub(super) struct Read {
    pub(super) chunk: Chunk,
    /// An entry each, from the chunk's first on; `None` for one that is no receipt.
    pub(super) links: Vec<Option<Link>>,
    /// All of the chunk's leaf hashes, from the tile where entries are missing.
    pub(super) leaves: Option<Vec<Hash>>,
    pub(super) findings: Vec<Finding>,
    pub(super) faults: Vec<Fault>,
}

pub(super) struct Reader<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) log: &'a LogId,
    pub(super) genesis: Hash,
    pub(super) trust: Option<&'a Trust>,
}

impl Reader<'_> {
    /// Calls `take` for each chunk in order, until it breaks. Whether all were read.
    pub(super) fn read_all(
        &self,
        chunks: &[Chunk],
        threads: NonZeroUsize,
        take: &mut dyn FnMut(Read) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let threads = threads.get().min(chunks.len().max(1));
        std::thread::scope(|scope| {
            let queues: Vec<_> = (0..threads)
                .map(|first| {
                    let (send, receive) = sync_channel(QUEUE);
                    scope.spawn(move || {
                        let mut judge = Judge::new(self.log, self.genesis, self.trust);
                        for chunk in chunks.iter().skip(first).step_by(threads) {
                            if send.send(self.read(chunk, &mut judge)).is_err() {
                                return;
                            }
                        }
                    });
                    receive
                })
                .collect();
            for queue in queues.iter().cycle().take(chunks.len()) {
                let read = queue.recv().expect("invariant: a thread sends every chunk of its own");
                take(read)?;
            }
            ControlFlow::Continue(())
        })
    }

    fn read(&self, chunk: &Chunk, judge: &mut Judge<'_>) -> Read {
        let mut read =
            Read { chunk: *chunk, links: Vec::new(), leaves: None, findings: Vec::new(), faults: Vec::new() };
        judge.begin_chunk();
        let mut leaves = Vec::new();
        match chunk.object.map(|object| self.source.blob(object)) {
            Some(Ok(bytes)) => self.read_entries(&bytes, judge, &mut read, &mut leaves),
            Some(Err(fault)) => tell(&fault, chunk.path(), chunk.first, &mut read),
            None => {}
        }
        let stored = self.stored_hashes(chunk, &mut read);
        if let Some(stored) = &stored {
            let differs = leaves.iter().zip(stored).position(|(ours, theirs)| ours != theirs);
            if let Some(at) = differs {
                let index = chunk.first + at as u64;
                let detail = format!("the tile's hash of receipt {index} is not that of its bytes");
                let path = tile_path(0, chunk.first / WIDTH);
                read.findings.push(Finding::new(Code::TileMismatch, detail).at_index(index).at_path(path));
            }
            leaves.extend(stored.iter().skip(leaves.len()));
        }
        read.leaves = (leaves.len() as u64 == chunk.count).then_some(leaves);
        read
    }

    fn read_entries(&self, bytes: &[u8], judge: &mut Judge<'_>, read: &mut Read, leaves: &mut Vec<Hash>) {
        let chunk = read.chunk;
        let mut entry = |bytes: &[u8], read: &mut Read| {
            let index = chunk.first + leaves.len() as u64;
            leaves.push(leaf_hash(bytes));
            let link = judge.judge(index, bytes, &mut |finding| {
                read.findings.push(Finding { path: finding.path.clone().or_else(|| Some(chunk.path())), ..finding });
            });
            read.links.push(link);
        };
        if chunk.is_tail {
            return entry(bytes, read);
        }
        let mut count = 0;
        let mut malformed = None;
        for item in bundle_entries(bytes) {
            match item {
                Ok(bytes) if count < WIDTH => entry(bytes, read),
                Ok(_) => {}
                Err(error) => malformed = Some(error.to_string()),
            }
            count += 1;
        }
        if malformed.is_none() && count != WIDTH {
            malformed = Some(format!("bundle has {count} entries; a full one has {WIDTH}"));
        }
        if let Some(detail) = malformed {
            let finding = Finding::new(Code::BundleMalformed, detail).at_index(chunk.first);
            read.findings.push(finding.at_path(chunk.path()));
        }
    }

    fn stored_hashes(&self, chunk: &Chunk, read: &mut Read) -> Option<Vec<Hash>> {
        let path = tile_path(0, chunk.first / WIDTH);
        match self.source.blob(chunk.tile?) {
            Ok(bytes) => match full_tile(&path, &bytes) {
                Ok(hashes) => return Some(hashes.to_vec()),
                Err(error) => read.findings.push(Finding::new(Code::TileMismatch, error.to_string()).at_path(path)),
            },
            Err(fault) => tell(&fault, path, chunk.first, read),
        }
        None
    }
}

fn tell(fault: &Fault, path: String, index: u64, read: &mut Read) {
    match fault.finding() {
        Some(finding) => read.findings.push(finding.at_index(index).at_path(path)),
        None => read.faults.push(fault.clone()),
    }
}
