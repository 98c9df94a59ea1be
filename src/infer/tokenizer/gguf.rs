//! Reads a tokenizer from a GGUF file's `tokenizer.ggml.*` keys.

use super::bpe::Bpe;
use super::pre;
use super::special::{SpecialToken, Specials};
use super::table::Table;
use super::vocab::{Kind, Roles, Vocab};
use super::{Model, Prefix, Spaces, Tokenizer, TokenizerError};
use crate::infer::gguf::{Array, Gguf};

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
const ADD_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
/// How files say that a token is absent.
const ABSENT: u64 = u32::MAX as u64;

impl Tokenizer {
    pub fn from_gguf(file: &Gguf<'_>) -> Result<Self, TokenizerError> {
        let model =
            text(file, "tokenizer.ggml.model")?.ok_or(TokenizerError::Missing { key: "tokenizer.ggml.model" })?;
        let vocab = read_vocab(file)?;
        let mut tokenizer = match model {
            "llama" => sentencepiece(file, vocab)?,
            "gpt2" => byte_pairs(file, vocab, text(file, "tokenizer.ggml.pre")?.ok_or(TokenizerError::MissingPre)?)?,
            "gemma4" => byte_pairs(file, vocab, "gemma4")?,
            other => return Err(TokenizerError::Model { model: other.to_owned() }),
        };
        tokenizer.add_bos = flag(file, ADD_BOS)?.unwrap_or(tokenizer.add_bos);
        tokenizer.add_eos = flag(file, ADD_EOS)?.unwrap_or(tokenizer.add_eos);
        let roles = &tokenizer.roles;
        for (adds, key, role, id) in
            [(tokenizer.add_bos, ADD_BOS, "BOS", roles.bos), (tokenizer.add_eos, ADD_EOS, "EOS", roles.eos)]
        {
            if adds && id.is_none() {
                return Err(TokenizerError::AddWithout { key, role });
            }
        }
        Ok(tokenizer)
    }
}

fn sentencepiece(file: &Gguf<'_>, mut vocab: Vocab) -> Result<Tokenizer, TokenizerError> {
    let scores = array(file, SCORES)?.ok_or(TokenizerError::Missing { key: SCORES })?;
    let scores: Vec<f32> =
        scores.floats().ok_or(TokenizerError::KeyType { key: SCORES, needed: "an array of numbers" })?.collect();
    if scores.len() != vocab.len() {
        return Err(TokenizerError::Length { key: SCORES, len: scores.len(), tokens: vocab.len() });
    }
    if let Some(id) = scores.iter().position(|score| score.is_nan()) {
        return Err(TokenizerError::Score { id });
    }
    vocab.set_scores(scores);
    let prefix = if flag(file, ADD_PREFIX)?.unwrap_or(true) { Prefix::Always } else { Prefix::Never };
    let known = |id: u32| Some(id).filter(|&id| (id as usize) < vocab.len());
    let usual = Roles { bos: known(1), eos: known(2), unk: known(0), ..Roles::default() };
    let roles = read_roles(file, &vocab, usual)?;
    let specials = find_specials(file, &mut vocab, &roles)?;
    let spaces = Spaces { escape: true, prefix };
    let (model, name) = (Model::Sentencepiece, "llama".to_owned());
    Ok(Tokenizer { vocab, model, specials, roles, add_bos: true, add_eos: false, spaces, name })
}

fn byte_pairs(file: &Gguf<'_>, mut vocab: Vocab, pre: &str) -> Result<Tokenizer, TokenizerError> {
    let preset = pre::preset(pre).ok_or_else(|| TokenizerError::Pre { pre: pre.to_owned() })?;
    let merges = array(file, MERGES)?.ok_or(TokenizerError::Missing { key: MERGES })?;
    let lines = merges.strings().ok_or(TokenizerError::KeyType { key: MERGES, needed: "an array of strings" })?;
    let mut ranks = Table::with_capacity(merges.len(), merges.len() * 8);
    for line in lines {
        // Of equal merges the first counts.
        ranks.insert(line.as_bytes()).ok_or(TokenizerError::TooLarge)?.ok();
    }
    let roles = read_roles(file, &vocab, Roles::default())?;
    let specials = find_specials(file, &mut vocab, &roles)?;
    let bpe = Bpe {
        pre: preset.compile()?,
        merges: ranks,
        byte_level: preset.byte_level,
        ignore_merges: preset.ignore_merges,
        whole_newlines: preset.whole_newlines,
    };
    Ok(Tokenizer {
        vocab,
        model: Model::Bpe(Box::new(bpe)),
        specials,
        roles,
        add_bos: preset.add_bos,
        add_eos: false,
        spaces: Spaces { escape: preset.escape_spaces, prefix: Prefix::Never },
        name: format!("gpt2/{pre}"),
    })
}

