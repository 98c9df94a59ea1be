use proptest::prelude::*;

use super::super::keys::SecretKey;
use super::super::statement::tests::{approval, seal_as, signer};
use super::*;

struct Broken(SecretKey);

impl Signer for Broken {
    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.0.sign(&message[1..])
    }
}

fn receipt() -> String {
    String::from_utf8(seal_as(&approval()).to_bytes()).unwrap()
}

fn sig_of(receipt: &str) -> &str {
    let (_, rest) = receipt.split_once(BEFORE_SIG).unwrap();
    rest.strip_suffix(END).unwrap()
}

/// The example of DSSE's protocol description.
#[test]
fn pre_authentication_encoding() {
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    // Lengths count bytes, not characters.
    assert_eq!(pae("é", "€".as_bytes()), "DSSEv1 2 é 3 €".as_bytes());
}

/// The same key, payload and signature made by Python's `cryptography`.
#[test]
fn agrees_with_another_implementation() {
    let envelope = Envelope::sign(b"{}".to_vec(), &signer()).unwrap();
    assert_eq!(String::from_utf8(envelope.to_bytes()).unwrap(), PYTHON_ENVELOPE);
    assert_eq!(envelope.id().to_string(), PYTHON_ID);
    assert_eq!(Envelope::parse(PYTHON_ENVELOPE.as_bytes()).unwrap(), envelope);
}

