//! Where a sprint stands: work by state, what burnt down by claim and by proof, and the load of its people.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::plan::decimal::Decimal;
use crate::plan::effort;
use crate::plan::schema::{Day, Plan};

use super::timeline::{Position, Timeline};
use super::work::{Board, Piece, State};

/// Pieces of work and their hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub pieces: usize,
    pub hours: Decimal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    pub all: Amount,
    pub by_state: Vec<(State, Amount)>,
    /// Said to be done, whatever evidence says.
    pub claimed: Amount,
    pub proven: Amount,
    /// Pieces without hours, which add none.
    pub without_hours: usize,
}

fn amount<'a>(pieces: impl Iterator<Item = &'a Piece<'a>>) -> Amount {
    pieces.fold(Amount::default(), |sum, piece| Amount {
        pieces: sum.pieces + 1,
        hours: piece.hours.and_then(|h| sum.hours.add(h)).unwrap_or(sum.hours),
    })
}

pub fn totals(board: &Board<'_>) -> Totals {
    let of = |wanted: &dyn Fn(&Piece<'_>) -> bool| amount(board.pieces.iter().filter(|piece| wanted(piece)));
    Totals {
        all: of(&|_| true),
        by_state: State::ALL.into_iter().map(|state| (state, of(&|piece| piece.state == state))).collect(),
        claimed: of(&|piece| piece.claim.done),
        proven: of(&|piece| piece.is_proven()),
        without_hours: board.pieces.iter().filter(|p| p.hours.is_none()).count(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Hours,
    /// Where some work has no hours.
    Pieces,
}

/// What is left at the end of a day; what has not come yet is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// None for the beginning.
    pub day: Option<u32>,
    pub date: Option<Date>,
    pub ideal: Decimal,
    pub claimed: Option<Decimal>,
    pub proven: Option<Decimal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burndown {
    pub measure: Measure,
    pub total: Decimal,
    pub points: Vec<Point>,
}

/// None for a sprint without dates or without work. Proof counts on the day of the newest receipt behind it, a claim on
/// the day that reports it, and either today where nothing tells its day.
pub fn burndown(board: &Board<'_>, timeline: &Timeline, zone: &TimeZone, today: Date) -> Option<Burndown> {
    if board.pieces.is_empty() || timeline.position(today) == Position::Undated {
        return None;
    }
    let sized = board.pieces.iter().all(|piece| piece.hours.is_some_and(|h| !h.is_zero()));
    let measure = if sized { Measure::Hours } else { Measure::Pieces };
    let weight = |piece: &Piece<'_>| match measure {
        Measure::Hours => piece.hours.unwrap_or_default(),
        Measure::Pieces => Decimal::from_int(1),
    };
    let total = Decimal::sum(board.pieces.iter().map(weight))?;
    let reached = timeline.day_reached(today);
    let claimed: Vec<(Option<u32>, Decimal)> = board
        .pieces
        .iter()
        .filter(|piece| piece.claim.done)
        .map(|piece| (piece.claim.day.or(reached).min(reached), weight(piece)))
        .collect();
    let proven: Vec<(Option<u32>, Decimal)> = board
        .pieces
        .iter()
        .filter(|piece| piece.is_proven())
        .map(|piece| {
            let made = piece.proven_at().map(|time| time.to_zoned(zone.clone()).date());
            (timeline.day_reached(made.unwrap_or(today)), weight(piece))
        })
        .collect();
    let left = |burnt: &[(Option<u32>, Decimal)], day: Option<u32>| {
        let by_then = burnt.iter().filter(|(on, _)| *on <= day).map(|(_, weight)| *weight);
        Decimal::sum(by_then).and_then(|sum| total.sub(sum))
    };
    let planned = timeline.days().filter(|(n, _)| Some(*n) <= timeline.planned()).count();
    let count = i64::try_from(planned).ok()?;
    let beginning = std::iter::once((None, None));
    let days = beginning.chain(timeline.days().map(|(n, date)| (Some(n), date)));
    let points = (0..)
        .zip(days)
        .map(|(index, (day, date))| {
            let has_come = day <= reached;
            let ideal = total.mul(Decimal::from_int((count - index).max(0)))?.div(Decimal::from_int(count), 2)?;
            let [claimed, proven] = [&claimed, &proven].map(|burnt| has_come.then(|| left(burnt, day)).flatten());
            Some(Point { day, date, ideal, claimed, proven })
        })
        .collect::<Option<Vec<Point>>>()?;
    Some(Burndown { measure, total, points })
}

/// The hours that the days plan for a person, against what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub who: String,
    pub team: Option<String>,
    pub whole: Decimal,
    /// On the day that is reached.
    pub today: Decimal,
    /// From that day on.
    pub left: Decimal,
    pub a_day: Decimal,
    /// Over all days that are planned.
    pub capacity: Decimal,
    /// Days with more hours than the person has.
    pub over: Vec<(u32, Decimal)>,
}

/// Everybody whom the plan knows or schedules, by name.
pub fn load(plan: &Plan, timeline: &Timeline, reached: Option<u32>) -> Vec<Load> {
    let general = effort::hours_per_day(plan);
    let planned = timeline.days().filter(|(n, _)| Some(*n) <= timeline.planned()).count();
    let days = Decimal::from_int(i64::try_from(planned).unwrap_or(0));
    let mut hours: BTreeMap<&str, Vec<(u32, Decimal)>> = BTreeMap::new();
    for person in &plan.people {
        hours.entry(&person.id.value.0).or_default();
    }
    for day in &plan.days {
        for (who, length) in hours_of(day) {
            hours.entry(who).or_default().push((day.n.value, length));
        }
    }
    let sum = |all: &mut dyn Iterator<Item = &(u32, Decimal)>| Decimal::sum(all.map(|(_, h)| *h)).unwrap_or_default();
    let one = |(who, days_of): (&str, Vec<(u32, Decimal)>)| {
        let person = plan.people.iter().find(|p| p.id.value.0 == who);
        let a_day = person.and_then(|p| p.capacity.as_ref()).map_or(general, |c| c.value.0);
        Load {
            who: who.to_owned(),
            team: person.and_then(|p| p.team.as_ref()).map(|t| t.value.to_string()),
            whole: sum(&mut days_of.iter()),
            today: sum(&mut days_of.iter().filter(|(n, _)| Some(*n) == reached)),
            left: sum(&mut days_of.iter().filter(|(n, _)| reached.is_none_or(|reached| *n >= reached))),
            a_day,
            capacity: a_day.mul(days).unwrap_or_default(),
            over: days_of.iter().filter(|(_, h)| *h > a_day).copied().collect(),
        }
    };
    hours.into_iter().map(one).collect()
}

/// What a day plans for each person. In a timed slot without hours of its own one is busy for its length, once.
fn hours_of(day: &Day) -> BTreeMap<&str, Decimal> {
    let mut hours: BTreeMap<&str, Decimal> = BTreeMap::new();
    let mut add = |who, length: Decimal| {
        let sum = hours.entry(who).or_default();
        *sum = sum.add(length).unwrap_or(*sum);
    };
    for work in &day.work {
        let Some(length) = &work.hours else { continue };
        work.who.iter().for_each(|who| add(who.value.0.as_str(), length.value.0));
    }
    for slot in &day.schedule {
        let minutes = slot.from.value.duration_until(slot.to.value).as_mins();
        let length = slot.hours.as_ref().map(|h| h.value.0);
        let length = length.or_else(|| Decimal::from_int(minutes.max(0)).div(Decimal::from_int(60), 2));
        let mut busy: BTreeMap<&str, Option<Decimal>> = BTreeMap::new();
        for work in slot.work.iter().filter(|work| work.standby.as_ref().is_none_or(|s| !s.value)) {
            for who in &work.who {
                let own = busy.entry(who.value.0.as_str()).or_default();
                if let Some(given) = &work.hours {
                    *own = own.unwrap_or_default().add(given.value.0);
                }
            }
        }
        busy.into_iter().for_each(|(who, own)| add(who, own.or(length).unwrap_or_default()));
    }
    hours
}
