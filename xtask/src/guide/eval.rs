//! The examination: questions that training never saw the like of, scored by program. An answer is right when it holds the
//! command, flag, code or number that the fact says; outside of what is known, only "I don't know" is right.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bizra::infer::engine::{Engine, Options};
use bizra::infer::generate::{Control, Limits};
use bizra::infer::sampler::Sampling;
use bizra::infer::tokenizer::EncodeOpts;
use serde_json::{Value, json};

use super::corpus::{Corpus, Split};
use super::questions::{Maker, Question};
use super::{MODEL, RECEIPT, RECORD, file};
use crate::fixtures;
use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct EvalArgs {
    /// Which questions: `held`, which nothing was tuned on, or `dev`
    #[arg(long, default_value = "held", value_parser = ["held", "dev"])]
    split: String,
    /// The model's file
    #[arg(long, default_value = MODEL)]
    model: PathBuf,
    /// Print each answer that is wrong
    #[arg(long)]
    wrong: bool,
    /// Keep the result beside the model with a receipt signed by your key, for what was held out
    #[arg(long)]
    keep: bool,
}

/// Questions of each fact at most, and questions outside.
const PER_FACT: usize = 6;
const OUTSIDE: usize = 600;
const SEED: u64 = 7;

const RIGHT: f64 = 0.9;
const UNKNOWN: f64 = 0.8;

/// So many tokens at most, as `bizra infer` gives this model.
const TOKENS: usize = 96;

#[derive(Default)]
struct Count {
    asked: usize,
    right: usize,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.asked += 1;
        self.right += usize::from(right);
    }

    fn share(&self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }

    fn told(&self) -> String {
        format!("{}/{} = {:.1} %", self.right, self.asked, 100.0 * self.share())
    }

    fn json(&self) -> Value {
        json!({"asked": self.asked, "right": self.right})
    }
}

pub(crate) fn run(args: &EvalArgs) -> Outcome {
    let corpus = Corpus::read()?;
    let split = if args.split == "dev" { Split::Dev } else { Split::Held };
    let bytes = tools::read_file(&tools::root().join(&args.model))?;
    let mut engine = Engine::load(&bytes, &Options::default()).map_err(|e| e.to_string())?;
    let mut maker = Maker::new(&corpus, SEED);
    let mut questions: Vec<Question> = Vec::new();
    for fact in 0..corpus.facts.len() {
        questions.extend(maker.of_split(fact, split, PER_FACT));
    }
    questions.extend((0..OUTSIDE).map(|_| maker.outside(split)));

    let (mut about, mut outside, mut facts) = (Count::default(), Count::default(), BTreeMap::<usize, Count>::new());
    let mut endless = 0;
    for question in &questions {
        let (said, ended) = ask(&mut engine, &question.text)?;
        endless += usize::from(!ended);
        let right = is_right(&corpus, question, &said);
        match question.fact {
            Some(fact) => {
                about.add(right);
                facts.entry(fact).or_default().add(right);
            }
            None => outside.add(right),
        }
        if args.wrong && !right {
            let wanted = question.fact.map_or("outside", |fact| &corpus.facts[fact].id);
            println!("[{wanted}] {}\n    {said}", question.text);
        }
    }
    let sound = facts.values().filter(|count| count.right == count.asked).count();
    println!("about bizra: {}; {sound} of {} facts without a fault", about.told(), facts.len());
    println!("outside of it, \"I don't know\": {}", outside.told());
    println!("answers that did not end by themselves: {endless} of {}", questions.len());
    if args.keep && split == Split::Held {
        let record = json!({
            "model": args.model.to_string_lossy(),
            "sha256": tools::sha256(&bytes),
            "corpus_sha256": Corpus::digest()?,
            "seed": SEED,
            "about": about.json(),
            "outside": outside.json(),
            "endless": endless,
        });
        let text = serde_json::to_string_pretty(&record).map_err(|e| e.to_string())? + "\n";
        tools::write_file(&tools::root().join(RECORD), text.as_bytes())?;
        fixtures::keep(&tools::root(), RECORD)?;
        sign(&about, &outside)?;
    }
    let enough = about.share() >= RIGHT && outside.share() >= UNKNOWN && endless == 0;
    if enough { Ok(()) } else { Err(format!("wanted are {RIGHT} and {UNKNOWN}, and that every answer ends")) }
}

