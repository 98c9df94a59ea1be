//! One receipt by itself: its envelope, its statement, its signature, and what its key may do. Nothing here depends on
//! other receipts, so any thread can do it.

use std::collections::HashMap;

use super::super::envelope::{Envelope, EnvelopeError, ReceiptId};
use super::super::finding::{Code, Finding};
use super::super::keys::{KeyId, PublicKey};
use super::super::log::LogId;
use super::super::policy::Trust;
use super::super::predicates::Attestation;
use super::super::stamp::{Position, Time};
use super::super::statement::Statement;

/// What the chain needs to know of a receipt that could be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) id: ReceiptId,
    /// `None` when the payload is no statement, or one of another ledger.
    pub(super) place: Option<(Position, Time)>,
}

/// Judges receipts of one log. Keeps what it has learnt about keys, so each thread has its own.
pub(super) struct Judge<'a> {
    log: &'a LogId,
    log_name: String,
    /// `None` when the policy itself is refused, which is a finding of its own.
    trust: Option<&'a Trust>,
    keys: HashMap<KeyId, PublicKey>,
    /// Unknown key ids already compared with every known key.
    strangers: Vec<KeyId>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(log: &'a LogId, trust: Option<&'a Trust>) -> Self {
        let known: Vec<PublicKey> = match trust {
            None => Vec::new(),
            Some(Trust::Own { keys, .. }) => keys.clone(),
            Some(Trust::Policy(signed)) => signed.policy.entries.iter().map(|entry| entry.key).collect(),
        };
        let keys = known.into_iter().map(|key| (key.id(), key)).collect();
        Self { log, log_name: log.to_string(), trust, keys, strangers: Vec::new() }
    }

    /// What a chunk says must not depend on the chunks that the same thread saw before.
    pub(super) fn begin_chunk(&mut self) {
        self.strangers.clear();
    }

    pub(super) fn judge(&mut self, index: u64, bytes: &[u8], say: &mut dyn FnMut(Finding)) -> Option<Link> {
        let mut say = |code, detail: String| say(Finding::new(code, detail).at_index(index));
        let envelope = match Envelope::parse(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                say(error.code(), error.to_string());
                return None;
            }
        };
        let pae = envelope.pae();
        let id = ReceiptId::of_pae(&pae);
        let statement = match Statement::parse(&envelope.payload) {
            Ok(statement) => Some(statement),
            Err(error) => {
                say(error.code(), error.to_string());
                None
            }
        };
        self.check_signature(index, &envelope, &pae, statement.as_ref(), &mut say);
        let place = statement.and_then(|statement| {
            let stamp = statement.stamp;
            if LogId::of(&stamp.ledger) != *self.log {
                let detail = format!("the receipt was made for log {}", LogId::of(&stamp.ledger));
                say(Code::LedgerIdMismatch, detail);
                return None;
            }
            Some((stamp.position, stamp.time))
        });
        Some(Link { id, place })
    }

    fn check_signature(
        &mut self,
        index: u64,
        envelope: &Envelope,
        pae: &[u8],
        statement: Option<&Statement>,
        say: &mut dyn FnMut(Code, String),
    ) {
        let Some(trust) = self.trust else { return };
        let Some(key) = self.keys.get(&envelope.keyid) else {
            return match self.signer_of(envelope, pae) {
                Some(error) => say(error.code(), error.to_string()),
                None => {
                    let kind = statement.map_or("", |statement| &statement.predicate_type);
                    if let Err(refusal) = trust.admit(&self.log_name, envelope.keyid, kind, index) {
                        say(refusal.code(), refusal.to_string());
                    }
                }
            };
        };
        if let Err(error) = envelope.verify_pae(pae, key) {
            let error = self.signer_of(envelope, pae).unwrap_or(error);
            return say(error.code(), error.to_string());
        }
        let Some(statement) = statement else { return };
        let admitted = trust.admit(&self.log_name, envelope.keyid, &statement.predicate_type, index);
        let refused = admitted.and_then(|roles| match statement.predicate::<Attestation>() {
            Some(Ok(attestation)) => roles.check(&attestation.role),
            _ => Ok(()),
        });
        if let Err(refusal) = refused {
            say(refusal.code(), refusal.to_string());
        }
    }

    /// Another known key that made this signature: then the key id is wrong, not the signature.
    fn signer_of(&mut self, envelope: &Envelope, pae: &[u8]) -> Option<EnvelopeError> {
        // Once per key id and chunk: a thousand strangers' receipts must not cost a thousand times every known key.
        if self.strangers.contains(&envelope.keyid) {
            return None;
        }
        self.strangers.push(envelope.keyid);
        let made_it = |key: &&PublicKey| key.id() != envelope.keyid && key.verify(pae, &envelope.signature);
        let signer = self.keys.values().find(made_it)?;
        Some(EnvelopeError::KeyId { envelope: envelope.keyid, key: signer.id() })
    }
}
