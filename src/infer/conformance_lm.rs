//! Whether a model's answers agree with another implementation's: its prompt, greedy ids and first logits, recorded as
//! JSON. Leaves out where models and records are found.

use std::time::Duration;

use serde_json::Value as Json;

use super::conformance::{Case, Outcome};
use super::dtype::DType;
use super::engine::{Engine, Options, Session};
use super::fault::InferError;
use super::forward::Wanted;
use super::generate::{Control, Event, Limits};
use super::json;
use super::sampler::Sampling;
use super::tokenizer::EncodeOpts;

/// How near two implementations must come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Of the first logits: the root of the mean square of the differences, relative to that of the logits.
    pub logits: f64,
    /// Greedy ids are compared up to the first position whose two best logits are nearer than this; 0 compares all.
    pub margin: f64,
}

impl Bounds {
    /// F32: the same sums in another order.
    pub const SINGLE: Bounds = Bounds { logits: 1e-4, margin: 0.0 };
    /// F16 and BF16: llama.cpp rounds the activations too, bizra doesn't.
    pub const HALF: Bounds = Bounds { logits: 1e-3, margin: 1e-3 };
    /// Quantised weights meet activations in 8 bits, which each implementation rounds in its own way.
    pub const QUANTISED: Bounds = Bounds { logits: 0.1, margin: 0.3 };

    /// For a model that holds matrices in these formats.
    pub fn of(formats: impl IntoIterator<Item = DType>) -> Bounds {
        formats.into_iter().fold(Bounds::SINGLE, |bounds, format| match format {
            DType::F32 => bounds,
            DType::F16 | DType::BF16 if bounds == Bounds::SINGLE => Bounds::HALF,
            DType::F16 | DType::BF16 => bounds,
            _ => Bounds::QUANTISED,
        })
    }
}

struct Record {
    prompt: String,
    add_special: bool,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    /// A peer that was asked for tokens alone has none.
    greedy_text: Option<String>,
    first_logits: Vec<f64>,
}

/// Runs the bytes of a GGUF file against a record, with bounds after the formats of its weights.
pub fn gguf(name: &str, file: &[u8], record: &[u8], options: &Options) -> Vec<Case> {
    match Engine::load(file, options) {
        Ok(mut engine) => engine_cases(name, &mut engine, record),
        Err(e) => vec![Case { name: name.to_owned(), outcome: Outcome::Fail(e.to_string()) }],
    }
}

/// Runs an engine against a record. Cases: the prompt's ids, the first logits, the greedy ids, and their
/// text where the record has it.
pub fn engine_cases(name: &str, engine: &mut Engine, record: &[u8]) -> Vec<Case> {
    let case = |what: &str, outcome| Case { name: format!("{name}: {what}"), outcome };
    let record = match read(record) {
        Ok(record) => record,
        Err(reason) => return vec![case("record", Outcome::Fail(reason))],
    };
    let bounds = Bounds::of(engine.formats());
    let (ids, text) = greedy(engine, &record, bounds);
    let mut cases = vec![
        case("prompt ids", prompt_ids(engine, &record)),
        case("first logits", first_logits(engine, &record, bounds)),
        case("greedy ids", ids),
    ];
    cases.extend(text.map(|text| case("greedy text", text)));
    cases
}

