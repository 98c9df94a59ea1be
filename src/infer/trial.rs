//! One timed run of an engine over a text made up here: what a benchmark takes a sample of.
//!
//! A single sequence goes the way that answers to users go ([`super::generate`]); several at once share each pass. The
//! clock is handed in. Leaves out how often to run, and what follows from the times.

use std::time::Duration;

use super::engine::{Engine, Session};
use super::fault::InferError;
use super::forward::Wanted;
use super::generate::{Control, Event, Limits};
use super::sampler::{Sampler, Sampling};
use super::tokenizer::{EncodeOpts, TextStream, Tokenizer};

/// How much is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens after the first one.
    pub generated: usize,
    /// Positions that the context holds before.
    pub depth: usize,
    /// Sequences at a time.
    pub batch: usize,
}

impl Sizes {
    /// Positions that a sequence needs; the last token is picked and not fed.
    pub fn context(&self) -> usize {
        self.depth.saturating_add(self.prompt).saturating_add(self.generated)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timed {
    /// From the prompt's text to the end of its reading.
    pub prompt: Duration,
    /// Of that, what the model itself took.
    pub prompt_model: Duration,
    /// From the prompt's text until the first token was picked.
    pub first_token: Duration,
    /// From the first token to the last, as text.
    pub decode: Duration,
    /// Of that, what the model itself took.
    pub decode_model: Duration,
    /// Between one token and the next.
    pub gaps: Vec<Duration>,
    /// What was said, one sequence after the other.
    pub ids: Vec<u32>,
}

/// A run that can be repeated: prompt and sequences are ready, and what lies before the prompt is computed.
pub struct Trial {
    sizes: Sizes,
    before: Vec<u32>,
    prompts: Vec<Prompt>,
    sessions: Vec<Session>,
}

struct Prompt {
    text: String,
    ids: Vec<u32>,
}

impl Trial {
    /// Takes the engine's threads and cells as they are: a trial belongs to the setting under which it was made.
    pub fn new(engine: &mut Engine<'_>, sizes: Sizes, seed: u64) -> Result<Trial, InferError> {
        let before = match sizes.depth {
            0 => Vec::new(),
            depth => prompt(engine.tokenizer(), depth, seed, true)?.ids,
        };
        let mut prompts = Vec::new();
        let mut sessions = Vec::new();
        for number in 1..=sizes.batch as u64 {
            let seed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            prompts.push(prompt(engine.tokenizer(), sizes.prompt, seed, sizes.depth == 0)?);
            let mut session = engine.session()?;
            for part in before.chunks(engine.chunk()) {
                engine.pass(&mut [(&mut session, part, Wanted::None)])?;
            }
            sessions.push(session);
        }
        Ok(Trial { sizes, before, prompts, sessions })
    }

    /// Text and tokens of the first sequence's prompt.
    pub fn first_prompt(&self) -> (&str, &[u32]) {
        self.prompts.first().map_or(("", &[]), |prompt| (&prompt.text, &prompt.ids))
    }

    /// `decoding` is called when the prompt has been read and the first token is picked.
    pub fn run(
        &mut self,
        engine: &mut Engine<'_>,
        clock: &dyn Fn() -> Duration,
        decoding: &mut dyn FnMut(),
    ) -> Result<Timed, InferError> {
        self.sessions.iter_mut().for_each(|session| session.forget_after(self.before.len()));
        match self.sizes.batch {
            1 => self.alone(engine, clock, decoding),
            _ => self.together(engine, clock, decoding),
        }
    }

    fn alone(
        &mut self,
        engine: &mut Engine<'_>,
        clock: &dyn Fn() -> Duration,
        decoding: &mut dyn FnMut(),
    ) -> Result<Timed, InferError> {
        let (prompt, session) = (&self.prompts[0], &mut self.sessions[0]);
        let ids = [self.before.as_slice(), &prompt.ids].concat();
        let limits = Limits { tokens: Some(self.sizes.generated + 1), ignore_end: true, ..Limits::default() };
        let mut told: Vec<Duration> = Vec::with_capacity(self.sizes.generated + 1);
        let mut on = |event: Event<'_>| {
            if matches!(event, Event::Token { .. }) {
                told.push(clock());
                if told.len() == 1 {
                    decoding();
                }
            }
            Control::Continue
        };
        let start = clock();
        encode(engine.tokenizer(), &prompt.text, self.before.is_empty())?;
        let encoded = clock().saturating_sub(start);
        let done = engine.generate_in(session, &ids, &Sampling::default(), &limits, &mut on, clock)?;
        Ok(Timed {
            prompt: encoded + done.timings.prompt,
            prompt_model: done.timings.prompt_model,
            first_token: encoded + done.timings.first_token,
            decode: done.timings.decode,
            decode_model: done.timings.decode_model,
            gaps: gaps(&told),
            ids: done.token_ids,
        })
    }

    fn together(
        &mut self,
        engine: &mut Engine<'_>,
        clock: &dyn Fn() -> Duration,
        decoding: &mut dyn FnMut(),
    ) -> Result<Timed, InferError> {
        let vocab = engine.config().vocab;
        let chunk = (engine.chunk() / self.sizes.batch).max(1);
        let mut timed = Timed::default();
        let start = clock();
        let mut writers = Vec::new();
        for prompt in &self.prompts {
            encode(engine.tokenizer(), &prompt.text, self.before.is_empty())?;
            let mut sampler = Sampler::new(&Sampling::default(), vocab)?;
            prompt.ids.iter().for_each(|id| sampler.accept(*id));
            writers.push(Writer { sampler, stream: TextStream::new(), ids: Vec::new() });
        }
        let mut logits = Vec::new();
        for at in (0..self.sizes.prompt).step_by(chunk) {
            let end = (at + chunk).min(self.sizes.prompt);
            let wanted = if end == self.sizes.prompt { Wanted::Last } else { Wanted::None };
            let parts = self.sessions.iter_mut().zip(&self.prompts);
            let mut parts: Vec<_> = parts.map(|(session, prompt)| (session, &prompt.ids[at..end], wanted)).collect();
            let before = clock();
            logits = engine.pass(&mut parts)?;
            timed.prompt_model += clock().saturating_sub(before);
        }
        timed.prompt = clock().saturating_sub(start);
        pick(engine.tokenizer(), &mut writers, &logits)?;
        let mut told = vec![clock()];
        timed.first_token = told[0].saturating_sub(start);
        decoding();
        for _ in 0..self.sizes.generated {
            let sessions = self.sessions.iter_mut().zip(&writers);
            let mut parts: Vec<_> = sessions.map(|(session, writer)| (session, writer.last(), Wanted::Last)).collect();
            let before = clock();
            logits = engine.pass(&mut parts)?;
            timed.decode_model += clock().saturating_sub(before);
            pick(engine.tokenizer(), &mut writers, &logits)?;
            told.push(clock());
        }
        timed.decode = clock().saturating_sub(told[0]);
        timed.gaps = gaps(&told);
        timed.ids = writers.into_iter().flat_map(|writer| writer.ids).collect();
        Ok(timed)
    }
}

/// One sequence's way from logits to text.
struct Writer {
    sampler: Sampler,
    stream: TextStream,
    ids: Vec<u32>,
}

impl Writer {
    fn last(&self) -> &[u32] {
        &self.ids[self.ids.len().saturating_sub(1)..]
    }
}

fn pick(tokenizer: &Tokenizer, writers: &mut [Writer], logits: &[Vec<f32>]) -> Result<(), InferError> {
    for (writer, logits) in writers.iter_mut().zip(logits) {
        let position = writer.ids.len();
        let id = writer.sampler.pick(logits).ok_or(InferError::NothingToPick { position })?;
        writer.sampler.accept(id);
        writer.ids.push(id);
        let piece = tokenizer.piece(id, false).ok_or(InferError::TokenId { id, vocab: tokenizer.len() })?;
        std::hint::black_box(writer.stream.push(&piece));
    }
    Ok(())
}

fn gaps(told: &[Duration]) -> Vec<Duration> {
    told.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect()
}

fn encode(tokenizer: &Tokenizer, text: &str, begins: bool) -> Result<Vec<u32>, InferError> {
    let opts = EncodeOpts { add_special: begins, parse_special: false };
    Ok(tokenizer.encode(text, opts)?)
}

/// Everyday words, so that tokenizers have the work that they have with users.
const WORDS: [&str; 48] = [
    "the", "gate", "of", "a", "plan", "opens", "when", "its", "evidence", "is", "there", "and", "not", "before",
    "somebody", "measured", "twice", "in", "one", "morning", "while", "rain", "fell", "on", "quiet", "roofs",
    "numbers", "that", "nobody", "can", "repeat", "are", "stories,", "however", "well", "they", "sound.", "so", "we",
    "write", "down", "what", "was", "seen,", "sign", "it,", "then", "continue",
];

/// A text of at least so many tokens, by few words more, and the first so many of its tokens.
fn prompt(tokenizer: &Tokenizer, tokens: usize, seed: u64, begins: bool) -> Result<Prompt, InferError> {
    let mut state = seed;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    let mut text = word().to_owned();
    let mut words = 1;
    loop {
        let mut ids = encode(tokenizer, &text, begins)?;
        if ids.len() >= tokens {
            ids.truncate(tokens);
            return Ok(Prompt { text, ids });
        }
        if words > 64 * tokens {
            return Err(InferError::EmptyPrompt);
        }
        for _ in 0..(tokens - ids.len()).div_ceil(4) {
            text.push(' ');
            text.push_str(word());
            words += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::infer::engine::Options;

    const TINY: &[u8] = include_bytes!("../../fixtures/tiny.gguf");

    fn timed(sizes: Sizes, seed: u64) -> Timed {
        let options = Options { threads: 1, context: Some(sizes.context()), ..Options::default() };
        let mut engine = Engine::load(TINY, &options).unwrap();
        let mut trial = Trial::new(&mut engine, sizes, seed).unwrap();
        let time = Cell::new(0);
        let clock = || {
            time.set(time.get() + 1);
            Duration::from_secs(time.get())
        };
        let mut begun = 0;
        let first = trial.run(&mut engine, &clock, &mut || begun += 1).unwrap();
        let second = trial.run(&mut engine, &clock, &mut || begun += 1).unwrap();
        assert_eq!((begun, &first), (2, &second), "a trial can be repeated");
        first
    }

    const SIZES: Sizes = Sizes { prompt: 9, generated: 5, depth: 0, batch: 1 };

    #[test]
    fn every_part_is_timed() {
        let one = timed(SIZES, 1);
        assert_eq!((one.ids.len(), one.gaps.len()), (6, 5));
        let seconds = |time: Duration| time.as_secs();
        // Each look at the clock is a second: two around each of the five passes after the first token.
        assert_eq!(seconds(one.decode_model), 5);
        assert!(seconds(one.decode) > 15 && one.decode > one.gaps.iter().sum());
        assert!(one.prompt > one.prompt_model && one.first_token > one.prompt);
    }

    #[test]
    fn a_sequence_says_the_same_alone_in_company_and_after_others() {
        let alone = timed(SIZES, 7);
        let batch = timed(Sizes { batch: 3, ..SIZES }, 7);
        assert_eq!(batch.ids.len(), 18);
        assert_eq!(batch.ids[..6], alone.ids);
        let deep = timed(Sizes { depth: 12, ..SIZES }, 7);
        assert_ne!(deep.ids, alone.ids, "what came before is attended to");
    }

    #[test]
    fn prompts_have_the_length_that_was_asked_for_and_follow_from_the_seed() {
        let engine = Engine::load(TINY, &Options::default()).unwrap();
        let made = |tokens, seed| prompt(engine.tokenizer(), tokens, seed, true).unwrap();
        for tokens in [1, 2, 7, 64] {
            let one = made(tokens, 3);
            assert_eq!(one.ids.len(), tokens);
            let all = encode(engine.tokenizer(), &one.text, true).unwrap();
            assert_eq!(all[..tokens], one.ids);
        }
        assert_eq!(made(64, 3).text, made(64, 3).text);
        assert_ne!(made(64, 3).text, made(64, 4).text);
    }
}
