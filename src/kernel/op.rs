//! Operations: the names of their sizes, what they are given, and what they give back.
//!
//! What each computes from which tensors stands in `kernels/bizra_kernel.h`; here are the same tensors for a shape.

use std::fmt;

use bizra_kernels::call::DType;
pub use bizra_kernels::call::abi::OpCode as Op;

/// A size or switch of an operation: its name, and the values it has where a manifest doesn't say.
pub struct Dim {
    pub name: &'static str,
    pub default: Option<&'static [i64]>,
    pub about: &'static str,
}

const fn dim(name: &'static str, about: &'static str) -> Dim {
    Dim { name, default: None, about }
}

const fn with(name: &'static str, default: &'static [i64], about: &'static str) -> Dim {
    Dim { name, default: Some(default), about }
}

const ROWS: &[Dim] = &[dim("R", "rows"), dim("N", "values a row")];

const MATMUL: &[Dim] = &[dim("M", "rows of activations"), dim("N", "rows of weights"), dim("K", "columns of both")];

const ATTENTION: &[Dim] = &[
    with("B", &[1], "sequences"),
    dim("S", "queries a sequence"),
    with("past", &[0], "keys before the first query"),
    dim("Hkv", "key heads"),
    with("group", &[1], "query heads for each key head"),
    dim("D", "values a head"),
    with("causal", &[1], "whether keys after a query are hidden"),
    with("window", &[0], "keys that a query sees at most, itself included; 0 is all"),
    with("softcap", &[0], "the bound of scores; 0 is none"),
    with("pad", &[0], "keys of garbage at the end, at most"),
    with("short", &[0], "whether a sequence has fewer keys than queries, so that some see none"),
];

const ROPE: &[Dim] = &[
    dim("S", "positions"),
    dim("H", "heads"),
    dim("D", "values a head, even"),
    with("turned", &[0], "values that are turned, even; 0 is all"),
    with("first", &[0], "the first position"),
    with("base", &[10_000], "the base of the frequencies"),
    with("halves", &[0, 1], "whether pairs lie half a head apart"),
];

const GATED: &[Dim] =
    &[dim("R", "rows"), dim("N", "values a row"), with("activation", &[0], "0 silu, 1 gelu by tanh, 2 by erf")];

const TOP_K: &[Dim] = &[dim("R", "rows"), dim("N", "values a row"), dim("k", "values wanted")];

const SAMPLE: &[Dim] = &[dim("R", "rows"), dim("N", "values a row"), with("temperature", &[100], "in hundredths")];

pub fn dims(op: Op) -> &'static [Dim] {
    match op {
        Op::Matmul => MATMUL,
        Op::Attention => ATTENTION,
        Op::Softmax | Op::RmsNorm | Op::LayerNorm | Op::Argmax => ROWS,
        Op::Rope => ROPE,
        Op::Gated => GATED,
        Op::TopK => TOP_K,
        Op::Sample => SAMPLE,
    }
}

/// No size is greater: products of two fit into 64 bits.
pub const MOST_SIZE: i64 = 1 << 31;

/// Values of all sizes of an operation, in the order of [`dims`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub op: Op,
    pub values: Vec<i64>,
}

