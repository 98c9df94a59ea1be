//! Rules about who does what, and with how many hours (BZ5xx).

use std::collections::BTreeMap;

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::effort;
use crate::plan::finding::Report;
use crate::plan::scalars::Id;
use crate::plan::schema::{Day, Item, Work};
use crate::plan::source::{At, Span};

pub(super) fn work(day: &Day) -> impl Iterator<Item = &Work> {
    day.work.iter().chain(day.schedule.iter().flat_map(|s| &s.work))
}

pub(super) fn capacity(linted: &Linted<'_>, report: &mut Report) {
    let general = linted.plan.calendar.as_ref().and_then(|c| c.hours_per_day.as_ref());
    for day in &linted.plan.days {
        let mut hours: BTreeMap<&Id, (Decimal, Span, usize)> = BTreeMap::new();
        for work in work(day) {
            let Some(h) = &work.hours else { continue };
            for who in &work.who {
                let sum = hours.entry(&who.value).or_insert((Decimal::ZERO, who.span, 0));
                sum.0 = sum.0.add(h.value.0).unwrap_or(sum.0);
                (sum.1, sum.2) = (who.span, sum.2 + 1);
            }
        }
        for (who, (sum, last, pieces)) in hours {
            let own = linted.plan.people.iter().find(|p| p.id.value == *who).and_then(|p| p.capacity.as_ref());
            let limit = own.or(general);
            let most = limit.map_or(Decimal::from_int(8), |l| l.value.0);
            if sum > most {
                let found =
                    report.find(last, format!("{who} has {sum} h of work on day {}, in {pieces} pieces", day.n.value));
                let found = match limit {
                    Some(limit) => found.against(limit.span, "the hours of a day"),
                    None => found,
                };
                found
                    .numbers(format!("{sum} h"), format!("{most} h"))
                    .fix("move work to another day or person, or raise the capacity");
            }
        }
    }
}

fn involved(item: &Item) -> impl Iterator<Item = &At<Id>> {
    item.lead.iter().chain(item.support.iter().map(|s| &s.who))
}

pub(super) fn owners_without_hours(linted: &Linted<'_>, report: &mut Report) {
    if !linted.plan.days.iter().any(|d| work(d).next().is_some()) {
        return;
    }
    for item in &linted.plan.items {
        for person in involved(item) {
            let works = linted.plan.days.iter().flat_map(work).any(|w| {
                let of_item =
                    w.item.as_ref().and_then(|i| linted.item(&i.value.0)).is_some_and(|i| i.id.value == item.id.value);
                of_item && w.who.iter().any(|who| who.value == person.value)
            });
            if !works {
                report
                    .find(
                        person.span,
                        format!("{} has a part in {}, and no day has hours for it", person.value, item.id.value),
                    )
                    .numbers("a part", "0 h")
                    .fix("plan the hours, or take the name away");
            }
        }
    }
}

pub(super) fn outside_window(linted: &Linted<'_>, report: &mut Report) {
    for day in &linted.plan.days {
        for work in work(day) {
            // Who stands by does no work yet.
            let Some(name) = work.item.as_ref().filter(|_| work.hours.is_some()) else { continue };
            let Some(item) = linted.item(&name.value.0) else { continue };
            let Some(window) = item.window.as_ref().filter(|w| !w.value.contains(day.n.value)) else { continue };
            report
                .find(
                    name.span,
                    format!("{} is worked on on day {}: “{}”", item.id.value, day.n.value, work.text.value),
                )
                .against(window.span, format!("its window is {}", window.value))
                .numbers(format!("day {}", day.n.value), window.value)
                .fix("widen the window, or move the work into it");
        }
    }
}

pub(super) fn budget(linted: &Linted<'_>, report: &mut Report) {
    for item in &linted.plan.items {
        // Only budgets that are given in hours can be compared with hours.
        if item.effort.iter().any(|budget| budget.hours.is_none()) {
            continue;
        }
        let Some(planned) = effort::of_item(item, effort::hours_per_day(linted.plan)) else { continue };
        let scheduled = linted.plan.days.iter().flat_map(work).filter_map(|w| {
            let of_item =
                w.item.as_ref().and_then(|i| linted.item(&i.value.0)).is_some_and(|i| i.id.value == item.id.value);
            let people = Decimal::from_int(i64::try_from(w.who.len()).unwrap_or(0));
            if of_item { w.hours.as_ref()?.value.0.mul(people) } else { None }
        });
        let Some(scheduled) = Decimal::sum(scheduled).filter(|s| !s.is_zero()) else { continue };
        if scheduled != planned {
            report
                .find(item.effort[0].span, format!("{} has a budget of {planned} h", item.id.value))
                .against(item.id.span, format!("its days add up to {scheduled} h"))
                .numbers(format!("{planned} h"), format!("{scheduled} h"))
                .fix("let the budget be the sum of the scheduled hours, or the other way round");
        }
    }
}

