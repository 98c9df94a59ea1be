//! A model made ready to compute: how, and from which files.

use std::path::PathBuf;

use bizra_kernels::{Level, Matrix, default_threads, os};

use super::ModelArgs;
use super::answer::digest_memory;
use crate::cli::Session;
use crate::config::parse_size;
use crate::env::Env;
use crate::error::{Error, Place, Result};
use crate::infer::dtype::DType;
use crate::infer::engine::{self, Engine, Options};
use crate::infer::fault::InferError;
use crate::infer::kv::{Cell, Kv};
use crate::infer::weights::Weights;
use crate::receipts::Hash;
use crate::sys::folders;
use crate::sys::models::Opened;
use crate::sys::packed::{Kept, PackedCache};

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

/// The level that `--isa` names, else the best.
pub(in crate::cli) fn level_of(isa: Option<&str>) -> Result<Level> {
    let Some(name) = isa else { return Ok(Level::best()) };
    Level::parse(name).map_err(|e| match e {
        bizra_kernels::Error::LevelMissing { .. } => Error::cannot(format!("--isa: {e}")),
        _ => Error::usage(format!("--isa: {e}")),
    })
}

impl Setting {
    pub(in crate::cli) fn of(args: &ModelArgs) -> Result<Self> {
        Ok(Setting {
            level: level_of(args.isa.as_deref())?,
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
    session.find_model(name)?.open(session)
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
pub(in crate::cli) fn cell_beside(weights: &Weights<'_>) -> Cell {
    match weights.get("token_embd.weight") {
        Some(embedding) if embedding.dtype == DType::F32 => Cell::F32,
        _ => Cell::F16,
    }
}

/// Where packed weights are kept, if a folder for it is known.
pub(in crate::cli) fn packed_folder(env: &Env) -> Option<PathBuf> {
    folders::cache(&env.vars).map(|cache| cache.join("packed"))
}

/// None where it is switched off.
fn packed_cache(session: &Session) -> Option<PackedCache> {
    let limit = session.config.get("packed-cache").and_then(parse_size).unwrap_or(0);
    let folder = packed_folder(&session.env)?;
    (limit > 0).then(|| PackedCache::at(folder, limit))
}

/// The model's weights as an earlier run packed them. What stands in the way is told, and they are packed again.
pub(in crate::cli) fn kept(session: &mut Session, opened: &Opened) -> Option<Kept> {
    let model = opened.known_digest(&digest_memory(&session.env)?)?;
    match packed_cache(session)?.find(&model) {
        Ok(kept) => {
            if kept.is_some() {
                session.ui.detail("the packed weights of an earlier run are used");
            }
            kept
        }
        Err(e) => {
            session.ui.warn(format!("{e}; the weights are packed anew"));
            None
        }
    }
}

/// Keeps the weights as they were packed, for the next run. The answer doesn't depend on it, so a fault is only told.
pub(in crate::cli) fn keep(session: &mut Session, opened: &Opened, loaded: &Loaded<'_>, digest: Option<Hash>) {
    let Some(cache) = packed_cache(session) else { return };
    let wants = |model: &Hash| {
        loaded.engine.finish_packing();
        cache.wants(model, loaded.engine.packed())
    };
    // Hashing takes time: only for what could be kept.
    let memory = digest_memory(&session.env);
    if opened.format() != "gguf" || memory.is_none() || !digest.as_ref().map_or_else(|| wants(&[0; 32]), wants) {
        return;
    }
    let model = digest.unwrap_or_else(|| opened.digest(memory.as_deref()));
    let interrupt = session.env.interrupt.clone();
    if wants(&model)
        && opened.unchanged()
        && let Err(e) = cache.keep(&model, loaded.engine.packed(), &|| interrupt.requested())
    {
        let cause = e.causes.first().map_or_else(String::new, |cause| format!(" ({cause})"));
        session.ui.warn(format!("the packed weights can't be kept for the next run: {e}{cause}"));
    }
}

/// An error of a run with kept weights, which may be what is wrong.
pub(in crate::cli) fn doubted(error: Error, kept: Option<&Kept>) -> Error {
    if kept.is_none() || error.exit != crate::error::Exit::Invalid {
        return error;
    }
    error.hint("packed weights of an earlier run were used: `bizra model cache clear`, and try again")
}

/// Builds the engine, after a look at whether the machine has the memory for it. What was packed before is taken where
/// it fits.
pub(in crate::cli) fn load<'a>(opened: &'a Opened, setting: Setting, kept: Option<&Kept>) -> Result<Loaded<'a>> {
    let parts = opened.parts()?;
    let stored = |offset: u64, matrix: Matrix<'_>| kept.and_then(|kept| kept.matrix(offset, &matrix));
    let options = Options {
        level: setting.level,
        threads: setting.threads,
        context: setting.context,
        cell: setting.cell.unwrap_or_else(|| cell_beside(&parts.weights)),
        chunk: setting.chunk,
        pack: None,
        stored: Some(&stored),
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
    let mut engine =
        Engine::from_parts(parts.config, &parts.weights, parts.tokenizer, &options).map_err(|e| refusal(opened, e))?;
    engine.pack_later(move |range| opened.release(range));
    Ok(Loaded { engine, template: parts.template })
}

/// How many sequences of a full context there is memory for, at most as many as were asked for.
pub(super) fn sequences(engine: &Engine<'_>, asked: usize) -> usize {
    let bytes = Kv::bytes(engine.config(), engine.cell(), engine.context()).unwrap_or(usize::MAX) as u64;
    let room = os::Memory::read().map_or(asked as u64, |memory| memory.available / bytes.max(1));
    asked.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}
