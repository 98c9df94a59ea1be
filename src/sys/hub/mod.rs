//! A hub of models and the cache of its files: addresses, requests, downloads, and the layout that Hugging Face's tools
//! share.
//!
//! What is asked for is told by [`crate::model`]; here is only how it comes. A file counts once its hash is the one that
//! was announced, and until then lies under another name.

mod announce;
mod cache;
mod download;
mod http;
mod lock;

pub use cache::Cache;
pub use download::{Fate, Wanted, download, hash};
pub use http::Hub;

use std::time::Duration;

use crate::env::Vars;
use crate::error::Error;

/// What happens during a download, for whoever shows it.
pub enum Event<'a> {
    /// Another process downloads the same file; so many bytes of it are there.
    Waiting {
        file: &'a str,
        have: u64,
    },
    /// What lies here is hashed, so many bytes.
    Check {
        file: &'a str,
        total: u64,
    },
    /// Bytes come, after those that an earlier run left.
    Begin {
        file: &'a str,
        have: u64,
        total: Option<u64>,
    },
    At(u64),
    /// It failed for a reason that may pass.
    Retry {
        reason: &'a Error,
        pause: Duration,
    },
    /// What lay there was worth nothing: from the beginning.
    Afresh {
        file: &'a str,
        reason: &'a str,
    },
}

/// Told what happens.
pub type Tell<'a> = dyn FnMut(Event<'_>) + 'a;

/// Whether the variables say that no network is to be used.
pub fn is_offline(vars: &Vars) -> bool {
    let yes = |text: &str| matches!(text.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
    vars.get("HF_HUB_OFFLINE").is_some_and(yes)
}
