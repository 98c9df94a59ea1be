//! When the rest of a plan could be finished: its open hours, drawn again and again, over people and calendar.
//!
//! Hours are drawn from a triangle over the three points of an estimate, or over a spread around a single number. People
//! take what is ready and theirs, in the order of phases, priorities, windows and longest chains. What is proven counts as
//! done, and so does what is said to be; where nothing shows it, the forecast is also made as if it had to be done again.
//! The generator is ChaCha20 under a key that begins with the seed, one stream per run. Judging what is proven is the gate's
//! business, and comes in as names.

mod run;
#[cfg(test)]
mod tests;
mod work;

use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::error::{Error, Exit, Place};
use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::schema::Calendar;
use run::Run;
use work::{State, Work};

/// Bars of the histogram.
const BARS: u32 = 16;

/// What is asked for, beside the plan.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The first day that work can be done on.
    pub from: Date,
    pub runs: u32,
    pub seed: u64,
    /// What a single number of hours stands for at best and at worst, in percent of it.
    pub spread: (u32, u32),
    pub assume_hours: Option<Decimal>,
    /// How many do the work of a plan that names nobody.
    pub people: u32,
    pub overlap: bool,
}

/// The days by which a share of the runs had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// With every piece at its likely hours.
    pub as_estimated: Date,
    pub p50: Date,
    pub p80: Date,
    pub p95: Date,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub kind: &'static str,
    pub id: String,
    pub open: usize,
    pub done: usize,
    pub hours: Decimal,
    /// None where nothing is left to do.
    pub finish: Option<Finish>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub first: Date,
    pub last: Date,
    pub runs: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub parts: Vec<Part>,
    pub overall: Part,
    pub histogram: Vec<Bar>,
    /// The date that the plan is aimed at, and the runs that ended by then.
    pub target: Option<(Date, u32)>,
    pub proven: Vec<String>,
    pub claimed: Vec<String>,
    /// The finish, were all that is only claimed to be done again; or why that can't be told.
    pub again: Option<Result<Finish, String>>,
    /// What the plan does not say, and was taken for granted.
    pub assumed: Vec<String>,
}

/// The forecast; none when `on_run` stopped it. `proven` names the work that evidence shows to be done.
pub fn forecast(
    linted: &Linted<'_>,
    ask: &Ask,
    proven: &HashSet<String>,
    on_run: &mut dyn FnMut(u32) -> ControlFlow<()>,
) -> Result<Option<Forecast>, Vec<Error>> {
    let work = Work::of(linted, ask, proven)?;
    let file = Place::file(&linted.source.path);
    let refused = |message: &str, hint: &str| vec![Error::invalid(message).at(file.clone()).hint(hint)];
    let Some(mut run) = Run::new(&work, |state| state == State::Open) else {
        return Err(refused(
            "phases wait for one another through their gates and needs",
            "let them overlap: --overlap",
        ));
    };
    let is_claimed = |p: &&work::Piece| p.state == State::Claimed;
    let unknown = work.pieces.iter().filter(is_claimed).find(|p| p.points.is_none());
    let mut again = match (work.pieces.iter().find(is_claimed), unknown) {
        (None, _) => None,
        (_, Some(piece)) => Some(Err(format!("{} has no hours", piece.id))),
        _ => Some(Run::new(&work, |state| state != State::Proven).filter(|_| owners_have_hours(&work)).ok_or_else(
            || "the claimed work can't be done again in the order and by the people of the plan".to_owned(),
        )),
    };

    let groups = work.groups.len();
    let mut days: Vec<Vec<u32>> = vec![Vec::with_capacity(ask.runs as usize); groups + 1];
    let mut days_again = Vec::new();
    let mut hours = vec![0.0; work.pieces.len()];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&ask.seed.to_le_bytes());
    for n in 0..ask.runs {
        let mut generator = ChaCha20Rng::from_seed(key);
        generator.set_stream(u64::from(n));
        for (piece, hours) in work.pieces.iter().zip(&mut hours) {
            let uniform = (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            *hours = piece.points.map_or(0.0, |p| p.at(uniform));
        }
        run.play(&hours);
        last_days(&work, &run.ends).into_iter().zip(&mut days).for_each(|(day, of)| of.push(day));
        if let Some(Ok(again)) = &mut again {
            again.play(&hours);
            days_again.push(last_days(&work, &again.ends)[groups]);
        }
        if on_run(n + 1).is_break() {
            return Ok(None);
        }
    }
    let likely: Vec<f64> = work.pieces.iter().map(|p| p.points.map_or(0.0, |p| p.likely)).collect();
    run.play(&likely);
    let estimated = last_days(&work, &run.ends);
    days.iter_mut().for_each(|of| of.sort_unstable());

    let none = Calendar {
        span: linted.plan.span,
        start: None,
        target: None,
        target_label: None,
        workdays: Vec::new(),
        holidays: Vec::new(),
        declared_days: None,
        hours_per_day: None,
    };
    let calendar = linted.plan.calendar.as_ref().unwrap_or(&none);
    let mut workdays = Workdays { calendar, from: ask.from, dates: Vec::new() };
    let beyond = || {
        vec![
            Error::new(Exit::Undecided, "the work would end after the last day of the calendar")
                .at(file.clone())
                .hint("look at hours, capacity, workdays and holidays"),
        ]
    };
    let mut parts = Vec::new();
    for (n, group) in work.groups.iter().enumerate() {
        let finish = workdays.finish(&days[n], estimated[n]).ok_or_else(beyond)?;
        parts.push(part(&work, group.kind, &group.id, |p| p.group == n, finish));
    }
    let finish = workdays.finish(&days[groups], estimated[groups]).ok_or_else(beyond)?;
    let overall = part(&work, "plan", &linted.plan.id.value.0, |_| true, finish);
    let again = match again {
        None => None,
        Some(Err(why)) => Some(Err(why)),
        Some(Ok(mut again)) => {
            again.play(&likely);
            days_again.sort_unstable();
            let finish = workdays.finish(&days_again, last_days(&work, &again.ends)[groups]).ok_or_else(beyond)?;
            finish.map(Ok)
        }
    };
    let histogram = workdays.histogram(&days[groups]).ok_or_else(beyond)?;
    let target = calendar.target.map(|target| {
        let by = calendar.count(ask.from, target.value).unwrap_or(0);
        (target.value, u32::try_from(days[groups].partition_point(|day| *day <= by)).unwrap_or(ask.runs))
    });
    let ids = |state| work.pieces.iter().filter(|p| p.state == state).map(|p| p.id.clone()).collect();
    Ok(Some(Forecast {
        proven: ids(State::Proven),
        claimed: ids(State::Claimed),
        parts,
        overall,
        histogram,
        target,
        again,
        assumed: work.notes,
    }))
}

