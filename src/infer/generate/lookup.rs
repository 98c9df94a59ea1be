//! Guessing tokens from what stands in the text already (prompt lookup, Saxena 2023): where the last tokens have been
//! seen before, what followed them then may follow now. Summaries and edits repeat much of their prompt.
//!
//! Up to four rows in a pass cost little more than one, so a guess begins with three tokens; it grows while all of it
//! comes true, and where nothing did, only a longer match is trusted.

use std::collections::HashMap;

/// Tokens that must match, from the least to the most.
const LEAST: usize = 2;
const MOST: usize = 4;
/// Tokens of the first guess, and of the longest: one row each beside the token before them.
const FIRST: usize = 3;
const LONGEST: usize = 15;

/// How the guesses of an answer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    pub guessed: usize,
    pub accepted: usize,
    /// Passes that fed a picked token, with guesses behind it or without.
    pub passes: usize,
}

#[derive(Debug)]
pub(super) struct Lookup {
    text: Vec<u32>,
    /// Where the text goes on after the last place of so many tokens, by their number less [`LEAST`].
    seen: [HashMap<[u32; MOST], usize>; MOST - LEAST + 1],
    length: usize,
    misses: usize,
    done: Guesses,
}

impl Lookup {
    pub(super) fn after(prompt: &[u32]) -> Self {
        let mut lookup = Lookup {
            text: Vec::with_capacity(prompt.len() * 2),
            seen: Default::default(),
            length: FIRST,
            misses: 0,
            done: Guesses::default(),
        };
        prompt.iter().for_each(|id| lookup.push(*id));
        lookup
    }

    /// What stands before a token is known to go on with it.
    pub(super) fn push(&mut self, id: u32) {
        let at = self.text.len();
        for (seen, tokens) in self.seen.iter_mut().zip(LEAST..) {
            if let Some(key) = last(&self.text, tokens) {
                seen.insert(key, at);
            }
        }
        self.text.push(id);
    }

    /// Appends at most `room` guesses of what follows the text.
    pub(super) fn guess(&self, room: usize, out: &mut Vec<u32>) {
        let least = (LEAST + self.misses).min(MOST);
        let found = (least..=MOST).rev().find_map(|n| self.seen[n - LEAST].get(&last(&self.text, n)?));
        let Some(&from) = found else { return };
        let begin = out.len();
        for i in 0..self.length.min(room) {
            // A text that repeats itself is guessed to go on doing so.
            let id = self.text.get(from + i).copied().unwrap_or_else(|| out[begin + from + i - self.text.len()]);
            out.push(id);
        }
    }

    pub(super) fn came_true(&mut self, guessed: usize, accepted: usize) {
        self.done.passes += 1;
        self.done.guessed += guessed;
        self.done.accepted += accepted;
        if guessed == 0 {
            return;
        }
        self.misses = if accepted > 0 { 0 } else { self.misses + 1 };
        self.length = if accepted == guessed { (2 * self.length + 1).min(LONGEST) } else { FIRST };
    }

    pub(super) fn into_guesses(self) -> Guesses {
        self.done
    }
}

/// The last `tokens` of a text, as a key.
fn last(text: &[u32], tokens: usize) -> Option<[u32; MOST]> {
    let tail = text.get(text.len().checked_sub(tokens)?..)?;
    let mut key = [0; MOST];
    key[..tokens].copy_from_slice(tail);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(lookup: &Lookup, room: usize) -> Vec<u32> {
        let mut out = vec![99];
        lookup.guess(room, &mut out);
        out.split_off(1)
    }

    #[test]
    fn what_followed_the_last_tokens_before_is_guessed_by_the_longest_and_latest_match() {
        assert_eq!(guessed(&Lookup::after(&[1, 2, 3, 4, 5, 6, 1, 2]), 9), [3, 4, 5]);
        assert_eq!(guessed(&Lookup::after(&[1, 2, 3, 4, 5, 6, 1, 2]), 1), [3]);
        // Both places have the last two tokens; only the first has the last three.
        assert_eq!(guessed(&Lookup::after(&[7, 1, 2, 3, 0, 1, 2, 4, 7, 1, 2]), 1), [3]);
        assert_eq!(guessed(&Lookup::after(&[1, 2, 3, 1, 2, 4, 1, 2]), 1), [4]);
        assert!(guessed(&Lookup::after(&[1, 2, 3, 4]), 9).is_empty());
        assert!(guessed(&Lookup::after(&[1]), 9).is_empty());
        assert_eq!(guessed(&Lookup::after(&[5, 6, 5, 6, 5]), 3), [6, 5, 6], "it goes on beyond the end of the text");
    }

    #[test]
    fn guesses_grow_while_they_come_true_and_need_longer_matches_after_misses() {
        let mut lookup = Lookup::after(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 2]);
        lookup.came_true(3, 3);
        assert_eq!(guessed(&lookup, 99), [3, 4, 5, 6, 7, 8, 1]);
        lookup.came_true(7, 2);
        assert_eq!(guessed(&lookup, 99).len(), 3);
        lookup.came_true(3, 0);
        assert!(guessed(&lookup, 99).is_empty(), "two tokens are too few now");
        lookup.push(3);
        assert_eq!(guessed(&lookup, 99), [4, 5, 6]);
        lookup.came_true(3, 1);
        assert_eq!(lookup.into_guesses(), Guesses { guessed: 16, accepted: 6, passes: 4 });
    }
}