impl Shape {
    pub fn get(&self, name: &str) -> i64 {
        let at = dims(self.op).iter().position(|d| d.name == name);
        at.and_then(|at| self.values.get(at)).copied().unwrap_or(0)
    }

    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.get(name)).unwrap_or(0)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: i64) -> Shape {
        if let Some(at) = dims(self.op).iter().position(|d| d.name == name) {
            self.values[at] = value;
        }
        self
    }

    /// What keeps it from being filled with numbers of this type.
    pub fn unfit(&self, weights: DType) -> Option<String> {
        let (block, columns) = (weights.block().0, self.size("K"));
        (self.op == Op::Matmul && !columns.is_multiple_of(block))
            .then(|| format!("K={columns} is no whole number of blocks: {} has blocks of {block}", weights.word()))
    }

    /// `M=3,N=17,K=64`.
    pub fn parse(op: Op, text: &str) -> Option<Shape> {
        let dims = dims(op);
        let mut values: Vec<Option<i64>> =
            dims.iter().map(|d| d.default.and_then(|all| all.first()).copied()).collect();
        let mut named = vec![false; dims.len()];
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let at = dims.iter().position(|d| d.name == name)?;
            if std::mem::replace(&mut named[at], true) {
                return None;
            }
            values[at] = Some(value.parse().ok().filter(|v| (0..=MOST_SIZE).contains(v))?);
        }
        Some(Shape { op, values: values.into_iter().collect::<Option<_>>()? })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (dim, value) in dims(self.op).iter().zip(&self.values) {
            if dim.default.is_some_and(|d| d.first() == Some(value)) {
                continue;
            }
            let comma = if first { "" } else { "," };
            write!(f, "{comma}{}={value}", dim.name)?;
            first = false;
        }
        Ok(())
    }
}

/// A tensor's role in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub name: &'static str,
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl Slot {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes without gaps.
    pub fn bytes(&self) -> usize {
        let (len, bytes) = self.dtype.block();
        self.elements() / len * bytes
    }
}

/// Element types that a manifest decides: of activations and results, and of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types {
    pub input: DType,
    pub output: DType,
    pub weights: DType,
}

/// Keys that a sequence of attention has room for.
pub fn key_room(shape: &Shape) -> usize {
    shape.size("past") + shape.size("S") + shape.size("pad")
}

pub fn inputs(shape: &Shape, types: Types) -> Vec<Slot> {
    let n = |name| shape.size(name);
    let slot = |name, dtype, shape: &[usize]| Slot { name, dtype, shape: shape.to_vec() };
    let Types { input, weights, .. } = types;
    match shape.op {
        Op::Matmul => vec![slot("x", input, &[n("M"), n("K")]), slot("w", weights, &[n("N"), n("K")])],
        Op::Attention => {
            let (b, t, g, d) = (n("B"), key_room(shape), n("Hkv"), n("D"));
            vec![
                slot("q", input, &[b, n("S"), g * n("group"), d]),
                slot("k", input, &[b, t, g, d]),
                slot("v", input, &[b, t, g, d]),
                slot("len", DType::I32, &[b]),
            ]
        }
        Op::Softmax | Op::Argmax | Op::TopK => vec![slot("x", input, &[n("R"), n("N")])],
        Op::RmsNorm => vec![slot("x", input, &[n("R"), n("N")]), slot("w", input, &[n("N")])],
        Op::LayerNorm => {
            vec![slot("x", input, &[n("R"), n("N")]), slot("w", input, &[n("N")]), slot("b", input, &[n("N")])]
        }
        Op::Rope => vec![slot("x", input, &[n("S"), n("H"), n("D")])],
        Op::Gated => vec![slot("gate", input, &[n("R"), n("N")]), slot("up", input, &[n("R"), n("N")])],
        Op::Sample => vec![slot("x", input, &[n("R"), n("N")]), slot("u", DType::F64, &[n("R")])],
    }
}

pub fn outputs(shape: &Shape, types: Types) -> Vec<Slot> {
    let n = |name| shape.size(name);
    let slot = |name, dtype, shape: &[usize]| Slot { name, dtype, shape: shape.to_vec() };
    match shape.op {
        Op::Matmul => vec![slot("y", types.output, &[n("M"), n("N")])],
        Op::Attention => vec![slot("o", types.output, &[n("B"), n("S"), n("Hkv") * n("group"), n("D")])],
        Op::Softmax | Op::RmsNorm | Op::LayerNorm | Op::Gated => vec![slot("y", types.output, &[n("R"), n("N")])],
        Op::Rope => vec![slot("y", types.output, &[n("S"), n("H"), n("D")])],
        Op::Argmax | Op::Sample => vec![slot("i", DType::I32, &[n("R")])],
        Op::TopK => vec![slot("i", DType::I32, &[n("R"), n("k")]), slot("v", types.output, &[n("R"), n("k")])],
    }
}

