//! Each thing that an audit can find in a log, in its words.

use super::super::history::{History, Known};
use super::super::layout::Chunk;
use super::super::source::{Damage, Record};
use super::*;
use crate::receipts::checkpoint::NoteVerifier;
use crate::receipts::envelope::Envelope;
use crate::receipts::log::FRONTIER;
use crate::receipts::tiles::{bundle, entries_path, tile, tile_path};

const NONE: [&str; 0] = [];

#[test]
fn logs_of_any_length_are_found_whole() {
    let all = receipts(258);
    for size in [0, 1, 255, 256, 258] {
        let (report, faults) = Lab::of(&all[..size]).audit();
        assert_eq!((report.findings, faults), (vec![], vec![]), "{size}");
        assert_eq!((report.entries, report.judged, report.pending), (size as u64, size as u64, 0));
    }
    assert_eq!(Lab::grown().found(), NONE);
}

#[test]
fn a_checkpoint_and_a_frontier_that_do_not_fit_are_told() {
    let entries = receipts(3);
    let with = |path: &str, bytes: Vec<u8>| Lab::of(&entries).changed(|lab| drop(lab.files.insert(path.into(), bytes)));
    let without = |path: &str| Lab::of(&entries).changed(|lab| drop(lab.files.remove(path)));
    let another = "root-mismatch in checkpoint: the entries have another root than the checkpoint";
    let size = |cp: u64| format!("size-mismatch in checkpoint: the checkpoint and the entries disagree: cp={cp} got=3");
    let at = |count: u64, root| with(CHECKPOINT, note(count, root));
    assert_eq!(at(3, [1; 32]).found(), [another]);
    assert_eq!(at(2, root(&entries[..2])).found(), [size(2)]);
    assert_eq!(at(2, [1; 32]).found(), [size(2), another.to_owned()]);
    assert_eq!(at(4, [1; 32]).found(), [size(4)]);
    assert_eq!(at(0, empty_root()).found(), [size(0)]);
    assert_eq!(at(0, [1; 32]).found(), [size(0), another.to_owned()]);

    let mut shorter = Frontier::default();
    entries[..2].iter().for_each(|entry| shorter.push(leaf_hash(entry)));
    let frontier = "frontier-mismatch in frontier: it is not the frontier of the log's 3 entries";
    assert_eq!(with(FRONTIER, shorter.encode().into_bytes()).found(), [frontier]);
    assert_eq!(with(FRONTIER, b"3".to_vec()).told(Code::FrontierMismatch).len(), 1);

    let lacks = |code: Code, path: &str| format!("{code} in {path}: the log's tree lacks this file");
    assert_eq!(without(CHECKPOINT).found(), [lacks(Code::CheckpointMalformed, CHECKPOINT)]);
    assert_eq!(without(FRONTIER).found(), [lacks(Code::FrontierMismatch, FRONTIER)]);
    assert_eq!(without(HEADER).found()[0], lacks(Code::LedgerIdMismatch, HEADER));
    let elsewhere = LogHeader { nonce: [1; 16], ..header() };
    let told = with(HEADER, elsewhere.encode()).told(Code::LedgerIdMismatch);
    let detail = format!("this is the header of log {}, not of {}", elsewhere.id(), header().id());
    assert_eq!(told[0], format!("ledger-id-mismatch in log.json: {detail}"));
}

#[test]
fn entries_that_are_missing_are_told_once() {
    let entries = receipts(3);
    let hidden = "root-mismatch in checkpoint: the checkpoint's root cannot be computed: entries are missing";
    let hole = Lab::of(&entries).changed(|lab| drop(lab.files.remove("tail/01.json")));
    assert_eq!(hole.found(), ["gap at 1 in tail/01.json: the tail lacks receipts 1 to 1", hidden]);
    let cut = Lab::of(&entries).changed(|lab| drop(lab.files.remove("tail/02.json")));
    assert_eq!(
        cut.found(),
        [
            "size-mismatch in checkpoint: the checkpoint and the entries disagree: cp=3 got=2",
            "frontier-mismatch in frontier: it is not the frontier of the log's 2 entries"
        ]
    );
    // A folder that could not be read may hold all that seems to be missing.
    let unread = hole.changed(|lab| lab.odd.push(Err(Fault::Missing("no such folder".into()))));
    assert_eq!(unread.found(), ["object-missing: no such folder", hidden]);
}

