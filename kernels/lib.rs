//! The kernels of bizra, and its only `unsafe` code.
//!
//! Each operation has a folder: a safe entry that checks shapes, and a body written once over `lanes`, sixteen
//! values wide. The body is compiled three times: for plain Rust (the scalar twin, on every machine), for AVX2 with FMA,
//! and for AVX-512 with VNNI, which may leave products of bytes to AMX tiles; [`Level`] picks one at run time, and a level
//! that the processor lacks cannot be made.
//!
//! **Same bits everywhere.** Sums follow one order, lane by lane, and every multiply-add is fused at every level. So the
//! levels, any number of threads, and any split of a prompt into batches give the same bits. What uses the platform's
//! own mathematics library is said where it happens ([`rope::Table`], [`swiglu::gelu_erf`]).
//!
//! **Sizes come from strangers' files.** Public functions return [`Error`] for shapes that don't fit; none panics on its
//! arguments or reads outside of them.
//!
//! Left out: file formats, models, sampling policy, timing (callers hand in a clock).
#![allow(unsafe_code)]
// Loops over indices of small arrays are unrolled into registers, and several arrays share an index.
#![allow(clippy::needless_range_loop)]

mod amx;
pub mod attention;
pub mod baselines;
pub mod call;
pub mod child;
mod error;
pub mod gpu;
mod lanes;
pub mod layernorm;
mod level;
pub mod matmul;
pub mod os;
pub mod peak;
mod pool;
pub mod quant;
pub mod rmsnorm;
pub mod rope;
pub mod select;
pub mod selftest;
pub mod softmax;
pub mod swiglu;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use level::Level;
pub use matmul::{Activations, Matrix, Packed, Product, Weights, matmul, matmul_q};
pub use pool::{Pool, default_threads};
pub use quant::{Format, dequantize};

/// Few rows on this thread, many with the pool; each with its number.
fn by_rows(pool: &Pool, x: &mut [f32], width: usize, row: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    let from = |first: usize, rows: &mut [f32]| {
        rows.chunks_exact_mut(width).enumerate().for_each(|(i, x)| row(first + i, x));
    };
    if x.len() / width < 8 {
        from(0, x);
    } else {
        pool.chunks_mut(x, width * 4, |i, rows| from(i * 4, rows));
    }
}
