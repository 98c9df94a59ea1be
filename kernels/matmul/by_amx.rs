//! Panels meeting activations by AMX: sixteen rows of activations by sixteen of weights in one instruction.
//!
//! The tiles give exact sums of the groups' products, two groups at a time, and the vector unit scales them as
//! [`super::tiles`] says, a panel's sums staying in registers for the whole span. Three steps are under way: one is
//! multiplied, the products of the one before go to memory, and those of the one before that are scaled, so that
//! nothing waits for what was only just begun. The panels hold signed bytes here, so nothing is to be taken away for an
//! offset.
//!
//! While tiles are at work, the vector unit takes one operation on floats in a cycle instead of two (seen on Granite
//! Rapids), and those on whole numbers as ever. So sums become floats by an addition to the bits of a number whose last
//! place is 1; what that adds is taken away where the weights' scale is multiplied in, in the same rounding.

use super::Job;
use super::acts::{self, Block};
use super::layout::{Layout, ROWS, SPAN};
use super::tiles::{PANELS, Panel, Sums};
use crate::amx::{Left, Pair, SIDE, Tiles};
use crate::lanes::{Lanes, N, Op};
use std::marker::PhantomData;

/// A float whose last place is 1, for whole numbers of up to 22 bits on either side: what a group adds up to at most.
pub(super) const BASE: f32 = 12_582_912.0;

/// Activation rows of a whole span meeting the first `count` panels.
pub(super) struct Meet<'a, 'j, L> {
    pub(super) panels: &'a [Panel; PANELS],
    pub(super) count: usize,
    pub(super) blocks: &'a [Block],
    pub(super) sums: &'a mut [Sums],
    /// Where the sums belong, where these columns are the last: then they go there, while the next are made, and what
    /// stays in `sums` means nothing.
    pub(super) last: Option<Place<'a, 'j>>,
    pub(super) layout: PhantomData<L>,
}

/// The outputs of a product from an activation row and a weight row on.
#[derive(Clone, Copy)]
pub(super) struct Place<'a, 'j> {
    pub(super) job: &'a Job<'j>,
    pub(super) activations: usize,
    pub(super) weights: usize,
}

impl<L: Layout> Op for Meet<'_, '_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        const { assert!(8 * 32 * 128 * 127 <= 1 << 22 && BASE as u32 == 3 << 22) };
        let Meet { panels, count, blocks, sums, last, .. } = self;
        let Some(tiles) = Tiles::new(SIDE, depth::<L>()) else {
            unreachable!("invariant: this level was found to have tiles");
        };
        let (whole, rest) = blocks.as_chunks::<SIDE>();
        let (whole_sums, rest_sums) = sums.as_chunks_mut::<SIDE>();
        let panels = &panels[..count];
        sides::<S, L>(s, &tiles, panels, whole, whole_sums, last.map(|place| (place, SIDE)));
        if !rest.is_empty() {
            let (mut side, mut out) = ([acts::EMPTY; SIDE], [Sums::ZERO; SIDE]);
            side[..rest.len()].copy_from_slice(rest);
            out[..rest.len()].copy_from_slice(rest_sums);
            let last = last.map(|place| (place.after(SIDE * whole.len()), rest.len()));
            sides::<S, L>(s, &tiles, panels, &[side], std::slice::from_mut(&mut out), last);
            rest_sums.copy_from_slice(&out[..rest.len()]);
        }
    }
}

impl Place<'_, '_> {
    fn after(self, rows: usize) -> Self {
        Place { activations: self.activations + rows, ..self }
    }

    /// Sums of a panel with rows from `row` on, to where they belong.
    #[inline(always)]
    fn put(self, row: usize, panel: usize, sums: &[Sums]) {
        let Place { job, activations, weights } = self;
        let first = weights + panel * ROWS;
        let lanes = (job.weights.rows() - first).min(ROWS);
        for (m, sums) in sums.iter().enumerate() {
            // A length that the compiler knows makes vectors of it.
            match lanes {
                ROWS => job.finish(activations + row + m, first, &sums.0[panel]),
                _ => job.finish(activations + row + m, first, &sums.0[panel][..lanes]),
            }
        }
    }
}

/// Columns of a group.
const fn depth<L: Layout>() -> usize {
    if L::HALVES { 16 } else { 32 }
}

/// Pairs of groups in a span.
const fn steps<L: Layout>() -> usize {
    SPAN / 2 / depth::<L>()
}

