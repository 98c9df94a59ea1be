//! The signed baseline: reading and checking it, making it, and answering for claims that leave it.

use std::path::Path;

use super::super::book::Recorded;
use super::super::{Outcome, Session};
use super::ground::Ground;
use crate::entropy::baseline::{Baseline, KIND, Signed};
use crate::entropy::claims::ScopeChange;
use crate::error::{Error, Exit, Place, Result};
use crate::plan::gate::{About, Receipts as _};
use crate::receipts::predicates::{EntropyBaseline, EntropyScope, Predicate as _, name_of};
use crate::receipts::receipt::Content;
use crate::receipts::statement::{Draft, Subject};
use crate::receipts::{Hash, hex};
use crate::sys::files::{self, Access};
use crate::sys::ledger::Ledger;
use crate::view::entropy::{Locked, Released};

pub(super) const FILE: &str = "bizra-entropy.json";

/// What its receipt is about: the baseline in the file. The file itself holds the receipt as well.
const SUBJECT: &str = "bizra-entropy.json#baseline";

/// A baseline whose signature holds.
#[derive(Clone)]
pub(super) struct Held {
    /// Completed, where it is an older one.
    pub(super) baseline: Baseline,
    pub(super) digest: Hash,
    pub(super) receipt: String,
    pub(super) time: jiff::Timestamp,
}

/// Lock claims, weights and the worth of evidence into a signed baseline
///
/// It is written to bizra-entropy.json, to be committed: no change is told without it, and what it locks can't leave
/// the plans unnoticed. A further baseline begins a new epoch and needs a reason; no change is told across epochs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy baseline                                    The first one
  bizra entropy baseline --reason 'phase two was planned'   A new epoch")]
