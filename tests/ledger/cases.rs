//! Every word of the audit's vocabulary, provoked: what was done to the ledger, and exactly what the audit says.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bizra::receipts::checkpoint::{Checkpoint, NoteSigner};
use bizra::receipts::envelope::{Envelope, pae};
use bizra::receipts::finding::Code::{self, *};
use bizra::receipts::keys::Signer as _;
use bizra::receipts::merkle::{leaf_hash, root_of};
use bizra::receipts::pin::Pins;
use bizra::receipts::policy::SignedPolicy;
use bizra::receipts::tiles::bundle;

use super::lab::{
    Lab, Recipe, SIZE, checkpoint_key, codes, entries, header, id, id_of, next, note_signer, policy, policy_of, signed,
    stranger, writer_key,
};

struct Case {
    name: &'static str,
    codes: &'static [Code],
    exit: u8,
    /// Changes a copy without a write-ahead log.
    change: fn(&mut Lab),
}

const fn case(name: &'static str, codes: &'static [Code], exit: u8, change: fn(&mut Lab)) -> Case {
    Case { name, codes, exit, change }
}

/// The log with its last receipt put in another form.
fn with_last(lab: &Lab, change: impl FnOnce(Envelope) -> Vec<u8>) {
    let mut all = entries();
    let last = all.pop().unwrap();
    all.push(change(Envelope::parse(&last).unwrap()));
    lab.forge(&all);
}

/// The log with one receipt more.
fn with_next(lab: &Lab, change: impl FnOnce(&mut Recipe)) {
    let mut all = entries();
    let mut recipe = next(&all);
    change(&mut recipe);
    all.push(recipe.seal(&writer_key()));
    lab.forge(&all);
}

fn respelled(envelope: &Envelope, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(envelope.to_bytes()).unwrap();
    assert!(text.contains(from), "{text}");
    text.replace(from, to).into_bytes()
}

fn root(entries: &[Vec<u8>]) -> [u8; 32] {
    root_of(entries.iter().map(|entry| leaf_hash(entry)))
}

