//! One key head's part of the attention, chunk by chunk of positions.

use super::Attention;
use super::cache::{Cache, Cell, SHARED};
use crate::Level;
use crate::lanes::{Half, Lanes, N, Op, Single, Stored};
use crate::pool::Disjoint;
use half::f16;
use std::marker::PhantomData;
use std::ops::Range;

/// Positions met at a time.
pub(super) const CHUNK: usize = 128;
/// Query rows that share a task's chunks, at most one position's beyond.
const ROWS: usize = 48;
/// From so many rows on, a chunk is made f32 once for all of them.
const MANY: usize = 12;

/// How the positions of a batch are cut into tasks.
pub(super) struct Split {
    n: usize,
    step: usize,
}

impl Split {
    pub(super) fn new(n: usize, group: usize) -> Split {
        Split { n, step: (ROWS / group.max(1)).max(1) }
    }
    pub(super) fn tasks(&self) -> usize {
        self.n.div_ceil(self.step)
    }
    pub(super) fn part(&self, i: usize) -> Range<usize> {
        i * self.step..((i + 1) * self.step).min(self.n)
    }
}

pub(super) struct Job<'a> {
    pub(super) shape: &'a Attention,
    pub(super) cache: &'a Cache,
    pub(super) first: usize,
    pub(super) q: &'a [f32],
    pub(super) out: &'a Disjoint<'a, f32>,
    pub(super) width: usize,
    pub(super) group: usize,
    pub(super) head: usize,
    /// Which of the key head's query heads.
    pub(super) queries: Range<usize>,
}

impl Job<'_> {
    pub(super) fn run(&self, level: Level, positions: Range<usize>) {
        let (dim, padded) = (self.cache.head_dim(), self.cache.head_dim().next_multiple_of(N));
        let at = |i: usize, g: usize| i * self.width + (self.head * self.group + g) * dim;
        let mut rows: Vec<Row> = Vec::with_capacity(positions.len() * self.queries.len());
        for i in positions.clone() {
            let position = self.first + i;
            let end = if self.shape.causal { position + 1 } else { self.cache.len() };
            let start = self.shape.window.map_or(0, |w| (position + 1).saturating_sub(w)).min(end);
            for g in self.queries.clone() {
                let q = &self.q[at(i, g)..][..dim];
                rows.push(Row { q, seen: start..end, most: f32::NEG_INFINITY, sum: 0.0 });
            }
        }
        let mut scores = vec![[0.0; CHUNK]; rows.len()];
        let mut sums = vec![0.0; rows.len() * padded];
        let flash = (self.shape, self.cache, self.head);
        match self.cache.cell() {
            Cell::F32 => level.run(Flash::<Plain<Single>>::new(flash, &mut rows, &mut scores, &mut sums)),
            Cell::F16 if rows.len() >= MANY => {
                level.run(Flash::<Widened<Half>>::new(flash, &mut rows, &mut scores, &mut sums))
            }
            Cell::F16 => level.run(Flash::<Plain<Half>>::new(flash, &mut rows, &mut scores, &mut sums)),
            Cell::Q8 => level.run(Flash::<Bytes>::new(flash, &mut rows, &mut scores, &mut sums)),
        }
        for (r, (row, sums)) in rows.iter().zip(sums.chunks_exact(padded)).enumerate() {
            let share = self.queries.len();
            let (i, g) = (positions.start + r / share, self.queries.start + r % share);
            // SAFETY: each pair of position and query head belongs to one task.
            let out = unsafe { self.out.range(at(i, g), dim) };
            for (out, sum) in out.iter_mut().zip(sums) {
                // A row that sees nothing is zero.
                *out = if row.seen.is_empty() { 0.0 } else { sum / row.sum };
            }
        }
    }
}

pub(super) struct Row<'a> {
    pub(super) q: &'a [f32],
    pub(super) seen: Range<usize>,
    pub(super) most: f32,
    pub(super) sum: f32,
}

