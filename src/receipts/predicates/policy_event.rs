//! `policy-event/v0.1`: that a trust policy was made or changed, with the digest of what it then said.
//!
//! The policy itself is a file in the main branch; the event ties its versions to the log's order.

use super::super::Hash;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object};
use super::super::statement::Subject;
use super::Predicate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyAction {
    Init,
    Add,
    Revoke,
}

const ACTIONS: [(PolicyAction, &str); 3] =
    [(PolicyAction::Init, "init"), (PolicyAction::Add, "add"), (PolicyAction::Revoke, "revoke")];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEvent {
    pub action: PolicyAction,
    pub serial: u64,
    /// SHA-256 of the policy's signed bytes after the change, and before it unless it is the first.
    pub policy: Hash,
    pub previous: Option<Hash>,
}

impl PolicyEvent {
    pub fn subject(&self) -> Subject {
        Subject::sha256("bizra-trust.json", self.policy)
    }
}

impl Predicate for PolicyEvent {
    const TYPE: &'static str = "urn:bizra:predicate:policy-event:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/policy-event-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        if (self.action == PolicyAction::Init) != self.previous.is_none() {
            return refuse("previous", "is null in the first version of a policy, and only there");
        }
        if self.previous == Some(self.policy) {
            return refuse("policy", "is what it was before");
        }
        if !(1..=json::MAX_INTEGER as u64).contains(&self.serial) {
            return refuse("serial", "counts from 1 to 2^53 - 1");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let action = ACTIONS.iter().find(|(action, _)| *action == self.action).map(|(_, name)| *name);
        Object::new()
            .with("action", action)
            .with("policy", hex::encode(&self.policy))
            .with("previous", self.previous.map(|hash| hex::encode(&hash)))
            .with("serial", json::integer(self.serial))
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let name = fields.string("action")?;
        let Some((action, _)) = ACTIONS.iter().find(|(_, other)| *other == name) else {
            return Err(fields.error("action", format!("{name:?} is none of init, add and revoke")));
        };
        Ok(Self {
            action: *action,
            serial: fields.count("serial")?,
            policy: fields.hex("policy")?,
            previous: match fields.nullable_string("previous")? {
                Some(_) => Some(fields.hex("previous")?),
                None => None,
            },
        })
    }
}
