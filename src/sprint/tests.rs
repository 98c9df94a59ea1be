//! Sprints made up here, decided and counted against a ledger made up beside them.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::timeline::Timeline;
use super::work::{Board, State};
use super::{day, gonogo, metrics, next, risks, status};
use crate::plan::gate::tests::{NOW, World, receipt, world};
use crate::plan::gate::{Decision, Fault, Inputs, Matter, Outcome, Receipt};
use crate::receipts::statement::{Object, Subject};
use crate::sys::plans::Loaded;

/// A sprint of UTC with these sections.
pub(crate) fn sprint(sections: &str) -> Loaded {
    let text = format!("bizra: sprint/v1\nid: s\ntitle: T\ntimezone: UTC\n{sections}");
    let loaded = crate::sys::plans::read("sprints/s.yaml".as_ref(), text.as_bytes());
    loaded.unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"))
}

fn inputs(world: &World) -> Inputs<'_> {
    let now = NOW.parse().unwrap();
    Inputs { receipts: world, files: world, commands: world, now, has_policy: !world.no_policy, every_key: false }
}

const BOARD: &str = "\
people: [{id: ada}, {id: bob}, {id: dan}]
items: [{id: A1, name: One, lead: dan, evidence: {file: {path: a.rs}}}]
approvals:
  average: {value: 9, of: 10}
  members:
    - {who: ada, role: review, min: {value: 8, of: 10}}
    - {who: bob, role: tests, min: {value: 4, of: 5}}
go_no_go: {day: 1, criteria: [{id: shipped, evidence: {file: {path: b.rs}}}]}
";

/// What a key said about the go/no-go of a sprint, `ago` minutes before now.
fn said(loaded: &Loaded, by: &str, ago: i64, role: &str, score: &str) -> Receipt {
    let matter = Matter::go_no_go(&loaded.plan).expect("there is something to decide");
    let subject = Subject::of_bytes(matter.name(&loaded.plan), &matter.text(&loaded.source));
    let score = Object::new().with("of", "10").with("value", score);
    receipt(by, ago, "attestation", &[subject], Object::new().with("role", role).with("score", score))
}

fn decided(sections: &str, receipts: impl FnOnce(&Loaded) -> Vec<Receipt>) -> Decision {
    let loaded = sprint(sections);
    let mut receipts = receipts(&loaded);
    receipts.sort_by_key(|r| std::cmp::Reverse(r.time));
    gonogo::decide(&loaded.plan, &loaded.source, &inputs(&world(receipts))).unwrap()
}

fn outcome_of(decision: &Decision, id: &str) -> String {
    let criterion = decision.criteria.iter().find(|c| c.id == id).unwrap_or_else(|| panic!("no {id}: {decision:#?}"));
    let judged = &criterion.judged;
    assert_eq!(judged.next.is_none(), judged.outcome == Outcome::Met, "what is not met has a next step: {judged:#?}");
    judged.outcome.words().to_owned()
}

#[test]
fn a_go_needs_every_approval_all_work_and_every_criterion() {
    let both = |l: &Loaded| vec![said(l, "ada:review", 2, "review", "9"), said(l, "bob:tests", 1, "tests", "9")];
    let go = decided(BOARD, both);
    assert_eq!(go.outcome, Outcome::Met, "{go:#?}");
    let ids: Vec<&str> = go.criteria.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["approval/review", "approval/tests", "approval/average", "item/A1", "blockers", "shipped"]);
    assert_eq!((go.policy.as_str(), go.phase.as_str()), ("go/no-go", "go_no_go"));
    let check = |from: &str, to: &str, outcome: &str| {
        let decision = decided(&BOARD.replace(from, to), both);
        assert_eq!(decision.outcome.words(), outcome, "{to}: {decision:#?}");
    };
    check("{file: {path: a.rs}}", "{file: {path: none}}", "pending: missing");
    check("{file: {path: b.rs}}", "{file: {path: b.rs, min_bytes: 99}}", "failed");
    check("average: {value: 9,", "average: {value: 9.1,", "failed");
    check("id: A1,", "id: A1, status: blocked,", "met");
    check("go_no_go:", "blockers: [{name: No room, blocks: [A1]}]\ngo_no_go:", "met");
    check("go_no_go:", "blockers: [{name: No room}]\ngo_no_go:", "failed");
    check("go_no_go:", "dependencies: [{text: A machine, done: false}]\ngo_no_go:", "failed");
    check(", evidence: {file: {path: a.rs}}}", "}", "pending: missing");
    check("items: [{id: A1, name: One, lead: dan, evidence: {file: {path: a.rs}}}]\n", "", "pending: missing");
}

