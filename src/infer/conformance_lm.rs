//! Whether answers agree with another implementation's: its prompt, greedy ids and first logits, recorded as JSON.
//! Leaves out where models and records are found.

use std::time::Duration;

use super::engine::Engine;
use super::fault::InferError;
use super::forward::Wanted;
use super::generate::{Control, Limits};
use super::json;
use super::sampler::Sampling;
use super::tokenizer::EncodeOpts;

/// How one comparison came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub name: &'static str,
    pub outcome: Outcome,
}

/// How near two implementations must come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Of the first logits: the root of the mean square of the differences, relative to that of the logits.
    pub logits: f64,
    /// Greedy ids are compared up to the first position whose two best logits are nearer than this.
    pub margin: f32,
}

impl Bounds {
    /// Weights in floats: the same sums in another order.
    pub const FLOAT: Bounds = Bounds { logits: 1e-4, margin: 1e-4 };
    /// Quantised weights meet activations that each implementation rounds in its own way.
    pub const QUANTISED: Bounds = Bounds { logits: 0.05, margin: 0.5 };
}

struct Record {
    prompt: String,
    add_special: bool,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    greedy_text: String,
    first_logits: Vec<f64>,
}

/// Compares an engine with a record. Cases: the prompt's ids, the first logits, the greedy ids, and their text.
pub fn compare(engine: &mut Engine, record: &str, bounds: Bounds) -> Vec<Case> {
    let record = match read(record) {
        Ok(record) => record,
        Err(reason) => return vec![Case { name: "record", outcome: Outcome::Failed(reason) }],
    };
    let (ids, text) = greedy(engine, &record, bounds);
    vec![
        Case { name: "prompt ids", outcome: prompt_ids(engine, &record) },
        Case { name: "first logits", outcome: first_logits(engine, &record, bounds) },
        Case { name: "greedy ids", outcome: ids },
        Case { name: "greedy text", outcome: text },
    ]
}

fn read(record: &str) -> Result<Record, String> {
    let value = json::parse(record.as_bytes()).map_err(|e| format!("byte {}: {}", e.offset, e.reason))?;
    let field = |name: &str| value.get(name).ok_or_else(|| format!("the record has no `{name}`"));
    let text = |name: &str| field(name)?.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` is no text"));
    let ids = |name: &str| -> Result<Vec<u32>, String> {
        let wrong = || format!("`{name}` is no list of ids");
        let items = field(name)?.as_array().ok_or_else(wrong)?;
        items.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong)).collect()
    };
    let logits = field("first_step_logits")?.as_array().ok_or("`first_step_logits` is no list")?;
    Ok(Record {
        prompt: text("prompt")?,
        add_special: field("add_special")?.as_bool().ok_or("`add_special` is neither true nor false")?,
        prompt_ids: ids("prompt_ids")?,
        greedy_ids: ids("greedy_ids")?,
        greedy_text: text("greedy_text")?,
        first_logits: logits
            .iter()
            .map(|x| x.as_f64().ok_or("`first_step_logits` holds what is no number"))
            .collect::<Result<_, _>>()?,
    })
}

fn prompt_ids(engine: &Engine, record: &Record) -> Outcome {
    let opts = EncodeOpts { add_special: record.add_special, parse_special: false };
    match engine.tokenizer().encode(&record.prompt, opts) {
        Ok(ids) if ids == record.prompt_ids => Outcome::Passed,
        Ok(ids) => Outcome::Failed(format!("{ids:?}, not {:?}", record.prompt_ids)),
        Err(e) => Outcome::Failed(e.to_string()),
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
        Err(e) => return Outcome::Failed(e.to_string()),
    };
    if logits.len() != record.first_logits.len() {
        return Outcome::Failed(format!("{} logits, not {}", logits.len(), record.first_logits.len()));
    }
    let error = relative_error(&logits, &record.first_logits);
    if error <= bounds.logits {
        Outcome::Passed
    } else {
        Outcome::Failed(format!("relative error {error:.2e}, above {:.0e}", bounds.logits))
    }
}

fn logits_after(engine: &mut Engine, ids: &[u32]) -> Result<Vec<f32>, InferError> {
    let mut session = engine.session()?;
    Ok(engine.pass(&mut [(&mut session, ids, Wanted::Last)])?.pop().unwrap_or_default())
}

/// The ids, and the text that belongs to them.
fn greedy(engine: &mut Engine, record: &Record, bounds: Bounds) -> (Outcome, Outcome) {
    let limits =
        Limits { tokens: Some(record.greedy_ids.len()), logprobs: Some(2), ignore_end: true, ..Limits::default() };
    let mut go_on = |_: super::generate::Event<'_>| Control::Continue;
    let found = engine.generate(&record.prompt_ids, &Sampling::default(), &limits, &mut go_on, &|| Duration::ZERO);
    let found = match found {
        Ok(found) => found,
        Err(e) => return (Outcome::Failed(e.to_string()), Outcome::Skipped("there are no ids".to_owned())),
    };
    let differs = record.greedy_ids.iter().enumerate().find(|(i, id)| found.token_ids.get(*i) != Some(id));
    let Some((step, id)) = differs else {
        let text = if found.text == record.greedy_text {
            Outcome::Passed
        } else {
            Outcome::Failed(format!("{:?}, not {:?}", found.text, record.greedy_text))
        };
        return (Outcome::Passed, text);
    };
    let close = found.logprobs[..found.logprobs.len().min(step + 1)].iter().enumerate().find_map(|(i, token)| {
        let [(_, best), (_, next)] = token.top[..] else { return None };
        (best - next < f64::from(bounds.margin)).then_some((i, best - next))
    });
    let other = found.token_ids.get(step);
    match close {
        Some((at, margin)) => {
            let reason = format!("ids differ from step {step} on, after a margin of {margin:.2e} at step {at}");
            (Outcome::Passed, Outcome::Skipped(reason))
        }
        None => {
            let reason = format!("step {step}: {other:?}, not {id}, with no margin below {}", bounds.margin);
            (Outcome::Failed(reason), Outcome::Skipped("the ids differ".to_owned()))
        }
    }
}
