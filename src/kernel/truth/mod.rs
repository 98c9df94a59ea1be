//! The truth of a case, in f64; how far from it a kernel may be, element by element; and what an honest kernel with the
//! declared contract comes to.
//!
//! Bounds are the verifier's own. With u half the distance of neighbours at 1 in the type that sums are kept in
//! (2⁻²⁴ for f32), and half an ulp of the result on top of each:
//!
//! | operation | bound |
//! |---|---|
//! | matmul over K | 2·√K·u·Σ\|ab\|; for quantised weights over the sizes of what they are made from |
//! | softmax over n | y·u·(16 + √n + 2·\|x - max\|), and a row's sum within u·(16 + √n) |
//! | RMSNorm over n | \|y\|·u·(16 + √n) |
//! | LayerNorm over n | u·(32 + 2·√n·κ)·(\|w\|·(1 + \|z\|) + \|b\|), z before weight and bias, κ = 1 + \|μ\|/σ |
//! | RoPE | \|x\|·4u with exact angles; 2u·position·θ more where they are in f32 |
//! | gated | \|y\|·u·(16 + 2·\|g\|), and more for the two GELUs |
//! | attention | (2δ + u·(16 + √n) + u_P)·Σp\|v\|, δ = 2·√D·u·s·max Σ\|qk\| |
//!
//! The references are written for reading. Left out: speed.

pub mod attention;
pub mod matmul;
mod pick;
mod rope;
mod rows;

use std::collections::HashMap;

use bizra_kernels::call::DType;

use super::case::Case;
use super::inputs::Operand;
use super::op::Op;
use super::promise::Promise;

/// Numbers that a kernel may come near to.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Of the output, row-major.
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    /// Without the rounding of the result itself.
    pub bound: Vec<f64>,
    /// What a plain kernel with the declared contract would return.
    pub emulated: Vec<f64>,
    /// How far such kernels scatter about the truth, to first order: where few roundings make nearly all of an error,
    /// one kernel's own may happen to be small. Empty where one kernel shows enough.
    pub scatter: Vec<f64>,
    /// How far all may lean to one side, since a constant that they are made with was rounded once. Empty where there is none.
    pub lean: Vec<f64>,
    /// Elements that follow each other and share an error, such as that of a row's sum.
    pub shared: usize,
    /// Whether functions are involved whose last bit may lean to one side.
    pub functions: bool,
    /// What each row may be off by that has to add up to one; empty where nothing of the kind holds.
    pub row_sum: Vec<f64>,
}

/// Places, which are right or wrong.
#[derive(Clone, Debug, Default)]
pub struct Picks {
    pub shape: Vec<usize>,
    /// For each place, those that are right: the first is the reference's own.
    pub allowed: Vec<Vec<i64>>,
    /// The values that have to stand there, where values are returned too.
    pub values: Option<Vec<f64>>,
    /// Draws whose counts have to fit these probabilities.
    pub probabilities: Option<Vec<f64>>,
}

#[derive(Clone, Debug)]
pub enum Truth {
    Numbers(Numbers),
    Picks(Picks),
}

pub fn of(case: &Case, promise: &Promise, inputs: &[Operand]) -> Truth {
    match case.op() {
        Op::Matmul => Truth::Numbers(matmul::truth(case, promise, inputs)),
        Op::Attention => Truth::Numbers(attention::truth(case, promise, inputs)),
        Op::Softmax => Truth::Numbers(rows::softmax(promise, inputs)),
        Op::RmsNorm => Truth::Numbers(rows::rms_norm(promise, inputs)),
        Op::LayerNorm => Truth::Numbers(rows::layer_norm(promise, inputs)),
        Op::Gated => Truth::Numbers(rows::gated(case, promise, inputs)),
        Op::Rope => Truth::Numbers(rope::truth(case, promise, inputs)),
        Op::Argmax => Truth::Picks(pick::argmax(inputs)),
        Op::TopK => Truth::Picks(pick::top_k(case, inputs)),
        Op::Sample => Truth::Picks(pick::sample(case, promise, inputs)),
    }
}

/// How errors of sums over `n` terms add up, in units of the whole: like a random walk, of which so many deviations are
/// allowed. Of terms that are equal each addition may round to the same side, by a unit of the sum so far: where all are,
/// (n + 3)/2 units, whatever the order, since they were rounded once themselves. Where some are, as many as they are,
/// since the rest of the sum may come first.
fn growth(n: usize, deviations: f64, alike: f64) -> f64 {
    let to_one_side = if alike >= n as f64 { (n as f64 + 3.0) / 2.0 } else { alike };
    to_one_side.max(deviations * (n as f64).sqrt())
}

/// How many of the terms add alike, at most: equal ones, and those that no sum of this size tells apart. Of a term that is
/// less than a unit of the whole no more can be lost than it is.
fn alike(promise: &Promise, whole: f64, terms: impl Iterator<Item = f64>) -> f64 {
    let unit = promise.unit() * whole;
    let mut counts: HashMap<i64, f64> = HashMap::new();
    for term in terms.filter(|term| *term != 0.0) {
        *counts.entry((term / unit / 2.0).round() as i64).or_default() += (term / unit).abs().min(1.0);
    }
    counts.into_values().fold(0.0, f64::max)
}

/// The square, in units of the whole, of what so many equal terms scatter a sum by: to one side within each power of two
/// that the sum passes through.
fn aside(alike: f64) -> f64 {
    alike * alike / 12.0
}

