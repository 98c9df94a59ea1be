//! `bizra.lock`: which bytes of which models were reviewed, so that what runs elsewhere is what was looked at here.
//!
//! A list of files, each with its repository, the commit, its size and the SHA-256 of its content. A repository has one
//! commit: its name means that one wherever the lock holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::name::is_repo;
use super::{is_hex, is_safe, shown};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    pub repo: String,
    /// Path below the repository.
    pub file: String,
    /// The commit: 40 hexadecimal digits.
    pub revision: String,
    /// Of the content: 64 hexadecimal digits.
    pub sha256: String,
    pub bytes: u64,
}

/// Sorted by repository and file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    files: Vec<Locked>,
}

/// What is wrong, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFault {
    pub offset: usize,
    pub reason: String,
}

impl fmt::Display for LockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for LockFault {}

const HEAD: &str = "\
# The models that were reviewed, by their bytes. Written by `bizra model pull --lock`, obeyed by `--locked`.
version = 1
";

const FIELDS: [&str; 5] = ["repo", "revision", "file", "sha256", "bytes"];

impl Lock {
    pub fn parse(text: &str) -> Result<Self, LockFault> {
        let fault = |offset, reason: String| LockFault { offset, reason };
        let table = DeTable::parse(text).map_err(|e| {
            fault(e.span().map_or(0, |s| s.start), e.message().lines().next().unwrap_or("this is no TOML").to_owned())
        })?;
        let mut version = false;
        let mut files: Vec<Locked> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut commits: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in table.get_ref().iter() {
            let start = value.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("version", DeValue::Integer(number)) if number.as_str() == "1" => version = true,
                ("version", _) => return Err(fault(start, "`version` is not 1: another bizra wrote this".to_owned())),
                ("file", DeValue::Array(entries)) => {
                    for entry in entries.iter() {
                        let locked = read(entry)?;
                        let at = entry.span().start;
                        if !seen.insert((locked.repo.clone(), locked.file.clone())) {
                            return Err(fault(
                                at,
                                format!("{} of {} is there twice", shown(&locked.file), locked.repo),
                            ));
                        }
                        let commit = commits.entry(locked.repo.clone()).or_insert_with(|| locked.revision.clone());
                        if *commit != locked.revision {
                            return Err(fault(at, format!("{} is there with two revisions", locked.repo)));
                        }
                        files.push(locked);
                    }
                }
                ("file", _) => return Err(fault(start, "`file` is no list of tables: write [[file]]".to_owned())),
                (other, _) => return Err(fault(key.span().start, format!("unknown key {}", shown(other)))),
            }
        }
        if !version {
            return Err(fault(0, "it has no `version`".to_owned()));
        }
        files.sort();
        Ok(Lock { files })
    }

    /// As it is written: the same files give the same bytes.
    pub fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        for Locked { repo, file, revision, sha256, bytes } in &self.files {
            let file = file.replace('"', "\\\"");
            let _ = write!(
                text,
                "\n[[file]]\nrepo = \"{repo}\"\nrevision = \"{revision}\"\nfile = \"{file}\"\nsha256 = \"{sha256}\"\nbytes = {bytes}\n"
            );
        }
        text
    }

    pub fn files(&self) -> &[Locked] {
        &self.files
    }

    /// The commit that this repository's name stands for.
    pub fn revision(&self, repo: &str) -> Option<&str> {
        self.of(repo).next().map(|locked| locked.revision.as_str())
    }

    pub fn of(&self, repo: &str) -> impl Iterator<Item = &Locked> {
        self.files.iter().filter(move |locked| locked.repo == repo)
    }

    /// Takes these in. Files of another commit of the same repository make room.
    pub fn put(&mut self, reviewed: Vec<Locked>) {
        for new in reviewed {
            self.files.retain(|old| old.repo != new.repo || (old.revision == new.revision && old.file != new.file));
            self.files.push(new);
        }
        self.files.sort();
    }
}

