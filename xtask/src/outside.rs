//! Checks ledgers with programs that are not ours: the commands of `docs/verify-without-bizra.md`, word for word, on a
//! ledger that the binary has just written, where they must succeed, and on manipulated ones, where they must fail.
//!
//! A check whose program is missing here is skipped and said to be. How bizra itself judges is not asked here.

mod scene;

use std::fs;
use std::path::{Path, PathBuf};

use bizra::receipts::stamp::Stamp;

use crate::samples;
use crate::tools::{self, Outcome};
use scene::{Scene, python_path};

const GUIDE: &str = "docs/verify-without-bizra.md";

/// One way to check, as a section of the guide shows it.
pub(crate) struct Check {
    name: &'static str,
    heading: &'static str,
    /// Of the fenced blocks that are to be run.
    language: &'static str,
    /// What it prints when it has checked.
    says: &'static str,
    looks_at: LooksAt,
}

#[derive(Clone, Copy, PartialEq)]
enum LooksAt {
    Receipt,
    Log,
}

const OPENSSL: Check = Check {
    name: "openssl",
    heading: "## One receipt with OpenSSL",
    language: "sh",
    says: "Signature Verified Successfully",
    looks_at: LooksAt::Receipt,
};

const SECURESYSTEMSLIB: Check = Check {
    name: "securesystemslib",
    heading: "## One receipt with securesystemslib",
    language: "python",
    says: "'ledger': '",
    looks_at: LooksAt::Receipt,
};

const SCRIPT: Check = Check {
    name: "verify_ledger.py",
    heading: "## A whole log with git",
    language: "sh",
    says: "verified 301 receipts of log ",
    looks_at: LooksAt::Log,
};

/// The log's first receipt is the key's own.
const ATTESTED: usize = 300;

impl Check {
    /// Why this machine cannot run it.
    fn missing(&self) -> Option<String> {
        let starts = |code: &str| tools::read(python_path(&mut tools::command("python3")).args(["-c", code])).is_ok();
        let reason = match self.name {
            "openssl" => {
                let version = tools::read(tools::command("openssl").arg("version")).unwrap_or_default();
                let major = version.strip_prefix("OpenSSL ").and_then(|rest| rest.split('.').next()?.parse().ok());
                major.is_none_or(|major: u32| major < 3).then_some("OpenSSL 3 is not on the path")
            }
            "securesystemslib" => (!starts("import securesystemslib.dsse, cryptography"))
                .then_some("Python has no securesystemslib: pip install 'securesystemslib[crypto]'"),
            _ => (!starts("import cryptography"))
                .then_some("Python has no package cryptography: apt install python3-cryptography"),
        };
        reason.map(|reason| format!("{}: {reason}", self.name))
    }

    /// The blocks of its section.
    fn script(&self) -> Outcome<String> {
        let guide = String::from_utf8_lossy(&tools::read_file(&tools::root().join(GUIDE))?).into_owned();
        let blocks = blocks(&guide, self.heading, self.language);
        if blocks.is_empty() {
            return Err(format!("{GUIDE} has no {} block under `{}`", self.language, self.heading));
        }
        Ok(blocks)
    }
}

/// The fenced blocks of one language below a heading, one after the other.
fn blocks(guide: &str, heading: &str, language: &str) -> String {
    let lines = guide.lines().skip_while(|line| *line != heading).skip(1);
    let mut inside = false;
    let mut found = String::new();
    for line in lines.take_while(|line| !line.starts_with("## ")) {
        match line.strip_prefix("```") {
            Some(fence) => inside = fence == language,
            None if inside => found += &format!("{line}\n"),
            None => {}
        }
    }
    found
}

pub(crate) fn run() -> Outcome {
    check().map(|skipped| skipped.iter().for_each(|reason| println!("skipped: {reason}")))
}

/// Why nothing can be checked here, where that is so.
pub(crate) fn impossible() -> Option<String> {
    let missing: Vec<String> = CHECKS.iter().filter_map(Check::missing).collect();
    (missing.len() == CHECKS.len()).then(|| missing.join("; "))
}

const CHECKS: [Check; 3] = [OPENSSL, SECURESYSTEMSLIB, SCRIPT];

