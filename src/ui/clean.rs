//! Text that we did not write, made safe to show.
//!
//! Model output, YAML strings and commit messages can hold escape sequences that repaint a terminal and direction
//! overrides that make a line read backwards. What is removed here never reaches a terminal, a table or Markdown.

use std::borrow::Cow;

/// `text` without control characters, escape sequences and direction overrides; line breaks and tabs become spaces.
pub fn one_line(text: &str) -> Cow<'_, str> {
    filter(text, |c| matches!(c, '\n' | '\t'))
}

/// The same for text of several lines, which stay; carriage returns go.
pub fn lines(text: &str) -> Cow<'_, str> {
    filter(text, |_| false)
}

fn filter(text: &str, becomes_space: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| becomes_space(c) || !harmless(c)) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            c if becomes_space(c) => kept.push(' '),
            c if harmless(c) => kept.push(c),
            _ => {}
        }
    }
    Cow::Owned(kept)
}

fn harmless(c: char) -> bool {
    match c {
        '\n' | '\t' => true,
        // Direction marks, embeddings, overrides and isolates; line and paragraph separators; tags; the byte order mark.
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}' | '\u{feff}' => false,
        c => !c.is_control(),
    }
}

/// After ESC: a control sequence, a string such as a window title or a link, or a short sequence (ECMA-48).
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.clone().next() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        Some(' '..='/') => {
            while matches!(rest.clone().next(), Some(' '..='/')) {
                rest.next();
            }
            if matches!(rest.clone().next(), Some('0'..='~')) {
                rest.next();
            }
        }
        Some('0'..='~') => {
            rest.next();
        }
        _ => {}
    }
}

fn skip_control_sequence(rest: &mut std::str::Chars<'_>) {
    while matches!(rest.clone().next(), Some(' '..='?')) {
        rest.next();
    }
    if matches!(rest.clone().next(), Some('@'..='~')) {
        rest.next();
    }
}

/// To the string's terminator. An unterminated one ends with its line, so that it can't swallow the rest of a text.
fn skip_string(rest: &mut std::str::Chars<'_>) {
    loop {
        match rest.clone().next() {
            None | Some('\n') => return,
            Some('\u{7}' | '\u{9c}') => {
                rest.next();
                return;
            }
            Some('\u{1b}') => {
                rest.next();
                if rest.clone().next() == Some('\\') {
                    rest.next();
                }
                return;
            }
            Some(_) => {
                rest.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_go_and_text_stays() {
        let check = |dirty: &str, clean: &str| assert_eq!(one_line(dirty), clean, "{dirty:?}");
        check("plain", "plain");
        check("\u{1b}[31mred\u{1b}[0m", "red");
        check("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}!", "link!");
        check("\u{1b}]0;title never ended", "");
        check("\u{9b}2Jcleared", "cleared");
        check("\u{1b}(Bset\u{1b}7", "set");
        check("evil\u{202e}txt.exe", "eviltxt.exe");
        check("a\r\nb\tc\0", "a b c");
        check("الرسالة ✅ 🏳️‍🌈", "الرسالة ✅ 🏳️‍🌈");
        assert_eq!(lines("a\r\n\u{1b}]0;open\nb"), "a\n\nb", "an open string ends with its line");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_survives(text in any::<String>()) {
            let clean = one_line(&text);
            prop_assert!(clean.chars().all(|c| harmless(c) && c != '\n' && c != '\t'));
            prop_assert_eq!(&*one_line(&clean), &*clean, "cleaning twice changes nothing");
        }
    }
}
