//! A run as a receipt holds it, and a receipt as a run again.
//!
//! Samples are rounded first and medians taken of what is written, so that whoever reads the receipt finds the same.

use crate::bench::result::{
    Better, CommandSubject, Limit, Machine, Measurement, ModelSubject, Noise, Output, Peak, Plan, Run, Setting, Subject,
};
use crate::error::{Error, Exit, Result};
use crate::receipts::decimal::Decimal;
use crate::receipts::predicates::Benchmark;
use crate::receipts::predicates::benchmark::{self as written, Against, Claim, Measured, Verdict};
use crate::receipts::{Hash, hex};

/// Significant digits: finer than any clock here.
const DIGITS: u32 = 7;

/// What stands in a receipt besides the run.
#[derive(Clone, Default)]
pub(in crate::cli) struct Conclusion {
    pub(in crate::cli) against: Option<Against>,
    pub(in crate::cli) claims: Vec<Claim>,
    pub(in crate::cli) verdict: Option<Verdict>,
}

pub(in crate::cli) fn decimal(x: f64) -> Result<Decimal> {
    Decimal::rounded(x, DIGITS).ok_or_else(|| Error::new(Exit::Undecided, format!("{x} is no figure for a receipt")))
}

fn decimals(values: &[f64]) -> Result<Vec<Decimal>> {
    values.iter().map(|value| decimal(*value)).collect()
}

fn number(decimal: &Decimal) -> f64 {
    decimal.as_str().parse().unwrap_or(f64::NAN)
}

fn hash(digits: &str) -> Result<Hash> {
    hex::decode(digits).ok_or_else(|| Error::new(Exit::Bug, format!("`{digits}` is no SHA-256")))
}

/// The run with every number as its receipt will hold it.
pub(in crate::cli) fn rounded(mut run: Run) -> Result<Run> {
    let round = |values: &mut Vec<f64>| -> Result<()> {
        for value in values {
            *value = number(&decimal(*value)?);
        }
        Ok(())
    };
    for measurement in &mut run.measurements {
        round(&mut measurement.samples)?;
        round(&mut measurement.warm_up)?;
    }
    Ok(run)
}

pub(in crate::cli) fn predicate(run: &Run, conclusion: Conclusion) -> Result<Benchmark> {
    let mut settings: Vec<Setting> = Vec::new();
    for measurement in &run.measurements {
        if !settings.contains(&measurement.setting) {
            settings.push(measurement.setting.clone());
        }
    }
    let place = |setting: &Setting| settings.iter().position(|one| one == setting).unwrap_or(0) as u64;
    let measurements =
        run.measurements.iter().map(|one| measurement(one, place(&one.setting))).collect::<Result<_>>()?;
    let settings = settings.iter().map(|setting| {
        let output = run.outputs.iter().find(|output| output.setting == *setting);
        Ok(written::Setting {
            prompt: setting.prompt,
            generated: setting.generated,
            depth: setting.depth,
            batch: setting.batch,
            threads: setting.threads,
            kv: setting.kv.clone(),
            output: output.map(|output| hash(&output.sha256)).transpose()?,
        })
    });
    let Machine { fingerprint, cpu, system, level, processors, usable, memory_bytes, governor } = run.machine.clone();
    let optional = |x: Option<f64>| x.map(decimal).transpose();
    Ok(Benchmark {
        subject: subject(&run.subject)?,
        machine: written::Machine { fingerprint, cpu, system, level, processors, usable, memory_bytes, governor },
        plan: written::Plan {
            rounds: run.plan.rounds,
            window: run.plan.window,
            tolerance: decimal(run.plan.tolerance)?,
            warm_up_limit: run.plan.warm_up_limit,
            precision: decimal(run.plan.precision)?,
            seed: run.plan.seed,
        },
        peaks: run.peaks.iter().map(peak).collect::<Result<_>>()?,
        noise: written::Noise {
            steal: optional(run.noise.steal)?,
            others: optional(run.noise.others)?,
            throttled: run.noise.throttled,
            least_mhz: optional(run.noise.mhz.map(|(least, _)| least))?,
            most_mhz: optional(run.noise.mhz.map(|(_, most)| most))?,
        },
        settings: settings.collect::<Result<_>>()?,
        measurements,
        remarks: run.remarks.clone(),
        against: conclusion.against,
        claims: conclusion.claims,
        verdict: conclusion.verdict,
    })
}

fn subject(subject: &Subject) -> Result<Measured> {
    Ok(match subject {
        Subject::Model(model) => Measured::Model {
            name: model.name.clone(),
            sha256: hash(&model.sha256)?,
            bytes: model.bytes,
            arch: model.arch.clone(),
            quant: model.quant.clone(),
            parameters: model.parameters,
        },
        Subject::Command(command) => Measured::Command { argv: command.argv.clone(), sha256: hash(&command.sha256)? },
    })
}

fn peak(peak: &Peak) -> Result<written::Peak> {
    Ok(written::Peak {
        threads: peak.threads,
        bandwidth: decimal(peak.bandwidth)?,
        integer: decimal(peak.integer)?,
        float: decimal(peak.float)?,
    })
}

/// Median and interval as they are written.
type Middle = (Decimal, Option<(Decimal, Decimal)>);

fn middle(measurement: &Measurement) -> Result<Middle> {
    let estimate = measurement.estimate().map_err(|e| Error::new(Exit::Bug, format!("{}: {e}", measurement.id)))?;
    let bounds = estimate.interval.map(|interval| Ok::<_, Error>((decimal(interval.low)?, decimal(interval.high)?)));
    Ok((decimal(estimate.median)?, bounds.transpose()?))
}

