//! The envelope: DSSE with exactly one Ed25519 signature, in one spelling.
//!
//! DSSE lets an envelope be written in many ways, so that copies with the same signature differ in their bytes; here
//! the spelling is fixed, because a log's leaf is the hash of these bytes. What the payload says is `statement`'s.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, ShapeError};
use super::finding::Code;
use super::keys::{KeyId, PublicKey, SignError, Signer};
use super::{Hash, hex, json};

#[cfg(test)]
mod tests;

pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// A log's entry has a length of 16 bits.
pub const MAX_BYTES: usize = 65_535;

/// A receipt's name: SHA-256 of what is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub Hash);

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptId({self})")
    }
}

impl FromStr for ReceiptId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self).ok_or("a receipt's id is 64 lower-case hexadecimal digits")
    }
}

impl ReceiptId {
    /// Of the bytes that are signed, where they are at hand already.
    pub fn of_pae(pae: &[u8]) -> Self {
        Self(Sha256::digest(pae).into())
    }
}

/// DSSE's pre-authentication encoding, which is what gets signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut encoded = Vec::with_capacity(head.len() + payload.len());
    encoded.extend(head.as_bytes());
    encoded.extend(payload);
    encoded
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigFault {
    Length,
    /// S is not below the group's order, so that a second signature could be derived from the first.
    SNoncanonical,
    /// R is no point, not canonical, or of small order.
    R,
    Mismatch,
}

impl SigFault {
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::SNoncanonical => "s-noncanonical",
            Self::R => "r-invalid",
            Self::Mismatch => "mismatch",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvelopeError {
    TooLong { bytes: usize },
    NonCanonical { offset: usize, reason: String },
    PayloadType { found: String },
    SignatureCount { found: usize },
    Signature(SigFault),
    KeyId { envelope: KeyId, key: KeyId },
}

impl EnvelopeError {
    pub fn code(&self) -> Code {
        match self {
            Self::TooLong { .. } | Self::NonCanonical { .. } => Code::EnvelopeNoncanonical,
            Self::PayloadType { .. } => Code::PayloadType,
            Self::SignatureCount { .. } => Code::SignatureCount,
            Self::Signature(_) => Code::SigInvalid,
            Self::KeyId { .. } => Code::KeyidMismatch,
        }
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "the envelope has {bytes} bytes; at most {MAX_BYTES} fit a log entry"),
            Self::NonCanonical { offset, reason } => write!(f, "envelope byte {offset}: {reason}"),
            Self::PayloadType { found } => write!(f, "payload type {found:?}, expected {PAYLOAD_TYPE:?}"),
            Self::SignatureCount { found } => write!(f, "{found} signatures, expected exactly one"),
            Self::Signature(fault) => {
                let said = match fault {
                    SigFault::Length => "it is not 64 bytes long",
                    SigFault::SNoncanonical => "its S is not below the group's order",
                    SigFault::R => "its R is no acceptable point",
                    SigFault::Mismatch => "it does not belong to this payload and key",
                };
                write!(f, "signature invalid ({}): {said}", fault.name())
            }
            Self::KeyId { envelope, key } => write!(f, "the envelope names key {envelope}, but the key is {key}"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub payload: Vec<u8>,
    pub keyid: KeyId,
    pub signature: [u8; 64],
}

const BEFORE_PAYLOAD: &str = r#"{"payload":""#;
const BEFORE_KEYID: &str = r#"","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":""#;
const BEFORE_SIG: &str = r#"","sig":""#;
const END: &str = r#""}]}"#;

impl Envelope {
    /// Signs `payload`, and makes sure that the signer kept its word.
    pub fn sign(payload: Vec<u8>, signer: &dyn Signer) -> Result<Self, SignError> {
        let message = pae(PAYLOAD_TYPE, &payload);
        let signature = signer.sign(&message)?;
        if !signer.public_key().verify(&message, &signature) {
            return Err(SignError::Wrong);
        }
        Ok(Self { payload, keyid: signer.public_key().id(), signature })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let payload = BASE64.encode(&self.payload);
        let signature = BASE64.encode(self.signature);
        let keyid = self.keyid.to_string();
        [BEFORE_PAYLOAD, &payload, BEFORE_KEYID, &keyid, BEFORE_SIG, &signature, END].concat().into_bytes()
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::TooLong { bytes: bytes.len() });
        }
        match Self::parse_canonical(bytes) {
            Some(envelope) => Ok(envelope),
            None => Err(diagnose(bytes)),
        }
    }

