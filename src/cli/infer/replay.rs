//! An inference run again: the same model, prompt, parameters and seed must give the tokens that the receipt holds on to.
//!
//! Tokens that open the receipt's commitment are a yes whatever they were computed on. Others are a no only where nothing
//! else differs: the level, this build and the machine's mathematics library must be the ones of the receipt. Threads and
//! the prompt's chunks make no difference to the bits, by the kernels' own promise.

use bizra_kernels::{Level, default_threads};

use super::claim::{finish_of, output_text, token_bytes};
use super::model::{Loaded, Setting, cell_of, load, refusal};
use super::prompt::{self, Content};
use super::render::{encode_raw, encode_rendered, render, template};
use super::{FormArgs, InputArgs};
use super::{answer, model};
use crate::about;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::infer::generate::{Control, Event, Finish, Generation, Limits};
use crate::infer::grammar::Grammar;
use crate::infer::sampler::Sampling;
use crate::infer::text::Thinking;
use crate::receipts::commitment::opens;
use crate::receipts::decimal::Decimal;
use crate::receipts::hex;
use crate::receipts::predicates::{self, Inference, Parameters};
use crate::receipts::stamp::Stamp;
use crate::sys::machine;
use crate::sys::models::{Opened, Wanted, candidates};
use crate::sys::vault::{Secret, Texts};
use crate::ui::Unit;
use crate::view::replay::{Difference, Replayed, Verdict};

/// Where the model and the texts are, for what this machine does not remember.
pub(in crate::cli) struct Again<'a> {
    pub(in crate::cli) model: Option<&'a str>,
    pub(in crate::cli) prompt: Option<&'a str>,
    pub(in crate::cli) input: &'a InputArgs,
    pub(in crate::cli) form: &'a FormArgs,
}

impl Again<'_> {
    /// Whether the texts were given again.
    fn says_something(&self) -> bool {
        self.prompt.is_some() || self.input.messages.is_some() || !self.input.files.is_empty()
    }
}

pub(in crate::cli) fn replay(
    session: &mut Session,
    id: &str,
    stamp: &Stamp,
    claim: &Inference,
    again: &Again<'_>,
) -> Result<Outcome> {
    match run(session, id, stamp, claim, again) {
        Err(e) if e.exit == Exit::Undecided => {
            let report = Replayed { id: id.to_owned(), verdict: Verdict::Indeterminate, tokens: 0, difference: None };
            Ok(Outcome::because(report, vec![e]))
        }
        ended => ended,
    }
}

fn undecided(why: impl Into<String>) -> Error {
    Error::new(Exit::Undecided, why)
}

fn run(session: &mut Session, id: &str, stamp: &Stamp, claim: &Inference, again: &Again<'_>) -> Result<Outcome> {
    if claim.finish == predicates::Finish::Interrupted && claim.output.tokens == 0 {
        return Err(undecided("the run was interrupted before its first token, so there is nothing to compare"));
    }
    let (secret, texts) = secret(session, claim)?;
    if texts.is_none() && !again.says_something() {
        return Err(undecided("the prompt was not kept with the receipt")
            .hint("give it again as it was given to infer: --prompt TEXT, -f FILE, --system TEXT, --messages FILE")
            .hint("--record-text keeps the texts of the next runs"));
    }
    let (setting, mut doubts) = setting(claim)?;
    doubts.extend(doubts_of(stamp));
    let wanted = Wanted { name: &claim.model.name, sha256: claim.model.sha256, bytes: claim.model.bytes };
    let opened = find_model(session, &wanted, again.model)?;
    // From the model's own bytes: what an earlier run left beside them may be what made the answer wrong.
    let mut loaded = load(&opened, setting, None)?;
    let prompt = match &texts {
        Some(texts) if !again.says_something() => texts.prompt.clone(),
        _ => given_again(session, &loaded, claim, &secret, again)?,
    };
    let ids = prompt_ids(&loaded, claim, &prompt)?;
    let prompt_holds = opens(&claim.prompt.tokens_commitment, &secret.prompt_salt, &token_bytes(&ids));
    let grammar = grammar(session, &loaded, claim, again.form)?;
    let generation = generate(session, &opened, &mut loaded, claim, grammar, &prompt, &ids)?;
    if !opened.unchanged() {
        return Err(Error::invalid("the model's file changed while it was in use, so the replay is void")
            .at(Place::file(&opened.path)));
    }
    let found = &generation.token_ids;
    let finished = claim.finish == predicates::Finish::Interrupted || claim.finish == finish_of(&generation);
    let same = prompt_holds
        && finished
        && opens(&claim.output.tokens_commitment, &secret.output_salt, &token_bytes(found))
        && opens(&claim.output.commitment, &secret.output_salt, output_text(&generation).as_bytes());
    let mut report = Replayed { id: id.to_owned(), verdict: Verdict::Identical, tokens: found.len(), difference: None };
    if same {
        return Ok(Outcome::yes(report));
    }
    let kept = texts.as_ref().map(|texts| texts.output_tokens.as_slice());
    report.difference = kept.and_then(|kept| Difference::between(kept, found));
    let what = match (&report.difference, prompt_holds) {
        (_, false) => "the prompt is read as other tokens".to_owned(),
        (Some(difference), _) => difference.to_string(),
        (None, _) if kept.is_some() => format!(
            "the tokens are the same, but the run ended with `{}`, and the receipt says `{}`",
            finish_of(&generation).name(),
            claim.finish.name()
        ),
        (None, _) => "the answer is another; the text was not kept, so where it differs can't be told".to_owned(),
    };
    let reason = if doubts.is_empty() {
        report.verdict = Verdict::Different;
        Error::new(Exit::No, what)
    } else {
        report.verdict = Verdict::Indeterminate;
        doubts.into_iter().fold(undecided(what), |error, doubt| error.because(doubt))
    };
    Ok(Outcome::because(report, vec![reason]))
}

