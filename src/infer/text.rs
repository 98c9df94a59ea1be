//! From a stream of text to what the user sees: thinking kept apart from the answer, the answer cut at stop strings.
//! Both hold text back only while it could still be part of a marker.

use super::tokenizer::Tokenizer;

/// How a model marks its thinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thinking {
    pub begin: String,
    pub end: String,
    /// The prompt has begun the thinking already.
    pub open: bool,
}

impl Thinking {
    /// For a model whose vocabulary has the usual markers; `prompt` is the rendered conversation.
    pub fn of(tokenizer: &Tokenizer, prompt: &str) -> Option<Thinking> {
        let (begin, end) = ("<think>", "</think>");
        (tokenizer.id(begin).is_some() && tokenizer.id(end).is_some()).then(|| Thinking {
            begin: begin.to_owned(),
            end: end.to_owned(),
            open: prompt.trim_end().ends_with(begin),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Thinking,
    Answer,
}

/// Only a block that begins the output is thinking: an answer may well speak of the markers. White space around the
/// markers belongs to neither part.
#[derive(Debug)]
pub struct Split {
    thinking: Option<Thinking>,
    state: State,
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    Opened,
    Inside,
    Closed,
    Answer,
}

impl Split {
    pub fn new(thinking: Option<Thinking>) -> Split {
        let state = match &thinking {
            None => State::Answer,
            Some(thinking) if thinking.open => State::Opened,
            Some(_) => State::Before,
        };
        Split { thinking, state, held: String::new() }
    }

    pub fn push(&mut self, text: &str, mut out: impl FnMut(Part, &str)) {
        let Some(thinking) = self.thinking.as_ref().filter(|_| self.state != State::Answer) else {
            return out(Part::Answer, text);
        };
        self.held.push_str(text);
        loop {
            match self.state {
                State::Before => {
                    let spoken = self.held.trim_start();
                    if let Some(rest) = spoken.strip_prefix(thinking.begin.as_str()) {
                        self.held = rest.to_owned();
                        self.state = State::Opened;
                    } else if thinking.begin.starts_with(spoken) {
                        return;
                    } else {
                        self.state = State::Answer;
                    }
                }
                State::Opened | State::Closed => {
                    self.held.drain(..self.held.len() - self.held.trim_start().len());
                    if self.held.is_empty() {
                        return;
                    }
                    self.state = if self.state == State::Opened { State::Inside } else { State::Answer };
                }
                State::Inside => {
                    if let Some(at) = self.held.find(&thinking.end) {
                        let spoken = self.held[..at].trim_end();
                        if !spoken.is_empty() {
                            out(Part::Thinking, spoken);
                        }
                        self.held.drain(..at + thinking.end.len());
                        self.state = State::Closed;
                        continue;
                    }
                    let sure = self.held.len() - overlap(&self.held, &thinking.end);
                    let sure = self.held[..sure].trim_end().len();
                    if sure > 0 {
                        out(Part::Thinking, &self.held[..sure]);
                        self.held.drain(..sure);
                    }
                    return;
                }
                State::Answer => {
                    if !self.held.is_empty() {
                        out(Part::Answer, &self.held);
                        self.held.clear();
                    }
                    return;
                }
            }
        }
    }

    /// Whether what comes is thinking, and not the answer.
    pub fn thinks(&self) -> bool {
        matches!(self.state, State::Opened | State::Inside)
    }

    /// What was held back, when no more text comes.
    pub fn finish(&mut self, mut out: impl FnMut(Part, &str)) {
        let part = match self.state {
            State::Opened | State::Inside => Part::Thinking,
            State::Before | State::Closed | State::Answer => Part::Answer,
        };
        if !self.held.is_empty() {
            out(part, &self.held);
            self.held.clear();
        }
    }
}

/// Looks for stop strings across the pieces of a text.
#[derive(Debug)]
pub struct Stops {
    strings: Vec<String>,
    held: String,
}

impl Stops {
    /// None of the strings may be empty.
    pub fn new(strings: &[String]) -> Stops {
        Stops { strings: strings.to_vec(), held: String::new() }
    }

    /// Text that is sure to come before any stop string, and the one that ends it all: the first in the text, and of
    /// several that begin there the first given.
    pub fn push(&mut self, text: &str) -> (String, Option<&str>) {
        self.held.push_str(text);
        let found = self.strings.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        if let Some((at, stop)) = found.min_by_key(|(at, _)| *at) {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), Some(stop));
        }
        let unsure = self.strings.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - unsure);
        (std::mem::replace(&mut self.held, rest), None)
    }

