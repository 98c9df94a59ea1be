//! The sections that take a glance at one thing: entropy, metrics, risks, scope, and those that only people can write.

use jiff::tz::TimeZone;

use super::{Entropy, Entry, Group, Kind, Mark, Scope, Section};
use crate::plan::schema::{Plan, Quantity};

fn alone(entries: Vec<Entry>) -> Vec<Group> {
    vec![Group { entries, ..Group::default() }]
}

pub(super) fn entropy(entropy: &Entropy, zone: &TimeZone) -> Vec<Group> {
    alone(vec![match entropy {
        Entropy::NotMeasured { why, next } => {
            Entry { words: vec![why.clone(), format!("next: {next}")], ..Entry::text("not measured") }
        }
        Entropy::Measured(measured) => Entry {
            words: measured.words(zone),
            receipts: vec![measured.receipt.clone()],
            ..Entry::text(measured.line())
        },
    }])
}

/// The plan's own numbers, which nobody checks here.
pub(super) fn metrics(plan: &Plan) -> Vec<Group> {
    let shown = |quantity: &Quantity| {
        let text = |text: &Option<crate::plan::source::At<String>>| text.as_ref().map(|t| t.value.clone());
        let value = quantity.value.value.to_string();
        let op = quantity.op.as_ref().map(|op| op.value.word().to_owned());
        let words = [op, Some(value), text(&quantity.unit), text(&quantity.note).map(|note| format!("({note})"))];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let mut entries = Vec::new();
    for metric in &plan.metrics {
        let mut entry = Entry::text(metric.name.value.clone());
        entry.mark = Mark::Work(metric.id.value.0.clone());
        entry.words.push(match &metric.current {
            Some(current) => format!("the plan says {}", shown(current)),
            None => "the plan says nothing yet".into(),
        });
        entry.words.extend(metric.target.as_ref().map(|target| format!("target {}", shown(target))));
        entries.push(entry);
    }
    if entries.is_empty() {
        entries.push(Entry::text("The sprint has no metrics."));
    }
    alone(entries)
}

pub(super) fn risks(plan: &Plan) -> Vec<Group> {
    let mut entries = Vec::new();
    for risk in &plan.risks {
        let mut entry = Entry::text(risk.name.value.clone());
        entry.mark = risk.id.as_ref().map_or(Mark::None, |id| Mark::Work(id.value.0.clone()));
        entry.words.extend([&risk.status, &risk.level].into_iter().flatten().map(|word| word.value.clone()));
        entry.words.extend(risk.mitigation.as_ref().map(|text| format!("mitigation: {}", text.value)));
        entries.push(entry);
    }
    if entries.is_empty() {
        entries.push(Entry::text("The sprint has no risks."));
    }
    alone(entries)
}

pub(super) fn own() -> Vec<Group> {
    alone(vec![Entry::text("Nothing that is recorded belongs here: it is for people to write.")])
}

pub(super) fn scope(scope: &Scope) -> Section {
    let mut entries: Vec<Entry> = scope.note.iter().map(Entry::text).collect();
    let line = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| Entry { words: names.to_vec(), ..Entry::text(what) })
    };
    entries.extend(line("added", &scope.added));
    entries.extend(line("removed", &scope.removed));
    let changed: Vec<String> =
        scope.changed.iter().map(|(what, fields)| format!("{what} ({})", fields.join(", "))).collect();
    entries.extend(line("changed", &changed));
    entries.extend(line("sections", &scope.sections));
    Section { title: "Scope".into(), kind: Kind::Scope, groups: alone(entries) }
}
