//! What receipts about kernels may say, up to each of their bounds.

use super::*;

const MOST: u64 = json::MAX_INTEGER as u64;

#[test]
fn a_verification_is_accepted_up_to_its_bounds() {
    check(
        kernels,
        "",
        &[
            &|k| k.effort = "full".into(),
            &|k| (k.cpu, k.system, k.isa) = (long(256), long(256), long(256)),
            &|k| k.self_test.receipt = None,
            &|k| k.self_test = KernelSelfTest { receipt: None, refused: 1, wrong: 1, accepted: 1, honest: 1 },
            &|k| k.not_contained.clear(),
            &|k| k.not_contained = vec![long(256); 16],
            &|k| k.kernels = vec![k.kernels[0].clone(); 128],
            &|k| k.kernels[1].id = long(200),
            &|k| (k.kernels[0].op, k.kernels[0].backend) = (long(32), long(32)),
            &|k| k.kernels[0].on = None,
            &|k| k.kernels[0].on = Some(long(256)),
            &|k| (k.kernels[0].cases, k.kernels[0].counted) = (MOST, MOST),
            &|k| (k.kernels[0].repeated, k.kernels[0].probes, k.kernels[0].random_shapes) = (MOST, MOST, MOST),
            &|k| (k.kernels[0].edges, k.kernels[0].edges_possible) = (MOST, Some(MOST)),
            &|k| (k.kernels[0].pairs, k.kernels[0].pairs_possible) = (MOST, Some(MOST)),
            &|k| (k.kernels[0].edges, k.kernels[0].edges_possible) = (MOST, None),
            &|k| (k.kernels[0].pairs, k.kernels[0].pairs_possible) = (MOST, None),
            &|k| (k.kernels[0].counted, k.kernels[0].repeated) = (1, 0),
            &|k| (k.kernels[0].counted, k.kernels[0].repeated) = (0, 1),
            &|k| (k.kernels[0].counted, k.kernels[0].repeated) = (2, 2),
            &|k| k.kernels[0].level = "parsed".into(),
            &|k| k.kernels[0].level = "compiled".into(),
            &|k| k.kernels[0].level = "ran-emulated".into(),
            &|k| (k.kernels[0].outcome, k.kernels[0].level) = ("skipped".into(), "skipped".into()),
            &|k| (k.kernels[0].outcome, k.kernels[0].counted, k.kernels[0].repeated) = ("undecided".into(), 0, 0),
            &|k| (k.kernels[1].level, k.kernels[1].counted, k.kernels[1].repeated) = ("skipped".into(), 0, 0),
            &|k| k.kernels[0].made.clear(),
            &|k| {
                k.kernels[0].made = vec![KernelArtefact { what: long(64), by: long(64), sha256: [0; 32] }; 16];
            },
            &|k| {
                k.kernels[1].failures =
                    vec![KernelFailure { case: long(512), stage: long(32), message: long(1024) }; 3];
            },
        ],
    );
}

