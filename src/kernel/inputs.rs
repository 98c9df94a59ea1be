//! The tensors of a case, from its seed: as values for the reference, and as bytes for the kernel.

use std::sync::Arc;

use bizra_kernels::call::DType;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::case::{Case, Data};
use super::float;
use super::manifest::Layout;
use super::op::{self, Op, Slot};
use super::promise::Promise;
use super::quant;
use super::run::Tensor;
use super::truth::attention::Sight;

/// One tensor, seen from both sides.
#[derive(Clone, Debug)]
pub struct Operand {
    pub slot: Slot,
    /// What the bytes say, row-major without gaps.
    pub values: Vec<f64>,
    /// Of quantised weights: what they were made from, see [`quant::Weight`]. Empty otherwise.
    pub sizes: Vec<f64>,
    pub tensor: Arc<Tensor>,
}

/// Chance with what the tensors need of it.
pub struct Dice(ChaCha8Rng, Option<f64>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Dice(ChaCha8Rng::from_seed(key), None)
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }

    /// Box and Muller's pairs.
    pub fn normal(&mut self) -> f64 {
        if let Some(kept) = self.1.take() {
            return kept;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sin, cos) = (self.unit() * std::f64::consts::TAU).sin_cos();
        self.1 = Some(radius * sin);
        radius * cos
    }
}

/// Places where code changes its way: the ends, and both sides of the usual block edges.
pub fn edges(n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = [0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512].to_vec();
    all.extend([n.wrapping_sub(2), n.wrapping_sub(1), n / 2]);
    all.retain(|i| *i < n);
    all.sort_unstable();
    all.dedup();
    all
}

/// `count` values of a distribution; `small` is the type's smallest normal number.
fn distributed(data: Data, count: usize, small: f64, dice: &mut Dice) -> Vec<f64> {
    let mut one = |_| match data {
        Data::Uniform => dice.unit() * 2.0 - 1.0,
        Data::Lognormal => (1.5 * dice.normal()).exp() * if dice.bits() & 1 == 0 { 1.0 } else { -1.0 },
        Data::Mean10 => 10.0 + dice.normal(),
        Data::Mean1000 => 1000.0 + dice.normal(),
        Data::Spread => 30.0 * dice.normal(),
        Data::High => 1e4 + dice.normal(),
        Data::Low => -1e4 + dice.normal(),
        Data::Outliers => dice.normal() * if dice.below(50) == 0 { 300.0 } else { 1.0 },
        Data::Equal => 0.7,
        Data::Denormal => small * dice.normal() / 8.0,
        Data::Zeros => [0.0, -0.0][dice.below(2)],
        Data::Sparse => {
            if dice.below(100) == 0 {
                dice.normal()
            } else {
                0.0
            }
        }
        Data::Ties => [-1.0, 0.0, 1.0, 2.0][dice.below(4)],
        _ => dice.normal(),
    };
    (0..count).map(&mut one).collect()
}

/// Where rows of low numbers lie: no finite number to begin a maximum with is below all of them.
const DEPTHS: [f64; 5] = [-1e4, -1e6, -1e9, -3e30, -3.39e38];

/// Numbers of which each row has a depth of its own, as far as the type reaches.
fn low(slot: &Slot, first: usize, dice: &mut Dice) -> Vec<f64> {
    let width = slot.shape.last().copied().unwrap_or(1).max(1);
    let depth = |row: usize| match slot.dtype {
        DType::F16 => DEPTHS[0],
        _ => DEPTHS[(first + row) % DEPTHS.len()],
    };
    let mut all: Vec<f64> =
        (0..slot.elements()).map(|i| depth(i / width) * (1.0 + dice.normal().clamp(-9.0, 9.0) / 1e4)).collect();
    // Some are the same as their neighbour, or no two of them would share the greatest weight.
    for row in all.chunks_mut(width) {
        for i in (1..row.len()).filter(|_| dice.below(4) == 0).collect::<Vec<_>>() {
            row[i] = row[i - 1];
        }
        if let Some(most) = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])) {
            row[(most + 1) % width.min(row.len()).max(1)] = row[most];
        }
    }
    all
}

