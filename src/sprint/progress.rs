//! Rules about progress from day to day (BZ6xx).

use std::collections::{BTreeMap, HashMap};

use crate::plan::Linted;
use crate::plan::finding::Report;
use crate::plan::scalars::Percent;
use crate::plan::source::Span;

pub(super) fn counts(linted: &Linted<'_>, report: &mut Report) {
    for day in &linted.plan.days {
        let Some(counts) = &day.counts else { continue };
        let done: Vec<&str> = linted
            .plan
            .items
            .iter()
            .filter(|item| linted.completion(item).is_some_and(|n| n <= day.n.value))
            .map(|item| item.id.value.0.as_str())
            .collect();
        if let Some(stated) = &counts.complete
            && u32::try_from(done.len()) != Ok(stated.value)
        {
            report
                .find(stated.span, format!("day {} counts {} items as complete", day.n.value, stated.value))
                .against(
                    day.n.span,
                    format!("at 100 % by then: {}", if done.is_empty() { "none".into() } else { done.join(", ") }),
                )
                .numbers(stated.value, done.len())
                .fix("count items at 100 %, and only items of the plan");
        }
        for name in &counts.named {
            let Some(item) = linted.item(&name.value.0) else { continue };
            let late = linted.completion(item).is_none_or(|n| n > day.n.value);
            if late {
                let part =
                    if item.id.value == name.value { String::new() } else { format!(", a part of {},", item.id.value) };
                let when = linted.completion(item).map_or("never".to_owned(), |n| format!("day {n}"));
                report
                    .find(name.span, format!("day {} counts {}{part} as a complete item", day.n.value, name.value))
                    .against(item.id.span, format!("{} is complete: {when}", item.id.value))
                    .numbers(format!("day {}", day.n.value), when)
                    .fix("count the item once all of it is at 100 %");
            }
        }
        if let (Some(complete), Some(active), Some(remaining)) =
            (&counts.complete, &counts.in_progress, &counts.remaining)
        {
            let sum = complete.value.saturating_add(active.value).saturating_add(remaining.value);
            if usize::try_from(sum) != Ok(linted.plan.items.len()) {
                report
                    .find(
                        complete.span,
                        format!("day {}: complete, in progress and remaining add up to {sum}", day.n.value),
                    )
                    .numbers(sum, linted.plan.items.len())
                    .fix("let the three add up to the items of the plan");
            }
        }
        if let Some(stated) =
            counts.in_progress.as_ref().filter(|s| !counts.active.is_empty() && s.value as usize != counts.active.len())
        {
            report
                .find(
                    stated.span,
                    format!(
                        "day {} counts {} items in progress and names {}",
                        day.n.value,
                        stated.value,
                        counts.active.len()
                    ),
                )
                .numbers(stated.value, counts.active.len())
                .fix("name as many as are counted");
        }
    }
}

pub(super) fn complete_category(linted: &Linted<'_>, report: &mut Report) {
    for day in &linted.plan.days {
        for category in day.counts.iter().flat_map(|c| &c.complete_categories) {
            let items =
                linted.plan.items.iter().filter(|i| i.category.as_ref().is_some_and(|c| c.value == category.value));
            for item in items.filter(|i| linted.completion(i).is_none_or(|n| n > day.n.value)) {
                let when = linted.completion(item).map_or("never".to_owned(), |n| format!("day {n}"));
                report
                    .find(
                        category.span,
                        format!(
                            "day {} calls all of {} complete, and {} is not",
                            day.n.value, category.value, item.id.value
                        ),
                    )
                    .against(item.id.span, format!("complete: {when}"))
                    .numbers(format!("day {}", day.n.value), when)
                    .fix("say which items are complete");
            }
        }
    }
}

pub(super) fn gaps(linted: &Linted<'_>, report: &mut Report) {
    let mut series: BTreeMap<&str, BTreeMap<u32, Span>> = BTreeMap::new();
    for milestone in linted.tasks().filter_map(|t| t.milestone.as_ref()) {
        series.entry(&milestone.series.value).or_default().insert(milestone.n.value, milestone.n.span);
    }
    for (name, numbers) in series {
        let all: Vec<(u32, Span)> = numbers.into_iter().collect();
        for pair in all.windows(2).filter(|pair| pair[1].0 > pair[0].0 + 1) {
            let missing: Vec<String> = (pair[0].0 + 1..pair[1].0).take(10).map(|n| format!("{name}{n}")).collect();
            report
                .find(pair[1].1, format!("{name}{} follows {name}{}", pair[1].0, pair[0].0))
                .against(pair[0].1, format!("{name}{}", pair[0].0))
                .numbers(format!("{name}{}", pair[1].0), &missing[0])
                .fix(format!("plan {}, or number anew", missing.join(", ")));
        }
    }
}

pub(super) fn falling(linted: &Linted<'_>, report: &mut Report) {
    let mut reached: HashMap<&str, (Percent, Span, u32)> = HashMap::new();
    for day in &linted.plan.days {
        for progress in &day.progress {
            let Some(name) = progress.part.as_ref().or(progress.item.as_ref()) else { continue };
            match reached.get(name.value.0.as_str()) {
                Some((before, span, n)) if *before > progress.percent.value => report
                    .find(
                        progress.percent.span,
                        format!("{} is at {} % on day {}", name.value, progress.percent.value.0, day.n.value),
                    )
                    .against(*span, format!("it was at {} % on day {n}", before.0))
                    .numbers(format!("{} %", progress.percent.value.0), format!("at least {} %", before.0))
                    .fix("correct one of the two, or say in a note what was undone"),
                _ => {
                    reached.insert(&name.value.0, (progress.percent.value, progress.percent.span, day.n.value));
                }
            }
        }
    }
}

pub(super) fn previous(linted: &Linted<'_>, report: &mut Report) {
    let mut before: Option<(u32, Span, u32)> = None;
    for day in &linted.plan.days {
        let Some(counts) = &day.counts else { continue };
        if let (Some(stated), Some((count, span, n))) = (&counts.previous, before)
            && stated.value != count
        {
            report
                .find(stated.span, format!("day {} builds on {} complete items", day.n.value, stated.value))
                .against(span, format!("day {n} counted {count}"))
                .numbers(stated.value, count)
                .fix("build on what the day before counted");
        }
        if let Some(complete) = &counts.complete {
            before = Some((complete.value, complete.span, day.n.value));
        }
    }
}

pub(super) fn forgotten(linted: &Linted<'_>, report: &mut Report) {
    for day in &linted.plan.days {
        let Some(counts) = day.counts.as_ref().filter(|c| !c.active.is_empty()) else { continue };
        for item in &linted.plan.items {
            let own = |id: &crate::plan::scalars::Id| linted.item(&id.0).is_some_and(|i| i.id.value == item.id.value);
            let begun = linted.plan.days.iter().filter(|d| d.n.value <= day.n.value).find_map(|d| {
                d.work.iter().find(|w| w.hours.is_some() && w.item.as_ref().is_some_and(|i| own(&i.value)))
            });
            let done = linted.completion(item).is_some_and(|n| n <= day.n.value);
            let named = counts.active.iter().chain(&counts.named).any(|name| own(&name.value));
            if let (Some(work), false, false) = (begun, done, named) {
                report
                    .find(
                        counts.span,
                        format!("day {} leaves {} out of what is in progress", day.n.value, item.id.value),
                    )
                    .against(work.span, "it has been begun")
                    .fix("name it among what is in progress");
            }
        }
    }
}
