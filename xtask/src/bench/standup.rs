//! The standup of one day in a repository of 80,000 commits: with nothing remembered and with its history remembered,
//! beside git's own log of the same day and `git-standup`, all as whole processes in the same rounds.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bizra::bench::measure::{self, Clock, Subject};

use super::{Entrant, Race, Setup};
use crate::tools::{self, Outcome};

/// Another version makes another repository.
const VERSION: u32 = 1;
const COMMITS: u64 = 80_000;
const SEED: u64 = 0x5eed_5eed_5eed_5eed;
const SIDE_BRANCHES: u64 = 40;
/// The last commit's second; the day before it is the one that is told.
const LAST: u64 = 1_769_800_000;
/// Four years for all of them.
const STEP: u64 = 1577;
const DAY: &str = "2026-01-29";

pub(super) fn run(setup: &Setup) -> Outcome<Vec<Race>> {
    let repository = repository()?;
    let here = |program: &Path, arguments: &[&str]| {
        let mut command = tools::command(program);
        command.current_dir(&repository).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let bizra = || here(&setup.binary, &["sprint", "standup", "--day", DAY, "--no-receipt"]);
    let log = || {
        let window = ["--since=2026-01-29T00:00:00Z", "--until=2026-01-29T23:59:59Z"];
        let mut command = here(Path::new("git"), &["--no-pager", "log", "--all", "--format=%h %s"]);
        command.args(window);
        command
    };
    let other = || here(Path::new("git-standup"), &["-a", "all", "-A", "2026-01-29", "-B", "2026-01-30"]);
    let remembered = repository.join(".git/bizra/history");
    let forget = || match fs::remove_file(&remembered) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {cause}", remembered.display()))
        }
        _ => Ok(()),
    };
    let cold = || {
        forget()?;
        let start = setup.clock.elapsed();
        tools::succeed(&mut bizra())?;
        Ok(setup.clock.elapsed().saturating_sub(start))
    };
    let timed = |name: &str, command: &dyn Fn() -> Command| {
        let mut ready = command();
        Subject::timed(name, &setup.clock, move || tools::succeed(&mut ready))
    };
    let mut subjects: Vec<Subject<'_, String>> = vec![
        timed("git log of the day", &log),
        Subject::new("bizra, nothing remembered", cold),
        timed("bizra, history remembered", &bizra),
    ];
    let mut peaks = vec![peak_kib(&log()), None, None];
    forget()?;
    peaks[1] = peak_kib(&bizra());
    peaks[2] = peak_kib(&bizra());
    if tools::starts("git-standup", "-h") {
        subjects.push(timed("git-standup", &other));
        peaks.push(peak_kib(&other()));
    } else {
        eprintln!("git-standup is skipped: it is not on the path (npm install --global git-standup)");
    }
    let series = measure::interleaved(&setup.schedule, &mut subjects).map_err(|cause| cause.to_string())?;
    let entrants: Vec<Entrant> =
        series.into_iter().zip(peaks).map(|(series, peak_kib)| Entrant { series, peak_kib }).collect();
    against_targets(&entrants);
    Ok(vec![Race { entrants, peer: 0 }])
}

/// What has to be reached, beside what was.
fn against_targets(entrants: &[Entrant]) {
    for (number, limit_ms) in [(1, 2000.0), (2, 300.0)] {
        let Some(entrant) = entrants.get(number) else { continue };
        let mut seconds = entrant.series.seconds();
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default() * 1e3;
        let peak = entrant.peak_kib.map_or("not measured".to_owned(), |kib| {
            let peak = kib as f64 * 1024.0 / 1e6;
            format!("{peak:.0} MB of 150: {}", if peak <= 150.0 { "yes" } else { "NO" })
        });
        let reached = if median <= limit_ms { "yes" } else { "NO" };
        eprintln!("{}: {median:.0} ms of {limit_ms:.0}: {reached}; {peak}", entrant.series.name);
    }
}

/// The largest resident size that GNU time saw.
fn peak_kib(command: &Command) -> Option<u64> {
    let mut timed = tools::command("time");
    timed.current_dir(command.get_current_dir()?).args(["--quiet", "--format=%M"]);
    timed.arg(command.get_program()).args(command.get_args()).stdout(Stdio::null());
    let said = String::from_utf8(timed.output().ok().filter(|output| output.status.success())?.stderr).ok()?;
    said.lines().last()?.trim().parse().ok()
}

