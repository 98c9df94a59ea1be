//! Products against their definition in f64, every level and arrangement against the scalar twin, and refusals.

use super::*;
use crate::quant::quantize;
use crate::testing::{each_level, noise};
use proptest::prelude::*;

fn encoded(format: Format, x: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; format.bytes(x.len()).unwrap()];
    quantize(format, x, &mut bytes).unwrap();
    bytes
}

fn decoded(format: Format, bytes: &[u8], len: usize) -> Vec<f32> {
    let mut x = vec![0.0; len];
    crate::dequantize(format, bytes, &mut x).unwrap();
    x
}

/// What the activations become in int8, worked out from the definition.
fn rounded(x: &[f32]) -> Vec<f64> {
    let block = |x: &[f32]| -> Vec<f64> {
        let most = x.iter().fold(0f32, |m, v| m.max(v.abs()));
        let (scale, inverse) = if most < 1e-30 { (0.0, 0.0) } else { (most / 127.0, 127.0 / most) };
        x.iter().map(|v| f64::from((v * inverse).round_ties_even()) * f64::from(scale)).collect()
    };
    x.chunks(32).flat_map(block).collect()
}

/// Products at every level, raw and packed, for several batch splits: all must have the same bits.
fn product_everywhere(format: Format, rows: usize, cols: usize, bytes: &[u8], x: &[f32]) -> Vec<f32> {
    let pool = Pool::new(3);
    let matrix = Matrix::new(format, rows, cols, bytes).unwrap();
    let run = |weights: Weights, level, x: &[f32]| {
        let mut acts = Activations::new();
        acts.set(&pool, level, cols, x).unwrap();
        let mut out = vec![f32::NAN; x.len() / cols * rows];
        matmul_q(&pool, level, &acts, &mut [Product::new(weights, &mut out)]).unwrap();
        out
    };
    let packed = (!format.is_float()).then(|| Packed::pack(&pool, &matrix).unwrap());
    each_level(|level| {
        let whole = run(Weights::Raw(matrix), level, x);
        let one_by_one: Vec<f32> = x.chunks(cols).flat_map(|x| run(Weights::Raw(matrix), level, x)).collect();
        let bits = crate::testing::bits;
        assert_eq!(bits(&whole), bits(&one_by_one), "{format} {rows}×{cols} at {level}: batch against single rows");
        if let Some(packed) = &packed {
            for n in [1, 2, 3, 4, 7, 13, 19] {
                let parts: Vec<f32> = x.chunks(cols * n).flat_map(|x| run(packed.into(), level, x)).collect();
                assert_eq!(bits(&whole), bits(&parts), "{format} {rows}×{cols} at {level}: packed, {n} rows a pass");
            }
        }
        whole
    })
}

