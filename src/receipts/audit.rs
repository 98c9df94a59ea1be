//! The audit: is each log of a ledger what its writer signed, whole, and still the one that was seen before?
//!
//! The tree alone is judged first: every file, every receipt, the Merkle tree over them, the checkpoint. Then what a
//! checkpoint that was signed again cannot forge: signatures, sessions, older commits, pins. What an audit cannot see
//! without a pin is a log that was cut short together with all of that. How anything is read is [`source::Source`]'s.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use super::checkpoint::Checkpoint;
use super::finding::{Code, Finding, exit_code};
use super::keys::KeyId;
use super::log::LogId;
use super::pin::{self, PinError, Pins};
use super::policy::{self, PolicyError, Trust};
use super::{Hash, hex};

mod chain;
pub mod formats;
mod history;
#[cfg(test)]
mod lab;
mod layout;
mod log;
mod receipt;
pub mod source;
mod stream;

use source::{Fault, Source};

/// Findings of one code and log that are kept; the rest is counted.
const KEPT_PER_CODE: usize = 1000;

/// How to judge.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub trust: Result<&'a Trust, &'a PolicyError>,
    pub pins: Option<Result<&'a Pins, &'a PinError>>,
    /// Read only what came after each log's newest pin, where that is a beginning of the log.
    pub since_pin: bool,
    /// A log without a pin is missing evidence.
    pub require_pin: bool,
    /// A history that was cut by a shallow copy is missing evidence.
    pub require_history: bool,
    pub threads: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    pub log: &'a LogId,
    pub read: u64,
    pub total: u64,
}

/// Two signed checkpoints of one size with two roots: nobody who only appends can make them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    pub size: u64,
    pub roots: [Hash; 2],
    /// Both notes, each signed by the log's key: the whole proof.
    pub notes: [String; 2],
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.roots.map(|root| hex::encode(&root));
        write!(f, "the log's key signed two roots at size {}: {one} and {other}", self.size)
    }
}

/// What was found in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    pub id: LogId,
    /// As signed, where it could be opened.
    pub checkpoint: Option<Checkpoint>,
    /// The first receipt that was read: 0, or the pin's size.
    pub from: u64,
    /// Entries in the tree, and behind it in the write-ahead log.
    pub entries: u64,
    pub pending: u64,
    /// Entries read and judged.
    pub judged: u64,
    /// Sessions that were running before `from`; their beginnings were not read.
    pub carried_sessions: u64,
    pub findings: Vec<Finding>,
    /// How many findings of a code were counted but not kept.
    pub omitted: BTreeMap<Code, u64>,
    pub forks: Vec<Fork>,
}

/// By what receipts were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    Policy {
        serial: u64,
        signer: KeyId,
        digest: Hash,
    },
    /// `policy: none`: this machine's keys, for its own log only.
    OwnKeys,
    /// The policy was refused, so no key was judged.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub judged_by: Judged,
    pub logs: Vec<LogReport>,
    /// About the ledger as a whole.
    pub findings: Vec<Finding>,
    /// What this machine could not read.
    pub faults: Vec<String>,
    require_history: bool,
}

/// The progress callback asked to stop: there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Report {
    fn new(request: &Request<'_>) -> Self {
        let judged_by = match request.trust {
            Err(_) => Judged::Nothing,
            Ok(Trust::Own { .. }) => Judged::OwnKeys,
            Ok(Trust::Policy(signed)) => {
                Judged::Policy { serial: signed.policy.serial, signer: signed.signer, digest: signed.digest }
            }
        };
        let require_history = request.require_history;
        let mut report =
            Self { judged_by, logs: Vec::new(), findings: Vec::new(), faults: Vec::new(), require_history };
        let mut say = |code: Code, path: &str, detail: String| {
            report.findings.push(Finding::new(code, detail).at_path(path));
        };
        // What cannot be read as a policy or as pins is signed by nobody.
        if let Err(error) = request.trust {
            say(error.code().unwrap_or(Code::PolicyUnsigned), policy::FILE_NAME, error.to_string());
        }
        if let Some(Err(error)) = request.pins {
            say(error.code().unwrap_or(Code::PinSignature), pin::FILE_NAME, error.to_string());
        }
        report
    }

    /// There is no ledger to audit, or what is there is none.
    pub fn of_missing(request: &Request<'_>, path: &str, detail: &str) -> Self {
        let mut report = Self::new(request);
        report.findings.push(Finding::new(Code::LedgerMissing, detail).at_path(path));
        report
    }

    /// All findings, the ledger's before its logs'.
    pub fn all_findings(&self) -> impl Iterator<Item = (Option<&LogId>, &Finding)> {
        let own = self.findings.iter().map(|finding| (None, finding));
        own.chain(self.logs.iter().flat_map(|log| log.findings.iter().map(|finding| (Some(&log.id), finding))))
    }

    /// The exit code: what this machine could not read makes every other answer worthless.
    pub fn exit(&self) -> u8 {
        if !self.faults.is_empty() {
            return 6;
        }
        let findings: Vec<Finding> = self.all_findings().map(|(_, finding)| finding.clone()).collect();
        exit_code(&findings, self.require_history)
    }
}

