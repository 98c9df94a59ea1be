//! The machine's counters: processor time, throttling, frequency, energy, this process's memory and what it has read.
//!
//! Each is a file of the kernel that may be missing or closed to this user; then the answer is none, never zero.

use std::fs::{read_dir, read_to_string, write};
use std::path::PathBuf;
use std::time::Duration;

use crate::bench::noise::Look;

pub fn look() -> Look {
    let stat = read_to_string("/proc/stat").ok();
    let [busy, stolen, idle] = stat.as_deref().and_then(machine_time).map_or([None; 3], |times| times.map(Some));
    let own = read_to_string("/proc/self/stat").ok().as_deref().and_then(own_time);
    Look { busy, stolen, idle, own, throttled: throttled(), mhz: frequencies() }
}

/// The kernel counts processor time for users in hundredths of a second, whatever its own tick.
fn hundredths(n: u64) -> Duration {
    Duration::from_millis(n.saturating_mul(10))
}

/// Busy, stolen and idle time of all processors, from the first line of `/proc/stat`.
fn machine_time(stat: &str) -> Option<[Duration; 3]> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = fields.as_slice() else { return None };
    Some([user + nice + system + irq + softirq, *steal, idle + iowait].map(hundredths))
}

/// Processor time of this process and its ended children, from `/proc/self/stat`.
fn own_time(stat: &str) -> Option<Duration> {
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let sum: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(hundredths(sum))
}

fn number(path: PathBuf) -> Option<u64> {
    read_to_string(path).ok()?.trim().parse().ok()
}

/// Folders of single processors.
fn processors() -> impl Iterator<Item = PathBuf> {
    let is_processor = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("cpu"));
        name.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_processor)
}

fn throttled() -> Option<u64> {
    let heat = processors().filter_map(|cpu| number(cpu.join("thermal_throttle/core_throttle_count")));
    let quota = read_to_string("/sys/fs/cgroup/cpu.stat").ok();
    let quota = quota.as_deref().and_then(|text| field(text, "nr_throttled"));
    heat.chain(quota).reduce(u64::saturating_add)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start_matches([' ', ':', '\t']).split(' ').next()?.parse().ok())
}

fn frequencies() -> Vec<f64> {
    let told: Vec<f64> = processors()
        .filter_map(|cpu| number(cpu.join("cpufreq/scaling_cur_freq")))
        .map(|khz| khz as f64 / 1e3)
        .collect();
    if !told.is_empty() {
        return told;
    }
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mhz = |line: &str| line.strip_prefix("cpu MHz")?.trim_start_matches([' ', '\t', ':']).parse().ok();
    info.lines().filter_map(mhz).collect()
}

/// What decides on the first processor's frequency.
pub fn governor() -> Option<String> {
    let text = read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    Some(text.trim().to_owned()).filter(|word| !word.is_empty())
}

/// The processor packages' energy counters (RAPL), where this user may read them.
pub struct Energy {
    counters: Vec<Counter>,
}

struct Counter {
    file: PathBuf,
    /// Microjoules at which it starts again from zero.
    range: u64,
}

impl Energy {
    pub fn find() -> Option<Self> {
        let mut counters = Vec::new();
        for entry in read_dir("/sys/class/powercap").ok()?.flatten() {
            let folder = entry.path();
            let package = read_to_string(folder.join("name")).is_ok_and(|name| name.trim().starts_with("package"));
            let file = folder.join("energy_uj");
            if package && number(file.clone()).is_some() {
                counters.push(Counter { file, range: number(folder.join("max_energy_range_uj"))? });
            }
        }
        (!counters.is_empty()).then_some(Energy { counters })
    }

    /// Microjoules of each package.
    pub fn read(&self) -> Option<Vec<u64>> {
        self.counters.iter().map(|counter| number(counter.file.clone())).collect()
    }

    /// Joules between two readings; none where the counters did not move, which says nothing.
    pub fn joules(&self, before: &[u64], after: &[u64]) -> Option<f64> {
        let ranges = self.counters.iter().map(|counter| counter.range);
        let spent: u64 = ranges.zip(before.iter().zip(after)).map(|(range, (a, b))| spent(range, *a, *b)).sum();
        (spent > 0).then_some(spent as f64 / 1e6)
    }
}

fn spent(range: u64, before: u64, after: u64) -> u64 {
    if after >= before { after - before } else { (range - before.min(range)) + after }
}

/// Bytes of memory that this process has now, and had at most since [`forget_peak`].
pub struct Resident {
    pub now: u64,
    pub peak: u64,
}

pub fn resident() -> Option<Resident> {
    let status = read_to_string("/proc/self/status").ok()?;
    let bytes = |name| field(&status, name)?.checked_mul(1024);
    Some(Resident { now: bytes("VmRSS")?, peak: bytes("VmHWM")? })
}

/// Lets the peak of memory begin anew; whether the kernel did.
pub fn forget_peak() -> bool {
    write("/proc/self/clear_refs", "5").is_ok()
}

/// Bytes that were fetched from storage for this process.
pub fn fetched() -> Option<u64> {
    field(&read_to_string("/proc/self/io").ok()?, "read_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
        let stat = "cpu  100 1 20 3000 40 2 3 50 7 0\ncpu0 1 2 3\n";
        assert_eq!(machine_time(stat), Some([126, 50, 3040].map(hundredths)));
        assert_eq!(machine_time("cpu  1 2 3\n"), None);
        let own = "42 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(own_time(own), Some(hundredths(127)));
        assert_eq!(field("VmRSS:\t  120 kB\nVmHWM: 300 kB\n", "VmHWM"), Some(300));
        assert_eq!(field("nr_periods 3\nnr_throttled 7\n", "nr_throttled"), Some(7));
        assert_eq!(field("a 1\n", "b"), None);
    }

    #[test]
    fn counters_that_start_again_are_followed() {
        assert_eq!(spent(1000, 100, 350), 250);
        assert_eq!(spent(1000, 900, 50), 150);
        let energy = Energy {
            counters: vec![
                Counter { file: PathBuf::new(), range: 1_000_000 },
                Counter { file: PathBuf::new(), range: 10 },
            ],
        };
        assert_eq!(energy.joules(&[900_000, 5], &[100_000, 5]), Some(0.2));
        assert_eq!(energy.joules(&[5, 5], &[5, 5]), None, "no movement is no energy of zero");
        assert_eq!(energy.read(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_what_it_tells() {
        let resident = resident().expect("told by every Linux");
        assert!(resident.now > 1 << 20 && resident.peak >= resident.now / 2);
        let look = look();
        assert!(look.busy.is_some() && look.own.is_some());
    }
}