fn check(format: Format, rows: usize, cols: usize, n: usize, seed: u64) {
    let bytes = encoded(format, &noise(rows * cols, seed));
    let w = decoded(format, &bytes, rows * cols);
    let x = noise(n * cols, seed + 1);
    let out = product_everywhere(format, rows, cols, &bytes, &x);
    let exact: Vec<f64> = match format.is_float() {
        true => x.iter().map(|v| f64::from(*v)).collect(),
        false => rounded(&x),
    };
    for i in 0..n {
        for r in 0..rows {
            let terms = || (0..cols).map(|c| f64::from(w[r * cols + c]) * exact[i * cols + c]);
            let (truth, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            // Minima are added beside larger products, so their magnitude counts as well.
            let slack = if format.is_float() { 2.0 } else { 8.0 };
            let bound = slack * (cols as f64).sqrt() * 2f64.powi(-24) * size + 1e-30;
            let found = f64::from(out[i * rows + r]);
            assert!((found - truth).abs() <= bound, "{format} {rows}×{cols}, {n} rows: {found} for {truth} ± {bound}");
        }
    }
}

#[test]
fn each_format_follows_its_definition_over_odd_sizes() {
    for format in Format::ALL {
        let unit = format.block_len();
        for (rows, blocks, n) in
            [(1, 1, 1), (16, 1, 1), (17, 2, 3), (33, 1, 5), (31, 3, 2), (70, 2, 4), (48, 2, 13), (35, 2, 37)]
        {
            check(format, rows, blocks * unit, n, 1);
            if unit == 32 {
                check(format, rows, (blocks + 8) * unit, n, 2);
            }
            if unit == 1 {
                check(format, rows, blocks * 31 + 2, n, 3);
            }
        }
    }
    check(Format::Q4_0, 40, 288, 100, 4);
    check(Format::Q8_0, 80, 352, 300, 4);
    // More activations than one task takes, in whole spans and in floats.
    check(Format::Q4_0, 40, 512, 300, 4);
    check(Format::Q6_K, 40, 256, 300, 4);
    check(Format::F16, 24, 96, 300, 4);
    check(Format::Q4_K, 64, 512, 33, 4);
    check(Format::Q6_K, 20, 256, 97, 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes are some weights: NaN and infinite scales and all.
    #[test]
    fn levels_agree_on_arbitrary_weights_and_activations(
        pick in 0usize..13, rows in 1usize..40, blocks in 1usize..4, n in 1usize..9, seed: u64, special in 0usize..4,
    ) {
        let format = Format::ALL[pick];
        let cols = blocks * format.block_len();
        let len = format.bytes(rows * cols).unwrap();
        let bytes: Vec<u8> = noise(len, seed).iter().map(|v| (v.to_bits() >> 7) as u8).collect();
        let mut x = noise(n * cols, seed ^ 1);
        let values = [f32::NAN, f32::INFINITY, 1e-38, 3e38];
        let at = seed as usize % x.len();
        x[at] = values[special];
        product_everywhere(format, rows, cols, &bytes, &x);
    }
}

#[test]
fn a_nan_stays_in_its_row() {
    let (rows, cols, n) = (20, 256, 6);
    for format in Format::ALL {
        let bytes = encoded(format, &noise(rows * cols, 8));
        let mut x = noise(n * cols, 9);
        x[2 * cols + 77] = f32::NAN;
        x[4 * cols + 3] = f32::INFINITY;
        let out = product_everywhere(format, rows, cols, &bytes, &x);
        for (i, row) in out.chunks(rows).enumerate() {
            let bad = row.iter().filter(|v| !v.is_finite()).count();
            assert_eq!(bad, if i == 2 || i == 4 { rows } else { 0 }, "{format} row {i}");
        }
    }
}

/// Activations as GGML's own products round them: 256 at a time for K-quants, else 32 with a half-precision scale.
fn rounded_like_ggml(format: Format, x: &[f32]) -> Vec<f64> {
    let block = |x: &[f32]| -> Vec<f64> {
        let most = x.iter().fold(0f32, |m, v| m.max(v.abs()));
        let scale = match format.block_len() {
            256 => most / 127.0,
            _ => half::f16::from_f32(most / 127.0).to_f32(),
        };
        x.iter().map(|v| f64::from((v * 127.0 / most).round()) * f64::from(scale)).collect()
    };
    x.chunks(format.block_len()).flat_map(block).collect()
}

#[test]
fn the_error_of_int8_activations_is_no_greater_than_ggml_has_by_its_rounding() {
    let (rows, cols, n) = (64, 1024, 16);
    for format in Format::ALL.into_iter().filter(|f| !f.is_float()) {
        let bytes = encoded(format, &noise(rows * cols, 8));
        let w = decoded(format, &bytes, rows * cols);
        let x = noise(n * cols, 9);
        let out = product_everywhere(format, rows, cols, &bytes, &x);
        let peer = rounded_like_ggml(format, &x);
        let (mut ours, mut theirs, mut size) = (0.0, 0.0, 0.0);
        for i in 0..n * rows {
            let (row, w) = (i / rows * cols, &w[i % rows * cols..][..cols]);
            let dot = |x: &dyn Fn(usize) -> f64| -> f64 { (0..cols).map(|c| x(row + c) * f64::from(w[c])).sum() };
            let truth = dot(&|c| f64::from(x[c]));
            ours += (f64::from(out[i]) - truth).powi(2);
            theirs += (dot(&|c| peer[c]) - truth).powi(2);
            size += truth * truth;
        }
        let limit = if format.block_len() == 256 { 0.9 } else { 1.02 };
        assert!(ours <= limit * theirs, "{format}: {ours} against {theirs}");
        assert!(ours / size < 4e-5, "{format}: {}", ours / size);
    }
}

#[test]
fn bias_and_accumulation() {
    let (pool, rows, cols, n) = (Pool::new(2), 21, 64, 5);
    for format in [Format::F32, Format::Q4_0] {
        let bytes = encoded(format, &noise(rows * cols, 1));
        let matrix = Matrix::new(format, rows, cols, &bytes).unwrap();
        let (x, bias, before) = (noise(n * cols, 2), noise(rows, 3), noise(n * rows, 4));
        let mut plain = vec![0.0; n * rows];
        matmul(&pool, Level::best(), &matrix, &x, &mut plain).unwrap();
        let mut acts = Activations::new();
        acts.set(&pool, Level::best(), cols, &x).unwrap();
        let (mut biased, mut added) = (vec![0.0; n * rows], before.clone());
        let mut products =
            [Product::new(matrix, &mut biased).bias(Some(&bias)), Product::new(matrix, &mut added).accumulate()];
        matmul_q(&pool, Level::best(), &acts, &mut products).unwrap();
        for i in 0..n * rows {
            assert_eq!(biased[i], plain[i] + bias[i % rows]);
            assert_eq!(added[i], before[i] + plain[i]);
        }
    }
}

#[test]
fn activations_serve_the_formats_that_they_were_prepared_for() {
    let (pool, level, x) = (Pool::new(1), Level::best(), noise(64, 2));
    for (prepared, refused) in [(Format::Q8_0, Format::F16), (Format::F16, Format::Q8_0)] {
        let mut acts = Activations::new();
        let times = |acts: &Activations, format| {
            let bytes = encoded(format, &noise(64, 1));
            let mut out = [0.0];
            let matrix = Matrix::new(format, 1, 64, &bytes).unwrap();
            matmul_q(&pool, level, acts, &mut [Product::new(matrix, &mut out)]).map(|()| out)
        };
        acts.set(&pool, level, 64, &x).unwrap();
        let both = times(&acts, prepared).unwrap();
        acts.set_for(&pool, level, 64, &x, &[prepared]).unwrap();
        assert_eq!(times(&acts, prepared), Ok(both));
        assert!(matches!(times(&acts, refused), Err(Error::Format { .. })));
    }
}

#[test]
fn packed_bytes_come_back_from_a_file() {
    let pool = Pool::new(2);
    let bytes = encoded(Format::Q5_K, &noise(20 * 512, 1));
    let matrix = Matrix::new(Format::Q5_K, 20, 512, &bytes).unwrap();
    let packed = Packed::pack(&pool, &matrix).unwrap();
    assert_eq!(packed.as_bytes().len(), Packed::bytes(Format::Q5_K, 20, 512).unwrap());
    let path = std::env::temp_dir().join(format!("bizra-packed-{}", std::process::id()));
    std::fs::write(&path, [&[0; 64], packed.as_bytes()].concat()).unwrap();
    let file = std::sync::Arc::new(crate::os::Mapped::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let again = Packed::from_mapped(Format::Q5_K, 20, 512, file.clone(), 64).unwrap();
    assert!(again.as_bytes() == packed.as_bytes());
    assert!(Packed::from_mapped(Format::Q5_K, 20, 512, file.clone(), 65).is_err());
    assert!(Packed::from_mapped(Format::Q5_K, 20, 512, file, usize::MAX).is_err());
}

#[test]
fn rows_come_back_from_packed_weights_as_from_the_file() {
    let pool = Pool::new(1);
    for format in Format::ALL.into_iter().filter(|f| !f.is_float()) {
        for (rows, cols) in [(1, format.block_len()), (19, 5 * format.block_len()), (16, 256)] {
            let bytes = encoded(format, &noise(rows * cols, 3));
            let matrix = Matrix::new(format, rows, cols, &bytes).unwrap();
            let packed = Packed::pack(&pool, &matrix).unwrap();
            for row in 0..rows {
                let (mut raw, mut found) = (vec![0.0; cols], vec![f32::NAN; cols]);
                matrix.row(row, &mut raw).unwrap();
                packed.row(row, &mut found).unwrap();
                assert_eq!(raw, found, "{format} {rows}×{cols}, row {row}");
            }
            assert!(packed.row(rows, &mut vec![0.0; cols]).is_err());
            assert!(packed.row(0, &mut vec![0.0; cols + 1]).is_err());
        }
    }
}

#[test]
fn packing_takes_no_more_than_a_twentieth_above_the_source() {
    for format in Format::ALL.into_iter().filter(|f| !f.is_float()) {
        let (packed, raw) = (Packed::bytes(format, 32, 2048).unwrap(), format.bytes(32 * 2048).unwrap());
        assert!(packed >= raw && packed - raw <= raw / 17, "{format}: {packed} for {raw}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (pool, level) = (Pool::new(1), Level::best());
    assert!(matches!(Matrix::new(Format::Q4_0, 2, 33, &[0; 36]), Err(Error::Block { .. })));
    assert!(matches!(Matrix::new(Format::Q4_0, 2, 32, &[0; 35]), Err(Error::Length { .. })));
    assert!(matches!(Matrix::new(Format::F32, usize::MAX, 32, &[]), Err(Error::TooLarge { .. })));
    assert!(matches!(Packed::bytes(Format::F16, 1, 1), Err(Error::Format { .. })));
    let data = [0; 36];
    let matrix = Matrix::new(Format::Q4_0, 2, 32, &data).unwrap();
    assert!(matmul(&pool, level, &matrix, &[0.0; 33], &mut [0.0; 2]).is_err());
    assert!(matmul(&pool, level, &matrix, &[0.0; 32], &mut [0.0; 3]).is_err());
    assert!(matmul(&pool, level, &matrix, &[], &mut []).is_ok());
    let mut acts = Activations::new();
    acts.set(&pool, level, 64, &[0.0; 64]).unwrap();
    assert!(matmul_q(&pool, level, &acts, &mut [Product::new(matrix, &mut [0.0; 2])]).is_err());
    acts.set(&pool, level, 32, &[0.0; 32]).unwrap();
    let product = |bias: &'static [f32], out| Product::new(matrix, out).bias(Some(bias));
    assert!(matmul_q(&pool, level, &acts, &mut [product(&[0.0; 3], &mut [0.0; 2])]).is_err());
    assert!(matmul_q(&pool, level, &acts, &mut []).is_ok());
    let empty = Matrix::new(Format::Q4_0, 0, 32, &[]).unwrap();
    assert!(matmul(&pool, level, &empty, &[0.0; 32], &mut []).is_ok());
    assert_eq!(Packed::pack(&pool, &empty).unwrap().as_bytes().len(), 0);
    assert!(matrix.row(2, &mut [0.0; 32]).is_err());
    assert!(matrix.row(1, &mut [0.0; 31]).is_err());
}
