//! Units of code that no grammar reads: runs of words, cut where their content says so, so that an edit moves only the
//! cuts beside it.

use super::Unit;
use super::walk::digest;

const FEWEST: usize = 16;
const MOST: usize = 256;
/// One word in so many ends a chunk.
const ONE_IN: u64 = 48;

pub(super) fn units(source: &[u8], in_tests: bool) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut bytes = Vec::new();
    let (mut count, mut first_line, mut line) = (0usize, 1u32, 1u32);
    for (word, breaks) in words(source) {
        if count == 0 {
            first_line = line + breaks;
        }
        line += breaks;
        bytes.extend_from_slice(word);
        bytes.push(0);
        count += 1;
        if count >= MOST || (count >= FEWEST && hash(word).is_multiple_of(ONE_IN)) {
            units.push(unit(&bytes, count, first_line, line, in_tests));
            bytes.clear();
            count = 0;
        }
    }
    if count > 0 {
        units.push(unit(&bytes, count, first_line, line, in_tests));
    }
    units
}

fn unit(bytes: &[u8], count: usize, first: u32, last: u32, test: bool) -> Unit {
    Unit { id: digest(bytes), name: String::new(), tokens: count as u32, lines: first..=last, test }
}

/// Runs of word characters, and every other character that is no space by itself; with the line ends before each.
fn words(source: &[u8]) -> impl Iterator<Item = (&[u8], u32)> {
    let mut rest = source;
    std::iter::from_fn(move || {
        let spaces = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let breaks = rest[..spaces].iter().filter(|b| **b == b'\n').count() as u32;
        rest = &rest[spaces..];
        let in_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        let length = rest.iter().take_while(|b| in_word(b)).count().max(1);
        let word = rest.get(..length)?;
        rest = &rest[length..];
        Some((word, breaks))
    })
}

/// FNV-1a with its high bits folded down.
fn hash(word: &[u8]) -> u64 {
    let hash = word.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    hash ^ (hash >> 32)
}
