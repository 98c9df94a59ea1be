//! Known answers first, then simulations: how often a subject differs from itself, and how often a slow-down of 5 % is
//! found, in recorded timings and under noise of every kind.

use super::super::measure::is_reversed;
use super::super::result::{METRICS, Machine, ModelSubject, Noise, Output, Plan, metric_of};
use super::*;

const ROUNDS: usize = 30;

fn compared(ours: &[f64], theirs: &[f64], better: Better, pairing: Pairing) -> Comparison {
    compare(ours, theirs, better, pairing, 1).expect("samples above zero")
}

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
}

#[test]
fn a_constant_factor_is_found_whatever_the_rounds_did() {
    let theirs: Vec<f64> = (0..12).map(|round| 10.0 + f64::from(round * round % 7)).collect();
    let ours: Vec<f64> = theirs.iter().map(|value| value * 1.1).collect();
    let comparison = compared(&ours, &theirs, Better::Higher, Pairing::Rounds);
    near(comparison.ratio, 1.1);
    near(comparison.interval.unwrap().low, 1.1);
    assert_eq!(comparison.verdict, Verdict::Faster);
    assert_eq!(compared(&ours, &theirs, Better::Lower, Pairing::Rounds).verdict, Verdict::Slower);
    assert_eq!(compared(&theirs, &ours, Better::Lower, Pairing::Rounds).verdict, Verdict::Faster);
    assert_eq!(compared(&ours, &ours, Better::Higher, Pairing::Rounds).verdict, Verdict::Same);
    // The unpaired test does not see it: the rounds differ more than the subjects.
    assert!(comparison.rank_sum.p > 0.05, "{:?}", comparison.rank_sum);
}

#[test]
fn few_rounds_have_no_verdict_and_say_how_many_would() {
    let verdict = |rounds: usize, figures: usize| {
        let ours = vec![2.0; rounds];
        let comparison = compare(&ours, &vec![1.0; rounds], Better::Higher, Pairing::Rounds, figures).unwrap();
        (comparison.verdict, comparison.fewest)
    };
    assert_eq!(verdict(9, 1), (Verdict::Undecided, 10));
    assert_eq!(verdict(10, 1), (Verdict::Faster, 10));
    assert_eq!(verdict(10, 12), (Verdict::Undecided, 14));
    assert_eq!(verdict(14, 12), (Verdict::Faster, 14));
}

#[test]
fn the_same_is_what_lies_within_the_margin() {
    let theirs: Vec<f64> = (0..ROUNDS).map(|round| 100.0 + (round % 3) as f64 * 0.1).collect();
    let shifted = |by: f64| theirs.iter().map(|value| value * by).collect::<Vec<_>>();
    let verdict = |by: f64, pairing| compared(&shifted(by), &theirs, Better::Higher, pairing).verdict;
    assert_eq!(verdict(1.009, Pairing::Rounds), Verdict::Same);
    assert_eq!(verdict(1.011, Pairing::Rounds), Verdict::Faster);
    assert_eq!(verdict(0.989, Pairing::Rounds), Verdict::Slower);
    assert_eq!(verdict(1.011, Pairing::Apart), Verdict::Same);
    assert_eq!(verdict(1.06, Pairing::Apart), Verdict::Faster);
    assert_eq!(verdict(0.94, Pairing::Apart), Verdict::Slower);
}

#[test]
fn samples_that_have_no_ratio_are_refused() {
    let refusal = |ours: &[f64], theirs: &[f64]| {
        compare(ours, theirs, Better::Higher, Pairing::Rounds, 1).expect_err("no ratio").to_string()
    };
    insta::assert_snapshot!(refusal(&[1.0], &[]), @"1 samples cannot be paired with 0: measure both in the same rounds");
    insta::assert_snapshot!(refusal(&[], &[]), @"no samples: nothing can be said about none");
    insta::assert_snapshot!(refusal(&[1.0, 0.0], &[1.0, 1.0]), @"sample 1 is 0: a ratio needs samples above zero");
    insta::assert_snapshot!(refusal(&[1.0], &[f64::NAN]), @"sample 0 is NaN, not a finite number");
}

