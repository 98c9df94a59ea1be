//! The project under its own gates: in a clone with a ledger of its own the receipts are made that this machine can make,
//! and `roadmap/bizra.yaml` decides.
//!
//! A clone brings neither ledger nor key along. So the run makes a key, trusts it for the role `ci` beside the keys of
//! the committed policy, and says under it what the steps before have shown. Each criterion must be unmet before its
//! evidence and met right after it: a gate that opens without evidence fails here as one that stays shut with it.
//! Leaves out what no such machine can show: the gate of the phase `device` has to stay undecided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What has just passed on these files, and the run's key is to sign for
    #[arg(long = "passed", value_name = "WHAT")]
    passed: Vec<Passed>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub(crate) enum Passed {
    /// `cargo test --workspace`
    Tests,
    /// The other steps of `cargo xtask ci`
    Checks,
}

/// What a command has to answer.
const YES: i32 = 0;
const NO: i32 = 1;
const UNDECIDED: i32 = 4;
const INTEGRITY: i32 = 5;

const PLAN: &str = "roadmap/bizra.yaml";
const SPRINT: &str = "sprints/next.yaml";
const POLICY: &str = "bizra-trust.json";
const BASELINE: &str = "bizra-entropy.json";
const QUESTION: &str = "What does a gate need to open?";

pub(crate) fn run(args: &Args) -> Outcome {
    check(&args.passed)
}

pub(crate) fn check(passed: &[Passed]) -> Outcome {
    let place = Place::new()?;
    place.trust()?;
    place.plans()?;
    place.evidence(passed)?;
    place.decide()
}

struct Place {
    program: PathBuf,
    project: PathBuf,
    home: PathBuf,
    /// Whether the history reaches back to the project's first commit.
    whole: bool,
}

impl Place {
    fn new() -> Outcome<Place> {
        tools::succeed(tools::cargo().args(["build", "--quiet", "--locked", "--package", "bizra", "--bin", "bizra"]))?;
        let metadata = tools::metadata(false)?;
        let target = metadata["target_directory"].as_str().ok_or("`cargo metadata` names no target directory")?;
        let program = Path::new(target).join("debug").join(format!("bizra{}", std::env::consts::EXE_SUFFIX));
        let base = Path::new(target).join("own-gate");
        if base.exists() {
            fs::remove_dir_all(&base).map_err(|cause| format!("cannot empty {}: {cause}", base.display()))?;
        }
        let (project, home) = (base.join("project"), base.join("home"));
        fs::create_dir_all(&home).map_err(|cause| format!("cannot make {}: {cause}", home.display()))?;
        let clone = tools::succeed(tools::command("git").args(["clone", "--quiet"]).args([&tools::root(), &project]));
        if let Err(message) = clone {
            println!("no history: {message}");
            tools::succeed(tools::command("git").args(["init", "--quiet"]).arg(&project))?;
        }
        let mut place = Place { program, project, home, whole: true };
        place.whole = place.git(&["rev-parse", "--is-shallow-repository"])?.trim() == "false";
        place.as_checked()?;
        Ok(place)
    }

