//! `bizra trust`.

use crate::harness::TestEnv;
use crate::said::{json, told};

const POLICY: &str = "bizra-trust.json";

fn repository() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env
}

fn policy(env: &TestEnv) -> String {
    std::fs::read_to_string(env.work().join(POLICY)).expect("a policy")
}

/// The public half of another machine's key, as a file of the work folder.
fn others_key(env: &TestEnv, number: u64, file: &str) -> String {
    let other = TestEnv::other(number);
    other.run(&["keys", "init"]);
    let line = other.run(&["keys", "show", "--openssh"]).stdout;
    env.write(file, &line);
    line.trim().to_owned()
}

#[test]
fn a_policy_is_made_changed_and_checked() {
    let env = repository();
    others_key(&env, 1, "ci.pub");
    let line = others_key(&env, 2, "eve.pub");
    insta::assert_snapshot!(told(
        &env,
        &[
            &["trust", "check"],
            &["trust", "init", "--name", "ada", "--role", "lead"],
            &["trust", "init"],
            &[
                "trust",
                "add",
                "ci.pub",
                "--name",
                "ci",
                "--predicate",
                "attestation/v0.1",
                "--from",
                "3",
                "--until",
                "9"
            ],
            &["trust", "add", "ci.pub", "--name", "ci again"],
            &["trust", "add", &line, "--name", "eve", "--policy-key"],
            &["trust", "check"],
        ]
    ));
    let checked = json(&env.run(&["trust", "check", "--json"]));
    let keys = checked["result"]["keys"].as_array().expect("three keys");
    let ids: Vec<&str> = keys.iter().map(|k| k["id"].as_str().or(k["key"].as_str()).expect("an id")).collect();
    let signer = checked["result"]["signed_by"].as_str().expect("an id");
    insta::assert_snapshot!(told(
        &env,
        &[
            &["trust", "revoke", &ids[1][..12], "--at", "5"],
            &["trust", "revoke", &ids[1][..12], "--at", "7"],
            &["trust", "revoke", &ids[1][..12], "--at", "4"],
            &["trust", "revoke", ids[2], "--at", "0"],
            &["trust", "revoke", "0123456789ab", "--at", "0"],
            &["trust", "revoke", "", "--at", "0"],
            &["trust", "check", "--signed-by", signer],
            &["trust", "check", "--signed-by", ids[1]],
            &["trust", "check", "--signed-by", "ada"],
            &["receipts", "list", "--predicate", "policy-event"],
        ]
    ));
}

