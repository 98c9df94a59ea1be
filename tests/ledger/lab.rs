//! A workshop for manipulating ledgers: a real one to copy, git to change it, and everybody's keys to sign again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bizra::receipts::audit::{Report, Request};
use bizra::receipts::checkpoint::{Checkpoint, NoteSigner};
use bizra::receipts::envelope::{Envelope, ReceiptId};
use bizra::receipts::finding::Code;
use bizra::receipts::keys::SecretKey;
use bizra::receipts::log::{CHECKPOINT, LogHeader, LogId, grow};
use bizra::receipts::merkle::Frontier;
use bizra::receipts::pin::{PinError, Pins};
use bizra::receipts::policy::{Entry, Policy, PolicyError, SignedPolicy, Trust};
use bizra::receipts::predicates::Attestation;
use bizra::receipts::stamp::{Position, Stamp, Tool};
use bizra::receipts::statement::{Draft, Subject};
use bizra::receipts::tiles::{Files, TileError};
use bizra::sys::ledger::Ledger;
use bizra::sys::ledger::audit::audit_ledger;

/// The template's sizes after each commit.
pub(crate) const COMMITS: [u64; 4] = [256, 512, 516, 520];
pub(crate) const SIZE: u64 = 520;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("bizra-ledger-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn writer_key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(crate) fn stranger() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub(crate) fn checkpoint_key() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

pub(crate) fn policy_key() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

pub(crate) fn header() -> LogHeader {
    LogHeader {
        writer: writer_key().public().id().to_string(),
        checkpoint_key: *checkpoint_key().public().as_bytes(),
        nonce: [9; 16],
        created: "2026-01-01T00:00:00.000Z".to_owned(),
    }
}

pub(crate) fn id() -> LogId {
    header().id()
}

pub(crate) fn note_signer() -> NoteSigner {
    NoteSigner::new(id().origin(), checkpoint_key().into_signing_key()).unwrap()
}

/// A checkpoint signed by the log's own key, whether it is true or not.
pub(crate) fn signed(size: u64, root: [u8; 32]) -> String {
    Checkpoint { origin: id().origin(), size, root }.sign(&note_signer()).unwrap()
}

/// Everything that makes one receipt differ from another.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) ledger: [u8; 32],
    pub(crate) session: u8,
    pub(crate) seq: u64,
    pub(crate) prev: Option<ReceiptId>,
    pub(crate) second: u64,
    pub(crate) words: String,
}

impl Recipe {
    pub(crate) fn seal(&self, key: &SecretKey) -> Vec<u8> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.second.to_be_bytes());
        let stamp = Stamp {
            ledger: self.ledger,
            nonce,
            position: Position { session: [self.session; 16], seq: self.seq, prev: self.prev },
            time: format!("2026-01-01T00:{:02}:{:02}.000Z", self.second / 60, self.second % 60).parse().unwrap(),
            tool: Tool { name: "bizra".into(), version: "0.1.0".into(), commit: None, build: "test".into() },
            host: "lab".into(),
        };
        let claim = Attestation { role: "lead".into(), statement: Some(self.words.clone()), score: None };
        let draft = Draft::new(vec![Subject::of_bytes("statement", self.words.as_bytes())], &claim).unwrap();
        draft.seal(&stamp, key).unwrap().envelope
    }
}

pub(crate) fn id_of(envelope: &[u8]) -> ReceiptId {
    Envelope::parse(envelope).unwrap().id()
}

/// What comes next behind `entries`, as a session of its own.
pub(crate) fn next(entries: &[Vec<u8>]) -> Recipe {
    Recipe {
        ledger: header().genesis(),
        session: 77,
        seq: 0,
        prev: entries.last().map(|entry| id_of(entry)),
        second: entries.len() as u64,
        words: "the next one".into(),
    }
}

/// The template's receipts: four sessions, one per commit.
pub(crate) fn make_entries() -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for (session, end) in (1..).zip(COMMITS) {
        for seq in 0..end - entries.len() as u64 {
            let words = format!("receipt {} holds", entries.len());
            let recipe = Recipe { session, seq, words, ..next(&entries) };
            entries.push(recipe.seal(&writer_key()));
        }
    }
    entries
}

pub(crate) fn entries() -> Vec<Vec<u8>> {
    static ENTRIES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ENTRIES.get_or_init(make_entries).clone()
}

/// A log made by appending, in four commits.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, path) = TEMPLATE.get_or_init(|| {
        let folder = Folder::new();
        let path = folder.path().join("ledger.git");
        append_all(&path, &entries(), &COMMITS);
        (folder, path)
    });
    path
}

pub(crate) fn append_all(path: &Path, entries: &[Vec<u8>], commits: &[u64]) {
    let ledger = Ledger::open(path, true).unwrap();
    let signer = note_signer();
    ledger.create_log(&header(), &signer, 1).unwrap();
    let mut writer = ledger.writer(&id(), &signer).unwrap();
    for end in commits {
        writer
            .append_batch(*end as i64, &mut |position| {
                Ok((position.index < *end).then(|| entries[position.index as usize].clone()))
            })
            .unwrap();
        writer.settle().unwrap();
    }
}

