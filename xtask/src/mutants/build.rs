//! The copy of the project that holds the faults, and what the compiler makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use super::plant::{File, Written};
use crate::tools::{self, Outcome};

/// What a test says of itself before it is asked: its program, the shortest way to the code first.
pub(super) struct Binary {
    pub(super) path: PathBuf,
    pub(super) is_unit_tests: bool,
}

pub(super) struct Tree {
    root: PathBuf,
}

/// The switch. Read once, for a fault that changed half-way would be another one.
const SWITCH: &str = r#"
pub mod mutants {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static CHOSEN: AtomicU32 = AtomicU32::new(u32::MAX);
    const NOTES: u32 = u32::MAX - 1;
    static SEEN: [AtomicU32; 1 << 14] = [const { AtomicU32::new(0) }; 1 << 14];
    #[inline(always)]
    pub fn on(id: u32) -> bool {
        let chosen = CHOSEN.load(Relaxed);
        if chosen < NOTES { chosen == id } else { asked(id) }
    }
    #[cold]
    fn asked(id: u32) -> bool {
        let value = std::env::var("XTASK_MUTANT").unwrap_or_default();
        CHOSEN.store(if value == "note" { NOTES } else { value.parse().unwrap_or(0) }, Relaxed);
        if value != "note" { return value.parse() == Ok(id); }
        if SEEN[id as usize / 32].fetch_or(1 << (id % 32), Relaxed) >> (id % 32) & 1 == 0 {
            use std::io::Write;
            let path = std::env::var_os("XTASK_MUTANT_NOTES").expect("a file for notes");
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("notes");
            file.write_all(format!("{id}\n").as_bytes()).expect("a note");
        }
        false
    }
}
"#;
/// As many as [`SWITCH`] has bits for.
const MOST: u32 = 1 << 19;

/// More rounds than the compiler has phases in which it refuses.
const ROUNDS: usize = 20;

impl Tree {
    /// Copies what git tracks, or would. What has not changed keeps its time, so that it is not built again.
    pub(super) fn copy() -> Outcome<Tree> {
        let tree = Tree { root: folder().join("tree") };
        for file in tools::repository_files()? {
            let bytes = tools::read_file(&tools::root().join(&file))?;
            let is_test = file.starts_with("tests") && file.extension().is_some_and(|extension| extension == "rs");
            match String::from_utf8(bytes) {
                // Tests clear what children inherit; the switch has to reach them.
                Ok(text) if is_test => {
                    let passed =
                        ".env_clear().envs(std::env::vars().filter(|(name, _)| name.starts_with(\"XTASK_MUTANT\")))";
                    tree.put(&file, text.replace(".env_clear()", passed).as_bytes())?;
                }
                Ok(text) => tree.put(&file, text.as_bytes())?,
                Err(binary) => tree.put(&file, binary.as_bytes())?,
            }
        }
        Ok(tree)
    }

    fn put(&self, file: &Path, bytes: &[u8]) -> Outcome {
        let path = self.root.join(file);
        if fs::read(&path).is_ok_and(|there| there == bytes) { Ok(()) } else { tools::write_file(&path, bytes) }
    }

    fn cargo(&self) -> Outcome<Command> {
        let this = env::current_exe().map_err(|cause| format!("cannot find the path of xtask itself: {cause}"))?;
        let mut cargo = tools::cargo();
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", folder().join("build"));
        // Faults give rise to lints that deny, and to thousands of warnings.
        cargo.env("RUSTC_WORKSPACE_WRAPPER", this).env(tools::COMPILER_FLAG, "--cap-lints=allow");
        Ok(cargo)
    }