fn read(record: &[u8]) -> Result<Record, String> {
    let value = json::parse(record).map_err(|e| format!("byte {}: {}", e.offset, e.reason))?;
    let field = |name: &str| value.get(name).ok_or_else(|| format!("the record has no `{name}`"));
    let text = |name: &str| field(name)?.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` is no text"));
    let ids = |name: &str| -> Result<Vec<u32>, String> {
        let wrong = || format!("`{name}` is no list of ids");
        let items = field(name)?.as_array().filter(|items| !items.is_empty()).ok_or_else(wrong)?;
        items.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong)).collect()
    };
    let logits = || {
        let items = value.get("first_step_logits")?.as_array().filter(|items| !items.is_empty())?;
        items.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>()
    };
    Ok(Record {
        prompt: text("prompt")?,
        add_special: field("add_special")?.as_bool().ok_or("`add_special` is neither true nor false")?,
        prompt_ids: ids("prompt_ids")?,
        greedy_ids: ids("greedy_ids")?,
        greedy_text: value.get("greedy_text").map(|_| text("greedy_text")).transpose()?,
        first_logits: logits().ok_or("`first_step_logits` is no list of numbers")?,
    })
}

fn prompt_ids(engine: &Engine, record: &Record) -> Outcome {
    let opts = EncodeOpts { add_special: record.add_special, parse_special: false };
    match engine.tokenizer().encode(&record.prompt, opts) {
        Ok(ids) if ids == record.prompt_ids => Outcome::Pass,
        Ok(ids) => Outcome::Fail(format!("{ids:?}, not {:?}", record.prompt_ids)),
        Err(e) => Outcome::Fail(e.to_string()),
    }
}

/// The root of the mean square of the differences between `found` and `expected`, relative to that of `expected`.
pub fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    let squares: f64 = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum();
    (squares / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
}

fn first_logits(engine: &mut Engine, record: &Record, bounds: Bounds) -> Outcome {
    let logits = match logits_after(engine, &record.prompt_ids) {
        Ok(logits) => logits,
        Err(e) => return Outcome::Fail(e.to_string()),
    };
    if logits.len() != record.first_logits.len() {
        return Outcome::Fail(format!("{} logits, not {}", logits.len(), record.first_logits.len()));
    }
    let error = relative_error(&logits, &record.first_logits);
    if error <= bounds.logits {
        Outcome::Pass
    } else {
        Outcome::Fail(format!("relative error {error:.2e}, above {:.0e}", bounds.logits))
    }
}

fn logits_after(engine: &mut Engine, ids: &[u32]) -> Result<Vec<f32>, InferError> {
    let mut session: Session = engine.session()?;
    Ok(engine.pass(&mut [(&mut session, ids, Wanted::Last)])?.pop().unwrap_or_default())
}

/// The ids and, where the record has it, the text that belongs to them.
fn greedy(engine: &mut Engine, record: &Record, bounds: Bounds) -> (Outcome, Option<Outcome>) {
    let limits =
        Limits { tokens: Some(record.greedy_ids.len()), logprobs: Some(2), ignore_end: true, ..Limits::default() };
    let mut go_on = |_: Event<'_>| Control::Continue;
    let found = engine.generate(&record.prompt_ids, &Sampling::default(), &limits, &mut go_on, &|| Duration::ZERO);
    let with_text = |text: Outcome| record.greedy_text.is_some().then_some(text);
    let found = match found {
        Ok(found) => found,
        Err(e) => {
            return (Outcome::Fail(e.to_string()), with_text(Outcome::Skip("there are no ids".to_owned())));
        }
    };
    let differs = record.greedy_ids.iter().enumerate().find(|(i, id)| found.token_ids.get(*i) != Some(id));
    let Some((step, id)) = differs else {
        let text = record.greedy_text.as_ref().map(|text| match found.text == *text {
            true => Outcome::Pass,
            false => Outcome::Fail(format!("{:?}, not {text:?}", found.text)),
        });
        return (Outcome::Pass, text);
    };
    let margins = found.logprobs.iter().take(step + 1).enumerate().filter_map(|(at, token)| {
        let [(_, best), (_, next)] = token.top[..] else { return None };
        Some((at, best - next))
    });
    match margins.into_iter().find(|(_, margin)| *margin < bounds.margin) {
        Some((at, margin)) => {
            let reason = format!("ids differ from step {step} on, after a margin of {margin:.1e} at step {at}");
            (Outcome::Pass, with_text(Outcome::Skip(reason)))
        }
        None => {
            let other = found.token_ids.get(step);
            let reason = format!("step {step}: {other:?}, not {id}, and no margin before is below {}", bounds.margin);
            (Outcome::Fail(reason), with_text(Outcome::Skip("the ids differ".to_owned())))
        }
    }
}
