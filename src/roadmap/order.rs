//! Rules about what comes before what (BZ4xx).

use crate::plan::Linted;
use crate::plan::finding::Report;
use crate::plan::needs::Needs;
use crate::plan::scalars::Id;
use crate::plan::schedule::Network;
use crate::plan::schema::Class;
use crate::plan::source::At;

pub(super) fn cycles(linted: &Linted<'_>, report: &mut Report) {
    let needs = Needs::with_uses(linted.plan);
    for cycle in needs.cycles() {
        let names: Vec<&str> = cycle.way.iter().chain(cycle.way.first()).map(|n| needs.id(*n)).collect();
        let rest = if cycle.more > 0 { format!(" ({} more are tied up with it)", cycle.more) } else { String::new() };
        report
            .find(cycle.begins, format!("{} needs itself: {}{rest}", names[0], names.join(" → ")))
            .against(cycle.closes, format!("{} needs {} here", names[names.len() - 2], names[0]))
            .fix("remove one of these needs: none of the work could ever begin");
    }
}

pub(super) fn used_early(linted: &Linted<'_>, report: &mut Report) {
    for item in &linted.plan.items {
        for need in &item.needs {
            let Some(name) = &need.item else { continue };
            let Some(needed) = linted.item(&name.value.0) else { continue };
            let reported = linted.completion(needed);
            if let (Some(by), Some(done)) = (&need.by_day, reported)
                && done > by.value
            {
                report
                    .find(by.span, format!("{} needs {} by day {}", item.id.value, name.value, by.value))
                    .against(needed.id.span, format!("it is complete on day {done}"))
                    .numbers(format!("day {}", by.value), format!("day {done}"))
                    .fix("finish it sooner, or begin later with what needs it");
                continue;
            }
            let begins = need.during.as_ref().or(item.window.as_ref());
            let ends = reported.or(needed.window.as_ref().map(|w| w.last));
            if let (Some(begins), Some(ends)) = (begins, ends)
                && ends >= begins.first
            {
                report
                    .find(
                        name.span,
                        format!("{} begins on day {} and needs {}", item.id.value, begins.first, name.value),
                    )
                    .against(
                        needed.window.as_ref().map_or(needed.id.span, |w| w.span),
                        format!("it ends on day {ends}"),
                    )
                    .numbers(format!("day {}", begins.first), format!("after day {ends}"))
                    .fix("begin after it ends, or say in `during` when it is needed");
            }
        }
        for deliverable in &item.deliverables {
            let Some(uses) = &deliverable.uses else { continue };
            let used = linted.item(&uses.value.0).and_then(|i| i.window.as_ref());
            if let (Some(own), Some(used)) = (&item.window, used)
                && used.first > own.last
            {
                report
                    .find(
                        uses.span,
                        format!("{} delivers by day {} what is made with {}", item.id.value, own.last, uses.value),
                    )
                    .against(used.span, format!("{} begins on day {}", uses.value, used.first))
                    .numbers(format!("day {}", own.last), format!("day {} at the earliest", used.first))
                    .fix("move this deliverable to the later item");
            }
        }
    }
}

pub(super) fn later_phase(linted: &Linted<'_>, report: &mut Report) {
    for (n, phase) in linted.phases().enumerate() {
        for criterion in phase.gate.iter().flat_map(|g| &g.criteria) {
            for work in &criterion.covers {
                let Some((of, package)) = linted.package(&work.value.0).filter(|(of, _)| *of > n) else { continue };
                let later = linted.phases().nth(of).map_or("a later phase", |p| p.id.value.0.as_str());
                report
                    .find(
                        work.span,
                        format!("the gate of {} needs {}, which is work of {later}", phase.id.value, work.value),
                    )
                    .against(package.id.span, format!("planned in {later}"))
                    .fix("move the package before the gate, or the criterion behind it");
            }
        }
    }
}

