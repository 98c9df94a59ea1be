//! The repository around a folder, read through libgit2; transport to remotes goes through the user's own `git`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::Vars;
use crate::error::{Error, Result};

/// Where a repository keeps what.
#[derive(Clone, Debug)]
pub struct Place {
    /// None in a bare repository.
    pub work_tree: Option<PathBuf>,
    /// This work tree's own git folder.
    pub git_dir: PathBuf,
    /// The git folder that all linked work trees share.
    pub common_dir: PathBuf,
    pub shallow: bool,
}

/// The repository that `start` lies in; none is a fine answer, an unreadable one is not.
pub fn place(start: &Path) -> Result<Option<Place>> {
    match git2::Repository::discover(start) {
        Ok(repository) => Ok(Some(Place {
            work_tree: repository.workdir().map(Path::to_owned),
            git_dir: repository.path().to_owned(),
            common_dir: repository.commondir().to_owned(),
            shallow: repository.is_shallow(),
        })),
        Err(e) if e.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(e) => {
            let error = Error::cannot(format!("the git repository at {} can't be opened", start.display()))
                .because(e.message());
            Err(if e.code() == git2::ErrorCode::Owner {
                error
                    .hint("it belongs to another user: `git config --global --add safe.directory PATH` if you trust it")
            } else {
                error.hint("`git status` there may say more")
            })
        }
    }
}

/// The user's git program: its version, or why it can't be run.
pub fn program(vars: &Vars) -> std::io::Result<String> {
    let mut git = Command::new("git");
    git.arg("--version").env_clear().envs(vars.iter());
    let output = git.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().strip_prefix("git version ") {
        Some(version) if output.status.success() => Ok(version.to_owned()),
        _ => Err(std::io::Error::other(format!("`git --version` ended with {}", output.status))),
    }
}
