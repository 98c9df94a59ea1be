//! `bizra model pull`: a model from a hub into the cache, each file checked against the hash that was announced.

use std::path::{Path, PathBuf};

use bizra_kernels::os;

use super::locked;
use super::watch::Watch;
use crate::cli::infer::answer::digest_memory;
use crate::cli::{Outcome, Session};
use crate::error::{Error, Exit, Place, Result};
use crate::infer::hf;
use crate::model::{Chosen, Digest, Lock, Locked, Name, RemoteFile, choose};
use crate::receipts::{Hash, hex};
use crate::sys::hub::{self, Cache, Fate, Hub, Wanted};
use crate::sys::{files, models};
use crate::view::model::pull::{How, Pulled, PulledFile, Pulls};

/// What a model's licence and use are told by: brought along, and no part of what is reviewed.
const CARD: &str = "README.md";
const INDEX: &str = "model.safetensors.index.json";
const MAIN: &str = "main";

/// Bring models from a hub, checked by their hashes
///
/// The files go into the cache that Hugging Face's tools share. A download that was cut goes on where it stopped. A file
/// counts once its SHA-256 is the one that the hub announces. HF_ENDPOINT names a mirror, HF_TOKEN a token.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra model pull owner/name-GGUF:Q4_K_M
  bizra model pull owner/name-GGUF:Q4_K_M@v1.0 --lock     Note in bizra.lock what was reviewed
  bizra model pull --locked                               In CI: those bytes and no others
  bizra model pull owner/name --offline                   Is it here, whole and sound?")]
pub(super) struct Args {
    /// REPO[:QUANT][@REVISION]; with --locked all models of the lock where none is named
    #[arg(value_name = "NAME", required_unless_present = "locked")]
    names: Vec<String>,
    /// Use no network: only check what the cache has (also HF_HUB_OFFLINE=1)
    #[arg(long)]
    offline: bool,
    /// Note commit and SHA-256 of each file in bizra.lock
    #[arg(long, conflicts_with = "locked")]
    lock: bool,
    /// Take what bizra.lock names, and nothing else
    #[arg(long)]
    locked: bool,
    /// How often in a row to try again what may pass, such as a cut connection
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: u32,
}

/// A file to be had, and what is known of it.
struct Item {
    file: RemoteFile,
    locked: Option<Locked>,
}

