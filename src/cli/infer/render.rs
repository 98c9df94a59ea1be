//! What the model reads: the conversation through its template, as tokens that fit the context.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::InputArgs;
use super::prompt::Content;
use crate::cli::Session;
use crate::error::{Error, Place, Result};
use crate::infer::template::{ChatTemplate, Conversation};
use crate::infer::tokenizer::{EncodeOpts, Tokenizer};
use crate::receipts::Hash;
use crate::receipts::stamp::Time;
use crate::sys::confined::{self, Bounds, GivenUp};
use crate::sys::files;

/// A template takes milliseconds and little more than the conversation itself.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), memory: 1 << 30 };

/// What the model reads.
pub(in crate::cli) struct Rendered {
    pub(in crate::cli) text: String,
    pub(in crate::cli) ids: Vec<u32>,
    pub(in crate::cli) template: Option<Hash>,
    pub(in crate::cli) clock: Option<Time>,
}

/// A chat template's source, and the file it came from where it was named.
pub(in crate::cli) struct Template {
    pub(in crate::cli) source: String,
    place: Option<PathBuf>,
}

pub(in crate::cli) fn render(
    session: &Session,
    tokenizer: &Tokenizer,
    template: Option<&Template>,
    content: &Content,
    clock: Time,
) -> Result<Rendered> {
    match content {
        Content::Raw(text) => {
            Ok(Rendered { text: text.clone(), ids: encode_raw(tokenizer, text)?, template: None, clock: None })
        }
        Content::Messages(messages) => {
            let Some(Template { source, place }) = template else {
                return Err(Error::invalid("the model has no chat template")
                    .hint("--raw sends the prompt as it is; --template FILE names a template"));
            };
            let source = source.clone();
            let refuse = |reason: String| match place {
                Some(path) => Error::invalid(reason).at(Place::file(path)),
                None => Error::invalid(reason),
            };
            let (zone, _) = session.env.machine_zone();
            let now = clock.timestamp().to_zoned(session.config.zone(zone));
            let special = |id: Option<u32>| id.and_then(|id| tokenizer.text(id)).unwrap_or_default().to_owned();
            let (bos, eos) = (special(tokenizer.roles().bos), special(tokenizer.roles().eos));
            let hash = Sha256::digest(&source).into();
            let messages = messages.clone();
            let rendering = confined::run(BOUNDS, move || {
                ChatTemplate::parse(&source)?.render(&Conversation {
                    messages: &messages,
                    tools: None,
                    add_generation_prompt: true,
                    bos_token: &bos,
                    eos_token: &eos,
                    now: &now,
                    extra: &[],
                })
            });
            let text = match rendering {
                Ok(rendered) => rendered.map_err(|e| refuse(e.to_string()))?,
                Err(GivenUp::NoThread(reason)) => {
                    return Err(Error::cannot(format!("no thread can be started for the chat template: {reason}")));
                }
                Err(given_up) => return Err(refuse(format!("chat template: {given_up}"))),
            };
            let ids = encode_rendered(tokenizer, &text)?;
            Ok(Rendered { text, ids, template: Some(hash), clock: Some(clock) })
        }
    }
}

/// A prompt as it is: words that look like control tokens are words.
pub(in crate::cli) fn encode_raw(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    encode(tokenizer, text, EncodeOpts { add_special: true, parse_special: false })
}

/// A template writes the control tokens itself; one that begins with the first token gets no second.
pub(in crate::cli) fn encode_rendered(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let bos = tokenizer.roles().bos.and_then(|id| tokenizer.text(id));
    let begun = bos.is_some_and(|bos| !bos.is_empty() && text.starts_with(bos));
    let mut ids = encode(tokenizer, text, EncodeOpts { add_special: false, parse_special: true })?;
    if !begun && tokenizer.adds_bos() {
        ids.splice(0..0, tokenizer.roles().bos);
    }
    Ok(ids)
}

fn encode(tokenizer: &Tokenizer, text: &str, opts: EncodeOpts) -> Result<Vec<u32>> {
    tokenizer.encode(text, opts).map_err(|e| Error::invalid(e.to_string()))
}

/// The template that was named, else the model's own, if it has one.
pub(in crate::cli) fn template(session: &Session, own: Option<&str>, input: &InputArgs) -> Result<Option<Template>> {
    let Some(path) = &input.template else {
        return Ok(own.map(|source| Template { source: source.to_owned(), place: None }));
    };
    let bytes = files::read_at_most(&files::from(&session.env.cwd, path), 4 << 20)?;
    let source =
        String::from_utf8(bytes).map_err(|_| Error::invalid("this is no valid UTF-8").at(Place::file(path)))?;
    Ok(Some(Template { source, place: Some(path.clone()) }))
}

/// Cuts the beginning of a prompt that leaves no room for an answer, where that was asked for.
pub(super) fn fit(rendered: &mut Rendered, context: usize, truncate: bool) -> Result<Option<usize>> {
    let most = context.saturating_sub(1).max(1);
    let length = rendered.ids.len();
    if length <= most {
        return Ok(None);
    }
    if !truncate {
        return Err(Error::invalid(format!(
            "the prompt has {length} tokens, and the context of {context} holds at most {most} of a prompt"
        ))
        .hint("raise --ctx, shorten the prompt, or cut its beginning with --truncate"));
    }
    rendered.ids.drain(..length - most);
    Ok(Some(length - most))
}