pub(super) struct BaselineArgs {
    /// Why a new epoch begins
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Answer for a locked claim that leaves the plan, or asks for other evidence now
///
/// Without such a receipt the claim stays open at its full weight.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy scope omega/GEN-SEC-002 --reason 'dropped by the steering group'
  bizra entropy scope omega/GEN-SEC-002 --into omega/GEN-SEC-002a,omega/GEN-SEC-002b --reason split")]
pub(super) struct ScopeArgs {
    /// The claim, as plan/ID
    #[arg(value_name = "CLAIM")]
    claim: String,
    /// What stands in its place
    #[arg(long, value_name = "CLAIM", value_delimiter = ',')]
    into: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// The baseline of the repository. What was edited, or signed by nobody who counts, is no baseline but a finding.
pub(super) fn read(session: &Session, root: &Path) -> Result<Option<Held>> {
    let path = root.join(FILE);
    match files::read_if_there(&path)? {
        Some(bytes) => check(session, &bytes).map(Some).map_err(|e| e.at(Place::file(FILE))),
        None => Ok(None),
    }
}

fn check(session: &Session, bytes: &[u8]) -> Result<Held> {
    let edited = |what: String| Error::new(Exit::Integrity, what).hint("restore it: git checkout bizra-entropy.json");
    let signed: Signed =
        serde_json::from_slice(bytes).map_err(|e| edited(format!("this is no signed baseline: {e}")))?;
    if signed.bizra != KIND {
        return Err(Error::invalid(format!("`{}` is not {KIND}", signed.bizra)));
    }
    let envelope = signed.envelope.to_string();
    let content = Content::read(envelope.as_bytes()).map_err(|e| edited(format!("its envelope can't be read: {e}")))?;
    let key_id = content.envelope.keyid;
    let key = match session.policy()? {
        Some(policy) => {
            let name = name_of(EntropyBaseline::TYPE).unwrap_or_default();
            let listed = policy.policy.entries.iter().filter(|e| e.key.id() == key_id);
            let allowed = listed.clone().find(|e| e.predicates.contains(&name) && e.revoked_at.is_none());
            match (allowed, listed.count()) {
                (Some(entry), _) => entry.key,
                (None, 0) => return Err(untrusted(&key_id.to_string())),
                (None, _) => {
                    return Err(Error::new(Exit::Integrity, format!("the key {key_id} may not sign {name}"))
                        .hint("let it, in bizra-trust.json: bizra trust show"));
                }
            }
        }
        None => {
            let own = session.own_keys()?;
            own.into_iter().find(|key| key.id() == key_id).ok_or_else(|| untrusted(&key_id.to_string()))?
        }
    };
    content.envelope.verify(&key).map_err(|e| edited(e.to_string()))?;
    if content.statement.predicate_type != EntropyBaseline::TYPE {
        return Err(edited("its envelope signs something else".into()));
    }
    let text = signed.baseline.text();
    let subject = Subject::of_bytes(SUBJECT, text.as_bytes());
    let bound = content.statement.subjects.iter().any(|s| s.digest("sha256") == subject.digest("sha256"));
    if !bound {
        return Err(edited("it was edited after it was signed".into()));
    }
    if let Some(fault) = signed.baseline.fault() {
        return Err(Error::invalid(fault));
    }
    let time = content.statement.stamp.time.timestamp();
    let digest = subject.digest("sha256").and_then(hex::decode).unwrap_or_default();
    Ok(Held { baseline: signed.baseline, digest, receipt: content.id.to_string(), time })
}

fn untrusted(key: &str) -> Error {
    Error::new(Exit::Integrity, format!("it is signed by {key}, a key that nobody vouches for here"))
        .hint("say in bizra-trust.json who may: `bizra trust init`, `bizra trust add`")
}

pub(super) fn make(args: &BaselineArgs, session: &mut Session) -> Result<Outcome> {
    if session.config.switch("no-receipt") {
        return Err(Error::usage("a baseline is signed by a receipt, so --no-receipt leaves nothing to do"));
    }
    let ground = Ground::open(session)?;
    let reason = match (&ground.baseline, &args.reason) {
        (Some(held), None) => {
            return Err(Error::usage(format!("epoch {} is locked already", held.baseline.epoch))
                .hint("a new epoch needs a reason: --reason TEXT"));
        }
        (_, Some(reason)) => reason.clone(),
        (None, None) => "first baseline".to_owned(),
    };
    let Some(tip) = ground.history.head()? else {
        return Err(Error::new(Exit::Undecided, "the repository has no commit yet, so there is nothing to lock")
            .hint("commit the plans, then lock them"));
    };
    let claims = ground.claims(session, &tip, None)?;
    if claims.is_empty() {
        return Err(Error::invalid("no committed plan holds a package, item or criterion")
            .hint("write and commit a plan: bizra schema roadmap"));
    }
    let epoch = ground.baseline.as_ref().map_or(1, |held| held.baseline.epoch + 1);
    let table = ground.baseline.as_ref().map(|held| held.baseline.table()).unwrap_or_default();
    let time = session.time()?.to_string();
    let baseline = Baseline::lock(epoch, &reason, time, tip.commit.clone(), table, &claims);
    let word = EntropyBaseline { epoch: epoch.into(), reason: reason.clone(), claims: claims.len() as u64 };
    let draft = Draft::new(vec![Subject::of_bytes(SUBJECT, baseline.text().as_bytes())], &word)
        .map_err(|e| Error::usage(format!("--reason: {}", e.reason)))?;
    let writer = session.writer()?;
    let recorded = session.record_as(&writer, &draft)?;
    let envelope = envelope(&session.ledger()?, &recorded)?;
    let envelope =
        serde_json::from_slice(&envelope).map_err(|e| Error::cannot("the receipt can't be read back").because(e))?;
    let signed = Signed { bizra: KIND.into(), baseline, envelope };
    let mut text =
        serde_json::to_string_pretty(&signed).map_err(|e| Error::cannot("the baseline can't be written").because(e))?;
    text.push('\n');
    files::replace(&ground.root.join(FILE), text.as_bytes(), Access::Everyone)?;
    let id = recorded.id.to_string();
    let answer = Locked { epoch, reason, claims: signed.baseline.claims.len(), commit: tip.commit, file: FILE };
    Ok(Outcome { receipt: Some(id), ..Outcome::yes(answer) })
}

/// The bytes of a receipt that was just recorded.
fn envelope(ledger: &Ledger, recorded: &Recorded) -> Result<Vec<u8>> {
    let log = ledger.log(&recorded.log)?;
    match log.wal()?.pending.into_iter().find(|record| record.index == recorded.index) {
        Some(record) => Ok(record.envelope),
        None => Ok(log.entry(recorded.index)?),
    }
}

pub(super) fn release(args: &ScopeArgs, session: &mut Session) -> Result<Outcome> {
    if session.config.switch("no-receipt") {
        return Err(Error::usage("a change of scope is a receipt, so --no-receipt leaves nothing to do"));
    }
    let ground = Ground::open(session)?;
    let Some(held) = &ground.baseline else {
        return Err(Error::invalid("no baseline locks any claim here").hint("bizra entropy baseline"));
    };
    let ids: Vec<&str> = held.baseline.claims.iter().map(|lock| lock.id.as_str()).collect();
    if !ids.contains(&args.claim.as_str()) {
        let error = Error::usage(format!("the baseline locks no claim `{}`", args.claim));
        return Err(match crate::error::nearest(&args.claim, ids.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("bizra entropy explain lists what it locks"),
        });
    }
    let word = EntropyScope {
        baseline: held.digest,
        claim: args.claim.clone(),
        into: args.into.clone(),
        reason: args.reason.clone(),
    };
    let draft = Draft::new(vec![word.subject()], &word).map_err(|e| Error::usage(e.to_string()))?;
    let writer = session.writer()?;
    let id = session.record_as(&writer, &draft)?.id.to_string();
    Ok(Outcome { receipt: Some(id), ..Outcome::yes(Released { word }) })
}

/// The changes of scope that somebody who counts has answered for.
pub(super) fn changes(
    evidence: &super::super::evidence::Evidence<'_>,
    held: Option<&Held>,
) -> Result<Vec<ScopeChange>> {
    let mut changes = Vec::new();
    let Some(held) = held else { return Ok(changes) };
    for place in evidence.find("entropy-scope", About::Anything) {
        let Some(receipt) = evidence.open(place)?.filter(|r| r.fault.is_none()) else { continue };
        let Some(Ok(word)) = receipt.statement.predicate::<EntropyScope>() else { continue };
        if word.baseline == held.digest {
            changes.push(ScopeChange { claim: word.claim, into: word.into, receipt: receipt.id.clone() });
        }
    }
    Ok(changes)
}
