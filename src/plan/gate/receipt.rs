//! Evidence that receipts give: which of them is admissible, and what the latest one says.

use std::rc::Rc;

use super::judge::{Court, Judged, short};
use super::outcome::{Outcome, Pending};
use super::{About, Fault, Receipt, glob, value};
use crate::error::Error;
use crate::plan::evidence::{Attest, Condition, MetricDemand, Receipt as Demand};
use crate::plan::scalars::Span;
use crate::receipts::statement::{Object, Value};

/// More than this helps nobody; the rest is counted.
const MAX_WARNINGS: usize = 3;

/// Whether a receipt is about what is there now.
pub(super) enum Bound {
    Here,
    Stale(String),
    Foreign(String),
    /// About something that was not asked for.
    Elsewhere,
}

/// What a look through the receipts brought.
#[derive(Clone, Default)]
pub(super) struct Search {
    /// The newest admissible receipt of each key, newest first.
    pub(super) admissible: Vec<Rc<Receipt>>,
    /// The newest of those that are not, and why.
    pub(super) left_out: Option<(Outcome, String, String)>,
    pub(super) warnings: Vec<String>,
}

impl Search {
    fn leave_out(&mut self, outcome: Outcome, receipt: &Receipt, why: String) {
        if self.admissible.is_empty() {
            self.warnings.push(format!("receipt {} does not count: {why}", short(&receipt.id)));
        }
        self.left_out.get_or_insert((outcome, receipt.id.clone(), why));
    }

    fn few_warnings(mut self) -> Self {
        if self.warnings.len() > MAX_WARNINGS {
            let more = self.warnings.len() - MAX_WARNINGS;
            self.warnings.truncate(MAX_WARNINGS);
            self.warnings.push(format!("{more} more receipts do not count"));
        }
        self
    }
}

impl<'a> Court<'a> {
    /// Goes through receipts from the newest and stops at the first that is admissible, or looks at every key.
    pub(super) fn search(
        &self,
        mut places: Vec<u32>,
        role: Option<&str>,
        every_key: bool,
        bound: &dyn Fn(&Receipt) -> Result<Bound, Error>,
    ) -> Result<Search, Error> {
        places.sort_unstable();
        places.dedup();
        let mut search = Search::default();
        for place in places {
            let Some(receipt) = self.inputs.receipts.open(place)? else { continue };
            let untrusted = Outcome::Untrusted;
            match &receipt.fault {
                // Whoever signed it: what is not about this at all is nobody's warning.
                Some(_) if matches!(bound(&receipt)?, Bound::Elsewhere) => continue,
                Some(Fault::Foreign(why)) => {
                    search.leave_out(Outcome::Pending(Pending::Foreign), &receipt, why.clone());
                    continue;
                }
                Some(Fault::Untrusted(why)) => {
                    search.leave_out(untrusted, &receipt, why.clone());
                    continue;
                }
                None => {}
            }
            match bound(&receipt)? {
                Bound::Here => {}
                Bound::Elsewhere => continue,
                Bound::Stale(why) => {
                    search.leave_out(Outcome::Pending(Pending::Stale), &receipt, why);
                    continue;
                }
                Bound::Foreign(why) => {
                    search.leave_out(Outcome::Pending(Pending::Foreign), &receipt, why);
                    continue;
                }
            }
            if let Some(role) = role {
                match &receipt.signer {
                    None => {
                        search.leave_out(untrusted, &receipt, format!("no trust policy says who is {role}"));
                        continue;
                    }
                    Some(signer) if !signer.roles.iter().any(|r| r == role) => {
                        let why = format!("{}'s key does not have the role {role}", signer.name);
                        search.leave_out(Outcome::Pending(Pending::Missing), &receipt, why);
                        continue;
                    }
                    Some(_) => {}
                }
            }
            if !search.admissible.iter().any(|other| other.key == receipt.key) {
                search.admissible.push(receipt);
            }
            if !every_key {
                break;
            }
        }
        Ok(search.few_warnings())
    }

