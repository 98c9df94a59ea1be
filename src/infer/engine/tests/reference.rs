//! A slow forward pass in f64 over all positions at once, after the papers and the models' published definitions. It
//! shares no code with the product: tensors by name, plain loops, no cache.

use std::collections::BTreeMap;

pub(super) struct Matrix {
    pub rows: usize,
    pub cols: usize,
    pub values: Vec<f64>,
}

#[derive(Default)]
pub(super) struct Tensors(pub BTreeMap<String, Matrix>);

impl Tensors {
    fn get(&self, name: &str) -> &Matrix {
        self.0.get(name).unwrap_or_else(|| panic!("the reference asks for {name}"))
    }

    fn vector(&self, name: &str) -> &[f64] {
        &self.get(name).values
    }
}

/// What the definitions leave open.
pub(super) struct Definition {
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub eps: f64,
    pub scale: f64,
    /// By layer: how many positions are seen.
    pub windows: Vec<Option<usize>>,
    /// By layer: angle per position of each pair, and what multiplies sine and cosine.
    pub angles: Vec<Vec<f64>>,
    pub magnitude: f64,
    /// Neighbours turn together, as in Llama's first code; else the halves of a head.
    pub neighbours: bool,
    pub fused: bool,
    pub gemma: bool,
    pub stored_norms_less_one: bool,
    pub attention_cap: Option<f64>,
    pub logit_cap: Option<f64>,
}

fn times(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
    assert_eq!(matrix.cols, x.len());
    matrix.values.chunks(matrix.cols).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

impl Definition {
    fn norm(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        let plus = if self.stored_norms_less_one { 1.0 } else { 0.0 };
        x.iter().zip(weight).map(|(v, w)| v / (mean + self.eps).sqrt() * (plus + w)).collect()
    }

    fn linear(&self, t: &Tensors, name: &str, x: &[f64]) -> Vec<f64> {
        let mut y = times(t.get(&format!("{name}.weight")), x);
        if let Some(bias) = t.0.get(&format!("{name}.bias")) {
            y.iter_mut().zip(&bias.values).for_each(|(y, b)| *y += b);
        }
        y
    }

    fn turn(&self, layer: usize, position: usize, head: &mut [f64]) {
        let angles = &self.angles[layer];
        let before = head.to_vec();
        for (i, angle) in angles.iter().enumerate() {
            let (a, b) = if self.neighbours { (2 * i, 2 * i + 1) } else { (i, i + angles.len()) };
            let (sin, cos) = (position as f64 * angle).sin_cos();
            head[a] = (before[a] * cos - before[b] * sin) * self.magnitude;
            head[b] = (before[b] * cos + before[a] * sin) * self.magnitude;
        }
    }

    /// Logits after each token.
    pub(super) fn logits(&self, t: &Tensors, tokens: &[u32]) -> Vec<Vec<f64>> {
        let embedding = t.get("token_embd.weight");
        let dim = embedding.cols;
        let mut stream: Vec<Vec<f64>> = tokens
            .iter()
            .map(|id| {
                let row = &embedding.values[*id as usize * dim..][..dim];
                let factor = if self.gemma { (dim as f64).sqrt() } else { 1.0 };
                row.iter().map(|x| x * factor).collect()
            })
            .collect();
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let attended = self.attention(t, layer, &stream);
            for (x, mut y) in stream.iter_mut().zip(attended) {
                if self.gemma {
                    y = self.norm(&y, t.vector(&name("post_attention_norm.weight")));
                }
                x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            }
            for x in &mut stream {
                let normed = self.norm(x, t.vector(&name("ffn_norm.weight")));
                let (gate, up) = if self.fused {
                    let mut both = self.linear(t, &name("ffn_up"), &normed);
                    let up = both.split_off(both.len() / 2);
                    (both, up)
                } else {
                    (self.linear(t, &name("ffn_gate"), &normed), self.linear(t, &name("ffn_up"), &normed))
                };
                let act = |x: f64| match self.gemma {
                    true => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
                    false => x / (1.0 + (-x).exp()),
                };
                let hidden: Vec<f64> = gate.into_iter().zip(up).map(|(g, u)| act(g) * u).collect();
                let mut y = self.linear(t, &name("ffn_down"), &hidden);
                if self.gemma {
                    y = self.norm(&y, t.vector(&name("post_ffw_norm.weight")));
                }
                x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            }
        }
        let output = if t.0.contains_key("output.weight") { "output" } else { "token_embd" };
        let cap = |x: f64| self.logit_cap.map_or(x, |cap| cap * (x / cap).tanh());
        let finish = |x: Vec<f64>| {
            let normed = self.norm(&x, t.vector("output_norm.weight"));
            self.linear(t, output, &normed).into_iter().map(cap).collect()
        };
        stream.into_iter().map(finish).collect()
    }

    fn attention(&self, t: &Tensors, layer: usize, stream: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (mut queries, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (position, x) in stream.iter().enumerate() {
            let normed = self.norm(x, t.vector(&name("attn_norm.weight")));
            let (mut q, mut k, v) = if self.fused {
                let all = self.linear(t, &name("attn_qkv"), &normed);
                let (q, rest) = all.split_at(self.heads * self.head_dim);
                let (k, v) = rest.split_at(self.kv_heads * self.head_dim);
                (q.to_vec(), k.to_vec(), v.to_vec())
            } else {
                let of = |part| self.linear(t, &name(part), &normed);
                (of("attn_q"), of("attn_k"), of("attn_v"))
            };
            for (all, norm) in [(&mut q, "attn_q_norm.weight"), (&mut k, "attn_k_norm.weight")] {
                for head in all.chunks_mut(self.head_dim) {
                    if let Some(weight) = t.0.get(&name(norm)) {
                        head.copy_from_slice(&self.norm(head, &weight.values));
                    }
                    self.turn(layer, position, head);
                }
            }
            queries.push(q);
            keys.push(k);
            values.push(v);
        }
        let part = |all: &[f64], head: usize| all[head * self.head_dim..][..self.head_dim].to_vec();
        let mut out = Vec::new();
        for (i, query) in queries.iter().enumerate() {
            let mut joined = Vec::new();
            for head in 0..self.heads {
                let kv_head = head * self.kv_heads / self.heads;
                let q = part(query, head);
                let seen = |j: usize| j <= i && self.windows[layer].is_none_or(|window| i - j < window);
                let scores: Vec<f64> = (0..stream.len())
                    .map(|j| {
                        let product: f64 = q.iter().zip(part(&keys[j], kv_head)).map(|(a, b)| a * b).sum();
                        let score = product * self.scale;
                        let score = self.attention_cap.map_or(score, |cap| cap * (score / cap).tanh());
                        if seen(j) { score } else { f64::NEG_INFINITY }
                    })
                    .collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
                let sum: f64 = weights.iter().sum();
                let mut mixed = vec![0.0; self.head_dim];
                for (weight, value) in weights.iter().zip(&values) {
                    for (m, v) in mixed.iter_mut().zip(part(value, kv_head)) {
                        *m += weight / sum * v;
                    }
                }
                joined.extend(mixed);
            }
            out.push(self.linear(t, &name("attn_output"), &joined));
        }
        out
    }
}
