//! The ledger as its users and its enemies meet it: real logs, made by appending, manipulated with plain git.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod clean;
mod faults;
mod lab;

/// A test file that no `mod` names would never run, and nobody would notice.
#[test]
fn no_test_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledger");
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(name == "main" || include_str!("main.rs").contains(&format!("mod {name};")), "{name} is in no module");
    }
}