#[test]
fn objects_that_cannot_be_read_are_findings_or_faults_of_this_machine() {
    for path in ["tail/01.json", CHECKPOINT, FRONTIER, HEADER] {
        let broken = |fault: Fault| Lab::of(&receipts(3)).changed(|lab| drop(lab.broken.insert(path.into(), fault)));
        let (report, faults) = broken(Fault::Machine("no memory".into())).audit();
        assert_eq!(faults, [Fault::Machine("no memory".into())]);
        assert!(report.findings.iter().all(|finding| finding.code != Code::ObjectMissing));
        let missing = broken(Fault::Missing("gone".into()));
        let place = if path.starts_with("tail") { " at 1" } else { "" };
        assert_eq!(missing.told(Code::ObjectMissing), [format!("object-missing{place} in {path}: gone")]);
        let corrupt = broken(Fault::Corrupt("torn".into()));
        assert_eq!(corrupt.told(Code::ObjectCorrupt), [format!("object-corrupt{place} in {path}: torn")]);
    }
}

#[test]
fn bundles_and_tiles_hold_256_of_what_they_are_for() {
    let entries = blanks(513);
    let path = entries_path(1);
    let in_bundle = |bytes: Vec<u8>| Lab::of(&entries).changed(|lab| drop(lab.files.insert(path.clone(), bytes)));
    let malformed = |detail: &str| vec![format!("bundle-malformed at 256 in tile/entries/001: {detail}")];
    for (count, detail) in
        [(255, "bundle has 255 entries; a full one has 256"), (257, "bundle has 257 entries; a full one has 256")]
    {
        let lab = in_bundle(bundle(&entries[256..256 + count]).unwrap());
        assert_eq!(lab.told(Code::BundleMalformed), malformed(detail));
        assert_eq!(lab.told(Code::RootMismatch), NONE, "the tile still has the hashes");
    }
    let mut cut = bundle(&entries[256..512]).unwrap();
    cut.pop();
    let at = cut.len() - 4;
    assert_eq!(
        in_bundle(cut).told(Code::BundleMalformed),
        malformed(&format!("bundle ends within entry 255, at byte {at}"))
    );
    assert_eq!(in_bundle(bundle(&entries[256..512]).unwrap()).told(Code::BundleMalformed), NONE);

    let mut other = entries[256..512].to_vec();
    other[3] = b"other".to_vec();
    let differs = in_bundle(bundle(&other).unwrap());
    assert_eq!(
        differs.told(Code::TileMismatch),
        ["tile-mismatch at 259 in tile/0/001: the tile's hash of receipt 259 is not that of its bytes"]
    );
    let hashes: Vec<Hash> = entries[256..511].iter().map(|entry| leaf_hash(entry)).collect();
    let short = Lab::of(&entries).changed(|lab| drop(lab.files.insert(tile_path(0, 1), tile(&hashes))));
    let detail = "tile/0/001 has 8160 bytes; a full tile has 8192";
    assert_eq!(short.told(Code::TileMismatch), [format!("tile-mismatch in tile/0/001: {detail}")]);
    assert_eq!(short.told(Code::RootMismatch), NONE);
    let gone = Lab::of(&entries).changed(|lab| drop(lab.broken.insert(path.clone(), Fault::Missing("gone".into()))));
    assert_eq!(gone.told(Code::ObjectMissing), ["object-missing at 256 in tile/entries/001: gone"]);
    assert_eq!(gone.told(Code::RootMismatch), NONE);
}

#[test]
fn tiles_above_the_leaves_hold_the_roots_of_those_below() {
    let last: Vec<Vec<u8>> = blanks(256);
    let mut leaves: Vec<Hash> = (0..65_280u64).map(|index| leaf_hash(&index.to_be_bytes())).collect();
    leaves.extend(last.iter().map(|entry| leaf_hash(entry)));
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let mut lab = Lab::of(&[]);
    lab.files.insert(CHECKPOINT.into(), note(65_536, frontier.root()));
    lab.files.insert(FRONTIER.into(), frontier.encode().into_bytes());
    let mut roots = Vec::new();
    for (number, hashes) in (0..).zip(leaves.chunks(256)) {
        lab.files.insert(tile_path(0, number), tile(hashes));
        roots.push(root_of(hashes.iter().copied()));
    }
    lab.files.insert(entries_path(255), bundle(&last).unwrap());
    lab.files.insert(tile_path(1, 0), tile(&roots));
    let codes = |lab: &Lab| -> Vec<String> {
        let found = lab.found();
        found.into_iter().filter(|told| !told.starts_with("envelope-noncanonical")).collect()
    };
    let pruned = "pruned-not-allowed at 0 in tile/entries/000: receipts 0 to 65279 were removed, and their hashes kept: they cannot be judged";
    assert_eq!(codes(&lab), [pruned]);
    roots.swap(0, 1);
    lab.files.insert(tile_path(1, 0), tile(&roots));
    let wrong = "tile-mismatch in tile/1/000: the tile does not hold the roots of the tiles below it";
    assert_eq!(codes(&lab), [pruned, wrong]);
    lab.broken.insert(tile_path(1, 0), Fault::Missing("gone".into()));
    assert_eq!(codes(&lab), [pruned, "object-missing in tile/1/000: gone"]);
}

