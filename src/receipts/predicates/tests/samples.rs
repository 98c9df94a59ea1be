//! A valid predicate of each kind, for tests to change.

use super::*;

pub(super) fn key(seed: u8) -> PublicKey {
    *SecretKey::from_seed(&[seed; 32]).public()
}

pub(super) fn attestation() -> Attestation {
    Attestation {
        role: "lead".into(),
        statement: Some("Reviewed, and it holds.".into()),
        score: Some(Score { value: "4.5".parse().unwrap(), of: "5".parse().unwrap() }),
    }
}

pub(super) fn policy_event() -> PolicyEvent {
    PolicyEvent { action: PolicyAction::Add, serial: 2, policy: [1; 32], previous: Some([2; 32]) }
}

pub(super) fn decision() -> GateDecision {
    let listed = vec![DecidedCriterion { id: "tests".into(), outcome: "failed".into(), receipts: vec![[3; 32]] }];
    GateDecision {
        plan: "omega".into(),
        phase: "genesis".into(),
        policy: "2 of 3".into(),
        passed: false,
        now: "2026-01-31T12:00:00.000Z".parse().unwrap(),
        now_given: true,
        rev: Some("a".repeat(40)),
        trust: Some([4; 32]),
        criteria: 3,
        met: 1,
        commands: false,
        digest: GateDecision::digest_of(&listed),
        listed,
    }
}

pub(super) fn benchmark() -> Benchmark {
    Benchmark::example()
}

pub(super) fn test_run() -> TestRun {
    TestRun {
        run: [5; 32],
        part: 1,
        parts: 2,
        passed: 7,
        failed: 0,
        skipped: 1,
        killed: Some(875),
        units: vec![([1; 12], 100), ([2; 12], 40)],
        tests: vec![[3; 12]],
    }
}

pub(super) fn claim() -> KernelClaim {
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    let baseline = ClaimBaseline { name: "naive".into(), ratio: number("2.1"), low: number("2"), high: number("2.2") };
    let figure = ClaimFigure {
        shape: "R=1,N=512".into(),
        asked: ">= 2".into(),
        verdict: "supported".into(),
        estimate: Some(number("2.1")),
        low: Some(number("2.03")),
        high: Some(number("2.2")),
        samples: vec![number("2.1"), number("2.11")],
        seconds: Some(number("0.00042")),
        roof: vec![number("0.4")],
        baselines: vec![baseline],
    };
    KernelClaim {
        kernel: "softmax".into(),
        id: "fast".into(),
        text: "twice as fast".into(),
        grammar: "ratio >= 2 over naive".into(),
        verdict: "supported".into(),
        check: None,
        why: None,
        threads: 1,
        cold: false,
        program: [2; 32],
        committed: [8; 32],
        secret: [9; 32],
        controls: Some(ClaimControls {
            processes: 10,
            low: number("0.995"),
            high: number("1.004"),
            delayed: number("1.05"),
        }),
        figures: vec![figure],
    }
}

pub(super) fn kernels() -> KernelVerification {
    let own = KernelSelfTest { receipt: Some([7; 32]), refused: 40, wrong: 40, accepted: 8, honest: 8 };
    let verified = VerifiedKernel {
        id: "softmax".into(),
        op: "softmax".into(),
        backend: "cpu".into(),
        outcome: "verified".into(),
        level: "ran-on-device".into(),
        on: Some("some processor".into()),
        manifest: [1; 32],
        code: Some([2; 32]),
        made: vec![KernelArtefact { what: "MSL".into(), by: "naga 30".into(), sha256: [5; 32] }],
        cases: 120,
        counted: 110,
        repeated: 2,
        edges: 40,
        edges_possible: Some(41),
        probes: 5,
        pairs: 230,
        pairs_possible: Some(240),
        random_shapes: 4,
        worst: "0.41".parse().unwrap(),
        against_plain: "1.02".parse().unwrap(),
        failures: vec![],
    };
    let failure = KernelFailure { case: "softmax/R=1".into(), stage: "correctness".into(), message: "g1".into() };
    let refused = VerifiedKernel { outcome: "refused".into(), code: None, failures: vec![failure], ..verified.clone() };
    KernelVerification {
        effort: "quick".into(),
        correctness: true,
        determinism: true,
        committed: [3; 32],
        seed: [4; 8],
        self_test: own,
        cpu: "some processor".into(),
        system: "linux".into(),
        isa: "avx2".into(),
        not_contained: vec!["Landlock".into()],
        kernels: vec![verified, refused],
        claims: vec![claim()],
    }
}

pub(super) fn kernel_trial() -> KernelTrial {
    let one = |name: &str, honest: bool, outcome: &str, check: Option<&str>| TriedKernel {
        name: name.into(),
        op: "matmul".into(),
        honest,
        outcome: outcome.into(),
        check: check.map(str::to_owned),
    };
    KernelTrial {
        runs: 2,
        committed: [3; 32],
        seed: [4; 8],
        wrong: 2,
        refused: 2,
        honest: 2,
        accepted: 2,
        machine: "0f".repeat(16),
        cpu: "some processor".into(),
        kernels: vec![
            one("product-double", true, "verified", None),
            one("product-zeros", false, "refused", Some("g1")),
        ],
    }
}

