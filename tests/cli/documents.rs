//! Every command that the documentation and the helps show is one that the program understands.
//!
//! The README's are run as well (`readme`); these are read by the parser, so that no renamed flag stays behind in a text.

use std::path::{Path, PathBuf};

/// The words of a shell line up to the first operator or comment; none where a quote stays open.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let inside = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        end if end == letter => break,
                        other => inside.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            ' ' | '\t' => words.extend(word.take()),
            '|' | '&' | ';' | '<' | '>' | ')' => break,
            '#' if word.is_none() => break,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// Where a line of a text begins a command of ours: at its start, behind a prompt, a variable or an operator.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("bizra ") {
            let before = line[..at].trim_end();
            let begins = before.is_empty()
                || ["$", "&&", "||", "|", "$(", ";", "exec", "then", "if"].iter().any(|mark| before.ends_with(mark));
            if !begins {
                continue;
            }
            // The head of a file names its form: `bizra consistency proof v1`.
            // In helps and comments two blanks part a command from what is said about it.
            let command = line[at..].split("   ").next().unwrap_or_default();
            if let Some(words) = words(command)
                && !line.ends_with(" v1")
                && words.get(1).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-'))
            {
                found.push(words);
            }
        }
    }
    found
}

/// The blocks of a Markdown text that hold commands: indented ones and those fenced as shell.
fn blocks(markdown: &str) -> String {
    let mut text = String::new();
    let mut fence = None;
    for line in markdown.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.to_owned()) };
        } else if matches!(fence.as_deref(), Some("sh" | "text")) || (fence.is_none() && line.starts_with("    ")) {
            text += line;
            text.push('\n');
        }
    }
    text
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of documents").flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

fn understood(words: &[String]) -> Result<(), String> {
    match bizra::cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(said) if !said.use_stderr() => Ok(()),
        Err(said) => Err(format!("{}\n{said}", words.join(" "))),
    }
}

#[test]
fn documents_show_commands_that_the_program_understands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md"].iter().map(|name| root.join(name)).collect();
    documents(&root.join("docs"), &mut paths);
    // Made from the definitions themselves, with their forms of usage.
    paths.retain(|path| !path.ends_with("docs/commands.md"));
    let (mut seen, mut faults) = (0, Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a text");
        for words in commands(&blocks(&text)) {
            seen += 1;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            faults.extend(understood(&words).err().map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(seen > 150, "only {seen} commands were found in the documents");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn helps_show_commands_that_the_program_understands() {
    fn check(command: &mut clap::Command, seen: &mut usize, faults: &mut Vec<String>) {
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for words in commands(&examples) {
            *seen += 1;
            faults.extend(understood(&words).err());
        }
        command.get_subcommands_mut().for_each(|inner| check(inner, seen, faults));
    }
    let (mut seen, mut faults) = (0, Vec::new());
    let mut whole = bizra::cli::command();
    whole.build();
    check(&mut whole, &mut seen, &mut faults);
    assert!(seen > 100, "only {seen} commands were found in the helps");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
