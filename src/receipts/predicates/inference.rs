//! One run of a language model: which model, with which parameters, on what and to what. Texts are held by commitments,
//! whose salts stay with the user; everything that a second run needs to give the same bytes stands in the open.

use super::super::Hash;
use super::super::decimal::Decimal;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::super::stamp::Time;
use super::super::statement::Subject;
use super::Predicate;

const MAX_WORD_BYTES: usize = 256;
const MAX_STOPS: usize = 32;
const MAX_BIASES: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inference {
    pub model: Model,
    /// SHA-256 of the vocabulary, as [`digest_of_vocabulary`] takes it.
    pub tokenizer: Hash,
    /// SHA-256 of the chat template; none where the prompt was sent as it was.
    pub template: Option<Hash>,
    /// What the template's clock showed.
    pub clock: Option<Time>,
    pub prompt: Text,
    pub output: Text,
    pub parameters: Parameters,
    pub engine: Engine,
    pub finish: Finish,
    pub timings: Timings,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub sha256: Hash,
    pub bytes: u64,
    pub arch: String,
}

/// A text that is not told: commitments to its bytes and to its tokens (their ids, four bytes each, little-endian).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub commitment: Hash,
    pub tokens_commitment: Hash,
    pub tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    pub temperature: Decimal,
    pub top_k: u64,
    pub top_p: Decimal,
    pub min_p: Decimal,
    pub typical: Decimal,
    pub repetition: Decimal,
    pub presence: Decimal,
    pub frequency: Decimal,
    pub lookback: u64,
    /// Token and what is added to its logit; none forbids it.
    pub bias: Vec<(u64, Option<Decimal>)>,
    pub seed: u64,
    pub max_tokens: Option<u64>,
    pub stops: Vec<String>,
    pub context: u64,
    /// What the answer had to be, where it had to be something.
    pub form: Option<Form>,
}

/// A file that said what an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub kind: FormKind,
    pub sha256: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// A JSON Schema.
    Schema,
    /// A Lark grammar.
    Grammar,
}

impl FormKind {
    pub fn name(self) -> &'static str {
        match self {
            FormKind::Schema => "schema",
            FormKind::Grammar => "grammar",
        }
    }
}

impl Form {
    fn to_value(self) -> Object {
        Object::new().with("kind", self.kind.name()).with("sha256", hex::encode(&self.sha256))
    }

    fn read(mut fields: Fields<'_>) -> Result<Self, ShapeError> {
        let kind = |text: &str| match text {
            "schema" => Ok(FormKind::Schema),
            "grammar" => Ok(FormKind::Grammar),
            _ => Err("expected schema or grammar"),
        };
        let form = Form { kind: fields.parsed("kind", kind)?, sha256: fields.hex("sha256")? };
        fields.finish()?;
        Ok(form)
    }
}

/// What of the machine the bytes of an answer may depend on, and what they do not, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub level: String,
    pub threads: u64,
    pub chunk: u64,
    /// How keys and values are kept: `f16`, `q8` or `f32`.
    pub kv: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Eos,
    Stop,
    Length,
    Repetition,
    Interrupted,
}

const FINISHES: [(Finish, &str); 5] = [
    (Finish::Eos, "eos"),
    (Finish::Stop, "stop"),
    (Finish::Length, "length"),
    (Finish::Repetition, "repetition"),
    (Finish::Interrupted, "interrupted"),
];

impl Finish {
    pub fn name(self) -> &'static str {
        FINISHES.iter().find(|(finish, _)| *finish == self).map_or("", |(_, name)| name)
    }
}

/// Milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    pub prompt: Decimal,
    pub first_token: Decimal,
    pub decode: Decimal,
}

impl Inference {
    /// The model, and each file that was read into the prompt.
    pub fn subjects(&self, files: Vec<Subject>) -> Vec<Subject> {
        let mut subjects = files;
        subjects.push(Subject::sha256(format!("model:{}", self.model.name), self.model.sha256));
        subjects
    }
}

/// The hash of a vocabulary: of each token its length (four bytes, little-endian) and its spelling, in the order of ids.
pub fn digest_of_vocabulary<'t>(tokens: impl Iterator<Item = &'t str>) -> Hash {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for token in tokens {
        hash.update((token.len() as u32).to_le_bytes());
        hash.update(token);
    }
    hash.finalize().into()
}

