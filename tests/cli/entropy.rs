//! `bizra entropy` and `bizra attest-tests`: a small project over three days.

use serde_json::Value;

use crate::harness::{Ran, TestEnv};

/// A plan of one phase, from its criteria on.
macro_rules! plan {
    ($criteria:literal) => {
        concat!(
            "bizra: roadmap/v1\nid: small\ntitle: A small plan\ntimezone: Asia/Riyadh\n",
            "phases:\n  - id: first\n    gate:\n      criteria:",
            $criteria
        )
    };
}

mod locks;

const PLAN: &str = plan!(
    "
        - {id: written, covers: [W-1], evidence: {file: {path: docs/a.md, min_bytes: 4}}}
        - {id: calm, evidence: {metric: {id: entropy.delta, op: \"<\", value: 0}}}
    packages:
      - {id: W-1, name: Write it, hours: 6}
      - {id: W-2, name: Check it, hours: 2, evidence: {attest: {role: lead, statement: It holds., max_age: 1d}}}
"
);

const CODE: &str = "\
pub fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[cfg(test)]
mod tests {
    #[test]
    fn adds() {
        assert_eq!(super::add(1, 2), 3);
    }
}
";

fn commit(env: &mut TestEnv, day: &str) {
    env.set("GIT_COMMITTER_DATE", &format!("{day}T09:00:00+03:00"));
    env.git(&["add", "-A"]);
    env.git(&["commit", "-q", "--allow-empty", "-m", "work"]);
    env.at(&format!("{day}T08:00:00Z"));
}

/// The plan and the code, locked on the first of February.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", PLAN);
    env.write("src/lib.rs", CODE);
    commit(&mut env, "2026-02-01");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    commit(&mut env, "2026-02-01");
    env
}

/// Ids of receipts, and of the commits that carry them, depend on the build that made them.
fn nameless(text: &str) -> String {
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split_inclusive([' ', '\n', ')']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', ')']);
        if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
    });
    words.collect()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("one document: {ran}"))
}

fn bits(ran: &Ran, member: &str) -> f64 {
    json(ran)["result"][member].as_f64().unwrap_or_else(|| panic!("{member}: {ran}"))
}

fn change(ran: &Ran, member: &str) -> f64 {
    json(ran)["result"]["change"][member].as_f64().unwrap_or_else(|| panic!("{member}: {ran}"))
}

#[test]
fn uncertainty_falls_as_evidence_comes_and_a_gate_can_ask_for_that() {
    let mut env = env();
    let first = env.run(&["entropy"]);
    assert_eq!(first.code, 0, "{first}");
    insta::assert_snapshot!(first.stdout);
    // Hours 6 and 2 weigh 1.5 and 0.5, each criterion 1; all open.
    let whole = env.run(&["entropy", "--json"]);
    assert!((bits(&whole, "p_bits") - 4.0).abs() < 1e-12, "{whole}");

    env.write("docs/a.md", "done");
    commit(&mut env, "2026-02-02");
    env.write("lcov.info", "SF:src/lib.rs\nDA:1,1\nDA:2,1\nend_of_record\n");
    let ran = env.run(&["attest-tests", "lcov.info"]);
    assert_eq!(ran.code, 0, "{ran}");
    insta::assert_snapshot!(ran.stdout);
    std::fs::remove_file(env.work().join("lcov.info")).unwrap();

    let second = env.run(&["entropy"]);
    assert_eq!(second.code, 0, "{second}");
    insta::assert_snapshot!(nameless(&second.stdout));
    let told = env.run(&["entropy", "--json"]);
    // The file proves the criterion, and with it the package: 2.5 of weight fall from 1 bit to s(0.98).
    let s98 = 0.141_440_542_541_821;
    assert!((change(&told, "p_bits") + 2.5 * (1.0 - s98)).abs() < 1e-9, "{told}");
    assert!(change(&told, "v_bits") < 0.0);
    let id = json(&told)["receipt"].as_str().unwrap().to_owned();
    assert_eq!(env.run(&["receipts", "replay", &id]).code, 0);
    let gate = env.run(&["roadmap", "gate", "first", "--json"]);
    let criteria = &json(&gate)["result"]["gates"][0]["criteria"];
    assert_eq!((&criteria[1]["id"], &criteria[1]["outcome"]), (&"calm".into(), &"met".into()), "{gate}");

    let log = env.run(&["entropy", "log", "--days", "3"]);
    insta::assert_snapshot!(nameless(&log.stdout));
    assert_eq!(env.run(&["entropy", "check"]).code, 0);
}

