//! Reports of tests, read strictly: LCOV, Cobertura, LLVM's JSON export, JUnit, and the outcomes of cargo-mutants.
//!
//! A report says which lines ran, which tests ran, and how many planted faults they found. What it says of files and
//! tests is matched with the code by the caller; text that is not what it claims to be is refused.

mod json;
mod lcov;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What reports say, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines that can run, and whether each did, by the file's name as the report gives it.
    pub files: BTreeMap<String, BTreeMap<u32, bool>>,
    /// Names of tests that passed, with their class or suite where the report names one.
    pub passed: BTreeSet<String>,
    pub failed: BTreeSet<String>,
    pub skipped: BTreeSet<String>,
    /// Planted faults that were found, of all that could be tried.
    pub mutants: Option<Mutants>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutants {
    pub caught: u64,
    pub tried: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportError {
    /// From 1, where the fault has one.
    pub line: Option<u32>,
    pub reason: String,
}

impl ReportError {
    fn new(line: impl Into<Option<u32>>, reason: impl Into<String>) -> Self {
        ReportError { line: line.into(), reason: reason.into() }
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Lcov,
    Cobertura,
    LlvmCov,
    Junit,
    Mutants,
}

impl Format {
    /// Of a report nobody named the format of. `None`: it looks like none of them.
    pub fn guess(text: &str) -> Option<Format> {
        let head = text.trim_start();
        if head.starts_with('{') {
            return Some(if head.contains("llvm.coverage.json.export") { Format::LlvmCov } else { Format::Mutants });
        }
        if head.starts_with('<') {
            let opening = |tag: &str| head.contains(tag);
            return if opening("<coverage") {
                Some(Format::Cobertura)
            } else if opening("<testsuite") {
                Some(Format::Junit)
            } else {
                None
            };
        }
        (head.starts_with("TN:") || head.starts_with("SF:")).then_some(Format::Lcov)
    }
}

/// Adds a report to what others said.
pub fn read(format: Format, text: &str, report: &mut Report) -> Result<(), ReportError> {
    match format {
        Format::Lcov => lcov::read(text, report),
        Format::Cobertura => xml::cobertura(text, report),
        Format::LlvmCov => json::llvm(text, report),
        Format::Junit => xml::junit(text, report),
        Format::Mutants => json::mutants(text, report),
    }
}

impl Report {
    fn line(&mut self, file: &str, line: u32, ran: bool) {
        if line > 0 {
            *self.files.entry(file.to_owned()).or_default().entry(line).or_insert(false) |= ran;
        }
    }

    /// The share of the lines from `first` to `last` that ran, in percent, rounded down; `None` where none can run.
    pub fn share(lines: &BTreeMap<u32, bool>, first: u32, last: u32) -> Option<u8> {
        let (mut can, mut did) = (0_u64, 0_u64);
        for ran in lines.range(first..=last).map(|(_, ran)| *ran) {
            can += 1;
            did += u64::from(ran);
        }
        (can > 0).then(|| (did * 100 / can) as u8)
    }
}

#[cfg(test)]
mod tests;