    /// What was held back, when no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes of the longest end of `text` that begins `marker` without being all of it.
fn overlap(text: &str, marker: &str) -> usize {
    let longest = text.len().min(marker.len().saturating_sub(1));
    (1..=longest).rev().find(|len| text.as_bytes().ends_with(&marker.as_bytes()[..*len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stopped(stops: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let stops: Vec<String> = stops.iter().map(|stop| stop.to_string()).collect();
        let mut finder = Stops::new(&stops);
        let mut all = String::new();
        for piece in pieces {
            let (text, stop) = finder.push(piece);
            all.push_str(&text);
            if let Some(stop) = stop {
                return (all, Some(stop.to_owned()));
            }
        }
        all.push_str(&finder.finish());
        (all, None)
    }

    #[test]
    fn stop_strings_are_found_across_pieces() {
        let found = |text: &str, stop: &str| (text.to_owned(), Some(stop.to_owned()));
        assert_eq!(stopped(&["END"], &["one E", "N", "D two"]), found("one ", "END"));
        assert_eq!(stopped(&["END"], &["one EN", "EN", "END"]), found("one ENEN", "END"));
        assert_eq!(stopped(&["aab"], &["a", "a", "a", "b"]), found("a", "aab"));
        assert_eq!(stopped(&["xyz", "b"], &["abc"]), found("a", "b"));
        assert_eq!(stopped(&["bc", "b"], &["abc"]), found("a", "bc"));
        assert_eq!(stopped(&["é"], &["caf", "é!"]), found("caf", "é"));
        assert_eq!(stopped(&["END"], &["one EN"]), ("one EN".to_owned(), None));
        assert_eq!(stopped(&[], &["a", "b"]), ("ab".to_owned(), None));
    }

    #[test]
    fn text_is_held_back_no_longer_than_needed() {
        let mut finder = Stops::new(&["</s>".to_owned()]);
        assert_eq!(finder.push("a <").0, "a ");
        assert_eq!(finder.push("b").0, "<b");
        assert_eq!(finder.push("é").0, "é");
    }

    fn split(open: bool, pieces: &[&str]) -> (String, String) {
        let thinking = Thinking { begin: "<think>".into(), end: "</think>".into(), open };
        let mut split = Split::new(Some(thinking));
        let (mut thoughts, mut answer) = (String::new(), String::new());
        let mut put = |part, text: &str| match part {
            Part::Thinking => thoughts.push_str(text),
            Part::Answer => answer.push_str(text),
        };
        pieces.iter().for_each(|piece| split.push(piece, &mut put));
        split.finish(&mut put);
        (thoughts, answer)
    }

    #[test]
    fn thinking_is_kept_apart() {
        let parts = |thoughts: &str, answer: &str| (thoughts.to_owned(), answer.to_owned());
        assert_eq!(split(false, &["<think>\nhm\n\n</think>\n\nYes."]), parts("hm", "Yes."));
        assert_eq!(split(false, &["\n<th", "ink>hm", "m </", "think> Ye", "s"]), parts("hmm", "Yes"));
        assert_eq!(split(true, &["hm</think>Yes"]), parts("hm", "Yes"));
        assert_eq!(split(false, &["<think></think>", "Yes"]), parts("", "Yes"));
        assert_eq!(split(false, &["Say <think>x</think>"]), parts("", "Say <think>x</think>"));
        assert_eq!(split(false, &[" Yes"]), parts("", " Yes"));
        assert_eq!(split(false, &["<thi"]), parts("", "<thi"));
        assert_eq!(split(true, &["a < b </th"]), parts("a < b </th", ""));
        assert_eq!(split(true, &["a</think>b</think>"]), parts("a", "b</think>"));
    }

    proptest! {
        #[test]
        fn stops_cut_where_a_search_of_the_whole_would(text in "[ab ]{0,30}", stops in prop::collection::vec("[ab]{1,4}", 0..3), cut in 1usize..5) {
            let pieces: Vec<&str> = text.as_bytes().chunks(cut).map(|c| std::str::from_utf8(c).unwrap()).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (found, stop) = stopped(&stops, &pieces);
            // By pieces, the stop that is complete first wins.
            let ends = stops.iter().filter_map(|s| text.find(s).map(|at| at + s.len()));
            match ends.min() {
                None => { prop_assert_eq!(found, text); prop_assert!(stop.is_none()); }
                Some(_) => {
                    let stop = stop.unwrap();
                    let shown = found.clone() + &stop;
                    prop_assert!(text.starts_with(&shown));
                    prop_assert!(stops.iter().all(|s| !found.contains(s)));
                }
            }
        }

        #[test]
        fn any_cut_splits_alike(text in "(<think>)?[a<> \n]{0,12}(</think>)?[a<> ]{0,12}", cut in 1usize..6) {
            let pieces: Vec<&str> = text.as_bytes().chunks(cut).map(|c| std::str::from_utf8(c).unwrap()).collect();
            prop_assert_eq!(split(false, &pieces), split(false, &[&text]));
        }
    }
}
