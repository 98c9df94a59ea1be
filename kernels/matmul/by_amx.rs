//! Panels meeting activations by AMX: sixteen rows of activations by sixteen of weights in one instruction.
//!
//! The tiles give exact sums of the groups' products, two groups at a time, and the vector unit scales them as
//! [`super::tiles`] says. Three steps are under way: one is multiplied, the products of the one before go to memory, and
//! those of the one before that are scaled, so that nothing waits for what was only just begun. The panels hold signed
//! bytes here, so nothing is to be taken away for an offset.

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
    panel: usize,
    group: usize,
}

/// Up to sixteen rows of activations, and their sums.
struct Side<'a> {
    blocks: &'a [Block],
    /// What minimums are multiplied by, group by group; formats without them don't need it.
    less: [[f32; N]; SIDE],
    sums: &'a mut [[[f32; N]; PANELS]],
}

impl<L: Layout> Op for Meet<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let Meet { panels, count, runs, blocks, sums, .. } = self;
        let (depth, groups) = if L::HALVES { (16, 2 * runs) } else { (32, runs) };
        let mut pairs = [Pair::EMPTY; 2];
        let mut tiles: Option<Tiles> = None;
        for (blocks, sums) in blocks.chunks(SIDE).zip(sums.chunks_mut(SIDE)) {
            if tiles.as_ref().is_none_or(|tiles| tiles.rows() != blocks.len()) {
                // One set-up at a time.
                drop(tiles.take());
                tiles = Tiles::new(blocks.len(), depth);
            }
            let tiles = tiles.as_ref().expect("invariant: this level was found to have tiles");
            let mut side = Side { blocks, less: [[0.0; N]; SIDE], sums };
            if L::MINS {
                for (less, block) in side.less.iter_mut().zip(blocks) {
                    s.store(s.to_f(block.all_less(s, L::HALVES)), less);
                }
            }
            let mut turn = false;
            let mut before: [Option<Step>; 2] = [None; 2];
            for group in (0..groups).step_by(2) {
                let at = group * depth;
                tiles.left(Left { bytes: Block::bytes(blocks, at), stride: size_of::<Block>() });
                for panel in 0..count {
                    let step = Step { panel, group };
                    start::<L>(tiles, turn, panels, step);
                    if before[0].is_some() {
                        tiles.take(!turn, &mut pairs[usize::from(!turn)]);
                    }
                    if let Some(step) = before[1] {
                        scale::<S, L>(s, panels, groups, step, &pairs[usize::from(turn)], &mut side);
                    }
                    before = [Some(step), before[0]];
                    turn = !turn;
                }
            }
            // What is still under way.
            tiles.take(!turn, &mut pairs[usize::from(!turn)]);
            for (step, turn) in [(before[1], turn), (before[0], !turn)] {
                if let Some(step) = step {
                    scale::<S, L>(s, panels, groups, step, &pairs[usize::from(turn)], &mut side);
                }
            }
        }
    }
}

#[inline(always)]
fn start<L: Layout>(tiles: &Tiles, turn: bool, panels: &[Panel; PANELS], step: Step) {
    let quads = if L::HALVES { 4 } else { 8 };
    let values = &panels[step.panel].values;
    // An odd last group has a neighbour that nobody asks for.
    let next = (step.group + 1).min(SPAN / 4 / quads - 1);
    tiles.start(turn, [&values[step.group * quads..], &values[next * quads..]]);
}

/// Adds the products of two groups, scaled, to the rows' sums.
#[inline(always)]
fn scale<S: Lanes, L: Layout>(
    s: S,
    panels: &[Panel; PANELS],
    groups: usize,
    step: Step,
    products: &Pair,
    side: &mut Side,
) {
    if step.group + 1 < groups {
        scale_groups::<S, L, 2>(s, &panels[step.panel], step, products, side);
    } else {
        scale_groups::<S, L, 1>(s, &panels[step.panel], step, products, side);
    }
}

#[inline(always)]
fn scale_groups<S: Lanes, L: Layout, const G: usize>(
    s: S,
    panel: &Panel,
    step: Step,
    products: &Pair,
    side: &mut Side,
) {
    let (mut scales, mut mins) = ([s.splat(0.0); G], [s.splat(0.0); G]);
    for g in 0..G {
        scales[g] = s.load(&panel.scale[step.group + g]);
        if L::MINS {
            mins[g] = s.load(&panel.min[step.group + g]);
        }
    }
    let rows = side.blocks.iter().zip(&side.less).zip(&mut *side.sums).take(ROWS);
    for (m, ((block, less), sums)) in rows.enumerate() {
        let sums = &mut sums[step.panel];
        let mut out = s.load(sums);
        for g in 0..G {
            let group = step.group + g;
            let mut t = s.mul(s.to_f(s.load_i(&products.0[g][m])), scales[g]);
            if L::MINS {
                t = s.fma(mins[g], s.splat(less[group]), t);
            }
            out = s.fma(t, s.splat(block.scale[if L::HALVES { group / 2 } else { group }]), out);
        }
        s.store(out, sums);
    }
}
