//! Runs for other programs: a line of JSON for each figure, CSV, Markdown, and Go's benchmark format, which benchstat
//! reads.

use std::fmt::Write as _;

use serde_json::json;

use super::escape;
use crate::bench::claim;
use crate::bench::result::{Measurement, Run, Setting, Subject, metric_of};
use crate::ui::clean;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jsonl,
    Csv,
    Markdown,
    Benchstat,
}

impl Format {
    pub(crate) fn text(self, runs: &[&Run]) -> String {
        match self {
            Format::Jsonl => jsonl(runs),
            Format::Csv => csv(runs),
            Format::Markdown => markdown(runs),
            Format::Benchstat => benchstat(runs),
        }
    }
}

/// The figure as tables name it: `decode`, `load.cold`.
pub(super) fn figure_name(id: &str) -> &str {
    match metric_of(id) {
        Some(metric) => claim::short_name(metric),
        None => id,
    }
}

fn digest(subject: &Subject) -> &str {
    match subject {
        Subject::Model(model) => &model.sha256,
        Subject::Command(command) => &command.sha256,
    }
}

pub(super) fn setting_json(setting: &Setting) -> serde_json::Value {
    json!({
        "prompt": setting.prompt,
        "generated": setting.generated,
        "depth": setting.depth,
        "batch": setting.batch,
        "threads": setting.threads,
        "kv": setting.kv,
    })
}