#[test]
fn weakened_tests_and_dropped_claims_do_not_lower_h() {
    let mut env = env();
    env.write("docs/a.md", "done");
    commit(&mut env, "2026-02-02");
    env.write("lcov.info", "SF:src/lib.rs\nDA:1,1\nDA:2,1\nend_of_record\n");
    assert_eq!(env.run(&["attest-tests", "lcov.info"]).code, 0);
    std::fs::remove_file(env.work().join("lcov.info")).unwrap();

    env.write("src/lib.rs", CODE.replace("assert_eq!(super::add(1, 2), 3)", "super::add(1, 2)"));
    commit(&mut env, "2026-02-03");
    let weaker = env.run(&["entropy", "check"]);
    assert_eq!(weaker.code, 1, "{weaker}");
    assert!(weaker.stderr.contains("H has grown") && weaker.stderr.contains("src/lib.rs"), "{weaker}");
    let loose = env.run(&["entropy", "check", "--max-delta", "0.5", "--json"]);
    assert_eq!(loose.code, 0, "{loose}");

    env.write(
        "roadmap/small.yaml",
        PLAN.replace("      - {id: W-1, name: Write it, hours: 6}\n", "").replace("covers: [W-1], ", ""),
    );
    commit(&mut env, "2026-02-04");
    let dropped = env.run(&["entropy", "--json"]);
    assert_eq!(json(&dropped)["result"]["orphans"][0]["claim"], "small/W-1", "{dropped}");
    assert!(change(&dropped, "delta_bits") > 0.0, "{dropped}");
    let near = env.run(&["entropy", "scope", "small/W1", "--reason", "x"]);
    assert!(near.code == 2 && near.stderr.contains("small/W-1"), "{near}");
    assert_eq!(env.run(&["entropy", "scope", "small/W-1", "--reason", "dropped by the lead"]).code, 0);
    let released = env.run(&["entropy", "--json"]);
    assert_eq!(json(&released)["result"]["orphans"].as_array().map(Vec::len), Some(0), "{released}");
}

#[test]
fn evidence_that_expires_raises_h_with_nothing_committed() {
    let mut env = env();
    let made = env.run(&["trust", "init", "--role", "lead"]);
    assert_eq!(made.code, 0, "{made}");
    assert_eq!(env.run(&["attest", "--role", "lead", "--statement", "It holds."]).code, 0);
    commit(&mut env, "2026-02-02");
    let fresh = env.run(&["entropy", "--json", "--now", "2026-02-02T07:00:00Z"]);
    let later = env.run(&["entropy", "--json", "--now", "2026-02-09T07:00:00Z"]);
    assert!(bits(&fresh, "p_bits") < bits(&later, "p_bits"), "{fresh}{later}");
}

#[test]
fn a_gate_that_asks_for_the_baseline_finds_it() {
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    let asks = "evidence: {receipt: {predicate: entropy-baseline}}";
    env.write("roadmap/small.yaml", PLAN.replace("evidence: {file: {path: docs/a.md, min_bytes: 4}}", asks));
    commit(&mut env, "2026-02-01");
    let written = |env: &TestEnv| -> String {
        let ran = env.run(&["roadmap", "gate", "--dry-run", "--json"]);
        let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
        document["result"]["gates"][0]["criteria"][0]["detail"].as_str().expect("a detail").to_owned()
    };
    assert_eq!(written(&env), "pending: missing");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    assert_eq!(written(&env), "met");
}

