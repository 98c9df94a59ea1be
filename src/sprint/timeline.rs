//! When the numbered days of a sprint are, and which of them a date is.
//!
//! A date that the plan gives to a day stands, also where nobody works on it (lint says so). Between and around such
//! dates days follow each other on the days that are worked. Whether the plan is right about them is for lint.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::plan::schema::{Calendar, Plan};

/// Numbers beyond this are kept where the plan names them, and not counted up to.
const MOST_DAYS: u32 = 10_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    days: BTreeMap<u32, Option<Date>>,
    target: Option<Date>,
    /// The last day that the plan lists or declares.
    planned: Option<u32>,
}

/// Where a date lies in a sprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The plan says nothing about dates.
    Undated,
    Before {
        starts: Date,
    },
    Day(u32),
    /// A day on which nobody works, or that the plan leaves out.
    Between {
        after: u32,
        next: Option<u32>,
    },
    After {
        ended: Date,
    },
}

impl Timeline {
    pub fn of(plan: &Plan) -> Self {
        let calendar = plan.calendar.as_ref();
        let given: BTreeMap<u32, Option<Date>> =
            plan.days.iter().map(|day| (day.n.value, day.date.as_ref().map(|d| d.value))).collect();
        let in_phases = plan.phases.iter().filter_map(|p| p.days.as_ref()).map(|d| d.last);
        let named = given.keys().copied().chain(in_phases).filter(|n| *n <= MOST_DAYS).max();
        let declared = calendar.and_then(|c| c.declared_days.as_ref()).map(|d| d.value.min(MOST_DAYS));
        let first = given.keys().next().map_or(1, |n| (*n).min(1));
        let last = named.or(declared).unwrap_or(0);
        let mut days = given;
        for n in first..=last {
            days.entry(n).or_insert(None);
        }
        let target = calendar.and_then(|c| c.target.as_ref()).map(|d| d.value);
        let start = calendar.and_then(|c| c.start.as_ref()).map(|d| d.value);
        if let Some(start) = start {
            days.entry(first).or_insert(None).get_or_insert(start);
        }
        let planned = days.keys().next_back().copied().filter(|_| named.or(declared).is_some());
        let mut timeline = Timeline { days, target, planned };
        timeline.date(calendar);
        timeline.reach_target(calendar);
        timeline
    }

    /// Gives each day without a date the one that follows from its neighbours.
    fn date(&mut self, calendar: Option<&Calendar>) {
        let mut before = None;
        for date in self.days.values_mut() {
            let follows = before.and_then(|before| next_workday(calendar, before));
            *date = date.or(follows);
            before = *date;
        }
        let mut after = None;
        for date in self.days.values_mut().rev() {
            let precedes = after.and_then(|after| workday_before(calendar, after));
            *date = date.or(precedes);
            after = *date;
        }
    }

    /// Days go on being counted to the target.
    fn reach_target(&mut self, calendar: Option<&Calendar>) {
        let Some(target) = self.target else { return };
        while let Some((n, Some(date))) = self.days.last_key_value().map(|(n, date)| (*n, *date)) {
            match next_workday(calendar, date) {
                Some(next) if next <= target && n < MOST_DAYS => self.days.insert(n + 1, Some(next)),
                _ => return,
            };
        }
    }

    /// The numbers and dates of the days, in order.
    pub fn days(&self) -> impl Iterator<Item = (u32, Option<Date>)> + '_ {
        self.days.iter().map(|(n, date)| (*n, *date))
    }

    pub fn first(&self) -> Option<u32> {
        self.days.keys().next().copied()
    }

    pub fn last(&self) -> Option<u32> {
        self.days.keys().next_back().copied()
    }

    /// The last day that is planned. Where the target lies beyond it, days go on being counted, and hold no plan.
    pub fn planned(&self) -> Option<u32> {
        self.planned.or(self.last())
    }

    pub fn has(&self, day: u32) -> bool {
        self.days.contains_key(&day)
    }

    pub fn date_of(&self, day: u32) -> Option<Date> {
        self.days.get(&day).copied().flatten()
    }

    fn dates(&self) -> impl Iterator<Item = Date> + '_ {
        self.days.values().filter_map(|date| *date)
    }

    /// First and last date, the target included.
    pub fn span(&self) -> Option<(Date, Date)> {
        let first = self.dates().min()?;
        Some((first, self.dates().chain(self.target).max().unwrap_or(first)))
    }

    pub fn is_active(&self, date: Date) -> bool {
        self.span().is_some_and(|(first, last)| first <= date && date <= last)
    }

    /// The dates that both have.
    pub fn shared(&self, other: &Timeline) -> Option<(Date, Date)> {
        let ((first, last), (begin, end)) = (self.span()?, other.span()?);
        let (from, to) = (first.max(begin), last.min(end));
        (from <= to).then_some((from, to))
    }

    pub fn position(&self, date: Date) -> Position {
        let Some((first, last)) = self.span() else { return Position::Undated };
        if let Some((n, _)) = self.days.iter().find(|(_, day)| **day == Some(date)) {
            return Position::Day(*n);
        }
        if date < first {
            return Position::Before { starts: first };
        }
        if date > last {
            return Position::After { ended: last };
        }
        let before = |(n, day): (u32, Option<Date>)| day.filter(|d| *d < date).map(|_| n);
        let after = |(n, day): (u32, Option<Date>)| day.filter(|d| *d > date).map(|_| n);
        let passed = self.days().filter_map(before).max().unwrap_or_default();
        Position::Between { after: passed, next: self.days().filter_map(after).min() }
    }

    /// The number that stands for a date where one is needed: of days that nobody works, the day before.
    pub fn day_reached(&self, date: Date) -> Option<u32> {
        match self.position(date) {
            Position::Day(n) | Position::Between { after: n, .. } => Some(n),
            Position::After { .. } => self.last(),
            Position::Undated | Position::Before { .. } => None,
        }
    }
}

