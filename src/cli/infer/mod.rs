//! `bizra infer`: one prompt, one answer, one receipt.
//!
//! The order of things: what can be refused is refused before the model is loaded; a streaming run takes room
//! in the ledger before its first byte; an answer in one document waits until its receipt is durable.

pub(super) mod answer;
mod batch;
mod chat;
mod claim;
mod form;
pub(super) mod kept;
pub(super) mod model;
pub(super) mod prompt;
mod render;
pub(super) mod replay;

use std::path::PathBuf;

use super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::infer::fault::InferError;
use crate::infer::generate::Limits;
use crate::infer::sampler::Sampling;
use crate::sys::embedded;
pub(super) use form::FormArgs;

/// Answer a prompt with a model on this machine, and leave a receipt
///
/// The prompt is the argument; without one it is read from standard input. The answer is streamed to stdout and nothing
/// else is. The command never asks anything and always ends.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra infer -m model.gguf 'Name three primes.'
  git diff | bizra infer -m model.gguf --system 'Summarise this change in a sentence.'
  bizra infer -m model.gguf -f notes.md 'What is still open?' -n 200 --json
  bizra infer -m model.gguf --raw 'Once upon a time' --temperature 0.8 --seed 7
  bizra infer -m model.gguf -f mail.txt 'Who writes, and what about?' --schema mail.schema.json
  bizra infer -m model.gguf -f book.txt 'Who is the hero?' --session book
  bizra infer -m model.gguf --batch questions.jsonl --output answers.jsonl -n 200")]
pub(super) struct Args {
    /// The prompt; - reads it from standard input [default: standard input, where that is no terminal]
    prompt: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Keep what was read under this name: the next run with the same beginning goes on from there
    #[arg(long, value_name = "NAME", conflicts_with = "batch")]
    session: Option<String>,
    #[command(flatten)]
    batch: batch::BatchArgs,
    /// Talk turn by turn; on a terminal only
    #[arg(long, conflicts_with_all = ["prompt", "raw", "messages", "files", "stream"])]
    chat: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelArgs {
    /// The model: a .gguf file, a folder with safetensors, REPO[:QUANT][@REVISION] in the Hugging Face cache, or
    /// `embedded` [default: the configuration's, else the small model inside the binary]
    #[arg(short, long, value_name = "MODEL", value_hint = clap::ValueHint::AnyPath)]
    pub(super) model: Option<String>,
    /// Tokens that prompt and answer may have together [default: the model's own, at most 8192]
    #[arg(long, value_name = "TOKENS")]
    pub(super) ctx: Option<usize>,
    /// Threads to compute with [default: all that this process may use]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) threads: Option<u64>,
    /// Instructions to compute with: scalar, avx2, avx512, amx [default: the best of this processor]
    #[arg(long, value_name = "LEVEL")]
    pub(super) isa: Option<String>,
    /// How keys and values are kept; q8 takes half of f16 [default: f32 beside f32 weights, else f16]
    #[arg(long, value_name = "TYPE", value_parser = ["f16", "q8", "f32"])]
    pub(super) kv: Option<String>,
}

#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// A file whose text goes before the prompt, under its name; - is standard input; may be given several times
    #[arg(short, long = "file", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    /// What the model is told about its role
    #[arg(long, value_name = "TEXT")]
    pub(super) system: Option<String>,
    /// A conversation: a JSON array of objects with `role` and `content`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "system", "raw", "files"], value_hint = clap::ValueHint::FilePath)]
    pub(super) messages: Option<PathBuf>,
    /// Send the prompt as it is, without a chat template
    #[arg(long, conflicts_with_all = ["system", "template"])]
    pub(super) raw: bool,
    /// A chat template to use instead of the model's own
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) template: Option<PathBuf>,
    /// Cut the beginning of a prompt that is too long for the context
    #[arg(long)]
    pub(super) truncate: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// At most so many tokens [default: as many as the context takes; 96 for the model inside the binary]
    #[arg(short = 'n', long = "max-tokens", value_name = "TOKENS")]
    max_tokens: Option<usize>,
    /// End an answer that goes in circles: the same tokens, over and over [default: for the model inside the binary]
    #[arg(long)]
    cut_repetition: bool,
    /// End the answer before this text; may be given several times
    #[arg(long = "stop", value_name = "TEXT")]
    stops: Vec<String>,
    /// With --json: a line for each piece of text as it comes, then the document
    #[arg(long, requires = "json")]
    stream: bool,
    /// With --json: log-probabilities of each token and of so many alternatives
    #[arg(long, value_name = "COUNT", requires = "json", value_parser = clap::value_parser!(u64).range(0..=100))]
    logprobs: Option<u64>,
    /// Guess words that the text has had before, and read them in one pass: faster where an answer repeats its prompt,
    /// and never another answer
    #[arg(long)]
    lookup: bool,
    /// Show what the model thinks before it answers, on stderr
    #[arg(long)]
    show_thinking: bool,
    /// Keep prompt and answer beside the ledger, so that the receipt can be replayed
    #[arg(long)]
    record_text: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct SamplingArgs {
    /// 0 takes the most likely token each time
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    temperature: f32,
    /// Only so many of the most likely tokens; 0 is all
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    top_k: usize,
    /// Only the most likely tokens whose probabilities reach this sum
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    top_p: f32,
    /// Only tokens at least this fraction as likely as the most likely
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    min_p: f32,
    /// Only tokens of typical surprise, until their probabilities reach this sum
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    typical: f32,
    /// Makes tokens less likely that came up lately; 1 does nothing
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    repeat_penalty: f32,
    /// Subtracted from the logits of tokens that came up lately
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Subtracted for each time that a token came up lately
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// How many of the last tokens the penalties look at
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    penalty_window: usize,
    /// TOKEN=NUMBER added to a token's logit, -inf forbids it; may be given several times
    #[arg(long = "logit-bias", value_name = "TOKEN=NUMBER", value_parser = bias)]
    biases: Vec<(u32, f32)>,
    /// Where chance starts: the same seed gives the same answer
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

fn bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let (token, number) = text.split_once('=').ok_or("write TOKEN=NUMBER, such as 50=-2.5")?;
    let token = token.parse().map_err(|_| format!("`{token}` is no token id"))?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    Ok((token, number))
}

