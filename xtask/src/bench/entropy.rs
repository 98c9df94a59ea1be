//! `bizra entropy` over a repository of 80,000 commits: with nothing remembered, with all of it, and after a day's work;
//! and how its cost follows days and size. Beside it, what git itself takes to tell which files the same days changed.
//!
//! Whole processes of the release binary. The plan is locked, and half of the files are covered by a run of tests.

mod repository;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bizra::bench::measure::Clock as _;
use bizra::env::{Chance, Clock, Env, Input, Interrupt, Output};

use super::{Figure, Race, Setup};
use crate::tools::{self, Outcome};
use repository::{Shape, git};

const LARGE: Shape = Shape { commits: 80_000, files: 1000 };
const SMALL: Shape = Shape { commits: 20_000, files: 250 };
/// After the last commit, on its day.
const NOW: &str = "2026-01-30T20:00:00Z";
/// When the plan was locked and the tests had run.
const LOCKED: &str = "2025-09-01T12:00:00Z";
const WARM: usize = 7;

pub(super) fn run(setup: &Setup) -> Outcome<(Vec<Race>, Vec<Figure>)> {
    let mut figures = Vec::new();
    for shape in [SMALL, LARGE] {
        let place = Place::of(shape)?;
        let name = format!("{} commits, {} files", shape.commits, shape.files);
        let is_large = shape.commits == LARGE.commits;
        let target = |limit: f64, unit: &str| if is_large { format!("{limit} {unit}") } else { String::new() };
        let met = |value: f64, limit: f64| is_large.then_some(value <= limit);
        let mut peaks = Vec::new();

        place.forget()?;
        let cold = place.measure(setup, &[], &mut peaks)?;
        let what = format!("{name}: nothing remembered");
        figures.push(Figure::new(&what, format!("{cold:.2} s"), target(10.0, "s"), met(cold, 10.0)));
        let mut warm = Vec::new();
        for _ in 0..WARM {
            warm.push(place.measure(setup, &[], &mut peaks)? * 1e3);
        }
        let (median, worst) = middle(warm);
        let what = format!("{name}: all of it remembered");
        let measured = format!("{median:.0} ms (worst of {WARM}: {worst:.0})");
        figures.push(Figure::new(&what, measured, target(300.0, "ms"), met(worst, 300.0)));
        let peak = peaks.iter().copied().fold(0.0, f64::max);
        let what = format!("{name}: peak memory");
        figures.push(Figure::new(&what, format!("{peak:.0} MB"), target(300.0, "MB"), met(peak, 300.0)));

        // The day before is remembered, and what came since is not.
        for back in ["2026-01-29T23:59:00Z", "2026-01-23T23:59:00Z", "2026-01-02T23:59:00Z"] {
            place.forget()?;
            place.measure(setup, &["--now", back], &mut Vec::new())?;
            let took = place.measure(setup, &[], &mut Vec::new())? * 1e3;
            let what = format!("{name}: remembered up to {}", &back[..10]);
            figures.push(Figure::new(&what, format!("{took:.0} ms"), String::new(), None));
        }
        for days in ["7", "28", "112"] {
            let took = place.timed(setup, &["log", "--days", days], &mut Vec::new())? * 1e3;
            let what = format!("{name}: log of {days} days, all of it remembered");
            figures.push(Figure::new(&what, format!("{took:.0} ms"), String::new(), None));
        }
        let mut peers = vec![("git log --numstat of the same 112 days", numstat(&place.work))];
        let mut whole = git(&place.work, &["rev-list", "--count", "HEAD"]);
        whole.stdout(Stdio::null());
        peers.push(("git rev-list of all commits", whole));
        for (peer, mut command) in peers {
            let start = setup.clock.elapsed();
            tools::succeed(&mut command)?;
            let took = (setup.clock.elapsed().saturating_sub(start)).as_secs_f64() * 1e3;
            figures.push(Figure::new(&format!("{name}: peer, {peer}"), format!("{took:.0} ms"), String::new(), None));
        }
    }
    Ok((Vec::new(), figures))
}

/// What Hassan's measure needs: which files each commit of the window has changed, and by how much.
fn numstat(work: &Path) -> Command {
    let mut command =
        git(work, &["log", "--first-parent", "--numstat", "--format=%ct", "--since=2025-10-11T00:00:00Z"]);
    command.stdout(Stdio::null());
    command
}

fn middle(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}

/// A repository with a locked plan and evidence for half of its code, and a home beside it.
struct Place {
    work: PathBuf,
    home: PathBuf,
}

