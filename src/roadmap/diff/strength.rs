//! Whether evidence that was rewritten still asks for all it asked for.
//!
//! A tree is at least as strong as another when whatever meets it meets the other as well. What can't be seen to follow
//! does not follow, so that a change is never called harmless by mistake.

use std::collections::HashMap;
use std::ptr;

use crate::plan::decimal::Decimal;
use crate::plan::evidence::{Approval, Attest, Command, Condition, Evidence, File, MetricDemand, Node, Receipt};
use crate::plan::scalars::{Id, Span};
use crate::plan::schema::{Comparison, Quantity};
use crate::plan::source::At;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    Same,
    Stronger,
    Weaker,
    /// Neither follows from the other: something that was asked for no longer is.
    Other,
}

pub(super) fn of_evidence(before: &Evidence, after: &Evidence) -> Strength {
    let mut follows = Follows::default();
    strength(follows.from(after, before), follows.from(before, after))
}

/// The same for a target of a criterion.
pub(super) fn of_target(before: &Quantity, after: &Quantity) -> Strength {
    let op = |q: &Quantity| q.op.map_or(Comparison::AtLeast, |op| op.value);
    let comparable = same(&before.unit, &after.unit) && before.to.is_none() && after.to.is_none();
    let (a, b) = ((op(after), after.value.value), (op(before), before.value.value));
    strength(comparable && bound(a, b), comparable && bound(b, a))
}

fn strength(as_strong: bool, as_weak: bool) -> Strength {
    match (as_strong, as_weak) {
        (true, true) => Strength::Same,
        (true, false) => Strength::Stronger,
        (false, true) => Strength::Weaker,
        (false, false) => Strength::Other,
    }
}

#[derive(Default)]
struct Follows(HashMap<(*const Evidence, *const Evidence), bool>);

impl Follows {
    /// Whether `b` is met whenever `a` is.
    fn from(&mut self, a: &Evidence, b: &Evidence) -> bool {
        let key = (ptr::from_ref(a), ptr::from_ref(b));
        if let Some(known) = self.0.get(&key) {
            return *known;
        }
        let follows = self.decide(a, b);
        self.0.insert(key, follows);
        follows
    }

    fn decide(&mut self, a: &Evidence, b: &Evidence) -> bool {
        match (&a.node, &b.node) {
            (_, Node::All(parts)) => parts.iter().all(|part| self.from(a, part)),
            (Node::Any(parts), _) => parts.iter().all(|part| self.from(part, b)),
            (Node::AtLeast(some), Node::AtLeast(other)) if self.each(&some.of, &other.of) => {
                // As many as may be missing from the one, the other has to do without.
                let spare = some.of.len() - some.n.value as usize;
                other.n.value as usize + spare <= some.of.len() || self.enough(a, b)
            }
            _ => self.enough(a, b),
        }
    }

    /// Whether each part of `ours` shows a part of `theirs`, no two the same one: Kuhn's augmenting paths (1955).
    fn each(&mut self, ours: &[Evidence], theirs: &[Evidence]) -> bool {
        let shows: Vec<Vec<usize>> = ours
            .iter()
            .map(|own| (0..theirs.len()).filter(|their| self.from(own, &theirs[*their])).collect())
            .collect();
        let mut shown_by = vec![None; theirs.len()];
        (0..ours.len()).all(|own| place(own, &shows, &mut shown_by, &mut vec![false; theirs.len()]))
    }

    fn enough(&mut self, a: &Evidence, b: &Evidence) -> bool {
        let by_parts_of_b = match &b.node {
            Node::Any(parts) => parts.iter().any(|part| self.from(a, part)),
            Node::AtLeast(some) => some.of.iter().filter(|part| self.from(a, part)).count() >= some.n.value as usize,
            _ => false,
        };
        by_parts_of_b
            || match (&a.node, &b.node) {
                (Node::All(parts), _) => {
                    parts.iter().any(|part| self.from(part, b)) || {
                        let Node::AtLeast(some) = &b.node else { return false };
                        let held = |of: &Evidence, this: &mut Self| parts.iter().any(|part| this.from(part, of));
                        some.of.iter().filter(|of| held(of, self)).count() >= some.n.value as usize
                    }
                }
                // If fewer parts fail to show it than have to hold, one that holds shows it.
                (Node::AtLeast(some), _) => {
                    some.of.iter().filter(|part| !self.from(part, b)).count() < some.n.value as usize
                }
                (Node::Not(a), Node::Not(b)) => self.from(b, a),
                (Node::Receipt(a), Node::Receipt(b)) => receipt(a, b),
                (Node::Command(a), Node::Command(b)) => command(a, b),
                (Node::File(a), Node::File(b)) => file(a, b),
                (Node::Metric(a), Node::Metric(b)) => metric(a, b),
                (Node::Approval(a), Node::Approval(b)) => approval(a, b),
                (Node::Attest(a), Node::Attest(b)) => attest(a, b),
                _ => false,
            }
    }
}

