//! Plan files: finding them in a repository, and reading them whole.

use std::path::{Path, PathBuf};

use super::yaml;
use crate::error::{Error, Place, Result};
use crate::plan;
use crate::plan::schema::Plan;
use crate::plan::source::Source;
use crate::plan::tree::Tree;

/// The folders that plans are looked for in, below the root.
pub const FOLDERS: [&str; 2] = ["roadmap", "sprints"];

/// A plan, and what it was read from.
pub struct Loaded {
    pub source: Source,
    pub tree: Tree,
    pub plan: Plan,
}

/// Plans of a repository: YAML files directly in its plan folders, by name.
pub fn find(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let path = root.join(folder);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::reading(&path, &e)),
        };
        for entry in entries {
            let path = entry.map_err(|e| Error::reading(&path, &e))?.path();
            if path.extension().is_some_and(|e| e == "yaml" || e == "yml") && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads one plan; `shown` is the path as the user knows it. Everything that is wrong with its form comes back.
pub fn load(path: &Path, shown: &Path) -> Result<Loaded, Vec<Error>> {
    let bytes = std::fs::read(path).map_err(|e| vec![Error::reading(shown, &e)])?;
    read(shown, &bytes)
}

/// The same from bytes.
pub fn read(shown: &Path, bytes: &[u8]) -> Result<Loaded, Vec<Error>> {
    let source = yaml::decode(shown, bytes).map_err(|e| vec![e])?;
    let tree = yaml::parse(&source, 0).map_err(|e| vec![e])?;
    match plan::read(&tree, &source) {
        Ok(plan) => Ok(Loaded { source, tree, plan }),
        Err(problems) if problems.is_empty() => {
            Err(vec![Error::invalid("this is no plan").at(Place::file(shown))])
        }
        Err(problems) => Err(problems),
    }
}
