//! The properties that make H worth looking at, one test for each.

use proptest::prelude::*;

use super::super::asks::Asks;
use super::super::baseline::Baseline;
use super::super::bits::Standing;
use super::super::claims::{self, Claim, ScopeChange};
use super::super::course::Course;
use super::super::units::{self, Language};
use super::*;

const TABLE: Table = Table { owner: 850, independent: 950, machine: 980, reproduced: 990 };

fn claim(id: &str, hours: Option<f64>, standing: Standing) -> Claim {
    Claim { id: id.into(), hours, asks: Asks::default(), standing, reason: String::new(), receipts: Vec::new() }
}

fn unit(n: u8, tokens: u32, test: bool) -> Unit {
    Unit { id: [n; 12], name: format!("f{n}"), tokens, lines: 1..=2, test }
}

fn standing() -> impl Strategy<Value = Standing> {
    prop::sample::select(vec![
        Standing::Nothing,
        Standing::Owner,
        Standing::Independent,
        Standing::Machine,
        Standing::Reproduced,
    ])
}

fn some_claims() -> impl Strategy<Value = Vec<Claim>> {
    prop::collection::vec((prop::option::of(1u32..100), standing()), 0..8).prop_map(|all| {
        let made = |(n, (hours, standing)): (usize, (Option<u32>, Standing))| {
            claim(&format!("p/{n}"), hours.map(f64::from), standing)
        };
        all.into_iter().enumerate().map(made).collect()
    })
}

/// Units 0 to 39 are code, 200 to 209 tests.
fn some_units() -> impl Strategy<Value = Vec<Unit>> {
    prop::collection::btree_map(0u8..40, 1u32..500, 0..20).prop_map(|code| {
        let tests = (200..210).map(|n| unit(n, 5, true));
        code.into_iter().map(|(n, tokens)| unit(n, tokens, false)).chain(tests).collect()
    })
}

fn some_run() -> impl Strategy<Value = Run> {
    let covered = prop::collection::btree_map(0u8..40, 0u8..=100, 0..20);
    let tests = prop::collection::btree_set(200u8..215, 0..6);
    (covered, tests, prop::option::of(0u16..=1000), 0u8..3).prop_map(|(covered, tests, killed, key)| Run {
        receipts: vec!["r".into()],
        key: key.to_string(),
        covered: covered.into_iter().map(|(n, share)| ([n; 12], share)).collect(),
        tests: tests.into_iter().map(|n| [n; 12]).collect(),
        killed,
    })
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec(some_run(), 0..4)
}