/// A word about the record and the model, from a ledger of its own.
fn sign(about: &Count, outside: &Count) -> Outcome {
    let ledger = tools::root().join("target/guide/ledger");
    let _ = std::fs::remove_dir_all(&ledger);
    let bizra = |words: &[&str]| {
        let mut bizra = tools::cargo();
        bizra.args(["run", "--quiet", "--locked", "--package", "bizra", "--"]).args(words).arg("--ledger").arg(&ledger);
        bizra
    };
    let score = format!("{:.1}", 100.0 * about.share());
    let statement = format!(
        "Of the questions that were held out, those about bizra were answered right: {}. Those outside of it got \
         \"I don't know\": {}.",
        about.told(),
        outside.told()
    );
    let role = ["attest", "--role", "maintainer", "--score", &score, "--of", "100", "--statement", &statement];
    tools::succeed(&mut bizra(&[&role[..], &["--subject", MODEL, "--subject", RECORD]].concat()))?;
    let receipts = tools::read(&mut bizra(&["receipts", "export"]))?;
    let receipt = receipts.lines().last().ok_or("the ledger holds no receipt")?.to_owned() + "\n";
    tools::write_file(&tools::root().join(RECEIPT), receipt.as_bytes())?;
    fixtures::keep(&tools::root(), RECEIPT)
}

/// Greedy, as `bizra infer` asks it. The second is whether the answer ended by itself.
fn ask(engine: &mut Engine<'_>, question: &str) -> Outcome<(String, bool)> {
    let opts = EncodeOpts { add_special: false, parse_special: true };
    let mut ids = engine.tokenizer().encode(&file::prompt(question), opts).map_err(|e| e.to_string())?;
    // What doesn't fit is refused by `bizra infer`; its end is what a model could still read.
    let most = engine.context() - TOKENS;
    ids.drain(..ids.len().saturating_sub(most));
    let limits = Limits { tokens: Some(TOKENS), ..Limits::default() };
    let generated = engine
        .generate(&ids, &Sampling::default(), &limits, &mut |_| Control::Continue, &|| Duration::ZERO)
        .map_err(|e| e.to_string())?;
    Ok((generated.text, generated.finish.name() == "eos"))
}

fn is_right(corpus: &Corpus, question: &Question, said: &str) -> bool {
    match question.fact {
        Some(fact) => corpus.facts[fact].keys.iter().all(|key| said.contains(key.as_str())),
        None => said.starts_with("I don't know"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_right_when_it_holds_what_the_fact_says() {
        let corpus = Corpus::read().unwrap();
        let fact = corpus.facts.iter().position(|fact| fact.id == "audit").unwrap();
        let about = Question { text: String::new(), fact: Some(fact) };
        assert!(is_right(&corpus, &about, &corpus.facts[fact].answer));
        assert!(!is_right(&corpus, &about, "`bizra receipts audit` checks the ledger."));
        assert!(!is_right(&corpus, &about, "I don't know."));
        let outside = Question { text: String::new(), fact: None };
        assert!(is_right(&corpus, &outside, "I don't know. I only know bizra."));
        assert!(!is_right(&corpus, &outside, &corpus.facts[fact].answer));
    }

    #[test]
    fn what_is_asked_was_never_trained_on() {
        let corpus = Corpus::read().unwrap();
        let mut trained = std::collections::BTreeSet::new();
        let mut maker = Maker::new(&corpus, 1);
        for n in 0..30_000 {
            trained.insert(maker.about(n % corpus.facts.len()).text);
        }
        let bare = |text: &str| text.trim_end_matches(['?', '.', ' ']).to_owned();
        let trained: std::collections::BTreeSet<String> = trained.iter().map(|text| bare(text)).collect();
        let mut maker = Maker::new(&corpus, SEED);
        let held: Vec<Question> =
            (0..corpus.facts.len()).flat_map(|fact| maker.of_split(fact, Split::Held, PER_FACT)).collect();
        let met = held.iter().filter(|question| trained.contains(&bare(&question.text))).count();
        assert!(held.len() > 800 && met * 100 < held.len(), "{met} of {}", held.len());
    }
}
