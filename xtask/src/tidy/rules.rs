//! What tidy refuses, rule by rule, in one file's text. Each finding says what to do instead.

use std::fmt;

use super::layers::{HOMES, Layer};
use super::lex::{Source, Word};

#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Everything wrong with one file; `path` is relative to the root, with forward slashes.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Findings { path, list: Vec::new() };
    machine_paths(text, &mut found);
    if path.ends_with(".rs") {
        let source = Source::read(text);
        let layer = Layer::of(path);
        // The tests of a module say what for by their place.
        if !path.ends_with("/tests.rs") {
            header(text, &mut found);
        }
        for comment in &source.comments {
            for (offset, line) in comment.text.lines().enumerate() {
                unfinished(line, comment.line + offset, &mut found);
            }
        }
        modules(layer, path, &source, &mut found);
        for index in 0..source.words.len() {
            unfinished_macros(index, &source, &mut found);
            crates(layer, path, index, &source, &mut found);
            prints(layer, path, index, &source, &mut found);
            outside(layer, path, index, &source, &mut found);
            unsafety(layer, index, &source, &mut found);
        }
    } else if is_code(path) {
        text.lines().enumerate().for_each(|(index, line)| unfinished(line, index + 1, &mut found));
    }
    found.list.sort_by_key(|finding| finding.line);
    found.list
}

fn is_code(path: &str) -> bool {
    [".toml", ".sh", ".cu", ".wgsl", ".yml"].iter().any(|end| path.ends_with(end)) || path == ".ci/run"
}

struct Findings<'a> {
    path: &'a str,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, line: usize, rule: &'static str, advice: impl Into<String>) {
        let finding = Finding { path: self.path.to_string(), line, rule, advice: advice.into() };
        if !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }
}

fn header(text: &str, found: &mut Findings<'_>) {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty()) {
        found.add(1, "no header", "begin the file with `//!` and what it is for and what it leaves out");
    }
}

/// Folders that only the machine of whoever wrote the line has.
fn machine_paths(text: &str, found: &mut Findings<'_>) {
    const FOLDERS: [&str; 4] =
        [concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/"), concat!("/", "Users/")];
    for (index, line) in text.lines().enumerate() {
        for folder in FOLDERS {
            let absolute = line
                .match_indices(folder)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "~._-/}$>*)".contains(c)));
            if absolute {
                found.add(
                    index + 1,
                    "machine path",
                    format!("{folder} exists on one machine; write a path that any checkout has"),
                );
            }
        }
    }
}

const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

fn unfinished(line: &str, number: usize, found: &mut Findings<'_>) {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    if words.any(|word| UNFINISHED.contains(&word)) {
        found.add(number, "unfinished", "finish it, or say in an issue what is missing and drop the mark");
    }
}

fn unfinished_macros(index: usize, source: &Source<'_>, found: &mut Findings<'_>) {
    for name in ["todo", "unimplemented"] {
        if source.follows(index, &[name, "!"]) {
            found.add(
                source.words[index].line,
                "unfinished",
                format!("write what {name}! stands for, or refuse with an error"),
            );
        }
    }
}

/// Paths into our own crate, whichever way they are written: `crate::a`, `crate::{a, b}`, `super::super::a`,
/// and `bizra::a` from outside it.
fn modules(layer: Layer<'_>, path: &str, source: &Source<'_>, found: &mut Findings<'_>) {
    for index in 0..source.words.len() {
        let Some(after) = past_root(layer, path, index, source) else { continue };
        for (module, inner) in heads(after, source) {
            let is_module = module.text.starts_with(|c: char| c.is_lowercase() || c == '_');
            if is_module && !layer.may_name_module(module.text, inner) {
                let advice = format!("{} names {}; {}", layer.name(), module.text, layer.directions());
                found.add(module.line, "direction", advice);
            }
        }
    }
}

