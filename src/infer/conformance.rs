//! Known answers from elsewhere, compared with ours. Pure: the caller reads the files and shows the outcomes.
//! A case that cannot be judged says why and is never counted as passed.

use std::fmt::Debug;

use jiff::Zoned;
use serde_json::{Value as Json, json};

use super::gguf::Gguf;
use super::json;
use super::template::{ChatTemplate, Conversation};
use super::tokenizer::{DecodeOpts, EncodeOpts, Tokenizer, TokenizerError};

/// What separates the texts of llama.cpp's `.inp` files.
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Fail(String),
    /// Not judged, and why.
    Skip(String),
}

impl Case {
    fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        Self { name: name.into(), outcome }
    }
}

fn compare<T: PartialEq + Debug>(got: &T, expected: &T) -> Outcome {
    if got == expected { Outcome::Pass } else { Outcome::Fail(format!("expected {expected:?}, got {got:?}")) }
}

fn failed(name: &str, fault: impl std::fmt::Display) -> Vec<Case> {
    vec![Case::new(name, Outcome::Fail(fault.to_string()))]
}

/// A vocabulary with llama.cpp's `.inp` and `.out`: ids of each text, no special token added or parsed.
pub fn vocabulary(name: &str, gguf: &[u8], inp: &[u8], out: &[u8]) -> Vec<Case> {
    let tokenizer = match open(gguf) {
        Ok(tokenizer) => tokenizer,
        Err(fault) => return failed(name, fault),
    };
    let (Ok(inp), Ok(out)) = (std::str::from_utf8(inp), std::str::from_utf8(out)) else {
        return failed(name, "the texts or the ids are not UTF-8");
    };
    // The separator ends the last text too.
    let texts: Vec<&str> = inp.strip_suffix(SEPARATOR).unwrap_or(inp).split(SEPARATOR).collect();
    let answers: Vec<&str> = out.lines().collect();
    if texts.len() != answers.len() {
        return failed(name, format!("{} texts, but {} lines of ids", texts.len(), answers.len()));
    }
    texts
        .iter()
        .zip(answers)
        .enumerate()
        .map(|(number, (text, answer))| {
            let expected: Result<Vec<u32>, _> = answer.split_whitespace().map(str::parse).collect();
            let outcome = match expected {
                Err(fault) => Outcome::Fail(format!("{answer:?} are no ids: {fault}")),
                Ok(expected) => match encode_there_and_back(&tokenizer, text) {
                    Err(fault) => Outcome::Fail(fault),
                    Ok(ids) => compare(&ids, &expected),
                },
            };
            Case::new(format!("{name} {number}"), outcome)
        })
        .collect()
}

