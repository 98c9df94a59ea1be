//! A kernel's claims of its speed: read from its manifest, measured, decided.
//!
//! The controls come first: where they fail, nothing that is measured counts. What is measured and how it decides stands
//! in [`super::timing`], what a claim asks in [`super::claims`].

use std::fmt;

use bizra_kernels::call::DType;

use super::claims::{Claim, Shapes, Sign, What};
use super::manifest::{self, Cache, Manifest};
use super::op::{Op, Shape, dims};
use super::promise::Promise;
use super::timing::controls::{Controls, Roof, Trick, Work, controls, tricks};
use super::timing::draw::Secret;
use super::timing::session::{Answer, Process, Question, SessionError, Spent, Subject, decide as measure};
use super::timing::stand::{About, Fault, Processes, least_work};
use super::timing::{LOOKS, Statistic, Verdict};
use super::verify::Failure;

/// What a claim looks at in a process's timings.
type Looked = Box<dyn Fn(&Process) -> f64>;

/// What fits the caches of any processor: below it, memory bounds nothing.
const CACHED_BYTES: f64 = (256u64 << 20) as f64;

/// A shape with the type of its weights: what is timed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub shape: Shape,
    /// Of a matrix product; else the type of the input.
    pub weights: DType,
}

impl fmt::Display for Timed {
    /// As it stands in the text of a case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape.op {
            Op::Matmul => write!(f, "{}/{}", self.shape, self.weights.word()),
            _ => self.shape.fmt(f),
        }
    }
}

/// More shapes and types than this take days.
const MOST_TIMED: usize = 64;

/// A claim that can be measured.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: String,
    /// In its author's words.
    pub text: String,
    pub claim: Claim,
    pub timed: Vec<Timed>,
    /// Whether caches are to be emptied of the tensors before each call.
    pub cold: bool,
}

/// A claim that can't be, and where in the manifest that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// In bytes, in the manifest's text.
    pub at: usize,
    pub message: String,
    pub hint: String,
}

