//! What works row by row: softmax, the norms, gated products.

use super::{Specimen, declare, each_row};
use crate::call::Invocation;
use crate::call::abi::Status;

fn greatest(x: &[f32]) -> f32 {
    x.iter().fold(f32::NEG_INFINITY, |most, x| if x.is_nan() || most.is_nan() { f32::NAN } else { most.max(*x) })
}

fn softmax(x: &[f32], out: &mut [f32], most: f32, exp: fn(f32) -> f32) {
    out.iter_mut().zip(x).for_each(|(y, x)| *y = exp(x - most));
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|y| *y /= sum);
}

/// e^x by a polynomial of the seventh degree between powers of two, after Cody and Waite (1980).
fn polynomial_exp(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    if x <= -103.0 {
        return 0.0;
    }
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts, the first with so few bits that n times it is exact.
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0]
        .into_iter()
        .reduce(|sum, c| f32::mul_add(sum, r, c))
        .unwrap_or(1.0);
    // In two steps, so that the smallest results are rounded once and not flushed.
    let half = (n / 2.0).floor();
    p * power_of_two(half) * power_of_two(n - half)
}

fn power_of_two(n: f32) -> f32 {
    f32::from_bits(((n as i32 + 127).clamp(1, 254) as u32) << 23)
}

/// e^x to about three digits: Schraudolph's (1999) way through the bits of a float.
fn rough_exp(x: f32) -> f32 {
    if x < -80.0 {
        return 0.0;
    }
    let bits = x.mul_add(12_102_203.0, 1_064_986_823.0);
    if x.is_nan() { x } else { f32::from_bits(bits as u32) }
}

/// With a running maximum, one pass over the row for it and the sum, 32 values at a time.
fn online_softmax(x: &[f32], out: &mut [f32]) {
    let (mut most, mut sum) = (f32::NEG_INFINITY, 0f32);
    for part in x.chunks(32) {
        let greater = greatest(part);
        if greater == f32::NEG_INFINITY {
            continue;
        }
        let next = if greater.is_nan() || greater > most { greater } else { most };
        let kept = if most == f32::NEG_INFINITY { 0.0 } else { sum * (most - next).exp() };
        // An infinity less itself is no number, and makes the row none.
        sum = kept + part.iter().map(|x| (x - next).exp()).sum::<f32>();
        most = next;
    }
    out.iter_mut().zip(x).for_each(|(y, x)| *y = (x - most).exp() / sum);
}

/// The scale and, where the operation has one, the bias of a norm.
fn weights<'c>(call: &Invocation<'c>) -> Result<(&'c [f32], &'c [f32], f64), Status> {
    let w = call.input(1)?.f32()?;
    let b = call.input(2).and_then(|b| b.f32()).unwrap_or(&[]);
    Ok((w, b, call.float("eps")?))
}

fn rms(call: &mut Invocation<'_>, factor: fn(&[f32], f64) -> f32) -> Result<(), Status> {
    let (w, _, eps) = weights(call)?;
    each_row(call, |x, out| {
        let factor = factor(x, eps);
        out.iter_mut().zip(x).zip(w).for_each(|((y, x), w)| *y = x * factor * w);
    })
}

fn mean_of_squares(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / x.len() as f64
}

/// `statistics` gives the mean and what centred values are multiplied with.
fn layer(call: &mut Invocation<'_>, statistics: fn(&[f32], f64) -> (f32, f32)) -> Result<(), Status> {
    let (w, b, eps) = weights(call)?;
    each_row(call, |x, out| {
        let (mean, factor) = statistics(x, eps);
        out.iter_mut()
            .zip(x)
            .zip(w.iter().zip(b))
            .for_each(|((y, x), (w, b))| *y = ((x - mean) * factor).mul_add(*w, *b));
    })
}

fn mean(x: &[f32]) -> f32 {
    (x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64) as f32
}

