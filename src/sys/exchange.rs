//! The user's own git, for what goes to and comes from remotes: their credentials, their proxies, their ssh.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::receipts::log::LogId;

const BRANCHES: &str = "refs/heads/bizra-ledger/";
pub const INCOMING: &str = "refs/bizra/incoming/";

fn git(env: &Env) -> Command {
    let mut git = Command::new("git");
    git.current_dir(&env.cwd).env_clear().envs(env.vars.iter()).stdin(Stdio::null());
    // These would send git to another repository than the one that is named.
    for variable in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"]
    {
        git.env_remove(variable);
    }
    git
}

fn run(mut command: Command, what: &str) -> Result<Output> {
    let output = command.output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::cannot(format!("{what}: there is no `git` on the PATH"))
            .hint("install git: receipts travel through it"),
        _ => Error::cannot(format!("{what}: git can't be run")).because(e),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut error = Error::cannot(format!("{what}: git ended with {}", output.status));
    for line in said.lines().filter(|l| !l.trim().is_empty()).take(4) {
        error = error.because(line.trim());
    }
    Err(error)
}

/// The address behind a remote's name; what is no remote's name is taken for an address.
pub fn address(env: &Env, remote: &str) -> Result<String> {
    if remote.starts_with('-') {
        return Err(Error::usage(format!("`{remote}` is no remote")));
    }
    let output = git(env).args(["remote", "get-url", "--", remote]).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ if remote.contains(['/', '\\', ':', '.']) => {
            let path = env.cwd.join(remote);
            Ok(if path.exists() { path.display().to_string() } else { remote.to_owned() })
        }
        _ => Err(Error::usage(format!("`{remote}` is no remote of this repository"))
            .hint("`git remote -v` lists them; a path or an address will do as well")),
    }
}

/// Pushes logs, each to its branch; git refuses what would not only grow.
pub fn push(env: &Env, ledger: &Path, address: &str, logs: &[LogId]) -> Result<()> {
    let mut command = git(env);
    command.arg("--git-dir").arg(ledger).args(["push", "--quiet", "--no-verify", "--", address]);
    command.args(logs.iter().map(|id| format!("refs/bizra/log/{id}:{BRANCHES}{id}")));
    run(command, &format!("push to {address}")).map(drop).map_err(|error| {
        let rejected = error.causes.iter().any(|c| c.contains("rejected") || c.contains("non-fast-forward"));
        if rejected {
            error.hint("the remote's log is no beginning of ours: `bizra receipts fetch` there says how they differ")
        } else {
            error
        }
    })
}

/// Brings every log's branch to [`INCOMING`], where nothing trusts it yet.
pub fn fetch(env: &Env, ledger: &Path, address: &str) -> Result<()> {
    let mut command = git(env);
    command.arg("--git-dir").arg(ledger);
    command.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--", address]);
    command.arg(format!("+{BRANCHES}*:{INCOMING}*"));
    run(command, &format!("fetch from {address}")).map(drop)
}