/// The claims of a manifest, as far as `wanted` names them; `file` gives the shapes of a file beside it.
pub fn asked(
    manifest: &Manifest,
    wanted: &dyn Fn(&str) -> bool,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<Asked>, Unreadable> {
    let baselines: Vec<&str> = manifest.baselines.iter().map(|one| one.id.value.0.as_str()).collect();
    let sizes: Vec<&str> = dims(manifest.op()).iter().map(|dim| dim.name).collect();
    let mut all = Vec::new();
    for one in manifest.claims.iter().filter(|one| wanted(&one.id.value.0)) {
        let start = one.grammar.span.start as usize;
        let claim = one.read(&baselines, &sizes).map_err(|error| Unreadable {
            at: start,
            message: format!("claim `{}`, column {}: {}", one.id.value.0, error.column(), error.message),
            hint: error.hint,
        })?;
        let (listed, at) = match (&claim.shapes, &one.on) {
            (Shapes::File(path), _) => (Some(path.clone()), start),
            (_, Some(on)) => (Some(on.value.clone()), on.span.start as usize),
            _ => (None, start),
        };
        let refuse = |message: String, hint: &str| Unreadable { at, message, hint: hint.to_owned() };
        let hint = "name them after `on`: a file of shapes, one a line, or shapes with `;` between them";
        let listed = listed.ok_or_else(|| {
            refuse(format!("claim `{}` doesn't say which shapes are to be timed", one.id.value.0), hint)
        })?;
        let text = match listed.ends_with(".txt") || listed.ends_with(".yaml") {
            true => file(&listed).map_err(|why| refuse(why, hint))?,
            false => listed,
        };
        let mut shapes = Vec::new();
        for line in text.split(['\n', ';']).map(|line| line.split('#').next().unwrap_or("").trim()) {
            let line = line.trim_start_matches("- ").trim_matches(['"', '\'']);
            if line.is_empty() {
                continue;
            }
            let shape = Shape::parse(manifest.op(), &line.replace(' ', ""));
            let example =
                format!("as in {}", sizes.iter().map(|size| format!("{size}=64")).collect::<Vec<_>>().join(","));
            shapes.push(shape.ok_or_else(|| refuse(format!("`{line}` is no shape"), &example))?);
        }
        shapes.retain(|shape| claim.is_about(&size(shape)));
        if shapes.is_empty() {
            let message = format!("claim `{}` is about none of its shapes", one.id.value.0);
            return Err(refuse(message, "widen its condition, or name other shapes"));
        }
        for shape in &shapes {
            if let Some(why) = manifest.domain.lacks(shape) {
                let message = format!("claim `{}`: {why}", one.id.value.0);
                return Err(refuse(
                    message,
                    "what is not verified has no speed: widen the domain, or name other shapes",
                ));
            }
        }
        let timed = timed(&shapes, one, &Promise::of(manifest)).map_err(|(why, hint)| refuse(why, hint))?;
        let cold = one.cache.as_ref().is_some_and(|cache| cache.value == Cache::Cold);
        all.push(Asked { id: one.id.value.0.clone(), text: one.text.value.clone(), claim, timed, cold });
    }
    Ok(all)
}

/// Each shape with each type of weights that the claim is about.
fn timed(shapes: &[Shape], claim: &manifest::Claim, promise: &Promise) -> Result<Vec<Timed>, (String, &'static str)> {
    let id = &claim.id.value.0;
    let named: Vec<DType> = claim.weights.iter().map(|weights| weights.value).collect();
    let weights = if named.is_empty() { &promise.weights } else { &named };
    let mut all = Vec::new();
    for shape in shapes {
        for weights in weights {
            let (block, columns) = (weights.block().0, shape.size("K"));
            if shape.op == Op::Matmul && !columns.is_multiple_of(block) {
                let message =
                    format!("claim `{id}` is about K={columns}, and {} has blocks of {block}", weights.word());
                return Err((message, "name shapes of whole blocks, or the types that are meant under `weights`"));
            }
            all.push(Timed { shape: shape.clone(), weights: *weights });
        }
    }
    match all.len() {
        0..=MOST_TIMED => Ok(all),
        n => {
            let message = format!("claim `{id}` is about {n} shapes and types, and at most {MOST_TIMED} are timed");
            Err((message, "name fewer shapes, or the types that are meant under `weights`"))
        }
    }
}

fn size(shape: &Shape) -> impl Fn(&str) -> Option<u64> {
    move |name| {
        let known = dims(shape.op).iter().any(|dim| dim.name == name);
        known.then(|| u64::try_from(shape.get(name)).unwrap_or(0))
    }
}

/// What was found on one shape.
#[derive(Clone, Debug)]
pub struct Figure {
    pub timed: Timed,
    pub sign: Sign,
    pub bound: f64,
    /// The figure itself, not its logarithm: the estimate and its bounds on the two sides.
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
    pub processes: usize,
    /// ln of the figure in each of them.
    pub logs: Vec<f64>,
    pub verdict: Verdict,
    /// Of a call, by median.
    pub kernel_seconds: f64,
    /// Each baseline's time over the kernel's, with its 95% bounds: the claimed one and the best of them are among these.
    pub baselines: Vec<(String, f64, f64, f64)>,
    /// The least time that the machine needs, over the kernel's.
    pub roof_share: Option<f64>,
    /// ln of that share, by process: what another device is compared with.
    pub roof_logs: Vec<f64>,
    pub trick: Option<Trick>,
}

/// A claim, decided.
#[derive(Clone, Debug)]
pub struct Decided {
    pub id: String,
    pub text: String,
    pub grammar: String,
    pub verdict: Verdict,
    /// Why, where it isn't the figures alone: the check, and what it found.
    pub why: Option<(&'static str, String)>,
    pub figures: Vec<Figure>,
    pub controls: Option<Controls>,
    pub threads: u32,
    pub cold: bool,
    /// What inputs and orders were drawn from.
    pub secret: Secret,
}

impl Decided {
    /// A claim of which nothing is known yet.
    pub fn open(asked: &Asked, threads: u32, secret: &Secret) -> Decided {
        Decided {
            id: asked.id.clone(),
            text: asked.text.clone(),
            grammar: asked.claim.text.clone(),
            verdict: Verdict::Inconclusive,
            why: None,
            figures: Vec::new(),
            controls: None,
            threads,
            cold: asked.cold,
            secret: secret.clone(),
        }
    }
}

/// What can't be measured here, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotMeasure(pub String);

impl fmt::Display for CannotMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Measures a claim and decides it. `about` has the claim's shapes and all baselines in the manifest's order; `peer` gives
/// what a receipt holds of another device for a shape.
pub fn decide(
    asked: &Asked,
    mut about: About<'_>,
    peer: &dyn Fn(&str, &Timed) -> Option<Vec<f64>>,
    say: &dyn Fn(&Failure) -> String,
) -> Result<Decided, CannotMeasure> {
    let claim = &asked.claim;
    if let Some(name) = claim.baseline() {
        let Some(at) = about.baselines.iter().position(|one| one.name == name) else {
            return Err(CannotMeasure(format!("there is no baseline `{name}`")));
        };
        about.baselines.swap(0, at);
    }
    let compares = claim.baseline().is_some();
    let names: Vec<String> = about.baselines.iter().map(|one| one.name.clone()).collect();
    let (timed, promise, secret) = (about.timed.clone(), about.promise.clone(), about.secret);
    let mut subjects: Vec<Subject> = (0..names.len()).map(Subject::Baseline).collect();
    subjects.insert(usize::from(compares).min(subjects.len()), Subject::Kernel);
    let kernel = subjects.iter().position(|one| *one == Subject::Kernel).unwrap_or(0);
    let mut decided = Decided::open(asked, about.threads, secret);
    let sizes: Vec<_> = timed.iter().map(|one| size(&one.shape)).collect();
    if claim.misses_its_peak(sizes.iter().map(|one| one as &dyn Fn(&str) -> Option<u64>)) {
        decided.why = Some(("shapes", "none of the shapes is the one that should reach more".to_owned()));
        return Ok(decided);
    }
    let mut peers = Vec::new();
    for one in &timed {
        peers.push(match &claim.what {
            What::Gap { receipt, .. } => match peer(receipt, one).map(|logs| Statistic::of(&logs)) {
                Some(Ok(statistic)) => Some(statistic),
                _ => {
                    let why = format!("receipt {receipt} holds no share of a roofline for {one}");
                    decided.why = Some(("receipt", why));
                    return Ok(decided);
                }
            },
            _ => None,
        });
    }
    let mut stand = Processes::new(about);
    if compares {
        match controls(&mut stand, secret, 0, 0, LOOKS[0].processes) {
            Ok(None) => decided.why = Some(("time", "time was over before the controls were done".to_owned())),
            Ok(Some(found)) => {
                decided.why = found.unsound.as_ref().map(|unsound| ("controls", unsound.to_string()));
                decided.controls = Some(found);
            }
            Err(error) => return ended(decided, error, say),
        }
        if decided.why.is_some() {
            return Ok(decided);
        }
    }
    let works: Vec<Work> = timed.iter().map(|one| least_work(one, &promise)).collect();
    let by_bandwidth = matches!(claim.what, What::Bandwidth { .. });
    let figures: Vec<Looked> = works
        .iter()
        .map(|work| -> Looked {
            let work = *work;
            match &claim.what {
                What::Ratio { .. } | What::Between { .. } => Box::new(|process: &Process| process.log_ratio(0, 1)),
                What::Gap { .. } => Box::new(move |process: &Process| roof_log(process, kernel, &work)),
                What::Bandwidth { .. } => Box::new(move |process: &Process| {
                    let least = work.bytes / process.roof.bandwidth.unwrap_or(f64::NAN);
                    (least / process.seconds(kernel)).ln()
                }),
            }
        })
        .collect();
    let asks: Vec<(Sign, f64)> = sizes.iter().map(|size| claim.asks(size)).collect();
    let judges: Vec<_> = asks
        .iter()
        .map(|(sign, bound)| move |found: &Statistic, spent: Spent| Claim::judge(*sign, *bound, found, spent))
        .collect();
    let looks: Vec<_> = works
        .iter()
        .map(|work| {
            // A claim of the memory's bandwidth stands under the memory's roof, whatever fits the caches.
            let bounded = by_bandwidth || work.bytes > CACHED_BYTES;
            let work = Work { bytes: if bounded { work.bytes } else { 0.0 }, ..*work };
            move |processes: &[Process]| tricks(processes, compares.then_some(0), kernel, &work)
        })
        .collect();
    let questions: Vec<Question<'_>> = (0..timed.len())
        .map(|shape| Question {
            shape,
            subjects: subjects.clone(),
            figure: &*figures[shape],
            peer: peers[shape],
            judge: &judges[shape],
            tricks: &looks[shape],
        })
        .collect();
    let answers = match measure(&mut stand, secret, &questions) {
        Ok(answers) => answers,
        Err(error) => return ended(decided, error, say),
    };
    decided.verdict = Verdict::all(answers.iter().map(|answer| answer.verdict));
    if let Some(trick) = answers.iter().find_map(|answer| answer.trick.as_ref()) {
        decided.verdict = Verdict::Refuted;
        decided.why = Some((trick.check(), trick.to_string()));
    }
    for (answer, (one, work)) in answers.into_iter().zip(timed.iter().zip(&works)) {
        let (sign, bound) = asks[answer.shape];
        let logs = answer.processes.iter().map(&figures[answer.shape]).collect();
        let found = figure(answer, one.clone(), (sign, bound), work, kernel, &names);
        decided.figures.push(Figure { logs, ..found });
    }
    Ok(decided)
}

/// ln of the least time that the machine needs over what the kernel took.
fn roof_log(process: &Process, kernel: usize, work: &Work) -> f64 {
    let bounded = work.bytes > CACHED_BYTES;
    let roof = Roof { bandwidth: process.roof.bandwidth.filter(|_| bounded), ..process.roof };
    (roof.seconds(work).unwrap_or(f64::NAN) / process.seconds(kernel)).ln()
}

fn figure(
    answer: Answer,
    timed: Timed,
    (sign, bound): (Sign, f64),
    work: &Work,
    kernel: usize,
    names: &[String],
) -> Figure {
    let Answer { processes, statistic, spent, verdict, trick, .. } = answer;
    let of = |figure: &dyn Fn(&Process) -> f64| {
        Statistic::of(&processes.iter().map(figure).collect::<Vec<_>>())
            .ok()
            .map(|found| (found.mean.exp(), found.lower(0.025).exp(), found.upper(0.025).exp()))
    };
    let side = |baseline: usize| if baseline < kernel { baseline } else { baseline + 1 };
    let baselines = names.iter().enumerate().filter_map(|(at, name)| {
        let (estimate, lower, upper) = of(&|process| process.log_ratio(side(at), kernel))?;
        Some((name.clone(), estimate, lower, upper))
    });
    let roof_logs: Vec<f64> =
        processes.iter().map(|process| roof_log(process, kernel, work)).filter(|log| log.is_finite()).collect();
    let ln = statistic.unwrap_or(Statistic { mean: f64::NAN, error: f64::NAN, freedom: 1.0 });
    Figure {
        sign,
        bound,
        estimate: ln.mean.exp(),
        lower: ln.lower(spent.support).exp(),
        upper: ln.upper(spent.support).exp(),
        processes: processes.len(),
        logs: Vec::new(),
        verdict,
        kernel_seconds: of(&|process| process.seconds(kernel).ln()).map_or(f64::NAN, |(seconds, ..)| seconds),
        baselines: baselines.collect(),
        roof_share: Statistic::of(&roof_logs).ok().map(|found| found.mean.exp()),
        roof_logs,
        timed,
        trick,
    }
}

/// What an early end means for the claim.
fn ended(
    mut decided: Decided,
    error: SessionError<Fault>,
    say: &dyn Fn(&Failure) -> String,
) -> Result<Decided, CannotMeasure> {
    let (check, why) = match error {
        SessionError::Stand(Fault::Cannot(why)) => return Err(CannotMeasure(why)),
        SessionError::Stand(Fault::Kernel(broken)) => ("isolation", broken.to_string()),
        SessionError::Stand(Fault::Wrong { case, failure }) => {
            ("timed calls", format!("a call that was timed was wrong: {} ({case})", say(&failure)))
        }
        SessionError::Statistic(error) => ("clock", error.to_string()),
        SessionError::Nobody => return Err(CannotMeasure("there is nothing to measure".into())),
    };
    decided.verdict = Verdict::Refuted;
    decided.why = Some((check, why));
    Ok(decided)
}
