//! The loop from a prompt to an answer: prefill, then pick, show and feed one token after another.
//!
//! The loop knows models only as something that takes tokens and gives logits ([`Steps`]), and time only as a function.
//! Leaves out what is done with the text, and where prompts come from.

use std::time::Duration;

use super::fault::InferError;
use super::sampler::{Sampler, Sampling, logprobs};
use super::text::{Part, Split, Stops, Thinking};
use super::tokenizer::{TextStream, Tokenizer};

/// When to end, and what to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// At most so many tokens; none means as many as the context takes.
    pub tokens: Option<usize>,
    /// Any of these ends the answer and is not part of it. Thinking is not searched.
    pub stops: Vec<String>,
    /// Go on after tokens that end a generation, which become part of the answer's ids.
    pub ignore_end: bool,
    /// Keep thinking apart; none leaves the text as it is.
    pub thinking: Option<Thinking>,
    /// Log-probabilities of each token and of so many of the most likely ones.
    pub logprobs: Option<usize>,
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
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended with this token.
    Eos(u32),
    /// This stop string came up.
    Stop(String),
    /// The limit or the context is reached.
    Length,
    Interrupted,
}

impl Finish {
    pub fn name(&self) -> &'static str {
        match self {
            Finish::Eos(_) => "eos",
            Finish::Stop(_) => "stop",
            Finish::Length => "length",
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
    /// Feeds tokens; with `wanted`, keeps the logits after the last.
    fn feed(&mut self, tokens: &[u32], wanted: bool) -> Result<(), InferError>;
    /// What was kept last.
    fn logits(&self) -> &[f32];
}

#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub prompt: &'r [u32],
    pub sampling: &'r Sampling,
    pub limits: &'r Limits,
    pub tokenizer: &'r Tokenizer,
}

/// Generates after the prompt, of which `steps` may have been fed a beginning already, but not all.
pub fn generate(
    steps: &mut impl Steps,
    request: &Request,
    on: &mut dyn FnMut(Event) -> Control,
    clock: &dyn Fn() -> Duration,
) -> Result<Generation, InferError> {
    let Request { prompt, sampling, limits, tokenizer } = *request;
    let start = clock();
    let reused = steps.fed();
    if prompt.is_empty() {
        return Err(InferError::EmptyPrompt);
    }
    if limits.stops.iter().any(String::is_empty) {
        return Err(InferError::EmptyStop);
    }
    if prompt.len() > steps.capacity() {
        return Err(InferError::Context { tokens: prompt.len(), context: steps.capacity() });
    }
    let mut sampler = Sampler::new(sampling, steps.vocab())?;
    prompt.iter().for_each(|id| sampler.accept(*id));
    let mut speech = Speech::new(tokenizer, limits, on);
    let mut tokens = Tokens::default();
    let most = limits.tokens.unwrap_or(usize::MAX);

    let mut finish = None;
    let [mut prompt_model, mut decode_model] = [Duration::ZERO; 2];
    while steps.fed() < prompt.len() {
        let end = (steps.fed() + steps.chunk().max(1)).min(prompt.len());
        let before = clock();
        steps.feed(&prompt[steps.fed()..end], end == prompt.len() && most > 0)?;
        prompt_model += clock().saturating_sub(before);
        if speech.tell(Event::Prompt { done: steps.fed(), total: prompt.len() }) == Control::Stop {
            finish = Some(Finish::Interrupted);
            break;
        }
    }
    let prompt_read = clock();
    let mut first_token = None;
    let finish = loop {
        if let Some(finish) = finish {
            break finish;
        }
        if tokens.ids.len() >= most {
            break Finish::Length;
        }
        let position = prompt.len() + tokens.ids.len();
        let id = sampler.pick(steps.logits()).ok_or(InferError::NothingToPick { position })?;
        first_token.get_or_insert_with(clock);
        if tokenizer.is_end(id) && !limits.ignore_end {
            break Finish::Eos(id);
        }
        sampler.accept(id);
        tokens.ids.push(id);
        if let Some(n) = limits.logprobs {
            let (logprob, top) = logprobs(steps.logits(), id, n);
            tokens.logprobs.push(TokenLogprobs { id, logprob, top });
        }
        let told = speech.tell(Event::Token { id, logprobs: tokens.logprobs.last() });
        finish = speech.say(id)?.or((told == Control::Stop).then_some(Finish::Interrupted));
        if finish.is_none() && tokens.ids.len() < most {
            match steps.fed() < steps.capacity() {
                true => {
                    let before = clock();
                    steps.feed(&[id], true)?;
                    decode_model += clock().saturating_sub(before);
                }
                false => finish = Some(Finish::Length),
            }
        }
    };
    let (text, thinking) = speech.end(&finish);
    let now = clock();
    Ok(Generation {
        text,
        thinking,
        usage: Usage { prompt: prompt.len(), reused, generated: tokens.ids.len() },
        token_ids: tokens.ids,
        finish,
        timings: Timings {
            prompt: prompt_read.saturating_sub(start),
            first_token: first_token.map_or(Duration::ZERO, |first| first.saturating_sub(start)),
            decode: first_token.map_or(Duration::ZERO, |first| now.saturating_sub(first)),
            prompt_model,
            decode_model,
        },
        logprobs: tokens.logprobs,
    })
}

