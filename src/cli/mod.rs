//! The command line: global flags, one file per command with its arguments and its run, and the way out.
//!
//! [`run`] is the whole program over an [`Env`]. A command returns an [`Outcome`] or an [`Error`]; both leave through
//! [`Session::finish`], so that every command speaks JSON, names its reasons and ends with the code of the one table.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "doc comments of arguments are help texts, where brackets mean optional"
)]

mod attest;
mod attest_tests;
mod bench;
mod book;
mod completions;
mod config;
mod decision;
mod demo;
mod doctor;
mod embed;
mod entropy;
mod evidence;
mod infer;
mod init;
mod kernel;
mod keys;
mod lint;
mod model;
mod page_format;
mod pick;
mod receipts;
mod roadmap;
mod schema;
mod session;
mod sprint;
mod tokens;
mod trust;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::json;

use crate::config::Config;
use crate::env::{Env, Output};
use crate::error::{Error, Exit, Result};
use crate::sys::setup;
use crate::ui::{Colour, Ui, Voice};
use crate::view::{View, reasons};

/// Runs AI models on your own machine and turns every claim into a signed receipt that can be checked.
#[derive(Parser)]
#[command(
    name = "bizra",
    version = crate::about::VERSION,
    long_version = crate::about::long_version(),
    after_help = EXAMPLES,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bizra init                                          Begin: key, ledger, policy, a first plan
  bizra infer -m model.gguf 'Name three primes.'      An answer, and a receipt for it
  bizra doctor                                        What can this machine do?
  bizra attest --role lead --statement 'It holds.'    Sign your word
  bizra roadmap lint                                  What contradicts itself in the plans?
  bizra receipts list                                 What was claimed here, newest first

Exit codes: 0 yes, 1 no, 2 usage, 3 invalid input, 4 undecided, 5 integrity, 6 this machine cannot.";

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct GlobalArgs {
    /// Answer with one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// No notes, warnings or progress on stderr
    #[arg(short, long, global = true)]
    quiet: bool,
    /// More detail on stderr
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_parser = ["auto", "always", "never"])]
    color: Option<String>,
    /// The repository to work in [default: the one around the current folder]
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::DirPath)]
    repo: Option<PathBuf>,
    /// The ledger to use [default: the repository's own]
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::DirPath)]
    ledger: Option<PathBuf>,
    /// Leave no receipt
    #[arg(long, global = true)]
    no_receipt: bool,
    /// Decide as if it were this time
    #[arg(long, global = true, value_name = "TIME")]
    now: Option<String>,
    /// The time zone that days are counted in
    #[arg(long, global = true, value_name = "ZONE")]
    tz: Option<String>,
}

impl GlobalArgs {
    /// The flags that were given, under the keys of the configuration.
    fn given(&self) -> Result<Vec<(&'static str, String)>> {
        let mut given = Vec::new();
        for (key, on) in [("json", self.json), ("quiet", self.quiet), ("no-receipt", self.no_receipt)] {
            if on {
                given.push((key, "true".to_owned()));
            }
        }
        if self.verbose > 0 {
            given.push(("verbose", self.verbose.to_string()));
        }
        for (key, text) in [("color", &self.color), ("now", &self.now), ("tz", &self.tz)] {
            given.extend(text.iter().map(|t| (key, t.clone())));
        }
        for (key, path) in [("repo", &self.repo), ("ledger", &self.ledger)] {
            if let Some(path) = path {
                let text = path
                    .to_str()
                    .ok_or_else(|| Error::usage(format!("--{key}: {} is no valid UTF-8", path.display())))?;
                given.push((key, text.to_owned()));
            }
        }
        Ok(given)
    }
}

