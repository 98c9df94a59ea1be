//! `docs/session.svg`: a terminal session as it really went, for the README. The commands are run in a folder of their
//! own by the program that is built here; what they print is drawn letter by letter, colours included.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::dist;
use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {}

const PICTURE: &str = "docs/session.svg";
const COLUMNS: usize = 96;

/// What is typed, in this order; a line that is no command of bizra is given to the shell.
const SESSION: &[&str] = &[
    "bizra init",
    "bizra infer \"What does a gate need to open?\"",
    "bizra roadmap gate",
    "bizra receipts list",
    "bizra receipts audit",
];

pub(crate) fn run(_: &Args) -> Outcome {
    let program = dist::build()?;
    let stage = tools::root().join("target/screen");
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|cause| format!("cannot empty {}: {cause}", stage.display()))?;
    }
    let project = stage.join("project");
    fs::create_dir_all(&project).map_err(|cause| format!("cannot make {}: {cause}", project.display()))?;
    let mut lines = Vec::new();
    for typed in SESSION {
        lines.push(format!("\u{1b}[1m$ {typed}\u{1b}[0m"));
        lines.extend(said(&program, typed, &stage)?.lines().map(str::to_owned));
        lines.push(String::new());
    }
    lines.pop();
    tools::write_file(&tools::root().join(PICTURE), picture(&lines).as_bytes())
}

/// Both streams in the order in which they came.
fn said(program: &Path, typed: &str, stage: &Path) -> Outcome<String> {
    let folder = program.parent().ok_or("the program lies in no folder")?;
    let path = format!("{}:{}", folder.display(), tools::variable("PATH").unwrap_or_default().to_string_lossy());
    let mut shell = tools::command("sh");
    // The gate of a new project is closed, which is the point; the code is not looked at.
    shell.args(["-c", &format!("{typed} --color always 2>&1 || true")]).current_dir(stage.join("project"));
    shell.env_clear().env("PATH", path).env("HOME", stage).env("COLUMNS", COLUMNS.to_string()).env("LC_ALL", "C.UTF-8");
    let text = tools::read(&mut shell)?;
    Ok(text.replace(&*stage.to_string_lossy(), "~"))
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
    #[test]
    fn colours_become_spans_and_text_is_escaped() {
        assert_eq!(super::drawn("a < b"), "a &lt; b");
        assert_eq!(super::drawn("\u{1b}[32mok\u{1b}[0m rest"), "<tspan fill=\"#7fc97f\">ok</tspan> rest");
        assert_eq!(super::drawn("in [2m brackets"), "in [2m brackets");
    }
}
