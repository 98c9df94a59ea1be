//! Benchmarking: how repeated measurements are taken and what may be concluded from them.
//!
//! [`measure`] runs the subjects, [`stats`] judges the samples. What a subject does, and how a report looks,
//! is not decided here.

pub mod adapters;
pub mod changes;
pub mod claim;
pub mod compare;
pub mod cost;
pub mod history;
pub mod measure;
pub mod noise;
pub mod result;
pub mod stats;
