//! One answer in the making: what to feed next, and what follows from the logits that come of it.
//!
//! Guessed tokens are fed behind the last one that was picked. Each row of logits is taken as if it had come alone: the
//! same pick, by the same state of the generator, and the first pick that is not the guess ends the row's use. As a row's
//! bits don't depend on what else was in its pass, guesses change how many passes there are and nothing else.

use std::time::Duration;

use super::lookup::Lookup;
use super::speech::{Listener, Speech};
use super::{Control, Event, Finish, Generation, Request, Room, Timings, TokenLogprobs, Usage};
use crate::infer::fault::InferError;
use crate::infer::forward::Wanted;
use crate::infer::grammar::{Constraint, Grammar};
use crate::infer::repetition::in_circles;
use crate::infer::sampler::{Sampler, logprobs};
use crate::infer::tokenizer::Tokenizer;

pub struct Writer<'t> {
    tokenizer: &'t Tokenizer,
    speech: Speech<'t>,
    sampler: Sampler,
    lookup: Option<Lookup>,
    constraint: Option<Constraint>,
    prompt: Vec<u32>,
    room: Room,
    most: usize,
    ignore_end: bool,
    cut_repetition: bool,
    alternatives: Option<usize>,
    /// Tokens that the model knows.
    fed: usize,
    /// To be fed next: the last token that was picked, and guesses of what follows it.
    next: Vec<u32>,
    ids: Vec<u32>,
    logprobs: Vec<TokenLogprobs>,
    finish: Option<Finish>,
    start: Duration,
    prompt_read: Option<Duration>,
    first_token: Option<Duration>,
    prompt_model: Duration,
    decode_model: Duration,
}

impl<'t> Writer<'t> {
    pub fn new(request: &Request<'_, 't>, room: Room, now: Duration) -> Result<Self, InferError> {
        let Request { prompt, sampling, limits, tokenizer } = *request;
        if prompt.is_empty() {
            return Err(InferError::EmptyPrompt);
        }
        if limits.stops.iter().any(String::is_empty) {
            return Err(InferError::EmptyStop);
        }
        if prompt.len() > room.capacity {
            return Err(InferError::Context { tokens: prompt.len(), context: room.capacity });
        }
        let mut sampler = Sampler::new(sampling, room.vocab)?;
        prompt.iter().for_each(|id| sampler.accept(*id));
        Ok(Writer {
            tokenizer,
            speech: Speech::new(tokenizer, limits),
            sampler,
            lookup: limits.lookup.then(|| Lookup::after(prompt)),
            constraint: limits.grammar.as_ref().map(Grammar::begin),
            prompt: prompt.to_vec(),
            room,
            most: limits.tokens.unwrap_or(usize::MAX),
            ignore_end: limits.ignore_end,
            cut_repetition: limits.cut_repetition,
            alternatives: limits.logprobs,
            fed: room.known,
            next: Vec::new(),
            ids: Vec::new(),
            logprobs: Vec::new(),
            finish: None,
            start: now,
            prompt_read: None,
            first_token: None,
            prompt_model: Duration::ZERO,
            decode_model: Duration::ZERO,
        })
    }

    /// Whether the prompt has been read.
    pub fn writes(&self) -> bool {
        self.fed >= self.prompt.len()
    }

    /// At most `most` tokens to be fed, and whose logits are wanted; none when the answer has ended.
    pub fn next(&self, most: usize) -> Option<(&[u32], Wanted)> {
        if self.finish.is_some() {
            return None;
        }
        if self.writes() {
            return Some((&self.next[..self.next.len().min(most)], Wanted::All));
        }
        let end = self.prompt.len().min(self.fed + most);
        let wanted = if end == self.prompt.len() && self.most > 0 { Wanted::Last } else { Wanted::None };
        Some((&self.prompt[self.fed..end], wanted))
    }

