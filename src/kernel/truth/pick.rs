//! Picking: the greatest, the k greatest, one by chance.

use super::super::case::{Case, Data};
use super::super::inputs::{self, Operand};
use super::super::promise::Promise;
use super::{Picks, alike, growth};

fn rows(input: &Operand) -> impl Iterator<Item = &[f64]> {
    let width = input.slot.shape[1];
    let empty: &[f64] = &[];
    let count = input.slot.shape[0];
    (0..count).map(move |r| if width == 0 { empty } else { &input.values[r * width..][..width] })
}

/// Places by value, greatest first, ties to the lower index, without NaN.
fn ordered(row: &[f64]) -> Vec<usize> {
    let mut all: Vec<usize> = (0..row.len()).filter(|i| !row[*i].is_nan()).collect();
    all.sort_by(|a, b| row[*b].partial_cmp(&row[*a]).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(b)));
    all
}

pub(super) fn argmax(inputs: &[Operand]) -> Picks {
    let first = |row: &[f64]| vec![ordered(row).first().map_or(-1, |i| *i as i64)];
    Picks { shape: vec![inputs[0].slot.shape[0]], allowed: rows(&inputs[0]).map(first).collect(), ..Picks::default() }
}

pub(super) fn top_k(case: &Case, inputs: &[Operand]) -> Picks {
    let k = case.shape.size("k");
    let (mut allowed, mut values) = (Vec::new(), Vec::new());
    for row in rows(&inputs[0]) {
        let order = ordered(row);
        for j in 0..k {
            allowed.push(vec![order.get(j).map_or(-1, |i| *i as i64)]);
            values.push(order.get(j).map_or(f64::NAN, |i| row[*i]));
        }
    }
    Picks { shape: vec![inputs[0].slot.shape[0], k], allowed, values: Some(values), probabilities: None }
}

pub(super) fn sample(case: &Case, promise: &Promise, inputs: &[Operand]) -> Picks {
    let temperature = inputs::temperature(&case.shape);
    let uniforms = &inputs[1].values;
    let mut picks = Picks { shape: vec![inputs[0].slot.shape[0]], ..Picks::default() };
    for (row, u) in rows(&inputs[0]).zip(uniforms) {
        let most = row.iter().copied().filter(|x| !x.is_nan()).fold(f64::NEG_INFINITY, f64::max);
        let share =
            |x: &f64| if x.is_nan() || *x == f64::NEG_INFINITY { 0.0 } else { ((x - most) / temperature).exp() };
        let shares: Vec<f64> = row.iter().map(share).collect();
        let total: f64 = shares.iter().sum();
        if most.is_infinite() {
            // Nothing to pick from, or one that outweighs all: what then is right, the contract doesn't say.
            let any = (0..row.len() as i64).filter(|i| shares[*i as usize] > 0.0 || shares[*i as usize].is_nan());
            picks.allowed.push(if most > 0.0 { any.chain([-1]).collect() } else { vec![-1] });
            continue;
        }
        // Where shares meet, the last bits of their sums decide, and those are the kernel's own.
        let range = row.iter().filter(|x| x.is_finite()).fold(0f64, |r, x| r.max((most - x) / temperature).min(100.0));
        let growth =
            growth(row.len(), 1.0, alike(promise, total, shares.iter().copied().filter(|share| *share != 1.0)));
        let slack = promise.unit() * (16.0 + growth + 2.0 * range) * total;
        let (mut reached, mut allowed, mut own) = (0.0, Vec::new(), -1);
        for (i, share) in shares.iter().enumerate() {
            let next = reached + share;
            if *share > 0.0 && u * total <= next + slack && u * total >= reached - slack {
                allowed.push(i as i64);
                if own < 0 && next > u * total {
                    own = i as i64;
                }
            }
            reached = next;
        }
        allowed.sort_by_key(|i| *i != own);
        if allowed.is_empty() {
            allowed.push(shares.iter().rposition(|s| *s > 0.0).map_or(-1, |i| i as i64));
        }
        picks.allowed.push(allowed);
        if case.data == Data::Draws && picks.probabilities.is_none() {
            picks.probabilities = Some(shares.iter().map(|s| s / total).collect());
        }
    }
    picks
}
