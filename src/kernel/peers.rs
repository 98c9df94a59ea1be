//! What others compute the same with, as baselines for claims of speed: candle's attention, by plain operations as its
//! models write it, and its own flash attention for processors.
//!
//! They answer through the interface of every kernel, and only what they are timed with: all keys count, nothing is
//! windowed or capped. How many threads they take is theirs to read from the environment, so who starts them says it there.

use std::sync::Mutex;

use bizra_kernels::Level;
use bizra_kernels::baselines::Delayed;
use bizra_kernels::call::{Entry, Invocation, Kernel, Status};
use candle_core::{Device, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};

/// By names that hold the version, which pins them as the program's hash does.
pub const PEERS: &[Entry] = &[
    Entry::of::<Plain>("candle-0.11.1"),
    Entry::of::<Delayed<Plain>>("candle-0.11.1.delayed"),
    Entry::of::<Flash>("candle-flash-0.11.1"),
    Entry::of::<Delayed<Flash>>("candle-flash-0.11.1.delayed"),
];

/// The variable that candle takes its number of threads from.
pub const THREADS: &str = "RAYON_NUM_THREADS";

struct Plain;
struct Flash;

/// A call as tensors: `[batch, position, head, dimension]`.
struct Given {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: f64,
    causal: bool,
}

fn answer(call: &mut Invocation<'_>, attend: fn(&Given) -> Result<Tensor>) -> std::result::Result<(), Status> {
    let (q, k, v, len) = (call.input(0)?, call.input(1)?, call.input(2)?, call.input(3)?);
    let ([batch, queries, heads, dim], [_, room, groups, _]) = (q.shape()?, k.shape()?);
    let whole = len.i32()?.iter().all(|len| usize::try_from(*len) == Ok(room));
    if !whole || room < queries || call.integer("window")? > 0 || call.float("softcap")? > 0.0 {
        return Err(Status::Unsupported);
    }
    let (keys, scale) = ((batch, room, groups, dim), call.float("scale")?);
    let given = |q: &[f32], k: &[f32], v: &[f32], causal| -> Result<Given> {
        Ok(Given {
            q: Tensor::from_slice(q, (batch, queries, heads, dim), &Device::Cpu)?,
            k: Tensor::from_slice(k, keys, &Device::Cpu)?,
            v: Tensor::from_slice(v, keys, &Device::Cpu)?,
            scale,
            causal,
        })
    };
    let given = given(q.f32()?, k.f32()?, v.f32()?, call.integer("causal")? != 0);
    let attended = given.and_then(|given| attend(&given)?.transpose(1, 2)?.flatten_all()?.to_vec1::<f32>());
    // Whatever candle has against the call, it is none that can be timed.
    let attended = attended.map_err(|_| Status::Unsupported)?;
    call.output_f32(0)?.copy_from_slice(&attended);
    Ok(())
}

impl Kernel for Plain {
    fn run(call: &mut Invocation<'_>, _: Level) -> std::result::Result<(), Status> {
        answer(call, |given| {
            let (heads, groups) = (given.q.dim(2)?, given.k.dim(2)?);
            let q = given.q.transpose(1, 2)?.contiguous()?;
            let of_heads = |x: &Tensor| candle_transformers::utils::repeat_kv(x.transpose(1, 2)?, heads / groups);
            let (k, v) = (of_heads(&given.k)?.contiguous()?, of_heads(&given.v)?.contiguous()?);
            let scores = (q.matmul(&k.transpose(2, 3)?)? * given.scale)?;
            let scores = match given.causal {
                true => scores.broadcast_add(&mask(q.dim(2)?, k.dim(2)?)?)?,
                false => scores,
            };
            candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)
        })
    }
}

/// Minus infinity for keys after a query, made once for each size as candle's models do.
fn mask(queries: usize, keys: usize) -> Result<Tensor> {
    static LAST: Mutex<Option<Tensor>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = last.as_ref().filter(|known| known.dims() == [queries, keys]) {
        return Ok(known.clone());
    }
    let first = keys - queries;
    let hidden = |i: usize, j: usize| if j > first + i { f32::NEG_INFINITY } else { 0.0 };
    let values: Vec<f32> = (0..queries).flat_map(|i| (0..keys).map(move |j| hidden(i, j))).collect();
    Ok(last.insert(Tensor::from_vec(values, (queries, keys), &Device::Cpu)?).clone())
}

impl Kernel for Flash {
    fn run(call: &mut Invocation<'_>, _: Level) -> std::result::Result<(), Status> {
        answer(call, |given| {
            let first = given.k.dim(1)? - given.q.dim(1)?;
            let mask = if given.causal { AttnMask::causal_with_offset(first) } else { AttnMask::None };
            flash_attn::<f32>(&given.q, &given.k, &given.v, given.scale as f32, mask, None, None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_in_the_names_are_those_that_are_built() {
        let lock = include_str!("../../Cargo.lock").replace("\r\n", "\n");
        for package in ["candle-core", "candle-nn"] {
            assert!(lock.contains(&format!("name = \"{package}\"\nversion = \"0.11.1\"\n")), "rename the peers");
        }
        assert!(PEERS.iter().all(|peer| peer.name.contains("-0.11.1")));
    }
}