    /// Takes the logits that came of `fed` tokens in `took`, and tells how many of the tokens stay: the others were
    /// guesses that did not come true.
    pub fn take<'l>(
        &mut self,
        fed: usize,
        took: Duration,
        mut rows: impl Iterator<Item = &'l [f32]>,
        on: Listener,
        clock: &dyn Fn() -> Duration,
    ) -> Result<usize, InferError> {
        if !self.writes() {
            self.prompt_model += took;
            self.fed += fed;
            let told = on(Event::Prompt { done: self.fed, total: self.prompt.len() });
            if told == Control::Stop {
                self.finish = Some(Finish::Interrupted);
            } else if self.writes() && self.most == 0 {
                self.finish = Some(Finish::Length);
            }
            if self.writes() || self.finish.is_some() {
                self.prompt_read = Some(clock());
            }
            if self.finish.is_none() && self.writes() {
                let row = rows.next().unwrap_or(&[]);
                self.pick(row, on, clock)?;
                self.guess();
            }
            return Ok(fed);
        }
        self.decode_model += took;
        let mut kept = 0;
        for row in rows.take(fed) {
            self.fed += 1;
            kept += 1;
            let picked = self.pick(row, on, clock)?;
            let guess = self.next.get(kept).copied().filter(|_| kept < fed);
            if self.finish.is_some() || picked != guess {
                break;
            }
        }
        if let Some(lookup) = &mut self.lookup {
            lookup.came_true(fed - 1, kept - 1);
        }
        self.guess();
        Ok(kept)
    }

    /// Picks the next token by the logits before it, and shows it; none where it ends the answer unspoken.
    fn pick(&mut self, logits: &[f32], on: Listener, clock: &dyn Fn() -> Duration) -> Result<Option<u32>, InferError> {
        let position = self.prompt.len() + self.ids.len();
        let thought = self.speech.thinks();
        let allowed = match &mut self.constraint {
            Some(constraint) if !thought => Some(constraint.allowed().map_err(InferError::Grammar)?),
            _ => None,
        };
        let id = self.sampler.pick_among(logits, allowed).ok_or(InferError::NothingToPick { position })?;
        self.first_token.get_or_insert_with(clock);
        if self.tokenizer.is_end(id) && !self.ignore_end {
            self.finish = Some(Finish::Eos(id));
            return Ok(None);
        }
        self.sampler.accept(id);
        self.ids.push(id);
        if let Some(n) = self.alternatives {
            let (logprob, top) = logprobs(logits, id, n);
            self.logprobs.push(TokenLogprobs { id, logprob, top });
        }
        let told = on(Event::Token { id, logprobs: self.logprobs.last() });
        self.finish = self.speech.say(id, on)?.or((told == Control::Stop).then_some(Finish::Interrupted));
        if self.finish.is_none() && self.cut_repetition && in_circles(&self.ids) {
            self.finish = Some(Finish::Repetition);
        }
        if let Some(constraint) = &mut self.constraint {
            if !thought {
                constraint.take(id).map_err(InferError::Grammar)?;
            } else if !self.speech.thinks() && !self.speech.answered().is_empty() {
                return Err(InferError::ThoughtIntoAnswer { position });
            }
            if self.finish.is_none() && constraint.is_over() {
                self.finish = self.tokenizer.roles().ends.first().map(|end| Finish::Eos(*end));
            }
        }
        if self.finish.is_none() && (self.ids.len() >= self.most || self.fed >= self.room.capacity) {
            self.finish = Some(Finish::Length);
        }
        if let Some(lookup) = &mut self.lookup {
            lookup.push(id);
        }
        Ok(Some(id))
    }

    /// Lines up what to feed next.
    fn guess(&mut self) {
        self.next.clear();
        let (None, Some(last)) = (&self.finish, self.ids.last()) else { return };
        self.next.push(*last);
        // The last token of all is picked and not fed.
        let room = (self.room.capacity - self.fed).min(self.most - self.ids.len()) - 1;
        if let Some(lookup) = &self.lookup {
            lookup.guess(room, &mut self.next);
        }
    }

    /// What came of it; where the answer has not ended, it was interrupted.
    pub fn end(mut self, on: Listener, now: Duration) -> Generation {
        let finish = self.finish.unwrap_or(Finish::Interrupted);
        let thinks = self.speech.thinks();
        let whole = self.constraint.as_mut().map(|constraint| !thinks && constraint.is_whole());
        let (text, thinking) = self.speech.end(&finish, on);
        let since = |from: Option<Duration>, to: Duration| from.map_or(Duration::ZERO, |from| to.saturating_sub(from));
        Generation {
            text,
            thinking,
            usage: Usage { prompt: self.prompt.len(), reused: self.room.known, generated: self.ids.len() },
            token_ids: self.ids,
            finish,
            timings: Timings {
                prompt: self.prompt_read.unwrap_or(now).saturating_sub(self.start),
                first_token: self.first_token.map_or(Duration::ZERO, |first| first.saturating_sub(self.start)),
                decode: since(self.first_token, now),
                prompt_model: self.prompt_model,
                decode_model: self.decode_model,
            },
            logprobs: self.logprobs,
            guesses: self.lookup.map(Lookup::into_guesses),
            whole,
        }
    }
}
