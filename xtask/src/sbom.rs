//! What a release is made of: a CycloneDX 1.5 bill of materials, and the licence texts that must go with it.
//!
//! Both come from `cargo metadata` and the lockfile, cover normal and build dependencies for one target, and are
//! the same bytes for the same lockfile: no serial number, no time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::tools::{self, Outcome};

pub(crate) struct Bill {
    root: String,
    packages: BTreeMap<String, Package>,
}

struct Package {
    name: String,
    version: String,
    license: Option<String>,
    folder: PathBuf,
    checksum: Option<String>,
    from_registry: bool,
    dependencies: BTreeSet<String>,
}

impl Package {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, kind: &str) -> Value {
        let mut component = json!({
            "type": kind,
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
        });
        if let Some(license) = &self.license {
            component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
        }
        if let Some(checksum) = &self.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    }
}

impl Bill {
    pub(crate) fn of_target(target: &str) -> Outcome<Self> {
        let text = tools::read(tools::cargo().args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            target,
        ]))?;
        let metadata =
            serde_json::from_str(&text).map_err(|cause| format!("`cargo metadata` printed no JSON: {cause}"))?;
        let lock = String::from_utf8_lossy(&tools::read_file(&tools::root().join("Cargo.lock"))?).into_owned();
        Bill::read(&metadata, &lock)
    }

    fn read(metadata: &Value, lock: &str) -> Outcome<Self> {
        let missing = |what: &str| format!("`cargo metadata` lists no {what}");
        let listed = metadata["packages"].as_array().ok_or_else(|| missing("packages"))?;
        let nodes = metadata["resolve"]["nodes"].as_array().ok_or_else(|| missing("dependency graph"))?;
        let edges: BTreeMap<&str, BTreeSet<String>> = nodes.iter().map(|node| (id(node), shipped(node))).collect();
        let root = listed.iter().find(|package| package["name"] == "bizra").ok_or_else(|| missing("package bizra"))?;

        let checksums = checksums(lock);
        let mut packages = BTreeMap::new();
        let mut open = vec![id(root).to_string()];
        while let Some(next) = open.pop() {
            if packages.contains_key(&next) {
                continue;
            }
            let package = listed.iter().find(|package| id(package) == next).ok_or_else(|| missing(&next))?;
            let dependencies = edges.get(next.as_str()).cloned().unwrap_or_default();
            open.extend(dependencies.iter().cloned());
            packages.insert(next, read_package(package, dependencies, &checksums));
        }
        Ok(Bill { root: id(root).to_string(), packages })
    }

    pub(crate) fn cyclonedx(&self) -> String {
        let purl = |id: &String| self.packages[id].purl();
        let mut components: Vec<&Package> =
            self.packages.iter().filter(|(id, _)| **id != self.root).map(|(_, package)| package).collect();
        components.sort_by_key(|package| package.purl());
        let mut dependencies: Vec<(String, BTreeSet<String>)> = self
            .packages
            .values()
            .map(|package| (package.purl(), package.dependencies.iter().map(purl).collect()))
            .collect();
        dependencies.sort();
        let document = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": self.packages[&self.root].component("application") },
            "components": components.iter().map(|package| package.component("library")).collect::<Vec<_>>(),
            "dependencies": dependencies
                .iter()
                .map(|(package, on)| json!({ "ref": package, "dependsOn": on }))
                .collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }

    /// The licence files of every package from a registry, equal texts once.
    pub(crate) fn licence_texts(&self) -> Outcome<String> {
        let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut without = BTreeSet::new();
        for package in self.packages.values().filter(|package| package.from_registry) {
            let name = format!("{} {}", package.name, package.version);
            let files = licence_files(&package.folder)?;
            if files.is_empty() {
                without.insert(format!("{name} ({})", package.license.as_deref().unwrap_or("no licence named")));
            }
            for file in files {
                let text = String::from_utf8_lossy(&tools::read_file(&file)?).trim().to_string();
                texts.entry(text).or_default().insert(name.clone());
            }
        }
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join("\n");
        let mut sections: Vec<String> =
            texts.iter().map(|(text, names)| format!("{}\n\n{text}\n", joined(names))).collect();
        sections.sort();
        if !without.is_empty() {
            sections.push(format!("{}\n\nThese packages name their licence and carry no text.\n", joined(&without)));
        }
        Ok(sections.join(&format!("\n{}\n\n", "=".repeat(80))))
    }

    pub(crate) fn count(&self) -> usize {
        self.packages.len() - 1
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap_or_default()
}

