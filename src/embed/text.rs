//! From text to token ids, by the tokenizers crate.
//!
//! A tokenizer.json may ask for truncation and padding to a fixed length, and most of these models' do: both are
//! switched off, for a text is never cut unseen, and batches are filled up here.

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

use super::{EmbedError, Files};

pub(super) struct Reader {
    tokenizer: Tokenizer,
    vocabulary: usize,
}

impl Reader {
    pub(super) fn new(files: &Files<'_>, vocabulary: usize) -> Result<Reader, EmbedError> {
        let (name, text) = match (files.tokenizer, files.vocabulary) {
            (Some(bytes), _) => ("tokenizer.json", bytes.to_vec()),
            (None, Some(bytes)) => ("vocab.txt", word_piece(bytes, files.tokenizer_config)?),
            (None, None) => {
                let reason = "it is missing, and so is vocab.txt".to_owned();
                return Err(EmbedError::File { name: "tokenizer.json", reason });
            }
        };
        let fault = |reason: String| EmbedError::File { name, reason };
        let mut whole: Value = serde_json::from_slice(&text).map_err(|e| fault(e.to_string()))?;
        // Nothing is decoded here, and a broken decoder makes the library panic.
        if let Some(decoder) = whole.get_mut("decoder") {
            decoder.take();
        }
        let mut tokenizer: Tokenizer = whole.to_string().parse().map_err(|e| fault(format!("{e}")))?;
        tokenizer.with_truncation(None).map_err(|e| fault(e.to_string()))?;
        tokenizer.with_padding(None);
        let reader = Reader { tokenizer, vocabulary };
        if reader.ids("")?.len() < 2 {
            return Err(fault("it puts nothing around a text, where BERT reads [CLS] and [SEP]".into()));
        }
        Ok(reader)
    }

    /// With the tokens that enclose a text.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|e| EmbedError::Engine(e.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|id| **id as usize >= self.vocabulary) {
            None => Ok(ids),
            Some(id) => Err(EmbedError::File {
                name: "tokenizer.json",
                reason: format!("it makes token {id}, and config.json has a vocabulary of {}", self.vocabulary),
            }),
        }
    }

    /// Cuts a text's tokens so that the last, which closes it, stays.
    pub(super) fn cut(&self, ids: &mut Vec<u32>, limit: usize) {
        if ids.len() > limit
            && let Some(last) = ids.last().copied()
        {
            ids.truncate(limit - 1);
            ids.push(last);
        }
    }
}

/// BERT's own tokenizer over a list of word pieces, one a line, as a tokenizer.json would describe it.
fn word_piece(vocabulary: &[u8], config: Option<&[u8]>) -> Result<Vec<u8>, EmbedError> {
    let fault = |reason: String| EmbedError::File { name: "vocab.txt", reason };
    let text = std::str::from_utf8(vocabulary).map_err(|e| fault(format!("it is no UTF-8: {e}")))?;
    let mut pieces = Map::new();
    for (id, line) in text.lines().enumerate() {
        if let Some(first) = pieces.insert(line.to_owned(), json!(id)) {
            return Err(fault(format!("lines {} and {} are the same", first.as_u64().unwrap_or(0) + 1, id + 1)));
        }
    }
    let special = |token: &str| -> Result<Value, EmbedError> {
        let id = pieces.get(token).ok_or_else(|| fault(format!("it has no {token}")))?;
        Ok(json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true }))
    };
    let known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(special).into_iter().collect::<Result<Vec<_>, _>>()?;
    let settings: Value = match config {
        Some(bytes) => serde_json::from_slice(bytes)
            .map_err(|e| EmbedError::File { name: "tokenizer_config.json", reason: e.to_string() })?,
        None => Value::Null,
    };
    // The original's default.
    let lower = settings["do_lower_case"].as_bool().unwrap_or(true);
    let described = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": known,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": lower },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", pieces["[SEP]"]], "cls": ["[CLS]", pieces["[CLS]"]] },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": pieces },
    });
    Ok(described.to_string().into_bytes())
}

#[cfg(test)]
pub(super) fn described(vocabulary: &[u8]) -> Vec<u8> {
    word_piece(vocabulary, None).expect("word pieces")
}
