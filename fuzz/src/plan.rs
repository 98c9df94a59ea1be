//! A plan is read or refused with a reason; what was read can be checked, drawn, written, and differs in nothing from
//! itself.

use std::path::Path;

use bizra::plan::lint::{self, Linted};
use bizra::roadmap::{diff, render};
use bizra::sys::plans;
use bizra::{roadmap, sprint};

pub fn look(bytes: &[u8]) {
    let loaded = match plans::read(Path::new("plan.yaml"), bytes) {
        Ok(loaded) => loaded,
        Err(problems) => return assert!(!problems.is_empty() && problems.iter().all(|p| !p.to_string().is_empty())),
    };
    let linted = Linted::new(&loaded.plan, &loaded.source);
    let rules: Vec<_> = roadmap::RULES.iter().chain(sprint::RULES).copied().collect();
    for finding in lint::run(&linted, &loaded.tree.comments, &rules).findings {
        assert!(finding.span.end as usize <= loaded.source.text.len());
    }
    render::markdown(&loaded.plan, &loaded.tree);
    let version = || diff::Version { linted: &linted, tree: &loaded.tree };
    let difference = diff::diff(&version(), &version());
    assert!(difference.scope.is_empty() && difference.progress.is_empty(), "a plan differs from itself");
}
