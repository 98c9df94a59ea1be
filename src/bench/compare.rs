//! What may be said of one subject beside another: the ratio with its interval, and whether it is faster, slower, the
//! same, or none of these for certain.
//!
//! A ratio is the shift of logarithms ([`super::stats::shift`]). Samples of the same rounds are compared pair by pair,
//! which cancels whatever slowed a whole round down. A verdict asks for more than the interval of 95% does: on a
//! figure that is compared a hundred times, one in twenty would cry wolf five times. Leaves out how rounds are run
//! ([`super::measure`]) and what a user demands of a ratio ([`super::claim`]).

use super::result::{Better, Measurement, Run, Setting, Subject};
use super::stats::shift::{Shift, fewest_pairs};
use super::stats::{CONFIDENCE, Interval, RankSum, Sample, StatsError, rank_sum};

/// Of so many comparisons of a subject with itself at most one calls it faster or slower.
pub const FALSE_ALARMS_ONE_IN: f64 = 500.0;

/// Ratios this near to one are the same: where code and data happen to lie in memory moves a figure as far.
pub const SAME_WITHIN: f64 = 0.01;

/// The same for samples of different sessions, between which a machine changes in ways that no interval knows.
pub const SAME_WITHIN_APART: f64 = 0.05;

/// How the samples of the two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// The i-th samples were taken in the same round.
    Rounds,
    /// Taken in different sessions.
    Apart,
}

impl Pairing {
    pub fn word(self) -> &'static str {
        match self {
            Pairing::Rounds => "same rounds",
            Pairing::Apart => "different sessions",
        }
    }

    pub fn same_within(self) -> f64 {
        match self {
            Pairing::Rounds => SAME_WITHIN,
            Pairing::Apart => SAME_WITHIN_APART,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better, whichever way the figure counts.
    Faster,
    Slower,
    Same,
    Undecided,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::Undecided => "undecided",
        }
    }
}

/// One figure of two subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub pairing: Pairing,
    /// This subject's figure over the other's, in the figure's own unit.
    pub ratio: f64,
    /// With [`CONFIDENCE`]; none where the samples are too few.
    pub interval: Option<Interval>,
    /// The stricter interval that the verdict was read from.
    pub verdict_interval: Option<Interval>,
    pub verdict: Verdict,
    /// Mann and Whitney's test of the two samples, as if they were not paired.
    pub rank_sum: RankSum,
    /// Samples of each side.
    pub samples: (usize, usize),
    /// The fewest rounds that can have a verdict.
    pub fewest: usize,
}

/// Compares samples of one figure. `figures` is how many are compared in the same run: the more there are, the
/// stricter each verdict, so that the run as a whole keeps its promise.
pub fn compare(
    ours: &[f64],
    theirs: &[f64],
    better: Better,
    pairing: Pairing,
    figures: usize,
) -> Result<Comparison, StatsError> {
    if pairing == Pairing::Rounds && ours.len() != theirs.len() {
        return Err(StatsError::NotPaired { left: ours.len(), right: theirs.len() });
    }
    let (sample, other) = (Sample::new(ours)?, Sample::new(theirs)?);
    let (ours, theirs) = (logs(ours)?, logs(theirs)?);
    if ours.len().min(theirs.len()) == 1 {
        return Err(StatsError::OneLook);
    }
    let shift = match pairing {
        Pairing::Rounds => Shift::of_pairs(&ours.iter().zip(&theirs).map(|(a, b)| a - b).collect::<Vec<_>>()),
        Pairing::Apart => Shift::apart(&ours, &theirs),
    };
    let ratio = |log: Interval| Interval { low: log.low.exp(), high: log.high.exp() };
    let interval = shift.interval(1.0 - CONFIDENCE).map(ratio);
    let miss = 1.0 / FALSE_ALARMS_ONE_IN / figures.max(1) as f64;
    let verdict_interval = shift.interval(miss).map(ratio);
    Ok(Comparison {
        pairing,
        ratio: shift.estimate.exp(),
        interval,
        verdict_interval,
        verdict: verdict(interval, verdict_interval, better, pairing.same_within()),
        rank_sum: rank_sum(&sample, &other),
        samples: (ours.len(), theirs.len()),
        fewest: fewest_pairs(miss),
    })
}

fn logs(values: &[f64]) -> Result<Vec<f64>, StatsError> {
    match values.iter().position(|value| *value <= 0.0) {
        Some(index) => Err(StatsError::NotPositive { index, value: values[index] }),
        None => Ok(values.iter().map(|value| value.ln()).collect()),
    }
}

/// Same is what lies whole within the margin, faster and slower what lies whole beyond it.
fn verdict(interval: Option<Interval>, strict: Option<Interval>, better: Better, same_within: f64) -> Verdict {
    let (below, above) = (1.0 / (1.0 + same_within), 1.0 + same_within);
    let (rises, falls) = match better {
        Better::Higher => (Verdict::Faster, Verdict::Slower),
        Better::Lower => (Verdict::Slower, Verdict::Faster),
    };
    match (interval, strict) {
        (_, Some(strict)) if strict.low > above => rises,
        (_, Some(strict)) if strict.high < below => falls,
        (Some(interval), _) if below <= interval.low && interval.high <= above => Verdict::Same,
        _ => Verdict::Undecided,
    }
}

