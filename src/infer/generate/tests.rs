//! The loop over scripts that say what they are told.

use std::cell::Cell;

use super::*;
use crate::infer::gguf::Gguf;
use crate::infer::gguf::write::{Put, Writer};

const VOCAB: [&str; 12] =
    ["<unk>", "<s>", "</s>", "<think>", "</think>", "<0xC3>", "<0xA9>", "▁yes", "▁no", "st", "op", "▁hm"];

fn tokenizer() -> Tokenizer {
    let kinds = [2, 3, 3, 3, 3, 6, 6, 1, 1, 1, 1, 1];
    let scores: Vec<f32> = (0..VOCAB.len()).map(|id| -(id as f32)).collect();
    let file = Writer::new()
        .key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.tokens", Put::Strings(&VOCAB))
        .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
        .key("tokenizer.ggml.scores", Put::Floats(&scores));
    let mut bytes = Vec::new();
    file.write(&mut bytes, |_| unreachable!("there are no tensors")).unwrap();
    Tokenizer::from_gguf(&Gguf::parse(&bytes).unwrap()).unwrap()
}

/// Says what it is told, whatever it is fed; the runner-up is always token 0.
struct Script<'s> {
    says: &'s [u32],
    said: usize,
    fed: Vec<u32>,
    feeds: Vec<usize>,
    known: usize,
    capacity: usize,
    logits: Vec<Vec<f32>>,
}

fn script(says: &[u32]) -> Script<'_> {
    Script { says, said: 0, fed: Vec::new(), feeds: Vec::new(), known: 0, capacity: 12, logits: Vec::new() }
}

impl Steps for Script<'_> {
    fn fed(&self) -> usize {
        self.known + self.fed.len()
    }
    fn capacity(&self) -> usize {
        self.capacity
    }
    fn chunk(&self) -> usize {
        3
    }
    fn vocab(&self) -> usize {
        VOCAB.len()
    }
    fn feed(&mut self, tokens: &[u32], wanted: Wanted) -> Result<(), InferError> {
        self.fed.extend_from_slice(tokens);
        self.feeds.push(tokens.len());
        assert!(self.fed() <= self.capacity, "more was fed than there is room for");
        self.logits.clear();
        let wanted = match wanted {
            Wanted::None => 0,
            Wanted::Last => 1,
            Wanted::All => tokens.len(),
        };
        for position in self.fed() - wanted..self.fed() {
            let mut logits = vec![0.0; VOCAB.len()];
            logits[0] = 1.0;
            // What follows a guess that is wrong is not asked for.
            let next = (position + 1).checked_sub(PROMPT.len()).and_then(|at| self.says.get(at));
            logits[next.map_or(0, |id| *id as usize)] = 3.0;
            self.said += 1;
            self.logits.push(logits);
        }
        Ok(())
    }
    fn forget(&mut self, tokens: usize) {
        self.fed.truncate(self.fed.len() - tokens);
    }
    fn logits(&self) -> impl Iterator<Item = &[f32]> {
        self.logits.iter().map(Vec::as_slice)
    }
}

const PROMPT: [u32; 4] = [1, 7, 8, 7];

struct Told {
    generation: Result<Generation, InferError>,
    events: Vec<String>,
}

fn run(steps: &mut Script, limits: Limits, stop_at: &str) -> Told {
    let mut events = Vec::new();
    let tokenizer = tokenizer();
    let sampling = Sampling::default();
    let time = Cell::new(0);
    let clock = || {
        time.set(time.get() + 1);
        Duration::from_secs(time.get())
    };
    let mut on = |event: Event<'_>| {
        let line = match event {
            Event::Prompt { done, total } => format!("prompt {done}/{total}"),
            Event::Token { id, .. } => format!("token {id}"),
            Event::Text { part, text } => format!("{part:?} {text:?}"),
        };
        let control = if line == stop_at { Control::Stop } else { Control::Continue };
        events.push(line);
        control
    };
    let request = Request { prompt: &PROMPT, sampling: &sampling, limits: &limits, tokenizer: &tokenizer };
    let generation = generate(steps, &request, &mut on, &clock);
    Told { generation, events }
}

