//! Logs in memory, as a store would give them.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;

use super::layout::Layout;
use super::log::audit_log;
use super::source::{Commit, FILE_MODE, FOLDER_MODE, Node, ObjectName, Wal};
use super::*;
use crate::receipts::checkpoint::NoteSigner;
use crate::receipts::envelope::ReceiptId;
use crate::receipts::keys::SecretKey;
use crate::receipts::log::{CHECKPOINT, HEADER, LogHeader, grow};
use crate::receipts::merkle::{Frontier, empty_root, leaf_hash, root_of};
use crate::receipts::stamp::{Position, Stamp};
use crate::receipts::statement::tests::{approval, signer, stamp};
use crate::receipts::statement::{Draft, Subject};
use crate::receipts::tiles::{Files, TileError};

mod tests;

type Note = Result<Option<Vec<u8>>, Fault>;

/// One log as its store would give it.
struct Lab {
    id: LogId,
    files: BTreeMap<String, Vec<u8>>,
    /// What the tree shows beside its files.
    odd: Vec<Result<Node, Fault>>,
    broken: BTreeMap<String, Fault>,
    /// Newest first, each with the checkpoint in its tree.
    history: Vec<(Commit, Note)>,
    history_ends: Option<Fault>,
    shallow: Option<ObjectName>,
    wal: Result<Option<Wal>, Fault>,
}

struct Nowhere;

impl Files for Nowhere {
    type Error = TileError;
    fn read(&self, path: &str) -> Result<Vec<u8>, TileError> {
        panic!("a log that is made at once reads nothing, not even {path}")
    }
}

fn name(number: u8) -> ObjectName {
    ObjectName([number; 20])
}

fn header() -> LogHeader {
    LogHeader {
        writer: signer().public().id().to_string(),
        checkpoint_key: SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes(),
        nonce: [9; 16],
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn note_signer() -> NoteSigner {
    NoteSigner::new(header().id().origin(), SigningKey::from_bytes(&[7; 32])).unwrap()
}

fn note(size: u64, root: Hash) -> Vec<u8> {
    let checkpoint = Checkpoint { origin: header().id().origin(), size, root };
    checkpoint.sign(&note_signer()).unwrap().into_bytes()
}

fn root(entries: &[Vec<u8>]) -> Hash {
    root_of(entries.iter().map(|entry| leaf_hash(entry)))
}

/// So many receipts of one session.
fn receipts(count: usize) -> Vec<Vec<u8>> {
    let draft = Draft::new(vec![Subject::of_bytes("notes.md", b"hello")], &approval()).unwrap();
    let mut prev: Option<ReceiptId> = None;
    let mut all = Vec::with_capacity(count);
    for seq in 0..count as u64 {
        let position = Position { session: [3; 16], seq, prev };
        let stamp = Stamp { ledger: header().genesis(), position, ..stamp() };
        let sealed = draft.seal(&stamp, &signer()).unwrap();
        prev = Some(sealed.id);
        all.push(sealed.envelope);
    }
    all
}

/// Entries that are no receipts, which costs less where only the tree matters.
fn blanks(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| index.to_string().into_bytes()).collect()
}

impl Lab {
    fn of(entries: &[Vec<u8>]) -> Self {
        let mut frontier = Frontier::default();
        let mut files = grow(&Nowhere, &mut frontier, entries).unwrap().files;
        files.insert(HEADER.into(), header().encode());
        files.insert(CHECKPOINT.into(), note(frontier.size(), frontier.root()));
        let (odd, broken, history) = (Vec::new(), BTreeMap::new(), Vec::new());
        Lab { id: header().id(), files, odd, broken, history, history_ends: None, shallow: None, wal: Ok(None) }
    }

    /// A log whose tree has these files, and nothing in them.
    fn with_files(paths: &[&str]) -> Self {
        let files = paths.iter().map(|path| ((*path).to_owned(), Vec::new())).collect();
        Lab { files, ..Lab::of(&[]) }
    }

    /// Three receipts, each with the commit that brought it.
    fn grown() -> Self {
        let entries = receipts(3);
        let commit = |size: u8| {
            let parents = if size > 0 { vec![name(size - 1)] } else { vec![] };
            let entries = &entries[..size.into()];
            let root = if size == 0 { empty_root() } else { root(entries) };
            (Commit { name: name(size), parents, size: Some(size.into()) }, Ok(Some(note(size.into(), root))))
        };
        Lab { history: (0..=3).rev().map(commit).collect(), ..Lab::of(&entries) }
    }

    fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn object(&self, path: &str) -> ObjectName {
        let at = self.files.keys().position(|other| other == path).unwrap() as u64;
        let mut name = [0xff; 20];
        name[..8].copy_from_slice(&at.to_be_bytes());
        ObjectName(name)
    }

    fn layout(&self) -> Layout {
        Layout::read(self, &mut |_| {}, &mut Vec::new())
    }

    fn audit(&self) -> (LogReport, Vec<Fault>) {
        audit_log(self, &asked(&trust()), &mut |_| ControlFlow::Continue(())).unwrap()
    }

    /// What is found, in words.
    fn found(&self) -> Vec<String> {
        let (report, faults) = self.audit();
        assert_eq!(faults, []);
        report.findings.iter().map(ToString::to_string).collect()
    }

    /// What is found of one code.
    fn told(&self, code: Code) -> Vec<String> {
        let (report, faults) = self.audit();
        assert_eq!(faults, []);
        report.findings.iter().filter(|finding| finding.code == code).map(ToString::to_string).collect()
    }
}

fn other() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

fn trust() -> Trust {
    Trust::Own { logs: vec![header().id().to_string()], keys: vec![*signer().public(), *other().public()] }
}

fn asked(trust: &Trust) -> Request<'_> {
    Request {
        trust: Ok(trust),
        pins: None,
        since_pin: false,
        require_pin: false,
        require_history: false,
        threads: NonZeroUsize::new(2).unwrap(),
    }
}

