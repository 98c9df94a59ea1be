//! `bizra embed`: texts to vectors, and a receipt for them.

use std::io::Read as _;
use std::time::Duration;

use super::infer::answer::vault;
use super::{Outcome, Session};
use crate::embed::{EmbedError, Embedded, Model, Options, Pooling};
use crate::error::{Error, Place, Result};
use crate::receipts::commitment::commit;
use crate::receipts::predicates::{Embedding, EmbeddingModel};
use crate::receipts::statement::Draft;
use crate::sys::text_models::TextModel;
use crate::sys::vault::Secret;
use crate::ui::Unit;
use crate::view::embed::Vectors;

/// The most that is read of standard input.
const MOST_INPUT: usize = 1 << 30;

/// Turn texts into vectors with a model on this machine, and leave a receipt
///
/// The model is a folder as sentence-transformers writes them: config.json of a BERT, tokenizer.json or vocab.txt, and
/// model.safetensors. Each text becomes one line of numbers. A text that is longer than the model reads is refused, and
/// cut only with --truncate.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra embed -m all-MiniLM-L6-v2 'What does a gate need to open?'
  bizra embed -m all-MiniLM-L6-v2 --json < questions.txt | jq '.result.vectors[0].vector'
  bizra embed -m bge-small-en --pooling cls --truncate < paragraphs.txt > vectors.txt")]
pub(super) struct Args {
    /// The texts [default: the lines of standard input, where that is no terminal]
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// The model: a folder, or REPO[@REVISION] in the Hugging Face cache
    #[arg(short, long, value_name = "MODEL", value_hint = clap::ValueHint::DirPath)]
    model: String,
    /// How one vector comes from those of a text's tokens: mean, cls [default: what the folder says, else mean]
    #[arg(long, value_name = "HOW", value_parser = ["mean", "cls"])]
    pooling: Option<String>,
    /// Leave the vectors as long as they are, instead of making each 1 long
    #[arg(long)]
    no_normalize: bool,
    /// Cut texts that are longer than the model reads
    #[arg(long)]
    truncate: bool,
    /// Texts that go through the model together
    #[arg(long, value_name = "COUNT", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch: u64,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let opened = TextModel::open(&session.find_model(&args.model)?.path)?;
    let started = session.env.clock.monotonic();
    let model = Model::read(&opened.files()).map_err(|e| refusal(&opened, e))?;
    let loaded = session.env.clock.monotonic().saturating_sub(started);
    let texts = texts(args, session)?;
    let options = Options {
        pooling: match args.pooling.as_deref() {
            Some("cls") => Pooling::Cls,
            Some(_) => Pooling::Mean,
            None => model.pooling,
        },
        normalise: !args.no_normalize,
        truncate: args.truncate,
        batch: args.batch as usize,
    };
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let clock = &session.env.clock;
    let started = clock.monotonic();
    let mut bar = session.ui.progress("embedding", Some(texts.len() as u64), Unit::Items, started);
    let embedded = model.embed(&borrowed, &options, &mut |ready| bar.at(ready as u64, clock.monotonic()));
    let took = clock.monotonic().saturating_sub(started);
    drop(bar);
    let embedded = embedded.map_err(|e| refusal(&opened, e))?;
    if !opened.unchanged() {
        return Err(Error::invalid("the model's file changed while it was in use, so the vectors are void")
            .at(Place::file(&opened.path)));
    }
    let cut = embedded.iter().filter(|one| one.truncated).count();
    if cut > 0 {
        session.ui.warn(format!("{cut} of {} texts were cut to {} tokens", texts.len(), model.limit));
    }
    let rate = embedded.len() as f64 / took.as_secs_f64().max(1e-9);
    session.ui.detail(format!("{} texts in {:.3} s, {rate:.1} a second", texts.len(), took.as_secs_f64()));
    let receipt = record(&opened, &model, &options, &texts, &embedded, Times { loaded, took }, session)?;
    let answer = Vectors {
        model: opened.name.clone(),
        dimensions: model.dimensions(),
        pooling: options.pooling,
        normalised: options.normalise,
        limit: model.limit,
        embedded,
    };
    Ok(Outcome { receipt, ..Outcome::yes(answer) })
}