fn answer(says: &[u32], limits: Limits) -> (String, Finish) {
    let done = run(&mut script(says), limits, "").generation.unwrap();
    (done.text, done.finish)
}

#[test]
fn a_whole_generation_step_by_step() {
    let mut steps = script(&[7, 5, 6, 8, 2]);
    let told = run(&mut steps, Limits { logprobs: Some(1), ..Limits::default() }, "");
    let done = told.generation.unwrap();
    assert_eq!((done.text.as_str(), &done.finish), (" yesé no", &Finish::Eos(2)));
    assert_eq!(done.token_ids, [7, 5, 6, 8]);
    assert_eq!(done.usage, Usage { prompt: 4, reused: 0, generated: 4 });
    // The clock strikes at the start, after the prompt, with the first token, at the end, and around each pass: two of
    // them read the prompt, four follow.
    let seconds = Duration::from_secs;
    let timings = Timings {
        prompt: seconds(5),
        first_token: seconds(6),
        decode: seconds(9),
        prompt_model: seconds(2),
        decode_model: seconds(4),
    };
    assert_eq!(done.timings, timings);
    assert_eq!((steps.fed, steps.feeds), (vec![1, 7, 8, 7, 7, 5, 6, 8], vec![3, 1, 1, 1, 1, 1]));
    let logprob = 3.0 - (3f64.exp() + 1f64.exp() + 10.0).ln();
    assert!((done.logprobs[0].logprob - logprob).abs() < 1e-9);
    assert_eq!((done.logprobs.len(), done.logprobs[0].top[0].0), (4, 7));
    insta::assert_snapshot!(told.events.join("\n"), @r#"
    prompt 3/4
    prompt 4/4
    token 7
    Answer " yes"
    token 5
    token 6
    Answer "é"
    token 8
    Answer " no"
    "#);
}

#[test]
fn limits_end_it() {
    let says = [7; 20];
    let limits = |tokens| Limits { tokens, ..Limits::default() };
    assert_eq!(answer(&says, limits(Some(2))), (" yes yes".into(), Finish::Length));
    assert_eq!(answer(&says, limits(Some(0))), (String::new(), Finish::Length));
    // Twelve positions, four of the prompt; the last token need not be fed.
    assert_eq!(answer(&says, limits(None)), (" yes".repeat(9), Finish::Length));
    let mut steps = script(&says);
    run(&mut steps, limits(Some(0)), "").generation.unwrap();
    assert_eq!(steps.said, 0);
    let ignoring = Limits { tokens: Some(3), ignore_end: true, ..Limits::default() };
    assert_eq!(answer(&[7, 2, 8], ignoring), (" yes no".into(), Finish::Length));
}

#[test]
fn a_character_that_is_cut_off_is_replaced_and_what_was_held_is_shown() {
    let limits = |stops: &[&str]| Limits {
        tokens: Some(2),
        stops: stops.iter().map(|stop| stop.to_string()).collect(),
        ..Limits::default()
    };
    assert_eq!(answer(&[7, 5], limits(&[])), (" yes\u{fffd}".into(), Finish::Length));
    assert_eq!(answer(&[7, 9], limits(&["stop"])), (" yesst".into(), Finish::Length));
}

#[test]
fn stop_strings_end_it_across_tokens_and_are_not_shown() {
    let limits = || Limits { stops: vec!["stop".into(), "ono".into()], ..Limits::default() };
    assert_eq!(answer(&[7, 9, 10, 8], limits()), (" yes".into(), Finish::Stop("stop".into())));
    let told = run(&mut script(&[7, 9, 10, 8]), limits(), "");
    let done = told.generation.unwrap();
    assert_eq!(done.token_ids, [7, 9, 10]);
    assert!(told.events.iter().all(|event| !event.contains("st")), "{:?}", told.events);
    let empty = Limits { stops: vec![String::new()], ..Limits::default() };
    assert_eq!(run(&mut script(&[7]), empty, "").generation, Err(InferError::EmptyStop));
}

#[test]
fn thinking_in_control_tokens_is_kept_apart_and_not_searched_for_stops() {
    let tokenizer = tokenizer();
    let thinking = Thinking::of(&tokenizer, "<s>user");
    assert_eq!(thinking.as_ref().map(|t| t.open), Some(false));
    assert!(Thinking::of(&tokenizer, "<s>user<think>\n").unwrap().open);
    let limits = Limits { thinking, stops: vec!["hm".into(), "stop".into()], ..Limits::default() };
    let done = run(&mut script(&[3, 11, 9, 10, 4, 7, 2]), limits.clone(), "").generation.unwrap();
    assert_eq!((done.thinking.as_str(), done.text.as_str()), ("hmstop", "yes"));
    let done = run(&mut script(&[7, 3, 8, 4, 2]), limits, "").generation.unwrap();
    assert_eq!((done.thinking.as_str(), done.text.as_str()), ("", " yes<think> no</think>"));
}

#[test]
fn the_caller_may_stop_at_any_event() {
    let stopped = |at: &str| {
        let done = run(&mut script(&[7, 8, 7, 7]), Limits::default(), at).generation.unwrap();
        assert_eq!(done.finish, Finish::Interrupted);
        (done.text, done.usage.generated)
    };
    assert_eq!(stopped("prompt 3/4"), (String::new(), 0));
    assert_eq!(stopped("prompt 4/4"), (String::new(), 0));
    assert_eq!(stopped("token 7"), (" yes".into(), 1));
    assert_eq!(stopped("token 8"), (" yes no".into(), 2));
    assert_eq!(stopped("Answer \" no\""), (" yes no".into(), 2));
}

#[test]
fn what_is_known_of_the_prompt_is_not_fed_again() {
    let mut steps = script(&[7, 2]);
    steps.known = 3;
    let done = run(&mut steps, Limits::default(), "").generation.unwrap();
    assert_eq!((done.usage.reused, steps.fed), (3, vec![7, 7]));
}

#[test]
fn forbidding_every_token_is_an_error() {
    let (tokenizer, limits) = (tokenizer(), Limits::default());
    let bias = (0..VOCAB.len() as u32).map(|id| (id, f32::NEG_INFINITY)).collect();
    let sampling = Sampling { bias, ..Sampling::default() };
    let request = Request { prompt: &PROMPT, sampling: &sampling, limits: &limits, tokenizer: &tokenizer };
    let result = generate(&mut script(&[7]), &request, &mut |_| Control::Continue, &|| Duration::ZERO);
    assert_eq!(result, Err(InferError::NothingToPick { position: 4 }));
}

#[test]
fn guesses_change_the_passes_and_nothing_else() {
    let says = [7, 8, 7, 8, 7, 11, 7, 8, 7, 8, 9, 10, 7, 8, 7, 2];
    let limits = |lookup, tokens| Limits { lookup, tokens, logprobs: Some(1), ..Limits::default() };
    let told = |lookup, tokens, capacity| {
        let mut steps = Script { capacity, ..script(&says) };
        let told = run(&mut steps, limits(lookup, tokens), "");
        let done = told.generation.unwrap();
        (done.token_ids, done.text, done.finish, done.logprobs, told.events, steps.fed, steps.feeds.len(), done.guesses)
    };
    for (tokens, capacity) in
        [(None, 64), (Some(5), 64), (Some(1), 64), (Some(0), 64), (None, 12), (None, 5), (None, 4)]
    {
        let (plain, guessed) = (told(false, tokens, capacity), told(true, tokens, capacity));
        assert_eq!((&plain.0, &plain.1, &plain.2, &plain.3), (&guessed.0, &guessed.1, &guessed.2, &guessed.3));
        assert_eq!((&plain.4, &plain.5), (&guessed.4, &guessed.5), "{tokens:?} {capacity}");
        assert_eq!(plain.7, None);
    }
    let (plain, guessed) = (told(false, None, 64), told(true, None, 64));
    let guesses = guessed.7.unwrap();
    assert!(guessed.6 < plain.6 && guesses.accepted >= 3 && guesses.accepted < guesses.guessed, "{guesses:?}");
    assert_eq!(guesses.passes + guesses.accepted, 15, "each pass brings one token of its own");
}

#[test]
fn a_generation_that_guesses_stops_where_it_is_told_to() {
    let says = [7, 8, 7, 8, 7, 8, 7, 8];
    for at in ["token 8", "Answer \" no\"", "token 7"] {
        let stopped = |lookup| {
            let told = run(&mut script(&says), Limits { lookup, ..Limits::default() }, at);
            let done = told.generation.unwrap();
            (done.token_ids, done.text, done.finish, told.events)
        };
        assert_eq!(stopped(true), stopped(false));
    }
}

/// What a model would say that likes only what it is told, under a grammar.
fn shaped(says: &[u32], lark: &str, limits: Limits) -> Generation {
    let grammar = Grammar::new(&tokenizer(), crate::infer::grammar::Form::Lark(lark)).unwrap();
    run(&mut script(says), Limits { grammar: Some(grammar), ..limits }, "").generation.unwrap()
}

#[test]
fn a_grammar_has_the_last_word() {
    let free = Limits::default;
    // The model would go on, and nothing can be added.
    let done = shaped(&[7, 7, 7], "start: \" yes\"", free());
    assert_eq!((done.text.as_str(), &done.finish, done.whole), (" yes", &Finish::Eos(2), Some(true)));
    // The model says no, which is not allowed.
    let done = shaped(&[8, 8, 8], "start: \" yes\"{2}", free());
    assert_eq!((done.text.as_str(), done.whole), (" yes yes", Some(true)));
    let cut = shaped(&[7, 7, 7], "start: \" yes\"{2}", Limits { tokens: Some(1), ..free() });
    assert_eq!((cut.text.as_str(), &cut.finish, cut.whole), (" yes", &Finish::Length, Some(false)));
    // It may end here, and was cut here.
    let done = shaped(&[7, 7, 7], "start: \" yes\"+", Limits { tokens: Some(2), ..free() });
    assert_eq!((done.text.as_str(), &done.finish, done.whole), (" yes yes", &Finish::Length, Some(true)));
    let done = shaped(&[7, 2], "start: \" yes\"+", free());
    assert_eq!((done.text.as_str(), &done.finish, done.whole), (" yes", &Finish::Eos(2), Some(true)));
    // The end is not allowed yet.
    let done = shaped(&[2, 2, 2], "start: \"é\" \" no\"", free());
    assert_eq!((done.text.as_str(), done.token_ids.as_slice(), done.whole), ("é no", &[5, 6, 8][..], Some(true)));
    assert_eq!(run(&mut script(&[7, 2]), free(), "").generation.unwrap().whole, None);
}

#[test]
fn guesses_and_grammars_go_together() {
    let says = [7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7, 8];
    let done = |lookup| {
        let mut steps = Script { capacity: 40, ..script(&says) };
        let grammar =
            Grammar::new(&tokenizer(), crate::infer::grammar::Form::Lark("start: (\" yes\" \" no\"){5}")).unwrap();
        let done = run(&mut steps, Limits { lookup, grammar: Some(grammar), ..Limits::default() }, "");
        let done = done.generation.unwrap();
        (done.text, done.token_ids, done.finish, done.whole)
    };
    assert_eq!(done(true), done(false));
    assert_eq!(done(true).0, " yes no".repeat(5));
}

#[test]
fn thinking_is_free_and_the_answer_is_not() {
    let thinking = Some(Thinking { begin: "<think>".into(), end: "</think>".into(), open: true });
    let done =
        shaped(&[8, 11, 4, 8, 8, 8], "start: \" yes\"", Limits { thinking: thinking.clone(), ..Limits::default() });
    assert_eq!((done.thinking.as_str(), done.text.as_str(), done.whole), ("no hm", "yes", Some(true)));
    let cut = shaped(&[8, 11, 4], "start: \" yes\"?", Limits { thinking, tokens: Some(2), ..Limits::default() });
    assert_eq!((cut.text.as_str(), cut.whole), ("", Some(false)));
}
