//! Sprints: what every report of one begins with.

pub(crate) mod day;
pub(crate) mod gonogo;
pub(crate) mod metrics;
pub(crate) mod next;
pub(crate) mod risks;
pub(crate) mod status;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::sheet::Sheet;
use crate::plan::decimal::Decimal;
use crate::plan::gate::Judged;
use crate::sprint::timeline::Position;
use crate::sprint::work::{Piece, State};
use crate::ui::Tone;

/// Which sprint, and which day it is there.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) file: String,
    pub(crate) zone: String,
    pub(crate) today: Date,
    pub(crate) position: Position,
    /// The number of the last day that is planned.
    pub(crate) last_day: Option<u32>,
    pub(crate) overlapping: Vec<String>,
}

impl Head {
    fn write(&self, sheet: &mut Sheet) {
        sheet.title(format!("{}: {}", self.id, self.title));
        sheet.line(format!("{} ({}, {})", self.day(), self.today, self.zone));
    }

    fn day(&self) -> String {
        let of = self.last_day.map(|last| format!(" of {last}")).unwrap_or_default();
        match self.position {
            Position::Day(n) => match self.last_day {
                Some(last) if last < n => format!("day {n}, beyond the {last} that are planned"),
                _ => format!("day {n}{of}"),
            },
            Position::Undated => "no dates, so every report counts as told".to_owned(),
            Position::Before { starts } => format!("before day 1{of}, which is {starts}"),
            Position::Between { after, next: Some(next) } => format!("between day {after} and day {next}{of}"),
            Position::Between { after, next: None } => format!("after day {after}{of}, before the target"),
            Position::After { ended } => format!("it ended on {ended}"),
        }
    }

    fn json(&self) -> Value {
        let (day, word) = match self.position {
            Position::Day(n) => (Some(n), "day"),
            Position::Undated => (None, "undated"),
            Position::Before { .. } => (None, "before"),
            Position::Between { after, .. } => (Some(after), "between"),
            Position::After { .. } => (self.last_day, "after"),
        };
        json!({
            "id": self.id,
            "title": self.title,
            "file": self.file,
            "timezone": self.zone,
            "today": self.today.to_string(),
            "day": day,
            "days": self.last_day,
            "position": word,
            "overlapping": self.overlapping,
        })
    }
}

fn tone(state: State) -> Tone {
    match state {
        State::Proven => Tone::Good,
        State::Refuted | State::Untrusted => Tone::Bad,
        State::Claimed | State::Blocked => Tone::Warn,
        State::Doing | State::Todo => Tone::Plain,
    }
}

fn hours(hours: Option<Decimal>) -> String {
    hours.map(|h| format!("{} h", plain(h))).unwrap_or_default()
}

fn plain(number: Decimal) -> String {
    number.to_string()
}

fn number(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap_or(f64::NAN)
}

/// Their ids, and boxes without one counted by day.
fn keys(pieces: &[&Piece<'_>]) -> String {
    let mut named: Vec<String> = Vec::new();
    let mut boxes: Vec<(u32, usize)> = Vec::new();
    for piece in pieces {
        match (piece.id, piece.window) {
            (None, Some(day)) => match boxes.last_mut() {
                Some((last, count)) if *last == day.first => *count += 1,
                _ => boxes.push((day.first, 1)),
            },
            _ => named.push(piece.key.clone()),
        }
    }
    let counted =
        |(day, count): (u32, usize)| format!("day {day} ({count} {})", if count == 1 { "box" } else { "boxes" });
    named.extend(boxes.into_iter().map(counted));
    named.join(", ")
}

fn window(piece: &Piece<'_>) -> String {
    piece.window.map(|w| w.to_string()).unwrap_or_default()
}

/// What was looked for and found, and what would bring it further.
fn proof_json(judged: &Judged) -> Value {
    json!({
        "outcome": judged.outcome.word(),
        "detail": judged.outcome.words(),
        "found": super::roadmap::gate::reasons(judged).join("; "),
        "receipts": judged.receipts,
        "time": judged.time.map(|t| t.to_string()),
        "next": judged.next,
    })
}

fn piece_json(piece: &Piece<'_>) -> Value {
    json!({
        "key": piece.key,
        "id": piece.id,
        "kind": piece.kind.word(),
        "name": piece.name,
        "people": piece.people,
        "priority": piece.priority.map(|p| p.word()),
        "window": piece.window.map(|w| json!({ "first": w.first, "last": w.last })),
        "hours": piece.hours.map(plain),
        "state": piece.state.word(),
        "claimed": {
            "done": piece.claim.done,
            "day": piece.claim.day,
            "percent": piece.claim.percent.map(plain),
        },
        "proof": proof_json(&piece.proof),
    })
}
