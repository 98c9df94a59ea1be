//! Checkpoints: a log's size and root under the log's own key, as a C2SP signed note (tlog-checkpoint, Ed25519).
//!
//! Our checkpoints carry no extension lines. Signatures by other keys (witnesses) are passed over, as the specification
//! asks, but every line must be well formed. What a checkpoint commits to is not judged here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use super::finding::Code;
use super::keys::{KeyError, PublicKey};
use super::merkle::MAX_SIZE;
use super::{Hash, hex};

pub const MAX_BYTES: usize = 8192;
pub const MAX_SIGNATURES: usize = 16;
const MAX_NAME_BYTES: usize = 255;
const ED25519: u8 = 0x01;

/// The name that a log signs under, and its checkpoints' first line.
pub fn origin(log_id: &str) -> String {
    format!("bizra-ledger/{log_id}")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointError {
    TooLong {
        bytes: usize,
    },
    /// `line` counts from 1.
    Malformed {
        line: usize,
        reason: &'static str,
    },
    /// No signature by the log's key.
    Unsigned {
        key: String,
    },
    BadSignature {
        key: String,
    },
    /// Validly signed, but about another log.
    Origin {
        expected: String,
        found: String,
    },
    Name(String),
    VerifierKey(&'static str),
    Key(KeyError),
}

impl CheckpointError {
    pub fn code(&self) -> Code {
        match self {
            Self::TooLong { .. } | Self::Malformed { .. } => Code::CheckpointMalformed,
            Self::Origin { .. } => Code::OriginMismatch,
            Self::Unsigned { .. } | Self::BadSignature { .. } => Code::CheckpointKey,
            Self::Name(_) | Self::VerifierKey(_) | Self::Key(_) => Code::CheckpointKey,
        }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "checkpoint of {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::Malformed { line, reason } => write!(f, "checkpoint line {line}: {reason}"),
            Self::Unsigned { key } => write!(f, "checkpoint has no signature by {key}"),
            Self::BadSignature { key } => write!(f, "checkpoint's signature by {key} does not match its text"),
            Self::Origin { expected, found } => write!(f, "checkpoint is of {found:?}, not of {expected:?}"),
            Self::Name(name) => write!(
                f,
                "{name:?} cannot name a note's key: 1 to {MAX_NAME_BYTES} bytes without spaces, control characters or `+`"
            ),
            Self::VerifierKey(reason) => write!(f, "verifier key: {reason}; expected NAME+HASH+KEY"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<KeyError> for CheckpointError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl Checkpoint {
    /// The note's signed text: origin, size and root, a line each.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Refuses a signer of another origin, since nobody could open the result.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        if self.origin != signer.name {
            return Err(CheckpointError::Origin { expected: signer.name.clone(), found: self.origin.clone() });
        }
        let mut note = self.body();
        let signature = signer.key.sign(note.as_bytes()).to_bytes();
        let mut blob = Vec::with_capacity(68);
        blob.extend(signer.verifier().id);
        blob.extend(signature);
        note.push_str("\n\u{2014} ");
        note.push_str(&signer.name);
        note.push(' ');
        note.push_str(&BASE64.encode(blob));
        note.push('\n');
        Ok(note)
    }

    /// Reads a checkpoint that `verifier` has signed.
    pub fn open(note: &[u8], verifier: &NoteVerifier) -> Result<Self, CheckpointError> {
        Self::open_with_signature(note, verifier).map(|(checkpoint, _)| checkpoint)
    }

    /// `open`, together with the log's own signature as the note spells it.
    pub fn open_with_signature(note: &[u8], verifier: &NoteVerifier) -> Result<(Self, String), CheckpointError> {
        let note = Note::parse(note)?;
        let mut ours = note.signatures.iter().filter(|line| line.name == verifier.name && line.id == verifier.id);
        let Some(line) = ours.next() else {
            return Err(CheckpointError::Unsigned { key: verifier.key_name() });
        };
        if ours.next().is_some() {
            return Err(CheckpointError::Malformed { line: 5, reason: "two signatures by the log's key" });
        }
        let signature = line.signature.first_chunk::<64>().filter(|_| line.signature.len() == 64);
        if !signature.is_some_and(|signature| verifier.key.verify(note.body.as_bytes(), signature)) {
            return Err(CheckpointError::BadSignature { key: verifier.key_name() });
        }
        if note.checkpoint.origin != verifier.name {
            return Err(CheckpointError::Origin { expected: verifier.name.clone(), found: note.checkpoint.origin });
        }
        Ok((note.checkpoint, line.blob.to_owned()))
    }

    /// What a checkpoint says, with nothing said about who signed it.
    pub fn parse_unverified(note: &[u8]) -> Result<Self, CheckpointError> {
        Ok(Note::parse(note)?.checkpoint)
    }
}

/// The key that a log signs its checkpoints with. Not a receipt key.
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    pub fn new(name: impl Into<String>, key: SigningKey) -> Result<Self, CheckpointError> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name, key })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn verifier(&self) -> NoteVerifier {
        let key = PublicKey::from(&self.key);
        NoteVerifier { name: self.name.clone(), id: key_hash(&self.name, &key), key }
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier().key_name())
    }
}

/// A log's public face: its name and key. Printed and read as a `vkey`, `NAME+HASH+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    key: PublicKey,
}

