//! Models made ready to be measured: what they are made of, how long they take to load, how much memory they take.

use std::cell::RefCell;
use std::time::Duration;

use super::rounds::Watch;
use super::settings::Case;
use crate::bench::cost::Shape;
use crate::bench::measure::{FEWEST_ROUNDS, MeasureError, Schedule, Subject, watched};
use crate::bench::result::{Measurement, ModelSubject, Setting as Under, metric_of};
use crate::cli::infer::model::{Setting, cell_beside, load, refusal};
use crate::error::{Error, Exit, Place, Result};
use crate::infer::config::ModelConfig;
use crate::infer::dtype::DType;
use crate::infer::engine::Engine;
use crate::infer::kv::{Cell, Kv};
use crate::infer::memory::Needs;
use crate::infer::trial::Trial;
use crate::receipts::hex;
use crate::sys::meter;
use crate::sys::models::Opened;

/// A model on disk, looked at but not loaded.
pub(super) struct Candidate {
    pub(super) opened: Opened,
    pub(super) subject: ModelSubject,
    pub(super) config: ModelConfig,
    shape: Shape,
    pub(super) own_cell: Cell,
}

/// What a run keeps of one model.
#[derive(Default)]
pub(super) struct Found {
    pub(super) measurements: Vec<Measurement>,
    pub(super) remarks: Vec<String>,
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

impl Candidate {
    /// `memory` remembers the digests of large files.
    pub(super) fn of(opened: Opened, memory: Option<&std::path::Path>) -> Result<Self> {
        let parts = opened.parts()?;
        let config = &parts.config;
        let mut shape = Shape {
            // A window hides positions; then attention is left out, so that the limit stays one.
            attention: match config.window {
                Some(_) => 0,
                None => 2 * (config.layers * config.heads * config.key_dim) as u64,
            },
            ..Shape::default()
        };
        let mut formats: Vec<DType> = Vec::new();
        let mut parameters = 0u64;
        for tensor in parts.weights.iter() {
            let numbers = tensor.dims.as_slice().iter().product::<u64>();
            parameters += numbers;
            if tensor.dims.as_slice().len() < 2 {
                continue;
            }
            if !formats.contains(&tensor.dtype) {
                formats.push(tensor.dtype);
            }
            let is_output = match config.tied {
                true => tensor.name == "token_embd.weight",
                false => tensor.name == "output.weight",
            };
            if tensor.name == "token_embd.weight" && !config.tied {
                continue;
            }
            shape.weights += tensor.data.len() as u64;
            *match (is_output, is_float(tensor.dtype)) {
                (true, true) => &mut shape.output_float,
                (true, false) => &mut shape.output_integer,
                (false, true) => &mut shape.float,
                (false, false) => &mut shape.integer,
            } += numbers;
        }
        formats.sort_unstable();
        let own_cell = cell_beside(&parts.weights);
        let subject = ModelSubject {
            name: opened.name.replace(|c: char| c.is_control(), "?"),
            sha256: hex::encode(&opened.digest(memory)),
            bytes: opened.bytes(),
            arch: config.arch.name().to_owned(),
            quant: formats.iter().map(|format| format.name()).collect::<Vec<_>>().join("+"),
            parameters,
        };
        let config = parts.config;
        Ok(Candidate { subject, shape, config, own_cell, opened })
    }

    pub(super) fn shape(&self, cell: Cell) -> Shape {
        // A page's worth, so that what a cache rounds up to is of no weight.
        const POSITIONS: usize = 1024;
        let cache = Kv::bytes(&self.config, cell, POSITIONS).map_or(0, |bytes| (bytes / POSITIONS) as u64);
        Shape { cache, ..self.shape.clone() }
    }

