//! The last decision of a sprint.

use serde_json::{Value, json};

use super::super::View;
use super::super::roadmap::gate::{Gated, criterion_json};
use super::Head;
use crate::plan::gate::{Decision, Outcome};
use crate::ui::Page;

pub(crate) struct GoNoGo {
    pub(crate) head: Head,
    pub(crate) gated: Gated,
}

/// `GO`, `NO-GO`, or why there is no decision.
pub(crate) fn word(decision: &Decision) -> &'static str {
    match decision.outcome {
        Outcome::Met => "GO",
        Outcome::Failed => "NO-GO",
        Outcome::Pending(_) => "undecided",
        Outcome::Untrusted => "untrusted",
    }
}

pub(crate) fn headline(decision: &Decision) -> String {
    let (met, all) = (decision.count("met"), decision.criteria.len());
    format!("{}: {}, {met} of {all} conditions hold", decision.plan, word(decision))
}

impl View for GoNoGo {
    fn page(&self) -> Page {
        self.gated.page()
    }

    fn json(&self) -> Value {
        let decided = self.gated.decided.first();
        json!({
            "sprint": self.head.json(),
            "now": self.gated.now,
            "rev": self.gated.rev,
            "decision": decided.map(|d| word(&d.decision).to_lowercase()),
            "outcome": decided.map(|d| d.decision.outcome.word()),
            "receipt": decided.and_then(|d| d.receipt.as_ref()),
            "criteria": decided.iter().flat_map(|d| &d.decision.criteria).map(criterion_json).collect::<Vec<_>>(),
        })
    }
}
