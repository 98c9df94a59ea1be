//! The repository's files as gates see them: of the work tree, or of a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use git2::{ErrorCode, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::plan::gate::{FileFacts, Files, glob};
use crate::receipts::hex;

type Facts = Rc<Vec<FileFacts>>;

/// Files below a root, with the repository around it where there is one.
pub struct RepositoryFiles {
    root: PathBuf,
    repository: Option<Repository>,
    /// The commit that is looked at instead of the work tree.
    rev: Option<Oid>,
    blobs: RefCell<HashMap<Oid, (u64, String)>>,
    seen: RefCell<HashMap<(Option<Oid>, String), Facts>>,
}

impl RepositoryFiles {
    pub fn open(root: &Path, in_repository: bool) -> Result<Self> {
        let repository = if in_repository { Some(Repository::open(root).map_err(|e| git(&e))?) } else { None };
        let (blobs, seen) = Default::default();
        Ok(RepositoryFiles { root: root.to_owned(), repository, rev: None, blobs, seen })
    }

    /// Looks at a revision instead of the work tree, and says which commit that is.
    pub fn at(&mut self, rev: &str) -> Result<String> {
        let commit = self.commit(rev)?;
        self.rev = Some(commit);
        Ok(commit.to_string())
    }

    /// Whether HEAD leads to no commit yet.
    pub fn is_unborn(&self) -> bool {
        let head = |repository: &Repository| repository.head().err().map(|e| e.code());
        matches!(self.repository.as_ref().and_then(head), Some(ErrorCode::UnbornBranch | ErrorCode::NotFound))
    }

    /// The commit that two revisions have in common.
    pub fn common(&self, one: &str, other: &str) -> Result<String> {
        let (a, b) = (self.commit(one)?, self.commit(other)?);
        let base = self.repository.as_ref().and_then(|repository| repository.merge_base(a, b).ok());
        let none = || Error::usage(format!("{one} and {other} have no commit in common")).hint("write two dots");
        Ok(base.ok_or_else(none)?.to_string())
    }

    fn commit(&self, rev: &str) -> Result<Oid> {
        let Some(repository) = &self.repository else {
            return Err(Error::cannot(format!("there is no repository to find {rev} in")).hint("git init"));
        };
        let found = repository.revparse_single(rev).and_then(|object| object.peel_to_commit());
        let commit = found.map_err(|e| {
            Error::usage(format!("{rev}: the repository knows no such commit")).because(e.message()).hint("git log")
        })?;
        Ok(commit.id())
    }

