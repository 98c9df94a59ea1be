//! A case: one shape filled with one kind of data, in one layout, from one seed. Its text replays it.

use std::fmt;

use bizra_kernels::call::DType;

use super::manifest::Layout;
use super::op::{Op, Shape};
use crate::plan::read::Scalar;

/// What the tensors hold. The first ones are distributions, which stand for the data that kernels meet; the rest are
/// probes, each made to show one kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Data {
    Normal,
    Uniform,
    Lognormal,
    /// Around 10 and around 1000: norms that subtract too late.
    Mean10,
    Mean1000,
    /// Thirty times as far apart.
    Spread,
    High,
    Low,
    Outliers,
    Equal,
    Denormal,
    Zeros,
    Sparse,
    NaN,
    Infinity,
    /// Whole numbers whose products add up exactly in f32: the answer has to be equal, bit for bit.
    Integers,
    /// One value dominates: at ends, at edges of blocks and windows, and just outside of what may be seen.
    Needle,
    OneHot,
    Permutation,
    /// Times 2³⁰ or 2⁻³⁰.
    Scaled,
    /// Many equal values, so that ties decide.
    Ties,
    /// From the greatest down in every other row, and up in the rest: who stops early stops wrongly.
    Sorted,
    /// Scores of minus infinity for all keys before the queries, so that whole blocks of keys have no weight.
    Weightless,
    /// One value leads, and the others, each a trifle beside it, have a good part of the weight together.
    Tail,
    /// A million draws from one distribution.
    Draws,
}

const WORDS: &[(Data, &str)] = &[
    (Data::Normal, "normal"),
    (Data::Uniform, "uniform"),
    (Data::Lognormal, "lognormal"),
    (Data::Mean10, "mean-10"),
    (Data::Mean1000, "mean-1000"),
    (Data::Spread, "spread"),
    (Data::High, "high"),
    (Data::Low, "low"),
    (Data::Outliers, "outliers"),
    (Data::Equal, "equal"),
    (Data::Denormal, "denormal"),
    (Data::Zeros, "zeros"),
    (Data::Sparse, "sparse"),
    (Data::NaN, "nan"),
    (Data::Infinity, "infinity"),
    (Data::Integers, "integers"),
    (Data::Needle, "needle"),
    (Data::OneHot, "one-hot"),
    (Data::Permutation, "permutation"),
    (Data::Scaled, "scaled"),
    (Data::Ties, "ties"),
    (Data::Sorted, "sorted"),
    (Data::Weightless, "weightless"),
    (Data::Tail, "tail"),
    (Data::Draws, "draws"),
];

impl Data {
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(data, _)| *data == self).map_or("", |(_, word)| word)
    }

    pub fn parse(word: &str) -> Option<Data> {
        WORDS.iter().find(|(_, w)| *w == word).map(|(data, _)| *data)
    }

    pub fn is_probe(self) -> bool {
        self >= Data::NaN
    }

    /// Whether errors are of a kind that can be compared in numbers: no special values, no exact answers.
    pub fn is_statistical(self) -> bool {
        self < Data::Equal || matches!(self, Data::Sparse | Data::Needle | Data::Scaled)
    }

    /// The distributions that an operation is tried with.
    pub fn distributions(op: Op) -> &'static [Data] {
        use Data::*;
        match op {
            Op::RmsNorm | Op::LayerNorm => {
                &[Normal, Uniform, Lognormal, Mean10, Mean1000, Spread, Outliers, Equal, Denormal, Zeros, Sparse]
            }
            Op::Softmax | Op::Sample => {
                &[Normal, Uniform, Lognormal, Spread, High, Low, Outliers, Equal, Denormal, Zeros, Sparse]
            }
            Op::Attention => &[Normal, Uniform, Lognormal, Spread, Outliers, Equal, Zeros, Sparse],
            Op::Argmax | Op::TopK => &[Normal, Uniform, Lognormal, High, Low, Outliers, Equal, Denormal, Zeros, Sparse],
            _ => &[Normal, Uniform, Lognormal, Mean10, Spread, Outliers, Equal, Denormal, Zeros, Sparse],
        }
    }

    /// The probes that say something about an operation.
    pub fn probes(op: Op) -> &'static [Data] {
        use Data::*;
        match op {
            Op::Matmul => &[NaN, Infinity, Integers, Needle, OneHot, Permutation, Scaled],
            Op::Attention => &[NaN, Infinity, Needle, OneHot, Scaled, Weightless],
            Op::Softmax => &[NaN, Infinity, Needle, OneHot, Permutation, Sorted],
            Op::RmsNorm | Op::LayerNorm => &[NaN, Infinity, Needle, OneHot, Scaled],
            Op::Rope | Op::Gated => &[NaN, Infinity, OneHot, Permutation, Scaled],
            Op::Argmax | Op::TopK => &[NaN, Infinity, Needle, Permutation, Ties, Sorted],
            Op::Sample => &[NaN, Infinity, Needle, Sorted, Tail, Draws],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    pub shape: Shape,
    /// Of a matrix product; else the type of the input.
    pub weights: DType,
    pub data: Data,
    pub layout: Layout,
    pub threads: u32,
    pub seed: u64,
}

impl Case {
    /// The case in a text such as `matmul/M=3,N=17,K=64/q8_0/normal/plain/t2/9f3a…`.
    pub fn parse(text: &str) -> Option<Case> {
        let parts: Vec<&str> = text.split('/').collect();
        let [op, shape, weights, data, layout, threads, seed] = parts.as_slice() else { return None };
        let op = Op::parse(op)?;
        Some(Case {
            shape: Shape::parse(op, shape)?,
            weights: DType::parse(weights)?,
            data: Data::parse(data)?,
            layout: <Layout as Scalar>::parse(layout, true).ok()?,
            threads: threads.strip_prefix('t')?.parse().ok().filter(|t| (1..=1024).contains(t))?,
            seed: u64::from_str_radix(seed, 16).ok()?,
        })
    }

    pub fn op(&self) -> Op {
        self.shape.op
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}/t{}/{:016x}",
            self.shape.op.word(),
            self.shape,
            self.weights.word(),
            self.data.word(),
            self.layout.word(),
            self.threads,
            self.seed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for text in [
            "matmul/M=3,N=17,K=64/q4_K/normal/plain/t2/00000000deadbeef",
            "attention/S=5,Hkv=2,D=64/f32/needle/offset/t1/0000000000000000",
        ] {
            assert_eq!(Case::parse(text).map(|c| c.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "matmul/M=3/f32/normal/plain/t1/0", "softmax/R=1,N=1/f32/normal/plain/1/0", "a/b/c/d/e/f/g"] {
            assert_eq!(Case::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_kind_of_data_has_a_word_and_an_operation() {
        for (data, word) in WORDS {
            assert_eq!(Data::parse(word), Some(*data));
            let used = |op: &Op| Data::distributions(*op).contains(data) || Data::probes(*op).contains(data);
            assert!(Op::ALL.iter().any(used), "{word}");
        }
    }
}
