//! The products of weights in F32, F16 and BF16, in f32: sixteen partial sums per product, by column modulo 16.

use super::acts::Activations;
use super::{Job, Weights};
use crate::lanes::{Brain, Half, Lanes, N, Op, Single, Stored, chunks};
use crate::{Format, Level};
use std::marker::PhantomData;
use std::ops::Range;

pub(super) fn rows(level: Level, job: &Job, acts: &Activations, activations: Range<usize>, rows: Range<usize>) {
    let Weights::Raw(matrix) = &job.weights else { return };
    let mut values = vec![0.0; rows.len() * activations.len()];
    let x = &acts.x()[activations.start * acts.cols()..activations.end * acts.cols()];
    let op = |out| Dots { matrix, rows: rows.clone(), x, n: activations.len(), out };
    match matrix.format {
        Format::F32 => level.run(Typed(op(&mut values), PhantomData::<Single>)),
        Format::F16 => level.run(Typed(op(&mut values), PhantomData::<Half>)),
        _ => level.run(Typed(op(&mut values), PhantomData::<Brain>)),
    }
    for (i, values) in activations.zip(values.chunks_exact(rows.len().max(1))) {
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

struct Typed<'a, C>(Dots<'a>, PhantomData<C>);

/// `R` weight rows by `M` activation rows.
#[inline(always)]
fn tile<S: Lanes, C: Stored, const R: usize, const M: usize>(
    s: S,
    weights: [&[u8]; R],
    x: [&[f32]; M],
) -> [[f32; R]; M] {
    let full = x[0].len() / N;
    let (w, x) = (weights.map(|w| (&C::vectors(w)[..full], w)), x.map(|x| (&chunks(x).0[..full], chunks(x).1)));
    let mut acc = [[s.splat(0.0); R]; M];
    for i in 0..full {
        let mut lanes = [s.splat(0.0); R];
        for r in 0..R {
            lanes[r] = C::load(s, &w[r].0[i]);
        }
        for m in 0..M {
            let x = s.load(&x[m].0[i]);
            for r in 0..R {
                acc[m][r] = s.fma(lanes[r], x, acc[m][r]);
            }
        }
    }
    let mut sums = [[0.0; R]; M];
    for m in 0..M {
        for r in 0..R {
            let rest = &w[r].1[full * size_of::<C::Vector>()..];
            // Also where there is none: adding 0·0 turns -0 to 0 at every level alike.
            let last = s.fma(C::load_part(s, rest), s.load_part(x[m].1, 0.0), acc[m][r]);
            sums[m][r] = s.sum(last);
        }
    }
    sums
}

impl<C: Stored> Op for Typed<'_, C> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Dots { matrix, rows, x, n, out } = self.0;
        let (cols, width) = (matrix.cols, rows.len());
        let x = |i: usize| &x[i * cols..][..cols];
        let weights = |r: usize| matrix.row_data(rows.start + r);
        macro_rules! tiles {
            ($r:expr, $i:expr, $R:literal, $M:literal) => {{
                let values = tile::<S, C, $R, $M>(
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