fn texts(args: &Args, session: &mut Session) -> Result<Vec<String>> {
    if !args.texts.is_empty() {
        return Ok(args.texts.clone());
    }
    if session.env.stdin.terminal {
        return Err(
            Error::usage("no text is given").hint("bizra embed -m MODEL 'a text', or give lines on standard input")
        );
    }
    let mut bytes = Vec::new();
    let source = &mut session.env.stdin.source;
    source
        .take(MOST_INPUT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::cannot("standard input can't be read").because(e))?;
    if bytes.len() > MOST_INPUT {
        return Err(Error::invalid("standard input is longer than 1 GiB").hint("give it in parts"));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::invalid(format!("standard input is no UTF-8 in line {line}"))
    })?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Error::usage("no text is given: standard input is empty"));
    }
    Ok(lines)
}

fn refusal(opened: &TextModel, error: EmbedError) -> Error {
    let message = error.to_string();
    match error {
        EmbedError::TooLong { .. } => Error::invalid(message).hint("split it, or cut it with --truncate"),
        EmbedError::Kind { .. } => Error::invalid(message).at(Place::file(&opened.path)).hint(
            "models of BERT's kind are all-MiniLM, bge, e5, gte, multi-qa-MiniLM and others whose config.json says `bert`",
        ),
        EmbedError::Engine(_) => Error::cannot(message),
        _ => Error::invalid(message).at(Place::file(&opened.path)),
    }
}

struct Times {
    loaded: Duration,
    took: Duration,
}

fn record(
    opened: &TextModel,
    model: &Model,
    options: &Options,
    texts: &[String],
    embedded: &[Embedded],
    times: Times,
    session: &mut Session,
) -> Result<Option<String>> {
    if session.config.switch("no-receipt") {
        return Ok(None);
    }
    // Each text with its length before it: no two lists of texts are the same bytes.
    let mut read = Vec::new();
    for text in texts {
        read.extend_from_slice(&(text.len() as u64).to_le_bytes());
        read.extend_from_slice(text.as_bytes());
    }
    let made: Vec<u8> = embedded.iter().flat_map(|one| &one.vector).flat_map(|x| x.to_le_bytes()).collect();
    let (prompt_salt, output_salt) = (session.random()?, session.random()?);
    let milliseconds = |time: Duration| {
        format!("{:.3}", time.as_secs_f64() * 1e3).parse().expect("invariant: a duration is a decimal number")
    };
    let claim = Embedding {
        model: EmbeddingModel {
            name: opened.name.replace(|c: char| c.is_control(), "?"),
            sha256: opened.digest(),
            bytes: opened.bytes(),
            dimensions: model.dimensions() as u64,
        },
        texts: texts.len() as u64,
        tokens: embedded.iter().map(|one| one.tokens as u64).sum(),
        truncated: embedded.iter().filter(|one| one.truncated).count() as u64,
        limit: model.limit as u64,
        texts_commitment: commit(&prompt_salt, &read),
        vectors_commitment: commit(&output_salt, &made),
        pooling: options.pooling.name().into(),
        normalised: options.normalise,
        batch: options.batch as u64,
        load: milliseconds(times.loaded),
        embed: milliseconds(times.took),
    };
    let draft = Draft::new(claim.subjects(), &claim)
        .map_err(|e| Error::usage(format!("a receipt can't hold this run: {e}")).hint("--no-receipt leaves none"))?;
    match vault(session) {
        Some(vault) => vault.keep(&claim.texts_commitment, &Secret { prompt_salt, output_salt, texts: None })?,
        None => session.ui.warn("no home folder is known, so nothing can open the receipt's commitments later"),
    }
    Ok(session.record(&draft)?.map(|id| id.to_string()))
}
