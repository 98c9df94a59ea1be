//! One receipt by itself, as `verify` judges it at its place, and what the chain must know of it. Nothing here depends
//! on other receipts, so any thread can do it.

use super::super::Hash;
use super::super::envelope::{Envelope, EnvelopeError, ReceiptId};
use super::super::finding::{Code, Finding};
use super::super::keys::{KeyId, PublicKey};
use super::super::log::LogId;
use super::super::policy::Trust;
use super::super::stamp::{Position, Time};
use super::super::verify::{Place, at_place};

/// What the chain needs to know of a receipt that could be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) id: ReceiptId,
    /// `None` when the payload is no statement, or one of another ledger.
    pub(super) place: Option<(Position, Time)>,
}

/// Judges receipts of one log.
pub(super) struct Judge<'a> {
    log: &'a LogId,
    log_name: String,
    genesis: Hash,
    /// Nobody, when the policy itself is refused: that is a finding of its own.
    trust: Option<&'a Trust>,
    keys: Vec<PublicKey>,
    /// Key ids in this chunk whose signatures were tried with every known key.
    strangers: Vec<KeyId>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(log: &'a LogId, genesis: Hash, trust: Option<&'a Trust>) -> Self {
        let keys = match trust {
            None => Vec::new(),
            Some(Trust::Own { keys, .. }) => keys.clone(),
            Some(Trust::Policy(signed)) => signed.policy.entries.iter().map(|entry| entry.key).collect(),
        };
        Self { log, log_name: log.to_string(), genesis, trust, keys, strangers: Vec::new() }
    }

    /// What a chunk says must not depend on the chunks that the same thread saw before.
    pub(super) fn begin_chunk(&mut self) {
        self.strangers.clear();
    }

    pub(super) fn judge(&mut self, index: u64, bytes: &[u8], say: &mut dyn FnMut(Finding)) -> Option<Link> {
        let place = Place { log: &self.log_name, ledger: self.genesis, index };
        let nobody = Trust::Own { log: String::new(), keys: Vec::new() };
        let judged = at_place(bytes, self.trust.unwrap_or(&nobody), place);
        let stamp = judged.statement.as_ref().map(|statement| &statement.stamp);
        // Without its header, a log's id is the half of its genesis that is still known.
        let is_ours = stamp.is_some_and(|stamp| LogId::of(&stamp.ledger) == *self.log);
        for finding in judged.findings {
            match finding.code {
                Code::LedgerIdMismatch if is_ours => {}
                Code::KeyUntrusted if self.trust.is_none() => {}
                Code::SigInvalid | Code::KeyUntrusted => match self.real_signer(bytes) {
                    Some(error) => say(Finding::new(error.code(), error.to_string()).at_index(index)),
                    None => say(finding),
                },
                _ => say(finding),
            }
        }
        let place = stamp.filter(|_| is_ours).map(|stamp| (stamp.position, stamp.time));
        judged.id.map(|id| Link { id, place })
    }

    /// A known key, other than the one that is named, that made this signature.
    fn real_signer(&mut self, bytes: &[u8]) -> Option<EnvelopeError> {
        let envelope = Envelope::parse(bytes).ok()?;
        // Once per key id and chunk: strangers' receipts must not cost every known key each.
        if self.strangers.contains(&envelope.keyid) {
            return None;
        }
        self.strangers.push(envelope.keyid);
        let named = envelope.keyid;
        let pae = envelope.pae();
        let signer = self.keys.iter().find(|key| key.id() != named && key.verify(&pae, &envelope.signature))?;
        Some(EnvelopeError::KeyId { envelope: named, key: signer.id() })
    }
}
