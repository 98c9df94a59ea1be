//! Which tests reach which faults, and whether one of them fails when the fault is there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bizra::bench::measure::Clock as _;

use super::build::{self, Binary};
use super::plant::Mutant;
use crate::tools::{self, Outcome, Stopwatch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A test failed.
    Noticed,
    /// The tests did not come to an end.
    Endless,
    Missed,
    Unreached,
}

impl Fate {
    pub(super) fn is_noticed(self) -> bool {
        matches!(self, Fate::Noticed | Fate::Endless)
    }
}

struct Test<'b> {
    binary: &'b Binary,
    name: String,
    time: Duration,
    reaches: BTreeSet<u32>,
}

/// Unit tests first; what they do not notice goes to those that run the whole program.
/// Of the latter, the quick ones come first, until a fault has had `patience`.
pub(super) fn run(mutants: &[&Mutant], binaries: &[Binary], jobs: usize, patience: Duration) -> Outcome<Vec<Fate>> {
    let mut fates = vec![Fate::Unreached; mutants.len()];
    for is_unit_tests in [true, false] {
        let open: Vec<usize> = (0..mutants.len()).filter(|index| !fates[*index].is_noticed()).collect();
        let meant = binaries.iter().filter(|binary| binary.is_unit_tests == is_unit_tests);
        if open.is_empty() {
            break;
        }
        let mut tests = Vec::new();
        for binary in meant {
            tests.extend(look(binary, jobs)?);
        }
        let reaching = tests.iter().filter(|test| !test.reaches.is_empty()).count();
        println!("{reaching} of {} tests reach faults; {} faults to try", tests.len(), open.len());
        let budget = if is_unit_tests { Duration::MAX } else { patience };
        let found = each(&open, jobs, |index| trial(mutants[*index], &tests, budget))?;
        for (index, fate) in open.into_iter().zip(found) {
            if fate != Fate::Unreached {
                fates[index] = fate;
            }
        }
    }
    Ok(fates)
}

