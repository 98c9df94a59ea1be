//! Which cases a kernel is tried with.
//!
//! Every edge of every size stands at least once, with plain numbers too, every probe stands, and each two sizes are the
//! same somewhere. In full, every edge meets every distribution, layout and type of weights; quick, sizes are sorted into
//! seven classes and the classes meet, those of two sizes with plain numbers: a pairwise covering set, made greedily from
//! the seed. Random shapes from the same secret seed come on top, which no kernel can have been made for: in full, from
//! every part of every size's range, with each remainder.

use std::collections::{BTreeMap, BTreeSet};

use bizra_kernels::call::DType;

use super::case::{Case, Data};
use super::inputs::{Dice, holds_integers};
use super::manifest::{Layout, Manifest, Values};
use super::op::{self, Dim, Op, Shape, dims};
use super::promise::Promise;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Quick,
    Full,
}

impl Effort {
    pub fn word(self) -> &'static str {
        match self {
            Effort::Quick => "quick",
            Effort::Full => "full",
        }
    }

    /// Multiply-adds a case may cost.
    fn most_work(self) -> usize {
        match self {
            Effort::Quick => 400_000,
            Effort::Full => 1_500_000,
        }
    }

    /// Random shapes from anywhere in the domain.
    fn random_shapes(self) -> usize {
        match self {
            Effort::Quick => 4,
            Effort::Full => RESIDUES,
        }
    }

    /// Parts that each size's range is cut into, of equal ratio and of equal width: a random shape comes from each of them.
    fn parts(self) -> [usize; 2] {
        match self {
            Effort::Quick => [0, 0],
            Effort::Full => [2 * RESIDUES, 2 * RESIDUES],
        }
    }

    /// Random shapes that are as great as the domain has them in one size, and may be in others.
    fn great_shapes(self) -> usize {
        match self {
            Effort::Quick => 0,
            Effort::Full => 8,
        }
    }

    /// Cases that are repeated for the sake of determinism.
    pub fn repeated(self) -> usize {
        match self {
            Effort::Quick => 2,
            Effort::Full => 12,
        }
    }
}

/// What of a size is left beyond whole vectors and tiles: in full, random shapes try each remainder, of small and of great ones.
const RESIDUES: usize = 32;

/// Multiply-adds that one of the few great shapes may cost.
const GREAT_WORK: usize = 40_000_000;

const MANY_THREADS: std::ops::RangeInclusive<u32> = 4..=16;

/// Sizes where code changes its way, primes, and one more than powers of two.
const EDGES: &[i64] = &[
    0, 1, 2, 3, 5, 7, 11, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129, 251, 255, 256, 257, 509, 513,
    1000, 1025, 2049, 4097,
];

/// Where a size belongs, so that combinations can be counted.
fn class(value: i64) -> u8 {
    match value {
        0 => 0,
        1 => 1,
        2..=3 => 2,
        4..=17 => 3,
        18..=65 => 4,
        66..=257 => 5,
        _ => 6,
    }
}

/// What cases cover of all that there is to cover.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Edges of sizes that stand in a case, and all there are.
    pub edges: usize,
    pub edges_possible: usize,
    pub probes: usize,
    pub probes_possible: usize,
    /// Pairs of sizes (or their classes), data, layouts and types: those in some case, and all that could be.
    pub pairs: usize,
    pub pairs_possible: usize,
    /// Shapes that come from the seed alone.
    pub random_shapes: usize,
}

pub struct Plan {
    pub cases: Vec<Case>,
    space: Space,
    possible: BTreeSet<Pair>,
    random: BTreeSet<Shape>,
}

/// Two factors, each with the key of a level.
type Pair = (usize, i64, usize, i64);

