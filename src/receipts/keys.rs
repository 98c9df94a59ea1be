//! Ed25519 keys: which ones may be used, how they are written, and what signs.
//!
//! Only keys of the prime-order group get in. `verify_strict` refuses weak keys by itself, but it accepts about half of
//! the signatures made with a mixed-order key, and which half depends on the message.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    NotAPoint,
    NonCanonical,
    Weak,
    MixedOrder,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPoint => write!(f, "the 32 bytes are no point of the curve, so no Ed25519 public key"),
            Self::NonCanonical => write!(f, "the public key is not in its canonical encoding"),
            Self::Weak => write!(f, "the public key has small order: anyone can make signatures for it"),
            Self::MixedOrder => {
                write!(f, "the public key has mixed order: whether a signature holds would depend on the verifier")
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// A public key that may be relied on: canonical, of prime order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::NonCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::MixedOrder);
        }
        Ok(Self(key))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", super::hex::encode(self.as_bytes()))
    }
}

impl From<&ed25519_dalek::SigningKey> for PublicKey {
    /// A derived key is a multiple of the base point, so always canonical and of prime order.
    fn from(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key())
    }
}
