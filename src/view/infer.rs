//! An answer of a model.

use std::time::Duration;

use serde_json::{Value, json};

use super::View;
use crate::infer::generate::{Finish, Generation, Guesses, TokenLogprobs};
use crate::receipts::{Hash, hex};
use crate::ui::Page;

pub(crate) struct Answer {
    pub(crate) generation: Generation,
    pub(crate) model: String,
    pub(crate) arch: &'static str,
    /// Of the model's file, where a receipt or a document tells it.
    pub(crate) digest: Option<Hash>,
    /// The text has been shown already.
    pub(crate) streamed: bool,
}

impl View for Answer {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if !self.streamed {
            page.verbatim(format!("{}\n", self.generation.text));
        }
        page
    }

    fn json(&self) -> Value {
        let Generation { text, thinking, token_ids, finish, usage, timings, logprobs, guesses, whole } =
            &self.generation;
        let per_second = |tokens: usize, time: Duration| {
            let seconds = time.as_secs_f64();
            (tokens > 0 && seconds > 0.0).then(|| rounded(tokens as f64 / seconds))
        };
        let mut value = json!({
            "text": text,
            "token_ids": token_ids,
            "finish": finish.name(),
            "stop": match finish { Finish::Stop(text) => Some(text), _ => None },
            "usage": {
                "prompt_tokens": usage.prompt,
                "reused_tokens": usage.reused,
                "generated_tokens": usage.generated,
            },
            "timings": {
                "prompt_ms": ms(timings.prompt),
                "first_token_ms": ms(timings.first_token),
                "decode_ms": ms(timings.decode),
                "prompt_tokens_per_second": per_second(usage.prompt - usage.reused, timings.prompt),
                "decode_tokens_per_second": per_second(usage.generated.saturating_sub(1), timings.decode),
            },
            "model": {
                "name": self.model,
                "arch": self.arch,
                "sha256": self.digest.map(|digest| hex::encode(&digest)),
            },
        });
        if !thinking.is_empty() {
            value["thinking"] = thinking.as_str().into();
        }
        if let Some(whole) = whole {
            value["whole"] = (*whole).into();
        }
        if let Some(Guesses { guessed, accepted, passes }) = guesses {
            value["lookup"] = json!({ "guessed": guessed, "accepted": accepted, "passes": passes });
        }
        if !logprobs.is_empty() {
            value["logprobs"] = logprobs.iter().map(logprob).collect();
        }
        value
    }
}

fn logprob(token: &TokenLogprobs) -> Value {
    let top: Vec<Value> = token.top.iter().map(|(id, logprob)| json!({ "id": id, "logprob": logprob })).collect();
    json!({ "id": token.id, "logprob": token.logprob, "top": top })
}

fn ms(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

fn rounded(x: f64) -> f64 {
    (x * 1e3).round() / 1e3
}
