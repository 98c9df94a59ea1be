//! What the kernels need of the operating system: mapped files, plain memory, limits, and how fast memory is read.

mod limits;
mod map;
pub mod membw;
mod memory;

pub use limits::{Limits, limits};
pub use map::Mapped;
pub use memory::Memory;
