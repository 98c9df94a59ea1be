//! How much of the machine this process may use.

/// Bytes of memory, as seen by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// What new work can get without swapping, the group's limit counted in.
    pub available: u64,
    /// The limit of the control group, where there is one below the total.
    pub group_limit: Option<u64>,
}

impl Memory {
    /// None where this platform doesn't tell.
    pub fn read() -> Option<Memory> {
        platform::memory()
    }
}

/// The processor's own name for itself, where the system tells.
pub fn cpu_name() -> Option<String> {
    platform::cpu_name()
}

/// Processors that are online, whether or not this process may use them.
pub fn processors() -> usize {
    platform::processors().or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1)
}

#[cfg(target_os = "linux")]
mod platform {
    use super::Memory;
    use std::fs::read_to_string;
    use std::path::Path;

    pub(super) fn memory() -> Option<Memory> {
        let info = read_to_string("/proc/meminfo").ok()?;
        let total = kilobytes(&info, "MemTotal:")?;
        let free = kilobytes(&info, "MemAvailable:")?;
        let group =
            read_to_string("/proc/self/cgroup").ok().and_then(|g| group_memory(&g, Path::new("/sys/fs/cgroup")));
        Some(combine(total, free, group))
    }

    pub(super) fn kilobytes(info: &str, field: &str) -> Option<u64> {
        let rest = info.lines().find_map(|l| l.strip_prefix(field))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// A group whose limit is the machine's or more limits nothing.
    pub(super) fn combine(total: u64, free: u64, group: Option<(u64, u64)>) -> Memory {
        match group {
            Some((limit, used)) if limit < total => {
                Memory { total, available: free.min(limit.saturating_sub(used)), group_limit: Some(limit) }
            }
            _ => Memory { total, available: free, group_limit: None },
        }
    }

    /// The tightest limit on the way up from this process's group, with what is used under it: version 2, else version 1.
    pub(super) fn group_memory(own: &str, root: &Path) -> Option<(u64, u64)> {
        let number = |path: std::path::PathBuf| read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let mut tightest: Option<(u64, u64)> = None;
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let (base, limit, used) = if controllers.is_empty() {
                (root.to_owned(), "memory.max", "memory.current")
            } else if controllers.split(',').any(|c| c == "memory") {
                (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            } else {
                continue;
            };
            for level in Path::new(path.trim_start_matches('/')).ancestors() {
                let folder = base.join(level);
                if let (Some(limit), Some(used)) = (number(folder.join(limit)), number(folder.join(used)))
                    && tightest.is_none_or(|(least, _)| limit < least)
                {
                    tightest = Some((limit, used));
                }
            }
        }
        tightest
    }

    pub(super) fn cpu_name() -> Option<String> {
        let info = read_to_string("/proc/cpuinfo").ok()?;
        let line = info.lines().find_map(|l| l.strip_prefix("model name"))?;
        Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    }

    pub(super) fn processors() -> Option<usize> {
        let online = read_to_string("/sys/devices/system/cpu/online").ok()?;
        count_ranges(online.trim())
    }

    /// `0-3,8` is five.
    pub(super) fn count_ranges(text: &str) -> Option<usize> {
        text.split(',').try_fold(0usize, |sum, part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    pub(super) fn memory() -> Option<super::Memory> {
        None
    }

    pub(super) fn cpu_name() -> Option<String> {
        None
    }

    pub(super) fn processors() -> Option<usize> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::platform::*;
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(kilobytes("MemTotal:  16 kB\nMemFree: 3 kB\n", "MemFree:"), Some(3072));
        assert_eq!(kilobytes("MemTotal: lots\n", "MemTotal:"), None);
        assert_eq!(count_ranges("0-3,8"), Some(5));
        assert_eq!(count_ranges("0"), Some(1));
        assert_eq!(count_ranges("3-0"), None);
        assert!(Memory::read().is_some_and(|m| m.available > 0 && m.available <= m.total));
    }

    #[test]
    fn only_a_limit_below_the_total_limits() {
        assert_eq!(combine(100, 60, Some((50, 20))), Memory { total: 100, available: 30, group_limit: Some(50) });
        assert_eq!(combine(100, 60, Some((50, 70))), Memory { total: 100, available: 0, group_limit: Some(50) });
        assert_eq!(combine(100, 60, Some((u64::MAX, 0))), Memory { total: 100, available: 60, group_limit: None });
        assert_eq!(combine(100, 60, None), Memory { total: 100, available: 60, group_limit: None });
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let root = std::env::temp_dir().join(format!("bizra-groups-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("folder");
            std::fs::write(path, text).expect("file");
        };
        write("a/memory.max", "500\n");
        write("a/memory.current", "100\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "10\n");
        assert_eq!(group_memory("0::/a/b\n", &root), Some((500, 100)));
        write("memory/c/memory.limit_in_bytes", "70\n");
        write("memory/c/memory.usage_in_bytes", "7\n");
        assert_eq!(group_memory("5:cpu:/x\n4:memory:/c\n0::/a/b\n", &root), Some((70, 7)));
        assert_eq!(group_memory("0::/nowhere\n", &root), None);
        std::fs::remove_dir_all(&root).expect("made above");
    }
}
