//! What a command says to people: lines and tables, laid out for the reader's width and colours.
//!
//! Every text is cleaned on entry, so that a view can't pass an escape sequence on by forgetting to.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::clean;

/// How a word is meant; colours follow from it, and no meaning is told by colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Warn,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    #[default]
    Left,
    Right,
}

/// The reader's side: what can be shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub colour: bool,
    /// Columns; none where the reader is no terminal, and lines stay as long as they are.
    pub width: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Line {
    spans: Vec<(Tone, String)>,
    hang: usize,
    cut: bool,
}

impl Line {
    pub fn new() -> Self {
        Line::default()
    }

    #[must_use]
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.toned(Tone::Plain, text)
    }

    #[must_use]
    pub fn toned(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.spans.push((tone, clean::one_line(text.as_ref()).into_owned()));
        self
    }

    /// A word filled up to `width` columns, so that what follows stands in a column.
    #[must_use]
    pub fn column(mut self, tone: Tone, text: impl AsRef<str>, width: usize) -> Self {
        let text = clean::one_line(text.as_ref()).into_owned();
        let fill = " ".repeat((width + 1).saturating_sub(text.width()).max(1));
        self.spans.push((tone, text));
        self.spans.push((Tone::Plain, fill));
        self
    }

    /// Wrapped continuations start `columns` to the right.
    #[must_use]
    pub fn hanging(mut self, columns: usize) -> Self {
        self.hang = columns;
        self
    }

    /// Too long for the terminal it ends with `…` and is never wrapped, for lines that draw something together.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    fn render_cut(&self, width: usize, colour: bool, out: &mut String) {
        let whole: usize = self.spans.iter().map(|(_, text)| text.width()).sum();
        let mut left = if whole > width { width.saturating_sub(1) } else { width };
        let mut line = String::new();
        for (tone, text) in &self.spans {
            let mut part = String::new();
            for c in text.chars() {
                let columns = c.width().unwrap_or(0);
                if columns > left {
                    left = 0;
                    break;
                }
                part.push(c);
                left -= columns;
            }
            paint(*tone, &part, colour, &mut line);
            if left == 0 {
                break;
            }
        }
        out.push_str(line.trim_end_matches(' '));
        out.push_str(if whole > width { "…\n" } else { "\n" });
    }

    fn render(&self, look: Look, out: &mut String) {
        if let Some(width) = look.width.filter(|_| self.cut) {
            return self.render_cut(width.max(8), look.colour, out);
        }
        let Some(width) = look.width else {
            let mut line = String::new();
            self.spans.iter().for_each(|(tone, text)| paint(*tone, text, look.colour, &mut line));
            out.push_str(line.trim_end_matches(' '));
            out.push('\n');
            return;
        };
        let width = width.max(8);
        let hang = self.hang.min(width / 3);
        let mut line = String::new();
        let mut used = 0;
        let mut pending_space = String::new();
        for (tone, text) in &self.spans {
            for piece in text.split_inclusive(' ') {
                let word = piece.trim_end_matches(' ');
                let space = &piece[word.len()..];
                if !word.is_empty() {
                    if used > hang && used + pending_space.width() + word.width() > width {
                        out.push_str(line.trim_end_matches(' '));
                        out.push('\n');
                        line = " ".repeat(hang);
                        used = hang;
                        pending_space.clear();
                    }
                    line.push_str(&pending_space);
                    used += pending_space.width();
                    pending_space.clear();
                    used = push_word(word, *tone, look, width, hang, used, &mut line, out);
                }
                pending_space.push_str(space);
            }
        }
        out.push_str(line.trim_end_matches(' '));
        out.push('\n');
    }
}

/// Adds a word, broken where it is wider than a whole line; returns the columns then used.
#[expect(clippy::too_many_arguments, reason = "the state of one line being filled")]
fn push_word(
    word: &str,
    tone: Tone,
    look: Look,
    width: usize,
    hang: usize,
    mut used: usize,
    line: &mut String,
    out: &mut String,
) -> usize {
    let mut part = String::new();
    for c in word.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns > width {
            paint(tone, &part, look.colour, line);
            part.clear();
            out.push_str(line);
            out.push('\n');
            *line = " ".repeat(hang);
            used = hang;
        }
        part.push(c);
        used += columns;
    }
    paint(tone, &part, look.colour, line);
    used
}

fn paint(tone: Tone, text: &str, colour: bool, out: &mut String) {
    let code = tone.code();
    if colour && !code.is_empty() && !text.trim().is_empty() {
        out.push_str("\u{1b}[");
        out.push_str(code);
        out.push('m');
        out.push_str(text);
        out.push_str("\u{1b}[0m");
    } else {
        out.push_str(text);
    }
}