impl SamplingArgs {
    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            typical: self.typical,
            repetition: self.repeat_penalty,
            presence: self.presence_penalty,
            frequency: self.frequency_penalty,
            lookback: self.penalty_window,
            bias: self.biases.clone(),
            seed: self.seed,
        }
    }
}

/// No answer that the model inside the binary has learnt is as long.
const EMBEDDED_TOKENS: usize = 96;

impl OutputArgs {
    /// `embedded` is whether the model inside the binary answers.
    fn limits(&self, embedded: bool) -> Limits {
        Limits {
            tokens: self.max_tokens.or(embedded.then_some(EMBEDDED_TOKENS)),
            cut_repetition: self.cut_repetition || embedded,
            stops: self.stops.clone(),
            ignore_end: false,
            thinking: None,
            logprobs: self.logprobs.map(|n| n as usize),
            lookup: self.lookup,
            grammar: None,
        }
    }
}

/// The model that was named, by flag, variable or configuration; else the one inside the binary, which says what it is.
pub(super) fn model_name(args: &ModelArgs, session: &mut Session) -> Result<String> {
    if let Some(name) = args.model.as_deref().or_else(|| session.config.get("model")) {
        return Ok(name.to_owned());
    }
    if embedded::bytes().is_none() {
        return Err(Error::cannot("no model is named, and this bizra was built without one inside")
            .hint("bizra infer -m FILE.gguf, or set BIZRA_MODEL, or `model` in bizra.toml")
            .hint("to get one: bizra model pull REPO:QUANT, then bizra infer -m REPO:QUANT"));
    }
    session.ui.note("the model is the small one inside the binary: it knows bizra and nothing else");
    session.ui.note("a larger one: bizra model pull REPO:QUANT, then bizra infer -m REPO:QUANT");
    Ok(embedded::NAME.to_owned())
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    kept::check_name(args.session.as_deref())?;
    if args.chat {
        return chat::run(args, session);
    }
    // Reading a prompt may take as long as its writer likes: what is wrong without it is said before.
    model::Setting::of(&args.model)?;
    args.sampling.sampling().check(usize::MAX)?;
    if args.output.stops.iter().any(String::is_empty) {
        return Err(InferError::EmptyStop.into());
    }
    if args.form.given() && !args.output.stops.is_empty() {
        return Err(Error::usage("--stop would cut what a schema or grammar has made whole"));
    }
    if let Some(file) = args.batch.file()? {
        return batch::run(args, session, file);
    }
    let name = model_name(&args.model, session)?;
    session.find_model(&name)?;
    let asked = prompt::read(args.prompt.as_deref(), &args.input, session)?;
    if asked.content.is_empty() {
        return Err(Error::usage("the prompt is empty").hint("bizra infer 'PROMPT', or send it to standard input"));
    }
    answer::answer(session, &name, args, asked)
}
