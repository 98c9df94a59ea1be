//! What the ledger costs: appending at several sizes beside the medium's own sync, writers that share it, audits, bytes.
//! Targets stand beside the figures; git's own checks run as peers.

pub(crate) mod child;
mod folder;
mod peers;
mod workload;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bizra::bench::measure::{self, Clock, Schedule, Subject};
use bizra::receipts::pin::Pins;
use bizra::sys::ledger::Ledger;

use super::Figure;
use crate::tools::{self, Outcome, Stopwatch};
use folder::{copy, grow, packed_bytes, told};
use workload::{Mix, VERSION, Workload};

const QUICK: (&[u64], usize) = (&[100, 10_000, 100_000], 200);
const FULL: (&[u64], usize) = (&[100, 10_000, 100_000, 1_000_000], 400);
const WRITERS: usize = 8;
const EACH: u64 = 60;
const NEW: u64 = 1000;
/// For the packed size of one kind alone.
const OF_A_KIND: u64 = 8192;

pub(super) fn run(clock: &Stopwatch, full: bool) -> Outcome<Vec<Figure>> {
    let (sizes, rounds) = if full { FULL } else { QUICK };
    let bench = Bench::new(clock)?;
    for size in sizes {
        bench.build(*size)?;
    }
    let mut figures = bench.appending(sizes, rounds)?;
    let largest = *sizes.last().unwrap_or(&100);
    figures.extend(bench.writers(sizes[1])?);
    figures.extend(bench.audits(largest)?);
    figures.extend(bench.sizes(sizes)?);
    figures.extend(peers::run(clock, &bench.home, &bench.at(sizes[1]))?);
    Ok(figures)
}

struct Bench<'a> {
    clock: &'a Stopwatch,
    home: PathBuf,
    workload: Workload,
}

/// The value that `share` of the samples do not exceed, in milliseconds.
fn quantile(samples: &[Duration], share: f64) -> f64 {
    let mut sorted: Vec<_> = samples.iter().map(Duration::as_secs_f64).collect();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1] * 1e3
}

/// A ledger of the usual workload, built once and kept, and the key of its receipts. For reading only.
pub(super) fn of_size(clock: &Stopwatch, size: u64) -> Outcome<(PathBuf, String)> {
    let bench = Bench::new(clock)?;
    bench.build(size)?;
    Ok((bench.at(size), bench.workload.key_file()))
}

impl<'a> Bench<'a> {
    fn new(clock: &'a Stopwatch) -> Outcome<Self> {
        let home = tools::root().join(format!("target/bench/ledger/v{VERSION}"));
        fs::create_dir_all(&home).map_err(|cause| format!("cannot create {}: {cause}", home.display()))?;
        Ok(Bench { clock, home, workload: Workload::new(Mix::Usual) })
    }

    fn at(&self, size: u64) -> PathBuf {
        self.home.join(format!("at-{size}.git"))
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.home.join(format!("run-{name}.git"))
    }

    /// One ledger grows through all sizes; a copy stays of each.
    fn build(&self, size: u64) -> Outcome {
        if self.at(size).exists() {
            return Ok(());
        }
        eprintln!("building a ledger of {size} receipts …");
        let base = self.home.join("base.git");
        grow(&self.workload, &base, size)?;
        let unfinished = self.scratch("copy");
        copy(&base, &unfinished)?;
        let renamed = fs::rename(&unfinished, self.at(size));
        renamed.map_err(|cause| format!("cannot rename {}: {cause}", unfinished.display()))
    }

