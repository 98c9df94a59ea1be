//! A case in words and numbers, without any kernel.

use super::case::{Case, Data};
use super::gates;
use super::inputs;
use super::promise::Promise;
use super::truth::{self, Truth};
use super::verify::{Loaded, scale};

/// A tensor that the kernel is given.
pub struct Given {
    pub name: &'static str,
    pub dtype: &'static str,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
    /// The first few.
    pub values: Vec<f64>,
}

/// An element of the answer.
pub struct Expected {
    pub index: Vec<usize>,
    pub truth: f64,
    /// How far an answer may be; of picks, zero.
    pub allowed: f64,
}

pub struct Told {
    pub case: Case,
    pub about: &'static str,
    pub given: Vec<Given>,
    pub params: Vec<(String, f64)>,
    pub expected: Vec<Expected>,
    /// The trivial answer that would pass, if one would.
    pub powerless: Option<&'static str>,
}

const SHOWN: usize = 8;

/// What a kind of data is for.
pub fn about(data: Data) -> &'static str {
    match data {
        Data::Normal => "normal numbers",
        Data::Uniform => "uniform numbers between -1 and 1",
        Data::Lognormal => "numbers of very different sizes",
        Data::Mean10 => "numbers around 10",
        Data::Mean1000 => "numbers around 1000: norms that subtract too late lose their digits",
        Data::Spread => "numbers thirty times as far apart",
        Data::High => "numbers around 10000: a softmax that subtracts no maximum overflows",
        Data::Low => {
            "numbers around -10000, and in other rows far lower ones: a softmax that subtracts no maximum divides by zero, \
             and a maximum that begins with a number of its own stays there"
        }
        Data::Outliers => "normal numbers, and one in fifty 300 times as great",
        Data::Equal => "all the same",
        Data::Denormal => "numbers below the smallest normal one",
        Data::Zeros => "zeros of both signs",
        Data::Sparse => "zeros, and one normal number in a hundred",
        Data::NaN => "a NaN in some rows, also where it meets zero: it has to show where it belongs, and nowhere else",
        Data::Infinity => {
            "an infinity in some rows, also where it meets zero or the other one: it has to show where it belongs, and \
             nowhere else"
        }
        Data::Integers => "whole numbers that add up exactly in any order: the answer has to be equal",
        Data::Needle => "one value that dominates, at ends, at edges of blocks, and just outside of what may be seen",
        Data::OneHot => "a single one among zeros",
        Data::Permutation => "distinct numbers in a random order",
        Data::Scaled => "one operand times a great power of two, or its inverse",
        Data::Ties => "many equal numbers: the lower index comes first",
        Data::Sorted => "sorted rows, downwards and upwards: who stops early stops wrongly",
        Data::Weightless => {
            "keys whose scores are minus infinity, whole blocks of them: infinity less itself is no number"
        }
        Data::Tail => {
            "one value leads, and thousands of others, each a trifle beside it, have a good part of the weight together"
        }
        Data::Draws => "draws from one distribution, enough to count",
    }
}

pub fn explain(case: &Case, promise: &Promise) -> Told {
    use super::run::ParamValue::{Float, Integer};
    let inputs = inputs::build(case, promise);
    let truth = truth::of(case, promise, &inputs);
    let loaded = Loaded { kernel: 0, promise: promise.clone(), workspace: 0 };
    let scale = scale(&loaded, case);
    let expected = match &truth {
        Truth::Numbers(numbers) => {
            let all = numbers.values.iter().zip(&numbers.bound).take(SHOWN).enumerate();
            all.map(|(at, (truth, bound))| Expected {
                index: gates::index(&numbers.shape, at),
                truth: *truth,
                allowed: scale.allowed(*bound, *truth),
            })
            .collect()
        }
        Truth::Picks(picks) => {
            let all = picks.allowed.iter().take(SHOWN).enumerate();
            let one = |(at, allowed): (usize, &Vec<i64>)| Expected {
                index: gates::index(&picks.shape, at),
                truth: allowed.first().map_or(f64::NAN, |i| *i as f64),
                allowed: 0.0,
            };
            all.map(one).collect()
        }
    };
    Told {
        about: about(case.data),
        given: inputs
            .iter()
            .map(|i| Given {
                name: i.slot.name,
                dtype: i.slot.dtype.word(),
                shape: i.tensor.shape.clone(),
                strides: i.tensor.strides.clone(),
                values: i.values.iter().take(SHOWN).copied().collect(),
            })
            .collect(),
        params: inputs::params(case)
            .into_iter()
            .map(|(key, value)| match value {
                Integer(i) => (key, i as f64),
                Float(f) => (key, f),
            })
            .collect(),
        expected,
        powerless: gates::trivial(scale, &truth, &inputs[0].values, &[]),
        case: case.clone(),
    }
}
