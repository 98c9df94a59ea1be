//! `REPO[:QUANT][@REVISION]`: a model on a hub, as people write it.

use std::fmt;

use super::shown;

/// Each part is a sound part of a path and of an address; none leads anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// `OWNER/NAME`
    pub repo: &'a str,
    /// A word of the file's name, or the whole of it.
    pub quant: Option<&'a str>,
    /// A branch, a tag, a commit.
    pub revision: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFault {
    Repo(String),
    Quant(String),
    Revision(String),
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(text) => write!(f, "{} is no repository: write OWNER/NAME", shown(text)),
            Self::Quant(text) => write!(f, "{} after the colon is no word of a file's name", shown(text)),
            Self::Revision(text) => write!(f, "{} after the @ is no branch, tag or commit", shown(text)),
        }
    }
}

impl std::error::Error for NameFault {}

/// What a hub would still take as the name of an owner or of a repository.
const LONGEST_PART: usize = 96;
const LONGEST_WORD: usize = 255;

fn is_word(text: &str) -> bool {
    (1..=LONGEST_WORD).contains(&text.len())
        && !text.starts_with('.')
        && !text.contains("..")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `OWNER/NAME`. Two hyphens stand for the slash in the cache's folder names, so no part may have them.
pub fn is_repo(text: &str) -> bool {
    let part = |part: &str| {
        is_word(part)
            && part.len() <= LONGEST_PART
            && !part.contains("--")
            && !part.starts_with('-')
            && !part.ends_with(['-', '.'])
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

fn are_words(text: &str) -> bool {
    text.len() <= LONGEST_WORD && text.split('/').all(is_word)
}

impl<'a> Name<'a> {
    pub fn parse(text: &'a str) -> Result<Self, NameFault> {
        let (rest, revision) = text.rsplit_once('@').map_or((text, None), |(rest, revision)| (rest, Some(revision)));
        let (repo, quant) = rest.split_once(':').map_or((rest, None), |(repo, quant)| (repo, Some(quant)));
        if !is_repo(repo) {
            return Err(NameFault::Repo(repo.to_owned()));
        }
        if let Some(quant) = quant.filter(|quant| !are_words(quant)) {
            return Err(NameFault::Quant(quant.to_owned()));
        }
        if let Some(revision) = revision.filter(|revision| !are_words(revision)) {
            return Err(NameFault::Revision(revision.to_owned()));
        }
        Ok(Name { repo, quant, revision })
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.repo)?;
        if let Some(quant) = self.quant {
            write!(f, ":{quant}")?;
        }
        if let Some(revision) = self.revision {
            write!(f, "@{revision}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_safe;
    use proptest::prelude::*;

    #[test]
    fn names_of_repositories_are_told_from_paths() {
        let parsed = |text| Name::parse(text).map(|n| (n.repo, n.quant, n.revision));
        assert_eq!(parsed("a/b"), Ok(("a/b", None, None)));
        assert_eq!(parsed("a/b:Q4_0@main"), Ok(("a/b", Some("Q4_0"), Some("main"))));
        assert_eq!(parsed("a/b@refs/pr/3"), Ok(("a/b", None, Some("refs/pr/3"))));
        assert_eq!(parsed("a/b:BF16/x.gguf"), Ok(("a/b", Some("BF16/x.gguf"), None)));
        for path in ["", "/", "model.gguf", "./a/b", "a/b/c", "../a", "a/..", "/a/b", "a/b c", "a--b/c", "a/-b", "é/b"]
        {
            assert_eq!(parsed(path), Err(NameFault::Repo(path.to_owned())), "{path}");
        }
        for (name, quant) in
            [("a/b:", ""), ("a/b:..", ".."), ("a/b:q/../x", "q/../x"), ("a/b:/q", "/q"), ("a/b:c:d", "c:d")]
        {
            assert_eq!(parsed(name), Err(NameFault::Quant(quant.to_owned())), "{name}");
        }
        for (name, revision) in [("a/b@", ""), ("a/b@../main", "../main"), ("a/b@c:d", "c:d"), ("a/b@a//b", "a//b")] {
            assert_eq!(parsed(name), Err(NameFault::Revision(revision.to_owned())), "{name}");
        }
        let long = format!("a/{}", "b".repeat(97));
        assert!(Name::parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_for_a_name_is_written_back_and_leads_nowhere_else(text in "[ab./:@_ -]{0,12}|a/b[:@][ab./:@-]{0,8}|\\PC{0,12}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(name.to_string(), text.as_str());
                prop_assert_eq!(name.repo.matches('/').count(), 1);
                for part in [Some(name.repo), name.quant, name.revision].into_iter().flatten() {
                    prop_assert!(is_safe(part), "{}", part);
                }
                // As folder names in the cache, different repositories stay different.
                prop_assert_eq!(name.repo.replace('/', "--").replacen("--", "/", 1), name.repo);
            }
        }
    }
}
