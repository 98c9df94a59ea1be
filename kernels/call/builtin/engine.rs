//! The engine's kernels behind the common interface. They take tensors without gaps, as the engine has them.

use super::super::abi::{DType, Status};
use super::super::invocation::Invocation;
use super::{Entry, Kernel};
use crate::attention::{self, Attention, Cache, Cell};
use crate::matmul::{Activations, Matrix, Packed, Product, matmul_q};
use crate::{Level, Pool, layernorm, rmsnorm, rope, select, softmax, swiglu};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub const ENGINE: &[Entry] = &[
    Entry::of::<Product1<false>>("matmul"),
    Entry::of::<Product1<true>>("matmul-packed"),
    Entry::of::<Attend<0>>("attention-f32"),
    Entry::of::<Attend<1>>("attention-f16"),
    Entry::of::<Attend<2>>("attention-q8"),
    Entry::of::<Softmax>("softmax"),
    Entry::of::<RmsNorm>("rmsnorm"),
    Entry::of::<LayerNorm>("layernorm"),
    Entry::of::<Rope>("rope"),
    Entry::of::<Gated>("gated"),
    Entry::of::<Argmax>("argmax"),
    Entry::of::<TopK>("topk"),
    Entry::of::<Sample>("sample"),
];

/// Threads are started once for each number of them, as the engine does.
fn pool(threads: usize) -> Arc<Pool> {
    static POOLS: Mutex<Option<HashMap<usize, Arc<Pool>>>> = Mutex::new(None);
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    Arc::clone(pools.entry(threads).or_insert_with(|| Arc::new(Pool::new(threads))))
}

impl From<crate::Error> for Status {
    fn from(error: crate::Error) -> Status {
        match error {
            crate::Error::Memory { .. } => Status::Failed(3),
            _ => Status::Unsupported,
        }
    }
}

/// From tensors or from weights that were rearranged.
struct Product1<const PACKED: bool>;

impl<const PACKED: bool> Kernel for Product1<PACKED> {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let (x, w) = (call.input(0)?, call.input(1)?);
        let ([_, k], [n, _]) = (x.shape()?, w.shape()?);
        let format = w.dtype().and_then(DType::format).ok_or(Status::Unsupported)?;
        if !w.is_contiguous() {
            return Err(Status::Unsupported);
        }
        let pool = pool(call.threads());
        let matrix = Matrix::new(format, n, k, w.bytes())?;
        let mut acts = Activations::new();
        acts.set_for(&pool, level, k, x.f32()?, &[format])?;
        let out = call.output_f32(0)?;
        if PACKED {
            let packed = Packed::pack(&pool, &matrix)?;
            matmul_q(&pool, level, &acts, &mut [Product::new(&packed, out)])?;
        } else {
            matmul_q(&pool, level, &acts, &mut [Product::new(matrix, out)])?;
        }
        Ok(())
    }
}

struct Attend<const CELL: u8>;

impl<const CELL: u8> Kernel for Attend<CELL> {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        attend(call, level, [Cell::F32, Cell::F16, Cell::Q8][CELL as usize], attention::attention)
    }
}

/// A way of attending over a filled cache.
type Way = fn(&Pool, Level, &Attention, &Cache, usize, &[f32], &mut [f32]) -> Result<(), crate::Error>;

/// A call's attention, a sequence after the other: its keys and values into a cache, and then the way.
pub(crate) fn attend(call: &mut Invocation<'_>, level: Level, cell: Cell, way: Way) -> Result<(), Status> {
    let (q, k, v, len) = (call.input(0)?, call.input(1)?, call.input(2)?, call.input(3)?);
    let ([batch, s, heads, dim], [_, t, groups, _]) = (q.shape()?, k.shape()?);
    let (window, softcap) = (call.integer("window")?, call.float("softcap")?);
    let shape = Attention {
        heads,
        scale: call.float("scale")? as f32,
        window: (window > 0).then_some(window as usize),
        softcap: (softcap > 0.0).then_some(softcap as f32),
        causal: call.integer("causal")? != 0,
    };
    let pool = pool(call.threads());
    let (q, k, v, len) = (q.f32()?, k.f32()?, v.f32()?, len.i32()?);
    let out = call.output_f32(0)?;
    let (rows, keys) = (s * heads * dim, t * groups * dim);
    for b in 0..batch {
        let filled = usize::try_from(len[b]).map_err(|_| Status::Unsupported)?;
        let first = filled.checked_sub(s).ok_or(Status::Unsupported)?;
        let mut cache = Cache::new(cell, groups, dim, t)?;
        let part = b * keys..b * keys + filled * groups * dim;
        cache.push(&k[part.clone()], &v[part])?;
        let part = b * rows..(b + 1) * rows;
        way(&pool, level, &shape, &cache, first, &q[part.clone()], &mut out[part])?;
    }
    Ok(())
}

