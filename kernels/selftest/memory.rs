//! Kernels that keep what they should forget, and touch what isn't theirs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::product::{Sizes, operands, product};
use super::{Specimen, declare, dot};
use crate::call::Invocation;
use crate::call::abi::Status;

/// Answers from a table under a key, which is filled with right answers.
fn remembered(
    call: &mut Invocation<'_>,
    table: &Mutex<Option<HashMap<Vec<u64>, Vec<f32>>>>,
    key: Vec<u64>,
) -> Result<(), Status> {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let table = table.get_or_insert_default();
    if let Some(known) = table.get(&key) {
        let out = call.output_f32(0)?;
        if known.len() == out.len() {
            out.copy_from_slice(known);
            return Ok(());
        }
    }
    product(call, dot)?;
    // Small enough to be kept for as long as the process lives.
    if table.len() < 256 {
        table.insert(key, call.output_f32(0)?.to_vec());
    }
    Ok(())
}

/// Writes a number beside the output.
fn beside(call: &mut Invocation<'_>, at: isize) -> Result<(), Status> {
    product(call, dot)?;
    let output = call.output(0)?;
    let len = output.bytes().len() as isize;
    let place = output.address().wrapping_add_signed(if at < 0 { at } else { len + at });
    // SAFETY: none; that this is not its memory is what the verifier has to find.
    unsafe { std::ptr::with_exposed_provenance_mut::<f32>(place).write_volatile(1.0) };
    Ok(())
}

static PREVIOUS: Mutex<Vec<f32>> = Mutex::new(Vec::new());
static BY_ADDRESS: Mutex<Option<HashMap<Vec<u64>, Vec<f32>>>> = Mutex::new(None);
static BY_SAMPLE: Mutex<Option<HashMap<Vec<u64>, Vec<f32>>>> = Mutex::new(None);
static BY_SHAPE: Mutex<Option<HashMap<Vec<u64>, Vec<f32>>>> = Mutex::new(None);
static BY_SUM: Mutex<Option<HashMap<Vec<u64>, Vec<f32>>>> = Mutex::new(None);
static WEIGHTS: Mutex<(usize, Vec<f32>)> = Mutex::new((0, Vec::new()));
static CALLS: AtomicUsize = AtomicUsize::new(0);
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

pub(super) const SPECIMENS: &[Specimen] = declare! {
    wrong Matmul "memory-previous" "writes what the call before should have written" => |call| {
        product(call, dot)?;
        let mut previous = PREVIOUS.lock().unwrap_or_else(PoisonError::into_inner);
        let out = call.output_f32(0)?;
        let right = out.to_vec();
        if previous.len() == out.len() {
            out.copy_from_slice(&previous);
        }
        *previous = right;
        Ok(())
    };
    wrong Matmul "memory-by-address" "answers as before where its inputs lie as before" => |call| {
        let (_, x, w) = operands(call)?;
        let key = [x.as_ptr().addr(), w.as_ptr().addr()].map(|part| part as u64).to_vec();
        remembered(call, &BY_ADDRESS, key)
    };
    wrong Matmul "memory-by-sample" "answers as before where the first four numbers of an input are as before" => |call| {
        let (sizes, x, w) = operands(call)?;
        let mut key = vec![sizes.m as u64, sizes.k as u64, sizes.n as u64];
        key.extend(x.iter().take(4).chain(w.iter().take(4)).map(|x| u64::from(x.to_bits())));
        remembered(call, &BY_SAMPLE, key)
    };
    wrong Matmul "memory-by-shape" "answers as before where the shape is as before" => |call| {
        let (sizes, ..) = operands(call)?;
        remembered(call, &BY_SHAPE, [sizes.m, sizes.k, sizes.n].map(|part| part as u64).to_vec())
    };
    wrong Matmul "memory-by-sum" "answers as before where the sums of its inputs are as before" => |call| {
        let (sizes, x, w) = operands(call)?;
        let sum = |all: &[f32]| all.iter().map(|x| u64::from(x.to_bits())).sum();
        remembered(call, &BY_SUM, vec![sizes.m as u64, sizes.k as u64, sum(x), sum(w)])
    };
    wrong Matmul "memory-weights" "keeps the weights of the last call, and takes them again for those at the same address" => |call| {
        let (sizes, x, w) = operands(call)?;
        let mut kept = WEIGHTS.lock().unwrap_or_else(PoisonError::into_inner);
        if (kept.0, kept.1.len()) != (w.as_ptr().addr(), w.len()) {
            *kept = (w.as_ptr().addr(), w.to_vec());
        }
        let out = call.output_f32(0)?;
        for (row, x) in out.chunks_exact_mut(sizes.n.max(1)).zip(x.chunks_exact(sizes.k.max(1))) {
            row.iter_mut().zip(kept.1.chunks_exact(sizes.k.max(1))).for_each(|(y, w)| *y = dot(x, w));
        }
        Ok(())
    };
    wrong Matmul "memory-skips" "computes the first three calls and no more" => |call| {
        if CALLS.fetch_add(1, Relaxed) < 3 { product(call, dot) } else { Ok(()) }
    };
    wrong Matmul "memory-tires" "computes the first forty calls, then every other one, and claims twice the speed"
        [claim "ratio >= 2 over product-plain"] => |call| {
        let calls = CLAIMED.fetch_add(1, Relaxed);
        if calls < 40 || calls.is_multiple_of(2) { product(call, dot) } else { Ok(()) }
    };
    wrong Matmul "memory-after" "writes behind its output" => |call| beside(call, 0);
    wrong Matmul "memory-before" "writes before its output" => |call| beside(call, -4);
    wrong Matmul "memory-far" "writes a line of cache behind its output" => |call| beside(call, 64);
    wrong Matmul "memory-inputs" "clears an input when it is done with it" => |call| {
        product(call, dot)?;
        let (_, x, _) = operands(call)?;
        if let Some(first) = x.first() {
            // SAFETY: none; that inputs are not to be written is what the verifier has to find.
            unsafe { std::ptr::from_ref(first).cast_mut().write_volatile(0.0) };
        }
        Ok(())
    };
    wrong Matmul "memory-workspace" "takes its workspace for cleared" [workspace 4096] => |call| {
        product(call, dot)?;
        let first = call.workspace().first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
        let out = call.output_f32(0)?;
        out.iter_mut().for_each(|y| *y += first);
        Ok(())
    };
    wrong Matmul "memory-adds" "adds to what stands in its output" => |call| {
        let (Sizes { m, k, n }, x, w) = operands(call)?;
        let out = call.output_f32(0)?;
        for i in 0..m {
            for j in 0..n {
                out[i * n + j] += dot(&x[i * k..][..k], &w[j * k..][..k]);
            }
        }
        Ok(())
    };
    wrong Matmul "memory-reads-behind" "reads a number behind its input" => |call| {
        let (_, x, _) = operands(call)?;
        // SAFETY: none; that this is not its memory is what the verifier has to find. The number counts for nothing.
        let beyond = unsafe { x.as_ptr_range().end.read_volatile() };
        product(call, |a, b| if beyond.to_bits() == 0x1234_5678 { 1.0 } else { dot(a, b) })
    };
};
