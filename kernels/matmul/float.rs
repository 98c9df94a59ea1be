//! The products of weights in F32, F16 and BF16, in f32: sixteen partial sums per product, by column modulo 16.

use super::acts::Activations;
use super::{Job, Weights};
use crate::lanes::{Lanes, N, Op};
use crate::{Format, Level};
use std::ops::Range;

pub(super) fn rows(level: Level, job: &Job, acts: &Activations, rows: Range<usize>) {
    let Weights::Raw(matrix) = &job.weights else { return };
    let mut values = vec![0.0; rows.len() * acts.rows()];
    let x = acts.x();
    let op = |out| Dots { matrix, rows: rows.clone(), x, n: acts.rows(), out };
    match matrix.format {
        Format::F32 => level.run(Typed::<4, false>(op(&mut values))),
        Format::F16 => level.run(Typed::<2, true>(op(&mut values))),
        _ => level.run(Typed::<2, false>(op(&mut values))),
    }
    for (i, values) in values.chunks_exact(rows.len().max(1)).enumerate() {
        job.finish(i, rows.start, values);
    }
}

struct Dots<'a> {
    matrix: &'a super::Matrix<'a>,
    rows: Range<usize>,
    x: &'a [f32],
    n: usize,
    out: &'a mut [f32],
}

/// By bytes a value, and whether two bytes are IEEE halves.
struct Typed<'a, const BYTES: usize, const HALF: bool>(Dots<'a>);

#[inline(always)]
fn load<S: Lanes, const BYTES: usize, const HALF: bool>(s: S, bytes: &[u8]) -> S::F {
    match (bytes.first_chunk::<64>(), bytes.first_chunk::<32>()) {
        (Some(bytes), _) if BYTES == 4 => s.load_f32(bytes),
        (_, Some(bytes)) if BYTES == 2 && HALF => s.load_f16(bytes),
        (_, Some(bytes)) if BYTES == 2 => s.load_bf16(bytes),
        _ => {
            let mut padded = [0; 64];
            padded[..bytes.len()].copy_from_slice(bytes);
            match padded.first_chunk::<32>() {
                Some(bytes) if BYTES == 2 && HALF => s.load_f16(bytes),
                Some(bytes) if BYTES == 2 => s.load_bf16(bytes),
                _ => s.load_f32(&padded),
            }
        }
    }
}

/// `R` weight rows by `M` activation rows.
#[inline(always)]
fn tile<S: Lanes, const R: usize, const M: usize, const BYTES: usize, const HALF: bool>(
    s: S,
    weights: [&[u8]; R],
    x: [&[f32]; M],
) -> [[f32; R]; M] {
    let cols = x[0].len();
    let mut acc = [[s.splat(0.0); R]; M];
    for at in (0..cols).step_by(N) {
        let end = (at + N).min(cols);
        let w: [S::F; R] = std::array::from_fn(|r| load::<S, BYTES, HALF>(s, &weights[r][at * BYTES..end * BYTES]));
        for m in 0..M {
            let x = s.load_part(&x[m][at..end], 0.0);
            for r in 0..R {
                acc[m][r] = s.fma(w[r], x, acc[m][r]);
            }
        }
    }
    acc.map(|row| row.map(|a| s.sum(a)))
}

impl<const BYTES: usize, const HALF: bool> Op for Typed<'_, BYTES, HALF> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Dots { matrix, rows, x, n, out } = self.0;
        let (cols, width) = (matrix.cols, rows.len());
        let x = |i: usize| &x[i * cols..][..cols];
        let weights = |r: usize| matrix.row_data(rows.start + r);
        macro_rules! tiles {
            ($r:expr, $i:expr, $R:literal, $M:literal) => {{
                let values = tile::<S, $R, $M, BYTES, HALF>(
                    s,
                    std::array::from_fn(|k| weights($r + k)),
                    std::array::from_fn(|k| x($i + k)),
                );
                for (k, values) in values.iter().enumerate() {
                    out[($i + k) * width + $r..][..$R].copy_from_slice(values);
                }
            }};
        }
        let mut r = 0;
        while r < width {
            let step = if width - r >= 4 { 4 } else { 1 };
            let mut i = 0;
            while i < n {
                let many = if S::WIDE { 4 } else { 2 };
                match (step, n - i >= many) {
                    (4, true) if S::WIDE => tiles!(r, i, 4, 4),
                    (4, true) => {
                        tiles!(r, i, 2, 2);
                        tiles!(r + 2, i, 2, 2);
                    }
                    (4, false) => tiles!(r, i, 4, 1),
                    _ => tiles!(r, i, 1, 1),
                }
                i += if step == 4 && n - i >= many { many } else { 1 };
            }
            r += step;
        }
    }
}
