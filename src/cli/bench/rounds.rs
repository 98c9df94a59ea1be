//! The rounds: each subject under each of its settings once a round, with an eye on the clock, the budget, Ctrl-C and what
//! else the machine does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::command::Program;
use super::model::{Candidate, Loaded, unwrap_cause};
use super::settings::Case;
use crate::bench::adapters::Reading;
use crate::bench::measure::{FEWEST_ROUNDS, Moment, Schedule, Series, Subject, Wish, watched};
use crate::bench::noise::Look;
use crate::bench::result::{METRICS, Measurement, Metric, Output, Peak, metric_of};
use crate::bench::stats::Sample;
use crate::cli::Session;
use crate::error::{Error, Exit, Result};
use crate::infer::trial::{Sizes, Timed};
use crate::receipts::hex;
use crate::sys::meter::{self, Energy};
use crate::ui::{Progress, Unit};

/// Threads of the engine that ran before spin for less than this.
const SETTLING: Duration = Duration::from_millis(2);

/// Who watches the rounds.
pub(super) struct Watch<'w> {
    session: &'w Session,
    deadline: Option<Duration>,
    budget: Option<Duration>,
    bar: Option<(bool, Progress)>,
    began: Duration,
    rounds_taken: u32,
    pub(super) looks: Vec<Look>,
}

impl<'w> Watch<'w> {
    pub(super) fn new(session: &'w Session, budget: Option<Duration>) -> Self {
        let now = session.env.clock.monotonic();
        Watch {
            session,
            deadline: budget.map(|budget| now.saturating_add(budget)),
            budget,
            bar: None,
            began: now,
            rounds_taken: 0,
            looks: Vec::new(),
        }
    }

    /// Time that the budget leaves; none where there is no budget.
    pub(super) fn left(&self) -> Option<Duration> {
        Some(self.deadline?.saturating_sub(self.session.env.clock.monotonic()))
    }

    pub(super) fn at(&mut self, what: &str, moment: Moment) -> Result<Wish> {
        if self.session.env.interrupt.requested() {
            let message = "the benchmark was cut short, and nothing is recorded of it";
            return Err(Error::new(Exit::Interrupted, message));
        }
        let now = self.session.env.clock.monotonic();
        let Moment { warm_up, round, rounds, turn, turns } = moment;
        if self.bar.as_ref().is_none_or(|(phase, _)| *phase != warm_up) {
            let what = if warm_up { format!("{what}, warming up") } else { what.to_owned() };
            let bar = self.session.ui.progress(&what, Some((rounds * turns) as u64), Unit::Items, now);
            self.bar = Some((warm_up, bar));
        }
        if let Some((_, bar)) = &mut self.bar {
            bar.at((round * turns + turn) as u64, now);
        }
        if turn > 0 {
            return Ok(Wish::GoOn);
        }
        self.looks.push(meter::look());
        if round == 0 && warm_up {
            self.began = now;
            self.rounds_taken = 0;
        }
        let wish = self.pace(moment, now);
        self.rounds_taken += 1;
        wish
    }

    /// What the budget asks for, going by how long a round took so far.
    fn pace(&self, moment: Moment, now: Duration) -> Result<Wish> {
        let (Some(deadline), Some(budget)) = (self.deadline, self.budget) else { return Ok(Wish::GoOn) };
        if self.rounds_taken == 0 {
            return Ok(Wish::GoOn);
        }
        let round = now.saturating_sub(self.began) / self.rounds_taken;
        let left = deadline.saturating_sub(now);
        let fewest = round * FEWEST_ROUNDS as u32;
        if moment.warm_up {
            // Another round of warm-up may not cost the rounds that count.
            return Ok(if left < fewest + round { Wish::Begin } else { Wish::GoOn });
        }
        if moment.round > 0 {
            return Ok(Wish::GoOn);
        }
        if left < fewest {
            let needed = (now - self.began) + fewest + budget.saturating_sub(left);
            return Err(Error::new(
                Exit::Undecided,
                format!(
                    "the budget of {} s ends before ten samples: a round takes {:.3} s",
                    budget.as_secs(),
                    round.as_secs_f64()
                ),
            )
            .hint(format!("--budget {}s, or fewer and smaller sizes", needed.as_secs() + 1)));
        }
        let fit = (left.as_secs_f64() / round.as_secs_f64().max(1e-9)) as usize;
        Ok(Wish::Rounds(moment.rounds.min(fit)))
    }

