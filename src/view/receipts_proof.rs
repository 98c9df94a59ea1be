//! Proofs that stand alone.

use serde_json::{Value, json};

use super::View;
use crate::receipts::hex;
use crate::receipts::proof::{Consistency, Inclusion};
use crate::ui::Page;

/// A receipt stands in a log.
pub(crate) struct Included {
    pub(crate) proof: Inclusion,
    pub(crate) verifier: String,
    pub(crate) log: String,
}

impl View for Included {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.verbatim(self.proof.to_string());
        page
    }

    fn json(&self) -> Value {
        json!({
            "log": self.log,
            "index": self.proof.index,
            "hashes": self.proof.hashes.iter().map(|h| hex::encode(h)).collect::<Vec<_>>(),
            "checkpoint": self.proof.checkpoint,
            "verifier": self.verifier,
        })
    }
}

/// A log only grew.
pub(crate) struct Grown {
    pub(crate) proof: Consistency,
    pub(crate) verifier: String,
    pub(crate) log: String,
}

impl View for Grown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.verbatim(self.proof.to_string());
        page
    }

    fn json(&self) -> Value {
        json!({
            "log": self.log,
            "from": { "size": self.proof.old, "root": hex::encode(&self.proof.old_root) },
            "to": { "size": self.proof.new, "root": hex::encode(&self.proof.new_root) },
            "hashes": self.proof.hashes.iter().map(|h| hex::encode(h)).collect::<Vec<_>>(),
            "checkpoint": self.proof.checkpoint,
            "verifier": self.verifier,
        })
    }
}
