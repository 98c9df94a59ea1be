//! The trust policy, `bizra-trust.json`: which keys may sign what, as which roles, over which part of which log.
//!
//! Bounds are log indexes, never times: a thief can backdate a receipt but not its place. The file is reviewed in the main
//! branch, so its layout is free; what a policy key signs is the canonical form of its `policy` member under DSSE's
//! pre-authentication encoding, and the signature stands beside it in the same file, so that one change is one file.
//! Without a policy, a machine's own keys are trusted for its own logs, and no role is judged ([`Trust::Own`]).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::envelope::pae;
use super::fields::{Fields, ShapeError};
use super::finding::Code;
use super::json::{self, Object, Value};
use super::keys::{KeyError, KeyId, PublicKey, SignError, Signer};
use super::{Hash, predicates};

#[cfg(test)]
mod tests;

pub const FILE_NAME: &str = "bizra-trust.json";
pub const PAYLOAD_TYPE: &str = "application/vnd.bizra.trust+json";
pub const MAX_BYTES: usize = 1 << 20;
const HEADER: &str = "trust/v1";

/// Where in the file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    TooLong {
        bytes: usize,
    },
    Malformed {
        place: Place,
        reason: String,
    },
    WeakKey {
        place: Place,
        path: String,
        reason: KeyError,
    },
    Unsigned(String),
    Sign(SignError),
    /// A policy that was put together here and cannot be written.
    Invalid(ShapeError),
}

impl PolicyError {
    /// `None` for a file that is no policy at all, which is invalid input rather than a finding.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::WeakKey { .. } => Some(Code::PolicyWeakKey),
            Self::Unsigned(_) => Some(Code::PolicyUnsigned),
            _ => None,
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{FILE_NAME} has {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::Malformed { place: Place { line, column }, reason } => {
                write!(f, "{FILE_NAME}:{line}:{column}: {reason}")
            }
            Self::WeakKey { place: Place { line, column }, path, reason } => {
                write!(f, "{FILE_NAME}:{line}:{column}: {path}: {reason}")
            }
            Self::Unsigned(reason) => write!(f, "{FILE_NAME} is not signed as it must be: {reason}"),
            Self::Sign(error) => error.fmt(f),
            Self::Invalid(error) => write!(f, "policy: {error}"),
        }
    }
}

impl std::error::Error for PolicyError {}

/// What one key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// For people: whose key it is.
    pub name: String,
    pub key: PublicKey,
    /// The log whose indexes the bounds count; `None` for a key that writes many short logs, such as CI's.
    pub log: Option<String>,
    pub roles: Vec<String>,
    /// `attestation/v0.1` and the like.
    pub predicates: Vec<String>,
    /// The first index that counts.
    pub from: u64,
    /// The first index that no longer counts.
    pub until: Option<u64>,
    /// From this index on, the key's receipts are refused as revoked.
    pub revoked_at: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Counts the versions, from 1.
    pub serial: u64,
    /// The keys that may sign the policy.
    pub policy_keys: Vec<PublicKey>,
    pub entries: Vec<Entry>,
}

/// A policy whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicy {
    pub policy: Policy,
    pub signer: KeyId,
    /// SHA-256 of the signed bytes.
    pub digest: Hash,
}

impl SignedPolicy {
    /// Reads a policy and checks that one of its own policy keys signed it. `anchor` names the key that must have; without
    /// it, the policy stands on its review in the main branch.
    pub fn open(file: &[u8], anchor: Option<KeyId>) -> Result<Self, PolicyError> {
        let (policy, signature) = read_file(file)?;
        let unsigned = |reason: String| Err(PolicyError::Unsigned(reason));
        let Some((signer, signature)) = signature else {
            return unsigned("it has no signature".to_owned());
        };
        let Some(key) = policy.policy_keys.iter().find(|key| key.id() == signer) else {
            return unsigned(format!("{signer} is none of its policy keys"));
        };
        if let Some(anchor) = anchor.filter(|anchor| *anchor != signer) {
            return unsigned(format!("it is signed by {signer}, not by {anchor}"));
        }
        let message = policy.message();
        if !key.verify(&message, &signature) {
            return unsigned(format!("the signature by {signer} does not belong to what it says"));
        }
        Ok(Self { policy, signer, digest: Sha256::digest(&message).into() })
    }

