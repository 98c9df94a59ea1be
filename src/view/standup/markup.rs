//! A standup as Markdown, HTML or Slack's markup. Everything that others wrote is cleaned and escaped on its way.

use crate::sprint::standup::{Entry, Group, Mark, Standup, short};
use crate::ui::clean;
use crate::view::escape;

/// As many receipts as are named in a line.
const MOST_RECEIPTS: usize = 3;

/// How one kind of markup writes what a line is made of.
trait Markup {
    fn text(text: &str) -> String;
    fn strong(text: &str) -> String;
    fn code(text: &str) -> String;
}

fn line<M: Markup>(entry: &Entry) -> String {
    let mut parts = Vec::new();
    match &entry.mark {
        Mark::None => {}
        Mark::Work(id) => parts.push(M::strong(id)),
        Mark::Commit(id) => parts.push(M::code(short(id))),
    }
    if !entry.text.is_empty() {
        parts.push(M::text(&entry.text));
    }
    let mut line = parts.join(" ");
    if !entry.who.is_empty() {
        line += &format!(" ({})", M::text(&entry.who.join(", ")));
    }
    if !entry.words.is_empty() {
        let words: Vec<String> = entry.words.iter().map(|words| M::text(words)).collect();
        line += &format!(": {}", words.join("; "));
    }
    if !entry.receipts.is_empty() {
        let ids: Vec<String> = entry.receipts.iter().take(MOST_RECEIPTS).map(|id| M::code(short(id))).collect();
        line += &format!(" — receipt {}", ids.join(", "));
        if entry.receipts.len() > MOST_RECEIPTS {
            line += &format!(" and {} more", entry.receipts.len() - MOST_RECEIPTS);
        }
    }
    line
}

struct Markdown;

impl Markup for Markdown {
    fn text(text: &str) -> String {
        escape::markdown_line(text)
    }

    fn strong(text: &str) -> String {
        format!("**{}**", Self::text(text))
    }

    fn code(text: &str) -> String {
        format!("`{}`", clean::one_line(text).replace('`', "'"))
    }
}

struct Html;

impl Markup for Html {
    fn text(text: &str) -> String {
        escape::xml(text.trim())
    }

    fn strong(text: &str) -> String {
        format!("<strong>{}</strong>", Self::text(text))
    }

    fn code(text: &str) -> String {
        format!("<code>{}</code>", Self::text(text))
    }
}

struct Slack;

impl Markup for Slack {
    /// The three characters that Slack wants escaped; what would format is broken by a space of no width.
    fn text(text: &str) -> String {
        let text = clean::one_line(text);
        let mut escaped = String::with_capacity(text.len());
        for c in text.trim().chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '*' | '~' | '`' | '@' => {
                    escaped.push('\u{200b}');
                    escaped.push(c);
                    escaped.push('\u{200b}');
                }
                _ => escaped.push(c),
            }
        }
        escaped
    }

    fn strong(text: &str) -> String {
        format!("*{}*", Self::text(text))
    }

    fn code(text: &str) -> String {
        format!("`{}`", Self::text(text))
    }
}

pub(crate) fn markdown(standup: &Standup) -> String {
    let mut text = format!("## {}\n", Markdown::text(&standup.heading));
    if !standup.notes.is_empty() {
        let notes: Vec<String> = standup.notes.iter().map(|note| Markdown::text(note)).collect();
        text += &format!("\n> {}\n", notes.join(" "));
    }
    for section in &standup.sections {
        text += &format!("\n### {}\n", Markdown::text(&section.title));
        for (number, group) in section.groups.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            if let Some(label) = &group.label {
                text += &format!("{}\n", Markdown::strong(label));
            }
            for entry in all(group) {
                text += &format!("- {}\n", line::<Markdown>(&entry));
                for under in &entry.under {
                    text += &format!("  - {}\n", line::<Markdown>(under));
                }
            }
        }
    }
    text
}

pub(crate) fn html(standup: &Standup) -> String {
    let heading = Html::text(&standup.heading);
    let mut text = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{}: {heading}</title>\n<h2>{heading}</h2>\n",
        Html::text(&standup.title)
    );
    for note in &standup.notes {
        text += &format!("<p><em>{}</em></p>\n", Html::text(note));
    }
    for section in &standup.sections {
        text += &format!("<h3>{}</h3>\n", Html::text(&section.title));
        for group in &section.groups {
            if let Some(label) = &group.label {
                text += &format!("<p>{}</p>\n", Html::strong(label));
            }
            text += "<ul>\n";
            for entry in all(group) {
                text += &format!("<li>{}", line::<Html>(&entry));
                if !entry.under.is_empty() {
                    let under: Vec<String> =
                        entry.under.iter().map(|under| format!("<li>{}</li>", line::<Html>(under))).collect();
                    text += &format!("\n<ul>{}</ul>", under.concat());
                }
                text += "</li>\n";
            }
            text += "</ul>\n";
        }
    }
    text
}

pub(crate) fn slack(standup: &Standup) -> String {
    let mut text = format!("{}\n", Slack::strong(&standup.heading));
    for note in &standup.notes {
        text += &format!("> {}\n", Slack::text(note));
    }
    for section in &standup.sections {
        text += &format!("\n{}\n", Slack::strong(&section.title));
        for group in &section.groups {
            if let Some(label) = &group.label {
                text += &format!("{}:\n", Slack::text(label));
            }
            for entry in all(group) {
                text += &format!("• {}\n", line::<Slack>(&entry));
                for under in &entry.under {
                    text += &format!("    ◦ {}\n", line::<Slack>(under));
                }
            }
        }
    }
    text
}

/// The entries of a group, and how many it leaves out.
fn all(group: &Group) -> Vec<Entry> {
    let mut entries = group.entries.clone();
    if group.more > 0 {
        entries.push(Entry { text: format!("and {} more", group.more), ..Entry::default() });
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        for (text, markdown, slack) in [
            ("plain snake_case", "plain snake_case", "plain snake_case"),
            ("_x_ *y* <b>", r"\_x\_ \*y\* \<b\>", "_x_ \u{200b}*\u{200b}y\u{200b}*\u{200b} &lt;b&gt;"),
            ("# not a heading", r"\# not a heading", "# not a heading"),
            ("1. no list", r"1\. no list", "1. no list"),
            ("1.5B", "1.5B", "1.5B"),
            ("2026-01-30", "2026-01-30", "2026-01-30"),
            ("- no list", r"\- no list", "- no list"),
            (
                "[a](http://x) & `c`",
                r"\[a\](http&#58;//x) \& \`c\`",
                "[a](http://x) &amp; \u{200b}`\u{200b}c\u{200b}`\u{200b}",
            ),
            ("<!channel> @here", r"\<!channel\> &#64;here", "&lt;!channel&gt; \u{200b}@\u{200b}here"),
            ("\u{1b}[31mred\u{202e}\nline", "red line", "red line"),
        ] {
            assert_eq!(Markdown::text(text), markdown);
            assert_eq!(Slack::text(text), slack);
        }
        assert_eq!(Html::text("<script>\"&"), "&lt;script&gt;&quot;&amp;");
        assert_eq!(Markdown::code("a`b"), "`a'b`");
    }

    proptest::proptest! {
        #[test]
        fn one_line_stays_one_line(text in ".*") {
            for shown in [Markdown::text(&text), Html::text(&text), Slack::text(&text), Markdown::code(&text)] {
                let is_one = !shown.contains(['\n', '\r', '\u{1b}']);
                proptest::prop_assert!(is_one, "{shown:?}");
            }
        }
    }
}
