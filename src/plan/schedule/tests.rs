use proptest::prelude::*;

use super::*;

fn plan(packages: &str) -> (Plan, Source) {
    let kind = if packages.contains("calendar") { "sprint" } else { "roadmap" };
    let text = format!("bizra: {kind}/v1\nid: p\ntitle: T\ntimezone: UTC\n{packages}");
    let loaded = crate::sys::plans::read("p.yaml".as_ref(), text.as_bytes());
    let loaded = loaded.unwrap_or_else(|e| panic!("{e:?} in\n{text}"));
    (loaded.plan, loaded.source)
}

/// `a 3 <- b, c` is package a of 3 hours that needs b and c.
fn packages(lines: &[&str]) -> (Plan, Source) {
    let entries: String = lines
        .iter()
        .map(|line| {
            let (own, needs) = line.split_once(" <- ").unwrap_or((line, ""));
            let (id, hours) = own.split_once(' ').unwrap();
            format!("    - {{id: {id}, name: N, hours: {hours}, needs: [{needs}]}}\n")
        })
        .collect();
    plan(&format!("phases:\n- id: one\n  packages:\n{entries}"))
}

fn ids(network: &Network<'_>, works: &[usize]) -> String {
    works.iter().map(|n| network.id(*n)).collect::<Vec<_>>().join(" ")
}

fn diamond() -> (Plan, Source) {
    packages(&["d 1.5 <- b, c", "a 2", "b 3 <- a", "c 0.5 <- a", "e 1 <- a"])
}

#[test]
fn a_diamond_by_hand() {
    let (plan, source) = diamond();
    let network = Network::of(&plan, &source).unwrap();
    assert_eq!(ids(&network, network.order()), "a b c d e");
    let schedule = network.schedule().unwrap();
    assert_eq!(schedule.length.to_string(), "6.5");
    assert_eq!(ids(&network, &schedule.critical), "a b d");
    let times: Vec<String> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|id| {
            let t = schedule.times[network.number(id).unwrap()];
            format!("{id} {}..{} float {}", t.earliest, t.latest, t.float)
        })
        .collect();
    assert_eq!(
        times,
        ["a 0..0 float 0", "b 2..2 float 0", "c 2..4.5 float 2.5", "d 5..5 float 0", "e 2..5.5 float 3.5"]
    );
    assert_eq!(network.ranks()[network.number("d").unwrap()], 2);
    assert_eq!(ids(&network, &network.unblocked(|_| false)), "a");
    assert_eq!(ids(&network, &network.unblocked(|id| id == "a")), "b c e");
    assert_eq!(ids(&network, &network.unblocked(|id| id == "a" || id == "b")), "c e");
}

#[test]
fn lengths_of_the_callers_own() {
    let (plan, source) = diamond();
    let network = Network::of(&plan, &source).unwrap();
    let left = network.timed(|_, work| match work.id().value.0.as_str() {
        "a" | "b" => Decimal::ZERO,
        _ => network.hours(work).unwrap(),
    });
    let left = left.unwrap();
    assert_eq!((left.length.to_string().as_str(), ids(&network, &left.critical).as_str()), ("2", "c d"));
    let none = network.timed(|_, _| Decimal::ZERO).unwrap();
    assert!(none.critical.is_empty() && none.length.is_zero());
}

#[test]
fn cycles_are_refused_with_the_shortest() {
    let (plan, source) = packages(&["a 1 <- b", "b 1 <- c", "c 1 <- a", "x 1 <- y, a", "y 1 <- x", "z 1"]);
    let refused = Network::of(&plan, &source).err().expect("it has cycles");
    assert_eq!(refused.message, "x needs itself: x → y → x");
    assert_eq!(refused.place.expect("a place").at, Some((11, 42)));
    assert!(refused.causes[0].ends_with("p.yaml:12:42"), "{:?}", refused.causes);
    let needs = Needs::of(&plan);
    let ways: Vec<Vec<usize>> = needs.cycles().into_iter().map(|c| c.way).collect();
    assert_eq!(ways, [vec![0, 1, 2], vec![3, 4]], "each knot once");
    let (plan, _) = packages(&["a 1 <- a"]);
    assert_eq!(Needs::of(&plan).cycles()[0].way, [0]);
}

#[test]
fn items_take_their_window_and_parts_may_be_done_first() {
    let (plan, source) = plan(
        "calendar: {hours_per_day: 6}\nitems:\n- {id: A, name: A, window: 1-2, parts: [{id: A.1}, {id: A.2}]}\n- {id: B, name: B, effort: [{hours: 4, for: each, each: true}, {days: 1, for: rest}], needs: [{item: A.1}, {item: T}]}\n- {id: C, name: C, needs: [{item: B}]}\ndays: [{n: 1, tasks: [{id: T, text: T}, {id: U, text: U}]}]\n",
    );
    let network = Network::of(&plan, &source).unwrap();
    assert_eq!(ids(&network, network.order()), "A T B C", "tasks that something needs, and no others");
    let schedule = network.schedule().unwrap();
    let lengths: Vec<String> = network.order().iter().map(|n| schedule.times[*n].length.to_string()).collect();
    assert_eq!(lengths, ["12", "0", "10", "0"]);
    assert_eq!(ids(&network, &schedule.critical), "A B");
    let done = |id: &str| id == "A.1" || id == "T";
    assert_eq!(ids(&network, &network.unblocked(done)), "A B");
}