/// Made once, by `git fast-import`, and kept.
fn repository() -> Outcome<PathBuf> {
    let folder = tools::root().join(format!("target/bench/standup/v{VERSION}"));
    if folder.join("sprints/bench.yaml").exists() {
        return Ok(folder);
    }
    eprintln!("making a repository of {COMMITS} commits …");
    let cannot = |cause: std::io::Error| format!("cannot write {}: {cause}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(cannot)?;
    }
    fs::create_dir_all(folder.join("sprints")).map_err(cannot)?;
    let git = |arguments: &[&str]| {
        let mut command = tools::command("git");
        command.current_dir(&folder).args(arguments);
        command
    };
    tools::succeed(&mut git(&["init", "--quiet", "--initial-branch=main"]))?;
    let mut import = git(&["fast-import", "--quiet"]);
    let mut child = import.stdin(Stdio::piped()).spawn().map_err(|cause| format!("cannot start git: {cause}"))?;
    let mut stream = std::io::BufWriter::new(child.stdin.take().ok_or("git takes no input")?);
    Stream::default().write(&mut stream).map_err(cannot)?;
    drop(stream);
    let status = child.wait().map_err(|cause| format!("git fast-import: {cause}"))?;
    if !status.success() {
        return Err(format!("git fast-import ended with {status}"));
    }
    fs::write(folder.join("sprints/bench.yaml"), sprint()).map_err(cannot)?;
    Ok(folder)
}

/// Twelve items with ids and folders of their own.
fn sprint() -> String {
    let mut text = String::from(
        "bizra: sprint/v1\nid: bench\ntitle: Bench\ntimezone: UTC\n\
         calendar: {start: 2026-01-26, target: 2026-02-06}\nitems:\n",
    );
    for item in 0..12 {
        let _ = writeln!(
            text,
            "  - {{id: B{item}, name: Item {item}, deliverables: [{{path: 'src/part{item}/**/*.txt'}}]}}"
        );
    }
    text
}

/// A linear history with side branches that are merged again, written as fast-import reads it.
struct Stream {
    state: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Stream { state: SEED }
    }
}

impl Stream {
    /// Numbers that are the same each time (xorshift).
    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }

    fn write(&mut self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut side = None;
        for number in 0..COMMITS {
            let mark = number + 1;
            let left = COMMITS - number;
            let on_side = side.is_some() && self.below(3) == 0;
            let branch = match side {
                Some(n) if on_side => format!("refs/heads/side-{n}"),
                _ => "refs/heads/main".to_owned(),
            };
            let merges = side.filter(|_| !on_side && self.below(20) == 0);
            self.head(out, &branch, mark, left)?;
            if let Some(n) = merges {
                writeln!(out, "merge refs/heads/side-{n}")?;
                side = None;
            }
            for _ in 0..=self.below(3) {
                let (part, folder, file) = (self.below(24), self.below(10), self.below(8));
                let text = format!("{number} {}\n", self.below(1 << 40));
                writeln!(out, "M 100644 inline src/part{part}/d{folder}/f{file}.txt")?;
                writeln!(out, "data {}\n{text}", text.len())?;
            }
            if side.is_none() && number > 0 && self.below(50) == 0 {
                let n = self.below(SIDE_BRANCHES);
                writeln!(out, "reset refs/heads/side-{n}\nfrom :{mark}\n")?;
                side = Some(n);
            }
        }
        out.flush()
    }

    fn head(&mut self, out: &mut impl std::io::Write, branch: &str, mark: u64, left: u64) -> std::io::Result<()> {
        // Clocks differ: one commit in a hundred is a day off.
        let skew = if self.below(100) == 0 { self.below(172_800) } else { 86_400 };
        let time = LAST - left * STEP + skew - 86_400;
        let author = self.below(25);
        let mut message = match self.below(4) {
            0 => format!("B{}: change {mark}", self.below(30)),
            _ => format!("change {mark}"),
        };
        message += "\n\n";
        for _ in 0..self.below(60) {
            let _ = write!(message, "word{} ", self.below(5000));
        }
        if self.below(10) == 0 {
            let _ = write!(message, "\n\nCo-authored-by: Dev {0} <dev{0}@example.org>", self.below(25));
        }
        message.push('\n');
        writeln!(out, "commit {branch}\nmark :{mark}")?;
        writeln!(out, "author Dev {author} <dev{author}@example.org> {time} +0000")?;
        writeln!(out, "committer Dev {author} <dev{author}@example.org> {time} +0000")?;
        writeln!(out, "data {}\n{message}", message.len())
    }
}
