//! Other programs, run without a shell, for a limited time, with the end of what they say.
//!
//! Each leads a process group of its own, so that what it started ends with it when its time is over. Without a group of
//! the terminal's it would also miss Ctrl-C, which is therefore watched for here.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::env::{Clock, Interrupt, Vars};
use crate::error::{Error, Exit, Result};
use crate::plan::gate::Ran;

/// What is kept of each stream.
const MOST_BYTES: usize = 1 << 16;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long to wait for the last words of a program that ended, whose children may hold its streams open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a program is run in, and what can end it.
pub struct Around<'a> {
    pub folder: &'a Path,
    pub vars: &'a Vars,
    pub clock: &'a dyn Clock,
    pub interrupt: &'a Interrupt,
}

pub fn run(argv: &[&str], around: &Around<'_>, limit: Duration) -> Result<Ran> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(Ran::CannotStart("no program is named".into()));
    };
    let _held = around.interrupt.defer();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(around.folder).env_clear().envs(around.vars.iter());
    lead_a_group(&mut command);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(Ran::CannotStart(error.to_string())),
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
    let began = around.clock.monotonic();
    let in_time = || around.clock.monotonic().saturating_sub(began) < limit && !around.interrupt.requested();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.code()),
            Ok(None) if in_time() => std::thread::sleep(LOOK_EVERY),
            _ => break None,
        }
    };
    if ended.is_none() {
        end_group(&mut child);
        let _ = child.wait();
        if around.interrupt.requested() {
            return Err(Error::new(Exit::Interrupted, format!("interrupted while `{program}` ran")));
        }
    }
    let mut said = [Vec::new(), Vec::new()];
    while let Ok((number, bytes)) = receive.recv_timeout(LAST_WORDS) {
        said[number] = bytes;
    }
    let output = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    Ok(match ended {
        Some(code) => Ran::Ended { code, output },
        None => Ran::TimedOut { output },
    })
}

#[cfg(unix)]
fn lead_a_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Ends the program and all that it started and that did not leave its group. The program has not been waited for, so
/// its number is still its own. It may have ended in this moment, which is as good.
#[cfg(unix)]
fn end_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn lead_a_group(_: &mut Command) {}

/// The program alone: what it started is out of reach here.
#[cfg(not(unix))]
fn end_group(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::env::Env;

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
