//! What to do now.

use serde_json::{Value, json};

use super::super::sheet::{Format, Sheet};
use super::{Head, hours, piece_json, plain, tone, window};
use crate::sprint::next::{Next, Step};
use crate::sprint::work::State;
use crate::ui::Tone;

/// Of work that waits, more than this says no more about what to do now.
const SHOWN: usize = 10;

pub(crate) fn sheet(head: &Head, next: &Next<'_>, who: Option<&str>, format: Format) -> Sheet {
    let mut sheet = Sheet::new(format);
    head.write(&mut sheet);
    let of = who.map(|who| format!(" of {who}")).unwrap_or_default();
    sheet.line(format!("{} of {} pieces of work{of} are proven", next.proven, next.all));
    let headings = ["To do now", "Claimed, to be shown", "Later", "Waiting"];
    for (heading, steps) in headings.into_iter().zip(next.lists()) {
        if steps.is_empty() {
            continue;
        }
        sheet.gap();
        sheet.heading(format!("{heading} ({})", steps.len()));
        for step in steps.iter().take(SHOWN) {
            write(step, &mut sheet);
        }
        if let more @ 1.. = steps.len().saturating_sub(SHOWN) {
            sheet.toned(Tone::Dim, format!("and {more} more: --json has all of them"));
        }
    }
    let lists = next.lists().map(|steps| steps.iter().map(step_json).collect::<Vec<Value>>());
    let [now, prove, later, waiting] = lists;
    sheet.with_json(json!({
        "sprint": head.json(),
        "who": who,
        "proven": next.proven,
        "all": next.all,
        "now": now,
        "to_prove": prove,
        "later": later,
        "waiting": waiting,
    }))
}

fn write(step: &Step<'_>, sheet: &mut Sheet) {
    let piece = step.piece;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(piece.priority.map(|p| p.word().to_owned()));
    facts.extend(Some(window(piece)).filter(|w| !w.is_empty()));
    if step.late {
        facts.push("late".to_owned());
    }
    facts.extend(Some(hours(piece.hours)).filter(|h| !h.is_empty()));
    facts.extend(
        step.float.map(|f| if step.critical { "critical".to_owned() } else { format!("float {} h", plain(f)) }),
    );
    if !piece.people.is_empty() {
        facts.push(piece.people.join(", "));
    }
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join("; ")) };
    let head = [
        (Tone::Strong, format!("{} ", piece.key)),
        (Tone::Plain, piece.name.to_owned()),
        (Tone::Dim, facts),
        (tone(piece.state), format!(" {}", piece.state.word())),
    ];
    sheet.entry(0, head);
    for wait in &step.waits {
        let word = if wait.state == State::Claimed { "rests on" } else { "waits for" };
        sheet.entry(1, [(Tone::Warn, format!("{word} {}, {}", wait.on, wait.state.word()))]);
    }
    for blocker in &step.blockers {
        sheet.entry(1, [(Tone::Warn, format!("blocked: {blocker}"))]);
    }
    if let Some(next) = &piece.proof.next {
        sheet.entry(1, [(Tone::Dim, "next: ".to_owned()), (Tone::Plain, next.clone())]);
    }
}

fn step_json(step: &Step<'_>) -> Value {
    let mut value = piece_json(step.piece);
    value["float_hours"] = step.float.map(plain).into();
    value["critical"] = step.critical.into();
    value["late"] = step.late.into();
    value["waits_for"] = step.waits.iter().map(|w| json!({ "on": w.on, "state": w.state.word() })).collect();
    value["blockers"] = step.blockers.clone().into();
    value
}