    /// What a search without an admissible receipt means.
    pub(super) fn nothing(&self, search: Search, wanted: String, next: String) -> Judged {
        let Search { left_out, warnings, .. } = search;
        let mut judged = match left_out {
            Some((outcome, id, why)) => {
                let mut judged = Judged::new(outcome, wanted, format!("receipt {}: {why}", short(&id)));
                judged.receipts.push(id);
                judged.next(match outcome {
                    Outcome::Untrusted if !self.inputs.has_policy => {
                        "say in bizra-trust.json who may: `bizra trust init`".to_owned()
                    }
                    Outcome::Untrusted => "`bizra receipts audit` says what is wrong with it".to_owned(),
                    _ => next,
                })
            }
            None => Judged::missing(wanted, "no receipt").next(next),
        };
        // What decided is told already.
        judged.warnings = warnings.into_iter().skip(1).collect();
        judged
    }

    pub(super) fn receipt(&self, demand: &Demand) -> Result<Judged, Error> {
        let predicate = demand.predicate.value.as_str();
        let mut wanted = format!("receipt {predicate}");
        if let Some(subject) = &demand.subject {
            let paths: Vec<&str> = subject.paths.iter().map(|p| p.value.as_str()).collect();
            wanted += &format!(" about {}", paths.join(", "));
        }
        if let Some(signers) = &demand.signed_by {
            wanted += &format!(" by {}", signers.role.value);
        }
        for condition in &demand.r#where {
            wanted += &format!("; {}", said(condition));
        }
        let next = format!("run {}", maker(predicate));
        let role = demand.signed_by.as_ref().map(|s| s.role.value.0.as_str());
        let threshold = demand.signed_by.as_ref().and_then(|s| s.threshold.as_ref()).map_or(1, |t| t.value as usize);
        let every_key = threshold > 1 || self.inputs.every_key;
        let search = match &demand.subject {
            None => {
                let places = self.inputs.receipts.find(predicate, About::Anything);
                self.search(places, role, every_key, &|receipt| self.bound_by_itself(receipt))?
            }
            Some(subject) => {
                let globs: Vec<&str> = subject.paths.iter().map(|p| p.value.as_str()).collect();
                let committed = subject.at.as_ref().is_some_and(|at| at.value == "head");
                let files = self.inputs.files.matching(&globs, committed)?;
                let Some(first) = files.first() else {
                    return Ok(Judged::missing(wanted, format!("no file fits {}", globs.join(", ")))
                        .next("correct the paths in the plan, or commit the files"));
                };
                let places = self.places_about(predicate, &first.path, &first.sha256, &globs, committed)?;
                self.search(places, role, every_key, &|receipt| self.bound_to(receipt, &globs, committed))?
            }
        };
        if search.admissible.is_empty() {
            return Ok(self.nothing(search, wanted, next));
        }
        let judge =
            |receipt: &Receipt| self.what_it_says(receipt, &demand.r#where, demand.max_age.as_ref().map(|a| a.value));
        let latest = &search.admissible[0];
        let (mut outcome, mut found) = judge(latest);
        let mut receipts = vec![latest.id.clone()];
        let mut next = next;
        if outcome == Outcome::Met && threshold > 1 {
            let agreeing: Vec<&Rc<Receipt>> = search.admissible.iter().filter(|r| judge(r).0 == Outcome::Met).collect();
            receipts = agreeing.iter().take(threshold).map(|r| r.id.clone()).collect();
            found = format!("{found}; {} of {threshold} keys", agreeing.len());
            if agreeing.len() < threshold {
                outcome = Outcome::Pending(Pending::Missing);
                next = format!("let another key of that role run {}", maker(predicate));
            }
        } else if outcome == Outcome::Met && self.inputs.every_key {
            let second = search.admissible.iter().skip(1).find(|r| judge(r).0 == Outcome::Met);
            receipts.extend(second.map(|r| r.id.clone()));
        }
        let mut judged = Judged::new(outcome, wanted, found);
        judged.time = Some(latest.time);
        judged.receipts = receipts;
        judged.warnings = search.warnings;
        Ok(if outcome == Outcome::Met { judged } else { judged.next(next) })
    }

