//! Text of others inside markup: shown as it was written, and never acted on.

use crate::ui::clean;

/// Inside an element or an attribute of XML and HTML.
pub(crate) fn xml(text: &str) -> String {
    let text = clean::one_line(text);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Within a line or a table's cell of Markdown, as GitHub reads it.
pub(crate) fn markdown(text: &str) -> String {
    let text = clean::one_line(text);
    let characters: Vec<char> = text.chars().collect();
    let is_word = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(|c| c.is_alphanumeric());
    let mut safe = String::with_capacity(text.len());
    for (at, c) in characters.iter().enumerate() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '~' | '$' | '|' | '#' => safe.extend(['\\', *c]),
            // Inside a word it means nothing, and identifiers stay readable.
            '_' if !(is_word(at.checked_sub(1)) && is_word(Some(at + 1))) => safe.push_str("\\_"),
            // A mention and an address would become links.
            '@' => safe.push_str("&#64;"),
            ':' if characters[at + 1..].starts_with(&['/', '/']) => safe.push_str("&#58;"),
            c => safe.push(*c),
        }
    }
    safe
}

/// The same where it begins a line, and could open a list.
pub(crate) fn markdown_line(text: &str) -> String {
    let text = text.trim();
    let safe = markdown(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut after = text[digits..].chars();
    match (digits, after.next(), after.next()) {
        (0, Some('-' | '+' | '='), _) => format!("\\{safe}"),
        (1.., Some('.' | ')'), None | Some(' ')) => format!("{}\\{}", &safe[..digits], &safe[digits..]),
        _ => safe,
    }
}

/// A word of a command that is shown to be typed: in quotes where a shell would read more than a word in it.
pub(crate) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '=' | ',' | ':' | '+' | '@');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{markdown, markdown_line, shell, xml};

    #[test]
    fn a_word_for_a_shell_is_one() {
        assert_eq!(shell("kernels/mine.kernel.yaml"), "kernels/mine.kernel.yaml");
        assert_eq!(shell("a b$(touch x).yaml"), "'a b$(touch x).yaml'");
        assert_eq!(shell("it's"), "'it'\\''s'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn markup_in_text_is_text() {
        assert_eq!(xml("<a href=\"x\">it's & \u{1b}[31mred"), "&lt;a href=&quot;x&quot;&gt;it&#39;s &amp; red");
        for (text, safe) in [
            ("model_answers in _all_", "model_answers in \\_all\\_"),
            (
                "a|b <i> *x* `y` [z](u) #7 $1$ ~~no~~",
                "a\\|b \\<i\\> \\*x\\* \\`y\\` \\[z\\](u) \\#7 \\$1\\$ \\~\\~no\\~\\~",
            ),
            ("ask @ada at https://x.org", "ask &#64;ada at https&#58;//x.org"),
            ("R&D: 50 %", "R\\&D: 50 %"),
        ] {
            assert_eq!(markdown(text), safe);
        }
    }

    #[test]
    fn what_would_open_a_list_at_the_beginning_does_not() {
        for (text, safe) in [
            ("- one", "\\- one"),
            ("1. one", "1\\. one"),
            ("12)", "12\\)"),
            ("1.5 hours", "1.5 hours"),
            ("# heading", "\\# heading"),
            ("a - b", "a - b"),
            ("", ""),
        ] {
            assert_eq!(markdown_line(text), safe);
        }
    }
}
