//! What comes before what: the order of work, when it can begin and must have ended, its float, the critical path, and
//! what is unblocked.
//!
//! [`Network::of`] takes any plan and refuses cycles with the shortest. Work is known by its number there
//! ([`Network::number`] finds it by id): packages in the order of the plan, then items, then tasks that something needs.
//! [`Network::schedule`] times it with the hours of the plan, [`Network::timed`] with lengths of the caller's own
//! (nothing for what is done, a draw of a forecast); [`Network::unblocked`] asks the caller what counts as done.
//!
//! Times are hours of work from the beginning, as if everybody who is needed were at hand. Dates, holidays and the
//! hours of people are left out, and so are the windows of items but as their length.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::decimal::Decimal;
use super::effort;
use super::needs::{Cycle, Link, Needs, Work};
use super::schema::Plan;
use super::source::Source;
use crate::error::{Error, Place};

/// Work and its needs, without cycles.
pub struct Network<'a> {
    needs: Needs<'a>,
    needed_by: Vec<Vec<usize>>,
    order: Vec<usize>,
    hours_per_day: Decimal,
}

/// When work can begin and must have ended, for everything after it to be done as soon as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub length: Decimal,
    pub earliest: Decimal,
    pub latest: Decimal,
    /// By how much it can begin later without anything ending later.
    pub float: Decimal,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    /// By the number of the work.
    pub times: Vec<Times>,
    /// When the last work ends.
    pub length: Decimal,
    /// The longest chain of needs, what comes first at the front. Where several are as long, the first of the plan;
    /// nothing where nothing takes time.
    pub critical: Vec<usize>,
}

impl<'a> Network<'a> {
    pub fn of(plan: &'a Plan, source: &Source) -> Result<Self, Error> {
        Network::from(plan, Needs::of(plan)).map_err(|(needs, cycle)| refused(&needs, &cycle, source))
    }

    /// The shortest of the cycles, where there are any.
    pub fn from(plan: &'a Plan, needs: Needs<'a>) -> Result<Self, (Needs<'a>, Cycle)> {
        let n = needs.works().len();
        let mut waiting: Vec<usize> = (0..n).map(|work| needs.links(work).len()).collect();
        let mut needed_by = vec![Vec::new(); n];
        for work in 0..n {
            needs.links(work).iter().for_each(|link| needed_by[link.to].push(work));
        }
        let mut ready: BinaryHeap<Reverse<usize>> = (0..n).filter(|work| waiting[*work] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(n);
        while let Some(Reverse(work)) = ready.pop() {
            order.push(work);
            for next in &needed_by[work] {
                waiting[*next] -= 1;
                if waiting[*next] == 0 {
                    ready.push(Reverse(*next));
                }
            }
        }
        if let Some(cycle) = needs.cycles().into_iter().min_by_key(|cycle| cycle.way.len()) {
            return Err((needs, cycle));
        }
        Ok(Network { needs, needed_by, order, hours_per_day: effort::hours_per_day(plan) })
    }

    pub fn works(&self) -> &[Work<'a>] {
        self.needs.works()
    }

    pub fn id(&self, work: usize) -> &'a str {
        self.needs.id(work)
    }

    /// The work of this id, or the one that has a part of this id.
    pub fn number(&self, id: &str) -> Option<usize> {
        self.needs.number(id)
    }

    /// What this work needs directly.
    pub fn needs(&self, work: usize) -> &[Link<'a>] {
        self.needs.links(work)
    }

    /// What needs this work directly.
    pub fn needed_by(&self, work: usize) -> &[usize] {
        &self.needed_by[work]
    }

    /// Everything after what it needs, and otherwise as in the plan.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many steps of needs lie before each work, at most.
    pub fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.order.len()];
        for work in &self.order {
            ranks[*work] = self.needs(*work).iter().map(|link| ranks[link.to] + 1).max().unwrap_or(0);
        }
        ranks
    }

    /// What is not done and could be begun: all that it needs is done. `done` is also asked about parts, which may be
    /// done before their item.
    pub fn unblocked(&self, done: impl Fn(&str) -> bool) -> Vec<usize> {
        let open = |work: &usize| !done(self.id(*work)) && self.needs(*work).iter().all(|l| done(&l.named.value.0));
        self.order.iter().copied().filter(open).collect()
    }

    /// How long work takes as the plan says: a package its hours, an item the days of its window, else its budget.
    pub fn hours(&self, work: Work<'a>) -> Option<Decimal> {
        match work {
            Work::Package(package, _) => effort::of_package(package),
            Work::Item(item) => match &item.window {
                Some(window) => {
                    let days = i64::from(window.value.last - window.value.first) + 1;
                    Decimal::from_int(days).mul(self.hours_per_day)
                }
                None => effort::of_item(item, self.hours_per_day),
            },
            Work::Task(..) => None,
        }
    }

    /// Timed by the hours of the plan, with nothing for what has none.
    pub fn schedule(&self) -> Result<Schedule, Error> {
        self.timed(|_, work| self.hours(work).unwrap_or_default())
    }

    /// Timed by lengths of the caller's own.
    pub fn timed(&self, length: impl Fn(usize, Work<'a>) -> Decimal) -> Result<Schedule, Error> {
        self.times(&|work| length(work, self.works()[work])).ok_or_else(|| {
            Error::invalid("the hours of the plan add up to more than can be counted")
                .hint("write hours with fewer digits")
        })
    }

    fn times(&self, length: &dyn Fn(usize) -> Decimal) -> Option<Schedule> {
        let lengths: Vec<Decimal> = (0..self.order.len()).map(length).collect();
        let mut earliest = vec![Decimal::ZERO; lengths.len()];
        let mut ends = earliest.clone();
        for work in &self.order {
            let begins = self.needs(*work).iter().map(|link| ends[link.to]).max().unwrap_or_default();
            earliest[*work] = begins;
            ends[*work] = begins.add(lengths[*work])?;
        }
        let whole = ends.iter().copied().max().unwrap_or_default();
        let mut latest = vec![Decimal::ZERO; lengths.len()];
        for work in self.order.iter().rev() {
            let must_end = self.needed_by(*work).iter().map(|next| latest[*next]).min().unwrap_or(whole);
            latest[*work] = must_end.sub(lengths[*work])?;
        }
        let times: Option<Vec<Times>> = (0..lengths.len())
            .map(|n| {
                let float = latest[n].sub(earliest[n])?;
                Some(Times { length: lengths[n], earliest: earliest[n], latest: latest[n], float })
            })
            .collect();
        let mut critical: Vec<usize> =
            (0..lengths.len()).filter(|_| !whole.is_zero()).find(|n| ends[*n] == whole).into_iter().collect();
        while let Some(first) = critical.last().copied().filter(|n| !earliest[*n].is_zero()) {
            let before = self.needs(first).iter().map(|link| link.to).filter(|n| ends[*n] == earliest[first]).min();
            critical.push(before?);
        }
        critical.reverse();
        Some(Schedule { times: times?, length: whole, critical })
    }
}

fn refused(needs: &Needs<'_>, cycle: &Cycle, source: &Source) -> Error {
    let names: Vec<&str> = cycle.way.iter().chain(cycle.way.first()).map(|n| needs.id(*n)).collect();
    let (line, column) = source.position(cycle.closes.start);
    Error::invalid(format!("{} needs itself: {}", names[0], names.join(" → ")))
        .at(Place::in_text(&source.path, &source.text, cycle.begins.start as usize))
        .because(format!("the last of these needs is in {}:{line}:{column}", source.path.display()))
        .hint("remove one of these needs: none of the work could ever begin")
}

#[cfg(test)]
mod tests;
