//! One log's audit, from its files to its pins.

use std::cell::RefCell;
use std::ops::ControlFlow;

use super::super::Hash;
use super::super::checkpoint::{Checkpoint, CheckpointError, NoteVerifier};
use super::super::finding::{Code, Finding};
use super::super::log::{CHECKPOINT, FRONTIER, HEADER, LogHeader, LogId};
use super::super::merkle::{
    Frontier, Nodes as _, ProofError, empty_root, leaf_hash, prove_consistency, root_of, verify_consistency,
};
use super::super::pin::{self, PinnedLog, Pins};
use super::super::tiles::{Files, TileError, TreeNodes, WIDTH, full_tile, full_tiles, tile_path};
use super::chain::Chain;
use super::history::{History, Known};
use super::layout::Layout;
use super::receipt::Judge;
use super::source::{Fault, ObjectName, Record, Source, Wal};
use super::stream::{Read, Reader};
use super::{Findings, Fork, LogReport, Progress, Request, Stopped};

pub(super) const WAL: &str = "wal";

pub(super) fn audit_log(
    source: &dyn Source,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<(LogReport, Vec<Fault>), Stopped> {
    let id = source.id();
    let mut found = Findings::default();
    let mut faults = Vec::new();
    let layout = Layout::read(source, &mut |finding| found.add(finding), &mut faults);
    let faults_of_folders: Vec<Fault> = std::mem::take(&mut faults);
    for fault in faults_of_folders {
        match fault.finding() {
            Some(finding) => found.add(finding),
            None => faults.push(fault),
        }
    }
    layout.judge(&mut |finding| found.add(finding));
    let mut files = LogFiles { source, layout: &layout, found: &mut found, faults: &mut faults };
    let (genesis, verifier) = files.header(id);
    let (checkpoint, note) = files.checkpoint(verifier.as_ref());
    let frontier = files.frontier();
    let wal = match source.wal(layout.size()) {
        Ok(wal) => wal,
        Err(fault) => {
            tell(fault, WAL, &mut found, &mut faults);
            None
        }
    };
    let mut history = History::read(source, wal.as_ref(), &mut |finding| found.add(finding), &mut faults);

    let pinned = request.pins.and_then(Result::ok).and_then(|pins: &Pins| pins.log(&id.origin()));
    let start = pinned
        .filter(|_| request.since_pin)
        .and_then(|pinned| Start::at_pin(&layout, source, pinned, checkpoint.as_ref()));
    let from = start.as_ref().map_or(0, |start| start.frontier.size());
    history.skip_to(from);
    let forks = RefCell::new(Vec::new());
    let current = checkpoint.as_ref().zip(note.as_deref());
    let known = Known { source, verifier: verifier.as_ref(), current, forks: &forks };
    let mut walk = Walk {
        source,
        layout: &layout,
        chain: Chain::new(from),
        judged: 0,
        roots: start.as_ref().map_or(Vec::new(), |start| start.roots.clone()),
        tree: Tree::begin(start, &layout),
        history,
        known,
        wanted: wanted_sizes(pinned, checkpoint.as_ref()),
        found: &mut found,
        faults: &mut faults,
    };
    walk.tree.catch_up(&mut walk.roots, &walk.wanted);

    let all = layout.chunks();
    let chunks = &all[all.partition_point(|chunk| chunk.first < from)..];
    let reader = Reader { source, log: id, genesis, trust: request.trust.ok() };
    let total = layout.size() - from.min(layout.size());
    let done = reader.read_all(chunks, request.threads, &mut |read| {
        walk.take(read);
        progress(Progress { log: id, read: walk.tree.end - from, total })
    });
    if done.is_break() {
        return Err(Stopped);
    }
    walk.judge_end(checkpoint.as_ref(), frontier.as_ref());
    let hidden_behind = walk.tree.broken.then(|| walk.tree.frontier.size());
    let pending = wal.as_ref().map_or(0, |wal| walk.judge_wal(wal, &reader, verifier.as_ref()));

    let Walk { chain, judged, roots, .. } = walk;
    judge_pins(
        &mut found,
        &forks,
        request,
        pinned,
        &Seen {
            verifier: verifier.as_ref(),
            checkpoint: checkpoint.as_ref(),
            note: note.as_deref(),
            roots: &roots,
            hidden_behind,
        },
    );
    let report = LogReport {
        id: id.clone(),
        checkpoint,
        from,
        entries: layout.size(),
        pending,
        judged,
        carried_sessions: chain.carried,
        omitted: found.omitted(),
        findings: found.list,
        forks: forks.into_inner(),
    };
    Ok((report, faults))
}

fn tell(fault: Fault, path: &str, found: &mut Findings, faults: &mut Vec<Fault>) {
    match fault.finding() {
        Some(finding) => found.add(finding.at_path(path)),
        None => faults.push(fault),
    }
}

/// The three files that stand for the whole log.
struct LogFiles<'a> {
    source: &'a dyn Source,
    layout: &'a Layout,
    found: &'a mut Findings,
    faults: &'a mut Vec<Fault>,
}

