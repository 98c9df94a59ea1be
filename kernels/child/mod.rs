//! The process that kernels run in, so that one which crashes, hangs or cheats does so alone.
//!
//! A program runs itself again with [`ARGUMENT`] as its first argument and the other end of a socket as stdin; `main`
//! hands over to [`fn@serve`] before it does anything else. The child is told which kernels to load and is given two
//! memory files: one that it can only read, with inputs, and one for outputs. It receives buffers and calls, and
//! nothing else: seeds, references, tolerances and the clock of record stay with the parent.
//!
//! 1. The child confines itself ([`Containment`]): limits on memory, files and core dumps; a filter on system calls that
//!    ends it when it starts programs, opens files to write or reaches for the network; Landlock where there is one.
//! 2. [`Request::Load`] names a kernel, `builtin:NAME` or a library and a symbol, or has code for a GPU. Several may be loaded, so that two can
//!    be timed in turn; each answer carries the kernel's number.
//! 3. [`Request::Run`] has regions to map, each between two pages that nobody may touch, and calls in order. All is
//!    mapped before the first call and unmapped after the last; the answer has each call's status and duration by the
//!    child's own clock. The parent keeps a second clock and looks at outputs and margins afterwards.
//!
//! Where the kernel's code can't be held (no filter, no Landlock), [`Containment`] says so, and receipts repeat it.
//! Left out: judging. That a child says what is not so changes nothing: only bytes count.

mod wire;

#[cfg(target_os = "linux")]
mod contain;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod memory;
#[cfg(target_os = "linux")]
mod place;
pub(crate) mod rounding;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(not(target_os = "linux"))]
use memory as serve;

#[cfg(target_os = "linux")]
use contain::filter_code as filter;
pub use memory::{FORBIDDEN, Files, page_size};
#[cfg(target_os = "linux")]
pub(crate) use serve::now;
pub use serve::serve;
pub use wire::{
    Batch, CallSpec, File, ParamValue, Place, Region, Reply, Request, Target, TensorSpec, Wire, read, write,
};

/// Kernels run on Linux only, so nobody asks.
#[cfg(not(target_os = "linux"))]
fn filter() -> Vec<u8> {
    Vec::new()
}

/// As above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> u64 {
    0
}

/// The first argument that turns a program into a child of this kind; no part of its command line.
pub const ARGUMENT: &str = "__kernel-child";

/// What holds a child's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Containment {
    pub limits: bool,
    pub system_calls: bool,
    pub landlock: bool,
}

impl Containment {
    /// What can't be contained, in words; empty where all is.
    pub fn missing(self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.limits {
            missing.push("limits on memory and file sizes");
        }
        if !self.system_calls {
            missing.push("a filter on system calls: programs, files and the network are within the kernel's reach");
        }
        if !self.landlock {
            missing.push("Landlock: file access is held by the filter on system calls alone");
        }
        missing
    }
}