/// A model to be had.
struct Plan<'a> {
    repo: &'a str,
    /// As it was asked for.
    revision: String,
    commit: String,
    items: Vec<Item>,
    chosen: Chosen,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let names = args.names.iter().map(|name| Name::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let (lock_path, lock) = session.lock()?;
    let offline = args.offline || hub::is_offline(&session.env.vars);
    let reviewed = match (&lock, args.locked) {
        (None, true) => {
            return Err(Error::invalid(format!("there is no {}", lock_path.display()))
                .hint("make it where the model is reviewed: bizra model pull REPO:QUANT --lock"));
        }
        (lock, _) => lock.clone().unwrap_or_default(),
    };
    let repos: Vec<String> = match names.is_empty() {
        true => {
            let mut repos: Vec<String> = reviewed.files().iter().map(|locked| locked.repo.clone()).collect();
            repos.dedup();
            repos
        }
        false => Vec::new(),
    };
    if names.is_empty() && repos.is_empty() {
        return Err(Error::new(Exit::Undecided, format!("{} names no model", lock_path.display()))
            .hint("bizra model pull REPO:QUANT --lock"));
    }
    let all = repos.iter().map(|repo| (Name { repo, quant: None, revision: None }, true));
    let asked: Vec<(Name<'_>, bool)> = names.into_iter().map(|name| (name, false)).chain(all).collect();

    let cache = Cache::of(&session.env.vars)?;
    let hub = if offline { None } else { Some(Hub::of(&session.env, args.retries)?) };
    let memory = digest_memory(&session.env);
    let mut pulls = Vec::new();
    for (name, whole) in &asked {
        let pins = args.locked.then(|| pinned(&reviewed, name, *whole, &lock_path)).transpose()?;
        let mut watch = Watch::new(&mut session.ui, &*session.env.clock);
        let plan = match &hub {
            Some(hub) => remote_plan(hub, name, pins, &mut watch)?,
            None => local_plan(&cache, name, pins)?,
        };
        let puller = Puller { cache: &cache, hub: hub.as_ref(), memory: memory.as_deref() };
        let pulled = puller.pull(&plan, &mut watch)?;
        watch.end();
        if hub.is_some() && !args.locked {
            cache.set_ref(plan.repo, &plan.revision, &plan.commit)?;
        }
        pulls.push(pulled);
    }
    if args.lock {
        let entries = pulls.iter().flat_map(reviewed_entries).collect();
        let changed = locked::write(&lock_path, lock, entries)?;
        let shown = lock_path.display();
        session.ui.note(if changed { format!("written to {shown}") } else { format!("{shown} says so already") });
    } else if !args.locked {
        for pulled in &pulls {
            warn_of_lock(&reviewed, pulled, session);
        }
    }
    Ok(Outcome::yes(Pulls { models: pulls, cache: cache.root().display().to_string(), offline }))
}

fn reviewed_entries(pulled: &Pulled) -> impl Iterator<Item = Locked> {
    pulled.files.iter().filter(|file| file.path != CARD).map(|file| Locked {
        repo: pulled.repo.clone(),
        file: file.path.clone(),
        revision: pulled.commit.clone(),
        sha256: hex::encode(&file.sha256),
        bytes: file.bytes,
    })
}

/// Without `--locked` another commit is what was asked for, and still worth a word.
fn warn_of_lock(lock: &Lock, pulled: &Pulled, session: &mut Session) {
    if let Some(reviewed) = lock.revision(&pulled.repo).filter(|reviewed| *reviewed != pulled.commit) {
        session.ui.warn(format!(
            "bizra.lock names commit {reviewed} of {}, and this is {}: `--locked` takes the reviewed one, `--lock` notes this",
            pulled.repo, pulled.commit
        ));
    }
}

/// What the lock has for a name: its files, or those of one model among them.
fn pinned(lock: &Lock, name: &Name<'_>, whole: bool, path: &Path) -> Result<Vec<Locked>> {
    let all: Vec<&Locked> = lock.of(name.repo).collect();
    let Some(first) = all.first() else {
        return Err(Error::invalid(format!("{} does not name {}", path.display(), name.repo))
            .hint(format!("once it is reviewed: bizra model pull {name} --lock")));
    };
    if let Some(asked) = name.revision.filter(|asked| *asked != first.revision) {
        return Err(Error::invalid(format!(
            "{} names commit {} of {}, and not {asked}",
            path.display(),
            first.revision,
            name.repo
        ))
        .hint(format!("leave the revision out, or once it is reviewed: bizra model pull {name} --lock")));
    }
    let is_gguf = |locked: &&Locked| locked.file.to_ascii_lowercase().ends_with(".gguf");
    if whole || !all.iter().any(is_gguf) && name.quant.is_none() {
        return Ok(all.into_iter().cloned().collect());
    }
    let paths: Vec<&str> = all.iter().map(|locked| locked.file.as_str()).collect();
    let chosen = choose(name.repo, name.quant, &paths).map_err(|fault| {
        Error::from(fault).because(format!("only the files that {} names are looked at", path.display()))
    })?;
    let fits = |locked: &Locked| matches!(&chosen, Chosen::Gguf(file) if *file == locked.file);
    Ok(all.into_iter().filter(|locked| fits(locked)).cloned().collect())
}

fn chosen_of(pins: &[Locked]) -> Chosen {
    match pins {
        [one] => Chosen::Gguf(one.file.clone()),
        many => Chosen::Folder(many.iter().map(|locked| locked.file.clone()).collect()),
    }
}

fn remote_plan<'a>(hub: &Hub, name: &Name<'a>, pins: Option<Vec<Locked>>, watch: &mut Watch<'_>) -> Result<Plan<'a>> {
    let revision = match pins.as_deref() {
        Some([first, ..]) => first.revision.clone(),
        _ => name.revision.unwrap_or(MAIN).to_owned(),
    };
    let listing = hub.listing(name.repo, &revision, &mut |event| watch.tell(event))?;
    let chosen = match &pins {
        Some(pins) => chosen_of(pins),
        None => choose(name.repo, name.quant, &listing.paths())
            .map_err(|fault| Error::from(fault).hint(format!("see {}", hub.page(name.repo))))?,
    };
    let mut wanted: Vec<&str> = match &chosen {
        Chosen::Gguf(file) => vec![file],
        Chosen::Folder(files) => files.iter().map(String::as_str).collect(),
    };
    if pins.is_none() {
        wanted.extend(listing.file(CARD).map(|_| CARD).filter(|card| !wanted.contains(card)));
    }
    let mut items = Vec::new();
    for path in wanted {
        let locked = pins.iter().flatten().find(|locked| locked.file == path).cloned();
        let Some(file) = listing.file(path) else {
            return Err(Error::new(
                Exit::Integrity,
                format!("{}/{path} is locked, and the hub does not have it any more", name.repo),
            )
            .because(format!("at commit {}", listing.commit)));
        };
        let mut file = file.clone();
        if file.digest.is_none() {
            let said = hub.announced(name.repo, &listing.commit, path, &mut |event| watch.tell(event))?;
            file.size = file.size.or(said.size);
            file.digest = said.digest.or_else(|| locked.as_ref().map(|locked| Digest::Sha256(locked.sha256.clone())));
        }
        if let (Some(locked), Some(Digest::Sha256(announced))) = (&locked, &file.digest) {
            locked::differs(locked, announced)?;
        }
        items.push(Item { file, locked });
    }
    if pins.is_some() && listing.commit != revision {
        return Err(Error::new(
            Exit::Integrity,
            format!("{}: asked for commit {revision}, the hub answers with {}", name.repo, listing.commit),
        ));
    }
    Ok(Plan { repo: name.repo, revision, commit: listing.commit, items, chosen })
}

/// What is here, where nobody may be asked.
fn local_plan<'a>(cache: &Cache, name: &Name<'a>, pins: Option<Vec<Locked>>) -> Result<Plan<'a>> {
    let here = |error: Error| {
        Error { exit: Exit::Cannot, hints: vec![format!("bizra model pull {name}, with a network")], ..error }
            .because("no network is used (--offline or HF_HUB_OFFLINE)")
    };
    let revision = match pins.as_deref() {
        Some([first, ..]) => Some(first.revision.as_str()),
        _ => name.revision,
    };
    let commit = cache.commit(name.repo, revision).map_err(here)?;
    let held = cache.files(name.repo, &commit)?;
    let paths: Vec<&str> = held.iter().map(|file| file.path.as_str()).collect();
    let chosen = match &pins {
        Some(pins) => chosen_of(pins),
        None => choose(name.repo, name.quant, &paths).map_err(|fault| match Error::from(fault) {
            error if error.exit == Exit::Usage => error,
            error => here(error),
        })?,
    };
    let wanted: Vec<&str> = match &chosen {
        Chosen::Gguf(file) => vec![file],
        Chosen::Folder(files) => files.iter().map(String::as_str).collect(),
    };
    let mut items = Vec::new();
    for path in wanted {
        let locked = pins.iter().flatten().find(|locked| locked.file == path).cloned();
        let found = held.iter().find(|file| file.path == path && file.size.is_some());
        let found = found.ok_or_else(|| here(Error::cannot(format!("{}/{path} is not in the cache", name.repo))))?;
        let digest =
            found.digest.clone().or_else(|| locked.as_ref().map(|locked| Digest::Sha256(locked.sha256.clone())));
        items.push(Item { file: RemoteFile { path: path.to_owned(), size: None, digest }, locked });
    }
    Ok(Plan { repo: name.repo, revision: revision.unwrap_or(MAIN).to_owned(), commit, items, chosen })
}

