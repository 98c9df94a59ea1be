//! What receipts of runs, decisions and measurements may say, up to each of their bounds.

use super::*;
use crate::receipts::statement::Subject;
use benchmark::{Measured, Verdict};

const MOST: u64 = json::MAX_INTEGER as u64;
const WORDS: &str = "expected 1 to 256 bytes without control characters";

fn no_word() -> [String; 3] {
    [String::new(), long(257), "a\u{1b}".into()]
}

fn answer() -> Inference {
    inference(None)
}

#[test]
fn an_inference_is_accepted_up_to_its_bounds() {
    let clock = decision().now;
    check(
        answer,
        "",
        &[
            &|i| (i.model.name, i.model.arch) = (long(256), long(256)),
            &|i| (i.engine.level, i.engine.kv) = (long(256), long(256)),
            &|i| (i.template, i.clock) = (Some([9; 32]), Some(clock)),
            &|i| i.parameters.stops = vec![long(1024); 32],
            &|i| i.parameters.stops = vec!["\n".into()],
            &|i| i.parameters.bias = vec![(7, None); 512],
            &|i| i.parameters.bias = vec![(MOST, Some("-1.5".parse().unwrap()))],
            &|i| (i.engine.threads, i.engine.chunk) = (1, 1),
            &|i| i.timings.prompt = "0".parse().unwrap(),
            &|i| (i.model.bytes, i.prompt.tokens, i.output.tokens) = (MOST, MOST, MOST),
            &|i| (i.parameters.top_k, i.parameters.lookback, i.parameters.context) = (MOST, MOST, MOST),
            &|i| (i.engine.threads, i.engine.chunk, i.parameters.max_tokens) = (MOST, MOST, Some(MOST)),
            &|i| (i.parameters.max_tokens, i.parameters.seed) = (None, u64::MAX),
            &|i| i.finish = Finish::Stop,
            &|i| i.finish = Finish::Length,
            &|i| i.finish = Finish::Repetition,
            &|i| i.finish = Finish::Interrupted,
        ],
    );
}

#[test]
fn an_inference_is_refused_beyond_its_bounds() {
    for bad in no_word() {
        check(answer, &format!("model.name: {WORDS}"), &[&|i| i.model.name.clone_from(&bad)]);
        check(answer, &format!("model.arch: {WORDS}"), &[&|i| i.model.arch.clone_from(&bad)]);
        check(answer, &format!("engine.level: {WORDS}"), &[&|i| i.engine.level.clone_from(&bad)]);
        check(answer, &format!("engine.kv: {WORDS}"), &[&|i| i.engine.kv.clone_from(&bad)]);
    }
    let clock = decision().now;
    check(
        answer,
        "clock: stands with a template, and only there",
        &[&|i| i.template = Some([9; 32]), &|i| i.clock = Some(clock)],
    );
    check(
        answer,
        "parameters.stops: at most 32, each of 1 to 1024 bytes",
        &[
            &|i| i.parameters.stops = vec!["x".into(); 33],
            &|i| i.parameters.stops = vec!["x".into(), String::new()],
            &|i| i.parameters.stops = vec![long(1025)],
        ],
    );
    check(answer, "parameters.bias: at most 512 tokens", &[&|i| i.parameters.bias = vec![(7, None); 513]]);
    check(answer, "engine: threads and chunk count from 1", &[&|i| i.engine.threads = 0, &|i| i.engine.chunk = 0]);
    check(
        answer,
        "timings: no time is negative",
        &[&|i| i.timings.prompt = "-1".parse().unwrap(), &|i| i.timings.first_token = "-1".parse().unwrap(), &|i| {
            i.timings.decode = "-0.1".parse().unwrap()
        }],
    );
    check(
        answer,
        "parameters: a count is beyond 2^53 - 1",
        &[
            &|i| i.parameters.bias = vec![(7, None), (MOST + 1, None)],
            &|i| i.model.bytes = MOST + 1,
            &|i| i.prompt.tokens = MOST + 1,
            &|i| i.output.tokens = MOST + 1,
            &|i| i.parameters.top_k = MOST + 1,
            &|i| i.parameters.lookback = MOST + 1,
            &|i| i.parameters.context = MOST + 1,
            &|i| i.engine.threads = MOST + 1,
            &|i| i.engine.chunk = MOST + 1,
            &|i| i.parameters.max_tokens = Some(MOST + 1),
        ],
    );
}

