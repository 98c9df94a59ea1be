//! One receipt, judged: its envelope, its signature, its statement, and whether its key may say what it says.
//!
//! What only the receipts around it can tell (order, sessions, duplicates) is for the audit of the whole log.

use super::Hash;
use super::envelope::{Envelope, ReceiptId};
use super::finding::{Code, Finding};
use super::keys::{KeyId, PublicKey};
use super::policy::{Refusal, Roles, Trust};
use super::predicates::{Attestation, Predicate as _};
use super::statement::Statement;

/// Where a receipt was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub log: &'a str,
    /// The log's genesis hash.
    pub ledger: Hash,
    pub index: u64,
}

/// What could be read of a receipt, and all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'a> {
    /// `None` when the envelope itself cannot be read.
    pub id: Option<ReceiptId>,
    /// The key that the envelope names.
    pub key: Option<KeyId>,
    /// `None` when the payload is no statement.
    pub statement: Option<Statement>,
    /// `None` unless the key was admitted.
    pub roles: Option<Roles<'a>>,
    pub findings: Vec<Finding>,
}

impl Judged<'_> {
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Judges a receipt by the signature of one given key, with nothing said about what that key may do.
pub fn by_key(envelope: &[u8], key: &PublicKey) -> Judged<'static> {
    let (mut judged, envelope) = read(envelope);
    if let Some(Err(error)) = envelope.map(|envelope| envelope.verify(key)) {
        judged.findings.push(Finding::new(error.code(), error.to_string()));
    }
    judged
}

/// Judges a receipt at its place in a log.
pub fn at_place<'a>(envelope: &[u8], trust: &'a Trust, place: Place<'_>) -> Judged<'a> {
    let (mut judged, envelope) = read(envelope);
    if let Some(envelope) = envelope {
        check_place(&mut judged, &envelope, trust, place);
    }
    for finding in &mut judged.findings {
        finding.index = Some(place.index);
    }
    judged
}

fn read<'a>(bytes: &[u8]) -> (Judged<'a>, Option<Envelope>) {
    let mut judged = Judged { id: None, key: None, statement: None, roles: None, findings: Vec::new() };
    let envelope = match Envelope::parse(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            judged.findings.push(Finding::new(error.code(), error.to_string()));
            return (judged, None);
        }
    };
    judged.id = Some(envelope.id());
    judged.key = Some(envelope.keyid);
    match Statement::parse(&envelope.payload) {
        Ok(statement) => judged.statement = Some(statement),
        Err(error) => judged.findings.push(Finding::new(error.code(), error.to_string())),
    }
    (judged, Some(envelope))
}

fn check_place<'a>(judged: &mut Judged<'a>, envelope: &Envelope, trust: &'a Trust, place: Place<'_>) {
    match trust.key(envelope.keyid) {
        Some(key) => {
            if let Err(error) = envelope.verify(key) {
                judged.findings.push(Finding::new(error.code(), error.to_string()));
            }
        }
        None => {
            let refusal = Refusal::Untrusted { key: envelope.keyid, log: place.log.to_owned() };
            judged.findings.push(Finding::new(refusal.code(), refusal.to_string()));
        }
    }
    let Some(statement) = &judged.statement else { return };
    if statement.stamp.ledger != place.ledger {
        let [found, expected] = [statement.stamp.ledger, place.ledger].map(|hash| super::hex::encode(&hash));
        let detail = format!("the receipt belongs to ledger {found}, and this is {expected}");
        judged.findings.push(Finding::new(Code::LedgerIdMismatch, detail));
    }
    if trust.key(envelope.keyid).is_none() {
        return;
    }
    let admitted = trust.admit(place.log, envelope.keyid, &statement.predicate_type, place.index);
    let admitted = admitted.and_then(|roles| check_role(statement, roles));
    match admitted {
        Ok(roles) => judged.roles = Some(roles),
        Err(refusal) => judged.findings.push(Finding::new(refusal.code(), refusal.to_string())),
    }
}