/// What opens the commitments, and the texts where they were kept: they must be those of the receipt.
fn secret(session: &Session, claim: &Inference) -> Result<(Secret, Option<Texts>)> {
    let kept = answer::vault(session).map(|vault| vault.open(&claim.prompt.commitment)).transpose()?.flatten();
    let Some(mut secret) = kept else {
        return Err(undecided(
            "the salts that open the receipt's commitments are not here: they stay with who ran it, or were deleted",
        ));
    };
    let texts = secret.texts.take();
    if let Some(texts) = &texts {
        let prompt = opens(&claim.prompt.commitment, &secret.prompt_salt, texts.prompt.as_bytes());
        let output = opens(&claim.output.commitment, &secret.output_salt, texts.output.as_bytes());
        let tokens = opens(&claim.output.tokens_commitment, &secret.output_salt, &token_bytes(&texts.output_tokens));
        for (holds, what) in [(prompt, "prompt"), (output, "answer"), (tokens, "answer's tokens")] {
            if !holds {
                let message = format!("the {what} kept beside the ledger is not the one that the receipt commits to");
                return Err(Error::new(Exit::Integrity, message));
            }
        }
    }
    Ok((secret, texts))
}

/// How the run computed, as near as this machine comes to it, and what that leaves in doubt.
fn setting(claim: &Inference) -> Result<(Setting, Vec<String>)> {
    let engine = &claim.engine;
    let cell = cell_of(&engine.kv)
        .ok_or_else(|| undecided(format!("this version can't keep keys and values as `{}`", engine.kv)))?;
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut doubts = Vec::new();
    let level = Level::parse(&engine.level).unwrap_or_else(|_| {
        doubts.push(format!("it ran on {}, and this machine has {} at best", engine.level, Level::best()));
        Level::best()
    });
    let setting = Setting {
        level,
        threads: count(engine.threads).clamp(1, default_threads()),
        context: Some(count(claim.parameters.context)),
        cell: Some(cell),
        chunk: Some(count(engine.chunk)),
    };
    Ok((setting, doubts))
}

/// What besides the claim may make another answer: another build, another machine's sines and exponentials.
fn doubts_of(stamp: &Stamp) -> Vec<String> {
    let mut doubts = Vec::new();
    let tool = &stamp.tool;
    let commit = about::full_commit();
    if tool.version != about::VERSION || tool.commit.as_deref() != commit {
        let short = |commit: Option<&str>| commit.map_or_else(String::new, |c| format!(" ({})", &c[..c.len().min(12)]));
        doubts.push(format!(
            "it was made by bizra {}{}, and this is {}{}",
            tool.version,
            short(tool.commit.as_deref()),
            about::VERSION,
            short(commit)
        ));
    }
    if stamp.host != machine::fingerprint() {
        doubts.push("it was made on another machine, whose mathematics library may round otherwise".to_owned());
    }
    doubts
}