#[test]
fn each_fault_has_its_code() {
    let good = receipt();
    let sig = sig_of(&good);
    let one = format!(r#"{{"keyid":"{}","sig":"{sig}"}}"#, signer().public().id());
    let with_sig = |bytes: &[u8]| good.replace(sig, &BASE64.encode(bytes));
    let url_safe = sig.replace('+', "-").replace('/', "_");
    for (name, bytes, code) in [
        ("white space", good.replace("\",\"", "\", \""), Code::EnvelopeNoncanonical),
        ("newline at the end", format!("{good}\n"), Code::EnvelopeNoncanonical),
        (
            "key order",
            good.replace(&one, &format!(r#"{{"sig":"{sig}","keyid":"{}"}}"#, signer().public().id())),
            Code::EnvelopeNoncanonical,
        ),
        ("an escape", good.replace("vnd.in", "vnd\\u002ein"), Code::EnvelopeNoncanonical),
        ("unpadded", good.replace("==\"", "\""), Code::EnvelopeNoncanonical),
        ("url-safe base64", good.replace(sig, &url_safe), Code::EnvelopeNoncanonical),
        ("a member more", good.replace("\"}]}", "\",\"x\":1}]}"), Code::EnvelopeNoncanonical),
        (
            "a member less",
            good.replace(&format!("\"keyid\":\"{}\",", signer().public().id()), ""),
            Code::EnvelopeNoncanonical,
        ),
        ("upper-case keyid", good.replace("\"keyid\":\"a", "\"keyid\":\"A"), Code::EnvelopeNoncanonical),
        ("duplicate key", good.replace("{\"payload\":", "{\"payload\":\"\",\"payload\":"), Code::EnvelopeNoncanonical),
        ("no JSON", "DSSE".into(), Code::EnvelopeNoncanonical),
        ("nothing", String::new(), Code::EnvelopeNoncanonical),
        ("too long", format!("{good}{}", " ".repeat(MAX_BYTES)), Code::EnvelopeNoncanonical),
        ("another type", good.replace("vnd.in-toto", "vnd.other"), Code::PayloadType),
        ("no signature", good.replace(&one, ""), Code::SignatureCount),
        ("two signatures", good.replace(&one, &format!("{one},{one}")), Code::SignatureCount),
        ("a short signature", with_sig(&[1; 63]), Code::SigInvalid),
        ("a long signature", with_sig(&[1; 65]), Code::SigInvalid),
        ("an empty signature", with_sig(&[]), Code::SigInvalid),
    ] {
        assert_ne!(bytes, good, "{name}");
        let error = Envelope::parse(bytes.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    assert!(Envelope::parse(good.as_bytes()).is_ok());
}

#[test]
fn an_envelope_fits_a_log_entry() {
    let of = |payload: usize| Envelope::sign(vec![b' '; payload], &signer()).unwrap().to_bytes();
    let largest = (MAX_BYTES - of(0).len()) / 4 * 3;
    assert!(Envelope::parse(&of(largest)).is_ok());
    assert!(matches!(Envelope::parse(&of(largest + 1)), Err(EnvelopeError::TooLong { .. })));
}

#[test]
fn trailing_bits_of_base64_are_refused() {
    let good = receipt();
    let sig = sig_of(&good);
    let last = sig.trim_end_matches('=').chars().last().unwrap();
    // 64 bytes leave four unused bits in the last character, which are zero in the canonical spelling.
    assert!("AQgw".contains(last));
    let other = char::from(last as u8 + 1);
    let altered = good.replace(sig, &sig.replace(&format!("{last}=="), &format!("{other}==")));
    assert_ne!(altered, good);
    assert_eq!(Envelope::parse(altered.as_bytes()).unwrap_err().code(), Code::EnvelopeNoncanonical);
}

#[test]
fn signature_faults_have_reasons() {
    let good = Envelope::parse(receipt().as_bytes()).unwrap();
    assert_eq!(good.verify(signer().public()), Ok(()));
    let fault = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = good.clone();
        change(&mut envelope);
        match envelope.verify(signer().public()) {
            Err(EnvelopeError::Signature(fault)) => fault.name(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(&|envelope| envelope.payload.push(b' ')), "mismatch");
    assert_eq!(fault(&|envelope| envelope.signature[40] ^= 1), "mismatch");
    assert_eq!(fault(&|envelope| envelope.signature[..32].fill(0)), "r-invalid");
    assert_eq!(fault(&|envelope| envelope.signature[..32].fill(0xff)), "r-invalid");
    // S plus the group's order: the same signature to a lenient verifier.
    assert_eq!(fault(&|envelope| add_order(&mut envelope.signature)), "s-noncanonical");

    let stranger = SecretKey::from_seed(&[9; 32]);
    assert_eq!(good.verify(stranger.public()).unwrap_err().code(), Code::KeyidMismatch);
}

fn add_order(signature: &mut [u8; 64]) {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}

#[test]
fn a_signer_that_lies_is_found_out() {
    assert_eq!(Envelope::sign(b"{}".to_vec(), &Broken(signer())), Err(SignError::Wrong));
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = receipt().into_bytes();
    let public = *signer().public();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 7);
        let verdict = Envelope::parse(&bytes).and_then(|envelope| envelope.verify(&public));
        assert!(verdict.is_err(), "byte {at}");
        assert!(Envelope::parse(&good[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn written_then_read_is_the_same(payload: Vec<u8>, seed: [u8; 32]) {
        let envelope = Envelope::sign(payload, &SecretKey::from_seed(&seed)).unwrap();
        prop_assert_eq!(Envelope::parse(&envelope.to_bytes()), Ok(envelope));
    }

    #[test]
    fn what_is_accepted_has_one_spelling(bytes: Vec<u8>, at: prop::sample::Index, splice in prop::collection::vec(any::<u8>(), 0..4)) {
        let _ = Envelope::parse(&bytes);
        let mut mutated = PYTHON_ENVELOPE.as_bytes().to_vec();
        let at = at.index(mutated.len());
        mutated.splice(at..(at + splice.len()).min(PYTHON_ENVELOPE.len()), splice);
        if let Ok(envelope) = Envelope::parse(&mutated) {
            prop_assert_eq!(envelope.to_bytes(), mutated);
        }
    }
}

const PYTHON_ENVELOPE: &str = r#"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5","sig":"dWG98CPWh3lAzt/mxzJ7Nc6Avgf2tjap4msM5gNmMV9Lpu+TWkZMk3lP/u6Su450zcqkLQw21MTZfwU07XgjCw=="}]}"#;
const PYTHON_ID: &str = "4842cb1ba6fed6e460d8a0d56f6b64ccf1f1e11f7714a7f282080d5780251b63";
