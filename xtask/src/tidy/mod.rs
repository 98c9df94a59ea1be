//! Refuses what the compiler allows and the design does not: imports across layers, prints, clocks and
//! variables out of their homes, files without a header, marks of unfinished work, paths of one machine.
//!
//! It reads source as words, so a macro that assembles a path escapes it; clippy's disallowed methods see those.

mod layers;
pub(crate) mod lex;
mod rules;

use std::path::MAIN_SEPARATOR_STR;

use crate::tools::{self, Outcome};

pub(crate) fn run() -> Outcome {
    let mut findings = Vec::new();
    let mut read = 0;
    for path in tools::repository_files()? {
        let bytes = tools::read_file(&tools::root().join(&path))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        read += 1;
        let path = path.to_string_lossy().replace(MAIN_SEPARATOR_STR, "/");
        findings.extend(rules::check(&path, &text));
    }
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("{read} files are tidy");
            Ok(())
        }
        count => Err(format!("{count} findings in {read} files")),
    }
}
