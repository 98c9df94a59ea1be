//! How fast each pair of a head turns with the position, under each of the scaling rules.
//!
//! RoPE is Su et al. 2021, YaRN Peng et al. 2023, LongRoPE Ding et al. 2024; the rule of Llama 3.1 is as its authors
//! published it with the weights.

use std::f64::consts::TAU;

use bizra_kernels::rope;

use super::config::{LongRopeLists, Rope, RopeScaling};
use super::fault::InferError;

/// Angles per position, and what multiplies their sines and cosines.
#[derive(Clone, Debug, PartialEq)]
pub struct Turns {
    pub frequencies: Vec<f64>,
    pub magnitude: f32,
}

/// Tensors that hold divisors, where the file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Divisors {
    pub all: Option<Vec<f32>>,
    pub short: Option<Vec<f32>>,
    pub long: Option<Vec<f32>>,
}

impl Turns {
    /// For layers that see everything, in a context of that many positions: long rope has two sets of divisors.
    pub fn full(rope: &Rope, divisors: &Divisors, context: usize) -> Result<Turns, InferError> {
        let mut turns = Turns { frequencies: rope::frequencies(f64::from(rope.base), rope.dims), magnitude: 1.0 };
        if let Some(all) = &divisors.all {
            turns.divide("rope_freqs.weight", all)?;
        }
        match &rope.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => turns.frequencies.iter_mut().for_each(|f| *f /= f64::from(*factor)),
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let (factor, low, high) =
                    (f64::from(*factor), f64::from(*low_freq_factor), f64::from(*high_freq_factor));
                for f in &mut turns.frequencies {
                    let turned = *original_context as f64 * *f / TAU;
                    let kept = ((turned - low) / (high - low)).clamp(0.0, 1.0);
                    *f = kept * *f + (1.0 - kept) * *f / factor;
                }
            }
            RopeScaling::Yarn { factor, original_context, ext_factor, attn_factor, beta_fast, beta_slow } => {
                let (dims, base) = (rope.dims as f64, f64::from(rope.base));
                let pair_that_turns =
                    |times: f32| dims * (*original_context as f64 / (f64::from(times) * TAU)).ln() / (2.0 * base.ln());
                let first = pair_that_turns(*beta_fast).floor().max(0.0);
                let last = pair_that_turns(*beta_slow).ceil().min(dims - 1.0);
                for (i, f) in turns.frequencies.iter_mut().enumerate() {
                    let ramp = ((i as f64 - first) / (last - first).max(0.001)).clamp(0.0, 1.0);
                    let kept = (1.0 - ramp) * f64::from(*ext_factor);
                    *f = kept * *f + (1.0 - kept) * *f / f64::from(*factor);
                }
                let grown = if *ext_factor == 0.0 { 1.0 } else { 1.0 + 0.1 * factor.ln() };
                turns.magnitude = attn_factor * grown;
            }
            RopeScaling::LongRope { original_context, attn_factor, lists } => {
                let long = context > *original_context;
                match lists {
                    LongRopeLists::Given { short, long: beyond } => {
                        turns.divide("the list of rope factors", if long { beyond } else { short })?;
                    }
                    LongRopeLists::Tensors => {
                        let (name, list) = if long {
                            ("rope_factors_long.weight", &divisors.long)
                        } else {
                            ("rope_factors_short.weight", &divisors.short)
                        };
                        let list = list.as_ref().ok_or_else(|| InferError::MissingTensor { name: name.to_owned() })?;
                        turns.divide(name, list)?;
                    }
                }
                turns.magnitude = *attn_factor;
            }
        }
        turns.check()
    }

    /// For layers with a window, where those have a base of their own.
    pub fn windowed(rope: &Rope) -> Result<Option<Turns>, InferError> {
        let Some(base) = rope.window_base else { return Ok(None) };
        Turns { frequencies: rope::frequencies(f64::from(base), rope.dims), magnitude: 1.0 }.check().map(Some)
    }

    fn divide(&mut self, name: &'static str, by: &[f32]) -> Result<(), InferError> {
        for (index, (f, by)) in self.frequencies.iter_mut().zip(by).enumerate() {
            if !(by.is_finite() && *by > 0.0) {
                return Err(InferError::RopeFactors { name, index, value: f64::from(*by) });
            }
            *f /= f64::from(*by);
        }
        Ok(())
    }

    fn check(self) -> Result<Turns, InferError> {
        match self.frequencies.iter().position(|f| !(f.is_finite() && *f > 0.0)) {
            None => Ok(self),
            Some(index) => {
                let value = self.frequencies[index];
                Err(InferError::RopeFactors { name: "the frequencies of rope", index, value })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::config::RopeLayout;

    fn rope(scaling: RopeScaling) -> Rope {
        Rope { base: 10_000.0, window_base: None, dims: 8, layout: RopeLayout::Half, scaling, factors: false }
    }

    fn full(scaling: RopeScaling, context: usize) -> Turns {
        Turns::full(&rope(scaling), &Divisors::default(), context).unwrap()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() <= 1e-6 * e, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn unscaled_and_linear() {
        close(&full(RopeScaling::None, 10).frequencies, &[1.0, 0.1, 0.01, 0.001]);
        close(&full(RopeScaling::Linear { factor: 8.0 }, 10).frequencies, &[0.125, 0.0125, 0.00125, 0.000125]);
    }

    #[test]
    fn llama3_keeps_fast_turns_divides_slow_ones_and_blends_between() {
        let scaling =
            RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 1600 };
        // Turns in 1600 positions: 254.6, 25.5, 2.546, 0.2546; the third keeps (2.546 - 1)/3 = 0.5155 of itself.
        let blended = 0.01 * (0.515_493 + 0.484_507 / 8.0);
        close(&full(scaling, 10).frequencies, &[1.0, 0.1, blended, 0.000125]);
    }

    #[test]
    fn yarn_ramps_between_the_two_betas_and_raises_the_magnitude() {
        let scaling = RopeScaling::Yarn {
            factor: 4.0,
            original_context: 2048,
            ext_factor: 1.0,
            attn_factor: 1.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
        };
        // 8·ln(2048/(32·2π))/(2·ln 10000) = 1.008 and 8·ln(2048/2π)/(2·ln 10000) = 2.513: the ramp goes from 1 to 3.
        let turns = full(scaling, 10);
        close(&turns.frequencies, &[1.0, 0.1, 0.01 * (0.5 + 0.5 / 4.0), 0.00025]);
        assert!((turns.magnitude - 1.138_629_4).abs() < 1e-6);
    }

    #[test]
    fn long_rope_chooses_its_list_by_the_context() {
        let lists = LongRopeLists::Given { short: vec![1.0, 2.0, 1.0, 1.0], long: vec![4.0, 4.0, 4.0, 8.0] };
        let scaling = RopeScaling::LongRope { original_context: 100, attn_factor: 1.19, lists };
        close(&full(scaling.clone(), 100).frequencies, &[1.0, 0.05, 0.01, 0.001]);
        close(&full(scaling.clone(), 101).frequencies, &[0.25, 0.025, 0.0025, 0.000125]);
        assert_eq!(full(scaling, 5).magnitude, 1.19);
    }

    #[test]
    fn divisors_that_are_no_positive_numbers_are_refused() {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let divisors = Divisors { all: Some(vec![1.0, bad, 1.0, 1.0]), ..Divisors::default() };
            let error = Turns::full(&rope(RopeScaling::None), &divisors, 10).unwrap_err();
            assert!(matches!(error, InferError::RopeFactors { name: "rope_freqs.weight", index: 1, .. }));
        }
        let scaling = RopeScaling::LongRope { original_context: 100, attn_factor: 1.0, lists: LongRopeLists::Tensors };
        let error = Turns::full(&rope(scaling), &Divisors::default(), 10).unwrap_err();
        assert_eq!(error, InferError::MissingTensor { name: "rope_factors_short.weight".into() });
    }
}
