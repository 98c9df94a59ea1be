//! Triton kernels: what is given to a Python, and what comes back.
//!
//! The same text serves both ways. As a child ([`RUN`]) it speaks the protocol of [`crate::child`] and has Triton's
//! interpreter run the kernel on the buffers that it is given, between the same guard pages and under the same filter. As a
//! compiler ([`COMPILE`]) it takes a job from a folder and leaves machine code for every target there.
//!
//! Left out: finding a Python and starting it, which is the caller's.

/// The program, for `python -c`.
pub const HELPER: &str = include_str!("triton/helper.py");

/// Serves a socket that is its stdin.
pub const RUN: &str = "run";
/// With a folder: reads [`JOB`] there, and leaves code and [`MADE`].
pub const COMPILE: &str = "compile";
pub const JOB: &str = "job.json";
pub const MADE: &str = "made.json";

/// What a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Triton's word for whose device it is.
    pub backend: &'static str,
    /// As Triton takes it: a number for NVIDIA's.
    pub architecture: &'static str,
    /// Threads of a warp.
    pub warp: u32,
    /// What comes of it.
    pub code: &'static str,
}

const fn nvidia(architecture: &'static str) -> Target {
    Target { backend: "cuda", architecture, warp: 32, code: "cubin" }
}

const fn amd(architecture: &'static str, warp: u32) -> Target {
    Target { backend: "hip", architecture, warp, code: "hsaco" }
}

/// NVIDIA's Ampere, Hopper and Blackwell; AMD's CDNA 2 and 3 and RDNA 3.
pub const TARGETS: [Target; 6] =
    [nvidia("80"), nvidia("90"), nvidia("100"), amd("gfx90a", 64), amd("gfx942", 64), amd("gfx1100", 32)];
