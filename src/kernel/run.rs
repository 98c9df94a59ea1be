//! What a kernel is asked to do, and what came of it: the domain's side of the process that runs kernels.
//!
//! Whoever runs kernels implements [`Runner`]: a child process for the command, this process for tests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bizra_kernels::call::DType;
pub use bizra_kernels::child::{Containment, ParamValue, Place, Target};

use super::op::Op;

/// How far evidence goes; never rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// Translated, nothing more.
    Parsed,
    Compiled,
    /// Ran, on what stands for the device.
    RanEmulated {
        emulator: String,
    },
    RanOnDevice {
        device: String,
    },
    /// Not tried, and why.
    Skipped {
        reason: String,
    },
}

impl Level {
    pub fn word(&self) -> &'static str {
        match self {
            Level::Parsed => "parsed",
            Level::Compiled => "compiled",
            Level::RanEmulated { .. } => "ran-emulated",
            Level::RanOnDevice { .. } => "ran-on-device",
            Level::Skipped { .. } => "skipped",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::RanEmulated { emulator } => write!(f, "ran-emulated ({emulator})"),
            Level::RanOnDevice { device } => write!(f, "ran-on-device ({device})"),
            Level::Skipped { reason } => write!(f, "skipped: {reason}"),
            other => f.write_str(other.word()),
        }
    }
}

/// An input as it lies in memory, with what stands before and between its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub dtype: DType,
    pub shape: Vec<i64>,
    /// In elements.
    pub strides: Vec<i64>,
    pub bytes: Vec<u8>,
}

/// An output to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    pub dtype: DType,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
    pub bytes: usize,
}

/// Where a buffer lies: against the guard page after its end, against the one before its start, or amid pages of its own,
/// as in a program that knows of no guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    End,
    Start,
    Neither,
}

/// One call of a kernel. Inputs that are the same [`Arc`] in several calls of a batch lie in memory once.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// The number that [`Runner::load`] gave.
    pub kernel: u32,
    pub op: Op,
    pub inputs: Vec<Arc<Tensor>>,
    pub outputs: Vec<Blank>,
    pub params: Vec<(String, ParamValue)>,
    pub threads: u32,
    pub workspace: usize,
    /// What outputs, workspace and margins hold before the call, repeated.
    pub poison: Vec<u8>,
    pub edge: Edge,
    /// Bytes that the addresses of buffers are multiples of, of those that don't touch the page before their start.
    pub align: usize,
    /// Bytes between the page before a buffer and its start, of those that would touch it.
    pub shift: usize,
    /// Whether the buffers are to be out of all caches when the call begins.
    pub cold: bool,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What the kernel returned.
    pub status: i32,
    /// Its duration by the child's own clock.
    pub nanoseconds: u64,
    pub outputs: Vec<Vec<u8>>,
    /// Bytes outside of outputs and workspace that were changed: what, and where.
    pub damage: Option<String>,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub done: Vec<Done>,
    /// The whole batch by the parent's clock.
    pub nanoseconds: u64,
    /// What all of the kernel's threads had of processors meanwhile; nothing where nobody can tell.
    pub busy: Duration,
}

/// A kernel that could not be run to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The kernel can't be loaded: the library or the symbol is missing.
    Load(String),
    /// The process ended by a signal or by itself.
    Crashed(String),
    TimedOut(u64),
    /// It did what kernels may not.
    Forbidden(String),
    /// What runs it, a device or what stands for one, saw it go wrong.
    Faulted(String),
    /// It wrote more to its streams than is kept.
    TooMuchOutput(u64),
    /// The machine can't run kernels at all.
    Machine(String),
    /// The user wants it all to end.
    Interrupted,
}

impl Broken {
    /// Whether the kernel is to blame, and not what is around it.
    pub fn is_of_kernel(&self) -> bool {
        !matches!(self, Broken::Machine(_) | Broken::Interrupted)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Load(why) | Broken::Machine(why) => f.write_str(why),
            Broken::Crashed(how) => write!(f, "the kernel's process ended: {how}"),
            Broken::TimedOut(seconds) => write!(f, "the kernel did not return within {seconds} s and was ended"),
            Broken::Faulted(what) => write!(f, "the kernel went wrong: {what}"),
            Broken::Forbidden(what) => write!(f, "the kernel was ended: {what}"),
            Broken::TooMuchOutput(bytes) => write!(f, "the kernel was ended: it printed more than {bytes} bytes"),
            Broken::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Runs kernels. After [`Broken`], the kernels that were loaded have to be loaded again.
pub trait Runner {
    fn load(&mut self, target: &Target) -> Result<u32, Broken>;

    /// The calls in order, nothing between them: all memory is in place before the first.
    fn run(&mut self, calls: &[Invoke]) -> Result<Batch, Broken>;

    /// Waits until the kernels are at rest. Threads that work on after a call has returned are in the way of everything
    /// that is measured beside them.
    fn rests(&mut self) -> Result<(), Broken> {
        Ok(())
    }

    /// Whether the user wants it all to end.
    fn is_stopped(&self) -> bool {
        false
    }

    /// What holds the kernels.
    fn containment(&self) -> Containment;

    /// What the kernel that was loaded last runs on, where that is a device.
    fn place(&self) -> Option<&Place> {
        None
    }
}
