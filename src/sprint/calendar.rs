//! Rules about dates, days and times (BZ3xx).

use jiff::ToSpan;
use jiff::civil::Date;

use crate::plan::Linted;
use crate::plan::calendar::{days_between, in_year};
use crate::plan::finding::Report;
use crate::plan::schema::{Calendar, Phase, Weekday};
use crate::plan::source::{At, Span};

/// A year in which all these dates are worked, when this one is not it.
fn fitting_year(calendar: &Calendar, dates: &[Date]) -> Option<i16> {
    let year = dates.first()?.year();
    [1, -1, 2, -2, 3, -3]
        .into_iter()
        .map(|off| year + off)
        .find(|year| dates.iter().all(|date| in_year(*date, *year).is_some_and(|moved| calendar.works(moved))))
}

pub(super) fn idle_dates(linted: &Linted<'_>, report: &mut Report) {
    let Some(calendar) = &linted.plan.calendar else { return };
    let dates: Vec<Date> = linted.plan.days.iter().filter_map(|d| Some(d.date.as_ref()?.value)).collect();
    let hint = fitting_year(calendar, &dates)
        .map(|year| format!("; all {} dates are worked in {year}, so the year may be what is wrong", dates.len()));
    let named = [("the start", &calendar.start), ("the target", &calendar.target)];
    let named = named.into_iter().filter_map(|(what, date)| Some((what.to_owned(), date.as_ref()?)));
    let numbered = linted.plan.days.iter().filter_map(|d| Some((format!("day {}", d.n.value), d.date.as_ref()?)));
    for (what, date) in named.chain(numbered) {
        if calendar.works(date.value) {
            continue;
        }
        let weekday = Weekday::of(date.value).name();
        let holiday = calendar.holidays.iter().find(|h| h.value == date.value);
        let found = report.find(date.span, format!("{what} is {}, a {weekday} on which nobody works", date.value));
        let found = match (holiday, calendar.workdays.first()) {
            (Some(holiday), _) => found.against(holiday.span, "a holiday"),
            (None, Some(first)) => found.against(first.span, "the days that are worked"),
            (None, None) => found,
        };
        let next = calendar.next_workday(date.value).map_or("no day".to_owned(), |d| d.to_string());
        let fix = format!("move it to {next}, or add {weekday} to the workdays{}", hint.as_deref().unwrap_or_default());
        found.numbers(date.value, next).fix(fix);
    }
}

/// The highest numbered day, and where it stands.
fn last_day(linted: &Linted<'_>) -> Option<(u32, Span)> {
    let days = linted.plan.days.iter().map(|d| (d.n.value, d.n.span));
    let phases = linted.plan.phases.iter().filter_map(|p| p.days.as_ref()).map(|d| (d.last, d.span));
    days.chain(phases).max_by_key(|(n, _)| *n)
}

pub(super) fn length(linted: &Linted<'_>, report: &mut Report) {
    let Some(calendar) = &linted.plan.calendar else { return };
    let (Some(start), Some(target), Some((last, place))) = (&calendar.start, &calendar.target, last_day(linted)) else {
        return;
    };
    let Some(worked) = calendar.count(start.value, target.value) else {
        report
            .find(target.span, format!("the target {} is before the start {}", target.value, start.value))
            .against(start.span, "the start")
            .fix("exchange the two, or correct them");
        return;
    };
    // Where the working days are declared to be another number, that rule speaks of it already.
    if worked != last && calendar.declared_days.is_none() {
        let mut end = Some(start.value);
        for _ in 1..last.min(3660) {
            end = end.and_then(|day| calendar.next_workday(day));
        }
        let end = end.map_or("later".to_owned(), |d| d.to_string());
        report
            .find(
                target.span,
                format!("from {} to {} there are {worked} days, and {last} are planned", start.value, target.value),
            )
            .against(place, format!("day {last}"))
            .numbers(format!("{last} days"), format!("{worked} days"))
            .fix(format!("set the target to {end}, or plan {worked} days"));
    }
}

pub(super) fn declared_days(linted: &Linted<'_>, report: &mut Report) {
    let Some(calendar) = &linted.plan.calendar else { return };
    let (Some(start), Some(target), Some(declared)) = (&calendar.start, &calendar.target, &calendar.declared_days)
    else {
        return;
    };
    let Some(worked) = calendar.count(start.value, target.value) else { return };
    if worked != declared.value {
        report
            .find(
                declared.span,
                format!("{} working days are declared from {} to {}", declared.value, start.value, target.value),
            )
            .against(start.span, "the first of them")
            .numbers(format!("{} days", declared.value), format!("{worked} days"))
            .fix("declare what the calendar has, or move start or target");
    }
}

