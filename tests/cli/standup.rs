//! `bizra sprint standup`: a day told from a small history, history that is odd, and files that people edit.

use serde_json::Value;

use crate::harness::TestEnv;

const SPRINT: &str = "\
bizra: sprint/v1
id: small
title: A small sprint
timezone: Asia/Riyadh
calendar: {start: 2026-01-29, target: 2026-02-06, workdays: [thursday, friday, monday, tuesday, wednesday]}
people: [{id: ann, team: core}, {id: bo, team: edge}]
teams: [{id: core, name: Core}, {id: edge, name: Edge}]
items:
  - {id: A1, name: First, lead: ann, window: 1-2, deliverables: [{path: src/one/**}], evidence: {attest: {role: lead, statement: A1 holds.}}}
  - {id: A2, name: Second, lead: bo, window: 2-3, needs: [{item: A1, by_day: 2}], evidence: {file: {path: two.txt}}}
  - {id: A3, name: Third *bold* <b>, status: done, lead: bo, window: 2-2}
blockers: [{name: No runner, text: the machine is away, blocks: [A2]}]
standup: {heading: Day N - YYYY-MM-DD, sections: [Done, Blocked, Next, Mood, Entropy Δ]}
";

/// A world where nothing was committed yet, on the morning of day 2.
fn world() -> TestEnv {
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("sprints/small.yaml", SPRINT);
    env.at("2026-01-30T09:00:00Z");
    env
}

fn commit(env: &mut TestEnv, when: &str, who: &str, message: &str) -> String {
    for side in ["AUTHOR", "COMMITTER"] {
        env.set(&format!("GIT_{side}_DATE"), when);
        env.set(&format!("GIT_{side}_NAME"), who);
        env.set(&format!("GIT_{side}_EMAIL"), &format!("{}@example.org", who.to_lowercase()));
    }
    env.git(&["add", "."]);
    env.git(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
    env.git(&["rev-parse", "HEAD"]).trim().to_owned()
}

fn told(env: &TestEnv, more: &[&str]) -> String {
    let ran = env.run(&[&["sprint", "standup"], more].concat());
    assert_eq!(ran.code, 0, "{ran}");
    ran.stdout
}

fn result(env: &TestEnv, more: &[&str]) -> Value {
    let ran = env.run(&[&["sprint", "standup", "--json"], more].concat());
    assert_eq!(ran.code, 0, "{ran}");
    serde_json::from_str::<Value>(&ran.stdout).expect("one document")["result"].clone()
}

fn subjects(result: &Value) -> Vec<&str> {
    result["commits"].as_array().expect("commits").iter().filter_map(|c| c["subject"].as_str()).collect()
}

/// Two days of work: the plan, files of A1, a trailer, something else.
fn worked() -> TestEnv {
    let mut env = world();
    commit(&mut env, "2026-01-29T08:00:00+03:00", "Ann", "the plan");
    env.write("src/one/a.txt", "1");
    commit(&mut env, "2026-01-29T23:59:59+03:00", "Ann", "late on day 1");
    commit(
        &mut env,
        "2026-01-30T00:00:00+03:00",
        "Bo",
        "early\n\nBizra-Item: A2\nCo-authored-by: Ann <ann@example.org>",
    );
    commit(&mut env, "2026-01-30T08:00:00+03:00", "Bo", "other | thing # <script>");
    env
}

fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    for (number, part) in text.split('`').enumerate() {
        let is_id = number % 2 == 1 && part.len() == 10 && part.bytes().all(|b| b.is_ascii_hexdigit());
        shown += if number > 0 { "`" } else { "" };
        shown += if is_id { "ID" } else { part };
    }
    shown
}

#[test]
fn a_day_is_told_as_the_sprint_wants_it() {
    let env = worked();
    insta::assert_snapshot!(without_ids(&told(&env, &[])), @r"
    ## Day 2 - 2026-01-30

    ### Done
    - Nothing that a receipt shows.

    **Worked on**
    - **A2** Second (bo)
      - `ID` early (Bo, Ann)

    **Other commits: 1**
    - `ID` other \| thing \# \<script\> (Bo)

    ### Blocked
    - No runner: the machine is away; blocks A2
    - **A2** Second (bo): needs A1 by day 2 (to do)

    ### Next
    - **A1** First (ann): days 1-2; float 0 h

    ### Mood
    - Nothing that is recorded belongs here: it is for people to write.

    ### Entropy Δ
    - not measured: no receipt of this day holds a measurement; next: bizra entropy
    ");
    insta::assert_snapshot!(without_ids(&told(&env, &["--day", "1"])), @r"
    ## Day 1 - 2026-01-29

    > The first day: what was before it is not told.

    ### Done
    - Nothing that a receipt shows.

    **Claimed, unverified**
    - **A3** Third \*bold\* \<b\> (bo): its status says that it is done; pending: missing; next: say in the plan what would show \`A3\`: \`evidence: …\`

    **Worked on**
    - **A1** First (ann)
      - `ID` late on day 1 (Ann)

    **Other commits: 1**
    - `ID` the plan (Ann)

    ### Blocked
    - No runner: the machine is away; blocks A2
    - **A2** Second (bo): needs A1 by day 2 (to do)

    ### Next
    - **A1** First (ann): days 1-2; float 0 h

    ### Mood
    - Nothing that is recorded belongs here: it is for people to write.

    ### Entropy Δ
    - not measured: no receipt of this day holds a measurement; next: bizra entropy log

    ### Scope
    - the sprint's file is new in this window
    ");
}

#[test]
fn what_a_receipt_shows_is_done() {
    let mut env = worked();
    let attest = ["attest", "--role", "lead", "--statement", "A1 holds."];
    let untrusted = env.run(&attest);
    assert_eq!(untrusted.code, 0, "{untrusted}");
    let text = told(&env, &[]);
    assert!(
        text.contains("- **A1** First (ann): untrusted: ") && text.contains("Nothing that a receipt shows"),
        "{text}"
    );
    let policy = env.run(&["trust", "init", "--name", "ada", "--role", "lead"]);
    assert_eq!(policy.code, 0, "{policy}");
    let attested = env.run(&attest);
    assert_eq!(attested.code, 0, "{attested}");
    let done = |env: &TestEnv, more: &[&str]| {
        let result = result(env, more);
        let groups = result["sections"][0]["groups"].as_array().expect("groups").clone();
        let first = groups[0]["entries"][0].clone();
        (first["item"].clone(), first["receipts"].as_array().map_or(0, Vec::len))
    };
    let today = told(&env, &[]);
    assert_eq!(done(&env, &[]), ("A1".into(), 1), "{today}");
    assert_eq!(done(&env, &["--day", "1"]).0, Value::Null, "the receipt came later");
    env.at("2026-02-02T09:00:00Z");
    assert_eq!(done(&env, &[]).0, Value::Null, "and it is told once");
    assert_eq!(done(&env, &["--day", "2"]), ("A1".into(), 1));
}

#[test]
fn links_have_their_reasons() {
    let env = worked();
    let (one, two) = (result(&env, &["--day", "1"]), result(&env, &[]));
    let reasons = |result: &Value, subject: &str| {
        let commits = result["commits"].as_array().expect("commits");
        commits.iter().find(|c| c["subject"] == subject).expect("the commit")["links"].clone()
    };
    let by_path = serde_json::json!([{"item": "A1", "reasons": [
        {"by": "path", "path": "src/one/a.txt", "pattern": "src/one/**"}
    ]}]);
    assert_eq!(reasons(&one, "late on day 1"), by_path);
    let by_trailer = serde_json::json!([{"item": "A2", "reasons": [{"by": "trailer", "name": "A2"}]}]);
    assert_eq!(reasons(&two, "early"), by_trailer);
    assert_eq!(two["commits"][1]["coauthors"], serde_json::json!([{"name": "Ann", "email": "ann@example.org"}]));
    assert_eq!((&two["entropy"]["measured"], &two["day"]), (&Value::Bool(false), &Value::from(2)));
}

#[test]
fn each_commit_is_told_on_one_day_and_mondays_gather() {
    let mut env = worked();
    commit(&mut env, "2026-01-31T12:00:00+03:00", "Ann", "on Saturday");
    commit(&mut env, "2026-02-02T07:00:00+03:00", "Ann", "on Monday");
    env.at("2026-02-03T09:00:00Z");
    let days: Vec<Value> = ["1", "2", "3", "4"].map(|day| result(&env, &["--day", day])).to_vec();
    assert_eq!(subjects(&days[0]), ["late on day 1", "the plan"]);
    assert_eq!(subjects(&days[1]), ["other | thing # <script>", "early"]);
    assert_eq!(subjects(&days[2]), ["on Monday", "on Saturday"]);
    assert!(subjects(&days[3]).is_empty());
    assert_eq!(days[2]["notes"][0], "Gathers 2026-01-31 to 2026-02-02.");
    let all = result(&env, &["--since", "2026-01-29"]);
    assert_eq!(subjects(&all).len(), 6);
    env.at("2026-01-31T09:00:00Z");
    assert_eq!(result(&env, &[])["day"], 3, "a Saturday belongs to Monday");
}

#[test]
fn outside_the_sprint_and_before_the_first_commit() {
    let mut env = world();
    let text = told(&env, &[]);
    assert!(
        text.contains("has no commit yet") && text.contains("no receipt, no claim") != text.contains("A3"),
        "{text}"
    );
    env.at("2026-01-20T09:00:00Z");
    let text = told(&env, &[]);
    assert!(text.starts_with("## 2026-01-20\n") && text.contains("its first day is 2026-01-29"), "{text}");
    env.at("2026-03-20T09:00:00Z");
    assert!(told(&env, &[]).contains("its last day was 2026-02-06"));
    for (args, code, words) in [
        (["--day", "40"], 2, "days 1 to 7"),
        (["--day", "never"], 2, "this is no day"),
        (["--since", "2027-01-01"], 2, "not before the end"),
        (["--since", "soon"], 2, "no date or time"),
        (["--rev", "nothing"], 2, "no such commit"),
        (["--sprint", "smal"], 2, "did you mean `small`?"),
    ] {
        let ran = env.run(&[&["sprint", "standup"], &args[..]].concat());
        assert!(ran.code == code && ran.stderr.contains(words), "{args:?}: {ran}");
    }
    let ran = env.run(&["sprint", "standup", "--team=cor"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `core`?"), "{ran}");
}

#[test]
fn two_sprints_of_one_day_ask_which() {
    let env = worked();
    env.write(
        "sprints/other.yaml",
        SPRINT
            .replace("id: small", "id: other")
            .replace("id: A", "id: Z")
            .replace("item: A", "item: Z")
            .replace("[A2]", "[Z2]"),
    );
    let ran = env.run(&["sprint", "standup"]);
    assert!(ran.code == 2 && ran.stderr.contains("--sprint"), "{ran}");
    assert!(told(&env, &["--sprint", "small"]).contains("Other sprints have days in common"));
}

#[test]
fn odd_commits_are_told_like_others() {
    let mut env = worked();
    let tree = env.git(&["rev-parse", "HEAD^{tree}"]).trim().to_owned();
    let head = env.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let noon = 1_769_763_600; // 2026-01-30, 12:00 in Riyadh
    let mut parent = head.clone();
    let mut add = |env: &TestEnv, author: &[u8], time: &str, message: &[u8]| {
        let mut bytes = format!("tree {tree}\nparent {parent}\nauthor ").into_bytes();
        bytes.extend_from_slice(author);
        bytes.extend_from_slice(format!(" {time} +0300\ncommitter X <x@x> {time} +0300\n\n").as_bytes());
        bytes.extend_from_slice(message);
        env.write("object", &bytes);
        parent = env.git(&["hash-object", "-t", "commit", "-w", "--literally", "object"]).trim().to_owned();
        env.git(&["update-ref", "refs/heads/main", &parent]);
        parent.clone()
    };
    add(&env, b"<nobody@x>", &noon.to_string(), b"\x1b[31mred\x1b[0m \xe2\x80\xaeesrever");
    add(&env, b" <>", &(noon + 1).to_string(), b"bad \xff\xfe bytes");
    add(&env, b"Y <y@y>", "-86400", b"before 1970");
    add(&env, b"Y <y@y>", "4102444800", b"from the future");
    add(&env, b"Y <y@y>", "99999999999999999999", b"at no time");
    add(&env, b"Y <y@y>", &(noon + 2).to_string(), b"");
    let huge = [b"huge A1 ".as_slice(), &b"x".repeat(3 << 20)].concat();
    add(&env, b"Y <y@y>", &(noon + 3).to_string(), &huge);
    std::fs::remove_file(env.work().join("object")).expect("it was there");
    let text = told(&env, &[]);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && text.contains("red esrever"), "{text}");
    assert!(text.contains("somebody without a name") && text.contains("(no message)"), "{text}");
    assert!(
        text.contains("bad \u{fffd}\u{fffd} bytes") && text.lines().all(|line| line.chars().count() < 400),
        "{text}"
    );
    assert!(text.contains("One commit is dated in the future"), "{text}");
    assert!(text.contains("One commit has no date that can be read"), "{text}");
    assert!(!text.contains("before 1970") && text.contains("early"), "what lies behind wrong dates is found: {text}");
    let octopus = [("o1", "a"), ("o2", "b"), ("o3", "c")];
    for (branch, message) in octopus {
        env.git(&["checkout", "-q", "-b", branch, &head]);
        commit(&mut env, "2026-01-30T12:00:09+03:00", "Ann", message);
    }
    env.git(&["checkout", "-q", "o1"]);
    env.git(&["merge", "-q", "-m", "Merge all for A2", "o2", "o3", "main"]);
    let result = result(&env, &[]);
    let merges: Vec<&Value> =
        result["commits"].as_array().expect("commits").iter().filter(|c| c["merge"] == true).collect();
    assert_eq!(merges.len(), 1);
    assert_eq!(merges[0]["links"][0]["item"], "A2");
    for name in ["a", "b", "c", "early"] {
        assert_eq!(subjects(&result).iter().filter(|s| **s == name).count(), 1, "{name}");
    }
    env.git(&["checkout", "-q", "-b", "o4", &head]);
    commit(&mut env, "2026-01-30T12:00:10+03:00", "Ann", "d");
    env.git(&["checkout", "-q", "o1"]);
    env.git(&["merge", "-q", "--no-ff", "-m", "Bring d", "o4"]);
    let text = told(&env, &[]);
    assert!(text.contains("and one merge") && !text.contains("Bring d"), "of two parents, too: {text}");
}

#[test]
fn shallow_bare_detached_and_replaced() {
    let mut env = worked();
    env.git(&["clone", "-q", "--depth", "1", "--no-local", ".", "shallow"]);
    env.git(&["clone", "-q", "--bare", ".", "bare.git"]);
    let shallow = env.run_in(env.work().join("shallow"), &["sprint", "standup"]);
    assert!(shallow.code == 0 && shallow.stdout.contains("This clone is shallow"), "{shallow}");
    assert!(!env.work().join("shallow/.git/bizra/history").exists(), "a shallow history is not remembered");
    let bare = env.run_in(env.work().join("bare.git"), &["sprint", "standup"]);
    assert!(bare.code == 0 && bare.stdout.contains("early"), "{bare}");
    let bare = env.run_in(env.work().join("bare.git"), &["sprint", "standup", "--write"]);
    assert!(bare.code == 6 && bare.stderr.contains("bare repository"), "{bare}");
    env.git(&["clone", "-q", "--bare", ".", "odd.git"]);
    let tree = env.git(&["rev-parse", "HEAD^{tree}"]);
    env.write("commit.txt", format!("tree {tree}\nnobody wrote this\n"));
    let id = env.git(&["-C", "odd.git", "hash-object", "-t", "commit", "-w", "--literally", "../commit.txt"]);
    env.git(&["-C", "odd.git", "update-ref", "HEAD", id.trim()]);
    let odd = env.run_in(env.work().join("odd.git"), &["sprint", "standup"]);
    assert!(odd.code == 2 && odd.stderr.contains("HEAD: the repository knows no such commit"), "{odd}");
    env.git(&["init", "-q", "--bare", "new.git"]);
    let new = env.run_in(env.work().join("new.git"), &["sprint", "standup"]);
    assert!(new.code == 3 && new.stderr.contains("there is no sprint"), "{new}");
    env.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    assert!(subjects(&result(&env, &["--rev", "HEAD"])) == ["early"], "{}", told(&env, &["--rev", "HEAD"]));
    assert!(subjects(&result(&env, &[])).len() == 2, "other branches count");
    env.git(&["checkout", "-q", "main"]);
    let old = env.git(&["rev-parse", "HEAD~1"]).trim().to_owned();
    env.git(&["checkout", "-q", "-b", "instead", "HEAD~2"]);
    let new = commit(&mut env, "2026-01-30T02:00:00+03:00", "Bo", "replaced for A1");
    env.git(&["checkout", "-q", "main"]);
    env.git(&["branch", "-q", "-D", "instead"]);
    env.git(&["replace", &old, &new]);
    assert!(subjects(&result(&env, &[])).contains(&"replaced for A1"), "as git log shows it");
    env.git(&["replace", "-d", &old]);
    assert!(!subjects(&result(&env, &[])).contains(&"replaced for A1"), "and not from memory");
}

#[test]
fn people_by_the_mailmap_exactly() {
    let mut env = worked();
    commit(
        &mut env,
        "2026-01-30T08:30:00+03:00",
        "Annie",
        "under another name\n\nCo-authored-by: Ann <ann@example.org>",
    );
    env.write(".mailmap", "Ann <ann@example.org> <annie@example.org>\n");
    let by = |asked: &str| subjects(&result(&env, &["--author", asked])).len();
    assert_eq!((by("Ann"), by("ann@example.org"), by("Ann <ann@example.org>")), (2, 2, 2));
    assert_eq!((by("An"), by("annie@example.org"), by("Bo")), (0, 0, 2));
    let text = told(&env, &["--team"]);
    assert!(text.contains("**ann (core): one commit**") && text.contains("**bo (edge): 2 commits**"), "{text}");
    assert!(text.contains("early: A2; with Ann"), "{text}");
    let core = told(&env, &["--team=core"]);
    assert!(core.contains("under another name") && !core.contains("other | thing"), "{core}");
}

#[test]
fn a_changed_sprint_is_told_apart() {
    let mut env = worked();
    assert!(!told(&env, &[]).contains("### Scope"), "{}", told(&env, &[]));
    assert!(told(&env, &["--day", "1"]).contains("### Scope\n- the sprint's file is new in this window"));
    env.write(
        "sprints/small.yaml",
        SPRINT.replace("window: 1-2", "window: 1-3").replace("id: A3, name: Third", "id: A4, name: Fourth"),
    );
    let text = told(&env, &[]);
    assert!(text.contains("### Scope\n- added: A4 Fourth"), "{text}");
    assert!(text.contains("- removed: A3 Third") && text.contains("- changed: A1 First (window)"), "{text}");
    commit(&mut env, "2026-02-02T08:00:00+03:00", "Ann", "scope");
    env.at("2026-02-02T09:00:00Z");
    assert!(!told(&env, &["--day", "2"]).contains("### Scope"), "the plan of that day was another");
    assert!(told(&env, &[]).contains("### Scope"));
}

#[test]
fn a_kept_standup_keeps_what_people_write() {
    let mut env = worked();
    let path = env.work().join("sprints/small/standups/2.md");
    let read = || std::fs::read_to_string(&path).expect("it was written");
    let ran = env.run(&["sprint", "standup", "--write"]);
    assert!(ran.code == 0 && ran.stderr.contains("wrote sprints/small/standups/2.md"), "{ran}");
    assert!(read().starts_with(&ran.stdout.trim_end().to_owned()) && read().ends_with("-->\n"), "{}", read());
    assert_eq!(told(&env, &["--update", "--if-changed"]), "", "nothing is new");
    let result_now = result(&env, &["--if-changed"]);
    assert_eq!((&result_now["changed"], &result_now["written"]), (&Value::Bool(false), &Value::Bool(false)));

    let mine = read().replace("### Mood\n", "### Mood\n- glad\n");
    std::fs::write(&path, &mine).expect("edited");
    commit(&mut env, "2026-01-30T10:00:00+03:00", "Ann", "A1 goes on");
    let ran = env.run(&["sprint", "standup", "--write"]);
    assert!(ran.code == 1 && ran.stderr.contains("Mood") && ran.stderr.contains("--update"), "{ran}");
    assert_eq!(read(), mine, "nothing was touched");
    let ran = env.run(&["sprint", "standup", "--update", "--if-changed"]);
    assert!(ran.stdout.contains("A1 goes on") && ran.stdout.contains("- glad"), "{ran}");
    assert!(read().contains("A1 goes on") && read().contains("- glad"), "{}", read());
    assert_eq!(told(&env, &["--update", "--if-changed"]), "");
}

#[test]
fn the_same_bytes_whatever_the_machine_speaks() {
    let mut env = worked();
    let formats = ["md", "html", "slack", "json"];
    let all = |env: &TestEnv| formats.map(|format| told(env, &["--team", "--format", format]));
    let first = all(&env);
    env.set("LC_ALL", "ar_SA.UTF-8");
    env.set("TZ", "Pacific/Kiritimati");
    assert_eq!(all(&env), first);
    let env = env.terminal(40);
    assert_eq!(all(&env), first);
    std::fs::remove_file(env.work().join(".git/bizra/history")).expect("it was remembered");
    assert_eq!(all(&env), first);
    assert!(first[1].starts_with("<!doctype html>") && first[2].starts_with("*Day 2 - 2026-01-30*"));
    assert!(!first[1].contains("<script>") && !first[2].contains("<script>") && first[0].contains("\\<script\\>"));
}

#[test]
fn a_damaged_memory_is_made_again() {
    let env = worked();
    let path = env.work().join(".git/bizra/history");
    let first = told(&env, &[]);
    let bytes = std::fs::read(&path).expect("it was remembered");
    for damage in [b"".to_vec(), bytes[..bytes.len() / 2].to_vec(), bytes.iter().map(|b| b ^ 1).collect()] {
        std::fs::write(&path, damage).expect("damaged");
        assert_eq!(told(&env, &[]), first);
        assert_eq!(std::fs::read(&path).expect("made again"), bytes);
    }
}

#[cfg(unix)]
#[test]
fn the_hook_and_the_scheduler_of_the_page_work() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut env = worked();
    let page = include_str!("../../docs/standup.md");
    let block = |begins: &str| {
        let from = page.find(begins).expect("the page has it");
        page[from..].split("```").next().expect("a block").to_owned()
    };
    let ours = |script: &str| script.replace("bizra sprint", &format!("'{}' sprint", env!("CARGO_BIN_EXE_bizra")));
    env.set("BIZRA_NOW", "2026-01-30T12:00:00Z");
    env.write(".git/hooks/post-commit", ours(&block("#!/bin/sh")));
    let hook = env.work().join(".git/hooks/post-commit");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("executable");
    commit(&mut env, "2026-01-30T11:00:00+03:00", "Ann", "by the hook");
    let kept = std::fs::read_to_string(env.work().join("sprints/small/standups/2.md")).expect("the hook wrote it");
    assert!(kept.contains("by the hook"), "{kept}");

    let line = ours(block("cd /srv/project").trim()).replace("/srv/project", ".");
    let script = format!("post() {{ cat > posted; }}; {line}");
    let run = |env: &TestEnv| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(env.work()).env("HOME", env.home());
        shell.env("BIZRA_NOW", "2026-01-30T12:00:00Z").output().expect("a shell");
        std::fs::read_to_string(env.work().join("posted")).ok()
    };
    assert_eq!(run(&env), None, "nothing is new");
    std::fs::remove_file(&hook).expect("it was there");
    commit(&mut env, "2026-01-30T11:30:00+03:00", "Ann", "to be posted");
    assert!(run(&env).is_some_and(|posted| posted.starts_with("*Day 2") && posted.contains("to be posted")));
}

#[test]
fn entropy_is_what_the_newest_trusted_receipt_of_the_day_measured() {
    let mut env = world();
    commit(&mut env, "2026-01-29T08:00:00+03:00", "Ann", "the plan");
    env.at("2026-01-29T06:00:00Z");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    commit(&mut env, "2026-01-29T09:00:00+03:00", "Ann", "the baseline");
    assert_eq!(env.run(&["entropy"]).code, 0);
    env.write("two.txt", "proof");
    commit(&mut env, "2026-01-30T08:00:00+03:00", "Bo", "A2: two");
    env.at("2026-01-30T07:00:00Z");
    let before = &result(&env, &[])["entropy"];
    assert_eq!((&before["measured"], &before["next"]), (&Value::Bool(false), &Value::from("bizra entropy")));

    assert_eq!(env.run(&["entropy", "--now", "2026-01-29T20:00:00Z"]).code, 0, "of another day");
    let measured = env.run(&["entropy", "--json"]);
    let measured: Value = serde_json::from_str(&measured.stdout).expect("one document");
    let told = &result(&env, &[])["entropy"];
    assert_eq!(told["receipt"], measured["receipt"]);
    let close = |told: &Value, bits: &Value| (told.as_f64().unwrap() - bits.as_f64().unwrap()).abs() < 1e-8;
    assert!(close(&told["h_bits"], &measured["result"]["h_bits"]), "{told}");
    assert!(close(&told["delta_bits"], &measured["result"]["change"]["delta_bits"]), "{told}");
    assert!(told["delta_bits"].as_f64().unwrap() < 0.0, "A2 was proven: {told}");

    // The day before has its own, without a change.
    let first = &result(&env, &["--day", "1"])["entropy"];
    assert_eq!((&first["measured"], &first["delta_bits"]), (&Value::Bool(true), &Value::Null), "{first}");
    // Where the keys are somebody else's, they count for nothing.
    let elsewhere = env.work().join("elsewhere").to_string_lossy().into_owned();
    env.set("XDG_DATA_HOME", &elsewhere);
    let theirs = &result(&env, &[])["entropy"];
    assert_eq!(theirs["measured"], false, "{theirs}");
    assert!(theirs["why"].as_str().unwrap().contains("doesn't count: key-untrusted"), "{theirs}");
}
