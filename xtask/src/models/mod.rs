//! Model files of real shapes and random weights, for benchmarks: the same bytes for everybody, loadable by bizra and by
//! llama.cpp. What they say means nothing; what they cost is what a trained model of that shape costs.

mod noise;
mod shape;
mod vocabulary;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bizra::infer::dtype::DType;
use bizra::infer::gguf::write::{Put, Writer};
use bizra_kernels::{Format, quant};

use crate::tools::{self, Outcome};
use noise::Noise;
pub(crate) use shape::{Mix, SHAPES, Shape};

/// Another number for other bytes: what an earlier version wrote is left alone.
const VERSION: u32 = 1;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only files whose name contains this
    only: Option<String>,
    /// Where the files go; about 6.2 GB for all of them
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// One file that can be made.
#[derive(Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) shape: &'static Shape,
    pub(crate) mix: Mix,
}

pub(crate) fn recipes() -> impl Iterator<Item = Recipe> {
    SHAPES.iter().flat_map(|shape| Mix::ALL.map(|mix| Recipe { shape, mix }))
}

/// Noise of mean 0 and deviation 1, the same each time.
pub(crate) fn noise(number: u64, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Noise::of(u64::from(u32::MAX), number).fill(&mut values);
    values
}

/// Where the files lie unless another folder is named.
pub(crate) fn folder() -> PathBuf {
    tools::root().join("target/models")
}

pub(crate) fn run(args: &Args) -> Outcome {
    if cfg!(debug_assertions) {
        let mut command = tools::cargo();
        command.args(["run", "--quiet", "--release", "--locked", "--package", "xtask", "--", "models"]);
        command.args(args.only.as_ref());
        if let Some(folder) = &args.into {
            command.arg("--into").arg(absolute(folder)?);
        }
        return tools::succeed(&mut command);
    }
    let folder = args.into.clone().unwrap_or_else(folder);
    let wanted: Vec<Recipe> =
        recipes().filter(|one| args.only.as_ref().is_none_or(|part| one.name().contains(part.as_str()))).collect();
    if wanted.is_empty() {
        let names: Vec<String> = recipes().map(|one| one.name()).collect();
        return Err(format!("no file is called so; there are: {}", names.join(", ")));
    }
    for recipe in wanted {
        println!("{}", recipe.make(&folder)?.display());
    }
    Ok(())
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|cause| format!("cannot tell where {} is: {cause}", path.display()))
}

struct Planned {
    name: String,
    rows: usize,
    cols: usize,
    dtype: DType,
    fill: Fill,
}

impl Planned {
    fn bytes(&self) -> u64 {
        self.dtype.bytes(self.cols as u64, self.rows as u64).expect("invariant: whole blocks are planned")
    }
}

/// Multiply-adds and bytes read for a token.
pub(crate) struct Costs {
    pub(crate) layer_macs: u64,
    pub(crate) output_macs: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Copy)]
enum Fill {
    /// Around zero, with this standard deviation.
    Around0(f32),
    /// Around one, as trained norms are.
    Around1,
}

impl Recipe {
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.shape.name, self.mix.name())
    }

    /// What a token costs in passes over this file.
    pub(crate) fn costs(&self) -> Costs {
        let mut costs = Costs { layer_macs: 0, output_macs: 0, bytes: 0 };
        for tensor in self.tensors() {
            let values = (tensor.rows * tensor.cols) as u64;
            if tensor.name == "token_embd.weight" && !self.shape.tied {
                // A row is looked up.
                continue;
            }
            costs.bytes += tensor.bytes();
            if tensor.rows > 1 {
                let output = matches!(tensor.name.as_str(), "output.weight" | "token_embd.weight");
                *if output { &mut costs.output_macs } else { &mut costs.layer_macs } += values;
            }
        }
        costs
    }

    /// Bytes of all tensors.
    pub(crate) fn bytes(&self) -> u64 {
        self.tensors().iter().map(Planned::bytes).sum()
    }

    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.v{VERSION}.gguf", self.name()))
    }

    /// The file in `folder`, written unless it is there.
    pub(crate) fn make(&self, folder: &Path) -> Outcome<PathBuf> {
        let path = self.path(folder);
        if path.is_file() {
            return Ok(path);
        }
        let cannot = |cause: std::io::Error| format!("cannot write {}: {cause}", path.display());
        fs::create_dir_all(folder).map_err(cannot)?;
        let half = path.with_extension("part");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&half).map_err(cannot)?);
        let tensors = self.tensors();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let written = self.header(&tensors)?.write(&mut out, |number| {
            encode(&tensors[number], number as u64, threads).map_err(|cause| std::io::Error::other(cause.to_string()))
        });
        written.and_then(|()| out.flush()).and_then(|()| fs::rename(&half, &path)).map_err(cannot)?;
        Ok(path)
    }

    fn header(&self, tensors: &[Planned]) -> Outcome<Writer> {
        let s = self.shape;
        let mut file = Writer::new()
            .key("general.architecture", Put::Str(s.arch))
            .key("general.name", Put::Str(&format!("random {}", self.name())))
            .key("general.file_type", Put::U32(self.mix.file_type()))
            .key("general.quantization_version", Put::U32(2));
        for (key, count) in [
            ("context_length", s.context),
            ("embedding_length", s.dim),
            ("block_count", s.layers),
            ("feed_forward_length", s.ffn),
            ("attention.head_count", s.heads),
            ("attention.head_count_kv", s.kv_heads),
            ("rope.dimension_count", s.head_dim),
        ] {
            file = file.key(&format!("{}.{key}", s.arch), Put::U32(count as u32));
        }
        file = file
            .key(&format!("{}.attention.layer_norm_rms_epsilon", s.arch), Put::F32(s.epsilon))
            .key(&format!("{}.rope.freq_base", s.arch), Put::F32(s.rope_base));
        file = vocabulary::put(file, s)?;
        for tensor in tensors {
            let sizes = [tensor.cols as u64, tensor.rows as u64];
            let rank = if tensor.rows == 1 { 1 } else { 2 };
            file = file.tensor(&tensor.name, &sizes[..rank], tensor.dtype);
        }
        Ok(file)
    }

    fn tensors(&self) -> Vec<Planned> {
        let s = self.shape;
        // Logits spread over a few units, as trained ones do.
        let loud = 3.0 / (s.dim as f32).sqrt();
        let mut all = Vec::new();
        let matrix = |name: String, layer: usize, rows: usize, cols: usize, spread: f32| {
            let dtype = self.mix.dtype(&name, s, layer);
            Planned { name, rows, cols, dtype, fill: Fill::Around0(spread) }
        };
        let vector =
            |name: String, len: usize, fill: Fill| Planned { name, rows: 1, cols: len, dtype: DType::F32, fill };
        all.push(matrix("token_embd.weight".into(), 0, s.vocab, s.dim, loud));
        if !s.tied {
            all.push(matrix("output.weight".into(), 0, s.vocab, s.dim, loud));
        }
        all.push(vector("output_norm.weight".into(), s.dim, Fill::Around1));
        let (queries, keys) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
        for layer in 0..s.layers {
            for part in ["attn_norm", "ffn_norm"] {
                all.push(vector(format!("blk.{layer}.{part}.weight"), s.dim, Fill::Around1));
            }
            for (part, rows, cols) in [
                ("attn_q", queries, s.dim),
                ("attn_k", keys, s.dim),
                ("attn_v", keys, s.dim),
                ("attn_output", s.dim, queries),
                ("ffn_gate", s.ffn, s.dim),
                ("ffn_up", s.ffn, s.dim),
                ("ffn_down", s.dim, s.ffn),
            ] {
                let spread = 1.0 / (cols as f32).sqrt();
                all.push(matrix(format!("blk.{layer}.{part}.weight"), layer, rows, cols, spread));
                if s.biases && matches!(part, "attn_q" | "attn_k" | "attn_v") {
                    all.push(vector(format!("blk.{layer}.{part}.bias"), rows, Fill::Around0(0.5)));
                }
            }
        }
        all
    }
}

