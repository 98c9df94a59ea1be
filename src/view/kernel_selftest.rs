//! The verifier's trial of itself: a line for each kernel.

use serde_json::{Value, json};

use super::View;
use crate::kernel::selftest::{Score, Tried, told};
use crate::receipts::hex;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct SelfTested {
    pub(crate) tried: Vec<Tried>,
    pub(crate) score: Score,
    pub(crate) runs: u64,
    pub(crate) seed: [u8; 8],
}

impl View for SelfTested {
    fn page(&self) -> Page {
        let mut grid = Grid::new([
            ("kernel", Align::Left),
            ("what it does", Align::Left),
            ("outcome", Align::Left),
            ("by", Align::Left),
        ]);
        for one in told(&self.tried, self.runs) {
            let outcome = match one.as_expected() {
                true => one.outcome.word().to_owned(),
                false => format!("{}: MISSED", one.outcome.word()),
            };
            let by = one.refused.as_ref().map_or("", |(check, _)| *check);
            grid.row([one.specimen.entry.name, one.specimen.does, &outcome, by]);
        }
        let mut page = Page::new();
        page.grid(grid);
        page.blank();
        let Score { wrong, refused, honest, accepted } = self.score;
        let runs = if self.runs > 1 { format!(" in {} runs", self.runs) } else { String::new() };
        let tone = if self.score.passed() { Tone::Good } else { Tone::Bad };
        let said =
            format!("{refused} of {wrong} wrong kernels refused, {accepted} of {honest} honest ones accepted{runs}");
        page.line(Line::new().toned(tone, said).text(format!("; seed {}", hex::encode(&self.seed))).hanging(4));
        page
    }

    fn json(&self) -> Value {
        let one = |tried: &Tried| {
            json!({
                "kernel": tried.specimen.entry.name,
                "op": tried.specimen.op.word(),
                "honest": tried.specimen.honest,
                "does": tried.specimen.does,
                "outcome": tried.outcome.word(),
                "as_expected": tried.as_expected(),
                "check": tried.refused.as_ref().map(|(check, _)| *check),
                "why": tried.refused.as_ref().map(|(_, why)| why.clone()),
                "case": tried.case.as_ref().map(ToString::to_string),
                "cases": tried.cases,
                "seconds": tried.seconds,
            })
        };
        let Score { wrong, refused, honest, accepted } = self.score;
        json!({
            "runs": self.runs,
            "seed": hex::encode(&self.seed),
            "score": { "wrong": wrong, "refused": refused, "honest": honest, "accepted": accepted },
            "kernels": told(&self.tried, self.runs).map(one).collect::<Vec<_>>(),
        })
    }
}