/// `x` in the type that sums are kept in.
fn rounded(promise: &Promise, x: f64) -> f64 {
    super::float::round(promise.accumulate, x)
}

/// A value of a function that is right within one and a half units in the last place: what is expected of good
/// libraries, and no more.
fn function(promise: &Promise, exact: f64, place: usize) -> f64 {
    rounded(promise, exact * (1.0 + slip(promise, exact, place)))
}

/// Between minus three and three times the unit, from the number itself: the same in each run.
fn slip(promise: &Promise, exact: f64, place: usize) -> f64 {
    let mut x = (place as u64).wrapping_add(exact.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let lean = (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    3.0 * lean * promise.unit()
}

/// What storing in this type leaves of `x`; the verifier's own reading of the engine's bytes for keys and values.
fn stored(dtype: DType, x: f64) -> f64 {
    super::float::round(dtype, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::case::Data;
    use crate::kernel::inputs;
    use crate::kernel::manifest::Layout;
    use crate::kernel::op::Shape;

    fn numbers(op: Op, shape: &str, data: Data) -> (Numbers, Vec<Operand>) {
        let promise = Promise::plain();
        let shape = Shape::parse(op, shape).unwrap();
        let case = Case { shape, weights: DType::F32, data, layout: Layout::Plain, threads: 1, seed: 7 };
        let inputs = inputs::build(&case, &promise);
        match of(&case, &promise, &inputs) {
            Truth::Numbers(numbers) => (numbers, inputs),
            Truth::Picks(_) => panic!("{op:?} gives numbers"),
        }
    }

    #[test]
    fn equal_terms_round_to_one_side_and_only_they_have_room_for_it() {
        // One sum after the other, which is honest: 2048 times the same value.
        let (attention, _) = numbers(Op::Attention, "S=1,past=2047,Hkv=1,D=8", Data::Equal);
        let walk = (16.0 + 2048f64.sqrt()) / (16.0 + 2051.0 / 2.0);
        for ((plain, truth), bound) in attention.emulated.iter().zip(&attention.values).zip(&attention.bound) {
            let off = (plain - truth).abs() / bound;
            assert!(off > 2.0 * walk && off < 0.5, "off by {off} of the bound, and a walk is {walk} of it");
        }
        // The same activations meet weights that differ, so that products do.
        let unit = 2f64.powi(-24);
        let (product, inputs) = numbers(Op::Matmul, "M=1,N=1,K=4096", Data::Equal);
        let sizes: f64 = inputs[0].values.iter().zip(&inputs[1].values).map(|(a, b)| (a * b).abs()).sum();
        assert!((product.bound[0] / (2.0 * 64.0 * unit * sizes) - 1.0).abs() < 1e-9);
        // The exponentials of equal numbers are ones, whose sums are exact.
        let (softmax, _) = numbers(Op::Softmax, "R=1,N=4096", Data::Equal);
        assert!((softmax.bound[0] * 4096.0 / unit - 80.0).abs() < 1e-9);
    }

    #[test]
    fn terms_that_are_equal_but_for_a_few_have_room_too() {
        for (op, walk) in [(Op::Softmax, 16.0 + 1000f64.sqrt()), (Op::LayerNorm, 32.0 + 2.0 * 1000f64.sqrt())] {
            let (sparse, _) = numbers(op, "R=16,N=1000", Data::Sparse);
            let off = |i: usize| (sparse.emulated[i] - sparse.values[i]).abs() / sparse.bound[i];
            let worst = (0..sparse.values.len()).map(off).fold(0.0, f64::max);
            // What a plain kernel, which is honest, is off by is more than a walk would allow.
            assert!(worst > walk / 1000.0 && worst < 0.7, "{op:?} {worst}");
        }
        let alike = |terms: [f64; 6]| alike(&Promise::plain(), terms.iter().sum(), terms.into_iter());
        assert_eq!(alike([0.0, 0.0, 0.0, 2.0, -1.0, 2.0]), 2.0);
        // The last bits of near numbers are lost together, and a small one is lost whole.
        assert_eq!(alike([1.0, 1.0 - 1e-8, 1.0 - 2e-8, 1e7, 0.0, 0.0]), 3.0);
        assert_eq!(alike([1e8, 2e-4, 3e-4, 0.0, 0.0, 0.0]), 1.0);
        assert_eq!((growth(6, 1.0, 2.0), growth(6, 1.0, 5.0), growth(6, 1.0, 6.0)), (6f64.sqrt(), 5.0, 4.5));
    }

    #[test]
    fn what_a_gated_product_is_off_by_scatters_as_foretold() {
        for activation in 0..3 {
            let shape = format!("R=64,N=64,activation={activation}");
            let (gated, _) = numbers(Op::Gated, &shape, Data::Spread);
            // Numbers that are kept with fewer digits are off by more.
            let kept = |i: &usize| gated.values[*i].is_finite() && gated.values[*i].abs() > 1e-30;
            let kept: Vec<usize> = (0..gated.values.len()).filter(kept).collect();
            let off = |i: &usize| ((gated.emulated[*i] - gated.values[*i]) / gated.scatter[*i]).powi(2);
            let rms = (kept.iter().map(off).sum::<f64>() / kept.len() as f64).sqrt();
            assert!(kept.len() > 1000 && (0.5..1.1).contains(&rms), "activation {activation}: {rms}");
        }
    }
}
