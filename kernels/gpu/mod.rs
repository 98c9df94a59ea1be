//! GPUs: found at run time, so that one binary starts everywhere; and GPU kernels where there is none.
//!
//! A kernel's source ([`Source`]) goes one of these ways, each behind a safe interface over bytes:
//!
//! | module | what it does | needs |
//! |---|---|---|
//! | [`nvrtc`] | CUDA C++ to machine code | NVIDIA's compiler library |
//! | [`cuda`] | runs that code | an NVIDIA GPU and its driver |
//! | [`emulator`] | CUDA C++ on the CPU | a C++ compiler |
//! | [`wgsl`] | WGSL to other languages, and run | the feature `wgpu`; to run, a Vulkan driver |
//! | [`triton`] | what a Python with Triton is told, so that it runs or compiles a kernel | a Python with Triton |
//!
//! What is missing is an ordinary answer with its reason.

pub mod cuda;
pub mod emulator;
mod launch;
pub mod nvrtc;
pub mod plan;
mod probe;
mod source;
#[cfg(test)]
mod testing;
pub mod triton;
#[cfg(feature = "wgpu")]
#[path = "wgsl/enabled.rs"]
pub mod wgsl;
#[cfg(not(feature = "wgpu"))]
#[path = "wgsl/disabled.rs"]
pub mod wgsl;

pub use launch::{Buffer, Fault, Launch};
pub use probe::{Api, Found, probe};
pub use source::{INTERFACE, Source};
