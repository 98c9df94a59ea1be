//! Keys and values of the positions so far.

use crate::error::{Error, product, rows};
use crate::lanes::{Lanes, N};
use crate::os::Pages;
use half::f16;

/// How a cache keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    F32,
    F16,
}

/// The keys and values of one layer. Keys lie by head, then 16 positions at a time, then dimension; values by head and
/// position, each row padded to whole vectors. Memory is only taken from the system where something was written.
#[derive(Debug)]
pub struct Cache {
    cell: Cell,
    heads: usize,
    head_dim: usize,
    capacity: usize,
    len: usize,
    keys: Pages,
    values: Pages,
}

impl Cache {
    /// Room for `capacity` positions of `heads` heads.
    pub fn new(cell: Cell, heads: usize, head_dim: usize, capacity: usize) -> Result<Cache, Error> {
        if heads == 0 || head_dim == 0 {
            return Err(Error::Length { what: "heads and their size", expected: 1, found: 0 });
        }
        let (keys, values) = Cache::sizes(cell, heads, head_dim, capacity)?;
        Ok(Cache {
            cell,
            heads,
            head_dim,
            capacity,
            len: 0,
            keys: Pages::zeroed(keys)?,
            values: Pages::zeroed(values)?,
        })
    }

    /// Bytes that a cache takes when it is full.
    pub fn bytes(cell: Cell, heads: usize, head_dim: usize, capacity: usize) -> Result<usize, Error> {
        let (keys, values) = Cache::sizes(cell, heads, head_dim, capacity)?;
        keys.checked_add(values).ok_or(Error::TooLarge { what: "cache" })
    }

    fn sizes(cell: Cell, heads: usize, head_dim: usize, capacity: usize) -> Result<(usize, usize), Error> {
        let width = if cell == Cell::F32 { 4 } else { 2 };
        let padded = capacity.checked_next_multiple_of(N).ok_or(Error::TooLarge { what: "cache" })?;
        let row = head_dim.checked_next_multiple_of(N).ok_or(Error::TooLarge { what: "cache" })?;
        Ok((product("cache", &[heads, padded, head_dim, width])?, product("cache", &[heads, capacity, row, width])?))
    }

    pub fn heads(&self) -> usize {
        self.heads
    }
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }
    pub fn capacity(&self) -> usize {
        self.capacity
    }
    /// Positions that are filled.
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends positions: for each, `heads` heads of keys and of values.
    pub fn push(&mut self, keys: &[f32], values: &[f32]) -> Result<(), Error> {
        let width = self.heads * self.head_dim;
        let n = rows("keys", keys.len(), width)?;
        crate::error::length("values", keys.len(), values.len())?;
        if n > self.capacity - self.len {
            return Err(Error::Range { what: "positions in the cache", value: self.len + n, limit: self.capacity });
        }
        match self.cell {
            Cell::F32 => self.write(keys, values, |x| x.to_le_bytes()),
            Cell::F16 => self.write(keys, values, |x| f16::from_f32(x).to_le_bytes()),
        }
        self.len += n;
        Ok(())
    }

    fn write<const B: usize>(&mut self, keys: &[f32], values: &[f32], bytes: impl Fn(f32) -> [u8; B]) {
        let (dim, width) = (self.head_dim, self.heads * self.head_dim);
        let (keys_per_head, row) = (self.capacity.next_multiple_of(N) * dim, dim.next_multiple_of(N));
        let key_cells = self.keys.as_chunks_mut::<B>().0;
        let value_cells = self.values.as_chunks_mut::<B>().0;
        for (i, (keys, values)) in keys.chunks_exact(width).zip(values.chunks_exact(width)).enumerate() {
            let position = self.len + i;
            for (head, (keys, values)) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate() {
                let block = &mut key_cells[head * keys_per_head + position / N * N * dim..][..N * dim];
                for (lane, x) in block.chunks_exact_mut(N).zip(keys) {
                    lane[position % N] = bytes(*x);
                }
                let cells = &mut value_cells[(head * self.capacity + position) * row..][..dim];
                for (cell, x) in cells.iter_mut().zip(values) {
                    *cell = bytes(*x);
                }
            }
        }
    }

    /// Key vectors of a head: for each block of 16 positions, one per dimension.
    #[inline(always)]
    pub(super) fn keys<C: Stored>(&self, head: usize) -> &[C::Vector] {
        let per_head = self.capacity.div_ceil(N) * self.head_dim;
        &C::vectors(&self.keys)[head * per_head..][..per_head]
    }

    /// Value vectors of a head: for each position, as many as a padded row has.
    #[inline(always)]
    pub(super) fn values<C: Stored>(&self, head: usize) -> &[C::Vector] {
        let per_head = self.capacity * self.head_dim.div_ceil(N);
        &C::vectors(&self.values)[head * per_head..][..per_head]
    }
}

/// Reading sixteen stored numbers.
pub(super) trait Stored {
    type Vector;
    fn vectors(bytes: &[u8]) -> &[Self::Vector];
    fn load<S: Lanes>(s: S, vector: &Self::Vector) -> S::F;
}

pub(super) struct Single;
pub(super) struct Half;

impl Stored for Single {
    type Vector = [u8; 64];
    #[inline(always)]
    fn vectors(bytes: &[u8]) -> &[[u8; 64]] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn load<S: Lanes>(s: S, vector: &[u8; 64]) -> S::F {
        s.load_f32(vector)
    }
}

impl Stored for Half {
    type Vector = [u8; 32];
    #[inline(always)]
    fn vectors(bytes: &[u8]) -> &[[u8; 32]] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn load<S: Lanes>(s: S, vector: &[u8; 32]) -> S::F {
        s.load_f16(vector)
    }
}
