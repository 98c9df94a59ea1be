//! Weights rearranged for the vector units, once, when a model is loaded.

use super::Matrix;
use super::layout::{self, Layout, ROWS, Rows, SPAN, planes, tile_bytes, with_layout};
use crate::error::{Error, length, product};
use crate::lanes::{Lanes, Op};
use crate::os::{Arena, Mapped, Part};
use crate::pool::{Disjoint, Pool};
use crate::{Format, Level};
use std::marker::PhantomData;
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
                // Any level makes the same bytes.
                pack_strip(Level::best(), matrix, strip, out);
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

    /// Row `index` as f32, the same as [`Matrix::row`] gives.
    pub fn row(&self, index: usize, out: &mut [f32]) -> Result<(), Error> {
        if index >= self.rows {
            return Err(Error::Range { what: "row of the matrix", value: index, limit: self.rows });
        }
        length("row of the matrix", self.cols, out.len())?;
        let (strip, row) = (self.strip(index / ROWS), index % ROWS);
        macro_rules! of {
            ($layout:ty) => {
                Level::best().run(Row::<$layout> { strip, row, out, layout: PhantomData })
            };
            () => {
                ()
            };
        }
        with_layout!(self.format, of);
        Ok(())
    }

    pub(super) fn strip(&self, strip: usize) -> &[u8] {
        &self.as_bytes()[strip * self.strip_bytes..][..self.strip_bytes]
    }
}

/// Makes one tile of a raw matrix.
pub(super) fn pack_tile<L: Layout>(level: Level, matrix: &Matrix, strip: usize, span: usize, tile: &mut [u8]) {
    level.run(Pack::<L> { matrix, strip, span, tile, layout: PhantomData });
}

struct Pack<'a, L> {
    matrix: &'a Matrix<'a>,
    strip: usize,
    span: usize,
    tile: &'a mut [u8],
    layout: PhantomData<L>,
}

impl<L: Layout> Op for Pack<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Pack { matrix, strip, span, tile, .. } = self;
        let first = strip * ROWS;
        let count = ROWS.min(matrix.rows - first);
        if count < ROWS {
            tile.fill(0);
        }
        let columns = span * SPAN..(span * SPAN + SPAN).min(matrix.cols);
        let (block_len, block_bytes) = (L::FORMAT.block_len(), L::FORMAT.block_bytes());
        let (start, len) = (columns.start / block_len * block_bytes, columns.len() / block_len * block_bytes);
        let mut rows: Rows = [&[]; ROWS];
        for (r, row) in rows.iter_mut().enumerate().take(count) {
            *row = &matrix.row_data(first + r)[start..][..len];
        }
        layout::pack::<S, L>(s, &rows, count, columns.len() / 32, tile);
    }
}

fn pack_strip(level: Level, matrix: &Matrix, strip: usize, out: &mut [u8]) {
    fn tiles<L: Layout>(level: Level, matrix: &Matrix, strip: usize, out: &mut [u8]) {
        for (span, tile) in out.chunks_mut(tile_bytes::<L>(8)).enumerate() {
            pack_tile::<L>(level, matrix, strip, span, tile);
        }
    }
    macro_rules! of {
        ($layout:ty) => {
            tiles::<$layout>(level, matrix, strip, out)
        };
        () => {
            ()
        };
    }
    with_layout!(matrix.format(), of);
}

/// One row of a strip as f32.
struct Row<'a, L> {
    strip: &'a [u8],
    /// Which of the strip's.
    row: usize,
    out: &'a mut [f32],
    layout: PhantomData<L>,
}

impl<L: Layout> Op for Row<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let byte = s.splat_i(255);
        for (tile, out) in self.strip.chunks(tile_bytes::<L>(8)).zip(self.out.chunks_mut(SPAN)) {
            let (quanta, side) = tile.split_at(out.len() / 32 * 64 * L::BITS);
            let runs = quanta.chunks_exact(64 * L::BITS).zip(out.as_chunks_mut::<32>().0);
            for (run, (quanta, out)) in runs.enumerate() {
                for (q, quad) in planes(s, L::BITS, quanta).into_iter().enumerate() {
                    let group = if L::HALVES { run * 2 + q / 4 } else { run };
                    let (scale, min) = L::scale(s, side, group);
                    for k in 0..4 {
                        // As the format's definition has it, rounding for rounding.
                        let quantum = s.to_f(s.and(s.shr(quad, 8 * k), byte));
                        let x = s.mul(scale, s.sub(quantum, s.splat(L::ZERO as f32)));
                        let x = if L::MINS { s.sub(x, min) } else { x };
                        out[q * 4 + k as usize] = s.to_array(x)[self.row];
                    }
                }
            }
        }
    }
}
