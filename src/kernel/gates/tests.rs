//! Each limit from both of its sides.

use super::*;

fn scale(promise: &Promise) -> Scale<'_> {
    Scale { promise, output: DType::F32, terms: 4 }
}

/// Half an ulp of f32 at 1.
const UNIT: f64 = 1.0 / 16_777_216.0;

#[test]
fn what_is_right_needs_no_bound_and_all_else_does() {
    let promise = Promise::plain();
    let scale = scale(&promise);
    assert!(scale.fits(0.0, 0.0, f64::NAN));
    assert!(!scale.fits(1.0, 0.0, f64::NAN) && !scale.fits(f64::NAN, 0.0, f64::NAN));
    assert!(!scale.fits(0.0, f64::NAN, f64::NAN) && scale.fits(f64::NAN, f64::NAN, f64::NAN));
    assert!(scale.fits(1.0, 1.0 + 1e-9, 1e-8) && !scale.fits(1.0, 1.5, 1e-8));
}

#[test]
fn an_element_may_be_off_by_bound_rounding_and_what_is_lost() {
    let mut promise = Promise::plain();
    let least = 2f64.powi(-150);
    assert_eq!(scale(&promise).allowed(0.0, 1.0), UNIT);
    assert_eq!(scale(&promise).allowed(0.0, 0.0), least);
    assert_eq!(scale(&promise).allowed(least, 0.0), 2.0 * least + 6.0 * least);
    promise.tighten[0] = 0.5;
    assert_eq!(scale(&promise).allowed(0.25, 1.0), 0.125 + UNIT);
    promise.accumulate = DType::F16;
    assert_eq!(scale(&promise).allowed(2.0 * UNIT, 1.0), 2.0 * UNIT + 6.0 * 2f64.powi(-25));
    promise.flush = true;
    assert_eq!(scale(&promise).allowed(0.0, 0.0), 6.0 * 2f64.powi(-126) + least);
    let promise = Promise::plain();
    let scale = scale(&promise);
    assert!(scale.fits(1.0 + UNIT, 1.0, 0.0) && !scale.fits(1.0 + 2.0 * UNIT, 1.0, 0.0));
    assert!(scale.fits(1.0 - UNIT, 1.0, 0.0) && !scale.fits(1.0 - 2.0 * UNIT, 1.0, 0.0));
}

#[test]
fn what_is_too_great_may_and_then_must_be_infinite() {
    let promise = Promise::plain();
    let scale = Scale { output: DType::F16, ..scale(&promise) };
    let (most, infinite) = (65504.0, f64::INFINITY);
    // Up to half a distance below the greatest, an infinity is wrong.
    assert!(!scale.fits(infinite, most - 16.0, 0.0) && scale.fits(infinite, most - 15.0, 0.0));
    assert!(scale.fits(most, most + 6.0, 0.0) && !scale.fits(-infinite, most + 6.0, 0.0));
    assert!(scale.fits(-infinite, -most - 6.0, 0.0) && !scale.fits(infinite, -most - 6.0, 0.0));
    // From most·(1 + 2⁻¹¹) and half a distance up there on, nothing else is right.
    let last = most + 31.984_375 + 32.0;
    assert!(scale.fits(last - 10.0, last, 0.0) && !scale.fits(last - 10.0, last + 0.01, 0.0));
    assert!(scale.fits(infinite, last + 0.01, 0.0) && scale.fits(-infinite, -1e9, 0.0));
    assert!(!scale.fits(infinite, -1e9, 0.0) && !scale.fits(most, infinite, 0.0));
    assert!(scale.fits(-infinite, -infinite, 0.0) && !scale.fits(infinite, -infinite, 0.0));
}

fn numbers(shape: &[usize], values: Vec<f64>, bound: f64) -> Numbers {
    let bound = vec![bound; values.len()];
    Numbers { shape: shape.to_vec(), emulated: values.clone(), values, bound, shared: 1, ..Numbers::default() }
}

