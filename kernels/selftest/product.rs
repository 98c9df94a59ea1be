//! Products of matrices, y = x wᵀ: sums in every order that is honest, and in precisions that are not what is declared.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use half::{bf16, f16};

use super::{Specimen, declare, dot};
use crate::call::Invocation;
use crate::call::abi::Status;

/// What a product is made of.
pub(super) struct Sizes {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
}

pub(super) fn operands<'c>(call: &Invocation<'c>) -> Result<(Sizes, &'c [f32], &'c [f32]), Status> {
    let (x, w) = (call.input(0)?, call.input(1)?);
    let ([m, k], [n, _]) = (x.shape()?, w.shape()?);
    Ok((Sizes { m, k, n }, x.f32()?, w.f32()?))
}

/// Each output by a sum of products of its own.
pub(super) fn product(call: &mut Invocation<'_>, sum: impl Fn(&[f32], &[f32]) -> f32) -> Result<(), Status> {
    let (Sizes { m, k, n }, x, w) = operands(call)?;
    let out = call.output_f32(0)?;
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = sum(&x[i * k..][..k], &w[j * k..][..k]);
        }
    }
    Ok(())
}

/// The right product, changed afterwards; the output is the second argument.
pub(super) fn spoiled(call: &mut Invocation<'_>, spoil: impl Fn(&Sizes, &mut [f32])) -> Result<(), Status> {
    product(call, dot)?;
    let (sizes, ..) = operands(call)?;
    spoil(&sizes, call.output_f32(0)?);
    Ok(())
}

fn pairwise(a: &[f32], b: &[f32]) -> f32 {
    match a.len() {
        0 => 0.0,
        1 => a[0] * b[0],
        n => pairwise(&a[..n / 2], &b[..n / 2]) + pairwise(&a[n / 2..], &b[n / 2..]),
    }
}

/// Kahan (1965).
fn compensated(a: &[f32], b: &[f32]) -> f32 {
    let (mut sum, mut lost) = (0f32, 0f32);
    for (a, b) in a.iter().zip(b) {
        let term = a * b - lost;
        let next = sum + term;
        // An infinite sum has lost nothing that a number could say.
        lost = if next.is_finite() { (next - sum) - term } else { 0.0 };
        sum = next;
    }
    sum
}

fn reversed(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).rev().fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

fn blocked(a: &[f32], b: &[f32]) -> f32 {
    a.chunks(64).zip(b.chunks(64)).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()).sum()
}

