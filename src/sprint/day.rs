//! One day of a sprint: what the plan says about it, and how much of that is proven.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::plan::schema::{Day, Task, Work};

use super::timeline::Timeline;
use super::work::{Board, Piece, item_of};

/// Work of the day, and the piece that it is about.
pub struct Planned<'b> {
    pub work: &'b Work,
    pub piece: Option<&'b Piece<'b>>,
}

/// How far something is said to be by the end of the day.
pub struct Report<'b> {
    pub name: &'b str,
    pub percent: String,
    pub note: Option<&'b str>,
    pub piece: Option<&'b Piece<'b>>,
}

/// What the day's checkpoint counts, against what can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub stated: Option<u32>,
    /// At 100 % by then, as the plan reports it.
    pub reported: usize,
    /// By receipts that were there by the end of the day; none where the day has no date.
    pub proven_then: Option<usize>,
    pub proven_now: usize,
    pub of: usize,
}

pub struct Told<'b> {
    pub n: u32,
    pub date: Option<Date>,
    /// None where the plan only counts the day.
    pub day: Option<&'b Day>,
    pub work: Vec<Planned<'b>>,
    pub boxes: Vec<(&'b Task, Option<&'b Piece<'b>>)>,
    pub reports: Vec<Report<'b>>,
    pub counted: Counted,
    /// Pieces whose window the day is in.
    pub due: Vec<&'b Piece<'b>>,
}

/// None where the sprint has no such day.
pub fn of<'b>(board: &'b Board<'b>, timeline: &Timeline, zone: &TimeZone, n: u32) -> Option<Told<'b>> {
    if !timeline.has(n) {
        return None;
    }
    let linted = &board.linted;
    let date = timeline.date_of(n);
    let day = linted.plan.days.iter().find(|d| d.n.value == n);
    let piece_of = |work: &Work| item_of(work, linted).and_then(|item| board.piece(&item.id.value.0));
    let planned = |work: &'b Work| Planned { work, piece: piece_of(work) };
    let reports = day.into_iter().flat_map(|d| &d.progress).filter_map(|p| {
        let name = p.part.as_ref().or(p.item.as_ref())?.value.0.as_str();
        let note = p.note.as_ref().map(|n| n.value.as_str());
        Some(Report { name, percent: p.percent.value.0.to_string(), note, piece: board.piece(name) })
    });
    let boxes = day.into_iter().flat_map(|d| (1usize..).zip(&d.tasks)).map(|(number, task)| {
        let place = format!("day {n}, box {number}");
        let own = task.item.as_ref().or(task.id.as_ref()).and_then(|id| board.piece(&id.value.0));
        (task, own.or_else(|| board.pieces.iter().find(|piece| piece.key == place)))
    });
    let items: Vec<&Piece<'_>> = board.pieces.iter().filter(|p| p.kind == super::work::Kind::Item).collect();
    let reported = |piece: &&&Piece<'_>| {
        let item = piece.id.and_then(|id| linted.item(id));
        item.and_then(|item| linted.completion(item)).is_some_and(|day| day <= n)
    };
    let by_then = |piece: &Piece<'_>| {
        let made = piece.proven_at().map(|time| time.to_zoned(zone.clone()).date());
        made.zip(date).is_some_and(|(made, date)| made <= date)
    };
    let counted = Counted {
        stated: day.and_then(|d| d.counts.as_ref()).and_then(|c| c.complete.as_ref()).map(|c| c.value),
        reported: items.iter().filter(reported).count(),
        proven_then: date.map(|_| items.iter().filter(|piece| by_then(piece)).count()),
        proven_now: items.iter().filter(|piece| piece.is_proven()).count(),
        of: items.len(),
    };
    Some(Told {
        n,
        date,
        day,
        work: day.into_iter().flat_map(|d| &d.work).map(planned).collect(),
        boxes: boxes.collect(),
        reports: reports.collect(),
        counted,
        due: board.pieces.iter().filter(|p| p.id.is_some() && p.window.is_some_and(|w| w.contains(n))).collect(),
    })
}
