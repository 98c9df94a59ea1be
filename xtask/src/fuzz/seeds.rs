//! What each fuzz target starts from: something whole, and something with the faults that are worth being near to.

use bizra::infer::gguf::Gguf;
use bizra::receipts::checkpoint::Checkpoint;
use bizra::receipts::envelope::Envelope;
use bizra::receipts::merkle::{Frontier, MAX_SIZE};
use bizra::receipts::pin::Pins;
use bizra::receipts::policy::{Entry, Policy};
use bizra::receipts::predicates::KeyEvent;
use bizra::receipts::statement::Draft;
use bizra::receipts::tiles;
use bizra::sys::ledger::Record;

use crate::samples;
use crate::tools::{self, Outcome};

pub(super) fn of(target: &str) -> Outcome<Vec<Vec<u8>>> {
    Ok(match target {
        "bundle" => vec![bundle(1)?, bundle(3)?, bundle(256)?, tiles::tile(&[[5; 32]; 256])],
        "checkpoint" => vec![note(7)?, note(MAX_SIZE)?, vkey()?],
        "envelope" => vec![envelope()?, b"[".repeat(500), br#"{"payload":1,"payload":2}"#.to_vec()],
        "frontier" => vec![frontier(5), format!("{MAX_SIZE}\n{}", lines(63)).into(), samples::header().encode()],
        "gguf" => ggufs()?,
        "key" => keys(),
        "pin" => vec![pin()?, b"bizra pin v1\n".to_vec()],
        "policy" => vec![policy()?],
        "safetensors" => vec![safetensors(&[8, 0]), safetensors(&[0, 8])],
        "statement" => statements()?,
        "template" => templates(),
        "tokenizer" => [" the gate  opens\n", "é<s>ﬁ\u{2581}", "<think>", TOKENIZER].map(Vec::from).to_vec(),
        "wal" => vec![wal()?, recipe([0, 0, 0, 0]), recipe([1, 9, 0x40, 3]), recipe([0, 200, 1, 1])],
        other => return Err(format!("the fuzz target {other} has no seeds: give it some in xtask/src/fuzz/seeds.rs")),
    })
}

/// The fixture, and all of it but the weights.
fn ggufs() -> Outcome<Vec<Vec<u8>>> {
    let whole = tools::read_file(&tools::root().join("fixtures/tiny.gguf"))?;
    let header = Gguf::parse(&whole).map_err(|cause| cause.to_string())?.data_start();
    Ok(vec![whole[..header as usize].to_vec(), whole[..64].to_vec(), whole])
}

/// Two numbers in one tensor, whose data lie where `range` says.
fn safetensors(range: &[usize; 2]) -> Vec<u8> {
    let header = format!(r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{range:?}}}}}"#);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend([0; 8]);
    file
}

const TOKENIZER: &str = r#"{"version":"1.0","model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"#;

fn templates() -> Vec<Vec<u8>> {
    [
        "{% for m in messages %}{{ bos_token }}[{{ m.role|upper }}] {{ m['content'].strip() }}\n{% endfor %}",
        "{%- set ns = namespace(n=0) -%}{% for m in messages if m.role == 'user' %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "{{ raise_exception('no') }}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(messages | tojson(indent=2)) }}{{ strftime_now('%d %b %Y') }}",
    ]
    .map(Vec::from)
    .to_vec()
}

fn envelope() -> Outcome<Vec<u8>> {
    let sealed = samples::draft(0)?.seal(&samples::stamp(0, None)?, &samples::writer());
    sealed.map(|sealed| sealed.envelope).map_err(|cause| cause.to_string())
}

fn bundle(count: usize) -> Outcome<Vec<u8>> {
    let mut entries = vec![b"an entry".to_vec(); count - 1];
    entries.push(envelope()?);
    tiles::bundle(&entries).map_err(|cause| cause.to_string())
}

fn note(size: u64) -> Outcome<Vec<u8>> {
    let checkpoint = Checkpoint { origin: samples::header().id().origin(), size, root: [6; 32] };
    checkpoint.sign(&samples::note_signer()?).map(String::into_bytes).map_err(|cause| cause.to_string())
}

fn vkey() -> Outcome<Vec<u8>> {
    Ok(samples::note_signer()?.verifier().to_string().into_bytes())
}

fn frontier(size: u8) -> Vec<u8> {
    let mut frontier = Frontier::default();
    (0..size).for_each(|leaf| frontier.push([leaf; 32]));
    frontier.encode().into_bytes()
}

fn lines(count: usize) -> String {
    format!("{}\n", "0f".repeat(32)).repeat(count)
}

fn keys() -> Vec<Vec<u8>> {
    let key = samples::writer();
    let public = key.public();
    let [pkcs8, openssh] = [key.to_pkcs8_pem().as_bytes().to_vec(), key.to_openssh("a comment").as_bytes().to_vec()];
    vec![pkcs8, openssh, public.to_pem().into_bytes(), public.to_openssh("a comment").into_bytes()]
}

fn pin() -> Outcome<Vec<u8>> {
    let verifier = samples::note_signer()?.verifier();
    let mut pins = Pins::default();
    for size in [7, 300] {
        pins.add(&verifier, &note(size)?, |_| true).map_err(|cause| cause.to_string())?;
    }
    Ok(pins.to_string().into_bytes())
}

fn policy() -> Outcome<Vec<u8>> {
    let entry = Entry {
        name: "Ada".into(),
        key: *samples::writer().public(),
        log: Some(samples::header().id().to_string()),
        roles: vec!["lead".into()],
        predicates: vec!["attestation/v0.1".into()],
        from: 1,
        until: Some(90),
        revoked_at: Some(80),
    };
    let signer = samples::writer();
    let policy = Policy { serial: 1, policy_keys: vec![*signer.public()], entries: vec![entry] };
    policy.sign(&signer).map(String::into_bytes).map_err(|cause| cause.to_string())
}

fn statements() -> Outcome<Vec<Vec<u8>>> {
    let event = KeyEvent::Revoke { key: *samples::writer().public(), reason: "lost".into() };
    let drafts = [samples::draft(0)?, Draft::new(event.subjects(), &event).map_err(|cause| cause.to_string())?];
    let mut payloads = vec![b"{\"a\":".repeat(300)];
    for draft in drafts {
        let sealed = draft.seal(&samples::stamp(0, None)?, &samples::writer()).map_err(|cause| cause.to_string())?;
        payloads.push(Envelope::parse(&sealed.envelope).map_err(|cause| cause.to_string())?.payload);
    }
    Ok(payloads)
}

fn wal() -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    for index in 0..3 {
        Record { index, time: 1, envelope: envelope()?, checkpoint: note(index + 1)? }.encode(&mut bytes);
    }
    Ok(bytes)
}

/// What the target `wal` makes records of.
fn recipe(head: [u8; 4]) -> Vec<u8> {
    [&head[..], &[b'x'; 200]].concat()
}
