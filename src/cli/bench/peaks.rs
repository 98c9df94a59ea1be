//! What the machine does at best: memory read from end to end, and products that never leave the registers.

use std::time::Duration;

use bizra_kernels::Level;
use bizra_kernels::os::{self, Pages, read_bandwidth};
use bizra_kernels::peak::{Arithmetic, dot_peak};

use crate::bench::result::Peak;

/// Much more than caches hold.
const BUFFER: u64 = 512 << 20;
const LEAST_BUFFER: u64 = 64 << 20;
const LOOKS: usize = 3;

/// The best of several looks for each number of threads. Where too little memory is free to tell its speed, that is 0.
pub(super) fn measure(level: Level, threads: &[usize], clock: &(dyn Fn() -> Duration + Sync)) -> Vec<Peak> {
    let bytes = os::Memory::read().map_or(BUFFER, |memory| BUFFER.min(memory.available / 4));
    let mut pages = Pages::zeroed(bytes as usize).map(Pages::huge).ok().filter(|_| bytes >= LEAST_BUFFER);
    if let Some(pages) = &mut pages {
        // Pages that were never written are all the same one.
        pages.fill(1);
    }
    let peak = |threads: usize, pages: &mut Option<Pages>| {
        let best = |look: &mut dyn FnMut() -> f64| (0..LOOKS).map(|_| look()).fold(0.0, f64::max);
        Peak {
            threads: threads as u64,
            bandwidth: pages.as_mut().map_or(0.0, |pages| {
                let words = &*pages.words_mut();
                best(&mut || read_bandwidth(words, threads, clock))
            }),
            integer: best(&mut || dot_peak(level, Arithmetic::Integer, threads, clock)),
            float: best(&mut || dot_peak(level, Arithmetic::Float, threads, clock)),
        }
    };
    threads.iter().map(|threads| peak(*threads, &mut pages)).collect()
}

/// The better of two looks at the same machine.
pub(super) fn better(before: Vec<Peak>, after: &[Peak]) -> Vec<Peak> {
    let best = |one: Peak, other: &Peak| Peak {
        threads: one.threads,
        bandwidth: one.bandwidth.max(other.bandwidth),
        integer: one.integer.max(other.integer),
        float: one.float.max(other.float),
    };
    before.into_iter().zip(after).map(|(one, other)| best(one, other)).collect()
}
