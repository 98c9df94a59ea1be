//! How widely recent work is spread: the entropy of net change over modules, older days counting less.
//!
//! It stands beside H and is never added to it: spreading work is not uncertainty about claims.

use std::collections::BTreeMap;

/// A change counts half after so many days.
pub const HALF_LIFE_DAYS: f64 = 14.0;
/// Older changes weigh less than a hundredth part.
pub const WINDOW_DAYS: u32 = 112;

/// What one day changed on balance, in tokens, by file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayChange {
    /// Days before the moment that is looked at.
    pub age: u32,
    pub tokens: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    pub bits: f64,
    /// Modules by their decayed share of change, the largest first.
    pub modules: Vec<(String, f64)>,
}

/// `None` when nothing has changed in the window.
pub fn of(days: &[DayChange]) -> Option<Scatter> {
    let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
    for day in days {
        let decay = (-f64::from(day.age) / HALF_LIFE_DAYS).exp2();
        for (path, tokens) in &day.tokens {
            *weights.entry(module(path)).or_default() += decay * *tokens as f64;
        }
    }
    shares(weights.into_iter().map(|(name, weight)| (name.to_owned(), weight)).collect())
        .map(|(bits, modules)| Scatter { bits, modules })
}

/// Hassan's basic change entropy over files, each day's net change of a file counting once, and the same divided by
/// its greatest possible value.
pub fn classic(days: &[DayChange]) -> Option<(f64, f64)> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for path in days.iter().flat_map(|day| day.tokens.keys()) {
        *counts.entry(path).or_default() += 1.0;
    }
    let files = counts.len();
    let (bits, _) = shares(counts.into_iter().map(|(path, n)| (path.to_owned(), n)).collect())?;
    Some((bits, if files > 1 { bits / (files as f64).log2() } else { 0.0 }))
}

/// The folder a file is in, two levels deep at most.
fn module(path: &str) -> &str {
    let mut ends = path.match_indices('/').map(|(at, _)| at);
    let (first, second) = (ends.next(), ends.next());
    second.or(first).map_or("(root)", |end| &path[..end])
}

fn shares(weights: Vec<(String, f64)>) -> Option<(f64, Vec<(String, f64)>)> {
    let total = super::measure::sum(weights.iter().map(|(_, weight)| *weight));
    if total <= 0.0 {
        return None;
    }
    let mut shares: Vec<(String, f64)> =
        weights.into_iter().filter(|(_, w)| *w > 0.0).map(|(name, w)| (name, w / total)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let bits = super::measure::sum(shares.iter().map(|(_, share)| -share * share.log2()));
    Some((bits.max(0.0), shares))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(age: u32, changed: &[(&str, u64)]) -> DayChange {
        DayChange { age, tokens: changed.iter().map(|(path, n)| ((*path).to_owned(), *n)).collect() }
    }

    #[test]
    fn known_values() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[day(0, &[("src/a/x.rs", 5)])]).unwrap().bits, 0.0);
        let even = of(&[day(0, &[("a/x.rs", 8), ("b/x.rs", 8), ("c/x.rs", 8), ("d.rs", 8)])]).unwrap();
        assert!((even.bits - 2.0).abs() < 1e-12, "{even:?}");
        let decayed = of(&[day(0, &[("a/x.rs", 8)]), day(14, &[("b/x.rs", 16)])]).unwrap();
        assert!((decayed.bits - 1.0).abs() < 1e-12, "16 tokens of a half-life ago weigh 8: {decayed:?}");
        let (bits, normal) = classic(&[day(0, &[("a", 1), ("b", 99)]), day(1, &[("a", 3), ("b", 1)])]).unwrap();
        assert!((bits - 1.0).abs() < 1e-12 && (normal - 1.0).abs() < 1e-12);
        assert_eq!((module("x.rs"), module("src/x.rs"), module("src/a/b/x.rs")), ("(root)", "src", "src/a"));
    }
}
