//! One case of one kernel, judged: the stages in order.
//!
//! 1. The inputs are made from the seed, and kept.
//! 2. The kernel runs twice: outputs poisoned with different patterns, buffers against one guard page, then the other.
//! 3. It has to return, say that it did well, and leave margins, gaps and inputs as they were.
//! 4. Both answers have to be the same: what differs was never written, or read from where nothing was.
//! 5. The truth is computed from the kept inputs, and the answer has to pass the gates.
//! 6. Trivial answers have to fail them.

use bizra_kernels::call::{DType, Status};

use super::case::{Case, Data};
use super::float;
use super::gates::{self, Measure, Miss, Scale};
use super::inputs::{self, Change, Operand};
use super::op::{self, Op, Slot};
use super::promise::Promise;
use super::run::{Blank, Broken, Done, Edge, Invoke, Runner};
use super::truth::{self, Truth};

/// A kernel that is loaded, with what it promised.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub kernel: u32,
    pub promise: Promise,
    pub workspace: usize,
}

/// What outputs and margins hold before the two runs: NaN in every float type; and numbers of all sizes and both signs, in
/// f32: 1e30, -1e30, 0, 1e-4, -1e-4, 1.5, -2, 777.
const POISONS: [&[u8]; 2] = [
    &[0xff; 4],
    &[
        0xca, 0xf2, 0x49, 0x71, 0xca, 0xf2, 0x49, 0xf1, 0, 0, 0, 0, 0x17, 0xb7, 0xd1, 0x38, 0x17, 0xb7, 0xd1, 0xb8, 0,
        0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 0, 0x40, 0x42, 0x44,
    ],
];

/// What outputs often hold before a call.
const ZEROS: &[u8] = &[0; 4];

/// Why a kernel was refused in a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// It crashed, hung, or did what it may not.
    Broken(Broken),
    /// The same, before it was called.
    Loading(Broken),
    /// It returned something else than zero.
    Status(i32),
    /// It wrote where it may not.
    Damage(String),
    /// Two runs with the same inputs gave different bits.
    Differs {
        index: Vec<usize>,
        first: f64,
        second: f64,
        about: String,
    },
    Miss(Miss),
}