    /// Whether this may replace `previous`: the next version, signed by a key that could sign the last one.
    pub fn follows(&self, previous: &Self) -> Result<(), PolicyError> {
        if self.policy.serial != previous.policy.serial + 1 {
            let (before, after) = (previous.policy.serial, self.policy.serial);
            return Err(PolicyError::Invalid(ShapeError::new("serial", format!("is {after} after {before}"))));
        }
        if !previous.policy.policy_keys.iter().any(|key| key.id() == self.signer) {
            return Err(PolicyError::Unsigned(format!("{} is no policy key of the version before", self.signer)));
        }
        Ok(())
    }
}

impl Policy {
    /// The file's text.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, PolicyError> {
        self.check().map_err(PolicyError::Invalid)?;
        let keyid = signer.public_key().id();
        if !self.policy_keys.contains(signer.public_key()) {
            return Err(PolicyError::Unsigned(format!("{keyid} is none of its policy keys")));
        }
        let message = self.message();
        let signature = signer.sign(&message).map_err(PolicyError::Sign)?;
        if !signer.public_key().verify(&message, &signature) {
            return Err(PolicyError::Sign(SignError::Wrong));
        }
        let signature = Object::new().with("keyid", keyid.to_string()).with("sig", BASE64.encode(signature));
        let file = Object::new().with("bizra", HEADER).with("policy", self.to_value()).with("signature", signature);
        Ok(Value::Object(file).to_pretty())
    }

    /// What the key `keyid` may do at `index` of `log`.
    pub fn admit(&self, log: &str, keyid: KeyId, predicate_type: &str, index: u64) -> Result<Roles<'_>, Refusal> {
        let entry = self.entry(log, keyid).ok_or_else(|| Refusal::Untrusted { key: keyid, log: log.to_owned() })?;
        if let Some(at) = entry.revoked_at.filter(|at| index >= *at) {
            return Err(Refusal::Revoked { name: entry.name.clone(), index, at });
        }
        if index < entry.from || entry.until.is_some_and(|until| index >= until) {
            let (from, until) = (entry.from, entry.until);
            return Err(Refusal::OutOfRange { name: entry.name.clone(), index, from, until });
        }
        let allowed = predicates::name_of(predicate_type).is_some_and(|name| entry.predicates.contains(&name));
        if !allowed {
            return Err(Refusal::Role { name: entry.name.clone(), what: format!("receipts of type {predicate_type}") });
        }
        Ok(Roles::Listed { name: &entry.name, roles: &entry.roles })
    }

    fn entry(&self, log: &str, keyid: KeyId) -> Option<&Entry> {
        let covers = |entry: &&Entry| entry.log.as_deref().is_none_or(|other| other == log);
        self.entries.iter().filter(covers).find(|entry| entry.key.id() == keyid)
    }

    fn message(&self) -> Vec<u8> {
        pae(PAYLOAD_TYPE, self.to_value().to_canonical().as_bytes())
    }

    fn to_value(&self) -> Value {
        let policy_keys: Vec<String> = self.policy_keys.iter().map(|key| key.to_openssh("")).collect();
        Object::new()
            .with("keys", self.entries.iter().map(Entry::to_value).collect::<Vec<_>>())
            .with("policyKeys", policy_keys)
            .with("serial", json::integer(self.serial))
            .into()
    }

    fn check(&self) -> Result<(), ShapeError> {
        let refuse = |path: String, reason: &str| Err(ShapeError::new(path, reason));
        if !(1..=json::MAX_INTEGER as u64).contains(&self.serial) {
            return refuse("serial".into(), "counts from 1 to 2^53 - 1");
        }
        if self.policy_keys.is_empty() {
            return refuse("policyKeys".into(), "at least one key signs the policy");
        }
        for (at, key) in self.policy_keys.iter().enumerate() {
            if self.policy_keys[..at].contains(key) {
                return refuse(format!("policyKeys[{at}]"), "the key occurs twice");
            }
        }
        for (at, entry) in self.entries.iter().enumerate() {
            entry.check(&format!("keys[{at}]"))?;
            let overlaps = |other: &&Entry| {
                other.key == entry.key && (other.log == entry.log || other.log.is_none() || entry.log.is_none())
            };
            if self.entries[..at].iter().any(|other| overlaps(&other)) {
                return refuse(format!("keys[{at}].key"), "the key occurs twice for the same log");
            }
        }
        Ok(())
    }

    fn read(path: &str, value: &Value) -> Result<Self, ReadError> {
        let mut fields = Fields::of(path, value)?;
        let mut policy_keys = Vec::new();
        for (path, line) in fields.array("policyKeys")? {
            policy_keys.push(read_key(path, line)?);
        }
        let mut entries = Vec::new();
        for (path, value) in fields.array("keys")? {
            entries.push(Entry::read(path, value)?);
        }
        let policy = Self { serial: fields.count("serial")?, policy_keys, entries };
        fields.finish()?;
        policy.check().map_err(|error| ShapeError::new(format!("{path}.{}", error.path), error.reason))?;
        Ok(policy)
    }
}

