//! The benchmarks that the ledger holds.

use super::receipt::run_of;
use crate::bench::history::Entry;
use crate::cli::Session;
use crate::cli::receipts::{NewestFirst, find_receipt};
use crate::error::{Error, Exit, Result};
use crate::receipts::predicates::Benchmark;
use crate::receipts::receipt::Receipt;

/// All of them, newest first. One that can't be read is left out with a warning.
pub(super) fn all(session: &mut Session) -> Result<Vec<(Entry, Benchmark)>> {
    let mut found = Vec::new();
    let Some(ledger) = session.ledger_if_there()? else { return Ok(found) };
    let mut receipts = NewestFirst::of(&ledger, None)?;
    while let Some(receipt) = receipts.next()? {
        match entry(&receipt) {
            Ok(Some(entry)) => found.push(entry),
            Ok(None) => {}
            Err(error) => session.ui.warn(format!("a benchmark is left out: {error}")),
        }
    }
    Ok(found)
}

pub(super) fn one(session: &Session, prefix: &str) -> Result<(Entry, Benchmark)> {
    let receipt = find_receipt(&session.ledger()?, prefix)?;
    entry(&receipt)?.ok_or_else(|| {
        Error::invalid(format!("receipt {prefix} is no benchmark"))
            .hint("`bizra receipts list --predicate benchmark` shows those that are")
    })
}

/// None where a receipt is of another kind.
fn entry(receipt: &Receipt) -> Result<Option<(Entry, Benchmark)>> {
    let Ok(content) = &receipt.content else { return Ok(None) };
    let Some(benchmark) = content.statement.predicate::<Benchmark>() else { return Ok(None) };
    let named = |error: Error| Error::new(error.exit, format!("receipt {}: {}", content.id, error.message));
    let benchmark = benchmark.map_err(|error| named(error.into()))?;
    let run = run_of(&benchmark).map_err(named)?;
    let entry = Entry { receipt: content.id.to_string(), time: content.statement.stamp.time.timestamp(), run };
    Ok(Some((entry, benchmark)))
}

pub(super) fn nothing(what: &str) -> Error {
    Error::new(Exit::Undecided, format!("the ledger holds no {what}"))
        .hint("`bizra bench MODEL` measures, and leaves a receipt")
}
