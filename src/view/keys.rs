//! The keys of this machine.

use serde_json::{Value, json};

use super::{View, short};
use crate::receipts::keys::PublicKey;
use crate::ui::{Align, Grid, Page};

pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) comment: String,
    pub(crate) held_by: &'static str,
    pub(crate) signs: bool,
    pub(crate) log: Option<String>,
}

pub(crate) struct Listed {
    pub(crate) keys: Vec<Key>,
}

impl View for Listed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.keys.is_empty() {
            page.text("no keys yet: `bizra keys init` makes one, and so does the first receipt");
            return page;
        }
        let header = ["signs", "key", "held by", "log", "comment"];
        let mut grid = Grid::new(header.map(|h| (h, Align::Left)));
        for key in &self.keys {
            let signs = if key.signs { "yes" } else { "" };
            grid.row([signs, short(&key.id), key.held_by, key.log.as_deref().map_or("-", short), &key.comment]);
        }
        page.grid(grid);
        page
    }

    fn json(&self) -> Value {
        let keys: Vec<Value> = self
            .keys
            .iter()
            .map(|k| json!({ "id": k.id, "comment": k.comment, "held_by": k.held_by, "signs": k.signs, "log": k.log }))
            .collect();
        json!({ "keys": keys })
    }
}

pub(crate) struct Shown {
    pub(crate) public: PublicKey,
    pub(crate) openssh: bool,
    pub(crate) pem: bool,
}

impl View for Shown {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.openssh {
            page.verbatim(format!("{}\n", self.public.to_openssh("")));
        } else if self.pem {
            page.verbatim(self.public.to_pem());
        } else {
            page.text(format!("id       {}", self.public.id()));
            page.text(format!("openssh  {}", self.public.to_openssh("")));
            for line in self.public.to_pem().lines() {
                page.text(line);
            }
        }
        page
    }

    fn json(&self) -> Value {
        json!({
            "id": self.public.id().to_string(),
            "openssh": self.public.to_openssh(""),
            "pem": self.public.to_pem(),
        })
    }
}

/// What became of the keys.
pub(crate) struct Changed {
    sentence: String,
    value: Value,
}

impl Changed {
    pub(crate) fn initialised(key: String, made: bool) -> Self {
        let sentence = if made {
            format!("receipts are signed with {key} from now on")
        } else {
            format!("receipts are signed with {key} already")
        };
        Changed { sentence, value: json!({ "key": key, "made": made }) }
    }

    pub(crate) fn rotated(old: String, new: String) -> Self {
        Changed {
            sentence: format!("receipts are signed with {new} from now on, no longer with {old}"),
            value: json!({ "old": old, "new": new }),
        }
    }

    pub(crate) fn revoked(key: String) -> Self {
        Changed {
            sentence: format!("the ledger says that {key} is revoked; `bizra trust revoke` makes others refuse it"),
            value: json!({ "revoked": key }),
        }
    }
}

impl View for Changed {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(&self.sentence);
        page
    }

    fn json(&self) -> Value {
        self.value.clone()
    }
}