#[test]
fn a_layout_is_read_in_order_whatever_it_lacks() {
    let chunks = |paths: &[&str]| -> Vec<(u64, u64, bool, bool, bool)> {
        let lab = Lab::with_files(paths);
        let told = |c: Chunk| (c.first, c.count, c.is_tail, c.object.is_some(), c.tile.is_some());
        lab.layout().chunks().into_iter().map(told).collect()
    };
    assert_eq!(chunks(&[]), []);
    assert_eq!(chunks(&["tile/entries/000", "tile/0/000"]), [(0, 256, false, true, true)]);
    assert_eq!(
        chunks(&["tile/entries/000", "tile/entries/004", "tail/02.json"]),
        [
            (0, 256, false, true, false),
            (256, 768, false, false, false),
            (1024, 256, false, true, false),
            (1280, 1, true, false, false),
            (1281, 1, true, false, false),
            (1282, 1, true, true, false),
        ]
    );
    assert_eq!(
        chunks(&["tile/0/000", "tile/0/002", "tile/0/009", "tile/entries/003"]),
        [
            (0, 256, false, false, true),
            (256, 256, false, false, false),
            (512, 256, false, false, true),
            (768, 256, false, true, false)
        ]
    );
}

#[test]
fn a_layout_tells_what_is_missing_and_what_does_not_belong() {
    let told = |paths: &[&str]| -> Vec<String> {
        let mut found = Vec::new();
        Lab::with_files(paths).layout().judge(&mut |finding| found.push(finding.to_string()));
        found
    };
    let bundles = ["tile/entries/000", "tile/0/000", "tile/entries/001", "tile/0/001"];
    assert_eq!(told(&bundles), NONE);
    assert_eq!(
        told(&[&bundles[..], &["tail/00.json", "tail/03.json"]].concat()),
        ["gap at 513 in tail/01.json: the tail lacks receipts 513 to 514"]
    );
    assert_eq!(told(&bundles[..3]), ["tile-mismatch in tile/0/001: the tile is missing"]);
    assert_eq!(
        told(&bundles[1..]),
        [
            "pruned-not-allowed at 0 in tile/entries/000: receipts 0 to 255 were removed, and their hashes kept: they cannot be judged"
        ]
    );
    assert_eq!(
        told(&bundles[2..]),
        [
            "gap at 0 in tile/entries/000: no bundle holds receipts 0 to 255",
            "tile-mismatch in tile/0/000: the tile is missing"
        ]
    );
    assert_eq!(
        told(&["tile/entries/000", "tile/0/000", "tile/0/001", "tile/0/002", "tile/entries/003", "tile/0/003"]),
        ["gap at 256 in tile/entries/001: no bundle holds receipts 256 to 767"]
    );
    assert_eq!(
        told(&["tile/0/000", "tile/7/000"]),
        [
            "unexpected-path in tile/0/000: a tile beyond the log's 0 entries",
            "unexpected-path in tile/7/000: a tile beyond the log's 0 entries"
        ]
    );
}

#[test]
fn a_tree_that_is_no_log_s_is_told_path_by_path() {
    let node = |path: &str, mode: u32, object: u8| Ok(Node { path: path.into(), mode, object: name(object) });
    let told = |odd: Vec<Result<Node, Fault>>| Lab { odd, ..Lab::of(&receipts(1)) }.found();
    for (odd, expected) in [
        (vec![node("README", FILE_MODE, 1)], "unexpected-path in README: a log's tree has no such file"),
        (vec![node("docs", FOLDER_MODE, 1)], "unexpected-path in docs: a log's tree has no such folder"),
        (vec![node("tile", FOLDER_MODE, 1)], "unexpected-path in tile: a folder without files"),
        (
            vec![node(HEADER, FILE_MODE, 1)],
            "unexpected-path in log.json: the tree has this path twice; git shows one of them",
        ),
    ] {
        assert_eq!(told(odd), [expected]);
    }
    let twice = vec![node("tile", FOLDER_MODE, 1), node("tile/0", FOLDER_MODE, 1)];
    assert_eq!(told(twice), ["unexpected-path in tile/0: the folder stands at another path too"]);
    let mut lab = Lab::of(&receipts(1));
    assert_eq!(lab.found(), NONE);
    let executable = Node { path: "tail/01.json".into(), mode: 0o100_755, object: lab.object("tail/00.json") };
    lab.odd.push(Ok(executable));
    let mode = "bad-mode in tail/01.json: mode 100755; a log's files have 100644";
    assert_eq!(lab.told(Code::BadMode), [mode]);
}