#[derive(Subcommand)]
enum Command {
    Attest(attest::Args),
    Bench(Box<bench::Args>),
    AttestTests(attest_tests::Args),
    Completions(completions::Args),
    Config(config::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Embed(embed::Args),
    Entropy(entropy::Args),
    Infer(Box<infer::Args>),
    Init(init::Args),
    Kernel(kernel::Args),
    Keys(keys::Args),
    Model(model::Args),
    Receipts(receipts::Args),
    Roadmap(roadmap::Args),
    Schema(schema::Args),
    Session(session::Args),
    Sprint(sprint::Args),
    Tokens(tokens::Args),
    Trust(trust::Args),
}

impl Command {
    fn run(&self, session: &mut Session) -> Result<Outcome> {
        match self {
            Command::Attest(args) => attest::run(args, session),
            Command::Bench(args) => bench::run(args, session),
            Command::AttestTests(args) => attest_tests::run(args, session),
            Command::Completions(args) => completions::run(args),
            Command::Config(args) => config::run(args, session),
            Command::Demo(args) => demo::run(args, session),
            Command::Doctor(args) => doctor::run(args, session),
            Command::Embed(args) => embed::run(args, session),
            Command::Entropy(args) => entropy::run(args, session),
            Command::Infer(args) => infer::run(args, session),
            Command::Init(args) => init::run(args, session),
            Command::Kernel(args) => kernel::run(args, session),
            Command::Keys(args) => keys::run(args, session),
            Command::Model(args) => model::run(args, session),
            Command::Receipts(args) => receipts::run(args, session),
            Command::Roadmap(args) => roadmap::run(args, session),
            Command::Schema(args) => schema::run(args, session),
            Command::Session(args) => session::run(args, session),
            Command::Sprint(args) => sprint::run(args, session),
            Command::Tokens(args) => tokens::run(args, session),
            Command::Trust(args) => trust::run(args, session),
        }
    }
}

/// What a command answers: the view of its report, the code, and the reasons for anything but yes.
struct Outcome {
    exit: Exit,
    reasons: Vec<Error>,
    receipt: Option<String>,
    answer: Box<dyn View>,
}

impl Outcome {
    fn yes(answer: impl View + 'static) -> Self {
        Outcome { exit: Exit::Yes, reasons: Vec::new(), receipt: None, answer: Box::new(answer) }
    }

    /// The reasons decide the code; without one the answer is yes.
    fn because(answer: impl View + 'static, reasons: Vec<Error>) -> Self {
        let exit = Exit::decide(reasons.iter().map(|r| r.exit));
        Outcome { exit, reasons, receipt: None, answer: Box::new(answer) }
    }
}

/// One run of the program: the outside, the settings in force, and the way to the user.
struct Session {
    env: Env,
    config: Config,
    setup: setup::Setup,
    ui: Ui,
    json: bool,
    /// Refusals that the user has seen already, before the one that ends the command.
    told: Vec<Error>,
    /// The run's receipts so far; it begins with the first one.
    stamps: Option<crate::receipts::stamp::Session>,
}

impl Session {
    fn finish(&mut self, command: &str, ended: Result<Outcome>) -> Exit {
        let (exit, said) = match ended {
            Ok(outcome) => (outcome.exit, self.say(command, outcome)),
            Err(error) => (error.exit, self.refuse(command, &error)),
        };
        after_saying(&mut self.ui, exit, said)
    }

    fn say(&mut self, command: &str, outcome: Outcome) -> Result<()> {
        if self.json {
            self.ui.document(&json!({
                "schema": format!("bizra.{command}/v1"),
                "exit": outcome.exit.code(),
                "reasons": reasons(&outcome.reasons),
                "receipt": outcome.receipt,
                "result": outcome.answer.json(),
            }))?;
        } else {
            self.ui.answer(&outcome.answer.page())?;
        }
        outcome.reasons.iter().for_each(|r| self.ui.refusal(r));
        Ok(())
    }

    fn refuse(&mut self, command: &str, error: &Error) -> Result<()> {
        self.ui.refusal(error);
        let all = self.told.iter().chain([error]).cloned().collect::<Vec<_>>();
        if self.json { self.ui.document(&refusal_document(command, &all)) } else { Ok(()) }
    }

