//! Times candle's passes over a GGUF file: a peer of `cargo xtask bench engine --candle PATH`.
//!
//! Arguments: the file, then tests as `prefill:TOKENS` or `decode:TOKENS@DEPTH`; prints `TEST SECONDS`, line by line.
//! `RAYON_NUM_THREADS` says how many threads. Build it for the processor at hand:
//!
//!     RUSTFLAGS="-C target-cpu=native" cargo build --release --manifest-path xtask/peers/candle/Cargo.toml

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2};

type Fault = Box<dyn std::error::Error>;

enum Model {
    Llama(quantized_llama::ModelWeights),
    Qwen2(quantized_qwen2::ModelWeights),
}

impl Model {
    fn load(path: &str) -> Result<Self, Fault> {
        let mut file = BufReader::new(File::open(path)?);
        let content = Content::read(&mut file)?;
        let arch =
            content.metadata.get("general.architecture").ok_or("the file names no architecture")?.to_string()?.clone();
        Ok(match arch.as_str() {
            "llama" => Model::Llama(quantized_llama::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?),
            "qwen2" => Model::Qwen2(quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?),
            other => return Err(format!("no loader for the architecture {other}").into()),
        })
    }

    fn forget(&mut self) {
        match self {
            Model::Llama(model) => model.clear_kv_cache(),
            Model::Qwen2(model) => model.clear_kv_cache(),
        }
    }

    /// Ids below a thousand, which every vocabulary has.
    fn pass(&mut self, tokens: usize, seen: usize) -> Result<(), Fault> {
        let ids: Vec<u32> = (seen..seen + tokens).map(|at| (at * 37 % 1000) as u32).collect();
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let logits = match self {
            Model::Llama(model) => model.forward(&ids, seen)?,
            Model::Qwen2(model) => model.forward(&ids, seen)?,
        };
        logits.flatten_all()?.get(0)?.to_scalar::<f32>()?;
        Ok(())
    }

    fn seconds(&mut self, test: &str) -> Result<f64, Fault> {
        self.forget();
        let wrong = || format!("{test} is neither prefill:TOKENS nor decode:TOKENS@DEPTH");
        match test.split_once(':').ok_or_else(wrong)? {
            ("prefill", tokens) => {
                let tokens = tokens.parse()?;
                let start = Instant::now();
                self.pass(tokens, 0)?;
                Ok(start.elapsed().as_secs_f64())
            }
            ("decode", rest) => {
                let (tokens, depth) = rest.split_once('@').ok_or_else(wrong)?;
                let (tokens, depth): (usize, usize) = (tokens.parse()?, depth.parse()?);
                if depth > 0 {
                    self.pass(depth, 0)?;
                }
                let start = Instant::now();
                for at in depth..depth + tokens {
                    self.pass(1, at)?;
                }
                Ok(start.elapsed().as_secs_f64())
            }
            _ => Err(wrong().into()),
        }
    }
}

fn run() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let mut model = Model::load(&arguments.next().ok_or("arguments: MODEL TEST…")?)?;
    model.pass(8, 0)?;
    for test in arguments {
        println!("{test} {}", model.seconds(&test)?);
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}
