//! `cargo xtask bench ledger`: what appending costs at several sizes, how writers share a sync, how large a packed
//! receipt is. The figures depend on the medium, so the sync that everything waits for is measured beside them.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bizra::receipts::checkpoint::NoteSigner;
use bizra::receipts::log::{LogHeader, LogId};
use bizra::sys::ledger::{Ledger, LedgerError, Writer};

/// What a run is about; `signer` must be the key that `header` names.
pub struct Setup<'a> {
    pub folder: &'a Path,
    pub header: &'a LogHeader,
    pub signer: &'a NoteSigner,
    /// Makes the envelope of an index, as long and as compressible as a real one.
    pub envelope: &'a (dyn Fn(u64) -> Vec<u8> + Sync),
}

#[derive(Debug, Clone, Copy)]
pub struct Quantiles {
    pub p50: Duration,
    pub p99: Duration,
}

#[derive(Debug)]
pub struct AtSize {
    pub size: u64,
    /// Acknowledged: one sync.
    pub durable: Quantiles,
    /// Acknowledged, and in git.
    pub in_git: Quantiles,
    pub bytes_per_receipt: f64,
}

#[derive(Debug)]
pub struct Shared {
    pub writers: usize,
    pub receipts: u64,
    pub per_second: f64,
}

fn quantiles(mut samples: Vec<Duration>) -> Quantiles {
    samples.sort();
    let at = |per_cent: usize| samples[(samples.len() * per_cent / 100).min(samples.len() - 1)];
    Quantiles { p50: at(50), p99: at(99) }
}

/// One synced append of a receipt's length to a plain file: the floor under every durable append here.
pub fn sync_floor(folder: &Path, samples: usize) -> std::io::Result<Quantiles> {
    let path = folder.join("sync-floor");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples.max(1) {
        let start = Instant::now();
        file.write_all(&[7; 1700])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(path)?;
    Ok(quantiles(times))
}

/// Grows one ledger through `sizes` (ascending) and measures `samples` appends at each.
pub fn at_sizes(
    setup: &Setup<'_>,
    sizes: &[u64],
    samples: usize,
    seen: &mut dyn FnMut(&AtSize),
) -> Result<(), LedgerError> {
    let path = setup.folder.join("sizes.git");
    let ledger = Ledger::open(&path, true)?;
    let id = ledger.create_log(setup.header, setup.signer, 0)?;
    let mut writer = ledger.writer(&id, setup.signer)?;
    let mut size = 0;
    for target in sizes {
        while size < *target {
            // Batches that end with a bundle, as an import's do: a tail would be packed with each of them.
            let end = (size / 256 * 256 + 256).min(*target);
            writer.append_batch(0, &mut |at| Ok((at.index < end).then(|| (setup.envelope)(at.index))))?;
            size = writer.settle()?;
        }
        writer.flush()?;
        let bytes_per_receipt = folder_bytes(&path.join("objects/pack")) as f64 / size.max(1) as f64;
        let (mut durable, mut in_git) = (Vec::new(), Vec::new());
        for _ in 0..samples.max(1) {
            let start = Instant::now();
            append(setup, &mut writer)?;
            durable.push(start.elapsed());
            size = writer.settle()?;
            in_git.push(start.elapsed());
        }
        let (durable, in_git) = (quantiles(durable), quantiles(in_git));
        seen(&AtSize { size: *target, durable, in_git, bytes_per_receipt });
    }
    Ok(())
}

fn append(setup: &Setup<'_>, writer: &mut Writer<'_>) -> Result<(), LedgerError> {
    writer.append(0, &mut |position| Ok((setup.envelope)(position.index))).map(drop)
}

/// Writers side by side, each with its own handle, as processes have.
pub fn shared(setup: &Setup<'_>, writers: usize, each: u64) -> Result<Shared, LedgerError> {
    let path = setup.folder.join("shared.git");
    let id: LogId = Ledger::open(&path, true)?.create_log(setup.header, setup.signer, 0)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let work = || -> Result<(), LedgerError> {
            let ledger = Ledger::open(&path, false)?;
            let mut writer = ledger.writer(&id, setup.signer)?;
            for _ in 0..each {
                append(setup, &mut writer)?;
                writer.settle()?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("invariant: a writer does not panic"))
    })?;
    let receipts = writers as u64 * each;
    let size = Ledger::open(&path, false)?.log(&id)?.size()?;
    assert_eq!(size, receipts, "receipts in the ledger");
    Ok(Shared { writers, receipts, per_second: receipts as f64 / start.elapsed().as_secs_f64() })
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
