//! Byte strings to consecutive numbers: the vocabulary and the merges. One block of text and one of slots, so that
//! a quarter of a million entries load in milliseconds; keyed per process, so that a file can't choose collisions.

use std::hash::{BuildHasher, Hasher, RandomState};

#[derive(Clone, Debug)]
pub(super) struct Table {
    text: Vec<u8>,
    ends: Vec<u32>,
    /// Entry number + 1, or 0 for a free slot; the length is a power of two.
    slots: Vec<u32>,
    key: u64,
}

impl Table {
    /// `entries` and `bytes` are hints from sizes that were checked against the file.
    pub(super) fn with_capacity(entries: usize, bytes: usize) -> Self {
        let slots = (entries.saturating_mul(2)).max(16).next_power_of_two();
        let key = RandomState::new().build_hasher().finish();
        Self { text: Vec::with_capacity(bytes), ends: Vec::with_capacity(entries), slots: vec![0; slots], key }
    }

    pub(super) fn get(&self, number: u32) -> Option<&[u8]> {
        let end = *self.ends.get(number as usize)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number as usize - 1] as usize };
        Some(&self.text[start..end])
    }

    pub(super) fn find(&self, entry: &[u8]) -> Option<u32> {
        self.slot(entry).ok()
    }

    /// The new entry's number, or an earlier equal entry's as the error. `None` when 4 GiB of text are full.
    pub(super) fn insert(&mut self, entry: &[u8]) -> Option<Result<u32, u32>> {
        let end = u32::try_from(self.text.len() + entry.len()).ok()?;
        let number = u32::try_from(self.ends.len()).ok().filter(|&n| n < u32::MAX - 1)?;
        if (self.ends.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        match self.slot(entry) {
            Ok(earlier) => Some(Err(earlier)),
            Err(free) => {
                self.slots[free] = number + 1;
                self.text.extend_from_slice(entry);
                self.ends.push(end);
                Some(Ok(number))
            }
        }
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for number in 0..self.ends.len() as u32 {
            let entry = self.get(number).expect("invariant: the number is in range");
            let mut at = self.home(entry);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = number + 1;
        }
    }

    /// The entry's number, or the slot where it would go.
    fn slot(&self, entry: &[u8]) -> Result<u32, usize> {
        let mut at = self.home(entry);
        loop {
            match self.slots[at].checked_sub(1) {
                None => return Err(at),
                Some(number) if self.get(number) == Some(entry) => return Ok(number),
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    fn home(&self, entry: &[u8]) -> usize {
        let (words, tail) = entry.as_chunks::<8>();
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        let mut hash = self.key ^ (entry.len() as u64);
        for word in words.iter().chain([&last]) {
            hash = fold(hash ^ u64::from_le_bytes(*word));
        }
        hash as usize & (self.slots.len() - 1)
    }
}

fn fold(x: u64) -> u64 {
    let product = u128::from(x) * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_across_growth() {
        let mut table = Table::with_capacity(0, 0);
        let entries: Vec<String> = (0..5000).map(|n| format!("{}{n}", "x".repeat(n % 19))).collect();
        for (n, entry) in entries.iter().enumerate() {
            assert_eq!(table.insert(entry.as_bytes()), Some(Ok(n as u32)));
        }
        for (n, entry) in entries.iter().enumerate() {
            assert_eq!(table.find(entry.as_bytes()), Some(n as u32));
            assert_eq!(table.get(n as u32), Some(entry.as_bytes()));
            assert_eq!(table.insert(entry.as_bytes()), Some(Err(n as u32)));
        }
        assert_eq!((table.find(b"y"), table.get(5000)), (None, None));
    }

    #[test]
    fn zero_bytes_and_lengths_tell_entries_apart() {
        let mut table = Table::with_capacity(4, 4);
        for (n, entry) in [&b""[..], b"\0", b"\0\0", b"\0\0\0\0\0\0\0\0"].into_iter().enumerate() {
            assert_eq!(table.insert(entry), Some(Ok(n as u32)));
        }
        assert_eq!(table.find(b"\0\0"), Some(2));
    }
}
