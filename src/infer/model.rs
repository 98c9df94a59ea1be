//! A model's weights by name over the bytes of its file: matrices stay where they are, vectors become f32.
//!
//! Every tensor's shape is checked against the configuration, and a file with a tensor that finds no place is refused.
//! Leaves out computing ([`super::forward`]).

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bizra_kernels::os::Arena;
use bizra_kernels::{self as kernels, Format, Matrix, Packed, Pool, dequantize};

use super::config::{LongRopeLists, ModelConfig, RopeScaling};
use super::dtype::DType;
use super::fault::InferError;
use super::rope::{Divisors, Turns};
use super::weights::{Tensor, Weights};

#[derive(Debug)]
pub struct Model<'a> {
    pub config: ModelConfig,
    embedding: Matrix<'a>,
    pub(super) output_norm: Vec<f32>,
    pub(super) output: Linear<'a>,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) turns: Turns,
    pub(super) window_turns: Option<Turns>,
    /// Storage formats of the matrices, each once.
    pub(super) formats: BTreeSet<DType>,
    later: Later<'a>,
}

/// One layer. Norms before each half, in some models after it too.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub attention_norm: Vec<f32>,
    pub q: Linear<'a>,
    pub k: Linear<'a>,
    pub v: Linear<'a>,
    pub q_norm: Option<Vec<f32>>,
    pub k_norm: Option<Vec<f32>>,
    pub out: Linear<'a>,
    pub attention_post_norm: Option<Vec<f32>>,
    pub ffn_norm: Vec<f32>,
    pub gate: Linear<'a>,
    pub up: Linear<'a>,
    pub down: Linear<'a>,
    pub ffn_post_norm: Option<Vec<f32>>,
}

impl<'a> Block<'a> {
    fn linears(&self) -> [&Linear<'a>; 7] {
        [&self.q, &self.k, &self.v, &self.out, &self.gate, &self.up, &self.down]
    }
}

#[derive(Debug)]
pub(super) struct Linear<'a> {
    /// As the file has it.
    matrix: Matrix<'a>,
    /// Where it begins in the model's file.
    offset: u64,
    packed: OnceLock<Packed>,
    pub bias: Option<Vec<f32>>,
}

impl Linear<'_> {
    pub(super) fn weights(&self) -> kernels::Weights<'_> {
        self.packed.get().map_or_else(|| self.matrix.into(), kernels::Weights::from)
    }

    fn packed(&self) -> Option<(u64, &Packed)> {
        self.packed.get().map(|packed| (self.offset, packed))
    }

    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.matrix.data().len() as u64
    }
}

/// Rearranging quantised weights for the vector units: a second copy.
#[derive(Clone, Copy)]
pub struct Packing<'p> {
    pub pool: &'p Pool,
    /// With it, all are packed when the model is built. It is told which bytes of the file were copied and are read no
    /// more, so that their pages can be given back.
    pub copied: Option<&'p dyn Fn(Range<u64>)>,
    pub stored: Option<Stored<'p>>,
}

/// Told which bytes of the file were copied, as [`Packing::copied`] is.
type Copied<'a> = Box<dyn Fn(Range<u64>) + Send + Sync + 'a>;

/// Packing that waits until it pays.
#[derive(Default)]
struct Later<'a> {
    copied: Option<Copied<'a>>,
    /// Bytes of all matrices when they are packed.
    room: usize,
    passed: AtomicBool,
    done: AtomicBool,
}

impl std::fmt::Debug for Later<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Later").field("passed", &self.passed).field("done", &self.done).finish_non_exhaustive()
    }
}

/// Gives the matrix at an offset of the file as it was packed before, if it was.
pub type Stored<'p> = &'p dyn Fn(u64, Matrix) -> Option<Packed>;

