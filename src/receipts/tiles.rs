//! C2SP tlog-tiles: the names and bytes of hash tiles and entry bundles, and the nodes that proofs ask for.
//!
//! A log's tree holds full tiles only; the entries behind the last full bundle lie in `tail/`. Partial tiles are made
//! when a standard client wants them ([`partial_tiles`]).

use std::fmt;

use super::Hash;
use super::merkle::{Nodes, ProofError, leaf_hash, root_of};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;
/// What the bundle's 16-bit length can say.
pub const MAX_ENTRY_BYTES: usize = 65_535;

const HASH_BYTES: usize = 32;

/// `1234067` is `x001/x234/067`.
fn index_path(mut index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    while index >= 1000 {
        index /= 1000;
        path = format!("x{:03}/{path}", index % 1000);
    }
    path
}

pub fn tile_path(level: u32, index: u64) -> String {
    format!("tile/{level}/{}", index_path(index))
}

pub fn entries_path(index: u64) -> String {
    format!("tile/entries/{}", index_path(index))
}

/// Where an entry lies until its bundle is full.
pub fn tail_path(index: u64) -> String {
    format!("tail/{:02x}.json", index % WIDTH)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TileError {
    /// An entry's length or bytes run past the end of the bundle.
    BundleCut {
        entry: usize,
        offset: usize,
    },
    BundleCount {
        found: usize,
    },
    EntryTooLong {
        bytes: usize,
    },
    TileLength {
        path: String,
        bytes: usize,
    },
    Proof(ProofError),
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BundleCut { entry, offset } => write!(f, "bundle ends within entry {entry}, at byte {offset}"),
            Self::BundleCount { found } => write!(f, "bundle has {found} entries; a full one has {WIDTH}"),
            Self::EntryTooLong { bytes } => write!(f, "entry of {bytes} bytes; at most {MAX_ENTRY_BYTES} fit"),
            Self::TileLength { path, bytes } => {
                write!(f, "{path} has {bytes} bytes; a full tile has {}", WIDTH as usize * HASH_BYTES)
            }
            Self::Proof(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TileError {}

impl From<ProofError> for TileError {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

/// The bytes of a bundle: each entry behind its length in two bytes, big endian.
pub fn bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.as_ref().len() + 2).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { bytes: entry.len() })?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle, borrowed. After an error there is nothing more.
pub fn bundle_entries(bundle: &[u8]) -> BundleEntries<'_> {
    BundleEntries { bytes: bundle, offset: 0, entry: 0 }
}

#[derive(Debug, Clone)]
pub struct BundleEntries<'a> {
    bytes: &'a [u8],
    offset: usize,
    entry: usize,
}

impl<'a> Iterator for BundleEntries<'a> {
    type Item = Result<&'a [u8], TileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let body = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))));
        Some(match body {
            Some(body) => {
                self.offset += 2 + body.len();
                self.entry += 1;
                Ok(body)
            }
            None => {
                let error = TileError::BundleCut { entry: self.entry, offset: self.offset };
                self.offset = self.bytes.len();
                Err(error)
            }
        })
    }
}

/// All 256 entries of a full bundle, or why it is none.
pub fn full_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let entries = bundle_entries(bundle).collect::<Result<Vec<_>, _>>()?;
    if entries.len() as u64 != WIDTH {
        return Err(TileError::BundleCount { found: entries.len() });
    }
    Ok(entries)
}

pub fn tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.as_flattened().to_vec()
}

/// The 256 hashes of a full tile; `path` names it in the error.
pub fn full_tile<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a [Hash], TileError> {
    match bytes.as_chunks::<HASH_BYTES>() {
        (hashes, []) if hashes.len() as u64 == WIDTH => Ok(hashes),
        _ => Err(TileError::TileLength { path: path.to_owned(), bytes: bytes.len() }),
    }
}

/// A log's tree, by path.
pub trait Files {
    type Error: From<TileError>;
    fn read(&self, path: &str) -> Result<Vec<u8>, Self::Error>;
}

/// The Merkle nodes of a log of `size` entries, read from its tree.
#[derive(Debug)]
pub struct TreeNodes<'a, F> {
    pub files: &'a F,
    pub size: u64,
}

impl<F: Files> TreeNodes<'_, F> {
    /// `count` hashes of tile level `level`, from `index` on, all within one tile.
    fn hashes(&self, level: u32, index: u64, count: u64) -> Result<Vec<Hash>, F::Error> {
        let number = index / WIDTH;
        if number < full_tiles(self.size, level) {
            let path = tile_path(level, number);
            let bytes = self.files.read(&path)?;
            let first = (index % WIDTH) as usize;
            return Ok(full_tile(&path, &bytes)?[first..first + count as usize].to_vec());
        }
        (index..index + count)
            .map(|index| match level {
                0 => Ok(leaf_hash(&self.files.read(&tail_path(index))?)),
                _ => {
                    let path = tile_path(level - 1, index);
                    let bytes = self.files.read(&path)?;
                    Ok(root_of(full_tile(&path, &bytes)?.iter().copied()))
                }
            })
            .collect()
    }
}

