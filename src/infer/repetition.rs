//! When an answer goes in circles: small models, and greedy ones, fall into saying the same over and over.

/// The longest run of tokens that is looked for.
const LONGEST: usize = 64;

/// A run has come this often, and all of it together is as long as this. Tables, lists and verses stay below.
const TIMES: usize = 4;
const TOKENS: usize = 24;

/// So many tokens of so few kinds say nothing either, in whatever order. Sentences have twice as many kinds and more.
const WINDOW: usize = 40;
const KINDS: usize = 10;

/// Whether the last tokens are one run of up to 64 tokens that came four times at least, and 24 tokens or more together; or
/// 40 tokens of at most ten kinds.
pub fn in_circles(ids: &[u32]) -> bool {
    few_kinds(ids) || one_run(ids)
}

fn few_kinds(ids: &[u32]) -> bool {
    let Some(tail) = ids.len().checked_sub(WINDOW).map(|from| &ids[from..]) else { return false };
    tail.iter().collect::<std::collections::BTreeSet<_>>().len() <= KINDS
}

fn one_run(ids: &[u32]) -> bool {
    (1..=LONGEST).any(|period| {
        let all = (period * TIMES).max(TOKENS);
        ids.len() >= all && {
            let tail = &ids[ids.len() - all..];
            tail[period..] == tail[..all - period]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_and_over(run: &[u32], tokens: usize) -> Vec<u32> {
        [7, 8, 9].into_iter().chain(run.iter().copied().cycle().take(tokens)).collect()
    }

    #[test]
    fn a_run_must_come_four_times_and_make_twenty_four_tokens() {
        assert!(!in_circles(&[]));
        assert!(!in_circles(&over_and_over(&[1], 23)) && in_circles(&over_and_over(&[1], 24)));
        assert!(!in_circles(&over_and_over(&[1, 2, 3, 4, 5], 23)) && in_circles(&over_and_over(&[1, 2, 3, 4, 5], 24)));
        let long: Vec<u32> = (100..130).collect();
        assert!(!in_circles(&over_and_over(&long, 119)) && in_circles(&over_and_over(&long, 120)));
    }

    #[test]
    fn a_few_words_in_any_order_are_a_circle() {
        let mixed = |kinds: u32| (0..40_u32).map(|n| n * n % kinds + n % 2).collect::<Vec<_>>();
        assert!(in_circles(&mixed(7)), "{:?}", mixed(7));
        assert!(!in_circles(&mixed(7)[1..]), "39 are too few to tell");
        let sentence: Vec<u32> = (0..40).map(|n| n % 20 * 3).collect();
        assert!(!in_circles(&sentence));
    }

    #[test]
    fn what_changes_a_little_each_time_is_no_circle() {
        let counting: Vec<u32> = (0..30).flat_map(|n| [1, 2, 3, 100 + n]).collect();
        assert!(!in_circles(&counting));
        let mut ended = over_and_over(&[1, 2], 30);
        ended.push(5);
        assert!(!in_circles(&ended));
    }
}