fn encode_there_and_back(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, String> {
    let ids = tokenizer.encode(text, EncodeOpts::default()).map_err(|fault| fault.to_string())?;
    let back =
        tokenizer.decode(&ids, DecodeOpts { special: true, strip_prefix: true }).map_err(|fault| fault.to_string())?;
    if back == text.as_bytes() {
        Ok(ids)
    } else {
        Err(format!("{text:?} came back as {:?}", String::from_utf8_lossy(&back)))
    }
}

/// A file `[{"text", "ids"}, …]` with BOS added where the model wants it; `tokenizer` is opened by the caller, so that
/// GGUF files and `tokenizer.json` are compared alike.
pub fn texts(name: &str, tokenizer: &Tokenizer, cases: &[u8]) -> Vec<Case> {
    let cases = match json::parse(cases) {
        Ok(Json::Array(cases)) => cases,
        Ok(_) => return failed(name, "the cases are no array"),
        Err(fault) => return failed(name, format!("byte {}: {}", fault.offset, fault.reason)),
    };
    let judge = |case: &Json| {
        let Some((text, ids)) = case.get("text").and_then(Json::as_str).zip(ids(case.get("ids"))) else {
            return Outcome::Fail("the case has no text and ids".to_owned());
        };
        judge_ids(tokenizer, text, true, &ids)
    };
    cases.iter().enumerate().map(|(number, case)| Case::new(format!("{name} {number}"), judge(case))).collect()
}

/// A reference run: its `prompt` must give its `prompt_ids`.
pub fn prompt(name: &str, tokenizer: &Tokenizer, reference: &[u8]) -> Case {
    let outcome = match json::parse(reference) {
        Err(fault) => Outcome::Fail(format!("byte {}: {}", fault.offset, fault.reason)),
        Ok(reference) => match reference.get("prompt").and_then(Json::as_str).zip(ids(reference.get("prompt_ids"))) {
            None => Outcome::Skip("the reference has no prompt with ids".to_owned()),
            Some((text, ids)) => {
                let add = reference.get("add_special").and_then(Json::as_bool).unwrap_or(true);
                judge_ids(tokenizer, text, add, &ids)
            }
        },
    };
    Case::new(name, outcome)
}

fn judge_ids(tokenizer: &Tokenizer, text: &str, add_special: bool, expected: &Vec<u32>) -> Outcome {
    match tokenizer.encode(text, EncodeOpts { add_special, parse_special: false }) {
        Ok(got) => compare(&got, expected),
        Err(fault) => Outcome::Fail(fault.to_string()),
    }
}

fn ids(value: Option<&Json>) -> Option<Vec<u32>> {
    value?.as_array()?.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect()
}

/// llama.cpp's templates: one conversation, each template's expected text.
pub fn templates(file: &[u8], now: &Zoned) -> Vec<Case> {
    let name = "chat-templates";
    let document = match json::parse(file) {
        Ok(document) => document,
        Err(fault) => return failed(name, format!("byte {}: {}", fault.offset, fault.reason)),
    };
    let conversation = document.get("conversation").and_then(Json::as_array);
    let Some((conversation, cases)) = conversation.zip(document.get("cases").and_then(Json::as_array)) else {
        return failed(name, "there is no conversation with cases");
    };
    let generation = document.get("add_generation_prompt").and_then(Json::as_bool).unwrap_or(false);
    cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let text = |key: &str| case.get(key).and_then(Json::as_str);
            let title = format!("{name} {number}: {}", text("name").unwrap_or_default());
            if case.get("supported_with_jinja").and_then(Json::as_bool) == Some(false) {
                return Case::new(title, Outcome::Skip("llama.cpp does not render it with Jinja".to_owned()));
            }
            let expected = text("expected_output_jinja").or(text("expected_output"));
            let Some((source, expected)) = text("template").zip(expected) else {
                return Case::new(title, Outcome::Fail("the case has no template with expected text".to_owned()));
            };
            let mut messages = conversation.clone();
            for pair in case.get("extra").and_then(Json::as_array).into_iter().flatten() {
                messages.push(json!({"role": pair[0], "content": pair[1]}));
            }
            let rendered = ChatTemplate::parse(source).and_then(|template| {
                template.render(&Conversation {
                    messages: &Json::Array(messages),
                    tools: None,
                    add_generation_prompt: generation,
                    bos_token: text("bos_token").unwrap_or_default(),
                    eos_token: text("eos_token").unwrap_or_default(),
                    now,
                    extra: &[],
                })
            });
            let outcome = match rendered {
                Ok(rendered) => compare(&rendered.as_str(), &expected),
                Err(fault) => Outcome::Fail(fault.to_string()),
            };
            Case::new(title, outcome)
        })
        .collect()
}

