//! The way that needs all scores of a head at once, as a baseline: the same inner products as the flash way, and a matrix
//! of queries by positions between them and the values.

use super::flash::{CHUNK, Plain, Row, Source, gather_all, score, score_rows};
use super::{Attention, Cache, Cell, Sizes};
use crate::error::Error;
use crate::lanes::{Lanes, N, Op, Single};
use crate::pool::Disjoint;
use crate::{Level, Pool};

/// As [`super::attention`] over a cache of f32. Threads share the key heads out.
pub fn naive(
    pool: &Pool,
    level: Level,
    shape: &Attention,
    cache: &Cache,
    first: usize,
    q: &[f32],
    out: &mut [f32],
) -> Result<(), Error> {
    if cache.cell() != Cell::F32 || shape.window.is_some() {
        return Err(Error::Range { what: "naive attention", value: shape.heads, limit: cache.heads() });
    }
    let Sizes { group, width, positions: n } = Sizes::of(shape, cache, first, q, out)?;
    let dim = cache.head_dim();
    let out = Disjoint::new(out);
    pool.run(if n == 0 { 0 } else { cache.heads() }, |head| {
        let at = |i: usize, g: usize| i * width + (head * group + g) * dim;
        // All positions are weighed, hidden ones with zero.
        let row =
            |r: usize| Row { q: &q[at(r / group, r % group)..][..dim], seen: 0..cache.len(), most: 0.0, sum: 0.0 };
        let rows: Vec<Row<'_>> = (0..n * group).map(row).collect();
        let seen = |r: usize| if shape.causal { first + r / group + 1 } else { cache.len() };
        let sums = level.run(Naive { shape, cache, head, rows: &rows, seen: &seen });
        let padded = dim.next_multiple_of(N);
        for (r, sums) in sums.chunks_exact(padded).enumerate() {
            // SAFETY: each pair of position and query head belongs to one key head, and so to one task.
            unsafe { out.range(at(r / group, r % group), dim) }.copy_from_slice(&sums[..dim]);
        }
    });
    Ok(())
}

struct Naive<'a, 'q> {
    shape: &'a Attention,
    cache: &'a Cache,
    head: usize,
    rows: &'a [Row<'q>],
    /// How many positions a row sees.
    seen: &'a dyn Fn(usize) -> usize,
}

impl Op for Naive<'_, '_> {
    type Out = Vec<f32>;

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> Vec<f32> {
        let Naive { shape, cache, head, rows, seen } = self;
        let (dim, padded, len) = (cache.head_dim(), cache.head_dim().next_multiple_of(N), cache.len());
        // By chunk of positions, then by row.
        let mut scores = vec![[0.0; CHUNK]; len.div_ceil(CHUNK) * rows.len()];
        let (mut key_scratch, mut value_scratch) = (Vec::new(), Vec::new());
        for (chunk, scores) in scores.chunks_exact_mut(rows.len()).enumerate() {
            let (start, stop) = (chunk * CHUNK, (chunk * CHUNK + CHUNK).min(len));
            let keys = Plain::<Single>::keys(s, cache, head, start / N..stop.div_ceil(N), &mut key_scratch);
            score_rows::<S, Single>(s, rows, keys, dim, scores);
        }
        let mut sums = vec![0.0; rows.len() * padded];
        let mut totals = vec![0.0; rows.len()];
        for r in 0..rows.len() {
            let mut most = s.splat(f32::NEG_INFINITY);
            for (chunk, scores) in scores.iter_mut().skip(r).step_by(rows.len()).enumerate() {
                let hidden = seen(r).saturating_sub(chunk * CHUNK).min(CHUNK);
                for v in scores.as_chunks_mut::<N>().0 {
                    s.store(score(s, shape, s.load(v)), v);
                }
                scores[hidden..].fill(f32::NEG_INFINITY);
                for v in scores.as_chunks::<N>().0 {
                    most = s.max(s.load(v), most);
                }
            }
            let most = s.splat(s.greatest(most));
            let mut sum = s.splat(0.0);
            for scores in scores.iter_mut().skip(r).step_by(rows.len()) {
                for v in scores.as_chunks_mut::<N>().0 {
                    let e = s.exp(s.sub(s.load(v), most));
                    sum = s.add(sum, e);
                    s.store(e, v);
                }
            }
            totals[r] = s.sum(sum);
        }
        for (chunk, weights) in scores.chunks_exact(rows.len()).enumerate() {
            let (start, stop) = (chunk * CHUNK, (chunk * CHUNK + CHUNK).min(len));
            let values = Plain::<Single>::values(s, cache, head, start..stop, &mut value_scratch);
            gather_all::<S, Single>(s, rows, weights, values, start..stop, &mut sums);
        }
        for (sums, total) in sums.chunks_exact_mut(padded).zip(totals) {
            sums.iter_mut().for_each(|sum| *sum /= total);
        }
        sums
    }
}
