//! Texts to vectors, with encoders of BERT's kind: the folders that sentence-transformers writes (`config.json`, a
//! WordPiece tokenizer, `model.safetensors`).
//!
//! The forward pass is candle's. What is ours: reading the folder's own word on pooling and length, telling a text that
//! is too long instead of cutting it, batches of texts of one length, and the pooling. Leaves out finding the files.

mod config;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

pub use config::Pooling;
use text::Reader;

/// The files of a model's folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'f> {
    pub config: &'f [u8],
    /// `tokenizer.json`, which goes before `vocab.txt`.
    pub tokenizer: Option<&'f [u8]>,
    pub vocabulary: Option<&'f [u8]>,
    pub tokenizer_config: Option<&'f [u8]>,
    /// `sentence_bert_config.json`: how long a text may be.
    pub sentences: Option<&'f [u8]>,
    /// `1_Pooling/config.json`.
    pub pooling: Option<&'f [u8]>,
    pub weights: &'f [u8],
}

pub struct Model {
    config: Config,
    reader: Reader,
    bert: BertModel,
    /// What the folder says, else the mean.
    pub pooling: Pooling,
    /// Tokens that a text may have, the two that enclose it included.
    pub limit: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub pooling: Pooling,
    pub normalise: bool,
    /// Cut what is too long, instead of refusing it.
    pub truncate: bool,
    /// Texts that go through the model together.
    pub batch: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    pub vector: Vec<f32>,
    /// How many the text has, whatever was read of it.
    pub tokens: usize,
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedError {
    /// A file of the folder is not what it has to be.
    File {
        name: &'static str,
        reason: String,
    },
    /// The model is of another kind.
    Kind {
        found: String,
    },
    Weights(String),
    /// Counted from 1.
    TooLong {
        number: usize,
        tokens: usize,
        limit: usize,
        more: usize,
    },
    NotFinite {
        number: usize,
    },
    /// All numbers are zero, so that there is no direction.
    NoDirection {
        number: usize,
    },
    Engine(String),
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, reason } => write!(f, "{name}: {reason}"),
            Self::Kind { found } => {
                write!(f, "config.json: model_type is `{found}`; embeddings are made with `bert`")
            }
            Self::Weights(reason) => write!(f, "model.safetensors: {reason}"),
            Self::TooLong { number, tokens, limit, more } => {
                write!(f, "text {number} has {tokens} tokens, and the model reads {limit}")?;
                match more {
                    0 => Ok(()),
                    1 => write!(f, "; 1 more is too long"),
                    n => write!(f, "; {n} more are too long"),
                }
            }
            Self::NotFinite { number } => write!(f, "the model's numbers for text {number} are not finite"),
            Self::NoDirection { number } => write!(f, "the vector of text {number} is zero and can't be normalised"),
            Self::Engine(reason) => write!(f, "the forward pass failed: {reason}"),
        }
    }
}

impl std::error::Error for EmbedError {}

impl Model {
    pub fn read(files: &Files<'_>) -> Result<Model, EmbedError> {
        let config = config::read(files.config)?;
        let pooling = config::pooling(files.pooling)?;
        let limit = config::limit(files.sentences, &config)?;
        let reader = Reader::new(files, config.vocab_size)?;
        let weights = |e: candle_core::Error| EmbedError::Weights(first_line(&e));
        let vars = VarBuilder::from_slice_safetensors(files.weights, DType::F32, &Device::Cpu).map_err(weights)?;
        let bert = BertModel::load(vars, &config).map_err(weights)?;
        Ok(Model { config, reader, bert, pooling, limit })
    }

    pub fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    pub fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    /// As the model reads a text, uncut.
    pub fn token_ids(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        self.reader.ids(text)
    }

    /// One vector for each text, in their order. `done` is told how many are ready.
    pub fn embed(
        &self,
        texts: &[&str],
        options: &Options,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Embedded>, EmbedError> {
        let mut ids: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        for text in texts {
            ids.push(self.reader.ids(text)?);
        }
        let counts: Vec<usize> = ids.iter().map(Vec::len).collect();
        let mut long = counts.iter().enumerate().filter(|(_, tokens)| **tokens > self.limit);
        if !options.truncate
            && let Some((at, tokens)) = long.next()
        {
            return Err(EmbedError::TooLong { number: at + 1, tokens: *tokens, limit: self.limit, more: long.count() });
        }
        for ids in &mut ids {
            self.reader.cut(ids, self.limit);
        }
        // Padding is work for nothing: texts of about one length go together.
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|at| ids[*at].len());
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); ids.len()];
        let mut ready = 0;
        for batch in order.chunks(options.batch.max(1)) {
            let pooled = self.batch(batch.iter().map(|at| ids[*at].as_slice()).collect(), options.pooling);
            for (at, mut vector) in batch.iter().zip(pooled.map_err(|e| EmbedError::Engine(first_line(&e)))?) {
                if vector.iter().any(|x| !x.is_finite()) {
                    return Err(EmbedError::NotFinite { number: at + 1 });
                }
                if options.normalise && !normalise(&mut vector) {
                    return Err(EmbedError::NoDirection { number: at + 1 });
                }
                vectors[*at] = vector;
            }
            ready += batch.len();
            done(ready);
        }
        let embedded = vectors.into_iter().zip(counts);
        Ok(embedded.map(|(vector, tokens)| Embedded { vector, tokens, truncated: tokens > self.limit }).collect())
    }

    /// The pooled vectors of texts that are filled up to the longest of them.
    fn batch(&self, texts: Vec<&[u32]>, pooling: Pooling) -> candle_core::Result<Vec<Vec<f32>>> {
        let length = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let shape = (texts.len(), length);
        let pad = self.config.pad_token_id as u32;
        let filled =
            |ids: &&[u32]| -> Vec<u32> { ids.iter().copied().chain(std::iter::repeat(pad)).take(length).collect() };
        let ids: Vec<u32> = texts.iter().flat_map(filled).collect();
        let mask: Vec<u32> = texts.iter().flat_map(|ids| (0..length).map(|at| u32::from(at < ids.len()))).collect();
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let width = self.config.hidden_size;
        let hidden: Vec<f32> = hidden.flatten_all()?.to_vec1()?;
        let rows = hidden.chunks_exact(length * width).zip(&texts);
        Ok(rows.map(|(row, ids)| pooling.pool(&row[..ids.len() * width], width)).collect())
    }
}

/// False for a vector without direction.
fn normalise(vector: &mut [f32]) -> bool {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    norm > 0.0
}

/// Candle's errors carry a trace of the program below their first line.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
