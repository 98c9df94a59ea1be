//! Processes that are killed while they append, and processes that append side by side.
//!
//! The child is this test binary again, told by a variable what to do.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bizra::receipts::checkpoint::{Checkpoint, NoteSigner};
use bizra::receipts::log::{LogHeader, LogId};
use bizra::receipts::merkle::{Frontier, leaf_hash};
use bizra::sys::ledger::Ledger;
use ed25519_dalek::SigningKey;

const TASK: &str = "BIZRA_TEST_CHILD";
/// How many processes to kill, where 50 are not enough.
const KILLS: &str = "BIZRA_TEST_KILLS";

fn header() -> LogHeader {
    LogHeader {
        writer: "cd".repeat(32),
        checkpoint_key: SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes(),
        nonce: [1; 16],
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn signer() -> NoteSigner {
    NoteSigner::new(header().id().origin(), SigningKey::from_bytes(&[5; 32])).unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bizra-crash-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Not a test of its own: appends as the variable says, and prints what was acknowledged.
#[test]
#[allow(clippy::disallowed_methods, reason = "the variable is how a parent tells this binary that it is a child")]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut parts = task.splitn(3, ' ');
    let (name, count) = (parts.next().unwrap(), parts.next().unwrap().parse::<u64>().unwrap());
    let ledger = Ledger::open(Path::new(parts.next().unwrap()), false).unwrap();
    let signer = signer();
    let mut writer = ledger.writer(&header().id(), &signer).unwrap();
    for number in 0..count {
        let batch = if number % 7 == 6 { 40 } else { 1 };
        let mut made = 0;
        let appended = writer
            .append_batch(1, &mut |_| {
                made += 1;
                Ok((made <= batch).then(|| format!("{name}/{number}/{made}").into_bytes()))
            })
            .unwrap();
        let mut line = String::new();
        for place in 0..appended.count {
            line.push_str(&format!("\nack {} {name}/{number}/{}", appended.index + place, place + 1));
        }
        line.push_str("\nend\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        writer.settle().unwrap();
    }
}

fn start(ledger: &Path, name: &str, count: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(TASK, format!("{name} {count} {}", ledger.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// What a child printed, whole lines only.
fn acknowledged(mut child: Child, kill: bool) -> Vec<(u64, String)> {
    if kill {
        child.kill().unwrap();
    }
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap();
    assert!(kill || status.success());
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| {
        let (index, name) = line.strip_prefix("ack ")?.split_once(' ')?;
        Some((index.parse().ok()?, name.to_owned()))
    };
    whole.lines().filter_map(parse).collect()
}

fn entries(path: &Path) -> Vec<String> {
    let ledger = Ledger::open(path, false).unwrap();
    let log = ledger.log(&header().id()).unwrap();
    let mut frontier = Frontier::default();
    let mut entries = Vec::new();
    for bundle in log.bundles(0..u64::MAX).unwrap() {
        for (_, entry) in bundle.unwrap().entries() {
            let entry = entry.unwrap();
            frontier.push(leaf_hash(entry));
            entries.push(String::from_utf8(entry.to_vec()).unwrap());
        }
    }
    let checkpoint = Checkpoint::open(&log.checkpoint().unwrap(), &header().verifier().unwrap()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (frontier.size(), frontier.root()));
    entries
}

fn assert_each_once(entries: &[String], acknowledged: &BTreeMap<u64, String>) {
    for (index, name) in acknowledged {
        assert_eq!(entries.get(*index as usize), Some(name), "receipt {index}");
    }
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), entries.len(), "a receipt is there twice");
}

fn new_ledger(path: &Path) -> LogId {
    Ledger::open(path, true).unwrap().create_log(&header(), &signer(), 0).unwrap()
}

/// What a power loss may leave of what was not synced: the tip's newest objects, and the end of the write-ahead log.
fn lose_power(path: &Path, id: &LogId, round: u64) {
    let tip = fs::read_to_string(path.join(format!("refs/bizra/log/{id}"))).unwrap();
    let object = path.join("objects").join(&tip[..2]).join(&tip[2..40]);
    // Before the first pack, a log's first commit is synced as a file of its own.
    let packed = fs::read_dir(path.join("objects/pack")).unwrap().next().is_some();
    if object.exists() && packed {
        let bytes = fs::read(&object).unwrap();
        let left = match round % 3 {
            0 => Vec::new(),
            1 => vec![0; bytes.len()],
            _ => bytes[..bytes.len() / 2].to_vec(),
        };
        fs::write(&object, left).unwrap();
    }
    let wal = path.join(format!("bizra/{id}/wal"));
    OpenOptions::new().append(true).open(wal).unwrap().write_all(b"\xf7rec\x99\x01\0\0 a record that was cut").unwrap();
}

#[allow(clippy::disallowed_methods, reason = "the variable is how a nightly run asks for more")]
fn kills() -> u64 {
    std::env::var(KILLS).map_or(50, |text| text.parse().unwrap())
}

#[test]
fn killed_at_any_point_nothing_acknowledged_is_lost() {
    let folder = Folder::new("kill");
    let path = folder.0.join("ledger.git");
    let id = new_ledger(&path);
    let mut known = BTreeMap::new();
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    let kills = kills();
    for round in 0..kills {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let child = start(&path, &round.to_string(), u64::MAX);
        std::thread::sleep(Duration::from_micros(5_000 + (chance >> 33) % 90_000));
        for (index, name) in acknowledged(child, true) {
            assert_eq!(known.insert(index, name), None, "receipt {index} was acknowledged twice");
        }
        if round % 4 == 3 {
            lose_power(&path, &id, round / 4);
        }
        if round % 10 == 9 {
            Ledger::open(&path, false).unwrap().repair(&id).unwrap();
            assert_each_once(&entries(&path), &known);
        }
    }
    Ledger::open(&path, false).unwrap().repair(&id).unwrap();
    assert_each_once(&entries(&path), &known);
    assert!(known.len() as u64 > 2 * kills, "only {} receipts were acknowledged", known.len());
    println!("{kills} kills: {} receipts were acknowledged, and each is there once", known.len());
}

#[test]
fn eight_processes_keep_one_order() {
    let folder = Folder::new("eight");
    let path = folder.0.join("ledger.git");
    new_ledger(&path);
    let children: Vec<_> = (0..8).map(|writer| start(&path, &format!("w{writer}"), 14)).collect();
    let mut known = BTreeMap::new();
    for child in children {
        let mine = acknowledged(child, false);
        assert!(mine.is_sorted(), "a writer's receipts are in its own order");
        for (index, name) in mine {
            assert_eq!(known.insert(index, name), None, "receipt {index} was acknowledged twice");
        }
    }
    assert_eq!(known.len(), 8 * (12 + 2 * 40));
    let entries = entries(&path);
    assert_eq!(entries.len(), known.len());
    assert_each_once(&entries, &known);
}