    /// Receipts that may be about a file as it is: by its bytes, by a commit with the same bytes, else by its name.
    fn places_about(
        &self,
        predicate: &str,
        path: &str,
        sha256: &str,
        globs: &[&str],
        committed: bool,
    ) -> Result<Vec<u32>, Error> {
        let receipts = self.inputs.receipts;
        let mut places = receipts.find(predicate, About::Exactly(path, sha256));
        let commits = receipts.commits(predicate);
        for commit in &commits {
            if self.inputs.files.same_at(commit, globs, committed)? == Some(true) {
                places.extend(receipts.find(predicate, About::Commit(commit)));
            }
        }
        if places.is_empty() {
            places = receipts.find(predicate, About::Named(path));
            places.extend(commits.iter().flat_map(|commit| receipts.find(predicate, About::Commit(commit))));
        }
        Ok(places)
    }

    /// Whether a receipt covers, byte for byte, every file that fits.
    fn bound_to(&self, receipt: &Receipt, globs: &[&str], committed: bool) -> Result<Bound, Error> {
        let subjects = &receipt.statement.subjects;
        if let Some(commit) = subjects.iter().find_map(|s| s.digest("gitCommit")) {
            return Ok(match self.inputs.files.same_at(commit, globs, committed)? {
                Some(true) => Bound::Here,
                Some(false) => Bound::Stale(format!("the files have changed since commit {}", short(commit))),
                None => Bound::Foreign(format!("commit {} is not in this repository", short(commit))),
            });
        }
        let files = self.inputs.files.matching(globs, committed)?;
        let fits = |name: &str| globs.iter().any(|glob| glob::fits(glob, name));
        let theirs: Vec<_> = subjects.iter().filter(|s| fits(&s.name)).collect();
        if theirs.is_empty() {
            return Ok(Bound::Elsewhere);
        }
        for file in files.iter() {
            match theirs.iter().find(|s| s.name == file.path) {
                None => return Ok(Bound::Stale(format!("it does not cover {}", file.path))),
                Some(subject) if subject.digest("sha256") != Some(file.sha256.as_str()) => {
                    return Ok(Bound::Stale(format!("{} has changed since", file.path)));
                }
                Some(_) => {}
            }
        }
        let gone = theirs.iter().find(|s| !files.iter().any(|f| f.path == s.name));
        Ok(gone.map_or(Bound::Here, |s| Bound::Stale(format!("{} is gone since", s.name))))
    }

    /// Where the plan names no subject: what the receipt itself says that it is about must still be so.
    pub(super) fn bound_by_itself(&self, receipt: &Receipt) -> Result<Bound, Error> {
        for subject in &receipt.statement.subjects {
            if let Some(commit) = subject.digest("gitCommit") {
                match self.inputs.files.same_at(commit, &["**"], false)? {
                    Some(true) => {}
                    Some(false) => {
                        return Ok(Bound::Stale(format!("files have changed since commit {}", short(commit))));
                    }
                    None => return Ok(Bound::Foreign(format!("commit {} is not in this repository", short(commit)))),
                }
            } else if glob::fault(&subject.name).is_none() && !glob::is_pattern(&subject.name) {
                let files = self.inputs.files.matching(&[&subject.name], false)?;
                if let Some(file) = files.first()
                    && subject.digest("sha256") != Some(file.sha256.as_str())
                {
                    return Ok(Bound::Stale(format!("{} has changed since", file.path)));
                }
            }
        }
        Ok(Bound::Here)
    }

    /// A receipt's own verdict, its age, and the conditions, in this order.
    fn what_it_says(&self, receipt: &Receipt, conditions: &[Condition], max_age: Option<Span>) -> (Outcome, String) {
        let tag = format!("receipt {} of {}", short(&receipt.id), receipt.time.strftime("%Y-%m-%d %H:%MZ"));
        if let Some(age) = self.too_old(receipt, max_age) {
            return (Outcome::Pending(Pending::Expired), format!("{tag} is {age}"));
        }
        let (verdict, word) = verdict(&receipt.statement.body);
        if verdict != Outcome::Met {
            return (verdict, format!("{tag} says {word}"));
        }
        let mut seen = Vec::new();
        let mut outcomes = Vec::new();
        for condition in conditions {
            let (outcome, what) = compared(&receipt.statement.body, condition);
            outcomes.push(outcome);
            seen.push(what);
        }
        let outcome = if outcomes.is_empty() { Outcome::Met } else { Outcome::all(&outcomes) };
        let seen = if seen.is_empty() { word.to_owned() } else { seen.join("; ") };
        (outcome, if seen.is_empty() { tag } else { format!("{seen} in {tag}") })
    }