    /// Says one of several refusals; the last of them is to end the command.
    fn tell(&mut self, error: Error) {
        self.ui.refusal(&error);
        self.told.push(error);
    }
}

/// The code of a run whose answer was `exit`, where writing it may have failed.
fn after_saying(ui: &mut Ui, exit: Exit, said: Result<()>) -> Exit {
    match said {
        Ok(()) => exit,
        Err(unsaid) if unsaid.exit == Exit::ClosedPipe => Exit::ClosedPipe,
        Err(unsaid) => {
            ui.refusal(&unsaid);
            Exit::decide([exit, unsaid.exit])
        }
    }
}

/// Of several refusals the last one ended the command.
fn refusal_document(command: &str, all: &[Error]) -> serde_json::Value {
    json!({
        "schema": format!("bizra.{command}/v1"),
        "exit": all.last().map(|error| error.exit.code()),
        "reasons": reasons(all),
        "receipt": null,
        "result": null,
    })
}

/// The definition of the whole command line, for completions and man pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line, the program's name first, and returns what to answer to the shell.
pub fn run(mut env: Env, argv: impl IntoIterator<Item = OsString>) -> Exit {
    let argv: Vec<OsString> = argv.into_iter().collect();
    if argv.get(1).is_some_and(|first| first == bizra_kernels::child::ARGUMENT) {
        return kernel_child();
    }
    let stdout = std::mem::replace(&mut env.stdout, Output::plain(io::sink()));
    let stderr = std::mem::replace(&mut env.stderr, Output::plain(io::sink()));
    let no_colour = env.vars.get("NO_COLOR").is_some() || env.vars.get("TERM") == Some("dumb");

    let (command, matches) = match parse(&argv, stdout.width.filter(|_| stdout.terminal)) {
        Ok(parsed) => parsed,
        Err(refused) => {
            let mut ui = Ui::new(stdout, stderr, Voice::default(), no_colour);
            let flag = argv.iter().skip(1).take_while(|a| *a != "--").any(|a| a == "--json");
            return answer_parser(&mut ui, flag || json_by_variable(&env), &refused);
        }
    };
    let name = command_name(&matches);
    let flags = command.global.given();
    let setup = setup::read(&env, command.global.repo.as_deref());
    let resolved = flags.and_then(|flags| {
        // What was typed is wrong whatever the files hold.
        Config::resolve(&flags, &env.vars, &[])?;
        let files = setup.files()?;
        Config::resolve(&flags, &env.vars, &files)
    });
    let format = typed_format(&matches);
    let json = match &resolved {
        // A format that is typed counts more than what a variable or a file says.
        Ok(config) => config.switch("json") && (format.is_none() || command.global.json),
        Err(_) => command.global.json || json_by_variable(&env),
    };
    let voice = voice(&command.global, resolved.as_ref().ok());
    let ui = Ui::new(stdout, stderr, voice, no_colour);
    match resolved {
        Ok(_) if let Some(format) = format.filter(|_| command.global.json) => {
            let message = format!("--json prints one document and --format {format} another");
            refuse_early(ui, json, &name, &Error::usage(message).hint("leave one of them out"))
        }
        Ok(config) => {
            let mut session = Session { env, config, setup, ui, json, told: Vec::new(), stamps: None };
            let ended = command.command.run(&mut session);
            session.finish(&name, ended)
        }
        // The doctor is who one asks when something is broken.
        Err(broken) if matches!(command.command, Command::Doctor(_)) && broken.exit != Exit::Usage => {
            let config = Config::resolve(&command.global.given().unwrap_or_default(), &env.vars, &[]);
            match config {
                Ok(config) => {
                    let mut session =
                        Session { env, config, setup: setup.broken(broken), ui, json, told: Vec::new(), stamps: None };
                    let ended = command.command.run(&mut session);
                    session.finish(&name, ended)
                }
                Err(error) => refuse_early(ui, json, &name, &error),
            }
        }
        Err(error) => refuse_early(ui, json, &name, &error),
    }
}

/// This process as the one that runs kernels for another: see [`bizra_kernels::child`].
fn kernel_child() -> Exit {
    match bizra_kernels::child::serve(&[
        bizra_kernels::call::builtin::ENGINE,
        bizra_kernels::baselines::BASELINES,
        crate::kernel::peers::PEERS,
        &bizra_kernels::selftest::ENTRIES,
    ]) {
        0 => Exit::Yes,
        _ => Exit::Cannot,
    }
}

fn refuse_early(mut ui: Ui, json: bool, command: &str, error: &Error) -> Exit {
    ui.refusal(error);
    let said = if json { ui.document(&refusal_document(command, std::slice::from_ref(error))) } else { Ok(()) };
    after_saying(&mut ui, error.exit, said)
}

/// Whether a document is wanted, where the settings could not be resolved.
fn json_by_variable(env: &Env) -> bool {
    matches!(env.vars.get("BIZRA_JSON"), Some("true" | "1"))
}

fn parse(argv: &[OsString], width: Option<usize>) -> Result<(Cli, clap::ArgMatches), clap::Error> {
    use clap::FromArgMatches;
    // On narrower terminals the parser's columns leave no room for words: there the terminal wraps.
    let mut definition = Cli::command().term_width(width.unwrap_or(100).clamp(40, 100));
    let matches = definition.try_get_matches_from_mut(argv)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut definition))?;
    Ok((cli, matches))
}

/// The value of a `--format` on the command line, unless it asks for JSON as `--json` does.
fn typed_format(matches: &clap::ArgMatches) -> Option<String> {
    let mut level = matches;
    while let Some((_, inner)) = level.subcommand() {
        level = inner;
    }
    level.try_contains_id("format").ok().filter(|has| *has)?;
    let typed = level.value_source("format") == Some(clap::parser::ValueSource::CommandLine);
    let value = level.get_raw("format")?.next()?.to_str()?;
    (typed && value != "json").then(|| value.to_owned())
}

