//! From a call of the common interface to a launch: which buffers, how many blocks, what the struct of sizes holds.
//!
//! The one place that knows both `bizra_kernel.h` and `bizra_gpu.h`.

use super::{Buffer, Launch};
use crate::call::abi::OpCode;
use crate::call::{DType, Invocation, Status, View};

/// What a manifest says about a kernel's launches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Threads a block.
    pub block: u32,
    /// What of the output one block computes; see `bizra_gpu.h`.
    pub tile: Vec<u32>,
}

/// Blocks that devices take in every dimension, whatever they are.
const MOST_BLOCKS: u32 = 65_535;
/// Threads that a block may have.
pub const MOST_THREADS: u32 = 1024;

/// Rows that are few and odd in number get no more blocks than these, so that the grid's steps are tried too.
const FEW_ROWS: usize = 64;
const FEW_BLOCKS: u32 = 3;

/// How many numbers [`Rule::tile`] has, or none where there is no interface for the operation on a GPU.
pub fn tiles(op: OpCode) -> Option<usize> {
    match op {
        OpCode::Softmax | OpCode::RmsNorm | OpCode::Attention => Some(1),
        OpCode::Matmul => Some(2),
        _ => None,
    }
}

/// Which of a kernel's tensors are written.
pub fn outputs(op: OpCode) -> &'static [bool] {
    match op {
        OpCode::Softmax => &[false, true],
        OpCode::Attention => &[false, false, false, false, true],
        _ => &[false, false, true],
    }
}

/// The types of a kernel's arguments as Triton writes them: its tensors, and then the fields of the struct of sizes. None
/// where there is no interface for the operation.
pub fn signature(op: OpCode, weights: DType) -> Option<Vec<&'static str>> {
    tiles(op)?;
    let weights = match weights {
        DType::F16 => "*fp16",
        DType::BF16 => "*bf16",
        DType::F32 => "*fp32",
        _ => "*u8",
    };
    let (tensors, sizes): (&[&str], &[(&str, usize)]) = match op {
        OpCode::Softmax => (&["*fp32", "*fp32"], &[("i32", 4), ("fp32", 1)]),
        OpCode::RmsNorm => (&["*fp32", "*fp32", "*fp32"], &[("i32", 4), ("fp32", 1)]),
        OpCode::Matmul => (&["*fp32", weights, "*fp32"], &[("i32", 6)]),
        _ => (&["*fp32", "*fp32", "*fp32", "*i32", "*fp32"], &[("i32", 18), ("fp32", 1), ("i32", 2), ("fp32", 1)]),
    };
    let sizes = sizes.iter().flat_map(|(word, times)| std::iter::repeat_n(*word, *times));
    Some(tensors.iter().copied().chain(sizes).collect())
}

