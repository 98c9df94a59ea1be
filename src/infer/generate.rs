//! From a prompt to an answer: prefill, then pick, show and feed one token after another.
//!
//! The loop knows models only as something that takes tokens and gives logits ([`Steps`]), and time only as a function.
//! What there is to know of one answer in the making is a [`Writer`]; whoever runs several of them at once feeds them
//! itself. Leaves out what is done with the text, and where prompts come from.

mod lookup;
mod speech;
mod writer;

use std::time::Duration;

use super::fault::InferError;
use super::forward::Wanted;
use super::grammar::Grammar;
use super::sampler::Sampling;
use super::text::{Part, Thinking};
use super::tokenizer::Tokenizer;

pub use lookup::Guesses;
pub use writer::Writer;

/// When to end, and what to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// At most so many tokens; none means as many as the context takes.
    pub tokens: Option<usize>,
    /// Any of these ends the answer and is not part of it. Thinking is not searched.
    pub stops: Vec<String>,
    /// End where the answer has come to go in circles: see [`super::repetition`].
    pub cut_repetition: bool,
    /// Go on after tokens that end a generation, which become part of the answer's ids.
    pub ignore_end: bool,
    /// Keep thinking apart; none leaves the text as it is.
    pub thinking: Option<Thinking>,
    /// Log-probabilities of each token and of so many of the most likely ones.
    pub logprobs: Option<usize>,
    /// Guess tokens from what stands in the text already, and read several in one pass. No answer depends on it.
    pub lookup: bool,
    /// What the answer must be; thinking is free.
    pub grammar: Option<Grammar>,
}

#[derive(Debug)]
pub enum Event<'e> {
    /// So many of the prompt's tokens have been read.
    Prompt {
        done: usize,
        total: usize,
    },
    Token {
        id: u32,
        logprobs: Option<&'e TokenLogprobs>,
    },
    /// Whole characters, in order.
    Text {
        part: Part,
        text: &'e str,
    },
}

/// What the caller wants after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Continue,
    Stop,
}

/// Natural logarithms, before penalties and temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    pub id: u32,
    pub logprob: f64,
    pub top: Vec<(u32, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    pub text: String,
    pub thinking: String,
    /// All tokens that were picked but the one that ended it, those of thinking and of a stop string included.
    pub token_ids: Vec<u32>,
    pub finish: Finish,
    pub usage: Usage,
    pub timings: Timings,
    /// One for each id where they were asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// Where guessing was asked for.
    pub guesses: Option<Guesses>,
    /// Where a grammar was given: whether the answer is all of what it asks for, and not the beginning of it.
    pub whole: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended with this token, or would have: nothing can be added to what the grammar asks for.
    Eos(u32),
    /// This stop string came up.
    Stop(String),
    /// The limit or the context is reached.
    Length,
    /// The same tokens came over and over.
    Repetition,
    Interrupted,
}

impl Finish {
    pub fn name(&self) -> &'static str {
        match self {
            Finish::Eos(_) => "eos",
            Finish::Stop(_) => "stop",
            Finish::Length => "length",
            Finish::Repetition => "repetition",
            Finish::Interrupted => "interrupted",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt: usize,
    /// Of the prompt's tokens, those that a session had computed before.
    pub reused: usize,
    pub generated: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Reading the prompt.
    pub prompt: Duration,
    /// From the start until the first token was picked; zero where none was.
    pub first_token: Duration,
    /// From the first token to the end.
    pub decode: Duration,
    /// Of `prompt`, what the model itself took.
    pub prompt_model: Duration,
    /// Of `decode`, what the model itself took, without picking tokens and making text of them.
    pub decode_model: Duration,
}

/// What takes tokens and gives logits.
pub trait Steps {
    /// How many tokens have been fed.
    fn fed(&self) -> usize;
    /// How many can be fed in all.
    fn capacity(&self) -> usize;
    /// How many to feed at once.
    fn chunk(&self) -> usize;
    fn vocab(&self) -> usize;
    /// Feeds tokens, and keeps the logits that are wanted.
    fn feed(&mut self, tokens: &[u32], wanted: Wanted) -> Result<(), InferError>;
    /// Forgets the last so many tokens.
    fn forget(&mut self, tokens: usize);
    /// What was kept last, a row for each wanted position.
    fn logits(&self) -> impl Iterator<Item = &[f32]>;
}

#[derive(Clone, Copy)]
pub struct Request<'r, 't> {
    pub prompt: &'r [u32],
    pub sampling: &'r Sampling,
    pub limits: &'r Limits,
    pub tokenizer: &'t Tokenizer,
}

/// Generates after the prompt, of which `steps` may have been fed a beginning already, but not all.
pub fn generate(
    steps: &mut impl Steps,
    request: &Request,
    on: &mut dyn FnMut(Event) -> Control,
    clock: &dyn Fn() -> Duration,
) -> Result<Generation, InferError> {
    let room = Room { vocab: steps.vocab(), capacity: steps.capacity(), known: steps.fed() };
    let mut writer = Writer::new(request, room, clock())?;
    while let Some((tokens, wanted)) = writer.next(steps.chunk().max(1)) {
        let (fed, before) = (tokens.len(), clock());
        steps.feed(tokens, wanted)?;
        let took = clock().saturating_sub(before);
        let kept = writer.take(fed, took, steps.logits(), on, clock)?;
        steps.forget(fed - kept);
    }
    Ok(writer.end(on, clock()))
}

/// What a sequence has to write into.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub vocab: usize,
    /// Positions in all.
    pub capacity: usize,
    /// Of the prompt's tokens, those that are computed already.
    pub known: usize,
}

#[cfg(test)]
mod tests;
