//! One way that the work could go: people take the first piece that is ready and theirs, until all is done.
//!
//! Time is counted in working days from the start, so that calendars only matter once a number becomes a date. Nothing
//! but additions, multiplications, divisions and square roots is used: every machine comes to the same bytes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::work::{Points, State, Work};

impl Points {
    /// The hours below which a share `u` of the possible outcomes lies: a triangle over the three points.
    pub(super) fn at(self, u: f64) -> f64 {
        let (left, right, width) = (self.likely - self.low, self.high - self.likely, self.high - self.low);
        if width <= 0.0 {
            self.likely
        } else if u * width < left {
            self.low + (u * width * left).sqrt()
        } else {
            self.high - ((1.0 - u) * width * right).sqrt()
        }
    }
}

/// The first ready piece has the smallest rank.
type Ready = BinaryHeap<Reverse<(usize, usize)>>;

pub(super) struct Run<'a> {
    work: &'a Work,
    /// Per node: whether it is still to be done.
    open: Vec<bool>,
    /// Per node: how many open nodes it waits for.
    waits_for: Vec<usize>,
    /// Who may take work that is nobody's.
    anybody: Vec<bool>,
    waiting: Vec<usize>,
    shares_left: Vec<usize>,
    own: Vec<Ready>,
    shared: Ready,
    /// When each piece ended; 0 for what was done before.
    pub(super) ends: Vec<f64>,
}

impl<'a> Run<'a> {
    /// None where open work waits for itself.
    pub(super) fn new(work: &'a Work, is_open: impl Fn(State) -> bool) -> Option<Self> {
        let nodes = work.later.len();
        let open: Vec<bool> = (0..nodes).map(|n| work.pieces.get(n).is_none_or(|p| is_open(p.state))).collect();
        let mut waits_for = vec![0; nodes];
        for (n, later) in work.later.iter().enumerate().filter(|(n, _)| open[*n]) {
            debug_assert!(later.iter().all(|l| *l != n));
            later.iter().for_each(|l| waits_for[*l] += 1);
        }
        let people = work.capacity.len();
        let run = Run {
            work,
            waiting: vec![0; nodes],
            shares_left: vec![0; nodes],
            own: vec![Ready::new(); people],
            shared: Ready::new(),
            ends: vec![0.0; work.pieces.len()],
            anybody: work.capacity.iter().map(|c| *c > 0.0).collect(),
            open,
            waits_for,
        };
        run.can_end().then_some(run)
    }

    fn can_end(&self) -> bool {
        let mut waiting = self.waits_for.clone();
        let mut ready: Vec<usize> = (0..waiting.len()).filter(|n| self.open[*n] && waiting[*n] == 0).collect();
        let mut seen = 0;
        while let Some(node) = ready.pop() {
            seen += 1;
            for later in &self.work.later[node] {
                waiting[*later] -= 1;
                if self.open[*later] && waiting[*later] == 0 {
                    ready.push(*later);
                }
            }
        }
        seen == self.open.iter().filter(|o| **o).count()
    }

    /// Plays it through once with these hours per piece, and fills `ends`.
    pub(super) fn play(&mut self, hours: &[f64]) {
        self.waiting.copy_from_slice(&self.waits_for);
        self.ends.fill(0.0);
        let mut idle: BTreeSet<usize> = (0..self.work.capacity.len()).collect();
        let mut running: BinaryHeap<Reverse<(u64, usize, usize)>> = BinaryHeap::new();
        let mut ready: Vec<usize> = (0..self.open.len()).filter(|n| self.open[*n] && self.waiting[*n] == 0).collect();
        let mut now = 0.0f64;
        let mut asked: Vec<usize> = Vec::new();
        loop {
            while let Some(node) = ready.pop() {
                self.begin(node, now, hours, &mut ready, &mut asked);
            }
            asked.sort_unstable();
            asked.dedup();
            for person in asked.drain(..) {
                if idle.contains(&person)
                    && let Some(piece) = self.next_for(person)
                {
                    idle.remove(&person);
                    running.push(Reverse((self.until(now, person, piece, hours).to_bits(), person, piece)));
                }
            }
            while !self.shared.is_empty() {
                let Some(person) = idle.iter().copied().find(|p| self.anybody[*p]) else { break };
                let Some(piece) = self.next_for(person) else { break };
                idle.remove(&person);
                running.push(Reverse((self.until(now, person, piece, hours).to_bits(), person, piece)));
            }
            let Some(Reverse((bits, _, _))) = running.peek() else { return };
            let at = *bits;
            // Times are never negative, so that their bits have the same order.
            now = f64::from_bits(at);
            while let Some(Reverse((bits, person, piece))) = running.peek().copied()
                && bits == at
            {
                running.pop();
                idle.insert(person);
                asked.push(person);
                self.shares_left[piece] -= 1;
                if self.shares_left[piece] == 0 {
                    self.end(piece, now, &mut ready);
                }
            }
        }
    }

    fn begin(&mut self, node: usize, now: f64, hours: &[f64], ready: &mut Vec<usize>, asked: &mut Vec<usize>) {
        let Some(piece) = self.work.pieces.get(node).filter(|_| hours[node] > 0.0) else {
            return self.end(node, now, ready);
        };
        let rank = self.work.rank[node];
        self.shares_left[node] = piece.shares.len().max(1);
        if piece.shares.is_empty() {
            self.shared.push(Reverse((rank, node)));
        }
        for (who, _) in &piece.shares {
            self.own[*who].push(Reverse((rank, node)));
            asked.push(*who);
        }
    }

    fn end(&mut self, node: usize, now: f64, ready: &mut Vec<usize>) {
        if let Some(end) = self.ends.get_mut(node) {
            *end = now;
        }
        for later in &self.work.later[node] {
            self.waiting[*later] -= 1;
            if self.open[*later] && self.waiting[*later] == 0 {
                ready.push(*later);
            }
        }
    }

    fn next_for(&mut self, person: usize) -> Option<usize> {
        let own = self.own[person].peek().map(|Reverse(first)| *first);
        let shared = self.shared.peek().map(|Reverse(first)| *first).filter(|_| self.anybody[person]);
        let from_own = match (own, shared) {
            (Some(own), Some(shared)) => own < shared,
            (own, _) => own.is_some(),
        };
        let queue = if from_own { &mut self.own[person] } else { &mut self.shared };
        (own.is_some() || shared.is_some()).then(|| queue.pop()).flatten().map(|Reverse((_, piece))| piece)
    }

    fn until(&self, now: f64, person: usize, piece: usize, hours: &[f64]) -> f64 {
        let share = self.work.pieces[piece].shares.iter().find(|(who, _)| *who == person).map_or(1.0, |(_, s)| *s);
        now + hours[piece] * share / self.work.capacity[person]
    }
}
