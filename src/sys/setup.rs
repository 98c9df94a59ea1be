//! What stands around the run: the repository and the configuration files.

use std::io;
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
    let named = named.map(Path::to_owned).or_else(|| env.vars.get_os("BIZRA_REPO").map(PathBuf::from));
    let repository = match &named {
        Some(path) => git::discover(&env.cwd.join(path)).map_err(Error::from).and_then(|found| match found {
            Some(found) => Ok(Some(found)),
            None => Err(Error::cannot(format!("there is no git repository at {}", path.display()))
                .hint("make one with `git init`, or leave --repo out")),
        }),
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
            match std::fs::read(&candidate.path) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes).map_err(|e| not_utf8(&candidate.path, &e))?;
                    files.push(File { path: candidate.path.clone(), text, of_repository: candidate.of_repository });
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(e) => return Err(Error::reading(&candidate.path, &e)),
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
