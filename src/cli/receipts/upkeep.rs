//! `bizra receipts repair` and `stats`.

use std::collections::BTreeMap;

use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::receipts::predicates;
use crate::receipts::receipt::Content;
use crate::sys::ledger::Mended;
use crate::view::receipts::{Counted, LogCount, Repaired, RepairedLog};

pub(super) fn repair(session: &mut Session) -> Result<Outcome> {
    let ledger = session.ledger()?;
    let mut mended = Vec::new();
    let mut reasons = Vec::new();
    for id in [ledger.logs()?, ledger.lost_logs()?].concat() {
        let done = ledger.repair(&id)?;
        if let Some(lost) = &done.lost {
            reasons.push(
                Error::new(Exit::Integrity, format!("log {id}: {lost}"))
                    .hint("bring them back from a remote that has them: bizra receipts fetch REMOTE"),
            );
        }
        mended.push(RepairedLog { log: id.to_string(), receipts: done.size, done: sentences(&done) });
    }
    Ok(Outcome::because(Repaired { logs: mended }, reasons))
}

fn sentences(done: &Mended) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(torn) = &done.torn {
        said.push(format!(
            "cut a torn record, never acknowledged, from byte {} of the write-ahead log on",
            torn.offset
        ));
    }
    for damage in &done.corrupt {
        said.push(format!("left out damage at byte {} of the write-ahead log: {}", damage.offset, damage.reason));
    }
    if let Some(why) = &done.rebuilt {
        said.push(format!("built the newest commit again from the write-ahead log: {why}"));
    }
    for path in &done.moved {
        said.push(format!("moved a damaged object aside: {}", path.display()));
    }
    if done.stale_ref_lock {
        said.push("removed a lock that a dead process left on the log's ref".into());
    }
    if done.new_wal {
        said.push("began the write-ahead log anew".into());
    }
    said
}

pub(super) fn stats(session: &mut Session) -> Result<Outcome> {
    let path = session.ledger_path()?;
    let ledger = session.ledger()?;
    let own = session.own_keys()?;
    let mut logs = Vec::new();
    for id in ledger.logs()? {
        let log = ledger.log(&id)?;
        let writer = log.header()?.writer;
        let size = log.size()?;
        let mut count = LogCount {
            id: id.to_string(),
            own: own.iter().any(|k| k.id().to_string() == writer),
            writer,
            receipts: size,
            pending: log.wal()?.pending.len() as u64,
            envelope_bytes: 0,
            types: BTreeMap::new(),
            first: None,
            last: None,
        };
        for bundle in log.bundles(0..size)? {
            for (_, entry) in bundle?.entries() {
                let entry = entry?;
                count.envelope_bytes += entry.len() as u64;
                let name = match Content::read(entry) {
                    Ok(content) => {
                        let time = content.statement.stamp.time.to_string();
                        count.first.get_or_insert_with(|| time.clone());
                        count.last = Some(time);
                        let kind = content.statement.predicate_type;
                        predicates::name_of(&kind).unwrap_or(kind)
                    }
                    Err(_) => "unreadable".to_owned(),
                };
                *count.types.entry(name).or_insert(0) += 1;
            }
        }
        logs.push(count);
    }
    Ok(Outcome::yes(Counted { disk_bytes: folder_bytes(&path), path, logs }))
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