impl LogFiles<'_> {
    /// `None` when there is nothing to judge; that is told, unless a folder that could not be read may hold it.
    fn bytes(&mut self, object: Option<ObjectName>, path: &str, missing: Code) -> Option<Vec<u8>> {
        match object.map(|object| self.source.blob(object)) {
            Some(Ok(bytes)) => Some(bytes),
            Some(Err(fault)) => {
                tell(fault, path, self.found, self.faults);
                None
            }
            None => {
                if !self.layout.incomplete {
                    self.found.add(Finding::new(missing, "the log's tree lacks this file").at_path(path));
                }
                None
            }
        }
    }

    /// The genesis, as far as it is known, and the key of the checkpoints.
    fn header(&mut self, id: &LogId) -> (Hash, Option<NoteVerifier>) {
        let mut genesis = Hash::default();
        genesis[..16].copy_from_slice(id.as_bytes());
        let code = Code::LedgerIdMismatch;
        let Some(bytes) = self.bytes(self.layout.header, HEADER, code) else { return (genesis, None) };
        let read = LogHeader::decode(&bytes).map_err(|error| (code, error.to_string())).and_then(|header| {
            if header.id() != *id {
                return Err((code, format!("this is the header of log {}, not of {id}", header.id())));
            }
            genesis = header.genesis();
            header.verifier().map_err(|error| (Code::CheckpointKey, error.to_string()))
        });
        let verifier = read.map_err(|(code, detail)| self.found.add(Finding::new(code, detail).at_path(HEADER)));
        (genesis, verifier.ok())
    }

    fn checkpoint(&mut self, verifier: Option<&NoteVerifier>) -> (Option<Checkpoint>, Option<String>) {
        let Some(bytes) = self.bytes(self.layout.checkpoint, CHECKPOINT, Code::CheckpointMalformed) else {
            return (None, None);
        };
        let opened = match verifier {
            Some(verifier) => Checkpoint::open(&bytes, verifier),
            None => Err(CheckpointError::Unsigned { key: "the log's key, which is not known".to_owned() }),
        };
        match opened {
            Ok(checkpoint) => (Some(checkpoint), Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) => {
                self.found.add(Finding::new(error.code(), error.to_string()).at_path(CHECKPOINT));
                (None, None)
            }
        }
    }

    fn frontier(&mut self) -> Option<Frontier> {
        let bytes = self.bytes(self.layout.frontier, FRONTIER, Code::FrontierMismatch)?;
        match Frontier::decode(&bytes) {
            Ok(frontier) => Some(frontier),
            Err(error) => {
                self.found.add(Finding::new(Code::FrontierMismatch, error.to_string()).at_path(FRONTIER));
                None
            }
        }
    }
}

/// The tiles of a layout, for proofs.
struct Tiles<'a> {
    layout: &'a Layout,
    source: &'a dyn Source,
}

/// A pin whose tiles cannot be used is no starting point, whatever the reason.
struct Unusable;

impl From<TileError> for Unusable {
    fn from(_: TileError) -> Self {
        Self
    }
}

impl From<ProofError> for Unusable {
    fn from(_: ProofError) -> Self {
        Self
    }
}

impl Files for Tiles<'_> {
    type Error = Unusable;

    fn read(&self, path: &str) -> Result<Vec<u8>, Unusable> {
        let object = self.layout.tile_at(path).ok_or(Unusable)?;
        self.source.blob(object).map_err(|_| Unusable)
    }
}

/// Where an audit begins that does not begin at the beginning.
struct Start {
    /// Over the full bundles below the pin.
    frontier: Frontier,
    /// Per tile level from 1 on: the hashes of its last, unfinished tile.
    unfinished: Vec<Vec<Hash>>,
    /// The roots of older pins that the newest continues.
    roots: Vec<(u64, Hash)>,
}

