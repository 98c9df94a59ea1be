//! Pairs turned by angles that grow with the position.

use super::super::case::Case;
use super::super::float;
use super::super::inputs::{self, Operand};
use super::super::promise::Promise;
use super::{Numbers, function, rounded};

pub(super) fn truth(case: &Case, promise: &Promise, inputs: &[Operand]) -> Numbers {
    let shape = &case.shape;
    let (positions, heads, dim) = (shape.size("S"), shape.size("H"), shape.size("D"));
    let (turned, first, base) = (inputs::turned(shape), shape.get("first"), shape.get("base") as f64);
    let unit = promise.unit();
    let x = &inputs[0].values;
    let mut numbers = Numbers {
        shape: vec![positions, heads, dim],
        values: x.clone(),
        bound: vec![0.0; x.len()],
        emulated: x.clone(),
        scatter: Vec::new(),
        shared: 1,
        functions: true,
        lean: Vec::new(),
        row_sum: Vec::new(),
    };
    for p in 0..positions {
        for i in 0..turned / 2 {
            let theta = base.powf(-2.0 * i as f64 / turned as f64);
            let position = (first + p as i64) as f64;
            let (sin, cos) = (position * theta).sin_cos();
            for h in 0..heads {
                let at = (p * heads + h) * dim;
                let (a, b) = match shape.get("halves") {
                    0 => (at + 2 * i, at + 2 * i + 1),
                    _ => (at + i, at + i + turned / 2),
                };
                let (u, v) = (x[a], x[b]);
                (numbers.values[a], numbers.values[b]) = (u * cos - v * sin, u * sin + v * cos);
                let of_angle = if promise.exact_angle { 0.0 } else { 2.0 * unit * position * theta };
                let bound = u.hypot(v) * (4.0 * unit + of_angle);
                (numbers.bound[a], numbers.bound[b]) = (bound, bound);
                let (sin, cos) = (function(promise, sin, i), function(promise, cos, i + dim));
                let product = |x: f64, y: f64| rounded(promise, x * y);
                numbers.emulated[a] = float::round(promise.output, product(u, cos) - product(v, sin));
                numbers.emulated[b] = float::round(promise.output, product(u, sin) + product(v, cos));
            }
        }
    }
    // An infinity that is turned is one or no number; neither has a distance to anything.
    numbers.bound.iter_mut().filter(|b| !b.is_finite()).for_each(|b| *b = 0.0);
    numbers
}
