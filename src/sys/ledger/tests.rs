use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ed25519_dalek::SigningKey;

use super::*;
use crate::receipts::merkle::leaf_hash;
use crate::receipts::tiles::partial_tiles;
use crate::sys::testing::Folder;

fn header() -> LogHeader {
    LogHeader {
        writer: "ab".repeat(32),
        checkpoint_key: key().verifying_key().to_bytes(),
        nonce: [9; 16],
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn signer() -> NoteSigner {
    NoteSigner::new(header().id().origin(), key()).unwrap()
}

fn envelope(index: u64) -> Vec<u8> {
    format!("{{\"receipt\":{index},\"text\":\"{}\"}}", "x".repeat((index % 50) as usize)).into_bytes()
}

/// Syncs nothing: what a power loss leaves is made by hand here.
fn quick() -> Options {
    let disk = Faulty { left: Mutex::new(u64::MAX), kind: io::ErrorKind::Other, once: false };
    Options { disk: Arc::new(disk), ..Options::default() }
}

/// A ledger with one log of `size` entries, in git.
fn ledger_with(path: &Path, size: u64) -> Ledger {
    let ledger = Ledger::open_with(path, true, quick()).unwrap();
    let id = ledger.create_log(&header(), &signer(), 1).unwrap();
    let signer = signer();
    let mut writer = ledger.writer(&id, &signer).unwrap();
    if size > 0 {
        append_many(&mut writer, size);
        writer.settle().unwrap();
    }
    ledger
}

fn append_many(writer: &mut Writer<'_>, count: u64) -> Appended {
    let mut left = count;
    writer
        .append_batch(2, &mut |position| {
            left = match left.checked_sub(1) {
                Some(left) => left,
                None => return Ok(None),
            };
            Ok(Some(envelope(position.index)))
        })
        .unwrap()
}

fn append_one(writer: &mut Writer<'_>) -> Result<u64, LedgerError> {
    writer.append(3, &mut |position| Ok(envelope(position.index))).map(|appended| appended.index)
}

/// Reads everything and checks it against the checkpoint. Returns the entries.
fn checked_entries(ledger: &Ledger) -> Vec<Vec<u8>> {
    let log = ledger.log(&header().id()).unwrap();
    let mut frontier = Frontier::default();
    let mut entries = Vec::new();
    for bundle in log.bundles(0..u64::MAX).unwrap() {
        for (index, entry) in bundle.unwrap().entries() {
            let entry = entry.unwrap();
            assert_eq!(index, entries.len() as u64);
            frontier.push(leaf_hash(entry));
            entries.push(entry.to_vec());
        }
    }
    let checkpoint = Checkpoint::open(&log.checkpoint().unwrap(), &header().verifier().unwrap()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (frontier.size(), frontier.root()));
    assert_eq!(Frontier::decode(&log.frontier().unwrap()).unwrap(), frontier);
    assert!(log.wal().unwrap().pending.is_empty());
    entries
}

fn assert_holds(ledger: &Ledger, size: u64) {
    let entries = checked_entries(ledger);
    assert_eq!(entries.len() as u64, size);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(*entry, envelope(index as u64), "entry {index}");
    }
}

/// What plain git says of the ledger.
fn fsck(path: &Path) -> String {
    let output = std::process::Command::new("git")
        .args(["--git-dir", path.to_str().unwrap(), "fsck", "--full", "--strict", "--no-dangling"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output();
    match output {
        Ok(output) => [output.stdout, output.stderr]
            .iter()
            .flat_map(|text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| !line.starts_with("notice: HEAD points to an unborn branch"))
            .collect(),
        Err(_) => String::new(),
    }
}

fn tip_objects(ledger: &Ledger) -> (PathBuf, PathBuf) {
    let log = ledger.log(&header().id()).unwrap();
    let tree = ledger.store.commit(log.tip()).unwrap().tree;
    (ledger.store.loose_path(log.tip()), ledger.store.loose_path(tree))
}

fn wal_path(ledger: &Ledger) -> PathBuf {
    LogFiles::folder(ledger.path(), &header().id()).join(files::WAL)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn appended_one_by_one_and_in_batches() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 0);
    let (id, signer) = (header().id(), signer());
    let mut writer = ledger.writer(&id, &signer).unwrap();
    for index in 0..5 {
        assert_eq!(append_one(&mut writer).unwrap(), index);
        assert_eq!(writer.settle().unwrap(), index + 1);
    }
    assert_eq!(append_many(&mut writer, 600), Appended { index: 5, count: 600 });
    assert_eq!(writer.settle().unwrap(), 605);
    assert_holds(&ledger, 605);
    assert_eq!(fsck(ledger.path()), "");
    assert_eq!(ledger.logs().unwrap(), std::slice::from_ref(&id));
    let log = ledger.log(&id).unwrap();
    for index in [0, 255, 256, 511, 512, 604] {
        assert_eq!(log.entry(index).unwrap(), envelope(index));
    }
    assert!(log.entry(605).is_err());
    assert_eq!(
        log.history().map(|commit| commit.unwrap().1.message).last().unwrap(),
        format!("begin {id}\n\nBizra-Size: 0\n")
    );
    assert_eq!(partial_tiles(&log.files(), 605).unwrap().len(), 3);
    let mut paths = Vec::new();
    log.walk_tree(&mut |entry| paths.push(entry.path)).unwrap();
    assert!(paths.contains(&"tile/entries/001".to_owned()) && paths.contains(&"tail/5c.json".to_owned()), "{paths:?}");
    assert_eq!(fs::metadata(wal_path(&ledger)).unwrap().len(), wal::HEADER_BYTES);
}

#[test]
fn the_callback_sees_its_place() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 256);
    let (id, signer) = (header().id(), signer());
    for index in 256..259 {
        // A new writer each time, as each command is a new process.
        let mut writer = ledger.writer(&id, &signer).unwrap();
        writer
            .append(1, &mut |position| {
                assert_eq!((position.index, position.genesis), (index, &header().genesis()));
                assert_eq!(position.last, Some(&envelope(index - 1)[..]));
                Ok(envelope(index))
            })
            .unwrap();
    }
    let mut writer = ledger.writer(&id, &signer).unwrap();
    let error = writer.append(1, &mut |_| Err("no key".into())).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::Caller, "no key".to_owned()));
    assert!(writer.append(1, &mut |_| Ok(Vec::new())).is_err());
    assert!(matches!(writer.append_batch(1, &mut |_| Ok(None)), Err(LedgerError::EmptyBatch)));
    assert_eq!(writer.settle().unwrap(), 259);
    assert_holds(&ledger, 259);
}

