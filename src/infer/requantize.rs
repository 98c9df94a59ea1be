//! A model's tensors in fewer bits: which of them, in which format, and how far the result is off.
//!
//! Matrices are quantised; norms, biases and other vectors are small, matter much and stay as they are. Leaves out
//! reading and writing files.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use bizra_kernels::quant::quantize_well;
use bizra_kernels::{Format, dequantize};

use super::dtype::DType;
use super::gguf::Gguf;
use super::gguf::write::{Put, Writer};
use super::weights::Tensor;

/// What a file can be quantised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Q8_0,
    Q4_0,
    Q4K,
}

impl Target {
    fn dtype(self) -> DType {
        match self {
            Target::Q8_0 => DType::Q8_0,
            Target::Q4_0 => DType::Q4_0,
            Target::Q4K => DType::Q4K,
        }
    }

    pub fn name(self) -> &'static str {
        self.dtype().name()
    }

    /// `general.file_type`: what most of the weights are, in llama.cpp's numbers.
    fn file_type(self) -> u32 {
        match self {
            Target::Q8_0 => 7,
            Target::Q4_0 => 2,
            Target::Q4K => 14,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequantizeError {
    /// A matrix that somebody quantised already.
    Already {
        tensor: String,
        dtype: DType,
    },
    NotFinite {
        tensor: String,
    },
    /// A weight that the format's half floats can't scale.
    TooLarge {
        tensor: String,
        format: &'static str,
    },
    /// There is no matrix.
    Nothing,
    Stopped,
}

impl fmt::Display for RequantizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Already { tensor, dtype } => write!(f, "tensor {tensor} is {} already", dtype.name()),
            Self::NotFinite { tensor } => write!(f, "tensor {tensor} holds a number that is not finite"),
            Self::TooLarge { tensor, format } => write!(f, "tensor {tensor} holds a number too large for {format}"),
            Self::Nothing => f.write_str("the file has no matrix that could be quantised"),
            Self::Stopped => f.write_str("the work was stopped"),
        }
    }
}

impl std::error::Error for RequantizeError {}

/// What happens to one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub name: String,
    pub from: DType,
    pub to: DType,
    pub elements: u64,
    /// Of quantised tensors.
    pub error: Option<Error>,
}

/// A file that was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    pub name: String,
    pub sha256: [u8; 32],
    pub bytes: u64,
}

/// What was made of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub steps: Vec<Step>,
    pub source: ModelFile,
    pub made: ModelFile,
}

impl Made {
    /// Of all quantised tensors together.
    pub fn error(&self) -> Error {
        self.quantised().map(|(_, error)| error).fold(Error::default(), Error::and)
    }

    pub fn quantised(&self) -> impl Iterator<Item = (&Step, Error)> {
        self.steps.iter().filter_map(|step| Some((step, step.error?)))
    }
}

/// The sums behind a root mean square error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Error {
    pub squares: f64,
    pub weights: f64,
}

impl Error {
    /// Over the root mean square of the weights; 0 for weights that are all zero, which every format holds.
    pub fn relative(self) -> f64 {
        if self.weights > 0.0 { (self.squares / self.weights).sqrt() } else { 0.0 }
    }

    pub fn and(self, other: Error) -> Error {
        Error { squares: self.squares + other.squares, weights: self.weights + other.weights }
    }
}

/// The new file's header and what becomes of each tensor, in the file's order.
pub fn plan(gguf: &Gguf<'_>, target: Target) -> Result<(Writer, Vec<Step>), RequantizeError> {
    let mut writer = Writer::new();
    if gguf.get("general.alignment").is_some() {
        writer = writer.aligned(gguf.alignment());
    }
    for (key, value) in gguf.metadata() {
        if !matches!(*key, "general.alignment" | "general.file_type" | "general.quantization_version") {
            writer = writer.copied(key, value);
        }
    }
    writer = writer.key("general.quantization_version", Put::U32(2));
    writer = writer.key("general.file_type", Put::U32(target.file_type()));
    let mut steps = Vec::new();
    for tensor in gguf.tensors() {
        let to = format_of(tensor, target)?;
        writer = writer.tensor(&tensor.name, tensor.dims.as_slice(), to);
        let elements = tensor.dims.as_slice().iter().product();
        steps.push(Step { name: tensor.name.clone().into_owned(), from: tensor.dtype, to, elements, error: None });
    }
    if steps.iter().all(|step| step.from == step.to) {
        return Err(RequantizeError::Nothing);
    }
    Ok((writer, steps))
}

fn format_of(tensor: &Tensor<'_>, target: Target) -> Result<DType, RequantizeError> {
    let is_matrix = tensor.dims.as_slice().len() > 1 && tensor.dims.rows().is_some_and(|rows| rows > 1);
    let is_weight = tensor.name.ends_with(".weight") && !tensor.name.ends_with("norm.weight");
    if !is_matrix || !is_weight {
        return Ok(tensor.dtype);
    }
    if !matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16) {
        return Err(RequantizeError::Already { tensor: tensor.name.clone().into_owned(), dtype: tensor.dtype });
    }
    // Rows that are no whole blocks of the format get the next one that fits them.
    let fits = |dtype: &DType| tensor.dims.width().is_multiple_of(dtype.block());
    Ok([target.dtype(), DType::Q8_0].into_iter().find(fits).unwrap_or(tensor.dtype))
}

