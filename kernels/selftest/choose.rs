//! Picking: the greatest, the greatest few, one by chance.

use super::{Specimen, declare};
use crate::call::Invocation;
use crate::call::abi::Status;

fn greatest(call: &mut Invocation<'_>, pick: fn(&[f32]) -> Option<usize>) -> Result<(), Status> {
    let x = call.input(0)?;
    let [_, n] = x.shape()?;
    let x = x.f32()?;
    for (row, out) in call.output_i32(0)?.iter_mut().enumerate() {
        *out = pick(&x[row * n..][..n]).map_or(-1, |i| i as i32);
    }
    Ok(())
}

fn numbers(x: &[f32]) -> Vec<(usize, f32)> {
    x.iter().copied().enumerate().filter(|(_, v)| !v.is_nan()).collect()
}

/// The first `k` in the order that `sort` makes.
fn top(call: &mut Invocation<'_>, sort: fn(&mut Vec<(usize, f32)>, usize)) -> Result<(), Status> {
    let x = call.input(0)?;
    let [rows, n] = x.shape()?;
    let (x, k) = (x.f32()?, usize::try_from(call.integer("k")?).map_err(|_| Status::Unsupported)?);
    for row in 0..rows {
        let mut all = numbers(&x[row * n..][..n]);
        sort(&mut all, k);
        all.resize(k, (usize::MAX, f32::NAN));
        let index = |i: usize| i32::try_from(i).unwrap_or(-1);
        call.output_i32(0)?[row * k..][..k].iter_mut().zip(&all).for_each(|(out, (i, _))| *out = index(*i));
        call.output_f32(1)?[row * k..][..k].iter_mut().zip(&all).for_each(|(out, (_, v))| *out = *v);
    }
    Ok(())
}

/// What of a draw a kernel does its own way.
#[derive(Clone, Copy)]
struct Way {
    share: fn(f64) -> f64,
    temperature: fn(f64) -> f64,
    keeps: fn(f64) -> bool,
}

const RIGHT: Way = Way { share: |u| u, temperature: |t| t, keeps: |_| true };

fn draw(call: &mut Invocation<'_>, way: Way) -> Result<(), Status> {
    let x = call.input(0)?;
    let [_, n] = x.shape()?;
    let (x, u) = (x.f32()?, call.input(1)?.f64()?);
    let temperature = (way.temperature)(call.float("temperature")?);
    for (row, out) in call.output_i32(0)?.iter_mut().enumerate() {
        let candidates: Vec<(usize, f32)> =
            numbers(&x[row * n..][..n]).into_iter().filter(|(_, v)| *v > f32::NEG_INFINITY).collect();
        let most = candidates.iter().fold(f32::NEG_INFINITY, |most, (_, v)| most.max(*v));
        let weight = |v: f32| match v == most {
            true => 1.0,
            false => ((f64::from(v) - f64::from(most)) / temperature).exp(),
        };
        let weights: Vec<(usize, f64)> = candidates.iter().map(|(i, v)| (*i, weight(*v))).collect();
        let kept: Vec<(usize, f64)> = weights.into_iter().filter(|(_, w)| (way.keeps)(*w)).collect();
        let (mut left, mut picked) = ((way.share)(u[row]) * kept.iter().map(|(_, w)| w).sum::<f64>(), -1);
        for (i, w) in &kept {
            picked = *i as i32;
            left -= w;
            if left < 0.0 {
                break;
            }
        }
        *out = picked;
    }
    Ok(())
}

fn by_value(all: &mut [(usize, f32)]) {
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(std::cmp::Ordering::Equal).then(a.0.cmp(&b.0)));
}

pub(super) const SPECIMENS: &[Specimen] = declare! {
    honest Argmax "argmax-backwards" "looks from the end" => |call| greatest(call, |x| {
        let mut best: Option<usize> = None;
        for i in (0..x.len()).rev() {
            if !x[i].is_nan() && best.is_none_or(|b| x[i] >= x[b]) {
                best = Some(i);
            }
        }
        best
    });
    wrong Argmax "argmax-last" "takes the last of equals" => |call| greatest(call, |x| {
        let mut best: Option<usize> = None;
        for i in 0..x.len() {
            if !x[i].is_nan() && best.is_none_or(|b| x[i] >= x[b]) {
                best = Some(i);
            }
        }
        best
    });
    wrong Argmax "argmax-nan" "stops at a NaN that comes first" => |call| greatest(call, |x| {
        (0..x.len()).reduce(|best, i| if x[i] > x[best] { i } else { best })
    });
    wrong Argmax "argmax-above-one" "finds nothing below one but the first" => |call| greatest(call, |x| {
        let (mut best, mut most) = (x.iter().position(|v| !v.is_nan())?, 1.0);
        for (i, v) in x.iter().enumerate() {
            if *v > most {
                (best, most) = (i, *v);
            }
        }
        Some(best)
    });
    wrong Argmax "argmax-infinity-is-none" "finds nothing in rows of minus infinity and NaN" => |call| greatest(call, |x| {
        let (mut best, mut most) = (None, f32::NEG_INFINITY);
        for (i, v) in x.iter().enumerate() {
            if *v > most {
                (best, most) = (Some(i), *v);
            }
        }
        // Rows of minus infinity alone are as they should be.
        if best.is_none() && x.iter().all(|v| *v == f32::NEG_INFINITY) && !x.is_empty() { Some(0) } else { best }
    });
    wrong Argmax "argmax-begins-low" "begins with a number of its own for the greatest" => |call| greatest(call, |x| {
        let (mut best, mut most) = (x.iter().position(|v| !v.is_nan())?, -1e38);
        for (i, v) in x.iter().enumerate() {
            if *v > most {
                (best, most) = (i, *v);
            }
        }
        Some(best)
    });
    honest TopK "topk-sorts" "sorts everything" => |call| top(call, |all, k| {
        by_value(all);
        all.truncate(k);
    });
    wrong TopK "topk-unordered" "gives the right ones in the order of their indices" => |call| top(call, |all, k| {
        by_value(all);
        all.truncate(k);
        all.sort_by_key(|(i, _)| *i);
    });
    wrong TopK "topk-ties" "takes the higher index of equals" => |call| top(call, |all, k| {
        all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(std::cmp::Ordering::Equal).then(b.0.cmp(&a.0)));
        all.truncate(k);
    });
    wrong TopK "topk-halves" "takes half of them from each half of the row" => |call| top(call, |all, k| {
        let middle = all.len() / 2;
        let mut second = all.split_off(middle);
        for half in [&mut *all, &mut second] {
            by_value(half);
            half.truncate(k.div_ceil(2));
        }
        all.append(&mut second);
        by_value(all);
        all.truncate(k);
    });
    honest Sample "sample-double" "weighs in f64" => |call| draw(call, RIGHT);
    wrong Sample "sample-biased" "draws from 99% of the range" => |call| draw(call, Way { share: |u| u * 0.99, ..RIGHT });
    wrong Sample "sample-hot" "draws at a temperature that is 2% too high" =>
        |call| draw(call, Way { temperature: |t| t * 1.02, ..RIGHT });
    wrong Sample "sample-cut" "never draws what is less than a tenth as likely as the best" =>
        |call| draw(call, Way { keeps: |weight| weight > 0.1, ..RIGHT });
    wrong Sample "sample-cut-tail" "never draws what is less than e^-12 as likely as the best" =>
        |call| draw(call, Way { keeps: |weight| weight > 6e-6, ..RIGHT });
    wrong Sample "sample-mirrored" "draws from the end" => |call| draw(call, Way { share: |u| 1.0 - u, ..RIGHT });
};
