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
