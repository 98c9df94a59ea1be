//! The file that a standup is kept in: which of its sections people have changed, and how they stay.
//!
//! The last line holds a digest of each section as it was written, in a comment. A section whose text no longer has its
//! digest was edited by hand, and so was one without a digest.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

const MARK: &str = "<!-- bizra standup/v1";
const MARK_END: &str = "-->";

/// A Markdown text in the parts that it is kept by: what stands before the first `###`, then section by section.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// Title and text, both with their line ends; the first has no title.
    sections: Vec<(&'a str, &'a str)>,
    /// The digests of titles, each with that of the text it was written with.
    digests: Vec<(String, String)>,
}

/// What is to happen to a standup's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is none yet, or nobody touched it: this is its new text.
    Write(String),
    /// It says what it said.
    Same,
    /// These sections were edited by hand; the first part is called `the heading`.
    Edited(Vec<String>),
}

/// A standup as it is written, with its digests.
pub fn sealed(markdown: &str) -> String {
    let parts = Parts::of(markdown);
    let digests = parts.sections.iter().map(|(title, text)| (digest(title), digest(text))).collect::<Vec<_>>();
    with_digests(markdown, &digests)
}

/// A file's text without its digests.
pub fn readable(text: &str) -> String {
    let text = unix(text);
    match text.rfind(MARK) {
        Some(at) if is_last(&text[at..]) => format!("{}\n", text[..at].trim_end()),
        _ => text,
    }
}

/// What to make of a file that is there: replaced where nobody edited it.
pub fn replace(old: Option<&str>, markdown: &str) -> Change {
    let new = sealed(markdown);
    let Some(old) = old else { return Change::Write(new) };
    if unix(old) == new {
        return Change::Same;
    }
    let old = unix(old);
    let parts = Parts::of(&old);
    let edited: Vec<String> = parts.edited().map(|title| name(title).to_owned()).chain(parts.removed()).collect();
    if edited.is_empty() { Change::Write(new) } else { Change::Edited(edited) }
}

/// The same, keeping what people edited: sections that they changed, added or took out.
pub fn update(old: Option<&str>, markdown: &str) -> (Change, Vec<String>) {
    let Some(old) = old else { return (Change::Write(sealed(markdown)), Vec::new()) };
    let old = unix(old);
    let (before, now) = (Parts::of(&old), Parts::of(markdown));
    let edited: Vec<&str> = before.edited().collect();
    let mut text = String::new();
    let mut digests = Vec::new();
    let mut kept = Vec::new();
    let is_new = |title: &str| now.sections.iter().any(|(new, _)| *new == title);
    let keep_own_after = |anchor: &str, text: &mut String, kept: &mut Vec<String>| {
        let at = before.sections.iter().position(|(title, _)| *title == anchor);
        let following = before.sections.iter().skip(at.map_or(usize::MAX, |at| at + 1));
        for (title, body) in following.take_while(|(title, _)| !is_new(title)) {
            if edited.contains(title) {
                push(text, title, body);
                kept.push(name(title).to_owned());
            }
        }
    };
    for (title, body) in &now.sections {
        let old_body = before.sections.iter().find(|(old, _)| old == title).map(|(_, body)| *body);
        let written = before.digests.iter().find(|(of, _)| *of == digest(title));
        match (old_body, written) {
            (Some(old_body), _) if edited.contains(title) => {
                push(&mut text, title, old_body);
                digests.extend(written.cloned());
                kept.push(name(title).to_owned());
            }
            (None, Some(written)) => {
                // It was written once, and somebody took it out.
                digests.push(written.clone());
                kept.push(name(title).to_owned());
            }
            _ => {
                push(&mut text, title, body);
                digests.push((digest(title), digest(body)));
            }
        }
        keep_own_after(title, &mut text, &mut kept);
    }
    let new = with_digests(&text, &digests);
    (if new == old { Change::Same } else { Change::Write(new) }, kept)
}