#[test]
fn a_verification_is_refused_beyond_its_bounds() {
    let words = "expected 1 to 256 bytes without control characters";
    for bad in [String::new(), " ".into(), long(257), "a\u{1b}".into()] {
        check(kernels, &format!("cpu: {words}"), &[&|k| k.cpu.clone_from(&bad)]);
        check(kernels, &format!("system: {words}"), &[&|k| k.system.clone_from(&bad)]);
        check(kernels, &format!("isa: {words}"), &[&|k| k.isa.clone_from(&bad)]);
        let short = "notContained: at most 16 short texts";
        check(kernels, short, &[&|k| k.not_contained = vec!["Landlock".into(), bad.clone()]]);
        let on = "kernels: expected a short name of what it ran on";
        check(kernels, on, &[&|k| k.kernels[1].on = Some(bad.clone())]);
    }
    check(kernels, "notContained: at most 16 short texts", &[&|k| k.not_contained = vec!["a".into(); 17]]);
    check(kernels, "effort: expected quick or full", &[&|k| k.effort = "fast".into(), &|k| k.effort.clear()]);
    check(
        kernels,
        "selfTest: a verifier that missed one of its own kernels signs nothing",
        &[
            &|k| k.self_test.refused -= 1,
            &|k| k.self_test.accepted -= 1,
            &|k| (k.self_test.wrong, k.self_test.refused) = (0, 0),
            &|k| (k.self_test.honest, k.self_test.accepted) = (0, 0),
        ],
    );
    check(
        kernels,
        "selfTest: a count is beyond 2^53 - 1",
        &[&|k| (k.self_test.refused, k.self_test.wrong) = (MOST + 1, MOST + 1), &|k| {
            (k.self_test.accepted, k.self_test.honest) = (MOST + 1, MOST + 1)
        }],
    );
    check(
        kernels,
        "kernels: 1 to 128 of them",
        &[&|k| k.kernels.clear(), &|k| k.kernels = vec![k.kernels[0].clone(); 129]],
    );
    check(
        kernels,
        "kernels: expected an id, an operation and a backend",
        &[
            &|k| k.kernels[1].id = " ".into(),
            &|k| k.kernels[1].id = long(201),
            &|k| k.kernels[1].op.clear(),
            &|k| k.kernels[1].op = long(33),
            &|k| k.kernels[1].backend.clear(),
            &|k| k.kernels[1].backend = long(33),
        ],
    );
    check(
        kernels,
        "kernels: an outcome or a level that is not known",
        &[&|k| k.kernels[0].outcome = "fine".into(), &|k| k.kernels[0].level = "ran".into()],
    );
    check(
        kernels,
        "kernels: no more cases count than were run",
        &[
            &|k| k.kernels[0].counted = k.kernels[0].cases + 1,
            &|k| k.kernels[0].cases = MOST + 1,
            &|k| (k.kernels[0].cases, k.kernels[0].counted) = (MOST + 1, MOST + 1),
            &|k| k.kernels[0].repeated = MOST + 1,
            &|k| (k.kernels[0].edges, k.kernels[0].edges_possible) = (MOST + 1, None),
            &|k| k.kernels[0].probes = MOST + 1,
            &|k| (k.kernels[0].pairs, k.kernels[0].pairs_possible) = (MOST + 1, None),
            &|k| k.kernels[0].random_shapes = MOST + 1,
        ],
    );
    check(
        kernels,
        "kernels: more is covered than there is",
        &[
            &|k| k.kernels[0].edges_possible = Some(39),
            &|k| k.kernels[0].pairs_possible = Some(229),
            &|k| k.kernels[0].edges_possible = Some(MOST + 1),
            &|k| k.kernels[0].pairs_possible = Some(MOST + 1),
        ],
    );
    check(
        kernels,
        "kernels: what was refused has 1 to 3 failures, and nothing else has any",
        &[
            &|k| k.kernels[1].failures.clear(),
            &|k| k.kernels[1].failures = vec![k.kernels[1].failures[0].clone(); 4],
            &|k| k.kernels[0].failures = k.kernels[1].failures.clone(),
        ],
    );
    check(
        kernels,
        "kernels: nothing was run that could have refused it",
        &[&|k| k.kernels[0].level = "skipped".into(), &|k| (k.kernels[0].counted, k.kernels[0].repeated) = (0, 0)],
    );
    check(
        kernels,
        "kernels: at most 16 things that were made, with their names",
        &[
            &|k| k.kernels[0].made = vec![k.kernels[0].made[0].clone(); 17],
            &|k| k.kernels[0].made[0].what.clear(),
            &|k| k.kernels[0].made[0].what = long(65),
            &|k| k.kernels[0].made[0].by.clear(),
            &|k| k.kernels[0].made[0].by = long(65),
        ],
    );
    check(
        kernels,
        "kernels: failures have a case, a stage and a message",
        &[
            &|k| k.kernels[1].failures[0].case.clear(),
            &|k| k.kernels[1].failures[0].case = long(513),
            &|k| k.kernels[1].failures[0].stage.clear(),
            &|k| k.kernels[1].failures[0].stage = long(33),
            &|k| k.kernels[1].failures[0].message.clear(),
            &|k| k.kernels[1].failures[0].message = long(1025),
            &|k| {
                let nameless = KernelFailure { case: String::new(), ..k.kernels[1].failures[0].clone() };
                k.kernels[1].failures.push(nameless);
            },
        ],
    );
    check(kernels, "claims: rope is none of the kernels", &[&|k| k.claims[0].kernel = "rope".into()]);
}

#[test]
fn the_verdict_of_a_verification_is_that_of_its_worst_kernel() {
    for (outcomes, verdict) in [
        (&["verified", "verified"][..], "verified"),
        (&["verified", "skipped"], "undecided"),
        (&["undecided", "verified"], "undecided"),
        (&["verified", "refused"], "refused"),
        (&["refused", "undecided", "skipped"], "refused"),
    ] {
        let kernels = KernelVerification {
            kernels: outcomes
                .iter()
                .map(|outcome| VerifiedKernel { outcome: (*outcome).into(), ..kernels().kernels.remove(0) })
                .collect(),
            ..kernels()
        };
        assert_eq!(kernels.verdict(), verdict, "{outcomes:?}");
    }
}

