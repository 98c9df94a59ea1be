//! Bizra's side, in a process of its own: the passes that llama-bench makes, and logits beside exact arithmetic. The
//! model is opened and set up as `bizra infer` does it.

use std::path::{Path, PathBuf};

use bizra::bench::measure::Clock as _;
use bizra::infer::config::ModelConfig;
use bizra::infer::conformance_lm::relative_error;
use bizra::infer::dtype::DType;
use bizra::infer::engine::{Engine, Options, Session};
use bizra::infer::forward::Wanted;
use bizra::infer::gguf::Gguf;
use bizra::infer::kv::{Cell, Kv};
use bizra::infer::tokenizer::Tokenizer;
use bizra::infer::weights::{Dims, Tensor, Weights};
use bizra::sys::models::Opened;
use bizra_kernels::{Format, Level, dequantize};
use serde_json::{Value, json};

use super::plan::{ROWS_TOKENS, Test};
use crate::tools::{self, Outcome, Stopwatch};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(clap::Subcommand)]
enum Work {
    /// Print the seconds of each test
    Passes {
        model: PathBuf,
        threads: usize,
        /// scalar, avx2, avx512, amx or best
        isa: String,
        tests: Vec<Test>,
    },
    /// Print how far logits are from exact arithmetic, those of the records beside our own for the same tokens
    Logits { model: PathBuf, threads: usize, records: Vec<PathBuf> },
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.work {
        Work::Passes { model, threads, isa, tests } => passes(model, *threads, isa, tests),
        Work::Logits { model, threads, records } => logits(model, *threads, records),
    }
}

fn told(cause: impl std::fmt::Display) -> String {
    cause.to_string()
}

/// Ids that every vocabulary has, the same each time.
fn tokens(from: usize, count: usize) -> Vec<u32> {
    (from..from + count).map(|at| (at * 37 % 1000) as u32).collect()
}

fn feed(engine: &mut Engine, session: &mut Session, from: usize, count: usize, at_a_time: usize) -> Outcome {
    let tokens = tokens(from, count);
    let passes = tokens.chunks(at_a_time.max(1));
    let last = passes.len() - 1;
    for (number, part) in passes.enumerate() {
        let wanted = if number == last { Wanted::Last } else { Wanted::None };
        engine.pass(&mut [(session, part, wanted)]).map_err(told)?;
    }
    Ok(())
}

fn passes(model: &Path, threads: usize, isa: &str, tests: &[Test]) -> Outcome {
    let opened = Opened::open(model).map_err(told)?;
    let parts = opened.parts().map_err(told)?;
    let released = |range| opened.release(range);
    let context = tests.iter().map(|test| test.context()).max().ok_or("name at least one test")?;
    let options = Options {
        level: Level::parse(isa).map_err(told)?,
        threads,
        context: Some(context.max(16)),
        pack: Some(&released),
        ..Options::default()
    };
    let mut engine = Engine::from_parts(parts.config, &parts.weights, parts.tokenizer, &options).map_err(told)?;
    let chunk = engine.chunk();
    let mut session = engine.session().map_err(told)?;
    feed(&mut engine, &mut session, 0, 16, chunk)?;
    drop(session);
    let clock = Stopwatch::start();
    for test in tests {
        let mut session = engine.session().map_err(told)?;
        let (depth, at_a_time) = match *test {
            Test::Prefill { .. } => (0, chunk),
            Test::Decode { depth, .. } => (depth, 1),
            Test::Rows { rows } => (0, rows),
        };
        if depth > 0 {
            feed(&mut engine, &mut session, 0, depth, chunk)?;
        }
        let start = clock.elapsed();
        match *test {
            Test::Prefill { .. } => feed(&mut engine, &mut session, depth, test.tokens(), at_a_time)?,
            // Each pass gives logits, as the next token is chosen by them.
            Test::Decode { .. } | Test::Rows { .. } => {
                for from in (0..test.tokens()).step_by(at_a_time) {
                    let count = at_a_time.min(test.tokens() - from);
                    feed(&mut engine, &mut session, depth + from, count, at_a_time)?;
                }
            }
        }
        let seconds = (clock.elapsed() - start).as_secs_f64();
        println!("{}", json!({"test": test.to_string(), "seconds": seconds}));
    }
    let kv = Kv::bytes(engine.config(), engine.cell(), ROWS_TOKENS).unwrap_or(0);
    println!("{}", json!({"kv_bytes": kv as f64 / ROWS_TOKENS as f64, "level": engine.level().name()}));
    Ok(())
}

/// Logits after the same tokens, of one file with exact weights in f32 and of the file as it is.
fn logits(model: &Path, threads: usize, records: &[PathBuf]) -> Outcome {
    let records: Vec<Record> = records.iter().map(|path| Record::read(path)).collect::<Outcome<_>>()?;
    let context = records.iter().map(|record| record.ids.len()).max().ok_or("name at least one record")?;
    let bytes = bizra_kernels::os::Mapped::open(model).map_err(|e| format!("cannot read {}: {e}", model.display()))?;
    let gguf = Gguf::parse(&bytes).map_err(told)?;
    let after = |engine: &mut Engine, record: &Record| -> Outcome<Vec<f32>> {
        let mut session = engine.session().map_err(told)?;
        let logits = engine.pass(&mut [(&mut session, &record.ids, Wanted::Last)]).map_err(told)?.pop();
        logits.ok_or_else(|| "the pass gave no logits".to_owned())
    };
    let single = Options { threads, context: Some(context), cell: Cell::F32, ..Options::default() };
    let exact: Vec<Vec<f32>> = {
        let wide = dequantized(&gguf, threads)?;
        let mut engine = engine(&gguf, wide.iter().map(Wide::tensor), &single)?;
        records.iter().map(|record| after(&mut engine, record)).collect::<Outcome<_>>()?
    };
    let nothing = |_| ();
    let usual = Options { threads, context: Some(context), pack: Some(&nothing), ..Options::default() };
    let mut ours = engine(&gguf, gguf.tensors().iter().cloned(), &usual)?;
    for (record, exact) in records.iter().zip(&exact) {
        if record.logits.len() != exact.len() {
            return Err(format!("a record has {} logits, not {}", record.logits.len(), exact.len()));
        }
        let found = after(&mut ours, record)?;
        let wide: Vec<f64> = exact.iter().map(|x| f64::from(*x)).collect();
        println!(
            "{}",
            json!({
                "bizra": {"error": relative_error(&found, &wide), "kl": divergence(exact, &found)},
                "peer": {"error": relative_error(&record.logits, &wide), "kl": divergence(exact, &record.logits)},
            })
        );
    }
    Ok(())
}

