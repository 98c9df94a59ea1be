//! Fixtures that are built, not written: each comes from a seed, and `fixtures/SHA256SUMS` lists what came out. The model
//! inside the binary takes an hour, so it and what was found out about it are only compared with the list.

mod tiny;

use std::collections::BTreeMap;
use std::path::Path;

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build in memory only, and compare with the files and the list
    #[arg(long)]
    check: bool,
}

pub(crate) struct Fixture {
    /// Relative to the root, under `fixtures/`.
    pub(crate) path: &'static str,
    pub(crate) seed: u64,
    pub(crate) build: fn(seed: u64) -> Outcome<Vec<u8>>,
}

const REGISTRY: &[Fixture] = &[Fixture { path: "fixtures/tiny.gguf", seed: 1, build: tiny::build }];

/// Made by `cargo xtask train` and `cargo xtask eval --keep`, which put them on the list.
const KEPT: &[&str] =
    &["fixtures/bizra-guide.eval.json", "fixtures/bizra-guide.eval.receipt.json", "fixtures/bizra-guide.gguf"];

const NONE: &str = "no fixtures registered";

const LIST: &str = "fixtures/SHA256SUMS";

pub(crate) fn run(args: &Args) -> Outcome {
    if REGISTRY.is_empty() {
        println!("{NONE}");
        return Ok(());
    }
    if args.check { compare(&tools::root(), REGISTRY, KEPT) } else { write(&tools::root(), REGISTRY, KEPT) }
}

/// For `ci`: compares, and returns what there was nothing to compare for.
pub(crate) fn check() -> Outcome<Vec<String>> {
    if REGISTRY.is_empty() {
        return Ok(vec![NONE.into()]);
    }
    compare(&tools::root(), REGISTRY, KEPT).map(|()| vec![])
}

/// Puts a file that is kept on the list, as it lies there now.
pub(crate) fn keep(root: &Path, path: &str) -> Outcome {
    let digest = tools::sha256(&tools::read_file(&root.join(path))?);
    let mut list = known(root)?;
    list.insert(path.to_owned(), digest);
    tools::write_file(&root.join(LIST), listed(&list).as_bytes())
}

/// What the list says now, by path.
fn known(root: &Path) -> Outcome<BTreeMap<String, String>> {
    let text = String::from_utf8_lossy(&tools::read_file(&root.join(LIST))?).into_owned();
    let entries = text.lines().filter_map(|line| line.split_once("  "));
    Ok(entries.map(|(digest, name)| (format!("fixtures/{name}"), digest.to_owned())).collect())
}

/// Files that are kept are those on the list.
fn check_kept(root: &Path, kept: &[&str]) -> Outcome<BTreeMap<String, String>> {
    if kept.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = known(root)?;
    let mut list = BTreeMap::new();
    for path in kept {
        let digest = tools::sha256(&tools::read_file(&root.join(path))?);
        if known.get(*path) != Some(&digest) {
            return Err(format!(
                "{path} is not the file on the list; if it is meant to be another: cargo xtask train, cargo xtask eval --keep"
            ));
        }
        println!("{path} is the file on the list");
        list.insert((*path).to_owned(), digest);
    }
    Ok(list)
}

fn write(root: &Path, registry: &[Fixture], kept: &[&str]) -> Outcome {
    let mut list = check_kept(root, kept)?;
    for fixture in registry {
        let bytes = build(fixture)?;
        tools::write_file(&root.join(fixture.path), &bytes)?;
        println!("{} {} bytes", fixture.path, bytes.len());
        list.insert(fixture.path.to_owned(), tools::sha256(&bytes));
    }
    tools::write_file(&root.join(LIST), listed(&list).as_bytes())
}

fn compare(root: &Path, registry: &[Fixture], kept: &[&str]) -> Outcome {
    let mut faults = Vec::new();
    let mut list = check_kept(root, kept)?;
    for fixture in registry {
        let bytes = build(fixture)?;
        list.insert(fixture.path.to_owned(), tools::sha256(&bytes));
        match tools::read_file(&root.join(fixture.path)) {
            Err(message) => faults.push(message),
            Ok(stored) if stored != bytes => {
                let at = stored.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
                faults.push(format!("{} is not what its seed builds, from byte {at} on", fixture.path));
            }
            Ok(_) => println!("{} is what seed {} builds", fixture.path, fixture.seed),
        }
    }
    match tools::read_file(&root.join(LIST)) {
        Err(message) => faults.push(message),
        Ok(stored) if stored != listed(&list).as_bytes() => faults.push(format!("{LIST} lists other digests")),
        Ok(_) => {}
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nIf the change is meant: cargo xtask fixtures", faults.join("\n")))
}

fn build(fixture: &Fixture) -> Outcome<Vec<u8>> {
    (fixture.build)(fixture.seed).map_err(|message| format!("cannot build {}: {message}", fixture.path))
}

/// The format of `sha256sum`, so that it can be checked without this tool.
fn listed(list: &BTreeMap<String, String>) -> String {
    list.iter().map(|(path, digest)| format!("{digest}  {}\n", path.trim_start_matches("fixtures/"))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const COUNTING: &[Fixture] = &[Fixture {
        path: "fixtures/counting.bin",
        seed: 7,
        build: |seed| Ok((0..16).map(|step| (seed + step) as u8).collect()),
    }];

    fn folder(name: &str) -> PathBuf {
        let folder = tools::root().join("target/xtask-tests").join(name);
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_was_written_compares_equal() {
        let root = folder("fixtures-equal");
        write(&root, COUNTING, &[]).unwrap();
        compare(&root, COUNTING, &[]).unwrap();
        let list = fs::read_to_string(root.join(LIST)).unwrap();
        assert_eq!(list, format!("{}  counting.bin\n", tools::sha256(&(7..23).collect::<Vec<u8>>())));
    }

    #[test]
    fn a_changed_byte_is_named() {
        let root = folder("fixtures-changed");
        write(&root, COUNTING, &[]).unwrap();
        let path = root.join(COUNTING[0].path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        insta::assert_snapshot!(compare(&root, COUNTING, &[]).unwrap_err(), @r"
        fixtures/counting.bin is not what its seed builds, from byte 5 on
        If the change is meant: cargo xtask fixtures
        ");
    }

    #[test]
    fn a_stale_list_and_missing_files_are_faults() {
        let root = folder("fixtures-missing");
        write(&root, COUNTING, &[]).unwrap();
        fs::write(root.join(LIST), "").unwrap();
        assert!(compare(&root, COUNTING, &[]).unwrap_err().contains("lists other digests"));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(compare(&root, COUNTING, &[]).unwrap_err().matches("cannot read").count(), 2);
    }

    #[test]
    fn a_kept_file_is_only_compared_with_the_list() {
        const KEPT: &[&str] = &["fixtures/kept.bin"];
        let root = folder("fixtures-kept");
        write(&root, COUNTING, &[]).unwrap();
        fs::write(root.join(KEPT[0]), "one").unwrap();
        assert!(write(&root, COUNTING, KEPT).unwrap_err().starts_with("fixtures/kept.bin is not the file on the list"));
        keep(&root, KEPT[0]).unwrap();
        write(&root, COUNTING, KEPT).unwrap();
        compare(&root, COUNTING, KEPT).unwrap();
        fs::write(root.join(KEPT[0]), "two").unwrap();
        assert!(compare(&root, COUNTING, KEPT).unwrap_err().starts_with("fixtures/kept.bin is not"));
    }
}