#[test]
fn a_trial_passes_where_all_of_some_were_judged_right() {
    for (wrong, refused, honest, accepted, passed) in [
        (2, 2, 3, 3, true),
        (1, 1, 1, 1, true),
        (0, 0, 3, 3, false),
        (2, 2, 0, 0, false),
        (2, 1, 3, 3, false),
        (2, 2, 3, 2, false),
    ] {
        let own = KernelSelfTest { receipt: None, refused, wrong, accepted, honest };
        let trial = KernelTrial { wrong, refused, honest, accepted, ..kernel_trial() };
        assert_eq!((own.passed(), trial.passed()), (passed, passed), "{own:?}");
    }
}

/// A claim that was refuted, which may have any figures.
fn refuted() -> KernelVerification {
    let mut kernels = kernels();
    kernels.claims[0].verdict = "refuted".into();
    kernels
}

#[test]
fn a_claim_is_accepted_up_to_its_bounds() {
    check(
        kernels,
        "",
        &[
            &|k| k.claims = vec![claim(); 128],
            &|k| k.claims[0].check = Some("roofline".into()),
            &|k| (k.claims[0].id, k.claims[0].text, k.claims[0].grammar) = (long(200), long(512), long(512)),
            &|k| (k.kernels[1].id, k.claims[0].kernel) = (long(200), long(200)),
            &|k| k.claims[0].threads = 1024,
            &|k| k.claims[0].controls = None,
            &|k| k.claims[0].figures = vec![claim().figures[0].clone(); 64],
        ],
    );
    check(
        refuted,
        "",
        &[
            &|k| k.claims[0].verdict = "inconclusive".into(),
            &|k| (k.claims[0].check, k.claims[0].why) = (Some(long(64)), Some(long(1024))),
            &|k| k.claims[0].figures.clear(),
            &|k| k.claims[0].figures[0].samples.clear(),
            &|k| k.claims[0].figures[0].verdict = "refuted".into(),
            &|k| k.claims[0].figures[0].verdict = "inconclusive".into(),
            &|k| (k.claims[0].figures[0].shape, k.claims[0].figures[0].asked) = (long(256), long(64)),
            &|k| k.claims[0].figures[0].samples = vec!["1".parse().unwrap(); 64],
            &|k| k.claims[0].figures[0].roof = vec!["1".parse().unwrap(); 64],
            &|k| k.claims[0].figures[0].baselines.clear(),
            &|k| {
                let named = ClaimBaseline { name: long(200), ..claim().figures[0].baselines[0].clone() };
                k.claims[0].figures[0].baselines = vec![named; 16];
            },
            &|k| {
                let figure = &mut k.claims[0].figures[0];
                (figure.estimate, figure.low, figure.high, figure.seconds) = (None, None, None, None);
            },
        ],
    );
}

#[test]
fn a_claim_is_refused_beyond_its_bounds() {
    check(kernels, "claims: at most 128 of them", &[&|k| k.claims = vec![claim(); 129]]);
    check(
        kernels,
        "claims: expected a kernel, an id, a text and what it comes to",
        &[
            &|k| k.claims[0].kernel = " ".into(),
            &|k| k.claims[0].kernel = long(201),
            &|k| k.claims[0].id.clear(),
            &|k| k.claims[0].id = long(201),
            &|k| k.claims[0].text.clear(),
            &|k| k.claims[0].text = long(513),
            &|k| k.claims[0].grammar.clear(),
            &|k| k.claims[0].grammar = long(513),
            &|k| k.claims[0].check = Some(String::new()),
            &|k| k.claims[0].check = Some(long(65)),
        ],
    );
    check(
        refuted,
        "claims: expected a verdict, and why in at most 1024 bytes",
        &[&|k| k.claims[0].verdict = "true".into(), &|k| k.claims[0].why = Some(" ".into()), &|k| {
            k.claims[0].why = Some(long(1025))
        }],
    );
    check(
        kernels,
        "claims: expected 1 to 1024 threads, and at most 64 shapes",
        &[&|k| k.claims[0].threads = 0, &|k| k.claims[0].threads = 1025, &|k| {
            k.claims[0].figures = vec![claim().figures[0].clone(); 65]
        }],
    );
    check(
        kernels,
        "claims: a claim is supported where it is on every shape, by what was measured",
        &[
            &|k| k.claims[0].why = Some("roofline".into()),
            &|k| k.claims[0].figures.clear(),
            &|k| k.claims[0].figures[0].verdict = "refuted".into(),
            &|k| k.claims[0].figures[0].samples.clear(),
            &|k| {
                let refuted = ClaimFigure { verdict: "refuted".into(), ..k.claims[0].figures[0].clone() };
                k.claims[0].figures.push(refuted);
            },
        ],
    );
    check(
        refuted,
        "claims: a figure has a shape, what was asked, and a verdict",
        &[
            &|k| k.claims[0].figures[0].shape.clear(),
            &|k| k.claims[0].figures[0].shape = long(257),
            &|k| k.claims[0].figures[0].asked.clear(),
            &|k| k.claims[0].figures[0].asked = long(65),
            &|k| k.claims[0].figures[0].verdict = "true".into(),
        ],
    );
    let in_control = |k: &mut KernelVerification, n: u64| {
        k.claims[0].controls.as_mut().expect("a claim with controls").processes = n;
    };
    check(refuted, "", &[&|k| in_control(k, 64)]);
    check(refuted, "claims: at most 64 processes a control", &[&|k| in_control(k, 65)]);
    check(
        refuted,
        "claims: at most 64 processes a shape",
        &[&|k| k.claims[0].figures[0].samples = vec!["1".parse().unwrap(); 65], &|k| {
            k.claims[0].figures[0].roof = vec!["1".parse().unwrap(); 65]
        }],
    );
    check(
        refuted,
        "claims: at most 16 baselines, by name",
        &[
            &|k| k.claims[0].figures[0].baselines = vec![claim().figures[0].baselines[0].clone(); 17],
            &|k| k.claims[0].figures[0].baselines[0].name.clear(),
            &|k| k.claims[0].figures[0].baselines[0].name = long(201),
        ],
    );
}