/// The tensor's bytes. Each row's noise begins anew, so that threads make no difference.
fn encode(tensor: &Planned, number: u64, threads: usize) -> Result<Vec<u8>, bizra_kernels::Error> {
    let format = Format::from_ggml_type(tensor.dtype.ggml_id()).expect("invariant: a kernel for each format of files");
    let row_bytes = format.bytes(tensor.cols)?;
    let mut bytes = vec![0; tensor.rows * row_bytes];
    let share = tensor.rows.div_ceil(threads);
    std::thread::scope(|scope| {
        let parts = bytes.chunks_mut((share * row_bytes).max(1)).enumerate();
        let workers: Vec<_> = parts
            .map(|(part, bytes)| {
                scope.spawn(move || {
                    let mut values = vec![0.0; tensor.cols];
                    for (row, bytes) in bytes.chunks_exact_mut(row_bytes).enumerate() {
                        Noise::of(number, (part * share + row) as u64).fill(&mut values);
                        match tensor.fill {
                            Fill::Around0(spread) => values.iter_mut().for_each(|x| *x *= spread),
                            Fill::Around1 => values.iter_mut().for_each(|x| *x = 1.0 + 0.1 * *x),
                        }
                        quant::quantize(format, &values, bytes)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("invariant: encoding does not panic"))
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bizra::infer::gguf::Gguf;
    use bizra::infer::tokenizer::{EncodeOpts, Tokenizer};

    use super::*;

    #[test]
    fn files_take_the_bytes_that_published_ones_take() {
        let bytes = |shape: usize, mix| {
            let recipe = Recipe { shape: &SHAPES[shape], mix };
            recipe.bytes() / 1_000_000
        };
        assert_eq!([bytes(0, Mix::Q4_0), bytes(0, Mix::Q4KM), bytes(0, Mix::Q8_0)], [635, 667, 1169]);
        assert_eq!([bytes(1, Mix::Q4_0), bytes(1, Mix::Q4KM), bytes(1, Mix::Q8_0)], [929, 980, 1640]);
    }

    #[test]
    fn three_letters_after_a_space_are_one_token_in_either_vocabulary() {
        for shape in SHAPES {
            let file = vocabulary::put(Writer::new().key("general.architecture", Put::Str(shape.arch)), shape)
                .expect("a vocabulary")
                .header();
            let gguf = Gguf::parse(&file).expect("a file without tensors");
            let tokenizer = Tokenizer::from_gguf(&gguf).expect("a tokenizer");
            let opts = EncodeOpts { add_special: true, parse_special: false };
            let ids = tokenizer.encode(&shape.prompt(), opts).expect("encoded");
            assert_eq!((ids.len(), tokenizer.len() <= shape.vocab), (16, true), "{}: {ids:?}", shape.name);
        }
    }

    #[test]
    fn threads_make_no_difference() {
        let tensor = |dtype| Planned { name: "t".into(), rows: 7, cols: 256, dtype, fill: Fill::Around0(1.0) };
        for dtype in [DType::Q4_0, DType::Q6K] {
            assert_eq!(encode(&tensor(dtype), 3, 1).unwrap(), encode(&tensor(dtype), 3, 4).unwrap());
            assert_ne!(encode(&tensor(dtype), 3, 1).unwrap(), encode(&tensor(dtype), 4, 1).unwrap());
        }
    }
}