impl Plan {
    /// What these cases cover: those that were run, say, and could have refused.
    pub fn covered<'c>(&self, cases: impl IntoIterator<Item = &'c Case>) -> Coverage {
        let (mut edges, mut probes, mut pairs, mut random) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for case in cases {
            let levels = self.space.levels(case);
            for (f, level) in levels.iter().enumerate() {
                if f < self.space.sizes() && level.is_some_and(|l| self.space.factors[f].levels.contains(&l)) {
                    edges.insert((f, level.map(|l| l.value)));
                }
                for (g, other) in levels.iter().enumerate().skip(f + 1) {
                    if let (Some(a), Some(b)) = (level, other) {
                        pairs.insert(self.space.pair(f, *a, g, *b));
                    }
                }
            }
            if case.data.is_probe() {
                probes.insert(case.data);
            }
            if self.random.contains(&case.shape) {
                random.insert(&case.shape);
            }
        }
        Coverage {
            edges: edges.len(),
            edges_possible: self.space.factors[..self.space.sizes()].iter().map(|f| f.levels.len()).sum(),
            probes: probes.len(),
            probes_possible: self
                .cases
                .iter()
                .filter(|c| c.data.is_probe())
                .map(|c| c.data)
                .collect::<BTreeSet<_>>()
                .len(),
            pairs: pairs.intersection(&self.possible).count(),
            pairs_possible: self.possible.len(),
            random_shapes: random.len(),
        }
    }
}

/// A size's edges within the domain; of a switch, all its values.
fn edges_of(dim: &Dim, manifest: &Manifest, granule: i64) -> Vec<i64> {
    let default = dim.default.map(|all| Values::List(all.to_vec()));
    let Some(values) = manifest.domain.values(dim.name).or(default.as_ref()) else { return Vec::new() };
    let mut all: Vec<i64> = match values {
        Values::List(all) => all.clone(),
        Values::Range(from, to) => {
            let mut all: Vec<i64> = EDGES.iter().map(|e| e * granule).collect();
            let last = to / granule * granule;
            all.extend([*from, last.min(2050 * granule), last]);
            for (_, tile) in manifest.domain.tiles.iter().filter(|(name, _)| name == dim.name) {
                let tile = i64::from(tile.value);
                all.extend([tile - 1, tile, tile + 1]);
            }
            // Of whole blocks, as many as other sizes have values.
            all.retain(|v| v % granule == 0 && (granule == 1 || *v <= 2050.max(8 * granule) || *v == last));
            all
        }
    };
    all.retain(|v| values.contains(*v));
    all.sort_unstable();
    all.dedup();
    all
}

/// One thing that a case chooses: a size, the data, a layout, a type.
struct Factor {
    levels: Vec<Level>,
}

/// A choice, and the key that its pairs are counted by.
#[derive(Clone, Copy, PartialEq)]
struct Level {
    value: i64,
    key: i64,
}

/// Sizes, then data, layout and type.
struct Space {
    op: Op,
    dims: &'static [Dim],
    factors: Vec<Factor>,
    data: Vec<Data>,
    layouts: Vec<Layout>,
    weights: Vec<DType>,
    most_work: usize,
    by_class: bool,
}

impl Space {
    fn sizes(&self) -> usize {
        self.dims.len()
    }

    /// What a case chooses of each factor; none of what is no choice here, such as a probe for data.
    fn levels(&self, case: &Case) -> Vec<Option<Level>> {
        let size = |(value, dim): (&i64, &Dim)| {
            let by_class = self.by_class && dim.default.is_none();
            Some(Level { value: *value, key: if by_class { i64::from(class(*value)) } else { *value } })
        };
        let mut all: Vec<Option<Level>> = case.shape.values.iter().zip(self.dims).map(size).collect();
        let counted = |at: Option<usize>| at.map(|at| Level { value: at as i64, key: at as i64 });
        all.push(counted(self.data.iter().position(|data| *data == case.data)));
        all.push(counted(self.layouts.iter().position(|layout| *layout == case.layout)));
        all.push(counted(self.weights.iter().position(|weights| *weights == case.weights)));
        all
    }

    /// The shape with what is chosen so far and the least of the rest.
    fn shape(&self, chosen: &[Option<Level>]) -> Shape {
        let least = |f: &Factor| f.levels.iter().map(|l| l.value).min().unwrap_or(0);
        let values = self.factors[..self.sizes()].iter().zip(chosen);
        Shape { op: self.op, values: values.map(|(f, c)| c.map_or_else(|| least(f), |l| l.value)).collect() }
    }

    fn fits(&self, chosen: &[Option<Level>]) -> bool {
        self.fits_within(self.most_work, chosen)
    }

    fn fits_within(&self, most_work: usize, chosen: &[Option<Level>]) -> bool {
        let weights = chosen[self.sizes() + 2].map(|l| self.weights[l.value as usize]);
        let shape = self.shape(chosen);
        let (block, _) = weights.unwrap_or(DType::F32).block();
        let whole = self.op != Op::Matmul || shape.size("K").is_multiple_of(block);
        whole && op::work(&shape) <= most_work
    }

