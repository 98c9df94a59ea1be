//! What was measured: a table of figures for people, everything for programs.

use serde_json::{Map, Value, json};

use super::View;
use super::bench_formats::{Format, digits};
use crate::bench::claim::{Decision, Verdict};
use crate::bench::compare::{self, Comparison, Pairing, Report};
use crate::bench::result::{Machine, Measurement, Run, Setting, Subject};
use crate::receipts::envelope::ReceiptId;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct Bench {
    pub(crate) runs: Vec<Measured>,
    /// What they are compared with.
    pub(crate) against: Option<Measured>,
    pub(crate) pairing: Pairing,
    pub(crate) warnings: Vec<String>,
    /// For another program; none for people.
    pub(crate) format: Option<Format>,
}

pub(crate) struct Measured {
    pub(crate) run: Run,
    pub(crate) receipt: Option<ReceiptId>,
    pub(crate) report: Option<Report>,
    pub(crate) decided: Vec<Decided>,
}

/// A claim and what became of it.
pub(crate) struct Decided {
    pub(crate) text: String,
    pub(crate) must_hold: bool,
    /// Of the demand: a `--fail-if` is supported where its claim is refuted.
    pub(crate) verdict: Verdict,
    pub(crate) decision: Decision,
}

impl View for Bench {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if let Some(format) = self.format {
            let runs: Vec<&Run> = self.runs.iter().chain(&self.against).map(|measured| &measured.run).collect();
            page.verbatim(format.text(&runs));
            return page;
        }
        if let Some(first) = self.runs.first() {
            machine_line(&mut page, &first.run.machine);
        }
        for (at, measured) in self.runs.iter().chain(&self.against).enumerate() {
            page.blank();
            let title =
                if at < self.runs.len() { title(&measured.run) } else { format!("against {}", title(&measured.run)) };
            page.heading(title);
            page.grid(figures(&measured.run));
        }
        for measured in &self.runs {
            comparison(&mut page, measured, self.pairing);
            for decided in &measured.decided {
                let flag = if decided.must_hold { "claim" } else { "must not" };
                let (tone, word) = match decided.verdict {
                    Verdict::Supported => (Tone::Good, "ok"),
                    Verdict::Refuted => (Tone::Bad, "no"),
                    Verdict::Inconclusive => (Tone::Warn, "undecided"),
                };
                page.blank();
                page.line(Line::new().column(tone, word, 9).text(format!("{flag}: {}", decided.text)).hanging(10));
            }
        }
        page
    }

    fn json(&self) -> Value {
        json!({
            "runs": self.runs.iter().map(run_json).collect::<Vec<_>>(),
            "against": self.against.as_ref().map(run_json),
            "pairing": self.against.as_ref().map(|_| self.pairing.word()),
            "warnings": self.warnings,
        })
    }
}

fn machine_line(page: &mut Page, machine: &Machine) {
    let Machine { cpu, level, usable, processors, .. } = machine;
    let cores = if usable < processors {
        format!("{usable} of {processors} processors")
    } else {
        format!("{usable} processors")
    };
    page.text(format!("{cpu}, {cores}, {level}"));
}

fn title(run: &Run) -> String {
    match &run.subject {
        Subject::Model(model) => format!(
            "{} ({}, {}, {}; {} samples)",
            model.name,
            model.arch,
            model.quant,
            size(model.bytes),
            run.plan.rounds
        ),
        Subject::Command(command) => format!("{} ({} samples)", command.argv.join(" "), run.plan.rounds),
    }
}

pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn figures(run: &Run) -> Grid {
    let mut grid = Grid::new([
        ("figure", Align::Left),
        ("under", Align::Left),
        ("median", Align::Right),
        ("95% interval", Align::Right),
        ("unit", Align::Left),
        ("of limit", Align::Right),
        ("", Align::Left),
    ]);
    for one in &run.measurements {
        let Ok(estimate) = one.estimate() else { continue };
        let interval = estimate.interval.map(|i| format!("{} – {}", digits(i.low), digits(i.high))).unwrap_or_default();
        let share = one.share_of_limit().map(|share| format!("{:.0}%", share * 100.0)).unwrap_or_default();
        let mark = if run.is_noisy(one) { "noisy" } else { "" };
        let name = one.id.split_once('.').map_or(one.id.as_str(), |(group, name)| match name {
            "tok_s" | "ms" => group,
            _ => one.id.as_str(),
        });
        grid.row([name, &one.setting.to_string(), &digits(estimate.median), &interval, &one.unit, &share, mark]);
    }
    grid
}

fn comparison(page: &mut Page, measured: &Measured, pairing: Pairing) {
    let Some(report) = &measured.report else { return };
    let mut grid = Grid::new([
        ("figure", Align::Left),
        ("under", Align::Left),
        ("ratio", Align::Right),
        ("95% interval", Align::Right),
        ("p", Align::Right),
        ("", Align::Left),
    ]);
    for compared in &report.compared {
        let one = &measured.run.measurements[compared.ours];
        let (ratio, interval, p, word) = match &compared.comparison {
            Ok(comparison) => (
                format!("{:.3}", comparison.ratio),
                comparison.interval.map(|i| format!("{:.3} – {:.3}", i.low, i.high)).unwrap_or_default(),
                format!("{:.4}", comparison.rank_sum.p),
                word(comparison, report.has_other_tokens(&one.setting)),
            ),
            Err(why) => (String::new(), String::new(), String::new(), why.to_string()),
        };
        grid.row([&one.id, &one.setting.to_string(), &ratio, &interval, &p, &word]);
    }
    page.blank();
    page.heading(format!("{}, compared ({})", measured.run.subject.name(), pairing.word()));
    page.grid(grid);
}

fn word(comparison: &Comparison, other_tokens: bool) -> String {
    let word = comparison.verdict.word();
    let is_undecided = comparison.verdict == compare::Verdict::Undecided;
    if is_undecided && comparison.samples.0.min(comparison.samples.1) < comparison.fewest {
        return format!("{word}: {} samples are needed", comparison.fewest);
    }
    if other_tokens { format!("{word}, but other tokens") } else { word.to_owned() }
}

fn run_json(measured: &Measured) -> Value {
    let run = &measured.run;
    let subject = match &run.subject {
        Subject::Model(model) => json!({
            "kind": "model",
            "name": model.name,
            "sha256": model.sha256,
            "bytes": model.bytes,
            "arch": model.arch,
            "quant": model.quant,
            "parameters": model.parameters,
        }),
        Subject::Command(command) => json!({ "kind": "command", "argv": command.argv, "sha256": command.sha256 }),
    };
    let outputs: Vec<Value> = run
        .outputs
        .iter()
        .map(|output| json!({ "setting": setting_json(&output.setting), "sha256": output.sha256 }))
        .collect();
    let peaks: Vec<Value> = run
        .peaks
        .iter()
        .map(|peak| {
            json!({
                "threads": peak.threads,
                "bytes_per_second": peak.bandwidth,
                "integer_per_second": peak.integer,
                "float_per_second": peak.float,
            })
        })
        .collect();
    let mut measurements: Vec<Value> = run.measurements.iter().map(|one| figure_json(run, one)).collect();
    if let Some(report) = &measured.report {
        for compared in &report.compared {
            let Ok(comparison) = &compared.comparison else { continue };
            let setting = &run.measurements[compared.ours].setting;
            measurements[compared.ours]["compared"] = comparison_json(comparison, report.has_other_tokens(setting));
        }
    }
    let mut value = json!({
        "subject": subject,
        "receipt": measured.receipt.map(|id| id.to_string()),
        "machine": machine_json(&run.machine),
        "plan": {
            "rounds": run.plan.rounds,
            "window": run.plan.window,
            "tolerance": run.plan.tolerance,
            "warm_up_limit": run.plan.warm_up_limit,
            "precision": run.plan.precision,
            "seed": run.plan.seed,
        },
        "peaks": peaks,
        "noise": {
            "steal": run.noise.steal,
            "others": run.noise.others,
            "throttled": run.noise.throttled,
            "mhz": run.noise.mhz.map(|(least, most)| [least, most]),
        },
        "outputs": outputs,
        "measurements": measurements,
        "energy": energy_json(run),
        "remarks": run.remarks,
        "claims": measured.decided.iter().map(decided_json).collect::<Vec<_>>(),
    });
    if measured.report.is_none() {
        // Only what was compared says so.
        value["other_tokens"] = Value::Null;
    } else if let Some(report) = &measured.report {
        value["other_tokens"] = report.other_tokens.iter().map(setting_json).collect();
    }
    value
}