/// Why two runs can't be compared at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// The fingerprints, and what differs in words.
    Machines { ours: String, theirs: String, differing: Vec<String> },
    /// No figure is in both; what each has.
    NothingShared { ours: Vec<String>, theirs: Vec<String> },
}

impl std::fmt::Display for Incomparable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Incomparable::Machines { ours, theirs, differing } => {
                write!(f, "the runs were made on different hardware: fingerprint {ours} here, {theirs} there")?;
                if differing.is_empty() { Ok(()) } else { write!(f, " ({})", differing.join("; ")) }
            }
            Incomparable::NothingShared { ours, theirs } => {
                write!(f, "the runs share no figure: {} here, {} there", listed(ours), listed(theirs))
            }
        }
    }
}

impl std::error::Error for Incomparable {}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A figure that both runs have.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Of the run's measurements, by index, and of the other's.
    pub ours: usize,
    pub theirs: usize,
    /// None where a sample was not above zero, or a side looked but once: then there is no ratio.
    pub comparison: Result<Comparison, StatsError>,
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub pairing: Pairing,
    pub compared: Vec<Compared>,
    /// Settings under which both told their tokens, and these differ.
    pub other_tokens: Vec<Setting>,
}

impl Report {
    /// A speed that was reached by answering something else is no gain: such a setting is to be flagged, whatever the verdict.
    pub fn has_other_tokens(&self, setting: &Setting) -> bool {
        self.other_tokens.iter().any(|other| fits(other, setting))
    }
}

/// Compares all figures that both runs have.
pub fn runs(ours: &Run, theirs: &Run, pairing: Pairing) -> Result<Report, Incomparable> {
    if ours.machine.fingerprint != theirs.machine.fingerprint {
        return Err(other_machine(ours, theirs));
    }
    let mut pairs = Vec::new();
    for (at, one) in ours.measurements.iter().enumerate() {
        let partner = theirs.measurements.iter().position(|other| is_same_figure(one, other));
        pairs.extend(partner.map(|partner| (at, partner)));
    }
    if pairs.is_empty() {
        let names = |run: &Run| run.measurements.iter().map(named).collect();
        return Err(Incomparable::NothingShared { ours: names(ours), theirs: names(theirs) });
    }
    let is_sampled = |(at, partner): &&(usize, usize)| {
        ours.measurements[*at].samples.len().min(theirs.measurements[*partner].samples.len()) > 1
    };
    let figures = pairs.iter().filter(is_sampled).count();
    let compared = pairs
        .into_iter()
        .map(|(at, partner)| {
            let (one, other) = (&ours.measurements[at], &theirs.measurements[partner]);
            let in_rounds = pairing == Pairing::Rounds && one.samples.len() == other.samples.len();
            let pairing = if in_rounds { Pairing::Rounds } else { Pairing::Apart };
            let comparison = compare(&one.samples, &other.samples, one.better, pairing, figures);
            Compared { ours: at, theirs: partner, comparison }
        })
        .collect();
    Ok(Report { pairing, compared, other_tokens: other_tokens(ours, theirs) })
}

fn is_same_figure(one: &Measurement, other: &Measurement) -> bool {
    one.id == other.id && one.unit == other.unit && fits(&one.setting, &other.setting)
}

/// Whether nothing that both know differs.
fn fits(one: &Setting, other: &Setting) -> bool {
    fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        a.is_none() || b.is_none() || a == b
    }
    agree(&one.prompt, &other.prompt)
        && agree(&one.generated, &other.generated)
        && agree(&one.depth, &other.depth)
        && agree(&one.batch, &other.batch)
        && agree(&one.threads, &other.threads)
        && agree(&one.kv, &other.kv)
}

fn named(one: &Measurement) -> String {
    let setting = one.setting.to_string();
    if setting.is_empty() { one.id.clone() } else { format!("{} ({setting})", one.id) }
}

/// Tokens are the same only where vocabulary and prompt are: a program that is no model of ours tells none.
fn other_tokens(ours: &Run, theirs: &Run) -> Vec<Setting> {
    let both_models = matches!((&ours.subject, &theirs.subject), (Subject::Model(_), Subject::Model(_)));
    let differs = |setting: &Setting, digest: &str| {
        theirs.outputs.iter().any(|other| fits(&other.setting, setting) && other.sha256 != digest)
    };
    let outputs = ours.outputs.iter().filter(|output| both_models && differs(&output.setting, &output.sha256));
    outputs.map(|output| output.setting.clone()).collect()
}

fn other_machine(ours: &Run, theirs: &Run) -> Incomparable {
    let (a, b) = (&ours.machine, &theirs.machine);
    let mut differing = Vec::new();
    let mut differ = |what: &str, here: String, there: String| {
        if here != there {
            differing.push(format!("{what}: {here} here, {there} there"));
        }
    };
    differ("processor", a.cpu.clone(), b.cpu.clone());
    differ("instruction level", a.level.clone(), b.level.clone());
    differ("processors", a.processors.to_string(), b.processors.to_string());
    differ("usable processors", a.usable.to_string(), b.usable.to_string());
    differ("memory, bytes", a.memory_bytes.to_string(), b.memory_bytes.to_string());
    differ("system", a.system.clone(), b.system.clone());
    Incomparable::Machines { ours: a.fingerprint.clone(), theirs: b.fingerprint.clone(), differing }
}

#[cfg(test)]
mod tests;