#[test]
fn unsettled_receipts_are_pending_and_reach_git_later() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 3);
    let (id, signer) = (header().id(), signer());
    append_one(&mut ledger.writer(&id, &signer).unwrap()).unwrap();
    let state = ledger.log(&id).unwrap().wal().unwrap();
    assert_eq!(state.pending.iter().map(|record| record.index).collect::<Vec<_>>(), [3]);
    assert_eq!(ledger.repair(&id).unwrap(), Mended { size: 4, ..Mended::default() });
    assert_holds(&ledger, 4);
}

#[test]
fn packs_stay_few_and_nothing_loose_is_left() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 0);
    let (id, signer) = (header().id(), signer());
    let mut writer = ledger.writer(&id, &signer).unwrap();
    for _ in 0..40 {
        append_many(&mut writer, 256);
        writer.settle().unwrap();
    }
    let packs = fs::read_dir(ledger.path().join("objects/pack")).unwrap();
    let packs = packs.filter(|file| file.as_ref().unwrap().path().extension().unwrap() == "pack").count();
    assert!(packs < 20, "{packs}");
    assert_eq!(ledger.store.loose_objects().unwrap(), []);
    assert_holds(&ledger, 40 * 256);
    assert_eq!(fsck(ledger.path()), "");
}

#[test]
fn flush_packs_what_there_is() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 7);
    let (id, signer) = (header().id(), signer());
    let mut writer = ledger.writer(&id, &signer).unwrap();
    assert_eq!(writer.flush().unwrap(), 7);
    assert_eq!(ledger.store.loose_objects().unwrap(), []);
    assert_eq!(writer.flush().unwrap(), 7);
    append_one(&mut writer).unwrap();
    assert_eq!(writer.settle().unwrap(), 8);
    assert_holds(&ledger, 8);
}

