//! The receipt of an inference: what the run was made of, before it; what came of it, after.

use std::time::Duration;

use super::form::Form;
use super::model::cell_word;
use super::render::Rendered;
use crate::cli::Session;
use crate::cli::book::Prepared;
use crate::error::{Error, Result};
use crate::infer::engine::Engine;
use crate::infer::generate::{Finish, Generation};
use crate::infer::sampler::Sampling;
use crate::receipts::Hash;
use crate::receipts::commitment::commit;
use crate::receipts::decimal::Decimal;
use crate::receipts::predicates::{self, Inference};
use crate::receipts::statement::{Draft, Subject};
use crate::sys::models::Opened;
use crate::sys::vault::{Secret, Texts, Vault};

/// What ends an answer, and what it must be.
#[derive(Clone, Copy)]
pub(super) struct Ends<'e> {
    pub(super) stops: &'e [String],
    pub(super) max_tokens: Option<usize>,
    pub(super) form: Option<&'e Form>,
}

/// What a receipt says of model and engine, the same for every prompt.
pub(super) struct Basis {
    model: predicates::Model,
    tokenizer: Hash,
    engine: predicates::Engine,
    context: u64,
}

impl Basis {
    pub(super) fn of(opened: &Opened, engine: &Engine<'_>) -> Self {
        let tokenizer = engine.tokenizer();
        Basis {
            model: predicates::Model {
                name: opened.name.replace(|c: char| c.is_control(), "?"),
                sha256: [0; 32],
                bytes: opened.bytes(),
                arch: engine.config().arch.name().to_owned(),
            },
            tokenizer: predicates::digest_of_vocabulary(
                (0..tokenizer.len() as u32).map(|id| tokenizer.text(id).unwrap_or_default()),
            ),
            engine: predicates::Engine {
                level: engine.level().to_string(),
                threads: engine.threads() as u64,
                chunk: engine.chunk() as u64,
                kv: cell_word(engine.cell()).to_owned(),
            },
            context: engine.context() as u64,
        }
    }

    /// The receipt as far as it is known before the run. What it can't hold is refused now, and not after the answer.
    pub(super) fn begin(
        &self,
        sampling: &Sampling,
        ends: Ends<'_>,
        rendered: &Rendered,
        files: &[Subject],
    ) -> Result<Inference> {
        let blank =
            |tokens: usize| predicates::Text { commitment: [0; 32], tokens_commitment: [0; 32], tokens: tokens as u64 };
        let mut bias = Vec::new();
        for (token, add) in &sampling.bias {
            let add = if add.is_finite() { Some(decimal("--logit-bias", *add)?) } else { None };
            bias.push((u64::from(*token), add));
        }
        let claim = Inference {
            model: self.model.clone(),
            tokenizer: self.tokenizer,
            template: rendered.template,
            clock: rendered.clock,
            prompt: blank(rendered.ids.len()),
            output: blank(0),
            parameters: predicates::Parameters {
                temperature: decimal("--temperature", sampling.temperature)?,
                top_k: sampling.top_k as u64,
                top_p: decimal("--top-p", sampling.top_p)?,
                min_p: decimal("--min-p", sampling.min_p)?,
                typical: decimal("--typical", sampling.typical)?,
                repetition: decimal("--repeat-penalty", sampling.repetition)?,
                presence: decimal("--presence-penalty", sampling.presence)?,
                frequency: decimal("--frequency-penalty", sampling.frequency)?,
                lookback: sampling.lookback as u64,
                bias,
                seed: sampling.seed,
                max_tokens: ends.max_tokens.map(|n| n as u64),
                stops: ends.stops.to_vec(),
                context: self.context,
                form: ends.form.map(Form::claim),
            },
            engine: self.engine.clone(),
            finish: predicates::Finish::Interrupted,
            timings: predicates::Timings {
                prompt: milliseconds(Duration::ZERO),
                first_token: milliseconds(Duration::ZERO),
                decode: milliseconds(Duration::ZERO),
            },
        };
        Draft::new(claim.subjects(files.to_vec()), &claim).map_err(|e| {
            Error::usage(format!("a receipt can't hold this run: {e}")).hint("--no-receipt leaves none")
        })?;
        Ok(claim)
    }
}

/// Zero has one sign in a receipt.
fn decimal(option: &str, x: f32) -> Result<Decimal> {
    let text = (x + 0.0).to_string();
    text.parse().map_err(|_| Error::usage(format!("{option} {text} has too many digits for a receipt")))
}

fn milliseconds(time: Duration) -> Decimal {
    format!("{:.3}", time.as_secs_f64() * 1e3).parse().expect("invariant: a duration is a decimal number")
}

/// The output as it is committed to: thinking and answer.
pub(in crate::cli) fn output_text(generation: &Generation) -> String {
    format!("{}{}", generation.thinking, generation.text)
}

pub(in crate::cli) fn token_bytes(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}

pub(in crate::cli) fn finish_of(generation: &Generation) -> predicates::Finish {
    match generation.finish {
        Finish::Eos(_) => predicates::Finish::Eos,
        Finish::Stop(_) => predicates::Finish::Stop,
        Finish::Length => predicates::Finish::Length,
        Finish::Repetition => predicates::Finish::Repetition,
        Finish::Interrupted => predicates::Finish::Interrupted,
    }
}

/// Who keeps what opens the commitments, and whether the texts are kept with it.
pub(super) struct Keeping<'k> {
    pub(super) vault: Option<&'k Vault>,
    pub(super) texts: bool,
    /// The receipt's id is told on stderr.
    pub(super) told: bool,
}

/// Completes the receipt, keeps what opens its commitments, and leaves it in the ledger.
#[expect(clippy::too_many_arguments, reason = "the run, its texts and their keeper meet here")]
pub(super) fn seal(
    session: &mut Session,
    prepared: Prepared,
    mut claim: Inference,
    model: Hash,
    rendered: &Rendered,
    generation: &Generation,
    keeping: &Keeping<'_>,
    files: Vec<Subject>,
) -> Result<String> {
    let (prompt_salt, output_salt) = (session.random()?, session.random()?);
    let output = output_text(generation);
    claim.model.sha256 = model;
    claim.prompt.commitment = commit(&prompt_salt, rendered.text.as_bytes());
    claim.prompt.tokens_commitment = commit(&prompt_salt, &token_bytes(&rendered.ids));
    claim.output = predicates::Text {
        commitment: commit(&output_salt, output.as_bytes()),
        tokens_commitment: commit(&output_salt, &token_bytes(&generation.token_ids)),
        tokens: generation.token_ids.len() as u64,
    };
    claim.finish = finish_of(generation);
    claim.timings = predicates::Timings {
        prompt: milliseconds(generation.timings.prompt),
        first_token: milliseconds(generation.timings.first_token),
        decode: milliseconds(generation.timings.decode),
    };
    let texts = keeping.texts.then(|| Texts {
        prompt: rendered.text.clone(),
        output,
        output_tokens: generation.token_ids.clone(),
    });
    match keeping.vault {
        Some(vault) => vault.keep(&claim.prompt.commitment, &Secret { prompt_salt, output_salt, texts })?,
        None => session.ui.warn("no home folder is known, so nothing can open the receipt's commitments later"),
    }
    let draft = Draft::new(claim.subjects(files), &claim)?;
    let recorded = match keeping.told {
        true => session.record_prepared(prepared, &draft)?,
        false => session.record_untold(prepared, &draft)?,
    };
    Ok(recorded.id.to_string())
}
