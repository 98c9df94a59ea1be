//! One line of a batch: a JSON object with a prompt or a conversation, and what differs from the other lines.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::prompt::{Content, check_turns};
use crate::infer::sampler::Sampling;
use crate::receipts::Hash;

/// A line of the input that is not blank.
pub(super) struct Line<'t> {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    pub(super) text: &'t [u8],
}

impl Line<'_> {
    pub(super) fn digest(&self) -> Hash {
        Sha256::digest(self.text).into()
    }
}

pub(super) fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let numbered = text.split(|byte| *byte == b'\n').zip(1..);
    let lines = numbered.map(|(text, number)| Line { number, text: text.trim_ascii() });
    lines.filter(|line| !line.text.is_empty()).collect()
}

/// What a line asks. What it leaves out is as the options say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Handed back beside the answer.
    #[serde(default)]
    pub(super) id: Value,
    prompt: Option<String>,
    messages: Option<Value>,
    system: Option<String>,
    pub(super) max_tokens: Option<usize>,
    temperature: Option<f32>,
    seed: Option<u64>,
    pub(super) stop: Option<Vec<String>>,
}

/// Why a line can't be read, with the column from 1 where it shows.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) column: usize,
    pub(super) reason: String,
}

impl Wish {
    pub(super) fn read(text: &[u8]) -> Result<Wish, Unreadable> {
        let wish: Wish = serde_json::from_slice(text).map_err(|e| {
            let said = e.to_string();
            let reason = said.split(" at line ").next().unwrap_or(&said).to_owned();
            Unreadable { column: e.column().max(1), reason }
        })?;
        wish.check().map_err(|reason| Unreadable { column: 1, reason })?;
        Ok(wish)
    }

    fn check(&self) -> Result<(), String> {
        match (&self.prompt, &self.messages) {
            (Some(_), Some(_)) => return Err("`prompt` and `messages` can't both be answered".into()),
            (None, None) => return Err("there is no `prompt` and no `messages`".into()),
            (_, Some(turns)) => check_turns(turns)?,
            (Some(_), None) => {}
        }
        if self.messages.is_some() && self.system.is_some() {
            return Err("`system` goes with `prompt`: `messages` have a turn of their own for it".into());
        }
        Ok(())
    }

    pub(super) fn content(&self, raw: bool, system: Option<&str>) -> Result<Content, String> {
        match (&self.messages, &self.prompt) {
            (Some(_), _) | (_, None) if raw => Err("`messages` need a chat template, and --raw uses none".into()),
            (Some(turns), _) => Ok(Content::Messages(turns.clone())),
            (None, _) if raw && self.system.is_some() => {
                Err("`system` needs a chat template, and --raw uses none".into())
            }
            (None, prompt) if raw => Ok(Content::Raw(prompt.clone().unwrap_or_default())),
            (None, prompt) => {
                let system = self.system.as_deref().or(system);
                Ok(Content::turn(system, prompt.as_deref().unwrap_or_default()))
            }
        }
    }

    pub(super) fn sampling(&self, shared: &Sampling) -> Sampling {
        let mut sampling = shared.clone();
        sampling.temperature = self.temperature.unwrap_or(sampling.temperature);
        sampling.seed = self.seed.unwrap_or(sampling.seed);
        sampling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let Unreadable { column, reason } = Wish::read(text.as_bytes()).expect_err(text);
        (column, reason)
    }

    #[test]
    fn blank_lines_are_no_prompts_and_count() {
        let found: Vec<_> = lines(b"a\r\n\n  \n b").iter().map(|l| (l.number, l.text.to_vec())).collect();
        assert_eq!(found, [(1, b"a".to_vec()), (4, b"b".to_vec())]);
    }

    #[test]
    fn what_a_line_may_not_say_is_named() {
        assert!(Wish::read(br#"{"id": [1], "prompt": "x", "seed": 4, "stop": ["."]}"#).is_ok());
        assert_eq!(refused("{").0, 1);
        assert_eq!(refused(r#"{"prompt": "a", "promt": "b"}"#).0, 23);
        assert!(refused(r#"{"prompt": "a", "prompt": "b"}"#).1.contains("duplicate field `prompt`"));
        assert!(refused(r#"{"prompt": "a", "seed": -1}"#).1.contains("-1"));
        assert!(refused("{}").1.contains("no `prompt`"));
        assert!(refused(r#"{"prompt": "a", "messages": []}"#).1.contains("both"));
        assert!(refused(r#"{"messages": []}"#).1.contains("no message"));
        assert!(refused(r#"["x"]"#).1.contains("invalid"), "{:?}", refused(r#"["x"]"#));
        assert!(refused(r#"{"messages": [{"role": "user", "content": "x"}], "system": "s"}"#).1.contains("`system`"));
        assert_eq!(Wish::read(b"{\"prompt\": \"\xff\"}").expect_err("no UTF-8").column, 13);
    }
}