    /// At each size, in the same rounds: one sync of a receipt's length, an append, an append taken into git, and an
    /// append as a command does it, which opens the ledger first.
    fn appending(&self, sizes: &[u64], rounds: usize) -> Outcome<Vec<Figure>> {
        let signer = self.workload.note_signer()?;
        let log = self.workload.log();
        let paths: Vec<PathBuf> = sizes.iter().map(|size| self.scratch(&format!("append-{size}"))).collect();
        for (size, path) in sizes.iter().zip(&paths) {
            copy(&self.at(*size), path)?;
        }
        let open = |path: &PathBuf| Ledger::open(path, false).map_err(told);
        let ledgers = paths.iter().map(open).collect::<Outcome<Vec<_>>>()?;
        let path = self.home.join("sync-floor");
        let cannot = |cause: std::io::Error| format!("cannot write {}: {cause}", path.display());
        let mut subjects: Vec<Subject<'_, String>> = Vec::new();
        let mut file = File::create(&path).map_err(cannot)?;
        let one_sync = move || file.write_all(&[7; 2800]).and_then(|()| file.sync_data()).map_err(cannot);
        subjects.push(Subject::timed("one sync", self.clock, one_sync));
        let append = |writer: &mut bizra::sys::ledger::Writer<'_>| {
            writer.append(0, &mut |place| self.workload.envelope(place, "")).map(drop).map_err(told)
        };
        for ledger in &ledgers {
            let mut writer = ledger.writer(&log, &signer).map_err(told)?;
            subjects.push(Subject::new("durable", move || {
                let start = self.clock.elapsed();
                append(&mut writer)?;
                let took = self.clock.elapsed().saturating_sub(start);
                writer.settle().map_err(told)?;
                Ok(took)
            }));
            let mut writer = ledger.writer(&log, &signer).map_err(told)?;
            subjects.push(Subject::timed("in git", self.clock, move || {
                append(&mut writer)?;
                writer.settle().map_err(told).map(drop)
            }));
            let signer = &signer;
            let log = &log;
            subjects.push(Subject::timed("opened, in git", self.clock, move || {
                let ledger = Ledger::open(ledger.path(), false).map_err(told)?;
                let mut writer = ledger.writer(log, signer).map_err(told)?;
                append(&mut writer)?;
                writer.settle().map_err(told).map(drop)
            }));
        }
        let schedule = Schedule { rounds, ..Schedule::default() };
        let series = measure::interleaved(&schedule, &mut subjects).map_err(|cause| cause.to_string())?;
        let (floor, series) = series.split_first().ok_or("no series")?;
        let floor_ms = quantile(&floor.samples, 0.5);
        let mut figures =
            vec![Figure::new("one sync of 2,800 bytes, p50 / p99", two(&floor.samples), "the floor".into(), None)];
        let mut first: Vec<f64> = Vec::new();
        for (size, three) in sizes.iter().zip(series.chunks(3)) {
            for (at, one) in three.iter().enumerate() {
                let p50 = quantile(&one.samples, 0.5);
                if first.len() <= at {
                    first.push(p50);
                }
                let beside = format!(
                    "{} ms, {:+.2} ms to the floor, {:.2} of the first size",
                    two(&one.samples),
                    p50 - floor_ms,
                    p50 / first[at]
                );
                let (target, limit) = match at {
                    0 => ("one sync + 1 ms", floor_ms + 1.0),
                    1 => ("two syncs + 2 ms, within 20 %", (2.0 * floor_ms + 2.0).min(first[at] * 1.2)),
                    _ => ("within 20 % of the first size", first[at] * 1.2),
                };
                let what = format!("append at {size}, {}, p50 / p99", one.name);
                figures.push(Figure::new(&what, beside, target.into(), Some(p50 <= limit)));
            }
        }
        Ok(figures)
    }

    fn writers(&self, size: u64) -> Outcome<Vec<Figure>> {
        let mut figures = Vec::new();
        for each_in_git in [false, true] {
            let path = self.scratch("writers");
            copy(&self.at(size), &path)?;
            let mut children = (0..WRITERS)
                .map(|writer| {
                    let mut command = this(&["append"])?;
                    command.arg(&path).args([format!("writer {writer}"), EACH.to_string()]);
                    if each_in_git {
                        command.arg("--each-in-git");
                    }
                    Attended::start(&mut command)
                })
                .collect::<Outcome<Vec<_>>>()?;
            for child in &mut children {
                child.until("ready")?;
            }
            let start = self.clock.elapsed();
            for child in &mut children {
                child.go()?;
            }
            let mut indices = Vec::new();
            for child in &mut children {
                indices.extend(child.until("done")?);
            }
            let seconds = self.clock.elapsed().saturating_sub(start).as_secs_f64();
            for child in children {
                child.end()?;
            }
            indices.sort_unstable();
            let expected = WRITERS as u64 * EACH;
            if !indices.iter().copied().eq(size..size + expected) {
                return Err(format!("{WRITERS} writers: an index is missing, or was given twice"));
            }
            // Signatures, order and sessions of all that was acknowledged, from the tree.
            let audit = self.audit(&path, 2, None)?;
            if audit.entries != size + expected {
                return Err(format!("{} entries after {expected} appends to {size}", audit.entries));
            }
            let rate = expected as f64 / seconds;
            let what = format!(
                "{WRITERS} processes, {}, none lost or twice",
                if each_in_git { "each taken into git" } else { "durable" }
            );
            let target = if each_in_git { (String::new(), None) } else { ("200 /s".into(), Some(rate >= 200.0)) };
            figures.push(Figure::new(&what, format!("{rate:.0} /s"), target.0, target.1));
        }
        Ok(figures)
    }

    fn audit(&self, ledger: &Path, threads: usize, pins: Option<&Path>) -> Outcome<Audit> {
        let mut command = Command::new("time");
        command.current_dir(tools::root()).stdin(Stdio::null()).args(["--format=%U %S %M"]);
        let child = this(&["audit"])?;
        command.arg(child.get_program()).args(child.get_args()).arg(ledger).arg(threads.to_string()).args(pins);
        let output = command.output().map_err(|cause| format!("cannot start GNU time: {cause}"))?;
        let (said, used) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let numbers = |text: &str| text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
        match (numbers(&said).as_deref(), numbers(&used).as_deref()) {
            (Ok([seconds, judged, entries]), Ok([user, system, kib])) => Ok(Audit {
                seconds: *seconds,
                judged: *judged,
                entries: *entries as u64,
                cpu: user + system,
                peak_mb: kib * 1024.0 / 1e6,
            }),
            _ => Err(format!("the audit of {} failed: {used}", ledger.display())),
        }
    }

    fn audits(&self, size: u64) -> Outcome<Vec<Figure>> {
        let mut figures = Vec::new();
        for threads in [1, 2] {
            let audit = self.audit(&self.at(size), threads, None)?;
            let rate = audit.judged / audit.cpu;
            let measured = format!(
                "{rate:.0} receipts per CPU second; {:.0} /s in {:.1} s",
                audit.judged / audit.seconds,
                audit.seconds
            );
            let what = format!("full audit of {size}, {threads} threads");
            figures.push(Figure::new(&what, measured, "11,000 /s per core".into(), Some(rate >= 11_000.0)));
            let peak = format!("{:.0} MB", audit.peak_mb);
            let what = format!("peak memory of that audit, {threads} threads");
            figures.push(Figure::new(&what, peak, "200 MB".into(), Some(audit.peak_mb < 200.0)));
        }
        let path = self.scratch("since-pin");
        copy(&self.at(size), &path)?;
        let log = self.workload.log();
        let note = Ledger::open(&path, false).and_then(|ledger| ledger.log(&log)?.checkpoint()).map_err(told)?;
        let verifier = self.workload.header().verifier().map_err(|error| error.to_string())?;
        let mut pins = Pins::default();
        pins.add(&verifier, &note, |_| false).map_err(|error| error.to_string())?;
        let file = self.home.join("run.pin");
        tools::write_file(&file, pins.to_string().as_bytes())?;
        grow(&self.workload, &path, size + NEW)?;
        let audit = self.audit(&path, 2, Some(&file))?;
        let what = format!("audit of {NEW} new on {size}, 2 threads, from the pin");
        let measured = format!("{:.2} s, {} judged, {:.0} MB", audit.seconds, audit.judged, audit.peak_mb);
        figures.push(Figure::new(&what, measured, "1 s".into(), Some(audit.seconds <= 1.0)));
        let path = self.scratch("memory");
        copy(&self.at(size), &path)?;
        let mut command = Command::new("time");
        command.current_dir(tools::root()).args(["--quiet", "--format=%M"]).stdin(Stdio::piped());
        let child = this(&["append"])?;
        command.arg(child.get_program()).args(child.get_args()).arg(&path).args(["memory", "300", "--each-in-git"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().map_err(|cause| format!("cannot start GNU time: {cause}"))?;
        if let Some(mut stdin) = running.stdin.take() {
            stdin.write_all(b"gg").map_err(|cause| cause.to_string())?;
        }
        let output = running.wait_with_output().map_err(|cause| cause.to_string())?;
        let kib: f64 = String::from_utf8_lossy(&output.stderr).trim().parse().map_err(|_| "GNU time said no number")?;
        let what = format!("peak memory of 300 appends at {size}");
        figures.push(Figure::new(&what, format!("{:.0} MB", kib * 1024.0 / 1e6), String::new(), None));
        Ok(figures)
    }

    fn sizes(&self, sizes: &[u64]) -> Outcome<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut figure = |what: String, path: &Path, size: u64| {
            let each = packed_bytes(path) as f64 / size as f64;
            figures.push(Figure::new(&what, format!("{each:.0} bytes"), "300 bytes".into(), Some(each <= 300.0)));
        };
        for size in &sizes[1..] {
            figure(format!("packed receipt, three inferences to an attestation, at {size}"), &self.at(*size), *size);
        }
        for (name, mix) in [("inferences", Mix::Inferences), ("attestations", Mix::Attestations)] {
            let path = self.home.join(format!("{name}.git"));
            grow(&Workload::new(mix), &path, OF_A_KIND)?;
            figure(format!("packed receipt, {name} only, at {OF_A_KIND}"), &path, OF_A_KIND);
        }
        Ok(figures)
    }
}

