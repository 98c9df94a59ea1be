//! The stand that sessions are measured on: a process of its own for every subject, inputs that no process has seen for
//! every pair, and outputs that are kept until chance has chosen which are checked.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::controls::{Roof, Work};
use super::draw::Secret;
use super::session::{Call, Stand, Step, Subject};
use crate::kernel::case::{Case, Data};
use crate::kernel::inputs::{self, Operand};
use crate::kernel::manifest::Layout;
use crate::kernel::op::{self, Op};
use crate::kernel::promise::Promise;
use crate::kernel::run::{Broken, Edge, Invoke, Runner, Target};
use crate::kernel::speed::Timed;
use crate::kernel::truth;
use crate::kernel::verify::{self, Failure, Loaded};

/// Who takes part, and where its code is.
#[derive(Clone, Debug)]
pub struct Party {
    pub name: String,
    pub target: Target,
    pub workspace: usize,
}

/// Why a session ended early.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The machine, or a baseline, can't do its part.
    Cannot(String),
    /// The kernel crashed, hung or did what it may not.
    Kernel(Broken),
    /// The output of a timed call was wrong.
    Wrong { case: String, failure: Failure },
}

/// What a session is about.
pub struct About<'a> {
    pub kernel: Party,
    /// The claimed one first.
    pub baselines: Vec<Party>,
    pub promise: &'a Promise,
    pub timed: Vec<Timed>,
    pub layout: Layout,
    pub threads: u32,
    /// Whether caches are emptied of the tensors before each call.
    pub cold: bool,
    pub secret: &'a Secret,
    /// Randomness that is drawn when it is asked for.
    pub chance: &'a dyn Fn() -> Result<Secret, String>,
    /// A process for a subject.
    pub start: &'a dyn Fn() -> Box<dyn Runner + 'a>,
    pub roof: &'a dyn Fn() -> Roof,
    pub goes_on: &'a dyn Fn(Step) -> bool,
}

pub struct Processes<'a> {
    about: About<'a>,
    place: (usize, usize),
    sides: Vec<Side<'a>>,
    /// Of the pair in progress.
    inputs: Option<(usize, Case, Vec<Operand>)>,
}

struct Side<'a> {
    subject: Subject,
    runner: Box<dyn Runner + 'a>,
    loaded: Loaded,
    /// By number of the call, of the kernel.
    kept: Vec<(usize, Vec<Vec<f64>>)>,
    /// How long its calls took, and what its threads had of processors meanwhile.
    waited: Duration,
    busy: Duration,
}

/// One thread has as much of a processor as time passes, and no more; the rest is for the errors of two clocks.
const MOST_BUSY: f64 = 1.2;

/// Refuses who works with more threads than were given.
fn check_threads(busy: Duration, waited: Duration, given: u32) -> Result<(), Broken> {
    let processors = busy.as_secs_f64() / waited.as_secs_f64().max(1e-9);
    if processors <= f64::from(given) * MOST_BUSY {
        return Ok(());
    }
    let threads = if given == 1 { "one thread".to_owned() } else { format!("{given} threads") };
    Err(Broken::Forbidden(format!("it kept {processors:.1} processors busy while it was timed with {threads}")))
}

/// Garbage of the usual kind.
const POISON: [u8; 4] = [0xff; 4];

impl<'a> Processes<'a> {
    pub fn new(about: About<'a>) -> Self {
        Processes { about, place: (0, 0), sides: Vec::new(), inputs: None }
    }

    fn case(&self, number: usize) -> Case {
        let (shape, process) = self.place;
        let mut random = self.about.secret.stream("inputs", &[shape as u64, process as u64, number as u64]);
        let timed = &self.about.timed[shape];
        Case {
            shape: timed.shape.clone(),
            weights: timed.weights,
            data: Data::Normal,
            layout: self.about.layout,
            threads: self.about.threads,
            seed: random.next_u64(),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let Some(side) = self.sides.iter().find(|side| side.subject == Subject::Kernel && !side.kept.is_empty()) else {
            return Ok(());
        };
        check_threads(side.busy, side.waited, self.about.threads).map_err(Fault::Kernel)?;
        let chance = (self.about.chance)().map_err(Fault::Cannot)?;
        for at in chance.checked(self.place.0, self.place.1, side.kept.len()) {
            let (number, answer) = &side.kept[at];
            let case = self.case(*number);
            let inputs = inputs::build(&case, self.about.promise);
            let truth = truth::of(&case, self.about.promise, &inputs);
            if let Err(miss) = verify::judge(&side.loaded, &case, &truth, answer) {
                return Err(Fault::Wrong { case: case.to_string(), failure: Failure::Miss(miss) });
            }
        }
        Ok(())
    }
}

impl Stand for Processes<'_> {
    type Fault = Fault;

