//! What each fuzz target starts from: something whole, and something with the faults that are worth being near to.

use std::path::Path;

use bizra::infer::gguf::Gguf;
use bizra::kernel::builtin;
use bizra::receipts::checkpoint::Checkpoint;
use bizra::receipts::envelope::Envelope;
use bizra::receipts::merkle::{Frontier, MAX_SIZE};
use bizra::receipts::pin::Pins;
use bizra::receipts::policy::{Entry, Policy};
use bizra::receipts::predicates::KeyEvent;
use bizra::receipts::statement::Draft;
use bizra::receipts::tiles;
use bizra::roadmap::render;
use bizra::sys::ledger::Record;
use bizra::sys::plans;

use crate::samples;
use crate::tools::{self, Outcome};

pub(super) fn of(target: &str) -> Outcome<Vec<Vec<u8>>> {
    Ok(match target {
        "bundle" => vec![bundle(1)?, bundle(3)?, bundle(256)?, tiles::tile(&[[5; 32]; 256])],
        "claim" => texts(&CLAIMS),
        "document" => vec![document()?, DOCUMENT.into()],
        "encoder" => texts(&ENCODER),
        "grammar" => vec![file("fixtures/verdict.schema.json")?, GRAMMAR.into(), b"true".to_vec()],
        "listing" => texts(&LISTINGS),
        "manifest" => builtin::MANIFESTS.iter().map(|(_, text)| text.as_bytes().to_vec()).collect(),
        "plan" => vec![file("roadmap/bizra.yaml")?, file("sprints/next.yaml")?, PLAN.into()],
        "report" => texts(&REPORTS),
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

fn file(path: &str) -> Outcome<Vec<u8>> {
    tools::read_file(&tools::root().join(path))
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const CLAIMS: [&str; 12] = [
    "decode >= 20 tok/s",
    "prefill(512) >= 3x, decode > 1.5x",
    "ratio >= 2.0 over candle-naive@0.11.1 on S>=1024",
    "ratio in [2,4] over naive on S=512..8192 at S=2048, D=64",
    "gap < 10% vs receipt:01JQ-x_9 on all",
    "(sum(hours) - 1.5) * 12 / count(item[phase=genesis])",
    "Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M@main",
    "matmul/M=3,N=17,K=64/q8_0/normal/plain/t2/9f3a",
    "8GiB",
    "-1200.50",
    "speed: ([0-9.]+)",
    "src/**/?o*.rs\nsrc/a/foo.rs",
];

/// A plan as Markdown, so that it can be imported again.
fn document() -> Outcome<Vec<u8>> {
    let yaml = file("roadmap/omega.yaml")?;
    let told = |problems: Vec<bizra::error::Error>| format!("roadmap/omega.yaml: {}", problems[0]);
    let loaded = plans::read(Path::new("omega.yaml"), &yaml).map_err(told)?;
    Ok(render::markdown(&loaded.plan, &loaded.tree).into_bytes())
}

const DOCUMENT: &str = "# Plan\n\n## Phase 1: Ground (weeks 1-2)\n\n| ID | Name | Priority | Hours | Status |\n|---|---|---|---|---|\n\
| P1-ARCH-001 | A \\| B | P0 | 40 | \u{2705} |\n\n- [x] done\n  - nested: `code`\n\n```\nfence\n```\n> quote\n\n1. one\n";

const PLAN: &str = "bizra: sprint/v1\nid: s\ntitle: S\ntimezone: Asia/Riyadh\nstart: 2026-02-01\nitems:\n  - {id: A-1, title: a, status: doing, \
owner: ada, progress: 40%}\n  - &b {id: A-2, title: b, needs: [A-1]}\nx-own: {a: [1, 2.50, ~]} # bizra: allow BZ301 why\n";

const ENCODER: [&str; 4] = [
    r#"{"vocab_size":16,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":8,"max_position_embeddings":12,"hidden_act":"gelu","type_vocab_size":2,"model_type":"bert"}"#,
    r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{}},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"a":1,"##b":2}}}"###,
    r#"{"max_seq_length":12,"do_lower_case":false,"word_embedding_dimension":8,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true}"#,
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n##s\n",
];

const GRAMMAR: &str = "start: verdict (\",\" verdict)* WS?\nverdict: \"open\" | \"shut \" NUMBER\nNUMBER: /[0-9]+(\\.[0-9]{1,2})?/\n\
WS: /[ \\n]+/\nobject: %json {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"maxLength\": 3}}}\n";

const LISTINGS: [&str; 3] = [
    r#"{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a/model-q4_0.gguf","size":7,"blobId":"0123456789abcdef0123456789abcdef01234567","lfs":{"sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","size":7}},{"rfilename":"config.json"}]}"#,
    "version = 1\n\n[[file]]\nrepo = \"a/b\"\nrevision = \"0123456789abcdef0123456789abcdef01234567\"\nfile = \"m.gguf\"\n\
sha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\nbytes = 7\n",
    "color = \"auto\"\ntz = \"Asia/Riyadh\"\npacked-cache = \"8GiB\"\nledger = \"../l\"\nno-receipt = true\n",
];

const REPORTS: [&str; 8] = [
    "TN:\nSF:src/a.rs\nFN:1,f\nFNDA:3,f\nDA:1,3\nDA:2,0\nLF:2\nLH:1\nend_of_record\n",
    "<?xml version=\"1.0\"?><coverage><packages><package><classes><class filename='a'><lines><line number='1' hits='1'/></lines></class></classes></package></packages></coverage>",
    "<testsuites><testsuite><testcase classname=\"c\" name=\"a\"/><testcase name=\"b\"><failure/></testcase><testcase name=\"d\"><skipped/></testcase></testsuite></testsuites>",
    r#"{"type":"llvm.coverage.json.export","version":"3.0.1","data":[{"files":[{"filename":"a","segments":[[1,1,3,true,true,false],[4,2,0,false,false,false]]}]}]}"#,
    r#"{"outcomes":[{"scenario":{"Mutant":{}},"summary":"CaughtMutant"},{"scenario":"Baseline","summary":"Success"}],"total_mutants":1,"caught":1,"missed":0,"unviable":0,"timeout":0}"#,
    "| model | size | params | backend | threads | test | t/s |\n|---|---:|---:|---|---:|---:|---:|\n| llama 1B Q4_0 | 606 MiB | 1.10 B | CPU | 2 | pp512 | 90.11 \u{b1} 0.52 |\n",
    "build_commit,model_filename,n_prompt,n_gen,avg_ts,stddev_ts,samples_ts\n\"a\",\"m.gguf\",\"512\",\"0\",\"90.1\",\"0.5\",\"\"\n",
    "eval time = 100.0 ms / 10 runs ( 10.0 ms per token, 100.0 tokens per second)\n",
];

/// The fixture, and all of it but the weights.
fn ggufs() -> Outcome<Vec<Vec<u8>>> {
    let whole = file("fixtures/tiny.gguf")?;
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