/// What a node needs to be built: everything but development dependencies.
fn shipped(node: &Value) -> BTreeSet<String> {
    let dependencies = node["deps"].as_array().into_iter().flatten();
    let is_shipped = |dependency: &&Value| {
        dependency["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"] != "dev")
    };
    dependencies.filter(is_shipped).filter_map(|dependency| dependency["pkg"].as_str().map(String::from)).collect()
}

fn read_package(package: &Value, dependencies: BTreeSet<String>, checksums: &BTreeMap<String, String>) -> Package {
    let text = |key: &str| package[key].as_str().map(String::from);
    let (name, version) = (text("name").unwrap_or_default(), text("version").unwrap_or_default());
    let manifest = text("manifest_path").unwrap_or_default();
    Package {
        checksum: checksums.get(&format!("{name} {version}")).cloned(),
        license: text("license"),
        folder: Path::new(&manifest).parent().unwrap_or(Path::new("")).to_path_buf(),
        from_registry: package["source"].is_string(),
        name,
        version,
        dependencies,
    }
}

/// `name version` → digest, from the lockfile's `[[package]]` tables.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let value = |table: &str, key: &str| {
        let line = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(String::from)
    };
    lock.split("[[package]]")
        .filter_map(|table| {
            let name = format!("{} {}", value(table, "name")?, value(table, "version")?);
            Some((name, value(table, "checksum")?))
        })
        .collect()
}

/// At the package's root and one folder down, where vendored C libraries keep theirs.
fn licence_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"].iter().any(|word| name.starts_with(word))
    };
    let top = tools::entries(folder)?;
    let mut files: Vec<PathBuf> = top.iter().filter(|path| is_licence(path)).cloned().collect();
    for below in top.iter().filter(|path| path.is_dir()) {
        files.extend(tools::entries(below)?.into_iter().filter(|path| is_licence(path)));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill() -> Bill {
        let package = |name: &str, version: &str, source: Value| {
            json!({ "id": format!("{name}-id"), "name": name, "version": version, "license": "MIT/Apache-2.0",
                    "source": source, "manifest_path": format!("/nowhere/{name}/Cargo.toml") })
        };
        let edge = |name: &str, kind: Value| json!({ "pkg": format!("{name}-id"), "dep_kinds": [{ "kind": kind }] });
        let registry = json!("registry+https://example.com");
        let metadata = json!({
            "packages": [
                package("bizra", "0.1.0", Value::Null), package("a", "1.0.0", registry.clone()),
                package("b", "2.0.0", registry.clone()), package("tests-only", "3.0.0", registry),
            ],
            "resolve": { "nodes": [
                { "id": "bizra-id", "deps": [edge("b", json!("build")), edge("a", Value::Null), edge("tests-only", json!("dev"))] },
                { "id": "a-id", "deps": [edge("b", Value::Null)] },
            ] },
        });
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"c0ffee\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        Bill::read(&metadata, lock).unwrap()
    }

    #[test]
    fn lists_what_is_built_in_and_not_what_only_tests_use() {
        let document: Value = serde_json::from_str(&bill().cyclonedx()).unwrap();
        let names: Vec<_> = document["components"].as_array().unwrap().iter().map(|c| c["bom-ref"].clone()).collect();
        assert_eq!(names, ["pkg:cargo/a@1.0.0", "pkg:cargo/b@2.0.0"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "c0ffee");
        assert_eq!(document["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(document["components"][1].get("hashes"), None);
        let expected = json!([
            { "ref": "pkg:cargo/a@1.0.0", "dependsOn": ["pkg:cargo/b@2.0.0"] },
            { "ref": "pkg:cargo/b@2.0.0", "dependsOn": [] },
            { "ref": "pkg:cargo/bizra@0.1.0", "dependsOn": ["pkg:cargo/a@1.0.0", "pkg:cargo/b@2.0.0"] },
        ]);
        assert_eq!(document["dependencies"], expected);
    }

    #[test]
    fn is_the_same_twice() {
        assert_eq!(bill().cyclonedx(), bill().cyclonedx());
    }

    #[test]
    fn an_empty_graph_is_refused() {
        let error = Bill::read(&json!({ "packages": [] }), "").err();
        assert_eq!(error.as_deref(), Some("`cargo metadata` lists no dependency graph"));
    }
}
