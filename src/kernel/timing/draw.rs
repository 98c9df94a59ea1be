//! What chance decides in a session: inputs, the order within each pair, and which calls are checked.
//!
//! All but the last comes from one secret, whose hash is published before the first call and which is revealed after the
//! last: nobody can have chosen a lucky one among several, and whoever reads the receipt can draw again. The calls that
//! are checked come from a second secret, drawn when all outputs have been handed over.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// Randomness that nobody but its holder knows yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", hex(&self.commitment()))
    }
}

impl Secret {
    pub fn new(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// What is published before anything is measured.
    pub fn commitment(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"bizra kernel seeds v1\0").chain_update(self.0).finalize().into()
    }

    /// Whether this is the secret that was committed to.
    pub fn opens(&self, commitment: &[u8; 32]) -> bool {
        self.commitment() == *commitment
    }

    /// What is published afterwards.
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// A generator of its own for each use and number.
    pub fn stream(&self, what: &str, numbers: &[u64]) -> ChaCha20Rng {
        let mut hash = Sha256::new().chain_update(self.0).chain_update(what.as_bytes()).chain_update([0]);
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        ChaCha20Rng::from_seed(hash.finalize().into())
    }

    /// In which order the subjects are called, for each pair. The first two of them, which a claim compares, come in either
    /// order equally often.
    pub fn orders(&self, shape: usize, process: usize, pairs: usize, subjects: usize) -> Vec<Vec<usize>> {
        let mut random = self.stream("order", &[shape as u64, process as u64]);
        let mut reversed: Vec<bool> = (0..pairs).map(|pair| pair % 2 == 0).collect();
        shuffle(&mut reversed, &mut random);
        let mut order = |reversed| {
            let mut order: Vec<usize> = (0..subjects).collect();
            shuffle(&mut order, &mut random);
            let place = |subject| order.iter().position(|one| *one == subject);
            if let (Some(first), Some(second)) = (place(0), place(1))
                && (first > second) != reversed
            {
                order.swap(first, second);
            }
            order
        };
        reversed.into_iter().map(&mut order).collect()
    }

    /// The calls whose outputs are checked, in order: a tenth, at least one.
    pub fn checked(&self, shape: usize, process: usize, calls: usize) -> Vec<usize> {
        let mut random = self.stream("checked", &[shape as u64, process as u64]);
        let mut all: Vec<usize> = (0..calls).collect();
        shuffle(&mut all, &mut random);
        all.truncate(calls.div_ceil(10));
        all.sort_unstable();
        all
    }
}

/// Fisher and Yates (1938).
fn shuffle<T>(values: &mut [T], random: &mut ChaCha20Rng) {
    for last in (1..values.len()).rev() {
        values.swap(last, below(random, last + 1));
    }
}

/// A number below `limit`, each equally likely: the few values that would favour some are drawn again.
fn below(random: &mut ChaCha20Rng, limit: usize) -> usize {
    let limit = limit as u64;
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let drawn = random.next_u64();
        if drawn < fair {
            return (drawn % limit) as usize;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    #[test]
    fn a_commitment_opens_with_its_secret_alone_and_tells_nothing() {
        let commitment = secret(1).commitment();
        assert!(secret(1).opens(&commitment) && !secret(2).opens(&commitment));
        assert_eq!(secret(1).reveal(), "01".repeat(32));
        assert!(!format!("{:?}", secret(1)).contains("0101"));
        // sha256sum of the label and 32 bytes of one.
        insta::assert_snapshot!(hex(&commitment), @"a0d3ecbffd5c7702bd033ae566468a9d32bf18f0c3257b4aaacb466cdabc8c2a");
    }

    #[test]
    fn half_of_the_pairs_are_reversed_in_an_order_of_their_own() {
        for subjects in [2, 3, 5] {
            let orders: Vec<_> = (0..50).map(|process| secret(7).orders(0, process, 30, subjects)).collect();
            let reversed = |order: &Vec<usize>| order.iter().find(|one| **one < 2) == Some(&1);
            for process in &orders {
                assert_eq!(process.iter().filter(|order| reversed(order)).count(), 15);
                for order in process {
                    let mut all = order.clone();
                    all.sort_unstable();
                    assert_eq!(all, (0..subjects).collect::<Vec<_>>());
                }
            }
            assert!(orders.windows(2).all(|pair| pair[0] != pair[1]));
            assert_eq!(orders[0], secret(7).orders(0, 0, 30, subjects));
            assert_ne!(orders[0], secret(8).orders(0, 0, 30, subjects));
            assert_ne!(orders[0], secret(7).orders(1, 0, 30, subjects));
            for place in 0..30 {
                let count = orders.iter().filter(|process| reversed(&process[place])).count();
                assert!((10..=40).contains(&count), "pair {place} is reversed in {count} of 50 processes");
            }
        }
    }

    #[test]
    fn a_tenth_of_the_calls_is_checked() {
        assert_eq!(secret(5).checked(0, 0, 60).len(), 6);
        assert_eq!(secret(5).checked(0, 0, 61).len(), 7);
        assert_eq!(secret(5).checked(0, 0, 3).len(), 1);
        assert!(secret(5).checked(0, 0, 0).is_empty());
        let drawn: Vec<usize> = (0..200).flat_map(|process| secret(5).checked(0, process, 30)).collect();
        for call in 0..30 {
            let times = drawn.iter().filter(|one| **one == call).count();
            assert!((5..=40).contains(&times), "call {call} is checked {times} times of 200");
        }
        assert_ne!(secret(5).checked(0, 0, 60), secret(6).checked(0, 0, 60));
    }
}