    fn start(&mut self, subject: Subject, shape: usize, process: usize) -> Result<(), Fault> {
        self.place = (shape, process);
        let about = &self.about;
        let baseline = |at: usize| about.baselines.get(at).ok_or_else(|| Fault::Cannot("there is no baseline".into()));
        let (party, target) = match subject {
            Subject::Kernel => (&about.kernel, about.kernel.target.clone()),
            Subject::Baseline(at) => (baseline(at)?, baseline(at)?.target.clone()),
            Subject::Delayed(at) => match &baseline(at)?.target {
                Target::Builtin(name) => (baseline(at)?, Target::Builtin(format!("{name}.delayed"))),
                other => (baseline(at)?, other.clone()),
            },
        };
        let mut runner = (about.start)();
        let kernel = runner.load(&target).map_err(|broken| match (subject, broken) {
            (Subject::Kernel, broken @ (Broken::Crashed(_) | Broken::TimedOut(_) | Broken::Forbidden(_))) => {
                Fault::Kernel(broken)
            }
            (_, broken) => Fault::Cannot(format!("{}: {broken}", party.name)),
        })?;
        let loaded = Loaded { kernel, promise: about.promise.clone(), workspace: party.workspace };
        let (waited, busy) = (Duration::ZERO, Duration::ZERO);
        self.sides.push(Side { subject, runner, loaded, kept: Vec::new(), waited, busy });
        Ok(())
    }

    fn call(&mut self, side: usize, number: usize) -> Result<Call, Fault> {
        if self.inputs.as_ref().is_none_or(|(known, ..)| *known != number) {
            let case = self.case(number);
            let inputs = inputs::build(&case, self.about.promise);
            self.inputs = Some((number, case, inputs));
        }
        let (Some((_, case, inputs)), Some(side)) = (&self.inputs, self.sides.get_mut(side)) else {
            return Err(Fault::Cannot("nobody was started".into()));
        };
        let invoke = verify::invoke(&side.loaded, case, inputs, Edge::Start, &POISON);
        let invoke = Invoke { cold: self.about.cold, ..invoke };
        let is_kernel = side.subject == Subject::Kernel;
        let batch = side.runner.run(&[invoke]).map_err(|broken| match (is_kernel, broken) {
            (true, broken) if broken.is_of_kernel() => Fault::Kernel(broken),
            (_, broken) => Fault::Cannot(format!("a baseline: {broken}")),
        })?;
        let Some(done) = batch.done.first() else { return Err(Fault::Cannot("a call had no answer".into())) };
        if done.status != 0 {
            return Err(match is_kernel {
                true => Fault::Wrong { case: case.to_string(), failure: Failure::Status(done.status) },
                false => Fault::Cannot(format!("a baseline doesn't take {}: it returned {}", case.shape, done.status)),
            });
        }
        if is_kernel {
            let answer = verify::answers(&side.loaded, case, done, &POISON)
                .map_err(|failure| Fault::Wrong { case: case.to_string(), failure })?;
            side.kept.push((number, answer));
            side.waited += Duration::from_nanos(batch.nanoseconds);
            side.busy += batch.busy;
        }
        Ok(Call { own: done.nanoseconds as f64 * 1e-9, asked: batch.nanoseconds as f64 * 1e-9 })
    }

    fn roof(&mut self) -> Result<Roof, Fault> {
        Ok((self.about.roof)())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let checked = self.check();
        self.sides.clear();
        self.inputs = None;
        checked
    }

    fn goes_on(&mut self, step: Step) -> Result<bool, Fault> {
        Ok((self.about.goes_on)(step))
    }
}

/// The least that a shape asks of any kernel; none of what isn't known.
pub fn least_work(timed: &Timed, promise: &Promise) -> Work {
    let Timed { shape, weights } = timed;
    let n = |name| shape.size(name) as f64;
    let multiply_adds = match shape.op {
        Op::Matmul => n("M") * n("N") * n("K"),
        Op::Attention => {
            let (queries, past, window) = (shape.size("S"), shape.size("past"), shape.size("window"));
            let seen = |i: usize| {
                let all = if shape.get("causal") != 0 { past + i + 1 } else { past + queries };
                if window > 0 { all.min(window) } else { all }
            };
            let pairs: f64 = (0..queries).map(|i| seen(i) as f64).sum();
            // A sequence may have fewer keys than there is room for.
            if shape.get("short") != 0 { 0.0 } else { n("B") * n("Hkv") * n("group") * pairs * 2.0 * n("D") }
        }
        _ => 0.0,
    };
    let types = promise.types(*weights);
    let slots = op::inputs(shape, types).into_iter().chain(op::outputs(shape, types));
    let bytes: usize = slots.map(|slot| slot.bytes()).sum();
    // Keys that nobody sees needn't be read.
    let all_seen = shape.op != Op::Attention || (shape.get("window") == 0 && shape.get("pad") == 0);
    Work { multiply_adds, bytes: if all_seen { bytes as f64 } else { 0.0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_processors_than_threads_are_noticed() {
        let after = |busy: u64, given| check_threads(Duration::from_millis(busy), Duration::from_millis(100), given);
        assert!(after(100, 1).is_ok() && after(199, 2).is_ok() && after(0, 1).is_ok());
        let refused = after(180, 1).expect_err("two threads");
        assert_eq!(
            refused.to_string(),
            "the kernel was ended: it kept 1.8 processors busy while it was timed with one thread"
        );
        assert!(after(350, 2).is_err());
    }
}