pub(super) fn critical_path(linted: &Linted<'_>, report: &mut Report) {
    let declared: Vec<&At<Id>> = linted.plan.critical_path.iter().flat_map(|p| &p.items).collect();
    let Some(first) = declared.first() else { return };
    let Ok(network) = Network::from(linted.plan, Needs::of(linted.plan)) else { return };
    let Ok(schedule) = network.schedule() else { return };
    let longest = &schedule.critical;
    let on_path: Vec<Option<usize>> = declared.iter().map(|d| network.number(&d.value.0)).collect();
    let missing: Vec<&str> = longest.iter().filter(|n| !on_path.contains(&Some(**n))).map(|n| network.id(*n)).collect();
    if longest.len() > 1 && !missing.is_empty() {
        let names: Vec<&str> = longest.iter().map(|n| network.id(*n)).collect();
        report
            .find(
                first.span,
                format!("the longest chain of needs holds {}, which the declared path leaves out", missing.join(", ")),
            )
            .against(network.works()[longest[longest.len() - 1]].id().span, "where the longest chain ends")
            .numbers(
                declared.iter().map(|d| d.value.0.as_str()).collect::<Vec<_>>().join(" → "),
                format!("{} ({} h)", names.join(" → "), schedule.length),
            )
            .fix("declare the computed path, or correct the needs and windows");
    }
}

pub(super) fn approved_early(linted: &Linted<'_>, report: &mut Report) {
    let slots: Vec<_> =
        linted.plan.days.iter().flat_map(|d| d.schedule.iter().map(move |s| ((d.n.value, s.from.value), s))).collect();
    for (when, slot) in &slots {
        for wanted in &slot.consumes {
            let made = slots.iter().find(|(_, s)| s.produces.iter().any(|p| p.value == wanted.value));
            if let Some((made_at, maker)) = made.filter(|(made_at, _)| made_at >= when) {
                report
                    .find(
                        wanted.span,
                        format!("“{}” rests on {}, which does not exist yet", slot.title.value, wanted.value),
                    )
                    .against(maker.from.span, format!("“{}” makes it", maker.title.value))
                    .numbers(
                        format!("day {} at {}", when.0, short(when.1)),
                        format!("after day {} at {}", made_at.0, short(maker.to.value)),
                    )
                    .fix("put what makes the evidence first");
            }
        }
    }
}

fn short(time: jiff::civil::Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

pub(super) fn metric_early(linted: &Linted<'_>, report: &mut Report) {
    for metric in &linted.plan.metrics {
        let (Some(since), Some(instrument)) = (&metric.since_day, &metric.instrument) else { continue };
        let of_task = linted
            .plan
            .days
            .iter()
            .find(|d| d.tasks.iter().any(|t| t.id.as_ref().is_some_and(|id| id.value == instrument.value)));
        let ready = of_task.map(|d| (d.n.value, d.n.span)).or_else(|| {
            let window = linted.item(&instrument.value.0)?.window?;
            Some((window.last, window.span))
        });
        if let Some((day, span)) = ready.filter(|(day, _)| *day > since.value) {
            report
                .find(since.span, format!("{} is to be reported from day {}", metric.name.value, since.value))
                .against(span, format!("{} is made on day {day}", instrument.value))
                .numbers(format!("day {}", since.value), format!("day {day}"))
                .fix("report it once it can be measured, or make the instrument first");
        }
    }
}

pub(super) fn blocked_but_scheduled(linted: &Linted<'_>, report: &mut Report) {
    for task in linted.tasks() {
        let Some(item) = &task.item else { continue };
        if linted.class_of(&item.value.0) == Some(Class::Blocked) {
            let place =
                linted.package(&item.value.0).map(|(_, p)| p.id.span).or(linted.item(&item.value.0).map(|i| i.id.span));
            report
                .find(item.span, format!("“{}” is scheduled, and {} is blocked", task.text.value, item.value))
                .against(place.unwrap_or(item.span), "where it is said to be blocked")
                .fix("schedule what lifts the block first, or take the block away");
        }
    }
}
