//! What was measured, of what, on which machine: the values that reports, comparisons, receipts and history share.
//!
//! Medians and intervals are not kept beside the samples but taken from them. Leaves out how samples are taken
//! ([`super::measure`]) and what follows from two runs.

use std::fmt;

use super::stats::{Estimate, Sample, StatsError};

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

impl Better {
    pub fn word(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }
}

/// A kind of figure that `bizra bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// A dotted path: where the figure stands in a receipt.
    pub id: &'static str,
    pub unit: &'static str,
    pub better: Better,
    pub what: &'static str,
    /// A run in which this is too noisy is undecided. Tails and cold reads are noisy by nature, and only marked.
    pub decides: bool,
}

const fn metric(id: &'static str, unit: &'static str, better: Better, decides: bool, what: &'static str) -> Metric {
    Metric { id, unit, better, what, decides }
}

/// With tokenizer and sampler is what a user gets; `bare` is the model alone, which is what other benchmarks time.
pub const METRICS: &[Metric] = &[
    metric("prefill.tok_s", "tok/s", Better::Higher, true, "prompt tokens a second, tokenizer included"),
    metric("prefill.bare_tok_s", "tok/s", Better::Higher, true, "prompt tokens a second, the model alone"),
    metric("decode.tok_s", "tok/s", Better::Higher, true, "new tokens a second, sampler and text included"),
    metric("decode.bare_tok_s", "tok/s", Better::Higher, true, "new tokens a second, the model alone"),
    metric("first_token.ms", "ms", Better::Lower, true, "from the prompt's text to the first token"),
    metric("between_tokens.p50_ms", "ms", Better::Lower, true, "between two tokens, median of a run"),
    metric("between_tokens.p90_ms", "ms", Better::Lower, false, "between two tokens, 90th percentile of a run"),
    metric("between_tokens.p99_ms", "ms", Better::Lower, false, "between two tokens, 99th percentile of a run"),
    metric("load.cold_ms", "ms", Better::Lower, false, "loading the model from disk"),
    metric("load.warm_ms", "ms", Better::Lower, false, "loading the model from the page cache"),
    metric("memory.peak_mib", "MiB", Better::Lower, false, "memory at most, over what the process had before"),
    metric("energy.j_tok", "J/tok", Better::Lower, false, "energy of the processor for each new token"),
];

pub fn metric_of(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.id == id)
}

/// What a figure depends on besides subject and machine; none where it does not, or where a program does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    /// Tokens of the prompt.
    pub prompt: Option<u64>,
    /// Tokens that were generated.
    pub generated: Option<u64>,
    /// Positions that the context held before.
    pub depth: Option<u64>,
    /// Sequences that went through the model together; tokens a second are those of all.
    pub batch: Option<u64>,
    pub threads: Option<u64>,
    /// How keys and values were kept.
    pub kv: Option<String>,
}

/// `p512 n128 d0 b1 t2 f16`, without what is not known.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts =
            [("p", self.prompt), ("n", self.generated), ("d", self.depth), ("b", self.batch), ("t", self.threads)];
        let mut words: Vec<String> =
            counts.into_iter().filter_map(|(sign, count)| count.map(|count| format!("{sign}{count}"))).collect();
        words.extend(self.kv.clone());
        f.write_str(&words.join(" "))
    }
}

/// What the machine allows at most (or, of times, at least), measured in the same session.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Such as `599 MB a token at 21.3 GB/s`.
    pub what: String,
    /// In the measurement's unit.
    pub value: f64,
}

/// One figure: its samples in the order in which they were taken, none of them thrown away.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// One of [`METRICS`], or what a program calls it.
    pub id: String,
    pub setting: Setting,
    pub unit: String,
    pub better: Better,
    pub samples: Vec<f64>,
    pub warm_up: Vec<f64>,
    /// Whether the warm-up ended because the samples were stable.
    pub settled: bool,
    pub limit: Option<Limit>,
}

impl Measurement {
    pub fn of(metric: &Metric, setting: Setting) -> Self {
        Measurement {
            id: metric.id.to_owned(),
            setting,
            unit: metric.unit.to_owned(),
            better: metric.better,
            samples: Vec::new(),
            warm_up: Vec::new(),
            settled: true,
            limit: None,
        }
    }

    /// Median and its 95% interval; of fewer than six samples there is no interval.
    pub fn estimate(&self) -> Result<Estimate, StatsError> {
        Ok(Sample::new(&self.samples)?.estimate())
    }

    /// The interval's width as a share of the median.
    pub fn width(&self) -> Option<f64> {
        let estimate = self.estimate().ok()?;
        let interval = estimate.interval?;
        (estimate.median > 0.0).then(|| (interval.high - interval.low) / estimate.median)
    }