impl<'a> Model<'a> {
    /// `context` is how many positions will be used: long rope depends on it.
    pub fn new(
        config: ModelConfig,
        weights: &Weights<'a>,
        context: usize,
        packing: Option<Packing>,
    ) -> Result<Model<'a>, InferError> {
        if config.key_dim != config.value_dim {
            return Err(InferError::HeadSizes { key: config.key_dim, value: config.value_dim });
        }
        let mut source =
            Source { config: &config, weights, packing, arena: Arena::new(room(weights)), used: HashSet::new() };
        let (embedding_offset, embedding) = source.matrix("token_embd.weight", config.vocab, config.dim)?;
        let output_norm = source.norm("output_norm.weight", config.dim)?;
        let output = if config.tied {
            source.used.insert("output.weight".to_owned());
            source.arranged(embedding_offset, embedding, None)?
        } else {
            source.linear("output", config.vocab, config.dim)?
        };
        let blocks = (0..config.layers).map(|layer| source.block(layer)).collect::<Result<_, _>>()?;
        let turns = Turns::full(&config.rope, &source.divisors()?, context)?;
        let window_turns = Turns::windowed(&config.rope)?;
        source.nothing_left()?;
        let matrices = weights.iter().filter(|tensor| tensor.dims.as_slice().len() > 1);
        let formats = matrices.map(|tensor| tensor.dtype).collect();
        let later = Later { room: room(weights), ..Later::default() };
        Ok(Model { formats, embedding, output_norm, output, blocks, turns, window_turns, config, later })
    }

    /// What isn't packed yet will be before the second pass: the first one can do without, so that whoever waits for
    /// one token doesn't wait for that.
    pub(super) fn pack_later(&mut self, copied: Copied<'a>) {
        self.later.copied = Some(copied);
    }

    /// Called before each pass.
    pub(super) fn before_pass(&self, pool: &Pool) {
        if self.later.passed.swap(true, Relaxed) {
            self.pack(pool);
        }
    }

    /// Packs what waits for it. Where there is no memory for that, the file's bytes go on being used.
    pub(super) fn pack(&self, pool: &Pool) {
        let Some(copied) = &self.later.copied else { return };
        if self.later.done.swap(true, Relaxed) {
            return;
        }
        let mut arena = Arena::new(self.later.room);
        for linear in self.blocks.iter().flat_map(Block::linears).chain([&self.output]) {
            if linear.matrix.format().is_float() || linear.packed.get().is_some() {
                continue;
            }
            let Ok(packed) = Packed::pack_in(&mut arena, pool, &linear.matrix) else { return };
            let _ = linear.packed.set(packed);
            copied(linear.range());
        }
    }

    /// The row of a token, as the format means it.
    pub(super) fn embed(&self, id: usize, out: &mut [f32]) -> Result<(), InferError> {
        match self.output.packed.get() {
            // The same matrix, and the only copy of it that is still in memory.
            Some(packed) if self.config.tied => packed.row(id, out)?,
            _ => self.embedding.row(id, out)?,
        }
        Ok(())
    }

    /// The packed matrices, each with its offset in the file.
    pub fn packed(&self) -> impl Iterator<Item = (u64, &Packed)> {
        self.blocks.iter().flat_map(Block::linears).chain([&self.output]).filter_map(Linear::packed)
    }
}

struct Source<'s, 'a> {
    config: &'s ModelConfig,
    weights: &'s Weights<'a>,
    packing: Option<Packing<'s>>,
    /// Where packed matrices lie together.
    arena: Arena,
    used: HashSet<String>,
}

