//! Ledgers of a given size on disk: built once, copied for each run.

use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use bizra::receipts::envelope::Envelope;
use bizra::sys::ledger::{Ledger, LedgerError};

use super::workload::Workload;
use crate::tools::Outcome;

/// Whole bundles, so that no entry is packed twice, as an import's batches are.
const BATCH: u64 = 16_384;

pub(super) fn told(error: LedgerError) -> String {
    error.to_string()
}

/// Grows the ledger at `path` to `size` receipts; goes on where an earlier run ended.
pub(super) fn grow(workload: &Workload, path: &Path, size: u64) -> Outcome {
    let signer = workload.note_signer()?;
    if !path.exists() {
        Ledger::open(path, true).and_then(|ledger| ledger.create_log(workload.header(), &signer, 0)).map_err(told)?;
    }
    let ledger = Ledger::open(path, false).map_err(told)?;
    let mut writer = ledger.writer(&workload.log(), &signer).map_err(told)?;
    let mut here = writer.settle().map_err(told)?;
    let last = match here {
        0 => None,
        _ => Some(ledger.log(&workload.log()).and_then(|log| log.entry(here - 1)).map_err(told)?),
    };
    let last = last.map(|bytes| Envelope::parse(&bytes)).transpose().map_err(|error| error.to_string())?;
    let mut previous = last.map(|envelope| envelope.id());
    let (send, made) = sync_channel(4096);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for index in here..size {
                let sealed = workload.seal(index, "", previous);
                previous = sealed.as_ref().ok().map(|sealed| sealed.id);
                let failed = sealed.is_err();
                if send.send(sealed.map(|sealed| sealed.envelope)).is_err() || failed {
                    return;
                }
            }
        });
        let made = made;
        while here < size {
            let end = ((here / BATCH + 1) * BATCH).min(size);
            let appended = writer.append_batch(0, &mut |place| {
                if place.index == end {
                    return Ok(None);
                }
                made.recv()?.map(Some)
            });
            appended.map_err(told)?;
            here = writer.settle().map_err(told)?;
            if size >= 10 * BATCH {
                eprintln!("  {here} of {size} receipts");
            }
        }
        writer.flush().map_err(told).map(drop)
    })
}

/// A copy that shares the packs, which nobody changes in place.
pub(super) fn copy(from: &Path, to: &Path) -> Outcome {
    if to.exists() {
        fs::remove_dir_all(to).map_err(|cause| format!("cannot remove {}: {cause}", to.display()))?;
    }
    copy_into(from, to).map_err(|cause| format!("cannot copy {} to {}: {cause}", from.display(), to.display()))
}

fn copy_into(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_into(&entry.path(), &target)?;
        } else if from.ends_with("objects/pack") {
            fs::hard_link(entry.path(), target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What git keeps, packs and indexes.
pub(super) fn packed_bytes(ledger: &Path) -> u64 {
    let files = fs::read_dir(ledger.join("objects/pack")).into_iter().flatten().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
