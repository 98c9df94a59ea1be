//! One answer: model, prompt, generation, receipt.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bizra_kernels::{Level, default_threads, os};
use sha2::{Digest as _, Sha256};

use super::prompt::{Asked, Content};
use super::{Args, InputArgs, ModelArgs};
use crate::cli::book::Prepared;
use crate::cli::{Outcome, Session};
use crate::env::Env;
use crate::error::{Error, Exit, Place, Result};
use crate::infer::engine::{self, Engine, Options};
use crate::infer::generate::{Control, Event, Finish, Generation};
use crate::infer::kv::Cell;
use crate::infer::sampler::Sampling;
use crate::infer::template::{ChatTemplate, Conversation};
use crate::infer::text::{Part, Thinking};
use crate::infer::tokenizer::{EncodeOpts, Tokenizer};
use crate::receipts::Hash;
use crate::receipts::commitment::commit;
use crate::receipts::predicates::{self, Inference};
use crate::receipts::stamp::Time;
use crate::receipts::statement::{Draft, Subject};
use crate::sys::models::{self, Opened};
use crate::sys::vault::{Secret, Texts, Vault};
use crate::sys::{files, folders};
use crate::ui::Unit;
use crate::view::infer::Answer;

/// How a run computes; everything here goes into the receipt.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Setting {
    pub(in crate::cli) level: Level,
    pub(in crate::cli) threads: usize,
    pub(in crate::cli) context: Option<usize>,
    pub(in crate::cli) cell: Cell,
    pub(in crate::cli) chunk: Option<usize>,
}

impl Setting {
    pub(in crate::cli) fn of(args: &ModelArgs) -> Result<Self> {
        let level = match &args.isa {
            None => Level::best(),
            Some(name) => Level::parse(name).map_err(|e| match e {
                bizra_kernels::Error::LevelMissing { .. } => Error::cannot(format!("--isa: {e}")),
                _ => Error::usage(format!("--isa: {e}")),
            })?,
        };
        Ok(Setting {
            level,
            threads: args.threads.map_or_else(default_threads, |n| n as usize),
            context: args.ctx,
            cell: if args.kv == "f32" { Cell::F32 } else { Cell::F16 },
            chunk: None,
        })
    }
}

/// A model on disk and what was told of it, before anything large is loaded.
pub(in crate::cli) struct Loaded<'a> {
    pub(in crate::cli) engine: Engine<'a>,
    pub(in crate::cli) template: Option<String>,
}

pub(in crate::cli) fn open(session: &Session, name: &str) -> Result<Opened> {
    Opened::open(&models::find(&session.env, name)?)
}

/// Builds the engine, after a look at whether the machine has the memory for it.
pub(in crate::cli) fn load<'a>(opened: &'a Opened, setting: Setting) -> Result<Loaded<'a>> {
    let refuse = |e: crate::infer::fault::InferError| Error::from(e).at_if_none(&opened.path);
    let parts = opened.parts()?;
    let released = |range| opened.release(range);
    let options = Options {
        level: setting.level,
        threads: setting.threads,
        context: setting.context,
        cell: setting.cell,
        chunk: setting.chunk,
        pack: Some(&released),
    };
    let needs = engine::needs(&parts.config, opened.bytes(), &options).map_err(refuse)?;
    if let Some(memory) = os::Memory::read()
        && needs.total() > memory.available
    {
        let mib = |bytes: u64| bytes >> 20;
        return Err(Error::cannot(format!(
            "{} needs {} MiB of memory ({} for weights, {} for keys and values, {} for buffers), and {} MiB are available",
            opened.name,
            mib(needs.total()),
            mib(needs.weights),
            mib(needs.cache),
            mib(needs.activations),
            mib(memory.available)
        ))
        .hint("a smaller --ctx, --kv f16, or a model with fewer bits"));
    }
    let engine = Engine::from_parts(parts.config, &parts.weights, parts.tokenizer, &options).map_err(refuse)?;
    Ok(Loaded { engine, template: parts.template })
}

/// What the model reads.
pub(in crate::cli) struct Rendered {
    pub(in crate::cli) text: String,
    pub(in crate::cli) ids: Vec<u32>,
    pub(in crate::cli) template: Option<Hash>,
    pub(in crate::cli) clock: Option<Time>,
}