fn owners_have_hours(work: &Work) -> bool {
    let open = work.pieces.iter().filter(|p| p.state != State::Proven && p.points.is_some_and(|p| p.high > 0.0));
    let able = |p: &work::Piece| match p.shares.is_empty() {
        true => work.capacity.iter().any(|c| *c > 0.0),
        false => p.shares.iter().all(|(who, _)| work.capacity[*who] > 0.0),
    };
    open.into_iter().all(able)
}

fn part(work: &Work, kind: &'static str, id: &str, has: impl Fn(&work::Piece) -> bool, finish: Option<Finish>) -> Part {
    let (open, done): (Vec<&work::Piece>, Vec<&work::Piece>) =
        work.pieces.iter().filter(|p| has(p)).partition(|p| p.state == State::Open);
    let hours = Decimal::sum(open.iter().map(|p| p.hours)).unwrap_or_default();
    let finish = finish.filter(|_| !open.is_empty());
    Part { kind, id: id.to_owned(), open: open.len(), done: done.len(), hours, finish }
}

/// The working day on which each group ended, and all of it at the end; 0 where there was nothing to do.
fn last_days(work: &Work, ends: &[f64]) -> Vec<u32> {
    let mut last = vec![0.0f64; work.groups.len() + 1];
    for (piece, end) in work.pieces.iter().zip(ends) {
        last[piece.group] = last[piece.group].max(*end);
    }
    last[work.groups.len()] = last.iter().copied().fold(0.0, f64::max);
    // Sums of many pieces may be a hair beyond the day that they fill.
    last.into_iter().map(|end| (end - 1e-6).ceil().clamp(0.0, f64::from(u32::MAX)) as u32).collect()
}

/// Working days by their number; the first is 1.
struct Workdays<'a> {
    calendar: &'a Calendar,
    from: Date,
    dates: Vec<Date>,
}

impl Workdays<'_> {
    fn date(&mut self, number: u32) -> Option<Date> {
        let at = number.max(1) as usize - 1;
        while self.dates.len() <= at {
            let last = match self.dates.last() {
                Some(last) => *last,
                None if self.calendar.works(self.from) => {
                    self.dates.push(self.from);
                    continue;
                }
                None => self.from,
            };
            self.dates.push(self.calendar.next_workday(last)?);
        }
        Some(self.dates[at])
    }

    /// None where the calendar ends; within it, none where there was nothing to do. `days` is sorted.
    #[expect(clippy::option_option, reason = "two different kinds of nothing, told apart one line later")]
    fn finish(&mut self, days: &[u32], as_estimated: u32) -> Option<Option<Finish>> {
        let Some(last) = days.last().filter(|last| **last > 0) else { return Some(None) };
        self.date(*last)?;
        // The smallest day by which at least that share of the runs had ended.
        let by = |percent: usize| days[(days.len() * percent).div_ceil(100).max(1) - 1];
        Some(Some(Finish {
            as_estimated: self.date(as_estimated)?,
            p50: self.date(by(50))?,
            p80: self.date(by(80))?,
            p95: self.date(by(95))?,
        }))
    }

    fn histogram(&mut self, days: &[u32]) -> Option<Vec<Bar>> {
        let (Some(first), Some(last)) = (days.first(), days.last().filter(|last| **last > 0)) else {
            return Some(Vec::new());
        };
        let width = (last - first + 1).div_ceil(BARS);
        let mut bars = Vec::new();
        let mut begin = *first;
        while begin <= *last {
            let end = begin.saturating_add(width - 1).min(*last);
            let runs = days.partition_point(|d| *d <= end) - days.partition_point(|d| *d < begin);
            let runs = u32::try_from(runs).unwrap_or(u32::MAX);
            bars.push(Bar { first: self.date(begin)?, last: self.date(end)?, runs });
            begin = end.checked_add(1)?;
        }
        Some(bars)
    }
}

/// The day before which a plan can't be worked on, where it says so.
pub fn begins(linted: &Linted<'_>) -> Option<Date> {
    linted.plan.calendar.as_ref()?.start.map(|start| start.value)
}