    fn pair(&self, a: usize, la: Level, b: usize, lb: Level) -> Pair {
        if a < b { (a, la.key, b, lb.key) } else { (b, lb.key, a, la.key) }
    }

    /// Whether pairs of these two are to be covered: in full, sizes meet everything but each other.
    fn counted(&self, a: usize, b: usize) -> bool {
        let size = |f: usize| f < self.sizes() && self.dims[f].default.is_none();
        self.by_class || !(size(a) && size(b))
    }

    fn pairs_of_sizes(&self) -> Vec<(usize, usize)> {
        let sizes: Vec<usize> = (0..self.sizes()).filter(|f| self.dims[*f].default.is_none()).collect();
        sizes.iter().flat_map(|f| sizes.iter().filter(move |g| f < *g).map(move |g| (*f, *g))).collect()
    }

    /// Choices in which two sizes are the same: an answer that lies on its side has the right form there alone. What it
    /// is filled with must not look the same from both sides.
    fn equal(&self, f: usize, g: usize, effort: Effort, dice: &mut Dice) -> Vec<Vec<Option<Level>>> {
        let normal = self.data.iter().position(|data| *data == Data::Normal);
        let filled = normal.map(|at| Level { value: at as i64, key: at as i64 });
        let with = |level: &Level| {
            let other = self.factors[g].levels.iter().find(|other| other.value == level.value)?;
            let mut chosen = vec![None; self.factors.len()];
            (chosen[f], chosen[g], chosen[self.sizes()]) = (Some(*level), Some(*other), filled);
            Some(chosen).filter(|chosen| level.value > 1 && self.fits(chosen))
        };
        let mut all: Vec<_> = self.factors[f].levels.iter().filter_map(with).collect();
        dice.shuffle(&mut all);
        all.truncate(if effort == Effort::Quick { 1 } else { 4 });
        all
    }

    /// The sizes that a choice shows with plain numbers, beside others of more than one value.
    fn shown_plainly(&self, levels: &[Level], plain: Option<Level>) -> Vec<(usize, i64)> {
        let sizes = || (0..self.sizes()).filter(|f| self.dims[*f].default.is_none());
        let beside = |f: usize| sizes().all(|other| other == f || levels[other].value > 1);
        let plainly = Some(levels[self.sizes()]) == plain;
        sizes().filter(|f| plainly && beside(*f)).map(|f| (f, levels[f].value)).collect()
    }

    /// A level of a size that is neither trivial nor great, and fits what is chosen.
    fn some_of_middle_size(&self, f: usize, chosen: &[Option<Level>], dice: &mut Dice) -> Option<Level> {
        let fits = |level: &&Level| {
            let mut chosen = chosen.to_vec();
            chosen[f] = Some(**level);
            self.fits(&chosen)
        };
        let middle: Vec<Level> = self.factors[f]
            .levels
            .iter()
            .filter(|level| (2..=65).contains(&level.value))
            .filter(fits)
            .copied()
            .collect();
        dice.pick(&middle).copied()
    }

    fn pairs(&self) -> BTreeSet<Pair> {
        let mut all = BTreeSet::new();
        for a in 0..self.factors.len() {
            for b in a + 1..self.factors.len() {
                if !self.counted(a, b) {
                    continue;
                }
                for la in &self.factors[a].levels {
                    for lb in &self.factors[b].levels {
                        let mut chosen = vec![None; self.factors.len()];
                        (chosen[a], chosen[b]) = (Some(*la), Some(*lb));
                        if self.fits(&chosen) {
                            all.insert(self.pair(a, *la, b, *lb));
                        }
                    }
                }
            }
        }
        all
    }

