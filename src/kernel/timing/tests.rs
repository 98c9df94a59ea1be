//! A simulated stand, whose truth is known: what the protocol makes of it.

use std::convert::Infallible;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::controls::{Controls, Roof, Trick, Unsound, Work, controls, tricks};
use super::draw::Secret;
use super::session::*;
use super::*;
use crate::kernel::claims::{Claim, Sign};

/// Times of a machine with neighbours: what moves slowly moves all subjects, and where a process came to lie moves only it.
struct Simulated {
    random: ChaCha20Rng,
    /// Seconds of the kernel; a baseline takes `ratio` times as long.
    kernel: f64,
    ratio: f64,
    /// Deviations: of the machine's speed from pair to pair, of a process, of a call.
    drift: f64,
    layout: f64,
    noise: f64,
    /// The second call of a pair is that much faster.
    warm: f64,
    /// How the subjects that were started are timed.
    sides: Vec<f64>,
    called: u64,
    roof: Roof,
    /// By how much the baseline slows down beside the kernel.
    burden: f64,
    /// And beside each other baseline.
    crowd: f64,
    /// What the kernel's clock leaves out.
    hidden: f64,
    /// The stand doesn't notice delays.
    blind: bool,
    /// It favours whoever was started second.
    bias: f64,
    processes: usize,
    limit: usize,
}

impl Simulated {
    fn new(ratio: f64, seed: u64) -> Simulated {
        Simulated {
            random: ChaCha20Rng::seed_from_u64(seed),
            kernel: 1e-3,
            ratio,
            drift: 0.03,
            layout: 0.015,
            noise: 0.005,
            warm: 0.01,
            sides: Vec::new(),
            called: 0,
            roof: Roof::default(),
            burden: 0.0,
            crowd: 0.0,
            hidden: 0.0,
            blind: false,
            bias: 0.0,
            processes: 0,
            limit: usize::MAX,
        }
    }

    /// Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        let mut uniform = || (self.random.next_u32() as f64 + 0.5) / 2f64.powi(32);
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        radius * angle.cos()
    }
}

impl Stand for Simulated {
    type Fault = Infallible;

    fn start(&mut self, subject: Subject, _: usize, _: usize) -> Result<(), Infallible> {
        let seconds = match subject {
            Subject::Kernel => self.kernel,
            Subject::Baseline(_) => self.kernel * self.ratio,
            Subject::Delayed(_) => self.kernel * self.ratio * if self.blind { 1.0 } else { 1.05 },
        };
        let layout = self.normal() * self.layout - self.bias * self.sides.len() as f64;
        if let Some(first) = self.sides.first_mut() {
            *first *= 1.0 + if subject == Subject::Kernel { self.burden } else { self.crowd };
        }
        self.sides.push(seconds * layout.exp());
        Ok(())
    }

    fn call(&mut self, side: usize, _: usize) -> Result<Call, Infallible> {
        self.called += 1;
        let pair = (self.called / self.sides.len() as u64) as f64;
        let slow = self.drift * (pair / 40.0).sin() + self.noise * self.normal();
        let warm = if self.called.is_multiple_of(2) { self.warm } else { 0.0 };
        let own = self.sides[side] * (slow - warm).exp();
        let hidden = if side == 1 { self.hidden } else { 0.0 };
        Ok(Call { own, asked: own + 20e-6 + hidden })
    }

    fn roof(&mut self) -> Result<Roof, Infallible> {
        Ok(self.roof)
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.sides.clear();
        Ok(())
    }

    fn goes_on(&mut self, step: Step) -> Result<bool, Infallible> {
        assert!(step.process < step.processes);
        self.processes += 1;
        Ok(self.processes <= self.limit)
    }
}

const SUBJECTS: [Subject; 2] = [Subject::Baseline(0), Subject::Kernel];

fn secret(seed: u64) -> Secret {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Secret::new(bytes)
}

fn claimed(stand: &mut Simulated, seed: u64, sign: Sign, bound: f64, shapes: usize, work: Work) -> Vec<Answer> {
    let judge = |found: &Statistic, spent| Claim::judge(sign, bound, found, spent);
    let look = |processes: &[Process]| tricks(processes, Some(0), 1, &work);
    let questions: Vec<Question<'_>> = (0..shapes)
        .map(|shape| Question {
            shape,
            subjects: SUBJECTS.to_vec(),
            figure: &|process| process.log_ratio(0, 1),
            peer: None,
            judge: &judge,
            tricks: &look,
        })
        .collect();
    decide(stand, &secret(seed), &questions).unwrap_or_else(|error| panic!("{error}"))
}

