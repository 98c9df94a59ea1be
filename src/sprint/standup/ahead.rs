//! What stands in the way, and what comes next.

use std::collections::BTreeMap;

use super::told::{MOST, Piece, Told, plural, task_entry, tasks_of_days};
use super::{Entry, Group, Mark, Seen};
use crate::plan::decimal::Decimal;
use crate::plan::gate::{Decision, Judged, Outcome};
use crate::plan::schema::{Class, Task};

impl Told<'_> {
    pub(super) fn blocked(&self) -> Vec<Group> {
        let mut entries = Vec::new();
        if self.is_everybodys() {
            entries.extend(self.blockers());
            entries.extend(self.dependencies());
        }
        for piece in self.pieces.iter().filter(|piece| self.may_be_meant(piece)) {
            let words = self.hindrances(piece);
            if !words.is_empty() {
                entries.push(Entry { words, ..self.entry(piece) });
            }
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

    fn blockers(&self) -> Vec<Entry> {
        let is_open = |blocks: &[_]| blocks.is_empty() || !blocks.iter().all(|id: &&str| self.is_proven(id));
        let mut entries = Vec::new();
        for blocker in &self.plan().blockers {
            let blocks: Vec<&str> = blocker.blocks.iter().map(|id| id.value.0.as_str()).collect();
            if !is_open(&blocks) {
                continue;
            }
            let mut entry = Entry::text(blocker.name.value.clone());
            entry.words.extend(blocker.text.iter().map(|text| text.value.clone()));
            if !blocks.is_empty() {
                entry.words.push(format!("blocks {}", blocks.join(", ")));
            }
            entries.push(entry);
        }
        entries
    }

    fn dependencies(&self) -> Vec<Entry> {
        let open = self.plan().dependencies.iter().filter(|d| d.done.as_ref().is_some_and(|done| !done.value));
        open.map(|dependency| {
            let mut entry = Entry::text(dependency.text.value.clone());
            entry.words.push("a dependency that is not there".into());
            entry
        })
        .collect()
    }

    /// Whether its turn has come, or comes with the next day.
    fn is_in_play(&self, piece: &Piece<'_>) -> bool {
        let soon = self.day().map(|day| day.saturating_add(1));
        piece.window.zip(soon).is_none_or(|(window, soon)| window.first <= soon)
    }

    fn class(&self, piece: &Piece<'_>) -> Option<Class> {
        piece.status.map(|status| self.linted.class(status))
    }

    /// Everything that keeps work from going on.
    fn hindrances(&self, piece: &Piece<'_>) -> Vec<String> {
        let mut words = Vec::new();
        if self.is_proven(piece.id) {
            return words;
        }
        if self.class(piece) == Some(Class::Blocked) {
            words.push(format!("its status is {}", piece.status.unwrap_or_default()));
        }
        if self.is_in_play(piece) {
            words.extend(self.unmet_needs(piece));
        }
        if let Some(judged) = self.proof(piece.id).filter(|j| is_against(j.outcome)) {
            words.push(why(judged));
        }
        words
    }

    fn unmet_needs(&self, piece: &Piece<'_>) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(item) = piece.item {
            for need in &item.needs {
                let by = need.by_day.as_ref().map_or(String::new(), |day| format!(" by day {}", day.value));
                match (&need.item, &need.text) {
                    (Some(on), _) if !self.is_proven(&on.value.0) => words.push(format!("needs {}{by}", on.value)),
                    // Nothing can show what has no name; a date says that it came.
                    (None, Some(text)) if need.done.is_none() => words.push(format!("needs {}{by}", text.value)),
                    _ => {}
                }
            }
        } else if let Some(network) = &self.network
            && let Some(number) = network.number(piece.id)
        {
            let links = network.needs(number).iter().map(|link| link.named.value.0.as_str());
            words.extend(links.filter(|id| !self.is_proven(id)).map(|id| format!("needs {id}")));
        }
        words
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

    pub(super) fn next(&self) -> Vec<Group> {
        let schedule = self.network.as_ref().and_then(|network| network.schedule().ok());
        let float = |id: &str| -> Option<Decimal> {
            let number = self.network.as_ref()?.number(id)?;
            Some(schedule.as_ref()?.times[number].float)
        };
        let blockers: Vec<&str> =
            self.plan().blockers.iter().flat_map(|b| &b.blocks).map(|id| id.value.0.as_str()).collect();
        let is_open = |piece: &&Piece<'_>| {
            self.may_be_meant(piece)
                && !self.is_proven(piece.id)
                && !matches!(self.class(piece), Some(Class::Done | Class::Blocked))
                && !blockers.contains(&piece.id)
                && self.unmet_needs(piece).is_empty()
                && !self.proof(piece.id).is_some_and(|judged| is_against(judged.outcome))
        };
        let mut open: Vec<(&Piece<'_>, Option<Decimal>)> =
            self.pieces.iter().filter(is_open).map(|piece| (piece, float(piece.id))).collect();
        open.sort_by(|(a, float_a), (b, float_b)| {
            let order = |piece: &Piece<'_>, float: &Option<Decimal>| {
                let first = piece.window.map_or(u32::MAX, |window| window.first);
                (piece.priority.is_none(), piece.priority, float.is_none(), *float, first)
            };
            order(a, float_a).cmp(&order(b, float_b))
        });
        let entries = open.into_iter().map(|(piece, float)| {
            let mut entry = self.entry(piece);
            entry.words.extend(piece.priority.map(|priority| priority.word().to_owned()));
            entry.words.extend(piece.window.map(|window| window.to_string()));
            entry.words.extend(float.map(|hours| format!("float {hours} h")));
            if self.class(piece) == Some(Class::Doing) {
                entry.words.push("begun".into());
            }
            entry
        });
        let (tasks, later) = self.open_tasks();
        let mut entries: Vec<Entry> = entries.chain(tasks).collect();
        if entries.is_empty() {
            entries.push(Entry::text("Nothing: everything that could be begun is done or waits for something."));
        }
        let more = entries.len().saturating_sub(MOST) + later;
        entries.truncate(MOST);
        vec![Group { entries, more, label: None }]
    }

    /// Open boxes: what earlier days left, today's, and those of the next day that has any. The rest is counted.
    fn open_tasks(&self) -> (Vec<Entry>, usize) {
        if !self.is_everybodys() {
            return (Vec::new(), 0);
        }
        let is_open = |task: &Task| {
            let ticked = task.done.as_ref().is_some_and(|done| done.value);
            let proven = task.id.as_ref().is_some_and(|id| self.is_proven(&id.value.0));
            !ticked && !proven && task.item.is_none()
        };
        let mut open: Vec<(u32, &Task)> = tasks_of_days(self.plan()).filter(|(_, task)| is_open(task)).collect();
        open.sort_by_key(|(day, _)| *day);
        let today = self.asked.window.day;
        let reached = self.day().unwrap_or(u32::MAX);
        let next = open.iter().map(|(day, _)| *day).find(|day| *day > reached).unwrap_or(reached);
        let soon = open.partition_point(|(day, _)| *day <= next);
        let later = open.len() - soon;
        let told = |(day, task): (u32, &Task)| {
            let mut entry = task_entry(task);
            let words = if today.is_some_and(|today| day < today) { "left from day" } else { "day" };
            entry.words.insert(0, format!("{words} {day}"));
            entry
        };
        (open.into_iter().take(soon).map(told).collect(), later)
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
