//! Q4_K by search: scales and minima that make the squared error small.
//!
//! A value is `d·s·q − dmin·m`, with q of four bits, s and m of six for each 32 values, d and dmin for 256. For each 32
//! values some ways to round are tried, each with the straight line that fits it best (least squares); then s and m are
//! chosen among the whole numbers around what that asks for, by the error that is left in the end.

use super::encode::{pack_q4_k, put_f16};

const SUBS: usize = 8;
const SIZE: usize = 32;
const TOP: f32 = 15.0;
const LIMIT: f32 = 63.0;
/// Ways to round: the range is taken for a little less and a little more than 15 steps.
const TRIES: i32 = 20;
const WIDEST: f32 = 1.0;

type Sub = [f32; SIZE];

/// A line `scale·q + min` through 32 values; `min` is never above zero.
#[derive(Clone, Copy)]
struct Fit {
    scale: f32,
    min: f32,
}

/// To the nearest whole number, for what is not negative once it is clamped. Unlike `round` it is one instruction.
fn step(x: f32) -> f32 {
    (x.clamp(0.0, TOP) + 0.5) as i32 as f32
}

fn error(x: &Sub, fit: Fit) -> f32 {
    let inverse = if fit.scale > 0.0 { 1.0 / fit.scale } else { 0.0 };
    x.iter().map(|x| (fit.scale * step((x - fit.min) * inverse) + fit.min - x).powi(2)).sum()
}

/// The best line for values that are rounded as `from` rounds them.
fn refit(x: &Sub, from: Fit) -> Option<Fit> {
    let inverse = if from.scale > 0.0 { 1.0 / from.scale } else { return None };
    let (mut sum_x, mut sum_q, mut sum_qq, mut sum_xq) = (0.0, 0.0, 0.0, 0.0);
    for x in x {
        let q = step((x - from.min) * inverse);
        sum_x += x;
        sum_q += q;
        sum_qq += q * q;
        sum_xq += x * q;
    }
    let n = SIZE as f32;
    let spread = n * sum_qq - sum_q * sum_q;
    if spread <= 0.0 {
        return None;
    }
    let scale = (n * sum_xq - sum_x * sum_q) / spread;
    let min = (sum_qq * sum_x - sum_q * sum_xq) / spread;
    // The format subtracts a minimum and can't add one.
    let fit = if min > 0.0 { Fit { scale: sum_xq / sum_qq, min: 0.0 } } else { Fit { scale, min } };
    (fit.scale > 0.0).then_some(fit)
}

fn fit(x: &Sub) -> Fit {
    let (low, high) = x.iter().fold((0.0_f32, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    if high <= low {
        return Fit { scale: 0.0, min: low };
    }
    let mut best = Fit { scale: (high - low) / TOP, min: low };
    let mut least = error(x, best);
    for try_ in 0..=TRIES {
        let steps = TOP + WIDEST * (2.0 * try_ as f32 / TRIES as f32 - 1.0);
        let Some(found) = refit(x, Fit { scale: (high - low) / steps, min: low }) else { continue };
        let left = error(x, found);
        if left < least {
            (best, least) = (found, left);
        }
    }
    // The best line rounds some values otherwise than the one it came from.
    for _ in 0..4 {
        let Some(found) = refit(x, best) else { break };
        let left = error(x, found);
        if left >= least {
            break;
        }
        (best, least) = (found, left);
    }
    best
}

/// One block of 256 values.
pub(super) fn q4_k(x: &[f32], block: &mut [u8]) {
    let subs: [Sub; SUBS] = std::array::from_fn(|j| std::array::from_fn(|i| x[j * SIZE + i]));
    let fits = subs.map(|sub| fit(&sub));
    let most = |of: fn(&Fit) -> f32| fits.iter().map(of).fold(0.0, f32::max);
    let d = put_f16(block, most(|fit| fit.scale) / LIMIT);
    let dmin = put_f16(&mut block[2..], most(|fit| -fit.min) / LIMIT);
    let (mut scales, mut mins) = ([0; SUBS], [0; SUBS]);
    for (j, (sub, fit)) in subs.iter().zip(&fits).enumerate() {
        let around = |value: f32, unit: f32| {
            let middle = if unit > 0.0 { (value / unit + 0.5).floor().clamp(0.0, LIMIT) } else { 0.0 };
            [middle, middle - 1.0, middle + 1.0].map(|n| n.clamp(0.0, LIMIT))
        };
        let mut least = f32::INFINITY;
        for s in around(fit.scale, d) {
            for m in around(-fit.min, dmin) {
                let left = error(sub, Fit { scale: d * s, min: -(dmin * m) });
                if left < least {
                    least = left;
                    (scales[j], mins[j]) = (s as u8, m as u8);
                }
            }
        }
    }
    pack_q4_k(block, &scales, &mins, |at| {
        let j = at / SIZE;
        let (scale, min) = (d * f32::from(scales[j]), -(dmin * f32::from(mins[j])));
        if scale > 0.0 { step((x[at] - min) / scale) as u8 } else { 0 }
    });
}