impl<'a> Source<'_, 'a> {
    fn block(&mut self, layer: usize) -> Result<Block<'a>, InferError> {
        let c = self.config;
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (queries, keys) = (c.heads * c.key_dim, c.kv_heads * c.key_dim);
        let [q, k, v] = match c.fused {
            true => self.split(&name("attn_qkv"), [queries, keys, keys], c.dim)?,
            false => [
                self.linear(&name("attn_q"), queries, c.dim)?,
                self.linear(&name("attn_k"), keys, c.dim)?,
                self.linear(&name("attn_v"), keys, c.dim)?,
            ],
        };
        let [gate, up] = match c.fused {
            true => self.split(&name("ffn_up"), [c.ffn_dim, c.ffn_dim], c.dim)?,
            false => {
                [self.linear(&name("ffn_gate"), c.ffn_dim, c.dim)?, self.linear(&name("ffn_up"), c.ffn_dim, c.dim)?]
            }
        };
        let mut norm_if =
            |present: bool, part: &str, len: usize| present.then(|| self.norm(&name(part), len)).transpose();
        Ok(Block {
            q_norm: norm_if(c.qk_norm, "attn_q_norm.weight", c.key_dim)?,
            k_norm: norm_if(c.qk_norm, "attn_k_norm.weight", c.key_dim)?,
            attention_post_norm: norm_if(c.post_norms, "post_attention_norm.weight", c.dim)?,
            ffn_post_norm: norm_if(c.post_norms, "post_ffw_norm.weight", c.dim)?,
            attention_norm: self.norm(&name("attn_norm.weight"), c.dim)?,
            ffn_norm: self.norm(&name("ffn_norm.weight"), c.dim)?,
            out: self.linear(&name("attn_output"), c.dim, queries)?,
            down: self.linear(&name("ffn_down"), c.dim, c.ffn_dim)?,
            q,
            k,
            v,
            gate,
            up,
        })
    }

    /// A matrix and, where the file has one, its bias.
    fn linear(&mut self, name: &str, rows: usize, cols: usize) -> Result<Linear<'a>, InferError> {
        let (offset, matrix) = self.matrix(&format!("{name}.weight"), rows, cols)?;
        let bias = self.optional_vector(&format!("{name}.bias"), rows)?;
        self.arranged(offset, matrix, bias)
    }

    /// Matrices that lie one below the other in one tensor.
    fn split<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        cols: usize,
    ) -> Result<[Linear<'a>; N], InferError> {
        let (offset, whole) = self.matrix(&format!("{name}.weight"), rows.iter().sum(), cols)?;
        let mut bias = self.optional_vector(&format!("{name}.bias"), whole.rows())?;
        let row_bytes = whole.format().bytes(cols)?;
        let mut parts = Vec::with_capacity(N);
        let mut at = 0;
        for rows in rows {
            let data = &whole.data()[at..][..rows * row_bytes];
            let part = Matrix::new(whole.format(), rows, cols, data)?;
            let rest = bias.as_mut().map(|bias| bias.split_off(rows));
            parts.push(self.arranged(offset + at as u64, part, bias.take())?);
            bias = rest;
            at += rows * row_bytes;
        }
        Ok(parts.try_into().expect("invariant: as many parts as sizes"))
    }

    fn arranged(&mut self, offset: u64, matrix: Matrix<'a>, bias: Option<Vec<f32>>) -> Result<Linear<'a>, InferError> {
        let linear = Linear { matrix, offset, packed: OnceLock::new(), bias };
        let Some(packing) = self.packing.filter(|_| !matrix.format().is_float()) else { return Ok(linear) };
        let shape = |p: &Packed| (p.format(), p.rows(), p.cols());
        let asked = (matrix.format(), matrix.rows(), matrix.cols());
        let stored = packing.stored.and_then(|stored| stored(offset, matrix)).filter(|packed| shape(packed) == asked);
        let packed = match (stored, packing.copied) {
            (Some(packed), _) => packed,
            (None, Some(_)) => Packed::pack_in(&mut self.arena, packing.pool, &matrix)?,
            (None, None) => return Ok(linear),
        };
        let _ = linear.packed.set(packed);
        if let Some(copied) = packing.copied {
            copied(linear.range());
        }
        Ok(linear)
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<(u64, Matrix<'a>), InferError> {
        let tensor = self.tensor(name, &[cols, rows])?;
        Ok((tensor.offset, Matrix::new(format(tensor), rows, cols, tensor.data)?))
    }

    fn norm(&mut self, name: &str, len: usize) -> Result<Vec<f32>, InferError> {
        let mut weights = self.vector(name, len)?;
        if self.config.norm_offset != 0.0 {
            weights.iter_mut().for_each(|w| *w += self.config.norm_offset);
        }
        Ok(weights)
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, InferError> {
        let tensor = self.tensor(name, &[len])?;
        let mut values = vec![0.0; len];
        dequantize(format(tensor), tensor.data, &mut values)?;
        Ok(values)
    }

    fn optional_vector(&mut self, name: &str, len: usize) -> Result<Option<Vec<f32>>, InferError> {
        self.weights.get(name).is_some().then(|| self.vector(name, len)).transpose()
    }

    fn divisors(&mut self) -> Result<Divisors, InferError> {
        let (pairs, rope) = (self.config.rope.dims / 2, &self.config.rope);
        let mut divisors = Divisors::default();
        if rope.factors {
            divisors.all = Some(self.vector("rope_freqs.weight", pairs)?);
        }
        if matches!(rope.scaling, RopeScaling::LongRope { lists: LongRopeLists::Tensors, .. }) {
            divisors.short = self.optional_vector("rope_factors_short.weight", pairs)?;
            divisors.long = self.optional_vector("rope_factors_long.weight", pairs)?;
        }
        Ok(divisors)
    }

    fn tensor(&mut self, name: &str, sizes: &[usize]) -> Result<&Tensor<'a>, InferError> {
        let tensor = self.weights.get(name).ok_or_else(|| InferError::MissingTensor { name: name.to_owned() })?;
        if !tensor.dims.as_slice().iter().copied().eq(sizes.iter().map(|size| *size as u64)) {
            let found = tensor.dims.as_slice().to_vec();
            return Err(InferError::Shape { name: name.to_owned(), needed: sizes.to_vec(), found });
        }
        self.used.insert(name.to_owned());
        Ok(tensor)
    }

    fn nothing_left(&self) -> Result<(), InferError> {
        // Old converters wrote out the frequencies that follow from the base.
        let derived = |name: &str| name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn_rot_embd.weight");
        let left =
            self.weights.iter().map(|t| t.name.as_ref()).filter(|n| !self.used.contains(*n) && !derived(n)).min();
        match left {
            None => Ok(()),
            Some(name) => Err(InferError::UnusedTensor { name: name.to_owned(), arch: self.config.arch.name() }),
        }
    }
}

/// Bytes of all matrices when they are packed.
fn room(weights: &Weights) -> usize {
    let packed = |t: &Tensor| {
        let cols = usize::try_from(t.dims.width()).ok()?;
        let rows = usize::try_from(t.dims.rows()?).ok()?;
        Packed::bytes(format(t), rows, cols).ok()
    };
    weights.iter().filter_map(packed).fold(0, usize::saturating_add)
}

fn format(tensor: &Tensor) -> Format {
    Format::from_ggml_type(tensor.dtype.ggml_id()).expect("invariant: a kernel for each format that files may have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_of_files_has_its_kernel() {
        for dtype in DType::ALL {
            let format = Format::from_ggml_type(dtype.ggml_id()).unwrap();
            assert_eq!((format.name(), format.block_len() as u64), (dtype.name(), dtype.block()));
            assert_eq!(format.block_bytes() as u64, dtype.block_bytes());
        }
    }
}
