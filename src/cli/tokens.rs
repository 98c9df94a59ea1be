//! `bizra tokens`: how a model reads a text.

use super::infer::prompt::{self, Content};
use super::infer::{InputArgs, ModelArgs, model, model_name};
use super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::infer::tokenizer::EncodeOpts;
use crate::view::tokens::{Piece, Pieces};

/// Show the tokens that a model reads a text as: ids, pieces, count
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra tokens -m model.gguf 'Once upon a time'
  bizra tokens -m model.gguf --count - < notes.md          How many, for scripts
  bizra tokens -m model.gguf --ids --no-special 'a b'      Ids, without those that the model puts around them")]
pub(super) struct Args {
    /// The text; - reads it from standard input [default: standard input, where that is no terminal]
    text: Option<String>,
    /// The model: a .gguf file, a folder with safetensors, or REPO[:QUANT][@REVISION] in the Hugging Face cache
    #[arg(short, long, value_name = "MODEL", value_hint = clap::ValueHint::AnyPath)]
    model: Option<String>,
    /// Print how many there are, and nothing else
    #[arg(long, conflicts_with = "ids")]
    count: bool,
    /// Print the ids on one line, and nothing else
    #[arg(long)]
    ids: bool,
    /// Leave out the tokens that the model puts at the beginning and the end
    #[arg(long)]
    no_special: bool,
    /// Read control tokens that are written out in the text as those tokens
    #[arg(long)]
    parse_special: bool,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let named = ModelArgs { model: args.model.clone(), ctx: None, threads: None, isa: None, kv: None };
    let name = model_name(&named, session)?;
    let input = InputArgs { raw: true, ..InputArgs::default() };
    let asked = prompt::read(args.text.as_deref(), &input, session)?;
    let Content::Raw(text) = asked.content else { return Err(Error::usage("a text is needed")) };
    let opened = model::open(session, &name)?;
    let tokenizer = opened.parts()?.tokenizer;
    let opts = EncodeOpts { add_special: !args.no_special, parse_special: args.parse_special };
    let ids = tokenizer.encode(&text, opts).map_err(|e| Error::invalid(e.to_string()))?;
    let pieces = ids
        .iter()
        .map(|id| Piece {
            id: *id,
            spelling: tokenizer.text(*id).unwrap_or_default().to_owned(),
            bytes: tokenizer.piece(*id, true).unwrap_or_default(),
        })
        .collect();
    Ok(Outcome::yes(Pieces {
        pieces,
        tokenizer: tokenizer.name().to_owned(),
        bytes: text.len(),
        count: args.count,
        ids: args.ids,
    }))
}
