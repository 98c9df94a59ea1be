//! The ledger as its users and its enemies meet it: real logs, made by appending, manipulated with plain git.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod clean;
mod faults;
mod lab;