#[test]
fn an_inference_names_its_model_and_the_hash_of_its_vocabulary() {
    let notes = Subject::of_bytes("notes.md", b"hello");
    let names: Vec<String> = answer().subjects(vec![notes]).into_iter().map(|subject| subject.name).collect();
    assert_eq!(names, ["notes.md", "model:tiny.gguf"]);
    let digest = digest_of_vocabulary(["ab", "", "c"].into_iter());
    let same = Subject::of_bytes("v", b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0c");
    assert_eq!(same.digest("sha256"), Some(hex::encode(&digest).as_str()));
}

#[test]
fn a_decision_is_accepted_up_to_its_bounds() {
    check(
        decision,
        "",
        &[
            &|d| (d.plan, d.phase, d.policy) = (long(200), long(200), long(200)),
            &|d| (d.passed, d.commands, d.now_given) = (true, true, false),
            &|d| (d.criteria, d.met) = (MOST, MOST),
            &|d| (d.criteria, d.met) = (1, 1),
            &|d| d.met = 0,
            &|d| d.rev = Some("0".repeat(64)),
            &|d| d.rev = None,
            &|d| d.trust = None,
            &|d| d.listed.clear(),
            &|d| (d.criteria, d.listed) = (64, vec![d.listed[0].clone(); 64]),
            &|d| d.listed[0].id = long(256),
            &|d| d.listed[0].outcome = "met".into(),
            &|d| d.listed[0].outcome = "pending".into(),
            &|d| d.listed[0].outcome = "untrusted".into(),
            &|d| d.listed[0].receipts.clear(),
            &|d| d.listed[0].receipts = vec![[1; 32]; 4],
        ],
    );
}

#[test]
fn a_decision_is_refused_beyond_its_bounds() {
    let words = "expected 1 to 200 bytes without control characters";
    for bad in [String::new(), " ".into(), long(201), "a\n".into()] {
        check(decision, &format!("plan: {words}"), &[&|d| d.plan.clone_from(&bad)]);
        check(decision, &format!("phase: {words}"), &[&|d| d.phase.clone_from(&bad)]);
        check(decision, &format!("policy: {words}"), &[&|d| d.policy.clone_from(&bad)]);
    }
    check(
        decision,
        "criteria: a gate has criteria, and no more are met than there are",
        &[&|d| (d.criteria, d.met, d.listed) = (0, 0, vec![]), &|d| d.criteria = MOST + 1, &|d| d.met = 4],
    );
    check(
        decision,
        "rev: expected a full git commit id",
        &[
            &|d| d.rev = Some("a".repeat(39)),
            &|d| d.rev = Some("a".repeat(41)),
            &|d| d.rev = Some("a".repeat(65)),
            &|d| d.rev = Some("z".repeat(40)),
        ],
    );
    check(
        decision,
        "listed: more than 64, or more than there are",
        &[&|d| (d.criteria, d.listed) = (65, vec![d.listed[0].clone(); 65]), &|d| {
            (d.criteria, d.listed) = (3, vec![d.listed[0].clone(); 4])
        }],
    );
    check(
        decision,
        "listed: expected an id and an outcome",
        &[&|d| d.listed[0].id = " ".into(), &|d| d.listed[0].id = long(257), &|d| d.listed[0].outcome = "open".into()],
    );
    check(decision, "listed: at most 4 receipts are named", &[&|d| d.listed[0].receipts = vec![[1; 32]; 5]]);
}

#[test]
fn a_decision_lists_what_it_has_room_for_and_binds_all() {
    let many = vec![DecidedCriterion { receipts: vec![[1; 32]; 5], ..decision().listed.remove(0) }; 65];
    let listed = GateDecision::listing(&many);
    assert_eq!((listed.len(), listed[0].receipts.len()), (64, 4));
    assert_eq!(GateDecision::listing(&decision().listed), decision().listed);
    let met = DecidedCriterion { id: "docs".into(), outcome: "met".into(), receipts: vec![] };
    let digest = GateDecision::digest_of(&[decision().listed.remove(0), met]);
    let text = format!("tests failed {}\ndocs met\n", "03".repeat(32));
    assert_eq!(Subject::of_bytes("d", text.as_bytes()).digest("sha256"), Some(hex::encode(&digest).as_str()));
}

#[test]
fn entropy_is_accepted_up_to_its_bounds_and_refused_beyond() {
    let bits = |text: &str| text.parse::<Decimal>().unwrap();
    check(
        entropy,
        "",
        &[
            &|e| e.h = bits("50.00"),
            &|e| (e.h, e.p, e.v, e.ceiling) = (bits("0"), bits("0"), bits("0"), bits("0")),
            &|e| e.scatter = None,
            &|e| e.scatter = Some(bits("0")),
            &|e| (e.delta, e.since) = (None, None),
            &|e| e.since = Some("0".repeat(64)),
            &|e| e.baseline = None,
            &|e| e.now_given = true,
        ],
    );
    check(entropy, "h: bits are not below zero", &[&|e| e.h = bits("-1")]);
    check(entropy, "p: bits are not below zero", &[&|e| e.p = bits("-1")]);
    check(entropy, "v: bits are not below zero", &[&|e| e.v = bits("-1")]);
    check(entropy, "ceiling: bits are not below zero", &[&|e| e.ceiling = bits("-1")]);
    check(entropy, "scatter: bits are not below zero", &[&|e| e.scatter = Some(bits("-1"))]);
    check(entropy, "h: no more can be uncertain than there is", &[&|e| e.h = bits("50.001")]);
    check(entropy, "since: a change is a change since a commit", &[&|e| e.since = None, &|e| e.delta = None]);
    check(
        entropy,
        "since: expected a full git commit id",
        &[&|e| e.since = Some("b".repeat(39)), &|e| e.since = Some("b".repeat(63)), &|e| {
            e.since = Some("z".repeat(40))
        }],
    );
}

#[test]
fn what_entropy_is_measured_against_has_bounds_too() {
    let first = || EntropyBaseline { epoch: 1, reason: "first".into(), claims: 3 };
    check(first, "", &[&|b| (b.epoch, b.claims) = (MOST, MOST), &|b| b.claims = 0, &|b| b.reason = "é".repeat(200)]);
    check(first, "epoch: epochs are counted from 1", &[&|b| b.epoch = 0, &|b| b.epoch = MOST + 1]);
    check(first, "claims: too many", &[&|b| b.claims = MOST + 1]);
    let words = "expected 1 to 200 characters without control characters";
    check(
        entropy_scope,
        "",
        &[&|s| (s.claim, s.reason) = (long(200), long(200)), &|s| s.into = vec![long(200); 64], &|s| s.into.clear()],
    );
    for bad in [String::new(), " ".into(), long(201), "a\n".into()] {
        check(first, &format!("reason: {words}"), &[&|b| b.reason.clone_from(&bad)]);
        check(entropy_scope, &format!("claim: {words}"), &[&|s| s.claim.clone_from(&bad)]);
        check(entropy_scope, &format!("reason: {words}"), &[&|s| s.reason.clone_from(&bad)]);
        check(entropy_scope, "into: expected at most 64 claims", &[&|s| s.into.push(bad.clone())]);
    }
    check(entropy_scope, "into: expected at most 64 claims", &[&|s| s.into = vec!["a".into(); 65]]);
    assert_eq!(entropy_scope().subject(), Subject::of_bytes("claim:p/A", b"p/A"));
}

fn command() -> Benchmark {
    Benchmark { subject: Measured::Command { argv: vec!["make".into(), "it".into()], sha256: [5; 32] }, ..benchmark() }
}

fn argv(benchmark: &mut Benchmark) -> &mut Vec<String> {
    match &mut benchmark.subject {
        Measured::Command { argv, .. } => argv,
        Measured::Model { .. } => panic!("a model has no arguments"),
    }
}

fn model(benchmark: &mut Benchmark) -> [&mut String; 3] {
    match &mut benchmark.subject {
        Measured::Model { name, arch, quant, .. } => [name, arch, quant],
        Measured::Command { .. } => panic!("a command is no model"),
    }
}

/// Every count of a benchmark that JSON has to hold.
fn counts(benchmark: &mut Benchmark) -> Vec<&mut u64> {
    let Measured::Model { bytes, parameters, .. } = &mut benchmark.subject else { panic!() };
    let (machine, plan, setting) = (&mut benchmark.machine, &mut benchmark.plan, &mut benchmark.settings[0]);
    let mut all = vec![bytes, parameters, &mut benchmark.peaks[0].threads];
    all.extend([&mut machine.processors, &mut machine.usable, &mut machine.memory_bytes]);
    all.extend([&mut plan.rounds, &mut plan.window, &mut plan.warm_up_limit]);
    all.extend(&mut benchmark.noise.throttled);
    let settings =
        [&mut setting.prompt, &mut setting.generated, &mut setting.depth, &mut setting.batch, &mut setting.threads];
    all.extend(settings.into_iter().flatten());
    all
}

#[test]
fn a_benchmark_is_accepted_up_to_its_bounds() {
    check(
        benchmark,
        "",
        &[
            &|b| (b.machine.fingerprint, b.machine.cpu) = (long(256), long(256)),
            &|b| (b.machine.system, b.machine.level, b.machine.governor) = (long(256), long(256), Some(long(256))),
            &|b| b.machine.governor = None,
            &|b| model(b).into_iter().for_each(|word| *word = long(256)),
            &|b| counts(b).into_iter().for_each(|count| *count = MOST),
            &|b| counts(b).into_iter().for_each(|count| *count = 0),
            &|b| b.plan.seed = u64::MAX,
            &|b| b.peaks = vec![b.peaks[0].clone(); 4096],
            &|b| b.settings = vec![b.settings[0].clone(); 4096],
            &|b| b.measurements = vec![b.measurements[0].clone(); 4096],
            &|b| b.remarks = vec!["r".into(); 4096],
            &|b| b.measurements.truncate(1),
            &|b| (b.measurements[1].id, b.measurements[1].unit) = (long(256), long(256)),
            &|b| b.measurements[0].limit.as_mut().unwrap().0 = long(256),
            &|b| b.measurements[0].limit = None,
            &|b| {
                b.settings.push(b.settings[0].clone());
                b.measurements[0].setting = 1;
            },
            &|b| b.measurements[0].interval = None,
            &|b| b.measurements[0].median = "35.10".parse().unwrap(),
            &|b| b.measurements[0].median = "36".parse().unwrap(),
            &|b| b.measurements[0].warm_up.clear(),
            &|b| b.settings[0].kv = Some(long(256)),
            &|b| b.settings[0].kv = None,
            &|b| (b.remarks, b.claims[0].text) = (vec![long(1024)], long(1024)),
            &|b| b.against.as_mut().unwrap().comparisons[0].measurement = 1,
            &|b| b.against.as_mut().unwrap().comparisons[0].word = long(256),
            &|b| b.against.as_mut().unwrap().same_output = None,
            &|b| b.verdict = None,
            &|b| b.verdict = Some(Verdict::Failed),
            &|b| (b.claims[0].verdict, b.verdict) = (Verdict::Failed, Some(Verdict::Failed)),
            &|b| (b.claims[0].verdict, b.verdict) = (Verdict::Inconclusive, Some(Verdict::Inconclusive)),
            &|b| (b.claims[0].verdict, b.verdict) = (Verdict::Inconclusive, Some(Verdict::Failed)),
        ],
    );
    check(
        command,
        "",
        &[
            &|b| argv(b).truncate(1),
            &|b| *argv(b) = vec!["a".into(); 256],
            &|b| argv(b)[0] = long(1000),
            &|b| argv(b)[1] = long(4096),
            &|b| argv(b)[1] = "\n".into(),
            &|b| argv(b)[1].clear(),
        ],
    );
}

#[test]
fn a_benchmark_is_refused_beyond_its_bounds() {
    let words = "expected words of 1 to 256 bytes without control characters";
    let sentences = "remarks: expected sentences of 1 to 1024 bytes without control characters";
    let known = "against.comparisons: expected figures of this receipt and a word";
    for bad in no_word() {
        check(
            benchmark,
            &format!("machine: {words}"),
            &[
                &|b| b.machine.fingerprint.clone_from(&bad),
                &|b| b.machine.cpu.clone_from(&bad),
                &|b| b.machine.system.clone_from(&bad),
                &|b| b.machine.level.clone_from(&bad),
                &|b| b.machine.governor = Some(bad.clone()),
            ],
        );
        check(
            benchmark,
            &format!("subject: {words}"),
            &[&|b| model(b)[0].clone_from(&bad), &|b| model(b)[1].clone_from(&bad), &|b| model(b)[2].clone_from(&bad)],
        );
        check(
            benchmark,
            &format!("measurements[1]: {words}"),
            &[&|b| b.measurements[1].id.clone_from(&bad), &|b| b.measurements[1].unit.clone_from(&bad), &|b| {
                b.measurements[1].limit.as_mut().unwrap().0.clone_from(&bad)
            }],
        );
        check(benchmark, &format!("settings: {words}"), &[&|b| b.settings[0].kv = Some(bad.clone())]);
        check(benchmark, known, &[&|b| b.against.as_mut().unwrap().comparisons[0].word.clone_from(&bad)]);
    }
    for bad in [String::new(), long(1025), "a\n".into()] {
        check(benchmark, sentences, &[&|b| b.remarks.push(bad.clone()), &|b| b.claims[0].text.clone_from(&bad)]);
    }
    check(benchmark, known, &[&|b| b.against.as_mut().unwrap().comparisons[0].measurement = 2]);
    check(
        command,
        "subject.argv: expected a program and at most 255 arguments of at most 4096 bytes",
        &[
            &|b| argv(b).clear(),
            &|b| *argv(b) = vec!["a".into(); 257],
            &|b| argv(b)[0].clear(),
            &|b| argv(b)[0] = long(1001),
            &|b| argv(b)[0] = "a\n".into(),
            &|b| argv(b)[1] = long(4097),
            &|b| argv(b)[1] = "\0".into(),
        ],
    );
    check(
        benchmark,
        "measurements: expected at least one figure, and at most 4096",
        &[
            &|b| b.measurements.clear(),
            &|b| b.measurements = vec![b.measurements[0].clone(); 4097],
            &|b| b.peaks = vec![b.peaks[0].clone(); 4097],
            &|b| b.settings = vec![b.settings[0].clone(); 4097],
            &|b| b.remarks = vec!["r".into(); 4097],
        ],
    );
    check(benchmark, "measurements[1].setting: there is no such setting", &[&|b| b.measurements[1].setting = 1]);
    let none = "measurements[1].samples: a figure without samples is none";
    check(benchmark, none, &[&|b| b.measurements[1].samples.clear()]);
    check(
        benchmark,
        "measurements[0].ci95: the median lies outside of its interval",
        &[&|b| b.measurements[0].median = "35.09".parse().unwrap(), &|b| {
            b.measurements[0].median = "36.01".parse().unwrap()
        }],
    );
    check(
        benchmark,
        "verdict: a claim failed, so the whole did",
        &[
            &|b| b.claims[0].verdict = Verdict::Failed,
            &|b| (b.claims[0].verdict, b.verdict) = (Verdict::Failed, Some(Verdict::Inconclusive)),
            &|b| (b.claims[0].verdict, b.verdict) = (Verdict::Failed, None),
        ],
    );
    check(
        benchmark,
        "verdict: a claim is inconclusive, so the whole did not pass",
        &[&|b| b.claims[0].verdict = Verdict::Inconclusive, &|b| {
            (b.claims[0].verdict, b.verdict) = (Verdict::Inconclusive, None)
        }],
    );
    for at in 0..counts(&mut benchmark()).len() {
        check(benchmark, "settings: a count is beyond 2^53 - 1", &[&|b| *counts(b)[at] = MOST + 1]);
    }
}

#[test]
fn a_benchmark_is_about_its_model_or_its_program() {
    assert_eq!(benchmark().subjects(), [Subject::sha256("model:tiny.gguf", [5; 32])]);
    assert_eq!(command().subjects(), [Subject::sha256("command:make", [5; 32])]);
}