impl Text {
    fn to_value(&self) -> Object {
        Object::new()
            .with("commitment", hex::encode(&self.commitment))
            .with("tokens", json::integer(self.tokens))
            .with("tokensCommitment", hex::encode(&self.tokens_commitment))
    }

    fn read(mut fields: Fields<'_>) -> Result<Self, ShapeError> {
        let text = Text {
            commitment: fields.hex("commitment")?,
            tokens_commitment: fields.hex("tokensCommitment")?,
            tokens: fields.count("tokens")?,
        };
        fields.finish()?;
        Ok(text)
    }
}

impl Parameters {
    fn decimals(&self) -> [(&'static str, &Decimal); 7] {
        [
            ("frequency", &self.frequency),
            ("minP", &self.min_p),
            ("presence", &self.presence),
            ("repetition", &self.repetition),
            ("temperature", &self.temperature),
            ("topP", &self.top_p),
            ("typical", &self.typical),
        ]
    }

    fn to_value(&self) -> Object {
        let bias: Vec<Value> = self
            .bias
            .iter()
            .map(|(token, bias)| {
                Object::new()
                    .with("add", bias.as_ref().map(|bias| bias.as_str().to_owned()))
                    .with("token", json::integer(*token))
                    .into()
            })
            .collect();
        let object = Object::new()
            .with("bias", bias)
            .with("context", json::integer(self.context))
            .with("lookback", json::integer(self.lookback))
            .with("maxTokens", self.max_tokens.and_then(json::integer).unwrap_or(Value::Null))
            .with("seed", self.seed.to_string())
            .with("stops", self.stops.clone())
            .with("topK", json::integer(self.top_k));
        let object = match self.form {
            Some(form) => object.with("form", form.to_value()),
            None => object,
        };
        self.decimals().into_iter().fold(object, |object, (name, value)| object.with(name, value.as_str()))
    }

    fn read(mut fields: Fields<'_>) -> Result<Self, ShapeError> {
        let mut bias = Vec::new();
        for (path, item) in fields.array("bias")? {
            let mut item = Fields::of(path, item)?;
            let token = item.count("token")?;
            let add = match item.nullable_string("add")? {
                Some(_) => Some(item.parsed("add", str::parse)?),
                None => None,
            };
            item.finish()?;
            bias.push((token, add));
        }
        let seed = |text: &str| {
            text.parse::<u64>().ok().filter(|seed| seed.to_string() == text).ok_or("expected a number below 2^64")
        };
        let parameters = Parameters {
            temperature: fields.parsed("temperature", str::parse)?,
            top_k: fields.count("topK")?,
            top_p: fields.parsed("topP", str::parse)?,
            min_p: fields.parsed("minP", str::parse)?,
            typical: fields.parsed("typical", str::parse)?,
            repetition: fields.parsed("repetition", str::parse)?,
            presence: fields.parsed("presence", str::parse)?,
            frequency: fields.parsed("frequency", str::parse)?,
            lookback: fields.count("lookback")?,
            bias,
            seed: fields.parsed("seed", seed)?,
            max_tokens: fields.nullable_count("maxTokens")?,
            stops: fields.strings("stops")?.into_iter().map(str::to_owned).collect(),
            context: fields.count("context")?,
            form: match fields.optional("form") {
                Some(_) => Some(Form::read(fields.object("form")?)?),
                None => None,
            },
        };
        fields.finish()?;
        Ok(parameters)
    }
}

impl Predicate for Inference {
    const TYPE: &'static str = "urn:bizra:predicate:inference:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/inference-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        let words = [
            ("model.name", &self.model.name),
            ("model.arch", &self.model.arch),
            ("engine.level", &self.engine.level),
            ("engine.kv", &self.engine.kv),
        ];
        for (field, word) in words {
            if word.is_empty() || word.len() > MAX_WORD_BYTES || word.contains(char::is_control) {
                return refuse(field, "expected 1 to 256 bytes without control characters");
            }
        }
        if self.template.is_none() != self.clock.is_none() {
            return refuse("clock", "stands with a template, and only there");
        }
        if self.parameters.stops.len() > MAX_STOPS
            || self.parameters.stops.iter().any(|s| s.is_empty() || s.len() > 1024)
        {
            return refuse("parameters.stops", "at most 32, each of 1 to 1024 bytes");
        }
        if self.parameters.bias.len() > MAX_BIASES {
            return refuse("parameters.bias", "at most 512 tokens");
        }
        if self.engine.threads == 0 || self.engine.chunk == 0 {
            return refuse("engine", "threads and chunk count from 1");
        }
        let times = [&self.timings.prompt, &self.timings.first_token, &self.timings.decode];
        if times.iter().any(|time| time.is_negative()) {
            return refuse("timings", "no time is negative");
        }
        let counts = [
            self.model.bytes,
            self.prompt.tokens,
            self.output.tokens,
            self.parameters.top_k,
            self.parameters.lookback,
            self.parameters.context,
            self.engine.threads,
            self.engine.chunk,
            self.parameters.max_tokens.unwrap_or(0),
        ];
        let biased = self.parameters.bias.iter().map(|(token, _)| token);
        if counts.iter().chain(biased).any(|count| json::integer(*count).is_none()) {
            return refuse("parameters", "a count is beyond 2^53 - 1");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let engine = Object::new()
            .with("chunk", json::integer(self.engine.chunk))
            .with("kv", self.engine.kv.as_str())
            .with("level", self.engine.level.as_str())
            .with("threads", json::integer(self.engine.threads));
        let model = Object::new()
            .with("arch", self.model.arch.as_str())
            .with("bytes", json::integer(self.model.bytes))
            .with("name", self.model.name.as_str())
            .with("sha256", hex::encode(&self.model.sha256));
        let timings = Object::new()
            .with("decodeMs", self.timings.decode.as_str())
            .with("firstTokenMs", self.timings.first_token.as_str())
            .with("promptMs", self.timings.prompt.as_str());
        Object::new()
            .with("clock", self.clock.map(|time| time.to_string()))
            .with("engine", engine)
            .with("finish", self.finish.name())
            .with("model", model)
            .with("output", self.output.to_value())
            .with("parameters", self.parameters.to_value())
            .with("prompt", self.prompt.to_value())
            .with("template", self.template.map(|hash| hex::encode(&hash)))
            .with("timings", timings)
            .with("tokenizer", hex::encode(&self.tokenizer))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut model = fields.object("model")?;
        let read_model = Model {
            name: model.string("name")?.to_owned(),
            sha256: model.hex("sha256")?,
            bytes: model.count("bytes")?,
            arch: model.string("arch")?.to_owned(),
        };
        model.finish()?;
        let mut engine = fields.object("engine")?;
        let read_engine = Engine {
            level: engine.string("level")?.to_owned(),
            threads: engine.count("threads")?,
            chunk: engine.count("chunk")?,
            kv: engine.string("kv")?.to_owned(),
        };
        engine.finish()?;
        let mut timings = fields.object("timings")?;
        let read_timings = Timings {
            prompt: timings.parsed("promptMs", str::parse)?,
            first_token: timings.parsed("firstTokenMs", str::parse)?,
            decode: timings.parsed("decodeMs", str::parse)?,
        };
        timings.finish()?;
        let finish = fields.string("finish")?;
        let Some((finish, _)) = FINISHES.iter().find(|(_, name)| *name == finish) else {
            return Err(
                fields.error("finish", format!("{finish:?} is none of eos, stop, length, interrupted and repetition"))
            );
        };
        let finish = *finish;
        let template = match fields.nullable_string("template")? {
            Some(_) => Some(fields.hex("template")?),
            None => None,
        };
        let clock = match fields.nullable_string("clock")? {
            Some(_) => Some(fields.parsed("clock", str::parse)?),
            None => None,
        };
        Ok(Inference {
            model: read_model,
            tokenizer: fields.hex("tokenizer")?,
            template,
            clock,
            prompt: Text::read(fields.object("prompt")?)?,
            output: Text::read(fields.object("output")?)?,
            parameters: Parameters::read(fields.object("parameters")?)?,
            engine: read_engine,
            finish,
            timings: read_timings,
        })
    }
}