/// A part of a cache as vectors that can be loaded.
pub(super) trait Source {
    type Cell: Stored;
    /// Keys of blocks of 16 positions.
    fn keys<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        blocks: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [<Self::Cell as Stored>::Vector];
    fn values<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        positions: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [<Self::Cell as Stored>::Vector];
}

/// Where they lie.
pub(super) struct Plain<C>(PhantomData<C>);

impl<C: Stored> Source for Plain<C> {
    type Cell = C;

    #[inline(always)]
    fn keys<'b, S: Lanes>(
        _: S,
        cache: &'b Cache,
        head: usize,
        blocks: Range<usize>,
        _: &'b mut Vec<[u8; 64]>,
    ) -> &'b [C::Vector] {
        let dim = cache.head_dim();
        &cache.keys::<C>(head)[blocks.start * dim..blocks.end * dim]
    }

    #[inline(always)]
    fn values<'b, S: Lanes>(
        _: S,
        cache: &'b Cache,
        head: usize,
        positions: Range<usize>,
        _: &'b mut Vec<[u8; 64]>,
    ) -> &'b [C::Vector] {
        let vectors = cache.head_dim().div_ceil(N);
        &cache.values::<C>(head)[positions.start * vectors..positions.end * vectors]
    }
}

/// The same in f32, once for all rows that meet the chunk.
struct Widened<C>(PhantomData<C>);

#[inline(always)]
fn widen<'b, S: Lanes, C: Stored>(s: S, vectors: &[C::Vector], scratch: &'b mut Vec<[u8; 64]>) -> &'b [[u8; 64]] {
    scratch.resize(vectors.len(), [0; 64]);
    for (to, vector) in scratch.iter_mut().zip(vectors) {
        s.store_f32(C::load(s, vector), to);
    }
    scratch
}

impl<C: Stored> Source for Widened<C> {
    type Cell = Single;

    #[inline(always)]
    fn keys<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        blocks: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [[u8; 64]] {
        let dim = cache.head_dim();
        widen::<S, C>(s, &cache.keys::<C>(head)[blocks.start * dim..blocks.end * dim], scratch)
    }

    #[inline(always)]
    fn values<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        positions: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [[u8; 64]] {
        let vectors = cache.head_dim().div_ceil(N);
        let values = &cache.values::<C>(head)[positions.start * vectors..positions.end * vectors];
        widen::<S, C>(s, values, scratch)
    }
}

/// From bytes to f32, once for all rows that meet the chunk.
struct Bytes;

impl Source for Bytes {
    type Cell = Single;

    #[inline(always)]
    fn keys<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        blocks: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [[u8; 64]] {
        let dim = cache.head_dim();
        scratch.resize(blocks.len() * dim, [0; 64]);
        for (to, block) in scratch.chunks_exact_mut(dim).zip(cache.byte_keys(head, blocks)) {
            let parts = block.chunks(2 * N + SHARED * N).zip(to.chunks_mut(SHARED));
            for (part, to) in parts {
                let (scales, bytes) = part.split_at(2 * N);
                let scale = Half::load_part(s, scales);
                for (bytes, to) in bytes.as_chunks().0.iter().zip(to) {
                    s.store_f32(s.mul(s.to_f(s.widen_i8(bytes)), scale), to);
                }
            }
        }
        scratch
    }

    #[inline(always)]
    fn values<'b, S: Lanes>(
        s: S,
        cache: &'b Cache,
        head: usize,
        positions: Range<usize>,
        scratch: &'b mut Vec<[u8; 64]>,
    ) -> &'b [[u8; 64]] {
        let vectors = cache.head_dim().div_ceil(N);
        scratch.resize(positions.len() * vectors, [0; 64]);
        for (to, (scales, bytes)) in scratch.chunks_exact_mut(vectors).zip(cache.byte_values(head, positions)) {
            for (v, (bytes, to)) in bytes.as_chunks().0.iter().zip(to).enumerate() {
                let scale = s.splat(f16::from_le_bytes(scales.as_chunks().0[v * N / SHARED]).to_f32());
                s.store_f32(s.mul(s.to_f(s.widen_i8(bytes)), scale), to);
            }
        }
        scratch
    }
}

