//! Appending: a record under the write lock, then one sync that many waiting writers share.

use std::fs::File;

use crate::receipts::Hash;
use crate::receipts::log::LogId;
use crate::receipts::merkle::{Frontier, leaf_hash};
use crate::receipts::tiles::{MAX_ENTRY_BYTES, TileError};

use super::error::LedgerError;
use super::files::Synced;
use super::lock::Patience;
use super::wal::{Record, Scan, WalHeader, scan};
use super::{Writer, sign};

pub type CallerError = Box<dyn std::error::Error + Send + Sync>;

/// Makes the next envelope of a batch, or ends it.
pub type BatchMaker<'a> = dyn FnMut(&Position<'_>) -> Result<Option<Vec<u8>>, CallerError> + 'a;

/// The place in the log that the next envelope takes.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    pub log: &'a LogId,
    pub genesis: &'a Hash,
    pub index: u64,
    /// The log's last envelope so far.
    pub last: Option<&'a [u8]>,
}

/// Durable from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Of the first envelope; the others follow it.
    pub index: u64,
    pub count: u64,
}

/// The log as of some end of its write-ahead log.
#[derive(Debug)]
pub(super) struct Head {
    wal: WalHeader,
    end: u64,
    frontier: Frontier,
    last: Option<Vec<u8>>,
    discards: u64,
}

impl Writer<'_> {
    /// Appends the envelope that `make` returns. `time` (seconds since 1970) dates the commit that takes it into git.
    pub fn append(
        &mut self,
        time: i64,
        make: &mut dyn FnMut(&Position<'_>) -> Result<Vec<u8>, CallerError>,
    ) -> Result<Appended, LedgerError> {
        let mut done = false;
        self.append_batch(time, &mut |position| {
            if done {
                return Ok(None);
            }
            done = true;
            make(position).map(Some)
        })
    }

    /// Appends what `make` returns until it returns `None`: all of it or nothing, with one sync.
    pub fn append_batch(&mut self, time: i64, make: &mut BatchMaker<'_>) -> Result<Appended, LedgerError> {
        let (appended, ticket) = self.write_records(time, make)?;
        self.make_durable(&ticket)?;
        Ok(appended)
    }

    fn write_records(&mut self, time: i64, make: &mut BatchMaker<'_>) -> Result<(Appended, Ticket), LedgerError> {
        let signer = self.signer.expect("invariant: only `Ledger::writer` hands out a writer");
        let genesis = self.genesis()?;
        let disk = self.disk();
        let held = self.files.write.take(self.ledger.options.patience)?;
        let Some((file, wal)) = self.files.open_wal()? else {
            return Err(LedgerError::Wal {
                path: self.files.wal_path(),
                offset: 0,
                reason: "its header is gone since this log was opened".to_owned(),
            });
        };
        let mut head = load_head(self, self.head.as_ref(), &file, &wal)?;
        let index = head.frontier.size();
        let mut bytes = Vec::new();
        let mut waiting: Option<Record> = None;
        loop {
            let next = head.frontier.size();
            let position = Position { log: &self.id, genesis: &genesis, index: next, last: head.last.as_deref() };
            let Some(envelope) = make(&position).map_err(LedgerError::Caller)? else { break };
            if envelope.is_empty() || envelope.len() > MAX_ENTRY_BYTES {
                return Err(TileError::EntryTooLong { bytes: envelope.len() }.into());
            }
            head.frontier.push(leaf_hash(&envelope));
            head.last = Some(envelope.clone());
            if let Some(record) = waiting.replace(Record { index: next, time, envelope, checkpoint: Vec::new() }) {
                record.encode(&mut bytes);
            }
        }
        let mut record = waiting.ok_or(LedgerError::EmptyBatch)?;
        record.checkpoint = sign(&self.id, &head.frontier, signer)?.into_bytes();
        record.encode(&mut bytes);

        let start = head.end;
        let path = self.files.wal_path();
        let length = file.metadata().map_err(LedgerError::io("read", &path))?.len();
        if length > start {
            disk.truncate(&file, start).map_err(LedgerError::io("cut the torn tail of", &path))?;
        }
        if let Err(error) = disk.write(&file, start, &bytes) {
            // Best effort: what stays is a torn tail, which the next append cuts.
            let _ = disk.truncate(&file, start);
            return Err(LedgerError::io("write", &path)(error));
        }
        head.end = start + bytes.len() as u64;
        let ticket = Ticket { file, base: wal.base, end: head.end, discards: head.discards };
        let appended = Appended { index, count: head.frontier.size() - index };
        drop(held);
        self.head = Some(head);
        Ok((appended, ticket))
    }

    fn genesis(&mut self) -> Result<Hash, LedgerError> {
        if let Some(genesis) = self.genesis {
            return Ok(genesis);
        }
        let genesis = self.ledger.log(&self.id)?.header()?.genesis();
        self.genesis = Some(genesis);
        Ok(genesis)
    }

    /// Returns when everything up to the ticket's end is on the medium: synced by us, or by another that waited too.
    fn make_durable(&mut self, ticket: &Ticket) -> Result<(), LedgerError> {
        let mut patience = Patience::new(self.patience());
        loop {
            let synced = self.files.synced();
            if synced.discards == ticket.discards && ticket.is_covered_by(synced) {
                return Ok(());
            }
            if let Some(_held) = self.files.sync.try_take()? {
                return self.sync_for_all(ticket);
            }
            if !patience.pause() {
                return Err(self.files.sync.refusal(self.patience()));
            }
        }
    }

    /// The sync lock is held.
    fn sync_for_all(&self, ticket: &Ticket) -> Result<(), LedgerError> {
        let path = self.files.wal_path();
        let synced = self.files.synced();
        if synced.discards != ticket.discards {
            return Err(LedgerError::SyncLost { path });
        }
        if ticket.is_covered_by(synced) {
            return Ok(());
        }
        // Under the write lock the file holds whole records only.
        let length = {
            let _held = self.files.write.take(self.patience())?;
            ticket.file.metadata().map_err(LedgerError::io("read", &path))?.len()
        };
        if length < ticket.end {
            return Err(LedgerError::SyncLost { path });
        }
        match self.disk().sync(&ticket.file) {
            Ok(()) => {
                self.files.set_synced(Synced { base: ticket.base, offset: length, ..synced });
                Ok(())
            }
            Err(error) => {
                self.discard_unsynced(ticket, synced)?;
                Err(LedgerError::io("sync", &path)(error))
            }
        }
    }

    /// After a failed sync nobody knows what the medium holds, and a second sync may lie: nothing unsynced may stay.
    fn discard_unsynced(&self, ticket: &Ticket, synced: Synced) -> Result<(), LedgerError> {
        let _held = self.files.write.take(self.patience())?;
        let start = if synced.base == ticket.base && synced.offset > 0 { synced.offset } else { return Ok(()) };
        // Best effort: the caller hears of the failed sync either way.
        let _ = self.disk().truncate(&ticket.file, start);
        self.files.set_synced(Synced { discards: synced.discards + 1, ..synced });
        Ok(())
    }
}