pub(in crate::cli) fn render(
    session: &Session,
    loaded: &Loaded<'_>,
    input: &InputArgs,
    content: &Content,
    clock: Time,
) -> Result<Rendered> {
    let tokenizer = loaded.engine.tokenizer();
    match content {
        Content::Raw(text) => {
            let ids = encode(tokenizer, text, EncodeOpts { add_special: true, parse_special: false })?;
            Ok(Rendered { text: text.clone(), ids, template: None, clock: None })
        }
        Content::Messages(messages) => {
            let (source, place) = template_source(session, loaded, input)?;
            let refuse = |e: crate::infer::template::TemplateError| match &place {
                Some(path) => Error::invalid(e.to_string()).at(Place::file(path)),
                None => Error::invalid(e.to_string()),
            };
            let template = ChatTemplate::parse(&source).map_err(refuse)?;
            let (zone, _) = session.env.machine_zone();
            let now = clock.timestamp().to_zoned(session.config.zone(zone));
            let special = |id: Option<u32>| id.and_then(|id| tokenizer.text(id)).unwrap_or_default();
            let conversation = Conversation {
                messages,
                tools: None,
                add_generation_prompt: true,
                bos_token: special(tokenizer.roles().bos),
                eos_token: special(tokenizer.roles().eos),
                now: &now,
                extra: &[],
            };
            let text = template.render(&conversation).map_err(refuse)?;
            let ids = encode_rendered(tokenizer, &text)?;
            let hash = Sha256::digest(&source).into();
            Ok(Rendered { text, ids, template: Some(hash), clock: Some(clock) })
        }
    }
}

/// A template writes the control tokens itself; one that begins with the first token gets no second.
pub(in crate::cli) fn encode_rendered(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let bos = tokenizer.roles().bos.and_then(|id| tokenizer.text(id));
    let begun = bos.is_some_and(|bos| !bos.is_empty() && text.starts_with(bos));
    let mut ids = encode(tokenizer, text, EncodeOpts { add_special: false, parse_special: true })?;
    if !begun && tokenizer.adds_bos() {
        ids.splice(0..0, tokenizer.roles().bos);
    }
    Ok(ids)
}

fn encode(tokenizer: &Tokenizer, text: &str, opts: EncodeOpts) -> Result<Vec<u32>> {
    tokenizer.encode(text, opts).map_err(|e| Error::invalid(e.to_string()))
}

fn template_source(session: &Session, loaded: &Loaded<'_>, input: &InputArgs) -> Result<(String, Option<PathBuf>)> {
    if let Some(path) = &input.template {
        let full = files::from(&session.env.cwd, path);
        let bytes = files::read_at_most(&full, 4 << 20)?;
        let source =
            String::from_utf8(bytes).map_err(|_| Error::invalid("this is no valid UTF-8").at(Place::file(path)))?;
        return Ok((source, Some(path.clone())));
    }
    match &loaded.template {
        Some(source) => Ok((source.clone(), None)),
        None => Err(Error::invalid("the model has no chat template")
            .hint("--raw sends the prompt as it is; --template FILE names a template")),
    }
}

/// Cuts the beginning of a prompt that leaves no room for an answer, where that was asked for.
fn fit(rendered: &mut Rendered, context: usize, truncate: bool) -> Result<Option<usize>> {
    let most = context.saturating_sub(1).max(1);
    let length = rendered.ids.len();
    if length <= most {
        return Ok(None);
    }
    if !truncate {
        return Err(Error::invalid(format!(
            "the prompt has {length} tokens, and the context of {context} holds at most {most} of a prompt"
        ))
        .hint("raise --ctx, shorten the prompt, or cut its beginning with --truncate"));
    }
    rendered.ids.drain(..length - most);
    Ok(Some(length - most))
}

pub(super) fn answer(session: &mut Session, name: &str, args: &Args, asked: Asked) -> Result<Outcome> {
    let setting = Setting::of(&args.model)?;
    let opened = open(session, name)?;
    let mut loaded = load(&opened, setting)?;
    let clock = session.time()?;
    let mut rendered = render(session, &loaded, &args.input, &asked.content, clock)?;
    if let Some(cut) = fit(&mut rendered, loaded.engine.context(), args.input.truncate)? {
        session.ui.warn(format!("the first {cut} tokens of the prompt were cut, so that it fits the context"));
    }
    let sampling = args.sampling.sampling();
    sampling.check(loaded.engine.config().vocab)?;
    let prepared = session.prepare()?;
    let vault = vault(session);
    if args.output.record_text && vault.is_none() {
        return Err(Error::cannot("no home folder is known, so texts can't be kept").hint("set HOME or XDG_DATA_HOME"));
    }
    let run = Run { opened: &opened, setting, args, sampling, prepared, vault };
    run.finish(session, &mut loaded, rendered, asked.subjects)
}

pub(in crate::cli) fn vault(session: &Session) -> Option<Vault> {
    folders::data(&session.env.vars).map(|data| Vault::at(data.join("texts")))
}

pub(in crate::cli) fn digest_memory(env: &Env) -> Option<PathBuf> {
    folders::data(&env.vars).map(|data| data.join("model-digests"))
}

