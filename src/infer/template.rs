//! Chat templates: a conversation to the text that the model was trained on, by the model's own Jinja template, with
//! what Hugging Face's renderer gives templates: `raise_exception`, `strftime_now`, `tojson` as Python writes it,
//! Python's string methods, loop controls, trimmed blocks. A template comes from a stranger, so its steps, its depth
//! and its output are limited. Leaves out where templates are found other than in a GGUF file.

mod json;

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::io;

use jiff::Zoned;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::Value as Json;

use super::gguf::Gguf;

const MOST_STEPS: u64 = 2_000_000;
const DEEPEST: usize = 100;
const MOST_OUTPUT: usize = 64 << 20;
const LONGEST_SOURCE: usize = 4 << 20;

/// A template that parses.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

/// What a template is rendered with.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    /// An array of objects with `role` and `content`.
    pub messages: &'a Json,
    /// Descriptions of tools, where the user has some.
    pub tools: Option<&'a Json>,
    /// Whether the model is to speak next.
    pub add_generation_prompt: bool,
    pub bos_token: &'a str,
    pub eos_token: &'a str,
    /// What `strftime_now` tells.
    pub now: &'a Zoned,
    /// Further variables by name, such as `enable_thinking`.
    pub extra: &'a [(&'a str, Json)],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    Missing,
    NotText {
        key: String,
    },
    TooLong {
        bytes: usize,
    },
    Syntax {
        line: usize,
        reason: String,
    },
    /// The template itself refused the conversation.
    Raised {
        message: String,
    },
    Render {
        line: usize,
        reason: String,
    },
    Steps {
        line: usize,
    },
    Output,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "the model has no chat template; give one with `--template FILE`, or send the prompt as it is with `--raw`",
            ),
            Self::NotText { key } => write!(f, "chat template: the key `{key}` is not a string"),
            Self::TooLong { bytes } => {
                write!(f, "chat template: {bytes} bytes are too long; at most {LONGEST_SOURCE} are allowed")
            }
            Self::Syntax { line, reason } => write!(f, "chat template, line {line}: {reason}"),
            Self::Raised { message } => write!(f, "the chat template refuses this conversation: {message}"),
            Self::Render { line, reason } => write!(f, "chat template, line {line}: {reason}"),
            Self::Steps { line } => {
                write!(f, "chat template, line {line}: stopped after {MOST_STEPS} steps; it may never end")
            }
            Self::Output => write!(f, "chat template: stopped after {MOST_OUTPUT} bytes of output"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// The template of a GGUF file: the default one, or one of several by name.
pub fn source<'a>(file: &Gguf<'a>, name: Option<&str>) -> Result<&'a str, TemplateError> {
    let key = match name {
        None => Cow::Borrowed("tokenizer.chat_template"),
        Some(name) => Cow::Owned(format!("tokenizer.chat_template.{name}")),
    };
    let value = file.get(&key).ok_or(TemplateError::Missing)?;
    value.as_str().ok_or_else(|| TemplateError::NotText { key: key.into_owned() })
}

impl ChatTemplate {
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if source.len() > LONGEST_SOURCE {
            return Err(TemplateError::TooLong { bytes: source.len() });
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(syntax_error)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(MOST_STEPS));
        environment.set_recursion_limit(DEEPEST);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out, state, value| match spelled(value) {
            Some(word) => out.write_str(word).map_err(Error::from),
            None => minijinja::escape_formatter(out, state, value),
        });
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
        });
        environment.add_filter("tojson", json::tojson);
        environment.add_template_owned("chat", without_generation_tags(source)).map_err(syntax_error)?;
        Ok(Self { environment })
    }

    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String, TemplateError> {
        let mut environment = self.environment.clone();
        let now = conversation.now.clone();
        environment.add_function("strftime_now", move |format: String| {
            jiff::fmt::strtime::format(&format, &now)
                .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {e}")))
        });
        let mut variables: Vec<(&str, Value)> = vec![
            ("messages", json::to_value(conversation.messages)),
            ("tools", conversation.tools.map_or(Value::from(()), json::to_value)),
            ("documents", Value::from(())),
            ("add_generation_prompt", conversation.add_generation_prompt.into()),
            ("bos_token", conversation.bos_token.into()),
            ("eos_token", conversation.eos_token.into()),
        ];
        variables.extend(conversation.extra.iter().map(|(name, value)| (*name, json::to_value(value))));
        let template = environment.get_template("chat").map_err(syntax_error)?;
        let mut out = Limited(Vec::new());
        let context = Value::from_pairs(variables);
        template.render_captured_to(context, &mut out).map_err(render_error)?;
        Ok(String::from_utf8(out.0).expect("invariant: templates write text"))
    }
}

/// Python's spelling of the values that Jinja spells otherwise.
fn spelled(value: &Value) -> Option<&'static str> {
    if value.is_none() {
        return Some("None");
    }
    (value.kind() == minijinja::value::ValueKind::Bool).then(|| if value.is_true() { "True" } else { "False" })
}

/// `{% generation %}` marks the model's part for training; for rendering it means nothing.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let (before, tag) = rest.split_at(begin);
        out.push_str(before);
        let Some(length) = tag[2..].find("%}") else {
            out.push_str(tag);
            return out;
        };
        let (tag, after) = tag.split_at(2 + length + 2);
        let name = tag[2..tag.len() - 2].trim_matches(['-', '+']).trim();
        match name {
            "generation" => out.push_str(&tag.replacen(name, "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen(name, "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Marks an error that the template raised on purpose.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

struct Limited(Vec<u8>);

#[derive(Debug)]
struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much output")
    }
}

impl std::error::Error for TooMuch {}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_OUTPUT {
            return Err(io::Error::other(TooMuch));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn syntax_error(error: Error) -> TemplateError {
    TemplateError::Syntax { line: error.line().unwrap_or(0), reason: reason(&error) }
}

fn render_error(error: Error) -> TemplateError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return TemplateError::Raised { message: message.clone() };
        }
        let too_much =
            inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|e| e.is::<TooMuch>());
        if too_much {
            return TemplateError::Output;
        }
        cause = inner.source();
    }
    let line = error.line().unwrap_or(0);
    match error.kind() {
        ErrorKind::OutOfFuel => TemplateError::Steps { line },
        _ => TemplateError::Render { line, reason: reason(&error) },
    }
}

#[cfg(test)]
mod tests;
