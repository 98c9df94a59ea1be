//! `bizra model list`, `verify` and `rm`: what the cache holds, whoever brought it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};

use super::locked;
use super::watch::Watch;
use crate::cli::infer::answer::digest_memory;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::model::{Chosen, Held, Lock, Name, Snapshot, choose};
use crate::receipts::{Hash, hex};
use crate::sys::hub::{self, Cache, Wanted};
use crate::sys::models;
use crate::view::model::list::{Listed, Removed, Repository, Verdict, Verified, VerifiedFile};

/// Show the models in the cache that Hugging Face's tools share
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model list
  bizra model list --json | jq -r '.result.models[].repo'")]
pub(super) struct ListArgs {}

/// Hash the models in the cache again: are they still what was announced?
///
/// Each file is held against the hash in its name, and against bizra.lock where that names it. The answer is 5 where a
/// file is damaged, 3 where one is missing, and 4 where there is nothing to hold it against.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model verify                             All that is here
  bizra model verify owner/name-GGUF:Q4_K_M      One of them")]
pub(super) struct VerifyArgs {
    /// REPO[:QUANT][@REVISION] [default: all models in the cache]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Remove a model from the cache, after asking
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model rm owner/name-GGUF:Q8_0
  bizra model rm owner/name --yes                Ask nothing")]
pub(super) struct RmArgs {
    /// REPO for all of it, REPO:QUANT for one file, REPO@REVISION for one commit
    #[arg(value_name = "NAME")]
    name: String,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn list(_: &ListArgs, session: &Session) -> Result<Outcome> {
    let cache = Cache::of(&session.env.vars)?;
    let mut models = Vec::new();
    for repo in cache.repos()? {
        let snapshots = cache.snapshots(&repo)?;
        let blobs = cache.blobs(&repo)?;
        let plain = snapshots.iter().flat_map(|s| &s.files).filter(|file| file.digest.is_none());
        let bytes = blobs.iter().map(|(_, size)| size).sum::<u64>() + plain.filter_map(|file| file.size).sum::<u64>();
        let unfinished = blobs.iter().filter(|(name, _)| name.ends_with(".incomplete")).map(|(_, size)| size).sum();
        models.push(Repository { repo, snapshots, bytes, unfinished });
    }
    Ok(Outcome::yes(Listed { models, cache: cache.root().display().to_string() }))
}

pub(super) fn verify(args: &VerifyArgs, session: &mut Session) -> Result<Outcome> {
    let cache = Cache::of(&session.env.vars)?;
    let (_, lock) = session.lock()?;
    let lock = lock.unwrap_or_default();
    let mut targets: Vec<(String, Snapshot)> = Vec::new();
    if args.names.is_empty() {
        for repo in cache.repos()? {
            targets.extend(cache.snapshots(&repo)?.into_iter().map(|snapshot| (repo.clone(), snapshot)));
        }
    }
    for name in &args.names {
        let name = Name::parse(name)?;
        let revision = name.revision.or_else(|| lock.revision(name.repo));
        let commit = cache.commit(name.repo, revision)?;
        let mut files = cache.files(name.repo, &commit)?;
        if name.quant.is_some() {
            let file = gguf(&name, &files)?;
            files.retain(|held| held.path == file);
        }
        targets.push((name.repo.to_owned(), Snapshot { commit, refs: Vec::new(), files }));
    }
    let memory = digest_memory(&session.env);
    let mut watch = Watch::new(&mut session.ui, &*session.env.clock);
    let (mut files, mut reasons) = (Vec::new(), Vec::new());
    // A blob that several commits share is hashed once.
    let mut known = BTreeMap::new();
    for (repo, snapshot) in &targets {
        for held in &snapshot.files {
            let looked = look(repo, &snapshot.commit, held, &lock, &mut known, &mut watch)?;
            watch.end();
            if let (Verdict::Sound, Some(memory), Some(hash)) = (looked.verdict, memory.as_deref(), looked.sha256) {
                models::remember(memory, &held.at, hash);
            }
            reasons.extend(reason(&looked, held));
            files.push(looked);
        }
    }
    if files.is_empty() {
        reasons.push(Error::new(Exit::Undecided, format!("there is nothing to verify in {}", cache.root().display())));
    }
    Ok(Outcome::because(Verified { files, cache: cache.root().display().to_string() }, reasons))
}

fn gguf(name: &Name<'_>, files: &[Held]) -> Result<String> {
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    match choose(name.repo, name.quant, &paths)? {
        Chosen::Gguf(file) => Ok(file),
        Chosen::Folder(_) => Err(Error::invalid(format!("{} has no GGUF file of that name here", name.repo))),
    }
}

fn look(
    repo: &str,
    commit: &str,
    held: &Held,
    lock: &Lock,
    known: &mut BTreeMap<std::path::PathBuf, (Hash, u64)>,
    watch: &mut Watch<'_>,
) -> Result<VerifiedFile> {
    let file = |verdict, sha256, bytes| VerifiedFile {
        repo: repo.to_owned(),
        commit: commit.to_owned(),
        path: held.path.clone(),
        bytes,
        sha256,
        verdict,
    };
    if held.size.is_none() {
        return Ok(file(Verdict::Missing, None, 0));
    }
    let whole = held.at.canonicalize().unwrap_or_else(|_| held.at.clone());
    let (sha256, bytes) = match known.get(&whole) {
        Some(known) => *known,
        None => {
            let hashed = hub::hash(&held.at, &held.path, &mut |event| watch.tell(event))?;
            known.insert(whole, hashed);
            hashed
        }
    };
    let locked = lock.of(repo).find(|locked| locked.file == held.path && locked.revision == commit);
    let by_name = match &held.digest {
        Some(digest) => {
            let wanted = Wanted { repo, commit, path: &held.path, size: None, digest: digest.clone() };
            Some(wanted.is_digest(&held.at, &sha256)?)
        }
        None => None,
    };
    let by_lock = locked.map(|locked| locked::differs(locked, &hex::encode(&sha256)).is_ok());
    let verdict = match (by_name, by_lock) {
        (Some(false), _) => Verdict::Damaged,
        (_, Some(false)) => Verdict::Unreviewed,
        (None, None) => Verdict::Unknown,
        _ => Verdict::Sound,
    };
    Ok(file(verdict, Some(sha256), bytes))
}

fn reason(file: &VerifiedFile, held: &Held) -> Option<Error> {
    let pull = || format!("bizra model pull {}@{}", file.repo, file.commit);
    let name = format!("{}/{}", file.repo, file.path);
    Some(match file.verdict {
        Verdict::Sound => return None,
        Verdict::Damaged => {
            Error::new(Exit::Integrity, format!("{name} is damaged: its hash is not the one in its name"))
                .at(Place::file(&held.at))
                .hint(pull())
        }
        Verdict::Unreviewed => Error::new(Exit::Integrity, format!("{name} is not the file that bizra.lock names"))
            .at(Place::file(&held.at)),
        Verdict::Missing => {
            Error::invalid(format!("{name} is missing: its link leads nowhere")).at(Place::file(&held.at)).hint(pull())
        }
        Verdict::Unknown => {
            Error::new(Exit::Undecided, format!("{name} has no hash to be held against")).at(Place::file(&held.at))
        }
    })
}

pub(super) fn rm(args: &RmArgs, session: &mut Session) -> Result<Outcome> {
    let name = Name::parse(&args.name)?;
    let cache = Cache::of(&session.env.vars)?;
    if !cache.home(name.repo).is_dir() {
        return Err(Error::invalid(format!("there is no model {} in {}", name.repo, cache.root().display()))
            .hint("`bizra model list` shows what is there"));
    }
    let mut snapshots = cache.snapshots(name.repo)?;
    if name.revision.is_some() {
        let commit = cache.commit(name.repo, name.revision)?;
        snapshots.retain(|snapshot| snapshot.commit == commit);
    }
    let all = name.revision.is_none() && name.quant.is_none();
    let mut unwanted = Vec::new();
    for snapshot in &snapshots {
        unwanted.extend(match name.quant {
            None => snapshot.files.clone(),
            Some(_) => without(&name, &snapshot.files)?,
        });
    }
    if !all && unwanted.is_empty() {
        return Err(Error::invalid(format!("there is no file of {name} in {}", cache.root().display()))
            .hint("`bizra model list` shows what is there"));
    }
    if unwanted.iter().filter_map(|file| file.digest.as_ref()).any(|digest| cache.is_busy(name.repo, digest)) {
        return Err(
            Error::cannot(format!("another process is downloading {}", name.repo)).hint("wait for it, or end it")
        );
    }
    let paths: Vec<String> = unwanted.iter().map(|file| file.path.clone()).collect();
    if !args.yes && !agreed(&name, &unwanted, &cache, session)? {
        return Err(Error::new(Exit::No, "nothing was removed"));
    }
    let commits: Vec<String> = snapshots.into_iter().map(|snapshot| snapshot.commit).collect();
    let freed = if all { cache.remove_all(name.repo)? } else { cache.remove(name.repo, &unwanted, &commits)? };
    Ok(Outcome::yes(Removed { name: name.to_string(), files: paths, freed, cache: cache.root().display().to_string() }))
}

/// The file that is meant, and all that is left where no model is left without it.
fn without(name: &Name<'_>, files: &[Held]) -> Result<Vec<Held>> {
    let is_model = |held: &&Held| held.path.to_ascii_lowercase().ends_with(".gguf");
    if !files.iter().any(|held| is_model(&held)) {
        return Ok(Vec::new());
    }
    let file = gguf(name, files)?;
    let last = files.iter().filter(is_model).count() == 1;
    Ok(files.iter().filter(|held| last || held.path == file).cloned().collect())
}

fn agreed(name: &Name<'_>, files: &[Held], cache: &Cache, session: &mut Session) -> Result<bool> {
    if !session.env.stdin.terminal {
        return Err(Error::usage("nobody is there to be asked").hint(format!("bizra model rm {name} --yes")));
    }
    let bytes: u64 = files.iter().filter_map(|file| file.size).sum();
    let size = crate::view::model::size(bytes);
    session.ui.prompt(&format!(
        "remove {name}, {} files, {size}, from {}? [y/N] ",
        files.len(),
        cache.root().display()
    ));
    let mut line = String::new();
    let mut input = BufReader::with_capacity(1, &mut session.env.stdin.source).take(64);
    input.read_line(&mut line).map_err(|e| Error::cannot("the terminal can't be read").because(e))?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