/// The receipt's model, by its bytes: what was remembered of a file is good enough to find it, not to judge a claim.
pub(in crate::cli) fn find_model(session: &Session, wanted: &Wanted<'_>, named: Option<&str>) -> Result<Opened> {
    let ours = |opened: &Opened| opened.bytes() == wanted.bytes && opened.digest(None) == wanted.sha256;
    let sought = format!("the receipt's has SHA-256 {}", hex::encode(&wanted.sha256));
    if let Some(name) = named {
        let opened = model::open(session, name)?;
        if ours(&opened) {
            return Ok(opened);
        }
        return Err(undecided(format!("{name} is another model than the receipt's {}", wanted.name)).because(sought));
    }
    let configured = session.config.get("model").and_then(|name| model::open(session, name).ok());
    let found = candidates(&session.env, answer::digest_memory(&session.env).as_deref(), wanted);
    let found = found.iter().filter_map(|path| Opened::open(path).ok());
    configured.into_iter().chain(found).find(ours).ok_or_else(|| {
        undecided(format!("the model {} is not at hand", wanted.name)).because(sought).hint("name it with -m MODEL")
    })
}

/// The prompt as it was given, through the template as it was.
fn given_again(
    session: &mut Session,
    loaded: &Loaded<'_>,
    claim: &Inference,
    secret: &Secret,
    again: &Again<'_>,
) -> Result<String> {
    let input = InputArgs { raw: claim.template.is_none(), ..again.input.clone() };
    let content = prompt::read(again.prompt, &input, session)?.content;
    let text = match (&content, claim.clock) {
        (Content::Raw(text), _) => text.clone(),
        (_, clock) => {
            let clock = clock.ok_or_else(|| undecided("the prompt was sent as it was, and a conversation is given"))?;
            let template = template(session, loaded.template.as_deref(), &input)?;
            let rendered = render(session, loaded.engine.tokenizer(), template.as_ref(), &content, clock)?;
            if rendered.template != claim.template {
                return Err(undecided("the chat template is another than the receipt's")
                    .hint("--template FILE names the one that was used"));
            }
            rendered.text
        }
    };
    if !opens(&claim.prompt.commitment, &secret.prompt_salt, text.as_bytes()) {
        return Err(undecided("the prompt that is given is not the one that the receipt commits to")
            .hint("give prompt, files and system text exactly as they were given to infer"));
    }
    Ok(text)
}

/// The prompt's tokens; where it was too long for the context, its end.
fn prompt_ids(loaded: &Loaded<'_>, claim: &Inference, text: &str) -> Result<Vec<u32>> {
    let tokenizer = loaded.engine.tokenizer();
    let mut ids = match claim.template {
        Some(_) => encode_rendered(tokenizer, text)?,
        None => encode_raw(tokenizer, text)?,
    };
    let length = usize::try_from(claim.prompt.tokens).unwrap_or(usize::MAX);
    ids.drain(..ids.len().saturating_sub(length));
    Ok(ids)
}

/// What the answer had to be, by a file that is given again.
fn grammar(session: &Session, loaded: &Loaded<'_>, claim: &Inference, again: &FormArgs) -> Result<Option<Grammar>> {
    let Some(form) = &claim.parameters.form else {
        return match again.given() {
            true => Err(undecided("the answer followed no schema or grammar, and one is given")),
            false => Ok(None),
        };
    };
    let kind = form.kind.name();
    let given = again.read(session)?.ok_or_else(|| {
        undecided(format!("the answer followed a {kind}, and the receipt holds its hash only"))
            .because(format!("the file has SHA-256 {}", hex::encode(&form.sha256)))
            .hint(format!("give it again: --{kind} FILE"))
    })?;
    if given.claim() != *form {
        return Err(undecided(format!("the {} that is given is not the receipt's", given.claim().kind.name()))
            .because(format!("the receipt's has SHA-256 {}", hex::encode(&form.sha256))));
    }
    given.grammar(loaded.engine.tokenizer()).map(Some)
}