struct Softmax;

impl Kernel for Softmax {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let x = call.input(0)?;
        let [_, n] = x.shape()?;
        let (x, pool) = (x.f32()?, pool(call.threads()));
        let out = call.output_f32(0)?;
        out.copy_from_slice(x);
        Ok(softmax::softmax(&pool, level, n, out)?)
    }
}

struct RmsNorm;

impl Kernel for RmsNorm {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let (x, w, eps) = (call.input(0)?.f32()?, call.input(1)?.f32()?, call.float("eps")?);
        let pool = pool(call.threads());
        Ok(rmsnorm::rmsnorm(&pool, level, x, w, eps as f32, call.output_f32(0)?)?)
    }
}

struct LayerNorm;

impl Kernel for LayerNorm {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let (x, w, b) = (call.input(0)?.f32()?, call.input(1)?.f32()?, call.input(2)?.f32()?);
        let (eps, pool) = (call.float("eps")?, pool(call.threads()));
        let out = call.output_f32(0)?;
        out.copy_from_slice(x);
        Ok(layernorm::layernorm(&pool, level, out, w, Some(b), eps as f32)?)
    }
}

struct Rope;

impl Kernel for Rope {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        let x = call.input(0)?;
        let [s, heads, dim] = x.shape()?;
        let frequencies = rope::frequencies(call.float("base")?, call.integer("dims")? as usize);
        let table = rope::Table::new(&frequencies, 1.0, call.integer("first")? as usize, s);
        let pairs = if call.integer("halves")? != 0 { rope::Pairs::Halves } else { rope::Pairs::Interleaved };
        let (x, pool) = (x.f32()?, pool(call.threads()));
        let out = call.output_f32(0)?;
        out.copy_from_slice(x);
        Ok(rope::rope(&pool, &table, pairs, heads, dim, out)?)
    }
}

struct Gated;

impl Kernel for Gated {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let (gate, up) = (call.input(0)?.f32()?, call.input(1)?.f32()?);
        let kind = match call.integer("activation")? {
            0 => swiglu::Activation::Silu,
            1 => swiglu::Activation::GeluTanh,
            2 => swiglu::Activation::GeluErf,
            _ => return Err(Status::Unsupported),
        };
        let pool = pool(call.threads());
        let out = call.output_f32(0)?;
        out.copy_from_slice(gate);
        Ok(swiglu::gated(&pool, level, kind, out, up)?)
    }
}

struct Argmax;

impl Kernel for Argmax {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        let x = call.input(0)?;
        let [_, n] = x.shape()?;
        let x = x.f32()?;
        for (r, out) in call.output_i32(0)?.iter_mut().enumerate() {
            *out = select::argmax(&x[r * n..][..n]).map_or(-1, |i| i as i32);
        }
        Ok(())
    }
}

struct TopK;

impl Kernel for TopK {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        let x = call.input(0)?;
        let [rows, n] = x.shape()?;
        let (x, k) = (x.f32()?, call.integer("k")? as usize);
        for r in 0..rows {
            let best = select::top_k(&x[r * n..][..n], k);
            let found = |j: usize| best.get(j).map_or((-1, f32::NAN), |(i, v)| (*i as i32, *v));
            (0..k).zip(&mut call.output_i32(0)?[r * k..][..k]).for_each(|(j, out)| *out = found(j).0);
            (0..k).zip(&mut call.output_f32(1)?[r * k..][..k]).for_each(|(j, out)| *out = found(j).1);
        }
        Ok(())
    }
}

struct Sample;

impl Kernel for Sample {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        let x = call.input(0)?;
        let [_, n] = x.shape()?;
        let (x, u, temperature) = (x.f32()?, call.input(1)?.f64()?, call.float("temperature")? as f32);
        for (r, out) in call.output_i32(0)?.iter_mut().enumerate() {
            let row = &x[r * n..][..n];
            let most = select::argmax(row).map_or(f32::NEG_INFINITY, |i| row[i]);
            let candidates: Vec<(usize, f32)> =
                row.iter().copied().enumerate().filter(|(_, l)| *l > f32::NEG_INFINITY).collect();
            *out = select::draw(&candidates, most, temperature, u[r]).map_or(-1, |i| i as i32);
        }
        Ok(())
    }
}
