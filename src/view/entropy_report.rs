//! H as a picture: lines of characters for a terminal, or HTML that stands alone.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::View;
use super::chart::{Chart, Series, sparkline};
use super::entropy::Measured;
use super::entropy::{Log, Piece};
use super::escape;
use crate::entropy::scatter::Scatter;
use crate::error::Error;
use crate::ui::{Line, Look, Page, Tone};

pub(crate) struct Report {
    pub(crate) log: Log,
    /// Each phase as it is planned now, with its claims.
    pub(crate) phases: Vec<(String, Vec<String>)>,
    /// What leaves most open, the largest first.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) scatter: Option<Scatter>,
    /// The file that holds the page.
    pub(crate) path: Option<String>,
}

impl Report {
    fn labels(&self) -> Vec<String> {
        self.log.days.iter().map(|day| day.date.strftime("%m-%d").to_string()).collect()
    }

    fn bits(&self) -> Chart<'_> {
        // What was measured by another baseline is not drawn on one line with what is measured by this one.
        let any = self.log.days.iter().any(|day| day.same_epoch);
        let told = |value: fn(&super::entropy::LogDay) -> f64| -> Vec<Option<f64>> {
            self.log.days.iter().map(|day| (day.same_epoch || !any).then(|| value(day))).collect()
        };
        let series = |name, mark, colour, points| Series { name, mark, colour, dashed: false, points };
        Chart {
            title: "What is still uncertain".into(),
            unit: "bits",
            labels: self.labels(),
            series: vec![
                series("P, the plans", 'p', "#1763b6", told(|day| day.p)),
                series("V, the code", 'v', "#b3261e", told(|day| day.v)),
                series("H", '●', "#1d2127", told(|day| day.h)),
            ],
        }
    }

    /// What each phase leaves open, day by day; phases without claims are none.
    fn burn(&self) -> impl Iterator<Item = (&str, Vec<f64>)> {
        self.phases.iter().filter(|(_, claims)| !claims.is_empty()).map(|(name, claims)| {
            let open = |day: &super::entropy::LogDay| {
                crate::entropy::measure::sum(claims.iter().filter_map(|claim| day.claims.get(claim)).copied())
            };
            (name.as_str(), self.log.days.iter().map(open).collect())
        })
    }

    /// One file without scripts, links or fonts.
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Entropy</title>\n<style>\n{STYLE}</style>\n\
             </head>\n<body>\n<h1>Entropy</h1>\n<figure>{}</figure>\n<h2>Phases</h2>\n\
             <p>Bits that each phase leaves open. Claims that left the plan are in no phase.</p>\n",
            self.bits().svg()
        );
        for (name, open) in self.burn() {
            let chart = Chart {
                title: name.to_owned(),
                unit: "bits",
                labels: self.labels(),
                series: vec![Series {
                    name: "open",
                    mark: '●',
                    colour: "#1763b6",
                    dashed: false,
                    points: open.into_iter().map(Some).collect(),
                }],
            };
            let _ = writeln!(page, "<figure>{}</figure>", chart.svg());
        }
        page += "<h2>What leaves most open</h2>\n<table>\n<tr><th>bits<th>what<th>why\n";
        for piece in &self.pieces {
            let (name, reason) = (escape::xml(&piece.name), escape::xml(piece.reason()));
            let _ = writeln!(page, "<tr><td>{:.3}<td>{name}<td>{reason}", piece.bits);
        }
        page += "</table>\n<h2>Scatter of recent work</h2>\n";
        match &self.scatter {
            None => page += "<p>Nothing has changed in its window.</p>\n",
            Some(scatter) => {
                let _ = writeln!(page, "<p>C = {:.2} bits</p>\n<table>\n<tr><th>module<th>share", scatter.bits);
                for (name, share) in &scatter.modules {
                    let (name, width) = (escape::xml(name), share * 300.0);
                    let _ = writeln!(
                        page,
                        "<tr><td>{name}<td><svg width=\"300\" height=\"12\"><rect width=\"{width:.1}\" height=\"12\" \
                         fill=\"#1763b6\"/></svg> {:.1} %",
                        share * 100.0
                    );
                }
                page += "</table>\n";
            }
        }
        page + "</body>\n</html>\n"
    }
}

