//! `key-event/v0.1`: a writer key's beginning, replacement and end, told by the log that it writes.
//!
//! A rotation takes two receipts, one signed by each key, so that both consent. What a key may do afterwards is the
//! trust policy's to say: an event is evidence, not permission.

use super::super::fields::{Fields, ShapeError};
use super::super::json::Object;
use super::super::keys::{KeyId, PublicKey};
use super::super::statement::Subject;
use super::super::{hex, json};
use super::Predicate;

const MAX_REASON_BYTES: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEvent {
    Init { key: PublicKey },
    Rotate { old: PublicKey, new: PublicKey },
    Revoke { key: PublicKey, reason: String },
}

impl KeyEvent {
    /// The keys concerned, each under its id.
    pub fn subjects(&self) -> Vec<Subject> {
        let subject = |key: &PublicKey| {
            let KeyId(digest) = key.id();
            Subject::sha256(format!("key:{}", key.id()), digest)
        };
        match self {
            Self::Init { key } | Self::Revoke { key, .. } => vec![subject(key)],
            Self::Rotate { old, new } => vec![subject(old), subject(new)],
        }
    }
}

impl Predicate for KeyEvent {
    const TYPE: &'static str = "urn:bizra:predicate:key-event:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/key-event-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        match self {
            Self::Rotate { old, new } if old == new => {
                Err(ShapeError::new("predicate.newKey", "a rotation needs two different keys"))
            }
            Self::Revoke { reason, .. } if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES => {
                Err(ShapeError::new("predicate.reason", "expected 1 to 1024 bytes that are not all white space"))
            }
            _ => Ok(()),
        }
    }

    fn body(&self) -> Object {
        let written = |key: &PublicKey| json::Value::from(hex::encode(key.as_bytes()));
        match self {
            Self::Init { key } => Object::new().with("event", "init").with("key", written(key)),
            Self::Rotate { old, new } => {
                Object::new().with("event", "rotate").with("newKey", written(new)).with("oldKey", written(old))
            }
            Self::Revoke { key, reason } => {
                Object::new().with("event", "revoke").with("key", written(key)).with("reason", reason.as_str())
            }
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let key = |fields: &mut Fields<'_>, name| {
            PublicKey::from_bytes(&fields.hex(name)?).map_err(|error| fields.error(name, error.to_string()))
        };
        match fields.string("event")? {
            "init" => Ok(Self::Init { key: key(fields, "key")? }),
            "rotate" => Ok(Self::Rotate { old: key(fields, "oldKey")?, new: key(fields, "newKey")? }),
            "revoke" => Ok(Self::Revoke { key: key(fields, "key")?, reason: fields.string("reason")?.to_owned() }),
            other => Err(fields.error("event", format!("{other:?} is none of init, rotate and revoke"))),
        }
    }
}
