//! The verifier of kernels again and again, with fresh seeds each time: whether a wrong kernel ever passes, whether one of
//! the engine's own is ever refused, and how long both trials take.

use std::path::Path;
use std::process::Stdio;

use bizra::bench::measure::Clock as _;
use serde_json::Value;

use super::{Figure, Race, Setup};
use crate::tools::{self, Outcome};

/// What the trials are to stay within, in seconds.
const SELF_TEST: f64 = 120.0;
const QUICK: f64 = 30.0;

pub(super) fn run(setup: &Setup) -> Outcome<(Vec<Race>, Vec<Figure>)> {
    let work = tools::root().join("target/bench/kernels");
    std::fs::create_dir_all(&work).map_err(|cause| format!("cannot make {}: {cause}", work.display()))?;
    let (mut score, mut ours, mut times) = ([0u64; 4], [0u64; 2], [Vec::new(), Vec::new()]);
    for run in 1..=setup.schedule.rounds {
        let (took, trial) = answer(setup, &work, &["selftest"])?;
        times[0].push(took);
        let names = ["wrong", "refused", "honest", "accepted"];
        let own = names.map(|name| trial["result"]["score"][name].as_u64().unwrap_or(0));
        score.iter_mut().zip(own).for_each(|(sum, n)| *sum += n);
        let (took, verified) = answer(setup, &work, &["verify", "--quick"])?;
        times[1].push(took);
        let kernels = verified["result"]["kernels"].as_array().map_or(&[][..], Vec::as_slice);
        let passed = kernels.iter().filter(|kernel| kernel["outcome"] == "verified").count() as u64;
        ours[0] += kernels.len() as u64;
        ours[1] += passed;
        let [wrong, refused, honest, accepted] = own;
        let (total, seed) = (kernels.len(), verified["result"]["seed"]["revealed"].as_str().unwrap_or("?"));
        eprintln!(
            "  {run:2}: {refused} of {wrong} wrong ones refused, {accepted} of {honest} honest ones accepted, {passed} of {total} \
             of ours verified (seed {seed})"
        );
        for document in [&trial, &verified] {
            for reason in document["reasons"].as_array().into_iter().flatten() {
                eprintln!("      {}", reason["message"].as_str().unwrap_or("?"));
            }
        }
    }
    let [wrong, refused, honest, accepted] = score;
    let runs = setup.schedule.rounds;
    let all = |what: &str, met: u64, of: u64| {
        Figure::new(
            &format!("{what}, in {runs} runs"),
            format!("{met} of {of}"),
            "all".into(),
            Some(met == of && of > 0),
        )
    };
    let time = |what: &str, times: &mut Vec<f64>, most: f64| {
        times.sort_by(f64::total_cmp);
        let (median, worst) = (times[times.len() / 2], times.last().copied().unwrap_or(f64::NAN));
        Figure::new(what, format!("{median:.1} s (worst: {worst:.1})"), format!("{most} s"), Some(worst <= most))
    };
    let [self_test, quick] = &mut times;
    let figures = vec![
        all("wrong kernels refused", refused, wrong),
        all("honest kernels accepted", accepted, honest),
        all("kernels of the engine verified, quick", ours[1], ours[0]),
        time("the self-test", self_test, SELF_TEST),
        time("all kernels, quick", quick, QUICK),
    ];
    Ok((Vec::new(), figures))
}

/// How long one command took, and its document: one that says no is an answer too.
fn answer(setup: &Setup, work: &Path, args: &[&str]) -> Outcome<(f64, Value)> {
    let mut command = tools::command(&setup.binary);
    command.arg("kernel").args(args).args(["--no-receipt", "--json"]).current_dir(work).stderr(Stdio::piped());
    let start = setup.clock.elapsed();
    let output = command.output().map_err(|cause| format!("cannot start {}: {cause}", setup.binary.display()))?;
    let took = setup.clock.elapsed().saturating_sub(start).as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_slice(&output.stdout)
        .map_err(|cause| format!("`{}` printed no JSON: {cause}: {said}", tools::typed(&command)))?;
    Ok((took, document))
}
