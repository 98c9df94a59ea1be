//! A program that is measured beside a model: started anew each round, ended when it takes too long, its figures read from
//! what it prints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::bench::adapters::{self, Pattern, Reading};
use crate::bench::result::CommandSubject;
use crate::cli::Session;
use crate::error::{Error, Exit, Result};
use crate::receipts::hex;
use crate::sys::files;
use crate::sys::process::{Conditions, Finished, finish};

pub(super) struct Program {
    pub(super) subject: CommandSubject,
    limit: Duration,
    pattern: Option<Pattern>,
}

impl Program {
    pub(super) fn find(session: &Session, line: &str, limit: Duration, pattern: Option<Pattern>) -> Result<Self> {
        let argv = words(line).map_err(|why| Error::usage(format!("--against '{line}': {why}")))?;
        let Some(name) = argv.first() else { return Err(Error::usage("--against names nothing")) };
        let path = program_file(session, name).ok_or_else(|| {
            Error::invalid(format!("there is no program `{name}`"))
                .hint("give its path, or a model's file, or the id of a receipt of `bizra bench`")
        })?;
        let bytes = std::fs::read(&path).map_err(|e| Error::reading(&path, &e))?;
        let sha256 = hex::encode(&<[u8; 32]>::from(Sha256::digest(bytes)));
        Ok(Program { subject: CommandSubject { argv, sha256 }, limit, pattern })
    }

    pub(super) fn name(&self) -> &str {
        self.subject.argv.first().map_or("", |name| name.as_str())
    }

    /// Runs it once and reads its figures.
    pub(super) fn call(&self, session: &Session) -> Result<Vec<Reading>> {
        let stop = || session.env.interrupt.requested();
        let conditions = Conditions {
            folder: &session.env.cwd,
            vars: &session.env.vars,
            clock: &*session.env.clock,
            limit: self.limit,
            stop: &stop,
        };
        let name = self.name();
        match finish(&self.subject.argv, &conditions) {
            Finished::CannotStart(why) => Err(Error::cannot(format!("`{name}` can't be started")).because(why)),
            Finished::Stopped => {
                Err(Error::new(Exit::Interrupted, "the benchmark was cut short, and nothing is recorded of it"))
            }
            Finished::TimedOut(said) => {
                let reason = format!("`{name}` did not end within {} s, and was ended", self.limit.as_secs());
                Err(last_words(Error::invalid(reason), &said.stderr).hint("--command-timeout gives it longer"))
            }
            Finished::Ended { code: Some(0), said } => {
                let read = adapters::read(&said.stdout, &said.stderr, self.pattern.as_ref());
                let output = read.map_err(|unreadable| {
                    let error = Error::invalid(format!("`{name}` printed nothing that can be read: {unreadable}"));
                    let error = if unreadable.seen.is_empty() {
                        error
                    } else {
                        error.because(format!("it printed: {}", unreadable.seen))
                    };
                    error.hint("--pattern 'speed: ([0-9.]+)' names the number that is its tokens a second")
                })?;
                Ok(output.readings)
            }
            Finished::Ended { code, said } => {
                let ended = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
                Err(last_words(Error::invalid(format!("`{name}` failed: it ended {ended}")), &said.stderr))
            }
        }
    }
}

fn last_words(error: Error, stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => error.because(line.trim().chars().take(300).collect::<String>()),
        None => error,
    }
}

/// The file behind a program's name: a path as it is, a word by PATH.
pub(super) fn program_file(session: &Session, name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        let path = files::from(&session.env.cwd, Path::new(name));
        return path.is_file().then_some(path);
    }
    let folders = session.env.vars.get_os("PATH")?;
    std::env::split_paths(folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Words as a shell would cut them, with quotes and backslashes, and nothing else of a shell.
fn words(line: &str) -> std::result::Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed"),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a quote is not closed"),
                        },
                        Some(inside) => word.push(inside),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("it ends in a backslash")?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn lines_are_cut_as_a_shell_cuts_them() {
        let cut = |line| words(line).map(|words| words.join("|"));
        assert_eq!(cut("llama-bench -m 'my model.gguf' -p 512").as_deref(), Ok("llama-bench|-m|my model.gguf|-p|512"));
        assert_eq!(cut(r#"a "b \"c\" \d" '' e\ f x'y'z"#).as_deref(), Ok(r#"a|b "c" \d||e f|xyz"#));
        assert_eq!(cut("  ").as_deref(), Ok(""));
        assert_eq!(cut("$(rm -rf /) ; x").as_deref(), Ok("$(rm|-rf|/)|;|x"), "nothing is expanded");
        for bad in ["a 'b", "a \"b", "a\\"] {
            assert!(cut(bad).is_err(), "{bad}");
        }
    }
}
