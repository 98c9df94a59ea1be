//! Everything that a merge needs, in the order that fails soonest. `.ci/run` runs the tests first, then this.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bizra::bench::measure::Clock;

use crate::own_gate::{self, Passed};
use crate::tools::{self, Outcome, Stopwatch, cargo};
use crate::{conformance, fixtures, fuzz, outside, reference, tidy};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out `cargo test`, and the gate that asks for it
    #[arg(long)]
    skip_tests: bool,
    /// The caller has just seen `cargo test` pass on these files: sign for it without another run
    #[arg(long, conflicts_with = "skip_tests")]
    tests_passed: bool,
}

/// Known answers that are not part of the repository, where they lie beside it.
const CONFORMANCE_DATA: &str = "../shared/data";

struct Step {
    name: String,
    /// What to type to run this step alone.
    again: String,
    work: Work,
}

enum Work {
    Child(Command),
    /// Returns what it had to skip.
    Own(Box<dyn FnOnce() -> Outcome<Vec<String>>>),
    Skip(String),
}

impl Step {
    fn child(name: &str, command: Command) -> Self {
        Step { name: name.to_string(), again: tools::typed(&command), work: Work::Child(command) }
    }

    fn own(task: &str, work: impl FnOnce() -> Outcome<Vec<String>> + 'static) -> Self {
        Step { name: task.to_string(), again: format!("cargo xtask {task}"), work: Work::Own(Box::new(work)) }
    }

    fn skip(name: &str, reason: impl Into<String>) -> Self {
        Step { name: name.to_string(), again: String::new(), work: Work::Skip(reason.into()) }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut times = Vec::new();
    let mut skipped = Vec::new();
    for step in steps(args)? {
        println!("\n── {}", step.name);
        let clock = Stopwatch::start();
        let outcome = match step.work {
            Work::Child(mut command) => tools::succeed(&mut command).map(|()| vec![]),
            Work::Own(work) => work(),
            Work::Skip(reason) => {
                println!("skipped: {reason}");
                skipped.push((step.name, reason));
                continue;
            }
        };
        let time = clock.elapsed();
        let left_out =
            outcome.map_err(|message| format!("{message}\n{} failed. To repeat it: {}", step.name, step.again))?;
        skipped.extend(left_out.into_iter().map(|reason| (step.name.clone(), reason)));
        println!("{} passed in {}", step.name, seconds(time));
        times.push((step.name, time));
    }
    summary(&times, &skipped);
    Ok(())
}

fn steps(args: &Args) -> Outcome<Vec<Step>> {
    let mut steps = vec![
        Step::own("tidy", || tidy::run().map(|()| vec![])),
        Step::child("fmt", with(cargo(), &["fmt", "--all", "--check"])),
        Step::child(
            "clippy",
            with(cargo(), &["clippy", "--locked", "--workspace", "--all-targets", "--", "-Dwarnings"]),
        ),
    ];
    if args.skip_tests || args.tests_passed {
        let reason = if args.skip_tests { "--skip-tests was given" } else { "the caller has run them" };
        steps.push(Step::skip("test", reason));
        steps.push(Step::child("test of xtask", with(cargo(), &["test", "--locked", "--package", "xtask"])));
    } else {
        steps.push(Step::child("test", with(cargo(), &["test", "--locked", "--workspace"])));
    }
    let mut doc = with(cargo(), &["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    steps.push(Step::child("doc", doc));
    steps.extend(features()?);
    steps.extend(deny());
    steps.push(Step::own("fixtures --check", fixtures::check));
    steps.push(Step::own("reference --check", reference::check));
    steps.push(conformance_step());
    steps.push(match outside::impossible() {
        Some(reason) => Step::skip("outside", reason),
        None => Step::own("outside", outside::check),
    });
    steps.push(Step { again: "cargo xtask ci".into(), ..Step::own("check of the fuzz targets", fuzz::check) });
    // The last, for it signs for all that has passed before.
    steps.push(if args.skip_tests {
        Step::skip("own gate", "it asks for tests that have passed, and --skip-tests was given")
    } else {
        Step::own("own-gate --passed tests --passed checks", || {
            own_gate::check(&[Passed::Tests, Passed::Checks]).map(|()| vec![])
        })
    });
    Ok(steps)
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

/// Each feature of the root package alone, and the package without any.
fn features() -> Outcome<Vec<Step>> {
    let metadata = tools::metadata(false)?;
    let root = metadata["packages"].as_array().into_iter().flatten().find(|package| package["name"] == "bizra");
    let features = root.and_then(|package| package["features"].as_object());
    let Some(features) = features.filter(|features| !features.is_empty()) else {
        return Ok(vec![Step::skip("features", "the package bizra has no features")]);
    };
    let check = ["check", "--locked", "--package", "bizra", "--no-default-features"];
    let alone = |name: &str, more: &[&str]| Step::child(name, with(with(cargo(), &check), more));
    let mut steps = vec![alone("no features", &["--all-targets"])];
    for feature in features.keys().filter(|feature| *feature != "default") {
        steps.push(alone(&format!("feature {feature} alone"), &["--lib", "--bins", "--features", feature]));
    }
    Ok(steps)
}

fn deny() -> Vec<Step> {
    let Some(program) = cargo_deny() else {
        let reason = "cargo-deny is not installed: cargo install --locked --debug --no-default-features cargo-deny";
        return vec![Step::skip("deny", reason)];
    };
    let deny = |arguments: &[&str]| with(tools::command(&program), arguments);
    let own = deny(&["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    let advisories = if has_advisories() {
        Step::child("deny advisories", deny(&["--locked", "--offline", "check", "advisories"]))
    } else {
        Step::skip("deny advisories", "there is no local copy of the advisory database: cargo deny fetch")
    };
    vec![Step::child("deny", own), advisories]
}

/// On the path, or where `.ci/run` puts it.
fn cargo_deny() -> Option<PathBuf> {
    let kept = tools::root().join("target/tools/bin/cargo-deny");
    if kept.is_file() {
        return Some(kept);
    }
    tools::starts("cargo-deny", "--version").then(|| PathBuf::from("cargo-deny"))
}

fn has_advisories() -> bool {
    let home = tools::variable("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&tools::variable("HOME")?).join(".cargo")));
    let databases = home.and_then(|home| tools::entries(&home.join("advisory-dbs")).ok()).unwrap_or_default();
    databases.iter().any(|database| database.join("crates").is_dir())
}

fn conformance_step() -> Step {
    if tools::root().join(CONFORMANCE_DATA).is_dir() {
        let run = || conformance::check(&tools::root().join(CONFORMANCE_DATA));
        Step::own(&format!("conformance {CONFORMANCE_DATA}"), run)
    } else {
        Step::skip("conformance", format!("there is no folder {CONFORMANCE_DATA}"))
    }
}

fn summary(times: &[(String, Duration)], skipped: &[(String, String)]) {
    println!("\n── passed");
    for (name, time) in times {
        println!("{:>9}  {name}", seconds(*time));
    }
    println!("{:>9}  in all", seconds(times.iter().map(|(_, time)| *time).sum()));
    println!("\n── skipped");
    if skipped.is_empty() {
        println!("nothing");
    }
    for (name, reason) in skipped {
        println!("{name}: {reason}");
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