#[test]
fn a_history_shows_growth_or_is_told() {
    let told = |change: &dyn Fn(&mut Lab)| Lab::grown().changed(change).found();
    let [zero, one, two, three] = [0, 1, 2, 3].map(|number: u8| name(number).to_string());
    assert_eq!(two, "02".repeat(20));
    let inconsistent = |detail: String| vec![format!("history-inconsistent: {detail}")];
    let second = |lab: &mut Lab, note| lab.history[1].1 = note;
    assert_eq!(told(&|lab| second(lab, Ok(None))), inconsistent(format!("commit {two} has no checkpoint")));
    let unread = inconsistent(format!("commit {two} has a checkpoint that cannot be read"));
    assert_eq!(told(&|lab| second(lab, Ok(Some(b"2".to_vec())))), unread);
    let says = inconsistent(format!("commit {two} says 2 entries, its checkpoint 1"));
    assert_eq!(told(&|lab| second(lab, lab.history[2].1.clone())), says);
    let another = inconsistent(format!("commit {two} had another root at 2 entries"));
    assert_eq!(told(&|lab| second(lab, Ok(Some(note(2, [1; 32]))))), another);
    let gone = "object-missing in history: gone";
    assert_eq!(told(&|lab| second(lab, Err(Fault::Missing("gone".into())))), [gone]);
    assert_eq!(told(&|lab| lab.history_ends = Some(Fault::Missing("gone".into()))), [gone]);
    for machine in [
        Lab::grown().changed(|lab| second(lab, Err(Fault::Machine("no memory".into())))),
        Lab::grown().changed(|lab| lab.history_ends = Some(Fault::Machine("no memory".into()))),
    ] {
        let (report, faults) = machine.audit();
        assert_eq!((report.findings, faults), (vec![], vec![Fault::Machine("no memory".into())]));
    }

    let merge = format!("history-merge: commit {two} has 2 parents; a log only grows by one line");
    assert_eq!(told(&|lab| lab.history[1].0.parents.push(name(9))), [merge]);
    let silent = inconsistent(format!("commit {two} does not say its log's size"));
    assert_eq!(told(&|lab| lab.history[1].0.size = None), silent);
    let shrunk = format!("commit {three} has 3 entries, its parent {two} has 4");
    assert_eq!(told(&|lab| lab.history[1].0.size = Some(4)), inconsistent(shrunk));
    let tip = inconsistent(format!("commit {three} says 4 entries, and its tree has 3"));
    assert_eq!(told(&|lab| lab.history[0].0.size = Some(4)), tip);
    let began = |lab: &mut Lab| lab.history.truncate(3);
    let first = format!("history-rewritten: the first commit, {one}, already has 1 entries");
    assert_eq!(told(&began), [first]);
    let shallow = format!("history-shallow: this copy's history begins at commit {one}, 1 entries in");
    assert_eq!(told(&|lab| (began(lab), lab.shallow = Some(name(1))).1), [shallow]);
    let cut = format!("history-shallow: this copy's history begins at commit {zero}, 0 entries in");
    assert_eq!(told(&|lab| lab.shallow = Some(name(0))), [cut]);
    let base = |commit| Ok(Some(Wal { base: Some((name(commit), 3)), ..Wal::default() }));
    assert_eq!(told(&|lab| lab.wal = base(3)), NONE);
    assert_eq!(told(&|lab| lab.wal = base(0)), NONE);
    let lost =
        format!("history-rewritten: the write-ahead log stands on commit {}, which the history does not have", name(9));
    assert_eq!(told(&|lab| lab.wal = base(9)), [lost]);
    let hides = |lab: &mut Lab| (lab.wal, lab.shallow) = (base(9), Some(name(0)));
    assert_eq!(told(&hides).len(), 1, "what was cut may have it");
}

