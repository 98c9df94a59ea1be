//! `y = x·wᵀ`.

use super::super::case::{Case, Data};
use super::super::float;
use super::super::inputs::Operand;
use super::super::promise::Promise;
use super::{Numbers, rounded};

/// Sums of more products than this are kept in two doubles.
const LONG: usize = 100_000;

/// Values that share a scale.
const SHARED: usize = 32;

pub(super) fn truth(case: &Case, promise: &Promise, inputs: &[Operand]) -> Numbers {
    let (m, n, k) = (case.shape.size("M"), case.shape.size("N"), case.shape.size("K"));
    let (x, w) = (&inputs[0].values, &inputs[1]);
    let int8 = promise.int8 && case.weights.is_quantised();
    let x = if int8 { quantised(x, k) } else { x.clone() };
    // By column, so that the inner loops run over neighbours.
    let mut across = vec![0.0; n * k];
    let mut sizes = vec![0.0; n * k];
    for (r, row) in w.values.chunks_exact(k.max(1)).enumerate() {
        for (c, value) in row.iter().enumerate() {
            across[c * n + r] = *value;
            sizes[c * n + r] = w.sizes.get(r * k + c).copied().unwrap_or(value.abs());
        }
    }
    // A plain kernel multiplies the weights as its sums are kept.
    let rough: Vec<f64> = across.iter().map(|v| rounded(promise, *v)).collect();
    let single: Vec<f32> = rough.iter().map(|v| *v as f32).collect();
    let exact = exact(case, promise, int8);
    let unit = if exact { 0.0 } else { 2.0 * (k as f64).sqrt() * promise.unit() };
    let mut numbers = Numbers { shape: vec![m, n], shared: 1, ..Numbers::default() };
    for row in x.chunks_exact(k.max(1)).take(m) {
        let (mut sum, mut rest, mut size) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        // Of what is rounded on the way: the sums so far, their squares, and those of the products.
        let (mut sums, mut squares) = (vec![0.0; n], vec![0.0; n]);
        for (c, a) in row.iter().enumerate() {
            let (w, s) = (&across[c * n..][..n], &sizes[c * n..][..n]);
            if k > LONG {
                for r in 0..n {
                    let (product, before) = (a * w[r], sum[r]);
                    let after = before + product;
                    let back = after - before;
                    rest[r] += (before - (after - back)) + (product - back);
                    sum[r] = after;
                }
            } else {
                sum.iter_mut().zip(w).for_each(|(sum, w)| *sum += a * w);
            }
            size.iter_mut().zip(s).for_each(|(size, s)| *size += a.abs() * s);
            for r in 0..n {
                let product = a * w[r];
                sums[r] += sum[r];
                squares[r] += sum[r] * sum[r] + product * product;
            }
        }
        for r in 0..n {
            // From the other end, the sums are what is left of the whole.
            let back = k as f64 * sum[r] * sum[r] - 2.0 * sum[r] * sums[r] + squares[r];
            numbers.scatter.push(promise.unit() * (squares[r].max(back) / 3.0).sqrt());
        }
        numbers.values.extend(sum.iter().zip(&rest).map(|(sum, rest)| sum + rest));
        numbers.bound.extend(size.iter().map(|size| unit * size));
        numbers.emulated.extend(emulated(promise, row, &rough, &single, n));
    }
    if k == 0 {
        numbers.values = vec![0.0; m * n];
        numbers.bound = vec![0.0; m * n];
        numbers.emulated = vec![0.0; m * n];
        numbers.scatter = vec![0.0; m * n];
    }
    numbers.emulated.iter_mut().for_each(|y| *y = float::round(promise.output, *y));
    numbers
}

/// One product after the other, each sum rounded.
fn emulated(promise: &Promise, row: &[f64], rough: &[f64], single: &[f32], n: usize) -> Vec<f64> {
    if promise.accumulate == bizra_kernels::call::DType::F32 {
        let mut sum = vec![0f32; n];
        for (c, a) in row.iter().enumerate() {
            let a = *a as f32;
            sum.iter_mut().zip(&single[c * n..][..n]).for_each(|(sum, w)| *sum += a * w);
        }
        return sum.into_iter().map(f64::from).collect();
    }
    let mut sum = vec![0.0; n];
    for (c, a) in row.iter().enumerate() {
        let w = &rough[c * n..][..n];
        sum.iter_mut().zip(w).for_each(|(sum, w)| *sum = rounded(promise, *sum + rounded(promise, a * w)));
    }
    sum
}

/// Whether the answer is a number that every order of summing arrives at.
fn exact(case: &Case, promise: &Promise, int8: bool) -> bool {
    let wide = float::precision(promise.accumulate) >= 24;
    match case.data {
        Data::Integers => wide && super::super::inputs::holds_integers(case.weights),
        Data::OneHot | Data::Permutation => wide && !int8 && !case.weights.is_quantised(),
        _ => false,
    }
}

/// Activations as the contract `int8` keeps them: for each 32, a scale in f32 that makes the greatest 127, and whole
/// numbers to the nearest, ties to even. What is below 1e-30 counts as zero; a NaN or an infinity makes all 32 NaN.
fn quantised(x: &[f64], k: usize) -> Vec<f64> {
    let mut all = Vec::with_capacity(x.len());
    for row in x.chunks_exact(k.max(1)) {
        for block in row.chunks(SHARED) {
            let most = block.iter().fold(0f32, |most, v| most.max((*v as f32).abs()));
            if !block.iter().all(|v| v.is_finite()) {
                all.extend(block.iter().map(|_| f64::NAN));
            } else if most < 1e-30 {
                all.extend(block.iter().map(|_| 0.0));
            } else {
                let (scale, inverse) = (most / 127.0, 127.0 / most);
                let whole = |v: &f64| f64::from((*v as f32 * inverse).round_ties_even());
                all.extend(block.iter().map(|v| f64::from(scale) * whole(v)));
            }
        }
    }
    all
}

/// How far from the unrounded activations answers lie: mean squared error over mean square.
pub fn nmse<const ANSWERS: usize>(
    x: &Operand,
    w: &Operand,
    answers: [&[f64]; ANSWERS],
    m: usize,
    n: usize,
    k: usize,
) -> [f64; ANSWERS] {
    let (mut errors, mut size) = ([0.0; ANSWERS], 0.0);
    for i in 0..m {
        for r in 0..n {
            let (x, w) = (&x.values[i * k..][..k], &w.values[r * k..][..k]);
            let truth: f64 = x.iter().zip(w).map(|(a, b)| a * b).sum();
            errors.iter_mut().zip(answers).for_each(|(error, got)| *error += (got[i * n + r] - truth).powi(2));
            size += truth * truth;
        }
    }
    errors.map(|error| error / size)
}