impl Start {
    /// The beginning of the bundle in which the pin's last receipt lies, if the tree really continues the pin. Its
    /// hashes come from the tiles, and the pin's root binds them.
    fn at_pin(
        layout: &Layout,
        source: &dyn Source,
        pinned: &PinnedLog,
        checkpoint: Option<&Checkpoint>,
    ) -> Option<Self> {
        let (pin, size) = (pinned.newest()?, checkpoint?.size);
        let first = pin.size - pin.size % WIDTH;
        if pin.size > size || size > layout.size() || layout.incomplete {
            return None;
        }
        let files = Tiles { layout, source };
        let nodes = TreeNodes { files: &files, size: layout.size() };
        if Frontier::of(&nodes, pin.size).ok()?.root() != pin.root {
            return None;
        }
        let mut unfinished = Vec::new();
        for level in 1.. {
            let hashes = first.checked_shr(8 * level).unwrap_or(0);
            if hashes == 0 {
                break;
            }
            let open = hashes - hashes % WIDTH..hashes;
            unfinished.push(open.map(|index| nodes.node(8 * level, index)).collect::<Result<_, _>>().ok()?);
        }
        let continued = |old: &&Checkpoint| {
            let proof = prove_consistency(&nodes, old.size, pin.size);
            proof.is_ok_and(|proof| verify_consistency(&proof, old.size, &old.root, pin.size, &pin.root).is_ok())
        };
        let older = pinned.checkpoints().filter(|old| old.size < first).filter(continued);
        let roots = older.map(|old| (old.size, old.root)).collect();
        Some(Self { frontier: Frontier::of(&nodes, first).ok()?, unfinished, roots })
    }
}

/// The Merkle tree, made again from the entries.
struct Tree {
    frontier: Frontier,
    unfinished: Vec<Vec<Hash>>,
    /// Entries passed, whether they could be hashed or not.
    end: u64,
    /// An entry's hash is not known, so nothing above it can be.
    broken: bool,
}

impl Tree {
    fn begin(start: Option<Start>, layout: &Layout) -> Self {
        let (frontier, unfinished) = start.map_or_else(Default::default, |start| (start.frontier, start.unfinished));
        Self { end: frontier.size(), frontier, unfinished, broken: layout.incomplete }
    }

    /// Notes the root where it stands, if it is wanted.
    fn catch_up(&self, roots: &mut Vec<(u64, Hash)>, wanted: &[u64]) {
        let size = self.frontier.size();
        if !self.broken && wanted.binary_search(&size).is_ok() {
            roots.push((size, self.frontier.root()));
        }
    }
}

