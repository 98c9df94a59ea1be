//! Whether a kernel is right, and whether what is claimed about its speed is true.
//!
//! In reading order: [`op`] says what there is to compute, [`manifest`] what a kernel promises and [`promise`] what that
//! comes to; [`plan`] chooses the [`case`]s, [`inputs`] makes their tensors; [`run`] is how kernels are called and how far
//! evidence goes; [`truth`] has references, bounds and plain kernels, [`gates`] what an answer has to pass; [`verify`]
//! is one case from seed to verdict, [`report`] a kernel's whole trial, [`selftest`] the verifier's trial of itself.
//! What is claimed of speed: [`claims`] has the grammar, [`timing`] the sessions, [`speed`] joins them.
//! [`explain`] tells of a case without any kernel, and [`builtin`] has the manifests of the engine's own.
//! [`gpu`] makes sources for GPUs ready to run, or says how far they got.
//! [`compare`] holds two kernels against each other, and [`peers`] has what others compute the same with.

#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "a check is written `!(error <= bound)`, so that a NaN fails it")]

pub mod builtin;
pub mod case;
pub mod claims;
pub mod compare;
pub mod explain;
pub mod float;
pub mod gates;
pub mod gpu;
pub mod inputs;
pub mod manifest;
pub mod op;
pub mod peers;
pub mod plan;
pub mod promise;
pub mod quant;
pub mod report;
pub mod run;
pub mod selftest;
pub mod speed;
mod student;
pub mod timing;
pub mod truth;
pub mod verify;
