//! `bizra bench`: what a user waits for, measured so that it can be believed, and judged where that was asked for.
//!
//! The order of things: what can be refused is refused before anything is loaded; room for the receipt is taken before
//! anything is measured; the answer waits until the receipts are durable.

mod against;
mod command;
mod conclude;
mod history;
mod job;
mod ledger;
mod model;
mod peaks;
pub(super) mod receipt;
pub(super) mod replay;
mod report;
mod rounds;
mod settings;

use std::time::Duration;

use super::{Outcome, Session};
use crate::bench::adapters::Pattern;
use crate::bench::claim::Claim;
use crate::error::{Error, Place, Result};
use crate::plan::read::Scalar as _;
use crate::plan::scalars::Span;
use crate::view::bench_formats::Format;

/// Measure models: speed, latency, loading, memory, energy
///
/// Each figure is a median with its 95% interval over at least ten samples, taken in interleaved rounds after a warm-up,
/// beside what the machine allows at best. Answers 0; 1 when a claim is refuted; 4 when a claim can't be decided or the
/// machine is too noisy for a figure to be believed. Leaves a receipt for each model.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra bench model.gguf
  bizra bench q4.gguf q8.gguf -p 512,64 -n 128 -t 1,2
  bizra bench model.gguf --claim 'decode >= 35 tok/s'
  bizra bench new.gguf --against old.gguf --fail-if 'decode < 0.97x'
  bizra bench model.gguf --against 'llama-bench -m model.gguf -p 512 -n 128 -r 1'
  bizra bench model.gguf --against 3f2a9c01 --budget 5m")]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Subcommand)]
enum Part {
    History(history::Args),
    Report(report::Args),
}

#[derive(Clone, clap::Args)]
pub(super) struct MeasureArgs {
    /// The models: .gguf files, folders with safetensors, or REPO[:QUANT][@REVISION] in the Hugging Face cache
    #[arg(value_name = "MODEL", value_hint = clap::ValueHint::AnyPath)]
    pub(super) models: Vec<String>,
    /// Tokens of the prompt; several sizes with commas [default: 512, at most half the model's context]
    #[arg(short, long, value_name = "TOKENS", value_delimiter = ',', help_heading = "What to measure")]
    pub(super) prompt: Vec<usize>,
    /// New tokens after the first [default: 128, at most a quarter of the model's context]
    #[arg(short = 'n', long, value_name = "TOKENS", value_delimiter = ',', help_heading = "What to measure")]
    pub(super) tokens: Vec<usize>,
    /// Positions that the context holds before the prompt [default: 0]
    #[arg(
        short,
        long,
        visible_alias = "context",
        value_name = "TOKENS",
        value_delimiter = ',',
        help_heading = "What to measure"
    )]
    pub(super) depth: Vec<usize>,
    /// Sequences that go through the model together [default: 1]
    #[arg(short, long, value_name = "COUNT", value_delimiter = ',', help_heading = "What to measure")]
    pub(super) batch: Vec<usize>,
    /// Threads to compute with [default: all that this process may use]
    #[arg(short, long, value_name = "COUNT", value_delimiter = ',', help_heading = "What to measure")]
    pub(super) threads: Vec<usize>,
    /// How keys and values are kept [default: f32 beside f32 weights, else f16]
    #[arg(long, value_name = "TYPE", value_delimiter = ',', value_parser = ["f16", "q8", "f32"], help_heading = "What to measure")]
    pub(super) kv: Vec<String>,
    /// Instructions to compute with: scalar, avx2, avx512 [default: the best of this processor]
    #[arg(long, value_name = "LEVEL", help_heading = "What to measure")]
    pub(super) isa: Option<String>,
    /// Don't measure how long loading takes
    #[arg(long, help_heading = "What to measure")]
    pub(super) no_load: bool,
    /// Samples of each figure
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(10..=300), help_heading = "How to measure")]
    pub(super) rounds: u64,
    /// End in time, with fewer samples but never fewer than ten: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "How to measure")]
    pub(super) budget: Option<Duration>,
    /// An interval wider than so many percent of its median is too noisy
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent, help_heading = "How to measure")]
    pub(super) precision: f64,
    /// Makes the synthetic prompt; the same seed, the same text
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "How to measure")]
    pub(super) seed: u64,
    /// Compare with a receipt (its id), a model, or a program, which is run in the same rounds: 'CMD ARGS…'
    #[arg(long, value_name = "RECEIPT|MODEL|CMD", help_heading = "Comparing")]
    pub(super) against: Option<String>,
    /// How long one run of the program may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time, requires = "against", help_heading = "Comparing")]
    pub(super) command_timeout: Duration,
    /// A regular expression whose group is the program's tokens a second
    #[arg(long, value_name = "REGEX", requires = "against", help_heading = "Comparing")]
    pub(super) pattern: Option<String>,
    /// How to print the figures; a table, where none is named
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<FormatArg>,
    /// What must hold: 'decode >= 35 tok/s', 'decode >= 1.1x'; may be given several times
    #[arg(long = "claim", value_name = "CLAIM", help_heading = "Comparing")]
    pub(super) claims: Vec<String>,
    /// What must not hold: 'decode < 0.97x'; may be given several times
    #[arg(long = "fail-if", value_name = "CLAIM", help_heading = "Comparing")]
    pub(super) fail_if: Vec<String>,
}

