//! Runs the fuzz targets of `fuzz/`, each from a few seeds that code makes.
//!
//! cargo-fuzz drives them (`cargo install --locked cargo-fuzz`). They are built without a sanitizer, which needs no
//! nightly toolchain: what they read is safe Rust, so that panics, overflows and broken promises are what to look for.
//! What was found and what was learnt stays in `fuzz/artifacts` and `fuzz/corpus`, which git ignores.

mod seeds;

use std::path::{Path, PathBuf};

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which target to run; all, one after the other, when none is named
    target: Option<String>,
    /// How long to run each
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let known = targets()?;
    let chosen = match &args.target {
        None => known,
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => return Err(format!("there is no fuzz target {name}; there are: {}", known.join(", "))),
    };
    let driver = driver()?;
    lock()?;
    let mut findings = Vec::new();
    for target in &chosen {
        println!("\n── {target}, {} s", args.seconds);
        let corpus = corpus(target)?;
        let mut command = tools::command(&driver);
        command.args(["fuzz", "run", "--sanitizer", "none", target]).arg(corpus).args([
            "--",
            &format!("-max_total_time={}", args.seconds),
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            "-verbosity=0",
        ]);
        if let Err(message) = tools::succeed(&mut command) {
            findings.push(format!("{target}: {message}"));
        }
    }
    match findings.as_slice() {
        [] => {
            println!("\nnothing found in {}", chosen.join(", "));
            Ok(())
        }
        _ => Err(format!("{}\nThe inputs lie in fuzz/artifacts.", findings.join("\n"))),
    }
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
    let changed = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    if changed(&theirs) > changed(&ours) { Ok(()) } else { tools::write_file(&theirs, &tools::read_file(&ours)?) }
}

fn targets() -> Outcome<Vec<String>> {
    let files = tools::entries(&tools::root().join("fuzz/targets"))?;
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(names.map(String::from).collect())
}

/// cargo-fuzz, on the path or where tools of the project are kept.
fn driver() -> Outcome<PathBuf> {
    let kept = tools::root().join("target/tools/bin/cargo-fuzz");
    if kept.is_file() {
        return Ok(kept);
    }
    if tools::starts("cargo-fuzz", "--version") {
        return Ok("cargo-fuzz".into());
    }
    Err("cargo-fuzz is not installed: cargo install --locked cargo-fuzz".into())
}

/// The target's folder of inputs, with its seeds in it.
fn corpus(target: &str) -> Outcome<PathBuf> {
    let folder = Path::new("fuzz/corpus").join(target);
    for (number, seed) in seeds::of(target)?.into_iter().enumerate() {
        tools::write_file(&tools::root().join(&folder).join(format!("seed-{number}")), &seed)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_seeds() {
        let targets = targets().unwrap();
        assert_eq!(targets.len(), 13);
        for target in targets {
            assert!(!seeds::of(&target).unwrap().is_empty(), "{target}");
        }
        assert!(seeds::of("nothing").is_err());
    }
}
