//! Line coverage of the tests, by module, from rustc's own instrumentation.
//!
//! cargo is told to compile the workspace's own packages through this program, which adds the flag: dependencies
//! stay as they are, built once for all. The kernels are covered by their own tests: with counters inside, every test that
//! runs a model would take minutes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use crate::tidy::lex::Source;
use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail when less than this share of the domains' lines is covered
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let value = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err(format!("{text} is not between 0 and 100")) }
}

#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    covered: u64,
    all: u64,
}

impl Lines {
    fn percent(self) -> f64 {
        100.0 * self.covered as f64 / self.all as f64
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let llvm = Llvm::find()?;
    let folder = tools::root().join("target/coverage");
    let raw = folder.join("raw");
    if raw.exists() {
        fs::remove_dir_all(&raw).map_err(|cause| format!("cannot empty {}: {cause}", raw.display()))?;
    }
    let mut objects = test(&raw, "bizra-kernels", &folder.join("kernels"), None)?;
    objects.extend(test(&raw, "bizra", &tools::root().join("target"), Some("bizra_kernels"))?);
    let profile = merge(&llvm, &raw, &folder)?;
    let source = |path: &Path| Ok(String::from_utf8_lossy(&tools::read_file(path)?).into_owned());
    let modules = modules(&export(&llvm, &profile, &objects)?, source)?;
    report(&modules, args.min)
}

/// The two tools, at least as new as the LLVM inside rustc: older ones cannot read its profiles.
struct Llvm {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Llvm {
    fn find() -> Outcome<Self> {
        let version = tools::read(tools::command("rustc").arg("-vV"))?;
        let wanted = major(&version, "LLVM version: ").ok_or("`rustc -vV` names no LLVM version")?;
        let sysroot = tools::read(tools::command("rustc").args(["--print", "target-libdir"]))?;
        let component = Path::new(sysroot.trim()).with_file_name("bin");
        let tool = |name: &str| {
            let debian = PathBuf::from(format!("/usr/lib/llvm-{wanted}/bin")).join(name);
            [component.join(name), debian, format!("{name}-{wanted}").into(), name.into()]
                .into_iter()
                .find(|path| is_new_enough(path, wanted))
        };
        match (tool("llvm-profdata"), tool("llvm-cov")) {
            (Some(profdata), Some(cov)) => Ok(Llvm { profdata, cov }),
            _ => Err(format!(
                "coverage needs llvm-profdata and llvm-cov of LLVM {wanted} or newer, which rustc was built with.\n\
                 Install Debian's package llvm-{wanted} (apt-get install llvm-{wanted}; older releases of Debian lack it), \
                 or run: rustup component add llvm-tools"
            )),
        }
    }
}

fn is_new_enough(tool: &Path, wanted: u32) -> bool {
    let said = tools::read(tools::command(tool).arg("--version")).unwrap_or_default();
    major(&said, "LLVM version ").is_some_and(|major| major >= wanted)
}

fn major(text: &str, before: &str) -> Option<u32> {
    let (_, version) = text.split_once(before)?;
    version.split('.').next()?.trim().parse().ok()
}

/// Builds and runs a package's tests, instrumented but for one crate; returns everything that may have been executed.
fn test(raw: &Path, package: &str, target: &Path, spared: Option<&str>) -> Outcome<Vec<PathBuf>> {
    let this = env::current_exe().map_err(|cause| format!("cannot find the path of xtask itself: {cause}"))?;
    let cargo = || {
        let mut cargo = tools::cargo();
        cargo.env("RUSTC_WORKSPACE_WRAPPER", &this).env(tools::COMPILER_FLAG, "-Cinstrument-coverage");
        cargo.env("LLVM_PROFILE_FILE", raw.join("%p-%m.profraw"));
        cargo.env("CARGO_TARGET_DIR", target);
        if let Some(spared) = spared {
            cargo.env(tools::SPARED_CRATE, spared);
        }
        cargo.args(["test", "--locked", "--package", package, "--lib", "--bins", "--tests"]);
        cargo
    };
    tools::succeed(&mut cargo())?;
    let listing = tools::read(cargo().args(["--no-run", "--message-format=json"]))?;
    let mut objects: Vec<PathBuf> = listing
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from))
        .collect();
    objects.sort();
    objects.dedup();
    if objects.is_empty() { Err("cargo built no test to cover anything with".into()) } else { Ok(objects) }
}

fn merge(llvm: &Llvm, raw: &Path, folder: &Path) -> Outcome<PathBuf> {
    let merged = folder.join("merged.profdata");
    let mut command = tools::command(&llvm.profdata);
    // Some tests end programs, or leave them no room on the disk: what such a program could not write counts for nothing.
    command.args(["merge", "--sparse", "--failure-mode=all", "--output"]).arg(&merged).args(tools::entries(raw)?);
    tools::succeed(&mut command)?;
    Ok(merged)
}

/// How often each line ran, in the lcov format.
fn export(llvm: &Llvm, profile: &Path, objects: &[PathBuf]) -> Outcome<String> {
    let mut command = tools::command(&llvm.cov);
    command.args(["export", "--format=lcov", "--instr-profile"]).arg(profile);
    for object in objects {
        command.arg("--object").arg(object);
    }
    tools::read(&mut command)
}

