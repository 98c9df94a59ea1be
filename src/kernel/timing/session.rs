//! A session: for each shape, fresh processes; in each, pairs of calls on inputs of their own; after ten processes a look.
//!
//! Every subject has a process of its own, so that a kernel can't reach what it is compared with. All of them are called
//! once a pair, in an order drawn beforehand: the claimed baseline, the kernel, and every other baseline there is, for the
//! ratio to the best of them stands beside the claimed one.

use std::fmt;

use super::controls::{Roof, Trick, plainly_held_back};
use super::draw::Secret;
use super::{LOOKS, Look, Statistic, StatisticError, Verdict, median};

/// Fewer pairs in a process say nothing about it.
pub const PAIRS: usize = 30;
/// Calls that aren't counted.
const WARM_UP: usize = 3;
/// Calls of the baselines before the kernel's process exists.
const WITHOUT: usize = 5;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Kernel,
    /// By its place in the list of baselines.
    Baseline(usize),
    /// The same, made slower by [`super::controls::DELAY`].
    Delayed(usize),
}

/// How long a call took, in seconds, by the clock of the process that made it and by that of the one that asked for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    pub own: f64,
    pub asked: f64,
}

/// What a session is measured on.
pub trait Stand {
    type Fault;

    /// A fresh process for the subject.
    fn start(&mut self, subject: Subject, shape: usize, process: usize) -> Result<(), Self::Fault>;

    /// One call of the process that was started at this place. Each number has inputs of its own, the same for all
    /// subjects, which no process has seen: nothing that was kept of an earlier call helps.
    fn call(&mut self, side: usize, number: usize) -> Result<Call, Self::Fault>;

    /// What this machine can do at best, for as many threads as the subjects have.
    fn roof(&mut self) -> Result<Roof, Self::Fault>;

    /// Ends all processes, after the outputs of calls that are chosen now were checked.
    fn finish(&mut self) -> Result<(), Self::Fault>;

    /// Told before each process, and asked whether there is time left for it.
    fn goes_on(&mut self, step: Step) -> Result<bool, Self::Fault>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub shape: usize,
    pub process: usize,
    /// Of this look.
    pub processes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SessionError<F> {
    Stand(F),
    Statistic(StatisticError),
    /// A process was started and ended with fewer than two subjects.
    Nobody,
}

impl<F: fmt::Display> fmt::Display for SessionError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Stand(fault) => fault.fmt(f),
            SessionError::Statistic(error) => error.fmt(f),
            SessionError::Nobody => f.write_str("there is nothing to measure"),
        }
    }
}

impl<F: fmt::Debug + fmt::Display> std::error::Error for SessionError<F> {}

impl<F> From<StatisticError> for SessionError<F> {
    fn from(error: StatisticError) -> Self {
        SessionError::Statistic(error)
    }
}

/// What one set of fresh processes measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    pub roof: Roof,
    /// The first subject's calls before the kernel's process existed; none where that is the kernel.
    pub without: Vec<f64>,
    /// By pair and subject.
    pub rounds: Vec<Vec<Call>>,
}

impl Process {
    /// The median over pairs of ln(t of `slow` / t of `fast`).
    pub fn log_ratio(&self, slow: usize, fast: usize) -> f64 {
        median(&mut self.rounds.iter().map(|round| (round[slow].own / round[fast].own).ln()).collect::<Vec<_>>())
    }

    /// Of a subject's calls, by its own clock.
    pub fn seconds(&self, side: usize) -> f64 {
        median(&mut self.rounds.iter().map(|round| round[side].own).collect::<Vec<_>>())
    }

    /// What a call takes longer by the clock of who asked for it.
    pub fn around(&self, side: usize) -> f64 {
        median(&mut self.rounds.iter().map(|round| round[side].asked - round[side].own).collect::<Vec<_>>())
    }

    /// The logarithm of how much slower the first subject is in the kernel's company.
    pub fn held_back(&self) -> f64 {
        (self.seconds(0) / median(&mut self.without.clone())).ln()
    }
}

