//! The list holds together; that each kernel is as wrong or as right as it says is for the verifier to find.

use std::collections::HashSet;

use super::*;

#[test]
fn there_are_enough_of_each_kind_and_each_has_a_name_of_its_own() {
    let honest = specimens().filter(|one| one.honest).count();
    let wrong = specimens().filter(|one| !one.honest).count();
    assert!(honest >= 8 && wrong >= 40, "{honest} honest, {wrong} wrong");
    let names: HashSet<&str> = specimens().map(|one| one.entry.name).collect();
    assert_eq!(names.len(), honest + wrong);
    let said: HashSet<&str> = specimens().map(|one| one.does).collect();
    assert!(said.len() + 6 >= names.len(), "what a kernel does is said of it alone, but for what operations share");
    for op in OpCode::ALL {
        assert!(specimens().any(|one| one.op == *op && one.honest), "no honest {}", op.word());
        assert!(specimens().any(|one| one.op == *op && !one.honest), "no wrong {}", op.word());
    }
    assert!(specimens().filter(|one| one.claim.is_some()).all(|one| !one.honest));
}

#[test]
fn the_process_finds_each_by_its_name() {
    for (entry, specimen) in ENTRIES.iter().zip(specimens()) {
        assert_eq!(entry.name, specimen.entry.name);
    }
    assert_eq!(ENTRIES.len(), specimens().count());
}
