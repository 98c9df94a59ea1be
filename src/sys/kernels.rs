//! Manifests of kernels: found in a repository, or the ones that come with the program.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{files, yaml};
use crate::error::{Error, Place, Result};
use crate::kernel::builtin;
use crate::kernel::manifest::Manifest;
use crate::plan::source::Source;

/// No manifest is longer.
const MOST_BYTES: usize = 1 << 20;

/// A manifest, and where it came from.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the user knows it.
    pub shown: PathBuf,
    /// What paths within it are relative to.
    pub folder: PathBuf,
    pub source: Source,
    pub sha256: [u8; 32],
    pub manifest: Manifest,
    /// Whether it came with the program, and the files that it names too.
    pub own: bool,
}

/// `kernels/*/kernel.yaml` and `kernels/*/NAME.kernel.yaml` below a root.
pub fn find(root: &Path) -> Result<Vec<PathBuf>> {
    let kernels = root.join("kernels");
    let mut found = Vec::new();
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder).map_err(|e| Error::reading(folder, &e))?;
        entries.map(|e| e.map(|e| e.path()).map_err(|e| Error::reading(folder, &e))).collect()
    };
    if !kernels.is_dir() {
        return Ok(found);
    }
    for folder in list(&kernels)?.into_iter().filter(|p| p.is_dir()) {
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "kernel.yaml" || name.ends_with(".kernel.yaml")
        };
        found.extend(list(&folder)?.into_iter().filter(|p| named(p) && p.is_file()));
    }
    found.sort();
    Ok(found)
}

/// One manifest from a file; `shown` is the path as the user knows it.
pub fn load(path: &Path, shown: &Path) -> Result<Known, Vec<Error>> {
    let bytes = files::read_at_most(path, MOST_BYTES).map_err(|e| vec![e])?;
    let known = read(&bytes, shown, path.parent().unwrap_or(Path::new(".")))?;
    match shrunk(&known, &own()?) {
        Some(problem) => Err(vec![problem]),
        None => Ok(known),
    }
}

/// Refuses a manifest under the name of one of the program's own kernels that leaves out what that is made for: its verdict
/// would be taken for the whole.
fn shrunk(known: &Known, own: &[Known]) -> Option<Error> {
    let builtin = |one: &Known| one.manifest.targets.cpu.as_ref().is_some_and(|cpu| cpu.library.is_none());
    let same = |one: &&Known| one.manifest.id() == known.manifest.id() && builtin(one) && builtin(known);
    let one = own.iter().find(same).filter(|one| one.manifest.op() == known.manifest.op())?;
    let (size, value) = known.manifest.domain.shrinks(&one.manifest.domain, known.manifest.op())?;
    let at = Place::in_text(&known.shown, &known.source.text, known.manifest.domain.span(size)?.start as usize);
    let message =
        format!("the domain leaves out {size}={value}, which `{}` of this program is made for", one.manifest.id());
    Some(Error::invalid(message).at(at).hint("widen the domain, or give the manifest an id of its own"))
}

/// One manifest from bytes.
pub fn read(bytes: &[u8], shown: &Path, folder: &Path) -> Result<Known, Vec<Error>> {
    let source = yaml::decode(shown, bytes).map_err(|e| vec![e])?;
    let tree = yaml::parse(&source, 0).map_err(|mut e| {
        // The parser's own hint speaks of plans.
        for hint in e.hints.iter_mut().filter(|hint| hint.contains("roadmap/v1")) {
            *hint = "begin with `bizra: kernel/v1`".to_owned();
        }
        vec![e]
    })?;
    match Manifest::of(&tree, &source) {
        Ok(manifest) => Ok(Known {
            shown: shown.to_owned(),
            folder: folder.to_owned(),
            source,
            sha256: Sha256::digest(bytes).into(),
            manifest,
            own: false,
        }),
        Err(problems) if problems.is_empty() => Err(vec![
            Error::invalid("this is no kernel's manifest").at(Place::file(shown)).hint("begin with `bizra: kernel/v1`"),
        ]),
        Err(problems) => Err(problems),
    }
}

