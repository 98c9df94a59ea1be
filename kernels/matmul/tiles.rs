//! The products of quantised weights, tile by tile.
//!
//! For few activation rows, quanta go from the tile straight into dot products: the memory decides the speed. For more,
//! tiles are first unpacked into a panel that stays in the nearest cache, then met by all rows: arithmetic decides.
//!
//! Both add up in the same order: per group of 32 (or 16) columns the exact whole-number sum becomes f32, is scaled
//! with the weights' scale, gets the minimum's share, and is added, scaled with the activations' scale.

use super::acts::{Activations, Block};
use super::by_amx::{self, Place};
use super::layout::{Layout, ROWS, SPAN, TILE, planes, tile_bytes, with_layout};
use super::packed::pack_tile;
use super::{Job, Weights};
use crate::Level;
use crate::lanes::{Lanes, N, Op};
use std::marker::PhantomData;
use std::ops::Range;

/// Up to this many activation rows meet the tiles as they lie: as many as there are registers for their sums.
const FEW: usize = 4;
const FEW_WIDE: usize = 16;
/// Activation rows that meet a panel before the next, at most and at least: unpacking it is to be worth it.
const BATCH: (usize, usize) = (96, 288);
/// Bytes of activations that meet all weights before the next: they stay in a core's own cache.
const NEAR: usize = 5 << 18;
/// Strips that are unpacked together: a multiple of two.
pub(super) const PANELS: usize = 4;

/// Weight rows that one task takes: whole strips.
pub(super) const ROWS_PER_TASK: usize = PANELS * ROWS;

/// Activation rows that one task takes.
pub(super) fn activations_per_task(activations: usize, cols: usize) -> usize {
    let bytes = size_of::<Block>() * cols.div_ceil(SPAN).max(1);
    let most = (NEAR / bytes).clamp(BATCH.0, BATCH.1);
    let tasks = activations.div_ceil(most).max(1);
    activations.div_ceil(tasks).next_multiple_of(ROWS)
}

pub(super) fn rows(level: Level, job: &Job, acts: &Activations, activations: Range<usize>, rows: Range<usize>) {
    let few_rows = if level.is_wide() { FEW_WIDE } else { FEW };
    macro_rules! of {
        ($layout:ty) => {
            if acts.rows() <= few_rows {
                few::<$layout>(level, job, acts, rows)
            } else {
                many::<$layout>(level, job, acts, activations, rows)
            }
        };
        () => {
            ()
        };
    }
    with_layout!(job.weights.format(), of)
}

/// The tiles of a strip: as they lie, or made on the way.
enum Strip<'a> {
    Packed(&'a [u8]),
    Raw(super::Matrix<'a>, usize),
}

impl<'a> Strip<'a> {
    fn of(weights: &'a Weights<'a>, strip: usize) -> Self {
        match weights {
            Weights::Packed(p) => Strip::Packed(p.strip(strip)),
            Weights::Raw(m) => Strip::Raw(*m, strip),
        }
    }

    /// Where tiles are made that aren't there yet.
    fn scratch(weights: &Weights) -> Vec<u8> {
        vec![0; if matches!(weights, Weights::Raw(_)) { TILE } else { 0 }]
    }

    #[inline(always)]
    fn tile<'b, L: Layout>(&'b self, level: Level, span: usize, runs: usize, scratch: &'b mut [u8]) -> &'b [u8] {
        let bytes = tile_bytes::<L>(runs);
        match self {
            Strip::Packed(strip) => &strip[span * tile_bytes::<L>(8)..][..bytes],
            Strip::Raw(matrix, strip) => {
                pack_tile::<L>(level, matrix, *strip, span, &mut scratch[..bytes]);
                &scratch[..bytes]
            }
        }
    }
}

/// Runs of 32 columns in span `span` of `cols`.
#[inline(always)]
fn runs_of(cols: usize, span: usize) -> usize {
    (cols - span * SPAN).min(SPAN) / 32
}

fn few<L: Layout>(level: Level, job: &Job, acts: &Activations, rows: Range<usize>) {
    let mut scratch = Strip::scratch(&job.weights);
    for first in rows.clone().step_by(ROWS) {
        let strip = Strip::of(&job.weights, first / ROWS);
        let mut out = [[0.0; N]; FEW_WIDE];
        let few = Few { level, strip: &strip, acts, scratch: &mut scratch, out: &mut out, layout: PhantomData::<L> };
        match acts.rows() {
            0 => {}
            1 => level.run(Times::<L, 1>(few)),
            2 => level.run(Times::<L, 2>(few)),
            3..=4 => level.run(Times::<L, 4>(few)),
            5..=8 => level.run(Times::<L, 8>(few)),
            _ => level.run(Times::<L, 16>(few)),
        }
        let n = (rows.end - first).min(ROWS);
        for (i, out) in out.iter().enumerate().take(acts.rows()) {
            job.finish(i, first, &out[..n]);
        }
    }
}

struct Few<'a, L> {
    level: Level,
    strip: &'a Strip<'a>,
    acts: &'a Activations,
    scratch: &'a mut [u8],
    out: &'a mut [[f32; N]; FEW_WIDE],
    layout: PhantomData<L>,
}