    /// Writes the faults, and drops those that the compiler refuses, until it refuses none. Returns how many those are.
    pub(super) fn settle(&self, planted: &mut [File]) -> Outcome<usize> {
        let most = planted.iter().flat_map(File::mutants).map(|mutant| mutant.id).max().unwrap_or(0);
        if most >= MOST {
            return Err(format!("{most} faults are more than there are switches: name fewer files"));
        }
        let mut unviable = 0;
        // Each round costs a run of the compiler, so what it refused of a text is remembered.
        let memories: Vec<PathBuf> = planted.iter().map(|file| memory(&file.write().0, file.first)).collect();
        for (file, memory) in planted.iter_mut().zip(&memories) {
            let known: BTreeSet<u32> = fs::read_to_string(memory)
                .unwrap_or_default()
                .lines()
                .filter_map(|line| Some(line.parse::<u32>().ok()? + file.first))
                .collect();
            unviable += known.len();
            file.keep(|mutant| !known.contains(&mutant.id));
        }
        for round in 1..=ROUNDS {
            let places = self.write(planted)?;
            let output = self
                .cargo()?
                .args(["check", "--locked", "--quiet", "--package", "bizra", "--lib", "--message-format=json"])
                .output()
                .map_err(|cause| format!("cannot start cargo: {cause}"))?;
            if output.status.success() {
                return Ok(unviable);
            }
            let dropped = refused(&String::from_utf8_lossy(&output.stdout), &places)?;
            if dropped.is_empty() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("the copy with the faults cannot be built\n{said}"));
            }
            println!("round {round}: the compiler refuses {} faults", dropped.len());
            unviable += dropped.len();
            for (file, memory) in planted.iter_mut().zip(&memories) {
                let before = fs::read_to_string(memory).unwrap_or_default();
                let mine = file.mutants().filter(|mutant| dropped.contains(&mutant.id));
                let more: String = mine.map(|mutant| format!("{}\n", mutant.id - file.first)).collect();
                tools::write_file(memory, (before + &more).as_bytes())?;
                file.keep(|mutant| !dropped.contains(&mutant.id));
            }
        }
        Err(format!("the compiler still refuses faults after {ROUNDS} rounds"))
    }

    fn write(&self, planted: &[File]) -> Outcome<BTreeMap<PathBuf, Vec<Written>>> {
        let mut places = BTreeMap::new();
        let lib = Path::new("src/lib.rs");
        let mut whole = String::from_utf8_lossy(&tools::read_file(&tools::root().join(lib))?).into_owned();
        for file in planted {
            let (text, written) = file.write();
            if file.path == lib {
                whole = text
            } else {
                self.put(&file.path, text.as_bytes())?
            }
            places.insert(file.path.clone(), written);
        }
        self.put(lib, (whole + SWITCH).as_bytes())?;
        Ok(places)
    }

    /// Builds the tests, and names their programs.
    pub(super) fn tests(&self) -> Outcome<Vec<Binary>> {
        let mut cargo = self.cargo()?;
        cargo.args([
            "test",
            "--locked",
            "--no-run",
            "--package",
            "bizra",
            "--lib",
            "--test",
            "cli",
            "--test",
            "ledger",
        ]);
        let listing = tools::read(cargo.arg("--message-format=json"))?;
        let mut binaries: Vec<Binary> = listing
            .lines()
            .filter_map(|line| {
                let message: Value = serde_json::from_str(line).ok()?;
                let path = message["executable"].as_str()?.into();
                if message["profile"]["test"] != true {
                    return None;
                }
                Some(Binary { path, is_unit_tests: message["target"]["kind"][0] == "lib" })
            })
            .collect();
        binaries.sort_by_key(|binary| !binary.is_unit_tests);
        if binaries.is_empty() { Err("cargo built no tests".into()) } else { Ok(binaries) }
    }
}

/// Where it is noted what the compiler refused of this text with its faults, however these are numbered.
fn memory(text: &str, first: u32) -> PathBuf {
    let mut plain = String::new();
    for (at, part) in text.split("mutants::on(").enumerate() {
        match part.split_once(')') {
            Some((id, rest)) if at > 0 => {
                let id: u32 = id.parse().unwrap_or(0);
                plain += &format!("{})", id.saturating_sub(first));
                plain += rest;
            }
            _ => plain += part,
        }
    }
    folder().join("refused").join(tools::sha256(plain.as_bytes()))
}