fn push(text: &mut String, title: &str, body: &str) {
    if !text.is_empty() && !title.is_empty() && !text.ends_with("\n\n") {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    text.push_str(title);
    text.push_str(body);
}

fn with_digests(markdown: &str, digests: &[(String, String)]) -> String {
    let mut line = String::from(MARK);
    for (title, text) in digests {
        let _ = write!(line, " {title}:{text}");
    }
    format!("{}\n\n{line} {MARK_END}\n", markdown.trim_end())
}

/// How a section is called in messages.
fn name(title: &str) -> &str {
    let title = title.trim_start_matches('#').trim();
    if title.is_empty() { "the heading" } else { title }
}

fn unix(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

/// Enough of a SHA-256 to see a change. White space at the ends of lines and of the text is none.
fn digest(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    let hash: [u8; 32] = Sha256::digest(lines.join("\n").as_bytes()).into();
    hash[..6].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (text, digests) = match text.rfind(MARK) {
            Some(at) if is_last(&text[at..]) => (&text[..at], read_digests(&text[at..])),
            _ => (text, Vec::new()),
        };
        let mut sections = Vec::new();
        let (mut title, mut start, mut at) = ("", 0, 0);
        let mut fence: Option<&str> = None;
        for line in text.split_inclusive('\n') {
            let mark = line.trim_start().get(..3).filter(|mark| matches!(*mark, "```" | "~~~"));
            fence = match (fence, mark) {
                (None, mark) => mark,
                (Some(open), Some(mark)) if open == mark => None,
                (open, _) => open,
            };
            if fence.is_none() && line.starts_with("### ") {
                sections.push((title, &text[start..at]));
                (title, start) = (line, at + line.len());
            }
            at += line.len();
        }
        sections.push((title, &text[start..]));
        Parts { sections, digests }
    }

    /// The titles of the sections that are not as they were written.
    fn edited(&self) -> impl Iterator<Item = &'a str> + '_ {
        let as_written = |title: &str, text: &str| {
            self.digests.iter().any(|(of, written)| *of == digest(title) && *written == digest(text))
        };
        self.sections.iter().filter(move |(title, text)| !as_written(title, text)).map(|(title, _)| *title)
    }

    /// Whether sections that were written are no longer there.
    fn removed(&self) -> Option<String> {
        let is_there = |of: &String| self.sections.iter().any(|(title, _)| digest(title) == *of);
        self.digests.iter().any(|(of, _)| !is_there(of)).then(|| "a section that was removed".to_owned())
    }
}

fn is_last(rest: &str) -> bool {
    rest.find(MARK_END).is_some_and(|end| rest[end + MARK_END.len()..].trim().is_empty())
}

fn read_digests(line: &str) -> Vec<(String, String)> {
    let words = line.trim_start_matches(MARK).split_whitespace();
    words.filter_map(|word| word.split_once(':')).map(|(of, text)| (of.to_owned(), text.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "## Day 1\n\n### Done\n- one\n\n### Next\n- two\n";
    const LATER: &str = "## Day 1\n\n### Done\n- more\n\n### Next\n- three\n";

    #[test]
    fn what_nobody_touched_is_replaced() {
        let file = sealed(FIRST);
        assert!(file.starts_with(FIRST.trim_end()) && file.ends_with("-->\n"));
        assert_eq!(replace(None, FIRST), Change::Write(file.clone()));
        assert_eq!(replace(Some(&file), FIRST), Change::Same);
        assert_eq!(replace(Some(&file.replace('\n', "\r\n")), FIRST), Change::Same);
        assert_eq!(replace(Some(&file), LATER), Change::Write(sealed(LATER)));
        assert_eq!(update(Some(&file), FIRST), (Change::Same, vec![]));
        assert_eq!(update(Some(&file), LATER).0, Change::Write(sealed(LATER)));
    }

    #[test]
    fn edits_are_refused_by_write_and_kept_by_update() {
        let check = |edited: &str, sections: &[&str]| {
            let Change::Edited(found) = replace(Some(edited), LATER) else { panic!("{edited}") };
            assert_eq!(found, sections, "{edited}");
            let (Change::Write(text), _) = update(Some(edited), LATER) else { panic!("{edited}") };
            let Change::Edited(still) = replace(Some(&text), LATER) else { panic!("forgotten: {text}") };
            assert_eq!(still, sections, "{text}");
            assert_eq!(update(Some(&text), LATER).0, Change::Same, "{text}");
            text
        };
        let file = sealed(FIRST);
        let text = check(&file.replace("- one", "- one and a half"), &["Done"]);
        assert!(text.contains("- one and a half") && text.contains("- three") && !text.contains("- more"));
        let text = check(&file.replace("## Day 1\n", "## Day 1, by hand\n"), &["the heading"]);
        assert!(text.starts_with("## Day 1, by hand\n") && text.contains("- more"));
        let text = check(&file.replace("### Next", "### Thanks\n- Ann\n\n### Next"), &["Thanks"]);
        assert!(text.find("Thanks") < text.find("### Next") && text.contains("- Ann"));
        let text = check(&file.replace("### Next\n- two\n", ""), &["a section that was removed"]);
        assert!(!text.contains("### Next") && text.contains("- more"));
        let text = check("my own notes\n", &["the heading"]);
        assert!(text.starts_with("my own notes\n") && text.contains("- three"));
    }

    #[test]
    fn a_sign_of_a_section_inside_a_block_of_code_is_none() {
        let file = sealed(FIRST).replace("- one", "- one\n```\n### Next\n```");
        let (Change::Write(text), kept) = update(Some(&file), LATER) else { panic!("{file}") };
        assert_eq!(kept, ["Done"]);
        assert!(text.contains("```\n### Next\n```") && text.contains("- three"), "{text}");
    }

    proptest::proptest! {
        /// Whatever people write into a file, an update loses none of their lines.
        #[test]
        fn no_line_of_anybody_is_lost(edited in "(#{0,4} ?[a-zN`<>!-]{0,9}\n){0,12}") {
            let file = sealed(FIRST).replace("- one\n", &format!("- one\n{edited}"));
            let text = match update(Some(&file), LATER).0 {
                Change::Write(text) => text,
                Change::Same => file.clone(),
                Change::Edited(_) => panic!("an update never refuses"),
            };
            for line in edited.lines().map(str::trim).filter(|line| !line.is_empty()) {
                proptest::prop_assert!(text.lines().any(|kept| kept.trim() == line), "{} is gone from {}", line, text);
            }
        }
    }
}