/// An attestation speaks as a role, which its key must have.
fn check_role<'a>(statement: &Statement, roles: Roles<'a>) -> Result<Roles<'a>, Refusal> {
    if statement.predicate_type == Attestation::TYPE
        && let Some(Ok(attestation)) = statement.predicate::<Attestation>()
    {
        roles.check(&attestation.role)?;
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::super::keys::SecretKey;
    use super::super::policy::{Entry, Policy, SignedPolicy};
    use super::super::statement::tests::{approval, seal_as, signer, stamp};
    use super::*;

    fn place() -> Place<'static> {
        Place { log: "main", ledger: stamp().ledger, index: 4 }
    }

    fn own(seeds: &[SecretKey]) -> Trust {
        Trust::Own { logs: vec!["main".into()], keys: seeds.iter().map(|secret| *secret.public()).collect() }
    }

    fn policy(change: impl FnOnce(&mut Entry)) -> Trust {
        let mut entry = Entry {
            name: "Ada".into(),
            key: *signer().public(),
            log: None,
            roles: vec!["lead".into()],
            predicates: vec!["attestation/v0.1".into()],
            from: 0,
            until: None,
            revoked_at: None,
        };
        change(&mut entry);
        let root = SecretKey::from_seed(&[9; 32]);
        let policy = Policy { serial: 1, policy_keys: vec![*root.public()], entries: vec![entry] };
        Trust::Policy(SignedPolicy::open(policy.sign(&root).unwrap().as_bytes(), None).unwrap())
    }

    fn codes(trust: &Trust, envelope: &[u8], place: Place<'_>) -> Vec<Code> {
        let judged = at_place(envelope, trust, place);
        assert!(judged.findings.iter().all(|finding| finding.index == Some(place.index)));
        assert_eq!(judged.holds(), judged.findings.is_empty());
        judged.findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_good_receipt_has_no_findings() {
        let envelope = seal_as(&approval());
        let trust = policy(|_| {});
        let judged = at_place(&envelope.to_bytes(), &trust, place());
        assert!(judged.holds());
        assert_eq!(judged.id, Some(envelope.id()));
        assert!(matches!(judged.roles, Some(Roles::Listed { name: "Ada", .. })));
        assert_eq!(codes(&own(&[signer()]), &envelope.to_bytes(), place()), []);
        assert!(by_key(&envelope.to_bytes(), signer().public()).holds());
    }

    #[test]
    fn each_fault_gives_exactly_its_findings() {
        let good = seal_as(&approval());
        let bytes = good.to_bytes();
        let mut forged = good.clone();
        forged.payload = String::from_utf8(forged.payload).unwrap().replace("holds", "fails").into_bytes();
        let mut garbled = good.clone();
        garbled.payload.push(b' ');
        let stranger = SecretKey::from_seed(&[8; 32]);

        assert_eq!(codes(&policy(|_| {}), &forged.to_bytes(), place()), [Code::SigInvalid]);
        assert_eq!(codes(&policy(|_| {}), &garbled.to_bytes(), place()), [Code::PayloadNoncanonical, Code::SigInvalid]);
        assert_eq!(codes(&policy(|_| {}), &bytes[1..], place()), [Code::EnvelopeNoncanonical]);
        assert_eq!(codes(&policy(|_| {}), &bytes, Place { ledger: [0; 32], ..place() }), [Code::LedgerIdMismatch]);
        assert_eq!(codes(&own(&[stranger]), &bytes, place()), [Code::KeyUntrusted]);
        assert_eq!(codes(&own(&[signer()]), &bytes, Place { log: "other", ..place() }), [Code::KeyUntrusted]);
        assert_eq!(codes(&policy(|entry| entry.roles.clear()), &bytes, place()), [Code::KeyRole]);
        assert_eq!(codes(&policy(|entry| entry.predicates.clear()), &bytes, place()), [Code::KeyRole]);
        assert_eq!(codes(&policy(|entry| entry.revoked_at = Some(4)), &bytes, place()), [Code::KeyRevoked]);
        assert_eq!(codes(&policy(|entry| entry.from = 5), &bytes, place()), [Code::KeyOutOfRange]);

        let other = SecretKey::from_seed(&[8; 32]);
        let judged = by_key(&bytes, other.public());
        assert_eq!(judged.findings[0].code, Code::KeyidMismatch);
    }
}
