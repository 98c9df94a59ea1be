//! What measuring costs: a run as `bizra bench` times it, beside the same work with a clock that stands still and nobody
//! who listens.
//!
//! The tiny model's tokens take microseconds, so that a few looks at the clock show at all; a token of a real model takes
//! a thousand times as long, and the looks cost the same.

use std::time::Duration;

use bizra::bench::measure::{self, Clock as _, Schedule, Subject};
use bizra::bench::stats::Sample;
use bizra::infer::engine::{Engine, Options};
use bizra::infer::generate::{Control, Limits};
use bizra::infer::sampler::Sampling;
use bizra::infer::tokenizer::EncodeOpts;
use bizra::infer::trial::{Sizes, Trial};

use super::Figure;
use crate::tools::{self, Outcome, Stopwatch};

const SIZES: Sizes = Sizes { prompt: 8, generated: 256, depth: 0, batch: 1 };
/// More than of others: what is looked for is small.
const TIMES: usize = 10;
/// A token of a model at 200 tokens a second.
const REAL_TOKEN: f64 = 5e-3;
const MOST: f64 = 0.01;

pub(super) fn run(clock: &Stopwatch, rounds: usize) -> Outcome<Vec<Figure>> {
    let file = tools::read_file(&tools::root().join("fixtures/tiny.gguf"))?;
    let options = Options { threads: 1, context: Some(SIZES.context() + 1), ..Options::default() };
    let load = || Engine::load(&file, &options).map_err(|error| error.to_string());
    let (mut timed, mut silent) = (load()?, load()?);
    let mut trial = Trial::new(&mut timed, SIZES, 0).map_err(|error| error.to_string())?;
    let (text, prompt) = trial.first_prompt();
    let (text, prompt) = (text.to_owned(), prompt.to_vec());
    let limits = Limits { tokens: Some(SIZES.generated + 1), ignore_end: true, ..Limits::default() };
    let mut session = silent.session().map_err(|error| error.to_string())?;
    let mut subjects = [
        Subject::timed("measured", clock, || {
            trial.run(&mut timed, &|| clock.elapsed(), &mut || {}).map(drop).map_err(|error| error.to_string())
        }),
        Subject::timed("silent", clock, || {
            session.forget_after(0);
            let opts = EncodeOpts { add_special: true, parse_special: false };
            silent.tokenizer().encode(&text, opts).map_err(|error| error.to_string())?;
            let still = || Duration::ZERO;
            silent
                .generate_in(&mut session, &prompt, &Sampling::default(), &limits, &mut |_| Control::Continue, &still)
                .map(drop)
                .map_err(|error| error.to_string())
        }),
    ];
    let schedule = Schedule { rounds: rounds * TIMES, ..Schedule::default() };
    let series = measure::interleaved(&schedule, &mut subjects).map_err(|error| error.to_string())?;
    let (measured, silent) = (series[0].seconds(), series[1].seconds());
    let costs: Vec<f64> =
        measured.iter().zip(&silent).map(|(with, without)| (with - without) / SIZES.generated as f64).collect();
    let cost = Sample::new(&costs).map_err(|error| error.to_string())?.estimate();
    let high = cost.interval.map_or(f64::INFINITY, |interval| interval.high);
    let low = cost.interval.map_or(f64::NEG_INFINITY, |interval| interval.low);
    let token = Sample::new(&silent).map_err(|error| error.to_string())?.median() / SIZES.generated as f64;
    Ok(vec![
        Figure::new(
            "cost of measuring a token",
            format!("{:.0} ns ({:.0} to {:.0}) of {:.1} µs", cost.median * 1e9, low * 1e9, high * 1e9, token * 1e6),
            "none".into(),
            None,
        ),
        Figure::new(
            "of a token of 5 ms",
            format!("{:.4}%, at most {:.4}%", cost.median / REAL_TOKEN * 100.0, high / REAL_TOKEN * 100.0),
            "at most 1%".into(),
            Some(high / REAL_TOKEN <= MOST),
        ),
    ])
}
