//! Two builds of the same commit in different folders, which must give the same bytes.
//!
//! What would tell the folders apart is the paths that compilers write into what they make; [`build`] maps them to
//! names that every machine has. Leaves out other compilers and other systems: those may give other bytes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Keep the two folders, to look into a difference
    #[arg(long)]
    keep: bool,
}

/// Folders of different depth and length, so that no path fits by chance.
const FOLDERS: [&str; 2] = ["one", "another/folder/with-a-longer-name"];

pub(crate) fn run(args: &Args) -> Outcome {
    let base = tools::root().join("target/reproduce");
    remove(&base)?;
    let mut digests = Vec::new();
    for folder in FOLDERS {
        let clone = base.join(folder);
        let from = tools::root();
        tools::succeed(tools::command("git").args(["clone", "--quiet", "--no-hardlinks"]).args([&from, &clone]))?;
        let binary = build(&clone, &clone.join("target"))?;
        let digest = tools::sha256(&tools::read_file(&binary)?);
        println!("{digest}  {folder}/target/release/bizra");
        digests.push(digest);
    }
    if digests[0] != digests[1] {
        return Err(format!("the two builds differ; both are kept in {}", base.display()));
    }
    println!("two builds in different folders gave the same bytes");
    if args.keep { Ok(()) } else { remove(&base) }
}

/// The release binary of the source in `root`, without any path of this machine in it.
pub(crate) fn build(root: &Path, target: &Path) -> Outcome<PathBuf> {
    let mut command = tools::cargo();
    command.current_dir(root).args(["build", "--release", "--locked", "--package", "bizra", "--bin", "bizra"]);
    command
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", rust_flags(root)?)
        .env("CFLAGS", c_flags(root)?)
        .env("CXXFLAGS", c_flags(root)?);
    tools::succeed(&mut command)?;
    Ok(target.join("release").join(format!("bizra{}", std::env::consts::EXE_SUFFIX)))
}

fn rust_flags(root: &Path) -> Outcome<String> {
    let maps = maps(root)?;
    Ok(maps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect::<Vec<_>>().join(" "))
}

fn c_flags(root: &Path) -> Outcome<String> {
    let maps = maps(root)?;
    Ok(maps.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect::<Vec<_>>().join(" "))
}

/// Where sources lie here, and what they are called in what is built.
fn maps(root: &Path) -> Outcome<[(String, &'static str); 2]> {
    let home = tools::variable("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&tools::variable("HOME")?).join(".cargo")));
    let home = home.ok_or("neither CARGO_HOME nor HOME says where cargo keeps its sources")?;
    Ok([(spelled(root)?, "/bizra"), (spelled(&home)?, "/cargo")])
}

/// Flags are split at blanks, so that a path must not have any.
fn spelled(path: &Path) -> Outcome<String> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    let text = path.into_string().map_err(|path: OsString| format!("{} is no valid UTF-8", path.display()))?;
    if text.contains(char::is_whitespace) {
        return Err(format!("`{text}` has a blank in it, which compilers' flags can't hold"));
    }
    Ok(text)
}

fn remove(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {cause}", folder.display()))
        }
        _ => Ok(()),
    }
}
