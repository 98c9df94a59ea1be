//! What the user asks: the argument, standard input and files, put together as one conversation or one text.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::InputArgs;
use crate::cli::Session;
use crate::error::{Error, Place, Result};
use crate::receipts::statement::Subject;
use crate::sys::files;

/// The most that is read from standard input or a file.
const LONGEST: usize = 64 << 20;

const STANDARD_INPUT: &str = "standard input";

/// The user's side of a run.
pub(in crate::cli) struct Asked {
    pub(in crate::cli) content: Content,
    /// The files that were read into it, by their bytes.
    pub(in crate::cli) subjects: Vec<Subject>,
}

pub(in crate::cli) enum Content {
    /// For the chat template.
    Messages(Value),
    /// Sent as it is.
    Raw(String),
}

impl Content {
    /// One turn of the user's, after what the model is told about its role.
    pub(super) fn turn(system: Option<&str>, text: &str) -> Content {
        let mut turns = Vec::new();
        if let Some(system) = system {
            turns.push(json!({ "role": "system", "content": system }));
        }
        turns.push(json!({ "role": "user", "content": text }));
        Content::Messages(Value::Array(turns))
    }

    /// Whether nobody said anything.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        match self {
            Content::Raw(text) => text.is_empty(),
            Content::Messages(turns) => {
                let last = turns.as_array().and_then(|turns| turns.last());
                last.and_then(|turn| turn["content"].as_str()).is_some_and(|text| text.trim().is_empty())
            }
        }
    }
}

/// Standard input is read where nothing else is asked, or where it is named; a prompt that was given never waits for it.
pub(in crate::cli) fn read(argument: Option<&str>, args: &InputArgs, session: &mut Session) -> Result<Asked> {
    let named = |path: &&Path| path.as_os_str() == "-";
    let files = args.files.iter().map(PathBuf::as_path).chain(argument.map(Path::new));
    if files.filter(named).count() > 1 {
        return Err(Error::usage("standard input is named twice, and can be read only once"));
    }
    let mut subjects = Vec::new();
    if let Some(path) = &args.messages {
        let text = read_source(path, session, &mut subjects)?;
        return Ok(Asked { content: Content::Messages(messages(path, &text)?), subjects });
    }
    let mut text = String::new();
    for path in &args.files {
        let content = read_source(path, session, &mut subjects)?;
        if args.raw {
            text += &content;
        } else {
            let name = if path.as_os_str() == "-" { Path::new(STANDARD_INPUT) } else { path };
            text += &format!("{}:\n\n{}\n\n", name.display(), content.trim_end());
        }
    }
    match argument {
        Some("-") => text += &standard_input(session)?,
        Some(prompt) => text += prompt,
        None if !args.files.is_empty() => {}
        None if session.env.stdin.terminal => {
            return Err(Error::usage("a prompt is needed")
                .hint("bizra infer 'PROMPT', or send it to standard input, or --chat to talk"));
        }
        None => text += &standard_input(session)?,
    }
    let content = if args.raw { Content::Raw(text) } else { Content::turn(args.system.as_deref(), &text) };
    Ok(Asked { content, subjects })
}

fn standard_input(session: &mut Session) -> Result<String> {
    let mut bytes = Vec::new();
    (&mut session.env.stdin.source)
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::cannot("standard input can't be read").because(e))?;
    text(Path::new(STANDARD_INPUT), bytes)
}

fn read_source(path: &Path, session: &mut Session, subjects: &mut Vec<Subject>) -> Result<String> {
    if path.as_os_str() == "-" {
        return standard_input(session);
    }
    let full = files::from(&session.env.cwd, path);
    let bytes = files::read_at_most(&full, LONGEST)?;
    let name = path.to_string_lossy().replace(|c: char| c.is_control(), "?");
    if !subjects.iter().any(|s| s.name == name) {
        subjects.push(Subject::of_bytes(name, &bytes));
    }
    text(path, bytes)
}

fn text(name: &Path, bytes: Vec<u8>) -> Result<String> {
    if bytes.len() > LONGEST {
        return Err(Error::invalid(format!("it is longer than {LONGEST} bytes")).at(Place::file(name)));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&e.as_bytes()[..good]).into_owned();
        Error::invalid(format!("byte {good} is no valid UTF-8"))
            .at(Place { excerpt: None, ..Place::in_text(name, &before, good) })
    })
}

fn messages(path: &Path, text: &str) -> Result<Value> {
    let refuse = |reason: String| Error::invalid(reason).at(Place::file(path));
    let value: Value = serde_json::from_str(text).map_err(|e| {
        Error::invalid("this is no JSON").because(&e).at(Place {
            file: path.into(),
            at: Some((e.line(), e.column())),
            excerpt: None,
        })
    })?;
    check_turns(&value).map_err(refuse)?;
    Ok(value)
}

/// Whether this is a conversation, or why not.
pub(super) fn check_turns(value: &Value) -> std::result::Result<(), String> {
    let turns = value.as_array().ok_or("the conversation is no array of messages")?;
    if turns.is_empty() {
        return Err("the conversation has no message".into());
    }
    for (at, turn) in turns.iter().enumerate() {
        let known = turn.get("role").is_some_and(Value::is_string) && turn.get("content").is_some();
        if !known {
            return Err(format!("message {at} is no object with `role` and `content`"));
        }
    }
    Ok(())
}
