//! The stretch of time that one standup is about.
//!
//! The windows of a sprint's days lie end to end, so that whatever happens between its first and last midnight is told
//! once: a day gathers the days before it on which nobody worked. Midnights are those of the sprint's own zone.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::error::Error;
use crate::plan::schema::Calendar;
use crate::sprint::timeline::{Position, Timeline};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The day of the sprint; none outside it.
    pub day: Option<u32>,
    /// The last of its dates, which it is called by.
    pub date: Date,
    /// The first of its dates.
    pub first: Date,
    pub start: Timestamp,
    /// The first instant that is no longer in it.
    pub end: Timestamp,
    pub place: Position,
}

impl Window {
    /// The window that `date` falls into.
    pub fn of(date: Date, timeline: &Timeline, calendar: Option<&Calendar>, zone: &TimeZone) -> Result<Self, Error> {
        let place = timeline.position(date);
        let dated = || timeline.days().filter_map(|(n, date)| Some((n, date?)));
        let before = |date: Date| dated().map(|(_, d)| d).filter(|d| *d < date).max();
        let (day, date, first) = match place {
            Position::Day(n) => (Some(n), date, before(date)),
            Position::Between { next: Some(n), .. } => {
                let date = timeline.date_of(n).unwrap_or(date);
                (Some(n), date, before(date))
            }
            Position::Between { next: None, .. } => (None, date, before(date)),
            Position::Before { .. } | Position::After { .. } | Position::Undated => {
                let idle = idle_days_before(date, calendar)?;
                (None, date, idle.map(|first| before(date).map_or(first, |ended| ended.max(first))))
            }
        };
        let first = match first {
            Some(before) => before.checked_add(1.day()).map_err(|_| out_of_time(date))?,
            None => date,
        };
        let after = date.checked_add(1.day()).map_err(|_| out_of_time(date))?;
        let (start, end) = (midnight(first, zone)?, midnight(after, zone)?);
        Ok(Window { day, date, first, start, end, place })
    }

    /// The same day from another beginning.
    pub fn since(mut self, start: Timestamp) -> Result<Self, Error> {
        if start >= self.end {
            let message = format!("--since {start} is not before the end of {}, {}", self.date, self.end);
            return Err(Error::usage(message).hint("give an earlier time, or another --day"));
        }
        self.start = start;
        Ok(self)
    }

    pub fn holds(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }
}

/// The last worked day before `date`, after which days gather.
fn idle_days_before(date: Date, calendar: Option<&Calendar>) -> Result<Option<Date>, Error> {
    match calendar {
        Some(calendar) => Ok(calendar.workday_before(date)),
        None => date.yesterday().map(Some).map_err(|_| out_of_time(date)),
    }
}

/// The first instant of a day: some days begin at 01:00, and some have no instant at all and begin with the next.
pub fn midnight(date: Date, zone: &TimeZone) -> Result<Timestamp, Error> {
    let at: DateTime = date.at(0, 0, 0, 0);
    let ambiguous = zone.to_ambiguous_timestamp(at);
    let skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let instant = ambiguous.compatible().map_err(|_| out_of_time(date))?;
    if !skipped {
        return Ok(instant);
    }
    let just_after = instant.checked_add(1.second()).map_err(|_| out_of_time(date))?;
    let change = zone.preceding(just_after).next().map(|change| change.timestamp());
    Ok(change.unwrap_or(instant))
}

