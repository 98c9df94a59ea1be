//! The trust policy.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{View, short};
use crate::receipts::hex;
use crate::receipts::policy::SignedPolicy;
use crate::ui::{Align, Grid, Page};

/// The policy as it stands.
pub(crate) struct Policies {
    pub(crate) path: PathBuf,
    pub(crate) signed: SignedPolicy,
}

impl View for Policies {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let policy = &self.signed.policy;
        page.text(format!("{} is version {}, signed by {}", self.path.display(), policy.serial, self.signed.signer));
        page.blank();
        let header = ["name", "key", "log", "from", "until", "revoked", "roles", "predicates"];
        let mut grid = Grid::new(header.map(|h| (h, Align::Left)));
        for entry in &policy.entries {
            let bound = |index: Option<u64>| index.map_or("-".to_owned(), |i| i.to_string());
            grid.row([
                entry.name.as_str(),
                short(&entry.key.id().to_string()),
                entry.log.as_deref().map_or("any", short),
                &entry.from.to_string(),
                &bound(entry.until),
                &bound(entry.revoked_at),
                &entry.roles.join(" "),
                &entry.predicates.join(" "),
            ]);
        }
        page.grid(grid);
        page
    }

    fn json(&self) -> Value {
        let policy = &self.signed.policy;
        let keys: Vec<Value> = policy
            .entries
            .iter()
            .map(|e| {
                json!({
                    "name": e.name, "key": e.key.id().to_string(), "log": e.log, "from": e.from, "until": e.until,
                    "revoked_at": e.revoked_at, "roles": e.roles, "predicates": e.predicates,
                })
            })
            .collect();
        json!({
            "path": self.path.to_string_lossy(),
            "serial": policy.serial,
            "signed_by": self.signed.signer.to_string(),
            "digest": hex::encode(&self.signed.digest),
            "policy_keys": policy.policy_keys.iter().map(|k| k.id().to_string()).collect::<Vec<_>>(),
            "keys": keys,
        })
    }
}

/// The policy was written.
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) signed: SignedPolicy,
}

impl View for Written {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(format!(
            "{} is version {} now, signed by {}: commit it, so that others can review it",
            self.path.display(),
            self.signed.policy.serial,
            self.signed.signer
        ));
        page
    }

    fn json(&self) -> Value {
        Policies { path: self.path.clone(), signed: self.signed.clone() }.json()
    }
}
