//! Benchmarks as a page for people: HTML that stands alone (plots as SVG, no scripts, nothing fetched), or Markdown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::bench_formats as formats;
use super::bench_formats::figure_name;
use super::bench_history::machine_word;
use super::bench_plot::{self as plot, percent};
use super::escape;
use super::{View, short};
use crate::bench::history::{Entry, Series};
use crate::bench::result::{Machine, Run, Subject};
use crate::receipts::predicates::Benchmark;
use crate::ui::Page;

pub(crate) struct Report {
    /// Newest first, each with what its receipt says besides the run.
    pub(crate) entries: Vec<(Entry, Benchmark)>,
    /// Of these runs' figures, over all the ledger's receipts.
    pub(crate) series: Vec<Series>,
}

/// A report, and where it went.
pub(crate) struct Written {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) path: Option<String>,
    pub(crate) receipts: Vec<String>,
}

impl View for Written {
    fn page(&self) -> Page {
        let mut page = Page::new();
        match &self.path {
            Some(path) => {
                page.text(format!("{path}: receipts told: {}; {} bytes", self.receipts.len(), self.text.len()))
            }
            None => page.verbatim(self.text.clone()),
        }
        page
    }

    fn json(&self) -> Value {
        let text = if self.path.is_none() { Some(&self.text) } else { None };
        json!({ "kind": self.kind, "path": self.path, "receipts": self.receipts, "text": text })
    }
}

fn machine_words(machine: &Machine) -> String {
    format!(
        "{}, {} of {} processors, {}, {:.1} GB of memory",
        machine.cpu,
        machine.usable,
        machine.processors,
        machine.level,
        machine.memory_bytes as f64 / 1e9
    )
}

fn subject_words(run: &Run) -> String {
    match &run.subject {
        Subject::Model(model) => format!("{}, {}, {:.1} MB", model.arch, model.quant, model.bytes as f64 / 1e6),
        Subject::Command(command) => command.argv.join(" "),
    }
}

fn noise_words(run: &Run) -> Vec<String> {
    let noise = &run.noise;
    let mut words = Vec::new();
    words.extend(noise.steal.map(|share| format!("stolen by a hypervisor: {:.1}%", share * 100.0)));
    words.extend(noise.others.map(|busy| format!("kept busy by others: {busy:.2} processors")));
    words.extend(noise.throttled.map(|times| format!("slowed down for heat: {times} times")));
    words.extend(noise.mhz.map(|(least, most)| format!("{least:.0} – {most:.0} MHz")));
    words
}

fn named(id: &str, setting: &str) -> String {
    let name = figure_name(id);
    if setting.is_empty() { name.to_owned() } else { format!("{name} ({setting})") }
}

/// The lines of a comparison: figure, ratio, interval, p, word.
fn comparisons(run: &Run, benchmark: &Benchmark) -> Vec<[String; 5]> {
    let Some(against) = &benchmark.against else { return Vec::new() };
    let rows = against.comparisons.iter().filter_map(|one| {
        let measurement = run.measurements.get(usize::try_from(one.measurement).ok()?)?;
        let interval = one.interval.as_ref().map(|(low, high)| format!("{low} – {high}")).unwrap_or_default();
        let figure = named(&measurement.id, &measurement.setting.to_string());
        Some([figure, one.ratio.to_string(), interval, one.p.to_string(), one.word.clone()])
    });
    rows.collect()
}

