//! A commit as a standup sees it, and the trailers of its message.

/// Somebody, after the repository's mailmap.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    pub name: String,
    pub email: String,
}

impl Who {
    /// How people are called where there is room for one word.
    pub fn called(&self) -> &str {
        if !self.name.is_empty() {
            &self.name
        } else if !self.email.is_empty() {
            &self.email
        } else {
            "somebody without a name"
        }
    }

    /// Whether this is who was asked for: the name, the address, or both as git writes them, and nothing like them.
    pub fn is(&self, asked: &str) -> bool {
        let full = || format!("{} <{}>", self.name, self.email);
        !asked.is_empty() && (self.name == asked || self.email.eq_ignore_ascii_case(asked) || full() == asked)
    }

    pub fn same(&self, other: &Who) -> bool {
        let by_address = !self.email.is_empty() || !other.email.is_empty();
        if by_address { self.email.eq_ignore_ascii_case(&other.email) } else { self.name == other.name }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub parents: usize,
    pub author: Who,
    /// Each once, and not the author again.
    pub coauthors: Vec<Who>,
    /// When it was committed, in seconds since 1970: this decides which day it belongs to.
    pub time: i64,
    /// When it was written, which a rebase leaves as it was.
    pub authored: Option<i64>,
    pub message: String,
    /// The files that it changed, where they were looked at.
    pub paths: Vec<String>,
    /// Other commits with the same author, time and message, such as those a rebase left behind.
    pub copies: Vec<String>,
}

impl Commit {
    pub fn is_merge(&self) -> bool {
        self.parents > 1
    }

    pub fn subject(&self) -> &str {
        self.message.trim_start().lines().next().unwrap_or_default().trim()
    }

    pub fn by(&self) -> impl Iterator<Item = &Who> {
        std::iter::once(&self.author).chain(&self.coauthors)
    }
}

/// The `Key: value` lines that end a message, in their order. The subject is none of them.
pub fn trailers(message: &str) -> Vec<(&str, String)> {
    let lines: Vec<&str> = message.trim_end().lines().collect();
    let mut found = Vec::new();
    let mut end = lines.len();
    loop {
        let start = lines[..end].iter().rposition(|line| line.trim().is_empty()).map_or(0, |blank| blank + 1);
        let Some(block) = (start > 0).then(|| block(&lines[start..end])).flatten() else { break };
        found.splice(0..0, block);
        end = lines[..start].iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    }
    found
}

/// A paragraph of nothing but trailers and their continuations.
fn block<'a>(lines: &[&'a str]) -> Option<Vec<(&'a str, String)>> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, value) = found.last_mut()?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_key {
            return None;
        }
        found.push((key, value.trim().to_owned()));
    }
    (!found.is_empty()).then_some(found)
}

/// The people that `Co-authored-by` names.
pub fn coauthors(message: &str) -> Vec<Who> {
    let named = trailers(message).into_iter().filter(|(key, _)| key.eq_ignore_ascii_case("co-authored-by"));
    named.filter_map(|(_, value)| who(&value)).collect()
}

/// `Name <address>`; a bare name or address stands for itself.
pub fn who(text: &str) -> Option<Who> {
    let text = text.trim();
    let who = match text.split_once('<') {
        Some((name, rest)) => {
            let email = rest.split('>').next().unwrap_or_default();
            Who { name: name.trim().to_owned(), email: email.trim().to_owned() }
        }
        None if text.contains('@') => Who { name: String::new(), email: text.to_owned() },
        None => Who { name: text.to_owned(), email: String::new() },
    };
    (who != Who::default()).then_some(who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_end_a_message_and_the_subject_is_none() {
        let check = |message: &str, expected: &[(&str, &str)]| {
            let found = trailers(message);
            let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (*key, value.as_str())).collect();
            assert_eq!(found, expected, "{message:?}");
        };
        check("Bizra-Item: A1", &[]);
        check("subject\n\nBizra-Item: A1\n", &[("Bizra-Item", "A1")]);
        check("subject\n\nbody: it is\nno trailer\n", &[]);
        check("s\n\nbody\n\nA: 1\nB: 2\n  and more\n\nC: 3\r\n\n", &[("A", "1"), ("B", "2 and more"), ("C", "3")]);
        check("s\n\nA: 1\n\nlast words", &[]);
        check("s\n\n  indented first: no\n", &[]);
        check("", &[]);
        check("\n\n\n", &[]);
        check("s\n\nwords\nA: 2", &[]);
    }

    #[test]
    fn people_are_read_as_they_are_written() {
        let named = |name: &str, email: &str| Some(Who { name: name.into(), email: email.into() });
        assert_eq!(who("Ann Lee <ann@example.org>"), named("Ann Lee", "ann@example.org"));
        assert_eq!(who("<ann@example.org>"), named("", "ann@example.org"));
        assert_eq!(who("ann@example.org"), named("", "ann@example.org"));
        assert_eq!(who("Ann <open"), named("Ann", "open"));
        assert_eq!((who(" <> "), who("")), (None, None));
        let found = coauthors("s\n\nCo-Authored-By: Ann <a@x>\nCo-authored-by: \nco-authored-by: Bo <b@x>\n");
        assert_eq!(found.iter().map(Who::called).collect::<Vec<_>>(), ["Ann", "Bo"]);
    }

    #[test]
    fn an_author_is_asked_for_exactly() {
        let ann = Who { name: "Ann".into(), email: "ann@example.org".into() };
        assert!(ann.is("Ann") && ann.is("ANN@example.org") && ann.is("Ann <ann@example.org>"));
        assert!(!ann.is("An") && !ann.is("ann") && !ann.is("example.org") && !ann.is(""));
        assert!(!Who::default().is("") && Who::default().called().contains("without"));
    }
}
