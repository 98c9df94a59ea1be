//! Metrics of a sprint.

use serde_json::{Value, json as value};

use super::super::chart::sparkline;
use super::super::sheet::{Format, Sheet, Table};
use super::super::short;
use super::{Head, plain};
use crate::plan::gate::reading::Reading;
use crate::plan::schema::Quantity;
use crate::sprint::metrics::{Measured, operator};
use crate::ui::{Align, Tone};

/// A line of blocks longer than this tells nobody more.
const SHOWN: usize = 12;

pub(crate) fn sheet(head: &Head, metrics: &[Measured<'_>], format: Format) -> Sheet {
    let mut sheet = Sheet::new(format);
    head.write(&mut sheet);
    sheet.gap();
    if !metrics.is_empty() {
        sheet.table(table(metrics));
    }
    for measured in metrics {
        let name = measured.metric.id.value.to_string();
        for warning in measured.why.iter().chain(&measured.warnings) {
            sheet.entry(0, [(Tone::Dim, format!("{name}: ")), (Tone::Plain, warning.clone())]);
        }
    }
    sheet.with_json(value!({ "sprint": head.json(), "metrics": json(metrics) }))
}

pub(super) fn table(metrics: &[Measured<'_>]) -> Table {
    let mut table = Table::new([
        ("metric", Align::Left),
        ("target", Align::Left),
        ("current", Align::Left),
        ("verdict", Align::Left),
        ("trend", Align::Left),
        ("claimed", Align::Left),
    ]);
    for measured in metrics {
        table.row([
            measured.metric.name.value.clone(),
            measured.metric.target.as_ref().map(target).unwrap_or_default(),
            measured.current.as_ref().map_or("unknown".to_owned(), current),
            measured.verdict.word().to_owned(),
            sparkline(&trend(measured)),
            measured.metric.current.as_ref().map_or(String::new(), quantity),
        ]);
    }
    table
}

fn trend(measured: &Measured<'_>) -> Vec<f64> {
    let all = measured.trend.iter().filter_map(|r| r.value.as_ref().ok()?.to_string().parse().ok());
    let all: Vec<f64> = all.collect();
    all[all.len().saturating_sub(SHOWN)..].to_vec()
}

fn spaced(unit: Option<&str>) -> String {
    unit.map(|u| if u == "%" { " %".to_owned() } else { format!(" {u}") }).unwrap_or_default()
}

fn quantity(quantity: &Quantity) -> String {
    let to = quantity.to.as_ref().map(|to| format!(" to {}", plain(to.value))).unwrap_or_default();
    format!("{}{to}{}", plain(quantity.value.value), spaced(quantity.unit.as_ref().map(|u| u.value.as_str())))
}

fn target(wanted: &Quantity) -> String {
    if wanted.to.is_some() { quantity(wanted) } else { format!("{} {}", operator(wanted).word(), quantity(wanted)) }
}

fn current(reading: &Reading) -> String {
    let value = match &reading.value {
        Ok(number) => number.to_string(),
        Err(what) => what.clone(),
    };
    format!("{value}{} ({})", spaced(reading.unit.as_deref()), short(&reading.receipt))
}

fn reading(reading: &Reading) -> Value {
    value!({
        "value": reading.value.as_ref().ok().map(ToString::to_string),
        "unit": reading.unit,
        "receipt": reading.receipt,
        "time": reading.time.to_string(),
    })
}

pub(super) fn json(metrics: &[Measured<'_>]) -> Value {
    let one = |measured: &Measured<'_>| {
        let metric = measured.metric;
        let wanted = metric.target.as_ref().map(|t| {
            value!({
                "op": operator(t).word(),
                "value": plain(t.value.value),
                "to": t.to.as_ref().map(|to| plain(to.value)),
                "unit": t.unit.as_ref().map(|u| u.value.as_str()),
            })
        });
        let claimed = metric
            .current
            .as_ref()
            .map(|c| value!({ "value": plain(c.value.value), "unit": c.unit.as_ref().map(|u| u.value.as_str()) }));
        value!({
            "id": metric.id.value.0,
            "name": metric.name.value,
            "target": wanted,
            "current": measured.current.as_ref().map(reading),
            "verdict": measured.verdict.word(),
            "why": measured.why,
            "claimed": claimed,
            "trend": measured.trend.iter().map(reading).collect::<Vec<_>>(),
            "warnings": measured.warnings,
        })
    };
    metrics.iter().map(one).collect()
}
