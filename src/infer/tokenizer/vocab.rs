//! A vocabulary: the text, kind and score of each token, and which tokens have a role.

use super::TokenizerError;
use super::table::Table;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Unknown,
    /// Steers the model and is never text.
    Control,
    /// Added by the model's makers; found in text before anything else.
    UserDefined,
    Unused,
    /// One byte, written `<0xXX>`.
    Byte,
}

impl Kind {
    /// From the numbers of `tokenizer.ggml.token_type`.
    pub(super) fn from_gguf(number: i128) -> Self {
        match number {
            1 => Kind::Normal,
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            6 => Kind::Byte,
            _ => Kind::Unused,
        }
    }
}

/// Tokens with a role, where the vocabulary has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub unk: Option<u32>,
    pub pad: Option<u32>,
    pub sep: Option<u32>,
    /// Any of these ends a generation; sorted.
    pub ends: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Vocab {
    texts: Table,
    kinds: Vec<Kind>,
    scores: Vec<f32>,
    /// The token of each byte in `<0xXX>` form.
    bytes: Box<[Option<u32>; 256]>,
}

impl Vocab {
    pub(super) fn with_capacity(tokens: usize, bytes: usize) -> Self {
        Self {
            texts: Table::with_capacity(tokens, bytes),
            kinds: Vec::with_capacity(tokens),
            scores: Vec::new(),
            bytes: Box::new([None; 256]),
        }
    }

    pub(super) fn push(&mut self, text: &str, kind: Kind) -> Result<u32, TokenizerError> {
        let empty;
        let text = if text.is_empty() {
            // Files pad their vocabularies with empty tokens; each needs a text of its own.
            empty = format!("[EMPTY_{}]", self.len());
            empty.as_str()
        } else {
            text
        };
        let id = self.len() as u32;
        match self.texts.insert(text.as_bytes()) {
            None => Err(TokenizerError::TooLarge),
            Some(Err(first)) => Err(TokenizerError::DuplicateToken { text: text.to_owned(), first, second: id }),
            Some(Ok(id)) => {
                self.kinds.push(kind);
                if kind == Kind::Byte
                    && let Some(byte) = byte_of(text)
                {
                    self.bytes[usize::from(byte)] = Some(id);
                }
                Ok(id)
            }
        }
    }

    /// One score for each token.
    pub(super) fn set_scores(&mut self, scores: Vec<f32>) {
        self.scores = scores;
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.texts.find(text.as_bytes())
    }

    pub(super) fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id).map(|bytes| std::str::from_utf8(bytes).expect("invariant: only text goes in"))
    }

    pub(super) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    pub(super) fn set_kind(&mut self, id: u32, kind: Kind) {
        if let Some(slot) = self.kinds.get_mut(id as usize) {
            *slot = kind;
        }
    }

    pub(super) fn score(&self, id: u32) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or(0.0)
    }

    /// The `<0xXX>` token of a byte.
    pub(super) fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes[usize::from(byte)]
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = (u32, Kind)> {
        self.kinds.iter().enumerate().map(|(id, &kind)| (id as u32, kind))
    }

    /// Tokens that end a generation: those with the role, and those whose text says so, since many files name only
    /// one of several.
    pub(super) fn ends(&self, named: impl IntoIterator<Item = u32>) -> Vec<u32> {
        const TEXTS: [&str; 26] = [
            "<|eot_id|>",
            "<|im_end|>",
            "<|end|>",
            "<|return|>",
            "<|call|>",
            "<|flush|>",
            "<|calls|>",
            "<end_of_turn>",
            "<|endoftext|>",
            "</s>",
            "<|eom_id|>",
            "<EOT>",
            "_<EOT>",
            "[EOT]",
            "[EOS]",
            "<|end_of_text|>",
            "<end_of_utterance>",
            "<eos>",
            "<turn|>",
            "<|tool_response>",
            "<｜end▁of▁sentence｜>",
            "[e~[",
            "<|fim_pad|>",
            "<|file_sep|>",
            "<|fim_repo|>",
            "<|repo_name|>",
        ];
        // A plain token like `</s>` may be a piece of HTML; one with bars is no one's text.
        let by_text = TEXTS.iter().filter_map(|text| {
            let id = self.find(text)?;
            let marker = text.starts_with("<|") || text.starts_with("<｜") || text.starts_with("<end_of_");
            (marker || self.kind(id) != Some(Kind::Normal)).then_some(id)
        });
        let mut ends: Vec<u32> = by_text.chain(named).collect();
        let has = |text| self.find(text).is_some();
        // Where a channel is closed by other tokens, `<|end|>` only ends a message in it.
        if (has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>")) {
            ends.retain(|&id| self.text(id) != Some("<|end|>"));
        }
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

/// The byte of a token written `<0xXX>`.
pub(super) fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if plain { u8::from_str_radix(digits, 16).ok() } else { None }
}