/// For up to `M` activation rows.
struct Times<'a, L, const M: usize>(Few<'a, L>);

/// How far ahead weights are asked for.
const AHEAD: usize = 4096;

impl<L: Layout, const M: usize> Op for Times<'_, L, M> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        if M > FEW && !S::WIDE {
            unreachable!("invariant: so many rows are only met where there are registers for them");
        }
        let Few { level, strip, acts, scratch, out: to, .. } = self.0;
        let mut out = [s.splat(0.0); M];
        let (rows, cols) = (acts.rows(), acts.cols());
        let packed = matches!(strip, Strip::Packed(_));
        for (span, blocks) in acts.blocks().chunks_exact(rows).enumerate() {
            let runs = runs_of(cols, span);
            let tile = strip.tile::<L>(level, span, runs, scratch);
            let (quanta, side) = tile.split_at(runs * 64 * L::BITS);
            let acts: [&Block; M] = std::array::from_fn(|m| &blocks[m.min(rows - 1)]);
            for (run, quanta) in quanta.chunks_exact(64 * L::BITS).enumerate() {
                if packed {
                    for line in 0..=L::BITS {
                        s.prefetch(quanta, AHEAD + line * 64);
                    }
                }
                let values = planes(s, L::BITS, quanta);
                let (groups, quads) = if L::HALVES { (2, 4) } else { (1, 8) };
                for h in 0..groups {
                    let (scale, min) = L::scale(s, side, run * groups + h);
                    for m in 0..M {
                        let a = acts[m];
                        let less = s.splat_i(a.less(L::HALVES, run * groups + h));
                        let mut acc = start::<S, L>(s, less);
                        for q in h * quads..(h + 1) * quads {
                            let x = s.splat_i(i32::from_le_bytes(a.quads[run * 8 + q]));
                            acc = if L::BITS == 8 { s.dot_wide(acc, values[q], x) } else { s.dot(acc, values[q], x) };
                        }
                        let mut t = s.mul(s.to_f(acc), scale);
                        if L::MINS {
                            t = s.fma(min, s.to_f(less), t);
                        }
                        out[m] = s.fma(t, s.splat(a.scale[run]), out[m]);
                    }
                }
            }
        }
        for m in 0..M {
            s.store(out[m], &mut to[m]);
        }
    }
}

/// A tile with one byte per quantum and its scales in f32.
#[repr(C, align(64))]
pub(super) struct Panel {
    /// As the tile has them; for AMX as signed bytes, less the offset.
    pub(super) values: [[u8; 64]; SPAN / 4],
    pub(super) scale: [[f32; N]; SPAN / 16],
    pub(super) min: [[f32; N]; SPAN / 16],
    /// For AMX: what the scales make of [`by_amx::BASE`], negated.
    pub(super) base: [[f32; N]; SPAN / 16],
}

const EMPTY: Panel = Panel { values: [[0; 64]; 64], scale: [[0.0; N]; 16], min: [[0.0; N]; 16], base: [[0.0; N]; 16] };

/// One activation row's sums by the panels; a vector of them is never in two cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Sums(pub(super) [[f32; N]; PANELS]);

