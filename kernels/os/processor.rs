//! What other processes cost.

use std::time::Duration;

/// Processor time that all threads of a process have taken so far, where the system tells.
pub fn processor_time(process: u32) -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let process = libc::pid_t::try_from(process).ok()?;
        let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
        // SAFETY: fills in one number.
        if unsafe { libc::clock_getcpuclockid(process, &raw mut clock) } != 0 {
            return None;
        }
        // SAFETY: fills in one struct.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
            return None;
        }
        Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = process;
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::processor_time;

    #[test]
    fn time_that_was_worked_is_told() {
        let own = std::process::id();
        let before = processor_time(own).expect("this process is there");
        while processor_time(own).expect("still") < before + std::time::Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        // One more than the system ever gives.
        assert_eq!(processor_time((1 << 22) + 1), None);
    }
}
