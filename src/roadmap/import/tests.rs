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