impl Place {
    fn of(shape: Shape) -> Outcome<Place> {
        let work = repository::made(shape)?;
        let home = work.with_extension("home");
        let place = Place { work, home };
        let baseline = place.work.join("bizra-entropy.json");
        if !baseline.exists() || !place.home.exists() {
            let _ = std::fs::remove_file(&baseline);
            let _ = std::fs::remove_dir_all(&place.home);
            let _ = std::fs::remove_dir_all(place.work.join(".git/bizra"));
            let report = place.home.join("lcov.info");
            tools::write_file(&report, repository::coverage(&place.work, shape)?.as_bytes())?;
            place.prepare(&["entropy", "baseline"])?;
            place.prepare(&["attest-tests", &report.display().to_string()])?;
        }
        Ok(place)
    }

    fn vars(&self) -> [(&'static str, String); 4] {
        let home = self.home.display().to_string();
        [
            ("XDG_CACHE_HOME", self.cache().display().to_string()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("TZ", "UTC".into()),
            ("HOME", home),
        ]
    }

    fn cache(&self) -> PathBuf {
        self.home.join("cache")
    }

    fn forget(&self) -> Outcome {
        match std::fs::remove_dir_all(self.cache()) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {cause}", self.cache().display()))
            }
            _ => Ok(()),
        }
    }

    /// In this process, under a clock that stands where the plan was locked.
    fn prepare(&self, arguments: &[&str]) -> Outcome {
        let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let env = Env {
            clock: Box::new(Still(LOCKED.parse().map_err(|cause| format!("{LOCKED}: {cause}"))?)),
            chance: Box::new(Dice(std::sync::atomic::AtomicU64::new(1))),
            vars: self.vars().into_iter().collect(),
            cwd: self.work.clone(),
            program: None,
            stdin: Input { source: Box::new(std::io::empty()), terminal: false },
            stdout: Output::plain(std::io::sink()),
            stderr: Output::plain(Heard(said.clone())),
            interrupt: Interrupt::default(),
        };
        let words = std::iter::once("bizra").chain(arguments.iter().copied()).map(Into::into);
        let code = bizra::cli::run(env, words).code();
        if code == 0 {
            return Ok(());
        }
        let said = said.lock().map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default();
        Err(format!("`bizra {}` ended with {code}: {said}", arguments.join(" ")))
    }

    fn measure(&self, setup: &Setup, arguments: &[&str], peaks: &mut Vec<f64>) -> Outcome<f64> {
        self.timed(setup, arguments, peaks)
    }

    /// The seconds of one process under GNU time, and its largest resident size in megabytes.
    fn timed(&self, setup: &Setup, arguments: &[&str], peaks: &mut Vec<f64>) -> Outcome<f64> {
        let mut command = tools::command("time");
        command.args(["--quiet", "--format=%M"]).arg(&setup.binary).arg("entropy").args(arguments);
        command.args(["--json", "--no-receipt"]).envs(self.vars()).current_dir(&self.work);
        if !arguments.contains(&"--now") {
            command.args(["--now", NOW]);
        }
        let start = setup.clock.elapsed();
        let output = command.output().map_err(|cause| format!("cannot start GNU time: {cause}"))?;
        let took = setup.clock.elapsed().saturating_sub(start);
        let said = String::from_utf8_lossy(&output.stderr);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|cause| format!("`{}` printed no JSON: {cause}: {said}", tools::typed(&command)))?;
        let result = &answer["result"];
        let told = match result["days"].as_array() {
            Some(days) => days.iter().all(|day| day["h_bits"].as_f64().is_some_and(|h| h > 0.0)),
            None => result["units_with_evidence"].as_u64().is_some_and(|n| n > 0) && !result["change"].is_null(),
        };
        if !told {
            return Err(format!("`{}` did not measure what it should: {said}", tools::typed(&command)));
        }
        let kib: f64 = said.lines().rev().find_map(|line| line.trim().parse().ok()).ok_or("GNU time told no size")?;
        peaks.push(kib * 1024.0 / 1e6);
        Ok(took.as_secs_f64())
    }
}

struct Still(jiff::Timestamp);

impl Clock for Still {
    fn wall(&self) -> jiff::Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Bytes that repeat from run to run: the keys made of them sign nothing that anyone relies on.
struct Dice(std::sync::atomic::AtomicU64);

impl Chance for Dice {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        for byte in bytes {
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = (n >> 56) as u8;
        }
        Ok(())
    }
}

struct Heard(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::Error::other("poisoned"))?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