    /// Completes a choice so that it covers as much as it can of what is left.
    fn complete(
        &self,
        mut chosen: Vec<Option<Level>>,
        left: &BTreeSet<Pair>,
        used: &BTreeMap<(usize, i64), usize>,
        dice: &mut Dice,
    ) -> Vec<Level> {
        let mut order: Vec<usize> = (0..self.factors.len()).filter(|f| chosen[*f].is_none()).collect();
        dice.shuffle(&mut order);
        for f in order {
            let mut best: Option<((usize, usize, u64), Level)> = None;
            for level in &self.factors[f].levels {
                chosen[f] = Some(*level);
                if !self.fits(&chosen) {
                    continue;
                }
                let new = (0..chosen.len()).filter(|o| {
                    *o != f && chosen[*o].is_some_and(|other| left.contains(&self.pair(f, *level, *o, other)))
                });
                // Among equals, what was used least, so that every edge has its turn.
                let rarely = usize::MAX - used.get(&(f, level.value)).copied().unwrap_or(0);
                let score = (new.count(), rarely, dice.bits());
                if best.as_ref().is_none_or(|(b, _)| score > *b) {
                    best = Some((score, *level));
                }
            }
            // Beside a size that is too much for any other, the least that makes a difference.
            let levels = &self.factors[f].levels;
            let least = || levels.iter().find(|level| f >= self.sizes() || level.value > 1).or(levels.last()).copied();
            chosen[f] = best.map(|(_, level)| level).or_else(least);
        }
        chosen.into_iter().map(|l| l.unwrap_or(Level { value: 0, key: 0 })).collect()
    }

    fn case(&self, levels: &[Level], threads: u32, seed: u64) -> Case {
        let n = self.sizes();
        Case {
            shape: Shape { op: self.op, values: levels[..n].iter().map(|l| l.value).collect() },
            data: self.data[levels[n].value as usize],
            layout: self.layouts[levels[n + 1].value as usize],
            weights: self.weights[levels[n + 2].value as usize],
            threads,
            seed,
        }
    }
}

/// The cases of a kernel. `most_threads` is what determinism is tried with; single cases take turns.
pub fn plan(manifest: &Manifest, promise: &Promise, effort: Effort, secret: u64, most_threads: u32) -> Plan {
    plan_unless(&|| false, manifest, promise, effort, secret, most_threads)
}

