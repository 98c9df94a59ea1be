//! Reads Hugging Face's `tokenizer.json`: byte-pair models, byte-level or with byte fallback, as the supported
//! families use them. Any part that is not understood is refused by name.
//! NFC normalisation is not done: text is taken as it is, as llama.cpp takes it.

use serde_json::{Map, Value as Json};

use super::bpe::Bpe;
use super::pre::{Cut, PreTokenizer};
use super::special::{SpecialToken, Specials};
use super::table::Table;
use super::vocab::{Kind, Roles, Vocab, byte_of};
use super::{Model, Prefix, Spaces, Tokenizer, TokenizerError};
use crate::infer::json;

/// A hole in the ids gets a placeholder; more of them than this and the file is refused.
const MOST_HOLES: usize = 1 << 16;

impl Tokenizer {
    /// `config` is `tokenizer_config.json`, which names the BOS and EOS tokens.
    pub fn from_json(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self, TokenizerError> {
        let document = parse(tokenizer)?;
        let config = config.map(parse).transpose()?.unwrap_or(Json::Null);
        let model = field(&document, "model")?;
        if let Some(kind) = model.get("type").and_then(Json::as_str).filter(|&kind| kind != "BPE") {
            return Err(unsupported("the model", kind));
        }
        let added = read_added(&document)?;
        let (vocab, unk) = read_vocab(model, &added)?;
        let mut spaces = Spaces::default();
        let normalizer = document.get("normalizer").unwrap_or(&Json::Null);
        for part in sequence(normalizer, "normalizers") {
            read_normalizer(part, &mut spaces)?;
        }
        let mut cuts = Vec::new();
        let mut byte_level = false;
        let pre = document.get("pre_tokenizer").unwrap_or(&Json::Null);
        for part in sequence(pre, "pretokenizers") {
            read_cut(part, &mut cuts, &mut byte_level, &mut spaces)?;
        }
        let bpe = Bpe {
            pre: PreTokenizer::new(cuts),
            merges: read_merges(model)?,
            byte_level,
            ignore_merges: model.get("ignore_merges").and_then(Json::as_bool).unwrap_or(false),
            whole_newlines: false,
        };
        let named = |key: &str| {
            let token = config.get(key)?;
            vocab.find(token.as_str().or_else(|| token.get("content")?.as_str())?)
        };
        let mut roles = Roles { bos: named("bos_token"), eos: named("eos_token"), unk, ..Roles::default() };
        roles.pad = named("pad_token");
        let (begin, end) = read_template(document.get("post_processor").unwrap_or(&Json::Null), &vocab)?;
        roles.bos = begin.or(roles.bos);
        roles.eos = end.or(roles.eos);
        roles.ends = vocab.ends(roles.eos);
        let mut specials = Specials::new();
        for (text, token) in &added {
            specials.add(text.as_bytes(), *token);
        }
        Ok(Self {
            vocab,
            model: Model::Bpe(Box::new(bpe)),
            specials,
            roles,
            add_bos: begin.is_some(),
            add_eos: end.is_some(),
            spaces,
            name: "tokenizer.json".to_owned(),
        })
    }
}

fn parse(bytes: &[u8]) -> Result<Json, TokenizerError> {
    json::parse(bytes).map_err(|e| TokenizerError::Json { offset: e.offset, reason: e.reason })
}

fn unsupported(part: &str, found: &str) -> TokenizerError {
    TokenizerError::JsonPart { part: part.to_owned(), found: found.to_owned() }
}

fn field<'j>(of: &'j Json, key: &'static str) -> Result<&'j Json, TokenizerError> {
    of.get(key).ok_or(TokenizerError::Missing { key })
}

/// The steps of a part that may be one step, a sequence or nothing.
fn sequence<'j>(part: &'j Json, key: &str) -> Vec<&'j Json> {
    match part.get(key).and_then(Json::as_array) {
        Some(steps) if kind(part) == "Sequence" => steps.iter().collect(),
        _ if part.is_null() => Vec::new(),
        _ => vec![part],
    }
}

fn kind(part: &Json) -> &str {
    part.get("type").and_then(Json::as_str).unwrap_or("without a type")
}

fn is(part: &Json, key: &str) -> bool {
    part.get(key).and_then(Json::as_bool).unwrap_or(false)
}

fn read_added(document: &Json) -> Result<Vec<(String, SpecialToken)>, TokenizerError> {
    const KEY: &str = "added_tokens";
    let Some(added) = document.get(KEY).filter(|added| !added.is_null()) else { return Ok(Vec::new()) };
    let wrong = TokenizerError::KeyType { key: KEY, needed: "an array of tokens with id and content" };
    let added = added.as_array().ok_or_else(|| wrong.clone())?;
    added
        .iter()
        .map(|token| {
            let id = token.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
            let (id, text) = id.zip(token.get("content").and_then(Json::as_str)).ok_or_else(|| wrong.clone())?;
            if is(token, "single_word") {
                return Err(unsupported("an added token of single words,", text));
            }
            let always = !is(token, "special");
            let (strip_left, strip_right) = (is(token, "lstrip"), is(token, "rstrip"));
            Ok((text.to_owned(), SpecialToken { id, always, strip_left, strip_right }))
        })
        .collect()
}

