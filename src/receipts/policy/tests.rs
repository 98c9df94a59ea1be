use proptest::prelude::*;

use super::super::keys::SecretKey;
use super::*;

const ATTESTATION: &str = "urn:bizra:predicate:attestation:v0.1";

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn entry(name: &str, seed: u8) -> Entry {
    Entry {
        name: name.into(),
        key: *secret(seed).public(),
        log: Some("main".into()),
        roles: vec!["lead".into()],
        predicates: vec!["attestation/v0.1".into()],
        from: 10,
        until: Some(100),
        revoked_at: Some(50),
    }
}

fn policy() -> Policy {
    let ci = Entry { log: None, from: 0, until: None, revoked_at: None, roles: vec![], ..entry("ci", 2) };
    Policy { serial: 3, policy_keys: vec![*secret(9).public()], entries: vec![entry("Ada", 1), ci] }
}

fn file() -> String {
    policy().sign(&secret(9)).unwrap()
}

fn open(text: &str) -> Result<SignedPolicy, PolicyError> {
    SignedPolicy::open(text.as_bytes(), None)
}

#[test]
fn a_key_stands_once_for_each_log() {
    let ada = |log: Option<&str>| Entry { log: log.map(str::to_owned), ..entry("Ada", 1) };
    for (one, other, fits) in [
        (Some("main"), Some("other"), true),
        (Some("main"), Some("main"), false),
        (Some("main"), None, false),
        (None, Some("main"), false),
        (None, None, false),
    ] {
        let both = Policy { entries: vec![ada(one), ada(other)], ..policy() };
        let expected = "policy: keys[1].key: the key occurs twice for the same log";
        let refused = both.sign(&secret(9)).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), (!fits).then_some(expected), "{one:?} and {other:?}");
    }
}