#[test]
fn a_trial_of_the_verifier_is_accepted_up_to_its_bounds() {
    check(
        kernel_trial,
        "",
        &[
            &|t| t.runs = 1,
            &|t| t.runs = MOST,
            &|t| (t.wrong, t.refused, t.honest, t.accepted) = (MOST, MOST, MOST, MOST),
            &|t| (t.wrong, t.refused, t.honest, t.accepted) = (1, 1, 1, 1),
            &|t| (t.machine, t.cpu) = (long(256), long(256)),
            &|t| t.kernels = vec![t.kernels[0].clone(); 512],
            &|t| (t.kernels[1].name, t.kernels[1].op, t.kernels[1].check) = (long(128), long(32), Some(long(64))),
            // What was missed is told, in the counts and by name.
            &|t| (t.refused, t.kernels[1].outcome) = (1, "verified".into()),
            &|t| (t.refused, t.kernels[1].outcome) = (0, "undecided".into()),
            &|t| (t.accepted, t.kernels[0].outcome) = (1, "refused".into()),
            &|t| (t.accepted, t.kernels[0].outcome) = (0, "skipped".into()),
        ],
    );
}

#[test]
fn a_trial_of_the_verifier_is_refused_beyond_its_bounds() {
    check(kernel_trial, "runs: at least 1", &[&|t| t.runs = 0]);
    check(
        kernel_trial,
        "refused: no more are treated as they should than there are",
        &[&|t| t.refused = 3, &|t| t.accepted = 3],
    );
    check(
        kernel_trial,
        "runs: a count is too large",
        &[&|t| t.runs = MOST + 1, &|t| t.wrong = MOST + 1, &|t| t.honest = MOST + 1],
    );
    let words = "machine: expected 1 to 256 bytes without control characters";
    for bad in [String::new(), " ".into(), long(257), "a\u{1b}".into()] {
        check(kernel_trial, words, &[&|t| t.machine.clone_from(&bad), &|t| t.cpu.clone_from(&bad)]);
    }
    check(
        kernel_trial,
        "kernels: 1 to 512 of them",
        &[&|t| t.kernels.clear(), &|t| t.kernels = vec![t.kernels[0].clone(); 513]],
    );
    check(
        kernel_trial,
        "kernels: expected a name, an operation, an outcome and perhaps a check",
        &[
            &|t| t.kernels[1].name.clear(),
            &|t| t.kernels[1].name = long(129),
            &|t| t.kernels[1].op.clear(),
            &|t| t.kernels[1].op = long(33),
            &|t| t.kernels[1].check = Some(String::new()),
            &|t| t.kernels[1].check = Some(long(65)),
            &|t| t.kernels[1].outcome = "fine".into(),
        ],
    );
    check(
        kernel_trial,
        "kernels: the counts say otherwise than the kernels",
        &[
            &|t| t.refused = 1,
            &|t| t.accepted = 1,
            &|t| t.kernels[0].outcome = "refused".into(),
            &|t| t.kernels[0].honest = false,
            &|t| t.kernels[1].honest = true,
            &|t| (t.wrong, t.refused) = (0, 0),
            &|t| (t.honest, t.accepted) = (0, 0),
        ],
    );
}