fn read(entry: &Spanned<DeValue<'_>>) -> Result<Locked, LockFault> {
    let fault = |offset, reason: String| LockFault { offset, reason };
    let at = entry.span().start;
    let DeValue::Table(table) = entry.get_ref() else {
        return Err(fault(at, "an entry is no table: write [[file]]".to_owned()));
    };
    if let Some((key, _)) = table.iter().find(|(key, _)| !FIELDS.contains(&key.get_ref().as_ref())) {
        return Err(fault(key.span().start, format!("unknown key {}", shown(key.get_ref()))));
    }
    let value = |field: &str| table.get(field).ok_or_else(|| fault(at, format!("the entry has no `{field}`")));
    let text = |field: &str, fits: &dyn Fn(&str) -> bool, wanted: &str| {
        let value = value(field)?;
        match value.get_ref() {
            DeValue::String(text) if fits(text) => Ok(text.clone().into_owned()),
            _ => Err(fault(value.span().start, format!("`{field}` is no {wanted}"))),
        }
    };
    let size = value("bytes")?;
    let bytes = match size.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    Ok(Locked {
        repo: text("repo", &is_repo, "repository: OWNER/NAME")?,
        revision: text("revision", &|hex| is_hex(hex, 40), "commit of 40 hexadecimal digits")?,
        file: text("file", &is_safe, "path below a repository")?,
        sha256: text("sha256", &|hex| is_hex(hex, 64), "SHA-256 of 64 hexadecimal digits")?,
        bytes: bytes.ok_or_else(|| fault(size.span().start, "`bytes` is no number of bytes".to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locked(repo: &str, file: &str, commit: char) -> Locked {
        let (repo, file) = (repo.to_owned(), file.to_owned());
        Locked { repo, file, revision: commit.to_string().repeat(40), sha256: "5".repeat(64), bytes: 7 }
    }

    fn lock(files: Vec<Locked>) -> Lock {
        let mut lock = Lock::default();
        lock.put(files);
        lock
    }

    #[test]
    fn it_is_written_sorted_and_read_back() {
        let written = lock(vec![locked("z/b", "m.gguf", 'a'), locked("a/b", "\"x\".gguf", 'b')]).render();
        insta::assert_snapshot!(written, @r#"
        # The models that were reviewed, by their bytes. Written by `bizra model pull --lock`, obeyed by `--locked`.
        version = 1

        [[file]]
        repo = "a/b"
        revision = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        file = "\"x\".gguf"
        sha256 = "5555555555555555555555555555555555555555555555555555555555555555"
        bytes = 7

        [[file]]
        repo = "z/b"
        revision = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        file = "m.gguf"
        sha256 = "5555555555555555555555555555555555555555555555555555555555555555"
        bytes = 7
        "#);
        assert_eq!(Lock::parse(&written).map(|lock| lock.render()), Ok(written));
        assert_eq!(Lock::parse("version = 1\n"), Ok(Lock::default()));
    }

    #[test]
    fn a_new_commit_of_a_repository_takes_the_place_of_the_old_one() {
        let mut held = lock(vec![locked("a/b", "1", 'a'), locked("a/b", "2", 'a'), locked("c/d", "1", 'a')]);
        held.put(vec![locked("a/b", "2", 'a')]);
        assert_eq!(held.files().len(), 3);
        held.put(vec![locked("a/b", "2", 'b')]);
        assert_eq!(held.of("a/b").map(|l| l.file.as_str()).collect::<Vec<_>>(), ["2"]);
        assert_eq!(held.revision("c/d"), Some("a".repeat(40).as_str()));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        let good = lock(vec![locked("a/b", "m.gguf", 'a')]).render();
        let entry = good.split("version = 1\n").nth(1).expect("an entry");
        let check = |text: &str, line: usize, reason: &str| {
            let fault = Lock::parse(text).expect_err(reason);
            let found = text[..fault.offset].matches('\n').count() + 1;
            assert_eq!((found, fault.reason.as_str()), (line, reason), "{text}");
        };
        check("", 1, "it has no `version`");
        check("version = 2\n", 1, "`version` is not 1: another bizra wrote this");
        check("version = 1\nfile = 3\n", 2, "`file` is no list of tables: write [[file]]");
        check("version = 1\nfile = [3]\n", 2, "an entry is no table: write [[file]]");
        check("version = 1\nmodel = 3\n", 2, "unknown key \"model\"");
        check(&format!("{good}{entry}"), 11, "\"m.gguf\" of a/b is there twice");
        let other = entry.replace("m.gguf", "n.gguf").replace(&"a".repeat(40), &"b".repeat(40));
        check(&format!("{good}{other}"), 11, "a/b is there with two revisions");
        check(&good.replace("m.gguf", "../m.gguf"), 7, "`file` is no path below a repository");
        check(&good.replace("a/b", "a/../b"), 5, "`repo` is no repository: OWNER/NAME");
        check(&good.replace("aaaaaaaa", "AAAAAAAA"), 6, "`revision` is no commit of 40 hexadecimal digits");
        check(&good.replace("55555", "5555"), 8, "`sha256` is no SHA-256 of 64 hexadecimal digits");
        check(&good.replace("bytes = 7", "bytes = -7"), 9, "`bytes` is no number of bytes");
        check(&good.replace("bytes = 7\n", ""), 4, "the entry has no `bytes`");
        check(&good.replace("bytes = 7", "bytes = 7\nsize = 7"), 10, "unknown key \"size\"");
        assert!(Lock::parse("version = \u{0}").is_err());
    }

    proptest! {
        #[test]
        fn parse_after_render_is_identity(files in prop::collection::vec(("[ab]/[ab]{1,2}", "[a-z\"'#é]{1,3}(/x\\.gguf)?", 0u64..), 0..6)) {
            let made = |(repo, file, bytes): (String, String, u64)| Locked { bytes, ..locked(&repo, &file, 'c') };
            let written = lock(files.into_iter().map(made).collect());
            prop_assert_eq!(Lock::parse(&written.render()), Ok(written));
        }

        #[test]
        fn a_byte_changed_anywhere_is_refused_or_read_without_a_fall(at in 0usize..400, to in any::<char>()) {
            let good = lock(vec![locked("a/b", "m.gguf", 'a')]).render();
            let mut signs: Vec<char> = good.chars().collect();
            let at = at % signs.len();
            signs[at] = to;
            let text: String = signs.into_iter().collect();
            match Lock::parse(&text) {
                Ok(lock) => prop_assert!(lock.files().iter().all(|l| is_repo(&l.repo) && is_safe(&l.file))),
                Err(fault) => prop_assert!(fault.offset <= text.len()),
            }
        }
    }
}
