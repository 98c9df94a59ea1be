//! What a manifest's contract comes to, with every default filled in.

use bizra_kernels::call::DType;

use super::manifest::{Accumulate, Activations, Angle, Cells, Denormals, Manifest, MaskedRow, Repeats, Rounding};
use super::op::{Op, Types};

#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    pub input: DType,
    pub output: DType,
    /// Types of weights; of operations without weights, the input's.
    pub weights: Vec<DType>,
    pub accumulate: DType,
    /// Whether activations are rounded to int8 before they meet quantised weights.
    pub int8: bool,
    pub cells: Cells,
    /// What probabilities are rounded to.
    pub p_round: Option<DType>,
    /// Whether angles are computed in f64.
    pub exact_angle: bool,
    pub bitwise: bool,
    /// Bytes; 0 is one element.
    pub align: usize,
    pub flush: bool,
    pub masked_zero: bool,
    /// Factors on the three gates, at most 1.
    pub tighten: [f64; 3],
}

impl Promise {
    pub fn of(manifest: &Manifest) -> Promise {
        let contract = &manifest.contract;
        let input = contract.r#in.as_ref().map_or(DType::F32, |d| d.value);
        let weights: Vec<DType> = contract.weights.iter().map(|d| d.value).collect();
        let factor = |name: &str| {
            let tighten = manifest.tolerance.as_ref().and_then(|t| t.tighten.get(name));
            tighten.map_or(1.0, |factor| factor.value.0)
        };
        Promise {
            input,
            output: contract.out.as_ref().map_or(DType::F32, |d| d.value),
            weights: if manifest.op() == Op::Matmul && !weights.is_empty() { weights } else { vec![input] },
            accumulate: match contract.accumulate.as_ref().map(|a| a.value) {
                Some(Accumulate::F16) => DType::F16,
                Some(Accumulate::BF16) => DType::BF16,
                Some(Accumulate::F64) => DType::F64,
                Some(Accumulate::F32) | None => DType::F32,
            },
            int8: contract.activations.as_ref().is_some_and(|a| a.value == Activations::Int8),
            cells: contract.kv.as_ref().map_or(Cells::F32, |c| c.value),
            p_round: match contract.p_round.as_ref().map(|p| p.value) {
                Some(Rounding::F16) => Some(DType::F16),
                Some(Rounding::BF16) => Some(DType::BF16),
                Some(Rounding::None) | None => None,
            },
            exact_angle: contract.angle.as_ref().is_none_or(|a| a.value == Angle::F64),
            bitwise: contract.deterministic.as_ref().is_none_or(|d| d.value == Repeats::Bitwise),
            align: contract.align.as_ref().map_or(0, |a| a.value as usize),
            flush: contract.denormals.as_ref().is_some_and(|d| d.value == Denormals::Flush),
            masked_zero: contract
                .special
                .as_ref()
                .and_then(|s| s.masked_row.as_ref())
                .is_some_and(|m| m.value == MaskedRow::Zero),
            tighten: ["g1", "g2", "g3"].map(factor),
        }
    }

    /// All in f32, nothing asked for that is special.
    #[cfg(test)]
    pub fn plain() -> Promise {
        Promise {
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
        }
    }

    pub fn types(&self, weights: DType) -> Types {
        Types { input: self.input, output: self.output, weights }
    }

    /// Half the distance of neighbours at 1, of the type that sums are kept in.
    pub fn unit(&self) -> f64 {
        2f64.powi(-super::float::precision(self.accumulate))
    }
}

#[cfg(test)]
mod tests;