#[test]
fn a_sprint_without_a_board_or_a_question_is_no_yes() {
    let bare = sprint("items: [{id: A1, name: One, evidence: {file: {path: a.rs}}}]\n");
    let world = world(vec![]);
    let refused = gonogo::decide(&bare.plan, &bare.source, &inputs(&world)).unwrap_err();
    assert_eq!(refused.exit, crate::error::Exit::Invalid);
    let nobody =
        decided("items: [{id: A1, name: One, evidence: {file: {path: a.rs}}}]\ngo_no_go: {day: 1}\n", |_| vec![]);
    assert_eq!(outcome_of(&nobody, "approvals"), "pending: missing");
    assert_eq!(nobody.outcome.word(), "pending");
}

#[test]
fn each_key_speaks_for_one_seat() {
    let seats = |receipts: &dyn Fn(&Loaded) -> Vec<Receipt>| {
        let decision = decided(BOARD, receipts);
        [outcome_of(&decision, "approval/review"), outcome_of(&decision, "approval/tests")].join(", ")
    };
    let one_key =
        |l: &Loaded| vec![said(l, "ada:review,tests", 2, "review", "9"), said(l, "ada:review,tests", 1, "tests", "9")];
    assert_eq!(seats(&one_key), "met, pending: missing");
    // Only if the key of both roles takes the second seat are both filled.
    let two_keys = |l: &Loaded| {
        let mut all = one_key(l);
        all.push(said(l, "cy:review", 3, "review", "9"));
        all
    };
    assert_eq!(seats(&two_keys), "met, met");
}

#[test]
fn approvals_have_minimums_and_come_from_others() {
    let review = |receipts: &dyn Fn(&Loaded) -> Vec<Receipt>| outcome_of(&decided(BOARD, receipts), "approval/review");
    assert_eq!(review(&|_| vec![]), "pending: missing");
    assert_eq!(review(&|l| vec![said(l, "ada:review", 1, "review", "8")]), "met");
    assert_eq!(review(&|l| vec![said(l, "ada:review", 1, "review", "7.99")]), "failed");
    let later = |l: &Loaded| vec![said(l, "ada:review", 1, "review", "9"), said(l, "ada:review", 2, "review", "1")];
    assert_eq!(review(&later), "met", "the latest word of a key counts");
    let refused = |l: &Loaded| vec![said(l, "ada:review", 1, "review", "9"), said(l, "cy:review", 2, "review", "1")];
    assert_eq!(review(&refused), "failed", "one who says no is heard");
    assert_eq!(review(&|l| vec![said(l, "Dan:review", 1, "review", "9")]), "pending: missing", "dan leads the work");
    assert_eq!(review(&|l| vec![said(l, "eve:other", 1, "review", "9")]), "pending: missing");
    let forged = |l: &Loaded| {
        let mut forged = said(l, "ada:review", 1, "review", "9");
        forged.fault = Some(Fault::Untrusted("the signature is wrong".into()));
        vec![forged]
    };
    assert_eq!(review(&forged), "untrusted");
    let changed = |l: &Loaded| {
        let other = sprint(&BOARD.replace("value: 8", "value: 7"));
        assert_ne!(l.source.text, other.source.text);
        vec![said(&other, "ada:review", 1, "review", "9")]
    };
    assert_eq!(review(&changed), "pending: stale", "the minimum has changed since");
}

#[test]
fn approvals_wait_for_what_they_need() {
    let board = |need: &str| BOARD.replace("role: review, ", &format!("role: review, needs: [{need}], "));
    let review = |need: &str, ago| {
        outcome_of(&decided(&board(need), |l| vec![said(l, "ada:review", ago, "review", "9")]), "approval/review")
    };
    assert_eq!(review("shipped", 1), "met");
    assert_eq!(review("A1", 1), "met");
    assert_eq!(review("costs", 1), "pending: missing", "nothing in the plan shows costs");
    let measured =
        board("shipped").replace("evidence: {file: {path: b.rs}}", "evidence: {receipt: {predicate: trial}}");
    let trial = || receipt("ci", 5, "trial", &[], Object::new());
    let when = |ago| {
        outcome_of(&decided(&measured, |l| vec![said(l, "ada:review", ago, "review", "9"), trial()]), "approval/review")
    };
    assert_eq!(when(1), "met");
    assert_eq!(when(9), "pending: stale", "it was given before its evidence");
}

