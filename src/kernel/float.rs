//! Numbers of the small formats: to them, from them, and how far apart they lie.

use bizra_kernels::call::DType;
use half::{bf16, f16};

/// Bits of the fraction, the leading one included.
pub fn precision(dtype: DType) -> i32 {
    match dtype {
        DType::F16 => 11,
        DType::BF16 => 8,
        DType::F64 => 53,
        _ => 24,
    }
}

/// The exponent of the smallest normal number.
fn least_exponent(dtype: DType) -> i32 {
    match dtype {
        DType::F16 => -14,
        DType::F64 => -1022,
        _ => -126,
    }
}

/// The greatest finite value.
pub fn greatest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => f64::from(bf16::MAX.to_f32()),
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// The smallest normal value.
pub fn smallest_normal(dtype: DType) -> f64 {
    2f64.powi(least_exponent(dtype))
}

/// Half the distance of neighbours around `x`.
pub fn half_ulp(dtype: DType, x: f64) -> f64 {
    if !x.is_finite() || x == 0.0 {
        return 2f64.powi(least_exponent(dtype) - precision(dtype));
    }
    let exponent = (((x.to_bits() >> 52) & 0x7ff) as i32 - 1023).max(least_exponent(dtype));
    2f64.powi(exponent - precision(dtype))
}

/// `x` as this type keeps it.
pub fn round(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F16 => f64::from(f16::from_f64(x)),
        DType::BF16 => f64::from(bf16::from_f64(x)),
        DType::F32 => f64::from(x as f32),
        _ => x,
    }
}

/// Appends `x` in this type's bytes.
pub fn encode(dtype: DType, x: f64, to: &mut Vec<u8>) {
    match dtype {
        DType::F16 => to.extend_from_slice(&f16::from_f64(x).to_le_bytes()),
        DType::BF16 => to.extend_from_slice(&bf16::from_f64(x).to_le_bytes()),
        DType::F64 => to.extend_from_slice(&x.to_le_bytes()),
        DType::I32 => to.extend_from_slice(&(x as i32).to_le_bytes()),
        _ => to.extend_from_slice(&(x as f32).to_le_bytes()),
    }
}

/// All values of a tensor without gaps.
pub fn decode(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        DType::F16 => bytes.as_chunks().0.iter().map(|b| f64::from(f16::from_le_bytes(*b))).collect(),
        DType::BF16 => bytes.as_chunks().0.iter().map(|b| f64::from(bf16::from_le_bytes(*b))).collect(),
        DType::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        DType::I32 => bytes.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
        _ => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_two_half_ulps_apart() {
        for x in [1.0f32, 1.5, 3.0e-40, 1.0e-45, 7.0e30, f32::MIN_POSITIVE] {
            let up = f32::from_bits(x.to_bits() + 1);
            assert_eq!(f64::from(up) - f64::from(x), 2.0 * half_ulp(DType::F32, f64::from(x)), "{x:e}");
        }
        let x = f16::from_f32(0.1);
        let up = f16::from_bits(x.to_bits() + 1);
        assert_eq!(f64::from(up) - f64::from(x), 2.0 * half_ulp(DType::F16, f64::from(x)));
    }

    #[test]
    fn formats_have_their_limits() {
        let of = |dtype| (precision(dtype), greatest(dtype), smallest_normal(dtype), half_ulp(dtype, 0.0));
        assert_eq!(of(DType::F16), (11, 65504.0, 2f64.powi(-14), 2f64.powi(-25)));
        assert_eq!(of(DType::BF16), (8, 255.0 * 2f64.powi(120), 2f64.powi(-126), 2f64.powi(-134)));
        assert_eq!(of(DType::F32), (24, f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE), 2f64.powi(-150)));
        assert_eq!(of(DType::F64), (53, f64::MAX, f64::MIN_POSITIVE, 0.0));
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            assert_eq!(half_ulp(DType::F16, odd), 2f64.powi(-25));
        }
        assert_eq!(half_ulp(DType::F64, -1.5), f64::EPSILON / 2.0);
        assert_eq!(half_ulp(DType::BF16, -3.0), 2f64.powi(-7));
    }

    #[test]
    fn rounding_goes_to_the_nearest_and_the_even() {
        assert_eq!(round(DType::F16, 1.0 + 2f64.powi(-11)), 1.0);
        assert_eq!(round(DType::BF16, 1.0 + 3.0 * 2f64.powi(-8)), 1.0 + 2f64.powi(-6));
        assert_eq!(round(DType::F32, 1.0 + 2f64.powi(-24) * 1.5), 1.0 + 2f64.powi(-23));
        assert_eq!(round(DType::F64, 0.1), 0.1);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = vec![9];
        encode(DType::I32, -2.0, &mut bytes);
        assert_eq!(bytes, [9, 254, 255, 255, 255]);
        encode(DType::I32, 7.0, &mut bytes);
        assert_eq!(decode(DType::I32, &bytes[1..]), [-2.0, 7.0]);
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            for x in [0.0, -0.0, 1.0, -2.5, f64::INFINITY, 65504.0, 3.0e-5] {
                let mut bytes = Vec::new();
                encode(dtype, x, &mut bytes);
                assert_eq!(bytes.len(), dtype.block().1);
                assert_eq!(decode(dtype, &bytes)[0].to_bits(), round(dtype, x).to_bits());
            }
        }
    }
}