#[test]
fn the_first_gate_names_the_element_and_the_reason() {
    let promise = Promise::plain();
    let judge = |values: &[f64], bound: f64, got: &[f64]| {
        each(scale(&promise), &numbers(&[values.len() / 2, 2], values.to_vec(), bound), got)
    };
    let missed = |values: &[f64], bound: f64, got: &[f64]| {
        let miss = judge(values, bound, got).unwrap_err();
        format!("{} {:?} {} for {} within {}: {}", miss.check, miss.index, miss.got, miss.want, miss.bound, miss.about)
    };
    assert_eq!(judge(&[1.0, 2.0], 0.0, &[1.0 + UNIT / 2.0, 2.0]), Ok(0.5));
    assert_eq!(judge(&[1.0, 2.0], 0.0, &[1.0, 2.0 - UNIT]), Ok(0.5));
    assert_eq!(judge(&[1.0, f64::NAN], 0.0, &[1.0, f64::NAN]), Ok(0.0));
    insta::assert_snapshot!(missed(&[1.0, 2.0], 0.0, &[1.0]), @"size [0, 0] 1 for 2 within 0: values were returned");
    insta::assert_snapshot!(missed(&[1.0, 2.0, 3.0, 4.0], 0.0, &[1.0, 2.0, 3.5, 4.0]), @"g1 [1, 0] 3.5 for 3 within 0.00000011920928955078125: the answer is exact, whatever the order of sums");
    insta::assert_snapshot!(missed(&[1.0, 2.0], 0.25, &[1.0, 2.5]), @"g1 [0, 1] 2.5 for 2 within 0.25000011920928955: further from the truth than any order of sums leads");
    insta::assert_snapshot!(missed(&[1.0, 2.0], 0.25, &[f64::NAN, 2.5]), @"g1 [0, 0] NaN for 1 within 0.2500000596046448: NaN where there is a number");
    insta::assert_snapshot!(missed(&[f64::NAN, 2.0], 0.25, &[0.0, 2.0]), @"g1 [0, 0] 0 for NaN within 0.25: a number where there is none");
}

#[test]
fn rows_add_up() {
    let mut promise = Promise::plain();
    let mut wanted = numbers(&[2, 2], vec![0.25, 0.75, 0.5, 0.5], 1.0);
    wanted.row_sum = vec![1e-3; 2];
    assert!(each(scale(&promise), &wanted, &[0.25, 0.75, 0.5, 0.5009]).is_ok());
    assert!(each(scale(&promise), &wanted, &[0.25, 0.75, 0.5, 0.4991]).is_ok());
    let miss = each(scale(&promise), &wanted, &[0.25, 0.75, 0.5, 0.502]).unwrap_err();
    assert_eq!((miss.check, miss.index, miss.want), ("row-sum", vec![1, 0], 1.0));
    assert!((miss.got - 1.002).abs() < 1e-12, "{}", miss.got);
    // Two halves of 0.5, each rounded.
    assert_eq!(miss.bound, 1e-3 + UNIT);
    assert!(each(scale(&promise), &wanted, &[0.25, 0.748, 0.5, 0.5]).is_err());
    promise.tighten[0] = 0.5;
    assert!(each(scale(&promise), &wanted, &[0.25, 0.75, 0.5, 0.5009]).is_err());
    wanted.values[3] = f64::NAN;
    assert!(each(scale(&promise), &wanted, &[0.25, 0.75, 0.5, f64::NAN]).is_ok());
}

/// Sixty-four numbers between 1 and 2, of which a plain kernel misses every other by as much to either side.
fn sixty_four(bound: f64, plain: f64) -> Numbers {
    let mut wanted = numbers(&[8, 8], (0..64).map(|i| 1.0 + f64::from(i * 37 % 64) / 64.0).collect(), bound);
    wanted.emulated = alternating(&wanted.values, plain);
    wanted
}

