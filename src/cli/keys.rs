//! `bizra keys`: the keys that sign receipts on this machine.

use std::path::{Path, PathBuf};

use super::book::log_of;
use super::pick::by_start;
use super::{Outcome, Session};
use crate::error::{Error, Place, Result};
use crate::receipts::keys::{PublicKey, SecretKey};
use crate::receipts::predicates::KeyEvent;
use crate::receipts::statement::Draft;
use crate::sys::files;
use crate::sys::keyring::{Keyring, Known};
use crate::sys::ssh_agent::Identity;
use crate::view::escape;
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
    #[command(after_help = "\
Examples:
  bizra keys init                             Make a key, or say which one signs here
  bizra keys init --from ~/.ssh/id_ed25519    Sign with a copy of this key
  bizra keys init --agent ada@laptop          Sign with a key that the ssh-agent keeps")]
    Init {
        /// Take over this private key: PKCS#8 PEM or OpenSSH, without a passphrase
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "agent")]
        from: Option<PathBuf>,
        /// Use the ssh-agent's key with this comment or key id
        #[arg(long, value_name = "KEY")]
        agent: Option<String>,
    },
    /// List the keys of this machine
    #[command(after_help = "\
Examples:
  bizra keys list            Which keys are here, and which one signs
  bizra keys list --json     With whole key ids, for a script")]
    List,
    /// Show a key's public half
    #[command(after_help = "\
Examples:
  bizra keys show --openssh > ci.pub     The key that signs here, to give to others
  bizra keys show 3f2a9c01 --pem         Another one, by the start of its id")]
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
    #[command(after_help = "\
Examples:
  bizra keys rotate                                    Sign with a new key from now on
  bizra keys rotate && bizra keys show --openssh       Then give its public half to others")]
    Rotate,
    /// Leave a receipt that a key is no longer to be believed
    ///
    /// The receipt is signed by the key in force. Others stop believing the key when the trust policy says so:
    /// `bizra trust revoke`.
    #[command(after_help = "\
Examples:
  bizra keys revoke 3f2a9c01 --reason 'the laptop was stolen'
  bizra keys revoke 3f2a9c01 --reason 'no longer in use' --json")]
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
    if let Some(given) = session.given_key()? {
        session.ui.warn(format!("as long as {} is set, its key signs, whatever the keyring says", given.variable));
    }
    let wanted = match (from, agent) {
        (Some(path), _) => Some(Wanted::File(key_of_file(session, path)?)),
        (None, Some(name)) => Some(Wanted::Agent(agents_key(session, name)?)),
        (None, None) => None,
    };
    let (key, made) = match (wanted, ring.default_key()?) {
        (Some(wanted), Some(before)) if before.public != wanted.public() => {
            return Err(Error::usage(format!("this machine already signs with {}", before.public.id()))
                .hint("`bizra keys rotate` changes the key and leaves the old one's word for it"));
        }
        (_, Some(before)) => (before.public, false),
        (Some(wanted), None) => {
            let public = wanted.public();
            match wanted {
                Wanted::File(key) => drop(ring.keep(&key, &format!("taken over {}", session.time()?))?),
                Wanted::Agent(identity) => ring.keep_public(&identity.key, &identity.comment)?,
            }
            ring.set_default(&public.id())?;
            (public, true)
        }
        (None, None) => (session.first_key(&ring)?.public, true),
    };
    Ok(Outcome::yes(Changed::initialised(key.id().to_string(), made)))
}

/// A key that this machine shall sign with from now on.
enum Wanted {
    File(SecretKey),
    Agent(Identity),
}

impl Wanted {
    fn public(&self) -> PublicKey {
        match self {
            Wanted::File(key) => *key.public(),
            Wanted::Agent(identity) => identity.key,
        }
    }
}

fn key_of_file(session: &Session, path: &Path) -> Result<SecretKey> {
    let path = files::from(&session.env.cwd, path);
    SecretKey::read(&files::read_at_most(&path, 1 << 16)?).map_err(|e| Error::from(e).at(Place::file(path)))
}

