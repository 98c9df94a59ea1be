//! What blocks of quantised weights mean, in f64, and blocks to test with: the verifier's own reading of the formats.
//!
//! After the block layouts of GGML (ggml-common.h), written without a look at the engine's decoder, so that the two can
//! be held against each other.

use bizra_kernels::call::DType;
use half::f16;

/// A weight and the size of what it was made from: formats with minima subtract two numbers that may be far greater
/// than their difference, and kernels that keep them apart round each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    pub value: f64,
    pub size: f64,
}

fn half(bytes: &[u8], at: usize) -> f64 {
    f64::from(f16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Six-bit scale and minimum `j` of eight, packed into twelve bytes.
fn scale_min(packed: &[u8], j: usize) -> (f64, f64) {
    let (scale, min) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        ((packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4), (packed[j + 4] >> 4) | (packed[j] >> 6 << 4))
    };
    (f64::from(scale), f64::from(min))
}

/// The weights of one block.
pub fn decode(dtype: DType, b: &[u8], out: &mut Vec<Weight>) {
    let mut put = |product: f64, less: f64| {
        out.push(Weight { value: product - less, size: product.abs() + less.abs() });
    };
    // In the formats of 32, the low nibbles come first.
    let nibble = |from: usize, i: usize| b[from + i % 16] >> (i / 16 * 4) & 15;
    let fifth = |from: usize, i: usize| b[from + i / 8] >> (i % 8) & 1;
    match dtype {
        DType::Q8_0 => (0..32).for_each(|i| put(half(b, 0) * f64::from(b[2 + i] as i8), 0.0)),
        DType::Q4_0 => (0..32).for_each(|i| put(half(b, 0) * (f64::from(nibble(2, i)) - 8.0), 0.0)),
        DType::Q4_1 => (0..32).for_each(|i| put(half(b, 0) * f64::from(nibble(4, i)), -half(b, 2))),
        DType::Q5_0 => (0..32).for_each(|i| {
            let q = nibble(6, i) | fifth(2, i) << 4;
            put(half(b, 0) * (f64::from(q) - 16.0), 0.0);
        }),
        DType::Q5_1 => (0..32).for_each(|i| {
            let q = nibble(8, i) | fifth(4, i) << 4;
            put(half(b, 0) * f64::from(q), -half(b, 2));
        }),
        DType::Q4_K | DType::Q5_K => (0..256).for_each(|i| {
            let (scale, min) = scale_min(&b[4..16], i / 32);
            let low = if dtype == DType::Q4_K { 16 } else { 48 };
            let mut q = b[low + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
            if dtype == DType::Q5_K {
                q |= (b[16 + i % 32] >> (i / 32) & 1) << 4;
            }
            put(half(b, 0) * scale * f64::from(q), half(b, 2) * min);
        }),
        DType::Q6_K => (0..256).for_each(|i| {
            let (part, place) = (i / 128, i % 128);
            let low = b[part * 64 + place % 64] >> (place / 64 * 4) & 15;
            let high = b[128 + part * 32 + place % 32] >> (place / 32 * 2) & 3;
            let q = f64::from(low | high << 4) - 32.0;
            put(half(b, 208) * f64::from(b[192 + i / 16] as i8) * q, 0.0);
        }),
        DType::Q2_K => (0..256).for_each(|i| {
            let q = b[16 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
            let both = b[i / 16];
            put(half(b, 80) * f64::from(both & 15) * f64::from(q), half(b, 82) * f64::from(both >> 4));
        }),
        DType::Q3_K => (0..256).for_each(|i| {
            let low = b[32 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
            let high = b[i % 32] >> (i / 32) & 1;
            let q = f64::from(low | high << 2) - 4.0;
            let j = i / 16;
            let nibble = if j < 8 { b[96 + j] & 15 } else { b[96 + j - 8] >> 4 };
            let scale = nibble | (b[104 + j % 4] >> (j / 4 * 2) & 3) << 4;
            put(half(b, 108) * (f64::from(scale) - 32.0) * q, 0.0);
        }),
        _ => {}
    }
}

/// Where a block has its common factors, in halves.
fn factors(dtype: DType) -> &'static [usize] {
    match dtype {
        DType::Q8_0 | DType::Q4_0 | DType::Q5_0 => &[0],
        DType::Q4_1 | DType::Q5_1 | DType::Q4_K | DType::Q5_K => &[0, 2],
        DType::Q6_K => &[208],
        DType::Q2_K => &[80, 82],
        DType::Q3_K => &[108],
        _ => &[],
    }
}

/// Makes a block of random bytes one whose weights are of the size of `scale`.
pub fn tame(dtype: DType, block: &mut [u8], scale: f64) {
    // Quanta and their scales within a block are about so great.
    let greatest = match dtype {
        DType::Q8_0 => 64.0,
        DType::Q4_0 | DType::Q4_1 => 8.0,
        DType::Q5_0 | DType::Q5_1 => 16.0,
        DType::Q4_K => 8.0 * 32.0,
        DType::Q5_K => 16.0 * 32.0,
        DType::Q6_K => 16.0 * 64.0,
        DType::Q2_K => 2.0 * 8.0,
        _ => 2.0 * 16.0,
    };
    for (n, at) in factors(dtype).iter().enumerate() {
        // The minimum's factor: about half of what the greatest quantum is worth.
        let share = match (n, dtype) {
            (0, _) => 1.0,
            (_, DType::Q4_1 | DType::Q5_1) => -greatest,
            _ => greatest / 64.0,
        };
        let spread = 0.5 + f64::from(block[(at + 7) % block.len()]) / 255.0;
        block[*at..at + 2].copy_from_slice(&f16::from_f64(scale / greatest * share * spread).to_le_bytes());
    }
}

/// A block whose weights are these whole numbers, where the format can hold them exactly with a factor of one.
pub fn whole(dtype: DType, values: &[i32], block: &mut [u8]) -> bool {
    block.fill(0);
    let one = f16::ONE.to_le_bytes();
    match dtype {
        DType::Q8_0 => {
            block[..2].copy_from_slice(&one);
            block[2..].iter_mut().zip(values).for_each(|(b, v)| *b = *v as i8 as u8);
        }
        DType::Q4_0 => {
            block[..2].copy_from_slice(&one);
            for (i, v) in values.iter().enumerate() {
                block[2 + i % 16] |= ((v + 8).clamp(0, 15) as u8) << (i / 16 * 4);
            }
        }
        DType::Q6_K => {
            block[208..210].copy_from_slice(&one);
            block[192..208].fill(1);
            for (i, v) in values.iter().enumerate() {
                let q = (v + 32).clamp(0, 63) as u8;
                let (part, place) = (i / 128, i % 128);
                block[part * 64 + place % 64] |= (q & 15) << (place / 64 * 4);
                block[128 + part * 32 + place % 32] |= (q >> 4) << (place / 32 * 2);
            }
        }
        DType::Q4_K => {
            // Scales of one, no minima: quanta from 0 to 15.
            block[..2].copy_from_slice(&one);
            (0..4).for_each(|j| block[4 + j] = 1);
            (8..12).for_each(|j| block[4 + j] = 1);
            for (i, v) in values.iter().enumerate() {
                block[16 + i / 64 * 32 + i % 32] |= (v.unsigned_abs() as u8 & 15) << (i / 32 % 2 * 4);
            }
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use bizra_kernels::Format;

    #[test]
    fn both_readings_of_each_format_agree() {
        let mut seed = 1u64;
        let mut byte = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 56) as u8
        };
        for dtype in DType::ALL.iter().filter(|d| d.is_quantised()) {
            let (len, bytes) = dtype.block();
            for _ in 0..50 {
                let mut block: Vec<u8> = (0..bytes).map(|_| byte()).collect();
                tame(*dtype, &mut block, 1.0);
                let mut ours = Vec::new();
                decode(*dtype, &block, &mut ours);
                let mut theirs = vec![0f32; len];
                let format = Format::from_ggml_type(*dtype as u32).unwrap();
                bizra_kernels::dequantize(format, &block, &mut theirs).unwrap();
                assert_eq!(ours.len(), len);
                for (a, b) in ours.iter().zip(theirs) {
                    assert!((a.value - f64::from(b)).abs() <= a.size * 2f64.powi(-22), "{dtype:?}: {a:?} {b}");
                }
                let rms = (ours.iter().map(|w| w.value * w.value).sum::<f64>() / len as f64).sqrt();
                assert!((0.05..5.0).contains(&rms), "{dtype:?}: {rms}");
            }
        }
    }

    #[test]
    fn whole_numbers_come_back() {
        for dtype in [DType::Q8_0, DType::Q4_0, DType::Q6_K, DType::Q4_K] {
            let (len, bytes) = dtype.block();
            let least = if dtype == DType::Q4_K { 0 } else { -7 };
            let values: Vec<i32> = (0..len as i32).map(|i| least + i * 5 % 8).collect();
            let mut block = vec![0; bytes];
            assert!(whole(dtype, &values, &mut block));
            let mut read = Vec::new();
            decode(dtype, &block, &mut read);
            assert!(read.iter().zip(&values).all(|(w, v)| w.value == f64::from(*v)), "{dtype:?}");
        }
    }

    #[test]
    fn minima_are_subtracted_and_their_size_counts() {
        let f16s = |numbers: [f64; 2]| numbers.map(|x| f16::from_f64(x).to_le_bytes()).concat();
        let read = |dtype: DType, block: &[u8]| {
            let mut read = Vec::new();
            decode(dtype, block, &mut read);
            read
        };
        // The lower nibble of the first byte is the first weight, its upper one the seventeenth.
        let mut block = [0x5a; 20];
        block[..4].copy_from_slice(&f16s([2.0, -3.0]));
        let weights = read(DType::Q4_1, &block);
        assert_eq!(weights[0], Weight { value: 17.0, size: 23.0 });
        assert_eq!(weights[16], Weight { value: 7.0, size: 13.0 });
        let mut block = [0x21; 144];
        block[..4].copy_from_slice(&f16s([2.0, 0.5]));
        block[4..16].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0, 0, 0]);
        let weights = read(DType::Q4_K, &block);
        // Scale 1 and minimum 5 for the first thirty-two; 10 and 9 for the fifth.
        assert_eq!(weights[0], Weight { value: 2.0 - 2.5, size: 4.5 });
        assert_eq!(weights[32], Weight { value: 2.0 * 2.0 * 2.0 - 3.0, size: 11.0 });
        assert_eq!(weights[128], Weight { value: 20.0 - 4.5, size: 24.5 });
        let plain = read(DType::Q8_0, &[&f16s([2.0, 0.0])[..2], &[0xfd; 32]].concat());
        assert_eq!(plain[0], Weight { value: -6.0, size: 6.0 });
    }

    #[test]
    fn blocks_are_tamed_by_their_common_factors() {
        let tamed = |dtype: DType, noise: u8| -> Vec<f64> {
            let mut block = vec![noise; dtype.block().1];
            tame(dtype, &mut block, 1.0);
            factors(dtype).iter().map(|at| half(&block, *at)).collect()
        };
        let expected: [(DType, &[f64]); 10] = [
            (DType::Q8_0, &[1.0 / 64.0]),
            (DType::Q4_0, &[1.0 / 8.0]),
            (DType::Q4_1, &[1.0 / 8.0, -1.0]),
            (DType::Q5_0, &[1.0 / 16.0]),
            (DType::Q5_1, &[1.0 / 16.0, -1.0]),
            (DType::Q4_K, &[1.0 / 256.0, 1.0 / 64.0]),
            (DType::Q5_K, &[1.0 / 512.0, 1.0 / 64.0]),
            (DType::Q6_K, &[1.0 / 1024.0]),
            (DType::Q2_K, &[1.0 / 16.0, 1.0 / 64.0]),
            (DType::Q3_K, &[1.0 / 32.0]),
        ];
        for (dtype, factors) in expected {
            // From half of it to one and a half, by what the block holds.
            assert_eq!(tamed(dtype, 0), factors.iter().map(|f| f / 2.0).collect::<Vec<_>>(), "{dtype:?}");
            assert_eq!(tamed(dtype, 255), factors.iter().map(|f| f * 1.5).collect::<Vec<_>>(), "{dtype:?}");
        }
    }

    #[test]
    fn numbers_that_a_format_lacks_become_its_nearest() {
        for (dtype, least, most) in [(DType::Q4_0, -8, 7), (DType::Q6_K, -32, 31)] {
            let (len, bytes) = dtype.block();
            let values: Vec<i32> =
                (0..len as i32).map(|i| [least - 1, least, most, most + 1][i as usize % 4]).collect();
            let mut block = vec![0xff; bytes];
            assert!(whole(dtype, &values, &mut block));
            let mut read = Vec::new();
            decode(dtype, &block, &mut read);
            assert!(read.iter().zip(&values).all(|(w, v)| w.value == f64::from(*v.clamp(&least, &most))), "{dtype:?}");
        }
        let mut block = [1; 84];
        assert!(!whole(DType::Q2_K, &[1; 256], &mut block));
    }
}