fn alternating(values: &[f64], by: f64) -> Vec<f64> {
    values.iter().enumerate().map(|(i, v)| if (i + i / 8).is_multiple_of(2) { v + by } else { v - by }).collect()
}

#[test]
fn errors_are_no_greater_than_a_plain_kernels_with_room_for_chance() {
    let mut promise = Promise::plain();
    let wanted = sixty_four(1e-3, 1e-5);
    let judge = |promise: &Promise, wanted: &Numbers, by: f64| {
        population(scale(promise), wanted, &alternating(&wanted.values, by)).map_err(|miss| (miss.check, miss.about))
    };
    // 1.25 times, and 1 + 3/√64.
    let ratio = judge(&promise, &wanted, 1.71e-5).unwrap().unwrap();
    assert!((ratio - 1.71).abs() < 1e-9, "{ratio}");
    let refused = judge(&promise, &wanted, 1.73e-5).unwrap_err();
    assert_eq!(refused.0, "g2");
    assert!(refused.1.starts_with("errors are greater than a plain kernel's"), "{}", refused.1);
    promise.tighten[1] = 0.5;
    assert!(judge(&promise, &wanted, 0.85e-5).is_ok() && judge(&promise, &wanted, 0.87e-5).is_err());
    promise.tighten[1] = 1.0;
    // What honest kernels scatter by counts as much as what one of them came to.
    let scattered = Numbers { scatter: vec![3e-5; 64], ..wanted.clone() };
    assert!(judge(&promise, &scattered, 5.1e-5).is_ok() && judge(&promise, &scattered, 5.2e-5).is_err());
    // What shares its error by eight is eight errors: 1 + 3/√8 is 2.06.
    let shared = Numbers { shared: 8, ..wanted.clone() };
    assert!(judge(&promise, &shared, 2.57e-5).is_ok() && judge(&promise, &shared, 2.6e-5).is_err());
    // Too few say nothing, and what is exact was judged before.
    let few = numbers(&[31], vec![1.0; 31], 1e-3);
    assert_eq!(population(scale(&promise), &few, &[1.5; 31]), Ok(None));
    let enough = numbers(&[32], vec![1.0; 32], 1e-3);
    assert!(population(scale(&promise), &enough, &[1.5; 32]).is_err());
    assert_eq!(judge(&promise, &Numbers { bound: vec![0.0; 64], ..wanted.clone() }, 1.0), Ok(None));
    let mut holes = wanted.clone();
    holes.values[..33].fill(f64::NAN);
    assert_eq!(population(scale(&promise), &holes, &[7.0; 64]), Ok(None));
}

#[test]
fn one_error_is_no_greater_than_all_of_a_plain_kernels() {
    let promise = Promise::plain();
    let wanted = sixty_four(1e-3, 1e-5);
    let with = |one: f64| {
        let mut got = alternating(&wanted.values, 1e-5);
        got[19] = wanted.values[19] - one;
        population(scale(&promise), &wanted, &got).map_err(|miss| (miss.check, miss.index))
    };
    // Twice, and 1 + 3/√64.
    assert!(with(2.74e-5).is_ok());
    assert_eq!(with(2.76e-5), Err(("g2", vec![2, 3])));
}

#[test]
fn rounding_is_what_anyone_may_lose() {
    let promise = Promise::plain();
    let plain = sixty_four(1e-12, 0.0);
    let judge =
        |wanted: &Numbers, by: f64| population(scale(&promise), wanted, &alternating(&wanted.values, by * UNIT));
    assert!(judge(&plain, 1.7).is_ok() && judge(&plain, 1.75).is_err());
    let functions = Numbers { functions: true, ..plain.clone() };
    assert!(judge(&functions, 3.4).is_ok() && judge(&functions, 3.5).is_err());
    let one = |by: f64| {
        let mut got = plain.values.clone();
        got[19] += by * UNIT;
        population(scale(&promise), &plain, &got)
    };
    assert!(one(5.4).is_ok() && one(5.6).is_err());
}