pub(super) fn folder() -> PathBuf {
    tools::root().join("target/mutants")
}

pub(super) fn tree() -> PathBuf {
    folder().join("tree")
}

/// The faults that the compiler's errors point at. An error that points at none fails as it is.
fn refused(messages: &str, places: &BTreeMap<PathBuf, Vec<Written>>) -> Outcome<BTreeSet<u32>> {
    let mut refused = BTreeSet::new();
    for line in messages.lines() {
        let Ok(mut message) = serde_json::from_str::<Value>(line) else { continue };
        let message = message["message"].take();
        if message["level"] != "error" {
            continue;
        }
        let mut spans: Vec<&Value> = message["spans"].as_array().into_iter().flatten().collect();
        spans.sort_by_key(|span| span["is_primary"] != true);
        match spans.iter().find_map(|span| pointed_at(span, places)) {
            Some(found) => refused.extend(found),
            // The last one only counts the others.
            None if spans.is_empty() => {}
            None => return Err(message["rendered"].as_str().unwrap_or_default().to_string()),
        }
    }
    Ok(refused)
}

fn pointed_at(span: &Value, places: &BTreeMap<PathBuf, Vec<Written>>) -> Option<Vec<u32>> {
    let at = |name: &str| Some(span[name].as_u64()? as usize);
    let (start, end) = (at("byte_start")?, at("byte_end")?);
    let written = places.get(Path::new(span["file_name"].as_str()?))?;
    if let Some(one) = written.iter().find(|one| one.own.start <= start && end <= one.own.end) {
        return Some(vec![one.id]);
    }
    let around = written.iter().filter(|one| one.whole.start <= start && end <= one.whole.end);
    let smallest = around.map(|one| &one.whole).min_by_key(|whole| whole.len())?;
    Some(written.iter().filter(|one| one.whole == *smallest).map(|one| one.id).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(start: usize, end: usize) -> String {
        let span = json!({ "file_name": "src/a.rs", "byte_start": start, "byte_end": end, "is_primary": true });
        let message = json!({ "level": "error", "spans": [span], "rendered": "error: no" });
        json!({ "reason": "compiler-message", "message": message }).to_string()
    }

    #[test]
    fn what_was_refused_is_known_again_when_faults_are_numbered_anew() {
        let at = |first: u32, code: &str| {
            memory(&super::super::plant::of("src/a.rs".into(), code, first).unwrap().write().0, first)
        };
        assert_eq!(at(1, "fn f() -> u8 { 7 }"), at(900, "fn f() -> u8 { 7 }"));
        assert_ne!(at(1, "fn f() -> u8 { 7 }"), at(1, "fn f() -> u8 { 8 }"));
    }

    #[test]
    fn an_error_drops_the_fault_it_points_at_or_those_of_the_place_around_it() {
        let one = |id, own: Range, whole: Range| Written { id, own: own.0..own.1, whole: whole.0..whole.1 };
        struct Range(usize, usize);
        let places = [
            one(1, Range(10, 20), Range(5, 90)),
            one(2, Range(30, 40), Range(28, 60)),
            one(3, Range(42, 50), Range(28, 60)),
        ];
        let places = BTreeMap::from([(PathBuf::from("src/a.rs"), places.into())]);
        let dropped = |messages: &str| refused(messages, &places).map(|ids| ids.into_iter().collect::<Vec<_>>());
        assert_eq!(dropped(&error(12, 14)), Ok(vec![1]));
        assert_eq!(dropped(&error(28, 55)), Ok(vec![2, 3]));
        assert_eq!(dropped(&format!("{}\n{}", error(31, 32), error(61, 70))), Ok(vec![1, 2]));
        assert_eq!(dropped(&error(95, 99)), Err("error: no".into()));
        assert_eq!(dropped("no JSON\n{\"reason\":\"build-finished\"}"), Ok(vec![]));
    }
}
