//! What a repository tells about a stretch of time: the commits that its branches lead to, each once.
//!
//! A commit belongs to the time of its committer's clock. Clocks are wrong now and then, so no date ends the search:
//! the whole graph is known by [`graph`], which remembers what it has read, and every commit of it is asked for its date.
//! Replaced commits are read as their replacements and people by the mailmap, as git shows both.

mod graph;
mod raw;

use std::collections::HashMap;
use std::path::Path;

use git2::{ErrorCode, Mailmap, ObjectType, Oid, Repository, Signature, Time, Tree};

use super::git::Found;
use crate::error::{Error, Result};
use crate::sprint::standup::commit::coauthors;
use crate::sprint::standup::{Commit, History, Presence, Who};
use graph::{Graph, Graphs};

/// More than this in one window, and the rest are linked by their messages alone.
const MOST_LOOKED_AT: usize = 1000;
/// A commit that changes more is an import, whose files say nothing.
const MOST_PATHS: usize = 5000;
/// Clocks of machines differ; what is later than this lies in the future.
const FUTURE: i64 = 24 * 3600;
/// Beyond this, commits are not compared for being each other's copies.
const MOST_COPIED: usize = 100;

pub struct GitHistory {
    repository: Repository,
    mailmap: Option<Mailmap>,
    graph: Graph,
    head: Option<Oid>,
    tips: Vec<Oid>,
    broken: Vec<String>,
    replaced: HashMap<Oid, Oid>,
    shallow: bool,
}

/// From when to when, in seconds since 1970, and what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub start: i64,
    pub end: i64,
    pub now: i64,
}

impl GitHistory {
    /// The history that HEAD and all branches lead to, or these revisions alone.
    pub fn open(found: &Found, revs: &[String]) -> Result<Self> {
        let place = found.work_dir.as_deref().unwrap_or(&found.common_dir);
        let repository = Repository::open(place).map_err(|e| unreadable(&e))?;
        let replaced = replaced(&repository)?;
        let shallow = raw::shallow_roots(&found.common_dir);
        let head = head(&repository)?;
        let (mut tips, mut broken) = (Vec::new(), Vec::new());
        if revs.is_empty() {
            tips.extend(head);
            branches(&repository, &mut tips, &mut broken)?;
        }
        for rev in revs {
            let found = repository.revparse_single(rev).and_then(|object| object.peel_to_commit());
            let commit = found.map_err(|e| {
                Error::usage(format!("--rev {rev}: the repository knows no such commit"))
                    .because(e.message())
                    .hint("git branch --all")
            })?;
            tips.push(commit.id());
        }
        tips.sort();
        tips.dedup();
        let open = || Repository::open(place).ok();
        let graphs = Graphs { open: &open, replaced: &replaced, shallow: &shallow, folder: &found.common_dir };
        let graph = graphs.reaching(tips.iter().chain(&head).copied());
        let mailmap = repository.mailmap().ok();
        let shallow = !shallow.is_empty();
        Ok(GitHistory { repository, mailmap, graph, head, tips, broken, replaced, shallow })
    }

    /// The commits of a stretch of time, newest first, with the files that fit one of `globs`.
    pub fn during(&self, stretch: Stretch, globs: &[&str]) -> Result<History> {
        let reached = self.graph.reached_from(&self.tips);
        let mut history = History {
            presence: if self.tips.is_empty() { Presence::NoCommit } else { Presence::Commits },
            shallow: self.shallow,
            missing: self.graph.missing(),
            broken: self.broken.clone(),
            ..History::default()
        };
        let mut chosen = Vec::new();
        for (oid, time) in self.graph.dated(&reached) {
            match time {
                None => history.undated += 1,
                Some(time) if time > stretch.now.saturating_add(FUTURE) => history.future += 1,
                Some(_) => {}
            }
            if let Some(time) = time.filter(|time| (stretch.start..stretch.end).contains(time)) {
                chosen.push((time, oid));
            }
        }
        chosen.sort_by_key(|(time, oid)| (std::cmp::Reverse(*time), *oid));
        let mut commits = Vec::with_capacity(chosen.len());
        for (time, oid) in chosen {
            commits.extend(self.commit(oid, time)?.map(|commit| (oid, commit)));
        }
        let mut commits = self.without_copies(commits);
        if !globs.is_empty() {
            let plain = commits.iter_mut().filter(|(_, commit)| !commit.is_merge());
            for (number, (oid, commit)) in plain.enumerate() {
                if number < MOST_LOOKED_AT {
                    commit.paths = self.changed(*oid, globs)?;
                } else {
                    history.unlooked += 1;
                }
            }
        }
        history.commits = commits.into_iter().map(|(_, commit)| commit).collect();
        Ok(history)
    }