#[test]
fn what_may_be_flushed_is_not_compared() {
    let mut promise = Promise::plain();
    let tiny = numbers(&[64], vec![1e-38; 64], 1e-40);
    assert!(population(scale(&promise), &tiny, &[0.0; 64]).is_err());
    promise.flush = true;
    assert_eq!(population(scale(&promise), &tiny, &[0.0; 64]), Ok(None));
    let normal = numbers(&[64], vec![1.0; 64], 1e-3);
    assert!(population(scale(&promise), &normal, &[1.5; 64]).is_err());
}

#[test]
fn errors_that_hang_together_are_few() {
    let kept: Vec<usize> = (0..16).collect();
    let of = |shared: usize, scatter: usize, size: &dyn Fn(usize) -> f64| {
        let values = (1..=16).map(f64::from).collect();
        let wanted = Numbers { shared, scatter: vec![1.0; scatter], ..numbers(&[4, 4], values, 1.0) };
        independent(&wanted, &clusters(&wanted, &kept), size)
    };
    assert_eq!(of(4, 0, &|_| 1.0), 4.0);
    assert_eq!(of(0, 0, &|_| 1.0), 16.0);
    assert_eq!(of(4, 16, &|_| 1.0), 4.0);
    assert_eq!(of(4, 16, &|_| 0.0), 4.0);
    // Squares weigh: rows of 4 and 36, of which (40)²/(4² + 36²) is left.
    assert_eq!(of(8, 16, &|i| if i < 8 { 0.5_f64.sqrt() } else { 4.5_f64.sqrt() }).round(), 1.0);
    assert!((of(8, 16, &|i| if i < 8 { 1.0 } else { 2.0 }) - 1600.0 / 1088.0).abs() < 1e-12);
    assert_eq!(of(32, 16, &|_| 1.0), 1.0);
}

#[test]
fn the_share_of_a_lean_is_told() {
    let promise = Promise::plain();
    let kept: Vec<usize> = (0..64).collect();
    let wanted = numbers(&[64], (0..64).map(|i| 1.0 + f64::from(i) / 64.0).collect(), 1e-3);
    let got: Vec<f64> = wanted.values.iter().map(|v| v * (1.0 + 3e-5)).collect();
    let miss = slope(scale(&promise), &wanted, &got, &clusters(&wanted, &kept)).unwrap_err();
    assert_eq!((miss.check, miss.want), ("slope", 0.0));
    assert!((miss.got - 3e-5).abs() < 1e-12, "{}", miss.got);
    assert_eq!(
        population(scale(&promise), &Numbers { scatter: vec![1e-4; 64], ..wanted }, &got).unwrap_err().check,
        "slope"
    );
}

/// What the third gate says where the errors of some places are `error`, those of a plain kernel 0 but there `plain`.
fn worst(shape: &[usize], shared: usize, is_there: impl Fn(usize) -> bool, error: f64, plain: f64) -> String {
    let promise = Promise::plain();
    worst_of(&promise, shape, shared, is_there, error, plain, 0.0)
}

fn worst_of(
    promise: &Promise,
    shape: &[usize],
    shared: usize,
    is_there: impl Fn(usize) -> bool,
    error: f64,
    plain: f64,
    floor: f64,
) -> String {
    let count: usize = shape.iter().product();
    let wanted = Numbers { shared, ..numbers(shape, vec![1.0; count], 1.0) };
    let there = |value: f64| -> Vec<f64> { (0..count).map(|i| if is_there(i) { value } else { 0.0 }).collect() };
    let floor = |i: usize| if is_there(i) { floor } else { 0.0 };
    let all = Errors { errors: &there(error), plain: &there(plain), floor: &floor };
    match places(scale(promise), &wanted, &all, 1.0) {
        Ok(()) => "all alike".into(),
        Err(miss) => {
            assert_eq!(miss.check, "g3");
            miss.about.split(" is worse").next().unwrap_or_default().to_owned()
        }
    }
}