    pub(super) fn too_old(&self, receipt: &Receipt, max_age: Option<Span>) -> Option<String> {
        let most = max_age?.0.as_secs();
        let age = u64::try_from(self.inputs.now.as_second() - receipt.time.as_second()).unwrap_or(0);
        (age > most).then(|| format!("{} old, and {} is allowed", length(age), length(most)))
    }

    pub(super) fn metric(&self, demand: &MetricDemand) -> Result<Judged, Error> {
        let id = demand.id.value.0.as_str();
        let unit = demand.unit.as_ref().map(|u| u.value.as_str());
        let wanted = format!("metric {id} {} {}{}", demand.op.value.word(), demand.value.value, spaced(unit));
        let search = self.measured(id)?;
        let Some(latest) = search.admissible.first().cloned() else {
            let claimed = self.plan.metrics.iter().find(|m| m.id.value.0 == id).and_then(|m| m.current.as_ref());
            let mut judged = self.nothing(search, wanted, format!("leave a receipt that measures {id}"));
            if let Some(claimed) = claimed.filter(|_| judged.outcome == Outcome::Pending(Pending::Missing)) {
                judged.found += &format!("; the plan says {}, which is no evidence", claimed.value.value);
            }
            return Ok(judged);
        };
        let found = find_metric(&latest.statement.body, id);
        let tag = format!("in receipt {} of {}", short(&latest.id), latest.time.strftime("%Y-%m-%d %H:%MZ"));
        let (outcome, what) = match self.too_old(&latest, demand.max_age.as_ref().map(|a| a.value)) {
            Some(age) => (Outcome::Pending(Pending::Expired), format!("it is {age}")),
            None => judged_value(found, unit, id, demand.op.value, demand.value.value),
        };
        let mut judged = Judged::new(outcome, wanted, format!("{what} {tag}"));
        judged.time = Some(latest.time);
        judged.receipts.push(latest.id.clone());
        let agrees = |other: &&Rc<Receipt>| {
            self.too_old(other, demand.max_age.as_ref().map(|a| a.value)).is_none()
                && judged_value(find_metric(&other.statement.body, id), unit, id, demand.op.value, demand.value.value).0
                    == Outcome::Met
        };
        if outcome == Outcome::Met && self.inputs.every_key {
            judged.receipts.extend(search.admissible.iter().skip(1).find(agrees).map(|r| r.id.clone()));
        }
        judged.warnings = search.warnings;
        Ok(if outcome == Outcome::Met {
            judged
        } else {
            judged.next(format!("leave a newer receipt that measures {id}"))
        })
    }

    /// The newest admissible receipt that has a metric, by its own `metrics` or by a path into its body.
    pub(super) fn measured(&self, id: &str) -> Result<Search, Error> {
        self.search(self.places_of_metric(id), None, self.inputs.every_key, &|receipt| match find_metric(
            &receipt.statement.body,
            id,
        ) {
            None => Ok(Bound::Elsewhere),
            Some(_) => self.bound_by_itself(receipt),
        })
    }

    pub(super) fn places_of_metric(&self, id: &str) -> Vec<u32> {
        let mut places = self.inputs.receipts.find("*", About::Metric(id));
        if let Some((predicate, _)) = id.split_once('.') {
            places.extend(self.inputs.receipts.find(predicate, About::Anything));
        }
        places
    }