fn jsonl(runs: &[&Run]) -> String {
    let mut text = String::new();
    for run in runs {
        for one in &run.measurements {
            let Ok(estimate) = one.estimate() else { continue };
            let line = json!({
                "schema": "bizra.bench.figure/v1",
                "subject": run.subject.name(),
                "sha256": digest(&run.subject),
                "machine": run.machine.fingerprint,
                "cpu": run.machine.cpu,
                "id": one.id,
                "setting": setting_json(&one.setting),
                "unit": one.unit,
                "better": one.better.word(),
                "median": estimate.median,
                "ci95": estimate.interval.map(|i| json!({ "lower": i.low, "upper": i.high })),
                "noisy": run.is_noisy(one),
                "settled": one.settled,
                "samples": one.samples,
            });
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

const CSV_HEADER: &str = "subject,sha256,machine,figure,prompt,generated,depth,batch,threads,kv,unit,better,median,ci95_lower,ci95_upper,samples,noisy,settled,limit";

fn csv(runs: &[&Run]) -> String {
    let mut text = format!("{CSV_HEADER}\n");
    for run in runs {
        for one in &run.measurements {
            let Ok(estimate) = one.estimate() else { continue };
            let count = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            let setting = &one.setting;
            let cells = [
                run.subject.name().to_owned(),
                digest(&run.subject).to_owned(),
                run.machine.fingerprint.clone(),
                one.id.clone(),
                count(setting.prompt),
                count(setting.generated),
                count(setting.depth),
                count(setting.batch),
                count(setting.threads),
                setting.kv.clone().unwrap_or_default(),
                one.unit.clone(),
                one.better.word().to_owned(),
                estimate.median.to_string(),
                estimate.interval.map(|i| i.low.to_string()).unwrap_or_default(),
                estimate.interval.map(|i| i.high.to_string()).unwrap_or_default(),
                one.samples.len().to_string(),
                run.is_noisy(one).to_string(),
                one.settled.to_string(),
                one.limit.as_ref().map(|limit| limit.value.to_string()).unwrap_or_default(),
            ];
            let _ = writeln!(text, "{}", cells.map(|cell| quoted(&cell)).join(","));
        }
    }
    text
}

fn quoted(cell: &str) -> String {
    let cell = clean::one_line(cell);
    if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.into_owned() }
}

pub(super) fn markdown(runs: &[&Run]) -> String {
    let mut text = String::new();
    for run in runs {
        let _ = writeln!(
            text,
            "**{}** on {}, {}\n",
            escape::markdown(run.subject.name()),
            escape::markdown(&run.machine.cpu),
            escape::markdown(&run.machine.level)
        );
        text += &figures(run);
        text.push('\n');
    }
    text
}

/// The table of a run's figures.
pub(super) fn figures(run: &Run) -> String {
    let mut text =
        String::from("| figure | under | median | 95% interval | unit | of limit | |\n|---|---|--:|--:|---|--:|---|\n");
    for one in &run.measurements {
        let Ok(estimate) = one.estimate() else { continue };
        let interval = estimate.interval.map(|i| format!("{} – {}", digits(i.low), digits(i.high))).unwrap_or_default();
        let share = one.share_of_limit().map(|share| format!("{:.0}%", share * 100.0)).unwrap_or_default();
        let noisy = if run.is_noisy(one) { "noisy" } else { "" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {interval} | {} | {share} | {noisy} |",
            escape::markdown(figure_name(&one.id)),
            escape::markdown(&one.setting.to_string()),
            digits(estimate.median),
            escape::markdown(&one.unit),
        );
    }
    text
}

/// Four significant digits.
pub(super) fn digits(x: f64) -> String {
    let places = match x.abs() {
        x if x >= 1000.0 => 0,
        x if x >= 100.0 => 1,
        x if x >= 10.0 => 2,
        x if x >= 1.0 => 3,
        _ => 4,
    };
    format!("{x:.places$}")
}

/// The units of golang.org/design/14313-benchmark-format: times in ns/op and memory in B, which benchstat scales itself;
/// others with a line that says which way is better.
fn benchstat(runs: &[&Run]) -> String {
    let mut text = String::new();
    let mut declared: Vec<&str> = Vec::new();
    for run in runs {
        let mut words = run.machine.system.split_whitespace();
        let (goos, goarch) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let keys = [
            ("goos", goos),
            ("goarch", goarch),
            ("cpu", &run.machine.cpu),
            ("machine", &run.machine.fingerprint),
            ("subject", run.subject.name()),
        ];
        for (key, value) in keys.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            let _ = writeln!(text, "{key}: {}", clean::one_line(value).trim());
        }
        for one in &run.measurements {
            let (unit, factor) = go_unit(&one.unit);
            if !matches!(unit, "ns/op" | "B") && !declared.contains(&unit) {
                declared.push(unit);
                let _ = writeln!(text, "Unit {unit} better={}", one.better.word());
            }
            let name = go_name(one);
            for sample in &one.samples {
                let _ = writeln!(text, "{name} 1 {} {unit}", sample * factor);
            }
        }
        text.push('\n');
    }
    text
}

fn go_unit(unit: &str) -> (&str, f64) {
    match unit {
        "ms" => ("ns/op", 1e6),
        "MiB" => ("B", 1_048_576.0),
        other => (other, 1.0),
    }
}

/// `BenchmarkDecode/prompt=512/threads=2`: no blanks, and a capital after the first word.
fn go_name(one: &Measurement) -> String {
    let mut name = String::from("Benchmark");
    for part in figure_name(&one.id).split(['.', '_']) {
        let mut letters = part.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.extend(letters);
    }
    let setting = &one.setting;
    let counts = [
        ("prompt", setting.prompt),
        ("generated", setting.generated),
        ("depth", setting.depth),
        ("batch", setting.batch),
        ("threads", setting.threads),
    ];
    for (key, count) in counts {
        if let Some(count) = count {
            let _ = write!(name, "/{key}={count}");
        }
    }
    if let Some(kv) = &setting.kv {
        let _ = write!(name, "/kv={kv}");
    }
    name.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bench_report::tests::run;
    use super::*;

    #[test]
    fn benchstat_reads_a_line_a_sample() {
        let run = run();
        insta::assert_snapshot!(Format::Benchstat.text(&[&run]), @r#"
        goos: linux
        goarch: x86_64
        cpu: A CPU & "more"
        machine: f00df00df00df00df00df00df00df00df00df00df00df00df00df00df00df00d
        subject: <b>tiny</b>, |*
        Unit tok/s better=higher
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.08 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.16 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.24 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.08 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.16 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.24 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32 tok/s
        BenchmarkDecode/prompt=512/generated=128/threads=2 1 32.08 tok/s
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200000000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200500000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 201000000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 201500000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200000000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200500000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 201000000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 201500000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200000000 ns/op
        BenchmarkFirstToken/prompt=512/generated=128/threads=2 1 200500000 ns/op
        "#);
    }

    #[test]
    fn csv_and_markdown_have_a_row_a_figure() {
        let run = run();
        insta::assert_snapshot!(Format::Csv.text(&[&run]), @r#"
        subject,sha256,machine,figure,prompt,generated,depth,batch,threads,kv,unit,better,median,ci95_lower,ci95_upper,samples,noisy,settled,limit
        "<b>tiny</b>, |*",0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a,f00df00df00df00df00df00df00df00df00df00df00df00df00df00df00df00d,decode.tok_s,512,128,,,2,,tok/s,higher,32.08,32,32.24,10,false,true,
        "<b>tiny</b>, |*",0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a,f00df00df00df00df00df00df00df00df00df00df00df00df00df00df00df00d,first_token.ms,512,128,,,2,,ms,lower,200.5,200,201.5,10,false,true,
        "#);
        insta::assert_snapshot!(Format::Markdown.text(&[&run]), @r#"
        **\<b\>tiny\</b\>, \|\*** on A CPU \& "more", avx2

        | figure | under | median | 95% interval | unit | of limit | |
        |---|---|--:|--:|---|--:|---|
        | decode | p512 n128 t2 | 32.08 | 32.00 – 32.24 | tok/s |  |  |
        | first_token | p512 n128 t2 | 200.5 | 200.0 – 201.5 | ms |  |  |
        "#);
    }

    #[test]
    fn jsonl_has_a_document_a_line() {
        let run = run();
        let text = Format::Jsonl.text(&[&run, &run]);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2 * run.measurements.len());
        assert_eq!(lines[0]["samples"].as_array().map(Vec::len), Some(run.measurements[0].samples.len()));
    }
}