struct Run<'r> {
    opened: &'r Opened,
    setting: Setting,
    args: &'r Args,
    sampling: Sampling,
    prepared: Option<Prepared>,
    vault: Option<Vault>,
}

impl Run<'_> {
    fn finish(
        self,
        session: &mut Session,
        loaded: &mut Loaded<'_>,
        rendered: Rendered,
        files: Vec<Subject>,
    ) -> Result<Outcome> {
        let wanted = self.prepared.is_some() || session.json;
        let memory = digest_memory(&session.env);
        // A large file's hash takes as long as its first tokens: the two run side by side.
        let (generation, digest) = std::thread::scope(|scope| {
            let hashing = wanted.then(|| scope.spawn(|| self.opened.digest(memory.as_deref())));
            let generation = self.generate(session, loaded, &rendered);
            let digest = hashing.map(|thread| thread.join());
            (generation, digest)
        });
        let generation = generation?;
        if !self.opened.unchanged() {
            return Err(Error::invalid("the model's file changed while it was in use, so the answer is void")
                .at(Place::file(&self.opened.path)));
        }
        let digest = match digest {
            Some(Ok(digest)) => Some(digest),
            Some(Err(_)) => return Err(Error::new(Exit::Bug, "hashing the model's file failed")),
            None => None,
        };
        let interrupted = generation.finish == Finish::Interrupted;
        let receipt = match (self.prepared, digest) {
            (Some(prepared), Some(digest)) => {
                let statement = statement(
                    self.opened,
                    digest,
                    self.setting,
                    &self.sampling,
                    &self.args.output.stops,
                    self.args.output.max_tokens,
                    loaded,
                    &rendered,
                    &generation,
                )?;
                let texts = self.args.output.record_text;
                let id = seal(session, prepared, self.vault.as_ref(), statement, &rendered, &generation, texts, files);
                Some(id.map_err(|e| if session.json { e } else { e.hint("the text above has no receipt") })?)
            }
            _ => None,
        };
        let mut outcome = Outcome::yes(Answer {
            generation,
            model: self.opened.name.clone(),
            arch: loaded.engine.config().arch.name(),
            digest,
            streamed: !session.json,
        });
        outcome.receipt = receipt;
        if interrupted {
            outcome.exit = Exit::Interrupted;
            outcome.reasons.push(Error::new(Exit::Interrupted, "the answer was cut short, and the receipt says so"));
        }
        Ok(outcome)
    }

    /// The generation, its text streamed as it comes where that was asked for.
    fn generate(&self, session: &mut Session, loaded: &mut Loaded<'_>, rendered: &Rendered) -> Result<Generation> {
        let mut limits = self.args.output.limits();
        if rendered.template.is_some() {
            limits.thinking = Thinking::of(loaded.engine.tokenizer(), &rendered.text);
        }
        let lines = self.args.output.stream;
        let speak = !session.json || lines;
        let interrupt = session.env.interrupt.clone();
        let _held = interrupt.defer();
        let total = rendered.ids.len() as u64;
        let started = session.env.clock.monotonic();
        let mut bar = Some(session.ui.progress("reading the prompt", Some(total), Unit::Items, started));
        let mut unsaid = None;
        let clock = &session.env.clock;
        let ui = &mut session.ui;
        let show_thinking = self.args.output.show_thinking;
        let mut on = |event: Event<'_>| {
            match event {
                Event::Prompt { done, .. } => {
                    if let Some(bar) = &mut bar {
                        bar.at(done as u64, clock.monotonic());
                    }
                }
                Event::Token { .. } => bar = None,
                Event::Text { part: Part::Answer, text } if speak => {
                    let said = if lines { ui.document(&serde_json::json!({ "text": text })) } else { ui.speech(text) };
                    unsaid = said.err();
                }
                Event::Text { part: Part::Thinking, text } if show_thinking => ui.thinking(text),
                Event::Text { .. } => {}
            }
            if interrupt.requested() || unsaid.is_some() { Control::Stop } else { Control::Continue }
        };
        let generated = loaded.engine.generate(&rendered.ids, &self.sampling, &limits, &mut on, &|| clock.monotonic());
        drop(bar);
        if let Some(unsaid) = unsaid {
            return Err(unsaid);
        }
        let generation = generated.map_err(|e| Error::from(e).at_if_none(&self.opened.path))?;
        if speak && !lines {
            ui.end_of_speech(&generation.text)?;
        }
        Ok(generation)
    }
}

