//! The last decision of a sprint: every approval given, all work proven, no blocker open, each criterion shown.
//!
//! It is decided as gates are: by evidence, three-valued, and all of it has to hold.

use crate::error::{Error, Place};
use crate::plan::gate::{self, Criterion, Decision, GO_NO_GO, Inputs, Judged, Outcome, board};
use crate::plan::schema::Plan;
use crate::plan::source::Source;

use super::work::{Board, Piece};

pub fn decide(plan: &Plan, source: &Source, inputs: &Inputs<'_>) -> Result<Decision, Error> {
    if plan.go_no_go.is_none() && plan.approvals.is_none() {
        return Err(Error::invalid(format!("the sprint `{}` has no go/no-go to decide", plan.id.value))
            .at(Place::in_text(&source.path, &source.text, plan.id.span.start as usize))
            .hint("add `go_no_go: {day: …, criteria: […]}` and `approvals: {members: […]}`"));
    }
    let work = Board::of(plan, source, u32::MAX, inputs)?;
    let line = |start| source.position(start).0;
    let mut criteria = board::approvals(plan, source, &work.proofs, inputs)?;
    if plan.approvals.as_ref().is_none_or(|a| a.members.is_empty()) {
        let judged = Judged::missing("the approvals that the sprint asks for", "it asks nobody")
            .next("name who has to approve: `approvals: {members: [{who: …, role: …, min: {value: 9, of: 10}}]}`");
        criteria.push(criterion("approvals", line(plan.id.span.start), judged));
    }
    criteria.extend(work.pieces.iter().map(|piece| of_piece(piece, line(piece.span.start))));
    if work.pieces.is_empty() {
        let judged = Judged::missing("all work proven", "the sprint lists no work").next("list its `items`");
        criteria.push(criterion("work", line(plan.id.span.start), judged));
    }
    criteria.push(blockers(&work, source));
    if let Some(go) = plan.go_no_go.as_ref().filter(|go| !go.criteria.is_empty()) {
        criteria.extend(gate::decide_all(plan, source, &GO_NO_GO.0, &go.criteria, go.span, inputs)?.criteria);
    }
    let outcomes: Vec<Outcome> = criteria.iter().map(|c| c.judged.outcome).collect();
    let (plan, phase) = (plan.id.value.to_string(), GO_NO_GO.0.clone());
    Ok(Decision { plan, phase, policy: "go/no-go".to_owned(), outcome: Outcome::all(&outcomes), criteria })
}

fn criterion(id: &str, line: usize, judged: Judged) -> Criterion {
    Criterion { id: id.to_owned(), text: None, line, ticked: false, judged }
}

fn of_piece(piece: &Piece<'_>, line: usize) -> Criterion {
    let text = Some(piece.name.to_owned());
    let id = format!("{}/{}", piece.kind.word(), piece.key);
    Criterion { id, text, line, ticked: piece.claim.done, judged: piece.proof.clone() }
}

fn blockers(work: &Board<'_>, source: &Source) -> Criterion {
    let wanted = "no open blocker";
    let Some(first) = work.obstacles.first() else {
        let line = work.linted.plan.blockers.first().map_or(1, |b| source.position(b.span.start).0);
        return criterion("blockers", line, Judged::new(Outcome::Met, wanted, "the plan names none that is open"));
    };
    let names: Vec<&str> = work.obstacles.iter().map(|o| o.name).collect();
    let judged = Judged::new(Outcome::Failed, wanted, names.join("; ")).next(format!("{}: {}", first.name, first.next));
    criterion("blockers", source.position(first.span.start).0, judged)
}