fn measurement(one: &Measurement, setting: u64) -> Result<written::Measurement> {
    let (median, interval) = middle(one)?;
    let limit = one.limit.as_ref().map(|limit| Ok::<_, Error>((limit.what.clone(), decimal(limit.value)?)));
    Ok(written::Measurement {
        id: one.id.clone(),
        setting,
        unit: one.unit.clone(),
        higher_is_better: one.better == Better::Higher,
        median,
        interval,
        samples: decimals(&one.samples)?,
        warm_up: decimals(&one.warm_up)?,
        settled: one.settled,
        limit: limit.transpose()?,
    })
}

/// The run that a receipt tells of. One whose medians are not those of its samples is no measurement.
pub(in crate::cli) fn run_of(benchmark: &Benchmark) -> Result<Run> {
    let setting = |at: u64| -> Setting {
        benchmark.settings.get(at as usize).map_or_else(Setting::default, |s| Setting {
            prompt: s.prompt,
            generated: s.generated,
            depth: s.depth,
            batch: s.batch,
            threads: s.threads,
            kv: s.kv.clone(),
        })
    };
    let mut measurements = Vec::new();
    for one in &benchmark.measurements {
        let numbers = |list: &[Decimal]| list.iter().map(number).collect();
        let read = Measurement {
            id: one.id.clone(),
            setting: setting(one.setting),
            unit: one.unit.clone(),
            better: if one.higher_is_better { Better::Higher } else { Better::Lower },
            samples: numbers(&one.samples),
            warm_up: numbers(&one.warm_up),
            settled: one.settled,
            limit: one.limit.as_ref().map(|(what, value)| Limit { what: what.clone(), value: number(value) }),
        };
        if middle(&read)? != (one.median.clone(), one.interval.clone()) {
            let message = format!("the receipt's median or interval of {} is not that of its samples", one.id);
            return Err(Error::new(Exit::Integrity, message));
        }
        measurements.push(read);
    }
    let outputs = benchmark
        .settings
        .iter()
        .enumerate()
        .filter_map(|(at, s)| Some(Output { setting: setting(at as u64), sha256: hex::encode(&s.output?) }));
    let written::Machine { fingerprint, cpu, system, level, processors, usable, memory_bytes, governor } =
        benchmark.machine.clone();
    Ok(Run {
        subject: match &benchmark.subject {
            Measured::Model { name, sha256, bytes, arch, quant, parameters } => Subject::Model(ModelSubject {
                name: name.clone(),
                sha256: hex::encode(sha256),
                bytes: *bytes,
                arch: arch.clone(),
                quant: quant.clone(),
                parameters: *parameters,
            }),
            Measured::Command { argv, sha256 } => {
                Subject::Command(CommandSubject { argv: argv.clone(), sha256: hex::encode(sha256) })
            }
        },
        machine: Machine { fingerprint, cpu, system, level, processors, usable, memory_bytes, governor },
        plan: Plan {
            rounds: benchmark.plan.rounds,
            window: benchmark.plan.window,
            tolerance: number(&benchmark.plan.tolerance),
            warm_up_limit: benchmark.plan.warm_up_limit,
            precision: number(&benchmark.plan.precision),
            seed: benchmark.plan.seed,
        },
        peaks: benchmark
            .peaks
            .iter()
            .map(|peak| Peak {
                threads: peak.threads,
                bandwidth: number(&peak.bandwidth),
                integer: number(&peak.integer),
                float: number(&peak.float),
            })
            .collect(),
        noise: Noise {
            steal: benchmark.noise.steal.as_ref().map(number),
            others: benchmark.noise.others.as_ref().map(number),
            throttled: benchmark.noise.throttled,
            mhz: benchmark.noise.least_mhz.as_ref().map(number).zip(benchmark.noise.most_mhz.as_ref().map(number)),
        },
        outputs: outputs.collect(),
        measurements,
        remarks: benchmark.remarks.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::{METRICS, metric_of};
    use crate::receipts::predicates::Predicate as _;
    use crate::receipts::predicates::benchmark::HEADLINE;

    #[test]
    fn every_metric_has_its_place_at_the_top_of_a_receipt() {
        let mut listed =
            HEADLINE.iter().flat_map(|(group, names)| names.iter().map(move |name| format!("{group}.{name}")));
        assert!(listed.all(|id| metric_of(&id).is_some()));
        assert_eq!(HEADLINE.iter().map(|(_, names)| names.len()).sum::<usize>(), METRICS.len());
    }

    #[test]
    fn a_run_is_the_same_after_its_receipt() {
        let example = Benchmark::example();
        let run = run_of(&example).unwrap();
        let conclusion =
            Conclusion { against: example.against.clone(), claims: example.claims.clone(), verdict: example.verdict };
        let again = predicate(&run, conclusion).unwrap();
        assert!(again.validate().is_ok());
        assert_eq!(run_of(&again).unwrap(), run);
        let mut fine = run;
        fine.measurements[0].samples = (1..12).map(|n| f64::from(n) / 3.0).collect();
        let fine = rounded(fine).unwrap();
        assert_eq!(fine.measurements[0].samples[0], 0.333_333_3);
        assert_eq!(run_of(&predicate(&fine, Conclusion::default()).unwrap()).unwrap(), fine);
    }

    #[test]
    fn a_median_that_is_not_the_samples_is_refused() {
        let mut example = Benchmark::example();
        example.measurements[0].median = "35.6".parse().unwrap();
        assert_eq!(run_of(&example).unwrap_err().exit, Exit::Integrity);
    }
}