pub(super) fn steps(linted: &Linted<'_>, report: &mut Report) {
    let Some(calendar) = &linted.plan.calendar else { return };
    for pair in linted.plan.days.windows(2) {
        let (Some(before), Some(date)) = (&pair[0].date, &pair[1].date) else { continue };
        let next = calendar.next_workday(before.value);
        let stepping = pair[1].n.value == pair[0].n.value + 1;
        if stepping && next.is_some_and(|next| next != date.value) && calendar.works(date.value) {
            let next = next.map_or_else(String::new, |d| d.to_string());
            let what = if date.value <= before.value { "is not after it" } else { "leaves working days out" };
            report
                .find(date.span, format!("day {} is {}, which {what}", pair[1].n.value, date.value))
                .against(before.span, format!("day {} is {}", pair[0].n.value, before.value))
                .numbers(date.value, next)
                .fix("date it on the next working day, or add a holiday for those left out");
        }
    }
}

pub(super) fn windows(linted: &Linted<'_>, report: &mut Report) {
    let by_days = |p: &Phase| p.days.as_ref().map(|d| (d.first, d.last, d.span, d.value.to_string()));
    let by_window = |p: &Phase| {
        let window = p.window.as_ref()?;
        let to = window.to.as_ref().unwrap_or(&window.from);
        let text = format!("{} to {}", window.from.value, to.value);
        Some((window.from.value.days().0, to.value.days().1, window.span, text))
    };
    for phases in [&linted.plan.phases, &linted.plan.tiers] {
        for pair in phases.windows(2) {
            let both =
                by_days(&pair[0]).zip(by_days(&pair[1])).or_else(|| by_window(&pair[0]).zip(by_window(&pair[1])));
            let Some(((_, end, first, a), (begin, _, second, b))) = both else { continue };
            // Weeks, months and years don't begin on each other's days: what is left of a month is no gap.
            let slack = if pair[0].window.is_some() { 30 } else { 0 };
            let (names, what) =
                ((&pair[0].id.value, &pair[1].id.value), if begin <= end { "overlap" } else { "leave a gap" });
            if begin + slack <= end || begin > end + 1 + slack {
                report
                    .find(second, format!("{} and {} {what}: {a}, then {b}", names.0, names.1))
                    .against(first, format!("{} ends here", names.0))
                    .numbers(&b, format!("from day {} on", end + 1))
                    .fix("let one begin where the other ends, or say in the plan what the time between is for");
            }
        }
    }
}

pub(super) fn times(linted: &Linted<'_>, report: &mut Report) {
    for day in &linted.plan.days {
        for slot in &day.schedule {
            if slot.to.value <= slot.from.value {
                report
                    .find(slot.to.span, format!("“{}” ends before it begins", slot.title.value))
                    .against(slot.from.span, "its beginning")
                    .fix("exchange the two times");
            } else if let Some(hours) = &slot.hours {
                let minutes = (i64::from(slot.to.value.hour()) - i64::from(slot.from.value.hour())) * 60
                    + i64::from(slot.to.value.minute())
                    - i64::from(slot.from.value.minute());
                let real = crate::plan::decimal::Decimal::from_int(minutes)
                    .div(crate::plan::decimal::Decimal::from_int(60), 2);
                if real.is_some_and(|real| real != hours.value.0) {
                    report
                        .find(hours.span, format!("“{}” is said to last {} h", slot.title.value, hours.value.0))
                        .against(slot.from.span, format!("from {} to {}", clock(slot.from.value), clock(slot.to.value)))
                        .numbers(hours.value.0, real.unwrap_or_default())
                        .fix("correct the hours or the times");
                }
            }
        }
        for pair in day.schedule.windows(2) {
            if pair[1].from.value < pair[0].to.value {
                report
                    .find(
                        pair[1].from.span,
                        format!("“{}” begins before “{}” ends", pair[1].title.value, pair[0].title.value),
                    )
                    .against(pair[0].to.span, "the end of the one before")
                    .numbers(clock(pair[1].from.value), clock(pair[0].to.value))
                    .fix("begin when the one before has ended");
            }
        }
    }
    let Some(go) = &linted.plan.go_no_go else { return };
    let Some(at) = &go.at else { return };
    let day = linted.plan.days.iter().find(|d| d.n.value == go.day.value);
    let slots = day.iter().flat_map(|d| &d.schedule);
    if let Some(slot) = slots.clone().find(|s| s.decides.is_some())
        && !(slot.from.value <= at.value && at.value < slot.to.value)
    {
        report
            .find(at.span, format!("the decision is due at {}", clock(at.value)))
            .against(
                slot.from.span,
                format!("“{}” is from {} to {}", slot.title.value, clock(slot.from.value), clock(slot.to.value)),
            )
            .numbers(clock(at.value), format!("{} to {}", clock(slot.from.value), clock(slot.to.value)))
            .fix("let the decision fall into the time that is set aside for it");
    }
    if let Some(zone) = go.zone.as_ref().filter(|z| z.value != linted.plan.timezone.value) {
        report
            .find(
                zone.span,
                format!(
                    "the decision is timed in {}, and the plan's days in {}",
                    zone.value.0, linted.plan.timezone.value.0
                ),
            )
            .against(linted.plan.timezone.span, "the zone of the plan")
            .numbers(&zone.value.0, &linted.plan.timezone.value.0)
            .fix("give all times in the zone of the plan");
    }
}

