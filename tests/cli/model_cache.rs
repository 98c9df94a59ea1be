//! What is done with models that are here: `bizra.lock`, `model list`, `show`, `verify`, `rm`.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Ran, TestEnv};
use crate::hub::{COMMIT, Hub, Reply, Repository, sha256};
use crate::model_pull::{at, repository};

fn tiny() -> Vec<u8> {
    include_bytes!("../../fixtures/tiny.gguf").to_vec()
}

fn home(env: &TestEnv) -> PathBuf {
    env.home().join(".cache/huggingface/hub/models--a--b")
}

/// In a repository, with the model brought and locked.
fn locked() -> (TestEnv, Hub) {
    let hub = Hub::of(repository());
    let env = at(&hub);
    env.git(&["init", "-q"]);
    let ran = env.run(&["model", "pull", "a/b:Q4_0", "--lock"]);
    assert_eq!(ran.code, 0, "{ran}");
    (env, hub)
}

fn lock_of(env: &TestEnv) -> String {
    std::fs::read_to_string(env.work().join("bizra.lock")).expect("a lock")
}

#[track_caller]
fn refused(ran: &Ran, code: i32, told: &str) {
    assert_eq!(ran.code, code, "{ran}");
    assert!(ran.stderr.contains(told), "no `{told}` in {ran}");
}

/// Another commit at which `main` stands, with other weights.
fn moved_on() -> Hub {
    let of = repository();
    let new = Repository::new("a/b").file("b-Q4_0.gguf", b"new weights".to_vec());
    let commit = "1".repeat(40);
    Hub::start(move |request, _| {
        if request.path.contains("/revision/main") {
            let mut listing = new.listing();
            listing["sha"] = commit.clone().into();
            return Reply::new(200).body(listing.to_string());
        }
        let path = request.path.replace(&format!("resolve/{commit}"), &format!("resolve/{COMMIT}"));
        let is_new = path != request.path;
        let request = crate::hub::Request { path, ..request.clone() };
        if is_new { new.answer(&request) } else { of.answer(&request) }
    })
}

