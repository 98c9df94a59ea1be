//! `bizra infer --batch`: many prompts in, an answer a line out, in the order of the input.
//!
//! Several sequences share each pass, and end in any order; an answer waits until those before it are out. Each line
//! gets what `infer` would answer to it alone, and a receipt of its own, durable before the line is written: so each can
//! be replayed, and what a cut run has written needs no closing word. A line that can't be answered says why, and the
//! others go on.

mod earlier;
mod line;

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::answer::{changed, cut, digest_memory, vault_for};
use super::claim::{self, Basis, Ends, Keeping};
use super::form::Form;
use super::model::{self, Setting, load, open, refusal};
use super::render::{Rendered, Template, fit, render, template};
use super::{Args, model_name};
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::infer::engine::Engine;
use crate::infer::engine::batch::{Desk, Job};
use crate::infer::fault::InferError;
use crate::infer::generate::{Control, Generation};
use crate::infer::grammar::Grammar;
use crate::infer::sampler::Sampling;
use crate::infer::text::Thinking;
use crate::infer::tokenizer::Tokenizer;
use crate::receipts::predicates::Inference;
use crate::receipts::statement::Subject;
use crate::receipts::{Hash, hex};
use crate::sys::files;
use crate::sys::lines::Lines;
use crate::sys::models::Opened;
use crate::sys::vault::Vault;
use crate::ui::{Progress, Unit};
use crate::view::batch::{Record, Summary};
use crate::view::infer::Answer;
use earlier::{Earlier, Rules};
use line::{Line, Wish};

/// Prompts that are answered together: arithmetic decides from four on, and more than eight bring little more.
const AT_A_TIME: usize = 8;

/// The most that is read of a batch.
const LONGEST: usize = 1 << 30;

#[derive(clap::Args)]
#[command(next_help_heading = "Many prompts")]
pub(super) struct BatchArgs {
    /// Answer each line of a file: JSON objects with `prompt` or `messages`; - is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
        conflicts_with_all = ["prompt", "files", "messages", "chat", "stream", "show_thinking"])]
    batch: Option<PathBuf>,
    /// Where the batch's answers go, a file that is not there yet [default: stdout]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Go on with the answers that --output holds: only what is missing or was refused is asked
    #[arg(long, requires = "output")]
    resume: bool,
    /// Prompts that are answered together; no answer depends on it [default: 8]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=256))]
    parallel: Option<u64>,
}

impl BatchArgs {
    /// The batch's file. What belongs to a batch and stands without one is refused: the parser doesn't see it where a
    /// prompt stands too.
    pub(super) fn file(&self) -> Result<Option<&Path>> {
        if self.batch.is_none() && (self.output.is_some() || self.parallel.is_some()) {
            let what = if self.output.is_some() { "--output" } else { "--parallel" };
            return Err(Error::usage(format!("{what} goes with --batch FILE")));
        }
        Ok(self.batch.as_deref())
    }
}