fn read_vocab(model: &Json, added: &[(String, SpecialToken)]) -> Result<(Vocab, Option<u32>), TokenizerError> {
    const KEY: &str = "model.vocab";
    let wrong = TokenizerError::KeyType { key: KEY, needed: "an object of ids" };
    let entries: &Map<String, Json> = model.get("vocab").and_then(Json::as_object).ok_or_else(|| wrong.clone())?;
    let fallback = is(model, "byte_fallback");
    let unk = model.get("unk_token").and_then(Json::as_str);
    let mut tokens: Vec<(u32, &str, Kind)> = Vec::with_capacity(entries.len() + added.len());
    for (text, id) in entries {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| wrong.clone())?;
        let kind = if fallback && byte_of(text).is_some() { Kind::Byte } else { Kind::Normal };
        tokens.push((id, text, kind));
    }
    for (text, token) in added {
        let kind = if token.always { Kind::UserDefined } else { Kind::Control };
        tokens.push((token.id, text, kind));
    }
    // The sort is stable, so an added token comes right after the entry that it describes again.
    tokens.sort_by_key(|&(id, ..)| id);
    let mut vocab = Vocab::with_capacity(tokens.len(), tokens.len() * 8);
    let mut holes = 0;
    for (id, text, kind) in tokens {
        if (id as usize) < vocab.len() {
            if vocab.text(id) != Some(text) {
                let found = format!("{text} at {id}, which is {}", vocab.text(id).unwrap_or_default());
                return Err(unsupported("the token", &found));
            }
            vocab.set_kind(id, kind);
            continue;
        }
        while vocab.len() < id as usize {
            holes += 1;
            if holes > MOST_HOLES {
                return Err(unsupported("an id far beyond the others,", &id.to_string()));
            }
            vocab.push("", Kind::Unused)?;
        }
        vocab.push(text, kind)?;
    }
    if vocab.len() == 0 {
        return Err(TokenizerError::Empty);
    }
    let unk = unk.and_then(|text| vocab.find(text));
    Ok((vocab, unk))
}

fn read_merges(model: &Json) -> Result<Table, TokenizerError> {
    const KEY: &str = "model.merges";
    let wrong = TokenizerError::KeyType { key: KEY, needed: "an array of pairs" };
    let merges = model.get("merges").and_then(Json::as_array).ok_or_else(|| wrong.clone())?;
    let mut ranks = Table::with_capacity(merges.len(), merges.len() * 8);
    for merge in merges {
        let joined;
        let line = match merge {
            Json::String(line) => line,
            Json::Array(pair) => match pair.as_slice() {
                [Json::String(left), Json::String(right)] => {
                    joined = format!("{left} {right}");
                    &joined
                }
                _ => return Err(wrong),
            },
            _ => return Err(wrong),
        };
        ranks.insert(line.as_bytes()).ok_or(TokenizerError::TooLarge)?.ok();
    }
    Ok(ranks)
}

fn read_normalizer(part: &Json, spaces: &mut Spaces) -> Result<(), TokenizerError> {
    let text = |key: &str| part.get(key).and_then(Json::as_str);
    match kind(part) {
        "NFC" => Ok(()),
        "Prepend" if text("prepend") == Some("▁") => {
            spaces.prefix = Prefix::Always;
            Ok(())
        }
        "Replace"
            if part.pointer("/pattern/String").and_then(Json::as_str) == Some(" ") && text("content") == Some("▁") =>
        {
            spaces.escape = true;
            Ok(())
        }
        other => Err(unsupported("the normalizer", other)),
    }
}

fn read_cut(
    part: &Json,
    cuts: &mut Vec<Cut>,
    byte_level: &mut bool,
    spaces: &mut Spaces,
) -> Result<(), TokenizerError> {
    let text = |key: &str| part.get(key).and_then(Json::as_str);
    match kind(part) {
        "ByteLevel" => {
            *byte_level = true;
            if part.get("use_regex").and_then(Json::as_bool).unwrap_or(true) {
                cuts.push(Cut::Gpt2);
            }
            if is(part, "add_prefix_space") {
                spaces.prefix = Prefix::Missing;
            }
            Ok(())
        }
        "Digits" => {
            let pattern = if is(part, "individual_digits") { r"\p{N}" } else { r"\p{N}+" };
            cuts.push(Cut::pattern(pattern)?);
            Ok(())
        }
        "Metaspace" if text("replacement") == Some("▁") && part.get("split").and_then(Json::as_bool) == Some(false) =>
        {
            spaces.escape = true;
            spaces.prefix = match text("prepend_scheme").unwrap_or("always") {
                "always" => Prefix::Missing,
                "first" => Prefix::MissingFirst,
                "never" => Prefix::Never,
                other => return Err(unsupported("the prepend scheme", other)),
            };
            Ok(())
        }
        "Split" => {
            let behavior = text("behavior").unwrap_or_default();
            if let Some(literal) = part.pointer("/pattern/String").and_then(Json::as_str) {
                // Once spaces are escaped, there is none left to cut at.
                let idle = literal == " " && spaces.escape;
                return if idle { Ok(()) } else { Err(unsupported("a split at", literal)) };
            }
            let pattern = part.pointer("/pattern/Regex").and_then(Json::as_str);
            let pattern = pattern.ok_or(TokenizerError::KeyType { key: "pre_tokenizer", needed: "a pattern" })?;
            if behavior != "Isolated" || is(part, "invert") {
                return Err(unsupported("the split behavior", behavior));
            }
            cuts.push(Cut::pattern(pattern)?);
            Ok(())
        }
        other => Err(unsupported("the pre-tokenizer", other)),
    }
}

