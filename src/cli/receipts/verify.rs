//! `bizra receipts verify`: one envelope, wherever it comes from.

use std::io::Read;
use std::path::PathBuf;

use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::envelope::{Envelope, MAX_BYTES};
use crate::receipts::keys::PublicKey;
use crate::receipts::policy::SignedPolicy;
use crate::receipts::predicates;
use crate::receipts::receipt::Content;
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
    let place = || Place::file(&name);
    let invalid = |reason: String| Error::invalid(reason).at(place());
    let content = match Content::read(&bytes) {
        Ok(content) => content,
        Err(reason) => {
            let exit = if Envelope::parse(&bytes).is_ok() || looks_like_envelope(&bytes) {
                Exit::Integrity
            } else {
                Exit::Invalid
            };
            return Err(Error { exit, ..invalid(reason) });
        }
    };
    let judge = judge(session, args.key.as_ref())?;
    let against = judge.check(&content).map_err(|refusal| refusal.at(place()))?;
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

/// Whether this was meant as an envelope, so that its faults are a forger's or a damage, and not a wrong file.
fn looks_like_envelope(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start().starts_with('{') && text.contains("\"payload\"") && text.contains("\"signatures\"")
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
    /// What vouches for the receipt, or why nothing does.
    pub(super) fn check(&self, content: &Content) -> Result<String> {
        let refuse = |reason: String| Error::new(Exit::Integrity, reason);
        let keyid = content.envelope.keyid;
        let verify = |key: &PublicKey| content.envelope.verify(key).map_err(|e| refuse(format!("{}: {e}", e.code())));
        match self {
            Judge::Key(key) => verify(key).map(|()| format!("the key {keyid}")),
            Judge::Own(keys) => match keys.iter().find(|k| k.id() == keyid) {
                Some(key) => verify(key).map(|()| format!("this machine's own key {keyid} (there is no policy)")),
                None => {
                    Err(refuse(format!("key-untrusted: {keyid} is no key of this machine, and there is no policy"))
                        .hint("name the key with --key FILE, or trust it with `bizra trust add`"))
                }
            },
            Judge::Policy(signed) => {
                let entries: Vec<_> = signed.policy.entries.iter().filter(|e| e.key.id() == keyid).collect();
                let Some(first) = entries.first() else {
                    return Err(refuse(format!("key-untrusted: the policy does not name {keyid}")));
                };
                verify(&first.key)?;
                let name = predicates::name_of(&content.statement.predicate_type).unwrap_or_default();
                match entries.iter().find(|e| e.predicates.contains(&name)) {
                    Some(entry) if entry.revoked_at == Some(0) => {
                        Err(refuse(format!("key-revoked: the policy refuses all receipts of {}", entry.name)))
                    }
                    Some(entry) => Ok(format!("the policy's key {} ({keyid})", entry.name)),
                    None => Err(refuse(format!(
                        "key-role: {}'s key may not sign {}",
                        first.name, content.statement.predicate_type
                    ))),
                }
            }
        }
    }
}
