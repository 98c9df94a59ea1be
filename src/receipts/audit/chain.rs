//! What receipts say of each other: sessions that count up, receipts that name the one before, none twice.
//!
//! A million receipts may be a million sessions, so both tables keep 16 bytes of a key. Two ids that share these are as
//! hard to make as a birthday in 2^128; what would follow is a finding too many, never one too few.

use std::collections::HashMap;

use super::super::envelope::ReceiptId;
use super::super::finding::{Code, Finding};
use super::super::stamp::{Position, Time};
use super::receipt::Link;

type Short = [u8; 16];

fn short(id: &ReceiptId) -> Short {
    let mut key = Short::default();
    key.copy_from_slice(&id.0[..16]);
    key
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Index of the session's newest receipt.
    last: u64,
    next_seq: u64,
}

/// The receipts so far.
pub(super) struct Chain {
    /// Where reading began; not 0 when an older part is known from a pin.
    start: u64,
    ids: HashMap<Short, u64>,
    sessions: HashMap<Short, Progress>,
    /// The newest entry that could not be read: it may be what a later receipt refers to.
    hole: Option<u64>,
    previous: Option<(u64, ReceiptId)>,
    newest_time: Option<Time>,
    /// Sessions that were running when reading began.
    pub(super) carried: u64,
}

impl Chain {
    pub(super) fn new(start: u64) -> Self {
        Self {
            start,
            ids: HashMap::new(),
            sessions: HashMap::new(),
            hole: None,
            previous: None,
            newest_time: None,
            carried: 0,
        }
    }

    /// Entries up to but not including `end` cannot be read.
    pub(super) fn skip(&mut self, end: u64) {
        self.hole = end.checked_sub(1).max(self.hole);
    }

    pub(super) fn add(&mut self, index: u64, link: &Link, say: &mut dyn FnMut(Finding)) {
        let mut say = |code, detail: String| say(Finding::new(code, detail).at_index(index));
        if let Some(first) = self.ids.get(&short(&link.id)) {
            return say(Code::DuplicateReceipt, format!("receipt {} is there twice: first={first}", link.id));
        }
        self.ids.insert(short(&link.id), index);
        match &link.place {
            Some((position, time)) => {
                self.check_time(*time, &mut say);
                self.check_position(index, position, &mut say);
                self.previous = Some((index, link.id));
            }
            // Its session is unknown, but its successor may still name it.
            None => self.hole = Some(index),
        }
    }

    fn check_time(&mut self, time: Time, say: &mut dyn FnMut(Code, String)) {
        if let Some(before) = self.newest_time.filter(|before| time < *before) {
            say(Code::TimeRegress, format!("made at {time}, after one made at {before}"));
        }
        self.newest_time = Some(time);
    }

    fn check_position(&mut self, index: u64, position: &Position, say: &mut dyn FnMut(Code, String)) {
        let known = self.sessions.get(&position.session).copied();
        let fault =
            if position.seq == 0 { self.first_fault(index, position, known) } else { self.fault(position, known) };
        if let Some((code, detail)) = fault {
            say(code, detail);
        }
        // Going on from what is there tells of each break once.
        let next_seq = (position.seq + 1).max(known.map_or(0, |known| known.next_seq));
        self.sessions.insert(position.session, Progress { last: index, next_seq });
    }

    /// A session's first receipt names the log's receipt before it.
    fn first_fault(&self, index: u64, position: &Position, known: Option<Progress>) -> Option<(Code, String)> {
        if let Some(known) = known {
            let detail = format!("the session begins again; its newest receipt is at {}", known.last);
            return Some((Code::SessionOrder, detail));
        }
        let before = self.previous.filter(|_| !self.is_hole_since_previous());
        match (position.prev, before) {
            (Some(prev), Some((_, id))) if prev == id => None,
            (None, None) if index == 0 => None,
            (None, _) => {
                Some((Code::SessionOrder, "the receipt says that it is the log's first, and it is not".to_owned()))
            }
            (Some(prev), _) => {
                if let Some(at) = self.ids.get(&short(&prev)) {
                    let skipped = before.is_some_and(|(last, _)| last != *at);
                    return skipped.then(|| {
                        let detail = format!("the session began behind receipt {at}, and stands further on");
                        (Code::SessionOrder, detail)
                    });
                }
                let judged = before.is_some() || (index == 0 && self.start == 0);
                judged.then(|| (Code::SessionTruncated, format!("the receipt before it, {prev}, is not in the log")))
            }
        }
    }