#[test]
fn a_baseline_that_was_edited_is_no_baseline() {
    let env = env();
    let text = std::fs::read_to_string(env.work().join("bizra-entropy.json")).unwrap();
    for (from, to) in [
        ("\"weight\": \"1.5\"", "\"weight\": \"0.1\""),
        ("first baseline", "second"),
        ("\"payload\": \"", "\"payload\": \"A"),
    ] {
        assert!(text.contains(from));
        env.write("bizra-entropy.json", text.replacen(from, to, 1));
        let ran = env.run(&["entropy"]);
        assert_eq!(ran.code, 5, "{from}: {ran}");
        assert!(ran.stdout.is_empty());
    }
    env.write("bizra-entropy.json", "{");
    assert_eq!(env.run(&["entropy"]).code, 5);
    env.write("bizra-entropy.json", &text);
    assert_eq!(env.run(&["entropy"]).code, 0);
    let again = env.run(&["entropy", "baseline"]);
    assert!(again.code == 2 && again.stderr.contains("--reason"), "{again}");
    let stranger = TestEnv::other(7);
    stranger.git(&["init", "-q"]);
    stranger.write("bizra-entropy.json", &text);
    stranger.write("roadmap/small.yaml", PLAN);
    stranger.git(&["add", "-A"]);
    stranger.git(&["commit", "-q", "-m", "copied"]);
    let ran = stranger.run(&["entropy"]);
    assert!(ran.code == 5 && ran.stderr.contains("vouches"), "{ran}");
}

#[test]
fn what_can_not_be_told_is_undecided_and_never_zero() {
    let mut env = TestEnv::new();
    assert_eq!(env.run(&["entropy"]).code, 6, "no repository");
    env.git(&["init", "-q"]);
    assert_eq!(env.run(&["entropy"]).code, 4, "no commit");
    env.write("roadmap/small.yaml", PLAN);
    env.write("src/lib.rs", CODE);
    commit(&mut env, "2026-02-01");
    let bare = env.run(&["entropy", "check"]);
    assert_eq!(bare.code, 4, "{bare}");
    assert!(bare.stderr.contains("first day"), "{bare}");
    assert_eq!(env.run(&["entropy", "--since", "nonsense"]).code, 2);
    assert_eq!(env.run(&["entropy", "--since", "2027-01-01"]).code, 2);
    assert_eq!(env.run(&["entropy", "--now", "2020-01-01T00:00:00Z"]).code, 4);
    assert_eq!(env.run(&["entropy", "explain", "src/lob.rs"]).code, 2);
    assert_eq!(env.run(&["entropy", "check", "--max-delta", "nan"]).code, 2);

    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    for day in ["2026-02-02", "2026-02-03"] {
        commit(&mut env, day);
    }
    let whole = env.run(&["entropy", "--json"]);
    assert_eq!(whole.code, 0, "{whole}");
    let source = format!("file://{}", env.work().display());
    let clone = TestEnv::new();
    clone.git(&["clone", "-q", "--depth", "1", &source, "."]);
    std::fs::remove_file(clone.work().join("bizra-entropy.json")).unwrap();
    let shallow = clone.run(&["entropy", "--now", "2026-02-03T12:00:00Z", "--since", "2026-02-02"]);
    assert_eq!(shallow.code, 4, "{shallow}");
    assert!(shallow.stderr.contains("--unshallow"), "{shallow}");
}