const COMPARISON: [&str; 5] = ["figure", "ratio", "95% interval", "p", "verdict"];

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Benchmarks\n");
        for (entry, benchmark) in &self.entries {
            let run = &entry.run;
            let _ = writeln!(text, "\n## {}\n", escape::markdown(run.subject.name()));
            let _ = writeln!(
                text,
                "{}; {}\n",
                escape::markdown(&subject_words(run)),
                escape::markdown(&machine_words(&run.machine))
            );
            let _ = writeln!(
                text,
                "Receipt `{}`, {} UTC, {} samples of each figure.\n",
                entry.receipt,
                plot::day(entry.time),
                run.plan.rounds
            );
            text += &formats::figures(run);
            for words in noise_words(run).iter().chain(&run.remarks) {
                let _ = writeln!(text, "\n- {}", escape::markdown(words));
            }
            let rows = comparisons(run, benchmark);
            if let Some(against) = benchmark.against.as_ref().filter(|_| !rows.is_empty()) {
                let receipt = crate::receipts::hex::encode(&against.receipt);
                let _ = writeln!(
                    text,
                    "\nAgainst receipt `{receipt}`:\n\n| {} |\n|---|--:|--:|--:|---|",
                    COMPARISON.join(" | ")
                );
                for row in rows {
                    let _ = writeln!(text, "| {} |", row.map(|cell| escape::markdown(&cell)).join(" | "));
                }
            }
            for claim in &benchmark.claims {
                let _ = writeln!(text, "\n- {}: **{}**", escape::markdown(&claim.text), claim.verdict.word());
            }
        }
        let told: Vec<&Series> = self.series.iter().filter(|series| series.points.len() > 1).collect();
        if !told.is_empty() {
            text +=
                "\n## History\n\n| subject | figure | runs | first | newest | changes |\n|---|---|--:|--:|--:|---|\n";
            for series in told {
                let median = |at: Option<&crate::bench::history::Point>| {
                    at.map(|p| formats::digits(p.median)).unwrap_or_default()
                };
                let changes: Vec<String> = series
                    .changes
                    .iter()
                    .map(|change| {
                        let point = &series.points[change.at];
                        format!(
                            "{} at {} (`{}`)",
                            percent(change.ratio()),
                            plot::day(point.time),
                            short(&point.receipt)
                        )
                    })
                    .collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} {} | {} |",
                    escape::markdown(series.subject.name()),
                    escape::markdown(&named(&series.id, &series.setting.to_string())),
                    series.points.len(),
                    median(series.points.first()),
                    median(series.points.last()),
                    escape::markdown(&series.unit),
                    changes.join(", ")
                );
            }
        }
        text
    }

    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>Benchmarks</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Benchmarks</h1>\n"
        );
        for (entry, benchmark) in &self.entries {
            section(&mut page, entry, benchmark);
        }
        let told = self.series.iter().filter(|series| series.points.len() > 1);
        let plots: Vec<String> = told
            .map(|series| {
                let title = format!(
                    "{} of {}, {}",
                    named(&series.id, &series.setting.to_string()),
                    series.subject.name(),
                    series.unit
                );
                let machine = format!("{} ({})", series.machine.cpu, machine_word(&series.machine.fingerprint));
                let plot = plot::history(series, &title);
                format!(
                    "<figure>\n<figcaption>{}<br><small>{}</small></figcaption>\n{plot}</figure>\n",
                    escape::xml(&title),
                    escape::xml(&machine)
                )
            })
            .collect();
        if !plots.is_empty() {
            page += "<h2>History</h2>\n";
            page += &plots.concat();
        }
        page + "</body>\n</html>\n"
    }
}

fn section(page: &mut String, entry: &Entry, benchmark: &Benchmark) {
    let run = &entry.run;
    let _ = writeln!(
        page,
        "<section>\n<h2>{}</h2>\n<p>{}<br>{}</p>",
        escape::xml(run.subject.name()),
        escape::xml(&subject_words(run)),
        escape::xml(&machine_words(&run.machine))
    );
    let _ = writeln!(
        page,
        "<p>Receipt <code>{}</code>, {} UTC, {} samples of each figure</p>",
        escape::xml(&entry.receipt),
        plot::day(entry.time),
        run.plan.rounds
    );
    page.push_str("<table>\n<tr><th>figure<th>under<th class=\"n\">median<th class=\"n\">95% interval<th>unit<th class=\"n\">of limit<th></tr>\n");
    for one in &run.measurements {
        let Ok(estimate) = one.estimate() else { continue };
        let interval = estimate
            .interval
            .map(|i| format!("{} – {}", formats::digits(i.low), formats::digits(i.high)))
            .unwrap_or_default();
        let share = one.share_of_limit().map(|share| format!("{:.0}%", share * 100.0)).unwrap_or_default();
        let limit = one.limit.as_ref().map(|limit| limit.what.as_str()).unwrap_or_default();
        let noisy = if run.is_noisy(one) { "noisy" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{interval}<td>{}<td class=\"n\" title=\"{}\">{share}<td>{noisy}</tr>",
            escape::xml(figure_name(&one.id)),
            escape::xml(&one.setting.to_string()),
            formats::digits(estimate.median),
            escape::xml(&one.unit),
            escape::xml(limit)
        );
    }
    page.push_str("</table>\n");
    list(page, noise_words(run).iter().chain(&run.remarks));
    let rows = comparisons(run, benchmark);
    if let Some(against) = benchmark.against.as_ref().filter(|_| !rows.is_empty()) {
        let receipt = crate::receipts::hex::encode(&against.receipt);
        let _ = writeln!(
            page,
            "<h3>Against receipt <code>{receipt}</code></h3>\n<table>\n<tr><th>{}</tr>",
            COMPARISON.join("<th>")
        );
        for row in rows {
            let _ = writeln!(page, "<tr><td>{}</tr>", row.map(|cell| escape::xml(&cell)).join("<td>"));
        }
        page.push_str("</table>\n");
    }
    let claims: Vec<String> =
        benchmark.claims.iter().map(|claim| format!("{}: {}", claim.text, claim.verdict.word())).collect();
    list(page, claims.iter());
    page.push_str("<div class=\"plots\">\n");
    for one in &run.measurements {
        let Ok(estimate) = one.estimate() else { continue };
        let title = format!("{}, {}", named(&one.id, &one.setting.to_string()), one.unit);
        let plot = plot::samples(&one.samples, estimate.median, estimate.interval, &title);
        let _ = writeln!(page, "<figure>\n<figcaption>{}</figcaption>\n{plot}</figure>", escape::xml(&title));
    }
    page.push_str("</div>\n</section>\n");
}

