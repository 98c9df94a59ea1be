//! A report told once and shown in three ways: as a page for a terminal, as Markdown, as JSON.
//!
//! A table that is wider than the terminal becomes a record a row, so that a narrow one can be read.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::View;
use crate::ui::{Align, Grid, Line, Page, Tone, clean};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Markdown,
}

pub(crate) struct Sheet {
    parts: Vec<Part>,
    format: Format,
    json: Value,
}

enum Part {
    Title(String),
    Heading(String),
    Line(Tone, String),
    Entry(Vec<(Tone, String)>, usize),
    Table(Table),
    /// Our own characters, column by column.
    Drawing(Vec<String>),
    Gap,
}

const SHORT: usize = 14;

/// Cells of others' words are cleaned and escaped where they are shown.
pub(crate) struct Table {
    header: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: impl IntoIterator<Item = (&'static str, Align)>) -> Self {
        Table { header: header.into_iter().collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean::one_line(&cell).into_owned()).collect());
    }

    fn width(&self) -> usize {
        let column = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
            cells.chain([self.header[at].0.width()]).max().unwrap_or(0) + 2
        };
        (0..self.header.len()).map(column).sum()
    }

    fn page(&self) -> Page {
        let mut grid = Grid::new(self.header.iter().copied());
        self.rows.iter().for_each(|row| grid.row(row));
        let mut page = Page::new();
        page.grid(grid);
        page
    }

    fn records(&self) -> Page {
        let mut page = Page::new();
        for row in &self.rows {
            let mut cells = self.header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            if let Some((_, first)) = cells.next() {
                page.line(Line::new().toned(Tone::Strong, first).hanging(2));
            }
            // Short facts share a line, long ones have their own.
            let (short, long): (Vec<_>, Vec<_>) = cells.partition(|(_, cell)| cell.width() <= SHORT);
            let mut line = Line::new().text("  ");
            for (at, ((name, _), cell)) in short.iter().enumerate() {
                let comma = if at > 0 { ", " } else { "" };
                line = line.text(comma).toned(Tone::Dim, format!("{name} ")).text(cell);
            }
            if !short.is_empty() {
                page.line(line.hanging(4));
            }
            for ((name, _), cell) in long {
                page.line(Line::new().toned(Tone::Dim, format!("  {name} ")).text(cell).hanging(4));
            }
        }
        page
    }

    fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        let mut text = line(&mut self.header.iter().map(|(name, _)| (*name).to_owned()));
        let rule = |(_, align): &(&str, Align)| if *align == Align::Right { "---:" } else { "---" }.to_owned();
        text += &line(&mut self.header.iter().map(rule));
        for row in &self.rows {
            text += &line(&mut row.iter().map(|cell| escaped(cell)));
        }
        text
    }
}

impl Sheet {
    pub(crate) fn new(format: Format) -> Self {
        Sheet { parts: Vec::new(), format, json: Value::Null }
    }

