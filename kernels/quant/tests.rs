//! Blocks worked out by hand, and what a format restores of what was put in.

use super::*;
use crate::testing::noise;

#[test]
fn every_format_restores_what_it_can_hold() {
    let x = noise(1024, 1);
    let rms = (x.iter().map(|v| v * v).sum::<f32>() / 1024.0).sqrt();
    // Relative errors that formats of that many bits reach with plain rounding.
    let bounds = [0.0, 3e-4, 3e-3, 6e-3, 0.10, 0.10, 0.05, 0.05, 0.45, 0.25, 0.10, 0.05, 0.03];
    for (format, bound) in Format::ALL.into_iter().zip(bounds) {
        let mut bytes = vec![0xaa; format.bytes(1024).unwrap()];
        quantize(format, &x, &mut bytes).unwrap();
        let mut y = vec![f32::NAN; 1024];
        dequantize(format, &bytes, &mut y).unwrap();
        let error = (x.iter().zip(&y).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 1024.0).sqrt() / rms;
        assert!(error <= bound, "{format}: {error} > {bound}");
    }
}

#[test]
fn names_and_numbers_go_back_and_forth() {
    for format in Format::ALL {
        assert_eq!(Format::from_ggml_type(format.ggml_type()), Some(format));
        assert_eq!(Format::parse(format.name()), Some(format));
    }
    assert_eq!(Format::from_ggml_type(4), None);
    assert_eq!(Format::parse("Q9_Z"), None);
}

#[test]
fn wrong_lengths_are_refused() {
    assert!(matches!(dequantize(Format::Q4_0, &[0; 17], &mut [0.0; 32]), Err(Error::Length { .. })));
    assert!(matches!(dequantize(Format::Q4_K, &[0; 144], &mut [0.0; 255]), Err(Error::Block { .. })));
    assert!(matches!(quantize(Format::Q8_0, &[0.0; 32], &mut [0; 33]), Err(Error::Length { .. })));
    assert!(Format::F32.bytes(usize::MAX).is_err());
}

/// Blocks worked out by hand from the formats' definitions.
#[test]
fn known_blocks() {
    let one = half::f16::from_f32(1.0).to_le_bytes();
    let check = |format: Format, block: &[u8], expected: &dyn Fn(usize) -> f32| {
        let mut y = vec![0.0; format.block_len()];
        dequantize(format, block, &mut y).unwrap();
        for (j, y) in y.iter().enumerate() {
            assert_eq!(*y, expected(j), "{format} column {j}");
        }
    };
    let with = |bytes: &[(usize, u8)], len: usize, d: usize| {
        let mut b = vec![0; len];
        b[d..d + 2].copy_from_slice(&one);
        for (at, v) in bytes {
            b[*at] = *v;
        }
        b
    };
    check(Format::Q4_0, &with(&[(2, 0x9f)], 18, 0), &|j| match j {
        0 => 7.0,
        16 => 1.0,
        _ => -8.0,
    });
    check(Format::Q5_0, &with(&[(5, 0x80), (21, 0x30)], 22, 0), &|j| if j == 31 { 3.0 } else { -16.0 });
    check(Format::Q8_0, &with(&[(33, 0x80)], 34, 0), &|j| if j == 31 { -128.0 } else { 0.0 });
    // Sub-block 5 of Q4_K: scale 0b10_0011 = 35 with its high bits in byte 1 of the scales.
    check(Format::Q4_K, &with(&[(4 + 1, 0b1000_0000), (4 + 9, 0x03), (16 + 64 + 7, 0x20)], 144, 0), &|j| {
        if j == 5 * 32 + 7 { 70.0 } else { 0.0 }
    });
    // Column 200 of Q6_K: half 1, third quarter (high nibble), high bits 2: 32 + 5 - 32 = 5, times scale -3.
    check(Format::Q6_K, &with(&[(64 + 8, 0x50), (128 + 32 + 8, 0x20), (192 + 12, 253)], 210, 208), &|j| match j {
        200 => -15.0,
        192..=207 => 96.0,
        _ => 0.0,
    });
    // Column 40 of Q3_K: value 3 - 4 without its high bit, scale index 2 = 33 - 32.
    check(Format::Q3_K, &with(&[(32 + 8, 0x0c), (96 + 2, 1), (104 + 2, 2)], 110, 108), &|j| match j {
        40 => -1.0,
        32..=47 => -4.0,
        _ => 128.0,
    });
    check(Format::Q2_K, &with(&[(16 + 32 + 1, 0xc0), (14, 0x02)], 84, 80), &|j| if j == 225 { 6.0 } else { 0.0 });
}

