//! One subject measured on one machine: every sample, what was seen of the machine meanwhile, and all that a second run
//! needs to measure the same.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::statement;
use super::Predicate;

const MAX_WORD_BYTES: usize = 256;
const MAX_ARGUMENT_BYTES: usize = 4096;
const MAX_ARGUMENTS: usize = 256;
const MAX_LIST: usize = 4096;

/// Figures that stand at the top of a receipt, so that a gate can name `decode.tok_s.ci95.lower`.
pub const HEADLINE: [(&str, &[&str]); 7] = [
    ("between_tokens", &["p50_ms", "p90_ms", "p99_ms"]),
    ("decode", &["bare_tok_s", "tok_s"]),
    ("energy", &["j_tok"]),
    ("first_token", &["ms"]),
    ("load", &["cold_ms", "warm_ms"]),
    ("memory", &["peak_mib"]),
    ("prefill", &["bare_tok_s", "tok_s"]),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    pub subject: Measured,
    pub machine: Machine,
    pub plan: Plan,
    pub peaks: Vec<Peak>,
    pub noise: Noise,
    pub settings: Vec<Setting>,
    pub measurements: Vec<Measurement>,
    /// What could not be measured, and why.
    pub remarks: Vec<String>,
    pub against: Option<Against>,
    pub claims: Vec<Claim>,
    /// None where nothing was asked and nothing was too noisy.
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    Model { name: String, sha256: Hash, bytes: u64, arch: String, quant: String, parameters: u64 },
    Command { argv: Vec<String>, sha256: Hash },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub fingerprint: String,
    pub cpu: String,
    pub system: String,
    pub level: String,
    pub processors: u64,
    pub usable: u64,
    pub memory_bytes: u64,
    pub governor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub rounds: u64,
    pub window: u64,
    pub tolerance: Decimal,
    pub warm_up_limit: u64,
    pub precision: Decimal,
    pub seed: u64,
}

/// Bytes and multiply-adds a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peak {
    pub threads: u64,
    pub bandwidth: Decimal,
    pub integer: Decimal,
    pub float: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noise {
    pub steal: Option<Decimal>,
    pub others: Option<Decimal>,
    pub throttled: Option<u64>,
    pub least_mhz: Option<Decimal>,
    pub most_mhz: Option<Decimal>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub prompt: Option<u64>,
    pub generated: Option<u64>,
    pub depth: Option<u64>,
    pub batch: Option<u64>,
    pub threads: Option<u64>,
    pub kv: Option<String>,
    /// SHA-256 over the ids of the tokens that came out, four bytes each, little-endian.
    pub output: Option<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    pub id: String,
    /// A place in the receipt's settings.
    pub setting: u64,
    pub unit: String,
    pub higher_is_better: bool,
    pub median: Decimal,
    /// Lower and upper bound of the median with 95% confidence.
    pub interval: Option<(Decimal, Decimal)>,
    pub samples: Vec<Decimal>,
    pub warm_up: Vec<Decimal>,
    pub settled: bool,
    /// What limits it, and to how much, in the same unit.
    pub limit: Option<(String, Decimal)>,
}

/// Another receipt's run that this one was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    pub receipt: Hash,
    /// In the same rounds, so that samples can be paired.
    pub same_session: bool,
    /// Whether the same tokens came out; none where that can't be told.
    pub same_output: Option<bool>,
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// A place in the receipt's measurements.
    pub measurement: u64,
    /// This run's over the other's.
    pub ratio: Decimal,
    pub interval: Option<(Decimal, Decimal)>,
    /// Of the rank-sum test.
    pub p: Decimal,
    /// Such as `faster`, `slower`, `same` or `inconclusive`.
    pub word: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub text: String,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    Inconclusive,
}

const VERDICTS: [(Verdict, &str); 3] =
    [(Verdict::Passed, "passed"), (Verdict::Failed, "failed"), (Verdict::Inconclusive, "inconclusive")];

impl Verdict {
    pub fn word(self) -> &'static str {
        VERDICTS.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }

    fn read(word: &str) -> Result<Self, &'static str> {
        let verdict = VERDICTS.iter().find(|(_, name)| *name == word).map(|(verdict, _)| *verdict);
        verdict.ok_or("expected passed, failed or inconclusive")
    }
}

impl Benchmark {
    pub fn subjects(&self) -> Vec<statement::Subject> {
        vec![match &self.subject {
            Measured::Model { name, sha256, .. } => statement::Subject::sha256(format!("model:{name}"), *sha256),
            Measured::Command { argv, sha256 } => {
                let program = argv.first().map_or("", |program| program.as_str());
                statement::Subject::sha256(format!("command:{program}"), *sha256)
            }
        }]
    }

