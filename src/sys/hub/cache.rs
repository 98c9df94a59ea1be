//! The cache that Hugging Face's tools share: `blobs/` named by hash, `snapshots/COMMIT/` with links to them, `refs/` with
//! the commits of branches and tags. Other programs write it too, so nothing in it is taken for granted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hf_hub::{Repo, RepoType};

use super::lock::DownloadLock;
use crate::env::Vars;
use crate::error::{Error, Place, Result};
use crate::model::{Digest, Held, Snapshot};
use crate::sys::files::{self, Access};
use crate::sys::folders;

const MAIN: &str = "main";
/// No repository has its files deeper; a loop of folders ends here.
const DEEPEST: usize = 16;
const LONGEST_REF: usize = 4096;

pub struct Cache {
    root: PathBuf,
}

impl Cache {
    pub fn of(vars: &Vars) -> Result<Self> {
        folders::model_cache(vars).map(|root| Cache { root }).ok_or_else(|| {
            Error::cannot("no model cache is known").hint("set HF_HOME or HOME to a folder that models may lie in")
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn layout(&self, repo: &str) -> (hf_hub::CacheRepo, String) {
        let repo = Repo::new(repo.to_owned(), RepoType::Model);
        let folder = repo.folder_name();
        (hf_hub::Cache::new(self.root.clone()).repo(repo), folder)
    }

    /// All that is kept of a repository.
    pub fn home(&self, repo: &str) -> PathBuf {
        self.root.join(self.layout(repo).1)
    }

    pub fn snapshot(&self, repo: &str, commit: &str) -> PathBuf {
        self.layout(repo).0.pointer_path(commit)
    }

    pub fn blob(&self, repo: &str, digest: &Digest) -> PathBuf {
        self.home(repo).join("blobs").join(digest.hex())
    }

    /// The lock that other tools take too while they download this blob.
    pub(super) fn lock_file(&self, repo: &str, digest: &Digest) -> PathBuf {
        let folder = self.layout(repo).1;
        self.root.join(".locks").join(folder).join(format!("{}.lock", digest.hex()))
    }

    /// The snapshot that a revision means here, `main` where none is named.
    pub fn commit(&self, repo: &str, revision: Option<&str>) -> Result<String> {
        let home = self.home(repo);
        let asked = revision.unwrap_or(MAIN);
        let pull = format!("bizra model pull {repo}{}", revision.map(|r| format!("@{r}")).unwrap_or_default());
        if !home.is_dir() {
            return Err(Error::invalid(format!("there is no model {repo} in {}", self.root.display())).hint(pull));
        }
        if self.snapshot(repo, asked).is_dir() {
            return Ok(asked.to_owned());
        }
        let path = home.join("refs").join(asked);
        let commit = match files::read_at_most(&path, LONGEST_REF) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            Err(_) if !path.is_file() => {
                let here: Vec<String> =
                    self.snapshots(repo)?.into_iter().map(|s| format!("{repo}@{}", s.commit)).collect();
                let error = Error::invalid(format!("the cache has no revision {asked} of {repo}")).hint(pull);
                return Err(if here.is_empty() { error } else { error.hint(format!("it has {}", here.join(", "))) });
            }
            Err(error) => return Err(error),
        };
        let is_name =
            !commit.is_empty() && !commit.starts_with('.') && commit.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_name || !self.snapshot(repo, &commit).is_dir() {
            return Err(Error::invalid("this reference leads to no snapshot").at(Place::file(path)).hint(pull));
        }
        Ok(commit)
    }

    /// The files of a snapshot, sorted by path.
    pub fn files(&self, repo: &str, commit: &str) -> Result<Vec<Held>> {
        let mut held = Vec::new();
        walk(&self.snapshot(repo, commit), "", DEEPEST, &mut |path, at| {
            let metadata = std::fs::metadata(&at).ok().filter(|found| found.is_file());
            let link = std::fs::read_link(&at).ok();
            let blob = link.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
            held.push(Held { path, size: metadata.map(|m| m.len()), digest: blob.and_then(Digest::parse), at });
        })?;
        held.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(held)
    }

    /// The repositories of models that are here, sorted.
    pub fn repos(&self) -> Result<Vec<String>> {
        let name = |folder: &str| folder.strip_prefix("models--").map(|name| name.replacen("--", "/", 1));
        let mut repos: Vec<String> = entries(&self.root)?.iter().filter_map(|folder| name(folder)).collect();
        repos.sort();
        Ok(repos)
    }

    /// What is here of a repository, sorted by commit.
    pub fn snapshots(&self, repo: &str) -> Result<Vec<Snapshot>> {
        let home = self.home(repo);
        let mut refs = Vec::new();
        walk(&home.join("refs"), "", DEEPEST, &mut |name, at| {
            if let Ok(bytes) = files::read_at_most(&at, LONGEST_REF) {
                refs.push((name, String::from_utf8_lossy(&bytes).trim().to_owned()));
            }
        })?;
        refs.sort();
        let mut commits = entries(&home.join("snapshots"))?;
        commits.sort();
        let of = |commit: String| {
            let refs = refs.iter().filter(|(_, to)| *to == commit).map(|(name, _)| name.clone()).collect();
            Ok(Snapshot { files: self.files(repo, &commit)?, refs, commit })
        };
        commits.into_iter().map(of).collect()
    }

    /// The blobs that are here, whole ones and unfinished ones, each with its size.
    pub fn blobs(&self, repo: &str) -> Result<Vec<(String, u64)>> {
        let folder = self.home(repo).join("blobs");
        let size = |name: &String| std::fs::metadata(folder.join(name)).map_or(0, |m| m.len());
        let mut blobs: Vec<(String, u64)> =
            entries(&folder)?.into_iter().map(|name| (name.clone(), size(&name))).collect();
        blobs.sort();
        Ok(blobs)
    }

    /// Makes a snapshot's path lead to a blob. What was there before gives way, at one stroke.
    pub fn link(&self, repo: &str, commit: &str, path: &str, digest: &Digest) -> Result<PathBuf> {
        let at = self.snapshot(repo, commit).join(path);
        let blob = self.blob(repo, digest);
        if same_file(&at, &blob) {
            return Ok(at);
        }
        let written = || -> std::io::Result<()> {
            let folder = at.parent().ok_or(ErrorKind::InvalidInput)?;
            std::fs::create_dir_all(folder)?;
            let beside = folder.join(format!(".{}.{}.new", digest.hex(), std::process::id()));
            // Relative, so that the cache can be moved.
            let up = "../".repeat(path.split('/').count() + 1);
            point(&blob, &Path::new(&up).join("blobs").join(digest.hex()), &beside)?;
            std::fs::rename(&beside, &at).inspect_err(|_| {
                let _ = std::fs::remove_file(&beside);
            })
        };
        written().map_err(|e| Error::writing(at.display(), &e))?;
        Ok(at)
    }

    /// Notes where a branch or tag stood when it was asked for.
    pub fn set_ref(&self, repo: &str, revision: &str, commit: &str) -> Result<()> {
        let path = self.home(repo).join("refs").join(revision);
        if revision == commit || std::fs::read_to_string(&path).is_ok_and(|before| before.trim() == commit) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder.display(), &e))?;
        files::replace(&path, commit.as_bytes(), Access::Everyone)
    }

