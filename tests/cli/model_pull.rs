//! `bizra model pull`, against a hub of the tests' own and all that goes wrong on the way.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::harness::{Ran, TestEnv};
use crate::hub::{COMMIT, Hub, Reply, Repository, Request, git_id, sha256};

const CARD: &str = "---\nlicense: apache-2.0\n---\n# b\n";

fn tiny() -> Vec<u8> {
    include_bytes!("../../fixtures/tiny.gguf").to_vec()
}

pub(crate) fn repository() -> Repository {
    Repository::new("a/b").file("b-Q4_0.gguf", tiny()).file("b-Q8_0.gguf", b"another".to_vec()).file("README.md", CARD)
}

pub(crate) fn at(hub: &Hub) -> TestEnv {
    TestEnv::new().var("HF_ENDPOINT", &hub.url)
}

fn home(env: &TestEnv) -> PathBuf {
    env.home().join(".cache/huggingface/hub/models--a--b")
}

fn blob(env: &TestEnv) -> PathBuf {
    home(env).join("blobs").join(sha256(&tiny()))
}

fn half(env: &TestEnv) -> PathBuf {
    home(env).join("blobs").join(format!("{}.incomplete", sha256(&tiny())))
}

fn link(env: &TestEnv) -> PathBuf {
    home(env).join("snapshots").join(COMMIT).join("b-Q4_0.gguf")
}

fn pull(env: &TestEnv, more: &[&str]) -> Ran {
    env.run(&[&["model", "pull", "a/b:Q4_0"], more].concat())
}

fn brought(env: &TestEnv, more: &[&str]) -> (Value, String) {
    let ran = pull(env, &[&["--json"], more].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(std::fs::read(link(env)).expect("the model is there"), tiny());
    (document["result"]["models"][0].clone(), ran.stderr)
}

/// How the model's own file came.
fn how(env: &TestEnv, more: &[&str]) -> String {
    brought(env, more).0["files"][0]["how"].as_str().expect("a word").to_owned()
}

#[track_caller]
fn refused(env: &TestEnv, more: &[&str], code: i32, told: &str) {
    let ran = pull(env, &[&["--retries", "1"], more].concat());
    assert_eq!(ran.code, code, "{ran}");
    assert!(ran.stderr.contains(told), "no `{told}` in {ran}");
    assert!(!link(env).exists(), "nothing is offered that was not checked");
}

/// An honest hub but for the model's own file: `odd` is told the request, which one for the file it is, and the honest
/// answer.
fn but(odd: impl Fn(&Request, usize, Reply) -> Reply + Send + Sync + 'static) -> Hub {
    let (repository, count) = (repository(), std::sync::atomic::AtomicUsize::new(0));
    Hub::start(move |request, _| {
        let honest = repository.answer(request);
        if !request.path.ends_with("b-Q4_0.gguf") {
            return honest;
        }
        odd(request, count.fetch_add(1, std::sync::atomic::Ordering::SeqCst), honest)
    })
}

fn ranges(hub: &Hub) -> Vec<usize> {
    hub.asked("b-Q4_0.gguf").iter().map(Request::from).collect()
}

#[test]
fn a_model_is_brought_checked_and_used_by_its_name() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    insta::assert_snapshot!(pull(&env, &[]).to_string(), @r"
    exit: 0
    --- stdout
    a/b main, commit c0ffee00c0ff
    file             size  sha256
    b-Q4_0.gguf  98.9 KiB  7fbe19b7385c  downloaded
    README.md        32 B  03072186bb06  downloaded
    in $HOME/.cache/huggingface/hub/models--a--b/snapshots/c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00/b-Q4_0.gguf
    --- stderr
    ");
    assert_eq!(std::fs::read_to_string(home(&env).join("refs/main")).expect("a reference"), COMMIT);
    assert_eq!(std::fs::read(blob(&env)).expect("a blob"), tiny());
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(link(&env)).expect("a link"),
        PathBuf::from(format!("../../blobs/{}", sha256(&tiny()))),
        "as other tools make it"
    );
    for command in [&["infer", "-m", "a/b:q4_0", "-n", "2", "Hello"][..], &["tokens", "-m", "a/b:Q4_0@main", "Hello"]] {
        assert_eq!(env.run(command).code, 0);
    }
    let before = hub.requests().len();
    assert_eq!(how(&env, &[]), "here");
    assert_eq!(hub.requests().len(), before + 1, "only what it should be was asked");
    for name in ["a/b:Q4_0@v1", "a/b:Q4_0@refs/pr/1"] {
        assert_eq!(env.run(&["model", "pull", name]).code, 0, "{name}");
        assert_eq!(env.run(&["tokens", "-m", name, "x"]).code, 0, "{name}");
    }
}

