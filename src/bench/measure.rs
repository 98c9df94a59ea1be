//! Interleaved measurement: several subjects, one sample of each per round, so that whatever else the machine
//! does (heat, frequency, neighbours) falls on all of them alike.
//!
//! A coin decides the order within each round ([`is_reversed`]): what comes back in the rhythm of the rounds would
//! otherwise fall on the same subject each time and look like a difference. Warm-up samples are kept
//! apart and never thrown away, nor are outliers: judging the samples is left to [`super::stats`].
//! The clock is handed in.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Monotonic time since an origin of the clock's own choosing.
pub trait Clock {
    fn elapsed(&self) -> Duration;
}

/// Fewer samples than this are not worth an interval.
pub const FEWEST_ROUNDS: usize = 10;

/// How long to warm up and how often to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Samples of each subject, at least [`FEWEST_ROUNDS`].
    pub rounds: usize,
    /// Warm-up ends when two neighbouring windows of this many rounds agree.
    pub window: usize,
    /// How far the medians of two windows may lie apart, as a share of the smaller one.
    pub tolerance: f64,
    /// Warm-up ends after this many rounds whether they agree or not.
    pub warm_up_limit: usize,
    /// Decides the orders, which can so be repeated.
    pub seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { rounds: 30, window: 3, tolerance: 0.05, warm_up_limit: 30, seed: 0 }
    }
}

/// Whether the subjects of this round run from the last to the first: a fair coin, thrown anew for each round.
pub fn is_reversed(seed: u64, round: usize) -> bool {
    // SplitMix64 (Steele, Lea and Flood 2014): neighbouring inputs give unrelated bits.
    let mut bits = seed.wrapping_add((round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ (bits >> 31)) & 1 == 1
}

type Run<'a, E> = Box<dyn FnMut() -> Result<Duration, E> + 'a>;

/// One thing to measure.
pub struct Subject<'a, E> {
    name: String,
    run: Run<'a, E>,
}

impl<'a, E> Subject<'a, E> {
    /// A subject that times itself, for work whose preparation must not count.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<Duration, E> + 'a) -> Self {
        Subject { name: name.into(), run: Box::new(run) }
    }

    /// A subject whose whole call counts.
    pub fn timed(name: impl Into<String>, clock: &'a dyn Clock, mut work: impl FnMut() -> Result<(), E> + 'a) -> Self {
        Subject::new(name, move || {
            let start = clock.elapsed();
            work()?;
            Ok(clock.elapsed().saturating_sub(start))
        })
    }
}

/// The samples of one subject, in the order in which they were taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub warm_up: Vec<Duration>,
    pub samples: Vec<Duration>,
    /// Whether the last two windows of the warm-up agreed.
    pub settled: bool,
}

impl Series {
    pub fn seconds(&self) -> Vec<f64> {
        self.samples.iter().map(Duration::as_secs_f64).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum MeasureError<E> {
    NoSubjects,
    TooFewRounds {
        asked: usize,
    },
    BadSchedule {
        what: &'static str,
    },
    Subject {
        name: String,
        round: usize,
        warm_up: bool,
        cause: E,
    },
    /// The one who watched had enough.
    Stopped(E),
}

impl<E: fmt::Display> fmt::Display for MeasureError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeasureError::NoSubjects => write!(f, "nothing to measure: give at least one subject"),
            MeasureError::TooFewRounds { asked } => {
                write!(f, "{asked} rounds are too few for an interval: ask for at least {FEWEST_ROUNDS}")
            }
            MeasureError::BadSchedule { what } => write!(f, "the measuring schedule cannot work: {what}"),
            MeasureError::Subject { name, round, warm_up, cause } => {
                let phase = if *warm_up { "warm-up round" } else { "round" };
                write!(f, "{name} failed in {phase} {}: {cause}", round + 1)
            }
            MeasureError::Stopped(cause) => cause.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for MeasureError<E> {}

/// Where a measurement stands: before a sample is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub warm_up: bool,
    pub round: usize,
    /// Rounds of this phase, as far as they are planned; a warm-up may end sooner.
    pub rounds: usize,
    /// The sample's place in its round.
    pub turn: usize,
    pub turns: usize,
}

/// What may be asked for before a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    GoOn,
    /// No more warm-up.
    Begin,
    /// So many rounds in all, at least [`FEWEST_ROUNDS`].
    Rounds(usize),
}

