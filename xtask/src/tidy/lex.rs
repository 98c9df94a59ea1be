//! Rust source as words, each with its line: enough to see what a file names, not a parser.
//!
//! Strings and characters are dropped, comments are kept aside, words inside `#[cfg(test)] mod` are marked.

use std::ops::RangeInclusive;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
    /// How many inline modules stand around it.
    pub(crate) inline: usize,
    pub(crate) in_tests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comment<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Source<'a> {
    pub(crate) words: Vec<Word<'a>>,
    pub(crate) comments: Vec<Comment<'a>>,
}

impl<'a> Source<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        let mut source = Source::default();
        let mut line = 1;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = piece(rest, first);
            let (text, after) = rest.split_at(length);
            if is_comment(text) {
                source.comments.push(Comment { text, line });
            } else if is_kept(first, text) {
                source.words.push(Word { text, line, inline: 0, in_tests: false });
            }
            line += text.matches('\n').count();
            rest = after;
        }
        source.mark_modules();
        source
    }

    fn mark_modules(&mut self) {
        let mut open: Vec<Option<bool>> = Vec::new();
        let mut test_next = false;
        for index in 0..self.words.len() {
            let text = self.words[index].text;
            if text == "{" {
                let is_module = index >= 2 && self.words[index - 2].text == "mod";
                open.push(is_module.then_some(test_next));
                test_next = false;
            } else if text == ";" {
                test_next = false;
            } else if self.follows(index, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                test_next = true;
            }
            let word = &mut self.words[index];
            word.inline = open.iter().flatten().count();
            word.in_tests = open.iter().flatten().any(|tests| *tests);
            if text == "}" {
                open.pop();
            }
        }
    }

    /// The lines of the modules that are compiled for tests alone.
    pub(crate) fn test_lines(&self) -> Vec<RangeInclusive<usize>> {
        let runs = self.words.chunk_by(|a, b| a.in_tests == b.in_tests);
        runs.filter(|run| run[0].in_tests).map(|run| run[0].line..=run[run.len() - 1].line).collect()
    }

    /// Whether the words from `index` on are these.
    pub(crate) fn follows(&self, index: usize, texts: &[&str]) -> bool {
        let words = self.words.get(index..).unwrap_or_default();
        words.len() >= texts.len() && words.iter().zip(texts).all(|(word, text)| word.text == *text)
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Words and punctuation: no spaces, no strings with or without a prefix, no characters or lifetimes.
fn is_kept(first: char, text: &str) -> bool {
    (is_word(first) || first.is_ascii_punctuation()) && !text.contains(['"', '\''])
}

fn is_comment(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*")
}

/// The length of the piece of source that `rest` begins with.
fn piece(rest: &str, first: char) -> usize {
    let to_line_end = || rest.find('\n').unwrap_or(rest.len());
    if rest.starts_with("//") {
        to_line_end()
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with("::") || rest.starts_with("->") || rest.starts_with("=>") {
        2
    } else if let Some(length) = raw_string(rest) {
        length
    } else if first == '"' {
        quoted(rest, '"')
    } else if rest.starts_with("b\"") || rest.starts_with("c\"") {
        1 + quoted(&rest[1..], '"')
    } else if rest.starts_with("b'") {
        1 + quoted(&rest[1..], '\'')
    } else if first == '\'' {
        character_or_lifetime(rest)
    } else if is_word(first) {
        rest.find(|c| !is_word(c)).unwrap_or(rest.len())
    } else {
        first.len_utf8()
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    loop {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            match here.chars().next() {
                None => return at,
                Some(c) => at += c.len_utf8(),
            }
        }
        if depth == 0 {
            return at;
        }
    }
}

/// `r"…"`, `br#"…"#` and their kin.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].iter().find(|prefix| {
        rest.strip_prefix(**prefix).is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    })?;
    let after = &rest[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let close = format!("\"{}", "#".repeat(hashes));
    let body = prefix.len() + hashes + 1;
    Some(rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut next = rest.chars().skip(1);
    match (next.next(), next.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        Source::read(text).words.iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_characters_and_comments_are_no_words() {
        assert_eq!(words(r#"a("b \" c", 'd', '\'', b'e', b"f", c"g") // h"#), "a ( , , , , , )");
        assert_eq!(words("a /* b /* c */ d */ e"), "a e");
        assert_eq!(words(r###"a r"b" r#"c "d" e"# br##"f"# g"## h"###), "a h");
        assert_eq!(words("crate::x -> y"), "crate :: x -> y");
    }

    #[test]
    fn lifetimes_do_not_swallow_what_follows() {
        assert_eq!(
            words("fn a<'b>(c: &'b str) -> Box<dyn D + 'static> { e }"),
            "fn a < > ( c : & str ) -> Box < dyn D + > { e }"
        );
    }

    #[test]
    fn unfinished_pieces_end_with_the_text() {
        for text in ["a \"b", "a /* b", "a r#\"b", "a 'b", "a '", "a '\\"] {
            assert!(words(text).starts_with('a'), "{text}");
        }
    }

    #[test]
    fn lines_count_through_strings_and_comments() {
        let source = Source::read("a\n\"b\nc\"\n/* d\n */ e // f\n// g\nh");
        let lines: Vec<_> = source.words.iter().map(|word| (word.text, word.line)).collect();
        assert_eq!(lines, [("a", 1), ("e", 5), ("h", 7)]);
        let comments: Vec<_> = source.comments.iter().map(|comment| comment.line).collect();
        assert_eq!(comments, [4, 5, 6]);
    }

    #[test]
    fn words_know_the_modules_around_them() {
        let source =
            Source::read("a; mod b { c { d } } #[cfg(test)] mod e { mod f { g } } #[cfg(test)] mod h; mod i { j }");
        let find = |text: &str| source.words.iter().find(|word| word.text == text).unwrap();
        assert_eq!((find("a").inline, find("a").in_tests), (0, false));
        assert_eq!((find("d").inline, find("d").in_tests), (1, false));
        assert_eq!((find("g").inline, find("g").in_tests), (2, true));
        assert_eq!((find("j").inline, find("j").in_tests), (1, false));
    }
}