fn flipped(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

/// All receipts from `index` on made again by the writer itself, who has every key.
fn rewritten_from(index: usize) -> Vec<Vec<u8>> {
    let mut all = entries();
    let recipe = Recipe { session: 88, words: "rewritten".into(), ..next(&all[..index]) };
    all[index] = recipe.seal(&writer_key());
    all
}

const CASES: &[Case] = &[
    case("payload changed, signature kept", &[SigInvalid], 5, |lab| {
        with_last(lab, |mut last| {
            last.payload = String::from_utf8(last.payload).unwrap().replace("holds", "fails").into_bytes();
            last.to_bytes()
        });
    }),
    case("a second spelling of the signature", &[SigInvalid], 5, |lab| {
        with_last(lab, |mut last| {
            last.signature[63] |= 0xf0;
            last.to_bytes()
        });
    }),
    case("signed by a stranger", &[KeyUntrusted], 5, |lab| {
        let mut all = entries();
        let recipe = next(&all);
        all.push(recipe.seal(&stranger()));
        lab.forge(&all);
    }),
    case("a role that the policy does not give", &[KeyRole], 5, |lab| {
        lab.trust = Ok(policy(|entry| entry.roles = vec!["reader".into()]));
    }),
    case("a key that is revoked from the last receipt on", &[KeyRevoked], 5, |lab| {
        lab.trust = Ok(policy(|entry| entry.revoked_at = Some(SIZE - 1)));
    }),
    case("a key that counts until the last receipt", &[KeyOutOfRange], 5, |lab| {
        lab.trust = Ok(policy(|entry| entry.until = Some(SIZE - 1)));
    }),
    case("a policy that covers everything", &[], 0, |lab| lab.trust = Ok(policy(|_| {}))),
    case("another key's id", &[KeyidMismatch], 5, |lab| {
        with_last(lab, |mut last| {
            last.keyid = stranger().public().id();
            last.to_bytes()
        });
    }),
    case("two signatures", &[SignatureCount], 5, |lab| {
        with_last(lab, |last| {
            let text = String::from_utf8(last.to_bytes()).unwrap();
            let start = text.find("{\"keyid\"").unwrap();
            let one = &text[start..text.len() - 2];
            format!("{}{one},{one}]}}", &text[..start]).into_bytes()
        });
    }),
    case("another payload type", &[PayloadType], 5, |lab| {
        with_last(lab, |last| respelled(&last, "vnd.in-toto+json", "json"));
    }),
    case("a blank in the envelope", &[EnvelopeNoncanonical], 5, |lab| {
        with_last(lab, |last| respelled(&last, "\"signatures\":[", "\"signatures\": ["));
    }),
    case("a blank in the payload, signed", &[PayloadNoncanonical], 5, |lab| {
        with_last(lab, |mut last| {
            last.payload.push(b' ');
            last.signature = writer_key().sign(&pae("application/vnd.in-toto+json", &last.payload)).unwrap();
            last.to_bytes()
        });
    }),
    case("a receipt twice", &[DuplicateReceipt], 5, |lab| {
        let mut all = entries();
        all.push(all[300].clone());
        lab.forge(&all);
    }),
    case("a session begun again", &[SessionOrder], 5, |lab| with_next(lab, |recipe| recipe.session = 4)),
    case("two receipts exchanged", &[SessionOrder, SessionTruncated, TimeRegress], 5, |lab| {
        let mut all = entries();
        all.swap(518, 519);
        lab.forge(&all);
    }),
    case("a receipt taken out", &[SessionTruncated], 5, |lab| {
        let mut all = entries();
        all.remove(517);
        lab.forge(&all);
    }),
    case("a receipt of another log", &[LedgerIdMismatch], 5, |lab| with_next(lab, |recipe| recipe.ledger = [5; 32])),
    case("another log's header", &[LedgerIdMismatch, CheckpointKey], 5, |lab| {
        let mut other = header();
        other.nonce = [1; 16];
        lab.change(&[("log.json", Some(&other.encode()))]);
    }),
    case("a receipt made before the one before it", &[TimeRegress], 0, |lab| {
        with_next(lab, |recipe| recipe.second = 3)
    }),
    case("a file of the tail taken out", &[Gap, RootMismatch], 5, |lab| lab.change(&[("tail/05.json", None)])),
    case("a bundle and its tile taken out", &[Gap, RootMismatch, TileMismatch], 5, |lab| {
        lab.change(&[("tile/entries/000", None), ("tile/0/000", None)]);
    }),
    case("the last file of the tail taken out", &[SizeMismatch, FrontierMismatch], 5, |lab| {
        lab.change(&[("tail/07.json", None)]);
    }),
    case("a checkpoint with another root, signed", &[RootMismatch], 5, |lab| {
        lab.change(&[("checkpoint", Some(signed(SIZE, [7; 32]).as_bytes()))]);
    }),
    case("a checkpoint of another size, signed", &[SizeMismatch], 5, |lab| {
        lab.change(&[("checkpoint", Some(signed(519, root(&entries()[..519])).as_bytes()))]);
    }),
    case("a bit of a tile", &[TileMismatch], 5, |lab| {
        let tile = flipped(lab.read("tile/0/001"), 40);
        lab.change(&[("tile/0/001", Some(&tile))]);
    }),
    case("a tile cut short", &[TileMismatch], 5, |lab| {
        let tile = lab.read("tile/0/001");
        lab.change(&[("tile/0/001", Some(&tile[..8000]))]);
    }),
    case("a tile taken out", &[TileMismatch], 5, |lab| lab.change(&[("tile/0/001", None)])),
    case("a frontier of another size", &[FrontierMismatch], 5, |lab| {
        lab.change(&[("frontier", Some(b"0\n"))]);
    }),
    case("no frontier", &[FrontierMismatch], 5, |lab| lab.change(&[("frontier", None)])),
    case("a bundle cut short", &[BundleMalformed], 5, |lab| {
        let bundle = lab.read("tile/entries/001");
        lab.change(&[("tile/entries/001", Some(&bundle[..bundle.len() - 1]))]);
    }),
    case("a bundle with an entry too many", &[BundleMalformed], 5, |lab| {
        let bytes = bundle(&entries()[256..513]).unwrap();
        lab.change(&[("tile/entries/001", Some(&bytes))]);
    }),
    case("a checkpoint that is none", &[CheckpointMalformed], 5, |lab| {
        lab.change(&[("checkpoint", Some(b"nothing\n"))]);
    }),
    case("no checkpoint", &[CheckpointMalformed], 5, |lab| lab.change(&[("checkpoint", None)])),
    case("a checkpoint signed by a stranger", &[CheckpointKey], 5, |lab| {
        let signer = NoteSigner::new(id().origin(), stranger().into_signing_key()).unwrap();
        let note = Checkpoint { origin: id().origin(), size: SIZE, root: root(&entries()) }.sign(&signer).unwrap();
        lab.change(&[("checkpoint", Some(note.as_bytes()))]);
    }),
    case("a checkpoint of another log, signed by this one's key", &[OriginMismatch], 5, |lab| {
        let body = format!("bizra-ledger/other\n{SIZE}\n{}\n", BASE64.encode(root(&entries())));
        let real = signed(SIZE, [0; 32]);
        let blob = BASE64.decode(real.trim_end().rsplit(' ').next().unwrap()).unwrap();
        let signature = checkpoint_key().sign(body.as_bytes()).unwrap();
        let blob = BASE64.encode([&blob[..4], &signature[..]].concat());
        let note = format!("{body}\n\u{2014} {} {blob}\n", id().origin());
        lab.change(&[("checkpoint", Some(note.as_bytes()))]);
    }),
    case("a pin that the log does not continue", &[PinInconsistent], 5, |lab| lab.pin(&signed(516, [6; 32]))),
    case(
        "everything made again by the writer, after it was pinned",
        &[HistoryRewritten, PinInconsistent, SessionTruncated],
        5,
        |lab| {
            lab.pin(&signed(516, root(&entries()[..516])));
            let tree = lab.forged_tree(&rewritten_from(100));
            lab.point_to(&lab.commit(&tree, &[], &Lab::message(SIZE)));
        },
    ),
    case("a pin that holds", &[], 0, |lab| {
        lab.pin(&signed(516, root(&entries()[..516])));
        lab.require_pin = true;
        lab.require_history = true;
    }),
    case("no pin, and one is required", &[PinMissing], 4, |lab| lab.require_pin = true),
    case("pins that shrink", &[PinRegress], 5, |lab| {
        lab.pin(&signed(516, root(&entries()[..516])));
        let text = lab.pins.as_ref().unwrap().as_ref().unwrap().to_string();
        let line = text.lines().last().unwrap();
        lab.pins = Some(Pins::parse(format!("{text}{line}\n").as_bytes()));
    }),
    case("a pin changed by hand", &[PinSignature], 5, |lab| {
        lab.pin(&signed(516, root(&entries()[..516])));
        let text = lab.pins.as_ref().unwrap().as_ref().unwrap().to_string();
        lab.pins = Some(Pins::parse(text.replace("\n516 ", "\n515 ").as_bytes()));
    }),
    case("the ref set back, after the log was pinned", &[Rollback], 5, |lab| {
        lab.pin(&signed(SIZE, root(&entries())));
        lab.point_to(&format!("{}^", lab.tip()));
    }),
    case("the pinned log deleted, another one left", &[LedgerMissing, Rollback], 3, |lab| {
        lab.pin(&signed(SIZE, root(&entries())));
        lab.git(&["update-ref", "-d", &lab.log_ref()]);
    }),
    case("two roots of one size, one of them pinned", &[Fork], 5, |lab| {
        lab.pin(&signed(SIZE, root(&rewritten_from(519))));
    }),
    case("two roots of one size, both committed", &[Fork, HistoryInconsistent], 5, |lab| {
        let mut all = entries();
        let recipe = Recipe { session: 4, seq: 3, words: "other".into(), ..next(&all[..519]) };
        all[519] = recipe.seal(&writer_key());
        lab.point_to(&lab.commit(&lab.forged_tree(&all), &[&lab.tip()], &Lab::message(SIZE)));
    }),
    case("cut short, signed again, committed on top", &[HistoryInconsistent], 5, |lab| {
        lab.point_to(&lab.commit(&lab.forged_tree(&entries()[..518]), &[&lab.tip()], &Lab::message(518)));
    }),
    case("history thrown away", &[HistoryRewritten], 0, |lab| {
        let tree = format!("{}^{{tree}}", lab.tip());
        lab.point_to(&lab.commit(&tree, &[], &Lab::message(SIZE)));
    }),
    case("fetched with a depth of one", &[HistoryShallow], 0, fetch_shallow),
    case("fetched with a depth of one, and history is required", &[HistoryShallow], 4, |lab| {
        fetch_shallow(lab);
        lab.require_history = true;
    }),
    case("a merge", &[HistoryMerge], 5, |lab| {
        let (tip, tree) = (lab.tip(), format!("{}^{{tree}}", lab.tip()));
        let (parent, older) = (format!("{tip}^"), format!("{tip}^^"));
        lab.point_to(&lab.commit(&tree, &[&parent, &older], &Lab::message(SIZE)));
    }),
    case("a commit that says another size", &[HistoryInconsistent], 5, |lab| {
        let tree = format!("{}^{{tree}}", lab.tip());
        lab.replace_tip(&lab.git(&["rev-parse", &tree]), 3);
    }),
    case("a newest commit that says more than its tree has", &[HistoryInconsistent], 5, |lab| {
        lab.replace_tip(&lab.tree(&[]), SIZE + 80);
    }),
    case("an object damaged", &[ObjectCorrupt], 5, |lab| {
        lab.explode_packs();
        let file = lab.loose_file("tile/entries/001");
        let bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        fs::write(file, flipped(bytes, middle)).unwrap();
    }),
    case("an object emptied", &[ObjectCorrupt, RootMismatch], 5, |lab| {
        lab.explode_packs();
        fs::write(lab.loose_file("tail/03.json"), b"").unwrap();
    }),
    case("an object emptied behind which the log was pinned", &[ObjectCorrupt, RootMismatch], 5, |lab| {
        lab.pin(&signed(516, root(&entries()[..516])));
        lab.explode_packs();
        fs::write(lab.loose_file("tail/01.json"), b"").unwrap();
    }),
    case("an object deleted", &[ObjectMissing], 5, |lab| {
        lab.explode_packs();
        fs::remove_file(lab.loose_file("tile/0/000")).unwrap();
    }),
    case("a folder deleted", &[ObjectMissing], 5, |lab| {
        lab.explode_packs();
        fs::remove_file(lab.loose_file("tail")).unwrap();
    }),
    case("an object replaced in git's eyes", &[ReplaceRefs], 5, |lab| {
        let real = lab.git(&["rev-parse", &format!("{}:tail/00.json", lab.tip())]);
        lab.git(&["replace", &real, &lab.hash_object(b"other")]);
    }),
    case("a file that does not belong", &[UnexpectedPath], 5, |lab| lab.change(&[("README", Some(b"hello"))])),
    case(
        "a bundle from the far future",
        &[DuplicateReceipt, Gap, RootMismatch, SizeMismatch, TileMismatch, UnexpectedPath],
        5,
        |lab| {
            let bundle = lab.read("tile/entries/001");
            let far = ["tile/entries/x281/x000/x000/x000/000", "tile/entries/x999/x999/x999/x999/x999/x999/999"];
            lab.change(&far.map(|path| (path, Some(bundle.as_slice()))));
        },
    ),
    case("an executable receipt", &[BadMode], 5, |lab| {
        let bytes = lab.read("tail/00.json");
        lab.replace_tip(&lab.tree(&[("tail/00.json", Some(("100755", &bytes)))]), SIZE);
    }),
    case("a policy with a key of small order", &[PolicyWeakKey], 5, |lab| {
        let file = policy_of(|_| {}).sign(&super::lab::policy_key()).unwrap();
        let mut blob = Vec::new();
        for part in [&b"ssh-ed25519"[..], &[&[1][..], &[0; 31]].concat()] {
            blob.extend((part.len() as u32).to_be_bytes());
            blob.extend(part);
        }
        let weak = format!("ssh-ed25519 {}", BASE64.encode(blob));
        let file = file.replace(&writer_key().public().to_openssh(""), &weak);
        lab.trust = Err(SignedPolicy::open(file.as_bytes(), None).unwrap_err());
    }),
    case("a policy changed after it was signed", &[PolicyUnsigned], 5, |lab| {
        let file = policy_of(|_| {}).sign(&super::lab::policy_key()).unwrap();
        let file = file.replace("\"serial\": 1", "\"serial\": 2");
        lab.trust = Err(SignedPolicy::open(file.as_bytes(), None).unwrap_err());
    }),
    case("a policy that cannot be read", &[PolicyUnsigned], 5, |lab| {
        lab.trust = Err(SignedPolicy::open(b"{", None).unwrap_err());
    }),
    case("pins that cannot be read", &[PinSignature], 5, |lab| {
        lab.pins = Some(Err(Pins::parse(b"bizra pin v1\nlog garbage\n").unwrap_err()));
    }),
    case("the oldest bundle taken out, its hashes kept", &[PrunedNotAllowed], 4, |lab| {
        lab.change(&[("tile/entries/000", None)]);
    }),
    case("no ledger", &[LedgerMissing], 3, |lab| fs::remove_dir_all(&lab.path).unwrap()),
    case("something else in its place", &[LedgerMissing], 3, |lab| {
        fs::remove_dir_all(&lab.path).unwrap();
        fs::create_dir(&lab.path).unwrap();
    }),
    case("a ledger without a log", &[LedgerMissing], 3, |lab| {
        lab.git(&["update-ref", "-d", &lab.log_ref()]);
    }),
    case("a write-ahead log with a torn end", &[WalTornTail], 0, |lab| {
        *lab = Lab::new();
        let mut bytes = fs::read(lab.wal_file()).unwrap();
        bytes.extend(b"torn");
        fs::write(lab.wal_file(), bytes).unwrap();
    }),
    case("a write-ahead log damaged in its middle", &[WalCorrupt], 5, |lab| {
        *lab = Lab::new();
        let bytes = fs::read(lab.wal_file()).unwrap();
        fs::write(lab.wal_file(), flipped(bytes, 300)).unwrap();
    }),
    case("a write-ahead log zeroed", &[WalCorrupt], 5, |lab| {
        *lab = Lab::new();
        let length = fs::metadata(lab.wal_file()).unwrap().len();
        fs::write(lab.wal_file(), vec![0; length as usize]).unwrap();
    }),
    case("folders that multiply into a billion paths", &[UnexpectedPath], 5, |lab| {
        let mut tree = lab.tree(&[("a", Some(("100644", b"x")))]);
        for _ in 0..9 {
            tree = lab.folder_of(&[tree.as_str(); 10]);
        }
        let top = lab.folder_beside("bomb", &tree);
        lab.replace_tip(&top, SIZE);
    }),
    case(
        "hashes' folders that multiply",
        &[UnexpectedPath, SessionTruncated, SizeMismatch, FrontierMismatch],
        5,
        |lab| {
            let mut tree = lab.folder_of(&[]);
            for _ in 0..4 {
                tree = lab.folder_of(&[tree.as_str(); 900]);
            }
            let top = lab.folder_beside("tile", &lab.folder_named(&[("0", &tree)]));
            lab.replace_tip(&top, SIZE);
        },
    ),
    case("a ref in a folder among the logs'", &[UnexpectedPath], 5, |lab| {
        lab.git(&["update-ref", "refs/bizra/log/aside/copy", &lab.tip()]);
    }),
    case("the ref set back behind what was packed", &[Rollback, HistoryRewritten], 5, |lab| {
        *lab = Lab::new();
        lab.point_to(&format!("{}~3", lab.tip()));
    }),
];

fn fetch_shallow(lab: &mut Lab) {
    let path = lab.beside("shallow.git");
    let url = format!("file://{}", lab.path.display());
    let refs = format!("+{0}:{0}", lab.log_ref());
    lab.git(&["init", "-q", "--bare", path.to_str().unwrap()]);
    let source = std::mem::replace(&mut lab.path, path);
    assert!(source.is_dir());
    lab.git(&["fetch", "-q", "--depth", "1", &url, &refs]);
}

#[test]
fn each_manipulation_is_told_in_exactly_its_words() {
    let halves = std::thread::scope(|scope| {
        [0, 1].map(|half| scope.spawn(move || told_wrongly(half))).map(|half| half.join().expect("no panic"))
    });
    let wrong = halves.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not as it should be in every second case.
fn told_wrongly(half: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, case) in CASES.iter().enumerate().filter(|(number, _)| number % 2 == half) {
        let mut lab = Lab::copied();
        (case.change)(&mut lab);
        let report = lab.audit();
        let (found, expected) = (codes(&report), case.codes.iter().copied().collect::<BTreeSet<_>>());
        if (&found, report.exit()) != (&expected, case.exit) {
            let said: Vec<String> = report.all_findings().take(8).map(|(_, finding)| finding.to_string()).collect();
            wrong.push(format!(
                "{}: expected {expected:?} and {}, found {found:?} and {} ({:?})\n  {}",
                case.name,
                case.exit,
                report.exit(),
                report.faults,
                said.join("\n  ")
            ));
        }
        if number % 4 == 0 {
            assert_eq!(lab.audit_on(5), report, "{}: the verdict depends on the threads", case.name);
        }
    }
    wrong
}

#[test]
fn every_word_has_a_case() {
    let named: BTreeSet<Code> = CASES.iter().flat_map(|case| case.codes.iter().copied()).collect();
    let silent: Vec<&Code> = Code::ALL.iter().filter(|code| !named.contains(code)).collect();
    assert!(silent.is_empty(), "no case provokes {silent:?}");
}

#[test]
fn a_fork_is_reported_with_its_proof() {
    let mut lab = Lab::copied();
    let other = signed(SIZE, root(&rewritten_from(519)));
    lab.pin(&other);
    let report = lab.audit();
    let fork = &report.logs[0].forks[0];
    let verifier = note_signer().verifier();
    let opened = fork.notes.each_ref().map(|note| Checkpoint::open(note.as_bytes(), &verifier).unwrap());
    assert_eq!(opened.each_ref().map(|checkpoint| checkpoint.size), [SIZE; 2]);
    assert_eq!(opened.each_ref().map(|checkpoint| checkpoint.root), fork.roots);
    assert_ne!(fork.roots[0], fork.roots[1]);
}

#[test]
fn findings_name_their_place() {
    let lab = Lab::copied();
    let mut all = entries();
    all.push(all[300].clone());
    lab.forge(&all);
    let report = lab.audit();
    let (log, finding) = report.all_findings().next().unwrap();
    assert_eq!((log, finding.index, finding.path.as_deref()), (Some(&id()), Some(520), None));
    assert!(finding.detail.ends_with("first=300") && finding.detail.contains(&id_of(&all[300]).to_string()));
}
