//! The write-ahead log's bytes: a header, then records. What is appended to it and synced is acknowledged.
//!
//! A header names the commit that the log stands on, which is packed and synced. A record holds one envelope; the last
//! record of each batch also holds the checkpoint over everything up to it, so a reader can rebuild the log without its
//! key, and a batch that was cut short is recognised and dropped whole.

use git2::Oid;
use sha2::{Digest as _, Sha256};

use crate::receipts::log::LogId;

const MAGIC: &[u8; 16] = b"bizra-wal/v1\0\0\0\n";
const MARK: &[u8; 4] = b"\xf7rec";
pub(super) const HEADER_BYTES: u64 = 16 + 16 + 8 + 20 + 4 + 32;
/// Mark, length, digest.
const PREFIX_BYTES: usize = 4 + 4 + 32;
const FIXED_BYTES: usize = 8 + 8 + 4;
/// An envelope and a checkpoint at their largest.
const MAX_PAYLOAD: usize = FIXED_BYTES + 65_535 + 8192;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalHeader {
    pub(super) log: LogId,
    /// How many entries the base commit holds.
    pub(super) base: u64,
    pub(super) commit: Oid,
}

impl WalHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend(MAGIC);
        bytes.extend(self.log.as_bytes());
        bytes.extend(self.base.to_le_bytes());
        bytes.extend(self.commit.as_bytes());
        bytes.extend([0; 4]);
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES as usize)?;
        let (content, digest) = bytes.split_at(64);
        if !content.starts_with(MAGIC) || Sha256::digest(content).as_slice() != digest {
            return None;
        }
        Some(Self {
            log: LogId::of_prefix(content[16..32].try_into().ok()?),
            base: u64::from_le_bytes(content[32..40].try_into().ok()?),
            commit: Oid::from_bytes(&content[40..60]).ok()?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub index: u64,
    /// Seconds since 1970: the time of the commit that takes it into git.
    pub time: i64,
    pub envelope: Vec<u8>,
    /// Over this and everything before; empty within a batch.
    pub checkpoint: Vec<u8>,
}

impl Record {
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let length = FIXED_BYTES + self.envelope.len() + self.checkpoint.len();
        bytes.extend(MARK);
        bytes.extend((length as u32).to_le_bytes());
        bytes.extend([0; 32]);
        bytes.extend(self.index.to_le_bytes());
        bytes.extend(self.time.to_le_bytes());
        bytes.extend((self.envelope.len() as u32).to_le_bytes());
        bytes.extend(&self.envelope);
        bytes.extend(&self.checkpoint);
        let digest = Sha256::digest(&bytes[start + PREFIX_BYTES..]);
        bytes[start + 8..start + PREFIX_BYTES].copy_from_slice(&digest);
    }

    /// The record at the beginning of `bytes`, and its length.
    fn decode(bytes: &[u8]) -> Result<(Self, usize), &'static str> {
        let prefix = bytes.get(..PREFIX_BYTES).ok_or("the file ends within a record's head")?;
        if !prefix.starts_with(MARK) {
            return Err("no record begins here");
        }
        let length = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]) as usize;
        if !(FIXED_BYTES..=MAX_PAYLOAD).contains(&length) {
            return Err("a record's length is impossible");
        }
        let payload = bytes.get(PREFIX_BYTES..PREFIX_BYTES + length).ok_or("the file ends within a record")?;
        if Sha256::digest(payload).as_slice() != &prefix[8..] {
            return Err("a record does not match its digest");
        }
        let (fixed, rest) = payload.split_at(FIXED_BYTES);
        let number = |at: usize| fixed[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let envelope = u32::from_le_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]) as usize;
        let (envelope, checkpoint) = rest.split_at_checked(envelope).ok_or("an envelope is longer than its record")?;
        let record = Self {
            index: number(0),
            time: number(8) as i64,
            envelope: envelope.to_vec(),
            checkpoint: checkpoint.to_vec(),
        };
        Ok((record, PREFIX_BYTES + length))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub offset: u64,
    pub bytes: u64,
    pub reason: &'static str,
}

