//! What the tests of several kernels share.

use crate::Level;

/// Values that look normal enough, the same for the same seed.
pub(crate) fn noise(n: usize, mut seed: u64) -> Vec<f32> {
    seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut uniform = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| (0..4).map(|_| uniform()).sum()).collect()
}

/// Bit patterns, all NaNs alike.
pub(crate) fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|v| if v.is_nan() { 0x7fc0_0000 } else { v.to_bits() }).collect()
}

/// Runs the same at every level of this machine, checks that the bits agree, and returns the scalar twin's answer.
pub(crate) fn each_level(run: impl Fn(Level) -> Vec<f32>) -> Vec<f32> {
    let scalar = run(Level::SCALAR);
    for level in Level::available().into_iter().skip(1) {
        let other = run(level);
        let differs = bits(&scalar).iter().zip(bits(&other)).position(|(a, b)| *a != b);
        if let Some(at) = differs {
            panic!("{level} differs from scalar at {at}: {} and {}", other[at], scalar[at]);
        }
        assert_eq!(scalar.len(), other.len());
    }
    scalar
}
