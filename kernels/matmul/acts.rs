//! Activations, prepared once for all the products that read them.

use super::layout::SPAN;
use crate::error::{Error, rows};
use crate::lanes::{Lanes, N, Op};
use crate::{Format, Level, Pool};

/// Up to 256 columns of one row in int8.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block {
    /// Four columns each, signed bytes.
    pub(super) quads: [[u8; 4]; SPAN / 4],
    /// What a quantum is worth, per 32 columns.
    pub(super) scale: [f32; SPAN / 32],
    /// What remains of zero without the quanta, per 16 columns: their sums, negated.
    pub(super) less_16: [i32; SPAN / 16],
    /// The same per 32 columns.
    pub(super) less_32: [i32; SPAN / 32],
}

impl Block {
    /// The negated sum of a group's quanta, the group being of 32 columns or of half as many.
    #[inline(always)]
    pub(super) fn less(&self, halves: bool, group: usize) -> i32 {
        if halves { self.less_16[group] } else { self.less_32[group] }
    }

    /// The same of all groups; where they are of 32 columns, half of the lanes mean nothing.
    #[inline(always)]
    pub(super) fn all_less<S: Lanes>(&self, s: S, halves: bool) -> S::I {
        let mut all = [[0; 4]; N];
        let bytes = |less: &i32| less.to_le_bytes();
        if halves {
            all.iter_mut().zip(&self.less_16).for_each(|(to, less)| *to = bytes(less));
        } else {
            all.iter_mut().zip(&self.less_32).for_each(|(to, less)| *to = bytes(less));
        }
        s.load_i(all.as_flattened().first_chunk().expect("invariant: sixteen lanes of four bytes"))
    }

    /// The memory of some blocks, from byte `at` of the first one's quanta.
    #[inline(always)]
    pub(super) fn bytes(blocks: &[Block], at: usize) -> &[u8] {
        const { assert!(size_of::<Block>() == SPAN + 4 * (SPAN / 32 + SPAN / 16 + SPAN / 32)) };
        // SAFETY: as many bytes as the blocks have, all of them written, since there is nothing between the fields.
        let all = unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(blocks)) };
        all.get(at..).unwrap_or(&[])
    }
}

pub(super) const EMPTY: Block = Block { quads: [[0; 4]; 64], scale: [0.0; 8], less_16: [0; 16], less_32: [0; 8] };

/// Rows of f32, and the same in int8 with one scale per 32 values. A value's error is at most half a quantum, its
/// block's greatest magnitude / 254. Blocks with a NaN or an infinity count as NaN; blocks below 1e-30 count as zero.
#[derive(Default)]
pub struct Activations {
    rows: usize,
    cols: usize,
    /// Whether they were prepared for weights in floats, and for quantised ones.
    ready: [bool; 2],
    x: Vec<f32>,
    /// Block `b` of row `i` at `b * rows + i`; empty where the columns are no multiple of 32.
    blocks: Vec<Block>,
}