pub(super) fn run(args: &Args, session: &mut Session, file: &Path) -> Result<Outcome> {
    let name = model_name(&args.model, session)?;
    let text = read(session, file)?;
    let lines = line::lines(&text);
    if lines.is_empty() {
        return Err(Error::invalid("there is no prompt in it").at(Place::file(file)));
    }
    let setting = Setting::of(&args.model)?;
    let opened = open(session, &name)?;
    let kept = model::kept(session, &opened);
    let mut loaded = load(&opened, setting, kept.as_ref())?;
    let sampling = args.sampling.sampling();
    sampling.check(loaded.engine.config().vocab)?;
    let form = args.form.read(session)?;
    let grammar = form.as_ref().map(|form| form.grammar(loaded.engine.tokenizer())).transpose()?;
    let vault = vault_for(session, args.output.record_text)?;
    let own = template(session, loaded.template.as_deref(), &args.input)?;
    // Whether receipts can be left is found out before the first answer.
    drop(session.prepare()?);

    let memory = digest_memory(&session.env);
    let settings = settings(args, &sampling, (own.as_ref(), form.as_ref()), &loaded.engine);
    let digest = || hex::encode(&opened.digest(memory.as_deref()));
    let (output, earlier) = output(args, session, &lines, &Rules { settings: &settings, model: &digest })?;
    let resumed = earlier.count;
    let asked = args.batch.parallel.map_or(AT_A_TIME, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let parallel = model::sequences(&loaded.engine, asked);
    if parallel < asked {
        session.ui.warn(format!("there is memory for {parallel} prompts of the whole context at a time, not {asked}"));
    }

    let _held = session.env.interrupt.defer();
    let started = session.env.clock.monotonic();
    let bar = session.ui.progress("answering", Some(lines.len() as u64), Unit::Items, started);
    let basis = Basis::of(&opened, &loaded.engine);
    let arch = loaded.engine.config().arch.name();
    let context = loaded.engine.context();
    let (tally, digest, fault) = std::thread::scope(|scope| {
        let hashing = scope.spawn(|| opened.digest(memory.as_deref()));
        let mut clerk = Clerk {
            session,
            args,
            opened: &opened,
            file,
            lines: &lines,
            basis,
            arch,
            context,
            sampling: &sampling,
            template: own.as_ref(),
            form: form.as_ref(),
            grammar,
            settings: &settings,
            vault: vault.as_ref(),
            digest: Digest::Coming(hashing),
            next: 0,
            settled: earlier.settled,
            open: HashMap::new(),
            ready: earlier.answers,
            output,
            tally: Tally::default(),
            fault: None,
            bar,
        };
        let ended = loaded.engine.answer_all(parallel, &mut clerk);
        clerk.close();
        let Clerk { tally, digest, fault, .. } = clerk;
        let fault = fault.or_else(|| ended.err().map(|e| refusal(&opened, e)));
        (tally, digest.known(), fault)
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let interrupted = session.env.interrupt.requested();
    if !interrupted {
        model::keep(session, &opened, &loaded, digest);
    }
    let summary = Summary {
        lines: lines.len(),
        answered: tally.answered + resumed,
        resumed,
        refused: tally.refused,
        output: args.batch.output.as_ref().map(|path| path.display().to_string()),
        model: opened.name.clone(),
        digest,
        prompt_tokens: tally.prompt_tokens,
        generated_tokens: tally.generated_tokens,
        took: session.env.clock.monotonic().saturating_sub(started),
        parallel,
    };
    if summary.output.is_none() {
        session.ui.note(summary.line());
    }
    let mut reasons = Vec::new();
    if !summary.refused.is_empty() {
        reasons.push(summary.refusal(file));
    }
    if tally.cut > 0 {
        let told = format!("{} answers ended before they were whole", tally.cut);
        reasons.push(Error::new(Exit::Undecided, told).hint("raise -n or --ctx: their `exit` is 4"));
    }
    if interrupted {
        let told = format!("the batch was cut short: {} of {} lines are answered", summary.answered, summary.lines);
        let hint = match &summary.output {
            Some(output) => format!("the same command with --output {output} --resume goes on"),
            None => "with --output FILE, --resume goes on where a run was cut".to_owned(),
        };
        reasons.push(Error::new(Exit::Interrupted, told).hint(hint));
    }
    Ok(Outcome::because(summary, reasons))
}

fn read(session: &mut Session, file: &Path) -> Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return files::read_at_most(&files::from(&session.env.cwd, file), LONGEST);
    }
    let mut bytes = Vec::new();
    (&mut session.env.stdin.source)
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::cannot("standard input can't be read").because(e))?;
    if bytes.len() > LONGEST {
        return Err(Error::invalid(format!("standard input is longer than {LONGEST} bytes")));
    }
    Ok(bytes)
}

/// The digest of all that shapes an answer beside its line and the model: answers of one file have one.
fn settings(
    args: &Args,
    sampling: &Sampling,
    (template, form): (Option<&Template>, Option<&Form>),
    engine: &Engine<'_>,
) -> String {
    let super::OutputArgs { max_tokens, stops, logprobs, .. } = &args.output;
    let super::InputArgs { system, raw, truncate, .. } = &args.input;
    let (source, form) = (template.map(|template| &template.source), form.map(Form::claim));
    let (context, cell) = (engine.context(), engine.cell());
    let all = format!(
        "{sampling:?} {max_tokens:?} {stops:?} {logprobs:?} {system:?} {raw} {truncate} {source:?} {form:?} {context} {cell:?}"
    );
    hex::encode(&Sha256::digest(all))[..16].to_owned()
}