/// The same, left half done where `stop` says so: a large domain takes seconds.
pub fn plan_unless(
    stop: &dyn Fn() -> bool,
    manifest: &Manifest,
    promise: &Promise,
    effort: Effort,
    secret: u64,
    most_threads: u32,
) -> Plan {
    let op = manifest.op();
    let mut dice = Dice::new(secret);
    let layouts: Vec<Layout> = manifest.domain.layouts().to_vec();
    let by_class = effort == Effort::Quick;
    let blocks: BTreeSet<usize> = promise.weights.iter().map(|w| w.block().0).collect();
    let dims = dims(op);
    let mut factors: Vec<Factor> = Vec::new();
    for dim in dims {
        let mut edges: Vec<i64> = Vec::new();
        for block in &blocks {
            let granule = if op == Op::Matmul && dim.name == "K" { *block as i64 } else { 1 };
            edges.extend(edges_of(dim, manifest, granule));
        }
        edges.sort_unstable();
        edges.dedup();
        let key = |v: i64| if by_class && dim.default.is_none() { i64::from(class(v)) } else { v };
        factors.push(Factor { levels: edges.into_iter().map(|value| Level { value, key: key(value) }).collect() });
    }
    // Beside the distributions, what is no number: each size has its way to meet it.
    let data: Vec<Data> = [Data::distributions(op), &[Data::NaN, Data::Infinity]].concat();
    let counted = |n: usize| Factor { levels: (0..n as i64).map(|value| Level { value, key: value }).collect() };
    factors.extend([counted(data.len()), counted(layouts.len()), counted(promise.weights.len())]);
    let weights = promise.weights.clone();
    let space = Space { op, dims, factors, data, layouts, weights, most_work: effort.most_work(), by_class };

    let mut left = space.pairs();
    let possible = left.clone();
    // Sizes meet each other before anything else, with plain numbers: who mistakes one great size beside another is told.
    let normal = space.data.iter().position(|data| *data == Data::Normal);
    let plain = normal.map(|at| Level { value: at as i64, key: at as i64 });
    let is_size = |f: usize| f < space.sizes() && dims[f].default.is_none();
    let mut first: BTreeSet<Pair> = left.iter().filter(|(a, _, b, _)| is_size(*a) && is_size(*b)).copied().collect();
    let mut used: BTreeMap<(usize, i64), usize> = BTreeMap::new();
    let mut chosen: Vec<Vec<Level>> = Vec::new();
    let mut take = |levels: Vec<Level>, left: &mut BTreeSet<_>, used: &mut BTreeMap<(usize, i64), usize>| {
        for a in 0..levels.len() {
            *used.entry((a, levels[a].value)).or_default() += 1;
            for b in a + 1..levels.len() {
                left.remove(&space.pair(a, levels[a], b, levels[b]));
            }
        }
        chosen.push(levels);
    };
    loop {
        first.retain(|pair| left.contains(pair));
        let from = if first.is_empty() { &left } else { &first };
        let Some(pair) = from.iter().nth(dice.below(from.len().max(1))).copied().filter(|_| !stop()) else { break };
        let (a, ka, b, kb) = pair;
        let of = |f: usize, key: i64| -> Vec<Level> {
            let mut all: Vec<Level> = space.factors[f].levels.iter().filter(|l| l.key == key).copied().collect();
            all.sort_by_key(|l| used.get(&(f, l.value)).copied().unwrap_or(0));
            all
        };
        let (la, lb) = (of(a, ka), of(b, kb));
        let fitting = la.iter().flat_map(|x| lb.iter().map(move |y| (*x, *y))).find(|(x, y)| {
            let mut partial = vec![None; space.factors.len()];
            (partial[a], partial[b]) = (Some(*x), Some(*y));
            space.fits(&partial)
        });
        let Some((x, y)) = fitting else {
            left.remove(&pair);
            continue;
        };
        let mut partial = vec![None; space.factors.len()];
        (partial[a], partial[b]) = (Some(x), Some(y));
        if is_size(a) && is_size(b) {
            partial[space.sizes()] = plain;
        }
        let levels = space.complete(partial, &left, &used, &mut dice);
        take(levels, &mut left, &mut used);
        left.remove(&pair);
    }
    // Edges whose class was covered by others.
    for f in 0..space.sizes() {
        for level in &space.factors[f].levels {
            if !used.contains_key(&(f, level.value)) {
                let mut partial = vec![None; space.factors.len()];
                partial[f] = Some(*level);
                let levels = space.complete(partial, &left, &used, &mut dice);
                take(levels, &mut left, &mut used);
            }
        }
    }
    let shown: BTreeSet<(usize, i64)> = chosen.iter().flat_map(|levels| space.shown_plainly(levels, plain)).collect();
    for f in (0..space.sizes()).filter(|f| is_size(*f)) {
        for level in
            space.factors[f].levels.iter().filter(|level| level.value > 0 && !shown.contains(&(f, level.value)))
        {
            let mut partial = vec![None; space.factors.len()];
            (partial[f], partial[space.sizes()]) = (Some(*level), plain);
            for other in (0..space.sizes()).filter(|other| *other != f && is_size(*other)) {
                partial[other] = space.some_of_middle_size(other, &partial, &mut dice);
            }
            chosen.push(space.complete(partial, &left, &used, &mut dice));
        }
    }
    for (f, g) in space.pairs_of_sizes() {
        for partial in space.equal(f, g, effort, &mut dice) {
            chosen.push(space.complete(partial, &left, &used, &mut dice));
        }
    }
    let threads = |dice: &mut Dice| {
        let few = [1, 2, 3, most_threads];
        // Also more than there are processors: what is wrong with the split of work shows with any number.
        if dice.below(3) > 0 {
            few[dice.below(few.len())]
        } else {
            MANY_THREADS.start() + dice.below(MANY_THREADS.count()) as u32
        }
    };
    let mut cases: Vec<Case> = chosen
        .iter()
        .map(|levels| {
            let (threads, seed) = (threads(&mut dice), dice.bits());
            space.case(levels, threads, seed)
        })
        .collect();
    let probes = probes(&space, manifest, promise, effort, &mut dice);
    for (shape, data, weights) in probes {
        let layout = space.layouts[dice.below(space.layouts.len())];
        let (threads, seed) = (threads(&mut dice), dice.bits());
        cases.push(Case { shape, weights, data, layout, threads, seed });
    }
    let mut random = BTreeSet::new();
    let first: Vec<usize> = dims.iter().map(|_| dice.below(RESIDUES)).collect();
    let mut reaches: Vec<Reach> = vec![Reach::Any; effort.random_shapes()];
    for (f, dim) in dims.iter().enumerate() {
        let Some(Values::Range(from, to)) = manifest.domain.values(dim.name) else { continue };
        let values = usize::try_from(to - from + 1).unwrap_or(usize::MAX);
        for (even, parts) in [Even::Ratio, Even::Width].into_iter().zip(effort.parts()) {
            let parts = parts.min(values);
            // Shuffled, so that no remainder belongs to a part.
            let mut all: Vec<Reach> = (0..parts).map(|part| Reach::Part { f, even, part, parts }).collect();
            dice.shuffle(&mut all);
            reaches.extend(all);
        }
    }
    reaches.extend((0..effort.great_shapes()).map(|number| Reach::Last(number % dims.len())));
    for (number, reach) in reaches.into_iter().enumerate() {
        let left: Vec<i64> = first.iter().map(|first| ((first + number) % RESIDUES) as i64).collect();
        let Some((shape, weights)) = random_shape(&space, manifest, &left, reach, &mut dice) else { continue };
        // What dominates or says nothing would hide a mistake of one size; what is picked has to stand at an end too.
        let plain: &[Data] =
            if matches!(op, Op::Argmax | Op::TopK) { &[Data::Normal, Data::Sorted] } else { &[Data::Normal] };
        let from = if matches!(reach, Reach::Part { .. }) && dice.below(4) > 0 { plain } else { &space.data };
        let data = from[dice.below(from.len())];
        let layout = space.layouts[dice.below(space.layouts.len())];
        let (threads, seed) = (threads(&mut dice), dice.bits());
        random.insert(shape.clone());
        cases.push(Case { shape, weights, data, layout, threads, seed });
    }
    // Where no type of weights fits a size, the rest of a choice is completed with one that doesn't.
    cases.retain(|case| case.shape.unfit(case.weights).is_none());
    dice.shuffle(&mut cases);
    Plan { cases, space, possible, random }
}

