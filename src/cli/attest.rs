//! `bizra attest`: a person's signed word.

use std::path::{Path, PathBuf};

use super::{Outcome, Session};
use crate::error::{Error, Place, Result};
use crate::plan::gate::Matter;
use crate::receipts::fields::ShapeError;
use crate::receipts::keys::PublicKey;
use crate::receipts::predicates::{Attestation, Score};
use crate::receipts::statement::{Draft, Subject};
use crate::sys::{files, plans};
use crate::view::attest::Attested;

/// Sign a statement, a score or both, about files or about nothing but its own words
///
/// The word becomes a receipt. Gates read it as an approval, and count it for a role only where the trust policy gives
/// your key that role.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra attest --role security-reviewer --score 9.5 --of 10 --subject docs/security.md
  bizra attest --role lead --score 9 --criterion omega/unit_tests_passing
  bizra attest --role lead --statement 'The release notes are complete.'")]
pub(super) struct Args {
    /// What you speak as: lower-case letters, digits and hyphens
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// What you say
    #[arg(long, value_name = "TEXT", required_unless_present = "score")]
    statement: Option<String>,
    /// A score, as a decimal number
    #[arg(long, value_name = "NUMBER")]
    score: Option<String>,
    /// The best possible score
    #[arg(long, value_name = "NUMBER", default_value = "10", requires = "score")]
    of: String,
    /// A file that it is about, by its bytes; may be given several times
    #[arg(long = "subject", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    subjects: Vec<PathBuf>,
    /// A criterion, package or item of a plan that it approves, as the plan has it now; SPRINT/go_no_go for a sprint's last decision
    #[arg(long, value_name = "PLAN/ID")]
    criterion: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    if session.config.switch("no-receipt") {
        return Err(Error::usage("an attestation is a receipt, so --no-receipt leaves nothing to do"));
    }
    let decimal = |flag: &str, text: &str| text.parse().map_err(|e| Error::usage(format!("--{flag}: {e}")));
    let score = match &args.score {
        Some(value) => Some(Score { value: decimal("score", value)?, of: decimal("of", &args.of)? }),
        None => None,
    };
    let word = Attestation { role: args.role.clone(), statement: args.statement.clone(), score };
    let mut subjects = Vec::new();
    for path in &args.subjects {
        subjects.push(subject(session, path)?);
    }
    if let Some(name) = &args.criterion {
        subjects.push(criterion(session, name)?);
    }
    if subjects.is_empty() {
        subjects.push(word.own_subject());
    }
    let draft = Draft::new(subjects, &word).map_err(|e| on_flag(&e))?;
    let writer = session.writer()?;
    has_role(session, writer.signer.public_key(), &word.role)?;
    let recorded = session.record_as(&writer, &draft)?;
    let id = recorded.id.to_string();
    let answer = Attested {
        recorded_in: recorded.log.to_string(),
        index: recorded.index,
        key: writer.id.to_string(),
        word,
        subjects: draft.subjects().to_vec(),
        id: id.clone(),
    };
    Ok(Outcome { receipt: Some(id), ..Outcome::yes(answer) })
}

/// Refuses a role that the policy gives to others and not to this key: the receipt would be in the ledger's way for ever.
fn has_role(session: &Session, key: &PublicKey, role: &str) -> Result<()> {
    let Ok(Some(signed)) = session.policy() else { return Ok(()) };
    let mut entries = signed.policy.entries.iter().filter(|entry| entry.key == *key).peekable();
    let Some(name) = entries.peek().map(|entry| entry.name.clone()) else { return Ok(()) };
    if entries.any(|entry| entry.roles.iter().any(|known| known == role)) {
        return Ok(());
    }
    Err(Error::usage(format!("--role {role}: the trust policy does not give it to the key of {name}")).hint(format!(
        "`bizra trust add \"$(bizra keys show --openssh)\" --name {name} --role {role}` does, by a policy key"
    )))
}

/// The statement's field under the name of the flag that filled it.
fn on_flag(error: &ShapeError) -> Error {
    match error.path.as_str() {
        "predicate.role" => Error::usage(format!("--role: {}", error.reason)),
        "predicate.statement" => Error::usage(format!("--statement: {}", error.reason)),
        "predicate.score.value" => Error::usage(format!("--score: {}", error.reason)),
        "predicate.score.of" => Error::usage(format!("--of: {}", error.reason)),
        _ => Error::usage(error.to_string()),
    }
}

/// A file's subject: the digest of its bytes under its path from the repository's root, or under its name alone where it
/// lies elsewhere, since a receipt tells no one how this machine's folders are called.
fn subject(session: &Session, path: &Path) -> Result<Subject> {
    let full = files::from(&session.env.cwd, path);
    let digest = files::sha256(&full)?;
    let canonical = full.canonicalize().unwrap_or(full);
    let root = session.root();
    let root = root.canonicalize().unwrap_or(root);
    let inside = canonical.strip_prefix(&root).ok();
    let name = inside.or_else(|| canonical.file_name().map(Path::new)).unwrap_or(path);
    let name = name.to_str().ok_or_else(|| Error::invalid("the path is no valid UTF-8").at(Place::file(path)))?;
    let name = if cfg!(windows) { name.replace('\\', "/") } else { name.to_owned() };
    Ok(Subject::sha256(name, digest))
}

/// The subject of an approval: a criterion's, package's or item's place in the plan, and the digest of its text.
fn criterion(session: &Session, name: &str) -> Result<Subject> {
    let Some((wanted, id)) = name.split_once('/') else {
        return Err(Error::usage(format!(
            "--criterion {name}: name the plan and the criterion, as in omega/tests_pass"
        )));
    };
    let mut known = Vec::new();
    for path in plans::find(&session.root())? {
        let loaded = plans::load(&path, &path).map_err(|mut problems| problems.swap_remove(0))?;
        if loaded.plan.id.value.0 != wanted {
            continue;
        }
        for matter in Matter::all(&loaded.plan) {
            if matter.id.0 == id {
                return Ok(Subject::of_bytes(matter.name(&loaded.plan), &matter.text(&loaded.source)));
            }
            known.push(matter.id.0.clone());
        }
    }
    let error = Error::usage(format!("--criterion {name}: no plan here has such a criterion"));
    Err(match crate::error::nearest(id, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean {wanted}/{near}?")),
        None => error,
    })
}