/// Starts fresh processes and measures them.
pub fn process<S: Stand>(
    stand: &mut S,
    secret: &Secret,
    subjects: &[Subject],
    (shape, number): (usize, usize),
) -> Result<Process, SessionError<S::Fault>> {
    if subjects.is_empty() {
        return Err(SessionError::Nobody);
    }
    // The kernel comes last, so that the others can be timed without it, in the same turns as with it: what they do to
    // each other's caches is nothing that it does.
    let (last, others): (Vec<usize>, Vec<usize>) =
        (0..subjects.len()).partition(|subject| subjects[*subject] == Subject::Kernel);
    let mut places = vec![0; subjects.len()];
    others.iter().chain(&last).enumerate().for_each(|(place, subject)| places[*subject] = place);
    let mut run = || -> Result<Process, S::Fault> {
        let roof = stand.roof()?;
        let begin = |stand: &mut S, subject: usize| -> Result<(), S::Fault> {
            stand.start(subjects[subject], shape, number)?;
            (0..WARM_UP).try_for_each(|number| stand.call(places[subject], number).map(drop))
        };
        others.iter().try_for_each(|subject| begin(stand, *subject))?;
        let mut without = Vec::with_capacity(WITHOUT);
        for number in WARM_UP..WARM_UP + WITHOUT {
            for subject in &others {
                let call = stand.call(places[*subject], number)?;
                if *subject == 0 {
                    without.push(call.own);
                }
            }
        }
        last.iter().try_for_each(|subject| begin(stand, *subject))?;
        let mut rounds = Vec::with_capacity(PAIRS);
        for (pair, order) in secret.orders(shape, number, PAIRS, subjects.len()).iter().enumerate() {
            let mut round = vec![Call { own: f64::NAN, asked: f64::NAN }; subjects.len()];
            for side in order {
                round[*side] = stand.call(places[*side], WARM_UP + WITHOUT + pair)?;
            }
            rounds.push(round);
        }
        Ok(Process { roof, without, rounds })
    };
    let measured = run().map_err(SessionError::Stand);
    // Processes are ended in any case, and what was measured counts only if the outputs were right.
    let ended = stand.finish().map_err(SessionError::Stand);
    let measured = measured?;
    ended.map(|()| measured)
}

/// What is asked of one shape.
pub struct Question<'q> {
    /// By its place among the manifest's shapes.
    pub shape: usize,
    /// The claimed baseline first where there is one, then the kernel, then other baselines.
    pub subjects: Vec<Subject>,
    /// The claim's figure in one process, as a logarithm; its last number is what is to be found.
    pub figure: &'q dyn Fn(&Process) -> f64,
    /// Another device's figure that this one is compared with.
    pub peer: Option<Statistic>,
    pub judge: &'q dyn Fn(&Statistic, Spent) -> Verdict,
    /// What betrays a kernel that only looks fast.
    pub tricks: &'q dyn Fn(&[Process]) -> Option<Trick>,
}

/// The part of [`super::ALPHA`] that this look spends: in support of the claim, and on refuting it, which one of several
/// shapes is enough for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    pub support: f64,
    pub refute: f64,
}

/// What became of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub shape: usize,
    pub processes: Vec<Process>,
    /// None where no process was measured.
    pub statistic: Option<Statistic>,
    pub spent: Spent,
    pub verdict: Verdict,
    pub trick: Option<Trick>,
}

/// Looks at all shapes until each is decided, or there are no more looks, or no more time.
pub fn decide<S: Stand>(
    stand: &mut S,
    secret: &Secret,
    questions: &[Question<'_>],
) -> Result<Vec<Answer>, SessionError<S::Fault>> {
    let spent = |look: &Look| Spent { support: look.alpha, refute: look.alpha / questions.len().max(1) as f64 };
    let mut answers: Vec<Answer> = questions
        .iter()
        .map(|question| Answer {
            shape: question.shape,
            processes: Vec::new(),
            statistic: None,
            spent: spent(&LOOKS[0]),
            verdict: Verdict::Inconclusive,
            trick: None,
        })
        .collect();
    for look in &LOOKS {
        for (question, answer) in questions.iter().zip(&mut answers) {
            if answer.verdict != Verdict::Inconclusive {
                continue;
            }
            while answer.processes.len() < look.processes {
                let number = answer.processes.len();
                let step = Step { shape: question.shape, process: number, processes: look.processes };
                if !stand.goes_on(step).map_err(SessionError::Stand)? {
                    return Ok(answers);
                }
                let place = (question.shape, number);
                answer.processes.push(process(stand, secret, &question.subjects, place)?);
                if plainly_held_back(&answer.processes) && (question.tricks)(&answer.processes).is_some() {
                    break;
                }
            }
            let values: Vec<f64> = answer.processes.iter().map(question.figure).collect();
            let own = Statistic::of(&values)?;
            let statistic = question.peer.map_or(own, |peer| own.minus(&peer));
            answer.spent = spent(look);
            answer.statistic = Some(statistic);
            answer.trick = (question.tricks)(&answer.processes);
            answer.verdict = match &answer.trick {
                Some(_) => Verdict::Refuted,
                None => (question.judge)(&statistic, answer.spent),
            };
        }
        // One that is refuted settles the claim.
        if Verdict::all(answers.iter().map(|answer| answer.verdict)) != Verdict::Inconclusive {
            break;
        }
    }
    Ok(answers)
}