/// Runs `work` on every item, `jobs` at a time, and keeps the order.
fn each<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> Outcome<R> + Sync) -> Outcome<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let index = next.load(Ordering::Relaxed);
                    let result = work(item);
                    if index.is_multiple_of(200) {
                        println!("… {index} of {}", items.len());
                    }
                    done.lock()
                        .expect("no worker panics with the lock")
                        .push((std::ptr::from_ref(item) as usize, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics with the lock");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs each test of a program alone, without a fault. One that fails is of no use here and said so.
fn look(binary: &Binary, jobs: usize) -> Outcome<Vec<Test<'_>>> {
    let listing =
        tools::read(Command::new(&binary.path).args(["--list", "--format=terse"]).current_dir(build::tree()))?;
    let names: Vec<&str> = listing.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let tests = each(&names, jobs, |name| {
        let notes = Scratch::new()?;
        let mut command = limited(binary, &[name], MOST_SECONDS, &notes.0);
        command.env("XTASK_MUTANT", "note").env("XTASK_MUTANT_NOTES", notes.0.join("notes"));
        let clock = Stopwatch::start();
        let status = status(&mut command)?;
        let time = clock.elapsed();
        if !status.success() {
            println!("left out, for it fails without a fault: {name}");
            return Ok(None);
        }
        let reached = fs::read_to_string(notes.0.join("notes")).unwrap_or_default();
        let reaches = reached.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(Some(Test { binary, name: (*name).to_string(), time, reaches }))
    })?;
    Ok(tests.into_iter().flatten().collect())
}

/// So many tests at first, for most faults are noticed by the nearest; then more.
const BATCHES: [usize; 3] = [4, 24, usize::MAX];

fn trial(mutant: &Mutant, tests: &[Test<'_>], budget: Duration) -> Outcome<Fate> {
    let mut reaching: Vec<&Test<'_>> = tests.iter().filter(|test| test.reaches.contains(&mutant.id)).collect();
    if reaching.is_empty() {
        return Ok(Fate::Unreached);
    }
    let module = module(&mutant.file);
    reaching.sort_by_key(|test| (!test.name.starts_with(&module), test.time));
    let mut spent = Duration::ZERO;
    let mut rest = &reaching[..];
    for size in BATCHES {
        // A program at a time: what comes first decides which.
        let Some(first) = rest.first().filter(|_| spent < budget) else { break };
        let (batch, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        for binary in
            [first.binary].into_iter().chain(batch.iter().map(|test| test.binary).find(|b| b.path != first.binary.path))
        {
            let of_binary: Vec<&&Test<'_>> = batch.iter().filter(|test| test.binary.path == binary.path).collect();
            let within: Vec<&str> = of_binary
                .iter()
                .take_while(|test| {
                    spent = spent.saturating_add(test.time);
                    spent <= budget
                })
                .map(|test| test.name.as_str())
                .collect();
            if within.is_empty() {
                continue;
            }
            let usual: Duration = of_binary.iter().map(|test| test.time).sum();
            let scratch = Scratch::new()?;
            let mut command = limited(binary, &within, 5 + 5 * usual.as_secs(), &scratch.0);
            let status = status(command.env("XTASK_MUTANT", mutant.id.to_string()))?;
            match status.signal() {
                Some(SIGXCPU) => return Ok(Fate::Endless),
                Some(SIGKILL) if status.code().is_none() => return Ok(Fate::Endless),
                _ if status.code() == Some(KILLED) => return Ok(Fate::Endless),
                _ if !status.success() => return Ok(Fate::Noticed),
                _ => {}
            }
        }
    }
    Ok(Fate::Missed)
}

const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
/// What `timeout` answers when it had to kill.
const KILLED: i32 = 137;

/// `src/receipts/audit/log.rs` and `src/receipts/audit/mod.rs` as tests' names begin.
fn module(file: &Path) -> String {
    let below = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).filter(|part| *part != "mod").collect();
    parts.join("::") + "::"
}

const MOST_SECONDS: u64 = 300;
/// For what waits forever and takes no time of the processor.
const MOST_WALL: &str = "600";
/// Kilobytes that a test may ask for: a fault may ask for all there are.
const MOST_MEMORY: u64 = 12 << 20;

fn limited(binary: &Binary, names: &[&str], seconds: u64, scratch: &Path) -> Command {
    let mut command = tools::command("timeout");
    let script = format!("ulimit -c 0; ulimit -t {seconds}; ulimit -v {MOST_MEMORY}; exec \"$@\"");
    command.args(["--signal=KILL", MOST_WALL, "sh", "-c", &script, "sh"]).arg(&binary.path).args(names);
    command.args(["--exact", "--test-threads=1"]).current_dir(build::tree());
    command.env("TMPDIR", scratch).env("INSTA_WORKSPACE_ROOT", build::tree()).env("INSTA_UPDATE", "no");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn status(command: &mut Command) -> Outcome<ExitStatus> {
    command.status().map_err(|cause| format!("cannot start `{}`: {cause}", tools::typed(command)))
}

/// A folder for what tests leave behind when they are killed; within the project, git would take its repository for theirs.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Scratch> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bizra-mutants-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).map_err(|cause| format!("cannot make {}: {cause}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_is_shared_out_keeps_its_order() {
        let items: Vec<u32> = (0..500).collect();
        assert_eq!(each(&items, 3, |item| Ok(item * 2)), Ok(items.iter().map(|item| item * 2).collect()));
        assert_eq!(
            each(&items, 3, |item| if *item == 7 { Err("seven".to_string()) } else { Ok(()) }),
            Err("seven".into())
        );
    }

    #[test]
    fn modules_are_named_as_in_the_names_of_tests() {
        assert_eq!(module(Path::new("src/plan/gate/mod.rs")), "plan::gate::");
        assert_eq!(module(Path::new("src/receipts/audit/log.rs")), "receipts::audit::log::");
    }
}
