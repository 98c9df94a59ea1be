//! Other programs, run without a shell, for a limited time, with the end of what they say.
//!
//! Each leads a process group of its own, so that what it started ends with it when its time is over. Without a group of
//! the terminal's it would also miss Ctrl-C, which is therefore watched for here.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use bizra_kernels::os;

use crate::env::{Clock, Interrupt, Vars};
use crate::error::{Error, Exit, Result};
use crate::plan::gate::Ran;

/// What is kept of each stream.
const MOST_BYTES: usize = 1 << 16;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long to wait for the last words of a program that ended, whose children may hold its streams open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What became of a program.
pub enum Finished {
    CannotStart(String),
    Ended {
        /// None where a signal ended it.
        code: Option<i32>,
        said: Said,
    },
    /// It ran longer than the limit, and was ended with everything it had started.
    TimedOut(Said),
    /// The one who waited had enough; it was ended likewise.
    Stopped,
}

/// The end of what a program said.
#[derive(Default)]
pub struct Said {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// How a program is run.
pub struct Conditions<'c> {
    pub folder: &'c Path,
    pub vars: &'c Vars,
    pub clock: &'c dyn Clock,
    pub limit: Duration,
    /// Asked now and then.
    pub stop: &'c dyn Fn() -> bool,
}

/// What a program is run in, and what can end it.
pub struct Around<'a> {
    pub folder: &'a Path,
    pub vars: &'a Vars,
    pub clock: &'a dyn Clock,
    pub interrupt: &'a Interrupt,
}

/// As a gate sees it: both streams together. An interrupt ends the run in good order.
pub fn run(argv: &[&str], around: &Around<'_>, limit: Duration) -> Result<Ran> {
    let output =
        |said: Said| [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    let Around { folder, vars, clock, interrupt } = *around;
    let _held = interrupt.defer();
    Ok(match finish(argv, &Conditions { folder, vars, clock, limit, stop: &|| interrupt.requested() }) {
        Finished::CannotStart(why) => Ran::CannotStart(why),
        Finished::Ended { code, said } => Ran::Ended { code, output: output(said) },
        Finished::TimedOut(said) => Ran::TimedOut { output: output(said) },
        Finished::Stopped => {
            let program = argv.first().unwrap_or(&"");
            return Err(Error::new(Exit::Interrupted, format!("`{program}` was cut short")));
        }
    })
}

pub fn finish(argv: &[impl AsRef<str>], conditions: &Conditions<'_>) -> Finished {
    let Conditions { folder, vars, clock, limit, stop } = *conditions;
    let mut words = argv.iter().map(AsRef::as_ref);
    let Some(program) = words.next() else { return Finished::CannotStart("no program is named".into()) };
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).env_clear().envs(vars.iter());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match os::own_group(&mut command).spawn() {
        Ok(child) => child,
        Err(error) => return Finished::CannotStart(error.to_string()),
    };
    let heard: [Heard; 2] = Default::default();
    let (end, ends) = mpsc::channel::<()>();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    for (stream, heard) in streams.into_iter().zip(&heard) {
        let Some(mut stream) = stream else { continue };
        let (heard, end) = (Arc::clone(heard), end.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                let mut kept = lock(&heard);
                kept.extend_from_slice(&piece[..read]);
                let beyond = kept.len().saturating_sub(MOST_BYTES);
                kept.drain(..beyond);
            }
            drop(end);
        });
    }
    drop(end);
    let began = clock.monotonic();
    let mut stopped = false;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.code()),
            Ok(None) if stop() => {
                stopped = true;
                break None;
            }
            Ok(None) if clock.monotonic().saturating_sub(began) < limit => std::thread::sleep(LOOK_EVERY),
            _ => break None,
        }
    };
    if ended.is_none() {
        os::end_group(&mut child);
        let _ = child.wait();
    }
    if ends.recv_timeout(LAST_WORDS) == Err(mpsc::RecvTimeoutError::Timeout) {
        // Children that outlive their program would disturb whatever is run or measured next.
        os::end_group(&mut child);
        let _ = ends.recv_timeout(LAST_WORDS);
    }
    let [stdout, stderr] = heard.map(|heard| std::mem::take(&mut *lock(&heard)));
    let said = Said { stdout, stderr };
    match ended {
        Some(code) => Finished::Ended { code, said },
        None if stopped => Finished::Stopped,
        None => Finished::TimedOut(said),
    }
}