/// What the work is done with, and who hears of it.
pub struct Work<'w> {
    pub threads: usize,
    pub stop: &'w (dyn Fn() -> bool + Sync),
    /// Bytes of the source that are done with.
    pub done: &'w (dyn Fn(u64) + Sync),
}

/// As many elements are taken at a time.
const PIECE: usize = 1 << 16;

/// A tensor's bytes in the format of its step, whose error is filled in.
pub fn encode(tensor: &Tensor<'_>, step: &mut Step, work: &Work<'_>) -> Result<Vec<u8>, RequantizeError> {
    if step.from == step.to {
        (work.done)(tensor.data.len() as u64);
        return Ok(tensor.data.to_vec());
    }
    let (from, to) = (format(step.from), format(step.to));
    let width = tensor.dims.width() as usize;
    let whole = "invariant: an opened file's tensors are whole rows, and a plan's formats fit them";
    let elements = step.elements as usize;
    let mut bytes = vec![0; to.bytes(elements).expect(whole)];
    // Whole rows, so that no block crosses a piece.
    let piece = width * (PIECE / width).max(1);
    let (read, made) = (from.bytes(piece).expect(whole), to.bytes(piece).expect(whole));
    let pieces: Vec<(&[u8], &mut [u8])> = tensor.data.chunks(read).zip(bytes.chunks_mut(made)).collect();
    let mut errors = vec![Error::default(); pieces.len()];
    let share = pieces.len().div_ceil(work.threads.max(1)).max(1);
    let fault = Fault::default();
    std::thread::scope(|scope| {
        let mut left = pieces.into_iter().zip(&mut errors);
        loop {
            let part: Vec<_> = left.by_ref().take(share).collect();
            if part.is_empty() {
                break;
            }
            let fault = &fault;
            scope.spawn(move || {
                let (mut values, mut back) = (Vec::new(), Vec::new());
                for ((data, out), error) in part {
                    if fault.any() || (work.stop)() {
                        fault.stopped.store(true, Ordering::Relaxed);
                        return;
                    }
                    let count = data.len() / from.block_bytes() * from.block_len();
                    values.resize(count, 0.0);
                    back.resize(count, 0.0);
                    dequantize(from, data, &mut values).expect(whole);
                    if values.iter().any(|x| !x.is_finite()) {
                        return fault.not_finite.store(true, Ordering::Relaxed);
                    }
                    quantize_well(to, &values, out).expect(whole);
                    dequantize(to, out, &mut back).expect(whole);
                    let square = |x: f32| f64::from(x) * f64::from(x);
                    error.weights = values.iter().map(|x| square(*x)).sum();
                    error.squares = values.iter().zip(&back).map(|(x, y)| square(x - y)).sum();
                    if !error.squares.is_finite() {
                        return fault.too_large.store(true, Ordering::Relaxed);
                    }
                    (work.done)(data.len() as u64);
                }
            });
        }
    });
    let tensor = || step.name.clone();
    if fault.not_finite.load(Ordering::Relaxed) {
        return Err(RequantizeError::NotFinite { tensor: tensor() });
    }
    if fault.too_large.load(Ordering::Relaxed) {
        return Err(RequantizeError::TooLarge { tensor: tensor(), format: step.to.name() });
    }
    if fault.stopped.load(Ordering::Relaxed) {
        return Err(RequantizeError::Stopped);
    }
    // In the order of the pieces, whoever computed them: the same sum each time.
    step.error = Some(errors.into_iter().fold(Error::default(), Error::and));
    Ok(bytes)
}

#[derive(Default)]
struct Fault {
    not_finite: AtomicBool,
    too_large: AtomicBool,
    stopped: AtomicBool,
}

impl Fault {
    fn any(&self) -> bool {
        [&self.not_finite, &self.too_large, &self.stopped].iter().any(|flag| flag.load(Ordering::Relaxed))
    }
}