fn double(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

fn split(a: &[f32], b: &[f32], parts: usize) -> f32 {
    let share = a.len().div_ceil(parts).max(1);
    a.chunks(share).zip(b.chunks(share)).map(|(a, b)| dot(a, b)).sum()
}

fn strided(a: &[f32], b: &[f32]) -> f32 {
    (0..7).map(|lane| a.iter().zip(b).skip(lane).step_by(7).fold(0f32, |sum, (a, b)| a.mul_add(*b, sum))).sum()
}

/// Keeps so many bits of a number's fraction, rounded to nearest.
fn rounded(x: f32, bits: u32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let cut = 23 - bits;
    let half = 1u32 << (cut - 1);
    f32::from_bits(x.to_bits().wrapping_add(half) & !((1 << cut) - 1))
}

/// To eight bits with one scale, as quantised activations are.
fn quantised(x: &[f32]) -> Vec<f32> {
    let most = x.iter().fold(0f32, |most, x| most.max(x.abs()));
    let scale = most / 127.0;
    x.iter().map(|x| if scale > 0.0 { (x / scale).round() * scale } else { *x }).collect()
}

fn is_prime(n: usize) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Leaves the last row to nobody with more threads than these.
fn product_but_one_row(call: &mut Invocation<'_>, most: usize) -> Result<(), Status> {
    let threads = call.threads();
    let (sizes, x, w) = operands(call)?;
    let out = call.output_f32(0)?;
    for i in 0..sizes.m - usize::from(threads > most && sizes.m > 1) {
        for j in 0..sizes.n {
            out[i * sizes.n + j] = dot(&x[i * sizes.k..][..sizes.k], &w[j * sizes.k..][..sizes.k]);
        }
    }
    Ok(())
}

pub(super) const SPECIMENS: &[Specimen] = declare! {
    honest Matmul "product-pairwise" "sums pairwise" => |call| product(call, pairwise);
    honest Matmul "product-kahan" "sums with compensation" => |call| product(call, compensated);
    honest Matmul "product-reversed" "sums from the end, fused" => |call| product(call, reversed);
    honest Matmul "product-blocked" "sums in blocks of 64" => |call| product(call, blocked);
    honest Matmul "product-unfused" "rounds products before it adds them" =>
        |call| product(call, |a, b| a.iter().zip(b).map(|(a, b)| a * b).fold(0.0, |sum, term| sum + term));
    honest Matmul "product-double" "sums in f64" => |call| product(call, double);
    honest Matmul "product-split" "sums four parts of K apart" => |call| product(call, |a, b| split(a, b, 4));
    honest Matmul "product-strided" "sums in seven interleaved lanes" => |call| product(call, strided);
    wrong Matmul "product-f16-sums" "accumulates in f16" => |call| product(call, |a, b| {
        a.iter().zip(b).fold(f16::ZERO, |sum, (a, b)| f16::from_f32(a.mul_add(*b, sum.to_f32()))).to_f32()
    });
    wrong Matmul "product-bf16-sums" "rounds its sums to bf16 after every 16 products" => |call| product(call, |a, b| {
        let terms = a.chunks(16).zip(b.chunks(16)).map(|(a, b)| dot(a, b));
        terms.fold(bf16::ZERO, |sum, term| bf16::from_f32(sum.to_f32() + term)).to_f32()
    });
    wrong Matmul "product-tf32-inputs" "rounds its inputs to ten bits" => |call| product(call, |a, b| {
        a.iter().zip(b).fold(0.0, |sum, (a, b)| rounded(*a, 10).mul_add(rounded(*b, 10), sum))
    });
    wrong Matmul "product-bf16-output" "rounds its output to bf16" =>
        |call| product(call, |a, b| bf16::from_f32(dot(a, b)).to_f32());
    wrong Matmul "product-int8-inputs" "rounds its activations to eight bits" =>
        |call| product(call, |a, b| dot(&quantised(a), b));
    wrong Matmul "product-f16-inputs" "rounds its weights to f16" => |call| product(call, |a, b| {
        a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(f16::from_f32(*b).to_f32(), sum))
    });
    wrong Matmul "product-scaled" "multiplies its output by 0.999" =>
        |call| spoiled(call, |_, out| out.iter_mut().for_each(|y| *y *= 0.999));
    wrong Matmul "product-shifted" "adds a millionth of the greatest output to all" => |call| spoiled(call, |_, out| {
        let most = out.iter().fold(0f32, |most, y| most.max(y.abs()));
        out.iter_mut().for_each(|y| *y += most * 1e-6);
    });
    wrong Matmul "product-zeros" "writes zeros" => |call| spoiled(call, |_, out| out.fill(0.0));
    wrong Matmul "product-mean" "writes the mean of the right output" => |call| spoiled(call, |_, out| {
        let mean = out.iter().map(|y| f64::from(*y)).sum::<f64>() / out.len().max(1) as f64;
        out.fill(mean as f32);
    });
    wrong Matmul "product-copy" "copies its input as far as it goes" => |call| {
        let (_, x, _) = operands(call)?;
        let out = call.output_f32(0)?;
        out.iter_mut().zip(x.iter().cycle()).for_each(|(y, x)| *y = *x);
        Ok(())
    };
    wrong Matmul "product-few-zeros" "zeroes every 2500th output" => |call| spoiled(call, |_, out| {
        out.iter_mut().skip(1250).step_by(2500).for_each(|y| *y = 0.0);
    });
    wrong Matmul "product-one-tile" "doubles one tile of 16 by 16" => |call| spoiled(call, |sizes, out| {
        if sizes.m >= 32 && sizes.n >= 32 {
            for row in out.chunks_exact_mut(sizes.n).skip(16).take(16) {
                row[16..32].iter_mut().for_each(|y| *y *= 1.0 + 2e-5);
            }
        }
    });
    wrong Matmul "product-odd-rest" "leaves the last product out where K is odd" =>
        |call| product(call, |a, b| dot(&a[..a.len() & !1], &b[..b.len() & !1]));
    wrong Matmul "product-prime" "is wrong where N is a prime above 30" => |call| spoiled(call, |sizes, out| {
        if sizes.n > 30 && is_prime(sizes.n) {
            out.iter_mut().skip(sizes.n - 1).step_by(sizes.n).for_each(|y| *y *= 1.5);
        }
    });
    wrong Matmul "product-long-k" "stops after 2048 products" =>
        |call| product(call, |a, b| dot(&a[..a.len().min(2048)], &b[..b.len().min(2048)]));
    wrong Matmul "product-square" "transposes its output where it is square" => |call| spoiled(call, |sizes, out| {
        if sizes.m == sizes.n {
            let right = out.to_vec();
            (0..out.len()).for_each(|at| out[at] = right[at % sizes.n * sizes.n + at / sizes.n]);
        }
    });
    wrong Matmul "product-whole-tiles" "writes whole tiles of 16 columns only" => |call| {
        let (sizes, x, w) = operands(call)?;
        let (out, whole) = (call.output_f32(0)?, sizes.n / 16 * 16);
        for i in 0..sizes.m {
            for j in 0..whole {
                out[i * sizes.n + j] = dot(&x[i * sizes.k..][..sizes.k], &w[j * sizes.k..][..sizes.k]);
            }
        }
        Ok(())
    };
    wrong Matmul "product-misaligned" "leaves the first product out where its input is not aligned to 16 bytes" => |call| {
        let from = usize::from(!call.input(0)?.address().is_multiple_of(16));
        product(call, |a, b| dot(&a[from.min(a.len())..], &b[from.min(b.len())..]))
    };
    wrong Matmul "product-threads" "leaves the last row to nobody with more than one thread" =>
        |call| product_but_one_row(call, 1);
    wrong Matmul "product-many-threads" "leaves the last row to nobody with more than three threads" =>
        |call| product_but_one_row(call, 3);
    wrong Matmul "product-by-threads" "sums in an order that depends on the threads, and says bitwise" => |call| {
        let threads = call.threads();
        product(call, |a, b| split(a, b, threads))
    };
    wrong Matmul "product-by-turns" "sums in another order at every other call, and says bitwise" => |call| {
        let is_odd = CALLS.fetch_add(1, Relaxed) % 2 == 1;
        product(call, if is_odd { reversed } else { dot })
    };
    wrong Matmul "product-nan-is-zero" "takes NaN for zero" => |call| product(call, |a, b| {
        let kept = |x: f32| if x.is_nan() { 0.0 } else { x };
        a.iter().zip(b).fold(0.0, |sum, (a, b)| kept(*a).mul_add(kept(*b), sum))
    });
    wrong Matmul "product-skips-zeros" "leaves out what is multiplied by a zero of the weights" => |call| product(call, |a, b| {
        a.iter().zip(b).fold(0.0, |sum, (a, b)| if *b == 0.0 { sum } else { a.mul_add(*b, sum) })
    });
    wrong Matmul "product-over-claims" "claims to be five times as fast as what it is"
        [claim "ratio >= 5 over product-plain"] => |call| product(call, dot);
    wrong Matmul "product-barely-over-claims" "claims to be a fifth faster than what it is"
        [claim "+20% over product-plain"] => |call| product(call, dot);
    wrong Matmul "product-bandwidth" "claims the memory's whole bandwidth for a slow sum"
        [claim "fraction_of_bandwidth >= 0.9"] => |call| product(call, compensated);
};