    /// The bar goes with its phase.
    pub(super) fn next_phase(&mut self) {
        self.bar = None;
        self.rounds_taken = 0;
    }
}

/// A model in memory, with what it is measured under.
pub(super) struct Ready<'c> {
    pub(super) candidate: &'c Candidate,
    pub(super) loaded: Loaded<'c>,
    pub(super) cases: &'c [Case],
}

/// One sample of a model.
struct Taken {
    timed: Timed,
    joules: Option<f64>,
}

/// What the rounds brought for each model, and for the program.
pub(super) struct Brought {
    pub(super) models: Vec<Vec<Measurement>>,
    pub(super) outputs: Vec<Vec<Output>>,
    pub(super) program: Vec<Measurement>,
}

pub(super) fn run(
    ready: &[Ready<'_>],
    program: Option<&Program>,
    schedule: &Schedule,
    energy: Option<&Energy>,
    watch: &mut Watch<'_>,
) -> Result<Brought> {
    let session = watch.session;
    let clock = || session.env.clock.monotonic();
    let sinks: Vec<Vec<RefCell<Vec<Taken>>>> =
        ready.iter().map(|model| model.cases.iter().map(|_| RefCell::default()).collect()).collect();
    let calls: RefCell<Vec<Vec<Reading>>> = RefCell::default();
    let mut subjects: Vec<Subject<'_, Error>> = Vec::new();
    for (model, sinks) in ready.iter().zip(&sinks) {
        for ((case, trial), sink) in model.cases.iter().zip(&model.loaded.trials).zip(sinks) {
            let name = format!("{} {}", model.candidate.subject.name, case.setting());
            let clock = &clock;
            subjects.push(Subject::new(name, move || {
                let mut engine = model.loaded.engine.borrow_mut();
                engine.set_threads(case.threads);
                engine.set_cell(case.cell);
                std::thread::sleep(SETTLING);
                let mut before = None;
                let timed = trial
                    .borrow_mut()
                    .run(&mut engine, clock, &mut || before = energy.and_then(Energy::read))
                    .map_err(|e| model.candidate.refusal(e))?;
                let joules = energy.zip(before).and_then(|(energy, before)| energy.joules(&before, &energy.read()?));
                let whole = timed.first_token + timed.decode;
                sink.borrow_mut().push(Taken { timed, joules });
                Ok(whole)
            }));
        }
    }
    if let Some(program) = program {
        let calls = &calls;
        subjects.push(Subject::new(program.name(), move || {
            let start = session.env.clock.monotonic();
            let readings = program.call(session)?;
            calls.borrow_mut().push(readings);
            Ok(session.env.clock.monotonic().saturating_sub(start))
        }));
    }
    let series = watched(schedule, &mut subjects, &mut |moment| watch.at("measuring", moment)).map_err(unwrap_cause)?;
    drop(subjects);
    let mut series = series.into_iter();
    let mut brought = Brought { models: Vec::new(), outputs: Vec::new(), program: Vec::new() };
    for (model, sinks) in ready.iter().zip(sinks) {
        let (mut measurements, mut outputs) = (Vec::new(), Vec::new());
        for ((case, sink), series) in model.cases.iter().zip(sinks).zip(&mut series) {
            let taken = sink.into_inner();
            measurements.extend(figures(case, &taken, &series)?);
            outputs.push(output(model.candidate, case, &taken)?);
        }
        brought.models.push(measurements);
        brought.outputs.push(outputs);
    }
    if let (Some(program), Some(series)) = (program, series.next()) {
        brought.program = readings(program, &calls.into_inner(), &series)?;
    }
    Ok(brought)
}

/// The value of a metric in one sample; none where the sample does not tell.
fn value(metric: &Metric, sizes: Sizes, taken: &Taken) -> Option<f64> {
    let Taken { timed, joules } = taken;
    let per_second = |tokens: usize, time: Duration| (tokens * sizes.batch) as f64 / time.as_secs_f64().max(1e-9);
    let percentile = |share: f64| {
        let gaps: Vec<f64> = timed.gaps.iter().map(|gap| gap.as_secs_f64() * 1e3).collect();
        Sample::new(&gaps).ok()?.percentile(share).ok()
    };
    match metric.id {
        "prefill.tok_s" => Some(per_second(sizes.prompt, timed.prompt)),
        "prefill.bare_tok_s" => Some(per_second(sizes.prompt, timed.prompt_model)),
        "decode.tok_s" => Some(per_second(sizes.generated, timed.decode)),
        "decode.bare_tok_s" => Some(per_second(sizes.generated, timed.decode_model)),
        "first_token.ms" => Some(timed.first_token.as_secs_f64() * 1e3),
        "between_tokens.p50_ms" => percentile(0.5),
        "between_tokens.p90_ms" => percentile(0.9),
        "between_tokens.p99_ms" => percentile(0.99),
        "energy.j_tok" => joules.map(|joules| joules / (sizes.generated * sizes.batch) as f64),
        _ => None,
    }
}

fn figures(case: &Case, taken: &[Taken], series: &Series) -> Result<Vec<Measurement>> {
    let (warm_up, counted) = taken.split_at(series.warm_up.len().min(taken.len()));
    let mut all = Vec::new();
    for metric in METRICS {
        let values =
            |taken: &[Taken]| -> Option<Vec<f64>> { taken.iter().map(|one| value(metric, case.sizes, one)).collect() };
        if let Some((warm_up, samples)) = values(warm_up).zip(values(counted)) {
            let settled = series.settled;
            all.push(Measurement { samples, warm_up, settled, ..Measurement::of(metric, case.setting()) });
        }
    }
    Ok(all)
}

/// The digest of what was said, which must be the same in every round.
fn output(candidate: &Candidate, case: &Case, taken: &[Taken]) -> Result<Output> {
    let digest = |taken: &Taken| -> [u8; 32] {
        let bytes: Vec<u8> = taken.timed.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        Sha256::digest(bytes).into()
    };
    let digests: Vec<[u8; 32]> = taken.iter().map(digest).collect();
    if digests.windows(2).any(|pair| pair[0] != pair[1]) {
        let message = format!(
            "{} said other tokens from one round to the next under {}, though nothing was left to chance",
            candidate.subject.name,
            case.setting()
        );
        return Err(Error::new(Exit::Integrity, message).hint("memory or processor may be faulty; run it again"));
    }
    let first = digests.first().map_or_else(String::new, |digest| hex::encode(digest));
    Ok(Output { setting: case.setting(), sha256: first })
}

/// The figures that a program told in each of its calls.
fn readings(program: &Program, calls: &[Vec<Reading>], series: &Series) -> Result<Vec<Measurement>> {
    let mut samples: BTreeMap<(&str, &crate::bench::result::Setting), Vec<f64>> = BTreeMap::new();
    for reading in calls.iter().flatten() {
        samples.entry((reading.id, &reading.setting)).or_default().push(reading.value());
    }
    let mut all = Vec::new();
    for ((id, setting), values) in samples {
        if values.len() != calls.len() {
            let reason =
                format!("{} told {id} ({setting}) in {} of {} calls", program.name(), values.len(), calls.len());
            return Err(Error::invalid(reason).hint("let it print the same figures each time"));
        }
        let Some(metric) = metric_of(id) else { continue };
        let (warm_up, counted) = values.split_at(series.warm_up.len());
        all.push(Measurement {
            samples: counted.to_vec(),
            warm_up: warm_up.to_vec(),
            settled: series.settled,
            ..Measurement::of(metric, setting.clone())
        });
    }
    Ok(all)
}

/// Puts the machine's limits beside the figures.
pub(super) fn limit(measurements: &mut [Measurement], candidate: &Candidate, cases: &[Case], peaks: &[Peak]) {
    for measurement in measurements {
        let case = cases.iter().find(|case| case.setting() == measurement.setting);
        let Some((case, metric)) = case.zip(metric_of(&measurement.id)) else { continue };
        let Some(peak) = peaks.iter().find(|peak| peak.threads == case.threads as u64) else { continue };
        let Sizes { prompt, generated, depth, batch } = case.sizes;
        let amount = crate::bench::cost::Amount {
            prompt: prompt as u64,
            generated: generated as u64,
            depth: depth as u64,
            batch: batch as u64,
        };
        measurement.limit = candidate.shape(case.cell).limit(metric, amount, peak);
    }
}
