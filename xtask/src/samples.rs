//! Receipts and logs with everything about them fixed, made through the library: seeds for the fuzz targets, and
//! ledgers whose every signature holds although what they say cannot be.

use std::path::Path;

use bizra::receipts::checkpoint::NoteSigner;
use bizra::receipts::envelope::{Envelope, ReceiptId};
use bizra::receipts::keys::SecretKey;
use bizra::receipts::log::{LogHeader, LogId};
use bizra::receipts::predicates::Attestation;
use bizra::receipts::stamp::{Position, Stamp, Time, Tool};
use bizra::receipts::statement::Draft;
use bizra::sys::ledger::Ledger;

use crate::tools::Outcome;

pub(crate) const TIME: &str = "2026-01-31T12:00:00.000Z";
const SECONDS: i64 = 1_769_860_800;

pub(crate) fn writer() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

/// The key that signs the sample log's checkpoints.
pub(crate) fn checkpoint_key() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub(crate) fn header() -> LogHeader {
    LogHeader {
        writer: writer().public().id().to_string(),
        checkpoint_key: *checkpoint_key().public().as_bytes(),
        nonce: [3; 16],
        created: TIME.to_owned(),
    }
}

pub(crate) fn note_signer() -> Outcome<NoteSigner> {
    NoteSigner::new(header().id().origin(), checkpoint_key().into_signing_key()).map_err(|cause| cause.to_string())
}

/// The stamp of the log's receipt `index`, all receipts being of one session.
pub(crate) fn stamp(index: u64, prev: Option<ReceiptId>) -> Outcome<Stamp> {
    let [.., low] = index.to_be_bytes();
    Ok(Stamp {
        ledger: header().genesis(),
        nonce: [low; 16],
        position: Position { session: [4; 16], seq: index, prev },
        time: TIME.parse::<Time>().map_err(|reason| format!("{TIME}: {reason}"))?,
        tool: Tool { name: "bizra".into(), version: "0.1.0".into(), commit: None, build: "sample".into() },
        host: "sample".into(),
    })
}

pub(crate) fn draft(index: u64) -> Outcome<Draft> {
    let statement = Some(format!("statement {index}"));
    let attestation = Attestation { role: "lead".into(), statement, score: None };
    Draft::new(vec![attestation.own_subject()], &attestation).map_err(|cause| cause.to_string())
}

/// A log of `count` receipts in the new ledger at `path`. `twist` may change what a receipt says of its place before it
/// is signed.
pub(crate) fn write_log(path: &Path, count: u64, twist: fn(u64, &mut Stamp)) -> Outcome<LogId> {
    let told = |cause: &dyn std::fmt::Display| format!("cannot write the sample ledger {}: {cause}", path.display());
    let ledger = Ledger::open(path, true).map_err(|cause| told(&cause))?;
    let notes = note_signer()?;
    let id = ledger.create_log(&header(), &notes, SECONDS).map_err(|cause| told(&cause))?;
    let mut open = ledger.writer(&id, &notes).map_err(|cause| told(&cause))?;
    let signer = writer();
    open.append_batch(SECONDS, &mut |position| {
        if position.index == count {
            return Ok(None);
        }
        let last = position.last.map(|bytes| Envelope::parse(bytes).map(|envelope| envelope.id())).transpose()?;
        let mut stamp = stamp(position.index, last)?;
        twist(position.index, &mut stamp);
        Ok(Some(draft(position.index)?.seal(&stamp, &signer)?.envelope))
    })
    .map_err(|cause| told(&cause))?;
    open.flush().map_err(|cause| told(&cause))?;
    Ok(id)
}