/// The text of a file that a manifest names, of those that come with the program if the manifest does.
pub fn text(known: &Known, path: &str) -> Result<String> {
    if known.own {
        let mut full: Vec<&str> = known.folder.to_str().unwrap_or_default().split('/').collect();
        for part in path.split('/') {
            if part == ".." { full.truncate(full.len().saturating_sub(1)) } else { full.push(part) }
        }
        let full = full.join("/");
        let text = builtin::SOURCES.iter().find(|(name, _)| *name == full).map(|(_, text)| (*text).to_owned());
        return text.ok_or_else(|| Error::invalid(format!("there is no {full} among what comes with this program")));
    }
    let path = known.folder.join(path);
    let bytes = files::read_at_most(&path, MOST_BYTES)?;
    String::from_utf8(bytes).map_err(|_| Error::invalid("this is no text in UTF-8").at(Place::file(&path)))
}

/// The manifests of the engine's own kernels.
pub fn own() -> Result<Vec<Known>, Vec<Error>> {
    builtin::MANIFESTS
        .iter()
        .map(|(path, text)| {
            let (path, folder) = (Path::new(path), Path::new(path).parent().unwrap_or(Path::new(".")));
            read(text.as_bytes(), path, folder).map(|known| Known { own: true, ..known })
        })
        .collect()
}

