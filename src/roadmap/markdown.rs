//! Markdown as plans use it: headings, fields, lists with boxes, tables, code. Everything else is text.
//!
//! Not a parser of Markdown at large: what has none of these shapes is passed on as it stands, so that nothing is lost.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// 0 for what stands before the first heading.
    pub(super) level: u32,
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Field(String, String),
    Text(String),
    Table(Vec<String>, Vec<Vec<String>>),
    List(Vec<Entry>),
    Code(String, String),
    Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) level: u32,
    pub(super) number: Option<u32>,
    pub(super) ticked: Option<bool>,
    pub(super) text: String,
}

pub(super) fn parse(text: &str) -> Vec<Section> {
    let lines: Vec<&str> = text.lines().collect();
    let mut sections = vec![Section { level: 0, title: String::new(), blocks: Vec::new() }];
    let mut n = 0;
    if lines.first() == Some(&"---")
        && let Some(end) = lines.iter().skip(1).position(|l| *l == "---")
    {
        push(&mut sections, Block::Code("front matter".into(), lines[1..=end].join("\n")));
        n = end + 2;
    }
    while n < lines.len() {
        let line = lines[n].trim_end();
        let inner = line.trim_start();
        if let Some((level, title)) = heading(line) {
            sections.push(Section { level, title: title.to_owned(), blocks: Vec::new() });
        } else if let Some(language) = inner.strip_prefix("```") {
            let end = (n + 1..lines.len()).find(|i| lines[*i].trim() == "```").unwrap_or(lines.len());
            push(&mut sections, Block::Code(language.trim().to_owned(), lines[n + 1..end].join("\n")));
            n = end;
        } else if inner.starts_with('|') && lines.get(n + 1).is_some_and(|l| is_separator(l)) {
            let columns = cells(inner);
            let end = (n + 2..lines.len()).find(|i| !lines[*i].trim_start().starts_with('|')).unwrap_or(lines.len());
            let rows = lines[n + 2..end].iter().map(|l| cells(l.trim())).collect();
            push(&mut sections, Block::Table(columns, rows));
            n = end - 1;
        } else if line == "---" {
            push(&mut sections, Block::Rule);
        } else if let Some(entry) = entry(line) {
            match sections.last_mut().and_then(|s| s.blocks.last_mut()) {
                Some(Block::List(list)) => list.push(entry),
                _ => push(&mut sections, Block::List(vec![entry])),
            }
        } else if let Some((key, value)) = field(inner) {
            push(&mut sections, Block::Field(key.to_owned(), value.to_owned()));
        } else if !inner.is_empty() {
            push(&mut sections, Block::Text(inner.to_owned()));
        }
        n += 1;
    }
    sections.retain(|s| s.level > 0 || !s.blocks.is_empty());
    sections
}

fn push(sections: &mut [Section], block: Block) {
    if let Some(section) = sections.last_mut() {
        section.blocks.push(block);
    }
}

fn heading(line: &str) -> Option<(u32, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let title = line[level..].strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| (u32::try_from(level).unwrap_or(6), title.trim()))
}

fn is_separator(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('|') && line.contains('-') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('|')) => {
                chars.next();
                last(&mut cells).push('|');
            }
            ('|', _) => cells.push(String::new()),
            _ => last(&mut cells).push(c),
        }
    }
    cells.into_iter().map(|c| c.trim().to_owned()).collect()
}

fn last(cells: &mut [String]) -> &mut String {
    cells.last_mut().expect("invariant: a row has a cell")
}

fn entry(line: &str) -> Option<Entry> {
    let inner = line.trim_start_matches(' ');
    let indent = line.len() - inner.len();
    let (number, rest) = match inner.strip_prefix("- ").or_else(|| inner.strip_prefix("* ")) {
        Some(rest) => (None, rest),
        None if inner == "-" => (None, ""),
        None => {
            let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
            let rest = inner[digits..].strip_prefix(". ")?;
            (Some(inner[..digits].parse().ok()?), rest)
        }
    };
    let (ticked, text) = match rest.get(..4) {
        Some("[ ] ") => (Some(false), &rest[4..]),
        Some("[x] " | "[X] ") => (Some(true), &rest[4..]),
        _ => (None, rest),
    };
    Some(Entry { level: u32::try_from(indent / 2).unwrap_or(0), number, ticked, text: text.trim().to_owned() })
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("**")?.split_once(":**")?;
    (!key.contains("**")).then(|| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shapes_are_recognised() {
        let text = "---\nk: v\n---\n# T\n**A:** b  \n\n- [x] one\n  - two\n3. three\n\n| a | b |\n|---|---|\n| 1 \\| 2 | |\n\n```sh\n# no heading\n```\nrest\n";
        let sections = parse(text);
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0].blocks, [Block::Code("front matter".into(), "k: v".into())]);
        let entry = |level, number, ticked, text: &str| Entry { level, number, ticked, text: text.into() };
        assert_eq!(
            sections[1].blocks,
            [
                Block::Field("A".into(), "b".into()),
                Block::List(vec![
                    entry(0, None, Some(true), "one"),
                    entry(1, None, None, "two"),
                    entry(0, Some(3), None, "three")
                ]),
                Block::Table(vec!["a".into(), "b".into()], vec![vec!["1 | 2".into(), String::new()]]),
                Block::Code("sh".into(), "# no heading".into()),
                Block::Text("rest".into()),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-#|*`:x\\[\\]. \\n0-9aé✅]{0,80}") {
            parse(&text);
        }
    }
}