/// How often `ratio >= 2.0` is supported, refuted and left open, in percent, at a true ratio.
fn rates(ratio: f64, sessions: u64) -> [f64; 3] {
    let mut counts = [0.0; 3];
    for seed in 0..sessions {
        let mut stand = Simulated::new(ratio, 1000 + seed);
        let answers = claimed(&mut stand, seed, Sign::AtLeast, 2.0, 1, Work::default());
        counts[answers[0].verdict as usize] += 100.0 / sessions as f64;
        assert_eq!(answers[0].trick, None);
    }
    counts
}

#[test]
fn a_claim_that_is_just_not_true_is_rarely_supported() {
    let [supported, refuted, _] = rates(1.999_999, 400);
    // Three deviations of the count above the promise.
    assert!(supported <= 8.3, "{supported}%");
    assert!(refuted <= 8.3, "{refuted}%");
}

#[test]
fn a_claim_two_percent_above_the_truth_is_refuted() {
    let [supported, refuted, open] = rates(1.96, 150);
    assert!(supported == 0.0 && refuted >= 97.0, "{supported}% supported, {refuted}% refuted, {open}% open");
}

#[test]
fn a_claim_two_percent_below_the_truth_is_supported() {
    let [supported, refuted, open] = rates(2.04, 150);
    assert!(refuted == 0.0 && supported >= 97.0, "{supported}% supported, {refuted}% refuted, {open}% open");
}

#[test]
fn that_a_kernel_is_no_faster_can_be_claimed_too() {
    let verdict = |ratio| claimed(&mut Simulated::new(ratio, 5), 5, Sign::Less, 1.0, 1, Work::default())[0].verdict;
    assert_eq!([verdict(0.9), verdict(1.1)], [Verdict::Supported, Verdict::Refuted]);
}

#[test]
fn one_shape_that_is_refuted_ends_the_session_and_a_look_costs_what_it_spends() {
    let mut stand = Simulated::new(1.5, 9);
    let answers = claimed(&mut stand, 9, Sign::AtLeast, 2.0, 3, Work::default());
    assert_eq!(stand.processes, 30);
    for answer in &answers {
        assert_eq!((answer.verdict, answer.processes.len()), (Verdict::Refuted, 10));
        assert_eq!(answer.spent, Spent { support: 0.030, refute: 0.010 });
    }
    assert!((LOOKS.iter().map(|look| look.alpha).sum::<f64>() - ALPHA).abs() < 1e-12);
    assert!(LOOKS.is_sorted_by(|a, b| a.processes < b.processes));
}

#[test]
fn without_time_a_claim_stays_open() {
    for limit in [0, 3, 14] {
        let mut stand = Simulated { limit, ..Simulated::new(2.0, 1) };
        let answers = claimed(&mut stand, 1, Sign::AtLeast, 2.0, 1, Work::default());
        assert_eq!((answers[0].verdict, answers[0].processes.len()), (Verdict::Inconclusive, limit));
        assert_eq!(answers[0].statistic.is_some(), limit >= 10);
    }
}

#[test]
fn what_the_machine_cannot_do_was_not_done() {
    // A thousand million multiply-adds in the kernel's millisecond is 1e12 a second.
    let work = Work { multiply_adds: 1e9, bytes: 1e6 };
    let trick = |peak, bandwidth| {
        let mut stand = Simulated { roof: Roof { peak, bandwidth }, ..Simulated::new(2.0, 2) };
        claimed(&mut stand, 2, Sign::AtLeast, 1.5, 1, work)[0].trick.clone()
    };
    assert!(matches!(trick(Some(0.5e12), None), Some(Trick::Impossible { .. })));
    assert!(matches!(trick(None, Some(0.5e9)), Some(Trick::Impossible { .. })));
    assert_eq!(trick(Some(1.1e12), Some(2e9)), None);
    assert_eq!(trick(None, None), None);
    insta::assert_snapshot!(Trick::Impossible { seconds: 0.001, roof: 0.002 }, @"impossible: a call took 1.0000 ms, and the least that this machine needs is 2.0000 ms");
}

#[test]
fn a_baseline_that_is_held_back_is_seen() {
    let trick = |burden| {
        let mut stand = Simulated { burden, ..Simulated::new(2.0, 3) };
        claimed(&mut stand, 3, Sign::AtLeast, 1.5, 1, Work::default())[0].trick.clone()
    };
    assert!(matches!(trick(0.25), Some(Trick::HeldBack { factor }) if factor > 1.15));
    assert_eq!(trick(0.04), None);
    // At a quarter of its speed three processes are enough.
    let mut stand = Simulated { burden: 3.0, ..Simulated::new(2.0, 3) };
    let answer = &claimed(&mut stand, 3, Sign::AtLeast, 1.5, 1, Work::default())[0];
    assert_eq!((answer.verdict, answer.processes.len(), stand.processes), (Verdict::Refuted, 3, 3));
}