    /// The setting under which a model is loaded for all of its cases.
    pub(super) fn loading(&self, cases: &[Case], level: bizra_kernels::Level) -> Result<Setting> {
        let needed = cases.iter().map(|case| case.sizes.context()).max().unwrap_or(1);
        if needed > self.config.context {
            let longest = cases.iter().max_by_key(|case| case.sizes.context());
            let told = longest.map_or(String::new(), |case| {
                let sizes = case.sizes;
                format!(": {} before, a prompt of {}, {} new ones", sizes.depth, sizes.prompt, sizes.generated)
            });
            return Err(Error::usage(format!(
                "{needed} tokens don't fit into the context of {}, which {} was trained for{told}",
                self.config.context, self.subject.name
            ))
            .hint("smaller -p, -n or -d"));
        }
        let threads = cases.iter().map(|case| case.threads).max().unwrap_or(1);
        let cell = cases.first().map_or(self.own_cell, |case| case.cell);
        Ok(Setting { level, threads, context: Some(needed), cell: Some(cell), chunk: None })
    }

    pub(super) fn load(&self, setting: Setting) -> Result<Engine<'_>> {
        match load(&self.opened, setting, None) {
            Ok(loaded) => {
                // Part of loading, and of no pass that is measured.
                loaded.engine.finish_packing();
                Ok(loaded.engine)
            }
            Err(mut error) if error.exit == Exit::Cannot => {
                error.hints = vec!["smaller -p, -n or -d, --kv f16, or fewer models at a time".into()];
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// What several sequences at a time take more than one must be there too.
    pub(super) fn check_batches(&self, cases: &[Case]) -> Result<()> {
        let Some(memory) = bizra_kernels::os::Memory::read() else { return Ok(()) };
        for case in cases {
            let needs = Needs::new(&self.config, 0, case.cell, case.sizes.context(), 1);
            let caches = needs.cache.saturating_mul(case.sizes.batch as u64);
            if caches > memory.available {
                return Err(Error::cannot(format!(
                    "{} sequences of {} tokens need {} MiB for keys and values, and {} MiB are available",
                    case.sizes.batch,
                    case.sizes.context(),
                    caches >> 20,
                    memory.available >> 20
                ))
                .hint("smaller -b, -p, -n or -d, or --kv f16"));
            }
        }
        Ok(())
    }

    pub(super) fn unchanged(&self) -> Result<()> {
        if self.opened.unchanged() {
            return Ok(());
        }
        Err(Error::invalid("the model's file changed while it was in use, so what was measured is void")
            .at(Place::file(&self.opened.path)))
    }

    pub(super) fn refusal(&self, error: crate::infer::fault::InferError) -> Error {
        refusal(&self.opened, error)
    }
}

/// Loads each model over and over, from disk and from the page cache by turns, while no other is in memory.
pub(super) fn loading(
    candidates: &[(&Candidate, Setting)],
    clock: &dyn Fn() -> Duration,
    watch: &mut Watch<'_>,
) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    let (mut cold, mut estimated) = (Vec::new(), Duration::ZERO);
    for (candidate, setting) in candidates {
        // The first load is no sample: it tells whether the disk is read at all.
        let start = clock();
        let why = try_cold(candidate, *setting)?;
        estimated += clock().saturating_sub(start) * 2 * (FEWEST_ROUNDS as u32 + 2);
        cold.push(why.is_none());
        let remarks = why.map(|why| format!("load.cold_ms: {why}"));
        found.push(Found { measurements: Vec::new(), remarks: remarks.into_iter().collect() });
    }
    if watch.left().is_some_and(|left| estimated > left / 2) {
        for one in &mut found {
            one.remarks.push("load: ten loads would take more than half of the time that --budget leaves".into());
        }
        return Ok(found);
    }
    let timed = |candidate: &Candidate, setting: Setting, forget: bool| -> Result<Duration> {
        if forget {
            candidate.opened.forget_pages().map_err(|e| Error::reading(&candidate.opened.path, &e))?;
        }
        let start = clock();
        let opened = Opened::open(&candidate.opened.path)?;
        let loaded = load(&opened, setting, None)?;
        loaded.engine.finish_packing();
        let taken = clock().saturating_sub(start);
        drop(loaded);
        Ok(taken)
    };
    let timed = &timed;
    let mut subjects: Vec<Subject<'_, Error>> = Vec::new();
    let mut ids = Vec::new();
    for (number, (candidate, setting)) in candidates.iter().enumerate() {
        let mut add = |id: &'static str, forget: bool| {
            ids.push((number, id));
            let name = format!("loading {}", candidate.subject.name);
            subjects.push(Subject::new(name, move || timed(candidate, *setting, forget)));
        };
        if cold[number] {
            add("load.cold_ms", true);
        }
        add("load.warm_ms", false);
    }
    let schedule = Schedule { rounds: FEWEST_ROUNDS, window: 1, tolerance: 0.1, warm_up_limit: 4, seed: 0 };
    let series = watched(&schedule, &mut subjects, &mut |moment| watch.at("loading", moment)).map_err(unwrap_cause)?;
    for ((number, id), series) in ids.into_iter().zip(series) {
        let milliseconds = |times: &[Duration]| times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        let metric = metric_of(id).expect("invariant: a metric of the table");
        found[number].measurements.push(Measurement {
            samples: milliseconds(&series.samples),
            warm_up: milliseconds(&series.warm_up),
            settled: series.settled,
            ..Measurement::of(metric, Under::default())
        });
    }
    Ok(found)
}

/// Why loading from disk can't be measured here; none where it can.
fn try_cold(candidate: &Candidate, setting: Setting) -> Result<Option<String>> {
    let Some(before) = meter::fetched() else {
        drop(candidate.load(setting)?);
        return Ok(Some("this system does not tell whether the disk was read".into()));
    };
    if let Err(why) = candidate.opened.forget_pages() {
        drop(candidate.load(setting)?);
        return Ok(Some(format!("the page cache can't be emptied: {why}")));
    }
    drop(candidate.load(setting)?);
    let read = meter::fetched().unwrap_or(before).saturating_sub(before);
    let enough = read >= candidate.opened.bytes() / 2;
    Ok((!enough).then(|| {
        format!("the file stayed in memory: {read} of its {} bytes were read from disk", candidate.opened.bytes())
    }))
}

/// A measuring error of ours, or the subject's own.
pub(super) fn unwrap_cause(error: MeasureError<Error>) -> Error {
    match error {
        MeasureError::Subject { cause, .. } | MeasureError::Stopped(cause) => cause,
        other => Error::usage(other.to_string()),
    }
}

/// A model in memory, its trials ready.
pub(super) struct Loaded<'c> {
    pub(super) engine: RefCell<Engine<'c>>,
    pub(super) trials: Vec<RefCell<Trial>>,
}

