//! The two sides: a writer with a home and a repository, and a stranger with a clone, a key and a receipt.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bizra::receipts::tiles;

use super::fresh;
use crate::tools::{self, Outcome};

pub(super) struct Scene {
    pub(super) folder: PathBuf,
    /// The writer's public key, as PEM.
    pub(super) key: String,
    /// The envelope of the first receipt that was attested.
    pub(super) shown: Vec<u8>,
    /// The log's branch in the clone, and the commit that was pushed.
    branch: String,
    commit: String,
}

impl Scene {
    /// Lets the binary write `count` receipts, push them, and gives them to a stranger.
    pub(super) fn write(folder: &Path, count: usize) -> Outcome<Self> {
        let binary = binary()?;
        let folder = fresh(folder)?;
        for below in ["home", "writer"] {
            fresh(&folder.join(below))?;
        }
        let writer = |program: &str, arguments: &[&str]| {
            tools::read(
                at_home(&mut tools::command(program), &folder).current_dir(folder.join("writer")).args(arguments),
            )
        };
        let bizra = |arguments: &[&str]| writer(&binary.to_string_lossy(), arguments);
        writer("git", &["init", "--quiet", "--bare", "../remote.git"])?;
        writer("git", &["init", "--quiet"])?;
        writer("git", &["remote", "add", "origin", "../remote.git"])?;
        let clock = tools::Stopwatch::start();
        let first = bizra(&["attest", "--json", "--role", "lead", "--statement", "statement 0"])?;
        for number in 1..count {
            bizra(&["attest", "--quiet", "--role", "lead", "--statement", &format!("statement {number}")])?;
        }
        println!("{count} receipts attested in {:.1} s", bizra::bench::measure::Clock::elapsed(&clock).as_secs_f64());
        let answer: serde_json::Value = serde_json::from_str(&first).map_err(|cause| format!("{first}: {cause}"))?;
        let id = answer["receipt"].as_str().ok_or_else(|| format!("no receipt in {first}"))?;
        let shown = bizra(&["receipts", "show", id, "--raw"])?.into_bytes();
        let key = bizra(&["keys", "show", "--pem"])?;
        bizra(&["receipts", "push", "origin"])?;

        writer("git", &["clone", "--quiet", "--no-checkout", "../remote.git", "../project"])?;
        let script = tools::read_file(&tools::root().join("docs/verify_ledger.py"))?;
        tools::write_file(&folder.join("verify_ledger.py"), &script)?;
        let mut scene = Scene { folder, key, shown, branch: String::new(), commit: String::new() };
        let refs =
            scene.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/remotes/origin/bizra-ledger"])?;
        let (branch, commit) = refs.trim().split_once(' ').ok_or_else(|| format!("not one log was pushed: {refs}"))?;
        (scene.branch, scene.commit) = (branch.to_owned(), commit.to_owned());
        scene.give_key(&scene.key)?;
        Ok(scene)
    }

    pub(super) fn give_key(&self, pem: &str) -> Outcome {
        tools::write_file(&self.folder.join("key.pem"), pem.as_bytes())
    }

    pub(super) fn give_receipt(&self, envelope: &[u8]) -> Outcome {
        tools::write_file(&self.folder.join("receipt.json"), envelope)
    }

    /// Runs what the guide shows. Whether it succeeded, and what it said.
    pub(super) fn run(&self, language: &str, script: &str) -> Outcome<(bool, String)> {
        let mut command = match language {
            "python" => tools::command("python3"),
            _ => tools::command("sh"),
        };
        let arguments: &[&str] = if language == "python" { &["-c", script] } else { &["-e", "-c", script] };
        let command = python_path(at_home(&mut command, &self.folder)).current_dir(&self.folder).args(arguments);
        let output = command.output().map_err(|cause| format!("cannot start {language}: {cause}"))?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// A file of the log's tree, read with git.
    pub(super) fn blob(&self, path: &str) -> Outcome<Vec<u8>> {
        self.git_bytes(&["cat-file", "blob", &format!("{}:{path}", self.branch)])
    }

    /// What the guide's last section shows.
    pub(super) fn git_receipt(&self, path: &str) -> Outcome<Vec<u8>> {
        self.git(&["show", &format!("{}:{path}", self.branch)]).map(String::into_bytes)
    }

    /// Puts other bytes into the log's tree, or takes the file away, as a new commit of the branch.
    pub(super) fn rewrite(&self, path: &str, bytes: Option<&[u8]>) -> Outcome {
        self.git(&["read-tree", &self.commit])?;
        match bytes {
            Some(bytes) => {
                let file = self.folder.join("changed");
                tools::write_file(&file, bytes)?;
                let blob = self.git(&["hash-object", "-w", "--no-filters", &file.to_string_lossy()])?;
                self.git(&["update-index", "--cacheinfo", &format!("100644,{},{path}", blob.trim())])?;
            }
            None => drop(self.git(&["update-index", "--force-remove", path])?),
        }
        let tree = self.git(&["write-tree"])?;
        let commit = self.git(&["commit-tree", "-p", &self.commit, "-m", "manipulated", tree.trim()])?;
        self.git(&["update-ref", &self.branch, commit.trim()]).map(drop)
    }

    pub(super) fn restore(&self) -> Outcome {
        self.git(&["update-ref", &self.branch, &self.commit]).map(drop)
    }

    fn git(&self, arguments: &[&str]) -> Outcome<String> {
        self.git_bytes(arguments).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn git_bytes(&self, arguments: &[&str]) -> Outcome<Vec<u8>> {
        let mut command = tools::command("git");
        at_home(&mut command, &self.folder).arg("-C").arg(self.folder.join("project")).args(arguments);
        let output = command.output().map_err(|cause| format!("cannot start git: {cause}"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}

/// Where entry `index` of a bundle lies.
pub(super) fn in_bundle(bundle: &[u8], index: usize) -> Outcome<Range<usize>> {
    let mut start = 0;
    for (number, entry) in tiles::bundle_entries(bundle).enumerate() {
        let length = entry.map_err(|cause| cause.to_string())?.len();
        start += 2;
        if number == index {
            return Ok(start..start + length);
        }
        start += length;
    }
    Err(format!("the bundle has no entry {index}"))
}

/// Nothing of this machine's user: neither keys nor settings.
fn at_home<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let path = tools::variable("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", folder.join("home")).env("LC_ALL", "C.UTF-8");
    for (name, value) in [("AUTHOR", "A Stranger"), ("COMMITTER", "A Stranger")] {
        command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "stranger@example.org");
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null())
}

/// The Python that `.ci/run` keeps comes first, where there is one.
pub(super) fn python_path(command: &mut Command) -> &mut Command {
    let kept = tools::root().join("target/tools/python/bin");
    let others = tools::variable("PATH").unwrap_or_default();
    let folders = kept.is_dir().then_some(kept).into_iter().chain(std::env::split_paths(&others));
    match std::env::join_paths(folders) {
        Ok(path) => command.env("PATH", path),
        Err(_) => command,
    }
}

/// Builds the debug binary and says where it lies.
fn binary() -> Outcome<PathBuf> {
    tools::succeed(tools::cargo().args(["build", "--quiet", "--locked", "--package", "bizra", "--bin", "bizra"]))?;
    let metadata = tools::metadata(false)?;
    let target = metadata["target_directory"].as_str().ok_or("`cargo metadata` names no target directory")?;
    Ok(Path::new(target).join("debug").join(format!("bizra{}", std::env::consts::EXE_SUFFIX)))
}
