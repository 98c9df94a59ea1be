//! The folder that the demo plays in, with a home of its own, and how programs are run there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Session;
use crate::env::Vars;
use crate::error::{Error, Exit, Result};
use crate::receipts::hex;
use crate::sys::files::{self, Access};
use crate::sys::process::{Conditions, Finished, finish};

/// Longer than any step takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Stage {
    folder: PathBuf,
    program: String,
    vars: Vars,
    kept: std::cell::Cell<bool>,
}

/// How a step ended, and what it said.
pub(super) struct Done {
    /// None where a signal ended it.
    pub(super) exit: Option<i32>,
    pub(super) said: String,
}

impl Stage {
    pub(super) fn build(session: &Session) -> Result<Stage> {
        let program = session.env.program.as_deref().and_then(Path::to_str).ok_or_else(|| {
            Error::cannot("the system does not tell where this program lies, so it can't be run once more")
        })?;
        let parent = session.env.vars.get_os("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let folder = parent.join(format!("bizra-demo-{}", hex::encode(&session.random::<8>()?)));
        // The folder alone: one above it that is not there is not ours to make.
        for path in [folder.clone(), folder.join("home"), folder.join("project")] {
            std::fs::create_dir(&path).map_err(|e| Error::writing(path.display(), &e))?;
        }
        Ok(Stage { program: program.to_owned(), vars: vars(session, &folder), folder, kept: false.into() })
    }

    pub(super) fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    pub(super) fn bizra(&self, session: &Session, words: &[&str]) -> Result<Done> {
        self.run(session, &self.program, words)
    }

    pub(super) fn git(&self, session: &Session, words: &[&str]) -> Result<Done> {
        self.run(session, "git", words)
    }

    /// What a command says on stdout, where it has to succeed.
    pub(super) fn git_says(&self, session: &Session, words: &[&str]) -> Result<String> {
        let done = self.git(session, words)?;
        if done.exit != Some(0) {
            return Err(Error::cannot(format!("`git {}` failed", words.join(" "))).because(done.said.trim()));
        }
        Ok(done.said.trim_end_matches('\n').to_owned())
    }

    pub(super) fn write(&self, path: &str, text: &str) -> Result<Done> {
        files::replace(&self.project().join(path), text.as_bytes(), Access::Everyone)?;
        Ok(Done { exit: Some(0), said: text.to_owned() })
    }

    pub(super) fn keep(&self) -> PathBuf {
        self.kept.set(true);
        self.folder.clone()
    }

    fn run(&self, session: &Session, program: &str, words: &[&str]) -> Result<Done> {
        let argv: Vec<&str> = std::iter::once(program).chain(words.iter().copied()).collect();
        let interrupt = &session.env.interrupt;
        let project = self.project();
        let conditions = Conditions {
            folder: &project,
            vars: &self.vars,
            clock: &*session.env.clock,
            limit: PATIENCE,
            stop: &|| interrupt.requested(),
        };
        match finish(&argv, &conditions) {
            Finished::Ended { code, said } => {
                let said =
                    [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
                Ok(Done { exit: code, said })
            }
            Finished::CannotStart(why) => {
                let error = Error::cannot(format!("`{program}` can't be started")).because(why);
                Err(if program == "git" { error.hint("the demo commits its plan with git: install it") } else { error })
            }
            Finished::TimedOut(_) => {
                Err(Error::cannot(format!("`{}` took longer than {} s", argv.join(" "), PATIENCE.as_secs())))
            }
            Finished::Stopped => Err(Error::new(Exit::Interrupted, format!("`{program}` was cut short"))),
        }
    }
}

/// The user's own variables would bring their keys, settings and repositories along.
fn vars(session: &Session, folder: &Path) -> Vars {
    let inherited = ["PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ"];
    let mut vars: Vec<(OsString, OsString)> = inherited
        .into_iter()
        .filter_map(|name| session.env.vars.get_os(name).map(|value| (name.into(), value.into())))
        .collect();
    vars.push(("HOME".into(), folder.join("home").into()));
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", "You"),
        ("GIT_AUTHOR_EMAIL", "you@example.com"),
        ("GIT_COMMITTER_NAME", "You"),
        ("GIT_COMMITTER_EMAIL", "you@example.com"),
        ("LC_ALL", "C"),
    ] {
        vars.push((name.into(), value.into()));
    }
    vars.into_iter().collect()
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept.get() {
            // It holds nothing of anybody's; what can't be removed lies in the folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
