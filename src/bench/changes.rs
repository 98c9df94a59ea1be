//! Where a series of figures changed its level.
//!
//! E-divisive (Matteson and James 2014): the split is sought at which the distances between the two sides most exceed
//! those within them, and is kept when hardly any shuffle of the values has as good a one; then each side is searched
//! again. MongoDB brought it to benchmarks (Daly and others 2020), and hunter after it (Fleming and Kołaczkowski 2023).
//! It assumes no distribution, and a single outlier is no change. Leaves out which figures make a series.

/// The fewest figures of a level.
const FEWEST: usize = 3;

/// Only so many of the newest figures are looked at: the work grows with their square.
pub const MOST: usize = 300;

/// A level is believed to have changed when at most one of so many shuffles does as well.
pub const ONE_IN: usize = 100;
const SHUFFLES: usize = 399;

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The first figure of the new level.
    pub at: usize,
    /// Medians of the levels.
    pub before: f64,
    pub after: f64,
    /// The share of shuffles that had as good a split.
    pub p: f64,
}

impl Change {
    pub fn ratio(&self) -> f64 {
        self.after / self.before
    }
}

/// The changes of values above zero, from the first to the last. Levels nearer to each other than `least` (0.01 for 1 %)
/// are one.
pub fn changes(values: &[f64], least: f64) -> Vec<Change> {
    let skipped = values.len().saturating_sub(MOST);
    let logs: Vec<f64> = values[skipped..].iter().map(|value| value.max(f64::MIN_POSITIVE).ln()).collect();
    let mut dice = Dice(logs.len() as u64);
    let mut splits: Vec<(usize, f64)> = Vec::new();
    let mut open = vec![(0, logs.len())];
    while let Some((start, end)) = open.pop() {
        let Some((split, p)) = significant(&logs[start..end], &mut dice) else { continue };
        splits.push((start + split, p));
        open.extend([(start, start + split), (start + split, end)]);
    }
    splits.sort_unstable_by_key(|(at, _)| *at);
    while let Some(weak) = weakest(&logs, &splits, least) {
        splits.remove(weak);
    }
    let levels = levels(&logs, &splits);
    let change = |(at, (place, p)): (usize, &(usize, f64))| Change {
        at: skipped + place,
        before: levels[at].exp(),
        after: levels[at + 1].exp(),
        p: *p,
    };
    splits.iter().enumerate().map(change).collect()
}

/// Medians between the splits.
fn levels(logs: &[f64], splits: &[(usize, f64)]) -> Vec<f64> {
    let bounds: Vec<usize> = [0].into_iter().chain(splits.iter().map(|(at, _)| *at)).chain([logs.len()]).collect();
    bounds.windows(2).map(|pair| median(&logs[pair[0]..pair[1]])).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        n if n.is_multiple_of(2) => (sorted[half - 1] + sorted[half]) / 2.0,
        _ => sorted[half],
    }
}

/// The split between the nearest levels, if they are too near.
fn weakest(logs: &[f64], splits: &[(usize, f64)], least: f64) -> Option<usize> {
    let levels = levels(logs, splits);
    let steps = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).enumerate();
    steps.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, step)| *step < least.ln_1p()).map(|(at, _)| at)
}

/// The best split, and the share of shuffles with as good a one, where that is small.
fn significant(values: &[f64], dice: &mut Dice) -> Option<(usize, f64)> {
    let (split, divergence) = best(values)?;
    let allowed = (SHUFFLES + 1) / ONE_IN - 1;
    let mut shuffled = values.to_vec();
    let mut as_good = 0;
    for _ in 0..SHUFFLES {
        dice.shuffle(&mut shuffled);
        // Sums of the same numbers in another order: the last digits are chance.
        if best(&shuffled).is_some_and(|(_, other)| other >= divergence * (1.0 - 1e-9)) {
            as_good += 1;
            if as_good > allowed {
                return None;
            }
        }
    }
    Some((split, (as_good + 1) as f64 / (SHUFFLES + 1) as f64))
}