/// Half floats with all their values below 2048 exact: what the formulas below need no rounding for.
fn half(x: f32) -> [u8; 2] {
    half::f16::from_f32(x).to_le_bytes()
}

/// Values of all sizes, with zeros, ties and repeated largest values among them.
fn varied(blocks: usize) -> Vec<f32> {
    let mut x = noise(32 * blocks, 9);
    for (at, block) in x.chunks_exact_mut(32).enumerate() {
        let size = [1.0, 1e-3, 40.0, 1e-8, 3e4][at % 5];
        block.iter_mut().for_each(|x| *x *= size);
        match at % 7 {
            1 => block.fill(0.0),
            2 => block[17] = -block[3],
            3 => block.iter_mut().enumerate().for_each(|(j, x)| *x = (j as f32 - 16.0) / 2.0),
            4 => block.fill(-0.75),
            _ => {}
        }
    }
    x
}

/// The two formats as ggml's reference defines them, written once more from that definition.
#[test]
fn blocks_of_32_are_the_references_to_the_byte() {
    let x = varied(700);
    for (block, bytes) in x.chunks_exact(32).zip(encoded(Format::Q8_0, &x).chunks_exact(34)) {
        let largest = block.iter().map(|x| x.abs()).fold(0.0, f32::max);
        let scale = largest / 127.0;
        let inverse = if scale != 0.0 { 1.0 / scale } else { 0.0 };
        let mut expected = half(scale).to_vec();
        for x in block {
            let scaled = f64::from(x * inverse);
            // Halves go away from zero.
            let whole = if scaled < 0.0 { (scaled - 0.5).ceil() } else { (scaled + 0.5).floor() };
            expected.push(whole as i8 as u8);
        }
        assert_eq!(bytes, expected, "{block:?}");
    }
    for (block, bytes) in x.chunks_exact(32).zip(encoded(Format::Q4_0, &x).chunks_exact(18)) {
        // The first of the largest, with its sign, becomes -8.
        let mut largest = 0.0_f32;
        for x in block {
            if x.abs() > largest.abs() {
                largest = *x;
            }
        }
        let scale = largest / -8.0;
        let inverse = if scale != 0.0 { 1.0 / scale } else { 0.0 };
        let quant = |x: f32| (x * inverse + 8.5).floor().min(15.0) as u8;
        let mut expected = half(scale).to_vec();
        expected.extend((0..16).map(|j| quant(block[j]) | quant(block[16 + j]) << 4));
        assert_eq!(bytes, expected, "{block:?}");
    }
}

fn encoded(format: Format, x: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0xaa; format.bytes(x.len()).unwrap()];
    quantize_well(format, x, &mut bytes).unwrap();
    bytes
}

fn squared_error(format: Format, x: &[f32], bytes: &[u8]) -> f64 {
    let mut y = vec![f32::NAN; x.len()];
    dequantize(format, bytes, &mut y).unwrap();
    x.iter().zip(&y).map(|(x, y)| f64::from(x - y).powi(2)).sum()
}

