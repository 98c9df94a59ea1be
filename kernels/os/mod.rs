//! What the operating system gives and withholds: streams, limits, memory.

mod bandwidth;
mod cut_short;
mod group;
mod limits;
mod map;
mod pages;
mod processor;
mod streams;

pub use bandwidth::{huge_page_bandwidth, read_bandwidth};
pub use group::{end_group, end_group_of, own_group, signal_name, system_call_name};
pub use limits::{Memory, cpu_name, processors};
pub use map::Mapped;
pub use pages::{Arena, Pages, Part};
pub use processor::processor_time;
pub use streams::stdout_was_closed;

/// Asks the system to forget what it keeps of a file in memory, so that it is read from its device again; what was not
/// written yet is written first. That it did is not certain: what others have mapped stays, and some file systems live in
/// memory.
pub fn forget_pages(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        file.sync_data()?;
        Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// Whether this process may make files in `folder`, as far as can be told without trying.
pub fn may_write(folder: &std::path::Path) -> bool {
    #[cfg(unix)]
    return rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    folder.metadata().is_ok_and(|m| !m.permissions().readonly())
}

/// Bytes that this process may still write where `folder` lies, where the system tells.
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    #[cfg(unix)]
    return rustix::fs::statvfs(folder).ok().map(|of| of.f_bavail.saturating_mul(of.f_frsize));
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}