fn run(fingerprint: &str, figures: &[(&str, Option<u64>, f64)], output: &str) -> Run {
    let setting = |threads: &Option<u64>| Setting { threads: *threads, ..Setting::default() };
    let measurement = |(id, threads, value): &(&str, Option<u64>, f64)| Measurement {
        samples: (0..20).map(|at| value + f64::from(at % 4) * value / 1000.0).collect(),
        ..Measurement::of(metric_of(id).unwrap_or(&METRICS[0]), setting(threads))
    };
    Run {
        subject: Subject::Model(ModelSubject {
            name: "tiny".into(),
            sha256: "00".repeat(32),
            bytes: 1,
            arch: "llama".into(),
            quant: "Q4_0".into(),
            parameters: 1,
        }),
        machine: Machine {
            fingerprint: fingerprint.into(),
            cpu: format!("cpu of {fingerprint}"),
            system: "linux x86_64".into(),
            level: "avx2".into(),
            processors: 4,
            usable: 2,
            memory_bytes: 1 << 33,
            governor: None,
        },
        plan: Plan { rounds: 20, window: 3, tolerance: 0.05, warm_up_limit: 30, precision: 0.05, seed: 1 },
        peaks: Vec::new(),
        noise: Noise::default(),
        outputs: figures.iter().map(|(_, t, _)| Output { setting: setting(t), sha256: output.into() }).collect(),
        measurements: figures.iter().map(measurement).collect(),
        remarks: Vec::new(),
    }
}

#[test]
fn runs_are_compared_figure_by_figure() {
    let ours = run(
        "m",
        &[("decode.tok_s", Some(1), 20.0), ("decode.tok_s", Some(2), 36.0), ("load.warm_ms", None, 9.0)],
        "aa",
    );
    let theirs = run("m", &[("decode.tok_s", Some(2), 30.0), ("load.warm_ms", None, 10.0)], "aa");
    let report = runs(&ours, &theirs, Pairing::Rounds).unwrap();
    let pairs: Vec<_> =
        report.compared.iter().map(|one| (one.ours, one.theirs, one.comparison.as_ref().unwrap().verdict)).collect();
    assert_eq!(pairs, [(1, 0, Verdict::Faster), (2, 1, Verdict::Faster)]);
    assert!(report.other_tokens.is_empty());
}

#[test]
fn a_program_that_tells_no_setting_is_compared_with_the_first_that_fits() {
    let ours = run("m", &[("decode.tok_s", Some(2), 36.0)], "aa");
    let theirs = run("m", &[("decode.tok_s", None, 30.0)], "aa");
    assert_eq!(runs(&ours, &theirs, Pairing::Rounds).unwrap().compared.len(), 1);
}

#[test]
fn faster_with_other_tokens_is_flagged() {
    let figures = [("decode.tok_s", Some(2), 36.0)];
    let report = runs(&run("m", &figures, "aa"), &run("m", &figures, "bb"), Pairing::Rounds).unwrap();
    let setting = Setting { threads: Some(2), ..Setting::default() };
    assert!(report.has_other_tokens(&setting));
    assert!(!report.has_other_tokens(&Setting { threads: Some(1), ..Setting::default() }));
}

#[test]
fn runs_of_different_machines_or_figures_are_refused() {
    let ours = run("m", &[("decode.tok_s", Some(2), 36.0)], "aa");
    let refusal = |theirs: &Run| runs(&ours, theirs, Pairing::Apart).expect_err("not comparable").to_string();
    insta::assert_snapshot!(refusal(&run("n", &[("decode.tok_s", Some(2), 36.0)], "aa")), @"the runs were made on different hardware: fingerprint m here, n there (processor: cpu of m here, cpu of n there)");
    insta::assert_snapshot!(refusal(&run("m", &[("prefill.tok_s", Some(2), 36.0)], "aa")), @"the runs share no figure: decode.tok_s (t2) here, prefill.tok_s (t2) there");
}

#[test]
fn one_look_has_no_ratio_and_makes_no_verdict_stricter() {
    let figures = [("decode.tok_s", Some(2), 36.0), ("memory.peak_mib", None, 8.0)];
    let (mut ours, theirs) = (run("m", &figures, "aa"), run("m", &figures, "aa"));
    ours.measurements[1].samples.truncate(1);
    let report = runs(&ours, &theirs, Pairing::Rounds).unwrap();
    let alone =
        compare(&ours.measurements[0].samples, &theirs.measurements[0].samples, Better::Higher, Pairing::Rounds, 1);
    assert_eq!(report.compared[0].comparison, alone);
    assert_eq!(report.compared[1].comparison, Err(StatsError::OneLook));
}

#[test]
fn samples_of_unlike_numbers_are_compared_apart() {
    let ours = run("m", &[("decode.tok_s", Some(2), 36.0)], "aa");
    let mut theirs = run("m", &[("decode.tok_s", Some(2), 36.0)], "aa");
    theirs.measurements[0].samples.pop();
    let report = runs(&ours, &theirs, Pairing::Rounds).unwrap();
    assert_eq!(report.compared[0].comparison.as_ref().unwrap().pairing, Pairing::Apart);
}

