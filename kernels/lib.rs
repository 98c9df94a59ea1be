//! The kernels of bizra, and its only `unsafe` code.
#![allow(unsafe_code)]