#[test]
fn reports_are_held_to_the_code_they_speak_of() {
    let mut env = env();
    commit(&mut env, "2026-02-02");
    env.write("odd.txt", "what is this");
    let odd = env.run(&["attest-tests", "odd.txt"]);
    assert!(odd.code == 3 && odd.stderr.contains("--from"), "{odd}");
    env.write("other.info", "SF:/elsewhere/x.rs\nDA:1,1\nend_of_record\n");
    let other = env.run(&["attest-tests", "other.info"]);
    assert!(other.code == 3 && other.stderr.contains("no file of the report"), "{other}");
    env.write("bad.info", "SF:src/lib.rs\nDA:one,1\nend_of_record\n");
    let bad = env.run(&["attest-tests", "bad.info"]);
    assert!(bad.code == 3 && bad.stderr.contains("bad.info:2"), "{bad}");
    env.write("junit.xml", "<testsuite><testcase name='a'/><testcase name='b'><failure/></testcase></testsuite>");
    let failed = env.run(&["attest-tests", "junit.xml"]);
    assert!(failed.code == 1 && failed.stderr.contains("1 tests failed"), "{failed}");
    let before = env.run(&["receipts", "list", "--json"]).stdout;
    env.write("skipped.xml", "<testsuite><testcase name='a'><skipped/></testcase></testsuite>");
    env.write("unreached.info", "SF:src/lib.rs\nDA:1,0\nend_of_record\n");
    for nothing in [&["skipped.xml"][..], &["unreached.info"], &["skipped.xml", "unreached.info"]] {
        let ran = env.run(&[&["attest-tests"], nothing].concat());
        assert!(ran.code == 4 && ran.stderr.contains("no test ran"), "{nothing:?}: {ran}");
    }
    assert_eq!(env.run(&["receipts", "list", "--json"]).stdout, before, "no receipt says that nothing passed");
    assert_eq!(env.run(&["attest-tests", "none.info"]).code, 3);
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(3600);
    env.write("late.info", "SF:src/lib.rs\nDA:1,1\nend_of_record\n");
    let file = std::fs::File::options().write(true).open(env.work().join("late.info")).unwrap();
    file.set_modified(old).unwrap();
    let late = env.run(&["attest-tests", "late.info"]);
    assert!(late.code == 4 && late.stderr.contains("after the report"), "{late}");
}

#[test]
fn what_is_left_out_is_said() {
    let mut env = env();
    env.write("vendor/x.c", "int a;");
    env.write("gen.go", "// Code generated by x. DO NOT EDIT.\npackage a\n");
    env.write("big.py", "x = 1\n".repeat(200_000));
    #[cfg(unix)]
    std::os::unix::fs::symlink("src/lib.rs", env.work().join("link.rs")).unwrap();
    commit(&mut env, "2026-02-02");
    let ran = env.run(&["entropy"]);
    assert_eq!(ran.code, 0, "{ran}");
    for why in ["1 vendored", "1 generated", "1 larger than 1 MiB"] {
        assert!(ran.stdout.contains(why), "{why}: {ran}");
    }
}

/// The blocks of a page in this language, in order.
fn blocks(page: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("\n```{language}\n");
    page.match_indices(&fence)
        .map(|(at, _)| {
            let text = &page[at + fence.len()..];
            &text[..text.find("```").expect("a closed block")]
        })
        .collect()
}

#[test]
fn the_page_tells_what_happens() {
    let page = include_str!("../../docs/entropy.md");
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", blocks(page, "yaml")[0]);
    env.write("src/lib.rs", blocks(page, "rust")[0]);
    commit(&mut env, "2026-02-01");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    commit(&mut env, "2026-02-01");
    let told = blocks(page, "text");
    let first = env.run(&["entropy"]);
    assert!(first.stdout.starts_with(told[0]), "{first}");

    env.write("docs/a.md", "done");
    commit(&mut env, "2026-02-02");
    env.write("lcov.info", blocks(page, "lcov")[0]);
    assert_eq!(env.run(&["attest-tests", "lcov.info"]).code, 0);
    let second = env.run(&["entropy"]);
    assert!(second.stdout.starts_with(told[1]), "{second}");

    let explained = json(&env.run(&["entropy", "explain", "--json"]));
    let pieces = explained["result"]["pieces"].as_array().expect("pieces");
    let (_, table) = page.split_once("| what | weight |").expect("the table of the example");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0], [1, 2, 3, 4].map(|at| cells[at].parse::<f64>().expect("a number")))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), pieces.len());
    for (name, [weight, p, left, bits]) in rows {
        let piece = pieces.iter().find(|piece| piece["name"] == name).unwrap_or_else(|| panic!("{name}: {pieces:?}"));
        let near = |a: f64, b: f64| (a - b).abs() < 0.000_5 + 1e-9;
        // The definition, written out once more and not taken from what is tested.
        let uncertain = if p > 0.5 { -(p * p.log2() + (1.0 - p) * (1.0 - p).log2()) } else { 1.0 };
        assert!(near(left, uncertain) && near(bits, weight * uncertain), "{name}");
        for (member, said) in [("weight", weight), ("p", p), ("bits", bits)] {
            assert!(near(piece[member].as_f64().expect("a number"), said), "{name} {member}: {piece}");
        }
    }
}