/// Bytes that trying a shape takes, at most and about: of each input the number and its bytes at three places, of each
/// result its bounds and what repeats leave of it (see [`repeats`]).
pub fn memory(shape: &Shape, types: Types) -> u64 {
    let elements = |slots: Vec<Slot>| -> u64 {
        let of = |slot: Slot| slot.shape.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
        slots.into_iter().map(of).fold(0, u64::saturating_add)
    };
    let (given, made) = (elements(inputs(shape, types)), elements(outputs(shape, types)));
    let kept = made.min(MANY_RESULTS as u64) * 8 * 60;
    given.saturating_mul(64).saturating_add(made.saturating_mul(200)).saturating_add(kept)
}

/// Results of a call beyond which fewer repeats say as much.
const MANY_RESULTS: usize = 1 << 19;

/// How often a call is repeated, of so many times: where there are many results, as often as a small part of memory holds.
pub fn repeats(shape: &Shape, types: Types, times: usize) -> usize {
    let results = outputs(shape, types).iter().map(Slot::elements).sum::<usize>();
    times.min((times * MANY_RESULTS / results.max(1)).max(6))
}

/// Multiply-adds, about: what a case costs.
pub fn work(shape: &Shape) -> usize {
    let n = |name| shape.size(name).max(1);
    match shape.op {
        Op::Matmul => n("M").saturating_mul(n("N")).saturating_mul(n("K")),
        Op::Attention => [n("B"), n("S"), key_room(shape).max(1), n("Hkv") * n("group"), 2 * n("D")]
            .into_iter()
            .fold(1, usize::saturating_mul),
        Op::Rope => [n("S"), n("H"), n("D"), 8].into_iter().fold(1, usize::saturating_mul),
        _ => n("R").saturating_mul(n("N")).saturating_mul(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_name_all_sizes() {
        let size = |dim: &Dim| match dim.default {
            None => format!("`{}` {}", dim.name, dim.about),
            Some(values) => {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                format!("`{}` {} ({})", dim.name, dim.about, values.join(", "))
            }
        };
        for op in Op::ALL {
            let sizes: Vec<String> = dims(*op).iter().map(size).collect();
            let row = format!("| {} | {} |\n", op.word(), sizes.join("; "));
            assert!(include_str!("../../docs/kernels.md").contains(&row), "docs/kernels.md lacks:\n{row}");
        }
    }

    #[test]
    fn shapes_are_written_and_read_alike() {
        for (op, text) in [
            (Op::Matmul, "M=3,N=17,K=64"),
            (Op::Attention, "S=5,Hkv=2,D=64,causal=0,window=7"),
            (Op::Rope, "S=1,H=1,D=8,first=9"),
        ] {
            let shape = Shape::parse(op, text).unwrap();
            assert_eq!(shape.to_string(), text);
            assert_eq!(Shape::parse(op, &shape.to_string()), Some(shape));
        }
        assert_eq!(Shape::parse(Op::Matmul, "M=3,N=17"), None);
        assert_eq!(Shape::parse(Op::Softmax, "R=1,N=2,Q=1"), None);
        assert_eq!(Shape::parse(Op::Softmax, "R=1,N=-2"), None);
        assert_eq!(Shape::parse(Op::Softmax, "R=1,N=2147483649"), None);
        assert_eq!(Shape::parse(Op::Softmax, "R=1,N=2,N=2"), None);
    }

    #[test]
    fn the_greatest_shapes_cost_more_than_any_machine_has() {
        for op in Op::ALL {
            let types = Types { input: DType::F32, output: DType::F32, weights: DType::F32 };
            let shape = Shape { op: *op, values: vec![MOST_SIZE; dims(*op).len()] };
            assert!(memory(&shape, types) > 1 << 40 && work(&shape) > 1 << 40, "{op:?}");
            let one = Shape { op: *op, values: vec![1; dims(*op).len()] };
            assert!((1..20_000).contains(&memory(&one, types)), "{op:?}");
        }
    }
}