#[expect(clippy::too_many_arguments, reason = "a receipt is made of everything that the run was made of")]
pub(in crate::cli) fn statement(
    opened: &Opened,
    digest: Hash,
    setting: Setting,
    sampling: &Sampling,
    stops: &[String],
    max_tokens: Option<usize>,
    loaded: &Loaded<'_>,
    rendered: &Rendered,
    generation: &Generation,
) -> Result<Inference> {
    let engine = &loaded.engine;
    let tokenizer = engine.tokenizer();
    let decimal = |name: &str, x: f32| {
        x.to_string().parse().map_err(|_| Error::usage(format!("{name} {x} has too many digits for a receipt")))
    };
    let mut bias = Vec::new();
    for (token, add) in &sampling.bias {
        let add = if add.is_finite() { Some(decimal("the logit bias", *add)?) } else { None };
        bias.push((u64::from(*token), add));
    }
    let ms = |time: Duration| {
        format!("{:.3}", time.as_secs_f64() * 1e3).parse().expect("invariant: a duration is a decimal number")
    };
    let blank =
        |tokens: usize| predicates::Text { commitment: [0; 32], tokens_commitment: [0; 32], tokens: tokens as u64 };
    Ok(Inference {
        model: predicates::Model {
            name: opened.name.replace(|c: char| c.is_control(), "?"),
            sha256: digest,
            bytes: opened.bytes(),
            arch: engine.config().arch.name().to_owned(),
        },
        tokenizer: predicates::digest_of_vocabulary(
            (0..tokenizer.len() as u32).map(|id| tokenizer.text(id).unwrap_or_default()),
        ),
        template: rendered.template,
        clock: rendered.clock,
        prompt: blank(rendered.ids.len()),
        output: blank(generation.token_ids.len()),
        parameters: predicates::Parameters {
            temperature: decimal("the temperature", sampling.temperature)?,
            top_k: sampling.top_k as u64,
            top_p: decimal("top-p", sampling.top_p)?,
            min_p: decimal("min-p", sampling.min_p)?,
            typical: decimal("typical", sampling.typical)?,
            repetition: decimal("the repetition penalty", sampling.repetition)?,
            presence: decimal("the presence penalty", sampling.presence)?,
            frequency: decimal("the frequency penalty", sampling.frequency)?,
            lookback: sampling.lookback as u64,
            bias,
            seed: sampling.seed,
            max_tokens: max_tokens.map(|n| n as u64),
            stops: stops.to_vec(),
            context: engine.context() as u64,
        },
        engine: predicates::Engine {
            level: engine.level().to_string(),
            threads: engine.threads() as u64,
            chunk: engine.chunk() as u64,
            kv: cell_word(setting.cell).to_owned(),
        },
        finish: match generation.finish {
            Finish::Eos(_) => predicates::Finish::Eos,
            Finish::Stop(_) => predicates::Finish::Stop,
            Finish::Length => predicates::Finish::Length,
            Finish::Interrupted => predicates::Finish::Interrupted,
        },
        timings: predicates::Timings {
            prompt: ms(generation.timings.prompt),
            first_token: ms(generation.timings.first_token),
            decode: ms(generation.timings.decode),
        },
    })
}

pub(in crate::cli) fn cell_word(cell: Cell) -> &'static str {
    match cell {
        Cell::F32 => "f32",
        _ => "f16",
    }
}

/// The output as it is committed to: thinking and answer.
pub(in crate::cli) fn output_text(generation: &Generation) -> String {
    format!("{}{}", generation.thinking, generation.text)
}

pub(in crate::cli) fn token_bytes(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}

/// Commits to the texts, keeps what opens the commitments, and leaves the receipt.
#[expect(clippy::too_many_arguments, reason = "the texts, their keeper and the receipt meet here")]
fn seal(
    session: &mut Session,
    prepared: Prepared,
    vault: Option<&Vault>,
    mut statement: Inference,
    rendered: &Rendered,
    generation: &Generation,
    record_text: bool,
    files: Vec<Subject>,
) -> Result<String> {
    let (prompt_salt, output_salt) = (session.random()?, session.random()?);
    let output = output_text(generation);
    statement.prompt.commitment = commit(&prompt_salt, rendered.text.as_bytes());
    statement.prompt.tokens_commitment = commit(&prompt_salt, &token_bytes(&rendered.ids));
    statement.output.commitment = commit(&output_salt, output.as_bytes());
    statement.output.tokens_commitment = commit(&output_salt, &token_bytes(&generation.token_ids));
    let texts = record_text.then(|| Texts { prompt: rendered.text.clone(), output });
    match vault {
        Some(vault) => vault.keep(&statement.prompt.commitment, &Secret { prompt_salt, output_salt, texts })?,
        None => session.ui.warn("no home folder is known, so nothing can open the receipt's commitments later"),
    }
    let draft = Draft::new(statement.subjects(files), &statement)?;
    Ok(session.record_prepared(prepared, &draft)?.id.to_string())
}

impl Error {
    fn at_if_none(self, path: &Path) -> Self {
        if self.place.is_none() && self.exit == Exit::Invalid { self.at(Place::file(path)) } else { self }
    }
}
