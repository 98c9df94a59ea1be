//! What every task uses: the repository's root, child processes, tracked files, digests, the clock.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bizra::bench::measure;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A sentence for the one who ran the task: what failed and what to do.
pub(crate) type Outcome<T = ()> = Result<T, String>;

pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

#[expect(clippy::disallowed_methods, reason = "a developer's tool has no Env: this is its one reader of variables")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    env::args_os().skip(1)
}

/// The cargo that runs this task, with the root as its folder.
pub(crate) fn cargo() -> Command {
    command(variable("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Set for the compilers that cargo starts through this program, to the flag that is to be added: it goes to the
/// workspace's own packages alone, and dependencies stay as they are, built once for all.
pub(crate) const COMPILER_FLAG: &str = "XTASK_COMPILER_FLAG";

/// Set beside it to the name of one that stays as it is too.
pub(crate) const SPARED_CRATE: &str = "XTASK_SPARED_CRATE";

/// Where cargo started this program in the place of rustc, whose path is then the first argument: compiles.
pub(crate) fn compile(flag: OsString) -> Outcome {
    let mut arguments = arguments();
    let rustc = arguments.next().ok_or("cargo named no compiler to run")?;
    let arguments: Vec<OsString> = arguments.collect();
    let spared = variable(SPARED_CRATE);
    let is_spared = arguments.windows(2).any(|pair| pair[0] == "--crate-name" && Some(&pair[1]) == spared.as_ref());
    let flag = (!is_spared).then_some(flag);
    let status = Command::new(rustc).args(arguments).args(flag).status();
    match status.map_err(|cause| format!("cannot start rustc: {cause}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("rustc ended with {status}")),
    }
}

/// A child in the root, with nothing to read.
pub(crate) fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The command as one would type it.
pub(crate) fn typed(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let set = command.get_envs().filter_map(|(key, value)| {
        value.map(|value| format!("{}={}", key.to_string_lossy(), quoted(&value.to_string_lossy())))
    });
    let words = std::iter::once(name).chain(command.get_args()).map(|word| quoted(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs a child whose output goes where ours goes.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|cause| format!("cannot start `{}`: {cause}", typed(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", typed(command))) }
}

/// Runs a child for its standard output.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .map_err(|cause| format!("cannot start `{}`: {cause}", typed(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` ended with {}\n{}", typed(command), output.status, said.trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` did not print UTF-8", typed(command)))
}

/// Whether a program can be started at all.
pub(crate) fn starts(program: &str, argument: &str) -> bool {
    command(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

pub(crate) fn metadata(with_dependencies: bool) -> Outcome<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--locked"]);
    if !with_dependencies {
        command.arg("--no-deps");
    }
    let text = read(&mut command)?;
    serde_json::from_str(&text).map_err(|cause| format!("`cargo metadata` printed no JSON: {cause}"))
}

/// Files of the repository, relative to its root, sorted: those that git tracks or would; without git, all but
/// build outputs and hidden folders.
pub(crate) fn repository_files() -> Outcome<Vec<PathBuf>> {
    let listed = read(command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]));
    let mut files: Vec<PathBuf> = match listed {
        Ok(names) => names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect(),
        Err(_) => walk(&root(), Path::new(""))?,
    };
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    if files.is_empty() { Err(format!("no files found under {}", root().display())) } else { Ok(files) }
}

fn walk(root: &Path, folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in entries(&root.join(folder))? {
        let name = entry.file_name().unwrap_or_default().to_os_string();
        let below = folder.join(&name);
        if !entry.is_dir() {
            files.push(below);
        } else if name != "target" && name != ".git" {
            files.extend(walk(root, &below)?);
        }
    }
    Ok(files)
}

/// What a folder holds, sorted.
pub(crate) fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let cannot = |cause| format!("cannot read the folder {}: {cause}", folder.display());
    let mut found = fs::read_dir(folder)
        .map_err(cannot)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot)?;
    found.sort();
    Ok(found)
}

pub(crate) fn read_file(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()))
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Outcome {
    let cannot = |cause| format!("cannot write {}: {cause}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::write(path, bytes).map_err(cannot)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The machine's monotonic clock.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "measuring is what this tool does: its one reader of the clock")]
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }
}

impl measure::Clock for Stopwatch {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