/// The end of a stream, as far as it was read.
type Heard = Arc<Mutex<Vec<u8>>>;

fn lock(heard: &Heard) -> MutexGuard<'_, Vec<u8>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::env::Env;

    struct Ticks(std::sync::atomic::AtomicU64);

    impl Clock for Ticks {
        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(10 * self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        }
    }

    fn sh(script: &str, limit: u64, stop: &dyn Fn() -> bool) -> Finished {
        let vars: Vars = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        let clock = Ticks(Default::default());
        let limit = Duration::from_millis(limit);
        let folder = Path::new("/");
        finish(&["sh", "-c", script], &Conditions { folder, vars: &vars, clock: &clock, limit, stop })
    }

    #[test]
    fn a_program_ends_with_its_words_and_its_code() {
        let Finished::Ended { code: Some(3), said } = sh("echo out; echo err >&2; exit 3", 60_000, &|| false) else {
            panic!("it ends by itself");
        };
        assert_eq!((said.stdout.as_slice(), said.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        let killed = sh("kill -9 $$", 60_000, &|| false);
        assert!(matches!(killed, Finished::Ended { code: None, .. }));
    }

    /// Waits a little: streams close a moment before their program is gone.
    fn is_gone(pid: &str) -> bool {
        (0..500).any(|_| {
            std::thread::sleep(LOOK_EVERY);
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        })
    }

    #[test]
    fn what_never_ends_is_ended_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; echo begun; wait", pid.display());
        let Finished::TimedOut(said) = sh(&script, 500, &|| false) else { panic!("it never ends") };
        assert_eq!(said.stdout, b"begun\n");
        let child = std::fs::read_to_string(&pid).expect("it was begun");
        assert!(is_gone(&child), "the child lives on");
        assert!(matches!(sh("sleep 600", 60_000, &|| true), Finished::Stopped));
    }

    #[test]
    fn what_a_program_leaves_running_is_ended_and_its_words_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; echo done", pid.display());
        let Finished::Ended { code: Some(0), said } = sh(&script, 60_000, &|| false) else { panic!("it ends") };
        assert_eq!(said.stdout, b"done\n");
        let child = std::fs::read_to_string(&pid).expect("it was begun");
        assert!(is_gone(&child), "the child lives on");
    }

    fn run_here(script: &str, folder: &Path, limit: Duration, interrupt: &Interrupt) -> Result<Ran> {
        let env = Env::real();
        let around = Around { folder, vars: &env.vars, clock: &*env.clock, interrupt };
        run(&["sh", "-c", script], &around, limit)
    }

    #[test]
    fn ends_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let ran =
            |script: &str| run_here(script, folder.path(), Duration::from_secs(20), &Interrupt::default()).unwrap();
        assert_eq!(ran("echo out; echo err >&2; exit 3"), Ran::Ended { code: Some(3), output: "out\n\nerr\n".into() });
        assert!(matches!(ran("kill -9 $$"), Ran::Ended { code: None, .. }));
        let long = ran("yes | head -c 300000; echo the end");
        assert!(
            matches!(long, Ran::Ended { code: Some(0), output } if output.len() < 70_000 && output.contains("the end"))
        );
    }

    #[test]
    fn children_end_with_a_command_that_took_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let lived = folder.path().join("lived");
        let script = "(sleep 1; touch lived) & (trap '' TERM; sleep 1; touch lived) & sleep 30";
        let ran = run_here(script, folder.path(), Duration::from_millis(200), &Interrupt::default()).unwrap();
        assert!(matches!(ran, Ran::TimedOut { .. }));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!lived.exists(), "a child outlived its command");
    }

    #[test]
    fn an_interrupt_ends_the_command_and_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::default();
        let (of_user, lived) = (interrupt.clone(), folder.path().join("lived"));
        let user = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            of_user.request()
        });
        let ended = run_here("sleep 2; touch lived", folder.path(), Duration::from_secs(60), &interrupt).unwrap_err();
        assert_eq!(ended.exit, Exit::Interrupted);
        assert!(!user.join().unwrap(), "the run ends in good order");
        std::thread::sleep(Duration::from_millis(100));
        assert!(!lived.exists());
    }
}