/// Loads a model for good, runs its largest case once, and tells how much memory that took.
pub(super) fn settle<'c>(
    candidate: &'c Candidate,
    setting: Setting,
    cases: &[Case],
    seed: u64,
    clock: &dyn Fn() -> Duration,
    found: &mut Found,
) -> Result<Loaded<'c>> {
    candidate.check_batches(cases)?;
    let before = meter::resident().filter(|_| meter::forget_peak());
    let mut engine = candidate.load(setting)?;
    let mut trials = Vec::new();
    for case in cases {
        engine.set_threads(case.threads);
        engine.set_cell(case.cell);
        let trial = Trial::new(&mut engine, case.sizes, seed).map_err(|e| candidate.refusal(e))?;
        trials.push(RefCell::new(trial));
    }
    let largest = (0..cases.len()).max_by_key(|at| cases[*at].sizes.context() * cases[*at].sizes.batch);
    if let Some(at) = largest {
        engine.set_threads(cases[at].threads);
        engine.set_cell(cases[at].cell);
        trials[at].borrow_mut().run(&mut engine, clock, &mut || {}).map_err(|e| candidate.refusal(e))?;
    }
    match before.zip(meter::resident()) {
        Some((before, after)) => {
            let metric = metric_of("memory.peak_mib").expect("invariant: a metric of the table");
            let peak = after.peak.saturating_sub(before.now) as f64 / f64::from(1 << 20);
            found.measurements.push(Measurement { samples: vec![peak], ..Measurement::of(metric, Under::default()) });
        }
        None => found.remarks.push("memory.peak_mib: this system does not tell".into()),
    }
    Ok(Loaded { engine: RefCell::new(engine), trials })
}
