//! Other programs, run without a shell, for a limited time, with the end of what they say.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::env::{Clock, Vars};
use crate::plan::gate::Ran;

/// What is kept of each stream.
const MOST_BYTES: usize = 1 << 16;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long to wait for the last words of a program that ended, whose children may hold its streams open.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub fn run(argv: &[&str], folder: &Path, vars: &Vars, clock: &dyn Clock, limit: Duration) -> Ran {
    let Some((program, arguments)) = argv.split_first() else { return Ran::CannotStart("no program is named".into()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().envs(vars.iter());
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Ran::CannotStart(error.to_string()),
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
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.code()),
            Ok(None) if clock.monotonic().saturating_sub(began) < limit => std::thread::sleep(LOOK_EVERY),
            _ => break None,
        }
    };
    if ended.is_none() {
        // It may have ended in this moment, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
    let mut said = [Vec::new(), Vec::new()];
    while let Ok((number, bytes)) = receive.recv_timeout(LAST_WORDS) {
        said[number] = bytes;
    }
    let output = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    match ended {
        Some(code) => Ran::Ended { code, output },
        None => Ran::TimedOut { output },
    }
}
