//! Where a sprint stands.

use serde_json::{Value, json};

use super::super::chart::{Chart, Series};
use super::super::sheet::{Format, Sheet, Table};
use super::{Head, hours, keys, number, piece_json, plain, tone};
use crate::sprint::metrics::Measured;
use crate::sprint::status::{Amount, Burndown, Load, Measure, Totals};
use crate::sprint::work::{Board, State};
use crate::ui::{Align, Tone};

/// Narrow terminals have this many columns.
const COLUMNS: usize = 40;
const ROWS: usize = 9;

pub(crate) struct Status<'a> {
    pub(crate) head: &'a Head,
    pub(crate) board: &'a Board<'a>,
    pub(crate) totals: Totals,
    pub(crate) burndown: Option<Burndown>,
    pub(crate) load: Vec<Load>,
    pub(crate) metrics: Vec<Measured<'a>>,
}

pub(crate) fn sheet(status: &Status<'_>, format: Format) -> Sheet {
    let mut sheet = Sheet::new(format);
    status.head.write(&mut sheet);
    work(status, &mut sheet);
    burnt(status, &mut sheet);
    people(status, &mut sheet);
    blockers(status, &mut sheet);
    metrics(status, &mut sheet);
    sheet.with_json(json(status))
}

fn share(part: Amount, all: Amount) -> String {
    let pieces = format!("{} of {}", part.pieces, all.pieces);
    if all.hours.is_zero() { pieces } else { format!("{pieces}, {} of {} h", plain(part.hours), plain(all.hours)) }
}

fn work(status: &Status<'_>, sheet: &mut Sheet) {
    let totals = &status.totals;
    sheet.gap();
    sheet.heading("Work");
    if totals.all.pieces == 0 {
        sheet.line("The sprint lists no work.");
        return;
    }
    sheet.line(format!("proven {}", share(totals.proven, totals.all)));
    sheet.line(format!("claimed {}", share(totals.claimed, totals.all)));
    if totals.without_hours > 0 && !totals.all.hours.is_zero() {
        sheet.toned(Tone::Dim, format!("{} of them have no hours", totals.without_hours));
    }
    for (state, amount) in totals.by_state.iter().filter(|(_, amount)| amount.pieces > 0) {
        let of_state: Vec<_> = status.board.pieces.iter().filter(|p| p.state == *state).collect();
        let count = if amount.hours.is_zero() {
            format!("{}: ", amount.pieces)
        } else {
            format!("{} ({}): ", amount.pieces, hours(Some(amount.hours)))
        };
        let named = keys(&of_state);
        let words = [(tone(*state), state.word().to_owned()), (Tone::Plain, format!(" {count}{named}"))];
        sheet.entry(0, words);
    }
}

pub(crate) fn chart<'a>(head: &Head, burndown: &'a Burndown) -> Chart<'a> {
    let unit = match burndown.measure {
        Measure::Hours => "h",
        Measure::Pieces => "",
    };
    let series = |name, mark, colour, dashed, points: Vec<Option<f64>>| Series { name, mark, colour, dashed, points };
    let points = &burndown.points;
    Chart {
        title: format!("{}: left to do", head.id),
        unit,
        labels: points.iter().map(|p| p.day.map_or("0".to_owned(), |day| day.to_string())).collect(),
        series: vec![
            series("ideal", '·', "#888888", true, points.iter().map(|p| Some(number(p.ideal))).collect()),
            series("claimed", '○', "#c77700", false, points.iter().map(|p| p.claimed.map(number)).collect()),
            series("proven", '●', "#0a7d32", false, points.iter().map(|p| p.proven.map(number)).collect()),
        ],
    }
}

fn burnt(status: &Status<'_>, sheet: &mut Sheet) {
    sheet.gap();
    let Some(burndown) = &status.burndown else {
        sheet.heading("Burn-down");
        sheet.line("Not drawn: the sprint has no dates, or no work.");
        return;
    };
    let of = match burndown.measure {
        Measure::Hours => "hours",
        Measure::Pieces => "pieces of work",
    };
    sheet.heading(format!("Burn-down: {of} left, by day"));
    sheet.drawing(chart(status.head, burndown).lines(COLUMNS, ROWS));
}

