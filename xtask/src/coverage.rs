//! Line coverage of the tests, by module, from rustc's own instrumentation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail when less than this share of all lines is covered
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let value = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err(format!("{text} is not between 0 and 100")) }
}

#[derive(Clone, Copy, Default)]
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
    let objects = test(&folder, &raw)?;
    let profile = merge(&llvm, &raw, &folder)?;
    let modules = modules(&export(&llvm, &profile, &objects)?)?;
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

/// Builds and runs the tests, instrumented; returns everything that may have been executed.
fn test(folder: &Path, raw: &Path) -> Outcome<Vec<PathBuf>> {
    let cargo = || {
        let mut cargo = tools::cargo();
        cargo.env("CARGO_TARGET_DIR", folder).env("RUSTFLAGS", "-Cinstrument-coverage");
        cargo.env("LLVM_PROFILE_FILE", raw.join("%p-%m.profraw"));
        cargo.args(["test", "--locked", "--package", "bizra", "--package", "bizra-kernels"]);
        cargo
    };
    tools::succeed(&mut cargo())?;
    let listing = tools::read(cargo().args(["--no-run", "--message-format=json"]))?;
    let mut objects: Vec<PathBuf> = listing
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from))
        .collect();
    let binary = folder.join("debug").join(format!("bizra{}", env::consts::EXE_SUFFIX));
    objects.extend(binary.is_file().then_some(binary));
    objects.sort();
    objects.dedup();
    if objects.is_empty() { Err("cargo built no test to cover anything with".into()) } else { Ok(objects) }
}

fn merge(llvm: &Llvm, raw: &Path, folder: &Path) -> Outcome<PathBuf> {
    let merged = folder.join("merged.profdata");
    let mut command = tools::command(&llvm.profdata);
    command.args(["merge", "--sparse", "--output"]).arg(&merged).args(tools::entries(raw)?);
    tools::succeed(&mut command)?;
    Ok(merged)
}

fn export(llvm: &Llvm, profile: &Path, objects: &[PathBuf]) -> Outcome<Value> {
    let mut command = tools::command(&llvm.cov);
    command.args(["export", "--format=text", "--summary-only", "--instr-profile"]).arg(profile);
    for object in objects {
        command.arg("--object").arg(object);
    }
    let text = tools::read(&mut command)?;
    serde_json::from_str(&text).map_err(|cause| format!("llvm-cov printed no JSON: {cause}"))
}

fn modules(export: &Value) -> Outcome<BTreeMap<String, Lines>> {
    let mut modules: BTreeMap<String, Lines> = BTreeMap::new();
    for file in export["data"][0]["files"].as_array().into_iter().flatten() {
        let path = Path::new(file["filename"].as_str().unwrap_or_default());
        let Some(module) = path.strip_prefix(tools::root()).ok().and_then(module) else { continue };
        let lines = &file["summary"]["lines"];
        let (Some(covered), Some(all)) = (lines["covered"].as_u64(), lines["count"].as_u64()) else {
            return Err(format!("llvm-cov counts no lines for {}", path.display()));
        };
        let sum = modules.entry(module).or_default();
        sum.covered += covered;
        sum.all += all;
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

fn report(modules: &BTreeMap<String, Lines>, min: Option<f64>) -> Outcome {
    let total = modules
        .values()
        .fold(Lines::default(), |sum, lines| Lines { covered: sum.covered + lines.covered, all: sum.all + lines.all });
    if total.all == 0 {
        return Err("llvm-cov found no line of src/ or kernels/ in the tests".into());
    }
    println!("{:>7}  {:>15}  module", "percent", "lines");
    let rows = modules.iter().map(|(name, lines)| (name.as_str(), *lines)).chain([("in all", total)]);
    for (name, lines) in rows.filter(|(_, lines)| lines.all > 0) {
        println!("{:>7.1}  {:>7}/{:<7}  {name}", lines.percent(), lines.covered, lines.all);
    }
    match min {
        Some(min) if total.percent() < min => {
            Err(format!("{:.1} % of lines are covered, less than {min} %", total.percent()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_major_version_is_found_in_what_the_tools_say() {
        assert_eq!(major("host: x\nLLVM version: 22.1.2\n", "LLVM version: "), Some(22));
        assert_eq!(major("Debian LLVM version 14.0.6\n  Optimized", "LLVM version "), Some(14));
        assert_eq!(major("nothing", "LLVM version "), None);
    }

    #[test]
    fn files_are_summed_by_module_and_tests_left_out() {
        let file = |path: &str, covered: u64, count: u64| json!({ "filename": tools::root().join(path), "summary": { "lines": { "covered": covered, "count": count } } });
        let export = json!({ "data": [{ "files": [
            file("src/infer/gguf.rs", 5, 10), file("src/infer/mod.rs", 1, 2), file("src/env.rs", 3, 3),
            file("src/infer/gguf/tests.rs", 9, 9), file("kernels/os/map.rs", 4, 8), file("tests/cli/main.rs", 7, 7),
            { "filename": "/elsewhere/lib.rs", "summary": {} },
        ] }] });
        let modules = modules(&export).unwrap();
        let shown: Vec<_> = modules.iter().map(|(name, lines)| (name.as_str(), lines.covered, lines.all)).collect();
        assert_eq!(shown, [("env", 3, 3), ("infer", 6, 12), ("kernels", 4, 8)]);
        assert!(report(&modules, Some(56.0)).is_ok());
        assert_eq!(report(&modules, Some(57.0)).unwrap_err(), "56.5 % of lines are covered, less than 57 %");
    }

    #[test]
    fn nothing_measured_is_a_failure() {
        assert!(report(&BTreeMap::new(), None).is_err());
        assert!(
            modules(&json!({ "data": [{ "files": [
            { "filename": tools::root().join("src/env.rs"), "summary": {} },
        ] }] }))
            .is_err()
        );
    }
}
