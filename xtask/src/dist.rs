//! What a release ships: one folder and its archive, the same bytes for the same commit and binary.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap_complete::Shell;

use crate::reproduce;
use crate::sbom::Bill;
use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ship this binary, instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

const TEXTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub(crate) fn run(args: &Args) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let target = host()?;
    let binary = match &args.binary {
        Some(binary) => {
            fs::canonicalize(binary).map_err(|cause| format!("cannot find {}: {cause}", binary.display()))?
        }
        None => reproduce::build(&tools::root(), &tools::root().join("target/dist-build"))?,
    };
    smoke(&binary, version)?;
    let name = format!("bizra-{version}-{target}");
    let dist = tools::root().join("target/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).map_err(|cause| format!("cannot empty {}: {cause}", dist.display()))?;
    }
    let folder = dist.join(&name);

    for text in TEXTS {
        tools::write_file(&folder.join(text), &tools::read_file(&tools::root().join(text))?)?;
    }
    strip(&binary, &folder.join("bizra"))?;
    tools::read(tools::command(folder.join("bizra")).arg("--version"))?;
    command_texts(&folder)?;
    let bill = Bill::of_target(&target)?;
    tools::write_file(&folder.join("bizra.cdx.json"), bill.cyclonedx().as_bytes())?;
    let licences = bill.licence_texts()?;
    tools::write_file(&folder.join("THIRD-PARTY-LICENCES.txt"), licences.as_bytes())?;
    sums(&folder)?;
    // Under a name without version and target, for what takes files from it.
    let package = dist.join("package");
    command_texts(&package)?;
    tools::write_file(&package.join("THIRD-PARTY-LICENCES.txt"), licences.as_bytes())?;
    let archive = archive(&name)?;
    println!("{} with {} dependencies listed", folder.display(), bill.count());
    println!("{}  {}", tools::sha256(&tools::read_file(&archive)?), archive.display());
    receipt(&folder.join("bizra"), &name, &archive)
}

/// What was made is a claim like any other: the shipped program itself signs for it, with the key of whoever ships, and
/// the receipt lies beside the archive.
fn receipt(binary: &Path, name: &str, archive: &Path) -> Outcome {
    let statement = format!("{name} was made from the commit that its program names.");
    let mut attest = tools::command(binary);
    attest.current_dir(tools::root()).args(["attest", "--json", "--role", "release", "--statement", &statement]);
    attest.arg("--subject").arg(archive);
    let said = tools::read(&mut attest)?;
    let document: serde_json::Value =
        serde_json::from_str(&said).map_err(|cause| format!("`bizra attest --json` gave no JSON: {cause}"))?;
    let id = document["receipt"].as_str().ok_or("`bizra attest --json` named no receipt")?;
    let envelope =
        tools::read(tools::command(binary).current_dir(tools::root()).args(["receipts", "show", id, "--raw"]))?;
    let beside = archive.with_file_name(format!("{name}.receipt.json"));
    tools::write_file(&beside, envelope.as_bytes())?;
    println!("receipt {id} in {}", beside.display());
    Ok(())
}

fn host() -> Outcome<String> {
    let version = tools::read(tools::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(String::from).ok_or_else(|| "`rustc -vV` names no host".to_string())
}

/// Builds the release binary beside everything else, for those who measure it, and says where it lies.
pub(crate) fn build() -> Outcome<PathBuf> {
    tools::succeed(tools::cargo().args(["build", "--release", "--locked", "--package", "bizra", "--bin", "bizra"]))?;
    let metadata = tools::metadata(false)?;
    let target = metadata["target_directory"].as_str().ok_or("`cargo metadata` names no target directory")?;
    Ok(Path::new(target).join("release").join(format!("bizra{}", std::env::consts::EXE_SUFFIX)))
}

fn strip(from: &Path, to: &Path) -> Outcome {
    let stripped = tools::succeed(tools::command("strip").arg("-o").args([to, from]));
    stripped.map_err(|message| format!("{message}\n`strip` comes with binutils"))
}

/// A release whose binary cannot say its own version is none. One of another commit than the texts beside it is told.
fn smoke(binary: &Path, version: &str) -> Outcome {
    let said = tools::read(tools::command(binary).arg("--version"))?;
    if said.lines().next() != Some(&format!("bizra {version}")) {
        let said = said.lines().next().unwrap_or("nothing");
        return Err(format!("{} --version said `{said}`, not `bizra {version}`", binary.display()));
    }
    let head = tools::read(tools::command("git").args(["rev-parse", "HEAD"]))?;
    let built = said.lines().find_map(|line| line.strip_prefix("commit:")).map(str::trim).unwrap_or("unknown");
    if !head.starts_with(built) {
        println!("warning: the binary is of commit {built}, and all else here is of {}", &head[..head.len().min(12)]);
    }
    Ok(())
}

fn command_texts(folder: &Path) -> Outcome {
    let mut command = bizra::cli::command();
    let completions = made(folder.join("completions"))?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command, "bizra", &completions)
            .map_err(|cause| format!("cannot write the completions for {shell}: {cause}"))?;
    }
    let man = made(folder.join("man"))?;
    clap_mangen::generate_to(without_help(bizra::cli::command()), &man)
        .map_err(|cause| format!("cannot write the man pages: {cause}"))
}

/// A page for each command, and none for asking for help about it.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn made(folder: PathBuf) -> Outcome<PathBuf> {
    fs::create_dir_all(&folder).map_err(|cause| format!("cannot make {}: {cause}", folder.display()))?;
    Ok(folder)
}

/// One line per file, in the format of `sha256sum`.
fn sums(folder: &Path) -> Outcome {
    fn collect(folder: &Path, below: &Path, lines: &mut String) -> Outcome {
        for entry in tools::entries(&folder.join(below))? {
            let path = below.join(entry.file_name().unwrap_or_default());
            if entry.is_dir() {
                collect(folder, &path, lines)?;
            } else {
                *lines += &format!("{}  {}\n", tools::sha256(&tools::read_file(&entry)?), path.display());
            }
        }
        Ok(())
    }
    let mut lines = String::new();
    collect(folder, Path::new(""), &mut lines)?;
    tools::write_file(&folder.join("SHA256SUMS"), lines.as_bytes())
}

/// Order, owner, mode and time are fixed: the time is that of the commit.
fn archive(name: &str) -> Outcome<PathBuf> {
    let time = tools::read(tools::command("git").args(["log", "-1", "--format=%ct"]))?;
    let dist = tools::root().join("target/dist");
    let tar = dist.join(format!("{name}.tar.gz"));
    let mut command = tools::command("tar");
    command.current_dir(&dist).args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    command.args(["--mode=u=rwX,go=rX", "--format=ustar", "--use-compress-program=gzip -n"]);
    command.arg(format!("--mtime=@{}", time.trim())).arg("--file").arg(&tar).arg(name);
    tools::succeed(&mut command).map_err(|message| format!("{message}\nThe archive needs GNU tar and gzip"))?;
    Ok(tar)
}