struct Flash<'a, 'q, C> {
    shape: &'a Attention,
    cache: &'a Cache,
    head: usize,
    rows: &'a mut [Row<'q>],
    scores: &'a mut [[f32; CHUNK]],
    sums: &'a mut [f32],
    cell: PhantomData<C>,
}

impl<'a, 'q, C> Flash<'a, 'q, C> {
    fn new(
        (shape, cache, head): (&'a Attention, &'a Cache, usize),
        rows: &'a mut [Row<'q>],
        scores: &'a mut [[f32; CHUNK]],
        sums: &'a mut [f32],
    ) -> Self {
        Flash { shape, cache, head, rows, scores, sums, cell: PhantomData }
    }
}

impl<F: Source> Op for Flash<'_, '_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Flash { shape, cache, head, rows, scores, sums, .. } = self;
        let (mut key_scratch, mut value_scratch) = (Vec::new(), Vec::new());
        let (dim, vectors) = (cache.head_dim(), cache.head_dim().div_ceil(N));
        let begin = rows.iter().map(|r| r.seen.start).min().unwrap_or(0) / CHUNK * CHUNK;
        let end = rows.iter().map(|r| r.seen.end).max().unwrap_or(0);
        for start in (begin..end).step_by(CHUNK) {
            let stop = (start + CHUNK).min(end);
            let keys = F::keys(s, cache, head, start / N..stop.div_ceil(N), &mut key_scratch);
            score_rows::<S, F::Cell>(s, rows, keys, dim, scores);
            for ((row, scores), sums) in rows.iter_mut().zip(scores.iter_mut()).zip(sums.chunks_exact_mut(vectors * N))
            {
                let seen = overlap(&row.seen, start, stop);
                if !seen.is_empty() {
                    weigh(s, shape, row, scores, seen.start - start..seen.end - start, sums);
                }
            }
            let values = F::values(s, cache, head, start..stop, &mut value_scratch);
            gather_all::<S, F::Cell>(s, rows, scores, values, start..stop, sums);
        }
    }
}

/// The part of a chunk that a row sees; empty parts lie at the chunk's start.
#[inline(always)]
fn overlap(seen: &Range<usize>, start: usize, stop: usize) -> Range<usize> {
    let (a, b) = (seen.start.max(start), seen.end.min(stop));
    if a < b { a..b } else { start..start }
}

/// Products of all queries with the keys of a chunk, as many at a time as there are registers for.
#[inline(always)]
pub(super) fn score_rows<S: Lanes, C: Stored>(
    s: S,
    rows: &[Row],
    keys: &[C::Vector],
    dim: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let mut r = 0;
    macro_rules! score {
        ($R:literal) => {
            while let (Some(rows), Some(scores)) = (rows[r..].first_chunk::<$R>(), scores[r..].first_chunk_mut::<$R>())
            {
                score_tile::<S, C, $R>(s, rows, keys, dim, scores);
                r += $R;
            }
        };
    }
    if S::WIDE {
        score!(6);
        score!(4);
    }
    score!(2);
    score!(1);
}