    /// The files as the checks have seen them, committed or not.
    fn as_checked(&self) -> Outcome {
        self.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "."])?;
        for file in tools::repository_files()? {
            let to = self.project.join(&file);
            let cannot = |cause| format!("cannot copy {}: {cause}", file.display());
            fs::create_dir_all(to.parent().unwrap_or(&self.project)).map_err(cannot)?;
            fs::copy(tools::root().join(&file), &to).map_err(cannot)?;
        }
        self.commit("What the checks have seen")
    }

    /// The committed policy names the keys of those who work on bizra; the run's own key joins them.
    fn trust(&self) -> Outcome {
        self.bizra(&["trust", "check"], YES)?;
        let policy = self.project.join(POLICY);
        let committed = parsed(&tools::read_file(&policy)?, POLICY)?;
        fs::remove_file(&policy).map_err(|cause| format!("cannot remove {}: {cause}", policy.display()))?;
        self.bizra(&["trust", "init", "--name", "this-run", "--role", "ci"], YES)?;
        for entry in keys(&committed)? {
            let mut words = vec!["trust", "add", &entry.key, "--name", &entry.name];
            entry.roles.iter().for_each(|role| words.extend(["--role", role]));
            entry.predicates.iter().for_each(|predicate| words.extend(["--predicate", predicate]));
            self.bizra(&words, YES)?;
        }
        self.commit("The policy of this run")
    }

    /// What stands in the plans, before any evidence.
    fn plans(&self) -> Outcome {
        self.bizra(&["roadmap", "lint", "--strict", PLAN, SPRINT], YES)?;
        // With the four documents that the project grew from, which contradict themselves.
        self.bizra(&["roadmap", "lint"], NO)?;
        self.bizra(&["roadmap", "gate", "ci", "--file", PLAN, "--dry-run"], UNDECIDED)?;
        self.edited_baseline()
    }

    fn edited_baseline(&self) -> Outcome {
        let path = self.project.join(BASELINE);
        let text = String::from_utf8_lossy(&tools::read_file(&path)?).into_owned();
        let edited = text.replacen("\"weight\": \"1\"", "\"weight\": \"2\"", 1);
        if edited == text {
            return Err(format!("{BASELINE} holds no weight of 1 that could be edited"));
        }
        tools::write_file(&path, edited.as_bytes())?;
        println!("with another weight in {BASELINE}:");
        self.bizra(&["entropy", "--no-receipt"], INTEGRITY)?;
        tools::write_file(&path, text.as_bytes())
    }

    fn evidence(&self, passed: &[Passed]) -> Outcome {
        if passed.contains(&Passed::Tests) {
            self.shows("tests_pass", || self.attest("tests: passed"))?;
        }
        if passed.contains(&Passed::Checks) {
            self.shows("checks_pass", || self.attest("checks: passed"))?;
        }
        self.shows("model_answers", || self.bizra(&["infer", QUESTION], YES).map(drop))?;
        self.shows("answers_repeat", || {
            let answer = self.bizra(&["infer", QUESTION, "--json", "--record-text"], YES)?;
            let document = parsed(answer.as_bytes(), "the answer of `bizra infer --json`")?;
            let receipt = document["receipt"].as_str().ok_or("`bizra infer --json` names no receipt")?;
            self.bizra(&["receipts", "replay", receipt], YES)?;
            self.attest("receipts replay: identical")
        })?;
        self.shows("speed_measured", || {
            let claim = ["--claim", "decode >= 20 tok/s"];
            let words =
                ["bench", "embedded", "-p", "32", "-n", "16", "--rounds", "10", "--no-load", claim[0], claim[1]];
            self.bizra(&words, YES).map(drop)
        })?;
        self.shows("kernels_verified", || {
            self.bizra(&["kernel", "verify", "matmul-*", "--quick"], YES)?;
            self.attest("kernel verify matmul-* --quick: verified")
        })?;
        // A history that is cut off has no day to compare with.
        let told = if self.whole { YES } else { UNDECIDED };
        self.shows("uncertainty_measured", || self.bizra(&["entropy"], told).map(drop))?;
        self.shows("ledger_holds", || {
            self.bizra(&["receipts", "audit"], YES)?;
            self.attest("receipts audit: nothing found")
        })
    }

    fn decide(&self) -> Outcome {
        self.bizra(&["roadmap", "gate", "ci", "--file", PLAN, "--explain"], YES)?;
        self.bizra(&["roadmap", "gate", "device", "--file", PLAN], UNDECIDED)?;
        self.bizra(&["sprint", "standup", "--sprint", "next"], YES)?;
        self.bizra(&["receipts", "audit"], YES).map(drop)
    }

    /// Runs `work`, which has to turn this criterion, and nothing before it may have.
    fn shows(&self, criterion: &str, work: impl FnOnce() -> Outcome) -> Outcome {
        if self.met(criterion)? {
            return Err(format!("{criterion} of {PLAN} is met before there is any evidence for it"));
        }
        work()?;
        if self.met(criterion)? {
            return Ok(());
        }
        Err(format!("{criterion} of {PLAN} is not met by its evidence; `bizra roadmap gate ci` says why"))
    }

    fn met(&self, criterion: &str) -> Outcome<bool> {
        let words = ["roadmap", "gate", "ci", "--file", PLAN, "--dry-run", "--json"];
        met(&parsed(&self.output(&words)?.stdout, "the answer of `bizra roadmap gate --json`")?, criterion)
    }

    fn attest(&self, statement: &str) -> Outcome {
        self.bizra(&["attest", "--role", "ci", "--statement", statement], YES).map(drop)
    }

    fn commit(&self, message: &str) -> Outcome {
        self.git(&["add", "--all"])?;
        let ours = ["-c", "user.name=xtask", "-c", "user.email=xtask@localhost", "-c", "commit.gpgsign=false"];
        let words = ["commit", "--quiet", "--allow-empty", "--no-verify", "--message", message];
        self.git(&[&ours[..], &words].concat()).map(drop)
    }

    fn git(&self, words: &[&str]) -> Outcome<String> {
        tools::read(tools::command("git").arg("-C").arg(&self.project).args(words))
    }

    /// Returns what it printed, and shows the beginning of it.
    fn bizra(&self, words: &[&str], answer: i32) -> Outcome<String> {
        println!("$ {}", shown(words));
        let output = self.output(words)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let notes = String::from_utf8_lossy(&output.stderr);
        print_beginning(&format!("{said}{notes}"));
        if output.status.code() == Some(answer) {
            return Ok(said);
        }
        Err(format!("`{}` ended with {}, and {answer} was needed\n{said}{notes}", shown(words), output.status))
    }

    fn output(&self, words: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(&self.project).stdin(Stdio::null());
        command.env_clear().env("HOME", &self.home).env("PATH", tools::variable("PATH").unwrap_or_default());
        command.output().map_err(|cause| format!("cannot start {}: {cause}", self.program.display()))
    }
}

