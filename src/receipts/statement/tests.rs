use super::super::keys::SecretKey;
use super::super::predicates::{Attestation, KeyEvent};
use super::super::stamp::{Position, Tool};
use super::*;

pub(in super::super) fn stamp() -> Stamp {
    Stamp {
        ledger: [0x11; 32],
        nonce: [0x22; 16],
        position: Position { session: [0x33; 16], seq: 1, prev: Some(ReceiptId([0x44; 32])) },
        time: "2026-01-31T12:00:00.000Z".parse().unwrap(),
        tool: Tool {
            name: "bizra".into(),
            version: "0.1.0".into(),
            commit: Some("55".repeat(20)),
            build: "release x86_64-linux".into(),
        },
        host: "sha256:abc".into(),
    }
}

pub(in super::super) fn signer() -> SecretKey {
    SecretKey::from_seed(&std::array::from_fn(|at| at as u8))
}

pub(in super::super) fn seal_as<P: Predicate>(predicate: &P) -> Envelope {
    let draft = Draft::new(vec![Subject::of_bytes("notes.md", b"hello")], predicate).unwrap();
    Envelope::parse(&draft.seal(&stamp(), &signer()).unwrap().envelope).unwrap()
}

pub(in super::super) fn approval() -> Attestation {
    Attestation { role: "lead".into(), statement: Some("It holds.".into()), score: None }
}

#[test]
fn a_statement_in_full() {
    let payload = String::from_utf8(seal_as(&approval()).payload).unwrap();
    let pretty = json::parse_canonical(payload.as_bytes()).unwrap().to_pretty();
    insta::assert_snapshot!(pretty, @r#"
    {
      "_type": "https://in-toto.io/Statement/v1",
      "predicate": {
        "host": "sha256:abc",
        "ledger": "1111111111111111111111111111111111111111111111111111111111111111",
        "nonce": "22222222222222222222222222222222",
        "role": "lead",
        "session": {
          "id": "33333333333333333333333333333333",
          "prev": "4444444444444444444444444444444444444444444444444444444444444444",
          "seq": 1
        },
        "statement": "It holds.",
        "time": "2026-01-31T12:00:00.000Z",
        "tool": {
          "build": "release x86_64-linux",
          "commit": "5555555555555555555555555555555555555555",
          "name": "bizra",
          "version": "0.1.0"
        }
      },
      "predicateType": "urn:bizra:predicate:attestation:v0.1",
      "subject": [
        {
          "digest": {
            "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
          },
          "name": "notes.md"
        }
      ]
    }
    "#);
}

#[test]
fn sealed_then_parsed_is_the_same() {
    let subjects = vec![
        Subject::git("src", "gitTree", &"a".repeat(40)).unwrap(),
        Subject::of_bytes("notes.md", b"hello").with_digest("gitBlob", &"b".repeat(64)).unwrap(),
    ];
    let sealed = Draft::new(subjects.clone(), &approval()).unwrap().seal(&stamp(), &signer()).unwrap();
    let envelope = Envelope::parse(&sealed.envelope).unwrap();
    assert_eq!(envelope.verify(signer().public()), Ok(()));
    assert_eq!(envelope.id(), sealed.id);

    let statement = Statement::parse(&envelope.payload).unwrap();
    assert_eq!(statement.stamp, stamp());
    assert_eq!(statement.subjects, [subjects[1].clone(), subjects[0].clone()]);
    assert_eq!(statement.predicate::<Attestation>(), Some(Ok(approval())));
    assert_eq!(statement.predicate::<KeyEvent>(), None);
    assert_eq!(statement.to_payload().unwrap(), envelope.payload);
}

#[test]
fn predicates_of_later_versions_are_kept() {
    let payload = String::from_utf8(seal_as(&approval()).payload).unwrap();
    let later = payload.replace("attestation:v0.1", "inference:v2.0").replace("lead", "anything");
    let statement = Statement::parse(later.as_bytes()).unwrap();
    assert_eq!(statement.predicate_type, "urn:bizra:predicate:inference:v2.0");
    assert_eq!(statement.to_payload().unwrap(), later.as_bytes());
    assert!(Statement::parse(payload.replace("urn:bizra", "urn:other").as_bytes()).is_err());
}

#[test]
fn drafts_refuse_what_no_statement_may_hold() {
    let draft =
        |subjects: Vec<Subject>| Draft::new(subjects, &approval()).map(|_| ()).map_err(|error| error.to_string());
    let one = || Subject::of_bytes("a", b"");
    for (subjects, expected) in [
        (vec![], "at least one subject"),
        (vec![one(), one()], "occurs twice"),
        (vec![Subject::of_bytes("", b"")], "1 to 1024 bytes"),
        (vec![Subject::of_bytes("a\nb", b"")], "no control characters"),
        (vec![Subject::of_bytes("a".repeat(1025), b"")], "1 to 1024 bytes"),
    ] {
        let error = draft(subjects).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    for (algorithm, digits) in [("md5", "00"), ("gitCommit", "abc"), ("gitCommit", &*"A".repeat(40)), ("sha256", "")] {
        assert!(one().with_digest(algorithm, digits).is_err(), "{algorithm} {digits}");
    }
    assert!(Draft::new(vec![one()], &Attestation { role: "LEAD".into(), ..approval() }).is_err());
}

#[test]
fn sealing_refuses_a_bad_stamp_and_a_long_receipt() {
    let draft = Draft::new(vec![Subject::of_bytes("a", b"")], &approval()).unwrap();
    let bad = Stamp { host: "two\nlines".into(), ..stamp() };
    assert!(matches!(draft.seal(&bad, &signer()), Err(SealError::Shape(error)) if error.path == "predicate.host"));
    let bad = Stamp { position: Position { seq: 1 << 53, ..stamp().position }, ..stamp() };
    assert!(matches!(draft.seal(&bad, &signer()), Err(SealError::Shape(_))));

    let many = (0..600).map(|at| Subject::of_bytes(at.to_string(), b"")).collect();
    let draft = Draft::new(many, &approval()).unwrap();
    assert!(matches!(draft.seal(&stamp(), &signer()), Err(SealError::TooLong { .. })));
}

#[test]
fn a_later_receipt_of_a_session_names_its_predecessor() {
    let first = Stamp { position: Position { seq: 0, prev: None, ..stamp().position }, ..stamp() };
    let draft = Draft::new(vec![Subject::of_bytes("a", b"")], &approval()).unwrap();
    let payload = |stamp: &Stamp| Envelope::parse(&draft.seal(stamp, &signer()).unwrap().envelope).unwrap().payload;
    assert!(Statement::parse(&payload(&first)).is_ok());
    let orphan = Stamp { position: Position { seq: 1, ..first.position }, ..first };
    let error = Statement::parse(&payload(&orphan)).unwrap_err();
    assert!(error.to_string().contains("predicate.session.prev"), "{error}");
    assert_eq!(error.code(), Code::PayloadNoncanonical);
}
