//! Kernels: the list, verdicts, and what a case is made of.

use serde_json::{Value, json};

use super::View;
use super::escape;
use crate::error::{Error, Place};
use crate::kernel::compare::Compared;
use crate::kernel::explain::Told;
use crate::kernel::plan::Effort;
use crate::kernel::report::{Failed, Outcome, Report};
use crate::kernel::run::Level;
use crate::kernel::verify::Failure;
use crate::receipts::hex;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) op: &'static str,
    pub(crate) title: String,
    pub(crate) backends: Vec<&'static str>,
    pub(crate) claims: usize,
    pub(crate) path: String,
}

pub(crate) struct Listed {
    pub(crate) rows: Vec<Row>,
}

impl View for Listed {
    fn page(&self) -> Page {
        let mut grid = Grid::new([
            ("kernel", Align::Left),
            ("computes", Align::Left),
            ("on", Align::Left),
            ("what it is", Align::Left),
        ]);
        for row in &self.rows {
            grid.row([row.id.as_str(), row.op, &row.backends.join(", "), &row.title]);
        }
        let mut page = Page::new();
        page.grid(grid);
        page
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "id": row.id,
                "op": row.op,
                "title": row.title,
                "backends": row.backends,
                "claims": row.claims,
                "manifest": row.path,
            })
        };
        json!({ "kernels": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Junit,
    Sarif,
}

pub(crate) struct Verified {
    pub(crate) reports: Vec<Report>,
    pub(crate) claims: Vec<super::kernel_claims::Claimed>,
    /// The manifest of each.
    pub(crate) paths: Vec<String>,
    pub(crate) effort: Effort,
    pub(crate) seed: [u8; 8],
    pub(crate) commitment: [u8; 32],
    pub(crate) format: Format,
}

/// A number of a kernel, short and exact enough to be found again.
fn number(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e9 { format!("{x}") } else { format!("{x:e}") }
}

/// Why a kernel was refused in a case, in one line.
pub(crate) fn say(failed: &Failed) -> String {
    say_failure(&failed.failure)
}

/// The same of a failure alone.
pub(crate) fn say_failure(failure: &Failure) -> String {
    match failure {
        Failure::Broken(broken) => broken.to_string(),
        Failure::Loading(broken) => format!("as its library was loaded, before any call: {broken}"),
        Failure::Status(1) => "it returned 1: not implemented, although its domain has this shape".into(),
        Failure::Status(code) => format!("it returned {code}"),
        Failure::Damage(what) => what.clone(),
        Failure::Differs { index, first, second, about } => {
            format!("at {index:?} it gave {} and then {}: {about}", number(*first), number(*second))
        }
        Failure::Miss(miss) => format!(
            "{}{}: got {}, want {}, bound {}: {}",
            miss.check,
            // What is said of all results has no place.
            if miss.index.is_empty() { String::new() } else { format!(" at {:?}", miss.index) },
            number(miss.got),
            number(miss.want),
            number(miss.bound),
            miss.about
        ),
    }
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Verified => Tone::Good,
        Outcome::Refused => Tone::Bad,
        Outcome::Skipped | Outcome::Undecided => Tone::Warn,
    }
}

/// What was tried, in words.
fn tried(report: &Report) -> String {
    let mut parts = Vec::new();
    if report.ran > 0 {
        parts.push(format!("{} of {} cases count", report.counted, report.ran));
    }
    if report.repeated > 0 {
        parts.push(format!("{} repeated", report.repeated));
    }
    if report.worst > 0.0 {
        parts.push(format!("worst error {:.2} of its bound", report.worst));
    }
    parts.join(", ")
}