impl Entry {
    fn to_value(&self) -> Value {
        let index = |index: Option<u64>| index.and_then(json::integer).unwrap_or(Value::Null);
        Object::new()
            .with("from", index(Some(self.from)))
            .with("key", self.key.to_openssh(""))
            .with("log", self.log.clone())
            .with("name", self.name.as_str())
            .with("predicates", self.predicates.clone())
            .with("revokedAt", index(self.revoked_at))
            .with("roles", self.roles.clone())
            .with("until", index(self.until))
            .into()
    }

    fn read(path: String, value: &Value) -> Result<Self, ReadError> {
        let mut fields = Fields::of(path, value)?;
        let owned = |strings: Vec<&str>| strings.into_iter().map(str::to_owned).collect();
        let entry = Self {
            name: fields.string("name")?.to_owned(),
            key: read_key(fields.path_of("key"), fields.take("key")?)?,
            log: fields.nullable_string("log")?.map(str::to_owned),
            roles: owned(fields.strings("roles")?),
            predicates: owned(fields.strings("predicates")?),
            from: fields.count("from")?,
            until: fields.nullable_count("until")?,
            revoked_at: fields.nullable_count("revokedAt")?,
        };
        fields.finish()?;
        Ok(entry)
    }

    fn check(&self, path: &str) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("{path}.{field}"), reason));
        if self.name.trim().is_empty() || self.name.len() > 128 || self.name.contains(char::is_control) {
            return refuse("name", "expected 1 to 128 bytes without control characters");
        }
        let log_id = |log: &str| {
            (1..=128).contains(&log.len())
                && log.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if self.log.as_deref().is_some_and(|log| !log_id(log)) {
            return refuse("log", "is no log id");
        }
        if let Some(role) = self.roles.iter().find(|role| predicates::check_role(role).is_err()) {
            return refuse(
                "roles",
                &format!("{role:?} is no role: lower-case letters, digits and hyphens, at most 64"),
            );
        }
        if let Some(name) = self.predicates.iter().find(|name| predicates::type_of(name).is_none()) {
            return refuse("predicates", &format!("{name:?} is no predicate such as attestation/v0.1"));
        }
        let repeats = |words: &[String]| words.iter().enumerate().any(|(at, word)| words[..at].contains(word));
        if repeats(&self.roles) || repeats(&self.predicates) {
            return refuse(if repeats(&self.roles) { "roles" } else { "predicates" }, "has the same word twice");
        }
        if self.until.is_some_and(|until| until <= self.from) {
            return refuse("until", "leaves nothing from `from` on");
        }
        // No bound may round away when the policy is written.
        let bounds = [("from", Some(self.from)), ("until", self.until), ("revokedAt", self.revoked_at)];
        match bounds.into_iter().find(|(_, bound)| bound.is_some_and(|bound| json::integer(bound).is_none())) {
            Some((field, _)) => refuse(field, "is beyond 2^53 - 1"),
            None => Ok(()),
        }
    }
}

/// The roles that a key was admitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles<'a> {
    Listed {
        name: &'a str,
        roles: &'a [String],
    },
    /// There is no policy, so nobody has said which roles a key has. A plan that asks for a role cannot rely on this.
    Unjudged,
}