    /// Where an id was measured under one setting only, it needs no setting to be named.
    fn headline(&self, group: &str, names: &[&str]) -> Value {
        let mut figures = Object::new();
        for name in names {
            let id = format!("{group}.{name}");
            let mut found = self.measurements.iter().filter(|one| one.id == id);
            if let (Some(only), None) = (found.next(), found.next()) {
                figures.insert(*name, only.figure());
            }
        }
        if figures.is_empty() { Value::Null } else { figures.into() }
    }
}

fn count(n: u64) -> Value {
    json::integer(n).unwrap_or(Value::Null)
}

fn count_or_null(n: Option<u64>) -> Value {
    n.map_or(Value::Null, count)
}

fn decimals(list: &[Decimal]) -> Vec<String> {
    list.iter().map(|number| number.as_str().to_owned()).collect()
}

fn text(number: Option<&Decimal>) -> Option<String> {
    number.map(|number| number.as_str().to_owned())
}

fn interval(bounds: Option<&(Decimal, Decimal)>) -> Value {
    match bounds {
        Some((lower, upper)) => Object::new().with("lower", lower.as_str()).with("upper", upper.as_str()).into(),
        None => Value::Null,
    }
}

fn read_decimals(fields: &mut Fields<'_>, key: &'static str) -> Result<Vec<Decimal>, ShapeError> {
    let strings = fields.strings(key)?;
    let read = |text: &str| text.parse::<Decimal>().map_err(|error| fields.error(key, error.to_string()));
    strings.into_iter().map(read).collect()
}

fn read_decimal_or_null(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Decimal>, ShapeError> {
    match fields.nullable_string(key)? {
        Some(_) => fields.parsed(key, str::parse).map(Some),
        None => Ok(None),
    }
}

fn read_interval(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<(Decimal, Decimal)>, ShapeError> {
    if matches!(fields.take(key)?, Value::Null) {
        return Ok(None);
    }
    let mut bounds = fields.object(key)?;
    let read = (bounds.parsed("lower", str::parse)?, bounds.parsed("upper", str::parse)?);
    bounds.finish()?;
    Ok(Some(read))
}

/// The items of an array, each an object that `read` takes whole.
fn read_list<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl Fn(&mut Fields<'_>) -> Result<T, ShapeError>,
) -> Result<Vec<T>, ShapeError> {
    let mut list = Vec::new();
    for (path, value) in fields.array(key)? {
        let mut item = Fields::of(path, value)?;
        list.push(read(&mut item)?);
        item.finish()?;
    }
    Ok(list)
}

impl Measured {
    fn to_value(&self) -> Object {
        match self {
            Measured::Model { name, sha256, bytes, arch, quant, parameters } => Object::new()
                .with("arch", arch.as_str())
                .with("bytes", count(*bytes))
                .with("kind", "model")
                .with("name", name.as_str())
                .with("parameters", count(*parameters))
                .with("quant", quant.as_str())
                .with("sha256", hex::encode(sha256)),
            Measured::Command { argv, sha256 } => {
                Object::new().with("argv", argv.clone()).with("kind", "command").with("sha256", hex::encode(sha256))
            }
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        match fields.string("kind")? {
            "model" => Ok(Measured::Model {
                name: fields.string("name")?.to_owned(),
                sha256: fields.hex("sha256")?,
                bytes: fields.count("bytes")?,
                arch: fields.string("arch")?.to_owned(),
                quant: fields.string("quant")?.to_owned(),
                parameters: fields.count("parameters")?,
            }),
            "command" => Ok(Measured::Command {
                argv: fields.strings("argv")?.into_iter().map(str::to_owned).collect(),
                sha256: fields.hex("sha256")?,
            }),
            _ => Err(fields.error("kind", "expected model or command")),
        }
    }
}

impl Machine {
    fn to_value(&self) -> Object {
        Object::new()
            .with("cpu", self.cpu.as_str())
            .with("fingerprint", self.fingerprint.as_str())
            .with("governor", self.governor.clone())
            .with("level", self.level.as_str())
            .with("memoryBytes", count(self.memory_bytes))
            .with("processors", count(self.processors))
            .with("system", self.system.as_str())
            .with("usable", count(self.usable))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Machine {
            fingerprint: fields.string("fingerprint")?.to_owned(),
            cpu: fields.string("cpu")?.to_owned(),
            system: fields.string("system")?.to_owned(),
            level: fields.string("level")?.to_owned(),
            processors: fields.count("processors")?,
            usable: fields.count("usable")?,
            memory_bytes: fields.count("memoryBytes")?,
            governor: fields.nullable_string("governor")?.map(str::to_owned),
        })
    }
}

impl Plan {
    fn to_value(&self) -> Object {
        Object::new()
            .with("precision", self.precision.as_str())
            .with("rounds", count(self.rounds))
            .with("seed", self.seed.to_string())
            .with("tolerance", self.tolerance.as_str())
            .with("warmUpLimit", count(self.warm_up_limit))
            .with("window", count(self.window))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let seed = |text: &str| {
            text.parse::<u64>().ok().filter(|seed| seed.to_string() == text).ok_or("expected a number below 2^64")
        };
        Ok(Plan {
            rounds: fields.count("rounds")?,
            window: fields.count("window")?,
            tolerance: fields.parsed("tolerance", str::parse)?,
            warm_up_limit: fields.count("warmUpLimit")?,
            precision: fields.parsed("precision", str::parse)?,
            seed: fields.parsed("seed", seed)?,
        })
    }
}

impl Peak {
    fn to_value(&self) -> Value {
        Object::new()
            .with("bytesPerSecond", self.bandwidth.as_str())
            .with("floatPerSecond", self.float.as_str())
            .with("integerPerSecond", self.integer.as_str())
            .with("threads", count(self.threads))
            .into()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Peak {
            threads: fields.count("threads")?,
            bandwidth: fields.parsed("bytesPerSecond", str::parse)?,
            integer: fields.parsed("integerPerSecond", str::parse)?,
            float: fields.parsed("floatPerSecond", str::parse)?,
        })
    }
}

impl Noise {
    fn to_value(&self) -> Object {
        Object::new()
            .with("leastMhz", text(self.least_mhz.as_ref()))
            .with("mostMhz", text(self.most_mhz.as_ref()))
            .with("others", text(self.others.as_ref()))
            .with("steal", text(self.steal.as_ref()))
            .with("throttled", count_or_null(self.throttled))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Noise {
            steal: read_decimal_or_null(fields, "steal")?,
            others: read_decimal_or_null(fields, "others")?,
            throttled: fields.nullable_count("throttled")?,
            least_mhz: read_decimal_or_null(fields, "leastMhz")?,
            most_mhz: read_decimal_or_null(fields, "mostMhz")?,
        })
    }
}