fn list<'t>(page: &mut String, items: impl Iterator<Item = &'t String>) {
    let items: Vec<String> = items.map(|item| format!("<li>{}\n", escape::xml(item))).collect();
    if !items.is_empty() {
        let _ = writeln!(page, "<ul>\n{}</ul>", items.concat());
    }
}

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1d2127; --paper: #ffffff; --dim: #6b7380; --rule: #dde1e6; --data: #1763b6; --band: #1763b626; --good: #1c7c3c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #15181c; --dim: #98a1ad; --rule: #343a42; --data: #74b3f5; --band: #74b3f533; --good: #68c987; --bad: #ff8a80; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
section { border-top: 1px solid var(--rule); }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--rule); padding: .2rem .8rem .2rem 0; text-align: left; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
small { color: var(--dim); }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 1rem 0 0; }
svg { max-width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--dim); }
.grid { stroke: var(--rule); }
.axis { stroke: var(--dim); }
.band { fill: var(--band); }
.median, .line { stroke: var(--data); fill: none; stroke-width: 1.5; }
.dot { fill: var(--data); }
.noisy { fill: var(--paper); stroke: var(--data); }
.whisker { stroke: var(--data); opacity: .5; }
line.gain { stroke: var(--good); stroke-dasharray: 4 3; }
line.loss { stroke: var(--bad); stroke-dasharray: 4 3; }
svg text.gain { fill: var(--good); }
svg text.loss { fill: var(--bad); }
";

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::history;
    use crate::bench::result::{METRICS, Measurement, ModelSubject, Noise, Plan, Setting};

    /// Two figures of a model whose name is not to be trusted.
    pub(in crate::view) fn run() -> Run {
        let setting = Setting { prompt: Some(512), generated: Some(128), threads: Some(2), ..Setting::default() };
        let measured = |at: usize, level: f64| Measurement {
            samples: (0..10).map(|n| level + f64::from(n % 4) * level / 400.0).collect(),
            ..Measurement::of(&METRICS[at], setting.clone())
        };
        Run {
            subject: Subject::Model(ModelSubject {
                name: "<b>tiny</b>, |*\u{1b}[2J".into(),
                sha256: "0a".repeat(32),
                bytes: 1_200_000,
                arch: "llama".into(),
                quant: "Q4_0".into(),
                parameters: 1,
            }),
            machine: Machine {
                fingerprint: "f00d".repeat(16),
                cpu: "A CPU & \"more\"".into(),
                system: "linux x86_64".into(),
                level: "avx2".into(),
                processors: 4,
                usable: 2,
                memory_bytes: 8_000_000_000,
                governor: None,
            },
            plan: Plan { rounds: 10, window: 2, tolerance: 0.05, warm_up_limit: 4, precision: 0.1, seed: 0 },
            peaks: Vec::new(),
            noise: Noise { steal: Some(0.02), ..Noise::default() },
            outputs: Vec::new(),
            measurements: vec![measured(2, 32.0), measured(4, 200.0)],
            remarks: vec!["energy: <no> counter".into()],
        }
    }

    fn entry(second: i64, factor: f64) -> Entry {
        let mut run = run();
        for one in &mut run.measurements {
            one.samples.iter_mut().for_each(|sample| *sample *= factor);
        }
        let time = jiff::Timestamp::from_second(1_760_000_000 + second * 86_400).expect("a time");
        Entry { receipt: format!("{second:064x}"), time, run }
    }

    fn benchmark() -> Benchmark {
        use crate::receipts::predicates::benchmark::{
            Against, Claim, Comparison, Machine, Measured, Noise, Plan, Verdict,
        };
        let decimal = |text: &str| text.parse().expect("a decimal number");
        let comparison = Comparison {
            measurement: 0,
            ratio: decimal("0.95"),
            interval: Some((decimal("0.94"), decimal("0.96"))),
            p: decimal("0.0001"),
            word: "slower".into(),
        };
        Benchmark {
            subject: Measured::Command { argv: vec!["x".into()], sha256: [0; 32] },
            machine: Machine {
                fingerprint: "f00d".into(),
                cpu: "A CPU".into(),
                system: "linux".into(),
                level: "avx2".into(),
                processors: 2,
                usable: 2,
                memory_bytes: 1,
                governor: None,
            },
            plan: Plan {
                rounds: 10,
                window: 2,
                tolerance: decimal("0.05"),
                warm_up_limit: 4,
                precision: decimal("0.1"),
                seed: 0,
            },
            peaks: Vec::new(),
            noise: Noise { steal: None, others: None, throttled: None, least_mhz: None, most_mhz: None },
            settings: Vec::new(),
            measurements: Vec::new(),
            remarks: Vec::new(),
            against: Some(Against {
                receipt: [7; 32],
                same_session: true,
                same_output: Some(true),
                comparisons: vec![comparison],
            }),
            claims: vec![Claim { text: "decode < 0.97x".into(), verdict: Verdict::Failed }],
            verdict: Some(Verdict::Failed),
        }
    }

    fn report() -> Report {
        let entries: Vec<Entry> = (0..14).map(|at| entry(at, if at < 8 { 1.0 } else { 0.9 })).collect();
        let newest = entries.iter().rev().take(1).map(|entry| (entry.clone(), benchmark())).collect();
        Report { entries: newest, series: history::series(&entries, |_, one| one.id == "decode.tok_s") }
    }

    #[test]
    fn the_markdown_shows_what_others_wrote_literally() {
        insta::assert_snapshot!(report().markdown(), @r#"
        # Benchmarks

        ## \<b\>tiny\</b\>, \|\*

        llama, Q4_0, 1.2 MB; A CPU \& "more", 2 of 4 processors, avx2, 8.0 GB of memory

        Receipt `000000000000000000000000000000000000000000000000000000000000000d`, 2025-10-22 08:53 UTC, 10 samples of each figure.

        | figure | under | median | 95% interval | unit | of limit | |
        |---|---|--:|--:|---|--:|---|
        | decode | p512 n128 t2 | 28.87 | 28.80 – 29.02 | tok/s |  |  |
        | first_token | p512 n128 t2 | 180.5 | 180.0 – 181.3 | ms |  |  |

        - stolen by a hypervisor: 2.0%

        - energy: \<no\> counter

        Against receipt `0707070707070707070707070707070707070707070707070707070707070707`:

        | figure | ratio | 95% interval | p | verdict |
        |---|--:|--:|--:|---|
        | decode (p512 n128 t2) | 0.95 | 0.94 – 0.96 | 0.0001 | slower |

        - decode \< 0.97x: **failed**

        ## History

        | subject | figure | runs | first | newest | changes |
        |---|---|--:|--:|--:|---|
        | \<b\>tiny\</b\>, \|\* | decode (p512 n128 t2) | 14 | 32.08 | 28.87 tok/s | -10.0% at 2025-10-17 08:53 (`000000000000`) |
        "#);
    }

    /// Every tag is one of ours, opened and closed in order, and nothing is fetched or run.
    #[test]
    fn the_page_stands_alone() {
        let html = report().html();
        let body = html.split("</style>").nth(1).expect("a style");
        let ours = [
            "head",
            "body",
            "html",
            "h1",
            "h2",
            "h3",
            "section",
            "p",
            "br",
            "code",
            "table",
            "tr",
            "th",
            "td",
            "ul",
            "li",
            "div",
            "figure",
            "figcaption",
            "small",
            "svg",
            "line",
            "text",
            "rect",
            "circle",
            "title",
            "polyline",
        ];
        for tag in body.split('<').skip(1) {
            let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            assert!(ours.contains(&name.as_str()), "<{tag}");
            assert!(!tag.contains("href") && !tag.contains("src=") && !tag.contains(" on"), "<{tag}");
        }
        for tag in ["section", "table", "ul", "div", "figure", "svg", "text", "title"] {
            let (opened, closed) = (
                body.matches(&format!("<{tag}>")).count() + body.matches(&format!("<{tag} ")).count(),
                body.matches(&format!("</{tag}>")).count(),
            );
            assert_eq!(opened, closed, "{tag}");
        }
        assert!(html.contains("&lt;b&gt;tiny&lt;/b&gt;") && !html.contains("<b>") && !html.contains('\u{1b}'));
        assert!(html.contains("energy: &lt;no&gt; counter") && html.contains("A CPU &amp; &quot;more&quot;"));
        assert!(html.contains("class=\"loss\"") && html.contains("-10.0%"), "the change is marked");
        assert!(!html.contains("NaN") && !html.contains("http"));
    }

    #[test]
    fn plots_stand_within_their_frame_whatever_the_values() {
        for values in [vec![1.0; 10], vec![0.0; 10], vec![1e300, 1e-300], vec![-3.0, 5.0], vec![7.0], vec![]] {
            let median = values.first().copied().unwrap_or(0.0);
            let svg = plot::samples(&values, median, None, "t");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
            for y in svg.split("cy=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let y: f64 = y.parse().expect("a number");
                assert!((0.0..=120.0).contains(&y), "{values:?}: {y}");
            }
        }
    }
}