#[test]
fn half_a_record_at_the_end_then_more_appends() {
    let folder = Folder::new();
    for cut in [1, 40, 60] {
        let ledger = ledger_with(&folder.path(&format!("{cut}.git")), 3);
        let (id, signer) = (header().id(), signer());
        append_one(&mut ledger.writer(&id, &signer).unwrap()).unwrap();
        let mut half = Vec::new();
        Record { index: 4, time: 0, envelope: envelope(4), checkpoint: vec![1] }.encode(&mut half);
        let mut bytes = fs::read(wal_path(&ledger)).unwrap();
        bytes.extend(&half[..cut]);
        fs::write(wal_path(&ledger), bytes).unwrap();
        assert_eq!(ledger.log(&id).unwrap().wal().unwrap().torn.unwrap().bytes, cut as u64);
        let mut writer = ledger.writer(&id, &signer).unwrap();
        for index in 4..7 {
            assert_eq!(append_one(&mut writer).unwrap(), index);
        }
        writer.settle().unwrap();
        assert_holds(&ledger, 7);
    }
}

#[test]
fn a_torn_tail_left_by_another_while_this_writer_is_open() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 3);
    let (id, signer) = (header().id(), signer());
    let mut writer = ledger.writer(&id, &signer).unwrap();
    append_one(&mut writer).unwrap();
    let mut bytes = fs::read(wal_path(&ledger)).unwrap();
    bytes.extend(b"\xf7rec\x40\0\0\0half");
    fs::write(wal_path(&ledger), bytes).unwrap();
    append_one(&mut writer).unwrap();
    writer.settle().unwrap();
    assert_holds(&ledger, 5);
}

#[test]
fn tip_commit_and_tree_of_no_bytes_with_the_log_intact() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 300);
    let (id, signer) = (header().id(), signer());
    let mut writer = ledger.writer(&id, &signer).unwrap();
    for _ in 0..4 {
        append_one(&mut writer).unwrap();
        writer.settle().unwrap();
    }
    drop(writer);
    let (commit, tree) = tip_objects(&ledger);
    File::create(&commit).unwrap();
    File::create(&tree).unwrap();
    drop(ledger);
    let ledger = Ledger::open_with(&folder.path("ledger.git"), false, quick()).unwrap();
    assert!(ledger.log(&id).is_err());
    let mended = ledger.repair(&id).unwrap();
    assert!(mended.rebuilt.is_some(), "{mended:?}");
    assert!(!mended.moved.is_empty());
    assert_holds(&ledger, 304);
    let mut writer = ledger.writer(&id, &signer).unwrap();
    assert_eq!(append_one(&mut writer).unwrap(), 304);
    writer.flush().unwrap();
    assert_holds(&ledger, 305);
    assert_eq!(fsck(ledger.path()), "");
}