#[test]
fn no_place_is_worse_than_the_rest() {
    // Four times, and 1 + 3/√32: 6.12.
    let square = [32, 32];
    assert_eq!(worst(&square, 1, |i| i / 32 == 3, 6.1, 0.0), "all alike");
    assert_eq!(worst(&square, 1, |i| i / 32 == 3, 6.2, 0.0), "row 3");
    assert_eq!(worst(&square, 1, |i| i % 32 == 5, 6.1, 0.0), "all alike");
    assert_eq!(worst(&square, 1, |i| i % 32 == 5, 6.2, 0.0), "column 5");
    // Rows that share an error are one each, columns are not: 4·(1 + 3).
    assert_eq!(worst(&square, 32, |i| i / 32 == 3, 15.9, 0.0), "all alike");
    assert_eq!(worst(&square, 32, |i| i / 32 == 3, 16.1, 0.0), "row 3");
    assert_eq!(worst(&square, 32, |i| i % 32 == 5, 6.2, 0.0), "column 5");
    // A tile of 16 by 16: 4·(1 + 3/16).
    let tile = |i: usize| i / 32 < 16 && i % 32 >= 16;
    assert_eq!(worst(&square, 1, tile, 4.7, 0.0), "all alike");
    assert_eq!(worst(&square, 1, tile, 4.8, 0.0), "tile 1");
    assert_eq!(worst(&square, 1, |i| i / 32 >= 16 && i % 32 >= 16, 4.8, 0.0), "tile 3");
    // The second head of four, over eight tokens: 4·(1 + 3/8).
    let head = |i: usize| i / 8 % 4 == 2;
    assert_eq!(worst(&[8, 4, 8], 1, head, 5.4, 0.0), "all alike");
    assert_eq!(worst(&[8, 4, 8], 1, head, 5.6, 0.0), "head 2");
}

#[test]
fn a_place_is_held_to_what_a_plain_kernel_and_rounding_cost_there() {
    let square = [32, 32];
    let row = |i: usize| i / 32 == 3;
    assert_eq!(worst(&square, 1, row, 12.2, 2.0), "all alike");
    assert_eq!(worst(&square, 1, row, 12.3, 2.0), "row 3");
    let mut promise = Promise::plain();
    assert_eq!(worst_of(&promise, &square, 1, row, 12.2, 0.0, 2.0), "all alike");
    assert_eq!(worst_of(&promise, &square, 1, row, 12.3, 0.0, 2.0), "row 3");
    promise.tighten[2] = 0.5;
    assert_eq!(worst_of(&promise, &square, 1, row, 3.0, 0.0, 0.0), "all alike");
    assert_eq!(worst_of(&promise, &square, 1, row, 3.1, 0.0, 0.0), "row 3");
    // What could not be compared counts for nothing.
    assert_eq!(worst(&square, 1, row, f64::NAN, 0.0), "all alike");
    assert_eq!(worst(&square, 1, row, 100.0, f64::NAN), "all alike");
}