fn next_workday(calendar: Option<&Calendar>, date: Date) -> Option<Date> {
    match calendar {
        Some(calendar) => calendar.next_workday(date),
        None => date.tomorrow().ok(),
    }
}

fn workday_before(calendar: Option<&Calendar>, date: Date) -> Option<Date> {
    match calendar {
        Some(calendar) => calendar.workday_before(date),
        None => date.yesterday().ok(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::sprint::tests::sprint;

    fn timeline(yaml: &str) -> Timeline {
        Timeline::of(&sprint(yaml).plan)
    }

    #[test]
    fn days_follow_on_days_that_are_worked() {
        let week = "calendar: {start: 2026-01-29, workdays: [thursday, friday, monday], holidays: [2026-02-02]}\n";
        let timeline = timeline(&format!("{week}days: [{{n: 1}}, {{n: 4}}]\n"));
        let dates: Vec<_> = timeline.days().map(|(n, d)| (n, d.map(|d| d.to_string()).unwrap_or_default())).collect();
        let expected = [(1, "2026-01-29"), (2, "2026-01-30"), (3, "2026-02-05"), (4, "2026-02-06")];
        assert_eq!(dates, expected.map(|(n, d)| (n, d.to_owned())));
        let on = |y, m, d| timeline.position(date(y, m, d));
        assert_eq!(on(2026, 1, 28), Position::Before { starts: date(2026, 1, 29) });
        assert_eq!(on(2026, 1, 30), Position::Day(2));
        assert_eq!(on(2026, 2, 2), Position::Between { after: 2, next: Some(3) });
        assert_eq!(on(2026, 2, 7), Position::After { ended: date(2026, 2, 6) });
    }

    #[test]
    fn dates_that_the_plan_gives_stand() {
        let timeline = timeline(
            "calendar: {workdays: [monday, tuesday, wednesday, thursday, friday]}\n\
             days: [{n: 2, date: 2025-11-08}, {n: 3}, {n: 5, date: 2025-11-20}]\n",
        );
        let date_of = |n| timeline.date_of(n).map(|d| d.to_string()).unwrap_or_default();
        assert_eq!(
            [1, 2, 3, 4, 5].map(date_of),
            ["2025-11-07", "2025-11-08", "2025-11-10", "2025-11-11", "2025-11-20"],
            "a Saturday stays, and what lies around it is worked"
        );
    }

    #[test]
    fn the_target_is_counted_to_and_the_end_belongs_to_the_sprint() {
        let counted = timeline("calendar: {start: 2026-01-29, target: 2026-02-02}\ndays: [{n: 1}, {n: 2}]\n");
        assert_eq!((counted.planned(), counted.last()), (Some(2), Some(5)));
        assert_eq!(counted.position(date(2026, 2, 2)), Position::Day(5));
        let idle_target = timeline(
            "calendar: {start: 2026-01-29, target: 2026-02-01, workdays: [thursday, friday]}\ndays: [{n: 1}, {n: 2}]\n",
        );
        assert!(idle_target.is_active(date(2026, 2, 1)));
        assert_eq!(idle_target.position(date(2026, 2, 1)), Position::Between { after: 2, next: None });
    }

    #[test]
    fn a_plan_without_dates_is_nowhere_in_time() {
        let undated = timeline("days: [{n: 1}, {n: 2}]\n");
        assert_eq!(undated.position(date(2026, 2, 1)), Position::Undated);
        assert!(!undated.is_active(date(2026, 2, 1)) && undated.has(2));
        assert_eq!(timeline("").position(date(2026, 2, 1)), Position::Undated);
        assert_eq!(timeline("days: [{n: 4294967295}]\n").days().count(), 1, "nobody counts to there");
    }

    #[test]
    fn shared_dates_are_those_of_both() {
        let days = |start: &str, days: u32| timeline(&format!("calendar: {{start: {start}, declared_days: {days}}}\n"));
        let (early, late) = (days("2026-02-01", 10), days("2026-02-10", 10));
        assert_eq!(early.shared(&late), Some((date(2026, 2, 10), date(2026, 2, 10))));
        assert_eq!(early.shared(&days("2026-02-11", 1)), None);
    }
}