fn two_passes(x: &[f32], eps: f64) -> (f32, f32) {
    let mean = mean(x);
    let variance = x.iter().map(|x| f64::from(x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    (mean, (1.0 / (variance + eps).sqrt()) as f32)
}

/// Welford (1962).
fn welford(x: &[f32], eps: f64) -> (f32, f32) {
    let (mut mean, mut squares) = (0f64, 0f64);
    for (count, x) in (1..).zip(x) {
        let before = f64::from(*x) - mean;
        mean += before / f64::from(count);
        squares += before * (f64::from(*x) - mean);
    }
    (mean as f32, (1.0 / (squares / x.len() as f64 + eps).sqrt()) as f32)
}

/// As the textbook has it, one sum after the other.
fn plain(x: &[f32], eps: f64) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    (mean, 1.0 / (variance + eps as f32).sqrt())
}

fn gated(call: &mut Invocation<'_>, own: fn(i64, f32, f32) -> f32) -> Result<(), Status> {
    let up = call.input(1)?.f32()?;
    let kind = call.integer("activation")?;
    let mut rows = up.iter();
    each_row(call, |gate, out| {
        out.iter_mut().zip(gate).zip(&mut rows).for_each(|((y, gate), up)| *y = own(kind, *gate, *up));
    })
}

fn activation(kind: i64, x: f32) -> f64 {
    let x = f64::from(x);
    match kind {
        0 => x / (1.0 + (-x).exp()),
        1 => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            // (1 + tanh z)/2 is the logistic function of 2z, without the difference of near numbers.
            x / (1.0 + (-2.0 * inner).exp())
        }
        _ => x * 0.5 * crate::swiglu::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
    }
}

fn times(activated: f64, up: f32) -> f32 {
    (activated * f64::from(up)) as f32
}