#[test]
fn places_are_right_or_wrong() {
    let wanted = Picks {
        shape: vec![3],
        allowed: vec![vec![2], vec![0, 4], vec![1]],
        values: Some(vec![7.0, f64::NAN, -1.0]),
        probabilities: None,
    };
    let judge = |got: &[f64], values: Option<&[f64]>| {
        picks(&wanted, got, values)
            .map_err(|miss| format!("{} {:?} {} for {}", miss.check, miss.index, miss.got, miss.want))
    };
    assert_eq!(judge(&[2.0, 4.0, 1.0], None), Ok(()));
    assert_eq!(judge(&[2.0, 0.0, 1.0], Some(&[7.0, f64::NAN, -1.0])), Ok(()));
    assert_eq!(judge(&[2.0, 3.0, 1.0], None), Err("pick [1] 3 for 0".into()));
    assert_eq!(judge(&[2.0, 0.0], None), Err("size [0] 2 for 3".into()));
    assert_eq!(judge(&[2.0, 0.0, 1.0], Some(&[7.0, f64::NAN, 1.0])), Err("value [2] 1 for -1".into()));
    assert_eq!(judge(&[2.0, 0.0, 1.0], Some(&[f64::NAN, f64::NAN, -1.0])), Err("value [0] NaN for 7".into()));
    assert_eq!(judge(&[2.0, 0.0, 1.0], Some(&[7.0, 1.0, -1.0])), Err("value [1] 1 for NaN".into()));
    let dice = |loaded: usize| {
        let draws: Vec<f64> = (0..1000).map(|i| if i < loaded { 0.0 } else { (i % 2) as f64 }).collect();
        let allowed = vec![vec![0, 1]; 1000];
        picks(&Picks { shape: vec![1000], allowed, values: None, probabilities: Some(vec![0.5, 0.5]) }, &draws, None)
    };
    assert_eq!(dice(10), Ok(()));
    assert_eq!(dice(400).map_err(|miss| (miss.check, miss.bound)), Err(("g-test", 1e-6)));
}

#[test]
fn a_case_that_takes_a_trivial_answer_says_nothing() {
    let promise = Promise::plain();
    let of = |values: &[f64], bound: f64, input: &[f64], previous: &[f64]| {
        let truth = Truth::Numbers(numbers(&[values.len()], values.to_vec(), bound));
        trivial(scale(&promise), &truth, input, previous)
    };
    assert_eq!(of(&[], 0.0, &[], &[]), Some("zeros"));
    assert_eq!(of(&[0.1, -0.1], 0.2, &[], &[]), Some("zeros"));
    assert_eq!(of(&[1.0, 1.2, f64::NAN], 0.2, &[9.0], &[]), None, "a mean is no NaN");
    assert_eq!(of(&[1.0, 1.2], 0.2, &[9.0], &[]), Some("the mean"));
    assert_eq!(of(&[1.0, 2.0, 1.0], 0.2, &[1.1, 1.9], &[]), Some("a copy of the input"));
    assert_eq!(of(&[1.0, 2.0], 0.2, &[9.0], &[1.0, 2.0]), Some("the previous output"));
    assert_eq!(of(&[1.0, 2.0], 0.2, &[9.0], &[2.0, 2.0]), None);
    let picked = |allowed: Vec<Vec<i64>>, values: Option<Vec<f64>>, input: &[f64]| {
        let wanted = Picks { shape: vec![allowed.len()], allowed, values, probabilities: Some(vec![0.0, 1.0]) };
        trivial(scale(&promise), &Truth::Picks(wanted), input, &[])
    };
    assert_eq!(picked(vec![vec![0], vec![0]], None, &[5.0]), Some("zeros"));
    assert_eq!(picked(vec![vec![1], vec![2]], None, &[1.0, 2.0]), Some("a copy of the input"));
    assert_eq!(picked(vec![vec![1], vec![2]], None, &[2.0, 2.0]), None);
    assert_eq!(picked(vec![vec![0]], Some(vec![3.0]), &[5.0]), None, "the values are wrong");
    assert_eq!(picked(vec![vec![0]], Some(vec![3.0]), &[3.0]), Some("zeros"));
}

#[test]
fn indices_count_from_the_last_dimension() {
    assert_eq!(index(&[2, 3, 4], 0), [0, 0, 0]);
    assert_eq!(index(&[2, 3, 4], 23), [1, 2, 3]);
    assert_eq!(index(&[2, 3, 4], 5), [0, 1, 1]);
}