#[derive(Default)]
struct Tokens {
    ids: Vec<u32>,
    logprobs: Vec<TokenLogprobs>,
}

/// The way of a token's bytes to the listener.
struct Speech<'s> {
    tokenizer: &'s Tokenizer,
    markers: [Option<u32>; 2],
    stream: TextStream,
    split: Split,
    stops: Stops,
    on: &'s mut dyn FnMut(Event) -> Control,
    text: String,
    thinking: String,
}

impl<'s> Speech<'s> {
    fn new(tokenizer: &'s Tokenizer, limits: &Limits, on: &'s mut dyn FnMut(Event) -> Control) -> Self {
        let marker = |text: fn(&Thinking) -> &String| limits.thinking.as_ref().and_then(|t| tokenizer.id(text(t)));
        Speech {
            tokenizer,
            markers: [marker(|t| &t.begin), marker(|t| &t.end)],
            stream: TextStream::new(),
            split: Split::new(limits.thinking.clone()),
            stops: Stops::new(&limits.stops),
            on,
            text: String::new(),
            thinking: String::new(),
        }
    }

    fn tell(&mut self, event: Event) -> Control {
        (self.on)(event)
    }

    /// Shows what a token adds; tells why the generation ends with it, if it does.
    fn say(&mut self, id: u32) -> Result<Option<Finish>, InferError> {
        // Markers of thinking may be control tokens, which have no text otherwise.
        let spelled = self.markers.contains(&Some(id));
        let piece = self.tokenizer.piece(id, spelled).ok_or(InferError::TokenId { id, vocab: self.tokenizer.len() })?;
        let text = self.stream.push(&piece);
        Ok(self.parts(|split, out| split.push(&text, out)))
    }

    fn parts(&mut self, run: impl FnOnce(&mut Split, &mut dyn FnMut(Part, &str))) -> Option<Finish> {
        let Speech { split, stops, on, text: answer, thinking, .. } = self;
        let mut finish = None;
        run(split, &mut |part, text| {
            if matches!(finish, Some(Finish::Stop(_))) {
                return;
            }
            let (text, stop) = match part {
                Part::Thinking => (text.to_owned(), None),
                Part::Answer => stops.push(text),
            };
            let stop = stop.map(str::to_owned);
            if show(*on, part, &text, answer, thinking) == Control::Stop {
                finish = Some(Finish::Interrupted);
            }
            if let Some(stop) = stop {
                finish = Some(Finish::Stop(stop));
            }
        });
        finish
    }

    /// Shows what was held back, unless a stop string ended it, and hands over all text.
    fn end(mut self, finish: &Finish) -> (String, String) {
        if !matches!(finish, Finish::Stop(_)) {
            let text = self.stream.finish();
            self.parts(|split, out| {
                split.push(&text, &mut *out);
                split.finish(out);
            });
            let rest = self.stops.finish();
            show(self.on, Part::Answer, &rest, &mut self.text, &mut self.thinking);
        }
        (self.text, self.thinking)
    }
}

fn show(
    on: &mut dyn FnMut(Event) -> Control,
    part: Part,
    text: &str,
    answer: &mut String,
    thinking: &mut String,
) -> Control {
    if text.is_empty() {
        return Control::Continue;
    }
    match part {
        Part::Answer => answer.push_str(text),
        Part::Thinking => thinking.push_str(text),
    }
    on(Event::Text { part, text })
}

#[cfg(test)]
mod tests;