/// The file that answers go to, and what it holds already.
fn output(args: &Args, session: &Session, lines: &[Line<'_>], rules: &Rules<'_>) -> Result<(Option<Lines>, Earlier)> {
    let Some(path) = &args.batch.output else { return Ok((None, Earlier::default())) };
    let full = files::from(&session.env.cwd, path);
    if !args.batch.resume {
        return Ok((Some(Lines::create(&full)?), Earlier::default()));
    }
    let (mut output, text) = Lines::reopen(&full)?;
    let earlier = Earlier::read(path, &text, lines, rules)?;
    // Answers behind a gap wait for those before them.
    output.cut(earlier.bytes)?;
    Ok((Some(output), earlier))
}

/// The model's hash, which takes as long as the first answers.
enum Digest<'s> {
    Coming(ScopedJoinHandle<'s, Hash>),
    Known(Option<Hash>),
}

impl Digest<'_> {
    fn get(&mut self) -> Result<Hash> {
        if let Digest::Coming(_) = self
            && let Digest::Coming(thread) = std::mem::replace(self, Digest::Known(None))
        {
            *self = Digest::Known(thread.join().ok());
        }
        match self {
            Digest::Known(Some(digest)) => Ok(*digest),
            _ => Err(Error::new(Exit::Bug, "hashing the model's file failed")),
        }
    }

    fn known(mut self) -> Option<Hash> {
        self.get().ok()
    }
}

#[derive(Default)]
struct Tally {
    answered: usize,
    /// Of those, the ones that ended before they had their form.
    cut: usize,
    /// Numbers of lines.
    refused: Vec<usize>,
    prompt_tokens: usize,
    generated_tokens: usize,
}

/// A line that is being answered.
struct Open {
    id: Value,
    claim: Option<Inference>,
    rendered: Rendered,
}

/// Hands lines to the engine, and brings its answers into order.
struct Clerk<'c, 's> {
    session: &'c mut Session,
    args: &'c Args,
    opened: &'c Opened,
    file: &'c Path,
    lines: &'c [Line<'c>],
    basis: Basis,
    arch: &'static str,
    context: usize,
    sampling: &'c Sampling,
    template: Option<&'c Template>,
    form: Option<&'c Form>,
    grammar: Option<Grammar>,
    settings: &'c str,
    vault: Option<&'c Vault>,
    digest: Digest<'s>,
    /// The place of the line that is asked next.
    next: usize,
    /// The lines before this place are out.
    settled: usize,
    open: HashMap<usize, Open>,
    /// Answers by the place of their line, those of an earlier run among them.
    ready: BTreeMap<usize, String>,
    output: Option<Lines>,
    tally: Tally,
    /// What ends the whole batch.
    fault: Option<Error>,
    bar: Progress,
}

impl Clerk<'_, '_> {
    /// A line made ready for the model.
    fn prepare(&mut self, place: usize, wish: Wish, tokenizer: &Tokenizer) -> Result<Job> {
        let input = &self.args.input;
        let content = wish.content(input.raw, input.system.as_deref()).map_err(Error::invalid)?;
        if content.is_empty() {
            return Err(Error::invalid("the prompt is empty"));
        }
        let sampling = wish.sampling(self.sampling);
        sampling.check(usize::MAX)?;
        let clock = self.session.time()?;
        let mut rendered = render(self.session, tokenizer, self.template, &content, clock)?;
        fit(&mut rendered, self.context, input.truncate)?;
        let mut limits = self.args.output.limits(self.opened.is_embedded());
        limits.tokens = wish.max_tokens.or(limits.tokens);
        limits.stops = wish.stop.unwrap_or(limits.stops);
        if limits.stops.iter().any(String::is_empty) {
            return Err(InferError::EmptyStop.into());
        }
        if self.form.is_some() && !limits.stops.is_empty() {
            return Err(Error::invalid("`stop` would cut what a schema or grammar has made whole"));
        }
        limits.grammar = self.grammar.clone();
        limits.thinking = rendered.template.and_then(|_| Thinking::of(tokenizer, &rendered.text));
        let claim = match self.session.config.switch("no-receipt") {
            true => None,
            false => {
                let ends = Ends { stops: &limits.stops, max_tokens: limits.tokens, form: self.form };
                Some(self.basis.begin(&sampling, ends, &rendered, &self.subjects())?)
            }
        };
        let prompt = rendered.ids.clone();
        self.open.insert(place, Open { id: wish.id, claim, rendered });
        Ok(Job { number: place, prompt, sampling, limits })
    }

    fn subjects(&self) -> Vec<Subject> {
        self.form.map(Form::subject).into_iter().collect()
    }