    /// The commit that HEAD's own line stood at before `time`.
    pub fn tip_before(&self, time: i64) -> Option<String> {
        let mut commit = self.graph.first_parent_before(self.head?, time);
        // What git's library can't read has no files to look at; what it came from may.
        while let Some(oid) = commit.filter(|oid| self.repository.find_commit(*oid).is_err()) {
            commit = self.graph.first_parent(oid);
        }
        commit.map(|oid| oid.to_string())
    }

    pub fn has_commits(&self) -> bool {
        !self.tips.is_empty()
    }

    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    fn bytes(&self, oid: Oid) -> Option<Vec<u8>> {
        let odb = self.repository.odb().ok()?;
        let object = odb.read(*self.replaced.get(&oid).unwrap_or(&oid)).ok()?;
        (object.kind() == ObjectType::Commit).then(|| object.data().to_vec())
    }

    fn commit(&self, oid: Oid, time: i64) -> Result<Option<Commit>> {
        let Some(bytes) = self.bytes(oid) else { return Ok(None) };
        let raw = raw::Commit::read(&bytes);
        let message = raw.message();
        let (author, authored) = raw.author();
        let author = self.mapped(author);
        let mut others: Vec<Who> = Vec::new();
        for other in coauthors(&message).into_iter().map(|who| self.mapped(who)) {
            if !other.same(&author) && !others.iter().any(|known| known.same(&other)) {
                others.push(other);
            }
        }
        let parents = self.graph.parents(oid);
        let (coauthors, paths, copies) = (others, Vec::new(), Vec::new());
        Ok(Some(Commit { id: oid.to_string(), parents, author, coauthors, time, authored, message, paths, copies }))
    }

    /// Who this is by the mailmap. Names that git's own type refuses stay as they are.
    fn mapped(&self, who: Who) -> Who {
        let Some(mailmap) = &self.mailmap else { return who };
        // A name that is empty is refused there, and may have an entry all the same.
        let name = if who.name.is_empty() { "-" } else { &who.name };
        let Ok(plain) = Signature::new(name, &who.email, &Time::new(0, 0)) else { return who };
        let Ok(mapped) = mailmap.resolve_signature(&plain) else { return who };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (found, email) = (text(mapped.name_bytes()), text(mapped.email_bytes()));
        Who { name: if found == "-" { who.name } else { found }, email }
    }

    /// What a rebase or a cherry-pick left behind on another branch is told with the commit that HEAD leads to.
    fn without_copies(&self, commits: Vec<(Oid, Commit)>) -> Vec<(Oid, Commit)> {
        let mut alike: HashMap<(&Who, Option<i64>, &str), Vec<usize>> = HashMap::new();
        for (number, (_, commit)) in commits.iter().enumerate() {
            alike.entry((&commit.author, commit.authored, &commit.message)).or_default().push(number);
        }
        let groups: Vec<Vec<usize>> = alike.into_values().filter(|group| group.len() > 1).collect();
        if groups.is_empty() || groups.len() > MOST_COPIED {
            return commits;
        }
        let of_head = self.graph.reached_from(&self.head.into_iter().collect::<Vec<_>>());
        let mut copy_of: HashMap<usize, usize> = HashMap::new();
        for group in groups {
            let on_head = |n: &usize| self.graph.is_reached(&of_head, commits[*n].0);
            let first = group.iter().find(|n| on_head(n)).copied().unwrap_or(group[0]);
            let from_first = self.graph.reached_from(&[commits[first].0]);
            for other in group.into_iter().filter(|n| *n != first && !on_head(n)) {
                let other_id = commits[other].0;
                let from_other = self.graph.reached_from(&[other_id]);
                let in_one_line = self.graph.is_reached(&from_first, other_id)
                    || self.graph.is_reached(&from_other, commits[first].0);
                if !in_one_line {
                    copy_of.insert(other, first);
                }
            }
        }
        let mut copies: HashMap<usize, Vec<String>> = HashMap::new();
        for (copy, of) in &copy_of {
            copies.entry(*of).or_default().push(commits[*copy].1.id.clone());
        }
        let mut kept = Vec::with_capacity(commits.len());
        for (number, (oid, mut commit)) in commits.into_iter().enumerate() {
            if copy_of.contains_key(&number) {
                continue;
            }
            commit.copies = copies.remove(&number).unwrap_or_default();
            commit.copies.sort();
            kept.push((oid, commit));
        }
        kept
    }

