//! Long work: many prompts at a time, prompts that were read before, guesses, forms, and how keys and values are kept.
//!
//! Whole processes of the release binary on a model of random weights in a real shape, in turns with what they are
//! compared to. What such a model says means nothing, so how many guesses come true is told by a trained one:
//! `--model`. Each of these takes minutes and runs only when it is named.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bizra::bench::measure::Clock as _;
use bizra::infer::engine::{Engine, Options};
use bizra::infer::forward::Wanted;
use bizra::infer::kv::Cell;
use bizra::infer::tokenizer::EncodeOpts;
use serde_json::{Value, json};

use super::{Figure, Race, Setup};
use crate::models::{self, Mix, Recipe, SHAPES};
use crate::tools::{self, Outcome};

type Measured = Outcome<(Vec<Race>, Vec<Figure>)>;

const ROUNDS: usize = 3;
const WORDS: [&str; 12] = ["bar", "cod", "dim", "elm", "fig", "gem", "hat", "ink", "jam", "kit", "lap", "map"];

/// A folder of its own, and the program run in it.
struct Bench<'s> {
    setup: &'s Setup,
    home: PathBuf,
    model: PathBuf,
}

struct Ran {
    wall: Duration,
    /// The document at the end of what was said.
    result: Value,
}

impl<'s> Bench<'s> {
    fn new(setup: &'s Setup, name: &str) -> Outcome<Self> {
        let home = tools::root().join("target/bench").join(name);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).map_err(|cause| format!("cannot make {}: {cause}", home.display()))?;
        let model = match &setup.model {
            Some(model) => model.clone(),
            None => Recipe { shape: &SHAPES[0], mix: Mix::Q4KM }.make(&models::folder())?,
        };
        let bench = Bench { setup, home, model };
        // The model's hash is remembered from here on, and its packed weights are kept.
        bench.infer(&["--raw", "bar cod", "-n", "2"])?;
        Ok(bench)
    }

    /// An answer may be cut where it has a form.
    fn infer(&self, arguments: &[&str]) -> Outcome<Ran> {
        let mut command = tools::command(&self.setup.binary);
        command.current_dir(&self.home).env("HOME", &self.home).stderr(Stdio::piped());
        for variable in ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(variable);
        }
        command.args(["infer", "--json", "--no-receipt", "-m"]).arg(&self.model).args(arguments);
        let start = self.setup.clock.elapsed();
        let output = command.output().map_err(|cause| format!("cannot start bizra: {cause}"))?;
        let wall = self.setup.clock.elapsed().saturating_sub(start);
        let said = String::from_utf8_lossy(&output.stdout);
        if !matches!(output.status.code(), Some(0 | 4)) {
            return Err(format!("{}: {}", tools::typed(&command), String::from_utf8_lossy(&output.stderr)));
        }
        let last = said.lines().last().unwrap_or_default();
        let mut document: Value = serde_json::from_str(last).map_err(|cause| format!("no document: {cause}"))?;
        Ok(Ran { wall, result: document["result"].take() })
    }

    fn write(&self, name: &str, text: &str) -> Outcome {
        tools::write_file(&self.home.join(name), text.as_bytes())
    }
}

/// So many words of one token each, others for each number.
fn words(number: usize, count: usize) -> String {
    let word = |at: usize| WORDS[(at * 7 + at / 5 + at * at * number + number) % WORDS.len()];
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least and the greatest, as text.
fn span(numbers: &[f64], digits: usize) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.digits$} to {most:.digits$}")
}

pub(super) fn batch(setup: &Setup) -> Measured {
    const LINES: usize = 16;
    let bench = Bench::new(setup, "batch")?;
    let mut lines = String::new();
    for number in 0..LINES {
        let _ = writeln!(lines, "{}", json!({ "prompt": words(number, 32), "max_tokens": 64 }));
    }
    bench.write("in.jsonl", &lines)?;
    let speed = |parallel: &str| -> Outcome<f64> {
        let ran = bench.infer(&["--raw", "--batch", "in.jsonl", "--parallel", parallel, "--logit-bias", "2=-inf"])?;
        Ok(number(&ran.result["usage"]["generated_tokens"]) / number(&ran.result["seconds"]))
    };
    let (mut one, mut eight, mut sixteen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(speed("1")?);
        eight.push(speed("8")?);
        sixteen.push(speed("16")?);
    }
    let ratios = |many: &[f64]| many.iter().zip(&one).map(|(many, one)| many / one).collect::<Vec<f64>>();
    let (to_eight, to_sixteen) = (ratios(&eight), ratios(&sixteen));
    let shown = |ratios: &[f64]| format!("{:.2} times ({})", median(ratios.to_vec()), span(ratios, 2));
    let reached = median(to_eight.clone()) >= 2.5;
    let told = |speeds: &[f64]| format!("{:.1} tok/s", median(speeds.to_vec()));
    Ok((
        Vec::new(),
        vec![
            Figure::new("32 words read and 64 tokens written, one prompt at a time", told(&one), String::new(), None),
            Figure::new("8 prompts at a time", told(&eight), String::new(), None),
            Figure::new("8 to one", shown(&to_eight), "2.5".into(), Some(reached)),
            Figure::new("16 prompts at a time", told(&sixteen), String::new(), None),
            Figure::new("16 to one", shown(&to_sixteen), String::new(), None),
        ],
    ))
}