    /// Reached of what is possible, 1 being all of it.
    pub fn share_of_limit(&self) -> Option<f64> {
        let (median, limit) = (self.estimate().ok()?.median, self.limit.as_ref()?.value);
        let share = match self.better {
            Better::Higher => median / limit,
            Better::Lower => limit / median,
        };
        share.is_finite().then_some(share)
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Model(ModelSubject),
    Command(CommandSubject),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSubject {
    pub name: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    pub arch: String,
    /// Storage formats of the matrices, such as `Q4_K+Q6_K`.
    pub quant: String,
    /// Numbers in all tensors.
    pub parameters: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSubject {
    pub argv: Vec<String>,
    /// Of the program's file, lower-case hexadecimal.
    pub sha256: String,
}

impl Subject {
    /// A word for tables: the model's name, or the program's.
    pub fn name(&self) -> &str {
        match self {
            Subject::Model(model) => &model.name,
            Subject::Command(command) => command.argv.first().map_or("", |program| program.as_str()),
        }
    }
}

/// The machine, as far as figures depend on it. Only what has the same fingerprint can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub fingerprint: String,
    pub cpu: String,
    pub system: String,
    /// Instruction level.
    pub level: String,
    pub processors: u64,
    /// Of those, how many this process may use.
    pub usable: u64,
    pub memory_bytes: u64,
    /// What decides on the processor's frequency, where the system tells.
    pub governor: Option<String>,
}

/// What the machine does at best with so many threads, measured in the session.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    pub threads: u64,
    /// Reading memory, bytes a second.
    pub bandwidth: f64,
    /// Multiply-adds of 8-bit whole numbers a second.
    pub integer: f64,
    /// Multiply-adds of f32 a second.
    pub float: f64,
}

/// How often, and what counted as stable and as noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub rounds: u64,
    pub window: u64,
    pub tolerance: f64,
    pub warm_up_limit: u64,
    /// An interval wider than this share of its median is too noisy.
    pub precision: f64,
    /// Seeds the synthetic prompt.
    pub seed: u64,
}

/// What else the machine did meanwhile; none where it does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise {
    /// Of all processor time, what a hypervisor took away.
    pub steal: Option<f64>,
    /// Processors that other processes kept busy, on average.
    pub others: Option<f64>,
    /// How often the processor slowed itself down for heat.
    pub throttled: Option<u64>,
    /// Least and greatest frequency seen, in MHz.
    pub mhz: Option<(f64, f64)>,
}

/// The tokens that came out under a setting: a digest, so that two runs can be asked whether they did the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub setting: Setting,
    /// SHA-256 of the ids, four bytes each, little-endian; lower-case hexadecimal.
    pub sha256: String,
}

/// One subject, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub subject: Subject,
    pub machine: Machine,
    pub plan: Plan,
    pub peaks: Vec<Peak>,
    pub noise: Noise,
    pub outputs: Vec<Output>,
    pub measurements: Vec<Measurement>,
    /// What could not be measured, and why.
    pub remarks: Vec<String>,
}

impl Run {
    pub fn find<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Measurement> {
        self.measurements.iter().filter(move |measurement| measurement.id == id)
    }

    /// Figures that decide and are too noisy to be believed, or never became stable.
    pub fn too_noisy(&self) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().filter(|one| self.is_noisy(one) && metric_of(&one.id).is_none_or(|m| m.decides))
    }

    pub fn is_noisy(&self, measurement: &Measurement) -> bool {
        measurement.width().is_some_and(|width| width > self.plan.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(samples: &[f64]) -> Measurement {
        Measurement { samples: samples.to_vec(), ..Measurement::of(&METRICS[2], Setting::default()) }
    }

    #[test]
    fn ids_are_paths_and_stand_once() {
        for (at, metric) in METRICS.iter().enumerate() {
            assert_eq!(metric_of(metric.id), Some(metric));
            assert!(METRICS[..at].iter().all(|other| other.id != metric.id));
            assert_eq!(metric.id.split('.').count(), 2, "{}", metric.id);
        }
        assert_eq!(metric_of("decode"), None);
    }

    #[test]
    fn settings_say_what_is_known() {
        let setting = Setting { prompt: Some(512), threads: Some(2), kv: Some("f16".into()), ..Setting::default() };
        assert_eq!(setting.to_string(), "p512 t2 f16");
        assert_eq!(Setting::default().to_string(), "");
    }

    #[test]
    fn widths_and_shares_come_from_the_samples() {
        let tens: Vec<f64> = (95..106).map(f64::from).collect();
        let mut decode = measured(&tens);
        decode.limit = Some(Limit { what: "memory".into(), value: 125.0 });
        assert_eq!(decode.estimate().unwrap().median, 100.0);
        // Of eleven values the second and the tenth enclose the median: 96 and 104.
        assert_eq!(decode.width(), Some(0.08));
        assert_eq!(decode.share_of_limit(), Some(0.8));
        let slow = Measurement { better: Better::Lower, ..decode };
        assert_eq!(slow.share_of_limit(), Some(1.25));
        assert_eq!(measured(&[1.0]).width(), None);
        assert!(measured(&[]).estimate().is_err());
    }
}
