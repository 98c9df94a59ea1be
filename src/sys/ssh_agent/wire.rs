//! The agent protocol's messages (IETF draft-ietf-sshm-ssh-agent), those that are needed here.

use super::Identity;
use crate::receipts::keys::PublicKey;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const ALGORITHM: &[u8] = b"ssh-ed25519";

pub(super) fn request_identities() -> Vec<u8> {
    framed(vec![REQUEST_IDENTITIES])
}

pub(super) fn request_signature(key: &PublicKey, message: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, ALGORITHM);
    put_string(&mut blob, key.as_bytes());
    let mut body = vec![SIGN_REQUEST];
    put_string(&mut body, &blob);
    put_string(&mut body, message);
    body.extend([0; 4]);
    framed(body)
}

/// The Ed25519 keys among the agent's. One that may not be relied on is passed over like those of other kinds.
pub(super) fn read_identities(answer: &[u8]) -> Result<Vec<Identity>, &'static str> {
    let mut answer = Reader(answer);
    if answer.byte()? != IDENTITIES_ANSWER {
        return Err("it does not list its keys");
    }
    let mut identities = Vec::new();
    for _ in 0..answer.number()? {
        let (blob, comment) = (answer.string()?, answer.string()?);
        let mut blob = Reader(blob);
        if blob.string()? == ALGORITHM
            && let Ok(bytes) = <&[u8; 32]>::try_from(blob.string()?)
            && let Ok(key) = PublicKey::from_bytes(bytes)
        {
            identities.push(Identity { key, comment: String::from_utf8_lossy(comment).into_owned() });
        }
    }
    answer.end()?;
    Ok(identities)
}

/// `None` when the agent refused.
pub(super) fn read_signature(answer: &[u8]) -> Result<Option<[u8; 64]>, &'static str> {
    let mut answer = Reader(answer);
    match answer.byte()? {
        FAILURE => return Ok(None),
        SIGN_RESPONSE => {}
        _ => return Err("neither a signature nor a refusal"),
    }
    let mut blob = Reader(answer.string()?);
    answer.end()?;
    if blob.string()? != ALGORITHM {
        return Err("a signature of another algorithm");
    }
    let signature = blob.string()?.try_into().map_err(|_| "a signature that is not 64 bytes long")?;
    blob.end()?;
    Ok(Some(signature))
}

fn framed(body: Vec<u8>) -> Vec<u8> {
    let mut message = Vec::with_capacity(4 + body.len());
    put_string(&mut message, &body);
    message
}

fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let length = u32::try_from(string.len()).expect("invariant: messages are receipts, of 64 KiB at most");
    out.extend(length.to_be_bytes());
    out.extend(string);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (byte, rest) = self.0.split_first().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        let (number, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.number()? as usize;
        let (string, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(string)
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Ok(()) } else { Err("it goes on after its end") }
    }
}
