//! `bizra infer --chat`: turn by turn on a terminal. Each answer leaves a receipt of its own.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use super::answer::answer;
use super::prompt::{Asked, Content};
use super::{Args, model_name};
use crate::cli::{Outcome, Session};
use crate::error::{Error, Result};
use crate::view::Script;

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    if !session.env.stdin.terminal {
        return Err(Error::usage("--chat needs a terminal to talk on")
            .hint("without it, the prompt is read from standard input"));
    }
    if session.json {
        return Err(Error::usage("--chat is for people, --json for programs: --messages carries a conversation on"));
    }
    let name = model_name(&args.model, session)?;
    let mut turns: Vec<Value> = Vec::new();
    if let Some(system) = &args.input.system {
        turns.push(json!({ "role": "system", "content": system }));
    }
    session.ui.note("an empty line or Ctrl-D ends the talk");
    while let Some(line) = next_line(session)? {
        turns.push(json!({ "role": "user", "content": line }));
        let asked = Asked { content: Content::Messages(Value::Array(turns.clone())), subjects: Vec::new() };
        let outcome = answer(session, &name, args, asked)?;
        let said = outcome.answer.json()["text"].clone();
        turns.push(json!({ "role": "assistant", "content": said }));
        if outcome.exit != crate::error::Exit::Yes {
            return Ok(outcome);
        }
    }
    Ok(Outcome::yes(Script { kind: "chat".into(), text: String::new() }))
}

fn next_line(session: &mut Session) -> Result<Option<String>> {
    session.ui.prompt("> ");
    let mut line = Vec::new();
    // A terminal hands over one line at a time, so nothing is read ahead and lost.
    let mut input = BufReader::with_capacity(1, &mut session.env.stdin.source).take(1 << 20);
    input.read_until(b'\n', &mut line).map_err(|e| Error::cannot("the terminal can't be read").because(e))?;
    let text = String::from_utf8_lossy(&line).trim().to_owned();
    Ok((!text.is_empty()).then_some(text))
}