    pub(super) fn attest(&self, demand: &Attest) -> Result<Judged, Error> {
        let (role, statement) = (demand.role.value.0.as_str(), demand.statement.value.trim());
        let wanted = format!("the word of {role}: “{statement}”");
        let next = format!("bizra attest --role {role} --statement '{}'", statement.replace('\'', "'\\''"));
        let places = self.inputs.receipts.find("attestation", About::Said(role, statement));
        let search = self.search(places, Some(role), false, &|receipt| {
            let body = &receipt.statement.body;
            let says = value::text(body, "role") == Some(role)
                && value::text(body, "statement").map(str::trim) == Some(statement);
            if says { self.bound_by_itself(receipt) } else { Ok(Bound::Elsewhere) }
        })?;
        let Some(latest) = search.admissible.first().cloned() else { return Ok(self.nothing(search, wanted, next)) };
        let by = latest.signer.as_ref().map_or("a key", |s| s.name.as_str()).to_owned();
        let (outcome, found) = match self.too_old(&latest, demand.max_age.as_ref().map(|a| a.value)) {
            Some(age) => (Outcome::Pending(Pending::Expired), format!("receipt {} is {age}", short(&latest.id))),
            None => (Outcome::Met, format!("receipt {} by {by}", short(&latest.id))),
        };
        let mut judged = Judged::new(outcome, wanted, found);
        judged.time = Some(latest.time);
        judged.receipts.push(latest.id.clone());
        judged.warnings = search.warnings;
        Ok(if outcome == Outcome::Met { judged } else { judged.next(next) })
    }
}

/// What a receipt says of itself, where it is of a kind that can say no. An unknown word is no yes.
pub(super) fn verdict(body: &Object) -> (Outcome, &str) {
    let members = ["verdict", "decision", "result"];
    let Some(word) = members.iter().find_map(|member| value::text(body, member)) else { return (Outcome::Met, "") };
    let outcome = match word.to_ascii_lowercase().as_str() {
        "pass" | "passed" | "yes" | "met" | "verified" | "open" => Outcome::Met,
        "inconclusive" | "undecided" | "indeterminate" | "skipped" | "pending" => Outcome::Pending(Pending::Missing),
        _ => Outcome::Failed,
    };
    (outcome, word)
}

pub(super) fn find_metric(body: &Object, id: &str) -> Option<value::Found> {
    if let Some(Value::Object(metrics)) = body.get("metrics")
        && let Some(metric) = metrics.get(id)
    {
        return value::at(&Object::new().with("metric", metric.clone()), "metric");
    }
    value::at(body, id.split_once('.')?.1)
}

fn said(condition: &Condition) -> String {
    let unit = condition.unit.as_ref().map(|u| u.value.as_str());
    format!("{} {} {}{}", condition.path.value, condition.op.value.word(), condition.value.value, spaced(unit))
}

fn spaced(unit: Option<&str>) -> String {
    unit.map(|u| format!(" {u}")).unwrap_or_default()
}

fn compared(body: &Object, condition: &Condition) -> (Outcome, String) {
    let path = condition.path.value.as_str();
    let unit = condition.unit.as_ref().map(|u| u.value.as_str());
    judged_value(value::at(body, path), unit, path, condition.op.value, condition.value.value)
}

fn judged_value(
    found: Option<value::Found>,
    unit: Option<&str>,
    path: &str,
    op: crate::plan::schema::Comparison,
    wanted: crate::plan::decimal::Decimal,
) -> (Outcome, String) {
    let missing = Outcome::Pending(Pending::Missing);
    let Some(found) = found else { return (missing, format!("{path} is not there")) };
    if !value::unit_fits(unit, &found, path) {
        let theirs = found.unit.as_deref().unwrap_or("no unit");
        return (missing, format!("{path} is in {theirs}, and {} is asked for", unit.unwrap_or("no unit")));
    }
    match &found.number {
        Err(what) => (Outcome::Failed, format!("{path} is {what}, which is no number")),
        Ok(number) => {
            let outcome = if value::holds(number, op, wanted) { Outcome::Met } else { Outcome::Failed };
            (outcome, format!("{path} is {number}{}", spaced(found.unit.as_deref().or(unit))))
        }
    }
}

/// The command that leaves receipts of a predicate.
fn maker(predicate: &str) -> String {
    match predicate.split('/').next().unwrap_or(predicate) {
        "benchmark" => "`bizra bench MODEL`, such as `bizra bench embedded`".into(),
        "kernel-verification" => "`bizra kernel verify`".into(),
        "inference" => "`bizra infer`".into(),
        "entropy" => "`bizra entropy`".into(),
        "gate-decision" => "`bizra roadmap gate`".into(),
        "attestation" => "`bizra attest --role ROLE --statement '…'`".into(),
        "test-run" => "`bizra attest-tests REPORT`".into(),
        other => format!("what leaves receipts of {other}"),
    }
}

fn length(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}
