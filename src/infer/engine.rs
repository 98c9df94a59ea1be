//! A model ready to answer: weights, tokenizer, threads and buffers together.
//!
//! The same model, prompt, sampling and instruction level give the same bytes; the number of threads, the chunks of the
//! prompt and what a session had computed before make no difference.

use std::ops::Range;
use std::time::Duration;

use bizra_kernels::attention::Cache;
use bizra_kernels::{Level, Packed, Pool, default_threads};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::config::{ConfigError, ModelConfig, RopeScaling};
use super::dtype::DType;
use super::fault::InferError;
use super::forward::{Machine, Segment, Wanted, Work, forward};
use super::generate::{self, Control, Event, Generation, Limits, Request, Steps};
use super::gguf::Gguf;
use super::hf;
use super::json;
use super::kv::{Cell, Kv};
use super::memory::{self, Needs};
use super::model::{Model, Packing, Stored};
use super::sampler::Sampling;
use super::tokenizer::Tokenizer;
use super::weights::Weights;

pub mod batch;

/// How a model is to be run.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    pub level: Level,
    pub threads: usize,
    /// Positions of a sequence; none means [`default_context`].
    pub context: Option<usize>,
    pub cell: Cell,
    /// Positions of a prompt that are computed together; none means [`memory::chunk`].
    pub chunk: Option<usize>,
    /// Quantised weights are rearranged for speed, and this is told which bytes of the file are read no more, so that
    /// their pages can be given back. None computes from the file's bytes: slower, with the same results.
    pub pack: Option<&'o dyn Fn(Range<u64>)>,
    /// Where matrices may lie that were packed before. Used only with `pack`.
    pub stored: Option<Stored<'o>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            level: Level::best(),
            threads: default_threads(),
            context: None,
            cell: Cell::F16,
            chunk: None,
            pack: None,
            stored: None,
        }
    }
}

/// The context where none is asked for: what the model was trained for, up to 8192 positions, and within the first of
/// the ranges of a model that treats long contexts otherwise.
pub fn default_context(config: &ModelConfig) -> usize {
    let most = match config.rope.scaling {
        RopeScaling::LongRope { original_context, .. } => original_context,
        _ => 8192,
    };
    config.context.min(most)
}

/// The context that was asked for, if the model has it.
pub fn context(config: &ModelConfig, asked: Option<usize>) -> Result<usize, InferError> {
    match asked {
        None => Ok(default_context(config)),
        Some(asked) if (1..=config.context).contains(&asked) => Ok(asked),
        Some(asked) => Err(InferError::ContextOption { asked, trained: config.context }),
    }
}

/// The tokens that a `config.json` or `generation_config.json` names as ends: one, several or none.
fn end_tokens(file: &[u8]) -> Result<Vec<u32>, InferError> {
    let parsed = json::parse(file).map_err(|e| ConfigError::Json { offset: e.offset, reason: e.reason })?;
    let wrong = || ConfigError::Type { key: "eos_token_id".to_owned(), needed: "a token id or a list of them" };
    let id = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong);
    Ok(match parsed.get("eos_token_id") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(ids)) => ids.iter().map(id).collect::<Result<_, _>>()?,
        Some(single) => vec![id(single)?],
    })
}

/// What a model will take, to be compared with what the machine has before it is loaded.
pub fn needs(config: &ModelConfig, weights: u64, options: &Options) -> Result<Needs, InferError> {
    let context = context(config, options.context)?;
    let chunk = options.chunk.unwrap_or_else(|| memory::chunk(config)).min(context);
    Ok(Needs::new(config, weights, options.cell, context, chunk))
}

/// The contents of a Hugging Face folder's files; `'a` is how long the weights live.
#[derive(Clone, Copy)]
pub struct Folder<'a, 'f> {
    /// `config.json`
    pub config: &'f [u8],
    /// `generation_config.json`
    pub generation_config: Option<&'f [u8]>,
    /// `model.safetensors.index.json`
    pub index: Option<&'f [u8]>,
    pub shards: &'f [hf::Shard<'a>],
    /// `tokenizer.json`
    pub tokenizer: &'f [u8],
    /// `tokenizer_config.json`
    pub tokenizer_config: Option<&'f [u8]>,
}

pub struct Engine<'a> {
    model: Model<'a>,
    tokenizer: Tokenizer,
    pool: Pool,
    level: Level,
    context: usize,
    cell: Cell,
    chunk: usize,
    work: Work,
}