impl Verified {
    fn table(&self) -> Page {
        let mut page = Page::new();
        let width = self.reports.iter().map(|r| r.id.len() + r.backend.len() + 1).max().unwrap_or(0);
        for report in &self.reports {
            let outcome = report.outcome();
            let told = match (&report.level, outcome) {
                (Level::Skipped { reason }, Outcome::Skipped) => reason.clone(),
                (_, Outcome::Undecided) if !report.complete => format!("time ran out; {}", tried(report)),
                _ => tried(report),
            };
            let line = Line::new()
                .column(tone(outcome), outcome.word(), 9)
                .column(Tone::Strong, format!("{}@{}", report.id, report.backend), width)
                .text(format!("{}: {told}", report.level.word()))
                .hanging(10);
            page.line(line);
            page.line(Line::new().toned(Tone::Dim, format!("  {}", report.domain)).hanging(4));
            let on = match &report.level {
                Level::RanEmulated { emulator } => Some(emulator),
                Level::RanOnDevice { device } if report.backend != "cpu" => Some(device),
                _ => None,
            };
            on.iter().for_each(|on| page.line(Line::new().toned(Tone::Dim, format!("  on {on}")).hanging(4)));
            for made in &report.made {
                let digest = &hex::encode(&made.sha256)[..16];
                page.line(Line::new().toned(Tone::Dim, format!("  {}, {}: {digest}…", made.what, made.by)).hanging(4));
            }
            // A reason for having skipped all was told already.
            for what in report.left_out.iter().filter(|_| outcome != Outcome::Skipped) {
                page.line(Line::new().toned(Tone::Dim, format!("  {what}")).hanging(4));
            }
            for failed in &report.failures {
                page.line(Line::new().text("  ").toned(Tone::Bad, say(failed)).hanging(4));
                page.line(Line::new().toned(Tone::Dim, format!("  {}", failed.case)).hanging(4));
            }
        }
        let sum = |of: fn(&Report) -> usize| self.reports.iter().map(of).sum::<usize>();
        super::kernel_claims::add(&mut page, &self.claims);
        if self.reports.is_empty() {
            return page;
        }
        page.blank();
        page.line(
            Line::new()
                .text(format!(
                    "{}: {} cases; those that count cover {} of {} edges of sizes, {} of {} probes, {} of {} pairs, {} \
                     random shapes; seed {}",
                    self.effort.word(),
                    sum(|r| r.ran),
                    sum(|r| r.coverage.edges),
                    sum(|r| r.coverage.edges_possible),
                    sum(|r| r.coverage.probes),
                    sum(|r| r.coverage.probes_possible),
                    sum(|r| r.coverage.pairs),
                    sum(|r| r.coverage.pairs_possible),
                    sum(|r| r.coverage.random_shapes),
                    hex::encode(&self.seed)
                ))
                .hanging(4),
        );
        let powerless = sum(|r| r.powerless.iter().map(|(_, n)| n).sum());
        if powerless > 0 {
            page.line(
                Line::new()
                    .toned(Tone::Dim, format!("{powerless} cases would have taken a trivial answer and don't count"))
                    .hanging(4),
            );
        }
        let mut missing: Vec<&str> = Vec::new();
        for report in self.reports.iter().filter(|r| r.outcome() != Outcome::Skipped && r.ran + r.repeated > 0) {
            report.containment.missing().into_iter().for_each(|m| {
                if !missing.contains(&m) {
                    missing.push(m);
                }
            });
        }
        for what in missing {
            page.line(Line::new().toned(Tone::Dim, format!("not to be had here: {what}")).hanging(4));
        }
        page
    }

    /// The manifest of a kernel by its id.
    fn manifest_of(&self, id: &str) -> String {
        let named = self.reports.iter().zip(&self.paths).find(|(report, _)| report.id == id);
        named.map_or(String::new(), |(_, path)| path.clone())
    }

    fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for report in &self.reports {
            let outcome = report.outcome();
            let name = escape::xml(&format!("{}@{}", report.id, report.backend));
            let (failed, skipped) =
                (report.failures.len(), usize::from(matches!(outcome, Outcome::Skipped | Outcome::Undecided)));
            let tests = failed.max(1);
            text += &format!(
                "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">\n"
            );
            for failure in &report.failures {
                text += &format!(
                    "    <testcase classname=\"{name}\" name=\"{}\"><failure message=\"{}\"/></testcase>\n",
                    escape::xml(&failure.case.to_string()),
                    escape::xml(&say(failure))
                );
            }
            if report.failures.is_empty() {
                text += &format!("    <testcase classname=\"{name}\" name=\"{} cases\"", report.ran + report.repeated);
                text += &match (outcome, &report.level) {
                    (Outcome::Skipped, level) => {
                        format!("><skipped message=\"{}\"/></testcase>\n", escape::xml(&level.to_string()))
                    }
                    (Outcome::Undecided, Level::Parsed | Level::Compiled) => {
                        let why = format!("{} and no more: {}", report.level, report.left_out.join("; "));
                        format!("><skipped message=\"{}\"/></testcase>\n", escape::xml(&why))
                    }
                    (Outcome::Undecided, _) => "><skipped message=\"undecided\"/></testcase>\n".to_owned(),
                    _ => "/>\n".to_owned(),
                };
            }
            text += "  </testsuite>\n";
        }
        text += &super::kernel_claims::junit(&self.claims);
        text + "</testsuites>\n"
    }

    fn sarif(&self) -> Value {
        let results: Vec<Value> = self
            .reports
            .iter()
            .zip(&self.paths)
            .flat_map(|(report, path)| report.failures.iter().map(move |failed| (report, path, failed)))
            .map(|(report, path, failed)| {
                json!({
                    "ruleId": failed.stage,
                    "level": "error",
                    "message": { "text": format!("{} on {}: {} ({})", report.id, report.backend, say(failed), failed.case) },
                    "locations": [{ "physicalLocation": { "artifactLocation": { "uri": path } } }],
                })
            })
            .chain(self.claims.iter().filter_map(|claimed| super::kernel_claims::sarif(claimed, &self.manifest_of(&claimed.0))))
            .collect();
        sarif(&results)
    }
}