/// A record that waits to be durable.
#[derive(Debug)]
struct Ticket {
    /// Opened before the write, so that a failed sync is reported on it even if another process saw it first.
    file: File,
    base: u64,
    end: u64,
    discards: u64,
}

impl Ticket {
    /// A write-ahead log is only ever replaced by one that is synced whole.
    fn is_covered_by(&self, synced: Synced) -> bool {
        synced.base > self.base || (synced.base == self.base && synced.offset >= self.end)
    }
}

/// The newest head: the last one known with what was appended since, else the tip with the log behind it.
fn load_head(writer: &Writer<'_>, known: Option<&Head>, file: &File, wal: &WalHeader) -> Result<Head, LedgerError> {
    let path = writer.files.wal_path();
    let length = file.metadata().map_err(LedgerError::io("read", &path))?.len();
    let discards = writer.files.synced().discards;
    let (mut head, from) = match known {
        Some(known) if known.wal == *wal && known.discards == discards && known.end <= length => {
            let head = Head {
                wal: wal.clone(),
                end: known.end,
                frontier: known.frontier.clone(),
                last: known.last.clone(),
                discards,
            };
            (head, known.end)
        }
        _ => {
            let tip = writer.read_tip()?;
            let from = tip.wal_offset(wal);
            let last = writer.ledger.log(&writer.id)?.last_envelope()?;
            (Head { wal: wal.clone(), end: from, frontier: tip.frontier, last, discards }, from)
        }
    };
    if length < from {
        return Err(LedgerError::Wal {
            path,
            offset: length,
            reason: format!("it ends before byte {from}, which the newest commit names"),
        });
    }
    let found = scan(&writer.files.read_wal(file, from, length)?, from);
    head.end = found.end;
    for record in pending(found, head.frontier.size(), &path)? {
        head.frontier.push(leaf_hash(&record.envelope));
        head.last = Some(record.envelope);
    }
    Ok(head)
}

/// The records from index `size` on, which must follow each other.
pub(super) fn pending(found: Scan, size: u64, path: &std::path::Path) -> Result<Vec<Record>, LedgerError> {
    let mut next = size;
    let mut records = Vec::new();
    for (record, end) in found.records {
        if record.index > next {
            let damage = found.corrupt.first();
            return Err(LedgerError::Wal {
                path: path.to_path_buf(),
                offset: damage.map_or(end, |damage| damage.offset),
                reason: format!(
                    "receipts {next} to {} are missing{}",
                    record.index - 1,
                    damage.map_or(String::new(), |damage| format!(": {}", damage.reason))
                ),
            });
        }
        if record.index == next {
            next += 1;
            records.push(record);
        }
    }
    Ok(records)
}
