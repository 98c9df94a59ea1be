//! What receipts commit to and don't tell: the salts, and the texts where the user asked to keep them.
//!
//! One file per run in the data folder, named by the prompt's commitment, for its owner alone. Deleting the file erases
//! what the receipt held on to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::files::{self, Access};
use crate::error::{Error, Result};
use crate::receipts::commitment::Salt;
use crate::receipts::{Hash, hex};

#[derive(Clone, Debug)]
pub struct Vault {
    folder: PathBuf,
}

/// The secret side of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub prompt_salt: Salt,
    pub output_salt: Salt,
    pub texts: Option<Texts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// What the model read, template applied.
    pub prompt: String,
    pub output: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    prompt_salt: String,
    output_salt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Texts>,
}

impl Vault {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Vault { folder: folder.into() }
    }

    fn path(&self, prompt: &Hash) -> PathBuf {
        self.folder.join(format!("{}.json", hex::encode(prompt)))
    }

    pub fn keep(&self, prompt: &Hash, secret: &Secret) -> Result<()> {
        files::private_folder(&self.folder)?;
        let stored = Stored {
            version: 1,
            prompt_salt: hex::encode(&secret.prompt_salt),
            output_salt: hex::encode(&secret.output_salt),
            texts: secret.texts.clone(),
        };
        let mut bytes = serde_json::to_vec(&stored).expect("invariant: strings serialise");
        bytes.push(b'\n');
        files::replace(&self.path(prompt), &bytes, Access::Owner)
    }

    /// The secret of the run with this prompt commitment, where it is still here.
    pub fn open(&self, prompt: &Hash) -> Result<Option<Secret>> {
        let path = self.path(prompt);
        let Some(bytes) = files::read_if_there(&path)? else { return Ok(None) };
        let damaged = |why: String| Error::invalid(format!("{}: {why}", path.display()));
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        let salt = |text: &str| hex::decode(text).ok_or_else(|| damaged("a salt is not 64 hexadecimal digits".into()));
        Ok(Some(Secret {
            prompt_salt: salt(&stored.prompt_salt)?,
            output_salt: salt(&stored.output_salt)?,
            texts: stored.texts,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_and_belong_to_their_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::at(folder.path().join("texts"));
        let texts = Texts { prompt: "p\u{0}".into(), output: "o".into() };
        let secret = Secret { prompt_salt: [1; 32], output_salt: [2; 32], texts: Some(texts) };
        vault.keep(&[9; 32], &secret).expect("kept");
        assert_eq!(vault.open(&[9; 32]).expect("readable"), Some(secret));
        assert_eq!(vault.open(&[8; 32]).expect("not there"), None);
        assert!(!files::others_may_read(&vault.path(&[9; 32])).expect("there"));
        std::fs::write(vault.path(&[8; 32]), b"{}").expect("written");
        assert!(vault.open(&[8; 32]).is_err());
    }
}