/// `roadmap-gate` for `bizra roadmap gate`: the name in the document's schema.
fn command_name(matches: &clap::ArgMatches) -> String {
    let mut names = Vec::new();
    let mut level = matches;
    while let Some((name, inner)) = level.subcommand() {
        names.push(name);
        level = inner;
    }
    names.join("-")
}

fn voice(flags: &GlobalArgs, config: Option<&Config>) -> Voice {
    let text = |key| config.and_then(|c| c.get(key));
    Voice {
        colour: match text("color").or(flags.color.as_deref()) {
            Some("always") => Colour::Always,
            Some("never") => Colour::Never,
            _ => Colour::Auto,
        },
        quiet: config.map_or(flags.quiet, |c| c.switch("quiet")),
        verbose: text("verbose").and_then(|v| v.parse().ok()).unwrap_or(flags.verbose),
    }
}

/// Help and version are answers; everything else the parser says is a refusal.
fn answer_parser(ui: &mut Ui, json: bool, said: &clap::Error) -> Exit {
    use clap::error::ErrorKind;
    let text = with_namesake(in_plain_words(&said.render().to_string()), said);
    let answer = match said.kind() {
        ErrorKind::DisplayVersion => Some(("version", crate::view::version())),
        ErrorKind::DisplayHelp => Some(("help", json!({ "text": text }))),
        _ => None,
    };
    let (exit, said) = match answer {
        Some((schema, result)) if json => (Exit::Yes, ui.document(&yes_document(schema, &result))),
        Some(_) => (Exit::Yes, ui.raw(text.as_bytes())),
        None => {
            ui.usage(&text);
            let document = || refusal_document("usage", &[parser_error(said, &text)]);
            (Exit::Usage, if json { ui.document(&document()) } else { Ok(()) })
        }
    };
    after_saying(ui, exit, said)
}

/// A command that is another's, such as `gate`, is what was meant, and not one that is spelt alike.
fn with_namesake(text: String, said: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(name)) = said.get(ContextKind::InvalidSubcommand) else { return text };
    let whole = command();
    let has = |outer: &&clap::Command| outer.get_subcommands().any(|inner| inner.get_name() == name.as_str());
    let Some(outer) = whole.get_subcommands().find(has).map(clap::Command::get_name) else { return text };
    let kept = text.lines().filter(|line| !line.trim_start().starts_with("tip: "));
    let (mut lines, tip) = (Vec::new(), format!("  tip: there is `bizra {outer} {name}`"));
    for line in kept {
        if line.starts_with("Usage:") {
            lines.extend([tip.as_str(), ""]);
        }
        lines.push(line);
    }
    lines.join("\n").replace("\n\n\n", "\n\n") + "\n"
}

/// What the standard library says of numbers is meant for programmers.
fn in_plain_words(text: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        (": invalid float literal", ": this is no number"),
        (": invalid digit found in string", ": this is no whole number"),
        (": cannot parse integer from empty string", ": a number is needed"),
        (": number too large to fit in target type", ": the number is too large"),
    ];
    WORDS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

fn yes_document(schema: &str, result: &serde_json::Value) -> serde_json::Value {
    json!({ "schema": format!("bizra.{schema}/v1"), "exit": 0, "reasons": [], "receipt": null, "result": result })
}

fn parser_error(said: &clap::Error, text: &str) -> Error {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    if matches!(said.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
        let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: ")).unwrap_or("bizra");
        let so_far = usage.split(['[', '<']).next().unwrap_or("bizra").trim();
        return Error::usage("a command is needed").hint(format!("{so_far} --help"));
    }
    let mut paragraphs = text.split("\n\n").map(str::trim);
    let first = paragraphs.next().unwrap_or_default();
    let mut error = Error::usage(words(first.strip_prefix("error: ").unwrap_or(first)));
    for line in text.lines().map(str::trim) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            error = error.hint(tip);
        }
    }
    error
}

/// One line with single blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &mut clap::Command, path: &str) {
            for inner in command.get_subcommands_mut().filter(|c| c.get_name() != "help") {
                let path = format!("{path} {}", inner.get_name());
                let help = inner.render_long_help().to_string();
                let examples = help.lines().filter(|line| line.trim_start().contains("bizra ")).count();
                assert!(help.contains("Examples:"), "`{path} --help` has no examples");
                assert!(examples >= 2, "`{path} --help` has {examples} examples");
                check(inner, &path);
            }
        }
        let mut whole = super::command();
        whole.build();
        check(&mut whole, "bizra");
    }
}