    /// A refusal belongs to its line. A bad value in a file is invalid input, and no wrong usage.
    fn refuse(&mut self, place: usize, id: &Value, mut error: Error) {
        if error.exit == Exit::Usage {
            error.exit = Exit::Invalid;
        }
        let line = &self.lines[place];
        let column = error.place.as_ref().and_then(|place| place.at).map_or(1, |(_, column)| column);
        let error = error.at(Place { file: self.file.into(), at: Some((line.number, column)), excerpt: None });
        self.tally.refused.push(line.number);
        let record = Record { line: line.number, id, input: line.digest(), settings: self.settings };
        self.ready.insert(place, record.refused(&error).to_string());
    }

    /// The answer's receipt, then the answer.
    fn seal(&mut self, place: usize, open: Open, generation: Generation) -> Result<()> {
        if !self.opened.unchanged() {
            return Err(changed(self.opened));
        }
        let (digest, files) = (self.digest.get()?, self.subjects());
        let receipt = match open.claim {
            None => None,
            Some(claim) => match self.session.prepare()? {
                None => None,
                Some(prepared) => {
                    let keeping = Keeping { vault: self.vault, texts: self.args.output.record_text, told: false };
                    let id = claim::seal(
                        self.session,
                        prepared,
                        claim,
                        digest,
                        &open.rendered,
                        &generation,
                        &keeping,
                        files,
                    )?;
                    Some(id)
                }
            },
        };
        let cut = cut(&generation);
        self.tally.answered += 1;
        self.tally.cut += usize::from(cut.is_some());
        self.tally.prompt_tokens += generation.usage.prompt;
        self.tally.generated_tokens += generation.usage.generated;
        let answer = Answer {
            generation,
            model: self.opened.name.clone(),
            arch: self.arch,
            digest: Some(digest),
            streamed: true,
        };
        let line = &self.lines[place];
        let record = Record { line: line.number, id: &open.id, input: line.digest(), settings: self.settings };
        self.ready.insert(place, record.answered(&answer, cut, receipt.as_deref()).to_string());
        Ok(())
    }

    /// Writes what has its turn.
    fn write(&mut self) {
        while self.fault.is_none()
            && let Some(record) = self.ready.remove(&self.settled)
        {
            self.put(&record);
            self.settled += 1;
        }
        let done = (self.settled + self.ready.len()) as u64;
        self.bar.at(done, self.session.env.clock.monotonic());
    }

    fn put(&mut self, record: &str) {
        let put = match &mut self.output {
            Some(lines) => lines.append(record),
            None => self.session.ui.raw(format!("{record}\n").as_bytes()),
        };
        self.fault = put.err().or(self.fault.take());
    }

    /// What is ready and waits for a line that did not end is kept too, in its order.
    fn close(&mut self) {
        for record in std::mem::take(&mut self.ready).into_values() {
            if self.fault.is_none() {
                self.put(&record);
            }
        }
        let synced = self.output.as_ref().map_or(Ok(()), Lines::sync);
        self.fault = self.fault.take().or(synced.err());
    }

    fn flow(&self) -> Control {
        let stop = self.fault.is_some() || self.session.env.interrupt.requested();
        if stop { Control::Stop } else { Control::Continue }
    }
}

impl Desk for Clerk<'_, '_> {
    fn next(&mut self, tokenizer: &Tokenizer) -> Option<Job> {
        while self.next < self.lines.len() && self.flow() == Control::Continue {
            let place = self.next;
            self.next += 1;
            if place < self.settled || self.ready.contains_key(&place) {
                continue;
            }
            let ready = match Wish::read(self.lines[place].text) {
                Ok(wish) => {
                    let id = wish.id.clone();
                    self.prepare(place, wish, tokenizer).map_err(|error| (id, error))
                }
                Err(unreadable) => {
                    let at = Place { file: self.file.into(), at: Some((1, unreadable.column)), excerpt: None };
                    Err((Value::Null, Error::invalid(unreadable.reason).at(at)))
                }
            };
            match ready {
                Ok(job) => return Some(job),
                Err((id, error)) => {
                    self.refuse(place, &id, error);
                    self.write();
                }
            }
        }
        None
    }

    fn done(&mut self, number: usize, answer: Result<Generation, InferError>) -> Control {
        let Some(open) = self.open.remove(&number) else { return Control::Stop };
        match answer {
            Ok(generation) => {
                if let Err(fault) = self.seal(number, open, generation) {
                    self.fault = Some(fault);
                }
            }
            Err(error) => self.refuse(number, &open.id, refusal(self.opened, error)),
        }
        self.write();
        self.flow()
    }

    fn go_on(&mut self) -> Control {
        self.flow()
    }

    fn now(&self) -> Duration {
        self.session.env.clock.monotonic()
    }
}
