//! Models by name: what `REPO[:QUANT][@REVISION]` means, what a hub says it has, which of its files are a model, and
//! which bytes were reviewed (`bizra.lock`).
//!
//! Leaves out the network and the disk, which are `sys::hub`'s, and what is inside of a model's files, which is `infer`'s.

use std::path::PathBuf;

pub mod choose;
pub mod listing;
pub mod lock;
pub mod name;

pub use choose::{ChooseFault, Chosen, choose};
pub use listing::{Digest, Listing, ListingFault, RemoteFile};
pub use lock::{Lock, LockFault, Locked};
pub use name::{Name, NameFault};

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Below the snapshot, with slashes.
    pub path: String,
    pub at: PathBuf,
    /// None where the link leads nowhere.
    pub size: Option<u64>,
    /// By the name of the blob that it links to; none for a plain file, which tells nothing of its hash.
    pub digest: Option<Digest>,
}

/// A commit of a repository, as far as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub commit: String,
    /// The branches and tags that stood there when they were asked for.
    pub refs: Vec<String>,
    pub files: Vec<Held>,
}

/// Whether a file of that name may be made below a folder: nothing that leads out of it, that a shell or another platform
/// reads as something else, or that no file system holds.
pub fn is_safe(path: &str) -> bool {
    let component = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    let sign = |c: char| !c.is_control() && c != '\\' && !(cfg!(windows) && c == ':');
    path.len() <= 1024 && path.split('/').all(component) && path.chars().all(sign)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Text from outside in a message of ours: quoted, its control signs written out, and not longer than a line.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_not_safe() {
        for path in ["model.gguf", "Q8_0/model-00001-of-00002.gguf", "a b/ü.txt", "...", "..a/b"] {
            assert!(is_safe(path), "{path}");
        }
        let long = "x".repeat(256);
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\..\\b", "a\nb", "a\0", &long] {
            assert!(!is_safe(path), "{path:?}");
        }
    }
}