fn format(dtype: DType) -> Format {
    Format::from_ggml_type(dtype.ggml_id()).expect("invariant: both tables hold the same formats")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two matrices, one of them with rows that no block of 256 fits, a vector, a norm and rows that fit nothing.
    fn source(dtype: DType) -> Vec<u8> {
        let writer = Writer::new()
            .key("general.architecture", Put::Str("llama"))
            .key("general.file_type", Put::U32(1))
            .key("tokenizer.ggml.tokens", Put::Strings(&["a", "", "ü"]))
            .key("llama.rope.freqs", Put::Floats(&[1.5, -2.0]))
            .key("some.flag", Put::Bool(true))
            .tensor("a.weight", &[512, 3], dtype)
            .tensor("b.weight", &[96, 2], dtype)
            .tensor("odd.weight", &[7, 2], dtype)
            .tensor("a.bias", &[512], DType::F32)
            .tensor("attn_norm.weight", &[512, 2], DType::F32);
        let sizes = [(512 * 3, dtype), (96 * 2, dtype), (14, dtype), (512, DType::F32), (1024, DType::F32)];
        let mut file = Vec::new();
        let values = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect() };
        let data = |at: usize| {
            let (n, dtype) = sizes[at];
            let mut bytes = vec![0; format(dtype).bytes(n).unwrap()];
            bizra_kernels::quant::quantize(format(dtype), &values(n), &mut bytes).unwrap();
            Ok(bytes)
        };
        writer.write(&mut file, data).unwrap();
        file
    }

    fn work<'w>(threads: usize, stop: &'w (dyn Fn() -> bool + Sync)) -> Work<'w> {
        Work { threads, stop, done: &|_| {} }
    }

    fn requantized(file: &[u8], target: Target, threads: usize) -> (Vec<u8>, Vec<Step>) {
        let gguf = Gguf::parse(file).unwrap();
        let (writer, mut steps) = plan(&gguf, target).unwrap();
        let mut made = Vec::new();
        writer
            .write(&mut made, |at| Ok(encode(&gguf.tensors()[at], &mut steps[at], &work(threads, &|| false)).unwrap()))
            .unwrap();
        (made, steps)
    }

    #[test]
    fn matrices_get_fewer_bits_and_all_else_stays() {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let file = source(dtype);
            let (made, steps) = requantized(&file, Target::Q4K, 2);
            let formats: Vec<DType> = steps.iter().map(|step| step.to).collect();
            assert_eq!(formats, [DType::Q4K, DType::Q8_0, dtype, DType::F32, DType::F32]);
            let errors: Vec<bool> = steps.iter().map(|step| step.error.is_some()).collect();
            assert_eq!(errors, [true, true, false, false, false]);
            let (before, after) = (Gguf::parse(&file).unwrap(), Gguf::parse(&made).unwrap());
            for (key, value) in before.metadata() {
                let expected = if *key == "general.file_type" { Some(14) } else { value.as_u64() };
                assert_eq!(after.get(key).unwrap().as_u64(), expected, "{key}");
                if value.as_u64().is_none() {
                    assert_eq!(after.get(key), Some(*value), "{key}");
                }
            }
            for (old, new) in before.tensors().iter().zip(after.tensors()) {
                assert_eq!((&old.name, old.dims), (&new.name, new.dims));
                if old.dtype == new.dtype {
                    assert_eq!(old.data, new.data, "{}", old.name);
                }
            }
            // The error that is told is the error that is there.
            let values = |tensor: &Tensor<'_>| {
                let mut x = vec![0.0; tensor.dims.as_slice().iter().product::<u64>() as usize];
                dequantize(format(tensor.dtype), tensor.data, &mut x).unwrap();
                x
            };
            let (x, y) = (values(&before.tensors()[0]), values(&after.tensors()[0]));
            let squares: f64 = x.iter().zip(&y).map(|(x, y)| f64::from(x - y).powi(2)).sum();
            let weights: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            let told = steps[0].error.unwrap().relative();
            assert!(told > 0.0 && (told - (squares / weights).sqrt()).abs() < 1e-12, "{told}");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let file = source(DType::F16);
        for target in [Target::Q8_0, Target::Q4_0, Target::Q4K] {
            assert_eq!(requantized(&file, target, 1), requantized(&file, target, 7), "{target:?}");
        }
    }

    #[test]
    fn what_can_not_be_quantised_is_refused() {
        let file = source(DType::F32);
        let gguf = Gguf::parse(&file).unwrap();
        let (_, mut steps) = plan(&gguf, Target::Q8_0).unwrap();
        let stopped = encode(&gguf.tensors()[0], &mut steps[0], &work(2, &|| true));
        assert_eq!(stopped, Err(RequantizeError::Stopped));
        let with = |bytes: [u8; 4]| {
            let mut file = file.clone();
            let at = gguf.tensors()[0].offset as usize + 4 * 700;
            file[at..at + 4].copy_from_slice(&bytes);
            let gguf = Gguf::parse(&file).unwrap();
            let (_, mut steps) = plan(&gguf, Target::Q8_0).unwrap();
            encode(&gguf.tensors()[0], &mut steps[0], &work(2, &|| false)).unwrap_err()
        };
        assert_eq!(with(f32::NAN.to_le_bytes()), RequantizeError::NotFinite { tensor: "a.weight".into() });
        let too_large = RequantizeError::TooLarge { tensor: "a.weight".into(), format: "Q8_0" };
        assert_eq!(with(1e20_f32.to_le_bytes()), too_large);

        let (made, _) = requantized(&file, Target::Q8_0, 1);
        let again = plan(&Gguf::parse(&made).unwrap(), Target::Q4_0).map(drop);
        assert_eq!(again, Err(RequantizeError::Already { tensor: "a.weight".into(), dtype: DType::Q8_0 }));
        let mut vectors = Vec::new();
        let none = Writer::new().tensor("a.bias", &[4], DType::F32);
        none.write(&mut vectors, |_| Ok(vec![0; 16])).unwrap();
        assert_eq!(plan(&Gguf::parse(&vectors).unwrap(), Target::Q4_0).map(drop), Err(RequantizeError::Nothing));
    }
}