/// A sequence whose keys and values are kept from one generation to the next.
#[derive(Debug)]
pub struct Session {
    kv: Kv,
    tokens: Vec<u32>,
}

impl Session {
    /// Tokens that the cache knows.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Layer by layer, the bytes of the keys and values.
    pub fn layers(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        self.kv.filled()
    }

    /// How many of the prompt's tokens are known. The last one is fed again, for its logits.
    fn known_of(&self, prompt: &[u32]) -> usize {
        let known = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        known.min(prompt.len().saturating_sub(1)).min(self.kv.len())
    }

    /// Keeps what is known of the prompt.
    fn keep_for(&mut self, prompt: &[u32]) {
        self.forget_after(self.known_of(prompt));
    }

    /// Keeps the first so many tokens.
    pub fn forget_after(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        self.kv.truncate(tokens);
    }
}

impl<'a> Engine<'a> {
    /// From the bytes of a GGUF file.
    pub fn load(file: &'a [u8], options: &Options) -> Result<Engine<'a>, InferError> {
        let gguf = Gguf::parse(file)?;
        let config = ModelConfig::from_gguf(&gguf)?;
        let tokenizer = Tokenizer::from_gguf(&gguf)?;
        let weights = Weights::new(gguf.tensors().iter().cloned())
            .map_err(|twice| InferError::UnusedTensor { name: twice.name.into_owned(), arch: config.arch.name() })?;
        Engine::from_parts(config, &weights, tokenizer, options)
    }

    /// From what was read of files of any kind.
    pub fn from_parts(
        config: ModelConfig,
        weights: &Weights<'a>,
        tokenizer: Tokenizer,
        options: &Options,
    ) -> Result<Engine<'a>, InferError> {
        if tokenizer.len() > config.vocab {
            return Err(InferError::Vocabulary { tokenizer: tokenizer.len(), model: config.vocab });
        }
        let context = context(&config, options.context)?;
        let chunk = options.chunk.unwrap_or_else(|| memory::chunk(&config)).clamp(1, context);
        let pool = Pool::new(options.threads);
        let packing = options.pack.map(|copied| Packing { pool: &pool, copied, stored: options.stored });
        let model = Model::new(config, weights, context, packing)?;
        let Options { level, cell, .. } = *options;
        Ok(Engine { model, tokenizer, pool, level, context, cell, chunk, work: Work::default() })
    }

