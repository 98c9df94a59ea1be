//! What is computed row by row: softmax, the norms, gated products.

use super::super::case::Case;
use super::super::float;
use super::super::inputs::{EPS, Operand};
use super::super::promise::Promise;
use super::{Numbers, alike, aside, function, growth, rounded};

fn start(input: &Operand) -> (Numbers, usize) {
    let width = input.slot.shape[1];
    let numbers =
        Numbers { shape: input.slot.shape.clone(), shared: width.max(1), functions: true, ..Numbers::default() };
    (numbers, width)
}

fn finish(promise: &Promise, mut numbers: Numbers) -> Numbers {
    numbers.emulated.iter_mut().for_each(|y| *y = float::round(promise.output, *y));
    numbers
}

pub(super) fn softmax(promise: &Promise, inputs: &[Operand]) -> Numbers {
    let (mut numbers, n) = start(&inputs[0]);
    let unit = promise.unit();
    for row in inputs[0].values.chunks_exact(n.max(1)) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY && !row.iter().any(|x| x.is_nan()) {
            let none = if promise.masked_zero { 0.0 } else { f64::NAN };
            numbers.values.extend(row.iter().map(|_| none));
            for zeros in [&mut numbers.bound, &mut numbers.scatter, &mut numbers.lean] {
                zeros.extend(row.iter().map(|_| 0.0));
            }
            numbers.row_sum.push(0.0);
            numbers.emulated.extend(row.iter().map(|_| none));
            continue;
        }
        let e: Vec<f64> = row.iter().map(|x| (x - most).exp()).collect();
        let sum: f64 = e.iter().sum();
        // Sums of ones are exact.
        let alike = alike(promise, sum, e.iter().copied().filter(|e| *e != 1.0));
        let common = 16.0 + growth(n, 1.0, alike);
        let of_sum = walk(e.iter().copied()) / (sum * sum) + aside(alike);
        numbers.row_sum.push(unit * common);
        numbers.values.extend(e.iter().map(|e| e / sum));
        let scatter = |x: &f64| unit * ((x - most).powi(2) / 3.0 + 3.0 + of_sum).sqrt();
        numbers.scatter.extend(row.iter().zip(&e).map(|(x, e)| if *e > 0.0 { e / sum * scatter(x) } else { 0.0 }));
        // Many take powers of two, of x times the logarithm of e to that base.
        let lean = |x: &f64| unit * (x - most).abs();
        numbers.lean.extend(row.iter().zip(&e).map(|(x, e)| if *e > 0.0 { e / sum * lean(x) } else { 0.0 }));
        numbers.bound.extend(row.iter().zip(&e).map(|(x, e)| e / sum * unit * (common + 2.0 * (x - most).abs())));
        let plain: Vec<f64> =
            row.iter().enumerate().map(|(i, x)| function(promise, rounded(promise, x - most).exp(), i)).collect();
        let total = plain.iter().fold(0.0, |sum, e| rounded(promise, sum + e));
        numbers.emulated.extend(plain.iter().map(|e| rounded(promise, e / total)));
    }
    // The bound of what is infinitely far below is none, and zero is exact.
    numbers.bound.iter_mut().filter(|b| b.is_nan()).for_each(|b| *b = 0.0);
    finish(promise, numbers)
}

