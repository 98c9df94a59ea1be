//! `bizra init`: what a project needs to begin, made where it is missing.

use std::path::Path;

use super::evidence::Moment;
use super::{Outcome, Session, trust};
use crate::error::{Error, Place, Result};
use crate::receipts::policy;
use crate::starter::{self, Beginning};
use crate::sys::files::{self, Access};
use crate::sys::{git, plans, setup};
use crate::view::init::{Begun, Thing};

/// Begin: repository, key, ledger, trust policy, a first roadmap and sprint, and a script for CI
///
/// Asks nothing, keeps all that is there already, and may be run again at any time. A folder with plans of its own keeps
/// them and gets no others.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra init                         In the current folder, or the repository around it
  bizra init --tz Asia/Riyadh        Days of the plans are counted in that time zone
  bizra init --json                  What was made and what was kept, for scripts")]
pub(super) struct Args {}

/// Makes what is missing. Who can't sign learns so before anything is written; the policy comes last, since its receipt
/// begins the ledger.
pub(super) fn run(_: &Args, session: &mut Session) -> Result<Outcome> {
    refuse_bare(session)?;
    refuse_what_is_no_file(&session.root())?;
    if session.policy()?.is_none() {
        session.writer()?;
    }
    let mut things = vec![repository(session)?];
    let root = session.root();
    things.extend(starter_files(session, &root)?);
    let (policy, receipt) = trust_policy(session)?;
    things.push(policy);
    Ok(Outcome { receipt, ..Outcome::yes(Begun { root, things }) })
}

fn refuse_bare(session: &Session) -> Result<()> {
    match session.setup.repository.clone()? {
        Some(found) if found.work_dir.is_none() => {
            Err(Error::cannot("this repository is bare, and has no work tree for plans")
                .hint("run `bizra init` in a clone of it"))
        }
        _ => Ok(()),
    }
}

/// A folder, or a link that leads nowhere, where a file belongs: it is neither the file nor ours to replace.
fn refuse_what_is_no_file(root: &Path) -> Result<()> {
    for name in starter::PATHS.into_iter().chain([policy::FILE_NAME]) {
        let path = root.join(name);
        // What its folder would be, where that is there.
        let parent = Path::new(name).parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent.filter(|parent| root.join(parent).symlink_metadata().is_ok())
            && !root.join(parent).is_dir()
        {
            return Err(Error::invalid("it is in the way of a folder, and is none")
                .at(Place::file(parent))
                .hint("move it away, and run `bizra init` again"));
        }
        if path.symlink_metadata().is_ok() && !path.is_file() {
            return Err(Error::invalid("it is in the way of a file, and is none")
                .at(Place::file(name))
                .hint("move it away, and run `bizra init` again"));
        }
    }
    Ok(())
}

fn repository(session: &mut Session) -> Result<Thing> {
    let purpose = "the repository that plans and receipts belong to";
    if session.setup.repository.clone()?.is_some() {
        return Ok(Thing::kept(".git", purpose));
    }
    git::create(&session.env.cwd)?;
    session.setup = setup::read(&session.env, None);
    session.setup.repository.clone()?;
    Ok(Thing::made(".git", purpose))
}

fn starter_files(session: &Session, root: &Path) -> Result<Vec<Thing>> {
    let zone = match session.config.get("tz") {
        Some(name) => jiff::tz::TimeZone::get(name).map_err(|e| Error::usage(format!("--tz {name}: {e}")))?,
        None => session.env.machine_zone().0,
    };
    let now = Moment::in_zone(session, &zone).now;
    let first_day = now.to_zoned(zone.clone()).date();
    // A zone that only has rules and no name can't stand in a plan.
    let beginning = Beginning { zone: zone.iana_name().unwrap_or("Etc/UTC"), first_day };
    let mut things = Vec::new();
    for file in starter::files(&beginning) {
        let path = root.join(file.path);
        let folder = path.parent().unwrap_or(root);
        let own = folder.strip_prefix(root).ok().and_then(Path::to_str).filter(|name| plans::FOLDERS.contains(name));
        if let Some(folder) = own
            && let Some(there) = plans::find_in(root, &[folder])?.first()
        {
            let name = there.strip_prefix(root).unwrap_or(there);
            things.push(Thing::kept(name.display().to_string(), "a plan of your own"));
            continue;
        }
        if path.symlink_metadata().is_ok() {
            things.push(Thing::kept(file.path, file.purpose));
            continue;
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder.display(), &e))?;
        files::replace(&path, file.text.as_bytes(), Access::Everyone)?;
        things.push(Thing::made(file.path, file.purpose));
    }
    Ok(things)
}

fn trust_policy(session: &mut Session) -> Result<(Thing, Option<String>)> {
    let purpose = "who may sign what; this machine's key may speak as lead";
    if session.policy()?.is_some() {
        return Ok((Thing::kept(policy::FILE_NAME, "who may sign what"), None));
    }
    let outcome = trust::init(session, "maintainer", &["lead".to_owned()])?;
    Ok((Thing::made(policy::FILE_NAME, purpose), outcome.receipt))
}
