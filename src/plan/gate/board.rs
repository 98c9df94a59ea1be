//! A board: approvals that a plan asks of several people together, each with a minimum, and of their average.
//!
//! Each key speaks for one seat only, whatever roles it has: the seats are filled so that as many as possible are.

use std::collections::BTreeMap;

use super::approval::{Vote, score_of, votes};
use super::judge::{Court, Judged};
use super::outcome::{Outcome, Pending};
use super::receipt::Search;
use super::{Criterion, Inputs, Matter};
use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::names;
use crate::plan::schema::{Approvals, Approver, Plan, Score};
use crate::plan::source::Source;

/// Every approval that the plan asks for, and their average, about the last decision of the sprint. `proofs` says what
/// work is proven, for approvals that wait for some.
pub fn approvals(
    plan: &Plan,
    source: &Source,
    proofs: &BTreeMap<&str, Judged>,
    inputs: &Inputs<'_>,
) -> Result<Vec<Criterion>, Error> {
    let (Some(asked), Some(of)) = (&plan.approvals, Matter::go_no_go(plan)) else { return Ok(Vec::new()) };
    let court = Court { plan, source, beside: &[], inputs };
    let owners = of.owners(plan);
    let mut seats = Vec::with_capacity(asked.members.len());
    for approver in &asked.members {
        seats.push(Seat::of(approver, &court, &of, proofs)?);
    }
    let mut warnings = vec![Vec::new(); seats.len()];
    let cast: Vec<Vec<Vote<'_>>> = seats
        .iter()
        .zip(&mut warnings)
        .map(|(seat, warnings)| match &seat.search {
            Err(_) => Vec::new(),
            Ok(search) => {
                let min = &seat.approver.min;
                warnings.extend(search.warnings.iter().cloned());
                votes(search, &owners, Some((min.value.value, min.of.value)), warnings)
            }
        })
        .collect();
    let filled = fill(&seats, &cast);
    let line = |start| source.position(start).0;
    let mut criteria = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (n, seat) in seats.iter().enumerate() {
        let mut judged = seat.judge(&court, &cast[n], filled[n], &filled, &cast);
        judged.warnings.append(&mut warnings[n]);
        let role = &seat.approver.role.value;
        let mut id = format!("approval/{role}");
        if names.contains(&id) {
            id = format!("{id}/{}", seat.approver.who.value);
        }
        names.push(id.clone());
        criteria.push(Criterion { id, text: None, line: line(seat.approver.span.start), ticked: false, judged });
    }
    if let Some(least) = &asked.average {
        let chosen: Option<Vec<&Vote<'_>>> =
            filled.iter().zip(&cast).map(|(place, votes)| place.and_then(|at| votes.get(at))).collect();
        let judged = average(asked, least, chosen.as_deref(), &criteria);
        let (id, line) = ("approval/average".to_owned(), line(least.span.start));
        criteria.push(Criterion { id, text: None, line, ticked: false, judged });
    }
    Ok(criteria)
}

struct Seat<'a> {
    approver: &'a Approver,
    wanted: String,
    next: String,
    /// What was said in its role, or what it still waits for.
    search: Result<Search, Judged>,
}

impl<'a> Seat<'a> {
    fn of(
        approver: &'a Approver,
        court: &Court<'a>,
        of: &Matter<'a>,
        proofs: &BTreeMap<&str, Judged>,
    ) -> Result<Self, Error> {
        let (role, min) = (approver.role.value.as_str(), &approver.min);
        let wanted = format!("approval by {role}, at least {} of {}", min.value.value, min.of.value);
        let scale =
            if min.of.value == Decimal::from_int(10) { String::new() } else { format!(" --of {}", min.of.value) };
        let next = format!(
            "bizra attest --role {role} --score {}{scale} --criterion {}/{}",
            min.value.value, court.plan.id.value, of.id
        );
        let mut not_before = None;
        for need in &approver.needs {
            let id = need.value.0.as_str();
            let shown = match names::criteria(court.plan).find(|c| c.id.value.0 == id) {
                Some(criterion) => Some(court.judge(&criterion.into(), 0)?),
                None => proofs.get(id).cloned(),
            };
            let waits = match shown {
                Some(judged) if judged.outcome == Outcome::Met => {
                    not_before = not_before.max(judged.time);
                    continue;
                }
                Some(judged) => {
                    let found = format!("it waits for {id}, which is {}", judged.outcome.words());
                    Judged::missing(&wanted, found).next(judged.next.unwrap_or_else(|| next.clone()))
                }
                None => Judged::missing(&wanted, format!("it waits for {id}, and nothing in the plan would show that"))
                    .next(format!("give a criterion of go_no_go the id `{id}` and its evidence")),
            };
            return Ok(Seat { approver, wanted, next, search: Err(waits) });
        }
        let search = Ok(court.words(role, of, not_before)?);
        Ok(Seat { approver, wanted, next, search })
    }