/// Returns which checks were skipped, and why.
pub(crate) fn check() -> Outcome<Vec<String>> {
    let mut skipped = Vec::new();
    let mut checks = Vec::new();
    for check in CHECKS {
        match check.missing() {
            Some(reason) => skipped.push(reason),
            None => checks.push((check.script()?, check)),
        }
    }
    let scene = Scene::write(&tools::root().join("target/outside"), ATTESTED)?;
    let trials = Trials { scene: &scene, checks: &checks };
    trials.genuine()?;
    trials.manipulated()?;
    if checks.iter().any(|(_, check)| check.looks_at == LooksAt::Log) {
        forged(&scene)?;
    }
    Ok(skipped)
}

struct Trials<'a> {
    scene: &'a Scene,
    checks: &'a [(String, Check)],
}

impl Trials<'_> {
    fn genuine(&self) -> Outcome {
        let newest = self.scene.git_receipt("tail/02.json")?;
        for (name, receipt) in [("as bizra shows it", self.scene.shown.clone()), ("as git shows it", newest)] {
            self.scene.give_receipt(&receipt)?;
            self.each(&format!("a receipt {name}"), Some(LooksAt::Receipt), true)?;
        }
        self.each("the log", Some(LooksAt::Log), true)
    }

    /// Whatever was changed with plain git, each check that looks at it must fail.
    fn manipulated(&self) -> Outcome {
        let scene = self.scene;
        let bundle = "tile/entries/000";
        let change = |name: &str, only: Option<LooksAt>, path: &str, bytes: Option<&[u8]>| -> Outcome {
            scene.rewrite(path, bytes)?;
            self.each(name, only, false)?;
            scene.restore()
        };

        let mut changed = scene.blob(bundle)?;
        let receipt = flip(&mut changed, scene::in_bundle(&scene.blob(bundle)?, 7)?, "\"payload\":\"")?;
        scene.give_receipt(&receipt)?;
        change("a byte of a payload in a bundle", None, bundle, Some(&changed))?;

        let tail = "tail/05.json";
        let mut changed = scene.blob(tail)?;
        let whole = 0..changed.len();
        let receipt = flip(&mut changed, whole, "\"sig\":\"")?;
        scene.give_receipt(&receipt)?;
        change("a byte of a signature in the tail", None, tail, Some(&changed))?;

        let log = Some(LooksAt::Log);
        change("the last receipt taken away", log, "tail/2c.json", None)?;
        change("a receipt put in another's place", log, tail, Some(&scene.blob("tail/06.json")?))?;
        let checkpoint = String::from_utf8_lossy(&scene.blob("checkpoint")?).replacen("\n301\n", "\n300\n", 1);
        change("a checkpoint of one receipt less", log, "checkpoint", Some(checkpoint.as_bytes()))?;
        let header =
            String::from_utf8_lossy(&scene.blob("log.json")?).replacen("\"created\":\"2", "\"created\":\"3", 1);
        change("another genesis", log, "log.json", Some(header.as_bytes()))?;

        scene.give_receipt(&scene.shown)?;
        scene.give_key(&samples::writer().public().to_pem())?;
        self.each("another writer's key", None, false)?;
        scene.give_key(&scene.key)
    }

    fn each(&self, subject: &str, only: Option<LooksAt>, good: bool) -> Outcome {
        for (script, check) in self.checks.iter().filter(|(_, check)| only.is_none_or(|only| only == check.looks_at)) {
            let (succeeded, said) = self.scene.run(check.language, script)?;
            if succeeded != good || said.contains(check.says) != good {
                let wanted = if good { "did not verify" } else { "let pass" };
                return Err(format!("{} {wanted} {subject}; it said\n{said}", check.name));
            }
            println!("{}: {subject}: {}", check.name, if good { "verified" } else { "refused" });
        }
        Ok(())
    }
}

/// Another letter of base64 in place of one, some way behind `label` within `range`. Returns the changed range.
fn flip(bytes: &mut [u8], range: std::ops::Range<usize>, label: &str) -> Outcome<Vec<u8>> {
    let entry = &mut bytes[range];
    let at = entry.windows(label.len()).position(|window| window == label.as_bytes());
    let at = at.ok_or_else(|| format!("an envelope has no {label}"))? + label.len() + 20;
    entry[at] = if entry[at] == b'A' { b'B' } else { b'A' };
    Ok(entry.to_vec())
}

/// A log that its owner signed through and through, and what a stranger must say to it.
struct Forgery {
    name: &'static str,
    twist: fn(u64, &mut Stamp),
    said: &'static str,
}

