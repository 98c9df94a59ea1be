//! The risk register of a sprint.

use serde_json::{Value, json};

use super::super::sheet::{Format, Sheet};
use super::{Head, tone};
use crate::sprint::risks::{Level, Registered};
use crate::ui::Tone;

pub(crate) fn sheet(head: &Head, register: &[Registered<'_>], format: Format) -> Sheet {
    let mut sheet = Sheet::new(format);
    head.write(&mut sheet);
    sheet.gap();
    for registered in register {
        write(registered, &mut sheet);
    }
    let risks: Vec<Value> = register.iter().map(document).collect();
    sheet.with_json(json!({ "sprint": head.json(), "risks": risks }))
}

fn write(registered: &Registered<'_>, sheet: &mut Sheet) {
    let risk = registered.risk;
    let level = match registered.level {
        Level::Critical | Level::High => Tone::Bad,
        Level::Medium => Tone::Warn,
        Level::Low | Level::Unknown => Tone::Dim,
    };
    let status = registered.status.map_or(", status unknown".to_owned(), |status| format!(", said to be {status}"));
    let name = (Tone::Strong, format!(" {}", risk.name.value));
    sheet.entry(0, [(level, registered.level.word().to_owned()), name, (Tone::Plain, status)]);
    let told =
        [("", &risk.risk), ("mitigation: ", &risk.mitigation), ("backup: ", &risk.backup), ("note: ", &risk.note)];
    for (what, text) in told.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?))) {
        sheet.entry(1, [(Tone::Dim, what.to_owned()), (Tone::Plain, text.value.clone())]);
    }
    if registered.touches.is_empty() {
        sheet.entry(1, [(Tone::Dim, "what it touches is unknown: the plan names no work in `affects`".to_owned())]);
    }
    for touched in &registered.touches {
        let words = [
            (Tone::Dim, "touches ".to_owned()),
            (Tone::Plain, format!("{}, ", touched.id)),
            (tone(touched.state), touched.state.word().to_owned()),
        ];
        sheet.entry(1, words);
    }
}

fn document(registered: &Registered<'_>) -> Value {
    let risk = registered.risk;
    let text = |text: &Option<crate::plan::source::At<String>>| text.as_ref().map(|t| t.value.clone());
    let ids = |touched: &mut dyn Iterator<Item = &crate::sprint::risks::Touched>| {
        touched.map(|t| t.id.clone()).collect::<Vec<_>>()
    };
    json!({
        "id": risk.id.as_ref().map(|id| id.value.0.as_str()),
        "name": risk.name.value,
        "level": registered.level.word(),
        "level_as_written": text(&risk.level),
        "status": registered.status,
        "risk": text(&risk.risk),
        "mitigation": text(&risk.mitigation),
        "backup": text(&risk.backup),
        "note": text(&risk.note),
        "touches": registered.touches.iter().map(|t| json!({ "id": t.id, "state": t.state.word() })).collect::<Vec<_>>(),
        "unproven": ids(&mut registered.unproven()),
        "blocked": ids(&mut registered.blocked()),
    })
}
