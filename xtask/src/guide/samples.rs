//! Questions with their answers, as tokens for the trainer.

use std::collections::BTreeMap;

use bizra::infer::gguf::Gguf;
use bizra::infer::tokenizer::{EncodeOpts, Tokenizer};

use super::bpe::{self, Vocabulary};
use super::corpus::{Corpus, Split};
use super::file::{self, END, GUIDE, Shape, USER};
use super::questions::{Maker, Question, UNKNOWN};
use super::{QUESTIONS, SHORT, VOCABULARY, WHOLE};
use crate::tools::Outcome;

pub(super) struct Made {
    pub(super) train: Vec<u8>,
    pub(super) dev: Vec<u8>,
    pub(super) told: String,
}

/// How many of a hundred are about facts, and how many outside; the rest are plain sentences.
const ABOUT: usize = 62;
const OUTSIDE: usize = 35;

/// What a sample is made of: text that is given, and text that is learnt.
enum Sample {
    Asked(Question),
    Plain(String),
}

fn sample(corpus: &Corpus, maker: &mut Maker) -> Sample {
    match maker.random().below(100) {
        0..ABOUT => {
            let fact = maker.random().below(corpus.facts.len());
            Sample::Asked(maker.about(fact))
        }
        at if at < ABOUT + OUTSIDE => Sample::Asked(maker.outside(Split::Train)),
        _ => Sample::Plain(maker.random().pick(&corpus.plain).clone()),
    }
}

pub(super) fn answer<'c>(corpus: &'c Corpus, question: &Question) -> &'c str {
    question.fact.map_or(UNKNOWN, |fact| &corpus.facts[fact].answer)
}

pub(super) fn show(corpus: &Corpus, seed: u64, count: usize) -> Outcome {
    let mut maker = Maker::new(corpus, seed);
    for _ in 0..count {
        match sample(corpus, &mut maker) {
            Sample::Asked(question) => println!("{}\n    {}", question.text, answer(corpus, &question)),
            Sample::Plain(text) => println!("{text}"),
        }
    }
    Ok(())
}

/// Learnt from questions as they are asked and from all answers.
pub(super) fn vocabulary(corpus: &Corpus, seed: u64) -> Vocabulary {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |text: &str, times: u64| {
        for word in bpe::words(text) {
            *counts.entry(word.to_owned()).or_default() += times;
        }
    };
    let mut maker = Maker::new(corpus, seed ^ 1);
    for _ in 0..40_000 {
        if let Sample::Asked(question) = sample(corpus, &mut maker) {
            count(&format!(" {}", question.text.to_lowercase()), 1);
        }
    }
    let answers = corpus.facts.iter().map(|fact| fact.answer.as_str()).chain([UNKNOWN]);
    for text in answers.chain(corpus.plain.iter().map(String::as_str)) {
        count(text, 100);
    }
    bpe::learn(&counts, VOCABULARY)
}

/// Turns questions and answers into tokens, as the engine will read and write them.
struct Encoder {
    tokenizer: Tokenizer,
    longest: usize,
}

struct Tokens {
    all: Vec<u32>,
    /// So many at the beginning are read and not learnt.
    given: usize,
}

impl Encoder {
    fn new(shape: Shape, vocabulary: &Vocabulary) -> Outcome<Self> {
        let header = file::vocabulary_only(shape, vocabulary);
        let gguf = Gguf::parse(&header).map_err(|e| e.to_string())?;
        let tokenizer = Tokenizer::from_gguf(&gguf).map_err(|e| e.to_string())?;
        Ok(Encoder { tokenizer, longest: shape.context as usize / 2 })
    }

    /// None is too long.
    fn encode(&self, given: &str, learnt: &str) -> Outcome<Option<Tokens>> {
        let encode = |text: &str| {
            let opts = EncodeOpts { add_special: false, parse_special: true };
            self.tokenizer.encode(text, opts).map_err(|e| e.to_string())
        };
        let mut all = encode(given)?;
        let given = all.len();
        all.extend(encode(learnt)?);
        Ok((all.len() <= self.longest).then_some(Tokens { all, given }))
    }

    fn asked(&self, corpus: &Corpus, question: &Question) -> Outcome<Option<Tokens>> {
        self.encode(&file::prompt(&question.text), &format!("{}{END}", answer(corpus, question)))
    }
}

impl Tokens {
    /// As the trainer reads it: two lengths and the tokens, two bytes each.
    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.all.len() as u32, self.given as u32].iter().chain(&self.all) {
            out.extend((*number as u16).to_le_bytes());
        }
    }
}

pub(super) fn make(corpus: &Corpus, shape: Shape, vocabulary: &Vocabulary, seed: u64) -> Outcome<Made> {
    let encoder = Encoder::new(shape, vocabulary)?;
    let (mut train, mut dev) = (Vec::new(), Vec::new());
    let mut maker = Maker::new(corpus, seed ^ 2);
    let mut tuning: Vec<Question> =
        (0..corpus.facts.len()).flat_map(|fact| maker.of_split(fact, Split::Dev, 1)).collect();
    tuning.extend((0..60).map(|_| maker.outside(Split::Dev)));
    for question in tuning {
        if let Some(tokens) = encoder.asked(corpus, &question)? {
            tokens.write(&mut dev);
        }
    }
    let mut maker = Maker::new(corpus, seed);
    let (mut number, mut count) = (0usize, 0usize);
    for _ in 0..QUESTIONS {
        let made = match sample(corpus, &mut maker) {
            Sample::Asked(question) => encoder.asked(corpus, &question)?,
            Sample::Plain(text) => encoder.encode(USER, &format!(" {}{GUIDE}", text.to_lowercase()))?,
        };
        let Some(mut tokens) = made else { continue };
        number += 1;
        if number > WHOLE && !number.is_multiple_of(4) {
            tokens.all.truncate(tokens.given + SHORT);
        }
        count += tokens.all.len();
        tokens.write(&mut train);
    }
    let (facts, templates) = (corpus.facts.len(), corpus.templates.len());
    let told = format!("{facts} facts, {templates} templates, {number} questions, {count} tokens");
    Ok(Made { train, dev, told })
}