pub(super) fn rms_norm(promise: &Promise, inputs: &[Operand]) -> Numbers {
    let (mut numbers, n) = start(&inputs[0]);
    let (weight, unit) = (&inputs[1].values, promise.unit());
    for row in inputs[0].values.chunks_exact(n.max(1)) {
        let mean: f64 = row.iter().map(|x| x * x).sum::<f64>() / n as f64;
        let common = unit * (16.0 + growth(n, 1.0, alike(promise, mean * n as f64, row.iter().map(|x| x * x))));
        let factor = 1.0 / (mean + EPS).sqrt();
        let y = row.iter().zip(weight).map(|(x, w)| x * factor * w);
        numbers.values.extend(y.clone());
        numbers.bound.extend(y.map(|y| y.abs() * common));
        let sum = row.iter().fold(0.0, |sum, x| rounded(promise, sum + rounded(promise, x * x)));
        let mean = rounded(promise, rounded(promise, sum / n as f64) + EPS);
        let factor = function(promise, 1.0 / mean.sqrt(), n);
        let y = row.iter().zip(weight).map(|(x, w)| rounded(promise, rounded(promise, x * factor) * w));
        numbers.emulated.extend(y);
    }
    finish(promise, numbers)
}

pub(super) fn layer_norm(promise: &Promise, inputs: &[Operand]) -> Numbers {
    let (mut numbers, n) = start(&inputs[0]);
    let (weight, bias, unit) = (&inputs[1].values, &inputs[2].values, promise.unit());
    for row in inputs[0].values.chunks_exact(n.max(1)) {
        let mean = row.iter().sum::<f64>() / n as f64;
        let sigma = (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64 + EPS).sqrt();
        let kappa = 1.0 + mean.abs() / sigma;
        let squared = |x: &f64| (x - mean).powi(2);
        let (alike, alike_squares) = (
            alike(promise, row.iter().map(|x| x.abs()).sum(), row.iter().copied()),
            alike(promise, n as f64 * sigma * sigma, row.iter().map(squared)),
        );
        // What mean and variance are off by is the whole row's, and one kernel's own may happen to be small.
        let of_mean = (walk(row.iter().copied()) / (n * n) as f64 + mean * mean / 3.0) / sigma.powi(2);
        let of_sigma =
            walk(row.iter().map(squared)) / (2.0 * n as f64 * sigma.powi(2)).powi(2) + aside(alike_squares) / 4.0 + 3.0;
        let common = unit * (32.0 + growth(n, 2.0, alike.max(alike_squares)) * kappa);
        let plain_mean = rounded(promise, row.iter().fold(0.0, |sum, x| rounded(promise, sum + x)) / n as f64);
        let square = |x: &f64| {
            let d = rounded(promise, x - plain_mean);
            rounded(promise, d * d)
        };
        let sum = row.iter().fold(0.0, |sum, x| rounded(promise, sum + square(x)));
        let factor = function(promise, 1.0 / rounded(promise, rounded(promise, sum / n as f64) + EPS).sqrt(), n);
        for ((x, w), b) in row.iter().zip(weight).zip(bias) {
            let z = (x - mean) / sigma;
            numbers.values.push(z * w + b);
            numbers.bound.push(common * (w.abs() * (1.0 + z.abs()) + b.abs()));
            numbers.scatter.push(unit * w.abs() * (of_mean + z * z * of_sigma).sqrt());
            let z = rounded(promise, rounded(promise, x - plain_mean) * factor);
            numbers.emulated.push(rounded(promise, rounded(promise, z * w) + b));
        }
    }
    finish(promise, numbers)
}

/// √(2/π)
const ROOT: f64 = 0.797_884_560_802_865_4;

/// `x` times the logistic function of `z`, which is (1 + tanh(z/2))/2 without the loss of digits below zero.
fn logistic(x: f64, z: f64) -> f64 {
    x / (1.0 + (-z).exp())
}

/// The square, in units, of what a sum kept in one variable is off by: a third of the squares of all sums on the way, from
/// the front or from the end, whichever leads further out.
fn walk(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut sums, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    for term in terms {
        sum += term;
        sums += sum;
        squares += sum * sum;
        count += 1.0;
    }
    let back: f64 = count * sum * sum - 2.0 * sum * sums + squares;
    squares.max(back) / 3.0
}

/// What `x / (1 + exp(-x))` comes to, about, where the exponential overflows.
const SMALL: f64 = 4e-37;