#[test]
fn the_g_test_tells_a_loaded_die() {
    let p = [0.5, 0.25, 0.25];
    let fair: Vec<f64> = (0..4000).map(|i| [0.0, 0.0, 1.0, 2.0][i % 4]).collect();
    assert!(g_test(&p, &fair) > 0.9);
    let loaded: Vec<f64> = (0..4000).map(|i| if i % 20 == 2 { 0.0 } else { fair[i] }).collect();
    assert!(g_test(&p, &loaded) < 1e-3, "{}", g_test(&p, &loaded));
    assert_eq!(g_test(&p, &[3.0]), 0.0, "outside of the support");
    assert_eq!(g_test(&p, &[-1.0]), 0.0);
}

/// By hand, after the formula: 2·Σ n·ln(n/e), its cube root brought to the normal distribution, and the tail's bound.
#[test]
fn the_g_test_has_the_value_of_its_formula() {
    let draws = |counts: &[usize]| -> Vec<f64> {
        counts.iter().enumerate().flat_map(|(at, count)| vec![at as f64; *count]).collect()
    };
    let near = |p: &[f64], counts: &[usize], expected: f64| {
        let found = g_test(p, &draws(counts));
        assert!((found - expected).abs() < 1e-9, "{counts:?}: {found}");
    };
    near(&[0.5, 0.5], &[60, 40], 0.082_876_508_879_969_8);
    near(&[0.5, 0.3, 0.1, 0.06, 0.04], &[45, 30, 12, 8, 5], 1.0);
    // The two that are expected less than ten times are one cell of ten.
    near(&[0.5, 0.3, 0.1, 0.06, 0.04], &[65, 15, 12, 8, 0], 0.005_983_831_965_569_752);
    near(&[0.9, 0.05, 0.05], &[80, 15, 5], 0.006_207_870_222_157_318_5);
    near(&[1.0], &[50], 1.0);
}

/// Rows of eight with one error each: a row's size, and the share that it is off by.
fn leaning(rows: &[(f64, f64)]) -> Result<(), Miss> {
    let each = |of: &dyn Fn(&(f64, f64), f64) -> f64| -> Vec<f64> {
        let row = |row: &(f64, f64)| (0..8).map(|i| of(row, f64::from(i + 8) / 8.0)).collect::<Vec<_>>();
        rows.iter().flat_map(row).collect()
    };
    let values = each(&|(size, _), x| size * x);
    let numbers = Numbers {
        shape: vec![rows.len(), 8],
        bound: vec![1e-4; values.len()],
        emulated: values.clone(),
        shared: 8,
        values,
        ..Numbers::default()
    };
    let promise = Promise::plain();
    let scale = scale(&promise);
    let all: Vec<usize> = (0..numbers.values.len()).collect();
    slope(scale, &numbers, &each(&|(size, off), x| size * x * (1.0 + off)), &clusters(&numbers, &all))
}

#[test]
fn results_that_lean_are_told_from_a_few_that_happen_to() {
    // A hundred rows, each off by its own share, about one that all have.
    let about = |off: f64| -> Vec<(f64, f64)> {
        (0..100).map(|i| (1.0 + f64::from(i) / 1e3, off + 1e-6 * (f64::from(i * 37 % 100) / 50.0 - 0.99))).collect()
    };
    assert_eq!(leaning(&about(0.0)), Ok(()));
    assert_eq!(leaning(&about(1e-6)).unwrap_err().check, "slope");
    // Three that weigh more than all others happen to be off to the same side.
    let mut few: Vec<(f64, f64)> = (0..100).map(|i| (1e-3 + f64::from(i) * 1e-6, 0.0)).collect();
    few[..3].copy_from_slice(&[(1.0, 1.1e-6), (1.1, 0.9e-6), (1.2, 1e-6)]);
    assert_eq!(leaning(&few), Ok(()));
    // A hundred rows that are the same row are one.
    assert_eq!(leaning(&[(1.0, 1e-6); 100]), Ok(()));
}
