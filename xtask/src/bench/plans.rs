//! Plans: linting a large one and the committed ones, and forecasting beside TaskJuggler's scheduling.
//!
//! Whole processes of the release binary. The generated plans come from a seed; what they hold is in [`generate`].

mod generate;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bizra::bench::measure::{self, Clock as _, Schedule, Subject};

use super::{Entrant, Figure, Measured, Race, Setup};
use crate::tools::{self, Outcome};
use generate::Shape;

const LARGE: Shape = Shape { phases: 100, packages: 1000, people: 200, covered: true };
/// The same without criteria, so that lint has something to say about every package.
const UNCOVERED: Shape = Shape { covered: false, ..LARGE };
/// Small enough for TaskJuggler to take seconds, not minutes.
const RACED: Shape = Shape { phases: 5, packages: 60, people: 8, covered: true };
/// Runs of a process that takes seconds.
const FEW: usize = 5;

const COMMITTED: [&str; 4] =
    ["roadmap/omega.yaml", "roadmap/stratified.yaml", "sprints/flywheel.yaml", "sprints/phase6.yaml"];

pub(super) fn run(setup: &Setup) -> Outcome<Measured> {
    let home = tools::root().join("target/bench/plans");
    let write = |name: &str, text: String| -> Outcome<PathBuf> {
        let path = home.join(name);
        tools::write_file(&path, text.as_bytes()).map(|()| path)
    };
    let large = write("large.yaml", generate::plan(&LARGE))?;
    let uncovered = write("uncovered.yaml", generate::plan(&UNCOVERED))?;
    let raced = write("raced.yaml", generate::plan(&RACED))?;
    let figures = figures(setup, &large, &uncovered)?;
    if !tools::starts("tj3", "--version") {
        let skipped =
            Figure::new("peer: tj3", "skipped: tj3 is not installed (Debian: tj3)".into(), String::new(), None);
        return Ok((Vec::new(), figures.into_iter().chain([skipped]).collect()));
    }
    let tasks = write("raced.tjp", generate::tasks(&RACED))?;
    let (race, said) = race(setup, &raced, &tasks)?;
    Ok((vec![race], figures.into_iter().chain(said).collect()))
}

fn figures(setup: &Setup, large: &Path, uncovered: &Path) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, path, seconds) in [("clean", large, 5.0), ("a finding for each", uncovered, 5.0)] {
        let mut times = Vec::new();
        let mut peak = 0.0f64;
        for _ in 0..FEW {
            let start = setup.clock.elapsed();
            let kib = bizra(setup, &["roadmap", "lint"], &[path])?;
            times.push(setup.clock.elapsed().saturating_sub(start).as_secs_f64());
            peak = peak.max(kib as f64 * 1024.0 / 1e6);
        }
        times.sort_by(f64::total_cmp);
        let (median, worst) = (times[FEW / 2], times[FEW - 1]);
        let name = format!("lint of 100,000 packages, {what}");
        let measured = format!("{median:.2} s (worst of {FEW}: {worst:.2})");
        figures.push(Figure::new(&name, measured, "5 s".into(), Some(worst <= seconds)));
        figures.push(Figure::new("its peak memory", format!("{peak:.0} MB"), "500 MB".into(), Some(peak <= 500.0)));
    }
    let committed: Vec<PathBuf> = COMMITTED.iter().map(|path| tools::root().join(path)).collect();
    let paths: Vec<&Path> = committed.iter().map(PathBuf::as_path).collect();
    let mut subject = [Subject::timed("lint", &setup.clock, || bizra(setup, &["roadmap", "lint"], &paths).map(drop))];
    let series = measure::interleaved(&setup.schedule, &mut subject).map_err(|cause| cause.to_string())?;
    let mut millis: Vec<f64> = series[0].seconds().iter().map(|s| s * 1e3).collect();
    millis.sort_by(f64::total_cmp);
    let (median, worst) = (millis[millis.len() / 2], millis[millis.len() - 1]);
    let measured = format!("{median:.1} ms (worst of {}: {worst:.1})", millis.len());
    figures.push(Figure::new("lint of the four plans, one process", measured, "50 ms".into(), Some(median <= 50.0)));
    Ok(figures)
}

/// One process of ours under GNU time, and its largest resident size in KiB. Lint may find something.
fn bizra(setup: &Setup, words: &[&str], paths: &[&Path]) -> Outcome<u64> {
    let mut command = tools::command("time");
    command.args(["--quiet", "--format=%M"]).arg(&setup.binary).args(words).args(paths).stdout(Stdio::null());
    let output = command.output().map_err(|cause| format!("cannot start GNU time: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match (output.status.code(), said.lines().last().and_then(|line| line.trim().parse().ok())) {
        (Some(0 | 1), Some(kib)) => Ok(kib),
        (code, _) => Err(format!("`{}` ended with {code:?}: {said}", tools::typed(&command))),
    }
}

/// One schedule of TaskJuggler's beside one of ours, and beside a whole forecast.
fn race(setup: &Setup, plan: &Path, tasks: &Path) -> Outcome<(Race, Vec<Figure>)> {
    let forecast = |runs: &'static str| {
        move || bizra(setup, &["roadmap", "forecast", "--from", generate::START, "--runs", runs], &[plan]).map(drop)
    };
    let folder = tasks.parent().unwrap_or(tasks);
    let juggler = || {
        let mut command = tools::command("tj3");
        command.current_dir(folder).arg("--silent").arg(tasks).stdout(Stdio::null()).stderr(Stdio::null());
        tools::succeed(&mut command)
    };
    let names = ["bizra roadmap forecast, one run", "bizra roadmap forecast, 10,000 runs", "tj3, one schedule"];
    let mut subjects = [
        Subject::timed(names[0], &setup.clock, forecast("1")),
        Subject::timed(names[1], &setup.clock, forecast("10000")),
        Subject::timed(names[2], &setup.clock, juggler),
    ];
    // Each round takes seconds of TaskJuggler's time, so that the warm-up is short.
    let schedule = Schedule { rounds: setup.schedule.rounds.min(10), window: 1, warm_up_limit: 2, ..setup.schedule };
    let series = measure::interleaved(&schedule, &mut subjects).map_err(|cause| cause.to_string())?;
    let entrants = series.into_iter().map(|series| Entrant { series, peak_kib: None }).collect();
    Ok((Race { entrants, peer: 2 }, vec![ends(setup, plan, &folder.join("ends.csv"))?]))
}

/// What both say the last day is, with every package at its likely hours.
fn ends(setup: &Setup, plan: &Path, theirs: &Path) -> Outcome<Figure> {
    let mut command = tools::command(&setup.binary);
    command.args(["roadmap", "forecast", "--json", "--runs", "1", "--from", generate::START]).arg(plan);
    let said: serde_json::Value = serde_json::from_str(&tools::read(&mut command)?)
        .map_err(|cause| format!("`{}` printed no JSON: {cause}", tools::typed(&command)))?;
    let ours = said["result"]["overall"]["finish"]["as_estimated"].as_str().unwrap_or("no date").to_owned();
    let table = String::from_utf8_lossy(&tools::read_file(theirs)?).into_owned();
    let last = table.lines().skip(1).filter_map(|line| line.rsplit(';').next()).map(|end| end.trim_matches('"')).max();
    let theirs = last.unwrap_or("no date").to_owned();
    let what = format!("last day of {} packages, ours and tj3's", RACED.phases * RACED.packages);
    Ok(Figure::new(&what, format!("{ours}, {theirs}"), String::new(), None))
}