    pub(crate) fn title(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Title(text.into()));
    }

    pub(crate) fn heading(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Heading(text.into()));
    }

    pub(crate) fn line(&mut self, text: impl Into<String>) {
        self.toned(Tone::Plain, text);
    }

    pub(crate) fn toned(&mut self, tone: Tone, text: impl Into<String>) {
        self.parts.push(Part::Line(tone, text.into()));
    }

    /// A point of a list, at a depth, of words that stand out or don't.
    pub(crate) fn entry(&mut self, depth: usize, words: impl IntoIterator<Item = (Tone, String)>) {
        self.parts.push(Part::Entry(words.into_iter().collect(), depth));
    }

    pub(crate) fn table(&mut self, table: Table) {
        self.parts.push(Part::Table(table));
    }

    pub(crate) fn drawing(&mut self, lines: Vec<String>) {
        self.parts.push(Part::Drawing(lines));
    }

    pub(crate) fn gap(&mut self) {
        self.parts.push(Part::Gap);
    }

    #[must_use]
    pub(crate) fn with_json(mut self, json: Value) -> Self {
        self.json = json;
        self
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        let blank = |text: &mut String| {
            if !text.is_empty() && !text.ends_with("\n\n") {
                text.push('\n');
            }
        };
        let mut in_list = false;
        for part in &self.parts {
            let is_entry = matches!(part, Part::Entry(..));
            if !is_entry || !in_list {
                blank(&mut text);
            }
            in_list = is_entry;
            match part {
                Part::Title(title) => text += &format!("# {}\n", escaped(title)),
                Part::Heading(heading) => text += &format!("## {}\n", escaped(heading)),
                Part::Line(_, line) => text += &format!("{}\n", escaped(line)),
                Part::Entry(words, depth) => {
                    let words: String = words.iter().map(|(_, word)| escaped(word)).collect();
                    text += &format!("{}- {}\n", "  ".repeat(*depth), words.trim());
                }
                Part::Table(table) => text += &table.markdown(),
                Part::Drawing(lines) => text += &format!("```text\n{}\n```\n", lines.join("\n")),
                Part::Gap => {}
            }
        }
        text
    }

    fn shown(&self) -> Page {
        let mut page = Page::new();
        for part in &self.parts {
            match part {
                Part::Title(text) | Part::Heading(text) => {
                    page.line(Line::new().toned(Tone::Strong, text).hanging(2));
                }
                Part::Line(tone, text) => page.line(Line::new().toned(*tone, text).hanging(2)),
                Part::Entry(words, depth) => {
                    let indent = " ".repeat(2 * (depth + 1));
                    let line =
                        words.iter().fold(Line::new().text(indent), |line, (tone, word)| line.toned(*tone, word));
                    page.line(line.hanging(2 * depth + 4));
                }
                Part::Table(table) => page.either(table.width(), table.page(), table.records()),
                Part::Drawing(lines) => lines.iter().for_each(|line| page.line(Line::new().text(line).cut())),
                Part::Gap => page.blank(),
            }
        }
        page
    }
}

impl View for Sheet {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => self.shown(),
            Format::Markdown => {
                let mut page = Page::new();
                page.verbatim(self.markdown());
                page
            }
        }
    }

    fn json(&self) -> Value {
        self.json.clone()
    }
}

/// Words on one line in which Markdown and HTML mean nothing.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean::one_line(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '#' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Look;

    fn sheet(format: Format) -> Sheet {
        let mut sheet = Sheet::new(format);
        sheet.title("Sprint “a”");
        sheet.line("day 1 of 2");
        let mut table = Table::new([("work", Align::Left), ("state", Align::Left), ("hours", Align::Right)]);
        table.row(["A1".into(), "pro|ven \u{1b}[31m<b>".into(), "8".into()]);
        table.row(["B2".into(), String::new(), "12".into()]);
        sheet.table(table);
        sheet.entry(0, [(Tone::Strong, "one ".to_owned()), (Tone::Plain, "[x](y)".to_owned())]);
        sheet.entry(1, [(Tone::Plain, "two".to_owned())]);
        sheet.drawing(vec!["▁█".into()]);
        sheet
    }

    #[test]
    fn one_report_in_three_ways() {
        let at = |width| sheet(Format::Table).page().render(Look { colour: false, width });
        insta::assert_snapshot!(at(None), @r"
        Sprint “a”
        day 1 of 2
        work  state        hours
        A1    pro|ven <b>      8
        B2                    12
          one [x](y)
            two
        ▁█
        ");
        insta::assert_snapshot!(at(Some(20)), @r"
        Sprint “a”
        day 1 of 2
        A1
          state pro|ven <b>,
            hours 8
        B2
          hours 12
          one [x](y)
            two
        ▁█
        ");
        insta::assert_snapshot!(sheet(Format::Markdown).page().render(Look::default()), @r"
        # Sprint “a”

        day 1 of 2

        | work | state | hours |
        | --- | --- | ---: |
        | A1 | pro\|ven &lt;b&gt; | 8 |
        | B2 |  | 12 |

        - one \[x\](y)
          - two

        ```text
        ▁█
        ```
        ");
    }
}
