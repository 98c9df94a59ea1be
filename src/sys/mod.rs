//! The world outside, one thing a file. The only code that touches the file system, git, devices and processes.

pub mod folders;
pub mod git;
pub mod machine;
pub mod plans;
pub mod setup;
pub mod yaml;