impl NoteVerifier {
    pub fn new(name: impl Into<String>, key: PublicKey) -> Result<Self, CheckpointError> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { id: key_hash(&name, &key), name, key })
    }

    pub fn parse(vkey: &str) -> Result<Self, CheckpointError> {
        let bad = CheckpointError::VerifierKey;
        // The key's base64 may hold a `+`; the name and the hash cannot.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it does not have three parts"));
        };
        let id: [u8; 4] = hex::decode(id).ok_or(bad("the key hash is not 8 lower-case hexadecimal digits"))?;
        let key = BASE64.decode(key).map_err(|_| bad("the key is not standard base64"))?;
        let key = match key.split_first() {
            Some((&ED25519, key)) => <&[u8; 32]>::try_from(key).map_err(|_| bad("the key is not 32 bytes long"))?,
            _ => return Err(bad("the key is not of type Ed25519")),
        };
        let verifier = Self::new(name, PublicKey::from_bytes(key)?)?;
        if verifier.id != id {
            return Err(bad("the key hash does not belong to this name and key"));
        }
        Ok(verifier)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn key_name(&self) -> String {
        format!("{}+{}", self.name, hex::encode(&self.id))
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = Vec::with_capacity(33);
        typed.push(ED25519);
        typed.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(&self.id), BASE64.encode(typed))
    }
}

fn check_name(name: &str) -> Result<(), CheckpointError> {
    let refused = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(refused) {
        return Err(CheckpointError::Name(name.to_owned()));
    }
    Ok(())
}

fn key_hash(name: &str, key: &PublicKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', ED25519]);
    hash.update(key.as_bytes());
    let digest = Hash::from(hash.finalize());
    [digest[0], digest[1], digest[2], digest[3]]
}

struct Note<'a> {
    body: &'a str,
    checkpoint: Checkpoint,
    signatures: Vec<SignatureLine<'a>>,
}

struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
    blob: &'a str,
}

impl<'a> Note<'a> {
    fn parse(note: &'a [u8]) -> Result<Self, CheckpointError> {
        if note.len() > MAX_BYTES {
            return Err(CheckpointError::TooLong { bytes: note.len() });
        }
        let text = std::str::from_utf8(note).map_err(|error| CheckpointError::Malformed {
            line: 1 + note[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count(),
            reason: "it is not UTF-8",
        })?;
        let lines: Vec<&str> = text.split('\n').collect();
        if let Some(at) = lines.iter().position(|line| line.contains(|c: char| c.is_ascii_control())) {
            return malformed(at + 1, "it has a control character");
        }
        // `split` leaves an empty piece after the last newline.
        let [origin, size, root, blank, signatures @ .., end] = &lines[..] else {
            return malformed(lines.len(), "the checkpoint ends too early");
        };
        let checkpoint = Checkpoint { origin: parse_origin(origin)?, size: parse_size(size)?, root: parse_root(root)? };
        if !blank.is_empty() {
            return malformed(4, "extension lines are not accepted");
        }
        if !end.is_empty() {
            return malformed(lines.len(), "the last line does not end");
        }
        if signatures.is_empty() {
            return malformed(5, "there is no signature");
        }
        if signatures.len() > MAX_SIGNATURES {
            return malformed(5 + MAX_SIGNATURES, "there are too many signatures");
        }
        let signatures = signatures.iter().enumerate().map(|(at, line)| parse_signature(5 + at, line));
        let body_bytes = origin.len() + size.len() + root.len() + 3;
        Ok(Self { body: &text[..body_bytes], checkpoint, signatures: signatures.collect::<Result<_, _>>()? })
    }
}

fn malformed<T>(line: usize, reason: &'static str) -> Result<T, CheckpointError> {
    Err(CheckpointError::Malformed { line, reason })
}

fn parse_origin(line: &str) -> Result<String, CheckpointError> {
    match check_name(line) {
        Ok(()) => Ok(line.to_owned()),
        Err(_) => malformed(1, "the origin is not a key's name"),
    }
}

fn parse_size(line: &str) -> Result<u64, CheckpointError> {
    match line.parse::<u64>() {
        // `parse` lets `+7` and `007` through.
        Ok(size) if size > MAX_SIZE => malformed(2, "the size is beyond 2^63 - 1"),
        Ok(size) if size.to_string() == line => Ok(size),
        _ => malformed(2, "the size is not a decimal number in its shortest form"),
    }
}

fn parse_root(line: &str) -> Result<Hash, CheckpointError> {
    match BASE64.decode(line).map(Hash::try_from) {
        Ok(Ok(root)) => Ok(root),
        _ => malformed(3, "the root is not 32 bytes in canonical base64"),
    }
}

fn parse_signature(at: usize, line: &str) -> Result<SignatureLine<'_>, CheckpointError> {
    let Some((name, blob)) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')) else {
        return malformed(at, "it is not a signature line");
    };
    if check_name(name).is_err() {
        return malformed(at, "the key's name is not acceptable");
    }
    match BASE64.decode(blob).as_deref().ok().and_then(<[u8]>::split_first_chunk::<4>) {
        Some((id, signature)) if !signature.is_empty() => {
            Ok(SignatureLine { name, id: *id, signature: signature.to_vec(), blob })
        }
        _ => malformed(at, "the signature is not a key hash and a signature in canonical base64"),
    }
}

#[cfg(test)]
mod tests;
