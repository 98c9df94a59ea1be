//! Where a model lies: at a path, in the Hugging Face cache, or anywhere that a receipt's model may be.

use std::path::{Path, PathBuf};

use super::super::hub::Cache;
use super::super::{embedded, folders};
use super::digests::Remembered;
use crate::env::Env;
use crate::error::{Error, Place, Result};
use crate::model::{self, ChooseFault, Chosen, Name};
use crate::receipts::{Hash, hex};

/// What lies at that path, where anything does; [`embedded::NAME`] alone is the model inside the binary.
pub fn at_path(env: &Env, name: &str) -> Option<PathBuf> {
    if name == embedded::NAME {
        return Some(name.into());
    }
    let path = env.cwd.join(name);
    // Where it can't be told, opening it says why.
    path.try_exists().unwrap_or(true).then_some(path)
}

/// The file or folder in the Hugging Face cache that a name means at a revision.
pub fn cached(env: &Env, name: &Name<'_>, revision: Option<&str>) -> Result<PathBuf> {
    let cache = Cache::of(&env.vars)?;
    let commit = cache.commit(name.repo, revision)?;
    let files = cache.files(name.repo, &commit)?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let chosen = model::choose(name.repo, name.quant, &paths);
    let pull = |error: Error| error.hint(format!("bizra model pull {name}"));
    match chosen {
        Ok(Chosen::Folder(_)) => Ok(cache.snapshot(name.repo, &commit)),
        Ok(Chosen::Gguf(path)) => {
            let found = files.into_iter().find(|file| file.path == path && file.size.is_some());
            let gone = || {
                pull(
                    Error::invalid("this link of the cache leads nowhere")
                        .at(Place::file(cache.snapshot(name.repo, &commit).join(&path))),
                )
            };
            found.map(|file| file.at).ok_or_else(gone)
        }
        // Other files of the repository may be what is missing here.
        Err(fault @ (ChooseFault::NoQuant { .. } | ChooseFault::NoWeights { .. } | ChooseFault::NoText { .. })) => {
            let here = Error::from(fault).because(format!(
                "only what was pulled is looked at: {}",
                cache.snapshot(name.repo, &commit).display()
            ));
            Err(pull(here))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Files and folders that may be the model with that name and size: those that were hashed before, those in the
/// folder where the user stands, and those in the Hugging Face cache. Nothing is opened to find them.
pub fn candidates(env: &Env, memory: Option<&Path>, model: &Wanted<'_>) -> Vec<PathBuf> {
    let remembered = memory.map(Remembered::read).unwrap_or_default();
    let mut found = Vec::new();
    for (path, _, hash) in &remembered.0 {
        let path = PathBuf::from(path);
        // A folder's hash is none of its files': its files were remembered, and the folder is asked.
        found.extend(path.parent().filter(|folder| folder.join("config.json").exists()).map(Path::to_owned));
        if *hash == model.sha256 {
            found.push(path);
        }
    }
    found.push(env.cwd.join(model.name));
    if let Some(cache) = folders::model_cache(&env.vars) {
        let entries = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).map(|all| all.flatten().map(|e| e.path()).collect());
            let mut entries: Vec<PathBuf> = entries.unwrap_or_default();
            entries.sort();
            entries
        };
        for repo in entries(&cache) {
            // Large files are named after their SHA-256 there.
            found.push(repo.join("blobs").join(hex::encode(&model.sha256)));
            for snapshot in entries(&repo.join("snapshots")) {
                found.extend(entries(&snapshot).into_iter().filter(|path| path.ends_with(model.name)));
                found.push(snapshot);
            }
        }
    }
    let has_size = |path: &PathBuf| match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => path.join("config.json").exists(),
        Ok(metadata) => metadata.len() == model.bytes,
        Err(_) => false,
    };
    found.retain(has_size);
    found.dedup();
    if embedded::bytes().is_some_and(|bytes| bytes.len() as u64 == model.bytes) {
        found.push(embedded::NAME.into());
    }
    found
}

/// A model as a receipt tells of it.
pub struct Wanted<'a> {
    pub name: &'a str,
    pub sha256: Hash,
    pub bytes: u64,
}
