//! The kernels of bizra, and its only `unsafe` code.
#![allow(unsafe_code)]

pub mod gpu;
mod level;
pub mod os;

pub use level::Level;

/// Threads that work may use: the processors that affinity and control group leave to this process.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