/// The tensors of a case.
pub fn build(case: &Case, promise: &Promise) -> Vec<Operand> {
    let mut dice = Dice::new(case.seed);
    let slots = op::inputs(&case.shape, promise.types(case.weights));
    if case.op() == Op::Attention {
        return attention(case, promise, slots, &mut dice);
    }
    let mut all = Vec::with_capacity(slots.len());
    let mut met = Met::default();
    for (number, slot) in slots.into_iter().enumerate() {
        if slot.dtype.is_quantised() {
            all.push(quantised(case, slot, &mut dice));
            continue;
        }
        let mut values = match (case.op(), number) {
            (Op::Sample, 1) => shares(case, slot.elements(), &mut dice),
            // The weights of norms are near one, their biases small.
            (Op::RmsNorm | Op::LayerNorm, 1) => (0..slot.elements()).map(|_| 1.0 + dice.normal() / 4.0).collect(),
            (Op::LayerNorm, 2) => (0..slot.elements()).map(|_| dice.normal() / 4.0).collect(),
            (Op::Matmul | Op::Gated, 1) => second(case, &slot, &mut dice),
            _ => first(case, promise, &slot, &mut dice),
        };
        if number == 0 {
            met = Met::of(case, &mut values, &mut dice);
        } else {
            met.answer(case, &slot, &mut values, &mut dice);
        }
        if case.data == Data::Scaled && scales(case.op(), number) {
            let power = if slot.dtype == DType::F16 { 4 } else { 30 };
            let factor = 2f64.powi(if case.seed & 1 == 0 { power } else { -power });
            values.iter_mut().for_each(|v| *v *= factor);
        }
        all.push(operand(case, slot, values));
    }
    all
}

/// How far each row of a tail lies below its leader beyond where all of it weighs as much as that one.
const TAILS: [f64; 3] = [0.5, 1.5, 3.0];

/// Where draws fall, from 0 to 1: anywhere, and more often than by chance at both ends, or in the tail.
fn shares(case: &Case, count: usize, dice: &mut Dice) -> Vec<f64> {
    let mut one = |row: usize| match (case.data, dice.below(4)) {
        (Data::Draws, _) => dice.unit(),
        // The leader comes first.
        (Data::Tail, _) if !row.is_multiple_of(5) => {
            let tail = (-TAILS[row % TAILS.len()]).exp();
            (1.0 + dice.unit() * tail) / (1.0 + tail)
        }
        (_, 0) => 1.0 - 0.5f64.powi(1 + dice.below(24) as i32),
        (_, 1) => [0.0, 0.5f64.powi(1 + dice.below(30) as i32)][dice.below(2)],
        _ => dice.unit(),
    };
    (0..count).map(&mut one).collect()
}

/// Which operand a power of two goes through to the result.
fn scales(op: Op, number: usize) -> bool {
    match op {
        Op::RmsNorm => number == 1,
        Op::LayerNorm => number > 0,
        Op::Gated => number == 1,
        _ => number == 0,
    }
}

