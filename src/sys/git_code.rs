//! The code of a repository over time: first-parent tips, their trees, and their blobs.
//!
//! A commit counts from the time of its committer's clock, but never from later than a child's: a clock that went
//! backwards does not bring a commit out of its order.

use std::collections::HashMap;
use std::path::Path;

pub use git2::Oid;
use git2::{Delta, DiffOptions, ErrorCode, ObjectType, Repository, TreeWalkMode, TreeWalkResult};

use crate::entropy::attributes::{Rules, Said};
use crate::entropy::scope::LeftOut;
use crate::error::{Error, Result};

pub struct CodeHistory {
    repository: Repository,
    shallow: bool,
}

/// A commit that stood first in line at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    pub commit: String,
    pub tree: Oid,
    /// Seconds since 1970.
    pub time: i64,
}

/// What stood first at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stood {
    Here(Tip),
    /// The history had not begun.
    Nothing,
    /// The history was cut off before that moment.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    pub path: String,
    pub oid: Oid,
    /// It is no file with content of its own.
    pub special: Option<LeftOut>,
    /// By the attributes of the same commit.
    pub said: Said,
}

impl CodeHistory {
    pub fn open(root: &Path) -> Result<Self> {
        let repository = Repository::open(root).map_err(|e| git(&e))?;
        let shallow = repository.is_shallow();
        Ok(CodeHistory { repository, shallow })
    }

    /// `None` before the first commit.
    pub fn head(&self) -> Result<Option<Tip>> {
        match self.repository.head() {
            Ok(head) => Ok(Some(tip(&head.peel_to_commit().map_err(|e| git(&e))?))),
            Err(e) if matches!(e.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => Ok(None),
            Err(e) => Err(git(&e)),
        }
    }

    pub fn rev(&self, rev: &str) -> Option<Tip> {
        let commit = self.repository.revparse_single(rev).and_then(|object| object.peel_to_commit()).ok()?;
        Some(tip(&commit))
    }

    /// What stood first at each of `ends`, which are seconds since 1970, latest first.
    pub fn tips_at(&self, ends: &[i64]) -> Result<Vec<Stood>> {
        let mut stood = Vec::with_capacity(ends.len());
        let Some(head) = self.head()? else { return Ok(vec![Stood::Nothing; ends.len()]) };
        let mut commit = self.commit(&head.commit)?;
        let mut time = commit.time().seconds();
        for end in ends {
            loop {
                if time <= *end {
                    stood.push(Stood::Here(Tip { time, ..tip(&commit) }));
                    break;
                }
                match commit.parent(0) {
                    Ok(parent) => {
                        time = time.min(parent.time().seconds());
                        commit = parent;
                    }
                    Err(_) => {
                        // A parent that is named and not there, or no parent where the history was cut.
                        let cut = commit.parent_count() > 0 || self.shallow;
                        stood.push(if cut { Stood::Unknown } else { Stood::Nothing });
                        break;
                    }
                }
            }
        }
        Ok(stood)
    }

    /// A file's bytes at a commit.
    pub fn file(&self, at: &Tip, path: &str) -> Result<Option<Vec<u8>>> {
        let tree = self.repository.find_tree(at.tree).map_err(|e| git(&e))?;
        let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
        Ok(self.repository.find_blob(entry.id()).ok().map(|blob| blob.content().to_vec()))
    }

    /// Everything in a commit's tree, in the order of its paths.
    pub fn files(&self, tree: Oid) -> Result<Vec<TreeFile>> {
        let tree = self.repository.find_tree(tree).map_err(|e| git(&e))?;
        let mut attributes = Attributes::of(&self.repository, &tree);
        let mut files = Vec::new();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let special = match (entry.kind(), entry.filemode()) {
                (Some(ObjectType::Commit), _) => Some(LeftOut::Submodule),
                (_, 0o120_000) => Some(LeftOut::SymbolicLink),
                (Some(ObjectType::Blob), _) => None,
                _ => return TreeWalkResult::Ok,
            };
            let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
            let said = attributes.said(&path);
            files.push(TreeFile { path, oid: entry.id(), special, said });
            TreeWalkResult::Ok
        })
        .map_err(|e| git(&e))?;
        Ok(files)
    }

    /// The files that differ between two trees, as they were and as they are.
    pub fn changed(&self, before: Option<Oid>, after: Oid) -> Result<Vec<(Option<TreeFile>, Option<TreeFile>)>> {
        let tree = |oid| self.repository.find_tree(oid).map_err(|e| git(&e));
        let before = before.map(tree).transpose()?;
        let after = tree(after)?;
        let mut options = DiffOptions::new();
        options.ignore_submodules(true).skip_binary_check(true);
        let diff = self
            .repository
            .diff_tree_to_tree(before.as_ref(), Some(&after), Some(&mut options))
            .map_err(|e| git(&e))?;
        let mut was = before.as_ref().map(|tree| Attributes::of(&self.repository, tree));
        let mut is = Some(Attributes::of(&self.repository, &after));
        let mut changed = Vec::new();
        for delta in diff.deltas() {
            let side = |file: git2::DiffFile<'_>, attributes: &mut Option<Attributes<'_>>| {
                let blob = matches!(file.mode(), git2::FileMode::Blob | git2::FileMode::BlobExecutable);
                let path = String::from_utf8_lossy(file.path_bytes()?).into_owned();
                let said = attributes.as_mut().map_or_else(Said::default, |attributes| attributes.said(&path));
                blob.then(|| TreeFile { path, oid: file.id(), special: None, said })
            };
            let old = if delta.status() == Delta::Added { None } else { side(delta.old_file(), &mut was) };
            let new = if delta.status() == Delta::Deleted { None } else { side(delta.new_file(), &mut is) };
            changed.push((old, new));
        }
        Ok(changed)
    }

    /// Whether the files that git watches are as they were committed.
    pub fn is_clean(&self) -> Result<bool> {
        let mut options = git2::StatusOptions::new();
        options.include_untracked(false).include_ignored(false).exclude_submodules(true);
        let statuses = self.repository.statuses(Some(&mut options)).map_err(|e| git(&e))?;
        Ok(statuses.is_empty())
    }

    fn commit(&self, id: &str) -> Result<git2::Commit<'_>> {
        Oid::from_str(id).and_then(|oid| self.repository.find_commit(oid)).map_err(|e| git(&e))
    }
}

