//! What stands around the run: the repository and the configuration files.

use std::path::{Path, PathBuf};

use super::{folders, git};
use crate::config::{File, REPOSITORY_FILE};
use crate::env::Env;
use crate::error::{Error, Result};

pub struct Setup {
    /// The repository around the current folder, or the one that was named.
    pub repository: Result<Option<git::Found>>,
    candidates: Vec<Candidate>,
    /// The fault of the configuration, where a command runs in spite of it.
    pub config_fault: Option<Error>,
}

struct Candidate {
    path: PathBuf,
    of_repository: bool,
}

/// Looks around; faults are kept and told by whoever needs what is missing.
pub fn read(env: &Env, named: Option<&Path>) -> Setup {
    let by_variable = || env.vars.get_os("BIZRA_REPO").map(|path| (PathBuf::from(path), "unset BIZRA_REPO"));
    let named = named.map(|path| (path.to_owned(), "leave --repo out")).or_else(by_variable);
    let repository = match &named {
        Some((path, without)) => {
            let none = || {
                Error::cannot(format!("there is no git repository at {}", path.display()))
                    .hint(format!("make one with `git init`, or {without}"))
            };
            let start = env.cwd.join(path);
            if matches!(start.try_exists(), Ok(false)) {
                Err(Error::cannot(format!("there is nothing at {}", path.display()))
                    .hint(format!("name a folder that is there, or {without}")))
            } else {
                git::discover(&start).map_err(Error::from).and_then(|found| found.map(Some).ok_or_else(none))
            }
        }
        None if env.cwd.as_os_str().is_empty() => {
            Err(Error::cannot("the current folder is not there any more").hint("go to a folder that is there"))
        }
        None => git::discover(&env.cwd).map_err(Error::from),
    };
    let mut candidates = Vec::new();
    if let Ok(Some(found)) = &repository
        && let Some(root) = &found.work_dir
    {
        candidates.push(Candidate { path: root.join(REPOSITORY_FILE), of_repository: true });
    }
    if let Some(path) = folders::user_config(&env.vars) {
        candidates.push(Candidate { path, of_repository: false });
    }
    Setup { repository, candidates, config_fault: None }
}

impl Setup {
    /// The configuration files that are there, from the strongest.
    pub fn files(&self) -> Result<Vec<File>> {
        if let Err(error) = &self.repository {
            return Err(error.clone());
        }
        let mut files = Vec::new();
        for candidate in &self.candidates {
            if let Some(bytes) = super::files::read_if_there(&candidate.path)? {
                let text = String::from_utf8(bytes).map_err(|e| not_utf8(&candidate.path, &e))?;
                files.push(File { path: candidate.path.clone(), text, of_repository: candidate.of_repository });
            }
        }
        Ok(files)
    }

    /// Each file that was looked for, and whether it is there.
    pub fn sources(&self) -> Vec<(String, bool)> {
        self.candidates.iter().map(|c| (c.path.display().to_string(), c.path.is_file())).collect()
    }

    #[must_use]
    pub fn broken(mut self, fault: Error) -> Self {
        self.config_fault = Some(fault);
        self
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Error {
    let good = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
    Error::invalid("this is no valid UTF-8").at(crate::error::Place::in_text(path, &text, good))
}
