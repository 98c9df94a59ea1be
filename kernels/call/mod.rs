//! Kernels as `bizra kernel verify` calls them: one function type for those in this crate, for those of a shared
//! library, and for the wrong ones that the verifier tests itself with.
//!
//! [`abi`] is the Rust twin of `bizra_kernel.h`. [`Kernel`] is the safe side of it: what implements it becomes an
//! [`Entry`], which has a name and a C function. The engine's own kernels stand in [`builtin`].

pub mod abi;
pub mod builtin;
mod invocation;

pub use abi::{Call, DType, Function, Param, Status, Tensor};
pub use builtin::{Entry, Kernel};
pub use invocation::{Invocation, View};