/// How far a random shape goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// As many sizes are small as great.
    Any,
    /// This size comes from one part of its range.
    Part { f: usize, even: Even, part: usize, parts: usize },
    /// This size is the greatest there is.
    Last(usize),
}

/// What the parts of a range have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Even {
    Ratio,
    Width,
}

impl Even {
    /// The value at a share of the way from the least to the greatest.
    fn at(self, share: f64, least: f64, most: f64) -> f64 {
        match self {
            Even::Ratio => least * (most / least).powf(share),
            Even::Width => least + share * (most - least),
        }
    }
}

/// A shape of the domain that nobody could have known. Where there is room for it, `left` is what each size leaves when it is
/// divided by [`RESIDUES`].
fn random_shape(
    space: &Space,
    manifest: &Manifest,
    left: &[i64],
    reach: Reach,
    dice: &mut Dice,
) -> Option<(Shape, DType)> {
    const ATTEMPTS: usize = 50;
    let most_work = if matches!(reach, Reach::Last(_)) { GREAT_WORK } else { space.most_work };
    for attempt in 0..ATTEMPTS {
        // Beside the greatest, great ones as long as that is not too much; beside others, ever smaller ones.
        let all_great = matches!(reach, Reach::Last(_)) && attempt < ATTEMPTS / 2;
        let shrunk = if all_great { 1.0 } else { 1.0 - attempt as f64 / ATTEMPTS as f64 };
        let at = dice.below(space.weights.len());
        let weights = space.weights[at];
        let (block, _) = weights.block();
        let mut chosen: Vec<Option<Level>> = vec![None; space.factors.len()];
        for (f, dim) in space.dims.iter().enumerate() {
            let granule = if space.op == Op::Matmul && dim.name == "K" { block as i64 } else { 1 };
            let value = match manifest.domain.values(dim.name) {
                Some(Values::Range(_, to)) if reach == Reach::Last(f) => to / granule * granule,
                Some(Values::Range(from, to)) => {
                    let (least, most) = ((*from / granule).max(1) as f64, (*to / granule).max(1) as f64);
                    let (low, high) = match reach {
                        Reach::Part { f: own, even, part, parts } if own == f => {
                            let at = |part: usize| even.at(part as f64 / parts as f64, least, most);
                            (at(part), at(part + 1))
                        }
                        _ if all_great => (Even::Ratio.at(0.5, least, most), most),
                        _ => (least, Even::Ratio.at(shrunk, least, most)),
                    };
                    let value = Even::Ratio.at(dice.unit(), low, high).round() as i64;
                    let residues = RESIDUES as i64;
                    let fitted = value / residues * residues + left[f];
                    // The remainder may lead out of a part by less than itself.
                    let room = high - low >= RESIDUES as f64 / 4.0 && fitted as f64 >= least && fitted as f64 <= most;
                    (if room { fitted } else { value }) * granule
                }
                _ => dice.pick(&space.factors[f].levels)?.value,
            };
            if manifest.domain.values(dim.name).is_some_and(|v| !v.contains(value)) {
                continue;
            }
            chosen[f] = Some(Level { value, key: value });
        }
        chosen[space.sizes() + 2] = Some(Level { value: at as i64, key: 0 });
        if chosen[..space.sizes()].iter().all(Option::is_some) && space.fits_within(most_work, &chosen) {
            return Some((space.shape(&chosen), weights));
        }
    }
    None
}