/// The tokens that the post-processor puts before and after a text.
fn read_template(part: &Json, vocab: &Vocab) -> Result<(Option<u32>, Option<u32>), TokenizerError> {
    let (mut begin, mut end) = (None, None);
    for step in sequence(part, "processors") {
        match kind(step) {
            "ByteLevel" => {}
            "TemplateProcessing" => {
                let single = step.get("single").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let mut seen_text = false;
                for item in single {
                    let Some(name) = item.pointer("/SpecialToken/id").and_then(Json::as_str) else {
                        seen_text = true;
                        continue;
                    };
                    let slot = if seen_text { &mut end } else { &mut begin };
                    let id = vocab.find(name).ok_or_else(|| unsupported("the token of the template,", name))?;
                    if slot.replace(id).is_some() {
                        return Err(unsupported("a template with several tokens on one side,", name));
                    }
                }
            }
            other => return Err(unsupported("the post-processor", other)),
        }
    }
    Ok((begin, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::infer::tokenizer::{DecodeOpts, EncodeOpts};

    const FALLBACK: &str = r#"{"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true,"rstrip":true}],
        "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
        "pre_tokenizer":null,
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}]},
        "model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>","vocab":{"<unk>":0,"<s>":1,"<0x0A>":2,"▁":3,"a":4,"b":5,"ab":6,"▁ab":7},"merges":["a b",["▁","ab"]]}}"#;

    const SPECIAL: EncodeOpts = EncodeOpts { add_special: true, parse_special: true };

    #[test]
    fn byte_fallback_models() {
        let tokenizer =
            Tokenizer::from_json(FALLBACK.as_bytes(), Some(br#"{"bos_token":{"content":"<s>"}}"#)).expect("valid");
        let encode = |text| tokenizer.encode(text, SPECIAL).expect("encodes");
        assert_eq!(encode("ab ab"), [1, 7, 7]);
        assert_eq!(encode("ab\nz"), [1, 7, 2, 0]);
        assert_eq!(encode("<s>  ab"), [1, 1, 7]);
        assert_eq!(
            tokenizer.decode(&[7, 2, 7], DecodeOpts { strip_prefix: true, special: false }).expect("ids"),
            b"ab\n ab"
        );
    }

    #[test]
    fn byte_level_models() {
        let text = r#"{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}|[^\\p{N}]+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},
            "model":{"vocab":{"a":0,"Ġ":1,"Ġa":2,"1":3,"11":4},"merges":["Ġ a","1 1"]}}"#;
        let tokenizer = Tokenizer::from_json(text.as_bytes(), None).expect("valid");
        assert_eq!(tokenizer.encode("a a11", SPECIAL).expect("encodes"), [0, 2, 3, 3]);
        assert_eq!(tokenizer.encode("z", SPECIAL), Err(TokenizerError::NoToken { byte: b'z' }));
    }

    #[test]
    fn parts_that_are_not_understood_are_named() {
        let with = |old: &str, new: &str| {
            Tokenizer::from_json(FALLBACK.replace(old, new).as_bytes(), None).expect_err("refused").to_string()
        };
        assert!(with(r#""type":"BPE""#, r#""type":"Unigram""#).contains("Unigram"));
        assert!(with(r#""type":"Prepend""#, r#""type":"Lowercase""#).contains("Lowercase"));
        assert!(with("TemplateProcessing", "RobertaProcessing").contains("RobertaProcessing"));
        assert!(with(r#""pre_tokenizer":null"#, r#""pre_tokenizer":{"type":"Whitespace"}"#).contains("Whitespace"));
        assert!(with(r#""▁ab":7"#, r#""▁ab":4000000000"#).contains("4000000000"));
        assert!(with(r#""▁ab":7"#, r#""▁ab":6"#).contains("6"));
        assert!(with("merges", "mergers").contains("merges"));
    }

    proptest! {
        #[test]
        fn changed_files_never_panic(at in 0usize..FALLBACK.len(), byte in 0u8..128) {
            let mut bytes = FALLBACK.as_bytes().to_vec();
            bytes[at] = byte;
            if let Ok(tokenizer) = Tokenizer::from_json(&bytes, None) {
                let _ = tokenizer.encode("ab <s> \n", SPECIAL);
            }
        }
    }
}
