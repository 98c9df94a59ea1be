//! A job over a stranger's program, such as a chat template, on a thread of its own: with a deep stack, and given up once
//! it takes too long or too much memory. Where the machine doesn't tell what the process holds, only time is watched.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Values nested as deep as a template's steps allow are dropped by recursion.
const STACK: usize = 256 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(2);
const PAGE: u64 = 4096;

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub time: Duration,
    /// How much larger the process may become.
    pub memory: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    Time(Duration),
    Memory(u64),
    Failed,
    NoThread(String),
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "stopped after {} seconds; it may never end", time.as_secs()),
            Self::Memory(bytes) => write!(f, "stopped, for it takes more than {} MiB of memory", bytes >> 20),
            Self::Failed => f.write_str("it could not be worked through"),
            Self::NoThread(reason) => write!(f, "no thread can be started for it: {reason}"),
        }
    }
}

/// The job's answer. A job that is given up goes on until the process ends, so the caller should let it end.
pub fn run<T: Send + 'static>(bounds: Bounds, job: impl FnOnce() -> T + Send + 'static) -> Result<T, GivenUp> {
    let (done, answer) = mpsc::channel();
    let before = resident();
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            // Nobody listens once the job is given up.
            let _ = done.send(job());
        })
        .map_err(|e| GivenUp::NoThread(e.to_string()))?;
    let mut waited = Duration::ZERO;
    while waited < bounds.time {
        match answer.recv_timeout(LOOK_EVERY) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err(GivenUp::Failed),
            Err(RecvTimeoutError::Timeout) => waited += LOOK_EVERY,
        }
        if let (Some(before), Some(now)) = (before, resident())
            && now.saturating_sub(before) > bounds.memory
        {
            return Err(GivenUp::Memory(bounds.memory));
        }
    }
    Err(GivenUp::Time(bounds.time))
}

/// The bytes of memory that this process holds, at least.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok()?.checked_mul(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Bounds = Bounds { time: Duration::from_millis(50), memory: 1 << 40 };

    #[test]
    fn gives_the_answer_of_a_job_and_gives_up_one_that_never_ends() {
        assert_eq!(run(Bounds { time: Duration::from_secs(60), ..SHORT }, || 7), Ok(7));
        assert_eq!(run(SHORT, || std::thread::sleep(Duration::from_secs(5))), Err(GivenUp::Time(SHORT.time)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn gives_up_a_job_that_fills_the_memory() {
        let bounds = Bounds { time: Duration::from_secs(60), memory: 32 << 20 };
        let job = || {
            let filled = vec![1u8; 256 << 20];
            std::thread::sleep(Duration::from_secs(5));
            filled.len()
        };
        assert_eq!(run(bounds, job), Err(GivenUp::Memory(bounds.memory)));
    }
}
