//! One day of a sprint.

use serde_json::{Value, json};

use super::super::sheet::{Format, Sheet, Table};
use super::{Head, hours, plain, tone};
use crate::plan::schema::{Slot, Task, Work};
use crate::sprint::day::{Counted, Told};
use crate::sprint::work::{Piece, State};
use crate::ui::{Align, Tone};

pub(crate) fn sheet(head: &Head, told: &Told<'_>, format: Format) -> Sheet {
    let mut sheet = Sheet::new(format);
    head.write(&mut sheet);
    sheet.gap();
    let date = told.date.map_or("no date".to_owned(), |date| date.to_string());
    let day = told.day;
    let words = [day.and_then(|d| d.title.as_ref()), day.and_then(|d| d.theme.as_ref())];
    let words: Vec<&str> = words.into_iter().flatten().map(|t| t.value.as_str()).collect();
    let title = if words.is_empty() { String::new() } else { format!(": {}", words.join(". ")) };
    sheet.heading(format!("Day {} ({date}){title}", told.n));
    if let Some(status) = day.and_then(|d| d.status.as_ref()) {
        sheet.line(format!("the plan says: {}", status.value));
    }
    if day.is_none() {
        sheet.line("The plan says nothing about this day but that it is counted.");
    }
    work(told, &mut sheet);
    schedule(told, &mut sheet);
    boxes(told, &mut sheet);
    reports(told, &mut sheet);
    due(told, &mut sheet);
    deliverables(told, &mut sheet);
    counts(told, &mut sheet);
    sheet.with_json(document(head, told))
}

fn names(work: &Work) -> String {
    work.who.iter().map(|who| who.value.0.as_str()).collect::<Vec<_>>().join(", ")
}

fn length(work: &Work) -> String {
    if work.standby.as_ref().is_some_and(|s| s.value) { "standby".into() } else { hours(work.hours.map(|h| h.value.0)) }
}

fn state(piece: Option<&Piece<'_>>) -> String {
    piece.map(|piece| piece.state.word().to_owned()).unwrap_or_default()
}

fn work(told: &Told<'_>, sheet: &mut Sheet) {
    if told.work.is_empty() {
        return;
    }
    sheet.gap();
    sheet.heading("Work");
    let columns = [
        ("who", Align::Left),
        ("time", Align::Right),
        ("item", Align::Left),
        ("now", Align::Left),
        ("what", Align::Left),
    ];
    let mut table = Table::new(columns);
    for planned in &told.work {
        let item = planned.work.item.as_ref().map(|i| i.value.to_string()).unwrap_or_default();
        let work = planned.work;
        table.row([names(work), length(work), item, state(planned.piece), work.text.value.clone()]);
    }
    sheet.table(table);
}

fn span(slot: &Slot) -> String {
    format!("{}–{}", slot.from.value.strftime("%H:%M"), slot.to.value.strftime("%H:%M"))
}

fn schedule(told: &Told<'_>, sheet: &mut Sheet) {
    let Some(day) = told.day.filter(|day| !day.schedule.is_empty()) else { return };
    sheet.gap();
    sheet.heading("Schedule");
    for slot in &day.schedule {
        sheet.entry(0, [(Tone::Strong, format!("{} ", span(slot))), (Tone::Plain, slot.title.value.clone())]);
        for work in &slot.work {
            let who = names(work);
            let who = if who.is_empty() { String::new() } else { format!("{who}: ") };
            sheet.entry(1, [(Tone::Plain, format!("{who}{}", work.text.value))]);
        }
    }
}

fn boxes(told: &Told<'_>, sheet: &mut Sheet) {
    if told.boxes.is_empty() {
        return;
    }
    sheet.gap();
    sheet.heading("Boxes");
    for (task, piece) in &told.boxes {
        let mark = if ticked(task) { "[x] " } else { "[ ] " };
        let state = piece.map_or(State::Todo, |p| p.state);
        let words = [
            (Tone::Plain, mark.to_owned()),
            (Tone::Plain, task.text.value.clone()),
            (tone(state), format!(" {}", state.word())),
        ];
        sheet.entry(0, words);
    }
}

fn ticked(task: &Task) -> bool {
    task.done.as_ref().is_some_and(|d| d.value)
}

