//! A figure over time, as a table with a sparkline.

use serde_json::{Value, json};

use super::bench_formats::{digits, figure_name, setting_json};
use super::bench_plot::{day, percent};
use super::{View, short};
use crate::bench::history::{Point, Series};
use crate::bench::result::Subject;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct History {
    pub(crate) series: Vec<Series>,
    /// How many points of each are listed; none lists no points but a line for each series.
    pub(crate) listed: Option<usize>,
}

/// As many medians as a sparkline shows, the newest of them.
const SPARK: usize = 40;

impl View for History {
    fn page(&self) -> Page {
        let mut page = Page::new();
        match self.listed {
            None => page.grid(overview(&self.series)),
            Some(listed) => {
                for (at, series) in self.series.iter().enumerate() {
                    if at > 0 {
                        page.blank();
                    }
                    points(&mut page, series, listed);
                }
            }
        }
        page
    }

    fn json(&self) -> Value {
        json!({ "series": self.series.iter().map(series_json).collect::<Vec<_>>() })
    }
}

fn overview(all: &[Series]) -> Grid {
    let mut grid = Grid::new([
        ("subject", Align::Left),
        ("figure", Align::Left),
        ("under", Align::Left),
        ("machine", Align::Left),
        ("runs", Align::Right),
        ("newest", Align::Right),
        ("unit", Align::Left),
        ("", Align::Left),
        ("last change", Align::Right),
    ]);
    for series in all {
        let newest = series.points.last().map(|point| digits(point.median)).unwrap_or_default();
        let last = series.changes.last().map(|change| percent(change.ratio())).unwrap_or_default();
        grid.row([
            series.subject.name(),
            figure_name(&series.id),
            &series.setting.to_string(),
            machine_word(&series.machine.fingerprint),
            &series.points.len().to_string(),
            &newest,
            &series.unit,
            &sparkline(series),
            &last,
        ]);
    }
    grid
}

fn points(page: &mut Page, series: &Series, listed: usize) {
    let (name, setting) = (figure_name(&series.id), series.setting.to_string());
    let under = if setting.is_empty() { String::new() } else { format!(" ({setting})") };
    page.heading(format!("{name}{under} of {}", series.subject.name()));
    page.line(Line::new().toned(
        Tone::Dim,
        format!("{}, {}, {}", series.machine.cpu, series.machine.level, machine_word(&series.machine.fingerprint)),
    ));
    page.text(sparkline(series));
    let mut grid = Grid::new([
        ("time (UTC)", Align::Left),
        ("receipt", Align::Left),
        ("median", Align::Right),
        ("95% interval", Align::Right),
        ("unit", Align::Left),
        ("", Align::Left),
    ]);
    let skipped = series.points.len().saturating_sub(listed);
    for (at, point) in series.points.iter().enumerate().skip(skipped) {
        let interval = point.interval.map(|i| format!("{} – {}", digits(i.low), digits(i.high))).unwrap_or_default();
        let cells = [
            &day(point.time),
            short(&point.receipt),
            &digits(point.median),
            &interval,
            &series.unit,
            &remark(series, at, point),
        ];
        grid.row(cells);
    }
    page.grid(grid);
    if skipped > 0 {
        page.line(
            Line::new()
                .toned(Tone::Dim, format!("{skipped} older runs are not listed: --last {}", series.points.len())),
        );
    }
}

fn remark(series: &Series, at: usize, point: &Point) -> String {
    let mut words = Vec::new();
    if let Some(change) = series.changes.iter().find(|change| change.at == at) {
        let way = if series.is_gain(change) { "better" } else { "worse" };
        words.push(format!("{} {way} from here on (p {:.3})", percent(change.ratio()), change.p));
    }
    if point.noisy {
        words.push("noisy".to_owned());
    }
    words.join("; ")
}

/// Enough of a fingerprint to tell two machines apart: the start of its digest.
pub(super) fn machine_word(fingerprint: &str) -> &str {
    let digest = fingerprint.rsplit('-').next().unwrap_or(fingerprint);
    digest.get(..8).unwrap_or(digest)
}

/// A bar for each median between the least and the greatest; a change of level stands before its first bar.
fn sparkline(series: &Series) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let skipped = series.points.len().saturating_sub(SPARK);
    let medians: Vec<f64> = series.points[skipped..].iter().map(|point| point.median).collect();
    let low = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let high = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut line = String::new();
    for (at, median) in medians.iter().enumerate() {
        if series.changes.iter().any(|change| change.at == skipped + at) {
            line.push('╎');
        }
        let share = if high > low { (median - low) / (high - low) } else { 0.5 };
        line.push(BARS[((share * 7.0).round() as usize).min(7)]);
    }
    line
}

fn series_json(series: &Series) -> Value {
    let subject = match &series.subject {
        Subject::Model(model) => json!({ "kind": "model", "name": model.name, "sha256": model.sha256 }),
        Subject::Command(command) => json!({ "kind": "command", "argv": command.argv }),
    };
    let points: Vec<Value> = series
        .points
        .iter()
        .map(|point| {
            json!({
                "receipt": point.receipt,
                "time": point.time.to_string(),
                "median": point.median,
                "ci95": point.interval.map(|i| json!({ "lower": i.low, "upper": i.high })),
                "noisy": point.noisy,
            })
        })
        .collect();
    let changes: Vec<Value> = series
        .changes
        .iter()
        .map(|change| {
            json!({
                "at": change.at,
                "receipt": series.points[change.at].receipt,
                "before": change.before,
                "after": change.after,
                "ratio": change.ratio(),
                "better": series.is_gain(change),
                "p": change.p,
            })
        })
        .collect();
    json!({
        "subject": subject,
        "machine": { "fingerprint": series.machine.fingerprint, "cpu": series.machine.cpu, "level": series.machine.level },
        "figure": series.id,
        "setting": setting_json(&series.setting),
        "unit": series.unit,
        "better": series.better.word(),
        "points": points,
        "changes": changes,
    })
}