    /// From the files of a Hugging Face folder.
    pub fn load_folder(folder: &Folder<'a, '_>, options: &Options) -> Result<Engine<'a>, InferError> {
        let (config, weights) = hf::open(folder.config, folder.index, folder.shards)?;
        let mut tokenizer = Tokenizer::from_json(folder.tokenizer, folder.tokenizer_config)?;
        for file in [Some(folder.config), folder.generation_config].into_iter().flatten() {
            tokenizer.add_ends(end_tokens(file)?);
        }
        Engine::from_parts(config, &weights, tokenizer, options)
    }

    pub fn config(&self) -> &ModelConfig {
        &self.model.config
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// Threads at work, which may be fewer than were asked for.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Positions that a sequence may have.
    pub fn context(&self) -> usize {
        self.context
    }

    pub fn cell(&self) -> Cell {
        self.cell
    }

    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Other threads from now on.
    pub fn set_threads(&mut self, threads: usize) {
        if threads != self.pool.threads() {
            self.pool = Pool::new(threads);
        }
    }

    /// Sessions that are made from now on keep keys and values so; those made before are for the cell they were made
    /// with.
    pub fn set_cell(&mut self, cell: Cell) {
        self.cell = cell;
    }

    /// The matrices that are packed, each with its offset in the file: what [`Options::stored`] may give next time.
    pub fn packed(&self) -> impl Iterator<Item = (u64, &Packed)> {
        self.model.packed()
    }

    /// Storage formats of the matrices, each once.
    pub fn formats(&self) -> impl Iterator<Item = DType> {
        self.model.formats.iter().copied()
    }

    pub fn session(&self) -> Result<Session, InferError> {
        Ok(Session { kv: Kv::new(&self.model.config, self.cell, self.context)?, tokens: Vec::new() })
    }

    /// What the bytes of keys and values depend on beside model, tokens and build: their form and how positions turn.
    pub fn arrangement(&self) -> String {
        let (config, model) = (&self.model.config, &self.model);
        let mut turns = Sha256::new();
        for turns_of in [Some(&model.turns), model.window_turns.as_ref()].into_iter().flatten() {
            turns_of.frequencies.iter().for_each(|frequency| turns.update(frequency.to_le_bytes()));
            turns.update(turns_of.magnitude.to_le_bytes());
        }
        let turns: String = turns.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{:?}-{}x{}x{}-{turns}", Cache::LAYOUT, self.cell, config.layers, config.kv_heads, config.key_dim)
    }

    /// Bytes of a layer of a session that knows so many tokens.
    pub fn layer_bytes(&self, tokens: usize) -> Result<usize, InferError> {
        Kv::filled_bytes(&self.model.config, self.cell, tokens)
    }

    /// A session from what [`Session::layers`] gave of one with these tokens: as much of it as the context takes. That
    /// the bytes are what this engine would have computed is the caller's to make sure.
    pub fn session_of(&self, tokens: &[u32], layers: &[&[u8]]) -> Result<Session, InferError> {
        let mut session = self.session()?;
        let keep = tokens.len().min(self.context);
        session.kv.restore(layers, tokens.len(), keep)?;
        session.tokens = tokens[..keep].to_vec();
        Ok(session)
    }

    /// Answers a prompt. `clock` tells the time since any start.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        sampling: &Sampling,
        limits: &Limits,
        on: &mut dyn FnMut(Event) -> Control,
        clock: &dyn Fn() -> Duration,
    ) -> Result<Generation, InferError> {
        let mut session = self.session()?;
        self.generate_in(&mut session, prompt, sampling, limits, on, clock)
    }

    /// Answers a prompt whose beginning the session may have computed; what it knew beyond that is forgotten.
    pub fn generate_in(
        &mut self,
        session: &mut Session,
        prompt: &[u32],
        sampling: &Sampling,
        limits: &Limits,
        on: &mut dyn FnMut(Event) -> Control,
        clock: &dyn Fn() -> Duration,
    ) -> Result<Generation, InferError> {
        if !session.kv.fits(&self.model.config, self.cell) {
            return Err(InferError::Session);
        }
        session.keep_for(prompt);
        let machine = Machine { pool: &self.pool, level: self.level };
        let mut steps = Sequence { model: &self.model, machine, work: &mut self.work, session, chunk: self.chunk };
        let request = Request { prompt, sampling, limits, tokenizer: &self.tokenizer };
        generate::generate(&mut steps, &request, on, clock)
    }

    /// Runs several sequences through the model in one pass, which reads the weights once; then hands over the logits
    /// that were wanted, sequence by sequence.
    pub fn pass(&mut self, parts: &mut [(&mut Session, &[u32], Wanted)]) -> Result<Vec<Vec<f32>>, InferError> {
        let machine = Machine { pool: &self.pool, level: self.level };
        let mut segments: Vec<Segment> = Vec::with_capacity(parts.len());
        for (session, tokens, wanted) in parts.iter_mut() {
            if !session.kv.fits(&self.model.config, self.cell) {
                return Err(InferError::Session);
            }
            segments.push(Segment { kv: &mut session.kv, tokens, wanted: *wanted });
        }
        forward(&self.model, machine, &mut self.work, &mut segments)?;
        parts.iter_mut().for_each(|(session, tokens, _)| session.tokens.extend_from_slice(tokens));
        Ok(self.work.logits().map(<[f32]>::to_vec).collect())
    }
}

struct Sequence<'s, 'a> {
    model: &'s Model<'a>,
    machine: Machine<'s>,
    work: &'s mut Work,
    session: &'s mut Session,
    chunk: usize,
}

impl Steps for Sequence<'_, '_> {
    fn fed(&self) -> usize {
        self.session.tokens.len()
    }

    fn capacity(&self) -> usize {
        self.session.kv.capacity()
    }

    fn chunk(&self) -> usize {
        self.chunk
    }

    fn vocab(&self) -> usize {
        self.model.config.vocab
    }

    fn feed(&mut self, tokens: &[u32], wanted: Wanted) -> Result<(), InferError> {
        let segment = Segment { kv: &mut self.session.kv, tokens, wanted };
        forward(self.model, self.machine, self.work, &mut [segment])?;
        self.session.tokens.extend_from_slice(tokens);
        Ok(())
    }

    fn forget(&mut self, tokens: usize) {
        self.session.forget_after(self.session.tokens.len() - tokens);
    }

    fn logits(&self) -> impl Iterator<Item = &[f32]> {
        self.work.logits()
    }
}

#[cfg(test)]
mod tests;
