//! A report told once and shown in three ways: as a page for a terminal, as Markdown, as JSON.

use serde_json::Value;

use super::View;
use super::escape;
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

    fn grid(&self) -> Grid {
        let mut grid = Grid::new(self.header.iter().copied());
        self.rows.iter().for_each(|row| grid.row(row));
        grid
    }

    fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        let mut text = line(&mut self.header.iter().map(|(name, _)| (*name).to_owned()));
        let rule = |(_, align): &(&str, Align)| if *align == Align::Right { "---:" } else { "---" }.to_owned();
        text += &line(&mut self.header.iter().map(rule));
        for row in &self.rows {
            text += &line(&mut row.iter().map(|cell| escape::markdown(cell)));
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
                Part::Title(title) => text += &format!("# {}\n", escape::markdown_line(title)),
                Part::Heading(heading) => text += &format!("## {}\n", escape::markdown_line(heading)),
                Part::Line(_, line) => text += &format!("{}\n", escape::markdown_line(line)),
                Part::Entry(words, depth) => {
                    let words: String = words.iter().map(|(_, word)| escape::markdown(word)).collect();
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
                Part::Table(table) => page.grid(table.grid()),
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
        work  state    hours
        A1    pro|ven      8
              <b>
        B2                12
          one [x](y)
            two
        ▁█
        ");
        insta::assert_snapshot!(sheet(Format::Markdown).page().render(Look::default()), @r"
        # Sprint “a”

        day 1 of 2

        | work | state | hours |
        | --- | --- | ---: |
        | A1 | pro\|ven \<b\> | 8 |
        | B2 |  | 12 |

        - one \[x\](y)
          - two

        ```text
        ▁█
        ```
        ");
    }
}
