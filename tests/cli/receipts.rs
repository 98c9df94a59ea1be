//! `bizra receipts`: list, show, verify, export, import, pin, push, fetch, repair, stats, replay.

use std::path::PathBuf;

use crate::harness::TestEnv;
use crate::said::{json, receipt_of, steady, told};

fn repository() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env
}

fn say(env: &TestEnv, statement: &str) -> String {
    let ran = env.run(&["attest", "--role", "lead", "--statement", statement]);
    assert_eq!(ran.code, 0, "{ran}");
    receipt_of(&ran)
}

fn listed(env: &TestEnv, args: &[&str]) -> Vec<serde_json::Value> {
    let ran = env.run(&[&["receipts", "list", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    json(&ran)["result"]["receipts"].as_array().expect("a list").clone()
}

fn ids(env: &TestEnv, args: &[&str]) -> Vec<String> {
    listed(env, args).iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
}

fn log_of(env: &TestEnv, id: &str) -> String {
    let all = listed(env, &["--limit", "1000"]);
    let one = all.iter().find(|r| r["id"] == id).expect("it is listed");
    one["log"].as_str().expect("a log").to_owned()
}

fn ledger(env: &TestEnv) -> PathBuf {
    env.work().join(".git/bizra/ledger.git")
}

#[test]
fn an_empty_machine_has_nothing_to_list() {
    let env = repository();
    insta::assert_snapshot!(told(
        &env,
        &[
            &["receipts", "list"],
            &["receipts", "stats"],
            &["receipts", "show", "0123456789"],
            &["receipts", "export"],
            &["receipts", "pin"],
            &["receipts", "repair"],
            &["receipts", "list", "--log", "0123456789"],
        ]
    ));
    assert!(!ledger(&env).exists(), "looking makes nothing");
    let named = env.run(&["receipts", "list", "--ledger", "misspelt.git"]);
    assert_eq!(named.code, 3, "a ledger that was named and is not there is a mistake: {named}");
}

#[test]
fn lists_are_filtered_paged_and_newest_first_over_two_logs() {
    let mut env = repository();
    let first = say(&env, "first");
    env.at("2026-02-02T06:00:00Z");
    env.run(&["keys", "rotate"]);
    env.at("2026-02-03T06:00:00Z");
    let second = say(&env, "second");
    env.write("docs/a.md", "a\n");
    env.at("2026-02-04T06:00:00Z");
    let about = receipt_of(&env.run(&["attest", "--role", "lead", "--score", "7", "--subject", "docs/a.md"]));
    insta::assert_snapshot!(told(
        &env,
        &[
            &["receipts", "list"],
            &["receipts", "list", "--limit", "2"],
            &["receipts", "list", "--limit", "2", "--page", "9"],
            &["receipts", "list", "--predicate", "key-event"],
            &["receipts", "list", "--subject", "docs/b.md"],
            &["receipts", "list", "--since", "someday"],
            &["receipts", "list", "--key", "xyz"],
            &["receipts", "list", "--limit", "0"],
        ]
    ));
    assert_eq!(ids(&env, &["--predicate", "attestation"]), [&about, &second, &first].map(String::clone));
    assert_eq!(ids(&env, &["--predicate", "attestation/v0.1", "--since", "2026-02-02"]).len(), 2);
    assert_eq!(ids(&env, &["--predicate", "attestation", "--until", "2026-02-03T06:00:00Z"]), [first.as_str()]);
    assert_eq!(ids(&env, &["--subject", "docs/a.md"]), [about.as_str()]);
    let digest = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";
    assert_eq!(ids(&env, &["--subject", &digest[..10]]), [about.as_str()], "by the file's digest");
    let one = &listed(&env, &["--subject", "docs/a.md"])[0];
    let word = |key: &str| one[key].as_str().expect("text").to_owned();
    assert_eq!(ids(&env, &["--key", &word("key")[..12], "--predicate", "attestation"]), [about.as_str(), &second]);
    assert_eq!(ids(&env, &["--log", &word("log")[..12], "--predicate", "attestation"]).len(), 2);
    let session = one["session"]["id"].as_str().expect("an id");
    assert_eq!(ids(&env, &["--session", session]), [about.as_str()]);
    let pages: Vec<String> =
        (1..=4).flat_map(|page| ids(&env, &["--limit", "2", "--page", &page.to_string()])).collect();
    assert_eq!(pages, ids(&env, &[]), "the pages are the whole");
}

#[test]
fn one_receipt_is_shown_by_the_start_of_its_id() {
    let env = repository();
    let id = say(&env, "It holds.");
    insta::assert_snapshot!(told(
        &env,
        &[
            &["receipts", "show", &id[..12]],
            &["receipts", "show", "0123456789"],
            &["receipts", "show", "0123"],
            &["receipts", "show", "not-an-id"],
            &["receipts", "replay", &id[..12]],
        ]
    ));
    let raw = env.run(&["receipts", "show", &id, "--raw"]).stdout;
    let shown = json(&env.run(&["receipts", "show", &id, "--json"]));
    assert_eq!(shown["result"]["envelope"].as_str(), Some(raw.trim_end()));
    assert_eq!(shown["result"]["predicate"]["statement"], "It holds.");
    let kinds = listed(&env, &[]);
    let beginning = kinds.iter().find(|r| r["type"] == "key-event/v0.1").expect("the log's beginning");
    assert_eq!(env.run(&["receipts", "replay", beginning["id"].as_str().expect("an id")]).code, 4);
}

#[test]
fn an_envelope_is_verified_against_key_policy_or_own_key() {
    let mut env = repository();
    let id = say(&env, "It holds.");
    let raw = env.run(&["receipts", "show", &id, "--raw"]).stdout;
    env.write("one.json", &raw);
    env.write("key.pub", env.run(&["keys", "show", "--openssh"]).stdout);
    env.write("key.pem", env.run(&["keys", "show", "--pem"]).stdout);
    env.write("rubbish", "{\"hello\": 1}\n");
    env.write("empty", "");
    let stranger = TestEnv::other(7);
    stranger.run(&["keys", "init"]);
    env.write("stranger.pub", stranger.run(&["keys", "show", "--openssh"]).stdout);
    env.stdin(raw.clone());
    insta::assert_snapshot!(told(
        &env,
        &[
            &["receipts", "verify", "one.json"],
            &["receipts", "verify", "-"],
            &["receipts", "verify", "one.json", "--key", "key.pub"],
            &["receipts", "verify", "one.json", "--key", "key.pem"],
            &["receipts", "verify", "one.json", "--key", "stranger.pub"],
            &["receipts", "verify", "rubbish"],
            &["receipts", "verify", "empty"],
            &["receipts", "verify", "missing.json"],
            &["receipts", "verify", "."],
            &["receipts", "verify", "one.json", "--key", "rubbish"],
        ]
    ));
    env.set("HOME", &env.work().join("elsewhere").display().to_string());
    let foreign = env.run(&["receipts", "verify", "one.json"]);
    assert_eq!(foreign.code, 5, "{foreign}");
    assert!(foreign.stderr.contains("key-untrusted: "), "{foreign}");
    assert!(!env.work().join("elsewhere").exists(), "checking makes no key");
}

#[test]
fn a_policy_or_pin_file_that_cannot_be_read_is_a_finding_about_that_file() {
    let env = repository();
    say(&env, "It holds.");
    assert_eq!(env.run(&["receipts", "pin"]).code, 0);
    let pins = std::fs::read_to_string(env.work().join("bizra.pin")).expect("pins");
    let codes = |env: &TestEnv| {
        let ran = env.run(&["receipts", "audit", "--json"]);
        let findings = json(&ran)["result"]["findings"].as_array().expect("a list").clone();
        let codes: Vec<String> =
            findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect();
        (ran.code, codes)
    };
    for broken in ["", &pins[..pins.len() - 9], &pins.replace("+", "-"), &pins.replace('\n', "\r\n")] {
        env.write("bizra.pin", broken);
        assert_eq!(codes(&env), (5, vec!["pin-signature".to_owned()]), "{broken}");
    }
    env.write("bizra.pin", &pins);
    for broken in ["", "{", "null", "no policy"] {
        env.write("bizra-trust.json", broken);
        assert_eq!(codes(&env), (5, vec!["policy-unsigned".to_owned()]), "{broken}");
    }
}

#[test]
fn without_its_header_this_machines_log_is_still_its_own() {
    let env = repository();
    let id = say(&env, "It holds.");
    let name = format!("refs/bizra/log/{}", log_of(&env, &id));
    let git_dir = ledger(&env);
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=m", "-c", "user.email=m@example.invalid"];
        env.git(&[&["--git-dir", git_dir.to_str().expect("text")], &who[..], args].concat()).trim().to_owned()
    };
    git(&["read-tree", &name]);
    git(&["rm", "-q", "--cached", "log.json"]);
    let tree = git(&["write-tree"]);
    let commit = git(&["commit-tree", &tree, "-p", &format!("{name}~1"), "-m", "append 1\n\nBizra-Size: 2"]);
    git(&["update-ref", &name, &commit]);
    let ran = env.run(&["receipts", "audit", "--json"]);
    let findings = json(&ran)["result"]["findings"].as_array().expect("a list").clone();
    let codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().expect("a code")).collect();
    assert_eq!((ran.code, codes), (5, vec!["ledger-id-mismatch", "checkpoint-key"]), "{ran}");
}

#[test]
fn the_policy_says_who_may_speak_as_what() {
    let env = repository();
    let id = say(&env, "It holds.");
    env.write("one.json", env.run(&["receipts", "show", &id, "--raw"]).stdout);
    env.run(&["trust", "init", "--name", "ada", "--role", "tester"]);
    let refused = env.run(&["receipts", "verify", "one.json"]);
    assert_eq!(refused.code, 5, "{refused}");
    assert!(refused.stderr.contains("key-role: ada's key is not trusted for the role lead"), "{refused}");
    std::fs::remove_file(env.work().join("bizra-trust.json")).expect("there");
    env.run(&["trust", "init", "--name", "ada", "--role", "lead"]);
    assert_eq!(env.run(&["receipts", "verify", "one.json"]).code, 0);
    let key = json(&env.run(&["keys", "show", "--json"]))["result"]["id"].as_str().expect("an id").to_owned();
    env.run(&["trust", "revoke", &key, "--at", "9"]);
    let bounded = env.run(&["receipts", "verify", "one.json"]);
    assert!(bounded.stdout.contains("if it stands before index 9"), "{bounded}");
    env.run(&["trust", "revoke", &key, "--at", "0"]);
    let revoked = env.run(&["receipts", "verify", "one.json"]);
    assert_eq!(revoked.code, 5);
    assert!(revoked.stderr.contains("key-revoked: "), "{revoked}");
}

#[test]
fn every_changed_byte_is_found_out() {
    let env = repository();
    let id = say(&env, "It holds.");
    let raw = env.run(&["receipts", "show", &id, "--raw"]).stdout.trim_end().as_bytes().to_vec();
    for at in (0..raw.len()).step_by(5) {
        let mut changed = raw.clone();
        changed[at] ^= 1;
        env.write("changed.json", &changed);
        let ran = env.run(&["receipts", "verify", "changed.json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "byte {at}: {ran}");
    }
    for added in ["\n", " ", "x"] {
        env.write("changed.json", [&raw[..], added.as_bytes(), b"\n"].concat());
        assert_eq!(env.run(&["receipts", "verify", "changed.json"]).code, 5, "{added:?} after it");
    }
}

#[test]
fn what_was_exported_is_checked_line_by_line() {
    let env = repository();
    for word in ["one", "two", "three"] {
        say(&env, word);
    }
    let lines = env.run(&["receipts", "export"]).stdout;
    assert_eq!(lines.lines().count(), 4);
    let document = json(&env.run(&["receipts", "export", "--json"]));
    assert_eq!(document["result"]["envelopes"].as_array().map(Vec::len), Some(4));
    env.write("good.jsonl", &lines);
    env.write("none.jsonl", "\n\n");
    let all: Vec<&str> = lines.lines().collect();
    let (start, _) = all[2].split_once("\"sig\":\"").expect("a signature");
    let (_, others) = all[3].split_once("\"sig\":\"").expect("a signature");
    let forged = format!("{start}\"sig\":\"{others}");
    env.write("bad.jsonl", [all[0], "not json", "", &forged, all[1], all[0]].join("\n"));
    insta::assert_snapshot!(told(
        &env,
        &[
            &["receipts", "import", "good.jsonl", "--verify-only"],
            &["receipts", "import", "bad.jsonl", "--verify-only"],
            &["receipts", "import", "none.jsonl", "--verify-only"],
            &["receipts", "import", "missing.jsonl", "--verify-only"],
            &["receipts", "import", "good.jsonl"],
        ]
    ));
}

#[test]
fn tiles_lie_where_a_tiles_client_looks() {
    let env = repository();
    for word in ["one", "two"] {
        say(&env, word);
    }
    let ran = env.run(&["receipts", "export", "--tlog-tiles", "public"]);
    assert_eq!(ran.code, 0, "{ran}");
    let files = |folder: &str| -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![env.work().join(folder)];
        while let Some(here) = folders.pop() {
            for entry in std::fs::read_dir(here).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(env.work().join(folder)).expect("inside").display().to_string());
                }
            }
        }
        found.sort();
        found
    };
    assert_eq!(files("public"), ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"]);
    let tile = std::fs::read(env.work().join("public/tile/0/000.p/3")).expect("a tile");
    assert_eq!(tile.len(), 3 * 32);
    let checkpoint = std::fs::read_to_string(env.work().join("public/checkpoint")).expect("a checkpoint");
    assert_eq!(checkpoint.lines().nth(1), Some("3"));
    env.write("file", "x");
    let refused = env.run(&["receipts", "export", "--tlog-tiles", "file"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (6, ""), "{refused}");
}

/// The ledger as it is now, to be put back later.
fn copy(env: &TestEnv, name: &str) {
    let status = std::process::Command::new("cp").arg("-a").arg(ledger(env)).arg(env.home().join(name)).status();
    assert!(status.expect("cp").success());
}

fn put_back(env: &TestEnv, name: &str) {
    std::fs::remove_dir_all(ledger(env)).expect("there");
    let status = std::process::Command::new("cp").arg("-a").arg(env.home().join(name)).arg(ledger(env)).status();
    assert!(status.expect("cp").success());
}

#[cfg(unix)]
#[test]
fn pins_grow_and_refuse_rollback_and_fork() {
    let env = repository();
    say(&env, "one");
    copy(&env, "before");
    insta::assert_snapshot!(told(&env, &[&["receipts", "pin"], &["receipts", "pin"]]));
    say(&env, "two");
    assert_eq!(env.run(&["receipts", "pin"]).code, 0);
    let pins = std::fs::read_to_string(env.work().join("bizra.pin")).expect("pins");
    put_back(&env, "before");
    let shorter = env.run(&["receipts", "pin"]);
    assert_eq!((shorter.code, shorter.stdout.as_str()), (5, ""), "{shorter}");
    assert!(shorter.stderr.contains("rollback"), "{shorter}");
    let another = ["attest", "--role", "lead", "--statement", "another two"];
    let refused = env.run(&another);
    assert_eq!(refused.code, 5, "what was cut short is not added to: {refused}");
    assert!(refused.stderr.contains("pin=3 got=2") && refused.stderr.contains("receipts fetch"), "{refused}");
    std::fs::remove_file(env.work().join("bizra.pin")).expect("pins");
    say(&env, "another two");
    env.write("bizra.pin", &pins);
    let forked = env.run(&["receipts", "pin"]);
    assert_eq!((forked.code, forked.stdout.as_str()), (5, ""), "{forked}");
    assert!(forked.stderr.contains("fork"), "{forked}");
    say(&env, "another three");
    assert_eq!(env.run(&["receipts", "pin"]).code, 5, "a longer fork is one too");
    let gate = env.run(&["roadmap", "status"]);
    assert!(gate.code != 5, "nothing was asked of the ledger: {gate}");
    assert_eq!(std::fs::read_to_string(env.work().join("bizra.pin")).expect("pins"), pins);
    env.write("bizra.pin", "rubbish\n");
    assert_eq!(env.run(&["receipts", "pin"]).code, 3);
}

/// Two machines with their own homes, clones and keys, and a bare remote that both call origin.
fn two_machines() -> (TestEnv, TestEnv, String) {
    let (one, two) = (TestEnv::new(), TestEnv::other(1));
    let remote = one.home().join("remote.git").display().to_string();
    one.git(&["init", "-q", "--bare", &remote]);
    for env in [&one, &two] {
        env.git(&["init", "-q"]);
        env.git(&["remote", "add", "origin", &remote]);
    }
    (one, two, remote)
}

#[test]
fn two_machines_exchange_their_logs_in_both_directions() {
    let (one, two, _remote) = two_machines();
    let first = say(&one, "from the first");
    let second = say(&two, "from the second");
    for env in [&one, &two] {
        let pushed = env.run(&["receipts", "push", "origin"]);
        assert_eq!(pushed.code, 0, "{pushed}");
    }
    insta::assert_snapshot!(told(&one, &[&["receipts", "fetch", "origin"], &["receipts", "fetch", "origin"]]));
    assert_eq!(two.run(&["receipts", "fetch", "origin"]).code, 0);
    for env in [&one, &two] {
        let all = ids(env, &[]);
        assert!(all.contains(&first) && all.contains(&second), "{all:?}");
    }
    let third = say(&two, "more");
    assert_eq!(two.run(&["receipts", "push", "origin"]).code, 0);
    let grown = one.run(&["receipts", "fetch", "origin"]);
    assert!(grown.stdout.contains("grown, 3 receipts"), "{grown}");
    assert!(ids(&one, &[]).contains(&third));
    let fourth = say(&one, "after the fetch");
    assert!(ids(&one, &[]).contains(&fourth));
    let again = json(&one.run(&["receipts", "fetch", "origin", "--json"]));
    let fates: Vec<&str> =
        again["result"]["logs"].as_array().expect("logs").iter().map(|l| l["fate"].as_str().expect("a word")).collect();
    assert!(fates.contains(&"behind ours") && fates.contains(&"same"), "{fates:?}");
    let stats = steady(&one.run(&["receipts", "stats"]).stdout);
    assert!(stats.contains("(this machine's)") && stats.contains("(another machine's)"), "{stats}");
}

#[test]
fn a_lost_ledger_comes_back_from_the_remote_and_goes_on() {
    let (one, _, _) = two_machines();
    let first = say(&one, "one");
    one.run(&["receipts", "push", "origin"]);
    std::fs::remove_dir_all(ledger(&one)).expect("there");
    let fetched = one.run(&["receipts", "fetch", "origin"]);
    assert_eq!(fetched.code, 0, "{fetched}");
    let second = say(&one, "two");
    assert_eq!(ids(&one, &[])[..2], [second.clone(), first.clone()]);
    assert_eq!(log_of(&one, &first), log_of(&one, &second), "the log goes on");
    assert_eq!(one.run(&["receipts", "push", "origin"]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_fork_is_told_with_both_sides_and_neither_is_lost() {
    let (one, _, _) = two_machines();
    say(&one, "one");
    copy(&one, "before");
    say(&one, "two");
    assert_eq!(one.run(&["receipts", "push", "origin"]).code, 0);
    put_back(&one, "before");
    let mine = say(&one, "another two");
    insta::assert_snapshot!(told(&one, &[&["receipts", "fetch", "origin"]]));
    assert!(ids(&one, &[]).contains(&mine), "nothing here has changed");
    let pushed = one.run(&["receipts", "push", "origin"]);
    assert_eq!((pushed.code, pushed.stdout.as_str()), (6, ""), "{pushed}");
    assert!(pushed.stderr.contains("no beginning of ours"), "{pushed}");
    put_back(&one, "before");
    let elsewhere = one.run(&["receipts", "fetch", "origin"]);
    assert_eq!(elsewhere.code, 5, "the remote has more of a log that is written here: {elsewhere}");
}

#[test]
fn remotes_that_do_not_serve_are_told_apart() {
    let (one, _, remote) = two_machines();
    let nothing = one.run(&["receipts", "push", "origin"]);
    assert_eq!(nothing.code, 3, "no ledger yet: {nothing}");
    say(&one, "one");
    insta::assert_snapshot!(told(
        &one,
        &[
            &["receipts", "push", "upstream"],
            &["receipts", "push", "--", "-x"],
            &["receipts", "push", "../nothing/here.git"],
            &["receipts", "fetch", "../nothing/here.git"],
        ]
    ));
    let empty = one.run(&["receipts", "fetch", "origin"]);
    assert_eq!(empty.code, 0);
    assert!(empty.stderr.contains("has no bizra-ledger/ branch"), "{empty}");
    let hook = std::path::Path::new(&remote).join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().expect("a folder")).expect("made");
    std::fs::write(&hook, "#!/bin/sh\necho 'not on my watch' >&2\nexit 1\n").expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("changed");
        let refused = one.run(&["receipts", "push", "origin"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (6, ""), "{refused}");
        assert!(refused.stderr.contains("not on my watch"), "{refused}");
        assert!(refused.stderr.contains("does not take it"), "{refused}");
    }
}

#[test]
fn paths_count_from_where_the_user_stands_and_remotes_from_the_repository() {
    let (one, _, _) = two_machines();
    say(&one, "one");
    std::fs::create_dir(one.work().join("below")).expect("a folder");
    one.git(&["init", "-q", "--bare", "backup.git"]);
    one.git(&["remote", "add", "near", "./backup.git"]);
    let ran = |args: &[&str]| {
        let ran = one.run_in(one.work().join("below"), args);
        assert_eq!(ran.code, 0, "{ran}");
    };
    ran(&["receipts", "push", "../backup.git"]);
    ran(&["receipts", "push", "near"]);
    ran(&["receipts", "fetch", "near"]);
    let branches = one.git(&["--git-dir", "backup.git", "branch", "--list", "bizra-ledger/*"]);
    assert_eq!(branches.lines().count(), 1, "{branches}");
}

#[test]
fn without_git_nothing_travels() {
    let (mut one, _, _) = two_machines();
    say(&one, "one");
    one.set("PATH", "/nowhere");
    for verb in ["push", "fetch"] {
        for remote in ["origin", "../home/remote.git"] {
            let ran = one.run(&["receipts", verb, remote]);
            assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran}");
            assert!(ran.stderr.contains("there is no `git` on the PATH"), "{ran}");
        }
    }
    assert_eq!(ids(&one, &[]).len(), 2, "looking needs no git");
}

#[test]
fn stats_count_and_repair_mends() {
    let env = repository();
    say(&env, "one");
    let counted = steady(&env.run(&["receipts", "stats"]).stdout);
    insta::assert_snapshot!(counted.lines().skip(1).filter(|l| !l.contains("bytes of")).collect::<Vec<_>>().join("\n"));
    let log = log_of(&env, &ids(&env, &[])[0]);
    let lock = ledger(&env).join(format!("refs/bizra/log/{log}.lock"));
    std::fs::write(&lock, "").expect("a stale lock");
    insta::assert_snapshot!(told(&env, &[&["receipts", "repair"], &["receipts", "repair"]]));
    // The ref and its commit are gone; the write-ahead log has it all.
    std::fs::write(ledger(&env).join(format!("refs/bizra/log/{log}")), "").expect("an empty ref");
    let broken = env.run(&["receipts", "list"]);
    assert_eq!((broken.code, broken.stdout.as_str()), (5, ""), "{broken}");
    assert!(broken.stderr.contains("receipts repair"), "{broken}");
    let mended = env.run(&["receipts", "repair"]);
    assert_eq!(mended.code, 0, "{mended}");
    assert_eq!(ids(&env, &[]).len(), 2);
}

#[test]
fn a_log_whose_ref_was_deleted_is_told_and_comes_back() {
    let env = repository();
    let first = say(&env, "one");
    let log = log_of(&env, &first);
    let reference = ledger(&env).join(format!("refs/bizra/log/{log}"));
    let delete = || std::fs::remove_file(&reference).expect("a ref");
    delete();
    let audit = env.run(&["receipts", "audit"]);
    assert_eq!(audit.code, 5, "{audit}");
    assert!(audit.stdout.contains("rollback") && audit.stdout.contains("bizra receipts repair"), "{audit}");
    assert_eq!(env.run(&["receipts", "repair"]).code, 0);
    assert_eq!((ids(&env, &[]).len(), env.run(&["receipts", "audit"]).code), (2, 0));
    // The next receipt does not begin another log either.
    delete();
    let ran = env.run(&["attest", "--role", "lead", "--statement", "two"]);
    assert!(ran.code == 0 && ran.stderr.contains("the ref of log"), "{ran}");
    assert_eq!((log_of(&env, &receipt_of(&ran)), ids(&env, &[]).len()), (log, 3));
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}