/// The split of the greatest divergence, sought over every end of the second side too: a level that comes back later
/// would hide the change otherwise.
fn best(values: &[f64]) -> Option<(usize, f64)> {
    let n = values.len();
    if n < 2 * FEWEST {
        return None;
    }
    // sums[i][j]: all distances between one of the first i and one of the first j.
    let width = n + 1;
    let mut sums = vec![0.0; width * width];
    for i in 0..n {
        let mut row = 0.0;
        for j in 0..n {
            row += (values[i] - values[j]).abs();
            sums[(i + 1) * width + j + 1] = sums[i * width + j + 1] + row;
        }
    }
    let mut best: Option<(usize, f64)> = None;
    for split in FEWEST..=n - FEWEST {
        let within_first = sums[split * width + split] / 2.0;
        for end in split + FEWEST..=n {
            let (a, b) = (split as f64, (end - split) as f64);
            let (to_end, whole) = (sums[split * width + end], sums[end * width + end]);
            let between = to_end - 2.0 * within_first;
            let within_second = (whole - 2.0 * to_end + 2.0 * within_first) / 2.0;
            let energy =
                2.0 * between / (a * b) - within_first / (a * (a - 1.0) / 2.0) - within_second / (b * (b - 1.0) / 2.0);
            let divergence = a * b / (a + b) * energy;
            if divergence > 0.0 && best.is_none_or(|(_, most)| divergence > most) {
                best = Some((split, divergence));
            }
        }
    }
    best
}

/// Shuffles that are the same each time, so that the same history has the same changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(bits ^ (bits >> 31)) * bound as u128) >> 64) as usize
    }

    fn shuffle(&mut self, values: &mut [f64]) {
        for at in (1..values.len()).rev() {
            values.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` values about `level`, 1 % up and down by a fixed rule that is no rhythm.
    fn about(level: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut dice = Dice(seed);
        (0..count).map(|_| level * (1.0 + (dice.below(2001) as f64 - 1000.0) / 100_000.0)).collect()
    }

    fn places(values: &[f64]) -> Vec<usize> {
        changes(values, 0.01).iter().map(|change| change.at).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let values = [about(30.0, 12, 1), about(28.5, 10, 2)].concat();
        let found = changes(&values, 0.01);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at, 12);
        assert!((found[0].ratio() - 0.95).abs() < 0.01 && found[0].p <= 0.01, "{found:?}");
    }

    #[test]
    fn a_level_that_comes_back_is_two_changes() {
        assert_eq!(places(&[about(30.0, 15, 1), about(27.0, 8, 2), about(30.0, 15, 3)].concat()), [15, 23]);
    }

    #[test]
    fn several_steps_are_found_in_order() {
        let values = [about(10.0, 10, 1), about(12.0, 10, 2), about(15.0, 10, 3), about(11.0, 10, 4)].concat();
        assert_eq!(places(&values), [10, 20, 30]);
    }

    #[test]
    fn noise_outliers_and_constants_are_no_changes() {
        let alarms = (0..60).filter(|seed| !places(&about(30.0, 24, seed * 7919 + 11)).is_empty()).count();
        assert!(alarms <= 2, "{alarms} of 60 series of pure noise");
        let mut with_outlier = about(30.0, 20, 5);
        with_outlier[9] = 90.0;
        assert!(places(&with_outlier).is_empty());
        assert!(places(&[7.0; 40]).is_empty());
        assert!(places(&[]).is_empty());
        assert!(places(&[1.0, 1.0, 2.0, 2.0, 2.0]).is_empty(), "too few to tell");
    }

    #[test]
    fn levels_that_are_nearly_the_same_are_one() {
        let values = [[100.0, 100.01, 100.02].repeat(4), [100.5, 100.51, 100.52].repeat(4)].concat();
        assert!(places(&values).is_empty());
        assert_eq!(changes(&values, 0.001).len(), 1);
    }

    #[test]
    fn of_a_long_history_the_newest_part_is_looked_at() {
        let values = [about(50.0, 40, 1), about(30.0, MOST - 20, 2), about(20.0, 20, 3)].concat();
        assert_eq!(places(&values), [40 + MOST - 20]);
    }

    /// The definition, term by term.
    #[test]
    fn the_divergence_is_the_one_of_the_paper() {
        let values = [1.0, 1.5, 1.2, 3.0, 3.3, 2.9, 3.1];
        let (split, divergence) = best(&values).unwrap();
        assert_eq!(split, 3);
        let (first, second) = values.split_at(3);
        let mean = |pairs: Vec<f64>| pairs.iter().sum::<f64>() / pairs.len() as f64;
        let within = |side: &[f64]| {
            let pairs = (0..side.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            mean(pairs.map(|(i, j)| (side[i] - side[j]).abs()).collect())
        };
        let between = mean(first.iter().flat_map(|a| second.iter().map(move |b| (a - b).abs())).collect());
        let expected = 12.0 / 7.0 * (2.0 * between - within(first) - within(second));
        assert!((divergence - expected).abs() < 1e-12, "{divergence} {expected}");
    }
}
