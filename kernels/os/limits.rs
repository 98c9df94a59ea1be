//! What this process may use.

use std::path::{Path, PathBuf};

/// Memory and processors that are left to this process. What the system doesn't say is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory that could be had without swapping, in bytes.
    pub available: Option<u64>,
    /// The tightest memory limit of the control groups above this process, in bytes.
    pub cgroup_limit: Option<u64>,
    /// What that limit still leaves, page cache counted as free.
    pub cgroup_left: Option<u64>,
    /// Processors that affinity and quota leave.
    pub cpus: usize,
}

impl Limits {
    /// The smaller of what the machine and the control group leave.
    pub fn memory_left(&self) -> Option<u64> {
        [self.available, self.cgroup_left].into_iter().flatten().min()
    }
}

/// Asks the system.
pub fn limits() -> Limits {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let groups = cgroup_memory(&read);
    Limits {
        available: read(Path::new("/proc/meminfo")).and_then(|text| mem_available(&text)),
        cgroup_limit: groups.iter().map(|(limit, _)| *limit).min(),
        cgroup_left: groups.iter().map(|(limit, used)| limit.saturating_sub(*used)).min(),
        cpus: crate::default_threads(),
    }
}

fn mem_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Limit and use (less the page cache) of each group with a limit, from this process's up to the root.
fn cgroup_memory(read: &impl Fn(&Path) -> Option<String>) -> Vec<(u64, u64)> {
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let group = |prefix: &str| own.lines().find_map(|l| l.split_once(prefix)).map(|(_, path)| path);
    let number = |path: PathBuf| read(&path)?.trim().parse::<u64>().ok();
    let cache = |path: PathBuf, key: &str| {
        let text = read(&path)?;
        text.lines().find_map(|l| l.strip_prefix(key)?.trim().parse::<u64>().ok())
    };
    let mut found = Vec::new();
    if let Some(path) = group("0::") {
        for dir in Path::new(path).ancestors() {
            let dir = Path::new("/sys/fs/cgroup").join(dir.strip_prefix("/").unwrap_or(dir));
            if let (Some(limit), Some(used)) = (number(dir.join("memory.max")), number(dir.join("memory.current"))) {
                found.push((limit, used.saturating_sub(cache(dir.join("memory.stat"), "file ").unwrap_or(0))));
            }
        }
    }
    if let Some(path) = group(":memory:") {
        for dir in Path::new(path).ancestors() {
            let dir = Path::new("/sys/fs/cgroup/memory").join(dir.strip_prefix("/").unwrap_or(dir));
            let limit = number(dir.join("memory.limit_in_bytes"));
            // The first version writes a number near the greatest for "no limit".
            if let (Some(limit @ 0..0x4000_0000_0000_0000), Some(used)) =
                (limit, number(dir.join("memory.usage_in_bytes")))
            {
                found.push((limit, used.saturating_sub(cache(dir.join("memory.stat"), "total_cache ").unwrap_or(0))));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn reads_meminfo() {
        assert_eq!(mem_available("MemTotal: 9 kB\nMemAvailable:    123 kB\n"), Some(123 * 1024));
        assert_eq!(mem_available("MemTotal: 9 kB\n"), None);
        assert_eq!(mem_available("MemAvailable: many kB\n"), None);
    }

    fn groups(files: &[(&str, &str)]) -> Vec<(u64, u64)> {
        let files: HashMap<PathBuf, String> =
            files.iter().map(|(path, text)| (PathBuf::from(path), text.to_string())).collect();
        cgroup_memory(&|path: &Path| files.get(path).cloned())
    }

    #[test]
    fn reads_both_versions_of_control_groups() {
        let two = groups(&[
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "5\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "400\n"),
            ("/sys/fs/cgroup/a/memory.stat", "anon 100\nfile 250\n"),
        ]);
        assert_eq!(two, [(1000, 150)]);
        let one = groups(&[
            ("/proc/self/cgroup", "4:memory:/x\n"),
            ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "700\n"),
            ("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "30\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "30\n"),
        ]);
        assert_eq!(one, [(700, 30)]);
        assert_eq!(groups(&[]), []);
    }

    #[test]
    fn this_machine_has_processors() {
        assert!(limits().cpus >= 1);
    }
}