#[test]
fn two_roots_of_one_size_are_a_fork_where_both_are_signed() {
    let forked = |note: Vec<u8>| {
        let mut lab = Lab::grown();
        lab.history.insert(1, (Commit { name: name(9), parents: vec![name(2)], size: Some(3) }, Ok(Some(note))));
        lab.audit().0
    };
    let report = forked(note(3, [1; 32]));
    let codes = |report: &LogReport| report.findings.iter().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(codes(&report), [Code::HistoryInconsistent, Code::Fork]);
    assert_eq!(report.findings[1].index, Some(3));
    assert_eq!((report.forks[0].size, report.forks[0].roots), (3, [root(&receipts(3)), [1; 32]]));
    let of_another = Checkpoint { origin: header().id().origin(), size: 3, root: [1; 32] };
    let stranger = NoteSigner::new(header().id().origin(), SigningKey::from_bytes(&[6; 32])).unwrap();
    let report = forked(of_another.sign(&stranger).unwrap().into_bytes());
    assert_eq!(codes(&report), [Code::HistoryInconsistent; 2]);
    assert_eq!(report.forks, []);
}

#[test]
fn a_history_is_compared_from_where_reading_begins() {
    let lab = Lab::grown().changed(|lab| lab.history[1].1 = Ok(None));
    let compared = |from: u64, at: u64| {
        let mut history = History::read(&lab, None, &mut |_| {}, &mut Vec::new());
        history.skip_to(from);
        let next = history.next_size();
        let verifier: NoteVerifier = note_signer().verifier();
        let forks = std::cell::RefCell::new(Vec::new());
        let known = Known { source: &lab, verifier: Some(&verifier), current: None, forks: &forks };
        let mut found = 0;
        history.check(at, &[0; 32], &known, &mut |_| found += 1);
        (next, found, history.next_size())
    };
    assert_eq!(compared(0, 0), (Some(0), 1, Some(1)));
    assert_eq!(compared(2, 2), (Some(2), 1, None), "the tip's own is the log's");
    assert_eq!(compared(1, 2), (Some(1), 1, None));
    assert_eq!(compared(2, 1), (Some(2), 0, Some(2)));
    assert_eq!(compared(3, 3), (None, 0, None));
}

