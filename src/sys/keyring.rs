//! The keys of this machine: a folder that its owner alone can read.
//!
//! `ID.pem` is a private key, `ID.pub` its public half, and `default` names the key that signs. A `.pub` without its
//! `.pem` is a key that an ssh-agent keeps.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::{self, Access};
use crate::error::{Error, Result};
use crate::receipts::keys::{KeyId, PublicKey, SecretKey};

const DEFAULT: &str = "default";

#[derive(Clone, Debug)]
pub struct Keyring {
    folder: PathBuf,
}

/// A key that is known here.
#[derive(Clone, Debug)]
pub struct Known {
    pub public: PublicKey,
    pub comment: String,
    /// Whether the private half lies here; otherwise an agent keeps it.
    pub private: bool,
    pub default: bool,
}

impl Keyring {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Keyring { folder: folder.into() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every key, the default first, then by id.
    pub fn list(&self) -> Result<Vec<Known>> {
        let default = self.default_id()?;
        let unreadable = |e: &std::io::Error| Error::reading(&self.folder, e);
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(&e)),
        };
        let mut known = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| unreadable(&e))?.path();
            if path.extension().is_some_and(|e| e == "pub") {
                let line = files::read(&path)?;
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                let public = PublicKey::read(&line).map_err(|e| unusable(&path, &e))?;
                let comment = line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
                let id = public.id();
                known.push(Known {
                    public,
                    comment,
                    private: self.private(&id).exists(),
                    default: default == Some(id),
                });
            }
        }
        known.sort_by_key(|k| (!k.default, k.public.id().to_string()));
        Ok(known)
    }

    /// The key that signs, where one was chosen.
    pub fn default_key(&self) -> Result<Option<Known>> {
        let Some(id) = self.default_id()? else { return Ok(None) };
        match self.list()?.into_iter().find(|k| k.default) {
            Some(known) => Ok(Some(known)),
            None => Err(Error::invalid(format!("{} names the key {id}, which is not here", self.folder.join(DEFAULT).display()))
                .hint("`bizra keys list` shows the keys; put the missing one back, or remove that file to begin with a new key")),
        }
    }

    fn default_id(&self) -> Result<Option<KeyId>> {
        let path = self.folder.join(DEFAULT);
        let Some(bytes) = files::read_if_there(&path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        text.trim().parse().map(Some).map_err(|e| unusable(&path, &e))
    }

    /// Keeps other processes from choosing a key until the file is dropped.
    pub fn alone(&self) -> Result<File> {
        files::private_folder(&self.folder)?;
        let path = self.folder.join("lock");
        let locked = OpenOptions::new().write(true).create(true).truncate(false).open(&path).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        locked.map_err(|e| Error::writing(path.display(), &e))
    }

    /// The private half of `id`.
    pub fn load(&self, id: &KeyId) -> Result<SecretKey> {
        let path = self.private(id);
        let file = files::read(&path)?;
        if files::others_may_read(&path).map_err(|e| Error::reading(&path, &e))? {
            return Err(Error::cannot(format!("others may read the private key {}", path.display()))
                .hint(format!("chmod 600 '{}'", path.display())));
        }
        let key = SecretKey::read(&file).map_err(|e| unusable(&path, &e))?;
        if key.public().id() != *id {
            return Err(Error::invalid(format!("{} holds the key {}", path.display(), key.public().id())));
        }
        Ok(key)
    }

    /// Keeps a private key.
    pub fn keep(&self, key: &SecretKey, comment: &str) -> Result<PathBuf> {
        let path = self.private(&key.public().id());
        files::private_folder(&self.folder)?;
        files::replace(&path, key.to_pkcs8_pem().as_bytes(), Access::Owner)?;
        self.keep_public(key.public(), comment)?;
        Ok(path)
    }

    /// Keeps a public key alone, whose private half an agent has.
    pub fn keep_public(&self, key: &PublicKey, comment: &str) -> Result<()> {
        files::private_folder(&self.folder)?;
        let line = format!("{}\n", key.to_openssh(comment));
        files::replace(&self.folder.join(format!("{}.pub", key.id())), line.as_bytes(), Access::Everyone)
    }

    pub fn set_default(&self, id: &KeyId) -> Result<()> {
        files::replace(&self.folder.join(DEFAULT), format!("{id}\n").as_bytes(), Access::Owner)
    }

    fn private(&self, id: &KeyId) -> PathBuf {
        self.folder.join(format!("{id}.pem"))
    }
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("{} can't be used: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_their_owner_and_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let ring = Keyring::at(folder.path().join("keys"));
        assert!(ring.list().expect("none yet").is_empty());
        let (first, second) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let path = ring.keep(&first, "first one").expect("kept");
        ring.keep_public(second.public(), "").expect("kept");
        ring.set_default(&second.public().id()).expect("chosen");
        assert!(!files::others_may_read(&path).expect("there"));
        let known = ring.list().expect("two");
        assert_eq!(known.iter().map(|k| (k.private, k.default)).collect::<Vec<_>>(), [(false, true), (true, false)]);
        assert_eq!(known[1].comment, "first one");
        assert_eq!(ring.load(&first.public().id()).expect("here").public(), first.public());
        assert!(ring.load(&second.public().id()).is_err(), "an agent has it");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_does_not_sign() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let ring = Keyring::at(folder.path());
        let key = SecretKey::from_seed(&[1; 32]);
        let path = ring.keep(&key, "").expect("kept");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let refused = ring.load(&key.public().id()).expect_err("too open");
        assert_eq!(refused.exit, crate::error::Exit::Cannot);
        assert!(refused.hints[0].starts_with("chmod 600"));
    }

    #[test]
    fn a_default_that_is_gone_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let ring = Keyring::at(folder.path());
        ring.set_default(&SecretKey::from_seed(&[1; 32]).public().id()).expect("chosen");
        assert!(ring.default_key().is_err());
    }
}
