use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::civil::date;
use proptest::prelude::*;

use super::work::Points;
use super::*;
use crate::sys::plans::{self, Loaded};

const HEAD: &str = "bizra: sprint/v1\nid: x\ntitle: X\ntimezone: UTC\n";
/// A Monday.
const FROM: Date = date(2026, 1, 5);

fn ask() -> Ask {
    let spread = (100, 100);
    Ask { from: FROM, runs: 200, seed: 0, spread, assume_hours: None, people: 1, overlap: false }
}

fn load(text: &str) -> Loaded {
    plans::read("plan.yaml".as_ref(), text.as_bytes()).map_err(|e| format!("{e:?}")).expect("a plan")
}

fn proven(text: &str, ask: &Ask, proven: &[&str]) -> Result<Forecast, Vec<Error>> {
    let loaded = load(&format!("{HEAD}{text}"));
    let linted = Linted::new(&loaded.plan, &loaded.source);
    let proven: HashSet<String> = proven.iter().map(|id| (*id).to_owned()).collect();
    let told = forecast(&linted, ask, &proven, &mut |_| ControlFlow::Continue(()))?;
    Ok(told.expect("nobody stopped it"))
}

fn with(text: &str, ask: &Ask) -> Result<Forecast, Vec<Error>> {
    proven(text, ask, &[])
}

fn refused(text: &str, exit: Exit, says: &str) {
    let errors = with(text, &ask()).expect_err("a refusal");
    assert_eq!(errors[0].exit, exit, "{errors:?}");
    assert!(errors[0].message.contains(says), "no “{says}” in {errors:?}");
}

/// The last day when every piece takes its hours exactly.
fn ends(text: &str) -> String {
    ends_if(text, &ask())
}

fn ends_if(text: &str, ask: &Ask) -> String {
    let told = with(text, ask).expect("a forecast");
    let finish = told.overall.finish.expect("something to do");
    assert_eq!((finish.p50, finish.p80, finish.p95), (finish.as_estimated, finish.as_estimated, finish.as_estimated));
    finish.p50.to_string()
}

const WEEK: &str = "calendar: {workdays: [monday, tuesday, wednesday, thursday, friday], holidays: [2026-01-07]}\n";

#[test]
fn hours_become_days_of_the_calendar() {
    let packages = |list: &str| format!("{WEEK}phases: [{{id: a, packages: [{list}]}}]\n");
    assert_eq!(ends(&packages("{id: P-1, name: A, hours: 8}")), "2026-01-05", "a day's work is done that day");
    assert_eq!(ends(&packages("{id: P-1, name: A, hours: 8.5}")), "2026-01-06");
    assert_eq!(ends(&packages("{id: P-1, name: A, hours: 17}")), "2026-01-08", "the holiday is skipped");
    assert_eq!(ends(&packages("{id: P-1, name: A, hours: 40}")), "2026-01-12", "and so is the weekend");
    let ten_times_a_tenth: String = (0..80).map(|n| format!("{{id: P-{n}, name: A, hours: 0.1}},")).collect();
    assert_eq!(ends(&packages(&ten_times_a_tenth)), "2026-01-05", "80 times 0.1 h are 8 h");
    let sunday = Ask { from: date(2026, 1, 11), ..ask() };
    assert_eq!(ends_if(&packages("{id: P-1, name: A, hours: 1}"), &sunday), "2026-01-12");
    let short_days = packages("{id: P-1, name: A, hours: 8}").replace("{workdays", "{hours_per_day: 4, workdays");
    assert_eq!(ends(&short_days), "2026-01-06");
}