/// A real file opens, and no shorter file with the same header passes for it: cut at each of `cuts` even places of
/// the header and once inside the data.
pub fn header(name: &str, file: &[u8], cuts: usize) -> Vec<Case> {
    let gguf = match Gguf::parse(file) {
        Ok(gguf) => gguf,
        Err(fault) => return failed(name, fault),
    };
    let ends = gguf.tensors().iter().map(|tensor| tensor.offset as usize + tensor.data.len());
    let end = ends.max().unwrap_or((gguf.data_start() as usize).min(file.len()));
    let mut cases = vec![Case::new(format!("{name} opens"), Outcome::Pass)];
    let header = (gguf.data_start() as usize).min(end).saturating_sub(gguf.alignment() as usize);
    let places = (0..cuts).map(|n| header * n / cuts.max(1));
    let inside = (!gguf.tensors().is_empty()).then(|| end - 1);
    for cut in places.chain(inside) {
        let outcome = match Gguf::parse(&file[..cut]) {
            Ok(_) => Outcome::Fail("the cut file was accepted".to_owned()),
            Err(_) => Outcome::Pass,
        };
        cases.push(Case::new(format!("{name} cut at {cut}"), outcome));
    }
    cases
}

fn open(gguf: &[u8]) -> Result<Tokenizer, String> {
    let file = Gguf::parse(gguf).map_err(|fault| fault.to_string())?;
    Tokenizer::from_gguf(&file).map_err(|fault: TokenizerError| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::gguf::write::{Put, Writer};

    fn file() -> Vec<u8> {
        Writer::new()
            .key("tokenizer.ggml.model", Put::Str("llama"))
            .key("tokenizer.ggml.tokens", Put::Strings(&["<unk>", "<s>", "</s>", "▁", "a"]))
            .key("tokenizer.ggml.token_type", Put::Integers(&[2, 3, 3, 1, 1]))
            .key("tokenizer.ggml.scores", Put::Floats(&[0.0, 0.0, 0.0, -1.0, -1.0]))
            .header()
    }

    fn outcomes(cases: &[Case]) -> Vec<bool> {
        cases.iter().map(|case| case.outcome == Outcome::Pass).collect()
    }

    #[test]
    fn right_ids_pass_and_wrong_ones_fail() {
        let inp = "a\n__ggml_vocab_test__\naa\n__ggml_vocab_test__\na";
        assert_eq!(outcomes(&vocabulary("v", &file(), inp.as_bytes(), b" 3 4\n 3 4 4\n 3\n")), [true, true, false]);
        assert_eq!(outcomes(&vocabulary("v", &file(), inp.as_bytes(), b" 3 4\n")), [false]);
        assert_eq!(outcomes(&vocabulary("v", b"GGUF", inp.as_bytes(), b"")), [false]);
        // A text that does not come back fails, whatever its ids.
        assert_eq!(outcomes(&vocabulary("v", &file(), b"z", b"3 0")), [false]);
    }

    #[test]
    fn texts_prompts_and_headers() {
        let tokenizer = open(&file()).expect("valid");
        let cases = br#"[{"text": "a", "ids": [1, 3, 4]}, {"text": "a", "ids": [3, 4]}, {"text": "a"}]"#;
        assert_eq!(outcomes(&texts("t", &tokenizer, cases)), [true, false, false]);
        assert_eq!(
            prompt("p", &tokenizer, br#"{"prompt": "a", "add_special": false, "prompt_ids": [3, 4]}"#).outcome,
            Outcome::Pass
        );
        assert!(matches!(prompt("p", &tokenizer, b"{}").outcome, Outcome::Skip(_)));
        assert!(outcomes(&header("h", &file(), 50)).iter().all(|&passed| passed));
        assert_eq!(outcomes(&header("h", b"GGUF", 5)), [false]);
    }

    #[test]
    fn templates_are_judged_by_their_text() {
        let now: Zoned = "2026-03-04T05:06:07+00:00[UTC]".parse().expect("a time");
        let file = br#"{"conversation": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true, "cases": [
            {"name": "a", "template": "{{ messages[0].content }}{{ bos_token }}", "bos_token": "!", "expected_output_jinja": "Hi!"},
            {"name": "b", "template": "{{ messages[1].content }}", "extra": [["user", "x"]], "expected_output_jinja": "y"},
            {"name": "c", "supported_with_jinja": false}]}"#;
        let cases = templates(file, &now);
        assert_eq!(outcomes(&cases), [true, false, false]);
        assert!(matches!(cases[2].outcome, Outcome::Skip(_)));
    }
}
