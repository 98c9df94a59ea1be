//! Proofs that stand alone: a receipt is in a log, or a log's beginning is a beginning still.
//!
//! An inclusion proof is a C2SP `tlog-proof`: any tool for these reads it. For consistency there is no common text, so
//! it has one of ours in the same style:
//!
//! ```text
//! bizra consistency proof v1
//! from SIZE ROOT
//! to SIZE ROOT
//! HASH …
//!
//! CHECKPOINT
//! ```
//!
//! Roots and hashes are base64, a hash per line. The checkpoint is there when its size is `to`'s.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Hash;
use super::checkpoint::{self, Checkpoint, CheckpointError, NoteVerifier};
use super::merkle::{
    Frontier, Nodes, ProofError, leaf_hash, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};

const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
const CONSISTENCY: &str = "bizra consistency proof v1";
/// A tree of 2^64 leaves needs no more than 64 hashes for inclusion, and one more for consistency.
const MAX_HASHES: usize = 65;
const MAX_BYTES: usize = 2 * checkpoint::MAX_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofFault {
    TooLong {
        bytes: usize,
    },
    /// `line` counts from 1.
    Malformed {
        line: usize,
        reason: &'static str,
    },
    Checkpoint(CheckpointError),
    /// The proof is about other sizes than its checkpoint.
    Size {
        proof: u64,
        checkpoint: u64,
    },
    /// The proof is about another root than the one that was given.
    Root {
        size: u64,
    },
    Proof(ProofError),
}

impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "proof of {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::Malformed { line, reason } => write!(f, "proof line {line}: {reason}"),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Size { proof, checkpoint } => {
                write!(f, "the proof leads to size {proof}, its checkpoint is of size {checkpoint}")
            }
            Self::Root { size } => write!(f, "the proof's root at size {size} is not the known one"),
            Self::Proof(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProofFault {}

impl From<ProofError> for ProofFault {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

impl From<CheckpointError> for ProofFault {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

/// That an entry stands at `index` of the log that signed `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    pub index: u64,
    pub hashes: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

impl Inclusion {
    /// `size` is the checkpoint's.
    pub fn make<N>(nodes: &N, index: u64, size: u64, checkpoint: String) -> Result<Self, N::Error>
    where
        N: Nodes + ?Sized,
        N::Error: From<ProofError>,
    {
        Ok(Self { index, hashes: prove_inclusion(nodes, index, size)?, checkpoint })
    }

    /// The checkpoint that the log's key has signed and that holds `entry`, byte for byte.
    pub fn verify(&self, entry: &[u8], verifier: &NoteVerifier) -> Result<Checkpoint, ProofFault> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), verifier)?;
        verify_inclusion(&self.hashes, self.index, &leaf_hash(entry), checkpoint.size, &checkpoint.root)?;
        Ok(checkpoint)
    }

    pub fn parse(text: &[u8]) -> Result<Self, ProofFault> {
        let (head, checkpoint) = split(text)?;
        let mut lines = numbered(head);
        expect(lines.next(), |line| (line == INCLUSION).then_some(()), "expected `c2sp.org/tlog-proof@v1`")?;
        let mut next = lines.next();
        if next.is_some_and(|(_, line)| line.starts_with("extra ")) {
            // Opaque to everyone but its maker, and no part of what is proven.
            next = lines.next();
        }
        let index = expect(next, |line| number(line.strip_prefix("index ")?), "expected `index NUMBER`")?;
        let checkpoint = checkpoint.ok_or(ProofFault::Malformed { line: 3, reason: "there is no checkpoint" })?;
        Ok(Self { index, hashes: read_hashes(lines)?, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for Inclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{INCLUSION}\nindex {}\n", self.index)?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// That a log's first `old` entries are still the first of its `new` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    pub old: u64,
    pub old_root: Hash,
    pub new: u64,
    pub new_root: Hash,
    pub hashes: Vec<Hash>,
    /// The signed note of size `new`, where there is one.
    pub checkpoint: Option<String>,
}

impl Consistency {
    pub fn make<N>(nodes: &N, old: u64, new: u64, checkpoint: Option<String>) -> Result<Self, N::Error>
    where
        N: Nodes + ?Sized,
        N::Error: From<ProofError>,
    {
        let hashes = prove_consistency(nodes, old, new)?;
        let (old_root, new_root) = (Frontier::of(nodes, old)?.root(), Frontier::of(nodes, new)?.root());
        Ok(Self { old, old_root, new, new_root, hashes, checkpoint })
    }

    /// Checks the proof against the root that is known for `old`, such as a pin's. With a verifier, the new end must be
    /// signed; without one, what is proven holds for whoever trusts the new root.
    pub fn verify(&self, known: &Hash, verifier: Option<&NoteVerifier>) -> Result<(), ProofFault> {
        if self.old_root != *known {
            return Err(ProofFault::Root { size: self.old });
        }
        if let Some(verifier) = verifier {
            let note = self.checkpoint.as_deref().unwrap_or_default();
            let checkpoint = Checkpoint::open(note.as_bytes(), verifier)?;
            if checkpoint.size != self.new {
                return Err(ProofFault::Size { proof: self.new, checkpoint: checkpoint.size });
            }
            if checkpoint.root != self.new_root {
                return Err(ProofFault::Root { size: self.new });
            }
        }
        Ok(verify_consistency(&self.hashes, self.old, &self.old_root, self.new, &self.new_root)?)
    }

    pub fn parse(text: &[u8]) -> Result<Self, ProofFault> {
        let (head, checkpoint) = split(text)?;
        let mut lines = numbered(head);
        expect(lines.next(), |line| (line == CONSISTENCY).then_some(()), "expected `bizra consistency proof v1`")?;
        let end = |word: &'static str| {
            move |line: &str| {
                let (size, root) = line.strip_prefix(word)?.split_once(' ')?;
                Some((number(size)?, hash(root)?))
            }
        };
        let (old, old_root) = expect(lines.next(), end("from "), "expected `from SIZE ROOT`")?;
        let (new, new_root) = expect(lines.next(), end("to "), "expected `to SIZE ROOT`")?;
        let hashes = read_hashes(lines)?;
        Ok(Self { old, old_root, new, new_root, hashes, checkpoint: checkpoint.map(str::to_owned) })
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{CONSISTENCY}")?;
        writeln!(f, "from {} {}", self.old, BASE64.encode(self.old_root))?;
        writeln!(f, "to {} {}", self.new, BASE64.encode(self.new_root))?;
        write_hashes(f, &self.hashes)?;
        match &self.checkpoint {
            Some(checkpoint) => write!(f, "\n{checkpoint}"),
            None => Ok(()),
        }
    }
}

fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))
}