#[test]
fn the_document_has_each_file_with_its_hash() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    let (model, _) = brought(&env, &[]);
    assert_eq!(
        (model["repo"].as_str(), model["revision"].as_str(), model["commit"].as_str()),
        (Some("a/b"), Some("main"), Some(COMMIT))
    );
    let files = model["files"].as_array().expect("a list");
    assert_eq!(files.len(), 2, "the model and its card: {files:?}");
    assert_eq!(files[0]["sha256"], sha256(&tiny()));
    assert_eq!(files[0]["bytes"], tiny().len());
    assert_eq!(files[1]["file"], "README.md");
    assert_eq!(files[1]["sha256"], sha256(CARD.as_bytes()));
    let at = model["path"].as_str().expect("a path");
    assert!(at.ends_with("b-Q4_0.gguf"), "{at}");
    assert!(home(&env).join("blobs").join(git_id(CARD.as_bytes())).is_file(), "git's name for small files");
}

#[test]
fn what_is_not_clear_is_not_guessed() {
    let check = |repository: Repository, name: &str, code: i32, told: &str| {
        let hub = Hub::of(repository);
        let env = at(&hub);
        let ran = env.run(&["model", "pull", name]);
        assert_eq!(ran.code, code, "{ran}");
        assert!(ran.stderr.contains(told), "no `{told}` in {ran}");
        assert_eq!(hub.requests().len(), 1, "nothing was downloaded");
    };
    check(repository(), "a/b", 2, "name one: b-Q4_0.gguf, b-Q8_0.gguf");
    check(repository(), "a/b:Q2", 3, "it has b-Q4_0.gguf, b-Q8_0.gguf");
    let empty = Repository::new("a/b").file("README.md", "x").file("pytorch_model.bin", "x");
    check(empty, "a/b", 3, "often called a/b-GGUF");
    let split = Repository::new("a/b").file("b-00001-of-00002.gguf", "x").file("b-00002-of-00002.gguf", "x");
    check(split, "a/b", 3, "is split into 2 files, which can't be run yet");
    for (name, told) in [
        ("b", "is no repository"),
        ("a/b:..", "after the colon"),
        ("a/b@../x", "after the @"),
        ("a/../b", "is no repository"),
    ] {
        let ran = TestEnv::new().run(&["model", "pull", name]);
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains(told), "{ran}");
    }
    assert_eq!(TestEnv::new().run(&["model", "pull"]).code, 2);
}

#[test]
fn files_in_folders_keep_their_places() {
    let hub = Hub::of(repository().file("F16/b-F16.gguf", tiny()));
    let env = at(&hub);
    for name in ["a/b:F16", "a/b:F16/b-F16.gguf"] {
        assert_eq!(env.run(&["model", "pull", name]).code, 0, "{name}");
        assert_eq!(env.run(&["tokens", "-m", name, "x"]).code, 0, "{name}");
    }
    let at = home(&env).join("snapshots").join(COMMIT).join("F16/b-F16.gguf");
    assert_eq!(std::fs::read(&at).expect("the link leads to it"), tiny());
}