/// Adds the values of a chunk to all rows that see some of it.
#[inline(always)]
pub(super) fn gather_all<S: Lanes, C: Stored>(
    s: S,
    rows: &[Row],
    weights: &[[f32; CHUNK]],
    values: &[C::Vector],
    chunk: Range<usize>,
    sums: &mut [f32],
) {
    let vectors = values.len() / chunk.len();
    let mut r = 0;
    macro_rules! gather {
        ($R:literal, $V:literal) => {
            while let (Some(rows), Some(weights)) = (rows[r..].first_chunk::<$R>(), weights[r..].first_chunk::<$R>()) {
                let sums = &mut sums[r * vectors * N..(r + $R) * vectors * N];
                let seen = rows.each_ref().map(|row| {
                    let seen = overlap(&row.seen, chunk.start, chunk.end);
                    seen.start - chunk.start..seen.end - chunk.start
                });
                gather_rows::<S, C, $R, $V>(s, seen, weights, values, vectors, sums);
                r += $R;
            }
        };
    }
    if S::WIDE {
        gather!(6, 4);
        gather!(4, 4);
    }
    gather!(2, 2);
    gather!(1, 4);
}

/// Products of `R` queries with the keys of a chunk.
#[inline(always)]
fn score_tile<S: Lanes, C: Stored, const R: usize>(
    s: S,
    rows: &[Row; R],
    keys: &[C::Vector],
    dim: usize,
    scores: &mut [[f32; CHUNK]; R],
) {
    let q: [&[f32]; R] = rows.each_ref().map(|row| row.q);
    let mut blocks = keys.chunks_exact(dim);
    let mut block = 0;
    while let Some(a) = blocks.next() {
        if let Some(b) = blocks.next() {
            let mut acc = [[s.splat(0.0); 2]; R];
            for (d, (a, b)) in a.iter().zip(b).enumerate() {
                let (a, b) = (C::load(s, a), C::load(s, b));
                for r in 0..R {
                    let x = s.splat(q[r][d]);
                    acc[r] = [s.fma(x, a, acc[r][0]), s.fma(x, b, acc[r][1])];
                }
            }
            for r in 0..R {
                s.store_part(acc[r][0], &mut scores[r][block * N..][..N]);
                s.store_part(acc[r][1], &mut scores[r][(block + 1) * N..][..N]);
            }
            block += 2;
        } else {
            let mut acc = [s.splat(0.0); R];
            for (d, a) in a.iter().enumerate() {
                let a = C::load(s, a);
                for r in 0..R {
                    acc[r] = s.fma(s.splat(q[r][d]), a, acc[r]);
                }
            }
            for r in 0..R {
                s.store_part(acc[r], &mut scores[r][block * N..][..N]);
            }
            block += 1;
        }
    }
}

/// A product of query and key as the model's score: scaled, and capped where it says so.
#[inline(always)]
pub(super) fn score<S: Lanes>(s: S, shape: &Attention, product: S::F) -> S::F {
    let x = s.mul(product, s.splat(shape.scale));
    let Some(cap) = shape.softcap else { return x };
    // tanh(z) = 1 - 2/(e^2z + 1)
    let e = s.exp(s.mul(x, s.splat(2.0 / cap)));
    let tanh = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.mul(tanh, s.splat(cap))
}

/// Scores to weights relative to the row's greatest score so far; what was summed before shrinks accordingly.
#[inline(always)]
fn weigh<S: Lanes>(
    s: S,
    shape: &Attention,
    row: &mut Row,
    scores: &mut [f32; CHUNK],
    seen: Range<usize>,
    sums: &mut [f32],
) {
    scores[..seen.start].fill(f32::NEG_INFINITY);
    scores[seen.end..].fill(f32::NEG_INFINITY);
    let vectors = scores.as_chunks_mut::<N>().0;
    let mut most = s.splat(f32::NEG_INFINITY);
    for v in vectors.iter_mut() {
        s.store(score(s, shape, s.load(v)), v);
    }
    if shape.softcap.is_some() || shape.scale <= 0.0 {
        // What the cap or the scale made of the minus infinities.
        let scores = vectors.as_flattened_mut();
        scores[..seen.start].fill(f32::NEG_INFINITY);
        scores[seen.end..].fill(f32::NEG_INFINITY);
    }
    for v in vectors.iter() {
        most = s.max(s.load(v), most);
    }
    let most = s.greatest(most);
    let most = if row.most > most { row.most } else { most };
    // Scores of minus infinity have no weight, also where there are no others yet: infinity less itself is no number.
    let level = if most == f32::NEG_INFINITY { 0.0 } else { most };
    let mut sum = s.splat(0.0);
    for v in vectors.iter_mut() {
        let e = s.exp(s.sub(s.load(v), s.splat(level)));
        sum = s.add(sum, e);
        s.store(e, v);
    }
    let sum = s.sum(sum);
    if row.most == f32::NEG_INFINITY {
        row.sum += sum;
    } else {
        let shrink = if row.most == most { 1.0 } else { s.to_array(s.exp(s.splat(row.most - most)))[0] };
        row.sum = row.sum * shrink + sum;
        for v in sums.as_chunks_mut::<N>().0 {
            s.store(s.mul(s.load(v), s.splat(shrink)), v);
        }
    }
    row.most = most;
}

