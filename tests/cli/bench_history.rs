//! `bizra bench history` and `bizra bench report` over a ledger with a few runs.

use crate::harness::TestEnv;
use crate::infer::{document, scene};

/// A measurement that is over soon and believed however noisy it is.
const BENCH: [&str; 13] =
    ["bench", "tiny.gguf", "-p", "8", "-n", "4", "-t", "1", "--no-load", "--rounds", "10", "--precision", "100"];

fn with_runs(count: usize) -> TestEnv {
    let env = scene();
    for _ in 0..count {
        let ran = env.run(&BENCH);
        assert_eq!(ran.code, 0, "{ran}");
    }
    env
}

#[test]
fn a_ledger_without_benchmarks_has_no_history() {
    let env = scene();
    for args in [&["bench", "history"][..], &["bench", "report"]] {
        let ran = env.run(args);
        assert_eq!(ran.code, 4, "{ran}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("bizra bench MODEL"), "{ran}");
    }
}

#[test]
fn the_history_is_that_of_the_receipts() {
    let env = with_runs(2);
    let all = env.run(&["bench", "history"]);
    assert_eq!(all.code, 0, "{all}");
    assert!(all.stdout.contains("tiny.gguf") && all.stdout.contains("first_token"), "{all}");
    let one = document(&env.run(&["bench", "history", "decode[t1]", "--json"]));
    assert_eq!(one["schema"], "bizra.bench-history/v1");
    let series = one["result"]["series"].as_array().expect("series");
    assert_eq!(series.len(), 1);
    assert_eq!(series[0]["figure"], "decode.tok_s");
    let points = series[0]["points"].as_array().expect("points");
    assert_eq!(points.len(), 2);
    let newest = points[1]["receipt"].as_str().expect("an id");
    let shown = env.run(&["receipts", "show", newest]);
    assert_eq!(shown.code, 0, "{shown}");
    assert_eq!(env.run(&["bench", "history", "decode[t9]"]).code, 4);
    assert_eq!(env.run(&["bench", "history", "--model", "other"]).code, 4);
}

#[test]
fn a_figure_that_does_not_exist_is_pointed_at() {
    let ran = scene().run(&["bench", "history", "decode[treads=2]"]);
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stderr.contains("METRIC:1:8") && ran.stderr.contains("did you mean `threads`?"), "{ran}");
}

#[test]
fn a_report_is_a_page_or_markdown() {
    let env = with_runs(2);
    let page = env.run(&["bench", "report", "-o", "out.html"]);
    assert_eq!(page.code, 0, "{page}");
    let html = std::fs::read_to_string(env.work().join("out.html")).expect("a page");
    assert!(html.starts_with("<!doctype html>") && html.contains("<svg") && html.contains("History"));
    assert!(!html.contains("<script"));
    let markdown = env.run(&["bench", "report", "--last", "1"]);
    assert_eq!(markdown.code, 0, "{markdown}");
    assert_eq!(markdown.stdout.matches("Receipt `").count(), 1, "{markdown}");
    let id = markdown.stdout.split("Receipt `").nth(1).and_then(|rest| rest.get(..12)).expect("an id");
    let named = env.run(&["bench", "report", id, "--json"]);
    assert_eq!(document(&named)["result"]["receipts"].as_array().map(Vec::len), Some(1));
    assert_eq!(env.run(&["bench", "report", "-o", "out.pdf"]).code, 2);
    assert_eq!(env.run(&["bench", "report", "0000000000000000"]).code, 3);
    assert_ne!(env.run(&["bench", "report", "-o", "no/such/folder/out.md"]).code, 0);
}

#[test]
fn other_programs_get_their_formats() {
    let env = scene();
    let run = |format: &str| {
        let ran = env.run(&[&BENCH[..], &["--no-receipt", "--format", format]].concat());
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    };
    assert_eq!(run("benchstat").matches("BenchmarkDecode/").count(), 10);
    assert!(run("csv").starts_with("subject,sha256,machine,figure,"));
    assert!(run("md").contains("| figure |"));
    assert!(run("jsonl").lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}