    fn is_hole_since_previous(&self) -> bool {
        self.hole.is_some_and(|hole| self.previous.is_none_or(|(last, _)| hole > last))
    }

    fn fault(&mut self, position: &Position, known: Option<Progress>) -> Option<(Code, String)> {
        let seq = position.seq;
        let named = position.prev.and_then(|prev| self.ids.get(&short(&prev)).copied());
        let unread = self.hole.is_some_and(|hole| known.is_none_or(|known| hole > known.last));
        let Some(known) = known else {
            return match named {
                Some(at) => {
                    let detail =
                        format!("number {seq} of its session follows receipt {at}, which is another session's");
                    (!unread).then_some((Code::SessionOrder, detail))
                }
                None if unread => None,
                None if self.start > 0 => {
                    self.carried += 1;
                    None
                }
                None => Some((Code::SessionTruncated, format!("receipts 0 to {} of its session are missing", seq - 1))),
            };
        };
        if named == Some(known.last) && seq == known.next_seq {
            return None;
        }
        if named.is_none() && unread {
            return None;
        }
        let (code, detail) = if seq > known.next_seq {
            let detail = format!("receipts {} to {} of its session are missing", known.next_seq, seq - 1);
            (Code::SessionTruncated, detail)
        } else if seq < known.next_seq {
            (Code::SessionOrder, format!("number {seq} of its session comes after number {}", known.next_seq - 1))
        } else if named.is_none() {
            (Code::SessionTruncated, "the receipt before it in its session is not in the log".to_owned())
        } else {
            (Code::SessionOrder, format!("it does not follow receipt {}, its session's newest", known.last))
        };
        Some((code, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ReceiptId {
        ReceiptId([number; 32])
    }

    /// Each receipt: id, session, seq, prev (0 for none); id 0 is an entry that cannot be read.
    fn check(start: u64, receipts: &[(u8, u8, u64, u8)], expected: &[(u64, Code)]) {
        let mut chain = Chain::new(start);
        let mut found = Vec::new();
        for (index, (own, session, seq, prev)) in (start..).zip(receipts.iter().copied()) {
            if own == 0 {
                chain.skip(index + 1);
                continue;
            }
            let position = Position { session: [session; 16], seq, prev: (prev > 0).then(|| id(prev)) };
            let time = "2026-01-01T00:00:00.000Z".parse().unwrap();
            let link = Link { id: id(own), place: Some((position, time)) };
            chain.add(index, &link, &mut |finding| found.push((finding.index.unwrap(), finding.code)));
        }
        assert_eq!(found, expected, "{receipts:?}");
    }

    #[test]
    fn sessions_count_up_and_interleave() {
        check(0, &[(1, 1, 0, 0), (2, 1, 1, 1), (3, 2, 0, 2), (4, 1, 2, 2), (5, 2, 1, 3)], &[]);
    }

    #[test]
    fn each_break_is_told_once() {
        use Code::{DuplicateReceipt, SessionOrder, SessionTruncated};
        check(0, &[(1, 1, 0, 0), (3, 1, 2, 2), (4, 1, 3, 3)], &[(1, SessionTruncated)]);
        check(0, &[(2, 1, 1, 1), (3, 1, 2, 2)], &[(0, SessionTruncated)]);
        check(0, &[(1, 1, 0, 0), (2, 1, 1, 1), (2, 1, 1, 1), (3, 1, 2, 2)], &[(2, DuplicateReceipt)]);
        check(0, &[(1, 1, 0, 0), (2, 1, 2, 1)], &[(1, SessionTruncated)]);
        check(0, &[(1, 1, 0, 0), (3, 2, 0, 2)], &[(1, SessionTruncated)]);
        check(0, &[(2, 1, 0, 9)], &[(0, SessionTruncated)]);
        check(0, &[(1, 1, 0, 0), (2, 1, 0, 1)], &[(1, SessionOrder)]);
        check(0, &[(1, 1, 0, 0), (2, 2, 0, 0)], &[(1, SessionOrder)]);
        check(0, &[(1, 1, 0, 0), (3, 1, 2, 2), (2, 1, 1, 1)], &[(1, SessionTruncated), (2, SessionOrder)]);
        check(0, &[(1, 1, 0, 0), (2, 1, 1, 1), (3, 2, 0, 1)], &[(2, SessionOrder)]);
        check(0, &[(1, 1, 0, 0), (2, 2, 0, 1), (3, 1, 1, 2)], &[(2, SessionOrder)]);
    }

    #[test]
    fn what_cannot_be_read_is_not_told_twice() {
        check(0, &[(1, 1, 0, 0), (0, 0, 0, 0), (3, 1, 2, 2), (4, 2, 0, 3)], &[]);
        check(0, &[(0, 0, 0, 0), (2, 2, 0, 1)], &[]);
        // A session whose every earlier receipt may be what cannot be read.
        check(0, &[(1, 1, 0, 0), (0, 0, 0, 0), (4, 2, 1, 3), (5, 2, 2, 4)], &[]);
        check(7, &[(0, 0, 0, 0), (4, 2, 1, 3)], &[]);
        // What follows a known receipt of its own hides behind no hole.
        check(0, &[(0, 0, 0, 0), (1, 1, 0, 9), (3, 1, 2, 2)], &[(2, Code::SessionTruncated)]);
        check(0, &[(0, 0, 0, 0), (1, 1, 0, 9), (2, 2, 1, 1)], &[]);
        check(0, &[(1, 1, 0, 0), (0, 0, 0, 0), (3, 1, 1, 9)], &[]);
        check(0, &[(1, 1, 0, 0), (0, 0, 0, 0), (3, 1, 2, 1)], &[(2, Code::SessionTruncated)]);
    }

    #[test]
    fn a_break_is_told_in_words() {
        let told = |receipts: &[(u8, u8, u64, u8)]| {
            let mut chain = Chain::new(0);
            let mut found = Vec::new();
            for (index, (own, session, seq, prev)) in (0..).zip(receipts.iter().copied()) {
                let position = Position { session: [session; 16], seq, prev: (prev > 0).then(|| id(prev)) };
                let time = format!("2026-01-01T00:00:0{}.000Z", 9 - index).parse().unwrap();
                let link = Link { id: id(own), place: Some((position, time)) };
                chain.add(index, &link, &mut |finding| found.push(finding.to_string()));
            }
            found.retain(|finding| !finding.starts_with("time-regress"));
            found.concat()
        };
        let two = "02".repeat(32);
        for (last, words) in [
            ((3, 1, 3, 2), "session-truncated at 2: receipts 2 to 2 of its session are missing"),
            ((3, 1, 2, 9), "session-truncated at 2: the receipt before it in its session is not in the log"),
            ((3, 1, 1, 2), "session-order at 2: number 1 of its session comes after number 1"),
            ((3, 1, 2, 1), "session-order at 2: it does not follow receipt 1, its session's newest"),
            ((3, 1, 0, 2), "session-order at 2: the session begins again; its newest receipt is at 1"),
            ((3, 2, 1, 2), "session-order at 2: number 1 of its session follows receipt 1, which is another session's"),
            ((3, 2, 2, 9), "session-truncated at 2: receipts 0 to 1 of its session are missing"),
            ((3, 2, 0, 1), "session-order at 2: the session began behind receipt 0, and stands further on"),
            ((3, 2, 0, 0), "session-order at 2: the receipt says that it is the log's first, and it is not"),
            ((2, 1, 2, 2), &format!("duplicate-receipt at 2: receipt {two} is there twice: first=1")),
            ((3, 1, 2, 2), ""),
        ] {
            assert_eq!(told(&[(1, 1, 0, 0), (2, 1, 1, 1), last]), words);
        }
    }

    #[test]
    fn time_that_runs_backwards_is_told_and_the_same_moment_is_not() {
        let mut chain = Chain::new(0);
        let mut found = Vec::new();
        for (index, second) in (0..).zip([1, 2, 2, 1, 1]) {
            let position = Position { session: [1; 16], seq: index, prev: (index > 0).then(|| id(index as u8)) };
            let time = format!("2026-01-01T00:00:0{second}.000Z").parse().unwrap();
            let link = Link { id: id(index as u8 + 1), place: Some((position, time)) };
            chain.add(index, &link, &mut |finding| found.push(finding.to_string()));
        }
        let [made, before] = [1, 2].map(|second| format!("2026-01-01T00:00:0{second}.000Z"));
        assert_eq!(found, [format!("time-regress at 3: made at {made}, after one made at {before}")]);
    }

    #[test]
    fn sessions_from_before_a_pin_are_counted_not_judged() {
        check(7, &[(2, 1, 5, 1), (3, 1, 6, 2), (4, 1, 8, 9)], &[(9, Code::SessionTruncated)]);
        check(7, &[(2, 2, 0, 1)], &[]);
    }
}
