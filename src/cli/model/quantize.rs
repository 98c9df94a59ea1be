//! `bizra model quantize`: a model file with fewer bits, what that cost, and a receipt.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cli::{Outcome, Session};
use crate::error::{Error, Place, Result};
use crate::infer::requantize::{self, Target, Work};
use crate::receipts::decimal::Decimal;
use crate::receipts::predicates::{ModelFile, Quantization};
use crate::receipts::statement::Draft;
use crate::sys::{files, quantized};
use crate::view::quantize::Quantized;

/// Make a model file smaller by keeping its weights in fewer bits
///
/// IN is a GGUF file with f32, f16 or bf16 weights. Matrices are quantised; norms and other vectors stay as they are, and
/// so do rows that no format fits. Each tensor's error is printed: its root mean square over that of the weights. q8_0 and
/// q4_0 are llama.cpp's reference to the byte, q4_k is searched for the least squared error.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model quantize model-f16.gguf model-q8_0.gguf --to q8_0
  bizra model quantize model-f16.gguf model-q4_k.gguf --to q4_k --json | jq '.result.error'")]
pub(super) struct Args {
    /// The file to read: a path, or a name in the Hugging Face cache
    #[arg(value_name = "IN", value_hint = clap::ValueHint::FilePath)]
    source: String,
    /// The file to write
    #[arg(value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,
    /// The format: q8_0, q4_0, q4_k
    #[arg(long, value_name = "FORMAT", value_parser = ["q8_0", "q4_0", "q4_k"])]
    to: String,
    /// Replace OUT where it is there already
    #[arg(long)]
    force: bool,
    /// Threads to compute with [default: all that this process may use]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let target = match args.to.as_str() {
        "q8_0" => Target::Q8_0,
        "q4_0" => Target::Q4_0,
        _ => Target::Q4K,
    };
    let source = session.find_model(&args.source)?.path;
    let out = files::from(&session.env.cwd, &args.out);
    let size = quantized::size(&source)?;
    if out.canonicalize().is_ok_and(|out| source.canonicalize().is_ok_and(|source| source == out)) {
        return Err(Error::usage("IN and OUT are the same file").hint("name another file for OUT"));
    }
    if out.try_exists().unwrap_or(true) && !args.force {
        return Err(Error::usage("it is there already").at(Place::file(&args.out)).hint("--force replaces it"));
    }
    let interrupt = session.env.interrupt.clone();
    // Held until the file is whole or gone.
    let held = interrupt.defer();
    let clock = &session.env.clock;
    let bar = session.ui.progress("quantising", Some(size), crate::ui::Unit::Bytes, clock.monotonic());
    let (bar, read) = (std::sync::Mutex::new(bar), AtomicU64::new(0));
    let work = Work {
        threads: args.threads.map_or_else(bizra_kernels::default_threads, |n| n as usize),
        stop: &|| interrupt.requested(),
        done: &|bytes| {
            let read = read.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if let Ok(mut bar) = bar.lock() {
                bar.at(read, clock.monotonic());
            }
        },
    };
    let made = quantized::make(&source, &out, target, &work);
    drop(bar);
    drop(held);
    let made = made?;
    let receipt = record(target, &made, session)?;
    let answer = Quantized { target, out: args.out.display().to_string(), made };
    Ok(Outcome { receipt, ..Outcome::yes(answer) })
}

fn record(target: Target, made: &requantize::Made, session: &mut Session) -> Result<Option<String>> {
    let worst = made.quantised().max_by(|a, b| a.1.relative().total_cmp(&b.1.relative()));
    let clean = |name: &str| name.replace(|c: char| c.is_control(), "?");
    let file =
        |file: &requantize::ModelFile| ModelFile { name: clean(&file.name), sha256: file.sha256, bytes: file.bytes };
    let quantised = made.quantised().count() as u64;
    let claim = Quantization {
        source: file(&made.source),
        made: file(&made.made),
        format: target.name().to_owned(),
        quantised,
        kept: made.steps.len() as u64 - quantised,
        error: decimal(made.error().relative()),
        worst: decimal(worst.map_or(0.0, |(_, error)| error.relative())),
        worst_tensor: clean(worst.map_or("", |(step, _)| step.name.as_str())),
    };
    let draft = Draft::new(claim.subjects(), &claim)
        .map_err(|e| Error::usage(format!("a receipt can't hold this: {e}")).hint("--no-receipt leaves none"))?;
    let recorded = session.record(&draft);
    Ok(recorded.map_err(|e| e.hint("the file was written, and has no receipt"))?.map(|id| id.to_string()))
}

fn decimal(x: f64) -> Decimal {
    let text = format!("{x:.9}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.parse().expect("invariant: an error is a finite number that is not negative")
}
