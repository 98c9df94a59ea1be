use proptest::prelude::*;

use super::*;

/// RFC 8410, section 10: its private key, and the public key belonging to it.
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const SPKI: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";
/// The same key as Python's `cryptography` writes and names it.
const OPENSSH_LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh";
const KEY_ID: &str = "a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f";

/// Made by ssh-keygen for this test, and used nowhere else.
const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACCGhJfbWUTsL40rU3QBjGQMypRZJV1iFbw3rePH2rtVTQAAAJDEVGoQxFRq
EAAAAAtzc2gtZWQyNTUxOQAAACCGhJfbWUTsL40rU3QBjGQMypRZJV1iFbw3rePH2rtVTQ
AAAEAOgWTgvQ/yAuA6dzZecZHGgKFgO2UjK30PsYqT2CLHlYaEl9tZROwvjStTdAGMZAzK
lFklXWIVvDet48fau1VNAAAABmEgdGVzdAECAwQFBgc=
-----END OPENSSH PRIVATE KEY-----
";
const OPENSSH_SEED: &str = "0e8164e0bd0ff202e03a77365e7191c680a1603b65232b7d0fb18a93d822c795";
const OPENSSH_LOCKED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAZ6IjfC5
ptc4tECe9JbVluAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIABnK3kdOVNTg0/e
OtlFSqcFS/7LIM7yHm+Jat/xL1k3AAAAkP/Oar+Qm0dEDsaQ4qksCpNjUmxLoBPfxbifgb
z/wiDR1wlaLxYvenS6L97WOJk8tjvi4Z/x//bwgMu7yVwx6PvDkex2pu3V/Rk/DtWA47cX
Ob7lAuXmL+Lpx1rODkCdwdrfDSGOEKa3FHl6+5RPiB+yLwq9DXe16O8DGgKUPDsaa/i+1S
f2LJJxnxUeh6u6Ow==
-----END OPENSSH PRIVATE KEY-----
";
const X25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIDidlDLQzAPbdoix534YKzJObqerZ4o7NTEGkdUDmdxw
-----END PRIVATE KEY-----
";

/// The key of the seed 00 01 .. 1f plus the point of order 2.
const MIXED_ORDER: &str = "ea5ef8400c31ef41e28f22e718b43f66981b29cf645af2a0e223799bedaace47";
/// y = p + 3, which names the same point as y = 3.
const NON_CANONICAL: &str = "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
const TORSION_SIGNATURE: &str = "63e34e3fd7d42545d7afa294255b34c04b553c95c010a83fd78e8a4652c5e7be\
04b39f37ff5d12a29694b2cdef4aea24c822d72bb0155d7958f6a16e3b8fc408";

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap()
}

#[test]
fn reads_and_writes_what_peers_do() {
    let secret = SecretKey::read(PKCS8.as_bytes()).unwrap();
    assert_eq!(secret.to_pkcs8_pem().as_str(), PKCS8);
    let public = secret.public();
    assert_eq!(public.to_pem(), SPKI);
    assert_eq!(public.to_openssh(""), OPENSSH_LINE);
    assert_eq!(public.to_openssh("a\nb"), format!("{OPENSSH_LINE} ab"));
    assert_eq!(public.id().to_string(), KEY_ID);
    assert_eq!(PublicKey::read(SPKI).as_ref(), Ok(public));
    assert_eq!(PublicKey::read(&format!("{OPENSSH_LINE} someone\n")).as_ref(), Ok(public));
    assert_eq!(KEY_ID.parse(), Ok(public.id()));

    let ssh = SecretKey::read(OPENSSH.as_bytes()).unwrap();
    assert_eq!(ssh.public(), SecretKey::from_seed(&bytes(OPENSSH_SEED)).public());
    let again = SecretKey::read(ssh.to_openssh("a test").as_bytes()).unwrap();
    assert_eq!(again.public(), ssh.public());
}