impl Failure {
    /// The check that found it.
    pub fn check(&self) -> &'static str {
        match self {
            Failure::Broken(_) | Failure::Loading(_) => "isolation",
            Failure::Status(_) => "status",
            Failure::Damage(_) => "margins",
            Failure::Differs { .. } => "bits",
            Failure::Miss(miss) => miss.check,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed(Measure),
    Failed(Failure),
    /// This processor can't run it.
    Skipped(String),
    /// It passed, and so would the named trivial answer: the case is no evidence.
    NoPower(&'static str),
}

impl Verdict {
    /// Whether a call was ended for want of time: the kernel's fault, unless all of the time was over.
    pub fn ran_out(&self) -> bool {
        matches!(self, Verdict::Failed(Failure::Broken(Broken::TimedOut(_)) | Failure::Loading(Broken::TimedOut(_))))
    }
}

/// The call of a case on its inputs.
pub fn invoke(loaded: &Loaded, case: &Case, inputs: &[Operand], edge: Edge, poison: &[u8]) -> Invoke {
    let promise = &loaded.promise;
    let slots = op::outputs(&case.shape, promise.types(case.weights));
    let element = if inputs.iter().any(|i| i.slot.dtype == DType::F64) { 8 } else { 4 };
    let shifted = case.layout == super::manifest::Layout::Offset && edge == Edge::Start;
    Invoke {
        kernel: loaded.kernel,
        op: case.op(),
        inputs: inputs.iter().map(|i| i.tensor.clone()).collect(),
        outputs: slots.iter().map(|slot| blank(case, slot)).collect(),
        params: inputs::params(case),
        threads: case.threads,
        workspace: loaded.workspace,
        poison: poison.to_vec(),
        edge,
        align: promise.align.max(element),
        shift: if shifted { element } else { 0 },
        cold: false,
    }
}

fn blank(case: &Case, slot: &Slot) -> Blank {
    let strides = inputs::strides(&slot.shape, inputs::layout_of(case, slot));
    let bytes = inputs::extent(&slot.shape, &strides) * slot.dtype.block().1;
    Blank { dtype: slot.dtype, shape: slot.shape.iter().map(|n| *n as i64).collect(), strides, bytes }
}

/// The values of an output, and whether something was written between them.
fn gathered(case: &Case, slot: &Slot, bytes: &[u8], poison: &[u8]) -> Result<Vec<f64>, String> {
    let strides = inputs::strides(&slot.shape, inputs::layout_of(case, slot));
    let all = float::decode(slot.dtype, bytes);
    if all.len() == slot.elements() && strides.last().is_none_or(|s| *s == 1) {
        return Ok(all);
    }
    let size = slot.dtype.block().1;
    let places = inputs::places(&slot.shape, &strides);
    let mut inside = vec![false; all.len()];
    places.iter().for_each(|p| inside[*p] = true);
    for (at, inside) in inside.iter().enumerate() {
        let gap = &bytes[at * size..][..size];
        // Where a buffer begins in the pattern depends on where it lies; a gap holds it at any phase.
        let poisoned = (0..poison.len())
            .any(|phase| gap.iter().enumerate().all(|(i, b)| *b == poison[(phase + i) % poison.len()]));
        if !inside && !poisoned {
            return Err(format!("the gap at element {at} of output `{}` was written", slot.name));
        }
    }
    Ok(places.into_iter().map(|p| all[p]).collect())
}

/// One finished call as values, or why it can't be.
pub fn answers(loaded: &Loaded, case: &Case, done: &Done, poison: &[u8]) -> Result<Vec<Vec<f64>>, Failure> {
    if let Some(damage) = &done.damage {
        return Err(Failure::Damage(damage.clone()));
    }
    let slots = op::outputs(&case.shape, loaded.promise.types(case.weights));
    slots
        .iter()
        .zip(&done.outputs)
        .map(|(slot, bytes)| gathered(case, slot, bytes, poison).map_err(Failure::Damage))
        .collect()
}

/// Terms that a result is summed from.
fn terms(case: &Case) -> usize {
    let n = |name| case.shape.size(name);
    match case.op() {
        Op::Matmul => n("K"),
        Op::Attention => op::key_room(&case.shape) + n("D"),
        Op::Rope => 2,
        Op::Gated => 1,
        _ => n("N"),
    }
}

pub fn scale<'p>(loaded: &'p Loaded, case: &Case) -> Scale<'p> {
    Scale { promise: &loaded.promise, output: loaded.promise.output, terms: terms(case) }
}

/// An answer against the truth: all gates.
pub fn judge(loaded: &Loaded, case: &Case, truth: &Truth, got: &[Vec<f64>]) -> Result<Measure, Miss> {
    let scale = scale(loaded, case);
    match truth {
        Truth::Numbers(numbers) => {
            let worst = gates::each(scale, numbers, &got[0])?;
            let against_plain =
                if case.data.is_statistical() { gates::population(scale, numbers, &got[0])? } else { None };
            Ok(Measure { worst, against_plain })
        }
        Truth::Picks(picks) => {
            gates::picks(picks, &got[0], got.get(1).map(Vec::as_slice))?;
            Ok(Measure::default())
        }
    }
}

