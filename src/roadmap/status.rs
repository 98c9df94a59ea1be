//! Rules about what is said to be done: text, ticks, icons, values (BZ0xx, BZ1xx).

use std::collections::HashMap;

use crate::plan::Linted;
use crate::plan::finding::Report;
use crate::plan::schema::Class;
use crate::plan::source::Span;
use crate::plan::text;

pub(super) fn damaged_text(linted: &Linted<'_>, report: &mut Report) {
    let source = linted.source;
    let Some(repaired) = text::repaired(&source.text) else { return };
    let mut offset = 0;
    let mut lines = 0;
    let mut first = None;
    for (damaged, right) in source.text.split_inclusive('\n').zip(repaired.split_inclusive('\n')) {
        if damaged != right {
            lines += 1;
            first.get_or_insert((offset, damaged.trim_end(), right.trim()));
        }
        offset += damaged.len();
    }
    let Some((offset, damaged, right)) = first else { return };
    let skipped = damaged.len() - damaged.trim_start().len();
    let start = offset + skipped;
    let file = linted.plan.span.file;
    let span = Span { file, start: narrow(start), end: narrow(offset + damaged.len()) };
    report
        .find(span, format!("the text is UTF-8 that was read as Mac Roman, in {lines} lines"))
        .numbers(damaged.trim(), right)
        .fix("write the text as it was: every line decodes exactly, the first one as shown");
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn open_child(linted: &Linted<'_>, report: &mut Report) {
    let done = |status: &crate::plan::source::At<String>| linted.class(&status.value) == Class::Done;
    for day in &linted.plan.days {
        let Some(status) = day.status.as_ref().filter(|s| done(s)) else { continue };
        for task in day.tasks.iter().filter(|t| t.done.as_ref().is_some_and(|d| !d.value)) {
            report
                .find(
                    status.span,
                    format!("day {} is {}, and “{}” is open", day.n.value, status.value, task.text.value),
                )
                .against(task.span, "the open task")
                .fix("tick the task once it is done, or take the day's status back");
        }
    }
    for phase in linted.phases() {
        let Some(status) = phase.status.as_ref().filter(|s| done(s)) else { continue };
        for package in &phase.packages {
            let Some(own) = package.status.as_ref().filter(|s| !done(s)) else { continue };
            report
                .find(
                    status.span,
                    format!("{} is {}, and {} is {}", phase.id.value, status.value, package.id.value, own.value),
                )
                .against(own.span, "the open package")
                .fix("finish the package, or take the phase's status back");
        }
        for criterion in phase.gate.iter().flat_map(|g| &g.criteria) {
            let Some(open) = criterion.ticked.as_ref().filter(|t| !t.value) else { continue };
            report
                .find(
                    status.span,
                    format!(
                        "{} is {}, and its criterion {} is not ticked",
                        phase.id.value, status.value, criterion.id.value
                    ),
                )
                .against(open.span, "the open criterion")
                .fix("meet the criterion, or take the phase's status back");
        }
    }
}

pub(super) fn ticked_but_open(linted: &Linted<'_>, report: &mut Report) {
    for criterion in linted.criteria() {
        let Some(tick) = criterion.ticked.as_ref().filter(|t| t.value) else { continue };
        for work in &criterion.covers {
            if linted.class_of(&work.value.0).is_some_and(|class| class != Class::Done) {
                report
                    .find(tick.span, format!("{} is ticked, and {} is not done", criterion.id.value, work.value))
                    .against(work.span, "the work that it rests on")
                    .fix("remove the tick until the work is done: it says what is hoped for");
            }
        }
    }
}

pub(super) fn ticked_without_anything(linted: &Linted<'_>, report: &mut Report) {
    for criterion in linted.criteria() {
        let bare = criterion.covers.is_empty() && criterion.evidence.is_none();
        if let Some(tick) = criterion.ticked.as_ref().filter(|t| t.value && bare) {
            report
                .find(
                    tick.span,
                    format!("{} is ticked, and neither work nor evidence stands behind it", criterion.id.value),
                )
                .fix("name the work in `covers` or the `evidence`, or remove the tick");
        }
    }
}

pub(super) fn shared_icons(linted: &Linted<'_>, report: &mut Report) {
    let mut seen: HashMap<&str, (&str, Class, Span)> = HashMap::new();
    for (word, status) in linted.plan.vocab.iter().flat_map(|v| &v.status.0) {
        let Some(icon) = &status.icon else { continue };
        match seen.get(icon.value.as_str()) {
            Some((other, class, span)) if *class != status.class.value => report
                .find(icon.span, format!("{} stands for `{}` and for `{other}`", icon.value, word.value))
                .against(*span, format!("`{other}`, which means {}", class.word()))
                .fix("give each its own icon: readers can't tell the two apart"),
            Some(_) => {}
            None => {
                seen.insert(&icon.value, (&word.value, status.class.value, icon.span));
            }
        }
    }
}

pub(super) fn recorded_elsewhere(linted: &Linted<'_>, report: &mut Report) {
    for metric in linted.plan.metrics.iter().filter(|m| m.current.is_none()) {
        let recorded = linted.tasks().flat_map(|t| t.measured.iter()).find(|m| m.metric.value == metric.id.value);
        if let Some(recorded) = recorded {
            let unit = recorded.unit.as_ref().map_or("", |u| u.value.as_str());
            report
                .find(metric.span, format!("the current value of {} is unknown here", metric.name.value))
                .against(recorded.span, "recorded here")
                .numbers("unknown", format!("{} {unit}", recorded.value.value).trim())
                .fix("write the recorded value, with a note when it was measured under other conditions");
        }
    }
}