#[test]
fn unfit_files_are_named() {
    let reads = |text: &str| SecretKey::read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(SecretKey::read(OPENSSH_LOCKED.as_bytes()).unwrap_err(), KeyError::Encrypted);
    assert_eq!(
        SecretKey::read(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----")
            .unwrap_err(),
        KeyError::Encrypted
    );
    for (text, expected) in [
        ("", "begins with no PEM line"),
        ("ssh-ed25519 AAAA", "begins with no PEM line"),
        (SPKI, "\"PUBLIC KEY\" as a private key"),
        (X25519, "not a valid Ed25519 private key in PKCS#8"),
        (&PKCS8.replace("EdVhC", "EdVh"), "not a valid Ed25519 private key in PKCS#8"),
        (&OPENSSH.replace("H2rtVTQAAAJDE", "H2rtVUQAAAJDE"), "not a valid OpenSSH private key"),
    ] {
        assert!(reads(text).contains(expected), "{text}: {}", reads(text));
    }
    for text in ["", "ssh-ed25519", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ", PKCS8, &OPENSSH_LINE[..60], &SPKI[..60]] {
        assert!(PublicKey::read(text).is_err(), "{text}");
    }
}

#[test]
fn only_keys_of_the_prime_order_group_get_in() {
    // y = 1 is the neutral element, y = -1 the point of order 2; the third has order 8.
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [one, minus_one, bytes("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")] {
        assert_eq!(PublicKey::from_bytes(&weak), Err(KeyError::Weak));
    }
    let mixed = bytes(MIXED_ORDER);
    assert_eq!(PublicKey::from_bytes(&mixed), Err(KeyError::MixedOrder));
    assert_eq!(PublicKey::from_bytes(&bytes(NON_CANONICAL)), Err(KeyError::NonCanonical));
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(PublicKey::from_bytes(&two), Err(KeyError::NotAPoint));

    let line = ssh_key::PublicKey::from(ssh_key::public::Ed25519PublicKey(mixed)).to_openssh().unwrap();
    assert_eq!(PublicKey::read(&line), Err(KeyError::MixedOrder));
}

/// A signature whose R carries the point of order 2: a verifier that multiplies by the cofactor takes it.
#[test]
fn torsion_in_a_signature_is_refused() {
    let secret = SecretKey::from_seed(&std::array::from_fn(|at| at as u8));
    assert!(!secret.public().verify(b"torsion", &bytes(TORSION_SIGNATURE)));
    assert!(secret.public().verify(b"torsion", &secret.sign(b"torsion").unwrap()));
}

/// R is the neutral element and S fits it, so the equation holds: only a strict verifier looks at R itself.
#[test]
fn a_signature_with_a_small_order_r_is_refused() {
    let public = *SecretKey::from_seed(&std::array::from_fn(|at| at as u8)).public();
    let mut signature = [0; 64];
    signature[0] = 1;
    signature[32..].copy_from_slice(&bytes::<32>("5e03ff0004dccac31a87cb4394472a8f282af34f4f630c5440610e4e4e7bc501"));
    let lenient = ed25519_dalek::Verifier::verify(&public.key, b"torsion", &Signature::from_bytes(&signature));
    assert!(lenient.is_ok());
    assert!(!public.verify(b"torsion", &signature));
}

#[test]
fn debug_shows_no_secret() {
    let secret = SecretKey::from_seed(&bytes(OPENSSH_SEED));
    assert_eq!(format!("{secret:?}"), format!("SecretKey(of {})", secret.public().id()));
}

proptest! {
    #[test]
    fn files_read_back(seed: [u8; 32], comment in "[ -~]{0,20}") {
        let secret = SecretKey::from_seed(&seed);
        let public = *secret.public();
        let read = |text: &str| *SecretKey::read(text.as_bytes()).unwrap().public();
        prop_assert_eq!(read(&secret.to_pkcs8_pem()), public);
        prop_assert_eq!(read(&secret.to_openssh(&comment)), public);
        prop_assert_eq!(PublicKey::read(&public.to_pem()), Ok(public));
        prop_assert_eq!(PublicKey::read(&public.to_openssh(&comment)), Ok(public));
        prop_assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public));
    }

    #[test]
    fn never_panics(text in "\\PC{0,60}", at: prop::sample::Index, to in 0u8..128, seed: [u8; 32]) {
        let _ = SecretKey::read(text.as_bytes());
        let _ = PublicKey::read(&text);
        let _ = PublicKey::from_bytes(&seed);
        for file in [PKCS8, SPKI, OPENSSH, OPENSSH_LOCKED, OPENSSH_LINE] {
            let mut mutated = file.as_bytes().to_vec();
            let at = at.index(mutated.len());
            mutated[at] = to;
            let _ = SecretKey::read(&mutated);
            let _ = PublicKey::read(std::str::from_utf8(&mutated).unwrap());
        }
    }
}