/// What is not known is null, and never 0.
fn energy_json(run: &Run) -> Value {
    let measured: Vec<Value> = run
        .find("energy.j_tok")
        .filter_map(|one| Some(json!({ "setting": setting_json(&one.setting), "j_tok": one.estimate().ok()?.median })))
        .collect();
    if measured.is_empty() { Value::Null } else { measured.into() }
}

fn machine_json(machine: &Machine) -> Value {
    json!({
        "fingerprint": machine.fingerprint,
        "cpu": machine.cpu,
        "system": machine.system,
        "level": machine.level,
        "processors": machine.processors,
        "usable": machine.usable,
        "memory_bytes": machine.memory_bytes,
        "governor": machine.governor,
    })
}

fn setting_json(setting: &Setting) -> Value {
    let Setting { prompt, generated, depth, batch, threads, kv } = setting;
    json!({ "prompt": prompt, "generated": generated, "depth": depth, "batch": batch, "threads": threads, "kv": kv })
}

fn interval_json(interval: Option<crate::bench::stats::Interval>) -> Value {
    interval.map_or(Value::Null, |interval| json!({ "lower": interval.low, "upper": interval.high }))
}

fn figure_json(run: &Run, one: &Measurement) -> Value {
    let estimate = one.estimate().ok();
    let mut figure = Map::new();
    let mut put = |key: &str, value: Value| figure.insert(key.to_owned(), value);
    put("id", one.id.as_str().into());
    put("setting", setting_json(&one.setting));
    put("unit", one.unit.as_str().into());
    put("better", one.better.word().into());
    put("median", estimate.map(|e| e.median).into());
    put("ci95", interval_json(estimate.and_then(|e| e.interval)));
    put("samples", one.samples.clone().into());
    put("warm_up", one.warm_up.clone().into());
    put("settled", one.settled.into());
    put("noisy", run.is_noisy(one).into());
    let limit = one.limit.as_ref();
    put(
        "limit",
        limit.map_or(
            Value::Null,
            |limit| json!({ "what": limit.what, "value": limit.value, "share": one.share_of_limit() }),
        ),
    );
    Value::Object(figure)
}

fn comparison_json(comparison: &Comparison, other_tokens: bool) -> Value {
    json!({
        "ratio": comparison.ratio,
        "ci95": interval_json(comparison.interval),
        "p": comparison.rank_sum.p,
        "superiority": comparison.rank_sum.superiority,
        "verdict": comparison.verdict.word(),
        "pairing": comparison.pairing.word(),
        "samples": [comparison.samples.0, comparison.samples.1],
        "other_tokens": other_tokens,
    })
}

fn decided_json(decided: &Decided) -> Value {
    let findings: Vec<Value> = decided
        .decision
        .findings
        .iter()
        .map(|finding| {
            json!({
                "id": finding.evidence.id,
                "setting": setting_json(&finding.evidence.setting),
                "value": finding.evidence.value,
                "ci95": interval_json(finding.evidence.interval),
                "verdict": finding.verdict.word(),
            })
        })
        .collect();
    json!({
        "text": decided.text,
        "must_hold": decided.must_hold,
        "verdict": decided.verdict.word(),
        "findings": findings,
    })
}