impl Source for Lab {
    fn id(&self) -> &LogId {
        &self.id
    }

    fn walk(&self, visit: &mut dyn FnMut(Result<Node, Fault>) -> bool) {
        let mut folders: BTreeMap<&str, bool> = BTreeMap::new();
        for path in self.files.keys() {
            let mut entered = true;
            for (at, _) in path.match_indices('/') {
                let folder = &path[..at];
                entered = entered
                    && *folders.entry(folder).or_insert_with(|| {
                        let mut object = [0xee; 20];
                        object.iter_mut().zip(folder.bytes().rev()).for_each(|(to, from)| *to = from);
                        visit(Ok(Node { path: folder.into(), mode: FOLDER_MODE, object: ObjectName(object) }))
                    });
            }
            if entered {
                visit(Ok(Node { path: path.clone(), mode: FILE_MODE, object: self.object(path) }));
            }
        }
        for node in &self.odd {
            visit(node.clone());
        }
    }

    fn blob(&self, object: ObjectName) -> Result<Vec<u8>, Fault> {
        let (path, bytes) = self.files.iter().find(|(path, _)| self.object(path) == object).unwrap();
        self.broken.get(path).map_or_else(|| Ok(bytes.clone()), |fault| Err(fault.clone()))
    }

    fn history(&self, visit: &mut dyn FnMut(Result<Commit, Fault>)) {
        self.history.iter().for_each(|(commit, _)| visit(Ok(commit.clone())));
        self.history_ends.iter().for_each(|fault| visit(Err(fault.clone())));
    }

    fn is_shallow_at(&self, commit: ObjectName) -> bool {
        self.shallow == Some(commit)
    }

    fn checkpoint_at(&self, commit: ObjectName) -> Note {
        self.history.iter().find(|(other, _)| other.name == commit).unwrap().1.clone()
    }

    fn wal(&self, _: u64) -> Result<Option<Wal>, Fault> {
        self.wal.clone()
    }
}
