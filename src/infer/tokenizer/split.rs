//! Hand-written splitters for the most common pre-tokenizer patterns. Each is equal to the regular expression that
//! its comment quotes, which the tests check.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

/// `\p{L}`, `\p{N}` or `\s`.
pub(super) fn kind(c: char) -> Kind {
    match c {
        'a'..='z' | 'A'..='Z' => Kind::Letter,
        '0'..='9' => Kind::Number,
        '\t'..='\r' | ' ' => Kind::Space,
        '\0'..='\x7f' => Kind::Other,
        _ if LETTERS.contains(c) => Kind::Letter,
        _ if NUMBERS.contains(c) => Kind::Number,
        _ if c.is_whitespace() => Kind::Space,
        _ => Kind::Other,
    }
}

pub(super) struct Set(Box<[(char, char)]>);

pub(super) static LETTERS: LazyLock<Set> = LazyLock::new(|| Set::of(r"\p{L}"));
pub(super) static NUMBERS: LazyLock<Set> = LazyLock::new(|| Set::of(r"\p{N}"));
pub(super) static DIGITS: LazyLock<Set> = LazyLock::new(|| Set::of(r"\p{Nd}"));

impl Set {
    fn of(class: &str) -> Self {
        let hir = regex_syntax::parse(class).expect("invariant: a Unicode class of ours");
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else {
            unreachable!("a Unicode class parses to a class");
        };
        Self(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
    }

    pub(super) fn contains(&self, c: char) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= c);
        after > 0 && c <= self.0[after - 1].1
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: bytes of the first match.
pub(super) fn gpt2(text: &str) -> usize {
    if let Some(len) = contraction(text, |byte| byte) {
        return len;
    }
    let lead = usize::from(text.starts_with(' '));
    match text[lead..].chars().next().map(kind) {
        Some(body @ (Kind::Letter | Kind::Number | Kind::Other)) => lead + run(&text[lead..], body),
        _ => spaces(text),
    }
}

/// `'(?i:s|t|re|ve|m|ll|d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
/// letters of the contractions in either case: bytes of the first match.
pub(super) fn words(text: &str, digits: usize) -> usize {
    if let Some(len) = contraction(text, |byte| byte.to_ascii_lowercase()) {
        return len;
    }
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return 0 };
    let second = chars.as_str();
    match kind(first) {
        Kind::Letter => return run(text, Kind::Letter),
        Kind::Number => {
            return text.chars().take(digits).take_while(|&c| kind(c) == Kind::Number).map(char::len_utf8).sum();
        }
        _ if first != '\r' && first != '\n' && second.chars().next().is_some_and(|c| kind(c) == Kind::Letter) => {
            return first.len_utf8() + run(second, Kind::Letter);
        }
        _ => {}
    }
    let lead = usize::from(first == ' ');
    let marks = run(&text[lead..], Kind::Other);
    if marks > 0 {
        let rest = &text[lead + marks..];
        return lead + marks + rest.bytes().take_while(|&byte| byte == b'\r' || byte == b'\n').count();
    }
    let blank = &text[..run(text, Kind::Space)];
    match blank.rfind(['\r', '\n']) {
        Some(last) => last + 1,
        None => spaces(text),
    }
}

/// `\s+(?!\S)|\s+`
fn spaces(text: &str) -> usize {
    let all = run(text, Kind::Space);
    let last = text[..all].chars().next_back().map_or(0, char::len_utf8);
    if all == text.len() || all == last { all } else { all - last }
}

fn run(text: &str, wanted: Kind) -> usize {
    text.char_indices().find(|&(_, c)| kind(c) != wanted).map_or(text.len(), |(at, _)| at)
}

fn contraction(text: &str, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let [b'\'', rest @ ..] = text.as_bytes() else { return None };
    match *rest.first().map(|&byte| fold(byte)).as_ref()? {
        b's' | b't' | b'm' | b'd' => Some(2),
        first => match (first, fold(*rest.get(1)?)) {
            (b'r' | b'v', b'e') | (b'l', b'l') => Some(3),
            _ => None,
        },
    }
}

/// Runs of `digits` cut into threes from the right; everything between them stays whole.
pub(super) fn thousands<'t>(text: &'t str, digits: &Set, emit: &mut dyn FnMut(&'t str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let other = rest.find(|c| digits.contains(c)).unwrap_or(rest.len());
        if other > 0 {
            emit(&rest[..other]);
            rest = &rest[other..];
        }
        let end = rest.find(|c| !digits.contains(c)).unwrap_or(rest.len());
        let (mut number, after) = rest.split_at(end);
        let mut left = number.chars().count();
        while left > 0 {
            let take = if left.is_multiple_of(3) { 3 } else { left % 3 };
            let bytes = number.chars().take(take).map(char::len_utf8).sum();
            emit(&number[..bytes]);
            number = &number[bytes..];
            left -= take;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str, first: impl Fn(&str) -> usize) -> Vec<&str> {
        let mut rest = text;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(first(rest));
            parts.push(part);
            rest = after;
        }
        parts
    }

    fn by_pattern<'t>(pattern: &str, text: &'t str) -> Vec<&'t str> {
        let regex = fancy_regex::Regex::new(pattern).expect("ours");
        regex.find_iter(text).map(|m| m.expect("short").as_str()).collect()
    }

    const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    const WORDS: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    #[test]
    fn known_cuts() {
        assert_eq!(cut("Hello  world's\n\n 42!!", gpt2), ["Hello", " ", " world", "'s", "\n\n", " 42", "!!"]);
        assert_eq!(
            cut("Hello  world'LL\n\n 42!!\n1234", |t| words(t, 3)),
            ["Hello", " ", " world", "'LL", "\n\n", " ", "42", "!!\n", "123", "4"]
        );
        assert_eq!(cut("12é³", |t| words(t, 1)), ["1", "2", "é", "³"]);
    }

    #[test]
    fn thousands_count_from_the_right() {
        let mut parts = Vec::new();
        thousands("a1234567b12", &DIGITS, &mut |part| parts.push(part));
        assert_eq!(parts, ["a", "1", "234", "567", "b", "12"]);
    }

    fn texts() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[ a-dA-D'sStTrReEvVlL0-9\\r\\n\\t!?.éß中٣½\u{a0}\u{3000}\u{301}👍]{0,40}")
            .expect("ours")
    }

    proptest! {
        #[test]
        fn gpt2_equals_its_pattern(text in texts()) {
            prop_assert_eq!(cut(&text, gpt2), by_pattern(GPT2, &text));
        }

        #[test]
        fn words_equal_their_pattern(text in texts()) {
            prop_assert_eq!(cut(&text, |t| words(t, 3)), by_pattern(WORDS, &text));
        }

        #[test]
        fn any_text_is_cut_without_loss(text in any::<String>()) {
            prop_assert_eq!(cut(&text, gpt2).concat(), text.clone());
            prop_assert_eq!(cut(&text, |t| words(t, 1)).concat(), text);
        }
    }
}