pub(super) fn gated(case: &Case, promise: &Promise, inputs: &[Operand]) -> Numbers {
    let (mut numbers, _) = start(&inputs[0]);
    numbers.shared = 1;
    let unit = promise.unit();
    let kind = case.shape.get("activation");
    for (place, (g, up)) in inputs[0].values.iter().zip(&inputs[1].values).enumerate() {
        let kept = |x: f64| rounded(promise, x);
        // With what a plain kernel makes of it: what goes into the function is rounded at every step, and the function
        // is steep where its argument is great. How steep, times the argument, and the squares of those roundings:
        let (f, slope, plain, steep, roundings) = match kind {
            0 => (logistic(*g, *g), 2.0 * g.abs(), logistic(*g, *g), 0.0, 0.0),
            1 => {
                let (cube, scale) = (0.044715 * g * g * g, 2.0 * ROOT);
                let z = scale * (g + cube);
                let cubic = kept(kept(kept(0.044715) * kept(g * g)) * g);
                let plain = kept(kept(scale) * kept(g + cubic));
                let roundings = 4.0 * (scale * cube / z).powi(2) + 3.0;
                (logistic(*g, z), 2.0 * g.abs() + 4.0 * z.abs(), logistic(*g, plain), z * logistic(1.0, -z), roundings)
            }
            _ => {
                let at = g * std::f64::consts::FRAC_1_SQRT_2;
                let steep = at * 2.0 / std::f64::consts::PI.sqrt() * (-at * at).exp() / erfc(-at);
                (g * 0.5 * erfc(-at), 2.0 * g.abs() + 2.0 * g * g, g * 0.5 * erfc(-kept(at)), steep, 2.0)
            }
        };
        let y = f * up;
        numbers.values.push(y);
        // Where small numbers may be flushed, so may a small factor, before it meets a great one.
        let flushed = if promise.flush { SMALL * up.abs() } else { 0.0 };
        numbers.bound.push(y.abs() * unit * (16.0 + slope) + flushed);
        // The function's own error, and the product's rounding. Few arguments are so great that what they are off by
        // decides, and one kernel's roundings of them may happen to cancel.
        let scatter = y.abs() * unit * (steep * steep * roundings / 3.0 + 3.0 + 1.0 / 3.0).sqrt();
        numbers.scatter.push(if scatter.is_finite() { scatter } else { 0.0 });
        numbers.emulated.push(rounded(promise, function(promise, plain, place) * up));
    }
    numbers.bound.iter_mut().filter(|b| b.is_nan()).for_each(|b| *b = 0.0);
    finish(promise, numbers)
}

/// `1 - erf(x)`: the series of all-positive terms near zero, the continued fraction beyond (Abramowitz and Stegun, 7.1.6
/// and 7.1.14).
fn erfc(x: f64) -> f64 {
    let z = x.abs();
    if !z.is_finite() {
        return if x.is_nan() { x } else { 1.0 - x.signum() };
    }
    let tail = if z < 2.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..100 {
            term *= 2.0 * z * z / f64::from(2 * n + 1);
            sum += term;
        }
        1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
    } else {
        let fraction = (1..200).rev().fold(z, |below, k| z + f64::from(k) / 2.0 / below);
        (-z * z).exp() / (std::f64::consts::PI.sqrt() * fraction)
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::erfc;

    #[test]
    fn the_error_function_has_its_known_values() {
        // Abramowitz and Stegun, table 7.1, and erfc(5) from DLMF 7.
        for (x, known) in
            [(0.5, 0.479_500_122_186_953_5), (1.0, 0.157_299_207_050_285_13), (5.0, 1.537_459_794_428_035e-12)]
        {
            assert!((erfc(x) / known - 1.0).abs() < 1e-11, "{x}: {}", erfc(x));
            assert!((erfc(-x) - (2.0 - known)).abs() < 1e-14);
        }
        assert_eq!((erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 2.0));
    }
}
