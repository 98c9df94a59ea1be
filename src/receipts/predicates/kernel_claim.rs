//! Claims of a kernel's speed, within a [`super::KernelVerification`]: what was asked, what was measured, what it comes to.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::kernel_verification::word;

const MAX_CLAIMS: usize = 128;
const MAX_FIGURES: usize = 64;
const MAX_BASELINES: usize = 16;
/// More processes than a session has.
const MAX_SAMPLES: usize = 64;

pub const VERDICTS: [&str; 3] = ["supported", "refuted", "inconclusive"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The kernel's id, and the claim's.
    pub kernel: String,
    pub id: String,
    /// In its author's words, and in those that decide.
    pub text: String,
    pub grammar: String,
    pub verdict: String,
    /// Why, where figures alone don't say: the check, and what it found.
    pub check: Option<String>,
    pub why: Option<String>,
    pub threads: u64,
    /// Whether the tensors were out of the caches before each call.
    pub cold: bool,
    /// SHA-256 of the program that has the baselines.
    pub program: Hash,
    /// The hash of what inputs and orders were drawn from, which was fixed before the first call, and that itself.
    pub committed: Hash,
    pub secret: Hash,
    pub controls: Option<Controls>,
    pub figures: Vec<Figure>,
}

/// A baseline against itself, and with a delay that was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controls {
    pub processes: u64,
    pub low: Decimal,
    pub high: Decimal,
    pub delayed: Decimal,
}

/// What was found on one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub shape: String,
    /// Such as `>= 2`.
    pub asked: String,
    pub verdict: String,
    /// None where nothing was measured.
    pub estimate: Option<Decimal>,
    pub low: Option<Decimal>,
    pub high: Option<Decimal>,
    /// The figure in each process.
    pub samples: Vec<Decimal>,
    /// Of a call, by median.
    pub seconds: Option<Decimal>,
    /// The least time that the machine needs over the kernel's, in each process: what another device is compared with.
    pub roof: Vec<Decimal>,
    pub baselines: Vec<Baseline>,
}

/// A baseline's time over the kernel's, with its 95% bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    pub name: String,
    pub ratio: Decimal,
    pub low: Decimal,
    pub high: Decimal,
}

pub(super) fn validate(claims: &[Claim]) -> Result<(), ShapeError> {
    let refuse = |reason: &str| Err(ShapeError::new("predicate.claims", reason));
    if claims.len() > MAX_CLAIMS {
        return refuse("at most 128 of them");
    }
    for claim in claims {
        let texts = word(&claim.kernel, 200) && word(&claim.id, 200) && word(&claim.text, 512);
        if !texts || !word(&claim.grammar, 512) || claim.check.as_ref().is_some_and(|check| !word(check, 64)) {
            return refuse("expected a kernel, an id, a text and what it comes to");
        }
        if !VERDICTS.contains(&claim.verdict.as_str()) || claim.why.as_ref().is_some_and(|why| !word(why, 1024)) {
            return refuse("expected a verdict, and why in at most 1024 bytes");
        }
        if !(1..=1024).contains(&claim.threads) || claim.figures.len() > MAX_FIGURES {
            return refuse("expected 1 to 1024 threads, and at most 64 shapes");
        }
        if claim.controls.as_ref().is_some_and(|controls| controls.processes > MAX_SAMPLES as u64) {
            return refuse("at most 64 processes a control");
        }
        let supported = |figure: &Figure| figure.verdict == "supported" && !figure.samples.is_empty();
        let all = !claim.figures.is_empty() && claim.figures.iter().all(supported);
        if claim.verdict == "supported" && !(all && claim.why.is_none()) {
            return refuse("a claim is supported where it is on every shape, by what was measured");
        }
        for figure in &claim.figures {
            if !word(&figure.shape, 256) || !word(&figure.asked, 64) || !VERDICTS.contains(&figure.verdict.as_str()) {
                return refuse("a figure has a shape, what was asked, and a verdict");
            }
            if figure.samples.len() > MAX_SAMPLES || figure.roof.len() > MAX_SAMPLES {
                return refuse("at most 64 processes a shape");
            }
            if figure.baselines.len() > MAX_BASELINES || !figure.baselines.iter().all(|one| word(&one.name, 200)) {
                return refuse("at most 16 baselines, by name");
            }
        }
    }
    Ok(())
}