/// The sizes whose roots will be compared.
fn wanted_sizes(pinned: Option<&PinnedLog>, checkpoint: Option<&Checkpoint>) -> Vec<u64> {
    let pins = pinned.into_iter().flat_map(PinnedLog::checkpoints).map(|pin| pin.size);
    let mut sizes: Vec<u64> = pins.chain(checkpoint.map(|checkpoint| checkpoint.size)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

struct Walk<'a> {
    source: &'a dyn Source,
    layout: &'a Layout,
    chain: Chain,
    judged: u64,
    tree: Tree,
    history: History,
    known: Known<'a>,
    wanted: Vec<u64>,
    /// The roots at the wanted sizes, as far as they are known.
    roots: Vec<(u64, Hash)>,
    found: &'a mut Findings,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    fn take(&mut self, read: Read) {
        let chunk = read.chunk;
        self.faults.extend(read.faults);
        for finding in read.findings {
            self.found.add(finding);
        }
        let end = chunk.first + chunk.count;
        for (index, link) in (chunk.first..).zip(&read.links) {
            self.judged += 1;
            match link {
                Some(link) => self.chain.add(index, link, &mut |finding| self.found.add(finding)),
                None => self.chain.skip(index + 1),
            }
        }
        if (read.links.len() as u64) < chunk.count {
            self.chain.skip(end);
        }
        self.tree.end = end;
        match read.leaves.filter(|_| !self.tree.broken) {
            Some(leaves) => self.push(&leaves),
            None => self.tree.broken = true,
        }
    }

    fn push(&mut self, leaves: &[Hash]) {
        for leaf in leaves {
            self.tree.frontier.push(*leaf);
            self.at_size();
        }
        if leaves.len() as u64 == WIDTH {
            self.finish_tiles(1, root_of(leaves.iter().copied()));
        }
    }

    fn at_size(&mut self) {
        let size = self.tree.frontier.size();
        self.tree.catch_up(&mut self.roots, &self.wanted);
        if self.history.next_size().is_some_and(|next| next <= size) {
            let root = self.tree.frontier.root();
            let faults = self.history.check(size, &root, &self.known, &mut |finding| self.found.add(finding));
            self.faults.extend(faults);
        }
    }

    /// Adds the root of a finished tile to the level above, whose own tile may be finished by it.
    fn finish_tiles(&mut self, level: u32, root: Hash) {
        let at = level as usize - 1;
        if self.tree.unfinished.len() <= at {
            self.tree.unfinished.push(Vec::new());
        }
        self.tree.unfinished[at].push(root);
        if (self.tree.unfinished[at].len() as u64) < WIDTH {
            return;
        }
        let hashes = std::mem::take(&mut self.tree.unfinished[at]);
        let number = full_tiles(self.tree.frontier.size(), level) - 1;
        if let Some(object) = self.layout.tile(level, number) {
            let path = tile_path(level, number);
            match self.source.blob(object) {
                Ok(bytes) if full_tile(&path, &bytes).is_ok_and(|stored| stored == hashes) => {}
                Ok(_) => {
                    let detail = "the tile does not hold the roots of the tiles below it";
                    self.found.add(Finding::new(Code::TileMismatch, detail).at_path(path));
                }
                Err(fault) => tell(fault, &path, self.found, self.faults),
            }
        }
        self.finish_tiles(level + 1, root_of(hashes));
    }

    fn root_at(&self, size: u64) -> Option<Hash> {
        self.roots.iter().find(|(other, _)| *other == size).map(|(_, root)| *root)
    }

    /// The tree's end against what the log says of itself.
    fn judge_end(&mut self, checkpoint: Option<&Checkpoint>, frontier: Option<&Frontier>) {
        let got = self.layout.size();
        let (incomplete, broken) = (self.layout.incomplete, self.tree.broken);
        if let Some(finding) = self.history.check_tip(got, checkpoint).filter(|_| !incomplete) {
            self.found.add(finding);
        }
        if let Some(checkpoint) = checkpoint {
            let cp = checkpoint.size;
            if cp != got && !incomplete {
                let detail = format!("the checkpoint and the entries disagree: cp={cp} got={got}");
                self.found.add(Finding::new(Code::SizeMismatch, detail).at_path(CHECKPOINT));
            }
            let root = if cp == 0 { Some(empty_root()) } else { self.root_at(cp) };
            let detail = match root {
                Some(root) if root == checkpoint.root => None,
                Some(_) => Some("the entries have another root than the checkpoint"),
                None if cp <= got => Some("the checkpoint's root cannot be computed: entries are missing"),
                None => None,
            };
            if let Some(detail) = detail {
                self.found.add(Finding::new(Code::RootMismatch, detail).at_path(CHECKPOINT));
            }
        }
        if let Some(frontier) = frontier.filter(|_| !broken)
            && *frontier != self.tree.frontier
        {
            let detail = format!("it is not the frontier of the log's {got} entries");
            self.found.add(Finding::new(Code::FrontierMismatch, detail).at_path(FRONTIER));
        }
    }

    fn say_wal(&mut self, code: Code, detail: String) {
        self.found.add(Finding::new(code, detail).at_path(WAL));
    }

    /// The write-ahead log: its state, and the receipts that only it has. Returns their number.
    fn judge_wal(&mut self, wal: &Wal, reader: &Reader<'_>, verifier: Option<&NoteVerifier>) -> u64 {
        let got = self.layout.size();
        if wal.header_damaged {
            self.say_wal(Code::WalCorrupt, "its header cannot be read, or is another log's".to_owned());
        }
        for damage in &wal.corrupt {
            self.say_wal(Code::WalCorrupt, format!("{} bytes at {}: {}", damage.bytes, damage.offset, damage.reason));
        }
        // Without its header nobody knows what its bytes were.
        if let Some(damage) = wal.torn.filter(|_| !wal.header_damaged) {
            let (bytes, reason) = (damage.bytes, damage.reason);
            let detail =
                format!("{bytes} bytes at its end were never acknowledged ({reason}); the next append cuts them");
            self.say_wal(Code::WalTornTail, detail);
        }
        if let Some((_, base)) = wal.base.filter(|(_, base)| *base > got && !self.layout.incomplete) {
            let detail = format!("the tree is shorter than what the write-ahead log stands on: wal={base} got={got}");
            self.say_wal(Code::Rollback, detail);
        }
        let mut judge = Judge::new(reader.log, reader.genesis, reader.trust);
        // What lies between is told already.
        let mut next = wal.base.map_or(got, |(_, base)| base.max(got));
        if next > got {
            self.chain.skip(next);
            self.tree.broken = true;
        }
        for record in &wal.pending {
            if record.index < next {
                self.say_wal(Code::WalCorrupt, format!("receipt {} is there twice", record.index));
                continue;
            }
            if record.index > next {
                self.say_wal(Code::WalCorrupt, format!("receipts {next} to {} are missing", record.index - 1));
                self.chain.skip(record.index);
                self.tree.broken = true;
            }
            next = record.index + 1;
            self.judged += 1;
            let mut add = |finding: Finding| self.found.add(finding.at_path(WAL));
            judge.begin_chunk();
            match judge.judge(record.index, &record.envelope, &mut add) {
                Some(link) => self.chain.add(record.index, &link, &mut add),
                None => self.chain.skip(next),
            }
            if !self.tree.broken {
                self.tree.frontier.push(leaf_hash(&record.envelope));
            }
            if let Some(detail) = self.batch_fault(record, verifier) {
                self.say_wal(Code::WalCorrupt, detail);
            }
        }
        wal.pending.len() as u64
    }

    /// What is wrong with the checkpoint that ends a batch.
    fn batch_fault(&self, record: &Record, verifier: Option<&NoteVerifier>) -> Option<String> {
        let verifier = verifier.filter(|_| !record.checkpoint.is_empty() && !self.tree.broken)?;
        match Checkpoint::open(&record.checkpoint, verifier) {
            Ok(checkpoint) => {
                let frontier = &self.tree.frontier;
                let is_ours = (checkpoint.size, checkpoint.root) == (frontier.size(), frontier.root());
                (!is_ours).then(|| format!("the checkpoint of receipt {} is of another log", record.index))
            }
            Err(error) => Some(format!("receipt {}: {error}", record.index)),
        }
    }
}

