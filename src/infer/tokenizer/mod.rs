//! Text to token ids and back, from the vocabulary inside a GGUF file or from a `tokenizer.json`: SentencePiece and
//! byte-pair encoding, with the results of llama.cpp. An unknown pre-tokenizer or model is refused by name, and text
//! is never dropped silently: bytes without a token are the unknown token, or an error where there is none.
//! Leaves out chat templates ([`super::template`]).

mod bpe;
mod fault;
mod gguf;
mod json;
mod merge;
mod pre;
mod special;
mod split;
mod spm;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod vocab;

pub use fault::TokenizerError;
pub use stream::TextStream;
pub use vocab::{Kind, Roles};

use bpe::Bpe;
use special::{Part, Specials};
use vocab::Vocab;

/// How SentencePiece writes a space.
const SPACE: char = '▁';

/// A model's tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    vocab: Vocab,
    model: Model,
    specials: Specials,
    roles: Roles,
    add_bos: bool,
    add_eos: bool,
    spaces: Spaces,
    name: String,
}

#[derive(Clone, Debug)]
enum Model {
    Sentencepiece,
    Bpe(Box<Bpe>),
}

/// What happens to spaces before a text is cut and merged.
#[derive(Clone, Copy, Debug, Default)]
struct Spaces {
    /// They are written `▁`.
    escape: bool,
    /// One is put before a text that begins the input or follows a special token.
    prefix: Prefix,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Prefix {
    #[default]
    Never,
    Always,
    /// Only where the text has none.
    Missing,
    /// As `Missing`, at the beginning of the input only.
    MissingFirst,
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOpts {
    /// Begin and end as the model wants it (BOS, EOS).
    pub add_special: bool,
    /// Control tokens written out in the text become those tokens. Never for text from outside.
    pub parse_special: bool,
}

/// How tokens are to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOpts {
    /// Control tokens are written out instead of skipped.
    pub special: bool,
    /// The space that encoding put before the text is taken off again.
    pub strip_prefix: bool,
}

impl Tokenizer {
    /// `gpt2`, `llama` and so on, with the pre-tokenizer.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens of the vocabulary; ids are below this.
    pub fn len(&self) -> usize {
        self.vocab.len()
    }

    pub fn is_empty(&self) -> bool {
        self.vocab.len() == 0
    }

    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    pub fn adds_eos(&self) -> bool {
        self.add_eos
    }

    /// Whether this token ends a generation.
    pub fn is_end(&self, id: u32) -> bool {
        self.roles.ends.binary_search(&id).is_ok()
    }

    /// Adds tokens that end a generation, which configuration files may name.
    pub fn add_ends(&mut self, ids: impl IntoIterator<Item = u32>) {
        let len = self.vocab.len() as u32;
        self.roles.ends.extend(ids.into_iter().filter(|&id| id < len));
        self.roles.ends.sort_unstable();
        self.roles.ends.dedup();
    }

    pub fn kind(&self, id: u32) -> Option<Kind> {
        self.vocab.kind(id)
    }

    /// The token as the vocabulary spells it.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.vocab.text(id)
    }

    /// The token with exactly this spelling.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.vocab.find(text)
    }

    pub fn encode(&self, text: &str, opts: EncodeOpts) -> Result<Vec<u32>, TokenizerError> {
        if u32::try_from(text.len()).is_err() {
            return Err(TokenizerError::TooLarge);
        }
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        if opts.add_special && self.add_bos {
            out.extend(self.roles.bos);
        }
        let mut after_special = true;
        for (number, part) in self.specials.partition(text, opts.parse_special).into_iter().enumerate() {
            match part {
                Part::Token(id) => out.push(id),
                Part::Text(text) => self.encode_text(text, after_special, number == 0, &mut out)?,
            }
            after_special = matches!(part, Part::Token(_));
        }
        if opts.add_special && self.add_eos {
            out.extend(self.roles.eos);
        }
        Ok(out)
    }

    fn encode_text(
        &self,
        text: &str,
        after_special: bool,
        first: bool,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let prefix = match self.spaces.prefix {
            Prefix::Never => false,
            Prefix::Always => after_special,
            Prefix::Missing => after_special && !text.starts_with([' ', SPACE]),
            Prefix::MissingFirst => first && !text.starts_with([' ', SPACE]),
        };
        let prepared;
        let text = if prefix || (self.spaces.escape && text.contains(' ')) {
            let mut all = String::with_capacity(text.len() * 2);
            if prefix {
                all.push(' ');
            }
            all.push_str(text);
            prepared = if self.spaces.escape { all.replace(' ', "▁") } else { all };
            if u32::try_from(prepared.len()).is_err() {
                return Err(TokenizerError::TooLarge);
            }
            prepared.as_str()
        } else {
            text
        };
        match &self.model {
            Model::Sentencepiece => spm::encode(&self.vocab, self.roles.unk, text, out),
            Model::Bpe(bpe) => bpe.encode(&self.vocab, self.roles.unk, text, out),
        }
    }

    /// The bytes of one token; several together may make one character. `None` for an id outside the vocabulary.
    pub fn piece(&self, id: u32, special: bool) -> Option<Vec<u8>> {
        let (text, kind) = (self.vocab.text(id)?, self.vocab.kind(id)?);
        Some(match kind {
            Kind::Control | Kind::Unknown if special => text.into(),
            Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
            Kind::UserDefined => text.into(),
            Kind::Byte => vocab::byte_of(text).map_or_else(|| text.into(), |byte| vec![byte]),
            Kind::Normal => match &self.model {
                Model::Bpe(bpe) if bpe.byte_level => spelled_bytes(text),
                _ if self.spaces.escape => text.replace(SPACE, " ").into_bytes(),
                _ => text.into(),
            },
        })
    }

    /// The bytes of all tokens, one after another.
    pub fn decode(&self, ids: &[u32], opts: DecodeOpts) -> Result<Vec<u8>, TokenizerError> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        let mut at_start = opts.strip_prefix && self.spaces.prefix != Prefix::Never;
        for &id in ids {
            let piece = self.piece(id, opts.special).ok_or(TokenizerError::NoSuchId { id, len: self.len() })?;
            let spoken = matches!(self.vocab.kind(id), Some(Kind::Normal | Kind::Byte));
            match piece.strip_prefix(b" ") {
                Some(rest) if at_start && spoken => out.extend_from_slice(rest),
                _ => out.extend_from_slice(&piece),
            }
            at_start &= !spoken;
        }
        Ok(out)
    }
}

fn spelled_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for char in text.chars() {
        match bpe::byte_of(char) {
            Some(byte) => out.push(byte),
            // Tokens that were added later are spelled plainly.
            None => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}