#[test]
fn people_do_their_own_in_parallel_and_what_they_share_together() {
    let plan = |list: &str| {
        format!("{WEEK}people: [{{id: ana}}, {{id: ben, capacity: 4}}]\nphases: [{{id: a, packages: [{list}]}}]\n")
    };
    let own = "{id: P-1, name: A, hours: 8, owners: [ana]}, {id: P-2, name: B, hours: 4, owners: [ben]}";
    assert_eq!(ends(&plan(own)), "2026-01-05", "each on the same day");
    assert_eq!(ends(&plan(&own.replace("ana", "ben"))), "2026-01-08", "12 h at 4 h a day");
    let shared = "{id: P-1, name: A, hours: 16, owners: [ana, ben]}";
    assert_eq!(ends(&plan(shared)), "2026-01-06", "8 h each: ben needs two days");
    let anybodys = "{id: P-1, name: A, hours: 8}, {id: P-2, name: B, hours: 4}";
    assert_eq!(ends(&plan(anybodys)), "2026-01-05", "who is free takes the next");
    let three = Ask { people: 3, ..ask() };
    let nobody = "phases: [{id: a, packages: [{id: P-1, name: A, hours: 8}, {id: P-2, name: B, hours: 8}, {id: P-3, name: C, hours: 8}]}]\n";
    assert_eq!((ends(nobody), ends_if(nobody, &three)), ("2026-01-07".into(), "2026-01-05".into()));
}

#[test]
fn needs_gates_and_priorities_decide_what_waits() {
    let two = Ask { people: 2, ..ask() };
    let plan = |needs: &str, gate: &str| {
        format!(
            "phases:\n  - {{id: a{gate}, packages: [{{id: P-1, name: A, hours: 8}}]}}\n  - {{id: b, packages: [{{id: P-2, name: B, hours: 8{needs}}}]}}\n"
        )
    };
    let gate = ", gate: {criteria: [{id: c}]}";
    assert_eq!(ends_if(&plan("", ""), &two), "2026-01-05");
    assert_eq!(ends_if(&plan(", needs: [P-1]", ""), &two), "2026-01-06");
    assert_eq!(ends_if(&plan("", gate), &two), "2026-01-06");
    assert_eq!(ends_if(&plan("", gate), &Ask { overlap: true, ..two.clone() }), "2026-01-05");
    let parts = with(&plan("", gate), &two).expect("a forecast").parts;
    let dates: Vec<_> = parts.iter().map(|p| p.finish.expect("open").p50.to_string()).collect();
    assert_eq!(dates, ["2026-01-05", "2026-01-06"]);

    // The urgent one begins first, and only then can what needs it.
    let chain = "phases: [{id: a, packages: [{id: P-1, name: A, hours: 8, priority: P3}, {id: P-2, name: B, hours: 8, priority: P1}, {id: P-3, name: C, hours: 8, needs: [P-2]}]}]\n";
    assert_eq!(ends_if(chain, &two), "2026-01-06");
    let unranked = chain.replace(", priority: P3", "").replace(", priority: P1", "");
    assert_eq!(ends_if(&unranked, &two), "2026-01-06", "what more waits for goes first");
    assert_eq!(ends_if(&chain.replace("P1", "P4").replace("P3}", "P0}"), &Ask { people: 1, ..two }), "2026-01-07");
}

#[test]
fn items_are_done_by_who_is_scheduled_or_leads() {
    let people = "people: [{id: ana}, {id: ben}]\n";
    let lead = format!(
        "{people}items: [{{id: A, name: A, lead: ana, support: [{{who: ben}}], effort: [{{hours: 8, for: x}}, {{days: 1, for: y}}]}}]\n"
    );
    assert_eq!(ends(&lead), "2026-01-06");
    let scheduled = format!(
        "{people}items: [{{id: A, name: A, effort: [{{hours: 8, for: x, each: true}}], parts: [{{id: a1}}, {{id: a2}}]}}]\ndays: [{{n: 1, work: [{{who: [ana, ben], hours: 3, item: a1, text: x}}]}}]\n"
    );
    assert_eq!(ends(&scheduled), "2026-01-05", "16 h in two halves");
    let unbudgeted =
        scheduled.replace("effort: [{hours: 8, for: x, each: true}], ", "").replace("hours: 3", "hours: 9");
    assert_eq!(ends(&unbudgeted), "2026-01-06", "the scheduled hours count");
}