/// The blanks between two columns of a grid.
const GAP: usize = 2;

/// No word up to this width is broken in a grid; longer ones are ids and paths.
const WHOLE: usize = 24;

/// Rows of cells below a header. Where the terminal is too narrow for whole words side by side, each row becomes a block
/// of lines, a line for each cell.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    header: Vec<String>,
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub fn new<S: AsRef<str>>(header: impl IntoIterator<Item = (S, Align)>) -> Self {
        let (header, aligns) = header.into_iter().map(|(h, a)| (clean::one_line(h.as_ref()).into_owned(), a)).unzip();
        Grid { header, aligns, rows: Vec::new() }
    }

    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|c| clean::one_line(c.as_ref()).into_owned()).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns of the terminal that it takes when nothing is wrapped.
    pub fn width(&self) -> usize {
        let widest = |cell: &str| cell.width();
        self.across(widest).iter().sum::<usize>() + GAP * self.header.len().saturating_sub(1)
    }

    /// For each column the greatest measure of its cells.
    fn across(&self, measure: impl Fn(&str) -> usize) -> Vec<usize> {
        let cells = |i: usize| std::iter::once(&self.header).chain(&self.rows).filter_map(move |row| row.get(i));
        (0..self.header.len()).map(|i| cells(i).map(|cell| measure(cell)).max().unwrap_or(0)).collect()
    }

    fn render(&self, look: Look, out: &mut String) {
        let least = self.across(|cell| cell.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0).min(WHOLE));
        let needed = least.iter().sum::<usize>() + GAP * least.len().saturating_sub(1);
        if let Some(width) = look.width.filter(|width| needed > *width && least.len() > 1) {
            return self.render_records(Look { width: Some(width), ..look }, out);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        // The last column's gap is cut off below.
        table.set_width(look.width.map_or(u16::MAX, |w| u16::try_from(w.max(8) + GAP).unwrap_or(u16::MAX)));
        table.set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        for (i, align) in self.aligns.iter().enumerate() {
            if let Some(column) = table.column_mut(i) {
                column.set_padding((0, GAP as u16));
                if look.width.is_some() {
                    let least = u16::try_from(least[i] + GAP).unwrap_or(u16::MAX);
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
                }
                if *align == Align::Right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        for (i, line) in table.lines().enumerate() {
            let tone = if i == 0 { Tone::Strong } else { Tone::Plain };
            paint(tone, line.trim_end(), look.colour, out);
            out.push('\n');
        }
    }
}

/// Facts up to this width share a line of a record.
const SHORT: usize = 14;

impl Grid {
    fn render_records(&self, look: Look, out: &mut String) {
        // Columns without a name, such as marks, stand before the first that has one.
        let heads = self.header.iter().position(|name| !name.is_empty()).unwrap_or(0) + 1;
        for row in &self.rows {
            let (head, rest) = row.split_at(heads.min(row.len()));
            let head: Vec<&str> = head.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
            Line::new().toned(Tone::Strong, head.join(" ")).hanging(4).render(look, out);
            let facts = self.header.iter().skip(heads).zip(rest).filter(|(_, cell)| !cell.is_empty());
            let (short, long): (Vec<_>, Vec<_>) = facts.partition(|(_, cell)| cell.width() <= SHORT);
            let told = |line: Line, (name, cell): (&String, &String)| {
                let blank = if name.is_empty() { "" } else { " " };
                line.toned(Tone::Dim, name).text(blank).text(cell)
            };
            if !short.is_empty() {
                let line = short.into_iter().enumerate().fold(Line::new().text("  "), |line, (at, fact)| {
                    told(if at > 0 { line.text(", ") } else { line }, fact)
                });
                line.hanging(4).render(look, out);
            }
            long.into_iter().for_each(|fact| told(Line::new().text("  "), fact).hanging(4).render(look, out));
        }
    }
}

enum Block {
    Line(Line),
    Grid(Grid),
    Verbatim(String),
    Either { columns: usize, wide: Page, narrow: Page },
}

/// The whole of what is shown, from top to bottom.
#[derive(Default)]
pub struct Page(Vec<Block>);

impl Page {
    pub fn new() -> Self {
        Page::default()
    }

    pub fn line(&mut self, line: Line) {
        self.0.push(Block::Line(line));
    }

    pub fn text(&mut self, text: impl AsRef<str>) {
        self.line(Line::new().text(text));
    }

    pub fn heading(&mut self, text: impl AsRef<str>) {
        self.line(Line::new().toned(Tone::Strong, text));
    }

    pub fn blank(&mut self) {
        self.line(Line::new());
    }

    pub fn grid(&mut self, grid: Grid) {
        self.0.push(Block::Grid(grid));
    }

    /// Text that another program reads (a script, a file): passed on byte for byte, never wrapped. Ours alone.
    pub fn verbatim(&mut self, text: impl Into<String>) {
        self.0.push(Block::Verbatim(text.into()));
    }

    /// `wide` where the reader has this many columns or is no terminal, else `narrow`: the same, told in less room.
    pub fn either(&mut self, columns: usize, wide: Page, narrow: Page) {
        self.0.push(Block::Either { columns, wide, narrow });
    }

    pub fn render(&self, look: Look) -> String {
        let mut out = String::new();
        for block in &self.0 {
            match block {
                Block::Line(line) => line.render(look, &mut out),
                Block::Grid(grid) => grid.render(look, &mut out),
                Block::Verbatim(text) => out.push_str(text),
                Block::Either { columns, wide, narrow } => {
                    let room = look.width.is_none_or(|width| width >= *columns);
                    out.push_str(&if room { wide } else { narrow }.render(look));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(width: usize) -> Look {
        Look { colour: false, width: Some(width) }
    }

    #[test]
    fn lines_wrap_at_words_and_hang() {
        let line = Line::new().column(Tone::Good, "ok", 7).text("the quick brown fox jumps over").hanging(4);
        let mut page = Page::new();
        page.line(line);
        insta::assert_snapshot!(page.render(at(20)), @r"
        ok      the quick
            brown fox jumps
            over
        ");
        insta::assert_snapshot!(page.render(Look::default()), @"ok      the quick brown fox jumps over");
    }

    #[test]
    fn drawn_lines_are_cut_and_pages_choose_by_width() {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Dim, "├─● ").text("الرسالة and more").cut());
        assert_eq!(page.render(at(12)), "├─● الرسالة…\n");
        assert_eq!(page.render(at(20)), "├─● الرسالة and more\n");
        assert_eq!(page.render(Look::default()), "├─● الرسالة and more\n");
        let (mut wide, mut narrow) = (Page::new(), Page::new());
        wide.text("wide");
        narrow.text("narrow");
        let mut page = Page::new();
        page.either(60, wide, narrow);
        assert_eq!([at(59), at(60), Look::default()].map(|l| page.render(l)), ["narrow\n", "wide\n", "wide\n"]);
    }

    #[test]
    fn grids_keep_to_the_width() {
        let mut grid = Grid::new([("model", Align::Left), ("tok/s", Align::Right)]);
        grid.row(["a-model-with-a-long-name", "8.63"]);
        grid.row(["الرسالة", "120.0"]);
        let mut page = Page::new();
        page.grid(grid);
        insta::assert_snapshot!(page.render(at(31)), @r"
        model                     tok/s
        a-model-with-a-long-name   8.63
        الرسالة                   120.0
        ");
        insta::assert_snapshot!(page.render(at(20)), @r"
        a-model-with-a-long-
            name
          tok/s 8.63
        الرسالة
          tok/s 120.0
        ");
        insta::assert_snapshot!(page.render(Look::default()), @r"
        model                     tok/s
        a-model-with-a-long-name   8.63
        الرسالة                   120.0
        ");
    }

    #[test]
    fn grids_wrap_between_words_and_become_records_before_words_break() {
        let mut grid = Grid::new([("", Align::Left), ("kernel", Align::Left), ("what it is", Align::Left)]);
        grid.row(["ok", "attention-f32", "Flash attention over keys and values"]);
        grid.row(["", "rope", ""]);
        assert_eq!(grid.width(), 2 + 2 + 13 + 2 + 36);
        let mut page = Page::new();
        page.grid(grid);
        insta::assert_snapshot!(page.render(at(40)), @r"
            kernel         what it is
        ok  attention-f32  Flash attention over
                           keys and values
            rope
        ");
        insta::assert_snapshot!(page.render(at(24)), @r"
        ok attention-f32
          what it is Flash
            attention over keys
            and values
        rope
        ");
    }

    #[test]
    fn colour_wraps_words_only_when_asked() {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Bad, "broken\u{1b}[2J").text(" x"));
        assert_eq!(page.render(Look { colour: true, width: None }), "\u{1b}[1;31mbroken\u{1b}[0m x\n");
        assert_eq!(page.render(Look::default()), "broken x\n");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(text in "[a-z الر✅]{0,80}", width in 8usize..60) {
            let mut page = Page::new();
            page.line(Line::new().text(&text).hanging(3));
            let shown = page.render(at(width));
            for line in shown.lines() {
                prop_assert!(line.width() <= width, "{line:?}");
            }
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&shown), letters(&text), "nothing is lost");
        }
    }
}
