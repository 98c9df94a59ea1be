//! `o = softmax(s·q·kᵀ)·v`, with masks, windows, groups, and keys that don't count.

use std::ops::Range;

use bizra_kernels::call::DType;

use super::super::case::{Case, Data};
use super::super::float;
use super::super::inputs::{self, Operand};
use super::super::manifest::Cells;
use super::super::op::{self, Shape};
use super::super::promise::Promise;
use super::{Numbers, alike, aside, function, growth, rounded, slip, stored};

/// Which keys a query sees.
pub struct Sight {
    queries: usize,
    lengths: Vec<usize>,
    causal: bool,
    window: usize,
}

impl Sight {
    pub fn of(shape: &Shape, lengths: &[usize]) -> Sight {
        Sight {
            queries: shape.size("S"),
            lengths: lengths.to_vec(),
            causal: shape.get("causal") != 0,
            window: shape.size("window"),
        }
    }

    /// The keys of query `i` of sequence `b`; none where it stands before the first.
    pub fn keys(&self, b: usize, i: usize) -> Range<usize> {
        let len = self.lengths[b] as i64;
        let position = len - self.queries as i64 + i as i64;
        let end = if self.causal { (position + 1).clamp(0, len) } else { len };
        let start = match self.window {
            0 => 0,
            window => (position - window as i64 + 1).clamp(0, end),
        };
        start as usize..end as usize
    }
}

pub(super) fn truth(case: &Case, promise: &Promise, inputs: &[Operand]) -> Numbers {
    let shape = &case.shape;
    let n = |name| shape.size(name);
    let (batch, queries, groups, group, dim) = (n("B"), n("S"), n("Hkv"), n("group"), n("D"));
    let (heads, room) = (groups * group, op::key_room(shape));
    let lengths: Vec<usize> = inputs[3].values.iter().map(|len| *len as usize).collect();
    let sight = Sight::of(shape, &lengths);
    let (k, v) = (cells(promise.cells, &inputs[1].values, dim), cells(promise.cells, &inputs[2].values, dim));
    let q = &inputs[0].values;
    let (scale, cap) = (inputs::scale(case), shape.get("softcap") as f64);
    let unit = promise.unit();
    let of_p = promise.p_round.map_or(0.0, |p| 2f64.powi(-float::precision(p) - 1));
    // Below the smallest normal numbers an exponential is right within one and a half units there, or it is flushed, and
    // what it is rounded to has an end too.
    let underflow = match promise.flush {
        true => float::smallest_normal(promise.accumulate),
        false => 3.0 * float::half_ulp(promise.accumulate, 0.0),
    } + promise.p_round.map_or(0.0, |p| float::half_ulp(p, 0.0));
    let mut numbers =
        Numbers { shape: vec![batch, queries, heads, dim], shared: dim, functions: true, ..Numbers::default() };
    let none = if promise.masked_zero { 0.0 } else { f64::NAN };
    for b in 0..batch {
        for i in 0..queries {
            for h in 0..heads {
                let q = &q[((b * queries + i) * heads + h) * dim..][..dim];
                let row = |j: usize| {
                    let start = ((b * room + j) * groups + h / group) * dim;
                    start..start + dim
                };
                let keys = sight.keys(b, i);
                if keys.is_empty() {
                    numbers.values.extend(std::iter::repeat_n(none, dim));
                    numbers.bound.extend(std::iter::repeat_n(0.0, dim));
                    numbers.emulated.extend(std::iter::repeat_n(none, dim));
                    numbers.scatter.extend(std::iter::repeat_n(0.0, dim));
                    continue;
                }
                let (mut scores, mut rough) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
                let mut roundings = Vec::with_capacity(keys.len());
                let mut most_size = 0f64;
                for j in keys.clone() {
                    let k = &k[row(j)];
                    let (mut dot, mut size, mut plain, mut squares) = (0.0, 0.0, 0f32, 0.0);
                    for (a, b) in q.iter().zip(k) {
                        let product = a * b;
                        dot += product;
                        size += product.abs();
                        squares += dot * dot + product * product;
                        plain += *a as f32 * *b as f32;
                    }
                    // An infinite score is off by nothing, whatever was rounded on the way.
                    let certain = dot.is_infinite();
                    let of_product = if certain { 0.0 } else { scale * scale * (squares + dot * dot) };
                    let score = rounded(promise, scale * rounded(promise, f64::from(plain)));
                    if cap > 0.0 {
                        // By an exponential, as is usual: then its error is one of what is near one, however small
                        // the score.
                        let tanh = (score / cap).tanh();
                        rough.push(rounded(promise, cap * (tanh + slip(promise, tanh, j))));
                        scores.push(cap * (scale * dot / cap).tanh());
                        // Where a score is near its cap, little of what it is off by is left, and the function's own
                        // error is added, as the exponential's is below.
                        let (kept, capped) = (1.0 - tanh * tanh, cap * tanh);
                        let (quotient, slip) = (if certain { 0.0 } else { scale * dot }, 9.0 * cap * cap);
                        roundings.push(kept * kept * (of_product + quotient * quotient) + slip + capped * capped);
                    } else {
                        rough.push(score);
                        scores.push(scale * dot);
                        roundings.push(of_product);
                    }
                    if !certain {
                        most_size = most_size.max(size);
                    }
                }
                let (greatest, p, total) = weights(&scores);
                let most = rough.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let e: Vec<f64> = rough
                    .iter()
                    .enumerate()
                    .map(|(at, s)| {
                        let e = function(promise, rounded(promise, s - most).exp(), at);
                        promise.p_round.map_or(e, |p| float::round(p, e))
                    })
                    .collect();
                let rough_total = e.iter().fold(0.0, |sum, e| rounded(promise, sum + e));
                // Sums of ones are exact, unless they are weights of equal values.
                let alike = match case.data {
                    Data::Equal => keys.len() as f64,
                    Data::Sparse | Data::OneHot | Data::Scaled => {
                        alike(promise, total, p.iter().copied().filter(|p| *p != 1.0))
                    }
                    _ => 0.0,
                };
                let delta = 2.0 * (dim as f64).sqrt() * unit * scale * most_size + 4.0 * unit * cap;
                let factor = 2.0 * delta + unit * (16.0 + growth(keys.len(), 1.0, alike)) + of_p;
                let (mut sum, mut size, mut plain) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
                let mut all = vec![0.0; dim];
                for (at, j) in keys.clone().enumerate() {
                    for (d, v) in v[row(j)].iter().enumerate() {
                        sum[d] += p[at] * v;
                        size[d] += p[at] * v.abs();
                        all[d] += v.abs();
                        plain[d] = rounded(promise, plain[d] + rounded(promise, e[at] * v));
                    }
                }
                numbers.values.extend(sum.iter().map(|s| s / total));
                numbers.bound.extend(size.iter().zip(&all).map(|(s, all)| (factor * s + underflow * all) / total));
                // A weight that is off by a share moves the mean by as much of its distance from it.
                let mut scatter: Vec<f64> = sum.iter().map(|s| (s / total * unit).powi(2) * aside(alike)).collect();
                for (at, j) in keys.enumerate().filter(|(at, _)| scores[*at] > f64::NEG_INFINITY) {
                    let share = p[at] / total;
                    let below = scores[at] - greatest;
                    let of_weight = unit * unit * ((roundings[at] + below * below) / 3.0 + 3.0);
                    for (d, v) in v[row(j)].iter().enumerate() {
                        scatter[d] += (share * (v - sum[d] / total)).powi(2) * of_weight;
                    }
                }
                numbers.scatter.extend(scatter.iter().map(|square| square.sqrt()));
                let last = |s: &f64| float::round(promise.output, rounded(promise, s / rough_total));
                numbers.emulated.extend(plain.iter().map(last));
            }
        }
    }
    numbers
}

