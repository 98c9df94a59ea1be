//! What must hold for a figure to count: that the stand sees no difference where there is none and finds one where one was
//! put, that two clocks agree, that the baseline ran as fast beside the kernel as without it, and that the machine could do at
//! all what the kernel seems to have done.

use std::fmt;

use super::draw::Secret;
use super::session::{Process, SessionError, Stand, Step, Subject, process};
use super::{Statistic, StatisticError, median};

/// How wide the interval of a subject against itself may be, to each side.
const HALF_WIDTH: f64 = 0.02;
/// An interval of a subject against itself that misses 1 this rarely by chance: a miss is the stand's fault.
const BY_CHANCE: f64 = 0.01;
/// The delay that must be found.
pub const DELAY: f64 = 0.05;
/// A kernel may be this much faster than what the machine was seen to do, since that is measured too.
const ROOF: f64 = 0.95;
/// A baseline that is this much slower in the kernel's company was held back by it.
const HELD_BACK: f64 = 1.10;
/// So much slower in every process so far that no more are needed to see it.
const PLAINLY: f64 = 2.0;
/// Of which there have to be so many.
const FEW: usize = 3;
/// What a call may take longer by the clock of who asked for it than the baseline's calls do: a share of its own time, and
/// what waking a process up scatters by.
const HIDDEN_SHARE: f64 = 0.05;
const HIDDEN_SECONDS: f64 = 200e-6;

/// Why a session's figures say nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsound {
    /// A subject against itself: its interval misses 1.
    Biased { low: f64, high: f64 },
    /// Or is too wide.
    Noisy { half_width: f64 },
    /// A delay that was put in was not found.
    DelayMissed { low: f64 },
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsound::Biased { low, high } => {
                write!(f, "the baseline against itself came out between {low:.3}x and {high:.3}x, which is not 1x")
            }
            Unsound::Noisy { half_width } => {
                let (found, most) = (half_width * 100.0, HALF_WIDTH * 100.0);
                write!(f, "the baseline against itself is known to ±{found:.1}% only, and ±{most}% is needed")
            }
            Unsound::DelayMissed { low } => {
                let put = DELAY * 100.0;
                write!(f, "a delay of {put}% was put in and not found: the lower bound is {low:.3}x")
            }
        }
    }
}

/// What the controls of a session found.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    pub processes: Vec<Process>,
    /// ln of a subject against itself, and against itself with the delay.
    pub same: Statistic,
    pub delayed: Statistic,
    pub unsound: Option<Unsound>,
}

/// A baseline three times: twice as it is, once delayed. None where time is over before all is measured.
pub fn controls<S: Stand>(
    stand: &mut S,
    secret: &Secret,
    baseline: usize,
    shape: usize,
    processes: usize,
) -> Result<Option<Controls>, SessionError<S::Fault>> {
    let subjects = [Subject::Baseline(baseline), Subject::Baseline(baseline), Subject::Delayed(baseline)];
    let mut measured = Vec::with_capacity(processes);
    for number in 0..processes {
        if !stand.goes_on(Step { shape, process: number, processes }).map_err(SessionError::Stand)? {
            return Ok(None);
        }
        measured.push(process(stand, secret, &subjects, (shape, number))?);
    }
    Ok(Some(judge(measured)?))
}

fn judge(processes: Vec<Process>) -> Result<Controls, StatisticError> {
    let of = |figure: &dyn Fn(&Process) -> f64| Statistic::of(&processes.iter().map(figure).collect::<Vec<_>>());
    let same = of(&|process| process.log_ratio(0, 1))?;
    // Against both of those without it: what one of them happens to be off by counts half.
    let delayed = of(&|process| f64::midpoint(process.log_ratio(2, 0), process.log_ratio(2, 1)))?;
    let (low, high) = (same.lower(BY_CHANCE / 2.0), same.upper(BY_CHANCE / 2.0));
    let half_width = (same.upper(0.025) - same.mean).exp_m1();
    let found = delayed.lower(super::ALPHA);
    let unsound = if !(half_width <= HALF_WIDTH) {
        Some(Unsound::Noisy { half_width })
    } else if !(low <= 0.0 && 0.0 <= high) {
        Some(Unsound::Biased { low: low.exp(), high: high.exp() })
    } else if !(found > 0.0) {
        Some(Unsound::DelayMissed { low: found.exp() })
    } else {
        None
    };
    Ok(Controls { processes, same, delayed, unsound })
}

