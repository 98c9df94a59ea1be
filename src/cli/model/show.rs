//! `bizra model show`: what a model is by its own words, and what it takes to run it here.

use bizra_kernels::os;
use sha2::{Digest as _, Sha256};

use crate::cli::infer::answer::digest_memory;
use crate::cli::infer::model::cell_beside;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Result};
use crate::infer::config::ModelConfig;
use crate::infer::engine::{self, Options};
use crate::infer::weights::Weights;
use crate::receipts::hex;
use crate::sys::models::Opened;
use crate::view::model::show::{Format, Memory, Shown, Template};

/// Show a model: architecture, parameters, quantisation, context, template, licence, and the memory that it needs
///
/// Nothing of the weights is read but where they lie. What can't be run here is shown as far as it can be read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model show model.gguf
  bizra model show owner/name-GGUF:Q4_K_M --ctx 32768      How much memory would that take?
  bizra model show owner/name --json | jq .result.memory")]
pub(super) struct Args {
    /// A .gguf file, a folder with safetensors, or REPO[:QUANT][@REVISION] in the cache
    #[arg(value_name = "MODEL", value_hint = clap::ValueHint::AnyPath)]
    model: String,
    /// Tokens that prompt and answer may have together [default: the model's own, at most 8192]
    #[arg(long, value_name = "TOKENS")]
    ctx: Option<usize>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let found = session.find_model(&args.model)?;
    let opened = Opened::open(&found.path)?;
    let sketch = opened.sketch()?;
    let mut shown = Shown {
        name: opened.name.clone(),
        path: opened.path.display().to_string(),
        format: opened.format(),
        bytes: opened.bytes(),
        // Only where it was hashed before: a look must not take minutes.
        sha256: digest_memory(&session.env).and_then(|memory| opened.known_digest(&memory)),
        title: sketch.title,
        arch: sketch.arch,
        licence: sketch.licence,
        parameters: None,
        formats: Vec::new(),
        vocabulary: None,
        tokenizer: None,
        trained_context: None,
        layers: None,
        template: None,
        memory: None,
        refused: None,
    };
    match opened.parts() {
        Err(refused) => shown.refused = Some(refused.to_string()),
        Ok(parts) => {
            shown.parameters = Some(parameters(&parts.weights));
            shown.formats = formats(&parts.weights);
            shown.vocabulary = Some(parts.tokenizer.len());
            shown.tokenizer = Some(parts.tokenizer.name().to_owned());
            shown.trained_context = Some(parts.config.context);
            shown.layers = Some(parts.config.layers);
            shown.arch = Some(parts.config.arch.name().to_owned());
            shown.template = parts
                .template
                .as_ref()
                .map(|source| Template { sha256: hex::encode(&Sha256::digest(source)), bytes: source.len() });
            let weights = parts.weights;
            shown.memory = Some(memory(&parts.config, &weights, opened.bytes(), args.ctx)?);
        }
    }
    Ok(Outcome::yes(shown))
}

fn parameters(weights: &Weights<'_>) -> u64 {
    weights.iter().map(|tensor| tensor.dims.as_slice().iter().copied().fold(1, u64::saturating_mul)).sum()
}

/// The formats of the weights by the bytes that they take, most first.
fn formats(weights: &Weights<'_>) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for tensor in weights.iter() {
        let (name, bytes) = (tensor.dtype.name(), tensor.data.len() as u64);
        match formats.iter_mut().find(|format| format.name == name) {
            Some(format) => format.bytes += bytes,
            None => formats.push(Format { name, bytes }),
        }
    }
    formats.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.name.cmp(b.name)));
    formats
}

/// As `infer` would take it without options.
fn memory(config: &ModelConfig, weights: &Weights<'_>, bytes: u64, context: Option<usize>) -> Result<Memory> {
    let options = Options { context, cell: cell_beside(weights), ..Options::default() };
    let needs = engine::needs(config, bytes, &options).map_err(Error::from)?;
    Ok(Memory {
        context: engine::context(config, context).map_err(Error::from)?,
        weights: needs.weights,
        cache: needs.cache,
        activations: needs.activations,
        total: needs.total(),
        available: os::Memory::read().map(|memory| memory.available),
    })
}
