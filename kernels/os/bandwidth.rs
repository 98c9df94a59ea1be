//! How fast memory can be read: the limit that decode stands under.

use super::Pages;
use crate::Error;
use std::hint::black_box;
use std::time::Duration;

/// Reads `words` once with each of `threads` taking an equal share, and returns bytes per second.
///
/// The buffer must be much larger than the caches to say anything about memory. The clock is the caller's.
pub fn read_bandwidth(words: &[u64], threads: usize, clock: &(dyn Fn() -> Duration + Sync)) -> f64 {
    let share = words.len().div_ceil(threads.max(1)).max(1);
    let start = clock();
    std::thread::scope(|scope| {
        for part in words.chunks(share) {
            scope.spawn(move || black_box(sum(part)));
        }
    });
    let seconds = (clock() - start).as_secs_f64().max(1e-9);
    size_of_val(words) as f64 / seconds
}

/// The same over `bytes` of memory of this function's own, in huge pages where the system has them: fewer misses of the
/// translation buffers, so more than a program without them can get.
pub fn huge_page_bandwidth(bytes: usize, threads: usize, clock: &(dyn Fn() -> Duration + Sync)) -> Result<f64, Error> {
    let mut pages = Pages::zeroed(bytes)?.huge();
    // Pages that nobody wrote are all the same one.
    pages.fill(1);
    let blocks = pages.as_chunks::<BLOCK>().0;
    let share = blocks.len().div_ceil(threads.max(1)).max(1);
    let start = clock();
    std::thread::scope(|scope| {
        for part in blocks.chunks(share) {
            scope.spawn(move || black_box(sum_of_blocks(part)));
        }
    });
    let seconds = (clock() - start).as_secs_f64().max(1e-9);
    Ok((blocks.len() * BLOCK) as f64 / seconds)
}

const BLOCK: usize = 32 * 8;

fn sum_of_blocks(blocks: &[[u8; BLOCK]]) -> u64 {
    let mut sums = [0u64; 32];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks().0) {
            *sum = sum.wrapping_add(u64::from_ne_bytes(*word));
        }
    }
    sums.iter().fold(0, |a, b| a.wrapping_add(*b))
}

/// Enough independent sums that additions never are what limits.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; 32];
    let (blocks, rest) = words.as_chunks::<32>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    rest.iter().chain(&sums).fold(0, |a, b| a.wrapping_add(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_whatever_the_threads() {
        let words: Vec<u64> = (0..1001).collect();
        assert_eq!(sum(&words), 1000 * 1001 / 2);
        let clock = std::sync::atomic::AtomicU64::new(0);
        let now = || Duration::from_secs(clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        for threads in [0, 1, 3, 2000] {
            assert_eq!(read_bandwidth(&words, threads, &now), 8008.0);
            assert_eq!(huge_page_bandwidth(8008, threads, &now).unwrap(), 31.0 * 256.0);
        }
        let blocks = [[1; BLOCK]; 3];
        assert_eq!(sum_of_blocks(&blocks), 96 * 0x0101_0101_0101_0101);
    }
}
