//! Gates: 1,000 criteria over a ledger of 100,000 receipts, with the index made first and with it at hand.
//!
//! Whole processes of the release binary. The ledger is that of the ledger's benchmark; the criteria ask for receipts
//! about files, for approvals of files, and for statements, spread over the whole of it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use bizra::bench::measure::Clock as _;

use super::{Figure, Race, Setup, ledger};
use crate::tools::{self, Outcome};

const RECEIPTS: u64 = 100_000;
const CRITERIA: u64 = 1000;
const WARM: usize = 7;

pub(super) fn run(setup: &Setup) -> Outcome<(Vec<Race>, Vec<Figure>)> {
    let (ledger, key) = ledger::of_size(&setup.clock, RECEIPTS)?;
    let home = tools::root().join("target/bench/gate");
    let _ = std::fs::remove_dir_all(&home);
    let mut figures = Vec::new();
    for (what, folder, criterion) in [
        ("each about a file", "about", about as fn(u64) -> String),
        ("approvals and statements among them", "mixed", mixed),
    ] {
        let work = home.join(folder);
        write(&work, criterion)?;
        let mut times = Vec::new();
        let mut peaks = Vec::new();
        for _ in 0..=WARM {
            let start = setup.clock.elapsed();
            peaks.push(gate(setup, &work, &ledger, &key)? as f64 * 1024.0 / 1e6);
            times.push(setup.clock.elapsed().saturating_sub(start).as_secs_f64());
        }
        let cold = times.remove(0);
        times.sort_by(f64::total_cmp);
        let (median, worst) = (times[WARM / 2], times[WARM - 1]);
        let name = format!("{CRITERIA} criteria over {RECEIPTS} receipts, {what}");
        let measured = format!("{median:.2} s (worst of {WARM}: {worst:.2})");
        figures.push(Figure::new(&name, measured, "1 s".into(), Some(worst <= 1.0)));
        figures.push(Figure::new("the first run, which makes the index", format!("{cold:.2} s"), String::new(), None));
        let peak = peaks.iter().copied().fold(0.0, f64::max);
        figures.push(Figure::new("peak memory of both", format!("{peak:.0} MB"), String::new(), None));
    }
    Ok((Vec::new(), figures))
}

/// Every fourth receipt of the workload is about such a report.
fn report(n: u64) -> u64 {
    (n * RECEIPTS / CRITERIA) / 4 * 4 + 3
}

fn about(n: u64) -> String {
    let path = format!("reports/run-{}.md", report(n));
    format!(
        "{{receipt: {{predicate: attestation, subject: {{paths: [{path}]}}, where: [{{path: score.value, op: '>=', value: 0}}]}}}}"
    )
}

fn mixed(n: u64) -> String {
    let run = report(n);
    match n % 4 {
        0 => format!(
            "{{all: [{{file: {{path: reports/run-{run}.md}}}}, {{approval: {{role: reviewer, min_score: 50, of: 100}}}}]}}"
        ),
        1 => format!("{{attest: {{role: reviewer, statement: Read run {run} and its evaluation; it may go on.}}}}"),
        _ => about(n),
    }
}

fn write(work: &Path, criterion: fn(u64) -> String) -> Outcome {
    let mut plan = String::from(
        "bizra: roadmap/v1\nid: large\ntitle: Large\ntimezone: UTC\nphases:\n- id: all\n  gate:\n    criteria:\n",
    );
    tools::succeed(tools::command("git").args(["init", "--quiet"]).arg(work))?;
    for n in 0..CRITERIA {
        let _ = writeln!(plan, "    - {{id: c{n}, evidence: {}}}", criterion(n));
        tools::write_file(&work.join(format!("reports/run-{}.md", report(n))), b"a report\n")?;
    }
    tools::write_file(&work.join("roadmap/large.yaml"), plan.as_bytes())
}

/// One process under GNU time, and its largest resident size in KiB. The files are not what the receipts are about, and
/// nobody has a role, so each search goes to its end and the gate stays closed.
fn gate(setup: &Setup, work: &Path, ledger: &Path, key: &str) -> Outcome<u64> {
    let mut command = tools::command("time");
    command.args(["--quiet", "--format=%M"]).arg(&setup.binary).args(["roadmap", "gate", "--dry-run", "--json"]);
    command.arg("--ledger").arg(ledger).current_dir(work).stderr(Stdio::piped());
    command.env("XDG_CACHE_HOME", work.join("cache")).env("BIZRA_KEY", key);
    let output = command.output().map_err(|cause| format!("cannot start GNU time: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|cause| format!("`{}` printed no JSON: {cause}: {said}", tools::typed(&command)))?;
    let criteria = answer["result"]["gates"][0]["criteria"].as_array().cloned().unwrap_or_default();
    let named = criteria.iter().filter(|c| c["receipts"].as_array().is_some_and(|all| !all.is_empty())).count();
    if criteria.len() as u64 != CRITERIA || (named as u64) < CRITERIA / 2 {
        return Err(format!("{} criteria were decided, {named} of them by receipts: {said}", criteria.len()));
    }
    let kib = said.lines().rev().find_map(|line| line.trim().parse().ok());
    kib.ok_or_else(|| format!("`{}`: no size: {said}", tools::typed(&command)))
}