/// The attributes that a tree holds, each folder's file read once.
struct Attributes<'r> {
    repository: &'r Repository,
    tree: &'r git2::Tree<'r>,
    folders: HashMap<String, Rules>,
}

impl<'r> Attributes<'r> {
    fn of(repository: &'r Repository, tree: &'r git2::Tree<'r>) -> Attributes<'r> {
        Attributes { repository, tree, folders: HashMap::new() }
    }

    fn said(&mut self, path: &str) -> Said {
        let mut said = Said::default();
        let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
        for end in ends {
            let (folder, inside) = path.split_at(end);
            if !self.folders.contains_key(folder) {
                self.folders.insert(folder.to_owned(), self.rules(folder));
            }
            self.folders[folder].apply(inside, &mut said);
        }
        said
    }

    fn rules(&self, folder: &str) -> Rules {
        let entry = self.tree.get_path(Path::new(&format!("{folder}.gitattributes")));
        let blob = entry.and_then(|entry| self.repository.find_blob(entry.id()));
        blob.map_or_else(|_| Rules::default(), |blob| Rules::read(&String::from_utf8_lossy(blob.content())))
    }
}

fn tip(commit: &git2::Commit<'_>) -> Tip {
    Tip { commit: commit.id().to_string(), tree: commit.tree_id(), time: commit.time().seconds() }
}

fn git(error: &git2::Error) -> Error {
    Error::cannot("the repository can't be read").because(error.message())
}
