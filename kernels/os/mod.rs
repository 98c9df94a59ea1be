//! What the operating system gives and withholds: streams, limits, memory.

mod bandwidth;
mod cut_short;
mod limits;
mod map;
mod pages;
mod streams;

pub use bandwidth::{huge_page_bandwidth, read_bandwidth};
pub use limits::{Memory, cpu_name, processors};
pub use map::Mapped;
pub use pages::{Arena, Pages, Part};
pub use streams::stdout_was_closed;

/// Whether this process may make files in `folder`, as far as can be told without trying.
pub fn may_write(folder: &std::path::Path) -> bool {
    #[cfg(unix)]
    return rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    folder.metadata().is_ok_and(|m| !m.permissions().readonly())
}
