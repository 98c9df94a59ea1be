//! The outside: one thing per file.

pub mod ssh_agent;
