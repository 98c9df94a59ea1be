//! Published examples first, then naive versions over generated samples.

use proptest::prelude::*;

use super::*;

fn sample(values: &[f64]) -> Sample {
    Sample::new(values).unwrap()
}

fn near(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual} is not within {tolerance} of {expected}");
}

#[test]
fn medians() {
    assert_eq!(sample(&[3.0]).median(), 3.0);
    assert_eq!(sample(&[9.0, 1.0, 5.0]).median(), 5.0);
    assert_eq!(sample(&[4.0, 1.0, 3.0, 2.0]).median(), 2.5);
    assert_eq!(sample(&[f64::MAX, f64::MAX]).median(), f64::MAX);
}

/// The NIST/SEMATECH e-Handbook's example (7.2.6.2), with its answer for method R7.
#[test]
fn percentile_of_the_nist_handbook() {
    let gauge =
        [95.1772, 95.1567, 95.1937, 95.1959, 95.1442, 95.0610, 95.1591, 95.1195, 95.1065, 95.0925, 95.1990, 95.1682];
    near(sample(&gauge).percentile(0.9).unwrap(), 95.1957, 5e-5);
    assert_eq!(sample(&gauge).percentile(0.0), Ok(95.0610));
    assert_eq!(sample(&gauge).percentile(1.0), Ok(95.1990));
}

#[test]
fn deviation_of_the_usual_example() {
    assert_eq!(sample(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]).mad(), 1.0);
    assert_eq!(sample(&[7.0; 5]).mad(), 0.0);
}

/// The ranks that textbook tables of the sign test give for 95 %.
#[test]
fn interval_ranks_of_the_tables() {
    let table = [(6, 1), (8, 1), (9, 2), (10, 2), (12, 3), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18), (100, 40)];
    for (n, rank) in table {
        assert_eq!(ranks_outside(n), Some(rank), "{n} values");
    }
    for n in 0..6 {
        assert_eq!(ranks_outside(n), None, "{n} values");
    }
}

#[test]
fn interval_is_made_of_the_values_at_those_ranks() {
    let values: Vec<f64> = (1..=10).map(f64::from).collect();
    assert_eq!(sample(&values).median_interval(), Some(Interval { low: 2.0, high: 9.0 }));
    assert_eq!(sample(&values[..5]).estimate(), Estimate { median: 3.0, interval: None });
}

#[test]
fn interval_of_a_long_series_is_narrow_around_the_middle() {
    let n = 100_000;
    let outside = ranks_outside(n).unwrap();
    // Normal theory: n/2 - 1.96 sqrt(n)/2 = 49,690.
    assert!(outside.abs_diff(49_690) <= 1, "{outside}");
}

/// Sheskin's and SciPy's example: ages at diagnosis; 14 of 126 arrangements are as extreme.
#[test]
fn rank_sum_of_the_diagnosis_ages() {
    let test = rank_sum(&sample(&[19.0, 22.0, 16.0, 29.0, 24.0]), &sample(&[20.0, 11.0, 17.0, 12.0]));
    assert_eq!((test.u, test.method), (17.0, Method::Exact));
    near(test.p, 14.0 / 126.0, 1e-15);
}

/// Hollander and Wolfe's permeability constants, as in R's manual: W = 35, p = 0.1272 one-sided.
#[test]
fn rank_sum_of_the_permeability_constants() {
    let at_term = sample(&[0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]);
    let earlier = sample(&[1.15, 0.88, 0.90, 0.74, 1.21]);
    let test = rank_sum(&at_term, &earlier);
    assert_eq!(test.u, 35.0);
    near(test.p / 2.0, 0.1272, 5e-5);
    near(test.superiority, 0.7, 1e-15);
}

/// Counted by hand: 45 values in two ties of 20 and 25; variance 500/12 · (46 − 23580/1980), z = 87/√variance.
#[test]
fn rank_sum_of_many_tied_values() {
    let first = sample(&[vec![0.0; 15], vec![1.0; 10]].concat());
    let second = sample(&[vec![0.0; 5], vec![1.0; 15]].concat());
    let test = rank_sum(&first, &second);
    assert_eq!((test.u, test.method), (162.5, Method::Normal));
    near(test.p, 0.020_978_518_636_876, 1e-12);
}

#[test]
fn rank_sum_of_equal_values_sees_no_difference() {
    for n in [3, 30] {
        let all_equal = sample(&vec![4.0; n]);
        let test = rank_sum(&all_equal, &all_equal);
        assert_eq!((test.p, test.superiority), (1.0, 0.5));
    }
}

#[test]
fn rank_sum_of_separate_samples_is_sure() {
    let low: Vec<f64> = (0..30).map(f64::from).collect();
    let high: Vec<f64> = (50..80).map(f64::from).collect();
    let test = rank_sum(&sample(&low), &sample(&high));
    assert_eq!((test.u, test.superiority), (0.0, 0.0));
    assert!(test.p < 1e-9, "{}", test.p);
}

/// Values of C's `erfc`.
#[test]
fn erfc_known_values() {
    let known = [
        (0.0, 1.0),
        (0.1, 0.887_537_083_981_715_2),
        (0.5, 0.479_500_122_186_953_5),
        (1.0, 0.157_299_207_050_285_13),
        (1.9, 0.007_209_570_764_742_532_5),
        (2.0, 0.004_677_734_981_047_265),
        (2.1, 0.002_979_466_656_332_984),
        (3.0, 2.209_049_699_858_543_8e-5),
        (5.0, 1.537_459_794_428_035e-12),
        (10.0, 2.088_487_583_762_545e-45),
    ];
    for (x, expected) in known {
        near(erfc(x) / expected, 1.0, 1e-12);
    }
}

