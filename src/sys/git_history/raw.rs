//! A commit's bytes, read as they come: what is wrong with one line says nothing about the others.

use std::collections::HashSet;
use std::path::Path;

use git2::Oid;

use crate::sprint::standup::Who;
use crate::sprint::standup::commit::who;

/// Of a longer message its beginning and its end are kept, where subject and trailers stand.
const LONGEST_MESSAGE: usize = 64 << 10;
const KEPT_END: usize = 8 << 10;

#[derive(Default)]
pub(super) struct Commit<'a> {
    tree: Option<&'a [u8]>,
    pub(super) parents: Vec<Oid>,
    author: Option<&'a [u8]>,
    committer: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    message: &'a [u8],
}

impl<'a> Commit<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut commit = Commit::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                commit.message = rest;
                break;
            }
            let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
            let value = &line[space + 1..];
            match &line[..space] {
                b"tree" => commit.tree = Some(value),
                b"parent" => commit.parents.extend(oid(value)),
                b"author" => commit.author = commit.author.or(Some(value)),
                b"committer" => commit.committer = commit.committer.or(Some(value)),
                b"encoding" => commit.encoding = Some(value),
                _ => {}
            }
        }
        commit
    }

    pub(super) fn tree(&self) -> Option<Oid> {
        self.tree.and_then(oid)
    }

    /// Seconds since 1970 by the committer's clock.
    pub(super) fn time(&self) -> Option<i64> {
        self.committer.and_then(time)
    }

    pub(super) fn author(&self) -> (Who, Option<i64>) {
        let Some(line) = self.author else { return (Who::default(), None) };
        let end = line.iter().rposition(|byte| *byte == b'>').map_or(line.len(), |at| at + 1);
        (who(&self.text(&line[..end])).unwrap_or_default(), time(line))
    }

    pub(super) fn message(&self) -> String {
        if self.message.len() <= LONGEST_MESSAGE {
            return self.text(self.message);
        }
        let (begin, end) =
            (&self.message[..LONGEST_MESSAGE - KEPT_END], &self.message[self.message.len() - KEPT_END..]);
        // The kept end begins in the middle of a line, which is told apart by being one of its own.
        format!("{}\n{}", self.text(begin), self.text(end))
    }

    /// UTF-8 where the commit doesn't say otherwise; what can't be decoded is replaced.
    fn text(&self, bytes: &[u8]) -> String {
        let encoding = self.encoding.and_then(encoding_rs::Encoding::for_label);
        let (text, _) = encoding.unwrap_or(encoding_rs::UTF_8).decode_without_bom_handling(bytes);
        text.into_owned()
    }
}

fn oid(hex: &[u8]) -> Option<Oid> {
    std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 40).and_then(|hex| Oid::from_str(hex).ok())
}

/// The number after the address.
fn time(line: &[u8]) -> Option<i64> {
    let after = line.iter().rposition(|byte| *byte == b'>')? + 1;
    std::str::from_utf8(&line[after..]).ok()?.split_whitespace().next()?.parse().ok()
}

/// The commits whose parents a shallow clone doesn't have.
pub(super) fn shallow_roots(common_dir: &Path) -> HashSet<Oid> {
    let text = super::super::files::read_if_there(&common_dir.join("shallow")).ok().flatten().unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| oid(line.trim_ascii())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_wrong_leave_the_others_right() {
        let parent = "1".repeat(40);
        let text = format!(
            "tree xx\nparent {parent}\nparent short\nauthor <> \ncommitter A <a@b> -5 +0000\ngpgsig x\n y\n\nsubject\n"
        );
        let commit = Commit::read(text.as_bytes());
        assert_eq!((commit.parents.len(), commit.tree(), commit.time()), (1, None, Some(-5)));
        assert_eq!((commit.author(), commit.message()), ((Who::default(), None), "subject\n".to_owned()));
        for odd in ["", "\n", "author", "committer A > x", "author A <a@b> 99999999999999999999 +0000\n\nm"] {
            let commit = Commit::read(odd.as_bytes());
            assert_eq!((commit.time(), commit.author().1), (None, None), "{odd}");
        }
    }

    #[test]
    fn encodings_and_huge_messages() {
        let latin = b"author Andr\xe9 <a@b> 7 +0000\nencoding ISO-8859-1\n\nna\xefve";
        let commit = Commit::read(latin);
        assert_eq!((commit.author().0.name, commit.message()), ("André".to_owned(), "naïve".to_owned()));
        let broken = b"author A\xff <a@b> 7 +0000\n\nx\xffy";
        assert_eq!(Commit::read(broken).message(), "x\u{fffd}y");
        let huge = format!("author A <a@b> 7 +0000\n\nsubject\n\n{}\n\nBizra-Item: A1\n", "word ".repeat(1 << 20));
        let message = Commit::read(huge.as_bytes()).message();
        assert!(message.len() <= LONGEST_MESSAGE + 1 && message.starts_with("subject\n"));
        assert_eq!(crate::sprint::standup::commit::trailers(&message)[0].1, "A1");
    }
}
