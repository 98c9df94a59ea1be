//! Weights rearranged for the vector units, once, when a model is loaded.

use super::Matrix;
use super::layout::{self, Layout, ROWS, SPAN, tile_bytes};
use crate::Format;
use crate::error::{Error, product};
use crate::os::{Arena, Mapped, Part};
use crate::pool::{Disjoint, Pool};
use std::sync::Arc;

enum Store {
    Own(Part),
    Mapped { file: Arc<Mapped>, start: usize },
}

/// Quantised weights in tiles of 16 rows × 256 columns.
pub struct Packed {
    format: Format,
    rows: usize,
    cols: usize,
    strip_bytes: usize,
    store: Store,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} {}×{})", self.format, self.rows, self.cols)
    }
}

impl Packed {
    /// Changes whenever the same weights would be packed to other bytes: part of the key of what is cached.
    pub const LAYOUT: u32 = 1;

    /// Bytes that a matrix takes when packed. Formats of floats aren't packed.
    pub fn bytes(format: Format, rows: usize, cols: usize) -> Result<usize, Error> {
        format.bytes(cols)?;
        let strip = layout::strip_bytes(format, cols).ok_or(Error::Format { what: "packing", format })?;
        product("packed matrix", &[rows.div_ceil(ROWS), strip])
    }

    /// Packs with all threads of the pool, into memory of its own.
    pub fn pack(pool: &Pool, matrix: &Matrix) -> Result<Packed, Error> {
        Packed::pack_in(&mut Arena::new(0), pool, matrix)
    }

    /// Packs into a part of the arena.
    pub fn pack_in(arena: &mut Arena, pool: &Pool, matrix: &Matrix) -> Result<Packed, Error> {
        let (format, rows, cols) = (matrix.format(), matrix.rows(), matrix.cols());
        let bytes = Packed::bytes(format, rows, cols)?;
        let strips = rows.div_ceil(ROWS);
        let strip_bytes = bytes.checked_div(strips).unwrap_or(0);
        let mut memory = arena.take(bytes)?;
        {
            let out = Disjoint::new(&mut memory);
            pool.run(strips, |strip| {
                // SAFETY: one strip per task, one range per strip.
                let out = unsafe { out.range(strip * strip_bytes, strip_bytes) };
                pack_strip(matrix, strip, out);
            });
        }
        Ok(Packed { format, rows, cols, strip_bytes, store: Store::Own(memory) })
    }

    /// Takes what [`Packed::as_bytes`] gave once, from a mapped file. Bytes that aren't from there give wrong numbers
    /// and nothing worse.
    pub fn from_mapped(
        format: Format,
        rows: usize,
        cols: usize,
        file: Arc<Mapped>,
        start: usize,
    ) -> Result<Packed, Error> {
        let bytes = Packed::bytes(format, rows, cols)?;
        let available = file.len().saturating_sub(start);
        if bytes > available {
            return Err(Error::Length { what: "bytes of the packed matrix", expected: bytes, found: available });
        }
        let strip_bytes = bytes.checked_div(rows.div_ceil(ROWS)).unwrap_or(0);
        Ok(Packed { format, rows, cols, strip_bytes, store: Store::Mapped { file, start } })
    }

    pub fn format(&self) -> Format {
        self.format
    }
    pub fn rows(&self) -> usize {
        self.rows
    }
    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn as_bytes(&self) -> &[u8] {
        let bytes = self.strip_bytes * self.rows.div_ceil(ROWS);
        match &self.store {
            Store::Own(memory) => &memory[..bytes],
            Store::Mapped { file, start } => &file[*start..][..bytes],
        }
    }

    pub(super) fn strip(&self, strip: usize) -> &[u8] {
        &self.as_bytes()[strip * self.strip_bytes..][..self.strip_bytes]
    }
}

/// Makes one tile of a raw matrix. Kept out of the vector entries: their instructions made it slower.
#[inline(never)]
pub(super) fn pack_tile<L: Layout>(matrix: &Matrix, strip: usize, span: usize, tile: &mut [u8]) {
    let first = strip * ROWS;
    let rows = first..(first + ROWS).min(matrix.rows);
    if rows.len() < ROWS {
        tile.fill(0);
    }
    let columns = span * SPAN..(span * SPAN + SPAN).min(matrix.cols);
    let bytes = |columns: usize| columns / L::FORMAT.block_len() * L::FORMAT.block_bytes();
    let (start, len) = (bytes(columns.start), bytes(columns.len()));
    layout::pack::<L>(rows.map(|r| &matrix.row_data(r)[start..][..len]), columns.len() / 32, tile);
}

fn pack_strip(matrix: &Matrix, strip: usize, out: &mut [u8]) {
    fn tiles<L: Layout>(matrix: &Matrix, strip: usize, out: &mut [u8]) {
        for (span, tile) in out.chunks_mut(tile_bytes::<L>(8)).enumerate() {
            pack_tile::<L>(matrix, strip, span, tile);
        }
    }
    use super::layout::{Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, with_layout};
    macro_rules! of {
        ($layout:ident) => {
            tiles::<$layout>(matrix, strip, out)
        };
        () => {
            ()
        };
    }
    with_layout!(matrix.format(), of);
}
