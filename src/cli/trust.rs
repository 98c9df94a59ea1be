//! `bizra trust`: the policy that says which keys may sign what.

use std::path::{Path, PathBuf};

use super::book::Writer;
use super::pick::by_start;
use super::{Outcome, Session};
use crate::error::{Error, Place, Result, nearest};
use crate::receipts::keys::{KeyId, PublicKey};
use crate::receipts::log::LogId;
use crate::receipts::policy::{self, Entry, Policy, PolicyError, SignedPolicy};
use crate::receipts::predicates::{self, KINDS, PolicyAction, PolicyEvent};
use crate::receipts::statement::Draft;
use crate::sys::files::{self, Access};
use crate::view::trust::{Policies, Written};

/// Make, change and check the trust policy, bizra-trust.json
///
/// The policy stands in the repository, is reviewed like code and signed by a policy key. It says per key: roles,
/// predicate types, and from which to which index of which log its receipts count. Bounds are log indexes, never times.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra trust init                                                Trust this machine's key, and let it sign the policy
  bizra trust add ci.pub --name ci --predicate attestation/v0.1     Let another key sign attestations
  bizra trust revoke 3f2a… --at 120                               Refuse a key's receipts from index 120 on
  bizra trust check                                               Is the policy well formed and signed?")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make the policy, signed by this machine's key
    #[command(after_help = "\
Examples:
  bizra trust init
  bizra trust init --name ada --role lead --role security-reviewer")]
    Init {
        /// Whose key it is
        #[arg(long, default_value = "maintainer")]
        name: String,
        /// A role of this machine's key; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Let a key sign, or give one that may more roles
    #[command(after_help = "\
Examples:
  bizra trust add ci.pub --name ci --predicate attestation/v0.1
  bizra trust add 'ssh-ed25519 AAAAC3Nz… ada' --name ada --role lead --policy-key")]
    Add {
        /// A file with the public key, or the OpenSSH line itself
        key: String,
        /// Whose key it is
        #[arg(long)]
        name: String,
        /// What it may speak as; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Which receipts it may sign, such as attestation/v0.1 [default: all that this version knows]
        #[arg(long = "predicate", value_name = "TYPE")]
        predicates: Vec<String>,
        /// The log whose indexes the bounds count [default: any log of this key]
        #[arg(long, value_name = "LOG")]
        log: Option<String>,
        /// The first index that counts
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u64,
        /// The first index that no longer counts
        #[arg(long, value_name = "INDEX")]
        until: Option<u64>,
        /// The key may sign the policy too
        #[arg(long)]
        policy_key: bool,
    },
    /// Refuse a key's receipts from an index of its log on
    #[command(after_help = "\
Examples:
  bizra trust revoke 3f2a9c01 --at 120     What it signed before index 120 still counts
  bizra trust revoke 3f2a9c01 --at 0       Nothing that it signed counts")]
    Revoke {
        /// The key's id or the start of it
        key: String,
        /// The first index that is refused
        #[arg(long, value_name = "INDEX")]
        at: u64,
    },
    /// Check that the policy is well formed and signed by a policy key
    #[command(after_help = "\
Examples:
  bizra trust check                                     Signed by one of its own policy keys?
  bizra trust check --signed-by \"$POLICY_KEY_ID\"       Signed by this one?")]
    Check {
        /// The key that must have signed it
        #[arg(long, value_name = "KEYID")]
        signed_by: Option<String>,
    },
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        Command::Init { name, roles } => init(session, name, roles),
        Command::Add { key, name, roles, predicates, log, from, until, policy_key } => {
            let log = log.as_ref().map(|text| log_id(text)).transpose()?;
            let entry = Entry {
                name: name.clone(),
                key: public_key(session, key)?,
                log,
                roles: roles.clone(),
                predicates: predicate_names(predicates)?,
                from: *from,
                until: *until,
                revoked_at: None,
            };
            add(session, entry, *policy_key)
        }
        Command::Revoke { key, at } => revoke(session, key, *at),
        Command::Check { signed_by } => check(session, signed_by.as_deref()),
    }
}