#[test]
fn a_report_stands_alone_and_is_the_same_twice() {
    let mut env = env();
    env.write("docs/a.md", "done");
    env.write("src/<b>&/x.rs", "pub fn x() -> u32 { 1 }\n");
    commit(&mut env, "2026-02-02");
    let shown = env.run(&["entropy", "report", "--days", "3"]);
    assert_eq!(shown.code, 0, "{shown}");
    assert!(shown.stdout.contains("┤●") && shown.stdout.contains("small/first"), "{shown}");
    let told = json(&env.run(&["entropy", "report", "--json"]));
    let burn = told["result"]["phases"][0]["bits"].as_array().expect("days");
    assert!(burn.len() == 2 && burn[0].as_f64() > burn[1].as_f64(), "{told}");

    let page = |name: &str| {
        let ran = env.run(&["entropy", "report", "-o", name]);
        assert_eq!(ran.code, 0, "{ran}");
        std::fs::read_to_string(env.work().join(name)).expect("the page")
    };
    let html = page("a.html");
    assert_eq!(html, page("b.html"));
    assert!(html.contains("src/&lt;b&gt;&amp;") && !html.contains("<b>"), "{html}");
    assert!(!html.contains("<script") && !html.contains("href") && !html.contains("src=\""), "{html}");
    assert_eq!(env.run(&["entropy", "report", "-o", "a.pdf"]).code, 2);
}

fn left_out(ran: &Ran) -> Vec<(String, String)> {
    let listed = json(ran)["result"]["left_out"].as_array().expect("a list").clone();
    let text = |entry: &Value, member: &str| entry[member].as_str().expect("text").to_owned();
    listed.iter().map(|entry| (text(entry, "path"), text(entry, "why"))).collect()
}

#[test]
fn what_the_attributes_say_decides_what_counts() {
    let mut env = env();
    env.write(
        ".gitattributes",
        "*.gen.rs linguist-generated\nlib/** linguist-vendored=true\nvendor/ours/** -linguist-vendored\n",
    );
    env.write("src/.gitattributes", "kept.gen.rs -linguist-generated\n");
    for (number, path) in
        ["src/a.gen.rs", "src/kept.gen.rs", "lib/x/b.rs", "vendor/ours/c.rs", "vendor/d.rs"].iter().enumerate()
    {
        env.write(path, format!("pub fn f() -> u32 {{ {number} }}\n"));
    }
    commit(&mut env, "2026-02-02");
    let ran = env.run(&["entropy", "--json"]);
    let expected = [("lib/x/b.rs", "vendored"), ("src/a.gen.rs", "generated"), ("vendor/d.rs", "vendored")];
    assert_eq!(left_out(&ran), expected.map(|(path, why)| (path.to_owned(), why.to_owned())), "{ran}");
    let kept = env.run(&["entropy", "explain", "vendor/ours"]);
    assert!(kept.code == 0 && kept.stdout.contains("vendor/ours/c.rs:1 f"), "{kept}");
    assert!(env.run(&["entropy", "explain", "src/a.gen.rs"]).stdout.contains("left out src/a.gen.rs: generated"));
    // What counts can have evidence, wherever it lies.
    env.write("lcov.info", "SF:vendor/ours/c.rs\nDA:1,1\nend_of_record\nSF:lib/x/b.rs\nDA:1,1\nend_of_record\n");
    let attested = env.run(&["attest-tests", "lcov.info", "--json"]);
    assert_eq!(json(&attested)["result"]["units"], 1, "{attested}");
}

