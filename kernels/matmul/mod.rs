//! Matrix products: weights of any [`Format`] by rows of f32.
//!
//! Quantised weights meet activations in int8, one scale per 32 values whatever the format, finer than the 256 that
//! GGML uses for its K-quants. Weights are taken as they lie in the file ([`Matrix`]) or rearranged once
//! ([`Packed`], see [`mod@packed`]); both give the same bits, as do all levels, thread counts and batch sizes.

mod acts;
mod by_amx;
mod float;
mod layout;
mod packed;
#[cfg(test)]
mod tests;
mod tiles;

pub use acts::Activations;
pub use packed::Packed;

use crate::error::{Error, length, product};
use crate::pool::{Disjoint, Pool};
use crate::{Format, Level};

/// Weights as a file has them: row after row, each a whole number of blocks.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    format: Format,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    data: &'a [u8],
}

impl<'a> Matrix<'a> {
    pub fn new(format: Format, rows: usize, cols: usize, data: &'a [u8]) -> Result<Self, Error> {
        let row_bytes = format.bytes(cols)?;
        length("bytes of the matrix", product("matrix", &[rows, row_bytes])?, data.len())?;
        product("matrix", &[rows, cols, 4])?;
        Ok(Matrix { format, rows, cols, row_bytes, data })
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
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Row `index` as f32: how embeddings are looked up.
    pub fn row(&self, index: usize, out: &mut [f32]) -> Result<(), Error> {
        if index >= self.rows {
            return Err(Error::Range { what: "row of the matrix", value: index, limit: self.rows });
        }
        length("row of the matrix", self.cols, out.len())?;
        crate::dequantize(self.format, self.row_data(index), out)
    }

    fn row_data(&self, index: usize) -> &'a [u8] {
        &self.data[index * self.row_bytes..][..self.row_bytes]
    }
}

/// Weights in either arrangement.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    Raw(Matrix<'a>),
    Packed(&'a Packed),
}

impl Weights<'_> {
    pub fn format(&self) -> Format {
        match self {
            Weights::Raw(m) => m.format,
            Weights::Packed(p) => p.format(),
        }
    }
    pub fn rows(&self) -> usize {
        match self {
            Weights::Raw(m) => m.rows,
            Weights::Packed(p) => p.rows(),
        }
    }
    pub fn cols(&self) -> usize {
        match self {
            Weights::Raw(m) => m.cols,
            Weights::Packed(p) => p.cols(),
        }
    }
}

impl<'a> From<Matrix<'a>> for Weights<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Weights::Raw(matrix)
    }
}

impl<'a> From<&'a Packed> for Weights<'a> {
    fn from(packed: &'a Packed) -> Self {
        Weights::Packed(packed)
    }
}

/// One of several products over the same activations: `out[i][r] = Σ w[r][c]·x[i][c] (+ bias[r]) (+ out[i][r])`.
#[derive(Debug)]
pub struct Product<'a> {
    weights: Weights<'a>,
    bias: Option<&'a [f32]>,
    add: bool,
    out: &'a mut [f32],
}

impl<'a> Product<'a> {
    pub fn new(weights: impl Into<Weights<'a>>, out: &'a mut [f32]) -> Self {
        Product { weights: weights.into(), bias: None, add: false, out }
    }

    /// Adds one value per weight row.
    pub fn bias(mut self, bias: Option<&'a [f32]>) -> Self {
        self.bias = bias;
        self
    }

    /// Adds to what `out` holds, as residual connections need.
    pub fn accumulate(mut self) -> Self {
        self.add = true;
        self
    }
}

/// `out[i] = weights · x[i]` for each row of `cols` values in `x`.
pub fn matmul(pool: &Pool, level: Level, weights: &Matrix, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
    let mut acts = Activations::new();
    acts.set(pool, level, weights.cols, x)?;
    matmul_q(pool, level, &acts, &mut [Product::new(*weights, out)])
}

/// Several products over activations that were prepared once.
pub fn matmul_q(pool: &Pool, level: Level, acts: &Activations, products: &mut [Product]) -> Result<(), Error> {
    for p in products.iter() {
        length("columns of the activations", p.weights.cols(), acts.cols())?;
        if !acts.ready_for(p.weights.format()) {
            return Err(Error::Format { what: "activations as they were prepared", format: p.weights.format() });
        }
        length("output of the product", product("output", &[acts.rows(), p.weights.rows()])?, p.out.len())?;
        if let Some(bias) = p.bias {
            length("bias of the product", p.weights.rows(), bias.len())?;
        }
    }
    let jobs: Vec<Job> = products
        .iter_mut()
        .map(|p| Job { weights: p.weights, bias: p.bias, add: p.add, out: Disjoint::new(p.out) })
        .collect();
    let span = tiles::ROWS_PER_TASK;
    let starts: Vec<usize> = jobs
        .iter()
        .scan(0, |tasks, job| {
            let start = *tasks;
            *tasks += job.weights.rows().div_ceil(span);
            Some(start)
        })
        .collect();
    let tasks: usize = jobs.iter().map(|j| j.weights.rows().div_ceil(span)).sum();
    // All weights meet some activations before the next, so that these stay in a core's own cache.
    let batch = tiles::activations_per_task(acts.rows(), acts.cols());
    pool.run(tasks * acts.rows().div_ceil(batch.max(1)), |task| {
        let (batches, task) = (task / tasks, task % tasks);
        let activations = batches * batch..(batches * batch + batch).min(acts.rows());
        let i = starts.partition_point(|start| *start <= task) - 1;
        let job = &jobs[i];
        let first = (task - starts[i]) * span;
        let rows = first..(first + span).min(job.weights.rows());
        if job.weights.format().is_float() {
            float::rows(level, job, acts, activations, rows);
        } else {
            tiles::rows(level, job, acts, activations, rows);
        }
    });
    Ok(())
}

struct Job<'a> {
    weights: Weights<'a>,
    bias: Option<&'a [f32]>,
    add: bool,
    out: Disjoint<'a, f32>,
}

impl Job<'_> {
    /// Stores the products of weight rows from `first` with activation row `i`.
    #[inline(always)]
    fn finish(&self, i: usize, first: usize, values: &[f32]) {
        // SAFETY: tasks own ranges of weight rows that don't overlap, and the lengths were checked before they began.
        let out = unsafe { self.out.range(i * self.weights.rows() + first, values.len()) };
        match (self.bias.map(|b| &b[first..][..values.len()]), self.add) {
            (None, false) => out.copy_from_slice(values),
            (None, true) => out.iter_mut().zip(values).for_each(|(out, value)| *out += value),
            (Some(bias), false) => out.iter_mut().zip(values).zip(bias).for_each(|((out, value), b)| *out = value + b),
            (Some(bias), true) => out.iter_mut().zip(values).zip(bias).for_each(|((out, value), b)| *out += value + b),
        }
    }
}
