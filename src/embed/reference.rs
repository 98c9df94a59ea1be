//! BERT as its paper and its first code describe it, in f64 and one loop at a time: what the real pass is held against.

use std::collections::BTreeMap;

use serde_json::json;

pub(super) struct Shape {
    pub(super) vocabulary: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    pub(super) positions: usize,
}

/// A model of random weights, under the names that its files use.
pub(super) struct Bert {
    pub(super) shape: Shape,
    weights: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Bert {
    pub(super) fn random(shape: Shape, seed: u64) -> Bert {
        let mut state = seed;
        let mut next = || {
            // Steele, Lea and Flood's SplitMix64; the sum of four is near enough to a bell.
            let mut one = || {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
            };
            one() + one() + one() + one()
        };
        let (w, i) = (shape.width, shape.inner);
        let mut weights = BTreeMap::new();
        let mut put = |name: String, dims: Vec<usize>, middle: f32, spread: f32| {
            let values = (0..dims.iter().product()).map(|_| middle + spread * next()).collect();
            weights.insert(name, (dims, values));
        };
        for (name, rows) in [
            ("word_embeddings", shape.vocabulary),
            ("position_embeddings", shape.positions),
            ("token_type_embeddings", 2),
        ] {
            put(format!("embeddings.{name}.weight"), vec![rows, w], 0.0, 0.1);
        }
        let norm = |name: &str, put: &mut dyn FnMut(String, Vec<usize>, f32, f32)| {
            put(format!("{name}.weight"), vec![w], 1.0, 0.2);
            put(format!("{name}.bias"), vec![w], 0.0, 0.1);
        };
        norm("embeddings.LayerNorm", &mut put);
        for layer in 0..shape.layers {
            let at = format!("encoder.layer.{layer}");
            for (name, to, from) in [
                ("attention.self.query", w, w),
                ("attention.self.key", w, w),
                ("attention.self.value", w, w),
                ("attention.output.dense", w, w),
                ("intermediate.dense", i, w),
                ("output.dense", w, i),
            ] {
                put(format!("{at}.{name}.weight"), vec![to, from], 0.0, 0.08);
                put(format!("{at}.{name}.bias"), vec![to], 0.0, 0.05);
            }
            norm(&format!("{at}.attention.output.LayerNorm"), &mut put);
            norm(&format!("{at}.output.LayerNorm"), &mut put);
        }
        Bert { shape, weights }
    }

    pub(super) fn config(&self) -> Vec<u8> {
        let s = &self.shape;
        json!({ "model_type": "bert", "vocab_size": s.vocabulary, "hidden_size": s.width, "num_hidden_layers": s.layers,
            "num_attention_heads": s.heads, "intermediate_size": s.inner, "max_position_embeddings": s.positions,
            "hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 0 })
        .to_string()
        .into_bytes()
    }

    pub(super) fn safetensors(&self, prefix: &str) -> Vec<u8> {
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, (dims, values)) in &self.weights {
            let begin = data.len();
            values.iter().for_each(|x| data.extend_from_slice(&x.to_le_bytes()));
            let entry = json!({ "dtype": "F32", "shape": dims, "data_offsets": [begin, data.len()] });
            header.insert(format!("{prefix}{name}"), entry);
        }
        let mut header = serde_json::Value::Object(header).to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.weights[name].1
    }

    fn linear(&self, name: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (weight, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        let from = weight.len() / bias.len();
        let row = |x: &Vec<f64>| {
            let one = |(to, bias): (usize, &f32)| {
                let row = &weight[to * from..(to + 1) * from];
                f64::from(*bias) + row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>()
            };
            bias.iter().enumerate().map(one).collect()
        };
        x.iter().map(row).collect()
    }

    fn norm(&self, name: &str, x: &mut [Vec<f64>]) {
        let (weight, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        for x in x {
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
                *x = (*x - mean) / (variance + 1e-12).sqrt() * f64::from(*weight) + f64::from(*bias);
            }
        }
    }

    /// The last layer's vector of each token.
    pub(super) fn forward(&self, ids: &[u32]) -> Vec<Vec<f64>> {
        let Shape { width, layers, heads, .. } = self.shape;
        let table = |name: &str, row: usize| {
            let table = self.get(&format!("embeddings.{name}.weight"));
            table[row * width..(row + 1) * width].to_vec()
        };
        let embedded = |(at, id): (usize, &u32)| -> Vec<f64> {
            let (word, place, kind) = (
                table("word_embeddings", *id as usize),
                table("position_embeddings", at),
                table("token_type_embeddings", 0),
            );
            (0..width).map(|d| f64::from(word[d]) + f64::from(place[d]) + f64::from(kind[d])).collect()
        };
        let mut x: Vec<Vec<f64>> = ids.iter().enumerate().map(embedded).collect();
        self.norm("embeddings.LayerNorm", &mut x);
        let size = width / heads;
        for layer in 0..layers {
            let at = format!("encoder.layer.{layer}");
            let [q, k, v] =
                ["query", "key", "value"].map(|part| self.linear(&format!("{at}.attention.self.{part}"), &x));
            let mut mixed = vec![vec![0.0; width]; x.len()];
            for head in 0..heads {
                let part = head * size..(head + 1) * size;
                for (q, mixed) in q.iter().zip(&mut mixed) {
                    let dot = |k: &Vec<f64>| {
                        q[part.clone()].iter().zip(&k[part.clone()]).map(|(q, k)| q * k).sum::<f64>()
                            / (size as f64).sqrt()
                    };
                    let scores: Vec<f64> = k.iter().map(dot).collect();
                    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let exps: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
                    let sum: f64 = exps.iter().sum();
                    for (e, v) in exps.iter().zip(&v) {
                        part.clone().for_each(|d| mixed[d] += e / sum * v[d]);
                    }
                }
            }
            x = add(self.linear(&format!("{at}.attention.output.dense"), &mixed), &x);
            self.norm(&format!("{at}.attention.output.LayerNorm"), &mut x);
            let mut inner = self.linear(&format!("{at}.intermediate.dense"), &x);
            inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            x = add(self.linear(&format!("{at}.output.dense"), &inner), &x);
            self.norm(&format!("{at}.output.LayerNorm"), &mut x);
        }
        x
    }
}

fn add(mut a: Vec<Vec<f64>>, b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
    a
}

/// With the error function by its series around zero, and by its continued fraction far from there.
fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 2.5 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= -z * z / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..=60).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
        1.0 - (-z * z).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

#[test]
fn the_error_function_is_right() {
    // Abramowitz and Stegun, table 7.1.
    for (x, expected) in [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)] {
        assert!((erf(x) - expected).abs() < 1e-9 && (erf(-x) + expected).abs() < 1e-9, "{x}: {}", erf(x));
    }
    assert!((erf(2.499_999) - erf(2.500_001)).abs() < 1e-7 && (erf(3.0) - 0.999_977_909_5).abs() < 1e-9);
}
