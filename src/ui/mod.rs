//! The only code that prints.
//!
//! stdout carries the answer and nothing else; warnings, notes, refusals and progress go to stderr. A view hands over a
//! [`Page`] or a JSON value, and this module decides how it looks to the reader at hand.

pub mod clean;
mod page;
mod progress;

use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressDrawTarget;

pub use page::{Align, Grid, Line, Look, Page, Tone};
pub use progress::{Progress, Unit};

use crate::env::Output;
use crate::error::{Error, Exit, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

/// How talkative the run is on stderr.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    pub colour: Colour,
    pub quiet: bool,
    pub verbose: u8,
}

pub struct Ui {
    out: Output,
    err: Output,
    voice: Voice,
    out_look: Look,
    err_look: Look,
    /// How many lines of a screen stand there now.
    drawn: usize,
}

impl Ui {
    /// `no_colour` is the user's general wish (`NO_COLOR`, a dumb terminal), which `Colour::Always` overrides.
    pub fn new(out: Output, err: Output, voice: Voice, no_colour: bool) -> Self {
        let look = |stream: &Output| Look {
            colour: match voice.colour {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => stream.terminal && !no_colour,
            },
            width: stream.width.filter(|_| stream.terminal),
        };
        Ui { out_look: look(&out), err_look: look(&err), out, err, voice, drawn: 0 }
    }

    /// The answer, for people. Nothing is written in part: the page is laid out whole first.
    pub fn answer(&mut self, page: &Page) -> Result<()> {
        let text = page.render(self.out_look);
        self.raw(text.as_bytes())
    }

    /// Whether [`Ui::screen`] has something to draw on.
    pub fn has_screen(&self) -> bool {
        self.out.terminal
    }

    /// A page in the place of the one before. It is drawn where it stands and nothing of the terminal is switched, so
    /// that the last one stays when the run ends, however it ends.
    pub fn screen(&mut self, page: &Page) -> Result<()> {
        let text = page.render(self.out_look);
        let room = self.out.height.unwrap_or(24).max(3) - 1;
        let lines: Vec<&str> = text.lines().collect();
        let mut drawing = if self.drawn > 0 { format!("\x1b[{}F\x1b[J", self.drawn) } else { String::new() };
        let shown = if lines.len() > room { room - 1 } else { lines.len() };
        for line in &lines[..shown] {
            drawing.push_str(line);
            drawing.push('\n');
        }
        if shown < lines.len() {
            drawing.push_str(&format!("… {} more lines\n", lines.len() - shown));
        }
        self.drawn = lines.len().min(room);
        self.raw(drawing.as_bytes())
    }

    /// The answer, for programs: one document on one line.
    pub fn document(&mut self, value: &serde_json::Value) -> Result<()> {
        self.raw(format!("{value}\n").as_bytes())
    }

    /// Bytes of the answer as they are, written through at once: for streams and scripts.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .sink
            .write_all(bytes)
            .and_then(|()| self.out.sink.flush())
            .map_err(|e| Error::writing("the answer", &e))
    }

    /// A model's words as they come: cleaned where a terminal shows them, byte for byte where a program reads them.
    pub fn speech(&mut self, text: &str) -> Result<()> {
        let shown = if self.out.terminal { clean::lines(text) } else { text.into() };
        self.raw(shown.as_bytes())
    }

    /// After the last of [`Ui::speech`]: the line is ended where the words did not.
    pub fn end_of_speech(&mut self, whole: &str) -> Result<()> {
        if whole.ends_with('\n') { Ok(()) } else { self.raw(b"\n") }
    }

    /// Asks for the next line of a talk.
    pub fn prompt(&mut self, mark: &str) {
        let _ = self.err.sink.write_all(mark.as_bytes()).and_then(|()| self.err.sink.flush());
    }

    /// What a model thinks before it speaks.
    pub fn thinking(&mut self, text: &str) {
        if !self.voice.quiet {
            let text = clean::lines(text);
            let text = if self.err_look.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.into_owned() };
            let _ = self.err.sink.write_all(text.as_bytes()).and_then(|()| self.err.sink.flush());
        }
    }

    /// Something that the user should know and that changes nothing about the answer.
    pub fn warn(&mut self, text: impl AsRef<str>) {
        if !self.voice.quiet {
            self.aside(Line::new().toned(Tone::Warn, "warning: ").text(text).hanging(2));
        }
    }

    /// Something worth a line, such as the id of a receipt.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if !self.voice.quiet {
            self.aside(Line::new().text(text).hanging(2));
        }
    }

    /// Something for those who asked with `-v`.
    pub fn detail(&mut self, text: impl AsRef<str>) {
        if self.voice.verbose > 0 && !self.voice.quiet {
            self.aside(Line::new().toned(Tone::Dim, text).hanging(2));
        }
    }

    /// Why the answer is not yes. Shown also with `--quiet`: an exit code without its reason helps nobody.
    pub fn refusal(&mut self, error: &Error) {
        let label = match error.exit {
            Exit::No => "no: ",
            Exit::Undecided => "undecided: ",
            Exit::Integrity => "integrity: ",
            Exit::Interrupted => "interrupted: ",
            Exit::Bug => "bug in bizra: ",
            _ => "error: ",
        };
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Bad, label).text(error.to_string()).hanging(2));
        if let Some(place) = &error.place
            && let (Some((line, column)), Some(excerpt)) = (place.at, &place.excerpt)
        {
            let number = line.to_string();
            let (excerpt, column) = window(&clean_excerpt(excerpt), column, self.err_look.width, number.len() + 5);
            page.line(Line::new().toned(Tone::Dim, format!("  {number} | ")).text(&excerpt));
            let pad = unicode_width::UnicodeWidthStr::width(
                excerpt.chars().take(column.saturating_sub(1)).collect::<String>().as_str(),
            );
            let gutter = format!("  {} | {}", " ".repeat(number.len()), " ".repeat(pad));
            page.line(Line::new().toned(Tone::Dim, gutter).toned(Tone::Bad, "^"));
        }
        for cause in &error.causes {
            page.line(Line::new().toned(Tone::Dim, "  because: ").text(cause).hanging(4));
        }
        for hint in &error.hints {
            page.line(Line::new().toned(Tone::Good, "  hint: ").text(hint).hanging(4));
        }
        self.put_aside(&page);
    }

    /// The command line was wrong, and the parser's own words say how.
    pub fn usage(&mut self, text: &str) {
        let _ = self.err.sink.write_all(clean::lines(text).as_bytes());
        let _ = self.err.sink.flush();
    }

    pub fn progress(&self, what: &str, total: Option<u64>, unit: Unit, now: Duration) -> Progress {
        let shown = self.err.terminal && !self.voice.quiet;
        Progress::new(what, total, unit, shown.then(ProgressDrawTarget::stderr), now)
    }

    fn aside(&mut self, line: Line) {
        let mut page = Page::new();
        page.line(line);
        self.put_aside(&page);
    }

    /// A closed stderr is no reason to withhold an answer.
    fn put_aside(&mut self, page: &Page) {
        let _: io::Result<()> =
            self.err.sink.write_all(page.render(self.err_look).as_bytes()).and_then(|()| self.err.sink.flush());
    }
}