/// Each loose object, the ref and its neighbours, damaged alone as a power loss may leave them.
#[test]
fn power_loss_takes_any_one_file_that_was_not_synced() {
    let folder = Folder::new();
    let template = folder.path("template.git");
    {
        let ledger = ledger_with(&template, 258);
        let (id, signer) = (header().id(), signer());
        let mut writer = ledger.writer(&id, &signer).unwrap();
        for _ in 0..3 {
            append_one(&mut writer).unwrap();
            writer.settle().unwrap();
        }
    }
    let objects = Ledger::open_with(&template, false, quick()).unwrap().store.loose_objects().unwrap();
    assert!(objects.len() >= 15, "{}", objects.len());
    let mut victims: Vec<PathBuf> =
        objects.iter().map(|(_, path)| path.strip_prefix(&template).unwrap().to_path_buf()).collect();
    victims.push(ref_name(&header().id()).into());
    for (number, victim) in victims.iter().enumerate() {
        for damage in ["empty", "zeroed", "half", "gone"] {
            let path = folder.path(&format!("{number}-{damage}.git"));
            copy_folder(&template, &path);
            let target = path.join(victim);
            let bytes = fs::read(&target).unwrap();
            match damage {
                "empty" => fs::write(&target, b"").unwrap(),
                "zeroed" => fs::write(&target, vec![0; bytes.len()]).unwrap(),
                "half" => fs::write(&target, &bytes[..bytes.len() / 2]).unwrap(),
                _ => fs::remove_file(&target).unwrap(),
            }
            let ledger = Ledger::open_with(&path, false, quick()).unwrap();
            let (id, signer) = (header().id(), signer());
            let context = format!("{} {damage}", victim.display());
            let mut writer = ledger.writer(&id, &signer).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(append_one(&mut writer).unwrap(), 261, "{context}");
            writer.flush().unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_holds(&ledger, 262);
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn the_write_ahead_log_may_be_cut_anywhere_behind_what_was_synced() {
    let folder = Folder::new();
    let template = folder.path("template.git");
    let synced = {
        let ledger = ledger_with(&template, 3);
        fs::metadata(wal_path(&ledger)).unwrap().len()
    };
    {
        let ledger = Ledger::open_with(&template, false, quick()).unwrap();
        let (id, signer) = (header().id(), signer());
        append_one(&mut ledger.writer(&id, &signer).unwrap()).unwrap();
    }
    let whole = fs::metadata(wal_path(&Ledger::open_with(&template, false, quick()).unwrap())).unwrap().len();
    for cut in (synced..whole).step_by(13) {
        let path = folder.path(&format!("{cut}.git"));
        copy_folder(&template, &path);
        let ledger = Ledger::open_with(&path, false, quick()).unwrap();
        File::options().write(true).open(wal_path(&ledger)).unwrap().set_len(cut).unwrap();
        let (id, signer) = (header().id(), signer());
        let mut writer = ledger.writer(&id, &signer).unwrap();
        assert_eq!(append_one(&mut writer).unwrap(), 3);
        writer.settle().unwrap();
        assert_holds(&ledger, 4);
    }
}

#[test]
fn a_lost_or_headless_write_ahead_log_is_begun_anew_from_an_intact_tip() {
    let folder = Folder::new();
    for damage in ["gone", "empty", "header"] {
        let ledger = ledger_with(&folder.path(&format!("{damage}.git")), 5);
        let (id, signer) = (header().id(), signer());
        append_one(&mut ledger.writer(&id, &signer).unwrap()).unwrap();
        let mut bytes = fs::read(wal_path(&ledger)).unwrap();
        let survivors = match damage {
            "gone" => {
                fs::remove_file(wal_path(&ledger)).unwrap();
                5
            }
            "empty" => {
                fs::write(wal_path(&ledger), b"").unwrap();
                5
            }
            _ => {
                bytes[20] ^= 1;
                fs::write(wal_path(&ledger), bytes).unwrap();
                6
            }
        };
        let mended = ledger.repair(&id).unwrap();
        assert!(mended.new_wal, "{damage}: {mended:?}");
        let mut writer = ledger.writer(&id, &signer).unwrap();
        assert_eq!(append_one(&mut writer).unwrap(), survivors, "{damage}");
        writer.settle().unwrap();
        assert_holds(&ledger, survivors + 1);
    }
}

#[test]
fn damage_among_acknowledged_records_stops_appends_until_repaired() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 2);
    let (id, signer) = (header().id(), signer());
    let start = fs::metadata(wal_path(&ledger)).unwrap().len() as usize;
    let mut writer = ledger.writer(&id, &signer).unwrap();
    for _ in 0..3 {
        append_one(&mut writer).unwrap();
    }
    drop(writer);
    let mut bytes = fs::read(wal_path(&ledger)).unwrap();
    bytes[start + 70] ^= 1;
    fs::write(wal_path(&ledger), &bytes).unwrap();
    let error = ledger.writer(&id, &signer).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().contains("receipts 2 to 2 are missing"), "{error}");
    assert_eq!(ledger.log(&id).unwrap().wal().unwrap().corrupt.len(), 1);
    let mended = ledger.repair(&id).unwrap();
    assert!(mended.lost.is_some() && mended.new_wal, "{mended:?}");
    let kept = wal_path(&ledger).with_file_name("wal.damaged-0");
    assert_eq!(fs::read(kept).unwrap(), bytes);
    let mut writer = ledger.writer(&id, &signer).unwrap();
    assert_eq!(append_one(&mut writer).unwrap(), 2);
    writer.settle().unwrap();
    assert_holds(&ledger, 3);
}

#[test]
fn a_stale_ref_lock_does_not_stop_a_writer() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 2);
    let (id, signer) = (header().id(), signer());
    let lock = ledger.store.ref_lock(&ref_name(&id));
    fs::write(&lock, b"").unwrap();
    assert!(ledger.repair(&id).unwrap().stale_ref_lock);
    let mut writer = ledger.writer(&id, &signer).unwrap();
    fs::write(&lock, b"").unwrap();
    append_one(&mut writer).unwrap();
    writer.settle().unwrap();
    assert_holds(&ledger, 3);
}