/// Normal and uniform numbers from a seed.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Between 0 and 1, neither of them.
    fn share(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    fn exponential(&mut self) -> f64 {
        -self.share().ln()
    }
}

/// Logarithms of timings, slot by slot as time goes.
type Weather = fn(&mut Dice, usize) -> Vec<f64>;

const QUIET: f64 = 0.01;

fn white(dice: &mut Dice, slots: usize) -> Vec<f64> {
    (0..slots).map(|_| QUIET * dice.normal()).collect()
}

fn over(base: &mut Dice, slots: usize, mut add: impl FnMut(&mut Dice, usize) -> f64) -> Vec<f64> {
    (0..slots).map(|slot| QUIET * base.normal() + add(base, slot)).collect()
}

fn skewed(dice: &mut Dice, slots: usize) -> Vec<f64> {
    (0..slots).map(|_| 2.0 * QUIET * dice.exponential()).collect()
}

/// Each slot resembles the one before.
fn alike(dice: &mut Dice, slots: usize) -> Vec<f64> {
    let mut level = dice.normal();
    over(dice, slots, |dice, _| {
        level = 0.9 * level + 0.19f64.sqrt() * dice.normal();
        3.0 * QUIET * level
    })
}

fn drifting(dice: &mut Dice, slots: usize) -> Vec<f64> {
    let sign = if dice.share() < 0.5 { 1.0 } else { -1.0 };
    over(dice, slots, |_, slot| sign * 0.2 * slot as f64 / slots as f64)
}

fn warming(dice: &mut Dice, slots: usize) -> Vec<f64> {
    over(dice, slots, |_, slot| 0.15 * (-(slot as f64) / 10.0).exp())
}

fn with_outliers(dice: &mut Dice, slots: usize) -> Vec<f64> {
    over(dice, slots, |dice, _| if dice.share() < 0.05 { 0.5 * dice.exponential() } else { 0.0 })
}

/// Two frequencies, between which the processor changes now and then.
fn two_states(dice: &mut Dice, slots: usize) -> Vec<f64> {
    let mut slow = dice.share() < 0.5;
    over(dice, slots, |dice, _| {
        slow ^= dice.share() < 0.05;
        if slow { 0.25 } else { 0.0 }
    })
}

/// Two frequencies, one of them drawn for each sample.
fn flickering(dice: &mut Dice, slots: usize) -> Vec<f64> {
    over(dice, slots, |dice, _| if dice.share() < 0.3 { 0.25 } else { 0.0 })
}

/// Something that comes back every few samples.
fn rhythmic(dice: &mut Dice, slots: usize) -> Vec<f64> {
    let (period, phase) = ((2.0 + 7.0 * dice.share()).round(), std::f64::consts::TAU * dice.share());
    over(dice, slots, |_, slot| 0.05 * (std::f64::consts::TAU * slot as f64 / period + phase).sin())
}

/// What runs first in a round pays for it.
fn first_pays(dice: &mut Dice, slots: usize) -> Vec<f64> {
    over(dice, slots, |_, slot| if slot.is_multiple_of(2) { 0.03 } else { 0.0 })
}

const WEATHERS: [(&str, Weather); 10] = [
    ("white", white),
    ("skewed", skewed),
    ("alike", alike),
    ("drifting", drifting),
    ("warming", warming),
    ("outliers", with_outliers),
    ("two states", two_states),
    ("flickering", flickering),
    ("rhythmic", rhythmic),
    ("first pays", first_pays),
];

/// One interleaved run of two subjects, the second of which takes `factor` as long.
fn interleaved(weather: Weather, seed: u64, factor: f64) -> (Vec<f64>, Vec<f64>) {
    let slots = weather(&mut Dice(seed << 20), 2 * ROUNDS);
    let rounds = slots.chunks(2).enumerate().map(|(round, two)| {
        let (ours, theirs) = if is_reversed(seed, round) { (two[1], two[0]) } else { (two[0], two[1]) };
        (ours.exp() * factor, theirs.exp())
    });
    rounds.unzip()
}

/// Per cent of the runs that end with the verdict.
fn share_of(runs: &[(Vec<f64>, Vec<f64>)], is_counted: impl Fn(Verdict) -> bool) -> f64 {
    let judge = |(ours, theirs): &(Vec<f64>, Vec<f64>)| compared(ours, theirs, Better::Lower, Pairing::Rounds).verdict;
    100.0 * runs.iter().filter(|run| is_counted(judge(run))).count() as f64 / runs.len() as f64
}