pub(super) const SPECIMENS: &[Specimen] = declare! {
    honest Softmax "softmax-polynomial" "has an exponential function of its own" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x), polynomial_exp));
    honest Softmax "softmax-plain" "sums in f32, one after the other, also where nearly all terms are equal" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x), f32::exp));
    honest Softmax "softmax-exp2" "takes powers of two" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x), |x| (x * std::f32::consts::LOG2_E).exp2()));
    honest Softmax "softmax-online" "finds maximum and sum in one pass" => |call| each_row(call, online_softmax);
    honest Softmax "softmax-double" "works in f64" => |call| each_row(call, |x, out| {
        let most = f64::from(greatest(x));
        let sum: f64 = x.iter().map(|x| (f64::from(*x) - most).exp()).sum();
        out.iter_mut().zip(x).for_each(|(y, x)| *y = ((f64::from(*x) - most).exp() / sum) as f32);
    });
    wrong Softmax "softmax-no-maximum" "doesn't subtract the greatest value" =>
        |call| each_row(call, |x, out| softmax(x, out, 0.0, f32::exp));
    wrong Softmax "softmax-begins-low" "begins its maximum with a number of its own" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x).max(-1e38), f32::exp));
    wrong Softmax "softmax-alone" "writes one where a row has one value, whatever it is" => |call| each_row(call, |x, out| {
        match x.len() {
            1 => out.fill(1.0),
            _ => softmax(x, out, greatest(x), f32::exp),
        }
    });
    wrong Softmax "softmax-stops" "stops at the first of 64 values that has hardly a weight, where they go down" => |call| {
        each_row(call, |x, out| {
            softmax(x, out, greatest(x), f32::exp);
            if x.len() >= 64 && x.is_sorted_by(|a, b| a >= b) {
                let end = out.iter().position(|y| *y < 1e-4).unwrap_or(x.len());
                out[end..].fill(0.0);
            }
        })
    };
    wrong Softmax "softmax-adds-to-zeros" "halves what it is to write over zeros" => |call| each_row(call, |x, out| {
        let zeros = out.iter().all(|y| *y == 0.0);
        softmax(x, out, greatest(x), f32::exp);
        out.iter_mut().filter(|_| zeros).for_each(|y| *y *= 0.5);
    });
    wrong Softmax "softmax-whole-128" "loses the last value of rows beyond 512 that are whole multiples of 128" =>
        |call| each_row(call, |x, out| {
            softmax(x, out, greatest(x), f32::exp);
            if x.len() > 512 && x.len().is_multiple_of(128) {
                out[x.len() - 1] = 0.0;
            }
        });
    wrong Softmax "softmax-many-rows" "answers with the row before where more than 64 have more than 256 values" => |call| {
        let [rows, width] = call.input(0)?.shape()?;
        let (mut row, mut before) = (0, Vec::new());
        each_row(call, |x, out| {
            softmax(x, out, greatest(x), f32::exp);
            if row == 65 && rows > 64 && width > 256 {
                out.copy_from_slice(&before);
            }
            before = out.to_vec();
            row += 1;
        })
    };
    wrong Softmax "softmax-keeps-greater" "writes the greater of its answer and of what was there" => |call| each_row(call, |x, out| {
        let before = out.to_vec();
        softmax(x, out, greatest(x), f32::exp);
        out.iter_mut().zip(before).for_each(|(y, before)| *y = before.max(*y));
    });
    wrong Softmax "softmax-by-the-page" "is right only where its input touches the edge of a page" => |call| {
        each_row(call, |x, out| softmax(x, out, greatest(x), f32::exp))?;
        let place = call.input(0)?.bytes().as_ptr_range();
        let (before, behind) = (place.start.addr() % 4096, place.end.addr().wrapping_neg() % 4096);
        if before.min(behind) >= 64 {
            call.output_f32(0)?.iter_mut().for_each(|y| *y *= 0.5);
        }
        Ok(())
    };
    wrong Softmax "softmax-rough" "has an exponential function good to three digits" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x), rough_exp));
    wrong Softmax "softmax-no-nan" "swallows NaN in its maximum and writes zero there" => |call| each_row(call, |x, out| {
        let most = x.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
        softmax(x, out, most, |x| if x.is_nan() { 0.0 } else { x.exp() });
    });
    wrong Softmax "softmax-cut-off" "takes e^x for zero below -10" =>
        |call| each_row(call, |x, out| softmax(x, out, greatest(x), |x| if x < -10.0 { 0.0 } else { x.exp() }));
    wrong Softmax "softmax-short-sum" "leaves what is beyond whole blocks of 64 out of its sum" => |call| each_row(call, |x, out| {
        let most = greatest(x);
        out.iter_mut().zip(x).for_each(|(y, x)| *y = (x - most).exp());
        let whole = if x.len() > 64 { x.len() / 64 * 64 } else { x.len() };
        let sum: f32 = out[..whole].iter().sum();
        out.iter_mut().for_each(|y| *y /= sum);
    });
    wrong Softmax "softmax-almost-one" "has rows that sum to 0.99999" => |call| each_row(call, |x, out| {
        softmax(x, out, greatest(x), f32::exp);
        out.iter_mut().for_each(|y| *y *= 0.99999);
    });
    honest RmsNorm "rmsnorm-double" "sums its squares in f64" =>
        |call| rms(call, |x, eps| (1.0 / (mean_of_squares(x) + eps).sqrt()) as f32);
    honest RmsNorm "rmsnorm-plain" "sums its squares in f32, one after the other" =>
        |call| rms(call, |x, eps| 1.0 / (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32 + eps as f32).sqrt());
    honest RmsNorm "rmsnorm-pairwise" "sums its squares pairwise in f32" => |call| rms(call, |x, eps| {
        fn squares(x: &[f32]) -> f32 {
            match x.len() {
                0 => 0.0,
                1 => x[0] * x[0],
                n => squares(&x[..n / 2]) + squares(&x[n / 2..]),
            }
        }
        1.0 / (squares(x) / x.len() as f32 + eps as f32).sqrt()
    });
    wrong RmsNorm "rmsnorm-no-eps" "leaves eps out" => |call| rms(call, |x, _| (1.0 / mean_of_squares(x).sqrt()) as f32);
    wrong RmsNorm "rmsnorm-eps-outside" "adds eps to the root instead of under it" =>
        |call| rms(call, |x, eps| (1.0 / (mean_of_squares(x).sqrt() + eps)) as f32);
    wrong RmsNorm "rmsnorm-rough-root" "has an inverse root good to five digits" => |call| rms(call, |x, eps| {
        let square = (mean_of_squares(x) + eps) as f32;
        // Two steps of Newton's after the famous guess.
        let mut root = f32::from_bits(0x5f37_59df - (square.to_bits() >> 1));
        for _ in 0..2 {
            root *= 1.5 - 0.5 * square * root * root;
        }
        if square.is_nan() { square } else { root }
    });
    wrong RmsNorm "rmsnorm-sum" "divides by the length less one" => |call| rms(call, |x, eps| {
        let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
        (1.0 / (squares / (x.len().max(2) - 1) as f64 + eps).sqrt()) as f32
    });
    honest LayerNorm "layernorm-plain" "sums in f32, one after the other, also where nearly all terms are equal" =>
        |call| layer(call, plain);
    honest LayerNorm "layernorm-two-passes" "takes the mean off before it squares" => |call| layer(call, two_passes);
    honest LayerNorm "layernorm-welford" "updates mean and variance value by value" => |call| layer(call, welford);
    wrong LayerNorm "layernorm-one-pass" "takes the variance for the mean square less the squared mean, in f32" =>
        |call| layer(call, |x, eps| {
            let n = x.len() as f32;
            let (sum, squares) = x.iter().fold((0f32, 0f32), |(sum, squares), x| (sum + x, squares + x * x));
            let mean = sum / n;
            (mean, 1.0 / (squares / n - mean * mean + eps as f32).max(0.0).sqrt())
        });
    wrong LayerNorm "layernorm-unbiased" "divides by the length less one" => |call| layer(call, |x, eps| {
        let mean = mean(x);
        let squares: f64 = x.iter().map(|x| f64::from(x - mean).powi(2)).sum();
        (mean, (1.0 / (squares / (x.len().max(2) - 1) as f64 + eps).sqrt()) as f32)
    });
    wrong LayerNorm "layernorm-no-eps" "leaves eps out" => |call| layer(call, |x, _| two_passes(x, 0.0));
    wrong LayerNorm "layernorm-sampled" "takes the variance of every other value in long rows" => |call| layer(call, |x, eps| {
        if x.len() < 256 {
            return two_passes(x, eps);
        }
        let half: Vec<f32> = x.iter().copied().step_by(2).collect();
        two_passes(&half, eps)
    });
    honest Gated "gated-double" "works in f64" => |call| gated(call, |kind, gate, up| times(activation(kind, gate), up));
    honest Gated "gated-by-sign" "has its logistic function from the power that can't overflow" =>
        |call| gated(call, |kind, gate, up| match kind {
            0 => {
                let small = (-f64::from(gate).abs()).exp();
                let logistic = if gate < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
                times(f64::from(gate) * logistic, up)
            }
            kind => times(activation(kind, gate), up),
        });
    wrong Gated "gated-swapped" "gates with the other input" =>
        |call| gated(call, |kind, gate, up| times(activation(kind, up), gate));
    wrong Gated "gated-one-gelu" "takes one approximation of GELU for the other" =>
        |call| gated(call, |kind, gate, up| times(activation(if kind == 2 { 1 } else { kind }, gate), up));
    wrong Gated "gated-skips-zeros" "writes zero where the other input is zero, whatever the gate" =>
        |call| gated(call, |kind, gate, up| if up == 0.0 { 0.0 } else { times(activation(kind, gate), up) });
    wrong Gated "gated-quick" "takes x·logistic(1.702 x) for GELU" => |call| gated(call, |kind, gate, up| match kind {
        0 => times(activation(0, gate), up),
        _ => gate / (1.0 + (-1.702 * gate).exp()) * up,
    });
    wrong Gated "gated-clamped" "takes gates beyond 10 for 10" => |call| gated(call, |kind, gate, up| {
        times(activation(kind, if gate.is_nan() { gate } else { gate.clamp(-10.0, 10.0) }), up)
    });
};
