//! The ledger as its users and its enemies meet it: real logs, made by appending, manipulated with plain git.

mod cases;
mod clean;
mod faults;
mod lab;