/// Collects one log's findings, without growing with their number.
#[derive(Debug, Default)]
struct Findings {
    list: Vec<Finding>,
    counts: BTreeMap<Code, u64>,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count += 1;
        if *count <= KEPT_PER_CODE as u64 {
            self.list.push(finding);
        }
    }

    fn omitted(&self) -> BTreeMap<Code, u64> {
        let beyond = |(code, count): (&Code, &u64)| Some((*code, count.checked_sub(KEPT_PER_CODE as u64)?));
        self.counts.iter().filter_map(beyond).filter(|(_, count)| *count > 0).collect()
    }
}

/// A log to be read, or why it could not be opened at all.
pub type Opened<'a> = Result<Box<dyn Source + 'a>, Fault>;

/// What of a ledger an audit is about, as its store found it.
pub struct Contents<'a> {
    pub logs: Vec<(LogId, Opened<'a>)>,
    /// Written here, as their write-ahead logs show, and no ref leads to them any more.
    pub lost: Vec<LogId>,
    /// Names below `refs/replace/`.
    pub replace_refs: Vec<String>,
    /// Names below the logs' that are no log's.
    pub stray_refs: Vec<String>,
}

/// Audits a whole ledger, log by log.
pub fn audit(
    contents: &Contents<'_>,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Report, Stopped> {
    let mut report = Report::new(request);
    for name in &contents.replace_refs {
        let detail = "a replace ref shows git other objects than the log's; this audit read the real ones";
        report.findings.push(Finding::new(Code::ReplaceRefs, detail).at_path(name));
    }
    for name in &contents.stray_refs {
        report.findings.push(Finding::new(Code::UnexpectedPath, "a ledger has no such ref").at_path(name));
    }
    let pins = request.pins.and_then(Result::ok);
    for id in &contents.lost {
        let detail = format!("{id} was written here, and its ref is gone: `bizra receipts repair` brings it back");
        report.findings.push(Finding::new(Code::Rollback, detail).at_path(format!("bizra/{id}/{}", log::WAL)));
    }
    if contents.logs.is_empty() && contents.lost.is_empty() {
        report.findings.push(Finding::new(Code::LedgerMissing, "the ledger holds no log"));
    }
    for pinned in pins.into_iter().flat_map(Pins::logs) {
        let name = pinned.verifier().name();
        let is_there = contents.logs.iter().any(|(id, _)| id.origin() == name);
        if let Some(newest) = pinned.newest().filter(|_| !is_there) {
            let detail = format!("the ledger has no {name}: pin={} got=0", newest.size);
            report.findings.push(Finding::new(Code::Rollback, detail).at_path(pin::FILE_NAME));
        }
    }
    for (id, source) in &contents.logs {
        match source {
            Ok(source) => {
                let (log, faults) = log::audit_log(&**source, request, progress)?;
                report.logs.push(log);
                report.faults.extend(faults.into_iter().map(|fault| match fault {
                    Fault::Missing(detail) | Fault::Corrupt(detail) | Fault::Machine(detail) => detail,
                }));
            }
            Err(Fault::Machine(detail)) => report.faults.push(detail.clone()),
            Err(fault) => report.findings.extend(fault.finding().map(|finding| finding.at_path(id.to_string()))),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_findings_is_counted() {
        let mut findings = Findings::default();
        for index in 0..1500 {
            findings.add(Finding::new(Code::SigInvalid, "").at_index(index));
        }
        findings.add(Finding::new(Code::Gap, ""));
        assert_eq!(findings.list.len(), 1001);
        assert_eq!(findings.omitted(), BTreeMap::from([(Code::SigInvalid, 500)]));
    }
}