pub(super) fn roster(linted: &Linted<'_>, report: &mut Report) {
    for person in &linted.plan.people {
        let Some(stated) = &person.assigned else { continue };
        let items: Vec<&str> = linted
            .plan
            .items
            .iter()
            .filter(|i| involved(i).any(|who| who.value == person.id.value))
            .map(|i| i.id.value.0.as_str())
            .collect();
        if u32::try_from(items.len()) != Ok(stated.value) {
            report
                .find(stated.span, format!("{} is said to have a part in {} items", person.id.value, stated.value))
                .against(
                    person.id.span,
                    format!("named in {}", if items.is_empty() { "none".to_owned() } else { items.join(", ") }),
                )
                .numbers(stated.value, items.len())
                .fix("correct the number, or name the person where they have a part");
        }
    }
}

pub(super) fn own_approval(linted: &Linted<'_>, report: &mut Report) {
    for approver in linted.plan.approvals.iter().flat_map(|a| &a.members) {
        let own: Vec<&Item> =
            linted.plan.items.iter().filter(|i| involved(i).any(|who| who.value == approver.who.value)).collect();
        if let Some(first) = own.first() {
            let names: Vec<&str> = own.iter().map(|i| i.id.value.0.as_str()).collect();
            report
                .find(
                    approver.who.span,
                    format!(
                        "{} approves as {} and has a part in {}",
                        approver.who.value,
                        approver.role.value,
                        names.join(", ")
                    ),
                )
                .against(first.id.span, "the first of these items")
                .numbers(format!("{} own items", own.len()), "0")
                .fix("let someone else approve these items, or ask for a second signature");
        }
    }
    for deliverable in linted.plan.items.iter().flat_map(|i| i.deliverables.iter().map(move |d| (i, d))) {
        let (item, deliverable) = deliverable;
        let Some(reviewer) = &deliverable.reviewer else { continue };
        if let Some(part) = involved(item).find(|who| who.value == reviewer.value) {
            report
                .find(reviewer.span, format!("{} reviews {}, and has a part in it", reviewer.value, item.id.value))
                .against(part.span, "their part")
                .fix("let someone without a part in it review");
        }
    }
}

pub(super) fn focus(linted: &Linted<'_>, report: &mut Report) {
    for team in &linted.plan.teams {
        for name in team.focus.iter().flat_map(|f| &f.items) {
            let lead = linted.item(&name.value.0).and_then(|i| i.lead.as_ref());
            let person = lead.and_then(|lead| linted.plan.people.iter().find(|p| p.id.value == lead.value));
            let (Some(lead), Some(of)) = (lead, person.and_then(|p| p.team.as_ref())) else { continue };
            if of.value != team.id.value {
                report
                    .find(
                        name.span,
                        format!(
                            "{} is in the focus of {}, and led by {} of {}",
                            name.value, team.name.value, lead.value, of.value
                        ),
                    )
                    .against(lead.span, "its lead")
                    .numbers(&team.id.value, &of.value)
                    .fix("put it into the focus of the team that leads it");
            }
        }
    }
}

pub(super) fn declared(linted: &Linted<'_>, report: &mut Report) {
    let plan = linted.plan;
    let mut compare = |stated: &At<u32>, real: usize, what: &str, place: Span| {
        if u32::try_from(real) != Ok(stated.value) {
            report
                .find(stated.span, format!("{} {what} are declared", stated.value))
                .against(place, format!("{real} are named"))
                .numbers(stated.value, real)
                .fix("correct the number, or the list");
        }
    };
    if let Some(roster) = &plan.roster {
        if let (Some(teams), Some(first)) = (&roster.teams, plan.teams.first()) {
            compare(teams, plan.teams.len(), "teams", first.span);
        }
        if let (Some(people), Some(first)) = (&roster.people, plan.people.first()) {
            compare(people, plan.people.len(), "people", first.span);
        }
    }
    for team in &plan.teams {
        let members = plan.people.iter().filter(|p| p.team.as_ref().is_some_and(|t| t.value == team.id.value)).count();
        if let Some(size) = &team.size {
            compare(size, members, &format!("members of {}", team.name.value), team.id.span);
        }
    }
    for category in &plan.categories {
        let items =
            plan.items.iter().filter(|i| i.category.as_ref().is_some_and(|c| c.value == category.id.value)).count();
        if let Some(count) = &category.count {
            compare(count, items, &format!("items of {}", category.name.value), category.id.span);
        }
    }
}