fn first_difference(slots: &[Slot], a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<(Vec<usize>, f64, f64)> {
    for ((slot, a), b) in slots.iter().zip(a).zip(b) {
        let same = |x: f64, y: f64| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
        if let Some(at) = a.iter().zip(b).position(|(x, y)| !same(*x, *y)) {
            return Some((gates::index(&slot.shape, at), a[at], b[at]));
        }
    }
    None
}

/// Whether two answers have the same bits; NaNs count as alike.
pub fn same(loaded: &Loaded, case: &Case, a: &[Vec<f64>], b: &[Vec<f64>], about: &str) -> Result<(), Failure> {
    let slots = op::outputs(&case.shape, loaded.promise.types(case.weights));
    match first_difference(&slots, a, b) {
        None => Ok(()),
        Some((index, first, second)) => Err(Failure::Differs { index, first, second, about: about.to_owned() }),
    }
}

/// Runs and judges one case. `previous` is the last answer that the kernel gave, and becomes this one.
pub fn case(runner: &mut dyn Runner, loaded: &Loaded, case: &Case, previous: &mut Vec<f64>) -> Verdict {
    let inputs = inputs::build(case, &loaded.promise);
    let calls = [(Edge::End, POISONS[0]), (Edge::Start, POISONS[1])];
    let calls = calls.map(|(edge, poison)| invoke(loaded, case, &inputs, edge, poison));
    let batch = match runner.run(&calls) {
        Ok(batch) => batch,
        Err(broken) => return Verdict::Failed(Failure::Broken(broken)),
    };
    let mut both = Vec::with_capacity(2);
    for (done, poison) in batch.done.iter().zip(POISONS) {
        match Status::from_code(done.status) {
            Status::Ok => {}
            Status::NoHardware => return Verdict::Skipped("this processor lacks its instructions".into()),
            status => return Verdict::Failed(Failure::Status(status.code())),
        }
        match answers(loaded, case, done, poison) {
            Ok(values) => both.push(values),
            Err(failure) => return Verdict::Failed(failure),
        }
    }
    // The reference comes after the kernel, from the parent's own copy.
    let truth = truth::of(case, &loaded.promise, &inputs);
    if let Truth::Numbers(numbers) = &truth {
        // Unwritten elements show first, since what they hold is known.
        if let Some(failure) = unwritten(loaded, numbers, &both) {
            return Verdict::Failed(failure);
        }
    }
    let measure = match judge(loaded, case, &truth, &both[0]) {
        Ok(measure) => measure,
        Err(miss) => return Verdict::Failed(Failure::Miss(miss)),
    };
    if loaded.promise.bitwise {
        let about = "two runs on the same inputs, with other garbage in the outputs and other addresses";
        if let Err(failure) = same(loaded, case, &both[0], &both[1], about) {
            return Verdict::Failed(failure);
        }
    } else if let Err(miss) = judge(loaded, case, &truth, &both[1]) {
        return Verdict::Failed(Failure::Miss(miss));
    }
    if let Some(failure) = int8_error(loaded, case, &inputs, &truth, &both[0][0]) {
        return Verdict::Failed(failure);
    }
    let trivial = gates::trivial(scale(loaded, case), &truth, &inputs[0].values, previous);
    previous.clone_from(&both[0][0]);
    match trivial {
        Some(answer) => Verdict::NoPower(answer),
        None => Verdict::Passed(measure),
    }
}

/// An element that shows what its place held before: NaN in the first run, and something else in the second.
fn unwritten(loaded: &Loaded, numbers: &truth::Numbers, both: &[Vec<Vec<f64>>]) -> Option<Failure> {
    let at = numbers
        .values
        .iter()
        .zip(&both[0][0])
        .zip(&both[1][0])
        .position(|((truth, a), b)| !truth.is_nan() && a.is_nan() && !b.is_nan())?;
    let about = match float::decode(loaded.promise.output, POISONS[1]).contains(&both[1][0][at]) {
        true => "the element was not written: it holds what was there before the call",
        false => {
            "the element is made from what its place held before the call, or from other memory that is not its own"
        }
    };
    Some(Failure::Miss(Miss {
        check: "poison",
        index: gates::index(&numbers.shape, at),
        got: f64::NAN,
        want: numbers.values[at],
        bound: numbers.bound[at],
        about: about.into(),
    }))
}

/// Mean squared error that rounding activations to int8 may cost, over the mean square.
const MOST_NMSE: f64 = 4e-5;
/// What cancels by chance may cost the contract itself more: then so many times what it costs a plain kernel, whose errors
/// others may have 1.25 times.
const MOST_OF_PLAIN: f64 = 1.25 * 1.25;

/// Whether a case's numbers are such that rounding them to int8 has a usual cost.
pub fn tells_rounding(case: &Case) -> bool {
    matches!(case.data, Data::Normal | Data::Uniform)
}

fn int8_error(loaded: &Loaded, case: &Case, inputs: &[Operand], truth: &Truth, got: &[f64]) -> Option<Failure> {
    let Truth::Numbers(numbers) = truth else { return None };
    if case.op() != Op::Matmul || !loaded.promise.int8 || !case.weights.is_quantised() || !tells_rounding(case) {
        return None;
    }
    let (m, n, k) = (case.shape.size("M"), case.shape.size("N"), case.shape.size("K"));
    let [error, plain] = truth::matmul::nmse(&inputs[0], &inputs[1], [got, &numbers.emulated], m, n, k);
    let bound = if plain <= MOST_NMSE { MOST_NMSE } else { plain * MOST_OF_PLAIN };
    // Nothing has no error, which is no number.
    if error.is_nan() || error <= bound {
        return None;
    }
    let about = "further from the unrounded activations than int8 leads (normalised mean squared error)";
    Some(Failure::Miss(Miss {
        check: "int8",
        index: Vec::new(),
        got: error,
        want: 0.0,
        bound,
        about: about.to_owned(),
    }))
}

/// Repeats, with 1, 2 and many threads, each at other addresses: all have to give the same bits, or answers within the gates where the contract
/// promises no more. `others` are kernels that promise the same bits too.
pub fn repeats(
    runner: &mut dyn Runner,
    loaded: &Loaded,
    others: &[Loaded],
    case: &Case,
    most_threads: u32,
    times: usize,
) -> Verdict {
    let inputs = inputs::build(case, &loaded.promise);
    let mut calls = Vec::new();
    for (threads, edge) in [(1, Edge::End), (2, Edge::Start), (most_threads, Edge::Neither)] {
        let call = invoke(loaded, &Case { threads, ..case.clone() }, &inputs, edge, POISONS[0]);
        calls.extend(std::iter::repeat_n(call, times.div_ceil(3)));
    }
    if calls[0].outputs.iter().all(|blank| blank.shape.contains(&0)) {
        return Verdict::NoPower("nothing");
    }
    let own = calls.len();
    calls.extend(others.iter().map(|other| invoke(other, case, &inputs, Edge::End, POISONS[0])));
    let batch = match runner.run(&calls) {
        Ok(batch) => batch,
        Err(broken) => return Verdict::Failed(Failure::Broken(broken)),
    };
    let mut first: Option<Vec<Vec<f64>>> = None;
    let mut truth = None;
    for (number, (call, done)) in calls.iter().zip(&batch.done).enumerate() {
        match Status::from_code(done.status) {
            Status::Ok => {}
            Status::NoHardware if number >= own => continue,
            Status::NoHardware => return Verdict::Skipped("this processor lacks its instructions".into()),
            status => return Verdict::Failed(Failure::Status(status.code())),
        }
        let values = match answers(loaded, case, done, POISONS[0]) {
            Ok(values) => values,
            Err(failure) => return Verdict::Failed(failure),
        };
        let Some(known) = &first else {
            first = Some(values);
            continue;
        };
        let checked = if loaded.promise.bitwise || number >= own {
            let about = match number >= own {
                true => "another entry that promises the same bits".to_owned(),
                false => {
                    let moved = if call.edge == Edge::End { "" } else { " and buffers at other addresses" };
                    format!("run {} of {own}, with {} threads{moved}", number + 1, call.threads)
                }
            };
            same(loaded, case, known, &values, &about)
        } else {
            let truth = truth.get_or_insert_with(|| truth::of(case, &loaded.promise, &inputs));
            judge(loaded, case, truth, &values).map(|_| ()).map_err(Failure::Miss)
        };
        if let Err(failure) = checked {
            return Verdict::Failed(failure);
        }
    }
    match remembered(runner, loaded, case, &inputs) {
        Some(failure) => Verdict::Failed(failure),
        None => Verdict::Passed(Measure::default()),
    }
}

/// Asks once more, and then with a number or two of each input changed: what was kept of an earlier call must not answer that.
fn remembered(runner: &mut dyn Runner, loaded: &Loaded, case: &Case, inputs: &[Operand]) -> Option<Failure> {
    let changed = Change::ALL.into_iter().flat_map(|change| {
        (0..inputs.len()).filter_map(move |number| inputs::changed(inputs, number, change, case.seed))
    });
    // In batches of their own, so that all lie at the same addresses. The first asks what was asked before, with outputs as
    // most callers have them.
    for (number, inputs) in std::iter::once(inputs.to_vec()).chain(changed).enumerate() {
        let poison = if number == 0 { ZEROS } else { POISONS[0] };
        let done = match runner.run(&[invoke(loaded, case, &inputs, Edge::End, poison)]) {
            Ok(batch) => batch.done.into_iter().next()?,
            Err(broken) => return Some(Failure::Broken(broken)),
        };
        if done.status != 0 {
            return Some(Failure::Status(done.status));
        }
        let answer = match answers(loaded, case, &done, poison) {
            Ok(answer) => answer,
            Err(failure) => return Some(failure),
        };
        if let Err(miss) = judge(loaded, case, &truth::of(case, &loaded.promise, &inputs), &answer) {
            return Some(Failure::Miss(miss));
        }
    }
    None
}