/// Adds the values of a chunk to `R` rows: first what only some see, row by row, then what all see, then the rest, so
/// that every row meets its positions in order, and none that it doesn't see.
#[inline(always)]
fn gather_rows<S: Lanes, C: Stored, const R: usize, const V: usize>(
    s: S,
    seen: [Range<usize>; R],
    weights: &[[f32; CHUNK]; R],
    values: &[C::Vector],
    vectors: usize,
    sums: &mut [f32],
) {
    let from = seen.iter().map(|r| r.start).max().unwrap_or(0);
    let to = seen.iter().map(|r| r.end).min().unwrap_or(0);
    if R == 1 || from >= to {
        for r in 0..R {
            let sums = &mut sums[r * vectors * N..][..vectors * N];
            gather_tile::<S, C, 1, V>(s, [&weights[r]], seen[r].clone(), values, vectors, sums);
        }
        return;
    }
    for r in 0..R {
        let sums = &mut sums[r * vectors * N..][..vectors * N];
        gather_tile::<S, C, 1, V>(s, [&weights[r]], seen[r].start..from, values, vectors, sums);
    }
    gather_tile::<S, C, R, V>(s, weights.each_ref(), from..to, values, vectors, sums);
    for r in 0..R {
        let sums = &mut sums[r * vectors * N..][..vectors * N];
        gather_tile::<S, C, 1, V>(s, [&weights[r]], to..seen[r].end, values, vectors, sums);
    }
}

#[inline(always)]
fn gather_tile<S: Lanes, C: Stored, const R: usize, const V: usize>(
    s: S,
    weights: [&[f32; CHUNK]; R],
    positions: Range<usize>,
    values: &[C::Vector],
    vectors: usize,
    sums: &mut [f32],
) {
    if positions.is_empty() {
        return;
    }
    let mut column = 0;
    macro_rules! columns {
        ($V:expr) => {
            while (column..vectors).len() >= $V {
                let cells = sums.as_chunks_mut::<N>().0;
                let mut acc = [[s.splat(0.0); $V]; R];
                for r in 0..R {
                    for v in 0..$V {
                        acc[r][v] = s.load(&cells[r * vectors + column + v]);
                    }
                }
                for i in positions.clone() {
                    let row = &values[i * vectors + column..][..$V];
                    let mut x = [s.splat(0.0); $V];
                    for v in 0..$V {
                        x[v] = C::load(s, &row[v]);
                    }
                    for r in 0..R {
                        let w = s.splat(weights[r][i]);
                        for v in 0..$V {
                            acc[r][v] = s.fma(w, x[v], acc[r][v]);
                        }
                    }
                }
                for r in 0..R {
                    for v in 0..$V {
                        s.store(acc[r][v], &mut cells[r * vectors + column + v]);
                    }
                }
                column += $V;
            }
        };
    }
    columns!(V);
    columns!(1);
}