/// Warms all subjects up until each is stable, then takes one sample of each per round.
pub fn interleaved<E>(schedule: &Schedule, subjects: &mut [Subject<'_, E>]) -> Result<Vec<Series>, MeasureError<E>> {
    watched(schedule, subjects, &mut |_| Ok(Wish::GoOn))
}

/// As [`interleaved`], told before each sample; a wish counts before the first sample of a round.
pub fn watched<E>(
    schedule: &Schedule,
    subjects: &mut [Subject<'_, E>],
    watch: &mut dyn FnMut(Moment) -> Result<Wish, E>,
) -> Result<Vec<Series>, MeasureError<E>> {
    check(schedule, subjects)?;
    let mut series: Vec<Series> = subjects
        .iter()
        .map(|subject| Series { name: subject.name.clone(), warm_up: vec![], samples: vec![], settled: false })
        .collect();
    let turns = subjects.len();

    for round in 0..schedule.warm_up_limit {
        let moment = Moment { warm_up: true, round, rounds: schedule.warm_up_limit, turn: 0, turns };
        if watch(moment).map_err(MeasureError::Stopped)? == Wish::Begin {
            break;
        }
        take_round(schedule, subjects, moment, watch, |subject, sample| series[subject].warm_up.push(sample))?;
        for one in &mut series {
            one.settled = is_stable(&one.warm_up, schedule);
        }
        if series.iter().all(|one| one.settled) {
            break;
        }
    }
    let (mut round, mut rounds) = (0, schedule.rounds);
    while round < rounds {
        let moment = Moment { warm_up: false, round, rounds, turn: 0, turns };
        if let Wish::Rounds(wanted) = watch(moment).map_err(MeasureError::Stopped)? {
            rounds = wanted.max(FEWEST_ROUNDS);
        }
        take_round(schedule, subjects, Moment { rounds, ..moment }, watch, |subject, sample| {
            series[subject].samples.push(sample);
        })?;
        round += 1;
    }
    Ok(series)
}

fn check<E>(schedule: &Schedule, subjects: &[Subject<'_, E>]) -> Result<(), MeasureError<E>> {
    if subjects.is_empty() {
        return Err(MeasureError::NoSubjects);
    }
    if schedule.rounds < FEWEST_ROUNDS {
        return Err(MeasureError::TooFewRounds { asked: schedule.rounds });
    }
    if schedule.window == 0 {
        return Err(MeasureError::BadSchedule { what: "a warm-up window of no rounds" });
    }
    if !(schedule.tolerance >= 0.0 && schedule.tolerance.is_finite()) {
        return Err(MeasureError::BadSchedule { what: "the tolerance is not a share of zero or more" });
    }
    Ok(())
}

fn take_round<E>(
    schedule: &Schedule,
    subjects: &mut [Subject<'_, E>],
    begin: Moment,
    watch: &mut dyn FnMut(Moment) -> Result<Wish, E>,
    mut keep: impl FnMut(usize, Duration),
) -> Result<(), MeasureError<E>> {
    let (round, count) = (begin.round, subjects.len());
    let reversed = is_reversed(schedule.seed, round);
    for turn in 0..count {
        if turn > 0 {
            watch(Moment { turn, ..begin }).map_err(MeasureError::Stopped)?;
        }
        let index = if reversed { count - 1 - turn } else { turn };
        let subject = &mut subjects[index];
        match (subject.run)() {
            Ok(sample) => keep(index, sample),
            Err(cause) => {
                let (name, warm_up) = (subject.name.clone(), begin.warm_up);
                return Err(MeasureError::Subject { name, round, warm_up, cause });
            }
        }
    }
    Ok(())
}

fn is_stable(warm_up: &[Duration], schedule: &Schedule) -> bool {
    let window = schedule.window;
    let Some(start) = window.checked_mul(2).and_then(|both| warm_up.len().checked_sub(both)) else { return false };
    let (before, after) = warm_up[start..].split_at(window);
    let (before, after) = (middle(before), middle(after));
    before.abs_diff(after).as_secs_f64() <= before.min(after).as_secs_f64() * schedule.tolerance
}

fn middle(window: &[Duration]) -> Duration {
    let mut sorted = window.to_vec();
    sorted.sort_unstable();
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[half - 1] + sorted[half]) / 2 } else { sorted[half] }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::convert::Infallible;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[derive(Default)]
    struct FakeClock(Cell<Duration>);

    impl FakeClock {
        fn pass(&self, time: Duration) {
            self.0.set(self.0.get() + time);
        }
    }

    impl Clock for FakeClock {
        fn elapsed(&self) -> Duration {
            self.0.get()
        }
    }

    fn schedule(rounds: usize, warm_up_limit: usize) -> Schedule {
        Schedule { rounds, window: 2, tolerance: 0.05, warm_up_limit, seed: 7 }
    }

    #[test]
    fn samples_are_what_the_clock_says() {
        let clock = FakeClock::default();
        let mut subjects = [
            Subject::timed("three", &clock, || -> Result<(), Infallible> {
                clock.pass(3 * MS);
                Ok(())
            }),
            Subject::new("own", || {
                clock.pass(50 * MS);
                Ok(7 * MS)
            }),
        ];
        let series = interleaved(&schedule(10, 9), &mut subjects).unwrap();
        assert_eq!(series[0].samples, vec![3 * MS; 10]);
        assert_eq!(series[1].samples, vec![7 * MS; 10]);
        assert_eq!(series[0].seconds(), vec![0.003; 10]);
        assert_eq!((series[0].name.as_str(), series[1].name.as_str()), ("three", "own"));
    }

    #[test]
    fn a_coin_decides_the_order_of_each_round() {
        let order = RefCell::new(String::new());
        let mut subjects = ["a", "b", "c"].map(|name| {
            let order = &order;
            Subject::new(name, move || -> Result<_, Infallible> {
                order.borrow_mut().push_str(name);
                Ok(MS)
            })
        });
        interleaved(&schedule(10, 0), &mut subjects).unwrap();
        let expected: String = (0..10).map(|round| if is_reversed(7, round) { "cba" } else { "abc" }).collect();
        assert_eq!(*order.borrow(), expected);
    }

    #[test]
    fn the_coin_is_fair_and_follows_no_rhythm() {
        for seed in [0, 1, 42] {
            let throws: Vec<f64> = (0..4000).map(|round| if is_reversed(seed, round) { 1.0 } else { -1.0 }).collect();
            // Of a fair coin, four standard deviations are 253.
            assert!(throws.iter().sum::<f64>().abs() < 253.0, "seed {seed}");
            for lag in 1..=64 {
                let alike: f64 = throws.iter().zip(&throws[lag..]).map(|(a, b)| a * b).sum();
                assert!(alike.abs() < 320.0, "seed {seed}, lag {lag}: {alike}");
            }
        }
    }

    #[test]
    fn warm_up_lasts_until_every_subject_is_stable() {
        let mut falling = [90u32, 80, 70, 60, 50, 10, 10, 10].into_iter();
        let mut subjects = [
            Subject::new("steady", || -> Result<_, Infallible> { Ok(5 * MS) }),
            Subject::new("falling", || Ok(falling.next().unwrap_or(10) * MS)),
        ];
        let series = interleaved(&schedule(10, 30), &mut subjects).unwrap();
        // The first two equal windows are the rounds 6, 7 and 8, 9: the window 5, 6 still holds a 50.
        assert_eq!(series[1].warm_up.len(), 9);
        assert_eq!(series[0].warm_up.len(), 9);
        assert!(series.iter().all(|one| one.settled));
        assert_eq!(series[1].samples, vec![10 * MS; 10]);
    }

    #[test]
    fn a_subject_that_never_settles_is_measured_and_says_so() {
        let mut next = 0;
        let mut subjects = [Subject::new("doubling", || -> Result<_, Infallible> {
            next += 1;
            Ok(Duration::from_nanos(1 << next))
        })];
        let series = interleaved(&schedule(10, 12), &mut subjects).unwrap();
        assert!(!series[0].settled);
        assert_eq!((series[0].warm_up.len(), series[0].samples.len()), (12, 10));
    }

    #[test]
    fn who_watches_ends_the_warm_up_sets_the_rounds_and_stops() {
        let subjects = || [Subject::new("a", || Ok(MS)), Subject::new("b", || Ok::<_, &str>(MS))];
        let mut seen = Vec::new();
        let mut watch = |moment: Moment| {
            seen.push((moment.warm_up, moment.round, moment.turn, moment.rounds));
            Ok(match moment {
                Moment { warm_up: true, round: 2, .. } => Wish::Begin,
                Moment { warm_up: false, round: 0, turn: 0, .. } => Wish::Rounds(11),
                _ => Wish::GoOn,
            })
        };
        let series = watched(&Schedule { tolerance: 0.0, ..schedule(20, 9) }, &mut subjects(), &mut watch).unwrap();
        assert_eq!((series[1].warm_up.len(), series[1].samples.len(), series[1].settled), (2, 11, false));
        assert_eq!(seen[..3], [(true, 0, 0, 9), (true, 0, 1, 9), (true, 1, 0, 9)]);
        assert_eq!(seen[seen.len() - 1], (false, 10, 1, 11));

        let mut tired = |moment: Moment| if moment.turn == 1 { Err("enough") } else { Ok(Wish::Rounds(3)) };
        assert_eq!(watched(&schedule(10, 0), &mut subjects(), &mut tired), Err(MeasureError::Stopped("enough")));
        let mut hasty = |_| Ok(Wish::Rounds(3));
        let series = watched(&schedule(12, 0), &mut subjects(), &mut hasty).unwrap();
        assert_eq!(series[0].samples.len(), FEWEST_ROUNDS, "an interval needs its samples");
    }

    #[test]
    fn outliers_are_kept() {
        let mut round = 0;
        let mut subjects = [Subject::new("spiky", || -> Result<_, Infallible> {
            round += 1;
            Ok(if round == 5 { 900 * MS } else { MS })
        })];
        let series = interleaved(&schedule(10, 0), &mut subjects).unwrap();
        assert_eq!(series[0].samples.iter().filter(|sample| **sample == 900 * MS).count(), 1);
    }

    #[test]
    fn a_failure_names_subject_and_round() {
        let mut calls = 0;
        let mut subjects = [
            Subject::new("good", || Ok(MS)),
            Subject::new("bad", || {
                calls += 1;
                if calls == 7 { Err("exit status 3") } else { Ok(MS) }
            }),
        ];
        let error = interleaved(&schedule(10, 0), &mut subjects).unwrap_err();
        assert_eq!(error.to_string(), "bad failed in round 7: exit status 3");
    }

    #[test]
    fn schedules_that_cannot_work_are_refused() {
        fn refusal(schedule: Schedule, subjects: usize) -> String {
            let mut subjects: Vec<_> =
                (0..subjects).map(|_| Subject::new("one", || -> Result<_, Infallible> { Ok(MS) })).collect();
            interleaved(&schedule, &mut subjects).unwrap_err().to_string()
        }
        let good = Schedule::default();
        insta::assert_snapshot!(refusal(good, 0), @"nothing to measure: give at least one subject");
        insta::assert_snapshot!(refusal(Schedule { rounds: 9, ..good }, 1), @"9 rounds are too few for an interval: ask for at least 10");
        insta::assert_snapshot!(refusal(Schedule { window: 0, ..good }, 1), @"the measuring schedule cannot work: a warm-up window of no rounds");
        insta::assert_snapshot!(refusal(Schedule { tolerance: f64::NAN, ..good }, 1), @"the measuring schedule cannot work: the tolerance is not a share of zero or more");
    }

    #[test]
    fn a_clock_that_steps_back_gives_zero_not_a_panic() {
        struct Backwards(Cell<u64>);
        impl Clock for Backwards {
            fn elapsed(&self) -> Duration {
                self.0.set(self.0.get() - 1);
                Duration::from_secs(self.0.get())
            }
        }
        let clock = Backwards(Cell::new(1000));
        let mut subjects = [Subject::timed("any", &clock, || -> Result<(), Infallible> { Ok(()) })];
        let series = interleaved(&schedule(10, 0), &mut subjects).unwrap();
        assert_eq!(series[0].samples, vec![Duration::ZERO; 10]);
    }
}