/// A path, and the mode and bytes that it gets, or nothing.
type Change<'a> = (&'a str, Option<(&'a str, &'a [u8])>);

/// One copy of the ledger, to be changed and audited.
pub(crate) struct Lab {
    folder: Folder,
    pub(crate) path: PathBuf,
    pub(crate) trust: Result<Trust, PolicyError>,
    pub(crate) pins: Option<Result<Pins, PinError>>,
    pub(crate) since_pin: bool,
    pub(crate) require_pin: bool,
    pub(crate) require_history: bool,
}

pub(crate) fn own_key() -> Trust {
    Trust::Own { logs: vec![id().to_string()], keys: vec![*writer_key().public()] }
}

impl Lab {
    /// With its write-ahead log.
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path().join("ledger.git");
        copy(template(), &path);
        Self::at(folder, path)
    }

    pub(crate) fn at(folder: Folder, path: PathBuf) -> Self {
        Self {
            folder,
            path,
            trust: Ok(own_key()),
            pins: None,
            since_pin: false,
            require_pin: false,
            require_history: false,
        }
    }

    /// As another machine has it: without a write-ahead log.
    pub(crate) fn copied() -> Self {
        let lab = Self::new();
        fs::remove_dir_all(lab.path.join("bizra")).unwrap();
        lab
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"", &[])
    }

    fn git_with(&self, args: &[&str], input: &[u8], variables: &[(&str, &str)]) -> String {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.path).args(args).env_clear();
        for name in ["PATH", "SYSTEMROOT"] {
            #[expect(clippy::disallowed_methods, reason = "git itself has to be found")]
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let fixed = [
            ("HOME", self.folder.path().to_str().unwrap()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_AUTHOR_NAME", "mallory"),
            ("GIT_AUTHOR_EMAIL", "m@example.invalid"),
            ("GIT_COMMITTER_NAME", "mallory"),
            ("GIT_COMMITTER_EMAIL", "m@example.invalid"),
        ];
        command.envs(fixed).envs(variables.iter().copied());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("git runs");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn log_ref(&self) -> String {
        format!("refs/bizra/log/{}", id())
    }

    pub(crate) fn tip(&self) -> String {
        self.git(&["rev-parse", &self.log_ref()])
    }

    pub(crate) fn hash_object(&self, bytes: &[u8]) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], bytes, &[])
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let ledger = Ledger::open(&self.path, false).unwrap();
        ledger.log(&id()).unwrap().file(path).unwrap()
    }

    /// The tip's tree with changes: a path with a mode and bytes, or a path to be removed.
    pub(crate) fn tree(&self, changes: &[Change<'_>]) -> String {
        let index = self.beside("index");
        let _ = fs::remove_file(&index);
        let variables = [("GIT_INDEX_FILE", index.to_str().unwrap())];
        self.git_with(&["read-tree", &self.tip()], b"", &variables);
        let mut list = Vec::new();
        for (path, change) in changes {
            let (mode, object) = match change {
                Some((mode, bytes)) => (*mode, self.hash_object(bytes)),
                None => ("0", "0".repeat(40)),
            };
            list.extend(format!("{mode} {object}\t{path}\0").bytes());
        }
        self.git_with(&["update-index", "-z", "--add", "--index-info"], &list, &variables);
        self.git_with(&["write-tree"], b"", &variables)
    }

    /// A folder with these folders in it.
    pub(crate) fn folder_named(&self, folders: &[(&str, &str)]) -> String {
        let list: String = folders.iter().map(|(name, tree)| format!("040000 tree {tree}\t{name}\n")).collect();
        self.git_with(&["mktree"], list.as_bytes(), &[])
    }

    /// The same, named `x000`, `x001`, …
    pub(crate) fn folder_of(&self, folders: &[&str]) -> String {
        let names: Vec<String> = (0..folders.len()).map(|number| format!("x{number:03}")).collect();
        let named: Vec<_> = names.iter().map(String::as_str).zip(folders.iter().copied()).collect();
        self.folder_named(&named)
    }

    /// The tip's tree with the folder `tree` at `name`.
    pub(crate) fn folder_beside(&self, name: &str, tree: &str) -> String {
        let listed = self.git(&["ls-tree", &self.tip()]);
        let kept = listed.lines().filter(|line| !line.ends_with(&format!("\t{name}")));
        let list: String = kept.map(|line| format!("{line}\n")).collect();
        self.git_with(&["mktree"], format!("{list}040000 tree {tree}\t{name}\n").as_bytes(), &[])
    }

    pub(crate) fn commit(&self, tree: &str, parents: &[&str], message: &str) -> String {
        let mut args = vec!["commit-tree", tree, "-m", message];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        self.git(&args)
    }

    pub(crate) fn point_to(&self, commit: &str) {
        self.git(&["update-ref", &self.log_ref(), commit]);
    }

    pub(crate) fn message(size: u64) -> String {
        format!("append\n\nBizra-Size: {size}")
    }

    /// Puts a changed tree in the tip's place, with the tip's parent and a fitting message.
    pub(crate) fn replace_tip(&self, tree: &str, size: u64) {
        let parent = self.git(&["rev-parse", &format!("{}^", self.tip())]);
        self.point_to(&self.commit(tree, &[&parent], &Self::message(size)));
    }

    pub(crate) fn change(&self, changes: &[(&str, Option<&[u8]>)]) {
        let changes: Vec<_> =
            changes.iter().map(|(path, bytes)| (*path, bytes.map(|bytes| ("100644", bytes)))).collect();
        self.replace_tip(&self.tree(&changes), SIZE);
    }

    /// A tree that is right for `entries` in every way, checkpoint signed again by the log's own key.
    pub(crate) fn forged_tree(&self, entries: &[Vec<u8>]) -> String {
        let mut frontier = Frontier::default();
        let mut files = grow(&Nothing, &mut frontier, entries).unwrap().files;
        files.insert(CHECKPOINT.to_owned(), signed(frontier.size(), frontier.root()).into_bytes());
        let listed = self.git(&["ls-tree", "-r", "--name-only", &self.tip()]);
        let mut changes: BTreeMap<&str, Option<(&str, &[u8])>> =
            listed.lines().filter(|path| *path != "log.json").map(|path| (path, None)).collect();
        changes.extend(files.iter().map(|(path, bytes)| (path.as_str(), Some(("100644", bytes.as_slice())))));
        let changes: Vec<_> = changes.into_iter().collect();
        self.tree(&changes)
    }

    pub(crate) fn forge(&self, entries: &[Vec<u8>]) {
        self.replace_tip(&self.forged_tree(entries), entries.len() as u64);
    }

    /// All objects loose, so that single ones can be damaged.
    pub(crate) fn explode_packs(&self) {
        let packs = self.path.join("objects/pack");
        let away = self.beside("packs");
        fs::rename(&packs, &away).unwrap();
        fs::create_dir(&packs).unwrap();
        for file in fs::read_dir(&away).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "pack") {
                self.git_with(&["unpack-objects", "-q"], &fs::read(&file).unwrap(), &[]);
            }
        }
    }

    /// The loose file of the object that `path` of the tip names.
    pub(crate) fn loose_file(&self, path: &str) -> PathBuf {
        let name = self.git(&["rev-parse", &format!("{}:{path}", self.tip())]);
        let file = self.path.join("objects").join(&name[..2]).join(&name[2..]);
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a file of the test's own")]
        permissions.set_readonly(false);
        fs::set_permissions(&file, permissions).unwrap();
        file
    }

    pub(crate) fn wal_file(&self) -> PathBuf {
        self.path.join("bizra").join(id().to_string()).join("wal")
    }

    pub(crate) fn pin(&mut self, note: &str) {
        let mut pins = Pins::default();
        pins.add(&note_signer().verifier(), note.as_bytes(), |_| true).unwrap();
        self.pins = Some(Ok(pins));
    }

    pub(crate) fn audit(&self) -> Report {
        self.audit_on(2)
    }

    pub(crate) fn audit_on(&self, threads: usize) -> Report {
        let request = Request {
            trust: self.trust.as_ref(),
            pins: self.pins.as_ref().map(Result::as_ref),
            since_pin: self.since_pin,
            require_pin: self.require_pin,
            require_history: self.require_history,
            threads: NonZeroUsize::new(threads).unwrap(),
        };
        audit_ledger(&self.path, &request, &mut |_| ControlFlow::Continue(())).unwrap().unwrap()
    }
}

struct Nothing;

impl Files for Nothing {
    type Error = TileError;

    fn read(&self, path: &str) -> Result<Vec<u8>, TileError> {
        panic!("a log made at once reads nothing, not {path}")
    }
}

pub(crate) fn codes(report: &Report) -> BTreeSet<Code> {
    report.all_findings().map(|(_, finding)| finding.code).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn policy_of(change: impl FnOnce(&mut Entry)) -> Policy {
    let mut entry = Entry {
        name: "writer".into(),
        key: *writer_key().public(),
        log: None,
        roles: vec!["lead".into()],
        predicates: vec!["attestation/v0.1".into()],
        from: 0,
        until: None,
        revoked_at: None,
    };
    change(&mut entry);
    Policy { serial: 1, policy_keys: vec![*policy_key().public()], entries: vec![entry] }
}

pub(crate) fn policy(change: impl FnOnce(&mut Entry)) -> Trust {
    let file = policy_of(change).sign(&policy_key()).unwrap();
    Trust::Policy(SignedPolicy::open(file.as_bytes(), None).unwrap())
}