    /// The files that a commit changed against its first parent, of those that a pattern could fit.
    fn changed(&self, oid: Oid, globs: &[&str]) -> Result<Vec<String>> {
        let tree_of = |oid: Oid| -> Option<Tree<'_>> {
            let bytes = self.bytes(oid)?;
            self.repository.find_tree(raw::Commit::read(&bytes).tree()?).ok()
        };
        let (new, old) = (tree_of(oid), self.graph.first_parent(oid).and_then(tree_of));
        let mut paths = Vec::new();
        compare(&self.repository, old.as_ref(), new.as_ref(), "", globs, &mut paths)?;
        if paths.len() >= MOST_PATHS {
            paths.clear();
        }
        paths.sort();
        Ok(paths)
    }
}

fn compare(
    repository: &Repository,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
    folder: &str,
    globs: &[&str],
    paths: &mut Vec<String>,
) -> Result<()> {
    let mut names: Vec<Vec<u8>> = [old, new]
        .into_iter()
        .flatten()
        .flat_map(|tree| tree.iter().map(|e| e.name_bytes().to_vec()).collect::<Vec<_>>())
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        if paths.len() >= MOST_PATHS {
            return Ok(());
        }
        let entry = |tree: Option<&Tree<'_>>| {
            let found = tree?.iter().find(|entry| entry.name_bytes() == name)?;
            Some((found.id(), found.kind(), found.filemode()))
        };
        let (before, after) = (entry(old), entry(new));
        if before == after {
            continue;
        }
        let path = format!("{folder}{}", String::from_utf8_lossy(&name));
        let tree = |entry: &Option<(Oid, Option<ObjectType>, i32)>| match entry {
            Some((oid, Some(ObjectType::Tree), _)) => repository.find_tree(*oid).ok(),
            _ => None,
        };
        let (below_old, below_new) = (tree(&before), tree(&after));
        if (below_old.is_some() || below_new.is_some()) && globs.iter().any(|glob| may_lie_below(glob, &path)) {
            let below = format!("{path}/");
            compare(repository, below_old.as_ref(), below_new.as_ref(), &below, globs, paths)?;
        }
        let is_file = |entry: &Option<(Oid, Option<ObjectType>, i32)>| {
            entry.is_some_and(|(_, kind, _)| kind != Some(ObjectType::Tree))
        };
        if is_file(&before) || is_file(&after) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Whether a file below `folder` could fit.
fn may_lie_below(glob: &str, folder: &str) -> bool {
    let mut parts = glob.split('/');
    for name in folder.split('/') {
        match parts.next() {
            Some("**") => return true,
            Some(part) if part == name || part.contains(['*', '?']) => {}
            _ => return false,
        }
    }
    parts.next().is_some()
}

/// The commit of HEAD; none where there is no commit yet. Only its id is asked for: its text may be one that git's
/// library refuses.
fn head(repository: &Repository) -> Result<Option<Oid>> {
    match repository.refname_to_id("HEAD") {
        Ok(oid) => Ok(Some(oid)),
        Err(e) if matches!(e.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => Ok(None),
        Err(e) => Err(unreadable(&e)),
    }
}

fn branches(repository: &Repository, tips: &mut Vec<Oid>, broken: &mut Vec<String>) -> Result<()> {
    let odb = repository.odb().map_err(|e| unreadable(&e))?;
    let is_commit = |oid: &Oid| matches!(odb.read_header(*oid), Ok((_, ObjectType::Commit)));
    for pattern in ["refs/heads/*", "refs/remotes/*"] {
        for reference in repository.references_glob(pattern).map_err(|e| unreadable(&e))? {
            let Ok(reference) = reference else { continue };
            match reference.resolve().ok().and_then(|direct| direct.target()).filter(is_commit) {
                Some(oid) => tips.push(oid),
                None => broken.push(String::from_utf8_lossy(reference.name_bytes()).into_owned()),
            }
        }
    }
    broken.sort();
    Ok(())
}

/// What `git replace` put in the place of what.
fn replaced(repository: &Repository) -> Result<HashMap<Oid, Oid>> {
    let mut replaced = HashMap::new();
    for reference in repository.references_glob("refs/replace/*").map_err(|e| unreadable(&e))? {
        let Ok(reference) = reference else { continue };
        let Ok(name) = reference.name() else { continue };
        let of = name.rsplit('/').next().and_then(|name| Oid::from_str(name).ok());
        if let (Some(of), Some(by)) = (of, reference.target()) {
            replaced.insert(of, by);
        }
    }
    Ok(replaced)
}

fn unreadable(error: &git2::Error) -> Error {
    Error::cannot("the history can't be read").because(error.message()).hint("git fsck")
}

/// Where the graph of a repository is remembered.
pub fn cache(common_dir: &Path) -> std::path::PathBuf {
    common_dir.join("bizra/history")
}
