//! GPUs: found at run time, so that one binary starts everywhere.

mod probe;

pub use probe::{Api, Found, probe};
