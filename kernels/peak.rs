//! How fast this processor can do products of bytes at best: the limit that prefill stands under.

use crate::Level;
use crate::lanes::{Lanes, Op};
use std::hint::black_box;
use std::time::Duration;

/// Multiply-adds of one call of the loop's body.
const STEP: u64 = 12 * 64;

/// Multiplies and adds bytes that stay in registers, on each of `threads`, and returns multiply-adds per second.
/// The clock is the caller's.
pub fn dot_peak(level: Level, threads: usize, rounds: u32, clock: &(dyn Fn() -> Duration + Sync)) -> f64 {
    let start = clock();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(move || black_box(level.run(Dots(rounds))));
        }
    });
    let seconds = (clock() - start).as_secs_f64().max(1e-9);
    (u64::from(rounds) * STEP * threads.max(1) as u64) as f64 / seconds
}

struct Dots(u32);

impl Op for Dots {
    type Out = [u8; 64];

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> [u8; 64] {
        let (mut w, mut x) = ([[7; 64]; 4], [[3; 64]; 3]);
        // As many sums as hide how long one product takes, each of operands of its own, read anew each round: else the
        // compiler would see that all are the same.
        let mut sums = [[s.splat_i(0); 3]; 4];
        for _ in 0..self.0 {
            black_box((&mut w, &mut x));
            for (sums, w) in sums.iter_mut().zip(&w) {
                for (sum, x) in sums.iter_mut().zip(&x) {
                    *sum = s.dot(*sum, s.load_i(w), s.load_i(x));
                }
            }
        }
        let mut out = [0; 64];
        let all = sums.into_iter().flatten().reduce(|a, b| s.or(a, b)).unwrap_or(sums[0][0]);
        s.store_i(all, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::each_level;

    #[test]
    fn the_products_are_really_done() {
        let sums =
            each_level(|level| level.run(Dots(5)).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect());
        assert!(sums.iter().all(|s| s.to_bits() == 5 * 4 * 7 * 3));
    }
}