#[test]
fn what_would_have_to_be_guessed_is_refused() {
    let packages = |list: &str| format!("phases: [{{id: a, packages: [{list}]}}]\n");
    refused("", Exit::Invalid, "nothing to forecast");
    refused(&packages("{id: P-1, name: A}, {id: P-2, name: B, status: done}"), Exit::Undecided, "no hours: P-1");
    refused("items: [{id: A, name: A, effort: [{for: x}]}]\n", Exit::Undecided, "no hours: A");
    refused(
        &packages("{id: P-1, name: A, hours: 1, needs: [P-2]}, {id: P-2, name: B, hours: 1, needs: [P-1]}"),
        Exit::Invalid,
        "P-1 → P-2 → P-1",
    );
    refused(
        &packages("{id: P-1, name: A, estimate: {low: 4, likely: 2, high: 8}}"),
        Exit::Invalid,
        "not in this order",
    );
    let idle = "people: [{id: ana, capacity: 0}]\n";
    refused(
        &format!("{idle}{}", packages("{id: P-1, name: A, hours: 1, owners: [ana]}")),
        Exit::Undecided,
        "no hours a day",
    );
    refused(
        &format!("{idle}{}", packages("{id: P-1, name: A, hours: 1}")),
        Exit::Undecided,
        "nobody in the plan has hours",
    );
    refused(
        &format!("calendar: {{hours_per_day: 0}}\n{}", packages("{id: P-1, name: A, hours: 1}")),
        Exit::Undecided,
        "no hours",
    );
    refused(
        "phases:\n  - {id: a, gate: {criteria: [{id: c}]}, packages: [{id: P-1, name: A, hours: 1, needs: [P-2]}]}\n  - {id: b, packages: [{id: P-2, name: B, hours: 1}]}\n",
        Exit::Invalid,
        "gate holds back",
    );
    refused(
        "lists: [{id: l, entries: [{id: t, text: x, done: false}]}]\nitems: [{id: A, name: A, effort: [{hours: 1, for: x}], needs: [{item: t}]}]\n",
        Exit::Undecided,
        "needs the task t",
    );
    let assumed = Ask { assume_hours: Some(Decimal::from_int(8)), ..ask() };
    assert_eq!(ends_if(&packages("{id: P-1, name: A}, {id: P-2, name: B}"), &assumed), "2026-01-06");
}

#[test]
fn ends_beyond_all_calendars_are_refused() {
    refused(
        "phases: [{id: a, packages: [{id: P-1, name: A, hours: 999999999}]}]\n",
        Exit::Undecided,
        "last day of the calendar",
    );
}

#[test]
fn what_is_only_claimed_is_told_apart_and_done_again() {
    let plan = "phases: [{id: a, packages: [{id: P-1, name: A, hours: 8, status: done}, {id: P-2, name: B, hours: 8, status: done}, {id: P-4, name: D}, {id: P-3, name: C, hours: 8}]}]\n";
    let told = proven(plan, &ask(), &["P-2", "P-4"]).expect("what is proven needs no hours, whatever its status");
    assert_eq!((told.proven, told.claimed), (vec!["P-2".to_owned(), "P-4".to_owned()], vec!["P-1".to_owned()]));
    assert_eq!((told.overall.open, told.overall.done), (1, 3));
    assert_eq!(told.overall.finish.expect("open").p50, FROM);
    assert_eq!(told.again.expect("claimed").expect("known").p95, date(2026, 1, 6));
    let whole = plan.replace("hours: 8}]", "hours: 8, status: done}]");
    let told = proven(&whole, &ask(), &["P-1", "P-2", "P-4"]).expect("a forecast");
    assert_eq!((told.overall.finish, told.overall.done, told.histogram.len()), (None, 4, 0));
    assert_eq!(told.again.expect("claimed").expect("known").p50, FROM);
    let unknown = plan.replacen("hours: 8, ", "", 1);
    let told = proven(&unknown, &ask(), &["P-4"]).expect("a forecast");
    assert_eq!(told.again, Some(Err("P-1 has no hours".to_owned())));
}

#[test]
fn the_target_and_the_bars_count_every_run() {
    let plan = "calendar: {target: 2026-01-06}\nphases: [{id: a, packages: [{id: P-1, name: A, estimate: {low: 8, likely: 16, high: 24}}]}]\n";
    let told = with(plan, &Ask { runs: 2000, ..ask() }).expect("a forecast");
    let (date, met) = told.target.expect("a target");
    assert_eq!(date.to_string(), "2026-01-06");
    assert!((900..1100).contains(&met), "half of a symmetric triangle: {met}");
    assert_eq!(told.histogram.iter().map(|b| b.runs).sum::<u32>(), 2000);
    let finish = told.overall.finish.expect("open");
    assert_eq!((finish.as_estimated.to_string(), finish.p95.to_string()), ("2026-01-06".into(), "2026-01-07".into()));
}

