//! Whether the comparisons of `bizra bench` keep their promise on this machine: a subject beside itself, and beside
//! itself with 5 % more work, a hundred times each, with real passes of the tiny model.
//!
//! Prints its counts, and the hurdle beside them. The samples of all runs go to `target/bench/aa-samples.txt`, one line a
//! run and subject; the tests' simulation is over such a recording.

use std::fmt::Write as _;
use std::time::Duration;

use bizra::bench::compare::{Pairing, Verdict, compare};
use bizra::bench::measure::{self, Schedule, Subject};
use bizra::bench::result::Better;
use bizra::infer::engine::{Engine, Options};
use bizra::infer::forward::Wanted;

use super::Figure;
use crate::tools::{self, Outcome, Stopwatch};

const RUNS: usize = 100;
/// Passes of a sample, and of one that does 5 % more.
const PASSES: usize = 20;
const MORE: usize = 21;
const TOKENS: usize = 16;

pub(super) fn run(clock: &Stopwatch, rounds: usize) -> Outcome<Vec<Figure>> {
    let file = tools::read_file(&tools::root().join("fixtures/tiny.gguf"))?;
    let options = Options { threads: 1, ..Options::default() };
    let load = || Engine::load(&file, &options).map_err(|error| error.to_string());
    let mut samples = String::new();
    let (mut same, mut found) = (Counts::default(), Counts::default());
    let begin = measure::Clock::elapsed(clock);
    for seed in 0..RUNS as u64 {
        // Where weights happen to lie in memory moves a figure: each run is dealt anew, as it is for users.
        let (mut once, mut again, mut slow) = (load()?, load()?, load()?);
        let schedule = Schedule { rounds, seed, ..Schedule::default() };
        let mut subjects = [
            Subject::timed("A", clock, || passes(&mut once, PASSES)),
            Subject::timed("A again", clock, || passes(&mut again, PASSES)),
            Subject::timed("5 % more", clock, || passes(&mut slow, MORE)),
        ];
        let series = measure::interleaved(&schedule, &mut subjects).map_err(|error| error.to_string())?;
        for one in &series {
            let micros: Vec<String> = one.samples.iter().map(|sample| sample.as_micros().to_string()).collect();
            let _ = writeln!(samples, "{} {}", one.name.replace(' ', "-"), micros.join(" "));
        }
        let seconds: Vec<Vec<f64>> = series.iter().map(measure::Series::seconds).collect();
        for (other, counts) in [(1, &mut same), (2, &mut found)] {
            let compared = compare(&seconds[other], &seconds[0], Better::Lower, Pairing::Rounds, 1);
            counts.add(&compared.map_err(|error| error.to_string())?);
        }
    }
    let took = measure::Clock::elapsed(clock).saturating_sub(begin);
    tools::write_file(&tools::root().join("target/bench/aa-samples.txt"), samples.as_bytes())?;
    let alarms = same.of(Verdict::Faster) + same.of(Verdict::Slower);
    Ok(vec![
        Figure::new(
            &format!("A against A, {RUNS} runs of {rounds} rounds"),
            format!("{alarms} faster or slower; {same}"),
            "at most 1".into(),
            Some(alarms <= 1),
        ),
        Figure::new(
            &format!("5 % more work, {RUNS} runs of {rounds} rounds"),
            format!("{} slower; {found}", found.of(Verdict::Slower)),
            "at least 95, on a quiet machine".into(),
            Some(found.of(Verdict::Slower) >= 95),
        ),
        Figure::new("time of all", format!("{:.1} s", Duration::as_secs_f64(&took)), String::new(), None),
    ])
}

fn passes(engine: &mut Engine<'_>, count: usize) -> Result<(), String> {
    let tokens: Vec<u32> = (1..=TOKENS as u32).collect();
    for _ in 0..count {
        let mut session = engine.session().map_err(|error| error.to_string())?;
        engine.pass(&mut [(&mut session, &tokens, Wanted::Last)]).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    verdicts: Vec<Verdict>,
    ratios: Vec<f64>,
    /// Half of the interval's width, in per cent.
    halves: Vec<f64>,
}

impl Counts {
    fn add(&mut self, comparison: &bizra::bench::compare::Comparison) {
        self.verdicts.push(comparison.verdict);
        self.ratios.push(comparison.ratio);
        self.halves.extend(comparison.interval.map(|interval| (interval.high - interval.low) * 50.0));
    }

    fn of(&self, verdict: Verdict) -> usize {
        self.verdicts.iter().filter(|one| **one == verdict).count()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let (same, undecided) = (self.of(Verdict::Same), self.of(Verdict::Undecided));
        let (ratio, half) = (middle(&self.ratios), middle(&self.halves));
        write!(f, "{same} same, {undecided} undecided; ratio {ratio:.3} ± {half:.1} % (medians)")
    }
}