struct Seen<'a> {
    verifier: Option<&'a NoteVerifier>,
    checkpoint: Option<&'a Checkpoint>,
    note: Option<&'a str>,
    roots: &'a [(u64, Hash)],
    /// The last size whose root could be computed, where damage hides what comes after.
    hidden_behind: Option<u64>,
}

fn judge_pins(
    found: &mut Findings,
    forks: &RefCell<Vec<Fork>>,
    request: &Request<'_>,
    pinned: Option<&PinnedLog>,
    seen: &Seen<'_>,
) {
    let Some(pinned) = pinned else {
        if request.require_pin && request.pins.is_none_or(|pins| pins.is_ok()) {
            let detail = "no pin says how far this log was seen: a log cut short cannot be told from a short one";
            found.add(Finding::new(Code::PinMissing, detail).at_path(pin::FILE_NAME));
        }
        return;
    };
    if seen.verifier.is_some_and(|verifier| verifier != pinned.verifier()) {
        let detail = format!("the log is pinned under another key, {}", pinned.verifier());
        return found.add(Finding::new(Code::CheckpointKey, detail).at_path(pin::FILE_NAME));
    }
    let Some(current) = seen.checkpoint else { return };
    let root_at = |size| match size {
        0 => Some(empty_root()),
        _ => seen.roots.iter().find(|(other, _)| *other == size).map(|(_, root)| *root),
    };
    // A root that damage hides contradicts nothing; the damage itself is told.
    let is_hidden = |size| seen.hidden_behind.is_some_and(|last| size > last);
    for finding in pinned.judge(current, |pin| is_hidden(pin.size) || root_at(pin.size) == Some(pin.root)) {
        if finding.code == Code::Fork
            && let (Some(old), Some(new)) = (pinned.note(current.size), seen.note)
            && let Some(pin) = pinned.checkpoints().find(|pin| pin.size == current.size)
        {
            let fork = Fork { size: current.size, roots: [current.root, pin.root], notes: [new.to_owned(), old] };
            found.add(Finding { detail: format!("{fork}, the other in {}", pin::FILE_NAME), ..finding });
            forks.borrow_mut().push(fork);
        } else {
            found.add(finding);
        }
    }
}
