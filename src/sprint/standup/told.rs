//! What a standup knows of each piece of work, and the section of what is done.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Asked, Before, Entry, Group, Kind, Linked, Mark, Section, Seen, is_person, sections};
use crate::plan::Linted;
use crate::plan::gate::{Judged, Outcome};
use crate::plan::schema::{Class, Plan, Task};
use crate::sprint::timeline::Position;
use crate::sprint::work::{self, Board, Piece};

/// As many lines as a group shows; the rest is counted.
pub(super) const MOST: usize = 10;
/// As many commits as are shown under one piece of work.
const MOST_UNDER: usize = 5;

pub(super) struct Told<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) board: &'a Board<'a>,
    commits: &'a [Linked],
    people: Option<&'a BTreeSet<String>>,
    linked: HashMap<&'a str, Vec<&'a Linked>>,
    /// Statuses and ticks as they were when the window began; none where nothing tells.
    before: Option<Claims<'a>>,
}

struct Claims<'a> {
    done: BTreeSet<&'a str>,
    ticked: BTreeSet<(u32, &'a str)>,
}

impl<'a> Told<'a> {
    pub(super) fn of(asked: &'a Asked<'a>, commits: &'a [Linked], people: Option<&'a BTreeSet<String>>) -> Self {
        let mut linked: HashMap<&str, Vec<&Linked>> = HashMap::new();
        for commit in commits {
            commit.links.iter().for_each(|link| linked.entry(&link.to).or_default().push(commit));
        }
        let before = match asked.before {
            Before::Plan(before) => {
                let linted = Linted::new(before.plan, asked.source);
                let packages = linted.packages().map(|package| package.id.value.0.as_str());
                let ids = packages.chain(before.plan.items.iter().map(|item| item.id.value.0.as_str()));
                let done = ids.filter(|id| linted.class_of(id) == Some(Class::Done)).collect();
                let ticked = tasks_of_days(before.plan).filter(|(_, t)| is_ticked(t));
                Some(Claims { done, ticked: ticked.map(|(n, t)| (n, t.text.value.as_str())).collect() })
            }
            // Whatever is said in a file that is new was said with it; boxes count on their own days.
            Before::Nothing => {
                let ticked = tasks_of_days(asked.now.plan).map(|(n, t)| (n, t.text.value.as_str())).collect();
                Some(Claims { done: BTreeSet::new(), ticked })
            }
            Before::Invalid | Before::Unknown => None,
        };
        Told { asked, board: asked.board, commits, people, linked, before }
    }

    pub(super) fn section(&self, title: &str) -> Section {
        let kind = Kind::of(title);
        let groups = match kind {
            Kind::Done => self.done(),
            Kind::Blocked => self.blocked(),
            Kind::Next => self.next(),
            Kind::Entropy => sections::entropy(self.asked.entropy, self.asked.zone),
            Kind::Metrics => sections::metrics(self.asked.now.plan),
            Kind::Risks => sections::risks(self.asked.now.plan),
            Kind::Own | Kind::Scope => sections::own(),
        };
        Section { title: title.to_owned(), kind, groups }
    }