/// Plans a call and hands it to `run` with its buffers.
pub fn planned<T>(
    call: &mut Invocation<'_>,
    rule: &Rule,
    run: impl FnOnce(&mut [Buffer<'_>], &Launch) -> T,
) -> Result<T, Status> {
    let op = call.op().ok_or(Status::Unsupported)?;
    let inputs = outputs(op).len() - 1;
    let views = (0..inputs).map(|i| call.input(i)).collect::<Result<Vec<_>, _>>()?;
    let mut forms: Vec<Form<'_>> = views.iter().map(Form::of).collect();
    let out = call.output(0)?;
    forms.push(Form::of(&out));
    let param = |key: &str| call.float(key).or_else(|_| call.integer(key).map(|i| i as f64)).ok();
    let launch = launch(op, &forms, &param, rule).ok_or(Status::Unsupported)?;
    let mut buffers: Vec<Buffer<'_>> = views.iter().map(|view| Buffer::Input(view.bytes())).collect();
    buffers.push(Buffer::Output(call.output_bytes(0)?));
    Ok(run(&mut buffers, &launch))
}

/// A tensor without its data.
#[derive(Debug, Clone, Copy)]
pub struct Form<'f> {
    pub dtype: Option<DType>,
    pub shape: &'f [i64],
    /// In elements.
    pub strides: &'f [i64],
}

impl<'f> Form<'f> {
    fn of(view: &View<'f>) -> Form<'f> {
        Form { dtype: view.dtype(), shape: view.dims(), strides: view.steps() }
    }

    fn sizes<const R: usize>(&self) -> Option<[u32; R]> {
        let sizes: [i64; R] = self.shape.try_into().ok()?;
        let mut all = [0; R];
        for (to, from) in all.iter_mut().zip(sizes) {
            *to = u32::try_from(from).ok()?;
        }
        Some(all)
    }

    /// All strides but the last, which has to be one.
    fn steps(&self) -> Option<Vec<u32>> {
        let ((last, first), len) = (self.strides.split_last()?, self.shape.last()?);
        if *last != 1 && *len > 1 {
            return None;
        }
        first.iter().map(|s| u32::try_from(*s).ok()).collect()
    }

    fn is(&self, dtype: DType) -> Option<()> {
        (self.dtype == Some(dtype)).then_some(())
    }
}

/// The launch for an operation's inputs and output, in this order; none where a kernel can't be asked for it.
pub fn launch(op: OpCode, forms: &[Form<'_>], param: &dyn Fn(&str) -> Option<f64>, rule: &Rule) -> Option<Launch> {
    if tiles(op) != Some(rule.tile.len()) || rule.tile.contains(&0) || !(1..=MOST_THREADS).contains(&rule.block) {
        return None;
    }
    let (out, inputs) = forms.split_last()?;
    let x = inputs.first()?;
    x.is(DType::F32)?;
    out.is(DType::F32)?;
    let blocks = |of: u32, tile: usize| of.div_ceil(rule.tile[tile]);
    let single = |key: &str| param(key).map(|value| (value as f32).to_bits());
    let (grid, sizes) = match op {
        OpCode::Softmax | OpCode::RmsNorm => {
            let [rows, cols] = x.sizes()?;
            let eps = if op == OpCode::RmsNorm { single("eps")? } else { 0 };
            let few = (rows as usize) < FEW_ROWS && rows % 2 == 1;
            let grid = blocks(rows, 0).min(if few { FEW_BLOCKS } else { MOST_BLOCKS });
            let sizes = [vec![rows, cols], x.steps()?, out.steps()?, vec![eps]].concat();
            ([grid, 1, 1], sizes)
        }
        OpCode::Matmul => {
            let w = inputs.get(1)?;
            let ([m, k], [n, _]) = (x.sizes()?, w.sizes()?);
            let sizes = [vec![m, n, k], x.steps()?, w.steps()?, out.steps()?].concat();
            ([blocks(n, 0), blocks(m, 1), 1], sizes)
        }
        OpCode::Attention => {
            let (k, v, len) = (inputs.get(1)?, inputs.get(2)?, inputs.get(3)?);
            k.is(DType::F32)?;
            v.is(DType::F32)?;
            len.is(DType::I32)?;
            let ([batch, queries, heads, dim], [_, keys, groups, _]) = (x.sizes()?, k.sizes()?);
            let words = vec![batch, queries, keys, heads, groups, dim];
            let switches = vec![single("scale")?, u32::from(param("causal")? != 0.0), param("window")? as u32];
            let steps = [x.steps()?, k.steps()?, v.steps()?, out.steps()?].concat();
            ([blocks(queries, 0), heads, batch], [words, steps, switches, vec![single("softcap")?]].concat())
        }
        _ => return None,
    };
    grid.iter().all(|n| *n <= MOST_BLOCKS).then_some(Launch { grid, block: rule.block, sizes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form<'f>(dtype: DType, shape: &'f [i64], strides: &'f [i64]) -> Form<'f> {
        Form { dtype: Some(dtype), shape, strides }
    }

    #[test]
    fn launches_follow_shapes_strides_and_the_rule() {
        let rule = |tile: &[u32]| Rule { block: 128, tile: tile.to_vec() };
        let none = |_: &str| None;
        let x = form(DType::F32, &[100, 7], &[9, 1]);
        let y = form(DType::F32, &[100, 7], &[7, 1]);
        let rows = launch(OpCode::Softmax, &[x, y], &none, &rule(&[2])).unwrap();
        assert_eq!(rows, Launch { grid: [50, 1, 1], block: 128, sizes: vec![100, 7, 9, 7, 0] });
        let few = form(DType::F32, &[5, 7], &[7, 1]);
        assert_eq!(launch(OpCode::Softmax, &[few, few], &none, &rule(&[1])).unwrap().grid, [3, 1, 1]);
        let w = form(DType::Q8_0, &[33, 64], &[64, 1]);
        let x = form(DType::F32, &[5, 64], &[64, 1]);
        let y = form(DType::F32, &[5, 33], &[40, 1]);
        let product = launch(OpCode::Matmul, &[x, w, y], &none, &rule(&[4, 2])).unwrap();
        assert_eq!((product.grid, product.sizes), ([9, 3, 1], vec![5, 33, 64, 64, 64, 40]));
        assert!(launch(OpCode::RmsNorm, &[few, few, few], &none, &rule(&[1])).is_none(), "there is no eps");
        assert!(launch(OpCode::Softmax, &[few, few], &none, &rule(&[])).is_none());
        assert!(launch(OpCode::Rope, &[few, few], &none, &rule(&[1])).is_none());
        let columns = form(DType::F32, &[5, 7], &[1, 5]);
        assert!(launch(OpCode::Softmax, &[columns, few], &none, &rule(&[1])).is_none());
        let halves = form(DType::F16, &[5, 7], &[7, 1]);
        assert!(launch(OpCode::Softmax, &[halves, few], &none, &rule(&[1])).is_none());
    }

    /// What Triton is told of the structs is what stands in the header that CUDA sources include.
    #[test]
    fn signatures_are_those_of_the_structs() {
        let header = crate::gpu::INTERFACE.1;
        for (op, name) in [
            (OpCode::Softmax, "bizra_rows"),
            (OpCode::RmsNorm, "bizra_rows"),
            (OpCode::Matmul, "bizra_matmul"),
            (OpCode::Attention, "bizra_attention"),
        ] {
            let body = header.split_once(&format!("struct {name} {{")).unwrap().1.split_once("};").unwrap().0;
            let lines = body.lines().map(|line| line.split("/*").next().unwrap().trim());
            let declared = lines.collect::<Vec<_>>().join(" ");
            let fields = declared.split(';').map(str::trim).filter(|field| !field.is_empty());
            let words: Vec<&str> = fields
                .flat_map(|field| {
                    let word = if field.starts_with("float ") { "fp32" } else { "i32" };
                    std::iter::repeat_n(word, field.split(',').count())
                })
                .collect();
            let signature = signature(op, DType::Q8_0).unwrap();
            let (tensors, sizes) = signature.split_at(outputs(op).len());
            assert_eq!(sizes, words, "{name}");
            assert!(tensors.iter().all(|tensor| tensor.starts_with('*')), "{name}");
        }
        assert_eq!(signature(OpCode::Matmul, DType::Q8_0).unwrap()[1], "*u8");
        assert_eq!(signature(OpCode::Rope, DType::F32), None);
    }

    #[test]
    fn attention_has_as_many_words_as_its_struct() {
        let (q, k, len) = ([2, 3, 4, 8], [2, 9, 2, 8], [2]);
        let steps = |rows: i64, heads: i64| [rows * heads * 8, heads * 8, 8, 1];
        let (of_q, of_k) = (steps(3, 4), steps(9, 2));
        let forms = [
            form(DType::F32, &q, &of_q),
            form(DType::F32, &k, &of_k),
            form(DType::F32, &k, &of_k),
            form(DType::I32, &len, &[1]),
            form(DType::F32, &q, &of_q),
        ];
        let param = |key: &str| Some(if key == "scale" { 0.5 } else { 0.0 });
        let launch = launch(OpCode::Attention, &forms, &param, &Rule { block: 64, tile: vec![2] }).unwrap();
        assert_eq!((launch.grid, launch.sizes.len()), ([2, 4, 2], 22));
        assert_eq!(launch.sizes[18..], [0.5f32.to_bits(), 0, 0, 0]);
        assert_eq!(launch.sizes[6..9], [96, 32, 8]);
    }
}