    fn parse_canonical(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(BEFORE_PAYLOAD.as_bytes())?.strip_suffix(END.as_bytes())?;
        let (rest, sig) = rest.split_last_chunk::<88>()?;
        let rest = rest.strip_suffix(BEFORE_SIG.as_bytes())?;
        let (rest, keyid) = rest.split_last_chunk::<64>()?;
        let payload = rest.strip_suffix(BEFORE_KEYID.as_bytes())?;
        Some(Self {
            payload: BASE64.decode(payload).ok()?,
            keyid: KeyId(hex::decode(std::str::from_utf8(keyid).ok()?)?),
            signature: BASE64.decode(sig).ok()?.try_into().ok()?,
        })
    }

    pub fn pae(&self) -> Vec<u8> {
        pae(PAYLOAD_TYPE, &self.payload)
    }

    pub fn id(&self) -> ReceiptId {
        ReceiptId::of_pae(&self.pae())
    }

    pub fn verify(&self, key: &PublicKey) -> Result<(), EnvelopeError> {
        self.verify_pae(&self.pae(), key)
    }

    /// [`Envelope::verify`] for a caller that has the envelope's own [`Envelope::pae`] already.
    pub fn verify_pae(&self, pae: &[u8], key: &PublicKey) -> Result<(), EnvelopeError> {
        let id = key.id();
        if id != self.keyid {
            return Err(EnvelopeError::KeyId { envelope: self.keyid, key: id });
        }
        if key.verify(pae, &self.signature) {
            return Ok(());
        }
        Err(EnvelopeError::Signature(fault_of(&self.signature)))
    }
}

/// Why a signature that `verify_strict` refuses was refused.
fn fault_of(signature: &[u8; 64]) -> SigFault {
    /// The order of the prime-order group, little-endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (r, s) = (&signature[..32], &signature[32..]);
    if s.iter().rev().ge(ORDER.iter().rev()) {
        return SigFault::SNoncanonical;
    }
    let mut point = [0; 32];
    point.copy_from_slice(r);
    // R may carry torsion only when it matches nothing anyway, so mixed order is no reason of its own.
    match PublicKey::from_bytes(&point) {
        Ok(_) | Err(super::keys::KeyError::MixedOrder) => SigFault::Mismatch,
        Err(_) => SigFault::R,
    }
}

/// Names what is wrong with an envelope that is not in the one accepted spelling.
fn diagnose(bytes: &[u8]) -> EnvelopeError {
    let noncanonical = |offset, reason: &str| EnvelopeError::NonCanonical { offset, reason: reason.to_owned() };
    let value = match json::parse(bytes) {
        Ok(value) => value,
        Err(error) => return noncanonical(error.offset, error.reason),
    };
    match read_loosely(&value) {
        Err(Loose::Shape(error)) => noncanonical(json::locate(bytes, &error.path), &error.to_string()),
        Err(Loose::Told(error)) => error,
        Ok(()) => {
            let offset = json::parse_canonical(bytes).err().map_or(0, |error| error.offset);
            noncanonical(offset, "it differs from the one accepted spelling (key order, white space or escapes)")
        }
    }
}

enum Loose {
    Shape(ShapeError),
    Told(EnvelopeError),
}

impl From<ShapeError> for Loose {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

fn read_loosely(value: &json::Value) -> Result<(), Loose> {
    const BASE64_FORM: &str = "expected padded standard base64";
    let mut envelope = Fields::of("", value)?;
    let payload_type = envelope.string("payloadType")?;
    if payload_type != PAYLOAD_TYPE {
        return Err(Loose::Told(EnvelopeError::PayloadType { found: payload_type.chars().take(100).collect() }));
    }
    envelope.parsed("payload", |text| BASE64.decode(text).map_err(|_| BASE64_FORM))?;
    let signatures = envelope.array("signatures")?;
    let [(path, signature)] = &signatures[..] else {
        return Err(Loose::Told(EnvelopeError::SignatureCount { found: signatures.len() }));
    };
    let mut signature = Fields::of(path.as_str(), signature)?;
    signature.hex::<32>("keyid")?;
    let bytes = signature.parsed("sig", |text| BASE64.decode(text).map_err(|_| BASE64_FORM))?;
    if bytes.len() != 64 {
        return Err(Loose::Told(EnvelopeError::Signature(SigFault::Length)));
    }
    signature.finish()?;
    envelope.finish()?;
    Ok(())
}
