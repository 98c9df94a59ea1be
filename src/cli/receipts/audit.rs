//! `bizra receipts audit`: is the ledger what its writers signed, whole, and still the one that was seen before?

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::audit::{Report, Request, formats};
use crate::receipts::log::LogId;
use crate::receipts::pin::{self, Pins};
use crate::receipts::policy::{self, PolicyError, SignedPolicy, Trust};
use crate::sys::ledger::Ledger;
use crate::sys::ledger::audit::audit_ledger;
use crate::sys::{files, machine};
use crate::ui::Unit;
use crate::view::receipts_audit::Audited;

/// Check every receipt, tile, checkpoint, commit and pin of the ledger
///
/// Answers 0 when nothing is wrong, 5 when something is, 4 when evidence that was asked for is missing, 3 when there is
/// no ledger. Keys are judged by bizra-trust.json; without one, this machine's keys are trusted for its own logs only.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts audit                                 Everything
  bizra receipts audit --since bizra.pin               Only what came after the pins
  bizra receipts audit --require-pin --format sarif    For CI: a log that no pin covers is a finding")]
pub(super) struct Args {
    /// Read every receipt, also those that pins cover [default]
    #[arg(long, conflicts_with = "since")]
    full: bool,
    /// Trust what the pins in this file cover, and read what came after
    #[arg(long, value_name = "PIN", value_hint = clap::ValueHint::FilePath)]
    since: Option<PathBuf>,
    /// A log without a pin is missing evidence
    #[arg(long)]
    require_pin: bool,
    /// A history that a shallow copy has cut is missing evidence
    #[arg(long)]
    require_history: bool,
    /// How findings are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Threads to check signatures with [default: all that this process may use]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations for GitHub's log
    Github,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let path = session.ledger_path()?;
    let trust = trust(session, &path)?;
    let pins = match &args.since {
        Some(path) => Some(files::read(&files::from(&session.env.cwd, path))?),
        None => files::read_if_there(&session.root().join(pin::FILE_NAME))?,
    };
    let pins = pins.map(|bytes| Pins::parse(&bytes));
    let request = Request {
        trust: trust.as_ref(),
        pins: pins.as_ref().map(|p| p.as_ref()),
        since_pin: args.since.is_some(),
        require_pin: args.require_pin,
        require_history: args.require_history,
        threads: args.threads.unwrap_or_else(machine::threads),
    };
    let interrupt = session.env.interrupt.clone();
    let _held = interrupt.defer();
    let clock = &session.env.clock;
    let mut bar = session.ui.progress("checking receipts", None, Unit::Items, clock.monotonic());
    let mut done = (String::new(), 0u64, 0u64);
    let audited = audit_ledger(&path, &request, &mut |progress| {
        let log = progress.log.to_string();
        if done.0 != log {
            done = (log, done.1 + done.2, 0);
        }
        done.2 = progress.read;
        bar.at(done.1 + done.2, clock.monotonic());
        if interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let report =
        audited?.map_err(|_| Error::new(Exit::Interrupted, "the audit was stopped, so there is no verdict"))?;
    let reasons = reasons(&report);
    let exit = Exit::from_code(report.exit());
    let formatted = match args.format {
        Format::Text => None,
        Format::Sarif => Some(formats::sarif(&report, crate::about::VERSION)),
        Format::Github => Some(formats::github(&report)),
    };
    Ok(Outcome { exit, ..Outcome::because(Audited { path, report, formatted }, reasons) })
}

/// Whom to believe: the policy, broken or not, else this machine's keys for the logs that they write.
fn trust(session: &Session, path: &std::path::Path) -> Result<std::result::Result<Trust, PolicyError>> {
    if let Some(bytes) = files::read_if_there(&session.root().join(policy::FILE_NAME))? {
        return Ok(SignedPolicy::open(&bytes, None).map(Trust::Policy));
    }
    let keys = session.own_keys()?;
    let mut logs = Vec::new();
    if let Ok(ledger) = Ledger::open(path, false) {
        for id in ledger.logs()? {
            if writer_of(&ledger, &id).is_some_and(|writer| keys.iter().any(|key| key.id().to_string() == writer)) {
                logs.push(id.to_string());
            }
        }
    }
    Ok(Ok(Trust::Own { logs, keys }))
}

/// Who began the log. Its newest header may be damaged or another's, and an older commit's will do: the log's name binds it.
fn writer_of(ledger: &Ledger, id: &LogId) -> Option<String> {
    let log = ledger.log(id).ok()?;
    log.history().map_while(std::result::Result::ok).find_map(|(commit, _)| {
        let header = log.at_commit(commit).and_then(|log| log.header()).ok()?;
        (header.id() == *id).then_some(header.writer)
    })
}

/// One reason for each kind of exit: the findings themselves are the answer.
fn reasons(report: &Report) -> Vec<Error> {
    let mut reasons: Vec<Error> = report.faults.iter().map(Error::cannot).collect();
    let code = report.exit();
    if code == 0 || !reasons.is_empty() {
        return reasons;
    }
    let exit = Exit::from_code(code);
    let counting: Vec<&str> = report
        .all_findings()
        .filter(|(_, finding)| finding.code.exit() == code || (code == 4 && finding.code.exit() == 0))
        .map(|(_, finding)| finding.code.name())
        .collect();
    let mut names = counting.clone();
    names.sort_unstable();
    names.dedup();
    let error = Error::new(
        exit,
        format!("{} finding{}: {}", counting.len(), if counting.len() == 1 { "" } else { "s" }, names.join(", ")),
    );
    reasons.push(match exit {
        Exit::Invalid => error
            .at(Place::file("the ledger"))
            .hint("`bizra receipts fetch REMOTE` brings one, the first receipt makes one; --ledger PATH names another"),
        Exit::Undecided => error.hint("`bizra receipts pin` writes the pins; a whole copy has the history"),
        _ if names == ["key-untrusted"] => error
            .hint("bizra-trust.json names who may sign: `bizra trust check` shows it, `bizra trust add` lets a key in"),
        _ => error.hint("docs/ledger.md says what each code means"),
    });
    reasons
}