fn place(own: usize, shows: &[Vec<usize>], shown_by: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for their in &shows[own] {
        if std::mem::replace(&mut tried[*their], true) {
            continue;
        }
        let free = match shown_by[*their] {
            None => true,
            Some(holder) => place(holder, shows, shown_by, tried),
        };
        if free {
            shown_by[*their] = Some(own);
            return true;
        }
    }
    false
}

fn same<T: PartialEq>(a: &Option<At<T>>, b: &Option<At<T>>) -> bool {
    a.as_ref().map(|a| &a.value) == b.as_ref().map(|b| &b.value)
}

/// What `b` demands, `a` demands just so.
fn kept<T: PartialEq>(a: &Option<At<T>>, b: &Option<At<T>>) -> bool {
    b.is_none() || same(a, b)
}

fn within(a: &Option<At<Span>>, b: &Option<At<Span>>) -> bool {
    b.is_none_or(|b| a.is_some_and(|a| a.value <= b.value))
}

fn has_all<T: PartialEq>(a: &[At<T>], b: &[At<T>]) -> bool {
    b.iter().all(|wanted| a.iter().any(|given| given.value == wanted.value))
}

fn number(n: &Option<At<u32>>, otherwise: u32) -> u32 {
    n.map_or(otherwise, |n| n.value)
}

fn receipt(a: &Receipt, b: &Receipt) -> bool {
    let subject = b
        .subject
        .as_ref()
        .is_none_or(|b| a.subject.as_ref().is_some_and(|a| has_all(&a.paths, &b.paths) && same(&a.at, &b.at)));
    let signers = b.signed_by.as_ref().is_none_or(|b| {
        let threshold = |signers: &crate::plan::evidence::Signers| number(&signers.threshold, 1);
        a.signed_by.as_ref().is_some_and(|a| a.role.value == b.role.value && threshold(a) >= threshold(b))
    });
    let fits = |a: &Condition, b: &Condition| {
        a.path.value == b.path.value
            && same(&a.unit, &b.unit)
            && bound((a.op.value, a.value.value), (b.op.value, b.value.value))
    };
    let conditions = b.r#where.iter().all(|b| a.r#where.iter().any(|a| fits(a, b)));
    a.predicate.value == b.predicate.value && subject && signers && conditions && within(&a.max_age, &b.max_age)
}

fn command(a: &Command, b: &Command) -> bool {
    let run = a.run.len() == b.run.len() && a.run.iter().zip(&b.run).all(|(a, b)| a.value == b.value);
    run && number(&a.exit, 0) == number(&b.exit, 0) && within(&a.timeout, &b.timeout)
}

fn file(a: &File, b: &File) -> bool {
    a.path.value == b.path.value && number(&a.min_bytes, 0) >= number(&b.min_bytes, 0) && kept(&a.sha256, &b.sha256)
}

fn metric(a: &MetricDemand, b: &MetricDemand) -> bool {
    let demand = |m: &MetricDemand| (m.op.value, m.value.value);
    a.id.value == b.id.value && same(&a.unit, &b.unit) && bound(demand(a), demand(b)) && within(&a.max_age, &b.max_age)
}

fn approval(a: &Approval, b: &Approval) -> bool {
    // a / of ≥ b / of, without dividing.
    let score = |x: &Approval| x.min_score.map(|min| (min.value, x.of.map_or(Decimal::from_int(1), |of| of.value)));
    let high_enough = match (score(a), score(b)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some((a, of_a)), Some((b, of_b))) => a.mul(of_b).zip(b.mul(of_a)).is_some_and(|(a, b)| a >= b),
    };
    let independent: fn(&Approval) -> &Option<At<Id>> = |x| &x.independent_of;
    a.role.value == b.role.value
        && high_enough
        && number(&a.threshold, 1) >= number(&b.threshold, 1)
        && kept(independent(a), independent(b))
        && has_all(&a.after, &b.after)
}

fn attest(a: &Attest, b: &Attest) -> bool {
    a.role.value == b.role.value && a.statement.value == b.statement.value && within(&a.max_age, &b.max_age)
}

/// Whether every number that passes `a` passes `b`.
fn bound(a: (Comparison, Decimal), b: (Comparison, Decimal)) -> bool {
    use Comparison::{AtLeast, AtMost, Equal, Less, More, NotEqual};
    let ((of_a, a), (of_b, b)) = (a, b);
    match (of_a, of_b) {
        (Equal, AtLeast) => a >= b,
        (Equal, AtMost) => a <= b,
        (Equal | AtLeast, More) => a > b,
        (Equal | AtMost, Less) => a < b,
        (AtLeast | More, AtLeast) | (More, More) => a >= b,
        (AtMost | Less, AtMost) | (Less, Less) => a <= b,
        (Equal, Equal) | (NotEqual, NotEqual) => a == b,
        (Equal, NotEqual) => a != b,
        (AtLeast, NotEqual) => a > b,
        (AtMost, NotEqual) => a < b,
        (More, NotEqual) => a >= b,
        (Less, NotEqual) => a <= b,
        _ => false,
    }
}
