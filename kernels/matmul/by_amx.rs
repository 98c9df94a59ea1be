//! Panels meeting activations by AMX: sixteen rows of activations by sixteen of weights in one instruction.
//!
//! The tiles give exact sums of the groups' products, two groups at a time; the vector unit scales them as
//! [`super::tiles`] says, while the tiles are at the next two: steps are small, so that both are within what the processor
//! looks ahead. The panels hold signed bytes here, so nothing is
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

/// What the tiles multiply in one go: sixteen rows, a panel, two groups.
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
            for panel in 0..count {
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
    let values = &panels[step.panel].values;
    // An odd last group has a neighbour that nobody asks for.
    let next = (step.group + 1).min(SPAN / 4 / quads - 1);
    tiles.multiply(left, [&values[step.group * quads..], &values[next * quads..]], out);
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
    let panel = &panels[step.panel];
    if step.group + 1 < groups {
        scale_groups::<S, L, 2>(s, panel, blocks, step, products, sums);
    } else {
        scale_groups::<S, L, 1>(s, panel, blocks, step, products, sums);
    }
}

#[inline(always)]
fn scale_groups<S: Lanes, L: Layout, const G: usize>(
    s: S,
    panel: &Panel,
    blocks: &[Block],
    step: Step,
    products: &Pair,
    sums: &mut [[[f32; N]; PANELS]],
) {
    let (mut scales, mut mins) = ([s.splat(0.0); G], [s.splat(0.0); G]);
    for g in 0..G {
        scales[g] = s.load(&panel.scale[step.group + g]);
        if L::MINS {
            mins[g] = s.load(&panel.min[step.group + g]);
        }
    }
    let rows = step.row..step.row + step.rows;
    for (m, (block, sums)) in blocks[rows.clone()].iter().zip(&mut sums[rows]).enumerate().take(ROWS) {
        let sums = &mut sums[step.panel];
        let mut out = s.load(sums);
        for g in 0..G {
            let group = step.group + g;
            let mut t = s.mul(s.to_f(s.load_i(&products.0[g][m])), scales[g]);
            if L::MINS {
                t = s.fma(mins[g], s.to_f(s.splat_i(block.less(L::HALVES, group))), t);
            }
            out = s.fma(t, s.splat(block.scale[if L::HALVES { group / 2 } else { group }]), out);
        }
        s.store(out, sums);
    }
}