/// A report in SARIF with these results.
fn sarif(results: &[Value]) -> Value {
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "bizra",
                "version": crate::about::VERSION,
                "rules": [
                    rule("correctness", "A kernel's answer is the truth, within its bounds"),
                    rule("determinism", "A kernel gives the same bits again"),
                    rule("claim", "What a kernel claims of its speed holds"),
                    rule("races", "No two threads of a block meet at an address without a barrier"),
                    rule(NOT_TRIED, "What was named can be tried as a kernel"),
                ],
            } },
            "results": results,
        }],
    })
}

const NOT_TRIED: &str = "not-tried";

/// A run that ended before any kernel was tried, for readers of reports.
pub(crate) struct NotTried {
    pub(crate) errors: Vec<Error>,
    pub(crate) format: Format,
}

impl NotTried {
    fn junit(&self) -> String {
        let case = |error: &Error| {
            let why = escape::xml(&error.message);
            let at = error.place.as_ref().map_or_else(String::new, |place| escape::xml(&place.to_string()));
            format!("    <testcase classname=\"{NOT_TRIED}\" name=\"{at}\"><error message=\"{why}\"/></testcase>\n")
        };
        let (count, cases) = (self.errors.len(), self.errors.iter().map(case).collect::<String>());
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{NOT_TRIED}\" tests=\"{count}\" \
             failures=\"0\" errors=\"{count}\" skipped=\"0\">\n{cases}  </testsuite>\n</testsuites>\n"
        )
    }

    fn sarif(&self) -> Value {
        let location = |place: &Place| {
            let mut location = json!({ "artifactLocation": { "uri": place.file.display().to_string() } });
            if let Some((line, column)) = place.at {
                location["region"] = json!({ "startLine": line, "startColumn": column });
            }
            json!({ "physicalLocation": location })
        };
        let result = |error: &Error| {
            let locations: Vec<Value> = error.place.iter().map(location).collect();
            let message = json!({ "text": error.message });
            json!({ "ruleId": NOT_TRIED, "level": "error", "message": message, "locations": locations })
        };
        sarif(&self.errors.iter().map(result).collect::<Vec<_>>())
    }
}

impl View for NotTried {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => Page::new(),
            Format::Junit => verbatim(self.junit()),
            Format::Sarif => verbatim(format!("{:#}\n", self.sarif())),
        }
    }

    fn json(&self) -> Value {
        Value::Null
    }
}

fn verbatim(text: String) -> Page {
    let mut page = Page::new();
    page.verbatim(text);
    page
}

