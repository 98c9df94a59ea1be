//! Where the ledger lies, what happens when it can't be written, and many processes at once.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::harness::TestEnv;
use crate::said::{json, receipt_of};

const WORD: &[&str] = &["attest", "--role", "lead", "--statement", "It holds."];

fn ids(env: &TestEnv, args: &[&str]) -> Vec<String> {
    let ran = env.run(&[&["receipts", "list", "--limit", "100000", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let receipts = json(&ran)["result"]["receipts"].clone();
    receipts.as_array().expect("a list").iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
}

fn attest(env: &TestEnv, args: &[&str]) -> String {
    let ran = env.run(&[WORD, args].concat());
    assert_eq!(ran.code, 0, "{ran}");
    receipt_of(&ran)
}

#[test]
fn a_linked_worktree_shares_the_ledger_and_git_clean_spares_it() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    env.git(&["worktree", "add", "-q", "../linked"]);
    let here = attest(&env, &[]);
    let linked = env.work().with_file_name("linked");
    let ran = env.run_in(linked.clone(), WORD);
    assert_eq!(ran.code, 0, "{ran}");
    env.git(&["clean", "-fdxq"]);
    assert!(env.work().join(".git/bizra/ledger.git").is_dir());
    let all = ids(&env, &[]);
    assert!(all.contains(&here) && all.contains(&receipt_of(&ran)), "{all:?}");
    assert_eq!(all.len(), 3, "with the log's beginning");
}

#[test]
fn a_bare_repository_holds_one_too() {
    let env = TestEnv::new();
    env.git(&["init", "-q", "--bare", "bare.git"]);
    let id = attest(&env, &["--repo", "bare.git"]);
    assert!(env.work().join("bare.git/bizra/ledger.git").is_dir());
    assert!(ids(&env, &["--repo", "bare.git"]).contains(&id));
}

#[test]
fn outside_a_repository_it_lies_with_the_users_data() {
    let env = TestEnv::new();
    let id = attest(&env, &[]);
    assert!(env.home().join(".local/share/bizra/ledger.git").is_dir());
    assert!(ids(&env, &[]).contains(&id));
    let elsewhere = attest(&env, &["--ledger", "deep/down/l.git"]);
    assert!(env.work().join("deep/down/l.git").is_dir());
    assert!(ids(&env, &["--ledger", "deep/down/l.git"]).contains(&elsewhere));
    assert!(!ids(&env, &[]).contains(&elsewhere));
}

#[test]
fn without_repository_and_home_there_is_no_place() {
    let env = TestEnv::new().without("HOME").without("USERPROFILE");
    for args in [WORD, &["receipts", "list"], &["receipts", "stats"]] {
        let ran = env.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran}");
        assert!(ran.stderr.contains("hint: "), "{ran}");
    }
}

#[test]
fn a_place_that_can_not_be_written_gives_no_answer() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write(".git/bizra", "a file where the ledger's folder belongs");
    for args in [WORD.to_vec(), [WORD, &["--json"]].concat(), vec!["keys", "rotate"], vec!["trust", "init"]] {
        env.run(&["keys", "init"]);
        let ran = env.run(&args);
        assert_eq!(ran.code, 6, "{ran}");
        let answer = if args.contains(&"--json") { json(&ran)["result"].clone() } else { ran.stdout.clone().into() };
        assert!(answer.is_null() || answer == "", "{ran}");
    }
    assert!(!env.work().join("bizra-trust.json").exists(), "no receipt, no policy");
}

#[test]
fn what_is_no_ledger_is_refused() {
    let env = TestEnv::new();
    env.write("file", "text");
    std::fs::create_dir(env.work().join("folder")).expect("a folder");
    for path in ["file", "folder"] {
        for args in [WORD, &["receipts", "list"], &["receipts", "stats"], &["receipts", "repair"]] {
            let ran = env.run(&[args, &["--ledger", path]].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran}");
            assert!(ran.stderr.contains("not a ledger"), "{ran}");
        }
    }
}

#[test]
fn a_repository_with_sha_256_is_refused_in_words() {
    let env = TestEnv::new();
    env.git(&["init", "-q", "--object-format=sha256"]);
    for args in [WORD, &["receipts", "list"]] {
        let ran = env.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran}");
        assert!(ran.stderr.contains("SHA-256"), "{ran}");
    }
}

