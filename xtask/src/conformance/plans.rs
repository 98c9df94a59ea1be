//! The documents that this project grew from: an import loses nothing, and the plans that are kept lost no fact.

use std::path::Path;

use super::{Case, Verdict};
use crate::tools;

/// The start of each document's file name, and the plan that is kept of it.
const KEPT: &[(&str, &str)] = &[
    ("000", "sprints/flywheel.yaml"),
    ("001", "roadmap/omega.yaml"),
    ("002", "sprints/phase6.yaml"),
    ("003", "roadmap/stratified.yaml"),
];

pub(super) fn seeds(folder: &Path) -> Vec<Case> {
    KEPT.iter().flat_map(|(number, plan)| document(folder, number, plan)).collect()
}

fn document(folder: &Path, number: &str, plan: &str) -> Vec<Case> {
    let failed = |why: String| vec![Case { name: format!("{number}, {plan}"), outcome: Verdict::Failed(why) }];
    let files = match tools::entries(folder) {
        Ok(files) => files,
        Err(why) => return failed(why),
    };
    let named = |file: &&std::path::PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{number}_")))
    };
    let Some(file) = files.iter().find(named) else {
        return failed(format!("there is no document {number}_… in the folder"));
    };
    let texts = tools::read_file(file).and_then(|text| Ok((text, tools::read_file(&tools::root().join(plan))?)));
    let (text, kept) = match texts {
        Ok(texts) => texts,
        Err(why) => return failed(why),
    };
    let judged = bizra::sys::plans::conform(&text, &kept).into_iter().map(|(what, outcome)| Case {
        name: format!("{number}, {plan}: {what}"),
        outcome: outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed),
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_document_that_is_missing_or_lost_something_has_failed() {
        let folder = tools::root().join("target/xtask-tests/conformance-plans");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("001_x.txt"), "# T\n\n- [ ] a fact that no plan has: 987654\n").unwrap();
        let cases = seeds(&folder);
        let failed = |start: &str| {
            let of = cases.iter().filter(|c| c.name.starts_with(start));
            of.filter(|c| matches!(c.outcome, Verdict::Failed(_))).count()
        };
        assert_eq!((failed("000"), failed("002"), failed("003")), (1, 1, 1));
        assert_eq!(failed("001, roadmap/omega.yaml: the plan keeps every fact"), 1);
    }
}
