//! What must not alarm: packing, repacking, cloning, fetching, and reading on from a pin.

use std::ops::ControlFlow;
use std::process::Command;

use bizra::receipts::merkle::{leaf_hash, root_of};
use bizra::sys::ledger::Ledger;

use super::lab::{COMMITS, Folder, Lab, SIZE, append_all, codes, entries, id, note_signer, signed};

fn assert_clean(lab: &Lab, what: &str) {
    let report = lab.audit();
    let said: Vec<String> = report.all_findings().map(|(_, finding)| finding.to_string()).collect();
    assert_eq!((said.as_slice(), report.exit()), (&[][..], 0), "{what}");
    assert_eq!((report.logs[0].entries, report.logs[0].judged), (SIZE, SIZE), "{what}");
}

#[test]
fn a_log_as_it_was_written() {
    assert_clean(&Lab::new(), "with its write-ahead log");
    assert_clean(&Lab::copied(), "without");
}

#[test]
fn after_packing_and_collecting_garbage() {
    let lab = Lab::new();
    let ledger = Ledger::open(&lab.path, false).unwrap();
    let signer = note_signer();
    ledger.writer(&id(), &signer).unwrap().flush().unwrap();
    assert_clean(&lab, "flush");
    lab.git(&["repack", "-qad"]);
    assert_clean(&lab, "repack");
    lab.git(&["gc", "-q", "--prune=now"]);
    assert_clean(&lab, "gc");
    lab.git(&["pack-refs", "--all"]);
    assert_clean(&lab, "pack-refs");
}

#[test]
fn after_cloning_and_fetching() {
    let mut lab = Lab::new();
    let source = lab.path.clone();
    let clone = lab.beside("clone.git");
    let status = Command::new("git")
        .args(["clone", "-q", "--mirror"])
        .args([&source, &clone])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status()
        .unwrap();
    assert!(status.success());
    lab.path = clone;
    assert_clean(&lab, "clone");
    let fetched = lab.beside("fetched.git");
    lab.git(&["init", "-q", "--bare", fetched.to_str().unwrap()]);
    lab.path = fetched;
    lab.git(&["fetch", "-q", source.to_str().unwrap(), "refs/bizra/log/*:refs/bizra/log/*"]);
    assert_clean(&lab, "fetch");
}

#[test]
fn receipts_that_only_the_write_ahead_log_has() {
    let folder = Folder::new();
    let path = folder.path().join("ledger.git");
    append_all(&path, &entries(), &COMMITS[..2]);
    let ledger = Ledger::open(&path, false).unwrap();
    let signer = note_signer();
    let mut writer = ledger.writer(&id(), &signer).unwrap();
    for _ in 512..SIZE {
        writer.append(1, &mut |position| Ok(entries()[position.index as usize].clone())).unwrap();
    }
    let lab = Lab::at(folder, path);
    let report = lab.audit();
    assert!(codes(&report).is_empty(), "{:?}", report.logs[0].findings);
    let log = &report.logs[0];
    assert_eq!((log.entries, log.pending, log.judged), (512, 8, SIZE));
}

#[test]
fn reading_on_from_a_pin() {
    for size in [1, 255, 256, 300, 512, 513, 516, SIZE] {
        let mut lab = Lab::copied();
        lab.since_pin = true;
        lab.pin(&signed(size, root_of(entries()[..size as usize].iter().map(|entry| leaf_hash(entry)))));
        let report = lab.audit();
        assert!(codes(&report).is_empty(), "{size}: {:?}", report.logs[0].findings);
        let log = &report.logs[0];
        assert_eq!((log.from, log.judged), (size - size % 256, SIZE - log.from), "{size}");
        // The beginnings of sessions lie on the commits' borders, 256 and 512 among them.
        assert_eq!(log.carried_sessions, 0, "{size}");
    }
}

#[test]
fn a_pin_that_does_not_hold_is_no_starting_point() {
    let mut lab = Lab::copied();
    lab.since_pin = true;
    lab.pin(&signed(300, [1; 32]));
    let report = lab.audit();
    assert_eq!(report.logs[0].judged, SIZE);
    assert_eq!(report.exit(), 5);
}

#[test]
fn an_audit_can_be_stopped() {
    let lab = Lab::copied();
    let trust = super::lab::own_key();
    let request = bizra::receipts::audit::Request {
        trust: Ok(&trust),
        pins: None,
        since_pin: false,
        require_pin: false,
        require_history: false,
        threads: std::num::NonZeroUsize::MIN,
    };
    let stop = &mut |_: bizra::receipts::audit::Progress<'_>| ControlFlow::Break(());
    assert!(bizra::sys::ledger::audit::audit_ledger(&lab.path, &request, stop).unwrap().is_err());
}