    pub(super) fn plan(&self) -> &'a Plan {
        self.asked.now.plan
    }

    fn proof(&self, id: &str) -> Option<&'a Judged> {
        self.board.proofs.get(id)
    }

    /// The day whose work is in play; before the sprint its first, after it its last.
    pub(super) fn day(&self) -> Option<u32> {
        match self.asked.window.place {
            Position::Day(_) | Position::Between { next: Some(_), .. } => self.asked.window.day,
            Position::Between { after, next: None } => Some(after),
            Position::Before { .. } => Some(1),
            Position::After { .. } => Some(u32::MAX),
            Position::Undated => None,
        }
    }

    /// Whether this is work of those whose standup it is.
    pub(super) fn is_meant(&self, piece: &Piece<'_>) -> bool {
        self.people.is_none_or(|people| piece.people.iter().any(|who| people.contains(*who)))
    }

    /// The same for what lies ahead: where nobody of the sprint is meant, nothing tells whose it is.
    pub(super) fn may_be_meant(&self, piece: &Piece<'_>) -> bool {
        self.people.is_none_or(BTreeSet::is_empty) || self.is_meant(piece)
    }

    pub(super) fn is_everybodys(&self) -> bool {
        self.people.is_none()
    }

    pub(super) fn entry(&self, piece: &Piece<'_>) -> Entry {
        Entry {
            mark: piece.id.map_or(Mark::None, |id| Mark::Work(id.to_owned())),
            text: piece.name.to_owned(),
            who: piece.people.first().map(|who| (*who).to_owned()).into_iter().collect(),
            ..Entry::default()
        }
    }

    /// What says, in this window and without evidence, that work is done.
    fn claim(&self, piece: &Piece<'_>, id: &str) -> Option<String> {
        let is_new = match &self.before {
            Some(before) => !before.done.contains(id),
            None => self.ends_today(piece),
        };
        if piece.claim.class == Some(Class::Done) && (is_new || self.linked.contains_key(id)) {
            return Some("its status says that it is done".into());
        }
        let today = self.asked.window.day?;
        if piece.claim.day == Some(today) {
            return Some(format!("reported at 100 % on day {today}"));
        }
        let counts = self.plan().days.iter().filter(|d| d.n.value == today).filter_map(|d| d.counts.as_ref());
        let named = counts.flat_map(|c| &c.named).any(|named| named.value.0 == id);
        named.then(|| format!("named as complete on day {today}"))
    }

    fn ends_today(&self, piece: &Piece<'_>) -> bool {
        self.asked.window.day.is_some_and(|day| piece.window.is_some_and(|window| window.last == day))
    }

    fn done(&self) -> Vec<Group> {
        let (mut done, mut claimed, mut worked) = (Vec::new(), Vec::new(), Vec::new());
        for piece in self.board.pieces.iter().filter(|piece| piece.kind != work::Kind::Task) {
            let Some(id) = piece.id else { continue };
            let links = self.linked.get(id).map_or(&[][..], Vec::as_slice);
            if links.is_empty() && !self.is_meant(piece) {
                continue;
            }
            let shown = self.shown(id);
            let is_new = shown.and_then(|judged| judged.time).is_some_and(|time| self.asked.window.holds(time));
            let claim = self.claim(piece, id);
            let mut entry = Entry { under: self.under(links), ..self.entry(piece) };
            match (shown, claim) {
                (Some(judged), claim) if is_new || claim.is_some() => {
                    entry.receipts.clone_from(&judged.receipts);
                    done.push(entry);
                }
                (_, Some(claim)) => {
                    entry.words.push(claim);
                    entry.words.extend(self.unverified(id));
                    claimed.push(entry);
                }
                (shown, None) if !links.is_empty() => {
                    if let Some(judged) = shown {
                        entry.words.push("shown before".into());
                        entry.receipts.clone_from(&judged.receipts);
                    }
                    worked.push(entry);
                }
                _ => {}
            }
        }
        self.tasks(&mut done, &mut claimed, &mut worked);
        let mut groups = vec![Group { entries: done, ..Group::default() }];
        let labelled = |label: &str, entries| Group { label: Some(label.to_owned()), entries, more: 0 };
        groups.push(labelled("Claimed, unverified", claimed));
        if !self.asked.whose.by_person {
            groups.push(labelled("Worked on", worked));
        }
        groups.extend(self.other_receipts(&groups));
        groups.extend(if self.asked.whose.by_person {
            self.people()
        } else {
            self.other_commits().into_iter().collect()
        });
        groups.retain(|group| !group.entries.is_empty() || group.label.as_ref().is_some_and(|_| group.more > 0));
        if groups.first().is_none_or(|group| group.label.is_some()) {
            let nothing = match groups.is_empty() {
                true => "Nothing: no receipt, no claim and no commit in this window.",
                false => "Nothing that a receipt shows.",
            };
            groups.insert(0, Group { entries: vec![Entry::text(nothing)], ..Group::default() });
        }
        groups
    }

    /// What evidence shows, where receipts are part of it.
    fn shown(&self, id: &str) -> Option<&'a Judged> {
        self.proof(id).filter(|judged| judged.outcome == Outcome::Met && !judged.receipts.is_empty())
    }

    /// Why a claim is none that is verified.
    fn unverified(&self, id: &str) -> Vec<String> {
        let Some(judged) = self.proof(id) else { return vec!["nothing in the plan could show it".into()] };
        if judged.outcome == Outcome::Met {
            return vec!["the files are there, and no receipt says so".into()];
        }
        let mut words = vec![judged.outcome.words().to_owned()];
        words.extend(judged.next.iter().map(|next| format!("next: {next}")));
        words
    }

    fn tasks(&self, done: &mut Vec<Entry>, claimed: &mut Vec<Entry>, worked: &mut Vec<Entry>) {
        for (day, task) in tasks_of_days(self.plan()) {
            let id = task.id.as_ref().map(|id| id.value.0.as_str());
            let links = id.and_then(|id| self.linked.get(id)).map_or(&[][..], Vec::as_slice);
            let of_today = self.asked.window.day == Some(day);
            let was_open =
                || self.before.as_ref().is_some_and(|b| !b.ticked.contains(&(day, task.text.value.as_str())));
            let is_claimed = is_ticked(task) && (of_today || was_open());
            let of = id.or(task.item.as_ref().map(|item| item.value.0.as_str()));
            let shown = of.and_then(|of| self.shown(of));
            let is_new = shown.and_then(|judged| judged.time).is_some_and(|time| self.asked.window.holds(time));
            let mut entry = task_entry(task);
            entry.under = self.under(links);
            if links.is_empty() && !self.is_everybodys() {
                continue;
            }
            match shown {
                Some(judged) if is_claimed || (id.is_some() && is_new) => {
                    entry.receipts.clone_from(&judged.receipts);
                    done.push(entry);
                }
                _ if is_claimed => {
                    entry.words.insert(0, "ticked in the plan".into());
                    entry.words.extend(of.map(|of| self.unverified(of)).unwrap_or_default());
                    claimed.push(entry);
                }
                _ if !links.is_empty() => worked.push(entry),
                _ => {}
            }
        }
    }

    fn under(&self, links: &[&Linked]) -> Vec<Entry> {
        if self.asked.whose.by_person {
            return Vec::new();
        }
        let mut under: Vec<Entry> = links.iter().take(MOST_UNDER).map(|linked| commit_entry(linked)).collect();
        if links.len() > MOST_UNDER {
            under.push(Entry::text(format!("and {} more commits", links.len() - MOST_UNDER)));
        }
        under
    }

    fn other_commits(&self) -> Option<Group> {
        let others: Vec<&Linked> = self.commits.iter().filter(|linked| linked.links.is_empty()).collect();
        let merges = others.iter().filter(|linked| linked.commit.is_merge()).count();
        let plain: Vec<&&Linked> = others.iter().filter(|linked| !linked.commit.is_merge()).collect();
        let mut label = format!("Other commits: {}", plain.len());
        if merges > 0 {
            label += &format!(", and {}", plural(merges, "merge"));
        }
        let entries: Vec<Entry> = plain.iter().take(MOST).map(|linked| commit_entry(linked)).collect();
        let more = plain.len() - entries.len();
        let mut entries = entries;
        if entries.is_empty() && merges > 0 {
            entries.push(Entry::text("nothing but what was merged"));
        }
        (!others.is_empty()).then_some(Group { label: Some(label), entries, more })
    }

    /// Commits by author, those of the sprint in its order first.
    fn people(&self) -> Vec<Group> {
        let plan = self.plan();
        let place = |linked: &Linked| plan.people.iter().position(|p| is_person(&linked.commit.author, &p.id.value.0));
        let mut by_author: BTreeMap<(usize, &str), Vec<&Linked>> = BTreeMap::new();
        for linked in self.commits {
            let key = match place(linked) {
                Some(place) => (place, plan.people[place].id.value.0.as_str()),
                None => (usize::MAX, linked.commit.author.called()),
            };
            by_author.entry(key).or_default().push(linked);
        }
        let group = |((place, name), commits): ((usize, &str), Vec<&Linked>)| {
            let team = plan.people.get(place).and_then(|p| p.team.as_ref()).map(|team| format!(" ({})", team.value));
            let (merges, plain): (Vec<&Linked>, Vec<&Linked>) = commits.into_iter().partition(|l| l.commit.is_merge());
            let mut label = format!("{name}{}: {}", team.unwrap_or_default(), plural(plain.len(), "commit"));
            if !merges.is_empty() {
                label += &format!(", and {}", plural(merges.len(), "merge"));
            }
            let entries: Vec<Entry> = plain.iter().take(MOST).map(|linked| by_its_author(linked)).collect();
            let more = plain.len() - entries.len();
            let entries = if entries.is_empty() { vec![Entry::text("nothing but what was merged")] } else { entries };
            Group { label: Some(label), entries, more }
        };
        by_author.into_iter().map(group).collect()
    }

    /// Receipts of the window that stand behind nothing above.
    fn other_receipts(&self, groups: &[Group]) -> Option<Group> {
        if !self.is_everybodys() {
            return None;
        }
        let used: BTreeSet<&String> = groups.iter().flat_map(|g| &g.entries).flat_map(|e| &e.receipts).collect();
        let others = || self.asked.receipts.iter().filter(|seen| !used.contains(&seen.id));
        let mut kinds: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
        others().for_each(|seen| kinds.entry(&seen.kind).or_default().push(seen));
        let entry = |(kind, seen): (&str, Vec<&Seen>)| {
            let doubtful = seen.iter().filter(|seen| !seen.trusted).count();
            let mut entry = Entry::text(format!("{} {kind}", seen.len()));
            if doubtful > 0 {
                entry.words.push(format!("{doubtful} of them not trusted"));
            }
            entry.receipts = seen.iter().take(3).map(|seen| seen.id.clone()).collect();
            entry
        };
        let entries: Vec<Entry> = kinds.into_iter().map(entry).collect();
        let label = Some(format!("Other receipts: {}", others().count()));
        (!entries.is_empty()).then_some(Group { label, entries, more: 0 })
    }
}