impl Setting {
    fn to_value(&self) -> Value {
        Object::new()
            .with("batch", count_or_null(self.batch))
            .with("depth", count_or_null(self.depth))
            .with("generated", count_or_null(self.generated))
            .with("kv", self.kv.clone())
            .with("output", self.output.map(|hash| hex::encode(&hash)))
            .with("prompt", count_or_null(self.prompt))
            .with("threads", count_or_null(self.threads))
            .into()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        Ok(Setting {
            prompt: fields.nullable_count("prompt")?,
            generated: fields.nullable_count("generated")?,
            depth: fields.nullable_count("depth")?,
            batch: fields.nullable_count("batch")?,
            threads: fields.nullable_count("threads")?,
            kv: fields.nullable_string("kv")?.map(str::to_owned),
            output: match fields.nullable_string("output")? {
                Some(_) => Some(fields.hex("output")?),
                None => None,
            },
        })
    }
}

impl Measurement {
    /// What a gate looks at.
    fn figure(&self) -> Object {
        Object::new()
            .with("ci95", interval(self.interval.as_ref()))
            .with("median", self.median.as_str())
            .with("unit", self.unit.as_str())
    }

    fn to_value(&self) -> Value {
        let limit = |(what, value): &(String, Decimal)| {
            Value::from(Object::new().with("value", value.as_str()).with("what", what.as_str()))
        };
        self.figure()
            .with("better", if self.higher_is_better { "higher" } else { "lower" })
            .with("id", self.id.as_str())
            .with("limit", self.limit.as_ref().map_or(Value::Null, limit))
            .with("samples", decimals(&self.samples))
            .with("setting", count(self.setting))
            .with("settled", self.settled)
            .with("warmUp", decimals(&self.warm_up))
            .into()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let limit = match fields.take("limit")? {
            Value::Null => None,
            _ => {
                let mut limit = fields.object("limit")?;
                let read = (limit.string("what")?.to_owned(), limit.parsed("value", str::parse)?);
                limit.finish()?;
                Some(read)
            }
        };
        Ok(Measurement {
            id: fields.string("id")?.to_owned(),
            setting: fields.count("setting")?,
            unit: fields.string("unit")?.to_owned(),
            higher_is_better: fields.parsed("better", |word| match word {
                "higher" => Ok(true),
                "lower" => Ok(false),
                _ => Err("expected higher or lower"),
            })?,
            median: fields.parsed("median", str::parse)?,
            interval: read_interval(fields, "ci95")?,
            samples: read_decimals(fields, "samples")?,
            warm_up: read_decimals(fields, "warmUp")?,
            settled: fields.boolean("settled")?,
            limit,
        })
    }
}