impl Activations {
    pub fn new() -> Self {
        Activations::default()
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Takes rows of `cols` values; the memory is kept from one call to the next.
    pub fn set(&mut self, pool: &Pool, level: Level, cols: usize, x: &[f32]) -> Result<(), Error> {
        self.set_for(pool, level, cols, x, &Format::ALL)
    }

    /// The same for products with weights of these formats only, which spares what others would need.
    pub fn set_for(
        &mut self,
        pool: &Pool,
        level: Level,
        cols: usize,
        x: &[f32],
        formats: &[Format],
    ) -> Result<(), Error> {
        self.rows = rows("activations", x.len(), cols)?;
        self.cols = cols;
        self.x.clear();
        self.ready = [formats.iter().any(|f| f.is_float()), formats.iter().any(|f| !f.is_float())];
        if self.ready[0] {
            self.x.extend_from_slice(x);
        }
        if !self.ready[1] || !cols.is_multiple_of(32) {
            return Ok(());
        }
        let rows = self.rows;
        // What blocks held before is overwritten as far as it is read.
        self.blocks.resize(rows * cols.div_ceil(SPAN), EMPTY);
        let one = |first: usize, blocks: &mut [Block]| {
            for (i, block) in (first..).zip(blocks) {
                let (span, row) = (i / rows, i % rows);
                let columns = span * SPAN..(span * SPAN + SPAN).min(cols);
                level.run(Quantise { x: &x[row * cols..][columns], block });
            }
        };
        if rows < 8 {
            one(0, &mut self.blocks);
        } else {
            pool.chunks_mut(&mut self.blocks, 64, |i, blocks| one(i * 64, blocks));
        }
        Ok(())
    }

    /// Appends to the rows that were taken what rounding to int8 left of each. The sum of a product with a row and of one
    /// with its rest is off by a hundredth of what the first alone is.
    pub fn push_rest(&self, x: &mut Vec<f32>) {
        for row in 0..self.rows {
            for column in 0..self.cols {
                let block = &self.blocks[column / SPAN * self.rows + row];
                let at = column % SPAN;
                let quantum = block.quads[at / 4][at % 4].cast_signed();
                x.push(x[row * self.cols + column] - f32::from(quantum) * block.scale[at / 32]);
            }
        }
    }

    pub(super) fn ready_for(&self, format: Format) -> bool {
        self.ready[usize::from(!format.is_float())]
    }

    pub(super) fn x(&self) -> &[f32] {
        &self.x
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

struct Quantise<'a> {
    x: &'a [f32],
    block: &'a mut Block,
}

impl Op for Quantise<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        for (j, x) in self.x.as_chunks::<32>().0.iter().enumerate() {
            let halves = x.as_chunks::<N>().0;
            let (a, b) = (s.load(&halves[0]), s.load(&halves[1]));
            let most = f32::from_bits(s.most_bits(a, b));
            let finite = most.is_finite();
            let (scale, inverse) = match most {
                _ if !finite => (f32::NAN, 0.0),
                m if m < 1e-30 => (0.0, 0.0),
                m => (m / 127.0, 127.0 / m),
            };
            for (h, v) in [a, b].into_iter().enumerate() {
                let q = if finite { s.to_i(s.mul(v, s.splat(inverse))) } else { s.splat_i(0) };
                let bytes = s.narrow(q);
                self.block.quads[j * 8 + h * 4..][..4].copy_from_slice(bytes.as_chunks::<4>().0);
                // Sums of whole numbers below 2^24 are exact in f32.
                self.block.less_16[j * 2 + h] = -(s.sum(s.to_f(q)) as i32);
            }
            self.block.less_32[j] = self.block.less_16[j * 2] + self.block.less_16[j * 2 + 1];
            self.block.scale[j] = scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dequantised(acts: &Activations, row: usize, column: usize) -> f32 {
        let block = &acts.blocks[column / SPAN * acts.rows + row];
        let at = column % SPAN;
        f32::from(block.quads[at / 4][at % 4].cast_signed()) * block.scale[at / 32]
    }

    #[test]
    fn a_row_and_its_rest_are_what_was_given() {
        let (rows, cols, pool) = (3, 320, Pool::new(1));
        let mut x: Vec<f32> = (0..rows * cols).map(|i| ((i * 7919 % 1000) as f32 - 500.0) * 0.37).collect();
        x[5] = 0.0;
        let given = x.clone();
        let mut acts = Activations::new();
        acts.set(&pool, Level::SCALAR, cols, &x).unwrap();
        acts.push_rest(&mut x);
        assert_eq!(x[..rows * cols], given[..]);
        acts.set(&pool, Level::SCALAR, cols, &x).unwrap();
        for (row, column) in (0..rows).flat_map(|row| (0..cols).map(move |column| (row, column))) {
            let most = given[row * cols + column / 32 * 32..][..32].iter().fold(0f32, |m, x| m.max(x.abs()));
            let whole = dequantised(&acts, row, column);
            let (one, both) = (given[row * cols + column] - whole, whole + dequantised(&acts, rows + row, column));
            assert!(one.abs() <= most / 254.0 * 1.0001);
            assert!((given[row * cols + column] - both).abs() <= most / 254.0 / 127.0, "{row} {column}");
        }
        // What is no number stays none.
        let mut x = vec![f32::NAN; 32];
        acts.set(&pool, Level::SCALAR, 32, &x).unwrap();
        acts.push_rest(&mut x);
        assert!(x[32..].iter().all(|x| x.is_nan()));
    }
}