/// Receipts of `ago` minutes before noon of 2026-03-01.
fn measured(ago: i64, metrics: &[(&str, &str, &str)]) -> Receipt {
    let mut all = Object::new();
    for (id, value, unit) in metrics {
        all.insert(*id, Object::new().with("unit", *unit).with("value", *value));
    }
    receipt("ci", ago, "trial", &[], Object::new().with("metrics", all))
}

#[test]
fn metrics_are_what_receipts_say() {
    let loaded = sprint(
        "metrics:
  - {id: speed, name: Speed, target: {value: 35, unit: tok/s}, current: {value: 99, unit: tok/s}}
  - {id: delay, name: Delay, target: {value: 500, unit: ms, op: '<'}}
  - {id: range, name: Range, target: {value: 1, to: 2, unit: s}}
  - {id: silent, name: Silent, target: {value: 1}}
  - {id: aimless, name: Aimless}
",
    );
    let receipts = vec![
        measured(1, &[("speed", "36.5", "tok/s"), ("delay", "0.4", "s"), ("range", "2", "s"), ("aimless", "1", "")]),
        measured(9, &[("speed", "8.63", "tok/s"), ("delay", "700", "ms")]),
        measured(20, &[("speed", "NaN", "tok/s"), ("speed.old", "1", "x")]),
    ];
    let found = metrics::of(&loaded.plan, &loaded.source, &inputs(&world(receipts))).unwrap();
    let told: Vec<String> = found
        .iter()
        .map(|m| format!("{} {} {}", m.metric.id.value, m.verdict.word(), m.why.as_deref().unwrap_or("-")))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    speed met -
    delay unknown the receipt's value is in s, and ms is asked for
    range met -
    silent unknown no receipt measures it
    aimless unknown the plan sets no target
    ");
    let trend: Vec<String> = found[0].trend.iter().map(|r| r.value.as_ref().unwrap().to_string()).collect();
    assert_eq!(trend, ["8.63", "36.5"], "what is no number is no point of a trend");
}

const COUNTED: &str = "\
calendar: {start: 2026-02-27, hours_per_day: 6}
people: [{id: ada}, {id: bob, capacity: 2}]
items:
  - {id: A1, name: One, lead: ada, window: 1-1, effort: [{hours: 8, for: all}], evidence: {receipt: {predicate: trial}}}
  - {id: A2, name: Two, window: 2-3, effort: [{hours: 4, for: all}], needs: [{item: A1}]}
  - {id: A3, name: Three, window: 3-4, effort: [{hours: 4, for: each, each: true}], parts: [{id: x}, {id: y}], needs: [{item: A2}]}
risks:
  - {name: Late, level: LOW, affects: [A1]}
  - {name: Slow, level: High-Risk Items, status: MITIGATED, affects: [A2]}
  - {name: Lost, level: high, affects: [A3]}
days:
  - {n: 1, progress: [{item: A1, percent: 100}], work: [{who: [ada], hours: 7, item: A1, text: w}]}
  - {n: 2, progress: [{item: A2, percent: 100}], counts: {complete: 2}, work: [{who: [ada, bob], hours: 2, item: A2, text: w}]}
  - {n: 3, progress: [{part: x, percent: 50}]}
  - {n: 4, progress: [{item: A3, percent: 100}], schedule: [{from: '08:00', to: '09:30', title: t, work: [{who: [bob], text: a}, {who: [bob], text: b}]}]}
";