/// The search that ggml makes for Q4_K without an importance matrix: 21 ways to round, each with the line that fits best
/// by weights of `√mean(x²) + |x|`, then scales and minima rounded to six bits. Returns the values that it stores.
fn reference_q4_k(x: &[f32]) -> Vec<f32> {
    let mut lines = Vec::new();
    for sub in x.chunks_exact(32) {
        let mean = (sub.iter().map(|x| x * x).sum::<f32>() / 32.0).sqrt();
        let weights: Vec<f32> = sub.iter().map(|x| mean + x.abs()).collect();
        let (low, high) = sub.iter().fold((0.0_f32, f32::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        if high <= low {
            lines.push((0.0, -low));
            continue;
        }
        let cost = |q: &[f32], scale: f32, min: f32| -> f32 {
            q.iter().zip(sub).zip(&weights).map(|((q, x), w)| w * (scale * q + min - x).powi(2)).sum()
        };
        let round = |inverse: f32| -> Vec<f32> {
            sub.iter().map(|x| (inverse * (x - low)).round_ties_even().clamp(0.0, 15.0)).collect()
        };
        let mut best = ((high - low) / 15.0, low);
        let mut least = cost(&round(15.0 / (high - low)), best.0, best.1);
        for step in 0..=20 {
            let q = round((-1.0 + 0.1 * step as f32 + 15.0) / (high - low));
            let sum = |f: &dyn Fn(usize) -> f32| (0..32).map(|i| weights[i] * f(i)).sum::<f32>();
            let (sw, sx) = (sum(&|_| 1.0), sum(&|i| sub[i]));
            let (sq, sqq, sxq) = (sum(&|i| q[i]), sum(&|i| q[i] * q[i]), sum(&|i| q[i] * sub[i]));
            let spread = sw * sqq - sq * sq;
            if spread > 0.0 {
                let mut line = ((sw * sxq - sx * sq) / spread, (sqq * sx - sq * sxq) / spread);
                if line.1 > 0.0 {
                    line = (sxq / sqq, 0.0);
                }
                let this = cost(&q, line.0, line.1);
                if this < least {
                    (least, best) = (this, line);
                }
            }
        }
        lines.push((best.0, -best.1));
    }
    let most = |of: fn(&(f32, f32)) -> f32| lines.iter().map(of).fold(0.0, f32::max);
    let (scale, min) = (most(|l| l.0), most(|l| l.1));
    let [d, dmin] = [scale, min].map(|x| half::f16::from_f32(x / 63.0).to_f32());
    let six = |x: f32, most: f32| if most > 0.0 { (63.0 / most * x).round_ties_even().min(63.0) } else { 0.0 };
    let subs = x.chunks_exact(32).zip(&lines);
    subs.flat_map(|(sub, line)| {
        let (s, m) = (d * six(line.0, scale), dmin * six(line.1, min));
        sub.iter().map(move |x| if s == 0.0 { -m } else { s * ((x + m) / s).round_ties_even().clamp(0.0, 15.0) - m })
    })
    .collect()
}

#[test]
fn q4_k_errs_no_more_than_the_reference() {
    let plain = noise(256 * 64, 3);
    let mut heavy = noise(256 * 64, 4);
    heavy.iter_mut().for_each(|x| *x = *x * *x * *x * 5.0);
    let mut shifted = noise(256 * 64, 5);
    shifted.iter_mut().for_each(|x| *x += 0.8);
    let mut outliers = noise(256 * 64, 6);
    outliers.iter_mut().step_by(97).for_each(|x| *x *= 30.0);
    let mut uneven = noise(256 * 64, 7);
    uneven.iter_mut().enumerate().for_each(|(at, x)| *x *= 2.0_f32.powi((at / 32 % 8) as i32));
    for (name, x) in
        [("plain", plain), ("heavy", heavy), ("shifted", shifted), ("outliers", outliers), ("uneven", uneven)]
    {
        let ours = squared_error(Format::Q4_K, &x, &encoded(Format::Q4_K, &x));
        let stored = x.chunks_exact(256).flat_map(reference_q4_k);
        let theirs: f64 = x.iter().zip(stored).map(|(x, y)| f64::from(x - y).powi(2)).sum();
        assert!(ours <= theirs, "{name}: {ours} against {theirs}");
        let mut bytes = vec![0; Format::Q4_K.bytes(x.len()).unwrap()];
        quantize(Format::Q4_K, &x, &mut bytes).unwrap();
        assert!(ours < squared_error(Format::Q4_K, &x, &bytes), "{name}: no better than without a search");
    }
}

#[test]
fn q4_k_holds_what_it_can_hold() {
    for x in
        [vec![0.0; 256], vec![-1.5; 256], vec![2.0; 256], (0..256).map(|j| if j == 7 { 1.0 } else { 0.0 }).collect()]
    {
        let bytes = encoded(Format::Q4_K, &x);
        let mut y = vec![f32::NAN; 256];
        dequantize(Format::Q4_K, &bytes, &mut y).unwrap();
        for (x, y) in x.iter().zip(&y) {
            assert!((x - y).abs() <= 2e-3 * x.abs(), "{x} {y}");
        }
    }
}