fn reports(told: &Told<'_>, sheet: &mut Sheet) {
    if told.reports.is_empty() {
        return;
    }
    sheet.gap();
    sheet.heading("By the end of the day");
    let mut table =
        Table::new([("item", Align::Left), ("plan", Align::Right), ("now", Align::Left), ("note", Align::Left)]);
    for report in &told.reports {
        let note = report.note.unwrap_or_default().to_owned();
        table.row([report.name.to_owned(), format!("{} %", report.percent), state(report.piece), note]);
    }
    sheet.table(table);
}

fn due(told: &Told<'_>, sheet: &mut Sheet) {
    let open: Vec<&&Piece<'_>> = told.due.iter().filter(|piece| !piece.is_proven()).collect();
    if open.is_empty() {
        return;
    }
    sheet.gap();
    sheet.heading("In their window, and not proven");
    for piece in open {
        let last = piece.window.is_some_and(|w| w.last == told.n);
        let words = [
            (Tone::Strong, format!("{} ", piece.key)),
            (Tone::Plain, piece.name.to_owned()),
            (tone(piece.state), format!(" {}", piece.state.word())),
            (Tone::Dim, if last { ", on its last day".to_owned() } else { String::new() }),
        ];
        sheet.entry(0, words);
    }
}

fn deliverables(told: &Told<'_>, sheet: &mut Sheet) {
    let Some(day) = told.day.filter(|day| !day.deliverables.is_empty()) else { return };
    sheet.gap();
    sheet.heading("To be delivered");
    day.deliverables.iter().for_each(|text| sheet.entry(0, [(Tone::Plain, text.value.clone())]));
}

fn counts(told: &Told<'_>, sheet: &mut Sheet) {
    let Counted { stated, reported, proven_then, proven_now, of } = told.counted;
    if of == 0 {
        return;
    }
    sheet.gap();
    sheet.heading("Complete items");
    if let Some(stated) = stated {
        sheet.line(format!("the plan counts {stated} of {of}"));
    }
    sheet.line(format!("its reports reach 100 % for {reported}"));
    let then = proven_then.map(|n| format!("{n} by the end of the day, ")).unwrap_or_default();
    sheet.line(format!("proven: {then}{proven_now} now"));
}

fn document(head: &Head, told: &Told<'_>) -> Value {
    let of_work = |work: &Work, piece: Option<&Piece<'_>>| {
        json!({
            "who": work.who.iter().map(|w| w.value.0.as_str()).collect::<Vec<_>>(),
            "hours": work.hours.map(|h| plain(h.value.0)),
            "standby": work.standby.as_ref().is_some_and(|s| s.value),
            "item": work.item.as_ref().map(|i| i.value.0.as_str()),
            "text": work.text.value,
            "state": piece.map(|p| p.state.word()),
        })
    };
    let slots: Vec<Value> = told
        .day
        .iter()
        .flat_map(|d| &d.schedule)
        .map(|slot| {
            json!({
                "from": slot.from.value.strftime("%H:%M").to_string(),
                "to": slot.to.value.strftime("%H:%M").to_string(),
                "title": slot.title.value,
                "work": slot.work.iter().map(|w| of_work(w, None)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let boxes = told.boxes.iter().map(|(task, piece)| {
        json!({ "text": task.text.value, "ticked": ticked(task), "state": piece.map(|p| p.state.word()) })
    });
    let reports = told.reports.iter().map(
        |r| json!({ "item": r.name, "percent": r.percent, "note": r.note, "state": r.piece.map(|p| p.state.word()) }),
    );
    let due = told.due.iter().map(|piece| json!({ "key": piece.key, "state": piece.state.word() }));
    json!({
        "sprint": head.json(),
        "day": told.n,
        "date": told.date.map(|d| d.to_string()),
        "title": told.day.and_then(|d| d.title.as_ref()).map(|t| t.value.as_str()),
        "theme": told.day.and_then(|d| d.theme.as_ref()).map(|t| t.value.as_str()),
        "status": told.day.and_then(|d| d.status.as_ref()).map(|t| t.value.as_str()),
        "work": told.work.iter().map(|p| of_work(p.work, p.piece)).collect::<Vec<_>>(),
        "schedule": slots,
        "boxes": boxes.collect::<Vec<_>>(),
        "progress": reports.collect::<Vec<_>>(),
        "due": due.collect::<Vec<_>>(),
        "deliverables": told.day.iter().flat_map(|d| &d.deliverables).map(|t| t.value.as_str()).collect::<Vec<_>>(),
        "complete": {
            "stated": told.counted.stated,
            "reported": told.counted.reported,
            "proven_by_then": told.counted.proven_then,
            "proven_now": told.counted.proven_now,
            "of": told.counted.of,
        },
    })
}