pub(super) fn session(setup: &Setup) -> Measured {
    let bench = Bench::new(setup, "session")?;
    let prefix = words(3, 2000);
    let mut figures = Vec::new();
    for kv in ["f16", "q8"] {
        let (mut walls, mut firsts) = (Vec::new(), Vec::new());
        let (mut first_run, mut second_run) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let name = format!("{kv}-{round}");
            let ask = |question: &str| {
                let prompt = format!("{prefix} {question}");
                bench.infer(&["--raw", &prompt, "--session", &name, "--kv", kv, "-n", "1", "--ctx", "4096"])
            };
            let (first, second) = (ask("hat ink")?, ask("jam kit lap")?);
            if number(&second.result["usage"]["reused_tokens"]) < 1990.0 {
                return Err("the second run did not take up what the first had read".into());
            }
            let told = |ran: &Ran| number(&ran.result["timings"]["first_token_ms"]);
            walls.push(second.wall.as_secs_f64() / first.wall.as_secs_f64());
            firsts.push(told(&second) / told(&first));
            first_run.push(first.wall.as_secs_f64());
            second_run.push(second.wall.as_secs_f64());
        }
        let size = fs::metadata(bench.home.join(format!(".cache/bizra/sessions/{kv}-0.session")));
        let size = size.map_or(f64::NAN, |found| found.len() as f64 / f64::from(1 << 20));
        let mut add = |what: &str, measured: String, target: &str, met| {
            figures.push(Figure::new(&format!("{kv}: {what}"), measured, target.into(), met));
        };
        add("the first run, 2,000 tokens", format!("{:.2} s", median(first_run)), "", None);
        add("the second run, from start to end", format!("{:.2} s", median(second_run)), "", None);
        let percent = |ratios: &[f64]| ratios.iter().map(|ratio| ratio * 100.0).collect::<Vec<f64>>();
        let (whole, token) = (percent(&walls), percent(&firsts));
        let shown = |all: &[f64]| format!("{:.1} % ({})", median(all.to_vec()), span(all, 1));
        add("whole processes, second to first", shown(&whole), "5 %", Some(median(whole.clone()) < 5.0));
        add("to the first token, model loaded", shown(&token), "5 %", Some(median(token.clone()) < 5.0));
        add("the file", format!("{size:.1} MiB"), "", None);
    }
    Ok((Vec::new(), figures))
}

const STORY: &str = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, \
    she saw a big, red ball. She wanted to play with it, but it was too high. Lily asked her mom to help her. Her mom \
    said yes, and they played with the big, red ball all day long.";

pub(super) fn lookup(setup: &Setup) -> Measured {
    let bench = Bench::new(setup, "lookup")?;
    let half = &STORY[..STORY.find(" One day").unwrap_or(STORY.len())];
    let tasks = [
        ("new text", "Once upon a time, in a small house".to_owned()),
        ("summary", format!("{STORY} {STORY} In short: {half}")),
        ("edit", format!("{STORY}\n\n{}\n\n{half}", STORY.replace("Lily", "Tim").replace("girl", "boy"))),
    ];
    let mut figures = Vec::new();
    for (task, prompt) in &tasks {
        let mut ratios = Vec::new();
        let mut accepted = String::new();
        for _ in 0..ROUNDS {
            let run =
                |more: &[&str]| bench.infer(&[&["--raw", prompt, "-n", "96", "--logit-bias", "2=-inf"], more].concat());
            let (plain, guessed) = (run(&[])?, run(&["--lookup"])?);
            if plain.result["token_ids"] != guessed.result["token_ids"] {
                return Err(format!("{task}: guessing changed the answer"));
            }
            let decode = |ran: &Ran| number(&ran.result["timings"]["decode_ms"]);
            ratios.push(decode(&plain) / decode(&guessed));
            let told = &guessed.result["lookup"];
            accepted =
                format!("{} of {} guesses came true, {} passes", told["accepted"], told["guessed"], told["passes"]);
        }
        figures.push(Figure::new(
            &format!("{task}: times as fast"),
            format!("{:.2} ({})", median(ratios.clone()), span(&ratios, 2)),
            String::new(),
            None,
        ));
        figures.push(Figure::new(&format!("{task}: 96 tokens"), accepted, String::new(), None));
    }
    Ok((Vec::new(), figures))
}