pub(super) fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("one {what}") } else { format!("{n} {what}s") }
}

fn is_ticked(task: &Task) -> bool {
    task.done.as_ref().is_some_and(|done| done.value)
}

pub(super) fn tasks_of_days(plan: &Plan) -> impl Iterator<Item = (u32, &Task)> {
    plan.days.iter().flat_map(|day| day.tasks.iter().map(|task| (day.n.value, task)))
}

pub(super) fn task_entry(task: &Task) -> Entry {
    let mut entry = Entry::text(task.text.value.clone());
    if let Some(id) = task.id.as_ref().or(task.item.as_ref()) {
        entry.mark = Mark::Work(id.value.0.clone());
    }
    for measured in &task.measured {
        let unit = measured.unit.as_ref().map_or(String::new(), |unit| format!(" {}", unit.value));
        entry.words.push(format!("{} {}{unit}", measured.metric.value, measured.value.value));
    }
    if let Some(passed) = &task.passed {
        entry.words.push(format!("{} of {} passed", passed.passed.value, passed.of.value));
    }
    entry
}

fn commit_entry(linked: &Linked) -> Entry {
    let commit = &linked.commit;
    let who = commit.by().map(|who| who.called().to_owned()).collect();
    Entry { mark: Mark::Commit(commit.id.clone()), text: subject(linked), who, ..Entry::default() }
}

/// The same under the author's name.
fn by_its_author(linked: &Linked) -> Entry {
    let mut entry = commit_entry(linked);
    entry.who.clear();
    let items: Vec<&str> = linked.links.iter().map(|link| link.to.as_str()).collect();
    if !items.is_empty() {
        entry.words.push(items.join(", "));
    }
    let others: Vec<&str> = linked.commit.coauthors.iter().map(super::Who::called).collect();
    if !others.is_empty() {
        entry.words.push(format!("with {}", others.join(", ")));
    }
    entry
}

fn subject(linked: &Linked) -> String {
    const LONGEST: usize = 100;
    let subject = linked.commit.subject();
    if subject.is_empty() {
        return "(no message)".into();
    }
    let mut short: String = subject.chars().take(LONGEST).collect();
    if short.len() < subject.len() {
        short.push('…');
    }
    short
}
