//! Sprints made up for tests.

use crate::sys::plans::Loaded;

/// A sprint of UTC with these sections.
pub(crate) fn sprint(sections: &str) -> Loaded {
    let text = format!("bizra: sprint/v1\nid: s\ntitle: T\ntimezone: UTC\n{sections}");
    let loaded = crate::sys::plans::read("sprints/s.yaml".as_ref(), text.as_bytes());
    loaded.unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"))
}
