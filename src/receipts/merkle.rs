//! RFC 6962 Merkle trees: hashes, the compact frontier of a growing log, and proofs made and checked.
//!
//! Proofs are checked in the general form over a subtree `[start, end)` (the draft on Merkle tree certificates); RFC
//! 6962's are the case `start = 0`. Where hashes are stored is `tiles`' question: a prover asks for nodes by place.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Hash, hex};

pub mod conformance;

/// The hash of one entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without entries.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root of the complete or incomplete tree over `hashes`.
pub fn root_of(hashes: impl IntoIterator<Item = Hash>) -> Hash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(hash);
    }
    frontier.root()
}

/// The roots of the complete subtrees that cover a log, largest first: all that growing it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontierError {
    /// `line` counts from 1.
    Line {
        line: usize,
        reason: &'static str,
    },
    Count {
        size: u64,
        expected: usize,
        found: usize,
    },
}

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, reason } => write!(f, "frontier line {line}: {reason}"),
            Self::Count { size, expected, found } => {
                write!(f, "frontier of size {size} needs {expected} hashes, has {found}")
            }
        }
    }
}

impl std::error::Error for FrontierError {}

impl Frontier {
    /// The frontier of the first `size` leaves of a tree that is stored somewhere.
    pub fn of<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut roots = Vec::new();
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            roots.push(nodes.node(level, (size >> level) - 1)?);
        }
        Ok(Self { size, roots })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("invariant: one root per set bit of the size");
            root = node_hash(&left, &root);
        }
        self.roots.push(root);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        match roots.next() {
            None => empty_root(),
            Some(last) => roots.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The size, then a hash per line in hexadecimal, largest subtree first.
    pub fn encode(&self) -> String {
        let mut text = format!("{}\n", self.size);
        for root in &self.roots {
            text.push_str(&hex::encode(root));
            text.push('\n');
        }
        text
    }

    /// Reads exactly what [`Frontier::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrontierError> {
        let bad = |line, reason| FrontierError::Line { line, reason };
        let text = std::str::from_utf8(bytes).map_err(|_| bad(1, "not UTF-8"))?;
        let mut lines = text.strip_suffix('\n').ok_or(bad(1, "no newline at the end"))?.split('\n');
        let first = lines.next().unwrap_or_default();
        let size: u64 = first.parse().map_err(|_| bad(1, "not a size"))?;
        if size.to_string() != first {
            return Err(bad(1, "size not in canonical decimal"));
        }
        let mut roots = Vec::new();
        for (number, line) in lines.enumerate() {
            roots.push(hex::decode(line).ok_or(bad(number + 2, "not 64 lower-case hexadecimal digits"))?);
        }
        let expected = size.count_ones() as usize;
        if roots.len() != expected {
            return Err(FrontierError::Count { size, expected, found: roots.len() });
        }
        Ok(Self { size, roots })
    }
}

/// Where a prover finds the root of a complete subtree: `level` 0 are leaves, `index` counts along the level.
pub trait Nodes {
    type Error;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Leaves in memory.
impl Nodes for [Hash] {
    type Error = ProofError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, ProofError> {
        let range = index.checked_shl(level).and_then(|start| {
            let start = usize::try_from(start).ok()?;
            self.get(start..start.checked_add(1usize.checked_shl(level)?)?)
        });
        Ok(root_of(range.ok_or(ProofError::Range)?.iter().copied()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofError {
    /// The index, size or subtree is none that a proof can be about.
    Range,
    TooShort,
    TooLong,
    /// The proof is well formed and leads to another root.
    Mismatch,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "no proof exists for this index and these sizes",
            Self::TooShort => "the proof has too few hashes",
            Self::TooLong => "the proof has too many hashes",
            Self::Mismatch => "the proof leads to another root",
        })
    }
}

impl std::error::Error for ProofError {}

/// The hash of the leaves `[start, end)`, where `start` is a multiple of the next power of two above their number.
fn range_hash<N: Nodes + ?Sized>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split(length);
    Ok(node_hash(&range_hash(nodes, start, middle)?, &range_hash(nodes, middle, end)?))
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// The audit path of leaf `index` in the tree of `size` leaves.
pub fn prove_inclusion<N>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error>
where
    N: Nodes + ?Sized,
    N::Error: From<ProofError>,
{
    if index >= size {
        return Err(ProofError::Range.into());
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// That the tree of `old` leaves is a beginning of the tree of `new` leaves.
pub fn prove_consistency<N>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error>
where
    N: Nodes + ?Sized,
    N::Error: From<ProofError>,
{
    if old == 0 || old > new {
        return Err(ProofError::Range.into());
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    if start != 0 {
        proof.push(range_hash(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

pub fn verify_inclusion(proof: &[Hash], index: u64, leaf: &Hash, size: u64, root: &Hash) -> Result<(), ProofError> {
    verify_subtree_inclusion(proof, index, leaf, 0, size, root)
}

pub fn verify_consistency(
    proof: &[Hash],
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 {
        return Err(ProofError::Range);
    }
    verify_subtree_consistency(proof, 0, old, old_root, new, new_root)
}

fn is_subtree(start: u64, end: u64) -> bool {
    start < end && (end - start).checked_next_power_of_two().is_some_and(|width| start.is_multiple_of(width))
}

/// That `leaf` stands at `index` within the subtree `[start, end)` of that root.
pub fn verify_subtree_inclusion(
    proof: &[Hash],
    index: u64,
    leaf: &Hash,
    start: u64,
    end: u64,
    root: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) || !(start..end).contains(&index) {
        return Err(ProofError::Range);
    }
    let (mut place, mut last) = (index - start, end - start - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            let rise = place.trailing_zeros();
            place >>= rise;
            last >>= rise;
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Mismatch),
        _ => Err(ProofError::TooShort),
    }
}

/// That the subtree `[start, end)` of root `part` belongs to the tree of `size` leaves and root `whole`. An empty
/// subtree belongs to every tree, so `whole` is not looked at.
pub fn verify_subtree_consistency(
    proof: &[Hash],
    start: u64,
    end: u64,
    part: &Hash,
    size: u64,
    whole: &Hash,
) -> Result<(), ProofError> {
    if start == end && end <= size {
        return match (proof.is_empty(), *part == empty_root()) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Mismatch),
            (false, _) => Err(ProofError::TooLong),
        };
    }
    if !is_subtree(start, end) || end > size {
        return Err(ProofError::Range);
    }
    let (mut first, mut last, mut tree_last) = (start, end - 1, size - 1);
    while first != last && (last == tree_last || last & 1 == 1) {
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    let mut proof = proof.iter();
    let seed = if first == last { part } else { proof.next().ok_or(ProofError::TooShort)? };
    let (mut part_hash, mut whole_hash) = (*seed, *seed);
    for hash in proof {
        if tree_last == 0 {
            return Err(ProofError::TooLong);
        }
        if last & 1 == 1 || last == tree_last {
            if first < last {
                part_hash = node_hash(hash, &part_hash);
            }
            whole_hash = node_hash(hash, &whole_hash);
            let rise = last.trailing_zeros();
            first >>= rise;
            last >>= rise;
            tree_last >>= rise;
        } else {
            whole_hash = node_hash(&whole_hash, hash);
        }
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    match (tree_last, part_hash == *part && whole_hash == *whole) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Mismatch),
        _ => Err(ProofError::TooShort),
    }
}

#[cfg(test)]
mod tests;