    /// `place` is the vote that fills this seat, `filled` those of all.
    fn judge(
        &self,
        court: &Court<'_>,
        votes: &[Vote<'_>],
        place: Option<usize>,
        filled: &[Option<usize>],
        cast: &[Vec<Vote<'_>>],
    ) -> Judged {
        let search = match &self.search {
            Err(waits) => return waits.clone(),
            Ok(search) => search,
        };
        if search.admissible.is_empty() {
            let mut judged = court.nothing(search.clone(), self.wanted.clone(), self.next.clone());
            // They come along with the seat's own.
            judged.warnings.clear();
            return judged;
        }
        let sits =
            |key: &str| filled.iter().zip(cast).any(|(at, votes)| at.is_some_and(|at| votes[at].receipt.key == key));
        let refusal = votes.iter().find(|vote| !vote.enough && !sits(&vote.receipt.key));
        let (outcome, vote) = match (refusal, place.and_then(|at| votes.get(at))) {
            (Some(refusal), _) => (Outcome::Failed, refusal),
            (None, Some(vote)) => (Outcome::Met, vote),
            (None, None) => {
                let judged = match votes.first() {
                    Some(vote) => {
                        let found = format!("{}, whose key already speaks for another role", vote.told());
                        Judged::missing(&self.wanted, found)
                    }
                    None => Judged::missing(&self.wanted, "only people with a part in the work have approved"),
                };
                return judged.next(format!("let another key with this role say it: {}", self.next));
            }
        };
        let mut judged = Judged::new(outcome, &self.wanted, vote.told());
        judged.time = Some(vote.receipt.time);
        judged.receipts.push(vote.receipt.id.clone());
        if outcome == Outcome::Met { judged } else { judged.next(format!("mend what they found, then {}", self.next)) }
    }
}

/// For each seat the vote that fills it, so that as many seats as can be are filled and no key fills two (a maximum
/// matching, by augmenting paths). The person whom the plan names is asked first.
fn fill(seats: &[Seat<'_>], cast: &[Vec<Vote<'_>>]) -> Vec<Option<usize>> {
    fn seat_somebody<'v>(
        seat: usize,
        order: &[Vec<usize>],
        cast: &'v [Vec<Vote<'v>>],
        filled: &mut [Option<usize>],
        asked: &mut Vec<&'v str>,
    ) -> bool {
        for place in &order[seat] {
            let key = cast[seat][*place].receipt.key.as_str();
            if asked.contains(&key) {
                continue;
            }
            asked.push(key);
            let holder = (0..filled.len()).find(|s| filled[*s].is_some_and(|at| cast[*s][at].receipt.key == key));
            let free = match holder {
                None => true,
                Some(holder) => seat_somebody(holder, order, cast, filled, asked),
            };
            if free {
                filled[seat] = Some(*place);
                return true;
            }
        }
        false
    }
    let order: Vec<Vec<usize>> = seats
        .iter()
        .zip(cast)
        .map(|(seat, votes)| {
            let who = seat.approver.who.value.0.to_lowercase();
            let named = |vote: &Vote<'_>| vote.receipt.signer.as_ref().is_some_and(|s| s.name.to_lowercase() == who);
            let mut places: Vec<usize> = (0..votes.len()).filter(|at| votes[*at].enough).collect();
            places.sort_by_key(|at| !named(&votes[*at]));
            places
        })
        .collect();
    let mut filled = vec![None; cast.len()];
    for seat in 0..cast.len() {
        seat_somebody(seat, &order, cast, &mut filled, &mut Vec::new());
    }
    filled
}

/// The mean of one score a seat, each as a share of its own scale.
fn average(asked: &Approvals, least: &Score, chosen: Option<&[&Vote<'_>]>, seats: &[Criterion]) -> Judged {
    let wanted = format!("an average of at least {} of {}", least.value.value, least.of.value);
    let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) else {
        let next = seats.iter().find_map(|seat| seat.judged.next.clone());
        return Judged::missing(wanted, "not every approval is given")
            .next(next.unwrap_or_else(|| "add `members`".into()));
    };
    let mut sum = (Decimal::ZERO, Decimal::from_int(1));
    let mut told = Vec::new();
    for vote in chosen {
        let Some((value, of)) = score_of(&vote.receipt.statement.body) else { continue };
        told.push(format!("{value} of {of}"));
        // Equal scales need no common denominator, and most scales are equal.
        let next = if of == sum.1 {
            value.add(sum.0).map(|n| (n, of))
        } else {
            let parts = || Some((sum.0.mul(of)?.add(value.mul(sum.1)?)?, sum.1.mul(of)?));
            if sum.0.is_zero() { Some((value, of)) } else { parts() }
        };
        let Some(next) = next else {
            return Judged::new(
                Outcome::Pending(Pending::Missing),
                wanted,
                "the scores have too many digits to be added up",
            )
            .next("give scores with fewer digits");
        };
        sum = next;
    }
    let count = Decimal::from_int(i64::try_from(asked.members.len()).unwrap_or(i64::MAX));
    let enough = || Some(sum.0.mul(least.of.value)? >= least.value.value.mul(count)?.mul(sum.1)?);
    let outcome = if enough().unwrap_or(false) { Outcome::Met } else { Outcome::Failed };
    let mut judged = Judged::new(outcome, wanted, told.join(", "));
    judged.time = chosen.iter().map(|vote| vote.receipt.time).max();
    judged.receipts = chosen.iter().map(|vote| vote.receipt.id.clone()).collect();
    if outcome == Outcome::Met { judged } else { judged.next("mend what the approvers found, and ask them again") }
}