/// The operand that a distribution is about.
fn first(case: &Case, promise: &Promise, slot: &Slot, dice: &mut Dice) -> Vec<f64> {
    let count = slot.elements();
    let width = slot.shape.last().copied().unwrap_or(1).max(1);
    let mut values = distributed(case.data, count, float::smallest_normal(slot.dtype), dice);
    let places = edges(width);
    match case.data {
        Data::Integers => {
            let int8 = promise.int8 && case.weights.is_quantised();
            values.iter_mut().for_each(|v| *v = dice.below(127) as f64 - 63.0);
            if int8 {
                // One value of 127 in each 32 makes the scale one, so that rounding changes nothing.
                for block in values.chunks_mut(32) {
                    let at = dice.below(block.len());
                    block[at] = if dice.bits() & 1 == 0 { 127.0 } else { -127.0 };
                }
            }
        }
        Data::Low => values = low(slot, (case.seed % DEPTHS.len() as u64) as usize, dice),
        Data::Needle => {
            let size = match case.op() {
                Op::Softmax | Op::Sample => 60.0,
                _ => 1e3,
            };
            for (r, row) in values.chunks_mut(width).enumerate() {
                let at = places[(r + dice.below(places.len())) % places.len()];
                row[at] = size;
            }
        }
        Data::OneHot => {
            values.fill(0.0);
            for row in values.chunks_mut(width) {
                row[*dice.pick(&places).unwrap_or(&0)] = 1.0;
            }
        }
        Data::Permutation => {
            for row in values.chunks_mut(width) {
                if case.op() == Op::Matmul {
                    row.fill(0.0);
                    row[dice.below(width)] = 2.0;
                } else {
                    let n = row.len() as f64;
                    row.iter_mut().enumerate().for_each(|(i, v)| *v = (i as f64 - n / 2.0) / 64.0);
                    dice.shuffle(row);
                }
            }
        }
        Data::Sorted => {
            for (number, row) in values.chunks_mut(width).enumerate() {
                row.iter_mut().for_each(|v| *v *= 4.0);
                row.sort_by(f64::total_cmp);
                if number % 2 == 0 {
                    row.reverse();
                }
            }
        }
        Data::Tail => {
            for (number, row) in values.chunks_mut(width).enumerate() {
                let below = (width as f64).ln() + TAILS[number % TAILS.len()];
                let temperature = temperature(&case.shape);
                row.iter_mut().for_each(|v| *v = (v.clamp(-2.0, 2.0) / 8.0 - below) * temperature);
                row[0] = 0.0;
            }
        }
        // One distribution, drawn from again and again.
        Data::Draws => {
            let row: Vec<f64> = values.iter().take(width).copied().collect();
            values.chunks_mut(width).for_each(|other| other.copy_from_slice(&row[..other.len()]));
        }
        Data::NaN | Data::Infinity if count > 0 => {
            // Both signs: that of a NaN is no part of its meaning, and processors make negative ones.
            let mut both = match case.data {
                Data::NaN => [f64::NAN, -f64::NAN],
                _ => [f64::INFINITY, f64::NEG_INFINITY],
            };
            dice.shuffle(&mut both);
            let rows = count / width;
            let row = dice.below(rows);
            let mut place = |next: usize, special: f64, values: &mut [f64]| {
                values[(row + next) % rows * width + *dice.pick(&places).unwrap_or(&0)] = special;
            };
            for (next, special) in both.into_iter().enumerate().take(rows.div_ceil(3)) {
                place(next, special, &mut values);
            }
            // The two of them in one row.
            if rows == 1 || rows > 4 {
                let next = if rows > 4 { 2 } else { 0 };
                both.into_iter().for_each(|special| place(next, special, &mut values));
            }
            // A row of nothing else, where picking and masks have rules of their own; alike, or all but a number.
            let whole = matches!(case.op(), Op::Softmax | Op::Argmax | Op::TopK | Op::Sample);
            if whole && rows > 2 {
                let last = &mut values[(row + rows - 1) % rows * width..][..width];
                last.fill(if case.data == Data::NaN { both[0] } else { f64::NEG_INFINITY });
                match dice.below(3) {
                    0 => last.iter_mut().for_each(|v| *v = [f64::NAN, f64::NEG_INFINITY][dice.below(2)]),
                    // The least number that there is, which no maximum may begin with either.
                    1 if case.data == Data::Infinity => last[dice.below(width)] = -float::greatest(slot.dtype),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    values
}

/// Where what is no number in one operand meets zero in the other.
#[derive(Default)]
struct Met {
    specials: Vec<usize>,
    zero: usize,
}

impl Met {
    /// Puts the zero among the first operand's values.
    fn of(case: &Case, values: &mut [f64], dice: &mut Dice) -> Met {
        let two = matches!(case.op(), Op::Matmul | Op::Gated | Op::RmsNorm | Op::LayerNorm);
        if !two || !matches!(case.data, Data::NaN | Data::Infinity) || values.is_empty() {
            return Met::default();
        }
        let zero = dice.below(values.len());
        values[zero] = [0.0, -0.0][dice.below(2)];
        Met { specials: (0..values.len()).filter(|at| !values[*at].is_finite()).collect(), zero }
    }

    /// Puts zeros among the other's, and what meets the first one's zero.
    fn answer(&self, case: &Case, slot: &Slot, values: &mut [f64], dice: &mut Dice) {
        let special = match case.data {
            Data::NaN => f64::NAN,
            Data::Infinity => f64::INFINITY,
            _ => return,
        };
        let width = slot.shape.last().copied().unwrap_or(1).max(1);
        let rows = values.len() / width;
        if rows == 0 || case.op() == Op::Sample {
            return;
        }
        let opposite = |at: usize, dice: &mut Dice| match case.op() {
            Op::Gated => at,
            _ => dice.below(rows) * width + at % width,
        };
        for at in &self.specials {
            if dice.below(2) == 0 {
                values[opposite(*at, dice)] = [0.0, -0.0][dice.below(2)];
            }
        }
        // Where it would leave nothing that is a number, not at all.
        if if case.op() == Op::Matmul { rows > 2 } else { values.len() > 2 } {
            values[opposite(self.zero, dice)] = if dice.below(2) == 0 { special } else { -special };
        }
    }
}

/// The operand that the first one meets.
fn second(case: &Case, slot: &Slot, dice: &mut Dice) -> Vec<f64> {
    let count = slot.elements();
    match case.data {
        Data::Integers => (0..count).map(|_| dice.below(31) as f64 - 15.0).collect(),
        Data::Uniform | Data::Lognormal | Data::Outliers | Data::Sparse => {
            distributed(case.data, count, float::smallest_normal(slot.dtype), dice)
        }
        _ => distributed(Data::Normal, count, 0.0, dice),
    }
}

fn quantised(case: &Case, slot: Slot, dice: &mut Dice) -> Operand {
    let (len, size) = slot.dtype.block();
    let blocks = slot.elements() / len;
    let (mut bytes, mut weights) = (Vec::with_capacity(blocks * size), Vec::with_capacity(slot.elements()));
    let mut block = vec![0u8; size];
    for _ in 0..blocks {
        let whole: Vec<i32> = match case.data {
            Data::Integers => {
                let (least, range) = match slot.dtype {
                    DType::Q4_0 => (-7, 15),
                    DType::Q4_K => (0, 16),
                    _ => (-15, 31),
                };
                (0..len).map(|_| least + dice.below(range) as i32).collect()
            }
            _ => Vec::new(),
        };
        if whole.is_empty() || !quant::whole(slot.dtype, &whole, &mut block) {
            block.chunks_mut(8).for_each(|part| part.copy_from_slice(&dice.bits().to_le_bytes()[..part.len()]));
            quant::tame(slot.dtype, &mut block, 1.0);
        }
        quant::decode(slot.dtype, &block, &mut weights);
        bytes.extend_from_slice(&block);
    }
    let shape: Vec<i64> = slot.shape.iter().map(|n| *n as i64).collect();
    let tensor = Tensor { dtype: slot.dtype, strides: strides(&slot.shape, Layout::Plain), shape, bytes };
    Operand {
        slot,
        values: weights.iter().map(|w| w.value).collect(),
        sizes: weights.iter().map(|w| w.size).collect(),
        tensor: Arc::new(tensor),
    }
}

/// Whether the probe of whole numbers has its meaning for weights of this type: it can hold them.
pub fn holds_integers(weights: DType) -> bool {
    !weights.is_quantised() || matches!(weights, DType::Q8_0 | DType::Q4_0 | DType::Q4_K | DType::Q6_K)
}

/// Element strides of a tensor in a layout.
pub fn strides(shape: &[usize], layout: Layout) -> Vec<i64> {
    let rank = shape.len();
    let mut strides = vec![1i64; rank];
    if layout == Layout::Transposed {
        for i in 1..rank {
            strides[i] = strides[i - 1] * shape[i - 1].max(1) as i64;
        }
        return strides;
    }
    // Three elements between rows: enough that no vector of four fits by chance.
    let gap = if layout == Layout::Padded { 3 } else { 0 };
    for i in (0..rank.saturating_sub(1)).rev() {
        let inner = shape[i + 1].max(1) as i64 * strides[i + 1];
        strides[i] = inner + if i + 2 == rank { gap } else { 0 };
    }
    strides
}

/// How inputs differ from those of an earlier call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One number is another of these, so that the data stay of their kind.
    One,
    /// Two numbers changed places: sums stay as they were.
    Two,
}

impl Change {
    pub const ALL: [Change; 2] = [Change::One, Change::Two];
}

/// The same inputs, but for a number or two of one of them, or blocks of weights: none where there is no other to take.
pub fn changed(inputs: &[Operand], number: usize, change: Change, seed: u64) -> Option<Vec<Operand>> {
    let mut changed = inputs.to_vec();
    let operand = changed.get_mut(number)?;
    let (block, size) = operand.slot.dtype.block();
    let count = operand.values.len() / block;
    if operand.slot.dtype == DType::I32 || count < 2 {
        return None;
    }
    let of = |number: usize| &operand.values[number * block..][..block];
    let finite = |number: &usize| of(*number).iter().all(|v| v.is_finite());
    let begin = count / 2 + Dice::new(seed).below(count - count / 2);
    let at = (0..count).map(|i| (begin + i) % count).find(finite)?;
    let other = (0..count).filter(finite).find(|other| of(*other) != of(at))?;
    let places = places(&operand.slot.shape, &operand.tensor.strides);
    let place = |number: usize| places[number * block] / block * size;
    let mut tensor = Tensor::clone(&operand.tensor);
    put(&mut tensor.bytes, place(other)..place(other) + size, place(at), change);
    let blocks = other * block..(other + 1) * block;
    if !operand.sizes.is_empty() {
        put(&mut operand.sizes, blocks.clone(), at * block, change);
    }
    put(&mut operand.values, blocks, at * block, change);
    operand.tensor = Arc::new(tensor);
    Some(changed)
}

/// Copies a part over another one that begins at `to`; if two are to change, that one comes here.
fn put<T: Copy>(all: &mut [T], from: std::ops::Range<usize>, to: usize, change: Change) {
    match change {
        Change::One => all.copy_within(from, to),
        Change::Two => from.zip(to..).for_each(|(a, b)| all.swap(a, b)),
    }
}

/// Elements from the first to the last, gaps included.
pub fn extent(shape: &[usize], strides: &[i64]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    1 + shape.iter().zip(strides).map(|(n, s)| (*n - 1) * *s as usize).sum::<usize>()
}

/// Where each element lies, in row-major order.
pub fn places(shape: &[usize], strides: &[i64]) -> Vec<usize> {
    let count: usize = shape.iter().product();
    let mut index = vec![0usize; shape.len()];
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(index.iter().zip(strides).map(|(i, s)| i * *s as usize).sum());
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
        }
    }
    all
}

/// The layout of one tensor of a case: lists of lengths and vectors have no rows to stand apart.
pub fn layout_of(case: &Case, slot: &Slot) -> Layout {
    if slot.shape.len() < 2 || slot.dtype.is_quantised() { Layout::Plain } else { case.layout }
}

fn operand(case: &Case, slot: Slot, values: Vec<f64>) -> Operand {
    let values: Vec<f64> = values.into_iter().map(|v| float::round(slot.dtype, v)).collect();
    let strides = strides(&slot.shape, layout_of(case, &slot));
    let (_, size) = slot.dtype.block();
    let mut bytes = Vec::with_capacity(values.len() * size);
    let dense = extent(&slot.shape, &strides) == values.len() && strides.last().is_none_or(|s| *s == 1);
    if dense {
        values.iter().for_each(|v| float::encode(slot.dtype, *v, &mut bytes));
    } else {
        // Gaps hold NaN, which shows in any sum that takes them in.
        bytes = vec![0xff; extent(&slot.shape, &strides) * size];
        let mut one = Vec::with_capacity(size);
        for (at, value) in places(&slot.shape, &strides).into_iter().zip(&values) {
            one.clear();
            float::encode(slot.dtype, *value, &mut one);
            bytes[at * size..][..size].copy_from_slice(&one);
        }
    }
    let shape = slot.shape.iter().map(|n| *n as i64).collect();
    let tensor = Arc::new(Tensor { dtype: slot.dtype, shape, strides, bytes });
    Operand { slot, values, sizes: Vec::new(), tensor }
}

fn attention(case: &Case, promise: &Promise, slots: Vec<Slot>, dice: &mut Dice) -> Vec<Operand> {
    let shape = &case.shape;
    let n = |name| shape.size(name);
    let (batch, queries, groups, heads, dim) = (n("B"), n("S"), n("Hkv"), n("Hkv") * n("group"), n("D"));
    let room = op::key_room(shape);
    let lengths: Vec<usize> = (0..batch)
        .map(|b| {
            let least = if shape.get("short") != 0 && b == 0 { queries / 2 } else { n("past") + queries };
            least.max(1).min(room) + dice.below(room - least.max(1).min(room) + 1)
        })
        .collect();
    let lengths: Vec<usize> = match shape.get("short") {
        0 => lengths,
        _ => lengths.iter().enumerate().map(|(b, len)| if b == 0 { (queries / 2).max(1) } else { *len }).collect(),
    };
    let small = float::smallest_normal(promise.input);
    let mut make = |data: Data, count: usize| distributed(data, count, small, dice);
    let about = match case.data {
        Data::Spread | Data::Uniform | Data::Lognormal | Data::Outliers | Data::Equal | Data::Zeros | Data::Sparse => {
            case.data
        }
        _ => Data::Normal,
    };
    // Scores thirty times as far apart need only one factor to be.
    let (of_keys, of_values) = if about == Data::Spread { (Data::Normal, Data::Normal) } else { (about, about) };
    let mut q = make(about, batch * queries * heads * dim);
    let mut k = make(of_keys, batch * room * groups * dim);
    let mut v = make(of_values, batch * room * groups * dim);
    if about == Data::Lognormal {
        // Their products would leave no key but one.
        q.iter_mut().chain(&mut k).for_each(|x| *x = x.signum() * x.abs().ln_1p());
    }
    let sight = Sight::of(shape, &lengths);
    let row_of = |values: &[f64], b: usize, j: usize, g: usize| -> Vec<f64> {
        values[((b * room + j) * groups + g) * dim..][..dim].to_vec()
    };
    match case.data {
        Data::Needle | Data::OneHot => {
            if case.data == Data::OneHot {
                for (j, key) in k.chunks_mut(dim).enumerate() {
                    key.fill(0.0);
                    key[j % dim] = 1.0;
                }
            }
            let sharp = 40.0 * (dim as f64).sqrt();
            for b in 0..batch {
                for i in 0..queries {
                    for h in 0..heads {
                        let seen = sight.keys(b, i);
                        let mut targets: Vec<usize> =
                            edges(lengths[b]).into_iter().filter(|j| seen.contains(j)).collect();
                        targets.extend([seen.start, seen.end.wrapping_sub(1)].into_iter().filter(|j| seen.contains(j)));
                        // Just outside: whoever looks there finds something else entirely.
                        let outside = [seen.start.wrapping_sub(1), seen.end];
                        targets.extend(outside.into_iter().filter(|j| *j < lengths[b] && !seen.contains(j)));
                        let Some(at) = dice.pick(&targets).copied() else { continue };
                        let key = row_of(&k, b, at, h / n("group").max(1));
                        let norm: f64 = key.iter().map(|x| x * x).sum::<f64>().max(1e-3);
                        let query = &mut q[((b * queries + i) * heads + h) * dim..][..dim];
                        query.iter_mut().zip(&key).for_each(|(q, k)| *q = k * sharp / norm);
                    }
                }
            }
        }
        Data::Scaled => {
            let power = if promise.input == DType::F16 { 4 } else { 30 };
            let factor = 2f64.powi(if case.seed & 1 == 0 { power } else { -power });
            if promise.cells == super::manifest::Cells::F32 {
                v.iter_mut().for_each(|x| *x *= factor);
            } else {
                v.iter_mut().for_each(|x| *x *= if factor > 1.0 { 16.0 } else { 1.0 / 16.0 });
            }
        }
        Data::Weightless if dim > 0 => {
            let d = dice.below(dim);
            q.iter_mut().skip(d).step_by(dim).for_each(|x| *x = -x.abs().max(0.5));
            for (b, length) in lengths.iter().enumerate() {
                let before = length.saturating_sub(queries);
                let end = if before > 0 { before } else { length / 2 };
                let keys = &mut k[b * room * groups * dim..][..end * groups * dim];
                keys.iter_mut().skip(d).step_by(dim).for_each(|x| *x = f64::INFINITY);
            }
        }
        Data::NaN | Data::Infinity if !q.is_empty() && !k.is_empty() => {
            let special = if case.data == Data::NaN { f64::NAN } else { f64::INFINITY };
            let special = if dice.below(2) == 0 { special } else { -special };
            let b = dice.below(batch);
            let j = *dice.pick(&edges(lengths[b])).unwrap_or(&0);
            let at = ((b * room + j) * groups + dice.below(groups)) * dim + dice.below(dim);
            match dice.below(3) {
                0 => {
                    let at = dice.below(q.len());
                    q[at] = special;
                }
                1 => k[at] = special,
                _ => v[at] = special,
            }
        }
        _ => {}
    }
    // What lies beyond a sequence's end is not to be looked at.
    for (b, length) in lengths.iter().enumerate().take(batch) {
        let beyond = (b * room + length) * groups * dim..(b + 1) * room * groups * dim;
        k[beyond.clone()].fill(f64::NAN);
        v[beyond].fill(f64::NAN);
    }
    let lengths: Vec<f64> = lengths.iter().map(|n| *n as f64).collect();
    slots.into_iter().zip([q, k, v, lengths]).map(|(slot, values)| operand(case, slot, values)).collect()
}

/// The parameters of the call.
pub fn params(case: &Case) -> Vec<(String, super::run::ParamValue)> {
    use super::run::ParamValue::{Float, Integer};
    let n = |name: &str| case.shape.get(name);
    let all: Vec<(&str, super::run::ParamValue)> = match case.op() {
        Op::Attention => vec![
            ("scale", Float(scale(case))),
            ("causal", Integer(n("causal"))),
            ("window", Integer(n("window"))),
            ("softcap", Float(n("softcap") as f64)),
        ],
        Op::RmsNorm | Op::LayerNorm => vec![("eps", Float(EPS))],
        Op::Rope => vec![
            ("base", Float(n("base") as f64)),
            ("first", Integer(n("first"))),
            ("dims", Integer(turned(&case.shape) as i64)),
            ("halves", Integer(n("halves"))),
        ],
        Op::Gated => vec![("activation", Integer(n("activation")))],
        Op::TopK => vec![("k", Integer(n("k")))],
        Op::Sample => vec![("temperature", Float(temperature(&case.shape)))],
        Op::Matmul | Op::Softmax | Op::Argmax => Vec::new(),
    };
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Numbers that f32 holds too, so that no kernel differs by how it takes a parameter.
pub const EPS: f64 = 1.0 / 131072.0;

/// What scores are multiplied by: one over the root of their terms, and by the seed in three of ten cases something else,
/// as models have it that fold it into their weights or share it between layers.
pub fn scale(case: &Case) -> f64 {
    let usual = 1.0 / (case.shape.size("D").max(1) as f64).sqrt();
    let factor = match case.seed >> 60 {
        0xb => 0.5,
        0xc => 0.8,
        0xd => 1.25,
        0xe => 1.5,
        0xf => 2.0,
        _ => 1.0,
    };
    f64::from((usual * factor) as f32)
}

pub fn temperature(shape: &op::Shape) -> f64 {
    f64::from((shape.get("temperature") as f64 / 100.0) as f32)
}

/// Values of a head that rope turns.
pub fn turned(shape: &op::Shape) -> usize {
    let dim = shape.size("D");
    match shape.size("turned") {
        0 => dim / 2 * 2,
        some => some.min(dim) / 2 * 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_put_each_element_somewhere_of_its_own() {
        for layout in [Layout::Plain, Layout::Padded, Layout::Transposed] {
            for shape in [vec![3, 5], vec![2, 3, 4], vec![1, 1], vec![7]] {
                let strides = strides(&shape, layout);
                let mut all = places(&shape, &strides);
                let extent = extent(&shape, &strides);
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), shape.iter().product::<usize>());
                assert_eq!(all.last().map(|l| l + 1), Some(extent));
            }
        }
        assert_eq!(extent(&[0, 5], &[5, 1]), 0);
    }

    #[test]
    fn dice_are_fair_enough() {
        let mut dice = Dice::new(7);
        let all: Vec<f64> = (0..20_000).map(|_| dice.normal()).collect();
        let mean = all.iter().sum::<f64>() / 2e4;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2e4;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!((0..1000).all(|_| dice.below(3) < 3));
    }
}
