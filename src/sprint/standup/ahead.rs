//! What stands in the way, and what comes next: the answers of `sprint next`, cut to what a day has room for.

use std::collections::BTreeMap;

use super::told::{MOST, Told, plural};
use super::{Entry, Group, Mark, Seen};
use crate::plan::gate::{Decision, Judged, Outcome};
use crate::sprint::next::{self, Next, Step};
use crate::sprint::work::{Piece, State};

impl Told<'_> {
    pub(super) fn blocked(&self) -> Vec<Group> {
        let mut entries = self.obstacles();
        match self.ahead() {
            Ok(ahead) => {
                for step in ahead.lists().into_iter().flatten().filter(|step| self.may_be_meant(step.piece)) {
                    let words = self.hindrances(step);
                    if !words.is_empty() {
                        entries.push(Entry { words, ..self.entry(step.piece) });
                    }
                }
            }
            Err(error) => entries.push(Entry::text(error)),
        }
        if self.is_everybodys() {
            entries.extend(self.asked.gates.iter().filter_map(|decision| self.gate(decision)));
            entries.extend(self.gates_elsewhere());
        }
        if entries.is_empty() {
            let nothing = "Nothing: no blocker, failed gate, unmet need or failing receipt is known.";
            entries.push(Entry::text(nothing));
        }
        vec![Group { entries, ..Group::default() }]
    }

    fn ahead(&self) -> Result<Next<'_>, String> {
        next::of(self.board, self.day(), None).map_err(|error| format!("The order of work can't be told: {error}"))
    }

    /// What the plan itself says is in the way.
    fn obstacles(&self) -> Vec<Entry> {
        let meant = |blocks: &[&str]| {
            self.is_everybodys()
                || blocks.iter().filter_map(|id| self.board.piece(id)).any(|piece| self.may_be_meant(piece))
        };
        let told = self.board.obstacles.iter().filter(|obstacle| meant(&obstacle.blocks));
        told.map(|obstacle| {
            let mut entry = Entry::text(obstacle.name);
            entry.words.extend(obstacle.text.map(str::to_owned));
            if !obstacle.blocks.is_empty() {
                entry.words.push(format!("blocks {}", obstacle.blocks.join(", ")));
            }
            entry
        })
        .collect()
    }

    /// Whether its turn has come, or comes with the next day.
    fn is_in_play(&self, piece: &Piece<'_>) -> bool {
        let soon = self.day().map(|day| day.saturating_add(1));
        piece.window.zip(soon).is_none_or(|(window, soon)| window.first <= soon)
    }

    /// Needs that are not there, and evidence that says no.
    fn hindrances(&self, step: &Step<'_>) -> Vec<String> {
        let mut words = Vec::new();
        if self.is_in_play(step.piece) {
            let unmet = step.waits.iter().filter(|wait| wait.state != State::Claimed);
            let by = |on: &str| self.by_day(step, on);
            words.extend(unmet.map(|wait| format!("needs {}{} ({})", wait.on, by(&wait.on), wait.state.word())));
            words.extend(self.unnamed_needs(step.piece));
        }
        if is_against(step.piece.proof.outcome) {
            words.push(why(&step.piece.proof));
        }
        words
    }

    fn by_day(&self, step: &Step<'_>, on: &str) -> String {
        let item = step.piece.id.and_then(|id| self.board.linted.item(id));
        let mut needs = item.into_iter().flat_map(|item| &item.needs);
        let need = needs.find(|need| need.item.as_ref().is_some_and(|item| item.value.0 == on));
        need.and_then(|need| need.by_day.as_ref()).map_or(String::new(), |day| format!(" by day {}", day.value))
    }

    /// Needs that are only words: nothing can show them, and a date says that they came.
    fn unnamed_needs(&self, piece: &Piece<'_>) -> Vec<String> {
        let item = piece.id.and_then(|id| self.board.linted.item(id));
        let needs = item.into_iter().flat_map(|item| &item.needs);
        let open = needs.filter(|need| need.item.is_none() && need.done.is_none());
        open.filter_map(|need| need.text.as_ref()).map(|text| format!("needs {}", text.value)).collect()
    }

    fn gate(&self, decision: &Decision) -> Option<Entry> {
        if !is_against(decision.outcome) {
            return None;
        }
        let mut entry = Entry::text(format!("Gate of {}: {}", decision.phase, decision.outcome.word()));
        for criterion in decision.criteria.iter().filter(|c| is_against(c.judged.outcome)) {
            entry.under.push(Entry {
                mark: Mark::Work(criterion.id.clone()),
                text: criterion.text.clone().unwrap_or_default(),
                words: vec![why(&criterion.judged)],
                receipts: criterion.judged.receipts.clone(),
                ..Entry::default()
            });
        }
        Some(entry)
    }

    /// Gates that were decided in the window, of this plan or another, and whose last decision is a no.
    fn gates_elsewhere(&self) -> Vec<Entry> {
        let mut last: BTreeMap<&str, (&Seen, bool)> = BTreeMap::new();
        for seen in self.asked.receipts.iter().filter(|seen| seen.trusted) {
            if let Some((gate, passed)) = &seen.gate {
                last.entry(gate).or_insert((seen, *passed));
            }
        }
        let told = |gate: &str| {
            let own = gate.strip_prefix(&format!("{}/", self.plan().id.value));
            self.asked.gates.iter().any(|d| is_against(d.outcome) && own == Some(d.phase.as_str()))
        };
        let failed = last.into_iter().filter(|(gate, (_, passed))| !passed && !told(gate));
        failed
            .map(|(gate, (seen, _))| Entry {
                text: format!("Gate {gate}: failed"),
                receipts: vec![seen.id.clone()],
                ..Entry::default()
            })
            .collect()
    }

    /// What could be begun now, and then what the next day brings; the rest is counted.
    pub(super) fn next(&self) -> Vec<Group> {
        let ahead = match self.ahead() {
            Ok(ahead) => ahead,
            Err(error) => return vec![Group { entries: vec![Entry::text(error)], ..Group::default() }],
        };
        let is_open = |step: &&Step<'_>| self.may_be_told(step.piece) && self.unnamed_needs(step.piece).is_empty();
        let later: Vec<&Step<'_>> = ahead.later.iter().filter(is_open).collect();
        let first = |step: &Step<'_>| step.piece.window.map_or(u32::MAX, |window| window.first);
        let soon = later.iter().map(|step| first(step)).min();
        let count = |step: &&&Step<'_>| Some(first(step)) == soon;
        let mut steps: Vec<&Step<'_>> = ahead.now.iter().filter(is_open).collect();
        steps.extend(later.iter().filter(count));
        let left_out = later.iter().filter(|step| !count(step)).count();
        let mut entries: Vec<Entry> = steps.iter().take(MOST).map(|step| self.step(step)).collect();
        let more = steps.len() - entries.len() + left_out;
        if entries.is_empty() {
            entries.push(Entry::text("Nothing: everything that could be begun is done or waits for something."));
        }
        vec![Group { entries, more, label: None }]
    }

    /// Boxes of days are nobody's in particular.
    fn may_be_told(&self, piece: &Piece<'_>) -> bool {
        self.may_be_meant(piece) && (self.is_everybodys() || piece.kind != crate::sprint::work::Kind::Task)
    }

    fn step(&self, step: &Step<'_>) -> Entry {
        let piece = step.piece;
        let mut entry = self.entry(piece);
        entry.words.extend(piece.priority.map(|priority| priority.word().to_owned()));
        if step.late {
            entry.words.push("late".into());
        }
        entry.words.extend(piece.window.map(|window| window.to_string()));
        entry.words.extend(step.float.map(|hours| format!("float {hours} h")));
        if piece.state != State::Todo {
            entry.words.push(piece.state.word().to_owned());
        }
        let resting = step.waits.iter().map(|wait| format!("rests on {}, which is claimed and not shown", wait.on));
        entry.words.extend(resting);
        entry
    }
}

fn is_against(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Untrusted)
}

/// What decided, and how.
fn why(judged: &Judged) -> String {
    let parts = judged.deciding();
    let mut words: Vec<String> = parts.iter().take(2).map(|part| format!("{}: {}", part.wanted, part.found)).collect();
    if parts.len() > 2 {
        words.push(plural(parts.len() - 2, "more"));
    }
    format!("{}: {}", judged.outcome.word(), words.join("; "))
}
