//! The llama architecture, as small as it gets: RMS norms, rotary positions, gated feed-forward, one matrix for
//! embedding and output. Matrices are kept as `[in, out]`; those of q, k, v and of gate and up lie side by side.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var};

use crate::data::Batch;
use crate::ops::{Attend, CrossEntropy, Gated, HEAD, RmsNorm};
use crate::recipe::Recipe;

pub struct Model {
    pub vars: BTreeMap<String, Var>,
    layers: usize,
    heads: usize,
    base: f32,
}

/// SplitMix64, and normal numbers from it: the same weights on every machine.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The sum of twelve uniform numbers is as normal as weights need.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>() - 6.0
    }
}

impl Model {
    pub fn new(recipe: &Recipe) -> Result<Self> {
        let (dim, ffn) = (recipe.dim, recipe.ffn);
        let mut random = Random(recipe.seed);
        let mut vars = BTreeMap::new();
        let mut matrix = |name: String, rows: usize, cols: usize, spread: f32| -> Result<()> {
            let values: Vec<f32> = (0..rows * cols).map(|_| random.normal() * spread).collect();
            vars.insert(name, Var::from_tensor(&Tensor::from_vec(values, (rows, cols), &Device::Cpu)?)?);
            Ok(())
        };
        let spread = (dim as f32).sqrt().recip();
        let last = spread / (2.0 * recipe.layers as f32).sqrt();
        matrix("embed".into(), recipe.vocab, dim, 0.5 * spread)?;
        for layer in 0..recipe.layers {
            matrix(format!("{layer:02}.qkv"), dim, 3 * dim, spread)?;
            matrix(format!("{layer:02}.out"), dim, dim, last)?;
            matrix(format!("{layer:02}.gate_up"), dim, 2 * ffn, spread)?;
            matrix(format!("{layer:02}.down"), ffn, dim, last)?;
        }
        let norms = (0..recipe.layers).flat_map(|layer| [format!("{layer:02}.norm1"), format!("{layer:02}.norm2")]);
        for name in norms.chain(["norm".into()]) {
            vars.insert(name, Var::ones(dim, candle_core::DType::F32, &Device::Cpu)?);
        }
        Ok(Model { vars, layers: recipe.layers, heads: dim / HEAD, base: recipe.rope_base })
    }

    fn var(&self, name: &str) -> &Tensor {
        self.vars[name].as_tensor()
    }

    fn of(&self, layer: usize, name: &str) -> &Tensor {
        self.var(&format!("{layer:02}.{name}"))
    }

    /// The mean loss over the tokens that are to be learnt.
    pub fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let ids = Tensor::new(batch.inputs.as_slice(), &Device::Cpu)?;
        let mut x = self.var("embed").index_select(&ids, 0)?;
        for layer in 0..self.layers {
            let attend = Attend { offsets: batch.offsets.clone(), heads: self.heads, base: self.base };
            let normed = x.apply_op2(self.of(layer, "norm1"), RmsNorm)?;
            let mixed = normed.matmul(self.of(layer, "qkv"))?.apply_op1(attend)?;
            x = (x + mixed.matmul(self.of(layer, "out"))?)?;
            let normed = x.apply_op2(self.of(layer, "norm2"), RmsNorm)?;
            let gated = normed.matmul(self.of(layer, "gate_up"))?.apply_op1(Gated)?;
            x = (x + gated.matmul(self.of(layer, "down"))?)?;
        }
        let rows = Tensor::new(batch.learnt.as_slice(), &Device::Cpu)?;
        let x = x.index_select(&rows, 0)?.apply_op2(self.var("norm"), RmsNorm)?;
        let logits = x.matmul(&self.var("embed").t()?)?;
        logits.apply_op1(CrossEntropy::new(batch.targets.clone()))
    }
}