pub(super) fn entropy() -> Entropy {
    Entropy::example()
}

pub(super) fn entropy_scope() -> EntropyScope {
    EntropyScope { baseline: [6; 32], claim: "p/A".into(), into: vec!["p/A1".into()], reason: "split".into() }
}

pub(super) fn inference(form: Option<Form>) -> Inference {
    let decimal = |text: &str| text.parse().unwrap();
    let text = |byte: u8| Text { commitment: [byte; 32], tokens_commitment: [byte + 1; 32], tokens: 3 };
    Inference {
        model: Model { name: "tiny.gguf".into(), sha256: [5; 32], bytes: 9, arch: "llama".into() },
        tokenizer: [6; 32],
        template: None,
        clock: None,
        prompt: text(1),
        output: text(3),
        parameters: Parameters {
            temperature: decimal("0"),
            top_k: 0,
            top_p: decimal("1"),
            min_p: decimal("0"),
            typical: decimal("1"),
            repetition: decimal("1"),
            presence: decimal("0"),
            frequency: decimal("0"),
            lookback: 64,
            bias: vec![],
            seed: 7,
            max_tokens: Some(9),
            stops: vec![],
            context: 512,
            form,
        },
        engine: Engine { level: "avx2".into(), threads: 2, chunk: 9, kv: "f16".into() },
        finish: Finish::Eos,
        timings: Timings { prompt: decimal("1.5"), first_token: decimal("2"), decode: decimal("3") },
    }
}

pub(super) fn embedding() -> Embedding {
    Embedding {
        model: EmbeddingModel { name: "all-MiniLM-L6-v2".into(), sha256: [7; 32], bytes: 90_868_376, dimensions: 384 },
        texts: 2,
        tokens: 300,
        truncated: 1,
        limit: 256,
        texts_commitment: [1; 32],
        vectors_commitment: [2; 32],
        pooling: "mean".into(),
        normalised: true,
        batch: 32,
        load: "81.25".parse().unwrap(),
        embed: "12.5".parse().unwrap(),
    }
}

pub(super) fn quantization() -> Quantization {
    let file = |name: &str, bytes| ModelFile { name: name.into(), sha256: [9; 32], bytes };
    Quantization {
        source: file("m-f16.gguf", 2_000_000),
        made: file("m-q8_0.gguf", 1_100_000),
        format: "Q8_0".into(),
        quantised: 40,
        kept: 12,
        error: "0.0054".parse().unwrap(),
        worst: "0.0061".parse().unwrap(),
        worst_tensor: "blk.0.attn_q.weight".into(),
    }
}

pub(super) fn payload_of<P: Predicate>(predicate: &P) -> Value {
    json::parse_canonical(&seal_as(predicate).payload).unwrap()
}

pub(super) fn samples() -> Vec<Value> {
    let without_score = Attestation { score: None, ..attestation() };
    let without_words = Attestation { statement: None, ..attestation() };
    let first_policy = PolicyEvent { action: PolicyAction::Init, serial: 1, previous: None, ..policy_event() };
    vec![
        payload_of(&attestation()),
        payload_of(&without_score),
        payload_of(&without_words),
        payload_of(&KeyEvent::Init { key: key(1) }),
        payload_of(&KeyEvent::Rotate { old: key(1), new: key(2) }),
        payload_of(&KeyEvent::Revoke { key: key(1), reason: "lost with the laptop".into() }),
        payload_of(&first_policy),
        payload_of(&policy_event()),
        payload_of(&benchmark()),
        payload_of(&kernels()),
        payload_of(&KernelVerification { claims: vec![], ..kernels() }),
        payload_of(&KernelVerification {
            claims: vec![KernelClaim {
                verdict: "inconclusive".into(),
                check: Some("controls".into()),
                why: Some("too noisy".into()),
                controls: None,
                figures: vec![],
                ..claim()
            }],
            ..kernels()
        }),
        payload_of(&kernel_trial()),
        payload_of(&KernelTrial { kernels: vec![kernel_trial().kernels.remove(0)], ..kernel_trial() }),
        payload_of(&Benchmark { against: None, claims: vec![], verdict: None, ..benchmark() }),
        payload_of(&decision()),
        payload_of(&GateDecision { rev: None, trust: None, ..decision() }),
        payload_of(&test_run()),
        payload_of(&TestRun { killed: None, failed: 1, ..test_run() }),
        payload_of(&entropy()),
        payload_of(&Entropy { baseline: None, delta: None, since: None, scatter: None, ..entropy() }),
        payload_of(&EntropyBaseline { epoch: 1, reason: "first".into(), claims: 3 }),
        payload_of(&entropy_scope()),
        payload_of(&embedding()),
        payload_of(&quantization()),
    ]
}
