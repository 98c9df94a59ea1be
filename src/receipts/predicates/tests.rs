use proptest::prelude::*;

use super::super::decimal::Decimal;
use super::super::hex;
use super::super::json::{self, Value};
use super::super::keys::{PublicKey, SecretKey};
use super::super::statement::{Statement, StatementError, tests::seal_as};
use super::*;

mod bounds;
mod kernels;
mod samples;

use samples::*;

/// Each change, made to what is valid, is refused with these words; with none it is accepted, and reads back.
fn check<P: Predicate + PartialEq + std::fmt::Debug>(valid: fn() -> P, words: &str, changes: &[&dyn Fn(&mut P)]) {
    for (at, change) in changes.iter().enumerate() {
        let mut changed = valid();
        change(&mut changed);
        let refused = changed.validate().err().map(|error| error.to_string());
        assert_eq!(refused, (!words.is_empty()).then(|| format!("predicate.{words}")), "change {at}");
        if words.is_empty() {
            assert!(read::<P>(&changed.body()) == Ok(changed), "change {at} reads back as something else");
        }
    }
}

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn a_benchmark_names_its_figures_and_holds_together() {
    use benchmark::*;
    assert_eq!(read::<Benchmark>(&benchmark().body()), Ok(benchmark()));
    let command = Benchmark {
        subject: Measured::Command { argv: vec!["llama-bench".into(), "-p".into()], sha256: [5; 32] },
        against: None,
        ..benchmark()
    };
    assert_eq!(read::<Benchmark>(&command.body()), Ok(command));
    let twice = Benchmark { measurements: vec![benchmark().measurements.remove(0); 2], ..benchmark() };
    assert_eq!(twice.body().get("decode"), Some(&Value::Null), "two settings have no one figure");
    let with = |change: &dyn Fn(&mut Benchmark)| {
        let mut changed = benchmark();
        change(&mut changed);
        changed
    };
    for bad in [
        with(&|b| b.measurements.clear()),
        with(&|b| b.measurements[0].samples.clear()),
        with(&|b| b.measurements[0].setting = 1),
        with(&|b| b.measurements[0].median = "34".parse().unwrap()),
        with(&|b| b.measurements[0].unit = "tok\u{1b}".into()),
        with(&|b| b.claims[0].verdict = Verdict::Failed),
        with(&|b| b.claims[0].verdict = Verdict::Inconclusive),
        with(&|b| b.against.as_mut().unwrap().comparisons[0].measurement = 2),
        with(&|b| b.subject = Measured::Command { argv: vec![], sha256: [0; 32] }),
        with(&|b| b.settings[0].prompt = Some(1 << 53)),
        with(&|b| b.machine.cpu = String::new()),
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    let mut body = benchmark().body();
    body.remove("decode");
    body.insert("decode", Value::Null);
    assert!(read::<Benchmark>(&body).unwrap_err().reason.contains("measurements"));
}

#[test]
fn a_trial_of_the_verifier_holds_together() {
    assert_eq!(read::<KernelTrial>(&kernel_trial().body()), Ok(kernel_trial()));
    let with = |change: &dyn Fn(&mut KernelTrial)| {
        let mut changed = kernel_trial();
        change(&mut changed);
        changed
    };
    let missed = with(&|t| {
        t.refused = 1;
        t.kernels[1].outcome = "verified".into();
        t.kernels[1].check = None;
    });
    assert!(missed.validate().is_ok() && !missed.passed(), "what was missed is told too");
    for bad in [
        with(&|t| t.runs = 0),
        with(&|t| t.refused = 3),
        with(&|t| t.refused = 1),
        with(&|t| t.accepted = 1),
        with(&|t| t.kernels[1].outcome = "verified".into()),
        with(&|t| t.kernels[0].outcome = "undecided".into()),
        with(&|t| t.kernels[0].outcome = "fine".into()),
        with(&|t| t.kernels.clear()),
        with(&|t| t.kernels[0].name = " ".into()),
        with(&|t| t.machine = "a\u{1b}".into()),
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
}

#[test]
fn verified_kernels_hold_together() {
    assert_eq!(read::<KernelVerification>(&kernels().body()), Ok(kernels()));
    let with = |change: &dyn Fn(&mut KernelVerification)| {
        let mut changed = kernels();
        change(&mut changed);
        changed
    };
    for bad in [
        with(&|k| k.self_test.refused = 39),
        with(&|k| k.self_test.accepted = 7),
        with(&|k| (k.self_test.wrong, k.self_test.refused) = (0, 0)),
        with(&|k| k.kernels.clear()),
        with(&|k| k.kernels[0].level = "skipped".into()),
        with(&|k| (k.kernels[0].counted, k.kernels[0].repeated) = (0, 0)),
        with(&|k| k.kernels[0].counted = 121),
        with(&|k| k.kernels[1].failures.clear()),
        with(&|k| k.kernels[0].failures = kernels().kernels[1].failures.clone()),
        with(&|k| k.kernels[0].level = "ran".into()),
        with(&|k| k.kernels[0].pairs = 241),
        with(&|k| k.kernels[0].edges_possible = Some(39)),
        with(&|k| k.claims[0].kernel = "rope".into()),
        with(&|k| k.claims[0].verdict = "true".into()),
        with(&|k| k.claims[0].figures[0].verdict = "inconclusive".into()),
        with(&|k| k.claims[0].figures[0].samples.clear()),
        with(&|k| k.claims[0].figures.clear()),
        with(&|k| k.claims[0].why = Some("roofline".into())),
        with(&|k| k.claims[0].threads = 0),
        with(&|k| k.effort = "some".into()),
        with(&|k| k.cpu = "a\u{1b}".into()),
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    // One that was made before claims and denominators were kept.
    let mut before = kernels();
    before.claims.clear();
    for kernel in &mut before.kernels {
        (kernel.edges_possible, kernel.pairs_possible) = (None, None);
    }
    let body = before.body();
    assert!(body.get("claims").is_none());
    assert_eq!(read::<KernelVerification>(&body), Ok(before));
    let mut body = kernels().body();
    body.remove("verdict");
    body.insert("verdict", "verified");
    assert!(read::<KernelVerification>(&body).is_err(), "one kernel was refused");
}

#[test]
fn the_form_of_an_answer_is_told_where_it_had_one() {
    for kind in [FormKind::Schema, FormKind::Grammar] {
        let formed = inference(Some(Form { kind, sha256: [8; 32] }));
        let payload = payload_of(&formed);
        assert_eq!(schema_check::valid(&schema_of(&payload), predicate_in(&payload)), Ok(()));
        assert_eq!(read::<Inference>(&formed.body()), Ok(formed));
        let text = predicate_in(&payload).to_canonical();
        let other = json::parse(text.replace(&format!("\"{}\"", kind.name()), "\"other\"").as_bytes()).unwrap();
        assert!(schema_check::valid(&schema_of(&payload), &other).is_err(), "{}", other.to_canonical());
        let Value::Object(other) = other else { panic!() };
        assert!(read::<Inference>(&other).is_err());
    }
    let free = inference(None);
    let payload = payload_of(&free);
    assert_eq!(schema_check::valid(&schema_of(&payload), predicate_in(&payload)), Ok(()));
    assert!(!predicate_in(&payload).to_canonical().contains("form\""), "receipts of free answers are as they were");
    assert_eq!(read::<Inference>(&free.body()), Ok(free));
}

#[test]
fn runs_of_tests_hold_together() {
    assert_eq!(read::<TestRun>(&test_run().body()), Ok(test_run()));
    for bad in [
        TestRun { part: 0, ..test_run() },
        TestRun { part: 3, ..test_run() },
        TestRun { killed: Some(1001), ..test_run() },
        TestRun { units: vec![([1; 12], 101)], ..test_run() },
        TestRun { tests: vec![[0; 12]; MOST_UNITS + 1], ..test_run() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    let mut body = test_run().body();
    body.remove("verdict");
    body.insert("verdict", "failed");
    assert!(read::<TestRun>(&body).is_err(), "no test failed");
    let mut body = test_run().body();
    body.remove("percent");
    body.insert("percent", "64");
    assert!(read::<TestRun>(&body).is_err(), "two units, one share");
    let full =
        TestRun { tests: vec![[9; 12]; MOST_UNITS / 2], units: vec![([8; 12], 50); MOST_UNITS / 2], ..test_run() };
    assert!(seal_as(&full).to_bytes().len() <= 65_535);
}

#[test]
fn what_was_made_of_texts_and_models_holds_together() {
    assert_eq!(read::<Embedding>(&embedding().body()), Ok(embedding()));
    for bad in [
        Embedding { texts: 0, truncated: 0, ..embedding() },
        Embedding { truncated: 3, ..embedding() },
        Embedding { pooling: "max".into(), ..embedding() },
        Embedding { load: "-1".parse().unwrap(), ..embedding() },
        Embedding { tokens: u64::MAX, ..embedding() },
        Embedding { model: EmbeddingModel { name: "a\nb".into(), ..embedding().model }, ..embedding() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    assert_eq!(read::<Quantization>(&quantization().body()), Ok(quantization()));
    for bad in [
        Quantization { quantised: 0, ..quantization() },
        Quantization { error: "-0.1".parse().unwrap(), ..quantization() },
        Quantization { worst_tensor: String::new(), ..quantization() },
        Quantization { kept: u64::MAX, ..quantization() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    let same = Quantization { made: quantization().source, ..quantization() };
    assert_eq!((quantization().subjects().len(), same.subjects().len()), (2, 1));
}

#[test]
fn measurements_of_entropy_hold_together() {
    assert_eq!(read::<Entropy>(&entropy().body()), Ok(entropy()));
    assert_eq!(read::<EntropyScope>(&entropy_scope().body()), Ok(entropy_scope()));
    for bad in [
        Entropy { h: "50.01".parse().unwrap(), ..entropy() },
        Entropy { v: "-1".parse().unwrap(), ..entropy() },
        Entropy { since: None, ..entropy() },
        Entropy { since: Some("main".into()), ..entropy() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    for bad in [
        EntropyScope { into: vec![" ".into()], ..entropy_scope() },
        EntropyScope { claim: "a\nb".into(), ..entropy_scope() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    assert!(EntropyBaseline { epoch: 0, reason: "first".into(), claims: 1 }.validate().is_err());
}

#[test]
fn decisions_say_no_and_hold_together() {
    assert_eq!(read::<GateDecision>(&decision().body()), Ok(decision()));
    for bad in [
        GateDecision { criteria: 0, met: 0, listed: vec![], ..decision() },
        GateDecision { met: 4, ..decision() },
        GateDecision { plan: " ".into(), ..decision() },
        GateDecision { rev: Some("main".into()), ..decision() },
        GateDecision {
            listed: vec![DecidedCriterion { outcome: "open".into(), ..decision().listed.remove(0) }],
            ..decision()
        },
        GateDecision { criteria: 90, listed: vec![decision().listed.remove(0); 65], ..decision() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    let other = DecidedCriterion { outcome: "met".into(), ..decision().listed.remove(0) };
    assert_ne!(GateDecision::digest_of(&[other]), decision().digest);
}

fn predicate_in(payload: &Value) -> &Value {
    let Value::Object(statement) = payload else { panic!() };
    statement.get("predicate").unwrap()
}

fn schema_of(payload: &Value) -> Value {
    let Value::Object(statement) = payload else { panic!() };
    let Some(Value::String(predicate_type)) = statement.get("predicateType") else { panic!() };
    let kind = KINDS.iter().find(|kind| kind.predicate_type == predicate_type).unwrap();
    json::parse(kind.schema.as_bytes()).unwrap()
}

#[test]
fn what_is_written_is_valid_by_its_schema_and_reads_back() {
    for payload in samples() {
        let predicate = predicate_in(&payload);
        assert_eq!(schema_check::valid(&schema_of(&payload), predicate), Ok(()), "{}", predicate.to_canonical());
        let bytes = payload.to_canonical().into_bytes();
        assert_eq!(Statement::parse(&bytes).unwrap().to_payload().unwrap(), bytes);
    }
    assert_eq!(read::<Attestation>(&attestation().body()), Ok(attestation()));
    for event in [
        KeyEvent::Init { key: key(1) },
        KeyEvent::Rotate { old: key(1), new: key(2) },
        KeyEvent::Revoke { key: key(3), reason: "old".into() },
    ] {
        assert_eq!(read::<KeyEvent>(&event.body()), Ok(event));
    }
    assert_eq!(read::<PolicyEvent>(&policy_event().body()), Ok(policy_event()));
}

/// Takes each member away, in turn, at every depth, and gives each another kind of value.
#[test]
fn what_is_altered_is_refused_by_schema_and_reader_alike() {
    let optional = ["claims", "score", "statement"];
    let mut altered = 0;
    for payload in samples() {
        let schema = schema_of(&payload);
        for (path, payload) in alterations(&payload) {
            let booleans = [
                "commands",
                "nowGiven",
                "against.sameOutput",
                "against.sameSession",
                "normalised",
                "correctness",
                "determinism",
            ];
            if booleans.iter().any(|member| path == format!("!predicate.{member}")) {
                continue; // one truth for another
            }
            if optional.iter().any(|member| path == format!("-predicate.{member}")) {
                continue;
            }
            altered += 1;
            let refused = Statement::parse(payload.to_canonical().as_bytes());
            assert!(matches!(refused, Err(StatementError::Shape(_))), "{path}: {refused:?}");
            let Value::Object(statement) = &payload else { continue };
            if let Some(predicate) = statement.get("predicate").filter(|_| path[1..].starts_with("predicate.")) {
                assert!(schema_check::valid(&schema, predicate).is_err(), "the schema lets {path} through");
            }
        }
    }
    assert!(altered > 300, "{altered}");
}

fn alterations(value: &Value) -> Vec<(String, Value)> {
    let Value::Object(object) = value else { return Vec::new() };
    let mut all = Vec::new();
    let replaced = |key: &str, value: Value| {
        let mut object = object.clone();
        object.remove(key);
        object.insert(key, value);
        Value::Object(object)
    };
    for (key, member) in object.iter() {
        let mut without = object.clone();
        without.remove(key);
        all.push((format!("-{key}"), Value::Object(without)));
        all.push((format!("!{key}"), replaced(key, Value::Bool(true))));
        all.push((format!("\"{key}"), replaced(key, Value::from(" \n"))));
        for (path, inner) in alterations(member) {
            all.push((format!("{}{key}.{}", &path[..1], &path[1..]), replaced(key, inner)));
        }
    }
    let mut more = object.clone();
    more.insert("extra", 1u32);
    all.push(("+extra".into(), Value::Object(more)));
    all
}

#[test]
fn values_beyond_the_schema_are_refused() {
    let score = |value: &str, of: &str| Attestation {
        score: Some(Score { value: value.parse().unwrap(), of: of.parse().unwrap() }),
        ..attestation()
    };
    for bad in [
        Attestation { role: "Lead".into(), ..attestation() },
        Attestation { role: String::new(), ..attestation() },
        Attestation { role: "a".repeat(65), ..attestation() },
        Attestation { statement: Some(" \n".into()), ..attestation() },
        Attestation { statement: Some("x".repeat(16_385)), ..attestation() },
        Attestation { statement: None, score: None, ..attestation() },
        score("5.01", "5"),
        score("-1", "5"),
        score("0", "0.0"),
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
        assert!(read::<Attestation>(&bad.body()).is_err(), "{bad:?}");
    }
    assert!(score("5.00", "5").validate().is_ok());

    assert!(KeyEvent::Rotate { old: key(1), new: key(1) }.validate().is_err());
    assert!(KeyEvent::Revoke { key: key(1), reason: " ".into() }.validate().is_err());
    let weak = Object::new().with("event", "init").with("key", format!("01{}", "0".repeat(62)));
    assert!(read::<KeyEvent>(&weak).unwrap_err().reason.contains("small order"));

    for bad in [
        PolicyEvent { previous: None, ..policy_event() },
        PolicyEvent { action: PolicyAction::Init, ..policy_event() },
        PolicyEvent { previous: Some([1; 32]), ..policy_event() },
        PolicyEvent { serial: 0, ..policy_event() },
        PolicyEvent { serial: 1 << 53, ..policy_event() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
}

#[test]
fn subjects_name_what_an_event_is_about() {
    let event = KeyEvent::Rotate { old: key(1), new: key(2) };
    let names: Vec<_> = event.subjects().iter().map(|subject| subject.name.clone()).collect();
    assert_eq!(names, [format!("key:{}", key(1).id()), format!("key:{}", key(2).id())]);
    assert_eq!(event.subjects()[0].digest("sha256"), Some(key(1).id().to_string().as_str()));
    assert_eq!(policy_event().subject().digest("sha256"), Some(hex::encode(&[1; 32]).as_str()));
}

#[test]
fn types_and_names() {
    for kind in KINDS {
        let name = name_of(kind.predicate_type).unwrap();
        assert_eq!(type_of(&name).as_deref(), Some(kind.predicate_type));
        assert!(json::parse(kind.schema.as_bytes()).is_ok());
    }
    assert_eq!(name_of("urn:bizra:predicate:gate-decision:v0.1").as_deref(), Some("gate-decision/v0.1"));
    for bad in ["", "urn:bizra:predicate:x", "urn:bizra:predicate:X:v0.1", "urn:bizra:predicate:x:v00.1", "x/v0.1"] {
        assert_eq!(name_of(bad), None, "{bad}");
    }
    assert_eq!(type_of("attestation"), None);
}

proptest! {
    #[test]
    fn bodies_read_back(role in "[a-z][a-z0-9-]{0,20}", statement in "\\PC{0,40}", value in 0u32..100, of in 0u32..100) {
        let score = Score { value: value.to_string().parse().unwrap(), of: of.to_string().parse().unwrap() };
        let attestation = Attestation { role, statement: Some(statement), score: Some(score) };
        let read = read::<Attestation>(&attestation.body());
        match attestation.validate() {
            Ok(()) => prop_assert_eq!(read, Ok(attestation)),
            Err(error) => prop_assert_eq!(read, Err(error)),
        }
    }

    #[test]
    fn readers_never_panic(value in json::tests::any_value()) {
        if let Value::Object(body) = &value {
            for kind in KINDS {
                let _ = (kind.check)(body);
            }
        }
        let _ = Statement::parse(value.to_canonical().as_bytes());
    }
}

impl Benchmark {
    /// A valid one, for the tests of whoever reads such receipts.
    pub(crate) fn example() -> Self {
        use benchmark::*;
        let decimal = |text: &str| text.parse().unwrap();
        let figure = |id: &str, unit: &str| Measurement {
            id: id.into(),
            setting: 0,
            unit: unit.into(),
            higher_is_better: true,
            median: decimal("35.5"),
            interval: Some((decimal("35.1"), decimal("36"))),
            samples: ["35.1", "35.2", "35.3", "35.5", "35.6", "35.8", "36"].map(decimal).to_vec(),
            warm_up: vec![decimal("20.25")],
            settled: true,
            limit: Some(("599 MB a token at 21.3 GB/s".into(), decimal("36.7"))),
        };
        Benchmark {
            subject: Measured::Model {
                name: "tiny.gguf".into(),
                sha256: [5; 32],
                bytes: 101_248,
                arch: "llama".into(),
                quant: "Q4_K+Q6_K".into(),
                parameters: 90_000,
            },
            machine: Machine {
                fingerprint: "linux-x86_64-0123456789abcdef".into(),
                cpu: "A processor".into(),
                system: "linux x86_64".into(),
                level: "avx512".into(),
                processors: 4,
                usable: 2,
                memory_bytes: 1 << 34,
                governor: Some("performance".into()),
            },
            plan: Plan {
                rounds: 10,
                window: 3,
                tolerance: decimal("0.05"),
                warm_up_limit: 30,
                precision: decimal("0.1"),
                seed: 0,
            },
            peaks: vec![Peak {
                threads: 2,
                bandwidth: decimal("21300000000"),
                integer: decimal("500000000000"),
                float: decimal("260000000000"),
            }],
            noise: Noise {
                steal: Some(decimal("0.001")),
                others: Some(decimal("0.05")),
                throttled: Some(0),
                least_mhz: Some(decimal("2500")),
                most_mhz: Some(decimal("2500")),
            },
            settings: vec![Setting {
                prompt: Some(512),
                generated: Some(128),
                depth: Some(0),
                batch: Some(1),
                threads: Some(2),
                kv: Some("f16".into()),
                output: Some([6; 32]),
            }],
            measurements: vec![figure("decode.tok_s", "tok/s"), figure("their.own", "tok/s")],
            remarks: vec!["energy: this machine has no counter that can be read".into()],
            against: Some(Against {
                receipt: [7; 32],
                same_session: true,
                same_output: Some(true),
                comparisons: vec![Comparison {
                    measurement: 0,
                    ratio: decimal("1.02"),
                    interval: Some((decimal("1.01"), decimal("1.03"))),
                    p: decimal("0.001"),
                    word: "faster".into(),
                }],
            }),
            claims: vec![Claim { text: "decode >= 35 tok/s".into(), verdict: Verdict::Passed }],
            verdict: Some(Verdict::Passed),
        }
    }
}
