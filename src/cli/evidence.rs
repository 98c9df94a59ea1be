//! The ledger as evidence: its receipts found by the index, and verified one by one as they are asked for.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Session;
use crate::error::{Error, Exit, Result};
use crate::plan::gate::{About, Commands, Fault, Inputs, Ran, Receipt, Receipts, Signer};
use crate::receipts::finding::Code;
use crate::receipts::keys::PublicKey;
use crate::receipts::log::LogId;
use crate::receipts::pin::{PinnedLog, Pins};
use crate::receipts::policy::{Roles, SignedPolicy, Trust};
use crate::receipts::verify;
use crate::sys::folders;
use crate::sys::git_files::RepositoryFiles;
use crate::sys::index::{Index, Leaf};
use crate::sys::ledger::{Bundle, Ledger, LedgerError, Log, Snapshot};

/// Judges by this ledger and the files of the work tree, as of now. No commands are run.
pub(super) fn judge<T>(session: &mut Session, by: impl FnOnce(&Inputs<'_>) -> Result<T>) -> Result<T> {
    let moment = Moment::of(session);
    judge_at(session, moment, by)
}

/// The same for a time that was read in a plan's own zone.
pub(super) fn judge_at<T>(
    session: &mut Session,
    moment: Moment,
    by: impl FnOnce(&Inputs<'_>) -> Result<T>,
) -> Result<T> {
    let (files, _) = files_of(session)?;
    judge_over(session, &files, moment, by)
}

/// The same over files of the caller's own, such as those of a revision.
pub(super) fn judge_over<T>(
    session: &mut Session,
    files: &RepositoryFiles,
    moment: Moment,
    by: impl FnOnce(&Inputs<'_>) -> Result<T>,
) -> Result<T> {
    let ledger = session.ledger_if_there()?;
    let policy = session.policy()?;
    let evidence = Evidence::open(session, ledger.as_ref(), policy.as_ref(), moment)?;
    evidence.warn(session);
    by(&Inputs {
        receipts: &evidence,
        files,
        commands: &NoCommands,
        now: moment.now,
        has_policy: policy.is_some(),
        every_key: false,
    })
}

struct NoCommands;

impl Commands for NoCommands {
    fn run(&self, _: &[&str], _: Duration) -> Result<Ran> {
        Ok(Ran::Refused {
            why: "commands are run by `bizra roadmap gate --allow-commands` only".into(),
            next: "look at the command, then let the gate run it: bizra roadmap gate --allow-commands",
        })
    }
}

pub(super) fn files_of(session: &Session) -> Result<(RepositoryFiles, PathBuf)> {
    let root = session.root();
    let in_repository = matches!(&session.setup.repository, Ok(Some(found)) if found.work_dir.is_some());
    Ok((RepositoryFiles::open(&root, in_repository)?, root))
}

/// Clocks of machines differ a little: a receipt from this far ahead still counts.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// The time that a judgement is made for.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub now: Timestamp,
    /// By the user, with --now.
    pub given: bool,
}

impl Moment {
    pub(super) fn of(session: &Session) -> Moment {
        Moment::in_zone(session, &TimeZone::UTC)
    }

    /// A date or time that --now gives without an offset is meant in `zone`.
    pub(super) fn in_zone(session: &Session, zone: &TimeZone) -> Moment {
        match session.config.now(zone) {
            Some(now) => Moment { now, given: true },
            None => Moment { now: session.env.clock.wall(), given: false },
        }
    }

    fn horizon(self) -> Timestamp {
        if self.given { self.now } else { self.now.checked_add(SKEW).unwrap_or(self.now) }
    }
}

pub(super) struct Evidence<'a> {
    index: Index,
    /// Logs that are pinned and not here.
    absent: usize,
    logs: HashMap<LogId, OpenLog<'a>>,
    horizon: Timestamp,
    opened: RefCell<HashMap<u32, Option<Rc<Receipt>>>>,
}

struct OpenLog<'a> {
    log: Log<'a>,
    genesis: crate::receipts::Hash,
    trust: Trust,
    pending: HashMap<u64, Vec<u8>>,
    /// The bundles that were read last, the newest at the end: searches go on beside what they found.
    at_hand: RefCell<VecDeque<Bundle<'a>>>,
}

/// About a megabyte each.
const BUNDLES_AT_HAND: usize = 16;

impl OpenLog<'_> {
    fn entry(&self, index: u64) -> Result<Vec<u8>> {
        let mut at_hand = self.at_hand.borrow_mut();
        if let Some(found) = at_hand.iter().position(|bundle| bundle.range().contains(&index)) {
            let bundle = at_hand.remove(found);
            at_hand.extend(bundle);
        } else {
            at_hand.extend(self.log.bundles(index..index + 1)?.next().transpose()?);
            while at_hand.len() > BUNDLES_AT_HAND {
                at_hand.pop_front();
            }
        }
        let entry = at_hand.back().and_then(|bundle| bundle.entries().find(|(at, _)| *at == index));
        match entry {
            Some((_, bytes)) => Ok(bytes?.to_vec()),
            None => Ok(self.log.entry(index)?),
        }
    }
}