struct Puller<'a> {
    cache: &'a Cache,
    hub: Option<&'a Hub>,
    memory: Option<&'a Path>,
}

/// What was found of a file before anything is downloaded.
enum Here {
    Sound(PathBuf, Hash, u64),
    Damaged(PathBuf),
    Nothing,
}

impl Puller<'_> {
    fn pull(&self, plan: &Plan<'_>, watch: &mut Watch<'_>) -> Result<Pulled> {
        let mut here = Vec::new();
        for item in &plan.items {
            let wanted = self.wanted(plan, item)?;
            here.push((item, wanted.clone(), self.look(&wanted, watch)?));
        }
        if self.hub.is_some() {
            self.room(
                here.iter().filter(|(_, _, here)| !matches!(here, Here::Sound(..))).map(|(_, wanted, _)| wanted),
            )?;
        }
        let mut files = Vec::new();
        for (item, wanted, here) in here {
            let (how, at, sha256, bytes) = match (here, self.hub) {
                (Here::Sound(at, sha256, bytes), _) => (How::Here, at, sha256, bytes),
                (Here::Damaged(at), None) => {
                    return Err(Error::new(Exit::Integrity, format!("{}/{} is damaged", wanted.repo, wanted.path))
                        .at(Place::file(at))
                        .hint(format!("bizra model pull {}, with a network", plan.repo)));
                }
                (_, None) => return Err(Error::cannot(format!("{}/{} is not in the cache", wanted.repo, wanted.path))),
                (_, Some(hub)) => {
                    let (fate, sha256, bytes) =
                        hub::download(hub, self.cache, &wanted, &mut |event| watch.tell(event))?;
                    let how = match fate {
                        Fate::Downloaded => How::Downloaded,
                        Fate::Resumed => How::Resumed,
                        Fate::Awaited => How::Awaited,
                    };
                    (how, self.cache.blob(plan.repo, &wanted.digest), sha256, bytes)
                }
            };
            watch.end();
            if let Some(locked) = &item.locked {
                locked::differs(locked, &hex::encode(&sha256))?;
            }
            if self.hub.is_some() && !at.starts_with(self.cache.snapshot(plan.repo, &plan.commit)) {
                self.cache.link(plan.repo, &plan.commit, wanted.path, &wanted.digest)?;
            }
            if let Some(memory) = self.memory {
                models::remember(memory, &at, sha256);
            }
            files.push(PulledFile { path: wanted.path.to_owned(), bytes, sha256, how });
        }
        let snapshot = self.cache.snapshot(plan.repo, &plan.commit);
        let path = match &plan.chosen {
            Chosen::Gguf(file) => snapshot.join(file),
            Chosen::Folder(files) => {
                all_shards(&snapshot, files)?;
                snapshot
            }
        };
        Ok(Pulled {
            repo: plan.repo.to_owned(),
            revision: plan.revision.clone(),
            commit: plan.commit.clone(),
            files,
            path: path.display().to_string(),
        })
    }

    fn wanted<'p>(&self, plan: &'p Plan<'_>, item: &'p Item) -> Result<Wanted<'p>> {
        let RemoteFile { path, size, digest } = &item.file;
        let size = size.or(item.locked.as_ref().map(|locked| locked.bytes));
        // Offline, a plain file in the cache has nothing to be held against; its own hash then stands in the answer.
        let digest = match (digest, self.hub) {
            (Some(digest), _) => digest.clone(),
            (None, None) => Digest::Sha256(String::new()),
            (None, Some(_)) => {
                return Err(Error::invalid(format!(
                    "{}/{path}: the hub announces no hash, so it can't be checked",
                    plan.repo
                ))
                .hint("a mirror may leave it out: try without HF_ENDPOINT"));
            }
        };
        Ok(Wanted { repo: plan.repo, commit: &plan.commit, path, size, digest })
    }

    /// Whether the file lies here already, whoever brought it.
    fn look(&self, wanted: &Wanted<'_>, watch: &mut Watch<'_>) -> Result<Here> {
        let unknown = wanted.digest.hex().is_empty();
        let blob = self.cache.blob(wanted.repo, &wanted.digest);
        let plain = self.cache.snapshot(wanted.repo, wanted.commit).join(wanted.path);
        let Some(at) = [blob, plain].into_iter().find(|at| at.is_file()) else { return Ok(Here::Nothing) };
        let (sha256, bytes) = match self.memory.and_then(|memory| models::remembered(memory, &at)) {
            Some(sha256) => (sha256, std::fs::metadata(&at).map_err(|e| Error::reading(&at, &e))?.len()),
            None => hub::hash(&at, wanted.path, &mut |event| watch.tell(event))?,
        };
        watch.end();
        Ok(if unknown || wanted.is_digest(&at, &sha256)? { Here::Sound(at, sha256, bytes) } else { Here::Damaged(at) })
    }

    /// Refuses what the disk can't hold before the first byte.
    fn room<'w>(&self, missing: impl Iterator<Item = &'w Wanted<'w>>) -> Result<()> {
        let needed = missing.filter_map(|wanted| wanted.size).fold(0u64, u64::saturating_add);
        let there = self.cache.root().ancestors().find(|folder| folder.is_dir());
        let Some(free) = there.and_then(os::free_bytes) else { return Ok(()) };
        if needed <= free {
            return Ok(());
        }
        Err(Error::cannot(format!(
            "{needed} bytes are to be downloaded, and {free} are free in {}",
            self.cache.root().display()
        ))
        .hint("`bizra model list` shows what takes room, `bizra model rm` frees it; HF_HOME names another folder"))
    }
}

/// The files that the index names must be those that came.
fn all_shards(snapshot: &Path, files: &[String]) -> Result<()> {
    if !files.iter().any(|file| file == INDEX) {
        return Ok(());
    }
    let path = snapshot.join(INDEX);
    let shards =
        hf::shard_names(&files::read(&path)?).map_err(|e| Error::invalid(e.to_string()).at(Place::file(&path)))?;
    match shards.into_iter().find(|shard| !files.contains(shard)) {
        Some(shard) => {
            Err(Error::invalid(format!("it names {shard}, which the repository does not have")).at(Place::file(path)))
        }
        None => Ok(()),
    }
}