impl Sums {
    pub(super) const ZERO: Sums = Sums([[0.0; N]; PANELS]);
}

fn many<L: Layout>(level: Level, job: &Job, acts: &Activations, activations: Range<usize>, rows: Range<usize>) {
    let strips: [Option<Strip>; PANELS] = std::array::from_fn(|p| {
        let first = rows.start + p * ROWS;
        (first < rows.end).then(|| Strip::of(&job.weights, first / ROWS))
    });
    let count = rows.len().div_ceil(ROWS);
    let spans = acts.cols().div_ceil(SPAN);
    let mut panels = [EMPTY; PANELS];
    let mut scratch = Strip::scratch(&job.weights);
    let mut sums = vec![Sums::ZERO; activations.len()];
    for (span, blocks) in acts.blocks().chunks_exact(acts.rows()).enumerate() {
        let runs = runs_of(acts.cols(), span);
        let mut unpack = |signed: bool| {
            let mut finite = true;
            for (panel, strip) in panels.iter_mut().zip(strips.iter().flatten()) {
                let tile = strip.tile::<L>(level, span, runs, &mut scratch);
                finite &= level.run(Unpack::<L> { tile, runs, panel, signed, layout: PhantomData });
            }
            finite
        };
        // Tiles take whole spans, and scales that have a product with any number.
        let by_amx = level.has_tiles() && runs == SPAN / 32 && unpack(true);
        if !by_amx {
            unpack(false);
        }
        let (panels, blocks) = (&panels, &blocks[activations.clone()]);
        if by_amx {
            let place = Place { job, activations: activations.start, weights: rows.start };
            let last = (span + 1 == spans).then_some(place);
            let meet = by_amx::Meet { panels: &panels[..count], blocks, sums: &mut sums, last };
            meet.run(level, L::HALVES, L::MINS);
            if last.is_some() {
                return;
            }
        } else {
            level.run(Meet::<L> { panels, count, runs, blocks, sums: &mut sums, layout: PhantomData });
        }
    }
    level.run(Finish { job, activations, sums: &sums, rows });
}

/// The sums of a task, to where they belong.
struct Finish<'a, 'j> {
    job: &'a Job<'j>,
    activations: Range<usize>,
    sums: &'a [Sums],
    rows: Range<usize>,
}

impl Op for Finish<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, _: S) {
        for (i, sums) in self.activations.zip(self.sums) {
            let sums = sums.0.as_flattened();
            match sums.first_chunk::<{ PANELS * N }>() {
                // A length that the compiler knows makes vectors of it.
                Some(all) if self.rows.len() == all.len() => self.job.finish(i, self.rows.start, all),
                _ => self.job.finish(i, self.rows.start, &sums[..self.rows.len()]),
            }
        }
    }
}

struct Unpack<'a, L> {
    tile: &'a [u8],
    runs: usize,
    panel: &'a mut Panel,
    signed: bool,
    layout: PhantomData<L>,
}

impl<L: Layout> Op for Unpack<'_, L> {
    /// Whether the scales are finite.
    type Out = bool;

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) -> bool {
        let (quanta, side) = self.tile.split_at(self.runs * 64 * L::BITS);
        for (quanta, values) in quanta.chunks_exact(64 * L::BITS).zip(self.panel.values.as_chunks_mut::<8>().0) {
            // The next tile lies behind this one; the products leave the time to fetch it.
            for line in 0..=L::BITS {
                s.prefetch(quanta, tile_bytes::<L>(8) + line * 64);
            }
            for (value, to) in planes(s, L::BITS, quanta).into_iter().zip(values) {
                let value = if self.signed && L::ZERO != 0 { s.less_bytes(value, L::ZERO as u8) } else { value };
                s.store_i(value, to);
            }
        }
        // Stays zero unless something infinite is multiplied by it.
        let mut zeros = s.splat(0.0);
        for group in 0..self.runs * if L::HALVES { 2 } else { 1 } {
            let (scale, min) = L::scale(s, side, group);
            s.store(scale, &mut self.panel.scale[group]);
            if L::MINS {
                s.store(min, &mut self.panel.min[group]);
            }
            if self.signed {
                s.store(s.mul(scale, s.splat(-by_amx::BASE)), &mut self.panel.base[group]);
                zeros = s.fma(scale, s.splat(0.0), zeros);
            }
        }
        s.sum(zeros) == 0.0
    }
}

