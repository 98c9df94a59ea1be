//! The user's own git, for what goes to and comes from remotes: their credentials, their proxies, their ssh.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::receipts::log::LogId;

const BRANCHES: &str = "refs/heads/bizra-ledger/";
pub const INCOMING: &str = "refs/bizra/incoming/";

/// Which of a remote's addresses is meant: some have another one for pushing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Push,
    Fetch,
}

fn git(env: &Env) -> Command {
    let mut git = Command::new("git");
    // What git says is looked at, so it has to say it in one language.
    git.current_dir(&env.cwd).env_clear().envs(env.vars.iter()).env("LC_ALL", "C").stdin(Stdio::null());
    // These would send git to another repository than the one that is named.
    for variable in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"]
    {
        git.env_remove(variable);
    }
    git.env_remove("GIT_ALTERNATE_OBJECT_DIRECTORIES");
    git
}

fn output(mut command: Command, what: &str) -> Result<Output> {
    command.output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::cannot(format!("{what}: there is no `git` on the PATH"))
            .hint("install git: receipts travel through it"),
        _ => Error::cannot(format!("{what}: git can't be run")).because(e),
    })
}

fn run(command: Command, what: &str) -> Result<Output> {
    let output = output(command, what)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut error = Error::cannot(format!("{what}: git ended with {}", output.status));
    for line in said.lines().filter(|l| !l.trim().is_empty() && !l.starts_with("hint: ")).take(6) {
        error = error.because(line.trim());
    }
    Err(error)
}

/// The address behind a remote's name; what is no remote's name is taken for an address.
///
/// A relative path counts from the folder that the user stands in; one that the repository's configuration gives, from
/// the repository, as git has it.
pub fn address(env: &Env, git_dir: Option<&Path>, remote: &str, way: Way) -> Result<String> {
    if remote.starts_with('-') {
        return Err(Error::usage(format!("`{remote}` is no remote")).hint(format!("a path is written ./{remote}")));
    }
    if let Some(git_dir) = git_dir {
        let mut command = git(env);
        command.arg("--git-dir").arg(git_dir).args(["remote", "get-url"]);
        command.args((way == Way::Push).then_some("--push")).args(["--", remote]);
        let found = output(command, "looking for the remote")?;
        if found.status.success() {
            let address = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            let root = if git_dir.file_name().is_some_and(|name| name == ".git") { git_dir.parent() } else { None };
            return Ok(if is_path(&address) {
                root.unwrap_or(git_dir).join(address).display().to_string()
            } else {
                address
            });
        }
    }
    let path = env.cwd.join(remote);
    if path.exists() {
        return Ok(path.display().to_string());
    }
    if !is_path(remote) {
        return Ok(remote.to_owned());
    }
    if remote.contains(['/', '\\']) {
        return Err(Error::invalid(format!("there is no repository at {remote}")));
    }
    Err(Error::usage(format!("`{remote}` is no remote of this repository"))
        .hint("`git remote -v` lists them; a path or an address will do as well"))
}

/// As git tells a path from `https://host/path` and `host:path`.
fn is_path(address: &str) -> bool {
    Path::new(address).is_absolute() || !address.split('/').next().unwrap_or_default().contains(':')
}

/// Pushes logs, each to its branch; git refuses what would not only grow.
pub fn push(env: &Env, ledger: &Path, address: &str, logs: &[LogId]) -> Result<()> {
    let mut command = git(env);
    command.arg("--git-dir").arg(ledger).args(["push", "--quiet", "--no-verify", "--", address]);
    command.args(logs.iter().map(|id| format!("refs/bizra/log/{id}:{BRANCHES}{id}")));
    run(command, &format!("push to {address}")).map(drop).map_err(|error| {
        let says = |word| error.causes.iter().any(|cause: &String| cause.contains(word));
        if says("[remote rejected]") {
            error.hint("the remote's server does not take it: its rules for branches named bizra-ledger/* say why")
        } else if says("[rejected]") {
            error.hint("the remote's log is no beginning of ours: `bizra receipts fetch` from it says how they differ")
        } else {
            error
        }
    })
}

/// Brings every log's branch to [`INCOMING`], where nothing trusts it yet.
pub fn fetch(env: &Env, ledger: &Path, address: &str) -> Result<()> {
    let mut command = git(env);
    // Objects come as one pack, which git syncs, and not as loose ones, which it doesn't.
    command.arg("--git-dir").arg(ledger).args(["-c", "fetch.unpackLimit=1", "-c", "fetch.fsckObjects=true"]);
    command.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--", address]);
    command.arg(format!("+{BRANCHES}*:{INCOMING}*"));
    run(command, &format!("fetch from {address}")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn paths_are_told_from_addresses() {
        for path in ["/srv/x.git", "../x.git", "x", "./a:b"] {
            assert!(is_path(path), "{path}");
        }
        for address in ["https://example.com/x.git", "git@example.com:x.git", "example.com:x", "ssh://h/x"] {
            assert!(!is_path(address), "{address}");
        }
    }
}