impl Roles<'_> {
    pub fn check(&self, role: &str) -> Result<(), Refusal> {
        match self {
            Self::Listed { name, roles } if !roles.iter().any(|other| other == role) => {
                Err(Refusal::Role { name: (*name).to_owned(), what: format!("the role {role}") })
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Untrusted { key: KeyId, log: String },
    Role { name: String, what: String },
    Revoked { name: String, index: u64, at: u64 },
    OutOfRange { name: String, index: u64, from: u64, until: Option<u64> },
}

impl Refusal {
    pub fn code(&self) -> Code {
        match self {
            Self::Untrusted { .. } => Code::KeyUntrusted,
            Self::Role { .. } => Code::KeyRole,
            Self::Revoked { .. } => Code::KeyRevoked,
            Self::OutOfRange { .. } => Code::KeyOutOfRange,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted { key, log } => write!(f, "key {key} is not trusted for log {log}"),
            Self::Role { name, what } => write!(f, "{name}'s key is not trusted for {what}"),
            Self::Revoked { name, index, at } => write!(f, "{name}'s key is revoked from index {at}; this is {index}"),
            Self::OutOfRange { name, index, from, until: Some(until) } => {
                write!(f, "{name}'s key counts from index {from} to before {until}; this is {index}")
            }
            Self::OutOfRange { name, index, from, until: None } => {
                write!(f, "{name}'s key counts from index {from}; this is {index}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What receipts are judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    Policy(SignedPolicy),
    /// No policy: the keys that this machine has had, for its own logs only.
    Own {
        logs: Vec<String>,
        keys: Vec<PublicKey>,
    },
}

impl Trust {
    /// The key that `keyid` names, whatever it may do. Not yet a reason to rely on it.
    pub fn key(&self, keyid: KeyId) -> Option<&PublicKey> {
        match self {
            Self::Policy(signed) => signed.policy.entries.iter().map(|entry| &entry.key).find(|key| key.id() == keyid),
            Self::Own { keys, .. } => keys.iter().find(|key| key.id() == keyid),
        }
    }

    pub fn admit(&self, log: &str, keyid: KeyId, predicate_type: &str, index: u64) -> Result<Roles<'_>, Refusal> {
        match self {
            Self::Policy(signed) => signed.policy.admit(log, keyid, predicate_type, index),
            Self::Own { logs, keys }
                if logs.iter().any(|own| own == log) && keys.iter().any(|key| key.id() == keyid) =>
            {
                Ok(Roles::Unjudged)
            }
            Self::Own { .. } => Err(Refusal::Untrusted { key: keyid, log: log.to_owned() }),
        }
    }
}

enum ReadError {
    Shape(ShapeError),
    Weak { path: String, reason: KeyError },
}

impl From<ShapeError> for ReadError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

type Signature = (KeyId, [u8; 64]);

fn read_file(file: &[u8]) -> Result<(Policy, Option<Signature>), PolicyError> {
    if file.len() > MAX_BYTES {
        return Err(PolicyError::TooLong { bytes: file.len() });
    }
    let value = json::parse(file).map_err(|error| PolicyError::Malformed {
        place: place(file, error.offset),
        reason: error.reason.to_owned(),
    })?;
    read_document(&value).map_err(|error| match error {
        ReadError::Shape(error) => {
            PolicyError::Malformed { place: place(file, json::locate(file, &error.path)), reason: error.to_string() }
        }
        ReadError::Weak { path, reason } => {
            PolicyError::WeakKey { place: place(file, json::locate(file, &path)), path, reason }
        }
    })
}

fn read_document(value: &Value) -> Result<(Policy, Option<Signature>), ReadError> {
    let mut fields = Fields::of("", value)?;
    if fields.string("bizra")? != HEADER {
        return Err(fields.error("bizra", format!("expected {HEADER:?}")).into());
    }
    let policy = Policy::read("policy", fields.take("policy")?)?;
    let signature = match fields.optional("signature") {
        None => None,
        Some(_) => {
            let mut signature = fields.object("signature")?;
            let bytes = |text| BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            let read = |text| bytes(text).ok_or("expected 64 bytes in padded standard base64");
            let keyid = signature.parsed("keyid", str::parse)?;
            let sig = signature.parsed("sig", read)?;
            signature.finish()?;
            Some((keyid, sig))
        }
    };
    fields.finish()?;
    Ok((policy, signature))
}

fn read_key(path: String, line: &Value) -> Result<PublicKey, ReadError> {
    let Value::String(line) = line else {
        return Err(ShapeError::new(path, format!("expected an OpenSSH public key, found {}", line.kind())).into());
    };
    match PublicKey::read(line) {
        Ok(key) if key.to_openssh("") == *line => Ok(key),
        Ok(_) => Err(ShapeError::new(path, "expected `ssh-ed25519 BASE64` with nothing before or after").into()),
        Err(reason @ (KeyError::Weak | KeyError::MixedOrder | KeyError::NonCanonical)) => {
            Err(ReadError::Weak { path, reason })
        }
        Err(other) => Err(ShapeError::new(path, other.to_string()).into()),
    }
}

fn place(file: &[u8], offset: usize) -> Place {
    let before = &file[..offset.min(file.len())];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    Place { line, column: 1 + String::from_utf8_lossy(&before[start..]).chars().count() }
}
