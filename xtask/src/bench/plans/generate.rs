//! A plan from a seed: as `roadmap/v1`, and the same as TaskJuggler reads it.
//!
//! Each phase has its packages and, where it is covered, a gate whose criteria cover them with evidence. A package has
//! hours, a priority, one owner, and up to three needs among the packages before it in its phase. Everybody works eight
//! hours from Monday to Friday. A gate holds the next phase back in both.

use std::fmt::Write as _;

pub(super) const START: &str = "2026-01-05";
/// Packages that one criterion covers.
const COVERED: usize = 20;
const HOURS: u64 = 8;

#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) phases: usize,
    pub(super) packages: usize,
    pub(super) people: usize,
    pub(super) covered: bool,
}

struct Package {
    id: String,
    hours: u64,
    owner: usize,
    priority: u64,
    needs: Vec<String>,
}

/// Steele, Lea and Flood's SplitMix64 (2014): enough to scatter numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn phases(shape: &Shape) -> Vec<Vec<Package>> {
    let mut dice = Dice(2026);
    let id = |phase: usize, n: usize| format!("P{phase:03}-{n:04}");
    let package = |phase: usize, n: usize, dice: &mut Dice| {
        let wanted = dice.below(4).min(n as u64);
        let mut needs: Vec<usize> = (0..wanted).map(|_| dice.below(n as u64) as usize).collect();
        needs.sort_unstable();
        needs.dedup();
        Package {
            id: id(phase, n),
            hours: 1 + dice.below(2 * HOURS),
            owner: dice.below(shape.people as u64) as usize,
            priority: 1 + dice.below(3),
            needs: needs.into_iter().map(|need| id(phase, need)).collect(),
        }
    };
    (0..shape.phases).map(|phase| (0..shape.packages).map(|n| package(phase, n, &mut dice)).collect()).collect()
}

pub(super) fn plan(shape: &Shape) -> String {
    let all = phases(shape);
    let total: u64 = all.iter().flatten().map(|package| package.hours).sum();
    let mut text = format!(
        "bizra: roadmap/v1\nid: generated\ntitle: A generated plan\ntimezone: UTC\n\
         calendar: {{workdays: [monday, tuesday, wednesday, thursday, friday], hours_per_day: {HOURS}}}\n\
         checks: [{{id: total, expr: sum(package.hours), equals: {total}, unit: h}}]\npeople:\n"
    );
    for n in 0..shape.people {
        let _ = writeln!(text, "  - {{id: person-{n}}}");
    }
    text += "phases:\n";
    for (n, packages) in all.iter().enumerate() {
        let _ = writeln!(text, "  - id: phase-{n}\n    name: Phase {n}");
        if shape.covered {
            text += "    gate:\n      policy: all\n      criteria:\n";
            for (at, covered) in packages.chunks(COVERED).enumerate() {
                let ids: Vec<&str> = covered.iter().map(|package| package.id.as_str()).collect();
                let _ = writeln!(
                    text,
                    "        - {{id: criterion-{n}-{at}, covers: [{}], evidence: {{file: {{path: docs/{n}-{at}.md}}}}}}",
                    ids.join(", ")
                );
            }
        }
        text += "    packages:\n";
        for Package { id, hours, owner, priority, needs } in packages {
            let needs = needs.join(", ");
            let _ = writeln!(
                text,
                "      - {{id: {id}, name: Work on {id}, priority: P{priority}, hours: {hours}, status: pending, \
                 owners: [person-{owner}], needs: [{needs}]}}"
            );
        }
    }
    text
}

/// Names there have no hyphens.
fn bare(id: &str) -> String {
    id.replace('-', "_")
}

pub(super) fn tasks(shape: &Shape) -> String {
    let mut text = format!(
        "project generated \"A generated plan\" {START} +5y {{ timezone \"UTC\" timingresolution 60min }}\n\
         resource everybody \"Everybody\" {{\n  workinghours mon - fri 9:00 - 17:00\n"
    );
    for n in 0..shape.people {
        let _ = writeln!(text, "  resource person_{n} \"Person {n}\" {{ workinghours mon - fri 9:00 - 17:00 }}");
    }
    text += "}\n";
    for (n, packages) in phases(shape).iter().enumerate() {
        for Package { id, hours, owner, priority, needs } in packages {
            let mut depends: Vec<String> = needs.iter().map(|need| bare(need)).collect();
            depends.extend(n.checked_sub(1).map(|before| format!("gate_{before}")));
            let depends = match depends.is_empty() {
                true => String::new(),
                false => format!(" depends {}", depends.join(", ")),
            };
            let _ = writeln!(
                text,
                "task {} \"Work on {id}\" {{ effort {hours}h allocate person_{owner} priority {}{depends} }}",
                bare(id),
                1000 - 100 * priority
            );
        }
        let all: Vec<String> = packages.iter().map(|package| bare(&package.id)).collect();
        let _ = writeln!(text, "task gate_{n} \"Gate {n}\" {{ milestone depends {} }}", all.join(", "));
    }
    text += "taskreport ends \"ends\" { formats csv columns id, start, end timeformat \"%Y-%m-%d\" }\n";
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SMALL: Shape = Shape { phases: 3, packages: 50, people: 4, covered: true };

    #[test]
    fn what_is_generated_is_a_plan_without_contradictions() {
        let text = plan(&SMALL);
        let loaded = bizra::sys::plans::read(Path::new("plan.yaml"), text.as_bytes()).expect("a plan");
        let rules: Vec<_> = bizra::roadmap::RULES.iter().chain(bizra::sprint::RULES).copied().collect();
        let linted = bizra::plan::Linted::new(&loaded.plan, &loaded.source);
        let verdict = bizra::plan::lint::run(&linted, &loaded.tree.comments, &rules);
        let found: Vec<_> = verdict.findings.iter().map(|f| (f.code, f.message.clone())).collect();
        assert_eq!(found, []);
        assert_eq!(text, plan(&SMALL), "one seed, one plan");
    }

    #[test]
    fn both_forms_have_the_same_tasks() {
        assert_eq!(tasks(&SMALL).matches(" effort ").count(), 150);
        assert_eq!(plan(&SMALL).matches("status: pending").count(), 150);
    }
}
