//! How many multiply-adds a second this processor does at best: the limit that reading a prompt stands under.
//!
//! Everything stays in registers, so nothing but arithmetic is measured.

use std::hint::black_box;
use std::time::Duration;

use crate::Level;
use crate::amx::Tiles;
use crate::lanes::{Lanes, N, Op};

/// What is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Whole numbers of eight bits, as quantised weights are.
    Integer,
    /// f32.
    Float,
}

/// Chains that don't wait for each other: more than any processor's latency asks for.
const CHAINS: usize = 12;
/// Links of a chain in a block of work.
const LINKS: usize = 16;
const MOST_BLOCKS: u64 = 1 << 20;
/// Long enough that starting threads is no part of it.
const LONG_ENOUGH: Duration = Duration::from_millis(4);

/// Multiply-adds a second of `threads` threads together. The clock is the caller's.
pub fn dot_peak(level: Level, arithmetic: Arithmetic, threads: usize, clock: &(dyn Fn() -> Duration + Sync)) -> f64 {
    let mut blocks = 1 << 10;
    loop {
        let start = clock();
        std::thread::scope(|scope| {
            for _ in 1..threads.max(1) {
                scope.spawn(|| work(level, arithmetic, blocks));
            }
            work(level, arithmetic, blocks);
        });
        let taken = clock().saturating_sub(start);
        if taken >= LONG_ENOUGH || blocks >= MOST_BLOCKS {
            let each = match arithmetic {
                Arithmetic::Integer => 4 * N,
                Arithmetic::Float => N,
            };
            let done = blocks as f64 * (CHAINS * LINKS * each * threads.max(1)) as f64;
            return done / taken.as_secs_f64().max(1e-9);
        }
        blocks *= 2;
    }
}

fn work(level: Level, arithmetic: Arithmetic, blocks: u64) {
    match arithmetic {
        Arithmetic::Integer if level.has_tiles() => tiles(blocks),
        Arithmetic::Integer => drop(black_box(level.run(Whole { blocks }))),
        Arithmetic::Float => drop(black_box(level.run(Single { blocks }))),
    }
}

/// As many products as [`Whole`] makes.
fn tiles(blocks: u64) {
    const EACH: u64 = 16 * 16 * 64 * 8;
    if let Some(tiles) = Tiles::new(16, 64) {
        tiles.peak(blocks * (CHAINS * LINKS * 4 * N) as u64 / EACH);
    }
}

struct Whole {
    blocks: u64,
}

impl Op for Whole {
    type Out = Vec<[u8; 64]>;

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> Self::Out {
        let mut sums = [s.splat_i(0); CHAINS];
        let (mut weights, mut quanta) = ([3u8; 64], [[5u8; 64]; 8]);
        for _ in 0..self.blocks {
            // New to the compiler each time, so that the products can't be taken out of the loop.
            weights = black_box(weights);
            quanta = black_box(quanta);
            let (w, a) = (s.load_i(&weights), s.load_i(&quanta[0]));
            if S::SHORT {
                for sum in &mut sums {
                    for _ in 0..LINKS / 8 {
                        // Here a product comes before its addition, and one that was made before would do again.
                        black_box(&mut weights);
                        let w = s.load_i(&weights);
                        let mut short = s.short();
                        for a in &quanta {
                            short = s.dot_short(short, w, s.load_i(a));
                        }
                        *sum = s.add_short(*sum, short);
                    }
                }
            } else {
                for _ in 0..LINKS {
                    for sum in &mut sums {
                        *sum = s.dot(*sum, w, a);
                    }
                }
            }
        }
        let mut out = vec![[0; 64]; CHAINS];
        sums.iter().zip(&mut out).for_each(|(sum, out)| s.store_i(*sum, out));
        out
    }
}

struct Single {
    blocks: u64,
}

impl Op for Single {
    type Out = Vec<[f32; N]>;

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> Self::Out {
        let mut sums = [s.splat(0.0); CHAINS];
        let (mut weights, mut inputs) = ([0.5f32; N], [0.25f32; N]);
        for _ in 0..self.blocks {
            weights = black_box(weights);
            inputs = black_box(inputs);
            let (w, x) = (s.load(&weights), s.load(&inputs));
            for _ in 0..LINKS {
                for sum in &mut sums {
                    *sum = s.fma(w, x, *sum);
                }
            }
        }
        sums.iter().map(|sum| s.to_array(*sum)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_product_is_done_at_every_level() {
        for level in Level::available() {
            let whole = level.run(Whole { blocks: 3 });
            let sum = (3 * LINKS * 4 * 3 * 5) as i32;
            assert!(whole.iter().flat_map(|v| v.as_chunks::<4>().0).all(|lane| i32::from_le_bytes(*lane) == sum));
            let single = level.run(Single { blocks: 3 });
            assert!(single.iter().flatten().all(|lane| *lane == (3 * LINKS) as f32 * 0.125));
        }
    }

    #[test]
    fn the_rate_counts_all_threads() {
        let looks = AtomicU64::new(0);
        let clock = || Duration::from_millis(4 * looks.fetch_add(1, Ordering::Relaxed));
        let rate = |arithmetic, threads| dot_peak(Level::best(), arithmetic, threads, &clock);
        let blocks = 1024.0 * (CHAINS * LINKS) as f64 / 0.004;
        assert_eq!(rate(Arithmetic::Float, 1), blocks * 16.0);
        assert_eq!(rate(Arithmetic::Integer, 3), 3.0 * blocks * 64.0);
    }
}
