//! Ed25519 keys: which ones may be used, how they are written, and what signs.
//!
//! Only keys of the prime-order group get in. `verify_strict` refuses weak keys by itself, but it accepts about half of
//! the signatures made with a mixed-order key, and which half depends on the message.
//! Where key files lie and who may read them is not decided here.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey, pkcs8};
use sha2::{Digest as _, Sha256};

use super::{Hash, hex};

#[cfg(test)]
mod tests;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    NotAPoint,
    NonCanonical,
    Weak,
    MixedOrder,
    Encrypted,
    Unsupported { found: String },
    Unreadable { format: &'static str, reason: String },
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
            Self::Encrypted => write!(
                f,
                "the key file is encrypted, and bizra asks for no passphrase: add the key to ssh-agent, or decrypt a copy"
            ),
            Self::Unsupported { found } => write!(f, "{found} is not supported; use an Ed25519 key"),
            Self::Unreadable { format, reason } => write!(f, "not a valid {format}: {reason}"),
        }
    }
}

impl std::error::Error for KeyError {}

/// A public key's name in receipts and policies: SHA-256 of its DER SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub Hash);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        hex::decode(text).map(Self).ok_or_else(|| unreadable("key id", "expected 64 lower-case hexadecimal digits"))
    }
}

/// A public key that may be relied on: canonical, of prime order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    /// Looked for with every receipt, so it is made once.
    id: KeyId,
}

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
        Ok(Self::of(key))
    }

    fn of(key: VerifyingKey) -> Self {
        /// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410).
        const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let mut der = [0; 44];
        der[..12].copy_from_slice(&SPKI);
        der[12..].copy_from_slice(key.as_bytes());
        Self { key, id: KeyId(Sha256::digest(der).into()) }
    }

    /// Reads an OpenSSH line (`ssh-ed25519 AAAA… comment`) or a PEM public key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            let label = pem_label(text);
            if label != "PUBLIC KEY" {
                return Err(KeyError::Unsupported { found: format!("a PEM file of type {label:?} as a public key") });
            }
            let bytes = pkcs8::PublicKeyBytes::from_public_key_pem(text)
                .map_err(|error| unreadable("Ed25519 public key in PEM", error))?;
            return Self::from_bytes(&bytes.0);
        }
        let key = ssh_key::PublicKey::from_openssh(text).map_err(|error| unreadable("OpenSSH public key", error))?;
        match key.key_data() {
            ssh_key::public::KeyData::Ed25519(key) => Self::from_bytes(&key.0),
            other => Err(KeyError::Unsupported { found: format!("an OpenSSH key of type {}", other.algorithm()) }),
        }
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The OpenSSH line, without a newline.
    pub fn to_openssh(&self, comment: &str) -> String {
        let key = ssh_key::public::Ed25519PublicKey(*self.as_bytes());
        let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
        ssh_key::PublicKey::new(key.into(), comment).to_openssh().expect("invariant: 32 bytes fit an OpenSSH line")
    }

    pub fn to_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("invariant: 32 bytes fit a PEM document")
    }

    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(self.as_bytes()))
    }
}

impl From<&SigningKey> for PublicKey {
    /// A derived key is a multiple of the base point, so always canonical and of prime order.
    fn from(key: &SigningKey) -> Self {
        Self::of(key.verifying_key())
    }
}

/// A private key. Wiped from memory when dropped, like the texts it is written to.
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// `seed` must come from the operating system's randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::from(SigningKey::from_bytes(seed))
    }

    /// Reads an unencrypted PKCS#8 PEM or OpenSSH private key.
    pub fn read(file: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(file).map_err(|error| unreadable("key file", error))?.trim();
        match pem_label(text) {
            "PRIVATE KEY" => SigningKey::from_pkcs8_pem(text)
                .map(Self::from)
                .map_err(|error| unreadable("Ed25519 private key in PKCS#8", error)),
            "OPENSSH PRIVATE KEY" => Self::read_openssh(text),
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
            "" => Err(unreadable("key file", "it begins with no PEM line such as `-----BEGIN PRIVATE KEY-----`")),
            other => Err(KeyError::Unsupported { found: format!("a PEM file of type {other:?} as a private key") }),
        }
    }

    fn read_openssh(text: &str) -> Result<Self, KeyError> {
        let bad = |error: ssh_key::Error| unreadable("OpenSSH private key", error);
        let key = ssh_key::PrivateKey::from_openssh(text).map_err(bad)?;
        if key.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        match key.key_data() {
            ssh_key::private::KeypairData::Ed25519(pair) => Ok(Self::from(SigningKey::try_from(pair).map_err(bad)?)),
            _ => {
                Err(KeyError::Unsupported { found: format!("an OpenSSH key of type {}", key.public_key().algorithm()) })
            }
        }
    }

    /// PKCS#8 as OpenSSL writes it: the private key alone, which every version of OpenSSL reads.
    pub fn to_pkcs8_pem(&self) -> impl Deref<Target = String> + use<> {
        let bytes = pkcs8::KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).expect("invariant: 32 bytes fit a PKCS#8 document")
    }

    pub fn to_openssh(&self, comment: &str) -> impl Deref<Target = String> + use<> {
        let pair = ssh_key::private::Ed25519Keypair::from(&self.key);
        ssh_key::PrivateKey::new(pair.into(), comment)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .expect("invariant: 32 bytes fit an OpenSSH key file")
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// For a key that signs checkpoints.
    pub fn into_signing_key(self) -> SigningKey {
        self.key
    }
}

impl From<SigningKey> for SecretKey {
    fn from(key: SigningKey) -> Self {
        Self { public: PublicKey::from(&key), key }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public.id())
    }
}

fn unreadable(format: &'static str, reason: impl fmt::Display) -> KeyError {
    KeyError::Unreadable { format, reason: reason.to_string() }
}

fn pem_label(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default().trim_end();
    line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")).unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignError {
    /// What holds the key cannot be reached.
    Unavailable(String),
    /// It was reached and will not sign.
    Refused(String),
    /// It signed, but the signature does not belong to the key and message.
    Wrong,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the signing key cannot be reached: {reason}"),
            Self::Refused(reason) => write!(f, "the signing key's holder refused: {reason}"),
            Self::Wrong => write!(f, "the signing key's holder returned a signature that does not verify"),
        }
    }
}

impl std::error::Error for SignError {}

/// Something that signs with one Ed25519 key: a key in memory, or an agent that keeps it.
pub trait Signer {
    fn public_key(&self) -> &PublicKey;
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

impl Signer for SecretKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.key.sign(message).to_bytes())
    }
}