#[test]
fn a_write_ahead_log_is_judged_behind_the_tree() {
    let all = receipts(5);
    let tree = root(&all[..4]);
    let record =
        |index: usize, checkpoint: Vec<u8>| Record { index: index as u64, envelope: all[index].clone(), checkpoint };
    let told = |wal: Wal| {
        let lab = Lab { wal: Ok(Some(wal)), ..Lab::of(&all[..3]) };
        let (report, faults) = lab.audit();
        assert_eq!(faults, []);
        (report.pending, report.findings.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let pending = |pending: Vec<Record>| told(Wal { pending, ..Wal::default() });
    assert_eq!(told(Wal::default()), (0, vec![]));
    assert_eq!(pending(vec![record(3, vec![]), record(4, note(5, root(&all)))]), (2, vec![]));
    assert_eq!(pending(vec![record(3, note(4, tree)), record(4, vec![])]), (2, vec![]));
    let another = || vec!["wal-corrupt in wal: the checkpoint of receipt 3 is of another log".to_owned()];
    assert_eq!(pending(vec![record(3, note(4, [1; 32]))]), (1, another()));
    assert_eq!(pending(vec![record(3, note(3, tree))]), (1, another()));
    let (_, unsigned) = pending(vec![record(3, b"4".to_vec())]);
    assert!(unsigned[0].starts_with("wal-corrupt in wal: receipt 3: "), "{unsigned:?}");
    let twice = vec!["wal-corrupt in wal: receipt 2 is there twice".to_owned()];
    assert_eq!(pending(vec![record(2, vec![]), record(3, vec![])]), (2, twice));
    let skipped = vec!["wal-corrupt in wal: receipts 3 to 3 are missing".to_owned()];
    assert_eq!(pending(vec![record(4, vec![])]), (1, skipped));

    let damage = |offset| Damage { offset, bytes: 7, reason: "cut short" };
    let torn =
        "wal-torn-tail in wal: 7 bytes at its end were never acknowledged (cut short); the next append cuts them";
    assert_eq!(told(Wal { torn: Some(damage(9)), ..Wal::default() }).1, [torn]);
    assert_eq!(
        told(Wal { header_damaged: true, torn: Some(damage(9)), corrupt: vec![damage(1)], ..Wal::default() }).1,
        [
            "wal-corrupt in wal: its header cannot be read, or is another log's",
            "wal-corrupt in wal: 7 bytes at 1: cut short"
        ]
    );

    let on = |base: u64, pending: Vec<Record>| {
        let wal = Wal { base: Some((name(3), base)), pending, ..Wal::default() };
        Lab::grown().changed(|lab| lab.wal = Ok(Some(wal))).found()
    };
    assert_eq!(on(3, vec![record(3, vec![])]), NONE);
    assert_eq!(on(2, vec![record(3, vec![])]), NONE);
    let shorter = "rollback in wal: the tree is shorter than what the write-ahead log stands on: wal=4 got=3";
    assert_eq!(on(4, vec![record(4, vec![])]), [shorter]);
    let unreadable = Lab { wal: Err(Fault::Corrupt("torn".into())), ..Lab::of(&all[..3]) };
    assert_eq!(unreadable.found(), ["object-corrupt in wal: torn"]);
}

#[test]
fn whoever_really_signed_is_named_where_it_is_known() {
    let named = |keyid| {
        let mut entries = receipts(2);
        let envelope = Envelope { keyid, ..Envelope::parse(&entries[1]).unwrap() };
        entries[1] = envelope.to_bytes();
        Lab::of(&entries).found()
    };
    let ours = signer().public().id();
    for stranger in [other(), SecretKey::from_seed(&[5; 32])].map(|secret| secret.public().id()) {
        let detail = format!("the envelope names key {stranger}, but the key is {ours}");
        assert_eq!(named(stranger), [format!("keyid-mismatch at 1 in tail/01.json: {detail}")]);
    }
    assert_eq!(named(ours), NONE);
}

fn pins(size: u64, root: Hash) -> Pins {
    let mut pins = Pins::default();
    pins.add(&note_signer().verifier(), &note(size, root), |_| true).unwrap();
    pins
}

#[test]
fn reading_begins_at_the_bundle_of_the_newest_pin() {
    let all = receipts(258);
    let lab = Lab::of(&all);
    let trust = trust();
    for (size, from) in [(1, 0), (255, 0), (256, 256), (257, 256), (258, 256)] {
        let pins = pins(size, root(&all[..size as usize]));
        let request = Request { pins: Some(Ok(&pins)), since_pin: true, require_pin: true, ..asked(&trust) };
        let mut seen = Vec::new();
        let (report, _) = audit_log(&lab, &request, &mut |progress| {
            seen.push((progress.read, progress.total));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!((report.from, report.judged, report.findings), (from, 258 - from, vec![]), "{size}");
        assert_eq!(report.carried_sessions, u64::from(from > 0));
        assert_eq!(seen.last(), Some(&(258 - from, 258 - from)));
        assert!(audit_log(&lab, &request, &mut |_| ControlFlow::Break(())).is_err());
    }
}

#[test]
fn pins_are_held_against_the_log() {
    let entries = receipts(3);
    let lab = Lab::of(&entries);
    let trust = trust();
    let codes = |lab: &Lab, pins: Option<&Pins>, require_pin| {
        let request = Request { pins: pins.map(Ok), require_pin, ..asked(&trust) };
        let (report, _) = audit_log(lab, &request, &mut |_| ControlFlow::Continue(())).unwrap();
        (report.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), report.forks.len())
    };
    for (size, root, expected) in [
        (3, root(&entries), (vec![], 0)),
        (2, root(&entries[..2]), (vec![], 0)),
        (2, [1; 32], (vec![Code::PinInconsistent], 0)),
        (3, [1; 32], (vec![Code::Fork], 1)),
        (4, [1; 32], (vec![Code::Rollback], 0)),
    ] {
        assert_eq!(codes(&lab, Some(&pins(size, root)), true), expected, "{size}");
    }
    for pins in [None, Some(&Pins::default())] {
        assert_eq!(codes(&lab, pins, true), (vec![Code::PinMissing], 0));
        assert_eq!(codes(&lab, pins, false), (vec![], 0));
    }
    // What damage hides contradicts no pin behind it.
    let hole = Lab::of(&entries).changed(|lab| drop(lab.files.remove("tail/01.json")));
    let damage = vec![Code::Gap, Code::RootMismatch];
    assert_eq!(codes(&hole, Some(&pins(2, [1; 32])), false), (damage.clone(), 0));
    assert_eq!(codes(&hole, Some(&pins(1, [1; 32])), false), ([damage, vec![Code::PinInconsistent]].concat(), 0));
}