impl<F: Files> Nodes for TreeNodes<'_, F>
where
    F::Error: From<ProofError>,
{
    type Error = F::Error;

    fn node(&self, level: u32, index: u64) -> Result<Hash, F::Error> {
        let (tile_level, height) = (level / 8, level % 8);
        let end = index.checked_add(1).and_then(|next| next.checked_mul(1u64.checked_shl(level)?));
        if end.is_none_or(|end| end > self.size) {
            return Err(ProofError::Range.into());
        }
        Ok(root_of(self.hashes(tile_level, index << height, 1 << height)?))
    }
}

/// How many full tiles of `level` a log of `size` entries has.
pub fn full_tiles(size: u64, level: u32) -> u64 {
    size.checked_shr(8 * (level + 1)).unwrap_or(0)
}

/// The partial tiles and the partial bundle that a tlog-tiles client expects beside the full ones, by path.
pub fn partial_tiles<F: Files>(files: &F, size: u64) -> Result<Vec<(String, Vec<u8>)>, F::Error> {
    let mut made = Vec::new();
    let nodes = TreeNodes { files, size };
    for level in 0.. {
        let hashes = size.checked_shr(8 * level).unwrap_or(0);
        if hashes == 0 {
            break;
        }
        let (number, width) = (hashes / WIDTH, hashes % WIDTH);
        if width == 0 {
            continue;
        }
        let content = tile(&nodes.hashes(level, number * WIDTH, width)?);
        made.push((format!("{}.p/{width}", tile_path(level, number)), content));
        if level == 0 {
            let first = number * WIDTH;
            let tail =
                (first..first + width).map(|index| files.read(&tail_path(index))).collect::<Result<Vec<_>, _>>()?;
            made.push((format!("{}.p/{width}", entries_path(number)), bundle(&tail)?));
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_as_the_specification_writes_them() {
        assert_eq!(tile_path(0, 1_234_067), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0), "tile/1/000");
        assert_eq!(entries_path(999), "tile/entries/999");
        assert_eq!(entries_path(1000), "tile/entries/x001/000");
        assert_eq!(tail_path(254), "tail/fe.json");
        assert_eq!(tail_path(256 + 10), "tail/0a.json");
    }

    #[test]
    fn a_cut_bundle_names_entry_and_offset() {
        let whole = bundle(&[&b"ab"[..], b"", b"cde"]).unwrap();
        assert_eq!(whole, b"\0\x02ab\0\0\0\x03cde");
        let read = |bytes| bundle_entries(bytes).collect::<Result<Vec<_>, _>>();
        assert_eq!(read(&whole).unwrap(), [&b"ab"[..], b"", b"cde"]);
        assert_eq!(read(&whole[..10]), Err(TileError::BundleCut { entry: 2, offset: 6 }));
        assert_eq!(read(&whole[..1]), Err(TileError::BundleCut { entry: 0, offset: 0 }));
        assert_eq!(full_bundle(&whole), Err(TileError::BundleCount { found: 3 }));
        assert!(bundle(&[vec![0; MAX_ENTRY_BYTES + 1]]).is_err());
    }

    #[test]
    fn a_tile_is_full_or_none() {
        let hashes = [[7; 32]; 257];
        assert_eq!(full_tile("t", &tile(&hashes[..256])), Ok(&hashes[..256]));
        for bytes in [0, 255 * 32, 256 * 32 - 1, 256 * 32 + 1, 257 * 32] {
            let refused = full_tile("tile/0/000", &hashes.as_flattened()[..bytes]).unwrap_err();
            assert_eq!(refused.to_string(), format!("tile/0/000 has {bytes} bytes; a full tile has 8192"));
        }
        for (error, words) in [
            (TileError::BundleCut { entry: 2, offset: 6 }, "bundle ends within entry 2, at byte 6"),
            (TileError::BundleCount { found: 3 }, "bundle has 3 entries; a full one has 256"),
            (TileError::EntryTooLong { bytes: 65_536 }, "entry of 65536 bytes; at most 65535 fit"),
            (ProofError::Range.into(), "no proof exists for this index and these sizes"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn full_tiles_per_level() {
        assert_eq!(full_tiles(255, 0), 0);
        assert_eq!(full_tiles(256, 0), 1);
        assert_eq!(full_tiles(65_535, 1), 0);
        assert_eq!(full_tiles(65_536, 1), 1);
        assert_eq!(full_tiles(u64::MAX, 8), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(entries) = bundle_entries(&bytes).collect::<Result<Vec<_>, _>>() {
                prop_assert_eq!(bundle(&entries).unwrap(), bytes);
            }
        }
    }
}
