//! One answer: model, prompt, generation, receipt.

use std::path::PathBuf;

use super::claim::{self, Ends, Keeping};
use super::model::{self, Loaded, Setting, load, open, refusal};
use super::prompt::Asked;
use super::render::{Rendered, fit, render};
use super::{Args, OutputArgs};
use crate::cli::book::Prepared;
use crate::cli::{Outcome, Session};
use crate::env::Env;
use crate::error::{Error, Exit, Place, Result};
use crate::infer::generate::{Control, Event, Finish, Generation};
use crate::infer::sampler::Sampling;
use crate::infer::text::{Part, Thinking};
use crate::receipts::predicates::Inference;
use crate::receipts::statement::Subject;
use crate::sys::folders;
use crate::sys::models::Opened;
use crate::sys::vault::Vault;
use crate::ui::Unit;
use crate::view::infer::Answer;

pub(super) fn answer(session: &mut Session, name: &str, args: &Args, asked: Asked) -> Result<Outcome> {
    let setting = Setting::of(&args.model)?;
    let opened = open(session, name)?;
    let kept = model::kept(session, &opened);
    let mut loaded = load(&opened, setting, kept.as_ref())?;
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
    let ends = Ends { stops: &args.output.stops, max_tokens: args.output.max_tokens };
    let claim = claim::begin(&opened, &sampling, ends, &loaded, &rendered, &asked.subjects)?;
    let receipt = prepared.map(|prepared| Receipt { prepared, claim, files: asked.subjects });
    Run { opened: &opened, sampling, output: &args.output, receipt, vault }.finish(session, &mut loaded, &rendered)
}

pub(in crate::cli) fn vault(session: &Session) -> Option<Vault> {
    folders::data(&session.env.vars).map(|data| Vault::at(data.join("texts")))
}

pub(in crate::cli) fn digest_memory(env: &Env) -> Option<PathBuf> {
    folders::data(&env.vars).map(|data| data.join("model-digests"))
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
    receipt: Option<Receipt>,
    vault: Option<Vault>,
}

impl Run<'_> {
    fn finish(self, session: &mut Session, loaded: &mut Loaded<'_>, rendered: &Rendered) -> Result<Outcome> {
        // Held until the receipt is durable: an answer that was seen is never left without one.
        let _held = session.env.interrupt.defer();
        let wanted = self.receipt.is_some() || session.json;
        let memory = digest_memory(&session.env);
        // A large file's hash takes as long as its first tokens: the two run side by side.
        let (generated, digest) = std::thread::scope(|scope| {
            let hashing = wanted.then(|| scope.spawn(|| self.opened.digest(memory.as_deref())));
            let generated = self.generate(session, loaded, rendered);
            (generated, hashing.map(|thread| thread.join()))
        });
        let (generation, unsaid) = generated?;
        if !self.opened.unchanged() {
            return Err(Error::invalid("the model's file changed while it was in use, so the answer is void")
                .at(Place::file(&self.opened.path)));
        }
        let digest = match digest {
            Some(Ok(digest)) => Some(digest),
            Some(Err(_)) => return Err(Error::new(Exit::Bug, "hashing the model's file failed")),
            None => None,
        };
        let streamed = self.speaks(session);
        let receipt = match (self.receipt, digest) {
            (Some(Receipt { prepared, claim, files }), Some(digest)) => {
                let keeping = Keeping { vault: self.vault.as_ref(), texts: self.output.record_text };
                let sealed = claim::seal(session, prepared, claim, digest, rendered, &generation, &keeping, files);
                Some(sealed.map_err(|e| if streamed { e.hint("the text above has no receipt") } else { e })?)
            }
            _ => None,
        };
        if let Some(unsaid) = unsaid {
            return Err(unsaid);
        }
        if generation.finish != Finish::Interrupted {
            model::keep(session, self.opened, loaded, digest);
        }
        let interrupted = generation.finish == Finish::Interrupted;
        let mut outcome = Outcome::yes(Answer {
            generation,
            model: self.opened.name.clone(),
            arch: loaded.engine.config().arch.name(),
            digest,
            streamed: !session.json,
        });
        if interrupted {
            let told = if receipt.is_some() { ", and the receipt says so" } else { "" };
            outcome.exit = Exit::Interrupted;
            outcome.reasons.push(Error::new(Exit::Interrupted, format!("the answer was cut short{told}")));
        }
        outcome.receipt = receipt;
        Ok(outcome)
    }

    fn speaks(&self, session: &Session) -> bool {
        !session.json || self.output.stream
    }

    /// The generation, its text streamed as it comes where that was asked for. A reader who goes away interrupts it:
    /// what came before was said, so it is kept, with the fault beside it.
    fn generate(
        &self,
        session: &mut Session,
        loaded: &mut Loaded<'_>,
        rendered: &Rendered,
    ) -> Result<(Generation, Option<Error>)> {
        let mut limits = self.output.limits();
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
        let generated = loaded.engine.generate(&rendered.ids, &self.sampling, &limits, &mut on, &|| clock.monotonic());
        drop(bar);
        let generation = generated.map_err(|e| refusal(self.opened, e))?;
        if speak && !lines && unsaid.is_none() {
            unsaid = ui.end_of_speech(&generation.text).err();
        }
        Ok((generation, unsaid))
    }
}