/// The excerpt with each character that would be dropped or would move the columns standing as one blank, so that the
/// mark below it points at the right place.
fn clean_excerpt(excerpt: &str) -> String {
    excerpt
        .chars()
        .map(|c| if clean::one_line(c.encode_utf8(&mut [0; 4])).trim().is_empty() { ' ' } else { c })
        .collect()
}

/// The part of a long line around `column` that fits beside a gutter, and the column within it.
fn window(excerpt: &str, column: usize, width: Option<usize>, gutter: usize) -> (String, usize) {
    let room = width.unwrap_or(120).max(gutter + 16) - gutter;
    let length = excerpt.chars().count();
    if length <= room {
        return (excerpt.to_owned(), column);
    }
    let start = (column.saturating_sub(1)).saturating_sub(room / 2).min(length - room);
    (excerpt.chars().skip(start).take(room).collect(), column - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while held").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn refused(error: &Error, width: Option<usize>) -> String {
        let err = Shared::default();
        let stream = Output { sink: Box::new(err.clone()), terminal: width.is_some(), width, height: None };
        let voice = Voice { colour: Colour::Never, ..Voice::default() };
        Ui::new(Output::plain(io::sink()), stream, voice, false).refusal(error);
        let bytes = err.0.lock().expect("no panic while held").clone();
        String::from_utf8(bytes).expect("pages are UTF-8")
    }

    #[test]
    fn a_refusal_shows_place_cause_and_hint() {
        let text = "tz = \"x\"\nاسم\t= 3 \u{1b}[2J\n";
        let error = Error::invalid("unknown key `اسم`")
            .at(Place::in_text("bizra.toml", text, text.rfind('=').expect("it is there")))
            .because("the schema is strict")
            .hint("did you mean `tz`?");
        insta::assert_snapshot!(refused(&error, None), @r"
        error: bizra.toml:2:5: unknown key `اسم`
          2 | اسم = 3  [2J
            |     ^
          because: the schema is strict
          hint: did you mean `tz`?
        ");
        insta::assert_snapshot!(refused(&error, Some(24)), @r"
        error: bizra.toml:2:5:
          unknown key `اسم`
          2 | اسم = 3  [2J
            |     ^
          because: the schema is
            strict
          hint: did you mean
            `tz`?
        ");
    }

    #[test]
    fn a_screen_is_drawn_in_the_place_of_the_one_before() {
        let out = Shared::default();
        let stream = Output { sink: Box::new(out.clone()), terminal: true, width: Some(40), height: Some(4) };
        let mut ui = Ui::new(stream, Output::plain(io::sink()), Voice::default(), true);
        for lines in [2, 5, 1] {
            let mut page = Page::new();
            (0..lines).for_each(|n| page.text(format!("{n} of {lines}")));
            ui.screen(&page).expect("it can be written");
        }
        let bytes = out.0.lock().expect("no panic while held").clone();
        let text = String::from_utf8(bytes).expect("pages are UTF-8");
        assert_eq!(text, "0 of 2\n1 of 2\n\x1b[2F\x1b[J0 of 5\n1 of 5\n… 3 more lines\n\x1b[3F\x1b[J0 of 1\n");
    }

    #[test]
    fn long_lines_are_shown_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let (shown, column) = window(&text, 301, Some(40), 6);
        assert_eq!(shown.chars().count(), 34);
        assert!(shown.chars().skip(column - 1).collect::<String>().starts_with("HERE"), "{shown} {column}");
    }
}