#[cfg(unix)]
#[test]
fn readers_write_nothing() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let id = attest(&env, &[]);
    env.run(&["receipts", "pin"]);
    let all = |env: &TestEnv| {
        let mut files = Vec::new();
        let mut folders = vec![env.work(), env.home()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let metadata = path.symlink_metadata().expect("there");
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                files.push((path, metadata.modified().expect("a time"), metadata.len()));
            }
        }
        files.sort();
        files
    };
    let before = all(&env);
    for args in [
        &["receipts", "list"][..],
        &["receipts", "show", &id],
        &["receipts", "export"],
        &["receipts", "stats"],
        &["receipts", "replay", &id],
        &["receipts", "pin"],
        &["keys", "list"],
        &["keys", "show"],
        &["trust", "check"],
        &["doctor"],
    ] {
        env.run(args);
        assert_eq!(all(&env), before, "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_gives_no_answer_and_leaves_a_valid_ledger() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let mut kept: BTreeSet<String> = (0..3).map(|_| attest(&env, &[])).collect();
    let binary = env!("CARGO_BIN_EXE_bizra");
    let (mut refused, mut done) = (0, 0);
    for blocks in 0..24 {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec '{binary}' attest --role lead --statement full");
        let mut command = env.command(&[]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(env.work()).env_clear();
        for (name, value) in command.stdin(Stdio::null()).get_envs() {
            shell.env(name, value.expect("a value"));
        }
        let output = shell.output().expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {
                done += 1;
                let id = stderr.lines().find_map(|l| l.strip_prefix("receipt ")).expect("its id").to_owned();
                kept.insert(id);
            }
            Some(6) => {
                refused += 1;
                assert!(output.stdout.is_empty(), "{blocks}: {stderr}");
            }
            other => panic!("{blocks} blocks: {other:?}: {stderr}"),
        }
    }
    assert!(refused >= 2 && done >= 1, "refused {refused}, done {done}");
    kept.insert(attest(&env, &[]));
    let all: BTreeSet<String> = ids(&env, &[]).into_iter().collect();
    assert!(kept.is_subset(&all), "{:?}", kept.difference(&all));
    assert_eq!(env.run(&["receipts", "repair"]).code, 0);
}

#[test]
fn many_processes_at_once_lose_nothing_and_write_nothing_twice() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let told: Vec<String> = std::thread::scope(|scope| {
        let one = |_| {
            scope.spawn(|| {
                (0..4)
                    .map(|_| env.process(WORD))
                    .inspect(|ran| assert_eq!(ran.code, 0, "{ran}"))
                    .map(|ran| receipt_of(&ran))
                    .collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = (0..8).map(one).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let all = ids(&env, &[]);
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "nothing twice");
    assert!(told.iter().all(|id| distinct.contains(id)), "nothing lost");
    assert_eq!(all.len(), 33, "32 words and one beginning: one key, one log");
    let keys = json(&env.run(&["keys", "list", "--json"]));
    assert_eq!(keys["result"]["keys"].as_array().map(Vec::len), Some(1), "the first use makes one key");
    let audited = json(&env.run(&["receipts", "audit", "--json"]));
    assert_eq!(audited["result"]["findings"], serde_json::json!([]), "one order, also by their times");
}

#[cfg(unix)]
#[test]
fn what_was_told_survives_a_killed_process() {
    use std::io::Read as _;
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    let mut told = BTreeSet::from([attest(&env, &[])]);
    for round in 0..50u64 {
        let mut child = env.command(WORD).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        std::thread::sleep(std::time::Duration::from_micros(round * 977 % 40_000));
        child.kill().expect("it was ours");
        child.wait().expect("it ends");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        told.extend(
            said.lines()
                .filter_map(|line| line.strip_prefix("receipt "))
                .filter(|id| id.len() == 64)
                .map(str::to_owned),
        );
    }
    told.insert(attest(&env, &[]));
    let all = ids(&env, &[]);
    let distinct: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(distinct.len(), all.len(), "nothing twice");
    assert!(told.is_subset(&distinct), "lost: {:?}", told.difference(&distinct));
    assert_eq!(env.run(&["receipts", "repair"]).code, 0);
}