struct Audit {
    seconds: f64,
    cpu: f64,
    judged: f64,
    entries: u64,
    peak_mb: f64,
}

fn two(samples: &[Duration]) -> String {
    format!("{:.2} / {:.2}", quantile(samples, 0.5), quantile(samples, 0.99))
}

/// This program, as a child of the benchmark.
fn this(work: &[&str]) -> Outcome<Command> {
    let program = std::env::current_exe().map_err(|cause| format!("cannot find the path of xtask itself: {cause}"))?;
    let mut command = tools::command(program);
    command.arg("ledger-work").args(work);
    Ok(command)
}

/// A child that waits for a byte before it works, and once more before it ends.
struct Attended(Child);

impl Attended {
    fn start(command: &mut Command) -> Outcome<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        child.map(Self).map_err(|cause| format!("cannot start a writer: {cause}"))
    }

    /// The numbers up to the line that says `word`.
    fn until(&mut self, word: &str) -> Outcome<Vec<u64>> {
        let stdout = self.0.stdout.as_mut().ok_or("the writer has no output")?;
        let mut numbers = Vec::new();
        loop {
            let mut line = Vec::new();
            while line.last() != Some(&b'\n') {
                let mut byte = [0];
                stdout.read_exact(&mut byte).map_err(|cause| format!("a writer ended early: {cause}"))?;
                line.push(byte[0]);
            }
            let line = String::from_utf8_lossy(&line);
            if line.trim() == word {
                return Ok(numbers);
            }
            numbers.push(line.trim().parse().map_err(|_| format!("a writer said {line:?}"))?);
        }
    }

    fn go(&mut self) -> Outcome {
        let stdin = self.0.stdin.as_mut().ok_or("the writer has no input")?;
        stdin.write_all(b"g").map_err(|cause| format!("a writer ended early: {cause}"))
    }

    fn end(mut self) -> Outcome {
        self.go()?;
        let status = self.0.wait().map_err(|cause| cause.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("a writer ended with {status}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!((quantile(&samples, 0.5), quantile(&samples, 0.99)), (100.0, 198.0));
        assert_eq!(quantile(&samples[..1], 0.99), 200.0);
    }
}
