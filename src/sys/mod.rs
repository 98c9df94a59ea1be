//! The world outside, one thing a file. The only code that touches the file system, git, devices and processes.

pub mod confined;
pub mod cxx;
pub mod embedded;
pub mod exchange;
pub mod files;
pub mod folders;
pub mod git;
pub mod git_code;
pub mod git_files;
pub mod git_history;
pub mod git_units;
pub mod gpu;
pub mod hub;
pub mod index;
#[cfg(unix)]
pub mod kernel_worker;
pub mod kernels;
pub mod keyring;
pub mod ledger;
pub mod lines;
pub mod machine;
pub mod meter;
pub mod models;
pub mod packed;
pub mod plans;
pub mod process;
pub mod python;
pub mod quantized;
pub mod sessions;
pub mod setup;
pub mod ssh_agent;
pub mod standups;
#[cfg(test)]
mod testing;
pub mod text_models;
pub mod vault;
pub mod yaml;