#[test]
fn what_was_reviewed_is_written_down_and_taken_again() {
    let (env, hub) = locked();
    let plain = lock_of(&env).replace(&sha256(&tiny()), "$SHA256").replace(&tiny().len().to_string(), "$BYTES");
    insta::assert_snapshot!(plain, @r#"
    # The models that were reviewed, by their bytes. Written by `bizra model pull --lock`, obeyed by `--locked`.
    version = 1

    [[file]]
    repo = "a/b"
    revision = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
    file = "b-Q4_0.gguf"
    sha256 = "$SHA256"
    bytes = $BYTES
    "#);
    let again = env.run(&["model", "pull", "a/b:Q4_0", "--lock"]);
    assert!(again.stderr.contains("says so already"), "{again}");
    // One lock for the repository, wherever in it one stands; other files of the commit join it.
    env.write("deep/er/x", "");
    let ran = env.run_in(env.work().join("deep/er"), &["model", "pull", "a/b:Q8_0", "--lock"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(lock_of(&env).contains("b-Q8_0.gguf") && lock_of(&env).contains("b-Q4_0.gguf"), "{}", lock_of(&env));
    refused(&env.run(&["model", "pull", "a/b", "--locked"]), 2, "name one: b-Q4_0.gguf, b-Q8_0.gguf");
    // Elsewhere, from nothing but the lock.
    let other = at(&hub);
    other.git(&["init", "-q"]);
    other.write("bizra.lock", lock_of(&env));
    let ran = other.run(&["model", "pull", "--locked"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(other.run(&["infer", "-m", "a/b:Q4_0", "-n", "1", "x"]).code, 0, "the name means the locked commit");
    for more in [&["a/b:Q4_0"][..], &["a/b:Q8_0"], &["a/b:Q4_0", "--offline"], &["--offline"]] {
        let ran = other.run(&[&["model", "pull", "--locked"], more].concat());
        assert_eq!(ran.code, 0, "{ran}");
    }
    assert!(!home(&other).join("refs/main").exists(), "where main stands was not asked");
}

#[test]
fn a_branch_that_moves_on_changes_nothing_where_it_is_locked() {
    let (mut env, _hub) = locked();
    let hub = moved_on();
    env.set("HF_ENDPOINT", &hub.url);
    let ran = env.run(&["model", "pull", "a/b:Q4_0", "--locked", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document["result"]["models"][0]["commit"], COMMIT);
    let ran = env.run(&["model", "pull", "a/b:Q4_0"]);
    refused(&ran, 0, "bizra.lock names commit c0ffee00");
    assert_eq!(env.run(&["infer", "-m", "a/b:Q4_0", "-n", "1", "x"]).code, 0, "still the reviewed one");
    refused(&env.run(&["infer", "-m", "a/b:Q4_0@main", "-n", "1", "x"]), 3, "GGUF, byte");
    assert_eq!(env.run(&["model", "pull", "a/b:Q4_0", "--lock"]).code, 0);
    assert!(lock_of(&env).contains(&"1".repeat(40)) && !lock_of(&env).contains(COMMIT), "{}", lock_of(&env));
}

#[test]
fn what_disagrees_with_the_lock_is_refused() {
    let (env, hub) = locked();
    let good = lock_of(&env);
    let run = |args: &[&str]| env.run(&[&["model", "pull", "--retries", "0"], args].concat());
    refused(
        &run(&["a/b:Q4_0@v1", "--locked"]),
        3,
        "names commit c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 of a/b, and not v1",
    );
    refused(&run(&["a/b:Q8_0", "--locked"]), 3, "has no file for `Q8_0`");
    refused(&run(&["c/d", "--locked"]), 3, "does not name c/d");
    refused(&run(&["a/b", "--locked", "--lock"]), 2, "cannot be used with");
    // Other bytes than the hub's.
    env.write("bizra.lock", good.replace(&sha256(&tiny()), &"5".repeat(64)));
    let asked = hub.requests().len();
    for more in [&[][..], &["--offline"]] {
        refused(
            &run(&[&["a/b", "--locked"], more].concat()),
            5,
            "a/b/b-Q4_0.gguf is not the file that bizra.lock names",
        );
    }
    assert_eq!(hub.requests().len(), asked + 1, "no byte was downloaded for it");
    refused(&env.run(&["infer", "-m", "a/b:Q4_0", "-n", "1", "x"]), 5, "is not the file that bizra.lock names");
    refused(&env.run(&["model", "verify"]), 5, "is not the file that bizra.lock names");
    env.write("bizra.lock", good.replace("version = 1", "version = 2"));
    refused(&run(&["a/b", "--locked"]), 3, "bizra.lock:2:11: `version` is not 1");
    refused(&env.run(&["infer", "-m", "a/b:Q4_0", "-n", "1", "x"]), 3, "bizra.lock:2:11");
    env.write("bizra.lock", "version = 1\n");
    refused(&run(&["--locked"]), 4, "names no model");
    let none = TestEnv::new();
    refused(&none.run(&["model", "pull", "--locked"]), 3, "there is no $WORK/bizra.lock");
    none.fixture("tiny.gguf");
    none.write("bizra.lock", "broken");
    assert_eq!(none.run(&["infer", "-m", "tiny.gguf", "-n", "1", "x"]).code, 0, "a file by its path needs no lock");
}

#[test]
fn a_hub_that_rewrites_history_is_found_out() {
    let (env, _hub) = locked();
    let of = Repository::new("a/b").file("b-Q4_0.gguf", b"swapped".to_vec());
    let hub = Hub::of(of);
    let other = at(&hub);
    other.write("bizra.lock", lock_of(&env));
    refused(&other.run(&["model", "pull", "--locked"]), 5, "is not the file that bizra.lock names");
    let hub = Hub::of(Repository::new("a/b"));
    let other = at(&hub);
    other.write("bizra.lock", lock_of(&env));
    refused(&other.run(&["model", "pull", "--locked"]), 5, "is locked, and the hub does not have it any more");
}

#[test]
fn models_are_listed_whoever_brought_them() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["model", "list"]).to_string(), @r"
    exit: 0
    --- stdout
    0 models, 0 B, in $HOME/.cache/huggingface/hub
    --- stderr
    ");
    let (env, _hub) = locked();
    let half = home(&env).join("blobs").join(format!("{}.incomplete", "9".repeat(64)));
    std::fs::write(half, vec![0; 2048]).expect("written");
    insta::assert_snapshot!(env.run(&["model", "list"]).to_string(), @r"
    exit: 0
    --- stdout
    model  file              size  revision
    a/b    b-Q4_0.gguf   98.9 KiB  main, c0ffee00c0ff
    a/b    not finished   2.0 KiB
    1 model, 100.9 KiB, in $HOME/.cache/huggingface/hub
    --- stderr
    ");
    let ran = env.run(&["model", "list", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let model = &document["result"]["models"][0];
    assert_eq!((model["repo"].as_str(), model["unfinished_bytes"].as_u64()), (Some("a/b"), Some(2048)));
    assert_eq!(model["revisions"][0]["refs"][0], "main");
    assert_eq!(model["revisions"][0]["files"][1]["sha256"], sha256(&tiny()));
}

#[test]
fn a_model_is_shown_by_path_and_by_name() {
    let (env, _hub) = locked();
    env.fixture("tiny.gguf");
    let result = |args: &[&str]| -> Value {
        let ran = env.run(&[&["model", "show", "--json"], args].concat());
        assert_eq!(ran.code, 0, "{ran}");
        serde_json::from_str::<Value>(&ran.stdout).expect("a document")["result"].clone()
    };
    let shown = result(&["a/b:Q4_0"]);
    assert_eq!(shown["name"], "b-Q4_0.gguf", "not the hash that it lies under");
    assert_eq!(shown["sha256"], sha256(&tiny()), "known since it was brought");
    assert_eq!(shown["licence"], "apache-2.0", "as its card says");
    assert_eq!(shown["arch"], "llama");
    assert_eq!(shown["refused"], Value::Null);
    let memory = |value: &Value, part: &str| value["memory"][part].as_u64().expect("a number");
    let total: u64 =
        ["weights_bytes", "cache_bytes", "activations_bytes"].iter().map(|part| memory(&shown, part)).sum();
    assert_eq!(memory(&shown, "total_bytes"), total);
    let less = result(&["a/b:Q4_0", "--ctx", "16"]);
    assert!(memory(&less, "cache_bytes") < memory(&shown, "cache_bytes"));
    let by_path = result(&["tiny.gguf"]);
    assert_eq!(by_path["parameters"], shown["parameters"]);
    assert!(shown["parameters"].as_u64().is_some_and(|n| n > 1000), "{shown}");
    let bytes: u64 =
        shown["weights"].as_array().expect("a list").iter().map(|w| w["bytes"].as_u64().expect("bytes")).sum();
    assert!(bytes > 0 && bytes < tiny().len() as u64);
    let page = env.run(&["model", "show", "tiny.gguf"]);
    for row in ["architecture llama", "licence", "memory", "trained for"] {
        assert!(page.stdout.contains(row), "no {row} in {page}");
    }
    // What can't be run is shown as far as it can be read.
    let mut odd = tiny();
    let at = odd.windows(5).position(|w| w == b"llama").expect("the architecture");
    odd[at..at + 5].copy_from_slice(b"mamba");
    env.write("odd.gguf", odd);
    let odd = result(&["odd.gguf"]);
    assert_eq!((odd["arch"].as_str(), odd["memory"].is_null()), (Some("mamba"), true));
    assert!(odd["refused"].as_str().is_some_and(|reason| reason.contains("mamba")), "{odd}");
    env.write("none.gguf", "no model");
    refused(&env.run(&["model", "show", "none.gguf"]), 3, "none.gguf");
    refused(&env.run(&["model", "show", "a/c"]), 3, "there is no model a/c");
    refused(&env.run(&["model", "show", "tiny.gguf", "--ctx", "0"]), 2, "context");
}

#[test]
fn verifying_finds_what_was_changed_and_what_is_gone() {
    let empty = TestEnv::new();
    refused(&empty.run(&["model", "verify"]), 4, "there is nothing to verify");
    let (env, _hub) = locked();
    let ran = env.run(&["model", "verify"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains("2 of 2 sound"), "{ran}");
    assert_eq!(env.run(&["model", "verify", "a/b:Q4_0"]).code, 0);
    refused(&env.run(&["model", "verify", "a/c"]), 3, "there is no model a/c");
    refused(&env.run(&["model", "verify", "a/b:Q2"]), 3, "has no file for `Q2`");
    let blob = home(&env).join("blobs").join(sha256(&tiny()));
    // The same size and the same time: only a hash tells.
    let before = std::fs::metadata(&blob).and_then(|m| m.modified()).expect("a time");
    let mut bytes = tiny();
    bytes[7000] ^= 4;
    std::fs::write(&blob, bytes).expect("written");
    std::fs::File::options().write(true).open(&blob).and_then(|f| f.set_modified(before)).expect("a time");
    refused(&env.run(&["model", "verify", "a/b"]), 5, "a/b/b-Q4_0.gguf is damaged");
    std::fs::remove_file(&blob).expect("removed");
    let gone = env.run(&["model", "verify"]);
    if cfg!(unix) {
        refused(&gone, 3, "a/b/b-Q4_0.gguf is missing: its link leads nowhere");
        refused(&env.run(&["infer", "-m", "a/b:Q4_0", "x"]), 3, "leads nowhere");
    }
    let plain = TestEnv::new();
    plain.write(&format!("../home/.cache/huggingface/hub/models--c--d/snapshots/{COMMIT}/x.gguf"), tiny());
    refused(&plain.run(&["model", "verify"]), 4, "has no hash to be held against");
}

#[test]
fn removing_asks_and_spares_what_others_need() {
    let hub = moved_on();
    let env = at(&hub);
    for name in [format!("a/b:Q4_0@{COMMIT}"), format!("a/b:Q8_0@{COMMIT}"), "a/b:Q4_0".to_owned()] {
        assert_eq!(env.run(&["model", "pull", &name]).code, 0, "{name}");
    }
    let here = |path: &str| home(&env).join("snapshots").join(path).exists();
    refused(&env.run(&["model", "rm", "a/b"]), 2, "bizra model rm a/b --yes");
    assert!(here(COMMIT));
    let asked = TestEnv::new();
    assert_eq!(asked.run(&["model", "rm", "a/b", "--yes"]).code, 3, "there is none");
    // One file of one commit.
    let ran = env.run(&["model", "rm", &format!("a/b:Q8_0@{COMMIT}"), "--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!here(&format!("{COMMIT}/b-Q8_0.gguf")) && here(&format!("{COMMIT}/b-Q4_0.gguf")));
    assert!(!home(&env).join("blobs").join(sha256(b"another")).exists(), "its bytes are gone too");
    // The last model of a commit takes the rest with it.
    let ran = env.run(&["model", "rm", &format!("a/b@{COMMIT}"), "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!here(COMMIT) && here(&"1".repeat(40)), "another commit stays");
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert!(document["result"]["freed_bytes"].as_u64().is_some_and(|n| n > tiny().len() as u64), "{document}");
    refused(&env.run(&["model", "rm", "a/b:Q2", "--yes"]), 3, "has no file for `Q2`");
    let ran = env.run(&["model", "rm", "a/b", "--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!home(&env).exists());
}

#[test]
fn a_file_that_two_commits_share_stays_until_the_last_is_gone() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    assert_eq!(env.run(&["model", "pull", "a/b:Q4_0"]).code, 0);
    let (one, two) = (home(&env).join("snapshots").join(COMMIT), home(&env).join("snapshots").join("2".repeat(40)));
    std::fs::create_dir_all(&two).expect("made");
    #[cfg(unix)]
    std::os::unix::fs::symlink(format!("../../blobs/{}", sha256(&tiny())), two.join("b-Q4_0.gguf")).expect("linked");
    #[cfg(not(unix))]
    std::fs::copy(one.join("b-Q4_0.gguf"), two.join("b-Q4_0.gguf")).expect("copied");
    assert_eq!(env.run(&["model", "rm", &format!("a/b@{COMMIT}"), "--yes"]).code, 0);
    assert!(!one.exists());
    assert_eq!(std::fs::read(two.join("b-Q4_0.gguf")).expect("it is still there"), tiny());
}

#[test]
fn whoever_is_asked_may_say_no() {
    let hub = Hub::of(repository());
    let env = at(&hub).at_a_keyboard();
    assert_eq!(env.run(&["model", "pull", "a/b:Q4_0"]).code, 0);
    let ran = env.run_with(&["model", "rm", "a/b"], b"n\n");
    refused(&ran, 1, "remove a/b, 2 files, ");
    assert!(ran.stderr.contains("nothing was removed") && home(&env).exists(), "{ran}");
    assert_eq!(env.run_with(&["model", "rm", "a/b"], b"").code, 1, "no answer is no yes");
    assert_eq!(env.run_with(&["model", "rm", "a/b"], b"y\n").code, 0);
    assert!(!home(&env).exists());
}