#[test]
fn a_safetensors_folder_comes_whole() {
    let index = r#"{"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}"#;
    let shards = Repository::new("a/b")
        .file("config.json", "{}")
        .file("tokenizer.json", "{}")
        .file("model.safetensors.index.json", index)
        .file("model-00001-of-00002.safetensors", "1")
        .file("tf_model.h5", "never read");
    let hub = Hub::of(shards.clone());
    let env = at(&hub);
    let ran = env.run(&["model", "pull", "a/b"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("names model-00002-of-00002.safetensors, which the repository does not have"), "{ran}");
    let hub = Hub::of(shards.file("model-00002-of-00002.safetensors", "2"));
    let env = at(&hub);
    let ran = env.run(&["model", "pull", "a/b"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(hub.asked("tf_model.h5").is_empty());
    let snapshot = home(&env).join("snapshots").join(COMMIT);
    assert_eq!(std::fs::read(snapshot.join("model-00002-of-00002.safetensors")).expect("there"), b"2");
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let hub = but(|_, number, honest| if number == 0 { honest.cut(40_000) } else { honest });
    let env = at(&hub);
    let (model, stderr) = brought(&env, &[]);
    assert_eq!(model["files"][0]["how"], "downloaded");
    assert_eq!(ranges(&hub), [0, 40_000]);
    assert!(stderr.contains("was cut"), "{stderr}");
    assert!(!half(&env).exists());
}

#[test]
fn as_long_as_bytes_come_it_goes_on() {
    let hub = but(|_, _, honest| honest.cut(30_000));
    let env = at(&hub);
    brought(&env, &["--retries", "1"]);
    let expected: Vec<usize> = (0..=tiny().len() / 30_000).map(|n| n * 30_000).collect();
    assert_eq!(ranges(&hub), expected, "each try brought something, so each may fail as often again");
}

#[test]
fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let hub =
        but(|_, number, honest| if number < 3 { honest.cut(if number == 0 { 50_000 } else { 0 }) } else { honest });
    let env = at(&hub);
    refused(&env, &[], 6, "was cut");
    assert_eq!(std::fs::metadata(half(&env)).expect("half of it").len(), 50_000);
    assert_eq!(how(&env, &[]), "resumed");
    assert_eq!(ranges(&hub).last(), Some(&50_000));
    assert!(!half(&env).exists());
}

#[test]
fn half_files_that_are_no_part_of_it_are_found_out() {
    let hub = Hub::of(repository());
    for left in [b"garbage".to_vec(), [tiny(), b"more".to_vec()].concat(), vec![7; tiny().len()]] {
        let env = at(&hub);
        std::fs::create_dir_all(blob(&env).parent().expect("a folder")).expect("made");
        std::fs::write(half(&env), &left).expect("written");
        assert_eq!(how(&env, &[]), "downloaded");
    }
    // Whole, only its name was never changed.
    let env = at(&hub);
    std::fs::create_dir_all(blob(&env).parent().expect("a folder")).expect("made");
    std::fs::write(half(&env), tiny()).expect("written");
    let before = hub.asked("b-Q4_0.gguf").len();
    assert_eq!(how(&env, &[]), "resumed");
    assert_eq!(hub.asked("b-Q4_0.gguf").len(), before, "there was nothing left to ask for");
}

#[test]
fn servers_without_ranges_start_again() {
    let whole = |_: &Request, number: usize, _: Reply| {
        let reply = repository().answer(&Request {
            method: "GET".to_owned(),
            path: format!("/a/b/resolve/{COMMIT}/b-Q4_0.gguf"),
            headers: Default::default(),
        });
        if number == 0 { reply.cut(40_000) } else { reply }
    };
    let hub = but(whole);
    assert_eq!(how(&at(&hub), &[]), "downloaded");
    let odd = but(|_, number, honest| match number {
        0 => honest.cut(40_000),
        1 => Reply::new(206).body("xx").header("content-range", "bytes 7-8/9"),
        _ => honest,
    });
    refused(&at(&odd), &[], 5, "the size that is announced is not the one that is sent");
    let odd = but(|_, number, honest| match number {
        0 => honest.cut(40_000),
        1 => Reply::new(206).body("xx").header("content-range", format!("bytes 7-8/{}", tiny().len())),
        _ => honest,
    });
    assert_eq!(how(&at(&odd), &[]), "downloaded");
    assert_eq!(ranges(&odd), [0, 40_000, 0]);
    let none = but(|_, number, honest| match number {
        0 => honest.cut(40_000),
        1 => Reply::new(416),
        _ => honest,
    });
    assert_eq!(how(&at(&none), &[]), "downloaded");
    assert_eq!(ranges(&none), [0, 40_000, 0]);
}

#[test]
fn wrong_bytes_are_never_kept() {
    let hub = but(|_, _, mut honest| {
        honest.body[1000] ^= 1;
        honest
    });
    let env = at(&hub);
    refused(&env, &[], 5, "these are not the bytes that were announced");
    assert!(!blob(&env).exists() && !half(&env).exists());
    // The card is small and has git's hash.
    let card = |_: &Repository, request: &Request, honest: Reply| {
        if request.path.ends_with("README.md") { honest.body("x".repeat(CARD.len())) } else { honest }
    };
    let of = repository();
    let hub = Hub::start(move |request, _| card(&of, request, of.answer(request)));
    let ran = pull(&at(&hub), &[]);
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stderr.contains("a/b/README.md: these are not the bytes"), "{ran}");
}

#[test]
fn announcements_that_disagree_are_refused() {
    let etag = but(|_, _, honest| honest.header("x-linked-etag", format!("\"{}\"", "0".repeat(64))));
    refused(&at(&etag), &[], 5, "the hash that is announced is not the one that is sent");
    let size = but(|_, _, honest| honest.header("x-linked-size", 7));
    refused(&at(&size), &[], 5, "the size that is announced is not the one that is sent");
    let long = but(|_, _, honest| honest.header("content-length", tiny().len() + 1));
    refused(&at(&long), &[], 5, "the size that is announced is not the one that is sent");
    let more = but(|_, _, honest| {
        let mut body = format!("{:x}\r\n", tiny().len() + 9).into_bytes();
        body.extend([tiny(), b"123456789\r\n0\r\n\r\n".to_vec()].concat());
        honest.header("transfer-encoding", "chunked").body(body)
    });
    refused(&at(&more), &[], 5, "sends more than was announced");
    let short = but(|_, _, honest| honest.cut(0));
    refused(&at(&short), &[], 6, "was cut");
}

#[test]
fn tokens_go_to_the_hub_and_nowhere_else() {
    let of = repository();
    let cdn = Arc::new(Hub::start(move |request, _| {
        let path = format!(
            "/a/b/resolve/{COMMIT}/{}",
            request.path.trim_start_matches("/cdn/").split('?').next().unwrap_or_default()
        );
        let mut reply = of.answer(&Request { path, ..request.clone() });
        reply.headers.retain(|(name, _)| !name.starts_with("x-linked") && name != "etag");
        reply.header("etag", "\"the mirror's own\"")
    }));
    let (of, to) = (repository(), cdn.url.clone());
    let hub = Hub::start(move |request, _| match request.path.strip_prefix(&format!("/a/b/resolve/{COMMIT}/")) {
        // First within the hub, as for a repository that was renamed; then away.
        Some(path) => Reply::new(307).header("location", format!("/renamed/{path}")),
        None => match request.path.strip_prefix("/renamed/") {
            Some(path) => {
                let honest = of.answer(&Request { path: format!("/a/b/resolve/{COMMIT}/{path}"), ..request.clone() });
                let away = Reply { body: Vec::new(), status: 302, ..honest };
                away.header("location", format!("{to}/cdn/{path}?Signature=hidden"))
            }
            None => of.answer(request),
        },
    });
    let env = at(&hub).var("HF_TOKEN", "hf_secret");
    let ran = pull(&env, &["-v"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!ran.to_string().contains("hf_secret") && !ran.to_string().contains("hidden"), "{ran}");
    assert!(hub.requests().iter().all(|r| r.header("authorization") == Some("Bearer hf_secret")));
    assert!(hub.requests().len() >= 5 && !cdn.requests().is_empty());
    for request in cdn.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
    // The file that `hf auth login` writes.
    let env = at(&hub);
    env.write("../home/.cache/huggingface/token", "hf_of_file\n");
    assert_eq!(pull(&env, &[]).code, 0);
    assert_eq!(
        hub.requests().last().and_then(|r| r.header("authorization").map(str::to_owned)).as_deref(),
        Some("Bearer hf_of_file")
    );
    let ran = pull(&at(&hub).var("HF_TOKEN", "two\nlines"), &[]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("this is no token") && !ran.stderr.contains("lines"), "{ran}");
}

#[test]
fn odd_redirects_are_not_followed() {
    for (to, told) in [
        ("file:///etc/passwd", "which is no address to go to"),
        ("", "which is no address to go to"),
        ("/a/b/resolve/c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00/b-Q4_0.gguf", "more than 10 redirects"),
    ] {
        let hub = but(move |_, _, _| Reply::new(302).header("location", to));
        refused(&at(&hub), &[], 6, told);
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it_within_reason() {
    let hub = but(|_, number, honest| if number == 0 { Reply::new(429).header("retry-after", 0) } else { honest });
    let (_, stderr) = brought(&at(&hub), &[]);
    assert!(stderr.contains("is asked too often"), "{stderr}");
    let hub = but(|_, _, _| Reply::new(429).header("retry-after", 4000));
    refused(&at(&hub), &[], 6, "it asks to be left alone for 4000 seconds");
    assert_eq!(hub.asked("b-Q4_0.gguf").len(), 1, "it is not asked again");
}

#[test]
fn answers_of_the_hub_are_told_as_what_they_mean() {
    let check = |reply: Reply, token: bool, code: i32, told: &str| {
        let hub = Hub::start(move |_, _| reply.clone());
        let env = if token { at(&hub).var("HF_TOKEN", "hf_x") } else { at(&hub) };
        refused(&env, &[], code, told);
    };
    check(Reply::new(401), false, 6, "it isn't there, or it is shown to those with a token only");
    check(Reply::new(401), true, 6, "does not accept the token");
    check(Reply::new(403), true, 6, "accept its terms at http://127.0.0.1");
    check(Reply::new(404), false, 3, "there is no such repository or revision");
    check(Reply::new(404).header("x-error-code", "RevisionNotFound"), false, 3, "there is no such revision");
    check(Reply::new(500), false, 6, "tried 2 times");
    check(Reply::new(503).header("x-error-message", "Down for repairs"), false, 6, "because: Down for repairs");
    check(Reply::new(418), false, 6, "answered 418");
    check(Reply::new(200).body("<html>Log in</html>"), false, 3, "the answer is no JSON document");
    check(Reply::new(200).body("{}"), false, 3, "the answer has no sound `sha`");
    check(Reply::new(204), false, 6, "answered 204");
    let hub = but(|_, number, honest| if number == 0 { Reply::new(502) } else { honest });
    brought(&at(&hub), &[]);
    let ran = at(&Hub::of(repository())).run(&["model", "pull", "a/b:Q4_0@gone"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("there is no such revision"), "{ran}");
}

#[test]
fn silence_is_not_waited_for_for_ever() {
    let hub = but(|_, number, honest| if number == 0 { honest.stall(20_000) } else { honest });
    brought(&at(&hub).var("HF_HUB_DOWNLOAD_TIMEOUT", "1"), &[]);
    assert_eq!(ranges(&hub), [0, 20_000]);
    let hub = Hub::start(|_, _| Reply::new(200).body("{}").stall(0));
    let ran = at(&hub).var("HF_HUB_DOWNLOAD_TIMEOUT", "1").run(&["model", "pull", "a/b", "--retries", "0"]);
    assert_eq!(ran.code, 6, "{ran}");
}

#[test]
fn without_a_network_it_says_so() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    drop(hub);
    let ran = pull(&env, &["--retries", "0"]);
    assert_eq!(ran.code, 6, "{ran}");
    assert!(
        ran.stderr.contains("can't be reached") && ran.stderr.contains("--offline uses what the cache has"),
        "{ran}"
    );
    for (name, value) in
        [("HF_ENDPOINT", "hub.example"), ("HF_ENDPOINT", "http://u:p@h"), ("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]
    {
        let ran = pull(&TestEnv::new().var("HF_ENDPOINT", "http://127.0.0.1:9").var(name, value), &[]);
        assert_eq!(ran.code, 2, "{ran}");
    }
}

#[test]
fn listings_that_lead_elsewhere_are_refused() {
    for name in ["../../../../x.gguf", "/tmp/x.gguf", "a\\..\\x.gguf", "x\n.gguf"] {
        let odd = Repository::new("a/b").file(name, "x");
        let hub = Hub::of(odd);
        let env = at(&hub);
        let ran = env.run(&["model", "pull", "a/b"]);
        assert_eq!(ran.code, 3, "{ran}");
        assert!(ran.stderr.contains("which is no name to make a file of"), "{ran}");
        assert!(!home(&env).exists());
    }
    let of = repository();
    let hub = Hub::start(move |request, _| {
        let mut listing = of.listing();
        listing["siblings"][1]["lfs"]["sha256"] = "../../../x".into();
        if request.path.starts_with("/api") { Reply::new(200).body(listing.to_string()) } else { of.answer(request) }
    });
    refused(&at(&hub), &[], 3, "`lfs.sha256` is not what it should be");
}

#[test]
fn a_listing_without_hashes_is_asked_about_and_never_believed_blindly() {
    let bare = |reply: fn(Reply) -> Reply| {
        let of = repository();
        Hub::start(move |request, _| {
            let honest = of.answer(request);
            if !request.path.starts_with("/api") {
                return reply(honest);
            }
            let mut listing = of.listing();
            for sibling in listing["siblings"].as_array_mut().expect("a list") {
                let name = sibling["rfilename"].clone();
                *sibling = serde_json::json!({ "rfilename": name });
            }
            honest.body(listing.to_string())
        })
    };
    let hub = bare(|honest| honest);
    assert_eq!(how(&at(&hub), &[]), "downloaded");
    let hub = bare(|mut honest| {
        honest.headers.retain(|(name, _)| !name.contains("etag"));
        honest
    });
    refused(&at(&hub), &[], 3, "the hub announces no hash, so it can't be checked");
}

#[test]
fn what_the_disk_can_not_hold_is_not_begun() {
    let of = repository();
    let hub = Hub::start(move |request, _| {
        let mut listing = of.listing();
        for sibling in listing["siblings"].as_array_mut().expect("a list") {
            if !sibling["lfs"].is_null() {
                sibling["lfs"]["size"] = (1u64 << 60).into();
            }
        }
        if request.path.starts_with("/api") { Reply::new(200).body(listing.to_string()) } else { of.answer(request) }
    });
    refused(&at(&hub), &[], 6, " bytes are to be downloaded, and ");
    assert!(hub.asked("b-Q4_0.gguf").is_empty());
    let hub = Hub::of(repository());
    let env = at(&hub);
    env.write("../home/.cache/huggingface/hub", "a file in its place");
    refused(&env, &[], 6, "can't be written");
}

#[test]
fn offline_only_looks() {
    let hub = Hub::of(repository());
    let mut env = at(&hub);
    refused(&env, &["--offline"], 6, "no network is used");
    assert!(hub.requests().is_empty());
    brought(&env, &[]);
    let asked = hub.requests().len();
    assert_eq!(how(&env, &["--offline"]), "here");
    env.set("HF_HUB_OFFLINE", "1");
    assert_eq!(how(&env, &[]), "here");
    assert_eq!(env.run(&["model", "pull", "a/b:Q8_0"]).code, 6);
    assert_eq!(env.run(&["model", "pull", "a/b:Q4_0@v2"]).code, 6);
    // Damaged since: found out, and mended once there is a network.
    let mut bytes = tiny();
    bytes[5000] ^= 1;
    std::fs::write(blob(&env), bytes).expect("written");
    let ran = pull(&env, &[]);
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stderr.contains("b-Q4_0.gguf is damaged"), "{ran}");
    assert_eq!(hub.requests().len(), asked);
    env.unset("HF_HUB_OFFLINE");
    let (model, stderr) = brought(&env, &[]);
    assert_eq!(model["files"][0]["how"], "downloaded");
    assert!(stderr.contains("what lies in the cache is damaged"), "{stderr}");
}

#[test]
fn a_cache_of_another_tool_is_used_as_it_is() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    let put =
        |path: &str, bytes: &[u8]| env.write(&format!("../home/.cache/huggingface/hub/models--a--b/{path}"), bytes);
    // As on a platform without links: plain files in the snapshot.
    put(&format!("snapshots/{COMMIT}/b-Q4_0.gguf"), &tiny());
    put("refs/main", format!("{COMMIT}\n").as_bytes());
    put(&format!("blobs/{}", git_id(CARD.as_bytes())), CARD.as_bytes());
    let (model, _) = brought(&env, &[]);
    assert_eq!((model["files"][0]["how"].as_str(), model["files"][1]["how"].as_str()), (Some("here"), Some("here")));
    assert!(hub.asked("b-Q4_0.gguf").is_empty() && hub.asked("README.md").is_empty());
    // A link that leads nowhere, and a reference that does.
    std::fs::remove_file(link(&env)).expect("removed");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../blobs/gone", link(&env)).expect("linked");
    put("refs/main", b"../../../etc");
    let ran = env.run(&["infer", "-m", "a/b:Q4_0", "x"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("this reference leads to no snapshot"), "{ran}");
    assert_eq!(how(&env, &[]), "downloaded");
    assert_eq!(env.run(&["infer", "-m", "a/b:Q4_0", "-n", "1", "x"]).code, 0, "mended");
}

#[test]
fn another_process_that_downloads_the_same_is_waited_for() {
    let hub = Hub::of(repository());
    let env = at(&hub);
    let lock = env.home().join(format!(".cache/huggingface/hub/.locks/models--a--b/{}.lock", sha256(&tiny())));
    std::fs::create_dir_all(lock.parent().expect("a folder")).expect("made");
    std::fs::create_dir_all(blob(&env).parent().expect("a folder")).expect("made");
    let held = std::fs::File::create(&lock).expect("made");
    held.lock().expect("locked");
    let blob = blob(&env);
    let other = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(3));
        std::fs::write(blob, tiny()).expect("written");
        drop(held);
    });
    let (model, stderr) = brought(&env, &[]);
    other.join().expect("it ends");
    assert_eq!(model["files"][0]["how"], "awaited");
    assert!(stderr.contains("another process is downloading b-Q4_0.gguf"), "{stderr}");
    assert!(hub.asked("b-Q4_0.gguf").is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_half_file_that_the_next_run_goes_on_with() {
    let hub = but(|_, number, honest| if number == 0 { honest.stall(60_000) } else { honest });
    let env = at(&hub);
    let mut child =
        env.command(&["model", "pull", "a/b:Q4_0"]).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    for _ in 0..600 {
        if std::fs::metadata(half(&env)).is_ok_and(|m| m.len() == 60_000) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!link(&env).exists());
    assert_eq!(how(&env, &[]), "resumed");
    assert_eq!(ranges(&hub).last(), Some(&60_000));
}
