//! Approvals: a minimum per role, by people who are independent of the work, given after the evidence was there.
//!
//! An approval counts for a criterion when it is about the criterion itself (its text in the plan, byte for byte) or
//! about files that the criterion's own evidence names. Words about something else approve nothing.

use jiff::Timestamp;

use super::judge::{Court, Judged, short};
use super::matter::Matter;
use super::outcome::{Outcome, Pending};
use super::receipt::{Bound, Search};
use super::{About, Receipt, glob, value};
use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::evidence::{Approval, Evidence, Node};
use crate::receipts::statement::{Object, Subject, Value};

impl<'a> Court<'a> {
    pub(super) fn approval(&self, demand: &Approval, of: &Matter<'a>, waiting: u32) -> Result<Judged, Error> {
        let role = demand.role.value.0.as_str();
        let threshold = demand.threshold.as_ref().map_or(1, |t| t.value as usize);
        let scale = demand.of.as_ref().map_or(Decimal::from_int(10), |of| of.value);
        let mut wanted = format!("approval by {role}");
        if threshold > 1 {
            wanted = format!("{threshold} approvals by {role}");
        }
        if let Some(least) = &demand.min_score {
            wanted += &format!(", each at least {} of {scale}", least.value);
        }
        let score =
            demand.min_score.as_ref().map(|s| format!(" --score {}", s.value)).unwrap_or(" --statement '…'".into());
        let next = format!("bizra attest --role {role}{score} --criterion {}/{}", self.plan.id.value, of.id);

        let independent_of = match &demand.independent_of {
            None => Vec::new(),
            Some(id) if id.value.0 == "owners" => of.owners(self.plan),
            Some(id) => vec![id.value.0.as_str()],
        };
        if demand.independent_of.is_some() && independent_of.is_empty() {
            return Ok(Judged::missing(wanted, "nobody is named as owner, so independence can't be told")
                .next("name the owners of the packages that the criterion covers"));
        }
        let mut not_before = None;
        for id in &demand.after {
            let Some(evidence) = self.evidence_of(&id.value.0, of, waiting)? else {
                return Ok(Judged::missing(wanted, format!("`{}` is no metric or criterion of this gate", id.value))
                    .next("correct `after` in the plan"));
            };
            if evidence.outcome != Outcome::Met {
                let found = format!("it waits for {}, which is {}", id.value, evidence.outcome.words());
                return Ok(Judged::missing(wanted, found).next(evidence.next.unwrap_or(next)));
            }
            not_before = not_before.max(evidence.time);
        }

        let search = self.words(role, of, not_before)?;
        if search.admissible.is_empty() {
            return Ok(self.nothing(search, wanted, next));
        }
        let mut warnings = search.warnings.clone();
        let least = demand.min_score.as_ref().map(|least| (least.value, scale));
        let counted = votes(&search, &independent_of, least, &mut warnings);
        let refusals: Vec<_> = counted.iter().filter(|vote| !vote.enough).collect();
        let (outcome, deciding) = if !refusals.is_empty() {
            (Outcome::Failed, refusals)
        } else if counted.len() >= threshold {
            (Outcome::Met, counted.iter().collect())
        } else {
            (Outcome::Pending(Pending::Missing), counted.iter().collect())
        };
        let mut found: Vec<String> = deciding.iter().map(|vote| vote.told()).collect();
        // Who spoke already, or owns the work, would say it in vain.
        let next = match (&outcome, independent_of.as_slice()) {
            (Outcome::Pending(_), [_, ..]) if counted.len() < search.admissible.len() => {
                format!("let somebody else than {} say it: {next}", independent_of.join(", "))
            }
            (Outcome::Pending(_), _) => format!("let another key with this role say it: {next}"),
            _ => next,
        };
        if outcome == Outcome::Pending(Pending::Missing) {
            found.push(format!("{} of {threshold}", counted.len()));
        }
        let mut judged = Judged::new(outcome, wanted, found.join("; "));
        judged.time = deciding.iter().map(|vote| vote.receipt.time).max();
        judged.receipts = deciding.iter().map(|vote| vote.receipt.id.clone()).collect();
        judged.warnings = warnings;
        Ok(if outcome == Outcome::Met { judged } else { judged.next(next) })
    }

    /// What has been said about `of` in a role: the latest of each key, and nothing from before `not_before`.
    pub(super) fn words(&self, role: &str, of: &Matter<'_>, not_before: Option<Timestamp>) -> Result<Search, Error> {
        self.search(self.places_of_words(role, of), Some(role), true, &|receipt| {
            if value::text(&receipt.statement.body, "role") != Some(role) {
                return Ok(Bound::Elsewhere);
            }
            let bound = self.bound_to_criterion(&receipt.statement.subjects, of)?;
            match not_before.filter(|after| receipt.time < *after) {
                Some(after) if matches!(bound, Bound::Here) => Ok(Bound::Stale(format!(
                    "it was given before its evidence of {}",
                    after.strftime("%Y-%m-%d %H:%MZ")
                ))),
                _ => Ok(bound),
            }
        })
    }

