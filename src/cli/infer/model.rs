//! A model made ready to compute: how, and from which files.

use bizra_kernels::{Level, default_threads, os};

use super::ModelArgs;
use crate::cli::Session;
use crate::error::{Error, Place, Result};
use crate::infer::dtype::DType;
use crate::infer::engine::{self, Engine, Options};
use crate::infer::fault::InferError;
use crate::infer::kv::Cell;
use crate::infer::weights::Weights;
use crate::sys::models::{self, Opened};

/// How a run computes; everything here goes into the receipt.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Setting {
    pub(in crate::cli) level: Level,
    pub(in crate::cli) threads: usize,
    pub(in crate::cli) context: Option<usize>,
    /// None keeps keys and values as exact as the weights are: f32 beside f32 weights, else f16.
    pub(in crate::cli) cell: Option<Cell>,
    pub(in crate::cli) chunk: Option<usize>,
}

const CELLS: [(Cell, &str); 3] = [(Cell::F16, "f16"), (Cell::Q8, "q8"), (Cell::F32, "f32")];

pub(in crate::cli) fn cell_of(word: &str) -> Option<Cell> {
    CELLS.iter().find(|(_, name)| *name == word).map(|(cell, _)| *cell)
}

pub(in crate::cli) fn cell_word(cell: Cell) -> &'static str {
    CELLS.iter().find(|(one, _)| *one == cell).map_or("", |(_, name)| name)
}

impl Setting {
    pub(in crate::cli) fn of(args: &ModelArgs) -> Result<Self> {
        let level = match &args.isa {
            None => Level::best(),
            Some(name) => Level::parse(name).map_err(|e| match e {
                bizra_kernels::Error::LevelMissing { .. } => Error::cannot(format!("--isa: {e}")),
                _ => Error::usage(format!("--isa: {e}")),
            })?,
        };
        Ok(Setting {
            level,
            threads: args.threads.map_or_else(default_threads, |n| n as usize),
            context: args.ctx,
            cell: args.kv.as_deref().and_then(cell_of),
            chunk: None,
        })
    }
}

/// A model on disk and what was told of it, before anything large is loaded.
pub(in crate::cli) struct Loaded<'a> {
    pub(in crate::cli) engine: Engine<'a>,
    pub(in crate::cli) template: Option<String>,
}

pub(in crate::cli) fn open(session: &Session, name: &str) -> Result<Opened> {
    Opened::open(&models::find(&session.env, name)?)
}

/// An engine's refusal of a file names the file.
pub(in crate::cli) fn refusal(opened: &Opened, error: InferError) -> Error {
    let error = Error::from(error);
    match error.exit {
        crate::error::Exit::Invalid => error.at(Place::file(&opened.path)),
        _ => error,
    }
}

/// Half precision for keys and values costs what the quantised weights have cost already; beside f32 weights it would be
/// the largest error of all.
fn cell_beside(weights: &Weights<'_>) -> Cell {
    match weights.get("token_embd.weight") {
        Some(embedding) if embedding.dtype == DType::F32 => Cell::F32,
        _ => Cell::F16,
    }
}

/// Builds the engine, after a look at whether the machine has the memory for it.
pub(in crate::cli) fn load<'a>(opened: &'a Opened, setting: Setting) -> Result<Loaded<'a>> {
    let parts = opened.parts()?;
    let released = |range| opened.release(range);
    let options = Options {
        level: setting.level,
        threads: setting.threads,
        context: setting.context,
        cell: setting.cell.unwrap_or_else(|| cell_beside(&parts.weights)),
        chunk: setting.chunk,
        pack: Some(&released),
        stored: None,
    };
    let needs = engine::needs(&parts.config, opened.bytes(), &options).map_err(|e| refusal(opened, e))?;
    if let Some(memory) = os::Memory::read()
        && needs.total() > memory.available
    {
        let mib = |bytes: u64| bytes >> 20;
        return Err(Error::cannot(format!(
            "{} needs {} MiB of memory ({} for weights, {} for keys and values, {} for buffers), and {} MiB are available",
            opened.name,
            mib(needs.total()),
            mib(needs.weights),
            mib(needs.cache),
            mib(needs.activations),
            mib(memory.available)
        ))
        .hint("a smaller --ctx, --kv q8, or a model with fewer bits"));
    }
    let engine =
        Engine::from_parts(parts.config, &parts.weights, parts.tokenizer, &options).map_err(|e| refusal(opened, e))?;
    Ok(Loaded { engine, template: parts.template })
}
