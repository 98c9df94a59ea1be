//! A forecast: finish dates, how they spread, and what was taken for granted.

use serde_json::{Value, json};

use super::super::View;
use crate::roadmap::forecast::{Ask, Finish, Forecast, Part};
use crate::ui::{Align, Grid, Line, Page, Tone};

/// Columns of the longest bar.
const BAR: u64 = 40;

pub(crate) struct Forecasted {
    pub(crate) path: String,
    pub(crate) plan: String,
    pub(crate) zone: String,
    pub(crate) ask: Ask,
    pub(crate) forecast: Forecast,
}

impl Forecasted {
    /// A share of the runs in percent, with one digit.
    fn share(&self, runs: u32) -> String {
        let tenths = (u64::from(runs) * 1000 + u64::from(self.ask.runs) / 2) / u64::from(self.ask.runs.max(1));
        format!("{}.{} %", tenths / 10, tenths % 10)
    }

    fn headline(&self) -> Line {
        let Forecast { overall, proven, claimed, .. } = &self.forecast;
        let (proven, claimed) = (proven.len(), claimed.len());
        let all = overall.open + overall.done;
        let done = format!("{} done ({proven} proven, {claimed} only claimed)", overall.done);
        Line::new()
            .toned(Tone::Strong, format!("{}: ", self.plan))
            .text(format!("{} of {all} to do, {} h; {done}", overall.open, overall.hours))
    }

    fn table(&self) -> Grid {
        let right = ["to do", "done", "hours", "as estimated", "P50", "P80", "P95"].map(|name| (name, Align::Right));
        let mut grid = Grid::new([("", Align::Left)].into_iter().chain(right));
        let mut row = |name: String, part: &Part| {
            let dates = match part.finish {
                Some(f) => [f.as_estimated, f.p50, f.p80, f.p95].map(|date| date.to_string()),
                None if part.done > 0 => ["done", "", "", ""].map(str::to_owned),
                None => ["–", "", "", ""].map(str::to_owned),
            };
            let counts = [part.open.to_string(), part.done.to_string(), part.hours.to_string()];
            grid.row([name].into_iter().chain(counts).chain(dates));
        };
        self.forecast.parts.iter().for_each(|part| row(format!("{} {}", part.kind, part.id), part));
        row("everything".to_owned(), &self.forecast.overall);
        grid
    }

    fn histogram(&self, page: &mut Page) {
        let most = self.forecast.histogram.iter().map(|b| b.runs).max().unwrap_or(0).max(1);
        for bar in &self.forecast.histogram {
            let long = (u64::from(bar.runs) * BAR).div_ceil(u64::from(most));
            let days =
                if bar.first == bar.last { bar.first.to_string() } else { format!("{} – {}", bar.first, bar.last) };
            let drawn = "█".repeat(usize::try_from(long).unwrap_or(0));
            let line =
                Line::new().text("  ").column(Tone::Plain, days, 23).column(Tone::Plain, self.share(bar.runs), 7);
            page.line(line.toned(Tone::Good, drawn));
        }
    }
}

impl View for Forecasted {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(self.headline());
        let Ask { from, runs, seed, .. } = self.ask;
        page.line(Line::new().toned(Tone::Dim, format!("work from {from} ({}), {runs} runs, seed {seed}", self.zone)));
        page.blank();
        page.grid(self.table());
        if !self.forecast.histogram.is_empty() {
            page.blank();
            page.heading("Everything is done on");
            self.histogram(&mut page);
        }
        page.blank();
        if let Some((date, runs)) = self.forecast.target {
            let tone = if u64::from(runs) * 2 < u64::from(self.ask.runs) { Tone::Bad } else { Tone::Plain };
            page.line(
                Line::new()
                    .text(format!("target {date}: "))
                    .toned(tone, format!("reached in {} of the runs", self.share(runs))),
            );
        }
        if !self.forecast.claimed.is_empty() {
            let claimed = self.forecast.claimed.join(", ");
            page.line(Line::new().toned(Tone::Warn, "done, and nothing shows it: ").text(claimed).hanging(4));
        }
        match &self.forecast.again {
            Some(Ok(f)) => {
                let dates = format!("P50 {}, P80 {}, P95 {}", f.p50, f.p80, f.p95);
                page.line(Line::new().text("  had it to be done again: everything by ").text(dates).hanging(4));
            }
            Some(Err(why)) => page.line(Line::new().text("  had it to be done again: unknown, ").text(why).hanging(4)),
            None => {}
        }
        for assumed in &self.forecast.assumed {
            page.line(Line::new().toned(Tone::Dim, "assumed: ").text(assumed).hanging(4));
        }
        page
    }

    fn json(&self) -> Value {
        let forecast = &self.forecast;
        let again = match &forecast.again {
            None => Value::Null,
            Some(Ok(f)) => finish(f),
            Some(Err(why)) => json!({ "unknown": why }),
        };
        let bars: Vec<Value> = forecast
            .histogram
            .iter()
            .map(|b| json!({ "first": b.first.to_string(), "last": b.last.to_string(), "runs": b.runs }))
            .collect();
        let target = forecast.target.map(|(date, runs)| json!({ "date": date.to_string(), "reached_in_runs": runs }));
        json!({
            "file": self.path,
            "plan": self.plan,
            "from": self.ask.from.to_string(),
            "timezone": self.zone,
            "runs": self.ask.runs,
            "seed": self.ask.seed,
            "spread_percent": [self.ask.spread.0, self.ask.spread.1],
            "overall": part(&forecast.overall),
            "parts": forecast.parts.iter().map(part).collect::<Vec<_>>(),
            "histogram": bars,
            "target": target,
            "proven": forecast.proven,
            "claimed": forecast.claimed,
            "claimed_done_again": again,
            "assumed": forecast.assumed,
        })
    }
}

fn part(part: &Part) -> Value {
    json!({
        "kind": part.kind,
        "id": part.id,
        "to_do": part.open,
        "done": part.done,
        "hours": part.hours.to_string(),
        "finish": part.finish.as_ref().map(finish),
    })
}

fn finish(finish: &Finish) -> Value {
    json!({
        "as_estimated": finish.as_estimated.to_string(),
        "p50": finish.p50.to_string(),
        "p80": finish.p80.to_string(),
        "p95": finish.p95.to_string(),
    })
}
