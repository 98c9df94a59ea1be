//! What candle has no backward pass for, or only a slow one: each with its gradient, on the CPU.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Error, Layout, Result, Shape, Tensor};

/// Values of a head, fixed so that the inner loops are unrolled.
pub const HEAD: usize = 32;

pub const NORM_EPS: f32 = 1e-5;

fn floats<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    let (begin, end) = layout.contiguous_offsets().ok_or(Error::RequiresContiguous { op: "custom operation" }.bt())?;
    Ok(&storage.as_slice::<f32>()?[begin..end])
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Each row divided by its root mean square, times a weight.
pub struct RmsNorm;

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (floats(s1, l1)?, floats(s2, l2)?);
        let mut out = vec![0.0; x.len()];
        for (x, out) in x.chunks_exact(w.len()).zip(out.chunks_exact_mut(w.len())) {
            let scale = inverse_rms(x);
            for ((out, x), w) in out.iter_mut().zip(x).zip(w) {
                *out = x * scale * w;
            }
        }
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (xs, ws, gs) = (values(x)?, values(w)?, values(grad)?);
        let width = ws.len();
        let (mut dx, mut dw) = (vec![0.0; xs.len()], vec![0.0; width]);
        for ((x, g), dx) in xs.chunks_exact(width).zip(gs.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
            let scale = inverse_rms(x);
            let mut along = 0.0;
            for i in 0..width {
                dw[i] += g[i] * x[i] * scale;
                along += g[i] * ws[i] * x[i];
            }
            let pull = along * scale * scale * scale / width as f32;
            for i in 0..width {
                dx[i] = g[i] * ws[i] * scale - x[i] * pull;
            }
        }
        let device = x.device();
        Ok((Some(Tensor::from_vec(dx, x.shape(), device)?), Some(Tensor::from_vec(dw, w.shape(), device)?)))
    }
}

fn inverse_rms(x: &[f32]) -> f32 {
    let squares: f32 = dot(x, x);
    1.0 / (squares / x.len() as f32 + NORM_EPS).sqrt()
}

/// Sums in sixteen lanes, so that the processor's vectors are used.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum()
}

fn add_scaled(to: &mut [f32], by: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += by * from;
    }
}

/// `silu(gate) * up` over rows that hold gate and up side by side.
pub struct Gated;

impl CustomOp1 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let half = width / 2;
        let mut out = Vec::with_capacity(rows * half);
        for row in floats(storage, layout)?.chunks_exact(width) {
            let (gate, up) = row.split_at(half);
            out.extend(gate.iter().zip(up).map(|(g, u)| g * sigmoid(*g) * u));
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, half))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, width) = x.dims2()?;
        let half = width / 2;
        let (xs, gs) = (values(x)?, values(grad)?);
        let mut dx = vec![0.0; xs.len()];
        for ((row, g), dx) in xs.chunks_exact(width).zip(gs.chunks_exact(half)).zip(dx.chunks_exact_mut(width)) {
            let (gate, up) = row.split_at(half);
            let (dgate, dup) = dx.split_at_mut(half);
            for i in 0..half {
                let s = sigmoid(gate[i]);
                dgate[i] = g[i] * up[i] * s * (1.0 + gate[i] * (1.0 - s));
                dup[i] = g[i] * gate[i] * s;
            }
        }
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Causal attention with rotary positions over texts that stand one after another: rows are `[q | k | v]`.
pub struct Attend {
    /// Where each text begins, and where the last one ends.
    pub offsets: Vec<usize>,
    pub heads: usize,
    pub base: f32,
}

/// A head's part of one text.
struct HeadPart {
    q: Vec<[f32; HEAD]>,
    k: Vec<[f32; HEAD]>,
    v: Vec<[f32; HEAD]>,
}

impl Attend {
    fn turns(&self, len: usize) -> Vec<[(f32, f32); HEAD / 2]> {
        (0..len)
            .map(|at| {
                std::array::from_fn(|pair| {
                    let angle = at as f32 * self.base.powf(-2.0 * pair as f32 / HEAD as f32);
                    angle.sin_cos()
                })
            })
            .collect()
    }