fn is_alarm(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Faster | Verdict::Slower)
}

#[test]
fn a_subject_is_not_told_from_itself_in_any_weather() {
    for (name, weather) in WEATHERS {
        let runs: Vec<_> = (0..300).map(|seed| interleaved(weather, seed, 1.0)).collect();
        let alarms = share_of(&runs, is_alarm);
        assert!(alarms <= 1.0, "{name}: {alarms} % false alarms");
    }
}

#[test]
fn a_slow_down_of_5_per_cent_is_found() {
    for (name, weather) in WEATHERS {
        let runs: Vec<_> = (0..200).map(|seed| interleaved(weather, seed, 1.05)).collect();
        let found = share_of(&runs, |verdict| verdict == Verdict::Slower);
        // Quiet is what has neither outliers in every tenth round, nor another frequency each time, nor a rhythm.
        let expected = match name {
            "outliers" => 80.0,
            "flickering" | "rhythmic" => 0.0,
            _ => 95.0,
        };
        assert!(found >= expected, "{name}: found {found} %");
        assert_eq!(share_of(&runs, |verdict| verdict == Verdict::Faster), 0.0, "{name}");
    }
}

#[test]
fn intervals_cover_the_truth() {
    for (name, weather) in WEATHERS {
        let runs: Vec<_> = (0..300).map(|seed| interleaved(weather, seed, 1.05)).collect();
        let covers = |(ours, theirs): &&(Vec<f64>, Vec<f64>)| {
            compared(ours, theirs, Better::Lower, Pairing::Rounds)
                .interval
                .is_some_and(|interval| interval.contains(1.05))
        };
        let covered = runs.iter().filter(covers).count();
        // Of 300 at 95 %, three standard deviations below 285 are 274.
        assert!(covered >= 274, "{name}: {covered} of 300");
    }
}

/// Sessions apart: what each session's machine did stays in the samples, so only weather that has no memory keeps the
/// promise exactly; where neighbours are alike the interval is widened.
#[test]
fn sessions_apart_are_not_told_apart_by_memory_of_the_machine() {
    for (name, weather) in
        [("white", white as Weather), ("skewed", skewed), ("alike", alike), ("outliers", with_outliers)]
    {
        let session = |seed: u64| weather(&mut Dice(seed), ROUNDS).into_iter().map(f64::exp).collect::<Vec<_>>();
        let alarms = (0..300u64)
            .filter(|seed| {
                is_alarm(
                    compared(&session((2 * seed) << 20), &session((2 * seed + 1) << 20), Better::Lower, Pairing::Apart)
                        .verdict,
                )
            })
            .count();
        assert!(alarms <= 3, "{name}: {alarms} of 300");
    }
}

/// Real timings of `cargo xtask bench aa`: a line a run, two lines of the same rounds for a subject and itself.
fn recorded(text: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let line = |line: &str| line.split(' ').map(|micros| micros.parse().expect("a number")).collect::<Vec<f64>>();
    let lines: Vec<Vec<f64>> = text.lines().filter(|text| !text.starts_with('#')).map(line).collect();
    lines.chunks(2).map(|two| (two[0].clone(), two[1].clone())).collect()
}

/// Every other stretch of 22 rounds of the recording, forwards and with the sides exchanged.
fn stretches(text: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut all = Vec::new();
    for (one, other) in recorded(text) {
        for start in (0..=one.len() - 22).step_by(2) {
            let (one, other) = (one[start..start + 22].to_vec(), other[start..start + 22].to_vec());
            all.push((one.clone(), other.clone()));
            all.push((other, one));
        }
    }
    all
}

#[test]
fn recorded_timings_of_a_quiet_machine() {
    let text = include_str!("recorded-quiet.txt");
    let alarms = share_of(&stretches(text), is_alarm);
    assert!(alarms <= 1.0, "{alarms} % false alarms");
    let found = share_of(&recorded_and_slowed(text), |verdict| verdict == Verdict::Slower);
    assert!(found >= 95.0, "found {found} %");
}

#[test]
fn recorded_timings_of_a_busy_machine() {
    let alarms = share_of(&stretches(include_str!("recorded-busy.txt")), is_alarm);
    assert!(alarms <= 1.0, "{alarms} % false alarms");
}

/// Whole runs, the second subject made 5 % slower.
fn recorded_and_slowed(text: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let slowed = |side: Vec<f64>| side.into_iter().map(|micros| micros * 1.05).collect();
    recorded(text).into_iter().map(|(one, other)| (slowed(other), one)).collect()
}
