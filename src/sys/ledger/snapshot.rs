//! A log as its own key signed it: what everyone needs who takes its receipts for evidence.
//!
//! Nobody without the log's key may remove a receipt, put another in its place, or cut the log below a pin, and have
//! that pass. An audit looks at much more, and says what is wrong where this only refuses.

use std::time::Duration;

use crate::receipts::checkpoint::{Checkpoint, NoteVerifier};
use crate::receipts::finding::{Code, Finding};
use crate::receipts::log::{LogHeader, LogId};
use crate::receipts::merkle::{Frontier, empty_root, leaf_hash, prove_consistency, verify_consistency};
use crate::receipts::pin::{self, PinnedLog};
use crate::receipts::tiles::TreeNodes;

use super::error::LedgerError;
use super::wal::Record;
use super::{Ledger, Log};

/// How often a log is opened anew while another process takes its write-ahead log into git.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    pub log: Log<'a>,
    pub header: LogHeader,
    /// Over the receipts in git.
    pub checkpoint: Checkpoint,
    /// What only the write-ahead log has, in the order that its checkpoints sign.
    pub pending: Vec<Record>,
    verifier: NoteVerifier,
    /// After each batch of the write-ahead log.
    later: Vec<Checkpoint>,
}

impl Ledger {
    /// A log at one moment, its signatures checked. Receipts in git are not read for it.
    pub fn snapshot(&self, id: &LogId) -> Result<Snapshot<'_>, LedgerError> {
        for _ in 0..TRIES {
            let log = self.log(id)?;
            let size = log.size()?;
            if log.wal_behind(size)?.base <= size {
                return Snapshot::of(log);
            }
            std::thread::sleep(PAUSE);
        }
        Snapshot::of(self.log(id)?)
    }
}

impl<'a> Snapshot<'a> {
    fn of(log: Log<'a>) -> Result<Self, LedgerError> {
        let broken = |reason: String| LedgerError::Broken { id: log.id().clone(), reason };
        let header = log.header()?;
        if header.id() != *log.id() {
            return Err(broken(format!("its header is that of log {}", header.id())));
        }
        let verifier = header.verifier()?;
        let checkpoint = Checkpoint::open(&log.checkpoint()?, &verifier)?;
        let mut frontier = Frontier::decode(&log.frontier()?)?;
        if (frontier.size(), frontier.root()) != (checkpoint.size, checkpoint.root) {
            return Err(broken("its frontier is not what its checkpoint was signed over".to_owned()));
        }
        let wal = log.wal_behind(checkpoint.size)?;
        if wal.base > checkpoint.size {
            let (wal, got) = (wal.base, checkpoint.size);
            return Err(broken(format!("it is shorter than what its write-ahead log stands on: wal={wal} got={got}")));
        }
        let mut later = Vec::new();
        for record in &wal.pending {
            if record.index != frontier.size() {
                let (next, found) = (frontier.size(), record.index);
                return Err(broken(format!("after receipt {next} of its write-ahead log comes {found}")));
            }
            frontier.push(leaf_hash(&record.envelope));
            if record.checkpoint.is_empty() {
                continue;
            }
            let signed = Checkpoint::open(&record.checkpoint, &verifier)?;
            if (signed.size, signed.root) != (frontier.size(), frontier.root()) {
                return Err(broken(format!("receipt {} of its write-ahead log is not what was signed", record.index)));
            }
            later.push(signed);
        }
        Ok(Self { header, checkpoint, pending: wal.pending, verifier, later, log })
    }

    /// Refuses receipts in git other than those that the checkpoint was signed over; `read` is made of all that are there.
    pub fn signed_over(&self, read: &Frontier) -> Result<(), LedgerError> {
        if (read.size(), read.root()) == (self.checkpoint.size, self.checkpoint.root) {
            return Ok(());
        }
        let reason = "its receipts are not those that its checkpoint was signed over".to_owned();
        Err(LedgerError::Broken { id: self.log.id().clone(), reason })
    }

    /// What pins say against it.
    pub fn against(&self, pinned: &PinnedLog) -> Vec<Finding> {
        if *pinned.verifier() != self.verifier {
            let detail = format!("the log is pinned under another key, {}", pinned.verifier());
            return vec![Finding::new(Code::CheckpointKey, detail).at_path(pin::FILE_NAME)];
        }
        let newest = self.later.last().unwrap_or(&self.checkpoint);
        pinned.judge(newest, |old| self.continues(old))
    }

    /// Whether `old` is a beginning of it: proven from the tiles, which nobody has to believe for that.
    fn continues(&self, old: &Checkpoint) -> bool {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        if old.size == 0 {
            return old.root == empty_root();
        }
        if old.size >= *size {
            let mut all = self.later.iter().chain([&self.checkpoint]);
            return all.any(|known| (known.size, known.root) == (old.size, old.root));
        }
        let files = self.log.files();
        let proof = prove_consistency(&TreeNodes { files: &files, size: *size }, old.size, *size);
        proof.is_ok_and(|proof| verify_consistency(&proof, old.size, &old.root, *size, root).is_ok())
    }
}
