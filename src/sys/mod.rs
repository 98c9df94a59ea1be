//! The world outside: one thing per file. What is true about a receipt, a plan or a model is decided elsewhere.

pub mod git;
pub mod ledger;
pub mod ssh_agent;
#[cfg(test)]
mod testing;
