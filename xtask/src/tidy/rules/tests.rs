//! Each rule on a small text where it fires, and on its nearest neighbour where it must not.

use super::*;

/// The findings as `line rule`, for a text below a good header.
fn rules(path: &str, text: &str) -> Vec<String> {
    let text = format!("//! A header.\n{text}");
    check(path, &text).iter().map(|finding| format!("{} {}", finding.line, finding.rule)).collect()
}

fn fires(path: &str, text: &str, rule: &str) {
    assert_eq!(rules(path, text), [format!("2 {rule}")], "{path}: {text}");
}

fn silent(path: &str, text: &str) {
    assert_eq!(rules(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn a_finding_names_place_rule_and_way_out() {
    let text = "//! Sampling.\nuse rand_chacha::ChaCha8Rng;\nfn a() { println!(\"b\"); }\n";
    let shown: Vec<_> = check("src/infer/sampler.rs", text).iter().map(Finding::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @"src/infer/sampler.rs:3: print: println! belongs to src/ui.rs; return the text or hand ui an event");
}

#[test]
fn directions_between_layers() {
    fires("src/infer/mod.rs", "use crate::ui::Table;", "direction");
    fires("src/infer/mod.rs", "use crate::error::Exit;", "direction");
    fires("src/infer/gguf.rs", "use crate::receipts::keys::Key;", "direction");
    fires("src/plan/mod.rs", "use crate::roadmap::Gate;", "direction");
    fires("src/sprint/lint.rs", "fn a() { crate::sys::git::head() }", "direction");
    fires("src/view/bench.rs", "use crate::{bench::stats::Sample, cli::Args};", "direction");
    fires("src/sys/git.rs", "use crate::cli;", "direction");
    fires("src/ui/page.rs", "use crate::view::bench;", "direction");
    fires("src/config.rs", "use crate::sys::folders;", "direction");
    fires("src/main.rs", "use bizra::{cli, receipts::{keys, audit}};", "direction");
    fires("kernels/lib.rs", "use bizra::infer;", "direction");

    silent("src/infer/mod.rs", "use crate::receipts::statement::Statement;");
    silent("src/roadmap/gate.rs", "use crate::{plan::Node, receipts::statement::{Claim, Run}};");
    silent("src/infer/mod.rs", "use crate::infer::gguf;");
    silent("src/view/bench.rs", "use crate::bench::stats::Sample;");
    silent("src/view/bench.rs", "use crate::ui::Page;");
    silent("src/config.rs", "use crate::{env::Vars, error::Error};");
    silent("src/cli/bench.rs", "use crate::{bench, env::Env, sys::git, ui, view};");
    silent("src/sys/ledger.rs", "use crate::receipts::Store;");
    silent("src/main.rs", "use bizra::{cli, env::Env};");
    silent("src/error.rs", "use crate::infer::LoadError;");
    silent("tests/cli/main.rs", "use bizra::ui;");
    silent("src/infer/mod.rs", "// use crate::ui;\nconst A: &str = \"crate::ui::Table\";");
}

#[test]
fn directions_by_way_of_super() {
    fires("src/infer/mod.rs", "use super::ui;", "direction");
    fires("src/infer/gguf.rs", "use super::super::plan::Node;", "direction");
    fires("src/infer/gguf.rs", "mod a { use super::super::super::cli; }", "direction");
    silent("src/infer/gguf.rs", "use super::ui;");
    silent("src/infer/gguf/mod.rs", "use super::plan;");
    silent("src/infer/mod.rs", "mod tests { use super::plan; }");
}

#[test]
fn crates_out_of_their_homes() {
    for (path, text) in [
        ("src/roadmap/mod.rs", "use serde_yaml::Value;"),
        ("src/sys/git.rs", "use serde_yaml;"),
        ("src/view/bench.rs", "use comfy_table::Table;"),
        ("src/cli/bench.rs", "fn a() { indicatif::ProgressBar::new(1); }"),
        ("src/receipts/log.rs", "use git2::Repository;"),
        ("src/sys/fs.rs", "use git2::Repository;"),
        ("src/infer/hub.rs", "use hf_hub::api;"),
        ("src/plan/mod.rs", "use clap::Parser;"),
        ("src/receipts/keys.rs", "fn a() { getrandom::fill(&mut b); }"),
        ("src/infer/model.rs", "use memmap2::Mmap;"),
        ("src/bench/mod.rs", "use bizra_kernels::os;"),
    ] {
        fires(path, text, "crate out of its home");
    }
    silent("src/sys/yaml.rs", "use serde_yaml::Spanned;");
    silent("src/ui.rs", "use comfy_table::Table;\nuse indicatif::ProgressBar;");
    silent("src/sys/git.rs", "use git2::Repository;");
    silent("src/sys/ledger/index.rs", "use git2::Oid;");
    silent("src/infer/forward.rs", "use bizra_kernels::matmul;");
    silent("kernels/os/map.rs", "use memmap2::Mmap;");
    silent("xtask/src/main.rs", "use clap::Parser;");
    silent("src/infer/mod.rs", "fn a(git2: u8) -> u8 { git2 }");
}

#[test]
fn prints() {
    fires("src/cli/infer.rs", "fn a() { eprintln!(\"b\"); }", "print");
    fires("kernels/lib.rs", "fn a() { dbg!(1); }", "print");
    fires("src/sys/fs.rs", "fn a() { writeln!(std::io::stdout(), \"b\"); }", "print");
    silent("src/ui.rs", "fn a() { println!(\"b\"); }");
    silent("xtask/src/ci.rs", "fn a() { println!(\"b\"); }");
    silent("src/env.rs", "fn a() { io::stdout(); }");
    silent("src/cli/infer.rs", "fn a() { env.stdout(); writeln!(out, \"println!\"); }");
}

#[test]
fn clocks_variables_and_chance() {
    fires("src/bench/measure.rs", "fn a() { std::time::Instant::now(); }", "clock");
    fires("src/cli/mod.rs", "fn a() { SystemTime::now(); }", "clock");
    fires("src/sys/git.rs", "fn a() { jiff::Timestamp::now(); }", "clock");
    fires("src/cli/mod.rs", "fn a() { std::env::var(\"HOME\"); }", "environment");
    fires("kernels/os/limits.rs", "fn a() { std::env::var_os(\"HOME\"); }", "environment");
    fires("src/cli/mod.rs", "fn a() { std::env::args_os(); }", "environment");
    silent("src/main.rs", "fn a() { std::env::args_os(); }");
    fires("src/infer/sampler.rs", "fn a() { thread_rng(); }", "chance");
    fires("src/cli/mod.rs", "fn a() { std::process::exit(1); }", "exit");
    silent("src/env.rs", "fn a() { Instant::now(); std::env::vars_os(); }");
    silent("xtask/src/tools.rs", "fn a() { Instant::now(); std::env::var_os(\"CARGO\"); }");
    silent("tests/cli/main.rs", "fn a() { Instant::now(); }");
    silent("src/sys/git.rs", "#[cfg(test)] mod tests { fn a() { std::env::var(\"HOME\"); } }");
    silent("src/cli/version.rs", "const A: &str = env!(\"CARGO_PKG_VERSION\");");
}

#[test]
fn domains_and_views_do_not_reach_out() {
    fires("src/receipts/log.rs", "use std::fs;", "impure");
    fires("src/receipts/log.rs", "use std::{fmt, fs::File};", "impure");
    fires("src/view/doctor.rs", "fn a() { std::process::id(); }", "impure");
    silent("src/receipts/log.rs", "use std::{fmt, io::Read, path::Path};");
    silent("src/sys/fs.rs", "use std::fs;");
    silent("src/receipts/log.rs", "#[cfg(test)] mod tests { use std::fs; }");
    silent("src/receipts/log/tests.rs", "use std::fs;");
}

#[test]
fn unsafe_stays_in_kernels() {
    fires("src/infer/forward.rs", "fn a() { unsafe { b() } }", "unsafe");
    fires("tests/cli/main.rs", "unsafe fn a() {}", "unsafe");
    silent("kernels/os/map.rs", "fn a() { unsafe { b() } }");
    silent("src/lib.rs", "#![deny(unsafe_code)]\n// unsafe");
}

#[test]
fn headers() {
    let first_rule = |text: &str| check("src/infer/mod.rs", text).first().map(|finding| finding.rule);
    assert_eq!(first_rule("pub mod a;\n"), Some("no header"));
    assert_eq!(first_rule(""), Some("no header"));
    assert_eq!(first_rule("//!\npub mod a;\n"), Some("no header"));
    assert_eq!(first_rule("// Not a doc comment.\n"), Some("no header"));
    assert_eq!(first_rule("\n//! What it is for.\n"), None);
    silent("src/infer/sampler/tests.rs", "use super::*;\n");
}

#[test]
fn unfinished_work() {
    for mark in UNFINISHED {
        fires("src/infer/mod.rs", &format!("// {mark}: later"), "unfinished");
        fires("Cargo.toml", &format!("# {mark}"), "unfinished");
    }
    let stub = format!("fn a() {{ {}!() }}", concat!("to", "do"));
    fires("src/infer/mod.rs", &stub, "unfinished");
    silent("src/infer/mod.rs", &format!("const A: &str = \"{}\";", UNFINISHED[0]));
    silent("src/infer/mod.rs", &format!("// {}S are no marks", UNFINISHED[0]));
    silent("README.md", &format!("A {} list.", UNFINISHED[0]));
}

#[test]
fn paths_of_one_machine() {
    for folder in ["home", "root", "work", "Users"] {
        fires("README.md", &format!("see `/{folder}/me/bizra`"), "machine path");
        fires("src/lib.rs", &format!("const A: &str = \"/{folder}/a\";"), "machine path");
        silent(
            "README.md",
            &format!("https://example.com/{folder}/page, ~/{folder}/a, $HOME/{folder}/a and ./{folder}/a"),
        );
    }
}