fn generate(
    session: &mut Session,
    opened: &Opened,
    loaded: &mut Loaded<'_>,
    claim: &Inference,
    grammar: Option<Grammar>,
    prompt: &str,
    ids: &[u32],
) -> Result<Generation> {
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let cut = claim.finish == predicates::Finish::Interrupted;
    let limits = Limits {
        tokens: if cut { Some(count(claim.output.tokens)) } else { claim.parameters.max_tokens.map(count) },
        stops: claim.parameters.stops.clone(),
        // A run that it didn't end went through all the same without it.
        cut_repetition: claim.finish == predicates::Finish::Repetition,
        ignore_end: false,
        thinking: claim.template.and_then(|_| Thinking::of(loaded.engine.tokenizer(), prompt)),
        logprobs: None,
        lookup: false,
        grammar,
    };
    let sampling = sampling(&claim.parameters)?;
    let interrupt = session.env.interrupt.clone();
    let _held = interrupt.defer();
    let clock = &session.env.clock;
    let total = claim.prompt.tokens.saturating_add(claim.output.tokens);
    let mut bar = session.ui.progress("running it again", Some(total), Unit::Items, clock.monotonic());
    let mut done = 0;
    let mut on = |event: Event<'_>| {
        match event {
            Event::Prompt { done: read, .. } => done = read as u64,
            Event::Token { .. } => done += 1,
            Event::Text { .. } => {}
        }
        bar.at(done, clock.monotonic());
        if interrupt.requested() { Control::Stop } else { Control::Continue }
    };
    let generated = loaded.engine.generate(ids, &sampling, &limits, &mut on, &|| clock.monotonic());
    let generation = generated.map_err(|e| refusal(opened, e))?;
    match generation.finish {
        Finish::Interrupted => Err(Error::new(Exit::Interrupted, "the replay was cut short")),
        _ => Ok(generation),
    }
}

fn sampling(parameters: &Parameters) -> Result<Sampling> {
    let float = |x: &Decimal| {
        let parsed: Option<f32> = x.as_str().parse().ok();
        parsed.ok_or_else(|| undecided(format!("the receipt's {} is no number that a sampler takes", x.as_str())))
    };
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut bias = Vec::new();
    for (token, add) in &parameters.bias {
        let token = u32::try_from(*token).map_err(|_| undecided(format!("the receipt's token {token} is none")))?;
        bias.push((token, add.as_ref().map_or(Ok(f32::NEG_INFINITY), float)?));
    }
    Ok(Sampling {
        temperature: float(&parameters.temperature)?,
        top_k: count(parameters.top_k),
        top_p: float(&parameters.top_p)?,
        min_p: float(&parameters.min_p)?,
        typical: float(&parameters.typical)?,
        repetition: float(&parameters.repetition)?,
        presence: float(&parameters.presence)?,
        frequency: float(&parameters.frequency)?,
        lookback: count(parameters.lookback),
        bias,
        seed: parameters.seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipts::stamp::{Position, Tool};

    fn stamp(version: &str, commit: Option<&str>, host: &str) -> Stamp {
        let (version, commit) = (version.to_owned(), commit.map(str::to_owned));
        Stamp {
            ledger: [0; 32],
            nonce: [0; 16],
            position: Position { session: [0; 16], seq: 0, prev: None },
            time: "2026-02-01T06:00:00.000Z".parse().expect("a time"),
            tool: Tool { name: "bizra".into(), version, commit, build: "any".into() },
            host: host.to_owned(),
        }
    }

    #[test]
    fn only_another_build_or_machine_leaves_a_doubt() {
        let here = machine::fingerprint();
        let doubts = |version: &str, commit: Option<&str>, host: &str| doubts_of(&stamp(version, commit, host)).len();
        assert_eq!(doubts(about::VERSION, about::full_commit(), &here), 0);
        assert_eq!(doubts("9.9.9", about::full_commit(), &here), 1);
        assert_eq!(doubts(about::VERSION, Some("0123456789abcdef"), &here), 1);
        assert_eq!(doubts("9.9.9", None, "elsewhere"), 2);
    }

    #[test]
    fn a_difference_is_the_first_other_token_or_the_earlier_end() {
        let told = |a: &[u32], b: &[u32]| Difference::between(a, b).map(|d| d.to_string());
        assert_eq!(told(&[1, 2], &[1, 2]), None);
        assert_eq!(told(&[1, 2, 3], &[1, 5, 3]).as_deref(), Some("token 2 of the answer is 5, and was 2"));
        assert_eq!(told(&[1], &[1, 5]).as_deref(), Some("token 2 of the answer is 5, and was the end"));
        assert_eq!(told(&[1, 5], &[1]).as_deref(), Some("token 2 of the answer is the end, and was 5"));
    }
}