impl<'a> Evidence<'a> {
    pub(super) fn open(
        session: &Session,
        ledger: Option<&'a Ledger>,
        policy: Option<&SignedPolicy>,
        moment: Moment,
    ) -> Result<Self> {
        let (mut index, mut logs) = (Index::default(), HashMap::new());
        let pins = session.pins()?;
        if let Some(ledger) = ledger {
            let snapshots: Vec<Snapshot<'_>> =
                ledger.logs()?.iter().map(|id| ledger.snapshot(id)).collect::<std::result::Result<_, _>>()?;
            refuse_what_pins_contradict(&snapshots, &pins)?;
            index = Index::of(ledger, &snapshots, folders::cache(&session.env.vars).as_deref())?;
            let own = session.own_keys()?;
            for Snapshot { log, header, pending, .. } in snapshots {
                let pending = pending.into_iter().map(|r| (r.index, r.envelope)).collect();
                let trust = match policy {
                    Some(policy) => Trust::Policy(policy.clone()),
                    None => own_trust(log.id(), &header.writer, &own),
                };
                let (genesis, at_hand) = (header.genesis(), RefCell::default());
                logs.insert(log.id().clone(), OpenLog { log, genesis, trust, pending, at_hand });
            }
        }
        let is_here = |pinned: &&PinnedLog| logs.keys().any(|id| id.origin() == pinned.verifier().name());
        let absent = pins.logs().len() - pins.logs().iter().filter(is_here).count();
        Ok(Evidence { index, absent, logs, horizon: moment.horizon(), opened: RefCell::default() })
    }

    /// Says what of the ledger could not be looked at.
    pub(super) fn warn(&self, session: &mut Session) {
        if self.index.unreadable() > 0 {
            let entries = self.index.unreadable();
            session.ui.warn(format!("{entries} entries of the ledger can't be read: `bizra receipts audit`"));
        }
        if self.absent > 0 {
            let (logs, are) = if self.absent == 1 { ("log", "is") } else { ("logs", "are") };
            let absent = self.absent;
            session
                .ui
                .warn(format!("{absent} pinned {logs} {are} not here: `bizra receipts fetch REMOTE` brings them"));
        }
    }

    /// The same receipts as they were at another moment; what was opened stays open.
    pub(super) fn as_of(&mut self, moment: Moment) {
        self.horizon = moment.horizon();
    }

    /// A receipt that was opened before.
    pub(super) fn by_id(&self, id: &str) -> Option<Rc<Receipt>> {
        let opened = self.opened.borrow();
        opened.values().flatten().find(|receipt| receipt.id == id && receipt.time <= self.horizon).cloned()
    }

    fn read(&self, place: u32) -> Result<Option<Receipt>> {
        let Some(place) = self.index.place(place) else { return Ok(None) };
        let Some(open) = self.logs.get(&place.log) else { return Ok(None) };
        let bytes = match open.pending.get(&place.index) {
            Some(bytes) => bytes.clone(),
            None => open.entry(place.index)?,
        };
        if Leaf::of(&bytes) != place.leaf {
            let reason = format!("receipt {} is not the one that its checkpoint was signed over", place.index);
            return Err(LedgerError::Broken { id: place.log.clone(), reason }.into());
        }
        let name = place.log.to_string();
        let at = verify::Place { log: &name, ledger: open.genesis, index: place.index };
        let judged = verify::at_place(&bytes, &open.trust, at);
        let (Some(id), Some(key), Some(statement)) = (judged.id, judged.key, judged.statement) else { return Ok(None) };
        let time = statement.stamp.time.timestamp();
        let fault = judged.findings.first().map(|finding| match finding.code {
            Code::LedgerIdMismatch if judged.findings.len() == 1 => Fault::Foreign(finding.detail.clone()),
            _ => Fault::Untrusted(format!("{}: {}", finding.code, finding.detail)),
        });
        let signer = match judged.roles {
            Some(Roles::Listed { name, roles }) => Some(Signer { name: name.to_owned(), roles: roles.to_vec() }),
            _ => None,
        };
        Ok(Some(Receipt { id: id.to_string(), key: key.to_string(), signer, time, statement, fault }))
    }
}

/// A log that is shorter than a pin, or does not continue it, is no evidence. One that is not here is missing evidence.
fn refuse_what_pins_contradict(logs: &[Snapshot<'_>], pins: &Pins) -> Result<()> {
    for snapshot in logs {
        let Some(pinned) = pins.log(&snapshot.log.id().origin()) else { continue };
        if let Some(finding) = snapshot.against(pinned).first() {
            return Err(Error::new(Exit::Integrity, finding.to_string())
                .hint("`bizra receipts fetch REMOTE` brings back what is missing; `bizra receipts audit` says more"));
        }
    }
    Ok(())
}

/// Without a policy this machine's keys count, in their own logs only.
fn own_trust(log: &LogId, writer: &str, own: &[PublicKey]) -> Trust {
    let mine = own.iter().any(|key| key.id().to_string() == writer);
    Trust::Own { logs: vec![log.to_string()], keys: if mine { own.to_vec() } else { Vec::new() } }
}

impl Receipts for Evidence<'_> {
    fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32> {
        self.index.find(predicate, about)
    }

    fn commits(&self, predicate: &str) -> Vec<String> {
        self.index.commits(predicate)
    }

    fn open(&self, place: u32) -> Result<Option<Rc<Receipt>>> {
        let known = self.opened.borrow().get(&place).cloned();
        let read = match known {
            Some(known) => known,
            None => {
                let read = self.read(place)?.map(Rc::new);
                self.opened.borrow_mut().insert(place, read.clone());
                read
            }
        };
        Ok(read.filter(|receipt| receipt.time <= self.horizon))
    }
}