const SCHEMA: &str = r#"{"type": "array", "minItems": 40, "items": {"type": "object", "required": ["name", "size", "tags"],
    "properties": {"name": {"type": "string", "minLength": 8}, "size": {"type": "integer"},
    "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}}}, "additionalProperties": false}}"#;

pub(super) fn form(setup: &Setup) -> Measured {
    let bench = Bench::new(setup, "form")?;
    bench.write("schema.json", SCHEMA)?;
    bench.write("letters.lark", "start: /[a-z ]+/\n")?;
    let mut figures = Vec::new();
    for (what, args) in [("schema", ["--schema", "schema.json"]), ("grammar of letters", ["--grammar", "letters.lark"])]
    {
        let (mut slower, mut first) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let prompt = words(1, 32);
            let run = |more: &[&str]| {
                let shared = ["--raw", prompt.as_str(), "-n", "128", "--logit-bias", "2=-inf"];
                bench.infer(&[&shared, more].concat())
            };
            let (free, bound) = (run(&[])?, run(&args)?);
            if bound.result["usage"]["generated_tokens"] != 128 {
                return Err("the form ended before the measurement".into());
            }
            let decode = |ran: &Ran| number(&ran.result["timings"]["decode_ms"]);
            slower.push((decode(&bound) / decode(&free) - 1.0) * 100.0);
            first.push(
                (bound.wall.as_secs_f64() - free.wall.as_secs_f64() - (decode(&bound) - decode(&free)) / 1e3) * 1e3,
            );
        }
        let reached = median(slower.clone()) < 10.0;
        let shown = format!("{:.1} % ({})", median(slower.clone()), span(&slower, 1));
        figures.push(Figure::new(
            &format!("{what}: slower than free, 128 tokens"),
            shown,
            "10 %".into(),
            Some(reached),
        ));
        let ready = format!("{:.0} ms ({})", median(first.clone()), span(&first, 0));
        figures.push(Figure::new(&format!("{what}: made ready"), ready, String::new(), None));
    }
    Ok((Vec::new(), figures))
}

/// How far logits move when keys and values are kept in fewer bits.
pub(super) fn kv(setup: &Setup) -> Measured {
    const TOKENS: usize = 384;
    let model = match &setup.model {
        Some(model) => model.clone(),
        None => Recipe { shape: &SHAPES[0], mix: Mix::Q4KM }.make(&models::folder())?,
    };
    let file = tools::read_file(&model)?;
    let logits = |cell| logits(&file, &model, cell, TOKENS);
    let exact = logits(Cell::F32)?;
    let mut figures = Vec::new();
    for (name, cell) in [("f16", Cell::F16), ("q8", Cell::Q8)] {
        let found = logits(cell)?;
        let errors: Vec<f64> = exact.iter().zip(&found).map(|(exact, found)| error(exact, found)).collect();
        let divergences: Vec<f64> = exact.iter().zip(&found).map(|(exact, found)| divergence(exact, found)).collect();
        let same = exact.iter().zip(&found).filter(|(exact, found)| greatest(exact) == greatest(found)).count();
        let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let mut add = |what: &str, measured: String| {
            figures.push(Figure::new(&format!("{name} against f32: {what}"), measured, String::new(), None));
        };
        add("error of the logits", format!("{:.5} mean, {:.5} most", mean(&errors), most(&errors)));
        add("Kullback-Leibler divergence", format!("{:.2e} mean, {:.2e} most", mean(&divergences), most(&divergences)));
        add("same most likely token", format!("{same} of {}", exact.len()));
    }
    Ok((Vec::new(), figures))
}

fn logits(file: &[u8], model: &Path, cell: Cell, tokens: usize) -> Outcome<Vec<Vec<f32>>> {
    let told = |cause: bizra::infer::fault::InferError| format!("{}: {cause}", model.display());
    let options = Options { cell, context: Some(tokens), ..Options::default() };
    let mut engine = Engine::load(file, &options).map_err(told)?;
    let text = format!("{} {STORY}", words(2, tokens));
    let opts = EncodeOpts { add_special: true, parse_special: false };
    let mut ids = engine.tokenizer().encode(&text, opts).map_err(|cause| cause.to_string())?;
    ids.truncate(tokens);
    let mut session = engine.session().map_err(told)?;
    let mut all = Vec::new();
    for part in ids.chunks(32) {
        all.extend(engine.pass(&mut [(&mut session, part, Wanted::All)]).map_err(told)?);
    }
    Ok(all)
}

/// Of the difference to the exact ones, by their lengths.
fn error(exact: &[f32], found: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let difference: f64 = exact.iter().zip(found).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    (difference / exact.iter().map(|x| square(f64::from(*x))).sum::<f64>()).sqrt()
}

fn divergence(exact: &[f32], found: &[f32]) -> f64 {
    let logs = |logits: &[f32]| {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
        logits.iter().map(|x| f64::from(x - most) - sum.ln()).collect::<Vec<f64>>()
    };
    logs(exact).iter().zip(logs(found)).map(|(p, q)| p.exp() * (p - q)).sum()
}

fn greatest(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}