const SHOWN: usize = 24;

fn print_beginning(text: &str) {
    text.lines().take(SHOWN).for_each(|line| println!("{line}"));
    let more = text.lines().count().saturating_sub(SHOWN);
    if more > 0 {
        println!("… {more} more lines");
    }
}

fn shown(words: &[&str]) -> String {
    let mut command = Command::new("bizra");
    tools::typed(command.args(words))
}

fn parsed(bytes: &[u8], name: &str) -> Outcome<Value> {
    serde_json::from_slice(bytes).map_err(|cause| format!("{name} is no JSON: {cause}"))
}

/// Whether a gate's decision has this criterion as met; a criterion that the plan doesn't have is a fault.
fn met(decision: &Value, criterion: &str) -> Outcome<bool> {
    let gates = decision["result"]["gates"].as_array().into_iter().flatten();
    let mut criteria = gates.flat_map(|gate| gate["criteria"].as_array().into_iter().flatten());
    let found = criteria.find(|found| found["id"] == criterion);
    let found = found.ok_or_else(|| format!("the gate of {PLAN} has no criterion {criterion}"))?;
    Ok(found["outcome"] == "met")
}

#[derive(Debug, PartialEq)]
struct Key {
    name: String,
    key: String,
    roles: Vec<String>,
    predicates: Vec<String>,
}

fn keys(policy: &Value) -> Outcome<Vec<Key>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect();
    let entries = policy["policy"]["keys"].as_array().into_iter().flatten();
    let keys: Option<Vec<Key>> = entries
        .filter(|entry| entry["revokedAt"].is_null())
        .map(|entry| {
            let (roles, predicates) = (texts(&entry["roles"]), texts(&entry["predicates"]));
            Some(Key { name: text(&entry["name"])?, key: text(&entry["key"])?, roles, predicates })
        })
        .collect();
    keys.filter(|keys| !keys.is_empty()).ok_or_else(|| format!("{POLICY} names no keys"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Key, keys, met};

    #[test]
    fn keys_are_those_that_were_not_revoked() {
        let entry = |key: &str, revoked: Option<u64>| json!({ "name": "ada", "key": key, "roles": ["lead"], "predicates": ["entropy-baseline/v0.1"], "revokedAt": revoked });
        let policy =
            json!({ "policy": { "keys": [entry("ssh-ed25519 AAAA", None), entry("ssh-ed25519 BBBB", Some(7))] } });
        let texts = |word: &str| vec![word.to_owned()];
        let predicates = texts("entropy-baseline/v0.1");
        let ada = Key { name: "ada".into(), key: "ssh-ed25519 AAAA".into(), roles: texts("lead"), predicates };
        assert_eq!(keys(&policy).unwrap(), [ada]);
        assert!(keys(&json!({ "policy": { "keys": [] } })).is_err());
        assert!(keys(&json!({ "policy": { "keys": [{ "name": "no key" }] } })).is_err());
    }

    #[test]
    fn only_met_is_met_and_what_the_plan_lacks_is_a_fault() {
        let of = |outcome: &str| json!({ "result": { "gates": [{ "criteria": [{ "id": "tests_pass", "outcome": outcome }] }] } });
        assert!(met(&of("met"), "tests_pass").unwrap());
        for outcome in ["pending", "failed", "untrusted", ""] {
            assert!(!met(&of(outcome), "tests_pass").unwrap(), "{outcome}");
        }
        assert!(met(&of("met"), "checks_pass").is_err());
        assert!(met(&json!({}), "tests_pass").is_err());
    }
}