    /// A file's bytes at the revision that is looked at.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match (self.rev, &self.repository) {
            (Some(rev), Some(repository)) => blob(repository, rev, path),
            _ => super::files::read_if_there(&self.root.join(path)),
        }
    }

    /// Names of the files directly in a folder.
    pub fn names_in(&self, folder: &str) -> Result<Vec<String>> {
        let files = self.matching(&[&format!("{folder}/*")], false)?;
        Ok(files.iter().map(|f| f.path.clone()).collect())
    }

    /// Whether a path's bytes are those that stand at the tip of the default branch. The branch's name comes along.
    pub fn on_default_branch(&self, path: &str, bytes: &[u8]) -> Result<(Option<String>, bool)> {
        let Some(repository) = &self.repository else { return Ok((None, false)) };
        let remote = repository.find_reference("refs/remotes/origin/HEAD").ok().and_then(|r| r.resolve().ok());
        let local =
            || ["refs/heads/main", "refs/heads/master"].iter().find_map(|name| repository.find_reference(name).ok());
        let Some(branch) = remote.or_else(local) else { return Ok((None, false)) };
        let name = branch.name().ok().unwrap_or_default().to_owned();
        let name = name.trim_start_matches("refs/heads/").trim_start_matches("refs/remotes/").to_owned();
        let tip = branch.peel_to_commit().map_err(|e| git(&e))?;
        Ok((Some(name), blob(repository, tip.id(), path)?.is_some_and(|theirs| theirs == bytes)))
    }

    fn of_commit(&self, repository: &Repository, commit: Oid, globs: &[&str]) -> Result<Vec<FileFacts>> {
        let tree = repository.find_commit(commit).and_then(|c| c.tree()).map_err(|e| git(&e))?;
        let mut found = Vec::new();
        for pattern in globs {
            let folder = fixed(pattern);
            if folder == **pattern {
                let entry = tree.get_path(Path::new(*pattern)).ok().filter(|e| e.kind() == Some(ObjectType::Blob));
                found.extend(entry.map(|entry| (folder, entry.id())));
                continue;
            }
            let below = match folder.as_str() {
                "" => Some(tree.clone()),
                folder => tree.get_path(Path::new(folder)).ok().and_then(|e| repository.find_tree(e.id()).ok()),
            };
            let Some(below) = below else { continue };
            let begin = if folder.is_empty() { folder } else { folder + "/" };
            below
                .walk(TreeWalkMode::PreOrder, |folder, entry| {
                    if entry.kind() == Some(ObjectType::Blob)
                        && let Ok(name) = entry.name()
                    {
                        let path = format!("{begin}{folder}{name}");
                        if glob::fits(pattern, &path) {
                            found.push((path, entry.id()));
                        }
                    }
                    TreeWalkResult::Ok
                })
                .map_err(|e| git(&e))?;
        }
        found.sort();
        found.dedup();
        let mut facts = Vec::with_capacity(found.len());
        for (path, oid) in found {
            let known = self.blobs.borrow().get(&oid).cloned();
            let (bytes, sha256) = match known {
                Some(known) => known,
                None => {
                    let blob = repository.find_blob(oid).map_err(|e| git(&e))?;
                    let fact = (blob.size() as u64, hex::encode(&Sha256::digest(blob.content())));
                    self.blobs.borrow_mut().insert(oid, fact.clone());
                    fact
                }
            };
            facts.push(FileFacts { path, bytes, sha256 });
        }
        Ok(facts)
    }

    fn of_work_tree(&self, globs: &[&str]) -> Result<Vec<FileFacts>> {
        let mut facts = Vec::new();
        let mut folders = Vec::new();
        for pattern in globs {
            let fixed = fixed(pattern);
            if fixed == **pattern {
                self.add_file(pattern, &mut facts)?;
            } else {
                folders.push(fixed);
            }
        }
        folders.sort();
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries {
                let entry = entry.map_err(|e| Error::reading(&self.root.join(&folder), &e))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                let ignored = self.repository.as_ref().is_some_and(|r| r.is_path_ignored(&path).unwrap_or(false));
                if name == ".git" || ignored {
                    continue;
                }
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(_) if globs.iter().any(|g| glob::fits(g, &path)) => self.add_file(&path, &mut facts)?,
                    _ => {}
                }
            }
        }
        Ok(facts)
    }

    /// A link counts as no file: it could lead out of the repository.
    fn add_file(&self, path: &str, facts: &mut Vec<FileFacts>) -> Result<()> {
        let full = self.root.join(path);
        if !std::fs::symlink_metadata(&full).is_ok_and(|m| m.is_file()) {
            return Ok(());
        }
        let bytes = super::files::read(&full)?;
        let sha256 = hex::encode(&Sha256::digest(&bytes));
        facts.push(FileFacts { path: path.to_owned(), bytes: bytes.len() as u64, sha256 });
        Ok(())
    }

    fn facts(&self, commit: Option<Oid>, globs: &[&str]) -> Result<Facts> {
        let key = (commit, globs.join("\0"));
        if let Some(known) = self.seen.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut facts = match (commit, &self.repository) {
            (Some(commit), Some(repository)) => self.of_commit(repository, commit, globs)?,
            _ => self.of_work_tree(globs)?,
        };
        facts.sort_by(|a, b| a.path.cmp(&b.path));
        facts.dedup();
        let facts = Rc::new(facts);
        self.seen.borrow_mut().insert(key, facts.clone());
        Ok(facts)
    }

    fn looked_at(&self, committed: bool) -> Option<Oid> {
        let head = || self.repository.as_ref()?.head().ok()?.peel_to_commit().ok().map(|c| c.id());
        self.rev.or_else(|| if committed { head() } else { None })
    }
}

impl Files for RepositoryFiles {
    fn matching(&self, globs: &[&str], committed: bool) -> Result<Facts> {
        match self.looked_at(committed) {
            // There is no commit yet.
            None if committed => Ok(Rc::default()),
            at => self.facts(at, globs),
        }
    }

    fn same_at(&self, commit: &str, globs: &[&str], committed: bool) -> Result<Option<bool>> {
        let Some(repository) = &self.repository else { return Ok(None) };
        let Some(oid) = Oid::from_str(commit).ok().filter(|oid| repository.find_commit(*oid).is_ok()) else {
            return Ok(None);
        };
        Ok(Some(self.facts(Some(oid), globs)? == self.matching(globs, committed)?))
    }
}

/// The folders that a pattern begins with and that are no patterns themselves, or all of it.
fn fixed(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(['*', '?'])).collect();
    parts.join("/")
}

fn blob(repository: &Repository, commit: Oid, path: &str) -> Result<Option<Vec<u8>>> {
    let tree = repository.find_commit(commit).and_then(|c| c.tree()).map_err(|e| git(&e))?;
    let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
    Ok(repository.find_blob(entry.id()).ok().map(|blob| blob.content().to_vec()))
}

fn git(error: &git2::Error) -> Error {
    Error::cannot("the repository can't be read").because(error.message())
}
