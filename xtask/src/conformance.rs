//! Known answers from elsewhere: suites read folders of real models, vectors and transcripts, and compare.
//!
//! The folders are not part of the repository. Each case passes, fails or is skipped with a reason; a skipped
//! case is never a passed one, and a folder that no suite reads is a skipped case too.

mod infer;
mod peers;
mod plans;
mod receipts;

use std::path::{Path, PathBuf};

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder with the known answers
    #[arg(default_value = "../shared/data")]
    dir: PathBuf,
    /// A program built from xtask/peers/llama.cpp: also compare models of random weights with llama.cpp
    #[arg(long, value_name = "PROGRAM")]
    llama: Option<PathBuf>,
}

pub(crate) enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) outcome: Verdict,
}

pub(crate) struct Suite {
    /// The folder that it reads, relative to the data folder.
    pub(crate) folder: &'static str,
    pub(crate) run: fn(&Path) -> Vec<Case>,
}

const SUITES: &[Suite] = &[
    Suite { folder: "../seeds", run: plans::seeds },
    Suite { folder: "chat-templates", run: infer::chat_templates },
    Suite { folder: "crypto/dsse", run: receipts::dsse },
    Suite { folder: "crypto/merkle", run: receipts::merkle },
    Suite { folder: "crypto/wycheproof", run: receipts::wycheproof },
    Suite { folder: "lm", run: infer::language_models },
    Suite { folder: "tokenizers", run: infer::tokenizers },
];

pub(crate) fn run(args: &Args) -> Outcome {
    let dir = tools::root().join(&args.dir);
    if !dir.is_dir() {
        return Err(format!("there is no folder {}", args.dir.display()));
    }
    if SUITES.iter().all(|suite| !dir.join(suite.folder).is_dir()) {
        let known: Vec<&str> = SUITES.iter().map(|suite| suite.folder).collect();
        return Err(format!(
            "{} holds none of the folders that the suites read: {}",
            args.dir.display(),
            known.join(", ")
        ));
    }
    judge(&dir, args.llama.as_deref()).map(|_| ())
}

/// Runs every suite; returns what was skipped, a line for each folder.
pub(crate) fn check(dir: &Path) -> Outcome<Vec<String>> {
    judge(dir, None)
}

fn judge(dir: &Path, llama: Option<&Path>) -> Outcome<Vec<String>> {
    let mut results = results(dir, SUITES)?;
    results.push(("peers".into(), peers::run(llama, dir)));
    let (text, failed) = report(&results);
    print!("{text}");
    if failed == 0 {
        Ok(results.iter().filter_map(skips).collect())
    } else {
        Err(format!("{failed} cases do not conform"))
    }
}

/// The cases of one folder of the data.
type Results = (String, Vec<Case>);