#[test]
fn packed_refs_are_read() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 2);
    let (id, signer) = (header().id(), signer());
    let tip = ledger.log(&id).unwrap().tip();
    fs::remove_file(ledger.path().join(ref_name(&id))).unwrap();
    fs::write(ledger.path().join("packed-refs"), format!("# pack-refs with: peeled\n{tip} {}\n", ref_name(&id)))
        .unwrap();
    assert_eq!(ledger.logs().unwrap(), std::slice::from_ref(&id));
    let mut writer = ledger.writer(&id, &signer).unwrap();
    append_one(&mut writer).unwrap();
    writer.settle().unwrap();
    assert_holds(&ledger, 3);
}

#[test]
fn refusals() {
    let folder = Folder::new();
    let missing = Ledger::open(&folder.path("none"), false).unwrap_err();
    assert_eq!(missing.kind(), Kind::Invalid);
    fs::create_dir_all(folder.path("folder")).unwrap();
    assert!(matches!(Ledger::open(&folder.path("folder"), true), Err(LedgerError::NotALedger { .. })));

    let ledger = ledger_with(&folder.path("ledger.git"), 1);
    let (id, right) = (header().id(), signer());
    assert!(matches!(ledger.create_log(&header(), &right, 1), Err(LedgerError::LogExists { .. })));
    let other = LogId::of(&[1; 32]);
    assert!(matches!(ledger.log(&other), Err(LedgerError::LogMissing { .. })));
    assert!(matches!(ledger.repair(&other), Err(LedgerError::LogMissing { .. })));
    let wrong = NoteSigner::new(other.origin(), key()).unwrap();
    assert!(matches!(ledger.writer(&id, &wrong), Err(LedgerError::Signer { .. })));

    fs::write(ledger.path().join("objects/info/alternates"), "/elsewhere\n").unwrap();
    let error = Ledger::open(ledger.path(), false).unwrap_err();
    assert!(error.to_string().contains("alternates"), "{error}");
}

#[test]
fn a_held_lock_is_waited_for_and_its_holder_named() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 1);
    let options = Options { patience: Duration::from_millis(30), ..Options::default() };
    let impatient = Ledger::open_with(ledger.path(), false, options).unwrap();
    let (id, signer) = (header().id(), signer());
    let mut writer = impatient.writer(&id, &signer).unwrap();
    let files = LogFiles::open(ledger.path(), &id).unwrap();
    let held = files.write.take(Duration::ZERO).unwrap();
    let error = append_one(&mut writer).unwrap_err();
    assert_eq!(error.kind(), Kind::Machine);
    assert!(error.to_string().contains(&format!("process {} has held", std::process::id())), "{error}");
    drop(held);
    append_one(&mut writer).unwrap();
}

#[derive(Debug)]
struct Faulty {
    /// Operations that still succeed; then faults begin.
    left: Mutex<u64>,
    kind: io::ErrorKind,
    /// Only the one operation fails, not all that follow.
    once: bool,
}

impl Faulty {
    fn check(&self) -> io::Result<()> {
        let mut left = self.left.lock().unwrap();
        if *left == 0 {
            if self.once {
                *left = u64::MAX;
            }
            return Err(self.kind.into());
        }
        *left -= 1;
        Ok(())
    }
}

