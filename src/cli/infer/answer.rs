//! One answer: model, prompt, generation, receipt.

use std::path::PathBuf;

use super::claim::{self, Basis, Ends, Keeping};
use super::form::Form;
use super::kept::{self, Keeper};
use super::model::{self, Loaded, Setting, load, open, refusal};
use super::prompt::Asked;
use super::render::{Rendered, fit, render, template};
use super::{Args, OutputArgs};
use crate::cli::book::Prepared;
use crate::cli::{Outcome, Session};
use crate::env::Env;
use crate::error::{Error, Exit, Place, Result};
use crate::infer::engine;
use crate::infer::generate::{Control, Event, Finish, Generation, Limits};
use crate::infer::sampler::Sampling;
use crate::infer::text::{Part, Thinking};
use crate::receipts::Hash;
use crate::receipts::predicates::Inference;
use crate::receipts::statement::Subject;
use crate::sys::folders;
use crate::sys::models::Opened;
use crate::sys::vault::Vault;
use crate::ui::Unit;
use crate::view::infer::Answer;

pub(super) fn answer(session: &mut Session, name: &str, args: &Args, mut asked: Asked) -> Result<Outcome> {
    let form = args.form.read(session)?;
    let setting = Setting::of(&args.model)?;
    let opened = open(session, name)?;
    let kept = model::kept(session, &opened);
    let mut loaded = load(&opened, setting, kept.as_ref())?;
    let clock = session.time()?;
    let template = template(session, loaded.template.as_deref(), &args.input)?;
    let mut rendered = render(session, loaded.engine.tokenizer(), template.as_ref(), &asked.content, clock)?;
    if let Some(cut) = fit(&mut rendered, loaded.engine.context(), args.input.truncate)? {
        session.ui.warn(format!("the first {cut} tokens of the prompt were cut, so that it fits the context"));
    }
    let sampling = args.sampling.sampling();
    sampling.check(loaded.engine.config().vocab)?;
    let prepared = session.prepare()?;
    let vault = vault_for(session, args.output.record_text)?;
    let grammar = form.as_ref().map(|form| form.grammar(loaded.engine.tokenizer())).transpose()?;
    if let Some(subject) = form.as_ref().map(Form::subject)
        && !asked.subjects.iter().any(|other| other.name == subject.name)
    {
        asked.subjects.push(subject);
    }
    let limits = Limits { grammar, ..args.output.limits(opened.is_embedded()) };
    let ends = Ends { stops: &args.output.stops, max_tokens: limits.tokens, form: form.as_ref() };
    let claim = Basis::of(&opened, &loaded.engine).begin(&sampling, ends, &rendered, &asked.subjects)?;
    let receipt = prepared.map(|prepared| Receipt { prepared, claim, files: asked.subjects });
    let (keeper, sequence, digest) = match &args.session {
        None => (None, loaded.engine.session()?, None),
        Some(name) => {
            // Keys and values are taken up only for the very model that computed them.
            let digest = opened.digest(digest_memory(&session.env).as_deref());
            let (keeper, sequence) = kept::open(session, name, (&opened.name, digest), &loaded.engine)?;
            (Some(keeper), sequence, Some(digest))
        }
    };
    let run = Run { opened: &opened, sampling, output: &args.output, limits, receipt, vault, keeper, sequence, digest };
    run.finish(session, &mut loaded, &rendered).map_err(|error| model::doubted(error, kept.as_ref()))
}

pub(in crate::cli) fn vault(session: &Session) -> Option<Vault> {
    folders::data(&session.env.vars).map(|data| Vault::at(data.join("texts")))
}

/// The vault, which must be there where texts are to be kept in it.
pub(super) fn vault_for(session: &Session, texts: bool) -> Result<Option<Vault>> {
    let vault = vault(session);
    if texts && vault.is_none() {
        return Err(Error::cannot("no home folder is known, so texts can't be kept").hint("set HOME or XDG_DATA_HOME"));
    }
    Ok(vault)
}

pub(in crate::cli) fn digest_memory(env: &Env) -> Option<PathBuf> {
    folders::data(&env.vars).map(|data| data.join("model-digests"))
}

/// An answer that had to have a form and ended before it had all of it.
pub(super) fn cut(generation: &Generation) -> Option<Error> {
    (generation.whole == Some(false)).then(|| {
        Error::new(Exit::Undecided, "the answer ended before it was whole: it is the beginning of a valid one")
            .hint("raise -n or --ctx, or ask for less")
    })
}

pub(super) fn changed(opened: &Opened) -> Error {
    Error::invalid("the model's file changed while it was in use, so the answer is void").at(Place::file(&opened.path))
}

/// The receipt that waits for the run's outcome.
struct Receipt {
    prepared: Prepared,
    claim: Inference,
    files: Vec<Subject>,
}

struct Run<'r> {
    opened: &'r Opened,
    sampling: Sampling,
    output: &'r OutputArgs,
    limits: Limits,
    receipt: Option<Receipt>,
    vault: Option<Vault>,
    /// Where the sequence goes after the run.
    keeper: Option<Keeper>,
    sequence: engine::Session,
    /// Of the model's file, where it was needed before.
    digest: Option<Hash>,
}