fn out_of_time(date: Date) -> Error {
    Error::usage(format!("{date} lies outside the years that can be reckoned with"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::sprint::tests::sprint;

    const WEEK: &str = "workdays: [monday, tuesday, wednesday, thursday, friday]";

    fn window(calendar: &str, zone: &str, on: &str) -> String {
        let loaded = sprint(calendar);
        let zone = TimeZone::get(zone).expect("a zone");
        let timeline = Timeline::of(&loaded.plan);
        let on: Date = on.parse().expect("a date");
        let window = Window::of(on, &timeline, loaded.plan.calendar.as_ref(), &zone).expect("a window");
        let hours = (window.end.as_second() - window.start.as_second()) as f64 / 3600.0;
        let day = window.day.map_or("none".into(), |n| n.to_string());
        format!("day {day}: {} to {} ({hours} h)", window.start, window.end)
    }

    #[test]
    fn a_monday_gathers_the_weekend_and_a_holiday_belongs_to_the_next_day() {
        let days = format!("calendar: {{start: 2026-01-29, declared_days: 10, {WEEK}, holidays: [2026-02-03]}}\n");
        let on = |date| window(&days, "Asia/Riyadh", date);
        assert_eq!(on("2026-01-29"), "day 1: 2026-01-28T21:00:00Z to 2026-01-29T21:00:00Z (24 h)");
        assert_eq!(on("2026-01-30"), "day 2: 2026-01-29T21:00:00Z to 2026-01-30T21:00:00Z (24 h)");
        assert_eq!(on("2026-02-02"), "day 3: 2026-01-30T21:00:00Z to 2026-02-02T21:00:00Z (72 h)");
        assert_eq!(on("2026-01-31"), on("2026-02-02"), "a Saturday is told on Monday");
        assert_eq!(on("2026-02-04"), "day 4: 2026-02-02T21:00:00Z to 2026-02-04T21:00:00Z (48 h)");
    }

    #[test]
    fn days_before_and_after_the_sprint_have_windows_of_their_own() {
        let days = format!("calendar: {{start: 2026-01-29, declared_days: 2, {WEEK}}}\n");
        let on = |date| window(&days, "UTC", date);
        assert_eq!(on("2026-01-26"), "day none: 2026-01-24T00:00:00Z to 2026-01-27T00:00:00Z (72 h)");
        assert_eq!(on("2026-01-31"), "day none: 2026-01-31T00:00:00Z to 2026-02-01T00:00:00Z (24 h)");
        assert_eq!(on("2026-02-02"), "day none: 2026-01-31T00:00:00Z to 2026-02-03T00:00:00Z (72 h)");
        assert_eq!(window("", "UTC", "2026-02-02"), "day none: 2026-02-02T00:00:00Z to 2026-02-03T00:00:00Z (24 h)");
    }

    #[test]
    fn days_are_as_long_as_their_zone_has_them() {
        let year = |start: &str| format!("calendar: {{start: {start}, declared_days: 20}}\n");
        for (zone, on, expected) in [
            // The clocks go back at midnight: 23:00 comes twice.
            ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z to 2018-02-18T03:00:00Z (25 h)"),
            // They go forward at midnight: the day begins at 01:00.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z to 2018-11-05T02:00:00Z (23 h)"),
            ("America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00:00Z to 2018-11-04T03:00:00Z (24 h)"),
            ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z to 2026-03-29T21:00:00Z (23 h)"),
            ("Asia/Beirut", "2026-10-24", "2026-10-23T21:00:00Z to 2026-10-24T22:00:00Z (25 h)"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z to 2026-03-29T22:00:00Z (23 h)"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z to 2026-10-25T23:00:00Z (25 h)"),
            // Midnight comes twice; the day begins with the first.
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z to 2026-11-02T05:00:00Z (25 h)"),
            // The gap begins before midnight: the day begins at 00:30.
            ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z to 1919-04-01T04:00:00Z (23.5 h)"),
            // This day was left out.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z to 2011-12-30T10:00:00Z (0 h)"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z to 2011-12-31T10:00:00Z (24 h)"),
            ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z to 2026-04-05T13:30:00Z (24.5 h)"),
        ] {
            let day: Date = on.parse().expect("a date");
            let start = day.checked_sub(3.days()).expect("a date").to_string();
            assert_eq!(window(&year(&start), zone, on), format!("day 4: {expected}"), "{zone} {on}");
        }
    }

    #[test]
    fn since_moves_the_beginning_and_not_past_the_end() {
        let loaded = sprint("calendar: {start: 2026-01-29, declared_days: 2}\n");
        let timeline = Timeline::of(&loaded.plan);
        let window = Window::of(date(2026, 1, 30), &timeline, loaded.plan.calendar.as_ref(), &TimeZone::UTC);
        let window = window.expect("a window");
        let start: Timestamp = "2026-01-20T10:00:00Z".parse().expect("a time");
        let longer = window.clone().since(start).expect("it is earlier");
        assert!(longer.holds(start) && longer.holds(window.start) && !longer.holds(window.end));
        assert!(window.clone().since(window.end).is_err());
    }

    proptest::proptest! {
        /// Whatever the zone and the calendar, each instant between the first and the last midnight is in one window.
        #[test]
        fn windows_lie_end_to_end(
            zone in proptest::sample::select(vec![
                "UTC", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "America/Havana", "Asia/Kathmandu",
            ]),
            start in 0i32..12_000,
            off in proptest::collection::btree_set(0usize..7, 0..5),
        ) {
            let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
            let worked: Vec<&str> = (0..7).filter(|n| !off.contains(n)).map(|n| names[n]).collect();
            let first = date(1990, 1, 1).checked_add(start.days()).expect("a date");
            let yaml = format!(
                "calendar: {{start: {first}, declared_days: 12, workdays: [{}]}}\n", worked.join(", ")
            );
            let (loaded, zone) = (sprint(&yaml), TimeZone::get(zone).expect("a zone"));
            let timeline = Timeline::of(&loaded.plan);
            let window = |date| Window::of(date, &timeline, loaded.plan.calendar.as_ref(), &zone).expect("a window");
            let windows: Vec<Window> = timeline.days().filter_map(|(_, date)| date).map(window).collect();
            for pair in windows.windows(2) {
                proptest::prop_assert_eq!(pair[0].end, pair[1].start);
                let mut between = pair[0].date.tomorrow().expect("a date");
                while between < pair[1].date {
                    proptest::prop_assert_eq!(window(between).day, pair[1].day);
                    between = between.tomorrow().expect("a date");
                }
            }
        }
    }
}