impl Against {
    fn to_value(&self) -> Value {
        let comparison = |one: &Comparison| {
            Value::from(
                Object::new()
                    .with("ci95", interval(one.interval.as_ref()))
                    .with("measurement", count(one.measurement))
                    .with("p", one.p.as_str())
                    .with("ratio", one.ratio.as_str())
                    .with("word", one.word.as_str()),
            )
        };
        Object::new()
            .with("comparisons", Value::Array(self.comparisons.iter().map(comparison).collect()))
            .with("receipt", hex::encode(&self.receipt))
            .with("sameOutput", self.same_output.map_or(Value::Null, Value::Bool))
            .with("sameSession", self.same_session)
            .into()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let comparisons = read_list(fields, "comparisons", |one| {
            Ok(Comparison {
                measurement: one.count("measurement")?,
                ratio: one.parsed("ratio", str::parse)?,
                interval: read_interval(one, "ci95")?,
                p: one.parsed("p", str::parse)?,
                word: one.string("word")?.to_owned(),
            })
        })?;
        Ok(Against {
            receipt: fields.hex("receipt")?,
            same_session: fields.boolean("sameSession")?,
            same_output: match fields.take("sameOutput")? {
                Value::Null => None,
                _ => Some(fields.boolean("sameOutput")?),
            },
            comparisons,
        })
    }
}