/// Refuses ids that stand in more than one manifest.
pub fn distinct(all: &[Known]) -> Vec<Error> {
    let mut problems = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let twin = all[..number].iter().find(|other| other.manifest.id() == one.manifest.id());
        if let Some(twin) = twin {
            let at = Place::in_text(&one.shown, &one.source.text, one.manifest.id.span.start as usize);
            problems.push(
                Error::invalid(format!("the id `{}` is also that of {}", one.manifest.id(), twin.shown.display()))
                    .at(at)
                    .hint("give one of the two another id"),
            );
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::case::Case;
    use crate::kernel::manifest::Values;
    use crate::kernel::op;
    use crate::kernel::plan::{Effort, plan};
    use crate::kernel::promise::Promise;

    fn refused(text: &str) -> String {
        match read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")) {
            Ok(_) => "accepted".into(),
            Err(problems) => problems.iter().map(|e| format!("{e}\n")).collect(),
        }
    }

    #[test]
    fn a_domain_that_shrank_is_refused_under_the_old_name() {
        let own = own().unwrap();
        let softmax = own.iter().find(|one| one.manifest.id() == "softmax").expect("it is there");
        let with = |from: &str, to: &str| {
            assert!(softmax.source.text.contains(from));
            let text = softmax.source.text.replace(from, to);
            let known = read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")).unwrap();
            shrunk(&known, &own).map(|error| error.to_string())
        };
        assert_eq!(with("id:", "id:"), None);
        let refused = with("N: 1..", "N: 2..").expect("one value is left out");
        assert!(refused.starts_with("k.yaml:7:") && refused.contains("leaves out N=1"), "{refused}");
        assert_eq!(with("id: softmax", "id: mine"), None);
    }

    const GOOD: &str = "\
bizra: kernel/v1
id: mine
op: softmax
targets: {cpu: {entry: f, library: mine.so}}
contract: {in: f32, out: f32}
domain: {R: 1..8, N: [1, 7]}
";

    #[test]
    fn the_engines_own_manifests_are_valid_and_distinct() {
        let all = own().unwrap();
        assert!(all.len() >= 14);
        // Everything that they name is there, the same from the files as from within.
        for known in &all {
            for target in [&known.manifest.targets.cuda, &known.manifest.targets.wgpu].into_iter().flatten() {
                for path in [&target.source].into_iter().chain(&target.with) {
                    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(&known.folder);
                    let file = text(&Known { own: false, folder, ..known.clone() }, &path.value).unwrap();
                    assert_eq!(text(known, &path.value).unwrap(), file, "{}", path.value);
                }
            }
        }
        assert!(distinct(&all).is_empty());
        let twice: Vec<Known> = all.iter().chain(&all[..1]).cloned().collect();
        assert_eq!(distinct(&twice).len(), 1);
        // What stands in the source is what is built in.
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = find(root).unwrap();
        let shown: Vec<_> = found.iter().map(|p| p.strip_prefix(root).unwrap().to_owned()).collect();
        let mut built: Vec<PathBuf> = builtin::MANIFESTS.iter().map(|(path, _)| PathBuf::from(path)).collect();
        built.sort();
        assert_eq!(shown, built);
    }

    /// What is planned for a kernel has to be replayed by its name.
    #[test]
    fn every_case_of_a_plan_is_one_of_its_kernels() {
        for known in own().expect("they are valid") {
            let manifest = &known.manifest;
            for seed in 0..4 {
                let plan = plan(manifest, &Promise::of(manifest), Effort::Quick, seed, 3);
                assert!(!plan.cases.is_empty());
                let out = plan.cases.iter().find_map(|case| Some((case, manifest.leaves_out(case)?)));
                assert!(out.is_none(), "{out:?}");
                // Both ends of what a kernel is made for are tried, beside something.
                for (name, values) in &manifest.domain.sizes {
                    let Values::Range(_, to) = values else { continue };
                    let at_end = |case: &&Case| {
                        let block = if name == "K" { case.weights.block().0 as i64 } else { 1 };
                        case.shape.get(name) == to / block * block && op::work(&case.shape) > 0
                    };
                    assert!(plan.cases.iter().any(|case| at_end(&case)), "{}: {name}={to}", manifest.id());
                }
                assert!(plan.cases.iter().any(|case| case.threads > 3));
            }
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        assert_eq!(refused(GOOD), "accepted");
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from));
            refused(&GOOD.replace(from, to))
        };
        for (said, expected) in [
            (with("id: mine", "id: mine\nspeed: 9"), "k.yaml:3:1: unknown field `speed`"),
            (with("in: f32", "in: f33"), "k.yaml:5:16: `f33` is not known here"),
            (with("N: [1, 7]", "N: []"), "k.yaml:6:22: no size is left here"),
            (with("N: [1, 7]", "N: 7..1"), "k.yaml:6:22: 7 is more than 1"),
            (with("N: [1, 7]", "N: some"), "k.yaml:6:22: `some` is no range of sizes"),
            (with("N: [1, 7]", "M: 1..7"), "k.yaml:6:19: `M` is no size of softmax"),
            (with(", N: [1, 7]", ""), "the domain doesn't say `N`"),
            (
                with("domain:", "tolerance: {tighten: {g1: 1.5}}\ndomain:"),
                "k.yaml:6:27: `1.5` would loosen a tolerance",
            ),
            (with("domain:", "tolerance: {tighten: {g9: 0.5}}\ndomain:"), "k.yaml:6:23: `g9` is not known here"),
            (with("targets: {cpu: {entry: f, library: mine.so}}", "targets: {}"), "k.yaml:4:10: there is no target"),
            (with("out: f32", "out: f32, mutates: [x]"), "may not change their inputs"),
            (
                with("domain:", "claims: [{id: c, text: t, grammar: \"ratio >= 2.0 over other\"}]\ndomain:"),
                "claim `c`, column 19: there is no baseline `other`",
            ),
            (
                with("domain:", "claims: [{id: c, text: t, grammar: \"ratio >= 2.0\"}]\ndomain:"),
                "k.yaml:6:36: claim `c`, column 13: there is no baseline to compare with",
            ),
            (
                with("domain:", "claims: [{id: c, text: t, grammar: \"fast\"}]\ndomain:"),
                "is nothing that can be claimed",
            ),
            (with("domain:", "baselines: [{id: a}, {id: a}]\ndomain:"), "k.yaml:6:27: `a` stands twice"),
            (with("id: mine", "id: mine\nid: mine"), "stands twice in this map"),
            (refused("bizra: kernel/v2\n"), "k.yaml:1:8: `kernel/v2` is not known here"),
            (refused(""), "k.yaml"),
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}