/// For other programs.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum FormatArg {
    /// A JSON document on a line for each figure
    Jsonl,
    Csv,
    /// Markdown
    Md,
    /// Go's benchmark format
    Benchstat,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Jsonl => Format::Jsonl,
            FormatArg::Csv => Format::Csv,
            FormatArg::Md => Format::Markdown,
            FormatArg::Benchstat => Format::Benchstat,
        }
    }
}

pub(super) fn time(text: &str) -> std::result::Result<Duration, String> {
    let span = Span::parse(text, false).map_err(|(why, hint)| match hint {
        Some(hint) => format!("{why}; {hint}"),
        None => why,
    })?;
    if span.0.is_zero() { Err("is no time at all".to_owned()) } else { Ok(span.0) }
}

fn percent(text: &str) -> std::result::Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("give a number above 0 and at most 100".to_owned()),
    }
}

/// A claim, and whether it must hold or must not.
pub(super) struct Demand {
    pub(super) claim: Claim,
    pub(super) must_hold: bool,
}

impl MeasureArgs {
    fn demands(&self) -> Result<Vec<Demand>> {
        let mut demands = Vec::new();
        for (flag, texts, must_hold) in [("--claim", &self.claims, true), ("--fail-if", &self.fail_if, false)] {
            for text in texts {
                let claim = Claim::parse(text).map_err(|fault| {
                    let refused = Error::usage(fault.message.as_str()).at(Place::in_text(flag, text, fault.offset));
                    if fault.hint.is_empty() { refused } else { refused.hint(fault.hint.as_str()) }
                })?;
                if claim.needs_peer() && self.against.is_none() {
                    return Err(Error::usage(format!(
                        "{flag} '{text}' is about a ratio, and there is nothing to compare with"
                    ))
                    .hint("add --against RECEIPT, MODEL or 'CMD ARGS…'"));
                }
                demands.push(Demand { claim, must_hold });
            }
        }
        Ok(demands)
    }

    fn program_pattern(&self) -> Result<Option<Pattern>> {
        let parse =
            |text: &String| Pattern::parse(text).map_err(|why| Error::usage(format!("--pattern '{text}': {why}")));
        self.pattern.as_ref().map(parse).transpose()
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.part {
        Some(Part::History(args)) => return history::run(args, session),
        Some(Part::Report(args)) => return report::run(args, session),
        None => {}
    }
    let mut args = args.measure.clone();
    settings::check(&args)?;
    let demands = args.demands()?;
    let pattern = args.program_pattern()?;
    if args.models.is_empty() {
        let configured = session.config.get("model").map(str::to_owned);
        args.models = vec![configured.ok_or_else(|| {
            Error::invalid("no model is named")
                .hint("bizra bench FILE.gguf, or set BIZRA_MODEL, or `model` in bizra.toml; `bizra bench embedded` needs no file")
        })?];
    }
    let peer = match &args.against {
        Some(target) => Some(against::resolve(session, target, args.command_timeout, pattern)?),
        None => None,
    };
    if let Some(against::Peer::Receipt { run, .. }) = &peer {
        against::take_sizes(&mut args, run);
    }
    let _held = session.env.interrupt.defer();
    let job = job::Job::of(&args, session, peer.as_ref())?;
    let prepared = session.prepare()?;
    let measured = job.measure(session)?;
    conclude::conclude(session, prepared, measured, peer.as_ref(), &demands, args.format.map(Format::from))
}