/// What the machine did at best in this session; none where that was not measured or doesn't bound the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Roof {
    /// Multiply-adds a second.
    pub peak: Option<f64>,
    /// Bytes a second from memory.
    pub bandwidth: Option<f64>,
}

/// The least that a shape asks of any kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub multiply_adds: f64,
    /// Each input read once, each output written once.
    pub bytes: f64,
}

impl Roof {
    /// The least time that the work takes on this machine.
    pub fn seconds(&self, work: &Work) -> Option<f64> {
        let sums = self.peak.map(|peak| work.multiply_adds / peak);
        let moves = self.bandwidth.map(|bandwidth| work.bytes / bandwidth);
        [sums, moves].into_iter().flatten().reduce(f64::max)
    }
}

/// How a kernel was found to only look fast.
#[derive(Clone, Debug, PartialEq)]
pub enum Trick {
    /// Faster than the machine.
    Impossible { seconds: f64, roof: f64 },
    /// The baseline is slower in its company.
    HeldBack { factor: f64 },
    /// Its own clock tells less than that of who asked.
    Clock { own: f64, hidden: f64 },
}

impl Trick {
    /// The check that finds it.
    pub fn check(&self) -> &'static str {
        match self {
            Trick::Impossible { .. } => "roofline",
            Trick::HeldBack { .. } => "baseline",
            Trick::Clock { .. } => "clock",
        }
    }
}

impl fmt::Display for Trick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |seconds: f64| seconds * 1e3;
        match self {
            Trick::Impossible { seconds, roof } => {
                let (took, least) = (ms(*seconds), ms(*roof));
                write!(
                    f,
                    "impossible: a call took {took:.4} ms, and the least that this machine needs is {least:.4} ms"
                )
            }
            Trick::HeldBack { factor } => {
                write!(f, "the baseline is {factor:.2}x slower beside the kernel than without it")
            }
            Trick::Clock { own, hidden } => {
                let (own, hidden) = (ms(*own), ms(*hidden));
                write!(f, "a call took {own:.4} ms by the kernel's own clock, and {hidden:.4} ms more by another")
            }
        }
    }
}

/// Whether the first subject is held back so plainly that a session may end before its first look.
pub fn plainly_held_back(processes: &[Process]) -> bool {
    processes.len() >= FEW && processes.iter().all(|process| process.held_back() > PLAINLY.ln())
}

/// Looks for tricks in what was measured; `baseline` and `kernel` are places among the subjects.
pub fn tricks(processes: &[Process], baseline: Option<usize>, kernel: usize, work: &Work) -> Option<Trick> {
    let middle = |figure: &dyn Fn(&Process) -> f64| median(&mut processes.iter().map(figure).collect::<Vec<_>>());
    let seconds = middle(&|process| process.seconds(kernel));
    // The best that any look at the machine saw is the hardest to beat; the least time of all is the safest to refuse by.
    let roof = processes.iter().filter_map(|process| process.roof.seconds(work)).reduce(f64::min);
    if let Some(roof) = roof
        && !(seconds >= ROOF * roof)
    {
        return Some(Trick::Impossible { seconds, roof });
    }
    let baseline = baseline?;
    let hidden = middle(&|process| process.around(kernel) - process.around(baseline));
    if !(hidden <= HIDDEN_SHARE * seconds + HIDDEN_SECONDS) {
        return Some(Trick::Clock { own: seconds, hidden });
    }
    let held_back = Statistic::of(&processes.iter().map(Process::held_back).collect::<Vec<_>>()).ok()?;
    let factor = held_back.lower(super::ALPHA).exp();
    (!(factor <= HELD_BACK)).then_some(Trick::HeldBack { factor })
}
