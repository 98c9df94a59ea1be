//! Kernels of this program by name.
//!
//! A type that implements [`Kernel`] becomes an [`Entry`]; `NAME` means the processor's best instructions, `NAME.scalar`,
//! `NAME.avx2` and `NAME.avx512` those. [`ENGINE`] has what the engine computes with. Who knows others (baselines, the
//! verifier's own wrong kernels) keeps a list of entries and hands it to [`crate::child::serve`] beside this one.

use super::abi::{Call, Function, Status};
use super::invocation::Invocation;
use crate::Level;

mod engine;

pub use engine::ENGINE;
pub(crate) use engine::attend;

/// A kernel written in safe Rust.
pub trait Kernel {
    /// Answers a call with the instructions of `level`.
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status>;
}

/// A kernel with its name and its C functions.
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    /// For the best level, scalar, AVX2 and AVX-512.
    functions: [Function; 4],
}

impl Entry {
    pub const fn of<K: Kernel>(name: &'static str) -> Entry {
        Entry { name, functions: [shim::<K, 0>, shim::<K, 1>, shim::<K, 2>, shim::<K, 3>] }
    }

    /// A function that is what it is at every level.
    pub const fn raw(name: &'static str, function: Function) -> Entry {
        Entry { name, functions: [function; 4] }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The function of that name, a level's included.
pub fn find(lists: &[&[Entry]], name: &str) -> Option<Function> {
    let (base, level) = match name.rsplit_once('.') {
        Some((base, "scalar")) => (base, 1),
        Some((base, "avx2")) => (base, 2),
        Some((base, "avx512")) => (base, 3),
        _ => (name, 0),
    };
    lists.iter().copied().flatten().find(|e| e.name == base).map(|e| e.functions[level])
}

extern "C" fn shim<K: Kernel, const LEVEL: u8>(call: *const Call) -> i32 {
    let level = match LEVEL {
        0 => Some(Level::best()),
        1 => Some(Level::SCALAR),
        2 => Level::avx2(),
        _ => Level::avx512(),
    };
    let Some(level) = level else { return Status::NoHardware.code() };
    // SAFETY: whoever calls a kernel's function vouches for the call (see `Function`).
    let Some(call) = (unsafe { call.as_ref() }) else { return Status::Failed(3).code() };
    // SAFETY: as above.
    let mut invocation = unsafe { Invocation::new(call) };
    // A panic may not cross into C; the process that runs kernels ends with it, and its end is told.
    match K::run(&mut invocation, level) {
        Ok(()) => 0,
        Err(status) => status.code(),
    }
}