fn path(session: &Session) -> PathBuf {
    session.root().join(policy::FILE_NAME)
}

fn all_predicates() -> Vec<String> {
    KINDS.iter().filter_map(|kind| predicates::name_of(kind.predicate_type)).collect()
}

fn predicate_names(given: &[String]) -> Result<Vec<String>> {
    if given.is_empty() {
        return Ok(all_predicates());
    }
    for name in given {
        let known = all_predicates();
        if !known.contains(name) {
            let error = Error::usage(format!("--predicate: this version knows no type `{name}`"));
            return Err(match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint(format!("it knows {}", known.join(", "))),
            });
        }
    }
    Ok(given.to_vec())
}

fn log_id(text: &str) -> Result<String> {
    let id = LogId::parse(text).ok_or_else(|| {
        Error::usage(format!("--log: `{text}` is no log id, which has 32 digits (0-9, a-f)"))
            .hint("`bizra receipts stats` lists the logs")
    })?;
    Ok(id.to_string())
}

fn public_key(session: &Session, given: &str) -> Result<PublicKey> {
    if given.starts_with("ssh-") {
        return PublicKey::read(given).map_err(|e| Error { message: format!("KEY: {e}"), ..e.into() });
    }
    let path = files::from(&session.env.cwd, Path::new(given));
    let bytes = files::read_at_most(&path, 1 << 16)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::invalid("this is no text").at(Place::file(&path)))?;
    PublicKey::read(text)
        .map_err(|e| Error::from(e).at(Place::file(&path)).hint("`bizra keys show --openssh` prints the line to give"))
}

pub(super) fn init(session: &mut Session, name: &str, roles: &[String]) -> Result<Outcome> {
    let path = path(session);
    if path.exists() {
        return Err(Error::usage(format!("{} is already there", path.display()))
            .hint("`bizra trust add` and `bizra trust revoke` change it, `bizra trust check` looks at it"));
    }
    let key = *session.writer()?.signer.public_key();
    let policy = Policy {
        serial: 1,
        policy_keys: vec![key],
        entries: vec![Entry {
            name: name.to_owned(),
            key,
            log: None,
            roles: roles.to_vec(),
            predicates: all_predicates(),
            from: 0,
            until: None,
            revoked_at: None,
        }],
    };
    write(session, PolicyAction::Init, &policy, None)
}

fn change(
    session: &mut Session,
    action: PolicyAction,
    edit: impl FnOnce(&mut Policy) -> Result<()>,
) -> Result<Outcome> {
    let before = present(session)?;
    let mut policy = before.policy.clone();
    policy.serial += 1;
    edit(&mut policy)?;
    write(session, action, &policy, Some(&before))
}

fn present(session: &Session) -> Result<SignedPolicy> {
    session.policy()?.ok_or_else(|| {
        Error::invalid(format!("there is no {}", path(session).display())).hint("`bizra trust init` makes one")
    })
}

fn add(session: &mut Session, entry: Entry, policy_key: bool) -> Result<Outcome> {
    change(session, PolicyAction::Add, |policy| {
        if policy_key && !policy.policy_keys.contains(&entry.key) {
            policy.policy_keys.push(entry.key);
        }
        let alike = |known: &&mut Entry| Entry { roles: entry.roles.clone(), ..Entry::clone(known) } == entry;
        match policy.entries.iter_mut().find(alike) {
            Some(known) => {
                let new: Vec<String> = entry.roles.into_iter().filter(|role| !known.roles.contains(role)).collect();
                if new.is_empty() && !policy_key {
                    return Err(Error::usage(format!("{}'s key has these roles already", known.name))
                        .hint("`--role` gives it more, `bizra trust check` shows what it has"));
                }
                known.roles.extend(new);
            }
            None => policy.entries.push(entry),
        }
        Ok(())
    })
}