fn engine<'a>(gguf: &Gguf<'_>, tensors: impl Iterator<Item = Tensor<'a>>, options: &Options) -> Outcome<Engine<'a>> {
    let config = ModelConfig::from_gguf(gguf).map_err(told)?;
    let tokenizer = Tokenizer::from_gguf(gguf).map_err(told)?;
    let weights = Weights::new(tensors).map_err(|twice| format!("tensor {} is there twice", twice.name))?;
    Engine::from_parts(config, &weights, tokenizer, options).map_err(told)
}

/// A tensor's values as the format means them, in f32.
struct Wide {
    name: String,
    dims: Dims,
    bytes: Vec<u8>,
}

impl Wide {
    fn of(tensor: &Tensor) -> Outcome<Wide> {
        let format = Format::from_ggml_type(tensor.dtype.ggml_id())
            .ok_or_else(|| format!("tensor {} has a format that no kernel knows", tensor.name))?;
        let width = usize::try_from(tensor.dims.width()).map_err(told)?;
        let row_bytes = format.bytes(width).map_err(told)?;
        let mut bytes = Vec::with_capacity(tensor.data.len() / row_bytes * width * 4);
        let mut row = vec![0.0f32; width];
        for packed in tensor.data.chunks_exact(row_bytes) {
            dequantize(format, packed, &mut row).map_err(told)?;
            bytes.extend(row.iter().flat_map(|x| x.to_le_bytes()));
        }
        Ok(Wide { name: tensor.name.clone().into_owned(), dims: tensor.dims, bytes })
    }

    fn tensor(&self) -> Tensor<'_> {
        Tensor { name: self.name.as_str().into(), dims: self.dims, dtype: DType::F32, offset: 0, data: &self.bytes }
    }
}

fn dequantized(gguf: &Gguf<'_>, threads: usize) -> Outcome<Vec<Wide>> {
    let tensors = gguf.tensors();
    let needed: u64 = tensors.iter().map(|t| t.dims.width() * t.dims.rows().unwrap_or(0) * 4).sum();
    if let Some(memory) = bizra_kernels::os::Memory::read()
        && memory.available < needed + needed / 8
    {
        let gb = |bytes: u64| bytes as f64 / 1e9;
        return Err(format!(
            "exact logits need the weights in f32, {:.1} GB, and {:.1} GB are available",
            gb(needed),
            gb(memory.available)
        ));
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1))
            .map(|first| {
                let mine = tensors.iter().skip(first).step_by(threads.max(1));
                scope.spawn(move || mine.map(Wide::of).collect::<Outcome<Vec<_>>>())
            })
            .collect();
        let parts: Outcome<Vec<Vec<Wide>>> =
            workers.into_iter().map(|worker| worker.join().expect("invariant: decoding does not panic")).collect();
        parts.map(|parts| parts.into_iter().flatten().collect())
    })
}

struct Record {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

impl Record {
    fn read(path: &Path) -> Outcome<Record> {
        let wrong = || format!("{} is no record of ids and logits", path.display());
        let value: Value = serde_json::from_slice(&tools::read_file(path)?).map_err(|_| wrong())?;
        let ids = value["prompt_ids"].as_array().ok_or_else(wrong)?;
        let logits = value["first_step_logits"].as_array().ok_or_else(wrong)?;
        Ok(Record {
            ids: ids.iter().map(|id| id.as_u64().map(|id| id as u32)).collect::<Option<_>>().ok_or_else(wrong)?,
            logits: logits.iter().map(|x| x.as_f64().map(|x| x as f32)).collect::<Option<_>>().ok_or_else(wrong)?,
        })
    }
}

/// The Kullback-Leibler divergence of the second distribution from the first, in nats.
fn divergence(exact: &[f32], found: &[f32]) -> f64 {
    let normaliser = |logits: &[f32]| {
        let most = logits.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
        f64::from(most) + logits.iter().map(|x| f64::from(x - most).exp()).sum::<f64>().ln()
    };
    let (p0, q0) = (normaliser(exact), normaliser(found));
    let term = |(p, q): (&f32, &f32)| {
        let (p, q) = (f64::from(*p) - p0, f64::from(*q) - q0);
        p.exp() * (p - q)
    };
    exact.iter().zip(found).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_that_of_the_distributions() {
        let (p, q) = ([0.5f32, 0.5], [0.25f32, 0.75]);
        let logits = |x: [f32; 2], shift: f32| x.map(|x| x.ln() + shift);
        let expected = 0.5 * 2.0f64.ln() + 0.5 * (2.0f64 / 3.0).ln();
        assert!((divergence(&logits(p, 3.0), &logits(q, -7.0)) - expected).abs() < 1e-6);
        assert!(divergence(&logits(p, 0.0), &logits(p, 5.0)).abs() < 1e-6);
    }
}