impl Predicate for Benchmark {
    const TYPE: &'static str = "urn:bizra:predicate:benchmark:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/benchmark-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        let fits = |text: &str, most: usize| !text.is_empty() && text.len() <= most && !text.contains(char::is_control);
        let word = |text: &String| fits(text, MAX_WORD_BYTES);
        let machine = &self.machine;
        let mut words = vec![&machine.fingerprint, &machine.cpu, &machine.system, &machine.level];
        words.extend(&machine.governor);
        if !words.into_iter().all(word) {
            return refuse("machine", "expected words of 1 to 256 bytes without control characters");
        }
        match &self.subject {
            Measured::Model { name, arch, quant, .. } if ![name, arch, quant].into_iter().all(word) => {
                return refuse("subject", "expected words of 1 to 256 bytes without control characters");
            }
            Measured::Command { argv, .. }
                if argv.is_empty()
                    || argv.len() > MAX_ARGUMENTS
                    || argv.iter().any(|argument| argument.len() > MAX_ARGUMENT_BYTES || argument.contains('\0'))
                    || !argv.first().is_some_and(|program| fits(program, 1000)) =>
            {
                return refuse("subject.argv", "expected a program and at most 255 arguments of at most 4096 bytes");
            }
            _ => {}
        }
        let lists = [self.peaks.len(), self.settings.len(), self.measurements.len(), self.remarks.len()];
        if lists.iter().any(|len| *len > MAX_LIST) || self.measurements.is_empty() {
            return refuse("measurements", "expected at least one figure, and at most 4096");
        }
        for (at, one) in self.measurements.iter().enumerate() {
            let field = format!("measurements[{at}]");
            if !word(&one.id) || !word(&one.unit) || one.limit.as_ref().is_some_and(|(what, _)| !word(what)) {
                return refuse(&field, "expected words of 1 to 256 bytes without control characters");
            }
            if one.setting >= self.settings.len() as u64 {
                return refuse(&format!("{field}.setting"), "there is no such setting");
            }
            if one.samples.is_empty() {
                return refuse(&format!("{field}.samples"), "a figure without samples is none");
            }
            let ordered = |(lower, upper): &(Decimal, Decimal)| {
                lower.compare(&one.median).is_le() && one.median.compare(upper).is_le()
            };
            if !one.interval.as_ref().is_none_or(ordered) {
                return refuse(&format!("{field}.ci95"), "the median lies outside of its interval");
            }
        }
        if self.settings.iter().any(|setting| setting.kv.as_ref().is_some_and(|kv| !word(kv))) {
            return refuse("settings", "expected words of 1 to 256 bytes without control characters");
        }
        if self.remarks.iter().any(|remark| !fits(remark, 1024)) || self.claims.iter().any(|c| !fits(&c.text, 1024)) {
            return refuse("remarks", "expected sentences of 1 to 1024 bytes without control characters");
        }
        if let Some(against) = &self.against {
            let known = |one: &Comparison| one.measurement < self.measurements.len() as u64 && word(&one.word);
            if !against.comparisons.iter().all(known) {
                return refuse("against.comparisons", "expected figures of this receipt and a word");
            }
        }
        let says = |verdict| self.claims.iter().any(|claim| claim.verdict == verdict);
        if says(Verdict::Failed) && self.verdict != Some(Verdict::Failed) {
            return refuse("verdict", "a claim failed, so the whole did");
        }
        if says(Verdict::Inconclusive) && !matches!(self.verdict, Some(Verdict::Failed | Verdict::Inconclusive)) {
            return refuse("verdict", "a claim is inconclusive, so the whole did not pass");
        }
        let mut counts =
            vec![machine.processors, machine.usable, machine.memory_bytes, self.noise.throttled.unwrap_or(0)];
        counts.extend([self.plan.rounds, self.plan.window, self.plan.warm_up_limit]);
        if let Measured::Model { bytes, parameters, .. } = &self.subject {
            counts.extend([*bytes, *parameters]);
        }
        counts.extend(self.peaks.iter().map(|peak| peak.threads));
        for setting in &self.settings {
            let Setting { prompt, generated, depth, batch, threads, .. } = setting;
            counts.extend([prompt, generated, depth, batch, threads].into_iter().flatten());
        }
        if counts.iter().any(|count| json::integer(*count).is_none()) {
            return refuse("settings", "a count is beyond 2^53 - 1");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let claim = |claim: &Claim| {
            Value::from(Object::new().with("text", claim.text.as_str()).with("verdict", claim.verdict.word()))
        };
        let body = Object::new()
            .with("against", self.against.as_ref().map_or(Value::Null, Against::to_value))
            .with("claims", Value::Array(self.claims.iter().map(claim).collect()))
            .with("machine", self.machine.to_value())
            .with("measurements", Value::Array(self.measurements.iter().map(Measurement::to_value).collect()))
            .with("noise", self.noise.to_value())
            .with("peaks", Value::Array(self.peaks.iter().map(Peak::to_value).collect()))
            .with("plan", self.plan.to_value())
            .with("remarks", self.remarks.clone())
            .with("settings", Value::Array(self.settings.iter().map(Setting::to_value).collect()))
            .with("subject", self.subject.to_value())
            .with("verdict", self.verdict.map(|verdict| verdict.word().to_owned()));
        HEADLINE.iter().fold(body, |body, (group, names)| body.with(group, self.headline(group, names)))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut part = fields.object("subject")?;
        let subject = Measured::read(&mut part)?;
        part.finish()?;
        let mut part = fields.object("machine")?;
        let machine = Machine::read(&mut part)?;
        part.finish()?;
        let mut part = fields.object("plan")?;
        let plan = Plan::read(&mut part)?;
        part.finish()?;
        let mut part = fields.object("noise")?;
        let noise = Noise::read(&mut part)?;
        part.finish()?;
        let against = match fields.take("against")? {
            Value::Null => None,
            _ => {
                let mut part = fields.object("against")?;
                let against = Against::read(&mut part)?;
                part.finish()?;
                Some(against)
            }
        };
        let claims = read_list(fields, "claims", |claim| {
            Ok(Claim { text: claim.string("text")?.to_owned(), verdict: claim.parsed("verdict", Verdict::read)? })
        })?;
        let read = Benchmark {
            subject,
            machine,
            plan,
            peaks: read_list(fields, "peaks", Peak::read)?,
            noise,
            settings: read_list(fields, "settings", Setting::read)?,
            measurements: read_list(fields, "measurements", Measurement::read)?,
            remarks: fields.strings("remarks")?.into_iter().map(str::to_owned).collect(),
            against,
            claims,
            verdict: match fields.nullable_string("verdict")? {
                Some(_) => Some(fields.parsed("verdict", Verdict::read)?),
                None => None,
            },
        };
        for (group, names) in HEADLINE {
            if *fields.take(group)? != read.headline(group, names) {
                return Err(fields.error(group, "is not what the measurements say"));
            }
        }
        Ok(read)
    }
}
