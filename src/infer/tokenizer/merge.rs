//! Merging neighbours, best pair first, ties from the left: what SentencePiece and byte-pair encoding share.
//! O(n log n) in the length of the text.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Symbol {
    start: u32,
    len: u32,
    prev: u32,
    next: u32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<P> {
    priority: P,
    left: Reverse<u32>,
    right: u32,
    len: u32,
}

/// Reusable room for merging one text after another.
pub(super) struct Merger<P> {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Candidate<P>>,
}

impl<P: Ord> Merger<P> {
    pub(super) fn new() -> Self {
        Self { symbols: Vec::new(), queue: BinaryHeap::new() }
    }

    /// Starts from the characters of `text` (below 4 GiB) and merges while `priority(left, right)` allows.
    pub(super) fn merge<'t>(
        &mut self,
        text: &'t str,
        mut priority: impl FnMut(&'t str, &'t str) -> Option<P>,
        mut emit: impl FnMut(&'t str),
    ) {
        self.symbols.clear();
        self.queue.clear();
        for (number, (start, char)) in text.char_indices().enumerate() {
            let number = number as u32;
            let prev = if number == 0 { NONE } else { number - 1 };
            let symbol = Symbol { start: start as u32, len: char.len_utf8() as u32, prev, next: number + 1 };
            self.symbols.push(symbol);
        }
        let Some(last) = self.symbols.last_mut() else { return };
        last.next = NONE;
        for right in 1..self.symbols.len() as u32 {
            self.consider(text, right - 1, right, &mut priority);
        }
        while let Some(Candidate { left: Reverse(left), right, len, .. }) = self.queue.pop() {
            let (l, r) = (self.symbols[left as usize], self.symbols[right as usize]);
            // A symbol that was merged away has no length; one that grew no longer adds up.
            if l.len == 0 || r.len == 0 || l.len + r.len != len {
                continue;
            }
            self.symbols[left as usize] = Symbol { len, next: r.next, ..l };
            self.symbols[right as usize].len = 0;
            if r.next != NONE {
                self.symbols[r.next as usize].prev = left;
                self.consider(text, left, r.next, &mut priority);
            }
            if l.prev != NONE {
                self.consider(text, l.prev, left, &mut priority);
            }
        }
        let mut at = 0;
        while at != NONE {
            let symbol = self.symbols[at as usize];
            emit(span(text, symbol));
            at = symbol.next;
        }
    }

    fn consider<'t>(
        &mut self,
        text: &'t str,
        left: u32,
        right: u32,
        priority: &mut impl FnMut(&'t str, &'t str) -> Option<P>,
    ) {
        let (l, r) = (self.symbols[left as usize], self.symbols[right as usize]);
        if let Some(priority) = priority(span(text, l), span(text, r)) {
            self.queue.push(Candidate { priority, left: Reverse(left), right, len: l.len + r.len });
        }
    }
}

fn span(text: &str, symbol: Symbol) -> &str {
    &text[symbol.start as usize..(symbol.start + symbol.len) as usize]
}