#[test]
fn what_baselines_do_to_each_other_is_not_held_against_the_kernel() {
    let trick = |burden| {
        let mut stand = Simulated { burden, crowd: 0.3, ..Simulated::new(2.0, 3) };
        let subjects = [Subject::Baseline(0), Subject::Kernel, Subject::Baseline(1)];
        let one =
            |number| process(&mut stand, &secret(3), &subjects, (0, number)).unwrap_or_else(|error| panic!("{error}"));
        tricks(&(0..10).map(one).collect::<Vec<_>>(), Some(0), 1, &Work::default())
    };
    assert_eq!(trick(0.0), None);
    assert!(matches!(trick(0.25), Some(Trick::HeldBack { factor }) if factor > 1.15 && factor < 1.35));
}

#[test]
fn time_that_the_kernels_clock_leaves_out_is_seen() {
    let trick = |hidden| {
        let mut stand = Simulated { hidden, ..Simulated::new(2.0, 4) };
        claimed(&mut stand, 4, Sign::AtLeast, 1.5, 1, Work::default())[0].trick.clone()
    };
    assert!(matches!(trick(1e-3), Some(Trick::Clock { .. })));
    assert_eq!(trick(50e-6), None);
}

fn controlled(stand: &mut Simulated) -> Controls {
    controls(stand, &secret(6), 0, 0, 10).unwrap_or_else(|error| panic!("{error}")).expect("there is time")
}

#[test]
fn a_sound_stand_passes_its_controls_and_finds_the_delay() {
    let mut passed = 0;
    for seed in 0..40 {
        let found = controlled(&mut Simulated { layout: 0.01, ..Simulated::new(2.0, seed) });
        passed += usize::from(found.unsound.is_none());
        assert!((found.delayed.mean.exp() - 1.05).abs() < 0.03, "{}", found.delayed.mean.exp());
    }
    assert!(passed >= 38, "{passed} of 40");
}

#[test]
fn an_unsound_stand_is_said_to_be_so() {
    let noisy = controlled(&mut Simulated { layout: 0.2, ..Simulated::new(2.0, 1) }).unsound;
    assert!(matches!(noisy, Some(Unsound::Noisy { half_width }) if half_width > 0.02), "{noisy:?}");
    let biased = controlled(&mut Simulated { bias: 0.03, layout: 0.005, ..Simulated::new(2.0, 1) }).unsound;
    assert!(matches!(biased, Some(Unsound::Biased { low, .. }) if low > 1.0), "{biased:?}");
    let blind = controlled(&mut Simulated { blind: true, layout: 0.005, ..Simulated::new(2.0, 1) }).unsound;
    assert!(matches!(blind, Some(Unsound::DelayMissed { low }) if low < 1.0), "{blind:?}");
}

#[test]
fn a_figure_needs_processes_and_numbers() {
    let refusal = |values: &[f64]| Statistic::of(values).expect_err("refused").to_string();
    insta::assert_snapshot!(refusal(&[0.1]), @"1 processes are too few: their scatter is what the bound is made of");
    insta::assert_snapshot!(refusal(&[0.1, f64::NAN]), @"process 1 gave NaN, which is no logarithm of a ratio of times");
    insta::assert_snapshot!(refusal(&[f64::INFINITY, 0.1]), @"process 0 gave inf, which is no logarithm of a ratio of times");
    let equal = Statistic::of(&[0.5; 4]).unwrap();
    assert_eq!((equal.lower(0.05), equal.upper(0.01)), (0.5, 0.5));
}

/// Welch's example as in R's manual for `t.test(extra ~ group, data = sleep)`: t = -1.8608, df = 17.776, and the 95%
/// interval from -3.3654832 to 0.2054832.
#[test]
fn the_difference_to_another_device_is_welchs() {
    let first = Statistic::of(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]).unwrap();
    let second = Statistic::of(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]).unwrap();
    let apart = first.minus(&second);
    assert!((apart.mean / apart.error + 1.8608).abs() < 1e-4 && (apart.freedom - 17.776).abs() < 1e-3);
    assert!((apart.lower(0.025) + 3.365_483_2).abs() < 1e-6 && (apart.upper(0.025) - 0.205_483_2).abs() < 1e-6);
}

#[test]
fn verdicts_of_shapes_make_that_of_the_claim() {
    use Verdict::{Inconclusive as I, Refuted as R, Supported as S};
    assert_eq!(Verdict::all([S, S]), S);
    assert_eq!(Verdict::all([S, I, S]), I);
    assert_eq!(Verdict::all([I, R, S]), R);
    assert_eq!(Verdict::all([]), I);
}