#[test]
fn a_key_that_is_there_gets_more_roles_under_its_name() {
    let env = repository();
    others_key(&env, 1, "ci.pub");
    env.run(&["trust", "init", "--role", "lead"]);
    let add = |rest: &[&'static str]| env.run(&[&["trust", "add", "ci.pub", "--name", "ci"], rest].concat()).code;
    let roles = || json(&env.run(&["trust", "check", "--json"]))["result"]["keys"][1]["roles"].clone();
    assert_eq!((add(&["--role", "lead"]), add(&["--role", "security", "--role", "lead"])), (0, 0));
    assert_eq!(roles(), serde_json::json!(["lead", "security"]));
    let before = policy(&env);
    assert_eq!((add(&["--role", "security"]), add(&["--role", "other", "--from", "3"])), (2, 2));
    assert_eq!(env.run(&["trust", "add", "ci.pub", "--name", "other", "--role", "other"]).code, 2);
    assert_eq!(policy(&env), before);
    assert_eq!(env.run(&["trust", "check"]).code, 0);
    // Whoever attests in a role that only others have is told before it is in the ledger.
    let refused = env.run(&["attest", "--role", "security", "--statement", "seen"]);
    assert!(refused.code == 2 && refused.stderr.contains("bizra trust add"), "{refused}");
    assert_eq!(env.run(&["attest", "--role", "lead", "--statement", "seen"]).code, 0);
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_file_stays() {
    let env = repository();
    others_key(&env, 1, "ci.pub");
    env.write("weak.pub", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n");
    env.write("text.pub", "hello\n");
    env.write("bytes.pub", b"\xff\xfe");
    env.run(&["trust", "init"]);
    let before = policy(&env);
    let add = |rest: &[&'static str]| [&["trust", "add"], rest].concat();
    insta::assert_snapshot!(told(
        &env,
        &[
            &add(&["ci.pub", "--name", "ci", "--predicate", "attestations/v0.1"]),
            &add(&["ci.pub", "--name", "ci", "--predicate", "zzz"]),
            &add(&["ci.pub", "--name", " "]),
            &add(&["ci.pub", "--name", "ci", "--role", "Lead"]),
            &add(&["ci.pub", "--name", "ci", "--from", "5", "--until", "5"]),
            &add(&["ci.pub", "--name", "ci", "--log", "abc"]),
            &add(&["weak.pub", "--name", "weak"]),
            &add(&["text.pub", "--name", "text"]),
            &add(&["bytes.pub", "--name", "bytes"]),
            &add(&["missing.pub", "--name", "x"]),
            &add(&["ssh-ed25519 AAAA", "--name", "x"]),
        ]
    ));
    assert_eq!(policy(&env), before);
}

#[test]
fn a_policy_that_was_edited_by_hand_is_found_out_everywhere() {
    let env = repository();
    env.run(&["trust", "init", "--name", "ada"]);
    env.run(&["receipts", "list"]);
    let good = policy(&env);
    let raw = env.run(&["receipts", "export"]).stdout;
    let line = raw.lines().next().expect("a receipt");
    env.write("one.json", line);
    assert_eq!(env.run(&["receipts", "verify", "one.json"]).code, 0);

    env.write(POLICY, good.replace("\"ada\"", "\"eve\""));
    for args in [
        &["trust", "check"][..],
        &["trust", "revoke", "0123456789", "--at", "1"],
        &["receipts", "verify", "one.json"],
        &["receipts", "import", "one.json", "--verify-only"],
        &["keys", "revoke", "0123456789", "--reason", "lost"],
    ] {
        let ran = env.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{args:?}: {ran}");
        assert!(ran.stderr.contains("policy-unsigned: bizra-trust.json"), "{ran}");
    }
    let unsigned =
        good.split("\"signature\"").next().expect("a start").trim_end().trim_end_matches(',').to_owned() + "\n}\n";
    env.write(POLICY, unsigned);
    insta::assert_snapshot!(told(&env, &[&["trust", "check"]]));
    for (text, code) in [("{", 3), ("", 3), ("[1]", 3), (&good[..good.len() / 2], 3)] {
        env.write(POLICY, text);
        assert_eq!(env.run(&["trust", "check"]).code, code, "{text}");
        assert_eq!(env.run(&["receipts", "verify", "one.json"]).code, code, "{text}");
    }
    env.write(POLICY, &good);
    assert_eq!(env.run(&["trust", "check"]).code, 0);
}

#[test]
fn only_a_policy_key_may_change_the_policy() {
    let mut env = repository();
    env.run(&["trust", "init"]);
    let before = policy(&env);
    others_key(&env, 1, "ci.pub");
    env.set("HOME", &env.work().join("elsewhere").display().to_string());
    let ran = env.run(&["trust", "add", "ci.pub", "--name", "ci"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran}");
    assert!(ran.stderr.contains("is none of its policy keys"), "{ran}");
    assert_eq!(policy(&env), before);
}

#[test]
fn an_audit_that_finds_only_strangers_says_who_lets_them_in() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    assert_eq!(env.run(&["trust", "init"]).code, 0);
    let elsewhere = env.work().join("elsewhere").display().to_string();
    let stranger = env.var("HOME", &elsewhere);
    assert_eq!(stranger.run(&["infer", "Hello", "-q"]).code, 0);
    let audit = stranger.run(&["receipts", "audit"]);
    assert!(audit.code == 5 && audit.stderr.contains("`bizra trust add` lets a key in"), "{audit}");
}

#[test]
fn after_a_rotation_the_old_key_lets_the_new_one_in() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["init"]).code, 0);
    let rotated = env.run(&["keys", "rotate"]);
    assert_eq!(rotated.code, 0, "{rotated}");
    let step = "bizra trust add \"$(bizra keys show --openssh)\" --name maintainer --role lead --policy-key";
    assert!(rotated.stderr.contains(step), "{rotated}");
    let key = env.run(&["keys", "show", "--openssh"]).stdout;
    let add = ["trust", "add", key.trim(), "--name", "maintainer", "--role", "lead", "--policy-key"];
    let added = env.run(&add);
    assert_eq!(added.code, 0, "{added}");
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
    let word = env.run(&["attest", "--role", "lead", "--statement", "It goes on."]);
    assert!(word.code == 0 && !word.stderr.contains("does not name the key"), "{word}");
}
