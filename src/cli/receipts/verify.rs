//! `bizra receipts verify`: one envelope, wherever it comes from.

use std::io::Read;
use std::path::PathBuf;

use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::envelope::{Envelope, MAX_BYTES};
use crate::receipts::finding::Code;
use crate::receipts::keys::PublicKey;
use crate::receipts::policy::{Entry, Policy, Roles, SignedPolicy};
use crate::receipts::predicates::{self, Attestation, Predicate as _};
use crate::receipts::receipt::Content;
use crate::receipts::statement::Statement;
use crate::receipts::verify;
use crate::sys::files;
use crate::view::receipts::Verified;

/// Check one signed envelope against a key or the trust policy
///
/// Says 0 when its form and signature hold and the key may sign such a receipt, 5 when not, 3 when it is no envelope.
/// Bounds by log index can't be judged outside a log: `bizra receipts audit` does that.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts verify receipt.json --key ci.pub
  bizra receipts show 3f2a9c01 --raw | bizra receipts verify -")]
pub(super) struct Args {
    /// The envelope's file, or - for standard input
    file: PathBuf,
    /// The public key that must have signed it [default: the trust policy's keys, else this machine's]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (name, mut bytes) = read(args, session)?;
    // What a shell adds to a line is no part of the envelope.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let judge = judge(session, args.key.as_ref())?;
    let (content, against) = judge.check(&bytes).map_err(|refusal| refusal.at(Place::file(&name)))?;
    Ok(Outcome::yes(Verified { content, against }))
}

fn read(args: &Args, session: &mut Session) -> Result<(PathBuf, Vec<u8>)> {
    if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let mut source = (&mut session.env.stdin.source).take(MAX_BYTES as u64 + 2);
        source.read_to_end(&mut bytes).map_err(|e| Error::cannot("standard input can't be read").because(e))?;
        return Ok((PathBuf::from("standard input"), bytes));
    }
    let path = files::from(&session.env.cwd, &args.file);
    let bytes = files::read_at_most(&path, MAX_BYTES + 1)?;
    Ok((path, bytes))
}

/// Whose signature counts.
pub(super) enum Judge {
    Key(PublicKey),
    Policy(Box<SignedPolicy>),
    Own(Vec<PublicKey>),
}

pub(super) fn judge(session: &Session, key: Option<&PathBuf>) -> Result<Judge> {
    if let Some(path) = key {
        let path = files::from(&session.env.cwd, path);
        let bytes = files::read_at_most(&path, 1 << 16)?;
        let key =
            PublicKey::read(&String::from_utf8_lossy(&bytes)).map_err(|e| Error::from(e).at(Place::file(&path)))?;
        return Ok(Judge::Key(key));
    }
    Ok(match session.policy()? {
        Some(signed) => Judge::Policy(Box::new(signed)),
        None => Judge::Own(session.own_keys()?),
    })
}

impl Judge {
    /// The receipt and what vouches for it, or why nothing does.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(Content, String)> {
        let content = read_receipt(bytes)?;
        let keyid = content.envelope.keyid;
        let (key, against) = match self {
            Judge::Key(key) => (key, format!("the key {keyid}")),
            Judge::Own(keys) => match keys.iter().find(|key| key.id() == keyid) {
                Some(key) => (key, format!("this machine's own key {keyid} (there is no policy)")),
                None => {
                    let what = format!("{keyid} is no key of this machine, and there is no policy");
                    return Err(refusal(Code::KeyUntrusted, what)
                        .hint("name the key with --key FILE, or trust it with `bizra trust add`"));
                }
            },
            Judge::Policy(signed) => {
                let entry = admitted(&signed.policy, &content)?;
                (&entry.key, format!("the policy's key {} ({keyid}){}", entry.name, bounds(entry)))
            }
        };
        match verify::by_key(bytes, key).findings.into_iter().next() {
            None => Ok((content, against)),
            Some(finding) => Err(refusal(finding.code, finding.detail)),
        }
    }
}

fn refusal(code: Code, what: impl std::fmt::Display) -> Error {
    Error::new(Exit::Integrity, format!("{code}: {what}"))
}

/// A wrong file is invalid input; an envelope with a fault is a forger's work, or damage.
fn read_receipt(bytes: &[u8]) -> Result<Content> {
    let envelope = Envelope::parse(bytes).map_err(|error| {
        if looks_like_envelope(bytes) {
            refusal(error.code(), error)
        } else {
            Error::invalid(format!("this is no signed envelope: {error}"))
        }
    })?;
    let statement = Statement::parse(&envelope.payload).map_err(|error| refusal(error.code(), error))?;
    Ok(Content { id: envelope.id(), envelope, statement })
}

fn looks_like_envelope(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let words = ["\"payload\"", "\"payloadType\"", "\"signatures\"", "\"keyid\""];
    words.into_iter().filter(|word| text.contains(word)).count() >= 2
}

/// The entry that lets the receipt's key say this, bounds by index aside: those only its place in a log can tell.
fn admitted<'p>(policy: &'p Policy, content: &Content) -> Result<&'p Entry> {
    let keyid = content.envelope.keyid;
    let entries: Vec<&Entry> = policy.entries.iter().filter(|entry| entry.key.id() == keyid).collect();
    let Some(first) = entries.first() else {
        return Err(refusal(Code::KeyUntrusted, format!("the policy does not name {keyid}"))
            .hint("`bizra trust check` shows whom it names; `bizra trust add` adds a key"));
    };
    let Some(entry) = entries.iter().find(|entry| entry.revoked_at != Some(0)) else {
        return Err(refusal(Code::KeyRevoked, format!("the policy refuses all receipts of {}", first.name)));
    };
    let kind = &content.statement.predicate_type;
    if !predicates::name_of(kind).is_some_and(|name| entry.predicates.contains(&name)) {
        return Err(refusal(Code::KeyRole, format!("{}'s key may not sign {kind}", entry.name)));
    }
    if let Some(Ok(word)) = content.statement.predicate::<Attestation>()
        && *kind == Attestation::TYPE
    {
        let roles = Roles::Listed { name: &entry.name, roles: &entry.roles };
        roles.check(&word.role).map_err(|error| refusal(error.code(), error))?;
    }
    Ok(entry)
}

fn bounds(entry: &Entry) -> String {
    let mut said = Vec::new();
    if entry.from > 0 {
        said.push(format!("from index {} on", entry.from));
    }
    if let Some(end) = entry.until.into_iter().chain(entry.revoked_at).min() {
        said.push(format!("before index {end}"));
    }
    if said.is_empty() { String::new() } else { format!(", if it stands {}", said.join(" and ")) }
}