fn skips((folder, cases): &Results) -> Option<String> {
    let reasons: Vec<&str> = cases
        .iter()
        .filter_map(|case| if let Verdict::Skipped(reason) = &case.outcome { Some(reason.as_str()) } else { None })
        .collect();
    Some(format!("{folder}, {} of {} cases: {}", reasons.len(), cases.len(), reasons.first()?))
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Count {
    fn add(&mut self, outcome: &Verdict) {
        match outcome {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }

    fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn report(results: &[Results]) -> (String, usize) {
    let mut text = String::new();
    let mut all = Count::default();
    for (folder, cases) in results {
        let mut count = Count::default();
        let mut details = String::new();
        for case in cases {
            count.add(&case.outcome);
            all.add(&case.outcome);
            match &case.outcome {
                Verdict::Passed => {}
                Verdict::Failed(reason) => details += &format!("  FAILED {}: {reason}\n", case.name),
                Verdict::Skipped(reason) => details += &format!("  skipped {}: {reason}\n", case.name),
            }
        }
        text += &format!("{folder}: {}\n{details}", count.line());
    }
    text += &format!("{}\n", all.line());
    (text, all.failed)
}

fn results(dir: &Path, suites: &[Suite]) -> Outcome<Vec<Results>> {
    let mut results = Vec::new();
    for suite in suites {
        let folder = dir.join(suite.folder);
        let cases = if folder.is_dir() {
            some_cases((suite.run)(&folder))
        } else {
            vec![Case { name: "all".into(), outcome: Verdict::Skipped("there is no such folder in the data".into()) }]
        };
        results.push((suite.folder.to_string(), cases));
    }
    for folder in unread(dir, suites)? {
        let outcome = Verdict::Skipped("no suite reads this folder yet".into());
        results.push((folder, vec![Case { name: "all".into(), outcome }]));
    }
    Ok(results)
}

/// A suite that finds nothing where its data should be has not passed.
fn some_cases(cases: Vec<Case>) -> Vec<Case> {
    if cases.is_empty() {
        vec![Case {
            name: "all".into(),
            outcome: Verdict::Failed("the folder holds no case that the suite knows".into()),
        }]
    } else {
        cases
    }
}

/// Folders of the data that no suite reads, down to where one does.
fn unread(dir: &Path, suites: &[Suite]) -> Outcome<Vec<String>> {
    fn descend(dir: &Path, below: &Path, suites: &[Suite], found: &mut Vec<String>) -> Outcome {
        for entry in tools::entries(&dir.join(below))?.into_iter().filter(|entry| entry.is_dir()) {
            let folder = below.join(entry.file_name().unwrap_or_default());
            if suites.iter().any(|suite| folder.starts_with(suite.folder)) {
                continue;
            }
            if suites.iter().any(|suite| Path::new(suite.folder).starts_with(&folder)) {
                descend(dir, &folder, suites, found)?;
            } else {
                found.push(folder.display().to_string());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    descend(dir, Path::new(""), suites, &mut found)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn data(name: &str, folders: &[&str]) -> PathBuf {
        let data = tools::root().join("target/xtask-tests").join(name);
        let _ = fs::remove_dir_all(&data);
        for folder in folders {
            fs::create_dir_all(data.join(folder)).unwrap();
        }
        data
    }

    #[test]
    fn each_case_counts_once_and_reasons_are_shown() {
        let suites = [
            Suite {
                folder: "crypto/dsse",
                run: |_| {
                    let case = |name: &str, outcome| Case { name: name.into(), outcome };
                    vec![
                        case("good", Verdict::Passed),
                        case("bad", Verdict::Failed("byte 3 is 0x41, not 0x42".into())),
                        case("big", Verdict::Skipped("needs 64 GB".into())),
                    ]
                },
            },
            Suite { folder: "empty", run: |_| vec![] },
            Suite { folder: "gone", run: |_| unreachable!("the folder is not there") },
        ];
        let data = data("conformance", &["crypto/dsse/deep", "crypto/merkle", "empty", "lm"]);
        let results = results(&data, &suites).unwrap();
        let (text, failed) = report(&results);
        insta::assert_snapshot!(text, @r"
        crypto/dsse: 1 passed, 1 failed, 1 skipped
          FAILED bad: byte 3 is 0x41, not 0x42
          skipped big: needs 64 GB
        empty: 0 passed, 1 failed, 0 skipped
          FAILED all: the folder holds no case that the suite knows
        gone: 0 passed, 0 failed, 1 skipped
          skipped all: there is no such folder in the data
        crypto/merkle: 0 passed, 0 failed, 1 skipped
          skipped all: no suite reads this folder yet
        lm: 0 passed, 0 failed, 1 skipped
          skipped all: no suite reads this folder yet
        1 passed, 2 failed, 4 skipped
        ");
        assert_eq!(failed, 2);
        insta::assert_snapshot!(results.iter().filter_map(skips).collect::<Vec<_>>().join("\n"), @r"
        crypto/dsse, 1 of 3 cases: needs 64 GB
        gone, 1 of 1 cases: there is no such folder in the data
        crypto/merkle, 1 of 1 cases: no suite reads this folder yet
        lm, 1 of 1 cases: no suite reads this folder yet
        ");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = run(&Args { dir: "no/such/folder".into(), llama: None }).unwrap_err();
        assert_eq!(error, "there is no folder no/such/folder");
    }
}
