//! `bizra keys`: the keys that sign receipts on this machine.

use std::path::PathBuf;

use super::book::log_of;
use super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::receipts::keys::{KeyId, PublicKey, SecretKey};
use crate::receipts::predicates::KeyEvent;
use crate::receipts::statement::Draft;
use crate::sys::files;
use crate::sys::keyring::{Keyring, Known};
use crate::view::keys::{Changed, Key, Listed, Shown};

/// Make, list, show, rotate and revoke the keys that sign receipts
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra keys init                  Make this machine's key, or say which it is
  bizra keys show --openssh        Its public half, to give to others
  bizra keys rotate                A new key, and the old one's word for it")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make the key that signs here, or take one over from a file or an ssh-agent
    Init {
        /// Take over this private key: PKCS#8 PEM or OpenSSH, without a passphrase
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "agent")]
        from: Option<PathBuf>,
        /// Use the ssh-agent's key with this comment or key id
        #[arg(long, value_name = "KEY")]
        agent: Option<String>,
    },
    /// List the keys of this machine
    List,
    /// Show a key's public half
    Show {
        /// The key's id or the start of it [default: the key that signs]
        key: Option<String>,
        /// As an OpenSSH line alone
        #[arg(long, conflicts_with = "pem")]
        openssh: bool,
        /// As PEM alone
        #[arg(long)]
        pem: bool,
    },
    /// Make a new key; both the old and the new one sign a receipt of the change
    Rotate,
    /// Leave a receipt that a key is no longer to be believed
    ///
    /// The receipt is signed by the key in force. Others stop believing the key when the trust policy says so:
    /// `bizra trust revoke`.
    Revoke {
        /// The key's id or the start of it
        key: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        Command::Init { from, agent } => init(session, from.as_ref(), agent.as_deref()),
        Command::List => list(session),
        Command::Show { key, openssh, pem } => show(session, key.as_deref(), *openssh, *pem),
        Command::Rotate => rotate(session),
        Command::Revoke { key, reason } => revoke(session, key, reason),
    }
}

fn ring(session: &Session) -> Result<Keyring> {
    session.keyring().ok_or_else(|| {
        Error::cannot("no home folder is known, so keys have no place")
            .hint("set HOME or XDG_DATA_HOME; in CI a key can come from BIZRA_KEY or BIZRA_KEY_FILE")
    })
}

fn init(session: &mut Session, from: Option<&PathBuf>, agent: Option<&str>) -> Result<Outcome> {
    let ring = ring(session)?;
    let wanted = match (from, agent) {
        (Some(path), _) => Some(taken_over(session, &ring, path)?),
        (None, Some(name)) => Some(agents_key(session, &ring, name)?),
        (None, None) => None,
    };
    let before = ring.default_key()?;
    let (key, made) = match (wanted, before) {
        (Some(key), Some(before)) if before.public != key => {
            return Err(Error::usage(format!("this machine already signs with {}", before.public.id()))
                .hint("`bizra keys rotate` changes the key and leaves the old one's word for it"));
        }
        (Some(key), before) => {
            ring.set_default(&key.id())?;
            (key, before.is_none())
        }
        (None, Some(before)) => (before.public, false),
        (None, None) => (*session.first_key(&ring)?.public(), true),
    };
    Ok(Outcome::yes(Changed::initialised(key.id().to_string(), made)))
}

fn taken_over(session: &Session, ring: &Keyring, path: &std::path::Path) -> Result<PublicKey> {
    let path = files::from(&session.env.cwd, path);
    let key = SecretKey::read(&files::read_at_most(&path, 1 << 16)?)
        .map_err(|e| Error::invalid(e.to_string()).at(crate::error::Place::file(&path)))?;
    ring.keep(&key, &format!("taken over {}", session.time()?))?;
    Ok(*key.public())
}

fn agents_key(session: &Session, ring: &Keyring, name: &str) -> Result<PublicKey> {
    let identities = session.agent()?.identities()?;
    let named = |identity: &&crate::sys::ssh_agent::Identity| {
        identity.comment == name || (name.len() >= 8 && identity.key.id().to_string().starts_with(name))
    };
    let found: Vec<_> = identities.iter().filter(named).collect();
    match found.as_slice() {
        [one] => {
            ring.keep_public(&one.key, &one.comment)?;
            Ok(one.key)
        }
        [] => {
            let held: Vec<String> = identities.iter().map(|i| format!("{} ({})", i.comment, i.key.id())).collect();
            Err(Error::invalid(format!("the ssh-agent holds no Ed25519 key `{name}`")).hint(if held.is_empty() {
                "add one: ssh-add".into()
            } else {
                format!("it holds {}", held.join(", "))
            }))
        }
        _ => Err(Error::usage(format!("the ssh-agent holds several keys `{name}`")).hint("name it by its key id")),
    }
}