/// The lines before the blank one, and the checkpoint behind it.
fn split(text: &[u8]) -> Result<(&str, Option<&str>), ProofFault> {
    if text.len() > MAX_BYTES {
        return Err(ProofFault::TooLong { bytes: text.len() });
    }
    let malformed = |reason| ProofFault::Malformed { line: 1, reason };
    let text = std::str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
    match text.split_once("\n\n") {
        Some((head, checkpoint)) => Ok((head, Some(checkpoint))),
        None => Ok((text.strip_suffix('\n').ok_or(malformed("the last line does not end"))?, None)),
    }
}

fn numbered(head: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(head.split('\n'))
}

fn expect<T>(
    line: Option<(usize, &str)>,
    read: impl FnOnce(&str) -> Option<T>,
    reason: &'static str,
) -> Result<T, ProofFault> {
    let (line, text) = line.unwrap_or((0, ""));
    read(text).ok_or(ProofFault::Malformed { line, reason })
}

fn read_hashes<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Result<Vec<Hash>, ProofFault> {
    let mut hashes = Vec::new();
    for (line, text) in lines {
        if hashes.len() == MAX_HASHES {
            return Err(ProofFault::Malformed { line, reason: "there are too many hashes" });
        }
        hashes.push(expect(Some((line, text)), hash, "expected a hash of 32 bytes in base64")?);
    }
    Ok(hashes)
}

fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::NoteSigner;
    use super::super::keys::SecretKey;
    use super::super::merkle::root_of;
    use super::*;

    fn signer() -> NoteSigner {
        NoteSigner::new("example/log", SecretKey::from_seed(&[1; 32]).into_signing_key()).unwrap()
    }

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    fn note(size: u64) -> String {
        let root = root_of(leaves(size));
        Checkpoint { origin: "example/log".into(), size, root }.sign(&signer()).unwrap()
    }

    #[test]
    fn inclusion_survives_its_text_and_proves_one_entry_at_one_place() {
        let verifier = signer().verifier();
        for size in [1u64, 2, 7, 8, 13] {
            for index in 0..size {
                let proof = Inclusion::make(&leaves(size)[..], index, size, note(size)).unwrap();
                let read = Inclusion::parse(proof.to_string().as_bytes()).unwrap();
                assert_eq!(read, proof);
                assert_eq!(read.verify(&index.to_be_bytes(), &verifier).unwrap().size, size);
                assert!(read.verify(&(index + 1).to_be_bytes(), &verifier).is_err());
                let moved = Inclusion { index: index + 1, ..read };
                assert!(moved.verify(&index.to_be_bytes(), &verifier).is_err());
            }
        }
    }

    #[test]
    fn consistency_survives_its_text_and_needs_the_known_root() {
        let verifier = signer().verifier();
        for (old, new) in [(1u64, 1u64), (1, 8), (3, 7), (6, 8), (7, 13)] {
            let proof = Consistency::make(&leaves(new)[..], old, new, Some(note(new))).unwrap();
            let read = Consistency::parse(proof.to_string().as_bytes()).unwrap();
            assert_eq!(read, proof);
            let known = root_of(leaves(old));
            assert_eq!(read.verify(&known, Some(&verifier)), Ok(()));
            assert_eq!(read.verify(&known, None), Ok(()));
            assert_eq!(read.verify(&[0; 32], None), Err(ProofFault::Root { size: old }));
            let other = Consistency { checkpoint: Some(note(new + 1)), ..read.clone() };
            assert_eq!(
                other.verify(&known, Some(&verifier)),
                Err(ProofFault::Size { proof: new, checkpoint: new + 1 })
            );
            let unsigned = Consistency { checkpoint: None, ..read };
            assert!(unsigned.verify(&known, Some(&verifier)).is_err());
            assert_eq!(Consistency::parse(unsigned.to_string().as_bytes()), Ok(unsigned));
        }
    }

    #[test]
    fn other_texts_are_refused_with_their_line() {
        let proof = Inclusion::make(&leaves(4)[..], 2, 4, note(4)).unwrap().to_string();
        let line = |text: String| match Inclusion::parse(text.as_bytes()) {
            Err(ProofFault::Malformed { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(proof.replace("@v1", "@v2")), 1);
        assert_eq!(line(proof.replace("index 2", "index +2")), 2);
        assert_eq!(line(proof.replacen("=\n", "\n", 1)), 3);
        let extra = proof.replace("index", "extra aGVsbG8=\nindex");
        assert_eq!(Inclusion::parse(extra.as_bytes()).unwrap().to_string(), proof);
        for cut in 0..proof.len() {
            if let Ok(read) = Inclusion::parse(&proof.as_bytes()[..cut]) {
                assert!(read.verify(&2u64.to_be_bytes(), &signer().verifier()).is_err(), "cut at {cut}");
            }
        }
    }
}
