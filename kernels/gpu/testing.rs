//! Launches with known answers, for whatever runs GPU kernels.

use super::{Buffer, Fault, Launch};
use crate::Format;
use crate::testing::noise;

/// Tensors in order, the last of which is written, and what it should then hold.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) inputs: Vec<Vec<u8>>,
    pub(crate) launch: Launch,
    /// NaN where nothing is to be written.
    pub(crate) truth: Vec<f64>,
    /// Of each value.
    pub(crate) bound: f64,
}

impl Case {
    #[cfg(feature = "wgpu")]
    pub(crate) fn written(&self) -> Vec<bool> {
        self.inputs.iter().map(|_| false).chain([true]).collect()
    }
}

/// Runs a case and compares, with poison where the kernel is to write and where it isn't.
pub(crate) fn close(case: &Case, run: impl FnOnce(&mut [Buffer<'_>], &Launch) -> Result<(), Fault>) {
    const POISON: f32 = -7.77e7;
    let mut out: Vec<u8> = case.truth.iter().flat_map(|_| POISON.to_le_bytes()).collect();
    let mut buffers: Vec<Buffer<'_>> = case.inputs.iter().map(|b| Buffer::Input(b)).collect();
    buffers.push(Buffer::Output(&mut out));
    run(&mut buffers, &case.launch).unwrap_or_else(|e| panic!("{}: {e}", case.what));
    for (i, (got, truth)) in floats(&out).into_iter().zip(&case.truth).enumerate() {
        match truth.is_nan() {
            true => assert_eq!(got, POISON, "{}: a gap at {i} was written", case.what),
            false => {
                let far = (f64::from(got) - truth).abs();
                assert!(far <= case.bound, "{}: {i}: {got} for {truth}", case.what);
            }
        }
    }
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Softmax and RMSNorm over odd widths, with gaps between rows and fewer blocks than rows: case, file and entry.
pub(crate) fn row_cases(language: &str, tile: u32) -> Vec<(Case, &'static str, &'static str)> {
    let (softmax, rmsnorm) = match language {
        "cu" => ("softmax/softmax.cu", "rmsnorm/rmsnorm.cu"),
        _ => ("softmax/softmax.wgsl", "rmsnorm/rmsnorm.wgsl"),
    };
    let mut all = Vec::new();
    for (rows, cols, gap) in [(1, 1, 0), (3, 17, 2), (5, 127, 0), (4, 129, 3), (2, 1000, 1)] {
        let (x_stride, y_stride) = (cols + gap, cols + 2 * gap);
        let x: Vec<f32> = noise(rows * x_stride, cols as u64).iter().map(|v| v * 8.0).collect();
        let w = noise(cols, 5);
        let eps = 1e-5f32;
        let sizes = |eps: f32| vec![rows as u32, cols as u32, x_stride as u32, y_stride as u32, eps.to_bits()];
        let grid = [(rows as u32).div_ceil(tile).min(2), 1, 1];
        let mut soft = vec![f64::NAN; rows * y_stride];
        let mut norm = soft.clone();
        for r in 0..rows {
            let row: Vec<f64> = x[r * x_stride..][..cols].iter().map(|v| f64::from(*v)).collect();
            let most = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|v| (v - most).exp()).sum();
            let mean = row.iter().map(|v| v * v).sum::<f64>() / cols as f64;
            for (i, v) in row.iter().enumerate() {
                soft[r * y_stride + i] = (v - most).exp() / sum;
                norm[r * y_stride + i] = v / (mean + f64::from(eps)).sqrt() * f64::from(w[i]);
            }
        }
        let what = format!("{rows} rows of {cols} and {gap} between");
        let launch = |sizes| Launch { grid, block: 128, sizes };
        let case =
            |truth, inputs, eps, bound| Case { what: what.clone(), inputs, launch: launch(sizes(eps)), truth, bound };
        all.push((case(soft, vec![bytes(&x)], 0.0, 1e-6), softmax, "softmax"));
        all.push((case(norm, vec![bytes(&x), bytes(&w)], eps, 1e-5), rmsnorm, "rmsnorm"));
    }
    all
}

/// Products with weights in blocks, for kernels whose blocks compute that many columns and rows.
pub(crate) fn quantised_cases(language: &str, tile: [u32; 2]) -> Vec<(Case, &'static str, &'static str)> {
    let file = if language == "cu" { "matmul/quantised.cu" } else { "matmul/quantised.wgsl" };
    let mut all = Vec::new();
    for (format, entry) in [(Format::Q8_0, "matmul_q8_0"), (Format::Q4_0, "matmul_q4_0")] {
        for (m, n, k) in [(1, 1, 32), (3, 5, 64), (5, 9, 352), (4, 4, 0)] {
            let mut weights = vec![0; format.bytes(n * k).unwrap()];
            crate::quant::quantize(format, &noise(n * k, 3), &mut weights).unwrap();
            let mut plain = vec![0.0; n * k];
            crate::dequantize(format, &weights, &mut plain).unwrap();
            let (x_stride, y_stride) = (k + 3, n + 1);
            let x = noise(m * x_stride, 9);
            let mut truth = vec![f64::NAN; m * y_stride];
            for row in 0..m {
                for column in 0..n {
                    let product = |i: usize| f64::from(x[row * x_stride + i]) * f64::from(plain[column * k + i]);
                    truth[row * y_stride + column] = (0..k).map(product).sum();
                }
            }
            let sizes = [m, n, k, x_stride, k, y_stride].map(|v| v as u32).to_vec();
            let grid = [(n as u32).div_ceil(tile[0]), (m as u32).div_ceil(tile[1]), 1];
            let case = Case {
                what: format!("{format} {m}x{n}x{k}"),
                inputs: vec![bytes(&x), weights],
                launch: Launch { grid, block: 128, sizes },
                truth,
                bound: 2e-5,
            };
            all.push((case, file, entry));
        }
    }
    all
}

pub(crate) struct Attend {
    queries: usize,
    keys: usize,
    length: usize,
    groups: usize,
    dim: usize,
    causal: bool,
    window: usize,
    softcap: f32,
}

impl Attend {
    #[cfg(feature = "wgpu")]
    pub(crate) const WRITTEN: [bool; 5] = [false, false, false, false, true];

    /// Two sequences, the second of which is one shorter; two query heads for each key head; NaN behind the length.
    fn case(&self, tile: u32) -> Case {
        let Attend { queries, keys, length, groups, dim, causal, window, softcap } = *self;
        let (batch, heads) = (2, groups * 2);
        let q = noise(batch * queries * heads * dim, 1);
        let (mut k, mut v) = (noise(batch * keys * groups * dim, 2), noise(batch * keys * groups * dim, 3));
        let lengths = [length, length - 1];
        let scale = 1.0 / (dim as f32).sqrt();
        let mut truth = vec![0.0; q.len()];
        for b in 0..batch {
            for row in
                k.chunks_mut(groups * dim).zip(v.chunks_mut(groups * dim)).skip(b * keys).take(keys).skip(lengths[b])
            {
                row.0.fill(f32::NAN);
                row.1.fill(f32::NAN);
            }
            for (i, h) in (0..queries).flat_map(|i| (0..heads).map(move |h| (i, h))) {
                let position = (lengths[b] + i) as isize - queries as isize;
                let seen: Vec<usize> = (0..lengths[b])
                    .filter(|j| !causal || *j as isize <= position)
                    .filter(|j| window == 0 || *j as isize > position - window as isize)
                    .collect();
                let at = |of: &[f32], j: usize, d: usize| f64::from(of[((b * keys + j) * groups + h / 2) * dim + d]);
                let from = ((b * queries + i) * heads + h) * dim;
                let score = |j: usize| {
                    let product: f64 = (0..dim).map(|d| f64::from(q[from + d]) * at(&k, j, d)).sum();
                    let score = f64::from(scale) * product;
                    let cap = f64::from(softcap);
                    if softcap == 0.0 { score } else { cap * (score / cap).tanh() }
                };
                let scores: Vec<f64> = seen.iter().map(|j| score(*j)).collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - most).exp()).sum();
                for d in 0..dim {
                    let parts = seen.iter().zip(&scores).map(|(j, s)| (s - most).exp() / sum * at(&v, *j, d));
                    truth[from + d] = parts.sum();
                }
            }
        }
        let strides = |rows: usize, heads: usize| [rows * heads * dim, heads * dim, dim].map(|n| n as u32);
        let (of_q, of_k) = (strides(queries, heads), strides(keys, groups));
        let mut sizes = [batch, queries, keys, heads, groups, dim].map(|n| n as u32).to_vec();
        sizes.extend([of_q, of_k, of_k, of_q].concat());
        sizes.extend([scale.to_bits(), causal.into(), window as u32, softcap.to_bits()]);
        let lengths: Vec<u8> = lengths.iter().flat_map(|l| (*l as i32).to_le_bytes()).collect();
        Case {
            what: format!("{queries} queries, {length} of {keys} keys, {groups} groups, dim {dim}, window {window}"),
            inputs: vec![bytes(&q), bytes(&k), bytes(&v), lengths],
            launch: Launch { grid: [(queries as u32).div_ceil(tile), heads as u32, batch as u32], block: 128, sizes },
            truth,
            bound: 2e-6,
        }
    }
}

/// Queries alone, prompts, windows, caps, odd dimensions, and rows that see nothing.
pub(crate) fn attention_cases(tile: u32) -> Vec<Case> {
    let plain = Attend { queries: 1, keys: 1, length: 1, groups: 1, dim: 64, causal: true, window: 0, softcap: 0.0 };
    [
        Attend { keys: 150, length: 140, ..plain },
        Attend { queries: 19, keys: 40, length: 35, groups: 2, dim: 16, ..plain },
        Attend { queries: 5, keys: 70, length: 68, dim: 7, window: 20, softcap: 3.0, ..plain },
        Attend { queries: 17, keys: 33, length: 33, dim: 128, causal: false, window: 9, ..plain },
        Attend { queries: 6, keys: 8, length: 4, dim: 8, ..plain },
    ]
    .iter()
    .map(|case| case.case(tile))
    .collect()
}
