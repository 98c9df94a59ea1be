//! Panels meeting activations by AMX: sixteen rows of activations by sixteen of weights in one instruction.
//!
//! The tiles give exact sums of the groups' products, four groups at a time (two by two panels); the vector unit scales
//! them as [`super::tiles`] says, while the tiles are at the next four. The panels hold signed bytes here, so nothing is
//! to be taken away for an offset.

use super::acts::Block;
use super::layout::{Layout, ROWS, SPAN};
use super::tiles::{PANELS, Panel};
use crate::amx::{Left, Pair, SIDE, Tiles};
use crate::lanes::{Lanes, N, Op};
use std::marker::PhantomData;

/// Activation rows of one span meeting the first `count` panels.
pub(super) struct Meet<'a, L> {
    pub(super) panels: &'a [Panel; PANELS],
    pub(super) count: usize,
    pub(super) runs: usize,
    pub(super) blocks: &'a [Block],
    pub(super) sums: &'a mut [[[f32; N]; PANELS]],
    pub(super) layout: PhantomData<L>,
}

/// What the tiles multiply in one go: a piece of the rows, two panels, two groups.
#[derive(Clone, Copy)]
struct Step {
    row: usize,
    rows: usize,
    panel: usize,
    group: usize,
}

impl<L: Layout> Op for Meet<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Meet { panels, count, runs, blocks, sums, .. } = self;
        let (depth, groups) = if L::HALVES { (16, 2 * runs) } else { (32, runs) };
        let mut pairs = [Pair::EMPTY; 2];
        let mut turn = 0;
        let mut last: Option<Step> = None;
        let mut tiles: Option<Tiles> = None;
        for row in (0..blocks.len()).step_by(SIDE) {
            let rows = (blocks.len() - row).min(SIDE);
            if tiles.as_ref().is_none_or(|tiles| tiles.rows() != rows) {
                // One set-up at a time.
                drop(tiles.take());
                tiles = Tiles::new(rows, depth);
            }
            let tiles = tiles.as_ref().expect("invariant: this level was found to have tiles");
            for panel in (0..count).step_by(2) {
                for group in (0..groups).step_by(2) {
                    let step = Step { row, rows, panel, group };
                    multiply::<L>(tiles, panels, blocks, step, &mut pairs[turn]);
                    if let Some(last) = last.replace(step) {
                        scale::<S, L>(s, panels, groups, blocks, last, &pairs[1 - turn], sums);
                    }
                    turn = 1 - turn;
                }
            }
        }
        if let Some(last) = last {
            scale::<S, L>(s, panels, groups, blocks, last, &pairs[1 - turn], sums);
        }
    }
}

#[inline(always)]
fn multiply<L: Layout>(tiles: &Tiles, panels: &[Panel; PANELS], blocks: &[Block], step: Step, out: &mut Pair) {
    let quads = if L::HALVES { 4 } else { 8 };
    let left = Left { bytes: Block::bytes(&blocks[step.row..], step.group * quads * 4), stride: size_of::<Block>() };
    let weights = |p: usize| {
        let values = &panels[step.panel + p].values;
        // An odd last group has a neighbour that nobody asks for.
        let next = (step.group + 1).min(SPAN / 4 / quads - 1);
        [&values[step.group * quads..], &values[next * quads..]]
    };
    tiles.multiply(left, [weights(0), weights(1)], out);
}

/// Adds the products of two groups, scaled, to the rows' sums.
#[inline(always)]
fn scale<S: Lanes, L: Layout>(
    s: S,
    panels: &[Panel; PANELS],
    groups: usize,
    blocks: &[Block],
    step: Step,
    products: &Pair,
    sums: &mut [[[f32; N]; PANELS]],
) {
    let panels = [&panels[step.panel], &panels[step.panel + 1]];
    if step.group + 1 < groups {
        scale_groups::<S, L, 2>(s, panels, blocks, step, products, sums);
    } else {
        scale_groups::<S, L, 1>(s, panels, blocks, step, products, sums);
    }
}

#[inline(always)]
fn scale_groups<S: Lanes, L: Layout, const G: usize>(
    s: S,
    panels: [&Panel; 2],
    blocks: &[Block],
    step: Step,
    products: &Pair,
    sums: &mut [[[f32; N]; PANELS]],
) {
    let zero = s.splat(0.0);
    let (mut scales, mut mins) = ([[zero; 2]; G], [[zero; 2]; G]);
    for g in 0..G {
        for p in 0..2 {
            scales[g][p] = s.load(&panels[p].scale[step.group + g]);
            if L::MINS {
                mins[g][p] = s.load(&panels[p].min[step.group + g]);
            }
        }
    }
    let rows = step.row..step.row + step.rows;
    for (m, (block, sums)) in blocks[rows.clone()].iter().zip(&mut sums[rows]).enumerate().take(ROWS) {
        let Some(sums) = sums[step.panel..].first_chunk_mut::<2>() else { return };
        let mut out = [s.load(&sums[0]), s.load(&sums[1])];
        for g in 0..G {
            let group = step.group + g;
            let worth = s.splat(block.scale[if L::HALVES { group / 2 } else { group }]);
            for p in 0..2 {
                let mut t = s.mul(s.to_f(s.load_i(&products.0[g][p][m])), scales[g][p]);
                if L::MINS {
                    t = s.fma(mins[g][p], s.to_f(s.splat_i(block.less(L::HALVES, group))), t);
                }
                out[p] = s.fma(t, worth, out[p]);
            }
        }
        s.store(out[0], &mut sums[0]);
        s.store(out[1], &mut sums[1]);
    }
}
