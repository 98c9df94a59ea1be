//! Other programs, run without a shell, for a limited time, with the end of what they say.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bizra_kernels::os;

use crate::env::{Clock, Vars};
use crate::roadmap::gate::Ran;

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

pub fn run(argv: &[&str], folder: &Path, vars: &Vars, clock: &dyn Clock, limit: Duration) -> Ran {
    let output =
        |said: Said| [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    match finish(argv, &Conditions { folder, vars, clock, limit, stop: &|| false }) {
        Finished::CannotStart(why) => Ran::CannotStart(why),
        Finished::Ended { code, said } => Ran::Ended { code, output: output(said) },
        Finished::TimedOut(said) => Ran::TimedOut { output: output(said) },
        Finished::Stopped => Ran::TimedOut { output: String::new() },
    }
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
    let (send, receive) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    for (number, stream) in streams.into_iter().enumerate() {
        let Some(mut stream) = stream else { continue };
        let send = send.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut piece = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                kept.extend_from_slice(&piece[..read]);
                let beyond = kept.len().saturating_sub(MOST_BYTES);
                kept.drain(..beyond);
            }
            let _ = send.send((number, kept));
        });
    }
    drop(send);
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
    let mut said = Said::default();
    while let Ok((number, bytes)) = receive.recv_timeout(LAST_WORDS) {
        match number {
            0 => said.stdout = bytes,
            _ => said.stderr = bytes,
        }
    }
    match ended {
        Some(code) => Finished::Ended { code, said },
        None if stopped => Finished::Stopped,
        None => Finished::TimedOut(said),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

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

    #[test]
    fn what_never_ends_is_ended_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; echo begun; wait", pid.display());
        let Finished::TimedOut(said) = sh(&script, 500, &|| false) else { panic!("it never ends") };
        assert_eq!(said.stdout, b"begun\n");
        let child = std::fs::read_to_string(&pid).expect("it was begun");
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "the child lives on: {state}");
        assert!(matches!(sh("sleep 600", 60_000, &|| true), Finished::Stopped));
    }
}