    fn longest(&self) -> usize {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    fn part(&self, rows: &[f32], head: usize, turns: &[[(f32, f32); HEAD / 2]]) -> HeadPart {
        let dim = self.heads * HEAD;
        let take =
            |row: &[f32], which: usize| -> [f32; HEAD] { std::array::from_fn(|i| row[which * dim + head * HEAD + i]) };
        let rows = || rows.chunks_exact(3 * dim).zip(turns);
        HeadPart {
            q: rows().map(|(row, turn)| turned(take(row, 0), turn, 1.0)).collect(),
            k: rows().map(|(row, turn)| turned(take(row, 1), turn, 1.0)).collect(),
            v: rows().map(|(row, _)| take(row, 2)).collect(),
        }
    }
}

fn turned(mut x: [f32; HEAD], turn: &[(f32, f32); HEAD / 2], direction: f32) -> [f32; HEAD] {
    for (pair, (sin, cos)) in x.chunks_exact_mut(2).zip(turn) {
        let sin = sin * direction;
        (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos);
    }
    x
}

impl HeadPart {
    /// How much position `at` looks at each position until itself.
    fn looks(&self, at: usize, out: &mut Vec<f32>) {
        let scale = (HEAD as f32).sqrt().recip();
        out.clear();
        out.extend(self.k[..=at].iter().map(|k| dot(&self.q[at], k) * scale));
        let most = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        out.iter_mut().for_each(|x| *x = (*x - most).exp());
        let sum: f32 = out.iter().sum();
        out.iter_mut().for_each(|x| *x /= sum);
    }
}

impl CustomOp1 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout)?;
        let dim = self.heads * HEAD;
        let turns = self.turns(self.longest());
        let mut out = vec![0.0; x.len() / 3];
        let mut looks = Vec::new();
        for text in self.offsets.windows(2) {
            let rows = &x[text[0] * 3 * dim..text[1] * 3 * dim];
            for head in 0..self.heads {
                let part = self.part(rows, head, &turns);
                for at in 0..part.q.len() {
                    part.looks(at, &mut looks);
                    let mut mixed = [0.0; HEAD];
                    looks.iter().zip(&part.v).for_each(|(p, v)| add_scaled(&mut mixed, *p, v));
                    let begin = (text[0] + at) * dim + head * HEAD;
                    out[begin..begin + HEAD].copy_from_slice(&mixed);
                }
            }
        }
        let rows = out.len() / dim;
        Ok((CpuStorage::F32(out), Shape::from((rows, dim))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (xs, gs) = (values(x)?, values(grad)?);
        let dim = self.heads * HEAD;
        let scale = (HEAD as f32).sqrt().recip();
        let turns = self.turns(self.longest());
        let mut dx = vec![0.0; xs.len()];
        let (mut looks, mut pulls) = (Vec::new(), Vec::new());
        for text in self.offsets.windows(2) {
            let rows = &xs[text[0] * 3 * dim..text[1] * 3 * dim];
            for head in 0..self.heads {
                let part = self.part(rows, head, &turns);
                let len = part.q.len();
                let (mut dq, mut dk, mut dv) = (vec![[0.0; HEAD]; len], vec![[0.0; HEAD]; len], vec![[0.0; HEAD]; len]);
                for at in 0..len {
                    part.looks(at, &mut looks);
                    let begin = (text[0] + at) * dim + head * HEAD;
                    let g = &gs[begin..begin + HEAD];
                    pulls.clear();
                    pulls.extend(part.v[..=at].iter().map(|v| dot(g, v)));
                    let mean: f32 = looks.iter().zip(&pulls).map(|(p, d)| p * d).sum();
                    for other in 0..=at {
                        add_scaled(&mut dv[other], looks[other], g);
                        let d = looks[other] * (pulls[other] - mean) * scale;
                        add_scaled(&mut dq[at], d, &part.k[other]);
                        add_scaled(&mut dk[other], d, &part.q[at]);
                    }
                }
                for at in 0..len {
                    let row = &mut dx[(text[0] + at) * 3 * dim + head * HEAD..];
                    row[..HEAD].copy_from_slice(&turned(dq[at], &turns[at], -1.0));
                    row[dim..dim + HEAD].copy_from_slice(&turned(dk[at], &turns[at], -1.0));
                    row[2 * dim..2 * dim + HEAD].copy_from_slice(&dv[at]);
                }
            }
        }
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// The mean cross entropy of rows of logits against the tokens that were to come.
pub struct CrossEntropy {
    pub targets: Vec<u32>,
    /// The gradient falls out of the forward pass, and waits here for the backward one.
    grad: Mutex<Vec<f32>>,
}

impl CrossEntropy {
    pub fn new(targets: Vec<u32>) -> Self {
        CrossEntropy { targets, grad: Mutex::new(Vec::new()) }
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, vocab) = layout.shape().dims2()?;
        let mut grad = floats(storage, layout)?.to_vec();
        let mut loss = 0.0f64;
        for (row, target) in grad.chunks_exact_mut(vocab).zip(&self.targets) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let wanted = row[*target as usize];
            row.iter_mut().for_each(|x| *x = (*x - most).exp());
            let sum: f32 = row.iter().sum();
            loss += f64::from(sum.ln() + most - wanted);
            let scale = 1.0 / (sum * rows as f32);
            row.iter_mut().for_each(|x| *x *= scale);
            row[*target as usize] -= 1.0 / rows as f32;
        }
        *self.grad.lock().map_err(|_| Error::Msg("a thread panicked".into()))? = grad;
        Ok((CpuStorage::F32(vec![(loss / rows as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut waiting = self.grad.lock().map_err(|_| Error::Msg("a thread panicked".into()))?;
        let dx = Tensor::from_vec(std::mem::take(&mut *waiting), x.shape(), x.device())?;
        Ok(Some(dx.broadcast_mul(grad)?))
    }
}
