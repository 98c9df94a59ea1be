//! What receipts rest on: Ed25519, DSSE's encoding, Merkle proofs. The judging is `bizra::receipts`' own.

use std::path::{Path, PathBuf};

use bizra::receipts::conformance::{self as vectors, VectorError};
use bizra::receipts::merkle::conformance as proofs;

use super::{Case, Verdict};
use crate::tools::{self, Outcome};

pub(super) fn dsse(folder: &Path) -> Vec<Case> {
    of_file(folder, "protocol.md", vectors::dsse)
}

pub(super) fn wycheproof(folder: &Path) -> Vec<Case> {
    of_file(folder, "ed25519_test.json", vectors::wycheproof)
}

fn of_file(folder: &Path, name: &str, judge: fn(&[u8]) -> Result<Vec<vectors::Case>, VectorError>) -> Vec<Case> {
    let judged = tools::read_file(&folder.join(name)).and_then(|file| judge(&file).map_err(|cause| cause.to_string()));
    match judged {
        Err(message) => vec![failed(name, message)],
        Ok(cases) => cases
            .into_iter()
            .map(|vectors::Case { name, verdict }| {
                let outcome = match verdict {
                    vectors::Verdict::Pass => Verdict::Passed,
                    vectors::Verdict::Fail(reason) => Verdict::Failed(reason),
                    vectors::Verdict::Skip(reason) => Verdict::Skipped(reason.into()),
                };
                Case { name, outcome }
            })
            .collect(),
    }
}

fn failed(name: &str, reason: String) -> Case {
    Case { name: name.into(), outcome: Verdict::Failed(reason) }
}

/// Every JSON file below the folder of each suite.
pub(super) fn merkle(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in proofs::Suite::ALL {
        let before = cases.len();
        match json_files(&folder.join("testdata").join(suite.folder())) {
            Err(message) => cases.push(failed(suite.folder(), message)),
            Ok(files) => cases.extend(files.iter().map(|file| proof(suite, folder, file))),
        }
        if cases.len() == before {
            cases.push(failed(suite.folder(), "the suite's folder holds no case".into()));
        }
    }
    cases
}

fn proof(suite: proofs::Suite, folder: &Path, file: &Path) -> Case {
    let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
    let outcome = match tools::read_file(file).map(|json| proofs::run(suite, &json)) {
        Err(message) => Verdict::Failed(message),
        Ok(proofs::Outcome::Pass) => Verdict::Passed,
        Ok(proofs::Outcome::Fail(reason)) => Verdict::Failed(reason),
        Ok(proofs::Outcome::Skip(reason)) => Verdict::Skipped(reason),
    };
    Case { name, outcome }
}

fn json_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in tools::entries(folder)? {
        if entry.is_dir() {
            files.extend(json_files(&entry)?);
        } else if entry.extension().is_some_and(|end| end == "json") {
            files.push(entry);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_read_has_failed() {
        let folder = tools::root().join("target/xtask-tests/conformance-receipts");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("testdata/inclusion/0")).unwrap();
        fs::write(folder.join("testdata/inclusion/0/case.json"), "{}").unwrap();
        fs::write(folder.join("protocol.md"), "no vectors").unwrap();
        let reason = |case: &Case| match &case.outcome {
            Verdict::Failed(_) => format!("failed {}", case.name),
            Verdict::Skipped(_) => format!("skipped {}", case.name),
            Verdict::Passed => format!("passed {}", case.name),
        };
        let verdicts = |cases: Vec<Case>| cases.iter().map(reason).collect::<Vec<_>>().join("\n");
        assert_eq!(verdicts(dsse(&folder)), "failed protocol.md");
        assert_eq!(verdicts(wycheproof(&folder)), "failed ed25519_test.json");
        insta::assert_snapshot!(verdicts(merkle(&folder)), @r"
        skipped testdata/inclusion/0/case.json
        failed consistency
        failed subtreeinclusion
        failed subtreeconsistency
        ");
    }
}
