//! Picking from logits. Ties go to the lower index; NaN is never picked.

use std::cmp::Ordering;

/// The index of the greatest value; none in an empty slice or one of NaNs alone.
pub fn argmax(x: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, v) in x.iter().enumerate() {
        if best.map_or(!v.is_nan(), |(_, b)| *v > b) {
            best = Some((i, *v));
        }
    }
    best.map(|(i, _)| i)
}

/// The `k` greatest values with their indices, greatest first; fewer where there are fewer that aren't NaN.
pub fn top_k(x: &[f32], k: usize) -> Vec<(usize, f32)> {
    let order = |a: &(usize, f32), b: &(usize, f32)| match b.1.partial_cmp(&a.1) {
        Some(Ordering::Equal) | None => a.0.cmp(&b.0),
        Some(order) => order,
    };
    let mut all: Vec<(usize, f32)> = x.iter().copied().enumerate().filter(|(_, v)| !v.is_nan()).collect();
    if k == 0 {
        return Vec::new();
    }
    if k < all.len() {
        all.select_nth_unstable_by(k - 1, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all
}

/// The candidate in whose share of `Σ exp((logit - most) / temperature)` `uniform`, from 0 to below 1, falls; shares are
/// taken in the order of the candidates.
pub fn draw(candidates: &[(usize, f32)], most: f32, temperature: f32, uniform: f64) -> Option<usize> {
    let weight = |logit: f32| (f64::from(logit - most) / f64::from(temperature)).exp();
    let target = uniform * candidates.iter().map(|(_, logit)| weight(*logit)).sum::<f64>();
    let mut reached = 0.0;
    let mut last = None;
    for (id, logit) in candidates {
        let share = weight(*logit);
        reached += share;
        if share > 0.0 {
            last = Some(*id);
        }
        if reached > target {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_nan_and_nothing() {
        let nan = f32::NAN;
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[nan, nan]), None);
        assert_eq!(argmax(&[nan, -1.0, nan, -1.0]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY]), Some(0));
        assert_eq!(top_k(&[1.0, nan, 2.0, 2.0], 3), [(2, 2.0), (3, 2.0), (0, 1.0)]);
        assert_eq!(top_k(&[1.0, nan], 9), [(0, 1.0)]);
        assert_eq!(top_k(&[1.0], 0), []);
    }

    proptest! {
        #[test]
        fn agree_with_sorting(x in prop::collection::vec(prop_oneof![-3.0f32..3.0, Just(f32::NAN), Just(1.0)], 0..60), k in 0usize..70) {
            let mut sorted: Vec<(usize, f32)> = x.iter().copied().enumerate().filter(|p| !p.1.is_nan()).collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            prop_assert_eq!(argmax(&x), sorted.first().map(|p| p.0));
            sorted.truncate(k);
            prop_assert_eq!(top_k(&x, k), sorted);
        }
    }
}