/// Sums an lcov report by module; `source` gives the text of a file, so that its tests can be left out.
fn modules(lcov: &str, source: impl Fn(&Path) -> Outcome<String>) -> Outcome<BTreeMap<String, Lines>> {
    let mut modules: BTreeMap<String, Lines> = BTreeMap::new();
    for record in lcov.split("end_of_record") {
        let Some(path) = record.lines().find_map(|line| line.strip_prefix("SF:")).map(Path::new) else { continue };
        let Some(module) = path.strip_prefix(tools::root()).ok().and_then(module) else { continue };
        let text = source(path)?;
        let tests = Source::read(&text).test_lines();
        let sum = modules.entry(module).or_default();
        for entry in record.lines().filter_map(|line| line.strip_prefix("DA:")) {
            let numbers =
                entry.split_once(',').and_then(|(line, count)| Some((line.parse().ok()?, count.parse().ok()?)));
            let (line, count): (usize, u64) =
                numbers.ok_or_else(|| format!("llvm-cov printed `DA:{entry}` for {}", path.display()))?;
            if !tests.iter().any(|range| range.contains(&line)) {
                sum.all += 1;
                sum.covered += u64::from(count > 0);
            }
        }
    }
    Ok(modules)
}

/// `src/infer/gguf.rs` belongs to infer, `kernels/matmul/avx2.rs` to kernels; tests cover and are not covered.
fn module(path: &Path) -> Option<String> {
    let is_test = path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
    let mut parts = path.iter().filter_map(|part| part.to_str());
    match parts.next() {
        Some("src") if !is_test => parts.next().map(|top| top.trim_end_matches(".rs").to_string()),
        Some("kernels") if !is_test => Some("kernels".to_string()),
        _ => None,
    }
}

/// What joins the domains, draws their reports and talks with a terminal: the tests of the command line cover it, and
/// many of its lines only say what went wrong with a machine.
const AROUND: [&str; 5] = ["cli", "lib", "main", "ui", "view"];

fn report(modules: &BTreeMap<String, Lines>, min: Option<f64>) -> Outcome {
    let sum = |is_meant: &dyn Fn(&str) -> bool| {
        let meant = modules.iter().filter(|(name, _)| is_meant(name));
        meant.fold(Lines::default(), |sum, (_, lines)| Lines {
            covered: sum.covered + lines.covered,
            all: sum.all + lines.all,
        })
    };
    let domains = sum(&|name| !AROUND.contains(&name));
    if domains.all == 0 {
        return Err("llvm-cov found no line of src/ or kernels/ in the tests".into());
    }
    println!("{:>7}  {:>15}  module", "percent", "lines");
    let sums = [(format!("domains: all but {}", AROUND.join(", ")), domains), ("in all".into(), sum(&|_| true))];
    let rows = modules.iter().map(|(name, lines)| (name.clone(), *lines)).chain(sums);
    for (name, lines) in rows.filter(|(_, lines)| lines.all > 0) {
        println!("{:>7.1}  {:>7}/{:<7}  {name}", lines.percent(), lines.covered, lines.all);
    }
    match min {
        Some(min) if domains.percent() < min => {
            Err(format!("{:.1} % of the domains' lines are covered, less than {min} %", domains.percent()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_found_in_what_the_tools_say() {
        assert_eq!(major("host: x\nLLVM version: 22.1.2\n", "LLVM version: "), Some(22));
        assert_eq!(major("Debian LLVM version 14.0.6\n  Optimized", "LLVM version "), Some(14));
        assert_eq!(major("nothing", "LLVM version "), None);
    }

    #[test]
    fn files_are_summed_by_module_and_tests_left_out() {
        let record = |path: &str, counts: &[u64]| {
            let lines = counts.iter().enumerate().map(|(index, count)| format!("DA:{},{count}\n", index + 1));
            format!("SF:{}\n{}end_of_record\n", tools::root().join(path).display(), lines.collect::<String>())
        };
        let lcov = [
            record("src/infer/gguf.rs", &[1, 0, 7, 0, 3, 3]),
            record("src/infer/mod.rs", &[0]),
            record("src/env.rs", &[2, 2]),
            record("src/cli/mod.rs", &[0, 0, 1]),
            record("src/infer/gguf/tests.rs", &[9, 9]),
            record("kernels/os/map.rs", &[1, 0]),
            record("tests/cli/main.rs", &[7]),
            "SF:/elsewhere/lib.rs\nDA:1,1\nend_of_record\n".to_string(),
        ];
        let source = |path: &Path| {
            let inline = "a\nb\nc\nd\n#[cfg(test)]\nmod tests { e }\n";
            Ok(if path.ends_with("gguf.rs") { inline } else { "" }.to_string())
        };
        let modules = modules(&lcov.concat(), source).unwrap();
        let shown: Vec<_> = modules.iter().map(|(name, lines)| (name.as_str(), lines.covered, lines.all)).collect();
        assert_eq!(shown, [("cli", 1, 3), ("env", 2, 2), ("infer", 3, 6), ("kernels", 1, 2)]);
        assert!(report(&modules, Some(60.0)).is_ok());
        assert_eq!(
            report(&modules, Some(61.0)).unwrap_err(),
            "60.0 % of the domains' lines are covered, less than 61 %"
        );
    }

    #[test]
    fn what_cannot_be_read_or_holds_nothing_is_a_failure() {
        assert!(report(&BTreeMap::new(), None).is_err());
        let only_around = BTreeMap::from([("view".to_string(), Lines { covered: 9, all: 9 })]);
        assert!(report(&only_around, None).is_err());
        let broken = format!("SF:{}\nDA:x,1\n", tools::root().join("src/env.rs").display());
        assert!(modules(&broken, |_| Ok(String::new())).unwrap_err().starts_with("llvm-cov printed `DA:x,1`"));
    }
}
