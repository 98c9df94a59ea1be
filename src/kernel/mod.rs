//! Kernels under verification.

pub mod claims;
pub mod timing;
