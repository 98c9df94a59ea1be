//! Receipts read from a ledger's logs: newest first across logs, or one by its id.

use super::super::pick::{by_start, check_start};
use crate::error::{Error, Result};
use crate::receipts::log::LogId;
use crate::receipts::receipt::Receipt;
use crate::receipts::tiles::WIDTH;
use crate::sys::ledger::{Ledger, Log};

/// One log from its end to its beginning, a bundle at a time; what is durable and not in git yet comes first.
struct Backwards<'a> {
    log: Log<'a>,
    /// Entries before this index are still to come.
    next: u64,
    ready: Vec<Receipt>,
}

impl<'a> Backwards<'a> {
    fn new(log: Log<'a>) -> Result<Self> {
        let next = log.size()?;
        let pending = log.wal()?.pending;
        let ready = pending.into_iter().map(|r| Receipt::read(log.id(), r.index, r.envelope)).collect();
        Ok(Backwards { log, next, ready })
    }

    fn peek(&mut self) -> Result<Option<&Receipt>> {
        if self.ready.is_empty() && self.next > 0 {
            let first = (self.next - 1) / WIDTH * WIDTH;
            for bundle in self.log.bundles(first..self.next)? {
                for (index, entry) in bundle?.entries() {
                    if index < self.next {
                        self.ready.push(Receipt::read(self.log.id(), index, entry?.to_vec()));
                    }
                }
            }
            self.next = first;
        }
        Ok(self.ready.last())
    }
}

/// Every receipt of every log, newest first by its own time; within a log, always in the log's order.
pub(in crate::cli) struct NewestFirst<'a>(Vec<Backwards<'a>>);

impl<'a> NewestFirst<'a> {
    pub(in crate::cli) fn of(ledger: &'a Ledger, only: Option<&LogId>) -> Result<Self> {
        let mut logs = Vec::new();
        for id in ledger.logs()? {
            if only.is_none_or(|only| *only == id) {
                logs.push(Backwards::new(ledger.log(&id)?)?);
            }
        }
        Ok(NewestFirst(logs))
    }

    pub(in crate::cli) fn next(&mut self) -> Result<Option<Receipt>> {
        let mut newest: Option<(Option<jiff::Timestamp>, usize)> = None;
        for (at, log) in self.0.iter_mut().enumerate() {
            if let Some(receipt) = log.peek()? {
                let time = receipt.time();
                if newest.is_none_or(|(best, _)| time > best) {
                    newest = Some((time, at));
                }
            }
        }
        Ok(newest.and_then(|(_, at)| self.0[at].ready.pop()))
    }
}

/// The receipt whose id begins with `prefix`.
pub(in crate::cli) fn find(ledger: &Ledger, prefix: &str) -> Result<Receipt> {
    check_start("receipt", prefix, 64).map_err(|e| e.hint("`bizra receipts list` shows ids"))?;
    let mut all = NewestFirst::of(ledger, None)?;
    let mut found: Option<Receipt> = None;
    while let Some(receipt) = all.next()? {
        let Ok(content) = &receipt.content else { continue };
        if content.id.to_string().starts_with(prefix) {
            if prefix.len() == 64 {
                return Ok(receipt);
            }
            if found.is_some() {
                return Err(Error::usage(format!("several receipts begin with `{prefix}`")).hint("give more digits"));
            }
            found = Some(receipt);
        }
    }
    found.ok_or_else(|| {
        Error::invalid(format!("no receipt begins with `{prefix}`"))
            .hint("`bizra receipts list` shows what is here; `bizra receipts fetch REMOTE` brings other machines' logs")
    })
}

/// The log whose id begins with `prefix`.
pub(super) fn find_log(ledger: &Ledger, prefix: &str) -> Result<LogId> {
    by_start("log", prefix, ledger.logs()?, LogId::to_string)?.ok_or_else(|| {
        Error::invalid(format!("no log begins with `{prefix}`")).hint("`bizra receipts stats` lists the logs")
    })
}