#[test]
fn long_chains_and_rings_take_no_stack_and_little_time() {
    let chain: Vec<String> =
        (0..5_000).map(|n| if n == 0 { "w0 1".into() } else { format!("w{n} 1 <- w{}", n - 1) }).collect();
    let (plan, source) = packages(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    let schedule = Network::of(&plan, &source).unwrap().schedule().unwrap();
    assert_eq!((schedule.length.to_string().as_str(), schedule.critical.len()), ("5000", 5_000));
    let ring: Vec<String> = (0..5_000).map(|n| format!("w{n} 1 <- w{}", (n + 1) % 5_000)).collect();
    let (plan, _) = packages(&ring.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(Needs::of(&plan).cycles()[0].way.len(), 5_000);
}

#[test]
fn hours_that_overflow_are_refused() {
    let most = "999999999999999999";
    let finest = "0.000000000000000001";
    let mut lines = vec![format!("a {finest}")];
    lines.extend(
        (0..400).map(|n| format!("w{n} {most} <- {}", if n == 0 { "a".into() } else { format!("w{}", n - 1) })),
    );
    let (plan, source) = packages(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = Network::of(&plan, &source).unwrap().schedule().unwrap_err();
    assert_eq!(refused.exit, crate::error::Exit::Invalid);
}

/// Hours, and for each work which of the earlier ones it needs.
fn any_network() -> impl Strategy<Value = Vec<(u8, Vec<bool>)>> {
    let work = (0u8..6, prop::collection::vec(prop::bool::weighted(0.3), 7));
    prop::collection::vec(work, 1..8)
}

proptest! {
    #[test]
    fn times_agree_with_every_chain(works in any_network()) {
        let needs = |n: usize| (0..n).filter(|m| works[n].1[*m]).collect::<Vec<_>>();
        let lines: Vec<String> = (0..works.len())
            .map(|n| {
                let names: Vec<String> = needs(n).iter().map(|m| format!("w{m}")).collect();
                format!("w{n} {} <- {}", works[n].0, names.join(", "))
            })
            .collect();
        let (plan, source) = packages(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let network = Network::of(&plan, &source).unwrap();
        let schedule = network.schedule().unwrap();
        // All chains, by brute force.
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for n in 0..works.len() {
            let mut longer: Vec<Vec<usize>> = chains
                .iter()
                .filter(|chain| needs(n).contains(chain.last().unwrap()))
                .map(|chain| chain.iter().copied().chain([n]).collect())
                .collect();
            longer.push(vec![n]);
            chains.extend(longer);
        }
        let hours = |chain: &[usize]| chain.iter().map(|n| i64::from(works[*n].0)).sum::<i64>();
        let longest = chains.iter().map(|c| hours(c)).max().unwrap();
        prop_assert_eq!(schedule.length, Decimal::from_int(longest));
        prop_assert_eq!(hours(&schedule.critical), longest);
        for n in 0..works.len() {
            let through = chains.iter().filter(|c| c.contains(&n)).map(|c| hours(c)).max().unwrap();
            prop_assert_eq!(schedule.times[n].float, Decimal::from_int(longest - through), "w{}", n);
        }
        for pair in schedule.critical.windows(2) {
            prop_assert!(needs(pair[1]).contains(&pair[0]));
        }
    }

    /// The shortest cycle is as short as the shortest way from any work back to itself.
    #[test]
    fn cycles_are_the_shortest(edges in prop::collection::vec((0usize..7, 0usize..7), 1..12)) {
        let lines: Vec<String> = (0..7)
            .map(|n| {
                let names: Vec<String> = edges.iter().filter(|e| e.0 == n).map(|e| format!("w{}", e.1)).collect();
                format!("w{n} 1 <- {}", names.join(", "))
            })
            .collect();
        let (plan, source) = packages(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut reach = [[usize::MAX; 7]; 7];
        edges.iter().for_each(|(a, b)| reach[*a][*b] = 1);
        for k in 0..7 {
            for a in 0..7 {
                for b in 0..7 {
                    reach[a][b] = reach[a][b].min(reach[a][k].saturating_add(reach[k][b]));
                }
            }
        }
        let shortest = (0..7).map(|n| reach[n][n]).min().filter(|n| *n < usize::MAX);
        let found = Needs::of(&plan).cycles().iter().map(|c| c.way.len()).min();
        prop_assert_eq!(found, shortest);
        prop_assert_eq!(Network::of(&plan, &source).is_err(), shortest.is_some());
    }
}