#[test]
fn a_policy_in_full() {
    insta::assert_snapshot!(file(), @r#"
    {
      "bizra": "trust/v1",
      "policy": {
        "keys": [
          {
            "from": 10,
            "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
            "log": "main",
            "name": "Ada",
            "predicates": [
              "attestation/v0.1"
            ],
            "revokedAt": 50,
            "roles": [
              "lead"
            ],
            "until": 100
          },
          {
            "from": 0,
            "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
            "log": null,
            "name": "ci",
            "predicates": [
              "attestation/v0.1"
            ],
            "revokedAt": null,
            "roles": [],
            "until": null
          }
        ],
        "policyKeys": [
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
        ],
        "serial": 3
      },
      "signature": {
        "keyid": "3dba97edb866520d36063a0d9f79576893f3b13014ae7061d7c3dba608b9ec6a",
        "sig": "Y2TmoSLO1Qhm7P6cuWox5C+ISQR1AdHsQRbdx/jGm2Jj3IPb5a01DR1ae4yOvSmNw2D7wS0fH7oM2bM9+NFECQ=="
      }
    }
    "#);
    assert_eq!(open(&file()).unwrap().policy, policy());
}

#[test]
fn admits_by_index_and_type() {
    let (ada, ci) = (secret(1).public().id(), secret(2).public().id());
    let policy = policy();
    let code = |log: &str, key, predicate: &str, index| {
        policy.admit(log, key, predicate, index).map(|_| ()).map_err(|refusal| refusal.code())
    };
    assert_eq!(code("main", ada, ATTESTATION, 10), Ok(()));
    assert_eq!(code("main", ada, ATTESTATION, 49), Ok(()));
    assert_eq!(code("main", ada, ATTESTATION, 9), Err(Code::KeyOutOfRange));
    assert_eq!(code("main", ada, ATTESTATION, 50), Err(Code::KeyRevoked));
    assert_eq!(code("main", ada, ATTESTATION, u64::MAX), Err(Code::KeyRevoked));
    assert_eq!(code("main", ada, "urn:bizra:predicate:key-event:v0.1", 10), Err(Code::KeyRole));
    assert_eq!(code("main", ada, "attestation/v0.1", 10), Err(Code::KeyRole));
    assert_eq!(code("other", ada, ATTESTATION, 10), Err(Code::KeyUntrusted));
    assert_eq!(code("any", ci, ATTESTATION, 0), Ok(()));
    assert_eq!(code("main", secret(3).public().id(), ATTESTATION, 10), Err(Code::KeyUntrusted));
    // A policy key signs the policy, not receipts.
    assert_eq!(code("main", secret(9).public().id(), ATTESTATION, 10), Err(Code::KeyUntrusted));

    let mut unrevoked = policy.clone();
    unrevoked.entries[0].revoked_at = None;
    assert!(unrevoked.admit("main", ada, ATTESTATION, 99).is_ok());
    assert_eq!(unrevoked.admit("main", ada, ATTESTATION, 100).unwrap_err().code(), Code::KeyOutOfRange);

    let roles = policy.admit("main", ada, ATTESTATION, 10).unwrap();
    assert_eq!(roles.check("lead"), Ok(()));
    assert_eq!(roles.check("owner").unwrap_err().code(), Code::KeyRole);
}

#[test]
fn without_a_policy_only_the_own_log_counts() {
    let own = Trust::Own { logs: vec!["mine".into()], keys: vec![*secret(1).public()] };
    let id = secret(1).public().id();
    assert_eq!(own.admit("mine", id, ATTESTATION, 0), Ok(Roles::Unjudged));
    assert_eq!(own.admit("theirs", id, ATTESTATION, 0).unwrap_err().code(), Code::KeyUntrusted);
    assert_eq!(own.admit("mine", secret(2).public().id(), ATTESTATION, 0).unwrap_err().code(), Code::KeyUntrusted);
    assert_eq!(own.key(id), Some(secret(1).public()));
    let signed = Trust::Policy(open(&file()).unwrap());
    assert_eq!(signed.key(id), Some(secret(1).public()));
    assert_eq!(signed.key(secret(9).public().id()), None);
}

#[test]
fn signatures_hold_what_was_reviewed() {
    let file = file();
    let relaid: String = file.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    assert_eq!(open(&relaid), open(&file));

    let unsigned = |text: &str| match open(text) {
        Err(error @ PolicyError::Unsigned(_)) => {
            assert_eq!(error.code(), Some(Code::PolicyUnsigned));
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert!(unsigned(&file.replace("\"lead\"", "\"owner\"")).contains("does not belong"));
    let signer = secret(9).public().id().to_string();
    assert!(unsigned(&file.replace(&signer, &"0".repeat(64))).contains("none of its policy keys"));
    let (before, _) = file.split_once(",\n  \"signature\"").unwrap();
    assert!(unsigned(&format!("{before}\n}}")).contains("no signature"));

    let anchor = secret(9).public().id();
    assert!(SignedPolicy::open(file.as_bytes(), Some(anchor)).is_ok());
    assert!(matches!(SignedPolicy::open(file.as_bytes(), Some(KeyId([0; 32]))), Err(PolicyError::Unsigned(_))));
    assert!(matches!(policy().sign(&secret(1)), Err(PolicyError::Unsigned(_))));
}

#[test]
fn versions_follow_each_other() {
    let sign = |policy: &Policy, seed| open(&policy.sign(&secret(seed)).unwrap()).unwrap();
    let first = sign(&policy(), 9);
    let next = Policy { serial: 4, ..policy() };
    assert_eq!(sign(&next, 9).follows(&first), Ok(()));
    assert!(sign(&Policy { serial: 5, ..policy() }, 9).follows(&first).is_err());
    assert!(first.follows(&first).is_err());
    let usurper = Policy { policy_keys: vec![*secret(8).public()], ..next };
    assert!(matches!(sign(&usurper, 8).follows(&first), Err(PolicyError::Unsigned(_))));
}

#[test]
fn refusals_name_line_and_column() {
    let file = file();
    let ada = secret(1).public().to_openssh("");
    let mixed = {
        let bytes =
            super::super::hex::decode("ea5ef8400c31ef41e28f22e718b43f66981b29cf645af2a0e223799bedaace47").unwrap();
        ssh_key::PublicKey::from(ssh_key::public::Ed25519PublicKey(bytes)).to_openssh().unwrap()
    };
    for (name, text, expected) in [
        ("no JSON", "{\n  bizra".to_owned(), ":2:3: expected a key"),
        ("another file", file.replace("trust/v1", "trust/v2"), ":2:12: bizra: expected"),
        ("mixed-order key", file.replace(&ada, &mixed), ":7:16: policy.keys[0].key: the public key has mixed order"),
        ("comment", file.replace(&ada, &format!("{ada} Ada")), ":7:16: policy.keys[0].key: expected `ssh-ed25519"),
        ("bad role", file.replace("\"lead\"", "\"Lead\""), "policy.keys[0].roles: \"Lead\" is no role"),
        ("bad predicate", file.replacen("attestation/v0.1", "attestation", 1), "policy.keys[0].predicates"),
        ("unknown member", file.replacen("\"log\"", "\"logs\"", 1), "policy.keys[0].log: is missing"),
        ("negative index", file.replacen("\"from\": 10", "\"from\": -1", 1), ":6:17: policy.keys[0].from: is negative"),
        ("empty range", file.replacen("\"until\": 100", "\"until\": 10", 1), "policy.keys[0].until: leaves nothing"),
        ("time for an index", file.replacen("\"revokedAt\": 50", "\"revokedAt\": \"2026\"", 1), "expected a number"),
        ("key twice", file.replace(&secret(2).public().to_openssh(""), &ada), "occurs twice for the same log"),
        ("serial", file.replace("\"serial\": 3", "\"serial\": 0"), "policy.serial: counts from 1"),
    ] {
        assert_ne!(text, file, "{name}");
        let error = open(&text).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert_eq!(error.code(), (name == "mixed-order key").then_some(Code::PolicyWeakKey));
    }
    assert!(matches!(open(&" ".repeat(MAX_BYTES + 1)), Err(PolicyError::TooLong { .. })));
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let mut large = policy();
    large.entries[0].until = Some(1 << 53);
    assert!(matches!(large.sign(&secret(9)), Err(PolicyError::Invalid(_))));
    let none = Policy { policy_keys: vec![], ..policy() };
    assert!(matches!(none.sign(&secret(9)), Err(PolicyError::Invalid(_))));
}

proptest! {
    #[test]
    fn no_other_policy_passes_as_signed(bytes: Vec<u8>, at: prop::sample::Index, to: u8) {
        let _ = SignedPolicy::open(&bytes, None);
        let mut mutated = file().into_bytes();
        let at = at.index(mutated.len());
        mutated[at] = to;
        if let Ok(opened) = SignedPolicy::open(&mutated, None) {
            prop_assert_eq!(opened.policy, policy());
        }
    }
}