impl Run<'_> {
    fn finish(mut self, session: &mut Session, loaded: &mut Loaded<'_>, rendered: &Rendered) -> Result<Outcome> {
        // Held until the receipt is durable: an answer that was seen is never left without one.
        let _held = session.env.interrupt.defer();
        let wanted = self.receipt.is_some() || session.json;
        let memory = digest_memory(&session.env);
        // A large file's hash takes as long as its first tokens: the two run side by side.
        let (opened, known) = (self.opened, self.digest);
        let (generated, digest) = std::thread::scope(|scope| {
            let hash = || known.unwrap_or_else(|| opened.digest(memory.as_deref()));
            let hashing = wanted.then(|| scope.spawn(hash));
            let generated = self.generate(session, loaded, rendered);
            (generated, hashing.map(|thread| thread.join()))
        });
        let (generation, unsaid) = generated?;
        if !self.opened.unchanged() {
            return Err(changed(self.opened));
        }
        let digest = match digest {
            Some(Ok(digest)) => Some(digest),
            Some(Err(_)) => return Err(Error::new(Exit::Bug, "hashing the model's file failed")),
            None => None,
        };
        let streamed = self.speaks(session);
        let receipt = match (self.receipt, digest) {
            (Some(Receipt { prepared, claim, files }), Some(digest)) => {
                let keeping = Keeping { vault: self.vault.as_ref(), texts: self.output.record_text, told: true };
                let sealed = claim::seal(session, prepared, claim, digest, rendered, &generation, &keeping, files);
                Some(sealed.map_err(|e| if streamed { e.hint("the text above has no receipt") } else { e })?)
            }
            _ => None,
        };
        let unkept = self.keeper.map_or(Ok(()), |keeper| keeper.keep(session, &self.sequence));
        if let Some(unsaid) = unsaid {
            return Err(unsaid);
        }
        if generation.finish != Finish::Interrupted {
            model::keep(session, self.opened, loaded, digest);
        }
        let interrupted = generation.finish == Finish::Interrupted;
        if generation.finish == Finish::Repetition {
            session.ui.note("the answer went in circles and was cut");
        }
        let cut = cut(&generation);
        let mut outcome = Outcome::yes(Answer {
            generation,
            model: self.opened.name.clone(),
            arch: loaded.engine.config().arch.name(),
            digest,
            streamed: !session.json,
        });
        if interrupted {
            let told = if receipt.is_some() { ", and the receipt says so" } else { "" };
            outcome.reasons.push(Error::new(Exit::Interrupted, format!("the answer was cut short{told}")));
        }
        outcome.reasons.extend(cut);
        if let Err(unkept) = unkept {
            outcome.reasons.push(unkept.hint("the answer stands; the session is as it was before this run"));
        }
        outcome.exit = Exit::decide(outcome.reasons.iter().map(|reason| reason.exit));
        outcome.receipt = receipt;
        Ok(outcome)
    }

    fn speaks(&self, session: &Session) -> bool {
        !session.json || self.output.stream
    }

    /// The generation, its text streamed as it comes where that was asked for. A reader who goes away interrupts it:
    /// what came before was said, so it is kept, with the fault beside it.
    fn generate(
        &mut self,
        session: &mut Session,
        loaded: &mut Loaded<'_>,
        rendered: &Rendered,
    ) -> Result<(Generation, Option<Error>)> {
        let mut limits = self.limits.clone();
        if rendered.template.is_some() {
            limits.thinking = Thinking::of(loaded.engine.tokenizer(), &rendered.text);
        }
        let lines = self.output.stream;
        let speak = self.speaks(session);
        let interrupt = session.env.interrupt.clone();
        let total = rendered.ids.len() as u64;
        let started = session.env.clock.monotonic();
        let mut bar = Some(session.ui.progress("reading the prompt", Some(total), Unit::Items, started));
        let mut unsaid = None;
        let clock = &session.env.clock;
        let ui = &mut session.ui;
        let show_thinking = self.output.show_thinking;
        let mut on = |event: Event<'_>| {
            match event {
                Event::Prompt { done, .. } => {
                    if let Some(bar) = &mut bar {
                        bar.at(done as u64, clock.monotonic());
                    }
                }
                Event::Token { .. } => bar = None,
                Event::Text { part: Part::Answer, text } if speak && unsaid.is_none() => {
                    let said = if lines { ui.document(&serde_json::json!({ "text": text })) } else { ui.speech(text) };
                    unsaid = said.err();
                }
                Event::Text { part: Part::Thinking, text } if show_thinking => ui.thinking(text),
                Event::Text { .. } => {}
            }
            if interrupt.requested() || unsaid.is_some() { Control::Stop } else { Control::Continue }
        };
        let (sequence, sampling) = (&mut self.sequence, &self.sampling);
        let clock = || clock.monotonic();
        let generated = loaded.engine.generate_in(sequence, &rendered.ids, sampling, &limits, &mut on, &clock);
        drop(bar);
        let generation = generated.map_err(|e| refusal(self.opened, e))?;
        if speak && !lines && unsaid.is_none() {
            unsaid = ui.end_of_speech(&generation.text).err();
        }
        Ok((generation, unsaid))
    }
}