fn agents_key(session: &Session, name: &str) -> Result<Identity> {
    let identities = session.agent()?.identities()?;
    let named = |identity: &&Identity| {
        identity.comment == name || (name.len() >= 8 && identity.key.id().to_string().starts_with(name))
    };
    let found: Vec<_> = identities.iter().filter(named).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
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
    let known = known(session)?;
    let ledger = session.ledger_if_there()?;
    let log = |key: &PublicKey| match &ledger {
        Some(ledger) => Ok::<_, Error>(log_of(ledger, &key.id())?.map(|log| log.to_string())),
        None => Ok(None),
    };
    let given = session.given_key()?;
    let mut keys = Vec::new();
    if let Some(given) = &given {
        keys.push(Key {
            id: given.public.id().to_string(),
            comment: String::new(),
            held_by: given.variable,
            signs: true,
            log: log(&given.public)?,
        });
    }
    for key in known {
        keys.push(Key {
            id: key.public.id().to_string(),
            comment: key.comment.clone(),
            held_by: if key.private { "this machine" } else { "ssh-agent" },
            signs: key.default && given.is_none(),
            log: log(&key.public)?,
        });
    }
    if keys.is_empty() && session.keyring().is_none() {
        session.ui.warn("no home folder is known, so keys have no place: set HOME or XDG_DATA_HOME");
    }
    Ok(Outcome::yes(Listed { keys }))
}

fn show(session: &mut Session, key: Option<&str>, openssh: bool, pem: bool) -> Result<Outcome> {
    let public = match key {
        Some(start) => by_start("key", start, session.own_keys()?, |key| key.id().to_string())?.ok_or_else(|| {
            Error::invalid(format!("no key of this machine begins with `{start}`")).hint("`bizra keys list` shows them")
        })?,
        None => match session.given_key()? {
            Some(given) => given.public,
            None => known(session)?
                .into_iter()
                .find(|key| key.default)
                .map(|key| key.public)
                .ok_or_else(|| Error::invalid("no key signs here yet").hint("`bizra keys init` makes one"))?,
        },
    };
    Ok(Outcome::yes(Shown { public, openssh, pem }))
}

/// The keyring's keys; none where there is no home to keep them in.
fn known(session: &Session) -> Result<Vec<Known>> {
    session.keyring().map_or(Ok(Vec::new()), |ring| ring.list())
}

fn rotate(session: &mut Session) -> Result<Outcome> {
    refuse_without_receipt(session)?;
    if let Some(given) = session.given_key()? {
        return Err(Error::usage(format!("{} says which key signs here", given.variable))
            .hint(format!("put the new key there, or unset {} to rotate the keyring's", given.variable)));
    }
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
    let writer = session.writer_of(&ring, &Known { public: *new.public(), private: true, ..before.clone() })?;
    session.end_stamps();
    let recorded = session.record_as(&writer, &draft)?;
    ring.set_default(&new_id)?;
    if let Ok(Some(signed)) = session.policy()
        && let Some(entry) = signed.policy.entries.iter().find(|entry| entry.key == before.public)
    {
        let roles: String = entry.roles.iter().map(|role| format!(" --role {}", escape::shell(role))).collect();
        let signs = if signed.policy.policy_keys.contains(&before.public) { " --policy-key" } else { "" };
        let name = escape::shell(&entry.name);
        session.ui.note(format!(
            "let it in as the old one is: bizra trust add \"$(bizra keys show --openssh)\" --name {name}{roles}{signs}"
        ));
    }
    let answer = Changed::rotated(before.public.id().to_string(), new_id.to_string());
    Ok(Outcome { receipt: Some(recorded.id.to_string()), ..Outcome::yes(answer) })
}

fn revoke(session: &mut Session, name: &str, reason: &str) -> Result<Outcome> {
    refuse_without_receipt(session)?;
    let mut candidates = session.own_keys()?;
    if let Some(signed) = session.policy()? {
        candidates.extend(signed.policy.entries.iter().map(|entry| entry.key));
    }
    candidates.sort_by_key(PublicKey::id);
    candidates.dedup();
    let key = by_start("key", name, candidates, |key| key.id().to_string())?.ok_or_else(|| {
        Error::invalid(format!("no key of this machine or of the trust policy begins with `{name}`"))
            .hint("`bizra keys list` and `bizra trust check` show them")
    })?;
    let writer = session.writer()?;
    if writer.id == key.id() {
        return Err(Error::usage("a key can't revoke itself while it signs here")
            .hint("`bizra keys rotate` first, then revoke the old one"));
    }
    let event = KeyEvent::Revoke { key, reason: reason.to_owned() };
    let draft = Draft::new(event.subjects(), &event).map_err(|e| Error::usage(format!("--reason: {}", e.reason)))?;
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