/// What lies behind some offset of a write-ahead log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Each with the offset of its end.
    pub records: Vec<(Record, u64)>,
    /// The end of the last whole batch: what follows was never acknowledged, or is damaged.
    pub end: u64,
    /// Damage with good records behind it: something acknowledged may be lost.
    pub corrupt: Vec<Damage>,
    /// Damage, or a batch cut short, at the very end.
    pub torn: Option<Damage>,
}

/// Reads records from `bytes`, whose first byte lies at `offset` of the file.
pub fn scan(bytes: &[u8], offset: u64) -> Scan {
    let mut found = Scan { end: offset, ..Scan::default() };
    let mut at = 0;
    let mut whole = 0;
    while at < bytes.len() {
        match Record::decode(&bytes[at..]) {
            Ok((record, length)) => {
                at += length;
                let closes = !record.checkpoint.is_empty();
                found.records.push((record, offset + at as u64));
                if closes {
                    found.end = offset + at as u64;
                    whole = found.records.len();
                }
            }
            Err(reason) => {
                let next = (at + 1..bytes.len().saturating_sub(PREFIX_BYTES))
                    .find(|next| bytes[*next..].starts_with(MARK) && Record::decode(&bytes[*next..]).is_ok());
                let end = next.unwrap_or(bytes.len());
                let damage = Damage { offset: offset + at as u64, bytes: (end - at) as u64, reason };
                match next {
                    Some(next) => {
                        found.corrupt.push(damage);
                        at = next;
                    }
                    None => {
                        found.torn = Some(damage);
                        break;
                    }
                }
            }
        }
    }
    if whole < found.records.len() {
        found.records.truncate(whole);
        let bytes = offset + bytes.len() as u64 - found.end;
        found.torn = Some(Damage { offset: found.end, bytes, reason: "a batch has no checkpoint at its end" });
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(count: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for index in 0..count {
            let envelope = format!("envelope {index}").into_bytes();
            Record { index, time: 5, envelope, checkpoint: b"cp".to_vec() }.encode(&mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn header_survives_and_every_flipped_bit_is_refused() {
        let header = WalHeader { log: LogId::of(&[3; 32]), base: 512, commit: Oid::from_bytes(&[7; 20]).unwrap() };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(WalHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(WalHeader::decode(&changed), None, "bit {bit}");
        }
        assert_eq!(WalHeader::decode(&bytes[..50]), None);
    }

    #[test]
    fn cut_at_every_byte_a_log_is_shorter_and_never_wrong() {
        let (bytes, ends) = records(4);
        for cut in 0..=bytes.len() {
            let found = scan(&bytes[..cut], 100);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found.records.len(), whole, "cut at {cut}");
            assert_eq!(found.end, 100 + ends[..whole].last().copied().unwrap_or(0) as u64);
            assert_eq!(found.torn.is_some(), 100 + cut as u64 != found.end);
            assert_eq!(found.corrupt, []);
        }
    }

    #[test]
    fn damage_with_records_behind_it_is_not_a_torn_tail() {
        let (mut bytes, ends) = records(3);
        bytes[ends[0] + PREFIX_BYTES + 3] ^= 1;
        let found = scan(&bytes, 0);
        assert_eq!(found.records.iter().map(|(record, _)| record.index).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(found.corrupt[0].offset, ends[0] as u64);
        assert_eq!(found.torn, None);
    }

    #[test]
    fn a_batch_without_its_checkpoint_is_dropped_whole() {
        let (mut bytes, ends) = records(2);
        for index in 2..5 {
            Record { index, time: 0, envelope: vec![1], checkpoint: Vec::new() }.encode(&mut bytes);
        }
        let found = scan(&bytes, 0);
        assert_eq!((found.records.len(), found.end), (2, ends[1] as u64));
        assert_eq!(found.torn.unwrap().offset, ends[1] as u64);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(scan(&bytes, 0).records.len(), 0);
        }
    }
}
