//! Keys and values of the positions so far.

use crate::error::{Error, product, rows};
use crate::lanes::{N, Stored};
use crate::os::Pages;
use half::f16;
use std::ops::Range;

/// How a cache keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    F32,
    F16,
    /// Signed bytes, with a half-precision scale for each 32 of a head's numbers.
    Q8,
}

/// Numbers that share a scale in [`Cell::Q8`].
pub(super) const SHARED: usize = 32;

/// The keys and values of one layer. Keys lie by head, then 16 positions at a time, then dimension; values by head and
/// position, each row padded to whole vectors. Scales lie before what they scale: a vector of them before 32 dimensions of
/// keys, all of a row's before its values. Memory is only taken from the system where something was written.
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
    /// Another number for another arrangement of the bytes of [`Cache::filled`].
    pub const LAYOUT: u32 = 1;

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
        let padded = capacity.checked_next_multiple_of(N).ok_or(Error::TooLarge { what: "cache" })?;
        let row = head_dim.checked_next_multiple_of(N).ok_or(Error::TooLarge { what: "cache" })?;
        let (width, scales) = match cell {
            Cell::F32 => (4, 0),
            Cell::F16 => (2, 0),
            Cell::Q8 => (1, head_dim.div_ceil(SHARED)),
        };
        let with_scales = |numbers: usize| {
            product("cache", &[numbers, width])?.checked_add(scales * 2).ok_or(Error::TooLarge { what: "cache" })
        };
        Ok((
            product("cache", &[heads, padded, with_scales(head_dim)?])?,
            product("cache", &[heads, capacity, with_scales(row)?])?,
        ))
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

    /// The bytes of the filled positions, whatever the capacity: each head's keys in whole blocks of 16 positions, then
    /// each head's values.
    pub fn filled(&self) -> impl Iterator<Item = &[u8]> {
        let Ok([key_block, value_row]) = Cache::pieces(self.cell, self.head_dim) else {
            unreachable!("a cache of that shape was made")
        };
        let (blocks, used) = (self.capacity.div_ceil(N), self.len.div_ceil(N));
        let keys = (0..self.heads).map(move |head| &self.keys[head * blocks * key_block..][..used * key_block]);
        let values =
            (0..self.heads).map(move |head| &self.values[head * self.capacity * value_row..][..self.len * value_row]);
        keys.chain(values)
    }

    /// How many bytes [`Cache::filled`] gives for so many positions.
    pub fn filled_bytes(cell: Cell, heads: usize, head_dim: usize, positions: usize) -> Result<usize, Error> {
        let [key_block, value_row] = Cache::pieces(cell, head_dim)?;
        let keys = product("cache", &[heads, positions.div_ceil(N), key_block])?;
        let values = product("cache", &[heads, positions, value_row])?;
        keys.checked_add(values).ok_or(Error::TooLarge { what: "cache" })
    }

    /// Takes the first `keep` of `positions` positions from their bytes, as [`Cache::filled`] gave them. What was there
    /// before is forgotten.
    pub fn restore(&mut self, bytes: &[u8], positions: usize, keep: usize) -> Result<(), Error> {
        let expected = Cache::filled_bytes(self.cell, self.heads, self.head_dim, positions)?;
        crate::error::length("bytes of a cache", expected, bytes.len())?;
        if keep > positions.min(self.capacity) {
            let limit = positions.min(self.capacity);
            return Err(Error::Range { what: "positions in the cache", value: keep, limit });
        }
        let [key_block, value_row] = Cache::pieces(self.cell, self.head_dim)?;
        let (theirs, ours, used) = (positions.div_ceil(N), self.capacity.div_ceil(N), keep.div_ceil(N));
        let (keys, values) = bytes.split_at(self.heads * theirs * key_block);
        for head in 0..self.heads {
            self.keys[head * ours * key_block..][..used * key_block]
                .copy_from_slice(&keys[head * theirs * key_block..][..used * key_block]);
            self.values[head * self.capacity * value_row..][..keep * value_row]
                .copy_from_slice(&values[head * positions * value_row..][..keep * value_row]);
        }
        self.len = keep;
        Ok(())
    }

    /// Bytes of a head's keys for 16 positions, and of its values for one.
    fn pieces(cell: Cell, head_dim: usize) -> Result<[usize; 2], Error> {
        let (keys, values) = Cache::sizes(cell, 1, head_dim, N)?;
        Ok([keys, values / N])
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
            Cell::Q8 => self.write_bytes(keys, values),
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

    fn write_bytes(&mut self, keys: &[f32], values: &[f32]) {
        let (dim, width) = (self.head_dim, self.heads * self.head_dim);
        let (block, row) = (self.key_block(), self.value_row());
        let blocks = self.capacity.div_ceil(N);
        for (i, (keys, values)) in keys.chunks_exact(width).zip(values.chunks_exact(width)).enumerate() {
            let position = self.len + i;
            let lane = position % N;
            for (head, (keys, values)) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate() {
                let mut cells = &mut self.keys[(head * blocks + position / N) * block..][..block];
                for keys in keys.chunks(SHARED) {
                    let (scales, rest) = cells.split_at_mut(2 * N);
                    let (bytes, rest) = rest.split_at_mut(keys.len() * N);
                    let scale = Scale::of(keys);
                    scales[lane * 2..][..2].copy_from_slice(&scale.stored.to_le_bytes());
                    bytes.chunks_exact_mut(N).zip(keys).for_each(|(cell, x)| cell[lane] = scale.byte(*x));
                    cells = rest;
                }
                let cells = &mut self.values[(head * self.capacity + position) * row..][..row];
                let (scales, bytes) = cells.split_at_mut(2 * dim.div_ceil(SHARED));
                for ((values, bytes), to) in
                    values.chunks(SHARED).zip(bytes.chunks_mut(SHARED)).zip(scales.as_chunks_mut::<2>().0)
                {
                    let scale = Scale::of(values);
                    *to = scale.stored.to_le_bytes();
                    bytes.iter_mut().zip(values).for_each(|(cell, x)| *cell = scale.byte(*x));
                }
            }
        }
    }

    /// Bytes of a head's keys for 16 positions, of [`Cell::Q8`].
    fn key_block(&self) -> usize {
        self.head_dim * N + self.head_dim.div_ceil(SHARED) * 2 * N
    }

    /// Bytes of a head's values for one position, of [`Cell::Q8`].
    fn value_row(&self) -> usize {
        self.head_dim.next_multiple_of(N) + self.head_dim.div_ceil(SHARED) * 2
    }

    /// Keys of a head, 16 positions at a time, of [`Cell::Q8`].
    pub(super) fn byte_keys(&self, head: usize, blocks: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let (first, block) = (head * self.capacity.div_ceil(N), self.key_block());
        self.keys[(first + blocks.start) * block..(first + blocks.end) * block].chunks_exact(block)
    }

    /// Values of a head by position, scales and bytes, of [`Cell::Q8`].
    pub(super) fn byte_values(&self, head: usize, positions: Range<usize>) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (first, row) = (head * self.capacity, self.value_row());
        let rows = self.values[(first + positions.start) * row..(first + positions.end) * row].chunks_exact(row);
        rows.map(|row| row.split_at(2 * self.head_dim.div_ceil(SHARED)))
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

/// What a byte is worth.
struct Scale {
    stored: f16,
    inverse: f32,
}

impl Scale {
    /// A NaN or an infinity, or what half precision can't hold, makes all that share the scale NaN.
    fn of(numbers: &[f32]) -> Scale {
        let most = numbers.iter().fold(0f32, |most, x| if x.is_nan() { f32::INFINITY } else { most.max(x.abs()) });
        let stored = f16::from_f32(most / 127.0);
        let worth = stored.to_f32();
        if worth == 0.0 {
            Scale { stored, inverse: 0.0 }
        } else if worth.is_finite() {
            Scale { stored, inverse: 1.0 / worth }
        } else {
            Scale { stored: f16::NAN, inverse: 0.0 }
        }
    }

    fn byte(&self, x: f32) -> u8 {
        (x * self.inverse).round_ties_even().clamp(-127.0, 127.0) as i8 as u8
    }
}
