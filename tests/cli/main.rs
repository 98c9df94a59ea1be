//! The command line as its users meet it. One binary for all of these, a file per command.

mod attest;
mod bench;
mod bench_history;
#[cfg(unix)]
mod ci;
mod demo;
mod doctor;
mod documents;
mod embed;
mod entropy;
mod frame;
mod guide;
mod harness;
mod hub;
mod infer;
mod init;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod kernel_gpu;
mod kernel_pipeline;
#[cfg(target_os = "linux")]
mod kernel_triton;
#[cfg(target_os = "linux")]
mod kernel_worker;
mod keys;
mod ledger_forged;
mod model;
mod model_cache;
mod model_pull;
mod places;
mod quantize;
mod readme;
mod receipts;
mod replay;
mod roadmap;
mod roadmap_diff;
mod roadmap_forecast;
mod roadmap_gate;
mod roadmap_views;
mod rules;
mod said;
mod sprint;
mod standup;
mod tokens;
mod trust;

/// A test file that no `mod` names would never run, and nobody would notice.
#[test]
fn no_test_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(here).expect("this folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|s| s.to_str()).expect("a UTF-8 name").to_owned();
        let is_module = path.is_dir() || path.extension().is_some_and(|e| e == "rs");
        if is_module && !matches!(name.as_str(), "main" | "snapshots") {
            assert!(main.contains(&format!("mod {name};")), "tests/cli/{name} is not named in main.rs");
        }
    }
}