const FORGERIES: [Forgery; 5] = [
    Forgery { name: "nothing wrong", twist: |_, _| {}, said: "verified 9 receipts" },
    Forgery {
        name: "a receipt of another ledger",
        twist: |index, stamp| stamp.ledger[0] ^= u8::from(index == 4),
        said: "REFUSED: not so: receipt 4 is of this ledger",
    },
    Forgery {
        name: "a session that skips a number",
        twist: |index, stamp| stamp.position.seq += u64::from(index > 5),
        said: "REFUSED: not so: receipt 6 follows",
    },
    Forgery {
        name: "a receipt that names another before it",
        twist: |index, stamp| {
            if let (3, Some(prev)) = (index, &mut stamp.position.prev) {
                prev.0[31] ^= 1;
            }
        },
        said: "REFUSED: not so: receipt 3 follows",
    },
    Forgery {
        name: "a session that forgets the log before it",
        twist: |index, stamp| {
            if index == 7 {
                (stamp.position.session, stamp.position.seq, stamp.position.prev) = ([5; 16], 0, None);
            }
        },
        said: "REFUSED: not so: receipt 7 follows",
    },
];

fn forged(scene: &Scene) -> Outcome {
    scene.give_key(&samples::writer().public().to_pem())?;
    for (number, Forgery { name, twist, said }) in FORGERIES.iter().enumerate() {
        let ledger = scene.folder.join(format!("forged-{number}.git"));
        let log = samples::write_log(&ledger, 9, *twist)?;
        let command = format!("python3 verify_ledger.py key.pem {} refs/bizra/log/{log}", ledger.display());
        let (succeeded, output) = scene.run("sh", &command)?;
        if succeeded != (number == 0) || !output.contains(said) {
            return Err(format!("of a signed log with {name}, verify_ledger.py said\n{output}"));
        }
        println!("{}: a signed log with {name}: {}", SCRIPT.name, if succeeded { "verified" } else { "refused" });
    }
    Ok(())
}

/// Empties a folder of its own making.
fn fresh(folder: &Path) -> Outcome<PathBuf> {
    let cannot = |cause| format!("cannot empty {}: {cause}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(cannot)?;
    }
    fs::create_dir_all(folder).map_err(cannot)?;
    Ok(folder.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_section_and_the_language() {
        let guide =
            "## A\n```sh\none\n```\ntext\n```text\nno\n```\n```sh\ntwo\n\nthree\n```\n## B\n```sh\nother\n```\n";
        assert_eq!(blocks(guide, "## A", "sh"), "one\ntwo\n\nthree\n");
        assert_eq!(blocks(guide, "## C", "sh"), "");
    }

    #[test]
    fn the_readme_shows_what_is_checked_here() {
        let readme = String::from_utf8(tools::read_file(&tools::root().join("README.md")).unwrap()).unwrap();
        let guide = String::from_utf8(tools::read_file(&tools::root().join(GUIDE)).unwrap()).unwrap();
        let blocks = blocks(&guide, OPENSSL.heading, OPENSSL.language);
        let first: Vec<&str> = blocks.lines().take_while(|line| !line.starts_with("openssl pkey ")).collect();
        assert!(first.len() == 5 && readme.contains(&first.join("\n")), "{first:#?}");
    }

    #[test]
    fn the_guide_shows_each_check_and_the_script_keeps_its_length() {
        for check in CHECKS {
            assert!(check.script().is_ok(), "{}", check.name);
        }
        let script = tools::read_file(&tools::root().join("docs/verify_ledger.py")).unwrap();
        let lines: Vec<_> = script.split(|byte| *byte == b'\n').collect();
        assert!(lines.len() <= 41 && lines.iter().all(|line| line.len() <= 120), "{} lines", lines.len() - 1);
    }

    #[test]
    fn a_flip_changes_one_letter() {
        let mut bytes = br#"xx{"sig":"AAAAAAAAAAAAAAAAAAAAAAAA"}"#.to_vec();
        let before = bytes.clone();
        let changed = flip(&mut bytes, 2..35, "\"sig\":\"").unwrap();
        assert_eq!(bytes.iter().zip(&before).filter(|(a, b)| a != b).count(), 1);
        assert_eq!(changed, bytes[2..35]);
        assert!(flip(&mut bytes, 2..35, "payload").is_err());
    }
}