fn revoke(session: &mut Session, key: &str, at: u64) -> Result<Outcome> {
    let mut still_signs = None;
    let outcome = change(session, PolicyAction::Revoke, |policy| {
        let entry =
            by_start("key", key, &mut policy.entries, |entry| entry.key.id().to_string())?.ok_or_else(|| {
                Error::invalid(format!("the policy names no key that begins with `{key}`"))
                    .hint("`bizra trust check` lists them")
            })?;
        if let Some(before) = entry.revoked_at.filter(|before| *before <= at) {
            return Err(Error::usage(format!("{}'s key is revoked from index {before} on already", entry.name)));
        }
        entry.revoked_at = Some(at);
        let (name, key) = (entry.name.clone(), entry.key);
        if policy.policy_keys.contains(&key) {
            still_signs = Some(name);
        }
        Ok(())
    })?;
    if let Some(name) = still_signs {
        session.ui.warn(format!("{name}'s key is a policy key: it can still sign {} itself", policy::FILE_NAME));
    }
    Ok(outcome)
}

/// The key that signs receipts, or where that is no policy key, another of this machine that is one: after a rotation it is
/// the old key that lets the new one in.
fn policy_writer(session: &mut Session, before: &Policy) -> Result<Writer> {
    let writer = session.writer()?;
    let may = |key: &PublicKey| before.policy_keys.contains(key);
    let Some(ring) = session.keyring().filter(|_| !may(writer.signer.public_key())) else { return Ok(writer) };
    if session.given_key()?.is_some() {
        return Ok(writer);
    }
    match ring.list()?.into_iter().find(|known| may(&known.public)) {
        Some(known) => session.writer_of(&ring, &known),
        None => Ok(writer),
    }
}

/// Signs the policy, checks it as a reader would, leaves the receipt of the change, and writes the file.
fn write(
    session: &mut Session,
    action: PolicyAction,
    policy: &Policy,
    before: Option<&SignedPolicy>,
) -> Result<Outcome> {
    let writer = policy_writer(session, before.map_or(policy, |before| &before.policy))?;
    let text = policy.sign(&*writer.signer).map_err(|e| match e {
        // The file was sound, so what is wrong with it now came from the flags.
        PolicyError::Invalid(shape) => Error::usage(format!("{}: {}", flag_of(&shape.path), shape.reason)),
        PolicyError::Unsigned(_) => Error::from(e)
            .hint("a policy key must sign the policy: set BIZRA_KEY_FILE to one, or use the machine that has it"),
        other => other.into(),
    })?;
    let signed = SignedPolicy::open(text.as_bytes(), None)?;
    if let Some(before) = before {
        signed.follows(before)?;
    }
    let event =
        PolicyEvent { action, serial: policy.serial, policy: signed.digest, previous: before.map(|b| b.digest) };
    let draft = Draft::new(vec![event.subject()], &event)?;
    let receipt = match session.config.switch("no-receipt") {
        true => None,
        false => Some(session.record_as(&writer, &draft)?.id.to_string()),
    };
    let path = path(session);
    files::replace(&path, text.as_bytes(), Access::Everyone)?;
    Ok(Outcome { receipt, ..Outcome::yes(Written { path, signed }) })
}

/// The flag or argument that filled the policy's field `path`, such as `keys[2].roles`.
fn flag_of(path: &str) -> &str {
    match path.rsplit('.').next() {
        Some("name") => "--name",
        Some("key") => "KEY",
        Some("roles") => "--role",
        Some("predicates") => "--predicate",
        Some("from") => "--from",
        Some("until") => "--until",
        Some("revokedAt") => "--at",
        _ => path,
    }
}

fn check(session: &mut Session, signed_by: Option<&str>) -> Result<Outcome> {
    let anchor: Option<KeyId> = match signed_by {
        Some(text) => Some(text.parse().map_err(|e| Error::usage(format!("--signed-by: {e}")))?),
        None => None,
    };
    present(session)?;
    let bytes = files::read(&path(session))?;
    let signed = SignedPolicy::open(&bytes, anchor)?;
    Ok(Outcome::yes(Policies { path: path(session), signed }))
}
