//! The keys and values of a sequence: one cache a layer, each contiguous by head. Leaves out whose they are
//! ([`super::engine::Session`]).

pub use bizra_kernels::attention::Cell;

use bizra_kernels::attention::Cache;

use super::config::ModelConfig;
use super::fault::InferError;

#[derive(Debug)]
pub struct Kv {
    pub(super) layers: Vec<Cache>,
}

impl Kv {
    /// Room for `capacity` positions; memory is taken as they fill.
    pub fn new(config: &ModelConfig, cell: Cell, capacity: usize) -> Result<Kv, InferError> {
        let layer = |_| Cache::new(cell, config.kv_heads, config.key_dim, capacity);
        Ok(Kv { layers: (0..config.layers).map(layer).collect::<Result<_, _>>()? })
    }

    /// Bytes when full; none where they exceed the address space.
    pub fn bytes(config: &ModelConfig, cell: Cell, capacity: usize) -> Option<usize> {
        Cache::bytes(cell, config.kv_heads, config.key_dim, capacity).ok()?.checked_mul(config.layers)
    }

    /// Whether a model could have filled it.
    pub fn fits(&self, config: &ModelConfig, cell: Cell) -> bool {
        let same =
            |layer: &Cache| (layer.cell(), layer.heads(), layer.head_dim()) == (cell, config.kv_heads, config.key_dim);
        self.layers.len() == config.layers && self.layers.iter().all(same)
    }

    /// Positions that are filled.
    pub fn len(&self) -> usize {
        self.layers.iter().map(Cache::len).min().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn capacity(&self) -> usize {
        self.layers.first().map_or(0, Cache::capacity)
    }

    /// Layer by layer, the bytes of what is filled: [`Kv::restore`] takes them back.
    pub fn filled(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        self.layers.iter().map(Cache::filled)
    }

    /// Bytes of a layer that holds so many positions.
    pub fn filled_bytes(config: &ModelConfig, cell: Cell, positions: usize) -> Result<usize, InferError> {
        Ok(Cache::filled_bytes(cell, config.kv_heads, config.key_dim, positions)?)
    }

    /// Takes the first `keep` of `positions` positions from the bytes of each layer.
    pub fn restore(&mut self, layers: &[&[u8]], positions: usize, keep: usize) -> Result<(), InferError> {
        if layers.len() != self.layers.len() {
            return Err(InferError::Session);
        }
        for (layer, bytes) in self.layers.iter_mut().zip(layers) {
            layer.restore(bytes, positions, keep)?;
        }
        Ok(())
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(len));
    }
}