pub(super) fn body(claims: &[Claim]) -> Value {
    let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
    let number = |x: &Option<Decimal>| x.as_ref().map(|x| x.as_str().to_owned());
    let numbers = |all: &[Decimal]| all.iter().map(|x| x.as_str().to_owned()).collect::<Vec<_>>();
    let baseline = |one: &Baseline| {
        Object::new()
            .with("high", one.high.as_str())
            .with("low", one.low.as_str())
            .with("name", one.name.as_str())
            .with("ratio", one.ratio.as_str())
            .into()
    };
    let figure = |one: &Figure| {
        Object::new()
            .with("asked", one.asked.as_str())
            .with("baselines", Value::Array(one.baselines.iter().map(baseline).collect()))
            .with("estimate", number(&one.estimate))
            .with("high", number(&one.high))
            .with("low", number(&one.low))
            .with("roof", numbers(&one.roof))
            .with("samples", numbers(&one.samples))
            .with("seconds", number(&one.seconds))
            .with("shape", one.shape.as_str())
            .with("verdict", one.verdict.as_str())
            .into()
    };
    let controls = |one: &Controls| -> Value {
        Object::new()
            .with("delayed", one.delayed.as_str())
            .with("high", one.high.as_str())
            .with("low", one.low.as_str())
            .with("processes", count(one.processes))
            .into()
    };
    let claim = |one: &Claim| {
        Object::new()
            .with("check", one.check.clone())
            .with("cold", one.cold)
            .with("committed", hex::encode(&one.committed))
            .with("controls", one.controls.as_ref().map_or(Value::Null, controls))
            .with("figures", Value::Array(one.figures.iter().map(figure).collect()))
            .with("grammar", one.grammar.as_str())
            .with("id", one.id.as_str())
            .with("kernel", one.kernel.as_str())
            .with("program", hex::encode(&one.program))
            .with("secret", hex::encode(&one.secret))
            .with("text", one.text.as_str())
            .with("threads", count(one.threads))
            .with("verdict", one.verdict.as_str())
            .with("why", one.why.clone())
            .into()
    };
    Value::Array(claims.iter().map(claim).collect())
}

/// The claims of a receipt; none of one that was made before claims were kept.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<Vec<Claim>, ShapeError> {
    if fields.optional("claims").is_none() {
        return Ok(Vec::new());
    }
    fields.array("claims")?.into_iter().map(|(path, value)| claim(Fields::of(path, value)?)).collect()
}

fn claim(mut fields: Fields<'_>) -> Result<Claim, ShapeError> {
    let controls = match fields.take("controls")? {
        Value::Null => None,
        _ => {
            let mut fields = fields.object("controls")?;
            let controls = Controls {
                processes: fields.count("processes")?,
                low: fields.parsed("low", str::parse)?,
                high: fields.parsed("high", str::parse)?,
                delayed: fields.parsed("delayed", str::parse)?,
            };
            fields.finish()?;
            Some(controls)
        }
    };
    let figures = fields.array("figures")?.into_iter().map(|(path, value)| figure(Fields::of(path, value)?));
    let read = Claim {
        figures: figures.collect::<Result<_, _>>()?,
        kernel: fields.string("kernel")?.into(),
        id: fields.string("id")?.into(),
        text: fields.string("text")?.into(),
        grammar: fields.string("grammar")?.into(),
        verdict: fields.string("verdict")?.into(),
        check: fields.nullable_string("check")?.map(str::to_owned),
        why: fields.nullable_string("why")?.map(str::to_owned),
        threads: fields.count("threads")?,
        cold: fields.boolean("cold")?,
        program: fields.hex("program")?,
        committed: fields.hex("committed")?,
        secret: fields.hex("secret")?,
        controls,
    };
    fields.finish()?;
    Ok(read)
}

fn figure(mut fields: Fields<'_>) -> Result<Figure, ShapeError> {
    let number = |fields: &mut Fields<'_>, key: &'static str| -> Result<Option<Decimal>, ShapeError> {
        let text = fields.nullable_string(key)?;
        text.map(|text| text.parse().map_err(|_| fields.error(key, "expected a decimal number"))).transpose()
    };
    let numbers = |fields: &mut Fields<'_>, key: &'static str| -> Result<Vec<Decimal>, ShapeError> {
        let texts = fields.strings(key)?;
        let read = |text: &str| text.parse().map_err(|_| fields.error(key, "expected decimal numbers"));
        texts.into_iter().map(read).collect()
    };
    let mut baselines = Vec::new();
    for (path, value) in fields.array("baselines")? {
        let mut fields = Fields::of(path, value)?;
        baselines.push(Baseline {
            name: fields.string("name")?.into(),
            ratio: fields.parsed("ratio", str::parse)?,
            low: fields.parsed("low", str::parse)?,
            high: fields.parsed("high", str::parse)?,
        });
        fields.finish()?;
    }
    let read = Figure {
        shape: fields.string("shape")?.into(),
        asked: fields.string("asked")?.into(),
        verdict: fields.string("verdict")?.into(),
        estimate: number(&mut fields, "estimate")?,
        low: number(&mut fields, "low")?,
        high: number(&mut fields, "high")?,
        samples: numbers(&mut fields, "samples")?,
        seconds: number(&mut fields, "seconds")?,
        roof: numbers(&mut fields, "roof")?,
        baselines,
    };
    fields.finish()?;
    Ok(read)
}