/// Each probe in shapes where it says most.
fn probes(
    space: &Space,
    manifest: &Manifest,
    promise: &Promise,
    effort: Effort,
    dice: &mut Dice,
) -> Vec<(Shape, Data, DType)> {
    let mut all = Vec::new();
    // The domain's value that is nearest to the one wanted.
    let near = |f: usize, wanted: i64| -> i64 {
        let levels = &space.factors[f].levels;
        let inside = manifest.domain.values(space.dims[f].name).is_some_and(|v| v.contains(wanted));
        if inside {
            return wanted;
        }
        levels.iter().map(|l| l.value).min_by_key(|v| (v - wanted).abs()).unwrap_or(0)
    };
    let shape = |wanted: &[(&str, i64)], dice: &mut Dice| -> Shape {
        let value = |(f, dim): (usize, &Dim)| match wanted.iter().find(|(name, _)| *name == dim.name) {
            Some((_, wanted)) => near(f, *wanted),
            None => dice.pick(&space.factors[f].levels).map_or(0, |l| l.value),
        };
        Shape { op: space.op, values: space.dims.iter().enumerate().map(value).collect() }
    };
    // What rounding activations costs shows in many of them only.
    if space.op == Op::Matmul && promise.int8 {
        for weights in promise.weights.iter().filter(|w| w.is_quantised()) {
            all.push((shape(&[("M", 64), ("N", 17), ("K", 512)], dice), Data::Normal, *weights));
        }
    }
    let times = if effort == Effort::Quick { 1 } else { 4 };
    for data in Data::probes(space.op) {
        for weights in &promise.weights {
            if *data == Data::Integers && !holds_integers(*weights) {
                continue;
            }
            for n in 0..times {
                let wanted: Vec<(&str, i64)> = match (space.op, data) {
                    (Op::Matmul, Data::Integers) => vec![("M", 3 + 2 * n), ("N", 20 + n), ("K", 4096)],
                    (Op::Matmul, _) => vec![("M", 3 + n), ("N", 17 + 16 * n), ("K", 512)],
                    (Op::Attention, _) => {
                        let mut wanted = vec![
                            ("B", [1, 3][n as usize % 2]),
                            ("S", [9, 33, 65, 1][n as usize]),
                            ("past", [200, 250, 70, 513][n as usize]),
                            ("D", [64, 32, 128, 64][n as usize]),
                            ("pad", 5),
                        ];
                        if *data == Data::Weightless {
                            // A cap or a window leaves nothing of it.
                            wanted.extend([("softcap", 0), ("window", 0)]);
                        }
                        wanted
                    }
                    // So many that what each of them lacks is much together.
                    (Op::Sample, Data::Tail) => vec![("R", 33), ("N", [65_537, 10_000, 40_000, 33][n as usize])],
                    (Op::Sample, Data::Draws) => {
                        let rows = if effort == Effort::Quick { 100_000 } else { 1_000_000 };
                        vec![("R", rows), ("N", 7)]
                    }
                    (Op::Rope, _) => vec![("S", 9), ("H", 3), ("D", [64, 128, 8, 32][n as usize])],
                    (Op::TopK, _) => {
                        vec![("R", 5), ("N", [257, 1000, 33, 129][n as usize]), ("k", [7, 40, 33, 1][n as usize])]
                    }
                    _ => vec![("R", 5 + n), ("N", [257, 1000, 33, 129][n as usize])],
                };
                let mut one = shape(&wanted, dice);
                if space.op == Op::Sample && *data == Data::Draws {
                    // Draws count by the million, whatever rows a model has.
                    one = one.with("R", wanted[0].1);
                }
                if space.op == Op::Matmul {
                    let (block, _) = weights.block();
                    let k = one.get("K").div_euclid(block as i64).max(1) * block as i64;
                    one = one.with("K", k);
                }
                all.push((one, *data, *weights));
                if *data == Data::Draws {
                    break;
                }
            }
        }
    }
    all
}
