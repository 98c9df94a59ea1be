//! The forward pass: tokens of one or more sequences in, logits of the wanted positions out.
//!
//! All sequences of a pass share each product with the weights; each attends to its own cache. A row's bits depend on
//! its own sequence alone, never on how a prompt was cut or what else was in the pass. After the last layer's attention
//! only the wanted rows are carried on.
//!
//! Leaves out when to run which tokens ([`super::engine`]).

use bizra_kernels::attention::{Attention, attention};
use bizra_kernels::rope::{self, Pairs, Table};
use bizra_kernels::swiglu::{self, gated};
use bizra_kernels::{Activations, Format, Level, Pool, Product, matmul_q, rmsnorm};

use super::config::{Activation, ModelConfig, RopeLayout};
use super::fault::{InferError, Place};
use super::kv::Kv;
use super::model::{Block, Linear, Model};
use super::rope::Turns;

/// One sequence's part of a pass.
#[derive(Debug)]
pub struct Segment<'s> {
    pub kv: &'s mut Kv,
    /// Follow what the cache holds.
    pub tokens: &'s [u32],
    pub wanted: Wanted,
}

/// Which of a segment's positions are to have logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    None,
    Last,
    All,
}

/// What runs the kernels.
#[derive(Clone, Copy)]
pub struct Machine<'m> {
    pub pool: &'m Pool,
    pub level: Level,
}

/// Buffers that passes share, and the logits of the last one.
#[derive(Default)]
pub struct Work {
    acts: Activations,
    x: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    logits: Vec<f32>,
    vocab: usize,
}

impl Work {
    /// Logits of the wanted positions, in the order of segments and tokens.
    pub fn logits(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.logits.chunks_exact(self.vocab.max(1))
    }

    /// Bytes that a pass over `rows` positions takes, with logits for one and for its rest.
    pub fn bytes(config: &ModelConfig, rows: usize) -> Option<usize> {
        let (queries, keys) = (config.heads * config.key_dim, config.kv_heads * config.key_dim);
        let floats = 2 * config.dim + 2 * queries + 2 * keys + 2 * config.ffn_dim;
        let widest = config.dim.max(queries).max(config.ffn_dim);
        // Prepared activations hold the values and, for each 256 of them, a block of 448 bytes.
        let prepared = widest * 4 + widest.div_ceil(256) * 448;
        (floats * 4 + prepared).checked_mul(rows)?.checked_add(2 * config.vocab * 4)
    }
}

#[cfg(test)]
impl Work {
    /// Bytes of all buffers but the prepared activations.
    pub(super) fn taken(&self) -> usize {
        let Work { acts: _, x, normed, q, k, v, mixed, gate, up, logits, vocab: _ } = self;
        [x, normed, q, k, v, mixed, gate, up, logits].map(|buffer| buffer.capacity() * 4).iter().sum()
    }
}

/// Runs all segments through the model. On an error no cache has grown.
pub fn forward(model: &Model, machine: Machine, work: &mut Work, segments: &mut [Segment]) -> Result<(), InferError> {
    for segment in segments.iter() {
        let tokens = segment.kv.len() + segment.tokens.len();
        if tokens > segment.kv.capacity() {
            return Err(InferError::Context { tokens, context: segment.kv.capacity() });
        }
        if let Some(id) = segment.tokens.iter().copied().find(|id| *id as usize >= model.config.vocab) {
            return Err(InferError::TokenId { id, vocab: model.config.vocab });
        }
    }
    model.before_pass(machine.pool);
    let before: Vec<usize> = segments.iter().map(|segment| segment.kv.len()).collect();
    let done = Pass { model, config: &model.config, machine }.run(work, segments);
    if done.is_err() {
        segments.iter_mut().zip(before).for_each(|(segment, len)| segment.kv.truncate(len));
    }
    done
}

struct Pass<'p, 'a> {
    model: &'p Model<'a>,
    config: &'p ModelConfig,
    machine: Machine<'p>,
}

