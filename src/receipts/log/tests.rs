use proptest::prelude::*;

use super::*;
use crate::receipts::merkle::{ProofError, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
use crate::receipts::tiles::{TreeNodes, bundle_entries, full_bundle, partial_tiles};

#[derive(Debug, Default)]
struct Tree(BTreeMap<String, Vec<u8>>);

#[derive(Debug, PartialEq)]
enum Failure {
    Missing(String),
    Tile(TileError),
}

impl From<TileError> for Failure {
    fn from(error: TileError) -> Self {
        Self::Tile(error)
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        Self::Tile(error.into())
    }
}

impl Files for Tree {
    type Error = Failure;
    fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        self.0.get(path).cloned().ok_or_else(|| Failure::Missing(path.to_owned()))
    }
}

impl Tree {
    fn apply(&mut self, change: Change) {
        if change.clears_tail {
            self.0.retain(|path, _| !path.starts_with("tail/"));
        }
        self.0.extend(change.files);
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"entry\":{index}}}").into_bytes()
}

/// Grows a log to the sum of `batches`.
fn grown(batches: &[u64]) -> (Tree, Frontier) {
    let (mut tree, mut frontier) = (Tree::default(), Frontier::default());
    for batch in batches {
        let first = frontier.size();
        let entries: Vec<_> = (first..first + batch).map(entry).collect();
        let change = grow(&tree, &mut frontier, &entries).unwrap();
        tree.apply(change);
    }
    (tree, frontier)
}

fn header() -> LogHeader {
    LogHeader {
        writer: "ab".repeat(32),
        checkpoint_key: ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes(),
        nonce: [9; 16],
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

#[test]
fn header_has_one_spelling() {
    let bytes = header().encode();
    insta::assert_snapshot!(String::from_utf8_lossy(&bytes), @r#"{"checkpoint_key":"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c","created":"2026-01-02T03:04:05Z","nonce":"09090909090909090909090909090909","version":"bizra-log/v1","writer":"abababababababababababababababababababababababababababababababab"}"#);
    assert_eq!(LogHeader::decode(&bytes).unwrap(), header());
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(LogHeader::decode(text.replace(':', ": ").as_bytes()), Err(LogError::HeaderSpelling));
    for (from, to) in [("v1", "v2"), ("\"writer\"", "\"author\""), ("0909", "09"), ("abab", "ABAB")] {
        let changed = text.replacen(from, to, 1);
        assert!(LogHeader::decode(changed.as_bytes()).is_err(), "{changed}");
    }
    assert!(LogHeader::decode(b"").is_err());
    assert_eq!(header().verifier().unwrap().name(), header().id().origin());
}

#[test]
fn the_256th_entry_turns_the_tail_into_a_bundle() {
    let names = |tree: &Tree| tree.0.keys().filter(|path| !path.starts_with("tail/")).cloned().collect::<Vec<_>>();
    let (tree, _) = grown(&[255]);
    assert_eq!(tree.0.keys().filter(|path| path.starts_with("tail/")).count(), 255);
    assert_eq!(names(&tree), ["frontier"]);
    let (tree, _) = grown(&[255, 1]);
    assert_eq!(tree.0.keys().cloned().collect::<Vec<_>>(), ["frontier", "tile/0/000", "tile/entries/000"]);
    assert_eq!(full_bundle(&tree.0["tile/entries/000"]).unwrap()[255], entry(255));
    let (tree, _) = grown(&[255, 3]);
    assert_eq!(
        tree.0.keys().cloned().collect::<Vec<_>>(),
        ["frontier", "tail/00.json", "tail/01.json", "tile/0/000", "tile/entries/000"]
    );
    assert_eq!(tree.0["tail/01.json"], entry(257));
}

#[test]
fn the_65536th_entry_fills_a_tile_of_the_next_level() {
    let (tree, frontier) = grown(&[65_530, 6]);
    let top = full_tile("tile/1/000", &tree.0["tile/1/000"]).unwrap();
    assert_eq!(root_of(top.iter().copied()), frontier.root());
    let (tree, frontier) = grown(&[65_536 + 300]);
    let nodes = TreeNodes { files: &tree, size: frontier.size() };
    for index in [0, 255, 65_535, 65_536, 65_800] {
        let proof = prove_inclusion(&nodes, index, nodes.size).unwrap();
        verify_inclusion(&proof, index, &leaf_hash(&entry(index)), nodes.size, &frontier.root()).unwrap();
    }
    let partial: Vec<_> = partial_tiles(&tree, nodes.size).unwrap();
    let names: Vec<_> = partial.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["tile/0/257.p/44", "tile/entries/257.p/44", "tile/1/001.p/1", "tile/2/000.p/1"]);
    assert_eq!(bundle_entries(&partial[1].1).last().unwrap().unwrap(), entry(65_835));
}

#[test]
fn an_entry_that_no_bundle_can_hold_is_refused() {
    let mut frontier = Frontier::default();
    let long = vec![0; MAX_ENTRY_BYTES + 1];
    assert_eq!(
        grow(&Tree::default(), &mut frontier, &[long]),
        Err(Failure::Tile(TileError::EntryTooLong { bytes: 65_536 }))
    );
}

#[test]
fn a_missing_tail_entry_is_named() {
    let (mut tree, mut frontier) = grown(&[255]);
    tree.0.remove("tail/07.json");
    assert_eq!(grow(&tree, &mut frontier, &[entry(255)]), Err(Failure::Missing("tail/07.json".to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn batches_do_not_matter(batches in prop::collection::vec(0u64..400, 1..6)) {
        let (tree, frontier) = grown(&batches);
        let size = batches.iter().sum();
        let (whole, whole_frontier) = grown(&[size]);
        prop_assert_eq!(&tree.0, &whole.0);
        prop_assert_eq!(&frontier, &whole_frontier);
        if size > 0 {
            let nodes = TreeNodes { files: &tree, size };
            let old = batches[0].max(1).min(size);
            let old_root = root_of((0..old).map(|index| leaf_hash(&entry(index))));
            let proof = prove_consistency(&nodes, old, size).unwrap();
            verify_consistency(&proof, old, &old_root, size, &frontier.root()).unwrap();
        }
    }
}
