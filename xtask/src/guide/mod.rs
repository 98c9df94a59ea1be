//! The model inside the binary: made (`cargo xtask train`) and examined (`cargo xtask eval`).
//!
//! Questions, vocabulary and the file are made here; `xtask/train`, a program of its own since nothing else needs candle,
//! turns tokens into weights.

mod bpe;
mod corpus;
mod eval;
mod file;
mod plot;
mod questions;
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bizra::infer::safetensors;

use crate::fixtures;
use crate::tools::{self, Outcome};
use bpe::Vocabulary;
use corpus::Corpus;
use file::{Matrix, Shape};

#[derive(clap::Args)]
pub(crate) struct TrainArgs {
    /// Make the questions, and stop before the training
    #[arg(long)]
    prepare: bool,
    /// Go on for so many steps at most, then stop; the next call goes on from there
    #[arg(long)]
    steps: Option<usize>,
    /// Write the model's file as the newest checkpoint has it, and train nothing
    #[arg(long, conflicts_with_all = ["prepare", "steps", "show"])]
    export: bool,
    /// Print some of the questions, and make nothing
    #[arg(long)]
    show: Option<usize>,
    /// Where questions, checkpoints and weights go
    #[arg(long, default_value = "target/guide")]
    folder: PathBuf,
}

const SEED: u64 = 20_261_130;

const SHAPE: Shape = Shape { dim: 192, layers: 6, ffn: 512, head: 32, context: 512, rope_base: 10_000.0, eps: 1e-5 };
/// Tokens that are learnt from the texts, the 256 bytes among them; three markers come on top.
const VOCABULARY: usize = 2304;

/// Where the file lies that the binary holds.
const MODEL: &str = "fixtures/bizra-guide.gguf";
/// The loss over the steps.
const CURVE: &str = "docs/benchmarks/guide-loss.svg";
/// What the examination of what was held out said about it.
const RECORD: &str = "fixtures/bizra-guide.eval.json";
/// The receipt of that, which names record and model by their hashes.
const RECEIPT: &str = "fixtures/bizra-guide.eval.receipt.json";

pub(crate) use eval::{EvalArgs, run as eval};

/// How many questions the seed makes; each is learnt from once.
const QUESTIONS: usize = 250_000;
/// So many answers are learnt whole. Of those that follow, three in four are learnt to their eighth token only: once a model
/// knows the answers by heart, what is left to learn is which one is asked for, and that shows at its beginning.
const WHOLE: usize = 30_000;
const SHORT: usize = 8;

/// How the training goes. The digest ties a checkpoint to what it was trained on.
fn recipe(train: &[u8]) -> String {
    let Shape { dim, layers, ffn, rope_base, .. } = SHAPE;
    format!(
        "vocab {}\ndim {dim}\nlayers {layers}\nffn {ffn}\nrope_base {rope_base}\nseed {SEED}\nbatch 1024\nrate 0.002\n\
         warmup 100\ndecay 0.1\ndata {}\n",
        VOCABULARY + 3,
        tools::sha256(train)
    )
}

pub(crate) fn train(args: &TrainArgs) -> Outcome {
    let corpus = Corpus::read()?;
    if let Some(count) = args.show {
        return samples::show(&corpus, SEED, count);
    }
    let folder = tools::root().join(&args.folder);
    let vocabulary = samples::vocabulary(&corpus, SEED);
    let weights = folder.join("weights.safetensors");
    if args.export {
        return export(&weights, &vocabulary);
    }
    let made = samples::make(&corpus, SHAPE, &vocabulary, SEED)?;
    println!("{}", made.told);
    tools::write_file(&folder.join("recipe.txt"), recipe(&made.train).as_bytes())?;
    tools::write_file(&folder.join("train.bin"), &made.train)?;
    tools::write_file(&folder.join("dev.bin"), &made.dev)?;
    if args.prepare {
        return Ok(());
    }
    run_trainer(&folder, args.steps)?;
    if !folder.join("done").exists() {
        println!("the training is not at its end: the same command goes on with it");
        return Ok(());
    }
    let curve = plot::loss(&String::from_utf8_lossy(&tools::read_file(&folder.join("loss.csv"))?))?;
    tools::write_file(&tools::root().join(CURVE), curve.as_bytes())?;
    export(&weights, &vocabulary)
}

fn run_trainer(folder: &Path, steps: Option<usize>) -> Outcome {
    let mut trainer = tools::cargo();
    trainer
        .args(["run", "--release", "--locked", "--quiet", "--manifest-path", "xtask/train/Cargo.toml", "--"])
        .arg(folder)
        .args(steps.map(|steps| steps.to_string()))
        .env("RUSTFLAGS", "-C target-cpu=native")
        // A batch is worked on in halves; what multiplies within them needs no threads of its own.
        .env("RAYON_NUM_THREADS", "1");
    tools::succeed(&mut trainer)
}

fn export(weights: &Path, vocabulary: &Vocabulary) -> Outcome {
    let model = file::model(SHAPE, vocabulary, &read_weights(weights)?)?;
    tools::write_file(&tools::root().join(MODEL), &model)?;
    fixtures::keep(&tools::root(), MODEL)?;
    println!("{MODEL}: {} bytes, sha256 {}", model.len(), tools::sha256(&model));
    Ok(())
}

fn read_weights(path: &Path) -> Outcome<BTreeMap<String, Matrix>> {
    let bytes = tools::read_file(path)?;
    let entries = safetensors::parse(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut weights = BTreeMap::new();
    for entry in entries {
        let values = entry.data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let (cols, rows) = (entry.dims.width() as usize, entry.dims.rows().unwrap_or(1) as usize);
        weights.insert(entry.name, Matrix { rows, cols, values });
    }
    Ok(weights)
}
