//! `bizra receipts export` and `import`: receipts as files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::book::log_of;
use super::super::{Outcome, Session};
use super::browse::find_log;
use super::verify::judge;
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::envelope::ReceiptId;
use crate::receipts::finding::Code;
use crate::receipts::log::{CHECKPOINT, LogId};
use crate::receipts::tiles::{self, full_tiles};
use crate::sys::files::{self, Access};
use crate::sys::ledger::{Ledger, Log};
use crate::ui::Unit;
use crate::view::receipts::{Exported, Imported};

/// Write a log's receipts as JSON lines, or as the files that a C2SP tlog-tiles client reads
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts export > receipts.jsonl          One signed envelope a line, oldest first
  bizra receipts export --tlog-tiles public/      Tiles and checkpoint for a static web server")]
pub(super) struct Args {
    /// The log, by the start of its id [default: this machine's own]
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
    /// Write tiles, partial ones too, and the checkpoint into this folder
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    tlog_tiles: Option<PathBuf>,
}

/// Check exported receipts, line by line; nothing is taken into the ledger
///
/// Logs are taken in by `bizra receipts fetch`, which can check that they only grew.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts import receipts.jsonl --verify-only
  bizra receipts import receipts.jsonl --verify-only --key ci.pub")]
pub(super) struct ImportArgs {
    /// The file of envelopes, one a line
    file: PathBuf,
    /// Check, and take nothing in; has to be given, so that nobody expects more
    #[arg(long, required = true)]
    verify_only: bool,
    /// The public key that must have signed them [default: the trust policy's keys, else this machine's]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let ledger = session.ledger()?;
    let id = match &args.log {
        Some(prefix) => find_log(&ledger, prefix)?,
        None => own_log(session, &ledger)?,
    };
    let log = ledger.log(&id)?;
    match &args.tlog_tiles {
        Some(folder) => {
            let folder = files::from(&session.env.cwd, folder);
            let written = write_tiles(session, &log, &folder)?;
            Ok(Outcome::yes(Exported {
                log: id.to_string(),
                receipts: log.size()?,
                lines: None,
                written: Some((folder, written)),
            }))
        }
        None => export_lines(session, &id, &log),
    }
}

fn own_log(session: &Session, ledger: &Ledger) -> Result<LogId> {
    let logs = ledger.logs()?;
    if let [only] = logs.as_slice() {
        return Ok(only.clone());
    }
    let mut own = Vec::new();
    for key in session.own_keys()? {
        own.extend(log_of(ledger, &key.id())?);
    }
    let hint = "name one with --log; `bizra receipts stats` lists them";
    match own.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::invalid("this machine's keys have no log here").hint(hint)),
        several => Err(Error::usage(format!("this machine's keys have {} logs here", several.len())).hint(hint)),
    }
}

fn export_lines(session: &mut Session, id: &LogId, log: &Log<'_>) -> Result<Outcome> {
    let mut lines = Vec::new();
    let mut receipts = 0;
    let mut write = |entry: &[u8]| -> Result<()> {
        receipts += 1;
        if session.json {
            lines.push(String::from_utf8_lossy(entry).into_owned());
            return Ok(());
        }
        session.ui.raw(&[entry, b"\n"].concat())
    };
    // Read before the bundles: what is taken into git meanwhile would be in neither.
    let pending = log.wal()?.pending;
    for bundle in log.bundles(0..log.size()?)? {
        for (_, entry) in bundle?.entries() {
            write(entry?)?;
        }
    }
    for record in pending {
        write(&record.envelope)?;
    }
    let lines = session.json.then_some(lines);
    Ok(Outcome::yes(Exported { log: id.to_string(), receipts, lines, written: None }))
}

fn write_tiles(session: &mut Session, log: &Log<'_>, folder: &Path) -> Result<u64> {
    let size = log.size()?;
    let tree = log.files();
    let mut paths = Vec::new();
    for level in 0.. {
        let count = full_tiles(size, level);
        if count == 0 {
            break;
        }
        paths.extend((0..count).map(|number| tiles::tile_path(level, number)));
        if level == 0 {
            paths.extend((0..count).map(tiles::entries_path));
        }
    }
    let now = |session: &Session| session.env.clock.monotonic();
    let mut bar = session.ui.progress("writing tiles", Some(paths.len() as u64), Unit::Items, now(session));
    let mut written = 0;
    let mut write = |path: &str, bytes: &[u8]| -> Result<()> {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|e| Error::writing(parent.display(), &e))?;
        files::replace(&path, bytes, Access::Everyone)?;
        written += 1;
        Ok(())
    };
    for (done, path) in paths.iter().enumerate() {
        write(path, &log.file(path)?)?;
        bar.at(done as u64 + 1, now(session));
    }
    for (path, bytes) in tiles::partial_tiles(&tree, size)? {
        write(&path, &bytes)?;
    }
    // Last, so that nobody reads a checkpoint whose tiles are still missing.
    write(CHECKPOINT, &log.checkpoint()?)?;
    Ok(written)
}

pub(super) fn import(args: &ImportArgs, session: &mut Session) -> Result<Outcome> {
    let path = files::from(&session.env.cwd, &args.file);
    let text = files::read(&path)?;
    let judge = judge(session, args.key.as_ref())?;
    let mut seen: HashMap<ReceiptId, usize> = HashMap::new();
    let mut reasons = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let verdict = judge.check(line).and_then(|(content, _)| match seen.insert(content.id, at + 1) {
            None => Ok(()),
            Some(first) => {
                let what = format!("{}: the same receipt stands on line {first}", Code::DuplicateReceipt);
                Err(Error::new(Exit::Integrity, what))
            }
        });
        if let Err(refusal) = verdict {
            let place = Place { file: path.clone(), at: Some((at + 1, 1)), excerpt: None };
            reasons.push(refusal.at(place));
        }
    }
    let good = seen.len() as u64;
    if good == 0 && reasons.is_empty() {
        return Err(Error::invalid("it holds no receipt").at(Place::file(path)));
    }
    Ok(Outcome::because(Imported { good, refused: reasons.len() as u64 }, reasons))
}