fn list(session: &mut Session) -> Result<Outcome> {
    let known = ring(session)?.list()?;
    let ledger = session.ledger_if_there()?;
    let mut keys = Vec::new();
    for key in known {
        let log = match &ledger {
            Some(ledger) => log_of(ledger, &key.public.id())?,
            None => None,
        };
        keys.push(row(&key, log.map(|l| l.to_string())));
    }
    Ok(Outcome::yes(Listed { keys }))
}

fn row(key: &Known, log: Option<String>) -> Key {
    Key {
        id: key.public.id().to_string(),
        comment: key.comment.clone(),
        held_by: if key.private { "this machine" } else { "ssh-agent" },
        default: key.default,
        log,
    }
}

fn show(session: &mut Session, key: Option<&str>, openssh: bool, pem: bool) -> Result<Outcome> {
    let public = match key {
        Some(name) => find(&ring(session)?.list()?, name)?.public,
        None => *session.writer()?.signer.public_key(),
    };
    Ok(Outcome::yes(Shown { public, openssh, pem }))
}

fn find<'k>(keys: &'k [Known], name: &str) -> Result<&'k Known> {
    let found: Vec<&Known> = keys.iter().filter(|k| k.public.id().to_string().starts_with(name)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            Err(Error::invalid(format!("no key of this machine begins with `{name}`"))
                .hint("`bizra keys list` shows them"))
        }
        several => Err(Error::usage(format!("{} keys begin with `{name}`", several.len())).hint("give more digits")),
    }
}

fn rotate(session: &mut Session) -> Result<Outcome> {
    refuse_without_receipt(session)?;
    let ring = ring(session)?;
    let Some(before) = ring.default_key()? else {
        return Err(Error::invalid("there is no key to rotate yet").hint("`bizra keys init` makes the first one"));
    };
    let old = session.writer_of(&ring, &before)?;
    let new = SecretKey::from_seed(&session.random()?);
    let event = KeyEvent::Rotate { old: before.public, new: *new.public() };
    let draft = Draft::new(event.subjects(), &event)?;
    // The new key is kept before anything names it, and made the default only when both have signed.
    ring.keep(&new, &format!("bizra, made {}", session.time()?))?;
    let new_id = new.public().id();
    session.record_as(&old, &draft)?;
    let known = find(&ring.list()?, &new_id.to_string())?.clone();
    let writer = session.writer_of(&ring, &known)?;
    session.end_stamps();
    let recorded = session.record_as(&writer, &draft)?;
    ring.set_default(&new_id)?;
    let answer = Changed::rotated(before.public.id().to_string(), new_id.to_string());
    Ok(Outcome { receipt: Some(recorded.id.to_string()), ..Outcome::yes(answer) })
}

fn revoke(session: &mut Session, name: &str, reason: &str) -> Result<Outcome> {
    refuse_without_receipt(session)?;
    let key: PublicKey = match find(&ring(session)?.list()?, name) {
        Ok(known) => known.public,
        Err(unknown) => match session.policy()? {
            Some(signed) => {
                let wanted: Option<KeyId> = name.parse().ok();
                let entry = signed.policy.entries.iter().find(|e| Some(e.key.id()) == wanted);
                entry.map(|e| e.key).ok_or(unknown)?
            }
            None => return Err(unknown),
        },
    };
    let writer = session.writer()?;
    if writer.id == key.id() {
        return Err(Error::usage("a key can't revoke itself while it signs here")
            .hint("`bizra keys rotate` first, then revoke the old one"));
    }
    let event = KeyEvent::Revoke { key, reason: reason.to_owned() };
    let draft = Draft::new(event.subjects(), &event).map_err(|e| Error::usage(e.to_string()))?;
    let recorded = session.record_as(&writer, &draft)?;
    let answer = Changed::revoked(key.id().to_string());
    Ok(Outcome { receipt: Some(recorded.id.to_string()), ..Outcome::yes(answer) })
}

fn refuse_without_receipt(session: &Session) -> Result<()> {
    if session.config.switch("no-receipt") {
        return Err(Error::usage("a change of keys is a receipt, so --no-receipt leaves nothing to do"));
    }
    Ok(())
}