#[test]
fn what_is_no_code_of_this_repository_is_left_out_with_its_reason() {
    let mut env = env();
    let before = env.run(&["entropy", "--json"]);
    env.write("model.py", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    env.write("blob.c", b"int a;\0\x01\x02");
    std::fs::File::create(env.work().join("huge.c")).expect("a file").set_len(200 << 20).expect("its length");
    #[cfg(unix)]
    std::os::unix::fs::symlink("lib.rs", env.work().join("src/link.rs")).expect("a link");
    let inner = TestEnv::new();
    inner.git(&["init", "-q"]);
    inner.write("x.rs", "pub fn x() {}\n");
    inner.git(&["add", "-A"]);
    inner.git(&["commit", "-q", "-m", "inner"]);
    env.git(&["submodule", "--quiet", "add", &format!("file://{}", inner.work().display()), "sub"]);
    commit(&mut env, "2026-02-02");
    let ran = env.run(&["entropy", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let mut expected = vec![
        ("blob.c", "binary"),
        ("huge.c", "larger than 1 MiB"),
        ("model.py", "a pointer to a file kept elsewhere (LFS)"),
    ];
    #[cfg(unix)]
    expected.push(("src/link.rs", "a symbolic link"));
    expected.push(("sub", "a submodule"));
    let mut listed = left_out(&ran);
    listed.sort();
    let expected: Vec<_> = expected.into_iter().map(|(path, why)| (path.to_owned(), why.to_owned())).collect();
    assert_eq!(listed, expected, "{ran}");
    assert_eq!(bits(&before, "v_bits"), bits(&ran, "v_bits"));
}

#[test]
fn a_file_that_changes_its_language_is_other_code() {
    let mut env = env();
    env.write("tool", "#!/bin/sh\nrun() {\n  echo \"$1\"\n}\nrun a\n");
    commit(&mut env, "2026-02-02");
    let shell = env.run(&["entropy", "explain", "tool", "--json"]);
    env.write("tool", "#!/usr/bin/env python3\ndef run(a):\n    print(a)\n\nrun('a')\n");
    commit(&mut env, "2026-02-03");
    let python = env.run(&["entropy", "explain", "tool", "--json"]);
    for ran in [&shell, &python] {
        let pieces = json(ran)["result"]["pieces"].as_array().expect("pieces").clone();
        assert!(pieces.iter().any(|piece| piece["name"].as_str().is_some_and(|n| n.ends_with("run"))), "{ran}");
    }
    let changed = env.run(&["entropy", "--json"]);
    let parts = json(&changed)["result"]["change"]["contributions"].clone();
    assert_eq!(parts[0]["name"], "tool", "{changed}");
    env.write("broken.rs", "fn whole() -> u32 { 7 }\nfn broken( { ] }\nfn after() -> u32 { 8 }\n");
    commit(&mut env, "2026-02-04");
    let broken = env.run(&["entropy", "explain", "broken.rs", "--json"]);
    assert_eq!(broken.code, 0, "{broken}");
    assert!(broken.stdout.contains("broken.rs:1 whole"), "{broken}");
}

#[test]
fn a_clock_that_went_back_loses_no_work() {
    let mut env = env();
    env.write("src/a.rs", "pub fn a(x: u32) -> u32 { x * 3 }\n");
    commit(&mut env, "2026-02-02");
    // The next commit's clock stands at an earlier time than that of what it builds on.
    env.write("src/b.rs", "pub fn b(x: u32) -> u32 { x * 5 }\n");
    commit(&mut env, "2026-01-15");
    env.write("src/c.rs", "pub fn c(x: u32) -> u32 { x * 7 }\n");
    commit(&mut env, "2026-02-04");
    let log = env.run(&["entropy", "log", "--days", "30", "--json"]);
    assert_eq!(log.code, 0, "{log}");
    let days = json(&log)["result"]["days"].as_array().expect("days").clone();
    let h: Vec<f64> = days.iter().map(|day| day["h_bits"].as_f64().expect("bits")).collect();
    assert!(h.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12), "code only came, whatever the clocks said: {log}");
    let deltas: f64 = days.iter().filter_map(|day| day["delta_bits"].as_f64()).sum();
    let first = days.iter().position(|day| day["delta_bits"].is_number()).expect("a change") - 1;
    assert!((deltas - (h[h.len() - 1] - h[first])).abs() < 1e-9, "{log}");
    assert_eq!(env.run(&["entropy", "--json"]).code, 0);
}

/// The log looks only at what a day changed, and says what a look at the whole day says.
#[test]
fn each_day_of_the_log_is_what_that_day_was() {
    let mut env = env();
    env.write("src/a.rs", "pub fn a(x: u32) -> u32 { x * 3 }\npub fn b(x: u32) -> u32 { a(x) + 1 }\n");
    env.write("lib/x.rs", "pub fn a(x: u32) -> u32 { x * 3 }\npub fn c(x: u32) -> u32 { x * 5 + 2 }\n");
    commit(&mut env, "2026-02-02");
    env.write("lcov.info", "SF:src/a.rs\nDA:1,1\nend_of_record\nSF:src/lib.rs\nDA:1,1\nDA:2,1\nend_of_record\n");
    assert_eq!(env.run(&["attest-tests", "lcov.info"]).code, 0);
    commit(&mut env, "2026-02-03");
    env.write(".gitattributes", "lib/** linguist-vendored\n");
    commit(&mut env, "2026-02-04");
    env.write("src/lib.rs", CODE.replace("assert_eq", "assert_ne"));
    env.git(&["mv", "src/a.rs", "src/z.rs"]);
    commit(&mut env, "2026-02-05");
    env.write(".gitattributes", "");
    commit(&mut env, "2026-02-07");
    let log = env.run(&["entropy", "log", "--days", "7", "--json"]);
    let days = json(&log)["result"]["days"].as_array().expect("days").clone();
    assert_eq!(days.len(), 7, "{log}");
    let mut seen = Vec::new();
    for (day, told) in (1..).zip(&days) {
        let whole = env.run(&["entropy", "--json", "--now", &format!("2026-02-{day:02}T20:59:59Z")]);
        for member in ["h_bits", "p_bits", "v_bits"] {
            assert_eq!(told[member].as_f64(), Some(bits(&whole, member)), "{member} of {day} February: {log}\n{whole}");
        }
        seen.push(bits(&whole, "v_bits"));
    }
    seen.dedup();
    assert_eq!(seen.len(), 5, "each day but two changed V: {seen:?}");
}

#[test]
fn branches_with_baselines_of_their_own_are_not_compared_across() {
    let mut env = env();
    let since = env.git(&["rev-parse", "HEAD"]).trim().to_owned();
    env.git(&["checkout", "-q", "-b", "other"]);
    env.at("2026-02-03T08:00:00Z");
    assert_eq!(env.run(&["entropy", "baseline", "--reason", "theirs"]).code, 0);
    commit(&mut env, "2026-02-03");
    env.git(&["checkout", "-q", "-"]);
    env.at("2026-02-04T08:00:00Z");
    assert_eq!(env.run(&["entropy", "baseline", "--reason", "ours"]).code, 0);
    commit(&mut env, "2026-02-04");
    let across = env.run(&["entropy", "check", "--since", "other"]);
    assert_eq!(across.code, 4, "{across}");
    assert!(across.stderr.contains("epoch 2 began since"), "{across}");
    assert_eq!(env.run(&["entropy", "check", "--since", &since]).code, 4);
    // A merge in which nobody chose holds no baseline at all.
    let text = std::fs::read_to_string(env.work().join("bizra-entropy.json")).expect("ours");
    env.write("bizra-entropy.json", format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n"));
    assert_eq!(env.run(&["entropy"]).code, 5);
    env.write("bizra-entropy.json", text);
    env.git(&["merge", "-q", "-s", "ours", "other"]);
    env.git(&["checkout", "-q", "other", "--", "bizra-entropy.json"]);
    commit(&mut env, "2026-02-05");
    let merged = env.run(&["entropy", "--json", "--since", "HEAD~1"]);
    assert_eq!(merged.code, 0, "{merged}");
    assert_eq!(json(&merged)["result"]["baseline"]["epoch"], 2);
    assert_eq!(change(&merged, "delta_bits"), 0.0, "the plan and the code are as they were: {merged}");
}

#[test]
fn hassans_measure_is_there_for_those_who_know_it() {
    let mut env = env();
    for (day, part) in [("2026-02-02", "a"), ("2026-02-03", "b"), ("2026-02-04", "c")] {
        env.write(&format!("{part}/x.rs"), format!("pub fn {part}(x: u32) -> u32 {{ x + {} }}\n", part.len()));
        commit(&mut env, day);
    }
    let told = env.run(&["entropy", "--classic", "--json"]);
    // Four files, each of which has changed on one day.
    assert_eq!(json(&told)["result"]["classic"], serde_json::json!({"bits": 2.0, "normalised": 1.0}), "{told}");
    assert!(env.run(&["entropy", "--classic"]).stdout.contains("Hassan's change entropy 2.00 bits, 1.000"));
    assert_eq!(json(&env.run(&["entropy", "--json"]))["result"]["classic"], Value::Null);
}

#[test]
fn a_report_fits_a_narrow_terminal() {
    let mut env = TestEnv::new().terminal(40).var("NO_COLOR", "1");
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", PLAN);
    env.write("src/lib.rs", CODE);
    for day in 1..=28 {
        commit(&mut env, &format!("2026-02-{day:02}"));
    }
    let ran = env.run(&["entropy", "report"]);
    assert_eq!(ran.code, 0, "{ran}");
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 40, "{line:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_watch_tells_each_change_once_until_it_is_ended() {
    use std::io::BufRead as _;
    let mut env = TestEnv::new();
    assert_eq!(env.run(&["entropy", "--watch"]).code, 6, "no repository");
    env.git(&["init", "-q"]);
    assert_eq!(env.run(&["entropy", "--watch"]).code, 4, "no commit");
    env.write("roadmap/small.yaml", PLAN);
    env.write("src/lib.rs", CODE);
    commit(&mut env, "2026-02-01");
    assert_eq!(env.run(&["entropy", "--watch", "--now", "2026-02-01"]).code, 2);
    let start = |args: &[&str]| {
        let mut command = env.command(args);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
        (child, lines)
    };
    let (child, mut lines) = start(&["entropy", "--watch", "--json"]);
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    let first = next();
    assert_eq!(first["schema"], "bizra.entropy/v1");
    assert_eq!(first["receipt"], Value::Null);
    env.write("src/more.rs", "pub fn more(x: u32) -> u32 { x * 3 }\n");
    env.git(&["add", "-A"]);
    env.git(&["commit", "-q", "-m", "more"]);
    let second = next();
    assert!(second["result"]["v_bits"].as_f64() > first["result"]["v_bits"].as_f64(), "{second}");
    env.write("roadmap/small.yaml", "bizra: roadmap/v1\nid: [");
    env.git(&["commit", "-q", "-a", "-m", "broken"]);
    let broken = next();
    assert_eq!((&broken["exit"], &broken["result"]), (&3.into(), &Value::Null), "{broken}");
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success(), "it goes on until it is ended");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(rest.len() == 1 && rest[0].contains("\"exit\":130"), "each change was told once: {rest:?}");
    assert!(!env.run(&["receipts", "list", "--json"]).stdout.contains("entropy"), "a watch leaves no receipts");

    // Without the reader it ends at the next change.
    env.git(&["revert", "--no-edit", "HEAD"]);
    let (child, mut lines) = start(&["entropy", "--watch"]);
    assert!(lines.next().expect("a line").expect("text").starts_with("H "));
    drop(lines);
    env.write("src/last.rs", "pub fn last(x: u32) -> u32 { x * 9 }\n");
    env.git(&["add", "-A"]);
    env.git(&["commit", "-q", "-m", "last"]);
    assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(141));
}
