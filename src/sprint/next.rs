//! What to do now: work that could be begun, in the order of priority, float and window, and what keeps the rest.
//!
//! Work is done when it is proven. What is claimed wants its evidence; what rests on a claim may begin, and says so.

use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::needs::Work;
use crate::plan::schedule::Network;

use super::people;
use super::work::{Board, Piece, State, item_of};

/// Other work that has to be there first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub on: String,
    pub state: State,
}

pub struct Step<'b> {
    pub piece: &'b Piece<'b>,
    /// By how much it can begin later; none for what is on no chain of needs.
    pub float: Option<Decimal>,
    pub critical: bool,
    /// Its window has passed.
    pub late: bool,
    pub waits: Vec<Wait>,
    /// What the plan says is in its way.
    pub blockers: Vec<&'b str>,
}

#[derive(Default)]
pub struct Next<'b> {
    /// To be done now.
    pub now: Vec<Step<'b>>,
    /// Said to be done, and not shown.
    pub prove: Vec<Step<'b>>,
    /// Could be begun before its window.
    pub later: Vec<Step<'b>>,
    pub blocked: Vec<Step<'b>>,
    pub proven: usize,
    pub all: usize,
}

impl Next<'_> {
    pub fn lists(&self) -> [&[Step<'_>]; 4] {
        [&self.now, &self.prove, &self.later, &self.blocked]
    }
}

/// `today` is the number of the day that is reached; `who` leaves out what others do.
pub fn of<'b>(board: &'b Board<'b>, today: Option<u32>, who: Option<&str>) -> Result<Next<'b>, Error> {
    let linted = &board.linted;
    let network = Network::of(linted.plan, linted.source)?;
    let state_of = |id: &str| match board.proofs.get(id) {
        Some(judged) if judged.outcome == crate::plan::gate::Outcome::Met => State::Proven,
        _ => board.piece(id).map_or(State::Todo, |piece| piece.state),
    };
    let left = network.timed(|_, work: Work<'_>| match state_of(&work.id().value.0) {
        State::Proven => Decimal::ZERO,
        _ => network.hours(work).unwrap_or_default(),
    })?;
    let mut next = Next::default();
    for piece in board.pieces.iter().filter(|piece| who.is_none_or(|who| has_part(board, piece, who))) {
        next.all += 1;
        if piece.is_proven() {
            next.proven += 1;
            continue;
        }
        let number = piece.id.and_then(|id| network.number(id));
        let needs = number.map(|n| network.needs(n)).unwrap_or_default();
        let waits: Vec<Wait> = needs
            .iter()
            .map(|need| need.named.value.0.as_str())
            .map(|id| Wait { on: id.to_owned(), state: state_of(id) })
            .filter(|wait| wait.state != State::Proven)
            .collect();
        let about = |id: &&str| board.piece(id).is_some_and(|other| other.key == piece.key);
        let blockers = board.obstacles.iter().filter(|o| o.blocks.iter().any(&about)).map(|o| o.name).collect();
        let step = Step {
            float: number.map(|n| left.times[n].float),
            critical: number.is_some_and(|n| left.critical.contains(&n)),
            late: piece.window.zip(today).is_some_and(|(window, today)| window.last < today),
            piece,
            waits,
            blockers,
        };
        let early = piece.window.is_some_and(|window| today.is_none_or(|today| window.first > today));
        let list = match piece.state {
            State::Claimed | State::Untrusted => &mut next.prove,
            _ if !step.blockers.is_empty() || step.waits.iter().any(|wait| wait.state != State::Claimed) => {
                &mut next.blocked
            }
            _ if early => &mut next.later,
            _ => &mut next.now,
        };
        list.push(step);
    }
    for list in [&mut next.now, &mut next.prove, &mut next.later, &mut next.blocked] {
        list.sort_by_key(|step| {
            let (piece, window) = (step.piece, step.piece.window);
            let priority = piece.priority.map(|p| p.word());
            (priority.is_none(), priority, step.float.is_none(), step.float, window.is_none(), window.map(|w| w.last))
        });
    }
    Ok(next)
}

fn has_part(board: &Board<'_>, piece: &Piece<'_>, who: &str) -> bool {
    let scheduled = || {
        let days = board.linted.plan.days.iter().flat_map(people::work);
        let mut own = days.filter(|work| work.who.iter().any(|person| person.value.0 == who));
        own.any(|work| item_of(work, &board.linted).is_some_and(|item| Some(item.id.value.0.as_str()) == piece.id))
    };
    piece.people.contains(&who) || scheduled()
}