fn read_vocab(file: &Gguf<'_>) -> Result<Vocab, TokenizerError> {
    let tokens = array(file, TOKENS)?.ok_or(TokenizerError::Missing { key: TOKENS })?;
    let texts = tokens.strings().ok_or(TokenizerError::KeyType { key: TOKENS, needed: "an array of strings" })?;
    if tokens.is_empty() {
        return Err(TokenizerError::Empty);
    }
    let mut vocab = Vocab::with_capacity(tokens.len(), tokens.len() * 8);
    let Some(types) = array(file, TYPES)? else {
        for text in texts {
            vocab.push(text, Kind::Normal)?;
        }
        return Ok(vocab);
    };
    if types.len() != tokens.len() {
        return Err(TokenizerError::Length { key: TYPES, len: types.len(), tokens: tokens.len() });
    }
    let kinds = types.integers().ok_or(TokenizerError::KeyType { key: TYPES, needed: "an array of integers" })?;
    for (text, kind) in texts.zip(kinds) {
        vocab.push(text, Kind::from_gguf(kind))?;
    }
    Ok(vocab)
}

fn read_roles(file: &Gguf<'_>, vocab: &Vocab, usual: Roles) -> Result<Roles, TokenizerError> {
    let tokens = vocab.len();
    let read = |key: &'static str, usual: Option<u32>| match file.get(key) {
        None => Ok(usual),
        Some(value) => match value.as_u64() {
            // A negative id is one more way to say absent.
            None if value.value_type().is_integer() => Ok(None),
            None => Err(TokenizerError::KeyType { key, needed: "a token id" }),
            Some(ABSENT) => Ok(None),
            Some(id) if id < tokens as u64 => Ok(Some(id as u32)),
            Some(id) => Err(TokenizerError::Role { key: key.to_owned(), id, tokens }),
        },
    };
    // Ids outside the vocabulary are common for roles that generation does without.
    let lenient =
        |key| read(key, None).or_else(|e| if matches!(e, TokenizerError::Role { .. }) { Ok(None) } else { Err(e) });
    let mut roles = Roles {
        bos: read("tokenizer.ggml.bos_token_id", usual.bos)?,
        eos: read("tokenizer.ggml.eos_token_id", usual.eos)?,
        unk: read("tokenizer.ggml.unknown_token_id", usual.unk)?,
        pad: lenient("tokenizer.ggml.padding_token_id")?,
        sep: lenient("tokenizer.ggml.seperator_token_id")?,
        ends: Vec::new(),
    };
    let turn = lenient("tokenizer.ggml.eot_token_id")?;
    let message = lenient("tokenizer.ggml.eom_token_id")?;
    roles.ends = vocab.ends([roles.eos, turn, message].into_iter().flatten());
    Ok(roles)
}

/// Tokens that end a generation are control tokens, whatever type the file gives them.
fn find_specials(file: &Gguf<'_>, vocab: &mut Vocab, roles: &Roles) -> Result<Specials, TokenizerError> {
    for &id in &roles.ends {
        if vocab.kind(id) == Some(Kind::Normal) {
            vocab.set_kind(id, Kind::Control);
        }
    }
    let name = text(file, "general.name")?.unwrap_or_default().to_lowercase();
    let strips = name.contains("phi-3") || name.contains("phi3");
    let mut specials = Specials::new();
    for (id, kind) in vocab.kinds() {
        let always = match kind {
            Kind::UserDefined => true,
            Kind::Control | Kind::Unknown => false,
            _ => continue,
        };
        let text = vocab.text(id).unwrap_or_default();
        // Phi-3's tokenizer swallows white space after its markers, which its GGUF files do not say.
        let strip_right = strips && !matches!(text, "<unk>" | "<s>" | "<|endoftext|>");
        specials.add(text.as_bytes(), SpecialToken { id, always, strip_left: false, strip_right });
    }
    Ok(specials)
}

fn array<'a>(file: &Gguf<'a>, key: &'static str) -> Result<Option<Array<'a>>, TokenizerError> {
    let needed = TokenizerError::KeyType { key, needed: "an array" };
    file.get(key).map(|value| value.as_array().ok_or(needed)).transpose()
}

fn text<'a>(file: &Gguf<'a>, key: &'static str) -> Result<Option<&'a str>, TokenizerError> {
    let needed = TokenizerError::KeyType { key, needed: "a string" };
    file.get(key).map(|value| value.as_str().ok_or(needed)).transpose()
}

fn flag(file: &Gguf<'_>, key: &'static str) -> Result<Option<bool>, TokenizerError> {
    let needed = TokenizerError::KeyType { key, needed: "a boolean" };
    file.get(key).map(|value| value.as_bool().ok_or(needed)).transpose()
}