#[test]
fn paired_ratio_cancels_slow_rounds() {
    let peer = [1.0, 1.0, 4.0, 1.0, 8.0, 1.0, 2.0, 1.0, 1.0, 1.0];
    let ours: Vec<f64> = peer.iter().map(|time| time * 1.5).collect();
    let ratio = paired_ratio(&ours, &peer).unwrap();
    assert_eq!(ratio, Estimate { median: 1.5, interval: Some(Interval { low: 1.5, high: 1.5 }) });
}

#[test]
fn samples_that_say_nothing_are_refused() {
    let refusal = |result: Result<f64, StatsError>| result.unwrap_err().to_string();
    let median = |values: &[f64]| refusal(Sample::new(values).map(|sample| sample.median()));
    let ratio = |left: &[f64], right: &[f64]| refusal(paired_ratio(left, right).map(|ratio| ratio.median));
    insta::assert_snapshot!(median(&[]), @"no samples: nothing can be said about none");
    insta::assert_snapshot!(median(&[1.0, f64::NAN]), @"sample 1 is NaN, not a finite number");
    insta::assert_snapshot!(median(&[f64::INFINITY]), @"sample 0 is inf, not a finite number");
    insta::assert_snapshot!(ratio(&[1.0], &[1.0, 2.0]), @"1 samples cannot be paired with 2: measure both in the same rounds");
    insta::assert_snapshot!(ratio(&[1.0, 1.0], &[1.0, 0.0]), @"sample 1 is 0: a ratio needs samples above zero");
    insta::assert_snapshot!(ratio(&[f64::NAN], &[1.0]), @"sample 0 is NaN: a ratio needs samples above zero");
    insta::assert_snapshot!(ratio(&[], &[]), @"no samples: nothing can be said about none");
    insta::assert_snapshot!(ratio(&[1e300], &[1e-300]), @"sample 0 is inf, not a finite number");
    insta::assert_snapshot!(refusal(sample(&[1.0]).percentile(1.01)), @"1.01 is not a share between 0 and 1");
}

/// Every subset of `picked` indices out of `n`, as bit masks.
fn subsets(n: usize, picked: usize) -> impl Iterator<Item = u32> {
    (0u32..1 << n).filter(move |mask| mask.count_ones() as usize == picked)
}

fn naive_u(first: &[f64], second: &[f64]) -> f64 {
    let score = |a: f64, b: f64| {
        if a > b {
            1.0
        } else if a == b {
            0.5
        } else {
            0.0
        }
    };
    first.iter().flat_map(|a| second.iter().map(move |b| score(*a, *b))).sum()
}

fn naive_p(first: &[f64], second: &[f64]) -> f64 {
    let pooled = [first, second].concat();
    let middle = (first.len() * second.len()) as f64 / 2.0;
    let distance = (naive_u(first, second) - middle).abs();
    let arrangements: Vec<bool> = subsets(pooled.len(), first.len())
        .map(|mask| {
            let (a, b): (Vec<_>, Vec<_>) = (0..pooled.len()).partition(|index| (mask >> index) & 1 == 1);
            let pick = |indices: Vec<usize>| indices.into_iter().map(|index| pooled[index]).collect::<Vec<_>>();
            (naive_u(&pick(a), &pick(b)) - middle).abs() >= distance
        })
        .collect();
    arrangements.iter().filter(|extreme| **extreme).count() as f64 / arrangements.len() as f64
}

/// Few distinct values, so that ties are common.
fn tied(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0u8..6).prop_map(f64::from), 1..=most)
}

proptest! {
    #[test]
    fn rank_sum_counts_what_enumeration_counts(first in tied(5), second in tied(5)) {
        let test = rank_sum(&sample(&first), &sample(&second));
        prop_assert_eq!(test.u, naive_u(&first, &second));
        prop_assert!((test.p - naive_p(&first, &second)).abs() < 1e-12);
    }

    #[test]
    fn rank_sum_is_symmetric(first in tied(60), second in tied(60)) {
        let forth = rank_sum(&sample(&first), &sample(&second));
        let back = rank_sum(&sample(&second), &sample(&first));
        prop_assert!((forth.superiority + back.superiority - 1.0).abs() < 1e-12);
        prop_assert!((forth.p - back.p).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&forth.p));
    }

    #[test]
    fn half_of_the_sample_lies_on_each_side_of_the_median(values in prop::collection::vec(-1e6f64..1e6, 1..50)) {
        let median = sample(&values).median();
        let below = values.iter().filter(|value| **value < median).count();
        let above = values.iter().filter(|value| **value > median).count();
        prop_assert!(2 * below <= values.len() && 2 * above <= values.len());
        prop_assert!((sample(&values).percentile(0.5).unwrap() - median).abs() <= 1e-9);
    }

    #[test]
    fn deviation_matches_its_definition(values in prop::collection::vec(-1e6f64..1e6, 1..50)) {
        let median = sample(&values).median();
        let distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        prop_assert_eq!(sample(&values).mad(), sample(&distances).median());
    }

    /// The rank is the largest whose two tails fit: checked with whole binomial coefficients.
    #[test]
    fn interval_ranks_match_whole_numbers(n in 1usize..=100) {
        let mut row = vec![1u128];
        for _ in 0..n {
            let shifted: Vec<u128> = row.iter().copied().chain([0]).zip([0].into_iter().chain(row.iter().copied()))
                .map(|(a, b)| a + b).collect();
            row = shifted;
        }
        let fits = |k: usize| row[..k].iter().sum::<u128>() * 40 <= 1u128 << n;
        let largest = (1..=n / 2).take_while(|k| fits(*k)).last();
        prop_assert_eq!(ranks_outside(n), largest);
    }
}
