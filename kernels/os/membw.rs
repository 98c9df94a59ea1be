//! How fast memory is read: the limit that decoding can't beat.

use super::Memory;
use crate::lanes::{Lanes, Op};
use crate::pool::{Disjoint, Pool};
use crate::{Error, Level};
use std::time::Duration;

/// Reads `bytes` of memory on huge pages with `threads` threads, `samples` times after one to warm up, and returns
/// GB/s (10⁹ bytes) for each. The clock tells the time since some moment. Use many times the size of the caches.
pub fn measure(threads: usize, bytes: usize, samples: usize, clock: &dyn Fn() -> Duration) -> Result<Vec<f64>, Error> {
    let pool = Pool::new(threads);
    let mut memory = Memory::zeroed(bytes.max(64))?.huge();
    let part = memory.len().div_ceil(pool.threads()).next_multiple_of(64);
    // Written first: pages that never were are all the same page of zeros.
    pool.chunks_mut(&mut memory, part, |i, chunk| chunk.fill(i as u8 | 1));
    let mut totals = vec![0.0; pool.threads()];
    let mut found = Vec::with_capacity(samples);
    for sample in 0..=samples {
        let before = clock();
        let out = Disjoint::new(&mut totals);
        pool.run(memory.len().div_ceil(part), |i| {
            let end = (i * part + part).min(memory.len());
            let sum = Level::best().run(Read(&memory[i * part..end]));
            // SAFETY: one value per task.
            let total = unsafe { out.range(i, 1) };
            total[0] = sum;
        });
        let seconds = clock().saturating_sub(before).as_secs_f64();
        std::hint::black_box(&totals);
        if sample > 0 && seconds > 0.0 {
            found.push(memory.len() as f64 / seconds / 1e9);
        }
    }
    Ok(found)
}

struct Read<'a>(&'a [u8]);

impl Op for Read<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> f32 {
        let mut sums = [s.splat_i(0); 4];
        for lines in self.0.as_chunks::<64>().0.chunks_exact(4) {
            for (sum, line) in sums.iter_mut().zip(lines) {
                *sum = s.or(*sum, s.load_i(line));
            }
            s.prefetch(&lines[0], 4096);
            s.prefetch(&lines[2], 4096);
        }
        let all = sums.into_iter().fold(s.splat_i(0), |a, b| s.or(a, b));
        s.sum(s.to_f(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn divides_bytes_by_the_clock_it_was_given() {
        let ticks = Cell::new(0u64);
        let clock = || {
            ticks.set(ticks.get() + 1);
            Duration::from_millis(ticks.get())
        };
        let found = measure(2, 1_000_000, 3, &clock).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|gbs| (gbs - 1.0).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn a_clock_that_stands_gives_no_samples() {
        assert_eq!(measure(1, 0, 2, &|| Duration::ZERO).unwrap(), []);
    }
}