impl Pass<'_, '_> {
    fn run(&self, work: &mut Work, segments: &mut [Segment]) -> Result<(), InferError> {
        let mut positions: Vec<usize> = segments.iter().flat_map(|s| s.kv.len()..s.kv.len() + s.tokens.len()).collect();
        let table =
            |s: &Segment, turns: &Turns| Table::new(&turns.frequencies, turns.magnitude, s.kv.len(), s.tokens.len());
        let full: Vec<Table> = segments.iter().map(|s| table(s, &self.model.turns)).collect();
        let windowed: Option<Vec<Table>> =
            self.model.window_turns.as_ref().map(|turns| segments.iter().map(|s| table(s, turns)).collect());

        self.embed(work, segments)?;
        for (number, block) in self.model.blocks.iter().enumerate() {
            let window = self.config.window_of(number);
            let tables = windowed.as_ref().filter(|_| window.is_some()).unwrap_or(&full);
            self.attend(work, block, number, window, tables, segments)?;
            if number + 1 == self.config.layers {
                keep_wanted(&mut positions, 1, segments);
                keep_wanted(&mut work.x, self.config.dim, segments);
                keep_wanted(&mut work.mixed, self.config.heads * self.config.key_dim, segments);
            }
            self.set(&mut work.acts, &work.mixed, &[&block.out])?;
            self.add_projected(work, &block.out, block.attention_post_norm.as_deref())?;
            self.feed_forward(work, block)?;
            check(&work.x, self.config.dim, &positions, Place::Layer { number, of: self.config.layers })?;
        }
        self.logits(work)?;
        check(&work.logits, self.config.vocab, &positions, Place::Logits)
    }

    fn embed(&self, work: &mut Work, segments: &[Segment]) -> Result<(), InferError> {
        let dim = self.config.dim;
        let tokens = segments.iter().flat_map(|segment| segment.tokens);
        resize(&mut work.x, segments.iter().map(|segment| segment.tokens.len()).sum::<usize>() * dim);
        for (x, id) in work.x.chunks_exact_mut(dim).zip(tokens) {
            self.model.embed(*id as usize, x)?;
        }
        if self.config.embedding_scale != 1.0 {
            work.x.iter_mut().for_each(|x| *x *= self.config.embedding_scale);
        }
        Ok(())
    }

    /// From the residual stream to the heads' mixed values.
    fn attend(
        &self,
        work: &mut Work,
        block: &Block,
        layer: usize,
        window: Option<usize>,
        tables: &[Table],
        segments: &mut [Segment],
    ) -> Result<(), InferError> {
        let (Machine { pool, level }, c) = (self.machine, self.config);
        let rows = work.x.len() / c.dim;
        let (queries, keys) = (c.heads * c.key_dim, c.kv_heads * c.key_dim);
        self.prepare(work, &block.attention_norm, &[&block.q, &block.k, &block.v])?;
        resize(&mut work.q, rows * queries);
        resize(&mut work.k, rows * keys);
        resize(&mut work.v, rows * keys);
        let mut products =
            [project(&block.q, &mut work.q), project(&block.k, &mut work.k), project(&block.v, &mut work.v)];
        matmul_q(pool, level, &work.acts, &mut products)?;
        if let Some(norm) = &block.q_norm {
            rmsnorm::in_place(pool, level, &mut work.q, norm, c.norm_eps)?;
        }
        if let Some(norm) = &block.k_norm {
            rmsnorm::in_place(pool, level, &mut work.k, norm, c.norm_eps)?;
        }
        let pairs = match c.rope.layout {
            RopeLayout::Interleaved => Pairs::Interleaved,
            RopeLayout::Half => Pairs::Halves,
        };
        let shape =
            Attention { heads: c.heads, scale: c.attention_scale, window, softcap: c.attention_softcap, causal: true };
        resize(&mut work.mixed, rows * queries);
        let mut row = 0;
        for (segment, table) in segments.iter_mut().zip(tables) {
            let rows = row..row + segment.tokens.len();
            let (queries, keys) = (rows.start * queries..rows.end * queries, rows.start * keys..rows.end * keys);
            let (q, k, v) = (&mut work.q[queries.clone()], &mut work.k[keys.clone()], &work.v[keys]);
            rope::rope(pool, table, pairs, c.heads, c.key_dim, q)?;
            rope::rope(pool, table, pairs, c.kv_heads, c.key_dim, k)?;
            let cache = &mut segment.kv.layers[layer];
            let first = cache.len();
            cache.push(k, v)?;
            attention(pool, level, &shape, cache, first, q, &mut work.mixed[queries])?;
            row = rows.end;
        }
        Ok(())
    }

    fn feed_forward(&self, work: &mut Work, block: &Block) -> Result<(), InferError> {
        let (Machine { pool, level }, c) = (self.machine, self.config);
        self.prepare(work, &block.ffn_norm, &[&block.gate, &block.up])?;
        let rows = work.x.len() / c.dim;
        resize(&mut work.gate, rows * c.ffn_dim);
        resize(&mut work.up, rows * c.ffn_dim);
        let mut products = [project(&block.gate, &mut work.gate), project(&block.up, &mut work.up)];
        matmul_q(pool, level, &work.acts, &mut products)?;
        let activation = match c.activation {
            Activation::Silu => swiglu::Activation::Silu,
            Activation::Gelu => swiglu::Activation::GeluTanh,
        };
        gated(pool, level, activation, &mut work.gate, &work.up)?;
        self.set(&mut work.acts, &work.gate, &[&block.down])?;
        self.add_projected(work, &block.down, block.ffn_post_norm.as_deref())
    }

