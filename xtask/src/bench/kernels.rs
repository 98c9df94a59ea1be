//! The verifier of kernels again and again, with fresh seeds each time: whether a wrong kernel ever passes, whether one of
//! the engine's own is ever refused, and how long both trials take.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use bizra::bench::measure::Clock as _;
use serde_json::{Value, json};

use super::{Figure, Race, Setup};
use crate::tools::{self, Outcome};

/// What the trials are to stay within, in seconds.
const SELF_TEST: f64 = 120.0;
const QUICK: f64 = 30.0;

pub(super) fn run(setup: &Setup) -> Outcome<(Vec<Race>, Vec<Figure>)> {
    let work = tools::root().join("target/bench/kernels");
    std::fs::create_dir_all(&work).map_err(|cause| format!("cannot make {}: {cause}", work.display()))?;
    let bytes =
        std::fs::read(&setup.binary).map_err(|cause| format!("cannot read {}: {cause}", setup.binary.display()))?;
    let binary = tools::sha256(&bytes);
    let (mut score, mut ours, mut times) = ([0u64; 4], [0u64; 2], [Vec::new(), Vec::new()]);
    for run in 1..=setup.schedule.rounds {
        let (took, trial) = answer(setup, &work, &["selftest"])?;
        times[0].push(took);
        let names = ["wrong", "refused", "honest", "accepted"];
        let own = names.map(|name| trial["result"]["score"][name].as_u64().unwrap_or(0));
        score.iter_mut().zip(own).for_each(|(sum, n)| *sum += n);
        let (took, verified) = answer(setup, &work, &["verify", "--quick"])?;
        times[1].push(took);
        let kernels = list(&verified["result"]["kernels"]);
        let passed = kernels.iter().filter(|kernel| kernel["outcome"] == "verified").count() as u64;
        ours[0] += kernels.len() as u64;
        ours[1] += passed;
        let [wrong, refused, honest, accepted] = own;
        let (total, seed) = (kernels.len(), verified["result"]["seed"]["revealed"].as_str().unwrap_or("?"));
        eprintln!(
            "  {run:2}: {refused} of {wrong} wrong ones refused, {accepted} of {honest} honest ones accepted, {passed} of {total} \
             of ours verified (seed {seed})"
        );
        for one in misjudged_specimens(&trial).chain(misjudged_kernels(&verified)) {
            ["message", "case", "replay"].iter().for_each(|key| eprintln!("      {}", text(&one[key])));
            keep(&work.join("misjudged.jsonl"), &json!({ "run": run, "binary": binary, "misjudged": one }))?;
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

/// Kernels of the self-test that were not treated as they should be.
fn misjudged_specimens(trial: &Value) -> impl Iterator<Item = Value> {
    let seed = trial["result"]["seed"].as_str().unwrap_or("?");
    let missed = list(&trial["result"]["kernels"]).iter().filter(|one| one["as_expected"] == false);
    missed.map(move |one| {
        let (kernel, outcome) = (text(&one["kernel"]), text(&one["outcome"]));
        let kind = if one["honest"] == true { "honest" } else { "wrong" };
        json!({
            "kernel": kernel,
            "check": one["check"],
            "message": format!("{kernel} is {kind} and was {outcome}: {}", text(&one["why"])),
            "case": one["case"],
            "replay": format!("bizra kernel selftest {kernel} --seed {seed}"),
        })
    })
}

/// Kernels of the engine that were not verified: each failure, or the outcome where there is none.
fn misjudged_kernels(verified: &Value) -> impl Iterator<Item = Value> {
    let missed = list(&verified["result"]["kernels"]).iter().filter(|one| one["outcome"] != "verified");
    missed.flat_map(|one| {
        let (kernel, outcome) = (text(&one["id"]), text(&one["outcome"]));
        let told = |failure: &Value| {
            let case = text(&failure["case"]);
            json!({
                "kernel": kernel,
                "check": failure["check"],
                "message": format!("{kernel} was {outcome}: {}", text(&failure["message"])),
                "case": case,
                "replay": format!("bizra kernel verify {kernel} --case '{case}'"),
            })
        };
        match list(&one["failures"]) {
            [] => vec![
                json!({ "kernel": kernel, "message": format!("{kernel} was {outcome}"), "case": null, "replay": null }),
            ],
            failures => failures.iter().map(told).collect(),
        }
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// Adds a line to a file that outlives this bench.
fn keep(path: &Path, line: &Value) -> Outcome {
    let mut options = std::fs::OpenOptions::new();
    let wrote = options.create(true).append(true).open(path).and_then(|mut file| writeln!(file, "{line}"));
    wrote.map_err(|cause| format!("cannot write {}: {cause}", path.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_misjudged_is_told_with_its_replay() {
        let trial = json!({ "result": { "seed": "00ff", "kernels": [
            { "kernel": "a", "honest": false, "outcome": "refused", "as_expected": true },
            { "kernel": "b", "honest": true, "outcome": "refused", "as_expected": false, "check": "g2", "why": "w", "case": "c" },
            { "kernel": "d", "honest": false, "outcome": "verified", "as_expected": false, "check": null, "why": null, "case": null },
        ] } });
        let told: Vec<Value> = misjudged_specimens(&trial).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(
            (&told[0]["check"], &told[0]["case"], &told[0]["message"], &told[0]["replay"]),
            (
                &json!("g2"),
                &json!("c"),
                &json!("b is honest and was refused: w"),
                &json!("bizra kernel selftest b --seed 00ff")
            )
        );
        assert_eq!(told[1]["replay"], "bizra kernel selftest d --seed 00ff");
        let verified = json!({ "result": { "kernels": [
            { "id": "softmax", "outcome": "verified", "failures": [] },
            { "id": "rope", "outcome": "undecided", "failures": [] },
            { "id": "gated", "outcome": "refused", "failures": [{ "check": "slope", "case": "gated/R=1", "message": "m" }] },
        ] } });
        let told: Vec<Value> = misjudged_kernels(&verified).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0]["message"], "rope was undecided");
        assert_eq!(
            (&told[1]["check"], &told[1]["replay"]),
            (&json!("slope"), &json!("bizra kernel verify gated --case 'gated/R=1'"))
        );
    }
}
