//! Plan files: finding them in a repository, and reading them whole.

use std::path::{Path, PathBuf};

use super::yaml;
use crate::error::{Error, Place, Result};
use crate::plan;
use crate::plan::schema::Plan;
use crate::plan::source::Source;
use crate::plan::tree::Tree;
use crate::roadmap::{facts, import, render};

/// The folders that plans are looked for in, below the root.
pub const FOLDERS: [&str; 2] = ["roadmap", SPRINTS];
pub const SPRINTS: &str = "sprints";

/// A plan, and what it was read from.
pub struct Loaded {
    pub source: Source,
    pub tree: Tree,
    pub plan: Plan,
}

/// Plans of a repository: YAML files directly in its plan folders, by name.
pub fn find(root: &Path) -> Result<Vec<PathBuf>> {
    find_in(root, &FOLDERS)
}

/// The same in some of them.
pub fn find_in(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
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
        Err(problems) if problems.is_empty() => Err(vec![Error::invalid("this is no plan").at(Place::file(shown))]),
        Err(problems) => Err(problems),
    }
}

/// What has to hold between a document and the plan that is kept of it: each case with its name, and why it fails.
pub fn conform(document: &[u8], kept: &[u8]) -> Vec<(&'static str, Result<(), String>)> {
    let name = Path::new("document.md");
    let text = match yaml::decode(name, document) {
        Ok(source) => plan::text::repaired(&source.text).unwrap_or(source.text),
        Err(error) => return vec![("the document is read", Err(error.to_string()))],
    };
    let origin = import::Origin { id: "draft".into(), zone: "UTC".into(), path: "document.md".into(), repaired: false };
    let draft = import::draft(&text, &origin);
    let told = |problems: Vec<Error>| problems.iter().map(Error::to_string).collect::<Vec<_>>().join("; ");
    let whole = |yaml: &[u8], fits: fn(&facts::Lost) -> bool| -> Result<(), String> {
        let loaded = read(name, yaml).map_err(told)?;
        let shown = render::markdown(&loaded.plan, &loaded.tree) + &loaded.source.text;
        let lost: Vec<String> = facts::lost(&text, &shown).iter().filter(|l| fits(l)).map(|l| l.text.clone()).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("lost: {}", lost.join("; "))) }
    };
    let mut cases = vec![
        ("an import loses nothing", whole(draft.as_bytes(), |_| true)),
        ("the plan keeps every fact", whole(kept, facts::Lost::is_fact)),
    ];
    for (case, yaml) in
        [("an import comes back line for line", draft.as_bytes()), ("the plan comes back line for line", kept)]
    {
        // Only roadmaps have a layout that gives every line back.
        if let Ok(loaded) = read(name, yaml)
            && loaded.plan.effort.is_some()
        {
            let same = render::markdown(&loaded.plan, &loaded.tree) == text;
            cases.push((case, same.then_some(()).ok_or_else(|| "some lines differ".to_owned())));
        }
    }
    cases
}
