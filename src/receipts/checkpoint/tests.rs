use proptest::prelude::*;

use super::*;

/// Made by Python's `cryptography` from the secret key 00 01 .. 1f.
const VKEY: &str = "bizra-ledger/test+7c825bea+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const NOTE: &str = "bizra-ledger/test
7
q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=

\u{2014} bizra-ledger/test fIJb6s1sa1KZtOQV75IA20f6D46gZw+HKgOnxTuux2QKYZeBUDgKmxUynU+R/5HL8/DET8cobGn6xfYO34ne7rLWdwU=
";

fn signer(name: &str, first: u8) -> NoteSigner {
    let secret: [u8; 32] = std::array::from_fn(|at| first + at as u8);
    NoteSigner::new(name, SigningKey::from_bytes(&secret)).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "bizra-ledger/test".into(), size: 7, root: [0xab; 32] }
}

fn open(note: &str) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open(note.as_bytes(), &NoteVerifier::parse(VKEY).unwrap())
}

#[test]
fn agrees_with_another_implementation() {
    assert_eq!(signer("bizra-ledger/test", 0).verifier().to_string(), VKEY);
    assert_eq!(checkpoint().sign(&signer("bizra-ledger/test", 0)).unwrap(), NOTE);
    assert_eq!(open(NOTE).unwrap(), checkpoint());
    assert_eq!(Checkpoint::parse_unverified(NOTE.as_bytes()).unwrap(), checkpoint());
}

#[test]
fn reads_the_go_checksum_database_key() {
    let vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(NoteVerifier::parse(vkey).unwrap().to_string(), vkey);
}

#[test]
fn passes_over_other_keys_but_needs_the_logs_own() {
    let witness = signer("witness.example", 9);
    let theirs = Checkpoint { origin: witness.name().into(), ..checkpoint() }.sign(&witness).unwrap();
    let line = theirs.lines().last().unwrap();
    assert_eq!(open(&format!("{NOTE}{line}\n")).unwrap(), checkpoint());

    let stranger = checkpoint().sign(&signer("bizra-ledger/test", 9)).unwrap();
    assert!(matches!(open(&stranger), Err(CheckpointError::Unsigned { .. })));
}

#[test]
fn a_key_signs_its_own_origin_only() {
    let other = Checkpoint { origin: "bizra-ledger/other".into(), ..checkpoint() };
    let signer = signer("bizra-ledger/test", 0);
    assert!(matches!(other.sign(&signer), Err(CheckpointError::Origin { .. })));

    let body = other.body();
    let mut blob = signer.verifier().id.to_vec();
    blob.extend(signer.key.sign(body.as_bytes()).to_bytes());
    let note = format!("{body}\n\u{2014} {} {}\n", signer.name, BASE64.encode(blob));
    assert_eq!(
        open(&note),
        Err(CheckpointError::Origin { expected: "bizra-ledger/test".into(), found: "bizra-ledger/other".into() })
    );
}

#[test]
fn every_flipped_bit_is_refused() {
    let verifier = NoteVerifier::parse(VKEY).unwrap();
    for at in 0..NOTE.len() {
        for bit in 0..8 {
            let mut note = NOTE.as_bytes().to_vec();
            note[at] ^= 1 << bit;
            assert!(Checkpoint::open(&note, &verifier).is_err(), "bit {bit} of byte {at}");
        }
        assert!(Checkpoint::open(&NOTE.as_bytes()[..at], &verifier).is_err(), "cut at {at}");
    }
}

#[test]
fn one_spelling_only() {
    let line = NOTE.lines().last().unwrap();
    let cases: [(&str, String, usize, &str); 14] = [
        ("leading zero", NOTE.replace("\n7\n", "\n07\n"), 2, "shortest form"),
        ("plus", NOTE.replace("\n7\n", "\n+7\n"), 2, "shortest form"),
        ("too large", NOTE.replace("\n7\n", "\n18446744073709551616\n"), 2, "shortest form"),
        ("beyond counting", NOTE.replace("\n7\n", "\n9223372036854775808\n"), 2, "2^63 - 1"),
        ("no size", NOTE.replace("\n7\n", "\n\n"), 2, "shortest form"),
        ("unpadded", NOTE.replace("q6s=\n", "q6s\n"), 3, "canonical base64"),
        ("trailing bits", NOTE.replace("q6s=\n", "q6t=\n"), 3, "canonical base64"),
        ("short root", NOTE.replace("q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", "q6s="), 3, "32 bytes"),
        ("extension", NOTE.replace("6s=\n\n", "6s=\nextra\n\n"), 4, "extension"),
        ("carriage return", NOTE.replace("\n7\n", "\n7\r\n"), 2, "control character"),
        ("hyphen for a dash", NOTE.replace('\u{2014}', "-"), 5, "signature line"),
        ("no newline", NOTE.trim_end().to_owned(), 5, "does not end"),
        ("twice", format!("{NOTE}{line}\n"), 5, "two signatures"),
        ("too many", format!("{NOTE}{}", format!("{line}\n").repeat(16)), 21, "too many"),
    ];
    for (name, note, expected_line, expected) in cases {
        match open(&note) {
            Err(CheckpointError::Malformed { line, reason }) => {
                assert_eq!(line, expected_line, "{name}: {reason}");
                assert!(reason.contains(expected), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(open(&format!("{NOTE}{}", "x".repeat(MAX_BYTES))), Err(CheckpointError::TooLong { .. })));
}

#[test]
fn verifier_keys_are_checked_whole() {
    let (rest, _) = VKEY.rsplit_once('+').unwrap();
    let weak = {
        let mut typed = [0; 33];
        typed[..2].copy_from_slice(&[1, 1]);
        BASE64.encode(typed)
    };
    for vkey in [
        "",
        "name",
        "name+00000000",
        &VKEY.replace("7c825bea", "7c825beb"),
        &VKEY.replace("7c825bea", "7C825BEA"),
        &VKEY.replace("ledger/test", "ledger/tests"),
        &VKEY.replace("+AQ", "+AA"),
        &format!("{VKEY}="),
        &format!("{rest}+AQ=="),
        &format!("{rest}+{weak}"),
    ] {
        assert!(NoteVerifier::parse(vkey).is_err(), "{vkey:?}");
    }
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb", &"a".repeat(256)] {
        assert!(NoteSigner::new(name, SigningKey::from_bytes(&[1; 32])).is_err(), "{name:?}");
    }
}

proptest! {
    #[test]
    fn signed_then_opened_is_the_same(size in 0..=MAX_SIZE, root in any::<Hash>(), name in "[a-z/.-]{1,40}") {
        let signer = signer(&name, 3);
        let checkpoint = Checkpoint { origin: name, size, root };
        let note = checkpoint.sign(&signer).unwrap();
        let verifier = NoteVerifier::parse(&signer.verifier().to_string()).unwrap();
        prop_assert_eq!(Checkpoint::open(note.as_bytes(), &verifier), Ok(checkpoint));
    }

    #[test]
    fn never_panics(bytes: Vec<u8>, text in "\\PC{0,80}", at in 0..NOTE.len(), splice: Vec<u8>) {
        let mut note = NOTE.as_bytes().to_vec();
        note.splice(at..at, splice);
        for bytes in [&bytes, &note] {
            let _ = Checkpoint::parse_unverified(bytes);
        }
        let _ = NoteVerifier::parse(&text);
    }
}