#[test]
fn a_triangle_has_its_known_quantiles() {
    let points = Points { low: 0.0, likely: 2.0, high: 8.0 };
    let check =
        |u: f64, hours: f64| assert!((points.at(u) - hours).abs() < 1e-12, "{u}: {} is not {hours}", points.at(u));
    check(0.0, 0.0);
    check(0.25, 2.0);
    check(0.0625, 1.0);
    check(1.0, 8.0);
    check(0.75, 8.0 - (0.25f64 * 8.0 * 6.0).sqrt());
    let mean = (0..10_000).map(|n| points.at((f64::from(n) + 0.5) / 10_000.0)).sum::<f64>() / 10_000.0;
    assert!((mean - 10.0 / 3.0).abs() < 1e-3, "{mean}");
    assert_eq!(Points { low: 3.0, likely: 3.0, high: 3.0 }.at(0.5), 3.0);
}

#[test]
fn it_stops_when_it_is_told_to() {
    let loaded = load(&format!("{HEAD}phases: [{{id: a, packages: [{{id: P-1, name: A, hours: 8}}]}}]\n"));
    let linted = Linted::new(&loaded.plan, &loaded.source);
    let mut seen = 0;
    let mut stop = |n| {
        seen = n;
        if n == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(forecast(&linted, &ask(), &HashSet::new(), &mut stop).expect("no refusal"), None);
    assert_eq!(seen, 3);
}

/// Packages with hours, an owner or none, and needs among those before.
fn any_plan() -> impl Strategy<Value = String> {
    let package = (0u32..30, 0u32..4, proptest::collection::vec(any::<proptest::sample::Index>(), 0..3));
    proptest::collection::vec(package, 1..20).prop_map(|packages| {
        let mut text = format!(
            "{WEEK}people: [{{id: p0}}, {{id: p1, capacity: 3}}, {{id: p2}}]\nphases:\n  - id: a\n    packages:\n"
        );
        for (n, (hours, owner, needs)) in packages.iter().enumerate() {
            let owner = if *owner < 3 { format!("p{owner}") } else { String::new() };
            let needs: Vec<String> = match n {
                0 => Vec::new(),
                _ => needs.iter().map(|need| format!("P-{}", need.index(n))).collect(),
            };
            text += &format!(
                "      - {{id: P-{n}, name: A, hours: {hours}, owners: [{owner}], needs: [{}]}}\n",
                needs.join(", ")
            );
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn everything_ends_not_sooner_than_it_can(plan in any_plan(), seed in any::<u64>()) {
        let ask = Ask { seed, runs: 50, spread: (50, 300), ..ask() };
        let told = with(&plan, &ask).expect("a forecast");
        prop_assert_eq!(&told, &with(&plan, &ask).expect("the same again"));
        if let Some(finish) = told.overall.finish {
            prop_assert!(finish.p50 <= finish.p80 && finish.p80 <= finish.p95);
            prop_assert!(finish.as_estimated >= FROM);
            prop_assert_eq!(told.histogram.iter().map(|b| b.runs).sum::<u32>(), 50);
            // All the work, by all the people at once, takes at least so long.
            let loaded = load(&format!("{HEAD}{plan}"));
            let hours = loaded.plan.phases[0].packages.iter().filter_map(|p| p.hours);
            let hours: f64 = hours.map(|h| work::float(h.value.0)).sum();
            let calendar = loaded.plan.calendar.as_ref().expect("it has one");
            let days = calendar.count(FROM, finish.as_estimated).expect("near");
            prop_assert!(f64::from(days) >= hours / 19.0 - 1e-6, "{hours} h in {days} days");
        }
    }

    #[test]
    fn longer_work_never_ends_sooner_for_one_person(hours in proptest::collection::vec(0u32..30, 1..8), more in 0u32..20) {
        let plan = |extra: u32| {
            let list: String = hours.iter().enumerate().map(|(n, h)| format!("{{id: P-{n}, name: A, hours: {}}},", h + extra)).collect();
            format!("phases: [{{id: a, packages: [{list}]}}]\n")
        };
        let last = |text: String| with(&text, &ask()).expect("a forecast").overall.finish.map(|f| f.p50);
        prop_assert!(last(plan(more)) >= last(plan(0)));
    }
}
