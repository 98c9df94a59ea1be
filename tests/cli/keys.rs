//! `bizra keys`, and where the key comes from that signs.

use std::process::Command;

use crate::harness::TestEnv;
use crate::said::{json, told};

const WORD: &[&str] = &["attest", "--role", "lead", "--statement", "It holds."];

fn repository() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env
}

pub fn keygen(env: &TestEnv, name: &str, args: &[&str]) -> String {
    let path = env.home().join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "ada@laptop"]).args(args).arg("-f").arg(&path);
    if !args.contains(&"-N") {
        command.args(["-N", ""]);
    }
    assert!(command.status().expect("ssh-keygen can be run").success());
    path.display().to_string()
}

fn signer(env: &TestEnv) -> String {
    let ran = env.run(&[WORD, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    json(&ran)["result"]["key"].as_str().expect("a key id").to_owned()
}

fn id_of(env: &TestEnv, public: &str) -> String {
    let text = std::fs::read_to_string(public).expect("a public key");
    bizra::receipts::keys::PublicKey::read(&text)
        .unwrap_or_else(|e| panic!("{e}: {env:?}", env = env.work()))
        .id()
        .to_string()
}

#[test]
fn keys_are_made_listed_shown_rotated_and_revoked() {
    let env = repository();
    insta::assert_snapshot!(told(
        &env,
        &[
            &["keys", "list"],
            &["keys", "show"],
            &["keys", "init"],
            &["keys", "init"],
            &["keys", "show"],
            &["keys", "show", "--openssh"],
            &["keys", "show", "--pem"],
            &["keys", "rotate"],
            &["keys", "list"],
            &["receipts", "list"],
        ]
    ));
    let keys = json(&env.run(&["keys", "list", "--json"]));
    let keys = keys["result"]["keys"].as_array().expect("two keys");
    let [new, old] = [0, 1].map(|at| keys[at]["id"].as_str().expect("an id").to_owned());
    assert_eq!(new.len(), 64, "documents hold whole ids");
    insta::assert_snapshot!(told(
        &env,
        &[
            &["keys", "revoke", &new, "--reason", "lost"],
            &["keys", "revoke", &old[..12], "--reason", "no longer in use"],
            &["keys", "revoke", "0123456789", "--reason", "lost"],
            &["keys", "revoke", "", "--reason", "lost"],
            &["keys", "revoke", &old[..12], "--reason", " "],
            &["keys", "rotate", "--no-receipt"],
            &["keys", "show", &old[..12], "--openssh"],
            &["keys", "show", "0123456789"],
        ]
    ));
}

#[test]
fn there_must_be_a_key_to_rotate() {
    insta::assert_snapshot!(told(&repository(), &[&["keys", "rotate"]]));
}

#[cfg(unix)]
#[test]
fn a_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let env = repository();
    env.run(&["keys", "init"]);
    let folder = env.home().join(".local/share/bizra/keys");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let pem = std::fs::read_dir(&folder)
        .expect("there")
        .map(|e| e.expect("an entry").path())
        .find(|p| p.extension().is_some_and(|e| e == "pem"))
        .expect("a private key");
    assert_eq!(mode(&pem), 0o600);
    std::fs::set_permissions(&pem, std::fs::Permissions::from_mode(0o640)).expect("changed");
    let ran = env.run(WORD);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran}");
    assert!(ran.stderr.contains("chmod 600"), "{ran}");
}

#[test]
fn the_variables_come_first() {
    let mut env = repository();
    let file = keygen(&env, "ci", &["-t", "ed25519"]);
    let id = id_of(&env, &format!("{file}.pub"));
    env.set("BIZRA_KEY_FILE", &file);
    assert_eq!(signer(&env), id);
    assert_eq!(json(&env.run(&["keys", "show", "--json"]))["result"]["id"], id.as_str());
    let listed = json(&env.run(&["keys", "list", "--json"]));
    assert_eq!(listed["result"]["keys"][0]["held_by"], "BIZRA_KEY_FILE");
    let rotated = env.run(&["keys", "rotate"]);
    assert_eq!(rotated.code, 2, "{rotated}");
    env.unset("BIZRA_KEY_FILE");
    env.set("BIZRA_KEY", &std::fs::read_to_string(&file).expect("the key"));
    assert_eq!(signer(&env), id);
    assert!(!env.home().join(".local").exists(), "no key of its own was made");
}

