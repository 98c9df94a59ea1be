//! The project under its own gates: a clone of HEAD with a ledger of its own, in which the receipts are made that this
//! machine can make, and `roadmap/bizra.yaml` decides.
//!
//! A clone brings no ledger and no key along. So the run makes a key, trusts it for the role `ci` beside the keys that
//! signed the committed baseline of entropy, and says under that key what the steps before it have shown. Leaves out
//! what no such machine can show: the gate of the phase `device` has to stay undecided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A step that has passed for this commit, which the run's key signs for
    #[arg(long = "passed", value_name = "STEP")]
    passed: Vec<String>,
}

/// What a command has to answer.
const YES: i32 = 0;
const UNDECIDED: i32 = 4;

pub(crate) fn run(args: &Args) -> Outcome {
    check(&args.passed).map(|_| ())
}

/// For `ci`: nothing is skipped.
pub(crate) fn check(passed: &[String]) -> Outcome<Vec<String>> {
    let place = Place::new()?;
    place.trust()?;
    for step in passed {
        place.bizra(&["attest", "--role", "ci", "--statement", &format!("{step}: passed")], YES)?;
    }
    for (words, answer) in EVIDENCE {
        place.bizra(words, *answer)?;
    }
    for (words, answer) in DECISIONS {
        place.bizra(words, *answer)?;
    }
    Ok(vec![])
}

/// What this machine can show.
const EVIDENCE: &[(&[&str], i32)] = &[
    (&["infer", "What does a gate need to open?"], YES),
    (&["bench", "embedded", "-p", "32", "-n", "16", "--budget", "10s"], YES),
    (&["kernel", "selftest"], YES),
    (&["kernel", "verify", "--quick", "--backend", "cpu"], YES),
];

const DECISIONS: &[(&[&str], i32)] = &[
    (&["roadmap", "lint"], YES),
    (&["roadmap", "gate", "ci", "--file", PLAN], YES),
    (&["roadmap", "gate", "device", "--file", PLAN], UNDECIDED),
    (&["sprint", "standup", "--sprint", "next"], YES),
    (&["entropy"], YES),
    (&["receipts", "audit"], YES),
];

const PLAN: &str = "roadmap/bizra.yaml";

struct Place {
    program: PathBuf,
    project: PathBuf,
    home: PathBuf,
}

impl Place {
    fn new() -> Outcome<Place> {
        tools::succeed(tools::cargo().args(["build", "--quiet", "--locked", "--package", "bizra", "--bin", "bizra"]))?;
        let metadata = tools::metadata(false)?;
        let target = metadata["target_directory"].as_str().ok_or("`cargo metadata` names no target directory")?;
        let program = Path::new(target).join("debug").join(format!("bizra{}", std::env::consts::EXE_SUFFIX));
        let base = tools::root().join("target/own-gate");
        if base.exists() {
            fs::remove_dir_all(&base).map_err(|cause| format!("cannot empty {}: {cause}", base.display()))?;
        }
        let (project, home) = (base.join("project"), base.join("home"));
        fs::create_dir_all(&home).map_err(|cause| format!("cannot make {}: {cause}", home.display()))?;
        tools::succeed(tools::command("git").args(["clone", "--quiet"]).args([&tools::root(), &project]))?;
        Ok(Place { program, project, home })
    }

    /// The committed policy names the keys of those who work on bizra; this run needs one that names its own.
    fn trust(&self) -> Outcome {
        let policy = self.project.join("bizra-trust.json");
        let text = tools::read_file(&policy)?;
        let parsed: Value = serde_json::from_slice(&text).map_err(|cause| format!("bizra-trust.json: {cause}"))?;
        self.bizra(&["trust", "check"], YES)?;
        fs::remove_file(&policy).map_err(|cause| format!("cannot remove {}: {cause}", policy.display()))?;
        self.bizra(&["trust", "init", "--name", "ci", "--role", "ci"], YES)?;
        for (index, key) in keys(&parsed)?.into_iter().enumerate() {
            let file = self.home.join(format!("maintainer-{index}.pub"));
            tools::write_file(&file, key.as_bytes())?;
            let file = file.to_str().ok_or("the target folder's path is no UTF-8")?;
            let name = format!("maintainer-{index}");
            self.bizra(&["trust", "add", file, "--name", &name, "--predicate", "entropy-baseline/v0.1"], YES)?;
        }
        Ok(())
    }

    fn bizra(&self, words: &[&str], answer: i32) -> Outcome {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(&self.project).env("HOME", &self.home);
        for name in
            ["XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "BIZRA_KEY", "BIZRA_KEY_FILE", "BIZRA_LEDGER"]
        {
            command.env_remove(name);
        }
        println!("$ bizra {}", words.join(" "));
        let status = command.status().map_err(|cause| format!("cannot start {}: {cause}", self.program.display()))?;
        if status.code() == Some(answer) {
            return Ok(());
        }
        Err(format!("`bizra {}` ended with {status}, and {answer} was needed", words.join(" ")))
    }
}

/// The public keys that a policy names, as OpenSSH writes them.
fn keys(policy: &Value) -> Outcome<Vec<String>> {
    let entries = policy["policy"]["keys"].as_array().ok_or("bizra-trust.json names no keys")?;
    let keys: Vec<String> = entries.iter().filter_map(|entry| entry["key"].as_str().map(str::to_owned)).collect();
    if keys.is_empty() { Err("bizra-trust.json names no keys".into()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_are_read_from_the_policy_and_one_without_is_refused() {
        let policy = json!({ "policy": { "keys": [{ "key": "ssh-ed25519 AAAA" }, { "key": "ssh-ed25519 BBBB" }] } });
        assert_eq!(super::keys(&policy).unwrap(), ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"]);
        assert!(super::keys(&json!({ "policy": { "keys": [] } })).is_err());
    }
}