impl Disk for Faulty {
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.check() {
            if self.kind == io::ErrorKind::StorageFull {
                RealDisk.write(file, offset, &bytes[..bytes.len() / 2])?;
            }
            return Err(error);
        }
        RealDisk.write(file, offset, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.check().and_then(|()| file.metadata().map(drop))
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.check()?;
        RealDisk.truncate(file, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check()?;
        RealDisk.rename(from, to)
    }
}

#[test]
fn a_full_disk_at_each_step_is_told_and_loses_nothing() {
    told_and_nothing_lost(io::ErrorKind::StorageFull, true, 1);
}

#[test]
fn a_disk_that_stays_full_from_any_step_loses_nothing() {
    told_and_nothing_lost(io::ErrorKind::StorageFull, false, 3);
}

#[test]
fn a_disk_that_turns_read_only_at_any_step_loses_nothing() {
    told_and_nothing_lost(io::ErrorKind::ReadOnlyFilesystem, false, 3);
}

/// Injects a fault at every `stride`th step of three appends: one that passes, or one that stays.
fn told_and_nothing_lost(kind: io::ErrorKind, once: bool, stride: usize) {
    let folder = Folder::new();
    let template = folder.path("template.git");
    let (id, signer) = (header().id(), signer());
    ledger_with(&template, 254).writer(&id, &signer).unwrap().flush().unwrap();
    for step in (0..).step_by(stride) {
        let path = folder.path("case.git");
        copy_folder(&template, &path);
        let disk = Arc::new(Faulty { left: Mutex::new(step), kind, once });
        let options = Options { disk: disk.clone(), patience: Duration::from_secs(1) };
        let context = format!("{kind:?} at step {step}, once: {once}");
        let mut acknowledged = BTreeMap::new();
        let mut faults = Vec::new();
        {
            let ledger = Ledger::open_with(&path, false, options).unwrap();
            match ledger.writer(&id, &signer) {
                Err(error) => faults.push(error),
                Ok(mut writer) => {
                    for attempt in 0..3 {
                        let bytes = format!("attempt {attempt}").into_bytes();
                        match writer.append(9, &mut |_| Ok(bytes.clone())) {
                            Ok(appended) => {
                                assert_eq!(acknowledged.insert(appended.index, bytes), None, "{context}")
                            }
                            Err(error) => faults.push(error),
                        }
                        faults.extend(writer.settle().err());
                    }
                }
            }
        }
        for fault in &faults {
            assert!(matches!(fault.kind(), Kind::Machine | Kind::Integrity), "{context}: {fault:?}");
        }
        let ledger = Ledger::open_with(&path, false, quick()).unwrap();
        let mut writer = ledger.writer(&id, &signer).unwrap_or_else(|error| panic!("{context}: {error}"));
        append_one(&mut writer).unwrap_or_else(|error| panic!("{context}: {error}"));
        writer.flush().unwrap_or_else(|error| panic!("{context}: {error}"));
        let entries = checked_entries(&ledger);
        for (index, bytes) in &acknowledged {
            assert_eq!(entries.get(*index as usize), Some(bytes), "{context}: {faults:?}");
            assert_eq!(entries.iter().filter(|entry| *entry == bytes).count(), 1, "{context}");
        }
        for index in 0..254 {
            assert_eq!(entries[index as usize], envelope(index), "{context}");
        }
        fs::remove_dir_all(&path).unwrap();
        if faults.is_empty() {
            assert!(step > 30, "the run has more steps than {step}");
            break;
        }
        assert!(step < 300, "faults never end");
    }
}

#[test]
fn a_read_only_ledger_is_read_and_not_written() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 4);
    let options = Options {
        disk: Arc::new(Faulty { left: Mutex::new(0), kind: io::ErrorKind::ReadOnlyFilesystem, once: false }),
        patience: Duration::from_millis(10),
    };
    let ledger = Ledger::open_with(ledger.path(), false, options).unwrap();
    assert_holds(&ledger, 4);
    let (id, signer) = (header().id(), signer());
    let error = ledger.writer(&id, &signer).and_then(|mut writer| append_one(&mut writer)).unwrap_err();
    assert_eq!(error.kind(), Kind::Machine);
}

#[test]
fn writers_in_threads_keep_one_order() {
    let folder = Folder::new();
    let ledger = ledger_with(&folder.path("ledger.git"), 250);
    let (id, signer) = (header().id(), signer());
    let path = ledger.path().to_path_buf();
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (path, id, signer, seen) = (&path, &id, &signer, &seen);
            scope.spawn(move || {
                let ledger = Ledger::open(path, false).unwrap();
                let mut writer = ledger.writer(id, signer).unwrap();
                for number in 0..12 {
                    let bytes = format!("{thread}/{number}").into_bytes();
                    let appended = writer.append(1, &mut |_| Ok(bytes.clone())).unwrap();
                    seen.lock().unwrap().push((appended.index, bytes));
                    writer.settle().unwrap();
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort();
    let entries = checked_entries(&ledger);
    assert_eq!(entries.len(), 250 + 96);
    for ((index, bytes), expected) in seen.iter().zip(250..) {
        assert_eq!((*index, &entries[*index as usize]), (expected, bytes));
    }
}
