//! Two kernels of one operation on the same cases: how near each is to the truth, and where their bits agree.

use std::time::Duration;

use bizra_kernels::call::Status;

use super::case::Case;
use super::op;
use super::plan::{Effort, plan_unless};
use super::promise::Promise;
use super::report::{Failed, Subject};
use super::run::{Broken, Edge, Runner};
use super::verify::{self, Failure, Loaded};
use super::{inputs, truth};

/// One of the two.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub id: String,
    /// The worst error over its bound, and the case.
    pub worst: f64,
    pub worst_case: Option<Case>,
    /// Cases in which this one was nearer to the truth.
    pub nearer: usize,
    pub failures: Vec<Failed>,
}

#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Cases that both are made for.
    pub cases: usize,
    pub same_bits: usize,
    pub sides: [Side; 2],
}

/// Runs both, each case in one batch.
pub fn compare(
    runner: &mut dyn Runner,
    subjects: [&Subject<'_>; 2],
    effort: Effort,
    seed: u64,
    clock: &dyn Fn() -> Duration,
    until: Option<Duration>,
    memory: u64,
) -> Result<Compared, Broken> {
    let promises = subjects.map(|s| Promise::of(s.manifest));
    let plan = plan_unless(&|| runner.is_stopped(), subjects[0].manifest, &promises[0], effort, seed, 3);
    let mut result = Compared::default();
    for (side, subject) in result.sides.iter_mut().zip(subjects) {
        side.id = subject.manifest.id().to_owned();
    }
    let mut loaded: Option<[Loaded; 2]> = None;
    'cases: for case in plan.cases {
        let too_large = op::memory(&case.shape, promises[0].types(case.weights)) > memory;
        if too_large || subjects[1].manifest.leaves_out(&case).is_some() {
            continue;
        }
        if until.is_some_and(|until| clock() >= until) || result.sides.iter().any(|s| s.failures.len() >= 3) {
            break;
        }
        let both = match &loaded {
            Some(both) => both.clone(),
            None => {
                let mut one = |n: usize| -> Result<Loaded, (usize, Broken)> {
                    let kernel = runner.load(&subjects[n].target).map_err(|broken| (n, broken))?;
                    Ok(Loaded { kernel, promise: promises[n].clone(), workspace: subjects[n].workspace })
                };
                match one(0).and_then(|first| Ok([first, one(1)?])) {
                    Ok(both) => loaded.insert(both).clone(),
                    Err((_, broken @ (Broken::Load(_) | Broken::Machine(_) | Broken::Interrupted))) => {
                        return Err(broken);
                    }
                    Err((n, broken)) => {
                        let failure = Failure::Loading(broken);
                        result.sides[n].failures.push(Failed { case, stage: "correctness", failure });
                        break 'cases;
                    }
                }
            }
        };
        result.cases += 1;
        let tensors = inputs::build(&case, &both[0].promise);
        let mut answers = Vec::new();
        for (side, own) in result.sides.iter_mut().zip(&both) {
            let call = verify::invoke(own, &case, &tensors, Edge::End, &[0xff; 4]);
            let failure = match runner.run(&[call]) {
                Ok(batch) if batch.done[0].status == Status::Ok.code() => {
                    match verify::answers(own, &case, &batch.done[0], &[0xff; 4]) {
                        Ok(values) => {
                            answers.push(values);
                            continue;
                        }
                        Err(failure) => failure,
                    }
                }
                Ok(batch) => Failure::Status(batch.done[0].status),
                Err(broken @ (Broken::Load(_) | Broken::Machine(_) | Broken::Interrupted)) => return Err(broken),
                Err(broken) => {
                    loaded = None;
                    Failure::Broken(broken)
                }
            };
            side.failures.push(Failed { case: case.clone(), stage: "correctness", failure });
            break;
        }
        if answers.len() < 2 {
            continue;
        }
        // Each by its own contract; how far both are from the truth of the first tells which is nearer.
        let mut errors = [0.0; 2];
        for (n, values) in answers.iter().enumerate() {
            let truth = truth::of(&case, &both[n].promise, &tensors);
            match verify::judge(&both[n], &case, &truth, values) {
                Ok(measure) => {
                    errors[n] = measure.worst;
                    let side = &mut result.sides[n];
                    if measure.worst > side.worst {
                        (side.worst, side.worst_case) = (measure.worst, Some(case.clone()));
                    }
                }
                Err(miss) => {
                    errors[n] = f64::INFINITY;
                    let failure = Failure::Miss(miss);
                    result.sides[n].failures.push(Failed { case: case.clone(), stage: "correctness", failure });
                }
            }
        }
        if errors[0] != errors[1] {
            result.sides[usize::from(errors[1] < errors[0])].nearer += 1;
        }
        if verify::same(&both[0], &case, &answers[0], &answers[1], "").is_ok() {
            result.same_bits += 1;
        }
    }
    Ok(result)
}
