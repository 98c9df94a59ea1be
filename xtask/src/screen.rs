//! `docs/session.svg`: a terminal session as it really went, for the README. The commands are run in a folder of their
//! own, on a terminal that `script` makes, by the program that is built here or named; what they print is drawn letter
//! by letter, colours included.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dist;
use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Play with this binary, instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

const PICTURE: &str = "docs/session.svg";
const COLUMNS: usize = 88;

/// What is typed, in this order, with the code that it has to end with.
const SESSION: &[(&str, i32)] = &[
    ("bizra init", 0),
    ("bizra infer 'What does a gate need to open?'", 0),
    ("bizra roadmap gate", 4),
    ("echo 'What this is for: a gate that opens on evidence.' > README.md", 0),
    ("bizra attest --role lead --score 9 --criterion first/reviewed", 0),
    ("bizra roadmap gate", 0),
    ("bizra receipts list", 0),
    ("bizra receipts audit", 0),
];

pub(crate) fn run(args: &Args) -> Outcome {
    let program = match &args.binary {
        Some(binary) => {
            fs::canonicalize(binary).map_err(|cause| format!("cannot find {}: {cause}", binary.display()))?
        }
        None => dist::build()?,
    };
    if !tools::starts("script", "--version") {
        return Err("`script` makes the terminal that the session is played on; it comes with util-linux".into());
    }
    let stage = tools::root().join("target/screen");
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|cause| format!("cannot empty {}: {cause}", stage.display()))?;
    }
    for folder in ["project", "bin"] {
        let path = stage.join(folder);
        fs::create_dir_all(&path).map_err(|cause| format!("cannot make {}: {cause}", path.display()))?;
    }
    // Else the repository around it would be taken.
    tools::succeed(tools::command("git").args(["init", "--quiet"]).arg(stage.join("project")))?;
    // Whatever the file is called that was named.
    let own = stage.join("bin/bizra");
    fs::copy(&program, &own).map_err(|cause| format!("cannot copy {}: {cause}", program.display()))?;
    let mut lines = Vec::new();
    for (typed, code) in SESSION {
        lines.push(prompt(typed));
        lines.extend(said(&own, typed, *code, &stage)?);
        lines.push(String::new());
    }
    lines.pop();
    tools::write_file(&tools::root().join(PICTURE), picture(&lines).as_bytes())
}

fn prompt(typed: &str) -> String {
    format!("\u{1b}[1m$ {typed}\u{1b}[0m")
}

/// Both streams in the order in which a terminal gets them.
fn said(program: &Path, typed: &str, code: i32, stage: &Path) -> Outcome<Vec<String>> {
    let folder = program.parent().ok_or("the program lies in no folder")?;
    let path = format!("{}:{}", folder.display(), tools::variable("PATH").unwrap_or_default().to_string_lossy());
    let mut terminal = tools::command("script");
    let inside = format!(
        "stty cols {COLUMNS} rows 60; {typed}; code=$?; [ $code -eq {code} ] || echo \"ended with $code\"; exit $code"
    );
    terminal.args(["--quiet", "--return", "--command", &inside, "/dev/null"]).current_dir(stage.join("project"));
    terminal.env_clear().env("PATH", path).env("HOME", stage).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
    let output = terminal.output().map_err(|cause| format!("cannot start `script`: {cause}"))?;
    let text = String::from_utf8_lossy(&output.stdout).replace(&*stage.to_string_lossy(), "~");
    if output.status.code() != Some(code) {
        return Err(format!("`{typed}` was to end with {code}, and {}:\n{text}", output.status));
    }
    Ok(text.lines().map(standing).flat_map(|line| as_wide(&line)).collect())
}

/// A line that is longer than the terminal goes on below, as there. Lines with colours are ours, and fit.
fn as_wide(line: &str) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    if letters.len() <= COLUMNS || line.contains('\u{1b}') {
        return vec![line.to_owned()];
    }
    letters.chunks(COLUMNS).map(|part| part.iter().collect()).collect()
}

/// What a line of a terminal's output leaves standing: the text behind the last return, and of the escape sequences
/// the colours.
fn standing(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit_once('\r').map_or(line, |(_, rest)| rest);
    let mut pieces = line.split("\u{1b}[");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(piece.len());
        match piece.get(end..=end) {
            Some("m") => {
                let _ = write!(out, "\u{1b}[{piece}");
            }
            Some(_) => out += &piece[end + 1..],
            None => {}
        }
    }
    out
}

const LETTER: (f64, f64) = (8.0, 18.0);
const MARGIN: f64 = 16.0;

fn picture(lines: &[String]) -> String {
    let (width, height) =
        (COLUMNS as f64 * LETTER.0 + 2.0 * MARGIN, (lines.len() as f64 + 0.5) * LETTER.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"A terminal session with bizra\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\" \
         fill=\"#d7dae0\" xml:space=\"preserve\">\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = MARGIN + (row as f64 + 1.0) * LETTER.1;
        let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", drawn(line));
    }
    svg + "</g>\n</svg>\n"
}

/// One line with its colours as spans.
fn drawn(line: &str) -> String {
    let mut out = String::new();
    let mut style = "";
    for (index, piece) in line.split("\u{1b}[").enumerate() {
        let text = match piece.split_once('m').filter(|_| index > 0) {
            Some((codes, text)) => {
                style = look(codes);
                text
            }
            None => piece,
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match (text.is_empty(), style.is_empty()) {
            (true, _) => {}
            (false, true) => out += &text,
            (false, false) => {
                let _ = write!(out, "<tspan {style}>{text}</tspan>");
            }
        }
    }
    out
}

fn look(codes: &str) -> &'static str {
    match codes {
        "1" => "font-weight=\"bold\"",
        "2" => "fill=\"#8a9099\"",
        "32" => "fill=\"#7fc97f\"",
        "33" => "fill=\"#e5c07b\"",
        "1;31" | "31" => "fill=\"#f07070\" font-weight=\"bold\"",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{SESSION, drawn, prompt, standing};

    #[test]
    fn colours_become_spans_and_text_is_escaped() {
        assert_eq!(drawn("a < b"), "a &lt; b");
        assert_eq!(drawn("\u{1b}[32mok\u{1b}[0m rest"), "<tspan fill=\"#7fc97f\">ok</tspan> rest");
        assert_eq!(drawn("in [2m brackets"), "in [2m brackets");
    }

    #[test]
    fn what_a_terminal_wipes_away_is_not_drawn() {
        assert_eq!(standing("\r\u{1b}[2Kbusy…\r\u{1b}[2K\u{1b}[32mok\u{1b}[0m\r"), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(standing("plain\r"), "plain");
    }

    #[test]
    fn the_picture_shows_the_session_that_stands_here() {
        let path = crate::tools::root().join(super::PICTURE);
        let picture = String::from_utf8(crate::tools::read_file(&path).unwrap()).unwrap();
        let mut rest = picture.as_str();
        for (typed, _) in SESSION {
            let shown = drawn(&prompt(typed));
            let at = rest.find(&shown).unwrap_or_else(|| panic!("`{typed}` is not drawn: cargo xtask screen"));
            rest = &rest[at + shown.len()..];
        }
    }
}