/// The same for each of the sixteen rows, one after the other: left to itself, the compiler makes a loop of it, and
/// memory of the registers.
macro_rules! for_rows {
    ($row:ident, $what:block) => {
        for_rows!($row, $what, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    };
    ($row:ident, $what:block, $($number:literal),*) => {
        $({
            const $row: usize = $number;
            $what
        })*
    };
}

/// A panel and the sixteen rows that it meets, by number.
#[derive(Clone, Copy)]
struct Unit {
    side: usize,
    panel: usize,
}

#[inline(always)]
fn sides<S: Lanes, L: Layout>(
    s: S,
    tiles: &Tiles,
    panels: &[Panel],
    blocks: &[[Block; SIDE]],
    sums: &mut [[Sums; SIDE]],
    last: Option<(Place, usize)>,
) {
    let units = || (0..blocks.len()).flat_map(|side| (0..panels.len()).map(move |panel| Unit { side, panel }));
    let Some(first) = units().next() else { return };
    let mut pairs = [Pair::EMPTY; 2];
    let mut less = [[0.0; N]; SIDE];
    start::<L>(tiles, false, &panels[first.panel], &blocks[first.side], 0);
    start::<L>(tiles, true, &panels[first.panel], &blocks[first.side], 1);
    tiles.take(false, &mut pairs[0]);
    let mut nexts = units().skip(1);
    for Unit { side, panel } in units() {
        let (weights, rows) = (&panels[panel], &blocks[side]);
        if L::MINS && panel == 0 {
            for (less, block) in less.iter_mut().zip(rows) {
                s.store(s.to_f(block.all_less(s, L::HALVES)), less);
            }
        }
        let mut out = [s.splat(0.0); SIDE];
        for_rows!(M, { out[M] = s.load(&sums[side][M].0[panel]) });
        for step in (2..steps::<L>()).step_by(2) {
            start::<L>(tiles, false, weights, rows, step);
            tiles.take(true, &mut pairs[1]);
            scale::<S, L>(s, weights, rows, step - 2, &pairs[0], &less, &mut out);
            start::<L>(tiles, true, weights, rows, step + 1);
            tiles.take(false, &mut pairs[0]);
            scale::<S, L>(s, weights, rows, step - 1, &pairs[1], &less, &mut out);
        }
        // After the last there is none, but without a branch here it costs next to nothing to begin some once more.
        let next = nexts.next().unwrap_or(first);
        let (next_weights, next_rows) = (&panels[next.panel], &blocks[next.side]);
        start::<L>(tiles, false, next_weights, next_rows, 0);
        tiles.take(true, &mut pairs[1]);
        scale::<S, L>(s, weights, rows, steps::<L>() - 2, &pairs[0], &less, &mut out);
        start::<L>(tiles, true, next_weights, next_rows, 1);
        tiles.take(false, &mut pairs[0]);
        scale::<S, L>(s, weights, rows, steps::<L>() - 1, &pairs[1], &less, &mut out);
        for_rows!(M, { s.store(out[M], &mut sums[side][M].0[panel]) });
        if let Some((place, rows)) = last {
            place.put(side * SIDE, panel, &sums[side][..rows]);
        }
    }
}

/// Begins to multiply two groups of rows with the panel's.
#[inline(always)]
fn start<L: Layout>(tiles: &Tiles, turn: bool, panel: &Panel, blocks: &[Block; SIDE], step: usize) {
    let (depth, quads) = (depth::<L>(), depth::<L>() / 4);
    tiles.left(Left { bytes: Block::bytes(blocks, 2 * step * depth), stride: size_of::<Block>() });
    let values = &panel.values[2 * step * quads..][..2 * quads];
    tiles.start(turn, [&values[..quads], &values[quads..]]);
}

/// Adds the products of two groups, scaled, to the rows' sums.
#[inline(always)]
fn scale<S: Lanes, L: Layout>(
    s: S,
    panel: &Panel,
    blocks: &[Block; SIDE],
    step: usize,
    products: &Pair,
    less: &[[f32; N]; SIDE],
    out: &mut [S::F; SIDE],
) {
    let mut groups = [[s.splat(0.0); 3]; 2];
    for g in 0..2 {
        let group = 2 * step + g;
        groups[g] = [s.load(&panel.scale[group]), s.load(&panel.base[group]), s.load(&panel.min[group])];
    }
    for_rows!(M, {
        for g in 0..2 {
            let group = 2 * step + g;
            let [scale, base, min] = groups[g];
            let mut t = s.fma(s.above_base(s.load_i(&products.0[g][M])), scale, base);
            if L::MINS {
                t = s.fma(min, s.splat(less[M][group]), t);
            }
            out[M] = s.fma(t, s.splat(blocks[M].scale[if L::HALVES { step } else { group }]), out[M]);
        }
    });
}
