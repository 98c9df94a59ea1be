//! Drafts of odd texts.

use super::*;

#[test]
fn a_text_with_control_characters_becomes_yaml() {
    assert_eq!(quoted("plain words"), "plain words");
    assert_eq!(quoted("a\u{7f}b\u{85}\u{1}\"é"), "\"a\\u007fb\\u0085\\u0001\\\"é\"");
    let origin = Origin { id: "draft".into(), zone: "UTC".into(), path: "a.md".into(), repaired: false };
    let yaml = draft("# A\u{7f}\n\n- [ ] b\u{80}c\n\n| x\u{7f} |\n|---|\n| y\u{9f} |\n", &origin);
    let source = crate::plan::source::Source::new("a.yaml", yaml.as_str());
    crate::sys::yaml::parse(&source, 0).unwrap_or_else(|problem| panic!("{problem}\n{yaml}"));
}

/// The draft, which is YAML whatever the text.
fn drafted(text: &str) -> String {
    let origin = Origin { id: "draft".into(), zone: "UTC".into(), path: "a.md".into(), repaired: false };
    let yaml = draft(text, &origin);
    let source = crate::plan::source::Source::new("a.yaml", yaml.as_str());
    crate::sys::yaml::parse(&source, 0).unwrap_or_else(|problem| panic!("{problem}\n{yaml}"));
    yaml
}

const PACKAGES: &str = "| ID | Name | Priority | Hours | Status |\n|---|---|---|---|---|\n";

#[test]
fn what_stands_twice_keeps_its_shape_the_second_time() {
    let phase =
        format!("### Work Packages\n\n{PACKAGES}| A-QA-1 | one | P1 | 4h | ☑ |\n\n### Gate Criteria\n\n- [ ] b\n\n");
    let sums = "### By Phase\n\n| Phase | Hours |\n|---|---|\n| one | 4 |\n\n";
    let head = "**Generated:** now\n\n**Current Phase:** One\n\n**Total Effort:** 4 hours\n\n";
    let once = format!("# P\n\n{head}{sums}## Phase: One\n\n{phase}");
    let yaml = drafted(&once);
    assert!(!yaml.contains("outline:"), "{yaml}");
    assert!(
        yaml.contains("{id: A-QA-1, name: one, priority: P1, hours: 4, category: quality, status: done}"),
        "{yaml}"
    );
    let yaml = drafted(&format!("{once}{head}{sums}{phase}"));
    let (fields, outline) = yaml.split_once("outline:").unwrap();
    assert_eq!(fields.matches("packages:").count(), 1, "{yaml}");
    for kept in ["key: Generated", "key: Current Phase", "key: Total Effort", "Phase, Hours", "A-QA-1", "text: b"] {
        assert!(outline.contains(kept), "{kept}\n{yaml}");
    }
}

#[test]
fn what_is_no_amount_is_not_written_as_one() {
    let yaml = drafted(&format!(
        "**Total Effort:** a: b hours\n\n## By Phase\n\n| a | b |\n|---|---|\n| x | 1 |\n| x | 2 |\n\n## By Category\n\n\
         | a | b |\n|---|---|\n| x | {{ |\n\n## Phase: A\n\n### Work Packages\n\n{PACKAGES}| B | c | P1 | 4: {{h | ✅ |\n"
    ));
    assert!(!yaml.contains("effort:"), "{yaml}");
    assert!(yaml.contains("hours: \"4: {\""), "{yaml}");
    assert!(yaml.contains("key: Total Effort"), "{yaml}");
}

#[test]
fn packages_of_no_phase_make_no_roadmap() {
    let yaml = drafted(&format!("## Work Packages\n\n{PACKAGES}| B | c | P1 | 4h | ✅ |\n\n```\n\u{7f}\n```\n"));
    assert!(!yaml.contains("phases:"), "{yaml}");
    assert!(yaml.contains("table:"), "{yaml}");
}