fn clock(time: jiff::civil::Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

pub(super) fn rollout(linted: &Linted<'_>, report: &mut Report) {
    let Some(rollout) = &linted.plan.rollout else { return };
    let last = rollout.steps.iter().map(|s| (s.days.last, s.days.span)).max_by_key(|(n, _)| *n);
    if let (Some(declared), Some((last, span))) = (&rollout.declared_days, last)
        && declared.value != last
    {
        report
            .find(declared.span, format!("the rollout is declared to take {} days", declared.value))
            .against(span, format!("its last step ends on day {last}"))
            .numbers(format!("{} days", declared.value), format!("{last} days"))
            .fix("declare the days that the steps take, or shorten the steps");
    }
    for pair in rollout.steps.windows(2) {
        let reached = pair[0].to.as_ref().unwrap_or(&pair[0].from);
        if pair[1].days.first != pair[0].days.last + 1 || pair[1].from.value != reached.value {
            report
                .find(
                    pair[1].span,
                    format!("this step begins on day {} at {} %", pair[1].days.first, pair[1].from.value.0),
                )
                .against(
                    pair[0].span,
                    format!("the one before ends on day {} at {} %", pair[0].days.last, reached.value.0),
                )
                .numbers(
                    format!("day {}, {} %", pair[1].days.first, pair[1].from.value.0),
                    format!("day {}, {} %", pair[0].days.last + 1, reached.value.0),
                )
                .fix("let each step begin where the one before ended");
        }
    }
}

pub(super) fn before_window(linted: &Linted<'_>, report: &mut Report) {
    let window_of = |id: &str| linted.package(id).and_then(|(n, _)| linted.phases().nth(n)?.window.as_ref());
    for plan in &linted.plan.week {
        let end = plan.week.as_ref().map_or(7, |w| w.value * 7);
        for item in plan.tasks.iter().filter_map(|t| t.item.as_ref()) {
            early(report, item, end, &format!("week {}", end / 7), window_of(&item.value.0));
        }
    }
    for horizon in &linted.plan.horizons {
        let Some(due) = horizon.window.as_ref().map(|w| w.to.as_ref().unwrap_or(&w.from)) else { continue };
        for work in horizon.criteria.iter().flat_map(|c| &c.covers) {
            early(report, work, due.value.days().1, &horizon.name.value, window_of(&work.value.0));
        }
    }
}

fn early(
    report: &mut Report,
    work: &At<crate::plan::scalars::Id>,
    end: u32,
    when: &str,
    window: Option<&crate::plan::schema::Window>,
) {
    if let Some(window) = window.filter(|w| w.from.value.days().0 > end) {
        report
            .find(work.span, format!("{} is due in {when}, before its own window begins", work.value))
            .against(window.span, format!("its window begins in {}", window.from.value))
            .numbers(when, window.from.value)
            .fix("schedule it in its window, or move the window");
    }
}

pub(super) fn week_of(linted: &Linted<'_>, report: &mut Report) {
    let Some(week) = linted.plan.rollout.as_ref().and_then(|r| r.week_of.as_ref()) else { return };
    let weekday = Weekday::of(week.value);
    let first = linted.plan.calendar.as_ref().and_then(|c| c.workdays.first()).map_or(Weekday::Monday, |w| w.value);
    if weekday == first {
        return;
    }
    let mut begins = week.value;
    while Weekday::of(begins) != first {
        match begins.checked_sub(1.day()) {
            Ok(before) => begins = before,
            Err(_) => return,
        }
    }
    let off = days_between(begins, week.value).unwrap_or(0);
    report
        .find(week.span, format!("the week of {} is named after a {}, {off} days into it", week.value, weekday.name()))
        .numbers(week.value, begins)
        .fix(format!("name it after its first day, {begins}, or check the year"));
}
