//! Damage at every byte: what git's hashes would notice first is stored anew, so that the audit has to.

use std::fs;

use super::lab::{COMMITS, Folder, Lab, append_all, codes, entries, id, note_signer};

/// Offsets over `length` bytes: the first and last few, and a spread between.
fn offsets(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| *at < 5 || at + 5 > length || at % (length / 10).max(1) == 0)
}

fn assert_found(lab: &Lab, path: &str, bytes: &[u8], what: &str) {
    lab.change(&[(path, Some(bytes))]);
    let report = lab.audit();
    assert_eq!(report.exit(), 5, "{path}, {what}: {:?}", report.logs[0].findings);
}

#[test]
fn files_of_the_tree_cut_and_flipped() {
    let lab = Lab::copied();
    for path in ["tail/07.json", "tile/entries/001", "tile/0/001", "checkpoint", "frontier", "log.json"] {
        let real = lab.read(path);
        for at in offsets(real.len()) {
            assert_found(&lab, path, &real[..at], &format!("cut at {at}"));
            let mut bytes = real.clone();
            bytes[at] ^= 1 << (at % 8);
            assert_found(&lab, path, &bytes, &format!("byte {at} flipped"));
        }
        lab.change(&[(path, Some(&real))]);
        assert!(codes(&lab.audit()).is_empty(), "{path} put back");
    }
}

#[test]
fn a_write_ahead_log_cut_and_flipped() {
    let folder = Folder::new();
    let path = folder.path().join("ledger.git");
    append_all(&path, &entries(), &COMMITS[..2]);
    {
        let ledger = bizra::sys::ledger::Ledger::open(&path, false).unwrap();
        let signer = note_signer();
        let mut writer = ledger.writer(&id(), &signer).unwrap();
        for _ in 0..3 {
            writer.append(1, &mut |position| Ok(entries()[position.index as usize].clone())).unwrap();
        }
    }
    let lab = Lab::at(folder, path);
    let file = lab.wal_file();
    let real = fs::read(&file).unwrap();
    for at in 0..real.len() {
        fs::write(&file, &real[..at]).unwrap();
        if offsets(real.len()).any(|offset| offset == at) {
            let report = lab.audit();
            let log = &report.logs[0];
            let said = codes(&report);
            assert!(log.pending <= 3 && log.judged == 512 + log.pending, "cut at {at}");
            let at_border = said.is_empty() && log.pending < 3;
            assert!(at_border || !said.is_empty(), "cut at {at}: {:?}", log.findings);
            let mut bytes = real.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&file, &bytes).unwrap();
            assert!(!codes(&lab.audit()).is_empty(), "byte {at} flipped");
        }
    }
    fs::write(&file, &real).unwrap();
    assert!(codes(&lab.audit()).is_empty());
}