const STYLE: &str = "\
body { margin: 2rem auto; max-width: 52rem; padding: 0 1rem; background: #ffffff; color: #1d2127; font: 15px/1.5 system-ui, sans-serif; }
figure { margin: 1rem 0; overflow-x: auto; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
";

impl Report {
    /// The chart, and a line for each phase.
    fn draw(&self, rows: usize, page: &mut Page) {
        let chart = |columns: usize| {
            let mut drawn = Page::new();
            for line in self.bits().lines(columns, rows) {
                drawn.line(Line::new().text(line).cut());
            }
            drawn
        };
        page.either(72, chart(72), chart(40));
        for (name, open) in self.burn() {
            let last = open.last().copied().unwrap_or_default();
            let latest = &open[open.len().saturating_sub(SPARKS)..];
            let line = Line::new().text(format!("{last:>8.2}  {} ", sparkline(latest))).toned(Tone::Strong, name);
            page.line(line.hanging(10));
        }
    }
}

/// What a narrow terminal has room for, with the number before it.
const SPARKS: usize = 24;

/// What is watched, as it was found.
pub(crate) struct Dashboard {
    pub(crate) measured: Measured,
    pub(crate) report: Report,
    pub(crate) reasons: Vec<Error>,
}

/// Why there is nothing to show at the moment.
pub(crate) struct Broken {
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

pub(crate) enum Watched {
    Measured(Box<Dashboard>),
    Broken(Broken),
}

impl Watched {
    /// What would be shown, whatever time it is: equal where nothing has changed.
    pub(crate) fn looks(&self) -> String {
        match self {
            Watched::Measured(dashboard) => dashboard.page().render(Look::default()),
            Watched::Broken(broken) => broken.page().render(Look::default()),
        }
    }

    /// For a screen, with the time at its end.
    pub(crate) fn page(&self, now: jiff::Timestamp) -> Page {
        let mut page = match self {
            Watched::Measured(dashboard) => dashboard.page(),
            Watched::Broken(broken) => broken.page(),
        };
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ");
        page.line(Line::new().toned(Tone::Dim, format!("as of {time}; no receipts; Ctrl-C ends it")).hanging(2));
        page
    }
}

impl View for Dashboard {
    fn page(&self) -> Page {
        let mut page = self.measured.page();
        self.report.draw(8, &mut page);
        for reason in &self.reasons {
            page.line(Line::new().toned(Tone::Warn, "undecided: ").text(reason.to_string()).hanging(2));
        }
        page
    }

    fn json(&self) -> Value {
        let (mut value, report) = (self.measured.json(), self.report.json());
        value["days"] = report["days"].clone();
        value["phases"] = report["phases"].clone();
        value
    }
}

impl View for Broken {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Bad, "not measured: ").text(&self.message).hanging(2));
        for hint in &self.hints {
            page.line(Line::new().toned(Tone::Good, "  hint: ").text(hint).hanging(4));
        }
        page
    }

    fn json(&self) -> Value {
        Value::Null
    }
}

impl View for Report {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if let Some(path) = &self.path {
            page.text(format!("{path}: H over {} days", self.log.days.len()));
            return page;
        }
        self.draw(12, &mut page);
        for piece in &self.pieces {
            let line = Line::new().text(format!("{:>8.3}  ", piece.bits)).toned(Tone::Strong, &piece.name);
            page.line(line.text(format!(": {}", piece.reason())).hanging(12));
        }
        if let Some(scatter) = &self.scatter {
            page.text(format!("C {:.2} bits of scatter", scatter.bits));
            for (name, share) in scatter.modules.iter().take(8) {
                page.line(Line::new().text(format!("{:>6.1} %  {name}", share * 100.0)));
            }
        }
        page
    }

    fn json(&self) -> Value {
        let phases: Vec<Value> = self.burn().map(|(name, open)| json!({ "phase": name, "bits": open })).collect();
        let top: Vec<Value> = self
            .pieces
            .iter()
            .map(|piece| json!({ "name": piece.name, "bits": piece.bits, "reason": piece.reason() }))
            .collect();
        let scatter = self.scatter.as_ref().map(|scatter| {
            let modules: Vec<Value> =
                scatter.modules.iter().map(|(name, share)| json!({ "module": name, "share": share })).collect();
            json!({ "bits": scatter.bits, "modules": modules })
        });
        json!({ "path": self.path, "days": self.log.json()["days"], "phases": phases, "top": top, "scatter": scatter })
    }
}
