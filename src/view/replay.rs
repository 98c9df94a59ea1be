//! How a replay came out.

use std::fmt;

use serde_json::{Value, json};

use super::View;
use crate::ui::Page;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Identical,
    Different,
    Indeterminate,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Identical => "identical",
            Verdict::Different => "different",
            Verdict::Indeterminate => "indeterminate",
        }
    }
}

/// The first token that is another; none where one of the answers ended.
pub(crate) struct Difference {
    pub(crate) at: usize,
    pub(crate) recorded: Option<u32>,
    pub(crate) replayed: Option<u32>,
}

impl Difference {
    pub(crate) fn between(recorded: &[u32], replayed: &[u32]) -> Option<Self> {
        let at = recorded.iter().zip(replayed).take_while(|(a, b)| a == b).count();
        let (recorded, replayed) = (recorded.get(at).copied(), replayed.get(at).copied());
        (recorded != replayed).then_some(Difference { at, recorded, replayed })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = |id: Option<u32>| id.map_or_else(|| "the end".to_owned(), |id| id.to_string());
        let (recorded, replayed) = (token(self.recorded), token(self.replayed));
        write!(f, "token {} of the answer is {replayed}, and was {recorded}", self.at + 1)
    }
}

pub(crate) struct Replayed {
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    /// Of the answer.
    pub(crate) tokens: usize,
    pub(crate) difference: Option<Difference>,
}

impl View for Replayed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(match self.verdict {
            Verdict::Identical => format!("identical: {} tokens, as receipt {} says", self.tokens, self.id),
            verdict => format!("{}: receipt {}", verdict.word(), self.id),
        });
        page
    }

    fn json(&self) -> Value {
        json!({
            "verdict": self.verdict.word(),
            "replayed": self.id,
            "tokens": self.tokens,
            "first_difference": self.difference.as_ref().map(|difference| json!({
                "token": difference.at,
                "recorded": difference.recorded,
                "replayed": difference.replayed,
            })),
        })
    }
}
