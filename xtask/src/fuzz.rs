//! Runs the fuzz targets of `fuzz/`, each from a few seeds that code makes.
//!
//! cargo-fuzz drives them (`cargo install --locked cargo-fuzz`). They are built without a sanitizer, which needs no
//! nightly toolchain: what they read is safe Rust, so that panics, overflows and broken promises are what to look for.
//! What was found stays in `fuzz/artifacts` and what was learnt in `target/fuzz`, which git ignores; `--keep` takes what
//! is small of it into `fuzz/corpus`, which `tests/corpus.rs` replays.

#[path = "../../fuzz/src/kept.rs"]
mod kept;
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which targets to run; all, one after the other, when none is named
    targets: Vec<String>,
    /// How long to run each
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Instead of running them, keep the fewest small inputs that reach all that was reached
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let known = targets()?;
    if let Some(name) = args.targets.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no fuzz target {name}; there are: {}", known.join(", ")));
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let driver = Driver::find()?;
    lock()?;
    let mut findings = Vec::new();
    for target in chosen {
        let outcome = if args.keep { keep(&driver, target) } else { look(&driver, target, args.seconds) };
        if let Err(message) = outcome {
            findings.push(format!("{target}: {message}"));
        }
    }
    match findings.as_slice() {
        [] if args.keep => Ok(()),
        [] => {
            println!("\nnothing found in {}", chosen.join(", "));
            Ok(())
        }
        _ => Err(format!("{}\nThe inputs lie in fuzz/artifacts.", findings.join("\n"))),
    }
}

fn look(driver: &Driver, target: &str, seconds: u32) -> Outcome {
    println!("\n── {target}, {seconds} s");
    let mut command = driver.run(target, &[&working(target)?]);
    command.args([&format!("-max_total_time={seconds}"), "-timeout=10", "-rss_limit_mb=1024"]);
    command.args(["-print_final_stats=1", "-verbosity=0"]);
    tools::succeed(&mut command)
}

/// Longer inputs are not kept: what they reach is nearly always reached by shorter ones as well.
const MOST_BYTES: usize = 1024;

fn keep(driver: &Driver, target: &str) -> Outcome {
    let fewest = work().join("fewest").join(target);
    if fewest.exists() {
        fs::remove_dir_all(&fewest).map_err(|cause| format!("cannot empty {}: {cause}", fewest.display()))?;
    }
    fs::create_dir_all(&fewest).map_err(|cause| format!("cannot make {}: {cause}", fewest.display()))?;
    let mut command = driver.run(target, &[&fewest, &working(target)?]);
    command.args(["-merge=1", &format!("-max_len={MOST_BYTES}"), "-timeout=10", "-verbosity=0"]);
    tools::succeed(&mut command)?;
    let read = |path: PathBuf| tools::read_file(&path);
    let mut inputs: Vec<Vec<u8>> = tools::entries(&fewest)?.into_iter().map(read).collect::<Outcome<_>>()?;
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let text: String = inputs.iter().map(|input| kept::line(input) + "\n").collect();
    println!("{target}: {} inputs, {} bytes", inputs.len(), text.len());
    tools::write_file(&file(target), text.as_bytes())
}

/// What is kept of a target in git, an input a line.
fn file(target: &str) -> PathBuf {
    tools::root().join(format!("fuzz/corpus/{target}.txt"))
}

fn work() -> PathBuf {
    tools::root().join("target/fuzz")
}

/// Compiles the targets as ordinary programs, so that they cannot rot.
pub(crate) fn check() -> Outcome<Vec<String>> {
    lock()?;
    let mut command = tools::cargo();
    command.args(["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]);
    command.env("CARGO_TARGET_DIR", tools::root().join("target"));
    // A check links nothing, so libFuzzer need not be compiled, nor a C++ compiler be there.
    command.env("CUSTOM_LIBFUZZER_PATH", tools::root().join("target/libfuzzer.a"));
    tools::succeed(&mut command).map(|()| vec![])
}

/// The root's lockfile, to which cargo adds libFuzzer: the targets meet the dependencies that users meet.
fn lock() -> Outcome {
    let [ours, theirs] = ["Cargo.lock", "fuzz/Cargo.lock"].map(|path| tools::root().join(path));
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    if changed(&theirs) > changed(&ours) { Ok(()) } else { tools::write_file(&theirs, &tools::read_file(&ours)?) }
}

fn targets() -> Outcome<Vec<String>> {
    let files = tools::entries(&tools::root().join("fuzz/targets"))?;
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(names.map(String::from).collect())
}

/// cargo-fuzz, on the path or where tools of the project are kept.
struct Driver(PathBuf);

impl Driver {
    fn find() -> Outcome<Driver> {
        let kept = tools::root().join("target/tools/bin/cargo-fuzz");
        if kept.is_file() {
            return Ok(Driver(kept));
        }
        if tools::starts("cargo-fuzz", "--version") {
            return Ok(Driver("cargo-fuzz".into()));
        }
        Err("cargo-fuzz is not installed: cargo install --locked cargo-fuzz".into())
    }

    /// The target over these folders, libFuzzer's own flags to follow.
    fn run(&self, target: &str, folders: &[&Path]) -> Command {
        let mut command = tools::command(&self.0);
        command.args(["fuzz", "run", "--sanitizer", "none", target]).args(folders).arg("--");
        command
    }
}

/// The target's folder of inputs, with its seeds in it, and what was kept.
fn working(target: &str) -> Outcome<PathBuf> {
    let folder = work().join("corpus").join(target);
    for (number, seed) in seeds::of(target)?.into_iter().enumerate() {
        tools::write_file(&folder.join(format!("seed-{number}")), &seed)?;
    }
    if file(target).is_file() {
        let text = tools::read_file(&file(target))?;
        let none = |line| format!("{}:{line}: this is no input", file(target).display());
        for (number, input) in kept::inputs(&String::from_utf8_lossy(&text)).map_err(none)?.iter().enumerate() {
            tools::write_file(&folder.join(format!("kept-{number}")), input)?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_seeds_and_is_replayed() {
        let targets = targets().unwrap();
        assert_eq!(targets.len(), 21);
        let lib = fs::read_to_string(tools::root().join("fuzz/src/lib.rs")).unwrap();
        let manifest = fs::read_to_string(tools::root().join("fuzz/Cargo.toml")).unwrap();
        for target in targets {
            assert!(!seeds::of(&target).unwrap().is_empty(), "{target}");
            assert!(lib.contains(&format!("(\"{target}\", {target}::look)")), "{target}");
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        }
        assert!(seeds::of("nothing").is_err());
    }
}