fn people(status: &Status<'_>, sheet: &mut Sheet) {
    let scheduled = status.load.iter().any(|load| !load.whole.is_zero());
    if status.load.is_empty() || !scheduled {
        return;
    }
    sheet.gap();
    sheet.heading("People: hours that the days plan");
    let mut table = Table::new([
        ("who", Align::Left),
        ("today", Align::Right),
        ("left", Align::Right),
        ("all", Align::Right),
        ("of", Align::Right),
        ("too much on", Align::Left),
    ]);
    for load in &status.load {
        let over: Vec<String> =
            load.over.iter().map(|(day, hours)| format!("day {day} ({} h)", plain(*hours))).collect();
        table.row([
            load.who.clone(),
            plain(load.today),
            plain(load.left),
            plain(load.whole),
            plain(load.capacity),
            over.join(", "),
        ]);
    }
    sheet.table(table);
}

fn blockers(status: &Status<'_>, sheet: &mut Sheet) {
    sheet.gap();
    sheet.heading("Open blockers");
    if status.board.obstacles.is_empty() {
        sheet.line("The plan names none.");
    }
    for obstacle in &status.board.obstacles {
        let blocks = if obstacle.blocks.is_empty() {
            String::new()
        } else {
            format!(" (blocks {})", obstacle.blocks.join(", "))
        };
        let text = obstacle.text.map(|t| format!(": {t}")).unwrap_or_default();
        sheet.entry(0, [(Tone::Warn, obstacle.name.to_owned()), (Tone::Plain, format!("{text}{blocks}"))]);
    }
}

fn metrics(status: &Status<'_>, sheet: &mut Sheet) {
    if status.metrics.is_empty() {
        return;
    }
    sheet.gap();
    sheet.heading("Metrics");
    sheet.table(super::metrics::table(&status.metrics));
}

fn amount(amount: Amount) -> Value {
    json!({ "pieces": amount.pieces, "hours": plain(amount.hours) })
}

fn json(status: &Status<'_>) -> Value {
    let totals = &status.totals;
    let by_state: serde_json::Map<String, Value> =
        totals.by_state.iter().map(|(state, sum): &(State, Amount)| (state.word().to_owned(), amount(*sum))).collect();
    let burndown = status.burndown.as_ref().map(|burndown| {
        let points: Vec<Value> = burndown
            .points
            .iter()
            .map(|p| {
                json!({
                    "day": p.day,
                    "date": p.date.map(|d| d.to_string()),
                    "ideal": plain(p.ideal),
                    "claimed": p.claimed.map(plain),
                    "proven": p.proven.map(plain),
                })
            })
            .collect();
        let measure = match burndown.measure {
            Measure::Hours => "hours",
            Measure::Pieces => "pieces",
        };
        json!({ "measure": measure, "total": plain(burndown.total), "points": points })
    });
    let load: Vec<Value> = status
        .load
        .iter()
        .map(|l| {
            let over: Vec<Value> = l.over.iter().map(|(d, h)| json!({ "day": d, "hours": plain(*h) })).collect();
            json!({
                "who": l.who,
                "team": l.team,
                "hours_today": plain(l.today),
                "hours_left": plain(l.left),
                "hours": plain(l.whole),
                "hours_a_day": plain(l.a_day),
                "capacity": plain(l.capacity),
                "over": over,
            })
        })
        .collect();
    let blockers: Vec<Value> = status
        .board
        .obstacles
        .iter()
        .map(|o| json!({ "name": o.name, "text": o.text, "blocks": o.blocks, "next": o.next }))
        .collect();
    json!({
        "sprint": status.head.json(),
        "work": {
            "all": amount(totals.all),
            "claimed": amount(totals.claimed),
            "proven": amount(totals.proven),
            "by_state": by_state,
            "without_hours": totals.without_hours,
            "pieces": status.board.pieces.iter().map(piece_json).collect::<Vec<_>>(),
        },
        "burndown": burndown,
        "people": load,
        "blockers": blockers,
        "metrics": super::metrics::json(&status.metrics),
    })
}