/// JSON has no NaN and no infinity.
fn value(x: f64) -> Value {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

fn failure_json(failed: &Failed) -> Value {
    let mut told = json!({
        "case": failed.case.to_string(),
        "stage": failed.stage,
        "message": say(failed),
        "check": failed.failure.check(),
    });
    match &failed.failure {
        Failure::Miss(miss) => {
            told["index"] = json!(miss.index);
            told["got"] = value(miss.got);
            told["want"] = value(miss.want);
            told["bound"] = value(miss.bound);
        }
        Failure::Differs { index, first, second, .. } => {
            told["index"] = json!(index);
            told["got"] = value(*second);
            told["want"] = value(*first);
            told["bound"] = json!(0.0);
        }
        Failure::Broken(_) | Failure::Loading(_) | Failure::Damage(_) => {}
        Failure::Status(code) => {
            told["got"] = json!(code);
        }
    }
    told
}

impl View for Verified {
    fn page(&self) -> Page {
        match self.format {
            Format::Table => self.table(),
            Format::Junit => verbatim(self.junit()),
            Format::Sarif => verbatim(format!("{:#}\n", self.sarif())),
        }
    }

    fn json(&self) -> Value {
        let kernels: Vec<Value> = self
            .reports
            .iter()
            .zip(&self.paths)
            .map(|(report, path)| {
                json!({
                    "id": report.id,
                    "op": report.op,
                    "domain": report.domain,
                    "backend": report.backend,
                    "manifest": path,
                    "outcome": report.outcome().word(),
                    "level": report.level.word(),
                    "on": match &report.level {
                        Level::RanOnDevice { device } => Some(device.clone()),
                        Level::RanEmulated { emulator } => Some(emulator.clone()),
                        Level::Skipped { reason } => Some(reason.clone()),
                        _ => None,
                    },
                    "cases": report.ran,
                    "counted": report.counted,
                    "powerless": report.powerless.iter().map(|(answer, count)| json!({ "answer": answer, "cases": count })).collect::<Vec<_>>(),
                    "repeated": report.repeated,
                    "coverage": {
                        "planned": report.planned,
                        "edges": report.coverage.edges,
                        "edges_possible": report.coverage.edges_possible,
                        "probes": report.coverage.probes,
                        "probes_possible": report.coverage.probes_possible,
                        "pairs": report.coverage.pairs,
                        "pairs_possible": report.coverage.pairs_possible,
                        "random_shapes": report.coverage.random_shapes,
                    },
                    "worst_of_bound": value(report.worst),
                    "worst_case": report.worst_case.as_ref().map(ToString::to_string),
                    "errors_against_plain": value(report.against_plain),
                    "made": report.made.iter().map(|m| json!({ "what": m.what, "by": m.by, "sha256": hex::encode(&m.sha256) })).collect::<Vec<_>>(),
                    "left_out": report.left_out,
                    "not_contained": (report.ran + report.repeated > 0).then(|| report.containment.missing()),
                    "complete": report.complete,
                    "failures": report.failures.iter().map(failure_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "effort": self.effort.word(),
            "seed": { "committed": hex::encode(&self.commitment), "revealed": hex::encode(&self.seed) },
            "kernels": kernels,
            "claims": super::kernel_claims::json(&self.claims),
        })
    }
}

pub(crate) struct Explained {
    pub(crate) id: String,
    pub(crate) told: Told,
}

impl View for Explained {
    fn page(&self) -> Page {
        let told = &self.told;
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Strong, format!("{}: {}", self.id, told.case)).hanging(4));
        page.line(Line::new().text(told.about).hanging(4));
        for given in &told.given {
            let values: Vec<String> = given.values.iter().map(|v| number(*v)).collect();
            let line = format!(
                "  {} {} {:?}, strides {:?}: {} …",
                given.name,
                given.dtype,
                given.shape,
                given.strides,
                values.join(" ")
            );
            page.line(Line::new().text(line).hanging(6));
        }
        for (key, value) in &told.params {
            page.text(format!("  {key} = {}", number(*value)));
        }
        page.blank();
        page.heading("the answer begins");
        for expected in &told.expected {
            page.text(format!("  {:?} {} within {}", expected.index, number(expected.truth), number(expected.allowed)));
        }
        if let Some(answer) = told.powerless {
            page.line(
                Line::new().toned(Tone::Warn, format!("{answer} would pass too: the case doesn't count")).hanging(4),
            );
        }
        page
    }

    fn json(&self) -> Value {
        let told = &self.told;
        let given = |g: &crate::kernel::explain::Given| {
            json!({
                "name": g.name,
                "dtype": g.dtype,
                "shape": g.shape,
                "strides": g.strides,
                "first": g.values.iter().map(|v| value(*v)).collect::<Vec<_>>(),
            })
        };
        let expected: Vec<Value> = told
            .expected
            .iter()
            .map(|e| json!({ "index": e.index, "truth": value(e.truth), "allowed": value(e.allowed) }))
            .collect();
        let params: serde_json::Map<String, Value> = told.params.iter().map(|(k, v)| (k.clone(), value(*v))).collect();
        json!({
            "kernel": self.id,
            "case": told.case.to_string(),
            "about": told.about,
            "given": told.given.iter().map(given).collect::<Vec<_>>(),
            "params": params,
            "expected": expected,
            "powerless": told.powerless,
        })
    }
}

pub(crate) struct Comparison {
    pub(crate) compared: Compared,
}

impl View for Comparison {
    fn page(&self) -> Page {
        let compared = &self.compared;
        let mut page = Page::new();
        let head = ["kernel", "worst error of its bound", "nearer to the truth", "failures"];
        let aligns = [Align::Left, Align::Right, Align::Right, Align::Right];
        let mut grid = Grid::new(head.into_iter().zip(aligns));
        for side in &compared.sides {
            let worst = format!("{:.3}", side.worst);
            grid.row([side.id.clone(), worst, side.nearer.to_string(), side.failures.len().to_string()]);
        }
        page.grid(grid);
        let (cases, same) = (compared.cases, compared.same_bits);
        page.line(
            Line::new().text(format!("{cases} cases that both are made for; the same bits in {same}")).hanging(4),
        );
        page
    }

    fn json(&self) -> Value {
        let side = |side: &crate::kernel::compare::Side| {
            json!({
                "id": side.id,
                "worst_of_bound": value(side.worst),
                "worst_case": side.worst_case.as_ref().map(ToString::to_string),
                "nearer": side.nearer,
                "failures": side.failures.iter().map(failure_json).collect::<Vec<_>>(),
            })
        };
        json!({
            "cases": self.compared.cases,
            "same_bits": self.compared.same_bits,
            "kernels": self.compared.sides.iter().map(side).collect::<Vec<_>>(),
        })
    }
}
