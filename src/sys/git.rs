//! Finds the user's git repository, and where a ledger lives in it. Objects and refs of the ledger itself are
//! `ledger`'s, which reads no git configuration at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::Vars;
use git2::{ErrorClass, ErrorCode, Repository, RepositoryOpenFlags};

/// Under a repository's common directory, so that linked worktrees share it and `git clean -fdx` spares it.
pub const LEDGER: &str = "bizra/ledger.git";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The directory that all worktrees share.
    pub common_dir: PathBuf,
    /// None in a bare repository.
    pub work_dir: Option<PathBuf>,
    /// A worktree made by `git worktree add`.
    pub linked: bool,
    /// History may end before its beginning.
    pub shallow: bool,
}

impl Found {
    pub fn ledger_path(&self) -> PathBuf {
        self.common_dir.join(LEDGER)
    }
}

#[derive(Debug)]
pub enum GitError {
    Sha256 {
        path: PathBuf,
    },
    /// git's own protection: the repository belongs to another user.
    Owner {
        path: PathBuf,
        reason: String,
    },
    /// The path, or a folder above it, holds something that git cannot open.
    Unreadable {
        path: PathBuf,
        reason: String,
    },
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256 { path } => write!(
                f,
                "{}: a repository with SHA-256 objects cannot be read by this build; work from a folder outside it, where the ledger is the user's own",
                path.display()
            ),
            Self::Owner { path, reason } => write!(
                f,
                "{}: {reason}; if you trust it: git config --global --add safe.directory {}",
                path.display(),
                path.display()
            ),
            Self::Unreadable { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for GitError {}

/// The repository that `start` lies in; `None` when it lies in none.
pub fn discover(start: &Path) -> Result<Option<Found>, GitError> {
    let nowhere: [&Path; 0] = [];
    let repository = match Repository::open_ext(start, RepositoryOpenFlags::empty(), nowhere) {
        Ok(repository) => repository,
        Err(error) if error.code() == ErrorCode::NotFound && start.exists() => {
            let dangling = start.ancestors().map(|folder| folder.join(".git")).find(|path| path.exists());
            let reason = "it leads to no repository".to_owned();
            return dangling.map_or(Ok(None), |path| Err(GitError::Unreadable { path, reason }));
        }
        Err(error) => return Err(refusal(start, &error)),
    };
    Ok(Some(Found {
        common_dir: repository.commondir().to_path_buf(),
        work_dir: repository.workdir().map(Path::to_path_buf),
        linked: repository.is_worktree(),
        shallow: repository.is_shallow(),
    }))
}

fn refusal(path: &Path, error: &git2::Error) -> GitError {
    let (path, reason) = (path.to_path_buf(), error.message().to_owned());
    let objects = reason.contains("objectformat") || reason.contains("object format") || reason.contains("oid type");
    match (error.code(), error.class()) {
        (ErrorCode::Owner, _) => GitError::Owner { path, reason },
        (_, ErrorClass::Repository) if objects => GitError::Sha256 { path },
        _ => GitError::Unreadable { path, reason },
    }
}

/// The name that git gives to a file of these bytes.
pub fn blob_id(bytes: &[u8]) -> String {
    // The hash of bytes in memory: libgit2 has nothing to refuse.
    git2::Oid::hash_object(git2::ObjectType::Blob, bytes).map(|id| id.to_string()).unwrap_or_default()
}

/// Makes a repository in `folder`, as `git init` does.
pub fn create(folder: &Path) -> Result<(), GitError> {
    Repository::init(folder).map(|_| ()).map_err(|e| refusal(folder, &e))
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

#[cfg(test)]
mod tests;