    /// The residual stream, normalised, becomes what the next products read.
    fn prepare(&self, work: &mut Work, norm: &[f32], readers: &[&Linear]) -> Result<(), InferError> {
        let Machine { pool, level } = self.machine;
        resize(&mut work.normed, work.x.len());
        rmsnorm::rmsnorm(pool, level, &work.x, norm, self.config.norm_eps, &mut work.normed)?;
        self.set(&mut work.acts, &work.normed, readers)
    }

    fn set(&self, acts: &mut Activations, input: &[f32], readers: &[&Linear]) -> Result<(), InferError> {
        let Machine { pool, level } = self.machine;
        let Some(first) = readers.first() else { return Ok(()) };
        let formats: Vec<Format> = readers.iter().map(|linear| linear.weights().format()).collect();
        Ok(acts.set_for(pool, level, first.weights().cols(), input, &formats)?)
    }

    /// Adds a projection to the residual stream, normalised first where the model says so.
    fn add_projected(&self, work: &mut Work, linear: &Linear, post_norm: Option<&[f32]>) -> Result<(), InferError> {
        let Machine { pool, level } = self.machine;
        let Some(norm) = post_norm else {
            matmul_q(pool, level, &work.acts, &mut [project(linear, &mut work.x).accumulate()])?;
            return Ok(());
        };
        resize(&mut work.normed, work.x.len());
        matmul_q(pool, level, &work.acts, &mut [project(linear, &mut work.normed)])?;
        rmsnorm::in_place(pool, level, &mut work.normed, norm, self.config.norm_eps)?;
        work.x.iter_mut().zip(&work.normed).for_each(|(x, y)| *x += y);
        Ok(())
    }

    fn logits(&self, work: &mut Work) -> Result<(), InferError> {
        let Machine { pool, level } = self.machine;
        let output = &self.model.output;
        self.prepare(work, &self.model.output_norm, &[output])?;
        work.vocab = self.config.vocab;
        let wanted = work.x.len() / self.config.dim * self.config.vocab;
        if output.weights().format().is_float() {
            resize(&mut work.logits, wanted);
            matmul_q(pool, level, &work.acts, &mut [project(output, &mut work.logits)])?;
        } else {
            // No layer comes after to even out what rounding to int8 costs here, so what it leaves is multiplied too: in the
            // same pass over the weights.
            work.acts.push_rest(&mut work.normed);
            self.set(&mut work.acts, &work.normed, &[output])?;
            resize(&mut work.logits, 2 * wanted);
            matmul_q(pool, level, &work.acts, &mut [Product::new(output.weights(), &mut work.logits)])?;
            let (logits, rest) = work.logits.split_at_mut(wanted);
            logits.iter_mut().zip(rest).for_each(|(logit, rest)| *logit += *rest);
            work.logits.truncate(wanted);
            if let Some(bias) = output.bias.as_deref() {
                let rows = work.logits.chunks_exact_mut(self.config.vocab);
                rows.for_each(|row| row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias));
            }
        }
        if let Some(cap) = self.config.logit_softcap {
            work.logits.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
        }
        Ok(())
    }
}

fn project<'p>(linear: &'p Linear, out: &'p mut [f32]) -> Product<'p> {
    Product::new(linear.weights(), out).bias(linear.bias.as_deref())
}

/// Buffers are overwritten, so what they held doesn't matter.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

/// Of rows of `width` values, keeps those whose logits are wanted.
fn keep_wanted<T: Copy>(rows: &mut Vec<T>, width: usize, segments: &[Segment]) {
    let (mut from, mut to) = (0, 0);
    for segment in segments {
        let end = from + segment.tokens.len();
        let start = match segment.wanted {
            Wanted::All => from,
            Wanted::Last => end.saturating_sub(1).max(from),
            Wanted::None => end,
        };
        rows.copy_within(start * width..end * width, to * width);
        to += end - start;
        from = end;
    }
    rows.truncate(to * width);
}

fn check(values: &[f32], width: usize, positions: &[usize], place: Place) -> Result<(), InferError> {
    // Without a branch in it, the loop over the bits of each magnitude is quick.
    let infinite = f32::INFINITY.to_bits();
    for (row, position) in values.chunks_exact(width).zip(positions) {
        if row.iter().fold(0, |most, x| x.abs().to_bits().max(most)) >= infinite {
            return Err(InferError::NotFinite { place, position: *position });
        }
    }
    Ok(())
}
