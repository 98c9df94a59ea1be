//! How much memory a model will take, known from its configuration before anything is loaded.

use super::config::ModelConfig;
use super::forward::Work;
use super::kv::{Cell, Kv};

/// Bytes by what they are for; each saturates where the sizes exceed the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The weights, mapped from the file or packed in their place.
    pub weights: u64,
    /// Keys and values of a full context.
    pub cache: u64,
    /// Buffers of a pass over one chunk of a prompt.
    pub activations: u64,
}

impl Needs {
    pub fn new(config: &ModelConfig, weights: u64, cell: Cell, context: usize, chunk: usize) -> Needs {
        let bytes = |size: Option<usize>| size.map_or(u64::MAX, |size| size as u64);
        Needs {
            weights,
            cache: bytes(Kv::bytes(config, cell, context)),
            activations: bytes(Work::bytes(config, chunk)),
        }
    }

    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.activations)
    }
}

/// The most that buffers for one chunk of a prompt may take, unless a single position needs more.
const ACTIVATIONS: usize = 28 << 20;
const LONGEST_CHUNK: usize = 512;

/// Positions of a prompt that go through the model together. Answers don't depend on it.
pub fn chunk(config: &ModelConfig) -> usize {
    let (one, two) = (Work::bytes(config, 1), Work::bytes(config, 2));
    match (one, two) {
        (Some(one), Some(two)) => (ACTIVATIONS.saturating_sub(one) / (two - one)).clamp(1, LONGEST_CHUNK),
        _ => 1,
    }
}
