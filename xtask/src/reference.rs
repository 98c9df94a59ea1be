//! `docs/commands.md`, the reference of all commands, from the definitions that the program itself parses with.

use std::fmt::Write as _;
use std::path::Path;

use clap::Command;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing, and fail where the page is not what the program says
    #[arg(long)]
    check: bool,
}

const PAGE: &str = "docs/commands.md";

const HEAD: &str = "\
# Commands

Written by `cargo xtask reference` from the program's own definitions; `bizra COMMAND --help` says the same. Every command
takes the [global options](#global-options) and ends with a code of the [one table](exit-codes.md).
";

pub(crate) fn run(args: &Args) -> Outcome {
    if args.check { check().map(|_| ()) } else { tools::write_file(&tools::root().join(PAGE), page().as_bytes()) }
}

/// For `ci`: nothing is skipped.
pub(crate) fn check() -> Outcome<Vec<String>> {
    let there = tools::read_file(&tools::root().join(Path::new(PAGE)))?;
    if there != page().as_bytes() {
        return Err(format!("{PAGE} is not what the program says; `cargo xtask reference` writes it"));
    }
    Ok(vec![])
}

fn page() -> String {
    let mut whole = bizra::cli::command().disable_help_subcommand(true);
    whole.build();
    let mut page = HEAD.to_owned();
    contents(&whole, &mut page);
    global_options(&whole, &mut page);
    for command in shown(&whole) {
        describe(command, "bizra", 2, &mut page);
    }
    page
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help")
}

fn contents(whole: &Command, page: &mut String) {
    page.push('\n');
    for command in shown(whole) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "- [`{0}`](#bizra-{0}): {about}", command.get_name());
    }
}

fn global_options(whole: &Command, page: &mut String) {
    page.push_str("\n## Global options\n\n");
    options(whole, true, page);
}

fn describe(command: &Command, above: &str, depth: usize, page: &mut String) {
    let name = format!("{above} {}", command.get_name());
    let _ = writeln!(page, "\n{} {name}\n", "#".repeat(depth.min(4)));
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(page, "{}\n", about.to_string().trim_end());
    }
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "```text\n{}\n```", usage.trim_start_matches("Usage: ").trim_end());
    if command.get_arguments().any(|argument| is_own(argument) && !argument.is_hide_set()) {
        page.push('\n');
        options(command, false, page);
    }
    if let Some(examples) = command.get_after_help() {
        let _ = writeln!(page, "\n```text\n{}\n```", examples.to_string().trim_end());
    }
    for inner in shown(command) {
        describe(inner, &name, depth + 1, page);
    }
}

fn is_own(argument: &clap::Arg) -> bool {
    !argument.is_global_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

fn options(command: &Command, global: bool, page: &mut String) {
    page.push_str("| option | meaning |\n|---|---|\n");
    for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
        if global == argument.is_global_set() && (global || is_own(argument)) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(page, "| `{}` | {}{} |", spelled(argument), cell(&help), values(argument));
        }
    }
}

/// The option's names with the name of its value, as the help has them.
fn spelled(argument: &clap::Arg) -> String {
    let takes = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let mut names: Vec<String> = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let dots = if argument.get_num_args().is_some_and(|count| count.max_values() > 1) { "…" } else { "" };
    match (names.is_empty(), takes) {
        (true, _) => format!("{value}{dots}"),
        (false, true) => format!("{} {value}{dots}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

fn values(argument: &clap::Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let mut notes = Vec::new();
    let words: Vec<String> = argument.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
    if !words.is_empty() {
        notes.push(words.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() {
        notes.push(format!("default {}", defaults.join(", ")));
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_and_option_stands_in_it() {
        let page = super::page();
        for needed in ["## bizra infer\n", "### bizra roadmap gate\n", "| `--max-delta BITS` |", "| `-q, --quiet` |"] {
            assert!(page.contains(needed), "{needed}");
        }
        assert!(!page.contains("bizra help"), "asking for help is no command of its own");
    }
}
