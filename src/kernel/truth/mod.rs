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
    /// Elements that follow each other and share an error, such as that of a row's sum.
    pub shared: usize,
    /// Whether functions are involved whose last bit may lean to one side.
    pub functions: bool,
    /// Rows have to add up to one, within this; none where nothing of the kind holds.
    pub row_sum: Option<f64>,
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
        Op::RmsNorm => Truth::Numbers(rows::rms_norm(case, promise, inputs)),
        Op::LayerNorm => Truth::Numbers(rows::layer_norm(case, promise, inputs)),
        Op::Gated => Truth::Numbers(rows::gated(case, promise, inputs)),
        Op::Rope => Truth::Numbers(rope::truth(case, promise, inputs)),
        Op::Argmax => Truth::Picks(pick::argmax(inputs)),
        Op::TopK => Truth::Picks(pick::top_k(case, inputs)),
        Op::Sample => Truth::Picks(pick::sample(case, promise, inputs)),
    }
}

/// How errors of sums over `n` terms add up, in units: like a random walk, of which so many deviations are allowed. Where
/// all terms are equal, each of n - 1 additions may round to the same side by a unit of the sum so far, and the terms
/// themselves were rounded once: (n + 3)/2 units of the whole, whatever the order.
fn growth(case: &Case, n: usize, deviations: f64) -> f64 {
    let walk = deviations * (n as f64).sqrt();
    if case.data == super::case::Data::Equal { walk.max((n as f64 + 3.0) / 2.0) } else { walk }
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
    use crate::kernel::manifest::{Cells, Layout};
    use crate::kernel::op::Shape;

    fn numbers(op: Op, shape: &str, data: Data) -> (Numbers, Vec<Operand>) {
        let promise = Promise {
            input: DType::F32,
            output: DType::F32,
            weights: vec![DType::F32],
            accumulate: DType::F32,
            int8: false,
            cells: Cells::F32,
            p_round: None,
            exact_angle: true,
            bitwise: true,
            align: 0,
            flush: false,
            masked_zero: false,
            tighten: [1.0; 3],
        };
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
}