/// Activation rows of one span meeting the panels.
struct Meet<'a, L> {
    panels: &'a [Panel; PANELS],
    /// How many of them there are.
    count: usize,
    runs: usize,
    blocks: &'a [Block],
    sums: &'a mut [Sums],
    layout: PhantomData<L>,
}

impl<L: Layout> Op for Meet<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Meet { panels, count, runs, blocks, sums, .. } = self;
        let mut at = 0;
        macro_rules! rows {
            ($m:literal) => {
                while let (Some(b), Some(c)) = (blocks[at..].first_chunk::<$m>(), sums[at..].first_chunk_mut::<$m>()) {
                    if S::WIDE {
                        for first in (0..count).step_by(2) {
                            micro::<S, L, $m, 2>(s, panels, first, runs, b, c);
                        }
                    } else {
                        for first in 0..count {
                            micro::<S, L, $m, 1>(s, panels, first, runs, b, c);
                        }
                    }
                    at += $m;
                }
            };
        }
        if S::WIDE {
            rows!(6);
        }
        rows!(4);
        rows!(2);
        rows!(1);
    }
}

/// The exact sum of a group before its products: what the quanta's offset takes away.
#[inline(always)]
fn start<S: Lanes, L: Layout>(s: S, less: S::I) -> S::I {
    const { assert!(L::ZERO == 0 || L::ZERO.count_ones() == 1, "offsets are powers of two") };
    if L::ZERO == 0 { s.splat_i(0) } else { s.shl(less, L::ZERO.trailing_zeros()) }
}

/// `M` activation rows by `P` panels from `first`: the products stay in registers for the whole span.
#[inline(always)]
fn micro<S: Lanes, L: Layout, const M: usize, const P: usize>(
    s: S,
    panels: &[Panel; PANELS],
    first: usize,
    runs: usize,
    blocks: &[Block; M],
    sums: &mut [Sums; M],
) {
    let quads = if L::HALVES { 4 } else { 8 };
    let short = S::SHORT && L::BITS <= 4;
    let mut out = [[s.splat(0.0); P]; M];
    for m in 0..M {
        for p in 0..P {
            out[m][p] = s.load(&sums[m].0[first + p]);
        }
    }
    for group in 0..(runs * 8 / quads).min(64 / quads) {
        let run = group * quads / 8;
        let mut acc = [[s.splat_i(0); P]; M];
        let mut shorts = [[s.short(); P]; M];
        for m in 0..M {
            acc[m] = [start::<S, L>(s, s.splat_i(blocks[m].less(L::HALVES, group))); P];
        }
        for q in group * quads..(group + 1) * quads {
            let mut w = [s.splat_i(0); P];
            for p in 0..P {
                w[p] = s.load_i(&panels[first + p].values[q]);
            }
            for m in 0..M {
                let x = s.splat_i(i32::from_le_bytes(blocks[m].quads[q]));
                for p in 0..P {
                    if short {
                        shorts[m][p] = s.dot_short(shorts[m][p], w[p], x);
                    } else if L::BITS == 8 {
                        acc[m][p] = s.dot_wide(acc[m][p], w[p], x);
                    } else {
                        acc[m][p] = s.dot(acc[m][p], w[p], x);
                    }
                }
            }
        }
        if short {
            for m in 0..M {
                for p in 0..P {
                    acc[m][p] = s.add_short(acc[m][p], shorts[m][p]);
                }
            }
        }
        for p in 0..P {
            let panel = &panels[first + p];
            let scale = s.load(&panel.scale[group]);
            for m in 0..M {
                let mut t = s.mul(s.to_f(acc[m][p]), scale);
                if L::MINS {
                    t = s.fma(s.load(&panel.min[group]), s.to_f(s.splat_i(blocks[m].less(L::HALVES, group))), t);
                }
                out[m][p] = s.fma(t, s.splat(blocks[m].scale[run]), out[m][p]);
            }
        }
    }
    for m in 0..M {
        for p in 0..P {
            s.store(out[m][p], &mut sums[m].0[first + p]);
        }
    }
}