/// The index of the word after `crate::` or its equal, when one begins at `index`.
fn past_root(layer: Layer<'_>, path: &str, index: usize, source: &Source<'_>) -> Option<usize> {
    if index > 0 && source.words[index - 1].text == "::" {
        return None;
    }
    match source.words[index].text {
        "crate" if path.starts_with("src/") => source.follows(index + 1, &["::"]).then_some(index + 2),
        "bizra" if matches!(layer, Layer::Main | Layer::Kernels) => {
            source.follows(index + 1, &["::"]).then_some(index + 2)
        }
        "super" if path.starts_with("src/") => {
            let supers = (0..).take_while(|step| source.follows(index + 2 * step, &["super", "::"])).count();
            let depth = file_depth(path) + source.words[index].inline;
            (supers > 0 && supers >= depth).then_some(index + 2 * supers)
        }
        _ => None,
    }
}

/// How many modules a file of `src/` lies below the crate's root.
fn file_depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).count()
}

/// The modules that a path or a `{…}` group begins with, each with the word after it.
fn heads<'a>(start: usize, source: &Source<'a>) -> Vec<(Word<'a>, &'a str)> {
    let text = |index: usize| source.words.get(index).map_or("", |word| word.text);
    let head = |index: usize| (source.words[index], if text(index + 1) == "::" { text(index + 2) } else { "" });
    if text(start) != "{" {
        return if start < source.words.len() { vec![head(start)] } else { vec![] };
    }
    let mut heads = Vec::new();
    let mut depth = 0;
    for index in start..source.words.len() {
        match text(index) {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(text(index - 1), "{" | ",") => heads.push(head(index)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn crates(layer: Layer<'_>, path: &str, index: usize, source: &Source<'_>, found: &mut Findings<'_>) {
    let word = source.words[index];
    let names_crate = source.follows(index + 1, &["::"]) && (index == 0 || source.words[index - 1].text != "::")
        || index > 0 && source.words[index - 1].text == "use";
    if !names_crate || layer.is_tooling() {
        return;
    }
    for home in HOMES {
        if home.names.contains(&word.text) && !(home.allows)(layer, path) {
            found.add(word.line, "crate out of its home", format!("{}: {}", word.text, home.advice));
        }
    }
}

/// A test that is skipped says so; a kernel's process speaks on streams that are its own, and so do kernels that misbehave.
fn may_print(layer: Layer<'_>, path: &str, index: usize, source: &Source<'_>) -> bool {
    let own_streams = ["kernels/child/", "kernels/selftest/"].iter().any(|folder| path.starts_with(folder));
    let is_test =
        |at: usize| source.words[at].text == "cfg" && source.words[at..].iter().take(6).any(|w| w.text == "test");
    layer.is_tooling() || layer == Layer::Ui || own_streams || path.ends_with("/tests.rs") || (0..index).any(is_test)
}

fn prints(layer: Layer<'_>, path: &str, index: usize, source: &Source<'_>, found: &mut Findings<'_>) {
    if !matches!(
        source.words[index].text,
        "print" | "println" | "eprint" | "eprintln" | "dbg" | "stdout" | "stderr" | "stdin"
    ) || may_print(layer, path, index, source)
    {
        return;
    }
    let word = source.words[index];
    if matches!(word.text, "print" | "println" | "eprint" | "eprintln" | "dbg") && source.follows(index + 1, &["!"]) {
        found.add(
            word.line,
            "print",
            format!("{}! belongs to src/ui.rs; return the text or hand ui an event", word.text),
        );
    }
    if matches!(word.text, "stdout" | "stderr" | "stdin")
        && source.follows(index + 1, &["(", ")"])
        && layer != Layer::Env
    {
        let is_method = index > 0 && source.words[index - 1].text == ".";
        if !is_method {
            found.add(
                word.line,
                "print",
                format!("{}() is opened by src/env.rs; write to the stream that Env holds", word.text),
            );
        }
    }
}

/// What a call reaches that an argument should have brought.
struct Reach {
    path: &'static [&'static str],
    rule: &'static str,
    advice: &'static str,
}

const REACHES: &[Reach] = &[
    Reach { path: &["SystemTime", "now"], rule: "clock", advice: "take the time as an argument; Env has it" },
    Reach { path: &["Instant", "now"], rule: "clock", advice: "take a clock as an argument; Env has one" },
    Reach { path: &["Timestamp", "now"], rule: "clock", advice: "take the time as an argument; Env has it" },
    Reach { path: &["Zoned", "now"], rule: "clock", advice: "take the time as an argument; Env has it" },
    Reach { path: &["TimeZone", "system"], rule: "clock", advice: "take the time zone as an argument; Env has it" },
    Reach { path: &["env", "var"], rule: "environment", advice: "Env holds the variables" },
    Reach { path: &["env", "var_os"], rule: "environment", advice: "Env holds the variables" },
    Reach { path: &["env", "vars"], rule: "environment", advice: "Env holds the variables" },
    Reach { path: &["env", "vars_os"], rule: "environment", advice: "Env holds the variables" },
    Reach { path: &["env", "current_dir"], rule: "environment", advice: "Env holds the current folder" },
    Reach { path: &["env", "set_var"], rule: "environment", advice: "nothing sets variables; pass the value on" },
    Reach { path: &["env", "home_dir"], rule: "environment", advice: "Env holds the variables that name it" },
    Reach { path: &["rand", "rng"], rule: "chance", advice: "take a seed or bytes; Env has chance" },
    Reach { path: &["rand", "random"], rule: "chance", advice: "take a seed or bytes; Env has chance" },
];

/// Modules of std that a domain has no use for: it takes bytes, values, `Read` and `Write`.
const IMPURE: [&str; 4] = ["fs", "net", "process", "env"];

fn outside(layer: Layer<'_>, path: &str, index: usize, source: &Source<'_>, found: &mut Findings<'_>) {
    let word = source.words[index];
    if layer.is_tooling() || layer == Layer::Env || word.in_tests || is_test_file(path) {
        return;
    }
    for reach in REACHES {
        if source.follows(index, &[reach.path[0], "::", reach.path[1]]) {
            let advice = format!("{}::{} is for src/env.rs: {}", reach.path[0], reach.path[1], reach.advice);
            found.add(word.line, reach.rule, advice);
        }
    }
    if layer != Layer::Main && ["args", "args_os"].iter().any(|args| source.follows(index, &["env", "::", args])) {
        found.add(word.line, "environment", "src/main.rs hands the arguments to cli; take values");
    }
    for name in ["thread_rng", "ThreadRng", "OsRng", "SysRng"] {
        if word.text == name {
            found.add(word.line, "chance", format!("{name} is not reproducible: take a seed or bytes; Env has chance"));
        }
    }
    if source.follows(index, &["process", "::", "exit"]) || source.follows(index, &["process", "::", "abort"]) {
        found.add(word.line, "exit", "return an exit code to src/main.rs, so that what is open gets closed");
    }
    if layer.is_pure() && word.text == "std" && source.follows(index + 1, &["::"]) {
        for (module, _) in heads(index + 2, source) {
            if IMPURE.contains(&module.text) {
                let advice = format!(
                    "{} names std::{}: take values, bytes, Read or Write, and let sys reach out",
                    layer.name(),
                    module.text
                );
                found.add(module.line, "impure", advice);
            }
        }
    }
}

/// A file that is compiled for tests alone: `#[cfg(test)] mod tests;` in its parent.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn unsafety(layer: Layer<'_>, index: usize, source: &Source<'_>, found: &mut Findings<'_>) {
    let word = source.words[index];
    if word.text == "unsafe" && layer != Layer::Kernels {
        found.add(word.line, "unsafe", "only kernels/ may, behind a safe interface with a SAFETY comment");
    }
}

#[cfg(test)]
mod tests;