/// The greatest score, `exp(score - greatest)` of each, and their sum.
fn weights(scores: &[f64]) -> (f64, Vec<f64>, f64) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let total = p.iter().sum();
    (most, p, total)
}

/// Keys or values as the contract says that they are kept: for `q8`, a head's numbers in lots of 32 with a scale in half
/// precision that makes the greatest about 127.
fn cells(cells: Cells, values: &[f64], dim: usize) -> Vec<f64> {
    match cells {
        Cells::F32 => values.to_vec(),
        Cells::F16 => values.iter().map(|v| stored(DType::F16, *v)).collect(),
        Cells::Q8 => {
            let mut all = Vec::with_capacity(values.len());
            for lot in values.chunks_exact(dim.max(1)).flat_map(|head| head.chunks(32)) {
                let most =
                    lot.iter().fold(0f32, |m, v| if v.is_nan() { f32::INFINITY } else { m.max((*v as f32).abs()) });
                let worth = stored(DType::F16, f64::from(most / 127.0)) as f32;
                let byte = |v: &f64| (*v as f32 * (1.0 / worth)).round_ties_even().clamp(-127.0, 127.0);
                match worth {
                    0.0 => all.extend(lot.iter().map(|_| 0.0)),
                    w if w.is_finite() => all.extend(lot.iter().map(|v| f64::from(byte(v)) * f64::from(w))),
                    _ => all.extend(lot.iter().map(|_| f64::NAN)),
                }
            }
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::op::Op;

    #[test]
    fn what_a_query_sees() {
        let check = |text: &str, len: usize, i: usize, expected: Range<usize>| {
            let shape = Shape::parse(Op::Attention, text).unwrap();
            assert_eq!(Sight::of(&shape, &[len]).keys(0, i), expected, "{text}");
        };
        check("S=4,Hkv=1,D=8", 4, 0, 0..1);
        check("S=4,Hkv=1,D=8", 4, 3, 0..4);
        check("S=4,past=6,Hkv=1,D=8,window=3", 10, 0, 4..7);
        check("S=4,Hkv=1,D=8,causal=0", 4, 0, 0..4);
        check("S=4,Hkv=1,D=8,causal=0,window=2", 4, 3, 2..4);
        check("S=4,Hkv=1,D=8,short=1", 2, 1, 0..0);
        check("S=4,Hkv=1,D=8,short=1", 2, 2, 0..1);
    }
}
