//! Races as a table for people and as raw samples for later.

use std::fmt::Write;

use bizra::bench::stats::{self, Estimate, Interval, Sample};
use serde_json::{Value, json};

use super::{Entrant, Figure, Race};
use crate::tools::{self, Outcome};

const COLUMNS: [&str; 8] =
    ["benchmark", "subject", "median ms", "95 % interval", "of peer", "95 % interval", "p", "peak MB"];

pub(super) fn table(results: &[(&str, Vec<Race>)]) -> Outcome<String> {
    let mut rows = vec![COLUMNS.map(String::from)];
    let mut notes = String::new();
    for (name, races) in results {
        for race in races {
            for (index, entrant) in race.entrants.iter().enumerate() {
                let peer = (index != race.peer).then(|| &race.entrants[race.peer]);
                rows.push(row(name, entrant, peer).map_err(|cause| format!("{}: {cause}", entrant.series.name))?);
                if !entrant.series.settled {
                    let _ =
                        writeln!(notes, "{} did not settle while warming up: the machine is busy", entrant.series.name);
                }
            }
        }
    }
    if results.iter().flat_map(|(_, races)| races).flat_map(|race| &race.entrants).any(|one| one.peak_kib.is_none()) {
        notes += "where peak MB is missing, it was not measured: whole processes need GNU time\n";
    }
    Ok(format!("{}{notes}", aligned(&rows, 2)))
}

fn row(name: &str, entrant: &Entrant, peer: Option<&Entrant>) -> Result<[String; 8], stats::StatsError> {
    let seconds = entrant.series.seconds();
    let sample = Sample::new(&seconds)?;
    let Estimate { median, interval } = sample.estimate();
    let (ratio, ratio_interval, p) = match peer {
        None => ("1".into(), "the peer".into(), String::new()),
        Some(peer) => {
            let others = peer.series.seconds();
            let ratio = stats::paired_ratio(&seconds, &others)?;
            let test = stats::rank_sum(&sample, &Sample::new(&others)?);
            (format!("{:.2}", ratio.median), between(ratio.interval, 1.0), probability(test.p))
        }
    };
    Ok([
        name.to_string(),
        entrant.series.name.clone(),
        format!("{:.2}", median * 1e3),
        between(interval, 1e3),
        ratio,
        ratio_interval,
        p,
        entrant.peak_kib.map_or("–".into(), |kib| format!("{:.1}", kib as f64 * 1024.0 / 1e6)),
    ])
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

fn between(interval: Option<Interval>, scale: f64) -> String {
    interval.map_or("too few samples".into(), |range| format!("{:.2} – {:.2}", range.low * scale, range.high * scale))
}

/// Figures beside their targets.
pub(super) fn figures(figures: &[Figure]) -> String {
    let mut rows = vec![["what", "measured", "target", "reached"].map(String::from)];
    rows.extend(figures.iter().map(|figure| {
        let reached = figure.met.map_or("", |met| if met { "yes" } else { "NO" });
        [figure.what.clone(), figure.measured.clone(), figure.target.clone(), reached.to_owned()]
    }));
    aligned(&rows, 4)
}

pub(super) fn raw_figures(name: &str, figures: &[Figure]) -> Value {
    let figures: Vec<Value> = figures
        .iter()
        .map(|one| json!({"what": one.what, "measured": one.measured, "target": one.target, "reached": one.met}))
        .collect();
    with_machine(name, "figures", figures)
}

pub(super) fn with_machine(name: &str, what: &str, content: Vec<Value>) -> Value {
    let line = |program: &str, arguments: &[&str]| {
        tools::read(tools::command(program).args(arguments)).ok().map(|text| text.trim().to_string())
    };
    json!({
        "benchmark": name,
        "commit": line("git", &["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]),
        "rustc": line("rustc", &["--version"]),
        "cpu": cpu(),
        "cores": std::thread::available_parallelism().ok().map(usize::from),
        what: content,
    })
}

/// The first `left` columns begin together, the others end together.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], left: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = width(column);
                if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

pub(super) fn raw(name: &str, races: &[Race]) -> Value {
    let race = |race: &Race| {
        let entrants: Vec<Value> = race
            .entrants
            .iter()
            .map(|entrant| {
                let nanos =
                    |samples: &[std::time::Duration]| samples.iter().map(|s| s.as_nanos() as u64).collect::<Vec<_>>();
                json!({
                    "name": entrant.series.name,
                    "warm_up_ns": nanos(&entrant.series.warm_up),
                    "samples_ns": nanos(&entrant.series.samples),
                    "settled": entrant.series.settled,
                    "peak_kib": entrant.peak_kib,
                })
            })
            .collect();
        json!({ "peer": race.entrants[race.peer].series.name, "entrants": entrants })
    };
    with_machine(name, "races", races.iter().map(race).collect())
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bizra::bench::measure::Series;

    use super::*;

    fn entrant(name: &str, millis: impl Fn(u64) -> u64, settled: bool, peak_kib: Option<u64>) -> Entrant {
        let samples = (0..10).map(|round| Duration::from_millis(millis(round))).collect();
        Entrant { series: Series { name: name.into(), warm_up: vec![], samples, settled }, peak_kib }
    }

    fn races() -> Vec<Race> {
        let ours = entrant("ours", |round| 20 + 2 * round, true, Some(2000));
        let peer = entrant("theirs", |round| 10 + round, false, None);
        vec![Race { entrants: vec![ours, peer], peer: 1 }]
    }

    #[test]
    fn the_table_compares_with_the_peer_and_says_what_is_doubtful() {
        insta::assert_snapshot!(table(&[("example", races())]).unwrap(), @r"
        benchmark  subject  median ms  95 % interval  of peer  95 % interval        p  peak MB
        example    ours         29.00  22.00 – 36.00     2.00    2.00 – 2.00  < 0.001      2.0
        example    theirs       14.50  11.00 – 18.00        1       the peer                 –
        theirs did not settle while warming up: the machine is busy
        where peak MB is missing, it was not measured: whole processes need GNU time
        ");
    }

    #[test]
    fn raw_samples_are_kept_whole() {
        let raw = raw("example", &races());
        assert_eq!(raw["races"][0]["peer"], "theirs");
        let samples: Vec<u64> = (0..10).map(|round| (20 + 2 * round) * 1_000_000).collect();
        assert_eq!(raw["races"][0]["entrants"][0]["samples_ns"], json!(samples));
    }

    #[test]
    fn a_time_of_zero_has_no_ratio() {
        let race =
            Race { entrants: vec![entrant("ours", |_| 0, true, None), entrant("theirs", |_| 1, true, None)], peer: 1 };
        let error = table(&[("example", vec![race])]).unwrap_err();
        assert_eq!(error, "ours: sample 0 is 0: a ratio needs samples above zero");
    }
}