#[test]
fn keys_that_can_not_sign_are_refused() {
    let mut env = repository();
    let rsa = keygen(&env, "rsa", &["-t", "rsa", "-b", "2048"]);
    let locked = keygen(&env, "locked", &["-t", "ed25519", "-N", "secret"]);
    env.write("nonsense", "no key at all\n");
    let refused = |env: &TestEnv, code| {
        let ran = env.run(WORD);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran}");
        ran.stderr
    };
    for (file, word) in [(rsa.as_str(), "use an Ed25519 key"), (&locked, "encrypted"), ("nonsense", "not a valid")] {
        env.set("BIZRA_KEY_FILE", file);
        let said = refused(&env, 3);
        assert!(said.contains(word) && said.contains(file.rsplit('/').next().expect("a name")), "{file}: {said}");
        assert_eq!(env.run(&["receipts", "verify", "nonsense"]).code, 3, "readers say so too");
    }
    env.set("BIZRA_KEY_FILE", "missing.pem");
    let said = refused(&env, 3);
    assert!(said.contains("missing.pem") && said.contains("BIZRA_KEY_FILE"), "{said}");
    env.set("BIZRA_KEY", "");
    let said = refused(&env, 2);
    assert!(said.contains("BIZRA_KEY: "), "an empty secret is not a reason to make a key: {said}");
}

#[test]
fn a_key_is_taken_over_once() {
    let env = repository();
    let file = keygen(&env, "ada", &["-t", "ed25519"]);
    let other = keygen(&env, "other", &["-t", "ed25519"]);
    let taken = env.run(&["keys", "init", "--from", &file]);
    assert_eq!(taken.code, 0, "{taken}");
    assert_eq!(signer(&env), id_of(&env, &format!("{file}.pub")));
    assert_eq!(env.run(&["keys", "init", "--from", &file]).code, 0, "again is no change");
    let second = env.run(&["keys", "init", "--from", &other]);
    assert_eq!(second.code, 2, "{second}");
    let keys = json(&env.run(&["keys", "list", "--json"]));
    assert_eq!(keys["result"]["keys"].as_array().map(Vec::len), Some(1), "the refused one is not kept");
}

#[cfg(unix)]
#[test]
fn an_agent_signs_for_a_public_key() {
    let mut env = repository();
    let file = keygen(&env, "ada", &["-t", "ed25519"]);
    let socket = env.home().join("agent.sock");
    let mut agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("ssh-agent can be run");
    for _ in 0..200 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    env.set("SSH_AUTH_SOCK", &socket.display().to_string());
    let public = format!("{file}.pub");
    env.set("BIZRA_KEY_FILE", &public);
    let absent = env.run(WORD);
    let added =
        Command::new("ssh-add").args(["-q", &file]).env("SSH_AUTH_SOCK", &socket).status().expect("ssh-add").success();
    std::fs::remove_file(&file).expect("only the agent has it now");
    let by_file = env.run(WORD);
    env.unset("BIZRA_KEY_FILE");
    let taken = env.run(&["keys", "init", "--agent", "ada@laptop"]);
    let unknown = env.run(&["keys", "init", "--agent", "eve@laptop"]);
    let by_ring = env.run(WORD);
    let listed = env.run(&["keys", "list", "--json"]);
    let homeless = {
        env.unset("HOME");
        env.unset("USERPROFILE");
        env.run(WORD)
    };
    agent.kill().expect("it ran");
    agent.wait().expect("it ends");
    env.set("HOME", &env.home().display().to_string());
    let gone = env.run(WORD);
    assert!(added);
    assert_eq!((absent.code, absent.stdout.as_str()), (6, ""), "{absent}");
    assert_eq!(by_file.code, 0, "{by_file}");
    assert_eq!(taken.code, 0, "{taken}");
    assert_eq!(unknown.code, 3, "{unknown}");
    assert!(unknown.stderr.contains("it holds ada@laptop"), "{unknown}");
    assert_eq!(by_ring.code, 0, "{by_ring}");
    assert_eq!(json(&listed)["result"]["keys"][0]["held_by"], "ssh-agent");
    assert_eq!(homeless.code, 0, "one key in the agent is enough without a home: {homeless}");
    assert_eq!((gone.code, gone.stdout.as_str()), (6, ""), "{gone}");
}

#[test]
fn without_a_home_a_key_has_to_be_given() {
    let env = repository().without("HOME").without("USERPROFILE");
    insta::assert_snapshot!(told(&env, &[WORD, &["keys", "init"], &["keys", "list"], &["receipts", "list"]]));
}
