//! Tokenizers, chat templates and whole models against what other implementations made of them.

use std::path::{Path, PathBuf};

use bizra::infer::conformance::{self, Outcome};
use bizra::infer::conformance_lm;
use bizra::infer::engine::{Engine, Options};
use bizra::infer::gguf::Gguf;
use bizra::infer::hf::{self, Shard};
use bizra::infer::kv::Cell;
use bizra::infer::tokenizer::Tokenizer;

use super::{Case, Verdict};
use crate::tools;

/// Places at which the header of a real file is cut.
const CUTS: usize = 64;

/// As the records were made: keys and values in single precision.
pub(super) fn options() -> Options<'static> {
    Options { cell: Cell::F32, ..Options::default() }
}

/// `X.gguf` with `X.gguf.inp` and `X.gguf.out`.
pub(super) fn tokenizers(folder: &Path) -> Vec<Case> {
    cases(folder, "gguf", |path, name| {
        let beside = |suffix: &str| tools::read_file(&PathBuf::from(format!("{}.{suffix}", path.display())));
        let (file, inp, out) = (tools::read_file(path)?, beside("inp")?, beside("out")?);
        let mut cases = conformance::vocabulary(name, &file, &inp, &out);
        cases.extend(conformance::header(name, &file, CUTS));
        Ok(cases)
    })
}

pub(super) fn chat_templates(folder: &Path) -> Vec<Case> {
    let now = "2026-02-01T09:00:00[UTC]".parse().expect("invariant: a time in a zone");
    cases(folder, "json", |path, _| Ok(conformance::templates(&tools::read_file(path)?, &now)))
}

/// Every folder is a model.
pub(super) fn language_models(folder: &Path) -> Vec<Case> {
    let folders = match tools::entries(folder) {
        Ok(entries) => entries.into_iter().filter(|entry| entry.is_dir()),
        Err(reason) => return cases_of("folder", Err(reason)),
    };
    let named = |folder: PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        language_model(&folder).into_iter().map(move |case| Case { name: format!("{name}: {}", case.name), ..case })
    };
    folders.flat_map(named).collect()
}

/// A model in F32 with `ref/`, its other formats in `quant/` with `ref/once-FORMAT.json`, and its folder `hf/`.
fn language_model(folder: &Path) -> Vec<Case> {
    let mut all = cases(folder, "gguf", |path, name| {
        let file = tools::read_file(path)?;
        let mut cases = conformance::header(name, &file, CUTS);
        let tokenizer = Gguf::parse(&file)
            .map_err(|e| e.to_string())
            .and_then(|gguf| Tokenizer::from_gguf(&gguf).map_err(|e| e.to_string()))?;
        for (record, bytes) in records(folder)? {
            match record.as_str() {
                "tokenize_llamacpp" => cases.extend(conformance::texts(&format!("{name} texts"), &tokenizer, &bytes)),
                record if quant_of(record).is_some() => {}
                record => {
                    cases.extend(conformance_lm::gguf(&format!("{name} {record}"), &file, &bytes, &options()));
                }
            }
        }
        Ok(cases)
    });
    for (record, bytes) in records(folder).unwrap_or_default() {
        if let Some(quant) = quant_of(&record) {
            all.extend(cases_of(&record, quantised(folder, quant, &record, &bytes)));
        }
    }
    if folder.join("hf").is_dir() {
        all.extend(cases_of("hf", hugging_face(folder)));
    }
    all
}

fn quant_of(record: &str) -> Option<&str> {
    record.strip_prefix("once-")
}

/// The records under `ref/`, by name.
fn records(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let files = tools::entries(&folder.join("ref"))?;
    let records = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    records.map(|path| Ok((stem(&path), tools::read_file(&path)?))).collect()
}

fn quantised(folder: &Path, quant: &str, record: &str, bytes: &[u8]) -> Result<Vec<conformance::Case>, String> {
    let ending = format!("{quant}.gguf");
    let files = tools::entries(&folder.join("quant"))?;
    let path = files.into_iter().find(|path| path.to_string_lossy().ends_with(&ending));
    let path = path.ok_or_else(|| format!("quant/ holds no file that ends with {ending}"))?;
    let file = tools::read_file(&path)?;
    // Packed for speed and as the file has them: both ways of multiplying are judged.
    let released = |_: std::ops::Range<u64>| ();
    let packed = Options { pack: Some(&released), ..options() };
    let mut cases = conformance_lm::gguf(&format!("{record} as it lies"), &file, bytes, &options());
    cases.extend(conformance_lm::gguf(&format!("{record} packed"), &file, bytes, &packed));
    Ok(cases)
}

fn hugging_face(folder: &Path) -> Result<Vec<conformance::Case>, String> {
    let read = |name: &str| tools::read_file(&folder.join("hf").join(name));
    let (config, tokenizer, weights) = (read("config.json")?, read("tokenizer.json")?, read("model.safetensors")?);
    let shards = [Shard { name: "model.safetensors", bytes: &weights }];
    let settings = read("tokenizer_config.json").ok();
    let mut cases = Vec::new();
    for (record, bytes) in records(folder)? {
        let tokenizer = Tokenizer::from_json(&tokenizer, settings.as_deref()).map_err(|e| e.to_string())?;
        let name = format!("hf {record}");
        if record == "tokenize_llamacpp" {
            cases.extend(conformance::texts(&name, &tokenizer, &bytes));
        } else if quant_of(&record).is_none() {
            let (config, weights) = hf::open(&config, None, &shards).map_err(|e| e.to_string())?;
            let mut engine = Engine::from_parts(config, &weights, tokenizer, &options()).map_err(|e| e.to_string())?;
            cases.extend(conformance_lm::engine_cases(&name, &mut engine, &bytes));
        }
    }
    Ok(cases)
}

/// The cases of each file with that ending.
fn cases(
    folder: &Path,
    ending: &str,
    judge: impl Fn(&Path, &str) -> Result<Vec<conformance::Case>, String>,
) -> Vec<Case> {
    let files = match tools::entries(folder) {
        Ok(files) => files,
        Err(reason) => return cases_of("folder", Err(reason)),
    };
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == ending));
    files.flat_map(|path| cases_of(&stem(&path), judge(&path, &stem(&path)))).collect()
}

pub(super) fn cases_of(name: &str, judged: Result<Vec<conformance::Case>, String>) -> Vec<Case> {
    match judged {
        Ok(cases) => cases.into_iter().map(case).collect(),
        Err(reason) => vec![Case { name: name.into(), outcome: Verdict::Failed(reason) }],
    }
}

fn case(case: conformance::Case) -> Case {
    let outcome = match case.outcome {
        Outcome::Pass => Verdict::Passed,
        Outcome::Fail(reason) => Verdict::Failed(reason),
        Outcome::Skip(reason) => Verdict::Skipped(reason),
    };
    Case { name: case.name, outcome }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