/// H of the parts, each unit in a file of its own choosing.
fn moment<'a>(claims: &[Claim], units: &'a [Unit], runs: &'a [Run]) -> Moment<'a> {
    let files: Vec<File<'_>> = units.chunks(3).map(|part| File { path: "src/a.rs", units: part }).collect();
    Moment::of(claims::weighed(claims, None, &[], &TABLE), &files, runs, &TABLE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever came, went and was shown on the way, V is what it is where nothing was remembered.
    #[test]
    fn a_course_tells_what_each_moment_tells(
        mut days in prop::collection::vec((prop::collection::vec(some_units(), 0..4), prop::option::of(runs())), 1..8),
    ) {
        // The same unit is as long everywhere.
        let units = days.iter_mut().flat_map(|(files, _)| files).flatten();
        units.for_each(|unit| unit.tokens = u32::from(unit.id[0]) + 1);
        let mut course = Course::default();
        let (mut before, mut shown): (&[Vec<Unit>], Vec<Run>) = (&[], Vec::new());
        for (files, runs) in &days {
            before.iter().for_each(|units| course.remove(units));
            files.iter().for_each(|units| course.add(units));
            before = files;
            shown = runs.clone().unwrap_or(shown);
            let files: Vec<File<'_>> = files.iter().map(|units| File { path: "src/a.rs", units }).collect();
            prop_assert_eq!(course.v(&shown, &TABLE), Moment::of(Vec::new(), &files, &shown, &TABLE).v());
        }
    }

    #[test]
    fn h_lies_between_nothing_and_everything(claims in some_claims(), units in some_units(), runs in runs()) {
        let whole = moment(&claims, &units, &runs);
        prop_assert!(whole.h() >= 0.0);
        prop_assert!(whole.h() <= whole.ceiling() + 1e-9);
        let open: Vec<Claim> = claims.iter().map(|c| claim(&c.id, c.hours, Standing::Nothing)).collect();
        let bare = moment(&open, &units, &[]);
        prop_assert!((bare.h() - whole.ceiling()).abs() < 1e-9);
    }

    #[test]
    fn admissible_evidence_never_raises_h(
        claims in some_claims(), units in some_units(), runs in runs(), more in some_run(), better in standing(),
    ) {
        let before = moment(&claims, &units, &runs).h();
        let mut all = runs.clone();
        all.push(more);
        let stronger: Vec<Claim> =
            claims.iter().map(|c| claim(&c.id, c.hours, c.standing.max(better))).collect();
        prop_assert!(moment(&claims, &units, &all).h() <= before + 1e-9);
        prop_assert!(moment(&stronger, &units, &runs).h() <= before + 1e-9);
    }

    #[test]
    fn where_code_lies_changes_nothing(units in some_units(), runs in runs(), at in 1usize..7) {
        let one = [File { path: "a.rs", units: &units }];
        let several: Vec<File<'_>> =
            units.chunks(at).zip(["x/1.rs", "b.rs", "c/d.rs"].iter().cycle()).map(|(units, path)| File { path, units }).collect();
        let (one, several) = (Moment::of(vec![], &one, &runs, &TABLE), Moment::of(vec![], &several, &runs, &TABLE));
        prop_assert_eq!(one.h().to_bits(), several.h().to_bits());
        prop_assert_eq!(Change::between(&one, &several).total(), 0.0);
    }

    #[test]
    fn changes_compose_and_their_parts_add_up(
        a in (some_claims(), some_units(), runs()), b in (some_claims(), some_units(), runs()),
        c in (some_claims(), some_units(), runs()),
    ) {
        let [a, b, c] = [&a, &b, &c].map(|(claims, units, runs)| moment(claims, units, runs));
        let (ab, bc, ac) = (Change::between(&a, &b), Change::between(&b, &c), Change::between(&a, &c));
        prop_assert!((ab.total() + bc.total() - ac.total()).abs() < 1e-9);
        prop_assert!((ac.total() - (c.h() - a.h())).abs() < 1e-9);
        let parts = sum(ac.contributions.iter().map(|piece| piece.bits));
        prop_assert!((parts - ac.total()).abs() < 1e-9);
    }

    #[test]
    fn a_split_package_weighs_the_same(hours in 1u32..100, share in 1u32..100, standing in standing()) {
        let (whole, part) = (f64::from(hours), f64::from(hours) * f64::from(share) / 100.0);
        let before = [claim("p/A", Some(whole), standing), claim("p/B", Some(7.0), Standing::Nothing)];
        let after = [
            claim("p/A1", Some(part), standing),
            claim("p/A2", Some(whole - part), standing),
            claim("p/B", Some(7.0), Standing::Nothing),
        ];
        let baseline = Baseline::lock(1, "first", "2026-01-31T12:00:00Z".into(), String::new(), TABLE, &before);
        let split = ScopeChange { claim: "p/A".into(), into: vec![], receipt: "r".into() };
        let p = |claims: &[Claim], changes: &[ScopeChange]| {
            sum(claims::weighed(claims, Some(&baseline), changes, &TABLE).iter().map(Weighed::bits))
        };
        prop_assert!((p(&before, &[]) - p(&after, &[split])).abs() < 1e-9);
        let orphaned = p(&after, &[]);
        prop_assert!((orphaned - p(&before, &[]) - whole / baseline.mean_hours()).abs() < 1e-9, "nobody signed for it");
    }

    #[test]
    fn evidence_that_runs_out_raises_h(claims in some_claims(), units in some_units(), runs in runs()) {
        prop_assume!(claims.iter().any(|c| c.standing != Standing::Nothing));
        let expired: Vec<Claim> = claims.iter().map(|c| claim(&c.id, c.hours, Standing::Nothing)).collect();
        prop_assert!(moment(&expired, &units, &runs).h() > moment(&claims, &units, &runs).h());
    }
}

#[test]
fn deleting_or_weakening_a_named_test_raises_h() {
    let source = "fn f(a: u8) -> u8 { a + 1 }\n#[test]\nfn one() { assert_eq!(f(1), 2); }\n#[test]\nfn two() { assert_eq!(f(2), 3); }\n";
    let split = |text: &str| units::of(Language::Rust, "src/a.rs", text.as_bytes());
    let before = split(source);
    let tests: Vec<UnitId> = before.iter().filter(|u| u.test).map(|u| u.id).collect();
    assert_eq!(tests.len(), 2);
    let code = before.iter().find(|u| !u.test).map(|u| u.id).unwrap();
    let runs = [Run { receipts: vec![], key: "k".into(), covered: vec![(code, 100)], tests, killed: None }];
    let h = |units: &[Unit]| {
        let files = [File { path: "src/a.rs", units }];
        Moment::of(vec![], &files, &runs, &TABLE).h()
    };
    let whole = h(&before);
    assert!(whole < h(&split(&source.replace("assert_eq!(f(2), 3);", "f(2);"))), "weakened");
    assert!(whole < h(&split(&source.replace("#[test]\nfn two() { assert_eq!(f(2), 3); }\n", ""))), "deleted");
    assert!(whole == h(&split(&format!("{source}#[test]\nfn three() {{ assert!(f(3) > 3); }}\n"))), "one more");
    assert!(whole == h(&split(&source.replace("    ", "\t").replace("fn one", "// why\nfn first"))), "renamed");
}

#[test]
fn claims_can_not_leave_or_soften_unsigned() {
    let whole = |n| Asks { whole: Some([n; 32]), ..Asks::default() };
    let locked =
        [Claim { asks: whole(1), ..claim("p/A", Some(4.0), Standing::Machine) }, claim("p/B", None, Standing::Machine)];
    let baseline = Baseline::lock(1, "first", "2026-01-31T12:00:00Z".into(), String::new(), TABLE, &locked);
    let weighed = |claims: &[Claim], changes: &[ScopeChange]| claims::weighed(claims, Some(&baseline), changes, &TABLE);
    let softer = [Claim { asks: whole(2), ..locked[0].clone() }, locked[1].clone()];
    assert_eq!(weighed(&softer, &[])[0].p, 0.5);
    let signed = ScopeChange { claim: "p/A".into(), into: vec![], receipt: "r".into() };
    assert_eq!(weighed(&softer, std::slice::from_ref(&signed))[0].p, 0.98);
    let gone = weighed(&locked[1..], &[]);
    assert!(gone[0].orphan && gone[0].bits() == 1.0, "its weight is what was locked: {gone:?}");
    assert_eq!(weighed(&locked[1..], &[signed]).len(), 1);
    let lighter = [Claim { hours: Some(0.1), standing: Standing::Nothing, ..locked[0].clone() }, locked[1].clone()];
    assert_eq!(weighed(&lighter, &[])[0].weight, 1.0, "hours that were talked down afterwards");
}

#[test]
fn two_keys_and_planted_faults_scale_evidence() {
    let units = [unit(1, 1000, false), unit(200, 5, true)];
    let run = |key: &str, share: u8, killed| Run {
        receipts: vec![],
        key: key.into(),
        covered: vec![([1; 12], share)],
        tests: vec![[200; 12]],
        killed,
    };
    let v = |runs: &[Run]| moment(&[], &units, runs).v();
    let s = uncertainty;
    assert!((v(&[]) - 1.0).abs() < 1e-12);
    assert!((v(&[run("a", 100, None)]) - s(0.98)).abs() < 1e-12);
    assert!((v(&[run("a", 100, None), run("b", 100, None)]) - s(0.99)).abs() < 1e-12);
    assert!((v(&[run("a", 50, None)]) - s(0.74)).abs() < 1e-12);
    assert!((v(&[run("a", 100, Some(500))]) - s(0.74)).abs() < 1e-12);
    let nameless = Run { tests: vec![], ..run("a", 100, None) };
    assert!((v(&[nameless]) - 1.0).abs() < 1e-12, "a run that rests on no test can't be held to any");
}
