use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::receipts::keys::SecretKey;

/// A folder of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bizra-agent-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Answer = fn(&[u8]) -> Vec<u8>;

fn secret() -> SecretKey {
    SecretKey::from_seed(&[5; 32])
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn key_blob(key: &PublicKey) -> Vec<u8> {
    [string(b"ssh-ed25519"), string(key.as_bytes())].concat()
}

fn identities_answer() -> Vec<u8> {
    let rsa = [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&[7; 256])].concat();
    let weak = [string(b"ssh-ed25519"), string(&[0; 32])].concat();
    let keys = [
        [string(&rsa), string(b"other")].concat(),
        [string(&weak), string(b"weak")].concat(),
        [string(&key_blob(secret().public())), string(b"mine")].concat(),
    ];
    [vec![12], 3u32.to_be_bytes().to_vec(), keys.concat()].concat()
}

/// Speaks the agent's side: lists its keys, signs what it is asked to sign.
fn honest(request: &[u8]) -> Vec<u8> {
    match request[0] {
        11 => string(&identities_answer()),
        13 => {
            let blob = key_blob(secret().public());
            let head = [vec![13], string(&blob)].concat();
            let rest = request.strip_prefix(&head[..]).unwrap();
            let message = &rest[4..rest.len() - 4];
            assert_eq!(rest, [string(message), vec![0; 4]].concat());
            let signature = secret().sign(message).unwrap();
            string(&[vec![14], string(&[string(b"ssh-ed25519"), string(&signature)].concat())].concat())
        }
        other => panic!("request {other}"),
    }
}

/// Runs `ask` against an agent that answers `connections` requests with `answer`.
fn with_agent<T>(connections: usize, answer: Answer, ask: impl FnOnce(&Agent) -> T) -> T {
    let folder = Folder::new();
    let agent = Agent { socket: folder.0.join("agent"), timeout: Duration::from_secs(5) };
    let listener = UnixListener::bind(&agent.socket).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut request = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(&answer(&request)).unwrap();
            }
        });
        ask(&agent)
    })
}

fn sign_with(answer: Answer) -> Result<[u8; 64], SignError> {
    with_agent(1, answer, |agent| AgentSigner { agent: agent.clone(), key: *secret().public() }.sign(b"message"))
}

#[test]
fn lists_and_signs() {
    let expected = Identity { key: *secret().public(), comment: "mine".into() };
    assert_eq!(with_agent(1, honest, Agent::identities), Ok(vec![expected]));
    let signed = with_agent(2, honest, |agent| agent.signer(*secret().public()).unwrap().sign(b"message"));
    assert_eq!(signed, secret().sign(b"message"));
    let stranger = *SecretKey::from_seed(&[6; 32]).public();
    assert!(matches!(with_agent(1, honest, |agent| agent.signer(stranger)), Err(SignError::Unavailable(_))));
}

#[test]
fn a_bad_agent_is_refused() {
    assert!(matches!(sign_with(|_| string(&[5])), Err(SignError::Refused(_))));
    let wrong = |_: &[u8]| string(&[vec![14], string(&[string(b"ssh-ed25519"), string(&[0; 64])].concat())].concat());
    assert_eq!(sign_with(wrong), Err(SignError::Wrong));
    let nonsense: [(Answer, &str); 7] = [
        (|_| vec![], "hung up"),
        (|_| vec![0, 0], "hung up"),
        (|_| vec![0, 0, 0, 9, 14], "hung up"),
        (|_| vec![0xff; 4], "claims to have 4294967295 bytes"),
        (|_| vec![0; 4], "claims to have 0 bytes"),
        (|_| string(&[99]), "neither a signature nor a refusal"),
        (|_| string(&[14, 0, 0, 0, 9]), "ends too early"),
    ];
    for (answer, expected) in nonsense {
        let error = sign_with(answer).unwrap_err();
        assert!(matches!(error, SignError::Unavailable(_)) && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_silent_or_absent_agent_is_not_waited_for() {
    let folder = Folder::new();
    let agent = Agent { socket: folder.0.join("agent"), timeout: Duration::from_millis(50) };
    assert!(agent.identities().unwrap_err().to_string().contains("ssh-agent at"));
    let _silent = UnixListener::bind(&agent.socket).unwrap();
    assert!(agent.identities().unwrap_err().to_string().contains("no answer within 50 ms"));
}

proptest! {
    #[test]
    fn readers_never_panic(bytes: Vec<u8>, at: prop::sample::Index, to: u8) {
        let mut mutated = identities_answer();
        let at = at.index(mutated.len());
        mutated[at] = to;
        for bytes in [&bytes, &mutated] {
            let _ = wire::read_identities(bytes);
            let _ = wire::read_signature(bytes);
        }
    }
}