#[test]
fn work_burns_down_by_claim_and_by_proof() {
    let loaded = sprint(COUNTED);
    // The receipt is of 2026-02-28, day 2; today is day 3.
    let world = world(vec![receipt("ci", 24 * 60, "trial", &[], Object::new())]);
    let inputs = inputs(&world);
    let board = Board::of(&loaded.plan, &loaded.source, 3, &inputs).unwrap();
    let states: Vec<State> = board.pieces.iter().map(|p| p.state).collect();
    assert_eq!(states, [State::Proven, State::Claimed, State::Doing]);
    assert_eq!(board.pieces[2].claim.percent.map(|p| p.to_string()).as_deref(), Some("25"), "half of one of two parts");
    let timeline = Timeline::of(&loaded.plan);
    let totals = status::totals(&board);
    assert_eq!((totals.all.hours.to_string(), totals.proven.hours.to_string()), ("20".into(), "8".into()));
    assert_eq!(totals.claimed.pieces, 2);
    let burndown = status::burndown(&board, &timeline, &TimeZone::UTC, date(2026, 3, 1)).unwrap();
    let told = |n: Option<crate::plan::decimal::Decimal>| n.map_or("-".to_owned(), |n| n.to_string());
    let points: Vec<String> = burndown
        .points
        .iter()
        .map(|p| format!("{:?} {} {} {}", p.day, p.ideal, told(p.claimed), told(p.proven)))
        .collect();
    insta::assert_snapshot!(points.join("\n"), @r"
    None 20 20 20
    Some(1) 15 12 20
    Some(2) 10 8 12
    Some(3) 5 8 12
    Some(4) 0 - -
    ");
    let load = status::load(&loaded.plan, &timeline, Some(2));
    let told: Vec<String> = load
        .iter()
        .map(|l| format!("{} {} {} {} of {} {:?}", l.who, l.today, l.left, l.whole, l.capacity, l.over))
        .map(|line| line.replace("Decimal { digits: 7, scale: 0 }", "7"))
        .collect();
    assert_eq!(told, ["ada 2 2 9 of 24 [(1, 7)]", "bob 2 3.5 3.5 of 8 []"], "one slot is one stretch of time");
}

#[test]
fn what_is_next_follows_needs_windows_and_people() {
    let loaded = sprint(COUNTED);
    let proven = world(vec![receipt("ci", 24 * 60, "trial", &[], Object::new())]);
    let told = |world: &World, today: u32, who: Option<&str>| {
        let inputs = inputs(world);
        let board = Board::of(&loaded.plan, &loaded.source, today, &inputs).unwrap();
        let next = next::of(&board, Some(today), who).unwrap();
        next.lists().map(|steps| steps.iter().map(|s| s.piece.key.clone()).collect::<Vec<_>>().join(" ")).join(" | ")
    };
    assert_eq!(told(&proven, 3, None), "A3 | A2 |  | ", "A3 rests on what is claimed");
    assert_eq!(told(&proven, 1, None), " |  | A2 | A3", "day 2 is not reported yet");
    assert_eq!(told(&world(vec![]), 1, None), " | A1 | A2 | A3", "a claim lets what needs it come next");
    assert_eq!(told(&proven, 3, Some("bob")), " | A2 |  | ", "bob is scheduled for it");
}

#[test]
fn a_day_is_told_against_what_is_proven() {
    let loaded = sprint(COUNTED);
    let world = world(vec![receipt("ci", 24 * 60, "trial", &[], Object::new())]);
    let inputs = inputs(&world);
    let board = Board::of(&loaded.plan, &loaded.source, 3, &inputs).unwrap();
    let timeline = Timeline::of(&loaded.plan);
    let counted = |n| day::of(&board, &timeline, &TimeZone::UTC, n).map(|told| told.counted).unwrap();
    let first = counted(1);
    assert_eq!((first.stated, first.reported, first.proven_then, first.proven_now), (None, 1, Some(0), 1));
    let second = counted(2);
    assert_eq!((second.stated, second.reported, second.proven_then, second.of), (Some(2), 2, Some(1), 3));
    assert!(day::of(&board, &timeline, &TimeZone::UTC, 5).is_none());
}

#[test]
fn the_register_begins_with_what_is_urgent() {
    let loaded = sprint(COUNTED);
    let world = world(vec![]);
    let inputs = inputs(&world);
    let board = Board::of(&loaded.plan, &loaded.source, 1, &inputs).unwrap();
    let names: Vec<&str> = risks::of(&board).iter().map(|r| r.risk.name.value.as_str()).collect();
    assert_eq!(names, ["Lost", "Slow", "Late"]);
}