    /// Whether a process downloads this blob now.
    pub fn is_busy(&self, repo: &str, digest: &Digest) -> bool {
        !DownloadLock::is_free(&self.lock_file(repo, digest))
    }

    /// Removes these snapshots, the references to them, and the blobs that no other one needs. Returns the bytes freed.
    pub fn remove(&self, repo: &str, unwanted: &[Held], commits: &[String]) -> Result<u64> {
        let gone = |path: &Path| match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::writing(path.display(), &e)),
            _ => Ok(()),
        };
        let size = |path: &Path| std::fs::symlink_metadata(path).ok().filter(|m| m.is_file()).map_or(0, |m| m.len());
        let mut freed = 0;
        for file in unwanted {
            freed += size(&file.at);
            gone(&file.at)?;
        }
        let left = self.snapshots(repo)?;
        let needed =
            |digest: &Digest| left.iter().flat_map(|s| &s.files).any(|file| file.digest.as_ref() == Some(digest));
        for digest in unwanted.iter().filter_map(|file| file.digest.as_ref()).filter(|digest| !needed(digest)) {
            let blob = self.blob(repo, digest);
            freed += size(&blob);
            gone(&blob)?;
        }
        for snapshot in left.iter().filter(|s| s.files.is_empty() && commits.contains(&s.commit)) {
            for name in &snapshot.refs {
                gone(&self.home(repo).join("refs").join(name))?;
            }
            let folder = self.snapshot(repo, &snapshot.commit);
            std::fs::remove_dir_all(&folder).map_err(|e| Error::writing(folder.display(), &e))?;
        }
        Ok(freed)
    }

    /// Removes all of a repository. Returns the bytes freed.
    pub fn remove_all(&self, repo: &str) -> Result<u64> {
        let home = self.home(repo);
        let blobs: u64 = self.blobs(repo)?.iter().map(|(_, size)| size).sum();
        let plain = self.snapshots(repo)?.into_iter().flat_map(|s| s.files).filter(|file| file.digest.is_none());
        let freed = blobs + plain.filter_map(|file| file.size).sum::<u64>();
        std::fs::remove_dir_all(&home).map_err(|e| Error::writing(home.display(), &e))?;
        // Nothing hangs on the empty lock files; another tool may hold one open.
        let _ = std::fs::remove_dir_all(self.root.join(".locks").join(self.layout(repo).1));
        Ok(freed)
    }
}

/// A link where the platform has them for everyone, else a second name of the file, else a copy.
fn point(blob: &Path, relative: &Path, beside: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let _ = blob;
        std::os::unix::fs::symlink(relative, beside)
    }
    #[cfg(not(unix))]
    {
        let _ = relative;
        std::fs::hard_link(blob, beside).or_else(|_| std::fs::copy(blob, beside).map(drop))
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The names in a folder that may not be there.
fn entries(folder: &Path) -> Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(all) => Ok(all.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(e) => Err(Error::reading(folder, &e)),
    }
}

/// All that is no folder below `folder`; links to folders are not followed.
fn walk(folder: &Path, below: &str, deepest: usize, each: &mut dyn FnMut(String, PathBuf)) -> Result<()> {
    for name in entries(folder)? {
        let at = folder.join(&name);
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match std::fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() && deepest > 0 => walk(&at, &path, deepest - 1, each)?,
            Ok(found) if found.is_dir() => {}
            _ => each(path, at),
        }
    }
    Ok(())
}