    /// Attestations that may be about `of`: by its name and the files its evidence names. Patterns fit names that can't
    /// be looked up, so where there is one, all that was said in the role.
    fn places_of_words(&self, role: &str, of: &Matter<'_>) -> Vec<u32> {
        let find = |about| self.inputs.receipts.find("attestation", about);
        let files = of.evidence.map(named_files).unwrap_or_default();
        if files.iter().any(|path| glob::is_pattern(path)) {
            return find(About::Role(role));
        }
        let own = of.name(self.plan);
        let mut places = find(About::Named(&own));
        places.extend(files.iter().flat_map(|path| find(About::Named(path))));
        places
    }

    /// Whether an attestation is about this criterion as it stands.
    fn bound_to_criterion(&self, subjects: &[Subject], of: &Matter<'_>) -> Result<Bound, Error> {
        let own = of.name(self.plan);
        if let Some(subject) = subjects.iter().find(|s| s.name == own) {
            let now = Subject::of_bytes(own, &of.text(self.source));
            if subject.digest("sha256") != now.digest("sha256") {
                return Ok(Bound::Stale("the criterion has changed since".into()));
            }
            return Ok(Bound::Here);
        }
        let globs = of.evidence.map(named_files).unwrap_or_default();
        let ours: Vec<&Subject> = subjects.iter().filter(|s| globs.iter().any(|g| glob::fits(g, &s.name))).collect();
        if ours.is_empty() {
            return Ok(Bound::Elsewhere);
        }
        for subject in ours {
            let files = self.inputs.files.matching(&[&subject.name], false)?;
            match files.first() {
                None => return Ok(Bound::Stale(format!("{} is gone since", subject.name))),
                Some(file) if subject.digest("sha256") != Some(file.sha256.as_str()) => {
                    return Ok(Bound::Stale(format!("{} has changed since", file.path)));
                }
                Some(_) => {}
            }
        }
        Ok(Bound::Here)
    }

    /// The evidence behind a metric or criterion of this gate.
    fn evidence_of(&self, id: &str, of: &Matter<'a>, waiting: u32) -> Result<Option<Judged>, Error> {
        let beside: Vec<Matter<'a>> = self.beside.iter().map(Matter::from).collect();
        for evidence in std::iter::once(of).chain(&beside).filter_map(|matter| matter.evidence) {
            let mut demand = None;
            evidence.walk(&mut |node| {
                if let Node::Metric(metric) = &node.node
                    && metric.id.value.0 == id
                {
                    demand = Some(metric);
                }
            });
            if let Some(demand) = demand {
                return self.metric(demand).map(Some);
            }
        }
        match beside.iter().find(|matter| matter.id.0 == id) {
            Some(matter) => self.judge(matter, waiting + 1).map(Some),
            None => Ok(None),
        }
    }
}

/// What somebody who may speak said.
pub(super) struct Vote<'s> {
    pub(super) receipt: &'s Receipt,
    pub(super) said: String,
    pub(super) enough: bool,
}

impl Vote<'_> {
    pub(super) fn told(&self) -> String {
        format!("{} (receipt {})", self.said, short(&self.receipt.id))
    }
}

/// The words that count: of people without a part in the work, measured by the least score of a scale.
pub(super) fn votes<'s>(
    search: &'s Search,
    independent_of: &[&str],
    least: Option<(Decimal, Decimal)>,
    warnings: &mut Vec<String>,
) -> Vec<Vote<'s>> {
    let mut counted = Vec::new();
    for receipt in &search.admissible {
        let name = receipt.signer.as_ref().map_or("", |s| s.name.as_str());
        if independent_of.iter().any(|owner| owner.to_lowercase() == name.to_lowercase()) {
            let id = short(&receipt.id);
            warnings.push(format!("{name} owns the work, so this approval does not count (receipt {id})"));
            continue;
        }
        let (enough, said) = match least {
            None => (true, format!("{name} approves")),
            Some((least, scale)) => match score_of(&receipt.statement.body) {
                None => (false, format!("{name} gives no score")),
                Some((value, of)) => {
                    let enough = match (value.mul(scale), least.mul(of)) {
                        (Some(theirs), Some(ours)) => theirs >= ours,
                        _ => false,
                    };
                    (enough, format!("{name} gives {value} of {of}"))
                }
            },
        };
        counted.push(Vote { receipt, said, enough });
    }
    counted
}

/// The paths that a criterion's evidence names.
fn named_files(evidence: &Evidence) -> Vec<&str> {
    let mut globs = Vec::new();
    evidence.walk(&mut |node| match &node.node {
        Node::File(file) => globs.push(file.path.value.as_str()),
        Node::Receipt(receipt) => {
            globs.extend(receipt.subject.iter().flat_map(|s| &s.paths).map(|p| p.value.as_str()));
        }
        _ => {}
    });
    globs
}

pub(super) fn score_of(body: &Object) -> Option<(Decimal, Decimal)> {
    let Some(Value::Object(score)) = body.get("score") else { return None };
    let number = |member| Decimal::parse(value::text(score, member)?).ok();
    Some((number("value")?, number("of")?))
}
